//! What was refused and kept, how much was refused in all, and the strays.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::notification::reason::RefusalReason;
use crate::store::readers::deliveries::read_capture;
use crate::store::readers::{after, listing, rows_to_ask};
use crate::store::records::{
    Listing, Page, PageKey, RefusalCount, RefusalDetail, RefusalRecord, RowId, StrayRecord,
};
use crate::store::values::{read_count, read_json, read_time, read_word};

const SELECT_PAGE: &str = "
    SELECT refusal.id, source.name AS source, refusal.reason, refusal.received_at,
      refusal.body_bytes
    FROM refusal CROSS JOIN source ON source.id = refusal.source
    WHERE (refusal.received_at, refusal.id) < (?1, ?2)
    ORDER BY refusal.received_at DESC, refusal.id DESC
    LIMIT ?3";

const SELECT_ONE: &str = "
    SELECT refusal.id, source.name AS source, refusal.reason, refusal.received_at,
      refusal.body_bytes, refusal.explanation, refusal.head, refusal.body
    FROM refusal CROSS JOIN source ON source.id = refusal.source
    WHERE refusal.id = ?1";

const SELECT_COUNTS: &str = "
    SELECT source.name AS source, refusal_count.reason, refusal_count.count,
      refusal_count.first_at, refusal_count.last_at
    FROM refusal_count CROSS JOIN source ON source.id = refusal_count.source
    ORDER BY refusal_count.source, refusal_count.reason";

const SELECT_STRAYS: &str = "SELECT id, target, received_at FROM stray ORDER BY id DESC";

const SELECT_STRAY_COUNT: &str = "SELECT value FROM total WHERE name = 'strays'";

pub(super) fn page(tx: &Transaction<'_>, page: Page) -> rusqlite::Result<Listing<RefusalRecord>> {
    let after = after(page);
    let mut select = tx.prepare_cached(SELECT_PAGE)?;
    let rows = select.query_map(params![after.at.0, after.id, rows_to_ask(page)], record)?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    Ok(listing(page, rows, |row: &RefusalRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<RefusalDetail>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    let found = select.query_row([id], |row| {
        Ok(RefusalDetail {
            refusal: record(row)?,
            capture: read_capture(row)?,
            explanation: read_json(row, "explanation")?,
        })
    });
    found.optional()
}

pub(super) fn counts(tx: &Transaction<'_>) -> rusqlite::Result<Vec<RefusalCount>> {
    let mut select = tx.prepare_cached(SELECT_COUNTS)?;
    let rows = select.query_map([], |row| {
        Ok(RefusalCount {
            source: row.get("source")?,
            reason: read_word(row, "reason", RefusalReason::from_word)?,
            count: read_count(row, "count")?,
            first_at: read_time(row, "first_at")?,
            last_at: read_time(row, "last_at")?,
        })
    })?;
    rows.collect()
}

pub(super) fn strays(tx: &Transaction<'_>) -> rusqlite::Result<(Vec<StrayRecord>, u64)> {
    let mut select = tx.prepare_cached(SELECT_STRAYS)?;
    let rows = select.query_map([], |row| {
        Ok(StrayRecord {
            id: row.get("id")?,
            target: row.get("target")?,
            received_at: read_time(row, "received_at")?,
        })
    })?;
    let strays = rows.collect::<rusqlite::Result<_>>()?;
    let mut select = tx.prepare_cached(SELECT_STRAY_COUNT)?;
    let count = select.query_row([], |row| read_count(row, "value"))?;
    Ok((strays, count))
}

fn record(row: &Row<'_>) -> rusqlite::Result<RefusalRecord> {
    Ok(RefusalRecord {
        id: row.get("id")?,
        source: row.get("source")?,
        reason: read_word(row, "reason", RefusalReason::from_word)?,
        received_at: read_time(row, "received_at")?,
        body_bytes: read_count(row, "body_bytes")?,
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
