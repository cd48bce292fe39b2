//! The command line: one file a command, and what they have in common.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. What a person asked for goes to standard output;
//! logs and errors go to standard error, an error as one line for each cause. Whoever closes the pipe
//! has read enough: the command goes on to its end, and ends as it would have.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::config::{Config, Flags};
use crate::store::lock;

mod admit;
mod backup;
mod config;
mod demo;
mod doctor;
mod export;
mod healthcheck;
mod import;
mod logging;
mod output;
mod prune;
mod push;
mod rebuild;
mod restore;
mod serve;
mod told;
mod verify;

/// Receives what ApsaraVideo Media Processing says through SMQ: verified, once, on disk, on a page.
#[derive(Parser)]
#[command(name = "mpsink", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the receiver and the dashboard.
    Serve(serve::Serve),
    /// Build, sign and send test pushes.
    Push(push::Push),
    /// Check a captured push, and say what would have to differ.
    Verify(verify::Verify),
    /// Look at the configuration, and make what goes into it.
    Config(config::ConfigCommand),
    /// Bring held pushes in.
    Admit(admit::Admit),
    /// Show a made-up platform at work: a day of pushes, then some more each minute.
    Demo(demo::Demo),
    /// Take a list out, whole: CSV, JSON lines, JSON, `CloudEvents`.
    Export(Box<export::Export>),
    /// Ask the running server whether it is ready: exit code 0 or 1, and one line.
    Healthcheck(healthcheck::Healthcheck),
    /// Bring another sink's deliveries in, so that two make one history.
    Import(import::Import),
    /// Read every message that is kept again, and fold everything again.
    Rebuild(rebuild::Rebuild),
    /// Copy the database into one file, while a server runs or while none does.
    Backup(backup::Backup),
    /// Make a backup the database, and set the old one aside.
    Restore(restore::Restore),
    /// Look at everything that keeps a server going, and say what to do.
    Doctor(doctor::Doctor),
    /// Take away what is older than it is to be kept, or say what would go.
    Prune(prune::Prune),
}

/// Where the configuration comes from.
#[derive(Args, Default)]
struct Common {
    /// The configuration file [default: mpsink.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database file [default: mpsink.db; where there is --try, with it mpsink-try.db]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

impl Common {
    fn flags(&self) -> Flags {
        Flags {
            file: self.config.clone(),
            database: self.database.clone(),
            ..Flags::default()
        }
    }

    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.flags())?)
    }
}

/// Something that was asked for could not be written, for another reason than that nobody reads it.
static IS_UNSAID: AtomicBool = AtomicBool::new(false);

/// Runs the command that the process was given.
pub fn run() -> ExitCode {
    // Prints help, version or what is wrong with the arguments, and ends with 0 or 2.
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(command) => serve::run(&command),
        Command::Push(command) => push::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Admit(command) => admit::run(&command),
        Command::Demo(command) => demo::run(&command),
        Command::Export(command) => export::run(&command),
        Command::Healthcheck(command) => healthcheck::run(&command),
        Command::Import(command) => import::run(&command),
        Command::Rebuild(command) => rebuild::run(&command),
        Command::Backup(command) => backup::run(&command),
        Command::Restore(command) => restore::run(&command),
        Command::Doctor(command) => doctor::run(&command),
        Command::Prune(command) => prune::run(&command),
    };
    match result {
        Ok(_) if IS_UNSAID.load(Ordering::Relaxed) => ExitCode::FAILURE,
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells a person something beside what was asked for. Where that cannot be written, nobody can be
/// told so.
fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn complain(error: &anyhow::Error) {
    // Several things that are wrong with the configuration are a line each.
    for line in error.to_string().lines() {
        note(&format!("mpsink: {line}"));
    }
    for cause in error.chain().skip(1) {
        note(&format!("  because: {cause}"));
    }
}

/// Prints a line that a person asked for.
fn say(line: &str) {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            // Once is enough, however many lines there are.
            if !IS_UNSAID.swap(true, Ordering::Relaxed) {
                note(&format!("mpsink: cannot write to standard output: {error}"));
            }
        }
        Ok(()) | Err(_) => {}
    }
}

/// Asks the server that runs on `database` to do something, and returns its answer.
fn ask_running_server(config: &Config, path: &str) -> anyhow::Result<(u16, Value)> {
    let database = config.database.display();
    let Some(running) = lock::running(&config.database) else {
        bail!("no server is running on {database}; start it with `mpsink serve`");
    };
    let agent = http_agent();
    let mut response = agent
        .post(format!("{}{path}", running.dashboard))
        .header("authorization", format!("Bearer {}", running.key))
        .header("accept", "application/json")
        .send_empty()?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string()?;
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((status, answer))
}

/// Returns what commands talk HTTP with: no proxy, no redirects, every status an answer, all of it
/// within 30 s.
fn http_agent() -> ureq::Agent {
    http_agent_with(|config| config.timeout_global(Some(Duration::from_secs(30))))
}

/// The same with a time that the caller knows.
fn http_agent_with(timeout: impl FnOnce(AgentConfig) -> AgentConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None);
    timeout(config).build().into()
}

type AgentConfig = ConfigBuilder<AgentScope>;
