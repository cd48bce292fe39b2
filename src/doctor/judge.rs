//! From facts to findings. Each bound has its reason; what to do stands with the words.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::doctor::retries::{Loss, late_ms, loss, weakest};
use crate::doctor::{Facts, Finding, Line, Reach, Seen, Server, SourceFacts, UrlKind, Verdict};
use crate::health::{DISK_FREE_LOW, DISK_FREE_MIN, WRITER_FAILING_AFTER, WRITER_STUCK_AFTER};
use crate::notification::source::RetryPolicy;
use crate::signature::{CertificateStatus, DOCUMENTED_CERTIFICATE_URL};
use crate::store::file_system::{Nature, nature};
use crate::store::integrity::Integrity;
use crate::store::lifetimes::{Downtime, Ending, downtimes};
use crate::store::pulse::WriterState;
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long a downtime is told of: older ones are known, or were.
const DOWNTIME_TOLD_MS: i64 = 30 * DAY_MS;

/// A push is dated to the second, and is under way for a moment.
const CLOCK_OFF_MS: i64 = 5_000;

/// What a person notices: nineteen of twenty pushes should be here sooner.
const LAG_MS: i64 = 60_000;

/// SMQ is repeating pushes, or holds them back.
const LAG_LONG_MS: i64 = 15 * 60_000;

/// Fewer rows say nothing of what a row takes.
const ROWS_TO_FORECAST: u64 = 1_000;

/// Time enough to order a disk.
const DAYS_LOW: u64 = 30;

/// A commit costs a sync, and all that came meanwhile share the next: beyond this, somebody who
/// pushes one after the other gets 20 a second through.
const SYNC_SLOW: Duration = Duration::from_millis(50);

/// SMQ waits 5 s for all of it.
const SYNC_TOO_SLOW: Duration = Duration::from_secs(1);

/// The log stays below 16 MiB, where much comes at once below 64 (`store/log.rs`). Beyond several times
/// that, somebody has been reading for long.
const LOG_LARGE: u64 = 256 * 1024 * 1024;

/// A start reads all of it before it takes a push.
const LOG_TOO_LARGE: u64 = 4 * 1024 * 1024 * 1024;

/// Judges everything but the integrity, which takes its time, in the order in which it is shown.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![
        server(facts),
        receiver(facts),
        dashboard(facts),
        public_url(facts),
        certificate(facts),
        clock(facts),
        retries(facts),
        downtime(facts),
        lag(facts),
        rows(facts),
        disk(facts),
        file_system(facts),
        sync(facts),
        log(facts),
        sqlite(facts),
        judge_integrity(None),
    ];
    let sources = facts.sources.iter();
    all.extend(sources.map(|source| self::source(source, facts.setup.is_try)));
    all.sort_by_key(|finding| {
        let place = Line::ALL
            .iter()
            .position(|line| *line == finding.seen.line());
        place.unwrap_or(Line::ALL.len())
    });
    all
}

/// Returns the worst of them.
pub fn worst(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::Fine)
}

fn found(verdict: Verdict, seen: Seen) -> Finding {
    Finding { verdict, seen }
}

fn server(facts: &Facts) -> Finding {
    match &facts.server {
        Server::None => found(Verdict::Warning, Seen::NoServer),
        Server::Silent { pid } => found(Verdict::Wrong, Seen::ServerSilent { pid: *pid }),
        Server::Here { writer } => match writer {
            WriterState::Ended { fault } => {
                let fault = fault.clone();
                found(Verdict::Wrong, Seen::WriterEnded { fault })
            }
            WriterState::Runs {
                failing: Some(failing),
                ..
            } if failing.lasts >= WRITER_FAILING_AFTER => {
                let cause = failing.cause.clone();
                found(Verdict::Wrong, Seen::WriterFailing { cause })
            }
            WriterState::Runs { busy_for, .. } if *busy_for >= Some(WRITER_STUCK_AFTER) => {
                found(Verdict::Wrong, Seen::WriterStuck)
            }
            WriterState::Runs { .. } => {
                let since = facts.lifetimes.first().map(|life| life.started_at);
                let pid = std::process::id();
                found(Verdict::Fine, Seen::ServerRuns { pid, since })
            }
        },
    }
}

