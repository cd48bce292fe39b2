//! Floods of what is refused and of what is held, while good pushes come in.
//!
//! A short run belongs to every run of the tests; `FLOOD_PUSHES=100000` is the long one, which says how
//! long it took and what good pushes waited, and `FLOOD_HELD=80` fills the room for held ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::abuse::highest_memory_mib;
use crate::crashes::chosen;
use crate::faults::Faulty;
use crate::http::{self, Connection};

/// Enough for every run of the suite.
const PUSHES: usize = 2_000;

/// Held pushes of a megabyte, of which there is room for so many.
const HELD: usize = 10;
const HELD_MAX: usize = 66;

const FLOODERS: usize = 8;

/// What is kept of each source and reason: the first and the latest twenty.
const KEPT_MAX: usize = 40;

/// SMQ hangs up after 5 s.
const SENDER_WAITS: Duration = Duration::from_secs(5);

/// Tells that it is over when it is dropped, also by a test that fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Pushes new jobs one after the other until `is_over`, and returns how long each waited.
fn push_until(faulty: &Faulty, is_over: &AtomicBool) -> Vec<Duration> {
    let mut connection = Connection::to(faulty.server.receiver);
    let mut waited = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let push = faulty.signed(&format!("job-{}", waited.len()));
        let began = Instant::now();
        let answer = connection.send(&push);
        waited.push(began.elapsed());
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    waited
}

/// Sends `pushes` over some connections, in turn, `count` in all, beside good pushes.
fn flood(faulty: &Faulty, pushes: &[Vec<u8>], count: usize, statuses: &[u16]) -> Vec<Duration> {
    let is_over = AtomicBool::new(false);
    let began = Instant::now();
    let waited = thread::scope(|scope| {
        let good = scope.spawn(|| push_until(faulty, &is_over));
        let over = Over(&is_over);
        let flooders: Vec<_> = (0..FLOODERS)
            .map(|flooder| {
                scope.spawn(move || {
                    let mut connection = Connection::to(faulty.server.receiver);
                    for number in (flooder..count).step_by(FLOODERS) {
                        let answer = connection.send(&pushes[number % pushes.len()]);
                        assert!(statuses.contains(&answer.status), "{}", answer.text());
                    }
                })
            })
            .collect();
        for flooder in flooders {
            flooder.join().unwrap();
        }
        drop(over);
        good.join().unwrap()
    });
    let mut sorted = waited.clone();
    sorted.sort_unstable();
    println!(
        "{count} in {:.1} s; beside them {} good pushes, half of them within {:.1} ms, the longest {:.1} ms; {} MiB",
        began.elapsed().as_secs_f64(),
        sorted.len(),
        sorted[sorted.len() / 2].as_secs_f64() * 1_000.0,
        sorted[sorted.len() - 1].as_secs_f64() * 1_000.0,
        highest_memory_mib(faulty),
    );
    waited
}

fn assert_all_in_time(faulty: &Faulty, waited: &[Duration]) {
    assert!(waited.iter().all(|it| *it < SENDER_WAITS), "{waited:?}");
    assert_eq!(faulty.jobs().len(), waited.len());
    let memory = highest_memory_mib(faulty);
    assert!(memory < 160, "{memory} MiB");
}

#[test]
fn a_flood_of_refused_pushes_keeps_the_first_ones_and_no_good_one_waiting() {
    let count = chosen("FLOOD_PUSHES").unwrap_or(PUSHES);
    let faulty = Faulty::start();
    // The very first, which has to be there in the end.
    let changed = |id: &str| {
        let push = String::from_utf8(faulty.signed(id)).unwrap();
        let push = push.replacen("x-mns-version: ", "x-mns-version: changed ", 1);
        assert!(push.contains("changed"));
        push.into_bytes()
    };
    let first = changed("the first");
    assert_eq!(http::send(faulty.server.receiver, &first).status, 403);
    let refused = |reason: &str| -> Vec<Value> {
        let all = faulty.server.items("/refusals.json?limit=1000");
        all.into_iter()
            .filter(|it| it["reason"] == reason)
            .collect()
    };
    while refused("signature_wrong").is_empty() {
        thread::yield_now();
    }
    let oldest = refused("signature_wrong")[0]["id"].clone();

    // By the signature, and before it is looked at: the date, the host of the certificate.
    let other = |from: &str, to: &str| {
        let push = String::from_utf8(changed("another")).unwrap();
        let lines = push.split("\r\n").map(|line| {
            if line.starts_with(from) {
                format!("{from}: {to}")
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\r\n").into_bytes()
    };
    let pushes = [
        changed("another"),
        other("date", "yesterday"),
        other("x-mns-signing-cert-url", "aHR0cHM6Ly9leGFtcGxlLmNvbS8="),
    ];
    let waited = flood(&faulty, &pushes, count, &[403]);
    assert_all_in_time(&faulty, &waited);

    let counted = || -> u64 {
        let json = http::get(faulty.server.dashboard, "/refusals.json").json();
        let counts = json["counts"].as_array().unwrap();
        counts.iter().map(|it| it["count"].as_u64().unwrap()).sum()
    };
    // They are written beside, soon.
    while counted() < count as u64 + 1 {
        thread::yield_now();
    }
    assert_eq!(counted(), count as u64 + 1, "each is counted once");
    for reason in ["signature_wrong", "date_malformed"] {
        assert!((2..=KEPT_MAX).contains(&refused(reason).len()), "{reason}");
    }
    let firsts = refused("signature_wrong");
    assert!(
        firsts.iter().any(|it| it["id"] == oldest),
        "the first is there"
    );
}

#[test]
fn a_flood_of_held_pushes_stops_at_its_bound_and_keeps_no_good_one_out() {
    let faulty = Faulty::start();
    assert_eq!(faulty.push("pins the owner").status, 204);
    let count = chosen("FLOOD_HELD").unwrap_or(HELD);
    let pushes: Vec<Vec<u8>> = (0..count)
        .map(|number| faulty.signed_of("999", &format!("{number}"), 1_000_000))
        .collect();
    let is_over = AtomicBool::new(false);
    let (held, full) = thread::scope(|scope| {
        let good = scope.spawn(|| push_until(&faulty, &is_over));
        let over = Over(&is_over);
        let mut connection = Connection::to(faulty.server.receiver);
        let statuses: Vec<u16> = pushes
            .iter()
            .map(|push| {
                let answer = connection.send(push);
                assert!(
                    [403, 503].contains(&answer.status),
                    "{} {}",
                    answer.status,
                    answer.text()
                );
                answer.status
            })
            .collect();
        drop(over);
        assert!(!good.join().unwrap().is_empty());
        let count = |status| statuses.iter().filter(|it| **it == status).count();
        (count(403), count(503))
    });
    println!("{held} held, {full} found no room");
    assert_eq!(held + full, pushes.len());
    assert_eq!(held, count.min(HELD_MAX), "of {count}");
    let listed = faulty.server.all_items("/held.json").len();
    assert_eq!(listed, held, "each is there");
    assert_eq!(faulty.push("after").status, 204);
}
