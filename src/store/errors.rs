//! Why the store did not do what it was asked, by act: opening, writing, reading.
//!
//! The variants are what a caller does differently about. Causes come without saying which engine
//! they are from.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::store::belonging::Denied;
use crate::store::lock::LockError;

/// What the engine said.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the database cannot be used. Each ends with what to do.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("cannot trust SQLite {found}, which can corrupt a log; build with {needed} or newer")]
    SqliteTooOld { found: i32, needed: i32 },
    #[error("{} is not an mpsink database; name another file", path.display())]
    NotOurs { path: PathBuf },
    #[error(
        "{} has schema {found}, and this mpsink knows {known}; use the newer mpsink that made it",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: usize,
        known: usize,
    },
    /// Only where nothing may be written: else it is migrated.
    #[error(
        "{} has schema {found}, and this mpsink reads {known}; start `mpsink serve` on it once, which \
         brings it up to date",
        path.display()
    )]
    Older {
        path: PathBuf,
        found: usize,
        known: usize,
    },
    #[error(
        "{} holds test pushes and is no record; start with --try, or name another database",
        path.display()
    )]
    IsTry { path: PathBuf },
    #[error(
        "{} is a record and not for test pushes; start without --try, or name another database",
        path.display()
    )]
    IsRecord { path: PathBuf },
    /// Its file system has no memory that processes share, which the log's index is.
    #[error("{} cannot have a log beside it; put it on a local disk", path.display())]
    NoWal { path: PathBuf, source: Cause },
    #[error("{} is damaged; look at the disk, and restore a backup", path.display())]
    Damaged { path: PathBuf, source: Cause },
    #[error("cannot open the database {}; check its folder, its owner and the disk", path.display())]
    Unusable { path: PathBuf, source: Cause },
    /// One of its files is another user's.
    #[error("cannot open the database: {0}")]
    Denied(Denied),
    #[error(
        "there is no database {}; if a service's is meant, name it with --config or --database",
        path.display()
    )]
    Missing { path: PathBuf },
    /// Nothing has the database's name, and a server would begin a new one there.
    #[error(
        "the restore of {} was broken off; run `mpsink restore` again with the same file, or with {} \
         for what was there before",
        path.display(), old.display()
    )]
    RestoreUnfinished { path: PathBuf, old: PathBuf },
    #[error("cannot start the store's writer; check the limits on threads")]
    NoThread { source: io::Error },
}

/// Why nothing was written. Each is our trouble, not the sender's.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// In number or in bytes. Said at once; the sender comes again.
    #[error("the inbox is full")]
    Busy,
    #[error("the disk is full")]
    DiskFull,
    #[error("the room for held pushes is full")]
    HeldFull,
    /// Not within `StoreOptions::answer_within`. It is not taken back: it may be committed yet.
    #[error("the writer took too long")]
    TooSlow,
    /// By `Store::close` or by a fault, which `Store::ended` tells.
    #[error("the writer has ended")]
    Closed,
    #[error("cannot write to the database")]
    Failed {
        /// Shared, since every member of a batch whose commit failed is told the same.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Why nothing was read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("no reader is free")]
    Busy,
    /// Longer than one reading may: the filter names something rare in something big.
    #[error("the reading took too long")]
    TooSlow,
    #[error("cannot read the database")]
    Failed { source: Cause },
}

impl WriteError {
    /// Names what the engine said: only a full disk is something a person can see to at once.
    pub(super) fn of(error: rusqlite::Error) -> WriteError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => WriteError::DiskFull,
            _ => WriteError::Failed {
                source: Arc::new(error),
            },
        }
    }
}

/// Tells whether `error` comes from what the database stands on, and not from the row that met it:
/// any other row would have met it as well.
pub(super) fn is_of_the_database(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    )
}

impl ReadError {
    pub(super) fn of(error: rusqlite::Error) -> ReadError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => ReadError::TooSlow,
            _ => ReadError::Failed {
                source: Box::new(error),
            },
        }
    }
}
