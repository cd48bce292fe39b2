//! Opening the database: is it ours, is it this purpose's, is its schema ours or older.
//!
//! A file is looked at before it is touched: one that is no mpsink database, that another purpose
//! has marked, or that a newer version made is refused as it is, not even switched to WAL. Then
//! each migration runs in a transaction of its own with the version it leads to.
//!
//! Deliberately not here: the lock (`lock.rs`), which the caller holds before anything is opened.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, ffi, params,
};

use crate::store::OpenError;
use crate::store::belonging::{denied, hand_over};
use crate::store::copy::folder_of;
use crate::store::options::{Opened, Purpose};
use crate::store::unfinished::{self, Migration, Migrations};

/// `mpsk`, in the header of every database of ours.
const APPLICATION_ID: i32 = 0x6d70_736b;

/// The oldest SQLite to trust: before it, a checkpoint could corrupt a database in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// The schema, one step after the other; the database's `user_version` counts those it has.
pub(super) const MIGRATIONS: Migrations = &[Migration {
    sql: include_str!("migrations/0001_first.sql"),
    rest: None,
}];

/// How long to wait for another process that writes. Nobody else should, so this is for a person's
/// `sqlite3` shell; it stays well inside the 5 s that SMQ gives us.
pub(super) const WRITER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Memory for the writer's pages, in KiB (negative, as SQLite has it). The keys' index is hit at
/// random places, and SQLite's 2 MB would read one of its pages for nearly every push.
const WRITER_CACHE_KIB: i32 = -32 * 1024;

/// What SQLite says where the index of the log cannot be opened, made longer, locked or mapped, which
/// is how it finds out that a file system has no shared memory.
const SHARED_MEMORY_CODES: [i32; 4] = [
    ffi::SQLITE_IOERR_SHMOPEN,
    ffi::SQLITE_IOERR_SHMSIZE,
    ffi::SQLITE_IOERR_SHMLOCK,
    ffi::SQLITE_IOERR_SHMMAP,
];

/// Prepared statements kept by each connection: all of the writer's, and a reader's lists with the
/// usual combinations of filters.
pub(super) const STATEMENTS_KEPT: usize = 96;

const SELECT_TABLE_COUNT: &str = "SELECT COUNT(*) FROM sqlite_schema";

const SELECT_PURPOSE: &str = "SELECT value FROM mark WHERE name = 'purpose'";

const INSERT_PURPOSE: &str = "INSERT INTO mark (name, value) VALUES ('purpose', ?1)";

impl Purpose {
    /// The word the database is marked with.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Record => "record",
            Purpose::Try => "try",
        }
    }
}

