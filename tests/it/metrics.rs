//! `/metrics`: every metric moves when what it is about happens, says the truth after a restart, and
//! stands in the documents, the alarms and the dashboard under its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mpsink::app::bounds::Bounds;
use mpsink::metrics::Metrics;
use mpsink::notification::Format;
use mpsink::store::lock;
use serde_json::{Value, json};

use crate::app::{NOW, TestApp, data, job_message};
use crate::http::{self, Connection};

/// Longer than anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The samples of one scrape, by name and labels as they are written.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn of(app: &TestApp) -> Scrape {
        let response = app.get("/metrics");
        assert_eq!(response.status, 200, "{}", response.text());
        let content_type = response.header("content-type").unwrap();
        assert!(content_type.starts_with("application/openmetrics-text"));
        let text = response.text();
        assert!(text.ends_with("# EOF\n"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Scrape(samples.collect())
    }

    /// The sum of the samples of this name whose labels hold all of `labels`.
    fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let samples = self.0.iter().filter(|(sample, _)| {
            let is_name = sample.split('{').next() == Some(name);
            is_name && labels.iter().all(|label| sample.contains(label))
        });
        samples.map(|(_, value)| value).sum()
    }
}

/// A sample that [`happen`] moves: the metric, the ending of the sample's name, what is in its labels,
/// and by how much it moves; `None` if that depends on the machine.
type Move = (
    &'static str,
    &'static str,
    &'static [&'static str],
    Option<f64>,
);

const MOVES: &[Move] = &[
    (
        "mpsink_pushes_total",
        "",
        &["format=\"json\"", "outcome=\"stored\""],
        Some(4.0),
    ),
    (
        "mpsink_pushes_total",
        "",
        &["format=\"json\"", "outcome=\"duplicate\""],
        Some(1.0),
    ),
    (
        "mpsink_pushes_total",
        "",
        &["format=\"xml\"", "outcome=\"stored\""],
        Some(1.0),
    ),
    ("mpsink_pushes_total", "", &["outcome=\"held\""], Some(1.0)),
    (
        "mpsink_pushes_total",
        "",
        &["format=\"none\"", "outcome=\"refused\""],
        Some(1.0),
    ),
    (
        "mpsink_pushes_total",
        "",
        &["format=\"none\"", "outcome=\"unread\""],
        Some(1.0),
    ),
    (
        "mpsink_acknowledgement_duration_seconds",
        "_count",
        &[],
        Some(6.0),
    ),
    (
        "mpsink_verification_duration_seconds",
        "_count",
        &[],
        Some(7.0),
    ),
    ("mpsink_delivery_lag_seconds", "_count", &[], Some(5.0)),
    ("mpsink_commit_duration_seconds", "_count", &[], None),
    ("mpsink_batch_commands", "_sum", &[], None),
    (
        "mpsink_last_commit_timestamp_seconds",
        "",
        &[],
        Some(86_401.0),
    ),
    (
        "mpsink_events_total",
        "",
        &["kind=\"job\"", "state=\"failed\""],
        Some(1.0),
    ),
    (
        "mpsink_events_total",
        "",
        &["kind=\"unrecognized\"", "state=\"unknown\""],
        Some(1.0),
    ),
    (
        "mpsink_jobs_finished_total",
        "",
        &["queue=\"mps-std\"", "state=\"failed\""],
        Some(1.0),
    ),
    (
        "mpsink_jobs_finished_total",
        "",
        &["queue=\"mps-std\"", "state=\"succeeded\""],
        Some(1.0),
    ),
    (
        "mpsink_runs_finished_total",
        "",
        &["outcome=\"succeeded\""],
        Some(1.0),
    ),
    ("mpsink_open_runs", "", &[], Some(1.0)),
    ("mpsink_stale_runs", "", &[], Some(1.0)),
    (
        "mpsink_last_event_timestamp_seconds",
        "",
        &["source=\"default\""],
        Some(1_714_982_531.0),
    ),
    ("mpsink_held_pushes", "", &[], Some(1.0)),
    ("mpsink_held_bytes", "", &[], None),
    ("mpsink_refusals_total", "", &[], Some(1.0)),
    ("mpsink_strays_total", "", &[], Some(1.0)),
    ("mpsink_log_bytes", "", &[], None),
    ("mpsink_exports_total", "", &[], Some(1.0)),
    ("mpsink_viewers", "", &[], Some(1.0)),
    (
        "mpsink_certificate_fetches_total",
        "",
        &["result=\"fetched\""],
        Some(1.0),
    ),
];

