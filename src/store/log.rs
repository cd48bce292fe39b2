//! Keeps the write-ahead log short: moves its pages into the database, between two transactions of
//! the writer.
//!
//! SQLite would do that in the commit that makes the log too long, before that commit's answers.
//! Here the answers go out first, and whoever comes meanwhile waits for the moving alone. SQLite
//! also never waits for readers: the log begins anew only if nobody reads from it when the next
//! transaction begins, so with exports that read all the time it would grow without end. Here they
//! are waited for, in short waits, once it is long; meanwhile new readers find everything in the
//! database itself, so that it takes one reading and no more. One that stays (a backup) is waited for
//! ever less often, since each wait keeps pushes waiting too.
//!
//! What must hold: while pushes come one by one, the log stays under 16 MiB unless a single reading
//! takes a third of a second. One transaction alone may be as large (`writer.rs`); those who write
//! that much at once are not waited for, and their log may be four times as long, since keys are
//! random and the fewer times a page is moved, the better.
//!
//! What a long reading has kept in the log may be gigabytes when it ends, which takes seconds to move.
//! So the writer's thread moves only little at once; more is moved by a thread beside it, with a
//! connection of its own, in SQLite's passive way, which keeps neither writer nor reader waiting. It
//! writes no table: what is in the database stays the writer's alone. It is opened with the store,
//! since by its path it might later be another file.
//!
//! Deliberately not left to that thread: making the log begin anew. The writer's own is the only one
//! that can see to it that nothing is added meanwhile, and eight megabytes take some hundredths of a
//! second.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::store::errors::Cause;
use crate::store::open::{WRITER_WAIT_MAX, open_mover};

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

/// Pages that the writer moves at once at most: 40 MB, a quarter of a second. A push waits with it.
const AT_ONCE_PAGES: u32 = 10_000;

/// Pages that come before it is tried again: 1 MiB. Each try syncs the database.
const STEP_PAGES: u32 = 250;

/// How long readers are waited for. An export's reading takes some hundredths of a second, a page's
/// mostly less, and a push waits with us.
const READERS_WAIT_MAX: Duration = Duration::from_millis(100);

/// How often in a row they are waited for, before whoever still reads is one that stays.
const PATIENT_TRIES: u32 = 3;

/// How long one that stays is not waited for, the first time; twice as long each time after it.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause: then a wait is a three-hundredth of the time.
const PAUSE_MAX: Duration = Duration::from_secs(32);

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
    /// As many as are known to be in the database already.
    moved: u32,
    patience: Patience,
    mover: Mover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// What no reader needs as it was.
    Passive,
    /// Everything, and readers are waited for, so that the log begins anew.
    Restart,
    /// Like `Passive`, and not by the writer.
    Beside,
}

/// How the log was found behind a try.
#[derive(Clone, Copy)]
struct Found {
    /// Nobody reads from it, and nothing in it is missing in the database: it begins anew.
    is_done: bool,
    /// Pages in the database already; `None` if somebody else was at it.
    moved: Option<u32>,
}

impl Log {
    /// Watches the log of the writer's connection to the database at `path`, in the place of SQLite's
    /// own way.
    pub(super) fn watch(conn: &mut Connection, path: &Path) -> Result<Log, Cause> {
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
            moved: 0,
            patience: Patience::default(),
            mover: Mover::start(path)?,
        })
    }

    /// Does what is to be done behind a commit, whose answers are given. What goes wrong is told and
    /// tried again: nothing is lost by a long log.
    pub(super) fn keep_short(&mut self, conn: &Connection) {
        if let Err(error) = self.step(conn) {
            let pages = self.pages_before;
            tracing::warn!(%error, pages, "the log could not be moved into the database");
        }
    }

    /// Returns how many pages this thread has moved, at most.
    fn step(&mut self, conn: &Connection) -> rusqlite::Result<u32> {
        let pages = self.pages.load(Ordering::Relaxed);
        let is_anew = pages < self.pages_before;
        let written = if is_anew {
            pages
        } else {
            pages - self.pages_before
        };
        if is_anew {
            self.begin_anew();
        }
        self.pages_before = pages;
        if let Some(found) = self.mover.poll() {
            self.note_moved(found?);
        }
        let now = Instant::now();
        let state = State {
            pages,
            written,
            tried_at: self.tried_at,
            left: pages.saturating_sub(self.moved),
        };
        if self.mover.is_at_work {
            return Ok(0);
        }
        let Some(how) = how(&state, &self.patience, now) else {
            return Ok(0);
        };
        self.tried_at = pages;
        // Without the thread, which ends by a panic alone, it is done here.
        if how == How::Beside && self.mover.ask() {
            if self.patience.has_come_back(now) {
                self.patience.lose(now);
            }
            return Ok(0);
        }
        let before = self.moved;
        let found = move_pages(conn, how)?;
        self.note_moved(found);
        let moved = self.moved.saturating_sub(before);
        if how == How::Restart && found.is_done {
            // The next commit begins it anew, and may make it as long as it was.
            self.pages.store(0, Ordering::Relaxed);
            self.pages_before = 0;
            self.begin_anew();
        } else if how == How::Restart {
            self.patience.lose(Instant::now());
        }
        Ok(moved)
    }

    fn begin_anew(&mut self) {
        self.tried_at = 0;
        self.moved = 0;
        self.patience = Patience::default();
        self.mover.is_of_this_log = false;
    }

    fn note_moved(&mut self, found: Found) {
        self.moved = found.moved.unwrap_or(self.moved);
    }
}

