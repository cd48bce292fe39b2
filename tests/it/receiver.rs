//! The receiver's contract: one test for each row of the status table, and what was *not* done.

use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use mpsink::notification::capture::Capture;
use serde_json::json;

use crate::app::{NOW, OWNER, TOPIC, TestApp, certificate, data, job_message, key};
use crate::certificate_host::Habit;
use crate::http::{self, Connection};

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// Asserts that the push was refused, that this is explained, and that nothing was stored of it.
fn assert_refused(app: &TestApp, push: &Capture, reason: &str) {
    let response = app.send(push);
    assert_eq!(response.status, 403, "{reason}: {}", response.text());
    assert_nothing_stored(app);
    let refusals = app.items_when("/refusals.json", |items| !items.is_empty());
    assert_eq!(refusals[0]["reason"], json!(reason));
}

fn assert_nothing_stored(app: &TestApp) {
    assert!(app.items("/deliveries.json").is_empty());
    assert!(app.items("/jobs.json").is_empty());
    assert!(app.items("/held.json").is_empty());
}

#[test]
fn a_push_in_each_format_is_stored_and_folded_into_its_job() {
    let app = TestApp::start();
    for (number, format) in FORMATS.into_iter().enumerate() {
        let id = format!("{number:032x}");
        let response = app.push(format, &job_message(&id, "Success"));
        assert_eq!(response.status, 204, "{format:?}: {}", response.text());
        assert!(response.body.is_empty());
        let job = app.json(&format!("/jobs/{id}.json"));
        assert_eq!(job["state"], json!("succeeded"), "{job}");
        assert_eq!(job["queue"], json!(TOPIC));
        assert_eq!(job["owner"], json!(OWNER));
    }
    let deliveries = app.items("/deliveries.json");
    let formats: Vec<_> = deliveries.iter().map(|it| it["format"].clone()).collect();
    assert_eq!(formats, [json!("simplified"), json!("json"), json!("xml")]);
}

#[test]
fn the_same_message_again_is_answered_204_and_counted() {
    let app = TestApp::start();
    let message = job_message("a", "Success");
    for format in FORMATS {
        assert_eq!(app.push(format, &message).status, 204);
        assert_eq!(app.push(format, &message).status, 204);
    }
    let deliveries = app.items("/deliveries.json");
    assert_eq!(deliveries.len(), 3);
    for delivery in deliveries {
        assert_eq!(delivery["duplicates"], json!(1));
        assert_eq!(delivery["differs"], json!(false));
    }
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn the_same_id_with_another_message_keeps_the_first_and_is_flagged() {
    let app = TestApp::start();
    let mut content = app.content(Format::Json, &job_message("a", "Success"));
    assert_eq!(app.send(&app.signed(&content)).status, 204);
    content.message = job_message("a", "Fail");
    assert_eq!(app.send(&app.signed(&content)).status, 204);
    let deliveries = app.items("/deliveries.json");
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["differs"], json!(true));
    assert_eq!(app.json("/jobs/a.json")["state"], json!("succeeded"));
}

#[test]
fn a_message_that_nobody_understands_is_stored_whole_and_answered_204() {
    let app = TestApp::start();
    for (number, message) in [
        &b"hello"[..],
        b"",
        b"\x00\xff\xfe not UTF-8",
        b"{\"EventType\":\"FileUploadComplete\"}",
        &vec![b'['; 60_000],
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.push(Format::Simplified, message);
        assert_eq!(response.status, 204, "{number}: {}", response.text());
        let delivery = &app.items("/deliveries.json")[0];
        assert!(delivery["unrecognized"].is_string(), "{number}: {delivery}");
        let capture = app.get(&format!("/deliveries/{}.http", delivery["id"]));
        assert!(capture.body.ends_with(message), "{number}");
    }
}

#[test]
fn a_message_id_of_2_kib_is_kept_whole() {
    let app = TestApp::start();
    let mut content = app.content(Format::Json, &job_message("a", "Success"));
    content.message_id = "m".repeat(2048);
    assert_eq!(app.send(&app.signed(&content)).status, 204);
    let deliveries = app.items("/deliveries.json");
    assert_eq!(deliveries[0]["message_id"], json!(content.message_id));
}

