//! `/completeness` and its JSON: when the server was down, what came by what became of it, and what is
//! odd about jobs and runs.

use std::fs;

use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use rusqlite::Connection;
use scraper::{Html, Selector};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{TestApp, job_message};
use crate::binary::Server;
use crate::http;

const HOUR_MS: i64 = 3_600_000;

fn check(json: &Value, name: &str) -> (String, u64) {
    let checks = json["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    let verdict = check["verdict"].as_str().unwrap().to_owned();
    (verdict, check["count"].as_u64().unwrap())
}

fn fine() -> (String, u64) {
    ("fine".to_owned(), 0)
}

fn warning(count: u64) -> (String, u64) {
    ("warning".to_owned(), count)
}

/// What the page says first.
fn headline(app: &TestApp) -> String {
    let page = Html::parse_document(&app.get("/completeness").text());
    let headline = Selector::parse("main h2").unwrap();
    page.select(&headline).next().unwrap().text().collect()
}

fn completeness_of(server: &Server) -> Value {
    let response = http::get(server.dashboard, "/completeness.json");
    serde_json::from_str(&response.text()).unwrap()
}

/// Moves the only lifetime that is over back by an hour, as if the server had been away for so long.
fn make_it_an_hour_ago(folder: &TempDir) {
    let database = Connection::open(folder.path().join("mpsink-try.db")).unwrap();
    let sql = "UPDATE lifetime SET started_at = started_at - ?1, alive_at = alive_at - ?1,
        ended_at = ended_at - ?1";
    assert_eq!(database.execute(sql, [HOUR_MS]).unwrap(), 1);
}

#[test]
fn a_kill_and_a_clean_stop_are_downtimes_of_their_kind() {
    for (is_clean, ending) in [(false, "crashed"), (true, "stopped")] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(folder.path());
        let before = completeness_of(&server);
        assert!(before["running_since"].is_string());
        assert_eq!(before["downtimes"], json!([]));
        if is_clean {
            assert_eq!(server.terminate(), 0);
        } else {
            server.kill();
        }
        drop(server);
        make_it_an_hour_ago(&folder);

        let server = Server::start(folder.path());
        let after = completeness_of(&server);
        let downtimes = after["downtimes"].as_array().unwrap();
        assert_eq!(downtimes.len(), 1, "{downtimes:?}");
        assert_eq!(downtimes[0]["ending"], ending);
        assert_eq!(downtimes[0]["backoff_may_lose"], json!(true));
        assert_eq!(downtimes[0]["decay_may_lose"], json!(false));
        assert!(downtimes[0]["length_ms"].as_i64().unwrap() >= HOUR_MS);
        assert_eq!(check(&after, "downtime"), warning(1));
        let page = http::get(server.dashboard, "/completeness").text();
        let page = Html::parse_document(&page);
        let row = Selector::parse("#downtimes ~ .table-box tbody tr").unwrap();
        let row: String = page.select(&row).next().unwrap().text().collect();
        assert!(
            row.contains(ending) && row.contains("Exponential Decay Retry"),
            "{row}"
        );
        assert_eq!(row.contains("at most"), !is_clean, "{row}");
    }
}

#[test]
fn a_quick_restart_loses_nothing() {
    let mut app = TestApp::start();
    app.push(Format::Xml, &job_message("a", "Success"));
    app.stop();
    app.clock.set(app.clock.now().plus_ms(30_000));
    app.restart();
    let json = app.json("/completeness.json");
    assert_eq!(json["downtimes"][0]["verdict"], "fine");
    assert_eq!(json["downtimes"][0]["length_ms"], 30_000);
    assert_eq!(check(&json, "downtime"), fine());
    assert_eq!(headline(&app), "Nothing is known to be missing");
}

