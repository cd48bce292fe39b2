//! Whether it is unusual that a source has been silent for so long.
//!
//! What is usual is what came in the same hours of the 28 days before the silence: the silence moved
//! back by a day, by two, and so on, as far as it does not reach into itself. A source that
//! works in office hours, by night or once a day is silent for long as a rule, so no rate is
//! reckoned and no distribution assumed: the silence is unusual if in that time of day something came
//! on nine of ten days, or on each of the last three or four same weekdays. Without three days to
//! compare with, nothing is unusual.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::SourceArrivals;
use crate::web::pages::lanes::numbers::median;

/// The days compared with.
const DAYS: i64 = 28;

/// Fewer to compare with say nothing.
const DAYS_MIN: usize = 3;

/// The most hours of a silence that are compared: a whole week has every hour of the week.
const HOURS_MAX: i64 = 7 * 24;

/// Of ten days with something in those hours, so many make it usual.
const USUAL_OF_TEN: usize = 9;

/// A source, and when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silence {
    pub source: String,
    pub last_taken_at: Option<Timestamp>,
    pub silent_ms: Option<i64>,
    /// How many come in such a time, by the median of the days compared with; `None` if they are too
    /// few.
    pub usual: Option<Usual>,
    pub is_unusual: bool,
}

/// What comes in some hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usual {
    pub taken: u64,
    pub hours: u64,
}

impl Silence {
    /// Judges by what came before.
    pub fn of(arrivals: &SourceArrivals, now: Timestamp) -> Silence {
        let Some(last) = arrivals.last_taken_at else {
            return Silence {
                source: arrivals.name.clone(),
                last_taken_at: None,
                silent_ms: None,
                usual: None,
                is_unusual: false,
            };
        };
        // Whole hours alone are compared: in a part of one there may be nothing on any day.
        let begin = hour(last) + 1;
        let whole = (hour(now) - begin).clamp(0, HOURS_MAX);
        // Without a whole one there is nothing to judge, and this hour is what is usual now.
        let begin = begin.min(hour(now));
        let compared = compared(arrivals, begin, whole.max(1));
        let usual = (compared.len() >= DAYS_MIN).then(|| {
            let counts = compared.iter().map(|(_, taken)| *taken).collect();
            Usual {
                taken: median(counts).unwrap_or(0).unsigned_abs(),
                hours: whole.max(1).unsigned_abs(),
            }
        });
        Silence {
            source: arrivals.name.clone(),
            last_taken_at: Some(last),
            silent_ms: Some(now.since_ms(last).max(0)),
            usual,
            is_unusual: whole > 0 && is_unusual(&compared),
        }
    }
}

/// Returns for each day before how many came in those hours of it, with how many days ago that was.
fn compared(arrivals: &SourceArrivals, begin: i64, hours: i64) -> Vec<(i64, i64)> {
    let taken: BTreeMap<i64, i64> = arrivals
        .taken
        .iter()
        .map(|(at, taken)| (hour(*at), i64::try_from(*taken).unwrap_or(i64::MAX)))
        .collect();
    let first = arrivals.first_hour.map_or(i64::MAX, hour);
    let mut compared = Vec::new();
    for day in 1..=DAYS {
        let from = begin - 24 * day;
        if from < first {
            break;
        }
        if from + hours > begin {
            continue;
        }
        let sum = taken.range(from..from + hours).map(|(_, taken)| *taken);
        compared.push((day, sum.fold(0, i64::saturating_add)));
    }
    compared
}

fn is_unusual(compared: &[(i64, i64)]) -> bool {
    let had_some = |of: &[(i64, i64)]| of.iter().filter(|(_, taken)| *taken > 0).count();
    let same_weekday: Vec<(i64, i64)> = compared
        .iter()
        .filter(|(day, _)| day % 7 == 0)
        .copied()
        .collect();
    let is_daily =
        compared.len() >= DAYS_MIN && had_some(compared) * 10 >= compared.len() * USUAL_OF_TEN;
    let is_weekly = same_weekday.len() >= DAYS_MIN && had_some(&same_weekday) == same_weekday.len();
    is_daily || is_weekly
}

