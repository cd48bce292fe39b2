//! Lists and details of jobs.
//!
//! Pages go by (last event, number), newest first. The filters choose the index, here and not by
//! SQLite, which knows nothing of how rare a value is: the rarest filter leads, the others are
//! checked on the rows it finds.

use rusqlite::{Transaction, params};

use crate::notification::event::JobState;
use crate::store::jobs::record;
use crate::store::readers::query::{Lead, Query, Shape};
use crate::store::readers::{deliveries, events, listing};
use crate::store::records::{JobDetail, JobFilter, JobRecord, Listing, Page, PageKey, QueueRecord};
use crate::store::values::read_time;
use crate::store::words;

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

const SELECT_QUEUES: &str = "
    SELECT name, region, last_event_at FROM queue
    ORDER BY last_event_at DESC, name DESC, region DESC
    LIMIT ?1";

/// A job with the number it is paged by.
struct Numbered {
    id: i64,
    job: JobRecord,
}

/// The index that finds the fewest rows which a filter then throws away. A code is rarer than a
/// failure, a failure rarer than a queue or a type, and most jobs succeed.
fn leading_index(filter: &JobFilter) -> &'static str {
    let is_rare = |state: JobState| state != JobState::Succeeded;
    if filter.code.is_some() {
        "job_by_code"
    } else if filter.state.is_some_and(is_rare) {
        "job_by_state"
    } else if filter.queue.is_some() {
        "job_by_queue"
    } else if filter.workflow.is_some() {
        "job_by_workflow"
    } else if filter.job_type.is_some() {
        "job_by_type"
    } else if filter.state.is_some() {
        "job_by_state"
    } else {
        "job_by_time"
    }
}

fn query(filter: &JobFilter, region: Option<&str>, lead: Lead, page: Page) -> Query {
    Query::new(&LIST, lead, page)
        .and("job.queue = :queue", ":queue", filter.queue.clone())
        .and("job.region = :region", ":region", region.map(str::to_owned))
        .and(
            "job.workflow = :workflow",
            ":workflow",
            filter.workflow.clone(),
        )
        .and("job.type = :type", ":type", filter.job_type.clone())
        .and(
            "job.state = :state",
            ":state",
            filter.state.map(JobState::word),
        )
        .and("job.code = :code", ":code", filter.code.clone())
        .and(
            "job.last_event_at >= :from",
            ":from",
            filter.from.map(|at| at.0),
        )
        .and("job.last_event_at < :to", ":to", filter.to.map(|at| at.0))
}

/// Returns the query for what a person typed: a job's id, a run's for its jobs, else words; `None`
/// if there is no word in it.
fn query_typed(
    tx: &Transaction<'_>,
    filter: &JobFilter,
    typed: &str,
    page: Page,
) -> rusqlite::Result<Option<Query>> {
    let is_there = |sql: &str| -> rusqlite::Result<bool> {
        tx.prepare_cached(sql)?.query_row([typed], |row| row.get(0))
    };
    let id = Some(typed.to_owned());
    let query = if is_there(IS_JOB)? {
        query(filter, None, Lead::Few, page).and("job.job = :q", ":q", id)
    } else if is_there(IS_RUN)? {
        let lead = Lead::Index("job_by_run");
        query(filter, None, lead, page).and("job.run = :q", ":q", id)
    } else if let Some(question) = words::question(typed) {
        query(filter, None, Lead::Words(question), page)
    } else {
        return Ok(None);
    };
    Ok(Some(query.ordered()))
}

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &JobFilter,
    page: Page,
) -> rusqlite::Result<Listing<JobRecord>> {
    let mut rows = Vec::new();
    let typed = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    if let Some(typed) = typed {
        if let Some(query) = query_typed(tx, filter, typed, page)? {
            rows = run(tx, &query)?;
        }
    } else if let Some(queue) = filter.queue.as_ref()
        && leading_index(filter) == "job_by_queue"
    {
        // The index is by queue and region, so that a queue's newest jobs are found at once also
        // where another region has one of the same name: one look for each, put together here.
        let mut select = tx.prepare_cached(SELECT_REGIONS)?;
        let regions = select.query_map(params![queue, REGIONS_OF_QUEUE_MAX], |row| row.get(0))?;
        for region in regions {
            let region: String = region?;
            rows.extend(run(tx, &by_index(filter, Some(&region), page))?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.job.last_event_at, row.id)));
    } else {
        rows = run(tx, &by_index(filter, None, page))?;
    }
    let listing = listing(page, rows, |row| PageKey {
        at: row.job.last_event_at,
        id: row.id,
    });
    Ok(Listing {
        items: listing.items.into_iter().map(|row| row.job).collect(),
        next: listing.next,
    })
}

