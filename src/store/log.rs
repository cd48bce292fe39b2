//! Keeps the write-ahead log short: moves its pages into the database, between two transactions of
//! the writer.
//!
//! SQLite would do that in the commit that makes the log too long, before that commit's answers.
//! Here the answers go out first, and whoever comes meanwhile waits for the moving alone. SQLite
//! also never waits for readers: the log begins anew only if nobody reads from it when the next
//! transaction begins, so with exports that read all the time it would grow without end. Here they
//! are waited for, in short waits, once it is long; meanwhile new readers find everything in the
//! database itself, so that it takes one reading and no more.
//!
//! What must hold: while pushes come one by one, the log stays under 16 MiB unless a single reading
//! takes half a second. One transaction alone may be as large (`writer.rs`); those who write that
//! much at once are not waited for, and their log may be four times as long, since keys are random
//! and the fewer times a page is moved, the better.
//!
//! Deliberately not here: a thread for it. The writer's own is the only one that can see to it that
//! nothing is added while the log is emptied, and eight megabytes take some hundredths of a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::store::open::WRITER_WAIT_MAX;

/// Pages in the log from which on they are moved: 8 MiB. A page that was written several times since
/// is moved once, so less would be more work.
const MOVE_PAGES: u32 = 2_000;

/// Pages from which on readers are waited for: 12 MiB. What is left to 16 has room for what comes
/// while a slow reading is waited for a few times.
const EMPTY_PAGES: u32 = 3_000;

/// Pages of one transaction from which on it is one of many messages, and the log may be
/// [`LARGE_FACTOR`] times as long.
const LARGE_PAGES: u32 = 1_000;

const LARGE_FACTOR: u32 = 4;

/// Pages that come before it is tried again: 1 MiB. Each try syncs the database.
const STEP_PAGES: u32 = 250;

/// How long readers are waited for. An export's reading takes some hundredths of a second, a page's
/// mostly less, and a push waits with us.
const READERS_WAIT_MAX: Duration = Duration::from_millis(100);

/// What the log file is cut to when it begins anew, in bytes: what a large transaction made it grow
/// to is not kept.
const KEPT_BYTES: i64 = 12 * 1024 * 1024;

/// How long the log is, and when something was done about it.
pub(super) struct Log {
    /// Set by each commit.
    pages: Arc<AtomicU32>,
    /// As many as there were behind the commit before.
    pages_before: u32,
    /// As many as there were when it was last tried; 0 if the log has begun anew since.
    tried_at: u32,
}

#[derive(Clone, Copy)]
enum How {
    /// What no reader needs as it was.
    Passive,
    /// Everything, and readers are waited for, so that the log begins anew.
    Restart,
}

impl Log {
    /// Watches the log of the writer's connection, in the place of SQLite's own way.
    pub(super) fn watch(conn: &mut Connection) -> rusqlite::Result<Log> {
        conn.pragma_update_and_check(None, "journal_size_limit", KEPT_BYTES, |_| Ok(()))?;
        let pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&pages);
        conn.wal_hook(Some(move |_: &mut _, pages: i32| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Log {
            pages,
            pages_before: 0,
            tried_at: 0,
        })
    }

    /// Does what is to be done behind a commit, whose answers are given. What goes wrong is told and
    /// tried again: nothing is lost by a long log.
    pub(super) fn keep_short(&mut self, conn: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        let is_anew = pages < self.pages_before;
        let written = if is_anew {
            pages
        } else {
            pages - self.pages_before
        };
        self.pages_before = pages;
        if is_anew {
            self.tried_at = 0;
        }
        let Some(how) = how(pages, written, self.tried_at) else {
            return;
        };
        self.tried_at = pages;
        if let Err(error) = move_pages(conn, how) {
            tracing::warn!(%error, pages, "the log could not be moved into the database");
        }
    }
}

/// Returns what is to be done about a log of so many pages, of which the last commit has `written`
/// some.
fn how(pages: u32, written: u32, tried_at: u32) -> Option<How> {
    let factor = if written >= LARGE_PAGES {
        LARGE_FACTOR
    } else {
        1
    };
    let is_due = pages >= MOVE_PAGES * factor && (tried_at == 0 || pages >= tried_at + STEP_PAGES);
    let is_long = pages >= EMPTY_PAGES * factor;
    is_due.then_some(if is_long { How::Restart } else { How::Passive })
}

