//! The demo: made-up pushes through a real store, and the command that makes the file.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use mpsink::app::demo::make;
use mpsink::clock::Clock;
use mpsink::demo::{Scenario, TEST_MESSAGE};
use mpsink::ingest::made_up::MadeUpError;
use mpsink::ingest::{Ingest, Outcome};
use mpsink::notification::delivery::Delivery;
use mpsink::notification::source::Source;
use mpsink::push::build_unsigned;
use mpsink::signature::{Verifier, VerifierOptions};
use mpsink::store::records::{DeliveryRecord, Page};
use mpsink::store::{Purpose, SourceRule, Store, StoreOptions};

use crate::app::NOW;

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
    let mut after = None;
    loop {
        let page = Page { limit: 500, after };
        let listing = store.page_deliveries(page).unwrap();
        all.extend(listing.items);
        after = listing.next;
        if after.is_none() {
            return all;
        }
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
    command.current_dir(folder).stdin(Stdio::null());
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
fn the_command_says_that_it_cannot_serve_yet_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--into", "demo.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--no-serve"), "{output:?}");
    assert!(!folder.path().join("demo.db").exists());
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
