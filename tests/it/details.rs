//! One job, run or delivery through the doors: whatever its id is, and with the message it came by.

use mpsink::notification::Format;
use scraper::{Html, Selector};

use crate::app::{TestApp, data, job_message};

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found.map(|it| it.text().collect::<String>()).collect()
}

fn links(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|link| link.value().attr("href").unwrap().to_owned())
        .collect()
}

#[test]
fn a_job_of_any_id_is_reached_from_the_list_and_so_is_its_json() {
    let app = TestApp::start();
    for id in [".", "..", "a.json", "a.http", "x/y", "50%", "作业 1"] {
        assert_eq!(
            app.push(Format::Json, &job_message(id, "Success")).status,
            204
        );
        let list = Html::parse_document(&app.get("/jobs?limit=1").text());
        let link = links(&list, "td a.id").remove(0);
        let response = app.get(&link);
        assert_eq!(response.status, 200, "{id}: {link}");
        let page = Html::parse_document(&response.text());
        assert_eq!(texts(&page, "h1 .id"), [id], "{link}");
        let json = links(&page, "article > p > a").remove(0);
        assert_eq!(app.json(&json)["id"], id, "{json}");
    }
    assert_eq!(app.get("/job").status, 404);
    assert_eq!(app.get("/job?id=none").status, 404);
    assert_eq!(app.get("/run.json?id=none").status, 404);
    assert_eq!(app.get("/job?id=..&colour=red").status, 400);
}

#[test]
fn a_job_shows_the_message_that_decides_its_state_before_earlier_ones() {
    let app = TestApp::start();
    for state in ["Processing", "Success", "Fail"] {
        assert_eq!(app.push(Format::Xml, &job_message("j1", state)).status, 204);
    }
    let page = Html::parse_document(&app.get("/jobs/j1").text());
    let messages = texts(&page, "details pre");
    assert_eq!(messages.len(), 3);
    assert_eq!(texts(&page, "details[open] pre"), messages[..1]);
    let state = &app.json("/jobs/j1.json")["raw_state"];
    assert!(
        messages[0].contains(&format!("\"state\": {state}")),
        "{}",
        messages[0]
    );
    assert!(messages[2].contains("Processing"), "{}", messages[2]);
}

#[test]
fn a_job_of_a_run_leads_to_its_run_and_names_its_workflow() {
    let app = TestApp::start();
    let message = data("workflow-report-partial-fail.guess.json");
    assert_eq!(app.push(Format::Json, &message).status, 204);
    let run = Html::parse_document(&app.get("/runs/9bd5a286b59d4cf19685d5b3c501e528").text());
    let name = texts(&run, "dd a[href*='workflow']").remove(0);
    let bars = links(&run, ".gantt a.shape");
    assert_eq!(bars.len(), texts(&run, ".gantt-name span.object").len());
    let job = bars.iter().find(|link| link.starts_with("/jobs/")).unwrap();
    let job = Html::parse_document(&app.get(job).text());
    assert_eq!(texts(&job, "dd a[href*='workflow']"), [name]);
    let to_run = links(&job, "dd a[href^='/runs/']");
    assert_eq!(to_run, ["/runs/9bd5a286b59d4cf19685d5b3c501e528"]);
    assert_eq!(texts(&job, "details[open] pre").len(), 1);
}

#[test]
fn pages_of_one_thing_are_in_the_viewers_language_and_zone() {
    let app = TestApp::start();
    assert_eq!(
        app.push(Format::Json, &job_message("j1", "Fail")).status,
        204
    );
    let headers = [("Cookie", "mpsink_language=zh-CN; mpsink_zone=Asia/Shanghai")];
    for path in ["/jobs/j1", "/deliveries/1"] {
        let response = crate::http::get_with(app.facts.dashboard, path, &headers);
        let page = Html::parse_document(&response.text());
        assert!(
            texts(&page, "h2").contains(&"基本信息".to_owned()),
            "{path}"
        );
        let times = texts(&page, "main time");
        assert!(times.iter().any(|time| time.ends_with("UTC+8")), "{path}");
    }
}
