//! What opening the database would come to, told without touching anything.
//!
//! `mpsink config check` asks, before a server is started or beside one. No file is made or changed, not
//! even SQLite's index of the log: with a log there, its index is read as it is (`readonly_shm`), so
//! that what a killed server left in the log counts; without one, the file is taken for immutable, since
//! SQLite would begin a log otherwise.
//!
//! Deliberately not here: whether the file system can do what a log needs, and whether the disk has
//! room. Only writing tells.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use crate::store::belonging::denied;
use crate::store::copy::{beside, folder_of};
use crate::store::errors::OpenError;
use crate::store::lock::{self, LockError};
use crate::store::open;
use crate::store::options::Purpose;
use crate::store::restore::require_ended;

/// What would be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// Nothing is there, or an empty file: a new database would be made.
    New,
    /// A database of ours, for this purpose, of a schema that is known.
    Ours,
}

/// Returns what [`Store::open`] would open at `path`, or why it would not. A server that has it open
/// already is no reason; another process is.
///
/// [`Store::open`]: crate::store::Store::open
pub fn foresee(path: &Path, purpose: Purpose) -> Result<Foreseen, OpenError> {
    open::require_sqlite(rusqlite::version_number())?;
    let is_held = lock::is_held(path);
    if is_held && lock::running(path).is_none() {
        return Err(LockError::Held { running: None }.into());
    }
    lock::require_file(path)?;
    require_ended(path)?;
    if let Some(denied) = denied(path) {
        return Err(OpenError::Denied(denied));
    }
    let unusable = |source: io::Error| OpenError::Unusable {
        path: path.to_owned(),
        source: source.into(),
    };
    // Also where the whole disk is read-only.
    access(folder_of(path), Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| unusable(error.into()))?;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Foreseen::New),
        Err(error) => return Err(unusable(error)),
        Ok(found) if found.len() == 0 => return Ok(Foreseen::New),
        Ok(_) => access(path, Access::READ_OK | Access::WRITE_OK)
            .map_err(|error| unusable(error.into()))?,
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let found = Connection::open_with_flags(address(path), flags).and_then(|conn| {
        conn.busy_timeout(open::WRITER_WAIT_MAX)?;
        open::look(&conn)
    });
    let found = found.map_err(|source| open::unusable(path, source))?;
    open::check(&found, path, purpose, open::MIGRATIONS.len())?;
    Ok(if found.is_empty {
        Foreseen::New
    } else {
        Foreseen::Ours
    })
}

