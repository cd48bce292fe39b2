//! Reading: a small fixed pool of read-only connections, and the verbs that use them.
//!
//! Each verb is one short read transaction, so that the log can be emptied behind it, and pages by
//! key. Waiting for a connection and reading are both bounded in time: a page that asks for too
//! much fails, and takes nothing from the writer.
//!
//! The connections cannot write: they are opened read-only, and `query_only` besides.
//!
//! The verbs for lanes stand in `lanes.rs`, those that count in `counts.rs`, all others here.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction};

use crate::clock::Timestamp;
use crate::notification::source::SourceId;
use crate::store::errors::ReadError;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::open::{STATEMENTS_KEPT, keep_plans};
use crate::store::readers::query::Rows;
use crate::store::readers::span::{newer, older};
use crate::store::records::{
    ActivityRecord, Attention, DeliveryDetail, DeliveryRecord, EventRecord, HeldDetail, HeldRecord,
    JobDetail, JobRecord, Listing, PAGE_ROWS_MAX, Page, PageKey, Place, RefusalCount,
    RefusalDetail, RefusalRecord, RollUpRecord, RollUpSpan, RowId, RunDetail, RunRecord,
    SourceRecord, StrayRecord,
};
use crate::store::rollups::{self, ROLL_UP_ROWS_MAX};
use crate::store::{Allowance, KeptCertificate, Store, unpoisoned};

mod activities;
mod completeness;
mod counts;
mod deliveries;
mod events;
mod failures;
mod held;
mod jobs;
mod lag;
mod lane_items;
mod lanes;
mod query;
mod refusals;
mod roll_ups;
mod runs;
mod scan;
mod sources;
mod span;
mod standing;
mod upkeep;

/// How much reading there may be at once and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderLimits {
    /// Connections in the pool.
    pub(super) connections: usize,
    /// How long a verb waits for one.
    pub(super) wait_max: Duration,
    /// How long it may take then.
    pub(super) read_max: Duration,
}

/// Four readers fill two to four cores; somebody looking at a page waits two seconds before it
/// says that it is busy, and five before it says that it is too much.
pub(super) const READER_LIMITS: ReaderLimits = ReaderLimits {
    connections: 4,
    wait_max: Duration::from_secs(2),
    read_max: Duration::from_secs(5),
};

/// How many of SQLite's steps pass between two looks at the clock: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 2_000;

/// The pool.
pub(super) struct Readers {
    limits: ReaderLimits,
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    /// Opens the connections of a database that is there and migrated.
    pub(super) fn open(path: &Path, limits: ReaderLimits) -> rusqlite::Result<Readers> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut idle = Vec::with_capacity(limits.connections);
        for _ in 0..limits.connections {
            let conn = Connection::open_with_flags(path, flags)?;
            conn.pragma_update(None, "query_only", true)?;
            conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            keep_plans(&conn)?;
            idle.push(conn);
        }
        Ok(Readers {
            limits,
            idle: Mutex::new(idle),
            returned: Condvar::new(),
        })
    }

    /// Runs `query` on a connection of its own, in one read transaction.
    pub(super) fn read<R>(
        &self,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>,
    ) -> Result<R, ReadError> {
        self.read_within(self.limits.read_max, query)
    }

    /// The same, with a time of its own.
    pub(super) fn read_within<R>(
        &self,
        read_max: Duration,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>,
    ) -> Result<R, ReadError> {
        let mut reader = self.acquire()?;
        let deadline = Instant::now() + read_max;
        reader.run(deadline, query).map_err(ReadError::of)
    }

    fn acquire(&self) -> Result<Reader<'_>, ReadError> {
        let idle = unpoisoned(&self.idle);
        let (mut idle, _) = self
            .returned
            .wait_timeout_while(idle, self.limits.wait_max, |idle| idle.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let conn = idle.pop().ok_or(ReadError::Busy)?;
        Ok(Reader {
            conn: Some(conn),
            pool: self,
        })
    }
}

