//! The axis of a window: ticks at round local times, as far apart as their labels need.
//!
//! A tick stands where a clock on the wall shows a round time, also across a change of summer time.
//! An hour that comes twice has its ticks once, the first time it comes if the window shows that;
//! one that is left out has none. A day whose midnight is left out has its tick where it begins.
//! So labels never repeat and never go backwards.
//!
//! Labels are in the order of ISO 8601, which is the same in every language.
//!
//! Deliberately not here: the year beside a day, and the zone. The page says which window and which
//! zone it shows.

use std::fmt;

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;

use crate::clock::{Timestamp, Window};
use crate::timeline::{CELLS, cells, length, percent};

/// The most ticks of an axis: more cannot be read on a telephone.
pub const TICKS_MAX: usize = 8;

/// A window of more steps than this has more than [`TICKS_MAX`] ticks, wherever it begins.
const STEPS_FITTING: i128 = 9;

/// How much of the axis a character of a label is wide: 5.6 of 350 pixels, the narrowest drawing.
const CHARACTER_CELLS: i32 = 160;

/// The years that have ticks are those that are written with four digits.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_214_400_000;

const DAY_MS: i64 = 86_400_000;

/// A round local time on the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub at: Timestamp,
    /// In per cent of the window.
    pub x: f64,
    pub label: TickLabel,
    /// Which part of the label stands at `x`, so that it stays within the drawing and off others.
    pub anchor: Anchor,
}

/// The words of SVG's `text-anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// What is written at a tick, by what it is the beginning of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TickLabel {
    /// `HH:MM`, or `HH:MM:SS` on the axis of a few seconds.
    Time(String),
    /// `MM-DD`, also on an axis of hours, at midnight.
    Day(String),
    /// `YYYY-MM`.
    Month(String),
    /// `YYYY`.
    Year(String),
}

impl TickLabel {
    pub fn text(&self) -> &str {
        match self {
            TickLabel::Time(text)
            | TickLabel::Day(text)
            | TickLabel::Month(text)
            | TickLabel::Year(text) => text,
        }
    }
}

impl fmt::Display for TickLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Returns the ticks of the window in the zone, in the order of time: at the shortest round step
/// with at most [`TICKS_MAX`] of them whose labels do not touch.
///
/// May be empty, for a window within a second, or one of ten thousands of years.
pub fn ticks(window: Window, zone: Tz) -> Vec<Tick> {
    let candidates = STEPS.iter().filter(|step| step.may_fit(window));
    candidates
        .map(|step| ticks_at(window, zone, *step))
        .find(|ticks| ticks.len() <= TICKS_MAX && are_apart(ticks))
        .unwrap_or_default()
}

/// How far it is from tick to tick.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Divides a day.
    Seconds(i64),
    /// From a Monday, if it is a week.
    Days(i32),
    /// Divides a year, or is whole years.
    Months(i32),
}

const STEPS: [Step; 36] = [
    Step::Seconds(1),
    Step::Seconds(2),
    Step::Seconds(5),
    Step::Seconds(10),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(60),
    Step::Seconds(2 * 60),
    Step::Seconds(5 * 60),
    Step::Seconds(10 * 60),
    Step::Seconds(15 * 60),
    Step::Seconds(30 * 60),
    Step::Seconds(60 * 60),
    Step::Seconds(2 * 60 * 60),
    Step::Seconds(3 * 60 * 60),
    Step::Seconds(6 * 60 * 60),
    Step::Seconds(12 * 60 * 60),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(2 * 12),
    Step::Months(5 * 12),
    Step::Months(10 * 12),
    Step::Months(20 * 12),
    Step::Months(50 * 12),
    Step::Months(100 * 12),
    Step::Months(200 * 12),
    Step::Months(500 * 12),
    Step::Months(1_000 * 12),
    Step::Months(2_000 * 12),
];

