//! What goes out comes back: every format read again, with every odd character, in small pieces.

use std::fmt::Debug;

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::export::cloud_events::CloudEvent;
use crate::export::columns::{Column, Kind};
use crate::export::odd_records::{activity, delivery, event, held, job, refusal, run};
use crate::export::{Export, Format, Options, Part, Selection, arrivals, columns_of, history};
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::scan_records::{Scanned, Stretch, Table};

/// Writes the rows in pieces of two, as if a store had given them so.
fn written<T: Serialize + Clone>(
    table: Table,
    format: Format,
    rows: &[T],
    columns: &[Column<T>],
) -> String {
    let selection = match table {
        Table::Jobs => Selection::Jobs(JobFilter::default()),
        Table::Runs => Selection::Runs(RunFilter::default()),
        Table::Activities => Selection::Activities(ActivityFilter::default()),
        Table::Events => Selection::Events(EventFilter::default()),
        Table::Deliveries => Selection::Deliveries(DeliveryFilter::default()),
        Table::Held => Selection::Held(HeldFilter::default()),
        Table::Refusals => Selection::Refusals(RefusalFilter::default()),
    };
    // Of rows that stand in no store.
    let mut export = Export {
        selection,
        options: Options::of(format),
        stretch: Stretch { after: 0, until: 9 },
        rows: 0,
        part: Part::Head,
    };
    let mut bytes = export.head().unwrap();
    for items in rows.chunks(2) {
        let scanned = Scanned {
            items: items.to_vec(),
            reached: 1,
        };
        let piece = export.piece(&scanned, columns).unwrap();
        export.rows += piece.rows;
        bytes.extend(piece.bytes);
    }
    bytes.extend(export.tail().unwrap());
    String::from_utf8(bytes).unwrap()
}

/// Reads CSV back into what the records' JSON is, by names and kinds of the columns alone.
fn read_csv(table: Table, text: &str) -> Vec<Value> {
    let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let facts = columns_of(table);
    let names: Vec<&str> = facts.iter().map(|column| column.name).collect();
    assert_eq!(reader.headers().unwrap(), names);
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let mut json = Map::new();
        for (cell, column) in record.iter().zip(&facts) {
            let value = match column.kind {
                _ if cell.is_empty() => Value::Null,
                Kind::Text | Kind::Word | Kind::Time => json!(cell),
                Kind::Count(_) => json!(cell.parse::<i64>().unwrap()),
                Kind::Flag => json!(cell.parse::<bool>().unwrap()),
                Kind::Json => serde_json::from_str(cell).unwrap(),
            };
            let outer = ["input", "workflow"].into_iter().find_map(|outer| {
                let inner = column.name.strip_prefix(outer)?.strip_prefix('_')?;
                // A job's workflow is no object.
                (!names.contains(&outer)).then_some((outer, inner))
            });
            match outer {
                Some((outer, inner)) => {
                    json.entry(outer).or_insert_with(|| json!({}))[inner] = value;
                }
                None => {
                    json.insert(column.name.to_owned(), value);
                }
            }
        }
        Value::Object(json)
    });
    rows.collect()
}

/// Takes out of a record what is empty: what CSV cannot tell from absent.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| {
                // What is in `extra` and in an event is JSON in its cell, as it is.
                let value = match (name.as_str(), value) {
                    ("extra", value) if value != json!({}) => value,
                    ("event" | "activities", value) if value != json!([]) => value,
                    (_, value) => without_empty(value),
                };
                let is_empty = [json!(null), json!(""), json!({}), json!([])].contains(&value);
                (!is_empty).then_some((name, value))
            });
            Value::Object(fields.collect())
        }
        value => value,
    }
}

