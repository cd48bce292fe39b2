//! What was refused and kept, how much was refused in all, and the strays.

use rusqlite::{OptionalExtension, Transaction};

use crate::notification::reason::RefusalReason;
use crate::store::cells::{self, Cells};
use crate::store::filters::RefusalFilter;
use crate::store::lane_records::Counted;
use crate::store::readers::deliveries::read_capture;
use crate::store::readers::listing;
use crate::store::readers::query::{Index, Lead, Query, Shape};
use crate::store::records::{
    Listing, Page, PageKey, RefusalCount, RefusalDetail, RefusalRecord, RowId, StrayRecord,
};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::values::{read_count, read_json, read_time, read_word};

const LIST: Shape = Shape {
    columns: "refusal.id, source.name AS source, refusal.reason, refusal.received_at,
      refusal.body_bytes",
    table: "refusal",
    join: " CROSS JOIN source ON source.id = refusal.source",
    at: "refusal.received_at",
    id: "refusal.id",
    words: "",
};

const BY_TIME: Index = Index::of("refusal_by_time", &[]);

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

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &RefusalFilter,
    page: Page,
) -> rusqlite::Result<Listing<RefusalRecord>> {
    let rows = query(filter, Lead::Index(&BY_TIME)).page(tx, page, record)?;
    Ok(listing(page, rows, |row: &RefusalRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

/// Reads them in the order of their numbers.
pub(super) fn scan(
    tx: &Transaction<'_>,
    filter: &RefusalFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<RefusalRecord>> {
    query(filter, Lead::Number).scan(tx, stretch, record)
}

pub(super) fn count(tx: &Transaction<'_>, filter: &RefusalFilter) -> rusqlite::Result<Counted> {
    query(filter, Lead::Index(&BY_TIME)).count(tx)
}

fn query(filter: &RefusalFilter, lead: Lead) -> Query {
    Query::new(&LIST, lead)
        .equals("reason", filter.reason.map(RefusalReason::word))
        .of_source(filter.source.clone())
        .within(filter.from, filter.to)
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<RefusalDetail>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    let found = select.query_row([id], |row| {
        Ok(RefusalDetail {
            refusal: cells::read(row, record)?,
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

fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<RefusalRecord> {
    Ok(RefusalRecord {
        id: cells.get("id")?,
        source: cells.get("source")?,
        reason: cells.word("reason", RefusalReason::from_word)?,
        received_at: cells.time("received_at")?,
        body_bytes: cells.count("body_bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::NewRefusal;
    use crate::store::fixtures::{self, NOON};

    use super::*;

    #[test]
    fn the_list_neither_scans_a_table_nor_sorts_it() {
        let test = fixtures::open();
        let filter = RefusalFilter {
            reason: RefusalReason::ALL.first().copied(),
            source: Some(String::new()),
            from: Some(NOON),
            to: Some(NOON),
        };
        let mut statements = query(&filter, Lead::Index(&BY_TIME)).statements();
        statements.push(SELECT_ONE.to_owned());
        for sql in statements {
            fixtures::assert_by_index(&test.look(), &sql);
        }
    }

    #[test]
    fn each_filter_gives_its_refusals() {
        use RefusalReason::{HeaderMissing, SignatureWrong};
        let test = fixtures::open();
        let other = fixtures::register(&test.store, "other");
        let all = [
            (test.source.id, SignatureWrong),
            (test.source.id, HeaderMissing),
            (other.id, HeaderMissing),
        ];
        for (ms, (source, reason)) in (0..).zip(all) {
            let mut delivery = fixtures::delivery(source, "t", "m", "body");
            delivery.received_at = NOON.plus_ms(ms);
            let refusal = NewRefusal {
                delivery,
                body_bytes: 4,
                reason,
                explanation: "{}".to_owned(),
            };
            let at = NOON.plus_ms(ms);
            test.store.note_refusal(source, reason, at, Some(refusal));
        }
        test.runtime.block_on(test.store.flush_notes()).unwrap();
        let with = |change: &dyn Fn(&mut RefusalFilter)| {
            let mut filter = RefusalFilter::default();
            change(&mut filter);
            filter
        };
        let cases = [
            (with(&|_| {}), vec![2, 1, 0]),
            (with(&|f| f.reason = Some(HeaderMissing)), vec![2, 1]),
            (with(&|f| f.source = Some("default".to_owned())), vec![1, 0]),
            (with(&|f| f.from = Some(NOON.plus_ms(1))), vec![2, 1]),
            (with(&|f| f.to = Some(NOON.plus_ms(1))), vec![0]),
        ];
        for (filter, expected) in cases {
            let read = |page| test.store.page_refusals(&filter, page).unwrap();
            let seen = fixtures::walked(1, read).into_iter();
            let seen: Vec<i64> = seen.map(|row| row.received_at.since_ms(NOON)).collect();
            assert_eq!(seen, expected, "{filter:?}");
            let counted = test.store.count_refusals(&filter).unwrap();
            assert_eq!(counted.rows, expected.len() as u64);
        }
    }
}
