//! File, environment and flags, merged into one checked [`Config`].
//!
//! Flags win over the environment, the environment over the file, the file over the defaults; no
//! file is needed. A key that does not exist is an error that names the nearest one that does, and
//! a value that cannot be is an error that names the key, the value and what would be right: a
//! receiver that starts with half of its configuration loses pushes quietly.
//!
//! Nothing below this module reads the environment; `app` hands each part its own options.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use chrono_tz::Tz;
use thiserror::Error;
use toml::{Table, Value};

use crate::signature::urls::UrlPattern;
use crate::store::options::{QueueRule, SourceRule, WorkflowRule};
use crate::store::retention::kept::Retention;

mod check;
mod retention;
mod tables;

/// The file that is read if it is there and none is named.
pub const DEFAULT_FILE: &str = "mpsink.toml";

/// The default of `database`.
pub const DEFAULT_DATABASE: &str = "mpsink.db";

/// The database of `serve --try`.
pub const TRY_DATABASE: &str = "mpsink-try.db";

/// Every key there is. Scalars outside of lists can be set by environment as well:
/// `receiver.listen` by `MPSINK_RECEIVER_LISTEN`.
const KEYS: &[&str] = &[
    "database",
    "receiver.listen",
    "receiver.public_url",
    "source.name",
    "source.paths",
    "source.owners",
    "source.topics",
    "source.region",
    "source.queue",
    "queue.name",
    "queue.topics",
    "queue.region",
    "queue.pipeline_id",
    "workflow.id",
    "workflow.name",
    "workflow.stale_after",
    "verify.certificate_urls",
    "verify.date_window",
    "verify.proxy",
    "dashboard.listen",
    "dashboard.timezone",
    "retention.messages",
    "retention.history",
];

/// The sections that come in double brackets, once or more.
const LISTS: &[&str] = &["source", "queue", "workflow"];

/// The keys of [`KEYS`] that the environment can set.
const ENVIRONMENT_KEYS: &[&str] = &[
    "database",
    "receiver.listen",
    "receiver.public_url",
    "verify.date_window",
    "verify.proxy",
    "dashboard.listen",
    "dashboard.timezone",
    "retention.messages",
    "retention.history",
];

/// The configuration, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub database: PathBuf,
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
    pub dashboard_listen: SocketAddr,
    /// The zone of the times on pages, for viewers who have chosen none.
    pub timezone: Tz,
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

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no TOML", path = path.display())]
    Syntax {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("`{key}` is no key of the configuration; the nearest is `{nearest}`")]
    UnknownKey { key: String, nearest: String },
    #[error("`{key}` is a table in {expected} brackets")]
    Brackets { key: String, expected: &'static str },
    /// Its values are not shown: a source's paths are secrets.
    #[error("a `[[{key}]]` table has a value of the wrong kind")]
    Table {
        key: String,
        source: toml::de::Error,
    },
    #[error("`{key}` is {value}, but must be {expected}")]
    Value {
        key: String,
        value: String,
        expected: &'static str,
    },
}

impl Config {
    /// Reads the file, the process's environment and the flags.
    pub fn load(flags: Flags) -> Result<Config, ConfigError> {
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
            Err(source) => return Err(ConfigError::Read { path: file, source }),
        };
        Config::from_parts(table, environment, flags)
    }

    /// Merges what was read. Apart from [`Config::load`] so that a test can say it all.
    pub fn from_parts(
        mut table: Table,
        environment: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Config, ConfigError> {
        check_keys(&table)?;
        for (name, value) in environment {
            if let Some(key) = environment_key(&name)? {
                set(&mut table, key, value);
            }
        }
        let is_try = flags.is_try;
        for (key, value) in [
            ("database", flags.database.as_deref().map(path_text)),
            ("receiver.listen", flags.receiver_listen),
            ("receiver.public_url", flags.public_url),
            ("dashboard.listen", flags.dashboard_listen),
        ] {
            if let Some(value) = value {
                set(&mut table, key, value);
            }
        }
        check::check(&table, is_try)
    }
}

