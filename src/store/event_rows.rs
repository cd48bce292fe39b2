//! An event as a row: what it says, what it is filed under, and what orders it.
//!
//! Made when a message arrives and made again when it is read again, so that the two can be
//! compared column by column.

use rusqlite::{Row, Transaction, params};

use crate::clock::Timestamp;
use crate::notification::event::{Event, JobState};
use crate::store::numbers::About;
use crate::store::options::QueueRule;
use crate::store::queues::{self, Origin, Rank};
use crate::store::records::{RowId, TimeSource};
use crate::store::values::{json, read_time};

const INSERT_EVENT: &str = "
    INSERT INTO event (
      delivery, position, kind, job, run, state, terminal, ordered_at, at, at_from, queue,
      queue_rule, event
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

const UPDATE_EVENT: &str = "
    UPDATE event
    SET kind = ?2, job = ?3, run = ?4, state = ?5, terminal = ?6, ordered_at = ?7, at = ?8,
      at_from = ?9, queue = ?10, queue_rule = ?11, event = ?12
    WHERE id = +?1";

const UPDATE_TEXT: &str = "UPDATE event SET event = ?2 WHERE id = +?1";

/// What an event's row takes from its delivery and its source.
pub(super) struct Filing<'a> {
    pub(super) lane: Lane<'a>,
    pub(super) published_at: Option<Timestamp>,
    pub(super) received_at: Timestamp,
}

/// Where a message came from, as far as the queue of its job depends on it.
pub(super) struct Lane<'a> {
    pub(super) region: &'a str,
    pub(super) topic: &'a str,
    /// The source's queue; empty if it has none.
    pub(super) source_queue: &'a str,
}

/// The columns of `event`, but for its number, its delivery and its place in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventRow {
    pub(super) kind: String,
    pub(super) about: About,
    pub(super) state: Option<String>,
    pub(super) terminal: bool,
    pub(super) ordered_at: Option<i64>,
    pub(super) at: Timestamp,
    pub(super) at_from: String,
    pub(super) queue: Option<String>,
    pub(super) queue_rule: i64,
    /// The event itself, as JSON.
    pub(super) event: String,
}

impl EventRow {
    pub(super) fn of(
        event: &Event,
        rules: &[QueueRule],
        filing: &Filing<'_>,
        about: About,
    ) -> rusqlite::Result<EventRow> {
        let (at, at_from) = time_of(event, filing);
        let state = state_of(event);
        let (queue, rank) = queue_of(event, rules, &filing.lane);
        Ok(EventRow {
            kind: event.word().to_owned(),
            about,
            state: state.map(|state| state.word().to_owned()),
            terminal: state.is_some_and(JobState::is_terminal),
            ordered_at: (at_from != TimeSource::Arrival).then_some(at.0),
            at,
            at_from: at_from.word().to_owned(),
            queue: queue.map(str::to_owned),
            queue_rule: rank as i64,
            event: json(event)?,
        })
    }

    /// Reads the columns back.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
        Ok(EventRow {
            kind: row.get("kind")?,
            about: About {
                job: row.get("job")?,
                run: row.get("run")?,
            },
            state: row.get("state")?,
            terminal: row.get("terminal")?,
            ordered_at: row.get("ordered_at")?,
            at: read_time(row, "at")?,
            at_from: row.get("at_from")?,
            queue: row.get("queue")?,
            queue_rule: row.get("queue_rule")?,
            event: row.get("event")?,
        })
    }

    pub(super) fn insert(
        &self,
        tx: &Transaction<'_>,
        delivery: RowId,
        position: i64,
    ) -> rusqlite::Result<()> {
        let mut insert = tx.prepare_cached(INSERT_EVENT)?;
        insert.execute(params![
            delivery,
            position,
            self.kind,
            self.about.job,
            self.about.run,
            self.state,
            self.terminal,
            self.ordered_at,
            self.at.0,
            self.at_from,
            self.queue,
            self.queue_rule,
            self.event,
        ])?;
        Ok(())
    }

    /// Replaces the row `id`, which keeps its number and its place and was `before`.
    pub(super) fn replace(
        &self,
        tx: &Transaction<'_>,
        id: RowId,
        before: &EventRow,
    ) -> rusqlite::Result<()> {
        let with_its_text = EventRow {
            event: self.event.clone(),
            ..before.clone()
        };
        if *self == with_its_text {
            // Else all indexes would be written with it, and this is all that most new parsers change.
            let mut update = tx.prepare_cached(UPDATE_TEXT)?;
            update.execute(params![id, self.event])?;
            return Ok(());
        }
        let mut update = tx.prepare_cached(UPDATE_EVENT)?;
        update.execute(params![
            id,
            self.kind,
            self.about.job,
            self.about.run,
            self.state,
            self.terminal,
            self.ordered_at,
            self.at.0,
            self.at_from,
            self.queue,
            self.queue_rule,
            self.event,
        ])?;
        Ok(())
    }
}

/// `None` if it was not understood.
fn state_of(event: &Event) -> Option<JobState> {
    match event {
        Event::Job(job) => Some(job.state),
        Event::Run(run) => Some(run.state),
        Event::Activity(activity) => Some(activity.state),
        Event::Unrecognized(_) => None,
    }
}

/// When an event happened: by its own end time, else by the publish time, else when it arrived.
fn time_of(event: &Event, filing: &Filing<'_>) -> (Timestamp, TimeSource) {
    let own = match event {
        Event::Job(job) => job.finished_at,
        Event::Run(run) => run.happened_at,
        Event::Activity(activity) => activity.finished_at,
        Event::Unrecognized(_) => None,
    };
    match (own, filing.published_at) {
        (Some(at), _) => (at, TimeSource::Message),
        (None, Some(at)) => (at, TimeSource::Envelope),
        (None, None) => (filing.received_at, TimeSource::Arrival),
    }
}

/// Only a job's own message belongs to a queue: jobs inside a workflow have none.
pub(super) fn queue_of<'a>(
    event: &'a Event,
    rules: &'a [QueueRule],
    lane: &Lane<'a>,
) -> (Option<&'a str>, Rank) {
    let Event::Job(job) = event else {
        return (None, Rank::None);
    };
    let origin = Origin {
        region: lane.region,
        queue: lane.source_queue,
        topic: lane.topic,
        pipeline_id: job.pipeline_id.as_deref(),
    };
    queues::place(rules, &origin)
}
