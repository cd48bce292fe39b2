//! An event as its row keeps it: JSON that is handed on and hardly ever taken apart.
//!
//! A page shows an event or two, but a download has them all, and most of its time went into giving
//! each key and each value a piece of memory of its own. Here the text stays whole and goes out as it
//! stands.
//!
//! What must hold: it is JSON, which is looked at once, when it is read. It has no line breaks, since
//! the store writes none, so it may stand in a line of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The text of an event.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct EventText(Box<RawValue>);

/// Of what an event tells, as far as it says so itself.
#[derive(Default, Deserialize)]
pub(super) struct Named {
    pub(super) job_id: Option<String>,
    pub(super) run_id: Option<String>,
}

impl EventText {
    pub(super) fn parse(text: &str) -> Result<EventText, serde_json::Error> {
        RawValue::from_string(text.to_owned()).map(EventText)
    }

    /// Returns it as it stands in a cell, and in a line of JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Takes it apart.
    pub fn value(&self) -> Value {
        // An error is none that JSON can have.
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }
}

impl PartialEq for EventText {
    fn eq(&self, other: &EventText) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Named {
    /// Reads it leniently: an older version of this program may have stored the event.
    pub(super) fn in_event(event: &EventText) -> Named {
        serde_json::from_str(event.as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<Value> for EventText {
        fn from(event: Value) -> EventText {
            EventText::parse(&event.to_string()).unwrap()
        }
    }

    #[test]
    fn it_goes_out_as_it_stands() {
        for text in [
            r#"{"kind":"job","job_id":"j","extra":{"z":[1e2,-0,18446744073709551616],"a":null}}"#,
            r#"{"b":"\/\u4e2d\ud83d\ude00\"\\\u0001中"}"#,
            "null",
        ] {
            let event = EventText::parse(text).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
            assert_eq!(event.as_str(), text);
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(event.value(), value);
            assert_eq!(serde_json::to_value(&event).unwrap(), value);
        }
    }

    #[test]
    fn it_names_its_job_and_run_and_whatever_is_no_text_is_no_name() {
        let named = |text| {
            let Named { job_id, run_id } = Named::in_event(&EventText::parse(text).unwrap());
            (job_id, run_id)
        };
        let (job, run) =
            named(r#"{"kind":"activity","run_id":"r","job_id":"j","extra":{"job_id":1}}"#);
        assert_eq!((job.as_deref(), run.as_deref()), (Some("j"), Some("r")));
        for text in [r#"{"job_id":null}"#, r#"{"job_id":1}"#, "[]", "{}"] {
            assert_eq!(named(text), (None, None), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "{\"a\":}", "{} {}", "nul"] {
            assert!(EventText::parse(text).is_err(), "{text}");
        }
    }
}
