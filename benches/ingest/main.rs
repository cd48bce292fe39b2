//! `cargo bench --bench ingest`: how many pushes the real server acknowledges, and how fast.
//!
//! ```text
//! cargo bench --bench ingest                                  closed loop, 1 16 64 256 connections,
//!                                                             beside what it is measured against
//! cargo bench --bench ingest -- --rate 1000                   open loop
//! cargo bench --bench ingest -- --rate 1000 --viewers 200     the same without and with readers,
//!     --exports 2 --chores --database demo.db                 in turns
//! cargo bench --bench ingest -- --rate half ...               at half the peak of the same minute
//! ```
//!
//! All is signed and distinct, and the server checks everything it always checks. The load
//! generator shares the machine with it: compare what stands in one run, and nothing else.

#![expect(clippy::print_stdout, reason = "what a benchmark is for")]

use std::env;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;

use crate::bare::http;
use crate::load::server::{CertificateHost, Server};

#[path = "../bare/mod.rs"]
mod bare;
#[path = "../load/mod.rs"]
mod load;

mod closed;
mod open;
mod row;

#[derive(Parser)]
struct Options {
    /// Connections of the closed loop
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    connections: Vec<usize>,
    /// Pushes a second of the open loop; `half` for half of what 256 connections are acknowledged
    /// right before each row
    #[arg(long, value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// How long each row takes
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// How often everything is measured, in turns
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Pushes that the bare loop writes
    #[arg(long, default_value_t = 16_384)]
    rows_of: usize,
    /// Open pages that follow /live, in the open loop
    #[arg(long, default_value_t = 0)]
    viewers: usize,
    /// Each of them reads the overview again after an event
    #[arg(long)]
    viewers_read: bool,
    /// Downloads at once, over and over, in the open loop
    #[arg(long, default_value_t = 0)]
    exports: usize,
    /// What is downloaded
    #[arg(long, default_value = "/jobs.csv")]
    export: String,
    /// Backups one after the other, and history older than a week taken away, in the open loop
    #[arg(long, requires = "database")]
    chores: bool,
    /// For the open loop a database made by `mpsink demo --into`, which grows by what is pushed; else
    /// a new one
    #[arg(long, requires = "rate")]
    database: Option<PathBuf>,
    /// Another build of the server, to compare with
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the figures go as JSON as well
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many pushes the open loop sends a second.
#[derive(Clone, Copy)]
enum Rate {
    Given(u32),
    HalfThePeak,
}

impl Rate {
    fn parse(text: &str) -> anyhow::Result<Rate> {
        if text == "half" {
            return Ok(Rate::HalfThePeak);
        }
        let rate = text.parse().context("a number, or `half`")?;
        Ok(Rate::Given(rate))
    }
}

fn main() -> anyhow::Result<()> {
    if env::args().nth(1).as_deref() == Some(http::ARGUMENT) {
        return http::serve();
    }
    let options = Options::parse();
    let certificates = CertificateHost::start()?;
    match options.rate {
        None => closed::measure(&options, &certificates),
        Some(rate) => open::measure(&options, &certificates, rate),
    }
}

impl Options {
    fn start_server(&self, certificates: &CertificateHost) -> anyhow::Result<Server> {
        let (program, database) = (self.server.as_deref(), self.database.as_deref());
        Server::start(program, database, certificates)
    }
}