/// Checks every format against the records' own JSON.
fn check<T: Serialize + Clone>(table: Table, rows: &[T], columns: &[Column<T>]) {
    let expected: Vec<Value> = rows
        .iter()
        // Through text, as every reader sees it.
        .map(|row| serde_json::from_str(&serde_json::to_string(row).unwrap()).unwrap())
        .collect();

    let lines = written(table, Format::JsonLines, rows, columns);
    let read: Vec<Value> = lines
        .split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, expected);

    let array = written(table, Format::Json, rows, columns);
    let read: Vec<Value> = serde_json::from_str(&array).unwrap();
    assert_eq!(read, expected);

    let csv = written(table, Format::Csv, rows, columns);
    let read: Vec<Value> = read_csv(table, &csv)
        .into_iter()
        .map(without_empty)
        .collect();
    let expected: Vec<Value> = expected.into_iter().map(without_empty).collect();
    assert_eq!(read, expected);
}

fn some<T: Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn jobs_come_back(rows in some(job())) {
        check(Table::Jobs, &rows, history::JOBS);
    }

    #[test]
    fn runs_come_back_with_their_activities(rows in some(run())) {
        check(Table::Runs, &rows, history::RUNS);
    }

    #[test]
    fn activities_come_back(rows in some(activity())) {
        check(Table::Activities, &rows, history::ACTIVITIES);
    }

    #[test]
    fn events_come_back(rows in some(event())) {
        check(Table::Events, &rows, arrivals::EVENTS);
    }

    #[test]
    fn deliveries_come_back(rows in some(delivery())) {
        check(Table::Deliveries, &rows, arrivals::DELIVERIES);
    }

    #[test]
    fn what_was_not_let_in_comes_back(rows in some(held()), refused in some(refusal())) {
        check(Table::Held, &rows, arrivals::HELD);
        check(Table::Refusals, &refused, arrivals::REFUSALS);
    }

    #[test]
    fn cloud_events_come_back_and_are_what_the_standard_asks_for(rows in some(event())) {
        let events: Vec<CloudEvent<'_>> = rows.iter().map(CloudEvent::of).collect();
        for format in [Format::CloudEvents, Format::CloudEventLines] {
            let text = written(Table::Events, format, &events, &[]);
            let read: Vec<Value> = if format == Format::CloudEvents {
                serde_json::from_str(&text).unwrap()
            } else {
                let lines = text.split_terminator('\n');
                lines.map(|line| serde_json::from_str(line).unwrap()).collect()
            };
            prop_assert_eq!(read.len(), rows.len());
            for (event, row) in read.iter().zip(&rows) {
                let data: Value =
                    serde_json::from_str(&serde_json::to_string(row).unwrap()).unwrap();
                prop_assert_eq!(&event["data"], &data);
                prop_assert_eq!(&event["specversion"], "1.0");
                prop_assert_eq!(&event["time"], &json!(row.at));
                for name in ["id", "source", "type"] {
                    let text = event[name].as_str().unwrap();
                    prop_assert!(!text.is_empty() && text.is_ascii(), "{} is {}", name, text);
                    prop_assert!(!text.contains(char::is_whitespace));
                }
                if let Some(subject) = event.get("subject") {
                    let subject = subject.as_str().unwrap();
                    prop_assert!(!subject.contains(char::is_control));
                    prop_assert!(!subject.is_empty());
                }
            }
        }
    }

    #[test]
    fn no_cell_for_a_spreadsheet_begins_a_formula_and_nothing_else_changes(rows in some(job())) {
        let plain = written(Table::Jobs, Format::Csv, &rows, history::JOBS);
        let excel = written(Table::Jobs, Format::ExcelCsv, &rows, history::JOBS);
        let excel = excel.strip_prefix('\u{feff}').unwrap();
        let cells = |text: &str| -> Vec<String> {
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            let records = reader.records().map(Result::unwrap);
            records.flat_map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        for (plain, excel) in cells(&plain).into_iter().zip(cells(excel)) {
            let is_number = plain.parse::<i64>().is_ok();
            let is_risky = plain.starts_with(['=', '+', '-', '@', '\t', '\r']);
            if is_risky && !(is_number && excel == plain) {
                prop_assert_eq!(excel, format!("'{plain}"));
            } else if !is_risky {
                prop_assert_eq!(excel.strip_prefix('\'').unwrap_or(&excel), plain.strip_prefix('\'').unwrap_or(&plain));
            }
        }
    }
}
