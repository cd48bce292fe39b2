//! Exports: the same rows as the lists, through the real binary and through the library.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use mpsink::clock::{Clock, Timestamp};
use mpsink::export::{Export, ExportError, Format, Options, Step, columns_of};
use mpsink::store::Store;
use mpsink::store::records::{Page, Place};
use mpsink::store::scan_records::Table;
use mpsink::web::exports::selection;
use mpsink::web::list_filters::{
    ActivitiesQuery, DeliveriesQuery, EventsQuery, HeldQuery, JobsQuery, RefusalsQuery, RunsQuery,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Server, run, stderr, stdout};
use crate::http;

/// When the made-up day has ended.
const NOW: Timestamp = Timestamp(1_714_982_400_000);

/// A folder with a made-up history in `demo.db`.
fn with_history(jobs: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = run(
        folder.path(),
        &[
            "demo",
            "--no-serve",
            "--into",
            "demo.db",
            "--jobs",
            jobs,
            "--ends-at",
            "2024-05-06T08:00:00Z",
        ],
    );
    assert!(made.status.success(), "{}", stderr(&made));
    folder
}

fn open(folder: &TempDir) -> Store {
    let database = folder.path().join("demo.db");
    Store::open_reading(&database, Vec::new(), Clock::standing_at(NOW)).unwrap()
}

/// Runs an export in a folder and returns its exit code, its output and what it said.
fn export(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = run(folder, &[&["export"], arguments].concat());
    let code = output.status.code().unwrap();
    (code, stdout(&output), stderr(&output))
}

