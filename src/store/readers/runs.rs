//! Lists and details of runs.
//!
//! What a run is called and whether it is stale is decided here, by the configuration and the
//! clock: neither is stored. A run is stale that has not ended, by its outcome, and began long ago;
//! where its messages name no beginning, its newest event stands for it.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::clock::Timestamp;
use crate::store::cells::{self, Cells, Order};
use crate::store::filters::RunFilter;
use crate::store::fold_run;
use crate::store::lane_records::Counted;
use crate::store::lanes::{Ages, Workflows};
use crate::store::readers::query::{Index, Lead, Query, Rows, Shape, counted};
use crate::store::readers::{deliveries, events, listing, rows_shown};
use crate::store::records::{
    ActivityRecord, JobRecord, Listing, Page, PageKey, RowId, RunDetail, RunOutcome, RunRecord,
    WorkflowName,
};
use crate::store::runs::{activity_record, record};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::words::{self, Words};

/// The most runs that one id may name, one for each owner.
const OWNERS_OF_ID_MAX: i64 = 100;

/// The most activities that the runs of one page have together; a page ends before the run that
/// would bring more, with a next page, but has one run at least. A page of usual runs has a few
/// thousand.
const ACTIVITIES_OF_PAGE_MAX: usize = 20_000;

/// The activities after which a scan takes no further run, so that it stays small in memory too.
const ACTIVITIES_OF_SCAN_MAX: usize = 2_000;

/// The most activities that are read of one run. The largest message gives 1,001.
const ACTIVITIES_OF_RUN_MAX: i64 = 4_096;

const LIST: Shape = Shape {
    columns: "run.id, run.run, run.owner, run.region, run.workflow, run.workflow_name,
      run.media_id, run.input, run.user_data, run.outcome, run.nothing_done, run.raw_state,
      run.code, run.error_group, run.message, run.created_at, run.finished_at, run.duration_ms,
      run.events, run.deliveries, run.conflict, run.start_missing, run.last_event_at,
      run.extra",
    table: "run",
    join: "",
    at: "run.last_event_at",
    id: "run.id",
    words: "run_words",
};

const SELECT_OF_ID: &str = "
    SELECT id, run, owner, region, workflow, workflow_name, media_id, input, user_data, outcome,
      nothing_done, raw_state, code, error_group, message, created_at, finished_at, duration_ms,
      events, deliveries, conflict, start_missing, last_event_at, extra
    FROM run WHERE run = ?1 ORDER BY owner LIMIT ?2";

const SELECT_ACTIVITIES: &str = "
    SELECT id, run, owner, name, type, region, workflow, workflow_name, job, template_id, state,
      raw_state, code, error_group, message, started_at, finished_at, duration_ms, conflict,
      last_event_at, extra
    FROM activity WHERE of_run = ?1
    LIMIT ?2";

const SELECT_NAME: &str = "SELECT name FROM workflow WHERE owner = ?1 AND region = ?2 AND id = ?3";

const IS_RUN: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE run = ?1)";

const IS_MEDIA: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE media_id = ?1)";

const IS_JOB: &str = "SELECT EXISTS (SELECT 1 FROM job WHERE job = ?1 AND run IS NOT NULL)";

/// What a reading needs beside the rows: names and ages.
pub(super) struct Reading<'a> {
    tx: &'a Transaction<'a>,
    workflows: &'a Workflows,
    ages: Ages,
    /// By owner, region and id, as far as they were looked up.
    names: HashMap<(String, String, String), Option<String>>,
    /// Of the cells of activities.
    order: Order,
}