impl Step {
    /// Tells whether there may be few enough of them, so that no time is spent on millions.
    fn may_fit(self, window: Window) -> bool {
        let most_ms = match self {
            Step::Seconds(seconds) => seconds * 1_000,
            Step::Days(days) => i64::from(days) * DAY_MS,
            Step::Months(months) => i64::from(months) * 31 * DAY_MS,
        };
        length(window) <= STEPS_FITTING * i128::from(most_ms)
    }
}

fn ticks_at(window: Window, zone: Tz, step: Step) -> Vec<Tick> {
    let from = window.from().0.clamp(FIRST_MS, LAST_MS);
    let to = window.to().0.clamp(FIRST_MS, LAST_MS);
    let mut found = match step {
        Step::Seconds(seconds) => {
            let mut found = round_times(from, to, zone, seconds);
            // A day may begin at another time than midnight.
            found.extend(round_dates(from, to, zone, Step::Days(1)));
            found
        }
        Step::Days(_) | Step::Months(_) => round_dates(from, to, zone, step),
    };
    found.sort_unstable();

    // Not the same moment twice, and of an hour that comes twice not what has been on the axis.
    let mut last: Option<(i64, NaiveDateTime)> = None;
    found.retain(|(at, local)| {
        let goes_on = last.is_none_or(|last| last.0 < *at && last.1 < *local);
        if goes_on {
            last = Some((*at, *local));
        }
        goes_on
    });
    let ticks = found.into_iter();
    ticks
        .map(|(at, local)| tick(window, at, label(step, local)))
        .collect()
}

/// Returns each moment from `from` to before `to` at which the clocks show a multiple of `seconds`
/// since midnight, and what they show.
fn round_times(from: i64, to: i64, zone: Tz, seconds: i64) -> Vec<(i64, NaiveDateTime)> {
    // A window of at most some days has one change of the clocks, if any: the offset at its begin
    // and the one at its end are all that it has.
    let mut offsets = vec![offset_ms(zone, from), offset_ms(zone, to)];
    offsets.dedup();
    let step = seconds * 1_000;
    let mut found = Vec::new();
    for offset in offsets.into_iter().flatten() {
        let mut at = from + (-(from + offset)).rem_euclid(step);
        while at < to {
            if offset_ms(zone, at) == Some(offset)
                && let Some(local) = local(at, offset)
            {
                found.push((at, local));
            }
            at += step;
        }
    }
    found
}

/// Returns the begin of each round day, month or year from `from` to before `to`, and its date.
fn round_dates(from: i64, to: i64, zone: Tz, step: Step) -> Vec<(i64, NaiveDateTime)> {
    let first = offset_ms(zone, from).and_then(|offset| local(from, offset));
    let Some(first) = first else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut next = round_date(first.date(), step, 0);
    for steps in 1.. {
        let Some(date) = next else { break };
        match begin_of(date, zone) {
            Some(at) if to <= at => break,
            Some(at) if from <= at => found.push((at, date.and_time(NaiveTime::MIN))),
            _ => {}
        }
        next = round_date(first.date(), step, steps);
    }
    found
}

/// Returns the last round date at or before `date`, and from there as many steps on as it says.
fn round_date(date: NaiveDate, step: Step, steps: i32) -> Option<NaiveDate> {
    match step {
        // A time of the day is no date.
        Step::Seconds(_) => None,
        Step::Days(days) => {
            // Day 1 of the calendar is a Monday.
            let day = (date.num_days_from_ce() - 1).div_euclid(days);
            NaiveDate::from_num_days_from_ce_opt((day + steps) * days + 1)
        }
        Step::Months(months) => {
            let month = date.year() * 12 + date.month0().cast_signed();
            let month = (month.div_euclid(months) + steps) * months;
            let of_year = month.rem_euclid(12).cast_unsigned();
            NaiveDate::from_ymd_opt(month.div_euclid(12), of_year + 1, 1)
        }
    }
}

