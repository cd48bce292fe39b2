//! What one transaction of the writer brings, gathered while it runs and counted when it is committed:
//! a transaction that is tried again, or never comes to its end, counts nothing.

use std::collections::BTreeMap;

/// What is called so that ended without a queue or a workflow.
const NONE: &str = "none";

/// Counts of one transaction.
#[derive(Default)]
pub struct Tally {
    pub(super) events: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) jobs: BTreeMap<(String, &'static str), u64>,
    pub(super) runs: BTreeMap<(String, &'static str), u64>,
}

impl Tally {
    /// Counts an event of a new message, by kind and state.
    pub fn add_event(&mut self, kind: &'static str, state: &'static str) {
        *self.events.entry((kind, state)).or_default() += 1;
    }

    /// Counts a job that has ended.
    pub fn add_job(&mut self, queue: Option<&str>, state: &'static str) {
        let queue = queue.unwrap_or(NONE).to_owned();
        *self.jobs.entry((queue, state)).or_default() += 1;
    }

    /// Counts a run that has ended.
    pub fn add_run(&mut self, workflow: Option<&str>, outcome: &'static str) {
        let workflow = workflow.unwrap_or(NONE).to_owned();
        *self.runs.entry((workflow, outcome)).or_default() += 1;
    }

    /// Adds another one.
    pub fn add(&mut self, other: Tally) {
        for (key, count) in other.events {
            *self.events.entry(key).or_default() += count;
        }
        for (key, count) in other.jobs {
            *self.jobs.entry(key).or_default() += count;
        }
        for (key, count) in other.runs {
            *self.runs.entry(key).or_default() += count;
        }
    }
}