fn parse_table(text: &str, path: &Path) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source,
    })
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Refuses the first key that is none.
fn check_keys(table: &Table) -> Result<(), ConfigError> {
    for (section, value) in table {
        let is_list = LISTS.contains(&section.as_str());
        let inner: Vec<&Table> = match value {
            Value::Table(inner) if !is_list => vec![inner],
            Value::Array(list) if is_list => list.iter().filter_map(Value::as_table).collect(),
            _ => Vec::new(),
        };
        let prefix = format!("{section}.");
        let is_section = KEYS.iter().any(|key| key.starts_with(&prefix));
        let is_right_kind = if is_list {
            value.is_array()
        } else {
            value.is_table()
        };
        if is_section && !is_right_kind {
            return Err(ConfigError::Brackets {
                key: section.clone(),
                expected: if is_list { "double" } else { "single" },
            });
        }
        if !is_section && !KEYS.contains(&section.as_str()) {
            return Err(unknown(section.clone()));
        }
        for key in inner.iter().flat_map(|inner| inner.keys()) {
            let key = format!("{section}.{key}");
            if !KEYS.contains(&key.as_str()) {
                return Err(unknown(key));
            }
        }
    }
    Ok(())
}

fn unknown(key: String) -> ConfigError {
    let nearest = KEYS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
    ConfigError::UnknownKey {
        nearest: nearest.copied().unwrap_or_default().to_owned(),
        key,
    }
}

/// Returns the key that an environment variable sets; `None` if it is not for us.
fn environment_key(name: &str) -> Result<Option<&'static str>, ConfigError> {
    if !name.starts_with("MPSINK_") {
        return Ok(None);
    }
    let variable = |key: &str| format!("MPSINK_{}", key.replace('.', "_").to_uppercase());
    if let Some(key) = ENVIRONMENT_KEYS.iter().find(|key| variable(key) == name) {
        return Ok(Some(key));
    }
    let nearest = ENVIRONMENT_KEYS
        .iter()
        .map(|key| variable(key))
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    Err(ConfigError::UnknownKey {
        key: name.to_owned(),
        nearest: nearest.unwrap_or_default(),
    })
}

