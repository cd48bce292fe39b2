//! Another sink's deliveries, appended by their keys.
//!
//! The other database is one that was [opened for reading]; its pushes come in key pages as a rebuild
//! reads them ([`Store::page_kept_pushes`]), and go through the writer as one command a page, like a
//! rebuild's pieces: a push waits behind one of them at most.
//!
//! [opened for reading]: Store::open_reading

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::notification::source::SourceId;
use crate::store::errors::{ReadError, WriteError};
use crate::store::inbox::How;
use crate::store::{Arrival, Store, append, weigh};

const SELECT_SOURCES: &str = "SELECT id, name FROM source ORDER BY id";

/// What became of the arrivals of one page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Were not here, and are now.
    pub stored: u64,
    /// Were here.
    pub known: u64,
    /// Are not stored: another message with the same key is here.
    pub different: u64,
    /// Are not stored: they are older than what age has taken here.
    pub forgotten: u64,
}

impl Store {
    /// Stores the arrivals whose keys are not here, and changes nothing about the others: a second
    /// call with the same ones stores none.
    ///
    /// Shared, since the caller tries again when the inbox is full.
    pub async fn import(&self, arrivals: Arc<Vec<Arrival>>) -> Result<Imported, WriteError> {
        let bytes = arrivals.iter().map(|arrival| {
            let message = arrival.notification.message.len();
            weigh(&arrival.delivery).saturating_add(message)
        });
        let bytes = bytes.sum();
        self.ask_and_wait(bytes, arrivals, How::InBatch(append::import))
            .await
    }

    /// Returns the sources that this database ever had, with their names.
    pub fn source_names(&self) -> Result<Vec<(SourceId, String)>, ReadError> {
        self.inner.readers.read(|tx| {
            let mut select = tx.prepare_cached(SELECT_SOURCES)?;
            let rows =
                select.query_map([], |row| Ok((SourceId(row.get("id")?), row.get("name")?)))?;
            rows.collect()
        })
    }

    /// Tells whether both are of one file, under whatever name.
    pub fn is_same_file(&self, other: &Store) -> Result<bool, ReadError> {
        let file = self.file()?;
        Ok(file.is_some() && file == other.file()?)
    }

    /// Device and number of the database file; `None` if it is gone from its place.
    fn file(&self) -> Result<Option<(u64, u64)>, ReadError> {
        let file = |path: &str| fs::metadata(Path::new(path)).ok();
        self.inner.readers.read(|tx| {
            let found = tx.path().and_then(file);
            Ok(found.map(|file| (file.dev(), file.ino())))
        })
    }
}
