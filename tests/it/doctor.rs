//! `mpsink doctor` and `/operations`: the same findings, with a server and without.

use std::fs;
use std::path::Path;

use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use serde_json::Value;

use crate::app::{NOW, TestApp, job_message};
use crate::binary::{run, stderr, stdout};

/// Runs `doctor --json` on the database of a server that is known, and returns its exit code and what
/// it says.
fn doctor(app: &TestApp, arguments: &[&str]) -> (i32, Value) {
    doctor_on(&app.database(), arguments)
}

fn doctor_on(database: &Path, arguments: &[&str]) -> (i32, Value) {
    let database = ["--database", database.to_str().unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &[&["doctor", "--json"], &database[..], arguments].concat(),
    );
    let report = serde_json::from_str(&stdout(&output));
    let report = report.unwrap_or_else(|_| panic!("{}{}", stdout(&output), stderr(&output)));
    (output.status.code().unwrap(), report)
}

fn finding<'a>(report: &'a Value, line: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["line"] == line);
    found.unwrap_or_else(|| panic!("no {line} in {report}"))
}

#[track_caller]
fn assert_line(report: &Value, line: &str, verdict: &str, says: &str) {
    let found = finding(report, line);
    assert_eq!(found["verdict"], verdict, "{found}");
    assert!(found["seen"].as_str().unwrap().contains(says), "{found}");
    assert_eq!(found["to_do"].is_null(), verdict == "fine", "{found}");
}

#[test]
fn a_server_says_itself_what_doctor_and_the_page_show() {
    let app = TestApp::start();
    assert_eq!(
        app.push(Format::Xml, &job_message("a", "Success")).status,
        204
    );
    let report = app.json("/operations.json");
    assert_line(&report, "server", "fine", "takes pushes since");
    assert_line(
        &report,
        "source",
        "fine",
        "it lets in the pinned owner 1234567890123456",
    );
    assert_line(
        &report,
        "receiver",
        "warning",
        "only this machine reaches it",
    );
    assert_line(&report, "public_url", "warning", "No public address");
    assert_line(&report, "clock", "fine", " after its Date");
    // Fetched from loopback, which is not the documented host.
    assert_line(
        &report,
        "certificate",
        "warning",
        "512 bits from 127.0.0.1:",
    );
    assert_line(&report, "retries", "unknown", "cannot be seen");
    assert_line(&report, "downtime", "fine", "None in the last 30 days");
    assert_line(
        &report,
        "rows",
        "fine",
        "1 came in the last day, 1 are kept",
    );
    assert_line(&report, "lag", "fine", "95 %");
    assert_line(&report, "log", "fine", "write-ahead log has");
    assert_line(&report, "sqlite", "fine", "Version 3.");
    assert_line(&report, "integrity", "unknown", "Not looked at here");

    let (_, said) = doctor(&app, &[]);
    assert_line(&said, "server", "fine", "takes pushes since");
    assert_line(&said, "integrity", "fine", "Every page was read");
    let (_, deep) = doctor(&app, &["--deep"]);
    assert_line(&deep, "integrity", "fine", "every index");
    // The server was asked: its clock stands where the test has set it.
    let at = said["at"].as_str().unwrap();
    assert_eq!(Timestamp::parse_rfc3339(at), Some(NOW));

    let page = app.get("/operations").text();
    for text in ["1 came in the last day", "Choose EXPONENTIAL_DECAY_RETRY"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn without_a_server_doctor_says_so_and_what_the_database_knows() {
    let mut app = TestApp::start();
    assert_eq!(
        app.push(Format::Xml, &job_message("a", "Success")).status,
        204
    );
    app.stop();
    let (_, report) = doctor(&app, &[]);
    assert_line(&report, "server", "warning", "No server runs");
    assert_line(&report, "source", "fine", "pinned owner 1234567890123456");
    assert_line(&report, "receiver", "fine", "0.0.0.0:8080");
    assert_line(&report, "certificate", "warning", "has verified pushes");
    // The test's clock stood in 2024, and nobody has taken pushes since.
    assert_line(&report, "downtime", "wrong", "Nobody has taken pushes for");
    assert_line(&report, "rows", "warning", "0 came in the last day");
}

#[test]
fn what_is_wrong_ends_with_1_and_a_database_that_is_damaged_is_named() {
    let mut app = TestApp::start();
    for number in 0..40 {
        let message = job_message(&format!("job-{number}"), "Success");
        assert_eq!(app.push(Format::Xml, &message).status, 204);
    }
    app.stop();
    let database = app.database();
    // The last pages hold rows or keys, and none of them what says that it is a database.
    let mut bytes = fs::read(&database).unwrap();
    let end = bytes.len();
    bytes[end - 6 * 4096..].fill(7);
    fs::write(&database, bytes).unwrap();
    let (code, report) = doctor(&app, &[]);
    assert_eq!(code, 1);
    assert_line(&report, "integrity", "wrong", "The database is damaged");
    assert_eq!(report["verdict"], "wrong");
}

#[test]
fn each_line_is_shown_with_what_to_do_below_it() {
    let app = TestApp::start();
    let database = app.database();
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &["doctor", "--database", database.to_str().unwrap()],
    );
    let shown = stdout(&output);
    let mut lines = shown.lines();
    let retries = lines.find(|line| line.contains("retries")).unwrap();
    assert!(
        retries.starts_with("not known  retries         Which"),
        "{shown}"
    );
    assert!(
        lines.next().unwrap().contains("→ Choose EXPONENTIAL"),
        "{shown}"
    );
    assert!(!shown.contains("/notifications/"), "{shown}");
}

#[test]
fn there_is_nothing_to_look_at_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there is no database"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
