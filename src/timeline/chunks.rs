//! Stands for more things than can be told apart: what ended in each slot of a lane's time.
//!
//! [`slot_ms`] says which slots a lane over a window is read in, so that they are few whatever the
//! window. [`chunks`] places them, and merges neighbours if they are too many all the same: the
//! number of shapes has a bound even if the slots were read for another window.
//!
//! Slots begin at multiples of their length since 1970, UTC, as the roll-ups do that they are summed
//! from. So a chunk stands for the same stretch of time as the window moves on, and only the chunks
//! at the edges change.
//!
//! Deliberately not here: what is in a slot, and its colour. A slot that the window cuts comes whole
//! or cut as its reader chose: a chunk says which part of it is in the window, and its content is
//! what it was given.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::clock::{Timestamp, Window};
use crate::timeline::{CELLS, bounds, cells, length, percent, timestamp};

/// The most slots that fit into a window, of the length that [`slot_ms`] chooses; the window may
/// touch one more. 170 of six pixels on a drawing of 1,000, and a week of hours is 168.
pub const SLOTS_MAX: i64 = 170;

/// The most chunks of a lane: what [`slot_ms`] leads to fits unmerged, with room to spare.
pub const CHUNKS_MAX: usize = 200;

/// For how long roll-ups by the minute are kept. A window that begins earlier has them by the hour
/// only.
pub const MINUTES_KEPT_MS: i64 = 8 * DAY;

/// A chunk at an edge that would be narrower is merged with its neighbour: the same two pixels of a
/// drawing of 1,000 as a bar has.
const CHUNK_CELLS_MIN: i32 = 20;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The lengths of slots. The shorter ones divide an hour and the others a day, so that each bucket of
/// the roll-ups is in one of them.
const SLOT_LENGTHS_MS: [i64; 15] = [
    MINUTE,
    2 * MINUTE,
    3 * MINUTE,
    6 * MINUTE,
    12 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
];

/// Beyond the list, slots are a multiple of this long.
const LONG_SLOT_MS: i64 = 28 * DAY;

/// Returns the length of the slots that a lane over the window is read in: the shortest with at most
/// [`SLOTS_MAX`] of them, and no shorter than an hour if the window begins when there are no minutes
/// any more.
///
/// 1 minute up to 2 h, 3 minutes for 6 h, 12 minutes for 24 h, 1 hour for 7 days, 6 hours for 30.
pub fn slot_ms(window: Window, now: Timestamp) -> i64 {
    let has_minutes = now.plus_ms(-MINUTES_KEPT_MS) <= window.from();
    let least = if has_minutes { MINUTE } else { HOUR };
    let length = length(window);
    let slots_max = i128::from(SLOTS_MAX);
    SLOT_LENGTHS_MS
        .into_iter()
        .find(|slot| least <= *slot && length <= i128::from(*slot) * slots_max)
        .unwrap_or_else(|| {
            let at_once = i128::from(LONG_SLOT_MS) * slots_max;
            timestamp(ceiling(length, at_once) * i128::from(LONG_SLOT_MS)).0
        })
}

/// A stretch of a lane's time, and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk<C> {
    /// Its left edge, in per cent of the window.
    pub x: f64,
    /// In per cent of the window, at least 0.2.
    pub width: f64,
    /// The part of it that is in the window: `from` is in it, `to` is not.
    pub from: Timestamp,
    pub to: Timestamp,
    pub what: C,
}

/// Places what is in the slots of a lane: each slot, by when it begins, `slot_ms` long.
///
/// Gives at most [`CHUNKS_MAX`] chunks in the order of time, none over another, and none for a
/// stretch in which no slot is given. If slots are too many or too narrow, as many neighbours as
/// need be become one, by `merge`, in the order in which they are given. Slots outside of the window
/// are left out.
pub fn chunks<C>(
    window: Window,
    slot_ms: i64,
    slots: impl IntoIterator<Item = (Timestamp, C)>,
    mut merge: impl FnMut(&mut C, C),
) -> Vec<Chunk<C>> {
    let bins = Bins::new(window, slot_ms);
    let mut merged: BTreeMap<i128, C> = BTreeMap::new();
    for (at, what) in slots {
        let Some(bin) = bins.of(at) else { continue };
        match merged.entry(bin) {
            Entry::Occupied(mut entry) => merge(entry.get_mut(), what),
            Entry::Vacant(entry) => {
                entry.insert(what);
            }
        }
    }
    let placed = merged.into_iter();
    placed.map(|(bin, what)| bins.chunk(bin, what)).collect()
}

/// The window, divided at the multiples of a length since 1970. Bins have the number of the multiple
/// that they begin at.
struct Bins {
    window: Window,
    slot: i128,
    /// A multiple of the slot's.
    length: i128,
    /// The first one, which begins where the window does.
    first: i128,
    /// The last one, which ends where the window does.
    last: i128,
}

