//! Jobs and runs are forgotten whole, with all that hangs together with them.
//!
//! Events of one message may tell of several jobs and runs, and events of several messages of one of
//! them. What is connected like this is gathered first, and goes together or stays together
//! ([`Group`]): it goes once each of its events happened, and each of its deliveries was received,
//! before the horizon. By the first alone, a message with an absurd time in it would be forgotten as
//! soon as it is here, and its key with it, while SMQ may still repeat it.
//!
//! A source's newest delivery stays, with what it tells of, however old: else a source that has been
//! silent would look as if nothing had ever come, and its number might be given a second time.
//!
//! Each group is judged at the first of its rows that a walk comes to, so that it is counted once also
//! where nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clock::Timestamp;
use crate::store::records::RowId;
use crate::store::retention::{
    Mode, PIECE_BYTES_MAX, PIECE_EVENTS_MAX, PIECE_ROWS_MAX, Pace, Piece, Reached, Step, Taken,
};
use crate::store::values::{read_count, read_time};
use crate::store::words::{WordChanges, Words};

/// The most events that one group may have to be forgotten: above the 62,500 of a run of 250
/// transcodes that tells all of them at the end of each. What is larger stays: it was made to be.
const GROUP_EVENTS_MAX: u64 = 100_000;

const SELECT_RUNS: &str = "
    SELECT id, last_event_at AS at, owner, run AS name, NULL AS run FROM run
    WHERE (last_event_at, id) > (?1, ?2) AND last_event_at < ?3
    ORDER BY last_event_at, id
    LIMIT ?4";

const SELECT_JOBS: &str = "
    SELECT id, last_event_at AS at, owner, job AS name, run FROM job
    WHERE (last_event_at, id) > (?1, ?2) AND last_event_at < ?3
    ORDER BY last_event_at, id
    LIMIT ?4";

const SELECT_UNRECOGNIZED: &str = "
    SELECT id, received_at AS at FROM delivery
    WHERE unrecognized IS NOT NULL AND (received_at, id) > (?1, ?2) AND received_at < ?3
    ORDER BY received_at, id
    LIMIT ?4";

const FIND_RUN: &str = "SELECT id, last_event_at AS at FROM run WHERE run = ?2 AND owner = ?1";

const FIND_JOB: &str = "SELECT id, last_event_at AS at FROM job WHERE job = ?2 AND owner = ?1";

const SELECT_DELIVERIES_OF_RUN: &str = "
    SELECT DISTINCT delivery FROM event WHERE owner = ?1 AND run = ?2";

const SELECT_DELIVERIES_OF_JOB: &str = "
    SELECT DISTINCT delivery FROM event WHERE owner = ?1 AND job = ?2";

const SELECT_DELIVERY: &str = "
    SELECT received_at, EXISTS (SELECT 1 FROM source WHERE newest_delivery = delivery.id) AS is_newest,
      (SELECT length(head) + length(body) FROM delivery_capture
        WHERE delivery_capture.delivery = delivery.id) AS bytes
    FROM delivery WHERE id = ?1";

const SELECT_EVENTS: &str = "SELECT owner, job, run, at FROM event WHERE delivery = ?1";

const COUNT_ACTIVITIES: &str = "
    SELECT COUNT(*) AS activities FROM activity WHERE run = ?2 AND owner = ?1";

const DELETE_EVENTS: &str = "DELETE FROM event WHERE delivery = ?1";

const DELETE_CAPTURE: &str = "DELETE FROM delivery_capture WHERE delivery = ?1";

const DELETE_DELIVERY: &str = "DELETE FROM delivery WHERE id = ?1";

const DELETE_ACTIVITIES: &str = "DELETE FROM activity WHERE run = ?2 AND owner = ?1";

const DELETE_RUN: &str = "DELETE FROM run WHERE id = ?1";

const DELETE_JOB: &str = "DELETE FROM job WHERE id = ?1";

const RAISE_HISTORY: &str = "
    UPDATE retained SET history_from = MAX(history_from, ?1), sums_from = MAX(sums_from, ?2)";

/// What a piece of one walk goes by.
pub(super) struct Forget {
    pub(super) step: Step,
    pub(super) before: Timestamp,
    /// A message from before is counted by the step that empties it.
    pub(super) emptied_before: Option<Timestamp>,
    pub(super) mode: Mode,
}

/// Owner and id of a job or a run.
type Name = (String, String);

/// A row that a walk comes to.
struct Candidate {
    reached: Reached,
    /// `None` of a delivery that was not understood.
    name: Option<Name>,
    /// The run of a job.
    run: Option<Name>,
}

/// Jobs, runs and deliveries that hang together by events.
#[derive(Default)]
struct Group {
    /// Their rows, which may be missing after a fault.
    runs: BTreeMap<Name, Option<Reached>>,
    jobs: BTreeMap<Name, Option<Reached>>,
    deliveries: BTreeSet<RowId>,
    events: u64,
    bytes: u64,
}

