//! Lines of time as SVG: what `timeline` has placed, with states, words and links.
//!
//! A [`Lane`] is one drawing: shapes one by one in rows, or columns that stand for many. An [`Axis`]
//! goes with all lanes over one window. `templates/charts.html` writes both, `static/charts.css`
//! colours them. A page that draws a lane calls the macro `icons` once before.
//!
//! Places and widths are in per cent and heights in pixels, without a `viewBox`: so a drawing is as
//! wide as its page and its text is not stretched, and there is no style attribute, which the content
//! security policy would not let pass. Every shape has an icon that tells its state without colour,
//! and a title with words.
//!
//! Deliberately not here: the words, which each page has, and the tables that stand beside drawings as
//! their text alternative.

use chrono_tz::Tz;

use crate::clock::{Timestamp, Window};
use crate::store::lane_records::Ended;
use crate::timeline::chunks::Chunk;
use crate::timeline::now_line;
use crate::timeline::shapes::{Form, Layout, MARK_WIDTH, Placed};
use crate::timeline::ticks::{self, Anchor, Tick};
use crate::web::texts::Texts;

/// The height of a row of shapes, in pixels: an icon of 12 and room around it.
pub const ROW_HEIGHT: u32 = 18;

/// The height of a bar in its row.
const BAR_HEIGHT: u32 = 14;

/// The least height of what failed in a column: one among thousands is to be seen.
const FAILED_HEIGHT_MIN: u32 = 2;

/// The ticks of a window and its now line.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    pub ticks: Vec<Tick>,
    /// In per cent.
    pub now: Option<f64>,
}

impl Axis {
    pub fn new(window: Window, zone: Tz, now: Timestamp) -> Axis {
        Axis {
            ticks: ticks::ticks(window, zone),
            now: now_line(window, now),
        }
    }
}

/// Returns the words of all states and outcomes there are icons for.
pub fn icon_words() -> [&'static str; 10] {
    [
        "succeeded",
        "failed",
        "running",
        "partial",
        "stale",
        "submitted",
        "cancelled",
        "skipped",
        "completed",
        "unknown",
    ]
}

/// Returns the parts of columns with their words, from the bottom upwards.
pub fn legend(texts: &Texts) -> [(&'static str, &'static str); 4] {
    let states = &texts.words.states;
    [
        ("failed", states.failed),
        ("partial", states.partial),
        ("others", texts.lanes.others),
        ("succeeded", states.succeeded),
    ]
}

/// Returns the word of SVG's `text-anchor`.
pub fn anchor_word(anchor: &Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    }
}

/// What a shape stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// A word of a state or outcome, for icon and colour.
    pub state: &'static str,
    pub link: Option<String>,
    /// What is shown when somebody points at it: name, state and times in words.
    pub title: String,
}

/// One drawing.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Says in words what the drawing shows.
    pub label: String,
    /// In pixels.
    pub height: u32,
    pub shapes: Vec<Shape>,
    pub columns: Vec<Column>,
    /// Where lines of a scale go across, in pixels from the top.
    pub levels: Vec<u32>,
    /// How many found no room.
    pub hidden: usize,
    /// The keyboard goes through its shapes. Not where a table beside has the same links: nobody
    /// wants to press a key a thousand times to get past.
    pub has_tab_stops: bool,
}

/// One thing of a lane.
#[derive(Clone, Debug)]
pub struct Shape {
    pub placed: Placed<Seen>,
}

impl Shape {
    /// Returns the upper edge of its bar.
    pub fn y(&self) -> u32 {
        row_y(self.placed.row) + (ROW_HEIGHT - BAR_HEIGHT) / 2
    }

    pub fn height(&self) -> u32 {
        BAR_HEIGHT
    }

    /// Returns where its icon's middle is, in per cent.
    pub fn middle(&self) -> String {
        format!("{:.2}", self.placed.x + self.placed.width / 2.0)
    }

    pub fn has_bar(&self) -> bool {
        matches!(self.placed.form, Form::Bar | Form::Open)
    }

    /// Tells whether its bar is narrower than its icon.
    pub fn is_thin(&self) -> bool {
        self.placed.width < MARK_WIDTH
    }

    pub fn form_word(&self) -> &'static str {
        match self.placed.form {
            Form::Bar => "bar",
            Form::Open => "open",
            Form::Mark => "mark",
            Form::ClockSkew => "skew",
        }
    }
}

