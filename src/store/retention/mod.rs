//! What age takes away: messages by one time, history by another, in small pieces beside the pushes.
//!
//! The caller walks four steps, each by key and in its own order ([`Step::ALL`]), a piece at a time
//! ([`Store::prune`]), and is told behind which row the next piece begins. Messages come first
//! (`emptying.rs`): head and body of a delivery go, its row, key and hash stay. Then history
//! (`forgetting.rs`): jobs and runs go whole, with their events, words and deliveries. A group of them
//! that is large is gathered by several pieces (`groups.rs`), forgotten by one, and its events are
//! swept up by several more (`sweeping.rs`).
//!
//! Roll-ups are never touched, and are no longer the sums of their rows then. The table `retained`
//! keeps from when on they are, so that a rebuild compares no others (`rebuild/sums.rs`); and what
//! was received before what is forgotten is not imported, since its roll-ups would count twice.
//! Queues and workflows stay as well: the roll-ups are theirs, and there are few.
//!
//! Deliberately not here: held pushes, which wait for a person however old they are, refused ones,
//! which have a bound of their own, and minutes of roll-ups, which go as new ones come.
//!
//! A dry piece ([`Store::find_to_prune`]) is a reading that goes the same way: what it finds is what a
//! piece would take.
//!
//! **Architecture invariant:** a piece is one command in the inbox among others, bounded in rows,
//! bytes and time, so that a push never waits behind more than one of them. The rows of what hangs
//! together go in one even so (`Bounds`): one run is folded as a whole, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Row, Transaction};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::errors::{ReadError, WriteError};
use crate::store::inbox::{Context, How};
use crate::store::records::RowId;
use crate::store::retention::forgetting::{Forget, Known};
use crate::store::retention::groups::Age;
use crate::store::values::read_time;

pub mod kept;

mod emptying;
mod forgetting;
mod groups;
mod sweeping;

/// The most rows that a piece looks at.
pub(super) const PIECE_ROWS_MAX: i64 = 100;

/// Bytes of heads and bodies, and events, after which a piece takes nothing further: some
/// milliseconds of the writer's time.
pub(super) const PIECE_BYTES_MAX: u64 = 256 * 1024;
pub(super) const PIECE_EVENTS_MAX: u64 = 100;

/// How long a piece goes on: a tenth of what a push may wait. A cold disk may take as long for a few
/// rows as a warm one for a thousand.
const PIECE_TIME_MAX: Duration = Duration::from_millis(50);

const SELECT_RETAINED: &str = "
    SELECT messages_from, history_from, sums_from FROM retained WHERE id = 1";

const SELECT_BOUNDS: &str = "
    SELECT (SELECT MIN(received_at) FROM delivery) AS oldest,
      (SELECT MAX(received_at) FROM delivery) AS newest";

/// Before which times things go; `None`: they stay for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizons {
    /// What was received before loses its message.
    pub messages: Option<Timestamp>,
    /// What was received and happened before is forgotten.
    pub history: Option<Timestamp>,
}

/// The walks, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Deliveries lose their messages.
    Messages,
    /// Runs are forgotten, with their jobs.
    Runs,
    /// Jobs are forgotten that have no run.
    Jobs,
    /// Deliveries are forgotten that were not understood.
    Unrecognized,
}

impl Step {
    pub const ALL: [Step; 4] = [Step::Messages, Step::Runs, Step::Jobs, Step::Unrecognized];
}

/// The last row of a walk that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// By what the walk goes: when a delivery was received, or the last event of a job or run was.
    pub at: Timestamp,
    pub id: RowId,
}

/// What age took, or would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Deliveries that lost their message and stay.
    pub emptied: u64,
    /// Deliveries that are forgotten.
    pub deliveries: u64,
    pub events: u64,
    pub jobs: u64,
    pub runs: u64,
    pub activities: u64,
    /// Jobs and runs that are old enough and stay: too many rows hang together with each.
    pub too_large: u64,
    /// Bytes of heads and bodies, of both kinds of deliveries.
    pub bytes: u64,
}

/// What came of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub taken: Taken,
    /// Behind which row the walk goes on; `None` at its end.
    pub next: Option<Reached>,
}

/// What the database says of itself; the least time where nothing has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retained {
    /// No delivery that was received before has its message.
    pub messages_from: Timestamp,
    /// What was received before may have been here and be forgotten.
    pub history_from: Timestamp,
    /// Roll-ups that begin before hold more than their rows say.
    pub sums_from: Timestamp,
}

/// What is known from one piece to the next, of all steps by the same horizons.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    bounds: Bounds,
    known: Arc<Mutex<Known>>,
}

/// How much one piece does of what hangs together.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// The most jobs, runs, activities and deliveries that go in one transaction. What has more stays,
    /// since half of it would be a job that says something else.
    group_rows: u64,
    /// The most events that go with them, or are swept up in one piece.
    events_at_once: u64,
    /// After so many events a piece looks at no more of them.
    events_looked_at: u64,
}

/// Measured on 1,000,000 jobs and a quiet machine: a piece of 11 runs, 56 jobs, 22 deliveries and 105
/// events, and the runs' activities, took 31 ms with its commit and with moving the log, some 160 µs a
/// row; most of that is pages of indexes, whose keys are random. By this a thousand events take less
/// than two tenths of a second. While a run of 1,300 transcodes was forgotten, with as many deliveries
/// and activities (3,901 rows), no push of a thousand a second waited for longer than 345 ms.
impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            group_rows: 4_000,
            events_at_once: 1_000,
            events_looked_at: 5_000,
        }
    }
}

