//! `/healthz`, `/readyz` and `mpsink healthcheck`: who is told what, and each state there is.

use std::io;

use mpsink::app::bounds::Bounds;
use mpsink::health::{DISK_FREE_LOW, DISK_FREE_MIN};
use mpsink::notification::Format;
use mpsink::store::options::FreeDisk;
use serde_json::Value;

use crate::app::{TestApp, job_message};
use crate::binary::{Server, run, stderr, stdout};
use crate::http;

/// Returns the state and the reason of one check, and whether all is ready.
fn check(app: &TestApp, name: &str) -> (String, String, bool) {
    let response = app.get("/readyz");
    let json = response.json();
    let checks = json["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let is_ready = json["ready"].as_bool().unwrap();
    assert_eq!(response.status, if is_ready { 200 } else { 503 });
    (text(&check["state"]), text(&check["reason"]), is_ready)
}

fn with_disk(free_disk: FreeDisk) -> TestApp {
    TestApp::start_bounded(Bounds {
        free_disk,
        ..Bounds::default()
    })
}

#[test]
fn both_listeners_say_that_the_process_lives() {
    let app = TestApp::start();
    for address in [app.facts.receiver, app.facts.dashboard] {
        let response = http::get(address, "/healthz");
        assert_eq!((response.status, response.text().as_str()), (200, "ok\n"));
    }
}

#[test]
fn a_server_that_runs_is_ready_and_says_since_when_it_has_not_committed() {
    let app = TestApp::start();
    app.push(Format::Json, &job_message("j1", "Success"));
    app.clock.set(app.clock.now().plus_ms(7_000));
    let (state, reason, is_ready) = check(&app, "writer");
    assert_eq!((state.as_str(), is_ready), ("fine", true));
    assert_eq!(reason, "the writer runs; the last commit was 7 s ago");
    let (state, reason, _) = check(&app, "schema");
    assert_eq!(
        (state.as_str(), reason.as_str()),
        ("fine", "the database has schema 1")
    );
}

#[test]
fn the_disk_has_to_have_room_for_what_the_writer_may_be_given() {
    let cases: [(FreeDisk, &str, bool); 5] = [
        (|_| Ok(DISK_FREE_MIN - 1), "failing", false),
        (|_| Ok(DISK_FREE_MIN), "warning", true),
        (|_| Ok(DISK_FREE_LOW - 1), "warning", true),
        (|_| Ok(DISK_FREE_LOW), "fine", true),
        (|_| Err(io::Error::other("no")), "warning", true),
    ];
    for (free, expected, expected_ready) in cases {
        let app = with_disk(free);
        let (state, reason, is_ready) = check(&app, "disk");
        assert_eq!(
            (state.as_str(), is_ready),
            (expected, expected_ready),
            "{reason}"
        );
    }
}

#[test]
fn a_certificate_that_is_not_known_yet_is_a_warning_until_a_push_brought_it() {
    let app = TestApp::start();
    let (state, reason, is_ready) = check(&app, "certificate");
    assert_eq!((state.as_str(), is_ready), ("warning", true), "{reason}");
    assert_eq!(app.json("/readyz")["state"], "warning");
    app.push(Format::Json, &job_message("j1", "Success"));
    let (state, reason, _) = check(&app, "certificate");
    assert_eq!(state, "fine");
    assert!(reason.contains("has verified a push"), "{reason}");
    assert_eq!(app.json("/readyz")["state"], "fine");
}

#[test]
fn a_stranger_is_told_whether_and_not_why() {
    let full = with_disk(|_| Ok(0));
    let headers = [("Host", "mpsink.example.com")];
    let response = http::get_with(full.facts.dashboard, "/readyz", &headers);
    assert_eq!(response.status, 503);
    assert_eq!(response.text(), r#"{"ready":false}"#);
    let fine = TestApp::start();
    let response = http::get_with(fine.facts.dashboard, "/readyz", &headers);
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, r#"{"ready":true}"#)
    );
    assert_eq!(http::get(fine.facts.receiver, "/readyz").status, 404);
}

#[test]
fn a_healthcheck_asks_the_server_of_the_database_and_ends_with_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = run(
        folder.path(),
        &["healthcheck", "--database", "mpsink-try.db"],
    );
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("no server is running on mpsink-try.db"));

    let server = Server::start(folder.path());
    let found = run(
        folder.path(),
        &["healthcheck", "--database", "mpsink-try.db"],
    );
    assert_eq!(found.status.code(), Some(0), "{}", stderr(&found));
    assert!(stdout(&found).starts_with("ready"), "{}", stdout(&found));
    assert_eq!(stdout(&found).lines().count(), 1);
    let url = format!("http://{}/", server.dashboard);
    let asked = run(folder.path(), &["healthcheck", "--url", &url]);
    assert_eq!(stdout(&asked), stdout(&found));
}

#[test]
fn a_healthcheck_fails_where_the_server_is_not_ready_and_says_why_in_a_line() {
    let app = with_disk(|_| Ok(0));
    let url = format!("http://{}", app.facts.dashboard);
    let folder = tempfile::tempdir().unwrap();
    let asked = run(folder.path(), &["healthcheck", "--url", &url]);
    assert_eq!(asked.status.code(), Some(1));
    let line = stdout(&asked);
    assert!(
        line.starts_with("not ready; disk: 0 MiB are free"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1);
    // Something that is no mpsink dashboard is not taken for one.
    let other = format!("http://{}", app.facts.receiver);
    let asked = run(folder.path(), &["healthcheck", "--url", &other]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(stderr(&asked).contains("not as mpsink does"));
}
