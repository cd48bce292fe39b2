//! A backup: a whole copy of the database in one file, made while a server runs or while none does.
//!
//! It is what one moment's readers see. Everything comes along, the secret path of the first source
//! and the hashes of held pushes included: whoever has a backup can read what the database says.
//! `copy.rs` says how it is written; a half one never has the name.
//!
//! The room is asked for first. The copy takes what the database has, and during its last pass the
//! server's log grows by what arrives, at `LOG_SHARE` of it by our guess: on the same disk that is
//! asked for as well. A copy goes from a full disk to another one.
//!
//! Whoever makes one goes last for the processor, since a server beside it is pushed to, and the pages
//! go to the disk little by little (`pages.rs`). `docs/performance.md` says what pushes notice of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

use rustix::process::nice;
use thiserror::Error;

use crate::store::copy::{self, Copy, CopyError, CopyStep, Original};
use crate::store::disk;
use crate::store::lock;
use crate::store::options::{FreeDisk, Purpose};

/// How much of the database's size the log may grow by meanwhile, as a divisor: a thousand pushes a
/// second write 18 MB of log a second, and the last pass is supposed to read 300 MB in that time.
const LOG_SHARE: u64 = 16;

/// What the log may grow by at least.
const LOG_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// As `nice` counts.
const LOWEST_PRIORITY: i32 = 19;

/// Behind a database's name: what a server, a restore and SQLite keep beside it.
const SIDE_FILES: [&str; 6] = [
    "-wal",
    "-shm",
    "-journal",
    ".lock",
    ".restore",
    ".restoring",
];

/// What a backup has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    pub schema: usize,
    pub purpose: Purpose,
}

/// Why there is no backup. What had the name before still has it.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{} is there already; name another file, or replace it with --force", file.display())]
    Exists { file: PathBuf },
    #[error("{} is no regular file; name one that is, or a new one", file.display())]
    NoFile { file: PathBuf },
    #[error("{} is the database itself; name another file", file.display())]
    IsDatabase { file: PathBuf },
    #[error("{} belongs to the database {}; name another file", file.display(), database.display())]
    BelongsTo { file: PathBuf, database: PathBuf },
    #[error("{} is the database of process {pid}; name another file", file.display())]
    InUse { file: PathBuf, pid: u32 },
    /// SQLite would take the log there for the backup's, and spoil it.
    #[error(
        "{} stands beside it and belongs to another database; name another file",
        companion.display()
    )]
    HasLog { companion: PathBuf },
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Copies `database` into `file`, which must not be there unless `may_replace`. Blocks for as long as
/// it takes, some seven seconds for each gigabyte, and a hundred beside a server; `progress` is told
/// now and then. From then on the calling thread has the lowest priority.
pub fn backup(
    database: &Path,
    file: &Path,
    may_replace: bool,
    progress: impl FnMut(CopyStep),
) -> Result<Backup, BackupError> {
    backup_with(database, file, may_replace, disk::free, progress)
}

fn backup_with(
    database: &Path,
    file: &Path,
    may_replace: bool,
    free_disk: FreeDisk,
    mut progress: impl FnMut(CopyStep),
) -> Result<Backup, BackupError> {
    // Threads that are begun here have it as well. Where it may not be had, nothing is lost.
    let _ = nice(LOWEST_PRIORITY);
    // Through a link, so that the link stays and what it leads to is replaced.
    // Absolute also where nothing is yet: SQLite takes a name that begins with `file:` for a URI.
    let name = fs::canonicalize(file).or_else(|_| path::absolute(file));
    let name = name.unwrap_or_else(|_| file.to_owned());
    check_name(database, &name, may_replace)?;
    let original = Original::open(database)?;
    require_rooms(database, &name, original.bytes()?, free_disk)?;
    let copy = Copy::begin(copy::beside(&name, ".part"))?;
    let is_written = lock::is_held(database);
    let bytes = copy.fill_beside(&original, is_written, &mut progress)?;
    // Again: it may have come since.
    check_name(database, &name, may_replace)?;
    copy.keep(&name)?;
    Ok(Backup {
        bytes,
        schema: original.found.schema,
        purpose: original.found.purpose(),
    })
}

