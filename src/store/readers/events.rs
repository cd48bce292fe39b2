//! Events as rows: the list of them, those of one delivery, and those of one job or run in the order
//! they are folded in.

use rusqlite::{Transaction, params};

use crate::notification::event::JobState;
use crate::store::cells::{self, Cells};
use crate::store::event_text::Named;
use crate::store::filters::EventFilter;
use crate::store::lane_records::Counted;
use crate::store::readers::listing;
use crate::store::readers::query::{Index, Lead, Query, Shape};
use crate::store::records::{EventRecord, Listing, Page, PageKey, RowId, TimeSource};
use crate::store::scan_records::{Scanned, Stretch};

/// The most events one detail shows: its last ones. A job has one to five, a run's message one for
/// each node.
const EVENTS_SHOWN_MAX: i64 = 1_000;

const SELECT_OF_DELIVERY: &str = "
    SELECT event.id, event.kind, event.delivery, event.state, event.at, event.at_from, event.event,
      delivery.owner, delivery.topic, delivery.received_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.delivery = ?1
    ORDER BY event.position
    LIMIT ?2";

// The order of `jobs.rs`, backwards too.
const SELECT_OF_JOB: &str = "
    SELECT event.id, event.kind, event.delivery, event.state, event.at, event.at_from, event.event,
      delivery.owner, delivery.topic, delivery.received_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.job = (SELECT id FROM job WHERE job = ?2 AND owner = ?1)
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT ?3";

// The order of `runs.rs`, backwards too.
const SELECT_OF_RUN: &str = "
    SELECT event.id, event.kind, event.delivery, event.state, event.at, event.at_from, event.event,
      delivery.owner, delivery.topic, delivery.received_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.run = (SELECT id FROM run WHERE run = ?2 AND owner = ?1)
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT ?3";

// CROSS JOIN: SQLite then takes the tables in this order, and the order of the index is that of
// the page.
const LIST: Shape = Shape {
    columns:
        "event.id, event.kind, event.delivery, event.state, event.at, event.at_from, event.event,
      delivery.owner, delivery.topic, delivery.received_at",
    table: "event",
    join: " CROSS JOIN delivery ON delivery.id = event.delivery",
    at: "event.at",
    id: "event.id",
    words: "",
};

pub(super) fn page(
    tx: &Transaction<'_>,
    filter: &EventFilter,
    page: Page,
) -> rusqlite::Result<Listing<EventRecord>> {
    let rows = query(filter, by_index(filter)).page(tx, page, record)?;
    Ok(listing(page, rows, |event: &EventRecord| PageKey {
        at: event.at,
        id: event.id,
    }))
}

/// Reads events in the order of their numbers.
pub(super) fn scan(
    tx: &Transaction<'_>,
    filter: &EventFilter,
    stretch: Stretch,
) -> rusqlite::Result<Scanned<EventRecord>> {
    query(filter, Lead::Number).scan(tx, stretch, record)
}

pub(super) fn count(tx: &Transaction<'_>, filter: &EventFilter) -> rusqlite::Result<Counted> {
    query(filter, by_index(filter)).count(tx)
}

const BY_TIME: Index = Index::of("event_by_time", &[]);
const BY_KIND: Index = Index::of("event_by_kind", &["kind"]);

fn by_index(filter: &EventFilter) -> Lead {
    Lead::Index(match filter.kind {
        Some(_) => &BY_KIND,
        None => &BY_TIME,
    })
}

fn query(filter: &EventFilter, lead: Lead) -> Query {
    Query::new(&LIST, lead)
        .equals("kind", filter.kind.clone())
        .within(filter.from, filter.to)
}

/// Returns a delivery's events in the order of its message.
pub(super) fn of_delivery(
    tx: &Transaction<'_>,
    delivery: RowId,
) -> rusqlite::Result<Vec<EventRecord>> {
    let mut select = tx.prepare_cached(SELECT_OF_DELIVERY)?;
    let rows = select.query_map(params![delivery, EVENTS_SHOWN_MAX], |row| {
        cells::read(row, record)
    })?;
    rows.collect()
}

/// Returns a job's events in the order they are folded in.
pub(super) fn of_job(
    tx: &Transaction<'_>,
    owner: &str,
    job: &str,
) -> rusqlite::Result<Vec<EventRecord>> {
    of_entity(tx, SELECT_OF_JOB, owner, job)
}

/// Returns the events of a run and its activities in the order they are folded in.
pub(super) fn of_run(
    tx: &Transaction<'_>,
    owner: &str,
    run: &str,
) -> rusqlite::Result<Vec<EventRecord>> {
    of_entity(tx, SELECT_OF_RUN, owner, run)
}

fn of_entity(
    tx: &Transaction<'_>,
    sql: &str,
    owner: &str,
    id: &str,
) -> rusqlite::Result<Vec<EventRecord>> {
    let mut select = tx.prepare_cached(sql)?;
    let rows = select.query_map(params![owner, id, EVENTS_SHOWN_MAX], |row| {
        cells::read(row, record)
    })?;
    let mut events: Vec<EventRecord> = rows.collect::<rusqlite::Result<_>>()?;
    events.reverse();
    Ok(events)
}

fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<EventRecord> {
    let kind: String = cells.get("kind")?;
    let event = cells.event("event")?;
    let Named { job_id, run_id } = Named::in_event(&event);
    let subject = if kind == "job" { job_id } else { run_id };
    Ok(EventRecord {
        id: cells.get("id")?,
        delivery: cells.get("delivery")?,
        owner: cells.get("owner")?,
        subject,
        kind,
        state: cells
            .get::<Option<String>>("state")?
            .and_then(|word| JobState::from_word(&word)),
        at: cells.time("at")?,
        at_from: cells.word("at_from", TimeSource::from_word)?,
        event,
        topic: cells.get("topic")?,
        received_at: cells.time("received_at")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures::{self, NOON, arrival, arrival_saying, renotify};

    use super::*;

    const START: &str = include_str!("../../../tests/data/workflow-start.json");

    #[test]
    fn the_list_has_every_kind_newest_first_and_each_filter_its_own() {
        let test = fixtures::open();
        test.append(renotify(arrival("m1", "j"), |notification| {
            notification.published_at = Some(NOON.plus_ms(-5));
        }));
        test.append(arrival_saying("m2", NOON, START));
        test.append(arrival_saying("m3", NOON.plus_ms(9_000), "not JSON"));
        let kinds = |filter: EventFilter| {
            let read = |page| test.store.page_events(&filter, page).unwrap();
            let seen = fixtures::walked(1, read).into_iter();
            let seen: Vec<String> = seen.map(|event| event.kind).collect();
            seen.join(" ")
        };
        let all = "unrecognized activity run job";
        assert_eq!(kinds(EventFilter::default()), all);
        for kind in all.split(' ') {
            let filter = EventFilter {
                kind: Some(kind.to_owned()),
                ..EventFilter::default()
            };
            assert_eq!(kinds(filter), kind);
        }
        let between = EventFilter {
            from: Some(NOON.plus_ms(-5)),
            to: Some(NOON),
            ..EventFilter::default()
        };
        assert_eq!(kinds(between), "job");
    }

    #[test]
    fn no_list_scans_a_table_or_sorts_it() {
        let test = fixtures::open();
        for kind in [None, Some("run".to_owned())] {
            let filter = EventFilter {
                kind,
                from: Some(NOON),
                to: Some(NOON),
            };
            for sql in query(&filter, by_index(&filter)).statements() {
                fixtures::assert_by_index(&test.look(), &sql);
            }
        }
    }
}
