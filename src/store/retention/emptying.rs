//! Deliveries lose head and body by the time they were received.
//!
//! The walk goes by the index of times and keeps how far it has come, so that nothing that is empty is
//! looked at twice. A message that comes in behind it, imported or held for long, sets it back, and so
//! does a longer time in the configuration or a clock that was wrong: what is empty is passed over
//! then.

use rusqlite::{Transaction, params};

use crate::clock::Timestamp;
use crate::store::retention::{
    Bounds, Mode, PIECE_BYTES_MAX, PIECE_ROWS_MAX, Pace, Piece, Reached, Taken, retained,
};

// `bytes` is NULL of a delivery that has been emptied.
const SELECT_NEXT: &str = "
    SELECT delivery.id, delivery.received_at AS at,
      length(delivery_capture.head) + length(delivery_capture.body) AS bytes
    FROM delivery LEFT JOIN delivery_capture ON delivery_capture.delivery = delivery.id
    WHERE (delivery.received_at, delivery.id) > (?1, ?2) AND delivery.received_at < ?3
    ORDER BY delivery.received_at, delivery.id
    LIMIT ?4";

const DELETE_CAPTURE: &str = "DELETE FROM delivery_capture WHERE delivery = ?1";

const SET_MESSAGES_FROM: &str = "UPDATE retained SET messages_from = ?1 WHERE messages_from <> ?1";

const LOWER_MESSAGES_FROM: &str = "
    UPDATE retained SET messages_from = ?1 WHERE messages_from > ?1";

pub(super) fn piece(
    tx: &Transaction<'_>,
    before: Timestamp,
    after: Option<Reached>,
    mode: Mode,
) -> rusqlite::Result<Piece> {
    let from = match after {
        Some(after) if after != Reached::START => after,
        _ => Reached {
            at: retained(tx)?.messages_from.min(before),
            id: 0,
        },
    };
    let mut select = tx.prepare_cached(SELECT_NEXT)?;
    let rows = select.query_map(
        params![from.at.0, from.id, before.0, PIECE_ROWS_MAX],
        |row| Ok((Reached::read(row)?, row.get::<_, Option<i64>>("bytes")?)),
    )?;
    let rows: Vec<(Reached, Option<i64>)> = rows.collect::<rusqlite::Result<_>>()?;
    let pace = Pace::begin(Bounds::default());
    let mut taken = Taken::default();
    let mut next = None;
    for (reached, bytes) in rows {
        if taken.bytes >= PIECE_BYTES_MAX || (next.is_some() && pace.is_over()) {
            break;
        }
        next = Some(reached);
        let Some(bytes) = bytes else { continue };
        if mode == Mode::Take {
            tx.prepare_cached(DELETE_CAPTURE)?.execute([reached.id])?;
        }
        taken.emptied += 1;
        taken.bytes += bytes.unsigned_abs();
    }
    if mode == Mode::Take {
        let done_before = next.map_or(before, |reached| reached.at);
        tx.prepare_cached(SET_MESSAGES_FROM)?
            .execute([done_before.0])?;
    }
    Ok(Piece { taken, next })
}

pub(super) fn note_message(tx: &Transaction<'_>, received_at: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached(LOWER_MESSAGES_FROM)?
        .execute([received_at.0])?;
    Ok(())
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_NEXT];
