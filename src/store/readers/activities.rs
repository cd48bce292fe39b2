//! The list of activities, of all runs together.
//!
//! Paged like jobs, with the filters choosing the index in the same way.

use rusqlite::Transaction;

use crate::notification::event::JobState;
use crate::store::cells::Cells;
use crate::store::filters::ActivityFilter;
use crate::store::lane_records::Counted;
use crate::store::lanes::Workflows;
use crate::store::readers::listing;
use crate::store::readers::query::{Index, Lead, Query, Rows, Shape};
use crate::store::readers::runs::Reading;
use crate::store::records::{ActivityRecord, Listing, Page, PageKey, RowId};
use crate::store::runs::activity_record;
use crate::store::scan_records::{Scanned, Stretch};

const LIST: Shape = Shape {
    columns: "id, run, owner, name, type, region, workflow, workflow_name, job, template_id, state,
      raw_state, code, error_group, message, started_at, finished_at, duration_ms, conflict,
      last_event_at, extra",
    table: "activity",
    join: "",
    at: "last_event_at",
    id: "id",
    words: "",
};

pub(super) fn page(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    filter: &ActivityFilter,
    page: Page,
) -> rusqlite::Result<Listing<ActivityRecord>> {
    let read = |cells: &Cells<'_, '_>| Ok((cells.get("id")?, activity_record(cells)?));
    let rows: Rows<(RowId, ActivityRecord)> =
        query(filter, by_index(filter)).page(tx, page, read)?;
    let listing = listing(page, rows, |(id, activity)| PageKey {
        at: activity.last_event_at,
        id: *id,
    });
    let mut reading = Reading::new(tx, workflows);
    let mut items = Vec::with_capacity(listing.items.len());
    for (_, mut activity) in listing.items {
        reading.rename(&activity.owner, &activity.region, &mut activity.workflow)?;
        items.push(activity);
    }
    Ok(Listing {
        items,
        next: listing.next,
        previous: listing.previous,
    })
}

/// Reads activities in the order of their numbers.
pub(super) fn scan(
    tx: &Transaction<'_>,
    workflows: &Workflows,
    filter: &ActivityFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<ActivityRecord>> {
    let mut scanned = query(filter, Lead::Number).scan(tx, stretch, activity_record)?;
    let mut reading = Reading::new(tx, workflows);
    for activity in &mut scanned.items {
        reading.rename(&activity.owner, &activity.region, &mut activity.workflow)?;
    }
    Ok(scanned)
}

pub(super) fn count(tx: &Transaction<'_>, filter: &ActivityFilter) -> rusqlite::Result<Counted> {
    query(filter, by_index(filter)).count(tx)
}

const BY_TIME: Index = Index::of("activity_by_time", &[]);
const BY_WORKFLOW: Index = Index::of("activity_by_workflow", &["workflow"]);
const BY_TYPE: Index = Index::of("activity_by_type", &["type"]);
const BY_CODE: Index = Index::of("activity_by_code", &["code"]);
const BY_RARE_STATE: Index = Index {
    name: "activity_by_state",
    columns: &["state"],
    condition: "activity.state <> 'succeeded'",
    implied: "",
};
const FAILED: Index = Index {
    name: "activity_failed",
    columns: &["workflow"],
    condition: "activity.state = 'failed'",
    implied: "state",
};

/// The index that finds the fewest rows which a filter then throws away. That of states leaves out
/// those that succeeded, which are nearly all.
fn leading_index(filter: &ActivityFilter) -> &'static Index {
    let is_rare = |state: JobState| state != JobState::Succeeded;
    if filter.workflow.is_some() && filter.state == Some(JobState::Failed) {
        &FAILED
    } else if filter.code.is_some() {
        &BY_CODE
    } else if filter.state.is_some_and(is_rare) {
        &BY_RARE_STATE
    } else if filter.workflow.is_some() {
        &BY_WORKFLOW
    } else if filter.activity_type.is_some() {
        &BY_TYPE
    } else {
        &BY_TIME
    }
}

fn by_index(filter: &ActivityFilter) -> Lead {
    match filter.run {
        Some(_) => Lead::Few,
        None => Lead::Index(leading_index(filter)),
    }
}

/// Those of a run are found by the numbers of its rows, one for each owner.
const OF_RUN: &str = "activity.of_run IN (SELECT run.id FROM run WHERE run.run = :of_run)";

