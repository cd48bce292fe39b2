//! Workflow runs from the push to the page and the JSON: every workflow sample, in every format.

use mpsink::notification::Format;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::app::{NOW, OWNER, TestApp, data};

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// A message of a run, and what is to be known of the run after this message alone.
struct Sample {
    file: &'static str,
    run: &'static str,
    outcome: &'static str,
    /// Name and state of each activity, in the order they started.
    activities: &'static [(&'static str, &'static str)],
}

const SAMPLES: &[Sample] = &[
    Sample {
        file: "workflow-start.json",
        run: "11112222333344445555666677778888",
        outcome: "running",
        activities: &[("Act-Start", "succeeded")],
    },
    Sample {
        file: "workflow-report-completed.json",
        run: "11112222333344445555666677778888",
        outcome: "succeeded",
        activities: &[
            ("Act-Start", "succeeded"),
            ("HD", "succeeded"),
            ("cover", "succeeded"),
            ("Act-Report", "succeeded"),
        ],
    },
    Sample {
        file: "workflow-report-partial-fail.guess.json",
        run: "9bd5a286b59d4cf19685d5b3c501e528",
        outcome: "partial",
        activities: &[
            ("Act-1", "succeeded"),
            ("Act-2", "failed"),
            ("Act-3", "succeeded"),
            ("Act-5", "succeeded"),
            ("Act-6", "succeeded"),
            ("Act-7", "succeeded"),
        ],
    },
    Sample {
        file: "workflow-start-fail.guess.json",
        run: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        outcome: "failed",
        activities: &[("Act-Start", "failed")],
    },
    Sample {
        file: "workflow-report-all-skipped.guess.json",
        run: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        outcome: "failed",
        // What never started stands at the end.
        activities: &[
            ("Act-Start", "failed"),
            ("Act-Report", "failed"),
            ("HD", "skipped"),
            ("cover", "skipped"),
        ],
    },
    Sample {
        file: "workflow-transcode-completed.guess.json",
        run: "1a1b1c1d1e1f2a2b2c2d2e2f3a3b3c3d",
        outcome: "running",
        activities: &[
            ("Act-Start", "succeeded"),
            ("HD", "succeeded"),
            ("SD", "running"),
        ],
    },
    Sample {
        file: "messages/workflow-report-failed.guess.json",
        run: "2222333344445555666677778888999a",
        outcome: "failed",
        activities: &[
            ("Act-Start", "succeeded"),
            ("HD", "failed"),
            ("SD", "failed"),
            ("Act-Report", "succeeded"),
        ],
    },
    Sample {
        file: "messages/workflow-report-without-start.guess.json",
        run: "5555666677778888999900001111abcd",
        outcome: "succeeded",
        activities: &[("HD", "succeeded"), ("Act-Report", "succeeded")],
    },
    Sample {
        file: "messages/workflow-report-chinese.guess.json",
        run: "44445555666677778888999900001abc",
        outcome: "succeeded",
        activities: &[
            ("开始", "succeeded"),
            ("封面（截图）", "succeeded"),
            ("高清 转码", "succeeded"),
            ("发布", "succeeded"),
        ],
    },
];

fn pushed(file: &str, format: Format) -> TestApp {
    let app = TestApp::start();
    push(&app, file, format);
    app
}

fn push(app: &TestApp, file: &str, format: Format) {
    let response = app.push(format, &data(file));
    assert_eq!(response.status, 204, "{file}: {}", response.text());
}

