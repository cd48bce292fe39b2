//! What the store gives out: one plain struct for each kind of row, as pages and JSON show it.
//!
//! Field names and absent values are the JSON's: `snake_case`, times RFC 3339 UTC, durations in
//! milliseconds, `null` for what is not known. So a record is the same on a page, in `.json` and in
//! an export.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::capture::Capture;
use crate::notification::event::{JobState, MediaObject};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::notification::source::SourceId;

/// The store's number of a row; grows with every new row of its kind.
pub type RowId = i64;

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// Where the next page goes on; `None` on the last page.
    pub next: Option<PageKey>,
}

/// The place of a row in its list: what it is ordered by, then its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageKey {
    pub at: Timestamp,
    pub id: RowId,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most, 1 to [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only rows behind this one; `None` for the first page.
    pub after: Option<PageKey>,
}

/// The most rows one page may have: what a reader holds a transaction for.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// Which jobs. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub queue: Option<String>,
    pub job_type: Option<String>,
    pub state: Option<JobState>,
    pub code: Option<String>,
    /// Last event at or after this time.
    pub from: Option<Timestamp>,
    /// Last event before this time.
    pub to: Option<Timestamp>,
}

/// One job, folded from its events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobRecord {
    /// MPS's id of the job; unique only together with `owner`.
    pub id: String,
    pub owner: String,
    /// The region of the source, empty if it has none configured.
    pub region: String,
    pub queue: Option<String>,
    /// The run it is an activity of.
    pub run: Option<String>,
    pub workflow: Option<String>,
    #[serde(rename = "type")]
    pub job_type: Option<String>,
    pub state: JobState,
    pub raw_state: Option<String>,
    pub code: Option<String>,
    pub group: Option<String>,
    pub message: Option<String>,
    pub user_data: Option<String>,
    pub input: Option<MediaObject>,
    pub submitted_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    /// From the message if it says so, else the publish time of the message that ended it.
    pub finished_at: Option<Timestamp>,
    /// From start to finish; `None` if either is not known.
    pub duration_ms: Option<i64>,
    /// How many distinct events it was folded from.
    pub events: u64,
    /// How many pushes brought them, duplicates counted.
    pub deliveries: u64,
    /// Two of its events end it differently.
    pub conflict: bool,
    /// When its newest event happened, what lists are ordered by.
    pub last_event_at: Timestamp,
    pub extra: Map<String, Value>,
}

/// A queue and its newest jobs, for the overview.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueRecord {
    pub name: String,
    pub region: String,
    pub last_event_at: Timestamp,
    pub latest: Vec<JobRecord>,
}

/// One event as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRecord {
    pub id: RowId,
    /// `job`, `run`, `activity` or `unrecognized`.
    pub kind: String,
    /// The delivery whose message it was read from.
    pub delivery: RowId,
    pub owner: String,
    pub topic: String,
    /// The job's or run's id; `None` if unrecognised.
    pub subject: Option<String>,
    pub state: Option<JobState>,
    pub at: Timestamp,
    pub at_from: TimeSource,
    pub received_at: Timestamp,
    /// The event itself, with every field it was given.
    pub event: Value,
}

/// Where an event's time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// The message says when it happened.
    Message,
    /// The publish time on the envelope.
    Envelope,
    /// When the push arrived, since nothing else said.
    Arrival,
}

/// One distinct message that was let in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRecord {
    pub id: RowId,
    /// The source's name.
    pub source: String,
    pub owner: String,
    pub region: String,
    pub topic: String,
    pub subscription: Option<String>,
    pub subscriber: Option<String>,
    pub message_id: Option<String>,
    pub tag: Option<String>,
    pub format: Format,
    pub published_at: Option<Timestamp>,
    pub received_at: Timestamp,
    /// From publishing to arrival; `None` without a publish time.
    pub lag_ms: Option<i64>,
    /// How often the same message came again.
    pub duplicates: u64,
    pub last_duplicate_at: Option<Timestamp>,
    /// The same key came once more with another message; the first was kept.
    pub differs: bool,
    /// The envelope's `MessageMD5` is not that of its message.
    pub md5_mismatch: bool,
    pub body_bytes: u64,
    /// Why the message was not understood; `None` if it was.
    pub unrecognized: Option<String>,
}

/// A delivery with all that came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryDetail {
    pub delivery: DeliveryRecord,
    pub capture: Capture,
    /// The message as it stood in the envelope.
    pub message: Vec<u8>,
    pub events: Vec<EventRecord>,
}

/// A job with what it was folded from.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    pub job: JobRecord,
    /// In the order they are folded in.
    pub events: Vec<EventRecord>,
    pub deliveries: Vec<DeliveryRecord>,
}

/// A push that is believed but was not let in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldRecord {
    pub id: RowId,
    pub source: String,
    #[serde(serialize_with = "hold_reason_word")]
    pub reason: HoldReason,
    pub received_at: Timestamp,
    pub owner: Option<String>,
    pub topic: Option<String>,
    pub message_id: Option<String>,
    pub body_bytes: u64,
    /// How often the very same push (the same signature) came again.
    pub repeats: u64,
}

/// A held push, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldDetail {
    pub held: HeldRecord,
    /// The source that `held` names.
    pub source: SourceId,
    pub capture: Capture,
    /// The explanation as JSON, see `signature::explain`.
    pub explanation: Value,
}

/// A push that is not believed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusalRecord {
    pub id: RowId,
    pub source: String,
    #[serde(serialize_with = "refusal_reason_word")]
    pub reason: RefusalReason,
    pub received_at: Timestamp,
    /// How long the body was as far as it was read; at most 4 KiB of it are kept.
    pub body_bytes: u64,
}

/// A refused push with what was kept of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalDetail {
    pub refusal: RefusalRecord,
    pub capture: Capture,
    pub explanation: Value,
}

/// How many pushes a source refused for one reason, kept or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusalCount {
    pub source: String,
    #[serde(serialize_with = "refusal_reason_word")]
    pub reason: RefusalReason,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// A push of SMQ's kind to a path of no source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StrayRecord {
    pub id: RowId,
    pub target: String,
    pub received_at: Timestamp,
}

/// How much there is of what needs a person, for the headline of every page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attention {
    pub held: u64,
    pub refused: u64,
    pub strays: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn hold_reason_word<S: serde::Serializer>(
    reason: &HoldReason,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.word())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn refusal_reason_word<S: serde::Serializer>(
    reason: &RefusalReason,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.word())
}
