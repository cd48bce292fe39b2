//! Whether the database is whole, read page by page on a connection of its own.
//!
//! The quick way reads every page and leaves out whether indexes agree with their tables; the deep way
//! looks at that too. Either takes as long as the database is big, so the quick way has a time, and
//! no page asks for either.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::store::errors::OpenError;
use crate::store::open;

/// How long the quick way may take: some gigabytes on a usual disk.
pub const QUICK_MAX: Duration = Duration::from_secs(10);

/// How many of SQLite's steps pass between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// `is_deep`: indexes too.
    Whole { is_deep: bool },
    /// The first thing that is wrong, as SQLite says it.
    Damaged { found: String },
    /// Nothing was wrong until the time was over.
    Unfinished,
}

/// Looks at the database at `path`, in depth for as long as it takes, else for `quick_max` at most.
/// A server may go on writing meanwhile; its log then grows.
pub fn examine(path: &Path, is_deep: bool, quick_max: Duration) -> Result<Integrity, OpenError> {
    let (mut conn, _) = open::open_whole(path)?;
    let pragma = if is_deep {
        "PRAGMA integrity_check(1)"
    } else {
        "PRAGMA quick_check(1)"
    };
    if !is_deep {
        let deadline = Instant::now() + quick_max;
        let limited = conn.progress_handler(
            STEPS_BETWEEN_LOOKS,
            Some(move || Instant::now() >= deadline),
        );
        limited.map_err(|source| unusable(path, source))?;
    }
    match check(&conn, pragma) {
        Ok(found) if found == "ok" => Ok(Integrity::Whole { is_deep }),
        Ok(found) => Ok(Integrity::Damaged { found }),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Integrity::Unfinished),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(Integrity::Damaged {
                found: error.to_string(),
            }),
            _ => Err(unusable(path, error)),
        },
    }
}

fn check(conn: &Connection, pragma: &str) -> rusqlite::Result<String> {
    conn.query_row(pragma, [], |row| row.get(0))
}

fn unusable(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::Unusable {
        path: path.to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::store::fixtures::{self, arrival};

    use super::*;

    #[test]
    fn a_whole_database_is_whole_in_both_ways_while_it_is_written() {
        let test = fixtures::open();
        test.append(arrival("m", "j"));
        for is_deep in [false, true] {
            let found = examine(&test.path(), is_deep, QUICK_MAX).unwrap();
            assert_eq!(found, Integrity::Whole { is_deep });
        }
    }

    #[test]
    fn a_damaged_one_is_named_and_the_quick_way_ends_in_time() {
        let test = fixtures::open();
        for number in 0..200 {
            test.append(arrival(&format!("m{number}"), &format!("j{number}")));
        }
        let unfinished = examine(&test.path(), false, Duration::ZERO).unwrap();
        assert_eq!(unfinished, Integrity::Unfinished);
        test.store.close();
        let mut bytes = fs::read(test.path()).unwrap();
        let end = bytes.len() - 4096;
        bytes[60 * 4096..end].fill(7);
        fs::write(test.path(), bytes).unwrap();
        for is_deep in [false, true] {
            let found = examine(&test.path(), is_deep, QUICK_MAX);
            assert!(
                matches!(
                    found,
                    Ok(Integrity::Damaged { .. }) | Err(OpenError::Damaged { .. })
                ),
                "{found:?}"
            );
        }
    }
}