/// A job or run whose events are not gathered yet.
enum Open {
    Run(Name),
    Job(Name),
}

impl Forget {
    pub(super) fn piece(&self, tx: &Transaction<'_>, after: Reached) -> rusqlite::Result<Piece> {
        let pace = Pace::begin();
        let mut piece = Piece::END;
        let mut words = WordChanges::rewriting();
        let mut last_end = None;
        for Candidate { reached, name, run } in self.candidates(tx, after)? {
            let is_full = piece.taken.events >= PIECE_EVENTS_MAX
                || piece.taken.bytes >= PIECE_BYTES_MAX
                || (piece.next.is_some() && pace.is_over());
            if is_full {
                break;
            }
            piece.next = Some(reached);
            // It is judged there; a run with many jobs is not gathered again for each of them.
            if let Some(run) = run
                && find(tx, FIND_RUN, &run)?.is_some()
            {
                continue;
            }
            let Some(group) = self.gather(tx, reached, name)? else {
                continue;
            };
            piece.taken.add(group.weigh(tx)?);
            if self.mode == Mode::Take {
                last_end = last_end.max(group.last_event_at());
                group.delete(tx, &mut words)?;
            }
        }
        if piece.taken.deliveries > 0 && self.mode == Mode::Take {
            let sums_from = last_end.map_or(i64::MIN, hour_behind);
            tx.prepare_cached(RAISE_HISTORY)?
                .execute([self.before.0, sums_from])?;
        }
        words.write(tx)?;
        Ok(piece)
    }

    /// Returns the next rows of the walk.
    fn candidates(&self, tx: &Transaction<'_>, after: Reached) -> rusqlite::Result<Vec<Candidate>> {
        let (sql, is_named) = match self.step {
            Step::Runs => (SELECT_RUNS, true),
            Step::Jobs => (SELECT_JOBS, true),
            Step::Unrecognized | Step::Messages => (SELECT_UNRECOGNIZED, false),
        };
        let mut select = tx.prepare_cached(sql)?;
        let rows = select.query_map(
            params![after.at.0, after.id, self.before.0, PIECE_ROWS_MAX],
            |row| {
                let reached = Reached::read(row)?;
                let name = is_named.then(|| name(row)).transpose()?;
                let run: Option<String> = if is_named { row.get("run")? } else { None };
                let owner = name.as_ref().map(|(owner, _)| owner.clone());
                Ok(Candidate {
                    reached,
                    name,
                    run: owner.zip(run),
                })
            },
        )?;
        rows.collect()
    }

    /// Returns what hangs together with a row, if it is to go, and if this row is where it is judged.
    fn gather(
        &self,
        tx: &Transaction<'_>,
        reached: Reached,
        name: Option<Name>,
    ) -> rusqlite::Result<Option<Group>> {
        let mut group = Group::default();
        let mut open = Vec::new();
        let mut is_old = true;
        match (self.step, name) {
            (Step::Runs, Some(name)) => is_old &= self.open_run(tx, &mut group, &mut open, name)?,
            (Step::Jobs, Some(name)) => is_old &= self.open_job(tx, &mut group, &mut open, name)?,
            (_, _) => is_old &= self.add_delivery(tx, &mut group, &mut open, reached.id)?,
        }
        while is_old && let Some(entity) = open.pop() {
            let (sql, (owner, id)) = match &entity {
                Open::Run(name) => (SELECT_DELIVERIES_OF_RUN, name),
                Open::Job(name) => (SELECT_DELIVERIES_OF_JOB, name),
            };
            let mut select = tx.prepare_cached(sql)?;
            let deliveries = select.query_map([owner, id], |row| row.get(0))?;
            let deliveries: Vec<RowId> = deliveries.collect::<rusqlite::Result<_>>()?;
            for delivery in deliveries {
                is_old = is_old && self.add_delivery(tx, &mut group, &mut open, delivery)?;
            }
        }
        let is_judged_here = match self.step {
            Step::Runs => group.first_run() == Some(reached),
            Step::Jobs => group.first_run().is_none() && group.first_job() == Some(reached),
            Step::Unrecognized | Step::Messages => {
                group.first_run().is_none() && group.first_job().is_none()
            }
        };
        Ok((is_old && is_judged_here).then_some(group))
    }