#[test]
fn pushes_that_come_late_after_a_downtime_say_that_they_are_repeated_for_a_day() {
    let mut app = TestApp::start();
    app.push(Format::Xml, &job_message("a", "Success"));
    app.stop();
    app.clock.set(app.clock.now().plus_ms(HOUR_MS));
    app.restart();
    let verdict = |app: &TestApp| app.json("/completeness.json")["downtimes"][0]["verdict"].clone();
    assert_eq!(verdict(&app), "warning");
    let mut content = app.content(Format::Xml, &job_message("b", "Success"));
    content.published_at = app.clock.now().plus_ms(-20 * 60_000);
    assert_eq!(app.send(&app.signed(&content)).status, 204);
    assert_eq!(verdict(&app), "fine");
    let json = app.json("/completeness.json");
    assert_eq!(json["downtimes"][0]["repeated_after_ms"], 20 * 60_000);
    assert_eq!(check(&json, "late"), warning(1));
}

#[test]
fn a_downtime_within_an_hour_is_fine_if_what_came_after_it_was_repeated_for_long() {
    let mut app = TestApp::start();
    // Late as well, before the downtime and in the same hour: that says nothing of it.
    let push_late = |app: &TestApp, id: &str| {
        let mut content = app.content(Format::Xml, &job_message(id, "Success"));
        content.published_at = app.clock.now().plus_ms(-5 * 60_000);
        assert_eq!(app.send(&app.signed(&content)).status, 204);
    };
    push_late(&app, "before");
    app.stop();
    app.clock.set(app.clock.now().plus_ms(6 * 60_000));
    app.restart();
    let downtime = |app: &TestApp| check(&app.json("/completeness.json"), "downtime");
    assert_eq!(downtime(&app), warning(1));
    push_late(&app, "after");
    assert_eq!(downtime(&app), fine());
}

#[test]
fn a_downtime_is_judged_by_the_retry_policy_that_the_configuration_says() {
    for (policy, verdict, says) in [
        ("EXPONENTIAL_DECAY_RETRY", "fine", "nothing was lost by it"),
        ("BACKOFF_RETRY", "warning", "gave up within a minute"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[[source]]\nretry_policy = \"{policy}\"\n");
        fs::write(folder.path().join("mpsink.toml"), config).unwrap();
        assert_eq!(Server::start(folder.path()).terminate(), 0);
        make_it_an_hour_ago(&folder);
        let server = Server::start(folder.path());
        let downtime = &completeness_of(&server)["downtimes"][0];
        assert_eq!(downtime["retry_policy"], policy);
        assert_eq!(downtime["verdict"], verdict, "{policy}");
        let page = http::get(server.dashboard, "/completeness").text();
        assert!(page.contains(says), "{policy}");
        let operations = http::get(server.dashboard, "/operations.json").json();
        let of_line = |line: &str| {
            let mut findings = operations["findings"].as_array().unwrap().iter();
            findings.find(|it| it["line"] == line).unwrap()["verdict"].clone()
        };
        assert_eq!(
            [of_line("retries"), of_line("downtime")],
            [verdict, verdict]
        );
    }
}

#[test]
fn what_is_odd_is_said_line_by_line_and_first_of_all_that_there_is_something() {
    let app = TestApp::start();
    assert_eq!(headline(&app), "Nothing has arrived yet");
    assert_eq!(app.json("/completeness.json")["has_arrivals"], false);
    app.push(Format::Xml, &job_message("a", "Success"));
    assert_eq!(headline(&app), "Nothing is known to be missing");

    app.push(Format::Xml, b"a test message");
    app.push(Format::Xml, &job_message("a", "Fail"));
    let mut content = app.content(Format::Xml, &job_message("b", "Success"));
    let first = app.signed(&content);
    assert_eq!(app.send(&first).status, 204);
    assert_eq!(app.send(&first).status, 204);
    content.message = job_message("c", "Success");
    assert_eq!(app.send(&app.signed(&content)).status, 204);
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let mut refused = app.signed(&content);
    refused
        .headers
        .set("x-mns-version", "changed after signing");
    assert_eq!(app.send(&refused).status, 403);
    let mut stray = app.signed(&content);
    stray.target = "/notifications/elsewhere".to_owned();
    assert_eq!(app.send(&stray).status, 404);
    let report = br#"{"RunId":"r","Name":"end","Type":"Report","State":"Success",
        "MediaWorkflowExecution":{"RunId":"r","MediaWorkflowId":"w","State":"Completed"}}"#;
    app.push(Format::Xml, report);

    // What is refused is explained, and noted, beside the answer.
    let json = app.json_when("/completeness.json", |json| {
        let hour = &json["hours"][0];
        hour["strays"] == 1 && hour["refused"] == 1
    });
    assert_eq!(check(&json, "unrecognized"), warning(1));
    assert_eq!(check(&json, "conflicts"), warning(1));
    assert_eq!(check(&json, "duplicates"), ("fine".to_owned(), 2));
    assert_eq!(check(&json, "differs"), ("wrong".to_owned(), 1));
    assert_eq!(check(&json, "held"), warning(1));
    assert_eq!(check(&json, "refused"), warning(1));
    assert_eq!(check(&json, "strays"), warning(1));
    assert_eq!(check(&json, "start_missing"), warning(1));
    for name in ["downtime", "silence", "failed", "stale", "late"] {
        assert_eq!(check(&json, name), fine(), "{name}");
    }
    assert_eq!(json["verdict"], "wrong");
    assert_eq!(json["need_a_look"], 7);
    assert_eq!(headline(&app), "7 things need a look");
    assert_eq!(json["start_missing"][0]["id"], "r");
    assert_eq!(json["conflicts"][0]["id"], "a");
    let today = &json["days"][0];
    let counts = [
        "stored",
        "duplicates",
        "differs",
        "held",
        "refused",
        "failed",
    ];
    let counts = counts.map(|name| today[name].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 1, 1, 1, 0]);
}

