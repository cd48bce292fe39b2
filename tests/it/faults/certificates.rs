//! A host of certificates with every bad habit, in front of the real binary.

use std::thread;
use std::time::Instant;

use mpsink::push::Signer;

use crate::app::{certificate, key};
use crate::certificate_host::{CertificateHost, Habit};
use crate::faults::{Faulty, signed_by};
use crate::http::{self, Response};

/// SMQ hangs up after 5 s.
const SENDER_WAITS_S: u64 = 5;

/// Longer than failures and fetches are remembered.
const MINUTE_S: i64 = 61;

fn push(faulty: &Faulty, host: &CertificateHost, id: &str) -> Response {
    let signer = Signer {
        key: key(512),
        certificate_url: format!("{}certificate.pem", host.base()),
    };
    let push = signed_by(&signer, &faulty.server.target, id);
    let began = Instant::now();
    let answer = http::send(faulty.server.receiver, &push);
    assert!(began.elapsed().as_secs() < SENDER_WAITS_S, "{id}");
    answer
}

#[test]
fn no_habit_of_a_certificate_host_costs_a_push_or_keeps_its_sender_waiting() {
    let right = certificate(512);
    let elsewhere = CertificateHost::start(Habit::Serve(right.clone()));
    // What each does, and what its push is answered. Those whose fetches run into their time come
    // last: a fetch may end a moment after nobody waits for it any more, the clock is set on without
    // such a moment, and no more than four may run at once.
    let habits = [
        ("resets", Habit::Reset, 503),
        ("is broken", Habit::Status(500), 503),
        ("redirects", Habit::RedirectTo(elsewhere.base()), 503),
        ("serves garbage", Habit::Serve(vec![0xff; 2_000]), 403),
        ("serves without end", Habit::Flood(64 * 1024 * 1024), 403),
        ("hangs", Habit::Hang, 503),
        ("drips", Habit::Drip(right.clone()), 503),
    ];
    let hosts = habits.map(|(name, habit, status)| (name, CertificateHost::start(habit), status));
    let folder = tempfile::tempdir().unwrap();
    let bases = hosts.each_ref().map(|(_, host, _)| host.base());
    let config = format!("[verify]\ncertificate_urls = {bases:?}\n");
    std::fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let faulty = Faulty::start_with(folder, &[]);

    // Four at once, which is as many as are fetched in a minute.
    for (minute, hosts) in hosts.chunks(4).enumerate() {
        let minutes = i64::try_from(minute).unwrap();
        faulty.set("clock", MINUTE_S * minutes);
        thread::scope(|scope| {
            for (name, host, status) in hosts {
                let faulty = &faulty;
                scope.spawn(move || {
                    let answer = push(faulty, host, name);
                    assert_eq!(answer.status, *status, "{name}: {}", answer.text());
                });
            }
        });
    }
    assert!(faulty.jobs().is_empty());
    assert!(elsewhere.requests().is_empty(), "nobody is sent elsewhere");

    // Each of them behaves again, and the same push comes in by one of the next tries.
    let mut minutes = 3..12;
    for (name, host, _) in &hosts {
        host.set(Habit::Serve(right.clone()));
        while push(&faulty, host, name).status != 204 {
            let minute = minutes.next().expect(name);
            faulty.set("clock", MINUTE_S * minute);
        }
    }
    assert_eq!(faulty.jobs().len(), hosts.len());
}
