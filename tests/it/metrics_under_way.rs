//! `/metrics`: what has a value only while something is going on, or while something is wrong.

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use rusqlite::Connection as Database;

use crate::app::{TestApp, job_message};
use crate::broken_downloads::GZIP;
use crate::downloads::{app_with_much, ask, wait_until};
use crate::http::{self, Connection};

/// Returns the value of a metric without labels.
fn value(app: &TestApp, metric: &str) -> f64 {
    let text = app.get("/metrics").text();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(name, _)| *name == metric);
    found
        .unwrap_or_else(|| panic!("no {metric}"))
        .1
        .parse()
        .unwrap()
}

fn exports_running(app: &TestApp) -> f64 {
    value(app, "mpsink_exports_running")
}

#[test]
fn exports_that_run_are_counted_while_they_do() {
    let app = app_with_much(Bounds::default());
    assert!(exports_running(&app) < 0.5);
    let exports = ["", GZIP].map(|headers| {
        let mut connection = ask(app.facts.dashboard, "/jobs.ndjson", headers);
        assert_eq!(connection.read_head().unwrap().status, 200);
        connection.wait_for_more();
        connection
    });
    // More than fits on the way is still to come, since nobody has read.
    assert!((exports_running(&app) - 2.0).abs() < 0.5);
    drop(exports);
    wait_until(|| exports_running(&app) < 0.5);
}

#[test]
fn a_download_rests_while_a_push_waits_and_at_no_other_time() {
    let app = TestApp::start();
    assert_eq!(
        app.push(Format::Json, &job_message("a", "Success")).status,
        204
    );
    let rested = || value(&app, "mpsink_rested_seconds_total");
    let download = || assert_eq!(app.get("/jobs.csv").status, 200);
    download();
    assert!(rested() <= 0.0);

    // The writer waits for it, and the push for the writer.
    let other = Database::open(app.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let push = app.signed(&app.content(Format::Json, &job_message("b", "Success")));
    let mut waiting = Connection::to(app.facts.receiver);
    waiting.write(&http::wire(&push));
    wait_until(|| {
        download();
        rested() > 0.0
    });
    other.execute_batch("ROLLBACK").unwrap();
    assert!(waiting.read().is_some());
    let before = rested();
    download();
    assert!(rested() <= before);
}
