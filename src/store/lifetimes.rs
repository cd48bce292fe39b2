//! When a server was there to take pushes, and how long it was not.
//!
//! `serve` begins a lifetime, and the writer writes into its row now and then that it is still there:
//! with what it commits anyway, and by itself if nothing comes. A clean stop writes the end, as the
//! last thing. So a row without an end, below a later one, is a server that was killed, or lost its
//! power or its disk: it was down from some moment after the last sign of life.
//!
//! How late pushes came soon after the start is kept with it: it tells whether SMQ repeated those of the
//! time before for long. An hour's sums do not, where a downtime is shorter than its hour.
//!
//! Commands that open the store without taking pushes (`rebuild`, `import`, `demo --into`) begin none.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};
use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::store::errors::WriteError;
use crate::store::inbox::Context;
use crate::store::values::count;

/// How much time passes at least between two signs of life that go with a commit.
const BEAT_WITH_COMMIT_MS: i64 = 5_000;

/// How often there is one where nothing is committed. With a restart after some seconds a crash is
/// then known to have taken less than the 30 s for which the sender repeats at the least, and is no
/// false alarm; a sync four times a minute is nothing to a disk.
const BEAT_EVERY: Duration = Duration::from_secs(15);

/// When one is tried after a commit that failed, to find out whether commits succeed again: nothing else
/// may come, since a server that is not ready gets no pushes.
pub const BEAT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A push that comes so late was not repeated by Backoff Retry, which has given up by then.
pub const LATE_MS: i64 = 3 * 60_000;

/// How long after a start late pushes say something of the time before.
pub const LATE_WITHIN_MS: i64 = 3 * 60 * 60_000;

/// The lifetimes that are kept. A process manager that starts a server over and over, once a second,
/// takes them all in a quarter of an hour; it is then the only news there is.
pub const LIFETIMES_KEPT: usize = 1_000;

const INSERT: &str = "
    INSERT INTO lifetime (started_at, alive_at, version, late_ms) VALUES (?1, ?2, ?3, ?4)";

const DELETE_OLDER: &str = "DELETE FROM lifetime WHERE id <= (SELECT MAX(id) FROM lifetime) - ?1";

const BEAT: &str = "UPDATE lifetime SET alive_at = MAX(alive_at, ?2), late_ms = ?3 WHERE id = ?1";

const END: &str =
    "UPDATE lifetime SET alive_at = MAX(alive_at, ?2), ended_at = MAX(alive_at, ?2) WHERE id = ?1";

/// From a start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lifetime {
    pub started_at: Timestamp,
    /// The last sign of life.
    pub alive_at: Timestamp,
    /// `None` while it runs, and for ever if it did not stop by itself.
    pub ended_at: Option<Timestamp>,
    /// How late the latest push came within [`LATE_WITHIN_MS`] of the start, from publishing; `None` if
    /// none was later than [`LATE_MS`].
    pub late_ms: Option<i64>,
    pub version: String,
}

/// How a lifetime ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was told to stop, and wrote so.
    Stopped,
    /// Killed, or without power or disk.
    Crashed,
}

/// When no server was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Downtime {
    /// The end, or the last sign of life before a crash: it may have begun that much later.
    pub from: Timestamp,
    /// The next start.
    pub to: Timestamp,
    /// Of the lifetime before.
    pub ending: Ending,
}

impl Downtime {
    /// Returns how long it was, at most.
    pub fn length_ms(&self) -> i64 {
        self.to.since_ms(self.from).max(0)
    }
}

/// Returns the times between lifetimes, given newest first; in the same order.
pub fn downtimes(lifetimes: &[Lifetime]) -> Vec<Downtime> {
    let pairs = lifetimes.iter().zip(lifetimes.iter().skip(1));
    let between = pairs.map(|(later, before)| Downtime {
        from: before.ended_at.unwrap_or(before.alive_at),
        to: later.started_at,
        ending: match before.ended_at {
            Some(_) => Ending::Stopped,
            None => Ending::Crashed,
        },
    });
    between.collect()
}

