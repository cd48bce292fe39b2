//! Those who listen: `/live`, and `?wait=` on the JSON of a job or run.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use mpsink::web::live::LiveOptions;
use scraper::{Html, Selector};

use crate::app::{TestApp, job_message};
use crate::http::{self, Connection, Response};

/// Longer than anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Far beyond the end of any test.
const NEVER: Duration = Duration::from_secs(3_600);

/// An open `/live`, behind its greeting.
struct Stream(Connection);

impl Stream {
    fn open(app: &TestApp, headers: &str) -> Stream {
        let (stream, response) = Stream::ask(app, "/live", headers);
        assert_eq!(response.status, 200);
        stream.unwrap()
    }

    fn ask(app: &TestApp, path: &str, headers: &str) -> (Option<Stream>, Response) {
        let mut connection = Connection::to(app.facts.dashboard);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        connection.write(request.as_bytes());
        let response = connection.read_head().unwrap();
        if response.status != 200 {
            return (None, response);
        }
        let greeting = connection.read_chunk();
        assert_eq!(greeting.as_deref(), Some("retry: 2000\n\n"));
        (Some(Stream(connection)), response)
    }

    /// Returns the id of the next event; `None` at an orderly end.
    fn next(&mut self) -> Option<String> {
        loop {
            let text = self.0.read_chunk()?;
            if let Some(rest) = text.strip_prefix("id: ") {
                let (id, data) = rest.split_once('\n').unwrap();
                let number = number(id);
                assert_eq!(data, format!("data: {number}\n\n"));
                return Some(id.to_owned());
            }
            assert_eq!(text, ":\n\n");
        }
    }
}

fn number(id: &str) -> u64 {
    id.split_once('-').unwrap().1.parse().unwrap()
}

fn start(change: impl FnOnce(&mut LiveOptions)) -> TestApp {
    let mut bounds = Bounds::default();
    change(&mut bounds.live);
    TestApp::start_bounded(bounds)
}

fn push(app: &TestApp, id: &str, state: &str) {
    let pushed = app.push(Format::Json, &job_message(id, state));
    assert_eq!(pushed.status, 204);
}

/// Asks again until it is answered with `status`.
fn until(status: u16, ask: impl Fn() -> Response) -> Response {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let response = ask();
        if response.status == status {
            return response;
        }
        assert!(Instant::now() < deadline, "{}", response.text());
    }
}

#[test]
fn who_has_missed_something_is_told_at_once_and_who_has_not_is_not() {
    let app = start(|live| live.event_every = Duration::ZERO);
    let mut stream = Stream::open(&app, "");
    push(&app, "job-1", "Success");
    let first = stream.next().unwrap();
    push(&app, "job-2", "Success");

    let resume = |id: &str| Stream::open(&app, &format!("Last-Event-ID: {id}\r\n"));
    let missed = resume(&first).next().unwrap();
    assert!(number(&missed) > number(&first));
    let mut nothing_missed = resume(&missed);
    push(&app, "job-3", "Success");
    let next = nothing_missed.next().unwrap();
    assert!(number(&next) > number(&missed), "nothing before the push");

    let of_another_start = format!("0123456789abcdef-{}", number(&next));
    for strange in [of_another_start.as_str(), "nonsense", "-"] {
        assert!(resume(strange).next().is_some(), "{strange}");
    }
    // The header of a browser that connects again is newer than what its page knew.
    let path = format!("/live?after={first}");
    let (stream, _) = Stream::ask(&app, &path, &format!("Last-Event-ID: {next}\r\n"));
    push(&app, "job-4", "Success");
    assert!(number(&stream.unwrap().next().unwrap()) > number(&next));
    let (stream, _) = Stream::ask(&app, &path, "");
    assert!(stream.unwrap().next().is_some());
}

#[test]
fn a_page_knows_what_it_was_made_from() {
    let app = start(|live| live.event_every = Duration::ZERO);
    push(&app, "job-1", "Success");
    let page = Html::parse_document(&app.get("/").text());
    let body = Selector::parse("body").unwrap();
    let id = page.select(&body).next().unwrap().attr("data-live-at");
    push(&app, "job-2", "Success");
    let (stream, _) = Stream::ask(&app, &format!("/live?after={}", id.unwrap()), "");
    let told = stream.unwrap().next().unwrap();
    assert!(number(&told) > number(id.unwrap()));
}