/// Returns the whole query of a page that the filters lead to.
fn by_index(filter: &JobFilter, region: Option<&str>, page: Page) -> Query {
    query(filter, region, Lead::Index(leading_index(filter)), page).ordered()
}

fn run(tx: &Transaction<'_>, query: &Query) -> rusqlite::Result<Vec<Numbered>> {
    query.run(tx, |row| {
        Ok(Numbered {
            id: row.get("id")?,
            job: record(row)?,
        })
    })
}

pub(super) fn latest_by_queue(
    tx: &Transaction<'_>,
    queues: u32,
    jobs_each: u32,
) -> rusqlite::Result<Vec<QueueRecord>> {
    let mut select = tx.prepare_cached(SELECT_QUEUES)?;
    let rows = select.query_map([queues], |row| {
        Ok(QueueRecord {
            name: row.get("name")?,
            region: row.get("region")?,
            last_event_at: read_time(row, "last_event_at")?,
            latest: Vec::new(),
        })
    })?;
    let first_page = Page {
        limit: jobs_each,
        after: None,
    };
    let mut latest = Vec::new();
    for queue in rows {
        let mut queue = queue?;
        let filter = JobFilter {
            queue: Some(queue.name.clone()),
            ..JobFilter::default()
        };
        let jobs = run(tx, &by_index(&filter, Some(&queue.region), first_page))?;
        let wanted = usize::try_from(jobs_each).unwrap_or(usize::MAX);
        queue.latest = jobs.into_iter().take(wanted).map(|row| row.job).collect();
        // A queue whose jobs a higher rule has all moved elsewhere is none any more.
        if !queue.latest.is_empty() {
            latest.push(queue);
        }
    }
    Ok(latest)
}

pub(super) fn find(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Vec<JobDetail>> {
    let mut select = tx.prepare_cached(SELECT_OF_ID)?;
    let jobs = select.query_map(params![id, OWNERS_OF_ID_MAX], record)?;
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
        let mut ids = String::new();
        let mut after = None;
        loop {
            let listing = test.store.page_jobs(filter, Page { limit, after }).unwrap();
            assert!(listing.items.len() <= usize::try_from(limit).unwrap());
            ids.extend(listing.items.into_iter().map(|job| job.id));
            after = listing.next;
            if after.is_none() {
                return ids;
            }
        }
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
        let look = test.look();
        let first = Page {
            limit: 10,
            after: None,
        };
        let mut queries: Vec<String> = filters()
            .iter()
            .map(|(filter, _)| {
                let region = (leading_index(filter) == "job_by_queue").then_some("r1");
                by_index(filter, region, first).sql
            })
            .collect();
        queries.push(SELECT_OF_ID.to_owned());
        queries.push(SELECT_REGIONS.to_owned());
        for sql in queries {
            let plan = fixtures::plan(&look, &sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
        // The newest queues are read off the end of their index.
        let plan = fixtures::plan(&look, SELECT_QUEUES);
        assert!(
            plan.contains("queue_by_time") && !plan.contains("TEMP B-TREE"),
            "{plan}"
        );
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
        let mut after = None;
        for added in 0.. {
            let page = Page { limit: 7, after };
            let listing = test.store.page_jobs(&JobFilter::default(), page).unwrap();
            seen.extend(listing.items.into_iter().map(|job| job.id));
            after = listing.next;
            if after.is_none() {
                break;
            }
            let new = fixtures::arrival(&format!("new{added}"), &format!("new{added}"));
            test.append(renotify(new, |notification| {
                notification.published_at = Some(Timestamp(NOON.0 + 1_000 + added));
            }));
        }
        assert_eq!(seen.len(), before.len());
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
    }
}
