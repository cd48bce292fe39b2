//! Jobs and runs are forgotten whole, with all that hangs together with them.
//!
//! Events of one message may tell of several jobs and runs, and events of several messages of one of
//! them. What is connected like this is gathered first, and goes together or stays together
//! ([`Group`]): it goes once each of its events happened, and each of its deliveries was received,
//! before the horizon. By the first alone, a message with an absurd time in it would be forgotten as
//! soon as it is here, and its key with it, while SMQ may still repeat it.
//!
//! A source's newest delivery stays, and the one it received last, with what they tell of, however old:
//! else a source that has been silent would look as if nothing had ever come, and a number might be
//! given a second time.
//!
//! A group goes in one piece, so it may not be large. What stays is remembered for the walk ([`Stays`]),
//! so that a group is not gathered again for each of its rows.
//!
//! Each group is judged at the first of its rows that a walk comes to, so that it is counted once also
//! where nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clock::Timestamp;
use crate::store::batch::add_deliveries;
use crate::store::records::RowId;
use crate::store::retention::{
    Mode, PIECE_BYTES_MAX, PIECE_EVENTS_MAX, PIECE_ROWS_MAX, Pace, Piece, Reached, Step, Taken,
};
use crate::store::values::{count, read_count, read_time};
use crate::store::words::{WordChanges, Words};

/// The most events that one group may have to be forgotten: some 100 ms of the writer's time, at
/// 22 µs each. That is a run of 60 transcodes that tells of all of them at the end of each. What is
/// larger stays, since half of it would be a job that says something else.
const GROUP_EVENTS_MAX: u64 = 4_000;

/// The most rows that are remembered to stay, at some 16 bytes each. Beyond, groups are gathered again
/// for each of their rows.
const STAYS_MAX: usize = 100_000;

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
    SELECT received_at,
      EXISTS (
        SELECT 1 FROM source WHERE delivery.id IN (newest_delivery, latest_delivery)
      ) AS is_newest,
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

/// The rows of groups that were gathered and stay, and why. What hangs together with one of them stays
/// as well.
#[derive(Debug, Default)]
pub(super) struct Stays {
    runs: BTreeMap<RowId, Why>,
    jobs: BTreeMap<RowId, Why>,
}

/// Why a group stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Some of it is not old enough, or a source's newest.
    Young,
    /// More than [`GROUP_EVENTS_MAX`] events.
    Large,
}

