//! What a delivery says now, against what is stored of it.
//!
//! Compared event by event at its place in the message, so that an event which says the same keeps
//! its row, and one that changed keeps its number. The queue of an unchanged event is not looked at:
//! `refold.rs` does that for all of them, kept or emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::notification::event::Event;
use crate::notification::source::SourceId;
use crate::store::append::why_unrecognized;
use crate::store::arrivals::Hours;
use crate::store::batch::Shares;
use crate::store::errors::WriteError;
use crate::store::event_rows::{EventRow, Filing, Lane};
use crate::store::inbox::Context;
use crate::store::numbers::{About, Numbers, Subject};
use crate::store::queues::Rank;
use crate::store::rebuild::refold::PIECE_EVENTS_MAX;
use crate::store::rebuild::{Changes, Fresh, Reread, Rules, in_savepoint, refold};
use crate::store::records::RowId;
use crate::store::values::{count, read_json, read_maybe_time, read_time};

const SELECT_DELIVERY: &str = "
    SELECT source, owner, region, topic, published_at, received_at, unrecognized
    FROM delivery WHERE id = +?1";

const UPDATE_DELIVERY: &str = "
    UPDATE delivery
    SET subscriber = ?2, subscription = ?3, tag = ?4, format = ?5, published_at = ?6,
      md5_mismatch = ?7, message_sha256 = ?8, unrecognized = ?9
    WHERE id = +?1 AND (
        subscriber, subscription, tag, format, published_at, md5_mismatch, message_sha256,
        unrecognized
      ) IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const SELECT_EVENTS: &str = "
    SELECT id, position, kind, job, run, state, terminal, ordered_at, at, at_from, queue,
      queue_rule, event
    FROM event
    WHERE delivery = +?1";

const DELETE_EVENT: &str = "DELETE FROM event WHERE id = +?1";

const SELECT_EVENTS_WITHOUT_ROW: &str = "
    SELECT id, job, run, event FROM event
    WHERE delivery = +?1 AND (
      (job IS NOT NULL AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = event.job))
      OR (run IS NOT NULL AND NOT EXISTS (SELECT 1 FROM run WHERE run.id = event.run))
    )";

const RENUMBER: &str = "UPDATE event SET job = ?2, run = ?3 WHERE id = +?1";

const SELECT_JOB: &str = "SELECT owner, job FROM job WHERE id = +?1";

const SELECT_RUN: &str = "SELECT owner, run FROM run WHERE id = +?1";

/// A delivery's row, as far as its events depend on it.
struct Stored {
    source: SourceId,
    owner: String,
    region: String,
    topic: String,
    published_at: Option<Timestamp>,
    received_at: Timestamp,
    is_recognized: bool,
}

/// Events at their places in a message, with their numbers.
type StoredEvents = BTreeMap<i64, (RowId, EventRow)>;

const COUNT_EVENTS_OF_JOB: &str = "
    SELECT COUNT(*) FROM (SELECT 1 FROM event WHERE job = +?1 LIMIT +?2)";

const COUNT_EVENTS_OF_RUN: &str = "
    SELECT COUNT(*) FROM (SELECT 1 FROM event WHERE run = +?1 LIMIT +?2)";

/// The jobs and runs whose events differ.
#[derive(Default)]
struct Touched {
    /// Of what the events are about now.
    numbers: Numbers,
    jobs: BTreeSet<RowId>,
    runs: BTreeSet<RowId>,
    /// Those of them whose events are not counted yet, with how they are.
    uncounted: Vec<(&'static str, RowId)>,
}

impl Touched {
    fn add(&mut self, about: About) {
        if let Some(job) = about.job
            && self.jobs.insert(job)
        {
            self.uncounted.push((COUNT_EVENTS_OF_JOB, job));
        }
        if let Some(run) = about.run
            && self.runs.insert(run)
        {
            self.uncounted.push((COUNT_EVENTS_OF_RUN, run));
        }
    }