/// Returns the number of the hour since 1970.
fn hour(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use crate::notification::source::SourceId;

    use super::*;

    /// A Monday, 00:00.
    const MONDAY: i64 = 1_714_953_600_000;

    /// A source to which so many came in each of these hours since four weeks before [`MONDAY`].
    fn arrivals(days: i64, last_hour: i64, came: impl Fn(i64, i64) -> u64) -> SourceArrivals {
        let first = 24 * (28 - days);
        let taken: Vec<(Timestamp, u64)> = (first..=28 * 24 + last_hour)
            .map(|at| (at, came(at / 24 % 7, at % 24)))
            .filter(|(_, taken)| *taken > 0)
            .map(|(at, taken)| (Timestamp(MONDAY + (at - 28 * 24) * HOUR_MS), taken))
            .collect();
        SourceArrivals {
            id: SourceId(1),
            name: "default".to_owned(),
            last_taken_at: taken.last().map(|(at, _)| at.plus_ms(10 * 60_000)),
            first_hour: taken.first().map(|(at, _)| *at),
            taken,
        }
    }

    /// Whether it is unusual at that hour and minute since [`MONDAY`], and how many an hour are usual.
    fn silence(arrivals: &SourceArrivals, hour: i64, minute: i64) -> (bool, Option<u64>) {
        let now = Timestamp(MONDAY + hour * HOUR_MS + minute * 60_000);
        let silence = Silence::of(arrivals, now);
        let usual = silence.usual.map(|usual| usual.taken / usual.hours);
        (silence.is_unusual, usual)
    }

    #[test]
    fn where_forty_come_an_hour_a_whole_hour_without_any_is_unusual() {
        let steady = arrivals(28, 9, |_, _| 40);
        assert_eq!(silence(&steady, 10, 59), (false, Some(40)));
        assert_eq!(silence(&steady, 11, 0), (true, Some(40)));
        assert_eq!(silence(&steady, 15, 0), (true, Some(40)));
        // However long it lasts, it is compared with what came before it.
        assert_eq!(silence(&steady, 100 * 24, 0), (true, Some(40)));
    }

    #[test]
    fn with_less_than_three_days_nothing_is_unusual() {
        let young = arrivals(2, 9, |_, _| 40);
        assert_eq!(silence(&young, 15, 0), (false, None));
        let older = arrivals(3, 9, |_, _| 40);
        assert_eq!(silence(&older, 15, 0), (true, Some(40)));
    }

    #[test]
    fn nights_and_weekends_are_silent_and_working_days_are_not() {
        let office = |last_hour| {
            arrivals(28, last_hour, |weekday, hour| {
                if weekday < 5 && (9..18).contains(&hour) {
                    12
                } else {
                    0
                }
            })
        };
        // Monday at 17:10; the night, then Tuesday at 9:00, at 10:00.
        assert_eq!(silence(&office(17), 24 + 9, 0), (false, Some(0)));
        let (is_unusual, _) = silence(&office(17), 24 + 10, 0);
        assert!(is_unusual);
        // Friday at 17:10; the weekend.
        let friday = office(4 * 24 + 17);
        assert!(!silence(&friday, 5 * 24 + 8, 0).0);
        assert!(!silence(&friday, 7 * 24 + 9, 30).0);
        assert!(silence(&friday, 7 * 24 + 10, 0).0);
    }

    #[test]
    fn a_source_of_which_nothing_came_is_not_judged() {
        let mut none = arrivals(28, 9, |_, _| 0);
        none.last_taken_at = None;
        let silence = Silence::of(&none, Timestamp(MONDAY));
        assert_eq!((silence.is_unusual, silence.silent_ms), (false, None));
    }
}