/// Opens or makes the database at `path`, and returns the writer's connection.
pub(super) fn open(
    path: &Path,
    purpose: Purpose,
    migrations: Migrations,
) -> Result<(Connection, Opened), OpenError> {
    require_sqlite(rusqlite::version_number())?;
    create_private(path)
        .and_then(|()| warn_if_wide(path))
        .map_err(|source| match denied(path) {
            Some(denied) => OpenError::Denied(denied),
            None => OpenError::Unusable {
                path: path.to_owned(),
                source: source.into(),
            },
        })?;
    let unusable = |source| unusable(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(unusable)?;
    conn.busy_timeout(WRITER_WAIT_MAX).map_err(unusable)?;

    let found = look(&conn).map_err(unusable)?;
    check(&found, path, purpose, migrations.len())?;
    switch_to_wal(&conn, path)?;
    set_up(&conn).map_err(unusable)?;
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    if let Some(line) = upgrade_line(&found, migrations.len(), bytes) {
        tracing::warn!("{line}");
    }
    migrate(&mut conn, &found, purpose, migrations).map_err(unusable)?;
    // The first reading in WAL mode makes the log, if migrating has not: from here on it is there.
    look(&conn).map_err(unusable)?;
    let is_new = found.is_empty;
    Ok((conn, Opened { is_new }))
}

/// Opens the writer's database once more, for moving its log (`log.rs`).
pub(super) fn open_mover(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(WRITER_WAIT_MAX)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    // The first reading opens the log, which is there now.
    conn.query_row(SELECT_TABLE_COUNT, [], |_| Ok(()))?;
    Ok(conn)
}

/// Returns what the database at `path` is for, if it can be read as it is. Writes nothing, and makes no
/// file.
pub(super) fn look_beside(path: &Path) -> Result<Purpose, OpenError> {
    require_sqlite(rusqlite::version_number())?;
    let unusable = |source| unusable(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(unusable)?;
    conn.busy_timeout(WRITER_WAIT_MAX).map_err(unusable)?;
    let found = look(&conn).map_err(unusable)?;
    check_readable(&found, path)
}

/// Opens the database at `path`, of this schema or an older one and whatever it is for, to read it
/// whole. Not `query_only`: `VACUUM INTO` fails there.
pub(super) fn open_whole(path: &Path) -> Result<(Connection, Found), OpenError> {
    require_sqlite(rusqlite::version_number())?;
    let unusable = |source| unusable(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(unusable)?;
    conn.busy_timeout(WRITER_WAIT_MAX).map_err(unusable)?;
    let found = look(&conn).map_err(unusable)?;
    if found.is_empty {
        return Err(OpenError::NotOurs {
            path: path.to_owned(),
        });
    }
    check(&found, path, found.purpose(), MIGRATIONS.len())?;
    Ok((conn, found))
}

fn check_readable(found: &Found, path: &Path) -> Result<Purpose, OpenError> {
    let purpose = found.purpose();
    if found.is_empty {
        return Err(OpenError::NotOurs {
            path: path.to_owned(),
        });
    }
    check(found, path, purpose, MIGRATIONS.len())?;
    if found.schema < MIGRATIONS.len() {
        return Err(OpenError::Older {
            path: path.to_owned(),
            found: found.schema,
            known: MIGRATIONS.len(),
        });
    }
    Ok(purpose)
}

pub(super) fn unusable(path: &Path, source: rusqlite::Error) -> OpenError {
    let code = source.sqlite_error_code();
    let is_closed = matches!(
        code,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly)
    );
    // SQLite says 14, whatever the reason.
    if is_closed && let Some(denied) = denied(path) {
        return OpenError::Denied(denied);
    }
    let path = path.to_owned();
    let is_of_shared_memory = source
        .sqlite_error()
        .is_some_and(|error| SHARED_MEMORY_CODES.contains(&error.extended_code));
    match code {
        _ if is_of_shared_memory => OpenError::NoWal {
            path,
            source: source.into(),
        },
        Some(ErrorCode::NotADatabase) => OpenError::NotOurs { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged {
            path,
            source: source.into(),
        },
        _ => OpenError::Unusable {
            path,
            source: source.into(),
        },
    }
}

/// Makes the file, readable by its owner alone, if it is not there. SQLite gives its log the same
/// mode. This is the only time the file is opened outside SQLite, before any lock is on it.
fn create_private(path: &Path) -> io::Result<()> {
    if fs::exists(path)? {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    hand_over(&options.open(path)?, folder_of(path))
}

/// Says so if others may read or write the database. It is not changed: a group that reads along
/// may be somebody's wish.
fn warn_if_wide(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let (path, mode) = (path.display(), mode & 0o777);
        tracing::warn!(
            "the database {path} is open to others than its owner (mode {mode:o}), and holds every \
             message; close it with chmod 600"
        );
    }
    Ok(())
}

pub(super) fn require_sqlite(version: i32) -> Result<(), OpenError> {
    if version < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld {
            found: version,
            needed: SQLITE_VERSION_MIN,
        });
    }
    Ok(())
}

/// Returns the number of the schema that this program has.
pub(super) fn schema_known() -> u64 {
    MIGRATIONS.len() as u64
}

/// What a file says about itself before it is touched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) is_empty: bool,
    application_id: i32,
    pub(super) schema: usize,
    purpose: Option<String>,
}

impl Found {
    /// What it is for; one without a mark is no database of ours, which `check` says.
    pub(super) fn purpose(&self) -> Purpose {
        match self.purpose.as_deref() {
            Some("try") => Purpose::Try,
            _ => Purpose::Record,
        }
    }
}

pub(super) fn look(conn: &Connection) -> rusqlite::Result<Found> {
    let application_id = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = conn.query_row(SELECT_TABLE_COUNT, [], |row| row.get(0))?;
    let is_ours = application_id == APPLICATION_ID && version > 0;
    let purpose = if is_ours {
        let row = conn.query_row(SELECT_PURPOSE, [], |row| row.get(0));
        row.optional()?
    } else {
        None
    };
    Ok(Found {
        is_empty: tables == 0 && version == 0,
        application_id,
        schema: usize::try_from(version).unwrap_or(usize::MAX),
        purpose,
    })
}

pub(super) fn check(
    found: &Found,
    path: &Path,
    purpose: Purpose,
    known: usize,
) -> Result<(), OpenError> {
    let path = path.to_owned();
    if found.is_empty {
        return Ok(());
    }
    if found.application_id != APPLICATION_ID {
        return Err(OpenError::NotOurs { path });
    }
    if found.schema > known {
        return Err(OpenError::Newer {
            path,
            found: found.schema,
            known,
        });
    }
    match found.purpose.as_deref() {
        Some(word) if word == purpose.word() => Ok(()),
        Some("try") => Err(OpenError::IsTry { path }),
        Some("record") => Err(OpenError::IsRecord { path }),
        _ => Err(OpenError::NotOurs { path }),
    }
}

