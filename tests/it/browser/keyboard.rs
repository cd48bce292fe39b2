//! The dashboard without a mouse: single keys, the help for them, the switch that turns them off,
//! and copying where a browser has no clipboard.

use mpsink::notification::Format;
use serde_json::json;

use crate::app::{TestApp, data};
use crate::browser::Browser;

const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
const TAB: &str = "\u{E004}";

/// Told apart from the typed `?`, for which a keyboard has Shift held down.
const QUESTION: &str = "?";

const HELP_IS_OPEN: &str = "return document.getElementById('keys').open";
const FOCUSED: &str =
    "return document.activeElement.id || document.activeElement.textContent.trim()";

fn app_with_runs() -> TestApp {
    let app = TestApp::start();
    for file in [
        "workflow-report-partial-fail.guess.json",
        "workflow-report-completed.json",
    ] {
        let content = app.content(Format::Json, &data(file));
        assert_eq!(app.send(&app.signed(&content)).status, 204);
    }
    app
}

fn is_help_open(browser: &Browser) -> bool {
    browser.evaluate(HELP_IS_OPEN) == json!(true)
}

#[test]
fn the_way_from_the_overview_to_a_failed_activitys_message_needs_no_mouse() {
    let app = app_with_runs();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/");
    // Tab as far as the navigation, then down the list.
    for _ in 0..40 {
        if browser.evaluate("return document.activeElement.getAttribute('href')")
            == json!("/activities")
        {
            break;
        }
        browser.press(TAB);
    }
    browser.press_to_leave(ENTER);
    assert_eq!(browser.place(), "/activities");
    let failed =
        "return document.activeElement.closest('tr')?.querySelector('.state-failed') != null";
    for _ in 0..40 {
        if browser.evaluate(failed) == json!(true) {
            break;
        }
        browser.press("j");
    }
    browser.press_to_leave(ENTER);
    assert!(browser.place().starts_with("/runs/"), "{}", browser.place());
    let run = app.items("/runs.json?state=partial")[0].clone();
    let failed = run["activities"].as_array().unwrap().iter();
    let failed = failed
        .clone()
        .find(|activity| activity["state"] == "failed");
    let message = failed.unwrap()["message"].as_str().unwrap().to_owned();
    assert!(browser.text("main").contains(&message), "{message}");
}

#[test]
fn j_and_k_go_through_the_rows_of_a_list_and_stop_at_its_ends() {
    let app = app_with_runs();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/runs");
    let rows = browser.texts("main tbody .ids a");
    assert_eq!(rows.len(), 2);
    for (key, expected) in [("j", 0), ("j", 1), ("j", 1), ("k", 0), ("k", 0)] {
        browser.press(key);
        assert_eq!(browser.evaluate(FOCUSED), json!(rows[expected]), "{key}");
    }
    // With a modifier it is a key of the browser's.
    browser.press_with_control("j");
    assert_eq!(browser.evaluate(FOCUSED), json!(rows[0]));
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.evaluate(outline), json!("solid"));
    browser.press_to_leave(ENTER);
    assert_eq!(browser.place(), format!("/runs/{}", rows[0]));
}

#[test]
fn a_slash_focuses_find_where_keys_are_letters_again() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    browser.press("/");
    assert_eq!(browser.evaluate(FOCUSED), json!("find-anything"));
    for key in ["j", "?", "/"] {
        browser.press(key);
    }
    let typed = browser.evaluate("return document.getElementById('find-anything').value");
    assert_eq!(typed, json!("j?/"));
    assert!(!is_help_open(&browser));
}

#[test]
fn the_help_opens_and_closes_by_keys_and_in_it_single_keys_are_turned_off_and_on() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    browser.press(QUESTION);
    assert!(is_help_open(&browser));
    assert!(browser.text("#keys").contains("Single keys are on."));
    browser.press(ESCAPE);
    assert!(!is_help_open(&browser));

    browser.press(QUESTION);
    browser.follow("#keys button[value=off]");
    assert_eq!(browser.place(), "/jobs");
    for key in [QUESTION, "/", "j"] {
        browser.press(key);
        assert!(!is_help_open(&browser));
        assert_eq!(
            browser.evaluate("return document.activeElement.localName"),
            json!("body")
        );
    }
    // The button is no single key.
    browser.evaluate("document.getElementById('show-keys').focus()");
    browser.press(ENTER);
    assert!(is_help_open(&browser));
    assert!(browser.text("#keys").contains("Single keys are off."));
    browser.follow("#keys button[value=on]");
    browser.press(QUESTION);
    assert!(is_help_open(&browser));
}

#[test]
fn the_settings_turn_single_keys_off_and_show_that_they_are() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    let chosen = "return document.getElementById('single-keys').value";
    browser.open("/settings");
    assert_eq!(browser.evaluate(chosen), json!("on"));
    browser.evaluate("document.getElementById('single-keys').value = 'off'");
    browser.follow("form.settings button");
    assert_eq!(browser.evaluate(chosen), json!("off"));
    browser.press(QUESTION);
    assert!(!is_help_open(&browser));
}

#[test]
fn what_stands_before_a_copy_button_is_copied_by_a_key_where_there_is_no_clipboard() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/connect");
    // What plain http at another name than this machine's is to a browser.
    browser.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})");
    browser.evaluate("document.querySelector('#endpoint ~ .copied-from .copy').focus()");
    let name = browser.evaluate("return document.activeElement.getAttribute('aria-label')");
    assert_eq!(name, json!("Copy: Receiver endpoint"));
    browser.press(ENTER);
    browser.wait_for("return document.activeElement.classList.contains('done')");
    browser.wait_for("return document.querySelector('p[role=status]').textContent === 'Copied'");
    browser.evaluate("document.getElementById('find-anything').focus()");
    browser.press_with_control("v");
    let pasted = browser.evaluate("return document.activeElement.value");
    assert_eq!(pasted, json!(app.facts.endpoint));
}