#[test]
fn a_push_without_a_needed_header_is_refused_without_fetching() {
    for name in ["authorization", "date", "x-mns-signing-cert-url"] {
        let app = TestApp::start();
        let mut push = app.signed(&app.content(Format::Xml, b"{}"));
        push.headers.remove(name);
        assert_refused(&app, &push, "header_missing");
        assert!(app.certificate_host.requests().is_empty(), "{name}");
    }
}

#[test]
fn two_authorization_headers_are_refused_without_fetching() {
    let app = TestApp::start();
    let mut push = app.signed(&app.content(Format::Xml, b"{}"));
    let authorization = push.headers.first("authorization").unwrap().to_vec();
    push.headers.add("authorization", authorization);
    assert_refused(&app, &push, "header_repeated");
    assert!(app.certificate_host.requests().is_empty());
}

#[test]
fn malformed_headers_are_refused_without_fetching() {
    let cases = [
        ("authorization", "not base64!", "authorization_malformed"),
        ("authorization", "c2hvcnQ=", "authorization_malformed"),
        ("date", "yesterday", "date_malformed"),
        ("x-mns-signing-cert-url", "%%%", "certificate_url_malformed"),
    ];
    for (name, value, reason) in cases {
        let app = TestApp::start();
        let mut push = app.signed(&app.content(Format::Xml, b"{}"));
        push.headers.set(name, value);
        assert_refused(&app, &push, reason);
        assert!(app.certificate_host.requests().is_empty(), "{name}");
    }
}

#[test]
fn signed_headers_beyond_8_kib_are_refused() {
    let app = TestApp::start();
    let mut push = app.signed(&app.content(Format::Xml, b"{}"));
    push.headers.add("x-mns-long", "x".repeat(8 * 1024));
    assert_refused(&app, &push, "headers_too_long");
}

#[test]
fn a_certificate_url_elsewhere_is_refused_without_fetching() {
    let mut app = TestApp::start();
    let elsewhere = crate::certificate_host::CertificateHost::start(Habit::Serve(certificate(512)));
    app.signer.certificate_url = format!("{}certificate.pem", elsewhere.base());
    let push = app.signed(&app.content(Format::Xml, b"{}"));
    assert_refused(&app, &push, "certificate_url_not_allowed");
    assert!(elsewhere.requests().is_empty());
    assert!(app.certificate_host.requests().is_empty());
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let habits = [
        Habit::Serve(b"<html>no such key</html>".to_vec()),
        Habit::Serve(Vec::new()),
        Habit::Flood(10 * 1024 * 1024),
    ];
    for habit in habits {
        let app = TestApp::start();
        app.certificate_host.set(habit);
        let push = app.signed(&app.content(Format::Xml, b"{}"));
        assert_refused(&app, &push, "certificate_malformed");
    }
}

#[test]
fn a_push_signed_by_another_key_is_refused() {
    let mut app = TestApp::start();
    app.signer.key = key(1024);
    let push = app.signed(&app.content(Format::Xml, b"{}"));
    assert_refused(&app, &push, "signature_wrong");
}

#[test]
fn keys_of_every_length_verify() {
    for bits in [512, 1024, 2048, 4096] {
        let mut app = TestApp::start();
        app.certificate_host.set(Habit::Serve(certificate(bits)));
        app.signer.key = key(bits);
        let response = app.push(Format::Json, &job_message("a", "Success"));
        assert_eq!(response.status, 204, "{bits}: {}", response.text());
    }
}

#[test]
fn a_changed_signed_header_is_refused() {
    let app = TestApp::start();
    let good = app.signed(&app.content(Format::Simplified, b"{}"));
    for name in [
        "content-type",
        "x-mns-version",
        "x-mns-message-id",
        "x-mns-topic-owner",
    ] {
        let mut push = good.clone();
        let mut value = push.headers.first(name).unwrap().to_vec();
        value[0] ^= 1;
        push.headers.set(name, value);
        assert_eq!(app.send(&push).status, 403, "{name}");
        assert_nothing_stored(&app);
    }
    assert_eq!(app.send(&good).status, 204);
}