/// Returns `path` as SQLite reads it without changing anything.
fn address(path: &Path) -> String {
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let how = if has_log && beside(path, "-shm").exists() {
        "readonly_shm=1"
    } else {
        "immutable=1"
    };
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            address.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address + "?" + how
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use tempfile::TempDir;

    use crate::store::Store;
    use crate::store::fixtures::{self, arrival};
    use crate::store::lock::Lock;
    use crate::store::options::StoreOptions;

    use super::*;

    /// Everything in a folder, with when it was written last.
    fn content(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let with_content = paths.map(|path| {
            let at = fs::metadata(&path).unwrap().modified().unwrap();
            (path.clone(), (fs::read(&path).unwrap(), at))
        });
        with_content.collect()
    }

    /// Looks, and holds what is foreseen against what opening says.
    fn check(folder: &TempDir, name: &str, purpose: Purpose, expected: Result<Foreseen, &str>) {
        let path = folder.path().join(name);
        let before = content(folder.path());
        let found = foresee(&path, purpose);
        assert_eq!(content(folder.path()), before, "{name}");
        let opened = Store::open(StoreOptions {
            purpose,
            ..fixtures::options(path)
        });
        match (found, opened, expected) {
            (Ok(found), Ok((_, opened)), Ok(expected)) => {
                assert_eq!(found, expected, "{name}");
                assert_eq!(opened.is_new, found == Foreseen::New, "{name}");
            }
            (Err(found), Err(opened), Err(expected)) => {
                assert_eq!(found.to_string(), opened.to_string(), "{name}");
                assert!(found.to_string().contains(expected), "{name}: {found}");
            }
            (found, opened, _) => panic!("{name}: {found:?}, but {:?}", opened.err()),
        }
    }

    /// A closed database under an odd name.
    fn leave_closed(folder: &TempDir, name: &str, purpose: Purpose) -> PathBuf {
        let path = folder.path().join(name);
        let (store, _) = Store::open(StoreOptions {
            purpose,
            ..fixtures::options(path.clone())
        })
        .unwrap();
        store.close();
        path
    }

    #[test]
    fn what_is_foreseen_is_what_opening_says_and_nothing_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let record = Purpose::Record;
        fs::write(at("empty"), "").unwrap();
        fs::write(at("letter"), "Dear database, ".repeat(100)).unwrap();
        leave_closed(&folder, "a b?c#d%41é.db", record);
        let test = leave_closed(&folder, "try", Purpose::Try);
        let newer = leave_closed(&folder, "newer", record);
        let conn = Connection::open(&newer).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        drop(conn);
        let foreign = Connection::open(at("foreign")).unwrap();
        foreign.execute_batch("CREATE TABLE mark (name)").unwrap();
        drop(foreign);
        fs::write(at("broken.restore"), "broken.before-x").unwrap();
        fs::copy(&test, at("broken.before-x")).unwrap();

        check(&folder, "missing", record, Ok(Foreseen::New));
        check(&folder, "empty", record, Ok(Foreseen::New));
        check(&folder, "a b?c#d%41é.db", record, Ok(Foreseen::Ours));
        check(&folder, "try", Purpose::Try, Ok(Foreseen::Ours));
        check(&folder, "try", record, Err("start with --try"));
        check(&folder, "missing", Purpose::Try, Err("start without --try"));
        check(&folder, "letter", record, Err("is not an mpsink database"));
        check(&folder, "foreign", record, Err("is not an mpsink database"));
        check(&folder, "newer", record, Err("has schema 99"));
        check(&folder, "broken", record, Err("was broken off"));
    }

    #[test]
    fn what_a_killed_server_left_in_its_log_counts_and_stays() {
        let test = fixtures::open();
        test.append(arrival("m1", "in the log"));
        let folder = tempfile::tempdir().unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let copy = beside(&folder.path().join("killed"), suffix);
            fs::copy(beside(&test.path(), suffix), copy).unwrap();
        }
        let killed = folder.path().join("killed");
        let bytes = fs::metadata(beside(&killed, "-wal")).unwrap().len();
        assert!(bytes > 0);
        // What the log has is in no other place: without it, nothing is there.
        let without = folder.path().join("without");
        fs::copy(&killed, &without).unwrap();
        assert_eq!(foresee(&without, Purpose::Record).unwrap(), Foreseen::New);
        check(&folder, "killed", Purpose::Record, Ok(Foreseen::Ours));
    }

    #[test]
    fn a_running_server_is_no_reason_and_another_process_is() {
        let test = fixtures::open();
        let running = lock::Running {
            pid: 7,
            endpoint: String::new(),
            dashboard: String::new(),
            key: String::new(),
        };
        test.store.announce(&running).unwrap();
        let found = foresee(&test.path(), Purpose::Record).unwrap();
        assert_eq!(found, Foreseen::Ours);
        test.append(arrival("m1", "still taken"));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mpsink.db");
        let _lock = Lock::acquire(&path).unwrap();
        let error = foresee(&path, Purpose::Record).unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
    }

    #[test]
    fn a_folder_or_file_that_may_not_be_written_is_named() {
        // Root may write everywhere.
        if rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = leave_closed(&folder, "mpsink.db", Purpose::Record);
        for (path, mode, usual) in [
            (path.as_path(), 0o400, 0o600),
            (folder.path(), 0o500, 0o700),
        ] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let found = foresee(&folder.path().join("mpsink.db"), Purpose::Record);
            fs::set_permissions(path, Permissions::from_mode(usual)).unwrap();
            let error = found.unwrap_err().to_string();
            assert!(error.contains("who may not use it"), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
