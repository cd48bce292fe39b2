//! The dashboard's doors: who may read, who may change, and what a wrong address is told.

use mpsink::notification::Format;
use scraper::{Html, Selector};
use serde_json::json;

use crate::app::{TestApp, job_message};
use crate::http;

/// Every address that needs no id.
const PAGES: [&str; 11] = [
    "/",
    "/jobs",
    "/jobs.json",
    "/deliveries",
    "/deliveries.json",
    "/held",
    "/held.json",
    "/refusals",
    "/refusals.json",
    "/static/style.css",
    "/static/icon.svg",
];

fn app_with_jobs(count: usize) -> TestApp {
    let app = TestApp::start();
    for number in 0..count {
        let message = job_message(&format!("job-{number}"), "Success");
        assert_eq!(app.push(Format::Json, &message).status, 204);
    }
    app
}

/// Returns the number of a push that waits for a decision.
fn hold_one(app: &TestApp) -> String {
    let mut content = app.content(Format::Json, &job_message("held", "Success"));
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    app.items("/held.json")[0]["id"].to_string()
}

#[test]
fn every_page_answers_with_the_headers_that_keep_it_safe() {
    let app = app_with_jobs(2);
    for path in PAGES {
        let response = app.get(path);
        assert_eq!(response.status, 200, "{path}");
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert!(!response.body.is_empty(), "{path}");
    }
}

#[test]
fn head_is_get_without_the_body_and_other_methods_are_named() {
    let app = app_with_jobs(1);
    let response = http::request(app.facts.dashboard, "DELETE", "/jobs", &[]);
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET, HEAD"));
    let text = format!(
        "HEAD /jobs HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        app.facts.dashboard
    );
    let mut connection = http::Connection::to(app.facts.dashboard);
    connection.write(text.as_bytes());
    assert_eq!(connection.read_head().unwrap().status, 200);
}

#[test]
fn a_foreign_host_and_a_forwarded_request_are_sent_away() {
    let app = app_with_jobs(1);
    let cases: [&[(&str, &str)]; 8] = [
        &[("Host", "example.com")],
        &[("Host", "127.0.0.1.example.com")],
        &[("Host", "localhost.example.com:8081")],
        &[("Forwarded", "for=192.0.2.1")],
        &[("X-Forwarded-For", "192.0.2.1")],
        &[("X-Forwarded-Proto", "https")],
        &[("Via", "1.1 proxy")],
        &[("X-Real-IP", "192.0.2.1")],
    ];
    for headers in cases {
        for path in ["/", "/jobs.json", "/static/style.css"] {
            let response = http::get_with(app.facts.dashboard, path, headers);
            assert_eq!(response.status, 421, "{headers:?} {path}");
            assert!(!response.text().contains("job-0"), "{headers:?} {path}");
        }
    }
    let old = b"GET /jobs HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    assert_eq!(http::send(app.facts.dashboard, old).status, 421);
    for host in ["localhost", "127.0.0.1:8081", "[::1]:1", "LOCALHOST:99"] {
        let response = http::get_with(app.facts.dashboard, "/jobs", &[("Host", host)]);
        assert_eq!(response.status, 200, "{host}");
    }
}

#[test]
fn a_change_that_no_page_of_ours_asked_for_changes_nothing() {
    let app = app_with_jobs(1);
    let id = hold_one(&app);
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://example.com")],
        &[("Authorization", "Bearer 00000000000000000000000000000000")],
    ];
    for headers in cases {
        for verb in ["admit", "allow-owner", "allow-topic", "drop"] {
            let path = format!("/held/{id}/{verb}");
            let response = http::request(app.facts.dashboard, "POST", &path, headers);
            assert!([401, 403].contains(&response.status), "{headers:?} {verb}");
            let response = http::request(app.facts.dashboard, "GET", &path, headers);
            assert_eq!(response.status, 405, "{verb}");
        }
    }
    assert_eq!(app.items("/held.json").len(), 1);
    assert_eq!(app.items("/jobs.json").len(), 1);

    let origin = format!("http://{}", app.facts.dashboard);
    let path = format!("/held/{id}/admit");
    let response = http::request(app.facts.dashboard, "POST", &path, &[("Origin", &origin)]);
    assert_eq!(response.status, 303, "our own page may");
    assert_eq!(app.items("/jobs.json").len(), 2);
}

#[test]
fn the_page_of_an_error_has_the_numbers_that_every_page_has() {
    let app = app_with_jobs(1);
    hold_one(&app);
    let number = Selector::parse("header nav a[href='/held'] .number").unwrap();
    for (path, status) in [
        ("/jobs", 200),
        ("/jobs/none", 404),
        ("/no/such/page", 404),
        ("/jobs?colour=red", 400),
    ] {
        let page = app.get(path);
        assert_eq!(page.status, status, "{path}");
        let page = Html::parse_document(&page.text());
        let numbers = page.select(&number).map(|number| number.inner_html());
        assert_eq!(numbers.collect::<Vec<_>>(), ["1"], "{path}");
    }
}

