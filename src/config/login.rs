//! Who may log in to the dashboard. What is wrong here is never shown, only whose it is: it may be a
//! password in the wrong place.

use toml::Value;

use crate::config::ConfigError;
use crate::config::check::{Problems, texts, wrong};
use crate::config::merged::Merged;
use crate::web::access::tokens::TokenDigest;
use crate::web::access::users::{User, UserError};

/// What stands for what is not shown.
const HIDDEN: &str = "•••";

/// Reads the table `dashboard.users`; each wrong one is a problem of its own.
pub(super) fn users(merged: &Merged, problems: &mut Problems) -> Vec<User> {
    let key = "dashboard.users";
    let expected = "a table of names and hashes, such as { anna = \"$argon2id$…\" }";
    match merged.find(key) {
        None => Vec::new(),
        Some(Value::Table(table)) => {
            problems.each(table.iter().map(|(name, hash)| user(key, name, hash)))
        }
        Some(_) => problems.or(Err(wrong(key, HIDDEN, expected)), Vec::new()),
    }
}

fn user(key: &str, name: &str, hash: &Value) -> Result<User, ConfigError> {
    User::new(name, hash.as_str().unwrap_or_default()).map_err(|error| {
        let key_of_user = format!("{key}.{name}");
        match error {
            UserError::Name => {
                let expected = "named without colons and white space, in at most 64 bytes";
                wrong(key, name, expected)
            }
            UserError::Hash => {
                let expected = "an argon2 hash, as `mpsink config hash-password` prints it";
                wrong(&key_of_user, HIDDEN, expected)
            }
            UserError::Cost => {
                let expected = "an argon2 hash of at most 256 MiB, 16 passes and 16 lanes, as \
                                `mpsink config hash-password` makes it";
                wrong(&key_of_user, HIDDEN, expected)
            }
        }
    })
}

/// Reads the list `dashboard.tokens`; each wrong one is a problem of its own.
pub(super) fn tokens(merged: &Merged, problems: &mut Problems) -> Vec<TokenDigest> {
    let key = "dashboard.tokens";
    let expected = "a list of SHA-256 digests of 64 hex digits, as `mpsink config new-token` \
                    prints them; the token itself belongs to its script";
    let found = texts(merged.find(key), key, expected, problems);
    problems.each(found.into_iter().map(|text| {
        let digest = TokenDigest::parse(text);
        digest.ok_or_else(|| wrong(key, HIDDEN, expected))
    }))
}