/// The lifetime of this process, which only the writer's thread sees.
#[derive(Default)]
pub(super) struct Life {
    begun: RefCell<Option<Begun>>,
}

struct Begun {
    started_at: Timestamp,
    version: &'static str,
    /// Its row, unless that could not be written yet.
    row: Option<i64>,
    late_ms: Option<i64>,
    /// The row does not say it yet.
    late_is_new: bool,
    beaten_at: Timestamp,
    next_beat: Instant,
}

/// Begins the lifetime of this process.
pub(super) fn begin(
    tx: &Transaction<'_>,
    ctx: &Context,
    version: &&'static str,
) -> rusqlite::Result<Result<(), WriteError>> {
    let now = ctx.clock.now();
    let mut begun = ctx.life.begun.borrow_mut();
    begun
        .get_or_insert_with(|| Begun {
            started_at: now,
            version,
            row: None,
            late_ms: None,
            late_is_new: false,
            beaten_at: now,
            next_beat: Instant::now() + BEAT_EVERY,
        })
        .beat(tx, now)?;
    let mut delete = tx.prepare_cached(DELETE_OLDER)?;
    delete.execute([count(LIFETIMES_KEPT)])?;
    Ok(Ok(()))
}

impl Life {
    /// Returns when to write a sign of life if nothing else is written; `None` before the beginning.
    pub(super) fn beat_due(&self) -> Option<Instant> {
        self.begun.borrow().as_ref().map(|begun| begun.next_beat)
    }

    pub(super) fn is_beat_due(&self) -> bool {
        self.beat_due().is_some_and(|due| due <= Instant::now())
    }

    /// Puts the next one off, before one is tried: one that cannot even begin is not tried again at once.
    pub(super) fn put_off_beat(&self) {
        if let Some(begun) = self.begun.borrow_mut().as_mut() {
            begun.next_beat = Instant::now() + BEAT_EVERY;
        }
    }

    /// Has one tried soon, since a commit has failed.
    pub(super) fn beat_soon(&self) {
        if let Some(begun) = self.begun.borrow_mut().as_mut() {
            begun.next_beat = begun.next_beat.min(Instant::now() + BEAT_AFTER_FAILURE);
        }
    }

    /// Notes how late a push came that is stored with the next sign of life. One whose transaction fails
    /// has come late all the same.
    pub(super) fn note_taken(&self, received_at: Timestamp, published_at: Option<Timestamp>) {
        let Some(published_at) = published_at else {
            return;
        };
        let late_ms = received_at.since_ms(published_at);
        if late_ms < LATE_MS {
            return;
        }
        if let Some(begun) = self.begun.borrow_mut().as_mut() {
            let up_ms = received_at.since_ms(begun.started_at);
            if (0..=LATE_WITHIN_MS).contains(&up_ms) && Some(late_ms) > begun.late_ms {
                begun.late_ms = Some(late_ms);
                begun.late_is_new = true;
            }
        }
    }

    /// Writes a sign of life into a transaction that is committed anyway, if it is time for one.
    pub(super) fn beat_with_commit(
        &self,
        tx: &Transaction<'_>,
        clock: &Clock,
    ) -> rusqlite::Result<()> {
        let mut begun = self.begun.borrow_mut();
        let Some(begun) = begun.as_mut() else {
            return Ok(());
        };
        let now = clock.now();
        if now.since_ms(begun.beaten_at) < BEAT_WITH_COMMIT_MS && !begun.late_is_new {
            return Ok(());
        }
        begun.beat(tx, now)
    }

    /// Writes a sign of life.
    pub(super) fn beat(&self, tx: &Transaction<'_>, clock: &Clock) -> rusqlite::Result<()> {
        match self.begun.borrow_mut().as_mut() {
            Some(begun) => begun.beat(tx, clock.now()),
            None => Ok(()),
        }
    }

