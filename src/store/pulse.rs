//! Whether the writer gets on: since when it has been at work on what it took, when it last committed,
//! and since when no commit succeeds.
//!
//! The writer stores a few values a round, and whoever asks reads them: nobody has to write in order to
//! find out whether the writer can, which a stranger who asks for `/readyz` could make it do all day.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::store::{Store, unpoisoned};

/// What the writer tells of itself.
pub(super) struct Pulse {
    base: Instant,
    /// Milliseconds after `base`, plus 1; 0 while it waits for something to do.
    busy_since: AtomicU64,
    /// By the clock; 0 before the first commit.
    last_commit: AtomicI64,
    /// Since the last transaction that succeeded.
    failures: Mutex<Option<Failures>>,
}

struct Failures {
    since: Instant,
    tries: u32,
    cause: String,
}

/// No transaction succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How long ago the first one failed.
    pub lasts: Duration,
    /// How many have failed since.
    pub tries: u32,
    /// What the engine said to the last one.
    pub cause: String,
}

/// How the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterState {
    Runs {
        /// For how long it has been at what it does; `None` while it waits for something to do.
        busy_for: Option<Duration>,
        failing: Option<Failing>,
    },
    /// It has ended; the text says by which fault, if it was one.
    Ended { fault: Option<String> },
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse {
            base: Instant::now(),
            busy_since: AtomicU64::new(0),
            last_commit: AtomicI64::new(0),
            failures: Mutex::new(None),
        }
    }
}

impl Pulse {
    pub(super) fn begin(&self) {
        let ms = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.busy_since
            .store(ms.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, at: Timestamp) {
        self.last_commit.store(at.0, Ordering::Relaxed);
        self.succeeded();
    }

    /// A transaction was committed, whatever was in it.
    pub(super) fn succeeded(&self) {
        *unpoisoned(&self.failures) = None;
    }

    /// A transaction failed by what it stands on, and not by what was in it.
    pub(super) fn failed(&self, cause: String) {
        let mut failures = unpoisoned(&self.failures);
        let (since, tries) = match failures.take() {
            Some(before) => (before.since, before.tries),
            None => (Instant::now(), 0),
        };
        *failures = Some(Failures {
            since,
            tries: tries.saturating_add(1),
            cause,
        });
    }

    fn failing(&self) -> Option<Failing> {
        unpoisoned(&self.failures).as_ref().map(|failures| Failing {
            lasts: failures.since.elapsed(),
            tries: failures.tries,
            cause: failures.cause.clone(),
        })
    }

    fn busy_for(&self) -> Option<Duration> {
        let since = self.busy_since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(
            self.base
                .elapsed()
                .saturating_sub(Duration::from_millis(since)),
        )
    }
}

impl Store {
    pub fn writer_state(&self) -> WriterState {
        let ended = self.inner.ended.borrow().clone();
        match ended {
            None if self.inner.ended.has_changed().is_err() => WriterState::Ended {
                fault: Some("it has gone without a word".to_owned()),
            },
            None => WriterState::Runs {
                busy_for: self.inner.pulse.busy_for(),
                failing: self.inner.pulse.failing(),
            },
            Some(how) => WriterState::Ended { fault: how.err() },
        }
    }

    /// Returns when the writer last committed; `None` if it has not since the store was opened.
    pub fn last_commit(&self) -> Option<Timestamp> {
        let at = self.inner.pulse.last_commit.load(Ordering::Relaxed);
        (at != 0).then_some(Timestamp(at))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures::{self, NOON, TestStore, arrival};

    use super::*;

    #[test]
    fn a_writer_that_waits_runs_and_one_at_work_says_for_how_long() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        assert_eq!(test.store.last_commit(), Some(NOON));
        let stopped = test.stop_writer();
        let WriterState::Runs { busy_for, .. } = test.store.writer_state() else {
            panic!("{:?}", test.store.writer_state());
        };
        assert!(busy_for.is_some());
        stopped.go_on();
        // The next command is answered after the one that was stopped is behind it.
        test.append(arrival("m2", "j2"));
        test.store.close();
        let state = test.store.writer_state();
        assert_eq!(state, WriterState::Ended { fault: None });
    }

    fn failing(store: &Store) -> Option<Failing> {
        match store.writer_state() {
            WriterState::Runs { failing, .. } => failing,
            ended @ WriterState::Ended { .. } => panic!("{ended:?}"),
        }
    }

    fn do_not_wait(test: &TestStore) {
        let told = test.put((), |tx, _, ()| {
            tx.busy_timeout(Duration::ZERO)?;
            Ok(Ok(()))
        });
        told.recv().unwrap().unwrap();
    }

    #[test]
    fn commits_fail_while_somebody_else_holds_the_write_lock_and_until_one_succeeds() {
        let test = fixtures::open();
        do_not_wait(&test);
        let other = test.look();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(failing(&test.store), None);
        for tries in 1..=2 {
            assert!(test.try_append(arrival("m1", "j1")).is_err());
            let failing = failing(&test.store).unwrap();
            assert_eq!(failing.tries, tries);
            assert!(failing.cause.contains("locked"), "{failing:?}");
        }
        other.execute_batch("ROLLBACK").unwrap();
        test.append(arrival("m1", "j1"));
        assert_eq!(failing(&test.store), None);
    }

    #[test]
    fn a_full_disk_is_a_commit_that_fails_and_a_bad_row_is_none() {
        let test = fixtures::open();
        let bad = test.put((), |tx, _, ()| {
            tx.execute("INSERT INTO source (name) VALUES ('default')", [])?;
            Ok(Ok(()))
        });
        assert!(bad.recv().unwrap().is_err());
        assert_eq!(failing(&test.store), None);
        let limit = test.put((), |tx, _, ()| {
            tx.query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))?;
            Ok(Ok(()))
        });
        limit.recv().unwrap().unwrap();
        let mut big = arrival("m1", "j1");
        big.delivery.body = fixtures::noise(300_000);
        assert!(test.try_append(big).is_err());
        let failing = failing(&test.store).unwrap();
        assert!(failing.cause.contains("full"), "{failing:?}");
    }

    #[test]
    fn failures_count_from_the_first_one() {
        let pulse = Pulse::default();
        pulse.failed("one".to_owned());
        let since = unpoisoned(&pulse.failures).as_ref().unwrap().since;
        pulse.failed("two".to_owned());
        assert_eq!(unpoisoned(&pulse.failures).as_ref().unwrap().since, since);
        assert_eq!(pulse.failing().unwrap().cause, "two");
        pulse.succeeded();
        assert_eq!(pulse.failing(), None);
    }
}
