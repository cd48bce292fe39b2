//! Query strings, read into types: which rows of a list, and which page of it.
//!
//! Pages and JSON read the same parameters with the same functions, so that an address means the
//! same in both. What is not known or not right is an error that names the parameter and what would
//! be right, never silently something else: a filter that is dropped would show too much and look
//! like an answer. An empty value (a form's empty field) is the same as none.
//!
//! A *cursor* is the place in a list where its next page starts, opaque to clients. It carries the
//! list it belongs to and a check sum, so that one of another list, cut or made up by hand is
//! refused. It is no secret and gives no right: whoever can read the list can read all of it.

use std::fmt::Write;

use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::clock::Timestamp;
use crate::notification::event::JobState;
use crate::store::records::{
    ActivityFilter, EventFilter, JobFilter, PAGE_ROWS_MAX, Page, PageKey, RunFilter, RunOutcome,
};

/// Rows of a page when nobody asks for a number: a screen or two.
pub const PAGE_ROWS_DEFAULT: u32 = 50;

/// The most of a wrong value that is repeated to the one who sent it.
const FOUND_CHARS_MAX: usize = 80;

const EXPECTED_LIMIT: &str = "a whole number from 1 to 1000";
const EXPECTED_CURSOR: &str = "the `next` of a page of this list, unchanged";
const EXPECTED_TIME: &str = "a time such as 2024-05-06T08:00:00Z (in an address, write + as %2B), \
                             or 30m, 24h, 7d or 2w back from now";
const EXPECTED_TO: &str = "a time after `from`";
const EXPECTED_STATE: &str =
    "submitted, running, succeeded, failed, cancelled, skipped, completed or unknown";
const EXPECTED_OUTCOME: &str = "running, succeeded, partial, failed or stale";
const EXPECTED_KIND: &str = "job, run, activity or unrecognized";

/// The kinds of events, as [`Event::word`] calls them.
///
/// [`Event::word`]: crate::notification::event::Event::word
pub const EVENT_KINDS: [&str; 4] = ["job", "run", "activity", "unrecognized"];

/// The characters that need no encoding in a query's value or a path's segment (RFC 3986).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The lists that have cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Jobs,
    Deliveries,
    Held,
    Refusals,
    Runs,
    Activities,
    Events,
}

impl List {
    /// Returns the byte that stands for this list in a cursor; never used for another list again.
    fn tag(self) -> u8 {
        match self {
            List::Jobs => 1,
            List::Deliveries => 2,
            List::Held => 3,
            List::Refusals => 4,
            List::Runs => 5,
            List::Activities => 6,
            List::Events => 7,
        }
    }
}

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
        expected: &'static str,
    },
}

/// The parameters as they were given, without empty ones; to read values from and to make links
/// that keep them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Vec<(String, String)>);

impl Given {
    /// Reads a query string, in which only `known` names may occur, each once.
    pub fn parse(query: &str, known: &'static [&'static str]) -> Result<Given, QueryError> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| QueryError::Unreadable)?
            .into_inner();
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
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
        Ok(Given(given))
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

/// Percent-encodes everything but letters, digits and `-._~`, for a segment or a query's value.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Which jobs, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobsQuery {
    pub filter: JobFilter,
    pub page: Page,
    pub given: Given,
}

impl JobsQuery {
    /// The parameters of `/jobs` and its other representations.
    pub const KNOWN: &'static [&'static str] = &[
        "queue", "workflow", "type", "state", "code", "q", "from", "to", "limit", "cursor",
    ];

    /// Reads the query string of a list of jobs; `now` is what `24h` counts back from.
    pub fn parse(query: &str, now: Timestamp) -> Result<JobsQuery, QueryError> {
        let given = Given::parse(query, Self::KNOWN)?;
        let (from, to) = range_of(&given, now)?;
        let filter = JobFilter {
            queue: text_of(&given, "queue"),
            job_type: text_of(&given, "type"),
            state: parsed(&given, "state", EXPECTED_STATE, JobState::from_word)?,
            code: text_of(&given, "code"),
            workflow: text_of(&given, "workflow"),
            q: text_of(&given, "q"),
            from,
            to,
        };
        Ok(JobsQuery {
            filter,
            page: page_of(List::Jobs, &given)?,
            given,
        })
    }
}

/// Which runs, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsQuery {
    pub filter: RunFilter,
    pub page: Page,
    pub given: Given,
}

impl RunsQuery {
    /// The parameters of `/runs` and its other representations. What became of a run is called
    /// `state` here as well, so that one word filters every list.
    pub const KNOWN: &'static [&'static str] =
        &["workflow", "state", "q", "from", "to", "limit", "cursor"];

    /// Reads the query string of a list of runs; `now` is what `24h` counts back from.
    pub fn parse(query: &str, now: Timestamp) -> Result<RunsQuery, QueryError> {
        let given = Given::parse(query, Self::KNOWN)?;
        let (from, to) = range_of(&given, now)?;
        let filter = RunFilter {
            workflow: text_of(&given, "workflow"),
            outcome: parsed(&given, "state", EXPECTED_OUTCOME, RunOutcome::from_word)?,
            q: text_of(&given, "q"),
            from,
            to,
        };
        Ok(RunsQuery {
            filter,
            page: page_of(List::Runs, &given)?,
            given,
        })
    }
}

