//! What a service manager hears of the real binary, over a socket of the test's own.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binary::{Server, mpsink};

/// Longer than anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often the manager wants to hear that the server lives.
const WATCHDOG: Duration = Duration::from_millis(400);

struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn start() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Manager { socket, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn serve(&self) -> Command {
        let mut command = mpsink(self.folder());
        command
            .args(["serve", "--try", "--receiver-listen", "127.0.0.1:0"])
            .args(["--dashboard-listen", "127.0.0.1:0"])
            .env("NOTIFY_SOCKET", self.folder().join("notify"))
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .stderr(Stdio::null());
        command
    }

    /// Returns the lines of the next message.
    fn hear(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the first message with `line` in it, and all that came before it.
    fn hear_until(&self, line: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let mut before = Vec::new();
        loop {
            let heard = self.hear();
            if heard.iter().any(|it| it == line) {
                return (heard, before);
            }
            before.push(heard);
        }
    }
}

#[test]
fn a_manager_hears_ready_with_the_ports_then_signs_of_life_then_the_stopping() {
    let manager = Manager::start();
    let began = Instant::now();
    let mut server = Server::spawn(manager.serve());
    let (ready, before) = manager.hear_until("READY=1");
    assert!(before.is_empty(), "{before:?}");
    let status = ready.iter().find(|line| line.starts_with("STATUS="));
    let status = status.unwrap();
    assert!(status.contains(&server.receiver.to_string()), "{status}");
    assert!(status.contains(&server.dashboard.to_string()), "{status}");
    assert!(status.contains("mpsink-try.db"), "{status}");

    for _ in 0..4 {
        assert_eq!(manager.hear(), ["WATCHDOG=1"]);
    }
    assert_eq!(server.terminate(), 0);
    let (stopping, before) = manager.hear_until("STOPPING=1");
    // The first at once, then one in each third of the time, and not as fast as it can.
    let thirds = began.elapsed().as_millis() / (WATCHDOG / 3).as_millis();
    let signs = 4 + before.len();
    assert!(signs as u128 <= thirds + 2, "{signs} in {thirds} thirds");
    assert!(
        stopping
            .iter()
            .any(|line| line.starts_with("STATUS=stopping"))
    );
}

#[test]
fn a_server_whose_file_is_gone_gives_no_more_signs_of_life_and_ends() {
    let manager = Manager::start();
    let mut server = Server::spawn(manager.serve());
    manager.hear_until("WATCHDOG=1");
    std::fs::remove_file(manager.folder().join("mpsink-try.db")).unwrap();
    // Nobody pushes: the asking alone finds it out.
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
}

#[test]
fn nobody_is_told_that_a_server_is_ready_which_cannot_start() {
    let manager = Manager::start();
    std::fs::write(manager.folder().join("mpsink-try.db"), "no database").unwrap();
    let status = manager.serve().stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 64]).is_err());
}
