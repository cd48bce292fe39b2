//! `/metrics`: what has a value only while something is going on, or while something is wrong.

use mpsink::app::bounds::Bounds;

use crate::app::TestApp;
use crate::broken_downloads::GZIP;
use crate::downloads::{app_with_much, ask, wait_until};

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
