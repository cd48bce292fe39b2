//! Which rows pushes write, so that they can be written again without the program that made them.
//!
//! The store takes the pushes as always, while triggers in its database note each row that is
//! inserted, changed or deleted. So what is replayed follows the schema by itself, whatever becomes of
//! it. Words are read back from their index, which has no triggers.
//!
//! Left out: what the schema's own trigger writes, since it does so in the replay as well.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use futures_util::future::join_all;
use mpsink::clock::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use crate::bare::arrivals;
use crate::bare::writer::{self, BATCH};

/// Written by a trigger of the schema.
const BY_TRIGGER: &str = "source";

const SELECT_TABLES: &str = "
    SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const SELECT_WORD_TABLES: &str = "
    SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type = 'virtual' AND name LIKE '%\\_words' ESCAPE '\\'";

const SELECT_CHANGES: &str = "SELECT * FROM noted_change ORDER BY number";

/// The columns of `noted_change` before the row's own.
const COLUMNS_BEFORE: usize = 4;

/// What pushes wrote, a transaction for each batch.
pub(crate) struct Recording {
    /// Those that `Change` names by their place.
    pub(crate) statements: Vec<String>,
    pub(crate) transactions: Vec<Vec<Change>>,
    pub(crate) pushes: usize,
    /// How many rows each table has in the end.
    pub(crate) rows: Vec<(String, u64)>,
}

/// One row that is written.
pub(crate) struct Change {
    pub(crate) statement: usize,
    pub(crate) values: Vec<Value>,
}

struct Table {
    name: String,
    columns: Vec<String>,
    /// For each column whether it is of the primary key.
    is_key: Vec<bool>,
}

/// Has the store take prepared requests, and returns what it wrote.
pub(crate) fn record(requests: &[Vec<u8>], now: Timestamp) -> anyhow::Result<Recording> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mpsink.db");
    let (store, source) = writer::open(&path)?;
    let conn = Connection::open(&path)?;
    let tables = tables(&conn)?;
    note_changes(&conn, &tables)?;
    let runtime = writer::runtime()?;
    let mut ends = Vec::new();
    for batch in requests.chunks(BATCH) {
        let arrivals = arrivals::read(batch, &source, now)?;
        let answers = runtime.block_on(join_all(
            arrivals.into_iter().map(|arrival| store.append(arrival)),
        ));
        answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sql = "SELECT COALESCE(MAX(number), 0) FROM noted_change";
        ends.push(conn.query_row(sql, [], |row| row.get(0))?);
    }
    store.close();
    let mut recording = read_changes(&conn, &tables, &ends)?;
    recording.pushes = requests.len();
    recording.rows = count_rows(&conn)?;
    Ok(recording)
}

/// Returns how many rows each table has that pushes write.
pub(crate) fn count_rows(conn: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let count = |table: Table| {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        let rows: i64 = conn.query_row(&sql, [], |row| row.get(0))?;
        Ok((table.name, rows.unsigned_abs()))
    };
    let tables = tables(conn)?.into_iter();
    tables
        .filter(|table| table.name != "noted_change")
        .map(count)
        .collect()
}

fn tables(conn: &Connection) -> rusqlite::Result<Vec<Table>> {
    let mut select = conn.prepare(SELECT_TABLES)?;
    let names = select.query_map([], |row| row.get(0))?;
    let names = names.collect::<Result<Vec<String>, _>>()?;
    names.into_iter().map(|name| table(conn, name)).collect()
}

fn table(conn: &Connection, name: String) -> rusqlite::Result<Table> {
    let mut select = conn.prepare("SELECT name, pk > 0 FROM pragma_table_info(?1)")?;
    let columns = select.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns = columns.collect::<Result<Vec<(String, bool)>, _>>()?;
    let (columns, is_key) = columns.into_iter().unzip();
    Ok(Table {
        name,
        columns,
        is_key,
    })
}

fn note_changes(conn: &Connection, tables: &[Table]) -> anyhow::Result<()> {
    let widest = tables.iter().map(|table| table.columns.len()).max();
    let columns: Vec<String> = (0..widest.unwrap_or_default())
        .map(|at| format!("c{at}"))
        .collect();
    let columns = columns.join(", ");
    let mut sql = format!(
        "CREATE TABLE noted_change (number INTEGER PRIMARY KEY, name, kind, changed, {columns});"
    );
    for table in tables.iter().filter(|table| table.name != BY_TRIGGER) {
        let name = &table.name;
        let into: Vec<String> = (0..table.columns.len())
            .map(|at| format!("c{at}"))
            .collect();
        let into = into.join(", ");
        let of = |row: &str| {
            let values = table.columns.iter().map(|column| format!("{row}.{column}"));
            values.collect::<Vec<_>>().join(", ")
        };
        let changed = table.columns.iter();
        let changed = changed.map(|column| format!("(OLD.{column} IS NOT NEW.{column})"));
        let changed = changed.collect::<Vec<_>>().join(" || ");
        for (kind, changed, row) in [
            ("INSERT", "''", "NEW"),
            ("UPDATE", changed.as_str(), "NEW"),
            ("DELETE", "''", "OLD"),
        ] {
            let values = of(row);
            write!(
                sql,
                "CREATE TRIGGER noted_{name}_{kind} AFTER {kind} ON {name} BEGIN
                   INSERT INTO noted_change (name, kind, changed, {into})
                   VALUES ('{name}', '{kind}', {changed}, {values});
                 END;"
            )?;
        }
    }
    conn.execute_batch(&sql)?;
    Ok(())
}

