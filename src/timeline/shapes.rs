//! Lays out what can be shown one by one: jobs, runs, activities, each as a bar or a mark.
//!
//! What is not known is not made up: a thing without a start is a mark at its end and not a bar of
//! some length, and one that ended before it started says so instead of having a negative length.
//!
//! A thing counts with both its ends, and overlaps the half-open window if any of its moments is in
//! it: `start < to` and `from <= end`, a mark if `from <= its time < to`. So what ended exactly when
//! the window begins is shown, as the counts of what ended in the window have it too.
//!
//! Two shapes of a row never touch. Each keeps at least [`MARK_WIDTH`] for itself, around its
//! middle, for an icon needs that much; at the edges that may lie outside the drawing, by half of
//! it at most. Rows are filled from the first on, in the order in which shapes begin.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::{Timestamp, Window};
use crate::timeline::{cells, percent};

/// What a mark, or a bar that is shorter, has for itself in its row, in per cent: a state's icon of
/// 12 pixels on a drawing of 1,000. 80 of them fill a row, which is as many as can be told apart.
pub const MARK_WIDTH: f64 = 1.2;

const MARK_CELLS: i32 = 120;

/// The least width of a bar, in per cent: two pixels of a drawing of 1,000. What is shorter could
/// not be seen, so it is drawn that wide, and its end stays where it is.
pub const BAR_WIDTH_MIN: f64 = 0.2;

const BAR_CELLS_MIN: i32 = 20;

/// Something with a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval<T> {
    /// `None` if no message says so.
    pub start: Option<Timestamp>,
    /// `None` while it goes on.
    pub end: Option<Timestamp>,
    /// When it was last heard of, for what has neither.
    pub known_at: Timestamp,
    pub what: T,
}

/// What is known of a shape's times, which is how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Start and end are known.
    Bar,
    /// It goes on: from its start to now, and never beyond it.
    Open,
    /// Its start is not known: at its end, or, if it has none, at when it was last heard of.
    Mark,
    /// It ended before it started, or goes on and has yet to start: at its end, or now.
    ClockSkew,
}

/// A shape in a row of a window's drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    /// Its left edge, in per cent of the window.
    pub x: f64,
    /// In per cent of the window, at least [`BAR_WIDTH_MIN`] for bars and open ones, and 0 for marks:
    /// their middle is at `x`, and they may be drawn [`MARK_WIDTH`] wide around it.
    pub width: f64,
    /// 0 is the first.
    pub row: usize,
    pub form: Form,
    /// It started before the window; what is left of the window's begin is not drawn.
    pub starts_before: bool,
    /// It ended after the window, or went on beyond it.
    pub ends_after: bool,
    pub what: T,
}

/// The shapes of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout<T> {
    /// In the order in which they begin.
    pub placed: Vec<Placed<T>>,
    /// How many rows they need, at most as many as were allowed.
    pub rows: usize,
    /// How many overlap the window and found no room.
    pub hidden: usize,
}

/// Lays out what overlaps the window in at most `rows_max` rows.
///
/// Each shape goes into the first row that has room for it, and the one that begins first chooses
/// first; of those that begin at the same place, the shorter one, then the one given first. One that
/// finds no room is counted as hidden. The `row`s of what is placed are `0..rows`.
pub fn lay_out<T>(
    window: Window,
    now: Timestamp,
    intervals: Vec<Interval<T>>,
    rows_max: usize,
) -> Layout<T> {
    let mut shapes: Vec<(Reserved, Placed<T>)> = intervals
        .into_iter()
        .filter_map(|interval| shape(window, now, interval))
        .collect();
    shapes.sort_by_key(|(reserved, _)| *reserved);

    let mut rows = Rows::new(rows_max);
    let mut placed = Vec::new();
    let mut hidden = 0;
    for (reserved, shape) in shapes {
        match rows.take(reserved) {
            Some(row) => placed.push(Placed { row, ..shape }),
            None => hidden += 1,
        }
    }
    Layout {
        placed,
        rows: rows.opened,
        hidden,
    }
}

/// Places one thing that has a row of its own, as an activity has in a run's chart; `None` if it
/// does not overlap the window.
pub fn place<T>(window: Window, now: Timestamp, interval: Interval<T>) -> Option<Placed<T>> {
    Some(shape(window, now, interval)?.1)
}

/// The room that a shape keeps for itself in its row: from the first cell to the second.
type Reserved = (i32, i32);

