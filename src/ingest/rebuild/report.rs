//! What a rebuild reports, and how changes are counted for it.
//!
//! A job or run may be changed by several pieces and by both walks, and is counted once, as what
//! became of it all in all.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::store::rebuild::{Changes, EntityChange, Fate};

/// The most jobs that are remembered, so that one whose messages lie in several pieces is counted
/// once: about 32 MB. Beyond it such a job may be counted once a piece.
const REMEMBERED_MAX: usize = 1_000_000;

/// What differs from before; of a dry run, what would differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildReport {
    pub dry_run: bool,
    /// Deliveries whose message was read again.
    pub reread: u64,
    /// Deliveries whose message is not kept any more; their events stay.
    pub emptied: u64,
    /// Deliveries whose row says something else about envelope or message.
    pub deliveries_changed: u64,
    /// Messages that were not understood before and are now.
    pub recognized: u64,
    /// Messages that were understood before and are not any more.
    pub unrecognized: u64,
    pub events: Difference,
    /// Events of jobs that belong to another queue, or to the same by another rule.
    pub events_moved: u64,
    /// Runs, by themselves or by their activities.
    pub runs: Difference,
    pub jobs: Difference,
    /// Jobs, among the changed ones, that belong to another queue.
    pub jobs_moved: u64,
    /// Roll-ups, each of a minute or hour of a lane, that were not the sums of their rows.
    pub sums_corrected: u64,
    pub duration_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
}

impl RebuildReport {
    /// Logs each number under its name.
    pub fn log(&self) {
        tracing::info!(
            what = "rebuild",
            dry_run = self.dry_run,
            reread = self.reread,
            emptied = self.emptied,
            deliveries_changed = self.deliveries_changed,
            recognized = self.recognized,
            unrecognized = self.unrecognized,
            events_added = self.events.added,
            events_changed = self.events.changed,
            events_removed = self.events.removed,
            events_moved = self.events_moved,
            runs_added = self.runs.added,
            runs_changed = self.runs.changed,
            runs_removed = self.runs.removed,
            jobs_added = self.jobs.added,
            jobs_changed = self.jobs.changed,
            jobs_removed = self.jobs.removed,
            jobs_moved = self.jobs_moved,
            sums_corrected = self.sums_corrected,
            duration_ms = self.duration_ms,
            "everything has been read and folded again"
        );
    }

    pub fn changes_nothing(&self) -> bool {
        let counts = [
            self.deliveries_changed,
            self.events_moved,
            self.sums_corrected,
            self.events.total(),
            self.runs.total(),
            self.jobs.total(),
        ];
        counts.iter().all(|count| *count == 0)
    }

    pub(super) fn add(&mut self, changes: &Changes) {
        self.deliveries_changed += changes.deliveries_changed;
        self.recognized += changes.recognized;
        self.unrecognized += changes.unrecognized;
        self.events.added += changes.events_added;
        self.events.changed += changes.events_changed;
        self.events.removed += changes.events_removed;
        self.events_moved += changes.events_moved;
    }
}

impl Difference {
    pub(super) fn total(self) -> u64 {
        self.added + self.changed + self.removed
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Added => self.added += 1,
            Fate::Changed => self.changed += 1,
            Fate::Removed => self.removed += 1,
        }
    }
}

/// What became of all of them.
#[derive(Default)]
pub(super) struct Tallies {
    pub(super) runs: Tally,
    pub(super) jobs: Tally,
}

/// Counts what became of each run or each job, over all pieces.
#[derive(Default)]
pub(super) struct Tally {
    /// What the first walk changed: the second may come to the same jobs.
    remembered: HashMap<u64, Remembered>,
    others: Difference,
    others_moved: u64,
}

struct Remembered {
    fate: Option<Fate>,
    is_moved: bool,
}

impl Tally {
    /// Counts a change to a job that may come again.
    pub(super) fn remember(&mut self, change: EntityChange) {
        let is_full = self.remembered.len() >= REMEMBERED_MAX;
        if !is_full && !self.remembered.contains_key(&change.entity) {
            let first = Remembered {
                fate: Some(change.fate),
                is_moved: change.is_moved,
            };
            self.remembered.insert(change.entity, first);
        } else {
            self.count(change);
        }
    }

    /// Counts a change to a job that does not come again in this walk.
    pub(super) fn count(&mut self, change: EntityChange) {
        if let Some(known) = self.remembered.get_mut(&change.entity) {
            known.fate = both(known.fate, change.fate);
            known.is_moved |= change.is_moved;
        } else {
            self.others.count(change.fate);
            self.others_moved += u64::from(change.is_moved);
        }
    }

    /// Returns what became of them, and how many changed and are in another queue.
    pub(super) fn sums(&self) -> (Difference, u64) {
        let (mut difference, mut moved) = (self.others, self.others_moved);
        for known in self.remembered.values() {
            if let Some(fate) = known.fate {
                difference.count(fate);
                moved += u64::from(known.is_moved && fate == Fate::Changed);
            }
        }
        (difference, moved)
    }
}

/// What two changes after each other are together; `None` if nothing.
fn both(first: Option<Fate>, second: Fate) -> Option<Fate> {
    match (first, second) {
        (None, fate) => Some(fate),
        (Some(Fate::Added), Fate::Added | Fate::Changed) => Some(Fate::Added),
        (Some(Fate::Added), Fate::Removed) => None,
        (Some(_), Fate::Removed) => Some(Fate::Removed),
        (Some(Fate::Changed | Fate::Removed), Fate::Added | Fate::Changed) => Some(Fate::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_several_pieces_is_counted_once() {
        let change = |fate, is_moved| EntityChange {
            entity: 7,
            fate,
            is_moved,
        };
        let cases = [
            (Fate::Added, Fate::Changed, (1, 0, 0)),
            (Fate::Added, Fate::Removed, (0, 0, 0)),
            (Fate::Changed, Fate::Changed, (0, 1, 0)),
            (Fate::Changed, Fate::Removed, (0, 0, 1)),
            (Fate::Removed, Fate::Added, (0, 1, 0)),
        ];
        for (first, second, (added, changed, removed)) in cases {
            let mut tally = Tally::default();
            tally.remember(change(first, false));
            tally.count(change(second, true));
            let (difference, moved) = tally.sums();
            let expected = Difference {
                added,
                changed,
                removed,
            };
            assert_eq!(difference, expected, "{first:?} {second:?}");
            assert_eq!(moved, changed, "{first:?} {second:?}");
        }
    }
}
