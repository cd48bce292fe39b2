//! Pushes have the right of way: what goes on beside them in small pieces rests behind each piece, in
//! proportion to how much of that time a push was waiting for its answer.
//!
//! While nobody pushes there is no rest, and a piece during which some push waited all the time is
//! followed by one several times as long. Between the two it is proportional, so nothing has to be set
//! to the machine: where pushes are answered at once, however many come, little rests, and where they
//! wait, everything else does.
//!
//! Who rests: downloads (`web/downloads.rs`), which would take the processors from receiver and writer,
//! and retention (`prune.rs`), which would take the writer and the disk. A thread of low priority would
//! not do for either: it would keep its reading open for as long as it is not let on, so that the log
//! could not be begun anew, and a limit of processor time for a container is used up by low and high
//! alike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::metrics::Metrics;

/// How many times as long as a piece the rest behind it is, if pushes waited all the while: so each of
/// four downloads takes a fifth of a processor, and all of them less than one.
const REST_FACTOR: f64 = 4.0;

/// The longest rest: whatever waits, a piece goes on twice a second.
const REST_MAX: Duration = Duration::from_millis(500);

/// What knows how long pushes wait; clones are the same.
#[derive(Clone, Default)]
pub struct Rests {
    pushes: Arc<Mutex<Pushes>>,
    metrics: Metrics,
}

/// The pushes that wait for their answer.
#[derive(Debug, Default)]
struct Pushes {
    waiting: usize,
    /// Since when at least one does.
    since: Option<Instant>,
    /// For how long at least one did before.
    waited: Duration,
}

impl Pushes {
    fn begin(&mut self, now: Instant) {
        self.waiting += 1;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.waited = self.waited(now);
            self.since = None;
        }
    }

    /// Returns for how long at least one has waited, all in all.
    fn waited(&self, now: Instant) -> Duration {
        let since = self.since.map(|since| now.saturating_duration_since(since));
        self.waited + since.unwrap_or_default()
    }
}

/// A push that waits for its answer until this is dropped.
pub(super) struct PushWaits {
    pushes: Arc<Mutex<Pushes>>,
}

impl Drop for PushWaits {
    fn drop(&mut self) {
        lock(&self.pushes).end(Instant::now());
    }
}

/// A piece of work beside the pushes, from its beginning on.
pub struct Piece {
    rests: Rests,
    began: Instant,
    /// For how long pushes had waited by then.
    waited: Duration,
}

impl Rests {
    pub(super) fn new(metrics: Metrics) -> Rests {
        Rests {
            pushes: Arc::default(),
            metrics,
        }
    }

    pub(super) fn push_waits(&self) -> PushWaits {
        lock(&self.pushes).begin(Instant::now());
        PushWaits {
            pushes: Arc::clone(&self.pushes),
        }
    }

    /// Notes that a piece of work begins.
    pub fn begin(&self) -> Piece {
        let began = Instant::now();
        Piece {
            waited: lock(&self.pushes).waited(began),
            rests: self.clone(),
            began,
        }
    }
}

impl Piece {
    /// Returns how long ago it began.
    pub fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Rests behind the piece, which was at work for `took`: not while it waited itself.
    pub async fn rest(self, took: Duration) {
        let now = Instant::now();
        let waited = lock(&self.rests.pushes).waited(now);
        let rest = rest_behind(
            took,
            now.saturating_duration_since(self.began),
            waited.saturating_sub(self.waited),
        );
        if !rest.is_zero() {
            self.rests.metrics.rested(rest);
            sleep(rest).await;
        }
    }
}

/// Returns the rest behind a piece that was at work for `took`, while pushes waited for `waited` of the
/// `lasted` from its beginning to its end.
fn rest_behind(took: Duration, lasted: Duration, waited: Duration) -> Duration {
    if lasted.is_zero() {
        return Duration::ZERO;
    }
    let share = waited.div_duration_f64(lasted).min(1.0);
    took.min(REST_MAX)
        .mul_f64(REST_FACTOR * share)
        .min(REST_MAX)
}

/// Locks, also after a panic elsewhere: the numbers are whole between any two statements.
fn lock(pushes: &Mutex<Pushes>) -> MutexGuard<'_, Pushes> {
    pushes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::metrics::Snapshot;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_rest_is_as_long_as_pushes_waited_times_the_factor_and_has_an_end() {
        let none = Duration::ZERO;
        assert_eq!(rest_behind(ms(10), ms(10), none), none);
        assert_eq!(rest_behind(ms(10), ms(10), ms(10)), ms(40));
        assert_eq!(rest_behind(ms(10), ms(10), ms(5)), ms(20));
        // The piece itself waited for most of the time.
        assert_eq!(rest_behind(ms(10), ms(100), ms(100)), ms(40));
        assert_eq!(rest_behind(ms(124), ms(124), ms(124)), ms(496));
        assert_eq!(rest_behind(ms(126), ms(126), ms(126)), REST_MAX);
        assert_eq!(rest_behind(Duration::MAX, ms(1), ms(1)), REST_MAX);
        assert_eq!(rest_behind(ms(1), none, none), none);
    }

    #[test]
    fn pushes_that_wait_at_once_count_once_and_from_the_first_to_the_last() {
        let start = Instant::now();
        let at = |later| start + ms(later);
        let mut pushes = Pushes::default();
        assert_eq!(pushes.waited(at(5)), ms(0));
        pushes.begin(at(10));
        assert_eq!(pushes.waited(at(15)), ms(5));
        pushes.begin(at(20));
        pushes.end(at(30));
        assert_eq!(pushes.waited(at(40)), ms(30));
        pushes.end(at(50));
        assert_eq!(pushes.waited(at(90)), ms(40));
        pushes.begin(at(100));
        assert_eq!(pushes.waited(at(101)), ms(41));
    }

    #[tokio::test]
    async fn a_piece_rests_if_a_push_waited_meanwhile_and_else_goes_on_at_once() {
        let metrics = Metrics::new();
        let rests = Rests::new(metrics.clone());
        let rested = || metrics.encode(&Snapshot::default());
        let none = rested();
        rests.begin().rest(ms(5)).await;
        drop(rests.push_waits());
        rests.begin().rest(ms(5)).await;
        assert_eq!(rested(), none);

        let waits = rests.push_waits();
        let began = Instant::now();
        rests.begin().rest(ms(5)).await;
        drop(waits);
        assert!(began.elapsed() >= ms(20));
        assert_ne!(rested(), none);
    }
}
