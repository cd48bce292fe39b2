//! When no server was there, and whether SMQ repeated the pushes of that time for long enough.
//!
//! How a subscription repeats is set in its console, and no push says it. What tells is a push that
//! comes late: by default SMQ has given up within a minute and a half.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::Completeness;
use crate::store::lifetimes::{Ending, downtimes};
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
                .filter(|hour| hour.at.plus_ms(HOUR_MS) > downtime.to && hour.at <= until)
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
