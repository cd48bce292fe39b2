//! Pushes have the right of way: what goes on beside them in small pieces rests behind each piece, for
//! as long as a push was waiting for its answer during it, times two.
//!
//! So while nobody pushes there is no rest at all, and where pushes come now and then and are answered
//! at once there is little. Nothing has to be set to the machine: on a slower one pushes wait for longer,
//! and everything else rests for longer.
//!
//! Who rests: downloads (`web/downloads.rs`), which take the processors from receiver and writer, and
//! retention (`prune.rs`), which takes the writer and the disk, and the looks of a rebuild. Not by threads of low
//! priority: one that is not let on keeps its reading open meanwhile, so that the log cannot be begun
//! anew and grows; and where a container may use so much of the processors, low and high priority use
//! it up alike.
//!
//! Deliberately not here: imports and what a rebuild writes, which a person has asked for and waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::metrics::Metrics;

/// How many times as long as pushes waited the rest is. If they wait all the while, each of the four
/// downloads there may be takes a third of a processor, and retention a third of the writer's time.
const REST_FACTOR: u32 = 2;

/// The longest rest, so that what rests goes on whatever comes: some pieces in two seconds.
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
    /// For how long pushes had waited when it began.
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
        Piece {
            waited: lock(&self.pushes).waited(Instant::now()),
            rests: self.clone(),
        }
    }
}

impl Piece {
    /// Rests behind the piece, which ends now.
    pub async fn rest(self) {
        let waited = lock(&self.rests.pushes).waited(Instant::now());
        let rest = rest_behind(waited.saturating_sub(self.waited));
        if !rest.is_zero() {
            self.rests.metrics.rested(rest);
            sleep(rest).await;
        }
    }
}

/// Returns the rest behind a piece during which pushes waited for so long.
fn rest_behind(waited: Duration) -> Duration {
    waited.saturating_mul(REST_FACTOR).min(REST_MAX)
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
        assert_eq!(rest_behind(ms(0)), ms(0));
        assert_eq!(rest_behind(ms(10)), ms(20));
        assert_eq!(rest_behind(ms(249)), ms(498));
        assert_eq!(rest_behind(ms(251)), REST_MAX);
        assert_eq!(rest_behind(Duration::MAX), REST_MAX);
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
        let scrape = || metrics.encode(&Snapshot::default());
        let none = scrape();
        drop(rests.push_waits());
        rests.begin().rest().await;
        assert_eq!(scrape(), none);

        let piece = rests.begin();
        let waits = rests.push_waits();
        let began = Instant::now();
        while began.elapsed() < ms(1) {
            tokio::task::yield_now().await;
        }
        piece.rest().await;
        drop(waits);
        assert!(began.elapsed() >= ms(3));
        assert_ne!(scrape(), none);
    }
}