#[test]
fn a_stranger_is_told_no_numbers() {
    let app = app_with_jobs(1);
    hold_one(&app);
    let headers = [("X-Forwarded-For", "192.0.2.1")];
    for path in ["/jobs", "/no/such/page"] {
        let page = http::get_with(app.facts.dashboard, path, &headers);
        assert_eq!(page.status, 421, "{path}");
        let page = Html::parse_document(&page.text());
        let numbers = Selector::parse(".number").unwrap();
        assert_eq!(page.select(&numbers).count(), 0, "{path}");
    }
}

#[test]
fn an_id_that_nothing_has_is_404_for_people_and_programs() {
    let app = app_with_jobs(1);
    for path in [
        "/jobs/none",
        "/deliveries/77",
        "/held/77",
        "/refusals/77",
        "/deliveries/x",
    ] {
        let page = app.get(path);
        assert_eq!(page.status, 404, "{path}");
        assert!(
            page.header("content-type")
                .unwrap()
                .starts_with("text/html"),
            "{path}"
        );
        let problem = app.get(&format!("{path}.json"));
        assert_eq!(problem.status, 404, "{path}.json");
        assert_eq!(
            problem.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(problem.json()["status"], json!(404));
    }
    assert_eq!(app.get("/no/such/page").status, 404);
}

#[test]
fn a_wrong_parameter_is_named_with_what_would_be_right() {
    let app = app_with_jobs(1);
    let cases = [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("state=done", "state"),
        ("from=yesterday", "from"),
        ("cursor=forged", "cursor"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ];
    for (query, name) in cases {
        let response = app.get(&format!("/jobs.json?{query}"));
        assert_eq!(response.status, 400, "{query}");
        let detail = response.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{name}`")), "{query}: {detail}");
        assert_eq!(app.get(&format!("/jobs?{query}")).status, 400, "{query}");
    }
}

#[test]
fn previous_leads_back_to_the_page_before_and_the_first_page_has_none() {
    let app = app_with_jobs(5);
    let link = |cursor: &serde_json::Value| {
        let cursor = cursor.as_str().unwrap();
        format!("/jobs.json?limit=2&cursor={cursor}")
    };
    let first = app.json("/jobs.json?limit=2");
    assert!(first["previous"].is_null());
    let second = app.json(&link(&first["next"]));
    let third = app.json(&link(&second["next"]));
    assert!(third["next"].is_null());
    let back = app.json(&link(&third["previous"]));
    assert_eq!(back["items"], second["items"]);
    let back = app.json(&link(&back["previous"]));
    assert_eq!(
        (&back["items"], &back["previous"]),
        (&first["items"], &first["previous"])
    );
}

#[test]
fn what_was_pushed_is_filtered_the_same_on_its_page_and_in_json() {
    let app = app_with_jobs(2);
    hold_one(&app);
    let cases = [
        ("/deliveries", "only=repeated", 0),
        ("/deliveries", "format=json&from=1h", 2),
        ("/deliveries", "only=unrecognized&topic=none", 0),
        ("/held", "reason=owner", 1),
        ("/held", "reason=date&source=default", 0),
        ("/refusals", "reason=signature_wrong&from=1h", 0),
    ];
    for (path, query, expected) in cases {
        let items = app.items(&format!("{path}.json?{query}"));
        assert_eq!(items.len(), expected, "{path}?{query}");
        assert_eq!(app.get(&format!("{path}?{query}")).status, 200);
    }
    for path in [
        "/deliveries?only=odd",
        "/held?reason=odd",
        "/refusals?reason=odd",
    ] {
        assert_eq!(app.get(path).status, 400, "{path}");
    }
}

#[test]
fn following_next_gives_every_job_once_while_more_come_in() {
    let app = app_with_jobs(7);
    let mut ids = Vec::new();
    let mut path = "/jobs.json?limit=2".to_owned();
    loop {
        let page = app.json(&path);
        for job in page["items"].as_array().unwrap() {
            ids.push(job["id"].as_str().unwrap().to_owned());
        }
        let message = job_message(&format!("later-{}", ids.len()), "Success");
        assert_eq!(app.push(Format::Json, &message).status, 204);
        match page["next"].as_str() {
            Some(cursor) => path = format!("/jobs.json?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    ids.sort();
    let expected: Vec<String> = (0..7).map(|number| format!("job-{number}")).collect();
    assert_eq!(ids, expected);
    let foreign = app.json("/deliveries.json?limit=2");
    let cursor = foreign["next"].as_str().unwrap();
    assert_eq!(app.get(&format!("/jobs.json?cursor={cursor}")).status, 400);
}

#[test]
fn the_secret_path_is_on_no_page_but_where_it_is_to_be_registered() {
    let app = app_with_jobs(1);
    let id = hold_one(&app);
    let secret = app.target.rsplit('/').next().unwrap();
    let deliveries = app.items("/deliveries.json");
    let delivery = &deliveries[0]["id"];
    let paths = [
        "/jobs".to_owned(),
        "/jobs/job-0".to_owned(),
        "/jobs/job-0.json".to_owned(),
        "/deliveries.json".to_owned(),
        format!("/deliveries/{delivery}"),
        format!("/deliveries/{delivery}.json"),
        format!("/held/{id}"),
        format!("/held/{id}.json"),
    ];
    for path in paths {
        assert!(!app.get(&path).text().contains(secret), "{path}");
    }
}