#[test]
fn header_bytes_that_are_no_utf_8_are_signed_as_bytes() {
    let app = TestApp::start();
    let mut push = app.signed(&app.content(Format::Xml, &job_message("a", "Success")));
    push.headers.add("x-mns-odd", &b"caf\xe9"[..]);
    assert_eq!(app.send(&push).status, 403);
    app.sign(&mut push);
    assert_eq!(app.send(&push).status, 204);
}

#[test]
fn a_path_that_differs_by_a_byte_is_no_path_at_all() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Xml, b"{}"));
    let target = app.target.clone();
    let encoded = format!("/%6e{}", &target[2..]);
    let others = [
        format!("{target}/"),
        format!("{target}?"),
        format!("/{target}"),
        target.to_uppercase(),
        encoded,
        "/notifications".to_owned(),
        "/".to_owned(),
    ];
    for other in others {
        let mut push = push.clone();
        push.target = other.clone();
        let response = app.send(&push);
        assert_eq!(response.status, 404, "{other}");
        assert!(
            !response.text().contains(&target[20..]),
            "{}",
            response.text()
        );
    }
    assert_nothing_stored(&app);
    assert!(app.certificate_host.requests().is_empty());
    let strays = app.json_when("/refusals.json", |json| json["strays"]["total"] == json!(7));
    assert_eq!(strays["strays"]["latest"].as_array().unwrap().len(), 7);
    let secret = target.rsplit('/').next().unwrap();
    let text = strays.to_string().to_lowercase();
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn only_post_goes_to_a_source_and_the_answer_says_so() {
    let app = TestApp::start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let response = http::request(app.facts.receiver, method, &app.target, &[]);
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("POST"));
    }
}

#[test]
fn the_receiver_says_that_it_lives_and_serves_no_page() {
    let app = TestApp::start();
    assert_eq!(http::get(app.facts.receiver, "/healthz").status, 200);
    for path in ["/", "/jobs", "/jobs.json", "/static/style.css", "/healthz/"] {
        assert_eq!(http::get(app.facts.receiver, path).status, 404, "{path}");
    }
}

#[test]
fn a_body_at_the_limit_is_taken_and_one_byte_more_is_413() {
    let app = TestApp::start();
    let message = vec![b'x'; 1024 * 1024];
    assert_eq!(app.push(Format::Simplified, &message).status, 204);
    let message = vec![b'x'; 1024 * 1024 + 1];
    let response = app.push(Format::Simplified, &message);
    assert_eq!(response.status, 413);
    assert_eq!(app.items("/deliveries.json").len(), 1);
}

#[test]
fn a_body_over_the_limit_without_a_declared_length_is_413() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Simplified, b"{}"));
    let mut request = push.clone();
    request.headers.add("host", "mpsink.test");
    request.headers.add("transfer-encoding", "chunked");
    request.body = None;
    let mut connection = Connection::to(app.facts.receiver);
    connection.write(&mpsink::notification::capture::write(&request));
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..17 {
        connection.write(format!("{:x}\r\n", chunk.len()).as_bytes());
        connection.write(&chunk);
        connection.write(b"\r\n");
    }
    assert_eq!(connection.read().unwrap().status, 413);
    assert_nothing_stored(&app);
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Simplified, b"{}"));
    let mut bytes = http::wire(&push);
    bytes.pop();
    let mut connection = Connection::to(app.facts.receiver);
    connection.write(&bytes);
    assert_eq!(connection.read().unwrap().status, 408);
    assert_nothing_stored(&app);
}

