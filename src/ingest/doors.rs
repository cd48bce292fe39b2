//! Whom each source lets in: what is configured, and what was pinned or allowed since.
//!
//! Kept in memory, so that no push has to ask the database, and changed after the database was. If
//! it is old for a moment, nothing gets in by that: the writer asks again before it pins.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::notification::source::{Source, SourceId};
use crate::store::options::Purpose;
use crate::store::{Allowance, OwnerRule};

/// The doors of all sources.
pub(super) struct Doors {
    by_source: RwLock<HashMap<SourceId, Arc<Door>>>,
    purpose: Purpose,
}

/// Whom one source lets in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) source: Source,
    /// Pinned, or allowed by a person, beside the configured ones.
    more_owners: Vec<String>,
    more_topics: Vec<String>,
    purpose: Purpose,
}

impl Doors {
    pub(super) fn of(sources: &[Source], purpose: Purpose) -> Doors {
        let doors = sources.iter().map(|source| {
            let door = Door {
                source: source.clone(),
                more_owners: Vec::new(),
                more_topics: Vec::new(),
                purpose,
            };
            (source.id, Arc::new(door))
        });
        Doors {
            by_source: RwLock::new(doors.collect()),
            purpose,
        }
    }

    /// Returns the door of a source; one that nobody configured lets nobody in.
    pub(super) fn find(&self, id: SourceId) -> Arc<Door> {
        let doors = self
            .by_source
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let found = doors.get(&id).cloned();
        found.unwrap_or_else(|| Arc::new(Door::of_nobody(id, self.purpose)))
    }

    /// Returns the configured sources.
    pub(super) fn sources(&self) -> Vec<Source> {
        let doors = self
            .by_source
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        doors.values().map(|door| door.source.clone()).collect()
    }

    /// Adds what the database has. Nothing is ever taken away: allowances only grow.
    pub(super) fn add(&self, allowances: Vec<Allowance>) {
        for allowance in allowances {
            for owner in &allowance.owners {
                self.let_owner_in(allowance.source, owner);
            }
            for topic in &allowance.topics {
                self.let_topic_in(allowance.source, topic);
            }
        }
    }

    pub(super) fn let_owner_in(&self, source: SourceId, owner: &str) {
        self.change(source, |door| add_once(&mut door.more_owners, owner));
    }

    pub(super) fn let_topic_in(&self, source: SourceId, topic: &str) {
        self.change(source, |door| add_once(&mut door.more_topics, topic));
    }

    fn change(&self, source: SourceId, change: impl FnOnce(&mut Door)) {
        let mut doors = self
            .by_source
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get_mut(&source) {
            change(Arc::make_mut(door));
        }
    }
}

impl Door {
    /// A held push may be from a source that has left the configuration since.
    fn of_nobody(id: SourceId, purpose: Purpose) -> Door {
        Door {
            source: Source {
                id,
                name: String::new(),
                paths: Vec::new(),
                // An account id that nobody has, since an empty list would let the first one in.
                owners: vec![String::new()],
                topics: Vec::new(),
                region: String::new(),
                queue: String::new(),
            },
            more_owners: Vec::new(),
            more_topics: Vec::new(),
            purpose,
        }
    }

    /// Returns what the writer has to do about `owner`, or `None` if it is not let in.
    pub(super) fn lets_owner_in(&self, owner: &str) -> Option<OwnerRule> {
        if self.owners().any(|listed| listed == owner) {
            return Some(OwnerRule::Checked);
        }
        let is_open = self.owners().next().is_none();
        match self.purpose {
            _ if !is_open => None,
            Purpose::Record => Some(OwnerRule::Pin),
            // Test pushes pin nobody.
            Purpose::Try => Some(OwnerRule::Checked),
        }
    }

    pub(super) fn lets_topic_in(&self, topic: &str) -> bool {
        self.source.topics.is_empty() || self.topics().any(|listed| listed == topic)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        let owners = self.source.owners.iter().chain(&self.more_owners);
        owners.map(String::as_str)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        let topics = self.source.topics.iter().chain(&self.more_topics);
        topics.map(String::as_str)
    }
}

fn add_once(list: &mut Vec<String>, value: &str) {
    if !list.iter().any(|listed| listed == value) {
        list.push(value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(owners: &[&str], topics: &[&str], purpose: Purpose) -> Doors {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let source = Source {
            id: SourceId(1),
            name: "default".to_owned(),
            paths: Vec::new(),
            owners: owned(owners),
            topics: owned(topics),
            region: String::new(),
            queue: String::new(),
        };
        Doors::of(&[source], purpose)
    }

    fn allow(doors: &Doors, owners: &[&str], topics: &[&str]) {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        doors.add(vec![Allowance {
            source: SourceId(1),
            owners: owned(owners),
            topics: owned(topics),
        }]);
    }

    #[test]
    fn the_first_owner_is_to_be_pinned_and_then_only_that_one_comes_in() {
        let doors = doors(&[], &[], Purpose::Record);
        let rule = |owner| doors.find(SourceId(1)).lets_owner_in(owner);
        assert_eq!(rule("1"), Some(OwnerRule::Pin));
        allow(&doors, &["1"], &[]);
        let rule = |owner| doors.find(SourceId(1)).lets_owner_in(owner);
        assert_eq!(rule("1"), Some(OwnerRule::Checked));
        assert_eq!(rule("2"), None);
    }

    #[test]
    fn configured_owners_leave_nothing_to_pin() {
        let doors = doors(&["1"], &[], Purpose::Record);
        assert_eq!(doors.find(SourceId(1)).lets_owner_in("2"), None);
        allow(&doors, &["2"], &[]);
        let rule = doors.find(SourceId(1)).lets_owner_in("2");
        assert_eq!(rule, Some(OwnerRule::Checked));
    }

    #[test]
    fn test_pushes_pin_nobody() {
        let doors = doors(&[], &[], Purpose::Try);
        let rule = doors.find(SourceId(1)).lets_owner_in("1");
        assert_eq!(rule, Some(OwnerRule::Checked));
    }

    #[test]
    fn topics_count_only_when_some_are_configured() {
        let open = doors(&[], &[], Purpose::Record);
        allow(&open, &[], &["other"]);
        assert!(open.find(SourceId(1)).lets_topic_in("any"));
        let strict = doors(&[], &["a"], Purpose::Record);
        assert!(!strict.find(SourceId(1)).lets_topic_in("b"));
        allow(&strict, &[], &["b"]);
        assert!(strict.find(SourceId(1)).lets_topic_in("b"));
    }

    #[test]
    fn a_source_that_nobody_configured_lets_nobody_in() {
        let doors = doors(&[], &[], Purpose::Record);
        assert_eq!(doors.find(SourceId(2)).lets_owner_in("1"), None);
    }
}
