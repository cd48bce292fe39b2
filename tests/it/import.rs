//! `mpsink import`: two sinks of one topic become one history, with their servers and without.

use std::path::Path;

use mpsink::notification::Format;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::app::{TestApp, data, job_message};
use crate::binary::{Server, run, stderr, stdout};
use crate::http;

/// Runs `import` of `other` into `database` and returns its exit code and what it printed.
fn import(database: &Path, other: &Path) -> (i32, String) {
    let paths = [database, other].map(|path| path.to_str().unwrap());
    let folder = database.parent().unwrap();
    let output = run(folder, &["import", "--database", paths[0], paths[1]]);
    let printed = stdout(&output) + &stderr(&output);
    (output.status.code().unwrap(), printed)
}

fn assert_imported(database: &Path, other: &Path, expected: &str) {
    let (code, printed) = import(database, other);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains(expected), "{printed}");
}

fn push(app: &TestApp, messages: &[Vec<u8>]) {
    for (message, format) in messages
        .iter()
        .zip([Format::Xml, Format::Json].iter().cycle())
    {
        assert_eq!(app.push(*format, message).status, 204);
    }
}

/// Some messages of jobs and a run, of which several are about the same.
fn messages() -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|job| job_message(job, "Success"))
        .collect();
    messages.push(job_message("a", "Submitted"));
    messages.push(data("workflow-start.json"));
    messages.push(data("workflow-report-completed.json"));
    messages.push(b"not JSON".to_vec());
    messages
}

/// What both histories must agree about.
fn history(app: &TestApp) -> [Vec<Value>; 3] {
    let mut runs = app.items("/runs.json?limit=1000");
    let mut jobs = app.items("/jobs.json?limit=1000");
    // Rows of one moment are in the order in which they were first heard of.
    for list in [&mut runs, &mut jobs] {
        list.sort_by_key(|row| row["id"].to_string());
    }
    let mut deliveries = app.items("/deliveries.json?limit=1000");
    deliveries.sort_by_key(|row| row["message_id"].to_string());
    for delivery in &mut deliveries {
        delivery["id"] = Value::Null;
    }
    [jobs, runs, deliveries]
}

#[test]
fn two_sinks_with_overlapping_halves_become_the_same_history() {
    let (mut first, second) = (TestApp::start(), TestApp::start());
    let messages = messages();
    push(&first, &messages[..6]);
    // From an even place on, so that the same message has the same format and id.
    push(&second, &messages[2..]);
    let (one, other) = (first.database(), second.database());

    assert_imported(&one, &other, "2 messages imported, 4 were here already");
    first.stop();
    assert_imported(&other, &one, "2 messages imported, 6 were here already");
    first.restart();
    let [jobs, runs, deliveries] = history(&first);
    let [other_jobs, other_runs, other_deliveries] = history(&second);
    assert_eq!((jobs.len(), deliveries.len()), (other_jobs.len(), 8));
    assert_eq!(jobs, other_jobs);
    assert_eq!(runs, other_runs);
    // Each keeps when it received a message itself, and counts no import as a push.
    let ids = |rows: &[Value]| -> Vec<Value> {
        rows.iter().map(|row| row["message_id"].clone()).collect()
    };
    assert_eq!(ids(&deliveries), ids(&other_deliveries));
    for delivery in deliveries.iter().chain(&other_deliveries) {
        assert_eq!(delivery["duplicates"], json!(0));
    }

    // A second time nothing is left to do, by a server or without.
    assert_imported(&one, &other, "0 messages imported, 8 were here already");
    first.stop();
    assert_imported(&one, &other, "0 messages imported, 8 were here already");
}

#[test]
fn an_imported_message_keeps_the_time_at_which_the_other_one_received_it() {
    let (first, second) = (TestApp::start(), TestApp::start());
    push(&first, &[job_message("own", "Success")]);
    let earlier = second.clock.now().plus_ms(-60_000);
    second.clock.set(earlier);
    push(&second, &[job_message("theirs", "Success")]);
    assert_imported(&first.database(), &second.database(), "1 messages imported");
    let oldest = &first.items("/deliveries.json")[1];
    assert_eq!(oldest["received_at"], json!(earlier));
    assert_eq!(oldest["source"], json!("default"));
}

