//! Whether the writer gets on: since when it has been at work on what it took, and when it last
//! committed.
//!
//! The writer stores two numbers a round, and whoever asks reads them: nobody has to write in order to
//! find out whether the writer can, which a stranger who asks for `/readyz` could make it do all day.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::store::Store;

/// What the writer tells of itself.
pub(super) struct Pulse {
    base: Instant,
    /// Milliseconds after `base`, plus 1; 0 while it waits for something to do.
    busy_since: AtomicU64,
    /// By the clock; 0 before the first commit.
    last_commit: AtomicI64,
}

/// How the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterState {
    /// It waits for something to do, or does it since so long.
    Runs { busy_for: Option<Duration> },
    /// It has ended; the text says by which fault, if it was one.
    Ended { fault: Option<String> },
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse {
            base: Instant::now(),
            busy_since: AtomicU64::new(0),
            last_commit: AtomicI64::new(0),
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
    use crate::store::fixtures::{self, NOON, arrival};

    use super::*;

    #[test]
    fn a_writer_that_waits_runs_and_one_at_work_says_for_how_long() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        assert_eq!(test.store.last_commit(), Some(NOON));
        let stopped = test.stop_writer();
        let WriterState::Runs { busy_for } = test.store.writer_state() else {
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
}