fn check_name(database: &Path, file: &Path, may_replace: bool) -> Result<(), BackupError> {
    let file_id = |path: &Path| fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    let found = fs::metadata(file).ok();
    let file = file.to_owned();
    if let Some(database) = belongs_to(database, &file) {
        return Err(BackupError::BelongsTo { file, database });
    }
    if found.is_some() && file_id(&file) == file_id(database) {
        return Err(BackupError::IsDatabase { file });
    }
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        return Err(BackupError::NoFile { file });
    }
    if found.is_some() && !may_replace {
        return Err(BackupError::Exists { file });
    }
    if let Some(running) = lock::running(&file) {
        let pid = running.pid;
        return Err(BackupError::InUse { file, pid });
    }
    match copy::companion(&file) {
        Some(companion) => Err(BackupError::HasLog { companion }),
        None => Ok(()),
    }
}

/// Returns the database beside which `file` is something else, whether it is there or not. By names
/// alone: any other database may be open in its server.
fn belongs_to(database: &Path, file: &Path) -> Option<PathBuf> {
    let name = file.as_os_str().as_bytes();
    let mut names = SIDE_FILES
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix.as_bytes()))
        .map(|name| PathBuf::from(OsStr::from_bytes(name)));
    let of_log = names.find(|name| name.is_file());
    // The test key has the database's name with another ending.
    let keys = [database.to_owned(), file.with_extension("db")];
    let of_key = || {
        let is_key = file.extension() == Some(OsStr::new("key"));
        let real = |path: &Path| lock::real_path(path);
        let goes_with =
            |it: &&PathBuf| it.is_file() && real(it).with_extension("key") == real(file);
        keys.iter().filter(|_| is_key).find(goes_with).cloned()
    };
    of_log.or_else(of_key)
}

/// Requires the room for a copy of `bytes`.
fn require_rooms(
    database: &Path,
    file: &Path,
    bytes: u64,
    free_disk: FreeDisk,
) -> Result<(), CopyError> {
    let real = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let (from, to) = (copy::folder_of(&real), copy::folder_of(file));
    let device = |folder: &Path| fs::metadata(folder).ok().map(|it| it.dev());
    let beside = bytes_beside(bytes, device(from) == device(to));
    copy::require_room(to, bytes, beside, free_disk)
}

