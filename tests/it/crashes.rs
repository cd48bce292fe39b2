//! `kill -9` at random moments under load, again and again on one database: whatever was acknowledged
//! is there once, folded, in a database that is whole.
//!
//! A short run belongs to every run of the tests; `tests/crash-loop` does 200. `CRASH_SEED` repeats
//! the messages and the moments of a run that is printed at its beginning; what the scheduler and the
//! disk do meanwhile is theirs.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rusqlite::{Connection as Database, OpenFlags};

use crate::app::{OWNER, TOPIC, data, job_message};
use crate::binary::{Server, run, stderr, stdout};
use crate::http::{self, Connection};

/// Enough for every run of the suite.
const CYCLES: usize = 4;

/// Crashes that one database has to stand; a new one then, so that looking at all of it stays cheap.
const CYCLES_A_DATABASE: usize = 10;

const CONNECTIONS: usize = 8;

/// More than are sent before the longest wait for the crash is over.
const PUSHES_A_CYCLE: usize = 1_200;

/// The latest moment of a crash, from the first acknowledgement on.
const CRASH_WITHIN_MS: u64 = 500;

/// A signed push, and what has to be there once it is acknowledged.
struct Push {
    message_id: String,
    told: Told,
    wire: Vec<u8>,
}

enum Told {
    Job(String),
    /// A run, and whether the message is the one that ends it.
    Run(String, bool),
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_however_often_the_server_is_killed() {
    let cycles: usize = chosen("CRASH_CYCLES").unwrap_or(CYCLES);
    let seed = chosen("CRASH_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("CRASH_SEED={seed} CRASH_CYCLES={cycles}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut totals = (0, 0);
    let mut left = cycles;
    while left > 0 {
        let crashes = left.min(CYCLES_A_DATABASE);
        let (acknowledged, stored) = crash_one_database(crashes, &mut random);
        totals = (totals.0 + acknowledged, totals.1 + stored);
        left -= crashes;
    }
    let (acknowledged, stored) = totals;
    println!(
        "{cycles} crashes: {acknowledged} pushes acknowledged, {stored} messages there, none lost, none twice"
    );
    assert!(acknowledged > cycles, "nothing was under way");
}

/// Returns how many pushes were acknowledged, and how many messages are there.
fn crash_one_database(crashes: usize, random: &mut ChaCha8Rng) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let mut acknowledged = Vec::new();
    // What was sent and not answered is sent again, as SMQ does.
    let mut unanswered = Vec::new();
    for crash in 0..crashes {
        let mut pushes = unanswered;
        pushes.extend(new_pushes(folder.path(), &server.target, crash, random));
        let moment = Duration::from_millis(random.next_u64() % CRASH_WITHIN_MS);
        let taken = push_until_killed(&mut server, &pushes, moment);
        let mut is_taken = vec![false; pushes.len()];
        for number in taken {
            is_taken[number] = true;
        }
        let (answered, rest) = split(pushes, &is_taken);
        acknowledged.extend(answered);
        unanswered = rest;

        server = Server::start(folder.path());
        check(folder.path(), &acknowledged, crash);
    }
    let stored = server.all_items("/deliveries.json").len();
    (acknowledged.len(), stored)
}

/// Sends until `moment` has passed since the first acknowledgement, kills the server, and returns the
/// numbers of the pushes that were acknowledged.
fn push_until_killed(server: &mut Server, pushes: &[Push], moment: Duration) -> Vec<usize> {
    let next = AtomicUsize::new(0);
    let receiver = server.receiver;
    let (tell, told) = channel();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let tell: Sender<usize> = tell.clone();
            let next = &next;
            scope.spawn(move || {
                let mut connection = Connection::to(receiver);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(push) = pushes.get(number) else {
                        return;
                    };
                    connection.write(&push.wire);
                    let Some(response) = connection.read() else {
                        return;
                    };
                    assert_eq!(response.status, 204, "{}", push.message_id);
                    tell.send(number).unwrap();
                }
            });
        }
        drop(tell);
        let mut taken = vec![told.recv().expect("one is acknowledged")];
        let killed_at = Instant::now() + moment;
        loop {
            let left = killed_at.saturating_duration_since(Instant::now());
            match told.recv_timeout(left) {
                Ok(number) => taken.push(number),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        server.kill();
        // What was answered before it died, and not heard of yet.
        taken.extend(told);
        taken
    })
}

