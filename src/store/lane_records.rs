//! What the store gives out about lanes: one queue or one workflow over a stretch of time.
//!
//! As in `records.rs`, names and absent values are the JSON's. Counts come from the roll-ups, so that
//! no page counts rows; what cannot come from them is bounded and says so.

use serde::Serialize;

use crate::clock::Timestamp;

/// Which lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LaneKey {
    /// Jobs without a run. Names repeat across regions.
    Queue { region: String, name: String },
    /// Runs of one workflow.
    Workflow {
        owner: String,
        region: String,
        id: String,
    },
}

/// How much ended, by state or outcome. `partial` is a run's, `skipped` and `completed` are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub succeeded: u64,
    pub partial: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub skipped: u64,
    /// Ended, and no message says how.
    pub completed: u64,
}

impl Ended {
    pub fn total(self) -> u64 {
        let Ended {
            succeeded,
            partial,
            failed,
            cancelled,
            skipped,
            completed,
        } = self;
        [succeeded, partial, failed, cancelled, skipped, completed]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The known ones among the durations of what ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// How many of `of` have a known duration.
    pub known: u64,
    /// How much ended in all.
    pub of: u64,
    pub sum_ms: u64,
    /// How many fall into each of the fixed buckets of `store::rollups`.
    pub histogram: Vec<u64>,
}

/// What ended in one slot of a lane's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// When it begins; slots are as long as their lane says and begin at multiples of it since 1970.
    pub at: Timestamp,
    pub ended: Ended,
}

/// One job or run on its lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneItem {
    /// The job's or run's id.
    pub id: String,
    /// Its state's or outcome's word; a run may be `stale`.
    pub state: &'static str,
    /// When it started (a run: was created), if a message says so.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it goes on.
    pub finished_at: Option<Timestamp>,
    pub last_event_at: Timestamp,
}

/// One lane over a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneRecord {
    #[serde(flatten)]
    pub key: LaneKey,
    /// A workflow's, by configuration, else the newest in a message. A queue's name is in its key, so
    /// none stands beside it in the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The newest event of the lane, in the window or not.
    pub last_event_at: Timestamp,
    /// What ended in the window.
    pub ended: Ended,
    pub durations: Durations,
    /// Open runs of the workflow now, stale ones included; 0 for queues. At most
    /// [`OPEN_COUNTED_MAX`] are counted.
    pub open: u64,
    /// The stale ones among them.
    pub stale: u64,
    /// What ended in the last hour before now, whatever the window: whether it fails *now*.
    pub last_hour: Ended,
    /// As was asked for, but an hour at least if the window begins before the minutes that are kept.
    pub slot_ms: i64,
    /// What ended in the window by time, without empty slots.
    pub slots: Vec<Slot>,
    /// Each job or run that overlaps the window, by `last_event_at`, if they are at most
    /// [`LANE_ITEMS_MAX`]; else `None`. Missing are those that ended so long after the window that
    /// as many others were heard of in between, and open jobs last heard of before the window.
    pub items: Option<Vec<LaneItem>>,
}

/// The most open runs of one lane that are counted.
pub const OPEN_COUNTED_MAX: u64 = 1_000;

/// The most jobs or runs of a lane that are given one by one: what can be told apart on a screen.
pub const LANE_ITEMS_MAX: usize = 80;

/// How long pushes took from publishing to arrival: of the newest ones only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// How many pushes these are of; those without a publish time are not among them.
    pub of: u64,
    pub median_ms: i64,
    pub p95_ms: i64,
    pub max_ms: i64,
}

/// Every lane over a window, with what stands above them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    /// The lanes with the newest events, at most [`LANES_MAX`]: queues first, then workflows, each
    /// by name.
    pub lanes: Vec<LaneRecord>,
    /// There are more lanes than are given.
    pub has_more: bool,
    /// Of the newest pushes of the window.
    pub lag: Lag,
    /// When the newest push arrived; `None` if none ever did.
    pub last_received_at: Option<Timestamp>,
    /// The runs that are stale, of whatever workflow: as many as the list of them counts.
    pub stale: Counted,
    /// Unrecognised events of the window, at most [`UNRECOGNIZED_COUNTED_MAX`] counted.
    pub unrecognized: u64,
}

/// The most queues, and the most workflows, that an overview has.
pub const LANES_MAX: usize = 50;

/// The most unrecognised events that are counted.
pub const UNRECOGNIZED_COUNTED_MAX: u64 = 10_000;

/// Failures of one code on a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    pub code: String,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The job or run that failed last with it.
    pub latest: String,
}

/// The failures of a lane over a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureGroups {
    /// The most frequent first, at most [`FAILURE_GROUPS_MAX`].
    pub groups: Vec<FailureGroup>,
    /// The failures that were looked at, newest first, at most [`FAILURES_COUNTED_MAX`]; those
    /// without a code are among them, though in no group.
    pub counted: Counted,
}

/// The most codes of a lane that are told apart.
pub const FAILURE_GROUPS_MAX: usize = 50;

/// The most failures of a lane that are looked at.
pub const FAILURES_COUNTED_MAX: u64 = 20_000;

/// A bounded count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    pub rows: u64,
    /// There are no more; else counting stopped at a bound.
    pub is_all: bool,
}
