//! `cargo bench --bench history`: pages, downloads, `rebuild` and start on much history.
//!
//! ```text
//! cargo bench --bench history                                 100,000 and 1,000,000 jobs
//! cargo bench --bench history -- --sizes 100000,3000000       others
//! cargo bench --bench history -- --longer                     the larger ones over a longer time
//! cargo bench --bench history -- --pushes 1000                the same while pushes come in
//! ```
//!
//! The databases are made by `mpsink demo`, always with the same seed, and kept under `target/` for
//! the next run: 1,000,000 jobs take minutes and 2 GB. All sizes are of the same 30 days, so that
//! there is more behind every filter and in every window, not only more that is older, unless
//! `--longer` is given.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a benchmark is for"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;
use clap::Parser;
use serde::Serialize;

use crate::database::Database;
use crate::exports::{Export, number};
use crate::load::server::{CertificateHost, Server, own_program};
use crate::load::watcher;
use crate::pages::Page;
use crate::pusher::Pushed;

#[path = "../load/mod.rs"]
#[expect(dead_code, reason = "shared with the other benchmarks")]
mod load;

mod addresses;
mod client;
mod database;
mod exports;
mod pages;
mod pusher;
mod table;

#[derive(Parser)]
struct Options {
    /// How many jobs, one database each
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    sizes: Vec<u64>,
    /// Over how many days
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Those are the days of the first size; each larger one has as many jobs a day
    #[arg(long)]
    longer: bool,
    /// How often each page is asked for
    #[arg(long, default_value_t = 40)]
    repeat: usize,
    /// Pushes a second that come in meanwhile, into a copy
    #[arg(long)]
    pushes: Option<u32>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_values = ["pages", "exports", "rebuild"])]
    parts: Vec<String>,
    /// Another build of the program, to compare with
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the figures go as JSON as well
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What was measured on one size.
#[derive(Serialize)]
struct Measured {
    jobs: u64,
    bytes: u64,
    start_ms: f64,
    /// Of the server, in MiB: when it has just started, and when all pages were asked for.
    idle_mib: f64,
    after_pages_mib: f64,
    pages: Vec<Page>,
    exports: Vec<Export>,
    /// What came in meanwhile.
    pushed: Option<Pushed>,
    rebuilt_jobs_per_second: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let certificates = CertificateHost::start()?;
    let program = options.server.as_deref().unwrap_or(own_program());
    let mut all = Vec::new();
    for jobs in &options.sizes {
        let made = database::made(program, *jobs, options.days_of(*jobs)?)?;
        let database = match options.pushes {
            Some(_) => made.copy()?,
            None => made,
        };
        all.push(options.measure(program, &database, &certificates)?);
        if options.pushes.is_some() {
            database::remove(&database.path)?;
        }
    }
    table::print(&all);
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}

impl Options {
    fn days_of(&self, jobs: u64) -> anyhow::Result<u32> {
        match self.sizes.first() {
            Some(first) if self.longer => Ok(u32::try_from(u64::from(self.days) * jobs / first)?),
            _ => Ok(self.days),
        }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|other| other == part)
    }

    fn measure(
        &self,
        program: &Path,
        database: &Database,
        certificates: &CertificateHost,
    ) -> anyhow::Result<Measured> {
        let bytes = database.bytes()?;
        let began = Instant::now();
        let server = Server::start(Some(program), Some(&database.path), certificates)?;
        let start_ms = began.elapsed().as_secs_f64() * 1_000.0;
        let mut measured = Measured {
            jobs: database.jobs,
            bytes,
            start_ms,
            idle_mib: mib(watcher::resident(server.pid())),
            after_pages_mib: 0.0,
            pages: Vec::new(),
            exports: Vec::new(),
            pushed: None,
            rebuilt_jobs_per_second: None,
        };
        if self.has("pages") {
            (measured.pages, measured.pushed) =
                pages::measure(&server, database, self.repeat, self.pushes)?;
            measured.after_pages_mib = mib(watcher::resident(server.pid()));
        }
        if self.has("exports") {
            let has_sqlite3 = exports::has_sqlite3();
            if !has_sqlite3 {
                println!("there is no sqlite3 here to compare downloads with");
            }
            measured.exports = pusher::meanwhile(&server, self.pushes, || {
                exports::measure(&server, has_sqlite3)
            })?
            .0;
        }
        drop(server);
        if self.has("rebuild") && self.pushes.is_none() {
            measured.rebuilt_jobs_per_second = Some(rebuild(program, database)?);
        }
        Ok(measured)
    }
}

/// Rebuilds without a server; returns the jobs a second.
fn rebuild(program: &Path, database: &Database) -> anyhow::Result<f64> {
    let jobs = exports::count(&database.path, "job")?;
    let began = Instant::now();
    let rebuilt = Command::new(program)
        .args(["rebuild", "--try", "--database"])
        .arg(&database.path)
        .stdout(Stdio::null())
        .status()?;
    ensure!(rebuilt.success(), "`mpsink rebuild` failed");
    Ok(number(jobs) / began.elapsed().as_secs_f64())
}

fn mib(bytes: u64) -> f64 {
    number(bytes / 1024) / 1024.0
}
