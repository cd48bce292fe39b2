//! What came hour by hour and day by day: the hours of the store, with those in which nothing came.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::{ArrivalCounts, ArrivalHour};
use crate::store::lane_records::Durations;
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;
use crate::web::pages::lanes::numbers::quantile_ms;
use crate::web::texts::Language;
use crate::web::viewer::Viewer;

/// Days in the table.
const DAYS_SHOWN: usize = 30;

/// Hours in the table.
const HOURS_SHOWN: usize = 24;

/// What came in an hour or a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub from: Timestamp,
    pub to: Timestamp,
    #[serde(flatten)]
    pub counts: ArrivalCounts,
    pub lag_median_ms: Option<u64>,
    pub lag_p95_ms: Option<u64>,
    pub lag_max_ms: Option<u64>,
}

/// Returns the last hours, newest first, none from before `first`.
pub fn hours(hours: &[ArrivalHour], first: Option<Timestamp>, now: Timestamp) -> Vec<Row> {
    rows(hours, first, now, HOURS_SHOWN, |at| at.0)
}

/// Returns the last days of `zone`, newest first, none from before `first`.
pub fn days(hours: &[ArrivalHour], first: Option<Timestamp>, now: Timestamp, zone: Tz) -> Vec<Row> {
    let viewer = Viewer {
        language: Language::English,
        zone,
    };
    let day_of = |at: Timestamp| {
        let text = viewer.time_text(at);
        text.split_once(' ')
            .map_or(text.clone(), |(day, _)| day.to_owned())
    };
    rows(hours, first, now, DAYS_SHOWN, day_of)
}

/// Groups the hours up to now, those in which nothing came as well, and returns the newest groups,
/// newest first; none from before `first`.
fn rows<K: PartialEq>(
    hours: &[ArrivalHour],
    first: Option<Timestamp>,
    now: Timestamp,
    rows_max: usize,
    key_of: impl Fn(Timestamp) -> K,
) -> Vec<Row> {
    let Some(first) = first else {
        return Vec::new();
    };
    let known: BTreeMap<Timestamp, &ArrivalHour> =
        hours.iter().map(|hour| (hour.at, hour)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut newest: Option<(K, Group)> = None;
    let mut at = Timestamp(now.0 - now.0.rem_euclid(HOUR_MS));
    let first = Timestamp(first.0 - first.0.rem_euclid(HOUR_MS));
    while at >= first {
        let key = key_of(at);
        let is_other = newest.as_ref().is_some_and(|(known, _)| *known != key);
        if is_other && let Some((_, group)) = newest.take() {
            rows.push(group.row());
            if rows.len() == rows_max {
                return rows;
            }
        }
        let (_, group) = newest.get_or_insert_with(|| (key, Group::until(at.plus_ms(HOUR_MS))));
        group.from = at;
        if let Some(hour) = known.get(&at) {
            group.add(hour);
        }
        at = at.plus_ms(-HOUR_MS);
    }
    rows.extend(newest.map(|(_, group)| group.row()));
    rows
}

/// Hours that make a row.
struct Group {
    from: Timestamp,
    to: Timestamp,
    counts: ArrivalCounts,
    lags: Durations,
    lag_max_ms: Option<u64>,
}

impl Group {
    fn until(to: Timestamp) -> Group {
        Group {
            from: to,
            to,
            counts: ArrivalCounts::default(),
            lags: Durations {
                known: 0,
                of: 0,
                sum_ms: 0,
                histogram: vec![0; HISTOGRAM_BOUNDS_MS.len() + 1],
            },
            lag_max_ms: None,
        }
    }

    fn add(&mut self, hour: &ArrivalHour) {
        self.counts.add(hour.counts);
        self.lag_max_ms = self.lag_max_ms.max(hour.lag_max_ms);
        for (sum, count) in self.lags.histogram.iter_mut().zip(&hour.lags) {
            *sum = sum.saturating_add(*count);
        }
    }

    fn row(self) -> Row {
        // A histogram says about; what was the longest is known.
        let quantile = |percent| quantile_ms(&self.lags, percent).min(self.lag_max_ms);
        Row {
            from: self.from,
            to: self.to,
            counts: self.counts,
            lag_median_ms: quantile(50),
            lag_p95_ms: quantile(95),
            lag_max_ms: self.lag_max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-10-29, 12:30 UTC; two days before, clocks in Berlin went back.
    const NOW: Timestamp = Timestamp(1_730_205_000_000);

    fn hour(ago: i64, stored: u64) -> ArrivalHour {
        let mut lags = vec![0; HISTOGRAM_BOUNDS_MS.len() + 1];
        lags[0] = stored;
        ArrivalHour {
            at: Timestamp(NOW.0 - 30 * 60_000 - ago * HOUR_MS),
            counts: ArrivalCounts {
                stored,
                ..ArrivalCounts::default()
            },
            lags,
            lag_max_ms: Some(200),
        }
    }

    #[test]
    fn days_are_those_of_the_zone_and_none_is_left_out() {
        let stored = [
            hour(0, 1),
            hour(11, 2),
            hour(12, 4),
            hour(13, 8),
            hour(4 * 24, 16),
        ];
        let first = Some(stored[4].at);
        let berlin = days(&stored, first, NOW, Tz::Europe__Berlin);
        let lengths: Vec<i64> = berlin
            .iter()
            .map(|day| day.to.since_ms(day.from) / HOUR_MS)
            .collect();
        // Today so far, and since the first hour on the oldest.
        assert_eq!(lengths, [14, 24, 25, 24, 10]);
        let stored_on: Vec<u64> = berlin.iter().map(|day| day.counts.stored).collect();
        assert_eq!(stored_on, [15, 0, 0, 0, 16]);
        assert!(berlin.windows(2).all(|two| two[1].to == two[0].from));
        let utc = days(&stored, first, NOW, Tz::UTC);
        assert_eq!((utc[0].counts.stored, utc[1].counts.stored), (7, 8));
    }

    #[test]
    fn no_more_rows_than_are_shown_and_none_before_anything_was_there() {
        let long_ago = Some(Timestamp(0));
        assert_eq!(days(&[], long_ago, NOW, Tz::UTC).len(), DAYS_SHOWN);
        assert_eq!(hours(&[], long_ago, NOW).len(), HOURS_SHOWN);
        assert_eq!(hours(&[], Some(NOW), NOW).len(), 1);
        assert!(hours(&[], None, NOW).is_empty());
    }

    #[test]
    fn about_is_never_more_than_the_longest() {
        let row = hours(&[hour(0, 3)], Some(NOW), NOW).remove(0);
        let lags = [row.lag_median_ms, row.lag_p95_ms, row.lag_max_ms];
        assert_eq!(lags, [Some(200); 3]);
    }
}
