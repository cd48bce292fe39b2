//! Jobs and runs are forgotten whole, with all that hangs together with them.
//!
//! What hangs together (`groups.rs`) goes together or stays together: it goes once each of its events
//! happened, and each of its deliveries was received, before the horizon. By the first alone, a message
//! with an absurd time in it would be forgotten as soon as it is here, and its key with it, while SMQ
//! may still repeat it.
//!
//! A source's newest delivery stays, and the one it received last, with what they tell of, however old:
//! else a source that has been silent would look as if nothing had ever come, and a number might be
//! given a second time.
//!
//! The rows of a group go in one transaction, so that nobody sees a part of it; where its events are
//! many, they are left to be swept up (`sweeping.rs`). Only what has too many rows stays for ever.
//!
//! Each group is judged at the first of its rows that a walk comes to, so that it is counted once also
//! where nothing is written.

use rusqlite::{Row, Transaction, params};

use crate::clock::Timestamp;
use crate::store::batch::add_deliveries;
use crate::store::records::RowId;
use crate::store::retention::groups::{Age, Entity, Gathered, Gathering, Group, Kind, Stays, Why};
use crate::store::retention::{
    Mode, PIECE_BYTES_MAX, PIECE_EVENTS_MAX, PIECE_ROWS_MAX, Pace, Piece, Reached, Step, sweeping,
};
use crate::store::values::count;
use crate::store::words::{WordChanges, Words};

/// Bytes of heads and bodies that may go with a group's rows: one push of the longest kind.
const BYTES_AT_ONCE_MAX: u64 = 1024 * 1024;

const SELECT_RUNS: &str = "
    SELECT id, last_event_at AS at, NULL AS run FROM run
    WHERE (last_event_at, id) > (?1, ?2) AND last_event_at < ?3
    ORDER BY last_event_at, id
    LIMIT ?4";

const SELECT_JOBS: &str = "
    SELECT id, last_event_at AS at,
      (SELECT run.id FROM run WHERE run.run = job.run AND run.owner = job.owner) AS run
    FROM job
    WHERE (last_event_at, id) > (?1, ?2) AND last_event_at < ?3
    ORDER BY last_event_at, id
    LIMIT ?4";

const SELECT_UNRECOGNIZED: &str = "
    SELECT id, received_at AS at FROM delivery
    WHERE unrecognized IS NOT NULL AND (received_at, id) > (?1, ?2) AND received_at < ?3
    ORDER BY received_at, id
    LIMIT ?4";

const DELETE_EVENTS: &str = "DELETE FROM event WHERE delivery = ?1";

const DELETE_CAPTURE: &str = "DELETE FROM delivery_capture WHERE delivery = ?1";

const DELETE_DELIVERY: &str = "DELETE FROM delivery WHERE id = ?1";

const DELETE_ACTIVITIES: &str = "DELETE FROM activity WHERE of_run = ?1";

const DELETE_RUN: &str = "DELETE FROM run WHERE id = ?1";

const DELETE_JOB: &str = "DELETE FROM job WHERE id = ?1";

const RAISE_HISTORY: &str = "
    UPDATE retained SET history_from = MAX(history_from, ?1), sums_from = MAX(sums_from, ?2)";

/// What a piece of one walk goes by.
pub(super) struct Forget {
    pub(super) step: Step,
    pub(super) age: Age,
    pub(super) mode: Mode,
    /// How often messages have been read again by now.
    pub(super) rereads: u64,
}

/// What a walk knows from one piece to the next.
#[derive(Debug, Default)]
pub(super) struct Known {
    stays: Stays,
    /// The group that the last piece did not gather to its end.
    gathering: Option<Gathering>,
}

/// What becomes of a row that a walk comes to.
enum Judged {
    Goes(Group),
    Stays(Why),
    /// Its group is judged at another row.
    Elsewhere,
    /// The next piece says.
    Later,
}

/// A row that a walk comes to.
#[derive(Clone, Copy)]
struct Candidate {
    reached: Reached,
    /// `None` of a delivery that was not understood.
    entity: Option<Entity>,
    /// It is a job, and its run is there.
    has_run: bool,
}

impl Forget {
    pub(super) fn piece(
        &self,
        tx: &Transaction<'_>,
        after: Reached,
        known: &mut Known,
    ) -> rusqlite::Result<Piece> {
        let mut pace = Pace::begin(self.age.bounds);
        let mut piece = Piece::END;
        let mut words = WordChanges::rewriting();
        let mut last_end = None;
        for candidate in self.candidates(tx, after)? {
            let is_full = piece.taken.events >= PIECE_EVENTS_MAX
                || piece.taken.bytes >= PIECE_BYTES_MAX
                || (piece.next.is_some() && pace.is_over());
            if is_full {
                break;
            }
            let reached = candidate.reached;
            match self.judge(tx, candidate, known, &mut pace)? {
                Judged::Goes(group) => {
                    piece.taken.add(group.weigh());
                    if self.mode == Mode::Take {
                        last_end = last_end.max(group.last_event_at());
                        self.delete(tx, &group, &mut words)?;
                    } else {
                        known.stays.remember(&group, Why::Counted);
                    }
                }
                Judged::Stays(Why::Large) => piece.taken.too_large += 1,
                Judged::Stays(Why::Young | Why::Counted) | Judged::Elsewhere => {}
                Judged::Later => {
                    piece.next = Some(piece.next.unwrap_or(after));
                    break;
                }
            }
            piece.next = Some(reached);
        }
        if piece.taken.deliveries > 0 && self.mode == Mode::Take {
            let sums_from = last_end.map_or(i64::MIN, hour_behind);
            tx.prepare_cached(RAISE_HISTORY)?
                .execute([self.age.before.0, sums_from])?;
            add_deliveries(tx, -count(piece.taken.deliveries))?;
        }
        words.write(tx)?;
        Ok(piece)
    }

