//! How we are: each thing that has to be right for a push to be taken, with a state and a reason.
//!
//! One source of truth for `/readyz`, `mpsink healthcheck` and whoever else says how the server is:
//! [`gather`] looks, and the [`Report`] is what they show. It writes nothing and fetches nothing, so
//! that a stranger who asks often costs a look at the disk and one short reading.
//!
//! *Failing* means that pushes cannot be taken now, or very soon not: `/readyz` is 503 then. *Warning*
//! means that a person should look, while pushes are still taken. That no certificate was fetched
//! yet is a warning and no more: it is fetched when a push names it, so that a proxy which waits for us
//! to be ready before it passes anything on would wait for ever.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::signature::CertificateStatus;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::pulse::{Failing, WriterState};
use crate::store::standing::Schema;

/// A round of the writer that takes longer than this has kept every sender waiting for longer than it
/// waits: SMQ hangs up after 5 s.
pub const WRITER_STUCK_AFTER: Duration = Duration::from_secs(4);

/// When no commit has succeeded for so long, pushes cannot be taken. A single one that failed is no sign
/// of that: the next is tried after 5 s at the latest, and may wait 2 s for somebody else's to end.
pub const WRITER_FAILING_AFTER: Duration = Duration::from_secs(8);

/// With less free the server is not ready: a full inbox holds 64 MiB, which goes to the log and from
/// there into the database, each with its indexes about twice as large.
pub const DISK_FREE_MIN: u64 = 256 * 1024 * 1024;

/// With less free a person should look: at one push a second and 18 KB each it is what a day takes.
pub const DISK_FREE_LOW: u64 = 2 * 1024 * 1024 * 1024;

/// How a thing is; the worst of all counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    Fine,
    /// Pushes are taken, and a person should look.
    Warning,
    /// Pushes cannot be taken.
    Failing,
}

impl HealthState {
    pub fn word(self) -> &'static str {
        match self {
            HealthState::Fine => "fine",
            HealthState::Warning => "warning",
            HealthState::Failing => "failing",
        }
    }
}

/// One thing that has to be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// `writer`, `disk`, `certificate` or `schema`.
    pub name: &'static str,
    pub state: HealthState,
    /// A sentence that says what was seen, in English, also where all is fine.
    pub reason: String,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub state: HealthState,
    pub checks: Vec<HealthCheck>,
}

impl Report {
    /// Tells whether pushes can be taken.
    pub fn is_ready(&self) -> bool {
        self.state != HealthState::Failing
    }
}

/// Looks at everything. `certificates` is what the verifier knows. Blocks for as long as a reading
/// may take.
pub fn gather(store: &Store, certificates: &[CertificateStatus], now: Timestamp) -> Report {
    let checks = vec![
        writer(store.writer_state(), store.last_commit(), now),
        disk(store.sizes().free),
        certificate(certificates),
        schema(store.schema()),
    ];
    let worst = checks.iter().map(|check| check.state).max();
    Report {
        state: worst.unwrap_or(HealthState::Fine),
        checks,
    }
}

fn writer(state: WriterState, last_commit: Option<Timestamp>, now: Timestamp) -> HealthCheck {
    let last = match last_commit {
        Some(at) => {
            let age = Duration::from_millis(u64::try_from(now.since_ms(at)).unwrap_or(0));
            format!("the last commit was {} s ago", age.as_secs())
        }
        None => "nothing was committed yet".to_owned(),
    };
    let (state, reason) = match state {
        WriterState::Ended { fault: Some(fault) } => (
            HealthState::Failing,
            format!("the writer has ended by a fault: {fault}"),
        ),
        WriterState::Ended { fault: None } => (
            HealthState::Failing,
            "the writer has ended: the server stops".to_owned(),
        ),
        WriterState::Runs {
            failing: Some(failing),
            ..
        } if failing.lasts >= WRITER_FAILING_AFTER => (HealthState::Failing, no_commit(&failing)),
        WriterState::Runs { busy_for, .. } => match busy_for {
            Some(busy) if busy >= WRITER_STUCK_AFTER => (
                HealthState::Failing,
                format!("the writer is stuck since {} s, and {last}", busy.as_secs()),
            ),
            _ => (HealthState::Fine, format!("the writer runs; {last}")),
        },
    };
    HealthCheck {
        name: "writer",
        state,
        reason,
    }
}

