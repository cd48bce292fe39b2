//! How the domain's values stand in columns, both ways.
//!
//! SQLite's integers are signed, so counts are kept within them; words and JSON are text, and what
//! does not read back is an error of that row.

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::store::records::TimeSource;

/// Returns a count as it is kept; one that no disk could hold rows for is kept as the largest.
pub(super) fn count(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

pub(super) fn json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Returns `extra` as it will read back, so that a folded row can be compared with a stored one: the
/// last digit of a fraction may not survive being written and read.
pub(super) fn as_read_back(extra: &Map<String, Value>) -> rusqlite::Result<Map<String, Value>> {
    if extra.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&json(extra)?).map_err(|error| unreadable(error.into()))
}

pub(super) fn read_count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let count: i64 = row.get(column)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

pub(super) fn read_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn read_maybe_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let time: Option<i64> = row.get(column)?;
    Ok(time.map(Timestamp))
}

/// Reads a word with the function that knows it.
pub(super) fn read_word<T>(
    row: &Row<'_>,
    column: &str,
    from_word: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    from_word(&word).ok_or_else(|| unreadable(FromSqlError::InvalidType.into()))
}

pub(super) fn read_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    parse_json(row.get_ref(column)?.as_str()?)
}

pub(super) fn parse_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(error.into()))
}

/// What a row whose content does not read back fails with.
pub(super) fn unreadable(cause: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, cause)
}

impl TimeSource {
    pub(super) fn word(self) -> &'static str {
        match self {
            TimeSource::Message => "message",
            TimeSource::Envelope => "envelope",
            TimeSource::Arrival => "arrival",
        }
    }

    /// Reads [`TimeSource::word`] back.
    pub(super) fn from_word(word: &str) -> Option<TimeSource> {
        [
            TimeSource::Message,
            TimeSource::Envelope,
            TimeSource::Arrival,
        ]
        .into_iter()
        .find(|source| source.word() == word)
    }
}