/// A connection in use; dropping gives it back, also after a panic.
struct Reader<'a> {
    /// Always there until the drop.
    conn: Option<Connection>,
    pool: &'a Readers,
}

impl Reader<'_> {
    fn run<R>(
        &mut self,
        deadline: Instant,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<R>,
    ) -> rusqlite::Result<R> {
        let conn = self.conn.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
        let is_late = move || Instant::now() >= deadline;
        conn.progress_handler(STEPS_BETWEEN_LOOKS, Some(is_late))?;
        let tx = conn.transaction()?;
        query(&tx)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            unpoisoned(&self.pool.idle).push(conn);
            self.pool.returned.notify_one();
        }
    }
}

/// Reading. Each verb blocks for one short read, so callers keep it off the async threads; a page
/// has at most [`PAGE_ROWS_MAX`] rows, whatever was asked for.
impl Store {
    /// Returns what each source lets in beside its configuration, in the order of their numbers.
    pub fn allowances(&self) -> Result<Vec<Allowance>, ReadError> {
        self.inner.readers.read(sources::allowances)
    }

    /// Returns every source that was ever configured, with what came through it.
    pub fn sources(&self) -> Result<Vec<SourceRecord>, ReadError> {
        self.inner.readers.read(sources::records)
    }

    pub fn certificates(&self) -> Result<Vec<KeptCertificate>, ReadError> {
        self.inner.readers.read(sources::certificates)
    }

    pub fn attention(&self) -> Result<Attention, ReadError> {
        self.inner.readers.read(sources::attention)
    }

