//! Holding a push: believed but not let in, kept whole until a person decides.
//!
//! **Architecture invariant:** a push is one row, however often it comes. The sender signs each
//! retry anew (its request id and date are new, up to 176 times), so that a repeat is known by what
//! it says as well as by its signature: source, reason, owner, topic, message id and body. Its first
//! copy stays as it is, and repeats are counted on it.
//!
//! All rows together have a bound in bytes, so that a stranger with a topic of his own
//! cannot fill the disk; beyond it the push is not taken, and the sender keeps trying. The sums are
//! kept by the schema's triggers, so that no statement can forget them.

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::notification::capture;
use crate::notification::delivery::Delivery;
use crate::store::NewHeld;
use crate::store::arrivals::Hours;
use crate::store::errors::WriteError;
use crate::store::inbox::Context;
use crate::store::records::RowId;
use crate::store::values::count;

/// By the row's number, since signature and content may be those of two rows.
const COUNT_REPEAT: &str = "
    UPDATE held
    SET repeats = repeats + 1, last_repeat_at = MAX(COALESCE(last_repeat_at, ?3), ?3)
    WHERE id = (SELECT MIN(id) FROM held WHERE signature = ?1 OR content = ?2)
    RETURNING id";

const SELECT_BYTES: &str = "SELECT value FROM total WHERE name = 'held_bytes'";

const INSERT_HELD: &str = "
    INSERT INTO held (
      signature, content, source, reason, received_at, owner, topic, message_id, body_bytes,
      bytes, explanation, head, body
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    RETURNING id";

const SELECT_IS_THERE: &str = "SELECT 1 FROM held WHERE id = ?1";

const DELETE_HELD: &str = "DELETE FROM held WHERE id = ?1";

/// What a row takes beside its texts and blobs: its numbers and its places in the indexes.
const ROW_BYTES: usize = 256;

const CONTENT_BYTES: usize = 16;

/// Keeps a push, or counts it on the row that has its signature or its content. A repeat is welcome
/// also when there is no more room.
pub(super) fn hold(
    tx: &Transaction<'_>,
    ctx: &Context,
    push: &NewHeld,
) -> rusqlite::Result<Result<RowId, WriteError>> {
    let content = content_key(push);
    let mut update = tx.prepare_cached(COUNT_REPEAT)?;
    let repeat = update.query_row(
        params![push.signature, content, push.delivery.received_at.0],
        |row| row.get(0),
    );
    if let Some(id) = repeat.optional()? {
        note_held(tx, &push.delivery)?;
        return Ok(Ok(id));
    }
    let head = capture::write_head("POST", &push.delivery.target, &push.delivery.headers);
    let bytes = ROW_BYTES
        .saturating_add(push.signature.len())
        .saturating_add(push.explanation.len())
        .saturating_add(head.len())
        .saturating_add(push.delivery.body.len());
    let taken: i64 = tx
        .prepare_cached(SELECT_BYTES)?
        .query_row([], |row| row.get(0))?;
    if taken.saturating_add(count(bytes)) > count(ctx.held_bytes_max) {
        return Ok(Err(WriteError::HeldFull));
    }
    let mut insert = tx.prepare_cached(INSERT_HELD)?;
    let id = insert.query_row(
        params![
            push.signature,
            content,
            push.delivery.source.0,
            push.reason.word(),
            push.delivery.received_at.0,
            push.owner,
            push.topic,
            push.message_id,
            count(push.delivery.body.len()),
            count(bytes),
            push.explanation,
            head,
            push.delivery.body,
        ],
        |row| row.get(0),
    )?;
    note_held(tx, &push.delivery)?;
    Ok(Ok(id))
}

/// Counts a push, repeats as well, in the hour it came.
fn note_held(tx: &Transaction<'_>, push: &Delivery) -> rusqlite::Result<()> {
    let mut arrivals = Hours::default();
    arrivals.at(push.source, push.received_at).add_held();
    arrivals.write(tx)
}

/// Hashes what makes a held push the same one. Each field goes in with its length, so that no two
/// lists of fields give the same bytes; one that is missing is not one that is empty.
fn content_key(push: &NewHeld) -> [u8; CONTENT_BYTES] {
    let mut hash = Sha256::new();
    let mut add = |field: Option<&[u8]>| {
        hash.update([u8::from(field.is_some())]);
        let field = field.unwrap_or_default();
        hash.update(field.len().to_be_bytes());
        hash.update(field);
    };
    add(Some(&push.delivery.source.0.to_be_bytes()));
    add(Some(push.reason.word().as_bytes()));
    for field in [&push.owner, &push.topic, &push.message_id] {
        add(field.as_ref().map(String::as_bytes));
    }
    add(Some(&push.delivery.body));
    let mut key = [0; CONTENT_BYTES];
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

/// Forgets a held push; returns whether it was there.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every command is given what was asked by reference"
)]
pub(super) fn drop_held(
    tx: &Transaction<'_>,
    _: &Context,
    id: &RowId,
) -> rusqlite::Result<Result<bool, WriteError>> {
    remove(tx, *id).map(Ok)
}