/// What ended in one stretch of time.
#[derive(Clone, Debug)]
pub struct Column {
    /// In per cent.
    pub x: f64,
    pub width: f64,
    pub link: Option<String>,
    pub title: String,
    /// From the bottom upwards.
    pub parts: Vec<Part>,
}

impl Column {
    /// Returns the width of what is drawn: neighbours stand a little apart.
    pub fn drawn_width(&self) -> String {
        format!("{:.2}", self.width * 0.86)
    }
}

/// A part of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// `failed`, `partial`, `others` or `succeeded`.
    pub state: &'static str,
    /// In pixels from the top of the drawing.
    pub y: u32,
    pub height: u32,
}

impl Lane {
    /// Draws single things in rows.
    pub fn of_layout(label: String, layout: Layout<Seen>) -> Lane {
        Lane {
            label,
            height: row_y(layout.rows.max(1)),
            shapes: layout
                .placed
                .into_iter()
                .map(|placed| Shape { placed })
                .collect(),
            columns: Vec::new(),
            levels: Vec::new(),
            hidden: layout.hidden,
            has_tab_stops: false,
        }
    }

    /// Draws what ended by time as columns, `top` of them as high as the drawing; `link` and `title`
    /// say where a column leads and what it stands for.
    pub fn of_chunks(
        label: String,
        height: u32,
        top: u64,
        chunks: Vec<Chunk<Ended>>,
        link: impl Fn(&Chunk<Ended>) -> Option<String>,
        title: impl Fn(&Chunk<Ended>) -> String,
    ) -> Lane {
        let columns = chunks.into_iter().map(|chunk| Column {
            x: chunk.x,
            width: chunk.width,
            link: link(&chunk),
            title: title(&chunk),
            parts: parts(chunk.what, top, height),
        });
        Lane {
            label,
            height,
            shapes: Vec::new(),
            columns: columns.collect(),
            levels: Vec::new(),
            hidden: 0,
            has_tab_stops: false,
        }
    }

    /// Draws the lines of a scale across.
    #[must_use]
    pub fn with_levels(self, scale: &Scale) -> Lane {
        Lane {
            levels: scale.lines.iter().map(|(y, _)| *y).collect(),
            ..self
        }
    }

    /// Draws columns that lead nowhere, where links would be too many bytes.
    #[must_use]
    pub fn without_links(self) -> Lane {
        let columns = self.columns.into_iter();
        let columns = columns.map(|column| Column {
            link: None,
            ..column
        });
        Lane {
            columns: columns.collect(),
            ..self
        }
    }

    /// Lets the keyboard go through its shapes.
    #[must_use]
    pub fn with_tab_stops(self) -> Lane {
        Lane {
            has_tab_stops: true,
            ..self
        }
    }

    /// Tells whether something of it can be pressed: then it is no picture, which would hide what is
    /// in it from whoever hears it.
    pub fn has_links(&self) -> bool {
        let mut shapes = self.shapes.iter();
        shapes.any(|shape| shape.placed.what.link.is_some())
            || self.columns.iter().any(|column| column.link.is_some())
    }
}

fn row_y(row: usize) -> u32 {
    u32::try_from(row).map_or(u32::MAX, |row| row.saturating_mul(ROW_HEIGHT))
}

/// A scale of numbers: where lines stand, from the top, and what is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub top: u64,
    /// Pixels and numbers, from the highest.
    pub lines: Vec<(u32, u64)>,
}

impl Scale {
    /// Makes the scale of a drawing whose highest column is `most`: its top is a round number, and
    /// its lines stand at the top, in the middle if that is a whole number, and at 0.
    pub fn new(most: u64, height: u32) -> Scale {
        let top = round_up(most.max(1));
        let middle = (top.is_multiple_of(2)).then_some((height / 2, top / 2));
        let lines = [Some((0, top)), middle, Some((height, 0))];
        Scale {
            top,
            lines: lines.into_iter().flatten().collect(),
        }
    }
}

