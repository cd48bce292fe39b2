//! `mpsink import OTHER.db`: another sink's deliveries, so that two make one history.
//!
//! The running server does it, found by the lock file; if none runs, this process does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::app;
use crate::cli::told::{Named, Shown, ask, percent, server};
use crate::cli::{Common, say};
use crate::config::{Config, Flags};
use crate::ingest::import::{ImportProgress, ImportReport};
use crate::web::lists::encoded;

const IMPORT: Named = Named {
    noun: "import",
    done: "imported",
};

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
    let progress = |progress: &ImportProgress| {
        shown.update(|| percent("deliveries imported", progress.done, progress.last));
    };
    let report = match server(&config)? {
        Some(running) => ask(&running, &address(&other)?, IMPORT, progress),
        None => app::import::run(&config, other, progress),
    };
    shown.clear();
    for line in lines(&report?) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn address(other: &Path) -> anyhow::Result<String> {
    let path = other.to_str().context("the file's name is not UTF-8")?;
    Ok(format!("/import?path={}", encoded(path)))
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
            report.forgotten,
            "not imported, since they are older than the history that is kept here",
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
