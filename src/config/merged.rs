//! What file, environment and flags say together, before anybody asks whether it is right.
//!
//! Every key of `keys.rs` but those in lists has a value here, with where it came from, so that
//! checking and printing read the same. What is no key, or cannot be read, is noted and left out, so
//! that the values beside it are checked all the same.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::keys::{self, KEYS, Kind};
use crate::config::{ConfigError, DEFAULT_FILE, Flags};

/// The most bytes of a file that an environment variable names: lists of users and tokens.
const VALUE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// All values, and where they came from.
pub(super) struct Merged {
    pub(super) table: Table,
    pub(super) is_try: bool,
    /// What is no key, stands in the wrong brackets, or cannot be read.
    pub(super) problems: Vec<ConfigError>,
    origins: BTreeMap<&'static str, Origin>,
    /// The file that is read.
    file: PathBuf,
}

impl Merged {
    /// Lays the environment over the file, the flags over both, and the defaults below all.
    pub(super) fn new(
        mut table: Table,
        environment: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Merged {
        let problems = take_wrong(&mut table);
        let file = flags.file.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let mut merged = Merged {
            table,
            is_try: flags.is_try,
            problems,
            origins: BTreeMap::new(),
            file,
        };
        for (name, value) in environment {
            if let Err(problem) = merged.set_from_environment(name, value) {
                merged.problems.push(problem);
            }
        }
        let database = flags
            .database
            .map(|path| path.to_string_lossy().into_owned());
        for (key, flag, value) in [
            ("database", "--database", database),
            (
                "receiver.listen",
                "--receiver-listen",
                flags.receiver_listen,
            ),
            ("receiver.public_url", "--public-url", flags.public_url),
            (
                "dashboard.listen",
                "--dashboard-listen",
                flags.dashboard_listen,
            ),
        ] {
            if let Some(value) = value {
                merged.set(key, Value::String(value));
                merged.origins.insert(key, Origin::Flag(flag));
            }
        }
        for key in KEYS {
            let default = match key.kind {
                Kind::Text(default) => Value::String(default(merged.is_try).to_owned()),
                Kind::Texts(default) => list_of(default.iter().copied()),
                Kind::Pairs => Value::Table(Table::new()),
                Kind::InList => continue,
            };
            if merged.find(key.name).is_none() {
                merged.set(key.name, default);
                merged.origins.insert(key.name, Origin::Default);
            }
        }
        merged
    }

    /// Returns the value of a key that is not in a list.
    pub(super) fn find(&self, key: &str) -> Option<&Value> {
        match key.split_once('.') {
            None => self.table.get(key),
            Some((section, key)) => self.table.get(section)?.as_table()?.get(key),
        }
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        let origin = self.origins.get(key).cloned();
        origin.unwrap_or_else(|| Origin::File(self.file.clone()))
    }

    fn set_from_environment(&mut self, name: String, value: String) -> Result<(), ConfigError> {
        let Some(variable) = keys::variable(&name)? else {
            return Ok(());
        };
        let key = variable.key;
        if let Some(Origin::Environment(other)) = self.origins.get(key.name) {
            return Err(ConfigError::SetTwice {
                one: other.clone(),
                other: name,
            });
        }
        let text = if variable.is_file {
            read(Path::new(&value))?
        } else {
            value
        };
        let separated = || text.split(|c: char| c == ',' || c.is_whitespace());
        let value = match key.kind {
            Kind::Texts(_) => list_of(separated().filter(|part| !part.is_empty())),
            Kind::Pairs => Value::Table(pairs(&name, &text)?),
            // A file ends with a line break, which is no part of its value.
            Kind::Text(_) | Kind::InList if variable.is_file => Value::String(text.trim().into()),
            Kind::Text(_) | Kind::InList => Value::String(text),
        };
        self.set(key.name, value);
        self.origins.insert(key.name, Origin::Environment(name));
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value) {
        let Some((section, key)) = key.split_once('.') else {
            self.table.insert(key.to_owned(), value);
            return;
        };
        let section = self.table.entry(section);
        let section = section.or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(key.to_owned(), value);
        }
    }
}

fn list_of<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(texts.map(Value::from).collect())
}

/// Reads `name=value` pairs, and lines of TOML, as `mpsink config hash-password` prints one for the
/// file. A wrong one is not shown: it may be a hash that lost its name.
fn pairs(variable: &str, text: &str) -> Result<Table, ConfigError> {
    let mut table = Table::new();
    let mut pairs = Vec::new();
    for line in text.lines() {
        let parsed = line.parse::<Table>().ok();
        let is_texts = |line: &Table| line.values().all(Value::is_str);
        match parsed.filter(is_texts) {
            Some(line) => table.extend(line),
            None => pairs.extend(line.split_whitespace()),
        }
    }
    for pair in pairs {
        let split = pair.split_once('=').filter(|(name, _)| !name.contains('$'));
        let Some((name, value)) = split else {
            return Err(ConfigError::Value {
                key: variable.to_owned(),
                value: "`•••`".to_owned(),
                expected: "name=hash, and white space between two of them, or lines as `mpsink config \
                           hash-password` prints them",
            });
        };
        table.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Ok(table)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > VALUE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other("it is longer than 1 MiB")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// Returns what of a file's tables and keys is none, and takes out tables in the wrong brackets: what
/// stands in them would be wrong a second time.
fn take_wrong(table: &mut Table) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    table.retain(|section, value| {
        let in_it: Vec<_> = KEYS.iter().filter(|key| key.parts().0 == section).collect();
        let Some(first) = in_it.first() else {
            if keys::find(section).is_none() {
                problems.push(keys::unknown_at_top(section));
            }
            return true;
        };
        let is_list = first.is_in_list();
        let inner: Option<Vec<&Table>> = match value {
            Value::Table(inner) if !is_list => Some(vec![inner]),
            Value::Array(list) if is_list => list.iter().map(Value::as_table).collect(),
            _ => None,
        };
        let Some(inner) = inner else {
            problems.push(ConfigError::Brackets {
                key: section.to_owned(),
                expected: if is_list { "double" } else { "single" },
            });
            return false;
        };
        for name in inner.iter().flat_map(|inner| inner.keys()) {
            if keys::find(&format!("{section}.{name}")).is_none() {
                problems.push(keys::unknown_in(section, name));
            }
        }
        true
    });
    problems
}
