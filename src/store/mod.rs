//! The only SQL: what was let in, on disk, once.
//!
//! One writer thread owns the only connection that writes. Callers hand it commands through an
//! inbox bounded in number and bytes; it takes what has piled up, runs it in one IMMEDIATE
//! transaction, commits with `synchronous = FULL`, and only then answers each. Readers are a small
//! pool of read-only connections that page by key. Everything is in the domain's words; nothing of
//! SQLite shows in a signature, so that another engine could stand here.
//!
//! Reading order: `options.rs`, what a store is opened with; the types and verbs here; `inbox.rs` and
//! `writer.rs`, how a command gets on disk; `append.rs` (with `numbers.rs` and `packed/`), `held.rs`,
//! `sources.rs`, `refusals.rs`, what each writes; `fold.rs`, `fold_run.rs`, `jobs.rs`, `runs.rs`, how
//! rows come from events; `lanes.rs`, `rollups.rs`, `words.rs`, `arrivals.rs`, what is kept beside;
//! `lifetimes.rs`, when a server was there; `rebuild/`, how it all comes from the events again;
//! `retention/`, how it goes by age; `readers/`, the reading verbs and a file for each list;
//! `changes.rs`, who is told of a commit; `open.rs`, `reading.rs`, `lock.rs`, `files.rs`, what the
//! database stands on; `pulse.rs`, `disk.rs`, how writer and disk are; `import.rs`, how another comes in.
//!
//! Noted refusals and strays do not come through the inbox, so that a flood of them never takes a
//! good push's place: `notes.rs` gathers them in memory, and the same thread writes a few at a time.
//!
//! Deliberately not here: what is let in (`ingest` decides), and what a message says (`mps`). The
//! message itself is not kept: it is read again from the body.
//!
//! **Architecture invariant:** an `Ok` from a writing verb means that it is committed and synced, in
//! a file that still stands where it was opened.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::clock::Timestamp;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::event::Event;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::notification::source::{Source, SourceId};
use crate::notification::{Admitted, Notification};
use crate::store::changes::Changes;
use crate::store::disk::Disk;
use crate::store::errors::{OpenError, WriteError};
use crate::store::files::Files;
use crate::store::inbox::{Asked, Context, How, How::Settled, Inbox};
use crate::store::lanes::Workflows;
use crate::store::lifetimes::Life;
use crate::store::lock::Lock;
use crate::store::log::Log;
use crate::store::notes::Notes;
use crate::store::options::{Opened, Purpose, QueueRule, SourceRule, StoreOptions};
use crate::store::pulse::Pulse;
use crate::store::readers::{READER_LIMITS, Readers};
use crate::store::records::RowId;
use crate::store::unfinished::Migrations;
use crate::store::writer::{Ended, Writer};

pub mod arrivals;
pub mod backup;
pub mod changes;
pub mod completeness_records;
pub mod copy;
pub mod disk;
pub mod errors;
pub mod event_text;
pub mod file_system;
pub mod filters;
pub mod foresee;
pub mod import;
pub mod integrity;
pub mod lane_records;
pub mod lifetimes;
pub mod lock;
pub mod options;
pub mod pulse;
pub mod rebuild;
pub mod records;
pub mod restore;
pub mod retention;
pub mod rollups;
pub mod scan_records;
pub mod standing;
pub mod upkeep;

mod append;
mod batch;
mod belonging;
mod cells;
mod event_rows;
mod files;
mod fold;
mod fold_run;
mod held;
mod inbox;
mod jobs;
mod lanes;
mod log;
mod notes;
mod numbers;
mod open;
mod packed;
mod pages;
mod queues;
mod readers;
mod reading;
mod refusals;
mod rollup_sums;
mod runs;
mod sources;
mod unfinished;
mod values;
mod window;
mod words;
mod writer;

/// A cloneable handle on the database. Dropping the last one without [`Store::close`] still writes
/// what is in the inbox.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What a source lets in beside its configuration: pinned or allowed by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub source: SourceId,
    pub owners: Vec<String>,
    pub topics: Vec<String>,
}

