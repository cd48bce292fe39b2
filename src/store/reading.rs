//! A store that only reads: beside a running server, or a copy.
//!
//! It takes no lock and has no writer: every reading verb works, and every writing verb answers
//! [`WriteError::Closed`], as on a store that was closed. So what reads a history does not care which
//! of the two it was given. It never makes a database, migrates one or marks it; SQLite itself keeps
//! the two small files beside it that readers share with a writer.
//!
//! [`WriteError::Closed`]: crate::store::errors::WriteError::Closed

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::metrics::InboxDepth;
use crate::store::changes::Changes;
use crate::store::disk::{self, Disk};
use crate::store::errors::OpenError;
use crate::store::inbox::Inbox;
use crate::store::lanes::Workflows;
use crate::store::notes::Notes;
use crate::store::options::WorkflowRule;
use crate::store::readers::{READER_LIMITS, Readers};
use crate::store::{Inner, Store, open};

impl Store {
    /// Opens the database at `path`, which must be there, for reading alone. `workflows` and `clock`
    /// say what runs are called and which are stale.
    pub fn open_reading(
        path: &Path,
        workflows: Vec<WorkflowRule>,
        clock: Clock,
    ) -> Result<Store, OpenError> {
        let purpose = open::look_beside(path)?;
        let readers = Readers::open(path, READER_LIMITS).map_err(|source| OpenError::Unusable {
            path: path.to_owned(),
            source: source.into(),
        })?;
        // Closed at once, so that nothing gets as far as its bounds.
        let (inbox, _) = Inbox::new(1, usize::MAX, InboxDepth::default());
        inbox.close();
        let (_, ended) = watch::channel(Some(Ok(())));
        // Nobody tells of what the server that writes commits.
        let (_, changes) = Changes::channel();
        Ok(Store {
            inner: Arc::new(Inner {
                purpose,
                inbox,
                notes: Arc::new(Notes::default()),
                readers,
                queues: Arc::default(),
                workflows: Workflows::new(workflows, clock),
                changes,
                lock: Arc::new(Mutex::new(None)),
                answer_within: Duration::ZERO,
                writer: Mutex::new(None),
                ended,
                pulse: Arc::default(),
                disk: Disk {
                    path: path.to_owned(),
                    free: disk::free,
                },
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use crate::store::NewHeld;
    use crate::store::errors::WriteError;
    use crate::store::filters::JobFilter;
    use crate::store::fixtures::{self, NOON, arrival};
    use crate::store::options::{Purpose, StoreOptions};
    use crate::store::records::Page;

    use super::*;

    fn open(path: &Path) -> Result<Store, OpenError> {
        Store::open_reading(path, Vec::new(), Clock::standing_at(NOON))
    }

    fn jobs(store: &Store) -> usize {
        let listing = store.page_jobs(&JobFilter::default(), Page::first(10));
        listing.unwrap().items.len()
    }

    #[test]
    fn a_server_goes_on_writing_beside_and_what_it_writes_is_read() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let reading = open(&test.path()).unwrap();
        assert_eq!(jobs(&reading), 1);
        test.append(arrival("m2", "j2"));
        assert_eq!(jobs(&reading), 2);
        test.store.close();
        assert_eq!(jobs(&reading), 2);
        // Nor does it keep the next server from starting.
        Store::open(fixtures::options(test.path())).unwrap();
    }

    #[test]
    fn a_copy_is_read_and_nothing_in_it_changes() {
        let test = fixtures::open_with(|options: &mut StoreOptions| {
            options.purpose = Purpose::Try;
        });
        test.append(arrival("m1", "j1"));
        test.store.close();
        let copy = test.folder.path().join("copy.db");
        fs::copy(test.path(), &copy).unwrap();
        let before = fs::read(&copy).unwrap();
        let reading = open(&copy).unwrap();
        assert_eq!(jobs(&reading), 1);
        assert_eq!(reading.purpose(), Purpose::Try);
        drop(reading);
        assert_eq!(fs::read(&copy).unwrap(), before);
        assert!(!test.folder.path().join("copy.db.lock").exists());
    }

    #[test]
    fn whoever_would_write_is_told_that_there_is_no_writer() {
        let test = fixtures::open();
        let reading = open(&test.path()).unwrap();
        let runtime = fixtures::runtime();
        let appended = runtime.block_on(reading.append(arrival("m", "j")));
        assert!(matches!(appended, Err(WriteError::Closed)), "{appended:?}");
        let held = NewHeld {
            delivery: fixtures::delivery(test.source.id, "t", "m", "m"),
            signature: vec![1],
            reason: crate::notification::reason::HoldReason::Owner,
            owner: None,
            topic: None,
            message_id: None,
            explanation: "{}".to_owned(),
        };
        let held = runtime.block_on(reading.hold(held));
        assert!(matches!(held, Err(WriteError::Closed)), "{held:?}");
        runtime.block_on(reading.ended()).unwrap();
    }

    #[test]
    fn what_is_no_database_of_ours_is_refused_by_name_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let says = |name: &str, expected: &str| {
            let path = folder.path().join(name);
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(name), "{error}");
        };
        says("missing.db", "cannot open");
        assert!(!folder.path().join("missing.db").exists());
        fs::write(folder.path().join("letter"), "Dear database, ".repeat(100)).unwrap();
        says("letter", "is not an mpsink database");
        fs::write(folder.path().join("empty.db"), "").unwrap();
        says("empty.db", "is not an mpsink database");
        let foreign = Connection::open(folder.path().join("foreign.db")).unwrap();
        foreign.execute_batch("CREATE TABLE mark (name)").unwrap();
        says("foreign.db", "is not an mpsink database");

        let test = fixtures::open();
        test.store.close();
        test.look().pragma_update(None, "user_version", 99).unwrap();
        let error = open(&test.path()).unwrap_err().to_string();
        assert!(error.contains("has schema 99"), "{error}");
    }
}
