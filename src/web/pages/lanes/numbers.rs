//! What is reckoned from a lane's counts: whether it fails, shares, medians, how many an hour.
//!
//! Pure. What is not known is `None` and never 0, and no share is rounded to all or nothing unless it
//! is all or nothing.

use crate::clock::{Timestamp, Window};
use crate::store::lane_records::{Durations, Ended};
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;
use crate::web::texts::words::grouped;

/// A lane fails now if so many of what ended in the last hour failed, or all of it did.
pub const FAILING_MIN: u64 = 3;

/// And if it is at least this share of what ended, in per cent.
pub const FAILING_PERCENT: u64 = 10;

const HOUR_MS: u64 = 3_600_000;

/// Tells whether a lane fails now, by what ended in the last hour.
pub fn is_failing(last_hour: Ended) -> bool {
    let (bad, all) = (failures(last_hour), last_hour.total());
    let is_much = bad >= FAILING_MIN && bad.saturating_mul(100) >= all * FAILING_PERCENT;
    bad > 0 && (is_much || bad == all)
}

/// Returns how much failed, wholly or in part.
pub fn failures(ended: Ended) -> u64 {
    ended.failed.saturating_add(ended.partial)
}

/// Returns the share that succeeded of what succeeded or failed, wholly or in part.
pub fn success_share(ended: Ended) -> Option<String> {
    let of = ended.succeeded.saturating_add(failures(ended));
    share(ended.succeeded, of)
}

/// Returns a share in per cent, rounded down to a tenth; `None` of nothing.
pub fn share(part: u64, of: u64) -> Option<String> {
    if of == 0 {
        return None;
    }
    let tenths = u128::from(part) * 1_000 / u128::from(of);
    Some(match tenths {
        0 if part > 0 => "< 0.1 %".to_owned(),
        0 => "0 %".to_owned(),
        1_000 => "100 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    })
}

/// Returns about how long that part of the known durations was at most, in per cent: 50 gives the
/// median. A histogram does not say it more exactly.
pub fn quantile_ms(durations: &Durations, percent: u64) -> Option<u64> {
    let known: u64 = durations.histogram.iter().sum();
    if known == 0 {
        return None;
    }
    let rank = (u128::from(known) * u128::from(percent))
        .div_ceil(100)
        .max(1);
    let mut below: u128 = 0;
    let mut lower: u64 = 0;
    for (at, count) in durations.histogram.iter().enumerate() {
        // The last bucket has no upper bound: what is in it is at least as long as its lower one.
        let bound = HISTOGRAM_BOUNDS_MS.get(at);
        let upper = bound.map_or(lower, |bound| bound.unsigned_abs());
        let count = u128::from(*count);
        if count > 0 && rank <= below + count {
            let within = u128::from(upper - lower) * (rank - below) / count;
            return Some(lower + u64::try_from(within).unwrap_or(0));
        }
        below += count;
        lower = upper;
    }
    Some(lower)
}

/// Returns the mean of the known durations.
pub fn mean_ms(durations: &Durations) -> Option<u64> {
    durations.sum_ms.checked_div(durations.known)
}

/// Returns how many ended an hour, over the part of the window that has passed.
pub fn per_hour(ended: u64, window: Window, now: Timestamp) -> String {
    let until = window.to().min(now.max(window.from()));
    let passed = until.since_ms(window.from()).unsigned_abs().max(1);
    let tenths = u128::from(ended) * u128::from(HOUR_MS) * 10 / u128::from(passed);
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    match tenths {
        0 if ended > 0 => "< 0.1".to_owned(),
        0 => "0".to_owned(),
        1..100 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => grouped(tenths / 10),
    }
}

/// Returns the middle one, the lower of two.
pub fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(succeeded: u64, failed: u64, partial: u64) -> Ended {
        Ended {
            succeeded,
            partial,
            failed,
            ..Ended::default()
        }
    }

    fn durations(counts: &[(usize, u64)]) -> Durations {
        let mut histogram = vec![0; HISTOGRAM_BOUNDS_MS.len() + 1];
        for (at, count) in counts {
            histogram[*at] = *count;
        }
        Durations {
            known: histogram.iter().sum(),
            histogram,
            ..Durations::default()
        }
    }

    #[test]
    fn a_lane_fails_by_three_and_a_tenth_or_by_all() {
        for (succeeded, failed, partial, expected) in [
            (0, 0, 0, false),
            (5, 0, 0, false),
            (0, 1, 0, true),
            (0, 0, 1, true),
            (1, 1, 0, false),
            (18, 2, 0, false),
            (27, 2, 1, true),
            (28, 3, 0, false),
            (1_000, 100, 0, false),
            (900, 100, 0, true),
        ] {
            let last_hour = ended(succeeded, failed, partial);
            assert_eq!(is_failing(last_hour), expected, "{last_hour:?}");
        }
    }

    #[test]
    fn a_share_is_all_or_nothing_only_if_it_is() {
        for (part, of, expected) in [
            (0, 0, None),
            (0, 9, Some("0 %")),
            (1, 10_000, Some("< 0.1 %")),
            (9_999, 10_000, Some("99.9 %")),
            (2, 3, Some("66.6 %")),
            (7, 7, Some("100 %")),
        ] {
            assert_eq!(share(part, of).as_deref(), expected, "{part} of {of}");
        }
        assert_eq!(success_share(ended(3, 1, 0)).unwrap(), "75.0 %");
        let skipped = Ended {
            skipped: 5,
            ..Ended::default()
        };
        assert_eq!(success_share(skipped), None);
    }

    #[test]
    fn a_median_lies_in_the_bucket_that_has_it() {
        assert_eq!(quantile_ms(&durations(&[]), 50), None);
        let mut lower = 0;
        for (at, upper) in HISTOGRAM_BOUNDS_MS.iter().enumerate() {
            let found = quantile_ms(&durations(&[(at, 8)]), 50).unwrap();
            let bucket = lower..=upper.unsigned_abs();
            assert!(bucket.contains(&found), "{found} in {bucket:?}");
            lower = upper.unsigned_abs();
        }
        let last = HISTOGRAM_BOUNDS_MS.len();
        let longest = HISTOGRAM_BOUNDS_MS[last - 1].unsigned_abs();
        assert_eq!(quantile_ms(&durations(&[(last, 3)]), 50), Some(longest));
        let two = durations(&[(2, 90), (8, 10)]);
        assert!(quantile_ms(&two, 50) < quantile_ms(&two, 95));
    }

    #[test]
    fn how_many_an_hour_counts_the_time_that_has_passed() {
        let window = Window::new(Timestamp(0), Timestamp(36_000_000)).unwrap();
        let now = Timestamp(18_000_000);
        assert_eq!(per_hour(50, window, now), "10");
        assert_eq!(per_hour(4, window, now), "0.8");
        assert_eq!(per_hour(50, window, Timestamp(i64::MAX)), "5.0");
        assert_eq!(per_hour(0, window, now), "0");
        let month = Window::new(Timestamp(0), Timestamp(2_592_000_000)).unwrap();
        assert_eq!(per_hour(1, month, Timestamp(i64::MAX)), "< 0.1");
        assert_eq!(per_hour(0, window, Timestamp(-5)), "0");
    }

    #[test]
    fn the_middle_of_a_few_is_one_of_them() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7]), Some(7));
        assert_eq!(median(vec![9, 1]), Some(1));
        assert_eq!(median(vec![9, 1, 4]), Some(4));
    }
}