/// A message to store, with everything read from it.
pub struct Arrival {
    /// Whole, as it came; its head and body are kept for `.http` and for reading it again.
    pub delivery: Delivery,
    pub notification: Admitted<Notification>,
    pub events: Vec<Event>,
    /// The region and queue of the source.
    pub region: String,
    pub queue: String,
    /// The envelope's `MessageMD5` is not that of its message.
    pub md5_mismatch: bool,
    pub owner: OwnerRule,
    /// The held push this was, which goes in the same transaction.
    pub from_held: Option<RowId>,
}

/// What the writer does about the topic's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerRule {
    /// The owner is known to be let in (or nobody is to be pinned: test pushes).
    Checked,
    /// The source had no owner yet: pin this one, unless another was pinned meanwhile.
    Pin,
}

/// What became of an [`Arrival`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored {
        delivery: RowId,
    },
    /// The key was there: counted on that row. `differs`: its message is another one, not kept.
    Duplicate {
        delivery: RowId,
        differs: bool,
    },
    /// [`OwnerRule::Pin`], and another owner is pinned. Nothing was written.
    AnotherOwnerPinned,
    /// `from_held` names no held push any more. Nothing was written.
    NoLongerHeld,
    /// `from_held`, and its key is that of another message. Nothing was written: the held push is
    /// the only copy of its message, and stays.
    HeldDiffers {
        /// The row that has the key.
        delivery: RowId,
    },
}

/// A push to hold.
pub struct NewHeld {
    pub delivery: Delivery,
    /// The signature's bytes: at most one row for each value.
    pub signature: Vec<u8>,
    pub reason: HoldReason,
    pub owner: Option<String>,
    pub topic: Option<String>,
    pub message_id: Option<String>,
    /// As JSON.
    pub explanation: String,
}

/// A refused push to remember, if there is room.
pub struct NewRefusal {
    /// With at most [`REFUSED_BODY_BYTES_MAX`] of the body.
    pub delivery: Delivery,
    /// How long the body was, as far as it was read.
    pub body_bytes: u64,
    pub reason: RefusalReason,
    pub explanation: String,
}

/// A push of SMQ's kind to a path of no source.
pub struct NewStray {
    pub target: String,
    pub headers: Headers,
    pub received_at: Timestamp,
}

/// The most of a refused push's body that is kept.
pub const REFUSED_BODY_BYTES_MAX: usize = 4 * 1024;

/// A certificate that has verified a push; with it a restart needs no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCertificate {
    pub url: String,
    /// The file as it was fetched, PEM or DER.
    pub bytes: Vec<u8>,
    pub fetched_at: Timestamp,
}

/// What all clones of a [`Store`] share.
struct Inner {
    purpose: Purpose,
    inbox: Inbox,
    notes: Arc<Notes>,
    readers: Readers,
    queues: Arc<[QueueRule]>,
    /// What a run is called and when it is stale, which is decided when it is read.
    workflows: Workflows,
    /// Taken by the writer when it ends, so that the lock goes exactly then.
    lock: Arc<Mutex<Option<Lock>>>,
    answer_within: Duration,
    writer: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Receiver<Ended>,
    changes: Changes,
    pulse: Arc<Pulse>,
    disk: Disk,
}

