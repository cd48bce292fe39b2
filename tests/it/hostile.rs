//! Messages that want to be more than text, in every field that anybody can fill, in every format.
//!
//! What their markup would do in a browser is in `browser/hostile.rs`, over the same pages.

use std::collections::BTreeSet;

use mpsink::envelope;
use mpsink::notification::capture::Capture;
use mpsink::notification::{Format, Notification};
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::app::{OWNER, TestApp};
use crate::pages::{Site, markup_faults};

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// Ends whatever it may stand in, and then sets `window.ran` in each way there is.
const MARKUP: &str = concat!(
    r#"</title></textarea></style></script><script>window.ran=1</script>"#,
    r#""><img src=x onerror=window.ran=1>'><svg/onload=window.ran=1> "#,
    r#"" autofocus onfocus=window.ran=1 ' onmouseover=window.ran=1 "#,
    r#"&lt;script&gt;window.ran=1&lt;/script&gt; {{7*7}} %3Cscript%3E"#,
);

/// As much of it as a table shows.
const SHOWN_OF_MARKUP: usize = 120;

/// What is harmless only as long as it is no link.
const LINKS: [&str; 2] = ["javascript:window.ran=1//", "//example.com/\\..\\"];

/// Longer than an id may be, so ids are cut.
const LONG_CHARS: usize = 2_000;
const ID_CHARS: usize = 60;

/// What is written into every field, one after the other.
fn texts() -> Vec<String> {
    let mut texts = vec![MARKUP.to_owned()];
    texts.extend(LINKS.map(str::to_owned));
    texts.push("W".repeat(LONG_CHARS));
    // Turns what follows it around, also beyond its own field unless that is kept apart.
    texts.push(format!("\u{202e}gpj.exe\u{2066}{}", "长".repeat(600)));
    texts
}

fn id(text: &str, kind: &str, format: Format) -> String {
    let text: String = text.chars().take(ID_CHARS).collect();
    format!("{text}-{kind}-{}", format.word())
}

fn job(text: &str, state: &str, format: Format) -> Value {
    json!({
        "JobId": id(text, state, format), "RequestId": text, "Type": text, "State": state,
        "Code": text, "Message": text, "UserData": text, "PipelineId": text, text: text,
        "Input": {"Bucket": text, "Location": text, "Object": text},
    })
}

fn run(text: &str, format: Format) -> Value {
    let run = id(text, "run", format);
    let activity = |kind: &str, state: &str| {
        json!({
            "RunId": run, "Name": format!("{text}{kind}"), "Type": text, "State": state,
            "JobId": id(text, kind, format), "TemplateId": text, "Code": text, "Message": text,
            "StartTime": "2024-05-06T08:00:01Z", "EndTime": "2024-05-06T08:00:09Z", text: text,
        })
    };
    json!({
        "RunId": run, "Name": text, "Type": "Report", "State": "Fail", "Code": text,
        "Message": text, text: text,
        "MediaWorkflowExecution": {
            "RunId": run, "MediaWorkflowId": id(text, "flow", format), "Name": text,
            "MediaId": text, "State": text, "CreationTime": "2024-05-06T08:00:00Z",
            "Input": {
                "InputFile": {"Bucket": text, "Location": text, "Object": text},
                "UserData": text,
            },
            "ActivityList": [activity("one", "Fail"), activity("two", text)],
        },
    })
}

/// Returns a push whose envelope says `text` wherever it can.
fn push(app: &TestApp, owner: &str, text: &str, format: Format, message: &[u8]) -> Capture {
    let mut content = app.content(format, message);
    content.topic_owner = owner.to_owned();
    // In SIMPLIFIED they are headers, of which there may be 8 KiB.
    let short: String = text.chars().take(ID_CHARS).collect();
    let notification = Notification {
        format,
        topic_owner: Some(owner.to_owned()),
        topic: Some(text.to_owned()),
        subscriber: Some(short.clone()),
        subscription: Some(text.to_owned()),
        message_id: Some(format!("{short}{}", content.message_id)),
        message_md5: None,
        published_at: Some(content.published_at),
        tag: Some(short),
        message: message.to_vec(),
    };
    let written = envelope::write(&notification).unwrap();
    let mut push = app.signed(&content);
    push.headers
        .set("content-md5", envelope::message_md5(&written.body));
    for (name, value) in written.headers {
        push.headers.set(name, value);
    }
    push.body = Some(written.body);
    app.sign(&mut push);
    push
}

/// Pushes every text in every field, and finds every page that shows any of it.
pub(crate) fn hostile() -> Site {
    let app = TestApp::start();
    assert_eq!(app.push(Format::Json, b"pins the owner").status, 204);
    for text in texts() {
        for format in FORMATS {
            let messages = [
                job(&text, "Fail", format).to_string(),
                job(&text, &text, format).to_string(),
                run(&text, format).to_string(),
                json!({"EventType": text}).to_string(),
                text.clone(),
            ];
            for message in messages {
                let message = message.as_bytes();
                let answer = app.send(&push(&app, OWNER, &text, format, message));
                assert_eq!(answer.status, 204, "{format:?} {text}: {}", answer.text());
            }
            let held = push(&app, "999", &text, format, text.as_bytes());
            assert_eq!(app.send(&held).status, 403);
            let mut refused = push(&app, "999", &text, format, text.as_bytes());
            refused.headers.set("x-mns-request-id", text.as_bytes());
            assert_eq!(app.send(&refused).status, 403);
        }
    }
    Site::of(app)
}

#[test]
fn what_messages_say_is_text_on_every_page() {
    let site = hostile();
    let everything = Selector::parse("body").unwrap();
    let mut shown = BTreeSet::new();
    for page in &site.pages {
        let faults = markup_faults(&page.html);
        assert!(faults.is_empty(), "{}: {faults:?}", page.path);
        let document = Html::parse_document(&page.html);
        let body = document.select(&everything).next().unwrap();
        let parts: Vec<&str> = page.path.split(['/', '?']).collect();
        let is_detail = page.path.matches('/').count() > 1;
        // A table shows the start of what is long.
        let is_table = matches!(
            parts[1],
            "jobs" | "runs" | "activities" | "events" | "deliveries"
        );
        let wanted = if is_table && !is_detail {
            &MARKUP[..SHOWN_OF_MARKUP]
        } else {
            MARKUP
        };
        if body.text().collect::<String>().contains(wanted) {
            shown.insert((parts[1], is_detail));
        }
    }
    // Nothing was lost on the way: lists and what they lead to show it as it is.
    for part in ["deliveries", "held", "refusals"] {
        assert!(shown.contains(&(part, true)), "{part}: {shown:?}");
    }
    // An id with a dot in it stands behind `/job?id=`.
    for part in [
        "",
        "job",
        "jobs",
        "run",
        "runs",
        "activities",
        "events",
        "deliveries",
    ] {
        assert!(shown.contains(&(part, false)), "{part}: {shown:?}");
    }
    assert!(site.pages.len() > 100, "{} pages", site.pages.len());
}
