//! Bad input through the whole program: whatever a message says, it is answered 204, appears as an
//! event with its delivery, breaks no page and leaves the rows of other messages alone.

use std::collections::BTreeSet;

use mpsink::notification::Format;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::app::{OWNER, TestApp, data};

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

const GOOD_JOB: &str = "31fa3c9ca8134f9cec2b4b0b0f787830";
const GOOD_RUN: &str = "9bd5a286b59d4cf19685d5b3c501e528";

/// An app with a good job and a good run, and what it says of them.
struct Test {
    app: TestApp,
    good: Vec<(String, Vec<u8>)>,
}

impl Test {
    fn start() -> Test {
        let app = TestApp::start();
        for file in [
            "job-transcode-fail.guess.json",
            "workflow-report-partial-fail.guess.json",
        ] {
            assert_eq!(app.push(Format::Json, &data(file)).status, 204);
        }
        let mut paths = vec![
            format!("/jobs/{GOOD_JOB}.json"),
            format!("/runs/{GOOD_RUN}.json"),
            format!("/activities.json?run={GOOD_RUN}&limit=1000"),
        ];
        for job in app.items("/jobs.json") {
            paths.push(format!("/jobs/{}.json", job["id"].as_str().unwrap()));
        }
        assert_eq!(paths.len(), 3 + 5);
        let good = paths.into_iter().map(|path| {
            let response = app.get(&path);
            assert_eq!(response.status, 200, "{path}");
            (path, response.body)
        });
        Test {
            good: good.collect(),
            app,
        }
    }

    /// Pushes a message and returns the kinds of its events, as its delivery and the list of events
    /// have them.
    fn push(&self, format: Format, message: &[u8]) -> Vec<String> {
        let shown = String::from_utf8_lossy(message.get(..200).unwrap_or(message)).into_owned();
        let response = self.app.push(format, message);
        assert_eq!(response.status, 204, "{shown}: {}", response.text());
        let delivery = &self.app.items("/deliveries.json?limit=1")[0];
        let detail = self
            .app
            .json(&format!("/deliveries/{}.json", delivery["id"]));
        let events = detail["event_records"].as_array().unwrap();
        let kinds = events
            .iter()
            .map(|event| event["kind"].as_str().unwrap().to_owned());
        let kinds: Vec<_> = kinds.collect();
        assert!(!kinds.is_empty(), "{shown}");
        let is_read = !kinds.iter().any(|kind| kind == "unrecognized");
        assert_eq!(delivery["unrecognized"].is_null(), is_read, "{shown}");
        assert_eq!(detail["message"].as_str().unwrap().as_bytes(), message);
        let listed = self.app.items("/events.json?limit=1000");
        for event in events {
            assert!(listed.contains(event), "{shown}: {event}");
        }
        kinds
    }

    fn unrecognized(&self, format: Format, message: &str) {
        let kinds = self.push(format, message.as_bytes());
        assert_eq!(kinds, ["unrecognized"]);
    }

    /// Asserts that the good rows are byte for byte what they were, and that every page answers.
    fn check(&self) {
        for (path, before) in &self.good {
            let after = self.app.get(path).body;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(
                after == *before,
                "{path}: {} was {}",
                text(&after),
                text(before)
            );
        }
        let mut pages: BTreeSet<String> = ["/"].map(str::to_owned).into();
        for list in ["jobs", "runs", "activities", "events", "deliveries"] {
            pages.insert(format!("/{list}"));
            pages.insert(format!("/{list}?limit=250"));
            for item in self.app.items(&format!("/{list}.json?limit=1000")) {
                let id = match (list, &item["id"]) {
                    ("jobs" | "runs", Value::String(id)) => id.clone(),
                    ("deliveries", id) => id.to_string(),
                    _ => continue,
                };
                let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
                pages.insert(format!("/{list}/{id}"));
                pages.insert(format!("/{list}/{id}.json"));
            }
        }
        for page in pages.iter().take(PAGES_MAX) {
            assert_eq!(self.app.get(page).status, 200, "{page}");
        }
    }
}

/// Of a thousand jobs of one message not every page is opened.
const PAGES_MAX: usize = 400;

