//! What a store is opened with: where it is and what for, its bounds, and what the configuration says
//! of sources, queues and workflows.
//!
//! Plain values that `config` fills and `app` hands down: nothing is checked here, and nothing is
//! read from a file or the environment.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::notification::source::RetryPolicy;

/// What [`Store::open`] needs.
///
/// [`Store::open`]: crate::store::Store::open
pub struct StoreOptions {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    pub purpose: Purpose,
    /// Commands waiting for the writer at most; one more is `WriteError::Busy`.
    pub inbox_commands_max: usize,
    /// Bytes of bodies and messages waiting for the writer at most.
    pub inbox_bytes_max: usize,
    /// Bytes that held pushes may take together; beyond it `WriteError::HeldFull`.
    pub held_bytes_max: u64,
    /// How long a writing verb waits for its commit; beyond it `WriteError::TooSlow`.
    pub answer_within: Duration,
    /// Which queue the jobs of a topic belong to, in the order of the configuration.
    pub queues: Vec<QueueRule>,
    /// What is known of workflows beside their messages.
    pub workflows: Vec<WorkflowRule>,
    pub clock: Clock,
    /// What the writer does is counted here.
    pub metrics: Metrics,
    /// Asks how many bytes are free for us at a path; another one only in tests.
    pub free_disk: FreeDisk,
}

/// See [`disk::free`](crate::store::disk::free).
pub type FreeDisk = fn(&Path) -> io::Result<u64>;

/// What a database is for; it is marked so when it is made, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The record of real pushes.
    Record,
    /// `serve --try`: pages and exports say TEST.
    Try,
}

/// A `[[queue]]` table: jobs of these topics (or this pipeline id) belong to the queue `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRule {
    pub name: String,
    pub topics: Vec<String>,
    /// Only for sources of this region; empty for all.
    pub region: String,
    /// MPS's id of the queue, shown as `name` where a message carries it; empty if not given.
    pub pipeline_id: String,
}

/// A `[[workflow]]` table: what the workflow `id` is called, and when its runs count as stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRule {
    pub id: String,
    /// Wins over every name in a message; empty: the newest in a message.
    pub name: String,
    /// The age at which a run without a Report is stale.
    pub stale_after_ms: i64,
}

/// When a run of a workflow without a rule is stale. Our guess: the vendor says nowhere how long a
/// run may take.
pub const STALE_AFTER_MS: i64 = 24 * 60 * 60 * 1_000;

/// What [`Store::open`] found.
///
/// [`Store::open`]: crate::store::Store::open
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The file was not there before.
    pub is_new: bool,
}

/// A source as the configuration has it, before the store gave it a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRule {
    pub name: String,
    /// None: one path with a random token is made on first use and kept.
    pub paths: Vec<String>,
    pub owners: Vec<String>,
    pub topics: Vec<String>,
    pub region: String,
    pub queue: String,
    /// Of its subscription.
    pub retry_policy: RetryPolicy,
}
