//! What may be around a message of MPS: nothing, base64, or the envelope of an event bus.
//!
//! MPS publishes raw JSON, and whether a message is base64 depends on its publisher. `EventBridge`
//! and `CloudEvents` put the message under `data`, as an object, as a text of JSON or as base64.
//! Which it is shows only in the bytes: base64 counts only if it is strict and a JSON object in
//! UTF-8 comes out, and `data` only if its object is no message by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::mps::fields::Fields;
use crate::mps::json::{self, Json, JsonError};
use crate::mps::keys;
use crate::mps::reason::{self, Unreadable};

/// The most layers taken off: an event bus inside another, each with its message as a text.
pub(super) const LAYERS_MAX: usize = 4;

/// The key in `extra` that keeps what an event bus put around the message: a list of objects, the
/// outermost first, without their `data`.
pub(super) const WRAPPERS: &str = "_wrappers";

/// What an object is, by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    OtherProduct,
    Run,
    Job,
}

/// Finds the object of the message in `message`, under whatever is around it.
pub(super) fn open(message: &[u8]) -> Result<(Shape, Fields), Unreadable> {
    let mut json = parse(message)?;
    let mut wrappers = Vec::new();
    for _ in 0..=LAYERS_MAX {
        match json {
            Json::Object(entries) => {
                let mut fields = Fields::new(entries);
                if let Some(shape) = shape(&fields) {
                    if !wrappers.is_empty() {
                        fields.keep(WRAPPERS, wrappers);
                    }
                    return Ok((shape, fields));
                }
                let Some((_, data)) = fields.take(keys::DATA, |json| !json.is_null()) else {
                    let keys = reason::keys_named(fields.names());
                    return Err(Unreadable::NoSubject { keys });
                };
                wrappers.push(Value::Object(fields.into_extra()));
                json = data;
            }
            Json::Text(text) => json = parse(text.as_bytes())?,
            other => {
                let found = other.kind();
                return Err(Unreadable::NotAnObject { found });
            }
        }
    }
    Err(Unreadable::TooManyLayers)
}

/// Recognises an object by its keys; `None` if it is no message by itself.
fn shape(fields: &Fields) -> Option<Shape> {
    if fields.has(keys::EVENT_TYPE) {
        Some(Shape::OtherProduct)
    } else if fields.has(keys::RUN_ID) || fields.has(keys::EXECUTION) {
        Some(Shape::Run)
    } else if fields.has(keys::JOB_ID) || fields.has_object_ending(keys::JOB_NOTIFY_ENDING) {
        Some(Shape::Job)
    } else {
        None
    }
}

fn parse(bytes: &[u8]) -> Result<Json, Unreadable> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    match json::parse(bytes) {
        Ok(json) => Ok(json),
        Err(JsonError::TooDeep) => Err(Unreadable::TooDeep),
        Err(JsonError::Syntax(error)) => match object_in_base64(bytes) {
            Some(object) => Ok(object),
            None => Err(Unreadable::NotJson {
                beginning: reason::quote(bytes),
                error,
            }),
        },
    }
}

fn object_in_base64(bytes: &[u8]) -> Option<Json> {
    let decoded = STANDARD.decode(bytes).ok()?;
    json::parse(&decoded)
        .ok()
        .filter(|json| matches!(json, Json::Object(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JOB: &str = r#"{"JobId":"示例","Type":"Transcode","State":"Success"}"#;

    fn extra_of_job(message: &str) -> Value {
        let (shape, mut fields) = open(message.as_bytes()).unwrap();
        assert_eq!(shape, Shape::Job, "{message}");
        assert_eq!(fields.take_id(keys::JOB_ID).unwrap(), "示例", "{message}");
        for keys in [keys::TYPE, keys::STATE] {
            assert!(fields.take_name(keys).is_some(), "{message}");
        }
        Value::Object(fields.into_extra())
    }

    #[test]
    fn a_message_is_found_under_base64_and_an_event_bus() {
        let base64 = STANDARD.encode(JOB);
        let text = Value::from(JOB).to_string();
        let wrapped = json!({"_wrappers": [{"id": "1"}]});
        let cases = [
            (JOB.to_owned(), json!({})),
            (format!(" {JOB}\n"), json!({})),
            (base64.clone(), json!({})),
            (text.clone(), json!({})),
            (format!(r#"{{"id":"1","data":{JOB}}}"#), wrapped.clone()),
            (format!(r#"{{"id":"1","Data":{text}}}"#), wrapped.clone()),
            (
                format!(r#"{{"id":"1","data":"{base64}"}}"#),
                wrapped.clone(),
            ),
            (format!(r#"{{"id":"1","data_base64":"{base64}"}}"#), wrapped),
            (
                format!(r#"{{"data":{{"id":"2","data":{JOB}}}}}"#),
                json!({"_wrappers": [{}, {"id": "2"}]}),
            ),
        ];
        for (message, extra) in cases {
            assert_eq!(extra_of_job(&message), extra, "{message}");
        }
    }

    #[test]
    fn base64_counts_only_if_it_is_strict_and_of_a_json_object() {
        let base64 = STANDARD.encode(JOB);
        let without_padding = base64.trim_end_matches('=').to_owned();
        assert_ne!(without_padding, base64, "the example needs padding");
        let broken_line = base64.replacen('J', "J\n", 1);
        let no_object = STANDARD.encode("123");
        let no_utf8 = STANDARD.encode(b"{\"JobId\":\"\xff\",\"Type\":\"a\"}");
        for message in [
            without_padding,
            broken_line,
            no_object,
            no_utf8,
            "test".to_owned(),
        ] {
            let refused = open(message.as_bytes());
            assert!(
                matches!(refused, Err(Unreadable::NotJson { .. })),
                "{message}"
            );
        }
    }

    #[test]
    fn data_of_a_message_is_no_wrapper() {
        let message = r#"{"JobId":"示例","Type":"a","State":"b","data":{"JobId":"c"}}"#;
        assert_eq!(extra_of_job(message), json!({"data": {"JobId": "c"}}));
    }

    #[test]
    fn a_blank_or_null_key_decides_nothing() {
        for key in ["RunId", "MediaWorkflowExecution", "EventType"] {
            for value in ["null", r#""""#, r#"" ""#] {
                let message = format!(r#"{{"{key}":{value},"JobId":"a"}}"#);
                let (shape, _) = open(message.as_bytes()).unwrap();
                assert_eq!(shape, Shape::Job, "{message}");
            }
        }
    }

    #[test]
    fn the_last_layer_allowed_is_taken_off_and_one_more_is_not() {
        let wrapped =
            |times| (0..times).fold(JOB.to_owned(), |json, _| format!(r#"{{"data":{json}}}"#));
        assert!(open(wrapped(LAYERS_MAX).as_bytes()).is_ok());
        let refused = open(wrapped(LAYERS_MAX + 1).as_bytes());
        assert!(matches!(refused, Err(Unreadable::TooManyLayers)));
    }
}
