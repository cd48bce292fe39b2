//! `mpsink prune`: takes away what is older than it is to be kept, or says what would go.
//!
//! The running server does it, found by the lock file; if none runs, this process does.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use crate::app;
use crate::cli::told::{Named, Shown, ask, server};
use crate::cli::{Common, say};
use crate::config::{Config, Flags};
use crate::ingest::prune::{PruneOrder, PruneProgress, PruneReport};
use crate::store::retention::kept::{HISTORY_MS_MIN, Kept, MESSAGES_MS_MIN, Retention};

const PRUNE: Named = Named {
    noun: "prune",
    done: "pruned",
};

#[derive(Args)]
pub(super) struct Prune {
    #[command(flatten)]
    common: Common,
    /// Change nothing; say what would go
    #[arg(long)]
    dry_run: bool,
    /// Empty messages that are older, such as 90d or 1y, or "forever" for none [default: as
    /// configured]
    #[arg(long, value_name = "AGE")]
    messages: Option<String>,
    /// Forget history that is older, such as 1y, or "forever" for none [default: as configured]
    #[arg(long, value_name = "AGE")]
    history: Option<String>,
    /// Prune the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Prune) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    let retention = Retention {
        messages: kept("--messages", command.messages.as_deref(), MESSAGES_MS_MIN)?
            .unwrap_or(config.retention.messages),
        history: kept("--history", command.history.as_deref(), HISTORY_MS_MIN)?
            .unwrap_or(config.retention.history),
    };
    let mut shown = Shown::new();
    let progress = |progress: &PruneProgress| {
        let taken = progress.taken;
        shown.update(|| {
            format!(
                "{} messages emptied, {} deliveries forgotten",
                taken.emptied, taken.deliveries
            )
        });
    };
    let order = PruneOrder {
        retention,
        dry_run: command.dry_run,
        is_by_itself: false,
    };
    let report = match server(&config)? {
        Some(running) => ask(&running, &address(command), PRUNE, progress),
        None => app::prune::run(&config, order, progress),
    };
    shown.clear();
    for line in lines(&report?) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn kept(flag: &str, text: Option<&str>, ms_min: i64) -> anyhow::Result<Option<Kept>> {
    let Some(text) = text else { return Ok(None) };
    match Kept::parse_from(text, ms_min) {
        Some(kept) => Ok(Some(kept)),
        None => bail!(
            "`{flag}` is `{text}`, but must be a time of at least {} such as 90d or 1y, or forever",
            Kept::For(ms_min)
        ),
    }
}

/// What is not said here is as the server is configured. The values have been read, so they need no
/// encoding.
fn address(command: &Prune) -> String {
    let dry_run = if command.dry_run { "1" } else { "0" };
    let mut address = ["/prune?dry_run=", dry_run].concat();
    for (name, value) in [
        ("&messages=", &command.messages),
        ("&history=", &command.history),
    ] {
        if let Some(value) = value {
            address += &[name, value].concat();
        }
    }
    address
}

fn lines(report: &PruneReport) -> Vec<String> {
    let taken = report.taken;
    let would = if report.dry_run { "would be " } else { "" };
    let mut lines = Vec::new();
    lines.push(match report.messages_before {
        Some(before) => {
            let but = match report.history_before {
                Some(_) => ", but for those that are forgotten",
                None => "",
            };
            format!(
                "messages from before {before}: {} {would}emptied; their deliveries stay{but}",
                taken.emptied
            )
        }
        None => "messages are kept for ever".to_owned(),
    });
    lines.push(match report.history_before {
        Some(before) => format!(
            "history from before {before}: {} jobs, {} runs, {} activities, {} events and {} \
             deliveries {would}forgotten",
            taken.jobs, taken.runs, taken.activities, taken.events, taken.deliveries
        ),
        None => "history is kept for ever".to_owned(),
    });
    if taken.too_large > 0 {
        lines.push(format!(
            "{} jobs and runs are as old and stay: more hangs together with each than can go at once",
            taken.too_large
        ));
    }
    lines.push(format!(
        "{} bytes of messages and requests {would}freed, for what comes next",
        taken.bytes
    ));
    if let Some(oldest) = report.oldest_at {
        let now = if report.dry_run { "now" } else { "left" };
        lines.push(format!("the oldest delivery {now} came at {oldest}"));
    }
    if report.dry_run {
        lines.push("nothing was written; run it without --dry-run to do it".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::store::retention::Taken;

    use super::*;

    #[test]
    fn a_report_is_told_in_the_mood_that_fits() {
        let mut report = PruneReport {
            dry_run: true,
            messages_before: Some(Timestamp(0)),
            taken: Taken {
                emptied: 3,
                bytes: 700,
                ..Taken::default()
            },
            oldest_at: Some(Timestamp(0)),
            ..PruneReport::default()
        };
        assert_eq!(
            lines(&report),
            [
                "messages from before 1970-01-01T00:00:00.000Z: 3 would be emptied; their \
                 deliveries stay",
                "history is kept for ever",
                "700 bytes of messages and requests would be freed, for what comes next",
                "the oldest delivery now came at 1970-01-01T00:00:00.000Z",
                "nothing was written; run it without --dry-run to do it",
            ]
        );
        report.dry_run = false;
        report.history_before = Some(Timestamp(0));
        report.taken.jobs = 2;
        report.taken.too_large = 7;
        let done = lines(&report).join("\n");
        let emptied = "3 emptied; their deliveries stay, but for those that are forgotten";
        assert!(done.contains(emptied), "{done}");
        assert!(done.contains("2 jobs, 0 runs"), "{done}");
        assert!(
            done.contains("7 jobs and runs are as old and stay"),
            "{done}"
        );
        assert!(!done.contains("would"), "{done}");
    }
}
