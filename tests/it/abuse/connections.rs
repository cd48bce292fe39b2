//! Connections that are slow, idle, too many or too full: they cost bounded memory, nobody else's
//! answer, and are cut off.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::abuse::highest_memory_mib;
use crate::faults::Faulty;
use crate::http::{self, Connection};

/// Many more than the receiver serves at once, and than the kernel keeps for it.
const IDLE: usize = 10_000;

/// Longer than a head and a body may take, and than nothing may be answered.
const LATER_S: i64 = 11;

/// A server on this machine has taken a connection by then, or its queue is full.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What a server may take at most with all of it; it takes some 30 MiB without.
const MEMORY_MAX_MIB: u64 = 160;

/// Longer than anything may take: a test that hangs fails instead.
const DEADLINE: Duration = Duration::from_secs(30);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Makes every worker look at its clock.
fn wake(known: &mut [Connection]) {
    for connection in known {
        connection.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        // Its own time may be over as well.
        let _ = connection.read();
    }
}

/// Reads what is answered until the connection is closed.
fn rest(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn slow_heads_are_cut_off_and_pushes_go_on_meanwhile() {
    let faulty = Faulty::start();
    let receiver = faulty.server.receiver;
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(receiver)).collect();
    for stream in &mut slow {
        let head = format!("POST {} HTTP/1.1\r\nHos", faulty.server.target);
        stream.write_all(head.as_bytes()).unwrap();
    }
    for number in 0..10 {
        assert_eq!(faulty.push(&format!("job-{number}")).status, 204);
    }
    // One more byte now and then makes it no faster.
    for stream in &mut slow {
        stream.write_all(b"t").unwrap();
    }
    faulty.set("timer", LATER_S);
    let mut known: Vec<Connection> = (0..8).map(|_| Connection::to(receiver)).collect();
    wake(&mut known);
    for stream in &slow {
        let answer = rest(stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
    assert_eq!(faulty.jobs().len(), 10);
}

#[test]
fn more_idle_connections_than_are_served_keep_no_known_sender_waiting_and_are_cut_off() {
    let faulty = Faulty::start();
    let receiver = faulty.server.receiver;
    let mut known: Vec<Connection> = (0..8).map(|_| Connection::to(receiver)).collect();
    wake(&mut known);
    let idle: Vec<TcpStream> = (0..IDLE)
        .map_while(|_| TcpStream::connect_timeout(&receiver, CONNECT_WITHIN).ok())
        .collect();
    assert!(idle.len() > 100, "{} of {IDLE} are connected", idle.len());
    for number in 0..10 {
        let push = faulty.signed(&format!("job-{number}"));
        assert_eq!(known[number % 8].send(&push).status, 204);
    }
    let open = format!("/proc/{}/fd", faulty.server.child.id());
    let open = std::fs::read_dir(open).unwrap().count();
    assert!(open < 600, "{open} files are open");
    assert!(http::get(faulty.server.dashboard, "/jobs").status == 200);

    faulty.set("timer", LATER_S);
    wake(&mut known);
    for mut stream in idle.iter().take(20) {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    drop(idle);
    assert_eq!(faulty.push("afterwards").status, 204);
    assert_eq!(faulty.jobs().len(), 11);
    assert!(highest_memory_mib(&faulty) < MEMORY_MAX_MIB);
}

#[test]
fn pipelined_pushes_are_each_answered_in_their_order_and_stored_once() {
    let faulty = Faulty::start();
    let mut all = Vec::new();
    for number in 0..100 {
        all.extend(faulty.signed(&format!("job-{number:03}")));
        if number % 10 == 0 {
            // One that is for nobody, so that the order shows.
            all.extend(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    }
    let mut writer = Connection::to(faulty.server.receiver);
    writer.write(&all);
    for number in 0..100 {
        assert_eq!(writer.read().unwrap().status, 204, "{number}");
        if number % 10 == 0 {
            assert_eq!(writer.read().unwrap().status, 404, "{number}");
        }
    }
    assert_eq!(faulty.jobs().len(), 100);
}

#[test]
fn heads_of_any_size_and_shape_are_refused_and_take_bounded_memory() {
    let faulty = Faulty::start();
    let target = &faulty.server.target;
    let start = format!("POST {target} HTTP/1.1\r\nHost: x\r\n");
    let many = |count: usize| {
        let headers = (0..count).map(|it| ["x-mns-", &it.to_string(), ": 1\r\n"].concat());
        let headers: String = headers.collect();
        format!("{start}{headers}\r\n")
    };
    let bombs = [
        many(97),
        many(5_000),
        format!("{start}x-mns-long: {}\r\n\r\n", "x".repeat(200_000)),
        format!("{start}{}: 1\r\n\r\n", "x".repeat(200_000)),
        format!("POST /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000)),
        format!("POST {target} HTTP/1.1\r\n{}", "\r\n x".repeat(50_000)),
        "x".repeat(1_000_000),
        "\0".repeat(200_000),
        "\r\n".repeat(100_000),
    ];
    let mut open = Vec::new();
    for (number, bomb) in bombs.iter().enumerate() {
        for _ in 0..10 {
            let mut stream = connect(faulty.server.receiver);
            let _ = stream.write_all(bomb.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            open.push((number, stream));
        }
    }
    for (number, stream) in open {
        let answer = rest(&stream);
        let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(
            ["none", "400", "403", "404", "408", "411", "414", "431"].contains(&status.as_str()),
            "{number}: {answer}"
        );
    }
    assert_eq!(faulty.push("good").status, 204);
    assert_eq!(faulty.jobs(), ["good"]);
    let memory = highest_memory_mib(&faulty);
    assert!(memory < MEMORY_MAX_MIB, "{memory} MiB");
}

#[test]
fn whoever_keeps_a_connection_without_being_answered_on_it_is_hung_up_on() {
    let faulty = Faulty::start();
    let receiver = faulty.server.receiver;
    let request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    // The head of a second request begins to come.
    let mut second_head = connect(receiver);
    second_head.write_all(request).unwrap();
    let mut status_line = [0; 20];
    second_head.read_exact(&mut status_line).unwrap();
    second_head.write_all(&request[..10]).unwrap();
    // A body goes on behind its answer.
    let mut body = connect(receiver);
    let head = "POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc";
    body.write_all(head.as_bytes()).unwrap();
    body.read_exact(&mut status_line).unwrap();
    // Answers are not taken, until there is no room for any.
    let mut unread = connect(receiver);
    unread.set_nonblocking(true).unwrap();
    while unread.write(&request.repeat(1_000)).is_ok() {}
    // As many as there may be of each kind would have shut everybody out.
    let known = faulty.signed("known");
    assert_eq!(http::send(receiver, &known).status, 204);

    faulty.set("timer", LATER_S);
    let mut others: Vec<Connection> = (0..8).map(|_| Connection::to(receiver)).collect();
    wake(&mut others);
    unread.set_nonblocking(false).unwrap();
    for stream in [&second_head, &body, &unread] {
        let mut stream = stream;
        let began = Instant::now();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(began.elapsed() < DEADLINE, "it is still open");
    }
    assert_eq!(faulty.push("after").status, 204);
}

/// Sends a chunked push whose body is `piece` again and again until it is answered, and returns that.
fn endless(faulty: &Faulty, first: &str, piece: &[u8]) -> String {
    let push = String::from_utf8(faulty.signed("endless")).unwrap();
    let (head, _) = push.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().filter(|line| {
        let line = line.to_lowercase();
        !line.starts_with("content-length")
    });
    let head: Vec<&str> = lines.collect();
    let head = head.join("\r\n");
    let mut stream = connect(faulty.server.receiver);
    let begin = format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{first}");
    stream.write_all(begin.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    // More than the kernel takes for a server that does not read.
    for _ in 0..4_000 {
        match stream.write(piece) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => return rest(&stream),
        }
    }
    // First it is answered, then hung up on; a worker may miss the first time.
    for times in 1..=3 {
        faulty.set("timer", times * LATER_S);
        let mut others: Vec<Connection> = (0..8)
            .map(|_| Connection::to(faulty.server.receiver))
            .collect();
        wake(&mut others);
    }
    stream.set_nonblocking(false).unwrap();
    rest(&stream)
}

#[test]
fn chunks_without_end_are_cut_off_within_bounded_memory() {
    let long = vec![b'x'; 64 * 1024];
    let cases: [(&str, Vec<u8>); 4] = [
        ("", b"1\r\nx\r\n".repeat(1_000)),
        ("ffffffff\r\n", long.clone()),
        ("1;extension=", long.clone()),
        ("0000000000000000000000000000000000", vec![b'0'; 64 * 1024]),
    ];
    for (first, piece) in cases {
        let faulty = Faulty::start();
        let answer = endless(&faulty, first, &piece);
        let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(
            ["none", "400", "408", "413"].contains(&status.as_str()),
            "{first:?}: {answer}"
        );
        assert!(faulty.jobs().is_empty());
        assert_eq!(faulty.push("good").status, 204);
        let memory = highest_memory_mib(&faulty);
        assert!(memory < MEMORY_MAX_MIB, "{first:?}: {memory} MiB");
    }
}
