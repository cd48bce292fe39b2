//! The lock against a second writer, and the note in it that says how to reach the first.
//!
//! `mpsink.db.lock` is a file of its own, locked with `File::try_lock` and never removed: a removed
//! one could be locked by two processes, each through its own inode (`files.rs` notices). SQLite's own locking stays in
//! its normal mode, so that readers work beside. The database file itself is never opened here:
//! closing it would drop SQLite's locks.
//! Its content (mode 0600) is how `mpsink admit` and `mpsink push` find the running server: whoever
//! can read it can read the database as well. It is believed only while somebody holds the lock,
//! since a killed server leaves its note behind.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::store::belonging::{Denied, denied, hand_over};
use crate::store::{Store, unpoisoned};

/// The most bytes of a note that are read: a few addresses and a key.
const NOTE_BYTES_MAX: u64 = 16 * 1024;

/// How long [`Lock::acquire`] gives a command that is just looking at the lock ([`running`] holds
/// it for microseconds) before it takes the holder for a server.
const SECOND_TRY_AFTER: Duration = Duration::from_millis(50);

/// Readable and writable by the owner alone.
const MODE: u32 = 0o600;

/// What anybody else may do with a file.
const MODE_OF_OTHERS: u32 = 0o077;

/// How to reach the server that holds the lock.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// The URL of the first source's first path on the receiver.
    pub endpoint: String,
    /// The dashboard's URL, without a slash at its end.
    pub dashboard: String,
    /// What the dashboard accepts as `Authorization: Bearer …` from commands on this machine; new
    /// at each start.
    pub key: String,
}

/// Shows neither the key nor the endpoint, whose last segment is a secret too.
impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("pid", &self.pid)
            .field("dashboard", &self.dashboard)
            .finish_non_exhaustive()
    }
}

/// The lock of one database; held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Why the lock is not to be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process (or another store in this one) has it.
    #[error("the database is in use{}; stop that server first, or name another database", by(running.as_ref()))]
    Held {
        /// `None` if it has not announced itself, or its note cannot be read.
        running: Option<Running>,
    },
    #[error("cannot open the lock file {}; check its folder and who may write there", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("cannot open the database: {0}")]
    Denied(Denied),
}

fn by(running: Option<&Running>) -> String {
    running.map_or_else(String::new, |running| {
        format!(" by process {} ({})", running.pid, running.dashboard)
    })
}

impl Lock {
    /// Takes the lock of `database`, or says at once who has it. The lock file is made if it is not
    /// there; it is made readable by its owner alone, and an old note in it is emptied.
    pub fn acquire(database: &Path) -> Result<Lock, LockError> {
        let database = real_path(database);
        let path = lock_path(&database);
        let unusable = |source| LockError::Unusable {
            path: path.clone(),
            source,
        };
        let opened = open_or_make(&path, &database);
        let file = opened.map_err(|source| match denied(&database) {
            Some(denied) if source.kind() == io::ErrorKind::PermissionDenied => {
                LockError::Denied(denied)
            }
            _ => unusable(source),
        })?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                // Nobody can tell us when a file lock is given back, so this is a wait by the clock.
                thread::park_timeout(SECOND_TRY_AFTER);
                file.try_lock()
            }
            first => first,
        };
        match locked {
            Ok(()) => {
                file.set_len(0).map_err(unusable)?;
                // The mode above is only for a new file; one that was there may be open to all.
                let mode = file.metadata().map_err(unusable)?.permissions().mode();
                if mode & MODE_OF_OTHERS != 0 {
                    let owner_only = Permissions::from_mode(MODE);
                    file.set_permissions(owner_only).map_err(unusable)?;
                }
                Ok(Lock { file, path })
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                running: read_note(&file),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The path at which the lock file was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database that is locked, with links followed.
    pub(super) fn database(&self) -> PathBuf {
        self.path.with_extension("")
    }

    /// Looks at the file that is locked, whatever stands at its path by now.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Writes how to reach this server; the second call replaces the first.
    pub fn announce(&mut self, running: &Running) -> io::Result<()> {
        let note = serde_json::to_vec(running)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&note)
    }
}

