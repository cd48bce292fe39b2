//! Pushes that are believed but not let in: kept whole, until a person decides.

use mpsink::notification::Format;
use serde_json::json;

use crate::app::{NOW, OWNER, TestApp, job_message};

const STRANGER: &str = "9999999999999999";

/// Pushes job `id` as the stranger's topic would, after the first owner is pinned.
fn push_as_stranger(app: &TestApp, id: &str) {
    let mut content = app.content(Format::Json, &job_message(id, "Success"));
    content.topic_owner = STRANGER.to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
}

fn app_with_pinned_owner() -> TestApp {
    let app = TestApp::start();
    assert_eq!(
        app.push(Format::Xml, &job_message("first", "Success"))
            .status,
        204
    );
    app
}

#[test]
fn a_second_owner_is_held_and_comes_in_once_when_allowed() {
    let app = app_with_pinned_owner();
    push_as_stranger(&app, "theirs");
    push_as_stranger(&app, "theirs too");
    assert_eq!(app.items("/jobs.json").len(), 1);
    let held = app.items("/held.json");
    assert_eq!(held.len(), 2);
    assert_eq!(held[0]["reason"], json!("owner"));
    assert_eq!(held[0]["owner"], json!(STRANGER));

    let response = app.post(&format!("/held/{}/allow-owner", held[0]["id"]));
    assert_eq!(response.status, 303, "{}", response.text());
    assert!(app.items("/held.json").is_empty());
    assert_eq!(app.items("/jobs.json").len(), 3);
    assert_eq!(app.json("/jobs/theirs.json")["owner"], json!(STRANGER));

    let mut content = app.content(Format::Json, &job_message("later", "Success"));
    content.topic_owner = STRANGER.to_owned();
    assert_eq!(
        app.send(&app.signed(&content)).status,
        204,
        "allowed from now on"
    );
    let response = app.post(&format!("/held/{}/allow-owner", held[0]["id"]));
    assert_eq!(response.status, 404, "there is nothing left to allow");
}

#[test]
fn a_decision_leads_back_only_to_a_page_of_the_set() {
    let app = app_with_pinned_owner();
    for (query, expected) in [
        ("?back=connect", "/connect?notice=owner_allowed.1"),
        ("", "/held?notice=owner_allowed.1"),
        ("?back=//example.com", "/held?notice=owner_allowed.1"),
        ("?back=/connect", "/held?notice=owner_allowed.1"),
    ] {
        let mut content = app.content(Format::Json, &job_message("theirs", "Success"));
        content.topic_owner = format!("{}", 1_000 + expected.len() + 10 * query.len());
        assert_eq!(app.send(&app.signed(&content)).status, 403);
        let id = app.items("/held.json")[0]["id"].clone();
        let response = app.post(&format!("/held/{id}/allow-owner{query}"));
        assert_eq!(response.status, 303, "{}", response.text());
        assert_eq!(response.header("location"), Some(expected), "{query}");
    }
}

#[test]
fn one_held_push_is_admitted_without_letting_its_owner_in() {
    let app = app_with_pinned_owner();
    push_as_stranger(&app, "theirs");
    let held = app.items("/held.json");
    let response = app.post(&format!("/held/{}/admit", held[0]["id"]));
    assert_eq!(response.status, 303, "{}", response.text());
    assert_eq!(app.json("/jobs/theirs.json")["state"], json!("succeeded"));
    push_as_stranger(&app, "another");
    assert_eq!(app.items("/held.json").len(), 1);
}

#[test]
fn admitting_a_push_pins_nobody() {
    let app = TestApp::start();
    let mut content = app.content(Format::Simplified, &job_message("theirs", "Success"));
    content.topic_owner = STRANGER.to_owned();
    let mut push = app.signed(&content);
    push.body = Some(job_message("theirs", "Fail"));
    assert_eq!(app.send(&push).status, 403);
    let held = app.items("/held.json");
    assert_eq!(held[0]["reason"], json!("body_checksum"));
    let response = app.post(&format!("/held/{}/admit", held[0]["id"]));
    assert_eq!(response.status, 303, "{}", response.text());
    let response = app.push(Format::Xml, &job_message("ours", "Success"));
    assert_eq!(
        response.status, 204,
        "the first push that passes pins its owner"
    );
    push_as_stranger(&app, "theirs too");
}

#[test]
fn a_dropped_push_is_gone() {
    let app = app_with_pinned_owner();
    push_as_stranger(&app, "theirs");
    let held = app.items("/held.json");
    let path = format!("/held/{}", held[0]["id"]);
    assert_eq!(app.post(&format!("{path}/drop")).status, 303);
    assert_eq!(app.get(&path).status, 404);
    assert!(app.items("/held.json").is_empty());
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn the_same_push_again_is_held_once() {
    let app = app_with_pinned_owner();
    let mut content = app.content(Format::Json, &job_message("theirs", "Success"));
    content.topic_owner = STRANGER.to_owned();
    let push = app.signed(&content);
    for _ in 0..3 {
        assert_eq!(app.send(&push).status, 403);
    }
    let held = app.items("/held.json");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["repeats"], json!(2));
}

#[test]
fn a_retry_that_is_signed_anew_is_held_once() {
    let app = app_with_pinned_owner();
    let mut content = app.content(Format::Json, &job_message("theirs", "Success"));
    content.topic_owner = STRANGER.to_owned();
    let first = app.signed(&content);
    app.clock.set(NOW.plus_ms(10_000));
    let retry = app.signed(&content);
    assert_ne!(
        first.headers.first_text("authorization"),
        retry.headers.first_text("authorization")
    );
    for push in [first, retry] {
        assert_eq!(app.send(&push).status, 403);
    }
    let held = app.items("/held.json");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["repeats"], json!(1));
}

