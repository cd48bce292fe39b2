//! What a column is, and how the domain's values stand in a cell.
//!
//! A cell is text: times RFC 3339 in UTC with milliseconds, numbers in digits, `true` and `false`,
//! JSON for what is nested. What is absent and what is empty are both an empty cell, which is all that
//! CSV has for either.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::event::JobState;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::event_text::EventText;
use crate::store::records::{ActivityRecord, RunOutcome, TimeSource};

/// A column of the table of `T`s.
#[derive(Debug)]
pub struct Column<T> {
    pub facts: Facts,
    pub(super) write: fn(&T, &mut String),
}

/// What is known of a column without its rows. `docs/export.md` says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub name: &'static str,
    pub kind: Kind,
    pub meaning: &'static str,
}

/// What a column's cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a message, a person or MPS wrote it: anything.
    Text,
    /// One of a few words.
    Word,
    /// A whole number of these.
    Count(Unit),
    /// `true` or `false`.
    Flag,
    Time,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    None,
    Milliseconds,
    Bytes,
}

impl Kind {
    /// What the documentation calls it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Word => "word",
            Kind::Count(_) => "whole number",
            Kind::Flag => "true or false",
            Kind::Time => "time",
            Kind::Json => "JSON",
        }
    }

    /// The unit as the documentation has it; empty if there is none.
    pub fn unit(self) -> &'static str {
        match self {
            Kind::Count(Unit::Milliseconds) => "ms",
            Kind::Count(Unit::Bytes) => "bytes",
            Kind::Time => "UTC, to the millisecond",
            Kind::Text | Kind::Word | Kind::Count(Unit::None) | Kind::Flag | Kind::Json => "",
        }
    }

    /// Tells whether a cell may begin with anything.
    pub(super) fn is_free(self) -> bool {
        match self {
            Kind::Text | Kind::Json => true,
            Kind::Word | Kind::Count(_) | Kind::Flag | Kind::Time => false,
        }
    }
}

pub(super) const fn column<T>(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    write: fn(&T, &mut String),
) -> Column<T> {
    Column {
        facts: Facts {
            name,
            kind,
            meaning,
        },
        write,
    }
}

pub(super) const NUMBER: Kind = Kind::Count(Unit::None);

pub(super) const MILLISECONDS: Kind = Kind::Count(Unit::Milliseconds);

pub(super) const BYTES: Kind = Kind::Count(Unit::Bytes);

// The meanings of columns that tables of both kinds have.
pub(super) const OWNER: &str = "The account id of the owner of the topic";

pub(super) const REGION: &str = "The region of the source; empty if it has none configured";

/// A value that can stand in a cell.
pub(super) trait Cell {
    fn put(&self, cell: &mut String);
}

impl Cell for String {
    fn put(&self, cell: &mut String) {
        cell.push_str(self);
    }
}

impl Cell for &'static str {
    fn put(&self, cell: &mut String) {
        cell.push_str(self);
    }
}

impl<T: Cell> Cell for Option<T> {
    fn put(&self, cell: &mut String) {
        if let Some(value) = self {
            value.put(cell);
        }
    }
}

impl Cell for i64 {
    fn put(&self, cell: &mut String) {
        // Writing to a string does not fail; here and below.
        let _ = write!(cell, "{self}");
    }
}

impl Cell for u64 {
    fn put(&self, cell: &mut String) {
        let _ = write!(cell, "{self}");
    }
}

impl Cell for bool {
    fn put(&self, cell: &mut String) {
        cell.push_str(if *self { "true" } else { "false" });
    }
}

impl Cell for Timestamp {
    fn put(&self, cell: &mut String) {
        let _ = write!(cell, "{self}");
    }
}

impl Cell for EventText {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.as_str());
    }
}

impl Cell for Map<String, Value> {
    fn put(&self, cell: &mut String) {
        if !self.is_empty() {
            // Keys are strings, so it can be written.
            cell.push_str(&serde_json::to_string(self).unwrap_or_default());
        }
    }
}

impl Cell for Vec<ActivityRecord> {
    fn put(&self, cell: &mut String) {
        if !self.is_empty() {
            cell.push_str(&serde_json::to_string(self).unwrap_or_default());
        }
    }
}

impl Cell for JobState {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.word());
    }
}

impl Cell for RunOutcome {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.word());
    }
}

impl Cell for Format {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.word());
    }
}

impl Cell for HoldReason {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.word());
    }
}

impl Cell for RefusalReason {
    fn put(&self, cell: &mut String) {
        cell.push_str(self.word());
    }
}

impl Cell for TimeSource {
    fn put(&self, cell: &mut String) {
        cell.push_str(match self {
            TimeSource::Message => "message",
            TimeSource::Envelope => "envelope",
            TimeSource::Arrival => "arrival",
        });
    }
}
