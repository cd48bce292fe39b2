//! `mpsink backup FILE`: the whole database in one file, while a server runs or while none does.
//!
//! This process reads the database itself; a running server is not asked.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::told::write_over;
use crate::cli::{Common, say};
use crate::config::{Config, Flags};
use crate::store::backup::backup;
use crate::store::copy::CopyStep;
use crate::store::options::Purpose;
use crate::store::restore::require_there;

#[derive(Args)]
pub(super) struct Backup {
    #[command(flatten)]
    common: Common,
    /// The file to make, readable by its owner alone: it holds every message and the secret path
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    /// Back up the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Backup) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    let (database, file) = (config.database.display(), command.file.display());
    require_there(&config.database)?;
    let started_at = Instant::now();
    let mut shown = Shown::new();
    let made = backup(&config.database, &command.file, command.force, |step| {
        shown.update(step);
    });
    shown.clear();
    let made = made?;
    let what = match made.purpose {
        Purpose::Record => "the database",
        Purpose::Try => "the TEST database",
    };
    let (size, time) = (size(made.bytes), seconds(started_at.elapsed()));
    say(&format!(
        "{file} is a whole copy of {what} {database}: {size}, checked, in {time} s"
    ));
    say("it holds every message and the secret path: keep it where only you can read it");
    Ok(ExitCode::SUCCESS)
}

/// Returns bytes as people say them.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 10_000_000 {
        format!("{} KB", bytes.div_ceil(1_000))
    } else {
        format!("{} MB", bytes.div_ceil(1_000_000))
    }
}

pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

/// One line on a terminal that is written over; nothing where nobody looks.
pub(super) struct Shown {
    is_terminal: bool,
    is_shown: bool,
}

impl Shown {
    pub(super) fn new() -> Shown {
        Shown {
            is_terminal: io::stderr().is_terminal(),
            is_shown: false,
        }
    }

    pub(super) fn update(&mut self, step: CopyStep) {
        if self.is_terminal {
            self.is_shown = true;
            write_over(&line(step));
        }
    }

    pub(super) fn clear(&self) {
        if self.is_shown {
            write_over("");
        }
    }
}

fn line(step: CopyStep) -> String {
    match step {
        CopyStep::Writing { done, total } => {
            format!("written: {} of about {}", size(done), size(total))
        }
        CopyStep::Following => "bringing over what was written meanwhile".to_owned(),
        CopyStep::Checking => "checking what was written".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_as_people_say_them() {
        assert_eq!(size(1), "1 KB");
        assert_eq!(size(9_999_999), "10000 KB");
        assert_eq!(size(2_000_000_001), "2001 MB");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2");
        let half = CopyStep::Writing {
            done: 20_000_000,
            total: 40_000_000,
        };
        assert_eq!(line(half), "written: 20 MB of about 40 MB");
    }
}
