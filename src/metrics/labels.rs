//! What metrics are told apart by. Every set of values is fixed, configured, or bounded by [`Names`].

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;

/// The most queues, and the most workflows, that have a number of their own. Each costs a line for
/// each state in every scrape, and whoever may publish can name new ones for ever.
pub(super) const NAMES_MAX: usize = 100;

/// The longest name that is a label; names of topics and queues have 256 bytes at most.
const NAME_BYTES_MAX: usize = 256;

/// What all others are called.
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PushLabels {
    pub(super) source: String,
    pub(super) format: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EventLabels {
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct JobLabels {
    pub(super) queue: String,
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RunLabels {
    pub(super) workflow: String,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabels {
    pub(super) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FetchLabels {
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
}

impl FetchLabels {
    pub(super) fn of(is_good: bool) -> FetchLabels {
        FetchLabels {
            result: if is_good { "fetched" } else { "failed" },
        }
    }
}

impl BuildLabels {
    pub(super) fn of_this() -> BuildLabels {
        BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The names that have a number of their own: the first that came since the start.
#[derive(Default)]
pub(super) struct Names {
    known: Mutex<HashSet<String>>,
}

impl Names {
    /// Returns `name`, or what all names together are called that came too late or are too long.
    pub(super) fn label(&self, name: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) {
            return name.to_owned();
        }
        if known.len() >= NAMES_MAX || name.len() > NAME_BYTES_MAX {
            return OTHER.to_owned();
        }
        known.insert(name.to_owned());
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_names_are_labels_and_all_others_are_one() {
        let names = Names::default();
        for number in 0..NAMES_MAX {
            let name = format!("queue {number}");
            assert_eq!(names.label(&name), name);
        }
        assert_eq!(names.label("one more"), OTHER);
        assert_eq!(names.label("yet another"), OTHER);
        assert_eq!(names.label("queue 7"), "queue 7");
    }

    #[test]
    fn a_name_of_any_length_is_no_label() {
        let names = Names::default();
        let longest = "x".repeat(NAME_BYTES_MAX);
        assert_eq!(names.label(&longest), longest);
        assert_eq!(names.label(&"x".repeat(NAME_BYTES_MAX + 1)), OTHER);
    }
}
