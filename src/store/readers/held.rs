//! The list of held pushes, one whole, and those of an owner or topic.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::notification::reason::HoldReason;
use crate::notification::source::SourceId;
use crate::store::readers::deliveries::read_capture;
use crate::store::readers::{after, listing, rows_to_ask};
use crate::store::records::{HeldDetail, HeldRecord, Listing, Page, PageKey, RowId};
use crate::store::values::{read_count, read_json, read_time, read_word};

const SELECT_PAGE: &str = "
    SELECT held.id, source.name AS source, held.reason, held.received_at, held.owner, held.topic,
      held.message_id, held.body_bytes, held.repeats
    FROM held CROSS JOIN source ON source.id = held.source
    WHERE (held.received_at, held.id) < (?1, ?2)
    ORDER BY held.received_at DESC, held.id DESC
    LIMIT ?3";

const SELECT_ONE: &str = "
    SELECT held.id, source.name AS source, held.reason, held.received_at, held.owner, held.topic,
      held.message_id, held.body_bytes, held.repeats, held.explanation, held.head, held.body,
      held.source AS source_id
    FROM held CROSS JOIN source ON source.id = held.source
    WHERE held.id = ?1";

const SELECT_IDS: &str = "
    SELECT id FROM held
    WHERE source = ?1 AND (?2 IS NULL OR owner = ?2) AND (?3 IS NULL OR topic = ?3)
    ORDER BY id";

pub(super) fn page(tx: &Transaction<'_>, page: Page) -> rusqlite::Result<Listing<HeldRecord>> {
    let after = after(page);
    let mut select = tx.prepare_cached(SELECT_PAGE)?;
    let rows = select.query_map(params![after.at.0, after.id, rows_to_ask(page)], record)?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    Ok(listing(page, rows, |row: &HeldRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<HeldDetail>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    let found = select.query_row([id], |row| {
        Ok(HeldDetail {
            held: record(row)?,
            source: SourceId(row.get("source_id")?),
            capture: read_capture(row)?,
            explanation: read_json(row, "explanation")?,
        })
    });
    found.optional()
}

pub(super) fn ids_of(
    tx: &Transaction<'_>,
    source: SourceId,
    owner: Option<&str>,
    topic: Option<&str>,
) -> rusqlite::Result<Vec<RowId>> {
    let mut select = tx.prepare_cached(SELECT_IDS)?;
    let ids = select.query_map(params![source.0, owner, topic], |row| row.get(0))?;
    ids.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<HeldRecord> {
    Ok(HeldRecord {
        id: row.get("id")?,
        source: row.get("source")?,
        reason: read_word(row, "reason", HoldReason::from_word)?,
        received_at: read_time(row, "received_at")?,
        owner: row.get("owner")?,
        topic: row.get("topic")?,
        message_id: row.get("message_id")?,
        body_bytes: read_count(row, "body_bytes")?,
        repeats: read_count(row, "repeats")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures;

    use super::*;

    #[test]
    fn the_list_neither_scans_a_table_nor_sorts_it() {
        let test = fixtures::open();
        for sql in [SELECT_PAGE, SELECT_ONE] {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
