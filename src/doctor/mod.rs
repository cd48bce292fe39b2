//! What whoever keeps a server going should know: one line for each thing, with a verdict.
//!
//! One source of truth for `mpsink doctor` and `/operations`: [`gather`] reads the [`Facts`],
//! [`findings`] judges them and is a pure function of them. What is said of a finding, in either
//! language, stands in `web/texts/operations.rs`.
//!
//! `health` says whether pushes are taken now, for machines and several times a minute; here a person
//! is told what will be trouble, and what to do. Nothing is fetched. Nothing but one small file is
//! written, to see how long a sync takes.
//!
//! [`gather`]: gather::gather
//! [`findings`]: judge::findings

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::notification::source::RetryPolicy;
use crate::signature::CertificateStatus;
use crate::store::disk::Sizes;
use crate::store::file_system::Nature;
use crate::store::integrity::Integrity;
use crate::store::lifetimes::{Ending, Lifetime};
use crate::store::pulse::WriterState;
use crate::store::upkeep::Upkeep;

pub mod gather;
pub mod judge;
pub mod retries;

/// How a thing is; the worst of all counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Fine,
    /// It cannot be seen from here.
    Unknown,
    /// A person should look.
    Warning,
    /// Pushes are lost by it, or will be.
    Wrong,
}

/// What is looked at, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Server,
    Receiver,
    Dashboard,
    PublicUrl,
    Source,
    Certificate,
    Clock,
    Retries,
    Downtime,
    Lag,
    Rows,
    Disk,
    FileSystem,
    Sync,
    Log,
    Sqlite,
    Integrity,
}

impl Line {
    pub const ALL: [Line; 17] = [
        Line::Server,
        Line::Receiver,
        Line::Dashboard,
        Line::PublicUrl,
        Line::Source,
        Line::Certificate,
        Line::Clock,
        Line::Retries,
        Line::Downtime,
        Line::Lag,
        Line::Rows,
        Line::Disk,
        Line::FileSystem,
        Line::Sync,
        Line::Log,
        Line::Sqlite,
        Line::Integrity,
    ];
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub verdict: Verdict,
    pub seen: Seen,
}

/// What was seen, as far as it decides what is said and what is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    ServerRuns {
        pid: u32,
        since: Option<Timestamp>,
    },
    /// Its writer takes nothing any more.
    WriterStuck,
    /// No commit succeeds.
    WriterFailing {
        cause: String,
    },
    WriterEnded {
        fault: Option<String>,
    },
    NoServer,
    /// It has the database, and does not answer.
    ServerSilent {
        pid: u32,
    },
    Receiver {
        address: SocketAddr,
        reach: Reach,
    },
    Dashboard {
        address: SocketAddr,
        reach: Reach,
        has_login: bool,
    },
    PublicUrl {
        url: String,
        kind: UrlKind,
    },
    NoPublicUrl,
    Source(SourceFacts),
    Certificate {
        key_bits: usize,
        not_after: Option<Timestamp>,
        is_expired: bool,
        host: String,
        fetched_at: Timestamp,
        has_verified: bool,
        is_documented_host: bool,
    },
    NoCertificate,
    Clock {
        /// Ours less the sender's.
        off_ms: i64,
        at: Timestamp,
    },
    NoPushClock,
    /// By the configuration, of the source that repeats for the shortest time.
    RetriesSet {
        policy: RetryPolicy,
    },
    /// Pushes came so late after a downtime.
    RetriesSeem {
        late_ms: i64,
    },
    NoRetries,
    Downtime {
        length_ms: i64,
        from: Timestamp,
        ending: Ending,
        is_now: bool,
        /// SMQ may have given up pushes of that time.
        may_lose: bool,
    },
    NoDowntime,
    NoLifetime,
    Lag {
        p95_ms: i64,
        pushes: u64,
    },
    NoLag,
    Rows {
        last_day: u64,
        deliveries: u64,
    },
    Disk {
        free: u64,
        days: Option<u64>,
        bytes_a_day: u64,
    },
    NoDisk,
    FileSystem {
        kind: String,
        nature: Nature,
    },
    NoFileSystem,
    Sync {
        took: Duration,
    },
    NoSync,
    Log {
        bytes: u64,
    },
    Sqlite {
        version: String,
    },
    Integrity(Integrity),
    NoIntegrity,
}

