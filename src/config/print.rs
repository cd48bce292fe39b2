//! The configuration as it counts, as TOML with where each value came from.
//!
//! Secrets are `•••`, so that it can be shown to others. It is what was read, not what was checked:
//! a wrong value stands there as it is.

use std::fmt::Write;

use toml::{Table, Value};

use crate::config::keys::{KEYS, Key};
use crate::config::merged::Merged;

/// What stands for a secret.
const HIDDEN: &str = "•••";

/// Writes everything down.
pub(super) fn text(merged: &Merged) -> String {
    let mut text = String::new();
    let mut section_before = "";
    for key in KEYS.iter().filter(|key| !key.is_in_list()) {
        let (section, name) = key.parts();
        if section != section_before {
            let _ = writeln!(text, "\n[{section}]");
            section_before = section;
        }
        if let Some(value) = merged.find(key.name) {
            write_line(&mut text, merged, key, name, value);
        }
    }
    for (section, value) in &merged.table {
        let tables = value.as_array().into_iter().flatten();
        for table in tables.filter_map(Value::as_table) {
            write_table(&mut text, merged, section, table);
        }
    }
    text
}

/// Writes one table of a list; what it does not say has no value.
fn write_table(text: &mut String, merged: &Merged, section: &str, table: &Table) {
    let keys = || KEYS.iter().filter(|key| key.parts().0 == section);
    if keys().next().is_none() {
        return;
    }
    let _ = writeln!(text, "\n[[{section}]]");
    for key in keys() {
        if let Some(value) = table.get(key.parts().1) {
            write_line(text, merged, key, key.parts().1, value);
        }
    }
}

fn write_line(text: &mut String, merged: &Merged, key: &Key, name: &str, value: &Value) {
    let shown = if key.is_secret {
        hidden(value)
    } else {
        value.clone()
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name} = {shown}  # {}", merged.origin(key.name));
}

/// Hides what is said, and leaves how much is said, and for whom.
fn hidden(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => value.clone(),
        Value::Array(list) => Value::Array(list.iter().map(hidden).collect()),
        Value::Table(table) => {
            let pairs = table.iter();
            Value::Table(
                pairs
                    .map(|(name, value)| (name.clone(), hidden(value)))
                    .collect(),
            )
        }
        _ => Value::String(HIDDEN.to_owned()),
    }
}