    /// Counts the events of those that were added since the last call, as far as it matters.
    fn count_added(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<u64> {
        let mut events = 0;
        for (sql, row) in self.uncounted.drain(..) {
            let mut select = tx.prepare_cached(sql)?;
            events += select.query_row(params![row, count(PIECE_EVENTS_MAX)], |row| {
                row.get::<_, i64>(0).map(i64::unsigned_abs)
            })?;
        }
        Ok(events)
    }

    /// Adds what the delivery's events are about and has no row, by whatever fault. Before they are
    /// read again, so that each name has its number.
    fn add_missing(
        &mut self,
        tx: &Transaction<'_>,
        delivery: RowId,
        owner: &str,
    ) -> rusqlite::Result<()> {
        let mut select = tx.prepare_cached(SELECT_EVENTS_WITHOUT_ROW)?;
        let found = select.query_map([delivery], |row| {
            let before = About {
                job: row.get("job")?,
                run: row.get("run")?,
            };
            Ok((row.get("id")?, before, read_json(row, "event")?))
        })?;
        let found: Vec<(RowId, About, Event)> = found.collect::<rusqlite::Result<_>>()?;
        for (id, before, event) in found {
            let about = self.numbers.about_as(tx, owner, &event, before)?;
            if about != before {
                let mut update = tx.prepare_cached(RENUMBER)?;
                update.execute(params![id, about.job, about.run])?;
            }
            self.add(about);
        }
        Ok(())
    }

    /// Returns what is to be folded. The runs first, as when they were appended: a job may take its
    /// workflow from its run.
    fn subjects(mut self, tx: &Transaction<'_>) -> rusqlite::Result<(Vec<Subject>, Vec<Subject>)> {
        let runs = subjects(tx, SELECT_RUN, self.runs, self.numbers.take_runs())?;
        let jobs = subjects(tx, SELECT_JOB, self.jobs, self.numbers.take_jobs())?;
        Ok((runs, jobs))
    }
}

/// Names rows, of which some may not be written yet. What has neither row nor event has nothing that
/// could be folded.
fn subjects(
    tx: &Transaction<'_>,
    sql: &str,
    rows: BTreeSet<RowId>,
    numbered: Vec<(Subject, bool)>,
) -> rusqlite::Result<Vec<Subject>> {
    let numbered = numbered.into_iter().map(|(it, _)| (it.row, it));
    let mut named: BTreeMap<RowId, Subject> = numbered.collect();
    let mut subjects = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(subject) = named.remove(&row) {
            subjects.push(subject);
            continue;
        }
        let mut select = tx.prepare_cached(sql)?;
        let found = select.query_row([row], |found| {
            Ok(Subject {
                row,
                owner: found.get(0)?,
                id: found.get(1)?,
            })
        });
        subjects.extend(found.optional()?);
    }
    Ok(subjects)
}

pub(super) fn reread(
    tx: &Transaction<'_>,
    ctx: &Context,
    (piece, rules): &(Arc<Vec<Reread>>, Rules),
) -> rusqlite::Result<Result<Changes, WriteError>> {
    ctx.rereads.set(ctx.rereads.get() + 1);
    let changes = in_savepoint(tx, rules.dry_run, || {
        let mut changes = Changes::default();
        let mut touched = Touched::default();
        let mut arrivals = Hours::default();
        let mut events = 0;
        for reread in piece.iter() {
            if events >= PIECE_EVENTS_MAX {
                break;
            }
            changes.next = Some(reread.delivery);
            let mut select = tx.prepare_cached(SELECT_DELIVERY)?;
            let Some(stored) = select.query_row([reread.delivery], stored).optional()? else {
                continue;
            };
            touched.add_missing(tx, reread.delivery, &stored.owner)?;
            if let Some(fresh) = &reread.fresh {
                update_delivery(tx, reread.delivery, &stored, fresh, &mut changes)?;
                correct(&mut arrivals, &stored, fresh);
                let old = stored_events(tx, reread.delivery)?;
                let numbers = &mut touched.numbers;
                let new = fresh_events(tx, ctx, rules, &stored, fresh, &old, numbers)?;
                replace_events(tx, reread.delivery, old, new, &mut touched, &mut changes)?;
            }
            events += touched.count_added(tx)?;
        }
        arrivals.write(tx)?;
        let (runs, jobs) = touched.subjects(tx)?;
        let mut shares = Shares::default();
        for run in &runs {
            let change = refold::refold_run(tx, run, &mut shares)?;
            changes.runs.extend(change);
        }
        for job in &jobs {
            let change = refold::refold_job(tx, job, &mut shares)?;
            changes.jobs.extend(change);
        }
        shares.write(tx, ctx)?;
        Ok(changes)
    })?;
    Ok(Ok(changes))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let unrecognized: Option<String> = row.get("unrecognized")?;
    Ok(Stored {
        source: SourceId(row.get("source")?),
        owner: row.get("owner")?,
        region: row.get("region")?,
        topic: row.get("topic")?,
        published_at: read_maybe_time(row, "published_at")?,
        received_at: read_time(row, "received_at")?,
        is_recognized: unrecognized.is_none(),
    })
}

fn update_delivery(
    tx: &Transaction<'_>,
    id: RowId,
    stored: &Stored,
    fresh: &Fresh,
    changes: &mut Changes,
) -> rusqlite::Result<()> {
    let notification = &fresh.notification;
    let message_sha256: [u8; 32] = Sha256::digest(&notification.message).into();
    let unrecognized = why_unrecognized(&fresh.events);
    let mut update = tx.prepare_cached(UPDATE_DELIVERY)?;
    let updated = update.execute(params![
        id,
        notification.subscriber,
        notification.subscription,
        notification.tag,
        notification.format.word(),
        notification.published_at.map(|at| at.0),
        fresh.md5_mismatch,
        message_sha256,
        unrecognized,
    ])?;
    changes.deliveries_changed += u64::from(updated > 0);
    match (stored.is_recognized, unrecognized.is_none()) {
        (false, true) => changes.recognized += 1,
        (true, false) => changes.unrecognized += 1,
        (true, true) | (false, false) => {}
    }
    Ok(())
}

/// Counts a delivery as what it is now, in the hour it came.
fn correct(arrivals: &mut Hours, stored: &Stored, fresh: &Fresh) {
    let hour = arrivals.at(stored.source, stored.received_at);
    let is_recognized = why_unrecognized(&fresh.events).is_none();
    hour.add_unrecognized(i64::from(stored.is_recognized) - i64::from(is_recognized));
    let (before, now) = (stored.published_at, fresh.notification.published_at);
    hour.move_lag(stored.received_at, before, now);
}

fn stored_events(tx: &Transaction<'_>, delivery: RowId) -> rusqlite::Result<StoredEvents> {
    let mut select = tx.prepare_cached(SELECT_EVENTS)?;
    let rows = select.query_map([delivery], |row| {
        Ok((row.get("position")?, (row.get("id")?, EventRow::read(row)?)))
    })?;
    rows.collect()
}

fn fresh_events(
    tx: &Transaction<'_>,
    ctx: &Context,
    rules: &Rules,
    stored: &Stored,
    fresh: &Fresh,
    old: &StoredEvents,
    numbers: &mut Numbers,
) -> rusqlite::Result<Vec<EventRow>> {
    let source_queue = match rules.source_queues.get(&stored.source) {
        Some(queue) => queue,
        None => old
            .values()
            .filter(|(_, row)| row.queue_rule == Rank::Source as i64)
            .find_map(|(_, row)| row.queue.as_deref())
            .unwrap_or_default(),
    };
    let filing = Filing {
        lane: Lane {
            region: &stored.region,
            topic: &stored.topic,
            source_queue,
        },
        published_at: fresh.notification.published_at,
        received_at: stored.received_at,
    };
    let rows = fresh.events.iter().map(|event| {
        let about = numbers.about(tx, &stored.owner, event)?;
        EventRow::of(event, &ctx.queues, &filing, about)
    });
    rows.collect()
}

/// Writes what differs.
fn replace_events(
    tx: &Transaction<'_>,
    delivery: RowId,
    mut old: StoredEvents,
    new: Vec<EventRow>,
    touched: &mut Touched,
    changes: &mut Changes,
) -> rusqlite::Result<()> {
    for (position, row) in new.into_iter().enumerate() {
        let position = count(position);
        match old.remove(&position) {
            Some((_, before)) if says_the_same(&before, &row) => continue,
            Some((id, before)) => {
                row.replace(tx, id, &before)?;
                touched.add(before.about);
                changes.events_changed += 1;
            }
            None => {
                row.insert(tx, delivery, position)?;
                changes.events_added += 1;
            }
        }
        touched.add(row.about);
    }
    for (id, before) in old.into_values() {
        tx.prepare_cached(DELETE_EVENT)?.execute([id])?;
        touched.add(before.about);
        changes.events_removed += 1;
    }
    Ok(())
}

pub(super) fn says_the_same(before: &EventRow, now: &EventRow) -> bool {
    let in_its_queue = EventRow {
        queue: before.queue.clone(),
        queue_rule: before.queue_rule,
        ..now.clone()
    };
    *before == in_its_queue
}
