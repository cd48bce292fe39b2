//! Storing a message: its delivery once, its events, and the rows they are about.
//!
//! **Architecture invariant:** the same message is one row. The unique index over its key says so,
//! not a look-up before; what loses against it is counted on the row that is there.
//!
//! The key is 16 bytes of a SHA-256 over (owner, region, topic, message id). As text it would be
//! some 90 bytes in every entry of the index; the hash is a quarter of that, so the index stays in
//! memory several times longer. Its places are random, but so are new-style message ids, and no
//! prefix that grows with time would be right: the key must be the same for a push of the same
//! message whose publish time did not come along. A collision by chance is out of reach at 128
//! bits, and one by force would need a second preimage, or would only merge messages of the same
//! attacker.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::notification::Notification;
use crate::notification::capture;
use crate::notification::delivery::Delivery;
use crate::notification::event::{Event, JobState};
use crate::store::batch::Batch;
use crate::store::errors::WriteError;
use crate::store::event_rows::{EventRow, Filing, Lane};
use crate::store::import::Imported;
use crate::store::inbox::Context;
use crate::store::numbers::About;
use crate::store::packed::{self, Packed};
use crate::store::records::RowId;
use crate::store::values::count;
use crate::store::{Appended, Arrival, OwnerRule, held, retention, sources};

