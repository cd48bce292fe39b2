//! What an export is asked for, read from the address of its list.
//!
//! The same parameters as the list itself, by the same functions: so an address gives the same rows in
//! every representation, and a mistake is the same error on a page, in a script and in
//! `mpsink export`. Only which page of the list cannot be said: an export has them all, and one that
//! left out what it was asked for would look like a whole answer.

use std::fmt::Write;

use actix_web::web;

use crate::clock::Timestamp;
use crate::export::{Format, Options, Selection};
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::records::RowId;
use crate::store::scan_records::Table;
use crate::web::error::PageError;
use crate::web::list_filters::{
    ActivitiesQuery, DeliveriesQuery, EventsQuery, HeldQuery, JobsQuery, RefusalsQuery, RunsQuery,
};
use crate::web::lists::{
    Choice, Expected, Given, ListFilter, QueryError, encoded, parsed, range_of,
};
use crate::web::texts::trouble::TroubleTexts;

/// The most characters of a filter's value in a file's name.
const NAME_PART_CHARS_MAX: usize = 32;

/// The endings of the addresses of exports.
pub const ENDINGS: [&str; 4] = ["csv", "ndjson", "cloudevents", "cloudevents.ndjson"];

/// What the address of an export asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub selection: Selection,
    pub options: Options,
    /// What the file is to be called: letters, digits and `-._` alone.
    pub file_name: String,
}

impl Ask {
    /// Reads the path, such as `/jobs.csv`, and its query string; `None` if no export is there.
    pub fn parse(
        path: &str,
        query: &str,
        now: Timestamp,
        is_test: bool,
    ) -> Result<Option<Ask>, QueryError> {
        let Some((table, ending)) = split(path) else {
            return Ok(None);
        };
        let (own, filters) = parted(table, ending, query)?;
        let rows = selection(table, &filters.link("").replacen('?', "", 1), now)?;
        let is_excel = is_set(&own, "excel")?;
        let format = match ending {
            "csv" if is_excel => Format::ExcelCsv,
            "csv" => Format::Csv,
            "ndjson" => Format::JsonLines,
            "cloudevents" => Format::CloudEvents,
            _ => Format::CloudEventLines,
        };
        let after = parsed(&own, "after", Expected::RowNumber, |text| {
            text.parse().ok().filter(|number: &RowId| *number >= 0)
        })?;
        let options = Options {
            format,
            with_end: is_set(&own, "end")?,
            after: after.unwrap_or(0),
        };
        Ok(Some(Ask {
            selection: rows,
            options,
            file_name: file_name(table, ending, &filters, now, is_test)?,
        }))
    }
}

fn split(path: &str) -> Option<(Table, &str)> {
    let (word, ending) = path.strip_prefix('/')?.split_once('.')?;
    let table = Table::from_word(word)?;
    let is_one = ENDINGS.contains(&ending);
    let is_there = table == Table::Events || !ending.starts_with("cloudevents");
    (is_one && is_there).then_some((table, ending))
}

/// The parameters that an export has beside its list's filters.
pub fn own_parameters(ending: &str) -> &'static [&'static str] {
    match ending {
        "csv" => &["excel", "after"],
        "cloudevents" => &["after"],
        _ => &["end", "after"],
    }
}

/// The filters of a table's list: its parameters without those that say which page.
pub fn filters_of(table: Table) -> &'static [&'static str] {
    let known = match table {
        Table::Jobs => JobFilter::KNOWN,
        Table::Runs => RunFilter::KNOWN,
        Table::Activities => ActivityFilter::KNOWN,
        Table::Events => EventFilter::KNOWN,
        Table::Deliveries => DeliveryFilter::KNOWN,
        Table::Held => HeldFilter::KNOWN,
        Table::Refusals => RefusalFilter::KNOWN,
    };
    match known {
        [filters @ .., "limit", "cursor"] => filters,
        all => all,
    }
}

/// Parts a query string into the export's own parameters and the filters.
fn parted(table: Table, ending: &str, query: &str) -> Result<(Given, Given), QueryError> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|_| QueryError::Unreadable)?
        .into_inner();
    let mut texts = [String::new(), String::new()];
    let [own, filters] = &mut texts;
    for (name, value) in pairs {
        let is_own = own_parameters(ending).contains(&name.as_str());
        let text = if is_own { &mut *own } else { &mut *filters };
        // Writing to a string does not fail.
        let _ = write!(text, "{}={}&", encoded(&name), encoded(&value));
    }
    Ok((
        Given::parse(own, own_parameters(ending))?,
        Given::parse(filters, filters_of(table))?,
    ))
}

fn is_set(own: &Given, name: &'static str) -> Result<bool, QueryError> {
    let expected = Expected::OneOf(Choice::ZeroOrOne);
    let set = parsed(own, name, expected, |text| match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    })?;
    Ok(set.unwrap_or(false))
}

/// Says in the name what is in the file: `mpsink-jobs-failed-from-2024-05-01-to-2024-05-06.csv`.
fn file_name(
    table: Table,
    ending: &str,
    filters: &Given,
    now: Timestamp,
    is_test: bool,
) -> Result<String, QueryError> {
    let mut name = String::from(if is_test { "mpsink-TEST-" } else { "mpsink-" });
    name += table.word();
    for (_, value) in filters
        .filters()
        .filter(|(name, _)| !matches!(*name, "from" | "to"))
    {
        name.push('-');
        name += &safe(value);
    }
    let (from, to) = range_of(filters, now)?;
    let times = [("-from-", from), ("-to-", Some(to.unwrap_or(now)))];
    for (word, at) in times {
        if let Some(at) = at {
            let text = at.to_string();
            let day = text.split('T').next().unwrap_or_default();
            name += word;
            name += &safe(day);
        }
    }
    name.push('.');
    name += ending;
    Ok(name)
}

