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
fn on_a_narrow_screen_a_hint_stands_below_its_code_and_not_below_its_label() {
    let script = "const left = (selector) =>
          document.querySelector(selector).getBoundingClientRect().left;
        return left('table.stack th .hint') - left('table.stack th > a')";
    let apart = look_at("/queues/mps-std", 390, script);
    assert_eq!(apart.as_f64(), Some(0.0));
}
