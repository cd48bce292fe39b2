//! Events as `CloudEvents` 1.0 (the JSON format, cloudevents.io): for brokers and functions that take
//! events of all kinds.
//!
//! An event's `id` is made of what it says and not of its row, so that it is the same after a rebuild
//! and in two sinks that heard of it: a consumer drops what it has seen by (`source`, `id`). A run's
//! message lists all of its activities again each time; those are one event then.
//!
//! `run.changed` and `activity.changed` are for messages in the middle of a run, which MPS sends only
//! when asked for and says little about.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::notification::event::JobState;
use crate::store::records::EventRecord;

/// What needs no encoding in a segment of a URI's path (RFC 3986).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The characters of RFC 3339 with four digits of the year; the standard has no others.
const TIME_CHARS: usize = "2024-05-06T08:00:01.000Z".len();

/// Bytes of the hash that make an id: 32 hex digits.
const ID_BYTES: usize = 16;

/// One event with what the standard adds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: &'a EventRecord,
}

impl CloudEvent<'_> {
    pub(super) fn of(event: &EventRecord) -> CloudEvent<'_> {
        let fields = event.event.value();
        let kind = kind_of(event, &fields);
        let time = event.at.to_string();
        CloudEvent {
            specversion: "1.0",
            id: id_of(event, &fields, kind),
            source: format!(
                "/mps/{}/topics/{}",
                utf8_percent_encode(&event.owner, UNRESERVED),
                utf8_percent_encode(&event.topic, UNRESERVED)
            ),
            kind,
            subject: subject_of(event, &fields),
            time: (time.len() == TIME_CHARS).then_some(time),
            datacontenttype: "application/json",
            data: event,
        }
    }
}

fn kind_of(event: &EventRecord, fields: &Value) -> &'static str {
    let has_ended = event.state.is_some_and(JobState::is_terminal);
    match (event.kind.as_str(), field(fields, "part")) {
        ("job", _) if has_ended => "mpsink.job.finished",
        ("job", _) => "mpsink.job.changed",
        ("run", "start") => "mpsink.run.started",
        ("run", "report") => "mpsink.run.finished",
        ("run", _) => "mpsink.run.changed",
        ("activity", _) if has_ended => "mpsink.activity.finished",
        ("activity", _) => "mpsink.activity.changed",
        _ => "mpsink.unrecognized",
    }
}

fn subject_of(event: &EventRecord, fields: &Value) -> Option<String> {
    let id = event.subject.as_deref()?;
    let subject = match event.kind.as_str() {
        "activity" => format!("run/{id}/{}", field(fields, "name")),
        kind => format!("{kind}/{id}"),
    };
    // The standard's strings have no control characters.
    Some(subject.replace(char::is_control, "\u{fffd}"))
}

