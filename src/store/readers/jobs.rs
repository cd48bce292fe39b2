//! Lists and details of jobs.
//!
//! Pages go by (last event, number), newest first. The filters choose the index, here and not by
//! SQLite, which knows nothing of how rare a value is: the rarest filter leads, the others are
//! checked on the rows it finds.

use std::cmp::Reverse;

use rusqlite::{Transaction, params};

use crate::notification::event::JobState;
use crate::store::cells::{self, Cells};
use crate::store::filters::JobFilter;
use crate::store::jobs::record;
use crate::store::lane_records::Counted;
use crate::store::readers::query::{Index, Lead, Query, Rows, Shape, counted, is_backwards};
use crate::store::readers::{deliveries, events, listing};
use crate::store::records::{JobDetail, JobRecord, Listing, Page, PageKey, RowId};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::words::{self, Words};

/// The most jobs that one id may name, one for each owner: a stranger who is let in cannot make a
/// page endless.
const OWNERS_OF_ID_MAX: i64 = 100;

/// The most regions one queue name is looked for in.
const REGIONS_OF_QUEUE_MAX: i64 = 100;

const LIST: Shape = Shape {
    columns: "job.id, job.job, job.owner, job.region, job.queue, job.run, job.workflow, job.type,
      job.state, job.raw_state, job.code, job.error_group, job.message, job.user_data, job.input,
      job.submitted_at, job.started_at, job.finished_at, job.duration_ms, job.events,
      job.deliveries, job.conflict, job.last_event_at, job.extra",
    table: "job",
    join: "",
    at: "job.last_event_at",
    id: "job.id",
    words: "job_words",
};

const SELECT_OF_ID: &str = "
    SELECT id, job, owner, region, queue, run, workflow, type, state, raw_state, code,
      error_group, message, user_data, input, submitted_at, started_at, finished_at, duration_ms,
      events, deliveries, conflict, last_event_at, extra
    FROM job WHERE job = ?1 ORDER BY owner LIMIT ?2";

const IS_JOB: &str = "SELECT EXISTS (SELECT 1 FROM job WHERE job = ?1)";

const IS_RUN: &str = "SELECT EXISTS (SELECT 1 FROM job WHERE run = ?1)";

const SELECT_REGIONS: &str = "SELECT region FROM queue WHERE name = ?1 ORDER BY region LIMIT ?2";

/// A job with the number it is paged by.
struct Numbered {
    id: RowId,
    job: JobRecord,
}

impl Numbered {
    fn key(&self) -> PageKey {
        PageKey {
            at: self.job.last_event_at,
            id: self.id,
        }
    }
}

const BY_TIME: Index = Index::of("job_by_time", &[]);
const BY_QUEUE: Index = Index::of("job_by_queue", &["queue", "region"]);
const BY_RARE_STATE: Index = Index {
    name: "job_by_state",
    columns: &["state"],
    condition: "job.state <> 'succeeded'",
    implied: "",
};
const BY_TYPE: Index = Index::of("job_by_type", &["type"]);
const BY_CODE: Index = Index::of("job_by_code", &["code"]);
const BY_WORKFLOW: Index = Index::of("job_by_workflow", &["workflow"]);
const BY_RUN: Index = Index::of("job_by_run", &["run"]);
const FAILED: Index = Index {
    name: "job_failed",
    columns: &["queue", "region"],
    condition: "job.state = 'failed'",
    implied: "state",
};

/// The index that finds the fewest rows which a filter then throws away. What failed in a queue is
/// rarer than a code, a code rarer than a failure, a failure rarer than a queue or a type. Most jobs
/// succeed, and the index of states leaves those out.
fn leading_index(filter: &JobFilter) -> &'static Index {
    let is_rare = |state: JobState| state != JobState::Succeeded;
    if filter.queue.is_some() && filter.state == Some(JobState::Failed) {
        &FAILED
    } else if filter.code.is_some() {
        &BY_CODE
    } else if filter.state.is_some_and(is_rare) {
        &BY_RARE_STATE
    } else if filter.queue.is_some() {
        &BY_QUEUE
    } else if filter.workflow.is_some() {
        &BY_WORKFLOW
    } else if filter.job_type.is_some() {
        &BY_TYPE
    } else {
        &BY_TIME
    }
}

