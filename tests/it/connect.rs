//! `/connect.json`: how far each source has come.

use mpsink::notification::Format;
use serde_json::{Value, json};

use crate::app::{OWNER, TestApp, job_message};

/// Returns the state of the first source.
fn source(app: &TestApp) -> Value {
    app.json("/connect.json")["sources"][0].clone()
}

#[test]
fn the_first_push_and_the_newest_are_named_with_who_was_pinned() {
    let mut app = TestApp::start();
    let before = source(&app);
    assert_eq!(before["progress"], "waiting");
    assert_eq!(before["endpoint"], json!(app.facts.endpoint));
    assert_eq!(before["first"], Value::Null);
    assert_eq!(before["owners"], json!([]));
    for (format, id) in [(Format::Xml, "a"), (Format::Json, "b"), (Format::Json, "b")] {
        assert_eq!(app.push(format, &job_message(id, "Success")).status, 204);
    }
    app.restart();
    let after = source(&app);
    assert_eq!(after["progress"], "connected");
    assert_eq!(
        (&after["first"]["id"], &after["first"]["format"]),
        (&json!(1), &json!("xml"))
    );
    assert_eq!(
        (&after["newest"]["id"], &after["newest"]["duplicates"]),
        (&json!(2), &json!(1))
    );
    let pinned = json!([{"owner": OWNER, "by": "first_push"}]);
    assert_eq!(after["owners"], pinned);
}

#[test]
fn each_source_has_its_own_endpoint_and_state() {
    let app = TestApp::start_with(
        "[receiver]\npublic_url = \"https://mps.example.com/in\"\n\
         [[source]]\nname = \"a\"\npaths = [\"/n/a\"]\nowners = [\"77\"]\n\
         [[source]]\nname = \"b\"\npaths = [\"/n/b\"]\n",
    );
    let mut push = app.signed(&app.content(Format::Json, &job_message("a", "Success")));
    push.target = "/n/a".to_owned();
    app.sign(&mut push);
    for _ in 0..2 {
        assert_eq!(app.send(&push).status, 403);
    }
    let connection = app.json("/connect.json");
    assert_eq!(connection["endpoint_trouble"], Value::Null);
    let sources = connection["sources"].as_array().unwrap();
    let told: Vec<_> = sources
        .iter()
        .map(|source| {
            (
                source["endpoint"].as_str().unwrap(),
                source["progress"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("https://mps.example.com/in/n/a", "held"),
        ("https://mps.example.com/in/n/b", "waiting"),
    ];
    assert_eq!(told, expected);
    let held = &sources[0]["held"];
    assert_eq!(held.as_array().unwrap().len(), 1);
    assert_eq!(held[0]["newest"]["reason"], "owner");
    let configured = json!([{"owner": "77", "by": "configuration"}]);
    assert_eq!(sources[0]["owners"], configured);
    assert_eq!(sources[1]["held"], json!([]));
}

#[test]
fn held_pushes_that_one_decision_is_about_are_one_kind() {
    let app = TestApp::start_with("[[source]]\nowners = [\"77\"]\n");
    for id in ["a", "b", "c"] {
        assert_eq!(
            app.push(Format::Json, &job_message(id, "Success")).status,
            403
        );
    }
    let mut content = app.content(Format::Json, &job_message("d", "Success"));
    content.topic = "another".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let held = source(&app)["held"].clone();
    let kinds = held.as_array().unwrap().iter();
    let kinds = kinds.map(|kind| (kind["newest"]["topic"].clone(), kind["count"].clone()));
    let expected = [(json!("another"), json!(1)), (json!("mps-std"), json!(3))];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
}

#[test]
fn an_endpoint_that_smq_cannot_reach_or_that_others_can_read_is_warned_of() {
    for (config, trouble) in [
        ("", json!("no_public_url")),
        (
            "[receiver]\npublic_url = \"http://mps.example.com\"",
            json!("plain_http"),
        ),
        (
            "[receiver]\npublic_url = \"https://mps.example.com\"",
            Value::Null,
        ),
    ] {
        let app = TestApp::start_with(config);
        assert_eq!(
            app.json("/connect.json")["endpoint_trouble"],
            trouble,
            "{config}"
        );
        let page = app.get("/connect").text();
        assert_eq!(
            page.contains("notice warn"),
            trouble != Value::Null,
            "{config}"
        );
    }
}
