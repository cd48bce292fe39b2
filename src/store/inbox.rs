//! The writer's inbox, bounded in commands and in bytes, and what a command in it is.
//!
//! A command is what was asked, the function that writes it, and where the answer goes. It may be
//! run more than once (alone, after its batch failed), and is answered exactly once, or dropped
//! with the writer, which the waiting side sees as [`WriteError::Closed`].
//!
//! Nothing here waits: a full inbox is said at once, since the sender has 5 s and comes again.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Transaction;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::metrics::InboxDepth;
use crate::store::batch::Batch;
use crate::store::errors::WriteError;
use crate::store::lifetimes::Life;
use crate::store::options::QueueRule;

/// What every command may need beside what was asked.
pub(super) struct Context {
    pub(super) queues: Arc<[QueueRule]>,
    pub(super) held_bytes_max: u64,
    pub(super) clock: Clock,
    pub(super) life: Life,
    /// How often messages have been read again since the start: what was known of which of them hang
    /// together is not known any more then.
    pub(super) rereads: Cell<u64>,
}

/// Writes what was asked in the writer's transaction. The outer error fails the transaction; the
/// inner one is an answer that wrote nothing.
pub(super) type Run<T, R> =
    fn(&Transaction<'_>, &Context, &T) -> rusqlite::Result<Result<R, WriteError>>;

/// The same, for what leaves a part of the work to the end of its transaction.
pub(super) type RunInBatch<T, R> =
    fn(&Transaction<'_>, &Context, &mut Batch, &T) -> rusqlite::Result<Result<R, WriteError>>;

/// How a command is run.
pub(super) enum How<T, R> {
    /// As if each command before it had been alone.
    Settled(Run<T, R>),
    InBatch(RunInBatch<T, R>),
}

/// Where the answer goes.
pub(super) type Reply<R> = Box<dyn FnOnce(Result<R, WriteError>) + Send>;

/// A command, whatever it asks and is answered.
pub(super) trait Work: Send {
    /// Runs in `tx` and remembers the answer; the second run replaces it.
    fn execute(
        &mut self,
        tx: &Transaction<'_>,
        ctx: &Context,
        batch: &mut Batch,
    ) -> rusqlite::Result<()>;
    /// Gives the remembered answer. Only after the commit.
    fn answer(self: Box<Self>);
    /// Says why nothing was written.
    fn fail(self: Box<Self>, error: WriteError);
}

/// The one kind of [`Work`].
pub(super) struct Asked<T, R> {
    what: T,
    how: How<T, R>,
    reply: Reply<R>,
    answer: Option<Result<R, WriteError>>,
}

impl<T, R> Asked<T, R> {
    pub(super) fn new(what: T, how: How<T, R>, reply: Reply<R>) -> Asked<T, R> {
        Asked {
            what,
            how,
            reply,
            answer: None,
        }
    }
}

impl<T: Send, R: Send> Work for Asked<T, R> {
    fn execute(
        &mut self,
        tx: &Transaction<'_>,
        ctx: &Context,
        batch: &mut Batch,
    ) -> rusqlite::Result<()> {
        self.answer = None;
        let answer = match self.how {
            How::Settled(run) => {
                batch.settle(tx, ctx)?;
                run(tx, ctx, &self.what)?
            }
            How::InBatch(run) => run(tx, ctx, batch, &self.what)?,
        };
        self.answer = Some(answer);
        Ok(())
    }

    fn answer(self: Box<Self>) {
        // A command that was never run has no answer; its reply is dropped, which says Closed.
        if let Some(answer) = self.answer {
            (self.reply)(answer);
        }
    }

    fn fail(self: Box<Self>, error: WriteError) {
        (self.reply)(Err(error));
    }
}

/// What the writer finds in its inbox.
pub(super) enum Message {
    Command(Command),
    /// Write all notes now.
    FlushNotes(oneshot::Sender<Result<(), WriteError>>),
    /// Answer, to show that somebody is there.
    AskForLife(oneshot::Sender<()>),
    /// There are notes to write when it is time.
    Wake,
}

/// A command with the bytes it takes until it is answered.
pub(super) struct Command {
    pub(super) work: Box<dyn Work>,
    _reserved: Reserved,
}

/// The sending end.
pub(super) struct Inbox {
    /// `None` once closed.
    sender: RwLock<Option<SyncSender<Message>>>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    depth: InboxDepth,
}

impl Inbox {
    pub(super) fn new(
        commands_max: usize,
        bytes_max: usize,
        depth: InboxDepth,
    ) -> (Inbox, Receiver<Message>) {
        let (sender, messages) = mpsc::sync_channel(commands_max);
        let inbox = Inbox {
            sender: RwLock::new(Some(sender)),
            bytes: Arc::new(AtomicUsize::new(0)),
            bytes_max,
            depth,
        };
        (inbox, messages)
    }

    /// Puts in a command that takes `bytes` until it is answered. One that takes more than the
    /// bound alone never goes in.
    pub(super) fn send<W: Work + 'static>(&self, bytes: usize, work: W) -> Result<(), WriteError> {
        let reserved = self.reserve(bytes).ok_or(WriteError::Busy)?;
        // Before it is there, since the writer may take it at once.
        self.depth.add();
        let put = self.put(Message::Command(Command {
            work: Box::new(work),
            _reserved: reserved,
        }));
        put.inspect_err(|_| self.depth.remove())
    }

    pub(super) fn send_flush(
        &self,
        reply: oneshot::Sender<Result<(), WriteError>>,
    ) -> Result<(), WriteError> {
        self.put(Message::FlushNotes(reply))
    }

    pub(super) fn send_ask_for_life(&self, reply: oneshot::Sender<()>) -> Result<(), WriteError> {
        self.put(Message::AskForLife(reply))
    }

    /// Wakes a writer that is waiting for a command. If there is no room, it is awake.
    pub(super) fn wake(&self) {
        let _ = self.put(Message::Wake);
    }

    /// Lets nothing more in; the writer ends when it has done what is there. The second call does
    /// nothing.
    pub(super) fn close(&self) {
        let mut sender = self.sender.write().unwrap_or_else(PoisonError::into_inner);
        *sender = None;
    }

    fn put(&self, message: Message) -> Result<(), WriteError> {
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(WriteError::Closed)?;
        sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => WriteError::Busy,
            TrySendError::Disconnected(_) => WriteError::Closed,
        })
    }

    fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let fits = |taken: usize| {
            let taken = taken.checked_add(bytes)?;
            (taken <= self.bytes_max).then_some(taken)
        };
        self.bytes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits)
            .ok()?;
        Some(Reserved {
            bytes,
            all: Arc::clone(&self.bytes),
        })
    }
}

/// Bytes taken of the inbox's bound; dropping gives them back.
struct Reserved {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}