#[test]
fn a_held_push_whose_message_id_is_that_of_another_message_is_not_lost_by_admitting_it() {
    let app = app_with_pinned_owner();
    let mut content = app.content(Format::Xml, &job_message("late", "Success"));
    let late = app.signed(&content);
    app.clock.set(NOW.plus_ms(60 * 60_000));
    assert_eq!(app.send(&late).status, 403);
    content.message = job_message("other", "Success");
    assert_eq!(app.send(&app.signed(&content)).status, 204);

    let path = format!("/held/{}", app.items("/held.json")[0]["id"]);
    let response = app.post(&format!("{path}/admit"));
    assert_eq!(response.status, 303, "{}", response.text());
    assert!(response.header("location").unwrap().starts_with(&path));
    assert_eq!(app.items("/held.json").len(), 1);
    assert_eq!(app.get("/jobs/late.json").status, 404);
}

#[test]
fn a_push_outside_the_date_window_is_held_and_one_inside_is_not() {
    let app = app_with_pinned_owner();
    let push = app.signed(&app.content(Format::Xml, &job_message("late", "Success")));
    app.clock.set(NOW.plus_ms(15 * 60_000 + 1_000));
    assert_eq!(app.send(&push).status, 403);
    assert_eq!(app.items("/held.json")[0]["reason"], json!("date"));
    app.clock.set(NOW.plus_ms(15 * 60_000 - 1_000));
    assert_eq!(app.send(&push).status, 204);
}

#[test]
fn a_body_that_is_not_the_signed_one_is_held() {
    let app = app_with_pinned_owner();
    let mut push = app.signed(&app.content(Format::Simplified, &job_message("a", "Success")));
    push.body = Some(job_message("a", "Fail"));
    assert_eq!(app.send(&push).status, 403);
    let held = app.items("/held.json");
    assert_eq!(held[0]["reason"], json!("body_checksum"));
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn a_message_dressed_as_an_envelope_of_the_pinned_owner_is_held() {
    let app = app_with_pinned_owner();
    let dress = format!(
        "<Notification><TopicOwner>{OWNER}</TopicOwner><TopicName>mps-std</TopicName>\
         <MessageId>forged</MessageId><Message>{}</Message></Notification>",
        String::from_utf8(job_message("forged", "Success")).unwrap()
    );
    let mut content = app.content(Format::Simplified, dress.as_bytes());
    content.topic_owner = STRANGER.to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let held = app.items("/held.json");
    assert_eq!(held[0]["owner"], json!(STRANGER));
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn a_push_that_names_no_owner_is_held() {
    let app = TestApp::start();
    let mut push = app.signed(&app.content(Format::Simplified, b"hello"));
    for name in ["x-mns-topic-owner", "x-mns-message-id", "authorization"] {
        push.headers.remove(name);
    }
    app.sign(&mut push);
    assert_eq!(app.send(&push).status, 403);
    assert_eq!(app.items("/held.json")[0]["reason"], json!("owner_missing"));
}

#[test]
fn configured_owners_and_topics_hold_all_others() {
    let app = TestApp::start_with(&format!(
        "[[source]]\npaths = [\"/in/secret\", \"/in/old\"]\nowners = [\"{OWNER}\"]\n\
         topics = [\"mps-std\"]\nregion = \"cn-shanghai\"\nqueue = \"transcode-hd\"\n"
    ));
    assert_eq!(
        app.push(Format::Xml, &job_message("a", "Success")).status,
        204
    );
    let job = app.json("/jobs/a.json");
    assert_eq!(job["queue"], json!("transcode-hd"));
    assert_eq!(job["region"], json!("cn-shanghai"));

    let mut content = app.content(Format::Xml, &job_message("b", "Success"));
    content.topic = "another".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let held = app.items("/held.json");
    assert_eq!(held[0]["reason"], json!("topic"));
    assert_eq!(
        app.post(&format!("/held/{}/allow-topic", held[0]["id"]))
            .status,
        303
    );
    assert_eq!(app.json("/jobs/b.json")["state"], json!("succeeded"));

    push_as_stranger(&app, "theirs");
    assert_eq!(app.items("/held.json")[0]["reason"], json!("owner"));
}

#[test]
fn a_path_can_be_rotated_without_a_gap() {
    let app = TestApp::start_with("[[source]]\npaths = [\"/in/new\", \"/in/old\"]\n");
    for (id, target) in [("a", "/in/new"), ("b", "/in/old")] {
        let content = app.content(Format::Json, &job_message(id, "Success"));
        let push = mpsink::push::build(&content, target, &app.signer, NOW).unwrap();
        assert_eq!(app.send(&push).status, 204, "{target}");
    }
}

#[test]
fn the_explanation_of_a_held_push_is_on_its_page_and_its_capture_can_be_taken_out() {
    let app = app_with_pinned_owner();
    push_as_stranger(&app, "theirs");
    let id = app.items("/held.json")[0]["id"].clone();
    let detail = app.json(&format!("/held/{id}.json"));
    let checks = detail["explanation"]["checks"].as_array().unwrap();
    let owner = checks
        .iter()
        .find(|check| check["name"] == json!("owner"))
        .unwrap();
    assert_eq!(owner["verdict"], json!("fails"));
    assert_eq!(owner["saw"], json!(STRANGER));
    let signature = checks
        .iter()
        .find(|check| check["name"] == json!("signature"))
        .unwrap();
    assert_eq!(signature["verdict"], json!("holds"));
    let page = app.get(&format!("/held/{id}"));
    assert!(page.text().contains(STRANGER));
    let capture = app.get(&format!("/held/{id}.http"));
    let capture = mpsink::notification::capture::parse(&capture.body).unwrap();
    assert_eq!(capture.target, app.target);
    assert!(capture.body.is_some());
}
