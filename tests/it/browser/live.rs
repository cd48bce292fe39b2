//! Open pages that follow what is written, as whoever sits in front of them has it.

use std::time::{Duration, Instant};

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;

use crate::app::{TestApp, job_message};
use crate::browser::Browser;
use crate::http::{Connection, Response};

/// Longer than anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

fn push(app: &TestApp, id: &str, state: &str) {
    push_to(app, "mps-std", id, state);
}

fn push_to(app: &TestApp, topic: &str, id: &str, state: &str) {
    let mut content = app.content(Format::Json, &job_message(id, state));
    content.topic = topic.to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 204);
}

/// Looks until `script` returns true.
fn until(browser: &Browser, script: &str) {
    let deadline = Instant::now() + DEADLINE;
    while browser.evaluate(script) != true {
        assert!(Instant::now() < deadline, "{script}");
    }
}

/// Marks the page, so that one that was loaded anew can be told from it.
fn mark(browser: &Browser) {
    browser.evaluate("window.isSame = true");
}

fn is_marked(browser: &Browser) -> bool {
    browser.evaluate("return window.isSame === true") == true
}

/// Waits until the page listens: what is pushed then comes by an event.
fn until_open(app: &TestApp) {
    until_status(app, 503);
}

/// Looks until `/live` of an app with one place answers so.
fn until_status(app: &TestApp, status: u16) {
    let deadline = Instant::now() + DEADLINE;
    while ask(app).status != status {
        assert!(Instant::now() < deadline, "never {status}");
    }
}

fn ask(app: &TestApp) -> Response {
    let mut connection = Connection::to(app.facts.dashboard);
    connection.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.read_head().unwrap()
}

fn app_for_one() -> TestApp {
    let mut bounds = Bounds::default();
    bounds.live.viewers_max = 1;
    TestApp::start_bounded(bounds)
}

#[test]
fn a_push_appears_on_an_open_overview_and_everything_stays_where_it_is() {
    let app = TestApp::start();
    push_to(&app, "topic-a", "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.set_size(1280, 300);
    browser.open("/");
    mark(&browser);
    browser.evaluate(
        "const box = document.querySelector('.lanes details');
         box.open = true;
         window.link = box.querySelector('tbody a');
         link.focus();
         window.scrollTo(0, 150);
         getSelection().selectAllChildren(document.querySelector('.lanes h3'));",
    );
    let state = || {
        browser.evaluate(
            "return [window.scrollY, document.activeElement === window.link,
                document.querySelector('.lanes details').open, getSelection().toString()]",
        )
    };
    let before = state();
    assert_eq!(before[1], true);
    assert_eq!(before[3], "topic-a");
    push_to(&app, "topic-b", "job-2", "Success");
    let lanes = "[...document.querySelectorAll('.lanes h3')].map(lane => lane.innerText)";
    until(
        &browser,
        &format!("return {lanes}.includes('topic-b') && {lanes}.includes('topic-a')"),
    );
    assert_eq!(state(), before);
    assert!(is_marked(&browser));
    assert_eq!(browser.glance().complaints, [""; 0]);
}

#[test]
fn an_open_job_shows_its_end_and_a_list_its_new_rows() {
    let app = TestApp::start();
    push(&app, "job-1", "Submitted");
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs/job-1");
    mark(&browser);
    let state = "return document.querySelector('.headline .state').className";
    let before = browser.evaluate(state);
    push(&app, "job-1", "Fail");
    until(
        &browser,
        "return document.querySelector('.headline .state-failed') !== null",
    );
    assert_ne!(browser.evaluate(state), before);
    assert!(is_marked(&browser));

    browser.open("/jobs");
    mark(&browser);
    browser.evaluate("document.querySelector('main tbody a[href=\"/jobs/job-1\"]').focus()");
    push(&app, "job-2", "Success");
    until(
        &browser,
        "return document.querySelectorAll('main tbody tr').length === 2",
    );
    let focused = browser.evaluate("return document.activeElement.getAttribute('href')");
    assert_eq!(
        focused, "/jobs/job-1",
        "the same job, now in the second row"
    );
    let first = browser.evaluate("return document.querySelector('main tbody tr').innerText");
    assert!(first.as_str().unwrap().contains("job-2"));
    assert!(is_marked(&browser));
}

#[test]
fn new_copy_buttons_copy_as_well() {
    let app = TestApp::start();
    let browser = Browser::at(app.facts.dashboard);
    push(&app, "job-1", "Submitted");
    browser.open("/jobs/job-1");
    let count = "document.querySelectorAll('button.copy').length";
    let before = browser.evaluate(&format!("return {count}"));
    let with_input = r#"{"jobId":"job-1","type":"Transcode","state":"Success",
        "input":{"bucket":"b","location":"oss-cn-hangzhou","object":"a.mp4"}}"#;
    assert_eq!(app.push(Format::Json, with_input.as_bytes()).status, 204);
    until(&browser, &format!("return {count} > {before}"));
    let hidden = "return document.querySelectorAll('button.copy[hidden]').length";
    assert_eq!(browser.evaluate(hidden), 0);
}

/// Keeps the page's own stream and counts what the page reads. A read lasts until `release` is
/// called if `isHeld` is set.
const WATCH: &str = "
    const Stream = window.EventSource;
    window.EventSource = class extends Stream {
        constructor(url) { super(url); window.stream = this; }
    };
    const read = window.fetch;
    window.reads = 0;
    window.fetch = async (...all) => {
        window.reads += 1;
        const answer = await read(...all);
        if (window.isHeld) { await new Promise((resolve) => { window.release = resolve; }); }
        return answer;
    };
    const parse = DOMParser.prototype.parseFromString;
    DOMParser.prototype.parseFromString = function (...all) {
        window.isRead = true;
        return parse.apply(this, all);
    };";

