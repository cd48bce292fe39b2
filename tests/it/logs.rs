//! What the log has of a push: one line, in text or JSON, with nothing in it that a sender could forge
//! a line by or that is nobody's business.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use serde_json::Value;

use crate::app::{OWNER, TOPIC};
use crate::http;

/// Stands in the message and nowhere else.
const SECRET_WORD: &str = "customer-4711";

/// An id that tries to be more than an id.
const HOSTILE_ID: &str = "A\" outcome=\"stored\" request=\"0";

/// What a run of the server has logged, and what must not be in it.
struct Logged {
    lines: Vec<String>,
    secret: String,
    request: String,
}

/// Serves with `config`, takes one push and one request for a page, and stops.
fn log_of_a_push(config: &str) -> Logged {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpsink"))
        .current_dir(folder.path())
        .args(["serve", "--try", "--receiver-listen", "127.0.0.1:0"])
        .args(["--dashboard-listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reading = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut printed = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !printed.contains("listening:") {
        assert!(stdout.read_line(&mut printed).unwrap() > 0, "{printed}");
    }
    let value = |label: &str| {
        let line = printed
            .lines()
            .find(|line| line.starts_with(label))
            .unwrap();
        line[label.len()..].trim().to_owned()
    };
    let endpoint = value("endpoint to register:");
    let receiver: SocketAddr = value("listening:").parse().unwrap();
    let dashboard = value("dashboard:");
    let dashboard = dashboard.trim_start_matches("http://").parse().unwrap();
    let target = &endpoint[endpoint.match_indices('/').nth(2).unwrap().0..];
    let request = push(folder.path(), receiver, target);
    let words = format!("/jobs?q={SECRET_WORD}");
    assert_eq!(http::get(dashboard, &words).status, 200);
    let stopped = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    Logged {
        lines: reading.join().unwrap().lines().map(str::to_owned).collect(),
        secret: target.rsplit('/').next().unwrap().to_owned(),
        request,
    }
}

/// Sends a push that holds all that must not be logged, and returns the id it was answered with.
fn push(folder: &Path, receiver: SocketAddr, target: &str) -> String {
    let signer =
        Signer::from_test_key(&folder.join("mpsink-try.key"), TEST_CERTIFICATE_URL).unwrap();
    let now = Clock::system().now();
    let message = format!(r#"{{"jobId":"j","state":"Success","userData":"{SECRET_WORD}\n"}}"#);
    let content = PushContent {
        format: Format::Json,
        topic_owner: OWNER.to_owned(),
        topic: TOPIC.to_owned(),
        message_id: HOSTILE_ID.to_owned(),
        tag: None,
        published_at: now,
        message: message.into_bytes(),
    };
    let push = build(&content, target, &signer, now).unwrap();
    let answer = http::send(receiver, &http::wire(&push));
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.header("x-request-id").unwrap().to_owned()
}

fn assert_nothing_secret(logged: &Logged) {
    for word in [SECRET_WORD, &logged.secret, OWNER, "x-mns", "authorization"] {
        let found = logged.lines.iter().find(|line| line.contains(word));
        assert_eq!(found, None, "{word}");
    }
}

#[test]
fn a_push_is_one_line_of_text_whose_values_cannot_end_it() {
    let logged = log_of_a_push("");
    let pushes: Vec<&String> = logged
        .lines
        .iter()
        .filter(|line| line.contains(" push "))
        .collect();
    assert_eq!(pushes.len(), 1, "{:?}", logged.lines);
    let line = pushes[0];
    for part in [
        "INFO push ",
        "source=\"default\"",
        "outcome=\"stored\"",
        "format=\"json\"",
        "message_id=\"A\\\" outcome=\\\"\"",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(
        line.contains(&format!("request=\"{}\"", logged.request)),
        "{line}"
    );
    assert_nothing_secret(&logged);
}

#[test]
fn a_push_is_one_object_of_json_with_the_same_values() {
    let logged = log_of_a_push("[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    let lines = logged.lines.iter();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let said = |text: &str| {
        lines
            .iter()
            .filter(|line| line["message"] == text)
            .collect()
    };
    let pushes: Vec<&Value> = said("push");
    assert_eq!(pushes.len(), 1, "{lines:?}");
    let push = pushes[0];
    assert_eq!(push["level"], "INFO");
    assert_eq!(push["source"], "default");
    assert_eq!(push["outcome"], "stored");
    assert_eq!(push["message_id"], &HOSTILE_ID[..12]);
    assert_eq!(push["request"], logged.request.as_str());
    assert!(push["bytes"].as_u64().unwrap() > 100);
    // A request to the dashboard is one as well, without its words.
    let requests: Vec<&Value> = said("request");
    assert!(
        requests.iter().any(|line| line["path"] == "/jobs"),
        "{lines:?}"
    );
    assert_nothing_secret(&logged);
}

#[test]
fn a_push_is_no_line_where_only_trouble_is_logged() {
    let logged = log_of_a_push("[log]\nlevel = \"warn\"\n");
    assert_eq!(logged.lines, Vec::<String>::new());
}
