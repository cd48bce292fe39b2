//! `/connect` as somebody has it open while setting up: each state, and the way from one to the next.

use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use mpsink::push::build;

use crate::app::{TestApp, job_message};
use crate::browser::Browser;

const STATE: &str = "#works h3";

#[test]
fn the_page_says_how_far_it_has_come_and_its_buttons_lead_on() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    let states = || {
        browser.open("/connect");
        browser.texts(STATE)
    };
    assert_eq!(states(), ["Waiting for the first push"]);
    assert_eq!(browser.texts("#works button"), [""; 0]);
    let endpoint = app.facts.endpoint.clone();
    assert_eq!(browser.text("#endpoint ~ .copied-from pre"), endpoint);

    let mut refused = app.signed(&app.content(Format::Xml, b"x"));
    refused
        .headers
        .set("x-mns-version", "changed after signing");
    assert_eq!(app.send(&refused).status, 403);
    app.items_when("/refusals.json", |items| !items.is_empty());
    assert_eq!(states(), ["Pushes are refused"]);
    assert!(
        browser
            .text("#works")
            .contains("The signature does not hold.")
    );

    let mut stray = app.signed(&app.content(Format::Xml, b"x"));
    stray.target = "/notifications/elsewhere".to_owned();
    assert_eq!(app.send(&stray).status, 404);
    app.json_when("/refusals.json", |json| json["strays"]["total"] == 1);
    let both = [
        "Pushes are refused",
        "SMQ pushes to an address that is not ours",
    ];
    assert_eq!(states(), both);
    assert!(browser.text("#strays").contains("/notifications/elsewhere"));

    let content = app.content(Format::Simplified, &job_message("late", "Success"));
    let day = 24 * 60 * 60 * 1_000;
    let then = Timestamp(app.clock.now().0 - day);
    let late = build(&content, &app.target, &app.signer, then).unwrap();
    assert_eq!(app.send(&late).status, 403);
    assert_eq!(states()[0], "Pushes are held");
    assert_eq!(browser.texts("#works button"), ["Admit this push"]);
    browser.follow("#works button");
    assert_eq!(browser.place(), "/connect?notice=admitted");
    assert_eq!(browser.texts(STATE)[0], "Connected");
    let facts = browser.text("#works .facts");
    assert!(facts.contains("simplified · verified"), "{facts}");

    // Whoever is admitted by hand is not pinned; the first that passes by itself is.
    assert!(facts.contains("none yet"), "{facts}");
    let first = app.push(Format::Xml, &job_message("first", "Success"));
    assert_eq!(first.status, 204);
    let mut content = app.content(Format::Json, &job_message("other", "Success"));
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    assert_eq!(states()[0], "Connected");
    assert_eq!(browser.texts("#works button"), ["Allow this owner"]);
    browser.follow("#works button");
    assert_eq!(browser.place(), "/connect?notice=owner_allowed.1");
    assert_eq!(browser.texts(".notice[role=status]").len(), 1);
    let facts = browser.text("#works .facts");
    assert!(facts.contains("999 allowed by a person"), "{facts}");
    assert!(facts.contains("pinned by its first push"), "{facts}");
    assert_eq!(browser.texts("#works button"), [""; 0]);
}
