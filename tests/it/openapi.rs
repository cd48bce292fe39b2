//! `/openapi.json` against the running server: whatever an address of it is asked, and by whoever,
//! the status, the form and the headers of the answer are described. What schemathesis finds out
//! with many questions (`docs/export.md`) is tried here with the few that matter.

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use mpsink::web::access::tokens::NewToken;
use serde_json::Value;

use crate::app::{TestApp, job_message};
use crate::http::{self, Response};

/// Every address of the document with ids of things that are there, or of none.
fn addresses(document: &Value, id: &str) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let filled = paths.keys().map(|path| {
        let id = if path.starts_with("/queues") {
            "mps-std"
        } else {
            id
        };
        let asked = path.replace("{id}", id).replace("{queue}", id);
        (path.clone(), asked)
    });
    filled.collect()
}

/// Holds an answer against what the document says of `path`.
fn check(document: &Value, path: &str, asked: &str, response: &Response) {
    let status = response.status;
    let described = &document["paths"][path]["get"]["responses"][status.to_string()];
    assert!(!described.is_null(), "{asked}: {status} is not described");
    let described = match described["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => described,
    };
    let form = response.header("content-type").unwrap_or_default();
    let form = form.split(';').next().unwrap();
    match described["content"].as_object() {
        Some(forms) => assert!(forms.contains_key(form), "{asked}: {status} as {form}"),
        None => assert_eq!(form, "", "{asked}: {status}"),
    }
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let is_there = response.header(&name.to_ascii_lowercase()).is_some();
        let may_miss = header["required"] != true;
        assert!(is_there || may_miss, "{asked}: {status} without {name}");
    }
    // And the other way round, of those that programs act upon.
    for name in [
        "ETag",
        "Link",
        "Retry-After",
        "WWW-Authenticate",
        "Allow",
        "Content-Disposition",
    ] {
        if response.header(&name.to_ascii_lowercase()).is_some() {
            let header = &described["headers"][name];
            assert!(header.is_object(), "{asked}: {status} with {name}");
        }
    }
}

/// An app with a job, a held push and a refused one, which all have the number 1.
fn app_with_all(config: &str) -> TestApp {
    let app = TestApp::start_with(config);
    for id in ["1", "2"] {
        let message = job_message(id, "Success");
        assert_eq!(app.push(Format::Json, &message).status, 204);
    }
    let mut content = app.content(Format::Json, &job_message("3", "Success"));
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let mut refused = app.signed(&app.content(Format::Json, b"x"));
    refused.body = Some(b"y".to_vec());
    refused.headers.set("x-mns-message-id", "other");
    assert_eq!(app.send(&refused).status, 403);
    app
}

#[test]
fn every_answer_of_every_address_is_described() {
    let app = app_with_all("");
    app.items_when("/refusals.json", |items| !items.is_empty());
    let document = app.json("/openapi.json");
    let address = app.facts.dashboard;
    let mut statuses = Vec::new();
    for id in ["1", "99"] {
        for (path, asked) in addresses(&document, id) {
            let plain = app.get(&asked);
            let mut answers = vec![
                http::get_with(address, &asked, &[("Host", "example.com")]),
                http::get(address, &format!("{asked}?nonsense=1")),
                http::request(address, "DELETE", &asked, &[]),
                http::request(address, "POST", &asked, &[]),
                http::get_with(address, &asked, &[("Authorization", "Bearer x")]),
            ];
            if let Some(tag) = plain.header("etag") {
                answers.push(http::get_with(address, &asked, &[("If-None-Match", tag)]));
            }
            answers.push(plain);
            for answer in &answers {
                check(&document, &path, &asked, answer);
                statuses.push(answer.status);
            }
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 304, 400, 404, 405, 421]);
    let linked = app.get("/jobs.json?limit=1");
    assert!(linked.header("link").is_some());
    check(&document, "/jobs.json", "/jobs.json?limit=1", &linked);
    let known = [("If-None-Match", linked.header("etag").unwrap())];
    let known = http::get_with(address, "/jobs.json?limit=1", &known);
    assert_eq!(known.status, 304);
    check(&document, "/jobs.json", "/jobs.json?limit=1", &known);
}

#[test]
fn every_answer_to_a_stranger_is_described_and_only_our_health_is_told() {
    let token = NewToken::make().unwrap();
    let app = app_with_all(&format!("[dashboard]\ntokens = [\"{}\"]\n", token.digest));
    let address = app.facts.dashboard;
    let bearer = format!("Bearer {}", token.token);
    let known = [("Authorization", bearer.as_str())];
    let document = http::get_with(address, "/openapi.json", &known).json();
    for (path, asked) in addresses(&document, "1") {
        let is_open = document["paths"][&path]["get"].get("security").is_some();
        for headers in [&[][..], &[("Authorization", "Bearer x")]] {
            let answer = http::get_with(address, &asked, headers);
            assert_eq!(answer.status == 401, !is_open, "{asked}");
            check(&document, &path, &asked, &answer);
        }
        check(
            &document,
            &path,
            &asked,
            &http::get_with(address, &asked, &known),
        );
    }
}

#[test]
fn the_answer_to_one_download_too_many_is_described() {
    let bounds = Bounds {
        downloads: 0,
        ..Bounds::default()
    };
    let app = TestApp::start_bounded(bounds);
    let document = app.json("/openapi.json");
    for path in ["/jobs.csv", "/events.cloudevents"] {
        let answer = app.get(path);
        assert_eq!(answer.status, 429);
        check(&document, path, path, &answer);
    }
}
