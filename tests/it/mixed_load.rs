//! Everything at once for as long as is wanted: pushes, floods, pages, downloads and people, on a machine
//! that fails now and then. In the end every acknowledged message is there once, and the process has
//! grown neither in memory nor in what it has open.
//!
//! A short run belongs to every run of the tests; `tests/mixed-load` does twenty minutes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection as Database;

use crate::binary::{run, stderr, stdout};
use crate::crashes::chosen;
use crate::faults::Faulty;
use crate::faults::descriptors::{limit, open_files};
use crate::http::{self, Connection};

/// Enough for every run of the suite: each fault comes once.
const SECONDS: u64 = 4;

/// What each sender pauses between two pushes: six of them make some hundred a second.
const PAUSE: Duration = Duration::from_millis(50);

const SENDERS: usize = 6;

/// The faults of `inject.c` that come and go, and how the clocks are wrong.
const FAULTS: [&str; 5] = ["full", "write", "sync", "read", "readonly"];
const CLOCKS_S: [i64; 2] = [3_600, -3_600];

/// Memory may move by what caches and allocators do, and not by what is leaked a push.
const GROWTH_MAX_KIB: u64 = 24 * 1024;

/// The end of it all, which every part waits for between two steps.
#[derive(Default)]
struct End {
    is_over: Mutex<bool>,
    told: Condvar,
}

impl End {
    /// Lets time pass; `false` once it is over.
    fn pass(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap();
        let (is_over, _) = self
            .told
            .wait_timeout_while(is_over, time, |is_over| !*is_over)
            .unwrap();
        !*is_over
    }

    fn tell(&self) {
        *self.is_over.lock().unwrap() = true;
        self.told.notify_all();
    }
}

/// Tells the end when it is dropped, also by a test that fails.
struct Told<'a>(&'a End);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// What is counted on the way.
#[derive(Default)]
struct Counts {
    next: AtomicUsize,
    not_taken: AtomicUsize,
    refused: AtomicUsize,
    pages: AtomicUsize,
    faults: AtomicUsize,
}

/// Sends bytes on a connection of its own, and returns the status if there was an answer.
fn try_send(faulty: &Faulty, bytes: &[u8]) -> Option<u16> {
    let mut connection = Connection::to(faulty.server.receiver);
    connection.write(bytes);
    connection.read().map(|answer| answer.status)
}

/// Pushes jobs until the end, each again until it is taken as SMQ does, and returns those that were
/// acknowledged.
fn send(faulty: &Faulty, counts: &Counts, end: &End) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while end.pass(PAUSE) {
        let id = format!("job-{}", counts.next.fetch_add(1, Ordering::Relaxed));
        loop {
            // Signed anew, as each try of SMQ is.
            if try_send(faulty, &faulty.signed(&id)) == Some(204) {
                acknowledged.push(id);
                break;
            }
            counts.not_taken.fetch_add(1, Ordering::Relaxed);
            if !end.pass(PAUSE) {
                break;
            }
        }
    }
    acknowledged
}

