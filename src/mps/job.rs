//! A single job's message, read into one event.
//!
//! All kinds have the same fields, so one reader serves them: the four base types, intelligent
//! production, content moderation and fingerprints (their fields flat, or nested under
//! `…JobNotify`; the documentation and the samples disagree), smart tagging with all its states,
//! text to speech, and the `Submitted` messages of a user's own submitter, which alone name a queue
//! and a start. What only one kind has (`FunctionName`, `Count`, `Result`) stays in `extra`.
//!
//! Deliberately not here: the end time when the message has none. It is the envelope's publish
//! time, and where a time came from is for the store to say.

use crate::mps::failure;
use crate::mps::fields::Fields;
use crate::mps::input;
use crate::mps::json::{self, Json};
use crate::mps::keys;
use crate::mps::reason::Unreadable;
use crate::mps::state;
use crate::notification::event::{Failure, JobEvent, JobState};

/// Reads the object of a job's message.
///
/// The fields under `…JobNotify` count as the message's own; where both have one, the inner wins
/// among the same spelling.
pub(super) fn read(mut fields: Fields) -> Result<JobEvent, Unreadable> {
    fields.lift_objects(keys::JOB_NOTIFY_ENDING);
    let job_id = fields.take_subject(keys::JOB_ID)?.ok_or(Unreadable::NoId {
        key: "JobId",
        has: "a job's notification",
    })?;
    if ![keys::TYPE, keys::STATE, keys::RESULT]
        .iter()
        .any(|keys| fields.has(keys))
    {
        return Err(Unreadable::SaysNothing);
    }
    let job_type = fields.take_name(keys::TYPE);
    let outcome = take_outcome(&mut fields);
    let mut user_data = fields.take_text(keys::USER_DATA);
    let input = input::take(&mut fields, &mut user_data);
    Ok(JobEvent {
        job_id,
        job_type,
        state: outcome.state,
        raw_state: outcome.raw_state,
        failure: outcome.failure,
        request_id: fields.take_id(keys::REQUEST_ID),
        user_data,
        pipeline_id: fields.take_id(keys::PIPELINE_ID),
        input,
        submitted_at: fields.take_time(keys::SUBMITTED_AT),
        started_at: fields.take_time(keys::STARTED_AT),
        finished_at: fields.take_time(keys::FINISHED_AT),
        extra: fields.into_extra(),
    })
}

struct Outcome {
    state: JobState,
    raw_state: Option<String>,
    failure: Option<Failure>,
}

fn take_outcome(fields: &mut Fields) -> Outcome {
    let raw_state = fields.take_name(keys::STATE);
    if raw_state.is_none()
        && let Some(outcome) = take_result(fields)
    {
        return outcome;
    }
    let state = raw_state.as_deref().map_or(JobState::Unknown, state::parse);
    let failure = failure::take(fields, state);
    Outcome {
        state,
        raw_state,
        failure,
    }
}

/// Reads the outcome of text to speech: no state, but `result`, a text of JSON with `Code` and
/// `Message`. A code that is not a word for success is one of failure.
///
/// What else is in the result stays under its key.
fn take_result(fields: &mut Fields) -> Option<Outcome> {
    let (name, json) = fields.take(keys::RESULT, |json| result_with_code(json).is_some())?;
    let mut result = result_with_code(&json)?;
    let code = result.take_name(keys::CODE)?;
    let outcome = if state::parse(&code) == JobState::Succeeded {
        result.drop_text(keys::MESSAGE, failure::is_no_error);
        Outcome {
            state: JobState::Succeeded,
            raw_state: Some(code),
            failure: None,
        }
    } else {
        let message = result.take_text(keys::MESSAGE);
        Outcome {
            state: JobState::Failed,
            raw_state: Some(code.clone()),
            failure: Some(Failure {
                code: Some(code),
                message,
            }),
        }
    };
    fields.keep_rest(name, result);
    Some(outcome)
}

