//! Lanes: every queue and every workflow over a window, and one of them in depth.
//!
//! What a lane's figures are is by the roll-ups (`roll_ups.rs`); single jobs and runs are read only
//! of lanes with few of them (`lane_items.rs`).

use rusqlite::{Row, Transaction, params};

use crate::clock::{Timestamp, Window};
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::RunFilter;
use crate::store::lane_records::{
    FailureGroups, LANE_ITEMS_MAX, LANES_MAX, Lag, LaneKey, LaneRecord, Overview,
    UNRECOGNIZED_COUNTED_MAX,
};
use crate::store::lanes::Workflows;
use crate::store::readers::{failures, lag, lane_items, roll_ups, runs};
use crate::store::records::RunOutcome;
use crate::store::values::{count, read_count, read_time};

/// The most queues and the most workflows that are looked at to find those of an overview: some
/// have no job or run of their own any more.
const CANDIDATES_MAX: usize = 20 * LANES_MAX;

/// The most regions or owners that one name is looked for in.
const LANES_OF_NAME_MAX: usize = 100;

const SELECT_QUEUES: &str = "
    SELECT region, name, last_event_at FROM queue
    ORDER BY last_event_at DESC, name DESC, region DESC
    LIMIT ?1";

const SELECT_QUEUES_OF_NAME: &str = "
    SELECT region, name, last_event_at FROM queue
    WHERE name = ?2
    ORDER BY region
    LIMIT ?1";

const SELECT_WORKFLOWS: &str = "
    SELECT owner, region, id, name, last_event_at FROM workflow
    ORDER BY last_event_at DESC, owner DESC, region DESC, id DESC
    LIMIT ?1";

// A scan, but of a table with a row for each workflow there is.
const SELECT_WORKFLOWS_OF_ID: &str = "
    SELECT owner, region, id, name, last_event_at FROM workflow
    WHERE id = ?2
    ORDER BY owner, region
    LIMIT ?1";

const HAS_JOBS: &str = "
    SELECT EXISTS (
      SELECT 1 FROM job INDEXED BY job_by_queue WHERE queue = ?1 AND region = ?2
    )";

const HAS_RUNS: &str = "
    SELECT EXISTS (
      SELECT 1 FROM run INDEXED BY run_by_workflow
      WHERE workflow = ?1 AND owner = ?2 AND region = ?3
    )";

const COUNT_UNRECOGNIZED: &str = "
    SELECT COUNT(*) AS count FROM (
      SELECT 1 FROM event INDEXED BY event_by_kind
      WHERE kind = 'unrecognized' AND at >= ?1 AND at < ?2
      LIMIT ?3
    )";

const SELECT_LAST_RECEIVED: &str = "SELECT MAX(received_at) AS at FROM delivery";

// Events whose delivery is forgotten are not there any more.
const SELECT_NEWEST_BEFORE: &str = "
    SELECT (
      SELECT at FROM event INDEXED BY event_by_time
      WHERE at < ?1 AND EXISTS (SELECT 1 FROM delivery WHERE delivery.id = event.delivery)
      ORDER BY at DESC
      LIMIT 1
    ) AS at";

