//! The cells of rows, read by their names.
//!
//! `Row::get` looks a name up among all columns, from the first one on, for every cell: with rows of
//! twenty columns that was half the time of an export. Here the rows of one reading share an
//! [`Order`]: which name was asked for at which place, and which column that was. A row that is asked
//! like the one before it, as all rows of a list are, finds each column by a comparison of two
//! pointers. Whatever is asked otherwise is looked for by its name, and so is slower and never
//! wrong.
//!
//! A row also knows how many bytes of text were read from it, which bounds what is read at once.

use std::cell::{Cell, RefCell};
use std::ptr;

use rusqlite::types::{FromSql, FromSqlError, ValueRef};
use rusqlite::{Error, Row};
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::store::event_text::EventText;
use crate::store::values::{parse_json, unreadable};

/// What was asked of a row, in this order, and the columns that it was. Only for rows of one statement.
#[derive(Default)]
pub(super) struct Order(RefCell<Vec<(&'static str, usize)>>);

pub(super) struct Cells<'a, 'stmt> {
    row: &'a Row<'stmt>,
    order: &'a Order,
    /// How many cells were asked for.
    asked: Cell<usize>,
    text_bytes: Cell<usize>,
}

/// Reads one row.
pub(super) fn read<T>(
    row: &Row<'_>,
    record: impl Fn(&Cells<'_, '_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    record(&Cells::of(row, &Order::default()))
}

impl<'a, 'stmt> Cells<'a, 'stmt> {
    pub(super) fn of(row: &'a Row<'stmt>, order: &'a Order) -> Cells<'a, 'stmt> {
        Cells {
            row,
            order,
            asked: Cell::new(0),
            text_bytes: Cell::new(0),
        }
    }

    /// How many bytes the texts have that were read.
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes.get()
    }

    pub(super) fn get<T: FromSql>(&self, name: &'static str) -> rusqlite::Result<T> {
        let value = self.get_ref(name)?;
        T::column_result(value).map_err(|error| unreadable(error.into()))
    }

    /// Reads a text as long as the row stands.
    pub(super) fn text(&self, name: &'static str) -> rusqlite::Result<Option<&'a str>> {
        let text = self.get_ref(name)?.as_str_or_null();
        text.map_err(|error| unreadable(error.into()))
    }

    pub(super) fn count(&self, name: &'static str) -> rusqlite::Result<u64> {
        let count: i64 = self.get(name)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    pub(super) fn time(&self, name: &'static str) -> rusqlite::Result<Timestamp> {
        self.get(name).map(Timestamp)
    }

    pub(super) fn maybe_time(&self, name: &'static str) -> rusqlite::Result<Option<Timestamp>> {
        let time: Option<i64> = self.get(name)?;
        Ok(time.map(Timestamp))
    }

    /// Reads a word with the function that knows it.
    pub(super) fn word<T>(
        &self,
        name: &'static str,
        from_word: impl Fn(&str) -> Option<T>,
    ) -> rusqlite::Result<T> {
        let word = self.get_ref(name)?.as_str()?;
        from_word(word).ok_or_else(|| unreadable(FromSqlError::InvalidType.into()))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, name: &'static str) -> rusqlite::Result<T> {
        parse_json(self.get_ref(name)?.as_str()?)
    }

    pub(super) fn event(&self, name: &'static str) -> rusqlite::Result<EventText> {
        let text = self.get_ref(name)?.as_str()?;
        EventText::parse(text).map_err(|error| unreadable(error.into()))
    }

    pub(super) fn maybe_json<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> rusqlite::Result<Option<T>> {
        match self.get_ref(name)? {
            ValueRef::Null => Ok(None),
            value => parse_json(value.as_str()?).map(Some),
        }
    }

    fn get_ref(&self, name: &'static str) -> rusqlite::Result<ValueRef<'a>> {
        let value = self.row.get_ref(self.find(name)?)?;
        if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value {
            self.text_bytes.set(self.text_bytes.get() + bytes.len());
        }
        Ok(value)
    }

    fn find(&self, name: &'static str) -> rusqlite::Result<usize> {
        let place = self.asked.get();
        self.asked.set(place + 1);
        let mut order = self.order.0.borrow_mut();
        match order.get(place) {
            Some((known, column)) if ptr::eq(*known, name) => Ok(*column),
            _ => {
                order.truncate(place);
                // Mostly it is the one behind the last.
                let next = order.last().map_or(0, |(_, column)| column + 1);
                let column = self.find_from(next, name)?;
                order.push((name, column));
                Ok(column)
            }
        }
    }

    fn find_from(&self, next: usize, name: &str) -> rusqlite::Result<usize> {
        let statement = self.row.as_ref();
        for column in (next..statement.column_count()).chain(0..next) {
            if statement.column_name(column)? == name {
                return Ok(column);
            }
        }
        Err(Error::InvalidColumnName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn check(read: impl Fn(&Cells<'_, '_>) -> rusqlite::Result<Vec<i64>>) -> Vec<i64> {
        let conn = Connection::open_in_memory().unwrap();
        let sql = "SELECT 1 AS id, 2 AS job, 3 AS owner, 4 AS extra";
        conn.query_row(sql, [], |row| super::read(row, &read))
            .unwrap()
    }

    #[test]
    fn a_cell_is_the_one_of_its_name_in_whatever_order_they_are_read() {
        let names = ["id", "job", "owner", "extra"];
        for (order, expected) in [
            ([0, 1, 2, 3], [1, 2, 3, 4]),
            ([3, 2, 1, 0], [4, 3, 2, 1]),
            ([1, 1, 3, 0], [2, 2, 4, 1]),
        ] {
            let read = check(|cells| order.iter().map(|at| cells.get(names[*at])).collect());
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_name_that_no_column_has_is_an_error() {
        let conn = Connection::open_in_memory().unwrap();
        let read = conn.query_row("SELECT 1 AS id", [], |row| {
            let order = Order::default();
            let cells = Cells::of(row, &order);
            cells.get::<i64>("id")?;
            cells.get::<i64>("Id")
        });
        assert!(matches!(read, Err(Error::InvalidColumnName(name)) if name == "Id"));
    }

    #[test]
    fn json_that_is_not_there_is_none_and_what_is_no_json_is_an_error() {
        let conn = Connection::open_in_memory().unwrap();
        let sql = "SELECT NULL AS a, '[1]' AS b, 'x' AS c";
        let ended = conn.query_row(sql, [], |row| {
            let order = Order::default();
            let cells = Cells::of(row, &order);
            assert_eq!(cells.maybe_json::<Vec<u8>>("a")?, None);
            assert_eq!(cells.maybe_json::<Vec<u8>>("b")?, Some(vec![1]));
            cells.maybe_json::<Vec<u8>>("c")
        });
        assert!(ended.is_err());
    }
}
