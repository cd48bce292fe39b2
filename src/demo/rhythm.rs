//! When made-up work happens: busy by day and in the evening, quiet at night and on weekends.
//!
//! Days are those of UTC+8, where the users of this made-up platform live. All is whole numbers, so
//! that every machine makes the same demo.

use crate::clock::Timestamp;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// UTC+8.
const LOCAL_OFFSET_MS: i64 = 8 * HOUR_MS;

/// How busy each local hour is, from midnight on.
const HOURS: [u8; 24] = [
    4, 2, 1, 1, 1, 2, 3, 6, 10, 14, 16, 15, 12, 13, 16, 17, 16, 14, 12, 14, 17, 16, 12, 8,
];

/// What is left of it on a Saturday or Sunday, in tenths.
const WEEKEND_TENTHS: u64 = 6;

/// Returns how busy a moment is: a weight, 6 at least.
pub(super) fn weight(at: Timestamp) -> u64 {
    let local = at.plus_ms(LOCAL_OFFSET_MS).0;
    let hour = usize::try_from(local.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0);
    let busy = HOURS.get(hour).copied().map_or(1, u64::from);
    // Day 0 of 1970 was a Thursday, so day 2 is a Saturday.
    let is_weekend = matches!((local.div_euclid(DAY_MS)).rem_euclid(7), 2 | 3);
    busy * if is_weekend { WEEKEND_TENTHS } else { 10 }
}

/// Deals moments out over a time by its weights, in order.
pub(super) struct Rhythm {
    begins_at: Timestamp,
    minutes: i64,
    /// The weight of all minutes.
    total: u128,
    /// The minute that the last moment was in, and the weight of those before it.
    minute: i64,
    passed: u128,
}

impl Rhythm {
    pub(super) fn new(begins_at: Timestamp, minutes: i64) -> Rhythm {
        let minutes = minutes.max(1);
        let all = (0..minutes).map(|minute| weight(begins_at.plus_ms(minute * MINUTE_MS)));
        Rhythm {
            begins_at,
            minutes,
            total: all.map(u128::from).sum(),
            minute: 0,
            passed: 0,
        }
    }

    /// Returns the moment at which `part` of `whole` has happened. Parts must not become smaller
    /// from call to call; moments then do not either.
    pub(super) fn moment(&mut self, part: u128, whole: u128) -> Timestamp {
        // In weight times milliseconds, so that a moment can be anywhere in its minute.
        let minute_ms = u128::from(MINUTE_MS.unsigned_abs());
        let point = self.total * minute_ms * part / whole.max(1);
        let mut busy = u128::from(self.weight());
        while self.minute + 1 < self.minutes && self.passed + busy * minute_ms <= point {
            self.passed += busy * minute_ms;
            self.minute += 1;
            busy = u128::from(self.weight());
        }
        let into_ms = point.saturating_sub(self.passed) / busy.max(1);
        let into_ms = i64::try_from(into_ms).unwrap_or(0).min(MINUTE_MS - 1);
        self.begins_at.plus_ms(self.minute * MINUTE_MS + into_ms)
    }

    fn weight(&self) -> u64 {
        weight(self.begins_at.plus_ms(self.minute * MINUTE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, midnight in UTC+8.
    const MONDAY: Timestamp = Timestamp(1_714_924_800_000);

    #[test]
    fn moments_come_in_order_within_the_time_and_more_of_them_by_day() {
        let mut rhythm = Rhythm::new(MONDAY, 24 * 60);
        let moments: Vec<Timestamp> = (0..10_000).map(|n| rhythm.moment(n, 10_000)).collect();
        assert!(moments.is_sorted());
        assert_eq!(moments[0], MONDAY);
        let last = moments[9_999];
        assert!(last < MONDAY.plus_ms(DAY_MS) && last > MONDAY.plus_ms(DAY_MS - HOUR_MS));
        let in_hour = |hour: i64| {
            let from = MONDAY.plus_ms(hour * HOUR_MS);
            let within = moments.iter().filter(|at| **at >= from);
            within.filter(|at| **at < from.plus_ms(HOUR_MS)).count()
        };
        assert!(
            in_hour(10) > 10 * in_hour(3),
            "{} {}",
            in_hour(10),
            in_hour(3)
        );
    }

    #[test]
    fn weekends_are_quieter() {
        let saturday = MONDAY.plus_ms(5 * DAY_MS);
        assert_eq!(weight(saturday) * 10, weight(MONDAY) * WEEKEND_TENTHS);
        assert_eq!(weight(saturday.plus_ms(2 * DAY_MS)), weight(MONDAY));
    }
}
