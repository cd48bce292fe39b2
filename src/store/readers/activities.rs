//! The list of activities, of all runs together.
//!
//! Paged like jobs, with the filters choosing the index in the same way.

use rusqlite::Transaction;

use crate::notification::event::JobState;
use crate::store::lanes::Workflows;
use crate::store::readers::listing;
use crate::store::readers::query::{Lead, Query, Shape};
use crate::store::readers::runs::Reading;
use crate::store::records::{ActivityFilter, ActivityRecord, Listing, Page, PageKey, RowId};
use crate::store::runs::activity_record;

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
    let rows: Vec<(RowId, ActivityRecord)> =
        query(filter, page).run(tx, |row| Ok((row.get("id")?, activity_record(row)?)))?;
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
    })
}

/// The index that finds the fewest rows which a filter then throws away. That of states leaves out
/// those that succeeded, which are nearly all.
fn leading_index(filter: &ActivityFilter) -> &'static str {
    if filter.run.is_some() {
        "activity_by_run"
    } else if filter.code.is_some() {
        "activity_by_code"
    } else if is_rare(filter.state) {
        "activity_by_state"
    } else if filter.workflow.is_some() {
        "activity_by_workflow"
    } else if filter.activity_type.is_some() {
        "activity_by_type"
    } else {
        "activity_by_time"
    }
}

fn is_rare(state: Option<JobState>) -> bool {
    state.is_some_and(|state| state != JobState::Succeeded)
}

fn query(filter: &ActivityFilter, page: Page) -> Query {
    let query = Query::new(&LIST, Lead::Index(leading_index(filter)), page)
        .and("run = :run", ":run", filter.run.clone())
        .and("workflow = :workflow", ":workflow", filter.workflow.clone())
        .and("type = :type", ":type", filter.activity_type.clone())
        .and("state = :state", ":state", filter.state.map(JobState::word))
        .and("code = :code", ":code", filter.code.clone())
        .and(
            "last_event_at >= :from",
            ":from",
            filter.from.map(|at| at.0),
        )
        .and("last_event_at < :to", ":to", filter.to.map(|at| at.0));
    // Said once more, since SQLite takes an index with a condition only if it sees that it holds.
    let query = if is_rare(filter.state) {
        query.and_so("state <> 'succeeded'")
    } else {
        query
    };
    query.ordered()
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
                let mut seen = String::new();
                let mut after = None;
                loop {
                    let page = Page { limit, after };
                    let listing = test.store.page_activities(&filter, page).unwrap();
                    seen.extend(listing.items.into_iter().map(|activity| activity.name));
                    after = listing.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, expected, "{filter:?} by {limit}");
            }
        }
    }

    #[test]
    fn an_activity_says_what_its_workflow_is_called() {
        let test = some_activities();
        let page = Page {
            limit: 1,
            after: None,
        };
        let newest = test.store.page_activities(&ActivityFilter::default(), page);
        let workflow = newest.unwrap().items.remove(0).workflow;
        assert_eq!(workflow.name.as_deref(), Some("name of w2"));
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = fixtures::open();
        let page = Page {
            limit: 10,
            after: None,
        };
        for (filter, _) in filters() {
            let sql = query(&filter, page).sql;
            let plan = fixtures::plan(&test.look(), &sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
