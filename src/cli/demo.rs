//! `mpsink demo`: a made-up platform to look at and to measure with.
//!
//! By itself it serves one, in a new database that is removed at the end: the past day comes in
//! through the real receiver, and then a few jobs a minute, so that every page has something to
//! show. It reads no configuration, since what is made up would not fit it.
//!
//! With `--no-serve` it only makes a file, fast and as large as one likes, and says how fast that
//! went: those pushes go through everything that real ones go through but HTTP and the signature.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::app::Facts;
use crate::app::demo::{self, DemoMade};
use crate::app::living::{self, News, Platform};
use crate::app::scratch::Scratch;
use crate::cli::{logging, say};
use crate::clock::{Clock, Timestamp};
use crate::config::log::{LogLevel, LogOptions};
use crate::config::{Config, Flags};
use crate::demo::living::LivingPush;
use crate::demo::{OWNER, Scenario, workflow_ids};
use crate::store::options::WorkflowRule;

/// How often the progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Jobs of a demo that is served: a day full of them, there in seconds.
const SERVED_JOBS: u64 = 2_000;

/// The most of them: they are pushed one by one, some hundred a second.
const SERVED_JOBS_MAX: u64 = 100_000;

/// After how long a run without a Report is stale: longer than any made-up run takes.
const STALE_AFTER_MS: i64 = 2 * 60 * 60 * 1000;

/// Jobs of a demo that is only made.
const MADE_JOBS: u64 = 10_000;

#[derive(Args)]
pub(super) struct Demo {
    /// How many jobs the past has: single ones, and those inside workflow runs
    /// [default: 2000; with --no-serve 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    jobs: Option<u64>,
    /// Over how many days
    #[arg(long, value_name = "D", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// The same seed makes the same demo
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many jobs and runs begin in a minute, once the past is there
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "no_serve",
          value_parser = clap::value_parser!(u32).range(1..=600))]
    jobs_a_minute: u32,
    /// Where the made-up pushes go to [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_serve")]
    receiver_listen: Option<String>,
    /// Where the dashboard listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_serve")]
    dashboard_listen: Option<String>,
    /// The database file to make and keep; must not be there yet [default: one that is removed at
    /// the end]
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Only make the file
    #[arg(long, requires = "into")]
    no_serve: bool,
    /// When the last day ends, such as 2024-05-06T08:00:00Z; a demo that is served goes on now
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "no_serve")]
    ends_at: Option<Timestamp>,
}

