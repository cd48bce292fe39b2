//! When no server was there, and whether SMQ repeated the pushes of that time for long enough.
//!
//! How a subscription repeats is set in its console, and no push says it. What tells is a push that
//! comes late: by default SMQ has given up within a minute and a half.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::Completeness;
use crate::store::lifetimes::{Downtime, Ending, downtimes};
use crate::web::completeness::{LOOKED_BACK_MS, Verdict};

/// The most downtimes that are listed, and of those that took nothing with them.
const SHOWN_MAX: usize = 100;
const FINE_SHOWN_MAX: usize = 20;

/// For so long SMQ repeats a push at the least: Backoff Retry, three times, ten seconds apart.
pub const REPEATED_MIN_MS: i64 = 30_000;

/// For so long Exponential Decay Retry repeats it: 1, 2, 4 … 512 s, then 166 times more.
pub const REPEATED_MAX_MS: i64 = 86_000_000;

/// A push that comes so late after a downtime was not repeated by Backoff Retry, which has given up by
/// then.
const LATE_MS: u64 = 3 * 60_000;

/// How long after a downtime late pushes are looked for.
const LATE_WITHIN_MS: i64 = 3 * HOUR_MS;

/// For so long a server may have been there after the last sign of life that a crash left.
const ALIVE_AT_MOST_MS: i64 = 60_000;

/// When no server was there, and what became of the pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub ending: Ending,
    /// At most: after a crash it may be less.
    pub length_ms: i64,
    /// Some may be lost if the subscription repeats by Backoff Retry, as it does unless told otherwise.
    pub backoff_may_lose: bool,
    /// Some may be lost even if it repeats by Exponential Decay Retry.
    pub decay_may_lose: bool,
    /// How late pushes came soon after it, if so late that Backoff Retry had given up: then it seems to
    /// be Exponential Decay Retry.
    pub repeated_after_ms: Option<u64>,
    pub verdict: Verdict,
}

/// Returns the downtimes that are recent, newest first.
pub fn gaps(record: &Completeness, now: Timestamp) -> Vec<Gap> {
    let since = now.plus_ms(-LOOKED_BACK_MS);
    let recent = downtimes(&record.lifetimes).into_iter();
    recent
        .filter(|downtime| downtime.to >= since)
        .map(|downtime| {
            let length_ms = downtime.length_ms();
            let backoff_may_lose = length_ms > REPEATED_MIN_MS;
            let decay_may_lose = length_ms > REPEATED_MAX_MS;
            let until = downtime.to.plus_ms(LATE_WITHIN_MS);
            let repeated_after_ms = record
                .hours
                .iter()
                .filter(|hour| is_behind(hour.at, &downtime) && hour.at <= until)
                .filter_map(|hour| hour.lag_max_ms)
                .max()
                .filter(|late_ms| backoff_may_lose && *late_ms >= LATE_MS);
            let verdict = if decay_may_lose {
                Verdict::Wrong
            } else if backoff_may_lose && repeated_after_ms.is_none() {
                Verdict::Warning
            } else {
                Verdict::Fine
            };
            Gap {
                from: downtime.from,
                to: downtime.to,
                ending: downtime.ending,
                length_ms,
                backoff_may_lose,
                decay_may_lose,
                repeated_after_ms,
                verdict,
            }
        })
        .collect()
}

/// Whether all that came in an hour came after a downtime: it began behind its end, or while nobody
/// was there to take anything. Of a shorter one within an hour nobody knows what came before.
fn is_behind(hour: Timestamp, downtime: &Downtime) -> bool {
    let began_by = match downtime.ending {
        Ending::Stopped => downtime.from,
        Ending::Crashed => downtime.from.plus_ms(ALIVE_AT_MOST_MS),
    };
    let ends_behind = hour.plus_ms(HOUR_MS) > downtime.to;
    hour >= downtime.to || (ends_behind && hour > began_by)
}

/// Leaves off what nobody would read: a server that is started over and over is down as often.
pub fn shown(mut gaps: Vec<Gap>) -> Vec<Gap> {
    let mut fine = 0;
    gaps.retain(|gap| {
        fine += usize::from(gap.verdict == Verdict::Fine);
        gap.verdict != Verdict::Fine || fine <= FINE_SHOWN_MAX
    });
    gaps.truncate(SHOWN_MAX);
    gaps
}

#[cfg(test)]
mod tests {
    use crate::store::completeness_records::{ArrivalCounts, ArrivalHour};
    use crate::store::lifetimes::Lifetime;
    use crate::web::completeness::tests::record;

