//! File, environment and flags, merged into one checked [`Config`].
//!
//! Flags win over the environment, the environment over the file, the file over the defaults; no
//! file is needed. A key that does not exist is an error that names the nearest one that does, and
//! a value that cannot be is an error that names the key, the value and what would be right: a
//! receiver that starts with half of its configuration loses pushes quietly. All errors are told at
//! once.
//!
//! Every key but those of tables in double brackets can be set by environment: `receiver.listen` by
//! `MPSINK_RECEIVER_LISTEN`, or by a file that `MPSINK_RECEIVER_LISTEN_FILE` names, which is how
//! Docker and systemd hand secrets over.
//!
//! Nothing below this module reads the environment; `app` hands each part its own options.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io, mem};

use chrono_tz::Tz;
use thiserror::Error;
use toml::Table;

use crate::config::log::LogOptions;
use crate::config::merged::Merged;
use crate::signature::urls::UrlPattern;
use crate::store::options::{QueueRule, SourceRule, WorkflowRule};
use crate::store::retention::kept::Retention;
use crate::web::access::AccessOptions;
use crate::web::base_path::BasePath;
use crate::web::proxies::TrustedProxies;

pub mod log;

mod check;
mod keys;
mod login;
mod merged;
mod print;
mod retention;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_mistakes;

/// The file that is read if it is there and none is named.
pub const DEFAULT_FILE: &str = "mpsink.toml";

/// The default of `database`.
pub const DEFAULT_DATABASE: &str = "mpsink.db";

/// The database of `serve --try`.
pub const TRY_DATABASE: &str = "mpsink-try.db";

/// The configuration, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub database: PathBuf,
    /// Whose word about a request's sender counts, at both listeners.
    pub trusted_proxies: TrustedProxies,
    pub receiver_listen: SocketAddr,
    /// The receiver's base URL as SMQ sees it, without a slash at its end; `None` if not known.
    pub public_url: Option<String>,
    /// At least one.
    pub sources: Vec<SourceRule>,
    pub queues: Vec<QueueRule>,
    pub workflows: Vec<WorkflowRule>,
    pub certificate_urls: Vec<UrlPattern>,
    pub date_window_ms: i64,
    pub proxy: Option<String>,
    /// A loopback address, and another one than the receiver's, unless there is a login.
    pub dashboard_listen: SocketAddr,
    /// What the dashboard's addresses begin with.
    pub base_path: BasePath,
    /// Who may log in to the dashboard; if nobody may, it answers this machine alone.
    pub access: AccessOptions,
    /// The zone of the times on pages, for viewers who have chosen none.
    pub timezone: Tz,
    pub log: LogOptions,
    pub retention: Retention,
    /// `serve --try`: loopback only, the test key is trusted, a database of its own.
    pub is_try: bool,
}

/// What the command line says; it wins over everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file to read; it must be there then.
    pub file: Option<PathBuf>,
    pub database: Option<PathBuf>,
    pub receiver_listen: Option<String>,
    pub dashboard_listen: Option<String>,
    pub public_url: Option<String>,
    pub is_try: bool,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The line itself is not shown: it may hold a secret.
    #[error("{path} is no TOML: line {line}: {message}", path = path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("`{key}` is no key of the configuration{hint}")]
    UnknownKey { key: String, hint: Hint },
    #[error("`{key}` is a table in {expected} brackets")]
    Brackets { key: String, expected: &'static str },
    #[error("`{one}` and `{other}` set the same key; give one of them")]
    SetTwice { one: String, other: String },
    #[error("`{key}` is {value}, but must be {expected}")]
    Value {
        key: String,
        value: String,
        expected: &'static str,
    },
}

/// What may have been meant by a key that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A slip of the finger away.
    Nearest(String),
    /// A key of this name is there, in these tables.
    Elsewhere(Vec<String>),
    /// Variables that it may be the end of.
    Whole(Vec<String>),
    /// Nothing comes to mind.
    None,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Nearest(nearest) => write!(f, "; the nearest is `{nearest}`"),
            Hint::Elsewhere(places) => write!(f, "; it belongs to {}", places.join(" or ")),
            Hint::Whole(names) => write!(f, "; write `{}`", names.join("` or `")),
            Hint::None => Ok(()),
        }
    }
}

/// Why there is no configuration: one thing or more, a line each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
            // The cause of a single one is told behind it.
            if let Some(cause) = error.source().filter(|_| self.0.len() > 1) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.0.as_slice() {
            [only] => only.source(),
            _ => None,
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}

impl Config {
    /// Reads the file, the process's environment and the flags.
    pub fn load(flags: Flags) -> Result<Config, ConfigErrors> {
        check::check(read(flags)?)
    }

    /// Merges what was read. Apart from [`Config::load`] so that a test can say it all.
    pub fn from_parts(
        table: Table,
        environment: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Config, ConfigErrors> {
        check::check(Merged::new(table, environment, flags))
    }

    /// The same with what listens where other sockets do, by the same rules; `None` leaves an address
    /// as it is.
    pub fn listening_at(
        &self,
        receiver: Option<SocketAddr>,
        dashboard: Option<SocketAddr>,
    ) -> Result<Config, ConfigError> {
        let config = Config {
            receiver_listen: receiver.unwrap_or(self.receiver_listen),
            dashboard_listen: dashboard.unwrap_or(self.dashboard_listen),
            ..self.clone()
        };
        check::check_addresses(&config)?;
        Ok(config)
    }
}

/// Reads the same as [`Config::load`], and returns it as TOML with where each value came from. What
/// is secret is hidden; that each key is one is checked, and no value.
pub fn printed(flags: Flags) -> Result<String, ConfigErrors> {
    let mut merged = read(flags)?;
    match mem::take(&mut merged.problems) {
        problems if problems.is_empty() => Ok(print::text(&merged)),
        problems => Err(ConfigErrors(problems)),
    }
}

fn read(flags: Flags) -> Result<Merged, ConfigErrors> {
    let environment = env::vars_os().filter_map(|(name, value)| {
        // A value that is no UTF-8 cannot be right; shown with replacements in the error.
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let (file, must_exist) = match &flags.file {
        Some(file) => (file.clone(), true),
        None => (PathBuf::from(DEFAULT_FILE), false),
    };
    let table = match fs::read_to_string(&file) {
        Ok(text) => parse_table(&text, &file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Table::new(),
        Err(source) => return Err(ConfigError::Read { path: file, source }.into()),
    };
    Ok(Merged::new(table, environment, flags))
}

fn parse_table(text: &str, path: &Path) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        ConfigError::Syntax {
            path: path.to_owned(),
            line: before.map_or(0, |before| before.matches('\n').count()) + 1,
            message: error.message().to_owned(),
        }
    })
}
