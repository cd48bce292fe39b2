//! Query strings, read into types: which rows of a list, and which page of it.
//!
//! Pages and JSON read the same parameters with the same functions, so that an address means the
//! same in both. What is not known or not right is an error that names the parameter and what would
//! be right, never silently something else: a filter that is dropped would show too much and look
//! like an answer. An empty value (a form's empty field) is the same as none.
//!
//! Which parameters a list has stands in `list_filters.rs`.
//! A page's place is `cursors.rs`'s.

use std::fmt::Write;
use std::ops::RangeInclusive;

use actix_web::web;
use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::event::JobState;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::DeliveryOnly;
use crate::store::lane_records::Counted;
use crate::store::records::{Listing, PAGE_ROWS_MAX, Page, Place, RunOutcome};
use crate::web::cursors::{List, decode_cursor};

/// Rows of a page when nobody asks for a number: a screen or two.
pub const PAGE_ROWS_DEFAULT: u32 = 50;

/// The most of a wrong value that is repeated to the one who sent it.
const FOUND_CHARS_MAX: usize = 80;

/// The forms of a time without a zone, as people type it.
const LOCAL_TIMES: [&str; 4] = [
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
];

/// The parameter that every page has beside its own: it is loaded again after so many seconds, also
/// where no script runs.
pub const REFRESH: &str = "refresh";

/// The seconds that may be asked for: below it a page would be a load, beyond it of no use.
pub const REFRESH_S: RangeInclusive<u32> = 5..=3_600;

/// The kinds of events, as [`Event::word`] calls them.
///
/// [`Event::word`]: crate::notification::event::Event::word
pub const EVENT_KINDS: [&str; 4] = ["job", "run", "activity", "unrecognized"];

/// The formats that a delivery may have.
pub const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// What would be right in the place of a wrong value. In sentences: `texts/trouble.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Limit,
    /// Of a page for people, which has a lower bound than its JSON.
    LimitOfPage,
    /// Seconds until a page is loaded again.
    Refresh,
    /// Seconds to wait for an end.
    Wait,
    Cursor,
    /// Where an earlier export ended.
    RowNumber,
    Time,
    /// A time after `from`.
    To,
    /// The length of a window.
    Window,
    /// Not beside `from` and `to`.
    WindowAlone,
    /// A time before the window's end.
    WindowFrom,
    /// How long to keep messages or history.
    Kept,
    OneOf(Choice),
}

/// A parameter's value that is one of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    State,
    Outcome,
    Kind,
    Format,
    Only,
    HoldReason,
    RefusalReason,
    /// Of the overview's lanes.
    Order,
    ZeroOrOne,
}

impl Choice {
    pub fn words(self) -> Vec<&'static str> {
        match self {
            Choice::State => JobState::ALL.map(JobState::word).to_vec(),
            Choice::Outcome => RunOutcome::ALL.map(RunOutcome::word).to_vec(),
            Choice::Kind => EVENT_KINDS.to_vec(),
            Choice::Format => FORMATS.map(Format::word).to_vec(),
            Choice::Only => DeliveryOnly::ALL.map(DeliveryOnly::word).to_vec(),
            Choice::HoldReason => HoldReason::ALL.map(HoldReason::word).to_vec(),
            Choice::RefusalReason => RefusalReason::ALL.map(RefusalReason::word).to_vec(),
            Choice::Order => vec!["trouble", "name"],
            Choice::ZeroOrOne => vec!["0", "1"],
        }
    }
}

/// The characters that need no encoding in a query's value or a path's segment (RFC 3986).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is wrong with a query string.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    #[error("cannot read the query string")]
    Unreadable,
    #[error("unknown parameter `{name}`")]
    Unknown {
        name: String,
        known: &'static [&'static str],
    },
    #[error("the parameter `{name}` came more than once")]
    Repeated { name: String },
    #[error("`{found}` is no value for `{name}`")]
    Bad {
        name: &'static str,
        found: String,
        expected: Expected,
    },
}

/// The parameters as they were given, without empty ones; to read values from and to make links
/// that keep them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Vec<(String, String)>);

