//! The fuzz targets' sentences, held against their seeds: so they are built and true with each run of
//! the tests, and what fuzzing ever found stays mended.

use std::fs;
use std::path::Path;

use crate::fuzz::{Lists, json, message, request, simplified, xml};

/// Holds a sentence against each seed of its target, and against the samples of real messages and
/// envelopes, which are seeds of every target.
fn hold(target: &str, sentence: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = root.join("fuzz/seeds").join(target);
    let mut held = 0;
    for folder in [
        seeds,
        root.join("tests/data"),
        root.join("tests/data/messages"),
    ] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                println!("{}", path.display());
                sentence(&fs::read(path).unwrap());
                held += 1;
            }
        }
    }
    assert!(held > 30, "{held} seeds");
}

#[test]
fn what_is_read_as_an_xml_envelope_comes_back() {
    hold("xml", xml);
}

#[test]
fn what_is_read_as_a_json_envelope_comes_back() {
    hold("json", json);
}

#[test]
fn what_the_signed_headers_say_is_what_the_notification_says() {
    hold("simplified", simplified);
}

#[test]
fn any_message_gives_events_that_can_be_kept() {
    hold("message", message);
}

#[test]
fn any_request_file_is_explained() {
    hold("request", request);
}

#[test]
fn any_question_to_a_list_is_answered_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lists = Lists::open(folder.path());
    hold("lists", |bytes| lists.ask(bytes));
}