impl Bins {
    fn new(window: Window, slot_ms: i64) -> Bins {
        let slot = i128::from(slot_ms.max(1));
        let (from, to) = bounds(window);
        let touched = (to - 1).div_euclid(slot) - from.div_euclid(slot) + 1;
        // One less than allowed, since the window may begin and end within one.
        let bins_max = i128::try_from(CHUNKS_MAX - 1).unwrap_or(i128::MAX);
        let length = slot * ceiling(touched, bins_max);
        let mut bins = Bins {
            window,
            slot,
            length,
            first: from.div_euclid(length),
            last: (to - 1).div_euclid(length),
        };
        // Only at the edges can a bin be too narrow: any other is a 200th of the window.
        if bins.first < bins.last && bins.right(bins.first) < CHUNK_CELLS_MIN {
            bins.first += 1;
        }
        if bins.first < bins.last && CELLS - bins.left(bins.last) < CHUNK_CELLS_MIN {
            bins.last -= 1;
        }
        bins
    }

    /// Returns the bin of the slot that begins at `at`, if any of the slot is in the window.
    fn of(&self, at: Timestamp) -> Option<i128> {
        let (from, to) = bounds(self.window);
        let at = i128::from(at.0);
        let overlaps = at < to && from < at + self.slot;
        overlaps.then(|| at.div_euclid(self.length).clamp(self.first, self.last))
    }

    fn chunk<C>(&self, bin: i128, what: C) -> Chunk<C> {
        let left = if bin == self.first { 0 } else { self.left(bin) };
        let right = if bin == self.last {
            CELLS
        } else {
            self.right(bin)
        };
        let (from, to) = bounds(self.window);
        let begins = if bin == self.first {
            from
        } else {
            bin * self.length
        };
        let ends = if bin == self.last {
            to
        } else {
            (bin + 1) * self.length
        };
        Chunk {
            x: percent(left),
            width: percent(right - left),
            from: timestamp(begins),
            to: timestamp(ends),
            what,
        }
    }

    fn left(&self, bin: i128) -> i32 {
        cells(self.window, bin * self.length)
    }

    fn right(&self, bin: i128) -> i32 {
        cells(self.window, (bin + 1) * self.length)
    }
}

