//! The demo: made-up pushes through a real store, the command that makes the file, and the one that
//! serves a made-up platform.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use mpsink::app::demo::make;
use mpsink::app::living::{Platform, serve};
use mpsink::clock::{Clock, Timestamp};
use mpsink::config::{Config, Flags};
use mpsink::demo::{Scenario, TEST_MESSAGE};
use mpsink::ingest::made_up::MadeUpError;
use mpsink::ingest::{Ingest, Outcome};
use mpsink::metrics::Metrics;
use mpsink::notification::delivery::Delivery;
use mpsink::notification::source::Source;
use mpsink::push::build_unsigned;
use mpsink::signature::{Verifier, VerifierOptions};
use mpsink::store::Store;
use mpsink::store::disk;
use mpsink::store::filters::DeliveryFilter;
use mpsink::store::options::{Purpose, SourceRule, StoreOptions};
use mpsink::store::records::{DeliveryRecord, Page, Place};

use serde_json::Value;

use crate::app::NOW;
use crate::http;

const SCENARIO: Scenario = Scenario {
    jobs: 600,
    days: 1,
    seed: 1,
    ends_at: NOW,
};

fn open(path: &Path, purpose: Purpose) -> Store {
    let options = StoreOptions {
        path: path.to_owned(),
        purpose,
        inbox_commands_max: 64,
        inbox_bytes_max: 1024 * 1024,
        held_bytes_max: 1024 * 1024,
        workflows: Vec::new(),
        answer_within: std::time::Duration::from_secs(60),
        queues: Vec::new(),
        clock: Clock::standing_at(NOW),
        metrics: Metrics::new(),
        free_disk: disk::free,
    };
    Store::open(options).unwrap().0
}

fn ingest(store: &Store, topics: &[&str]) -> (Ingest, Source) {
    let rule = SourceRule {
        name: "default".to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..SourceRule::default()
    };
    let sources = store.register_sources(vec![rule]).unwrap();
    let clock = Clock::standing_at(NOW);
    let verifier = Verifier::new(VerifierOptions::new(clock.clone())).unwrap();
    let ingest = Ingest::new(store.clone(), verifier, &sources, clock).unwrap();
    (ingest, sources[0].clone())
}

fn a_delivery(source: &Source) -> Delivery {
    let push = SCENARIO.pushes().next().unwrap();
    let capture = build_unsigned(&push.content, &source.paths[0], push.received_at).unwrap();
    capture.into_delivery(source.id, push.received_at)
}

fn deliveries(store: &Store) -> Vec<DeliveryRecord> {
    let mut all = Vec::new();
    let mut place = Place::First;
    loop {
        let page = Page { limit: 500, place };
        let listing = store
            .page_deliveries(&DeliveryFilter::default(), page)
            .unwrap();
        all.extend(listing.items);
        let Some(next) = listing.next else {
            return all;
        };
        place = Place::After(next);
    }
}

fn take(ingest: &Ingest, delivery: Delivery) -> Result<Outcome, MadeUpError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(ingest.take_made_up(delivery))
}

#[test]
fn each_made_up_message_is_stored_once_when_it_arrived_and_its_repeats_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.db");
    let mut told = 0;
    let made = make(&path, &SCENARIO, |jobs| told = jobs).unwrap();
    assert_eq!(made.jobs, SCENARIO.jobs);
    assert!(told > 0 && told <= made.jobs);
    assert_eq!(made.file_bytes, path.metadata().unwrap().len());

    let pushes: Vec<_> = SCENARIO.pushes().collect();
    assert_eq!(made.pushes, pushes.len() as u64);
    let store = open(&path, Purpose::Try);
    let stored = deliveries(&store);
    assert_eq!(stored.len() as u64, made.pushes - made.duplicates);
    assert!(made.duplicates > 0);
    for delivery in &stored {
        let id = delivery.message_id.as_deref();
        let mut same = pushes
            .iter()
            .filter(|push| id == Some(&push.content.message_id));
        let first = same.next().unwrap();
        assert_eq!(delivery.received_at, first.received_at);
        assert_eq!(delivery.published_at, Some(first.content.published_at));
        assert_eq!(delivery.topic, first.content.topic);
        assert_eq!(delivery.format, first.content.format);
        assert_eq!(delivery.duplicates, same.count() as u64);
        let is_test = first.content.message == TEST_MESSAGE.as_bytes();
        assert_eq!(delivery.unrecognized.is_some(), is_test);
    }
}

#[test]
fn a_record_takes_nothing_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("mpsink.db"), Purpose::Record);
    let (ingest, source) = ingest(&store, &[]);
    let refused = take(&ingest, a_delivery(&source));
    assert_eq!(refused, Err(MadeUpError::IsRecord));
    assert!(deliveries(&store).is_empty());
}

