//! `mpsink import OTHER.db`: another sink's deliveries, so that two make one history.
//!
//! The running server does it, found by the lock file; if none runs, this process does.

use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::app;
use crate::cli::rebuild::write_over;
use crate::cli::{Common, http_agent_with, say};
use crate::config::{Config, Flags};
use crate::ingest::import::{ImportProgress, ImportReport};
use crate::store::lock::{self, Running};
use crate::web::import::ImportLine;
use crate::web::lists::encoded;

/// Between two looks of the progress: as often as an eye can follow.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How long the server may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct Import {
    #[command(flatten)]
    common: Common,
    /// The other sink's database, or a copy of it; it is only read
    #[arg(value_name = "OTHER.db")]
    other: PathBuf,
    /// Import into the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Import) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    if !command.other.exists() {
        bail!("there is no file {}", command.other.display());
    }
    // The server may stand in another folder.
    let other = std::path::absolute(&command.other)?;
    let mut shown = Shown::new();
    let report = match lock::running(&config.database) {
        Some(running) => ask(&running, &other, &mut shown),
        None => app::import::run(&config, other, |progress| shown.update(progress)),
    };
    shown.clear();
    for line in lines(&report?) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(running: &Running, other: &Path, shown: &mut Shown) -> anyhow::Result<ImportReport> {
    let path = other.to_str().context("the file's name is not UTF-8")?;
    // The whole of it may take hours, so only its beginning has a time.
    let agent = http_agent_with(|config| config.timeout_recv_response(Some(BEGIN_TIMEOUT)));
    let mut response = agent
        .post(format!(
            "{}/import?path={}",
            running.dashboard,
            encoded(path)
        ))
        .header("authorization", format!("Bearer {}", running.key))
        .header("accept", "application/json")
        .send_empty()
        .with_context(|| format!("cannot ask the server at {}", running.dashboard))?;
    if response.status().as_u16() != 200 {
        let text = response.body_mut().read_to_string()?;
        let problem = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        let detail = problem.get("detail").and_then(|detail| detail.as_str());
        bail!(
            "not imported: {}",
            detail.unwrap_or("the server did not say why")
        );
    }
    for line in BufReader::new(response.body_mut().as_reader()).lines() {
        let line = line.context("the server has gone in the middle of the import")?;
        match serde_json::from_str(&line).context("the server speaks another version's words")? {
            ImportLine::Progress(progress) => shown.update(&progress),
            ImportLine::Report(report) => return Ok(report),
            ImportLine::Error(error) => bail!("not imported: {error}"),
        }
    }
    bail!("the server has stopped in the middle of the import; run it again")
}

fn lines(report: &ImportReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{} messages imported, {} were here already",
        report.stored, report.known
    )];
    for (count, what) in [
        (
            report.different,
            "not imported, since another message with the same id is here",
        ),
        (
            report.emptied,
            "not imported, since the other database keeps them no more",
        ),
    ] {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    }
    lines
}

/// One line on a terminal that is written over; nothing where nobody looks.
struct Shown {
    is_terminal: bool,
    updated_at: Option<Instant>,
}

impl Shown {
    fn new() -> Shown {
        Shown {
            is_terminal: io::stderr().is_terminal(),
            updated_at: None,
        }
    }

    fn update(&mut self, progress: &ImportProgress) {
        let is_early = |at: Instant| at.elapsed() < PROGRESS_EVERY;
        if !self.is_terminal || self.updated_at.is_some_and(is_early) {
            return;
        }
        self.updated_at = Some(Instant::now());
        let percent = progress.done.saturating_mul(100) / progress.last.max(1);
        write_over(&format!("deliveries imported: {percent} %"));
    }

    fn clear(&self) {
        if self.updated_at.is_some() {
            write_over("");
        }
    }
}
