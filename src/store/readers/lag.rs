//! How long pushes took from publishing to arrival: the newest of a window, or of a lane.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::clock::Window;
use crate::store::lane_records::{Lag, LaneKey};
use crate::store::records::RowId;

/// The newest pushes of a window that its lag is taken from.
const PUSHES_OF_WINDOW_MAX: i64 = 500;

/// The newest jobs or runs of a lane whose pushes its lag is taken from.
const NEWEST_OF_LANE_MAX: i64 = 100;

/// The most events of one job or run that are asked for their push: a run's message gives one for
/// each activity.
const EVENTS_OF_ONE_MAX: i64 = 64;

const SELECT_OF_WINDOW: &str = "
    SELECT received_at - published_at AS lag_ms
    FROM delivery INDEXED BY delivery_by_time
    WHERE received_at >= ?1 AND received_at < ?2
    ORDER BY received_at DESC, id DESC
    LIMIT ?3";

const SELECT_NEWEST_JOBS: &str = "
    SELECT id FROM job INDEXED BY job_by_queue
    WHERE queue = ?1 AND region = ?2
    ORDER BY last_event_at DESC
    LIMIT ?3";

const SELECT_NEWEST_RUNS: &str = "
    SELECT id FROM run INDEXED BY run_by_workflow
    WHERE workflow = ?1 AND owner = ?2 AND region = ?3
    ORDER BY last_event_at DESC
    LIMIT ?4";

const SELECT_DELIVERIES_OF_JOB: &str = "
    SELECT delivery FROM event INDEXED BY event_by_job
    WHERE job = ?1
    ORDER BY terminal DESC, ordered_at DESC
    LIMIT ?2";

const SELECT_DELIVERIES_OF_RUN: &str = "
    SELECT delivery FROM event INDEXED BY event_by_run
    WHERE run = ?1
    ORDER BY terminal DESC, ordered_at DESC
    LIMIT ?2";

const SELECT_OF_DELIVERY: &str =
    "SELECT received_at - published_at AS lag_ms FROM delivery WHERE id = ?1";

pub(super) fn of_window(tx: &Transaction<'_>, window: Window) -> rusqlite::Result<Lag> {
    let mut select = tx.prepare_cached(SELECT_OF_WINDOW)?;
    let key = params![window.from().0, window.to().0, PUSHES_OF_WINDOW_MAX];
    let rows = select.query_map(key, |row| row.get("lag_ms"))?;
    let lags: Vec<Option<i64>> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(summed(lags.into_iter().flatten().collect()))
}

pub(super) fn of_lane(tx: &Transaction<'_>, key: &LaneKey) -> rusqlite::Result<Lag> {
    let mut deliveries = BTreeSet::new();
    for row in newest(tx, key)? {
        let sql = match key {
            LaneKey::Queue { .. } => SELECT_DELIVERIES_OF_JOB,
            LaneKey::Workflow { .. } => SELECT_DELIVERIES_OF_RUN,
        };
        let mut select = tx.prepare_cached(sql)?;
        let rows = select.query_map([row, EVENTS_OF_ONE_MAX], |row| row.get(0))?;
        for delivery in rows {
            let delivery: RowId = delivery?;
            deliveries.insert(delivery);
        }
    }
    let mut select = tx.prepare_cached(SELECT_OF_DELIVERY)?;
    let mut lags = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let lag: Option<Option<i64>> = select.query_row([delivery], |row| row.get(0)).optional()?;
        lags.extend(lag.flatten());
    }
    Ok(summed(lags))
}

/// Returns the numbers of the newest jobs or runs of a lane.
fn newest(tx: &Transaction<'_>, key: &LaneKey) -> rusqlite::Result<Vec<RowId>> {
    let max = NEWEST_OF_LANE_MAX;
    match key {
        LaneKey::Queue { region, name } => {
            let mut select = tx.prepare_cached(SELECT_NEWEST_JOBS)?;
            let rows = select.query_map(params![name, region, max], |row| row.get(0))?;
            rows.collect()
        }
        LaneKey::Workflow { owner, region, id } => {
            let mut select = tx.prepare_cached(SELECT_NEWEST_RUNS)?;
            let rows = select.query_map(params![id, owner, region, max], |row| row.get(0))?;
            rows.collect()
        }
    }
}