fn shape<T>(
    window: Window,
    now: Timestamp,
    interval: Interval<T>,
) -> Option<(Reserved, Placed<T>)> {
    let (form, start, end) = extent(now, &interval);
    if end < window.from() || window.to() <= start {
        return None;
    }
    let mut left = cells(window, start.0.into());
    let mut right = cells(window, end.0.into());
    let is_mark = matches!(form, Form::Mark | Form::ClockSkew);
    if !is_mark && right - left < BAR_CELLS_MIN {
        // To the left, so that nothing seems to have ended later than it did, or to go on beyond now.
        left = (right - BAR_CELLS_MIN).max(0);
        right = left + BAR_CELLS_MIN;
    }
    let lack = (MARK_CELLS - (right - left)).max(0);
    let reserved = (left - lack / 2, right + lack - lack / 2);
    let placed = Placed {
        x: percent(left),
        width: percent(right - left),
        row: 0,
        form,
        starts_before: start < window.from(),
        ends_after: window.to() < end,
        what: interval.what,
    };
    Some((reserved, placed))
}

/// Returns how a thing is drawn, and its first and last moment; the same one for a mark.
fn extent<T>(now: Timestamp, interval: &Interval<T>) -> (Form, Timestamp, Timestamp) {
    let (start, end, form) = match (interval.start, interval.end) {
        (Some(start), Some(end)) => (start, end, Form::Bar),
        (Some(start), None) => (start, now, Form::Open),
        (None, end) => {
            let at = end.unwrap_or(interval.known_at);
            (at, at, Form::Mark)
        }
    };
    if end < start {
        return (Form::ClockSkew, end, end);
    }
    (form, start, end)
}

/// The rows of a drawing, while they are filled from the left.
struct Rows {
    /// How many there may be.
    most: usize,
    /// How many have something in them.
    opened: usize,
    /// The rows that are taken, by where they become free.
    taken: BinaryHeap<Reverse<(i32, usize)>>,
    /// The opened rows that are free again.
    free: BinaryHeap<Reverse<usize>>,
}

impl Rows {
    fn new(most: usize) -> Rows {
        Rows {
            most,
            opened: 0,
            taken: BinaryHeap::new(),
            free: BinaryHeap::new(),
        }
    }

