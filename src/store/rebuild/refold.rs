//! Jobs put into their queues and folded again, and runs folded again.
//!
//! `jobs.rs` and `runs.rs` compare with the row that is there and write nothing where it comes out
//! the same; its words only where a look found some that are wrong.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::notification::event::Event;
use crate::notification::source::SourceId;
use crate::store::batch::Shares;
use crate::store::errors::WriteError;
use crate::store::event_rows::{Lane, queue_of};
use crate::store::inbox::Context;
use crate::store::jobs::{self, Change, READ_EVENTS_MAX};
use crate::store::numbers::Subject;
use crate::store::options::QueueRule;
use crate::store::queues::Rank;
use crate::store::rebuild::{Changes, EntityChange, Fate, Rules, in_savepoint};
use crate::store::records::RowId;
use crate::store::runs;
use crate::store::values::{read_count, read_json};

/// The most jobs in a piece.
const PIECE_JOBS_MAX: i64 = 100;

/// The most runs in a piece: each has dozens of events and activities.
const PIECE_RUNS_MAX: i64 = 20;

/// Events after which a piece folds nothing further: nearly all jobs have one to five and runs some
/// dozens, and one that has more than are folded must not keep the writer with a hundred of its kind.
pub(super) const PIECE_EVENTS_MAX: u64 = 1_000;

const SELECT_JOBS: &str = "
    SELECT id, owner, job FROM job WHERE id > +?1 AND id <= +?2 ORDER BY id LIMIT +?3";

// The events that the job is folded from (see jobs.rs); which of them they are does not depend on
// their queues.
const SELECT_PLACES: &str = "
    SELECT event.id, event.event, event.queue, event.queue_rule, delivery.region,
      delivery.topic, delivery.source
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.job = +?1
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT +?2";

const SELECT_RUNS: &str = "
    SELECT id, owner, run, events FROM run WHERE id > +?1 AND id <= +?2 ORDER BY id LIMIT +?3";

const MOVE_EVENT: &str = "UPDATE event SET queue = ?2, queue_rule = ?3 WHERE id = +?1";

const SELECT_LANE: &str = "SELECT region, queue FROM job WHERE id = +?1";

pub(super) fn refold_jobs(
    tx: &Transaction<'_>,
    ctx: &Context,
    (after, last, rules): &(RowId, RowId, Rules),
) -> rusqlite::Result<Result<Changes, WriteError>> {
    let mut select = tx.prepare_cached(SELECT_JOBS)?;
    let jobs = select.query_map(params![after, last, PIECE_JOBS_MAX], numbered)?;
    let jobs: Vec<Subject> = jobs.collect::<rusqlite::Result<_>>()?;
    let changes = in_savepoint(tx, rules.dry_run, || {
        let mut changes = Changes::default();
        let mut events_left = PIECE_EVENTS_MAX;
        let mut shares = shares(rules);
        for job in &jobs {
            if events_left == 0 {
                break;
            }
            let events = place_events(tx, ctx, rules, job.row, &mut changes)?;
            events_left = events_left.saturating_sub(events);
            changes.jobs.extend(refold_job(tx, job, &mut shares)?);
            changes.next = Some(job.row);
        }
        shares.write(tx, ctx)?;
        Ok(changes)
    })?;
    Ok(Ok(changes))
}

/// Gives the events of a job the queues that today's rules name; returns how many events it has.
fn place_events(
    tx: &Transaction<'_>,
    ctx: &Context,
    rules: &Rules,
    job: RowId,
    changes: &mut Changes,
) -> rusqlite::Result<u64> {
    let mut select = tx.prepare_cached(SELECT_PLACES)?;
    let found = select.query_map([job, READ_EVENTS_MAX], found)?;
    let found: Vec<Found> = found.collect::<rusqlite::Result<_>>()?;
    for event in &found {
        let placed = event.placed();
        let (queue, rank) = queue_by(&ctx.queues, rules, &placed);
        let rank = rank as i64;
        if (queue, rank) == (placed.queue, placed.queue_rule) {
            continue;
        }
        let mut update = tx.prepare_cached(MOVE_EVENT)?;
        update.execute(params![event.id, queue, rank])?;
        changes.events_moved += 1;
    }
    Ok(found.len() as u64)
}

/// A job's event, as far as its queue depends on it.
pub(super) struct Placed<'a> {
    pub(super) event: &'a Event,
    pub(super) queue: Option<&'a str>,
    pub(super) queue_rule: i64,
    pub(super) region: &'a str,
    pub(super) topic: &'a str,
    pub(super) source: SourceId,
}

