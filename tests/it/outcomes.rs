//! `"Fail"` is never true: whatever says that something failed, and however it is spelt, is failed
//! on the page, in the JSON and in no list of what succeeded.

use mpsink::notification::Format;
use serde_json::{Value, json};

use crate::app::TestApp;

const FAILED: [&str; 9] = [
    "Fail",
    "fail",
    "FAIL",
    "fAiL",
    " Fail ",
    "Failed",
    "FAILED",
    "TranscodeFail",
    "transcodefail",
];

/// Words that no table of states has; least of all are they a success.
const NO_SUCCESS: [&str; 8] = [
    "true", "True", "1", "ok", "Fail.", "Failure", "失败", "Unfailed",
];

fn push(app: &TestApp, message: &str) {
    let response = app.push(Format::Simplified, message.as_bytes());
    assert_eq!(response.status, 204, "{message}: {}", response.text());
}

/// A Report of the run `id` whose own state is `state`, and its one transcode's `work`.
fn report(id: &str, state: &str, work: &[&str]) -> String {
    let activities: Vec<Value> = work
        .iter()
        .enumerate()
        .map(|(at, state)| json!({"Name": format!("T{at}"), "Type": "Transcode", "State": state}))
        .collect();
    let message = json!({
        "RunId": id, "Name": "End", "Type": "Report", "State": "Success",
        "MediaWorkflowExecution": {
            "RunId": id, "MediaWorkflowId": "w", "State": state, "ActivityList": activities,
        },
    });
    message.to_string()
}

fn outcome(app: &TestApp, id: &str) -> Value {
    app.json(&format!("/runs/{id}.json"))["outcome"].clone()
}

#[test]
fn a_job_that_says_fail_in_any_spelling_is_failed() {
    let app = TestApp::start();
    let mut count = 0;
    for word in FAILED {
        for key in ["State", "state", "STATE", "Status", "status"] {
            count += 1;
            push(
                &app,
                &format!(r#"{{"JobId":"j{count}","Type":"Transcode","{key}":"{word}"}}"#),
            );
            let job = app.json(&format!("/jobs/j{count}.json"));
            assert_eq!(job["state"], json!("failed"), "{key}: {word}");
        }
    }
    let failed = app.items("/jobs.json?state=failed&limit=1000").len();
    assert_eq!(failed, count);
    assert!(app.items("/jobs.json?state=succeeded").is_empty());
}

#[test]
fn a_word_that_is_not_known_is_no_success() {
    let app = TestApp::start();
    for (at, word) in NO_SUCCESS.iter().enumerate() {
        push(
            &app,
            &format!(r#"{{"JobId":"j{at}","Type":"Transcode","State":"{word}"}}"#),
        );
        let job = app.json(&format!("/jobs/j{at}.json"));
        assert_eq!(job["state"], json!("unknown"), "{word}");
        assert_eq!(job["raw_state"], json!(word));
    }
    for value in ["true", "false", "1", "0", "null", "[]", "{}"] {
        push(
            &app,
            &format!(r#"{{"JobId":"v","Type":"Transcode","State":{value}}}"#),
        );
        let job = app.json("/jobs/v.json");
        assert_eq!(job["state"], json!("unknown"), "{value}");
    }
    assert!(app.items("/jobs.json?state=succeeded").is_empty());
}

#[test]
fn a_run_whose_report_says_fail_in_any_spelling_is_failed() {
    let app = TestApp::start();
    for (at, word) in FAILED.iter().enumerate() {
        for (kind, work) in [
            ("none", &[][..]),
            ("good", &["Success"]),
            ("bad", &["Fail"]),
        ] {
            let id = format!("{kind}{at}");
            push(&app, &report(&id, word, work));
            assert_eq!(outcome(&app, &id), json!("failed"), "{word}, {kind}");
        }
    }
    assert!(app.items("/runs.json?state=succeeded").is_empty());
    assert_eq!(app.items("/runs.json?state=failed").len(), 3 * FAILED.len());
}

#[test]
fn failed_work_in_a_report_that_says_completed_is_never_a_success() {
    let app = TestApp::start();
    for (at, word) in FAILED.iter().enumerate() {
        for state in ["Completed", "Success"] {
            let id = format!("{state}{at}");
            push(&app, &report(&id, state, &["Success", word]));
            assert_eq!(outcome(&app, &id), json!("partial"), "{word}");
            let all = format!("all-{id}");
            push(&app, &report(&all, state, &[word, word]));
            assert_eq!(outcome(&app, &all), json!("failed"), "{word}");
        }
    }
    assert!(app.items("/runs.json?state=succeeded").is_empty());
    // And the same without a failure is one, so that the above says something.
    push(&app, &report("good", "Completed", &["Success", "Success"]));
    assert_eq!(outcome(&app, "good"), json!("succeeded"));
}

#[test]
fn a_report_that_failed_itself_is_no_success_of_its_run() {
    let app = TestApp::start();
    for (at, word) in FAILED.iter().enumerate() {
        for (kind, state, work) in [
            ("silent", "", &[][..]),
            ("skipped", "Completed", &["Skipped"]),
            ("good", "Completed", &["Success"]),
        ] {
            let id = format!("{kind}{at}");
            let mut message: Value = serde_json::from_str(&report(&id, state, work)).unwrap();
            message["State"] = json!(word);
            message["Code"] = json!("InternalError");
            push(&app, &message.to_string());
            assert_eq!(outcome(&app, &id), json!("failed"), "{word}, {kind}");
            let run = app.json(&format!("/runs/{id}.json"));
            assert_eq!(run["code"], json!("InternalError"), "{word}, {kind}");
        }
    }
    assert!(app.items("/runs.json?state=succeeded").is_empty());
}