/// Takes an export to its end.
fn whole(store: &Store, table: Table, query: &str, options: Options) -> String {
    let selection = selection(table, query, NOW).unwrap();
    let mut export = Export::begin(store, selection, options).unwrap();
    let mut bytes = Vec::new();
    loop {
        match export.step(store).unwrap() {
            Step::Chunk(chunk) => {
                assert!(!chunk.is_empty());
                bytes.extend(chunk);
            }
            Step::Searching => {}
            Step::End => break,
        }
    }
    assert_eq!(export.step(store).unwrap(), Step::End);
    String::from_utf8(bytes).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.split_terminator('\n');
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Reads a list page by page, as JSON.
fn listed(store: &Store, table: Table, query: &str) -> Vec<Value> {
    macro_rules! walk {
        ($query:ty, $page:ident) => {{
            let filter = <$query>::parse(query, NOW).unwrap().filter;
            let mut page = Page::first(1_000);
            let mut rows = Vec::new();
            loop {
                let listing = store.$page(&filter, page).unwrap();
                rows.extend(listing.items.iter().map(|row| json!(row)));
                let Some(next) = listing.next else { break rows };
                page.place = Place::After(next);
            }
        }};
    }
    match table {
        Table::Jobs => walk!(JobsQuery, page_jobs),
        Table::Runs => walk!(RunsQuery, page_runs),
        Table::Activities => walk!(ActivitiesQuery, page_activities),
        Table::Events => walk!(EventsQuery, page_events),
        Table::Deliveries => walk!(DeliveriesQuery, page_deliveries),
        Table::Held => walk!(HeldQuery, page_held),
        Table::Refusals => walk!(RefusalsQuery, page_refusals),
    }
}

/// Counts rows, whatever their order.
fn counted(rows: Vec<Value>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn an_export_has_exactly_the_rows_of_its_list_with_every_filter() {
    let folder = with_history("400");
    let store = open(&folder);
    let job = &listed(&store, Table::Jobs, "")[0];
    let of_queue = format!("queue={}", job["queue"].as_str().unwrap_or("none"));
    let run = &listed(&store, Table::Runs, "")[0];
    let run_id = run["id"].as_str().unwrap();
    let workflow = run["workflow"]["id"].as_str().unwrap();
    let (of_run, of_workflow) = (format!("run={run_id}"), format!("workflow={workflow}"));
    let q_run = &format!("q={run_id}");
    for (table, queries) in [
        (
            Table::Jobs,
            vec![
                "",
                &of_queue,
                &of_workflow,
                q_run,
                "q=mp4",
                "state=failed",
                "type=Transcode",
                "from=6h&to=2h",
                "state=succeeded&q=mp4",
            ],
        ),
        (
            Table::Runs,
            vec![
                "",
                &of_workflow,
                q_run,
                "q=mp4",
                "state=failed",
                "state=stale",
                "from=6h",
            ],
        ),
        (
            Table::Activities,
            vec![
                "",
                &of_run,
                &of_workflow,
                "state=failed",
                "type=Snapshot",
                "to=3h",
            ],
        ),
        (Table::Events, vec!["", "kind=run", "kind=activity&from=5h"]),
        (
            Table::Deliveries,
            vec![
                "",
                "only=repeated",
                "format=json",
                "from=5h&to=4h",
                "topic=none",
            ],
        ),
        (Table::Held, vec![""]),
        (Table::Refusals, vec![""]),
    ] {
        for query in queries {
            assert_as_listed(&store, table, query);
        }
    }
}

fn assert_as_listed(store: &Store, table: Table, query: &str) {
    let listed = listed(store, table, query);
    let found = lines(&whole(store, table, query, Options::of(Format::JsonLines)));
    let may_be_none = matches!(table, Table::Held | Table::Refusals)
        || ["none", "stale"].iter().any(|word| query.contains(word));
    assert!(may_be_none || !listed.is_empty(), "{table:?}?{query}");
    assert_eq!(counted(found), counted(listed), "{table:?}?{query}");
}

#[test]
fn every_format_has_the_same_rows_and_an_end_says_how_many() {
    let folder = with_history("60");
    let store = open(&folder);
    for table in Table::ALL {
        let rows = lines(&whole(&store, table, "", Options::of(Format::JsonLines)));
        let array = whole(&store, table, "", Options::of(Format::Json));
        assert_eq!(serde_json::from_str::<Vec<Value>>(&array).unwrap(), rows);
        for format in [Format::Csv, Format::ExcelCsv] {
            let csv = whole(&store, table, "", Options::of(format));
            let is_excel = csv.starts_with('\u{feff}');
            assert_eq!(is_excel, format == Format::ExcelCsv);
            let header = csv.trim_start_matches('\u{feff}').lines().next().unwrap();
            let names: Vec<&str> = columns_of(table).iter().map(|column| column.name).collect();
            assert_eq!(header, names.join(","));
            // Made-up records have no line breaks in them.
            assert_eq!(csv.matches("\r\n").count(), rows.len() + 1, "{table:?}");
        }

        let with_end = Options {
            with_end: true,
            ..Options::of(Format::JsonLines)
        };
        let ended = lines(&whole(&store, table, "", with_end));
        let last = store.last_row(table).unwrap();
        let end = json!({"_end": {"rows": rows.len(), "next": last}});
        assert_eq!(ended.last().unwrap(), &end);
        assert_eq!(ended.len(), rows.len() + 1);
        let rest = Options {
            after: last,
            ..with_end
        };
        let rest = whole(&store, table, "", rest);
        assert_eq!(lines(&rest), [json!({"_end": {"rows": 0, "next": last}})]);
    }
    let events = whole(&store, Table::Events, "", Options::of(Format::CloudEvents));
    let events: Vec<Value> = serde_json::from_str(&events).unwrap();
    let by_line = Options::of(Format::CloudEventLines);
    assert_eq!(lines(&whole(&store, Table::Events, "", by_line)), events);
    assert!(!events.is_empty());
    let of_jobs = selection(Table::Jobs, "", NOW).unwrap();
    let refused = Export::begin(&store, of_jobs, Options::of(Format::CloudEvents));
    assert!(matches!(refused, Err(ExportError::NoEvents { .. })));
}

#[test]
fn an_empty_table_is_a_header_an_empty_array_or_nothing() {
    let folder = with_history("1");
    let store = open(&folder);
    for (format, expected) in [
        (Format::Csv, "id,source,reason,received_at,body_bytes\r\n"),
        (Format::JsonLines, ""),
        (Format::Json, "[]\n"),
    ] {
        let found = whole(&store, Table::Refusals, "", Options::of(format));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_rare_filter_is_looked_for_in_bounded_steps_that_say_so() {
    let folder = with_history("1");
    let database = Connection::open(folder.path().join("demo.db")).unwrap();
    let many = "
        WITH RECURSIVE number (value) AS (
          SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < 10001
        )
        INSERT INTO refusal (source, reason, is_first, received_at, body_bytes, bytes, explanation,
          head, body)
        SELECT (SELECT MIN(id) FROM source), 'signature_wrong', 0, 0, 0, 0, '{}', x'', x'' FROM number;
        UPDATE refusal SET reason = 'date_malformed' WHERE id = 10001;";
    database.execute_batch(many).unwrap();
    let store = open(&folder);
    let rare = selection(Table::Refusals, "reason=date_malformed", NOW).unwrap();
    let mut export = Export::begin(&store, rare, Options::of(Format::JsonLines)).unwrap();
    assert_eq!(export.step(&store).unwrap(), Step::Searching);
    assert_eq!(export.reached(), (10_000, 10_001));
    assert!(matches!(export.step(&store).unwrap(), Step::Chunk(_)));
    assert_eq!(export.rows(), 1);
    assert_eq!(export.step(&store).unwrap(), Step::End);
}

#[test]
fn the_binary_exports_beside_the_running_server_and_says_test() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let pushed = run(folder.path(), &["push", "--count", "3"]);
    assert!(pushed.status.success());
    let (code, csv, said) = export(folder.path(), &["jobs", "--try"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("TEST"), "{said}");
    assert_eq!(csv.matches("\r\n").count(), 4, "{csv}");
    let (_, text, _) = export(folder.path(), &["jobs", "--try", "--format", "ndjson"]);
    let mut items = server.items("/jobs.json");
    items.reverse();
    assert_eq!(lines(&text), items);

    // Nothing was locked or changed: the server goes on.
    let pushed = run(folder.path(), &["push", "--count", "4"]);
    assert!(pushed.status.success());
    assert_eq!(server.items("/jobs.json").len(), 4);
}

#[test]
fn a_file_s_name_chooses_format_and_compression_and_no_half_file_is_left() {
    let folder = with_history("50");
    let arguments = |file| ["events", "--database", "demo.db", "--output", file];
    for file in ["e.csv", "e.ndjson", "e.json", "e.cloudevents", "e.csv.gz"] {
        let (code, out, said) = export(folder.path(), &arguments(file));
        assert_eq!((code, out.as_str()), (0, ""), "{said}");
    }
    let text = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(text("e.csv").starts_with("id,kind,"));
    let rows = lines(&text("e.ndjson"));
    assert_eq!(
        serde_json::from_str::<Value>(&text("e.json")).unwrap(),
        json!(rows)
    );
    let events: Vec<Value> = serde_json::from_str(&text("e.cloudevents")).unwrap();
    assert_eq!(events[0]["data"], rows[0]);
    let compressed = File::open(folder.path().join("e.csv.gz")).unwrap();
    let mut unpacked = String::new();
    GzDecoder::new(compressed)
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, text("e.csv"));
    let names = fs::read_dir(folder.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name());
    assert!(!names.any(|name| name.to_str().unwrap().contains(".part")));
}

#[test]
fn a_mistake_is_told_as_the_page_tells_it_and_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (code, _, said) = export(folder.path(), &["jobs", "--try", "--state", "sleeping"]);
    assert_eq!(code, 2, "{said}");
    let problem = http::get(server.dashboard, "/jobs.json?state=sleeping").json();
    assert!(said.contains(problem["detail"].as_str().unwrap()), "{said}");

    for (arguments, expected) in [
        (vec!["jobs", "--after=-5"], "-5 is not in 0.."),
        (
            vec!["events", "--queue", "hd"],
            "events cannot be filtered by --queue; known are --kind",
        ),
        (
            vec!["jobs", "--from", "yesterday"],
            "`yesterday` is no value for `from`",
        ),
        (
            vec!["jobs", "--from", "1h", "--to", "2h"],
            "a time after `from`",
        ),
        (vec!["jobs", "--output", "jobs.parquet"], "--format"),
        (vec!["jobs", "--format", "cloudevents"], "only events"),
        (
            vec!["jobs", "--format", "json", "--excel"],
            "--excel is for csv",
        ),
        (vec!["jobs", "--end"], "--end is for formats of lines"),
        (vec!["lorries"], "possible values: jobs, runs"),
        (vec!["jobs", "--format", "xlsx"], "possible values"),
    ] {
        let (code, out, said) = export(folder.path(), &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn what_cannot_be_read_or_written_is_said_and_ends_with_1() {
    let folder = with_history("5");
    let (code, _, said) = export(folder.path(), &["jobs", "--database", "gone.db"]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no database gone.db"), "{said}");
    assert!(!folder.path().join("gone.db").exists());

    fs::write(folder.path().join("letter.db"), "no database".repeat(100)).unwrap();
    let (code, _, said) = export(folder.path(), &["jobs", "--database", "letter.db"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("letter.db is not an mpsink database"),
        "{said}"
    );

    let to_full = [
        "jobs",
        "--database",
        "demo.db",
        "--format",
        "csv",
        "--output",
        "/dev/full",
    ];
    let (code, _, said) = export(folder.path(), &to_full);
    assert_eq!(code, 1);
    assert!(said.contains("the disk is full"), "{said}");
    let nowhere = [
        "jobs",
        "--database",
        "demo.db",
        "--output",
        "no/folder/jobs.csv",
    ];
    let (code, _, said) = export(folder.path(), &nowhere);
    assert_eq!(code, 1);
    assert!(
        said.contains("cannot write no/folder/jobs.csv.part"),
        "{said}"
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_with_a_sentence() {
    let folder = with_history("3000");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpsink"))
        .current_dir(folder.path())
        .args([
            "export",
            "events",
            "--database",
            "demo.db",
            "--format",
            "ndjson",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(first.starts_with('{'));
    drop(output);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = stderr(&ended);
    assert!(
        said.contains("whoever read standard output has gone"),
        "{said}"
    );
}

#[test]
fn the_documentation_has_every_column_as_it_is() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/export.md");
    let docs = fs::read_to_string(path).unwrap();
    for table in Table::ALL {
        let heading = format!("### {}\n", table.word());
        let (_, section) = docs.split_once(&heading).unwrap();
        let rows = section
            .lines()
            .skip_while(|line| !line.starts_with("| `"))
            .take_while(|line| line.starts_with("| `"));
        let columns = columns_of(table);
        let expected = columns.iter().map(|column| {
            let (kind, unit) = (column.kind.word(), column.kind.unit());
            format!(
                "| `{}` | {kind} | {unit} | {} |",
                column.name, column.meaning
            )
        });
        let found: Vec<&str> = rows.collect();
        assert_eq!(found, expected.collect::<Vec<_>>(), "{}", table.word());
    }
}
