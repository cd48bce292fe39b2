//! How much room there is: what the database takes, and what is left for it.
//!
//! Files are looked at by path and never opened: closing the database file would drop SQLite's locks.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::store::Store;
use crate::store::options::FreeDisk;

/// Where the database is, and how its disk is asked.
pub(super) struct Disk {
    pub(super) path: PathBuf,
    pub(super) free: FreeDisk,
}

/// What is where the database is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The file itself.
    pub database: u64,
    /// The write-ahead log; 0 if there is none.
    pub log: u64,
    /// `None` if the system does not say.
    pub free: Option<u64>,
}

/// Returns the bytes that are free for us, who are not root, on the disk of `path`.
pub fn free(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

impl Store {
    /// Asks the file system; takes no reader and waits for no writer.
    pub fn sizes(&self) -> Sizes {
        let disk = &self.inner.disk;
        let mut log = disk.path.clone().into_os_string();
        log.push("-wal");
        let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        Sizes {
            database: length(&disk.path),
            log: length(Path::new(&log)),
            free: (disk.free)(&disk.path).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures::{self, arrival};

    use super::*;

    #[test]
    fn sizes_are_those_of_the_files() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let sizes = test.store.sizes();
        assert!(sizes.database > 0 && sizes.log > 0, "{sizes:?}");
        assert!(sizes.free.is_some_and(|free| free > 0));
    }

    #[test]
    fn a_disk_that_cannot_be_asked_is_not_an_empty_one() {
        let test = fixtures::open_with(|options| {
            options.free_disk = |_| Err(io::Error::other("no"));
        });
        assert_eq!(test.store.sizes().free, None);
    }
}
