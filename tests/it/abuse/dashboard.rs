//! Pages of others in the browser of somebody who may read the dashboard.

use std::fs;
use std::path::Path;

use mpsink::notification::Format;

use crate::app::{TestApp, job_message};
use crate::faults::Faulty;
use crate::http::{self, Connection};

/// Returns the paths that change something, from the place where each of them stands.
fn changing_paths() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/dashboard.rs");
    let source = fs::read_to_string(file).unwrap();
    let calls = [".service(changes(\"", ".service(both(\""];
    let paths = calls.iter().flat_map(|call| {
        let mut parts = source.split(*call);
        parts.next();
        parts.map(|part| part.split('"').next().unwrap().to_owned())
    });
    let paths: Vec<String> = paths.collect();
    // Nothing is posted to in another way.
    assert_eq!(source.matches("web::post()").count(), 2, "{paths:?}");
    paths
}

#[test]
fn nothing_changes_by_a_post_that_a_page_of_others_makes() {
    let app = TestApp::start();
    assert_eq!(
        app.push(Format::Json, &job_message("a", "Success")).status,
        204
    );
    let mut content = app.content(Format::Json, &job_message("b", "Success"));
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let id = app.items("/held.json")[0]["id"].to_string();

    let evil: [&[(&str, &str)]; 8] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Referer", "http://127.0.0.1/held")],
        &[
            ("Origin", "https://evil.example"),
            ("Content-Type", "text/plain"),
        ],
        // A rebound name: the browser takes it for a page of ours, and says whose it is.
        &[
            ("Host", "evil.example"),
            ("Origin", "http://evil.example"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
    ];
    let paths = changing_paths();
    assert!(paths.len() >= 8, "{paths:?}");
    for path in &paths {
        let path = path.replace("{id}", &id);
        for headers in evil {
            let answer = http::request(app.facts.dashboard, "POST", &path, headers);
            assert!(
                [401, 403, 421].contains(&answer.status),
                "{path} {headers:?}: {}",
                answer.status
            );
            assert_eq!(answer.header("set-cookie"), None, "{path}");
        }
    }
    assert_eq!(app.items("/held.json").len(), 1);
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn a_form_that_does_not_come_is_not_waited_for() {
    let faulty = Faulty::start();
    let mut connection = Connection::to(faulty.server.dashboard);
    connection.write(
        b"POST /settings HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
          Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\nlanguage",
    );
    // It is being waited for, when time passes.
    assert_eq!(http::get(faulty.server.dashboard, "/jobs").status, 200);
    faulty.set("timer", 10);
    for _ in 0..8 {
        http::get(faulty.server.dashboard, "/healthz");
    }
    assert_eq!(connection.read().unwrap().status, 408);
}
