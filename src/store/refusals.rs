//! Writing what was noted of refusals, strays and failures.
//!
//! Of each source and reason the first [`KEPT_FIRST`] stay for ever, since they show how it began,
//! and the latest [`KEPT_LATEST`] make room for later ones. All together have a bound in bytes: it
//! takes the oldest that are not among the first, and if there are only first ones, the new one is
//! not kept. Counts are always right.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::notification::capture;
use crate::store::NewRefusal;
use crate::store::notes::{KEPT_FIRST, KEPT_LATEST, STRAYS_KEPT, Taken, refusal_bytes};
use crate::store::values::count;

/// The most bytes that refused pushes may take together: enough for a few hundred, and nothing on
/// a disk.
pub(super) const KEPT_BYTES_MAX: i64 = 8 * 1024 * 1024;

const UPSERT_COUNT: &str = "
    INSERT INTO refusal_count (source, reason, count, first_at, last_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (source, reason) DO UPDATE SET
      count = count + excluded.count, first_at = MIN(first_at, excluded.first_at),
      last_at = MAX(last_at, excluded.last_at)";

const SELECT_FIRST_COUNT: &str =
    "SELECT COUNT(*) FROM refusal WHERE source = ?1 AND reason = ?2 AND is_first = 1";

const INSERT_REFUSAL: &str = "
    INSERT INTO refusal (
      source, reason, is_first, received_at, body_bytes, bytes, explanation, head, body
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    RETURNING id";

const DELETE_OLDER_LATEST: &str = "
    DELETE FROM refusal
    WHERE source = ?1 AND reason = ?2 AND is_first = 0 AND id NOT IN (
      SELECT id FROM refusal WHERE source = ?1 AND reason = ?2 AND is_first = 0
      ORDER BY id DESC LIMIT ?3
    )";

const SELECT_BYTES: &str = "SELECT value FROM total WHERE name = 'refusal_bytes'";

const DELETE_OLDEST_LATEST: &str = "
    DELETE FROM refusal
    WHERE id = (SELECT id FROM refusal WHERE is_first = 0 ORDER BY id LIMIT 1)
    RETURNING id";

const DELETE_REFUSAL: &str = "DELETE FROM refusal WHERE id = ?1";

const ADD_STRAYS: &str = "UPDATE total SET value = value + ?1 WHERE name = 'strays'";

const INSERT_STRAY: &str = "INSERT INTO stray (target, received_at, head) VALUES (?1, ?2, ?3)";

const DELETE_OLDER_STRAYS: &str = "
    DELETE FROM stray WHERE id NOT IN (SELECT id FROM stray ORDER BY id DESC LIMIT ?1)";

/// Writes what was taken from the notes.
pub(super) fn write(tx: &Transaction<'_>, taken: &Taken) -> rusqlite::Result<()> {
    for ((source, reason), tally) in &taken.counts {
        tx.prepare_cached(UPSERT_COUNT)?.execute(params![
            source.0,
            reason.word(),
            count(tally.count),
            tally.first_at.0,
            tally.last_at.0,
        ])?;
    }
    taken.hours.write(tx)?;
    for refusal in &taken.refusals {
        keep(tx, refusal)?;
    }
    if taken.strays > 0 {
        let mut add = tx.prepare_cached(ADD_STRAYS)?;
        add.execute([count(taken.strays)])?;
    }
    for stray in &taken.latest_strays {
        let head = capture::write_head("POST", &stray.target, &stray.headers);
        let mut insert = tx.prepare_cached(INSERT_STRAY)?;
        insert.execute(params![stray.target, stray.received_at.0, head])?;
    }
    if !taken.latest_strays.is_empty() {
        let mut delete = tx.prepare_cached(DELETE_OLDER_STRAYS)?;
        delete.execute([count(STRAYS_KEPT)])?;
    }
    Ok(())
}

fn keep(tx: &Transaction<'_>, refusal: &NewRefusal) -> rusqlite::Result<()> {
    let delivery = &refusal.delivery;
    let kind = (delivery.source.0, refusal.reason.word());
    let mut select = tx.prepare_cached(SELECT_FIRST_COUNT)?;
    let firsts: i64 = select.query_row(kind, |row| row.get(0))?;
    let is_first = firsts < count(KEPT_FIRST);
    let mut insert = tx.prepare_cached(INSERT_REFUSAL)?;
    let id: i64 = insert.query_row(
        params![
            kind.0,
            kind.1,
            is_first,
            delivery.received_at.0,
            count(refusal.body_bytes),
            count(refusal_bytes(refusal)),
            refusal.explanation,
            capture::write_head("POST", &delivery.target, &delivery.headers),
            delivery.body,
        ],
        |row| row.get(0),
    )?;
    if !is_first {
        let mut delete = tx.prepare_cached(DELETE_OLDER_LATEST)?;
        delete.execute(params![kind.0, kind.1, count(KEPT_LATEST)])?;
    }
    keep_within_bytes(tx, id)
}

/// Makes room until all are within the bound, in the end by not keeping `newest`.
fn keep_within_bytes(tx: &Transaction<'_>, newest: i64) -> rusqlite::Result<()> {
    while bytes(tx)? > KEPT_BYTES_MAX {
        let mut delete = tx.prepare_cached(DELETE_OLDEST_LATEST)?;
        let deleted: Option<i64> = delete.query_row([], |row| row.get(0)).optional()?;
        if deleted.is_none() {
            tx.prepare_cached(DELETE_REFUSAL)?.execute([newest])?;
            return Ok(());
        }
    }
    Ok(())
}

fn bytes(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mut select = tx.prepare_cached(SELECT_BYTES)?;
    select.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::notification::delivery::Headers;
    use crate::notification::reason::RefusalReason;
    use crate::notification::source::SourceId;
    use crate::store::filters::RefusalFilter;
    use crate::store::fixtures::{self, NOON, TestStore};
    use crate::store::records::{Page, RefusalRecord};
    use crate::store::{NewStray, REFUSED_BODY_BYTES_MAX, Store};

    use super::*;

    const REASON: RefusalReason = RefusalReason::SignatureWrong;

    fn refusal(source: SourceId, at: Timestamp, body: &str) -> NewRefusal {
        let mut delivery = fixtures::delivery(source, "topic", "m1", body);
        delivery.received_at = at;
        NewRefusal {
            delivery,
            body_bytes: 77,
            reason: REASON,
            explanation: r#"{"why": "so"}"#.to_owned(),
        }
    }

    fn note(test: &TestStore, reason: RefusalReason, at: i64, body: &str) {
        let at = NOON.plus_ms(at);
        let details = refusal(test.source.id, at, body);
        test.store
            .note_refusal(test.source.id, reason, at, Some(details));
    }

    fn flush(test: &TestStore) {
        test.runtime.block_on(test.store.flush_notes()).unwrap();
    }

    /// All that are kept, oldest first.
    fn kept(store: &Store) -> Vec<RefusalRecord> {
        let page = Page::first(1_000);
        let mut kept = store
            .page_refusals(&RefusalFilter::default(), page)
            .unwrap()
            .items;
        kept.reverse();
        kept
    }

    fn first_and_latest(of: i64) -> Vec<Timestamp> {
        let kept = (0..20).chain(of - 20..of);
        kept.map(|at| NOON.plus_ms(at)).collect()
    }

    #[test]
    fn of_ten_thousand_refusals_the_first_and_the_latest_are_kept_and_all_counted() {
        let test = fixtures::open();
        for at in 0..10_000 {
            note(&test, REASON, at, "body");
        }
        flush(&test);
        let times: Vec<_> = kept(&test.store)
            .iter()
            .map(|row| row.received_at)
            .collect();
        assert_eq!(times, first_and_latest(10_000));
        let counts = test.store.refusal_counts().unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].count, counts[0].reason), (10_000, REASON));
        assert_eq!(counts[0].first_at, NOON);
        assert_eq!(counts[0].last_at, NOON.plus_ms(9_999));
        assert_eq!(test.store.attention().unwrap().refused, 10_000);
    }

    #[test]
    fn the_first_and_the_latest_are_kept_however_often_they_are_written() {
        let test = fixtures::open();
        for at in 0..100 {
            note(&test, REASON, at, "body");
            if at % 7 == 0 {
                flush(&test);
            }
        }
        note(&test, RefusalReason::HeaderMissing, 100, "body");
        flush(&test);
        let mut times: Vec<_> = kept(&test.store)
            .iter()
            .map(|row| row.received_at)
            .collect();
        assert_eq!(times.pop(), Some(NOON.plus_ms(100)));
        assert_eq!(times, first_and_latest(100));
        assert_eq!(test.store.refusal_counts().unwrap().len(), 2);
    }

    #[test]
    fn a_refusal_is_kept_with_headers_and_the_beginning_of_its_body() {
        let test = fixtures::open();
        note(&test, REASON, 0, &"x".repeat(REFUSED_BODY_BYTES_MAX + 1));
        flush(&test);
        let row = kept(&test.store).remove(0);
        assert_eq!((row.body_bytes, row.source.as_str()), (77, "default"));
        let detail = test.store.find_refusal(row.id).unwrap().unwrap();
        assert_eq!(detail.capture.body.unwrap().len(), REFUSED_BODY_BYTES_MAX);
        assert_eq!(
            detail.capture.headers.first("x-mns-message-id"),
            Some(&b"m1"[..])
        );
        assert_eq!(detail.explanation["why"], "so");
    }

    #[test]
    fn all_refusals_together_stay_within_their_bytes() {
        let test = fixtures::open();
        let sources: Vec<_> = (0..6)
            .map(|at| fixtures::register(&test.store, &format!("s{at}")).id)
            .collect();
        for source in sources {
            for reason in RefusalReason::ALL {
                for at in 0..40 {
                    let mut details = refusal(source, NOON.plus_ms(at), &"x".repeat(4_096));
                    details.explanation = "\"".to_owned() + &"x".repeat(4_094) + "\"";
                    let noted = Some(details);
                    test.store
                        .note_refusal(source, reason, NOON.plus_ms(at), noted);
                }
                flush(&test);
            }
        }
        let look = test.look();
        let sum = |sql| look.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let kept = sum("SELECT SUM(bytes) FROM refusal");
        assert_eq!(
            kept,
            sum("SELECT value FROM total WHERE name = 'refusal_bytes'")
        );
        assert!(kept <= KEPT_BYTES_MAX, "{kept}");
        assert!(kept > KEPT_BYTES_MAX - 20_000, "{kept}");
        let real =
            sum("SELECT SUM(LENGTH(head) + LENGTH(body) + LENGTH(explanation)) FROM refusal");
        assert!(real < KEPT_BYTES_MAX + KEPT_BYTES_MAX / 50, "{real}");
        assert_eq!(test.store.attention().unwrap().refused, 6 * 10 * 40);
    }

    #[test]
    fn noting_does_not_wait_for_a_writer_that_is_stuck_nor_for_a_full_inbox() {
        let test = fixtures::open_with(|options| options.inbox_commands_max = 1);
        let stopped = test.stop_writer();
        let full = test.send(fixtures::arrival("m1", "j1"));
        for at in 0..10_000 {
            note(&test, REASON, at, "body");
        }
        stopped.go_on();
        test.runtime.block_on(full).unwrap().unwrap();
        flush(&test);
        assert_eq!(kept(&test.store).len(), 40);
    }

    #[test]
    fn what_was_noted_is_written_when_the_store_closes() {
        let test = fixtures::open();
        for at in 0..50 {
            note(&test, REASON, at, "body");
        }
        test.store.close();
        let (store, _) = Store::open(fixtures::options(test.path())).unwrap();
        assert_eq!(kept(&store).len(), 40);
        assert_eq!(store.refusal_counts().unwrap()[0].count, 50);
    }

    #[test]
    fn a_refusal_without_details_is_counted() {
        let test = fixtures::open();
        test.store.note_refusal(test.source.id, REASON, NOON, None);
        flush(&test);
        assert!(kept(&test.store).is_empty());
        assert_eq!(test.store.refusal_counts().unwrap()[0].count, 1);
    }

    #[test]
    fn the_latest_strays_are_kept_and_all_are_counted() {
        let test = fixtures::open();
        for at in 0..50_i64 {
            test.store.note_stray(NewStray {
                target: format!("/other/{at}"),
                headers: Headers::default(),
                received_at: NOON.plus_ms(at),
            });
            if at == 30 {
                flush(&test);
            }
        }
        flush(&test);
        let (strays, count) = test.store.strays().unwrap();
        assert_eq!(count, 50);
        let targets: Vec<_> = strays.into_iter().map(|stray| stray.target).collect();
        let expected: Vec<_> = (30..50).rev().map(|at| format!("/other/{at}")).collect();
        assert_eq!(targets, expected);
        assert_eq!(test.store.attention().unwrap().strays, 50);
    }

    #[test]
    fn notes_are_written_without_being_asked_for() {
        let test = fixtures::open();
        note(&test, REASON, 0, "body");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while test.store.refusal_counts().unwrap().is_empty() {
            assert!(std::time::Instant::now() < deadline, "never written");
            std::thread::yield_now();
        }
    }
}
