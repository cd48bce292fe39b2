//! `mpsink rebuild`: reads what was kept again, folds everything again, and says what differs.
//!
//! The running server does it, found by the lock file; if none runs, this process does.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::app;
use crate::cli::{Common, http_agent_with, say};
use crate::config::{Config, Flags};
use crate::ingest::rebuild::{Difference, Progress, RebuildReport, Step};
use crate::store::lock::{self, Running};
use crate::web::rebuild::Line;

/// Between two lines of progress: as often as an eye can follow.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How long the server may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct Rebuild {
    #[command(flatten)]
    common: Common,
    /// Change nothing; say what would differ, and end with 1 if something would
    #[arg(long)]
    dry_run: bool,
    /// Rebuild the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Rebuild) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    let mut shown = Shown::new();
    let report = match lock::running(&config.database) {
        Some(running) => ask(&running, command.dry_run, &mut shown),
        None => app::rebuild::run(&config, command.dry_run, |progress| shown.update(progress)),
    };
    shown.clear();
    let report = report?;
    print(&report);
    Ok(if report.dry_run && !report.changes_nothing() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn ask(running: &Running, dry_run: bool, shown: &mut Shown) -> anyhow::Result<RebuildReport> {
    let query = if dry_run { "?dry_run=1" } else { "" };
    // The whole of it may take hours, so only its beginning has a time.
    let agent = http_agent_with(|config| config.timeout_recv_response(Some(BEGIN_TIMEOUT)));
    let mut response = agent
        .post(format!("{}/rebuild{query}", running.dashboard))
        .header("authorization", format!("Bearer {}", running.key))
        .header("accept", "application/json")
        .send_empty()
        .with_context(|| format!("cannot ask the server at {}", running.dashboard))?;
    if response.status().as_u16() != 200 {
        let text = response.body_mut().read_to_string()?;
        let problem = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        let detail = problem.get("detail").and_then(|detail| detail.as_str());
        bail!(
            "not rebuilt: {}",
            detail.unwrap_or("the server did not say why")
        );
    }
    for line in BufReader::new(response.body_mut().as_reader()).lines() {
        let line = line.context("the server has gone in the middle of the rebuild")?;
        match serde_json::from_str(&line).context("the server speaks another version's words")? {
            Line::Progress(progress) => shown.update(&progress),
            Line::Report(report) => return Ok(report),
            Line::Error(error) => bail!("the rebuild stopped: {error}"),
        }
    }
    bail!("the server has stopped in the middle of the rebuild; run it again")
}

/// One line on a terminal that is written over; nothing where nobody looks.
struct Shown {
    is_terminal: bool,
    shown_at: Option<Instant>,
}

impl Shown {
    fn new() -> Shown {
        Shown {
            is_terminal: io::stderr().is_terminal(),
            shown_at: None,
        }
    }

    fn update(&mut self, progress: &Progress) {
        let is_early = |at: Instant| at.elapsed() < PROGRESS_EVERY;
        if !self.is_terminal || self.shown_at.is_some_and(is_early) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let what = match progress.step {
            Step::Messages => "messages read again",
            Step::Runs => "runs folded again",
            Step::Jobs => "jobs folded again",
        };
        let percent = progress.done.saturating_mul(100) / progress.last.max(1);
        write_over(&format!("{what}: {percent} %"));
    }

    fn clear(&self) {
        if self.shown_at.is_some() {
            write_over("");
        }
    }
}

/// Replaces the line that a terminal shows.
pub(super) fn write_over(text: &str) {
    // To the start of the line, the text, and away with what stood behind it. A terminal that has
    // gone is no reason to stop.
    let _ = write!(io::stderr(), "\r{text}\x1b[K");
    let _ = io::stderr().flush();
}

fn print(report: &RebuildReport) {
    for line in lines(report) {
        say(&line);
    }
}

fn lines(report: &RebuildReport) -> Vec<String> {
    let seconds = report.duration_ms / 1_000;
    let mut lines = vec![format!(
        "{} messages read again, {} no longer kept, in {seconds} s",
        report.reread, report.emptied
    )];
    let would = if report.dry_run { "would be " } else { "" };
    if report.changes_nothing() {
        lines.push(if report.dry_run {
            "nothing would change".to_owned()
        } else {
            "nothing has changed".to_owned()
        });
        return lines;
    }
    let mut add = |what: &str, difference: Difference| {
        let Difference {
            added,
            changed,
            removed,
        } = difference;
        lines.push(format!(
            "{what}: {added} {would}added, {changed} {would}changed, {removed} {would}removed"
        ));
    };
    add("events", report.events);
    add("runs", report.runs);
    add("jobs", report.jobs);
    for (count, what) in [
        (report.recognized, "messages understood that were not"),
        (report.unrecognized, "messages not understood any more"),
        (report.deliveries_changed, "deliveries with other facts"),
        (report.jobs_moved, "jobs in another queue"),
        (report.events_moved, "events in a queue by another rule"),
        (
            report.sums_corrected,
            "sums that were not those of their rows",
        ),
    ] {
        if count > 0 {
            lines.push(format!("{what}: {count}"));
        }
    }
    if report.dry_run {
        lines.push("nothing was written; run it without --dry-run to do it".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_in_the_mood_that_fits() {
        let mut report = RebuildReport {
            dry_run: true,
            reread: 7,
            emptied: 2,
            ..RebuildReport::default()
        };
        assert_eq!(
            lines(&report),
            [
                "7 messages read again, 2 no longer kept, in 0 s",
                "nothing would change"
            ]
        );
        report.jobs.added = 3;
        report.recognized = 3;
        let dry = lines(&report).join("\n");
        assert!(dry.contains("jobs: 3 would be added"), "{dry}");
        assert!(dry.contains("understood that were not: 3"), "{dry}");
        assert!(dry.contains("nothing was written"), "{dry}");
        report.dry_run = false;
        let done = lines(&report).join("\n");
        assert!(done.contains("jobs: 3 added, 0 changed"), "{done}");
        assert!(!done.contains("nothing was written"), "{done}");
    }
}
