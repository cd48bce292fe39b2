//! The dashboard's door when somebody can log in: who comes in, who may change what, and what of a
//! proxy's word counts.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mpsink::notification::Format;
use mpsink::store::lock;
use mpsink::web::access::tokens::NewToken;
use mpsink::web::access::users::hash_password;
use serde_json::json;

use crate::app::{TestApp, job_message};
use crate::http;

const PASSWORD: &str = "sesame open";

/// An app with the user `anna`, one token, and one job.
struct Door {
    app: TestApp,
    token: String,
}

/// Starts with `config` above what lets people in.
fn door(config: &str) -> Door {
    let new = NewToken::make().unwrap();
    let hash = hash_password(PASSWORD.as_bytes()).unwrap();
    let app = TestApp::start_with(&format!(
        "{config}\n[dashboard]\ntokens = [\"{}\"]\nusers = {{ anna = \"{hash}\" }}\n",
        new.digest
    ));
    let message = job_message("job-0", "Success");
    assert_eq!(app.push(Format::Json, &message).status, 204);
    Door {
        app,
        token: format!("Bearer {}", new.token),
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

impl Door {
    fn status(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        http::get_with(self.app.facts.dashboard, path, headers).status
    }

    fn post(&self, path: &str, headers: &[(&str, &str)]) -> http::Response {
        http::request(self.app.facts.dashboard, "POST", path, headers)
    }

    fn hold_one(&self, message: &str) -> String {
        let mut content = self
            .app
            .content(Format::Json, &job_message(message, "Success"));
        content.topic_owner = "999".to_owned();
        assert_eq!(self.app.send(&self.app.signed(&content)).status, 403);
        let token = [("Authorization", self.token.as_str())];
        let held = http::get_with(self.app.facts.dashboard, "/held.json", &token).json();
        held["items"][0]["id"].to_string()
    }
}

#[test]
fn without_a_login_nothing_is_shown_and_everybody_is_told_how_to_log_in() {
    let door = door("");
    let paths = [
        "/",
        "/jobs",
        "/jobs.json",
        "/jobs.csv",
        "/jobs/job-0",
        "/live",
        "/openapi.json",
        "/static/style.css",
        "/no/such/page",
    ];
    for path in paths {
        let response = http::get(door.app.facts.dashboard, path);
        assert_eq!(response.status, 401, "{path}");
        // Its own address is on a page, and nothing that was read.
        let shown = response.text().replace(path, "");
        assert!(!shown.contains("job-0"), "{path}");
        let told: Vec<&str> = response
            .headers
            .iter()
            .filter(|(name, _)| name == "www-authenticate")
            .map(|(_, value)| value.as_str())
            .collect();
        let expected = [
            r#"Basic realm="mpsink", charset="UTF-8""#,
            r#"Bearer realm="mpsink""#,
        ];
        assert_eq!(told, expected, "{path}");
    }
    let problem = http::get(door.app.facts.dashboard, "/jobs.json");
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(problem.json()["status"], json!(401));
    // What balancers and process managers ask for is not hidden from them.
    for path in ["/healthz", "/readyz"] {
        assert_ne!(door.status(path, &[]), 401, "{path}");
    }
    assert_eq!(http::get(door.app.facts.receiver, "/healthz").status, 200);
}

#[test]
fn no_wrong_password_makes_those_wait_who_ask_for_our_health() {
    let door = door("");
    let wrong = basic("anna", "wrong");
    let wrong = [("Authorization", wrong.as_str())];
    for path in ["/healthz", "/readyz"] {
        let took = (0..3).map(|_| {
            let began = Instant::now();
            assert_ne!(door.status(path, &wrong), 401, "{path}");
            began.elapsed()
        });
        // A machine that has much to do may be slow once; a wrong login waits a second each time.
        assert!(took.min().unwrap() < Duration::from_secs(1), "{path}");
    }
    let token = [("Authorization", door.token.as_str())];
    let ready = http::get_with(door.app.facts.dashboard, "/readyz", &token);
    assert!(ready.json()["checks"].is_array());
    let ready = http::get_with(door.app.facts.dashboard, "/readyz", &wrong);
    assert_eq!(ready.json().get("checks"), None);
}

#[test]
fn a_name_with_its_password_and_a_token_open_every_page_and_nothing_else_does() {
    let door = door("");
    let right = basic("anna", PASSWORD);
    for value in [&right, &right, &door.token] {
        for path in ["/", "/jobs/job-0", "/jobs.json", "/static/style.css"] {
            assert_eq!(
                door.status(path, &[("Authorization", value)]),
                200,
                "{path}"
            );
        }
    }
    for value in [
        basic("anna", "sesame"),
        basic("otto", PASSWORD),
        "Basic ???".to_owned(),
        "Bearer 00".to_owned(),
        right.replace("Basic", "Digest"),
    ] {
        let response = http::get_with(
            door.app.facts.dashboard,
            "/jobs",
            &[("Authorization", &value)],
        );
        assert_eq!(response.status, 401, "{value}");
        assert!(!response.text().contains("job-0"), "{value}");
    }
    let two = [
        ("Authorization", right.as_str()),
        ("Authorization", &door.token),
    ];
    assert_eq!(door.status("/jobs", &two), 401);
}

#[test]
fn a_person_who_mistyped_gets_a_page_and_a_script_a_problem() {
    let door = door("");
    let ask = |value: &str| {
        http::get_with(
            door.app.facts.dashboard,
            "/jobs",
            &[("Authorization", value)],
        )
    };
    let page = ask(&basic("anna", "wrong"));
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let problem = ask("bearer wrong");
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn with_a_login_any_host_is_answered_and_so_is_what_a_proxy_passes_on() {
    let door = door("");
    let right = basic("anna", PASSWORD);
    let passed_on = [
        ("Authorization", right.as_str()),
        ("Host", "mps.example.com"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("Via", "1.1 Caddy"),
    ];
    assert_eq!(door.status("/jobs", &passed_on), 200);
    assert_eq!(door.status("/jobs", &passed_on[1..]), 401);
    let old = format!("GET /jobs HTTP/1.0\r\nAuthorization: {right}\r\n\r\n");
    let old = http::send(door.app.facts.dashboard, old.as_bytes());
    assert_eq!(old.status, 200);
}

#[test]
fn without_a_login_a_trusted_proxy_is_answered_no_more_than_another() {
    let app = TestApp::start_with("trusted_proxies = [\"127.0.0.1\", \"::1\"]\n");
    for header in ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"] {
        let passed_on = [(header, "127.0.0.1")];
        let response = http::get_with(app.facts.dashboard, "/jobs", &passed_on);
        assert_eq!(response.status, 421, "{header}");
    }
    assert_eq!(app.get("/jobs").status, 200);
}

#[test]
fn a_password_alone_changes_nothing_that_no_page_of_ours_asked_for() {
    let door = door("");
    let id = door.hold_one("held");
    let right = basic("anna", PASSWORD);
    let path = format!("/held/{id}/admit");
    let login = ("Authorization", right.as_str());
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", "https://evil.example")],
        &[
            ("Host", "mps.example.com"),
            ("Origin", "https://mps.example.com:8443"),
        ],
        // Nobody trusts who says so.
        &[
            ("X-Forwarded-Host", "evil.example"),
            ("Origin", "https://evil.example"),
        ],
    ];
    for headers in cases {
        let headers = [&[login], headers].concat();
        assert_eq!(door.post(&path, &headers).status, 403, "{headers:?}");
    }
    assert_eq!(
        door.post(&path, &[("Sec-Fetch-Site", "same-origin")])
            .status,
        401
    );

    let own = [
        login,
        ("Host", "mps.example.com"),
        ("Origin", "https://mps.example.com"),
    ];
    assert_eq!(door.post(&path, &own).status, 303);
}

#[test]
fn the_host_that_a_trusted_proxy_was_asked_for_is_ours() {
    let door = door("trusted_proxies = [\"127.0.0.0/8\"]");
    let id = door.hold_one("held");
    let right = basic("anna", PASSWORD);
    let path = format!("/held/{id}/admit");
    let passed_on = |origin| {
        [
            ("Authorization", right.as_str()),
            ("Host", "127.0.0.1:8081"),
            ("X-Forwarded-Host", "mps.example.com"),
            ("Origin", origin),
        ]
    };
    assert_eq!(
        door.post(&path, &passed_on("https://evil.example")).status,
        403
    );
    assert_eq!(
        door.post(&path, &passed_on("https://mps.example.com"))
            .status,
        303
    );
}

#[test]
fn a_token_decides_about_held_pushes_and_does_nothing_that_is_for_this_machine_alone() {
    let door = door("");
    let id = door.hold_one("held");
    let token = [("Authorization", door.token.as_str())];
    let wrong = [
        ("Authorization", "Bearer wrong"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    let path = format!("/held/{id}/admit");
    assert_eq!(door.post(&path, &wrong).status, 401);
    let answer = door.post(&path, &token);
    assert_eq!(
        (answer.status, &answer.json()["outcome"]),
        (200, &json!("stored"))
    );
    for path in ["/rebuild", "/import?path=/etc/passwd"] {
        assert_eq!(door.post(path, &token).status, 401, "{path}");
    }
}

#[test]
fn commands_on_this_machine_need_the_key_of_the_lock_file_alone() {
    let door = door("");
    let id = door.hold_one("held");
    let running = lock::running(&door.app.database()).unwrap();
    let key = format!("Bearer {}", running.key);
    let answer = door.post(&format!("/held/{id}/admit"), &[("Authorization", &key)]);
    assert_eq!(answer.status, 200);
    let answer = door.post("/rebuild?dry_run=1", &[("Authorization", &key)]);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn cookies_are_for_https_alone_if_a_trusted_proxy_speaks_it() {
    let door = door("trusted_proxies = [\"127.0.0.1\"]");
    let form = "language=zh-CN";
    for (headers, is_secure) in [
        ("X-Forwarded-Proto: https\r\n", true),
        ("X-Forwarded-Proto: http\r\n", false),
        ("", false),
    ] {
        let text = format!(
            "POST /settings HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n\
             Authorization: {}\r\n{headers}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
            basic("anna", PASSWORD),
            form.len()
        );
        let response = http::send(door.app.facts.dashboard, text.as_bytes());
        assert_eq!(response.status, 303);
        let cookie = response.header("set-cookie").unwrap();
        assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
    }
}