impl Reading<'_> {
    pub(super) fn new<'a>(tx: &'a Transaction<'a>, workflows: &'a Workflows) -> Reading<'a> {
        Reading {
            tx,
            workflows,
            ages: workflows.ages(),
            names: HashMap::new(),
            order: Order::default(),
        }
    }

    /// Gives a workflow the name it has now: by configuration, else the newest in any message.
    pub(super) fn rename(
        &mut self,
        owner: &str,
        region: &str,
        workflow: &mut WorkflowName,
    ) -> rusqlite::Result<()> {
        let Some(id) = &workflow.id else {
            return Ok(());
        };
        if let Some(name) = self.workflows.name(id) {
            workflow.name = Some(name.to_owned());
            return Ok(());
        }
        let key = (owner.to_owned(), region.to_owned(), id.clone());
        let known = self.names.get(&key);
        let newest = if let Some(name) = known {
            name.clone()
        } else {
            let mut select = self.tx.prepare_cached(SELECT_NAME)?;
            let name = select.query_row([owner, region, id], |row| row.get(0));
            let name = name.optional()?.flatten();
            self.names.insert(key, name.clone());
            name
        };
        workflow.name = newest.or(workflow.name.take());
        Ok(())
    }

    /// Adds to a run's row what does not stand in it.
    fn complete(&mut self, row: &mut Numbered) -> rusqlite::Result<()> {
        let Numbered { id, run } = row;
        let began_at = run.created_at.unwrap_or(run.last_event_at);
        let is_stale = self.ages.is_stale(run.workflow.id.as_deref(), began_at);
        if run.outcome == RunOutcome::Running && is_stale {
            run.outcome = RunOutcome::Stale;
        }
        self.rename(&run.owner, &run.region, &mut run.workflow)?;
        run.activities = self.activities(*id)?;
        Ok(())
    }

    fn activities(&mut self, run: RowId) -> rusqlite::Result<Vec<ActivityRecord>> {
        let mut select = self.tx.prepare_cached(SELECT_ACTIVITIES)?;
        let rows = select.query_map([run, ACTIVITIES_OF_RUN_MAX], |row| {
            activity_record(&Cells::of(row, &self.order))
        })?;
        let mut activities: Vec<ActivityRecord> = rows.collect::<rusqlite::Result<_>>()?;
        for activity in &mut activities {
            self.rename(&activity.owner, &activity.region, &mut activity.workflow)?;
        }
        activities.sort_by(|a, b| fold_run::order(a).cmp(&fold_run::order(b)));
        Ok(activities)
    }
}

/// A run with the number it is paged by.
struct Numbered {
    id: RowId,
    run: RunRecord,
}

impl Numbered {
    fn key(&self) -> PageKey {
        PageKey {
            at: self.run.last_event_at,
            id: self.id,
        }
    }
}

/// Gives the workflows of jobs the names they have now.
pub(super) fn name_workflows<'a>(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    jobs: impl Iterator<Item = &'a mut JobRecord>,
) -> rusqlite::Result<()> {
    let mut reading = Reading::new(tx, workflows);
    for job in jobs {
        let mut workflow = WorkflowName {
            id: job.workflow.take(),
            name: None,
        };
        reading.rename(&job.owner, &job.region, &mut workflow)?;
        job.workflow = workflow.id;
        job.workflow_name = workflow.name;
    }
    Ok(())
}

pub(super) fn page(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    filter: &RunFilter,
    page: Page,
) -> rusqlite::Result<Listing<RunRecord>> {
    let mut reading = Reading::new(tx, workflows);
    let mut rows = match query(tx, filter, &reading.ages, |lead| lead)? {
        Some(query) => query.page(tx, page, numbered)?,
        None => Rows {
            rows: Vec::new(),
            end: None,
        },
    };
    let mut activities = 0;
    let mut whole = 0;
    for row in rows.rows.iter_mut().take(rows_shown(page)) {
        reading.complete(row)?;
        activities += row.run.activities.len();
        if activities > ACTIVITIES_OF_PAGE_MAX && whole > 0 {
            break;
        }
        whole += 1;
    }
    if whole < rows.rows.len().min(rows_shown(page)) {
        rows.rows.truncate(whole);
        rows.end = rows.rows.last().map(Numbered::key);
    }
    let listing = listing(page, rows, Numbered::key);
    Ok(Listing {
        items: listing.items.into_iter().map(|row| row.run).collect(),
        next: listing.next,
        previous: listing.previous,
    })
}