/// Which activities, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivitiesQuery {
    pub filter: ActivityFilter,
    pub page: Page,
    pub given: Given,
}

impl ActivitiesQuery {
    /// The parameters of `/activities` and its other representations.
    pub const KNOWN: &'static [&'static str] = &[
        "run", "workflow", "type", "state", "code", "from", "to", "limit", "cursor",
    ];

    /// Reads the query string of a list of activities; `now` is what `24h` counts back from.
    pub fn parse(query: &str, now: Timestamp) -> Result<ActivitiesQuery, QueryError> {
        let given = Given::parse(query, Self::KNOWN)?;
        let (from, to) = range_of(&given, now)?;
        let filter = ActivityFilter {
            run: text_of(&given, "run"),
            workflow: text_of(&given, "workflow"),
            activity_type: text_of(&given, "type"),
            state: parsed(&given, "state", EXPECTED_STATE, JobState::from_word)?,
            code: text_of(&given, "code"),
            from,
            to,
        };
        Ok(ActivitiesQuery {
            filter,
            page: page_of(List::Activities, &given)?,
            given,
        })
    }
}

/// Which events, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    pub filter: EventFilter,
    pub page: Page,
    pub given: Given,
}

impl EventsQuery {
    /// The parameters of `/events` and its other representations.
    pub const KNOWN: &'static [&'static str] = &["kind", "from", "to", "limit", "cursor"];

    /// Reads the query string of a list of events; `now` is what `24h` counts back from.
    pub fn parse(query: &str, now: Timestamp) -> Result<EventsQuery, QueryError> {
        let given = Given::parse(query, Self::KNOWN)?;
        let (from, to) = range_of(&given, now)?;
        let kind = parsed(&given, "kind", EXPECTED_KIND, |text| {
            EVENT_KINDS.contains(&text).then(|| text.to_owned())
        })?;
        Ok(EventsQuery {
            filter: EventFilter { kind, from, to },
            page: page_of(List::Events, &given)?,
            given,
        })
    }
}

/// Which page of a list that has no filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainQuery {
    pub page: Page,
    pub given: Given,
}

impl PlainQuery {
    /// The parameters of a list without filters.
    pub const KNOWN: &'static [&'static str] = &["limit", "cursor"];

    /// Reads the query string of `list`.
    pub fn parse(list: List, query: &str) -> Result<PlainQuery, QueryError> {
        Self::of(list, Given::parse(query, Self::KNOWN)?)
    }

    /// Reads the page from parameters of which some are another's.
    pub fn of(list: List, given: Given) -> Result<PlainQuery, QueryError> {
        Ok(PlainQuery {
            page: page_of(list, &given)?,
            given,
        })
    }
}

