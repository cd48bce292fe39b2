//! A folder for what nobody keeps.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::app::options::random_hex;

/// A new folder among the system's temporary files, readable by its owner alone; removed with all
/// that is in it when dropped. A process that is killed leaves it behind.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it, with a name that nobody can have taken before.
    pub fn new() -> anyhow::Result<Scratch> {
        let name = format!("mpsink-demo-{}", random_hex()?);
        let path = std::env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Scratch { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "cannot remove the folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_its_owner_s_alone_and_goes_with_what_is_in_it() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(path.join("a file"), "of the demo").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
