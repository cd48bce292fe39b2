//! `mpsink rebuild` with the real binary: by the running server, and by itself if none runs.

use std::path::Path;

use mpsink::store::lock;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::binary::{Server, run, stderr, stdout};
use crate::http;

/// A database of `serve --try` with one job, whose server has stopped.
fn with_one_job() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    assert!(run(folder.path(), &["push"]).status.success());
    assert_eq!(server.terminate(), 0);
    folder
}

/// Makes the stored message one that an old parser did not understand.
fn forget_what_it_says(folder: &Path) {
    let database = Connection::open(folder.join("mpsink-try.db")).unwrap();
    let forget = r#"
        UPDATE delivery SET unrecognized = 'never heard of it';
        UPDATE event SET kind = 'unrecognized', job = NULL, state = NULL, terminal = 0,
          queue = NULL, queue_rule = 0, event = '{"kind":"unrecognized","reason":"never"}';
        DELETE FROM job;"#;
    database.execute_batch(forget).unwrap();
}

/// Runs `rebuild` and returns its exit code and what it printed.
fn rebuild(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(folder, &[&["rebuild", "--try"], arguments].concat());
    let printed = stdout(&output) + &stderr(&output);
    (output.status.code().unwrap(), printed)
}

#[test]
fn a_dry_run_says_that_nothing_would_change_with_a_server_and_without() {
    let folder = with_one_job();
    let (code, printed) = rebuild(folder.path(), &["--dry-run"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("nothing would change"), "{printed}");

    let _server = Server::start(folder.path());
    let (code, printed) = rebuild(folder.path(), &["--dry-run"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("1 messages read again"), "{printed}");
    assert!(printed.contains("nothing would change"), "{printed}");
}

#[test]
fn yesterday_s_unrecognised_message_becomes_a_job_in_a_stopped_database() {
    let folder = with_one_job();
    forget_what_it_says(folder.path());
    let (code, printed) = rebuild(folder.path(), &["--dry-run"]);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("jobs: 1 would be added"), "{printed}");
    let (code, printed) = rebuild(folder.path(), &["--dry-run"]);
    assert_eq!(code, 1, "a dry run has written: {printed}");

    let (code, printed) = rebuild(folder.path(), &[]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("jobs: 1 added"), "{printed}");
    let server = Server::start(folder.path());
    assert_eq!(server.items("/jobs.json")[0]["state"], json!("succeeded"));
}

#[test]
fn the_running_server_rebuilds_while_it_serves() {
    let folder = with_one_job();
    forget_what_it_says(folder.path());
    let server = Server::start(folder.path());
    assert!(server.items("/jobs.json").is_empty());
    let (code, printed) = rebuild(folder.path(), &[]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("jobs: 1 added"), "{printed}");
    assert_eq!(server.items("/jobs.json").len(), 1);
    assert!(run(folder.path(), &["push"]).status.success());
    let (code, printed) = rebuild(folder.path(), &["--dry-run"]);
    assert_eq!(code, 0, "{printed}");
}

#[test]
fn a_rebuild_needs_a_database_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (code, printed) = rebuild(folder.path(), &[]);
    assert_eq!(code, 1);
    assert!(printed.contains("there is no database"), "{printed}");
    assert!(!folder.path().join("mpsink-try.db").exists());
}

#[test]
fn only_a_command_with_the_key_may_rebuild() {
    let folder = with_one_job();
    let server = Server::start(folder.path());
    let post = |headers: &[(&str, &str)], query: &str| {
        let path = format!("/rebuild{query}");
        http::request(server.dashboard, "POST", &path, headers).status
    };
    assert_eq!(post(&[], ""), 403);
    assert_eq!(post(&[("Sec-Fetch-Site", "same-origin")], ""), 401);
    assert_eq!(post(&[("Authorization", "Bearer wrong")], ""), 401);
    let running = lock::running(&folder.path().join("mpsink-try.db")).unwrap();
    let key = format!("Bearer {}", running.key);
    let with_key = [("Authorization", key.as_str())];
    assert_eq!(post(&with_key, "?dry_run=1"), 200);
    assert_eq!(post(&with_key, "?dry_run=yes"), 400);
    assert_eq!(post(&with_key, "?dryrun=1"), 400);
    assert_eq!(http::get(server.dashboard, "/rebuild").status, 405);
}
