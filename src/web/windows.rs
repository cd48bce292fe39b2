//! The window of time that a lane page is of: a query string, read into a type.
//!
//! `?window=24h` is a stretch up to now, `?from=…&to=…` any other; neither is the last 24 hours. As
//! in `lists.rs`, what is not right is an error that names the parameter and what would be right.
//!
//! A window is of whole minutes, or of whole hours where it is read in hours: so much can be counted
//! from the roll-ups exactly, and lists with the same `from` and `to` have the same things. One up
//! to now ends with the minute or hour that has begun, or what just happened would not be in it.

use crate::clock::{Timestamp, Window};
use crate::timeline::chunks::slot_ms;
use crate::timeline::{earlier, later};
use crate::web::lists::{Expected, Given, QueryError, bad, range_of};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The parameters of a lane page.
pub const WINDOW_KNOWN: &[&str] = &["window", "from", "to"];

/// A length of a window that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Hour,
    SixHours,
    Day,
    Week,
    Month,
}

impl Span {
    pub const ALL: [Span; 5] = [
        Span::Hour,
        Span::SixHours,
        Span::Day,
        Span::Week,
        Span::Month,
    ];

    /// Returns its word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Span::Hour => "1h",
            Span::SixHours => "6h",
            Span::Day => "24h",
            Span::Week => "7d",
            Span::Month => "30d",
        }
    }

    /// Reads [`Span::word`] back.
    pub fn from_word(word: &str) -> Option<Span> {
        Self::ALL.into_iter().find(|span| span.word() == word)
    }

    /// Returns its length.
    pub fn ms(self) -> i64 {
        let hours = match self {
            Span::Hour => 1,
            Span::SixHours => 6,
            Span::Day => 24,
            Span::Week => 7 * 24,
            Span::Month => 30 * 24,
        };
        hours * HOUR_MS
    }
}

/// Which window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowQuery {
    pub window: Window,
    /// How long the slots are that it is read in.
    pub slot_ms: i64,
    /// It is this long and ends now.
    pub span: Option<Span>,
    pub given: Given,
}

impl WindowQuery {
    /// Reads the window from parameters of which some may be another's.
    pub fn of(given: Given, now: Timestamp) -> Result<WindowQuery, QueryError> {
        let span = match given.find("window") {
            None => None,
            Some(word) => match Span::from_word(word) {
                None => return Err(bad(&given, "window", Expected::Window)),
                Some(span) => Some(span),
            },
        };
        let (window, span) = match (range_of(&given, now)?, span) {
            ((None, None), span) => {
                let span = span.unwrap_or(Span::Day);
                // The minute that has begun is in it, even in its first millisecond.
                let to = now.plus_ms(1);
                (Window::new(to.plus_ms(-span.ms()), to), Some(span))
            }
            (_, Some(_)) => return Err(bad(&given, "window", Expected::WindowAlone)),
            ((Some(from), to), None) => (Window::new(from, to.unwrap_or(now)), None),
            ((None, Some(to)), None) => (Window::new(to.plus_ms(-Span::Day.ms()), to), None),
        };
        let window = window.ok_or_else(|| bad(&given, "from", Expected::WindowFrom))?;
        let (window, slot_ms) = whole(window, span, now);
        Ok(WindowQuery {
            window,
            slot_ms,
            span,
            given,
        })
    }

    /// Returns the address of the window before this one.
    pub fn earlier_link(&self, path: &str) -> String {
        self.link_to(path, earlier(self.window))
    }

    /// Returns the address of the window behind this one, unless that would be in the future.
    pub fn later_link(&self, path: &str, now: Timestamp) -> Option<String> {
        (self.window.to() <= now).then(|| self.link_to(path, later(self.window)))
    }

    /// Returns the address of the newest window of this length, unless this is it.
    pub fn now_link(&self, path: &str, now: Timestamp) -> Option<String> {
        if self.span.is_some() || self.window.contains(now) {
            return None;
        }
        let length = self.window.length_ms();
        match Span::ALL.into_iter().find(|span| span.ms() == length) {
            Some(span) => Some(self.span_link(path, span)),
            None => Window::new(now.plus_ms(-length), now).map(|new| self.link_to(path, new)),
        }
    }

    /// Returns the address of the window of this length up to now.
    pub fn span_link(&self, path: &str, span: Span) -> String {
        let given = self.given.with("from", "").with("to", "");
        given.with("window", span.word()).link(path)
    }

    /// Returns the address of another window of the same page.
    pub fn link_to(&self, path: &str, window: Window) -> String {
        let given = self.given.with("window", "");
        let given = given.with("from", &time_word(window.from()));
        given.with("to", &time_word(window.to())).link(path)
    }

    /// Returns the address of the window of this length that ends just behind `at`.
    pub fn link_around(&self, path: &str, at: Timestamp) -> String {
        let to = at.plus_ms(MINUTE_MS);
        let around = Window::new(to.plus_ms(-self.window.length_ms()), to);
        self.link_to(path, around.unwrap_or(self.window))
    }

    /// Returns the address of a lane's page over this window. One that is an address with a query
    /// already is no lane's page and stays as it is.
    pub fn carried_to(&self, path: &str) -> String {
        if path.contains('?') {
            return path.to_owned();
        }
        let is_window = |name: &&str| self.given.find(name).is_some();
        let given = WINDOW_KNOWN.iter().copied().filter(is_window);
        let given = given.fold(Given::default(), |given, name| {
            given.with(name, self.given.text(name))
        });
        given.link(path)
    }
}