/// Reads runs in the order of their numbers, as many as [`ACTIVITIES_OF_SCAN_MAX`] allows.
pub(super) fn scan(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    filter: &RunFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<RunRecord>> {
    let mut reading = Reading::new(tx, workflows);
    let found = match query(tx, filter, &reading.ages, |_| Lead::Number)? {
        Some(query) => query.scan(tx, stretch, numbered)?,
        None => Scanned::nothing(stretch),
    };
    let mut scanned = Scanned {
        items: Vec::with_capacity(found.items.len()),
        reached: found.reached,
    };
    let mut activities = 0;
    for mut row in found.items {
        if activities >= ACTIVITIES_OF_SCAN_MAX {
            scanned.reached = row.id - 1;
            break;
        }
        reading.complete(&mut row)?;
        activities += row.run.activities.len();
        scanned.items.push(row.run);
    }
    Ok(scanned)
}

pub(super) fn count(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    filter: &RunFilter,
) -> rusqlite::Result<Counted> {
    match query(tx, filter, &workflows.ages(), |lead| lead)? {
        Some(query) => query.count(tx),
        None => Ok(counted(0, true)),
    }
}

pub(super) fn find(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    id: &str,
) -> rusqlite::Result<Vec<RunDetail>> {
    let mut reading = Reading::new(tx, workflows);
    let mut select = tx.prepare_cached(SELECT_OF_ID)?;
    let runs = select.query_map(params![id, OWNERS_OF_ID_MAX], |row| {
        cells::read(row, numbered)
    })?;
    let mut details = Vec::new();
    for run in runs {
        let mut row = run?;
        reading.complete(&mut row)?;
        let run = row.run;
        let events = events::of_run(tx, &run.owner, &run.id)?;
        let deliveries = deliveries::of_events(tx, &events)?;
        details.push(RunDetail {
            run,
            events,
            deliveries,
        });
    }
    Ok(details)
}

fn numbered(cells: &Cells<'_, '_>) -> rusqlite::Result<Numbered> {
    Ok(Numbered {
        id: cells.get("id")?,
        run: record(cells)?,
    })
}

const BY_TIME: Index = Index::of("run_by_time", &[]);
const BY_WORKFLOW: Index = Index::of("run_by_workflow", &["workflow"]);
const BY_OUTCOME: Index = Index::of("run_by_outcome", &["outcome"]);
const BY_MEDIA: Index = Index::of("run_by_media", &["media_id"]);

/// The index that finds the fewest rows which a filter then throws away: most runs succeed.
fn leading_index(filter: &RunFilter) -> &'static Index {
    let is_rare = |outcome: RunOutcome| outcome != RunOutcome::Succeeded;
    if filter.outcome.is_some_and(is_rare) {
        &BY_OUTCOME
    } else if filter.workflow.is_some() {
        &BY_WORKFLOW
    } else if filter.outcome.is_some() {
        &BY_OUTCOME
    } else {
        &BY_TIME
    }
}

/// Returns the query for the runs; `None` if nothing can be found. `lead` may put another lead in the
/// place of any but words.
fn query(
    tx: &Transaction<'_>,
    filter: &RunFilter,
    ages: &Ages,
    lead: impl Fn(Lead) -> Lead,
) -> rusqlite::Result<Option<Query>> {
    let typed = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    let is_there = |sql: &str, id: &str| -> rusqlite::Result<bool> {
        tx.prepare_cached(sql)?.query_row([id], |row| row.get(0))
    };
    let id = typed.map(str::to_owned);
    let by = |by: Lead| Query::new(&LIST, lead(by));
    let query = match typed {
        None => by(Lead::Index(leading_index(filter))),
        Some(typed) if is_there(IS_RUN, typed)? => by(Lead::Few).equals("run", id),
        Some(typed) if is_there(IS_MEDIA, typed)? => {
            by(Lead::Index(&BY_MEDIA)).equals("media_id", id)
        }
        Some(typed) if is_there(IS_JOB, typed)? => by(Lead::Few)
            .and("(run.run, run.owner) IN (SELECT job.run, job.owner FROM job WHERE job.job = :q)")
            .bind(":q", typed.to_owned()),
        Some(typed) => match words::question(tx, Words::OfRuns, typed)? {
            Some(question) => Query::new(&LIST, Lead::Words(question)),
            None => return Ok(None),
        },
    };
    let query = query
        .equals("workflow", filter.workflow.clone())
        .equals("owner", filter.owner.clone())
        .equals("region", filter.region.clone())
        .within(filter.from, filter.to);
    Ok(Some(match filter.outcome {
        None => query,
        Some(outcome @ (RunOutcome::Running | RunOutcome::Stale)) => {
            let query = query.equals("outcome", Some(RunOutcome::Running.word()));
            of_age(query, outcome == RunOutcome::Stale, ages)
        }
        Some(outcome) => query.equals("outcome", Some(outcome.word())),
    }))
}

