//! Socket activation, on the real binary: ports that stay open while servers come and go.
//!
//! The test plays the service manager. A shell puts the sockets where the protocol wants them, since
//! the number of a descriptor and the process's own id can be set there without unsafe code.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::app::{OWNER, TOPIC, job_message};
use crate::binary::{Server, mpsink, stderr, stdout};
use crate::http::{self, Connection};

/// What SMQ waits for an answer, a restart included.
const SMQ_WAITS: Duration = Duration::from_secs(5);

/// Moves what stands at standard input, and at standard error if there are two, to 3 and 4.
const HAND_OVER_ONE: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$; exec \"$@\"";
const HAND_OVER_TWO: &str = "exec 3<&0 4<&2 </dev/null 2>&1; export LISTEN_PID=$$; exec \"$@\"";

/// Returns the command that runs `mpsink serve --try` in `folder` with up to two sockets.
fn serve_on(folder: &Path, sockets: &[(&str, OwnedFd)]) -> Command {
    let server = mpsink(folder);
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let mut command = Command::new("sh");
    command
        .current_dir(folder)
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        .args([
            "-c",
            if sockets.len() == 2 {
                HAND_OVER_TWO
            } else {
                HAND_OVER_ONE
            },
        ])
        .arg("sh")
        .arg(server.get_program())
        .args(["serve", "--try"])
        // Not used for what is handed over, and a port that nobody may open else.
        .args(["--receiver-listen", "127.0.0.1:1"]);
    if sockets.len() == 2 {
        command.args(["--dashboard-listen", "127.0.0.1:1"]);
    } else {
        command.args(["--dashboard-listen", "127.0.0.1:0"]);
    }
    let mut copies = sockets
        .iter()
        .map(|(_, socket)| socket.try_clone().unwrap());
    command.stdin(copies.next().unwrap());
    if let Some(second) = copies.next() {
        command.stderr(second);
    }
    command
}

fn open() -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener.into(), address)
}

/// Returns what a server says that does not start.
fn refused(sockets: &[(&str, OwnedFd)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve_on(folder.path(), sockets);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // Of two sockets one stood where errors go, which are said beside the rest then.
    stdout(&output) + &stderr(&output)
}

#[test]
fn each_socket_is_used_for_what_it_is_called_and_the_configured_address_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ((receiver, receiver_at), (dashboard, dashboard_at)) = (open(), open());
    let server = Server::spawn(serve_on(
        folder.path(),
        &[("dashboard", dashboard), ("receiver", receiver)],
    ));
    assert_eq!(server.receiver, receiver_at);
    assert_eq!(server.dashboard, dashboard_at);
    assert_eq!(http::get(receiver_at, &server.target).status, 405);
    assert!(server.items("/jobs.json").is_empty());
    let printed = server.printed.join("\n");
    for name in ["receiver", "dashboard"] {
        let sentence = format!("the {name}'s was handed over, so {name}.listen is not used");
        assert!(printed.contains(&sentence), "{printed}");
    }
}

#[test]
fn one_socket_may_come_alone_and_the_other_port_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (receiver, receiver_at) = open();
    let server = Server::spawn(serve_on(folder.path(), &[("receiver", receiver)]));
    assert_eq!(server.receiver, receiver_at);
    assert!(server.items("/jobs.json").is_empty());
    let printed = server.printed.join("\n");
    assert!(
        !printed.contains("dashboard.listen is not used"),
        "{printed}"
    );
}

#[test]
fn what_is_handed_to_another_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = mpsink(folder.path());
    command
        .args(["serve", "--try", "--receiver-listen", "127.0.0.1:0"])
        .args(["--dashboard-listen", "127.0.0.1:0"])
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "receiver")
        .env("LISTEN_PID", "1");
    let server = Server::spawn(command);
    assert_eq!(http::get(server.receiver, &server.target).status, 405);
}

#[test]
fn a_socket_that_cannot_be_the_one_is_refused_with_what_would_be_right() {
    let told = refused(&[("receiver", UdpSocket::bind("127.0.0.1:0").unwrap().into())]);
    assert!(told.contains("`receiver`; hand over one of TCP"), "{told}");

    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent
        .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    let told = refused(&[("receiver", silent.into())]);
    assert!(told.contains("`receiver` does not listen"), "{told}");

    let told = refused(&[("mpsink.socket", open().0)]);
    assert!(
        told.contains("`mpsink.socket`; call it `receiver`"),
        "{told}"
    );

    let told = refused(&[("receiver", open().0), ("receiver", open().0)]);
    assert!(told.contains("two sockets are called `receiver`"), "{told}");

    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let told = refused(&[("receiver", everywhere.into())]);
    assert!(told.contains("`receiver.listen` is"), "{told}");
    assert!(told.contains("must be a loopback address"), "{told}");
}