fn run_message(id: &str, activities: &Value) -> String {
    let message = json!({
        "RunId": id, "Name": "End", "Type": "Report", "State": "Success",
        "MediaWorkflowExecution": {
            "RunId": id, "MediaWorkflowId": "w", "Name": "flow", "State": "Completed",
            "ActivityList": activities,
        },
    });
    message.to_string()
}

#[test]
fn messages_made_to_exhaust_are_kept_and_break_nothing() {
    let test = Test::start();
    for format in FORMATS {
        test.unrecognized(format, &"[".repeat(60_000));
        test.unrecognized(format, &"{\"a\":".repeat(12_000));
        test.unrecognized(format, &format!("\"{}\"", "x".repeat(60_000)));
        test.unrecognized(format, &"长".repeat(20_000));
        test.unrecognized(format, &"9".repeat(60_000));
    }
    test.check();
    assert_eq!(test.app.items("/events.json?kind=unrecognized").len(), 15);
}

#[test]
fn a_job_id_of_60_kb_and_none_are_no_job() {
    let test = Test::start();
    let long = "a".repeat(60_000);
    for format in FORMATS {
        for message in [
            format!(r#"{{"JobId":"{long}","Type":"Transcode","State":"Success"}}"#),
            // Nor is it filed under the half that fits.
            format!(
                r#"{{"JobId":"{long}","jobId":"{GOOD_JOB}","Type":"Transcode","State":"Success"}}"#
            ),
            r#"{"Type":"Transcode","State":"Success"}"#.to_owned(),
            r#"{"JobId":"","Type":"Transcode","State":"Success"}"#.to_owned(),
            r#"{"JobId":{},"Type":"Transcode","State":"Success"}"#.to_owned(),
            format!(r#"{{"RunId":"{long}","Type":"Report","State":"Success"}}"#),
            format!(r#"{{"MediaWorkflowExecution":{{"RunId":"{long}","State":"Fail"}}}}"#),
        ] {
            test.unrecognized(format, &message);
        }
    }
    test.check();
    assert_eq!(test.app.items("/jobs.json").len(), 5);
}

#[test]
fn long_texts_and_names_are_kept_and_shown() {
    let test = Test::start();
    let long = "长".repeat(20_000);
    for (number, format) in FORMATS.into_iter().enumerate() {
        let job = json!({
            "JobId": format!("long{number}"), "Type": long, "State": long, "UserData": long,
            "Code": long, "Message": long, "PipelineId": long, "Input": {"Object": long},
        });
        assert_eq!(test.push(format, job.to_string().as_bytes()), ["job"]);
        let node = json!({"Name": long, "Type": long, "JobId": long, "State": "Fail",
            "Code": long, "Message": long, "TemplateId": long});
        let named = json!({"Name": "a", "Type": "b", "State": long, "TemplateId": long});
        let message = run_message(&format!("long{number}"), &json!([node, named]));
        assert_eq!(test.push(format, message.as_bytes())[0], "run");
        let job = test.app.json(&format!("/jobs/long{number}.json"));
        assert_eq!(job["user_data"], json!(long));
    }
    test.check();
}

#[test]
fn ten_thousand_activities_are_answered_and_leave_others_alone() {
    let test = Test::start();
    let activities = |list: usize| {
        let nodes = (0..10_000).map(
            |at| json!({"Name": format!("n{at}"), "Type": "T", "JobId": format!("{list}-{at}")}),
        );
        Value::from(nodes.collect::<Vec<_>>())
    };
    for (number, format) in FORMATS.into_iter().enumerate() {
        let message = run_message(&format!("many{number}"), &activities(number));
        assert!(message.len() > 300_000);
        let response = test.app.push(format, message.as_bytes());
        assert_eq!(response.status, 204, "{format:?}: {}", response.text());
        let run = test.app.json(&format!("/runs/many{number}.json"));
        // A thousand of the list, and the Report that sent it.
        assert_eq!(run["activities"].as_array().unwrap().len(), 1_001);
        assert_eq!(run["extra"]["_activities_omitted"], json!(9_000));
    }
    test.check();
}

#[test]
fn keys_that_come_twice_and_disagree_are_one_event_of_the_capital_spelling() {
    let test = Test::start();
    for (number, format) in FORMATS.into_iter().enumerate() {
        let message = format!(
            r#"{{"jobId":"{GOOD_JOB}","JobId":"{GOOD_JOB}","JobId":"twice{number}","State":"Success",
            "state":"Fail","State":"Fail","Type":"Snapshot","type":"Transcode","type":[],
            "UserData":"a","userData":"b","JOBID":null}}"#
        );
        assert_eq!(test.push(format, message.as_bytes()), ["job"]);
        let job = test.app.json(&format!("/jobs/twice{number}.json"));
        assert_eq!(
            (&job["state"], &job["type"]),
            (&json!("failed"), &json!("Snapshot"))
        );
        assert_eq!(job["user_data"], json!("a"));
        let conflicts = job["extra"]["_conflicts"].to_string();
        assert!(conflicts.contains(GOOD_JOB), "{conflicts}");
    }
    test.check();
}

#[test]
fn a_run_id_that_changes_inside_is_one_run() {
    let test = Test::start();
    for (number, format) in FORMATS.into_iter().enumerate() {
        let id = format!("inner{number}");
        let node = json!({"RunId": GOOD_RUN, "Name": "Act-1", "Type": "Snapshot", "State": "Fail"});
        let message = run_message(&id, &json!([node]));
        let outer = format!(r#""RunId":"{id}","State":"Success""#);
        assert!(message.contains(&outer), "{message}");
        let message = message.replace(
            &outer,
            &format!(r#""RunId":"{GOOD_RUN}","State":"Success""#),
        );
        let kinds = test.push(format, message.as_bytes());
        assert_eq!(kinds, ["run", "activity", "activity"]);
        let run = test.app.json(&format!("/runs/{id}.json"));
        assert_eq!(run["outcome"], json!("failed"));
        assert_eq!(run["activities"].as_array().unwrap().len(), 2);
        assert_eq!(run["extra"]["RunId"], json!(GOOD_RUN));
    }
    test.check();
    assert_eq!(test.app.items("/runs.json").len(), 4);
}

/// Every path to a value inside `json`, `json` itself first.
fn paths(json: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Value::Object(entries) => {
            for (key, value) in entries {
                paths(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                paths(value, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn null_a_number_or_another_kind_anywhere_is_an_event_and_leaves_others_alone() {
    let test = Test::start();
    let run = String::from_utf8(data("workflow-report-completed.json")).unwrap();
    let samples = [
        data("job-transcode-success-userdata.guess.json"),
        data("job-mediacensor-success-nested.guess.json"),
        data("messages/job-submitted.guess.json"),
        data("messages/job-text-to-speech-fail.guess.json"),
        run.into_bytes(),
    ];
    let odd = [
        json!(null),
        json!(17),
        json!(1.5e300),
        json!(true),
        json!([]),
        json!({}),
    ];
    let mut pushed = 0;
    for sample in samples {
        let sample = String::from_utf8(sample).unwrap().replace(GOOD_JOB, "odd");
        let message: Value = serde_json::from_str(&sample).unwrap();
        let mut found = Vec::new();
        paths(&message, "", &mut found);
        for path in found {
            // One kind of each is enough in each place, another in the next.
            for value in [&json!(null), &odd[pushed % odd.len()]] {
                let mut changed = message.clone();
                *changed.pointer_mut(&path).unwrap() = value.clone();
                let format = FORMATS[pushed % FORMATS.len()];
                pushed += 1;
                let mut content = test.app.content(format, changed.to_string().as_bytes());
                content.message_id = format!("odd{pushed}");
                let response = test.app.send(&test.app.signed(&content));
                assert_eq!(response.status, 204, "{path}: {value}");
            }
        }
    }
    let deliveries = test.app.items("/deliveries.json?limit=1000");
    assert_eq!(deliveries.len(), pushed + 2);
    for delivery in &deliveries {
        assert_eq!(delivery["owner"], json!(OWNER));
        let detail = test
            .app
            .json(&format!("/deliveries/{}.json", delivery["id"]));
        assert!(
            !detail["event_records"].as_array().unwrap().is_empty(),
            "{detail}"
        );
    }
    test.check();
}
