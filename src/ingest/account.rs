//! What is counted and logged of one push: one line at `info`, and the numbers of its source.
//!
//! The door that takes a push opens an [`Account`], `ingest` notes in it what it reads, and the door
//! closes it with what came of it. That is behind the commit and before the answer: it changes neither,
//! and it cannot fail.
//!
//! The line says which source, what came of it, and how large and slow it was. Never the path, a
//! header, the body, or a word of the message: only the beginning of the message's id, which is
//! SMQ's. It stands in quotes with escapes, since it comes from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::ingest::{Ingest, Outcome, Trouble};
use crate::metrics::{PushOutcome, SourceMetrics};
use crate::notification::source::{Source, SourceId};
use crate::notification::{Format, Notification};

/// How many characters of a message's id are logged: enough to find it among those of a second.
const ID_CHARS_SHOWN: usize = 12;

/// What every push to one source is counted on.
pub(super) struct Ledger {
    name: Arc<str>,
    metrics: SourceMetrics,
}

impl Ledger {
    pub(super) fn of(source: &Source, metrics: SourceMetrics) -> Ledger {
        Ledger {
            name: source.name.as_str().into(),
            metrics,
        }
    }
}

/// One push, until it is answered.
pub struct Account {
    /// `None` for a source that is not configured, which nobody can push to.
    of: Option<(Arc<str>, SourceMetrics)>,
    request: String,
    began: Instant,
    bytes: usize,
    format: Option<Format>,
    message_id: Option<String>,
    lag_ms: Option<i64>,
}

impl Ingest {
    /// Opens the account of a push to a source. `request` is the id that its sender is answered.
    pub fn account(&self, source: SourceId, request: String) -> Account {
        let ledger = self.ledgers.get(&source);
        Account {
            of: ledger.map(|ledger| (Arc::clone(&ledger.name), ledger.metrics.clone())),
            request,
            began: Instant::now(),
            bytes: 0,
            format: None,
            message_id: None,
            lag_ms: None,
        }
    }
}

impl Account {
    pub(super) fn note_body(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    pub(super) fn note_envelope(&mut self, notification: &Notification, received_at: Timestamp) {
        self.format = Some(notification.format);
        let published_at = notification.published_at;
        self.lag_ms = published_at.map(|published_at| received_at.since_ms(published_at));
        let id = notification.message_id.as_deref();
        self.message_id = id.map(|id| id.chars().take(ID_CHARS_SHOWN).collect());
    }

    /// Counts and logs a push that `ingest` has judged.
    pub fn close(self, outcome: &Outcome) {
        let (what, why) = match outcome {
            Outcome::Stored { .. } => (PushOutcome::Stored, ""),
            Outcome::Duplicate { differs: false, .. } => (PushOutcome::Duplicate, ""),
            Outcome::Duplicate { differs: true, .. } => (PushOutcome::Duplicate, "differs"),
            Outcome::Held { reason, .. } => (PushOutcome::Held, reason.word()),
            Outcome::Refused { reason } => (PushOutcome::Refused, reason.word()),
            Outcome::Failed(trouble) => (PushOutcome::Failed, trouble.word()),
        };
        self.settle(what, why);
    }

    /// Counts and logs a push whose body did not come whole, for the reason in `why`.
    pub fn close_unread(self, why: &'static str) {
        self.settle(PushOutcome::Unread, why);
    }

    /// Counts and logs a push that there was no room to read, for the reason in `why`.
    pub fn close_failed(self, why: &'static str) {
        self.settle(PushOutcome::Failed, why);
    }

    fn settle(self, outcome: PushOutcome, why: &'static str) {
        let Some((source, metrics)) = self.of else {
            return;
        };
        let took = self.began.elapsed();
        metrics.pushed(self.format, outcome, took, self.lag_ms);
        tracing::info!(
            source = &*source,
            outcome = outcome.word(),
            why = (!why.is_empty()).then_some(why),
            format = self.format.map(Format::word),
            bytes = self.bytes,
            ms = whole_ms(took),
            message_id = self.message_id.as_deref(),
            request = self.request,
            "push"
        );
    }
}

fn whole_ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl Trouble {
    fn word(self) -> &'static str {
        match self {
            Trouble::CertificateUnavailable { .. } => "certificate_unavailable",
            Trouble::InboxFull => "inbox_full",
            Trouble::DiskFull => "disk_full",
            Trouble::HeldFull => "held_full",
            Trouble::StoreUnavailable => "store_unavailable",
        }
    }
}