pub(super) fn run(command: &Demo) -> anyhow::Result<ExitCode> {
    match (&command.into, command.no_serve) {
        (Some(into), true) => make(command, into)?,
        (Some(into), false) => {
            show(command, into.clone(), "kept")?;
            say_how_to_look(into);
        }
        (None, _) => {
            let scratch = Scratch::new()?;
            let database = scratch.path().join("demo.db");
            show(
                command,
                database,
                "removed at the end; `--into FILE` keeps it",
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves the demo until it is told to stop. `fate` says what becomes of the database.
fn show(command: &Demo, database: PathBuf, fate: &str) -> anyhow::Result<()> {
    let jobs = command.jobs.unwrap_or(SERVED_JOBS);
    ensure!(
        jobs <= SERVED_JOBS_MAX,
        "cannot push {jobs} jobs one by one, {SERVED_JOBS_MAX} at most; make them with --no-serve \
         --into FILE, and look at them with `mpsink serve --try --database FILE`"
    );
    let platform = Platform {
        past: command.scenario(jobs),
        jobs_a_minute: command.jobs_a_minute,
    };
    let config = command.config(database)?;
    // Without a line for each push: the demo tells of its pushes itself.
    let _logging = logging::start(LogOptions {
        level: LogLevel::Warn,
        ..config.log
    })?;
    let mut progress = Progress::start();
    living::serve(&config, &platform, |news| match news {
        News::Serving(facts) => announce(facts, fate),
        News::Past { pushes, at } => {
            progress.show(|| format!("{pushes} pushes, up to {at}"));
        }
        News::Present { pushes, took } => {
            progress.end();
            tell(&format!(
                "the past is there:    {pushes} pushes in {:.1} s; from now on {} jobs a minute, \
                 until Ctrl-C",
                took.as_secs_f64(),
                command.jobs_a_minute
            ));
        }
        News::Pushed { push, status } => tell(&line_of(push, status)),
    })
}

fn announce(facts: &Facts, fate: &str) {
    tell("DEMO: everything on its pages is made up, and pushed by this program itself.");
    tell(&format!("dashboard:            {}", facts.dashboard_url));
    tell(&format!("endpoint:             {}", facts.endpoint));
    let database = facts.database.display();
    tell(&format!("database:             {database} ({fate})"));
    tell("the past comes in now, and the server's clock runs through it in some seconds");
}

/// Returns what is said of a push that has just been answered.
fn line_of(push: &LivingPush, status: u16) -> String {
    let content = &push.content;
    let about = push
        .odd
        .map_or(String::new(), |odd| format!(" {}", odd.words()));
    format!(
        "{} {status} {:10} {}{about}",
        push.at,
        content.format.word(),
        content.topic
    )
}

fn make(command: &Demo, into: &Path) -> anyhow::Result<()> {
    let scenario = command.scenario(command.jobs.unwrap_or(MADE_JOBS));
    let began = Instant::now();
    let mut progress = Progress::start();
    let made = demo::make(into, &scenario, |jobs| {
        progress.show(|| format!("{jobs} of {} jobs", scenario.jobs));
    });
    progress.end();
    let made = made.with_context(|| format!("cannot make {}", into.display()))?;
    say(report(&made, began.elapsed()).trim_end());
    say_how_to_look(into);
    Ok(())
}

fn say_how_to_look(into: &Path) {
    say(&format!(
        "look at it with `mpsink serve --try --database {}`",
        into.display()
    ));
}

impl Demo {
    fn scenario(&self, jobs: u64) -> Scenario {
        Scenario {
            jobs,
            days: self.days,
            seed: self.seed,
            ends_at: self.ends_at.unwrap_or_else(|| Clock::system().now()),
        }
    }

    /// Returns what `serve --try` has without a file and an environment, but for the addresses; only
    /// the made-up account is let in, so that another's pushes are held, and runs are stale within
    /// the day, so that there may be some.
    fn config(&self, database: PathBuf) -> anyhow::Result<Config> {
        let flags = Flags {
            database: Some(database),
            receiver_listen: self.receiver_listen.clone(),
            dashboard_listen: self.dashboard_listen.clone(),
            is_try: true,
            ..Flags::default()
        };
        let nothing = (toml::Table::new(), std::iter::empty());
        let mut config = Config::from_parts(nothing.0, nothing.1, flags)?;
        for source in &mut config.sources {
            source.owners = vec![OWNER.to_owned()];
        }
        let rule = |id: &str| WorkflowRule {
            id: id.to_owned(),
            name: String::new(),
            stale_after_ms: STALE_AFTER_MS,
        };
        config.workflows = workflow_ids().map(rule).collect();
        Ok(config)
    }
}

/// What is shown on a terminal while it is waited for. It is for the eye: where it cannot be
/// written, there is nobody to miss it.
struct Progress {
    is_shown: bool,
    shown: Instant,
}

impl Progress {
    fn start() -> Progress {
        Progress {
            is_shown: io::stderr().is_terminal(),
            shown: Instant::now(),
        }
    }

    fn show(&mut self, line: impl FnOnce() -> String) {
        if self.is_shown && self.shown.elapsed() >= PROGRESS_EVERY {
            self.shown = Instant::now();
            replace_line(&line());
        }
    }

    fn end(&self) {
        if self.is_shown {
            replace_line("");
        }
    }
}

/// Replaces the line on the terminal.
fn replace_line(line: &str) {
    let mut terminal = io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[K{line}");
    let _ = terminal.flush();
}

/// Prints a line of a demo that runs on. Whoever closes the pipe has seen enough, and the demo goes
/// on for the others.
fn tell(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse_rfc3339(text).ok_or("expected a time such as 2024-05-06T08:00:00Z")
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
    fn the_served_demo_lets_only_its_account_in_and_has_stale_runs_within_the_day() {
        let command = Demo {
            jobs: None,
            days: 1,
            seed: 1,
            jobs_a_minute: 4,
            receiver_listen: None,
            dashboard_listen: None,
            into: None,
            no_serve: false,
            ends_at: None,
        };
        let config = command.config(PathBuf::from("demo.db")).unwrap();
        assert!(config.is_try);
        assert_eq!(config.sources.len(), 1);
        assert_eq!(config.sources[0].owners, [OWNER]);
        assert_eq!(config.workflows.len(), 3);
        let day_ms = 24 * 60 * 60 * 1_000;
        assert!(
            config
                .workflows
                .iter()
                .all(|rule| rule.stale_after_ms < day_ms)
        );
    }

    #[test]
    fn a_time_that_is_none_says_what_one_looks_like() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(Timestamp(1_000)));
        assert!(parse_time("yesterday").unwrap_err().contains("such as"));
    }
}