/// Hashes what makes an event the same one. Each field goes in with its length, so that no two lists
/// of fields give the same bytes. What nobody understood is its delivery.
fn id_of(event: &EventRecord, fields: &Value, kind: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |field: &[u8]| {
        hash.update(field.len().to_be_bytes());
        hash.update(field);
    };
    add(kind.as_bytes());
    add(event.owner.as_bytes());
    if let Some(subject) = &event.subject {
        add(subject.as_bytes());
    } else {
        add(event.topic.as_bytes());
        add(&event.delivery.to_be_bytes());
    }
    add(field(fields, "name").as_bytes());
    add(field(fields, "activity_type").as_bytes());
    add(event.state.map_or("", JobState::word).as_bytes());
    add(&event.at.0.to_be_bytes());
    let digest = hash.finalize();
    let mut id = String::with_capacity(2 * ID_BYTES);
    for byte in digest.iter().take(ID_BYTES) {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Returns a text that stands in the event itself; empty if it does not.
fn field<'a>(fields: &'a Value, name: &str) -> &'a str {
    let found = fields.get(name).and_then(Value::as_str);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::records::TimeSource;

    fn event(kind: &str, subject: Option<&str>, state: Option<JobState>) -> EventRecord {
        EventRecord {
            id: 5,
            kind: kind.to_owned(),
            delivery: 3,
            owner: "1001".to_owned(),
            topic: "mps/hd 中".to_owned(),
            subject: subject.map(str::to_owned),
            state,
            at: Timestamp(1_714_982_400_000),
            at_from: TimeSource::Message,
            received_at: Timestamp(1_714_982_400_500),
            event: json!({}).into(),
        }
    }

    fn with(event: EventRecord, fields: Value) -> EventRecord {
        EventRecord {
            event: fields.into(),
            ..event
        }
    }

    #[test]
    fn each_kind_has_its_type_and_subject() {
        use JobState::{Completed, Failed, Running, Succeeded};
        let run =
            |part: &str, state| with(event("run", Some("r"), Some(state)), json!({"part": part}));
        let activity = |state| {
            with(
                event("activity", Some("r"), Some(state)),
                json!({"name": "HD"}),
            )
        };
        for (event, kind, subject) in [
            (
                event("job", Some("j"), Some(Failed)),
                "job.finished",
                Some("job/j"),
            ),
            (
                event("job", Some("j"), Some(Running)),
                "job.changed",
                Some("job/j"),
            ),
            (run("start", Running), "run.started", Some("run/r")),
            (run("progress", Running), "run.changed", Some("run/r")),
            (run("report", Completed), "run.finished", Some("run/r")),
            (activity(Succeeded), "activity.finished", Some("run/r/HD")),
            (activity(Running), "activity.changed", Some("run/r/HD")),
            (event("unrecognized", None, None), "unrecognized", None),
        ] {
            let made = CloudEvent::of(&event);
            assert_eq!(made.kind, format!("mpsink.{kind}"));
            assert_eq!(made.subject.as_deref(), subject);
        }
    }

    #[test]
    fn an_event_is_written_as_the_standard_has_it() {
        let mut event = event("job", Some("j\u{7}"), Some(JobState::Failed));
        let made = serde_json::to_value(CloudEvent::of(&event)).unwrap();
        assert_eq!(
            made,
            json!({
                "specversion": "1.0",
                // Consumers have seen it: it must never be another.
                "id": "f3767a9c6c3bdbe22c3395d62e3c79e4",
                "source": "/mps/1001/topics/mps%2Fhd%20%E4%B8%AD",
                "type": "mpsink.job.finished",
                "subject": "job/j\u{fffd}",
                "time": "2024-05-06T08:00:00.000Z",
                "datacontenttype": "application/json",
                "data": event,
            })
        );
        event.at = Timestamp(i64::MAX);
        assert_eq!(CloudEvent::of(&event).time, None);
    }

    #[test]
    fn an_id_is_of_what_an_event_says_and_not_of_its_row() {
        let job = event("job", Some("j"), Some(JobState::Failed));
        let id = |event: &EventRecord| CloudEvent::of(event).id;
        let mut again = job.clone();
        again.id = 6;
        again.delivery = 9;
        again.received_at = Timestamp(9);
        assert_eq!(id(&again), id(&job));

        let activity = |name: &str, kind: &str| {
            let activity = event("activity", Some("j"), Some(JobState::Failed));
            with(activity, json!({"name": name, "activity_type": kind}))
        };
        let unrecognized = event("unrecognized", None, None);
        let mut other_delivery = unrecognized.clone();
        other_delivery.delivery = 4;
        let mut other_owner = job.clone();
        other_owner.owner = "1002".to_owned();
        let mut later = job.clone();
        later.at = later.at.plus_ms(1);
        let different = [
            job.clone(),
            other_owner,
            later,
            event("job", Some("k"), Some(JobState::Failed)),
            event("job", Some("j"), Some(JobState::Succeeded)),
            event("run", Some("j"), Some(JobState::Failed)),
            activity("HD", "Transcode"),
            activity("SD", "Transcode"),
            activity("HD", "Snapshot"),
            unrecognized,
            other_delivery,
        ];
        let ids: std::collections::BTreeSet<String> = different.iter().map(id).collect();
        assert_eq!(ids.len(), different.len());
    }
}
