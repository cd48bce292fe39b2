//! The files under the store: whether they still stand where they were opened.
//!
//! A file that is removed, moved or replaced stays open for whoever has it, and every commit into
//! it goes on being a success that nobody will ever find. So the writer looks at the database, its
//! log and the lock file before it answers: the database and its log hold what is acknowledged,
//! and without the lock file a second server could take the same database.
//!
//! Files are known by device and inode and only looked at by path, never opened: closing the
//! database would drop SQLite's locks. That costs three `stat` calls, a microsecond each.
//!
//! Deliberately not here: what is done about it (`writer.rs` ends). What cannot be noticed: a copy
//! written over the very same file, which keeps its inode.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::lock::Lock;

/// The three files as they were when the store was opened.
pub(super) struct Files {
    database: Watched,
    log: Watched,
    lock: Watched,
}

struct Watched {
    path: PathBuf,
    id: FileId,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// Which file is not where it was, and what to do.
#[derive(Clone, Debug, Error)]
pub(super) enum Displaced {
    #[error(
        "the database {} {found}: it was removed, moved or replaced while in use; put it back, or \
         leave it to begin a new one, then start again",
        path.display()
    )]
    Database { path: PathBuf, found: Found },
    #[error(
        "the database's log {} {found}: it was removed, moved or replaced while in use; leave the \
         files beside the database alone and start again",
        path.display()
    )]
    Log { path: PathBuf, found: Found },
    #[error(
        "the lock file {} {found}, so that a second server could take the same database; see that \
         none runs and start again",
        path.display()
    )]
    Lock { path: PathBuf, found: Found },
}

/// What stands at the path of a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Found {
    #[error("is not there any more")]
    Nothing,
    #[error("is another file now")]
    Another,
    /// We cannot tell, so we cannot say that what is in it will be found.
    #[error("cannot be looked at ({0})")]
    Unknown(io::ErrorKind),
}

impl Files {
    /// Remembers the files of a database that is open in WAL mode and has been read, so that its
    /// log is there.
    pub(super) fn remember(database: &Path, lock: &Lock) -> io::Result<Files> {
        // SQLite puts the log beside the file itself, not beside a link to it.
        let mut log = OsString::from(fs::canonicalize(database)?);
        log.push("-wal");
        Ok(Files {
            database: Watched::remember(database.to_owned())?,
            log: Watched::remember(PathBuf::from(log))?,
            // The file that is locked, which may not be the one at its path even now.
            lock: Watched {
                path: lock.path().to_owned(),
                id: FileId::of(&lock.metadata()?),
            },
        })
    }

    pub(super) fn check(&self) -> Result<(), Displaced> {
        let Files {
            database,
            log,
            lock,
        } = self;
        let path = |watched: &Watched| watched.path.clone();
        database.check().map_err(|found| Displaced::Database {
            path: path(database),
            found,
        })?;
        log.check().map_err(|found| Displaced::Log {
            path: path(log),
            found,
        })?;
        lock.check().map_err(|found| Displaced::Lock {
            path: path(lock),
            found,
        })
    }
}

impl Watched {
    fn remember(path: PathBuf) -> io::Result<Watched> {
        let id = FileId::of(&fs::metadata(&path)?);
        Ok(Watched { path, id })
    }