#[test]
fn a_made_up_push_passes_the_same_door_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("try.db"), Purpose::Try);
    let (strict, source) = ingest(&store, &["another-topic"]);
    let refused = take(&strict, a_delivery(&source));
    assert!(
        matches!(refused, Err(MadeUpError::NotLetIn { .. })),
        "{refused:?}"
    );
    assert!(deliveries(&store).is_empty());

    let (open, source) = ingest(&store, &[]);
    let first = take(&open, a_delivery(&source)).unwrap();
    assert!(matches!(first, Outcome::Stored { .. }), "{first:?}");
    let second = take(&open, a_delivery(&source)).unwrap();
    assert!(
        matches!(second, Outcome::Duplicate { differs: false, .. }),
        "{second:?}"
    );
}

fn demo(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpsink"));
    command.current_dir(folder).env("TMPDIR", folder);
    command.stdin(Stdio::null());
    command.arg("demo").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_makes_a_new_file_and_says_how_fast() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--jobs", "200", "--into", "demo.db", "--no-serve"];
    let output = demo(folder.path(), &arguments);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for label in [
        "jobs:",
        "pushes:",
        "duplicates:",
        "seconds:",
        "jobs a second:",
        "file bytes:",
    ] {
        assert!(printed.contains(label), "no {label} in {printed}");
    }
    assert_eq!(text(&output.stderr), "");

    let before = std::fs::read(folder.path().join("demo.db")).unwrap();
    let again = demo(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("there already"), "{again:?}");
    assert!(before == std::fs::read(folder.path().join("demo.db")).unwrap());
}

#[test]
fn values_out_of_bounds_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--jobs", "0"),
        ("--jobs", "50000001"),
        ("--days", "0"),
        ("--days", "3651"),
        ("--ends-at", "yesterday"),
    ] {
        let arguments = ["--into", "demo.db", "--no-serve", flag, value];
        let output = demo(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{flag} {value}");
        assert!(!folder.path().join("demo.db").exists());
    }
}

/// A running `mpsink demo`, which finds its temporary folder in `folder`; killed when dropped.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    dashboard: SocketAddr,
}

impl Running {
    fn start(folder: &Path, jobs: &str, arguments: &[&str]) -> Running {
        let mut child = served(folder)
            .args(["--jobs", jobs, "--jobs-a-minute", "600"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let dashboard = line_with(&mut lines, "dashboard:");
        let (_, dashboard) = dashboard.rsplit_once("http://").unwrap();
        Running {
            dashboard: dashboard.parse().unwrap(),
            child,
            lines,
        }
    }

    fn json(&self, path: &str) -> Value {
        http::get(self.dashboard, path).json()
    }

    /// Follows a list to its end.
    fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = format!("{path}?limit=1000");
        loop {
            let page = self.json(&next);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next"].as_str() else {
                return items;
            };
            next = format!("{path}?limit=1000&cursor={cursor}");
        }
    }

    fn interrupt(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the next line with `text` in it.
fn line_with(lines: &mut Lines<BufReader<ChildStdout>>, text: &str) -> String {
    let found = lines.map(Result::unwrap).find(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("it ended without a line with {text}"))
}

fn served(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpsink"));
    command.current_dir(folder).env("TMPDIR", folder);
    command.stdin(Stdio::null()).arg("demo").args([
        "--receiver-listen",
        "127.0.0.1:0",
        "--dashboard-listen",
        "127.0.0.1:0",
    ]);
    command
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

fn texts(items: &[Value], field: &str) -> BTreeSet<String> {
    let texts = items.iter().filter_map(|item| item[field].as_str());
    texts.map(str::to_owned).collect()
}

fn time_of(item: &Value, field: &str) -> Timestamp {
    Timestamp::parse_rfc3339(item[field].as_str().unwrap()).unwrap()
}

#[test]
fn the_demo_is_a_day_of_everything_that_can_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let before = Clock::system().now();
    let mut demo = Running::start(folder.path(), "500", &[]);
    line_with(&mut demo.lines, "the past is there");
    let after = Clock::system().now();

    assert_eq!(http::get(demo.dashboard, "/").status, 200);
    let deliveries = demo.all("/deliveries.json");
    assert!(deliveries.len() > 500, "{}", deliveries.len());
    let formats = texts(&deliveries, "format");
    assert!(
        formats.iter().eq(["json", "simplified", "xml"]),
        "{formats:?}"
    );
    assert!(!texts(&deliveries, "unrecognized").is_empty());
    assert!(
        deliveries
            .iter()
            .any(|it| it["duplicates"].as_u64() > Some(0))
    );
    assert!(deliveries.iter().any(|it| it["differs"] == true));
    let runs = demo
        .all("/runs.json")
        .into_iter()
        .map(|run| run["workflow"].clone());
    let workflows = texts(&runs.collect::<Vec<_>>(), "name");
    assert!(workflows.contains("视频转码工作流"), "{workflows:?}");
    let states = texts(&demo.all("/jobs.json"), "state");
    assert!(states.contains("failed") && states.contains("succeeded"));

    let held = demo.all("/held.json");
    let reasons = texts(&held, "reason");
    assert!(
        reasons.iter().eq(["body_checksum", "date", "owner"]),
        "{reasons:?}"
    );
    let refusals = demo.json("/refusals.json");
    let reasons = texts(refusals["items"].as_array().unwrap(), "reason");
    let expected = [
        "certificate_url_not_allowed",
        "header_missing",
        "signature_wrong",
    ];
    assert!(reasons.iter().eq(expected), "{reasons:?}");
    assert!(refusals["strays"]["total"].as_u64() > Some(0));

    // Each came in when it would have, most of them at once, and the last about now.
    let day_ms = 24 * 60 * 60 * 1000;
    let arrivals = deliveries.iter().chain(&held);
    let mut arrivals: Vec<Timestamp> = arrivals.map(|it| time_of(it, "received_at")).collect();
    arrivals.sort_unstable();
    let (first, last) = (arrivals[0], arrivals[arrivals.len() - 1]);
    assert!(first >= before.plus_ms(-day_ms) && first < before.plus_ms(-day_ms / 2));
    assert!(
        last >= before.plus_ms(-day_ms / 4) && last <= after.plus_ms(60_000),
        "{last}"
    );
    let lag_ms = |it: &Value| time_of(it, "received_at").since_ms(time_of(it, "published_at"));
    let soon = deliveries
        .iter()
        .filter(|it| (0..1_000).contains(&lag_ms(it)));
    assert!(soon.count() * 10 > deliveries.len() * 9);
}

#[test]
fn the_demo_goes_on_by_the_system_s_clock_until_it_is_stopped_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), "500", &[]);
    line_with(&mut demo.lines, "the past is there");
    let began = Clock::system().now();
    // Not the first, which may have been on its way before.
    line_with(&mut demo.lines, " 204 ");
    line_with(&mut demo.lines, " 204 ");
    let latest = demo.json("/deliveries.json")["items"][0].clone();
    let received_at = time_of(&latest, "received_at");
    assert!(received_at >= began, "{latest}");
    assert!(received_at <= Clock::system().now(), "{latest}");
    assert!(!is_empty(folder.path()));
    assert_eq!(demo.interrupt(), 0);
    assert!(is_empty(folder.path()));
}

