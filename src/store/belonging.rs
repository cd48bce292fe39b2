//! Who the files around a database belong to.
//!
//! A service runs as a user of its own, and commands on its database are run as root: what they make
//! has to be the service's, or it cannot start any more. SQLite does the same for its log.
//!
//! Only a file that this process has just made is given away: what was there before may be a link
//! that somebody has put there.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::store::copy::{beside, folder_of};

/// A file that this process may not use, and whose it is.
#[derive(Debug)]
pub struct Denied {
    path: PathBuf,
    owner: u32,
    group: u32,
    mode: u32,
    user: u32,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, mode) = (self.path.display(), self.mode & 0o7777);
        write!(
            f,
            "{path} belongs to user {} and group {} (mode {mode:o}), and this is user {}, who may not \
             use it; run this as its owner, or give it to who the server runs as (chown)",
            self.owner, self.group, self.user
        )
    }
}

impl std::error::Error for Denied {}

impl Denied {
    fn of(path: &Path, found: &Metadata) -> Denied {
        Denied {
            path: path.to_owned(),
            owner: found.uid(),
            group: found.gid(),
            mode: found.mode(),
            user: geteuid().as_raw(),
        }
    }
}

/// Gives a file that was just made to the owner and group of `like`, or of its folder if nothing is
/// there. Only root can; for everybody else it stays as it is.
pub(super) fn hand_over(file: &File, like: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let like = fs::metadata(like).or_else(|_| fs::metadata(folder_of(like)))?;
    match fchown(file, Some(like.uid()), Some(like.gid())) {
        // A root without that right, or a file system without owners: it is as with any other user.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Returns the first of the database's files, or its folder, that this process may not use. Opens
/// none.
pub(super) fn denied(database: &Path) -> Option<Denied> {
    let is_denied = |path: &Path, wanted| access(path, wanted) == Err(Errno::ACCESS);
    let files = ["", "-wal", "-shm", ".lock"].map(|suffix| beside(database, suffix));
    let file = files.iter().find_map(|path| {
        let found = fs::metadata(path).ok()?;
        let denied = is_denied(path, Access::READ_OK | Access::WRITE_OK);
        denied.then(|| Denied::of(path, &found))
    });
    file.or_else(|| {
        let folder = folder_of(database);
        let found = fs::metadata(folder).ok()?;
        let denied = is_denied(folder, Access::WRITE_OK | Access::EXEC_OK);
        denied.then(|| Denied::of(folder, &found))
    })
}
