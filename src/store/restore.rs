//! A restore: a backup becomes the database, and what was there is set aside whole.
//!
//! Under the database's lock, so that no server runs: the backup is checked and copied beside the
//! database; a note says which name the old one gets; the old one and its log get it; the copy gets
//! the database's name; the note goes. The old one is moved without being opened, since it may be
//! damaged, and a log that was never written back is moved with it and found there by SQLite.
//!
//! **Architecture invariant:** the copy never has its name while an older log has the log's, which
//! SQLite would write into it. So for a moment nothing has the name, and if the process is killed
//! there, the next server would begin a new database. The note keeps it from that: while it is there,
//! [`Store::open`] refuses with what to do, and another restore goes on where the first one ended.
//!
//! [`Store::open`]: crate::store::Store::open

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};

use thiserror::Error;

use crate::clock::Timestamp;
use crate::store::belonging::hand_over;
use crate::store::copy::{
    self, Copy, CopyError, CopyStep, Original, beside, remove_if_there, sync_folder_of,
};
use crate::store::disk;
use crate::store::errors::OpenError;
use crate::store::lock::{Lock, LockError, real_path};
use crate::store::options::Purpose;

/// Behind the database's name: the copy until it has its own.
const COPY: &str = ".restoring";

/// Behind the database's name: the note, with the name that the old one gets.
const NOTE: &str = ".restore";

/// Behind the database's name, and with a time behind it: the old one.
const OLD: &str = ".before-";

/// The longest note that is read; a name has 255 bytes.
const NOTE_BYTES_MAX: u64 = 4 * 1024;

/// What belongs to the old database beside the file itself and is moved with it.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// What a restore has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database's path, with links followed.
    pub database: PathBuf,
    pub bytes: u64,
    pub schema: usize,
    /// Where the old database is now; `None` if there was none.
    pub set_aside: Option<PathBuf>,
}

/// Why nothing was restored. Unless said, nothing has changed.
#[derive(Debug, Error)]
pub enum RestoreError {
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("{} is the database itself; name a backup of it", file.display())]
    IsDatabase { file: PathBuf },
    #[error("there is no file {}", file.display())]
    Missing { file: PathBuf },
    #[error(
        "{} is a backup of test pushes and no record; run it with --try to restore it as such",
        file.display()
    )]
    IsTry { file: PathBuf },
    #[error(
        "{} is a backup of a record and not of test pushes; run it without --try",
        file.display()
    )]
    IsRecord { file: PathBuf },
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Some of it may be done; it can be gone on with.
    #[error(
        "cannot put the backup in the place of {}; run it again, it goes on where it ended",
        database.display()
    )]
    Broken {
        database: PathBuf,
        source: io::Error,
    },
}

/// Makes `file` the database at `database`. Blocks for as long as it takes.
pub fn restore(
    database: &Path,
    file: &Path,
    purpose: Purpose,
    now: Timestamp,
    mut progress: impl FnMut(CopyStep),
) -> Result<Restored, RestoreError> {
    let lock = Lock::acquire(database)?;
    // Through a link, so that the link stays and what it leads to is replaced.
    let database = lock.database();
    let broken = |source| RestoreError::Broken {
        database: database.clone(),
        source,
    };
    let old = broken_off(&database).map_err(broken)?;
    if let Some(old) = &old {
        // All of it, before it is read: it may be what is to be restored now.
        move_files(&database, old).map_err(broken)?;
    }
    let mut original = open_backup(&database, file, purpose)?;
    let bytes = original.bytes_in_use()?;
    copy::require_room(copy::folder_of(&database), bytes, 0, disk::free)?;
    original.check()?;
    // One that was left behind may be another user's.
    remove_if_there(&beside(&database, COPY)).map_err(broken)?;
    let copy = Copy::begin(beside(&database, COPY))?;
    copy.hand_over(old.as_ref().unwrap_or(&database))?;
    let bytes = copy.fill(&mut original, &mut progress)?;
    let set_aside = take_place(&database, copy, now)?;
    Ok(Restored {
        bytes,
        schema: original.found.schema,
        set_aside,
        database,
    })
}

