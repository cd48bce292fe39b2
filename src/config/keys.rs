//! Every key there is, with its default: the one place to add one.
//!
//! A new key is a line in [`KEYS`], a field of `Config` with its check in `check.rs`, and its lines in
//! `config.example.toml`, which a test holds against this list.

use crate::config::{ConfigError, DEFAULT_DATABASE, Hint, TRY_DATABASE};
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
    in_list("source.retry_policy"),
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

    /// Returns the table it belongs to, as a person writes it.
    fn place(&self) -> String {
        match self.parts().0 {
            "" => "the lines above all tables".to_owned(),
            section if self.is_in_list() => format!("`[[{section}]]`"),
            section => format!("`[{section}]`"),
        }
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
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    let bare = bare.strip_suffix(FILE_SUFFIX).unwrap_or(bare);
    let variables = || KEYS.iter().filter(|key| !key.is_in_list());
    if let Some(key) = KEYS.iter().find(|key| key.variable() == name) {
        let in_file = format!("{} in the file", key.place());
        return Err(unknown(name.to_owned(), Hint::Elsewhere(vec![in_file])));
    }
    // `MPSINK_LISTEN`: the section is missing.
    let lacks_section = |key: &&Key| key.parts().1.to_uppercase() == bare;
    let whole: Vec<String> = variables()
        .filter(lacks_section)
        .map(Key::variable)
        .collect();
    let names = variables().map(|key| key.variable().split_off(PREFIX.len()));
    let hint = match nearest(bare, names) {
        Some(nearest) => Hint::Nearest(format!("{PREFIX}{nearest}")),
        None if whole.is_empty() => Hint::None,
        None => Hint::Whole(whole),
    };
    Err(unknown(name.to_owned(), hint))
}

/// What to say of a table, or of a key above all tables, that is none.
pub(super) fn unknown_at_top(name: &str) -> ConfigError {
    let at_top = KEYS.iter().map(|key| match key.parts() {
        ("", name) => name,
        (section, _) => section,
    });
    unknown(name.to_owned(), hint(name, at_top.map(str::to_owned)))
}

/// What to say of a key that its table does not have.
pub(super) fn unknown_in(section: &str, name: &str) -> ConfigError {
    let in_it = KEYS.iter().filter(|key| key.parts().0 == section);
    let found = match hint(name, in_it.map(|key| key.parts().1.to_owned())) {
        Hint::Nearest(nearest) => Hint::Nearest(format!("{section}.{nearest}")),
        other => other,
    };
    unknown(format!("{section}.{name}"), found)
}

fn unknown(key: String, hint: Hint) -> ConfigError {
    ConfigError::UnknownKey { key, hint }
}

/// Names where a key of that very name belongs, else the nearest of `known`.
fn hint(name: &str, known: impl Iterator<Item = String>) -> Hint {
    let same = KEYS.iter().filter(|key| key.parts().1 == name);
    let places: Vec<String> = same.map(Key::place).collect();
    if !places.is_empty() {
        return Hint::Elsewhere(places);
    }
    nearest(name, known).map_or(Hint::None, Hint::Nearest)
}

/// Returns the one of `known` that a slip of the finger would make of `name`: at most a third of it
/// differs, since anything farther would only mislead.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let steps = |known: &String| strsim::damerau_levenshtein(known, name);
    let steps_max = (name.chars().count() / 3).max(1);
    known
        .filter(|known| steps(known) <= steps_max)
        .min_by_key(steps)
}
