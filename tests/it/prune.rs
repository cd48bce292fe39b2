//! `mpsink prune` and what the server takes away by itself: what goes, what the pages say of it, and
//! that pushes, exports and a rebuild are none the worse.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mpsink::app::bounds::Bounds;
use mpsink::app::prune::PruneTimes;
use mpsink::clock::{Clock, Timestamp};
use mpsink::ingest::prune::{Prune, PruneOrder};
use mpsink::metrics::Metrics;
use mpsink::notification::Format;
use mpsink::store::Store;
use mpsink::store::disk;
use mpsink::store::lock;
use mpsink::store::options::{Purpose, StoreOptions};
use mpsink::store::retention::Taken;
use mpsink::store::retention::kept::Retention;
use serde_json::{Value, json};

use crate::app::{NOW, TestApp, data, job_message};
use crate::binary::{run, stderr, stdout};
use crate::http;
use crate::http::dechunked;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A server with jobs, a run and a message that nobody understands, and a hundred days later one job.
fn a_hundred_days(config: &str) -> TestApp {
    let app = TestApp::start_with(config);
    push_all(&app);
    app
}

fn push_all(app: &TestApp) {
    for job in ["old-1", "old-2"] {
        push(app, &job_message(job, "Success"));
    }
    push(app, &data("workflow-report-completed.json"));
    push(app, b"not JSON");
    app.clock.set(NOW.plus_ms(100 * DAY_MS));
    push(app, &job_message("new", "Success"));
}

fn push(app: &TestApp, message: &[u8]) {
    assert_eq!(app.push(Format::Json, message).status, 204);
}

/// Has the running server do something that ends with a report.
fn ask(app: &TestApp, path: &str) -> Value {
    let running = lock::running(&app.database()).unwrap();
    let key = format!("Bearer {}", running.key);
    let headers = [("Authorization", &*key), ("Accept", "application/json")];
    let response = http::request(app.facts.dashboard, "POST", path, &headers);
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    let (lines, is_whole) = dechunked(&response.body);
    assert!(is_whole, "{path}");
    let last = lines
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty());
    let last: Value = serde_json::from_slice(last.unwrap()).unwrap();
    assert!(last["report"].is_object(), "{last}");
    last["report"].clone()
}

fn prune(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(folder, &[&["prune"], arguments].concat());
    let printed = stdout(&output) + &stderr(&output);
    (output.status.code().unwrap(), printed)
}

#[test]
fn an_emptied_delivery_says_so_on_its_page_in_its_json_and_instead_of_its_file() {
    let app = a_hundred_days("");
    let page = |language: &str| {
        let headers = [("Accept-Language", language)];
        let page = http::get_with(app.facts.dashboard, "/deliveries/1", &headers);
        assert_eq!(page.status, 200);
        page.text()
    };
    assert!(!page("en").contains("not kept any more"));
    assert_eq!(app.get("/deliveries/1.http").status, 200);
    let report = ask(&app, "/prune");
    assert_eq!(report["taken"]["emptied"], json!(4));
    assert_eq!(report["taken"]["deliveries"], json!(0));

    assert!(page("en").contains("not kept any more"));
    assert!(page("en").contains("retention.messages"));
    assert!(page("zh").contains("已不再保存"));
    let delivery = app.json("/deliveries/1.json");
    for field in ["request", "message", "message_base64"] {
        assert_eq!(delivery[field], Value::Null, "{field}");
    }
    assert_eq!(delivery["event_records"].as_array().unwrap().len(), 1);
    let file = app.get("/deliveries/1.http");
    assert_eq!(file.status, 410);
    assert!(
        file.text().contains("retention.messages"),
        "{}",
        file.text()
    );
    assert_eq!(app.get("/deliveries/5.http").status, 200);
    for page in [
        "/jobs/old-1",
        "/deliveries/4",
        "/jobs.csv",
        "/deliveries.ndjson",
    ] {
        assert_eq!(app.get(page).status, 200, "{page}");
    }
}