/// Readers go on while the writer commits, and a commit is one append to the log. Where SQLite sees
/// beforehand that there can be no log, it stays with another mode and calls that no error.
fn switch_to_wal(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|source| unusable(path, source))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(OpenError::NoWal {
        path: path.to_owned(),
        source: format!("SQLite's journal mode stays {mode}").into(),
    })
}

fn set_up(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    keep_plans(conn)?;
    // FULL, not NORMAL: under WAL, NORMAL may lose the last commits when power fails, and the
    // sender has already been told that we have them.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // A row that names a delivery or source which is not there is a bug; better no commit.
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", WRITER_CACHE_KIB)
}

/// Has a statement planned once, whatever is bound to it. SQLite would plan each anew whose `LIMIT`
/// is bound, at every use: a third of the time of a download of runs.
pub(super) fn keep_plans(conn: &Connection) -> rusqlite::Result<()> {
    let option = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    conn.set_db_config(option, true).map(drop)
}

/// How much of a database all migrations together go through in a second, at least. Each takes under
/// 2 s on 1,000,000 jobs, which are 1.8 GB; what takes longer is left for later (`unfinished.rs`).
const UPGRADE_BYTES_A_SECOND: u64 = 900_000_000;

/// For how long SMQ repeats a push at least, if the subscription has the retry policy that it gets by
/// itself: 3 times, 10 to 20 s apart.
const RETRIES_MIN_S: u64 = 30;

/// Returns what to say before a database is brought up to date, which keeps every push waiting.
fn upgrade_line(found: &Found, known: usize, bytes: u64) -> Option<String> {
    if found.is_empty || found.schema >= known {
        return None;
    }
    let steps = u64::try_from(known - found.schema).unwrap_or(u64::MAX);
    let seconds = bytes.saturating_mul(steps).div_ceil(UPGRADE_BYTES_A_SECOND);
    let advice = if seconds < RETRIES_MIN_S {
        format!("SMQ repeats a push for {RETRIES_MIN_S} s at least, so that none is lost by it")
    } else {
        format!(
            "SMQ may repeat a push for {RETRIES_MIN_S} s only: if the subscription's retry policy is \
             not EXPONENTIAL_DECAY_RETRY, stop now, set it, and start again"
        )
    };
    Some(format!(
        "the database goes from schema {} to {known}; until that is done, at most {seconds} s by its \
         size, no push is answered. {advice}",
        found.schema
    ))
}