fn reach(address: SocketAddr) -> Reach {
    match address.ip() {
        ip if ip.is_loopback() => Reach::ThisMachine,
        ip if ip.is_unspecified() => Reach::EveryAddress,
        _ => Reach::OneAddress,
    }
}

/// Pushes come from outside, unless a proxy on this machine passes them on, which has an address then.
fn receiver(facts: &Facts) -> Finding {
    let address = facts.setup.receiver;
    let reach = reach(address);
    let is_shut = reach == Reach::ThisMachine && facts.setup.public_url.is_none();
    let verdict = if is_shut && !facts.setup.is_try {
        Verdict::Warning
    } else {
        Verdict::Fine
    };
    found(verdict, Seen::Receiver { address, reach })
}

fn dashboard(facts: &Facts) -> Finding {
    let address = facts.setup.dashboard;
    let has_login = facts.setup.has_login;
    let reach = reach(address);
    let verdict = match (reach, has_login) {
        (Reach::ThisMachine, _) => Verdict::Fine,
        // HTTP without TLS: whoever is on the way reads the password.
        (Reach::OneAddress | Reach::EveryAddress, true) => Verdict::Warning,
        (Reach::OneAddress | Reach::EveryAddress, false) => Verdict::Wrong,
    };
    let seen = Seen::Dashboard {
        address,
        reach,
        has_login,
    };
    found(verdict, seen)
}

fn public_url(facts: &Facts) -> Finding {
    let Some(url) = &facts.setup.public_url else {
        let verdict = if facts.setup.is_try {
            Verdict::Fine
        } else {
            Verdict::Warning
        };
        return found(verdict, Seen::NoPublicUrl);
    };
    let kind = url_kind(url);
    let verdict = match kind {
        UrlKind::Https => Verdict::Fine,
        UrlKind::Plain => Verdict::Warning,
        UrlKind::Private => Verdict::Wrong,
    };
    let url = url.clone();
    found(verdict, Seen::PublicUrl { url, kind })
}

fn url_kind(url: &str) -> UrlKind {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(ip) => ip.split(']').next().unwrap_or(ip),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let is_private = match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    match scheme {
        _ if is_private => UrlKind::Private,
        "https" => UrlKind::Https,
        _ => UrlKind::Plain,
    }
}

/// A signature alone proves little, so a source needs a secret path or an owner.
fn source(source: &SourceFacts, is_try: bool) -> Finding {
    let has_owner = !source.owners.is_empty() || source.pinned.is_some();
    let verdict = match (source.is_guessable, has_owner) {
        _ if is_try => Verdict::Fine,
        (false, _) => Verdict::Fine,
        (true, true) => Verdict::Warning,
        (true, false) => Verdict::Wrong,
    };
    found(verdict, Seen::Source(source.clone()))
}

