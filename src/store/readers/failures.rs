//! The failures of a lane over a window, grouped by their code.
//!
//! Both indexes hold only what failed, and all that is read of each, so that the newest
//! twenty thousand are grouped without a look at their rows.

use std::collections::HashMap;

use rusqlite::{Row, Transaction, named_params};

use crate::clock::{Timestamp, Window};
use crate::store::lane_records::{
    Counted, FAILURE_GROUPS_MAX, FAILURES_COUNTED_MAX, FailureGroup, FailureGroups, LaneKey,
};
use crate::store::records::RowId;
use crate::store::values::count;

const SELECT_JOBS: &str = "
    SELECT code, last_event_at, id
    FROM job INDEXED BY job_failed
    WHERE state = 'failed' AND queue = :lane AND region = :region
      AND last_event_at >= :from AND last_event_at < :to
    ORDER BY last_event_at DESC
    LIMIT :limit";

const SELECT_ACTIVITIES: &str = "
    SELECT code, last_event_at, id
    FROM activity INDEXED BY activity_failed
    WHERE state = 'failed' AND workflow = :lane AND owner = :owner AND region = :region
      AND last_event_at >= :from AND last_event_at < :to
    ORDER BY last_event_at DESC
    LIMIT :limit";

const SELECT_JOB: &str = "SELECT job FROM job WHERE id = ?1";

const SELECT_RUN: &str = "SELECT run FROM activity WHERE id = ?1";

/// A group while it grows, newest failure first.
struct Group {
    count: u64,
    first_at: i64,
    last_at: i64,
    latest: RowId,
}

pub(super) fn of_lane(
    tx: &Transaction<'_>,
    key: &LaneKey,
    window: Window,
) -> rusqlite::Result<FailureGroups> {
    let (from, to) = (window.from().0, window.to().0);
    let limit = count(FAILURES_COUNTED_MAX) + 1;
    let (by_code, looked_at) = match key {
        LaneKey::Queue { region, name } => {
            let mut select = tx.prepare_cached(SELECT_JOBS)?;
            let key = named_params! {
                ":lane": name, ":region": region, ":from": from, ":to": to, ":limit": limit,
            };
            grouped(select.query(key)?)?
        }
        LaneKey::Workflow { owner, region, id } => {
            let mut select = tx.prepare_cached(SELECT_ACTIVITIES)?;
            let key = named_params! {
                ":lane": id, ":owner": owner, ":region": region,
                ":from": from, ":to": to, ":limit": limit,
            };
            grouped(select.query(key)?)?
        }
    };
    let sql = match key {
        LaneKey::Queue { .. } => SELECT_JOB,
        LaneKey::Workflow { .. } => SELECT_RUN,
    };
    let mut by_code: Vec<(String, Group)> = by_code.into_iter().collect();
    by_code.sort_by(|(code, a), (other, b)| b.count.cmp(&a.count).then_with(|| code.cmp(other)));
    by_code.truncate(FAILURE_GROUPS_MAX);
    let mut select = tx.prepare_cached(sql)?;
    let mut groups = Vec::with_capacity(by_code.len());
    for (code, group) in by_code {
        groups.push(FailureGroup {
            code,
            count: group.count,
            first_at: Timestamp(group.first_at),
            last_at: Timestamp(group.last_at),
            latest: select.query_row([group.latest], |row| row.get(0))?,
        });
    }
    Ok(FailureGroups {
        groups,
        counted: looked_at,
    })
}

/// Returns the groups by their code, and how many failures were looked at: no more than may be.
fn grouped(mut rows: rusqlite::Rows<'_>) -> rusqlite::Result<(HashMap<String, Group>, Counted)> {
    let mut groups: HashMap<String, Group> = HashMap::new();
    let mut counted = Counted {
        rows: 0,
        is_all: true,
    };
    while let Some(row) = rows.next()? {
        if counted.rows == FAILURES_COUNTED_MAX {
            counted.is_all = false;
            break;
        }
        counted.rows += 1;
        let Some(code) = code(row)? else { continue };
        let at = row.get(1)?;
        if let Some(group) = groups.get_mut(code) {
            group.count += 1;
            group.first_at = at;
        } else {
            let group = Group {
                count: 1,
                first_at: at,
                last_at: at,
                latest: row.get(2)?,
            };
            groups.insert(code.to_owned(), group);
        }
    }
    Ok((groups, counted))
}

