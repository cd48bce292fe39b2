//! Every key there is, with its default: the one place to add one.
//!
//! A new key is a line in [`KEYS`], a field of `Config` with its check in `check.rs`, and its lines in
//! `config.example.toml`, which a test holds against this list.

use crate::config::{ConfigError, DEFAULT_DATABASE, TRY_DATABASE};
use crate::signature::DEFAULT_CERTIFICATE_URLS;

/// What the names of environment variables begin with.
const PREFIX: &str = "MPSINK_";

/// What the name of a variable ends with that names a file with the value, as Docker and systemd
/// hand secrets over.
const FILE_SUFFIX: &str = "_FILE";

/// One key of the configuration.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// With its section: `receiver.listen`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Shown as `•••`.
    pub(super) is_secret: bool,
}

/// What a key's value looks like. All but [`Kind::InList`] can be set by environment.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A string; the default may be another one with `--try`.
    Text(fn(is_try: bool) -> &'static str),
    /// A list of strings; in the environment separated by commas or white space.
    Texts(&'static [&'static str]),
    /// A table of strings, by default empty; in the environment `name=value`, separated by white
    /// space.
    Pairs,
    /// Whatever stands in a table of double brackets, which `tables.rs` reads.
    InList,
}

pub(super) const KEYS: &[Key] = &[
    text("database", |is_try| {
        if is_try {
            TRY_DATABASE
        } else {
            DEFAULT_DATABASE
        }
    }),
    texts("trusted_proxies", &[]),
    text("receiver.listen", |is_try| {
        // With --try nobody else gets in.
        if is_try {
            "127.0.0.1:8080"
        } else {
            "0.0.0.0:8080"
        }
    }),
    text("receiver.public_url", |_| ""),
    in_list("source.name"),
    secret(in_list("source.paths")),
    in_list("source.owners"),
    in_list("source.topics"),
    in_list("source.region"),
    in_list("source.queue"),
    in_list("queue.name"),
    in_list("queue.topics"),
    in_list("queue.region"),
    in_list("queue.pipeline_id"),
    in_list("workflow.id"),
    in_list("workflow.name"),
    in_list("workflow.stale_after"),
    texts("verify.certificate_urls", &DEFAULT_CERTIFICATE_URLS),
    text("verify.date_window", |_| "15m"),
    // It may hold a password.
    secret(text("verify.proxy", |_| "")),
    text("dashboard.listen", |_| "127.0.0.1:8081"),
    text("dashboard.base_path", |_| "/"),
    secret(pairs("dashboard.users")),
    secret(texts("dashboard.tokens", &[])),
    text("dashboard.timezone", |_| "UTC"),
    text("log.format", |_| "text"),
    text("log.level", |_| "info"),
    text("retention.messages", |_| "90d"),
    text("retention.history", |_| "forever"),
];

const fn text(name: &'static str, default: fn(bool) -> &'static str) -> Key {
    key(name, Kind::Text(default))
}

const fn texts(name: &'static str, default: &'static [&'static str]) -> Key {
    key(name, Kind::Texts(default))
}

const fn pairs(name: &'static str) -> Key {
    key(name, Kind::Pairs)
}

const fn in_list(name: &'static str) -> Key {
    key(name, Kind::InList)
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        is_secret: false,
    }
}

const fn secret(key: Key) -> Key {
    Key {
        is_secret: true,
        ..key
    }
}

impl Key {
    /// Returns its section, or nothing, and its name in there.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// Tells whether it stands in tables of double brackets.
    pub(super) fn is_in_list(&self) -> bool {
        matches!(self.kind, Kind::InList)
    }

    /// Returns the environment variable that sets it: `MPSINK_RECEIVER_LISTEN`.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('.', "_"))
    }
}

/// Returns the key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// A variable of ours.
pub(super) struct Variable {
    pub(super) key: &'static Key,
    /// Its value is the path of a file that holds the value of the key.
    pub(super) is_file: bool,
}

/// Returns what a variable sets; nothing if it is none of ours.
pub(super) fn variable(name: &str) -> Result<Option<Variable>, ConfigError> {
    if !name.starts_with(PREFIX) {
        return Ok(None);
    }
    let is_named = |name: &str| {
        let mut keys = KEYS.iter().filter(|key| !key.is_in_list());
        keys.find(|key| key.variable() == name)
    };
    if let Some(key) = is_named(name) {
        return Ok(Some(Variable {
            key,
            is_file: false,
        }));
    }
    if let Some(key) = name.strip_suffix(FILE_SUFFIX).and_then(is_named) {
        return Ok(Some(Variable { key, is_file: true }));
    }
    let names = KEYS.iter().filter(|key| !key.is_in_list());
    Err(unknown(name, names.map(Key::variable)))
}

/// Names the one of `known` that a wrong name is nearest to.
pub(super) fn unknown(name: &str, known: impl Iterator<Item = String>) -> ConfigError {
    let nearness = |known: &String| strsim::jaro_winkler(known, name);
    let nearest = known.max_by(|a, b| nearness(a).total_cmp(&nearness(b)));
    ConfigError::UnknownKey {
        key: name.to_owned(),
        nearest: nearest.unwrap_or_default(),
    }
}
