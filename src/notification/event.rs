//! An event: what a message says happened to a job, a run or an activity.
//!
//! `mps` makes them from a message, the store keeps them and folds them into rows. An event holds
//! only what its message said; what the envelope adds (owner, topic, publish time) stays with the
//! delivery. Everything is serializable, since the store keeps an event as JSON beside the columns
//! it orders by.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_with::skip_serializing_none;

use crate::clock::Timestamp;

/// The most bytes an id may have to be believed; longer ones make a message unrecognised.
/// MPS's own have 32.
pub const ID_BYTES_MAX: usize = 256;

/// One thing that a message says. A message gives one or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    Job(JobEvent),
    Run(RunEvent),
    Activity(ActivityEvent),
    /// The message was not understood; it stays whole with its delivery.
    Unrecognized(Unrecognized),
}

impl Event {
    /// Returns the word that pages and the JSON call this kind.
    pub fn word(&self) -> &'static str {
        match self {
            Event::Job(_) => "job",
            Event::Run(_) => "run",
            Event::Activity(_) => "activity",
            Event::Unrecognized(_) => "unrecognized",
        }
    }

    /// Returns each kind by its word with each state that it may have.
    pub fn kinds_and_states() -> impl Iterator<Item = (&'static str, JobState)> {
        let known = ["job", "run", "activity"].into_iter();
        let known = known.flat_map(|kind| JobState::ALL.map(|state| (kind, state)));
        known.chain([("unrecognized", JobState::Unknown)])
    }
}

/// A single job changed its state; normally it ended.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// 1 to [`ID_BYTES_MAX`] bytes.
    pub job_id: String,
    /// The type as the message spells it: `Transcode`, `Snapshot`, …; text to speech has none.
    pub job_type: Option<String>,
    pub state: JobState,
    /// The word that `state` was read from.
    pub raw_state: Option<String>,
    pub failure: Option<Failure>,
    pub request_id: Option<String>,
    /// Any string; never parsed.
    pub user_data: Option<String>,
    /// The MPS queue, which only a user's own messages name.
    pub pipeline_id: Option<String>,
    pub input: Option<MediaObject>,
    pub submitted_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Keys of the message that none of the above was read from, as they came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// A workflow run started, went on or ended.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// 1 to [`ID_BYTES_MAX`] bytes.
    pub run_id: String,
    pub part: RunPart,
    pub workflow_id: Option<String>,
    pub workflow_name: Option<String>,
    pub media_id: Option<String>,
    pub input: Option<MediaObject>,
    pub user_data: Option<String>,
    /// The run's own state; the outcome is computed from the activities when they are folded.
    pub state: JobState,
    pub raw_state: Option<String>,
    /// The top level's code and text, if the activity that sent the message failed.
    pub failure: Option<Failure>,
    pub request_id: Option<String>,
    /// `CreationTime`: when the run began.
    pub created_at: Option<Timestamp>,
    /// When the activity that sent the message ended, by its own entry in the list.
    pub happened_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// Which activity's end a run's message reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPart {
    /// `Type` is `Start`.
    Start,
    /// Any other type: a message in the middle of the run.
    #[default]
    Progress,
    /// `Type` is `Report`: the graph has ended.
    Report,
}

/// One node of a run, as a run's message lists it.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityEvent {
    /// The run whose message lists it.
    pub run_id: String,
    pub workflow_id: Option<String>,
    pub workflow_name: Option<String>,
    /// The node's name in the workflow; anything, also the workflow's own name.
    pub name: String,
    /// `Start`, `Transcode`, `Report`, … as the message spells it; empty if it says none.
    pub activity_type: String,
    /// The MPS job behind it, if there is one.
    pub job_id: Option<String>,
    pub template_id: Option<String>,
    pub state: JobState,
    pub raw_state: Option<String>,
    pub failure: Option<Failure>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// A message that gave no other event, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecognized {
    /// A sentence for the person who set the topic up: what was found, what was expected.
    pub reason: String,
}

/// The normal form of the state words of jobs, runs and activities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    Submitted,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
    /// A run's graph has ended; says nothing about whether its work succeeded.
    Completed,
    /// A word that is none of the known ones, or none at all.
    #[default]
    Unknown,
}

impl JobState {
    pub const ALL: [JobState; 8] = [
        JobState::Submitted,
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Skipped,
        JobState::Completed,
        JobState::Unknown,
    ];

    pub fn word(self) -> &'static str {
        match self {
            JobState::Submitted => "submitted",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Skipped => "skipped",
            JobState::Completed => "completed",
            JobState::Unknown => "unknown",
        }
    }

    /// Reads [`JobState::word`] back.
    pub fn from_word(word: &str) -> Option<JobState> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Tells whether nothing more is expected after this state.
    pub fn is_terminal(self) -> bool {
        match self {
            JobState::Succeeded
            | JobState::Failed
            | JobState::Cancelled
            | JobState::Skipped
            | JobState::Completed => true,
            JobState::Submitted | JobState::Running | JobState::Unknown => false,
        }
    }
}

/// Why something failed, in MPS's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Such as `InvalidParameter.ResourceContentBad`.
    pub code: Option<String>,
    pub message: Option<String>,
}

/// An object in OSS. `object` is the raw key: messages carry it unencoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaObject {
    pub bucket: Option<String>,
    /// Such as `oss-cn-shanghai`.
    pub location: Option<String>,
    pub object: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_from_its_word() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_word(state.word()), Some(state));
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{}\"", state.word()));
        }
        assert_eq!(JobState::from_word("Success"), None);
    }
}
