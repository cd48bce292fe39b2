//! The real binary: what it prints, how it ends, what survives kill -9.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use serde_json::json;
use tempfile::TempDir;

use crate::app::{OWNER, TOPIC, data, job_message};
use crate::http::{self, Connection};

/// A running `mpsink serve --try`; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// What it printed until it listened.
    pub(crate) printed: Vec<String>,
    pub(crate) receiver: SocketAddr,
    pub(crate) dashboard: SocketAddr,
    pub(crate) target: String,
}

const FREE_PORTS: [&str; 4] = [
    "--receiver-listen",
    "127.0.0.1:0",
    "--dashboard-listen",
    "127.0.0.1:0",
];

/// Keeps a server that records real pushes from fetching the real certificate.
const NO_NETWORK: &str = "[verify]\ncertificate_urls = [\"http://127.0.0.1/\"]\n";

pub(crate) fn mpsink(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpsink"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    mpsink(folder).args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Server {
        Server::start_with(folder, &["--try"])
    }

    pub(crate) fn start_with(folder: &Path, arguments: &[&str]) -> Server {
        Server::start_at(folder, arguments, ["127.0.0.1:0", "127.0.0.1:0"])
    }

    fn start_at(folder: &Path, arguments: &[&str], listen: [&str; 2]) -> Server {
        let mut command = mpsink(folder);
        command
            .arg("serve")
            .args(arguments)
            .args([
                "--receiver-listen",
                listen[0],
                "--dashboard-listen",
                listen[1],
            ])
            .stderr(Stdio::inherit());
        Server::spawn(command)
    }

    /// Runs what runs a server, and waits until it listens.
    pub(crate) fn spawn(mut command: Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            printed.push(line.clone());
            if line.starts_with("listening:") {
                break;
            }
        }
        let value = |label: &str| {
            let line = printed.iter().find(|line| line.starts_with(label));
            let line = line.unwrap_or_else(|| panic!("no {label} in {printed:?}"));
            line[label.len()..].trim().to_owned()
        };
        let endpoint = value("endpoint to register:");
        let path_at = endpoint.match_indices('/').nth(2).unwrap().0;
        let dashboard = value("dashboard:");
        let dashboard = dashboard.trim_start_matches("http://").split('/').next();
        Server {
            receiver: value("listening:").parse().unwrap(),
            dashboard: dashboard.unwrap().parse().unwrap(),
            target: endpoint[path_at..].to_owned(),
            child,
            printed,
        }
    }

    /// Starts a server for real pushes.
    pub(crate) fn start_record(folder: &Path) -> Server {
        std::fs::write(folder.join("mpsink.toml"), NO_NETWORK).unwrap();
        Server::start_with(folder, &[])
    }

    /// Returns the endpoint with its secret path, as a person on this machine is told it.
    pub(crate) fn endpoint(folder: &Path) -> String {
        let output = run(folder, &["config", "endpoint"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&mut self) -> i32 {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(status.unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }

    pub(crate) fn items(&self, path: &str) -> Vec<serde_json::Value> {
        let list = http::get(self.dashboard, path).json();
        list["items"].as_array().unwrap().clone()
    }

    /// Follows a list to its end.
    pub(crate) fn all_items(&self, path: &str) -> Vec<serde_json::Value> {
        let mut items = Vec::new();
        let mut next = format!("{path}?limit=1000");
        loop {
            let page = http::get(self.dashboard, &next).json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(cursor) => next = format!("{path}?limit=1000&cursor={cursor}"),
                None => return items,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the bytes of `count` signed pushes, each with a message of its own, by message id.
fn signed_pushes(folder: &Path, target: &str, count: usize) -> Vec<(String, Vec<u8>)> {
    let key_path = folder.join("mpsink-try.key");
    let signer = Signer::from_test_key(&key_path, TEST_CERTIFICATE_URL).unwrap();
    let formats = [Format::Xml, Format::Json, Format::Simplified];
    let now = Clock::system().now();
    (0..count)
        .map(|number| {
            let content = PushContent {
                format: formats[number % 3],
                topic_owner: OWNER.to_owned(),
                topic: TOPIC.to_owned(),
                message_id: format!("{number:032X}"),
                tag: None,
                published_at: now,
                message: job_message(&format!("{number:032x}"), "Success"),
            };
            let push = build(&content, target, &signer, now).unwrap();
            (content.message_id, http::wire(&push))
        })
        .collect()
}

fn start_in_new_folder() -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    (folder, server)
}

#[test]
fn the_readme_s_first_minute_is_as_written() {
    let (folder, server) = start_in_new_folder();
    for format in ["xml", "json", "simplified"] {
        for _ in 0..2 {
            let output = run(folder.path(), &["push", "--format", format]);
            assert!(output.status.success(), "{format}: {}", stderr(&output));
            assert!(stdout(&output).starts_with("204 "), "{}", stdout(&output));
        }
    }
    let jobs = server.items("/jobs.json");
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["state"], json!("succeeded"));
    let deliveries = server.items("/deliveries.json");
    assert_eq!(deliveries.len(), 3);
    assert!(deliveries.iter().all(|it| it["duplicates"] == json!(1)));
}

#[test]
fn trying_and_recording_refuse_each_other_s_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    assert_eq!(server.terminate(), 0);
    let serve = |arguments: &[&str]| {
        let arguments = [&["serve"], arguments, &FREE_PORTS].concat();
        run(folder.path(), &arguments)
    };
    let output = serve(&["--database", "mpsink-try.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--try"), "{}", stderr(&output));

    let mut server = Server::start_record(folder.path());
    assert_eq!(server.terminate(), 0);
    let output = serve(&["--try", "--database", "mpsink.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--try"), "{}", stderr(&output));
}

#[test]
fn a_second_server_on_the_same_database_is_refused() {
    let (folder, server) = start_in_new_folder();
    let output = run(
        folder.path(),
        &[&["serve", "--try"], &FREE_PORTS[..]].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let pid = server.child.id().to_string();
    assert!(stderr(&output).contains(&pid), "{}", stderr(&output));
}

#[test]
fn one_address_serves_both_when_trying_and_the_sources_come_first() {
    let folder = tempfile::tempdir().unwrap();
    // The port has to be known before both listeners can be given it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let server = Server::start_at(folder.path(), &["--try"], [&listen, &listen]);
    assert_eq!(server.receiver, server.dashboard);
    let output = run(folder.path(), &["push"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(server.items("/jobs.json").len(), 1);
    assert_eq!(http::get(address, "/healthz").status, 200);
    assert_eq!(http::get(address, &server.target).status, 405);
    let stray = [
        ("x-mns-version", "2015-06-06"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    assert_eq!(
        http::request(address, "POST", "/held/1/drop", &stray).status,
        404
    );
}

#[test]
fn wrong_usage_is_2_and_help_is_printed_without_a_command() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        run(folder.path(), &["serve", "--no-such"]).status.code(),
        Some(2)
    );
    let output = run(folder.path(), &[]);
    assert!(stderr(&output).contains("serve") || stdout(&output).contains("serve"));
}

#[test]
fn a_wrong_configuration_names_the_key_and_the_nearest_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mpsink.toml"), "databse = \"x\"\n").unwrap();
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = stderr(&output);
    assert!(
        printed.contains("`databse`") && printed.contains("`database`"),
        "{printed}"
    );
}

#[test]
fn a_held_push_is_admitted_from_the_command_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[[source]]\nowners = [\"{OWNER}\"]\n");
    std::fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let server = Server::start(folder.path());
    let output = run(folder.path(), &["push", "--owner", "999"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let id = server.items("/held.json")[0]["id"].to_string();
    let admit = ["admit", "--database", "mpsink-try.db", &id];
    let output = run(folder.path(), &admit);
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(stdout(&output).contains("stored"), "{}", stdout(&output));
    assert_eq!(server.items("/jobs.json")[0]["owner"], json!("999"));
    let output = run(folder.path(), &admit);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn verify_believes_the_real_push_of_2015_and_no_changed_one() {
    let folder = tempfile::tempdir().unwrap();
    let capture = String::from_utf8(data("real-push-2015.http")).unwrap();
    std::fs::write(
        folder.path().join("smq.pem"),
        data("smq-known-certificate.pem"),
    )
    .unwrap();
    let verify = |capture: &str| {
        std::fs::write(folder.path().join("push.http"), capture).unwrap();
        let arguments = [
            "verify",
            "push.http",
            "--certificate",
            "smq.pem",
            "--any-date",
        ];
        run(folder.path(), &arguments)
    };
    let output = verify(&capture);
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    for changed in [
        capture.replace("POST /notifications", "POST /notification"),
        capture.replace("5600CA2B", "5600CA2C"),
        capture.replace("03:25:32", "03:25:33"),
        capture.replace("charset=utf-8", "charset=utf-9"),
        capture.replace("NjJhMzY0", "NjJhMzY1"),
    ] {
        assert_ne!(changed, capture);
        let output = verify(&changed);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{changed}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn sixty_four_connections_push_everything_twice_and_nothing_is_lost_or_doubled() {
    // Few enough for every run of the suite; LONG_RUN_MESSAGES=20000 for the long run.
    #[expect(
        clippy::disallowed_methods,
        reason = "the long run is chosen by whoever runs it"
    )]
    let count = std::env::var("LONG_RUN_MESSAGES");
    let count: usize = count.map_or(1_500, |text| text.parse().unwrap());
    let (folder, server) = start_in_new_folder();
    let pushes = signed_pushes(folder.path(), &server.target, count);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut connection = Connection::to(server.receiver);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 2 * count {
                        return;
                    }
                    let (id, push) = &pushes[number % count];
                    let response = connection.send(push);
                    assert_eq!(response.status, 204, "{id}: {}", response.text());
                }
            });
        }
    });
    let deliveries = server.all_items("/deliveries.json");
    assert_eq!(deliveries.len(), count);
    assert!(deliveries.iter().all(|it| it["duplicates"] == json!(1)));
    assert_eq!(server.all_items("/jobs.json").len(), count);
}