#[test]
fn only_pages_that_reach_to_now_are_live() {
    let app = TestApp::start();
    for id in ["job-1", "job-2", "job-3"] {
        push(&app, id, "Success");
    }
    let next = app.json("/jobs.json?limit=1")["next"].clone();
    let next = format!("/jobs?limit=1&cursor={}", next.as_str().unwrap());
    let cases = [
        ("/", true),
        ("/?window=7d", true),
        ("/?from=2024-05-05T08:00:00Z&to=2024-05-06T08:00:00Z", false),
        ("/jobs", true),
        ("/jobs?limit=1&cursor=", true),
        (next.as_str(), false),
        ("/jobs?to=2024-05-06T08:00:00Z", false),
        ("/jobs?to=2034-05-06T08:00:00Z", true),
        ("/jobs/job-1", true),
        ("/settings", false),
        ("/jobs/none", false),
    ];
    for (path, is_live) in cases {
        let response = http::get(app.facts.dashboard, path);
        let response = match response.header("location") {
            Some(place) => app.get(place),
            None => response,
        };
        let page = Html::parse_document(&response.text());
        let found = |selector: &str| {
            let selector = Selector::parse(selector).unwrap();
            page.select(&selector).next().is_some()
        };
        assert_eq!(found("body[data-live-at]"), is_live, "{path}");
        assert_eq!(found(r#"script[src="/static/live.js"]"#), is_live, "{path}");
        assert_eq!(found("#live-switch[aria-pressed]"), is_live, "{path}");
    }
}

#[test]
fn however_much_is_written_a_viewer_is_told_once_in_a_while() {
    let mut app = start(|live| live.event_every = NEVER);
    let mut stream = Stream::open(&app, "");
    push(&app, "job-0", "Success");
    assert!(stream.next().is_some());
    for job in 1..20 {
        push(&app, &format!("job-{job}"), "Success");
    }
    app.stop();
    assert_eq!(stream.next(), None);
}

#[test]
fn between_two_events_is_a_second() {
    let app = TestApp::start();
    let mut stream = Stream::open(&app, "");
    let began = Instant::now();
    push(&app, "job-1", "Success");
    let first = stream.next().unwrap();
    push(&app, "job-2", "Success");
    let second = stream.next().unwrap();
    assert!(number(&second) > number(&first));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn one_viewer_too_many_is_503_until_another_leaves() {
    let app = start(|live| live.viewers_max = 2);
    let first = Stream::open(&app, "");
    let _second = Stream::open(&app, "");
    let refused = app.get("/live");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    drop(first);
    // Nothing is written meanwhile: that the viewer has left is noticed by itself.
    let deadline = Instant::now() + DEADLINE;
    while Stream::ask(&app, "/live", "").0.is_none() {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn streams_end_in_order_before_the_server_stops() {
    let mut app = TestApp::start();
    let mut streams: Vec<_> = (0..3).map(|_| Stream::open(&app, "")).collect();
    app.stop();
    for stream in &mut streams {
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn the_stream_is_guarded_and_kept_by_nobody() {
    let app = TestApp::start();
    let (_, response) = Stream::ask(&app, "/live", "Accept-Encoding: gzip\r\n");
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("content-encoding"), Some("identity"));
    assert!(response.header("content-security-policy").is_some());

    let foreign = [("Host", "evil.example")];
    let foreign = http::get_with(app.facts.dashboard, "/live", &foreign);
    assert_eq!(foreign.status, 421);
    assert_eq!(app.get("/live?since=1").status, 400);
    assert_eq!(app.get(&format!("/live?after={:065}", 0)).status, 400);
    assert_eq!(app.post("/live").status, 405);
    let mut connection = Connection::to(app.facts.dashboard);
    connection.write(b"HEAD /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(connection.read_head().unwrap().status, 200);
    assert_eq!(connection.read_line(), "", "and nothing more");
}

/// Asks in a thread of its own, again if another had the only place.
fn ask(app: &TestApp, path: &str) -> JoinHandle<Response> {
    let (address, path) = (app.facts.dashboard, path.to_owned());
    thread::spawn(move || {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = http::get(address, &path);
            if answer.status != 503 || Instant::now() > deadline {
                return answer;
            }
        }
    })
}

/// Returns once somebody waits in an app that lets one wait.
fn until_one_waits(app: &TestApp) {
    let refused = until(503, || app.get("/jobs/other.json?wait=1"));
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn who_waits_for_a_job_is_answered_when_it_ends() {
    let app = start(|live| live.waiters_max = 1);
    push(&app, "job-1", "Submitted");
    let began = Instant::now();
    let waiting = ask(&app, "/jobs/job-1.json?wait=60");
    until_one_waits(&app);
    push(&app, "job-2", "Success");
    push(&app, "job-1", "Success");
    let answer = waiting.join().unwrap();
    assert_eq!(answer.json()["state"], "succeeded");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_job_that_nothing_is_known_of_yet_is_waited_for_as_well() {
    let app = start(|live| live.waiters_max = 1);
    let waiting = ask(&app, "/job.json?id=job-1&wait=60");
    until_one_waits(&app);
    push(&app, "job-1", "Fail");
    assert_eq!(waiting.join().unwrap().json()["state"], "failed");
}

#[test]
fn who_waits_for_a_run_is_answered_when_it_ends() {
    let app = start(|live| live.waiters_max = 1);
    let activity = |kind: &str, state: &str| {
        let message = format!(
            r#"{{"RunId":"run-1","Name":"{kind}","Type":"{kind}","State":"{state}",
                "MediaWorkflowExecution":{{"RunId":"run-1","MediaWorkflowId":"w",
                "Name":"flow","State":"{state}"}}}}"#
        );
        let pushed = app.push(Format::Json, message.as_bytes());
        assert_eq!(pushed.status, 204);
    };
    activity("Start", "Success");
    let running = app.json("/runs/run-1.json");
    assert_eq!(running["outcome"], "running");
    let waiting = ask(&app, "/runs/run-1.json?wait=60");
    until_one_waits(&app);
    activity("Report", "Success");
    assert_eq!(waiting.join().unwrap().json()["outcome"], "succeeded");
}

#[test]
fn when_the_wait_is_over_the_answer_is_as_it_is() {
    let app = TestApp::start();
    push(&app, "job-1", "Submitted");
    for (path, status) in [
        ("/jobs/job-1.json?wait=1", 200),
        ("/jobs/none.json?wait=1", 404),
        ("/runs/none.json?wait=1", 404),
    ] {
        let began = Instant::now();
        let answer = app.get(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(began.elapsed() >= Duration::from_secs(1), "{path}");
    }
}

#[test]
fn what_has_ended_is_not_waited_for_and_takes_nobodys_place() {
    let app = start(|live| live.waiters_max = 0);
    push(&app, "job-1", "Success");
    push(&app, "job-2", "Submitted");
    assert_eq!(app.get("/jobs/job-1.json?wait=60").status, 200);
    let refused = app.get("/jobs/job-2.json?wait=60");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(app.get("/jobs/job-2.json").status, 200);
}

#[test]
fn waiting_ends_when_the_server_stops() {
    let mut app = start(|live| live.waiters_max = 1);
    push(&app, "job-1", "Submitted");
    let waiting = ask(&app, "/jobs/job-1.json?wait=60");
    until_one_waits(&app);
    app.stop();
    assert_eq!(waiting.join().unwrap().json()["state"], "submitted");
}

#[test]
fn a_wait_that_is_no_number_of_seconds_in_bounds_is_a_mistake() {
    let app = TestApp::start();
    push(&app, "job-1", "Success");
    for wait in ["0", "61", "-1", "1.5", "long"] {
        let answer = app.get(&format!("/jobs/job-1.json?wait={wait}"));
        assert_eq!(answer.status, 400, "{wait}");
        assert!(answer.text().contains("from 1 to 60"), "{}", answer.text());
    }
    assert_eq!(app.get("/jobs/job-1.json?wait=60").status, 200);
    assert_eq!(app.get("/jobs/job-1?wait=60").status, 400, "pages are live");
}

#[test]
fn pages_come_again_by_themselves_where_that_is_asked_for() {
    let app = TestApp::start();
    for id in ["job-1", "job-2"] {
        push(&app, id, "Success");
    }
    for path in ["/", "/jobs", "/jobs/job-1", "/held", "/queues/mps-std"] {
        assert_eq!(app.get(path).header("refresh"), None, "{path}");
        for seconds in ["5", "3600"] {
            let again = app.get(&format!("{path}?refresh={seconds}"));
            assert_eq!(again.header("refresh"), Some(seconds), "{path}");
        }
        for wrong in ["4", "3601", "soon"] {
            let refused = app.get(&format!("{path}?refresh={wrong}"));
            assert_eq!(refused.status, 400, "{path}");
            assert_eq!(refused.header("refresh"), None);
            assert!(refused.text().contains("from 5 to 3600"), "{path}");
        }
    }
    assert_eq!(app.get("/jobs/none?refresh=5").header("refresh"), None);
    let page = Html::parse_document(&app.get("/jobs?refresh=30&limit=1").text());
    let next = Selector::parse(r#"nav.pager a[href*="cursor="]"#).unwrap();
    let next = page.select(&next).next().unwrap().attr("href").unwrap();
    assert!(next.contains("refresh=30"), "{next}");
}