    /// Returns one page of the jobs that pass `filter`, newest event first; by words, the job first
    /// heard of last comes first.
    pub fn page_jobs(
        &self,
        filter: &JobFilter,
        page: Page,
    ) -> Result<Listing<JobRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| {
            let mut listing = jobs::page(tx, filter, page)?;
            runs::name_workflows(tx, known, listing.items.iter_mut())?;
            Ok(listing)
        })
    }

    /// Returns the jobs with this id, one for each owner.
    pub fn find_jobs(&self, id: &str) -> Result<Vec<JobDetail>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| {
            let mut details = jobs::find(tx, id)?;
            let jobs = details.iter_mut().map(|detail| &mut detail.job);
            runs::name_workflows(tx, known, jobs)?;
            Ok(details)
        })
    }

    /// Returns one page of the runs that pass `filter`, newest event first. By words it is the run
    /// first heard of last that comes first; they are looked for in object, user data and the names
    /// of workflow and activities.
    pub fn page_runs(
        &self,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Listing<RunRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| runs::page(tx, known, filter, page))
    }

    /// Returns the runs with this id, one for each owner.
    pub fn find_runs(&self, id: &str) -> Result<Vec<RunDetail>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| runs::find(tx, known, id))
    }

    /// Returns one page of the activities that pass `filter`, newest event first.
    pub fn page_activities(
        &self,
        filter: &ActivityFilter,
        page: Page,
    ) -> Result<Listing<ActivityRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| activities::page(tx, known, filter, page))
    }

    /// Returns one page of the events that pass `filter`, newest first by when they happened.
    pub fn page_events(
        &self,
        filter: &EventFilter,
        page: Page,
    ) -> Result<Listing<EventRecord>, ReadError> {
        self.inner.readers.read(|tx| events::page(tx, filter, page))
    }

    /// Returns the roll-ups of the minutes or hours that begin in `from` (included) to `to` (not),
    /// by time, then lane; [`ReadError::TooSlow`] if there are more than [`ROLL_UP_ROWS_MAX`].
    pub fn roll_ups(
        &self,
        span: RollUpSpan,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RollUpRecord>, ReadError> {
        let now = self.inner.workflows.now();
        let rows = self
            .inner
            .readers
            .read(|tx| rollups::read(tx, span, from, to, now))?;
        if rows.len() > ROLL_UP_ROWS_MAX {
            return Err(ReadError::TooSlow);
        }
        Ok(rows)
    }

    /// Returns one page of the deliveries that pass `filter`, newest arrival first.
    pub fn page_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
    ) -> Result<Listing<DeliveryRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| deliveries::page(tx, filter, page))
    }

    pub fn find_delivery(&self, id: RowId) -> Result<Option<DeliveryDetail>, ReadError> {
        self.inner.readers.read(|tx| deliveries::find(tx, id))
    }

    /// Returns one page of the held pushes that pass `filter`, newest arrival first.
    pub fn page_held(
        &self,
        filter: &HeldFilter,
        page: Page,
    ) -> Result<Listing<HeldRecord>, ReadError> {
        self.inner.readers.read(|tx| held::page(tx, filter, page))
    }

    pub fn find_held(&self, id: RowId) -> Result<Option<HeldDetail>, ReadError> {
        self.inner.readers.read(|tx| held::find(tx, id))
    }

    /// Returns the numbers of held pushes of this source, oldest first: of `owner` and of `topic`,
    /// where they are given.
    pub fn held_of(
        &self,
        source: SourceId,
        owner: Option<&str>,
        topic: Option<&str>,
    ) -> Result<Vec<RowId>, ReadError> {
        self.inner
            .readers
            .read(|tx| held::ids_of(tx, source, owner, topic))
    }

    /// Returns one page of the refusals that were kept and pass `filter`, newest first.
    pub fn page_refusals(
        &self,
        filter: &RefusalFilter,
        page: Page,
    ) -> Result<Listing<RefusalRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| refusals::page(tx, filter, page))
    }

    pub fn find_refusal(&self, id: RowId) -> Result<Option<RefusalDetail>, ReadError> {
        self.inner.readers.read(|tx| refusals::find(tx, id))
    }

    /// Returns the refusals of each source and reason, kept or not.
    pub fn refusal_counts(&self) -> Result<Vec<RefusalCount>, ReadError> {
        self.inner.readers.read(refusals::counts)
    }

    /// Returns the latest strays, newest first, and how many there were in all.
    pub fn strays(&self) -> Result<(Vec<StrayRecord>, u64), ReadError> {
        self.inner.readers.read(refusals::strays)
    }
}

/// The rows that a page has at most.
fn rows_shown(page: Page) -> usize {
    usize::try_from(page.limit.clamp(1, PAGE_ROWS_MAX)).unwrap_or(usize::MAX)
}

/// A page's rows that SQLite is asked for: one more than wanted, to know whether there are more.
fn rows_to_ask(page: Page) -> i64 {
    i64::from(page.limit.clamp(1, PAGE_ROWS_MAX)) + 1
}