fn query(filter: &ActivityFilter, lead: Lead) -> Query {
    let all = Query::new(&LIST, lead);
    let of_run = match &filter.run {
        Some(run) => all.and(OF_RUN).bind(":of_run", run.clone()),
        None => all,
    };
    of_run
        .equals("workflow", filter.workflow.clone())
        .equals("region", filter.region.clone())
        .equals("type", filter.activity_type.clone())
        .equals("state", filter.state.map(JobState::word))
        .equals("code", filter.code.clone())
        .within(filter.from, filter.to)
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{ActivityEvent, Event, Failure, RunEvent};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};

    use super::*;

    fn some_activities() -> TestStore {
        use JobState::{Failed, Skipped, Succeeded};
        let test = fixtures::open();
        let all = [
            ("a", "r1", "w1", "Transcode", Succeeded, None),
            ("b", "r1", "w1", "Snapshot", Failed, Some("InternalError")),
            ("c", "r2", "w1", "Transcode", Skipped, None),
            ("d", "r3", "w2", "Transcode", Failed, Some("Throttling")),
        ];
        for (at, (name, run, workflow, kind, state, code)) in (0_i64..).zip(all) {
            let activity = ActivityEvent {
                run_id: run.to_owned(),
                workflow_id: Some(workflow.to_owned()),
                name: name.to_owned(),
                activity_type: kind.to_owned(),
                state,
                failure: code.map(|code| Failure {
                    code: Some(code.to_owned()),
                    message: None,
                }),
                ..ActivityEvent::default()
            };
            let run = RunEvent {
                run_id: run.to_owned(),
                workflow_id: Some(workflow.to_owned()),
                workflow_name: Some(format!("name of {workflow}")),
                ..RunEvent::default()
            };
            let events = vec![Event::Run(run), Event::Activity(activity)];
            test.append(renotify(arrival_of("t", name, events), |notification| {
                notification.published_at = Some(NOON.plus_ms(at));
            }));
        }
        test
    }

    fn filters() -> Vec<(ActivityFilter, &'static str)> {
        let filter = |change: &dyn Fn(&mut ActivityFilter)| {
            let mut filter = ActivityFilter::default();
            change(&mut filter);
            filter
        };
        let text = |text: &str| Some(text.to_owned());
        vec![
            (ActivityFilter::default(), "dcba"),
            (filter(&|f| f.run = text("r1")), "ba"),
            (filter(&|f| f.workflow = text("w1")), "cba"),
            (filter(&|f| f.activity_type = text("Transcode")), "dca"),
            (filter(&|f| f.state = Some(JobState::Failed)), "db"),
            (filter(&|f| f.state = Some(JobState::Succeeded)), "a"),
            (filter(&|f| f.code = text("Throttling")), "d"),
            (filter(&|f| f.from = Some(NOON.plus_ms(2))), "dc"),
            (filter(&|f| f.to = Some(NOON.plus_ms(2))), "ba"),
            (
                filter(&|f| {
                    f.workflow = text("w1");
                    f.state = Some(JobState::Failed);
                }),
                "b",
            ),
        ]
    }

    #[test]
    fn each_filter_gives_its_activities_newest_first_whatever_the_page() {
        let test = some_activities();
        for (filter, expected) in filters() {
            for limit in [1, 3] {
                let read = |page| test.store.page_activities(&filter, page).unwrap();
                let seen = fixtures::walked(limit, read).into_iter();
                let seen: String = seen.map(|activity| activity.name).collect();
                assert_eq!(seen, expected, "{filter:?} by {limit}");
            }
        }
    }

    #[test]
    fn an_activity_says_what_its_workflow_is_called() {
        let test = some_activities();
        let page = Page::first(1);
        let newest = test.store.page_activities(&ActivityFilter::default(), page);
        let workflow = newest.unwrap().items.remove(0).workflow;
        assert_eq!(workflow.name.as_deref(), Some("name of w2"));
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_more_than_a_run() {
        let test = fixtures::open();
        for (filter, _) in filters() {
            for sql in query(&filter, by_index(&filter)).statements() {
                if filter.run.is_some() {
                    let plan = fixtures::plan(&test.look(), &sql);
                    let by_run = "SEARCH activity USING INDEX activity_by_run (of_run=?)";
                    assert!(plan.contains(by_run), "{sql}\n{plan}");
                } else {
                    fixtures::assert_by_index(&test.look(), &sql);
                }
            }
        }
    }
}