/// Keeps of the runs that go on those that are stale, or those that are not.
fn of_age(mut query: Query, is_stale: bool, ages: &Ages) -> Query {
    let mut cases = Vec::new();
    for (at, (workflow, before)) in ages.by_workflow.iter().enumerate() {
        let (id, value) = (format!(":workflow_{at}"), format!(":before_{at}"));
        cases.push(format!("WHEN {id} THEN {value}"));
        query = query.bind(id, workflow.clone()).bind(value, before.0);
    }
    let limit = if cases.is_empty() {
        ":before_others".to_owned()
    } else {
        let cases = cases.join(" ");
        format!("CASE run.workflow {cases} ELSE :before_others END")
    };
    let Timestamp(others) = ages.others;
    let comparison = if is_stale { "<" } else { ">=" };
    query
        .and(&format!(
            "COALESCE(run.created_at, run.last_event_at) {comparison} {limit}"
        ))
        .bind(":before_others", others)
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{ActivityEvent, Event, JobState, RunEvent, RunPart};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};
    use crate::store::options::WorkflowRule;
    use crate::store::records::Place;

    use super::*;

    fn some_runs() -> TestStore {
        use JobState::{Completed, Failed, Running};
        use RunPart::{Report, Start};
        let test = fixtures::open();
        let all = [
            ("a", "w1", Report, Completed, "m1"),
            ("b", "w2", Report, Completed, "m1"),
            ("c", "w1", Report, Failed, "m2"),
            ("d", "w1", Start, Running, "m3"),
        ];
        for (at, (id, workflow, part, state, media)) in (0_i64..).zip(all) {
            let run = RunEvent {
                run_id: id.to_owned(),
                workflow_id: Some(workflow.to_owned()),
                media_id: Some(media.to_owned()),
                user_data: Some("word".to_owned()),
                part,
                state,
                ..RunEvent::default()
            };
            let activity = ActivityEvent {
                run_id: id.to_owned(),
                job_id: Some(format!("job-{id}")),
                name: "x".to_owned(),
                ..ActivityEvent::default()
            };
            let events = vec![Event::Run(run), Event::Activity(activity)];
            test.append(renotify(arrival_of("t", id, events), |notification| {
                notification.published_at = Some(NOON.plus_ms(at));
            }));
        }
        test
    }

    fn filters() -> Vec<(RunFilter, &'static str)> {
        let filter = |change: &dyn Fn(&mut RunFilter)| {
            let mut filter = RunFilter::default();
            change(&mut filter);
            filter
        };
        let text = |text: &str| Some(text.to_owned());
        vec![
            (RunFilter::default(), "dcba"),
            (filter(&|f| f.workflow = text("w1")), "dca"),
            (filter(&|f| f.workflow = text("none")), ""),
            (filter(&|f| f.outcome = Some(RunOutcome::Succeeded)), "ba"),
            (filter(&|f| f.outcome = Some(RunOutcome::Failed)), "c"),
            (filter(&|f| f.outcome = Some(RunOutcome::Partial)), ""),
            (filter(&|f| f.outcome = Some(RunOutcome::Running)), "d"),
            (filter(&|f| f.outcome = Some(RunOutcome::Stale)), ""),
            (filter(&|f| f.from = Some(NOON.plus_ms(2))), "dc"),
            (filter(&|f| f.to = Some(NOON.plus_ms(2))), "ba"),
            (filter(&|f| f.q = text("m1")), "ba"),
            (filter(&|f| f.q = text("wor")), "dcba"),
            (
                filter(&|f| {
                    f.workflow = text("w1");
                    f.outcome = Some(RunOutcome::Succeeded);
                }),
                "a",
            ),
            (
                filter(&|f| {
                    f.q = text("word");
                    f.workflow = text("w2");
                }),
                "b",
            ),
            (filter(&|f| f.region = text("elsewhere")), ""),
            (filter(&|f| f.owner = text("nobody")), ""),
            (
                filter(&|f| {
                    f.workflow = text("w2");
                    f.owner = text("1001");
                    f.region = text("");
                }),
                "b",
            ),
        ]
    }

    #[test]
    fn each_filter_gives_its_runs_newest_first_whatever_the_page() {
        let test = some_runs();
        for (filter, expected) in filters() {
            for limit in [1, 3] {
                let read = |page| test.store.page_runs(&filter, page).unwrap();
                let seen = fixtures::walked(limit, read).into_iter();
                let seen: String = seen.map(|run| run.id).collect();
                assert_eq!(seen, expected, "{filter:?} by {limit}");
            }
        }
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = some_runs();
        let rule = WorkflowRule {
            id: "w1".to_owned(),
            name: String::new(),
            stale_after_ms: 1,
        };
        let workflows = Workflows::new(vec![rule], crate::clock::Clock::standing_at(NOON));
        let mut look = test.look();
        let tx = look.transaction().unwrap();
        let mut statements = [SELECT_OF_ID, SELECT_ACTIVITIES, SELECT_NAME]
            .map(str::to_owned)
            .to_vec();
        statements.extend([IS_RUN, IS_MEDIA, IS_JOB].map(str::to_owned));
        for (filter, _) in filters() {
            let query = query(&tx, &filter, &workflows.ages(), |lead| lead)
                .unwrap()
                .unwrap();
            statements.extend(query.statements());
        }
        for sql in statements {
            fixtures::assert_by_index(&tx, &sql);
        }
    }

    #[test]
    fn runs_of_a_lane_with_a_rare_outcome_are_counted_without_a_look_at_rows() {
        let test = some_runs();
        let workflows = Workflows::new(Vec::new(), crate::clock::Clock::standing_at(NOON));
        let mut look = test.look();
        let tx = look.transaction().unwrap();
        for outcome in [RunOutcome::Running, RunOutcome::Stale, RunOutcome::Failed] {
            let filter = RunFilter {
                workflow: Some("w1".to_owned()),
                owner: Some("1001".to_owned()),
                region: Some("r".to_owned()),
                outcome: Some(outcome),
                ..RunFilter::default()
            };
            let query = query(&tx, &filter, &workflows.ages(), |lead| lead);
            let statements = query.unwrap().unwrap().statements();
            for sql in statements.iter().filter(|sql| sql.contains("COUNT(*)")) {
                let plan = fixtures::plan(&tx, sql);
                let index = "SEARCH run USING COVERING INDEX run_by_outcome";
                assert!(plan.contains(index), "{sql}\n{plan}");
            }
        }
    }

    #[test]
    fn a_page_ends_before_its_activities_are_too_many_and_the_next_goes_on() {
        let test = fixtures::open();
        for run in 0..25 {
            let activities = (0..1_000).map(|at| {
                Event::Activity(ActivityEvent {
                    run_id: format!("r{run}"),
                    name: at.to_string(),
                    ..ActivityEvent::default()
                })
            });
            test.append(arrival_of("t", &format!("m{run}"), activities.collect()));
        }
        let all = RunFilter::default();
        let read = |place| {
            let page = Page {
                limit: 1_000,
                place,
            };
            test.store.page_runs(&all, page).unwrap()
        };
        let first = read(Place::First);
        assert_eq!(first.items.len(), ACTIVITIES_OF_PAGE_MAX / 1_000);
        let second = read(Place::After(first.next.unwrap()));
        assert_eq!((second.items.len(), second.next), (5, None));
        let ids = |listing: &Listing<RunRecord>| -> Vec<String> {
            listing.items.iter().map(|run| run.id.clone()).collect()
        };
        let before = read(Place::Before(second.previous.unwrap()));
        assert_eq!((ids(&before), before.previous), (ids(&first), None));
        // From the oldest run back a page is too much again, and ends before the newest ones.
        let last = PageKey {
            at: Timestamp(0),
            id: 0,
        };
        let oldest = read(Place::Before(last));
        assert_eq!(oldest.items.len(), ACTIVITIES_OF_PAGE_MAX / 1_000);
        assert_eq!(oldest.items.last(), second.items.last());
        let newest = read(Place::Before(oldest.previous.unwrap()));
        assert_eq!(ids(&newest), ids(&first)[..5]);
    }
}
