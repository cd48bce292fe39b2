//! The lists through their doors: filters, pages both ways, what stands where nothing is, finding.

use mpsink::notification::Format;
use scraper::{Html, Selector};

use crate::app::{TestApp, job_message};
use crate::http;

fn app_with_jobs(states: &[&str]) -> TestApp {
    let app = TestApp::start();
    for (number, state) in states.iter().enumerate() {
        let message = job_message(&format!("job-{number}"), state);
        assert_eq!(app.push(Format::Json, &message).status, 204);
    }
    app
}

fn page(app: &TestApp, path: &str) -> Html {
    let response = app.get(path);
    assert_eq!(response.status, 200, "{path}");
    Html::parse_document(&response.text())
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let elements = page.select(&selector);
    elements
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

fn link(page: &Html, selector: &str) -> Option<String> {
    let selector = Selector::parse(selector).unwrap();
    let mut links = page.select(&selector);
    links
        .next()
        .map(|link| link.value().attr("href").unwrap().to_owned())
}

/// Returns where a redirect leads.
fn redirected(app: &TestApp, path: &str) -> String {
    let response = app.get(path);
    assert_eq!(response.status, 303, "{path}");
    response.header("location").unwrap().to_owned()
}

#[test]
fn a_list_is_walked_to_its_end_and_back_with_its_filters() {
    let app = app_with_jobs(&["Success"; 7]);
    let ids = |page: &Html| texts(page, "td[data-label=Job]");
    let mut path = "/jobs?state=succeeded&limit=3".to_owned();
    let mut there = Vec::new();
    let mut pages = Vec::new();
    loop {
        let page = page(&app, &path);
        there.extend(ids(&page));
        pages.push(ids(&page));
        match link(&page, "a[rel=next]") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(there.len(), 7);
    assert!(path.contains("state=succeeded") && path.contains("limit=3"));
    let last = page(&app, &path);
    assert_eq!(
        link(&last, ".pager a:first-child").unwrap(),
        "/jobs?state=succeeded&limit=3"
    );
    let mut back = vec![ids(&last)];
    while let Some(previous) = link(&page(&app, &path), "a[rel=prev]") {
        path = previous;
        back.push(ids(&page(&app, &path)));
    }
    back.reverse();
    assert_eq!(back, pages);
}

#[test]
fn a_page_is_asked_for_250_rows_at_most_and_its_json_for_1000() {
    let app = app_with_jobs(&["Success"]);
    let lists = [
        "jobs",
        "runs",
        "activities",
        "events",
        "deliveries",
        "held",
        "refusals",
    ];
    for list in lists {
        assert_eq!(app.get(&format!("/{list}?limit=250")).status, 200, "{list}");
        let refused = app.get(&format!("/{list}?limit=251"));
        assert_eq!(refused.status, 400, "{list}");
        assert!(refused.text().contains("from 1 to 250"), "{list}");
        assert_eq!(app.get(&format!("/{list}.json?limit=1000")).status, 200);
        assert_eq!(app.get(&format!("/{list}.json?limit=1001")).status, 400);
    }
}

#[test]
fn a_page_of_long_rows_has_fewer_of_them_and_all_are_walked_through() {
    let app = TestApp::start();
    let long = "长".repeat(340);
    for number in 0..150 {
        let message = format!(
            r#"{{"jobId":"j{number}","type":"{long}","state":"Fail","code":"{long}","pipelineId":"{long}"}}"#
        );
        assert_eq!(app.push(Format::Json, message.as_bytes()).status, 204);
    }
    let mut path = "/jobs?limit=250".to_owned();
    let mut ids = Vec::new();
    let mut pages = 0;
    loop {
        let response = app.get(&path);
        assert!(response.body.len() <= 500_000, "{path}");
        let page = Html::parse_document(&response.text());
        ids.extend(texts(&page, "td[data-label=Job]"));
        let shown = texts(&page, "td.code");
        assert!(shown.iter().all(|code| code.chars().count() < 130));
        pages += 1;
        match link(&page, "a[rel=next]") {
            Some(next) => path = next,
            None => break,
        }
    }
    let expected: Vec<_> = (0..150).rev().map(|number| format!("j{number}")).collect();
    assert_eq!(ids, expected);
    assert!(pages > 1, "{pages} pages");
}

#[test]
fn a_list_says_how_many_rows_pass_its_filters() {
    let app = app_with_jobs(&["Success", "Fail", "Success"]);
    assert_eq!(texts(&page(&app, "/jobs"), ".count"), ["3 jobs"]);
    let failed = page(&app, "/jobs?state=failed");
    assert_eq!(texts(&failed, ".count"), ["1 job"]);
    assert_eq!(link(&failed, ".chips a").unwrap(), "/jobs");
}

#[test]
fn an_empty_list_says_why() {
    let app = TestApp::start();
    for path in ["/jobs", "/runs", "/activities", "/events", "/deliveries"] {
        assert_eq!(
            link(&page(&app, path), ".empty a").unwrap(),
            "/connect",
            "{path}"
        );
    }
    assert_eq!(texts(&page(&app, "/held"), ".empty"), ["Nothing is held."]);

    let app = app_with_jobs(&["Success", "Success"]);
    let then = page(
        &app,
        "/jobs?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z",
    );
    assert!(texts(&then, ".empty")[0].contains("Nothing in this window"));
    assert_eq!(link(&then, ".empty a").unwrap(), "/jobs");
    assert_eq!(texts(&then, ".empty time").len(), 1);

    let none = page(&app, "/jobs?code=X&state=failed&type=Transcode");
    assert_eq!(texts(&none, ".empty li").len(), 4);

    // The one whose absence alone gives rows comes first.
    let none = page(&app, "/jobs?type=Transcode&state=failed");
    let first = link(&none, ".empty li a").unwrap();
    assert_eq!(first, "/jobs?type=Transcode");
    let first = &texts(&none, ".empty li")[0];
    assert!(first.contains("finds some"), "{first}");
}

#[test]
fn an_exact_id_goes_straight_to_its_page_and_words_do_not() {
    let app = app_with_jobs(&["Success"]);
    for list in ["/jobs", "/runs"] {
        let path = format!("{list}?q=job-0");
        assert_eq!(redirected(&app, &path), "/jobs/job-0");
    }
    assert_eq!(app.get("/jobs?q=job").status, 200);
    assert_eq!(app.get("/jobs?q=job-0&state=succeeded").status, 200);
    assert_eq!(app.items("/jobs.json?q=job-0").len(), 1);
}

#[test]
fn a_forms_empty_fields_and_local_times_lead_to_the_plain_address() {
    let app = app_with_jobs(&["Success"]);
    assert_eq!(
        redirected(&app, "/jobs?q=&state=failed"),
        "/jobs?state=failed"
    );
    let path = "/deliveries?from=2024-05-06+08:00&topic=";
    let in_shanghai = [("Cookie", "mpsink_zone=Asia/Shanghai")];
    let response = http::get_with(app.facts.dashboard, path, &in_shanghai);
    assert_eq!(
        response.header("location"),
        Some("/deliveries?from=2024-05-06T00%3A00%3A00.000Z")
    );
    // Programs have no zone.
    assert_eq!(app.get("/jobs.json?from=2024-05-06+08:00").status, 400);
}

#[test]
fn what_was_pushed_is_filtered_by_what_was_odd_about_it() {
    let app = app_with_jobs(&["Success", "Fail"]);
    assert_eq!(app.push(Format::Xml, b"hello").status, 204);
    let count = |path: &str| texts(&page(&app, path), ".count");
    assert_eq!(count("/deliveries?only=unrecognized"), ["1 delivery"]);
    assert_eq!(count("/deliveries?format=json"), ["2 deliveries"]);
    assert_eq!(count("/events?kind=unrecognized"), ["1 event"]);
    assert_eq!(app.items("/deliveries.json?only=unrecognized").len(), 1);
    assert_eq!(app.get("/held?reason=owner").status, 200);
    assert_eq!(app.get("/refusals?reason=signature_wrong").status, 200);
    assert_eq!(app.get("/held?reason=signature_wrong").status, 400);
}