fn query(filter: &JobFilter, lead: Lead) -> Query {
    Query::new(&LIST, lead)
        .equals("queue", filter.queue.clone())
        .equals("region", filter.region.clone())
        .equals("workflow", filter.workflow.clone())
        .equals("type", filter.job_type.clone())
        .equals("state", filter.state.map(JobState::word))
        .equals("code", filter.code.clone())
        .within(filter.from, filter.to)
}

/// Returns the queries that give the jobs together: none if nothing can be found.
fn queries(tx: &Transaction<'_>, filter: &JobFilter) -> rusqlite::Result<Vec<Query>> {
    let typed = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    if let Some(typed) = typed {
        let query = typed_query(tx, filter, typed, |by_id| by_id)?;
        return Ok(query.into_iter().collect());
    }
    let index = leading_index(filter);
    if filter.region.is_some() || !index.columns.contains(&"region") {
        return Ok(vec![query(filter, Lead::Index(index))]);
    }
    // The index is by queue and region, so that a queue's newest jobs are found at once also where
    // another region has one of the same name: one look for each.
    let mut select = tx.prepare_cached(SELECT_REGIONS)?;
    let regions = select.query_map(params![filter.queue, REGIONS_OF_QUEUE_MAX], |row| {
        row.get(0)
    })?;
    regions
        .map(|region: rusqlite::Result<String>| Ok(of_region(filter, index, region?)))
        .collect()
}

fn of_region(filter: &JobFilter, index: &'static Index, region: String) -> Query {
    query(filter, Lead::Index(index)).equals("region", Some(region))
}

/// Returns the query for what a person typed: a job's id, a run's for its jobs, else words; `None`
/// if there is no word in it. `lead` may put another lead in the place of an id's.
fn typed_query(
    tx: &Transaction<'_>,
    filter: &JobFilter,
    typed: &str,
    lead: impl Fn(Lead) -> Lead,
) -> rusqlite::Result<Option<Query>> {
    let is_there = |sql: &str| -> rusqlite::Result<bool> {
        tx.prepare_cached(sql)?.query_row([typed], |row| row.get(0))
    };
    let id = Some(typed.to_owned());
    Ok(if is_there(IS_JOB)? {
        Some(query(filter, lead(Lead::Few)).equals("job", id))
    } else if is_there(IS_RUN)? {
        Some(query(filter, lead(Lead::Index(&BY_RUN))).equals("run", id))
    } else {
        words::question(tx, Words::OfJobs, typed)?
            .map(|question| query(filter, Lead::Words(question)))
    })
}

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &JobFilter,
    page: Page,
) -> rusqlite::Result<Listing<JobRecord>> {
    let mut parts = Vec::new();
    for query in queries(tx, filter)? {
        parts.push(query.page(tx, page, numbered)?);
    }
    let listing = listing(page, together(page, parts), Numbered::key);
    Ok(Listing {
        items: listing.items.into_iter().map(|row| row.job).collect(),
        next: listing.next,
        previous: listing.previous,
    })
}