fn open_backup(database: &Path, file: &Path, purpose: Purpose) -> Result<Original, RestoreError> {
    let to_owned = || file.to_owned();
    let found = fs::metadata(file).map_err(|_| RestoreError::Missing { file: to_owned() })?;
    let old = fs::metadata(database).ok();
    if old.is_some_and(|old| (old.dev(), old.ino()) == (found.dev(), found.ino())) {
        return Err(RestoreError::IsDatabase { file: to_owned() });
    }
    // Absolute, since SQLite takes a name that begins with `file:` for a URI.
    let path = path::absolute(file).unwrap_or_else(|_| to_owned());
    let original = Original::open(&path)?;
    match (original.found.purpose(), purpose) {
        (Purpose::Try, Purpose::Record) => Err(RestoreError::IsTry { file: to_owned() }),
        (Purpose::Record, Purpose::Try) => Err(RestoreError::IsRecord { file: to_owned() }),
        (Purpose::Try, Purpose::Try) | (Purpose::Record, Purpose::Record) => Ok(original),
    }
}

/// Sets the old one aside and gives the copy its name. Returns where the old one is.
fn take_place(
    database: &Path,
    copy: Copy,
    now: Timestamp,
) -> Result<Option<PathBuf>, RestoreError> {
    let broken = |source| RestoreError::Broken {
        database: database.to_owned(),
        source,
    };
    let old = set_aside(database, now).map_err(broken)?;
    copy.keep(database)?;
    remove_if_there(&beside(database, NOTE))
        .and_then(|()| sync_folder_of(database))
        .map_err(broken)?;
    Ok(Some(old).filter(|old| old.exists()))
}

/// Moves the old database and its logs to a name that is noted first, and returns it. From then on
/// nothing has the database's name.
fn set_aside(database: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let old = if let Some(old) = broken_off(database)? {
        old
    } else {
        let old = free_name(database, now)?;
        write_note(&beside(database, NOTE), &old)?;
        old
    };
    move_files(database, &old)?;
    Ok(old)
}

/// Returns where a restore that was killed has set the old database aside, if nothing has its name
/// since. With something there, it had not begun to move, or had ended but for its note.
fn broken_off(database: &Path) -> io::Result<Option<PathBuf>> {
    let old = noted(database)?;
    Ok(old.filter(|old| old.exists() && !database.exists()))
}

fn move_files(database: &Path, old: &Path) -> io::Result<()> {
    for suffix in [""].iter().chain(&LOGS) {
        let from = beside(database, suffix);
        if from.exists() {
            fs::rename(from, beside(old, suffix))?;
        }
    }
    // Made again from the log by whoever reads it.
    remove_if_there(&beside(database, "-shm"))?;
    sync_folder_of(database)
}

/// Returns a name that nothing has, with the time in it.
fn free_name(database: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let time = now.to_string().replace(':', "-");
    let name = beside(database, &format!("{OLD}{time}"));
    let is_free = |path: &Path| !path.exists() && copy::companion(path).is_none();
    (1..100)
        .map(|number| match number {
            1 => name.clone(),
            number => beside(&name, &format!("-{number}")),
        })
        .find(|path| is_free(path))
        .ok_or_else(|| io::Error::other("a hundred files have the old one's name already"))
}

fn write_note(note: &Path, old: &Path) -> io::Result<()> {
    remove_if_there(note)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(note)?;
    hand_over(&file, &note.with_extension(""))?;
    let name = old.file_name().unwrap_or_default();
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    sync_folder_of(note)
}