impl Inner {
    fn close(&self) {
        self.inbox.close();
        let writer = unpoisoned(&self.writer).take();
        if let Some(writer) = writer {
            // A writer that panicked has said so through `ended` already.
            let _ = writer.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Locks, also after a panic elsewhere: what these guard is whole between any two statements.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opening and ending.
impl Store {
    /// Opens or makes the database, takes its lock, migrates it and starts the writer.
    pub fn open(options: StoreOptions) -> Result<(Store, Opened), OpenError> {
        Store::open_by(options, open::MIGRATIONS)
    }

    fn open_by(options: StoreOptions, steps: Migrations) -> Result<(Store, Opened), OpenError> {
        let lock = Lock::acquire(&options.path)?;
        restore::require_ended(&lock.database())?;
        let (mut conn, opened) = open::open(&options.path, options.purpose, steps)?;
        let unusable = |source| OpenError::Unusable {
            path: options.path.clone(),
            source,
        };
        let files =
            Files::remember(&options.path, &lock).map_err(|error| unusable(error.into()))?;
        let readers =
            Readers::open(&options.path, READER_LIMITS).map_err(|error| unusable(error.into()))?;
        let lock = Arc::new(Mutex::new(Some(lock)));
        let notes = Arc::new(Notes::default());
        let (inbox, messages) = Inbox::new(
            options.inbox_commands_max,
            options.inbox_bytes_max,
            options.metrics.inbox(options.inbox_commands_max),
        );
        let queues = Arc::from(options.queues);
        let pulse = Arc::<Pulse>::default();
        let disk = Disk {
            path: options.path.clone(),
            free: options.free_disk,
        };
        let workflows = Workflows::new(options.workflows, options.clock.clone());
        let (commits, changes) = Changes::channel();
        let log = Log::watch(&mut conn, &options.path).map_err(unusable)?;
        let writer = Writer {
            conn,
            log,
            files,
            messages,
            notes: Arc::clone(&notes),
            commits,
            depth: options.metrics.inbox(options.inbox_commands_max),
            metrics: options.metrics,
            pulse: Arc::clone(&pulse),
            ctx: Context {
                queues: Arc::clone(&queues),
                held_bytes_max: options.held_bytes_max,
                clock: options.clock,
                life: Life::default(),
                rereads: Cell::new(0),
            },
        };
        let (thread, ended) = writer::spawn(writer, Arc::clone(&lock))
            .map_err(|source| OpenError::NoThread { source })?;
        let inner = Inner {
            purpose: options.purpose,
            inbox,
            notes,
            readers,
            queues,
            workflows,
            lock,
            answer_within: options.answer_within,
            writer: Mutex::new(Some(thread)),
            ended,
            changes,
            pulse,
            disk,
        };
        let store = Store {
            inner: Arc::new(inner),
        };
        Ok((store, opened))
    }

    pub fn purpose(&self) -> Purpose {
        self.inner.purpose
    }

    /// Ends the writer: what is in the inbox is committed, noted refusals are written, the log is
    /// checkpointed, the lock is given back. Blocks until then; the second call does nothing.
    /// Reading goes on.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// Writing. Each verb answers once its command is committed, or says why it is not. After
/// [`WriteError::TooSlow`] alone it may be committed yet: a sender that repeats the push then finds
/// it there.
impl Store {
    /// Stores a message with its events and folds what they are about, or counts it on the row
    /// that has its key.
    pub async fn append(&self, arrival: Arrival) -> Result<Appended, WriteError> {
        let bytes = weigh(&arrival.delivery).saturating_add(arrival.notification.message.len());
        let arrival = append::packed(arrival);
        self.ask(bytes, arrival, How::InBatch(append::append)).await
    }

    /// Keeps a push whole until a person decides; the same again, under the same signature or a new
    /// one, is counted on the row that has it.
    pub async fn hold(&self, held: NewHeld) -> Result<RowId, WriteError> {
        let bytes = weigh(&held.delivery).saturating_add(held.explanation.len());
        self.ask(bytes, held, Settled(held::hold)).await
    }

    /// Returns whether it was there.
    pub async fn drop_held(&self, id: RowId) -> Result<bool, WriteError> {
        self.ask(0, id, Settled(held::drop_held)).await
    }

    /// Lets an owner in at a source; the second call does nothing.
    pub async fn allow_owner(&self, source: SourceId, owner: String) -> Result<(), WriteError> {
        let how = Settled(sources::allow_owner);
        self.ask(owner.len(), (source, owner), how).await
    }

    /// Lets a topic in at a source; the second call does nothing.
    pub async fn allow_topic(&self, source: SourceId, topic: String) -> Result<(), WriteError> {
        let how = Settled(sources::allow_topic);
        self.ask(topic.len(), (source, topic), how).await
    }

    /// Keeps a certificate, replacing the one of its URL; beyond 16 the one fetched first goes.
    pub async fn keep_certificate(&self, certificate: KeptCertificate) -> Result<(), WriteError> {
        let bytes = certificate.bytes.len();
        self.ask(bytes, certificate, Settled(sources::keep_certificate))
            .await
    }

    /// Gives each rule its number, and the first path of a rule without paths. Blocks; may be
    /// called from anywhere.
    pub fn register_sources(&self, rules: Vec<SourceRule>) -> Result<Vec<Source>, WriteError> {
        let rules = sources::with_tokens(rules)?;
        // Not a oneshot: waiting for one panics inside an async runtime.
        let (reply, answer) = mpsc::sync_channel(1);
        let reply = Box::new(move |answer| {
            let _ = reply.send(answer);
        });
        let work = Asked::new(rules, Settled(sources::register), reply);
        self.inner.inbox.send(0, work)?;
        answer.recv().map_err(|_| WriteError::Closed)?
    }

    /// Counts a refusal; `details` are written aside if there is room. Never waits, never fails.
    pub fn note_refusal(
        &self,
        source: SourceId,
        reason: RefusalReason,
        at: Timestamp,
        details: Option<NewRefusal>,
    ) {
        if self.inner.notes.add_refusal(source, reason, at, details) {
            self.inner.inbox.wake();
        }
    }

    /// Counts a stray and keeps it if it is among the latest. Never waits, never fails.
    pub fn note_stray(&self, stray: NewStray) {
        if self.inner.notes.add_stray(stray) {
            self.inner.inbox.wake();
        }
    }

    /// Counts a push of a source that was answered with a fault of ours. Never waits, never fails.
    pub fn note_failure(&self, source: SourceId, at: Timestamp) {
        if self.inner.notes.add_failure(source, at) {
            self.inner.inbox.wake();
        }
    }

    /// Says that from now on a server takes pushes here, until [`Store::close`]: what stops otherwise
    /// has left off without an end. The second call does nothing.
    pub async fn begin_lifetime(&self, version: &'static str) -> Result<(), WriteError> {
        self.ask(0, version, Settled(lifetimes::begin)).await
    }

    /// Returns when every refusal, stray and failure noted so far is on disk, as they soon are by themselves.
    pub async fn flush_notes(&self) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        self.inner.inbox.send_flush(reply)?;
        answer.await.map_err(|_| WriteError::Closed)?
    }

    /// Returns once the writer has come to this, behind whatever was waiting, and has found its files
    /// where they were. Not bounded in time.
    pub async fn ask_for_life(&self) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        self.inner.inbox.send_ask_for_life(reply)?;
        answer.await.map_err(|_| WriteError::Closed)
    }

    /// Asks the writer, and waits no longer than a sender of pushes would.
    async fn ask<T, R>(&self, bytes: usize, what: T, how: How<T, R>) -> Result<R, WriteError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let answer = self.ask_and_wait(bytes, what, how);
        let answer = tokio::time::timeout(self.inner.answer_within, answer);
        answer.await.unwrap_or(Err(WriteError::TooSlow))
    }

    /// Asks the writer, and waits for as long as it takes.
    async fn ask_and_wait<T, R>(
        &self,
        bytes: usize,
        what: T,
        how: How<T, R>,
    ) -> Result<R, WriteError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // Nobody may be waiting any more: a sender that hung up. What was asked is done all the same.
        let reply = Box::new(move |answer| drop(reply.send(answer)));
        self.inner.inbox.send(bytes, Asked::new(what, how, reply))?;
        answer.await.map_err(|_| WriteError::Closed)?
    }
}

fn weigh(delivery: &Delivery) -> usize {
    let head = delivery
        .headers
        .bytes()
        .saturating_add(delivery.target.len());
    head.saturating_add(delivery.body.len())
}

#[cfg(test)]
mod fixtures;
