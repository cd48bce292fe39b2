//! Events as rows: of one delivery, or of one job in the order they are folded in.

use rusqlite::{Row, Transaction, params};

use crate::notification::event::JobState;
use crate::store::records::{EventRecord, RowId, TimeSource};
use crate::store::values::{read_json, read_time, read_word};

/// The most events one detail shows: its last ones. A job has one to five, a run's message one for
/// each node.
const EVENTS_SHOWN_MAX: i64 = 1_000;

const SELECT_OF_DELIVERY: &str = "
    SELECT event.id, event.kind, event.delivery, event.owner, event.job, event.run, event.state,
      event.at, event.at_from, event.event, delivery.topic, delivery.received_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.delivery = ?1
    ORDER BY event.position
    LIMIT ?2";

// The order of `jobs.rs`, backwards too.
const SELECT_OF_JOB: &str = "
    SELECT event.id, event.kind, event.delivery, event.owner, event.job, event.run, event.state,
      event.at, event.at_from, event.event, delivery.topic, delivery.received_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.owner = ?1 AND event.job = ?2 AND event.kind = 'job'
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT ?3";

/// Returns a delivery's events in the order of its message.
pub(super) fn of_delivery(
    tx: &Transaction<'_>,
    delivery: RowId,
) -> rusqlite::Result<Vec<EventRecord>> {
    let mut select = tx.prepare_cached(SELECT_OF_DELIVERY)?;
    let rows = select.query_map(params![delivery, EVENTS_SHOWN_MAX], record)?;
    rows.collect()
}

/// Returns a job's events in the order they are folded in.
pub(super) fn of_job(
    tx: &Transaction<'_>,
    owner: &str,
    job: &str,
) -> rusqlite::Result<Vec<EventRecord>> {
    let mut select = tx.prepare_cached(SELECT_OF_JOB)?;
    let rows = select.query_map(params![owner, job, EVENTS_SHOWN_MAX], record)?;
    let mut events: Vec<EventRecord> = rows.collect::<rusqlite::Result<_>>()?;
    events.reverse();
    Ok(events)
}

fn record(row: &Row<'_>) -> rusqlite::Result<EventRecord> {
    let kind: String = row.get("kind")?;
    let subject = match kind.as_str() {
        "job" => row.get("job")?,
        _ => row.get("run")?,
    };
    let state: Option<String> = row.get("state")?;
    Ok(EventRecord {
        id: row.get("id")?,
        kind,
        delivery: row.get("delivery")?,
        owner: row.get("owner")?,
        topic: row.get("topic")?,
        subject,
        state: state.and_then(|word| JobState::from_word(&word)),
        at: read_time(row, "at")?,
        at_from: read_word(row, "at_from", TimeSource::from_word)?,
        received_at: read_time(row, "received_at")?,
        event: read_json(row, "event")?,
    })
}
