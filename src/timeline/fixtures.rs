//! What the tests of this module share: windows of every kind, and what holds of every place.

use proptest::prelude::{Strategy, any, prop, prop_oneof};

use crate::clock::{Timestamp, Window};

pub(super) fn window(from: i64, to: i64) -> Window {
    Window::new(Timestamp(from), Timestamp(to)).unwrap()
}

/// Windows of a second to four years since 1970, and any others.
pub(super) fn windows() -> impl Strategy<Value = Window> {
    let usual = (0..1_900_000_000_000_i64, 0..27_u32, 1_000..2_000_i64)
        .prop_map(|(from, doublings, ms)| window(from, from + (ms << doublings)));
    let any_two = (any::<i64>(), any::<i64>()).prop_filter_map("empty", |(one, two)| {
        Window::new(Timestamp(one.min(two)), Timestamp(one.max(two)))
    });
    let tiny =
        (i64::MIN..i64::MAX - 50, 1..50_i64).prop_map(|(from, length)| window(from, from + length));
    prop_oneof![6 => usual, 1 => any_two, 1 => tiny]
}

/// Times in, at the edges of and around the window, and any others.
pub(super) fn times(around: Window) -> impl Strategy<Value = Timestamp> {
    let (from, to) = (around.from().0, around.to().0);
    let length = around.length_ms();
    let near = from.saturating_sub(length / 4)..=to.saturating_add(length / 4);
    prop_oneof![
        10 => near,
        1 => prop::sample::select(vec![from, from.saturating_sub(1), to - 1, to]),
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX]),
    ]
    .prop_map(Timestamp)
}

/// Tells whether the number is written with two decimals at most.
pub(super) fn has_two_decimals(number: f64) -> bool {
    let text = number.to_string();
    text.split_once('.')
        .is_none_or(|(_, decimals)| decimals.len() <= 2)
}
