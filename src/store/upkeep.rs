//! What [`Store::upkeep`] reads.
//!
//! [`Store::upkeep`]: crate::store::Store::upkeep

use crate::clock::Timestamp;

/// How big the database is, and what the last push said of the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// The library's version, such as `3.54.0`.
    pub sqlite: String,
    /// It is none of those that can damage a log; a store is not opened with one.
    pub is_sqlite_safe: bool,
    /// Distinct messages that are here, those that were emptied among them.
    pub deliveries: u64,
    /// Of the database file, without pages that are free to be used again.
    pub bytes_in_use: u64,
    /// The newest push that was taken, or held for its date; `None` before the first. What was
    /// imported or admitted says nothing of the time now.
    pub last_push: Option<PushClock>,
}

/// A push by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushClock {
    /// By the sender's, which dates each push anew.
    pub sent_at: Timestamp,
    /// By ours.
    pub received_at: Timestamp,
}
