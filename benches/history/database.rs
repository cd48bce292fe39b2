//! Databases of made-up history, made once and kept for the next run.
//!
//! They end when they are made, since the newest days are kept by the minute; one that is older than
//! that is made anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use mpsink::clock::{Clock, Timestamp};
use sha2::{Digest, Sha256};

/// A database of another schema is another one.
const SCHEMA: &str = include_str!("../../src/store/migrations/0001_first.sql");

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long one is used.
const KEPT_MS: i64 = 5 * DAY_MS;

#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) jobs: u64,
    pub(crate) ends_at: Timestamp,
}

/// Returns the database of so many jobs, made by `program` if it is not there.
pub(crate) fn made(program: &Path, jobs: u64, days: u32) -> anyhow::Result<Database> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("history");
    fs::create_dir_all(&folder)?;
    let schema = Sha256::digest(SCHEMA)
        .iter()
        .take(4)
        .fold(0, |number, byte| number << 8 | u32::from(*byte));
    let path = folder.join(format!("{jobs}-jobs-{days}-days-{schema:08x}.db"));
    // Written last, so that what is half made is made anew.
    let note = path.with_extension("ends-at");
    let noted = fs::read_to_string(&note).unwrap_or_default();
    let now = Clock::system().now();
    if let Some(ends_at) = Timestamp::parse_rfc3339(noted.trim())
        && now.since_ms(ends_at) < KEPT_MS
    {
        return Ok(Database {
            path,
            jobs,
            ends_at,
        });
    }
    remove(&path)?;
    let began = Instant::now();
    eprintln!("making {} (once)", path.display());
    let made = Command::new(program)
        .args(["demo", "--no-serve", "--seed", "1"])
        .args(["--jobs", &jobs.to_string(), "--days", &days.to_string()])
        .args(["--ends-at", &now.to_string()])
        .arg("--into")
        .arg(&path)
        .stdout(Stdio::null())
        .status()?;
    ensure!(made.success(), "`mpsink demo` failed");
    eprintln!("made in {:.0} s", began.elapsed().as_secs_f64());
    fs::write(&note, now.to_string())?;
    Ok(Database {
        path,
        jobs,
        ends_at: now,
    })
}

impl Database {
    /// Copies it to where it may be written to.
    pub(crate) fn copy(&self) -> anyhow::Result<Database> {
        let path = self.path.with_file_name("pushed-to.db");
        remove(&path)?;
        fs::copy(&self.path, &path).context("cannot copy the database")?;
        // Else the copy is written to the disk while pushes wait for theirs.
        File::open(&path)?.sync_all()?;
        Ok(Database {
            path,
            ..self.clone()
        })
    }

    pub(crate) fn bytes(&self) -> anyhow::Result<u64> {
        Ok(self.path.metadata()?.len())
    }
}

/// Removes a database with what is beside it.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    for ending in ["db", "db-wal", "db-shm", "db.lock", "key", "ends-at"] {
        let file = path.with_extension(ending);
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}