fn move_pages(conn: &Connection, how: How) -> rusqlite::Result<()> {
    let sql = match how {
        How::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        How::Restart => "PRAGMA wal_checkpoint(RESTART)",
    };
    conn.busy_timeout(READERS_WAIT_MAX)?;
    // Its columns tell how far it got; the next commit's number of pages tells as well.
    let moved = conn.query_row(sql, [], |_| Ok(()));
    conn.busy_timeout(WRITER_WAIT_MAX)?;
    moved
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use crate::store::fixtures::{self, TestStore};

    use super::*;

    const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

    fn is_nothing(pages: u32, written: u32, tried_at: u32) -> bool {
        how(pages, written, tried_at).is_none()
    }

    #[test]
    fn the_log_is_moved_when_it_is_long_and_readers_are_waited_for_when_it_is_longer() {
        assert!(is_nothing(MOVE_PAGES - 1, 1, 0));
        assert!(matches!(how(MOVE_PAGES, 1, 0), Some(How::Passive)));
        assert!(matches!(how(EMPTY_PAGES - 1, 1, 0), Some(How::Passive)));
        assert!(matches!(how(EMPTY_PAGES, 1, 0), Some(How::Restart)));
        // Not again at once.
        assert!(is_nothing(EMPTY_PAGES + STEP_PAGES - 1, 1, EMPTY_PAGES));
        assert!(how(EMPTY_PAGES + STEP_PAGES, 1, EMPTY_PAGES).is_some());
        // Behind a large transaction.
        let large = LARGE_PAGES;
        assert!(is_nothing(LARGE_FACTOR * MOVE_PAGES - 1, large, 0));
        assert!(how(LARGE_FACTOR * MOVE_PAGES, large, 0).is_some());
        assert!(how(MOVE_PAGES, large - 1, 0).is_some());
    }

    fn log_bytes(test: &TestStore) -> u64 {
        let log = test.folder.path().join("mpsink.db-wal");
        fs::metadata(log).map_or(0, |log| log.len())
    }

    /// Writes 64 KiB and a little in a transaction of their own.
    fn write(test: &TestStore) {
        let written = test.put((), |tx, _, ()| {
            tx.execute("INSERT INTO filler VALUES (randomblob(65536))", [])?;
            Ok(Ok(()))
        });
        written.recv().unwrap().unwrap();
    }

    fn with_filler() -> TestStore {
        let test = fixtures::open();
        let made = test.put((), |tx, _, ()| {
            tx.execute_batch("CREATE TABLE filler (bytes BLOB)")?;
            Ok(Ok(()))
        });
        made.recv().unwrap().unwrap();
        test
    }

    #[test]
    fn the_log_stays_under_its_bound_though_somebody_reads_at_every_moment() {
        let test = with_filler();
        let is_over = AtomicBool::new(false);
        let highest = thread::scope(|scope| {
            scope.spawn(|| {
                // One begins before the other ends.
                let readers = [test.look(), test.look()];
                for reader in readers.iter().cycle() {
                    reader.execute_batch("BEGIN").unwrap();
                    let sql = "SELECT COUNT(*) FROM filler";
                    let _: i64 = reader.query_row(sql, [], |row| row.get(0)).unwrap();
                    let other = readers.iter().find(|other| !std::ptr::eq(*other, reader));
                    // The first time it reads nothing.
                    let _ = other.unwrap().execute_batch("COMMIT");
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let written = (0..640).map(|_| {
                write(&test);
                log_bytes(&test)
            });
            let highest = written.max().unwrap();
            is_over.store(true, Ordering::Relaxed);
            highest
        });
        assert!(highest < LOG_BYTES_MAX, "{highest}");
    }

    #[test]
    fn a_log_that_one_reading_made_long_is_cut_when_it_ends() {
        let test = with_filler();
        let reader = test.look();
        reader.execute_batch("BEGIN").unwrap();
        let sql = "SELECT COUNT(*) FROM filler";
        let _: i64 = reader.query_row(sql, [], |row| row.get(0)).unwrap();
        for _ in 0..260 {
            write(&test);
        }
        assert!(log_bytes(&test) >= LOG_BYTES_MAX);
        reader.execute_batch("COMMIT").unwrap();
        for _ in 0..40 {
            write(&test);
        }
        assert!(log_bytes(&test) < LOG_BYTES_MAX);
    }
}