    /// Adds a delivery with its events; returns whether all of it is old enough.
    fn add_delivery(
        &self,
        tx: &Transaction<'_>,
        group: &mut Group,
        open: &mut Vec<Open>,
        id: RowId,
    ) -> rusqlite::Result<bool> {
        if !group.deliveries.insert(id) {
            return Ok(true);
        }
        let mut select = tx.prepare_cached(SELECT_DELIVERY)?;
        let (received_at, is_newest, bytes) = select.query_row([id], |row| {
            let bytes: Option<i64> = row.get("bytes")?;
            Ok((
                read_time(row, "received_at")?,
                row.get::<_, bool>("is_newest")?,
                bytes.unwrap_or_default().unsigned_abs(),
            ))
        })?;
        if received_at >= self.before || is_newest {
            return Ok(false);
        }
        if self
            .emptied_before
            .is_none_or(|before| received_at >= before)
        {
            group.bytes += bytes;
        }
        let mut select = tx.prepare_cached(SELECT_EVENTS)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            group.events += 1;
            if read_time(row, "at")? >= self.before || group.events > GROUP_EVENTS_MAX {
                return Ok(false);
            }
            let owner: String = row.get("owner")?;
            let (run, job): (Option<String>, Option<String>) = (row.get("run")?, row.get("job")?);
            if let Some(run) = run
                && !self.open_run(tx, group, open, (owner.clone(), run))?
            {
                return Ok(false);
            }
            if let Some(job) = job
                && !self.open_job(tx, group, open, (owner, job))?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open_run(
        &self,
        tx: &Transaction<'_>,
        group: &mut Group,
        open: &mut Vec<Open>,
        name: Name,
    ) -> rusqlite::Result<bool> {
        if group.runs.contains_key(&name) {
            return Ok(true);
        }
        let row = find(tx, FIND_RUN, &name)?;
        group.runs.insert(name.clone(), row);
        open.push(Open::Run(name));
        Ok(self.is_old(row))
    }

    fn open_job(
        &self,
        tx: &Transaction<'_>,
        group: &mut Group,
        open: &mut Vec<Open>,
        name: Name,
    ) -> rusqlite::Result<bool> {
        if group.jobs.contains_key(&name) {
            return Ok(true);
        }
        let row = find(tx, FIND_JOB, &name)?;
        group.jobs.insert(name.clone(), row);
        open.push(Open::Job(name));
        Ok(self.is_old(row))
    }

    fn is_old(&self, row: Option<Reached>) -> bool {
        row.is_none_or(|row| row.at < self.before)
    }
}

impl Group {
    /// The run that the walk over runs comes to first.
    fn first_run(&self) -> Option<Reached> {
        first(&self.runs)
    }

    fn first_job(&self) -> Option<Reached> {
        first(&self.jobs)
    }

    /// The end of any of its rows is not later than this.
    fn last_event_at(&self) -> Option<Timestamp> {
        let rows = self.runs.values().chain(self.jobs.values());
        rows.flatten().map(|row| row.at).max()
    }

    fn weigh(&self, tx: &Transaction<'_>) -> rusqlite::Result<Taken> {
        let mut activities = 0;
        for (owner, run) in self.runs.keys() {
            let mut select = tx.prepare_cached(COUNT_ACTIVITIES)?;
            activities += select.query_row([owner, run], |row| read_count(row, "activities"))?;
        }
        Ok(Taken {
            emptied: 0,
            deliveries: self.deliveries.len() as u64,
            events: self.events,
            jobs: self.jobs.values().flatten().count() as u64,
            runs: self.runs.values().flatten().count() as u64,
            activities,
            bytes: self.bytes,
        })
    }

    fn delete(&self, tx: &Transaction<'_>, words: &mut WordChanges) -> rusqlite::Result<()> {
        for delivery in &self.deliveries {
            tx.prepare_cached(DELETE_EVENTS)?.execute([delivery])?;
            tx.prepare_cached(DELETE_CAPTURE)?.execute([delivery])?;
            tx.prepare_cached(DELETE_DELIVERY)?.execute([delivery])?;
        }
        for ((owner, run), row) in &self.runs {
            tx.prepare_cached(DELETE_ACTIVITIES)?
                .execute([owner, run])?;
            if let Some(row) = row {
                tx.prepare_cached(DELETE_RUN)?.execute([row.id])?;
                words.replace(Words::OfRuns, row.id, "", String::new());
            }
        }
        for row in self.jobs.values().flatten() {
            tx.prepare_cached(DELETE_JOB)?.execute([row.id])?;
            words.replace(Words::OfJobs, row.id, "", String::new());
        }
        Ok(())
    }
}

/// Returns the first hour that begins behind a moment.
fn hour_behind(at: Timestamp) -> i64 {
    let hour_ms = 60 * 60 * 1_000;
    at.0.saturating_sub(at.0.rem_euclid(hour_ms))
        .saturating_add(hour_ms)
}

fn first(rows: &BTreeMap<Name, Option<Reached>>) -> Option<Reached> {
    rows.values()
        .flatten()
        .min_by_key(|row| (row.at, row.id))
        .copied()
}

fn name(row: &Row<'_>) -> rusqlite::Result<Name> {
    Ok((row.get("owner")?, row.get("name")?))
}

fn find(tx: &Transaction<'_>, sql: &str, (owner, id): &Name) -> rusqlite::Result<Option<Reached>> {
    let mut select = tx.prepare_cached(sql)?;
    select.query_row([owner, id], Reached::read).optional()
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SELECT_RUNS,
    SELECT_JOBS,
    SELECT_UNRECOGNIZED,
    SELECT_EVENTS,
    COUNT_ACTIVITIES,
];
