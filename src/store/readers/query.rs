//! One page of a list, or how much there is in it, by one index.
//!
//! A page goes by (time, number), newest first, along the index that the list has chosen, so that
//! nothing is sorted. What is found by words goes by number alone, the row that was made last
//! first: so the index of words gives it, and sorting by time would need every match at once.
//!
//! What the index itself cannot tell is checked on each row it leads to. These may be a million, of
//! which none passes, so only so many are looked at: before the page is read, its piece of the
//! index is measured out, without a look at rows. A page that comes to the end of its piece ends
//! there, and the next goes on behind it.
//!
//! Only fixed pieces of SQL are put together; every value is bound.

use rusqlite::{ToSql, Transaction};

use crate::clock::Timestamp;
use crate::store::cells::{Cells, Order};
use crate::store::lane_records::Counted;
use crate::store::readers::rows_to_ask;
use crate::store::readers::scan::{Room, SCAN_EXAMINED_MAX, SCAN_ROWS_MAX};
use crate::store::readers::span::{Bounds, Span, key, newer, older};
use crate::store::records::{Page, PageKey, Place, RowId};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::values::{count, read_count};

/// The most rows that one page looks at: some hundredths of a second.
pub(super) const PAGE_EXAMINED_MAX: u32 = 10_000;

/// The most rows that one count looks at: it stands beside a page, and is worth less time.
pub(super) const COUNT_EXAMINED_MAX: u32 = 5_000;

/// The most rows that are counted: nobody reads further, and "10,000+" says as much.
pub(super) const ROWS_COUNTED_MAX: u32 = 10_000;

/// What a list is made of.
pub(super) struct Shape {
    pub(super) columns: &'static str,
    pub(super) table: &'static str,
    /// What is joined to each row, if anything.
    pub(super) join: &'static str,
    /// The columns it is paged by.
    pub(super) at: &'static str,
    pub(super) id: &'static str,
    /// The index of words; empty if there is none.
    pub(super) words: &'static str,
}

/// An index that ends with the time of its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    /// Its columns before the time: a query has one value for each.
    pub(super) columns: &'static [&'static str],
    /// What holds for all of its rows; said once more, since SQLite takes it only if it sees that it
    /// holds. Empty if it is every row, or a value for each column says it already.
    pub(super) condition: &'static str,
    /// A column that has one value by the condition; empty if there is none.
    pub(super) implied: &'static str,
}

impl Index {
    /// An index of every row that has a value for each of the columns.
    pub(super) const fn of(name: &'static str, columns: &'static [&'static str]) -> Index {
        Index {
            name,
            columns,
            condition: "",
            implied: "",
        }
    }
}

/// What leads to the rows.
pub(super) enum Lead {
    Index(&'static Index),
    /// So few rows that they may be sorted: those of one id.
    Few,
    /// The table itself, by number; for [`Query::scan`].
    Number,
    /// A question for the index of words.
    Words(String),
}

/// Conditions with their values, each with its "AND" before it.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<(String, Box<dyn ToSql>)>,
}

impl Conditions {
    fn push(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    fn bind<T: ToSql + 'static>(&mut self, name: impl Into<String>, value: T) {
        self.values.push((name.into(), Box::new(value)));
    }
}

/// Which rows of a list.
pub(super) struct Query {
    shape: &'static Shape,
    lead: Lead,
    /// What the index tells beside the span.
    range: Conditions,
    span: Span,
    /// What is checked on each row.
    checks: Conditions,
}

/// The rows of a page as they were read: from its place on, so the oldest first if that is
/// [`Place::Before`]. One more than its limit if there are that many.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    /// The last row that was looked at, if there are more behind it.
    pub(super) end: Option<PageKey>,
}