fn split(pushes: Vec<Push>, is_taken: &[bool]) -> (Vec<Push>, Vec<Push>) {
    let mut parts = (Vec::new(), Vec::new());
    for (push, is_taken) in pushes.into_iter().zip(is_taken) {
        if *is_taken {
            parts.0.push(push);
        } else {
            parts.1.push(push);
        }
    }
    parts
}

/// Holds the database against what was acknowledged, beside the server that has opened it again.
fn check(folder: &Path, acknowledged: &[Push], crash: usize) {
    let database = folder.join("mpsink-try.db");
    let database = Database::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let integrity: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok", "after crash {crash}");

    let rows = pairs(&database, "SELECT message_id, '' FROM delivery");
    let deliveries: HashSet<&String> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!(deliveries.len(), rows.len(), "a message is there twice");
    let jobs = pairs(&database, "SELECT job, state FROM job");
    let jobs: BTreeMap<String, String> = jobs.into_iter().collect();
    let runs = pairs(&database, "SELECT run, outcome FROM run");
    let runs: BTreeMap<String, String> = runs.into_iter().collect();
    for push in acknowledged {
        let id = &push.message_id;
        assert!(
            deliveries.contains(id),
            "{id} was acknowledged and is not there after crash {crash}"
        );
        match &push.told {
            Told::Job(job) => assert_eq!(jobs[job], "succeeded", "{id}"),
            Told::Run(run, true) => assert_eq!(runs[run], "succeeded", "{id}"),
            Told::Run(run, false) => assert!(runs.contains_key(run), "{id}"),
        }
    }

    let output = run(folder, &["rebuild", "--try", "--dry-run"]);
    let printed = stdout(&output) + &stderr(&output);
    assert!(output.status.success(), "after crash {crash}: {printed}");
    assert!(printed.contains("nothing would change"), "{printed}");
}

fn pairs(database: &Database, query: &str) -> Vec<(String, String)> {
    let mut statement = database.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Returns signed pushes: seven single jobs, then the start and the report of a run, and so on; one in
/// fifty comes twice.
fn new_pushes(folder: &Path, target: &str, crash: usize, random: &mut ChaCha8Rng) -> Vec<Push> {
    let key = folder.join("mpsink-try.key");
    let signer = Signer::from_test_key(&key, TEST_CERTIFICATE_URL).unwrap();
    let now = Clock::system().now();
    let mut pushes = Vec::new();
    for number in 0..PUSHES_A_CYCLE {
        let (told, message) = message(crash, number);
        let message_id = format!("{crash:016X}{number:016X}");
        let content = PushContent {
            format: [Format::Xml, Format::Json, Format::Simplified][number % 3],
            topic_owner: OWNER.to_owned(),
            topic: TOPIC.to_owned(),
            message_id: message_id.clone(),
            tag: None,
            published_at: now,
            message,
        };
        let wire = http::wire(&build(&content, target, &signer, now).unwrap());
        let is_repeated = random.next_u64().is_multiple_of(50);
        if is_repeated {
            let (told, _) = self::message(crash, number);
            let (message_id, wire) = (message_id.clone(), wire.clone());
            pushes.push(Push {
                message_id,
                told,
                wire,
            });
        }
        pushes.push(Push {
            message_id,
            told,
            wire,
        });
    }
    pushes
}

fn message(crash: usize, number: usize) -> (Told, Vec<u8>) {
    let (file, ends) = match number % 9 {
        7 => ("workflow-start.json", false),
        8 => ("workflow-report-completed.json", true),
        _ => {
            let job = format!("{crash:016x}{number:016x}");
            let message = job_message(&job, "Success");
            return (Told::Job(job), message);
        }
    };
    // The start and the report that follow each other are about the same run, with jobs of its own.
    let prefix = format!("{crash:04x}{:04x}", number / 9);
    let run = format!("{prefix}222233334444555566667777");
    let text = String::from_utf8(data(file)).unwrap();
    let text = text
        .replace("11112222333344445555666677778888", &run)
        .replace("aaaa1111aaaa1111", &format!("{prefix}aaaa1111"))
        .replace("aaaa2222aaaa2222", &format!("{prefix}aaaa2222"))
        .replace("aaaa3333aaaa3333", &format!("{prefix}aaaa3333"));
    (Told::Run(run, ends), text.into_bytes())
}

/// Returns what whoever runs the test has chosen.
pub(crate) fn chosen<T: std::str::FromStr>(name: &str) -> Option<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the long run is chosen by whoever runs it"
    )]
    let text = std::env::var(name).ok()?;
    let value = text.parse().ok();
    assert!(value.is_some(), "{name}={text} is no number");
    value
}
