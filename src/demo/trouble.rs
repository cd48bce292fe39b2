//! What goes wrong, when and where: failures come in clusters, as they do in life.
//!
//! Each day has one hour in which somebody uploads broken files to one queue, each third day an
//! outage in which MPS may not read the buckets. Between them a few jobs fail for other reasons.

use crate::clock::Timestamp;
use crate::demo::dice::Dice;
use crate::demo::rhythm::{self, DAY_MS, HOUR_MS, MINUTE_MS};

/// A code and a text, in MPS's words.
pub(super) type Failure = (&'static str, &'static str);

/// The most frequent failure of all.
pub(super) const CONTENT_BAD: Failure = (
    "InvalidParameter.ResourceContentBad",
    "The resource operated \"InputFile\" is bad",
);

pub(super) const NO_ACCESS: Failure = (
    "PermissionDenied.ResourceAccess",
    "The resource operated \"InputFile\" cannot be accessed",
);

/// What fails outside the clusters; the frequent ones stand here more than once.
const EVERYDAY: &[Failure] = &[
    CONTENT_BAD,
    CONTENT_BAD,
    CONTENT_BAD,
    (
        "InvalidParameter.ResourceNotFound",
        "The resource operated \"InputFile\" cannot be found",
    ),
    (
        "InvalidParameter.ResourceNotFound",
        "The resource operated \"InputFile\" cannot be found",
    ),
    (
        "InvalidParameter.NoAudioStream",
        "The resource operated \"InputFile\" has no audio stream",
    ),
    (
        "InternalError",
        "The request processing has failed due to some unknown error",
    ),
];

/// Of a thousand jobs, how many fail on an everyday.
const EVERYDAY_PER_MILLE: u64 = 12;

/// The same while somebody watches: at a few jobs a minute, one failure in some minutes.
const WATCHED_PER_MILLE: u64 = 70;

/// How many lanes trouble chooses from: the queues and workflows.
pub(super) const LANES: u64 = 7;

/// The trouble of a scenario, and that of the day it was last asked for.
pub(super) struct Troubles {
    seed: u64,
    begins_at: Timestamp,
    watched_from: Timestamp,
    today: Today,
}

struct Today {
    day: i64,
    bad_hour: Timestamp,
    bad_lane: u64,
    /// From, to. Empty on most days.
    outage: (Timestamp, Timestamp),
}

impl Troubles {
    /// `watched_from` is when somebody begins to watch, who should not have to wait for failures.
    pub(super) fn new(seed: u64, begins_at: Timestamp, watched_from: Timestamp) -> Troubles {
        Troubles {
            seed,
            begins_at,
            watched_from,
            today: Today::of(seed, begins_at, 0),
        }
    }

    /// Returns why work on a lane at this time fails, if it does.
    pub(super) fn failure(&mut self, lane: u64, at: Timestamp, dice: &mut Dice) -> Option<Failure> {
        let day = at.since_ms(self.begins_at).div_euclid(DAY_MS);
        if day != self.today.day {
            self.today = Today::of(self.seed, self.begins_at, day);
        }
        let today = &self.today;
        let (from, to) = today.outage;
        if from <= at && at < to && dice.chance(9, 10) {
            return Some(NO_ACCESS);
        }
        let into_bad_hour = at.since_ms(today.bad_hour);
        let is_bad_hour = lane == today.bad_lane && (0..HOUR_MS).contains(&into_bad_hour);
        if is_bad_hour && dice.chance(6, 10) {
            return Some(CONTENT_BAD);
        }
        let per_mille = if at < self.watched_from {
            EVERYDAY_PER_MILLE
        } else {
            WATCHED_PER_MILLE
        };
        dice.chance(per_mille, 1_000).then(|| dice.pick(EVERYDAY))
    }
}

impl Today {
    /// The same for a seed and a day, whatever was drawn before.
    fn of(seed: u64, begins_at: Timestamp, day: i64) -> Today {
        let mut dice = Dice::of(seed, day.unsigned_abs() + 1);
        let begins_at = begins_at.plus_ms(day * DAY_MS);
        let bad_lane = dice.below(LANES);
        let bad_hour = busy_moment(begins_at, &mut dice);
        let outage_at = busy_moment(begins_at, &mut dice);
        let outage_ms = if day % 3 == 0 {
            dice.between(20, 45) * MINUTE_MS
        } else {
            0
        };
        Today {
            day,
            bad_hour,
            bad_lane,
            outage: (outage_at, outage_at.plus_ms(outage_ms)),
        }
    }
}

/// Returns a moment at which there is work to fail: the busiest of some.
fn busy_moment(begins_at: Timestamp, dice: &mut Dice) -> Timestamp {
    let hours = (0..4).map(|_| begins_at.plus_ms(dice.between(1, 22) * HOUR_MS));
    hours
        .max_by_key(|hour| rhythm::weight(*hour))
        .unwrap_or(begins_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_714_924_800_000);
    const NEVER: Timestamp = Timestamp(i64::MAX);

    #[test]
    fn each_day_has_a_bad_hour_on_one_lane_and_the_first_an_outage_on_all() {
        let mut troubles = Troubles::new(3, START, NEVER);
        let mut dice = Dice::of(3, 0);
        let bad_lane = troubles.today.bad_lane;
        let bad_hour = troubles.today.bad_hour;
        let mut failed = |lane, at: Timestamp, code| {
            let failures = (0..100).filter_map(|_| troubles.failure(lane, at, &mut dice));
            failures.filter(|failure| *failure == code).count()
        };
        assert!(failed(bad_lane, bad_hour, CONTENT_BAD) > 30);
        assert!(failed((bad_lane + 1) % LANES, bad_hour, CONTENT_BAD) < 10);
        assert!(failed(bad_lane, bad_hour.plus_ms(HOUR_MS), CONTENT_BAD) < 10);
        let (from, to) = Today::of(3, START, 0).outage;
        for lane in 0..LANES {
            assert!(failed(lane, from, NO_ACCESS) > 70);
            assert_eq!(failed(lane, to, NO_ACCESS), 0);
        }
    }
    #[test]
    fn more_fails_while_somebody_watches() {
        let mut dice = Dice::of(3, 0);
        let mut failed = |watched_from| {
            let mut troubles = Troubles::new(3, START, watched_from);
            // The second day has no outage, and no lane beyond the last has a bad hour.
            let at = START.plus_ms(DAY_MS);
            let failures = (0..1_000).filter_map(|_| troubles.failure(LANES, at, &mut dice));
            failures.count()
        };
        assert!(failed(START) > 2 * failed(NEVER));
    }
}