fn no_commit(failing: &Failing) -> String {
    format!(
        "no commit has succeeded for {} s, in {} tries: {}",
        failing.lasts.as_secs(),
        failing.tries,
        failing.cause
    )
}

fn disk(free: Option<u64>) -> HealthCheck {
    let (state, reason) = match free {
        None => (
            HealthState::Warning,
            "the system does not say how much of the disk is free".to_owned(),
        ),
        Some(free) if free < DISK_FREE_MIN => (
            HealthState::Failing,
            format!(
                "{} MiB are free, less than {} MiB: make room, a full disk takes no pushes",
                mib(free),
                mib(DISK_FREE_MIN)
            ),
        ),
        Some(free) if free < DISK_FREE_LOW => (
            HealthState::Warning,
            format!(
                "{} MiB are free, less than {} MiB: make room soon",
                mib(free),
                mib(DISK_FREE_LOW)
            ),
        ),
        Some(free) => (HealthState::Fine, format!("{} MiB are free", mib(free))),
    };
    HealthCheck {
        name: "disk",
        state,
        reason,
    }
}

fn mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

fn certificate(known: &[CertificateStatus]) -> HealthCheck {
    let fetched = known.iter().filter(|one| one.url.is_some()).count();
    let has_verified = known.iter().any(|one| one.has_verified);
    let (state, reason) = match (fetched, has_verified) {
        (0, _) => (
            HealthState::Warning,
            "no certificate was fetched yet; the first push has to wait for it, and is sent again if \
             it is not to be had"
                .to_owned(),
        ),
        (1.., true) => (
            HealthState::Fine,
            "a certificate is known that has verified a push".to_owned(),
        ),
        (1.., false) => (
            HealthState::Fine,
            "a certificate is known; no push was verified with it yet".to_owned(),
        ),
    };
    HealthCheck {
        name: "certificate",
        state,
        reason,
    }
}