    /// Writes that it has stopped by itself.
    pub(super) fn end(&self, tx: &Transaction<'_>, clock: &Clock) -> rusqlite::Result<()> {
        let row = self.begun.borrow().as_ref().and_then(|begun| begun.row);
        if let Some(row) = row {
            let now = clock.now().0;
            tx.prepare_cached(END)?.execute(params![row, now])?;
        }
        Ok(())
    }
}

impl Begun {
    /// Where the row is not there, because its transaction failed, it is written as it should be.
    fn beat(&mut self, tx: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
        self.beaten_at = now;
        self.next_beat = Instant::now() + BEAT_EVERY;
        self.late_is_new = false;
        let mut update = tx.prepare_cached(BEAT)?;
        if let Some(row) = self.row
            && update.execute(params![row, now.0, self.late_ms])? > 0
        {
            return Ok(());
        }
        let mut insert = tx.prepare_cached(INSERT)?;
        self.row = Some(insert.insert(params![
            self.started_at.0,
            now.0,
            self.version,
            self.late_ms
        ])?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::store::Store;
    use crate::store::fixtures::{self, NOON, TestStore, arrival, renotify};
    use crate::store::pulse::WriterState;

    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn begin_at(minute: i64) -> (TestStore, Clock) {
        let clock = Clock::standing_at(NOON.plus_ms(minute * MINUTE_MS));
        let shared = clock.clone();
        let test = fixtures::open_with(|options| options.clock = shared);
        start(&test, &test.store);
        (test, clock)
    }

    fn start(test: &TestStore, store: &Store) {
        test.runtime
            .block_on(store.begin_lifetime("1.2.3"))
            .unwrap();
    }

    fn life(started: i64, alive: i64, ended: Option<i64>) -> Lifetime {
        let at = |minute: i64| NOON.plus_ms(minute * MINUTE_MS);
        Lifetime {
            started_at: at(started),
            alive_at: at(alive),
            ended_at: ended.map(at),
            late_ms: None,
            version: "1.2.3".to_owned(),
        }
    }

    fn again(test: &TestStore, name: &str, minute: i64) -> Store {
        let mut options = fixtures::options(test.folder.path().join(name));
        options.clock = Clock::standing_at(NOON.plus_ms(minute * MINUTE_MS));
        let (store, _) = Store::open(options).unwrap();
        start(test, &store);
        store
    }

    #[test]
    fn a_lifetime_has_its_start_its_last_sign_of_life_and_its_end() {
        let (test, clock) = begin_at(0);
        start(&test, &test.store);
        assert_eq!(test.store.lifetimes().unwrap(), [life(0, 0, None)]);
        clock.set(NOON.plus_ms(3 * MINUTE_MS));
        test.append(arrival("m1", "j1"));
        assert_eq!(test.store.lifetimes().unwrap(), [life(0, 3, None)]);
        clock.set(NOON.plus_ms(4 * MINUTE_MS));
        test.store.close();
        assert_eq!(test.store.lifetimes().unwrap(), [life(0, 4, Some(4))]);

        let store = again(&test, "mpsink.db", 9);
        let lifetimes = store.lifetimes().unwrap();
        let down = downtimes(&lifetimes);
        assert_eq!(down.len(), 1);
        assert_eq!(down[0].ending, Ending::Stopped);
        assert_eq!(down[0].length_ms(), 5 * MINUTE_MS);
    }

    #[test]
    fn without_an_end_it_was_a_crash_at_the_last_sign_of_life() {
        let (test, clock) = begin_at(0);
        clock.set(NOON.plus_ms(3 * MINUTE_MS));
        test.append(arrival("m1", "j1"));
        // What is on the disk now is what a power failure leaves.
        let copy = test.folder.path().join("left.db");
        let sql = "VACUUM INTO ?1";
        test.look().execute(sql, [copy.to_str().unwrap()]).unwrap();
        let store = again(&test, "left.db", 10);
        let lifetimes = store.lifetimes().unwrap();
        assert_eq!(lifetimes, [life(10, 10, None), life(0, 3, None)]);
        let down = downtimes(&lifetimes);
        assert_eq!(down[0].ending, Ending::Crashed);
        assert_eq!(down[0].length_ms(), 7 * MINUTE_MS);
    }

    #[test]
    fn a_store_that_is_opened_for_something_else_begins_none() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        test.store.close();
        assert!(test.store.lifetimes().unwrap().is_empty());
    }

    #[test]
    fn how_late_pushes_came_soon_after_the_start_is_kept_with_their_commit() {
        let (test, clock) = begin_at(0);
        let push = |id: &str, received_ms: i64, late_ms: i64| {
            let at = NOON.plus_ms(received_ms);
            clock.set(at);
            let published = Some(at.plus_ms(-late_ms));
            let mut arrival = renotify(arrival(id, id), |it| it.published_at = published);
            arrival.delivery.received_at = at;
            test.append(arrival);
            test.store.lifetimes().unwrap()[0].late_ms
        };
        assert_eq!(push("m1", 1, LATE_MS - 1), None);
        assert_eq!(push("m2", 2, LATE_MS), Some(LATE_MS));
        assert_eq!(push("m3", 3, LATE_MS + 7), Some(LATE_MS + 7));
        assert_eq!(push("m4", 4, LATE_MS + 1), Some(LATE_MS + 7));
        // A repeat is no later than its first.
        assert_eq!(push("m4", 5, LATE_MS + 9), Some(LATE_MS + 7));
        let much = 2 * LATE_MS;
        let after = LATE_WITHIN_MS + 1;
        assert_eq!(push("m5", after, much), Some(LATE_MS + 7));
        assert_eq!(push("m6", LATE_WITHIN_MS, much), Some(much));
        test.store.close();
        assert_eq!(test.store.lifetimes().unwrap()[0].late_ms, Some(much));
    }

    #[test]
    fn what_is_imported_says_nothing_of_how_late_pushes_came_here() {
        let (test, _) = begin_at(0);
        let published = Some(NOON.plus_ms(-2 * LATE_MS));
        let late = renotify(arrival("m1", "j1"), |it| it.published_at = published);
        let imported = Arc::new(vec![late]);
        test.runtime.block_on(test.store.import(imported)).unwrap();
        test.store.close();
        assert_eq!(test.store.lifetimes().unwrap()[0].late_ms, None);
    }

    #[test]
    fn commits_in_quick_succession_write_one_sign_of_life() {
        let (test, clock) = begin_at(0);
        clock.set(NOON.plus_ms(BEAT_WITH_COMMIT_MS - 1));
        test.append(arrival("m1", "j1"));
        assert_eq!(test.store.lifetimes().unwrap()[0].alive_at, NOON);
        clock.set(NOON.plus_ms(BEAT_WITH_COMMIT_MS));
        test.append(arrival("m2", "j1"));
        let alive_at = test.store.lifetimes().unwrap()[0].alive_at;
        assert_eq!(alive_at, NOON.plus_ms(BEAT_WITH_COMMIT_MS));
    }

    #[test]
    fn where_nothing_is_committed_the_writer_wakes_for_it() {
        let (test, clock) = begin_at(0);
        clock.set(NOON.plus_ms(1));
        let soon = test.put((), |_, ctx, ()| {
            if let Some(begun) = ctx.life.begun.borrow_mut().as_mut() {
                begun.next_beat = Instant::now() + Duration::from_millis(20);
            }
            Ok(Ok(()))
        });
        soon.recv().unwrap().unwrap();
        // It is told to nobody, so it is looked for.
        let deadline = Instant::now() + Duration::from_secs(10);
        while test.store.lifetimes().unwrap()[0].alive_at == NOON {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let alive_at = test.store.lifetimes().unwrap()[0].alive_at;
        assert_eq!(alive_at, NOON.plus_ms(1));
    }

    #[test]
    fn a_sign_of_life_that_cannot_begin_is_not_tried_again_at_once() {
        let (test, _) = begin_at(0);
        let refused = test.put((), |tx, ctx, ()| {
            if let Some(begun) = ctx.life.begun.borrow_mut().as_mut() {
                begun.next_beat = Instant::now();
            }
            // This transaction may still commit; no other can begin.
            tx.pragma_update(None, "query_only", true)?;
            Ok(Ok(()))
        });
        refused.recv().unwrap().unwrap();
        // Each is a round of the writer, with its own look at what is due.
        for _ in 0..5 {
            test.runtime.block_on(test.store.ask_for_life()).unwrap();
        }
        let WriterState::Runs { failing, .. } = test.store.writer_state() else {
            panic!("the writer has ended");
        };
        assert_eq!(failing.unwrap().tries, 1);
    }

    #[test]
    fn a_file_that_goes_while_nothing_comes_is_noticed_by_the_next_sign_of_life() {
        for file in ["mpsink.db", "mpsink.db.lock"] {
            let (test, _) = begin_at(0);
            let soon = test.put((), |_, ctx, ()| {
                if let Some(begun) = ctx.life.begun.borrow_mut().as_mut() {
                    begun.next_beat = Instant::now() + Duration::from_millis(200);
                }
                Ok(Ok(()))
            });
            soon.recv().unwrap().unwrap();
            std::fs::remove_file(test.folder.path().join(file)).unwrap();
            let fault = test.runtime.block_on(test.store.ended()).unwrap_err();
            assert!(fault.contains(file), "{fault}");
        }
    }

    #[test]
    fn after_a_commit_that_failed_a_sign_of_life_is_due_soon() {
        let (test, _) = begin_at(0);
        let failed = test.put((), |tx, _, ()| {
            tx.query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))?;
            tx.execute_batch(
                "CREATE TABLE filler (bytes); INSERT INTO filler VALUES (zeroblob(100000))",
            )?;
            Ok(Ok(()))
        });
        assert!(failed.recv().unwrap().is_err());
        let (tell, due) = std::sync::mpsc::channel();
        let look = test.put(tell, |_, ctx, tell| {
            let due = ctx.life.beat_due().unwrap();
            tell.send(due.saturating_duration_since(Instant::now()))
                .unwrap();
            Ok(Ok(()))
        });
        look.recv().unwrap().unwrap();
        assert!(due.recv().unwrap() <= BEAT_AFTER_FAILURE);
    }