/// Reading of lanes.
impl Store {
    /// Returns every lane over the window, with what stands above them.
    ///
    /// The window and its slots are whole minutes, or whole hours if `slot_ms` is an hour or more or
    /// the window begins before the [minutes that are kept]: what is counted is the minutes or hours
    /// that *begin* in the window. `slot_ms` is one or more of these.
    ///
    /// [minutes that are kept]: crate::store::rollups::MINUTES_KEPT_MS
    pub fn overview(&self, window: Window, slot_ms: i64) -> Result<Overview, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| overview(tx, known, window, slot_ms))
    }

    /// Returns the lanes of the queues with this name, one for each region; empty if there is none.
    /// The window is as for [`Store::overview`].
    pub fn lanes_of_queue(
        &self,
        name: &str,
        window: Window,
        slot_ms: i64,
    ) -> Result<Vec<LaneRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| {
            let (found, _) = queues(tx, LANES_OF_NAME_MAX, Some(name))?;
            records(tx, known, found, window, slot_ms)
        })
    }

    /// Returns the lanes of the workflow with this id, one for each owner and region; empty if there
    /// is none. The window is as for [`Store::overview`].
    pub fn lanes_of_workflow(
        &self,
        id: &str,
        window: Window,
        slot_ms: i64,
    ) -> Result<Vec<LaneRecord>, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| {
            let (found, _) = workflows(tx, known, LANES_OF_NAME_MAX, Some(id))?;
            records(tx, known, found, window, slot_ms)
        })
    }

    /// Returns what failed on a lane in the window, by code: jobs of a queue, activities of a
    /// workflow's runs. In the window is what was last heard of in it, which is when it failed,
    /// unless something was told of it later.
    pub fn failures(&self, key: &LaneKey, window: Window) -> Result<FailureGroups, ReadError> {
        self.inner
            .readers
            .read(|tx| failures::of_lane(tx, key, window))
    }

    /// Returns how late the pushes were that brought the newest 100 jobs or runs of a lane.
    pub fn lane_lag(&self, key: &LaneKey) -> Result<Lag, ReadError> {
        self.inner.readers.read(|tx| lag::of_lane(tx, key))
    }

    /// Returns when the newest event before `at` happened, whatever it is about.
    pub fn newest_before(&self, at: Timestamp) -> Result<Option<Timestamp>, ReadError> {
        self.inner.readers.read(|tx| {
            let mut select = tx.prepare_cached(SELECT_NEWEST_BEFORE)?;
            select.query_row([at.0], maybe_at)
        })
    }
}

/// A lane that is there.
struct Found {
    key: LaneKey,
    name: Option<String>,
    last_event_at: Timestamp,
}

fn overview(
    tx: &Transaction<'_>,
    known: &Workflows,
    window: Window,
    slot_ms: i64,
) -> rusqlite::Result<Overview> {
    let (mut found, has_more_queues) = queues(tx, CANDIDATES_MAX, None)?;
    let (of_workflows, has_more_workflows) = workflows(tx, known, CANDIDATES_MAX, None)?;
    found.extend(of_workflows);
    let mut select = tx.prepare_cached(COUNT_UNRECOGNIZED)?;
    let range = params![
        window.from().0,
        window.to().0,
        count(UNRECOGNIZED_COUNTED_MAX)
    ];
    let unrecognized = select.query_row(range, |row| read_count(row, "count"))?;
    let mut select = tx.prepare_cached(SELECT_LAST_RECEIVED)?;
    let stale = RunFilter {
        outcome: Some(RunOutcome::Stale),
        ..RunFilter::default()
    };
    Ok(Overview {
        stale: runs::count(tx, known, &stale)?,
        lanes: records(tx, known, found, window, slot_ms)?,
        has_more: has_more_queues || has_more_workflows,
        lag: lag::of_window(tx, window)?,
        last_received_at: select.query_row([], maybe_at)?,
        unrecognized,
    })
}

/// Returns the queues that have jobs of their own, of one name or of all the newest, and whether
/// there are more than [`LANES_MAX`].
fn queues(
    tx: &Transaction<'_>,
    candidates_max: usize,
    name: Option<&str>,
) -> rusqlite::Result<(Vec<Found>, bool)> {
    let read = |row: &Row<'_>| {
        Ok(Found {
            key: LaneKey::Queue {
                region: row.get("region")?,
                name: row.get("name")?,
            },
            name: None,
            last_event_at: read_time(row, "last_event_at")?,
        })
    };
    let max = count(candidates_max);
    let candidates: Vec<Found> = match name {
        None => {
            let mut select = tx.prepare_cached(SELECT_QUEUES)?;
            select.query_map([max], read)?.collect::<Result<_, _>>()?
        }
        Some(name) => {
            let mut select = tx.prepare_cached(SELECT_QUEUES_OF_NAME)?;
            let rows = select.query_map(params![max, name], read)?;
            rows.collect::<Result<_, _>>()?
        }
    };
    those_there(tx, candidates)
}