/// Metrics that have a test of their own below, or say the same for ever.
const ELSEWHERE: [&str; 8] = [
    "mpsink_database_bytes",
    "mpsink_build_info",
    "mpsink_inbox_commands",
    "mpsink_inbox_commands_max",
    "mpsink_disk_free_bytes",
    "mpsink_exports_running",
    "mpsink_rested_seconds_total",
    "mpsink_ready",
];

fn start_message(run: &str) -> Vec<u8> {
    let message = json!({
        "RunId": run, "Name": "Act-Start", "Type": "Start", "State": "Success",
        "MediaWorkflowExecution": {
            "RunId": run, "MediaWorkflowId": "w", "State": "Running", "ActivityList": [],
        },
    });
    message.to_string().into_bytes()
}

fn report_message(run: &str) -> Vec<u8> {
    let message = json!({
        "RunId": run, "Name": "End", "Type": "Report", "State": "Success",
        "MediaWorkflowExecution": {
            "RunId": run, "MediaWorkflowId": "w", "State": "Completed",
            "ActivityList": [{"Name": "T", "Type": "Transcode", "State": "Success"}],
        },
    });
    message.to_string().into_bytes()
}

/// Does what every metric of [`MOVES`] is about. Returns an open page.
fn happen(app: &TestApp) -> Connection {
    let push = |message: &[u8]| assert_eq!(app.push(Format::Json, message).status, 204);
    push(&job_message("j1", "Success"));
    push(&job_message("j1", "Success"));
    push(b"what is this");
    push(&start_message("open"));
    push(&report_message("done"));
    let xml = app.push(Format::Xml, &job_message("j2", "Fail"));
    assert_eq!(xml.status, 204);

    let mut foreign = app.content(Format::Json, &job_message("j3", "Success"));
    foreign.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&foreign)).status, 403);
    let mut unsigned = app.signed(&app.content(Format::Json, b"{}"));
    unsigned.headers.set("authorization", "");
    assert_eq!(app.send(&unsigned).status, 403);
    let mut stray = app.signed(&app.content(Format::Json, b"{}"));
    stray.target = "/elsewhere".to_owned();
    assert_eq!(app.send(&stray).status, 404);
    let mut endless = app.signed(&app.content(Format::Json, b"{}"));
    endless
        .headers
        .add("content-length", (2 * 1024 * 1024).to_string());
    let bytes = mpsink::notification::capture::write(&with_host(endless));
    assert_eq!(http::send(app.facts.receiver, &bytes).status, 413);

    assert_eq!(app.get("/jobs.csv").status, 200);
    let mut viewer = Connection::to(app.facts.dashboard);
    viewer.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(viewer.read_head().unwrap().status, 200);

    // A day and a second later the open run is a stale one; the commit is one of now.
    app.clock.set(NOW.plus_ms(86_401_000));
    app.post("/held/77777/drop");
    app.items_when("/refusals.json", |items| items.len() == 1);
    viewer
}

fn with_host(
    mut push: mpsink::notification::capture::Capture,
) -> mpsink::notification::capture::Capture {
    push.headers.add("host", "mpsink.test");
    push
}

#[test]
fn every_metric_moves_when_what_it_is_about_happens() {
    let app = TestApp::start();
    let before = Scrape::of(&app);
    let _viewer = happen(&app);
    let after = wait_for(&app, |scrape| {
        scrape.sum("mpsink_refusals_total", &[]) > 0.0
            && scrape.sum("mpsink_strays_total", &[]) > 0.0
    });
    for (metric, ending, labels, expected) in MOVES {
        let name = format!("{metric}{ending}");
        let moved = after.sum(&name, labels) - before.sum(&name, labels);
        match expected {
            Some(expected) => assert!(
                (moved - expected).abs() < 0.001,
                "{name} {labels:?} moved by {moved}, not by {expected}"
            ),
            None => assert!(moved > 0.0, "{name} has not moved"),
        }
    }
    let tested: BTreeSet<&str> = MOVES.iter().map(|(metric, ..)| *metric).collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.into();
    let all = names();
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(&tested | &elsewhere, all, "each metric has its test");
}

