//! What a migration leaves to be done beside the pushes, because it would keep them waiting for long.
//!
//! A migration has two parts. Its SQL runs before the port is open, in one transaction, and takes under
//! 2 s on a million jobs: new tables, new columns, triggers that fill them for what comes from then on.
//! What has to be done to the rows that are there goes piece by piece through the same writer as the
//! pushes. How far it has come stands in the database, in the transaction of the piece itself: a kill at
//! any moment loses no piece and does none twice, a backup carries the rest along, and the next start
//! goes on.
//!
//! Between the two, rows with and without it stand side by side: who reads them must take both.
//!
//! **Architecture invariant:** a piece is one command in the inbox among others, and the one who writes
//! it bounds its rows, so that a push never waits behind more than some milliseconds of it.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};
use tokio::time::{Instant, sleep};

use crate::store::Store;
use crate::store::errors::WriteError;
use crate::store::inbox::{Context, How::Settled};
use crate::store::open::MIGRATIONS;

/// How many times as long as a piece the rest behind it is, since its pages have to be moved from the
/// log as well. Whether pushes wait (`ingest/rests.rs`) is not known on this floor.
const REST_FACTOR: u32 = 4;

/// The longest rest: a piece that waited behind pushes was not at work for all of that.
const REST_MAX: Duration = Duration::from_millis(500);

/// When a piece is tried again that failed: a full disk may have room by then.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);

const BEGIN: &str = "INSERT INTO mark (name, value) VALUES (?1, '0')";

const SELECT: &str = "SELECT CAST(value AS INTEGER) FROM mark WHERE name = ?1";

const UPDATE: &str = "UPDATE mark SET value = CAST(?2 AS TEXT) WHERE name = ?1";

const DELETE: &str = "DELETE FROM mark WHERE name = ?1";

/// One step of the schema.
pub(super) struct Migration {
    pub(super) sql: &'static str,
    /// What is left of it to be done in pieces.
    pub(super) rest: Option<Piece>,
}

/// All steps of the schema, in their order.
pub(super) type Migrations = &'static [Migration];