/// What becomes of a row that a walk comes to.
enum Judged {
    Goes(Group),
    Stays(Why),
    /// Its group is judged at another row.
    Elsewhere,
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
    pub(super) fn piece(
        &self,
        tx: &Transaction<'_>,
        after: Reached,
        stays: &mut Stays,
    ) -> rusqlite::Result<Piece> {
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
            match self.judge(tx, reached, name, stays)? {
                Judged::Goes(group) => {
                    piece.taken.add(group.weigh(tx)?);
                    if self.mode == Mode::Take {
                        last_end = last_end.max(group.last_event_at());
                        group.delete(tx, &mut words)?;
                    }
                }
                Judged::Stays(Why::Large) => piece.taken.too_large += 1,
                Judged::Stays(Why::Young) | Judged::Elsewhere => {}
            }
        }
        if piece.taken.deliveries > 0 && self.mode == Mode::Take {
            let sums_from = last_end.map_or(i64::MIN, hour_behind);
            tx.prepare_cached(RAISE_HISTORY)?
                .execute([self.before.0, sums_from])?;
            add_deliveries(tx, -count(piece.taken.deliveries))?;
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

    /// Gathers what hangs together with a row.
    fn judge(
        &self,
        tx: &Transaction<'_>,
        reached: Reached,
        name: Option<Name>,
        stays: &mut Stays,
    ) -> rusqlite::Result<Judged> {
        let mut group = Group::default();
        if let Some(why) = self.gather(tx, reached, name, stays, &mut group)? {
            stays.remember(&group, why);
            return Ok(Judged::Stays(why));
        }
        let is_judged_here = match self.step {
            Step::Runs => group.first_run() == Some(reached),
            Step::Jobs => group.first_run().is_none() && group.first_job() == Some(reached),
            Step::Unrecognized | Step::Messages => {
                group.first_run().is_none() && group.first_job().is_none()
            }
        };
        Ok(if is_judged_here {
            Judged::Goes(group)
        } else {
            Judged::Elsewhere
        })
    }

    /// Gathers what hangs together with a row, until something says that it stays; returns why.
    fn gather(
        &self,
        tx: &Transaction<'_>,
        reached: Reached,
        name: Option<Name>,
        stays: &Stays,
        group: &mut Group,
    ) -> rusqlite::Result<Option<Why>> {
        let mut open = Vec::new();
        let mut why = match (self.step, name) {
            (Step::Runs, Some(name)) => self.open_run(tx, stays, group, &mut open, name)?,
            (Step::Jobs, Some(name)) => self.open_job(tx, stays, group, &mut open, name)?,
            (_, _) => self.add_delivery(tx, stays, group, &mut open, reached.id)?,
        };
        while why.is_none()
            && let Some(entity) = open.pop()
        {
            let (sql, (owner, id)) = match &entity {
                Open::Run(name) => (SELECT_DELIVERIES_OF_RUN, name),
                Open::Job(name) => (SELECT_DELIVERIES_OF_JOB, name),
            };
            let mut select = tx.prepare_cached(sql)?;
            let deliveries = select.query_map([owner, id], |row| row.get(0))?;
            let deliveries: Vec<RowId> = deliveries.collect::<rusqlite::Result<_>>()?;
            for delivery in deliveries {
                why = self.add_delivery(tx, stays, group, &mut open, delivery)?;
                if why.is_some() {
                    break;
                }
            }
        }
        Ok(why)
    }

    /// Adds a delivery with its events; returns why it stays, if it does.
    fn add_delivery(
        &self,
        tx: &Transaction<'_>,
        stays: &Stays,
        group: &mut Group,
        open: &mut Vec<Open>,
        id: RowId,
    ) -> rusqlite::Result<Option<Why>> {
        if !group.deliveries.insert(id) {
            return Ok(None);
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
            return Ok(Some(Why::Young));
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
            if read_time(row, "at")? >= self.before {
                return Ok(Some(Why::Young));
            }
            if group.events > GROUP_EVENTS_MAX {
                return Ok(Some(Why::Large));
            }
            let owner: String = row.get("owner")?;
            let (run, job): (Option<String>, Option<String>) = (row.get("run")?, row.get("job")?);
            if let Some(run) = run
                && let Some(why) = self.open_run(tx, stays, group, open, (owner.clone(), run))?
            {
                return Ok(Some(why));
            }
            if let Some(job) = job
                && let Some(why) = self.open_job(tx, stays, group, open, (owner, job))?
            {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    fn open_run(
        &self,
        tx: &Transaction<'_>,
        stays: &Stays,
        group: &mut Group,
        open: &mut Vec<Open>,
        name: Name,
    ) -> rusqlite::Result<Option<Why>> {
        if group.runs.contains_key(&name) {
            return Ok(None);
        }
        let row = find(tx, FIND_RUN, &name)?;
        group.runs.insert(name.clone(), row);
        open.push(Open::Run(name));
        Ok(self.why_stays(row, &stays.runs))
    }

    fn open_job(
        &self,
        tx: &Transaction<'_>,
        stays: &Stays,
        group: &mut Group,
        open: &mut Vec<Open>,
        name: Name,
    ) -> rusqlite::Result<Option<Why>> {
        if group.jobs.contains_key(&name) {
            return Ok(None);
        }
        let row = find(tx, FIND_JOB, &name)?;
        group.jobs.insert(name.clone(), row);
        open.push(Open::Job(name));
        Ok(self.why_stays(row, &stays.jobs))
    }

    fn why_stays(&self, row: Option<Reached>, known: &BTreeMap<RowId, Why>) -> Option<Why> {
        let row = row?;
        let is_young = row.at >= self.before;
        let known = known.get(&row.id).copied();
        is_young.then_some(Why::Young).or(known)
    }
}

impl Stays {
    fn remember(&mut self, group: &Group, why: Why) {
        let ids = |rows: &BTreeMap<Name, Option<Reached>>| {
            let ids = rows.values().flatten().map(|row| (row.id, why));
            ids.collect::<Vec<_>>()
        };
        if self.runs.len() + self.jobs.len() < STAYS_MAX {
            self.runs.extend(ids(&group.runs));
            self.jobs.extend(ids(&group.jobs));
        }
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
            too_large: 0,
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