/// Returns a time as addresses have it: without milliseconds where there are none.
pub fn time_word(at: Timestamp) -> String {
    at.to_string().replace(".000Z", "Z")
}

/// Widens a window to whole minutes, or hours if that is what it is read in, and says its slots.
fn whole(window: Window, span: Option<Span>, now: Timestamp) -> (Window, i64) {
    let by_minute = widened(window, span, MINUTE_MS);
    let slot = slot_ms(by_minute, now);
    if slot < HOUR_MS {
        return (by_minute, slot);
    }
    let by_hour = widened(window, span, HOUR_MS);
    (by_hour, slot_ms(by_hour, now).max(HOUR_MS))
}

fn widened(window: Window, span: Option<Span>, unit_ms: i64) -> Window {
    let floor = |at: Timestamp| Timestamp(at.0.saturating_sub(at.0.rem_euclid(unit_ms)));
    let over = window.to().0.rem_euclid(unit_ms);
    let to = if over == 0 {
        window.to()
    } else {
        window.to().plus_ms(unit_ms - over)
    };
    // One up to now keeps its length, by which it is called.
    let from = span.map_or_else(|| floor(window.from()), |span| to.plus_ms(-span.ms()));
    Window::new(from, to).unwrap_or(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn now() -> Timestamp {
        at("2024-05-06T08:10:30Z")
    }

    fn parse(query: &str) -> Result<WindowQuery, QueryError> {
        WindowQuery::of(Given::parse(query, WINDOW_KNOWN)?, now())
    }

    fn check(query: &str, from: &str, to: &str, slot_minutes: i64) -> WindowQuery {
        let found = parse(query).unwrap();
        let expected = Window::new(at(from), at(to)).unwrap();
        assert_eq!(found.window, expected, "{query}");
        assert_eq!(found.slot_ms, slot_minutes * MINUTE_MS, "{query}");
        found
    }

    #[test]
    fn a_window_is_of_whole_minutes_or_hours_and_ends_with_the_one_that_has_begun() {
        check("", "2024-05-05T08:11:00Z", "2024-05-06T08:11:00Z", 12);
        check(
            "window=1h",
            "2024-05-06T07:11:00Z",
            "2024-05-06T08:11:00Z",
            1,
        );
        check(
            "window=6h",
            "2024-05-06T02:11:00Z",
            "2024-05-06T08:11:00Z",
            3,
        );
        check(
            "window=7d",
            "2024-04-29T09:00:00Z",
            "2024-05-06T09:00:00Z",
            60,
        );
        check(
            "window=30d",
            "2024-04-06T09:00:00Z",
            "2024-05-06T09:00:00Z",
            360,
        );
        check(
            "from=2024-05-06T07:00:10Z&to=2024-05-06T08:00:00Z",
            "2024-05-06T07:00:00Z",
            "2024-05-06T08:00:00Z",
            1,
        );
        check("from=2h", "2024-05-06T06:10:00Z", "2024-05-06T08:11:00Z", 1);
        check("to=2h", "2024-05-05T06:10:00Z", "2024-05-06T06:11:00Z", 12);
        // Of so long ago there are no minutes any more.
        check(
            "from=2024-01-06T07:00:10Z&to=2024-01-06T08:00:00Z",
            "2024-01-06T07:00:00Z",
            "2024-01-06T08:00:00Z",
            60,
        );
    }

    #[test]
    fn a_window_that_is_none_is_an_error_that_names_the_parameter() {
        for (query, wrong) in [
            ("window=2h", "window"),
            ("window=1h&from=24h", "window"),
            ("from=2024-05-06", "from"),
            ("from=2024-05-07T00:00:00Z", "from"),
            ("from=1h&to=2h", "to"),
        ] {
            match parse(query) {
                Err(QueryError::Bad { name, .. }) => assert_eq!(name, wrong, "{query}"),
                other => panic!("{query}: {other:?}"),
            }
        }
        assert!(matches!(parse("order=x"), Err(QueryError::Unknown { .. })));
    }

    #[test]
    fn the_windows_beside_a_window_have_its_length_and_none_is_in_the_future() {
        let day = parse("").unwrap();
        assert_eq!(
            day.earlier_link("/"),
            "/?from=2024-05-04T08%3A11%3A00Z&to=2024-05-05T08%3A11%3A00Z"
        );
        assert_eq!(day.later_link("/", now()), None);
        assert_eq!(day.now_link("/", now()), None);

        let past = parse("from=2024-05-01T00:00:00Z&to=2024-05-01T06:00:00Z").unwrap();
        assert_eq!(
            past.later_link("/", now()).unwrap(),
            "/?from=2024-05-01T06%3A00%3A00Z&to=2024-05-01T12%3A00%3A00Z"
        );
        assert_eq!(past.now_link("/", now()).unwrap(), "/?window=6h");
        let odd = parse("from=2024-05-01T00:00:00Z&to=2024-05-01T05:00:00Z").unwrap();
        assert_eq!(
            odd.now_link("/", now()).unwrap(),
            "/?from=2024-05-06T03%3A10%3A30Z&to=2024-05-06T08%3A10%3A30Z"
        );
        assert_eq!(odd.carried_to("/queues/q"), odd.given.link("/queues/q"));
    }

    #[test]
    fn every_length_is_read_by_its_word() {
        for span in Span::ALL {
            assert_eq!(Span::from_word(span.word()), Some(span));
        }
    }
}