const ROWS: &str = "document.querySelectorAll('main tbody tr').length";

#[test]
fn nothing_is_read_while_one_types() {
    let app = TestApp::start();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.run_in_every_page(WATCH);
    browser.open("/jobs");
    browser.evaluate(
        "const field = document.getElementById('find-anything');
         field.focus();
         field.value = 'half a wor';
         // Behind the page's own listener: what that does at once has been done by then.
         window.stream.addEventListener('message', () => { window.isTold = true; });",
    );
    push(&app, "job-2", "Success");
    until(&browser, "return window.isTold === true");
    assert_eq!(browser.evaluate("return window.reads"), 0);
    browser.evaluate("document.activeElement.blur()");
    until(&browser, &format!("return {ROWS} === 2"));
    let typed = browser.evaluate("return document.getElementById('find-anything').value");
    assert_eq!(typed, "half a wor");
}

#[test]
fn what_was_read_is_not_shown_if_one_has_begun_to_type_meanwhile() {
    let app = TestApp::start();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.run_in_every_page(WATCH);
    browser.open("/jobs");
    browser.evaluate("window.isHeld = true");
    push(&app, "job-2", "Success");
    until(&browser, "return window.release !== undefined");
    browser.evaluate("document.getElementById('find-anything').focus(); window.release()");
    // What is done with it follows before any other script runs.
    until(&browser, "return window.isRead === true");
    assert_eq!(browser.evaluate(&format!("return {ROWS}")), 1);
    browser.evaluate("window.isHeld = false; document.activeElement.blur()");
    until(&browser, &format!("return {ROWS} === 2"));
}

#[test]
fn times_get_older_where_nothing_is_written() {
    let mut bounds = Bounds::default();
    bounds.live.page_every = Duration::from_millis(50);
    let app = TestApp::start_bounded(bounds);
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/");
    mark(&browser);
    let lane = "document.querySelector('.lanes .lane').innerText";
    assert_eq!(
        browser.evaluate(&format!("return {lane}.includes('5 min ago')")),
        false
    );
    app.clock.set(app.clock.now().plus_ms(5 * 60 * 1_000));
    until(&browser, &format!("return {lane}.includes('5 min ago')"));
    assert!(is_marked(&browser));
}

#[test]
fn a_page_is_read_once_a_minute_and_only_while_it_is_live_and_seen() {
    let app = TestApp::start();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.run_in_every_page(WATCH);
    // Timers of a minute wait to be told that it is over.
    browser.run_in_every_page(
        "const begin = window.setTimeout;
         const end = window.clearTimeout;
         window.minutes = new Map();
         window.setTimeout = (run, ms, ...all) => {
             const id = begin(run, ms, ...all);
             if (ms === 60000) { end(id); window.minutes.set(id, run); }
             return id;
         };
         window.clearTimeout = (id) => { window.minutes.delete(id); end(id); };
         window.pass = () => {
             const [id, run] = window.minutes.entries().next().value;
             window.minutes.delete(id);
             run();
         };",
    );
    let minutes = "window.minutes.size";
    browser.open("/jobs");
    let state = format!("return [{minutes}, window.reads]");
    assert_eq!(browser.evaluate(&state), serde_json::json!([1, 0]));
    browser.evaluate("window.pass()");
    until(&browser, &format!("return {minutes} === 1"));
    assert_eq!(browser.evaluate(&state), serde_json::json!([1, 1]));

    let click = "document.getElementById('live-switch').click()";
    browser.evaluate(click);
    assert_eq!(browser.evaluate(&state), serde_json::json!([0, 1]));
    browser.evaluate(click);
    until(&browser, &format!("return {minutes} === 1"));

    let hidden =
        "Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
         document.dispatchEvent(new Event('visibilitychange'))";
    browser.evaluate(hidden);
    assert_eq!(browser.evaluate(&format!("return {minutes}")), 0);
}

#[test]
fn a_hidden_tab_closes_its_stream_and_catches_up_when_it_is_seen_again() {
    let app = app_for_one();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    mark(&browser);
    until_open(&app);
    let own = browser.window();
    browser.open_tab();
    until_status(&app, 200);
    push(&app, "job-2", "Success");
    browser.close_tab(&own);
    until(
        &browser,
        "return document.querySelectorAll('main tbody tr').length === 2",
    );
    assert!(is_marked(&browser));
    until_open(&app);
}

#[test]
fn the_switch_stops_it_for_every_page_and_starts_it_again() {
    let app = app_for_one();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    until_open(&app);
    let pressed = "return document.getElementById('live-switch').getAttribute('aria-pressed')";
    let click = "document.getElementById('live-switch').click()";
    assert_eq!(browser.evaluate(pressed), "true");
    assert!(browser.text("#live-switch").starts_with("Live"));

    browser.evaluate(click);
    assert_eq!(browser.evaluate(pressed), "false");
    until_status(&app, 200);
    browser.open("/jobs");
    assert_eq!(browser.evaluate(pressed), "false", "it is remembered");
    mark(&browser);
    push(&app, "job-2", "Success");
    browser.evaluate(click);
    assert_eq!(browser.evaluate(pressed), "true");
    until(
        &browser,
        "return document.querySelectorAll('main tbody tr').length === 2",
    );
    assert!(is_marked(&browser));
    until_open(&app);
}

#[test]
fn a_page_says_when_the_server_is_gone() {
    let mut app = TestApp::start();
    push(&app, "job-1", "Success");
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    assert_eq!(browser.text("#live-lost"), "");
    app.stop();
    until(
        &browser,
        "return document.getElementById('live-lost').innerText !== ''",
    );
}