fn code<'a>(row: &'a Row<'_>) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(0)?.as_str_or_null()?)
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{ActivityEvent, Event, Failure, JobEvent, JobState, RunEvent};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};

    use super::*;

    fn put(test: &TestStore, id: &str, ms: i64, region: &str, events: Vec<Event>) {
        let arrival = arrival_of("t", id, events);
        let mut arrival = renotify(arrival, |notification| {
            notification.published_at = Some(NOON.plus_ms(ms));
        });
        arrival.region = region.to_owned();
        test.append(arrival);
    }

    fn failure(code: Option<&str>) -> Failure {
        Failure {
            code: code.map(str::to_owned),
            message: None,
        }
    }

    fn job(id: &str, state: JobState, code: Option<&str>) -> Vec<Event> {
        vec![Event::Job(JobEvent {
            job_id: id.to_owned(),
            state,
            failure: Some(failure(code)),
            ..JobEvent::default()
        })]
    }

    fn activity(run: &str, name: &str, state: JobState, code: &str) -> Vec<Event> {
        let of_run = RunEvent {
            run_id: run.to_owned(),
            workflow_id: Some("w".to_owned()),
            ..RunEvent::default()
        };
        let activity = ActivityEvent {
            run_id: run.to_owned(),
            workflow_id: Some("w".to_owned()),
            name: name.to_owned(),
            state,
            failure: Some(failure(Some(code))),
            ..ActivityEvent::default()
        };
        vec![Event::Run(of_run), Event::Activity(activity)]
    }

    fn shown(found: &FailureGroups) -> Vec<(&str, u64, i64, i64, &str)> {
        let groups = found.groups.iter();
        groups
            .map(|group| {
                let (first, last) = (group.first_at.since_ms(NOON), group.last_at.since_ms(NOON));
                (&*group.code, group.count, first, last, &*group.latest)
            })
            .collect()
    }

    fn minute() -> Window {
        Window::new(NOON, NOON.plus_ms(60_000)).unwrap()
    }

    #[test]
    fn a_queues_failures_are_grouped_by_code_most_first_and_only_its_own() {
        use JobState::{Cancelled, Failed, Succeeded};
        let test = fixtures::open();
        put(&test, "1", -1, "", job("before", Failed, Some("A")));
        put(&test, "2", 0, "", job("a1", Failed, Some("A")));
        put(&test, "3", 5, "", job("b1", Failed, Some("B")));
        put(&test, "4", 6, "", job("b2", Failed, Some("B")));
        put(&test, "5", 7, "", job("none", Failed, None));
        put(&test, "6", 8, "", job("well", Succeeded, Some("A")));
        put(&test, "7", 8, "", job("cancelled", Cancelled, Some("A")));
        put(&test, "8", 9, "r2", job("elsewhere", Failed, Some("A")));
        put(&test, "9", 59_999, "", job("c1", Failed, Some("C")));
        put(&test, "10", 60_000, "", job("after", Failed, Some("A")));
        let key = LaneKey::Queue {
            region: String::new(),
            name: "t".to_owned(),
        };
        let found = test.store.failures(&key, minute()).unwrap();
        let expected = [
            ("B", 2, 5, 6, "b2"),
            ("A", 1, 0, 0, "a1"),
            ("C", 1, 59_999, 59_999, "c1"),
        ];
        assert_eq!(shown(&found), expected);
        let counted = Counted {
            rows: 5,
            is_all: true,
        };
        assert_eq!(found.counted, counted);
    }

    #[test]
    fn a_workflows_failures_are_those_of_its_runs_activities() {
        use JobState::{Failed, Succeeded};
        let test = fixtures::open();
        put(&test, "1", 1, "", activity("r1", "x", Failed, "A"));
        put(&test, "2", 2, "", activity("r2", "x", Failed, "A"));
        put(&test, "3", 3, "", activity("r3", "x", Succeeded, "A"));
        put(&test, "4", 4, "r2", activity("r4", "x", Failed, "A"));
        let key = LaneKey::Workflow {
            owner: "1001".to_owned(),
            region: String::new(),
            id: "w".to_owned(),
        };
        let found = test.store.failures(&key, minute()).unwrap();
        assert_eq!(shown(&found), [("A", 2, 1, 2, "r2")]);
        let key = LaneKey::Workflow {
            owner: "1002".to_owned(),
            region: String::new(),
            id: "w".to_owned(),
        };
        let found = test.store.failures(&key, minute()).unwrap();
        assert_eq!((found.groups.len(), found.counted.rows), (0, 0));
    }

    #[test]
    fn as_many_failures_and_codes_are_looked_at_as_may_be_and_it_is_said() {
        let test = fixtures::open();
        put(&test, "1", 0, "", job("j", JobState::Failed, Some("A")));
        let key = LaneKey::Queue {
            region: String::new(),
            name: "t".to_owned(),
        };
        let found = |more: u64| {
            let copied = test.put(count(more), |tx, _, more| {
                tx.execute("DELETE FROM job WHERE job <> 'j'", [])?;
                tx.execute(
                    "WITH RECURSIVE number (value) AS (
                       SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1
                     )
                     INSERT INTO job (job, owner, region, queue, names, state, code, events,
                       deliveries, conflict, last_event_at, extra)
                     SELECT value, owner, region, queue, names, state, value % 50, events,
                       deliveries, conflict, last_event_at + 1, extra FROM job, number",
                    [more],
                )?;
                Ok(Ok(()))
            });
            copied.recv().unwrap().unwrap();
            test.store.failures(&key, minute()).unwrap()
        };
        let all = found(FAILURES_COUNTED_MAX - 1);
        // Of 51 codes the one that is alone is left out.
        assert_eq!(all.groups.len(), FAILURE_GROUPS_MAX);
        let in_groups: u64 = all.groups.iter().map(|group| group.count).sum();
        assert_eq!(in_groups, FAILURES_COUNTED_MAX - 1);
        let mut counted = Counted {
            rows: FAILURES_COUNTED_MAX,
            is_all: true,
        };
        assert_eq!(all.counted, counted);
        counted.is_all = false;
        assert_eq!(found(FAILURES_COUNTED_MAX).counted, counted);
    }

    #[test]
    fn failures_are_grouped_without_a_look_at_their_rows() {
        let test = fixtures::open();
        for sql in [SELECT_JOBS, SELECT_ACTIVITIES] {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(plan.contains("COVERING INDEX"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