/// What several clients have sent and heard.
struct Clients<'a> {
    address: SocketAddr,
    target: &'a str,
    signer: Signer,
    next: AtomicUsize,
    acknowledged: Mutex<HashSet<String>>,
    failed: Mutex<Vec<String>>,
    slowest: Mutex<Duration>,
    is_enough: AtomicBool,
}

impl Clients<'_> {
    /// Pushes one message after the other, on one connection for as long as the server keeps it, or
    /// on a new one each time. Nothing is tried twice.
    fn push(&self, keeps_alive: bool, told: &mpsc::Sender<()>) {
        let mut kept = None;
        while !self.is_enough.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let id = format!("{number:032X}");
            let push = self.signed(number, &id);
            let began = Instant::now();
            let mut connection = kept.take().unwrap_or_else(|| Connection::to(self.address));
            connection.write(&push);
            let Some(response) = connection.read() else {
                self.failed.lock().unwrap().push(format!("{id}: no answer"));
                continue;
            };
            if response.status != 204 {
                let status = response.status;
                self.failed.lock().unwrap().push(format!("{id}: {status}"));
                continue;
            }
            let mut slowest = self.slowest.lock().unwrap();
            *slowest = slowest.max(began.elapsed());
            drop(slowest);
            self.acknowledged.lock().unwrap().insert(id);
            if keeps_alive && response.header("connection") != Some("close") {
                kept = Some(connection);
            }
            let _ = told.send(());
        }
    }

    fn signed(&self, number: usize, id: &str) -> Vec<u8> {
        let now = Clock::system().now();
        let content = PushContent {
            format: [Format::Xml, Format::Json, Format::Simplified][number % 3],
            topic_owner: OWNER.to_owned(),
            topic: TOPIC.to_owned(),
            message_id: id.to_owned(),
            tag: None,
            published_at: now,
            message: job_message(&id.to_lowercase(), "Success"),
        };
        http::wire(&build(&content, self.target, &self.signer, now).unwrap())
    }
}

/// Returns when `count` more pushes have been answered.
fn wait_for(told: &mpsc::Receiver<()>, count: usize) {
    // What was told before is of before.
    while told.try_recv().is_ok() {}
    for _ in 0..count {
        told.recv_timeout(Duration::from_secs(30)).unwrap();
    }
}

#[test]
fn two_restarts_under_load_cost_no_push() {
    restart_under_load(|receiver| receiver);
}

/// Restarts a server twice while it is pushed to, and shows that no push failed and each is there
/// once. `front` says where to push to reach the receiver.
pub(crate) fn restart_under_load(front: impl FnOnce(SocketAddr) -> SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let (socket, receiver) = open();
    let address = front(receiver);
    let sockets = [("receiver", socket)];
    let start = || Server::spawn(serve_on(folder.path(), &sockets));
    let mut server = start();
    let key_path = folder.path().join("mpsink-try.key");
    let target = server.target.clone();
    let clients = Clients {
        address,
        target: &target,
        signer: Signer::from_test_key(&key_path, TEST_CERTIFICATE_URL).unwrap(),
        next: AtomicUsize::new(0),
        acknowledged: Mutex::default(),
        failed: Mutex::default(),
        slowest: Mutex::default(),
        is_enough: AtomicBool::new(false),
    };
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..8 {
            let (clients, tell) = (&clients, tell.clone());
            scope.spawn(move || clients.push(number % 2 == 0, &tell));
        }
        // One that has said nothing must not keep the others waiting for long.
        let _silent = Connection::to(receiver);
        for _ in 0..2 {
            wait_for(&told, 200);
            let began = Instant::now();
            assert_eq!(server.terminate(), 0);
            assert!(began.elapsed() < SMQ_WAITS, "{:?}", began.elapsed());
            server = start();
            assert_eq!(server.target, target);
        }
        wait_for(&told, 200);
        clients.is_enough.store(true, Ordering::Relaxed);
    });

    assert_eq!(*clients.failed.lock().unwrap(), Vec::<String>::new());
    let slowest = *clients.slowest.lock().unwrap();
    assert!(slowest < SMQ_WAITS, "{slowest:?}");
    let acknowledged = clients.acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= 600);
    let deliveries = server.all_items("/deliveries.json");
    assert!(deliveries.iter().all(|it| it["duplicates"] == json!(0)));
    let there: HashSet<String> = deliveries
        .iter()
        .map(|it| it["message_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(there.len(), deliveries.len());
    assert_eq!(there, acknowledged);
}
