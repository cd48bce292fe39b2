//! The single jobs or runs of a lane over a window, where they are few, and its open runs.
//!
//! A job or run overlaps the window by the half-open rule: it began before the window's end, and
//! goes on or ended not before its start. What has no known start is where it ended.

use rusqlite::{Row, Transaction, named_params, params};

use crate::clock::{Timestamp, Window};
use crate::notification::event::JobState;
use crate::store::lane_records::{LANE_ITEMS_MAX, LaneItem, LaneKey, OPEN_COUNTED_MAX};
use crate::store::lanes::Ages;
use crate::store::records::RunOutcome;
use crate::store::values::{count, read_count, read_maybe_time, read_time, read_word};

/// The most rows that are read of one lane: those of the window, and as many behind it.
const ROWS_READ_MAX: usize = 2 * LANE_ITEMS_MAX;

const SELECT_JOBS: &str = "
    SELECT job AS id, state, started_at, finished_at, last_event_at
    FROM job INDEXED BY job_by_queue
    WHERE queue = ?1 AND region = ?2 AND last_event_at >= ?3
    ORDER BY last_event_at
    LIMIT ?4";

const SELECT_ENDED_RUNS: &str = "
    SELECT run AS id, outcome, workflow, created_at, finished_at, last_event_at
    FROM run INDEXED BY run_by_workflow
    WHERE workflow = :workflow AND owner = :owner AND region = :region
      AND outcome <> 'running' AND last_event_at >= :from
    ORDER BY last_event_at
    LIMIT :limit";

const SELECT_OPEN_RUNS: &str = "
    SELECT run AS id, outcome, workflow, created_at, finished_at, last_event_at
    FROM run INDEXED BY run_open
    WHERE workflow = :workflow AND owner = :owner AND region = :region
      AND outcome = 'running' AND COALESCE(created_at, last_event_at) < :to
    LIMIT :limit";

const COUNT_OPEN: &str = "
    SELECT COUNT(*) AS count FROM (
      SELECT 1 FROM run INDEXED BY run_open
      WHERE workflow = ?1 AND owner = ?2 AND region = ?3
        AND outcome = 'running' AND COALESCE(created_at, last_event_at) < ?4
      LIMIT ?5
    )";

/// Returns what overlaps the window, by the newest event; `None` if it is too much.
pub(super) fn overlapping(
    tx: &Transaction<'_>,
    key: &LaneKey,
    ages: &Ages,
    window: Window,
) -> rusqlite::Result<Option<Vec<LaneItem>>> {
    let (mut items, open) = match key {
        LaneKey::Queue { region, name } => {
            let mut select = tx.prepare_cached(SELECT_JOBS)?;
            let key = params![name, region, window.from().0, count(ROWS_READ_MAX)];
            let jobs = select.query_map(key, job)?;
            (jobs.collect::<rusqlite::Result<Vec<_>>>()?, Vec::new())
        }
        LaneKey::Workflow { owner, region, id } => {
            let mut select = tx.prepare_cached(SELECT_ENDED_RUNS)?;
            let key = named_params! {
                ":workflow": id, ":owner": owner, ":region": region,
                ":from": window.from().0, ":limit": count(ROWS_READ_MAX),
            };
            let ended = select.query_map(key, |row| run(row, ages))?;
            let mut select = tx.prepare_cached(SELECT_OPEN_RUNS)?;
            let key = named_params! {
                ":workflow": id, ":owner": owner, ":region": region,
                ":to": window.to().0, ":limit": count(LANE_ITEMS_MAX) + 1,
            };
            let open = select.query_map(key, |row| run(row, ages))?;
            (
                ended.collect::<rusqlite::Result<_>>()?,
                open.collect::<rusqlite::Result<_>>()?,
            )
        }
    };
    let is_cut = items.len() >= ROWS_READ_MAX
        && items
            .last()
            .is_some_and(|item| item.last_event_at < window.to());
    items.extend(open);
    items.retain(|item| overlaps(item, window));
    if is_cut || items.len() > LANE_ITEMS_MAX {
        return Ok(None);
    }
    items.sort_by_key(|item| item.last_event_at);
    Ok(Some(items))
}

/// Returns how many runs of a workflow go on, and how many of these are stale.
pub(super) fn open_runs(
    tx: &Transaction<'_>,
    key: &LaneKey,
    ages: &Ages,
) -> rusqlite::Result<(u64, u64)> {
    let LaneKey::Workflow { owner, region, id } = key else {
        return Ok((0, 0));
    };
    let mut select = tx.prepare_cached(COUNT_OPEN)?;
    let mut counted = |before: Timestamp| {
        let key = params![id, owner, region, before.0, count(OPEN_COUNTED_MAX)];
        select.query_row(key, |row| read_count(row, "count"))
    };
    let stale_before = ages.by_workflow.get(id).unwrap_or(&ages.others);
    Ok((counted(Timestamp(i64::MAX))?, counted(*stale_before)?))
}

fn overlaps(item: &LaneItem, window: Window) -> bool {
    match (item.started_at, item.finished_at) {
        // The later of both where a clock was wrong: the bar has to be somewhere.
        (Some(started), Some(finished)) => {
            started.min(finished) < window.to() && started.max(finished) >= window.from()
        }
        (Some(started), None) => started < window.to(),
        (None, Some(finished)) => window.contains(finished),
        (None, None) => window.contains(item.last_event_at),
    }
}

fn job(row: &Row<'_>) -> rusqlite::Result<LaneItem> {
    let state = read_word(row, "state", JobState::from_word)?;
    let last_event_at = read_time(row, "last_event_at")?;
    let finished_at = read_maybe_time(row, "finished_at")?;
    // Ended at a time that nobody says: when it was told.
    let told_at = state.is_terminal().then_some(last_event_at);
    Ok(LaneItem {
        id: row.get("id")?,
        state: state.word(),
        started_at: read_maybe_time(row, "started_at")?,
        finished_at: finished_at.or(told_at),
        last_event_at,
    })
}

fn run(row: &Row<'_>, ages: &Ages) -> rusqlite::Result<LaneItem> {
    let mut outcome = read_word(row, "outcome", RunOutcome::from_word)?;
    let last_event_at = read_time(row, "last_event_at")?;
    let created_at = read_maybe_time(row, "created_at")?;
    let finished_at = read_maybe_time(row, "finished_at")?;
    let workflow: Option<String> = row.get("workflow")?;
    let is_open = outcome == RunOutcome::Running;
    if is_open && ages.is_stale(workflow.as_deref(), created_at.unwrap_or(last_event_at)) {
        outcome = RunOutcome::Stale;
    }
    let told_at = (!is_open).then_some(last_event_at);
    Ok(LaneItem {
        id: row.get("id")?,
        state: outcome.word(),
        started_at: created_at,
        finished_at: if is_open {
            None
        } else {
            finished_at.or(told_at)
        },
        last_event_at,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures;

    use super::*;

    #[test]
    fn no_reading_of_single_jobs_or_runs_scans_or_sorts() {
        let test = fixtures::open();
        for sql in [SELECT_JOBS, SELECT_ENDED_RUNS, SELECT_OPEN_RUNS, COUNT_OPEN] {
            let plan = fixtures::plan(&test.look(), sql);
            let scans = plan
                .lines()
                .filter(|line| line.starts_with("SCAN") && !line.contains("(subquery"));
            assert_eq!(scans.count(), 0, "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
        let plan = fixtures::plan(&test.look(), COUNT_OPEN);
        assert!(plan.contains("run_open"), "{plan}");
    }
}
