//! The viewer's language and time zone: chosen in `/settings`, kept in cookies, seen on every page.

use mpsink::notification::Format;
use scraper::{Html, Selector};

use crate::app::{TestApp, job_message};
use crate::http::{self, Response};

const PAGES: [&str; 11] = [
    "/",
    "/jobs",
    "/jobs/job-0",
    "/runs",
    "/activities",
    "/events",
    "/deliveries",
    "/held",
    "/refusals",
    "/settings",
    "/no/such/page",
];

fn app() -> TestApp {
    let app = TestApp::start();
    let message = job_message("job-0", "Success");
    assert_eq!(app.push(Format::Json, &message).status, 204);
    app
}

/// Sends the form of the settings.
fn change(app: &TestApp, from: (&str, &str), form: &str) -> Response {
    let (name, value) = from;
    let text = format!(
        "POST /settings HTTP/1.1\r\nHost: {}\r\n{name}: {value}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{form}",
        app.facts.dashboard,
        form.len()
    );
    http::send(app.facts.dashboard, text.as_bytes())
}

fn first(page: &Html, selector: &str) -> String {
    let selector = Selector::parse(selector).unwrap();
    let element = page.select(&selector).next().unwrap();
    element.text().collect::<String>().trim().to_owned()
}

#[test]
fn a_choice_is_kept_in_cookies_and_leads_back_to_its_page() {
    let app = app();
    let own = ("Sec-Fetch-Site", "same-origin");
    let response = change(&app, own, "language=zh-CN&back=%2Fjobs%3Fstate%3Dfailed");
    assert_eq!(response.status, 303);
    assert_eq!(response.header("location"), Some("/jobs?state=failed"));
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.starts_with("mpsink_language=zh-CN;"), "{cookie}");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let response = change(&app, own, "zone=Asia%2FShanghai&back=%2F%2Fevil.example");
    assert_eq!(response.header("location"), Some("/"));
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.starts_with("mpsink_zone=Asia"), "{cookie}");
    let response = change(&app, own, "zone=");
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    let response = change(&app, own, "language=tlh&zone=Mars%2FOlympus");
    assert_eq!(response.header("set-cookie"), None);
}

#[test]
fn only_a_page_of_ours_changes_the_settings() {
    let app = app();
    let origin = format!("http://{}", app.facts.dashboard);
    assert_eq!(change(&app, ("Origin", &origin), "language=en").status, 303);
    for from in [
        ("Origin", "http://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("X-Nothing", "1"),
    ] {
        let response = change(&app, from, "language=zh-CN");
        assert_eq!(response.status, 403, "{from:?}");
        assert_eq!(response.header("set-cookie"), None, "{from:?}");
    }
}

#[test]
fn every_page_is_in_the_chosen_language_and_says_its_zone() {
    let app = app();
    let chosen = [("Cookie", "mpsink_language=zh-CN; mpsink_zone=Asia/Shanghai")];
    for path in PAGES {
        let response = http::get_with(app.facts.dashboard, path, &chosen);
        let page = Html::parse_document(&response.text());
        let language = page.root_element().value().attr("lang");
        assert_eq!(language, Some("zh-CN"), "{path}");
        let footer = first(&page, "footer");
        assert!(footer.contains("Asia/Shanghai (UTC+8)"), "{path}: {footer}");
        assert_eq!(first(&page, "nav a[href='/jobs']"), "作业", "{path}");

        let page = Html::parse_document(&app.get(path).text());
        let language = page.root_element().value().attr("lang");
        assert_eq!(language, Some("en"), "{path}");
        assert!(first(&page, "footer").contains("UTC"), "{path}");
    }
}

#[test]
fn the_browser_s_language_counts_until_another_is_chosen() {
    let app = app();
    let language = |headers: &[(&str, &str)]| {
        let response = http::get_with(app.facts.dashboard, "/jobs", headers);
        let page = Html::parse_document(&response.text());
        page.root_element().value().attr("lang").unwrap().to_owned()
    };
    let browser = ("Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8");
    assert_eq!(language(&[browser]), "zh-CN");
    assert_eq!(language(&[browser, ("Cookie", "mpsink_language=en")]), "en");
}

#[test]
fn the_chosen_zone_is_marked_in_the_settings() {
    let app = app();
    let chosen = [("Cookie", "mpsink_zone=Europe/Berlin")];
    let response = http::get_with(app.facts.dashboard, "/settings", &chosen);
    let page = Html::parse_document(&response.text());
    assert_eq!(first(&page, "#zone option[selected]"), "Europe/Berlin");
    let page = Html::parse_document(&app.get("/settings?notice=saved").text());
    assert!(first(&page, "#zone option[selected]").contains("UTC"));
    assert_eq!(first(&page, ".notice"), "Saved.");
}

#[test]
fn programs_are_told_the_same_whoever_asks() {
    let app = app();
    let chosen = [("Cookie", "mpsink_language=zh-CN; mpsink_zone=Asia/Shanghai")];
    for path in ["/jobs.json", "/jobs.json?state=x", "/jobs/none.json"] {
        let response = http::get_with(app.facts.dashboard, path, &chosen);
        assert_eq!(response.text(), app.get(path).text(), "{path}");
    }
}