/// Scrapes until `is_there`: what is noted aside is written shortly after the answer.
fn wait_for(app: &TestApp, is_there: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let scrape = Scrape::of(app);
        if is_there(&scrape) {
            return scrape;
        }
        assert!(Instant::now() < deadline, "{:?}", scrape.0);
    }
}

fn names() -> Vec<String> {
    let metrics = Metrics::new();
    let registered = metrics.registered().iter();
    registered.map(|metric| metric.name.clone()).collect()
}

#[test]
fn what_does_not_move_says_how_it_is() {
    let app = TestApp::start();
    let scrape = Scrape::of(&app);
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    let expected = [
        ("mpsink_build_info", &[version][..], 1.0),
        ("mpsink_inbox_commands", &[], 0.0),
        ("mpsink_inbox_commands_max", &[], 1_024.0),
        ("mpsink_exports_running", &[], 0.0),
        ("mpsink_ready", &[], 1.0),
        // Here from the first scrape, so that nothing ever arrived is an alarm as well.
        ("mpsink_last_event_timestamp_seconds", &[], 0.0),
    ];
    for (name, labels, value) in expected {
        assert_eq!(
            scrape.sum(name, labels).to_bits(),
            f64::to_bits(value),
            "{name}"
        );
    }
    assert!(scrape.sum("mpsink_disk_free_bytes", &[]) > 0.0);
    // So that an increase is seen with the first one.
    let known = ["kind=\"unrecognized\"", "reason=\"signature_wrong\""];
    let all: String = scrape.0.keys().map(String::as_str).collect();
    assert!(known.iter().all(|label| all.contains(label)), "{all}");
}

#[test]
fn states_are_the_same_after_a_restart_and_counters_begin_again() {
    let mut app = TestApp::start();
    drop(happen(&app));
    wait_for(&app, |scrape| scrape.sum("mpsink_strays_total", &[]) > 0.0);
    let names = [
        "mpsink_open_runs",
        "mpsink_stale_runs",
        "mpsink_last_event_timestamp_seconds",
        "mpsink_held_pushes",
        "mpsink_held_bytes",
        "mpsink_refusals_total",
        "mpsink_strays_total",
    ];
    let before = Scrape::of(&app);
    app.restart();
    let after = Scrape::of(&app);
    // What was in the log is in the file now.
    let size = "mpsink_database_bytes";
    assert!(after.sum(size, &[]) > before.sum(size, &[]));
    for name in names {
        let (before, after) = (before.sum(name, &[]), after.sum(name, &[]));
        assert!(before > 0.0, "{name}");
        assert_eq!(before.to_bits(), after.to_bits(), "{name}");
    }
    assert_eq!(after.sum("mpsink_pushes_total", &[]).to_bits(), 0);
}

#[test]
fn a_rebuild_counts_no_end() {
    let app = TestApp::start();
    app.push(Format::Json, &job_message("j1", "Success"));
    let running = lock::running(&app.database()).unwrap();
    let key = format!("Bearer {}", running.key);
    let headers = [("Authorization", key.as_str())];
    let rebuilt = http::request(app.facts.dashboard, "POST", "/rebuild", &headers);
    assert_eq!(rebuilt.status, 200);
    let ends = Scrape::of(&app).sum("mpsink_jobs_finished_total", &[]);
    assert_eq!(ends.to_bits(), f64::to_bits(1.0));
}

#[test]
fn a_full_disk_is_a_scrape_that_says_so() {
    let app = TestApp::start_bounded(Bounds {
        free_disk: |_| Ok(1_000),
        ..Bounds::default()
    });
    let scrape = Scrape::of(&app);
    let free = scrape.sum("mpsink_disk_free_bytes", &[]);
    assert_eq!(free.to_bits(), f64::to_bits(1_000.0));
    assert_eq!(scrape.sum("mpsink_ready", &[]).to_bits(), 0);
}

