//! `mpsink restore FILE`: a backup becomes the database, while no server runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

use crate::app::options::purpose;
use crate::cli::backup::{Shown, seconds, size};
use crate::cli::{Common, say};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::store::errors::OpenError;
use crate::store::restore::{Restored, require_there, restore};

#[derive(Args)]
pub(super) struct Restore {
    #[command(flatten)]
    common: Common,
    /// The backup, which stays as it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make the database if there is none under its name
    #[arg(long = "new")]
    is_new: bool,
    /// Restore the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Restore) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    if !command.is_new
        && let Err(OpenError::Missing { path }) = require_there(&config.database)
    {
        bail!(
            "there is no database {}; if a service's is meant, name it with --config or --database, \
             and to make a new one there add --new",
            absolute(&path).display()
        );
    }
    let started_at = Instant::now();
    let mut shown = Shown::new();
    let now = Clock::system().now();
    let restored = restore(
        &config.database,
        &command.file,
        purpose(&config),
        now,
        |step| {
            shown.update(step);
        },
    );
    shown.clear();
    let restored = restored?;
    let (file, database) = (command.file.display(), restored.database.display());
    let (size, time) = (size(restored.bytes), seconds(started_at.elapsed()));
    say(&format!(
        "{database} is now what {file} was: {size}, checked, in {time} s"
    ));
    for line in what_else(&restored, &command.flags()) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

impl Restore {
    /// Returns the flags that name the same database from any folder.
    fn flags(&self) -> String {
        let common = &self.common;
        let paths = [("config", &common.config), ("database", &common.database)];
        let paths = paths.iter().filter_map(|(flag, path)| {
            let path = absolute(path.as_ref()?);
            Some(format!("--{flag} {} ", path.display()))
        });
        let mut flags: String = paths.collect();
        if self.is_try {
            flags.push_str("--try ");
        }
        flags
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn what_else(restored: &Restored, flags: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(old) = &restored.set_aside {
        let old = old.display();
        lines.push(format!(
            "what was there before is {old}, whole, with its log if it had one"
        ));
        lines.push(format!(
            "`mpsink import {flags}{old}` brings in what it has and the backup has not; remove it when you \
             need it no more"
        ));
    } else {
        lines.push("there was no database under this name: it is new".to_owned());
    }
    lines.push(
        "its secret path is the backup's: see that the subscription's endpoint is the one on /connect"
            .to_owned(),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_old_one_is_is_said_only_if_there_was_one() {
        let mut restored = Restored {
            database: PathBuf::from("mpsink.db"),
            bytes: 1,
            schema: 1,
            set_aside: None,
        };
        let lines = what_else(&restored, "").join("\n");
        assert!(!lines.contains("before"), "{lines}");
        assert!(lines.contains("there was no database"), "{lines}");
        restored.set_aside = Some(PathBuf::from("mpsink.db.before-then"));
        let lines = what_else(&restored, "--try ").join("\n");
        assert!(
            lines.contains("`mpsink import --try mpsink.db.before-then`"),
            "{lines}"
        );
    }
}
