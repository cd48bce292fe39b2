//! Who is told that something was written: everyone who holds a [`Changes`], by the number of the
//! last commit.
//!
//! A number and nothing else: it has one place however much is written, so telling costs the writer
//! the same at any rate, and nobody who listens slowly makes it wait or makes anything grow. Whoever
//! listens reads what he needs again; numbers that he slept through are skipped.
//!
//! Deliberately not here: what a commit was about. A list of it would have to be bounded, and a
//! listener would have to read everything anyway once it was full.

use tokio::sync::watch;

use crate::store::Store;

/// Tells of commits, from the moment that the store was opened. Clones are independent.
#[derive(Clone, Debug)]
pub struct Changes {
    commits: watch::Receiver<u64>,
}

impl Changes {
    pub(super) fn channel() -> (watch::Sender<u64>, Changes) {
        let (tell, commits) = watch::channel(0);
        (tell, Changes { commits })
    }

    /// Returns the number of the last commit: 0 before the first since the store was opened. What is
    /// read after this call is at least as new.
    pub fn latest(&self) -> u64 {
        *self.commits.borrow()
    }

    /// Returns the number of the last commit once it is another than `seen`, at once if it is
    /// already; `None` once the writer has ended and nothing more comes.
    pub async fn other_than(&mut self, seen: u64) -> Option<u64> {
        let found = self.commits.wait_for(|latest| *latest != seen).await;
        found.ok().map(|latest| *latest)
    }
}

/// Listening.
impl Store {
    /// Returns what tells of commits from now on.
    pub fn changes(&self) -> Changes {
        self.inner.changes.clone()
    }

    /// Returns when the writer has ended, by `close` or by a fault; the text says which fault.
    pub async fn ended(&self) -> Result<(), String> {
        let mut ended = self.inner.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or(Ok(())),
            Err(_) => Err("the writer has gone without a word".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::notification::reason::RefusalReason;
    use crate::notification::source::SourceId;
    use crate::store::fixtures::{self, arrival};

    #[test]
    fn a_commit_is_told_whoever_slept_through_others() {
        let test = fixtures::open();
        let changes = test.store.changes();
        let before = changes.latest();
        for id in ["m1", "m2", "m3"] {
            test.append(arrival(id, id));
        }
        let next = |seen| test.runtime.block_on(changes.clone().other_than(seen));
        assert!(next(before).is_some());
        assert_eq!(changes.latest(), before + 3);
    }

    #[test]
    fn a_duplicate_is_told_as_well_since_it_is_counted() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let told = test.store.changes().latest();
        test.append(arrival("m1", "j1"));
        assert_eq!(test.store.changes().latest(), told + 1);
    }

    #[test]
    fn noted_refusals_are_told_once_they_are_written() {
        let test = fixtures::open();
        let mut changes = test.store.changes();
        let before = changes.latest();
        let reason = RefusalReason::HeaderMissing;
        let source = SourceId(1);
        test.store.note_refusal(source, reason, Timestamp(1), None);
        let told = test.runtime.block_on(changes.other_than(before));
        assert!(told.is_some_and(|told| told > before));
    }

    #[test]
    fn whoever_listens_is_told_of_the_end() {
        let test = fixtures::open();
        let mut changes = test.store.changes();
        let seen = changes.latest();
        test.store.close();
        assert_eq!(test.runtime.block_on(changes.other_than(seen)), None);
    }
}