#[test]
fn a_hundred_queues_have_numbers_of_their_own_and_the_rest_is_other() {
    let app = TestApp::start();
    for number in 0..103 {
        let mut content = app.content(Format::Json, &job_message(&format!("j{number}"), "Fail"));
        content.topic = format!("topic-{number}");
        assert_eq!(app.send(&app.signed(&content)).status, 204);
    }
    let scrape = Scrape::of(&app);
    let name = "mpsink_jobs_finished_total";
    let other = scrape.sum(name, &["queue=\"other\""]);
    assert_eq!(other.to_bits(), f64::to_bits(3.0));
    let all = scrape.sum(name, &[]);
    assert_eq!(all.to_bits(), f64::to_bits(103.0));
}

#[test]
fn no_secret_and_no_id_is_in_a_scrape() {
    let app = TestApp::start();
    let _viewer = happen(&app);
    let text = app.get("/metrics").text();
    let secret = app.target.rsplit('/').next().unwrap();
    for word in [secret, "j1", "1234567890123456", "999", "elsewhere"] {
        let is_there = text.lines().any(|line| line.contains(&format!("\"{word}")));
        assert!(!is_there, "{word}: {text}");
    }
}

#[test]
fn a_stranger_is_given_no_metric() {
    let app = TestApp::start();
    let headers = [("Host", "mpsink.example.com")];
    let response = http::get_with(app.facts.dashboard, "/metrics", &headers);
    assert_eq!(response.status, 421);
    assert!(!response.text().contains("mpsink_"));
    assert_eq!(http::get(app.facts.receiver, "/metrics").status, 404);
}

/// Every word in `text` that begins like a metric.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_name(c));
    let names = words.filter(|word| word.starts_with("mpsink_"));
    names.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the metric that a sample is of.
fn metric_of<'a>(sample: &'a str, all: &BTreeSet<String>) -> &'a str {
    let endings = ["_bucket", "_count", "_sum"];
    let stripped = endings
        .iter()
        .find_map(|ending| sample.strip_suffix(ending));
    stripped
        .filter(|name| all.contains(*name))
        .unwrap_or(sample)
}

#[test]
fn the_document_has_a_row_for_every_metric_and_no_other() {
    let document = read("docs/metrics.md");
    let rows = document.lines().filter_map(|line| {
        let name = line.strip_prefix("| `")?;
        name.split('`')
            .next()
            .filter(|name| name.starts_with("mpsink_"))
    });
    let rows: Vec<String> = rows.map(str::to_owned).collect();
    let mut all = names();
    let in_order: BTreeSet<&String> = rows.iter().collect();
    assert_eq!(in_order.len(), rows.len(), "a metric stands there twice");
    let mut sorted = rows.clone();
    sorted.sort();
    all.sort();
    assert_eq!(sorted, all);
    let kinds = Metrics::new();
    for metric in kinds.registered() {
        let row = format!("| `{}` | {} |", metric.name, metric.kind);
        assert!(document.contains(&row), "no row begins with {row}");
    }
}

#[test]
fn alarms_and_dashboard_name_only_metrics_that_there_are() {
    let all: BTreeSet<String> = names().into_iter().collect();
    for path in [
        "packaging/prometheus/alerts.yml",
        "packaging/prometheus/alerts_test.yml",
        "packaging/grafana/mpsink.json",
        "docs/metrics.md",
    ] {
        let text = read(path);
        let found = mentioned(&text);
        assert!(!found.is_empty(), "{path}");
        for name in found {
            assert!(all.contains(metric_of(&name, &all)), "{path}: {name}");
        }
    }
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/mpsink.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 8);
}

#[test]
fn every_alarm_is_explained() {
    let document = read("docs/metrics.md");
    let alarms = read("packaging/prometheus/alerts.yml");
    let names = alarms
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<&str> = names.collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(document.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn observing_a_duplicate_does_not_move_the_lag() {
    let app = TestApp::start();
    let message = data("job-mediainfo-success.json");
    for _ in 0..3 {
        assert_eq!(app.push(Format::Simplified, &message).status, 204);
    }
    let count = Scrape::of(&app).sum("mpsink_delivery_lag_seconds_count", &[]);
    assert_eq!(count.to_bits(), f64::to_bits(1.0));
}
