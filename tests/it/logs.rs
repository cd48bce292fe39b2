//! What the log has of a push: one line, in text or JSON, with nothing in it that a sender could forge
//! a line by or that is nobody's business.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use mpsink::web::access::users::hash_password;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{OWNER, TOPIC};
use crate::binary::{self, Server};
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

/// A server that is being logged.
struct Running {
    folder: TempDir,
    receiver: SocketAddr,
    dashboard: SocketAddr,
    target: String,
}

/// Serves with `config`, lets `act` ask it for something, stops, and returns the lines.
fn log_of(config: &str, flags: &[&str], act: impl FnOnce(&Running)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpsink"))
        .current_dir(folder.path())
        .args(["serve", "--receiver-listen", "127.0.0.1:0"])
        .args(flags)
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
    let endpoint = if flags.contains(&"--try") {
        value("endpoint to register:")
    } else {
        Server::endpoint(folder.path())
    };
    let receiver: SocketAddr = value("listening:").parse().unwrap();
    let dashboard = value("dashboard:");
    let dashboard = dashboard.trim_start_matches("http://").parse().unwrap();
    let target = &endpoint[endpoint.match_indices('/').nth(2).unwrap().0..];
    let target = target.to_owned();
    act(&Running {
        folder,
        receiver,
        dashboard,
        target,
    });
    let stopped = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reading.join().unwrap().lines().map(str::to_owned).collect()
}

/// Serves with `config`, takes one push and some requests for a page, and stops.
fn log_of_a_push(config: &str) -> Logged {
    let (mut secret, mut request) = (String::new(), String::new());
    let lines = log_of(config, &["--try"], |running| {
        let target = &running.target;
        secret = target.rsplit('/').next().unwrap().to_owned();
        request = push(running.folder.path(), running.receiver, target);
        let words = format!("/jobs?q={SECRET_WORD}");
        assert_eq!(http::get(running.dashboard, &words).status, 200);
        // Somebody tries the endpoint at the wrong listener.
        let astray = format!("{target}/jobs");
        assert_eq!(http::get(running.dashboard, &astray).status, 404);
    });
    Logged {
        lines,
        secret,
        request,
    }
}

fn objects(lines: &[String]) -> Vec<Value> {
    let lines = lines.iter();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

/// Sends a push that holds all that must not be logged, and returns the id it was answered with.
fn push(folder: &Path, receiver: SocketAddr, target: &str) -> String {
    let answer = send(folder, receiver, target, OWNER, TEST_CERTIFICATE_URL);
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.header("x-request-id").unwrap().to_owned()
}

fn send(
    folder: &Path,
    receiver: SocketAddr,
    target: &str,
    owner: &str,
    certificate_url: &str,
) -> http::Response {
    let key = folder.join("mpsink-try.key");
    let signer = Signer::from_test_key(&key, certificate_url).unwrap();
    let now = Clock::system().now();
    let message = format!(r#"{{"jobId":"j","state":"Success","userData":"{SECRET_WORD}\n"}}"#);
    let content = PushContent {
        format: Format::Json,
        topic_owner: owner.to_owned(),
        topic: TOPIC.to_owned(),
        message_id: HOSTILE_ID.to_owned(),
        tag: None,
        published_at: now,
        message: message.into_bytes(),
    };
    let push = build(&content, target, &signer, now).unwrap();
    http::send(receiver, &http::wire(&push))
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
    let lines = objects(&logged.lines);
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
    assert!(
        requests
            .iter()
            .any(|line| line["path"] == "/notifications/•••/jobs"),
        "{lines:?}"
    );
    assert_nothing_secret(&logged);
}

#[test]
fn a_push_is_no_line_where_only_trouble_is_logged() {
    let logged = log_of_a_push("[log]\nlevel = \"warn\"\n");
    assert_eq!(logged.lines, Vec::<String>::new());
}

#[test]
fn a_decision_about_a_held_push_is_a_line_that_says_what_and_by_whom() {
    let other = "9999999999999999";
    let config = format!("[log]\nformat = \"json\"\n[[source]]\nowners = [\"{OWNER}\"]\n");
    let lines = log_of(&config, &["--try"], |running| {
        let (folder, receiver) = (running.folder.path(), running.receiver);
        push(folder, receiver, &running.target);
        let ours = [("Sec-Fetch-Site", "same-origin"), ("Host", "localhost")];
        for decision in ["drop", "allow-owner"] {
            let held = send(
                folder,
                receiver,
                &running.target,
                other,
                TEST_CERTIFICATE_URL,
            );
            assert_eq!(held.status, 403, "{}", held.text());
            let items = http::get(running.dashboard, "/held.json").json();
            let path = format!("/held/{}/{decision}", items["items"][0]["id"]);
            let decided = http::request(running.dashboard, "POST", &path, &ours);
            assert_eq!(decided.status, 303, "{}", decided.text());
        }
    });
    assert!(!lines.iter().any(|line| line.contains(SECRET_WORD)));
    let lines = objects(&lines);
    let decisions: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "a decision about a held push")
        .collect();
    assert_eq!(decisions.len(), 2, "{lines:?}");
    for (line, decision) in decisions.into_iter().zip(["dropped", "owner allowed"]) {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["decision"], decision);
        assert!(line["held"].is_string(), "{line}");
        assert_eq!(line["owner"], other);
        assert_eq!(line["topic"], TOPIC);
        assert_eq!(line["by"], "somebody on this machine");
        assert_eq!(line["address"], "127.0.0.1");
    }
}