impl Given {
    /// Reads a query string, in which only `known` names and [`REFRESH`] may occur, each once.
    pub fn parse(query: &str, known: &'static [&'static str]) -> Result<Given, QueryError> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| QueryError::Unreadable)?
            .into_inner();
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) && name != REFRESH {
                let name = shortened(&name);
                return Err(QueryError::Unknown { name, known });
            }
            if value.is_empty() {
                continue;
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(QueryError::Repeated { name });
            }
            given.push((name, value));
        }
        let given = Given(given);
        parsed(&given, REFRESH, Expected::Refresh, refresh_s)?;
        Ok(given)
    }

    /// Returns the value of `name`; never an empty one.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Returns the value of `name` as a form's field shows it: empty if it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Returns the same parameters with `name` set to `value`, or left out if `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Given {
        let mut pairs = self.0.clone();
        pairs.retain(|(other, _)| other != name);
        if !value.is_empty() {
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Given(pairs)
    }

    /// Returns the parameters that choose rows, and not which page of them.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !matches!(*name, "limit" | "cursor" | REFRESH))
    }

    /// Returns the same parameters where `from` and `to` were typed without a zone and so are meant
    /// in `zone`, as RFC 3339; `None` if neither was. Only pages know a zone.
    pub fn with_zone(&self, zone: Tz) -> Option<Given> {
        let mut given = self.clone();
        for name in ["from", "to"] {
            if let Some(at) = self.find(name).and_then(|text| local_time(text, zone)) {
                given = given.with(name, &at.to_string());
            }
        }
        (given != *self).then_some(given)
    }

    /// Returns `path` with these parameters behind it.
    pub fn link(&self, path: &str) -> String {
        let mut link = path.to_owned();
        for (at, (name, value)) in self.0.iter().enumerate() {
            let separator = if at == 0 { '?' } else { '&' };
            // Writing to a string does not fail.
            let _ = write!(link, "{separator}{}={}", encoded(name), encoded(value));
        }
        link
    }
}

/// Returns after how many seconds the page of this query string is to be loaded again.
pub fn refresh_of(query: &str) -> Option<u32> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query).ok()?;
    let wish = pairs.iter().find(|(name, _)| name == REFRESH);
    wish.and_then(|(_, value)| refresh_s(value))
}

fn refresh_s(text: &str) -> Option<u32> {
    let seconds = text.parse().ok()?;
    REFRESH_S.contains(&seconds).then_some(seconds)
}

/// Tells whether a query string has parameters without a value, as a form's empty fields are.
pub fn has_empty(query: &str) -> bool {
    let mut pairs = query.split('&');
    !query.is_empty() && pairs.any(|pair| pair.is_empty() || pair.ends_with('='))
}

/// Percent-encodes everything but letters, digits and `-._~`, for a segment or a query's value.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// What chooses the rows of one list, and how they are read.
pub trait ListFilter: Default + Send + 'static {
    type Row: Serialize + Send + 'static;

    const LIST: List;

    /// The address of its page.
    const PATH: &'static str;

    /// The parameters of the list, in all its representations.
    const KNOWN: &'static [&'static str];

    /// Reads the filter; `now` is what `24h` counts back from.
    fn of(given: &Given, now: Timestamp) -> Result<Self, QueryError>;

    fn page(&self, store: &Store, page: Page) -> Result<Listing<Self::Row>, ReadError>;

    fn count(&self, store: &Store) -> Result<Counted, ReadError>;

    /// Returns what a row is ordered and filtered by.
    fn at(row: &Self::Row) -> Timestamp;
}

/// Which rows of a list, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery<F> {
    pub filter: F,
    pub page: Page,
    pub given: Given,
}

