//! What a scan is asked and what it gives: rows of one table in the order of their numbers.
//!
//! Lists are for people and go by time, newest first. A scan is for taking everything out: it goes by
//! number, from the oldest row on, so that each row comes once however often it changes meanwhile.

use crate::store::records::RowId;

/// A kind of rows that can be listed and scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Jobs,
    Runs,
    Activities,
    Events,
    Deliveries,
    Held,
    Refusals,
}

impl Table {
    pub const ALL: [Table; 7] = [
        Table::Jobs,
        Table::Runs,
        Table::Activities,
        Table::Events,
        Table::Deliveries,
        Table::Held,
        Table::Refusals,
    ];

    /// The word in the addresses of its lists.
    pub fn word(self) -> &'static str {
        match self {
            Table::Jobs => "jobs",
            Table::Runs => "runs",
            Table::Activities => "activities",
            Table::Events => "events",
            Table::Deliveries => "deliveries",
            Table::Held => "held",
            Table::Refusals => "refusals",
        }
    }

    /// Reads [`Table::word`] back.
    pub fn from_word(word: &str) -> Option<Table> {
        Self::ALL.into_iter().find(|table| table.word() == word)
    }
}

/// The rows with the numbers from `after` (not included) to `until` (included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub after: RowId,
    pub until: RowId,
}

/// The rows that one reading found, in the order of their numbers. There may be none of them and yet
/// more behind: a reading looks at only so many.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned<T> {
    pub items: Vec<T>,
    /// All rows up to this number were looked at; the stretch is done when it is its end.
    pub reached: RowId,
}

impl<T> Scanned<T> {
    /// Says that the stretch has no such row.
    pub(super) fn nothing(stretch: Stretch) -> Scanned<T> {
        Scanned {
            items: Vec::new(),
            reached: stretch.until,
        }
    }
}