fn schema(schema: Result<Schema, ReadError>) -> HealthCheck {
    let (state, reason) = match schema {
        Ok(schema) if schema.found == schema.known => (
            HealthState::Fine,
            format!("the database has schema {}", schema.found),
        ),
        Ok(schema) => (
            HealthState::Failing,
            format!(
                "the database has schema {}, and this mpsink knows {}: something else has changed it",
                schema.found, schema.known
            ),
        ),
        // Pages take all readers; the writer has a connection of its own.
        Err(ReadError::Busy | ReadError::TooSlow) => (
            HealthState::Warning,
            "the database is read by so many that its schema could not be looked at".to_owned(),
        ),
        Err(ReadError::Failed { source }) => (
            HealthState::Failing,
            format!("the database cannot be read: {source}"),
        ),
    };
    HealthCheck {
        name: "schema",
        state,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tempfile::TempDir;

    use crate::clock::Clock;
    use crate::metrics::Metrics;
    use crate::store::lifetimes::BEAT_AFTER_FAILURE;
    use crate::store::options::{Purpose, StoreOptions};

    use super::*;

    const NOON: Timestamp = Timestamp(1_714_982_400_000);

    fn open(folder: &TempDir) -> Store {
        let options = StoreOptions {
            path: folder.path().join("mpsink.db"),
            purpose: Purpose::Record,
            inbox_commands_max: 8,
            inbox_bytes_max: 1024,
            held_bytes_max: 1024,
            answer_within: Duration::from_secs(60),
            queues: Vec::new(),
            workflows: Vec::new(),
            clock: Clock::standing_at(NOON),
            metrics: Metrics::new(),
            free_disk: |_| Ok(u64::MAX),
        };
        Store::open(options).unwrap().0
    }

    #[test]
    fn a_writer_that_has_ended_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let before = gather(&store, &[], NOON);
        assert!(before.is_ready());
        store.close();
        let report = gather(&store, &[], NOON);
        assert!(!report.is_ready());
        let failing = report.checks.iter();
        let failing = failing.filter(|check| check.state == HealthState::Failing);
        let names: Vec<_> = failing.map(|check| check.name).collect();
        assert_eq!(names, ["writer"]);
    }

    fn check(check: &HealthCheck, state: HealthState, reason: &str) {
        assert_eq!(check.state, state, "{check:?}");
        assert!(check.reason.contains(reason), "{check:?}");
    }

    #[test]
    fn a_writer_is_stuck_when_one_batch_takes_longer_than_a_sender_waits() {
        let busy = |busy_for| {
            writer(
                WriterState::Runs {
                    busy_for,
                    failing: None,
                },
                Some(NOON),
                NOON.plus_ms(7_000),
            )
        };
        let almost = WRITER_STUCK_AFTER.saturating_sub(Duration::from_millis(1));
        check(
            &busy(None),
            HealthState::Fine,
            "the last commit was 7 s ago",
        );
        check(&busy(Some(almost)), HealthState::Fine, "the writer runs");
        check(
            &busy(Some(WRITER_STUCK_AFTER)),
            HealthState::Failing,
            "stuck",
        );
        let fault = WriterState::Ended {
            fault: Some("the disk is gone".to_owned()),
        };
        check(
            &writer(fault, None, NOON),
            HealthState::Failing,
            "the disk is gone",
        );
    }

    #[test]
    fn a_writer_whose_commits_fail_for_longer_than_one_is_tried_again_cannot_take_pushes() {
        // What a transaction waits for somebody else's.
        let tried_again = BEAT_AFTER_FAILURE + Duration::from_secs(2);
        assert!(WRITER_FAILING_AFTER > tried_again);
        let failing = |lasts| {
            let failing = Failing {
                lasts,
                tries: 3,
                cause: "database is locked".to_owned(),
            };
            let state = WriterState::Runs {
                busy_for: None,
                failing: Some(failing),
            };
            writer(state, Some(NOON), NOON)
        };
        check(&failing(tried_again), HealthState::Fine, "the writer runs");
        check(
            &failing(WRITER_FAILING_AFTER),
            HealthState::Failing,
            "no commit has succeeded for 8 s, in 3 tries: database is locked",
        );
    }

    #[test]
    fn a_disk_is_low_before_it_is_too_full_to_go_on() {
        check(&disk(None), HealthState::Warning, "does not say");
        check(
            &disk(Some(DISK_FREE_MIN - 1)),
            HealthState::Failing,
            "make room",
        );
        check(
            &disk(Some(DISK_FREE_MIN)),
            HealthState::Warning,
            "make room soon",
        );
        check(
            &disk(Some(DISK_FREE_LOW)),
            HealthState::Fine,
            "2048 MiB are free",
        );
    }

    #[test]
    fn a_database_that_is_busy_is_a_warning_and_one_that_cannot_be_read_is_failing() {
        let found = |found, known| schema(Ok(Schema { found, known }));
        check(&found(3, 3), HealthState::Fine, "schema 3");
        check(
            &found(4, 3),
            HealthState::Failing,
            "schema 4, and this mpsink knows 3",
        );
        check(
            &schema(Err(ReadError::Busy)),
            HealthState::Warning,
            "so many",
        );
        check(
            &schema(Err(ReadError::TooSlow)),
            HealthState::Warning,
            "so many",
        );
        let source = io::Error::other("malformed").into();
        let broken = schema(Err(ReadError::Failed { source }));
        check(&broken, HealthState::Failing, "malformed");
    }

    #[test]
    fn the_worst_check_is_the_state_of_all() {
        assert!(HealthState::Fine < HealthState::Warning);
        assert!(HealthState::Warning < HealthState::Failing);
        let folder = tempfile::tempdir().unwrap();
        let report = gather(&open(&folder), &[], NOON);
        assert_eq!(
            report.state,
            HealthState::Warning,
            "no certificate is known"
        );
    }
}
