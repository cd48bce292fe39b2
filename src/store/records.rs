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
use crate::store::event_text::EventText;

/// The store's number of a row; grows with every new row of its kind.
pub type RowId = i64;

/// One page of a list, newest first. It may have fewer items than asked for, or none, and yet a next
/// or previous page: where a filter lets little through, a page ends after so many rows were looked
/// at.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// What the next page is [`Place::After`]; `None` on the last page.
    pub next: Option<PageKey>,
    /// What the previous page is [`Place::Before`]; `None` on the first page.
    pub previous: Option<PageKey>,
}

/// The place of a row in its list: what it is ordered by, then its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageKey {
    pub at: Timestamp,
    pub id: RowId,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most, 1 to [`PAGE_ROWS_MAX`].
    pub limit: u32,
    pub place: Place,
}

impl Page {
    pub const fn first(limit: u32) -> Page {
        Page {
            limit,
            place: Place::First,
        }
    }
}

/// Where in a list a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the newest row.
    First,
    /// Right behind this one: only older rows.
    After(PageKey),
    /// Right before this one: only newer rows, of which the oldest, newest first as everywhere.
    Before(PageKey),
}

/// The most rows one page may have: what a reader holds a transaction for.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// What became of a run, computed from its activities; see `ARCHITECTURE.md`,
/// *Folding*. Never taken from the message's own state alone: a run that MPS calls completed may
/// have failed work in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    Running,
    Succeeded,
    /// Some work succeeded and some failed or was cancelled.
    Partial,
    Failed,
    /// No Report, and older than its workflow's `stale_after`. Computed when read, never stored.
    Stale,
}

impl RunOutcome {
    pub const ALL: [RunOutcome; 5] = [
        RunOutcome::Running,
        RunOutcome::Succeeded,
        RunOutcome::Partial,
        RunOutcome::Failed,
        RunOutcome::Stale,
    ];

    /// Tells whether nothing is expected to change it. A stale run may still end.
    pub fn is_end(self) -> bool {
        match self {
            RunOutcome::Succeeded | RunOutcome::Partial | RunOutcome::Failed => true,
            RunOutcome::Running | RunOutcome::Stale => false,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            RunOutcome::Running => "running",
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Partial => "partial",
            RunOutcome::Failed => "failed",
            RunOutcome::Stale => "stale",
        }
    }

    /// Reads [`RunOutcome::word`] back.
    pub fn from_word(word: &str) -> Option<RunOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// A workflow as a run or activity names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkflowName {
    pub id: Option<String>,
    /// By configuration, else the newest in a message.
    pub name: Option<String>,
}

/// One execution of a workflow, folded from its events and those of its activities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRecord {
    /// MPS's id of the run; unique only together with `owner`.
    pub id: String,
    pub owner: String,
    pub region: String,
    pub workflow: WorkflowName,
    pub media_id: Option<String>,
    pub input: Option<MediaObject>,
    pub user_data: Option<String>,
    pub outcome: RunOutcome,
    /// It has ended well, but every activity with work in it was skipped.
    pub nothing_done: bool,
    pub raw_state: Option<String>,
    /// The first failed activity's, else the run's own.
    pub code: Option<String>,
    pub group: Option<String>,
    pub message: Option<String>,
    pub created_at: Option<Timestamp>,
    /// Its Report activity's end, else the publish time of the Report message.
    pub finished_at: Option<Timestamp>,
    pub duration_ms: Option<i64>,
    pub events: u64,
    /// How many pushes brought its events, duplicates counted.
    pub deliveries: u64,
    pub conflict: bool,
    /// Its Report message came, and its Start message did not: what `/completeness` lists, and
    /// nothing that a run is asked for.
    #[serde(skip)]
    pub start_missing: bool,
    pub last_event_at: Timestamp,
    pub extra: Map<String, Value>,
    /// By start time, then name; in lists as well.
    pub activities: Vec<ActivityRecord>,
}

/// One node of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityRecord {
    pub run: String,
    pub owner: String,
    pub region: String,
    pub workflow: WorkflowName,
    pub name: String,
    #[serde(rename = "type")]
    pub activity_type: String,
    pub job: Option<String>,
    pub template_id: Option<String>,
    pub state: JobState,
    pub raw_state: Option<String>,
    pub code: Option<String>,
    pub group: Option<String>,
    pub message: Option<String>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Its wait in the queue plus its work: all activities of a level start in the same second.
    pub duration_ms: Option<i64>,
    pub conflict: bool,
    pub last_event_at: Timestamp,
    pub extra: Map<String, Value>,
}

/// A run with what it was folded from.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDetail {
    pub run: RunRecord,
    /// In the order they are folded in.
    pub events: Vec<EventRecord>,
    pub deliveries: Vec<DeliveryRecord>,
}

/// How long the time buckets of roll-ups are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollUpSpan {
    /// Kept 8 days.
    Minute,
    /// Kept as long as history.
    Hour,
}

/// What of one kind ended in one minute or hour (UTC) on one lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RollUpRecord {
    pub at: Timestamp,
    /// `queue` (jobs without a run), `workflow` (runs) or `activity` (activities of a workflow).
    pub lane_kind: String,
    pub owner: String,
    pub region: String,
    /// The queue's name or the workflow's id.
    pub lane: String,
    /// The job's or activity's type; empty for runs.
    #[serde(rename = "type")]
    pub kind_type: String,
    /// A state's or outcome's word.
    pub state: String,
    pub count: u64,
    /// How many of `count` have a known duration.
    pub known: u64,
    pub duration_sum_ms: u64,
    /// How many known durations fall into each of the fixed buckets of `store::rollups`.
    pub histogram: Vec<u64>,
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
    /// The id of that run's workflow.
    pub workflow: Option<String>,
    /// What that is called now: by configuration, else by the newest message.
    pub workflow_name: Option<String>,
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
    /// From the start, else the submission, to the finish; `None` if either is not known.
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
    pub event: EventText,
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
    /// `None` once age has emptied it.
    pub push: Option<KeptMessage>,
    pub events: Vec<EventRecord>,
}

/// A push as it came, with what was in its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    pub capture: Capture,
    /// The message as it stood in the envelope.
    pub message: Vec<u8>,
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

/// A source, and what came through it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    pub id: SourceId,
    /// Its first delivery and its newest, duplicates left out. Once age has taken the first, the
    /// newest stands for it.
    pub first: Option<DeliveryRecord>,
    pub newest: Option<DeliveryRecord>,
    /// Let in beside the configuration, the pinned one first.
    pub owners: Vec<AllowedOwner>,
}

/// A topic owner that is let in though no configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOwner {
    pub owner: String,
    /// By its push, the first that was let in; else by a person.
    pub is_pinned: bool,
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