impl Query {
    pub(super) fn new(shape: &'static Shape, lead: Lead) -> Query {
        let mut range = Conditions::default();
        match &lead {
            Lead::Index(index) if !index.condition.is_empty() => range.push(index.condition),
            Lead::Index(_) | Lead::Few | Lead::Number => {}
            Lead::Words(question) => {
                range.push(&format!("{} MATCH :words", shape.words));
                range.bind(":words", question.clone());
            }
        }
        Query {
            shape,
            lead,
            range,
            span: Span {
                newest: key(i64::MAX, RowId::MAX),
                oldest: key(i64::MIN, RowId::MIN),
            },
            checks: Conditions::default(),
        }
    }

    /// Keeps the rows that have this value in a column, if there is one.
    pub(super) fn equals<T: ToSql + 'static>(
        mut self,
        column: &'static str,
        value: Option<T>,
    ) -> Query {
        let Some(value) = value else {
            return self;
        };
        let conditions = match &self.lead {
            Lead::Index(index) if index.implied == column => return self,
            Lead::Index(index) if index.columns.contains(&column) => &mut self.range,
            Lead::Index(_) | Lead::Few | Lead::Number | Lead::Words(_) => &mut self.checks,
        };
        conditions.push(&format!("{}.{column} = :{column}", self.shape.table));
        conditions.bind(format!(":{column}"), value);
        self
    }

    /// Keeps the rows of the source of this name, if one is given, where sources are joined.
    pub(super) fn of_source(self, name: Option<String>) -> Query {
        match name {
            Some(name) => self.and("source.name = :source").bind(":source", name),
            None => self,
        }
    }

    /// Keeps the rows from `from` on and before `to`.
    pub(super) fn within(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Query {
        if matches!(self.lead, Lead::Words(_) | Lead::Number) {
            for (comparison, name, time) in [(">=", ":from", from), ("<", ":to", to)] {
                if let Some(time) = time {
                    let condition = format!("{} {comparison} {name}", self.shape.at);
                    self = self.and(&condition).bind(name, time.0);
                }
            }
            return self;
        }
        if let Some(from) = from {
            self.span.oldest = key(from.0.saturating_sub(1), RowId::MAX);
        }
        if let Some(to) = to {
            self.span.newest = key(to.0, RowId::MIN);
        }
        self
    }

    /// Checks `condition`, whose values are [bound](Query::bind) beside.
    pub(super) fn and(mut self, condition: &str) -> Query {
        self.checks.push(condition);
        self
    }

    /// Binds a value that a checked condition names.
    pub(super) fn bind<T: ToSql + 'static>(mut self, name: impl Into<String>, value: T) -> Query {
        self.checks.bind(name, value);
        self
    }

    /// Reads the rows of one page.
    pub(super) fn page<T>(
        &self,
        tx: &Transaction<'_>,
        page: Page,
        read: impl Fn(&Cells<'_, '_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Rows<T>> {
        let is_backwards = is_backwards(page.place);
        let span = self.behind(page.place);
        let end = self.end_of_piece(tx, span, PAGE_EXAMINED_MAX, is_backwards)?;
        let span = Self::up_to(span, end, is_backwards);
        let bounds = self.bounds(span);
        let own = bounds.values_and((":limit", rows_to_ask(page)));
        let values = named(&own, [&self.range, &self.checks]);
        let mut select = tx.prepare_cached(&self.page_sql(&bounds, is_backwards))?;
        let order = Order::default();
        let rows = select.query_map(&values[..], |row| read(&Cells::of(row, &order)))?;
        Ok(Rows {
            rows: rows.collect::<rusqlite::Result<_>>()?,
            end,
        })
    }

    /// Reads rows in the order of their numbers, as many as one reading may. Only for what leads by
    /// number.
    pub(super) fn scan<T>(
        &self,
        tx: &Transaction<'_>,
        stretch: Stretch,
        read: impl Fn(&Cells<'_, '_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Scanned<T>> {
        // Numbers have few gaps, so a stretch of them is at most so many rows and hardly fewer.
        let last = stretch.after.saturating_add(SCAN_EXAMINED_MAX);
        let last = last.min(stretch.until);
        let span = Span {
            newest: key(0, last.saturating_add(1)),
            oldest: key(0, stretch.after),
        };
        let bounds = self.bounds(span);
        let own = bounds.values_and((":limit", SCAN_ROWS_MAX));
        let values = named(&own, [&self.range, &self.checks]);
        let mut select = tx.prepare_cached(&self.page_sql(&bounds, true))?;
        let mut rows = select.query(&values[..])?;
        let mut scanned = Scanned {
            items: Vec::new(),
            reached: last,
        };
        let mut room = Room::default();
        let order = Order::default();
        while let Some(row) = rows.next()? {
            let cells = Cells::of(row, &order);
            scanned.items.push(read(&cells)?);
            if room.is_full_with(cells.text_bytes()) || count(scanned.items.len()) >= SCAN_ROWS_MAX
            {
                scanned.reached = row.get("id")?;
                break;
            }
        }
        Ok(scanned)
    }

    /// Counts the rows, as far as may be.
    pub(super) fn count(&self, tx: &Transaction<'_>) -> rusqlite::Result<Counted> {
        let end = self.end_of_piece(tx, self.span, COUNT_EXAMINED_MAX, false)?;
        let span = Self::up_to(self.span, end, false);
        let bounds = self.bounds(span);
        let own = bounds.values_and((":limit", i64::from(ROWS_COUNTED_MAX) + 1));
        let values = named(&own, [&self.range, &self.checks]);
        let mut select = tx.prepare_cached(&self.count_sql(&bounds))?;
        let rows = select.query_row(&values[..], |row| read_count(row, "count"))?;
        Ok(counted(rows, end.is_none()))
    }

    /// Returns the last row of the first `examined_max` that the index gives, if there are more.
    fn end_of_piece(
        &self,
        tx: &Transaction<'_>,
        span: Span,
        examined_max: u32,
        is_backwards: bool,
    ) -> rusqlite::Result<Option<PageKey>> {
        if self.checks.sql.is_empty() || matches!(self.lead, Lead::Few) {
            return Ok(None);
        }
        let bounds = self.bounds(span);
        let own = bounds.values_and((":before", i64::from(examined_max) - 1));
        let values = named(&own, [&self.range]);
        let mut select = tx.prepare_cached(&self.end_sql(&bounds, is_backwards))?;
        let mut rows =
            select.query_map(&values[..], |row| Ok(key(row.get("at")?, row.get("id")?)))?;
        let last = rows.next().transpose()?;
        // The row behind it, if there is one, is not looked at.
        let has_more = rows.next().transpose()?.is_some();
        Ok(last.filter(|_| has_more))
    }

    fn behind(&self, place: Place) -> Span {
        let Span { newest, oldest } = self.span;
        match place {
            Place::First => self.span,
            Place::After(key) => Span {
                newest: newest.min(self.own(key)),
                oldest,
            },
            Place::Before(key) => Span {
                newest,
                oldest: oldest.max(self.own(key)),
            },
        }
    }

    /// Cuts off what lies behind `end`, which stays.
    fn up_to(span: Span, end: Option<PageKey>, is_backwards: bool) -> Span {
        match end {
            None => span,
            Some(end) if is_backwards => Span {
                newest: newer(end),
                ..span
            },
            Some(end) => Span {
                oldest: older(end),
                ..span
            },
        }
    }

    /// The part of a key that these rows are ordered by.
    fn own(&self, found: PageKey) -> PageKey {
        match self.lead {
            Lead::Index(_) | Lead::Few => found,
            Lead::Number | Lead::Words(_) => key(0, found.id),
        }
    }

    fn page_sql(&self, bounds: &Bounds, is_backwards: bool) -> String {
        let Shape { columns, .. } = self.shape;
        let (from, joined, span) = (self.from(), self.joined(), &bounds.sql);
        let (range, checks) = (&self.range.sql, &self.checks.sql);
        let order = self.order(is_backwards);
        format!(
            "SELECT {columns} FROM {from}{joined} WHERE {span}{range}{checks} {order} LIMIT :limit"
        )
    }

    fn count_sql(&self, bounds: &Bounds) -> String {
        let (from, span) = (self.from(), &bounds.sql);
        let (range, checks) = (&self.range.sql, &self.checks.sql);
        // What is joined is needed only by what is checked.
        let joined = if checks.is_empty() {
            String::new()
        } else {
            self.joined()
        };
        format!(
            "SELECT COUNT(*) AS count FROM \
             (SELECT 1 FROM {from}{joined} WHERE {span}{range}{checks} LIMIT :limit)"
        )
    }

    fn end_sql(&self, bounds: &Bounds, is_backwards: bool) -> String {
        let (from, span, range) = (self.from(), &bounds.sql, &self.range.sql);
        let order = self.order(is_backwards);
        let key = match &self.lead {
            Lead::Words(_) => format!("0 AS at, {}.rowid AS id", self.shape.words),
            Lead::Index(_) | Lead::Few | Lead::Number => {
                format!("{} AS at, {} AS id", self.shape.at, self.shape.id)
            }
        };
        format!("SELECT {key} FROM {from} WHERE {span}{range} {order} LIMIT 2 OFFSET :before")
    }

    /// Every statement of a page and its count, to look at how SQLite goes about them.
    #[cfg(test)]
    pub(super) fn statements(&self) -> Vec<String> {
        let key = key(1, 1);
        let places = [Place::First, Place::After(key), Place::Before(key)];
        let mut statements = Vec::new();
        for place in places {
            let bounds = self.bounds(self.behind(place));
            statements.push(self.count_sql(&bounds));
            statements.push(self.page_sql(&bounds, is_backwards(place)));
            if !matches!(self.lead, Lead::Few) {
                statements.push(self.end_sql(&bounds, is_backwards(place)));
            }
        }
        statements
    }

    fn from(&self) -> String {
        match &self.lead {
            Lead::Index(index) => format!("{} INDEXED BY {}", self.shape.table, index.name),
            Lead::Few => self.shape.table.to_owned(),
            // Else SQLite takes the index of a checked column, and sorts all that it gives.
            Lead::Number => format!("{} NOT INDEXED", self.shape.table),
            Lead::Words(_) => self.shape.words.to_owned(),
        }
    }

    fn joined(&self) -> String {
        let Shape {
            table,
            join,
            id,
            words,
            ..
        } = self.shape;
        match &self.lead {
            Lead::Index(_) | Lead::Few | Lead::Number => (*join).to_owned(),
            Lead::Words(_) => format!(" CROSS JOIN {table} ON {id} = {words}.rowid{join}"),
        }
    }

    fn bounds(&self, span: Span) -> Bounds {
        let Shape { at, id, words, .. } = self.shape;
        match self.lead {
            Lead::Index(_) | Lead::Few => span.by_time(at, id),
            Lead::Number => span.by_number(id),
            Lead::Words(_) => span.by_number(&format!("{words}.rowid")),
        }
    }

    fn order(&self, is_backwards: bool) -> String {
        let way = if is_backwards { "ASC" } else { "DESC" };
        let Shape { at, id, words, .. } = self.shape;
        match &self.lead {
            Lead::Index(_) | Lead::Few => format!("ORDER BY {at} {way}, {id} {way}"),
            Lead::Number => format!("ORDER BY {id} {way}"),
            Lead::Words(_) => format!("ORDER BY {words}.rowid {way}"),
        }
    }
}

/// Tells whether a page is read from its oldest row on.
pub(super) fn is_backwards(place: Place) -> bool {
    matches!(place, Place::Before(_))
}

/// Returns so many rows as far as they may be counted.
pub(super) fn counted(rows: u64, is_all: bool) -> Counted {
    let max = u64::from(ROWS_COUNTED_MAX);
    Counted {
        rows: rows.min(max),
        is_all: is_all && rows <= max,
    }
}

fn named<'a, const N: usize>(
    own: &'a [(&'a str, i64)],
    conditions: [&'a Conditions; N],
) -> Vec<(&'a str, &'a dyn ToSql)> {
    let own = own.iter().map(|(name, value)| (*name, value as &dyn ToSql));
    let of_conditions = conditions
        .into_iter()
        .flat_map(|conditions| &conditions.values)
        .map(|(name, value)| (name.as_str(), value.as_ref()));
    own.chain(of_conditions).collect()
}

#[cfg(test)]
mod tests {
    use crate::notification::event::JobState;
    use crate::store::filters::JobFilter;
    use crate::store::fixtures::{self, NOON, TestStore, arrival};
    use crate::store::records::{JobRecord, Listing};

    use super::*;

    /// Makes of the one job so many, each a millisecond later than the one before, of which
    /// those succeeded whose number is a multiple of `every`.
    fn many(jobs: u32, every: u32) -> TestStore {
        let test = fixtures::open();
        test.append(arrival("m", "first"));
        let copied = test.put((count(jobs), count(every)), |tx, _, (jobs, every)| {
            tx.execute(
                "WITH RECURSIVE number (value) AS (
                   SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1
                 )
                 INSERT INTO job (job, owner, region, queue, names, type, state, events,
                   deliveries, conflict, last_event_at, extra)
                 SELECT value, owner, CASE value % 2 WHEN 0 THEN '' ELSE 'odd' END, queue, names,
                   't', CASE value % ?2 WHEN 0 THEN 'succeeded' ELSE 'failed' END, events,
                   deliveries, conflict, last_event_at + value, extra FROM job, number",
                [jobs, every],
            )?;
            tx.execute("DELETE FROM job WHERE job = 'first'", [])?;
            tx.execute("INSERT INTO queue SELECT name, 'odd', 0 FROM queue", [])?;
            tx.execute(
                "INSERT INTO job_words (rowid, words) SELECT id, 'word' FROM job",
                [],
            )?;
            Ok(Ok(()))
        });
        copied.recv().unwrap().unwrap();
        test
    }

    /// Three ways to find few among many: by type, by a queue of two regions, by words.
    fn filters() -> [JobFilter; 3] {
        let text = |text: &str| Some(text.to_owned());
        let mut filters = [(); 3].map(|()| JobFilter {
            state: Some(JobState::Succeeded),
            ..JobFilter::default()
        });
        filters[0].job_type = text("t");
        filters[1].queue = text("topic");
        filters[2].q = text("word");
        filters
    }

    fn read(test: &TestStore, filter: &JobFilter, page: Page) -> Listing<JobRecord> {
        test.store.page_jobs(filter, page).unwrap()
    }

    #[test]
    fn a_list_with_a_rare_filter_is_read_whole_forth_and_back_in_bounded_pages() {
        let (jobs, every) = (2 * PAGE_EXAMINED_MAX + 7, PAGE_EXAMINED_MAX / 2 + 1);
        let test = many(jobs, every);
        let expected: Vec<String> = (1..=jobs / every)
            .map(|at| (at * every).to_string())
            .collect();
        for filter in filters() {
            for limit in [1, 100] {
                let walked = fixtures::walked(limit, |page| read(&test, &filter, page));
                let mut ids: Vec<String> = walked.into_iter().map(|job| job.id).collect();
                ids.reverse();
                assert_eq!(ids, expected, "{filter:?} by {limit}");
            }
        }
    }

    #[test]
    fn a_page_that_finds_nothing_ends_after_so_many_rows_and_says_where_to_go_on() {
        let test = many(PAGE_EXAMINED_MAX + 1, u32::MAX);
        let key = |id: u32| PageKey {
            at: NOON.plus_ms(i64::from(id)),
            id: i64::from(id) + 1,
        };
        let by_words = JobFilter {
            q: Some("word".to_owned()),
            job_type: Some("none".to_owned()),
            ..JobFilter::default()
        };
        let first = read(&test, &by_words, Page::first(10));
        assert_eq!(first.items.len(), 0);
        assert_eq!(first.next.map(|key| key.id), Some(key(2).id));
        let place = Place::After(first.next.unwrap());
        let second = read(&test, &by_words, Page { limit: 10, place });
        assert_eq!((second.items.len(), second.next), (0, None));
        assert!(second.previous.is_some());
        let exactly = many(PAGE_EXAMINED_MAX, u32::MAX);
        let first = read(&exactly, &by_words, Page::first(10));
        assert_eq!((first.items.len(), first.next), (0, None));
    }

    #[test]
    fn a_count_that_looks_at_rows_stops_after_so_many_and_says_so() {
        for (more, is_all) in [(0, true), (1, false)] {
            let test = many(COUNT_EXAMINED_MAX + more, 2);
            let [by_type, _, by_words] = filters();
            for filter in [by_type, by_words] {
                let counted = test.store.count_jobs(&filter).unwrap();
                let rows = u64::from(COUNT_EXAMINED_MAX / 2);
                assert_eq!(counted, Counted { rows, is_all }, "{filter:?}");
            }
        }
    }

    #[test]
    fn as_many_rows_are_counted_as_may_be_and_of_more_it_is_said() {
        let max = u64::from(ROWS_COUNTED_MAX);
        for (jobs, is_all) in [(ROWS_COUNTED_MAX, true), (ROWS_COUNTED_MAX + 1, false)] {
            let test = many(jobs, 1);
            let queue = JobFilter {
                queue: Some("topic".to_owned()),
                ..JobFilter::default()
            };
            let words = JobFilter {
                q: Some("word".to_owned()),
                ..JobFilter::default()
            };
            let every_way = [queue, words, JobFilter::default()];
            for filter in every_way {
                let counted = test.store.count_jobs(&filter).unwrap();
                assert_eq!(counted, Counted { rows: max, is_all }, "{filter:?}");
            }
        }
    }

    #[test]
    fn an_empty_page_leads_back_to_the_row_it_is_beside() {
        let test = fixtures::open();
        test.append(arrival("m", "j"));
        let all = JobFilter::default();
        let only = PageKey { at: NOON, id: 1 };
        let after = Place::After(only);
        let behind = read(
            &test,
            &all,
            Page {
                limit: 5,
                place: after,
            },
        );
        assert_eq!((behind.items.len(), behind.next), (0, None));
        let place = Place::Before(behind.previous.unwrap());
        assert_eq!(read(&test, &all, Page { limit: 5, place }).items.len(), 1);
        let before = Place::Before(only);
        let newest = read(
            &test,
            &all,
            Page {
                limit: 5,
                place: before,
            },
        );
        assert_eq!((newest.items.len(), newest.previous), (0, None));
        let place = Place::After(newest.next.unwrap());
        assert_eq!(read(&test, &all, Page { limit: 5, place }).items.len(), 1);
    }

    #[test]
    fn times_at_the_end_of_all_time_are_no_error() {
        let test = fixtures::open();
        test.append(arrival("m", "j"));
        for (from, to, expected) in [(i64::MIN, i64::MAX, 1), (i64::MAX, i64::MIN, 0)] {
            let filter = JobFilter {
                from: Some(Timestamp(from)),
                to: Some(Timestamp(to)),
                ..JobFilter::default()
            };
            let listing = read(&test, &filter, Page::first(5));
            assert_eq!(listing.items.len(), expected);
        }
    }
}
