//! The one thread that writes.
//!
//! It takes what has piled up, runs it in one IMMEDIATE transaction, commits, then answers each: a
//! sync costs milliseconds and a row microseconds, so the batch is what arrived during the last
//! commit, and no timer is needed. If a member of a batch fails, the batch is rolled back and tried
//! again in halves, down to the member alone, so that one bad row cannot take its neighbours down,
//! and costs a few syncs and not one for each of them. If the transaction cannot begin or commit,
//! that is nobody's row: all are told so.
//!
//! Between batches it writes the notes of refusals, strays and failures, a few at a time and not
//! often, and where nothing else is written, now and then that it is still there (`lifetimes.rs`) and
//! that its files are.
//!
//! **Architecture invariant:** an answer other than an error is given only after the commit that
//! holds it, and only if the files still stand where they were opened (`files.rs`). If they do not,
//! the writer ends, as it does by a panic. Either is told through [`Ended`], and closes the inbox: a
//! store that cannot write must not look healthy.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use crate::metrics::{InboxDepth, Metrics};
use crate::store::batch::Batch;
use crate::store::errors::{WriteError, is_of_the_database};
use crate::store::files::{Displaced, Files};
use crate::store::inbox::{Command, Context, Message};
use crate::store::lock::Lock;
use crate::store::log::Log;
use crate::store::notes::Notes;
use crate::store::pulse::Pulse;
use crate::store::{refusals, unpoisoned};

/// The most commands in one transaction: as many as a server's inbox holds, a fifth of a second of
/// work. Keys are random, so each push touches pages of its own, and the more pushes share a commit,
/// the fewer of these are written again: with 256 a push came to 33 KB on disk, with these to 18.
const BATCH_COMMANDS_MAX: usize = 1_024;

/// The most details of refusals written at once. With the latest few strays, whose heads are short,
/// that is one commit between two batches of some 100 KiB, 1.5 MB at worst, and `notes.rs` says how
/// often: a flood makes good pushes wait for at most five more syncs a second, however big it is.
pub(super) const NOTES_DETAILS_MAX: usize = 16;

/// Its first column is 0 if it got all the way.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// How the writer ended: `None` while it runs, an error's text if by a fault.
pub(super) type Ended = Option<Result<(), String>>;

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) log: Log,
    pub(super) files: Files,
    pub(super) messages: Receiver<Message>,
    pub(super) notes: Arc<Notes>,
    /// The number of the last commit.
    pub(super) commits: watch::Sender<u64>,
    pub(super) metrics: Metrics,
    pub(super) depth: InboxDepth,
    pub(super) pulse: Arc<Pulse>,
    pub(super) ctx: Context,
}

/// Starts the thread. When it ends, in whatever way, its connection is closed, then the lock is
/// given back, then the end is told.
pub(super) fn spawn(
    writer: Writer,
    lock: Arc<Mutex<Option<Lock>>>,
) -> io::Result<(JoinHandle<()>, watch::Receiver<Ended>)> {
    let (tell, ended) = watch::channel(None);
    let thread = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            // The writer goes into the closure, so that a panic drops its connection (rolled back)
            // and its inbox (all waiting are told Closed), and nothing half-done is seen after it.
            let how = panic::catch_unwind(AssertUnwindSafe(move || writer.run()));
            let how = how.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
            if let Err(fault) = &how {
                tracing::error!(%fault, "the store's writer has ended by a fault");
            }
            drop(unpoisoned(&lock).take());
            tell.send_replace(Some(how));
        })?;
    Ok((thread, ended))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the writer panicked without a text".to_owned())
}

/// What was taken from the inbox for one round.
#[derive(Default)]
struct Round {
    batch: Vec<Command>,
    flushes: Vec<oneshot::Sender<Result<(), WriteError>>>,
    asked_for_life: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// Writes until the inbox is closed and empty, or a file is not where it was.
    fn run(mut self) -> Result<(), String> {
        let how = self.write_rounds();
        if how.is_ok() {
            let _ = self.flush_all();
            self.end_life();
        }
        // Also after a fault: what is committed goes into the database, wherever the file is now.
        self.finish();
        how.map_err(|displaced| displaced.to_string())
    }