#[test]
fn what_the_other_one_keeps_no_more_and_what_differs_is_counted_and_left_out() {
    let (first, mut second) = (TestApp::start(), TestApp::start());
    let mut content = first.content(Format::Xml, &job_message("mine", "Success"));
    assert_eq!(first.send(&first.signed(&content)).status, 204);
    content.message = job_message("yours", "Success");
    assert_eq!(second.send(&second.signed(&content)).status, 204);
    push(&second, &[job_message("emptied", "Success")]);
    second.stop();
    let database = Connection::open(second.database()).unwrap();
    let emptied = database.execute("DELETE FROM delivery_capture WHERE delivery = 2", []);
    assert_eq!(emptied.unwrap(), 1);

    let (code, printed) = import(&first.database(), &second.database());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("0 messages imported, 0 were"), "{printed}");
    assert!(
        printed.contains("1 not imported, since another"),
        "{printed}"
    );
    assert!(
        printed.contains("1 not imported, since the other"),
        "{printed}"
    );
    let jobs = first.items("/jobs.json");
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["id"], json!("mine"));
    assert_eq!(first.items("/deliveries.json")[0]["differs"], json!(false));
}

#[test]
fn what_is_not_to_be_imported_is_refused_by_name_by_a_server_and_without() {
    let mut app = TestApp::start();
    push(&app, &[job_message("a", "Success")]);
    let folder = tempfile::tempdir().unwrap();
    let own = app.database();
    let test = folder.path().join("demo.db");
    let made = ["demo", "--no-serve", "--jobs", "2", "--into"];
    let made = run(
        folder.path(),
        &[&made[..], &[test.to_str().unwrap()]].concat(),
    );
    assert!(made.status.success(), "{}", stderr(&made));
    let letter = folder.path().join("letter.db");
    std::fs::write(&letter, "no database".repeat(100)).unwrap();
    let newer = folder.path().join("newer.db");
    std::fs::copy(&test, &newer).unwrap();
    let conn = Connection::open(&newer).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&own, &link).unwrap();

    for _ in ["with a server", "without"] {
        for (other, expected) in [
            (
                &test,
                "demo.db holds test pushes, which never go into a record",
            ),
            (&letter, "letter.db is not an mpsink database"),
            (&newer, "newer.db has schema 99"),
            (&link, "link.db is this very database"),
            (&folder.path().join("gone.db"), "there is no file"),
        ] {
            let (code, printed) = import(&own, other);
            assert_eq!(code, 1, "{printed}");
            assert!(printed.contains(expected), "{printed}");
        }
        app.stop();
    }
    let (code, printed) = import(&test, &own);
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("there is no database") || printed.contains("test"),
        "{printed}"
    );
    let (code, printed) = import(&folder.path().join("none.db"), &own);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("there is no database"), "{printed}");
}

#[test]
fn a_record_does_not_go_into_a_database_of_test_pushes() {
    let app = TestApp::start();
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::start(folder.path());
    let record = app.database();
    let output = run(
        folder.path(),
        &["import", "--try", record.to_str().unwrap()],
    );
    let printed = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("is a record, which never goes into"),
        "{printed}"
    );
}

#[test]
fn nobody_without_the_key_starts_an_import() {
    let app = TestApp::start();
    for headers in [
        vec![],
        vec![("Authorization", "Bearer wrong")],
        vec![("Sec-Fetch-Site", "same-origin")],
    ] {
        let answer = http::request(app.facts.dashboard, "POST", "/import?path=x", &headers);
        assert!([401, 403].contains(&answer.status), "{headers:?}");
    }
    assert_eq!(app.get("/import").status, 405);
}
