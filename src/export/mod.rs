//! Histories out: any list, whole, as CSV, JSON lines, JSON or `CloudEvents`.
//!
//! An [`Export`] is pulled: each call reads one short piece from the store and gives the bytes made of
//! it, so memory stays as it is however long the history and however slow whoever takes it. It knows
//! neither files nor HTTP. Its extent is what was there when it began: rows whose number is at most the
//! highest then, each once, in the order of their numbers, and as it is when its turn comes.
//!
//! `history.rs` and `arrivals.rs` list the columns of each table, `columns.rs` says what one is; `csv.rs` and
//! `cloud_events.rs` write those formats. The JSON formats are the records themselves, as in the
//! `.json` of the same list.
//!
//! **Architecture invariant:** an export that has not come to [`Step::End`] is not whole, and whoever
//! passes it on must let that be seen.

use std::io;

use serde::Serialize;
use thiserror::Error;

use crate::export::cloud_events::CloudEvent;
use crate::export::columns::{Column, Facts};
use crate::export::csv::Cells;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::records::RowId;
use crate::store::scan_records::{Scanned, Stretch, Table};

pub mod columns;

mod arrivals;
mod cloud_events;
mod csv;
mod history;

/// Which rows of which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Jobs(JobFilter),
    Runs(RunFilter),
    Activities(ActivityFilter),
    Events(EventFilter),
    Deliveries(DeliveryFilter),
    Held(HeldFilter),
    Refusals(RefusalFilter),
}