    fn write_rounds(&mut self) -> Result<(), Displaced> {
        // When notes may be written next; `None` while there are none.
        let mut notes_due: Option<Instant> = None;
        let mut notes_written_at: Option<Instant> = None;
        while let Some(round) = self.next_round(notes_due) {
            self.pulse.begin();
            self.write(round.batch)?;
            if !round.asked_for_life.is_empty() {
                self.files.check()?;
                for reply in round.asked_for_life {
                    let _ = reply.send(());
                }
            }
            if self.ctx.life.is_beat_due() {
                self.files.check()?;
                self.beat();
            }
            let is_due = notes_due.is_some_and(|due| due <= Instant::now());
            if !round.flushes.is_empty() {
                self.flush_for(round.flushes)?;
            } else if is_due {
                let _ = self.flush_some();
            }
            self.log.keep_short(&self.conn);
            if is_due {
                notes_written_at = Some(Instant::now());
            }
            self.pulse.end();
            notes_due = self.notes.interval().map(|interval| {
                notes_written_at.map_or_else(Instant::now, |written| written + interval)
            });
        }
        Ok(())
    }

    /// Waits for something to do and takes it; `None` once the inbox is closed and empty.
    fn next_round(&self, notes_due: Option<Instant>) -> Option<Round> {
        let mut round = Round::default();
        let due = notes_due.into_iter().chain(self.ctx.life.beat_due()).min();
        let first = match due {
            None => self.messages.recv().ok()?,
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now());
                match self.messages.recv_timeout(wait) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => return Some(round),
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        };
        self.take(&mut round, first);
        while round.batch.len() < BATCH_COMMANDS_MAX {
            match self.messages.try_recv() {
                Ok(message) => self.take(&mut round, message),
                Err(_) => break,
            }
        }
        Some(round)
    }

    fn take(&self, round: &mut Round, message: Message) {
        match message {
            Message::Command(command) => {
                self.depth.remove();
                round.batch.push(command);
            }
            Message::FlushNotes(reply) => round.flushes.push(reply),
            Message::AskForLife(reply) => round.asked_for_life.push(reply),
            Message::Wake => {}
        }
    }

    fn write(&mut self, batch: Vec<Command>) -> Result<(), Displaced> {
        // Parts of the batch that are not written yet, the next one last.
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.commit(&mut part) {
                Ok(()) => {
                    // Before the answers, which costs them nothing that can be measured: whoever
                    // has an answer then knows that it has been told.
                    if !part.is_empty() {
                        self.tell_commit();
                    }
                    for command in part {
                        command.work.answer();
                    }
                }
                Err(Failed::Member(_)) if part.len() > 1 => {
                    let second_half = part.split_off(part.len() / 2);
                    parts.extend([second_half, part]);
                }
                Err(Failed::Member(error)) => {
                    if is_of_the_database(&error) {
                        self.note_failed(&error);
                    }
                    fail_all(part, &WriteError::of(error));
                }
                // Each further try could wait as long as this one did, and all are waited for.
                Err(Failed::Transaction(error)) => {
                    self.note_failed(&error);
                    let waiting = part.into_iter().chain(parts.into_iter().rev().flatten());
                    fail_all(waiting, &WriteError::of(error));
                    return Ok(());
                }
                Err(Failed::Displaced(displaced)) => {
                    let waiting = part.into_iter().chain(parts.into_iter().rev().flatten());
                    return Err(fail_displaced(waiting, displaced));
                }
            }
        }
        Ok(())
    }

    /// Runs `batch` in one transaction and commits it. After an error nothing of it is there, except
    /// after [`Failed::Displaced`].
    fn commit(&mut self, batch: &mut [Command]) -> Result<(), Failed> {
        if batch.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let commands = batch.len();
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failed::Transaction)?;
        let mut debt = Batch::default();
        for command in batch {
            let done = command.work.execute(&tx, &self.ctx, &mut debt);
            done.map_err(Failed::Member)?;
        }
        debt.settle(&tx, &self.ctx).map_err(Failed::Member)?;
        let beaten = self.ctx.life.beat_with_commit(&tx, &self.ctx.clock);
        beaten.map_err(Failed::Transaction)?;
        tx.commit().map_err(Failed::Transaction)?;
        let now = self.ctx.clock.now();
        self.pulse.committed(now);
        self.metrics.committed(commands, began.elapsed(), now.0);
        self.metrics.count(&debt.tally);
        // After the commit, so that no answer is given for one into a file that was gone by then.
        self.files.check().map_err(Failed::Displaced)
    }

    fn flush_for(
        &mut self,
        waiting: Vec<oneshot::Sender<Result<(), WriteError>>>,
    ) -> Result<(), Displaced> {
        let flushed = self.flush_all();
        self.files.check()?;
        for reply in waiting {
            let _ = reply.send(flushed.clone());
        }
        Ok(())
    }

    fn flush_all(&mut self) -> Result<(), WriteError> {
        while self.notes.is_waiting() {
            self.flush_some()?;
        }
        Ok(())
    }

    /// Writes the counts and the next few details. If that fails, the counts are kept for the next
    /// time, and the details are lost: they only explain.
    fn flush_some(&mut self) -> Result<(), WriteError> {
        let taken = self.notes.take(NOTES_DETAILS_MAX);
        let written = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|tx| {
                refusals::write(&tx, &taken)?;
                tx.commit()
            });
        if written.is_ok() {
            self.pulse.succeeded();
            self.tell_commit();
        }
        written.map_err(|error| {
            self.note_failed(&error);
            self.notes.give_back_counts(taken);
            let error = WriteError::of(error);
            tracing::warn!(cause = cause(&error), "refusals could not be written");
            error
        })
    }

    /// Writes that the server is there, with nothing else to write.
    fn beat(&mut self) {
        self.ctx.life.put_off_beat();
        let Context { life, clock, .. } = &self.ctx;
        let written = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|tx| {
                life.beat(&tx, clock)?;
                tx.commit()
            });
        match written {
            // No news to anybody: no page would look different.
            Ok(()) => self.pulse.succeeded(),
            Err(error) => {
                self.note_failed(&error);
                tracing::warn!(%error, "cannot write that the server is there");
            }
        }
    }

    /// Whoever asks how the writer is hears of it until a transaction succeeds.
    fn note_failed(&self, error: &rusqlite::Error) {
        self.pulse.failed(error.to_string());
        self.ctx.life.beat_soon();
    }

    fn end_life(&mut self) {
        let Context { life, clock, .. } = &self.ctx;
        let written = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|tx| {
                life.end(&tx, clock)?;
                tx.commit()
            });
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write that the server stopped by itself");
        }
    }

    fn tell_commit(&self) {
        self.commits.send_modify(|number| *number += 1);
    }

    /// Leaves the database without a log, so that the file alone is the whole of it.
    fn finish(self) {
        // What is being moved beside would keep the rest from being moved.
        drop(self.log);
        let checkpointed = self
            .conn
            .query_row(CHECKPOINT, [], |row| row.get::<_, i64>(0));
        match checkpointed {
            Ok(0) => {}
            Ok(_) => tracing::info!("the log was not emptied: it is being read"),
            Err(error) => tracing::warn!(%error, "the log was not emptied"),
        }
    }
}