fn set(table: &mut Table, key: &str, value: String) {
    let value = Value::String(value);
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, key)) => {
            let section = table
                .entry(section.to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        let table = parse_table(text, Path::new("mpsink.toml"))?;
        Config::from_parts(table, std::iter::empty(), Flags::default())
    }

    fn error(text: &str) -> String {
        config(text).unwrap_err().to_string()
    }

    #[test]
    fn nothing_needs_to_be_configured() {
        let config = config("").unwrap();
        assert_eq!(config.receiver_listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.dashboard_listen.to_string(), "127.0.0.1:8081");
        assert_eq!(config.database, PathBuf::from("mpsink.db"));
        assert_eq!(config.sources.len(), 1);
        assert_eq!(config.date_window_ms, 900_000);
    }

    #[test]
    fn the_example_lists_every_key_with_its_default() {
        let text = include_str!("../../config.example.toml");
        // Tables that would change something are shown behind `#`; a key is a line `key = value`.
        let lines = text.lines().map(|line| {
            let uncommented = line.strip_prefix("# ");
            uncommented
                .filter(|rest| is_key_or_table(rest))
                .unwrap_or(line)
        });
        let uncommented = lines.collect::<Vec<_>>().join("\n");
        let whole = parse_table(&uncommented, Path::new("config.example.toml")).unwrap();
        check_keys(&whole).unwrap();
        for key in KEYS {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let found = match (section, whole.get(section)) {
                ("", _) => whole.contains_key(name),
                (_, Some(Value::Table(inner))) => inner.contains_key(name),
                (_, Some(Value::Array(list))) => list
                    .iter()
                    .any(|inner| inner.as_table().unwrap().contains_key(name)),
                _ => false,
            };
            assert!(found, "config.example.toml does not list `{key}`");
        }
        assert_eq!(config(text).unwrap(), config("").unwrap());
    }

    fn is_key_or_table(line: &str) -> bool {
        let key = line.split(" = ").next().unwrap_or_default();
        let is_key = line.contains(" = ")
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_key || line.starts_with("[[")
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        assert_eq!(
            error("[receiver]\nlisten_on = \"x\""),
            "`receiver.listen_on` is no key of the configuration; the nearest is `receiver.listen`"
        );
        assert_eq!(
            error("databse = \"x\""),
            "`databse` is no key of the configuration; the nearest is `database`"
        );
        let environment = [("MPSINK_DATABSE".to_owned(), "x".to_owned())];
        let result = Config::from_parts(Table::new(), environment.into_iter(), Flags::default());
        assert_eq!(
            result.unwrap_err().to_string(),
            "`MPSINK_DATABSE` is no key of the configuration; the nearest is `MPSINK_DATABASE`"
        );
    }

    #[test]
    fn a_wrong_value_names_key_value_and_what_would_be_right() {
        let cases = [
            ("database = 3", "`database` is `3`, but must be a string"),
            (
                "[receiver]\nlisten = \"8080\"",
                "`receiver.listen` is `8080`",
            ),
            (
                "[receiver]\npublic_url = \"mps.example.com\"",
                "such as https://mps.example.com",
            ),
            (
                "[dashboard]\nlisten = \"0.0.0.0:8081\"",
                "the dashboard has no login yet",
            ),
            ("[verify]\ndate_window = \"15\"", "such as 90s, 15m or 1h"),
            ("[verify]\ndate_window = \"25h\"", "a time up to 24h"),
            ("[verify]\ncertificate_urls = []", "a list of URLs"),
            ("[verify]\ncertificate_urls = [\"ftp://x/\"]", "`ftp://x/`"),
            (
                "[verify]\nproxy = \"proxy\"",
                "such as http://proxy.example.com",
            ),
            (
                "[[source]]\npaths = [\"no slash\"]",
                "a path as SMQ sends it",
            ),
            (
                "[[source]]\npaths = [\"/a\"]\n[[source]]\npaths = [\"/b\"]",
                "two sources",
            ),
            (
                "[[source]]\nname = \"a\"\npaths = [\"/a\"]\n[[source]]\nname = \"b\"\npaths = [\"/a\"]",
                "a path of one source only",
            ),
            ("[[receiver]]\nlisten = \"127.0.0.1:0\"", "single brackets"),
            ("[source]\npaths = [\"/a\"]", "double brackets"),
            ("receiver = 3", "single brackets"),
            ("[[source]]\nowners = [123]", "value of the wrong kind"),
            ("[[source]]\nowners = [\"123 \"]", "an account id"),
            (
                "[[source]]\npaths = [\"/a\", \"/a\"]",
                "a path of one source only",
            ),
            ("[[queue]]\ntopics = [\"t\"]", "`queue.name`"),
            ("[[queue]]\nname = \"q\"", "`queue.topics`"),
            ("[[workflow]]\nname = \"w\"", "`workflow.id`"),
            (
                "[[workflow]]\nid = \"w\"\n[[workflow]]\nid = \"w\"",
                "another one for each workflow",
            ),
            (
                "[[workflow]]\nid = \"w\"\nstale_after = \"soon\"",
                "`workflow.stale_after` is `soon`",
            ),
        ];
        for (text, expected) in cases {
            let error = error(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_the_file() {
        let table = parse_table(
            "database = \"file\"\n[verify]\nproxy = \"http://file\"",
            Path::new("x"),
        );
        let environment = [
            ("MPSINK_DATABASE".to_owned(), "environment".to_owned()),
            (
                "MPSINK_VERIFY_PROXY".to_owned(),
                "http://environment".to_owned(),
            ),
            ("HOME".to_owned(), "/".to_owned()),
        ];
        let flags = Flags {
            database: Some(PathBuf::from("flag")),
            ..Flags::default()
        };
        let config = Config::from_parts(table.unwrap(), environment.into_iter(), flags).unwrap();
        assert_eq!(config.database, PathBuf::from("flag"));
        assert_eq!(config.proxy.as_deref(), Some("http://environment"));
    }

    #[test]
    fn what_is_secret_is_in_no_error() {
        let cases = [
            "[[source]]\npaths = [\"/notifications/secret word\"]",
            "[[source]]\npaths = [\"/notifications/secret\"]\nowners = [1]",
            "[[source]]\nname = \"a\"\npaths = [\"/x/secret\"]\n\
             [[source]]\nname = \"b\"\npaths = [\"/x/secret\"]",
            "[verify]\nproxy = \"user:secret@proxy\"",
        ];
        for text in cases {
            let error = config(text).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let shown = format!("{error} {}", cause.unwrap_or_default());
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn the_dashboard_and_the_receiver_share_an_address_only_when_trying() {
        let flags = |is_try| Flags {
            is_try,
            receiver_listen: Some("127.0.0.1:8080".to_owned()),
            dashboard_listen: Some("127.0.0.1:8080".to_owned()),
            ..Flags::default()
        };
        let load = |is_try| Config::from_parts(Table::new(), std::iter::empty(), flags(is_try));
        assert!(load(true).is_ok());
        let error = load(false).unwrap_err().to_string();
        assert!(
            error.contains("another address than the receiver"),
            "{error}"
        );
    }

    #[test]
    fn trying_binds_to_loopback_only() {
        let flags = Flags {
            is_try: true,
            receiver_listen: Some("0.0.0.0:0".to_owned()),
            ..Flags::default()
        };
        let result = Config::from_parts(Table::new(), std::iter::empty(), flags);
        assert!(result.unwrap_err().to_string().contains("with --try"));
    }
}