/// Writes the cursor of the page of `list` that comes after `key`.
pub fn encode_cursor(list: List, key: PageKey) -> String {
    let mut bytes = vec![list.tag()];
    bytes.extend_from_slice(&key.at.0.to_be_bytes());
    bytes.extend_from_slice(&key.id.to_be_bytes());
    bytes.extend_from_slice(&check_sum(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`encode_cursor`] wrote for the same list; `None` for anything else.
pub fn decode_cursor(list: List, text: &str) -> Option<PageKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (tag, rest) = bytes.split_first_chunk::<1>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (id, sum) = rest.split_first_chunk::<8>()?;
    let signed = bytes.get(..bytes.len().checked_sub(sum.len())?)?;
    let holds = tag == &[list.tag()] && sum == check_sum(signed);
    holds.then(|| PageKey {
        at: Timestamp(i64::from_be_bytes(*at)),
        id: i64::from_be_bytes(*id),
    })
}

/// Four bytes: they are against mistakes, not against attacks.
fn check_sum(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(b"mpsink cursor 1\n")
        .chain_update(bytes)
        .finalize();
    let mut sum = [0; 4];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}

fn page_of(list: List, given: &Given) -> Result<Page, QueryError> {
    let limit = parsed(given, "limit", EXPECTED_LIMIT, |text| {
        let number = text.parse().ok()?;
        (1..=PAGE_ROWS_MAX).contains(&number).then_some(number)
    })?;
    Ok(Page {
        limit: limit.unwrap_or(PAGE_ROWS_DEFAULT),
        after: parsed(given, "cursor", EXPECTED_CURSOR, |text| {
            decode_cursor(list, text)
        })?,
    })
}

/// Reads `from` and `to`, of which the second is the later.
fn range_of(
    given: &Given,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), QueryError> {
    let from = parsed(given, "from", EXPECTED_TIME, |text| parse_time(text, now))?;
    let to = parsed(given, "to", EXPECTED_TIME, |text| parse_time(text, now))?;
    match (from, to) {
        (Some(from), Some(to)) if to <= from => Err(bad(given, "to", EXPECTED_TO)),
        _ => Ok((from, to)),
    }
}

fn text_of(given: &Given, name: &str) -> Option<String> {
    given.find(name).map(str::to_owned)
}

fn parsed<T>(
    given: &Given,
    name: &'static str,
    expected: &'static str,
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

fn bad(given: &Given, name: &'static str, expected: &'static str) -> QueryError {
    QueryError::Bad {
        name,
        found: shortened(given.text(name)),
        expected,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(FOUND_CHARS_MAX).collect()
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
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::notification::event::{ActivityEvent, Event, JobEvent, RunEvent, Unrecognized};

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    const ALL_LISTS: [List; 7] = [
        List::Jobs,
        List::Deliveries,
        List::Held,
        List::Refusals,
        List::Runs,
        List::Activities,
        List::Events,
    ];

    #[test]
    fn a_query_gives_exactly_what_it_says() {
        let query = "queue=hd+1&type=Transcode&state=failed&code=A.B&from=24h&workflow=w1\
                     &q=summer+clip&to=2024-05-06T16:00:00%2B08:00&limit=1000";
        let query = JobsQuery::parse(query, NOW).unwrap();
        let expected = JobFilter {
            queue: Some("hd 1".to_owned()),
            job_type: Some("Transcode".to_owned()),
            state: Some(JobState::Failed),
            code: Some("A.B".to_owned()),
            workflow: Some("w1".to_owned()),
            q: Some("summer clip".to_owned()),
            from: Some(NOW.plus_ms(-86_400_000)),
            to: Some(NOW),
        };
        assert_eq!(query.filter, expected);
        assert_eq!(
            query.page,
            Page {
                limit: 1_000,
                after: None
            }
        );
    }

    #[test]
    fn a_query_for_runs_gives_exactly_what_it_says() {
        let query = "workflow=w1&state=partial&q=%E7%A4%BA%E4%BE%8B&from=1h&to=1m&limit=7";
        let query = RunsQuery::parse(query, NOW).unwrap();
        let expected = RunFilter {
            workflow: Some("w1".to_owned()),
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
        let query = "run=r1&workflow=w1&type=Transcode&state=skipped&code=A.B&from=1h&to=1m";
        let query = ActivitiesQuery::parse(query, NOW).unwrap();
        let expected = ActivityFilter {
            run: Some("r1".to_owned()),
            workflow: Some("w1".to_owned()),
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
        let cursor = encode_cursor(List::Runs, KEY);
        assert_eq!(named(&events(&format!("cursor={cursor}"))), "cursor");
    }

    #[test]
    fn a_list_without_filters_has_none() {
        let error = PlainQuery::parse(List::Held, "state=failed").unwrap_err();
        let expected = QueryError::Unknown {
            name: "state".to_owned(),
            known: PlainQuery::KNOWN,
        };
        assert_eq!(error, expected);
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

    const KEY: PageKey = PageKey {
        at: Timestamp(1_714_982_531_126),
        id: 42,
    };

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        for list in ALL_LISTS {
            let cursor = encode_cursor(list, KEY);
            for other in ALL_LISTS {
                let expected = (other == list).then_some(KEY);
                assert_eq!(
                    decode_cursor(other, &cursor),
                    expected,
                    "{list:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_is_refused() {
        let cursor = encode_cursor(List::Jobs, KEY);
        for at in 0..cursor.len() {
            for other in ['A', '7', '_', '=', 'é'] {
                let mut changed: Vec<char> = cursor.chars().collect();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                assert_eq!(decode_cursor(List::Jobs, &changed), None, "{changed}");
            }
        }
        let cut: String = cursor.chars().take(cursor.len() - 4).collect();
        assert_eq!(decode_cursor(List::Jobs, &cut), None);
        assert_eq!(decode_cursor(List::Jobs, &format!("{cursor}AAAA")), None);
        assert_eq!(decode_cursor(List::Jobs, ""), None);
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back(at in any::<i64>(), id in any::<i64>()) {
            let key = PageKey { at: Timestamp(at), id };
            for list in ALL_LISTS {
                prop_assert_eq!(decode_cursor(list, &encode_cursor(list, key)), Some(key));
            }
        }

        #[test]
        fn no_query_panics(query in "\\PC{0,80}") {
            let _ = JobsQuery::parse(&query, NOW);
            let _ = RunsQuery::parse(&query, NOW);
            let _ = ActivitiesQuery::parse(&query, NOW);
            let _ = EventsQuery::parse(&query, NOW);
        }
    }
}