/// Keeps what is safe in a header and in a file's name everywhere.
fn safe(text: &str) -> String {
    let is_safe = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    let chars = text.chars().take(NAME_PART_CHARS_MAX);
    chars
        .map(|char| if is_safe(char) { char } else { '_' })
        .collect()
}

/// Reads which rows of `table` a query string chooses; `now` is what `24h` counts back from. The page
/// that it may name does not matter: an export has them all.
pub fn selection(table: Table, query: &str, now: Timestamp) -> Result<Selection, QueryError> {
    Ok(match table {
        Table::Jobs => Selection::Jobs(JobsQuery::parse(query, now)?.filter),
        Table::Runs => Selection::Runs(RunsQuery::parse(query, now)?.filter),
        Table::Activities => Selection::Activities(ActivitiesQuery::parse(query, now)?.filter),
        Table::Events => Selection::Events(EventsQuery::parse(query, now)?.filter),
        Table::Deliveries => Selection::Deliveries(DeliveriesQuery::parse(query, now)?.filter),
        Table::Held => Selection::Held(HeldQuery::parse(query, now)?.filter),
        Table::Refusals => Selection::Refusals(RefusalsQuery::parse(query, now)?.filter),
    })
}

/// Returns what is wrong with a query string, in the sentence that programs are told.
pub fn what_is_wrong(error: &QueryError) -> String {
    (TroubleTexts::ENGLISH.detail)(&PageError::BadQuery(error.clone()))
}

#[cfg(test)]
mod tests {
    use crate::notification::event::JobState;
    use crate::store::filters::JobFilter;

    use super::*;

    #[test]
    fn each_table_takes_the_parameters_of_its_own_list() {
        let now = Timestamp(0);
        for table in Table::ALL {
            let selection = selection(table, "from=1h&to=1m", now).unwrap();
            assert_eq!(selection.table(), table);
        }
        let jobs = selection(Table::Jobs, "state=failed", now).unwrap();
        let expected = JobFilter {
            state: Some(JobState::Failed),
            ..JobFilter::default()
        };
        assert_eq!(jobs, Selection::Jobs(expected));
        let error = selection(Table::Events, "queue=hd", now).unwrap_err();
        assert!(matches!(error, QueryError::Unknown { .. }), "{error:?}");
    }

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    fn ask(path: &str, query: &str) -> Result<Option<Ask>, QueryError> {
        Ask::parse(path, query, NOW, false)
    }

    #[test]
    fn an_address_says_rows_format_and_what_is_beside() {
        let found = ask("/jobs.csv", "state=failed&excel=1").unwrap().unwrap();
        assert_eq!(found.options, Options::of(Format::ExcelCsv));
        assert_eq!(
            found.selection,
            selection(Table::Jobs, "state=failed", NOW).unwrap()
        );
        let found = ask("/runs.ndjson", "end=1&after=7").unwrap().unwrap();
        let expected = Options {
            format: Format::JsonLines,
            with_end: true,
            after: 7,
        };
        assert_eq!(found.options, expected);
        for (path, format) in [
            ("/events.csv", Format::Csv),
            ("/events.cloudevents", Format::CloudEvents),
            ("/events.cloudevents.ndjson", Format::CloudEventLines),
        ] {
            let found = ask(path, "").unwrap().unwrap();
            assert_eq!(found.options, Options::of(format));
        }
        for path in [
            "/jobs",
            "/jobs.xml",
            "/jobs.cloudevents",
            "/nothing.csv",
            "/jobs.csv.gz",
        ] {
            assert_eq!(ask(path, "").unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_an_export_cannot_do_is_an_error_and_not_left_out() {
        for (path, query, wrong) in [
            ("/jobs.csv", "limit=10", "limit"),
            ("/jobs.csv", "cursor=x", "cursor"),
            ("/jobs.csv", "end=1", "end"),
            ("/jobs.csv", "excel=yes", "excel"),
            ("/jobs.ndjson", "excel=1", "excel"),
            ("/jobs.ndjson", "after=-1", "after"),
            ("/jobs.ndjson", "end=1&end=1", "end"),
            ("/jobs.ndjson", "kind=job", "kind"),
            ("/jobs.csv", "state=failed&state=running", "state"),
            ("/jobs.csv", "from=1h&to=2h", "to"),
        ] {
            let error = ask(path, query).unwrap_err();
            let named = match &error {
                QueryError::Unknown { name, .. } | QueryError::Repeated { name } => name,
                QueryError::Bad { name, .. } => *name,
                QueryError::Unreadable => "",
            };
            assert_eq!(named, wrong, "{path}?{query}");
        }
    }

    #[test]
    fn only_which_page_is_no_filter() {
        for table in Table::ALL {
            let filters = filters_of(table);
            assert!(!filters.contains(&"limit") && !filters.contains(&"cursor"));
            assert!(filters.ends_with(&["from", "to"]));
        }
    }

    #[test]
    fn a_files_name_says_what_is_in_it_and_is_safe() {
        let name = |query: &str, is_test| {
            let found = Ask::parse("/jobs.csv", query, NOW, is_test).unwrap();
            found.unwrap().file_name
        };
        assert_eq!(name("", false), "mpsink-jobs-to-2024-05-06.csv");
        assert_eq!(
            name("from=7d&state=failed&queue=..%2F%22%0D%0A%E4%BD%9C", true),
            "mpsink-TEST-jobs-failed-.._____-from-2024-04-29-to-2024-05-06.csv"
        );
        assert!(name(&format!("code={}", "x".repeat(5_000)), false).len() < 100);
    }
}