fn migrate(
    conn: &mut Connection,
    found: &Found,
    purpose: Purpose,
    migrations: Migrations,
) -> rusqlite::Result<()> {
    for (before, migration) in migrations.iter().enumerate().skip(found.schema) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(migration.sql)?;
        if before == 0 {
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.execute(INSERT_PURPOSE, params![purpose.word()])?;
        }
        // A new database has no rows that anything is left to be done to.
        if migration.rest.is_some() && !found.is_empty {
            unfinished::begin(&tx, before + 1)?;
        }
        let version = i64::try_from(before + 1).unwrap_or(i64::MAX);
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::Store;
    use crate::store::errors::OpenError;
    use crate::store::fixtures;
    use crate::store::lock::{LockError, Running};

    #[test]
    fn a_new_database_is_said_to_be_new_once_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mpsink.db");
        let (store, opened) = Store::open(fixtures::options(path.clone())).unwrap();
        assert!(opened.is_new);
        for file in ["mpsink.db", "mpsink.db-wal", "mpsink.db.lock"] {
            let mode = fs::metadata(folder.path().join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        store.close();
        let (_, opened) = Store::open(fixtures::options(path)).unwrap();
        assert!(!opened.is_new);
    }

    #[test]
    fn an_empty_file_is_a_new_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mpsink.db");
        fs::write(&path, b"").unwrap();
        let (_, opened) = Store::open(fixtures::options(path)).unwrap();
        assert!(opened.is_new);
    }

    #[test]
    fn what_is_no_database_of_ours_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        let content = "this is a letter and no database ".repeat(100);
        fs::write(&text, &content).unwrap();
        let error = Store::open(fixtures::options(text.clone())).unwrap_err();
        assert!(matches!(error, OpenError::NotOurs { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&text).unwrap(), content);

        let foreign = folder.path().join("foreign.db");
        let conn = Connection::open(&foreign).unwrap();
        conn.execute_batch("CREATE TABLE mark (name TEXT)").unwrap();
        drop(conn);
        let before = fs::read(&foreign).unwrap();
        let error = Store::open(fixtures::options(foreign.clone())).unwrap_err();
        assert!(matches!(error, OpenError::NotOurs { .. }), "{error:?}");
        assert_eq!(fs::read(&foreign).unwrap(), before);
    }

    #[test]
    fn a_newer_schema_is_refused_with_both_versions_named() {
        let test = fixtures::open();
        test.store.close();
        let newer = MIGRATIONS.len() + 1;
        test.look()
            .pragma_update(None, "user_version", i64::try_from(newer).unwrap())
            .unwrap();
        let error = Store::open(fixtures::options(test.path())).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(&format!("schema {newer}")), "{shown}");
        assert!(
            shown.contains(&format!("knows {}", MIGRATIONS.len())),
            "{shown}"
        );
    }

    #[test]
    fn how_long_an_upgrade_keeps_pushes_waiting_is_said_before_it_against_the_retries() {
        let found = |schema, is_empty| Found {
            is_empty,
            application_id: APPLICATION_ID,
            schema,
            purpose: None,
        };
        assert_eq!(upgrade_line(&found(2, false), 2, 1), None);
        assert_eq!(upgrade_line(&found(0, true), 2, 1), None);
        let line = upgrade_line(&found(1, false), 3, 1_800_000_000).unwrap();
        assert!(line.contains("from schema 1 to 3"), "{line}");
        assert!(line.contains("at most 4 s"), "{line}");
        assert!(line.contains("none is lost"), "{line}");
        let line = upgrade_line(&found(2, false), 3, 36_000_000_000).unwrap();
        assert!(line.contains("at most 40 s"), "{line}");
        assert!(line.contains("EXPONENTIAL_DECAY_RETRY, stop now"), "{line}");
    }

    #[test]
    fn an_older_schema_is_not_read_as_it_is() {
        let older = Found {
            is_empty: false,
            application_id: APPLICATION_ID,
            schema: MIGRATIONS.len() - 1,
            purpose: Some("record".to_owned()),
        };
        let error = check_readable(&older, Path::new("old.db")).unwrap_err();
        assert!(error.to_string().contains("old.db has schema 0"), "{error}");
    }

    #[test]
    fn a_database_is_for_one_purpose_for_ever() {
        for (made_for, opened_for, says) in [
            (Purpose::Try, Purpose::Record, "start with --try"),
            (Purpose::Record, Purpose::Try, "start without --try"),
        ] {
            let test = fixtures::open_with(|options| options.purpose = made_for);
            assert_eq!(test.store.purpose(), made_for);
            test.store.close();
            let mut options = fixtures::options(test.path());
            options.purpose = opened_for;
            let shown = Store::open(options).unwrap_err().to_string();
            assert!(shown.contains(says), "{shown}");
        }
    }

    #[test]
    fn a_second_store_is_refused_and_told_who_has_the_first() {
        let test = fixtures::open();
        let running = Running {
            pid: 4242,
            endpoint: String::new(),
            dashboard: "http://127.0.0.1:1".to_owned(),
            key: String::new(),
        };
        test.store.announce(&running).unwrap();
        let error = Store::open(fixtures::options(test.path())).unwrap_err();
        assert!(error.to_string().contains("4242"), "{error}");
        let held_by = |error| match error {
            OpenError::Locked(LockError::Held { running }) => running,
            _ => None,
        };
        assert_eq!(held_by(error), Some(running.clone()));

        test.store.close();
        Store::open(fixtures::options(test.path())).unwrap();
        assert!(test.store.announce(&running).is_err());
    }

    #[test]
    fn a_database_without_a_log_is_refused() {
        let conn = Connection::open_in_memory().unwrap();
        let error = switch_to_wal(&conn, Path::new("some.db")).unwrap_err();
        assert!(
            matches!(&error, OpenError::NoWal { source, .. } if source.to_string().ends_with("memory")),
            "{error:?}"
        );
    }

    #[test]
    fn an_sqlite_that_can_corrupt_a_log_is_refused() {
        assert!(require_sqlite(SQLITE_VERSION_MIN).is_ok());
        assert!(require_sqlite(rusqlite::version_number()).is_ok());
        let error = require_sqlite(SQLITE_VERSION_MIN - 1).unwrap_err();
        assert!(matches!(error, OpenError::SqliteTooOld { .. }));
    }

    #[test]
    fn the_writer_syncs_every_commit_and_checks_what_rows_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mpsink.db");
        let (conn, _) = open(&path, Purpose::Record, MIGRATIONS).unwrap();
        let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        assert_eq!(pragma("synchronous").unwrap(), 2);
        assert_eq!(pragma("foreign_keys").unwrap(), 1);
        let mode: String = conn
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }
}
