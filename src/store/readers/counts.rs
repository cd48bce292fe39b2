//! How much there is in a list, as far as it may be counted, and what an id names.

use rusqlite::{Transaction, params};

use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, Found, HeldFilter, JobFilter, RefusalFilter,
    RunFilter,
};
use crate::store::lane_records::Counted;
use crate::store::readers::{activities, deliveries, events, held, jobs, refusals, runs};

const IS_JOB: &str = "SELECT EXISTS (SELECT 1 FROM job WHERE job = ?1)";

const IS_RUN: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE run = ?1)";

const SELECT_RUNS_OF_MEDIA: &str = "
    SELECT run FROM run INDEXED BY run_by_media WHERE media_id = ?1
    LIMIT 2";

/// Counting. Each count stops at 10,000 rows, or once 5,000 were looked at, where an index alone
/// does not tell.
impl Store {
    pub fn count_jobs(&self, filter: &JobFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| jobs::count(tx, filter))
    }

    pub fn count_runs(&self, filter: &RunFilter) -> Result<Counted, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| runs::count(tx, known, filter))
    }

    pub fn count_activities(&self, filter: &ActivityFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| activities::count(tx, filter))
    }

    pub fn count_events(&self, filter: &EventFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| events::count(tx, filter))
    }

    pub fn count_deliveries(&self, filter: &DeliveryFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| deliveries::count(tx, filter))
    }

    pub fn count_held(&self, filter: &HeldFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| held::count(tx, filter))
    }

    pub fn count_refusals(&self, filter: &RefusalFilter) -> Result<Counted, ReadError> {
        self.inner.readers.read(|tx| refusals::count(tx, filter))
    }

    /// Returns what this is exactly the id of: a job, a run, or a medium that one run alone has.
    pub fn find_id(&self, text: &str) -> Result<Option<Found>, ReadError> {
        self.inner.readers.read(|tx| find_id(tx, text.trim()))
    }
}

fn find_id(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Found>> {
    let is_there = |sql: &str| -> rusqlite::Result<bool> {
        tx.prepare_cached(sql)?.query_row([id], |row| row.get(0))
    };
    if is_there(IS_JOB)? {
        return Ok(Some(Found::Job(id.to_owned())));
    }
    if is_there(IS_RUN)? {
        return Ok(Some(Found::Run(id.to_owned())));
    }
    let mut select = tx.prepare_cached(SELECT_RUNS_OF_MEDIA)?;
    let runs = select.query_map(params![id], |row| row.get(0))?;
    let runs: Vec<String> = runs.collect::<rusqlite::Result<_>>()?;
    let is_only = runs.len() == 1;
    Ok(runs.into_iter().next().filter(|_| is_only).map(Found::Run))
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{Event, JobEvent, RunEvent};
    use crate::store::fixtures::{self, TestStore, arrival_of};

    use super::*;

    fn put_run(test: &TestStore, id: &str, media: &str) {
        let event = RunEvent {
            run_id: id.to_owned(),
            media_id: Some(media.to_owned()),
            ..RunEvent::default()
        };
        test.append(arrival_of("t", id, vec![Event::Run(event)]));
    }

    #[test]
    fn an_id_names_a_job_or_a_run_or_the_only_run_of_a_medium() {
        let test = fixtures::open();
        let job = JobEvent {
            job_id: "j".to_owned(),
            ..JobEvent::default()
        };
        test.append(arrival_of("t", "j", vec![Event::Job(job)]));
        put_run(&test, "r1", "alone");
        put_run(&test, "r2", "shared");
        put_run(&test, "r3", "shared");
        let run = |id: &str| Some(Found::Run(id.to_owned()));
        let cases = [
            ("j", Some(Found::Job("j".to_owned()))),
            (" j\t", Some(Found::Job("j".to_owned()))),
            ("r2", run("r2")),
            ("alone", run("r1")),
            ("shared", None),
            ("J", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(test.store.find_id(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn every_list_is_counted_with_its_filter() {
        let test = fixtures::open();
        let start = include_str!("../../../tests/data/workflow-start.json");
        test.append(fixtures::arrival("m1", "j1"));
        test.append(fixtures::arrival("m2", "j2"));
        test.append(fixtures::arrival_saying("m3", fixtures::NOON, start));
        let some = Some("none".to_owned());
        let store = &test.store;
        let all = [
            store.count_jobs(&JobFilter::default()),
            store.count_runs(&RunFilter::default()),
            store.count_activities(&ActivityFilter::default()),
            store.count_events(&EventFilter::default()),
            store.count_deliveries(&DeliveryFilter::default()),
            store.count_held(&HeldFilter::default()),
            store.count_refusals(&RefusalFilter::default()),
        ];
        let all = all.map(Result::unwrap);
        assert!(all.iter().all(|counted| counted.is_all));
        assert_eq!(all.map(|counted| counted.rows), [3, 1, 1, 4, 3, 0, 0]);
        let job = JobFilter {
            queue: some.clone(),
            ..JobFilter::default()
        };
        let run = RunFilter {
            q: Some("...".to_owned()),
            ..RunFilter::default()
        };
        let activity = ActivityFilter {
            code: some.clone(),
            ..ActivityFilter::default()
        };
        let event = EventFilter {
            kind: Some("job".to_owned()),
            ..EventFilter::default()
        };
        let none = [
            store.count_jobs(&job),
            store.count_runs(&run),
            store.count_activities(&activity),
            store.count_events(&event),
        ];
        let none = none.map(|counted| counted.unwrap().rows);
        assert_eq!(none, [0, 0, 0, 2]);
    }

    #[test]
    fn finding_an_id_scans_nothing() {
        let test = fixtures::open();
        for sql in [IS_JOB, IS_RUN, SELECT_RUNS_OF_MEDIA] {
            fixtures::assert_by_index(&test.look(), sql);
        }
    }
}