impl Seen {
    pub fn line(&self) -> Line {
        match self {
            Seen::ServerRuns { .. }
            | Seen::WriterStuck
            | Seen::WriterFailing { .. }
            | Seen::WriterEnded { .. }
            | Seen::NoServer
            | Seen::ServerSilent { .. } => Line::Server,
            Seen::Receiver { .. } => Line::Receiver,
            Seen::Dashboard { .. } => Line::Dashboard,
            Seen::PublicUrl { .. } | Seen::NoPublicUrl => Line::PublicUrl,
            Seen::Source(_) => Line::Source,
            Seen::Certificate { .. } | Seen::NoCertificate => Line::Certificate,
            Seen::Clock { .. } | Seen::NoPushClock => Line::Clock,
            Seen::RetriesSet { .. } | Seen::RetriesSeem { .. } | Seen::NoRetries => Line::Retries,
            Seen::Downtime { .. } | Seen::NoDowntime | Seen::NoLifetime => Line::Downtime,
            Seen::Lag { .. } | Seen::NoLag => Line::Lag,
            Seen::Rows { .. } => Line::Rows,
            Seen::Disk { .. } | Seen::NoDisk => Line::Disk,
            Seen::FileSystem { .. } | Seen::NoFileSystem => Line::FileSystem,
            Seen::Sync { .. } | Seen::NoSync => Line::Sync,
            Seen::Log { .. } => Line::Log,
            Seen::Sqlite { .. } => Line::Sqlite,
            Seen::Integrity(_) | Seen::NoIntegrity => Line::Integrity,
        }
    }
}

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    ThisMachine,
    /// Whoever can reach this one address.
    OneAddress,
    /// Whoever can reach any address of this machine.
    EveryAddress,
}

/// What kind of address people gave as theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlKind {
    Https,
    /// Everybody on the way can read it.
    Plain,
    /// SMQ cannot reach it: an address of this machine or of a private network.
    Private,
}

/// A source as far as it decides who is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    pub name: String,
    /// One of its paths can be guessed.
    pub is_guessable: bool,
    /// By the configuration.
    pub owners: Vec<String>,
    /// With the first push.
    pub pinned: Option<String>,
    /// By a person.
    pub allowed: Vec<String>,
    /// By the configuration; none means any.
    pub topics: Vec<String>,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Setup {
    pub database: PathBuf,
    pub receiver: SocketAddr,
    pub dashboard: SocketAddr,
    /// Users or tokens are configured.
    pub has_login: bool,
    pub public_url: Option<String>,
    pub sources: Vec<ConfiguredSource>,
    pub date_window_ms: i64,
    /// Test pushes, on this machine.
    pub is_try: bool,
}

/// A source as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredSource {
    pub name: String,
    /// Empty where the store has made one, which cannot be guessed.
    pub paths: Vec<String>,
    pub owners: Vec<String>,
    pub topics: Vec<String>,
    /// Of its subscription, as far as the configuration says it.
    pub retry_policy: RetryPolicy,
}

/// The server that has the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// It is this process.
    Here {
        writer: WriterState,
    },
    None,
    /// Another process, which does not answer.
    Silent {
        pid: u32,
    },
}

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Facts {
    pub now: Timestamp,
    pub setup: Setup,
    pub server: Server,
    pub sources: Vec<SourceFacts>,
    pub certificates: Vec<CertificateStatus>,
    pub upkeep: Upkeep,
    /// Newest first.
    pub lifetimes: Vec<Lifetime>,
    /// Of the last day: stored pushes, and by the buckets of `store::rollups` how long they were
    /// under way.
    pub stored_last_day: u64,
    pub lags: Vec<u64>,
    pub sizes: Sizes,
    pub file_system: Option<String>,
    pub sync: Option<Duration>,
}