/// Returns the workflows that have runs of their own; see [`queues`].
fn workflows(
    tx: &Transaction<'_>,
    known: &Workflows,
    candidates_max: usize,
    id: Option<&str>,
) -> rusqlite::Result<(Vec<Found>, bool)> {
    let read = |row: &Row<'_>| {
        let id: String = row.get("id")?;
        let name: Option<String> = row.get("name")?;
        Ok(Found {
            name: known.name(&id).map(str::to_owned).or(name),
            key: LaneKey::Workflow {
                owner: row.get("owner")?,
                region: row.get("region")?,
                id,
            },
            last_event_at: read_time(row, "last_event_at")?,
        })
    };
    let max = count(candidates_max);
    let candidates: Vec<Found> = match id {
        None => {
            let mut select = tx.prepare_cached(SELECT_WORKFLOWS)?;
            select.query_map([max], read)?.collect::<Result<_, _>>()?
        }
        Some(id) => {
            let mut select = tx.prepare_cached(SELECT_WORKFLOWS_OF_ID)?;
            let rows = select.query_map(params![max, id], read)?;
            rows.collect::<Result<_, _>>()?
        }
    };
    those_there(tx, candidates)
}

/// Keeps the first [`LANES_MAX`] that have a job or run: those that a higher rule, the configuration
/// or a rebuild has left without any are no lanes any more.
fn those_there(
    tx: &Transaction<'_>,
    candidates: Vec<Found>,
) -> rusqlite::Result<(Vec<Found>, bool)> {
    let mut found = Vec::new();
    for candidate in candidates {
        let is_there: bool = match &candidate.key {
            LaneKey::Queue { region, name } => tx
                .prepare_cached(HAS_JOBS)?
                .query_row(params![name, region], |row| row.get(0))?,
            LaneKey::Workflow { owner, region, id } => tx
                .prepare_cached(HAS_RUNS)?
                .query_row(params![id, owner, region], |row| row.get(0))?,
        };
        if is_there && found.len() == LANES_MAX {
            return Ok((found, true));
        }
        if is_there {
            found.push(candidate);
        }
    }
    Ok((found, false))
}

/// Returns what each lane did: queues first, each kind by name.
fn records(
    tx: &Transaction<'_>,
    known: &Workflows,
    mut found: Vec<Found>,
    window: Window,
    slot_ms: i64,
) -> rusqlite::Result<Vec<LaneRecord>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let (ages, now) = (known.ages(), known.now());
    let slot_ms = roll_ups::slot_length(window, slot_ms, now);
    let lanes = roll_ups::Lanes::new(found.iter().map(|lane| &lane.key));
    let sums = roll_ups::sum(tx, &lanes, window, slot_ms)?;
    let last_hours = roll_ups::last_hour(tx, &lanes, now)?;
    let mut records = Vec::with_capacity(found.len());
    for ((lane, sums), last_hour) in found.into_iter().zip(sums).zip(last_hours) {
        let (open, stale) = lane_items::open_runs(tx, &lane.key, &ages)?;
        let together = sums.ended.total().saturating_add(open);
        let items = if together <= LANE_ITEMS_MAX as u64 {
            lane_items::overlapping(tx, &lane.key, &ages, window)?
        } else {
            None
        };
        records.push(LaneRecord {
            key: lane.key,
            name: lane.name,
            last_event_at: lane.last_event_at,
            ended: sums.ended,
            durations: sums.durations,
            open,
            stale,
            last_hour,
            slot_ms,
            slots: sums.slots,
            items,
        });
    }
    records.sort_by(|a, b| shown_order(a).cmp(&shown_order(b)));
    Ok(records)
}

fn shown_order(lane: &LaneRecord) -> (bool, &str, &LaneKey) {
    match &lane.key {
        LaneKey::Queue { name, .. } => (false, name, &lane.key),
        LaneKey::Workflow { id, .. } => (true, lane.name.as_deref().unwrap_or(id), &lane.key),
    }
}

fn maybe_at(row: &Row<'_>) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<i64> = row.get("at")?;
    Ok(at.map(Timestamp))
}

