//! The rows between two keys of a list, and what a statement says to keep to them.
//!
//! A key is a time and a number. Pairs of them are compared only where rows of one time are on both
//! sides: SQLite looks a pair up in an index by its time alone and compares it at each row, which
//! takes three times as long.

use crate::clock::Timestamp;
use crate::store::records::{PageKey, RowId};

/// The rows between two keys, which are not among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// All rows are older.
    pub(super) newest: PageKey,
    /// All rows are newer.
    pub(super) oldest: PageKey,
}

/// What keeps a statement to a span, with the values that it names.
pub(super) struct Bounds {
    pub(super) sql: String,
    values: Vec<(&'static str, i64)>,
}

impl Bounds {
    pub(super) fn values_and(&self, other: (&'static str, i64)) -> Vec<(&'static str, i64)> {
        let own = self.values.iter().copied();
        own.chain([other]).collect()
    }
}

impl Span {
    /// For a list whose column of numbers is `row`; times do not count.
    pub(super) fn by_number(self, row: &str) -> Bounds {
        Bounds {
            sql: format!("{row} < :newest_id AND {row} > :oldest_id"),
            values: vec![
                (":newest_id", self.newest.id),
                (":oldest_id", self.oldest.id),
            ],
        }
    }

    /// For a list with these columns of times and numbers.
    pub(super) fn by_time(self, at: &str, id: &str) -> Bounds {
        let Span { newest, oldest } = self;
        let mut values = vec![(":newest_at", newest.at.0), (":oldest_at", oldest.at.0)];
        let before = match newest.id {
            RowId::MAX => format!("{at} <= :newest_at"),
            RowId::MIN => format!("{at} < :newest_at"),
            row => {
                values.push((":newest_id", row));
                format!("({at}, {id}) < (:newest_at, :newest_id)")
            }
        };
        let after = match oldest.id {
            RowId::MAX => format!("{at} > :oldest_at"),
            RowId::MIN => format!("{at} >= :oldest_at"),
            row => {
                values.push((":oldest_id", row));
                format!("({at}, {id}) > (:oldest_at, :oldest_id)")
            }
        };
        Bounds {
            sql: format!("{before} AND {after}"),
            values,
        }
    }
}

pub(super) fn key(at: i64, id: RowId) -> PageKey {
    PageKey {
        at: Timestamp(at),
        id,
    }
}

/// The key right before this one in a list.
pub(super) fn newer(of: PageKey) -> PageKey {
    key(of.at.0, of.id.saturating_add(1))
}

/// The key right behind this one in a list.
pub(super) fn older(of: PageKey) -> PageKey {
    key(of.at.0, of.id.saturating_sub(1))
}
