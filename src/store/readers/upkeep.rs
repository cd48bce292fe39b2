//! What whoever keeps the database going wants to know of it: its size, and the last push's clock.

use rusqlite::{OptionalExtension, Transaction};

use crate::notification::capture;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::open;
use crate::store::upkeep::{PushClock, Upkeep};
use crate::store::values::{read_count, read_time};

const SELECT_DELIVERIES: &str = "SELECT value AS rows FROM total WHERE name = 'deliveries'";

const SELECT_BYTES: &str = "
    SELECT (page_count - freelist_count) * page_size AS bytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size";

const SELECT_LAST_TAKEN: &str = "SELECT sent_at, received_at FROM last_push WHERE id = 1";

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
    let taken = last_taken(tx)?;
    let held = newest_held(tx)?;
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

fn last_taken(tx: &Transaction<'_>) -> rusqlite::Result<Option<PushClock>> {
    let row = tx.query_row(SELECT_LAST_TAKEN, [], |row| {
        Ok(PushClock {
            sent_at: read_time(row, "sent_at")?,
            received_at: read_time(row, "received_at")?,
        })
    });
    row.optional()
}

/// Nothing if its head cannot be read or has no date.
fn newest_held(tx: &Transaction<'_>) -> rusqlite::Result<Option<PushClock>> {
    let row = tx.query_row(SELECT_NEWEST_HELD, [], |row| {
        let head: Vec<u8> = row.get("head")?;
        Ok((read_time(row, "received_at")?, head))
    });
    let Some((received_at, head)) = row.optional()? else {
        return Ok(None);
    };
    let capture = capture::parse(&head).ok();
    let sent_at = capture.and_then(|capture| capture.headers.sent_at());
    Ok(sent_at.map(|sent_at| PushClock {
        sent_at,
        received_at,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::notification::reason::HoldReason;
    use crate::store::fixtures::{self, NOON, TestStore, arrival};
    use crate::store::{Arrival, NewHeld};

    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    /// A push that was received so long after noon, and sent a second before.
    fn dated(id: &str, received_ms: i64) -> Arrival {
        let mut arrival = arrival(id, id);
        let received_at = NOON.plus_ms(received_ms);
        let sent_at = received_at.plus_ms(-1_000).to_http_date();
        arrival.delivery.headers.set("date", sent_at);
        arrival.delivery.received_at = received_at;
        arrival
    }

    fn last_push_at(test: &TestStore) -> Option<i64> {
        let push = test.store.upkeep().unwrap().last_push?;
        assert_eq!(push.received_at.since_ms(push.sent_at), 1_000);
        Some(push.received_at.since_ms(NOON))
    }

    #[test]
    fn the_clock_is_that_of_the_push_that_came_last_and_of_no_old_one_that_comes_in() {
        let test = fixtures::open();
        assert_eq!(last_push_at(&test), None);
        test.append(dated("m1", 0));
        assert_eq!(last_push_at(&test), Some(0));
        test.append(dated("m1", 5_000));
        assert_eq!(last_push_at(&test), Some(5_000), "a duplicate has a date");

        let imported = Arc::new(vec![dated("m2", 9_000)]);
        test.runtime.block_on(test.store.import(imported)).unwrap();
        assert_eq!(last_push_at(&test), Some(5_000));

        let mut admitted = dated("m3", -7 * DAY_MS);
        let held = NewHeld {
            delivery: admitted.delivery.clone(),
            signature: b"s".to_vec(),
            reason: HoldReason::Owner,
            owner: None,
            topic: None,
            message_id: None,
            explanation: "{}".to_owned(),
        };
        test.hold(held).unwrap();
        admitted.from_held = Some(1);
        test.append(admitted);
        assert_eq!(test.store.upkeep().unwrap().deliveries, 3);
        assert_eq!(last_push_at(&test), Some(5_000));
    }

    #[test]
    fn the_clock_is_known_when_every_message_is_emptied_and_no_table_is_walked_for_it() {
        let test = fixtures::open();
        test.append(dated("m1", 0));
        let emptied = test.look();
        emptied.execute("DELETE FROM delivery_capture", []).unwrap();
        assert_eq!(last_push_at(&test), Some(0));
        for sql in [SELECT_DELIVERIES, SELECT_LAST_TAKEN] {
            fixtures::assert_by_index(&emptied, sql);
        }
    }
}
