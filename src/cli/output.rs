//! Where a command writes what may be long: standard output, or a file that is whole or not there.
//!
//! A file is written under its name with `.part` behind it, synced, and renamed at the end. If
//! anything fails before, the `.part` file is removed and what had the name before stays. What is no
//! regular file (a pipe, a device) is written to as it is.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Something that is being written.
pub(super) struct Output {
    writer: Writer,
    /// What people call it.
    name: String,
}

enum Writer {
    Plain(Target),
    Gzip(GzEncoder<Target>),
}

enum Target {
    Stdout(io::Stdout),
    /// No regular file: a pipe, a device.
    Direct(File),
    Part(Part),
}

/// A file that does not have its name yet. Removed when dropped, unless it was kept.
struct Part {
    file: File,
    path: PathBuf,
    /// The name it gets.
    whole: PathBuf,
    is_kept: bool,
}

impl Output {
    /// Opens `file`, or standard output if there is none. A name that ends with `.gz` is compressed.
    pub(super) fn open(file: Option<&Path>) -> anyhow::Result<Output> {
        let Some(path) = file else {
            return Ok(Output {
                writer: Writer::Plain(Target::Stdout(io::stdout())),
                name: "standard output".to_owned(),
            });
        };
        let target = if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let file = OpenOptions::new().write(true).open(path);
            Target::Direct(file.with_context(|| format!("cannot write {}", path.display()))?)
        } else {
            Target::Part(Part::create(path)?)
        };
        let is_gzip = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let writer = if is_gzip {
            Writer::Gzip(GzEncoder::new(target, Compression::default()))
        } else {
            Writer::Plain(target)
        };
        Ok(Output {
            writer,
            name: path.display().to_string(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match &mut self.writer {
            Writer::Plain(target) => target.write_all(bytes),
            Writer::Gzip(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|error| trouble(error, &self.name))
    }

    /// Ends it: from here on it is whole, on disk, under its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let target = match self.writer {
            Writer::Plain(target) => Ok(target),
            Writer::Gzip(encoder) => encoder.finish(),
        };
        let finished = target.and_then(Target::finish);
        finished.map_err(|error| trouble(error, &self.name))
    }
}

/// Says what a person can do about it.
fn trouble(error: io::Error, name: &str) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => anyhow!("whoever read {name} has gone; it did not get everything"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            anyhow!("the disk is full; {name} was not written, make room and run it again")
        }
        _ => anyhow::Error::new(error).context(format!("cannot write {name}")),
    }
}

impl Target {
    fn finish(self) -> io::Result<()> {
        match self {
            Target::Stdout(mut stdout) => stdout.flush(),
            Target::Direct(_) => Ok(()),
            Target::Part(part) => part.keep(),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(stdout) => stdout.write(bytes),
            Target::Direct(file) => file.write(bytes),
            Target::Part(part) => part.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(stdout) => stdout.flush(),
            Target::Direct(file) => file.flush(),
            Target::Part(part) => part.file.flush(),
        }
    }
}

impl Part {
    fn create(path: &Path) -> anyhow::Result<Part> {
        // Through a link, so that the link stays and what it leads to is replaced.
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut part = OsString::from(&whole);
        part.push(".part");
        let part = PathBuf::from(part);
        let cannot = || format!("cannot write {}", part.display());
        // One that a killed process left behind is written over, but not one that is being written.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another process is writing {}", part.display());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        file.set_len(0).with_context(cannot)?;
        Ok(Part {
            file,
            path: part,
            whole,
            is_kept: false,
        })
    }

    fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.whole)?;
        self.is_kept = true;
        // The name itself is on disk when its folder is.
        let folder = self.whole.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_kept {
            // There is nothing more to be done about it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.csv");
        fs::write(&path, "yesterday's").unwrap();
        let mut output = Output::open(Some(&path)).unwrap();
        output.write(b"to").unwrap();
        output.write(b"day's").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "yesterday's");
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "today's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_broken_off_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.csv.gz");
        let mut output = Output::open(Some(&path)).unwrap();
        output.write(b"half").unwrap();
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_being_written_is_not_written_over_and_what_was_left_behind_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.csv");
        fs::write(folder.path().join("jobs.csv.part"), "left by a killed one").unwrap();
        let first = Output::open(Some(&path)).unwrap();
        let second = Output::open(Some(&path)).map(drop).unwrap_err();
        assert!(second.to_string().contains("another process"), "{second}");
        first.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_name_with_gz_is_compressed_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::write(&real, "old").unwrap();
        let link = folder.path().join("jobs.csv.gz");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut output = Output::open(Some(&link)).unwrap();
        output.write(b"rows").unwrap();
        output.finish().unwrap();
        let mut text = String::new();
        let mut decoder = GzDecoder::new(File::open(&real).unwrap());
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(text, "rows");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_full_disk_is_said_in_a_sentence() {
        let mut output = Output::open(Some(Path::new("/dev/full"))).unwrap();
        let error = output.write(b"rows").unwrap_err().to_string();
        assert!(error.contains("the disk is full"), "{error}");
    }
}
