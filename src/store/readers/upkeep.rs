//! What whoever keeps the database going wants to know of it: its size, and the last push's clock.

use rusqlite::{OptionalExtension, Transaction};

use crate::clock::Timestamp;
use crate::notification::capture;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::open;
use crate::store::upkeep::{PushClock, Upkeep};
use crate::store::values::{read_count, read_time};

// Both ends of the rowids, which is no counting.
const SELECT_DELIVERIES: &str = "
    SELECT COALESCE(MAX(id) - MIN(id) + 1, 0) AS rows
    FROM (SELECT MIN(id) AS id FROM delivery UNION ALL SELECT MAX(id) FROM delivery)";

const SELECT_BYTES: &str = "
    SELECT (page_count - freelist_count) * page_size AS bytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size";

const SELECT_NEWEST_TAKEN: &str = "
    SELECT delivery.received_at, head
    FROM delivery CROSS JOIN delivery_capture ON delivery_capture.delivery = delivery.id
    ORDER BY delivery.id DESC LIMIT 1";

// Held pushes are few: their bytes are bounded.
const SELECT_NEWEST_HELD: &str = "
    SELECT received_at, head FROM held WHERE reason = 'date' ORDER BY received_at DESC LIMIT 1";

impl Store {
    /// Reads how big the database is, and what the last push said of the time.
    pub fn upkeep(&self) -> Result<Upkeep, ReadError> {
        self.inner.readers.read(upkeep)
    }
}

fn upkeep(tx: &Transaction<'_>) -> rusqlite::Result<Upkeep> {
    let number = |sql: &str, column: &str| tx.query_row(sql, [], |row| read_count(row, column));
    let taken = push_clock(tx, SELECT_NEWEST_TAKEN)?;
    let held = push_clock(tx, SELECT_NEWEST_HELD)?;
    let later = |one: PushClock, other: PushClock| {
        if other.received_at > one.received_at {
            other
        } else {
            one
        }
    };
    Ok(Upkeep {
        sqlite: rusqlite::version().to_owned(),
        is_sqlite_safe: open::require_sqlite(rusqlite::version_number()).is_ok(),
        deliveries: number(SELECT_DELIVERIES, "rows")?,
        bytes_in_use: number(SELECT_BYTES, "bytes")?,
        last_push: match (taken, held) {
            (Some(taken), Some(held)) => Some(later(taken, held)),
            (taken, held) => taken.or(held),
        },
    })
}

/// Returns what a push said of the time; nothing if its head is gone or has no date.
fn push_clock(tx: &Transaction<'_>, sql: &str) -> rusqlite::Result<Option<PushClock>> {
    let row = tx.query_row(sql, [], |row| {
        let head: Vec<u8> = row.get("head")?;
        Ok((read_time(row, "received_at")?, head))
    });
    let Some((received_at, head)) = row.optional()? else {
        return Ok(None);
    };
    Ok(sent_at(&head).map(|sent_at| PushClock {
        sent_at,
        received_at,
    }))
}

/// SMQ dates a push by either header; the second wins, as it does for the signature.
fn sent_at(head: &[u8]) -> Option<Timestamp> {
    let capture = capture::parse(head).ok()?;
    let headers = &capture.headers;
    let date = headers
        .first("x-mns-date")
        .or_else(|| headers.first("date"))?;
    Timestamp::parse_http_date(std::str::from_utf8(date).ok()?)
}