/// Returns the least of 1, 2, 4, 6, 8, 10, 20, 40, … that is not below `number`.
fn round_up(number: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for times in [1, 2, 4, 6, 8, 10] {
            let top = unit.saturating_mul(times);
            if number <= top {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Divides a column: what failed at the bottom, where all columns begin, so that it can be compared.
fn parts(ended: Ended, top: u64, height: u32) -> Vec<Part> {
    let others = ended
        .cancelled
        .saturating_add(ended.skipped)
        .saturating_add(ended.completed);
    let counts = [
        ("failed", ended.failed, FAILED_HEIGHT_MIN),
        ("partial", ended.partial, FAILED_HEIGHT_MIN),
        ("others", others, 1),
        ("succeeded", ended.succeeded, 1),
    ];
    let mut heights = counts.map(|(state, count, least)| {
        let tall = u128::from(count) * u128::from(height) / u128::from(top.max(1));
        let tall = u32::try_from(tall).unwrap_or(height);
        (state, if count == 0 { 0 } else { tall.max(least) })
    });
    // What the small ones got too much, the tallest gives.
    let sum: u32 = heights.iter().map(|(_, tall)| tall).sum();
    if let Some((_, tallest)) = heights.iter_mut().max_by_key(|(_, tall)| *tall) {
        *tallest -= sum.saturating_sub(height).min(*tallest);
    }
    let mut bottom = height;
    let mut parts = Vec::new();
    for (state, tall) in heights.into_iter().filter(|(_, tall)| *tall > 0) {
        bottom = bottom.saturating_sub(tall);
        parts.push(Part {
            state,
            y: bottom,
            height: tall,
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use scraper::{Html, Selector};

    use super::*;
    use crate::timeline::shapes::{Interval, lay_out};
    use crate::web::pages::drawing;

    const NOW: Timestamp = Timestamp(8_000);

    #[derive(Template)]
    #[template(
        source = "{% import \"charts.html\" as charts %}{{ charts::icons() }}{{ charts::axis(axis) }}\
                  {% for lane in lanes %}{{ charts::lane(lane, axis) }}{% endfor %}",
        ext = "html"
    )]
    struct Drawn {
        axis: Axis,
        lanes: Vec<Lane>,
    }

    fn window() -> Window {
        Window::new(Timestamp(0), Timestamp(10_000)).unwrap()
    }

    fn draw(lanes: Vec<Lane>) -> Html {
        let axis = Axis::new(window(), Tz::UTC, NOW);
        Html::parse_fragment(&Drawn { axis, lanes }.render().unwrap())
    }

    fn values(page: &Html, selector: &str, attribute: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let found = page.select(&selector);
        found
            .map(|element| element.value().attr(attribute).unwrap_or("-").to_owned())
            .collect()
    }

    fn interval(state: &'static str, start: Option<i64>, end: Option<i64>) -> Interval<Seen> {
        Interval {
            start: start.map(Timestamp),
            end: end.map(Timestamp),
            known_at: Timestamp(0),
            what: Seen {
                state,
                link: (state != "running").then(|| format!("/jobs/{state}")),
                title: format!("title of {state}"),
            },
        }
    }

    #[test]
    fn every_shape_has_an_icon_a_title_and_a_form_that_says_what_is_known() {
        let intervals = vec![
            interval("succeeded", Some(1_000), Some(3_000)),
            interval("running", Some(6_000), None),
            interval("failed", None, Some(5_000)),
            interval("cancelled", Some(9_500), Some(9_000)),
        ];
        let layout = lay_out(window(), NOW, intervals, 4);
        let page = draw(vec![Lane::of_layout("lane".to_owned(), layout)]);
        let icons = values(&page, ".shape use", "href");
        assert_eq!(
            icons,
            ["#i-succeeded", "#i-failed", "#i-running", "#i-cancelled"]
        );
        for icon in icons {
            assert_eq!(values(&page, &format!("symbol{icon}"), "viewBox").len(), 1);
        }
        assert_eq!(values(&page, ".shape > title", "class").len(), 4);
        assert_eq!(
            values(&page, ".shape rect", "class"),
            ["bar", "open", "skew"]
        );
        assert_eq!(values(&page, "rect.bar", "x"), ["10%"]);
        assert_eq!(values(&page, "rect.bar", "width"), ["20%"]);
        assert_eq!(values(&page, ".s-failed use", "x"), ["50.00%"]);
        assert_eq!(values(&page, "g.s-running", "href").len(), 1);
        let links = values(&page, "a.shape", "href");
        assert_eq!(
            links,
            ["/jobs/succeeded", "/jobs/failed", "/jobs/cancelled"]
        );
        assert_eq!(values(&page, "line.now", "x1"), ["80%"]);
        assert_eq!(values(&page, "svg[role]", "height"), ["18"]);
    }

    #[test]
    fn the_keyboard_goes_through_shapes_only_where_asked_for() {
        let lane = |is_asked: bool| {
            let layout = lay_out(window(), NOW, vec![interval("failed", None, Some(1))], 1);
            let lane = Lane::of_layout("lane".to_owned(), layout);
            if is_asked {
                lane.with_tab_stops()
            } else {
                lane
            }
        };
        let page = draw(vec![lane(false)]);
        assert_eq!(values(&page, "a.shape", "tabindex"), ["-1"]);
        assert_eq!(values(&page, "svg[aria-label]", "role"), ["group"]);
        let page = draw(vec![lane(true)]);
        assert_eq!(values(&page, "a.shape", "tabindex"), ["-"]);
        assert_eq!(values(&page, "svg[aria-label]", "role"), ["group"]);
    }

    #[test]
    fn a_column_is_a_link_with_its_parts_from_the_bottom_upwards() {
        let chunk = Chunk {
            x: 10.0,
            width: 1.5,
            from: Timestamp(0),
            to: Timestamp(9),
            what: ended(6, 2, 0, 0),
        };
        let link = |chunk: &Chunk<Ended>| Some(format!("/jobs?to={}", chunk.to.0));
        let title = |chunk: &Chunk<Ended>| chunk.what.failed.to_string();
        let lane = Lane::of_chunks("lane".to_owned(), 40, 8, vec![chunk], link, title);
        let page = draw(vec![lane]);
        assert_eq!(values(&page, "a.column", "href"), ["/jobs?to=9"]);
        let parts = values(&page, ".column rect:not(.hit)", "class");
        assert_eq!(parts, ["s-failed", "s-succeeded"]);
        assert_eq!(values(&page, ".column .s-failed", "y"), ["30"]);
        assert_eq!(values(&page, ".column .s-succeeded", "height"), ["30"]);
    }

    fn ended(succeeded: u64, failed: u64, partial: u64, skipped: u64) -> Ended {
        Ended {
            succeeded,
            partial,
            failed,
            skipped,
            ..Ended::default()
        }
    }

    fn heights(ended: Ended, top: u64) -> Vec<(&'static str, u32)> {
        let parts = parts(ended, top, 40);
        parts.iter().map(|part| (part.state, part.height)).collect()
    }

    #[test]
    fn one_failure_among_thousands_can_be_seen() {
        let seen = heights(ended(9_999, 1, 0, 0), 10_000);
        assert_eq!(seen, [("failed", 2), ("succeeded", 38)]);
        let seen = heights(ended(0, 1, 0, 0), 10_000);
        assert_eq!(seen, [("failed", 2)]);
    }

    #[test]
    fn a_column_is_as_high_as_what_it_stands_for_and_no_higher_than_its_drawing() {
        assert_eq!(heights(ended(5, 0, 0, 0), 10), [("succeeded", 20)]);
        let all = ended(1, 1, 1, 1);
        for top in [4, 1_000_000] {
            let parts = parts(all, top, 40);
            assert_eq!(parts.len(), 4);
            assert_eq!(parts[0].y + parts[0].height, 40);
            for pair in parts.windows(2) {
                assert_eq!(pair[1].y + pair[1].height, pair[0].y);
            }
        }
        assert_eq!(heights(Ended::default(), 10), []);
        let huge = ended(u64::MAX, u64::MAX, 0, 0);
        assert_eq!(heights(huge, u64::MAX), [("failed", 40)]);
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (most, top) in [
            (0, 1),
            (1, 1),
            (3, 4),
            (9, 10),
            (11, 20),
            (81, 100),
            (4_001, 6_000),
        ] {
            assert_eq!(Scale::new(most, 100).top, top, "{most}");
        }
        assert_eq!(Scale::new(3, 100).lines, [(0, 4), (50, 2), (100, 0)]);
        assert_eq!(Scale::new(1, 100).lines, [(0, 1), (100, 0)]);
        assert_eq!(Scale::new(u64::MAX, 100).top, u64::MAX);
    }
}