#[test]
fn a_body_that_ends_early_is_not_stored() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Simplified, b"{}"));
    let mut bytes = http::wire(&push);
    bytes.pop();
    let mut connection = Connection::to(app.facts.receiver);
    connection.write(&bytes);
    connection.end_writing();
    if let Some(response) = connection.read() {
        assert_eq!(response.status, 408);
    }
    assert_nothing_stored(&app);
    assert_eq!(app.send(&push).status, 204, "the server goes on");
}

#[test]
fn a_certificate_that_cannot_be_had_is_503_and_the_push_comes_in_later() {
    let app = TestApp::start();
    let habits = [
        Habit::Status(500),
        Habit::RedirectTo("https://example.com/".to_owned()),
    ];
    let push = app.signed(&app.content(Format::Xml, &job_message("a", "Success")));
    for (number, habit) in habits.into_iter().enumerate() {
        app.certificate_host.set(habit);
        let response = app.send(&push);
        assert_eq!(response.status, 503, "{number}");
        assert!(response.header("retry-after").is_some());
        assert_nothing_stored(&app);
        app.clock.set(app.clock.now().plus_ms(60_000));
    }
    app.certificate_host.set(Habit::Serve(certificate(512)));
    assert_eq!(app.send(&push).status, 204);
}

#[test]
fn a_certificate_host_that_hangs_is_503_before_the_sender_gives_up() {
    let app = TestApp::start();
    app.certificate_host.set(Habit::Hang);
    let response = app.push(Format::Xml, b"{}");
    assert_eq!(response.status, 503);
    assert!(response.header("retry-after").is_some());
    assert_nothing_stored(&app);
}

#[test]
fn fifty_new_certificate_names_cause_four_fetches() {
    let mut app = TestApp::start();
    app.certificate_host.set(Habit::Status(404));
    for number in 0..50 {
        app.signer.certificate_url = format!("{}{number}.pem", app.certificate_host.base());
        let status = app.push(Format::Xml, b"{}").status;
        assert_eq!(status, 503, "{number}");
    }
    assert_eq!(app.certificate_host.requests().len(), 4);
}

#[test]
fn after_a_restart_no_certificate_is_fetched() {
    let mut app = TestApp::start();
    assert_eq!(
        app.push(Format::Xml, &job_message("a", "Success")).status,
        204
    );
    assert_eq!(app.certificate_host.requests().len(), 1);
    app.certificate_host.set(Habit::Status(500));
    let target = app.target.clone();
    app.restart();
    assert_eq!(app.target, target, "the path is kept in the database");
    assert_eq!(
        app.push(Format::Xml, &job_message("b", "Success")).status,
        204
    );
    assert_eq!(app.certificate_host.requests().len(), 1);
}

#[test]
fn a_push_from_another_time_is_not_worth_a_fetch() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Xml, b"{}"));
    app.clock.set(NOW.plus_ms(16 * 60_000));
    assert_refused(&app, &push, "certificate_not_fetched");
    assert!(app.certificate_host.requests().is_empty());
}

#[test]
fn the_real_push_of_2015_is_refused_for_its_missing_certificate_url() {
    let app = TestApp::start();
    let capture = data("real-push-2015.http");
    let mut push = mpsink::notification::capture::parse(&capture).unwrap();
    push.headers.remove("host");
    push.target = app.target.clone();
    app.clock
        .set(Timestamp::parse_rfc3339("2015-09-22T03:25:32Z").unwrap());
    assert_refused(&app, &push, "header_missing");
}

#[test]
fn a_server_whose_database_is_removed_acknowledges_nothing_more_and_ends_with_an_error() {
    let mut app = TestApp::start();
    let push = |id: &str| app.signed(&app.content(Format::Json, &job_message(id, "Success")));
    assert_eq!(app.send(&push("a")).status, 204);
    std::fs::remove_file(app.database()).unwrap();
    let mut connection = Connection::to(app.facts.receiver);
    connection.write(&http::wire(&push("b")));
    // The server ends at once, so that the answer may not get through.
    if let Some(response) = connection.read() {
        assert_eq!(response.status, 503);
    }
    let error = app.wait_for_end().unwrap_err().to_string();
    assert!(error.contains("mpsink.db is not there any more"), "{error}");
}
