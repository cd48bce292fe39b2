//! `mpsink rebuild`: reads what was kept again, folds everything again, and says what differs.
//!
//! The running server does it, found by the lock file; if none runs, this process does.

use std::process::ExitCode;

use clap::Args;

use crate::app;
use crate::cli::told::{Named, Shown, ask, percent, server};
use crate::cli::{Common, say};
use crate::config::{Config, Flags};
use crate::ingest::rebuild::report::{Difference, RebuildReport};
use crate::ingest::rebuild::{Progress, Step};

const REBUILD: Named = Named {
    noun: "rebuild",
    done: "rebuilt",
};

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
    let progress = |progress: &Progress| show(&mut shown, progress);
    let report = match server(&config)? {
        Some(running) => ask(&running, address(command.dry_run), REBUILD, progress),
        None => app::rebuild::run(&config, command.dry_run, progress),
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

fn address(dry_run: bool) -> &'static str {
    if dry_run {
        "/rebuild?dry_run=1"
    } else {
        "/rebuild"
    }
}

fn show(shown: &mut Shown, progress: &Progress) {
    let what = match progress.step {
        Step::Messages => "messages read again",
        Step::Runs => "runs folded again",
        Step::Jobs => "jobs folded again",
    };
    shown.update(|| percent(what, progress.done, progress.last));
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
