//! `cargo bench --bench ingest`: how many pushes the real server acknowledges, and how fast.
//!
//! ```text
//! cargo bench --bench ingest                                  closed loop, 1 16 64 256 connections
//! cargo bench --bench ingest -- --rate 1000                   open loop
//! cargo bench --bench ingest -- --rate 1000 --viewers 200     the same without and with readers,
//!     --exports 2 --database demo.db                          in turns
//! ```
//!
//! All is signed and distinct, and the server checks everything it always checks. The load
//! generator shares the machine with it: compare what stands in one table, and nothing else.

#![expect(clippy::print_stdout, reason = "what a benchmark is for")]

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use mpsink::clock::Clock;
use serde::Serialize;

use crate::load::drive::{self, Load, Supply};
use crate::load::latencies::{Summary, count};
use crate::load::pushes::{self, Addressee};
use crate::load::readers::{Crowd, Got, Readers};
use crate::load::server::Server;
use crate::load::watcher::{Seen, Watcher};

mod load;

/// More than a server on two cores acknowledges in a second, so that the closed loop does not run
/// out of prepared pushes.
const PER_SECOND_MAX: u64 = 6_000;

/// Pushes are due one by one on so many connections in the open loop, like SMQ's.
const OPEN_CONNECTIONS: usize = 64;

#[derive(Parser)]
struct Options {
    /// Connections of the closed loop, one table row each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    connections: Vec<usize>,
    /// Pushes a second of the open loop
    #[arg(long)]
    rate: Option<u32>,
    /// How long each row takes
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Rows of the open loop; with readers, each is one without and one with them
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Open pages that follow /live
    #[arg(long, default_value_t = 0)]
    viewers: usize,
    /// Each of them reads the overview again after an event
    #[arg(long)]
    viewers_read: bool,
    /// Downloads at once, over and over
    #[arg(long, default_value_t = 0)]
    exports: usize,
    /// What is downloaded
    #[arg(long, default_value = "/jobs.csv")]
    export: String,
    /// A database made by `mpsink demo --into`, which grows by what is pushed; else a new one
    #[arg(long)]
    database: Option<PathBuf>,
    /// Another build of the server, to compare with
    #[arg(long)]
    server: Option<PathBuf>,
    /// One JSON object a row instead of the table
    #[arg(long)]
    json: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: String,
    #[serde(flatten)]
    summary: Summary,
    #[serde(flatten)]
    seen: Seen,
    #[serde(flatten)]
    got: Got,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let server = Server::start(options.server.as_deref(), options.database.as_deref())?;
    if !options.json {
        print_head();
    }
    match options.rate {
        None => closed(&server, &options),
        Some(rate) => open(&server, &options, rate),
    }
}

fn closed(server: &Server, options: &Options) -> anyhow::Result<()> {
    for connections in &options.connections {
        let number = PER_SECOND_MAX * u64::from(options.seconds);
        let supply = prepared(server, usize::try_from(number)?)?;
        let load = Load {
            connections: *connections,
            rate: None,
            lasts: Duration::from_secs(options.seconds.into()),
        };
        let what = format!("{connections} connections");
        print(&measured(server, &supply, load, what, None)?, options)?;
        if supply.left() == 0 {
            println!("    all prepared pushes were sent before the time was over");
        }
    }
    Ok(())
}

fn open(server: &Server, options: &Options, rate: u32) -> anyhow::Result<()> {
    let has_readers = options.viewers + options.exports > 0;
    let load = Load {
        connections: OPEN_CONNECTIONS,
        rate: Some(rate),
        lasts: Duration::from_secs(options.seconds.into()),
    };
    for _ in 0..options.repeat {
        for is_read in [false, true] {
            if is_read && !has_readers {
                continue;
            }
            let number = u64::from(rate) * u64::from(options.seconds);
            let supply = prepared(server, usize::try_from(number)?)?;
            let crowd = is_read.then(|| Crowd {
                viewers: options.viewers,
                is_reading_again: options.viewers_read,
                downloads: options.exports,
                download: options.export.clone(),
            });
            let what = if is_read { "with readers" } else { "alone" };
            let row = measured(server, &supply, load, what.to_owned(), crowd)?;
            print(&row, options)?;
        }
    }
    Ok(())
}

fn prepared(server: &Server, number: usize) -> anyhow::Result<Rc<Supply>> {
    let now = Clock::system().now();
    let addressee = Addressee {
        host: server.receiver.to_string(),
        target: &server.target,
        signer: &server.signer,
    };
    let seed = now.0.unsigned_abs();
    let requests = pushes::prepare(&addressee, number, seed, now)?;
    Ok(Rc::new(Supply::new(requests)))
}

fn measured(
    server: &Server,
    supply: &Rc<Supply>,
    load: Load,
    what: String,
    crowd: Option<Crowd>,
) -> anyhow::Result<Row> {
    let readers = crowd
        .map(|crowd| Readers::start(server.dashboard, crowd))
        .transpose()?;
    let watcher = Watcher::start(server.pid(), &server.database);
    let summary = drive::run(server.receiver, supply, load)?;
    let seen = watcher.end();
    let got = readers.map(Readers::end).transpose()?.unwrap_or_default();
    Ok(Row {
        what,
        summary,
        seen,
        got,
    })
}

fn print_head() {
    println!(
        "{:<16} {:>8} {:>6} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}  readers",
        "", "acks/s", "others", "p50 ms", "p99 ms", "highest", "RSS MiB", "WAL MiB", "KB/push"
    );
}

fn print(row: &Row, options: &Options) -> anyhow::Result<()> {
    if options.json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let Row {
        what,
        summary,
        seen,
        got,
    } = row;
    let mib = |bytes: u64| count(bytes / 1024) / 1024.0;
    let written = count(seen.written / 1024) / count(summary.acknowledged.max(1));
    print!(
        "{what:<16} {:>8.0} {:>6} {:>8.2} {:>8.2} {:>9.2} {:>8.1} {:>8.1} {written:>8.1}",
        summary.per_second,
        summary.not_acknowledged,
        summary.p50_ms,
        summary.p99_ms,
        summary.highest_ms,
        mib(seen.resident),
        mib(seen.log),
    );
    if got.events + got.downloads_begun + got.refused > 0 {
        print!(
            "  {} events, {} pages, {:.0} MiB downloaded, {} refused",
            got.events,
            got.pages,
            mib(got.downloaded),
            got.refused
        );
    }
    println!();
    Ok(())
}
