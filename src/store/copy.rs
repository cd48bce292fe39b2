//! One whole copy of a database under a name: what a backup and a restore have in common.
//!
//! It is what one moment's readers see, in one file without a log, whatever the original's log holds;
//! application id, schema version, marks and row numbers that are keys come along. A backup brings the
//! pages over as they are, since a server goes on writing beside (`pages.rs`). A restore, beside which
//! nobody writes, has SQLite write every row anew (`VACUUM INTO`): the database is as small as it can
//! be, and not a byte of it is the backup's that SQLite has not understood. That fails on a
//! `query_only` connection, so the readers' pool is of no use here.
//!
//! The copy has another name until it is whole, checked and synced. One that a killed process left
//! behind is written over by the next.
//!
//! Deliberately not here: whether the name may be taken (`backup.rs`, `restore.rs`). Whether the
//! original was whole: what it has lost already, the copy lacks without a sign.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use rustix::fs::OFlags;
use thiserror::Error;

use crate::store::belonging::hand_over;
use crate::store::errors::OpenError;
use crate::store::open::{self, Found};
use crate::store::options::FreeDisk;
use crate::store::pages::{self, PagesError, PagesStep};

/// A log that a copy would be read with: SQLite takes whatever stands there for its own.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Readable and writable by the owner alone, as the database is: it holds the secret path.
const MODE: u32 = 0o600;

/// Room beside the copy's own bytes: its journal, and what the sizes do not know.
const SPARE_BYTES: u64 = 4 * 1024 * 1024;

/// How often the copy's size is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const VACUUM_INTO: &str = "VACUUM INTO ?1";

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// `done` of about `total` bytes are written.
    Writing { done: u64, total: u64 },
    /// What was written meanwhile is brought over.
    Following,
    /// It is read once through, and synced.
    Checking,
}

/// Why there is no copy. Nothing is left under its name.
#[derive(Debug, Error)]
pub enum CopyError {
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    #[error(
        "{} has {} free, and this may need {}; make room, or name another disk",
        folder.display(), megabytes(*free), megabytes(*needed)
    )]
    NoRoom {
        folder: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("the disk is full; {} was not written, make room and run it again", path.display())]
    DiskFull { path: PathBuf },
    #[error("another process is writing {}", path.display())]
    BeingWritten { path: PathBuf },
    #[error("the name {} is not UTF-8; choose another", path.display())]
    NotUtf8 { path: PathBuf },
    /// By SQLite's check; `found` is the first thing it says.
    #[error("{} is damaged ({found}); nothing was written from it", path.display())]
    Damaged { path: PathBuf, found: String },
    #[error("the copy is not as its original ({found}); it was removed, look at the disk")]
    Differs { found: String },
    #[error("cannot write {}; check its folder, its owner and the disk", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("cannot copy the database {}; check the disk", path.display())]
    Failed {
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// A database that is copied, open for reading.
pub(super) struct Original {
    conn: Connection,
    path: PathBuf,
    pub(super) found: Found,
}

impl Original {
    /// Opens a database of ours of this schema or an older one, whatever its purpose.
    pub(super) fn open(path: &Path) -> Result<Original, CopyError> {
        let (conn, found) = open::open_whole(path)?;
        Ok(Original {
            conn,
            path: path.to_owned(),
            found,
        })
    }

    /// Returns about how many bytes a copy of all pages will have.
    pub(super) fn bytes(&self) -> Result<u64, CopyError> {
        let pages = self.pragma("page_count")?;
        Ok(pages.saturating_mul(self.pragma("page_size")?))
    }

    /// Returns about how many bytes a copy of the pages in use will have.
    pub(super) fn bytes_in_use(&self) -> Result<u64, CopyError> {
        let free = self.pragma("freelist_count")?;
        let free = free.saturating_mul(self.pragma("page_size")?);
        Ok(self.bytes()?.saturating_sub(free))
    }

    fn pragma(&self, name: &str) -> Result<u64, CopyError> {
        let value: u32 = self
            .conn
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| self.failed(source))?;
        Ok(u64::from(value))
    }

    /// Reads it once through; an error names the first thing that is wrong with it.
    pub(super) fn check(&self) -> Result<(), CopyError> {
        let found = quick_check(&self.conn).map_err(|source| self.failed(source))?;
        found.map_err(|found| CopyError::Damaged {
            path: self.path.clone(),
            found,
        })
    }

    fn failed(&self, source: rusqlite::Error) -> CopyError {
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => CopyError::Damaged {
                path,
                found: source.to_string(),
            },
            _ => CopyError::Failed {
                path,
                source: source.into(),
            },
        }
    }
}

/// Returns what SQLite's quick check finds first, if anything: it reads every page once, and leaves
/// out whether indexes agree with their tables.
fn quick_check(conn: &Connection) -> rusqlite::Result<Result<(), String>> {
    let found: String =
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get("quick_check"))?;
    Ok(if found == "ok" { Ok(()) } else { Err(found) })
}

