//! The list of held pushes, one whole, and those of an owner or topic.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::notification::reason::HoldReason;
use crate::notification::source::SourceId;
use crate::store::cells::{self, Cells};
use crate::store::filters::HeldFilter;
use crate::store::lane_records::Counted;
use crate::store::readers::deliveries::read_capture;
use crate::store::readers::listing;
use crate::store::readers::query::{Index, Lead, Query, Shape};
use crate::store::records::{HeldDetail, HeldRecord, Listing, Page, PageKey, RowId};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::values::read_json;

const LIST: Shape = Shape {
    columns:
        "held.id, source.name AS source, held.reason, held.received_at, held.owner, held.topic,
      held.message_id, held.body_bytes, held.repeats",
    table: "held",
    join: " CROSS JOIN source ON source.id = held.source",
    at: "held.received_at",
    id: "held.id",
    words: "",
};

const BY_TIME: Index = Index::of("held_by_time", &[]);

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

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &HeldFilter,
    page: Page,
) -> rusqlite::Result<Listing<HeldRecord>> {
    let rows = query(filter, Lead::Index(&BY_TIME)).page(tx, page, record)?;
    Ok(listing(page, rows, |row: &HeldRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

/// Reads them in the order of their numbers.
pub(super) fn scan(
    tx: &Transaction<'_>,
    filter: &HeldFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<HeldRecord>> {
    query(filter, Lead::Number).scan(tx, stretch, record)
}

pub(super) fn count(tx: &Transaction<'_>, filter: &HeldFilter) -> rusqlite::Result<Counted> {
    query(filter, Lead::Index(&BY_TIME)).count(tx)
}

fn query(filter: &HeldFilter, lead: Lead) -> Query {
    Query::new(&LIST, lead)
        .equals("reason", filter.reason.map(HoldReason::word))
        .of_source(filter.source.clone())
        .within(filter.from, filter.to)
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<HeldDetail>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    let found = select.query_row([id], |row| {
        Ok(HeldDetail {
            held: cells::read(row, record)?,
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

fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<HeldRecord> {
    Ok(HeldRecord {
        id: cells.get("id")?,
        source: cells.get("source")?,
        reason: cells.word("reason", HoldReason::from_word)?,
        received_at: cells.time("received_at")?,
        owner: cells.get("owner")?,
        topic: cells.get("topic")?,
        message_id: cells.get("message_id")?,
        body_bytes: cells.count("body_bytes")?,
        repeats: cells.count("repeats")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures;

    use super::*;

    #[test]
    fn the_list_neither_scans_a_table_nor_sorts_it() {
        let test = fixtures::open();
        let filter = HeldFilter {
            reason: HoldReason::ALL.first().copied(),
            source: Some(String::new()),
            from: Some(fixtures::NOON),
            to: Some(fixtures::NOON),
        };
        let mut statements = query(&filter, Lead::Index(&BY_TIME)).statements();
        statements.push(SELECT_ONE.to_owned());
        for sql in statements {
            fixtures::assert_by_index(&test.look(), &sql);
        }
    }
}
