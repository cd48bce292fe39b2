//! What a roll-up sums: how many ended, and how long they took.
//!
//! Only sums, so that what was added can be taken out again, in any order.

use crate::store::rollups::HISTOGRAM_BOUNDS_MS;

/// A longer duration counts as this one: the times of a message may be absurd, and a sum of a few
/// such would be beyond the integers.
pub(super) const DURATION_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1_000;

/// One for each bound, and one for what is beyond the last.
pub(super) const BUCKETS: usize = HISTOGRAM_BOUNDS_MS.len() + 1;

/// What is kept of one bucket; as a delta any of it may be negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) count: i64,
    pub(super) known: i64,
    pub(super) duration_sum_ms: i64,
    pub(super) histogram: [i64; BUCKETS],
}

impl Sums {
    pub(super) fn add(&mut self, other: &Sums) {
        self.count += other.count;
        self.known += other.known;
        self.duration_sum_ms += other.duration_sum_ms;
        for (sum, other) in self.histogram.iter_mut().zip(other.histogram) {
            *sum += other;
        }
    }

    pub(super) fn take_out(&mut self, other: &Sums) {
        self.count -= other.count;
        self.known -= other.known;
        self.duration_sum_ms -= other.duration_sum_ms;
        for (sum, other) in self.histogram.iter_mut().zip(other.histogram) {
            *sum -= other;
        }
    }

    pub(super) fn add_one(&mut self, duration_ms: Option<i64>, sign: i64) {
        self.count += sign;
        let Some(duration_ms) = duration_ms else {
            return;
        };
        let duration_ms = duration_ms.clamp(0, DURATION_MS_MAX);
        self.known += sign;
        self.duration_sum_ms += sign * duration_ms;
        let bucket = HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound < duration_ms);
        if let Some(sum) = self.histogram.get_mut(bucket) {
            *sum += sign;
        }
    }
}