#[test]
fn a_demo_that_is_stopped_while_the_past_comes_in_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), "100000", &[]);
    assert_eq!(demo.interrupt(), 0);
    assert!(is_empty(folder.path()));
}

#[test]
fn a_demo_into_a_file_is_kept_for_serve_try_and_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let mut demo = Running::start(folder.path(), "300", &["--into", "kept.db"]);
    line_with(&mut demo.lines, "the past is there");
    assert_eq!(demo.interrupt(), 0);
    let hint = line_with(&mut demo.lines, "look at it");
    assert!(hint.contains("serve --try --database kept.db"), "{hint}");
    let store = open(&path, Purpose::Try);
    assert!(deliveries(&store).len() > 300);
    store.close();

    let bytes = std::fs::read(&path).unwrap();
    let again = served(folder.path()).args(["--into", "kept.db"]).output();
    let again = again.unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("there already"), "{again:?}");
    assert!(bytes == std::fs::read(&path).unwrap());
}

#[test]
fn a_demo_that_cannot_listen_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = demo(folder.path(), &["--receiver-listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&address), "{output:?}");
    assert!(is_empty(folder.path()));
}

#[test]
fn options_of_a_demo_that_do_not_go_together_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let file = ["--no-serve", "--into", "demo.db"];
    let cases: [(&[&str], &str); 5] = [
        (&["--no-serve"], "--into"),
        (&["--ends-at", "2024-05-06T08:00:00Z"], "--no-serve"),
        (&["--jobs-a-minute", "9"], "--jobs-a-minute"),
        (&["--receiver-listen", "127.0.0.1:0"], "--receiver-listen"),
        (&["--dashboard-listen", "127.0.0.1:0"], "--dashboard-listen"),
    ];
    for (number, (arguments, named)) in cases.into_iter().enumerate() {
        let file: &[&str] = if number < 2 { &[] } else { &file };
        let output = demo(folder.path(), &[arguments, file].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(named), "{output:?}");
    }
    let output = demo(folder.path(), &["--jobs", "100001"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--no-serve"), "{output:?}");
    assert!(is_empty(folder.path()));
}

#[test]
fn a_living_platform_is_for_a_new_database_of_test_pushes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mpsink.db");
    let platform = Platform {
        past: SCENARIO,
        jobs_a_minute: 1,
    };
    let config = |is_try| {
        let flags = Flags {
            database: Some(path.clone()),
            is_try,
            ..Flags::default()
        };
        Config::from_parts(toml::Table::new(), std::iter::empty(), flags).unwrap()
    };
    let error = serve(&config(false), &platform, |_| ()).unwrap_err();
    assert!(error.to_string().contains("record"), "{error}");
    assert!(is_empty(folder.path()));
    std::fs::write(&path, "").unwrap();
    let error = serve(&config(true), &platform, |_| ()).unwrap_err();
    assert!(error.to_string().contains("there already"), "{error}");
}
