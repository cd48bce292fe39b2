//! What the store knows of whether anything is missing; see [`Store::completeness`].
//!
//! Sums and short lists as they are: what is worth a look, `web::completeness` judges.
//!
//! [`Store::completeness`]: crate::store::Store::completeness

use serde::Serialize;

use crate::clock::Timestamp;
use crate::notification::source::SourceId;
use crate::store::lane_records::Counted;
use crate::store::lifetimes::Lifetime;
use crate::store::records::Attention;

/// How far back hours are given: what a page shows of days.
pub const HOURS_BACK: i64 = 31 * 24;

/// How far back from its newest push a source's hours are given, to know what is usual by.
pub const USUAL_HOURS_BACK: i64 = 29 * 24;

/// The most rows of something odd that are counted.
pub const ODD_COUNTED_MAX: usize = 1_000;

/// Of those, how many of the newest are named.
pub const ODD_NAMED_MAX: usize = 10;

/// What there is to judge by.
#[derive(Clone, Debug, PartialEq)]
pub struct Completeness {
    /// By the numbers of the sources, those that are not configured any more as well.
    pub sources: Vec<SourceArrivals>,
    /// The hours of all sources together, and of the paths of none, oldest first; those in which
    /// nothing came are left out.
    pub hours: Vec<ArrivalHour>,
    /// Newest first.
    pub lifetimes: Vec<Lifetime>,
    /// Runs without a Report beyond their time.
    pub stale: Counted,
    /// Runs whose Report came and whose Start did not, of those that began after the first push.
    pub start_missing: Odd,
    /// Runs and jobs that ended in two ways.
    pub conflicts: Odd,
    pub attention: Attention,
}

/// What came by one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceArrivals {
    pub id: SourceId,
    pub name: String,
    /// The newest push that was stored or a duplicate; of no import, here and below.
    pub last_taken_at: Option<Timestamp>,
    /// Stored and duplicates by hour, oldest first, back from the newest; without empty hours.
    pub taken: Vec<(Timestamp, u64)>,
    /// The first hour in which any was taken.
    pub first_hour: Option<Timestamp>,
}

/// What came in one hour, by what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalHour {
    pub at: Timestamp,
    pub counts: ArrivalCounts,
    /// Of those stored, by the buckets of `store::rollups`; from publishing to arrival.
    pub lags: Vec<u64>,
    pub lag_max_ms: Option<u64>,
}

/// Pushes by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArrivalCounts {
    pub stored: u64,
    pub duplicates: u64,
    /// Of those stored: nobody understands the message.
    pub unrecognized: u64,
    /// Of the duplicates: the message was another one, and was not kept.
    pub differs: u64,
    pub held: u64,
    pub refused: u64,
    /// To paths of no source.
    pub strays: u64,
    /// Answered with a fault of ours.
    pub failed: u64,
}

impl ArrivalCounts {
    /// Adds others.
    pub fn add(&mut self, other: ArrivalCounts) {
        let sums = [
            (&mut self.stored, other.stored),
            (&mut self.duplicates, other.duplicates),
            (&mut self.unrecognized, other.unrecognized),
            (&mut self.differs, other.differs),
            (&mut self.held, other.held),
            (&mut self.refused, other.refused),
            (&mut self.strays, other.strays),
            (&mut self.failed, other.failed),
        ];
        for (sum, other) in sums {
            *sum = sum.saturating_add(other);
        }
    }

    pub fn taken(self) -> u64 {
        self.stored.saturating_add(self.duplicates)
    }
}

/// Rows that something is odd about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    pub counted: Counted,
    /// The newest.
    pub newest: Vec<Named>,
}

/// A job or run with its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    pub kind: NamedKind,
    pub id: String,
    pub owner: String,
    pub last_event_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NamedKind {
    Job,
    Run,
}
