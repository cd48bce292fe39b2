//! Long work that the running server does for a command, and how far it is.
//!
//! A terminal shows one line that is written over; where nobody looks, nothing is shown but the end.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use crate::app::options::purpose;
use crate::cli::http_agent_with;
use crate::config::Config;
use crate::store::foresee::foresee;
use crate::store::lock::{self, Running};
use crate::web::told::Line;

/// Between two looks of the progress: as often as an eye can follow.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How long the server may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What the work is called.
#[derive(Clone, Copy)]
pub(super) struct Named {
    /// `rebuild`
    pub(super) noun: &'static str,
    /// `rebuilt`
    pub(super) done: &'static str,
}

/// Returns the server that does the work; `None` if this process has to. One that runs on a database for
/// another purpose is none: `--try` has to stand where it is one of test pushes, and nowhere else.
pub(super) fn server(config: &Config) -> anyhow::Result<Option<Running>> {
    let running = lock::running(&config.database);
    if running.is_some() {
        foresee(&config.database, purpose(config))?;
    }
    Ok(running)
}

/// Has the server do what `path` says, and returns its report.
pub(super) fn ask<P: DeserializeOwned, R: DeserializeOwned>(
    running: &Running,
    path: &str,
    Named { noun, done }: Named,
    mut progress: impl FnMut(&P),
) -> anyhow::Result<R> {
    // The whole of it may take hours, so only its beginning has a time.
    let agent = http_agent_with(|config| config.timeout_recv_response(Some(BEGIN_TIMEOUT)));
    let mut response = agent
        .post(format!("{}{path}", running.dashboard))
        .header("authorization", format!("Bearer {}", running.key))
        .header("accept", "application/json")
        .send_empty()
        .with_context(|| format!("cannot ask the server at {}", running.dashboard))?;
    if response.status().as_u16() != 200 {
        let text = response.body_mut().read_to_string()?;
        let problem = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        let detail = problem.get("detail").and_then(|detail| detail.as_str());
        bail!(
            "not {done}: {}",
            detail.unwrap_or("the server did not say why")
        );
    }
    for line in BufReader::new(response.body_mut().as_reader()).lines() {
        let line =
            line.with_context(|| format!("the server has gone in the middle of the {noun}"))?;
        match serde_json::from_str(&line).context("the server speaks another version's words")? {
            Line::Progress(reached) => progress(&reached),
            Line::Report(report) => return Ok(report),
            Line::Error(error) => bail!("not {done} to the end: {error}"),
        }
    }
    bail!("the server has stopped in the middle of the {noun}; run it again")
}

/// One line on a terminal that is written over; nothing where nobody looks.
pub(super) struct Shown {
    is_terminal: bool,
    updated_at: Option<Instant>,
}

impl Shown {
    pub(super) fn new() -> Shown {
        Shown {
            is_terminal: io::stderr().is_terminal(),
            updated_at: None,
        }
    }

    /// Shows a line, unless one was shown just before.
    pub(super) fn update(&mut self, line: impl FnOnce() -> String) {
        let is_early = |at: Instant| at.elapsed() < PROGRESS_EVERY;
        if !self.is_terminal || self.updated_at.is_some_and(is_early) {
            return;
        }
        self.updated_at = Some(Instant::now());
        write_over(&line());
    }

    pub(super) fn clear(&self) {
        if self.updated_at.is_some() {
            write_over("");
        }
    }
}

/// Says how much of `what` is done.
pub(super) fn percent(what: &str, done: i64, last: i64) -> String {
    format!("{what}: {} %", done.saturating_mul(100) / last.max(1))
}

/// Replaces the line that a terminal shows.
pub(super) fn write_over(text: &str) {
    // To the start of the line, the text, and away with what stood behind it. A terminal that has
    // gone is no reason to stop.
    let _ = write!(io::stderr(), "\r{text}\x1b[K");
    let _ = io::stderr().flush();
}
