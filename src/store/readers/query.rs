//! One page of a list as one statement.
//!
//! A page goes by (time, number), newest first, along the index that the list has chosen, so that
//! nothing is sorted. What is found by words goes by number alone, the row that was made last
//! first: so the index of words gives it, and sorting by time would need every match at once.
//!
//! Only fixed pieces of SQL are put together; every value is bound.

use rusqlite::{Row, ToSql, Transaction};

use crate::store::readers::{after, rows_to_ask};
use crate::store::records::Page;

/// What a list is made of.
pub(super) struct Shape {
    pub(super) columns: &'static str,
    pub(super) table: &'static str,
    /// What is joined to each row, if anything.
    pub(super) join: &'static str,
    /// The columns it is paged by.
    pub(super) at: &'static str,
    pub(super) id: &'static str,
    /// The index of words; empty if there is none.
    pub(super) words: &'static str,
}

/// What leads to the rows.
pub(super) enum Lead {
    Index(&'static str),
    /// So few rows that they may be sorted: those of one id.
    Few,
    /// A question for the index of words.
    Words(String),
}

/// A statement with its values.
pub(super) struct Query {
    pub(super) sql: String,
    values: Vec<(String, Box<dyn ToSql>)>,
    order: String,
}

impl Query {
    /// Begins with the rows behind the page before; for the first page that is every row.
    pub(super) fn new(shape: &Shape, lead: Lead, page: Page) -> Query {
        let Shape {
            columns,
            table,
            join,
            at,
            id,
            words,
        } = shape;
        let after = after(page);
        let mut query = Query {
            sql: String::new(),
            values: Vec::new(),
            order: format!(" ORDER BY {at} DESC, {id} DESC LIMIT :limit"),
        };
        let hint = match lead {
            Lead::Index(index) => format!(" INDEXED BY {index}"),
            Lead::Few => String::new(),
            Lead::Words(question) => {
                query.sql = format!(
                    "SELECT {columns} FROM {words} CROSS JOIN {table} ON {id} = {words}.rowid{join} \
                     WHERE {words} MATCH :words AND {words}.rowid < :after_id"
                );
                query.order = format!(" ORDER BY {words}.rowid DESC LIMIT :limit");
                query.bind(":words", question);
                query.bind(":after_id", after.id);
                query.bind(":limit", rows_to_ask(page));
                return query;
            }
        };
        query.sql = format!(
            "SELECT {columns} FROM {table}{hint}{join} WHERE ({at}, {id}) < (:after_at, :after_id)"
        );
        query.bind(":after_at", after.at.0);
        query.bind(":after_id", after.id);
        query.bind(":limit", rows_to_ask(page));
        query
    }

    /// Adds `condition`, which has `name` in it, if there is a value for it.
    pub(super) fn and<T: ToSql + 'static>(
        self,
        condition: &str,
        name: &'static str,
        value: Option<T>,
    ) -> Query {
        match value {
            Some(value) => {
                let mut query = self.and_so(condition);
                query.bind(name, value);
                query
            }
            None => self,
        }
    }

    /// Adds a condition without a value, or whose values are bound beside.
    pub(super) fn and_so(mut self, condition: &str) -> Query {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self
    }

    pub(super) fn bind<T: ToSql + 'static>(&mut self, name: impl Into<String>, value: T) {
        self.values.push((name.into(), Box::new(value)));
    }

    /// Ends the statement with its order.
    #[must_use]
    pub(super) fn ordered(mut self) -> Query {
        self.sql.push_str(&self.order);
        self
    }

    /// Returns the rows of a query that is [ordered](Query::ordered).
    pub(super) fn run<T>(
        &self,
        tx: &Transaction<'_>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let values: Vec<(&str, &dyn ToSql)> = self
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref()))
            .collect();
        let mut select = tx.prepare_cached(&self.sql)?;
        let rows = select.query_map(&values[..], |row| read(row))?;
        rows.collect()
    }
}
