//! A platform that goes on: the pushes of a scenario and those after it, with odd ones among them.
//!
//! Every [`ODD_EVERY`]th push is followed by one that is not to be let in or says something odd,
//! each kind in turn. They are drawn by dice of their own, and change nothing about the others.

use crate::clock::Timestamp;
use crate::demo::Pushes;
use crate::demo::dice::Dice;
use crate::demo::odd::Odd;
use crate::notification::capture::Capture;
use crate::push::{BuildError, PushContent, Signer, build};

/// After how many pushes an odd one comes: few, but all kinds of them in a demo of some hundred
/// jobs.
pub const ODD_EVERY: u64 = 50;

/// The stream of the odd pushes' dice; those of the days are counted from 1.
const ODD_STREAM: u64 = u64::MAX;

/// One push of a living platform.
#[derive(Clone, Debug)]
pub struct LivingPush {
    pub content: PushContent,
    /// When it is to be sent.
    pub at: Timestamp,
    /// What is odd about it; mostly nothing.
    pub odd: Option<Odd>,
}

/// The pushes of a living platform, in the order of their arrival; there is always a next one.
pub struct Living {
    pushes: Pushes,
    dice: Dice,
    /// How many regular ones have been given out.
    number: u64,
    /// The odd one that comes next.
    odd: Option<LivingPush>,
}

impl LivingPush {
    /// Builds the push to `target` as it is sent at `now`, signed unless that is what is odd.
    pub fn build(
        &self,
        target: &str,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<Capture, BuildError> {
        match self.odd {
            None => build(&self.content, target, signer, now),
            Some(odd) => odd.build(&self.content, target, signer, now),
        }
    }
}

impl Living {
    pub(super) fn new(seed: u64, pushes: Pushes) -> Living {
        Living {
            pushes,
            dice: Dice::of(seed, ODD_STREAM),
            number: 0,
            odd: None,
        }
    }

    /// Returns the odd push that follows the regular one of this number.
    fn odd_after(&mut self, latest: &LivingPush) -> Option<LivingPush> {
        if !self.number.is_multiple_of(ODD_EVERY) {
            return None;
        }
        let turn = self.number / ODD_EVERY - 1;
        let turn = usize::try_from(turn).unwrap_or(0) % Odd::ALL.len();
        let odd = Odd::ALL.get(turn).copied()?;
        Some(LivingPush {
            content: odd.content(&latest.content, latest.at, &mut self.dice),
            at: latest.at,
            odd: Some(odd),
        })
    }
}

impl Iterator for Living {
    type Item = LivingPush;

    fn next(&mut self) -> Option<LivingPush> {
        if let Some(odd) = self.odd.take() {
            return Some(odd);
        }
        let push = self.pushes.next()?;
        let push = LivingPush {
            content: push.content,
            at: push.received_at,
            odd: None,
        };
        self.number += 1;
        self.odd = self.odd_after(&push);
        Some(push)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::demo::Scenario;
    use crate::demo::rhythm::{DAY_MS, HOUR_MS, MINUTE_MS};

    const DAY: Scenario = Scenario {
        jobs: 500,
        days: 1,
        seed: 1,
        ends_at: Timestamp(1_714_982_400_000),
    };

    fn until(end: Timestamp, jobs_a_minute: u32) -> Vec<LivingPush> {
        let pushes = DAY.living(jobs_a_minute);
        pushes.take_while(|push| push.at < end).collect()
    }

    #[test]
    fn it_goes_on_after_the_day_in_order_and_with_as_much_as_asked_for() {
        let end = DAY.ends_at.plus_ms(2 * HOUR_MS);
        let pushes = until(end, 4);
        assert!(pushes.is_sorted_by_key(|push| push.at));
        assert!(pushes[0].at >= DAY.ends_at.plus_ms(-DAY_MS));
        let later = pushes.iter().filter(|push| push.at >= DAY.ends_at).count();
        // 480 begin, and some of them tell twice or three times.
        assert!((480..960).contains(&later), "{later}");
        let first = pushes.iter().find(|push| push.at >= DAY.ends_at).unwrap();
        assert!(first.at < DAY.ends_at.plus_ms(MINUTE_MS));
    }

    #[test]
    fn a_run_that_is_under_way_when_the_day_ends_is_reported_after_it() {
        // In the afternoon of UTC+8, when enough is under way.
        let busy = Scenario {
            jobs: 20_000,
            ends_at: DAY.ends_at.plus_ms(-8 * HOUR_MS),
            ..DAY
        };
        let end = busy.ends_at.plus_ms(HOUR_MS);
        let pushes: Vec<LivingPush> = busy.living(4).take_while(|push| push.at < end).collect();
        let (before, after): (Vec<_>, Vec<_>) =
            pushes.iter().partition(|push| push.at < busy.ends_at);
        let runs = |pushes: &[&LivingPush], kind: &str| -> HashSet<String> {
            let messages = pushes.iter().map(|push| &push.content.message);
            let messages = messages.filter_map(|it| serde_json::from_slice::<Value>(it).ok());
            let of_kind = messages.filter(|message| message["Type"] == kind);
            of_kind
                .map(|message| message["RunId"].to_string())
                .collect()
        };
        let begun = runs(&before, "Start");
        let ended = runs(&before, "Report");
        let mut reported = runs(&after, "Report").into_iter();
        assert!(reported.any(|run| begun.contains(&run) && !ended.contains(&run)));
    }

    #[test]
    fn what_is_not_let_in_says_nothing_that_another_push_says() {
        let pushes = until(DAY.ends_at, 4);
        let of = |push: &LivingPush| {
            (
                push.content.message_id.clone(),
                push.content.message.clone(),
            )
        };
        let regular = pushes.iter().filter(|push| push.odd.is_none());
        let regular: HashSet<_> = regular.map(of).collect();
        let odd: Vec<_> = pushes.iter().filter(|push| push.odd.is_some()).collect();
        let distinct: HashSet<_> = odd.iter().map(|push| of(push)).collect();
        assert_eq!(distinct.len(), odd.len());
        assert!(regular.is_disjoint(&distinct));
    }

    #[test]
    fn every_kind_of_odd_push_is_among_some_hundred_and_they_are_few() {
        let pushes = until(DAY.ends_at, 4);
        for odd in Odd::ALL {
            assert!(pushes.iter().any(|push| push.odd == Some(odd)), "{odd:?}");
        }
        let odd = pushes.iter().filter(|push| push.odd.is_some()).count();
        assert_eq!(odd as u64, pushes.len() as u64 / (ODD_EVERY + 1));
    }
}