/// Returns when the day begins: at midnight, or as soon as the clocks show that day. `None` if they
/// never do: Samoa had no 30 December in 2011.
fn begin_of(date: NaiveDate, zone: Tz) -> Option<i64> {
    // No change of the clocks leaves out more of a day, but the whole of it.
    const LEFT_OUT_MINUTES_MAX: i64 = 3 * 60;
    let midnight = date.and_time(NaiveTime::MIN);
    (0..=LEFT_OUT_MINUTES_MAX)
        .step_by(15)
        .filter_map(|minutes| midnight.checked_add_signed(TimeDelta::minutes(minutes)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map(|at| at.timestamp_millis())
}

/// Returns how far the clocks are ahead of UTC.
fn offset_ms(zone: Tz, at: i64) -> Option<i64> {
    let utc = DateTime::from_timestamp_millis(at)?.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    Some(i64::from(offset.local_minus_utc()) * 1_000)
}

fn local(at: i64, offset_ms: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp_millis(at + offset_ms)?.naive_utc())
}

fn label(step: Step, local: NaiveDateTime) -> TickLabel {
    let is_midnight = local.num_seconds_from_midnight() == 0;
    let written = |form| local.format(form).to_string();
    match step {
        Step::Months(months) if months % 12 == 0 => TickLabel::Year(written("%Y")),
        Step::Months(_) => TickLabel::Month(written("%Y-%m")),
        Step::Days(_) => TickLabel::Day(written("%m-%d")),
        Step::Seconds(_) if is_midnight => TickLabel::Day(written("%m-%d")),
        Step::Seconds(seconds) if seconds % 60 != 0 => TickLabel::Time(written("%H:%M:%S")),
        Step::Seconds(_) => TickLabel::Time(written("%H:%M")),
    }
}

fn tick(window: Window, at: i64, label: TickLabel) -> Tick {
    let at_cells = cells(window, at.into());
    let half = label_cells(&label) / 2;
    let anchor = if at_cells < half {
        Anchor::Start
    } else if CELLS - half < at_cells {
        Anchor::End
    } else {
        Anchor::Middle
    };
    Tick {
        at: Timestamp(at),
        x: percent(at_cells),
        label,
        anchor,
    }
}

fn label_cells(label: &TickLabel) -> i32 {
    let characters = i32::try_from(label.text().len()).unwrap_or(CELLS);
    characters.saturating_mul(CHARACTER_CELLS)
}

/// Tells whether no label touches the next one.
fn are_apart(ticks: &[Tick]) -> bool {
    let mut free_from = 0.0;
    ticks.iter().all(|tick| {
        let (left, right) = label_extent(tick);
        let is_apart = free_from <= left;
        free_from = right;
        is_apart
    })
}

/// Returns where a label begins and ends, in per cent.
fn label_extent(tick: &Tick) -> (f64, f64) {
    let width = percent(label_cells(&tick.label));
    let left = match tick.anchor {
        Anchor::Start => tick.x,
        Anchor::Middle => tick.x - width / 2.0,
        Anchor::End => tick.x - width,
    };
    (left, left + width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert, proptest};

    use super::*;
    use crate::timeline::fixtures::{has_two_decimals, window, windows};

    const ZONES: [Tz; 7] = [
        Tz::UTC,
        Tz::Asia__Shanghai,
        Tz::Europe__Berlin,
        Tz::Asia__Kathmandu,
        Tz::Pacific__Apia,
        Tz::Australia__Lord_Howe,
        Tz::America__Sao_Paulo,
    ];

    fn between(from: &str, to: &str) -> Window {
        let read = |text| Timestamp::parse_rfc3339(text).unwrap();
        Window::new(read(from), read(to)).unwrap()
    }

    fn check(zone: Tz, from: &str, to: &str, expected: &str) {
        let ticks = ticks(between(from, to), zone);
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.text()).collect();
        assert_eq!(labels.join(" "), expected, "{from} to {to} in {zone}");
    }

    #[test]
    fn ticks_are_at_round_local_times() {
        let from = "2024-05-06T22:10:00+08:00";
        let shanghai = Tz::Asia__Shanghai;
        let check = |zone, to, expected| check(zone, from, to, expected);
        check(
            shanghai,
            "2024-05-06T22:10:30+08:00",
            "22:10:00 22:10:10 22:10:20",
        );
        check(
            shanghai,
            "2024-05-06T22:20:00+08:00",
            "22:10 22:12 22:14 22:16 22:18",
        );
        check(
            shanghai,
            "2024-05-06T23:10:00+08:00",
            "22:10 22:20 22:30 22:40 22:50 23:00",
        );
        check(
            shanghai,
            "2024-05-07T04:10:00+08:00",
            "23:00 05-07 01:00 02:00 03:00 04:00",
        );
        check(
            shanghai,
            "2024-05-07T22:10:00+08:00",
            "05-07 03:00 06:00 09:00 12:00 15:00 18:00 21:00",
        );
        check(
            Tz::Asia__Kathmandu,
            "2024-05-07T22:10:00+08:00",
            "21:00 05-07 03:00 06:00 09:00 12:00 15:00 18:00",
        );
        check(
            shanghai,
            "2024-05-13T22:10:00+08:00",
            "05-07 05-08 05-09 05-10 05-11 05-12 05-13",
        );
        // Mondays.
        check(
            shanghai,
            "2024-06-05T22:10:00+08:00",
            "05-13 05-20 05-27 06-03",
        );
        check(
            shanghai,
            "2024-11-05T22:10:00+08:00",
            "2024-06 2024-07 2024-08 2024-09 2024-10 2024-11",
        );
        check(
            shanghai,
            "2029-11-05T22:10:00+08:00",
            "2025 2026 2027 2028 2029",
        );
    }

    #[test]
    fn an_hour_that_is_left_out_has_no_tick() {
        check(
            Tz::Europe__Berlin,
            "2024-03-31T00:00:00+01:00",
            "2024-03-31T06:00:00+02:00",
            "03-31 01:00 03:00 04:00 05:00",
        );
    }

    #[test]
    fn an_hour_that_comes_twice_is_on_the_axis_once() {
        let berlin = Tz::Europe__Berlin;
        let (first, second) = ("2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00");
        check(
            berlin,
            "2024-10-27T00:30:00+02:00",
            second,
            "00:30 01:00 01:30 02:00 02:30",
        );
        check(
            berlin,
            first,
            "2024-10-27T04:00:00+01:00",
            "02:30 03:00 03:30",
        );
        // Only its second coming is shown.
        check(
            berlin,
            second,
            "2024-10-27T03:00:00+01:00",
            "02:30 02:35 02:40 02:45 02:50 02:55",
        );
    }

    #[test]
    fn a_day_without_a_midnight_begins_when_it_begins() {
        let check = |from, to, expected| check(Tz::America__Sao_Paulo, from, to, expected);
        check(
            "2018-11-01T00:00:00-03:00",
            "2018-11-07T00:00:00-02:00",
            "11-01 11-02 11-03 11-04 11-05 11-06",
        );
        check(
            "2018-11-03T21:30:00-03:00",
            "2018-11-04T03:30:00-02:00",
            "22:00 23:00 11-04 02:00 03:00",
        );
        check(
            "2018-11-03T06:00:00-03:00",
            "2018-11-05T06:00:00-02:00",
            "06:00 12:00 18:00 11-04 06:00 12:00 18:00 11-05",
        );
    }

    #[test]
    fn a_day_that_never_was_has_no_tick() {
        check(
            Tz::Pacific__Apia,
            "2011-12-27T00:00:00-10:00",
            "2012-01-03T00:00:00+14:00",
            "12-27 12-28 12-29 12-31 01-01 01-02",
        );
    }

    #[test]
    fn a_label_at_an_edge_is_anchored_to_stay_inside() {
        let window = between("2024-05-06T00:00:00Z", "2024-05-06T07:10:00Z");
        let ticks = ticks(window, Tz::UTC);
        let anchors: Vec<Anchor> = ticks.iter().map(|tick| tick.anchor).collect();
        assert_eq!(ticks.len(), 8);
        assert_eq!(anchors[0], Anchor::Start);
        assert_eq!(anchors[1..7], [Anchor::Middle; 6]);
        assert_eq!(anchors[7], Anchor::End);
    }

    #[test]
    fn only_years_of_four_digits_have_ticks() {
        let last = Timestamp(LAST_MS);
        assert_eq!(last.to_string(), "9999-12-31T00:00:00.000Z");
        assert_eq!(Timestamp(FIRST_MS).to_string(), "0001-01-01T00:00:00.000Z");
        let check = |from: i64, to: i64, expected: &[&str]| {
            let ticks = ticks(window(from, to), Tz::UTC);
            let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.text()).collect();
            assert_eq!(labels, expected);
        };
        check(
            LAST_MS - 2 * DAY_MS,
            LAST_MS + 4 * DAY_MS,
            &["12-29", "12-30"],
        );
        check(
            FIRST_MS - 4 * DAY_MS,
            FIRST_MS + 2 * DAY_MS,
            &["01-01", "01-02"],
        );
        check(LAST_MS + DAY_MS, LAST_MS + 2 * DAY_MS, &[]);
        check(i64::MIN, i64::MAX, &[]);
    }

    #[test]
    fn a_window_of_every_length_to_millennia_has_ticks() {
        let from = Timestamp::parse_rfc3339("2024-05-06T22:10:00.5Z").unwrap();
        let last = LAST_MS - from.0;
        let mut length = 4_000;
        while length < last {
            for zone in ZONES {
                let ticks = ticks(window(from.0, from.0 + length), zone);
                assert!(ticks.len() >= 2, "{length} ms in {zone}: {ticks:?}");
            }
            length += length / 50;
        }
    }

    /// Windows of some seconds to some weeks around changes of the clocks.
    fn around_changes() -> impl Strategy<Value = Window> {
        let changes = [
            "2024-03-31T01:00:00Z",
            "2024-10-27T01:00:00Z",
            "2011-12-30T10:00:00Z",
            "2018-11-04T03:00:00Z",
            "2018-02-18T02:00:00Z",
            "2024-10-05T15:30:00Z",
            "2024-04-06T15:00:00Z",
        ];
        let changes = changes.map(|text| Timestamp::parse_rfc3339(text).unwrap().0);
        let lengths = (2..22_u32, 1_000..2_000_i64).prop_map(|(doublings, ms)| ms << doublings);
        let changes = prop::sample::select(changes.to_vec());
        (changes, lengths, 0..100_i64).prop_map(|(change, length, percent)| {
            let from = change - length / 100 * percent;
            window(from, from + length)
        })
    }

    fn check_axis(window: Window) -> Result<(), proptest::test_runner::TestCaseError> {
        for zone in ZONES {
            let ticks = ticks(window, zone);
            prop_assert!(ticks.len() <= TICKS_MAX);
            for tick in &ticks {
                prop_assert!(window.contains(tick.at));
                prop_assert!((0.0..=100.0).contains(&tick.x) && has_two_decimals(tick.x));
                let (left, right) = label_extent(tick);
                prop_assert!(-0.001 <= left && right <= 100.001, "{:?}", tick);
                if let TickLabel::Time(text) = &tick.label {
                    let date = DateTime::from_timestamp_millis(tick.at.0).unwrap();
                    let shown = date.with_timezone(&zone).format("%H:%M:%S").to_string();
                    let whole = format!("{text}{}", if text.len() == 5 { ":00" } else { "" });
                    prop_assert!(shown == whole, "{} is no {}", text, shown);
                }
            }
            for pair in ticks.windows(2) {
                prop_assert!(pair[0].at < pair[1].at, "{:?}", pair);
                prop_assert!(pair[0].label != pair[1].label, "{:?}", pair);
                let (before, after) = (label_extent(&pair[0]), label_extent(&pair[1]));
                prop_assert!(before.1 <= after.0 + 0.001, "{:?}", pair);
                if let (TickLabel::Time(one), TickLabel::Time(two)) =
                    (&pair[0].label, &pair[1].label)
                {
                    prop_assert!(one < two, "{:?}", pair);
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn ticks_are_few_in_order_and_apart(window in windows()) {
            check_axis(window)?;
        }

        #[test]
        fn ticks_stay_in_order_where_the_clocks_change(window in around_changes()) {
            check_axis(window)?;
        }
    }
}