    #[test]
    fn a_start_that_could_not_be_written_is_written_with_what_comes_next() {
        let test = fixtures::open();
        let failing =
            "CREATE TRIGGER bad BEFORE INSERT ON lifetime BEGIN SELECT RAISE(ABORT, 'no'); END";
        test.look().execute_batch(failing).unwrap();
        let begun = test.runtime.block_on(test.store.begin_lifetime("1.2.3"));
        assert!(begun.is_err());
        test.look().execute_batch("DROP TRIGGER bad").unwrap();
        start(&test, &test.store);
        assert_eq!(test.store.lifetimes().unwrap(), [life(0, 0, None)]);
    }

    #[test]
    fn the_newest_are_kept() {
        let test = fixtures::open();
        let fill = "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1500)
            INSERT INTO lifetime (started_at, alive_at, version) SELECT v, v, '1' FROM n";
        test.look().execute_batch(fill).unwrap();
        start(&test, &test.store);
        let lifetimes = test.store.lifetimes().unwrap();
        assert_eq!(lifetimes.len(), LIFETIMES_KEPT);
        assert_eq!(lifetimes[0], life(0, 0, None));
    }

    #[test]
    fn a_clock_that_went_back_makes_no_negative_downtime() {
        let down = downtimes(&[life(1, 1, None), life(5, 6, None)]);
        assert_eq!(down[0].length_ms(), 0);
    }
}