/// Reads jobs in the order of their numbers. What was typed is looked for as in a list, but a job's
/// or run's id along the table: one way that bounds every reading is enough.
pub(super) fn scan(
    tx: &Transaction<'_>,
    filter: &JobFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<JobRecord>> {
    let typed = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    let query = match typed {
        None => Some(query(filter, Lead::Number)),
        Some(typed) => typed_query(tx, filter, typed, |_| Lead::Number)?,
    };
    match query {
        Some(query) => query.scan(tx, stretch, record),
        None => Ok(Scanned::nothing(stretch)),
    }
}

/// Puts the parts of a page together. What one of them has not looked at is left for the next page,
/// also of the others.
fn together(page: Page, mut parts: Vec<Rows<Numbered>>) -> Rows<Numbered> {
    if parts.len() < 2 {
        return parts.pop().unwrap_or(Rows {
            rows: Vec::new(),
            end: None,
        });
    }
    let is_backwards = is_backwards(page.place);
    let ends = parts.iter().filter_map(|part| part.end);
    let end = if is_backwards { ends.min() } else { ends.max() };
    let mut rows: Vec<Numbered> = parts.into_iter().flat_map(|part| part.rows).collect();
    if is_backwards {
        rows.retain(|row| end.is_none_or(|end| row.key() <= end));
        rows.sort_by_key(Numbered::key);
    } else {
        rows.retain(|row| end.is_none_or(|end| row.key() >= end));
        rows.sort_by_key(|row| Reverse(row.key()));
    }
    Rows { rows, end }
}

pub(super) fn count(tx: &Transaction<'_>, filter: &JobFilter) -> rusqlite::Result<Counted> {
    let mut rows = 0_u64;
    let mut is_all = true;
    for query in queries(tx, filter)? {
        let counted = query.count(tx)?;
        rows = rows.saturating_add(counted.rows);
        is_all &= counted.is_all;
    }
    Ok(counted(rows, is_all))
}

fn numbered(cells: &Cells<'_, '_>) -> rusqlite::Result<Numbered> {
    Ok(Numbered {
        id: cells.get("id")?,
        job: record(cells)?,
    })
}

pub(super) fn find(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Vec<JobDetail>> {
    let mut select = tx.prepare_cached(SELECT_OF_ID)?;
    let jobs = select.query_map(params![id, OWNERS_OF_ID_MAX], |row| {
        cells::read(row, record)
    })?;
    let mut details = Vec::new();
    for job in jobs {
        let job = job?;
        let events = events::of_job(tx, &job.owner, &job.id)?;
        let deliveries = deliveries::of_events(tx, &events)?;
        details.push(JobDetail {
            job,
            events,
            deliveries,
        });
    }
    Ok(details)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::clock::Timestamp;
    use crate::notification::event::{Event, Failure, JobEvent};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};
    use crate::store::records::Place;

    use super::*;

    struct Job {
        id: &'static str,
        topic: &'static str,
        region: &'static str,
        kind: &'static str,
        state: JobState,
        code: Option<&'static str>,
        ms: i64,
    }

    fn job(id: &'static str, topic: &'static str, region: &'static str, ms: i64) -> Job {
        Job {
            id,
            topic,
            region,
            kind: "Transcode",
            state: JobState::Succeeded,
            code: None,
            ms,
        }
    }

    fn put(test: &TestStore, job: &Job) {
        let event = JobEvent {
            job_id: job.id.to_owned(),
            job_type: Some(job.kind.to_owned()),
            state: job.state,
            failure: job.code.map(|code| Failure {
                code: Some(code.to_owned()),
                message: None,
            }),
            ..JobEvent::default()
        };
        let arrival = arrival_of(job.topic, job.id, vec![Event::Job(event)]);
        let mut arrival = renotify(arrival, |notification| {
            notification.published_at = Some(NOON.plus_ms(job.ms));
        });
        arrival.region = job.region.to_owned();
        test.append(arrival);
    }

    fn some_jobs() -> TestStore {
        let test = fixtures::open();
        put(&test, &job("a", "q1", "r1", 10));
        put(&test, &job("b", "q1", "r2", 20));
        put(&test, &job("c", "q1", "r1", 30));
        put(&test, &job("d", "q2", "r1", 40));
        put(
            &test,
            &Job {
                state: JobState::Failed,
                code: Some("InternalError"),
                ..job("e", "q1", "r2", 50)
            },
        );
        put(
            &test,
            &Job {
                state: JobState::Failed,
                kind: "Snapshot",
                code: Some("Throttling"),
                ..job("f", "q2", "r1", 60)
            },
        );
        test
    }

    fn ids(test: &TestStore, filter: &JobFilter, limit: u32) -> String {
        fixtures::walked(limit, |page| test.store.page_jobs(filter, page).unwrap())
            .into_iter()
            .map(|job| job.id)
            .collect()
    }

    fn filter(change: impl FnOnce(&mut JobFilter)) -> JobFilter {
        let mut filter = JobFilter::default();
        change(&mut filter);
        filter
    }

    fn filters() -> Vec<(JobFilter, &'static str)> {
        let text = |text: &str| Some(text.to_owned());
        let queue = |name: &str| filter(|f| f.queue = text(name));
        let state = |state| filter(|f| f.state = Some(state));
        let queue_and = |name: &str, other: JobFilter| JobFilter {
            queue: text(name),
            ..other
        };
        let snapshots = filter(|f| f.job_type = text("Snapshot"));
        let transcodes = filter(|f| f.job_type = text("Transcode"));
        let internal = filter(|f| f.code = text("InternalError"));
        let between = filter(|f| {
            f.from = Some(NOON.plus_ms(20));
            f.to = Some(NOON.plus_ms(50));
        });
        vec![
            (JobFilter::default(), "fedcba"),
            (queue("q1"), "ecba"),
            (queue("q2"), "fd"),
            (queue("none"), ""),
            (filter(|f| f.workflow = text("none")), ""),
            (state(JobState::Failed), "fe"),
            (state(JobState::Succeeded), "dcba"),
            (snapshots, "f"),
            (internal.clone(), "e"),
            (queue_and("q2", internal), ""),
            (queue_and("q1", state(JobState::Failed)), "e"),
            (queue_and("q1", state(JobState::Succeeded)), "cba"),
            (queue_and("q2", transcodes), "d"),
            (filter(|f| f.from = Some(NOON.plus_ms(30))), "fedc"),
            (filter(|f| f.to = Some(NOON.plus_ms(30))), "ba"),
            (between.clone(), "dcb"),
            (queue_and("q1", between), "cb"),
            (filter(|f| f.region = text("r1")), "fdca"),
            (queue_and("q1", filter(|f| f.region = text("r2"))), "eb"),
            (queue_and("q1", filter(|f| f.region = text(""))), ""),
        ]
    }

    #[test]
    fn each_filter_gives_its_jobs_newest_first_whatever_the_page() {
        let test = some_jobs();
        for (filter, expected) in filters() {
            for limit in [1, 2, 3, 100] {
                assert_eq!(
                    ids(&test, &filter, limit),
                    expected,
                    "{filter:?} by {limit}"
                );
            }
        }
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = some_jobs();
        let mut look = test.look();
        let look = look.transaction().unwrap();
        let mut statements = vec![SELECT_OF_ID.to_owned(), SELECT_REGIONS.to_owned()];
        for (filter, _) in filters() {
            let queries = queries(&look, &filter).unwrap();
            statements.extend(queries.iter().flat_map(Query::statements));
            statements.extend(query(&filter, Lead::Number).statements());
        }
        for sql in statements {
            fixtures::assert_by_index(&look, &sql);
        }
    }

    #[test]
    fn jobs_of_the_same_moment_are_paged_by_their_number() {
        let test = fixtures::open();
        for id in ["a", "b", "c", "d", "e"] {
            put(&test, &job(id, "q", "", 7));
        }
        assert_eq!(ids(&test, &JobFilter::default(), 2), "edcba");
    }

    #[test]
    fn pages_are_complete_and_repeat_nothing_while_rows_are_added() {
        let test = fixtures::open();
        for at in 0..50_i64 {
            let arrival = fixtures::arrival(&format!("m{at}"), &format!("j{at}"));
            test.append(renotify(arrival, |notification| {
                notification.published_at = Some(NOON.plus_ms(at / 3));
            }));
        }
        let before: BTreeSet<String> = test.jobs().into_iter().map(|job| job.id).collect();
        let mut seen = Vec::new();
        let mut place = Place::First;
        for added in 0.. {
            let page = Page { limit: 7, place };
            let listing = test.store.page_jobs(&JobFilter::default(), page).unwrap();
            seen.extend(listing.items.into_iter().map(|job| job.id));
            let Some(next) = listing.next else { break };
            place = Place::After(next);
            let new = fixtures::arrival(&format!("new{added}"), &format!("new{added}"));
            test.append(renotify(new, |notification| {
                notification.published_at = Some(Timestamp(NOON.0 + 1_000 + added));
            }));
        }
        assert_eq!(seen.len(), before.len());
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
    }
}
