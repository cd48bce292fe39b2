//! Events and messages of deliveries that are forgotten and had too many to go with them.
//!
//! When such a group is forgotten, all that is read goes at once: its jobs, runs, activities and the
//! rows of its deliveries, with their keys. The numbers of these are kept in `leftover`, and here
//! their events and messages go, some in each piece. Nobody sees them meanwhile: who reads events or
//! messages joins their deliveries, and a job of the same id that comes anew is folded from its own
//! events alone. So there is no moment at which half of a history is there, whenever the server is
//! stopped, or the power fails.
//!
//! The one place that may count them until they are gone is the number above a list of events.
//!
//! **Architecture invariant:** an event has its delivery, or the delivery's number is in `leftover`;
//! likewise a message. The schema cannot say so. No number comes again, since a source's newest
//! delivery stays.

use rusqlite::{Transaction, params};

use crate::store::records::RowId;
use crate::store::retention::{Bounds, Pace};
use crate::store::values::count;

const SELECT_LEFTOVER: &str = "SELECT MIN(delivery) AS delivery FROM leftover";

const INSERT_LEFTOVER: &str = "INSERT INTO leftover (delivery) VALUES (?1)";

const DELETE_LEFTOVER: &str = "DELETE FROM leftover WHERE delivery = ?1";

const DELETE_SOME_EVENTS: &str = "
    DELETE FROM event WHERE id IN (SELECT id FROM event WHERE delivery = ?1 LIMIT ?2)";

const DELETE_CAPTURE: &str = "DELETE FROM delivery_capture WHERE delivery = ?1";

/// Leaves the events and the message of a delivery to later pieces. Its row is gone.
pub(super) fn leave(tx: &Transaction<'_>, delivery: RowId) -> rusqlite::Result<()> {
    tx.prepare_cached(INSERT_LEFTOVER)?.execute([delivery])?;
    Ok(())
}

/// Takes some of what is left over. False if nothing is.
pub(super) fn piece(tx: &Transaction<'_>, bounds: Bounds) -> rusqlite::Result<bool> {
    let pace = Pace::begin(bounds);
    let mut events_left = bounds.events_at_once;
    let mut found = next(tx)?;
    let is_there = found.is_some();
    while let Some(delivery) = found
        && events_left > 0
        && !pace.is_over()
    {
        tx.prepare_cached(DELETE_CAPTURE)?.execute([delivery])?;
        let mut delete = tx.prepare_cached(DELETE_SOME_EVENTS)?;
        let gone = delete.execute(params![delivery, count(events_left)])? as u64;
        if gone < events_left {
            tx.prepare_cached(DELETE_LEFTOVER)?.execute([delivery])?;
        }
        // A delivery counts as an event, so that many of them without any are no long piece.
        events_left = events_left.saturating_sub(gone + 1);
        found = next(tx)?;
    }
    Ok(is_there)
}

fn next(tx: &Transaction<'_>) -> rusqlite::Result<Option<RowId>> {
    let mut select = tx.prepare_cached(SELECT_LEFTOVER)?;
    select.query_row([], |row| row.get("delivery"))
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_LEFTOVER, DELETE_SOME_EVENTS];
