//! The cells of one row, read by their names.
//!
//! `Row::get` looks a name up among all columns, from the first one on, for every cell: with rows of
//! twenty columns that was half the time of an export. Here a name is looked for from the column
//! behind the last one that was read. So a record that is read in the order of its column list costs
//! one comparison a cell; and since names are compared all the same, one that is read in another
//! order is slower and never wrong.

use std::cell::Cell;

use rusqlite::types::{FromSql, FromSqlError, ValueRef};
use rusqlite::{Error, Row};
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::store::values::{parse_json, unreadable};

pub(super) struct Cells<'a, 'stmt> {
    row: &'a Row<'stmt>,
    /// Behind the column that was read last.
    next: Cell<usize>,
}

impl<'a, 'stmt> Cells<'a, 'stmt> {
    pub(super) fn of(row: &'a Row<'stmt>) -> Cells<'a, 'stmt> {
        Cells {
            row,
            next: Cell::new(0),
        }
    }

    pub(super) fn get<T: FromSql>(&self, name: &str) -> rusqlite::Result<T> {
        self.row.get(self.find(name)?)
    }

    pub(super) fn count(&self, name: &str) -> rusqlite::Result<u64> {
        let count: i64 = self.get(name)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    pub(super) fn time(&self, name: &str) -> rusqlite::Result<Timestamp> {
        self.get(name).map(Timestamp)
    }

    pub(super) fn maybe_time(&self, name: &str) -> rusqlite::Result<Option<Timestamp>> {
        let time: Option<i64> = self.get(name)?;
        Ok(time.map(Timestamp))
    }

    /// Reads a word with the function that knows it.
    pub(super) fn word<T>(
        &self,
        name: &str,
        from_word: impl Fn(&str) -> Option<T>,
    ) -> rusqlite::Result<T> {
        let word = self.get_ref(name)?.as_str()?;
        from_word(word).ok_or_else(|| unreadable(FromSqlError::InvalidType.into()))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> rusqlite::Result<T> {
        parse_json(self.get_ref(name)?.as_str()?)
    }

    pub(super) fn maybe_json<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> rusqlite::Result<Option<T>> {
        match self.get_ref(name)? {
            ValueRef::Null => Ok(None),
            value => parse_json(value.as_str()?).map(Some),
        }
    }

    fn get_ref(&self, name: &str) -> rusqlite::Result<ValueRef<'a>> {
        self.row.get_ref(self.find(name)?)
    }

    fn find(&self, name: &str) -> rusqlite::Result<usize> {
        let statement = self.row.as_ref();
        let next = self.next.get();
        for column in (next..statement.column_count()).chain(0..next) {
            if statement.column_name(column)? == name {
                self.next.set(column + 1);
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
        conn.query_row(sql, [], |row| read(&Cells::of(row)))
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
            let cells = Cells::of(row);
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
            let cells = Cells::of(row);
            assert_eq!(cells.maybe_json::<Vec<u8>>("a")?, None);
            assert_eq!(cells.maybe_json::<Vec<u8>>("b")?, Some(vec![1]));
            cells.maybe_json::<Vec<u8>>("c")
        });
        assert!(ended.is_err());
    }
}