/// Divides positive numbers, rounding up.
fn ceiling(number: i128, by: i128) -> i128 {
    (number + by - 1) / by
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    use super::*;
    use crate::timeline::fixtures::{has_two_decimals, times, window, windows};

    /// A Monday, 00:00 UTC.
    const MONDAY: i64 = 1_714_953_600_000;

    #[test]
    fn slots_are_as_long_as_the_window_asks_for() {
        let check = |length: i64, expected: i64| {
            let window = window(MONDAY, MONDAY + length);
            assert_eq!(slot_ms(window, window.from()), expected, "{length}");
        };
        check(1, MINUTE);
        check(HOUR, MINUTE);
        check(2 * HOUR, MINUTE);
        check(170 * MINUTE, MINUTE);
        check(170 * MINUTE + 1, 2 * MINUTE);
        check(6 * HOUR, 3 * MINUTE);
        check(24 * HOUR, 12 * MINUTE);
        check(7 * DAY, HOUR);
        check(30 * DAY, 6 * HOUR);
        check(170 * DAY, DAY);
        check(365 * DAY, 7 * DAY);
        check(10 * 366 * DAY, 28 * DAY);
        check(170 * 28 * DAY + 1, 2 * 28 * DAY);
    }

    #[test]
    fn a_window_from_before_the_minutes_has_hours() {
        let check = |age: i64, expected: i64| {
            let now = Timestamp(MONDAY + age);
            assert_eq!(slot_ms(window(MONDAY, MONDAY + HOUR), now), expected);
        };
        check(MINUTES_KEPT_MS, MINUTE);
        check(MINUTES_KEPT_MS + 1, HOUR);
    }

    /// In a window of 100 slots of a minute, from half a minute after `MONDAY`, where a minute is a
    /// per cent: places each minute given and tells the chunks' x, width and minutes.
    fn check(minutes: &[i64], expected: &[(f64, f64, &[i64])]) {
        let from = MONDAY + MINUTE / 2;
        let slots = minutes
            .iter()
            .map(|minute| (Timestamp(MONDAY + minute * MINUTE), vec![*minute]));
        let placed = chunks(
            window(from, from + 100 * MINUTE),
            MINUTE,
            slots,
            |all, more| {
                all.extend(more);
            },
        );
        let placed: Vec<(f64, f64, &[i64])> = placed
            .iter()
            .map(|chunk| (chunk.x, chunk.width, chunk.what.as_slice()))
            .collect();
        assert_eq!(placed, expected);
    }

    #[test]
    fn each_slot_is_a_chunk_clipped_to_the_window() {
        check(&[], &[]);
        check(&[0], &[(0.0, 0.5, &[0])]);
        check(&[1, 3], &[(0.5, 1.0, &[1]), (2.5, 1.0, &[3])]);
        check(&[99, 100], &[(98.5, 1.0, &[99]), (99.5, 0.5, &[100])]);
        check(&[-1, 101], &[]);
    }

    #[test]
    fn slots_come_in_any_order_and_the_same_one_twice_is_merged() {
        check(&[3, 1, 3], &[(0.5, 1.0, &[1]), (2.5, 1.0, &[3, 3])]);
    }

    #[test]
    fn a_chunk_says_which_part_of_it_is_in_the_window() {
        let check = |minute: i64, from: i64, to: i64| {
            let slots = [(Timestamp(MONDAY + minute * MINUTE), ())];
            let window = window(MONDAY + 30_000, MONDAY + 10 * MINUTE + 30_000);
            let placed = chunks(window, MINUTE, slots, |(), ()| ());
            let bounds = (placed[0].from.0 - MONDAY, placed[0].to.0 - MONDAY);
            assert_eq!(bounds, (from, to));
        };
        check(0, 30_000, 60_000);
        check(2, 120_000, 180_000);
        check(10, 600_000, 630_000);
    }

    #[test]
    fn a_sliver_at_an_edge_is_merged_with_its_neighbour() {
        let placed = |from: i64, to: i64, minutes: &[i64]| -> Vec<(f64, f64, i64)> {
            let slots = minutes.iter().map(|at| (Timestamp(at * MINUTE), *at));
            chunks(window(from, to), MINUTE, slots, |sum, more| *sum += more)
                .into_iter()
                .map(|chunk| (chunk.x, chunk.width, chunk.what))
                .collect()
        };
        let (from, to) = (2 * MINUTE - 1, 4 * MINUTE);
        assert_eq!(
            placed(from, to, &[1, 2, 3]),
            [(0.0, 50.0, 3), (50.0, 50.0, 3)]
        );
        assert_eq!(placed(from, to, &[1]), [(0.0, 50.0, 1)]);
        let (from, to) = (2 * MINUTE, 4 * MINUTE + 1);
        assert_eq!(
            placed(from, to, &[2, 3, 4]),
            [(0.0, 50.0, 2), (50.0, 50.0, 7)]
        );
    }

    #[test]
    fn a_million_slots_are_merged_into_few_and_none_is_lost() {
        let slots = (0..1_000_000).map(|n| (Timestamp(n * MINUTE), 1_u64));
        let placed = chunks(window(0, 1_000_000 * MINUTE), MINUTE, slots, |sum, more| {
            *sum += more;
        });
        assert!(
            (150..=CHUNKS_MAX).contains(&placed.len()),
            "{}",
            placed.len()
        );
        assert_eq!(
            placed.iter().map(|chunk| chunk.what).sum::<u64>(),
            1_000_000
        );
    }

    fn any_slots() -> impl Strategy<Value = (Window, i64, Vec<(Timestamp, u64)>)> {
        windows().prop_flat_map(|window| {
            let chosen = slot_ms(window, window.from());
            let lengths = prop_oneof![
                4 => Just(chosen),
                2 => prop::sample::select(SLOT_LENGTHS_MS.to_vec()),
                1 => any::<i64>(),
            ];
            let slots = prop::collection::vec((times(window), 0..1_000_u64), 0..400);
            (Just(window), lengths, slots)
        })
    }

    proptest! {
        #[test]
        fn the_slots_of_a_window_are_few_and_hold_whole_buckets(
            window in windows(),
            now in any::<i64>(),
        ) {
            let slot = slot_ms(window, Timestamp(now));
            prop_assert!(length(window) <= i128::from(slot) * i128::from(SLOTS_MAX));
            prop_assert!(slot % MINUTE == 0);
            prop_assert!(HOUR % slot == 0 || DAY % slot == 0 || slot % DAY == 0);
            let has_minutes = window.from().0 >= now.saturating_sub(MINUTES_KEPT_MS);
            prop_assert!(has_minutes || slot % HOUR == 0);
        }

        #[test]
        fn slots_of_the_chosen_length_are_not_merged(window in windows()) {
            let slot = slot_ms(window, window.from());
            prop_assert_eq!(Bins::new(window, slot).length, i128::from(slot));
        }

        #[test]
        fn chunks_are_bounded_within_their_drawing_and_beside_each_other(
            (window, slot, slots) in any_slots(),
        ) {
            let (from, to) = bounds(window);
            let inside: u64 = slots
                .iter()
                .filter(|(at, _)| {
                    let at = i128::from(at.0);
                    at < to && from < at + i128::from(slot.max(1))
                })
                .map(|(_, count)| count)
                .sum();
            let placed = chunks(window, slot, slots, |sum, more| *sum += more);
            prop_assert!(placed.len() <= CHUNKS_MAX);
            prop_assert_eq!(placed.iter().map(|chunk| chunk.what).sum::<u64>(), inside);
            for chunk in &placed {
                prop_assert!(0.0 <= chunk.x && 0.2 <= chunk.width, "{:?}", chunk);
                prop_assert!(chunk.x + chunk.width <= 100.000_001, "{:?}", chunk);
                prop_assert!(has_two_decimals(chunk.x) && has_two_decimals(chunk.width));
                prop_assert!(window.from() <= chunk.from && chunk.to <= window.to());
                prop_assert!(chunk.from < chunk.to);
            }
            for pair in placed.windows(2) {
                prop_assert!(pair[0].x + pair[0].width <= pair[1].x + 0.000_001);
                prop_assert!(pair[0].to <= pair[1].from);
            }
        }
    }
}
