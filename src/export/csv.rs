//! CSV as RFC 4180 has it: a header, commas, CRLF, quotes where they are needed.
//!
//! Values stand as they are, line breaks and NULs too. For spreadsheets (`excel`) there is a byte order
//! mark, without which they take UTF-8 for something older, and text that they would run as a formula
//! gets an apostrophe before it, as OWASP advises against *CSV injection*: a job's user data is
//! written by whoever may submit jobs. Such a cell does not read back as it was.

use std::io;

use csv::{IntoInnerError, Terminator, Writer, WriterBuilder};

use crate::export::Format;
use crate::export::columns::{Column, Facts};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What a spreadsheet takes for the beginning of a formula, or of a cell of its own.
const FORMULA_STARTS: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// Returns the header.
pub(super) fn head(format: Format, columns: Vec<Facts>) -> io::Result<Vec<u8>> {
    let mut head = match format {
        Format::ExcelCsv => BYTE_ORDER_MARK.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let mut cells = Cells::of(format);
    for column in columns {
        cells.writer.write_field(column.name)?;
    }
    cells.end_row()?;
    head.extend(cells.into_bytes()?);
    Ok(head)
}

/// Rows being written.
pub(super) struct Cells {
    writer: Writer<Vec<u8>>,
    for_spreadsheets: bool,
    /// The cell at hand, kept so that its memory serves again.
    cell: String,
}

impl Cells {
    pub(super) fn of(format: Format) -> Cells {
        let writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        Cells {
            writer,
            for_spreadsheets: format == Format::ExcelCsv,
            cell: String::new(),
        }
    }

    /// Writes one row.
    pub(super) fn write<T>(&mut self, item: &T, columns: &[Column<T>]) -> io::Result<()> {
        for column in columns {
            self.cell.clear();
            (column.write)(item, &mut self.cell);
            if self.for_spreadsheets
                && column.facts.kind.is_free()
                && self.cell.starts_with(FORMULA_STARTS)
            {
                self.cell.insert(0, '\'');
            }
            self.writer.write_field(&self.cell)?;
        }
        self.end_row()
    }

    pub(super) fn into_bytes(self) -> io::Result<Vec<u8>> {
        self.writer.into_inner().map_err(IntoInnerError::into_error)
    }

    fn end_row(&mut self) -> io::Result<()> {
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }
}