#[cfg(test)]
mod tests {
    use crate::clock::Clock;
    use crate::notification::event::{Event, JobEvent, JobState, RunEvent, RunPart};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};
    use crate::store::lane_records::{Durations, Ended, LaneItem, OPEN_COUNTED_MAX};
    use crate::store::options::{QueueRule, WorkflowRule};
    use crate::store::readers::roll_ups::{HOUR_MS, MINUTE_MS};
    use crate::store::records::JobRecord;
    use crate::store::rollups::{HISTOGRAM_BOUNDS_MS, MINUTES_KEPT_MS};

    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn window(from_ms: i64, to_ms: i64) -> Window {
        Window::new(NOON.plus_ms(from_ms), NOON.plus_ms(to_ms)).unwrap()
    }

    /// A job of `topic` that ended `ms` after noon, after `took_ms` if that is known.
    fn put(
        test: &TestStore,
        topic: &str,
        id: &str,
        state: JobState,
        ms: i64,
        took_ms: Option<i64>,
    ) {
        let event = JobEvent {
            job_id: id.to_owned(),
            state,
            started_at: took_ms.map(|took| NOON.plus_ms(ms - took)),
            finished_at: state.is_terminal().then(|| NOON.plus_ms(ms)),
            ..JobEvent::default()
        };
        let arrival = arrival_of(topic, &format!("{topic} {id}"), vec![Event::Job(event)]);
        test.append(renotify(arrival, |notification| {
            notification.published_at = Some(NOON.plus_ms(ms));
        }));
    }

    /// A run of `workflow` that began at `began_ms` and, if it did, ended at `ended_ms`.
    fn put_run(test: &TestStore, workflow: &str, id: &str, began_ms: i64, ended_ms: Option<i64>) {
        let mut parts = vec![(RunPart::Start, JobState::Running, began_ms)];
        parts.extend(ended_ms.map(|ms| (RunPart::Report, JobState::Completed, ms)));
        for (part, state, ms) in parts {
            let event = RunEvent {
                run_id: id.to_owned(),
                workflow_id: Some(workflow.to_owned()),
                workflow_name: Some(format!("name of {workflow}")),
                created_at: Some(NOON.plus_ms(began_ms)),
                part,
                state,
                ..RunEvent::default()
            };
            let arrival = arrival_of("t", &format!("{id} {ms}"), vec![Event::Run(event)]);
            test.append(renotify(arrival, |notification| {
                notification.published_at = Some(NOON.plus_ms(ms));
            }));
        }
    }

    fn queue(name: &str) -> LaneKey {
        LaneKey::Queue {
            region: String::new(),
            name: name.to_owned(),
        }
    }

    fn workflow(id: &str) -> LaneKey {
        LaneKey::Workflow {
            owner: "1001".to_owned(),
            region: String::new(),
            id: id.to_owned(),
        }
    }

    /// Jobs of two queues over three hours before noon, in every state, and of them those with a
    /// start that took from no time to an hour.
    fn three_hours(test: &TestStore) {
        for at in 0..240_i64 {
            let state = JobState::ALL[usize::try_from(at % 8).unwrap()];
            let topic = if at % 3 == 0 { "a" } else { "b" };
            let took = (at % 5 < 2).then_some(at * 15_000);
            put(
                test,
                topic,
                &at.to_string(),
                state,
                -3 * HOUR_MS + at * 45_100,
                took,
            );
        }
    }

    fn counted(jobs: &[&JobRecord]) -> Ended {
        let of = |state| jobs.iter().filter(|job| job.state == state).count() as u64;
        Ended {
            succeeded: of(JobState::Succeeded),
            partial: 0,
            failed: of(JobState::Failed),
            cancelled: of(JobState::Cancelled),
            skipped: of(JobState::Skipped),
            completed: of(JobState::Completed),
        }
    }

    fn durations(jobs: &[&JobRecord]) -> Durations {
        let known: Vec<i64> = jobs.iter().filter_map(|job| job.duration_ms).collect();
        let mut histogram = vec![0; HISTOGRAM_BOUNDS_MS.len() + 1];
        for ms in &known {
            histogram[HISTOGRAM_BOUNDS_MS.partition_point(|bound| bound < ms)] += 1;
        }
        Durations {
            known: known.len() as u64,
            of: jobs.len() as u64,
            sum_ms: known.iter().sum::<i64>().unsigned_abs(),
            histogram,
        }
    }

    #[test]
    fn every_figure_of_a_lane_is_what_counting_its_rows_gives() {
        let test = fixtures::open();
        three_hours(&test);
        let all = test.jobs();
        let cases = [
            (window(-3 * HOUR_MS, 0), MINUTE_MS),
            (window(-3 * HOUR_MS, 0), HOUR_MS),
            (window(-3 * HOUR_MS, -HOUR_MS), 2 * HOUR_MS),
            (window(-170 * MINUTE_MS, -7 * MINUTE_MS), 7 * MINUTE_MS),
            (window(-50 * MINUTE_MS, -10 * MINUTE_MS), MINUTE_MS),
            (window(-70 * MINUTE_MS, -50 * MINUTE_MS), MINUTE_MS),
        ];
        for (window, slot_ms) in cases {
            let overview = test.store.overview(window, slot_ms).unwrap();
            assert_eq!(overview.lanes.len(), 2);
            for lane in overview.lanes {
                let LaneKey::Queue { name, .. } = &lane.key else {
                    panic!("{:?}", lane.key);
                };
                let ended: Vec<&JobRecord> = all
                    .iter()
                    .filter(|job| job.queue.as_ref() == Some(name) && job.state.is_terminal())
                    .filter(|job| job.finished_at.is_some_and(|at| window.contains(at)))
                    .collect();
                assert!(!ended.is_empty());
                assert_eq!(lane.ended, counted(&ended), "{window:?}");
                assert_eq!(lane.ended.total(), ended.len() as u64);
                assert_eq!(lane.durations, durations(&ended), "{window:?}");
                assert!(lane.slots.is_sorted_by(|a, b| a.at < b.at));
                let mut in_slots = 0;
                for slot in &lane.slots {
                    let in_slot = |at: Timestamp| (0..slot_ms).contains(&at.since_ms(slot.at));
                    let of_slot: Vec<&JobRecord> = ended
                        .iter()
                        .filter(|job| job.finished_at.is_some_and(in_slot))
                        .copied()
                        .collect();
                    assert_eq!(slot.at.0 % slot_ms, 0);
                    assert_eq!(slot.ended, counted(&of_slot));
                    in_slots += of_slot.len();
                }
                assert_eq!(in_slots, ended.len());
                let of_name = test.store.lanes_of_queue(name, window, slot_ms).unwrap();
                assert_eq!(of_name, [lane]);
            }
        }
    }

    #[test]
    fn the_last_hour_is_that_before_now_whatever_the_window() {
        let clock = Clock::standing_at(NOON.plus_ms(30_000));
        let test = fixtures::open_with(|options| options.clock = clock.clone());
        for (id, ms) in [
            ("a", -HOUR_MS),
            ("b", -59 * MINUTE_MS),
            ("c", 0),
            ("d", MINUTE_MS),
        ] {
            put(&test, "t", id, JobState::Failed, ms, None);
        }
        let far = window(-3 * DAY_MS, -2 * DAY_MS);
        let lane = test.store.overview(far, HOUR_MS).unwrap().lanes.remove(0);
        assert_eq!((lane.ended.total(), lane.last_hour.failed), (0, 2));
        assert_eq!(lane.last_event_at, NOON.plus_ms(MINUTE_MS));
    }

    #[test]
    fn a_window_from_before_the_minutes_that_are_kept_is_counted_by_the_hour() {
        let test = fixtures::open();
        let oldest = -MINUTES_KEPT_MS;
        put(
            &test,
            "t",
            "a",
            JobState::Succeeded,
            oldest - HOUR_MS,
            Some(5),
        );
        put(&test, "t", "b", JobState::Succeeded, oldest, Some(7));
        let slots = |from_ms: i64| {
            let window = window(from_ms, oldest + HOUR_MS);
            let lane = test
                .store
                .overview(window, MINUTE_MS)
                .unwrap()
                .lanes
                .remove(0);
            assert_eq!(lane.ended.total(), lane.slots.len() as u64);
            (lane.slot_ms, lane.slots.len(), lane.durations.sum_ms)
        };
        assert_eq!(slots(oldest - HOUR_MS), (HOUR_MS, 2, 12));
        assert_eq!(slots(oldest), (MINUTE_MS, 1, 7));
    }

    #[test]
    fn lanes_are_those_with_jobs_or_runs_queues_first_each_by_name() {
        let rule = QueueRule {
            name: "moved".to_owned(),
            topics: Vec::new(),
            region: String::new(),
            pipeline_id: "p".to_owned(),
        };
        let named = WorkflowRule {
            id: "w2".to_owned(),
            name: "A name".to_owned(),
            stale_after_ms: 1,
        };
        let test = fixtures::open_with(|options| {
            options.queues = vec![rule];
            options.workflows = vec![named];
        });
        put(&test, "b", "1", JobState::Succeeded, -1, None);
        put(&test, "a", "2", JobState::Succeeded, -2, None);
        put(&test, "left", "3", JobState::Succeeded, -3, None);
        let event = JobEvent {
            job_id: "3".to_owned(),
            pipeline_id: Some("p".to_owned()),
            ..JobEvent::default()
        };
        test.append(arrival_of("left", "again", vec![Event::Job(event)]));
        put_run(&test, "w1", "r1", -9, Some(-4));
        put_run(&test, "w2", "r2", -9, Some(-4));
        let overview = test.store.overview(window(-HOUR_MS, 0), MINUTE_MS).unwrap();
        let lanes: Vec<_> = overview.lanes.iter().map(|lane| lane.key.clone()).collect();
        let queues = [queue("a"), queue("b"), queue("moved")];
        assert_eq!(lanes[..3], queues);
        assert_eq!(lanes[3..], [workflow("w2"), workflow("w1")]);
        assert_eq!(overview.lanes[3].name.as_deref(), Some("A name"));
        assert_eq!(overview.lanes[4].name.as_deref(), Some("name of w1"));
        assert!(!overview.has_more);
        let hour = window(-HOUR_MS, 0);
        let of_w1 = test.store.lanes_of_workflow("w1", hour, MINUTE_MS).unwrap();
        assert_eq!(of_w1, overview.lanes[4..]);
        assert_eq!(of_w1[0].durations.sum_ms, 5);
        for name in ["left", "none"] {
            let none = test.store.lanes_of_queue(name, hour, MINUTE_MS).unwrap();
            assert!(none.is_empty(), "{name}");
            let none = test.store.lanes_of_workflow(name, hour, MINUTE_MS).unwrap();
            assert!(none.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_name_in_two_regions_is_two_lanes() {
        let test = fixtures::open();
        for (id, region) in [("1", "r1"), ("2", "r2"), ("3", "r2")] {
            let event = JobEvent {
                job_id: id.to_owned(),
                state: JobState::Succeeded,
                ..JobEvent::default()
            };
            let mut arrival = arrival_of("t", id, vec![Event::Job(event)]);
            arrival.region = region.to_owned();
            test.append(arrival);
        }
        let hour = window(0, HOUR_MS);
        let lanes = test.store.lanes_of_queue("t", hour, MINUTE_MS).unwrap();
        let ended: Vec<u64> = lanes.iter().map(|lane| lane.ended.total()).collect();
        assert_eq!(ended, [1, 2]);
    }

    #[test]
    fn of_more_lanes_than_are_shown_the_newest_are_and_it_is_said() {
        let test = fixtures::open();
        for at in 0..=LANES_MAX {
            let ms = i64::try_from(at).unwrap();
            put(&test, &format!("q{at:02}"), "j", JobState::Failed, ms, None);
        }
        // The same job, at another topic later: the first queue has it no more.
        let overview = test.store.overview(window(0, HOUR_MS), MINUTE_MS).unwrap();
        assert_eq!((overview.lanes.len(), overview.has_more), (1, false));
        for at in 0..=LANES_MAX {
            let ms = i64::try_from(at).unwrap();
            let id = at.to_string();
            put(&test, &format!("q{at:02}"), &id, JobState::Failed, ms, None);
        }
        let overview = test.store.overview(window(0, HOUR_MS), MINUTE_MS).unwrap();
        assert_eq!((overview.lanes.len(), overview.has_more), (LANES_MAX, true));
        assert_eq!(overview.lanes[0].key, queue("q01"));
    }

    fn ids(items: Option<&Vec<LaneItem>>) -> String {
        items.unwrap().iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn single_jobs_are_those_that_overlap_the_window() {
        let test = fixtures::open();
        let jobs = [
            // (id, state, ended or last heard of, took)
            ("a", JobState::Succeeded, -1, None),
            ("b", JobState::Succeeded, 0, None),
            ("c", JobState::Failed, 60_000, Some(90_000)),
            ("d", JobState::Succeeded, 119_999, None),
            ("e", JobState::Succeeded, 120_000, None),
            ("f", JobState::Succeeded, 120_001, Some(2)),
            ("g", JobState::Succeeded, 120_002, Some(2)),
            // Before it started, by a wrong clock.
            ("h", JobState::Succeeded, 120_003, Some(-9)),
            ("i", JobState::Running, 61_000, Some(0)),
            ("j", JobState::Running, 120_004, Some(0)),
        ];
        for (id, state, ms, took) in jobs {
            put(&test, "t", id, state, ms, took);
        }
        let two = window(0, 2 * MINUTE_MS);
        let lane = test.store.overview(two, MINUTE_MS).unwrap().lanes.remove(0);
        assert_eq!(ids(lane.items.as_ref()), "bcidf");
        let items = lane.items.unwrap();
        let shown = (items[1].state, items[1].started_at, items[1].finished_at);
        let started = Some(NOON.plus_ms(-30_000));
        assert_eq!(shown, ("failed", started, Some(NOON.plus_ms(60_000))));
        assert_eq!((items[2].state, items[2].finished_at), ("running", None));
    }

    #[test]
    fn single_runs_are_those_that_overlap_the_window_open_and_stale_ones_among_them() {
        let test = fixtures::open_with(|options| {
            options.clock = Clock::standing_at(NOON.plus_ms(DAY_MS));
        });
        put_run(&test, "w", "a", -9, Some(-1));
        put_run(&test, "w", "b", -9, Some(0));
        put_run(&test, "w", "c", -9, Some(300_000));
        put_run(&test, "w", "d", 119_999, Some(300_001));
        put_run(&test, "w", "e", 120_000, Some(300_002));
        put_run(&test, "w", "f", -8, None);
        put_run(&test, "w", "g", 5, None);
        put_run(&test, "w", "h", 120_000, None);
        let two = window(0, 2 * MINUTE_MS);
        let lane = test.store.overview(two, MINUTE_MS).unwrap().lanes.remove(0);
        assert_eq!((lane.open, lane.stale, lane.ended.total()), (3, 1, 1));
        assert_eq!(ids(lane.items.as_ref()), "fbgcd");
        let items = lane.items.unwrap();
        let states: Vec<&str> = items.iter().map(|item| item.state).collect();
        let done = RunOutcome::Succeeded.word();
        assert_eq!(states, ["stale", done, "running", done, done]);
        assert_eq!(
            (items[0].started_at, items[0].finished_at),
            (Some(NOON.plus_ms(-8)), None)
        );
    }

    #[test]
    fn a_run_is_stale_by_its_own_workflows_age() {
        let rule = WorkflowRule {
            id: "quick".to_owned(),
            name: String::new(),
            stale_after_ms: 1_000,
        };
        let test = fixtures::open_with(|options| options.workflows = vec![rule]);
        for (id, ms) in [("a", -1_001), ("b", -1_000)] {
            put_run(&test, "quick", id, ms, None);
            put_run(&test, "slow", &format!("slow {id}"), ms, None);
        }
        let stale = |id: &str| {
            let hour = window(-HOUR_MS, 0);
            let lanes = test.store.lanes_of_workflow(id, hour, MINUTE_MS).unwrap();
            (lanes[0].open, lanes[0].stale)
        };
        assert_eq!((stale("quick"), stale("slow")), ((2, 1), (2, 0)));
    }

    #[test]
    fn no_more_open_runs_are_counted_than_may_be() {
        let test = fixtures::open();
        put_run(&test, "w", "r", -2 * DAY_MS, None);
        let copied = test.put(count(OPEN_COUNTED_MAX), |tx, _, runs| {
            tx.execute(
                "WITH RECURSIVE number (value) AS (
                   SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1
                 )
                 INSERT INTO run (run, owner, region, workflow, outcome, nothing_done, created_at,
                   events, deliveries, conflict, start_missing, last_event_at, extra)
                 SELECT value, owner, region, workflow, outcome, nothing_done, created_at, events,
                   deliveries, conflict, start_missing, last_event_at, extra FROM run, number",
                [runs],
            )?;
            Ok(Ok(()))
        });
        copied.recv().unwrap().unwrap();
        let hour = window(-HOUR_MS, 0);
        let lane = test
            .store
            .overview(hour, MINUTE_MS)
            .unwrap()
            .lanes
            .remove(0);
        assert_eq!(
            (lane.open, lane.stale),
            (OPEN_COUNTED_MAX, OPEN_COUNTED_MAX)
        );
        assert_eq!(lane.items, None);
    }

    #[test]
    fn as_many_jobs_as_can_be_told_apart_are_given_and_of_more_none() {
        let test = fixtures::open();
        let hour = window(0, HOUR_MS);
        let max = i64::try_from(LANE_ITEMS_MAX).unwrap();
        let items = || {
            let lane = test
                .store
                .overview(hour, MINUTE_MS)
                .unwrap()
                .lanes
                .remove(0);
            lane.items.map(|items| items.len())
        };
        for at in 0..max {
            put(&test, "t", &at.to_string(), JobState::Succeeded, at, None);
        }
        assert_eq!(items(), Some(LANE_ITEMS_MAX));
        // Began in the window and ended behind it: not counted, but on the lane.
        put(
            &test,
            "t",
            "long",
            JobState::Succeeded,
            HOUR_MS + 5,
            Some(HOUR_MS),
        );
        assert_eq!(items(), None);
        // So many are open in the window that reading them ends before its end.
        for at in 0..3 * max {
            put(&test, "u", &format!("u{at}"), JobState::Running, at, None);
        }
        let lanes = test
            .store
            .lanes_of_queue("u", window(0, 2 * MINUTE_MS), MINUTE_MS);
        assert_eq!(lanes.unwrap()[0].items, None);
    }

    #[test]
    fn what_stands_above_the_lanes_is_of_the_window() {
        let test = fixtures::open();
        let none = test.store.overview(window(0, HOUR_MS), MINUTE_MS).unwrap();
        assert_eq!(
            (none.last_received_at, none.lag, none.unrecognized),
            (None, Lag::default(), 0)
        );
        assert_eq!(test.store.newest_before(NOON).unwrap(), None);
        for (id, ms, lag_ms) in [
            ("a", -1, 9_000),
            ("b", 0, 20),
            ("c", 1, 10),
            ("d", 2, 3_000),
        ] {
            let mut arrival = fixtures::arrival_saying(id, NOON.plus_ms(ms - lag_ms), "no JSON");
            arrival.delivery.received_at = NOON.plus_ms(ms);
            test.append(arrival);
        }
        let unknown = fixtures::arrival("e", "e");
        test.append(renotify(unknown, |notification| {
            notification.published_at = None;
        }));
        let overview = test.store.overview(window(0, HOUR_MS), MINUTE_MS).unwrap();
        let expected = Lag {
            of: 3,
            median_ms: 20,
            p95_ms: 3_000,
            max_ms: 3_000,
        };
        assert_eq!(overview.lag, expected);
        assert_eq!(overview.last_received_at, Some(NOON.plus_ms(2)));
        assert_eq!(overview.unrecognized, 0);
        let overview = test.store.overview(window(-HOUR_MS, 0), MINUTE_MS).unwrap();
        assert_eq!(overview.unrecognized, 4);
        let newest = test.store.newest_before(NOON).unwrap();
        assert_eq!(newest, Some(NOON.plus_ms(-9)));
    }

    #[test]
    fn no_reading_of_lanes_scans_what_grows_or_sorts_it() {
        let test = fixtures::open();
        let statements = [
            (SELECT_QUEUES, "queue_by_time"),
            (SELECT_WORKFLOWS, "workflow_by_time"),
            (SELECT_QUEUES_OF_NAME, "PRIMARY KEY"),
            (HAS_JOBS, "SEARCH job USING COVERING INDEX"),
            (HAS_RUNS, "SEARCH run USING INDEX"),
            (COUNT_UNRECOGNIZED, "SEARCH event USING COVERING INDEX"),
            (SELECT_LAST_RECEIVED, "SEARCH delivery USING COVERING INDEX"),
            (
                SELECT_NEWEST_BEFORE,
                "SEARCH event USING INDEX event_by_time",
            ),
        ];
        for (sql, expected) in statements {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(plan.contains(expected), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
