//! Everything that may be seen of a server, in every verdict; what strangers write is hostile.

use std::time::Duration;

use crate::doctor::{Finding, Reach, Seen, SourceFacts, UrlKind, Verdict};
use crate::notification::source::RetryPolicy;
use crate::store::file_system::Nature;
use crate::store::integrity::Integrity;
use crate::store::lifetimes::Ending;
use crate::web::pages::samples::{AT, NASTY};

/// Returns each thing that may be seen, once for each way in which it is said.
pub(crate) fn all_seen() -> Vec<Seen> {
    let mut all = vec![
        Seen::WriterStuck,
        Seen::WriterFailing {
            cause: NASTY.to_owned(),
        },
        Seen::NoServer,
        Seen::ServerSilent { pid: 7 },
        Seen::NoPublicUrl,
        Seen::NoCertificate,
        Seen::NoPushClock,
        Seen::NoRetries,
        Seen::RetriesSeem { late_ms: 600_000 },
        Seen::NoDowntime,
        Seen::NoLifetime,
        Seen::NoLag,
        Seen::NoDisk,
        Seen::NoFileSystem,
        Seen::NoSync,
        Seen::NoIntegrity,
        Seen::Lag {
            p95_ms: 90_000,
            pushes: 1_001,
        },
        Seen::Rows {
            last_day: 1_001,
            deliveries: 1_000_001,
        },
        Seen::Sync {
            took: Duration::from_micros(1_250),
        },
        Seen::Log { bytes: 31_000_000 },
        Seen::Sqlite {
            version: "3.54.0".to_owned(),
        },
    ];
    for since in [None, Some(AT)] {
        all.push(Seen::ServerRuns { pid: 7, since });
    }
    for fault in [None, Some(NASTY.to_owned())] {
        all.push(Seen::WriterEnded { fault });
    }
    all.extend(doors());
    all.extend(disks());
    all.extend([-6_000, 6_000].map(|off_ms| Seen::Clock { off_ms, at: AT }));
    for policy in [RetryPolicy::Backoff, RetryPolicy::ExponentialDecay] {
        all.push(Seen::RetriesSet { policy });
    }
    for (ending, is_now, may_lose) in [
        (Ending::Stopped, false, false),
        (Ending::Stopped, false, true),
        (Ending::Crashed, true, true),
    ] {
        all.push(Seen::Downtime {
            length_ms: 90_000,
            from: AT,
            ending,
            is_now,
            may_lose,
        });
    }
    all.extend(sources());
    all.extend(certificates());
    all.extend(integrities());
    all
}

fn doors() -> Vec<Seen> {
    let mut all = Vec::new();
    let address = "0.0.0.0:8080".parse().unwrap();
    for reach in [Reach::ThisMachine, Reach::OneAddress, Reach::EveryAddress] {
        all.push(Seen::Receiver { address, reach });
        for has_login in [false, true] {
            all.push(Seen::Dashboard {
                address,
                reach,
                has_login,
            });
        }
    }
    for kind in [UrlKind::Https, UrlKind::Plain, UrlKind::Private] {
        let url = "https://mps.example.com".to_owned();
        all.push(Seen::PublicUrl { url, kind });
    }
    all
}

fn disks() -> Vec<Seen> {
    let mut all = Vec::new();
    let kind = "ext4".to_owned();
    for nature in [
        Nature::Local,
        Nature::Network,
        Nature::Memory,
        Nature::Layered,
    ] {
        let kind = kind.clone();
        all.push(Seen::FileSystem { kind, nature });
    }
    for days in [None, Some(1_001)] {
        all.push(Seen::Disk {
            free: 3_000_000_000,
            days,
            bytes_a_day: 3_000_000,
        });
    }
    all
}

fn sources() -> Vec<Seen> {
    let named = |name: &str| vec![name.to_owned()];
    let pinned = SourceFacts {
        name: "default".to_owned(),
        pinned: Some(NASTY.to_owned()),
        ..SourceFacts::default()
    };
    let configured = SourceFacts {
        name: "default".to_owned(),
        is_guessable: true,
        owners: named("1234"),
        allowed: named(NASTY),
        topics: named(NASTY),
        ..SourceFacts::default()
    };
    let new = SourceFacts::default();
    [pinned, configured, new].map(Seen::Source).to_vec()
}

fn certificates() -> Vec<Seen> {
    let certificate = |not_after, is_expired, has_verified| Seen::Certificate {
        key_bits: 512,
        not_after,
        is_expired,
        host: "mnstest.oss-cn-hangzhou.aliyuncs.com".to_owned(),
        fetched_at: AT,
        has_verified,
        is_documented_host: true,
    };
    vec![
        certificate(None, false, false),
        certificate(Some(AT), true, true),
        certificate(Some(AT), false, true),
    ]
}

fn integrities() -> Vec<Seen> {
    let found = NASTY.to_owned();
    let all = [
        Integrity::Whole { is_deep: false },
        Integrity::Whole { is_deep: true },
        Integrity::Damaged { found },
        Integrity::Unfinished,
    ];
    all.map(Seen::Integrity).to_vec()
}

/// Returns everything that may be seen, with every verdict.
pub(crate) fn findings() -> Vec<Finding> {
    let verdicts = [
        Verdict::Fine,
        Verdict::Unknown,
        Verdict::Warning,
        Verdict::Wrong,
    ];
    let all = all_seen().into_iter();
    let each = |seen: Seen| {
        verdicts.map(|verdict| Finding {
            verdict,
            seen: seen.clone(),
        })
    };
    all.flat_map(each).collect()
}