impl Selection {
    pub fn table(&self) -> Table {
        match self {
            Selection::Jobs(_) => Table::Jobs,
            Selection::Runs(_) => Table::Runs,
            Selection::Activities(_) => Table::Activities,
            Selection::Events(_) => Table::Events,
            Selection::Deliveries(_) => Table::Deliveries,
            Selection::Held(_) => Table::Held,
            Selection::Refusals(_) => Table::Refusals,
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, values as they are.
    Csv,
    /// The same for spreadsheets: with a byte order mark, and with an apostrophe before what they
    /// would take for a formula.
    ExcelCsv,
    /// A record of JSON in each line.
    JsonLines,
    /// One array of records.
    Json,
    /// `CloudEvents` 1.0 as one array, the batch format. Only of events.
    CloudEvents,
    /// `CloudEvents` 1.0, one in each line. Only of events.
    CloudEventLines,
}

impl Format {
    fn is_csv(self) -> bool {
        matches!(self, Format::Csv | Format::ExcelCsv)
    }

    /// Tells whether each line stands for itself, so that an end line may follow.
    pub fn is_lines(self) -> bool {
        matches!(self, Format::JsonLines | Format::CloudEventLines)
    }

    pub fn is_cloud_events(self) -> bool {
        matches!(self, Format::CloudEvents | Format::CloudEventLines)
    }
}

/// What is asked of an export beside its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub format: Format,
    /// Ends with the line `{"_end":{"rows":…,"next":…}}`, if the format [is lines](Format::is_lines).
    pub with_end: bool,
    /// Leaves out rows up to this number: the `next` of an earlier export's end line. 0 for all.
    pub after: RowId,
}

impl Options {
    /// All rows, without an end line.
    pub fn of(format: Format) -> Options {
        Options {
            format,
            with_end: false,
            after: 0,
        }
    }
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next bytes; never none.
    Chunk(Vec<u8>),
    /// Many rows were looked at, and none was wanted: there is nothing to pass on yet.
    Searching,
    /// Everything has been given.
    End,
}

/// Why an export cannot begin or go on.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error("cannot write {} as CloudEvents, only events", table.word())]
    NoEvents { table: Table },
    /// May be asked again: nothing is lost.
    #[error("cannot read the rows to export")]
    Read(#[from] ReadError),
    #[error("cannot write a row")]
    Write(#[from] io::Error),
}

/// One export under way.
#[derive(Debug)]
pub struct Export {
    selection: Selection,
    options: Options,
    /// What is still to be read.
    stretch: Stretch,
    /// How many rows were given.
    rows: u64,
    part: Part,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Rows,
    Tail,
    Nothing,
}

impl Export {
    /// Begins: from here on the extent stands. Blocks for one short read, as each [`Export::step`].
    pub fn begin(
        store: &Store,
        selection: Selection,
        options: Options,
    ) -> Result<Export, ExportError> {
        let table = selection.table();
        if options.format.is_cloud_events() && table != Table::Events {
            return Err(ExportError::NoEvents { table });
        }
        let until = store.last_row(table)?;
        Ok(Export {
            selection,
            options,
            stretch: Stretch {
                after: options.after.min(until),
                until,
            },
            rows: 0,
            part: Part::Head,
        })
    }

    /// Reads on and gives what it makes of that. After an error the next call tries the same again.
    pub fn step(&mut self, store: &Store) -> Result<Step, ExportError> {
        loop {
            let bytes = match self.part {
                Part::Head => {
                    let head = self.head()?;
                    self.part = Part::Rows;
                    head
                }
                Part::Rows if self.stretch.after >= self.stretch.until => {
                    self.part = Part::Tail;
                    continue;
                }
                Part::Rows => {
                    let bytes = self.read(store)?;
                    if bytes.is_empty() {
                        return Ok(Step::Searching);
                    }
                    bytes
                }
                Part::Tail => {
                    self.part = Part::Nothing;
                    self.tail()?
                }
                Part::Nothing => return Ok(Step::End),
            };
            if !bytes.is_empty() {
                return Ok(Step::Chunk(bytes));
            }
        }
    }

    /// How many rows were given so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How far it has come: the number of the last row looked at, and of the last there is to look at.
    pub fn reached(&self) -> (RowId, RowId) {
        (self.stretch.after, self.stretch.until)
    }

    fn head(&self) -> io::Result<Vec<u8>> {
        if !self.options.format.is_csv() {
            return Ok(Vec::new());
        }
        csv::head(self.options.format, columns_of(self.selection.table()))
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        let tail = match self.options.format {
            Format::Json | Format::CloudEvents if self.rows == 0 => "[]\n".to_owned(),
            Format::Json | Format::CloudEvents => "\n]\n".to_owned(),
            format if format.is_lines() && self.options.with_end => {
                let end = EndLine {
                    end: End {
                        rows: self.rows,
                        next: self.stretch.until,
                    },
                };
                serde_json::to_string(&end)? + "\n"
            }
            _ => String::new(),
        };
        Ok(tail.into_bytes())
    }

    /// Reads one piece and writes it; only then is it done.
    fn read(&mut self, store: &Store) -> Result<Vec<u8>, ExportError> {
        let stretch = self.stretch;
        let piece = match &self.selection {
            Selection::Jobs(filter) => {
                self.piece(&store.scan_jobs(filter, stretch)?, history::JOBS)
            }
            Selection::Runs(filter) => {
                self.piece(&store.scan_runs(filter, stretch)?, history::RUNS)
            }
            Selection::Activities(filter) => {
                let scanned = store.scan_activities(filter, stretch)?;
                self.piece(&scanned, history::ACTIVITIES)
            }
            Selection::Events(filter) => {
                let scanned = store.scan_events(filter, stretch)?;
                if self.options.format.is_cloud_events() {
                    let items = scanned.items.iter().map(CloudEvent::of).collect();
                    let reached = scanned.reached;
                    self.piece(&Scanned { items, reached }, &[])
                } else {
                    self.piece(&scanned, arrivals::EVENTS)
                }
            }
            Selection::Deliveries(filter) => {
                let scanned = store.scan_deliveries(filter, stretch)?;
                self.piece(&scanned, arrivals::DELIVERIES)
            }
            Selection::Held(filter) => {
                self.piece(&store.scan_held(filter, stretch)?, arrivals::HELD)
            }
            Selection::Refusals(filter) => {
                let scanned = store.scan_refusals(filter, stretch)?;
                self.piece(&scanned, arrivals::REFUSALS)
            }
        }?;
        self.stretch.after = piece.reached;
        self.rows += piece.rows;
        Ok(piece.bytes)
    }

    fn piece<T: Serialize>(
        &self,
        scanned: &Scanned<T>,
        columns: &[Column<T>],
    ) -> io::Result<Piece> {
        let bytes = match self.options.format {
            Format::Csv | Format::ExcelCsv => {
                let mut cells = Cells::of(self.options.format);
                for item in &scanned.items {
                    cells.write(item, columns)?;
                }
                cells.into_bytes()?
            }
            Format::JsonLines | Format::CloudEventLines => {
                let mut lines = Vec::new();
                for item in &scanned.items {
                    serde_json::to_writer(&mut lines, item)?;
                    lines.push(b'\n');
                }
                lines
            }
            Format::Json | Format::CloudEvents => {
                let mut array = Vec::new();
                for (at, item) in scanned.items.iter().enumerate() {
                    let is_first = self.rows == 0 && at == 0;
                    array.extend_from_slice(if is_first { b"[\n" } else { b",\n" });
                    serde_json::to_writer(&mut array, item)?;
                }
                array
            }
        };
        Ok(Piece {
            bytes,
            rows: scanned.items.len() as u64,
            reached: scanned.reached,
        })
    }
}

/// What one reading gave, written.
struct Piece {
    bytes: Vec<u8>,
    rows: u64,
    reached: RowId,
}

#[derive(Serialize)]
struct EndLine {
    #[serde(rename = "_end")]
    end: End,
}

#[derive(Serialize)]
struct End {
    rows: u64,
    /// Where an export of what has come since may begin.
    next: RowId,
}

/// Returns what is known of each CSV column of a table, in their order.
pub fn columns_of(table: Table) -> Vec<Facts> {
    match table {
        Table::Jobs => facts(history::JOBS),
        Table::Runs => facts(history::RUNS),
        Table::Activities => facts(history::ACTIVITIES),
        Table::Events => facts(arrivals::EVENTS),
        Table::Deliveries => facts(arrivals::DELIVERIES),
        Table::Held => facts(arrivals::HELD),
        Table::Refusals => facts(arrivals::REFUSALS),
    }
}

fn facts<T>(columns: &[Column<T>]) -> Vec<Facts> {
    columns.iter().map(|column| column.facts).collect()
}

#[cfg(test)]
mod odd_records;
#[cfg(test)]
mod tests;
