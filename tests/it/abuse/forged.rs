//! Somebody with a captured push, with a signing key of his own, or with a certificate beside the right
//! one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mpsink::notification::Format;
use serde_json::json;

use crate::app::{NOW, TestApp, certificate, job_message, key};
use crate::certificate_host::Habit;

#[test]
fn a_captured_push_that_is_sent_again_changes_nothing_but_a_count() {
    let app = TestApp::start();
    let push = app.signed(&app.content(Format::Json, &job_message("a", "Success")));
    assert_eq!(app.send(&push).status, 204);
    let job = app.json("/jobs/a.json");
    // Inside of the window the sender may be SMQ.
    app.clock.set(NOW.plus_ms(14 * 60_000));
    for _ in 0..20 {
        assert_eq!(app.send(&push).status, 204);
    }
    let deliveries = app.items("/deliveries.json");
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["duplicates"], json!(20));
    let again = app.json("/jobs/a.json");
    for field in ["state", "finished_at", "queue", "events"] {
        assert_eq!(job[field], again[field], "{field}");
    }
    // Outside of it, it is kept apart, once.
    app.clock.set(NOW.plus_ms(16 * 60_000));
    for _ in 0..20 {
        assert_eq!(app.send(&push).status, 403);
    }
    let held = app.items("/held.json");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["reason"], json!("date"));
    assert_eq!(app.items("/deliveries.json")[0]["duplicates"], json!(20));
    // And admitting it does not bring it in twice.
    app.post(&format!("/held/{}/admit", held[0]["id"]));
    assert_eq!(app.items("/deliveries.json").len(), 1);
    assert_eq!(app.json("/jobs/a.json")["state"], json!("succeeded"));
}

#[test]
fn a_captured_push_is_for_its_own_path_alone() {
    let app = TestApp::start_with(
        "[[source]]\nname = \"one\"\npaths = [\"/n/one\"]\n\n[[source]]\nname = \"two\"\npaths = [\"/n/two\"]\n",
    );
    let mut push = app.signed(&app.content(Format::Json, &job_message("a", "Success")));
    assert_eq!(push.target, "/n/one");
    push.target = "/n/two".to_owned();
    assert_eq!(app.send(&push).status, 403);
    assert!(app.items("/deliveries.json").is_empty());
}

#[test]
fn a_second_key_at_an_allowed_address_gets_past_neither_the_path_nor_the_owner() {
    let mut app = TestApp::start();
    let first = app.push(Format::Json, &job_message("ours", "Success"));
    assert_eq!(first.status, 204);
    // Somebody has put a certificate of his own beside the right one.
    app.certificate_host.set(Habit::Serve(certificate(1024)));
    app.signer.key = key(1024);
    app.signer.certificate_url = format!("{}beside.pem", app.certificate_host.base());

    let mut guess = app.signed(&app.content(Format::Json, &job_message("theirs", "Success")));
    guess.target = format!("/notifications/{}", "0".repeat(32));
    app.sign(&mut guess);
    assert_eq!(app.send(&guess).status, 404, "without the path");
    for format in [Format::Simplified, Format::Json, Format::Xml] {
        // Nothing is fetched for an owner that the headers name and that may not come in.
        let fetched = if format == Format::Simplified { 1 } else { 2 };
        let mut content = app.content(format, &job_message("theirs", "Success"));
        content.topic_owner = "666".to_owned();
        let answer = app.send(&app.signed(&content));
        assert_eq!(answer.status, 403, "{format:?}");
        assert_eq!(app.certificate_host.requests().len(), fetched, "{format:?}");
    }
    assert_eq!(app.items("/jobs.json").len(), 1);
    // With the path and the owner as well there is nothing that tells him from SMQ.
    let known = app.push(Format::Json, &job_message("theirs", "Success"));
    assert_eq!(known.status, 204);
}

#[test]
fn no_spelling_that_leads_to_the_host_of_certificates_is_taken_for_the_allowed_one() {
    let mut app = TestApp::start();
    let port = app.certificate_host.address.port();
    // Each of them reaches the host that is allowed, if it is fetched.
    let urls = [
        format!("http://localhost:{port}/a.pem"),
        format!("http://127.1:{port}/a.pem"),
        format!("http://2130706433:{port}/a.pem"),
        format!("http://0x7f000001:{port}/a.pem"),
        format!("http://0177.0.0.1:{port}/a.pem"),
        format!("http://127.0.0.1.:{port}/a.pem"),
        format!("http://127.000.000.001:{port}/a.pem"),
        format!("http://[::ffff:127.0.0.1]:{port}/a.pem"),
        format!("http://[::1]:{port}/a.pem"),
        format!("http://127%2e0%2e0%2e1:{port}/a.pem"),
        format!("http://127。0。0。1:{port}/a.pem"),
        format!("http://①②⑦.0.0.1:{port}/a.pem"),
        format!("http://xn--127-0-0-1:{port}/a.pem"),
        format!("http://user@127.0.0.1:{port}/a.pem"),
        format!("http://user:password@127.0.0.1:{port}/a.pem"),
        format!("http://127.0.0.1:{port}@127.0.0.1:{port}/a.pem"),
        format!("http://127.0.0.1:0{port}/a.pem"),
        format!("http://127.0.0.1:+{port}/a.pem"),
        format!("http://127.0.0.1:{port}/a.pem?x"),
        format!("http://127.0.0.1:{port}/a.pem#x"),
        format!("http://127.0.0.1:{port}//a.pem"),
        format!("http://127.0.0.1:{port}/../a.pem"),
        format!("http://127.0.0.1:{port}/%61.pem"),
        format!("http://127.0.0.1:{port}\\a.pem"),
        format!("http://127.0.0.1:{port}.evil.example/a.pem"),
        format!("http:/127.0.0.1:{port}/a.pem"),
        format!("//127.0.0.1:{port}/a.pem"),
        format!("ftp://127.0.0.1:{port}/a.pem"),
        "file:///etc/passwd".to_owned(),
        format!(" http://127.0.0.1:{port}/a.pem"),
        format!("http://127.0.0.1:{port}/a.pem\r\nHost: evil.example"),
        format!("http://127.0.0.1\t:{port}/a.pem"),
        format!("http://127.0.0.1:{port}/a\0.pem"),
    ];
    for url in &urls {
        app.signer.certificate_url.clone_from(url);
        let mut push = app.signed(&app.content(Format::Xml, b"{}"));
        push.headers
            .set("x-mns-signing-cert-url", BASE64_STANDARD.encode(url));
        app.sign(&mut push);
        let answer = app.send(&push);
        assert_eq!(answer.status, 403, "{url}: {}", answer.text());
    }
    assert!(app.certificate_host.requests().is_empty());
    assert!(app.items("/deliveries.json").is_empty());
    assert!(app.items("/held.json").is_empty());
    // Upper case is the same host, and fetched.
    app.signer.certificate_url = format!("HTTP://127.0.0.1:{port}/a.pem");
    assert_eq!(app.push(Format::Xml, b"{}").status, 204);
}
