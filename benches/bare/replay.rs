//! The bare loop: recorded rows written again, prepared, in one thread, as fast as SQLite takes them.
//!
//! Schema, indexes, keys and durability are the real ones, and so is the cache. Nothing is read,
//! parsed, hashed, folded, handed over or answered. What is in the log goes into the database when it
//! is as long as the store's is under such a load.

use std::time::Instant;

use anyhow::{Context, ensure};
use rusqlite::params_from_iter;

use crate::bare::record::{self, Recording};

/// As the store opens its own; the log as long as it gets under load.
const SET_UP: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 8000;";

/// Writes it all into a new database and returns the pushes a second.
pub(crate) fn measure(recording: &Recording) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let conn = record::open_new(&folder.path().join("mpsink.db"))?;
    conn.execute_batch(SET_UP)?;
    let statements = recording.statements.iter().map(|sql| conn.prepare(sql));
    let mut statements = statements.collect::<Result<Vec<_>, _>>()?;
    let began = Instant::now();
    for changes in &recording.transactions {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for change in changes {
            let statement = statements.get_mut(change.statement).context("a number")?;
            statement.execute(params_from_iter(&change.values))?;
        }
        conn.execute_batch("COMMIT")?;
    }
    let took = began.elapsed();
    let rows = record::count_rows(&conn)?;
    ensure!(rows == recording.rows, "the bare loop wrote other rows");
    Ok(f64::from(u32::try_from(recording.pushes)?) / took.as_secs_f64())
}