#[test]
fn a_start_that_comes_after_its_report_is_not_missing() {
    let app = TestApp::start();
    let message = |kind: &str, state: &str| {
        let message = json!({"RunId": "r", "Name": "x", "Type": kind, "State": "Success",
            "MediaWorkflowExecution": {"RunId": "r", "MediaWorkflowId": "w", "State": state}});
        message.to_string().into_bytes()
    };
    app.push(Format::Xml, &message("Report", "Completed"));
    let missing = || check(&app.json("/completeness.json"), "start_missing");
    assert_eq!(missing(), warning(1));
    app.push(Format::Xml, &message("Start", "Running"));
    assert_eq!(missing(), fine());
}

#[test]
fn a_source_that_is_silent_when_it_never_was_is_named() {
    let app = TestApp::start();
    let start = app.clock.now();
    let hour = |hour: i64| Timestamp(start.0 - start.0.rem_euclid(HOUR_MS)).plus_ms(hour * HOUR_MS);
    for at in 0..=4 * 24 {
        app.clock.set(hour(at));
        let mut content = app.content(Format::Xml, &job_message(&at.to_string(), "Success"));
        content.published_at = app.clock.now();
        assert_eq!(app.send(&app.signed(&content)).status, 204);
    }
    app.clock.set(hour(4 * 24 + 1).plus_ms(HOUR_MS - 1));
    assert_eq!(check(&app.json("/completeness.json"), "silence"), fine());
    app.clock.set(hour(4 * 24 + 2));
    let json = app.json("/completeness.json");
    assert_eq!(check(&json, "silence"), warning(1));
    let source = &json["sources"][0];
    assert_eq!(source["source"], "default");
    assert_eq!(source["silent_ms"], 2 * HOUR_MS);
    assert_eq!(source["usual"], json!({"taken": 1, "hours": 1}));
}

#[test]
fn hours_and_days_are_there_also_if_nothing_came_and_days_are_those_of_the_viewer() {
    let app = TestApp::start();
    app.push(Format::Xml, &job_message("a", "Success"));
    let start = app.clock.now();
    app.clock.set(start.plus_ms(40 * 24 * HOUR_MS));
    let json = app.json("/completeness.json");
    let stored = |rows: &str| {
        let rows = json[rows].as_array().unwrap();
        rows.iter()
            .map(|row| row["stored"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(stored("hours"), [0; 24]);
    assert_eq!(stored("days"), [0; 30]);
    let to = |row: usize| json["days"][row]["to"].clone();
    assert_eq!(json["days"][0]["from"], to(1));
    let midnight = json["days"][5]["from"].as_str().unwrap();
    assert!(midnight.ends_with("T00:00:00.000Z"), "{midnight}");
}