/// Returns the object that a text-to-speech result is, if it has a code that says something.
fn result_with_code(json: &Json) -> Option<Fields> {
    let entries = match json {
        Json::Object(entries) => entries.clone(),
        Json::Text(text) => match json::parse(text.as_bytes()) {
            Ok(Json::Object(entries)) => entries,
            Ok(_) | Err(_) => return None,
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) => return None,
    };
    let result = Fields::new(entries);
    let is_word = |code: &str| !code.trim().eq_ignore_ascii_case("null");
    result.has_text(keys::CODE, is_word).then_some(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::notification::event::MediaObject;

    fn job(message: &Value) -> JobEvent {
        job_of_text(&message.to_string())
    }

    fn job_of_text(message: &str) -> JobEvent {
        match json::parse(message.as_bytes()) {
            Ok(Json::Object(entries)) => read(Fields::new(entries)).unwrap(),
            other => panic!("no object: {other:?}"),
        }
    }

    #[test]
    fn the_captured_success_is_read_whole() {
        let message = include_str!("../../tests/data/job-transcode-success.json");
        let expected = JobEvent {
            job_id: "aaaa0000bbbb1111cccc2222dddd3333".to_owned(),
            job_type: Some("Transcode".to_owned()),
            state: JobState::Succeeded,
            raw_state: Some("Success".to_owned()),
            request_id: Some("00000000-1111-4222-8333-444444444444".to_owned()),
            ..JobEvent::default()
        };
        assert_eq!(job_of_text(message), expected);
    }

    #[test]
    fn a_failure_has_its_code_and_text_under_either_name_of_it() {
        for key in ["msg", "Msg", "message", "Message"] {
            let message = json!({
                "jobId": "a", "type": "Transcode", "state": "Fail", "code": "InternalError",
                key: "坏了", "userData": "{}",
            });
            let job = job(&message);
            let expected = Failure {
                code: Some("InternalError".to_owned()),
                message: Some("坏了".to_owned()),
            };
            assert_eq!(job.failure, Some(expected), "{key}");
            assert_eq!(job.user_data.as_deref(), Some("{}"));
            assert!(job.extra.is_empty(), "{:?}", job.extra);
        }
    }

    #[test]
    fn what_a_users_own_submitter_says_is_read() {
        let message = include_str!("../../tests/data/messages/job-submitted.guess.json");
        let expected = JobEvent {
            job_id: "ffff3333ffff3333ffff3333ffff3333".to_owned(),
            job_type: Some("Transcode".to_owned()),
            state: JobState::Submitted,
            raw_state: Some("Submitted".to_owned()),
            user_data: Some("{}".to_owned()),
            pipeline_id: Some("77770000777700007777000077770000".to_owned()),
            input: Some(MediaObject {
                bucket: Some("example-input".to_owned()),
                location: Some("oss-cn-shanghai".to_owned()),
                object: Some("in/clip.mp4".to_owned()),
            }),
            submitted_at: Timestamp::parse_rfc3339("2024-05-06T08:00:00Z"),
            ..JobEvent::default()
        };
        assert_eq!(job_of_text(message), expected);
    }

    #[test]
    fn times_are_read_where_they_are_and_bad_ones_stay() {
        let good = json!({
            "JobId": "a", "State": "Success", "CreationTime": 1_714_982_400,
            "StartTime": "2024-05-06T08: 00: 01Z", "FinishTime": 1_714_982_402_000_i64,
        });
        let read = job(&good);
        let seconds = |time: Option<Timestamp>| time.map(|time| time.0 - 1_714_982_400_000);
        assert_eq!(seconds(read.submitted_at), Some(0));
        assert_eq!(seconds(read.started_at), Some(1_000));
        assert_eq!(seconds(read.finished_at), Some(2_000));
        assert!(read.extra.is_empty());

        let bad = json!({
            "JobId": "a", "State": "Success", "CreationTime": "soon", "StartTime": -1,
            "FinishTime": {"at": 1}, "EndTime": "9999-01-01T00:00:00Z",
        });
        let read = job(&bad);
        assert_eq!(read.state, JobState::Succeeded);
        assert_eq!(
            (read.submitted_at, read.started_at, read.finished_at),
            (None, None, None)
        );
        assert_eq!(read.extra.len(), 4);
    }

    #[test]
    fn nested_and_flat_fields_give_the_same_event() {
        for (key, fields) in [
            (
                "MediaCensorJobNotify",
                json!({"Result": "Block", "Input": {"Object": "示例.flv"}}),
            ),
            ("fpshotjobnotify", json!({"FpShots": [{"PrimaryKey": "1"}]})),
        ] {
            let mut inner = fields;
            inner["JobId"] = json!("a");
            inner["State"] = json!("Success");
            inner["Code"] = json!("Success");
            let mut flat = inner.clone();
            flat["Type"] = json!("T");
            flat["UserData"] = json!("u");
            let nested = json!({"Type": "T", key: inner, "UserData": "u"});
            assert_eq!(job(&nested), job(&flat), "{key}");
            let twice = json!({"Type": "T", key: flat.clone(), "UserData": "u"});
            assert_eq!(job(&twice), job(&flat), "{key}");
        }
    }

    #[test]
    fn inner_and_outer_fields_that_disagree_are_noted() {
        let message = json!({
            "Type": "FpShot", "UserData": "outer",
            "FpShotJobNotify": {"JobId": "a", "State": "Success", "UserData": "inner"},
        });
        let job = job(&message);
        assert_eq!(job.user_data.as_deref(), Some("inner"));
        let conflicts = json!([{"key": "UserData", "value": "outer"}]);
        assert_eq!(job.extra.get("_conflicts"), Some(&conflicts));
    }

    #[test]
    fn text_to_speech_has_its_state_in_the_result() {
        let with_result = |result: Value| job(&json!({"jobId": "a", "result": result}));
        let success = with_result(json!(
            r#"{"Code":"Success","Message":"Success","Length":3}"#
        ));
        assert_eq!(success.state, JobState::Succeeded);
        assert_eq!(success.raw_state.as_deref(), Some("Success"));
        assert_eq!(success.failure, None);
        assert_eq!(
            Value::Object(success.extra),
            json!({"result": {"Length": 3}})
        );

        let failed = with_result(json!({"code": "InternalError", "message": "坏了"}));
        assert_eq!(failed.state, JobState::Failed);
        assert_eq!(failed.raw_state.as_deref(), Some("InternalError"));
        let failure = failed.failure.unwrap();
        assert_eq!(failure.code.as_deref(), Some("InternalError"));
        assert_eq!(failure.message.as_deref(), Some("坏了"));
        assert!(failed.extra.is_empty());

        for nothing in [json!("Block"), json!({"Code": " "}), json!("[1]"), json!(7)] {
            let unknown = with_result(nothing.clone());
            assert_eq!(unknown.state, JobState::Unknown, "{nothing}");
            assert_eq!((unknown.raw_state, unknown.failure), (None, None));
            assert_eq!(Value::Object(unknown.extra), json!({"result": nothing}));
        }
    }

    #[test]
    fn a_result_is_no_state_where_there_is_one() {
        let message = json!({"JobId": "a", "State": "Fail", "Result": {"Code": "Success"}});
        let job = job(&message);
        assert_eq!(job.state, JobState::Failed);
        assert_eq!(
            Value::Object(job.extra),
            json!({"Result": {"Code": "Success"}})
        );
    }

    #[test]
    fn numbers_where_texts_are_expected_are_read_and_true_is_no_state() {
        let message = json!({
            "JobId": 17, "Type": 3, "State": true, "UserData": 1.5, "PipelineId": [],
        });
        let job = job(&message);
        assert_eq!(job.job_id, "17");
        assert_eq!(job.job_type.as_deref(), Some("3"));
        assert_eq!((job.state, job.raw_state), (JobState::Unknown, None));
        assert_eq!(job.user_data.as_deref(), Some("1.5"));
        assert_eq!(
            Value::Object(job.extra),
            json!({"State": true, "PipelineId": []})
        );
    }

    #[test]
    fn an_unknown_state_is_kept_with_its_word() {
        let job = job(&json!({"JobId": "a", "State": "Paused"}));
        assert_eq!(job.state, JobState::Unknown);
        assert_eq!(job.raw_state.as_deref(), Some("Paused"));
    }

    proptest! {
        #[test]
        fn any_spelling_and_both_at_once_give_the_same_event(
            spellings in proptest::collection::vec(0..3_u8, 8),
            seed in any::<u16>(),
        ) {
            let fields = [
                ("JobId", "a"), ("Type", "Transcode"), ("State", "Fail"), ("Code", "InternalError"),
                ("Msg", "坏了"), ("UserData", "u"), ("RequestId", "r"), ("PipelineId", "p"),
            ];
            let mut entries = Vec::new();
            for ((key, value), spelling) in fields.iter().zip(&spellings) {
                let lower = key.to_lowercase();
                if *spelling != 0 {
                    entries.push(format!("\"{key}\":\"{value}\""));
                }
                if *spelling != 1 {
                    entries.push(format!("\"{lower}\":\"{value}\""));
                }
            }
            let places = entries.len();
            entries.rotate_left(usize::from(seed) % places);
            let expected = job(&fields.iter().copied().collect::<Value>());
            assert_eq!(expected.extra.len(), 0);
            assert_eq!(job_of_text(&format!("{{{}}}", entries.join(","))), expected);
        }
    }
}
