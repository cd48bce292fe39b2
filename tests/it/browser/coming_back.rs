//! What was chosen on a page is in its address: it is there after a reload, and on coming back.

use mpsink::notification::Format;

use crate::app::{TestApp, job_message};
use crate::browser::Browser;

const CHOSEN: &str = r#".groups [aria-current="true"]"#;
const ROWS: &str = "main tbody tr";

fn app_with_failed_jobs() -> TestApp {
    let app = TestApp::start();
    for (id, state) in [("a", "Success"), ("b", "Fail"), ("c", "Fail")] {
        let pushed = app.push(Format::Json, &job_message(&format!("job-{id}"), state));
        assert_eq!(pushed.status, 204);
    }
    app
}

#[test]
fn filters_survive_reload_and_back() {
    let app = app_with_failed_jobs();
    let browser = Browser::at(app.facts.dashboard);
    browser.open("/jobs");
    assert_eq!(browser.texts(ROWS).len(), 3);

    browser.follow(r#".groups a[href*="state=failed"]"#);
    let chosen = (browser.place(), browser.texts(CHOSEN), browser.texts(ROWS));
    assert!(chosen.0.contains("state=failed"), "{}", chosen.0);
    assert!(!chosen.1.is_empty());
    assert_eq!(chosen.2.len(), 2);
    let now = || (browser.place(), browser.texts(CHOSEN), browser.texts(ROWS));

    browser.reload();
    assert_eq!(now(), chosen);
    browser.follow(r#"main tbody a[href^="/jobs/job-"]"#);
    assert!(browser.text("h1").contains("job-c"));
    browser.back();
    assert_eq!(now(), chosen);
}
