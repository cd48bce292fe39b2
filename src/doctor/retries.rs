//! What SMQ repeats, and so what a downtime may have cost: for `doctor` and `/completeness`.
//!
//! How a subscription repeats is set in its console, and no push says it. What tells is the
//! configuration, if somebody has written it there; else a push that comes late soon after a downtime,
//! since Backoff Retry has given up within a minute and a half. Repeats of what was taken tell nothing:
//! each has its first answer lost, and is not repeated again once the second arrives. Those of what is
//! held may be another account's, with another policy.

use crate::doctor::ConfiguredSource;
use crate::notification::source::RetryPolicy;
use crate::store::lifetimes::{Downtime, LATE_WITHIN_MS, Lifetime};

/// For so long SMQ repeats a push at the least: Backoff Retry, three times, ten seconds apart.
pub const REPEATED_MIN_MS: i64 = 30_000;

/// For so long Exponential Decay Retry repeats it: 1, 2, 4 … 512 s, then 166 times more.
pub const REPEATED_MAX_MS: i64 = 86_000_000;

/// What a downtime may have cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// SMQ repeated every push for longer than that.
    Nothing,
    /// What SMQ gave up, if it repeats by Backoff Retry.
    IfBackoff,
    /// What SMQ gave up, however it repeats.
    Whatever,
}

/// Returns the policy that gives up first, of all sources; not known if one of them is not and none
/// gives up sooner.
pub fn weakest(sources: &[ConfiguredSource]) -> RetryPolicy {
    let policies = || sources.iter().map(|source| source.retry_policy);
    if policies().any(|policy| policy == RetryPolicy::Backoff) {
        RetryPolicy::Backoff
    } else if sources.is_empty() || policies().any(|policy| policy == RetryPolicy::Unknown) {
        RetryPolicy::Unknown
    } else {
        RetryPolicy::ExponentialDecay
    }
}

/// Returns how late pushes came soon after a downtime, if so late that Backoff Retry had given up.
pub fn late_ms(downtime: &Downtime, lifetimes: &[Lifetime]) -> Option<i64> {
    let soon = lifetimes.iter().filter(|life| {
        let after_ms = life.started_at.since_ms(downtime.to);
        (0..=LATE_WITHIN_MS).contains(&after_ms)
    });
    soon.filter_map(|life| life.late_ms).max()
}

/// Judges a downtime by its length, the policy, and how late pushes came after it.
pub fn loss(length_ms: i64, policy: RetryPolicy, late_ms: Option<i64>) -> Loss {
    let is_decay = match policy {
        RetryPolicy::ExponentialDecay => true,
        RetryPolicy::Backoff => false,
        RetryPolicy::Unknown => late_ms.is_some(),
    };
    match length_ms {
        _ if length_ms > REPEATED_MAX_MS => Loss::Whatever,
        _ if length_ms > REPEATED_MIN_MS && !is_decay => Loss::IfBackoff,
        _ => Loss::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::store::lifetimes::Ending;

    use super::*;

    const NOON: Timestamp = Timestamp(1_714_982_400_000);

    #[test]
    fn the_policy_of_all_is_that_which_gives_up_first() {
        use RetryPolicy::{Backoff, ExponentialDecay, Unknown};
        for (policies, expected) in [
            (&[][..], Unknown),
            (&[Unknown], Unknown),
            (&[ExponentialDecay], ExponentialDecay),
            (&[ExponentialDecay, Unknown], Unknown),
            (&[ExponentialDecay, Unknown, Backoff], Backoff),
        ] {
            let source = |policy: &RetryPolicy| ConfiguredSource {
                retry_policy: *policy,
                ..ConfiguredSource::default()
            };
            let sources: Vec<_> = policies.iter().map(source).collect();
            assert_eq!(weakest(&sources), expected, "{policies:?}");
        }
    }

    #[test]
    fn a_downtime_costs_nothing_while_smq_repeats_for_longer() {
        use Loss::{IfBackoff, Nothing, Whatever};
        use RetryPolicy::{Backoff, ExponentialDecay, Unknown};
        let late = Some(200_000);
        for (length_ms, policy, late_ms, expected) in [
            (0, Unknown, None, Nothing),
            (REPEATED_MIN_MS, Backoff, None, Nothing),
            (REPEATED_MIN_MS + 1, Backoff, None, IfBackoff),
            (REPEATED_MIN_MS + 1, Backoff, late, IfBackoff),
            (REPEATED_MIN_MS + 1, Unknown, None, IfBackoff),
            (REPEATED_MIN_MS + 1, Unknown, late, Nothing),
            (REPEATED_MIN_MS + 1, ExponentialDecay, None, Nothing),
            (REPEATED_MAX_MS, ExponentialDecay, None, Nothing),
            (REPEATED_MAX_MS + 1, ExponentialDecay, late, Whatever),
            (REPEATED_MAX_MS + 1, Unknown, late, Whatever),
        ] {
            let found = loss(length_ms, policy, late_ms);
            assert_eq!(found, expected, "{length_ms} {policy:?} {late_ms:?}");
        }
    }

    #[test]
    fn what_came_late_before_a_downtime_or_long_after_it_says_nothing_of_it() {
        let life = |started_ms: i64, late_ms| Lifetime {
            started_at: NOON.plus_ms(started_ms),
            alive_at: NOON,
            ended_at: None,
            late_ms,
            version: String::new(),
        };
        let downtime = Downtime {
            from: NOON.plus_ms(-600_000),
            to: NOON,
            ending: Ending::Stopped,
        };
        let before = life(-700_000, Some(999_000));
        for (lives, expected) in [
            (vec![life(0, None), before.clone()], None),
            (vec![life(0, Some(200_000)), before.clone()], Some(200_000)),
            (
                vec![life(LATE_WITHIN_MS, Some(300_000)), life(0, Some(200_000))],
                Some(300_000),
            ),
            (
                vec![life(LATE_WITHIN_MS + 1, Some(300_000)), life(0, None)],
                None,
            ),
        ] {
            assert_eq!(late_ms(&downtime, &lives), expected, "{lives:?}");
        }
    }
}
