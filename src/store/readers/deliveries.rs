//! The list of deliveries, and one with all that came with it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction};

use crate::envelope;
use crate::notification::Format;
use crate::notification::capture::{self, Capture};
use crate::notification::source::SourceId;
use crate::store::cells::{self, Cells};
use crate::store::filters::{DeliveryFilter, DeliveryOnly};
use crate::store::lane_records::Counted;
use crate::store::packed::{self, Unpacked};
use crate::store::readers::query::{Index, Lead, Query, Shape};
use crate::store::readers::{events, listing};
use crate::store::records::{
    DeliveryDetail, DeliveryRecord, EventRecord, KeptMessage, Listing, Page, PageKey, RowId,
};
use crate::store::scan_records::{Scanned, Stretch};
use crate::store::values::{read_time, unreadable};

// CROSS JOIN: SQLite then takes the tables in this order, and the order of the index is that of
// the page.
const LIST: Shape = Shape {
    columns: "delivery.id, source.name AS source, delivery.owner, delivery.region, delivery.topic,
      delivery.subscription, delivery.subscriber, delivery.message_id, delivery.tag,
      delivery.format, delivery.published_at, delivery.received_at, delivery.duplicates,
      delivery.last_duplicate_at, delivery.differs, delivery.md5_mismatch, delivery.body_bytes,
      delivery.unrecognized",
    table: "delivery",
    join: " CROSS JOIN source ON source.id = delivery.source",
    at: "delivery.received_at",
    id: "delivery.id",
    words: "",
};

const BY_TIME: Index = Index::of("delivery_by_time", &[]);
const UNRECOGNIZED: Index = Index {
    condition: "delivery.unrecognized IS NOT NULL",
    ..Index::of("delivery_unrecognized", &[])
};
const DIFFERS: Index = Index {
    condition: "delivery.differs = 1",
    ..Index::of("delivery_differs", &[])
};
const REPEATED: Index = Index {
    condition: "delivery.duplicates > 0",
    ..Index::of("delivery_repeated", &[])
};

const SELECT_ONE: &str = "
    SELECT delivery.id, source.name AS source, delivery.owner, delivery.region, delivery.topic,
      delivery.subscription, delivery.subscriber, delivery.message_id, delivery.tag,
      delivery.format, delivery.published_at, delivery.received_at, delivery.duplicates,
      delivery.last_duplicate_at, delivery.differs, delivery.md5_mismatch, delivery.body_bytes,
      delivery.unrecognized
    FROM delivery CROSS JOIN source ON source.id = delivery.source
    WHERE delivery.id = ?1";

const SELECT_CAPTURE: &str = "
    SELECT delivery_capture.push, delivery.source, delivery.received_at
    FROM delivery_capture JOIN delivery ON delivery.id = delivery_capture.delivery
    WHERE delivery_capture.delivery = ?1";

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Listing<DeliveryRecord>> {
    let rows = query(filter, by_index(filter)).page(tx, page, record)?;
    Ok(listing(page, rows, |row: &DeliveryRecord| PageKey {
        at: row.received_at,
        id: row.id,
    }))
}

/// Reads deliveries in the order of their numbers.
pub(super) fn scan(
    tx: &Transaction<'_>,
    filter: &DeliveryFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<DeliveryRecord>> {
    let query = query(filter, Lead::Number);
    let query = match filter.only {
        None => query,
        Some(only) => query.and(index_of(only).condition),
    };
    query.scan(tx, stretch, record)
}

pub(super) fn count(tx: &Transaction<'_>, filter: &DeliveryFilter) -> rusqlite::Result<Counted> {
    query(filter, by_index(filter)).count(tx)
}

fn index_of(only: DeliveryOnly) -> &'static Index {
    match only {
        DeliveryOnly::Unrecognized => &UNRECOGNIZED,
        DeliveryOnly::Differs => &DIFFERS,
        DeliveryOnly::Repeated => &REPEATED,
    }
}

fn by_index(filter: &DeliveryFilter) -> Lead {
    Lead::Index(filter.only.map_or(&BY_TIME, index_of))
}

fn query(filter: &DeliveryFilter, lead: Lead) -> Query {
    Query::new(&LIST, lead)
        .of_source(filter.source.clone())
        .equals("topic", filter.topic.clone())
        .equals("format", filter.format.map(Format::word))
        .within(filter.from, filter.to)
}