    /// Returns the next rows of the walk.
    fn candidates(&self, tx: &Transaction<'_>, after: Reached) -> rusqlite::Result<Vec<Candidate>> {
        let (sql, kind) = match self.step {
            Step::Runs => (SELECT_RUNS, Some(Kind::Run)),
            Step::Jobs => (SELECT_JOBS, Some(Kind::Job)),
            Step::Unrecognized | Step::Messages => (SELECT_UNRECOGNIZED, None),
        };
        let mut select = tx.prepare_cached(sql)?;
        let rows = select.query_map(
            params![after.at.0, after.id, self.age.before.0, PIECE_ROWS_MAX],
            |row| candidate(row, kind),
        )?;
        rows.collect()
    }

    /// Finds out what becomes of a row and of all that hangs together with it.
    fn judge(
        &self,
        tx: &Transaction<'_>,
        candidate: Candidate,
        known: &mut Known,
        pace: &mut Pace,
    ) -> rusqlite::Result<Judged> {
        let Candidate {
            reached,
            entity,
            has_run,
        } = candidate;
        // It is judged there; a run with many jobs is not gathered again for each of them.
        if has_run {
            return Ok(Judged::Elsewhere);
        }
        let Known { stays, gathering } = known;
        let begun = gathering.take();
        let mut why = None;
        let begun = begun.filter(|it| it.may_go_on_for(reached, self.rereads));
        let mut now = if let Some(begun) = begun {
            begun
        } else {
            let mut new = Gathering::begin(reached, self.rereads);
            match entity {
                Some(entity) => why = new.add_entity(tx, &self.age, stays, entity)?,
                None => new.add_delivery(reached.id),
            }
            new
        };
        let gathered = match why {
            Some(why) => Gathered::Stays(why),
            None => now.go_on(tx, &self.age, stays, pace)?,
        };
        Ok(match gathered {
            Gathered::Stays(why) => {
                stays.remember(&now.group, why);
                Judged::Stays(why)
            }
            Gathered::More => {
                *gathering = Some(now.pause());
                Judged::Later
            }
            Gathered::All if !now.is_true(tx)? => Judged::Later,
            Gathered::All if self.is_judged_at(reached, &now.group) => Judged::Goes(now.group),
            Gathered::All => Judged::Elsewhere,
        })
    }

    fn is_judged_at(&self, reached: Reached, group: &Group) -> bool {
        match (self.step, group.first(Kind::Run), group.first(Kind::Job)) {
            (Step::Runs, run, _) => run == Some(reached),
            (Step::Jobs, run, job) => run.is_none() && job == Some(reached),
            (Step::Unrecognized | Step::Messages, run, job) => run.is_none() && job.is_none(),
        }
    }

    fn delete(
        &self,
        tx: &Transaction<'_>,
        group: &Group,
        words: &mut WordChanges,
    ) -> rusqlite::Result<()> {
        let is_whole =
            group.events <= self.age.bounds.events_at_once && group.bytes <= BYTES_AT_ONCE_MAX;
        for delivery in &group.deliveries {
            if is_whole {
                tx.prepare_cached(DELETE_EVENTS)?.execute([delivery])?;
                tx.prepare_cached(DELETE_CAPTURE)?.execute([delivery])?;
            } else {
                sweeping::leave(tx, *delivery)?;
            }
            tx.prepare_cached(DELETE_DELIVERY)?.execute([delivery])?;
        }
        for (entity, found) in &group.entities {
            if entity.kind == Kind::Run {
                tx.prepare_cached(DELETE_ACTIVITIES)?.execute([entity.id])?;
            }
            let Some(found) = found else { continue };
            let (delete, words_of) = match entity.kind {
                Kind::Run => (DELETE_RUN, Words::OfRuns),
                Kind::Job => (DELETE_JOB, Words::OfJobs),
            };
            tx.prepare_cached(delete)?.execute([found.row.id])?;
            words.replace(words_of, found.row.id, "", String::new());
        }
        Ok(())
    }
}

fn candidate(row: &Row<'_>, kind: Option<Kind>) -> rusqlite::Result<Candidate> {
    let reached = Reached::read(row)?;
    let id = reached.id;
    let has_run = match kind {
        Some(_) => row.get::<_, Option<RowId>>("run")?.is_some(),
        None => false,
    };
    Ok(Candidate {
        reached,
        has_run,
        entity: kind.map(|kind| Entity { kind, id }),
    })
}

#[cfg(test)]
impl Known {
    /// How many events are known of the group that is being gathered.
    pub(super) fn gathered(&self) -> Option<u64> {
        let gathering = self.gathering.as_ref()?;
        Some(gathering.group.events)
    }
}

/// Returns the first hour that begins behind a moment.
fn hour_behind(at: Timestamp) -> i64 {
    let hour_ms = 60 * 60 * 1_000;
    at.0.saturating_sub(at.0.rem_euclid(hour_ms))
        .saturating_add(hour_ms)
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_RUNS, SELECT_JOBS, SELECT_UNRECOGNIZED];