/// What of a transaction failed.
enum Failed {
    /// One of the commands in it.
    Member(rusqlite::Error),
    /// Its beginning or its commit.
    Transaction(rusqlite::Error),
    /// It is committed, but perhaps nobody will find it.
    Displaced(Displaced),
}

/// Tells all, and returns why, which ends the writer.
fn fail_displaced(batch: impl IntoIterator<Item = Command>, displaced: Displaced) -> Displaced {
    let source = Arc::new(displaced.clone());
    fail_all(batch, &WriteError::Failed { source });
    displaced
}

fn fail_all(batch: impl IntoIterator<Item = Command>, error: &WriteError) {
    tracing::error!(cause = cause(error), "a batch could not be written");
    for command in batch {
        command.work.fail(error.clone());
    }
}

/// The innermost text of an error, which says what the engine said.
fn cause(error: &WriteError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use crate::store::errors::WriteError;
    use crate::store::filters::DeliveryFilter;
    use crate::store::fixtures::{self, TestStore, arrival};
    use crate::store::records::{Page, RowId};
    use crate::store::{Appended, Arrival, Store};

    const ALL: Page = Page::first(1_000);

    fn ids(store: &Store) -> Vec<Option<String>> {
        let listing = store
            .page_deliveries(&DeliveryFilter::default(), ALL)
            .unwrap();
        listing
            .items
            .into_iter()
            .map(|row| row.message_id)
            .collect()
    }

    /// While the writer is stopped: an arrival that got in would have no answer yet.
    fn is_busy_at_once(test: &TestStore, arrival: Arrival) -> bool {
        let task = test.send(arrival);
        let is_answered = task.is_finished();
        is_answered && matches!(test.runtime.block_on(task).unwrap(), Err(WriteError::Busy))
    }

    #[test]
    fn what_was_appended_is_there_after_opening_again() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        // A connection that has read keeps the log from going with the writer's own.
        assert_eq!(ids(&test.store).len(), 1);
        test.store.close();
        test.store.close();
        let log = test.folder.path().join("mpsink.db-wal");
        assert!(std::fs::metadata(log).map_or(0, |log| log.len()) == 0);

        let (store, _) = Store::open(fixtures::options(test.path())).unwrap();
        assert_eq!(ids(&store), [Some("m1".to_owned())]);
        assert_eq!(store.find_jobs("j1").unwrap().len(), 1);
    }

    #[test]
    fn an_answer_comes_only_after_the_commit() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let task = test.send(arrival("m1", "j1"));
        assert!(!task.is_finished());
        assert!(ids(&test.store).is_empty());
        stopped.go_on();
        test.runtime.block_on(task).unwrap().unwrap();
        assert_eq!(ids(&test.store).len(), 1);
    }

    #[test]
    fn what_is_in_the_inbox_is_written_when_the_last_handle_goes() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let task = test.send(arrival("m1", "j1"));
        let path = test.path();
        let TestStore {
            store,
            runtime,
            folder: _folder,
            ..
        } = test;
        drop(task);
        drop(runtime);
        stopped.go_on();
        drop(store);
        let (store, _) = Store::open(fixtures::options(path)).unwrap();
        assert_eq!(ids(&store).len(), 1);
    }

    #[test]
    fn one_bad_row_does_not_take_its_neighbours_down() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let before = test.send(arrival("m1", "j1"));
        let bad = test.put((), |tx, _, ()| {
            // Written, then failed: nothing of it may stay.
            tx.execute("INSERT INTO source (name) VALUES ('half')", [])?;
            tx.execute("INSERT INTO source (name) VALUES ('default')", [])?;
            Ok(Ok(()))
        });
        let after = test.send(arrival("m2", "j2"));
        stopped.go_on();
        assert!(test.runtime.block_on(before).unwrap().is_ok());
        assert!(test.runtime.block_on(after).unwrap().is_ok());
        let error = bad.recv().unwrap().unwrap_err();
        assert!(matches!(error, WriteError::Failed { .. }), "{error:?}");
        assert_eq!(ids(&test.store).len(), 2);
        assert_eq!(test.store.allowances().unwrap().len(), 1);
    }

    #[test]
    fn a_commit_that_fails_answers_every_member_with_an_error() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let neighbour = test.send(arrival("m1", "j1"));
        let bad = test.put((), |tx, _, ()| {
            // A row that names a source which is not there, found out by the commit alone.
            tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            tx.execute("INSERT INTO allowed_owner VALUES (999, 'o', 0, 0)", [])?;
            Ok(Ok(()))
        });
        stopped.go_on();
        assert!(bad.recv().unwrap().is_err());
        let error = test.runtime.block_on(neighbour).unwrap().unwrap_err();
        assert!(matches!(error, WriteError::Failed { .. }), "{error:?}");
        assert!(ids(&test.store).is_empty());
        assert!(matches!(
            test.append(arrival("m1", "j1")),
            Appended::Stored { .. }
        ));
    }

    #[test]
    fn a_full_disk_is_called_so_and_the_store_goes_on_when_there_is_room() {
        let test = fixtures::open();
        let limit = |pages: &'static str| {
            let answer = test.put(pages, |tx, _, pages| {
                tx.query_row(pages, [], |_| Ok(()))?;
                Ok(Ok(()))
            });
            answer.recv().unwrap().unwrap();
        };
        limit("PRAGMA max_page_count = 1");
        let mut big = arrival("m1", "j1");
        big.delivery.body = fixtures::noise(300_000);
        let error = test.try_append(big).unwrap_err();
        assert!(matches!(error, WriteError::DiskFull), "{error:?}");
        limit("PRAGMA max_page_count = 4294967294");
        assert!(test.try_append(arrival("m1", "j1")).is_ok());
    }

    #[test]
    fn an_inbox_full_in_commands_says_so_at_once() {
        let test = fixtures::open_with(|options| options.inbox_commands_max = 3);
        let stopped = test.stop_writer();
        let waiting: Vec<_> = (0..3)
            .map(|at| test.send(arrival(&format!("m{at}"), "j")))
            .collect();
        assert!(is_busy_at_once(&test, arrival("m3", "j")));
        stopped.go_on();
        for task in waiting {
            test.runtime.block_on(task).unwrap().unwrap();
        }
        assert_eq!(ids(&test.store).len(), 3);
        assert!(test.try_append(arrival("m3", "j")).is_ok());
    }

    #[test]
    fn an_inbox_full_in_bytes_says_so_at_once_and_gives_the_bytes_back() {
        let big = |id: &str| {
            let mut big = arrival(id, "j");
            big.delivery.body = vec![b'x'; 6_000];
            big
        };
        let test = fixtures::open_with(|options| options.inbox_bytes_max = 10_000);
        let stopped = test.stop_writer();
        let task = test.send(big("m1"));
        assert!(is_busy_at_once(&test, big("m2")));
        let small = test.send(arrival("m3", "j"));
        stopped.go_on();
        test.runtime.block_on(task).unwrap().unwrap();
        test.runtime.block_on(small).unwrap().unwrap();
        assert!(test.try_append(big("m2")).is_ok());
    }

    #[test]
    fn a_writer_that_dies_is_noticed_and_nothing_waits_for_it() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let stopped = test.stop_writer();
        let bad = test.put((), |_, _, ()| panic!("boom"));
        let neighbour = test.send(arrival("m2", "j2"));
        stopped.go_on();
        let how = test.runtime.block_on(test.store.ended());
        assert_eq!(how, Err("boom".to_owned()));
        assert!(bad.recv().is_err());
        let closed = |error: WriteError| matches!(error, WriteError::Closed);
        assert!(closed(
            test.runtime.block_on(neighbour).unwrap().unwrap_err()
        ));
        assert!(closed(test.try_append(arrival("m3", "j3")).unwrap_err()));
        assert!(closed(test.store.register_sources(Vec::new()).unwrap_err()));
        assert!(closed(
            test.runtime.block_on(test.store.flush_notes()).unwrap_err()
        ));

        let (store, _) = Store::open(fixtures::options(test.path())).unwrap();
        assert_eq!(ids(&store).len(), 1);
    }

    #[test]
    fn a_writer_that_is_kept_busy_is_waited_for_within_bounds_and_writes_all_the_same() {
        let test = fixtures::open_with(|options| {
            options.answer_within = std::time::Duration::from_millis(1);
        });
        let stopped = test.stop_writer();
        let error = test.try_append(arrival("m1", "j1")).unwrap_err();
        assert!(matches!(error, WriteError::TooSlow), "{error:?}");
        assert!(ids(&test.store).is_empty());
        stopped.go_on();
        test.store.close();
        assert_eq!(ids(&test.store), [Some("m1".to_owned())]);
    }

    #[test]
    fn a_sign_of_life_is_the_writer_s_own_and_none_is_given_once_a_file_is_gone() {
        let test = fixtures::open();
        let ask = || {
            let store = test.store.clone();
            test.runtime
                .spawn(async move { store.ask_for_life().await })
        };
        let stopped = test.stop_writer();
        let waiting = ask();
        test.runtime.block_on(tokio::task::yield_now());
        assert!(!waiting.is_finished());
        stopped.go_on();
        assert_eq!(test.runtime.block_on(waiting).unwrap().ok(), Some(()));
        std::fs::remove_file(test.path()).unwrap();
        let error = test.runtime.block_on(ask()).unwrap().unwrap_err();
        assert!(matches!(error, WriteError::Closed), "{error:?}");
    }

    #[test]
    fn a_closed_store_has_ended_well_and_takes_nothing() {
        let test = fixtures::open();
        test.store.close();
        assert_eq!(test.runtime.block_on(test.store.ended()), Ok(()));
        let error = test.try_append(arrival("m1", "j1")).unwrap_err();
        assert!(matches!(error, WriteError::Closed), "{error:?}");
        assert!(ids(&test.store).is_empty());
    }

    #[test]
    fn sources_can_be_registered_inside_an_async_runtime() {
        let test = fixtures::open();
        let source = test
            .runtime
            .block_on(async { fixtures::register(&test.store, "other") });
        assert_eq!(source.name, "other");
    }

    #[test]
    fn numbers_of_many_senders_at_once_are_all_answered() {
        let test = fixtures::open();
        let (tell, told) = mpsc::channel::<RowId>();
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (store, tell) = (test.store.clone(), tell.clone());
                std::thread::spawn(move || {
                    let runtime = fixtures::runtime();
                    for at in 0..50 {
                        let arrival = arrival(&format!("{sender}-{at}"), "j");
                        match runtime.block_on(store.append(arrival)).unwrap() {
                            Appended::Stored { delivery } => tell.send(delivery).unwrap(),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        drop(tell);
        let mut rows: Vec<RowId> = told.iter().collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 200);
    }
}
