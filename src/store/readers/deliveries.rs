//! The list of deliveries, and one with all that came with it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clock::Timestamp;
use crate::envelope;
use crate::notification::Format;
use crate::notification::capture::{self, Capture};
use crate::notification::delivery::Headers;
use crate::notification::source::SourceId;
use crate::store::readers::{after, events, listing, rows_to_ask};
use crate::store::records::{
    DeliveryDetail, DeliveryRecord, EventRecord, Listing, Page, PageKey, RowId,
};
use crate::store::values::{read_count, read_maybe_time, read_time, read_word, unreadable};

// CROSS JOIN: SQLite then takes the tables in this order, and the order of the index is that of
// the page.
const SELECT_PAGE: &str = "
    SELECT delivery.id, source.name AS source, delivery.owner, delivery.region, delivery.topic,
      delivery.subscription, delivery.subscriber, delivery.message_id, delivery.tag,
      delivery.format, delivery.published_at, delivery.received_at, delivery.duplicates,
      delivery.last_duplicate_at, delivery.differs, delivery.md5_mismatch, delivery.body_bytes,
      delivery.unrecognized
    FROM delivery CROSS JOIN source ON source.id = delivery.source
    WHERE (delivery.received_at, delivery.id) < (?1, ?2)
    ORDER BY delivery.received_at DESC, delivery.id DESC
    LIMIT ?3";

const SELECT_ONE: &str = "
    SELECT delivery.id, source.name AS source, delivery.owner, delivery.region, delivery.topic,
      delivery.subscription, delivery.subscriber, delivery.message_id, delivery.tag,
      delivery.format, delivery.published_at, delivery.received_at, delivery.duplicates,
      delivery.last_duplicate_at, delivery.differs, delivery.md5_mismatch, delivery.body_bytes,
      delivery.unrecognized
    FROM delivery CROSS JOIN source ON source.id = delivery.source
    WHERE delivery.id = ?1";

const SELECT_CAPTURE: &str = "
    SELECT delivery_capture.head, delivery_capture.body, delivery.source, delivery.received_at
    FROM delivery_capture JOIN delivery ON delivery.id = delivery_capture.delivery
    WHERE delivery_capture.delivery = ?1";

pub(super) fn page(tx: &Transaction<'_>, page: Page) -> rusqlite::Result<Listing<DeliveryRecord>> {
    let after = after(page);
    let mut select = tx.prepare_cached(SELECT_PAGE)?;
    let rows = select.query_map(params![after.at.0, after.id, rows_to_ask(page)], record)?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    Ok(listing(page, rows, |row: &DeliveryRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<DeliveryDetail>> {
    let Some(delivery) = one(tx, id)? else {
        return Ok(None);
    };
    let (capture, message) = capture_and_message(tx, id)?;
    Ok(Some(DeliveryDetail {
        delivery,
        capture,
        message,
        events: events::of_delivery(tx, id)?,
    }))
}

/// Returns the deliveries that brought `events`, each once, in the order they were stored.
pub(super) fn of_events(
    tx: &Transaction<'_>,
    events: &[EventRecord],
) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let ids: BTreeSet<RowId> = events.iter().map(|event| event.delivery).collect();
    let mut deliveries = Vec::with_capacity(ids.len());
    for id in ids {
        deliveries.extend(one(tx, id)?);
    }
    Ok(deliveries)
}

fn one(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<DeliveryRecord>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    select.query_row([id], record).optional()
}

/// Reads the push back, and the message out of its body. Both are empty once age has emptied them.
fn capture_and_message(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<(Capture, Vec<u8>)> {
    let mut select = tx.prepare_cached(SELECT_CAPTURE)?;
    let kept = select.query_row([id], |row| {
        let capture = read_capture(row)?;
        let source = SourceId(row.get("source")?);
        let delivery = capture
            .clone()
            .into_delivery(source, read_time(row, "received_at")?);
        Ok((capture, envelope::parse(&delivery).message))
    });
    Ok(kept.optional()?.unwrap_or_else(|| {
        let empty = Capture {
            method: "POST".to_owned(),
            target: String::new(),
            headers: Headers::default(),
            body: None,
        };
        (empty, Vec::new())
    }))
}

/// Reads the columns `head` and `body`.
pub(super) fn read_capture(row: &Row<'_>) -> rusqlite::Result<Capture> {
    let head: Vec<u8> = row.get("head")?;
    let capture = capture::parse(&head).map_err(|error| unreadable(error.into()))?;
    let body = row.get("body")?;
    Ok(Capture {
        body: Some(body),
        ..capture
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let published_at = read_maybe_time(row, "published_at")?;
    let received_at = read_time(row, "received_at")?;
    Ok(DeliveryRecord {
        id: row.get("id")?,
        source: row.get("source")?,
        owner: row.get("owner")?,
        region: row.get("region")?,
        topic: row.get("topic")?,
        subscription: row.get("subscription")?,
        subscriber: row.get("subscriber")?,
        message_id: row.get("message_id")?,
        tag: row.get("tag")?,
        format: read_word(row, "format", format_from_word)?,
        published_at,
        received_at,
        lag_ms: published_at.map(|published_at: Timestamp| received_at.since_ms(published_at)),
        duplicates: read_count(row, "duplicates")?,
        last_duplicate_at: read_maybe_time(row, "last_duplicate_at")?,
        differs: row.get("differs")?,
        md5_mismatch: row.get("md5_mismatch")?,
        body_bytes: read_count(row, "body_bytes")?,
        unrecognized: row.get("unrecognized")?,
    })
}

/// Reads [`Format::word`] back.
fn format_from_word(word: &str) -> Option<Format> {
    [Format::Xml, Format::Json, Format::Simplified]
        .into_iter()
        .find(|format| format.word() == word)
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures::{self, NOON, TestStore, arrival};

    use super::*;

    fn put(test: &TestStore, id: &str, ms: i64) {
        let mut arrival = arrival(id, "j");
        arrival.delivery.received_at = NOON.plus_ms(ms);
        test.append(arrival);
    }

    #[test]
    fn the_list_is_newest_first_complete_and_without_repeats_while_rows_are_added() {
        let test = fixtures::open();
        for (id, ms) in [("a", 10), ("b", 30), ("c", 20), ("d", 30), ("e", 5)] {
            put(&test, id, ms);
        }
        let mut seen = String::new();
        let mut after = None;
        loop {
            let listing = test
                .store
                .page_deliveries(Page { limit: 2, after })
                .unwrap();
            seen.extend(listing.items.into_iter().filter_map(|row| row.message_id));
            after = listing.next;
            if after.is_none() {
                break;
            }
            put(&test, &format!("later {seen}"), 40);
        }
        assert_eq!(seen, "dbcae");
    }

    #[test]
    fn a_delivery_that_age_has_emptied_still_has_its_row() {
        let test = fixtures::open();
        put(&test, "a", 0);
        let emptied = test.put((), |tx, _, ()| {
            tx.execute("DELETE FROM delivery_capture", [])?;
            Ok(Ok(()))
        });
        emptied.recv().unwrap().unwrap();
        let detail = test.store.find_delivery(1).unwrap().unwrap();
        assert_eq!(detail.delivery.message_id.as_deref(), Some("a"));
        assert_eq!(detail.capture.body, None);
        assert!(detail.message.is_empty());
        assert_eq!(detail.events.len(), 1);
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = fixtures::open();
        for sql in [SELECT_PAGE, SELECT_ONE, SELECT_CAPTURE] {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