/// Returns where a restore that has not ended sets the old database aside.
fn noted(database: &Path) -> io::Result<Option<PathBuf>> {
    let file = match fs::File::open(beside(database, NOTE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut name = Vec::new();
    file.take(NOTE_BYTES_MAX).read_to_end(&mut name)?;
    let name = PathBuf::from(OsString::from_vec(name));
    // A name alone, since the old one stays in its folder. If the note was not written whole, nothing
    // was moved.
    let name = name.file_name().map(Path::new);
    let begins = beside(database, OLD);
    let begins = begins.file_name().unwrap_or_default().as_bytes();
    let is_ours = |name: &Path| name.as_os_str().as_bytes().starts_with(begins);
    let name = name.filter(|name| is_ours(name));
    Ok(name.map(|name| copy::folder_of(database).join(name)))
}

/// Requires that `database` is there, and says if that is for a restore which was broken off.
pub fn require_there(database: &Path) -> Result<(), OpenError> {
    if database.exists() {
        return Ok(());
    }
    require_ended(database)?;
    Err(OpenError::Missing {
        path: database.to_owned(),
    })
}

/// Requires that no restore was broken off while nothing had the database's name.
pub fn require_ended(database: &Path) -> Result<(), OpenError> {
    let path = || database.to_owned();
    match broken_off(&real_path(database)) {
        Ok(None) => Ok(()),
        Ok(Some(old)) => Err(OpenError::RestoreUnfinished { path: path(), old }),
        Err(source) => Err(OpenError::Unusable {
            path: path(),
            source: source.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rusqlite::Connection;
    use tempfile::TempDir;

    use crate::clock::Clock;
    use crate::store::Store;
    use crate::store::backup::backup;
    use crate::store::filters::JobFilter;
    use crate::store::fixtures::{self, NOON, arrival};
    use crate::store::records::Page;

    use super::*;

    /// A database with the job `backed`, and a backup of it.
    fn make_backup(folder: &TempDir, purpose: Purpose) -> PathBuf {
        let test = fixtures::open_with(|options| options.purpose = purpose);
        test.append(arrival("m1", "backed"));
        let file = folder.path().join("backup.db");
        backup(&test.path(), &file, false, |_| {}).unwrap();
        file
    }

    /// What a killed server leaves behind: the job `old` is in the log alone.
    fn leave_killed(folder: &TempDir) -> PathBuf {
        let test = fixtures::open();
        test.append(arrival("m2", "old"));
        let database = folder.path().join("mpsink.db");
        for suffix in ["", "-wal", "-shm"] {
            fs::copy(beside(&test.path(), suffix), beside(&database, suffix)).unwrap();
        }
        let log = fs::metadata(beside(&database, "-wal")).unwrap();
        assert!(log.len() > 0);
        database
    }

    fn jobs(path: &Path) -> Vec<String> {
        let store = Store::open_reading(path, Vec::new(), Clock::standing_at(NOON)).unwrap();
        let listing = store.page_jobs(&JobFilter::default(), Page::first(10));
        let jobs = listing.unwrap().items.into_iter();
        jobs.map(|job| job.id).collect()
    }

    fn restore_now(database: &Path, file: &Path) -> Result<Restored, RestoreError> {
        restore(database, file, Purpose::Record, NOON, |_| {})
    }

    fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    }

    #[test]
    fn a_backup_becomes_the_database_and_the_old_one_is_whole_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_backup(&folder, Purpose::Record);
        let before = fs::read(&file).unwrap();
        let database = leave_killed(&folder);
        let restored = restore_now(&database, &file).unwrap();

        // The log of the old one, had it stayed, would have been written into the new one.
        assert_eq!(copy::companion(&database), None);
        assert_eq!(jobs(&database), ["backed"]);
        let old = restored.set_aside.unwrap();
        let name = old.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "mpsink.db.before-2024-05-06T08-00-00.000Z");
        assert_eq!(jobs(&old), ["old"]);
        assert_eq!(fs::read(&file).unwrap(), before);
        let mode = fs::metadata(&database).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for left in [NOTE, COPY] {
            assert!(!beside(&database, left).exists(), "{left}");
        }
        let (store, opened) = Store::open(fixtures::options(database)).unwrap();
        assert!(!opened.is_new);
        fixtures::register(&store, "default");
    }

    #[test]
    fn each_restore_sets_the_old_one_aside_under_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_backup(&folder, Purpose::Record);
        let database = folder.path().join("mpsink.db");
        assert_eq!(restore_now(&database, &file).unwrap().set_aside, None);
        let first = restore_now(&database, &file).unwrap().set_aside.unwrap();
        let second = restore_now(&database, &file).unwrap().set_aside.unwrap();
        assert_ne!(first, second);
        for path in [&first, &second, &database] {
            assert_eq!(jobs(path), ["backed"]);
        }
    }

    #[test]
    fn a_database_behind_a_link_is_replaced_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_backup(&folder, Purpose::Record);
        let real = leave_killed(&folder);
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link.db");
        symlink(&real, &link).unwrap();
        restore_now(&link, &file).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(jobs(&real), ["backed"]);
    }

    #[test]
    fn what_is_no_whole_backup_for_this_purpose_is_refused_and_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let database = leave_killed(&folder);
        let others = tempfile::tempdir().unwrap();
        let test = make_backup(&others, Purpose::Try);
        let record = tempfile::tempdir().unwrap();
        let record = make_backup(&record, Purpose::Record);
        let path = |name: &str| others.path().join(name);
        fs::write(path("letter"), "Dear database, ".repeat(100)).unwrap();
        fs::write(path("empty"), "").unwrap();
        let whole = fs::read(&record).unwrap();
        fs::write(path("half"), &whole[..whole.len() / 2]).unwrap();
        let mut spoiled = whole.clone();
        spoiled[8 * 4096..9 * 4096].fill(7);
        fs::write(path("spoiled"), &spoiled).unwrap();
        fs::copy(&record, path("newer")).unwrap();
        let newer = Connection::open(path("newer")).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let foreign = Connection::open(path("foreign")).unwrap();
        foreign.execute_batch("CREATE TABLE mark (name)").unwrap();
        drop(foreign);

        fs::write(folder.path().join("mpsink.db.lock"), "").unwrap();
        let before = content(folder.path());
        for (file, says) in [
            (path("missing"), "there is no file"),
            (path("letter"), "is not an mpsink database"),
            (path("empty"), "is not an mpsink database"),
            (path("foreign"), "is not an mpsink database"),
            (path("half"), "is damaged"),
            (path("spoiled"), "is damaged"),
            (path("newer"), "has schema 99, and this mpsink knows"),
            (test, "run it with --try"),
            (database.clone(), "is the database itself"),
        ] {
            let error = restore_now(&database, &file).unwrap_err().to_string();
            assert!(error.contains(says), "{}: {error}", file.display());
            assert_eq!(content(folder.path()), before, "{}", file.display());
        }
        let error = restore(&database, &record, Purpose::Try, NOON, |_| {}).unwrap_err();
        assert!(
            error.to_string().contains("run it without --try"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_restored_under_a_running_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_backup(&folder, Purpose::Record);
        let test = fixtures::open();
        let error = restore_now(&test.path(), &file).unwrap_err();
        assert!(matches!(error, RestoreError::Locked(_)), "{error}");
        test.append(arrival("m3", "still taken"));
    }

    /// Leaves a database as a restore does that was killed after the first `moves` of its moves.
    fn break_off(folder: &TempDir, moves: usize) -> (PathBuf, PathBuf) {
        let database = leave_killed(folder);
        let old = free_name(&database, NOON).unwrap();
        write_note(&beside(&database, NOTE), &old).unwrap();
        fs::write(beside(&database, COPY), "half a copy").unwrap();
        for suffix in ["", "-wal"].iter().take(moves) {
            fs::rename(beside(&database, suffix), beside(&old, suffix)).unwrap();
        }
        (database, old)
    }

    #[test]
    fn a_restore_that_was_killed_keeps_a_server_from_beginning_anew_and_is_gone_on_with() {
        for moves in [1, 2] {
            let folder = tempfile::tempdir().unwrap();
            let file = make_backup(&folder, Purpose::Record);
            let (database, old) = break_off(&folder, moves);
            let error = Store::open(fixtures::options(database.clone())).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains("run `mpsink restore` again"), "{shown}");
            assert!(shown.contains(old.to_str().unwrap()), "{shown}");
            assert!(!database.exists());

            let restored = restore_now(&database, &file).unwrap();
            assert_eq!(restored.set_aside.as_ref(), Some(&old));
            assert_eq!(
                (jobs(&database), jobs(&old)),
                (vec!["backed".to_owned()], vec!["old".to_owned()])
            );
            Store::open(fixtures::options(database)).unwrap();
        }
    }

    #[test]
    fn what_a_killed_restore_has_set_aside_can_be_restored_with_its_log() {
        for moves in [1, 2] {
            let folder = tempfile::tempdir().unwrap();
            let (database, old) = break_off(&folder, moves);
            restore_now(&database, &old).unwrap();
            assert_eq!(
                (jobs(&database), jobs(&old)),
                (vec!["old".to_owned()], vec!["old".to_owned()])
            );
        }
    }

    #[test]
    fn a_note_of_a_restore_that_moved_nothing_or_ended_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = make_backup(&folder, Purpose::Record);
        let (database, old) = break_off(&folder, 0);
        let (store, _) = Store::open(fixtures::options(database.clone())).unwrap();
        store.close();
        drop(store);
        assert_eq!(jobs(&database), ["old"]);

        restore_now(&database, &file).unwrap();
        write_note(&beside(&database, NOTE), &old).unwrap();
        Store::open(fixtures::options(database.clone())).unwrap();
        let restored = restore_now(&database, &file).unwrap();
        assert_ne!(restored.set_aside, Some(old.clone()));
        assert_eq!(jobs(&old), ["old"]);
    }

    #[test]
    fn a_note_that_names_what_no_restore_has_set_aside_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        for name in ["", "mpsink.db", "other.db", "../mpsink.db.befor"] {
            fs::write(beside(&database, NOTE), name).unwrap();
            assert_eq!(noted(&database).unwrap(), None, "{name}");
        }
        fs::write(beside(&database, NOTE), "../mpsink.db.before-x").unwrap();
        let inside = Some(folder.path().join("mpsink.db.before-x"));
        assert_eq!(noted(&database).unwrap(), inside);
    }
}