/// Numbers statements, each once.
#[derive(Default)]
struct Statements(HashMap<String, usize>);

impl Statements {
    fn number(&mut self, sql: String) -> usize {
        let next = self.0.len();
        *self.0.entry(sql).or_insert(next)
    }

    fn in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|(_, number)| *number);
        all.into_iter().map(|(sql, _)| sql).collect()
    }
}

fn read_changes(conn: &Connection, tables: &[Table], ends: &[i64]) -> anyhow::Result<Recording> {
    let tables: HashMap<&str, &Table> = tables.iter().map(|it| (&*it.name, it)).collect();
    let mut words = read_words(conn)?;
    let mut statements = Statements::default();
    let mut transactions = Vec::new();
    let mut select = conn.prepare(SELECT_CHANGES)?;
    let mut rows = select.query([])?;
    let mut row = rows.next()?;
    for end in ends {
        let mut changes = Vec::new();
        while let Some(found) = row
            && found.get::<_, i64>(0)? <= *end
        {
            let name: String = found.get(1)?;
            if let Some(table) = tables.get(&*name) {
                let change = read_change(found, table, &mut statements)?;
                if let Some(id) = found.get::<_, Option<i64>>(COLUMNS_BEFORE).ok().flatten()
                    && let Some(text) = words.remove(&(name, id))
                {
                    let statement = statements.number(text.insert);
                    let values = vec![id.into(), text.words.into()];
                    changes.push(Change { statement, values });
                }
                changes.extend(change);
            }
            row = rows.next()?;
        }
        transactions.push(changes);
    }
    Ok(Recording {
        statements: statements.in_order(),
        transactions,
        pushes: 0,
        rows: Vec::new(),
    })
}

/// Returns a noted change; `None` if an update has left the row as it was.
fn read_change(
    row: &Row<'_>,
    table: &Table,
    statements: &mut Statements,
) -> anyhow::Result<Option<Change>> {
    let kind: String = row.get(2)?;
    let changed: String = row.get(3)?;
    let value = |at: usize| row.get::<_, Value>(COLUMNS_BEFORE + at);
    let columns = table.columns.iter().zip(&table.is_key).enumerate();
    let (mut set, mut key, mut values, mut keys) = (vec![], vec![], vec![], vec![]);
    for (at, (column, is_key)) in columns {
        let is_set = match &*kind {
            "INSERT" => true,
            "UPDATE" => changed.as_bytes().get(at) == Some(&b'1'),
            _ => false,
        };
        if is_set {
            set.push(column.as_str());
            values.push(value(at)?);
        }
        if *is_key && kind != "INSERT" {
            key.push(format!("{column} = ?"));
            keys.push(value(at)?);
        }
    }
    if kind == "UPDATE" && set.is_empty() {
        return Ok(None);
    }
    values.extend(keys);
    let (name, key) = (&table.name, key.join(" AND "));
    let sql = match &*kind {
        "INSERT" => {
            let marks = vec!["?"; set.len()].join(", ");
            format!("INSERT INTO {name} ({}) VALUES ({marks})", set.join(", "))
        }
        "UPDATE" => format!("UPDATE {name} SET {} = ? WHERE {key}", set.join(" = ?, ")),
        _ => format!("DELETE FROM {name} WHERE {key}"),
    };
    Ok(Some(Change {
        statement: statements.number(sql),
        values,
    }))
}

/// The words of one row and how they are written.
struct Text {
    insert: String,
    words: String,
}

/// Returns the words of each row that has some, by its table and number, as the index has them in the
/// end: each is written with its row.
fn read_words(conn: &Connection) -> rusqlite::Result<HashMap<(String, i64), Text>> {
    let mut all = HashMap::new();
    let mut select = conn.prepare(SELECT_WORD_TABLES)?;
    let names = select.query_map([], |row| row.get(0))?;
    for name in names.collect::<Result<Vec<String>, _>>()? {
        conn.execute_batch(&format!(
            "CREATE VIRTUAL TABLE temp.{name}_read USING fts5vocab(main, {name}, instance)"
        ))?;
        let of = name.trim_end_matches("_words").to_owned();
        let mut select = conn.prepare(&format!(
            "SELECT doc, term FROM temp.{name}_read ORDER BY doc, offset"
        ))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (id, word): (i64, String) = (row.get(0)?, row.get(1)?);
            let text = all.entry((of.clone(), id)).or_insert_with(|| Text {
                insert: format!("INSERT INTO {name} (rowid, words) VALUES (?, ?)"),
                words: String::new(),
            });
            text.words.push_str(&word);
            text.words.push(' ');
        }
    }
    Ok(all)
}

/// Opens a new database with the schema and its one source, without the store.
pub(crate) fn open_new(path: &Path) -> anyhow::Result<Connection> {
    let (store, _) = writer::open(path)?;
    store.close();
    Ok(Connection::open(path)?)
}
