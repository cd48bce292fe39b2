//! What a message says: the messages of MPS (media processing), read into events.
//!
//! [`events`] is total: whatever the bytes, it gives at least one event. What it does not
//! understand is [`Unrecognized`] with a sentence that says what was found and what was expected;
//! the message itself stays whole with its delivery, so a better reader can be given it later.
//!
//! Messages are recognised by their shape and their `Type`, never by a name, since users choose
//! those. `layers.rs` finds the object, under base64 or an event bus's envelope; `job.rs` and
//! `workflow.rs` read it; `fields.rs` is how they look keys up; `state.rs` and `failure.rs` know
//! MPS's words, and are also asked when rows are folded and shown.
//!
//! What is in an event's `extra`, beside the keys that nothing was read from:
//!
//! | Key | Is |
//! |---|---|
//! | `_conflicts` | a list of `{"key", "value"}`: what lost against another spelling of its key |
//! | `_wrappers` | what an event bus put around the message, the outermost first |
//! | `_activities_omitted` | how many entries of a run's list were beyond the bound |
//! | `Input`, `MediaWorkflowExecution`, … | of an object that was read, what was left of it |
//!
//! **Architecture invariant:** no I/O, no clock, no panic, and work and output within a constant
//! factor of the message's length, whatever the bytes. An id that a row would be filed under has 1
//! to [`ID_BYTES_MAX`](crate::notification::event::ID_BYTES_MAX) bytes.
//!
//! Deliberately not here: the outcome of a run, the queue of a job, and any time that the message
//! does not say. They need other messages, the configuration or the envelope.

use crate::mps::layers::Shape;
use crate::mps::reason::Unreadable;
use crate::notification::event::{Event, Unrecognized};
use crate::notification::{Admitted, Notification};

pub mod failure;
pub mod state;

mod fields;
mod input;
mod job;
mod json;
mod keys;
mod layers;
mod reason;
mod time;
mod workflow;

/// Reads what the message of `notification` says happened.
///
/// Gives at least one event. A single job's message gives one; a run's gives the run's first and
/// then its activities' in the order of their start, at most 1,001 of them; anything else gives one
/// that is [`Unrecognized`]. The same message gives the same events.
pub fn events(notification: &Admitted<Notification>) -> Vec<Event> {
    events_of(&notification.message)
}

fn events_of(message: &[u8]) -> Vec<Event> {
    read(message).unwrap_or_else(|unreadable| {
        let reason = unreadable.to_string();
        vec![Event::Unrecognized(Unrecognized { reason })]
    })
}

