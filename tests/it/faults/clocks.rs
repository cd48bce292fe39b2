//! Clocks that jump, and threads that panic: a clock from before 1970 is what makes them, since no input
//! does.

use serde_json::Value;

use crate::faults::Faulty;
use crate::http::{self, Connection};

const HOUR_S: i64 = 3_600;

/// Long before 1970.
const BEFORE_ALL_S: i64 = -4_000_000_000;

#[test]
fn a_clock_that_jumps_an_hour_each_way_holds_pushes_and_loses_none() {
    for jump in [HOUR_S, -HOUR_S] {
        let faulty = Faulty::start();
        assert_eq!(faulty.push("before").status, 204);
        faulty.set("clock", jump);
        // Signed by SMQ's clock, which is right: outside of the window, so kept until somebody looks.
        let answer = faulty.push("during");
        assert_eq!(answer.status, 403, "{}", answer.text());
        let held = faulty.server.items("/held.json");
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0]["reason"], "date");
        assert!(faulty.ready().0, "{}", faulty.ready().1);
        for page in ["/jobs.json", "/overview.json", "/completeness.json"] {
            let answer = http::get(faulty.server.dashboard, page);
            assert_eq!(answer.status, 200, "{page}");
        }
        // Set right again, the sender's next try comes in.
        faulty.end("clock");
        assert_eq!(faulty.push("during").status, 204);
        assert_eq!(faulty.push("after").status, 204);
        assert_eq!(faulty.jobs(), ["after", "before", "during"]);
    }
}

/// Adds every number of milliseconds in `json`.
fn times(json: &Value, found: &mut Vec<i64>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.ends_with("_ms") {
                    found.extend(value.as_i64());
                }
                times(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| times(item, found)),
        _ => {}
    }
}

#[test]
fn no_downtime_is_negative_where_the_clock_was_set_back_between_two_starts() {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    faulty.server.kill();
    faulty.set("clock", -HOUR_S);
    faulty.start_again();
    let json = http::get(faulty.server.dashboard, "/completeness.json").json();
    let mut found = Vec::new();
    times(&json, &mut found);
    assert!(found.iter().all(|ms| *ms >= 0), "{json}");
}

#[test]
fn a_handler_that_panics_costs_its_connection_and_nothing_else() {
    let faulty = Faulty::start();
    let mut other = Connection::to(faulty.server.receiver);
    assert_eq!(other.send(&faulty.signed("before")).status, 204);

    let push = faulty.signed("during");
    let workers = "clock.actix-rt|system";
    faulty.set(workers, BEFORE_ALL_S);
    let mut connection = Connection::to(faulty.server.receiver);
    connection.write(&push);
    assert!(connection.read().is_none(), "nobody was left to answer");
    faulty.end(workers);

    assert!(faulty.said().contains("panicked"), "{}", faulty.said());
    assert_eq!(faulty.push("during").status, 204);
    assert_eq!(other.send(&faulty.signed("after")).status, 204);
    assert_eq!(faulty.jobs(), ["after", "before", "during"]);
    assert!(faulty.ready().0);
}

#[test]
fn a_writer_that_dies_ends_the_process_with_an_error_that_says_why() {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    let push = faulty.signed("during");
    faulty.set("clock.store-writer", BEFORE_ALL_S);
    let mut connection = Connection::to(faulty.server.receiver);
    connection.write(&push);
    if let Some(answer) = connection.read() {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    let (status, said) = faulty.wait();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the writer has ended"), "{said}");

    faulty.end("clock.store-writer");
    faulty.start_again();
    assert_eq!(faulty.jobs(), ["before"]);
    assert_eq!(faulty.push("during").status, 204);
}
