//! Downloads beside `sqlite3`, which dumps the same rows from the same file.
//!
//! It is given the columns as they stand in the table: no time has to be written as text, no name of a
//! workflow to be looked up, nothing nested taken apart. What this leaves out is done by the download
//! alone. A run's activities, most of what a download of runs is, are a column of JSON there too.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::client;
use crate::load::server::Server;

/// A list and what its columns are made of.
const LISTS: [(&str, &str, &str); 5] = [
    (
        "jobs",
        "job",
        "job, owner, region, queue, run, workflow, type, state, raw_state, code, error_group, message,
         user_data, input, submitted_at, started_at, finished_at, duration_ms, events, deliveries,
         conflict, last_event_at, extra",
    ),
    (
        "runs",
        "run",
        "run, owner, region, workflow, workflow_name, media_id, input, user_data, outcome,
         nothing_done, raw_state, code, error_group, message, created_at, finished_at, duration_ms,
         events, deliveries, conflict, last_event_at, extra,
         (SELECT json_group_array(json_object('run', run, 'owner', owner, 'region', region,
            'workflow', json_object('id', workflow, 'name', workflow_name), 'name', name,
            'type', type, 'job', job, 'template_id', template_id, 'state', state,
            'raw_state', raw_state, 'code', code, 'group', error_group, 'message', message,
            'started_at', started_at, 'finished_at', finished_at, 'duration_ms', duration_ms,
            'conflict', conflict, 'last_event_at', last_event_at, 'extra', json(extra)))
          FROM activity WHERE of_run = run.id) AS activities",
    ),
    (
        "activities",
        "activity",
        "run, owner, region, workflow, workflow_name, name, type, job, template_id, state, raw_state,
         code, error_group, message, started_at, finished_at, duration_ms, conflict, last_event_at,
         extra",
    ),
    (
        "events",
        "event CROSS JOIN delivery ON delivery.id = event.delivery",
        "event.id, event.kind, event.delivery, delivery.owner, event.job, event.run, event.state,
         event.at, event.at_from, event.event, delivery.topic, delivery.received_at",
    ),
    (
        "deliveries",
        "delivery",
        "id, source, owner, region, topic, subscription, subscriber, message_id, tag, format,
         published_at, received_at, duplicates, last_duplicate_at, differs, md5_mismatch, body_bytes,
         unrecognized",
    ),
];

/// Its ending here, and `sqlite3`'s way to write the same.
const FORMATS: [(&str, &str); 2] = [("csv", "-csv"), ("ndjson", "-json")];

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Export {
    pub(crate) what: String,
    pub(crate) rows: u64,
    pub(crate) rows_per_second: f64,
    pub(crate) mib_per_second: f64,
    /// `None` without `sqlite3`.
    pub(crate) sqlite3_rows_per_second: Option<f64>,
}

/// Downloads each list in each format, by turns with `sqlite3`.
pub(crate) fn measure(server: &Server, has_sqlite3: bool) -> anyhow::Result<Vec<Export>> {
    let mut all = Vec::new();
    for (list, table, columns) in LISTS {
        let rows = count(&server.database, table)?;
        for (ending, flag) in FORMATS {
            let what = format!("/{list}.{ending}");
            let (bytes, took) = client::download(server.dashboard, &what)?;
            let per_second = |took: Duration| number(rows) / took.as_secs_f64();
            let beside = has_sqlite3
                .then(|| dump(&server.database, flag, table, columns).map(per_second))
                .transpose()?;
            all.push(Export {
                what,
                rows,
                rows_per_second: per_second(took),
                mib_per_second: number(bytes / 1024) / 1024.0 / took.as_secs_f64(),
                sqlite3_rows_per_second: beside,
            });
        }
    }
    Ok(all)
}

pub(crate) fn has_sqlite3() -> bool {
    let mut command = Command::new("sqlite3");
    let asked = command.arg("-version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn dump(database: &Path, flag: &str, table: &str, columns: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let dumped = Command::new("sqlite3")
        .args(["-readonly", flag])
        .arg(database)
        .arg(format!("SELECT {columns} FROM {table}"))
        .stdout(Stdio::null())
        .status()?;
    ensure!(dumped.success(), "sqlite3 failed on {table}");
    Ok(began.elapsed())
}

pub(crate) fn count(database: &Path, table: &str) -> anyhow::Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = Connection::open_with_flags(database, flags)?;
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let rows: i64 = conn.query_row(&sql, [], |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// Returns a count to divide: exact up to four thousand million.
pub(crate) fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
