//! `mpsink demo`: a made-up database to look at and to measure with.
//!
//! For now it only makes the file (`--no-serve`), and says how fast that went: the pushes go through
//! everything that real ones go through but HTTP and the signature.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::app::demo::{self, DemoMade};
use crate::cli::say;
use crate::clock::{Clock, Timestamp};
use crate::demo::Scenario;

/// How often the progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(super) struct Demo {
    /// How many jobs: single ones, and those inside workflow runs
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    jobs: u64,
    /// Over how many days
    #[arg(long, value_name = "D", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// The same seed makes the same demo
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// When the demo's last day ends, such as 2024-05-06T08:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    ends_at: Option<Timestamp>,
    /// The database file to make; must not be there yet
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
    /// Only make the file
    #[arg(long)]
    no_serve: bool,
}

pub(super) fn run(command: &Demo) -> anyhow::Result<ExitCode> {
    if !command.no_serve {
        bail!(
            "the demo cannot be served yet; make its database with --no-serve, then look at it \
             with `mpsink serve --try --database {}`",
            command.into.display()
        );
    }
    let scenario = Scenario {
        jobs: command.jobs,
        days: command.days,
        seed: command.seed,
        ends_at: command.ends_at.unwrap_or_else(|| Clock::system().now()),
    };
    let began = Instant::now();
    let is_shown = io::stderr().is_terminal();
    let mut shown = began;
    let made = demo::make(&command.into, &scenario, |jobs| {
        if is_shown && shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            show(&format!("{jobs} of {} jobs", scenario.jobs));
        }
    });
    if is_shown {
        show("");
    }
    let made = made.with_context(|| format!("cannot make {}", command.into.display()))?;
    say(report(&made, began.elapsed()).trim_end());
    say(&format!(
        "look at it with `mpsink serve --try --database {}`",
        command.into.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse_rfc3339(text).ok_or("expected a time such as 2024-05-06T08:00:00Z")
}

/// Replaces the line on the terminal. Progress is for the eye: where it cannot be written, there is
/// nobody to miss it.
fn show(line: &str) {
    let mut terminal = io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[K{line}");
    let _ = terminal.flush();
}

fn report(made: &DemoMade, took: Duration) -> String {
    let mut text = String::new();
    let took_ms = took.as_millis().max(1);
    let rate = u128::from(made.jobs) * 1_000 / took_ms;
    // Writing to a string cannot fail.
    for (label, value) in [
        ("jobs", made.jobs.to_string()),
        ("pushes", made.pushes.to_string()),
        ("duplicates", made.duplicates.to_string()),
        ("seconds", format!("{:.1}", took.as_secs_f64())),
        ("jobs a second", rate.to_string()),
        ("file bytes", made.file_bytes.to_string()),
    ] {
        let _ = writeln!(text, "{:15}{value}", format!("{label}:"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_each_number_in_its_line() {
        let made = DemoMade {
            jobs: 10_000,
            pushes: 11_000,
            duplicates: 200,
            file_bytes: 5,
        };
        insta::assert_snapshot!(report(&made, Duration::from_millis(2_500)), @r"
        jobs:          10000
        pushes:        11000
        duplicates:    200
        seconds:       2.5
        jobs a second: 4000
        file bytes:    5
        ");
    }

    #[test]
    fn a_time_that_is_none_says_what_one_looks_like() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(Timestamp(1_000)));
        assert!(parse_time("yesterday").unwrap_err().contains("such as"));
    }
}