/// A copy that does not have its name yet. Removed when dropped, unless it was kept.
pub(super) struct Copy {
    /// Locked, so that two processes do not write the same one.
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Copy {
    /// Makes an empty file at `path`, or empties the one that is there, for its owner alone.
    pub(super) fn begin(path: PathBuf) -> Result<Copy, CopyError> {
        let unwritable = |source| CopyError::Unwritable {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            // What somebody else has put there is not written through.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CopyError::BeingWritten { path }),
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        file.set_len(0)
            .and_then(|()| file.set_permissions(Permissions::from_mode(MODE)))
            .and_then(|()| remove_companions(&path))
            .map_err(unwritable)?;
        Ok(Copy {
            file,
            path,
            is_kept: false,
        })
    }

    /// Gives it to the owner of what it is to replace.
    pub(super) fn hand_over(&self, like: &Path) -> Result<(), CopyError> {
        hand_over(&self.file, like).map_err(|source| self.unwritable(source))
    }

    /// Brings over the pages that `original` has, checks them and syncs them. Returns the copy's
    /// bytes. `is_written` tells that a server may write it meanwhile.
    pub(super) fn fill_beside(
        &self,
        original: &Original,
        is_written: bool,
        progress: &mut dyn FnMut(CopyStep),
    ) -> Result<u64, CopyError> {
        let total = original.bytes()?;
        let mut tell = |step| {
            progress(match step {
                PagesStep::First { done } => CopyStep::Writing {
                    done: done.min(total),
                    total,
                },
                PagesStep::Again => CopyStep::Following,
            });
        };
        pages::bring_over(&original.conn, &self.file, is_written, &mut tell).map_err(|error| {
            match error {
                PagesError::Original(source) => self.failed(original, source),
                PagesError::Copy(source) => self.unwritable(source),
            }
        })?;
        progress(CopyStep::Checking);
        if let Err(differs) = self.check(&original.found) {
            // The pages are the original's: look there before the disk is suspected.
            original.check()?;
            return Err(differs);
        }
        self.sync()
    }

    /// Writes all rows of `original` anew, checks them and syncs them. Returns the copy's bytes.
    pub(super) fn fill(
        &self,
        original: &mut Original,
        progress: &mut dyn FnMut(CopyStep),
    ) -> Result<u64, CopyError> {
        let total = original.bytes_in_use()?;
        let written = self.vacuum(&mut original.conn, &mut |done| {
            progress(CopyStep::Writing { done, total });
        })?;
        written.map_err(|source| self.failed(original, source))?;
        progress(CopyStep::Checking);
        self.check(&original.found)?;
        self.sync()
    }

    /// Returns how many bytes are on the disk.
    fn sync(&self) -> Result<u64, CopyError> {
        let synced = self.file.sync_all().and_then(|()| self.file.metadata());
        Ok(synced.map_err(|source| self.unwritable(source))?.len())
    }

    fn vacuum(
        &self,
        conn: &mut Connection,
        progress: &mut dyn FnMut(u64),
    ) -> Result<rusqlite::Result<()>, CopyError> {
        // Absolute, since a name that begins with `file:` would be taken for a URL.
        let path = std::path::absolute(&self.path).map_err(|source| self.unwritable(source))?;
        let Some(text) = path.to_str() else {
            return Err(CopyError::NotUtf8 { path });
        };
        let written = thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let worker = scope.spawn(move || {
                let _ended = ended;
                conn.execute(VACUUM_INTO, params![text]).map(drop)
            });
            // Until the worker drops its end: nobody sends anything.
            while end.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                progress(fs::metadata(&self.path).map_or(0, |file| file.len()));
            }
            worker.join()
        });
        written.map_err(|_| CopyError::Failed {
            path,
            source: "the thread that wrote it panicked".into(),
        })
    }

    fn failed(&self, original: &Original, source: rusqlite::Error) -> CopyError {
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => CopyError::DiskFull {
                path: self.path.clone(),
            },
            _ => original.failed(source),
        }
    }

    fn check(&self, original: &Found) -> Result<(), CopyError> {
        let failed = |source: rusqlite::Error| CopyError::Failed {
            path: self.path.clone(),
            source: source.into(),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        let found = open::look(&conn).map_err(failed)?;
        if found != *original {
            let found = "it is another schema's or purpose's".to_owned();
            return Err(CopyError::Differs { found });
        }
        let checked = quick_check(&conn).map_err(failed)?;
        checked.map_err(|found| CopyError::Differs { found })
    }

    /// Gives it its name, replacing what has it.
    pub(super) fn keep(mut self, name: &Path) -> Result<(), CopyError> {
        let renamed = fs::rename(&self.path, name);
        renamed.map_err(|source| self.unwritable(source))?;
        self.is_kept = true;
        sync_folder_of(name).map_err(|source| self.unwritable(source))
    }

    fn unwritable(&self, source: io::Error) -> CopyError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                CopyError::DiskFull { path }
            }
            _ => CopyError::Unwritable { path, source },
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.is_kept {
            // There is nothing more to be done about it.
            let _ = fs::remove_file(&self.path);
            let _ = remove_companions(&self.path);
        }
    }
}

/// Requires that `folder` has room for a copy of `bytes` and for `beside` more.
pub(super) fn require_room(
    folder: &Path,
    bytes: u64,
    beside: u64,
    free_disk: FreeDisk,
) -> Result<(), CopyError> {
    let free = free_disk(folder).map_err(|source| CopyError::Unwritable {
        path: folder.to_owned(),
        source,
    })?;
    let needed = bytes.saturating_add(beside).saturating_add(SPARE_BYTES);
    if free < needed {
        return Err(CopyError::NoRoom {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}

/// Returns the path with `suffix` right behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the first file beside `path` that SQLite would take for its log.
pub(super) fn companion(path: &Path) -> Option<PathBuf> {
    let paths = COMPANIONS.map(|suffix| beside(path, suffix));
    paths.into_iter().find(|path| path.exists())
}

fn remove_companions(path: &Path) -> io::Result<()> {
    COMPANIONS
        .iter()
        .try_for_each(|suffix| remove_if_there(&beside(path, suffix)))
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Returns the folder in which a name stands.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Names are on disk when their folder is.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}