#[test]
fn what_is_forgotten_is_not_found_and_the_answer_says_how_long_history_is_kept() {
    let app = a_hundred_days("[retention]\nhistory = \"30d\"");
    // The run has three jobs of its own.
    assert_eq!(app.items("/jobs.json").len(), 6);
    let runs = app.items("/runs.json");
    let run = runs[0]["id"].as_str().unwrap();
    let charts = "/queues/mps-std.json?from=2024-05-06T00:00:00Z&to=2024-05-07T00:00:00Z";
    let counted = |json: &Value| json["lanes"][0]["ended"].clone();
    let before = counted(&app.json(charts));
    assert!(before.is_object(), "{before}");
    let report = ask(&app, "/prune");
    assert_eq!(
        (&report["taken"]["jobs"], &report["taken"]["runs"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(report["taken"]["deliveries"], json!(4));
    let jobs = app.items("/jobs.json");
    assert_eq!((jobs.len(), &jobs[0]["id"]), (1, &json!("new")));
    assert!(app.items("/runs.json").is_empty());
    assert!(app.items("/jobs.json?q=old").is_empty());
    assert_eq!(counted(&app.json(charts)), before);

    for path in [
        "/jobs/old-1",
        "/jobs/old-1.json",
        &format!("/runs/{run}"),
        "/deliveries/1",
    ] {
        let gone = app.get(path);
        assert_eq!(gone.status, 404, "{path}");
        assert!(
            gone.text().contains("retention.history"),
            "{path}: {}",
            gone.text()
        );
    }
    let held = app.get("/held/1");
    assert!(!held.text().contains("retention.history"));
    // It is new by now, and nothing remembers the old one.
    push(&app, &job_message("old-1", "Success"));
    assert_eq!(app.json("/jobs/old-1.json")["events"], json!(1));
}

#[test]
fn a_rebuild_after_it_changes_nothing() {
    let app = a_hundred_days("[retention]\nmessages = \"7d\"\nhistory = \"30d\"");
    app.clock.set(NOW.plus_ms(110 * DAY_MS));
    push(&app, &job_message("newer", "Success"));
    ask(&app, "/prune");
    let report = ask(&app, "/rebuild?dry_run=1");
    assert_eq!(
        (&report["reread"], &report["emptied"]),
        (&json!(1), &json!(1))
    );
    for nothing in ["deliveries_changed", "events_moved", "sums_corrected"] {
        assert_eq!(report[nothing], json!(0), "{report}");
    }
    for what in ["events", "jobs", "runs"] {
        let none = json!({"added": 0, "changed": 0, "removed": 0});
        assert_eq!(report[what], none, "{report}");
    }
}

#[test]
fn a_dry_run_of_the_command_says_what_would_go_with_a_server_and_without() {
    let mut app = a_hundred_days("");
    let database = app.database();
    let database = ["--database", database.to_str().unwrap()];
    let folder = app.database();
    let folder = folder.parent().unwrap();
    let dry = [
        &database[..],
        &["--dry-run", "--history", "30d", "--messages", "20d"],
    ]
    .concat();
    let (code, with_server) = prune(folder, &dry);
    assert_eq!(code, 0, "{with_server}");
    assert!(
        with_server.contains(": 4 would be emptied"),
        "{with_server}"
    );
    assert!(with_server.contains("5 jobs, 1 runs"), "{with_server}");
    assert!(with_server.contains("nothing was written"), "{with_server}");
    app.stop();
    // By the machine's clock all of it is old, but for the newest of the source.
    let (code, alone) = prune(folder, &dry);
    assert_eq!(code, 0, "{alone}");
    assert!(alone.contains(": 5 would be emptied"), "{alone}");
    app.restart();
    assert_eq!(app.items("/jobs.json").len(), 6);
    assert_eq!(app.get("/deliveries/1.http").status, 200);
    app.stop();
    let (code, done) = prune(folder, &[&database[..], &["--history", "1y"]].concat());
    assert_eq!(code, 0, "{done}");
    assert!(done.contains("4 deliveries forgotten"), "{done}");
    app.restart();
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn a_time_that_is_too_short_or_none_is_named_and_nothing_is_done() {
    let app = a_hundred_days("");
    let folder = tempfile::tempdir().unwrap();
    let (code, printed) = prune(folder.path(), &["--history", "6d"]);
    assert_eq!(code, 1);
    assert!(printed.contains("`--history` is `6d`"), "{printed}");
    let (code, printed) = prune(folder.path(), &[]);
    assert_eq!(code, 1);
    assert!(printed.contains("there is no database"), "{printed}");

    let post = |headers: &[(&str, &str)], query: &str| {
        let path = format!("/prune{query}");
        http::request(app.facts.dashboard, "POST", &path, headers).status
    };
    assert_eq!(post(&[], ""), 403);
    assert_eq!(post(&[("Sec-Fetch-Site", "same-origin")], ""), 401);
    let key = format!("Bearer {}", lock::running(&app.database()).unwrap().key);
    let with_key = [("Authorization", key.as_str())];
    for wrong in [
        "?messages=1h",
        "?history=6d",
        "?history=soon",
        "?dry_run=yes",
        "?keep=1",
    ] {
        assert_eq!(post(&with_key, wrong), 400, "{wrong}");
    }
    assert_eq!(app.get("/prune").status, 405);
    assert_eq!(app.get("/deliveries/1.http").status, 200);
}

#[test]
fn the_server_empties_by_itself_what_has_become_old() {
    let app = TestApp::start_bounded(Bounds {
        prune: PruneTimes {
            first_after: Duration::ZERO,
            every: Duration::from_millis(5),
        },
        ..Bounds::default()
    });
    push_all(&app);
    let emptied = app.json_when("/deliveries/1.json", |json| json["request"].is_null());
    assert_eq!(emptied["message"], Value::Null);
    assert!(app.json("/deliveries/5.json")["request"].is_object());
}

#[test]
fn by_itself_it_does_not_believe_a_clock_that_is_far_from_the_newest_delivery() {
    let mut app = a_hundred_days("");
    app.stop();
    let in_years = Clock::standing_at(NOW.plus_ms(2_000 * DAY_MS));
    let options = StoreOptions {
        path: app.database(),
        purpose: Purpose::Record,
        inbox_commands_max: 64,
        inbox_bytes_max: 1024 * 1024,
        held_bytes_max: 1024 * 1024,
        answer_within: Duration::from_secs(60),
        queues: Vec::new(),
        workflows: Vec::new(),
        clock: in_years.clone(),
        metrics: Metrics::new(),
        free_disk: disk::free,
    };
    let (store, _) = Store::open(options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let prune = |is_by_itself| {
        let order = PruneOrder {
            retention: Retention::default(),
            dry_run: true,
            is_by_itself,
        };
        let prune = Prune::alone(store.clone(), in_years.clone());
        let report = prune.run(order, |_| ControlFlow::Continue(()));
        runtime.block_on(report).unwrap()
    };
    let by_itself = prune(true);
    let believed = NOW.plus_ms((100 + 7 - 90) * DAY_MS);
    assert_eq!(by_itself.messages_before, Some(believed));
    assert_eq!(by_itself.taken.emptied, 4);
    assert_eq!(prune(false).taken.emptied, 5);
    let oldest: Option<Timestamp> = by_itself.oldest_at;
    assert_eq!(oldest, Some(NOW));
    assert_ne!(by_itself.taken, Taken::default());
}

#[test]
fn pushes_and_downloads_go_on_beside_it_and_lose_nothing() {
    let app = TestApp::start_with("[retention]\nhistory = \"30d\"");
    for at in 0..300 {
        push(&app, &job_message(&format!("old-{at}"), "Success"));
    }
    app.clock.set(NOW.plus_ms(100 * DAY_MS));
    for at in 0..20 {
        push(&app, &job_message(&format!("kept-{at}"), "Success"));
    }
    let app = &app;
    thread::scope(|scope| {
        let pushes = scope.spawn(|| {
            for at in 0..100 {
                push(app, &job_message(&format!("new-{at}"), "Success"));
            }
        });
        let exports = scope.spawn(|| {
            for _ in 0..10 {
                let export = app.get("/jobs.ndjson");
                assert_eq!(export.status, 200);
                let (lines, is_whole) = dechunked(&export.body);
                assert!(is_whole);
                let text = String::from_utf8(lines).unwrap();
                let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
                let ids: Vec<String> = rows
                    .filter_map(|row: Value| Some(row["id"].as_str()?.to_owned()))
                    .collect();
                let kept = ids.iter().filter(|id| id.starts_with("kept-")).count();
                assert_eq!(kept, 20, "{ids:?}");
            }
        });
        let report = ask(app, "/prune");
        assert_eq!(report["taken"]["jobs"], json!(300));
        pushes.join().unwrap();
        exports.join().unwrap();
    });
    assert_eq!(app.items("/jobs.json?limit=1000").len(), 120);
    assert_eq!(app.items("/deliveries.json?limit=1000").len(), 120);
    let report = ask(app, "/rebuild?dry_run=1");
    assert_eq!(
        report["jobs"],
        json!({"added": 0, "changed": 0, "removed": 0})
    );
    assert_eq!(report["sums_corrected"], json!(0));
}