pub(super) fn is_there(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<bool> {
    tx.prepare_cached(SELECT_IS_THERE)?.exists([id])
}

pub(super) fn remove(tx: &Transaction<'_>, id: RowId) -> rusqlite::Result<bool> {
    let rows = tx.prepare_cached(DELETE_HELD)?.execute([id])?;
    Ok(rows > 0)
}

#[cfg(test)]
mod tests {
    use crate::notification::reason::HoldReason;
    use crate::notification::source::SourceId;
    use crate::store::filters::HeldFilter;
    use crate::store::fixtures::{self, NOON, TestStore};

    use super::*;

    fn held(test: &TestStore, id: &str, body: &str) -> NewHeld {
        NewHeld {
            delivery: fixtures::delivery(test.source.id, "topic", id, body),
            signature: id.as_bytes().to_vec(),
            reason: HoldReason::Owner,
            owner: Some("1001".to_owned()),
            topic: Some("topic".to_owned()),
            message_id: Some(id.to_owned()),
            explanation: r#"{"why": "so"}"#.to_owned(),
        }
    }

    #[test]
    fn a_held_push_is_kept_whole() {
        let test = fixtures::open();
        let push = held(&test, "m1", "body");
        let expected = capture::Capture::of(&push.delivery);
        let id = test.hold(push).unwrap();
        let detail = test.store.find_held(id).unwrap().unwrap();
        assert_eq!(detail.capture, expected);
        assert_eq!(detail.explanation["why"], "so");
        assert_eq!(detail.held.reason, HoldReason::Owner);
        assert_eq!(detail.held.body_bytes, 4);
        assert_eq!(detail.held.received_at, NOON);
        assert_eq!(test.store.find_held(id + 1).unwrap(), None);
    }

    #[test]
    fn the_same_signature_again_is_counted_on_its_row() {
        let test = fixtures::open();
        let id = test.hold(held(&test, "m1", "body")).unwrap();
        assert_eq!(test.hold(held(&test, "m1", "body")).unwrap(), id);
        assert_ne!(test.hold(held(&test, "m2", "body")).unwrap(), id);
        let detail = test.store.find_held(id).unwrap().unwrap();
        assert_eq!(detail.held.repeats, 1);
        assert_eq!(test.store.attention().unwrap().held, 2);
    }

    #[test]
    fn a_retry_that_is_signed_anew_is_counted_and_the_first_is_kept_as_it_came() {
        let test = fixtures::open();
        let first = held(&test, "m1", "body");
        let expected = capture::Capture::of(&first.delivery);
        let id = test.hold(first).unwrap();
        for (at, signature) in [(9_000, b"s2"), (5_000, b"s3")] {
            let mut retry = held(&test, "m1", "body");
            retry.signature = signature.to_vec();
            retry.delivery.received_at = NOON.plus_ms(at);
            retry.delivery.headers.add("x-mns-request-id", "another");
            assert_eq!(test.hold(retry).unwrap(), id);
        }
        let detail = test.store.find_held(id).unwrap().unwrap();
        assert_eq!((detail.held.repeats, detail.held.received_at), (2, NOON));
        assert_eq!(detail.capture, expected);
        assert_eq!(test.store.attention().unwrap().held, 1);
        let last_repeat_at: i64 = test
            .look()
            .query_row("SELECT last_repeat_at FROM held", [], |row| row.get(0))
            .unwrap();
        assert_eq!(last_repeat_at, NOON.plus_ms(9_000).0);
    }

    #[test]
    fn a_push_that_says_anything_else_is_another_row() {
        let test = fixtures::open();
        let other = fixtures::register(&test.store, "other").id;
        let changes: [&dyn Fn(&mut NewHeld); 9] = [
            &|_| {},
            &|push| push.delivery.source = other,
            &|push| push.reason = HoldReason::Topic,
            &|push| push.owner = None,
            &|push| push.owner = Some(String::new()),
            &|push| push.topic = Some("topic2".to_owned()),
            &|push| push.message_id = Some("m2".to_owned()),
            &|push| push.message_id = None,
            &|push| push.delivery.body = b"body2".to_vec(),
        ];
        for (at, change) in (0_u8..).zip(changes) {
            let mut push = held(&test, "m1", "body");
            push.signature = vec![at];
            change(&mut push);
            test.hold(push).unwrap();
        }
        assert_eq!(test.store.attention().unwrap().held, 9);
    }

    #[test]
    fn a_push_with_the_signature_of_one_and_the_content_of_another_is_counted_once() {
        let test = fixtures::open();
        let first = test.hold(held(&test, "m1", "body")).unwrap();
        let second = test.hold(held(&test, "m2", "body")).unwrap();
        let mut both = held(&test, "m2", "body");
        both.signature = held(&test, "m1", "body").signature;
        assert_eq!(test.hold(both).unwrap(), first);
        let repeats = |id| test.store.find_held(id).unwrap().unwrap().held.repeats;
        assert_eq!((repeats(first), repeats(second)), (1, 0));
    }

    #[test]
    fn the_room_is_full_at_its_bound_and_a_repeat_is_taken_all_the_same() {
        let test = fixtures::open();
        test.hold(held(&test, "m1", "body")).unwrap();
        let row: i64 = test
            .look()
            .query_row("SELECT bytes FROM held", [], |row| row.get(0))
            .unwrap();
        drop(test);

        let room = u64::try_from(row).unwrap() * 2;
        let test = fixtures::open_with(|options| options.held_bytes_max = room);
        let first = test.hold(held(&test, "m1", "body")).unwrap();
        test.hold(held(&test, "m2", "body")).unwrap();
        let error = test.hold(held(&test, "m3", "")).unwrap_err();
        assert!(matches!(error, WriteError::HeldFull), "{error:?}");
        test.hold(held(&test, "m1", "body")).unwrap();
        assert_eq!(test.store.attention().unwrap().held, 2);

        let drop_first = || test.runtime.block_on(test.store.drop_held(first)).unwrap();
        assert!(drop_first());
        assert!(!drop_first());
        test.hold(held(&test, "m3", "body")).unwrap();
    }

    #[test]
    fn the_room_that_is_taken_is_known_after_opening_again() {
        let test = fixtures::open();
        test.hold(held(&test, "m1", "body")).unwrap();
        test.store.close();
        let mut options = fixtures::options(test.path());
        options.held_bytes_max = 500;
        let (store, _) = crate::store::Store::open(options).unwrap();
        let error = test.runtime.block_on(store.hold(held(&test, "m2", "body")));
        assert!(matches!(error, Err(WriteError::HeldFull)), "{error:?}");
    }

    #[test]
    fn held_pushes_are_found_by_source_owner_and_topic_oldest_first() {
        let test = fixtures::open();
        let other = fixtures::register(&test.store, "other");
        let put = |id: &str, source: SourceId, owner: &str, topic: &str| {
            let mut push = held(&test, id, "");
            push.delivery.source = source;
            push.owner = Some(owner.to_owned());
            push.topic = Some(topic.to_owned());
            test.hold(push).unwrap()
        };
        let here = test.source.id;
        let a = put("a", here, "1001", "t1");
        let b = put("b", here, "1001", "t2");
        let c = put("c", here, "2002", "t1");
        let d = put("d", other.id, "1001", "t1");
        let of = |source, owner, topic| test.store.held_of(source, owner, topic).unwrap();
        assert_eq!(of(here, Some("1001"), None), [a, b]);
        assert_eq!(of(here, Some("1001"), Some("t1")), [a]);
        assert_eq!(of(here, None, Some("t1")), [a, c]);
        assert_eq!(of(here, None, None), [a, b, c]);
        assert_eq!(of(other.id, Some("1001"), None), [d]);
    }

    #[test]
    fn the_number_of_a_dropped_push_never_names_another() {
        let test = fixtures::open();
        let first = test.hold(held(&test, "m1", "")).unwrap();
        test.runtime.block_on(test.store.drop_held(first)).unwrap();
        assert!(test.hold(held(&test, "m2", "")).unwrap() > first);
    }

    #[test]
    fn the_list_is_paged_newest_first() {
        let test = fixtures::open();
        for (id, at) in [("m1", 10), ("m2", 30), ("m3", 20)] {
            let mut push = held(&test, id, "");
            push.delivery.received_at = NOON.plus_ms(at);
            test.hold(push).unwrap();
        }
        let all = HeldFilter::default();
        let read = |page| test.store.page_held(&all, page).unwrap();
        let seen = fixtures::walked(1, read).into_iter();
        let seen: Vec<String> = seen.map(|row| row.message_id.unwrap()).collect();
        assert_eq!(seen, ["m2", "m3", "m1"]);
    }

    #[test]
    fn each_filter_gives_its_held_pushes() {
        let test = fixtures::open();
        let other = fixtures::register(&test.store, "other");
        for (id, at, reason) in [("m1", 0, HoldReason::Owner), ("m2", 1, HoldReason::Topic)] {
            let mut push = held(&test, id, "");
            push.delivery.received_at = NOON.plus_ms(at);
            push.reason = reason;
            test.hold(push).unwrap();
        }
        let mut push = held(&test, "m3", "");
        push.delivery.source = other.id;
        push.delivery.received_at = NOON.plus_ms(2);
        push.reason = HoldReason::Topic;
        test.hold(push).unwrap();
        let with = |change: &dyn Fn(&mut HeldFilter)| {
            let mut filter = HeldFilter::default();
            change(&mut filter);
            filter
        };
        let cases = [
            (with(&|f| f.reason = Some(HoldReason::Topic)), "m3 m2"),
            (with(&|f| f.reason = Some(HoldReason::Date)), ""),
            (with(&|f| f.source = Some("default".to_owned())), "m2 m1"),
            (with(&|f| f.from = Some(NOON.plus_ms(1))), "m3 m2"),
            (with(&|f| f.to = Some(NOON.plus_ms(1))), "m1"),
        ];
        for (filter, expected) in cases {
            let read = |page| test.store.page_held(&filter, page).unwrap();
            let seen = fixtures::walked(1, read).into_iter();
            let seen: Vec<String> = seen.filter_map(|row| row.message_id).collect();
            assert_eq!(seen.join(" "), expected, "{filter:?}");
            let counted = test.store.count_held(&filter).unwrap();
            assert_eq!(counted.rows, seen.len() as u64);
        }
    }
}
