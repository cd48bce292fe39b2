//! What a process may have open is used up.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use crate::faults::Faulty;
use crate::http::Connection;

/// Connections that are opened beyond what is allowed.
const TOO_MANY: usize = 40;

/// Lets the server open nothing more, or as much as before.
pub(crate) fn limit(faulty: &Faulty, files: &str) {
    let pid = faulty.server.child.id().to_string();
    let mut command = Command::new("prlimit");
    let status = command.args(["--pid", &pid, &format!("--nofile={files}:")]);
    assert!(status.status().expect("prlimit").success());
}

pub(crate) fn open_files(faulty: &Faulty) -> usize {
    let folder = format!("/proc/{}/fd", faulty.server.child.id());
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_server_that_may_open_nothing_more_answers_those_it_has_and_recovers_by_itself() {
    let mut faulty = Faulty::start();
    let mut known = Connection::to(faulty.server.receiver);
    assert_eq!(known.send(&faulty.signed("before")).status, 204);
    let before = open_files(&faulty);
    limit(&faulty, &before.to_string());

    // The kernel takes them, the server cannot.
    let waiting: Vec<TcpStream> = (0..TOO_MANY)
        .map(|_| TcpStream::connect(faulty.server.receiver).unwrap())
        .collect();
    for number in 0..20 {
        let push = faulty.signed(&format!("during-{number:02}"));
        assert_eq!(known.send(&push).status, 204);
    }
    // Those with numbers below the highest one that was open may have been free.
    assert!(open_files(&faulty) < before + TOO_MANY / 2);
    drop(waiting);
    limit(&faulty, "1024");
    assert_eq!(faulty.push("after").status, 204);
    assert_eq!(faulty.jobs().len(), 22);
    faulty.server.kill();
    faulty.start_again();
    assert_eq!(faulty.jobs().len(), 22);
}

#[test]
fn a_server_that_may_open_too_little_to_start_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let line = "ulimit -n 12; exec \"$0\" serve --try --receiver-listen 127.0.0.1:0 --dashboard-listen 127.0.0.1:0";
    let output = Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_mpsink")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
