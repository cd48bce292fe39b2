//! What only the style sheets decide, and no markup tells: what is chosen looks chosen, and nothing is
//! pushed onto a line or into a column where it does not belong.

use mpsink::notification::Format;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::browser::Browser;

/// A failed job whose code has a hint.
const FAILED: &str =
    r#"{"jobId":"a","type":"Transcode","state":"Fail","code":"PermissionDenied.ResourceAccess"}"#;

fn look_at(path: &str, width: u32, script: &str) -> Value {
    let app = TestApp::start();
    assert_eq!(app.push(Format::Json, FAILED.as_bytes()).status, 204);
    let browser = Browser::at(app.facts.dashboard);
    browser.set_size(width, 900);
    browser.open(path);
    browser.evaluate(script)
}

#[test]
fn the_chosen_window_and_order_look_chosen_and_the_bar_is_one_line() {
    let seen = look_at(
        "/",
        1_280,
        "const one = (selector) => document.querySelector(selector);
         const colour = (selector) => getComputedStyle(one(selector)).backgroundColor;
         const [spans, steps] = document.querySelectorAll('.window .chips');
         return [
           colour('.window a[aria-current]') !== colour('.window a:not([aria-current])'),
           colour('.lanes-head a[aria-current]') !== colour('.lanes-head a:not([aria-current])'),
           spans.getBoundingClientRect().top === steps.getBoundingClientRect().top,
         ];",
    );
    assert_eq!(seen, json!([true, true, true]));
}

#[test]
fn names_of_facts_begin_with_a_capital_and_names_of_a_messages_values_stay_as_they_are() {
    let script = "return getComputedStyle(document.querySelector('.facts dt'), '::first-letter')
        .textTransform";
    assert_eq!(look_at("/jobs/a", 1_280, script), json!("uppercase"));
}

#[test]
fn on_a_narrow_screen_what_follows_in_a_row_of_a_list_stands_close_to_what_it_follows() {
    let script = "const long = document.querySelector('.rows td.long');
        return [getComputedStyle(long).minWidth, long.offsetWidth < 144]";
    assert_eq!(look_at("/deliveries", 390, script), json!(["0px", true]));
}

#[test]
fn why_a_message_was_not_understood_has_the_room_that_sentences_need() {
    let app = TestApp::start();
    assert_eq!(app.push(Format::Xml, b"a test message").status, 204);
    let browser = Browser::at(app.facts.dashboard);
    let script = "const box = document.querySelector('.table-box');
        return [document.querySelector('.rows .told').offsetWidth > 400,
          box.scrollWidth <= box.clientWidth]";
    for path in ["/events", "/deliveries/1"] {
        browser.set_size(1_280, 900);
        browser.open(path);
        assert_eq!(browser.evaluate(script), json!([true, true]), "{path}");
    }
    browser.set_size(390, 900);
    browser.open("/events");
    let narrow = "return document.documentElement.scrollWidth <= 390";
    assert_eq!(browser.evaluate(narrow), json!(true));
}

#[test]
fn only_the_first_line_of_a_message_makes_room_for_the_button_that_copies_it() {
    let script = "const pre = document.querySelector('.copied-from pre');
        const room = getComputedStyle(pre, '::before');
        return [parseFloat(getComputedStyle(pre).paddingRight) < 16, room.cssFloat, parseFloat(room.height)
          <= parseFloat(getComputedStyle(pre).lineHeight)]";
    assert_eq!(
        look_at("/jobs/a", 390, script),
        json!([true, "right", true])
    );
}

#[test]
fn on_a_narrow_screen_a_hint_stands_below_its_code_and_not_below_its_label() {
    let script = "const left = (selector) =>
          document.querySelector(selector).getBoundingClientRect().left;
        return left('table.stack th .hint') - left('table.stack th > a')";
    let apart = look_at("/queues/mps-std", 390, script);
    assert_eq!(apart.as_f64(), Some(0.0));
}
