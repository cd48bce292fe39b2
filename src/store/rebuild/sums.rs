//! Whether the roll-ups are the sums of their rows, and what they lack.
//!
//! Rows and roll-ups are read in one snapshot. A push changes both alike, so what the sums lack in it
//! they lack afterwards too, whatever has come meanwhile: it can be added later, in pieces, while
//! pushes go on, and no chart is ever empty. Only a bucket that is wrong and that a push empties just
//! then may keep a fault; another rebuild finds it.
//!
//! Roll-ups from before what age has taken are left as they are: their rows are gone.
//!
//! Deliberately not bounded: what is held in memory, some 400 bytes for each minute of the last 8
//! days and each hour of history in which something ended, by queue, type and state.

use rusqlite::Transaction;

use crate::clock::Timestamp;
use crate::store::cells::{Cells, Order};
use crate::store::rollups::{self, Deltas};
use crate::store::{jobs, retention, runs};

// What adds nothing is left out, since it may be long.
const SELECT_JOBS: &str = "
    SELECT job, owner, region, queue, run, workflow, type, state, raw_state, code, error_group,
      NULL AS message, NULL AS user_data, NULL AS input, submitted_at, started_at, finished_at,
      duration_ms, events, deliveries, conflict, last_event_at, '{}' AS extra
    FROM job";

const SELECT_RUNS: &str = "
    SELECT run, owner, region, workflow, workflow_name, media_id, NULL AS input,
      NULL AS user_data, outcome, nothing_done, raw_state, code, error_group, NULL AS message,
      created_at, finished_at, duration_ms, events, deliveries, conflict, start_missing,
      last_event_at, '{}' AS extra
    FROM run";

const SELECT_ACTIVITIES: &str = "
    SELECT run, owner, name, type, region, workflow, workflow_name, job, template_id, state,
      raw_state, code, error_group, NULL AS message, started_at, finished_at, duration_ms, conflict,
      last_event_at, '{}' AS extra
    FROM activity";

/// Returns what has to be added to the roll-ups.
pub(super) fn lacking(tx: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<Deltas> {
    let mut sums = Deltas::kept_at(now, retention::retained(tx)?.sums_from);
    each(tx, SELECT_JOBS, jobs::record, |job| {
        sums.replace(None, rollups::of_job(&job));
    })?;
    each(tx, SELECT_RUNS, runs::record, |run| {
        sums.replace(None, rollups::of_run(&run));
    })?;
    each(tx, SELECT_ACTIVITIES, runs::activity_record, |activity| {
        sums.replace(None, rollups::of_activity(&activity));
    })?;
    sums.take_out_stored(tx)?;
    Ok(sums)
}

fn each<T>(
    tx: &Transaction<'_>,
    sql: &str,
    read: impl Fn(&Cells<'_, '_>) -> rusqlite::Result<T>,
    mut take: impl FnMut(T),
) -> rusqlite::Result<()> {
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query([])?;
    let order = Order::default();
    while let Some(row) = rows.next()? {
        take(read(&Cells::of(row, &order))?);
    }
    Ok(())
}