/// Pushes what is refused, held and astray.
fn abuse(faulty: &Faulty, counts: &Counts, end: &End) {
    let push = String::from_utf8(faulty.signed("nobody's")).unwrap();
    let refused = push.replacen("x-mns-version: ", "x-mns-version: changed ", 1);
    let astray = push.replacen("/notifications/", "/elsewhere/", 1);
    let slow = &push[..push.len() / 2];
    let mut number = 0;
    while end.pass(PAUSE / 5) {
        number += 1;
        let held = faulty.signed_of("999", &format!("{}", number % 50), 1_000);
        for bytes in [refused.as_bytes(), astray.as_bytes(), &held] {
            try_send(faulty, bytes);
            counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        if number % 50 == 0 {
            // It is left as it is.
            Connection::to(faulty.server.receiver).write(slow.as_bytes());
        }
    }
}

/// Reads pages and whole lists, and listens.
fn look(faulty: &Faulty, counts: &Counts, end: &End) {
    let paths = [
        "/",
        "/jobs",
        "/jobs.json?limit=100",
        "/jobs.csv",
        "/events.ndjson",
        "/held",
        "/completeness",
        "/metrics",
        "/readyz",
        "/live",
    ];
    let mut paths = paths.iter().cycle();
    while end.pass(PAUSE) {
        let mut connection = Connection::to(faulty.server.dashboard);
        let path = paths.next().unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write(request.as_bytes());
        if *path == "/live" {
            connection.read_head();
        } else {
            connection.read_on(&mut Vec::new());
        }
        counts.pages.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets the machine fail in every way, one after the other, with times of peace between them.
fn fail(faulty: &Faulty, counts: &Counts, end: &End, each: Duration) {
    loop {
        for fault in FAULTS {
            faulty.begin(fault);
            end.pass(each);
            faulty.end(fault);
            counts.faults.fetch_add(1, Ordering::Relaxed);
            if !end.pass(each) {
                return;
            }
        }
        for seconds in CLOCKS_S {
            faulty.set("clock", seconds);
            end.pass(each);
            faulty.end("clock");
            counts.faults.fetch_add(1, Ordering::Relaxed);
        }
        for sql in ["BEGIN IMMEDIATE", "BEGIN; SELECT COUNT(*) FROM delivery"] {
            let other = Database::open(faulty.database()).unwrap();
            let _ = other.execute_batch(sql);
            end.pass(each);
            counts.faults.fetch_add(1, Ordering::Relaxed);
        }
        limit(faulty, &open_files(faulty).to_string());
        end.pass(each);
        limit(faulty, "1024");
        counts.faults.fetch_add(1, Ordering::Relaxed);
        if !end.pass(each) {
            return;
        }
    }
}

fn memory_kib(faulty: &Faulty) -> u64 {
    let path = format!("/proc/{}/status", faulty.server.child.id());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

/// Says how it goes, piece by piece, and returns the memory at the end of each.
fn watch(faulty: &Faulty, counts: &Counts, end: &End, pieces: u32, piece: Duration) -> Vec<u64> {
    let mut memory = Vec::new();
    println!("   s  memory KiB  files     jobs  not taken  refused  pages  faults");
    let began = Instant::now();
    for _ in 0..pieces {
        end.pass(piece);
        memory.push(memory_kib(faulty));
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        println!(
            "{:4}  {:10}  {:5}  {:7}  {:9}  {:7}  {:5}  {:6}",
            began.elapsed().as_secs(),
            memory_kib(faulty),
            open_files(faulty),
            count(&counts.next),
            count(&counts.not_taken),
            count(&counts.refused),
            count(&counts.pages),
            count(&counts.faults),
        );
    }
    memory
}

/// Holds what is there against what was acknowledged, beside the server.
fn check(faulty: &Faulty, acknowledged: &[String]) {
    let database = Database::open(faulty.database()).unwrap();
    let integrity: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut there: HashMap<String, usize> = HashMap::new();
    for delivery in faulty.server.all_items("/deliveries.json") {
        let id = delivery["message_id"].as_str().unwrap().to_owned();
        *there.entry(id).or_default() += 1;
    }
    let jobs: HashSet<String> = faulty.jobs().into_iter().collect();
    for id in acknowledged {
        let found = there.get(&format!("message of {id}"));
        assert_eq!(found, Some(&1), "{id} was acknowledged");
        assert!(jobs.contains(id), "{id} is no job");
    }
    let output = run(faulty.folder.path(), &["rebuild", "--try", "--dry-run"]);
    let printed = stdout(&output) + &stderr(&output);
    assert!(printed.contains("nothing would change"), "{printed}");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_grows_under_mixed_load_with_faults() {
    let seconds = chosen("MIXED_LOAD_SECONDS").unwrap_or(SECONDS);
    let (pieces, piece) = match u32::try_from(seconds / 60).unwrap() {
        0 => (4, Duration::from_secs(seconds) / 4),
        minutes => (minutes, Duration::from_secs(60)),
    };
    // In a short run each fault comes once, in a long one it stays for longer.
    let each = Duration::from_millis(if seconds < 60 { 100 } else { 1_000 });
    let faulty = Faulty::start();
    assert_eq!(faulty.push("pins the owner").status, 204);
    let files_before = open_files(&faulty);
    let (counts, end) = (Counts::default(), End::default());
    let (acknowledged, memory) = thread::scope(|scope| {
        let (faulty, counts, end) = (&faulty, &counts, &end);
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| scope.spawn(move || send(faulty, counts, end)))
            .collect();
        scope.spawn(move || abuse(faulty, counts, end));
        scope.spawn(move || look(faulty, counts, end));
        scope.spawn(move || fail(faulty, counts, end, each));
        let told = Told(end);
        let memory = watch(faulty, counts, end, pieces, piece);
        drop(told);
        let sent = senders.into_iter().flat_map(|it| it.join().unwrap());
        (sent.collect::<Vec<_>>(), memory)
    });

    // All is well again by itself.
    let began = Instant::now();
    while !faulty.ready().0 || faulty.push("at the end").status != 204 {
        assert!(began.elapsed().as_secs() < 30, "{}", faulty.ready().1);
        thread::yield_now();
    }
    check(&faulty, &acknowledged);
    while open_files(&faulty) > files_before + 4 {
        assert!(began.elapsed().as_secs() < 60, "{}", open_files(&faulty));
        thread::yield_now();
    }
    println!(
        "{} acknowledged, all there once; files {files_before} before and {} after",
        acknowledged.len(),
        open_files(&faulty)
    );
    assert!(!acknowledged.is_empty());
    assert!(http::get(faulty.server.dashboard, "/").status == 200);
    // The first quarter fills caches.
    let (early, late) = (memory[memory.len() / 4], *memory.last().unwrap());
    assert!(late < early + GROWTH_MAX_KIB, "{memory:?}");
}