/// What a piece goes by.
struct Asked {
    step: Step,
    horizons: Horizons,
    after: Option<Reached>,
    walk: Walk,
}

impl Taken {
    pub fn add(&mut self, other: Taken) {
        self.emptied += other.emptied;
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.jobs += other.jobs;
        self.runs += other.runs;
        self.activities += other.activities;
        self.too_large += other.too_large;
        self.bytes += other.bytes;
    }
}

impl Piece {
    /// Nothing is there to go.
    const END: Piece = Piece {
        taken: Taken {
            emptied: 0,
            deliveries: 0,
            events: 0,
            jobs: 0,
            runs: 0,
            activities: 0,
            too_large: 0,
            bytes: 0,
        },
        next: None,
    };
}

impl Reached {
    /// Before every row.
    const START: Reached = Reached {
        at: Timestamp(i64::MIN),
        id: 0,
    };

    fn read(row: &Row<'_>) -> rusqlite::Result<Reached> {
        Ok(Reached {
            at: read_time(row, "at")?,
            id: row.get("id")?,
        })
    }
}

/// Taking away; `ingest::prune` is the one caller.
impl Store {
    /// Takes the next piece of a step away. Horizons of `None` take nothing.
    pub async fn prune(
        &self,
        step: Step,
        horizons: Horizons,
        after: Option<Reached>,
        walk: &Walk,
    ) -> Result<Piece, WriteError> {
        let asked = Asked {
            step,
            horizons,
            after,
            walk: walk.clone(),
        };
        let prune = How::Settled(|tx, ctx: &Context, asked| {
            piece(tx, asked, Mode::Take, ctx.rereads.get()).map(Ok)
        });
        self.ask_and_wait(0, asked, prune).await
    }

    /// Finds what the next piece of a step would take away, and writes nothing.
    pub fn find_to_prune(
        &self,
        step: Step,
        horizons: Horizons,
        after: Option<Reached>,
        walk: &Walk,
    ) -> Result<Piece, ReadError> {
        let asked = Asked {
            step,
            horizons,
            after,
            walk: walk.clone(),
        };
        let readers = &self.inner.readers;
        // A dry walk may be wrong by what is read again meanwhile.
        readers.read(|tx| piece(tx, &asked, Mode::Find, 0))
    }

    pub fn retained(&self) -> Result<Retained, ReadError> {
        self.inner.readers.read(retained)
    }

    /// Returns when the oldest delivery that is here was received, and when the newest.
    pub fn received_bounds(&self) -> Result<Option<(Timestamp, Timestamp)>, ReadError> {
        self.inner.readers.read(|tx| {
            let mut select = tx.prepare_cached(SELECT_BOUNDS)?;
            select.query_row([], |row| {
                let oldest: Option<i64> = row.get("oldest")?;
                let newest: Option<i64> = row.get("newest")?;
                Ok(oldest.map(Timestamp).zip(newest.map(Timestamp)))
            })
        })
    }
}

/// Whether a piece writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Take,
    Find,
}

/// Ends a piece when it has taken long enough.
struct Pace {
    until: Instant,
    events_left: u64,
}

impl Pace {
    fn begin(bounds: Bounds) -> Pace {
        Pace {
            until: Instant::now() + PIECE_TIME_MAX,
            events_left: bounds.events_looked_at,
        }
    }

    fn look_at_event(&mut self) {
        self.events_left = self.events_left.saturating_sub(1);
    }

    fn is_over(&self) -> bool {
        self.events_left == 0 || Instant::now() >= self.until
    }
}

/// `rereads`: how often messages have been read again.
fn piece(tx: &Transaction<'_>, asked: &Asked, mode: Mode, rereads: u64) -> rusqlite::Result<Piece> {
    let Asked {
        step,
        horizons,
        after,
        ref walk,
    } = *asked;
    // First, whatever is asked: what was forgotten before the server stopped goes on going, also if
    // history is to stay for ever by now.
    if mode == Mode::Take && sweeping::piece(tx, walk.bounds)? {
        return Ok(Piece {
            next: Some(after.unwrap_or(Reached::START)),
            ..Piece::END
        });
    }
    match (step, horizons.messages, horizons.history) {
        (Step::Messages, Some(before), _) => emptying::piece(tx, before, after, mode),
        (Step::Runs | Step::Jobs | Step::Unrecognized, _, Some(before)) => {
            let age = Age {
                before,
                emptied_before: horizons.messages,
                bounds: walk.bounds,
            };
            let forget = Forget {
                step,
                age,
                mode,
                rereads,
            };
            let mut known = walk.known.lock().unwrap_or_else(PoisonError::into_inner);
            forget.piece(tx, after.unwrap_or(Reached::START), &mut known)
        }
        (_, _, _) => Ok(Piece::END),
    }
}

pub(super) fn retained(tx: &Transaction<'_>) -> rusqlite::Result<Retained> {
    let mut select = tx.prepare_cached(SELECT_RETAINED)?;
    select.query_row([], |row| {
        Ok(Retained {
            messages_from: read_time(row, "messages_from")?,
            history_from: read_time(row, "history_from")?,
            sums_from: read_time(row, "sums_from")?,
        })
    })
}

/// Notes that a message came in that was received then: imported, or held for long. Were it not for
/// this, the walk would have passed it.
pub(super) fn note_message(tx: &Transaction<'_>, received_at: Timestamp) -> rusqlite::Result<()> {
    emptying::note_message(tx, received_at)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod tests_of_groups;

#[cfg(test)]
mod tests_of_large_groups;

#[cfg(test)]
mod tests_of_model;