fn certificate(facts: &Facts) -> Finding {
    let fetched = facts.certificates.iter().filter_map(|it| {
        let (url, at) = (it.url.as_deref()?, it.fetched_at?);
        Some((it, url, at))
    });
    let best = fetched.max_by_key(|(it, _, at)| (it.has_verified, *at));
    let Some((certificate, url, fetched_at)) = best else {
        let verdict = if facts.setup.is_try {
            Verdict::Fine
        } else {
            Verdict::Warning
        };
        return found(verdict, Seen::NoCertificate);
    };
    let CertificateStatus {
        key_bits,
        not_after,
        has_verified,
        ..
    } = *certificate;
    let host = host_of(url).to_owned();
    let is_documented_host = host == host_of(DOCUMENTED_CERTIFICATE_URL);
    let verdict = if is_documented_host {
        Verdict::Fine
    } else {
        Verdict::Warning
    };
    let seen = Seen::Certificate {
        key_bits,
        not_after,
        is_expired: not_after.is_some_and(|end| end < facts.now),
        host,
        fetched_at,
        has_verified,
        is_documented_host,
    };
    found(verdict, seen)
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn clock(facts: &Facts) -> Finding {
    let Some(push) = facts.upkeep.last_push else {
        return found(Verdict::Unknown, Seen::NoPushClock);
    };
    let off_ms = push.received_at.since_ms(push.sent_at);
    let verdict = match off_ms.saturating_abs() {
        off if off > facts.setup.date_window_ms / 2 => Verdict::Wrong,
        off if off > CLOCK_OFF_MS => Verdict::Warning,
        _ => Verdict::Fine,
    };
    let at = push.received_at;
    found(verdict, Seen::Clock { off_ms, at })
}

/// Returns the downtimes that are told of, the one that is not over as well.
fn recent_downtimes(facts: &Facts) -> impl Iterator<Item = Downtime> {
    let since = facts.now.plus_ms(-DOWNTIME_TOLD_MS);
    let all = downtimes(&facts.lifetimes).into_iter();
    all.chain(current(facts))
        .filter(move |downtime| downtime.to >= since)
}

fn retries(facts: &Facts) -> Finding {
    match weakest(&facts.setup.sources) {
        RetryPolicy::Unknown => {
            let late = recent_downtimes(facts);
            let late = late.filter_map(|downtime| late_ms(&downtime, &facts.lifetimes));
            match late.max() {
                Some(late_ms) => found(Verdict::Fine, Seen::RetriesSeem { late_ms }),
                None => found(Verdict::Unknown, Seen::NoRetries),
            }
        }
        policy @ RetryPolicy::Backoff => found(Verdict::Warning, Seen::RetriesSet { policy }),
        policy @ RetryPolicy::ExponentialDecay => found(Verdict::Fine, Seen::RetriesSet { policy }),
    }
}

fn downtime(facts: &Facts) -> Finding {
    let policy = weakest(&facts.setup.sources);
    let judged = recent_downtimes(facts).map(|downtime| {
        let late_ms = late_ms(&downtime, &facts.lifetimes);
        let length_ms = downtime.length_ms();
        (loss(length_ms, policy, late_ms), length_ms, downtime)
    });
    // Of two as long the later.
    let worst = judged.max_by_key(|(loss, length_ms, it)| (*loss, *length_ms, Reverse(it.from)));
    match worst {
        _ if facts.lifetimes.is_empty() => found(Verdict::Unknown, Seen::NoLifetime),
        None => found(Verdict::Fine, Seen::NoDowntime),
        Some((loss, length_ms, downtime)) => {
            let verdict = match loss {
                Loss::Nothing => Verdict::Fine,
                Loss::IfBackoff => Verdict::Warning,
                Loss::Whatever => Verdict::Wrong,
            };
            let seen = Seen::Downtime {
                length_ms,
                from: downtime.from,
                ending: downtime.ending,
                is_now: current(facts) == Some(downtime),
                may_lose: loss != Loss::Nothing,
            };
            found(verdict, seen)
        }
    }
}

/// Returns the downtime that is not over, if no server runs.
fn current(facts: &Facts) -> Option<Downtime> {
    let last = facts.lifetimes.first()?;
    (facts.server == Server::None).then_some(Downtime {
        from: last.ended_at.unwrap_or(last.alive_at),
        to: facts.now,
        ending: match last.ended_at {
            Some(_) => Ending::Stopped,
            None => Ending::Crashed,
        },
    })
}

fn lag(facts: &Facts) -> Finding {
    let pushes: u64 = facts.lags.iter().sum();
    if pushes == 0 {
        return found(Verdict::Unknown, Seen::NoLag);
    }
    let p95_ms = percentile_95(&facts.lags, pushes);
    let verdict = match p95_ms {
        _ if p95_ms > LAG_LONG_MS => Verdict::Wrong,
        _ if p95_ms > LAG_MS => Verdict::Warning,
        _ => Verdict::Fine,
    };
    found(verdict, Seen::Lag { p95_ms, pushes })
}

/// Returns the bound of the bucket in which the 95th of a hundred stands; beyond the last bound,
/// that one and a millisecond.
fn percentile_95(buckets: &[u64], pushes: u64) -> i64 {
    let rank = pushes.saturating_mul(95).div_ceil(100);
    let mut seen: u64 = 0;
    for (bucket, bound) in buckets.iter().zip(HISTOGRAM_BOUNDS_MS) {
        seen = seen.saturating_add(*bucket);
        if seen >= rank {
            return bound;
        }
    }
    HISTOGRAM_BOUNDS_MS.last().map_or(0, |bound| bound + 1)
}

fn rows(facts: &Facts) -> Finding {
    let (last_day, deliveries) = (facts.stored_last_day, facts.upkeep.deliveries);
    let verdict = match (deliveries, last_day) {
        (0, _) => Verdict::Unknown,
        (_, 0) => Verdict::Warning,
        _ => Verdict::Fine,
    };
    let seen = Seen::Rows {
        last_day,
        deliveries,
    };
    found(verdict, seen)
}

fn disk(facts: &Facts) -> Finding {
    let Some(free) = facts.sizes.free else {
        return found(Verdict::Unknown, Seen::NoDisk);
    };
    let Facts {
        upkeep,
        stored_last_day,
        ..
    } = facts;
    let bytes_a_row = if upkeep.deliveries >= ROWS_TO_FORECAST {
        upkeep.bytes_in_use / upkeep.deliveries
    } else {
        0
    };
    let bytes_a_day = bytes_a_row.saturating_mul(*stored_last_day);
    let days = free.checked_div(bytes_a_day);
    let verdict = match free {
        _ if free < DISK_FREE_MIN => Verdict::Wrong,
        _ if free < DISK_FREE_LOW || days.is_some_and(|days| days < DAYS_LOW) => Verdict::Warning,
        _ => Verdict::Fine,
    };
    let seen = Seen::Disk {
        free,
        days,
        bytes_a_day,
    };
    found(verdict, seen)
}

fn file_system(facts: &Facts) -> Finding {
    let Some(kind) = facts.file_system.clone() else {
        return found(Verdict::Unknown, Seen::NoFileSystem);
    };
    let nature = nature(&kind);
    let verdict = match nature {
        Nature::Local => Verdict::Fine,
        // A trial may go with the power.
        Nature::Memory | Nature::Layered if facts.setup.is_try => Verdict::Fine,
        Nature::Memory | Nature::Layered | Nature::Network => Verdict::Warning,
    };
    found(verdict, Seen::FileSystem { kind, nature })
}

fn sync(facts: &Facts) -> Finding {
    let Some(took) = facts.sync else {
        return found(Verdict::Unknown, Seen::NoSync);
    };
    let verdict = match took {
        _ if took > SYNC_TOO_SLOW => Verdict::Wrong,
        _ if took > SYNC_SLOW => Verdict::Warning,
        _ => Verdict::Fine,
    };
    found(verdict, Seen::Sync { took })
}

fn log(facts: &Facts) -> Finding {
    let bytes = facts.sizes.log;
    let verdict = match bytes {
        _ if bytes > LOG_TOO_LARGE => Verdict::Wrong,
        _ if bytes > LOG_LARGE => Verdict::Warning,
        _ => Verdict::Fine,
    };
    found(verdict, Seen::Log { bytes })
}

fn sqlite(facts: &Facts) -> Finding {
    let verdict = if facts.upkeep.is_sqlite_safe {
        Verdict::Fine
    } else {
        Verdict::Wrong
    };
    let version = facts.upkeep.sqlite.clone();
    found(verdict, Seen::Sqlite { version })
}

/// Judges what was looked at, if anybody has.
pub fn judge_integrity(integrity: Option<Integrity>) -> Finding {
    let Some(integrity) = integrity else {
        return found(Verdict::Unknown, Seen::NoIntegrity);
    };
    let verdict = match integrity {
        Integrity::Whole { .. } => Verdict::Fine,
        Integrity::Unfinished => Verdict::Unknown,
        Integrity::Damaged { .. } => Verdict::Wrong,
    };
    found(verdict, Seen::Integrity(integrity))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::clock::Timestamp;
    use crate::doctor::retries::{REPEATED_MAX_MS, REPEATED_MIN_MS};
    use crate::doctor::{ConfiguredSource, Setup};
    use crate::store::disk::Sizes;
    use crate::store::lifetimes::Lifetime;
    use crate::store::pulse::Failing;
    use crate::store::upkeep::{PushClock, Upkeep};

    use super::*;

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    fn life(from_ms: i64, to_ms: Option<i64>) -> Lifetime {
        let at = |ms: i64| NOW.plus_ms(ms);
        Lifetime {
            started_at: at(from_ms),
            alive_at: at(to_ms.unwrap_or(0)),
            ended_at: to_ms.map(at),
            late_ms: None,
            version: "0.1.0".to_owned(),
        }
    }

    /// A server with which all is well.
    fn well() -> Facts {
        Facts {
            now: NOW,
            setup: Setup {
                database: PathBuf::from("mpsink.db"),
                receiver: "0.0.0.0:8080".parse().unwrap(),
                dashboard: "127.0.0.1:8081".parse().unwrap(),
                has_login: false,
                public_url: Some("https://mps.example.com".to_owned()),
                sources: Vec::new(),
                date_window_ms: 15 * 60_000,
                is_try: false,
            },
            server: Server::Here {
                writer: WriterState::Runs {
                    busy_for: None,
                    failing: None,
                },
            },
            sources: vec![SourceFacts {
                name: "default".to_owned(),
                pinned: Some("1234".to_owned()),
                ..SourceFacts::default()
            }],
            certificates: vec![CertificateStatus {
                url: Some(DOCUMENTED_CERTIFICATE_URL.to_owned()),
                key_bits: 512,
                subject: "CN=notify".to_owned(),
                not_before: None,
                not_after: Some(NOW.plus_ms(-1)),
                fingerprint: String::new(),
                fetched_at: Some(NOW),
                has_verified: true,
            }],
            upkeep: Upkeep {
                sqlite: "3.54.0".to_owned(),
                is_sqlite_safe: true,
                deliveries: 100_000,
                bytes_in_use: 300_000_000,
                last_push: Some(PushClock {
                    sent_at: NOW,
                    received_at: NOW.plus_ms(900),
                }),
            },
            lifetimes: vec![life(-3_600_000, None)],
            stored_last_day: 1_000,
            lags: vec![1_000],
            sizes: Sizes {
                database: 310_000_000,
                log: 10_000_000,
                free: Some(100_000_000_000),
            },
            file_system: Some("ext4".to_owned()),
            sync: Some(Duration::from_millis(2)),
        }
    }

    /// What is not as it should be, but for what can never be seen.
    fn unwell(facts: &Facts) -> Vec<(Line, Verdict)> {
        let all = findings(facts).into_iter();
        let all = all.map(|finding| (finding.seen.line(), finding.verdict));
        let hidden = [Line::Retries, Line::Integrity];
        all.filter(|(line, verdict)| *verdict != Fine && !hidden.contains(line))
            .collect()
    }

    fn check(change: impl FnOnce(&mut Facts), expected: &[(Line, Verdict)]) {
        let mut facts = well();
        change(&mut facts);
        assert_eq!(unwell(&facts), expected);
    }

    use Verdict::{Fine, Unknown, Warning, Wrong};

    #[test]
    fn all_is_well_with_the_real_certificate_and_each_line_is_there_in_its_order() {
        let facts = well();
        assert_eq!(unwell(&facts), []);
        let lines = findings(&facts).into_iter().map(|it| it.seen.line());
        assert!(lines.eq(Line::ALL));
        assert_eq!(worst(&findings(&facts)), Unknown);
    }

    #[test]
    fn a_server_that_does_not_run_hangs_or_cannot_write_is_named() {
        let writer = |writer| move |facts: &mut Facts| facts.server = Server::Here { writer };
        let busy = |after| WriterState::Runs {
            busy_for: Some(after),
            failing: None,
        };
        check(writer(busy(WRITER_STUCK_AFTER / 2)), &[]);
        check(writer(busy(WRITER_STUCK_AFTER)), &[(Line::Server, Wrong)]);
        let failing = |lasts| WriterState::Runs {
            busy_for: None,
            failing: Some(Failing {
                lasts,
                tries: 2,
                cause: "database is locked".to_owned(),
            }),
        };
        check(writer(failing(WRITER_FAILING_AFTER / 2)), &[]);
        check(
            writer(failing(WRITER_FAILING_AFTER)),
            &[(Line::Server, Wrong)],
        );
        let ended = WriterState::Ended { fault: None };
        check(writer(ended), &[(Line::Server, Wrong)]);
        check(
            |facts| facts.server = Server::Silent { pid: 7 },
            &[(Line::Server, Wrong)],
        );
        check(
            |facts| facts.server = Server::None,
            &[(Line::Server, Warning)],
        );
    }

    #[test]
    fn listeners_that_nobody_or_everybody_reaches_are_named() {
        let loopback: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let open: SocketAddr = "0.0.0.0:8081".parse().unwrap();
        check(|facts| facts.setup.receiver = loopback, &[]);
        check(
            |facts| {
                facts.setup.receiver = loopback;
                facts.setup.public_url = None;
            },
            &[(Line::Receiver, Warning), (Line::PublicUrl, Warning)],
        );
        check(
            |facts| facts.setup.dashboard = open,
            &[(Line::Dashboard, Wrong)],
        );
        check(
            |facts| {
                facts.setup.dashboard = open;
                facts.setup.has_login = true;
            },
            &[(Line::Dashboard, Warning)],
        );
    }

    #[test]
    fn a_public_address_in_the_clear_or_out_of_reach_is_named() {
        for (url, verdict) in [
            ("https://mps.example.com/mps", Fine),
            ("https://203.0.113.7:8443", Fine),
            ("http://mps.example.com", Warning),
            ("https://localhost", Wrong),
            ("http://127.0.0.1:8080", Wrong),
            ("https://192.168.1.7/x", Wrong),
            ("https://[::1]:8080", Wrong),
        ] {
            let mut facts = well();
            facts.setup.public_url = Some(url.to_owned());
            assert_eq!(public_url(&facts).verdict, verdict, "{url}");
        }
    }

    #[test]
    fn a_path_that_can_be_guessed_is_worse_without_an_owner() {
        let change = |pinned: Option<&str>, owners: &[&str]| {
            let pinned = pinned.map(str::to_owned);
            let owners: Vec<String> = owners.iter().map(|it| (*it).to_owned()).collect();
            move |facts: &mut Facts| {
                facts.sources[0].is_guessable = true;
                facts.sources[0].pinned = pinned;
                facts.sources[0].owners = owners;
            }
        };
        check(change(None, &[]), &[(Line::Source, Wrong)]);
        check(change(Some("1"), &[]), &[(Line::Source, Warning)]);
        check(change(None, &["1"]), &[(Line::Source, Warning)]);
        check(|facts| facts.sources[0].pinned = None, &[]);
    }

    #[test]
    fn a_certificate_that_is_missing_or_of_another_host_is_named() {
        check(
            |facts| facts.certificates.clear(),
            &[(Line::Certificate, Warning)],
        );
        check(
            |facts| facts.certificates[0].url = Some("https://example.com/x.pem".to_owned()),
            &[(Line::Certificate, Warning)],
        );
        // The bundled one was never fetched.
        check(
            |facts| facts.certificates[0].url = None,
            &[(Line::Certificate, Warning)],
        );
    }

    #[test]
    fn a_clock_that_is_off_is_named_whichever_way_and_worse_when_pushes_will_be_held() {
        for (off_ms, expected) in [
            (CLOCK_OFF_MS, Fine),
            (-CLOCK_OFF_MS - 1, Warning),
            (CLOCK_OFF_MS + 1, Warning),
            (8 * 60_000, Wrong),
            (-8 * 60_000, Wrong),
        ] {
            let mut facts = well();
            facts.upkeep.last_push = Some(PushClock {
                sent_at: NOW,
                received_at: NOW.plus_ms(off_ms),
            });
            assert_eq!(clock(&facts).verdict, expected, "{off_ms}");
        }
        check(
            |facts| facts.upkeep.last_push = None,
            &[(Line::Clock, Unknown)],
        );
    }

    #[test]
    fn the_longest_downtime_is_judged_against_the_retries_and_old_ones_are_not_told() {
        let lives = |gap_ms: i64, ago_ms: i64| {
            vec![
                life(-ago_ms, None),
                life(-ago_ms - gap_ms - 1, Some(-ago_ms - gap_ms)),
            ]
        };
        let down =
            |gap_ms, ago_ms| move |facts: &mut Facts| facts.lifetimes = lives(gap_ms, ago_ms);
        check(down(REPEATED_MIN_MS, DAY_MS), &[]);
        check(
            down(REPEATED_MIN_MS + 1, DAY_MS),
            &[(Line::Downtime, Warning)],
        );
        check(
            down(REPEATED_MAX_MS + 1, DAY_MS),
            &[(Line::Downtime, Wrong)],
        );
        check(down(REPEATED_MAX_MS + 1, 31 * DAY_MS), &[]);
        check(
            |facts| facts.lifetimes.clear(),
            &[(Line::Downtime, Unknown)],
        );
        // While none runs, the downtime goes on.
        check(
            |facts| {
                facts.server = Server::None;
                facts.lifetimes = vec![life(-3_600_000, Some(-60_000))];
            },
            &[(Line::Server, Warning), (Line::Downtime, Warning)],
        );
    }

    #[test]
    fn how_smq_repeats_is_said_by_the_configuration_or_by_late_pushes_and_downtimes_go_by_it() {
        let hour_ms = 3_600_000;
        let down = |policy, late_ms| {
            let mut facts = well();
            facts.setup.sources = vec![ConfiguredSource {
                retry_policy: policy,
                ..ConfiguredSource::default()
            }];
            facts.lifetimes = vec![life(-hour_ms, None), life(-9 * hour_ms, Some(-2 * hour_ms))];
            facts.lifetimes[0].late_ms = late_ms;
            (retries(&facts), downtime(&facts).verdict)
        };
        let decay = RetryPolicy::ExponentialDecay;
        let set = |policy| Seen::RetriesSet { policy };
        for (policy, late_ms, verdict, seen, of_downtime) in [
            (
                RetryPolicy::Unknown,
                None,
                Unknown,
                Seen::NoRetries,
                Warning,
            ),
            (
                RetryPolicy::Unknown,
                Some(200_000),
                Fine,
                Seen::RetriesSeem { late_ms: 200_000 },
                Fine,
            ),
            (decay, None, Fine, set(decay), Fine),
            (
                RetryPolicy::Backoff,
                Some(200_000),
                Warning,
                set(RetryPolicy::Backoff),
                Warning,
            ),
        ] {
            let expected = (found(verdict, seen), of_downtime);
            assert_eq!(down(policy, late_ms), expected, "{policy:?} {late_ms:?}");
        }
    }

    #[test]
    fn of_downtimes_one_that_may_have_cost_pushes_is_told_before_a_longer_one() {
        let hour_ms = 3_600_000;
        let mut facts = well();
        facts.lifetimes = vec![
            life(-hour_ms, None),
            life(-2 * hour_ms, Some(-hour_ms - 60_000)),
            life(-40 * hour_ms, Some(-30 * hour_ms)),
        ];
        // After the long one, which is over for longer than late pushes are looked for.
        facts.lifetimes[1].started_at = NOW.plus_ms(-20 * hour_ms);
        facts.lifetimes[1].late_ms = Some(200_000);
        let seen = downtime(&facts).seen;
        assert!(
            matches!(
                seen,
                Seen::Downtime {
                    length_ms: 60_000,
                    may_lose: true,
                    ..
                }
            ),
            "{seen:?}"
        );
    }

    #[test]
    fn pushes_that_come_late_or_not_at_all_are_named() {
        let late = |bucket: usize| {
            move |facts: &mut Facts| {
                facts.lags = vec![0; HISTOGRAM_BOUNDS_MS.len() + 1];
                facts.lags[0] = 94;
                facts.lags[bucket] += 6;
            }
        };
        let bucket = |ms: i64| HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound <= ms);
        check(late(0), &[]);
        check(late(bucket(LAG_MS)), &[(Line::Lag, Warning)]);
        check(late(HISTOGRAM_BOUNDS_MS.len()), &[(Line::Lag, Wrong)]);
        check(|facts| facts.lags.clear(), &[(Line::Lag, Unknown)]);
        check(|facts| facts.stored_last_day = 0, &[(Line::Rows, Warning)]);
    }

    #[test]
    fn a_disk_that_is_full_soon_is_named_with_its_days() {
        let free = |bytes| move |facts: &mut Facts| facts.sizes.free = Some(bytes);
        check(free(DISK_FREE_MIN - 1), &[(Line::Disk, Wrong)]);
        check(free(DISK_FREE_LOW - 1), &[(Line::Disk, Warning)]);
        check(|facts| facts.sizes.free = None, &[(Line::Disk, Unknown)]);
        // 3,000 bytes a row, a million rows a day, 87 GB: 29 days.
        let mut facts = well();
        facts.sizes.free = Some(87_000_000_000);
        facts.stored_last_day = 1_000_000;
        assert_eq!(unwell(&facts), [(Line::Disk, Warning)]);
        let Seen::Disk { days, .. } = disk(&facts).seen else {
            panic!("no disk");
        };
        assert_eq!(days, Some(29));
        facts.upkeep.deliveries = ROWS_TO_FORECAST - 1;
        assert_eq!(unwell(&facts), []);
    }

    #[test]
    fn what_the_database_stands_on_is_named_if_it_is_no_local_disk_or_slow() {
        for kind in ["nfs4", "tmpfs", "overlay"] {
            let kind = Some(kind.to_owned());
            check(
                |facts| facts.file_system = kind,
                &[(Line::FileSystem, Warning)],
            );
        }
        check(
            |facts| facts.file_system = None,
            &[(Line::FileSystem, Unknown)],
        );
        let took = |took| move |facts: &mut Facts| facts.sync = Some(took);
        check(took(SYNC_SLOW), &[]);
        check(took(SYNC_SLOW * 2), &[(Line::Sync, Warning)]);
        check(took(SYNC_TOO_SLOW * 2), &[(Line::Sync, Wrong)]);
        check(|facts| facts.sync = None, &[(Line::Sync, Unknown)]);
    }

    #[test]
    fn a_log_that_has_grown_and_an_unsafe_sqlite_are_named() {
        let log = |bytes| move |facts: &mut Facts| facts.sizes.log = bytes;
        check(log(LOG_LARGE), &[]);
        check(log(LOG_LARGE + 1), &[(Line::Log, Warning)]);
        check(log(LOG_TOO_LARGE + 1), &[(Line::Log, Wrong)]);
        check(
            |facts| facts.upkeep.is_sqlite_safe = false,
            &[(Line::Sqlite, Wrong)],
        );
    }

    #[test]
    fn only_a_damaged_database_is_wrong() {
        let verdict = |integrity| judge_integrity(integrity).verdict;
        assert_eq!(verdict(None), Unknown);
        assert_eq!(verdict(Some(Integrity::Unfinished)), Unknown);
        assert_eq!(verdict(Some(Integrity::Whole { is_deep: true })), Fine);
        let found = "a row is missing".to_owned();
        assert_eq!(verdict(Some(Integrity::Damaged { found })), Wrong);
    }

    #[test]
    fn a_trial_needs_no_address_no_certificate_and_no_lasting_disk() {
        check(
            |facts| {
                facts.setup.is_try = true;
                facts.setup.receiver = "127.0.0.1:8080".parse().unwrap();
                facts.setup.public_url = None;
                facts.certificates.clear();
                facts.file_system = Some("tmpfs".to_owned());
                facts.sources[0].is_guessable = true;
            },
            &[],
        );
    }
}