/// Returns how to reach the server that has `database` open; `None` if nobody holds the lock, or
/// whoever does has not announced itself.
pub fn running(database: &Path) -> Option<Running> {
    held(database).and_then(|file| read_note(&file))
}

/// Tells whether any process has `database` open to write.
pub(super) fn is_held(database: &Path) -> bool {
    held(database).is_some()
}

/// Returns the lock file if somebody holds it.
fn held(database: &Path) -> Option<File> {
    let file = File::open(lock_path(&real_path(database))).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(file),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Tells beforehand that [`Lock::acquire`] will find something at the lock's place that is no file.
pub(super) fn require_file(database: &Path) -> Result<(), LockError> {
    let path = lock_path(&real_path(database));
    if path.is_dir() {
        let source = io::ErrorKind::IsADirectory.into();
        return Err(LockError::Unusable { path, source });
    }
    Ok(())
}

fn open_or_make(path: &Path, database: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => hand_over(&file, database).map(|()| file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

fn read_note(file: &File) -> Option<Running> {
    let mut note = Vec::new();
    file.take(NOTE_BYTES_MAX).read_to_end(&mut note).ok()?;
    serde_json::from_slice(&note).ok()
}

fn lock_path(real: &Path) -> PathBuf {
    let mut path = OsString::from(real);
    path.push(".lock");
    PathBuf::from(path)
}

/// Follows links: one database has one lock, under whatever link it is named.
pub(super) fn real_path(database: &Path) -> PathBuf {
    fs::canonicalize(database).unwrap_or_else(|_| {
        // Not made yet: its folder tells.
        let folder = database
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok();
        match (folder, database.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => database.to_owned(),
        }
    })
}

impl Store {
    /// Writes into the lock file how to reach this server; the second call replaces the first.
    pub fn announce(&self, running: &Running) -> io::Result<()> {
        match unpoisoned(&self.inner.lock).as_mut() {
            Some(lock) => lock.announce(running),
            None => Err(io::Error::other("the store is closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Running {
        Running {
            pid: 7,
            endpoint: "http://127.0.0.1:1/notifications/0123".to_owned(),
            dashboard: "http://127.0.0.1:2".to_owned(),
            key: "secret-key".to_owned(),
        }
    }

    #[test]
    fn a_held_lock_says_who_has_it_and_a_free_one_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        assert_eq!(running(&database), None);

        let mut lock = Lock::acquire(&database).unwrap();
        assert_eq!(running(&database), None);
        lock.announce(&note()).unwrap();
        lock.announce(&note()).unwrap();
        assert_eq!(running(&database), Some(note()));
        let error = Lock::acquire(&database).unwrap_err();
        assert!(error.to_string().contains("by process 7"), "{error}");
        assert!(matches!(error, LockError::Held { running: Some(found) } if found == note()));

        drop(lock);
        assert_eq!(running(&database), None);
        assert!(database.with_file_name("mpsink.db.lock").exists());
    }

    #[test]
    fn the_note_of_a_killed_server_is_gone_once_another_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        let mut lock = Lock::acquire(&database).unwrap();
        lock.announce(&note()).unwrap();
        drop(lock);

        let _lock = Lock::acquire(&database).unwrap();
        assert_eq!(running(&database), None);
    }

    #[test]
    fn the_lock_file_is_for_its_owner_alone_and_the_key_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        let _lock = Lock::acquire(&database).unwrap();
        let file = fs::metadata(database.with_file_name("mpsink.db.lock")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert!(!format!("{:?}", note()).contains("secret-key"));
        assert!(!format!("{:?}", note()).contains("0123"));
    }

    #[test]
    fn a_lock_file_that_others_may_read_is_closed_to_them_before_the_key_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        let path = database.with_file_name("mpsink.db.lock");
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let _lock = Lock::acquire(&database).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
