//! What [`Store::standing`] and [`Store::schema`] read.
//!
//! [`Store::standing`]: crate::store::Store::standing
//! [`Store::schema`]: crate::store::Store::schema

use crate::clock::Timestamp;
use crate::notification::source::SourceId;
use crate::store::records::RefusalCount;

/// How things stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The stale ones among them. Counting stops at 10,000.
    pub open_runs: u64,
    pub stale_runs: u64,
    pub held: u64,
    pub held_bytes: u64,
    pub strays: u64,
    pub refusals: Vec<RefusalCount>,
    /// When the newest push of each source came that was taken, duplicates among them; sources that
    /// never had one are left out.
    pub newest: Vec<(SourceId, Timestamp)>,
}

/// The schema of the database, and the one that this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    pub found: u64,
    pub known: u64,
}