/// Cuts off the row that was asked for beyond the page, puts the newest first, and says where the
/// pages beside it are.
fn listing<T>(page: Page, read: Rows<T>, key: impl Fn(&T) -> PageKey) -> Listing<T> {
    let Rows {
        rows: mut items,
        end,
    } = read;
    let has_more = items.len() > rows_shown(page);
    items.truncate(rows_shown(page));
    // The page's far side, and its near one, where the page that it was reached from is.
    let far = items.last().filter(|_| has_more).map(&key).or(end);
    let near = items.first().map(key);
    match page.place {
        Place::First => Listing {
            items,
            next: far,
            previous: None,
        },
        Place::After(place) => Listing {
            items,
            next: far,
            previous: near.or(Some(older(place))),
        },
        Place::Before(place) => {
            items.reverse();
            Listing {
                items,
                next: near.or(Some(newer(place))),
                previous: far,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use crate::store::fixtures;

    use super::*;

    const ENDLESS: &str = "
        WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number)
        SELECT COUNT(*) FROM number";

    fn limits(connections: usize, read_max: Duration) -> ReaderLimits {
        ReaderLimits {
            connections,
            wait_max: Duration::from_millis(20),
            read_max,
        }
    }

    #[test]
    fn a_reading_that_takes_too_long_is_cut_off_and_its_connection_serves_again() {
        let test = fixtures::open();
        let readers = Readers::open(&test.path(), limits(1, Duration::from_millis(50))).unwrap();
        let endless = readers.read(|tx| tx.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)));
        assert!(matches!(endless, Err(ReadError::TooSlow)), "{endless:?}");
        let next = readers.read(|tx| tx.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)));
        assert_eq!(next.unwrap(), 1);
    }

    #[test]
    fn who_finds_no_free_reader_is_told_so_and_the_last_one_given_back_serves_again() {
        let test = fixtures::open();
        let readers = Readers::open(&test.path(), limits(2, Duration::from_secs(60))).unwrap();
        let first = readers.acquire().unwrap();
        let second = readers.acquire().unwrap();
        let third = readers.read(|_| Ok(()));
        assert!(matches!(third, Err(ReadError::Busy)), "{third:?}");
        drop(second);
        readers.read(|_| Ok(())).unwrap();
        drop(first);
    }

    #[test]
    fn a_reader_cannot_write() {
        let test = fixtures::open();
        let read = &test.store.inner.readers;
        let written = read.read(|tx| tx.execute("DELETE FROM source", []));
        assert!(
            matches!(written, Err(ReadError::Failed { .. })),
            "{written:?}"
        );
        let query_only =
            read.read(|tx| tx.pragma_query_value(None, "query_only", |row| row.get::<_, bool>(0)));
        assert!(query_only.unwrap());
        assert_eq!(test.store.allowances().unwrap().len(), 1);
    }

    /// How often a statement is planned anew that is used with two limits.
    fn planned_anew(tx: &Transaction<'_>) -> rusqlite::Result<i32> {
        let mut select = tx.prepare("SELECT id FROM job LIMIT ?1")?;
        for limit in [1, 2] {
            select.query_row([limit], |_| Ok(()))?;
        }
        Ok(select.get_status(StatementStatus::RePrepare))
    }

    #[test]
    fn neither_reader_nor_writer_plans_a_statement_anew_for_another_limit() {
        let test = fixtures::open();
        test.append(fixtures::arrival("m1", "j1"));
        assert!(planned_anew(&test.look().unchecked_transaction().unwrap()).unwrap() > 0);
        assert_eq!(test.store.inner.readers.read(planned_anew).unwrap(), 0);
        let written = test.put((), |tx, _, ()| {
            assert_eq!(planned_anew(tx)?, 0);
            Ok(Ok(()))
        });
        written.recv().unwrap().unwrap();
    }

    #[test]
    fn reading_goes_on_while_the_writer_works_and_after_it_has_ended() {
        let test = fixtures::open();
        test.append(fixtures::arrival("m1", "j1"));
        let stopped = test.stop_writer();
        assert_eq!(test.jobs().len(), 1);
        stopped.go_on();
        test.store.close();
        assert_eq!(test.jobs().len(), 1);
    }

    #[test]
    fn a_page_has_at_least_one_and_at_most_a_thousand_rows() {
        let test = fixtures::open();
        for at in 0..PAGE_ROWS_MAX + 2 {
            drop(test.send(fixtures::arrival(&format!("m{at}"), &format!("j{at}"))));
            if at % 200 == 0 {
                test.append(fixtures::arrival("again", "again"));
            }
        }
        test.append(fixtures::arrival("again", "again"));
        for (limit, rows) in [(0, 1), (u32::MAX, 1_000)] {
            let all = DeliveryFilter::default();
            let listing = test
                .store
                .page_deliveries(&all, Page::first(limit))
                .unwrap();
            assert_eq!(listing.items.len(), rows);
            assert!(listing.next.is_some());
        }
    }
}