fn page(app: &TestApp, path: &str) -> Html {
    let response = app.get(path);
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    Html::parse_document(&response.text())
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

fn pairs(activities: &Value) -> Vec<(&str, &str)> {
    let activities = activities.as_array().unwrap().iter();
    activities
        .map(|it| (it["name"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect()
}

fn activity<'a>(run: &'a Value, name: &str) -> &'a Value {
    let activities = run["activities"].as_array().unwrap();
    let mut found = activities.iter().filter(|it| it["name"] == json!(name));
    found.next().unwrap()
}

#[test]
fn every_workflow_sample_gives_its_run_in_every_format_as_json_and_as_a_page() {
    for sample in SAMPLES {
        for format in FORMATS {
            let name = format!("{} as {format:?}", sample.file);
            let app = pushed(sample.file, format);
            let run = app.json(&format!("/runs/{}.json", sample.run));
            assert_eq!(run["outcome"], json!(sample.outcome), "{name}");
            assert_eq!(pairs(&run["activities"]), sample.activities, "{name}");
            assert_eq!(run["owner"], json!(OWNER), "{name}");
            assert_eq!(run["nothing_done"], json!(false), "{name}");

            let page = page(&app, &format!("/runs/{}", sample.run));
            assert_eq!(texts(&page, ".headline .state"), [sample.outcome], "{name}");
            let names = texts(&page, "td[data-label=Activity] > span");
            let states = texts(&page, "tr:has(td[data-label=Activity]) .state");
            let shown: Vec<_> = names.iter().zip(&states).collect();
            let shown: Vec<_> = shown
                .iter()
                .map(|(name, state)| (name.as_str(), state.as_str()))
                .collect();
            assert_eq!(shown, sample.activities, "{name}");
        }
    }
}

#[test]
fn a_runs_json_has_what_its_report_says() {
    let app = pushed("workflow-report-completed.json", Format::Json);
    let run = app.json("/runs/11112222333344445555666677778888.json");
    let workflow = json!({"id": "99990000999900009999000099990000", "name": "示例-workflow"});
    assert_eq!(run["workflow"], workflow);
    assert_eq!(run["media_id"], json!("abcdabcdabcdabcdabcdabcdabcdabcd"));
    let input = json!({
        "bucket": "example-input", "location": "oss-cn-shanghai", "object": "in/clip.mp4"
    });
    assert_eq!(run["input"], input);
    assert_eq!(run["user_data"], json!("sku-1001"));
    assert_eq!(run["raw_state"], json!("Completed"));
    assert_eq!(run["created_at"], json!("2024-05-06T08:00:00.000Z"));
    assert_eq!(run["finished_at"], json!("2024-05-06T08:02:11.000Z"));
    assert_eq!(run["duration_ms"], json!(131_000));
    assert_eq!(run["code"], Value::Null);
    let transcode = activity(&run, "HD");
    assert_eq!(transcode["type"], json!("Transcode"));
    assert_eq!(transcode["duration_ms"], json!(129_000));
    assert_eq!(transcode["template_id"], json!("S00000001-200030"));
    let listed = app.items("/runs.json");
    assert_eq!(listed[0]["activities"], run["activities"]);
}

#[test]
fn an_activitys_job_is_listed_once_with_its_run_its_workflow_and_no_queue() {
    for format in FORMATS {
        let app = pushed("workflow-start.json", format);
        push(&app, "workflow-report-completed.json", format);
        let job = app.json("/jobs/aaaa3333aaaa3333aaaa3333aaaa3333.json");
        assert_eq!(job["run"], json!("11112222333344445555666677778888"));
        assert_eq!(job["workflow"], json!("99990000999900009999000099990000"));
        assert_eq!(job["queue"], Value::Null);
        assert_eq!(job["state"], json!("succeeded"));
        let mut jobs = Vec::new();
        for job in app.items("/jobs.json") {
            jobs.push(job["id"].as_str().unwrap().to_owned());
        }
        jobs.sort();
        let expected = [
            "aaaa1111aaaa1111aaaa1111aaaa1111",
            "aaaa2222aaaa2222aaaa2222aaaa2222",
            "aaaa3333aaaa3333aaaa3333aaaa3333",
        ];
        assert_eq!(jobs, expected);
        let page = page(&app, "/jobs/aaaa3333aaaa3333aaaa3333aaaa3333");
        let to_run = "dd a[href='/runs/11112222333344445555666677778888']";
        let to_workflow = "dd a[href='/workflows/99990000999900009999000099990000']";
        assert_eq!(texts(&page, to_run).len(), 1);
        assert_eq!(texts(&page, to_workflow).len(), 1);
    }
}

#[test]
fn a_runs_page_leads_to_its_jobs_and_says_why_one_failed() {
    let app = pushed("workflow-report-partial-fail.guess.json", Format::Json);
    let run = app.json("/runs/9bd5a286b59d4cf19685d5b3c501e528.json");
    assert_eq!(run["raw_state"], json!("Completed"));
    let code = json!("InvalidParameter.ResourceContentBad");
    assert_eq!(run["code"], code);
    assert_eq!(activity(&run, "Act-2")["code"], code);
    let page = page(&app, "/runs/9bd5a286b59d4cf19685d5b3c501e528");
    let jobs = "td[data-label=Job] a[href='/jobs/2376030d9d0849399cd20e20c876f4f3']";
    assert_eq!(texts(&page, jobs).len(), 1);
    let failures = texts(&page, "td[data-label=Failure]");
    assert!(failures.iter().any(|text| text.contains("ffprobe")));
    assert!(texts(&page, ".failure dd").contains(&"input".to_owned()));
}

#[test]
fn the_events_of_a_message_are_listed_and_lead_to_their_run_and_delivery() {
    let app = pushed("workflow-report-completed.json", Format::Xml);
    let delivery = &app.items("/deliveries.json")[0]["id"];
    let events = app.items("/events.json");
    let of = |kind: &str| {
        let found = events.iter().filter(|event| event["kind"] == json!(kind));
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!((of("run").len(), of("activity").len()), (1, 4));
    assert_eq!(events.len(), 5);
    for event in &events {
        assert_eq!(event["subject"], json!("11112222333344445555666677778888"));
        assert_eq!(event["delivery"], *delivery);
    }
    assert_eq!(app.items("/events.json?kind=activity").len(), 4);
    assert_eq!(app.items("/events.json?kind=job").len(), 0);
    let page = page(&app, "/events?kind=run");
    let link = "tbody a[href='/runs/11112222333344445555666677778888']";
    assert_eq!(texts(&page, link).len(), 1);
    let run = app.json("/runs/11112222333344445555666677778888.json");
    assert!(!run["event_records"].as_array().unwrap().is_empty());
    assert_eq!(run["delivery_records"][0]["id"], *delivery);
}

#[test]
fn a_message_that_nobody_understands_is_an_event_with_its_reason() {
    let app = TestApp::start();
    assert_eq!(app.push(Format::Simplified, b"hello").status, 204);
    let event = &app.items("/events.json?kind=unrecognized")[0];
    let reason = event["event"]["reason"].as_str().unwrap();
    let delivery = event["delivery"].as_i64().unwrap();
    let page = page(&app, "/events");
    assert_eq!(texts(&page, "td[data-label=About]"), [reason]);
    let link = format!("td a[href='/deliveries/{delivery}']");
    assert_eq!(texts(&page, &link).len(), 1);
}

#[test]
fn lists_of_runs_and_activities_are_filtered() {
    let app = TestApp::start();
    for file in [
        "workflow-report-completed.json",
        "workflow-report-partial-fail.guess.json",
        "workflow-report-all-skipped.guess.json",
        "workflow-transcode-completed.guess.json",
    ] {
        push(&app, file, Format::Json);
    }
    let count = |path: &str| app.items(path).len();
    assert_eq!(count("/runs.json"), 4);
    assert_eq!(count("/runs.json?state=partial"), 1);
    assert_eq!(count("/runs.json?state=failed"), 1);
    assert_eq!(count("/runs.json?state=stale"), 0);
    let workflow = "00112233445566778899aabbccddeeff";
    assert_eq!(count(&format!("/runs.json?workflow={workflow}")), 2);
    assert_eq!(
        count(&format!("/runs.json?workflow={workflow}&state=running")),
        1
    );
    assert_eq!(count(&format!("/jobs.json?workflow={workflow}")), 4);
    // Act-2, Act-Start, and the Report that says why its run failed.
    let code = "InvalidParameter.ResourceContentBad";
    assert_eq!(count(&format!("/activities.json?code={code}")), 3);
    assert_eq!(count("/activities.json?state=skipped"), 2);
    assert_eq!(count("/activities.json?type=Snapshot"), 4);
    assert_eq!(
        count("/activities.json?run=9bd5a286b59d4cf19685d5b3c501e528"),
        6
    );
    // By an id, exactly, and by words.
    assert_eq!(count("/runs.json?q=9bd5a286b59d4cf19685d5b3c501e528"), 1);
    assert_eq!(count("/runs.json?q=9bd5a286b59d4cf19685d5b3c501e52"), 0);
    assert_eq!(count("/runs.json?q=sku-1001"), 2);
    assert_eq!(count("/jobs.json?q=2376030d9d0849399cd20e20c876f4f3"), 1);
}

#[test]
fn pages_of_a_list_follow_one_another_without_a_gap() {
    let app = TestApp::start();
    for file in [
        "workflow-report-completed.json",
        "workflow-report-partial-fail.guess.json",
        "workflow-transcode-completed.guess.json",
    ] {
        push(&app, file, Format::Json);
    }
    for (path, expected) in [
        ("/runs.json", 3),
        ("/activities.json", 13),
        ("/events.json", 16),
    ] {
        let all = app.items(path);
        assert_eq!(all.len(), expected, "{path}");
        let mut paged = Vec::new();
        let mut next = format!("{path}?limit=2");
        loop {
            let list = app.json(&next);
            paged.extend(list["items"].as_array().unwrap().clone());
            match list["next"].as_str() {
                Some(cursor) => next = format!("{path}?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(paged, all, "{path}");
    }
}

#[test]
fn a_run_without_a_report_is_stale_after_a_day() {
    let app = pushed("workflow-start.json", Format::Json);
    let path = "/runs/11112222333344445555666677778888";
    assert_eq!(
        app.json(&format!("{path}.json"))["outcome"],
        json!("running")
    );
    app.clock.set(NOW.plus_ms(25 * 3_600_000));
    assert_eq!(app.json(&format!("{path}.json"))["outcome"], json!("stale"));
    assert_eq!(texts(&page(&app, path), ".headline .state"), ["stale"]);
    assert_eq!(app.items("/runs.json?state=stale").len(), 1);
    assert!(app.items("/runs.json?state=running").is_empty());
    push(&app, "workflow-report-completed.json", Format::Json);
    assert_eq!(
        app.json(&format!("{path}.json"))["outcome"],
        json!("succeeded")
    );
}

#[test]
fn the_overview_has_a_lane_of_each_workflow_and_none_of_its_activities_jobs() {
    let app = pushed("workflow-report-completed.json", Format::Json);
    push(
        &app,
        "workflow-report-partial-fail.guess.json",
        Format::Json,
    );
    let today = page(&app, "/");
    assert_eq!(texts(&today, ".lane .count"), ["1 succeeded"]);
    let then = "/?from=2016-04-01T00:00:00Z&to=2016-04-02T00:00:00Z";
    let then = page(&app, then);
    assert_eq!(texts(&then, ".lane .count"), ["1 partial"]);
    for page in [today, then] {
        let mut names = texts(&page, ".lane h3");
        names.sort();
        assert_eq!(names, ["ConcurrentSuccess", "示例-workflow"]);
        // Jobs of a run are in no queue's lane.
        assert_eq!(texts(&page, "section.lanes h2"), ["Workflows"]);
    }
}

#[test]
fn what_is_not_there_says_what_could_be_the_reason() {
    let app = TestApp::start();
    for path in ["/runs/none", "/runs/none.json", "/runs/none?owner=1"] {
        let response = app.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("Report"), "{path}");
    }
    for path in ["/runs", "/activities", "/events"] {
        assert_eq!(texts(&page(&app, path), "main .empty").len(), 1, "{path}");
        let filtered = format!("{path}?from=1h");
        let links = "main .empty a[href='/connect']";
        assert_eq!(texts(&page(&app, &filtered), links).len(), 1, "{path}");
        assert_eq!(app.get(&format!("{path}?colour=red")).status, 400);
        assert_eq!(app.get(&format!("{path}.json?cursor=x")).status, 400);
    }
}

/// The message that transcode `ended` of `count` sends, with all that is known by then. The first one
/// failed.
fn transcode_message(count: usize, ended: usize) -> Vec<u8> {
    let activities: Vec<Value> = (0..count)
        .map(|number| {
            let (state, end) = match number {
                0 => ("Fail", "2024-05-06T08:00:01Z".to_owned()),
                _ if number <= ended => (
                    "Success",
                    format!("2024-05-06T08:{:02}:{:02}Z", number / 60, number % 60),
                ),
                _ => ("Running", String::new()),
            };
            json!({"Name": format!("T{number}"), "Type": "Transcode", "JobId": format!("job-{number}"),
                "State": state, "StartTime": "2024-05-06T08:00:00Z", "EndTime": end})
        })
        .collect();
    let is_last = ended + 1 == count;
    let (kind, own) = if is_last {
        ("Report", "Completed")
    } else {
        ("Transcode", "Running")
    };
    let message = json!({"RunId": "large", "Name": format!("T{ended}"), "Type": kind,
        "State": "Success", "MediaWorkflowExecution": {"MediaWorkflowId": "w", "RunId": "large",
        "State": own, "ActivityList": activities, "CreationTime": "2024-05-06T08:00:00Z"}});
    message.to_string().into_bytes()
}

#[test]
fn a_large_run_that_tells_of_each_transcode_keeps_its_first_failure() {
    const TRANSCODES: usize = 80;
    let app = TestApp::start();
    for ended in 0..TRANSCODES {
        let message = transcode_message(TRANSCODES, ended);
        assert_eq!(app.push(Format::Simplified, &message).status, 204);
    }
    let run = app.json("/runs/large.json");
    assert_eq!(run["outcome"], json!("partial"));
    assert_eq!(activity(&run, "T0")["state"], json!("failed"));
    assert_eq!(activity(&run, "T1")["state"], json!("succeeded"));
    // The Report that sent the last message is one more.
    assert_eq!(run["activities"].as_array().unwrap().len(), TRANSCODES + 1);
}