/// A log about which something may be to be done.
#[derive(Clone, Copy)]
struct State {
    pages: u32,
    /// By the last commit.
    written: u32,
    tried_at: u32,
    /// Not in the database yet, at most.
    left: u32,
}

fn how(state: &State, patience: &Patience, now: Instant) -> Option<How> {
    let factor = if state.written >= LARGE_PAGES {
        LARGE_FACTOR
    } else {
        1
    };
    let has_grown = state.tried_at == 0 || state.pages >= state.tried_at + STEP_PAGES;
    if state.pages < MOVE_PAGES * factor || !(has_grown || patience.has_come_back(now)) {
        return None;
    }
    if state.left > AT_ONCE_PAGES {
        return Some(How::Beside);
    }
    let is_long = state.pages >= EMPTY_PAGES * factor;
    Some(if is_long && patience.is_there(now) {
        How::Restart
    } else {
        How::Passive
    })
}

/// Whether readers are waited for.
#[derive(Default)]
struct Patience {
    /// In vain, in a row.
    tries: u32,
    /// Not before; `None` while nobody is known to stay.
    next: Option<Instant>,
}

impl Patience {
    fn is_there(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    fn has_come_back(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    fn lose(&mut self, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        if let Some(pauses) = self.tries.checked_sub(PATIENT_TRIES) {
            let factor = 2_u32.saturating_pow(pauses);
            self.next = Some(now + PAUSE.saturating_mul(factor).min(PAUSE_MAX));
        }
    }
}

/// Moves beside the writer what is too much for it, once each time it is asked. Dropping it waits for
/// what it is at.
struct Mover {
    is_at_work: bool,
    /// The log has not begun anew since it was asked.
    is_of_this_log: bool,
    /// `None` once it is to end.
    ask: Option<SyncSender<()>>,
    found: Receiver<rusqlite::Result<Found>>,
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    fn start(path: &Path) -> Result<Mover, Cause> {
        let conn = open_mover(path)?;
        let (ask, asked) = mpsc::sync_channel(1);
        let (tell, found) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || {
                while asked.recv().is_ok() {
                    if tell.send(move_pages(&conn, How::Beside)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Mover {
            is_at_work: false,
            is_of_this_log: false,
            ask: Some(ask),
            found,
            thread: Some(thread),
        })
    }

    /// Returns whether it is at it now.
    fn ask(&mut self) -> bool {
        let asked = self
            .ask
            .as_ref()
            .is_some_and(|ask| ask.try_send(()).is_ok());
        self.is_at_work = asked;
        self.is_of_this_log = asked;
        asked
    }

    /// Returns how far it got, once it has.
    fn poll(&mut self) -> Option<rusqlite::Result<Found>> {
        let found = match self.found.try_recv() {
            Ok(found) => Some(found),
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => None,
        };
        self.is_at_work = false;
        found.filter(|_| self.is_of_this_log)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn move_pages(conn: &Connection, how: How) -> rusqlite::Result<Found> {
    let sql = match how {
        How::Passive | How::Beside => "PRAGMA wal_checkpoint(PASSIVE)",
        How::Restart => "PRAGMA wal_checkpoint(RESTART)",
    };
    conn.busy_timeout(READERS_WAIT_MAX)?;
    let found = conn.query_row(sql, [], |row| {
        let (busy, moved): (i64, i64) = (row.get(0)?, row.get(2)?);
        Ok(Found {
            is_done: busy == 0,
            moved: u32::try_from(moved).ok(),
        })
    });
    conn.busy_timeout(WRITER_WAIT_MAX)?;
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use crate::store::fixtures::{self, TestStore};

    use super::*;

    const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

    fn at(pages: u32, written: u32, tried_at: u32) -> Option<How> {
        let state = State {
            pages,
            written,
            tried_at,
            left: pages.min(AT_ONCE_PAGES),
        };
        how(&state, &Patience::default(), Instant::now())
    }

    #[test]
    fn the_log_is_moved_when_it_is_long_and_readers_are_waited_for_when_it_is_longer() {
        assert_eq!(at(MOVE_PAGES - 1, 1, 0), None);
        assert_eq!(at(MOVE_PAGES, 1, 0), Some(How::Passive));
        assert_eq!(at(EMPTY_PAGES - 1, 1, 0), Some(How::Passive));
        assert_eq!(at(EMPTY_PAGES, 1, 0), Some(How::Restart));
        // Not again at once.
        assert_eq!(at(EMPTY_PAGES + STEP_PAGES - 1, 1, EMPTY_PAGES), None);
        assert!(at(EMPTY_PAGES + STEP_PAGES, 1, EMPTY_PAGES).is_some());
        // Behind a large transaction.
        let large = LARGE_PAGES;
        assert_eq!(at(LARGE_FACTOR * MOVE_PAGES - 1, large, 0), None);
        assert!(at(LARGE_FACTOR * MOVE_PAGES, large, 0).is_some());
        assert!(at(MOVE_PAGES, large - 1, 0).is_some());
    }

    #[test]
    fn what_is_too_much_for_the_writer_is_moved_beside_it() {
        let of = |left| {
            let state = State {
                pages: 400_000,
                written: 1,
                tried_at: 0,
                left,
            };
            how(&state, &Patience::default(), Instant::now())
        };
        assert_eq!(of(AT_ONCE_PAGES + 1), Some(How::Beside));
        assert_eq!(of(AT_ONCE_PAGES), Some(How::Restart));
    }

    #[test]
    fn a_reader_that_stays_is_waited_for_ever_less_often() {
        let now = Instant::now();
        let later = |s| now + Duration::from_secs(s);
        let again = |patience: &Patience, now| {
            let state = State {
                pages: EMPTY_PAGES + STEP_PAGES,
                written: 1,
                tried_at: EMPTY_PAGES,
                left: 100,
            };
            how(&state, patience, now)
        };
        let mut patience = Patience::default();
        for _ in 0..PATIENT_TRIES {
            assert_eq!(again(&patience, now), Some(How::Restart));
            patience.lose(now);
        }
        // What can be moved without waiting, still is.
        assert_eq!(again(&patience, now), Some(How::Passive));
        assert_eq!(again(&patience, later(1)), Some(How::Restart));
        patience.lose(now);
        assert_eq!(again(&patience, later(1)), Some(How::Passive));
        assert_eq!(again(&patience, later(2)), Some(How::Restart));
        for _ in 0..40 {
            patience.lose(now);
        }
        assert_eq!(again(&patience, now + PAUSE_MAX), Some(How::Restart));
    }

    #[test]
    fn a_log_that_waits_for_a_reader_is_looked_at_again_though_it_does_not_grow() {
        let now = Instant::now();
        let mut patience = Patience::default();
        for _ in 0..PATIENT_TRIES {
            patience.lose(now);
        }
        let state = State {
            pages: EMPTY_PAGES,
            written: 0,
            tried_at: EMPTY_PAGES,
            left: 100,
        };
        assert_eq!(how(&state, &patience, now), None);
        assert_eq!(how(&state, &patience, now + PAUSE), Some(How::Restart));
    }

    fn add(conn: &Connection, bytes: u32) {
        let sql = "INSERT INTO filler VALUES (randomblob(?1))";
        conn.execute(sql, [bytes]).unwrap();
    }

    #[test]
    fn the_writer_never_moves_much_at_once_and_the_log_is_short_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.db");
        let mut conn = Connection::open(&path).unwrap();
        conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .unwrap();
        conn.execute_batch("CREATE TABLE filler (bytes BLOB)")
            .unwrap();
        let mut log = Log::watch(&mut conn, &path).unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let sql = "SELECT COUNT(*) FROM filler";
        let _: i64 = reader.query_row(sql, [], |row| row.get(0)).unwrap();
        for _ in 0..100 {
            add(&conn, 1024 * 1024);
            assert!(log.step(&conn).unwrap() <= AT_ONCE_PAGES);
        }
        let bytes = || fs::metadata(path.with_extension("db-wal")).unwrap().len();
        assert!(bytes() > 90 * 1024 * 1024);
        reader.execute_batch("COMMIT").unwrap();
        let mut was_moved_beside = false;
        for _ in 0..60 {
            add(&conn, 65_536);
            assert!(log.step(&conn).unwrap() <= AT_ONCE_PAGES);
            if log.mover.is_at_work {
                let found = log.mover.found.recv().unwrap().unwrap();
                was_moved_beside |= found.moved > Some(AT_ONCE_PAGES);
                log.mover.is_at_work = false;
                log.note_moved(found);
            }
        }
        assert!(was_moved_beside);
        assert!(bytes() < LOG_BYTES_MAX, "{}", bytes());
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