#[test]
fn after_kill_9_under_load_every_acknowledged_message_is_there_once() {
    let (folder, mut server) = start_in_new_folder();
    let pushes = signed_pushes(folder.path(), &server.target, 2_000);
    let acknowledged = Mutex::new(HashSet::new());
    let next = AtomicUsize::new(0);
    let receiver = server.receiver;
    let server_to_kill = Mutex::new(&mut server);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut connection = Connection::to(receiver);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((id, push)) = pushes.get(number) else {
                        return;
                    };
                    if number == 700 {
                        server_to_kill.lock().unwrap().kill();
                    }
                    connection.write(push);
                    // The server dies in the middle of this, and then nothing more is answered.
                    let Some(response) = connection.read() else {
                        return;
                    };
                    assert_eq!(response.status, 204);
                    acknowledged.lock().unwrap().insert(id.clone());
                }
            });
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 500, "{}", acknowledged.len());
    assert!(acknowledged.len() <= 700 + 16, "the others were under way");

    let server = Server::start(folder.path());
    let deliveries = server.all_items("/deliveries.json");
    let ids: Vec<&str> = deliveries
        .iter()
        .map(|it| it["message_id"].as_str().unwrap())
        .collect();
    let distinct: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "each is there once");
    for id in &acknowledged {
        assert!(
            distinct.contains(id.as_str()),
            "{id} was acknowledged and is not there"
        );
    }
    assert_eq!(server.all_items("/jobs.json").len(), ids.len());
}

#[test]
fn a_stop_answers_what_was_sent_and_leaves_a_whole_database() {
    let (folder, mut server) = start_in_new_folder();
    let pushes = signed_pushes(folder.path(), &server.target, 50);
    let mut connection = Connection::to(server.receiver);
    for (_, push) in &pushes {
        assert_eq!(connection.send(push).status, 204);
    }
    assert_eq!(server.terminate(), 0);
    let log: PathBuf = folder.path().join("mpsink-try.db-wal");
    let log_bytes = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    assert_eq!(log_bytes, 0, "the log was checkpointed");
    let server = Server::start(folder.path());
    assert_eq!(server.all_items("/deliveries.json").len(), 50);
}