impl<F: ListFilter> ListQuery<F> {
    pub const KNOWN: &'static [&'static str] = F::KNOWN;

    /// Reads the query string of a list; `now` is what `24h` counts back from.
    pub fn parse(query: &str, now: Timestamp) -> Result<ListQuery<F>, QueryError> {
        Self::of(Given::parse(query, F::KNOWN)?, now)
    }

    /// Reads the parameters of a list.
    pub fn of(given: Given, now: Timestamp) -> Result<ListQuery<F>, QueryError> {
        Ok(ListQuery {
            filter: F::of(&given, now)?,
            page: page_of(F::LIST, &given)?,
            given,
        })
    }
}

fn page_of(list: List, given: &Given) -> Result<Page, QueryError> {
    let limit = parsed(given, "limit", Expected::Limit, |text| {
        let number = text.parse().ok()?;
        (1..=PAGE_ROWS_MAX).contains(&number).then_some(number)
    })?;
    let place = parsed(given, "cursor", Expected::Cursor, |text| {
        decode_cursor(list, text)
    })?;
    Ok(Page {
        limit: limit.unwrap_or(PAGE_ROWS_DEFAULT),
        place: place.unwrap_or(Place::First),
    })
}

/// Reads the filters `from` and `to`, of which the second is the later.
pub fn range_of(
    given: &Given,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), QueryError> {
    let from = parsed(given, "from", Expected::Time, |text| parse_time(text, now))?;
    let to = parsed(given, "to", Expected::Time, |text| parse_time(text, now))?;
    match (from, to) {
        (Some(from), Some(to)) if to <= from => Err(bad(given, "to", Expected::To)),
        _ => Ok((from, to)),
    }
}

/// Reads a filter that may be any text.
pub fn text_of(given: &Given, name: &str) -> Option<String> {
    given.find(name).map(str::to_owned)
}

/// Reads a value with `parse`, which returns `None` for what is not right.
pub fn parsed<T>(
    given: &Given,
    name: &'static str,
    expected: Expected,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, QueryError> {
    match given.find(name) {
        None => Ok(None),
        Some(text) => match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(bad(given, name, expected)),
        },
    }
}

/// Returns the error of a value that is not right.
pub fn bad(given: &Given, name: &'static str, expected: Expected) -> QueryError {
    QueryError::Bad {
        name,
        found: shortened(given.text(name)),
        expected,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(FOUND_CHARS_MAX).collect()
}

/// Reads a time that names no zone as one of `zone`: of two, where clocks are set back, the first.
fn local_time(text: &str, zone: Tz) -> Option<Timestamp> {
    let read = |form: &&str| NaiveDateTime::parse_from_str(text.trim(), form).ok();
    let local = LOCAL_TIMES.iter().find_map(read)?;
    let at = zone.from_local_datetime(&local).earliest()?;
    Some(Timestamp(at.timestamp_millis()))
}

/// Reads RFC 3339, or a length of time back from `now`.
fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    match back_ms(text) {
        Some(ms) => Some(now.plus_ms(-ms)),
        None => Timestamp::parse_rfc3339(text),
    }
}