    fn check(&self) -> Result<(), Found> {
        match fs::metadata(&self.path) {
            Ok(found) if FileId::of(&found) == self.id => Ok(()),
            Ok(_) => Err(Found::Another),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Found::Nothing),
            Err(error) => Err(Found::Unknown(error.kind())),
        }
    }
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rusqlite::Connection;

    use crate::store::errors::WriteError;
    use crate::store::fixtures::{self, TestStore, arrival};
    use crate::store::{Appended, Store};

    use super::*;

    const FILES: [&str; 3] = ["mpsink.db", "mpsink.db-wal", "mpsink.db.lock"];

    fn messages(path: &Path) -> i64 {
        let conn = Connection::open(path).unwrap();
        conn.query_row("SELECT COUNT(*) FROM delivery", [], |row| row.get(0))
            .unwrap()
    }

    /// Two pushes in one batch are both errors, nothing is taken after them, and the end names
    /// `file`.
    fn assert_ends_by(test: &TestStore, file: &Path, found: Found) {
        let stopped = test.stop_writer();
        let answers = ["m2", "m3"].map(|id| test.send(arrival(id, "j")));
        stopped.go_on();
        for answer in answers {
            let error = test.runtime.block_on(answer).unwrap().unwrap_err();
            assert!(!matches!(error, WriteError::Busy), "{error:?}");
        }
        let fault = test.runtime.block_on(test.store.ended()).unwrap_err();
        let says = format!("{} {found}", file.display());
        assert!(fault.contains(&says), "{fault}");
        assert!(fault.ends_with("start again"), "{fault}");
        let error = test.try_append(arrival("m4", "j")).unwrap_err();
        assert!(matches!(error, WriteError::Closed), "{error:?}");
    }

    #[test]
    fn a_file_that_is_removed_under_the_store_ends_it_and_nothing_is_acknowledged() {
        for file in FILES {
            let test = fixtures::open();
            test.append(arrival("m1", "j"));
            let path = test.folder.path().join(file);
            fs::remove_file(&path).unwrap();
            assert_ends_by(&test, &path, Found::Nothing);
        }
    }

    #[test]
    fn a_file_that_is_moved_under_the_store_ends_it_and_nothing_is_acknowledged() {
        for file in FILES {
            let test = fixtures::open();
            test.append(arrival("m1", "j"));
            let path = test.folder.path().join(file);
            fs::rename(&path, test.folder.path().join("moved")).unwrap();
            assert_ends_by(&test, &path, Found::Nothing);
        }
    }

    #[test]
    fn a_file_that_is_replaced_under_the_store_ends_it_and_nothing_is_acknowledged() {
        for file in FILES {
            let test = fixtures::open();
            test.append(arrival("m1", "j"));
            let path = test.folder.path().join(file);
            let moved = test.folder.path().join("moved");
            fs::rename(&path, &moved).unwrap();
            fs::copy(&moved, &path).unwrap();
            assert_ends_by(&test, &path, Found::Another);
        }
    }

    #[test]
    fn what_was_acknowledged_is_in_the_database_file_wherever_it_was_moved_to() {
        let test = fixtures::open();
        test.append(arrival("m1", "j"));
        let moved = test.folder.path().join("elsewhere.db");
        fs::rename(test.path(), &moved).unwrap();
        assert_ends_by(&test, &test.path(), Found::Nothing);
        assert!(messages(&moved) >= 1);
    }

    #[test]
    fn what_was_acknowledged_outlives_the_log() {
        let test = fixtures::open();
        test.append(arrival("m1", "j"));
        let log = test.folder.path().join("mpsink.db-wal");
        fs::remove_file(&log).unwrap();
        assert_ends_by(&test, &log, Found::Nothing);
        let path = test.path();
        let TestStore {
            store,
            folder: _folder,
            ..
        } = test;
        drop(store);
        assert!(messages(&path) >= 1);
    }

    #[test]
    fn a_flush_is_not_acknowledged_either() {
        let test = fixtures::open();
        fs::remove_file(test.path()).unwrap();
        let flushed = test.runtime.block_on(test.store.flush_notes());
        assert!(matches!(flushed, Err(WriteError::Closed)), "{flushed:?}");
    }

    #[test]
    fn a_database_behind_a_link_is_followed_to_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.db");
        let link = folder.path().join("link.db");
        fs::write(&real, b"").unwrap();
        symlink(&real, &link).unwrap();
        let (store, _) = Store::open(fixtures::options(link)).unwrap();
        fixtures::register(&store, "default");
        assert!(folder.path().join("real.db-wal").exists());
    }

    #[test]
    fn a_database_that_was_taken_out_of_wal_mode_is_opened_with_its_log() {
        let test = fixtures::open();
        test.append(arrival("m1", "j"));
        let path = test.path();
        let TestStore {
            store,
            folder: _folder,
            ..
        } = test;
        drop(store);
        let conn = Connection::open(&path).unwrap();
        let mode: String = conn
            .pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "delete");
        drop(conn);
        let (store, _) = Store::open(fixtures::options(path)).unwrap();
        let runtime = fixtures::runtime();
        let again = runtime.block_on(store.append(arrival("m1", "j"))).unwrap();
        assert!(matches!(again, Appended::Duplicate { .. }));
    }
}