pub(super) fn find(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<DeliveryDetail>> {
    let Some(delivery) = one(tx, id)? else {
        return Ok(None);
    };
    Ok(Some(DeliveryDetail {
        delivery,
        push: kept_message(tx, id)?,
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

pub(super) fn one(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<DeliveryRecord>> {
    let mut select = tx.prepare_cached(SELECT_ONE)?;
    select
        .query_row([id], |row| cells::read(row, record))
        .optional()
}

/// Reads the push back, and the message out of its body; `None` once age has emptied it.
fn kept_message(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<Option<KeptMessage>> {
    let mut select = tx.prepare_cached(SELECT_CAPTURE)?;
    let kept = select.query_row([id], |row| {
        let Unpacked { head, body } = packed::read(row)?;
        let capture = as_capture(&head, body)?;
        let source = SourceId(row.get("source")?);
        let delivery = capture
            .clone()
            .into_delivery(source, read_time(row, "received_at")?);
        let message = envelope::parse(&delivery).message;
        Ok(KeptMessage { capture, message })
    });
    kept.optional()
}

/// Reads the columns `head` and `body`.
pub(super) fn read_capture(row: &Row<'_>) -> rusqlite::Result<Capture> {
    let head: Vec<u8> = row.get("head")?;
    as_capture(&head, row.get("body")?)
}

fn as_capture(head: &[u8], body: Vec<u8>) -> rusqlite::Result<Capture> {
    let capture = capture::parse(head).map_err(|error| unreadable(error.into()))?;
    Ok(Capture {
        body: Some(body),
        ..capture
    })
}

fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<DeliveryRecord> {
    let mut record = DeliveryRecord {
        id: cells.get("id")?,
        source: cells.get("source")?,
        owner: cells.get("owner")?,
        region: cells.get("region")?,
        topic: cells.get("topic")?,
        subscription: cells.get("subscription")?,
        subscriber: cells.get("subscriber")?,
        message_id: cells.get("message_id")?,
        tag: cells.get("tag")?,
        format: cells.word("format", format_from_word)?,
        published_at: cells.maybe_time("published_at")?,
        received_at: cells.time("received_at")?,
        lag_ms: None,
        duplicates: cells.count("duplicates")?,
        last_duplicate_at: cells.maybe_time("last_duplicate_at")?,
        differs: cells.get("differs")?,
        md5_mismatch: cells.get("md5_mismatch")?,
        body_bytes: cells.count("body_bytes")?,
        unrecognized: cells.get("unrecognized")?,
    };
    let published_at = record.published_at;
    record.lag_ms = published_at.map(|published_at| record.received_at.since_ms(published_at));
    Ok(record)
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
    use crate::store::records::Place;

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
        let mut place = Place::First;
        loop {
            let page = Page { limit: 2, place };
            let all = DeliveryFilter::default();
            let listing = test.store.page_deliveries(&all, page).unwrap();
            seen.extend(listing.items.into_iter().filter_map(|row| row.message_id));
            let Some(next) = listing.next else { break };
            place = Place::After(next);
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
        assert_eq!(detail.push, None);
        assert_eq!(detail.events.len(), 1);
    }

    /// Four deliveries: `a` of two topics and sources, one of each that is odd.
    fn odd_ones(test: &TestStore) {
        let other = fixtures::register(&test.store, "other");
        put(test, "a", 0);
        let mut arrival = fixtures::arrival_saying("b", NOON, "not JSON");
        arrival.delivery.source = other.id;
        arrival.delivery.received_at = NOON.plus_ms(1);
        test.append(arrival);
        put(test, "c", 2);
        put(test, "c", 3);
        put(test, "d", 4);
        let again = fixtures::arrival_of("topic", "d", Vec::new());
        test.append(fixtures::renotify(again, |notification| {
            notification.message = b"another".to_vec();
        }));
        let elsewhere = fixtures::arrival_of("far", "e", Vec::new());
        let mut elsewhere = fixtures::renotify(elsewhere, |notification| {
            notification.format = Format::Json;
        });
        elsewhere.delivery.received_at = NOON.plus_ms(5);
        test.append(elsewhere);
    }

    #[test]
    fn each_filter_gives_its_deliveries_newest_first_whatever_the_page() {
        let test = fixtures::open();
        odd_ones(&test);
        let with = |change: &dyn Fn(&mut DeliveryFilter)| {
            let mut filter = DeliveryFilter::default();
            change(&mut filter);
            filter
        };
        let only = |only| with(&move |filter| filter.only = Some(only));
        let cases = [
            (with(&|_| {}), "edcba"),
            (with(&|f| f.source = Some("other".to_owned())), "b"),
            (with(&|f| f.source = Some("none".to_owned())), ""),
            (with(&|f| f.topic = Some("far".to_owned())), "e"),
            (with(&|f| f.format = Some(Format::Simplified)), "dcba"),
            (with(&|f| f.from = Some(NOON.plus_ms(2))), "edc"),
            (with(&|f| f.to = Some(NOON.plus_ms(2))), "ba"),
            (only(DeliveryOnly::Unrecognized), "b"),
            (only(DeliveryOnly::Differs), "d"),
            (only(DeliveryOnly::Repeated), "dc"),
        ];
        for (filter, expected) in cases {
            for limit in [1, 3] {
                let read = |page| test.store.page_deliveries(&filter, page).unwrap();
                let seen = fixtures::walked(limit, read).into_iter();
                let seen: String = seen.filter_map(|row| row.message_id).collect();
                assert_eq!(seen, expected, "{filter:?} by {limit}");
            }
            let counted = test.store.count_deliveries(&filter).unwrap();
            assert_eq!(counted.rows, expected.len() as u64, "{filter:?}");
            assert!(counted.is_all);
        }
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = fixtures::open();
        let mut statements = vec![SELECT_ONE.to_owned(), SELECT_CAPTURE.to_owned()];
        let only = DeliveryOnly::ALL.map(Some);
        for only in only.into_iter().chain([None]) {
            let filter = DeliveryFilter {
                source: Some(String::new()),
                topic: Some(String::new()),
                format: Some(Format::Xml),
                only,
                from: Some(NOON),
                to: Some(NOON),
            };
            statements.extend(query(&filter, by_index(&filter)).statements());
        }
        for sql in statements {
            fixtures::assert_by_index(&test.look(), &sql);
        }
    }
}