/// Reads `30m`, `24h`, `7d`, `2w` as milliseconds. Six digits at most: nobody's history is longer,
/// and the product stays far from the bounds of an `i64`.
fn back_ms(text: &str) -> Option<i64> {
    const UNITS_MS: [(char, i64); 4] = [
        ('m', 60_000),
        ('h', 3_600_000),
        ('d', 86_400_000),
        ('w', 604_800_000),
    ];
    let (digits, unit_ms) = UNITS_MS
        .into_iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))?;
    let is_number = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = is_number.then(|| digits.parse().ok())??;
    Some(number * unit_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;
    use crate::notification::event::{ActivityEvent, Event, JobEvent, RunEvent, Unrecognized};
    use crate::store::filters::{
        ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter,
        RunFilter,
    };
    use crate::store::records::{Listing, PageKey};
    use crate::web::cursors::Cursors;
    use crate::web::list_filters::{
        ActivitiesQuery, DeliveriesQuery, EventsQuery, HeldQuery, JobsQuery, RefusalsQuery,
        RunsQuery,
    };

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    const KEY: PageKey = PageKey {
        at: Timestamp(1_714_982_531_126),
        id: 42,
    };

    #[test]
    fn a_query_gives_exactly_what_it_says() {
        let query = "queue=hd+1&region=r1&type=Transcode&state=failed&code=A.B&from=24h&workflow=w1\
                     &q=summer+clip&to=2024-05-06T16:00:00%2B08:00&limit=1000";
        let query = JobsQuery::parse(query, NOW).unwrap();
        let expected = JobFilter {
            queue: Some("hd 1".to_owned()),
            region: Some("r1".to_owned()),
            job_type: Some("Transcode".to_owned()),
            state: Some(JobState::Failed),
            code: Some("A.B".to_owned()),
            workflow: Some("w1".to_owned()),
            q: Some("summer clip".to_owned()),
            from: Some(NOW.plus_ms(-86_400_000)),
            to: Some(NOW),
        };
        assert_eq!(query.filter, expected);
        assert_eq!(query.page, Page::first(1_000));
    }

    #[test]
    fn a_query_for_runs_gives_exactly_what_it_says() {
        let query =
            "workflow=w1&region=r1&state=partial&q=%E7%A4%BA%E4%BE%8B&from=1h&to=1m&limit=7";
        let query = RunsQuery::parse(query, NOW).unwrap();
        let expected = RunFilter {
            workflow: Some("w1".to_owned()),
            owner: None,
            region: Some("r1".to_owned()),
            outcome: Some(RunOutcome::Partial),
            q: Some("示例".to_owned()),
            from: Some(NOW.plus_ms(-3_600_000)),
            to: Some(NOW.plus_ms(-60_000)),
        };
        assert_eq!(query.filter, expected);
        assert_eq!(query.page.limit, 7);
    }

    #[test]
    fn a_query_for_activities_gives_exactly_what_it_says() {
        let query =
            "run=r1&workflow=w1&region=r2&type=Transcode&state=skipped&code=A.B&from=1h&to=1m";
        let query = ActivitiesQuery::parse(query, NOW).unwrap();
        let expected = ActivityFilter {
            run: Some("r1".to_owned()),
            workflow: Some("w1".to_owned()),
            region: Some("r2".to_owned()),
            activity_type: Some("Transcode".to_owned()),
            state: Some(JobState::Skipped),
            code: Some("A.B".to_owned()),
            from: Some(NOW.plus_ms(-3_600_000)),
            to: Some(NOW.plus_ms(-60_000)),
        };
        assert_eq!(query.filter, expected);
    }

    #[test]
    fn a_query_for_events_gives_exactly_what_it_says() {
        for kind in EVENT_KINDS {
            let query = format!("kind={kind}&from=1h&to=1m");
            let query = EventsQuery::parse(&query, NOW).unwrap();
            let expected = EventFilter {
                kind: Some(kind.to_owned()),
                from: Some(NOW.plus_ms(-3_600_000)),
                to: Some(NOW.plus_ms(-60_000)),
            };
            assert_eq!(query.filter, expected);
        }
    }

    #[test]
    fn every_event_has_one_of_the_known_kinds() {
        let events = [
            Event::Job(JobEvent::default()),
            Event::Run(RunEvent::default()),
            Event::Activity(ActivityEvent::default()),
            Event::Unrecognized(Unrecognized {
                reason: String::new(),
            }),
        ];
        assert_eq!(events.map(|event| event.word()), EVENT_KINDS);
    }

    #[test]
    fn nothing_and_empty_fields_mean_any() {
        for query in ["", "queue=&state=&from=&limit=&cursor="] {
            let query = JobsQuery::parse(query, NOW).unwrap();
            assert_eq!(query.filter, JobFilter::default());
            assert_eq!(query.page.limit, PAGE_ROWS_DEFAULT);
            assert_eq!(query.given.link("/jobs"), "/jobs");
        }
        let runs = RunsQuery::parse("workflow=&q=", NOW).unwrap();
        assert_eq!(runs.filter, RunFilter::default());
        let activities = ActivitiesQuery::parse("run=&state=", NOW).unwrap();
        assert_eq!(activities.filter, ActivityFilter::default());
        let events = EventsQuery::parse("kind=", NOW).unwrap();
        assert_eq!(events.filter, EventFilter::default());
    }

    #[test]
    fn times_back_from_now_are_read() {
        let cases = [
            ("30m", Some(30 * 60_000)),
            ("7d", Some(7 * 86_400_000)),
            ("2w", Some(14 * 86_400_000)),
            ("0h", Some(0)),
            ("999999w", Some(999_999 * 604_800_000)),
            ("1000000d", None),
            ("d", None),
            ("-1d", None),
            ("+1d", None),
            ("1.5h", None),
            ("7 d", None),
            ("24H", None),
            ("２h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(back_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("stat=failed", "stat"),
            ("state=Failed", "state"),
            ("state=failed&state=running", "state"),
            ("from=yesterday", "from"),
            ("from=2024-05-06T16:00:00+08:00", "from"),
            ("from=1h&to=2h", "to"),
            ("from=1h&to=1h", "to"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=ten", "limit"),
            ("cursor=AAAA", "cursor"),
            ("cursor=%FF", "cursor"),
        ];
        for (query, expected) in cases {
            let error = JobsQuery::parse(query, NOW).unwrap_err();
            assert_eq!(named(&error), expected, "{query}");
        }
    }

    fn named(error: &QueryError) -> &str {
        match error {
            QueryError::Unreadable => "",
            QueryError::Unknown { name, .. } | QueryError::Repeated { name } => name,
            QueryError::Bad { name, .. } => name,
        }
    }

    #[test]
    fn what_is_wrong_in_a_query_of_another_list_is_named() {
        let runs = |query| RunsQuery::parse(query, NOW).unwrap_err();
        let activities = |query| ActivitiesQuery::parse(query, NOW).unwrap_err();
        let events = |query| EventsQuery::parse(query, NOW).unwrap_err();
        // A run has no `completed`, a job no `partial`.
        assert_eq!(named(&runs("state=completed")), "state");
        assert_eq!(named(&runs("queue=q")), "queue");
        assert_eq!(named(&runs("from=1h&to=2h")), "to");
        assert_eq!(named(&runs("limit=0")), "limit");
        assert_eq!(named(&activities("state=partial")), "state");
        assert_eq!(named(&activities("q=x")), "q");
        assert_eq!(named(&activities("from=1h&to=1h")), "to");
        assert_eq!(named(&activities("cursor=x")), "cursor");
        assert_eq!(named(&events("kind=Job")), "kind");
        assert_eq!(named(&events("state=failed")), "state");
        assert_eq!(named(&events("from=soon")), "from");
        let listing = Listing::<()> {
            items: Vec::new(),
            next: Some(KEY),
            previous: None,
        };
        let cursor = Cursors::of(List::Runs, &listing).next.unwrap();
        let query = format!("cursor={cursor}");
        assert_eq!(named(&events(&query)), "cursor");
        let place = RunsQuery::parse(&query, NOW).unwrap().page.place;
        assert_eq!(place, Place::After(KEY));
    }

    #[test]
    fn a_query_for_deliveries_gives_exactly_what_it_says() {
        for (only, word) in DeliveryOnly::ALL.map(|only| (only, only.word())) {
            let query = format!("source=s&topic=t&format=json&only={word}&from=1h&to=1m");
            let query = DeliveriesQuery::parse(&query, NOW).unwrap();
            let expected = DeliveryFilter {
                source: Some("s".to_owned()),
                topic: Some("t".to_owned()),
                format: Some(Format::Json),
                only: Some(only),
                from: Some(NOW.plus_ms(-3_600_000)),
                to: Some(NOW.plus_ms(-60_000)),
            };
            assert_eq!(query.filter, expected);
        }
        let deliveries = |query| DeliveriesQuery::parse(query, NOW).unwrap_err();
        assert_eq!(named(&deliveries("format=JSON")), "format");
        assert_eq!(named(&deliveries("only=odd")), "only");
        assert_eq!(named(&deliveries("from=1h&to=2h")), "to");
        assert_eq!(named(&deliveries("state=failed")), "state");
    }

    #[test]
    fn a_query_for_what_was_not_let_in_gives_exactly_what_it_says() {
        for reason in HoldReason::ALL {
            let query = format!("reason={}&source=s&from=1h&to=1m", reason.word());
            let expected = HeldFilter {
                reason: Some(reason),
                source: Some("s".to_owned()),
                from: Some(NOW.plus_ms(-3_600_000)),
                to: Some(NOW.plus_ms(-60_000)),
            };
            assert_eq!(HeldQuery::parse(&query, NOW).unwrap().filter, expected);
        }
        for reason in RefusalReason::ALL {
            let query = format!("reason={}&source=s&from=1h&to=1m", reason.word());
            let expected = RefusalFilter {
                reason: Some(reason),
                source: Some("s".to_owned()),
                from: Some(NOW.plus_ms(-3_600_000)),
                to: Some(NOW.plus_ms(-60_000)),
            };
            assert_eq!(RefusalsQuery::parse(&query, NOW).unwrap().filter, expected);
        }
        let held = HeldQuery::parse("reason=signature", NOW).unwrap_err();
        assert_eq!(named(&held), "reason");
        let refused = RefusalsQuery::parse("reason=topic", NOW).unwrap_err();
        assert_eq!(named(&refused), "reason");
    }

    #[test]
    fn a_long_wrong_value_is_not_repeated_whole() {
        let query = format!("limit={}", "9".repeat(5_000));
        match JobsQuery::parse(&query, NOW).unwrap_err() {
            QueryError::Bad { found, .. } => assert_eq!(found.len(), FOUND_CHARS_MAX),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn links_keep_the_filters_and_encode_them() {
        let query = JobsQuery::parse("queue=a%26b%3D%22%3C&limit=5&state=failed", NOW).unwrap();
        let link = query
            .given
            .with("state", "")
            .with("cursor", "x/y")
            .link("/jobs");
        assert_eq!(link, "/jobs?queue=a%26b%3D%22%3C&limit=5&cursor=x%2Fy");
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "\\PC{0,80}") {
            let _ = JobsQuery::parse(&query, NOW);
            let _ = RunsQuery::parse(&query, NOW);
            let _ = ActivitiesQuery::parse(&query, NOW);
            let _ = EventsQuery::parse(&query, NOW);
            let _ = DeliveriesQuery::parse(&query, NOW);
            let _ = HeldQuery::parse(&query, NOW);
            let _ = RefusalsQuery::parse(&query, NOW);
        }
    }

    #[test]
    fn a_time_without_a_zone_is_read_in_the_viewers() {
        let check = |query: &str, zone: Tz, expected: Option<&str>| {
            let given = Given::parse(query, JobsQuery::KNOWN).unwrap();
            let link = given.with_zone(zone).map(|given| given.link(""));
            assert_eq!(link.as_deref(), expected, "{query}");
        };
        let at_eight = "?q=x&from=2024-05-06T00%3A00%3A00.000Z";
        let query = "q=x&from=2024-05-06+08:00";
        check(query, Tz::Asia__Shanghai, Some(at_eight));
        check(
            "q=x&from=2024-05-06T08:00:00",
            Tz::Asia__Shanghai,
            Some(at_eight),
        );
        // Two hours of this night are called so; the first counts. The other is in no night.
        let twice = "?to=2024-10-27T00%3A30%3A00.000Z";
        check("to=2024-10-27+02:30", Tz::Europe__Berlin, Some(twice));
        check("to=2024-03-31+02:30", Tz::Europe__Berlin, None);
        for query in [
            "from=24h",
            "from=2024-05-06T00:00:00Z",
            "q=2024-05-06+08:00",
        ] {
            check(query, Tz::Asia__Shanghai, None);
        }
    }

    #[test]
    fn the_empty_fields_of_a_form_are_noticed() {
        for (query, expected) in [
            ("", false),
            ("q=a", false),
            ("q=", true),
            ("q=&state=failed", true),
            ("state=failed&", true),
        ] {
            assert_eq!(has_empty(query), expected, "{query}");
        }
    }
}