/// Returns what the log may take where a copy of `bytes` goes.
///
/// On another disk that is nothing, and the room of the database's own is not asked for: that there is
/// little is what somebody makes a copy elsewhere for. Should the log fill that disk meanwhile, pushes
/// are answered 503 until the copy is done, and SMQ sends them again.
fn bytes_beside(bytes: u64, is_one_disk: bool) -> u64 {
    if is_one_disk {
        (bytes / LOG_SHARE).max(LOG_BYTES_MIN)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rusqlite::Connection;

    use crate::clock::Clock;
    use crate::store::Store;
    use crate::store::filters::JobFilter;
    use crate::store::fixtures::{self, NOON, TestStore, arrival};
    use crate::store::lock::Running;
    use crate::store::records::Page;

    use super::*;

    fn backup_now(test: &TestStore, file: &Path) -> Result<Backup, BackupError> {
        backup(&test.path(), file, false, |_| {})
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Everything that SQLite says of the schema, and every row of every table, virtual ones too.
    fn whole(path: &Path) -> Vec<String> {
        let conn = Connection::open(path).unwrap();
        let text = |sql: &str| -> Vec<String> {
            let mut select = conn.prepare(sql).unwrap();
            let columns = select.column_count();
            let rows = select.query_map([], |row| {
                let values = (0..columns).map(|at| row.get_ref(at).map(|it| format!("{it:?}")));
                values.collect::<Result<Vec<_>, _>>()
            });
            rows.unwrap().map(|row| row.unwrap().join("|")).collect()
        };
        let mut all = text("PRAGMA application_id");
        all.extend(text("PRAGMA user_version"));
        all.extend(text(
            "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
        ));
        let tables: Vec<String> = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(tables.iter().any(|table| table == "sqlite_sequence"));
        for table in tables {
            // The words themselves are not kept; their tables beside are compared like any other.
            if !table.ends_with("_words") {
                all.push(table.clone());
                let columns = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
                let order = if columns.column_count() > 1 {
                    "1, 2"
                } else {
                    "1"
                };
                all.extend(text(&format!("SELECT * FROM {table} ORDER BY {order}")));
            }
        }
        all
    }

    #[test]
    fn what_stands_beside_a_database_is_no_name_for_a_backup_even_to_replace() {
        let test = fixtures::open();
        let other = tempfile::tempdir().unwrap();
        let strange = other.path().join("other.db");
        fs::write(&strange, "of another server").unwrap();
        for database in [test.path(), strange] {
            let beside = SIDE_FILES.map(|suffix| copy::beside(&database, suffix));
            for file in beside.into_iter().chain([database.with_extension("key")]) {
                let before = fs::metadata(&file).ok().map(|it| it.ino());
                let error = backup(&test.path(), &file, true, |_| {}).unwrap_err();
                assert!(matches!(error, BackupError::BelongsTo { .. }), "{error}");
                let after = fs::metadata(&file).ok().map(|it| it.ino());
                assert_eq!(after, before, "{}", file.display());
            }
        }
        test.append(arrival("m", "still taken"));
    }

    #[test]
    fn a_backup_is_the_database_to_the_last_row_and_the_server_goes_on() {
        let test = fixtures::open();
        for number in 0..50 {
            test.append(arrival(&format!("m{number}"), &format!("j{number}")));
        }
        test.hold(fixtures_held(&test)).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("backup.db");
        let copied = backup_now(&test, &file).unwrap();
        assert_eq!(copied.bytes, fs::metadata(&file).unwrap().len());
        assert_eq!((copied.schema, copied.purpose), (1, Purpose::Record));
        // One file for its owner alone, though it was all in the log.
        assert_eq!(names(elsewhere.path()), ["backup.db"]);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(whole(&file), whole(&test.path()));

        test.append(arrival("later", "later"));
        let reading = Store::open_reading(&file, Vec::new(), Clock::standing_at(NOON)).unwrap();
        let all = Page::first(100);
        let jobs = reading.page_jobs(&JobFilter::default(), all).unwrap();
        assert_eq!(jobs.items.len(), 50);
        test.store.close();
        drop(reading);
        backup(&test.path(), &file, true, |_| {}).unwrap();
        assert_eq!(whole(&file), whole(&test.path()));
    }

    fn fixtures_held(test: &TestStore) -> crate::store::NewHeld {
        crate::store::NewHeld {
            delivery: fixtures::delivery(test.source.id, "t", "m", "m"),
            signature: vec![1],
            reason: crate::notification::reason::HoldReason::Owner,
            owner: None,
            topic: None,
            message_id: None,
            explanation: "{}".to_owned(),
        }
    }

    #[test]
    fn who_makes_a_backup_goes_last_for_the_processor() {
        let test = fixtures::open();
        let file = test.folder.path().join("backup.db");
        let priority = std::thread::spawn(move || {
            backup_now(&test, &file).unwrap();
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(priority.join().unwrap(), LOWEST_PRIORITY);
    }

    #[test]
    fn a_test_database_stays_one_in_its_backup() {
        let test = fixtures::open_with(|options| options.purpose = Purpose::Try);
        let file = test.folder.path().join("backup.db");
        assert_eq!(backup_now(&test, &file).unwrap().purpose, Purpose::Try);
        let reading = Store::open_reading(&file, Vec::new(), Clock::standing_at(NOON)).unwrap();
        assert_eq!(reading.purpose(), Purpose::Try);
    }

    #[test]
    fn a_name_that_is_taken_is_replaced_only_by_force() {
        let test = fixtures::open();
        let file = test.folder.path().join("backup.db");
        fs::write(&file, "yesterday's").unwrap();
        let error = backup_now(&test, &file).unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"yesterday's");
        let link = test.folder.path().join("link.db");
        symlink(&file, &link).unwrap();
        let made = backup(&test.path(), &link, true, |_| {}).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().len(), made.bytes);
    }

    #[test]
    fn no_database_is_written_over_and_no_name_with_a_log_is_taken() {
        let test = fixtures::open();
        let path = |name: &str| test.folder.path().join(name);
        symlink(test.path(), path("link.db")).unwrap();
        let other = fixtures::open();
        let running = Running {
            pid: 4242,
            endpoint: String::new(),
            dashboard: String::new(),
            key: String::new(),
        };
        other.store.announce(&running).unwrap();
        fs::write(path("stale.db-wal"), "of another one").unwrap();
        for (file, says) in [
            (test.path(), "is the database itself"),
            (path("link.db"), "is the database itself"),
            (other.path(), "is the database of process 4242"),
            (path("stale.db"), "stale.db-wal stands beside it"),
            (test.folder.path().to_owned(), "is no regular file"),
        ] {
            let error = backup(&test.path(), &file, true, |_| {}).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        test.append(arrival("m", "j"));
        other.append(arrival("m", "j"));
    }

    #[test]
    fn without_room_for_the_copy_and_the_log_nothing_is_begun() {
        let test = fixtures::open();
        let file = test.folder.path().join("backup.db");
        let before = names(test.folder.path());
        let made = backup_with(
            &test.path(),
            &file,
            false,
            |_| Ok(LOG_BYTES_MIN),
            |step| panic!("begun: {step:?}"),
        );
        let shown = made.unwrap_err().to_string();
        assert!(shown.contains("68 MB free, and this may need"), "{shown}");
        assert_eq!(names(test.folder.path()), before);
        backup_with(
            &test.path(),
            &file,
            false,
            |_| Ok(2 * LOG_BYTES_MIN),
            |_| {},
        )
        .unwrap();
    }

    #[test]
    fn the_log_is_given_room_only_where_it_shares_a_disk_with_the_copy() {
        let large = 2 * LOG_SHARE * LOG_BYTES_MIN;
        assert_eq!(bytes_beside(0, true), LOG_BYTES_MIN);
        assert_eq!(bytes_beside(large, true), large / LOG_SHARE);
        assert_eq!(bytes_beside(large, false), 0, "a full disk can be copied");
    }

    #[test]
    fn a_copy_to_another_disk_is_asked_for_no_room_for_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        let beside = folder.path().join("copy.db");
        // Enough for a copy of 1,000 bytes, and not for a log beside it.
        let little: FreeDisk = |_| Ok(LOG_BYTES_MIN);
        let refused = require_rooms(&database, &beside, 1_000, little);
        assert!(matches!(refused, Err(CopyError::NoRoom { .. })));
        // Another file system wherever this runs; nothing is written there.
        require_rooms(&database, Path::new("/proc/copy.db"), 1_000, little).unwrap();
    }

    #[test]
    fn a_half_backup_never_has_the_name_and_what_was_left_of_one_is_written_over() {
        let test = fixtures::open();
        let file = test.folder.path().join("backup.db");
        fs::write(test.folder.path().join("backup.db.part"), "left").unwrap();
        fs::write(test.folder.path().join("backup.db.part-journal"), "left").unwrap();
        let mut steps = Vec::new();
        backup(&test.path(), &file, false, |step| {
            assert!(!file.exists());
            steps.push(step);
        })
        .unwrap();
        assert_eq!(steps.last(), Some(&CopyStep::Checking));
        let left = names(test.folder.path());
        let left = left.iter().filter(|name| name.contains(".part"));
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn two_processes_do_not_write_the_same_backup() {
        let test = fixtures::open();
        let file = test.folder.path().join("backup.db");
        let part = File::create(test.folder.path().join("backup.db.part")).unwrap();
        part.lock().unwrap();
        let error = backup_now(&test, &file).unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn a_damaged_database_gives_no_backup() {
        let test = fixtures::open();
        for number in 0..200 {
            test.append(arrival(&format!("m{number}"), &format!("j{number}")));
        }
        test.store.close();
        let mut bytes = fs::read(test.path()).unwrap();
        let end = bytes.len() - 4096;
        bytes[40 * 4096..end].fill(7);
        fs::write(test.path(), bytes).unwrap();
        let file = test.folder.path().join("backup.db");
        let error = backup_now(&test, &file).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        let left = names(test.folder.path());
        assert!(!left.iter().any(|name| name.contains("backup")), "{left:?}");
    }
}