fn read(message: &[u8]) -> Result<Vec<Event>, Unreadable> {
    let (shape, mut fields) = layers::open(message)?;
    match shape {
        Shape::Run => workflow::read(fields),
        Shape::Job => Ok(vec![Event::Job(job::read(fields)?)]),
        Shape::OtherProduct => {
            let event_type = fields.take_name(keys::EVENT_TYPE).unwrap_or_default();
            let event_type = reason::quote(event_type.as_bytes());
            Err(Unreadable::OtherProduct { event_type })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use proptest::sample::select;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::notification::Format;
    use crate::notification::event::JobState::{Failed, Running, Submitted, Succeeded};
    use crate::notification::event::{ActivityEvent, ID_BYTES_MAX, JobEvent, JobState, RunEvent};

    fn sample(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn one_job(message: &[u8]) -> JobEvent {
        match <[Event; 1]>::try_from(events_of(message)) {
            Ok([Event::Job(job)]) => job,
            other => panic!("not one job: {other:?}"),
        }
    }

    fn run_of(message: &[u8]) -> (RunEvent, Vec<ActivityEvent>) {
        let mut events = events_of(message).into_iter();
        let Some(Event::Run(run)) = events.next() else {
            panic!("no run first");
        };
        let activities = events.map(|event| match event {
            Event::Activity(activity) => activity,
            other => panic!("no activity: {other:?}"),
        });
        (run, activities.collect())
    }

    fn reason_of(message: &[u8]) -> String {
        match <[Event; 1]>::try_from(events_of(message)) {
            Ok([Event::Unrecognized(Unrecognized { reason })]) => reason,
            other => panic!("recognised: {other:?}"),
        }
    }

    const CONTENT_BAD: Option<&str> = Some("InvalidParameter.ResourceContentBad");
    const NOT_FOUND: Option<&str> = Some("InvalidParameter.ResourceNotFound");

    /// Sample, type, state and code.
    const JOBS: [(&str, &str, JobState, Option<&str>); 17] = [
        ("job-analysis-success.json", "Analysis", Succeeded, None),
        (
            "job-fpshot-success-nested.guess.json",
            "FpShot",
            Succeeded,
            None,
        ),
        (
            "job-iproduction-fail.guess.json",
            "IProduction",
            Failed,
            NOT_FOUND,
        ),
        (
            "job-mediacensor-success-flat.guess.json",
            "MediaCensor",
            Succeeded,
            None,
        ),
        (
            "job-mediacensor-success-nested.guess.json",
            "MediaCensor",
            Succeeded,
            None,
        ),
        ("job-mediainfo-success.json", "MediaInfo", Succeeded, None),
        (
            "job-smarttag-processing.guess.json",
            "smarttag",
            Running,
            None,
        ),
        (
            "job-smarttag-success.guess.json",
            "smarttag",
            Succeeded,
            None,
        ),
        (
            "job-transcode-fail.guess.json",
            "Transcode",
            Failed,
            CONTENT_BAD,
        ),
        (
            "job-transcode-success-userdata.guess.json",
            "Transcode",
            Succeeded,
            None,
        ),
        ("job-transcode-success.json", "Transcode", Succeeded, None),
        (
            "messages/job-text-to-speech-success.guess.json",
            "",
            Succeeded,
            None,
        ),
        (
            "messages/job-text-to-speech-fail.guess.json",
            "",
            Failed,
            NOT_FOUND,
        ),
        (
            "messages/job-submitted.guess.json",
            "Transcode",
            Submitted,
            None,
        ),
        (
            "messages/job-library-delete-success.guess.json",
            "DeleteLibrary",
            Succeeded,
            None,
        ),
        (
            "messages/job-snapshot-asynchronous-success.guess.json",
            "Snapshot",
            Succeeded,
            None,
        ),
        (
            "messages/bus-eventbridge-job-fail.guess.json",
            "Transcode",
            Failed,
            CONTENT_BAD,
        ),
    ];

    #[test]
    fn every_sample_of_a_job_gives_its_state_and_no_error_unless_it_failed() {
        for (name, job_type, state, code) in JOBS {
            let job = one_job(&sample(name));
            assert_eq!(job.job_id.len(), 32, "{name}");
            assert_eq!(job.job_type.unwrap_or_default(), job_type, "{name}");
            assert_eq!(job.state, state, "{name}");
            let failure = job.failure.unwrap_or_default();
            assert_eq!(failure.code.as_deref(), code, "{name}");
            assert_eq!(failure.message.is_some(), state == Failed, "{name}");
            assert!(!job.extra.contains_key("_conflicts"), "{name}");
        }
    }

    #[test]
    fn every_sample_of_a_run_gives_its_activities_by_start_and_their_states() {
        let cases = [
            ("workflow-start.json", "Act-Start succeeded"),
            (
                "workflow-report-completed.json",
                "Act-Start succeeded, HD succeeded, cover succeeded, Act-Report succeeded",
            ),
            (
                "workflow-report-partial-fail.guess.json",
                "Act-1 succeeded, Act-2 failed, Act-3 succeeded, Act-5 succeeded, \
                 Act-6 succeeded, Act-7 succeeded",
            ),
            ("workflow-start-fail.guess.json", "Act-Start failed"),
            (
                "workflow-report-all-skipped.guess.json",
                "Act-Start failed, Act-Report failed, HD skipped, cover skipped",
            ),
            (
                "workflow-transcode-completed.guess.json",
                "Act-Start succeeded, HD succeeded, SD running",
            ),
            (
                "messages/workflow-report-failed.guess.json",
                "Act-Start succeeded, HD failed, SD failed, Act-Report succeeded",
            ),
            (
                "messages/workflow-report-chinese.guess.json",
                "开始 succeeded, 封面（截图） succeeded, 高清 转码 succeeded, 发布 succeeded",
            ),
            (
                "messages/workflow-report-without-start.guess.json",
                "HD succeeded, Act-Report succeeded",
            ),
        ];
        for (name, expected) in cases {
            let (run, activities) = run_of(&sample(name));
            let words = activities
                .iter()
                .map(|activity| format!("{} {}", activity.name, activity.state.word()));
            assert_eq!(words.collect::<Vec<_>>().join(", "), expected, "{name}");
            for activity in &activities {
                assert_eq!(activity.run_id, run.run_id, "{name}");
                assert_eq!(activity.workflow_id, run.workflow_id, "{name}");
                assert_eq!(activity.workflow_name, run.workflow_name, "{name}");
                assert!(activity.extra.is_empty(), "{name}: {:?}", activity.extra);
            }
            assert!(run.extra.is_empty(), "{name}: {:?}", run.extra);
            assert!(
                run.workflow_id.is_some() && run.created_at.is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_run_of_forty_activities_gives_forty_one_events() {
        let message = sample("messages/workflow-report-forty-activities.guess.json");
        let (_, activities) = run_of(&message);
        assert_eq!(activities.len(), 40);
        assert_eq!(activities[0].name, "Act-Start");
        assert_eq!(activities[1].name, "T-01");
        assert_eq!(activities[39].name, "Act-Report");
    }

    #[test]
    fn chinese_names_and_keys_come_through_unharmed() {
        let (run, _) = run_of(&sample("messages/workflow-report-chinese.guess.json"));
        assert_eq!(run.workflow_name.unwrap(), "视频转码工作流");
        let object = run.input.unwrap().object.unwrap();
        assert_eq!(object, "输入/二〇二四年 五月/片段 #1+100%.mp4");
        assert_eq!(run.user_data.unwrap(), "商品编号：一〇〇一 🎬");
    }

    #[test]
    fn the_notification_of_an_admitted_push_is_read() {
        let notification = Notification {
            format: Format::Simplified,
            topic_owner: None,
            topic: None,
            subscriber: None,
            subscription: None,
            message_id: None,
            message_md5: None,
            published_at: None,
            tag: None,
            message: sample("job-transcode-success.json"),
        };
        let expected = events_of(&notification.message);
        assert_eq!(events(&Admitted::vouch_for(notification)), expected);
        assert!(matches!(expected[..], [Event::Job(_)]));
    }

    #[test]
    fn what_is_not_understood_says_what_was_found_and_what_was_expected() {
        let long_id = format!(r#"{{"JobId":"{}","Type":"Transcode"}}"#, "a".repeat(61_440));
        let cases: [(&[u8], &[&str]); 16] = [
            (b"", &["is empty"]),
            (b" \n", &["is empty"]),
            (
                b"Hello World!",
                &["not JSON", "“Hello World!”", "test message"],
            ),
            (b"\xff\xfe\0", &["not JSON"]),
            (b"[]", &["a list", "expected the object"]),
            (b"null", &["null"]),
            (b"12", &["a number"]),
            (b"{}", &["no keys", "JobId"]),
            (
                br#"{"State":"Success","a\u0000":1}"#,
                &["State, a\\0", "JobId"],
            ),
            (br#"{"JobId":null,"State":"Success"}"#, &["the keys State"]),
            (br#"{"JobId":" ","State":"Success"}"#, &["names no JobId"]),
            (
                br#"{"JobId":["a"],"State":"Success"}"#,
                &["JobId is a list"],
            ),
            (br#"{"JobId":"a"}"#, &["neither Type, State"]),
            (
                br#"{"MediaCensorJobNotify":{"State":"Success"}}"#,
                &["no JobId"],
            ),
            (
                br#"{"MediaWorkflowExecution":{"State":"Fail"}}"#,
                &["no RunId"],
            ),
            (long_id.as_bytes(), &["61440 bytes", "256"]),
        ];
        for (message, words) in cases {
            let reason = reason_of(message);
            for word in words {
                assert!(reason.contains(word), "no `{word}` in: {reason}");
            }
            assert!(reason.len() < 1_000 && reason.ends_with('.'), "{reason}");
        }
    }

    #[test]
    fn an_event_of_another_product_is_named_as_one() {
        for (name, event_type) in [
            (
                "messages/other-product-ims.guess.json",
                "ProduceMediaComplete",
            ),
            ("messages/other-product-vod.guess.json", "TranscodeComplete"),
        ] {
            let reason = reason_of(&sample(name));
            assert!(reason.contains("another product"), "{reason}");
            assert!(reason.contains(event_type), "{reason}");
        }
    }

    #[test]
    fn an_id_at_the_bound_is_believed_and_a_longer_one_is_not() {
        for key in ["JobId", "RunId"] {
            let message = |bytes: usize| json!({key: "a".repeat(bytes), "Type": "Transcode"});
            let at_bound = events_of(message(ID_BYTES_MAX).to_string().as_bytes());
            assert!(
                matches!(at_bound[0], Event::Job(_) | Event::Run(_)),
                "{key}"
            );
            let reason = reason_of(message(ID_BYTES_MAX + 1).to_string().as_bytes());
            assert!(reason.contains("257 bytes"), "{reason}");
        }
    }

    #[test]
    fn messages_made_to_exhaust_give_one_event() {
        let huge = format!("\"{}\"", "x".repeat(60_000));
        let brackets = "[".repeat(60_000);
        let objects = r#"{"a":"#.repeat(10_000);
        let deep = format!(
            r#"{{"JobId":"a","State":"Success","x":{}{}}}"#,
            "[".repeat(100),
            "]".repeat(100)
        );
        for message in [huge, brackets, objects, deep] {
            assert!(reason_of(message.as_bytes()).len() < 1_000);
        }
        let user_data = "x".repeat(60_000);
        let message = json!({"JobId": "a", "State": "Success", "UserData": user_data});
        let job = one_job(message.to_string().as_bytes());
        assert_eq!(job.user_data, Some(user_data));
    }

    #[test]
    fn a_long_name_of_a_run_is_not_repeated_with_each_activity() {
        let activities = vec![json!({"Type": "Transcode"}); 1_000];
        let execution = json!({
            "Name": "x".repeat(60_000), "MediaWorkflowId": "y".repeat(60_000),
            "RunId": "r", "ActivityList": activities,
        });
        let message = json!({"MediaWorkflowExecution": execution}).to_string();
        let written = serde_json::to_string(&events_of(message.as_bytes())).unwrap();
        assert!(written.len() < 1_000_000, "{}", written.len());
        assert!(written.contains(&"x".repeat(60_000)));
    }

    /// Any JSON; small, but of every kind and with the keys that mean something.
    fn any_json() -> impl Strategy<Value = Value> {
        let words = [
            "Success",
            "Fail",
            "Start",
            "Report",
            "null",
            "",
            " ",
            "2024-05-06T08: 00: 01Z",
            r#"{"Code":"Success","JobId":"a"}"#,
            "eyJKb2JJZCI6ImEiLCJUeXBlIjoiYiJ9",
            "示例",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            select(words.to_vec()).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::from),
                vec((any_key(), inner), 0..10)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn any_key() -> impl Strategy<Value = String> {
        let known = [
            "JobId",
            "jobId",
            "RunId",
            "runid",
            "Type",
            "type",
            "State",
            "Status",
            "Code",
            "Name",
            "Message",
            "Msg",
            "UserData",
            "Input",
            "InputFile",
            "Object",
            "result",
            "data",
            "Data",
            "MediaWorkflowExecution",
            "ActivityList",
            "Activity",
            "StartTime",
            "EndTime",
            "CreationTime",
            "FpShotJobNotify",
            "PipelineId",
            "_conflicts",
            "MediaId",
        ];
        prop_oneof![
            9 => select(known.to_vec()).prop_map(str::to_owned),
            1 => ".{0,4}".prop_map(String::from),
        ]
    }

    /// What holds for every message.
    fn check_invariants(message: &[u8]) {
        let events = events_of(message);
        assert!(!events.is_empty() && events.len() <= workflow::ACTIVITIES_MAX + 2);
        for event in &events {
            let (id, is_read) = match event {
                Event::Job(job) => (job.job_id.as_str(), true),
                Event::Run(run) => (run.run_id.as_str(), true),
                Event::Activity(activity) => (activity.run_id.as_str(), true),
                Event::Unrecognized(unrecognized) => (unrecognized.reason.as_str(), false),
            };
            assert!(!id.is_empty() && (!is_read || id.len() <= ID_BYTES_MAX));
            // The store keeps events as JSON.
            let written = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&written).unwrap();
            assert_eq!(read, *event);
        }
        assert_eq!(events_of(message), events);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(message in vec(any::<u8>(), 0..200)) {
            check_invariants(&message);
        }

        #[test]
        fn no_json_panics(message in any_json()) {
            check_invariants(message.to_string().as_bytes());
        }

        #[test]
        fn no_object_of_known_keys_panics(entries in vec((any_key(), any_json()), 0..12)) {
            // Written by hand, so that a key may come twice.
            let fields: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                .collect();
            check_invariants(format!("{{{}}}", fields.join(",")).as_bytes());
        }

        #[test]
        fn no_cut_and_no_changed_byte_of_a_sample_panics(
            name in select(vec![
                "workflow-report-completed.json",
                "job-transcode-success.json",
                "job-mediacensor-success-nested.guess.json",
            ]),
            place in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut message = sample(name);
            let place = place.index(message.len());
            message[place] = byte;
            check_invariants(&message);
            message.truncate(place);
            check_invariants(&message);
        }

        #[test]
        fn null_is_the_same_as_absent(place in any::<proptest::sample::Index>()) {
            let message: Map<String, Value> =
                serde_json::from_slice(&sample("job-transcode-fail.guess.json")).unwrap();
            let key = place.get(&message.keys().cloned().collect::<Vec<_>>()).clone();
            let mut with_null = message.clone();
            with_null.insert(key.clone(), Value::Null);
            let mut without = message;
            without.remove(&key);
            assert_eq!(
                events_of(Value::from(with_null).to_string().as_bytes()),
                events_of(Value::from(without).to_string().as_bytes()),
            );
        }
    }
}