const INSERT_DELIVERY: &str = "
    INSERT INTO delivery (
      key, source, owner, region, topic, subscriber, subscription, message_id, tag, format,
      published_at, received_at, md5_mismatch, message_sha256, body_bytes, unrecognized
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
    ON CONFLICT (key) DO NOTHING";

const COUNT_DUPLICATE: &str = "
    UPDATE delivery
    SET duplicates = duplicates + 1,
      last_duplicate_at = MAX(COALESCE(last_duplicate_at, ?2), ?2),
      differs = MAX(differs, message_sha256 <> ?3)
    WHERE key = ?1
    RETURNING id, message_sha256 <> ?3";

const SELECT_DIFFERENT: &str = "SELECT id FROM delivery WHERE key = ?1 AND message_sha256 <> ?2";

const SELECT_IS_DIFFERENT: &str = "SELECT message_sha256 <> ?2 FROM delivery WHERE key = ?1";

const INSERT_CAPTURE: &str = "INSERT INTO delivery_capture (delivery, push) VALUES (?1, ?2)";

// Each job and each run once.
const SELECT_SUBJECTS: &str = "
    SELECT DISTINCT job, NULL AS run FROM event WHERE delivery = ?1 AND job IS NOT NULL
    UNION ALL
    SELECT DISTINCT NULL, run FROM event WHERE delivery = ?1 AND run IS NOT NULL";

const KEY_BYTES: usize = 16;

/// Writes an [`Arrival`]; see [`Appended`] for what may become of it. What it is about is folded at
/// the end of the transaction. Its push comes packed, since the writer has no time for that.
pub(super) fn append(
    tx: &Transaction<'_>,
    ctx: &Context,
    batch: &mut Batch,
    (arrival, packed): &(Arrival, Packed),
) -> rusqlite::Result<Result<Appended, WriteError>> {
    append_packed(tx, ctx, batch, arrival, packed)
}

fn append_packed(
    tx: &Transaction<'_>,
    ctx: &Context,
    batch: &mut Batch,
    arrival: &Arrival,
    packed: &Packed,
) -> rusqlite::Result<Result<Appended, WriteError>> {
    // First what may forbid it, so that nothing is written then.
    if let Some(id) = arrival.from_held
        && !held::is_there(tx, id)?
    {
        return Ok(Ok(Appended::NoLongerHeld));
    }
    let key = delivery_key(&arrival.region, &arrival.notification);
    let message_sha256: [u8; 32] = Sha256::digest(&arrival.notification.message).into();
    if arrival.from_held.is_some()
        && let Some(delivery) = find_different(tx, key, message_sha256)?
    {
        return Ok(Ok(Appended::HeldDiffers { delivery }));
    }
    if arrival.owner == OwnerRule::Pin {
        let owner = arrival
            .notification
            .topic_owner
            .as_deref()
            .unwrap_or_default();
        if !sources::pin(tx, ctx, arrival.delivery.source, owner)? {
            return Ok(Ok(Appended::AnotherOwnerPinned));
        }
    }
    if let Some(id) = arrival.from_held {
        held::remove(tx, id)?;
    }
    let appended = match insert_delivery(tx, arrival, key, message_sha256)? {
        Some(delivery) => {
            insert_capture(tx, delivery, packed)?;
            insert_events(tx, ctx, batch, delivery, arrival)?;
            if !batch.is_import {
                let events = arrival.events.iter();
                events
                    .for_each(|event| batch.tally.add_event(event.word(), state_of(event).word()));
            }
            note_stored(ctx, batch, arrival);
            batch.note_message(arrival.delivery.received_at);
            Appended::Stored { delivery }
        }
        None => count_duplicate(tx, batch, &arrival.delivery, key, message_sha256)?,
    };
    // What comes in late says nothing of the time now.
    if !batch.is_import && arrival.from_held.is_none() {
        batch.note_push(&arrival.delivery);
    }
    Ok(Ok(appended))
}

/// Writes arrivals of another sink whose keys are not there. What is there stays as it is, and nothing
/// is counted on it: no push has come again. What is older than what age has taken here stays out:
/// it may have been here, and the roll-ups still count it.
pub(super) fn import(
    tx: &Transaction<'_>,
    ctx: &Context,
    batch: &mut Batch,
    arrivals: &Arc<Vec<Arrival>>,
) -> rusqlite::Result<Result<Imported, WriteError>> {
    batch.is_import = true;
    let imported = import_each(tx, ctx, batch, arrivals);
    batch.is_import = false;
    imported
}

fn import_each(
    tx: &Transaction<'_>,
    ctx: &Context,
    batch: &mut Batch,
    arrivals: &[Arrival],
) -> rusqlite::Result<Result<Imported, WriteError>> {
    let mut imported = Imported::default();
    let history_from = retention::retained(tx)?.history_from;
    for arrival in arrivals {
        let key = delivery_key(&arrival.region, &arrival.notification);
        let sha256: [u8; 32] = Sha256::digest(&arrival.notification.message).into();
        let mut select = tx.prepare_cached(SELECT_IS_DIFFERENT)?;
        let is_different = select.query_row(params![key, sha256], |row| row.get(0));
        match is_different.optional()? {
            Some(true) => imported.different += 1,
            Some(false) => imported.known += 1,
            None if arrival.delivery.received_at < history_from => imported.forgotten += 1,
            None => match append_packed(tx, ctx, batch, arrival, &pack(&arrival.delivery))? {
                Ok(_) => imported.stored += 1,
                Err(error) => return Ok(Err(error)),
            },
        }
    }
    Ok(Ok(imported))
}

/// Hashes what makes a message the same one. Each field goes in with its length, so that no two
/// lists of fields give the same bytes. Without a message id, publish time and message stand in.
fn delivery_key(region: &str, notification: &Notification) -> [u8; KEY_BYTES] {
    let mut hash = Sha256::new();
    let mut add = |field: &[u8]| {
        hash.update(field.len().to_be_bytes());
        hash.update(field);
    };
    add(text(notification.topic_owner.as_ref()).as_bytes());
    add(region.as_bytes());
    add(text(notification.topic.as_ref()).as_bytes());
    if let Some(id) = &notification.message_id {
        add(b"id");
        add(id.as_bytes());
    } else {
        let published_at = notification.published_at.map(|at| at.0.to_be_bytes());
        add(b"message");
        add(published_at.as_ref().map_or(&[], |at| &at[..]));
        add(&notification.message);
    }
    let mut key = [0; KEY_BYTES];
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

fn text(field: Option<&String>) -> &str {
    field.map_or("", String::as_str)
}

/// Returns the new row's number, or `None` if the key is there.
fn insert_delivery(
    tx: &Transaction<'_>,
    arrival: &Arrival,
    key: [u8; KEY_BYTES],
    message_sha256: [u8; 32],
) -> rusqlite::Result<Option<RowId>> {
    let notification = &arrival.notification;
    let unrecognized = why_unrecognized(&arrival.events);
    let mut insert = tx.prepare_cached(INSERT_DELIVERY)?;
    let inserted = insert.execute(params![
        key,
        arrival.delivery.source.0,
        text(notification.topic_owner.as_ref()),
        arrival.region,
        text(notification.topic.as_ref()),
        notification.subscriber,
        notification.subscription,
        notification.message_id,
        notification.tag,
        notification.format.word(),
        notification.published_at.map(|at| at.0),
        arrival.delivery.received_at.0,
        arrival.md5_mismatch,
        message_sha256,
        count(arrival.delivery.body.len()),
        unrecognized,
    ])?;
    Ok((inserted > 0).then(|| tx.last_insert_rowid()))
}

fn state_of(event: &Event) -> JobState {
    match event {
        Event::Job(job) => job.state,
        Event::Run(run) => run.state,
        Event::Activity(activity) => activity.state,
        Event::Unrecognized(_) => JobState::Unknown,
    }
}

/// Returns why a message with these events was not understood; `None` if it was.
pub(super) fn why_unrecognized(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match event {
        Event::Unrecognized(unrecognized) => Some(unrecognized.reason.as_str()),
        Event::Job(_) | Event::Run(_) | Event::Activity(_) => None,
    })
}

/// Returns the row that has the key with another message.
fn find_different(
    tx: &Transaction<'_>,
    key: [u8; KEY_BYTES],
    message_sha256: [u8; 32],
) -> rusqlite::Result<Option<RowId>> {
    let mut select = tx.prepare_cached(SELECT_DIFFERENT)?;
    let id = select.query_row(params![key, message_sha256], |row| row.get(0));
    id.optional()
}

fn count_duplicate(
    tx: &Transaction<'_>,
    batch: &mut Batch,
    push: &Delivery,
    key: [u8; KEY_BYTES],
    message_sha256: [u8; 32],
) -> rusqlite::Result<Appended> {
    let mut update = tx.prepare_cached(COUNT_DUPLICATE)?;
    let (delivery, differs) = update
        .query_row(params![key, push.received_at.0, message_sha256], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let hour = batch.arrivals.at(push.source, push.received_at);
    hour.add_duplicate(push.received_at, differs);
    let mut select = tx.prepare_cached(SELECT_SUBJECTS)?;
    let mut rows = select.query([delivery])?;
    while let Some(row) = rows.next()? {
        batch.repeat(About {
            job: row.get("job")?,
            run: row.get("run")?,
        });
    }
    Ok(Appended::Duplicate { delivery, differs })
}

/// Counts a new delivery in the hour it came.
fn note_stored(ctx: &Context, batch: &mut Batch, arrival: &Arrival) {
    let received_at = arrival.delivery.received_at;
    let is_import = batch.is_import;
    let hour = batch.arrivals.at(arrival.delivery.source, received_at);
    if is_import {
        hour.add_imported();
    } else {
        let published_at = arrival.notification.published_at;
        hour.add_stored(received_at, published_at);
        ctx.life.note_taken(received_at, published_at);
    }
    if why_unrecognized(&arrival.events).is_some() {
        hour.add_unrecognized(1);
    }
}

fn insert_capture(tx: &Transaction<'_>, delivery: RowId, packed: &Packed) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(INSERT_CAPTURE)?;
    insert.execute(params![delivery, packed.bytes()])?;
    Ok(())
}

/// Packs the push of an arrival as it is kept.
pub(super) fn packed(arrival: Arrival) -> (Arrival, Packed) {
    let packed = pack(&arrival.delivery);
    (arrival, packed)
}

fn pack(push: &Delivery) -> Packed {
    let head = capture::write_head("POST", &push.target, &push.headers);
    packed::pack(&head, &push.body)
}

/// Writes the events, and leaves what they are about to be folded.
fn insert_events(
    tx: &Transaction<'_>,
    ctx: &Context,
    batch: &mut Batch,
    delivery: RowId,
    arrival: &Arrival,
) -> rusqlite::Result<()> {
    let owner = text(arrival.notification.topic_owner.as_ref());
    let filing = Filing {
        lane: Lane {
            region: &arrival.region,
            topic: text(arrival.notification.topic.as_ref()),
            source_queue: &arrival.queue,
        },
        published_at: arrival.notification.published_at,
        received_at: arrival.delivery.received_at,
    };
    for (position, event) in arrival.events.iter().enumerate() {
        let about = batch.numbers.about(tx, owner, event)?;
        let row = EventRow::of(event, &ctx.queues, &filing, about)?;
        row.insert(tx, delivery, count(position))?;
        batch.add_event(delivery, &arrival.region, row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::notification::event::{
        ActivityEvent, Event, Failure, JobEvent, JobState, RunEvent, Unrecognized,
    };
    use crate::notification::reason::HoldReason;
    use crate::notification::source::SourceId;
    use crate::store::filters::DeliveryFilter;
    use crate::store::fixtures::{self, NOON, TestStore, arrival, arrival_of, renotify};
    use crate::store::lane_records::LaneKey;
    use crate::store::records::{DeliveryRecord, Page, TimeSource};
    use crate::store::{Appended, Arrival, NewHeld, OwnerRule};

    use super::*;

    fn deliveries(test: &TestStore) -> Vec<DeliveryRecord> {
        let page = Page::first(1_000);
        test.store
            .page_deliveries(&DeliveryFilter::default(), page)
            .unwrap()
            .items
    }

    fn only_delivery(test: &TestStore) -> DeliveryRecord {
        let mut all = deliveries(test);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn pinning(id: &str, owner: Option<&str>) -> Arrival {
        let mut arrival = renotify(arrival(id, "j"), |notification| {
            notification.topic_owner = owner.map(str::to_owned);
        });
        arrival.owner = OwnerRule::Pin;
        arrival
    }

    fn held(signature: &[u8]) -> NewHeld {
        NewHeld {
            delivery: fixtures::delivery(SourceId(1), "topic", "m1", "message m1"),
            signature: signature.to_vec(),
            reason: HoldReason::Owner,
            owner: Some("1001".to_owned()),
            topic: Some("topic".to_owned()),
            message_id: Some("m1".to_owned()),
            explanation: "{}".to_owned(),
        }
    }

    #[test]
    fn the_same_message_again_is_counted_on_its_row() {
        let test = fixtures::open();
        let Appended::Stored { delivery } = test.append(arrival("m1", "j1")) else {
            panic!("not stored");
        };
        let mut again = arrival("m1", "j1");
        again.delivery.received_at = NOON.plus_ms(5_000);
        let again = test.append(again);
        assert_eq!(
            again,
            Appended::Duplicate {
                delivery,
                differs: false
            }
        );
        let row = only_delivery(&test);
        assert_eq!(row.duplicates, 1);
        assert_eq!(row.last_duplicate_at, Some(NOON.plus_ms(5_000)));
        assert_eq!(row.received_at, NOON);
        assert!(!row.differs);
        let job = test.job();
        assert_eq!((job.events, job.deliveries), (1, 2));
    }

    #[test]
    fn another_message_under_the_same_key_keeps_the_first_and_is_flagged_for_good() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let other = renotify(arrival("m1", "j2"), |notification| {
            notification.message = b"another".to_vec();
        });
        let appended = test.append(other);
        assert!(matches!(
            appended,
            Appended::Duplicate { differs: true, .. }
        ));
        let same = test.append(arrival("m1", "j1"));
        assert!(matches!(same, Appended::Duplicate { differs: false, .. }));
        let row = only_delivery(&test);
        assert!(row.differs);
        assert_eq!(row.duplicates, 2);
        assert_eq!(test.job().id, "j1");
        let detail = test.store.find_delivery(row.id).unwrap().unwrap();
        assert_eq!(detail.push.unwrap().message, b"message m1");
    }

    #[test]
    fn a_message_is_another_one_by_owner_region_topic_or_id() {
        let test = fixtures::open();
        test.append(arrival("m1", "j"));
        test.append(arrival("m2", "j"));
        test.append(arrival_of("topic2", "m1", Vec::new()));
        test.append(renotify(arrival("m1", "j"), |notification| {
            notification.topic_owner = Some("1002".to_owned());
        }));
        let mut elsewhere = arrival("m1", "j");
        elsewhere.region = "cn-beijing".to_owned();
        test.append(elsewhere);
        assert_eq!(deliveries(&test).len(), 5);
    }

    #[test]
    fn without_an_id_topic_publish_time_and_message_tell_messages_apart() {
        let without_id = |message: &str, published_at: Option<i64>| {
            renotify(arrival("x", "j"), |notification| {
                notification.message_id = None;
                notification.message = message.as_bytes().to_vec();
                notification.published_at = published_at.map(Timestamp);
            })
        };
        let test = fixtures::open();
        for (message, at) in [("a", Some(1)), ("b", Some(1)), ("a", Some(2)), ("a", None)] {
            let first = test.append(without_id(message, at));
            assert!(matches!(first, Appended::Stored { .. }), "{message} {at:?}");
            let again = test.append(without_id(message, at));
            assert!(matches!(again, Appended::Duplicate { differs: false, .. }));
        }
        assert_eq!(deliveries(&test).len(), 4);
    }

    #[test]
    fn fields_that_only_run_together_alike_are_not_the_same_key() {
        let notification = |owner: &str, topic: &str| {
            let arrival = renotify(arrival("m", "j"), |notification| {
                notification.topic_owner = Some(owner.to_owned());
                notification.topic = Some(topic.to_owned());
            });
            arrival.notification.into_inner()
        };
        let key = |owner, region, topic| delivery_key(region, &notification(owner, topic));
        assert_ne!(key("ab", "", "c"), key("a", "", "bc"));
        assert_ne!(key("a", "b", "c"), key("a", "", "bc"));
        assert_eq!(key("a", "b", "c"), key("a", "b", "c"));
    }

    #[test]
    fn a_delivery_comes_back_as_it_came() {
        let test = fixtures::open();
        let mut came = arrival("m1", "j1");
        came.delivery.headers.add("x-mns-odd", &b"\xff\xfe"[..]);
        came.delivery.body = b"message \0 \xff".to_vec();
        came.md5_mismatch = true;
        let expected = capture::Capture::of(&came.delivery);
        let Appended::Stored { delivery } = test.append(came) else {
            panic!("not stored");
        };
        let detail = test.store.find_delivery(delivery).unwrap().unwrap();
        let push = detail.push.unwrap();
        assert_eq!(push.capture, expected);
        assert_eq!(push.message, b"message \0 \xff");
        assert!(detail.delivery.md5_mismatch);
        assert_eq!(detail.delivery.source, "default");
        assert_eq!(detail.delivery.lag_ms, Some(0));
        assert_eq!(test.store.find_delivery(delivery + 1).unwrap(), None);
    }

    #[test]
    fn what_was_not_understood_is_kept_with_its_reason_and_is_no_job() {
        let test = fixtures::open();
        let reason = "not JSON".to_owned();
        let event = Event::Unrecognized(Unrecognized {
            reason: reason.clone(),
        });
        test.append(arrival_of("topic", "m1", vec![event]));
        let row = only_delivery(&test);
        assert_eq!(row.unrecognized, Some(reason));
        assert!(test.jobs().is_empty());
        let detail = test.store.find_delivery(row.id).unwrap().unwrap();
        assert_eq!(detail.events[0].kind, "unrecognized");
        assert_eq!(detail.events[0].subject, None);
    }

    #[test]
    fn runs_and_activities_are_kept_as_events_with_their_times_and_are_in_no_queue() {
        let test = fixtures::open();
        let run = RunEvent {
            run_id: "r1".to_owned(),
            state: JobState::Completed,
            happened_at: Some(Timestamp(7)),
            ..RunEvent::default()
        };
        let activity = ActivityEvent {
            run_id: "r1".to_owned(),
            job_id: Some("j1".to_owned()),
            ..ActivityEvent::default()
        };
        let events = vec![Event::Run(run), Event::Activity(activity)];
        test.append(arrival_of("topic", "m1", events));
        test.append(arrival_of("topic", "m1", Vec::new()));
        let detail = test.store.find_delivery(1).unwrap().unwrap();
        let kinds: Vec<_> = detail
            .events
            .iter()
            .map(|event| (event.kind.as_str(), event.subject.as_deref()))
            .collect();
        assert_eq!(kinds, [("run", Some("r1")), ("activity", Some("r1"))]);
        let times: Vec<_> = detail
            .events
            .iter()
            .map(|event| (event.at, event.at_from))
            .collect();
        let expected = [
            (Timestamp(7), TimeSource::Message),
            (NOON, TimeSource::Envelope),
        ];
        assert_eq!(times, expected);
        assert_eq!(test.job().queue, None);
        assert!(
            test.lanes()
                .iter()
                .all(|(key, ..)| matches!(key, LaneKey::Workflow { .. }))
        );
    }

    #[test]
    fn of_two_owners_in_one_batch_the_first_is_pinned_and_the_second_is_not_written() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let first = test.send(pinning("m1", Some("1001")));
        let second = test.send(pinning("m2", Some("2002")));
        let third = test.send(pinning("m3", Some("1001")));
        stopped.go_on();
        let mut answers = [first, second, third]
            .map(|task| test.runtime.block_on(task).unwrap().unwrap())
            .into_iter();
        assert!(matches!(answers.next(), Some(Appended::Stored { .. })));
        assert_eq!(answers.next(), Some(Appended::AnotherOwnerPinned));
        assert!(matches!(answers.next(), Some(Appended::Stored { .. })));
        assert_eq!(deliveries(&test).len(), 2);
        assert_eq!(test.store.allowances().unwrap()[0].owners, ["1001"]);
        assert_eq!(
            test.append(pinning("m4", None)),
            Appended::AnotherOwnerPinned
        );
    }

    #[test]
    fn an_owner_that_a_person_allowed_is_let_in_and_nobody_is_pinned_beside() {
        let test = fixtures::open();
        let source = test.source.id;
        let allow = || test.store.allow_owner(source, "2002".to_owned());
        test.runtime.block_on(allow()).unwrap();
        test.runtime.block_on(allow()).unwrap();
        let refused = test.append(pinning("m1", Some("1001")));
        assert_eq!(refused, Appended::AnotherOwnerPinned);
        let stored = test.append(pinning("m2", Some("2002")));
        assert!(matches!(stored, Appended::Stored { .. }));
        assert_eq!(test.store.allowances().unwrap()[0].owners, ["2002"]);
    }

    #[test]
    fn a_checked_owner_is_not_pinned() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        assert!(test.store.allowances().unwrap()[0].owners.is_empty());
    }

    #[test]
    fn a_held_push_is_brought_in_once_and_gone_with_it() {
        let test = fixtures::open();
        let id = test.hold(held(b"s1")).unwrap();
        let admitted = || Arrival {
            from_held: Some(id),
            ..arrival("m1", "j1")
        };
        assert!(matches!(test.append(admitted()), Appended::Stored { .. }));
        assert_eq!(test.store.find_held(id).unwrap(), None);
        assert_eq!(test.append(admitted()), Appended::NoLongerHeld);
        assert_eq!(only_delivery(&test).duplicates, 0);

        let id = test.hold(held(b"s2")).unwrap();
        let duplicate = Arrival {
            from_held: Some(id),
            ..arrival("m1", "j1")
        };
        assert!(matches!(test.append(duplicate), Appended::Duplicate { .. }));
        assert_eq!(test.store.attention().unwrap().held, 0);
    }

    #[test]
    fn a_held_push_stays_when_its_key_is_that_of_another_message() {
        let test = fixtures::open();
        let Appended::Stored { delivery } = test.append(arrival("m1", "j1")) else {
            panic!("not stored");
        };
        let id = test.hold(held(b"s1")).unwrap();
        let mut admitted = renotify(pinning("m1", Some("1001")), |notification| {
            notification.message = b"another".to_vec();
        });
        admitted.from_held = Some(id);
        assert_eq!(test.append(admitted), Appended::HeldDiffers { delivery });
        assert!(test.store.find_held(id).unwrap().is_some());
        let row = only_delivery(&test);
        assert_eq!((row.duplicates, row.differs), (0, false));
        assert!(test.store.allowances().unwrap()[0].owners.is_empty());
    }

    #[test]
    fn a_held_push_stays_when_another_owner_is_pinned() {
        let test = fixtures::open();
        test.append(pinning("m0", Some("1001")));
        let id = test.hold(held(b"s1")).unwrap();
        let mut admitted = pinning("m1", Some("2002"));
        admitted.from_held = Some(id);
        assert_eq!(test.append(admitted), Appended::AnotherOwnerPinned);
        assert!(test.store.find_held(id).unwrap().is_some());
    }

    #[test]
    fn strings_with_zero_bytes_and_absurd_times_come_back() {
        let test = fixtures::open();
        let event = JobEvent {
            job_id: "j\0x".to_owned(),
            state: JobState::Failed,
            failure: Some(Failure {
                code: Some("InvalidParameter.\0".to_owned()),
                message: None,
            }),
            started_at: Some(Timestamp(i64::MIN)),
            finished_at: Some(Timestamp(i64::MAX)),
            ..JobEvent::default()
        };
        test.append(arrival_of("topic", "m\0", vec![Event::Job(event)]));
        let job = test.job();
        assert_eq!(job.id, "j\0x");
        assert_eq!(job.code.as_deref(), Some("InvalidParameter.\0"));
        assert_eq!(job.duration_ms, Some(i64::MAX));
        assert_eq!(test.store.find_jobs("j\0x").unwrap().len(), 1);
        assert!(test.store.find_jobs("j").unwrap().is_empty());
    }
}
