//! Whole tables, reading by reading, for exports.
//!
//! Each verb is one short read transaction like a page's: the log can be emptied between any two, and
//! nothing piles up in memory. It is bounded in rows looked at, in rows given and in bytes, since a
//! row may be as long as a message. Nothing is driven by an index but words: a million rows are looked
//! at in a second or so, and one way of reading needs no thought about which filter is rare.

use rusqlite::Transaction;

use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::readers::{activities, deliveries, events, held, jobs, refusals, runs};
use crate::store::records::{
    ActivityRecord, DeliveryRecord, EventRecord, HeldRecord, JobRecord, RefusalRecord, RowId,
    RunRecord,
};
use crate::store::scan_records::{Scanned, Stretch, Table};

/// The most rows that one reading looks at: some hundredths of a second.
pub(super) const SCAN_EXAMINED_MAX: RowId = 10_000;

/// The most rows that one reading gives.
pub(super) const SCAN_ROWS_MAX: RowId = 1_000;

/// Bytes of text after which a reading takes no further row. What is made of them takes several times
/// as much.
pub(super) const SCAN_BYTES_MAX: usize = 1024 * 1024;

/// How many bytes a reading has taken.
#[derive(Default)]
pub(super) struct Room {
    bytes: usize,
}

impl Room {
    /// Adds a row's, and tells whether another would be too much.
    pub(super) fn is_full_with(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.bytes >= SCAN_BYTES_MAX
    }
}

/// Scanning. Each verb blocks for one short read, and gives the rows of a stretch that pass the filter
/// as they are at that moment, in the order of their numbers.
impl Store {
    /// Returns the number of a table's last row; 0 if it has none.
    pub fn last_row(&self, table: Table) -> Result<RowId, ReadError> {
        self.inner.readers.read(|tx| last_row(tx, table))
    }

    pub fn scan_jobs(
        &self,
        filter: &JobFilter,
        stretch: Stretch,
    ) -> Result<Scanned<JobRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| {
            let mut scanned = jobs::scan(tx, filter, stretch)?;
            runs::name_workflows(tx, known, scanned.items.iter_mut())?;
            Ok(scanned)
        })
    }

    pub fn scan_runs(
        &self,
        filter: &RunFilter,
        stretch: Stretch,
    ) -> Result<Scanned<RunRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| runs::scan(tx, known, filter, stretch))
    }

    pub fn scan_activities(
        &self,
        filter: &ActivityFilter,
        stretch: Stretch,
    ) -> Result<Scanned<ActivityRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| activities::scan(tx, known, filter, stretch))
    }

    pub fn scan_events(
        &self,
        filter: &EventFilter,
        stretch: Stretch,
    ) -> Result<Scanned<EventRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| events::scan(tx, filter, stretch))
    }

    pub fn scan_deliveries(
        &self,
        filter: &DeliveryFilter,
        stretch: Stretch,
    ) -> Result<Scanned<DeliveryRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| deliveries::scan(tx, filter, stretch))
    }

    pub fn scan_held(
        &self,
        filter: &HeldFilter,
        stretch: Stretch,
    ) -> Result<Scanned<HeldRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| held::scan(tx, filter, stretch))
    }

    pub fn scan_refusals(
        &self,
        filter: &RefusalFilter,
        stretch: Stretch,
    ) -> Result<Scanned<RefusalRecord>, ReadError> {
        self.inner
            .readers
            .read(|tx| refusals::scan(tx, filter, stretch))
    }
}