/// Does some rows behind the one named, and returns the last of them; `None` if none was left.
pub(super) type Piece = fn(&Transaction<'_>, i64) -> rusqlite::Result<Option<i64>>;

/// Notes, in the migration's own transaction, that the rest of the one to `schema` is to be done.
pub(super) fn begin(tx: &Transaction<'_>, schema: usize) -> rusqlite::Result<()> {
    tx.execute(BEGIN, [name(schema)]).map(|_| ())
}

/// The row that says how far the rest of a migration has come.
fn name(schema: usize) -> String {
    format!("unfinished {schema}")
}

/// Does one piece of the first migration that has a rest. Returns whether there was one.
fn go_on(
    tx: &Transaction<'_>,
    _: &Context,
    migrations: &Migrations,
) -> rusqlite::Result<Result<bool, WriteError>> {
    for (schema, migration) in (1..).zip(*migrations) {
        let Some(piece) = migration.rest else {
            continue;
        };
        let name = name(schema);
        let mut select = tx.prepare_cached(SELECT)?;
        let after = select.query_row([&name], |row| row.get(0)).optional()?;
        let Some(after) = after else {
            continue;
        };
        match piece(tx, after)? {
            Some(last) => tx.execute(UPDATE, params![name, last])?,
            None => tx.execute(DELETE, [name])?,
        };
        return Ok(Ok(true));
    }
    Ok(Ok(false))
}

impl Store {
    /// Does what migrations have left, with a rest behind each piece, until nothing is left or the store
    /// is closed. It may be dropped at any moment.
    pub async fn finish_migrations(&self) {
        self.finish(MIGRATIONS).await;
    }

    async fn finish(&self, migrations: Migrations) {
        // Nearly every start: nothing is asked of the writer then.
        if migrations.iter().all(|migration| migration.rest.is_none()) {
            return;
        }
        let mut pieces: u64 = 0;
        loop {
            let began = Instant::now();
            match self.ask(0, migrations, Settled(go_on)).await {
                Ok(false) => break,
                Ok(true) => {
                    if pieces == 0 {
                        tracing::info!("what the upgrade has left goes on beside the pushes");
                    }
                    pieces += 1;
                    sleep(began.elapsed().saturating_mul(REST_FACTOR).min(REST_MAX)).await;
                }
                Err(WriteError::Closed) => return,
                Err(WriteError::Busy | WriteError::TooSlow) => sleep(REST_MAX).await,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "a piece of the upgrade failed; it is tried again");
                    sleep(TRY_AGAIN_AFTER).await;
                }
            }
        }
        if pieces > 0 {
            tracing::info!(pieces, "the upgrade is done");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use crate::store::Appended;
    use crate::store::fixtures::{self, TestStore, arrival};

    use super::*;

    const ROWS: i64 = 95;
    const PIECE: i64 = 10;

    /// A made-up schema: each delivery is to have its length doubled, and one that is done twice is an
    /// error.
    const NEXT: Migration = Migration {
        sql: "
            ALTER TABLE delivery ADD COLUMN doubled INTEGER;
            CREATE TABLE done (delivery INTEGER PRIMARY KEY) STRICT;
            CREATE TRIGGER delivery_doubled AFTER INSERT ON delivery BEGIN
              UPDATE delivery SET doubled = 2 * body_bytes WHERE id = NEW.id;
            END;",
        rest: Some(double),
    };

    const WITH_NEXT: Migrations = &[
        Migration {
            sql: MIGRATIONS[0].sql,
            rest: None,
        },
        NEXT,
    ];

    fn double(tx: &Transaction<'_>, after: i64) -> rusqlite::Result<Option<i64>> {
        let last: Option<i64> = tx.query_row(
            "SELECT MAX(id) FROM (
               SELECT id FROM delivery WHERE id > ?1 AND doubled IS NULL ORDER BY id LIMIT ?2
             )",
            [after, PIECE],
            |row| row.get(0),
        )?;
        if let Some(last) = last {
            let of = "FROM delivery WHERE id > ?1 AND id <= ?2 AND doubled IS NULL";
            tx.execute(&format!("INSERT INTO done SELECT id {of}"), [after, last])?;
            let set = "UPDATE delivery SET doubled = 2 * body_bytes
                WHERE id > ?1 AND id <= ?2 AND doubled IS NULL";
            tx.execute(set, [after, last])?;
        }
        Ok(last)
    }

    /// A database of the schema before, with so many deliveries.
    fn before() -> TestStore {
        let test = fixtures::open();
        for number in 0..ROWS {
            test.append(arrival(&format!("m{number}"), &format!("j{number}")));
        }
        test.store.close();
        test
    }

    fn upgraded(folder: TempDir, path: PathBuf) -> TestStore {
        let (store, opened) = Store::open_by(fixtures::options(path), WITH_NEXT).unwrap();
        assert!(!opened.is_new);
        let source = fixtures::register(&store, "default");
        TestStore {
            store,
            source,
            folder,
            runtime: fixtures::runtime(),
        }
    }

    fn piece(test: &TestStore) -> bool {
        let piece = test.store.ask(0, WITH_NEXT, Settled(go_on));
        test.runtime.block_on(piece).unwrap()
    }

    fn number(test: &TestStore, path: &str, sql: &str) -> i64 {
        let conn = rusqlite::Connection::open(test.folder.path().join(path)).unwrap();
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    const SELECT_DONE: &str = "SELECT COUNT(*) FROM done";

    #[test]
    fn what_a_migration_leaves_goes_on_beside_pushes_and_behind_a_crash_and_no_row_is_done_twice() {
        let before = before();
        let path = before.path();
        let test = upgraded(before.folder, path);
        assert_eq!(
            number(&test, "mpsink.db", SELECT_DONE),
            0,
            "the port may open"
        );
        for number in 0..4 {
            let id = format!("beside {number}");
            let pushed = [
                test.send(arrival(&id, &id)),
                test.send(arrival(&format!("{id} too"), &id)),
            ];
            assert!(piece(&test));
            for push in pushed {
                let appended = test.runtime.block_on(push).unwrap().unwrap();
                assert!(matches!(appended, Appended::Stored { .. }));
            }
        }
        assert_eq!(number(&test, "mpsink.db", SELECT_DONE), 4 * PIECE);

        // What is on the disk now is what a power failure leaves.
        let left = test.folder.path().join("left.db");
        let copy = test.look();
        copy.execute("VACUUM INTO ?1", [left.to_str().unwrap()])
            .unwrap();
        drop(copy);
        test.store.close();
        let test = upgraded(test.folder, left);
        assert_eq!(number(&test, "left.db", SELECT_DONE), 4 * PIECE);
        test.append(arrival("after the crash", "j"));
        test.runtime.block_on(test.store.finish(WITH_NEXT));

        assert_eq!(number(&test, "left.db", SELECT_DONE), ROWS);
        let wrong = "SELECT COUNT(*) FROM delivery WHERE doubled IS NOT 2 * body_bytes";
        assert_eq!(number(&test, "left.db", wrong), 0);
        let all = number(&test, "left.db", "SELECT COUNT(*) FROM delivery");
        assert_eq!(all, ROWS + 4 * 2 + 1);
        let marks = "SELECT COUNT(*) FROM mark WHERE name LIKE 'unfinished%'";
        assert_eq!(number(&test, "left.db", marks), 0);
        assert!(!piece(&test));
    }

    #[test]
    fn a_piece_that_fails_leaves_nothing_of_itself_and_is_done_later() {
        let before = before();
        let path = before.path();
        let test = upgraded(before.folder, path);
        assert!(piece(&test));
        let failing =
            "CREATE TRIGGER bad BEFORE UPDATE ON mark BEGIN SELECT RAISE(ABORT, 'no'); END";
        test.look().execute_batch(failing).unwrap();
        let failed = test
            .runtime
            .block_on(test.store.ask(0, WITH_NEXT, Settled(go_on)));
        assert!(failed.is_err());
        assert_eq!(number(&test, "mpsink.db", SELECT_DONE), PIECE);
        test.look().execute_batch("DROP TRIGGER bad").unwrap();
        test.runtime.block_on(test.store.finish(WITH_NEXT));
        assert_eq!(number(&test, "mpsink.db", SELECT_DONE), ROWS);
    }

    #[test]
    fn a_new_database_has_nothing_left_to_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let options = fixtures::options(folder.path().join("mpsink.db"));
        let (store, opened) = Store::open_by(options, WITH_NEXT).unwrap();
        assert!(opened.is_new);
        let left = fixtures::runtime().block_on(store.ask(0, WITH_NEXT, Settled(go_on)));
        assert!(!left.unwrap());
    }
}
