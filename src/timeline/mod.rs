//! Where things stand on a line of time: pure layout, in per cent of a window.
//!
//! `shapes.rs` lays single jobs, runs and activities out in rows; `chunks.rs` stands for too many of
//! them, by what ended in each slot of time; `ticks.rs` is the axis. Here is what they share: the
//! place of a moment, the now line, and the windows beside a window. A page draws what they give as
//! SVG with `x` and `width` in per cent, since it may carry no styles.
//!
//! Every place is a whole number of hundredths of a per cent until it is given out. So rows are
//! fitted by exact comparison, and a drawing of a thousand shapes has two decimals, not fifteen.
//!
//! **Architecture invariant:** no I/O, no clock, no panic, whatever the numbers: windows may be as
//! long as the integers go, and reckoning is wider than they are. The number of chunks, ticks and
//! rows has a bound; work is n log n in what is given.
//!
//! Deliberately not here: colours, words, links, which things there are, and in which order lanes
//! stand. Time zones matter to the ticks alone.

use crate::clock::{Timestamp, Window};

pub mod chunks;
pub mod shapes;
pub mod ticks;

/// A hundred per cent, in the unit that places are reckoned in: a tenth of a pixel of a drawing
/// 1,000 wide, which is finer than anybody sees.
const CELLS: i32 = 10_000;

/// Returns where `now` stands in the window, in per cent, if it does.
///
/// A window that ends now has its line at its right edge, although `now` is no longer in it: most
/// windows are asked for as "the last hours".
pub fn now_line(window: Window, now: Timestamp) -> Option<f64> {
    let is_shown = window.from() <= now && now <= window.to();
    is_shown.then(|| percent(cells(window, now.0.into())))
}

/// Returns the window of the same length that ends where this one begins, as far as times go.
#[must_use]
pub fn earlier(window: Window) -> Window {
    moved(window, -length(window))
}

/// Returns the window of the same length that begins where this one ends, as far as times go.
#[must_use]
pub fn later(window: Window) -> Window {
    moved(window, length(window))
}

fn moved(window: Window, by: i128) -> Window {
    let (from, to) = bounds(window);
    let by = by.clamp(i128::from(i64::MIN) - from, i128::from(i64::MAX) - to);
    Window::new(timestamp(from + by), timestamp(to + by)).unwrap_or(window)
}

/// Returns the place of a moment in the window: 0 at or before its begin, [`CELLS`] at or after its
/// end, else rounded.
fn cells(window: Window, at: i128) -> i32 {
    let (from, to) = bounds(window);
    let length = to - from;
    let elapsed = at.clamp(from, to) - from;
    let cells = (elapsed * 2 * i128::from(CELLS) + length) / (2 * length);
    i32::try_from(cells).unwrap_or(CELLS)
}

/// Returns what a page writes: per cent, whose shortest form has at most two decimals.
fn percent(cells: i32) -> f64 {
    f64::from(cells) / 100.0
}

/// Returns where the window begins and ends, for sums that no `i64` holds.
fn bounds(window: Window) -> (i128, i128) {
    (window.from().0.into(), window.to().0.into())
}

/// Returns the length of the window, which may be beyond what [`Window::length_ms`] can say.
fn length(window: Window) -> i128 {
    let (from, to) = bounds(window);
    to - from
}

/// Returns the moment, or the nearest one there is.
fn timestamp(ms: i128) -> Timestamp {
    let nearest = if ms < 0 { i64::MIN } else { i64::MAX };
    Timestamp(i64::try_from(ms).unwrap_or(nearest))
}

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::timeline::fixtures::{has_two_decimals, window, windows};

    #[test]
    fn the_now_line_stands_in_its_window_and_at_its_edges() {
        let check = |now: i64, expected: Option<f64>| {
            assert_eq!(now_line(window(1_000, 3_000), Timestamp(now)), expected);
        };
        check(999, None);
        check(1_000, Some(0.0));
        check(2_000, Some(50.0));
        check(1_666, Some(33.3));
        check(3_000, Some(100.0));
        check(3_001, None);
    }

    #[test]
    fn windows_stand_beside_each_other_as_far_as_times_go() {
        assert_eq!(earlier(window(100, 150)), window(50, 100));
        assert_eq!(later(window(100, 150)), window(150, 200));
        assert_eq!(
            earlier(window(i64::MIN + 5, i64::MIN + 15)),
            window(i64::MIN, i64::MIN + 10)
        );
        assert_eq!(
            later(window(i64::MAX - 11, i64::MAX - 1)),
            window(i64::MAX - 10, i64::MAX)
        );
        let all = window(i64::MIN, i64::MAX);
        assert_eq!((earlier(all), later(all)), (all, all));
    }

    proptest! {
        #[test]
        fn a_moved_window_keeps_its_length(window in windows()) {
            for moved in [earlier(window), later(window)] {
                prop_assert_eq!(length(moved), length(window));
            }
            prop_assert!(earlier(window).from() <= window.from());
            prop_assert!(window.to() <= later(window).to());
        }

        #[test]
        fn a_now_line_is_within_its_drawing(window in windows(), now in any::<i64>()) {
            if let Some(x) = now_line(window, Timestamp(now)) {
                prop_assert!((0.0..=100.0).contains(&x) && has_two_decimals(x), "{}", x);
            }
        }
    }
}