fn last_row(tx: &Transaction<'_>, table: Table) -> rusqlite::Result<RowId> {
    let sql = match table {
        Table::Jobs => "SELECT COALESCE(MAX(id), 0) FROM job",
        Table::Runs => "SELECT COALESCE(MAX(id), 0) FROM run",
        Table::Activities => "SELECT COALESCE(MAX(id), 0) FROM activity",
        Table::Events => "SELECT COALESCE(MAX(id), 0) FROM event",
        Table::Deliveries => "SELECT COALESCE(MAX(id), 0) FROM delivery",
        Table::Held => "SELECT COALESCE(MAX(id), 0) FROM held",
        Table::Refusals => "SELECT COALESCE(MAX(id), 0) FROM refusal",
    };
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{ActivityEvent, Event, JobState, RunEvent};
    use crate::notification::reason::{HoldReason, RefusalReason};
    use crate::store::filters::DeliveryOnly;
    use crate::store::fixtures::{self, NOON, TestStore, arrival, arrival_of, renotify};
    use crate::store::records::{Page, RunOutcome};
    use crate::store::{NewHeld, NewRefusal};

    use super::*;

    /// Reads a stretch to its end, and fails unless each reading goes on.
    fn scanned<T>(
        mut stretch: Stretch,
        read: impl Fn(Stretch) -> Result<Scanned<T>, ReadError>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        while stretch.after < stretch.until {
            let scanned = read(stretch).unwrap();
            assert!(scanned.reached > stretch.after && scanned.reached <= stretch.until);
            items.extend(scanned.items);
            stretch.after = scanned.reached;
        }
        items
    }

    fn whole(test: &TestStore, table: Table) -> Stretch {
        Stretch {
            after: 0,
            until: test.store.last_row(table).unwrap(),
        }
    }

    fn jobs(test: &TestStore, filter: &JobFilter) -> Vec<String> {
        let stretch = whole(test, Table::Jobs);
        let jobs = scanned(stretch, |stretch| test.store.scan_jobs(filter, stretch));
        jobs.into_iter().map(|job| job.id).collect()
    }

    /// Makes of the one job so many, the number of each its id.
    fn multiply(test: &TestStore, jobs: i64) {
        let made = test.put(jobs, |tx, _, jobs| {
            tx.execute(
                "WITH RECURSIVE number (value) AS (
                   SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1
                 )
                 INSERT INTO job (job, owner, region, queue, names, state, code, events,
                   deliveries, conflict, last_event_at, extra)
                 SELECT value, owner, region, queue, names, state,
                   CASE value % 100 WHEN 0 THEN 'rare' END, events, deliveries, conflict,
                   last_event_at - value, extra
                 FROM job, number",
                [jobs],
            )?;
            tx.execute("DELETE FROM job WHERE job = 'first'", [])?;
            tx.execute(
                "INSERT INTO job_words (rowid, words) SELECT id, 'word' FROM job
                 WHERE code IS NOT NULL",
                [],
            )?;
            Ok(Ok(()))
        });
        made.recv().unwrap().unwrap();
    }

    #[test]
    fn a_table_is_read_whole_in_the_order_of_its_numbers_by_bounded_readings() {
        let test = fixtures::open();
        test.append(arrival("m", "first"));
        let many = SCAN_EXAMINED_MAX + 1_234;
        multiply(&test, many);
        let all = jobs(&test, &JobFilter::default());
        let expected: Vec<String> = (1..=many).map(|number| number.to_string()).collect();
        // Not `assert_eq`, which would print them all.
        assert!(all == expected, "{} of {many}", all.len());
        let first = whole(&test, Table::Jobs);
        let first = test.store.scan_jobs(&JobFilter::default(), first);
        assert_eq!(first.unwrap().items.len(), 1_000);

        let rare: Vec<String> = (1..=many / 100)
            .map(|number| (number * 100).to_string())
            .collect();
        let some = |text: &str| Some(text.to_owned());
        let code = JobFilter {
            code: some("rare"),
            ..JobFilter::default()
        };
        let word = JobFilter {
            q: some("wor"),
            ..JobFilter::default()
        };
        assert_eq!(jobs(&test, &code), rare);
        assert_eq!(jobs(&test, &word), rare);
        let none = JobFilter {
            code: some("none"),
            ..JobFilter::default()
        };
        let begun = whole(&test, Table::Jobs);
        let first = test.store.scan_jobs(&none, begun).unwrap();
        assert_eq!((first.items.len(), first.reached), (0, SCAN_EXAMINED_MAX));
        assert!(jobs(&test, &none).is_empty());
    }

    #[test]
    fn a_reading_of_long_rows_ends_early_and_loses_none() {
        let test = fixtures::open();
        test.append(arrival("m", "first"));
        multiply(&test, 10);
        let lengthened = test.put((), |tx, _, ()| {
            let long = i64::try_from(SCAN_BYTES_MAX / 4).unwrap();
            tx.execute("UPDATE job SET user_data = hex(zeroblob(?1 / 2))", [long])?;
            Ok(Ok(()))
        });
        lengthened.recv().unwrap().unwrap();
        let stretch = whole(&test, Table::Jobs);
        let first = test
            .store
            .scan_jobs(&JobFilter::default(), stretch)
            .unwrap();
        assert_eq!(first.items.len(), 4);
        assert_eq!(jobs(&test, &JobFilter::default()).len(), 10);
    }

    #[test]
    fn rows_that_come_or_change_while_a_table_is_read_are_given_once_or_not_at_all() {
        let test = fixtures::open();
        for id in ["a", "b", "c"] {
            test.append(arrival(id, id));
        }
        let begun = whole(&test, Table::Jobs);
        let first = Stretch { until: 1, ..begun };
        let all = JobFilter::default();
        let read = |stretch| test.store.scan_jobs(&all, stretch);
        assert_eq!(scanned(first, read)[0].id, "a");
        // One that was given and one that was not change, and another comes.
        test.append(arrival("again a", "a"));
        test.append(arrival("again b", "b"));
        test.append(arrival("d", "d"));
        let rest = Stretch { after: 1, ..begun };
        let rest: Vec<(String, u64)> = scanned(rest, read)
            .into_iter()
            .map(|job| (job.id, job.events))
            .collect();
        assert_eq!(rest, [("b".to_owned(), 2), ("c".to_owned(), 1)]);
    }

    #[test]
    fn what_is_typed_is_an_id_or_words_as_in_the_list() {
        let test = fixtures::open();
        for id in ["alpha", "beta"] {
            test.append(fixtures::arrival_saying(
                id,
                NOON,
                &format!(r#"{{"jobId":"{id}","state":"Success","userData":"some beta words"}}"#),
            ));
        }
        let typed = |q: &str| JobFilter {
            q: Some(q.to_owned()),
            ..JobFilter::default()
        };
        for (q, expected) in [
            ("beta", vec!["beta"]),
            ("some wor", vec!["alpha", "beta"]),
            ("none", vec![]),
            ("!!", vec![]),
            (" ", vec!["alpha", "beta"]),
        ] {
            assert_eq!(jobs(&test, &typed(q)), expected, "{q}");
        }
    }

    fn run_of(test: &TestStore, id: &str, workflow: &str, hours_ago: i64) {
        let run = RunEvent {
            run_id: id.to_owned(),
            workflow_id: Some(workflow.to_owned()),
            workflow_name: Some(format!("name of {workflow}")),
            media_id: Some(format!("media of {id}")),
            created_at: Some(NOON.plus_ms(-hours_ago * 3_600_000)),
            ..RunEvent::default()
        };
        let activity = |name: &str, job: &str| ActivityEvent {
            run_id: id.to_owned(),
            workflow_id: Some(workflow.to_owned()),
            name: name.to_owned(),
            activity_type: "Transcode".to_owned(),
            job_id: Some(job.to_owned()),
            state: JobState::Running,
            ..ActivityEvent::default()
        };
        let events = vec![
            Event::Run(run),
            Event::Activity(activity("HD", &format!("job of {id}"))),
            Event::Activity(activity("SD", &format!("other of {id}"))),
        ];
        test.append(arrival_of("topic", id, events));
    }

    #[test]
    fn runs_come_with_their_activities_and_are_stale_as_in_the_list() {
        let test = fixtures::open();
        run_of(&test, "old", "w1", 25);
        run_of(&test, "new", "w2", 1);
        let stretch = whole(&test, Table::Runs);
        let runs = |filter: RunFilter| {
            let runs = scanned(stretch, |stretch| test.store.scan_runs(&filter, stretch));
            let mut listed = test
                .store
                .page_runs(&filter, Page::first(10))
                .unwrap()
                .items;
            listed.reverse();
            assert_eq!(runs, listed, "{filter:?}");
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        };
        let of = |outcome| RunFilter {
            outcome: Some(outcome),
            ..RunFilter::default()
        };
        let typed = |q: &str| RunFilter {
            q: Some(q.to_owned()),
            ..RunFilter::default()
        };
        assert_eq!(runs(RunFilter::default()), ["old", "new"]);
        assert_eq!(runs(of(RunOutcome::Stale)), ["old"]);
        assert_eq!(runs(of(RunOutcome::Running)), ["new"]);
        assert_eq!(runs(typed("old")), ["old"]);
        assert_eq!(runs(typed("media of new")), ["new"]);
        assert_eq!(runs(typed("job of new")), ["new"]);
        assert_eq!(runs(typed("name of")), ["old", "new"]);
        assert!(runs(typed("??")).is_empty());

        let filter = ActivityFilter {
            run: Some("new".to_owned()),
            ..ActivityFilter::default()
        };
        let stretch = whole(&test, Table::Activities);
        let read = |stretch| test.store.scan_activities(&filter, stretch);
        let names: Vec<(String, Option<String>)> = scanned(stretch, read)
            .into_iter()
            .map(|activity| (activity.name, activity.workflow.name))
            .collect();
        let of_w2 = Some("name of w2".to_owned());
        assert_eq!(
            names,
            [("HD".to_owned(), of_w2.clone()), ("SD".to_owned(), of_w2)]
        );
    }

    #[test]
    fn events_and_deliveries_are_filtered_as_in_their_lists() {
        let test = fixtures::open();
        test.append(arrival("a", "job"));
        test.append(fixtures::arrival_saying("b", NOON, "not JSON"));
        test.append(arrival("a", "job"));
        let later = renotify(arrival("c", "job"), |notification| {
            notification.published_at = Some(NOON.plus_ms(5));
        });
        test.append(later);
        let events = |filter: EventFilter| {
            let stretch = whole(&test, Table::Events);
            let events = scanned(stretch, |stretch| test.store.scan_events(&filter, stretch));
            events.into_iter().map(|event| event.id).collect::<Vec<_>>()
        };
        let kind = |kind: &str| EventFilter {
            kind: Some(kind.to_owned()),
            ..EventFilter::default()
        };
        assert_eq!(events(EventFilter::default()), [1, 2, 3]);
        assert_eq!(events(kind("job")), [1, 3]);
        let since = EventFilter {
            from: Some(NOON.plus_ms(1)),
            ..EventFilter::default()
        };
        assert_eq!(events(since), [3]);
        let until = EventFilter {
            to: Some(NOON.plus_ms(5)),
            ..EventFilter::default()
        };
        assert_eq!(events(until), [1, 2]);

        for (only, expected) in [
            (None, vec![1, 2, 3]),
            (Some(DeliveryOnly::Unrecognized), vec![2]),
            (Some(DeliveryOnly::Repeated), vec![1]),
            (Some(DeliveryOnly::Differs), vec![]),
        ] {
            let filter = DeliveryFilter {
                source: Some("default".to_owned()),
                only,
                ..DeliveryFilter::default()
            };
            let stretch = whole(&test, Table::Deliveries);
            let read = |stretch| test.store.scan_deliveries(&filter, stretch);
            let found: Vec<RowId> = scanned(stretch, read).iter().map(|row| row.id).collect();
            assert_eq!(found, expected, "{only:?}");
        }
    }

    #[test]
    fn what_was_not_let_in_is_filtered_as_in_its_lists() {
        let test = fixtures::open();
        for (at, reason) in [HoldReason::Owner, HoldReason::Topic]
            .into_iter()
            .enumerate()
        {
            let id = format!("m{at}");
            test.hold(NewHeld {
                delivery: fixtures::delivery(test.source.id, "t", &id, &id),
                signature: id.clone().into_bytes(),
                reason,
                owner: None,
                topic: None,
                message_id: Some(id),
                explanation: "{}".to_owned(),
            })
            .unwrap();
        }
        let reasons = [RefusalReason::HeaderMissing, RefusalReason::SignatureWrong];
        for reason in reasons {
            let refusal = NewRefusal {
                delivery: fixtures::delivery(test.source.id, "t", "m", "body"),
                body_bytes: 4,
                reason,
                explanation: "{}".to_owned(),
            };
            test.store
                .note_refusal(test.source.id, reason, NOON, Some(refusal));
        }
        test.runtime.block_on(test.store.flush_notes()).unwrap();

        let topic = HeldFilter {
            reason: Some(HoldReason::Topic),
            ..HeldFilter::default()
        };
        let read = |stretch| test.store.scan_held(&topic, stretch);
        let held = scanned(whole(&test, Table::Held), read);
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].message_id.as_deref(), Some("m1"));
        let missing = RefusalFilter {
            reason: Some(RefusalReason::HeaderMissing),
            ..RefusalFilter::default()
        };
        let read = |stretch| test.store.scan_refusals(&missing, stretch);
        assert_eq!(scanned(whole(&test, Table::Refusals), read).len(), 1);
    }

    #[test]
    fn an_empty_table_has_no_last_row() {
        let test = fixtures::open();
        for table in Table::ALL {
            assert_eq!(test.store.last_row(table).unwrap(), 0, "{table:?}");
            assert_eq!(Table::from_word(table.word()), Some(table));
        }
    }
}