/// Each figure is one that occurred: the least that so many per cent do not exceed.
fn summed(mut lags: Vec<i64>) -> Lag {
    lags.sort_unstable();
    let at = |per_cent: usize| {
        let rank = (lags.len() * per_cent).div_ceil(100);
        lags.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    };
    Lag {
        of: lags.len() as u64,
        median_ms: at(50),
        p95_ms: at(95),
        max_ms: at(100),
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::notification::event::{ActivityEvent, Event, JobEvent, RunEvent};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};

    use super::*;

    fn put(test: &TestStore, topic: &str, id: i64, lag_ms: i64, events: Vec<Event>) {
        let received_at = NOON.plus_ms(id);
        let arrival = arrival_of(topic, &format!("{topic} {id}"), events);
        let mut arrival = renotify(arrival, |notification| {
            notification.published_at = Some(received_at.plus_ms(-lag_ms));
        });
        arrival.delivery.received_at = received_at;
        test.append(arrival);
    }

    fn job(id: i64) -> Vec<Event> {
        vec![Event::Job(JobEvent {
            job_id: id.to_string(),
            ..JobEvent::default()
        })]
    }

    #[test]
    fn each_figure_is_the_least_that_so_many_do_not_exceed() {
        let cases = [
            (vec![], (0, 0, 0)),
            (vec![7], (7, 7, 7)),
            (vec![9, -3], (-3, 9, 9)),
            ((1..=100).collect(), (50, 95, 100)),
            ((1..=101).rev().collect(), (51, 96, 101)),
        ];
        for (lags, (median_ms, p95_ms, max_ms)) in cases {
            let expected = Lag {
                of: lags.len() as u64,
                median_ms,
                p95_ms,
                max_ms,
            };
            assert_eq!(summed(lags), expected);
        }
    }

    #[test]
    fn a_windows_lag_is_of_its_newest_pushes() {
        let test = fixtures::open();
        for id in 0..PUSHES_OF_WINDOW_MAX + 2 {
            put(&test, "t", id, 1_000 - id, job(id));
        }
        let last = Timestamp(NOON.0 + PUSHES_OF_WINDOW_MAX + 1);
        let window = Window::new(NOON, last).unwrap();
        let overview = test.store.overview(window, 60_000).unwrap();
        assert_eq!(overview.lag.of, 500);
        assert_eq!(overview.lag.max_ms, 999);
    }

    #[test]
    fn a_queues_lag_is_of_the_pushes_of_its_newest_jobs() {
        let test = fixtures::open();
        for id in 0..=NEWEST_OF_LANE_MAX {
            put(&test, "t", id, 1_000 - id, job(id));
        }
        put(&test, "other", 5_000, 50_000, job(5_000));
        let key = LaneKey::Queue {
            region: String::new(),
            name: "t".to_owned(),
        };
        let lag = test.store.lane_lag(&key).unwrap();
        assert_eq!((lag.of, lag.max_ms), (100, 999));
    }

    #[test]
    fn a_push_that_tells_of_many_activities_counts_once() {
        let test = fixtures::open();
        let mut events = vec![Event::Run(RunEvent {
            run_id: "r".to_owned(),
            workflow_id: Some("w".to_owned()),
            ..RunEvent::default()
        })];
        events.extend((0..9).map(|at| {
            Event::Activity(ActivityEvent {
                run_id: "r".to_owned(),
                name: at.to_string(),
                ..ActivityEvent::default()
            })
        }));
        put(&test, "t", 1, 30, events.clone());
        put(&test, "t", 2, 10, events);
        let key = LaneKey::Workflow {
            owner: "1001".to_owned(),
            region: String::new(),
            id: "w".to_owned(),
        };
        let lag = test.store.lane_lag(&key).unwrap();
        assert_eq!((lag.of, lag.median_ms, lag.max_ms), (2, 10, 30));
    }

    #[test]
    fn no_reading_of_lag_scans_a_table_or_sorts_it() {
        let test = fixtures::open();
        let statements = [
            SELECT_OF_WINDOW,
            SELECT_NEWEST_JOBS,
            SELECT_NEWEST_RUNS,
            SELECT_DELIVERIES_OF_JOB,
            SELECT_DELIVERIES_OF_RUN,
            SELECT_OF_DELIVERY,
        ];
        for sql in statements {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
