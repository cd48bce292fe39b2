//! `mpsink restore FILE`: a backup becomes the database, while no server runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::cli::backup::{Shown, seconds, size};
use crate::cli::{Common, say};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::store::options::Purpose;
use crate::store::restore::{Restored, restore};

#[derive(Args)]
pub(super) struct Restore {
    #[command(flatten)]
    common: Common,
    /// The backup, which stays as it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Restore the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Restore) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    let purpose = if command.is_try {
        Purpose::Try
    } else {
        Purpose::Record
    };
    let started_at = Instant::now();
    let mut shown = Shown::new();
    let now = Clock::system().now();
    let restored = restore(&config.database, &command.file, purpose, now, |step| {
        shown.update(step);
    });
    shown.clear();
    let restored = restored?;
    let (file, database) = (command.file.display(), restored.database.display());
    let (size, time) = (size(restored.bytes), seconds(started_at.elapsed()));
    say(&format!(
        "{database} is now what {file} was: {size}, checked, in {time} s"
    ));
    for line in what_else(&restored) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn what_else(restored: &Restored) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(old) = &restored.set_aside {
        let old = old.display();
        lines.push(format!(
            "what was there before is {old}, whole, with its log if it had one"
        ));
        lines.push(format!(
            "`mpsink import {old}` brings in what it has and the backup has not; remove it when you \
             need it no more"
        ));
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
        assert!(!what_else(&restored).join("\n").contains("before"));
        restored.set_aside = Some(PathBuf::from("mpsink.db.before-then"));
        let lines = what_else(&restored).join("\n");
        assert!(
            lines.contains("mpsink import mpsink.db.before-then"),
            "{lines}"
        );
    }
}
