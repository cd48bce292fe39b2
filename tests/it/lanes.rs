//! Lanes through the doors: what is pushed is counted on the overview and on the pages of its queue
//! or workflow as it stands in lists, details and JSON.

use mpsink::notification::Format;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::app::{NOW, OWNER, TOPIC, TestApp, job_message};

const WORKFLOW: &str = "99990000999900009999000099990000";

/// MPS's word, and ours, of each state that a job may have.
const JOBS: [(&str, &str); 8] = [
    ("Submitted", "submitted"),
    ("Processing", "running"),
    ("Success", "succeeded"),
    ("Fail", "failed"),
    ("Cancelled", "cancelled"),
    ("Skipped", "skipped"),
    ("Completed", "completed"),
    ("Baking", "unknown"),
];

fn page(app: &TestApp, path: &str) -> Html {
    let response = app.get(path);
    assert_eq!(response.status, 200, "{path}");
    Html::parse_document(&response.text())
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

fn links(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found
        .map(|link| link.value().attr("href").unwrap().to_owned())
        .collect()
}

/// Returns the JSON of the list at an address.
fn items(app: &TestApp, list: &str) -> Vec<Value> {
    app.items(&list.replacen('?', ".json?", 1))
}

/// A run of one activity of work.
fn run_message(run: &str, part: &str, run_state: &str, work: &[(&str, &str)]) -> Vec<u8> {
    let activity = |name: &str, kind: &str, state: &str| {
        json!({
            "RunId": run, "Name": name, "Type": kind, "State": state,
            "StartTime": "2024-05-06T07:40:00Z", "EndTime": "2024-05-06T07:42:00Z",
        })
    };
    let start_state = if run_state == "Fail" {
        "Fail"
    } else {
        "Success"
    };
    let mut activities = vec![activity("Act-Start", "Start", start_state)];
    activities.extend(
        work.iter()
            .map(|(name, state)| activity(name, "Transcode", state)),
    );
    if part == "Report" {
        activities.push(activity("Act-Report", "Report", "Success"));
    }
    let message = json!({
        "RunId": run, "Name": format!("Act-{part}"), "Type": part,
        "State": if part == "Start" { start_state } else { "Success" },
        "MediaWorkflowExecution": {
            "MediaWorkflowId": WORKFLOW, "Name": "示例", "RunId": run, "State": run_state,
            "ActivityList": activities, "CreationTime": "2024-05-06T07:40:00Z",
        },
    });
    message.to_string().into_bytes()
}

#[test]
fn a_quiet_region_shows_its_own_latest_jobs_beside_a_busy_one() {
    let source = |name: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\npaths = [\"/in/{name}\"]\nregion = \"{name}\"\n\
             owners = [\"{OWNER}\"]\nqueue = \"hd\"\n"
        )
    };
    let app = TestApp::start_with(&format!("{}{}", source("quiet"), source("busy")));
    let push = |id: &str, target: &str| {
        let content = app.content(Format::Json, &job_message(id, "Success"));
        let push = mpsink::push::build(&content, target, &app.signer, NOW).unwrap();
        assert_eq!(app.send(&push).status, 204);
    };
    push("alone", "/in/quiet");
    for number in 0..20 {
        push(&format!("busy-{number}"), "/in/busy");
    }
    let own = page(&app, "/queues/hd");
    let jobs = texts(&own, "td[data-label=Job]");
    assert!(jobs.contains(&"alone".to_owned()), "{jobs:?}");
    let of_region = items(&app, "/jobs?queue=hd&region=quiet");
    assert_eq!(of_region.len(), 1);
    assert_eq!(of_region[0]["id"], json!("alone"));
    assert_eq!(items(&app, "/runs?region=quiet").len(), 0);
}

#[test]
fn a_stale_run_of_no_workflow_is_stuck_on_the_overview_as_in_the_list() {
    let app = TestApp::start();
    let message = json!({
        "RunId": "lost", "Name": "Act-Start", "Type": "Start", "State": "Success",
        "MediaWorkflowExecution": {
            "RunId": "lost", "State": "Running", "CreationTime": "2024-01-01T00:00:00Z",
            "ActivityList": [],
        },
    });
    let message = message.to_string().into_bytes();
    assert_eq!(app.push(Format::Json, &message).status, 204);
    let list = "/runs?state=stale";
    assert_eq!(items(&app, list).len(), 1);
    assert_eq!(app.json("/overview.json")["stale"]["rows"], json!(1));
    assert_eq!(texts(&page(&app, list), ".count"), ["1 run"]);
    // It has no workflow, and so no lane.
    assert_eq!(
        app.push(Format::Json, &job_message("j", "Success")).status,
        204
    );
    assert_eq!(texts(&page(&app, "/"), ".numbers li")[1], "Stuck1");
}