    /// Takes the first row with room from `left` on. The caller comes from left to right, so what is
    /// free once stays free until it is taken.
    fn take(&mut self, (left, right): Reserved) -> Option<usize> {
        while let Some(&Reverse((end, row))) = self.taken.peek()
            && end <= left
        {
            self.taken.pop();
            self.free.push(Reverse(row));
        }
        let row = match self.free.pop() {
            Some(Reverse(row)) => row,
            None if self.opened < self.most => {
                self.opened += 1;
                self.opened - 1
            }
            None => return None,
        };
        self.taken.push(Reverse((right, row)));
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::timeline::fixtures::{has_two_decimals, times, window, windows};

    const NOW: Timestamp = Timestamp(8_000);

    fn interval<T>(start: Option<i64>, end: Option<i64>, what: T) -> Interval<T> {
        Interval {
            start: start.map(Timestamp),
            end: end.map(Timestamp),
            known_at: Timestamp(5_000),
            what,
        }
    }

    /// In a window from 0 to 10,000, where a hundred is a per cent.
    fn check(start: Option<i64>, end: Option<i64>, expected: Option<(Form, f64, f64)>) {
        let placed = place(window(0, 10_000), NOW, interval(start, end, ()));
        let placed = placed.map(|placed| (placed.form, placed.x, placed.width));
        assert_eq!(placed, expected, "{start:?} to {end:?}");
    }

    #[test]
    fn what_is_known_decides_the_form() {
        check(Some(1_000), Some(3_000), Some((Form::Bar, 10.0, 20.0)));
        check(Some(1_000), None, Some((Form::Open, 10.0, 70.0)));
        check(None, Some(3_000), Some((Form::Mark, 30.0, 0.0)));
        check(None, None, Some((Form::Mark, 50.0, 0.0)));
        check(
            Some(3_000),
            Some(2_999),
            Some((Form::ClockSkew, 29.99, 0.0)),
        );
        check(Some(8_001), None, Some((Form::ClockSkew, 80.0, 0.0)));
    }

    #[test]
    fn a_thing_counts_with_both_its_ends() {
        let whole = Some((Form::Bar, 0.0, 100.0));
        check(Some(-5), Some(10_005), whole);
        check(Some(-5), Some(-1), None);
        check(Some(-5), Some(0), Some((Form::Bar, 0.0, 0.2)));
        check(Some(10_000), Some(10_005), None);
        check(Some(9_999), Some(10_005), Some((Form::Bar, 99.8, 0.2)));
        check(None, Some(-1), None);
        check(None, Some(0), Some((Form::Mark, 0.0, 0.0)));
        check(None, Some(9_999), Some((Form::Mark, 99.99, 0.0)));
        check(None, Some(10_000), None);
        check(Some(10_005), Some(-1), None);
        check(Some(10_005), Some(0), Some((Form::ClockSkew, 0.0, 0.0)));
    }

    #[test]
    fn a_bar_too_short_to_be_seen_is_widened_to_its_left() {
        check(Some(5_000), Some(5_001), Some((Form::Bar, 49.81, 0.2)));
        check(Some(7_999), None, Some((Form::Open, 79.8, 0.2)));
    }

    #[test]
    fn what_reaches_beyond_the_window_says_so() {
        let check = |start, end, starts_before, ends_after| {
            let placed = place(window(1_000, 7_000), NOW, interval(start, end, ())).unwrap();
            let beyond = (placed.starts_before, placed.ends_after);
            assert_eq!(beyond, (starts_before, ends_after), "{start:?} {end:?}");
        };
        check(Some(1_000), Some(7_000), false, false);
        check(Some(999), Some(7_000), true, false);
        check(Some(1_000), Some(7_001), false, true);
        check(Some(2_000), None, false, true);
        check(None, Some(1_000), false, false);
    }

    #[test]
    fn each_shape_goes_into_the_first_row_with_room() {
        let check = |intervals: &[(Option<i64>, Option<i64>)], expected: &[(usize, usize)]| {
            let intervals = intervals.iter().zip(0..);
            let intervals = intervals.map(|(&(start, end), what)| interval(start, end, what));
            let layout = lay_out(window(0, 10_000), NOW, intervals.collect(), 9);
            let rows = layout.placed.iter().map(|placed| (placed.what, placed.row));
            assert_eq!(rows.collect::<Vec<_>>(), expected);
        };
        let bar = |start, end| (Some(start), Some(end));
        let mark = |end| (None, Some(end));
        check(&[bar(0, 4_000), bar(4_000, 9_000)], &[(0, 0), (1, 0)]);
        check(&[bar(0, 4_000), bar(3_999, 9_000)], &[(0, 0), (1, 1)]);
        check(&[bar(4_000, 9_000), bar(0, 3_000)], &[(1, 0), (0, 0)]);
        // The first row is free again before the second one is.
        check(
            &[
                bar(0, 4_000),
                bar(1_000, 9_000),
                bar(5_000, 6_000),
                bar(5_500, 7_000),
            ],
            &[(0, 0), (1, 1), (2, 0), (3, 2)],
        );
        check(&[mark(1_000), mark(1_120)], &[(0, 0), (1, 0)]);
        check(&[mark(1_000), mark(1_119)], &[(0, 0), (1, 1)]);
        check(&[bar(0, 1_000), mark(1_060)], &[(0, 0), (1, 0)]);
        check(&[bar(0, 1_000), mark(1_059)], &[(0, 0), (1, 1)]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let three = || vec![interval(None, Some(1_000), ()); 3];
        let layout = lay_out(window(0, 10_000), NOW, three(), 2);
        assert_eq!((layout.placed.len(), layout.rows, layout.hidden), (2, 2, 1));
        let layout = lay_out(window(0, 10_000), NOW, three(), 0);
        assert_eq!((layout.placed.len(), layout.rows, layout.hidden), (0, 0, 3));
    }

    #[test]
    fn a_hundred_thousand_are_laid_out_in_the_rows_there_are() {
        let many = (0..100_000).map(|n| interval(Some(n * 7_919 % 9_000), Some(9_500), n));
        let layout = lay_out(window(0, 10_000), NOW, many.collect(), 20_000);
        assert_eq!((layout.rows, layout.hidden), (20_000, 80_000));
    }

    #[test]
    fn the_widths_that_are_given_out_are_those_that_are_reckoned_with() {
        assert_eq!(MARK_WIDTH.to_bits(), percent(MARK_CELLS).to_bits());
        assert_eq!(BAR_WIDTH_MIN.to_bits(), percent(BAR_CELLS_MIN).to_bits());
    }

    fn any_interval(around: Window) -> impl Strategy<Value = Interval<()>> {
        let times = || times(around);
        (
            prop::option::weighted(0.7, times()),
            prop::option::weighted(0.7, times()),
            times(),
        )
            .prop_map(|(start, end, known_at)| Interval {
                start,
                end,
                known_at,
                what: (),
            })
    }

    fn any_lane() -> impl Strategy<Value = (Window, Timestamp, Vec<Interval<()>>)> {
        windows().prop_flat_map(|window| {
            let intervals = prop::collection::vec(any_interval(window), 0..60);
            (Just(window), times(window), intervals)
        })
    }

    fn overlaps(window: Window, now: Timestamp, interval: &Interval<()>) -> bool {
        let end = interval.end.unwrap_or(match interval.start {
            Some(_) => now,
            None => interval.known_at,
        });
        let start = interval.start.unwrap_or(end).min(end);
        start < window.to() && window.from() <= end
    }

    proptest! {
        #[test]
        fn everything_that_overlaps_is_placed_or_counted(
            (window, now, intervals) in any_lane(),
            rows_max in 0..8_usize,
        ) {
            let overlapping = intervals.iter().filter(|one| overlaps(window, now, one));
            let overlapping = overlapping.count();
            let layout = lay_out(window, now, intervals, rows_max);
            prop_assert_eq!(layout.placed.len() + layout.hidden, overlapping);
            prop_assert!(layout.rows <= rows_max);
            for row in 0..layout.rows {
                prop_assert!(layout.placed.iter().any(|placed| placed.row == row));
            }
            prop_assert!(layout.placed.iter().all(|placed| placed.row < layout.rows));
            prop_assert!(layout.hidden == 0 || layout.rows == rows_max);
        }

        #[test]
        fn every_shape_is_within_its_drawing_and_an_open_one_before_now(
            (window, now, intervals) in any_lane(),
        ) {
            let now_x = percent(cells(window, now.0.into()));
            for placed in lay_out(window, now, intervals, 60).placed {
                let right = placed.x + placed.width;
                prop_assert!(0.0 <= placed.x && 0.0 <= placed.width, "{:?}", placed);
                prop_assert!(right <= 100.000_001, "{:?}", placed);
                prop_assert!(has_two_decimals(placed.x) && has_two_decimals(placed.width));
                let is_mark = matches!(placed.form, Form::Mark | Form::ClockSkew);
                if is_mark {
                    prop_assert_eq!(placed.width.to_bits(), 0.0_f64.to_bits());
                } else {
                    prop_assert!(placed.width >= BAR_WIDTH_MIN);
                }
                if placed.form == Form::Open {
                    prop_assert!(right <= now_x.max(BAR_WIDTH_MIN) + 0.000_001);
                }
            }
        }

        #[test]
        fn no_two_shapes_of_a_row_touch((window, now, intervals) in any_lane()) {
            let layout = lay_out(window, now, intervals, 60);
            prop_assert_eq!(layout.hidden, 0);
            for row in 0..layout.rows {
                let in_row = layout.placed.iter().filter(|placed| placed.row == row);
                let extents = in_row.map(|placed| {
                    let lack = (MARK_WIDTH - placed.width).max(0.0);
                    (placed.x - lack / 2.0, placed.x + placed.width + lack / 2.0)
                });
                let extents: Vec<(f64, f64)> = extents.collect();
                for pair in extents.windows(2) {
                    // A shape with an odd number of cells has its middle between two of them.
                    prop_assert!(pair[0].1 <= pair[1].0 + 0.011, "{:?}", pair);
                }
            }
        }

        #[test]
        fn the_rows_are_no_more_than_lie_above_each_other_somewhere(
            (window, now, intervals) in any_lane(),
        ) {
            let reserved: Vec<Reserved> = intervals
                .iter()
                .filter_map(|one| Some(shape(window, now, one.clone())?.0))
                .collect();
            let above = |at: i32| {
                let over = |reserved: &&Reserved| reserved.0 <= at && at < reserved.1;
                reserved.iter().filter(over).count()
            };
            let most = reserved.iter().map(|(left, _)| above(*left)).max();
            let layout = lay_out(window, now, intervals, usize::MAX);
            prop_assert_eq!(layout.rows, most.unwrap_or(0));
        }
    }
}
