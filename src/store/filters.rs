//! What may be asked of the store's lists: one filter for each, and what an id names.
//!
//! A filter is what a list can answer in bounded time, alone or with the others; `web::lists` reads
//! it from a query string.

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::event::JobState;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::records::RunOutcome;

/// Which jobs. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub queue: Option<String>,
    /// Of the source; empty for those without one.
    pub region: Option<String>,
    pub job_type: Option<String>,
    pub state: Option<JobState>,
    pub code: Option<String>,
    /// The workflow's id: jobs that are activities of its runs.
    pub workflow: Option<String>,
    /// A job's id, exactly; else words of object, user data and names, the last word by prefix.
    pub q: Option<String>,
    /// Last event at or after this time.
    pub from: Option<Timestamp>,
    /// Last event before this time.
    pub to: Option<Timestamp>,
}

/// Which runs. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// The workflow's id.
    pub workflow: Option<String>,
    /// Of the topic.
    pub owner: Option<String>,
    /// Of the source; empty for those without one.
    pub region: Option<String>,
    pub outcome: Option<RunOutcome>,
    /// A run's, job's or media's id, exactly; else words, see [`Store::page_runs`].
    ///
    /// [`Store::page_runs`]: crate::store::Store::page_runs
    pub q: Option<String>,
    /// Last event at or after this time.
    pub from: Option<Timestamp>,
    /// Last event before this time.
    pub to: Option<Timestamp>,
}

/// Which activities. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    pub run: Option<String>,
    /// The workflow's id.
    pub workflow: Option<String>,
    /// Of the source; empty for those without one.
    pub region: Option<String>,
    pub activity_type: Option<String>,
    pub state: Option<JobState>,
    pub code: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Which events. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// `job`, `run`, `activity` or `unrecognized`.
    pub kind: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Which deliveries. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// The source's name.
    pub source: Option<String>,
    pub topic: Option<String>,
    pub format: Option<Format>,
    pub only: Option<DeliveryOnly>,
    /// Received at or after this time.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
}

/// The deliveries that something was odd about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOnly {
    /// Nobody understood the message.
    Unrecognized,
    /// The same key came again with another message.
    Differs,
    /// The same message came again.
    Repeated,
}

impl DeliveryOnly {
    pub const ALL: [DeliveryOnly; 3] = [
        DeliveryOnly::Unrecognized,
        DeliveryOnly::Differs,
        DeliveryOnly::Repeated,
    ];

    pub fn word(self) -> &'static str {
        match self {
            DeliveryOnly::Unrecognized => "unrecognized",
            DeliveryOnly::Differs => "differs",
            DeliveryOnly::Repeated => "repeated",
        }
    }

    /// Reads [`DeliveryOnly::word`] back.
    pub fn from_word(word: &str) -> Option<DeliveryOnly> {
        Self::ALL.into_iter().find(|only| only.word() == word)
    }
}

/// Which held pushes. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldFilter {
    pub reason: Option<HoldReason>,
    /// The source's name.
    pub source: Option<String>,
    /// Received at or after this time.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
}

/// Which of the refused pushes that were kept. Absent means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalFilter {
    pub reason: Option<RefusalReason>,
    /// The source's name.
    pub source: Option<String>,
    /// Received at or after this time.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
}

/// What an id names; see [`Store::find_id`].
///
/// [`Store::find_id`]: crate::store::Store::find_id
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A job's id.
    Job(String),
    /// A run's id.
    Run(String),
}