/// Tells whether an event stands in the queue that today's rules name.
pub(super) fn is_placed(queues: &[QueueRule], rules: &Rules, event: &Placed<'_>) -> bool {
    let (queue, rank) = queue_by(queues, rules, event);
    (queue, rank as i64) == (event.queue, event.queue_rule)
}

fn queue_by<'a>(
    queues: &'a [QueueRule],
    rules: &'a Rules,
    event: &Placed<'a>,
) -> (Option<&'a str>, Rank) {
    let source_queue = match rules.source_queues.get(&event.source) {
        Some(queue) => queue.as_str(),
        None if event.queue_rule == Rank::Source as i64 => event.queue.unwrap_or_default(),
        None => "",
    };
    let lane = Lane {
        region: event.region,
        topic: event.topic,
        source_queue,
    };
    queue_of(event.event, queues, &lane)
}

/// The same as it was read.
struct Found {
    id: RowId,
    event: Event,
    queue: Option<String>,
    queue_rule: i64,
    region: String,
    topic: String,
    source: SourceId,
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let event: Event = read_json(row, "event")?;
    Ok(Found {
        id: row.get("id")?,
        event,
        queue: row.get("queue")?,
        queue_rule: row.get("queue_rule")?,
        region: row.get("region")?,
        topic: row.get("topic")?,
        source: SourceId(row.get("source")?),
    })
}

impl Found {
    fn placed(&self) -> Placed<'_> {
        Placed {
            event: &self.event,
            queue: self.queue.as_deref(),
            queue_rule: self.queue_rule,
            region: &self.region,
            topic: &self.topic,
            source: self.source,
        }
    }
}

/// Folds the next runs again.
pub(super) fn refold_runs(
    tx: &Transaction<'_>,
    ctx: &Context,
    (after, last, rules): &(RowId, RowId, Rules),
) -> rusqlite::Result<Result<Changes, WriteError>> {
    let mut select = tx.prepare_cached(SELECT_RUNS)?;
    let runs = select.query_map(params![after, last, PIECE_RUNS_MAX], |row| {
        Ok((numbered(row)?, read_count(row, "events")?))
    })?;
    let runs: Vec<_> = runs.collect::<rusqlite::Result<_>>()?;
    let changes = in_savepoint(tx, rules.dry_run, || {
        let mut changes = Changes::default();
        let mut events_left = PIECE_EVENTS_MAX;
        let mut shares = shares(rules);
        for (run, events) in &runs {
            if events_left == 0 {
                break;
            }
            events_left = events_left.saturating_sub(*events);
            changes.runs.extend(refold_run(tx, run, &mut shares)?);
            changes.next = Some(run.row);
        }
        shares.write(tx, ctx)?;
        Ok(changes)
    })?;
    Ok(Ok(changes))
}

fn numbered(row: &Row<'_>) -> rusqlite::Result<Subject> {
    Ok(Subject {
        row: row.get(0)?,
        owner: row.get(1)?,
        id: row.get(2)?,
    })
}

/// Folds a job from the events it has now; what it changes elsewhere goes to `shares`. `None` if its
/// row comes out the same.
pub(super) fn refold_job(
    tx: &Transaction<'_>,
    job: &Subject,
    shares: &mut Shares,
) -> rusqlite::Result<Option<EntityChange>> {
    let before = lane(tx, job.row)?;
    let fate = match jobs::refold_job(tx, job, shares)? {
        Change::Same => return Ok(None),
        Change::Added => Fate::Added,
        Change::Changed => Fate::Changed,
        Change::Removed => Fate::Removed,
    };
    let is_moved = fate == Fate::Changed && before != lane(tx, job.row)?;
    Ok(Some(EntityChange::of(job, fate, is_moved)))
}

/// Folds a run and its activities from the events it has now; what they change elsewhere goes to
/// `shares`. `None` if all comes out the same.
pub(super) fn refold_run(
    tx: &Transaction<'_>,
    run: &Subject,
    shares: &mut Shares,
) -> rusqlite::Result<Option<EntityChange>> {
    let fate = match runs::refold_run(tx, run, shares)? {
        Change::Same => return Ok(None),
        Change::Added => Fate::Added,
        Change::Changed => Fate::Changed,
        Change::Removed => Fate::Removed,
    };
    Ok(Some(EntityChange::of(run, fate, false)))
}

fn shares(rules: &Rules) -> Shares {
    if rules.rewrites_words {
        Shares::rewriting_words()
    } else {
        Shares::default()
    }
}

/// Region and queue of a job; `None` if it has no row.
fn lane(tx: &Transaction<'_>, job: RowId) -> rusqlite::Result<Option<(String, Option<String>)>> {
    let mut select = tx.prepare_cached(SELECT_LANE)?;
    let lane = select.query_row([job], |row| Ok((row.get(0)?, row.get(1)?)));
    lane.optional()
}