#[test]
fn a_decision_is_a_line_with_the_name_of_who_logged_in() {
    let hash = hash_password(b"correct horse").unwrap();
    let config = format!(
        "[log]\nformat = \"json\"\n[[source]]\nowners = [\"{OWNER}\"]\n\
         [dashboard]\nusers = {{ anna = \"{hash}\" }}\n"
    );
    let other = "9999999999999999";
    let lines = log_of(&config, &["--try"], |running| {
        let (folder, receiver) = (running.folder.path(), running.receiver);
        let target = &running.target;
        push(folder, receiver, target);
        let held = send(folder, receiver, target, other, TEST_CERTIFICATE_URL);
        assert_eq!(held.status, 403, "{}", held.text());
        let login = format!("Basic {}", STANDARD.encode("anna:correct horse"));
        let login = ("Authorization", login.as_str());
        let held = http::get_with(running.dashboard, "/held.json", &[login]).json();
        let path = format!("/held/{}/drop", held["items"][0]["id"]);
        let page = ("Sec-Fetch-Site", "same-origin");
        let decided = http::request(running.dashboard, "POST", &path, &[login, page]);
        assert_eq!(decided.status, 303, "{}", decided.text());
    });
    assert!(!lines.iter().any(|line| line.contains("correct horse")));
    let lines = objects(&lines);
    let decided = |line: &&Value| line["message"] == "a decision about a held push";
    let decision = lines.iter().find(decided).unwrap();
    assert_eq!(decision["decision"], "dropped");
    assert_eq!(decision["by"], "anna");
    assert_eq!(decision["address"], "127.0.0.1");
}

#[test]
fn tls_on_a_plain_port_is_one_calm_line_however_often_it_comes() {
    for format in ["text", "json"] {
        let config = format!("[log]\nformat = \"{format}\"\n");
        let lines = log_of(&config, &["--try"], |running| {
            for port in [running.receiver, running.dashboard, running.receiver] {
                // How a TLS client begins: a record of a handshake, a greeting of 512 bytes.
                let mut greeting = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
                greeting.extend([0xa5; 502]);
                assert_eq!(http::send(port, &greeting).status, 400);
            }
        });
        let about: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("was no HTTP"))
            .collect();
        assert_eq!(about.len(), 1, "{lines:?}");
        assert!(about[0].contains("INFO"), "{lines:?}");
        assert!(
            !lines.iter().any(|line| line.contains("ERROR")),
            "{lines:?}"
        );
    }
}

#[test]
fn what_long_work_has_done_is_a_line_with_its_numbers() {
    let config = "[log]\nformat = \"json\"\n";
    let other = tempfile::tempdir().unwrap();
    let copy = other.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    let lines = log_of(config, &["--try"], |running| {
        let folder = running.folder.path();
        push(folder, running.receiver, &running.target);
        for arguments in [
            &["backup", copy][..],
            &["rebuild"],
            &["prune", "--dry-run", "--history", "7d"],
            &["import", copy],
        ] {
            let output = binary::run(folder, &[arguments, &["--try"]].concat());
            assert!(output.status.success(), "{}", binary::stderr(&output));
        }
    });
    let lines = objects(&lines);
    for (what, name, value) in [
        ("rebuild", "reread", json!(1)),
        ("rebuild", "dry_run", json!(false)),
        ("prune", "dry_run", json!(true)),
        ("prune", "jobs", json!(0)),
        ("import", "known", json!(1)),
    ] {
        let found = lines.iter().find(|line| line["what"] == what);
        let line = found.unwrap_or_else(|| panic!("{what} {lines:?}"));
        assert_eq!(line[name], value, "{line}");
        assert_eq!(line["level"], "INFO");
    }
    let prune = lines.iter().find(|line| line["what"] == "prune").unwrap();
    let before = prune["history_before"].as_str().unwrap();
    assert!(before.ends_with('Z'), "{before}");
}

#[test]
fn why_a_certificate_did_not_come_is_told_to_its_cause_in_either_form() {
    // Nobody listens at port 1, and nothing leaves this machine.
    let url = "http://127.0.0.1:1/certificate.pem";
    for format in ["text", "json"] {
        let config = format!(
            "[log]\nformat = \"{format}\"\n[verify]\ncertificate_urls = [\"http://127.0.0.1:1/\"]\n"
        );
        let lines = log_of(&config, &[], |running| {
            let (folder, receiver) = (running.folder.path(), running.receiver);
            let answer = send(folder, receiver, &running.target, OWNER, url);
            assert!(answer.status >= 500, "{}", answer.status);
        });
        let line = lines
            .iter()
            .find(|line| line.contains("cannot get a certificate"));
        let line = line.unwrap_or_else(|| panic!("{lines:?}"));
        assert!(line.to_lowercase().contains("refused"), "{line}");
    }
}
