//! When no server was there, and whether SMQ repeated the pushes of that time for long enough.
//!
//! What is known of how SMQ repeats stands in `doctor/retries.rs`.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::doctor::retries::{Loss, REPEATED_MAX_MS, REPEATED_MIN_MS, late_ms, loss};
use crate::notification::source::RetryPolicy;
use crate::store::completeness_records::Completeness;
use crate::store::lifetimes::{Ending, downtimes};
use crate::web::completeness::{LOOKED_BACK_MS, Verdict};

/// The most downtimes that are listed, and of those that took nothing with them.
const SHOWN_MAX: usize = 100;
const FINE_SHOWN_MAX: usize = 20;

/// When no server was there, and what became of the pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub ending: Ending,
    /// At most: after a crash it may be less.
    pub length_ms: i64,
    /// As the configuration says it, of the source that repeats for the shortest time.
    pub retry_policy: Option<&'static str>,
    /// Some may be lost if the subscription repeats by Backoff Retry, as it does unless told otherwise.
    pub backoff_may_lose: bool,
    /// Some may be lost even if it repeats by Exponential Decay Retry.
    pub decay_may_lose: bool,
    /// How late pushes came soon after it, if so late that Backoff Retry had given up: then it seems to
    /// be Exponential Decay Retry.
    pub repeated_after_ms: Option<i64>,
    pub verdict: Verdict,
}

/// Returns the downtimes that are recent, newest first, judged by the policy that gives up first.
pub fn gaps(record: &Completeness, policy: RetryPolicy, now: Timestamp) -> Vec<Gap> {
    let since = now.plus_ms(-LOOKED_BACK_MS);
    let recent = downtimes(&record.lifetimes).into_iter();
    recent
        .filter(|downtime| downtime.to >= since)
        .map(|downtime| {
            let length_ms = downtime.length_ms();
            let backoff_may_lose = length_ms > REPEATED_MIN_MS;
            let late_ms = late_ms(&downtime, &record.lifetimes);
            Gap {
                from: downtime.from,
                to: downtime.to,
                ending: downtime.ending,
                length_ms,
                retry_policy: policy.word(),
                backoff_may_lose,
                decay_may_lose: length_ms > REPEATED_MAX_MS,
                repeated_after_ms: late_ms.filter(|_| backoff_may_lose),
                verdict: match loss(length_ms, policy, late_ms) {
                    Loss::Nothing => Verdict::Fine,
                    Loss::IfBackoff => Verdict::Warning,
                    Loss::Whatever => Verdict::Wrong,
                },
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

#[cfg(test)]
mod tests {
    use crate::store::arrivals::HOUR_MS;
    use crate::store::lifetimes::Lifetime;
    use crate::web::completeness::tests::record;

    use super::*;

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    /// A server that was down for so long until an hour ago, and of what came since how late it was.
    fn down(length_ms: i64, policy: RetryPolicy, late_ms: Option<i64>) -> Gap {
        let life = |started_at: Timestamp, ended_at, late_ms| Lifetime {
            started_at,
            alive_at: started_at,
            ended_at,
            late_ms,
            version: String::new(),
        };
        let started_at = NOW.plus_ms(-HOUR_MS);
        let ended_at = started_at.plus_ms(-length_ms);
        let mut record = record();
        record.lifetimes = vec![
            life(started_at, None, late_ms),
            life(ended_at, Some(ended_at), None),
        ];
        gaps(&record, policy, NOW).remove(0)
    }

    #[test]
    fn a_downtime_is_as_bad_as_it_is_longer_than_a_push_is_repeated() {
        for (length_ms, expected, if_decay) in [
            (0, Verdict::Fine, Verdict::Fine),
            (REPEATED_MIN_MS, Verdict::Fine, Verdict::Fine),
            (REPEATED_MIN_MS + 1, Verdict::Warning, Verdict::Fine),
            (REPEATED_MAX_MS, Verdict::Warning, Verdict::Fine),
            (REPEATED_MAX_MS + 1, Verdict::Wrong, Verdict::Wrong),
        ] {
            let gap = down(length_ms, RetryPolicy::Unknown, None);
            assert_eq!(gap.verdict, expected, "{length_ms}");
            assert_eq!((gap.length_ms, gap.retry_policy), (length_ms, None));
            let gap = down(length_ms, RetryPolicy::ExponentialDecay, None);
            assert_eq!(gap.verdict, if_decay, "{length_ms}");
            assert_eq!(gap.retry_policy, Some("EXPONENTIAL_DECAY_RETRY"));
        }
    }

    #[test]
    fn what_comes_late_enough_was_repeated_for_long_but_not_for_ever() {
        let late = Some(200_000);
        for (length_ms, policy, verdict, repeated_after_ms) in [
            (HOUR_MS, RetryPolicy::Unknown, Verdict::Fine, late),
            (HOUR_MS, RetryPolicy::Backoff, Verdict::Warning, late),
            (
                REPEATED_MAX_MS + 1,
                RetryPolicy::Unknown,
                Verdict::Wrong,
                late,
            ),
            (1_000, RetryPolicy::Unknown, Verdict::Fine, None),
        ] {
            let gap = down(length_ms, policy, late);
            assert_eq!(gap.verdict, verdict, "{length_ms}");
            assert_eq!(gap.repeated_after_ms, repeated_after_ms, "{length_ms}");
        }
    }

    #[test]
    fn fine_ones_are_left_off_before_others() {
        let fine = down(1_000, RetryPolicy::Unknown, None);
        let bad = down(HOUR_MS, RetryPolicy::Unknown, None);
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
            late_ms: None,
            version: String::new(),
        };
        let mut record = record();
        record.lifetimes = vec![life(-LOOKED_BACK_MS), life(-LOOKED_BACK_MS - HOUR_MS)];
        assert_eq!(gaps(&record, RetryPolicy::Unknown, NOW).len(), 1);
        assert_eq!(gaps(&record, RetryPolicy::Unknown, NOW.plus_ms(1)).len(), 0);
    }
}