#[test]
fn a_push_of_each_state_is_found_on_overview_list_detail_and_in_json_with_the_same_words() {
    let app = TestApp::start();
    for (at, (raw, state)) in JOBS.iter().enumerate() {
        // As many as its place says, so that no number is right by chance.
        for number in 0..=at {
            let message = job_message(&format!("{state}-{number}"), raw);
            assert_eq!(app.push(Format::Json, &message).status, 204);
        }
    }
    let overview = app.json("/overview.json");
    let lane = &overview["lanes"][0];
    assert_eq!(
        (&lane["kind"], &lane["name"]),
        (&json!("queue"), &json!(TOPIC))
    );
    let html = page(&app, "/");
    let own = page(&app, &format!("/queues/{TOPIC}"));
    let own_json = app.json(&format!("/queues/{TOPIC}.json"));
    assert_eq!(own_json["lanes"][0]["ended"], lane["ended"]);

    for (at, (_, state)) in JOBS.iter().enumerate() {
        let count = at + 1;
        let listed = items(&app, &format!("/jobs?queue={TOPIC}&state={state}"));
        assert_eq!(listed.len(), count, "{state}");
        let id = listed[0]["id"].as_str().unwrap();
        let detail = app.json(&format!("/jobs/{id}.json"));
        assert_eq!(
            (&detail["state"], &listed[0]["state"]),
            (&json!(state), &json!(state))
        );
        let badge = format!(".state-{state}");
        assert_eq!(
            texts(&page(&app, &format!("/jobs/{id}")), &badge)[0],
            *state
        );
        let list = page(&app, &format!("/jobs?state={state}"));
        assert_eq!(texts(&list, &format!("td {badge}")), vec![*state; count]);

        // What goes on is in no queue's counts: a queue tells of jobs that ended.
        let is_open = matches!(*state, "submitted" | "running" | "unknown");
        let counted = lane["ended"].get(*state);
        assert_eq!(
            counted,
            (!is_open).then(|| json!(count)).as_ref(),
            "{state}"
        );
        for html in [&html, &own] {
            let shown = texts(html, &format!(".count.s-{state}"));
            let leads_to = links(html, &format!(".count.s-{state}"));
            if is_open {
                assert!(shown.is_empty(), "{state}");
            } else {
                assert_eq!(shown, [format!("{count} {state}")]);
                assert_eq!(items(&app, &leads_to[0]), listed);
            }
        }
    }
}

#[test]
fn a_run_of_each_outcome_is_found_on_overview_list_detail_and_in_json_with_the_same_words() {
    let app = TestApp::start();
    let runs = [
        ("running", run_message("r1", "Start", "Running", &[])),
        (
            "succeeded",
            run_message("r2", "Report", "Completed", &[("HD", "Success")]),
        ),
        (
            "partial",
            run_message(
                "r3",
                "Report",
                "Completed",
                &[("HD", "Success"), ("SD", "Fail")],
            ),
        ),
        (
            "failed",
            run_message("r4", "Report", "Completed", &[("SD", "Fail")]),
        ),
    ];
    for (outcome, message) in &runs {
        assert_eq!(app.push(Format::Json, message).status, 204, "{outcome}");
    }
    let check = |outcome: &str, id: &str| {
        let overview = page(&app, "/");
        let own = page(&app, &format!("/workflows/{WORKFLOW}"));
        for html in [&overview, &own] {
            let count = format!(".count.s-{outcome}");
            assert_eq!(texts(html, &count), [format!("1 {outcome}")]);
            let listed = items(&app, &links(html, &count)[0]);
            assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!(id)));
            assert_eq!(listed[0]["outcome"], outcome);
        }
        assert_eq!(app.json(&format!("/runs/{id}.json"))["outcome"], outcome);
        let badge = format!(".state-{outcome}");
        assert_eq!(
            texts(&page(&app, &format!("/runs/{id}")), &badge)[0],
            outcome
        );
        let list = page(&app, &format!("/runs?state={outcome}"));
        assert_eq!(texts(&list, &format!("td {badge}")), [outcome]);
        let bar = format!(".grid thead a[href='/runs/{id}'].s-{outcome}");
        assert_eq!(links(&own, &bar).len(), 1);
    };
    for (at, (outcome, _)) in runs.iter().enumerate() {
        check(outcome, &format!("r{}", at + 1));
    }
    let lane = &app.json(&format!("/workflows/{WORKFLOW}.json"))["lanes"][0];
    assert_eq!((&lane["open"], &lane["stale"]), (&json!(1), &json!(0)));
    assert_eq!(lane["ended"]["partial"], 1);

    // The activity that failed twice is named above the grid.
    let own = page(&app, &format!("/workflows/{WORKFLOW}"));
    let verdicts = texts(&own, ".verdicts li");
    assert_eq!(verdicts.len(), 1);
    assert!(
        verdicts[0].starts_with("SD has failed in each of these 2 runs"),
        "{verdicts:?}"
    );

    app.clock.set(NOW.plus_ms(8 * 24 * 3_600_000));
    let lane = &app.json("/overview.json?window=30d")["lanes"][0];
    assert_eq!((&lane["open"], &lane["stale"]), (&json!(1), &json!(1)));
    check_stale(&app);
}

fn check_stale(app: &TestApp) {
    let overview = page(app, "/?window=30d");
    assert_eq!(texts(&overview, ".count.s-stale"), ["1 stale"]);
    let listed = items(app, &links(&overview, ".count.s-stale")[0]);
    assert_eq!(listed[0]["id"], "r1");
    assert_eq!(items(app, "/runs?state=stale"), listed);
    assert_eq!(app.json("/runs/r1.json")["outcome"], "stale");
}

#[test]
fn a_window_that_is_none_and_a_lane_that_is_not_there_say_so() {
    let app = TestApp::start();
    let message = job_message("j1", "Success");
    assert_eq!(app.push(Format::Json, &message).status, 204);
    for lane in [format!("/queues/{TOPIC}"), "/".to_owned()] {
        for query in [
            "window=2h",
            "from=yesterday",
            "window=1h&to=1h",
            "colour=red",
        ] {
            assert_eq!(app.get(&format!("{lane}?{query}")).status, 400, "{query}");
        }
    }
    assert_eq!(app.get("/overview.json?window=2h").status, 400);
    for path in ["/queues/none", "/queues/none.json", "/workflows/none"] {
        let response = app.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("was let in"), "{path}");
    }
    let later = "from=2024-05-07T00:00:00Z&to=2024-05-08T00:00:00Z";
    let html = page(&app, &format!("/?{later}"));
    let back = links(&html, "p.empty a").remove(0);
    assert_eq!(texts(&page(&app, &back), ".count"), ["1 succeeded"]);
}