    use super::*;

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    /// A server that was down for so long until an hour ago, and of what came since how late it was.
    fn down(length_ms: i64, late_ms: Option<u64>) -> Vec<Gap> {
        let life = |started_at: Timestamp, ended_at| Lifetime {
            started_at,
            alive_at: started_at,
            ended_at,
            version: String::new(),
        };
        let started_at = NOW.plus_ms(-HOUR_MS);
        let ended_at = started_at.plus_ms(-length_ms);
        let mut record = record();
        record.lifetimes = vec![life(started_at, None), life(ended_at, Some(ended_at))];
        record.hours.extend(late_ms.map(|late_ms| ArrivalHour {
            at: started_at,
            counts: ArrivalCounts::default(),
            lags: Vec::new(),
            lag_max_ms: Some(late_ms),
        }));
        gaps(&record, NOW)
    }

    #[test]
    fn a_downtime_is_as_bad_as_it_is_longer_than_a_push_is_repeated() {
        for (length_ms, expected) in [
            (0, Verdict::Fine),
            (REPEATED_MIN_MS, Verdict::Fine),
            (REPEATED_MIN_MS + 1, Verdict::Warning),
            (REPEATED_MAX_MS, Verdict::Warning),
            (REPEATED_MAX_MS + 1, Verdict::Wrong),
        ] {
            let gaps = down(length_ms, None);
            assert_eq!(gaps[0].verdict, expected, "{length_ms}");
            assert_eq!(gaps[0].length_ms, length_ms);
        }
    }

    #[test]
    fn what_comes_late_enough_was_repeated_for_long_but_not_for_ever() {
        assert_eq!(
            down(HOUR_MS, Some(LATE_MS - 1))[0].verdict,
            Verdict::Warning
        );
        let gap = &down(HOUR_MS, Some(LATE_MS))[0];
        assert_eq!(
            (gap.verdict, gap.repeated_after_ms),
            (Verdict::Fine, Some(LATE_MS))
        );
        assert_eq!(
            down(REPEATED_MAX_MS + 1, Some(LATE_MS))[0].verdict,
            Verdict::Wrong
        );
        assert_eq!(down(1_000, Some(LATE_MS))[0].repeated_after_ms, None);
    }

    #[test]
    fn what_came_late_before_a_downtime_says_nothing_of_it() {
        let hour = Timestamp(NOW.0 - NOW.0.rem_euclid(HOUR_MS));
        let minute = |minute: i64| hour.plus_ms(minute * 60_000);
        // From and to by minutes of the hour in which all is that came late; a crash or a stop.
        for (from, to, is_crash, expected) in [
            (20, 30, false, Verdict::Warning),
            (-20, 30, false, Verdict::Fine),
            (-20, 30, true, Verdict::Fine),
            (0, 30, false, Verdict::Warning),
            (-1, 30, true, Verdict::Warning),
            (20, 70, false, Verdict::Warning),
            (-20, 0, false, Verdict::Fine),
            (-200, -190, false, Verdict::Warning),
        ] {
            let (from, to) = (minute(from), minute(to));
            let mut record = record();
            let life = |started_at: Timestamp, ended_at: Option<Timestamp>| Lifetime {
                started_at,
                alive_at: ended_at.unwrap_or(from),
                ended_at,
                version: String::new(),
            };
            let before = life(from.plus_ms(-HOUR_MS), (!is_crash).then_some(from));
            record.lifetimes = vec![life(to, None), before];
            record.hours.push(ArrivalHour {
                at: hour,
                counts: ArrivalCounts::default(),
                lags: Vec::new(),
                lag_max_ms: Some(LATE_MS),
            });
            let gap = &gaps(&record, hour.plus_ms(2 * HOUR_MS))[0];
            assert_eq!(gap.verdict, expected, "{from:?} {to:?} {is_crash}");
        }
    }

    #[test]
    fn fine_ones_are_left_off_before_others() {
        let fine = down(1_000, None).remove(0);
        let bad = down(HOUR_MS, None).remove(0);
        let mut gaps = vec![fine; FINE_SHOWN_MAX + 9];
        gaps.push(bad.clone());
        let gaps = shown(gaps);
        assert_eq!(gaps.len(), FINE_SHOWN_MAX + 1);
        assert_eq!(gaps.last(), Some(&bad));
        assert_eq!(shown(vec![bad; SHOWN_MAX + 1]).len(), SHOWN_MAX);
    }

    #[test]
    fn after_a_week_a_downtime_is_told_no_more() {
        let life = |at: i64| Lifetime {
            started_at: NOW.plus_ms(at),
            alive_at: NOW.plus_ms(at),
            ended_at: None,
            version: String::new(),
        };
        let mut record = record();
        record.lifetimes = vec![life(-LOOKED_BACK_MS), life(-LOOKED_BACK_MS - HOUR_MS)];
        assert_eq!(gaps(&record, NOW).len(), 1);
        assert_eq!(gaps(&record, NOW.plus_ms(1)).len(), 0);
    }
}
