//! How long answers took, and how many there were of each status.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What was noted while a load ran.
#[derive(Default)]
pub(crate) struct Noted {
    /// Of each answered push, whatever the answer.
    pub(crate) micros: Vec<u32>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Connections that ended without an answer.
    pub(crate) unanswered: u64,
}

/// Noted answers in a few numbers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) acknowledged: u64,
    pub(crate) not_acknowledged: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) highest_ms: f64,
}

impl Noted {
    pub(crate) fn answer(&mut self, status: u16, took: Duration) {
        self.micros
            .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        *self.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn summary(mut self, took: Duration) -> Summary {
        self.micros.sort_unstable();
        let acknowledged = self.statuses.get(&204).copied().unwrap_or_default();
        let answered: u64 = self.statuses.values().sum();
        Summary {
            acknowledged,
            not_acknowledged: answered - acknowledged + self.unanswered,
            per_second: count(acknowledged) / took.as_secs_f64(),
            p50_ms: self.at(50, 100),
            p99_ms: self.at(99, 100),
            highest_ms: self.at(1, 1),
        }
    }

    /// Returns the latency that `part` of `whole` stay at or below; they are sorted.
    fn at(&self, part: usize, whole: usize) -> f64 {
        let rank = (self.micros.len() * part).div_ceil(whole);
        let micros = self.micros.get(rank.saturating_sub(1)).copied();
        f64::from(micros.unwrap_or_default()) / 1_000.0
    }
}

/// Returns a count as a number to divide: exact up to four thousand million.
pub(crate) fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
