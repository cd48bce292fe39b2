//! The dashboard under a path of its own: every address it gives leads to something there.

use std::collections::{BTreeSet, VecDeque};

use mpsink::notification::Format;
use mpsink::store::lock;
use scraper::{Html, Selector};

use crate::app::{TestApp, job_message};
use crate::http;
use crate::pages;

const CONFIG: &str = "[dashboard]\nbase_path = \"/mpsink/\"\n";

/// More addresses than there are: a search that does not end fails instead.
const ADDRESSES_MAX: usize = 600;

/// Returns the addresses of a page, and in a set of their own those that a form posts to.
fn addresses(html: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let document = Html::parse_document(html);
    let all = |selector: &str, attribute: &str| {
        let selector = Selector::parse(selector).unwrap();
        let found = document.select(&selector);
        let found = found.filter_map(|element| element.attr(attribute).map(str::to_owned));
        found.collect::<BTreeSet<String>>()
    };
    let mut read = all("[href]", "href");
    read.extend(all("[src]", "src"));
    read.extend(all("form[method=get]", "action"));
    (read, all("form[method=post]", "action"))
}

#[test]
fn every_address_of_every_page_is_below_the_base_and_leads_somewhere() {
    let app = TestApp::start_with(CONFIG);
    pages::fill(&app);
    app.items_when("/mpsink/refusals.json", |items| !items.is_empty());
    let mut ahead = VecDeque::from(["/mpsink/".to_owned()]);
    let mut known: BTreeSet<String> = ahead.iter().cloned().collect();
    let mut pages = 0;
    while let Some(address) = ahead.pop_front() {
        let response = app.get(&address);
        assert_eq!(response.status, 200, "{address}");
        let is_page = response.header("content-type") == Some("text/html; charset=utf-8");
        if !is_page {
            continue;
        }
        pages += 1;
        let (read, posted) = addresses(&response.text());
        for found in posted {
            assert!(found.starts_with("/mpsink/"), "{found} on {address}");
        }
        for found in read {
            let is_elsewhere = found.starts_with("https://") || found.starts_with('#');
            let is_below = found.starts_with("/mpsink/") && !found.starts_with("/mpsink/mpsink");
            assert!(is_elsewhere || is_below, "{found} on {address}");
            // Those that differ in their parameters alone count as one: filters would not end.
            let (path, query) = found.split_once(['?', '#']).unwrap_or((&found, ""));
            let is_by_query = path.ends_with("/job") || path.ends_with("/run");
            let known_as = if is_by_query { query } else { path };
            if is_below && known.insert(known_as.to_owned()) {
                ahead.push_back(found);
            }
        }
        assert!(known.len() < ADDRESSES_MAX);
    }
    assert!(pages > 20, "{pages}");
    for file in [
        "/mpsink/static/live.js",
        "/mpsink/jobs.csv",
        "/mpsink/static/icon.svg",
    ] {
        assert!(known.contains(file), "{file}");
    }
}

#[test]
fn what_is_outside_of_the_base_is_told_where_everything_is() {
    let app = TestApp::start_with(CONFIG);
    for path in [
        "/",
        "/jobs",
        "/mpsinks/jobs",
        "/%6dpsink/jobs",
        "/MPSINK/",
        "//mpsink/jobs",
    ] {
        let response = app.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("/mpsink/"), "{path}");
    }
    let problem = app.get("/jobs.json");
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(app.get("/mpsink/mpsink/jobs").status, 404);
    for (path, expected) in [
        ("/mpsink", "/mpsink/"),
        ("/mpsink?from=1h", "/mpsink/?from=1h"),
    ] {
        let response = app.get(path);
        assert_eq!(response.status, 307, "{path}");
        assert_eq!(response.header("location"), Some(expected));
    }
    // Asked for by those who do not come through the proxy.
    for path in ["/healthz", "/readyz", "/metrics"] {
        let text = app.get(path).text();
        assert!(!text.contains("dashboard.base_path"), "{path}");
    }
}

#[test]
fn headers_lead_below_the_base_too() {
    let app = TestApp::start_with(CONFIG);
    for name in ["job-0", "job-1"] {
        let pushed = app.push(Format::Json, &job_message(name, "Success"));
        assert_eq!(pushed.status, 204);
    }
    let list = app.get("/mpsink/jobs.json?limit=1");
    let link = list.header("link").unwrap();
    assert!(link.starts_with("</mpsink/jobs.json?"), "{link}");
    let found = app.get("/mpsink/jobs?q=job-0");
    assert_eq!(found.status, 303);
    assert_eq!(found.header("location"), Some("/mpsink/jobs/job-0"));

    let form = "language=zh-CN&back=%2Fjobs";
    let text = format!(
        "POST /mpsink/settings HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{form}",
        app.facts.dashboard,
        form.len()
    );
    let saved = http::send(app.facts.dashboard, text.as_bytes());
    assert_eq!(saved.header("location"), Some("/mpsink/jobs"));
    let cookie = saved.header("set-cookie").unwrap();
    assert!(cookie.contains("; Path=/mpsink;"), "{cookie}");

    let servers = app.json("/mpsink/openapi.json")["servers"].clone();
    assert_eq!(servers, serde_json::json!([{"url": "/mpsink"}]));
    let root = TestApp::start();
    assert!(root.json("/openapi.json")["servers"].is_null());
}

#[test]
fn a_page_is_known_again_and_compressed_with_its_addresses() {
    let app = TestApp::start_with(CONFIG);
    let page = app.get("/mpsink/connect");
    let tag = page.header("etag").unwrap();
    let root = TestApp::start().get("/connect");
    assert_ne!(root.header("etag"), Some(tag));
    let again = [("If-None-Match", tag)];
    let again = http::get_with(app.facts.dashboard, "/mpsink/connect", &again);
    assert_eq!(again.status, 304);
    let gzip = [("Accept-Encoding", "gzip")];
    let gzip = http::get_with(app.facts.dashboard, "/mpsink/connect", &gzip);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let accept = [("Accept", "text/csv")];
    let csv = http::get_with(app.facts.dashboard, "/mpsink/jobs", &accept);
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
}

#[test]
fn a_message_that_looks_like_an_address_stays_as_it_is() {
    let app = TestApp::start_with(CONFIG);
    let message = r#"{"jobId":"job-0","type":"Transcode","state":"Success",
        "userData":"<a href=\"/evil\"> src=\"/evil\" action=\"/evil"}"#;
    assert_eq!(app.push(Format::Json, message.as_bytes()).status, 204);
    let html = app.get("/mpsink/jobs/job-0").text();
    assert!(html.contains("/evil"));
    assert!(!html.contains("/mpsink/evil"));
}

#[test]
fn commands_on_this_machine_find_the_dashboard() {
    let app = TestApp::start_with(CONFIG);
    assert!(app.facts.dashboard_url.ends_with("/mpsink"));
    let running = lock::running(&app.database()).unwrap();
    assert_eq!(running.dashboard, app.facts.dashboard_url);
    let key = format!("Bearer {}", running.key);
    let path = "/mpsink/rebuild?dry_run=1";
    let headers = [("Authorization", key.as_str())];
    let response = http::request(app.facts.dashboard, "POST", path, &headers);
    assert_eq!(response.status, 200);
}
