//! Every sample of a single job, in every format, from the push to the JSON; the captured envelopes;
//! and what must come through a format unharmed. The samples of runs are in `runs.rs`.

use md5::{Digest, Md5};
use mpsink::notification::Format;
use mpsink::notification::capture::Capture;
use serde_json::{Value, json};

use crate::app::{OWNER, TestApp, data};

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

const A: &str = "88c6ca184c0e47098a5b665e2a126797";
const B: &str = "31fa3c9ca8134f9cec2b4b0b0f787830";

const BAD: &str = "InvalidParameter.ResourceContentBad";
const NOT_FOUND: &str = "InvalidParameter.ResourceNotFound";

/// File, job, type (`None` if the message says none), state, and the code of a failure.
type JobSample = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
);

const JOBS: [JobSample; 17] = [
    (
        "job-transcode-success.json",
        "aaaa0000bbbb1111cccc2222dddd3333",
        Some("Transcode"),
        "succeeded",
        None,
    ),
    (
        "job-transcode-success-userdata.guess.json",
        B,
        Some("Transcode"),
        "succeeded",
        None,
    ),
    (
        "job-transcode-fail.guess.json",
        B,
        Some("Transcode"),
        "failed",
        Some(BAD),
    ),
    (
        "job-analysis-success.json",
        A,
        Some("Analysis"),
        "succeeded",
        None,
    ),
    (
        "job-mediainfo-success.json",
        "88c6ca184c0e432bbf5b665e2a126797",
        Some("MediaInfo"),
        "succeeded",
        None,
    ),
    (
        "job-fpshot-success-nested.guess.json",
        A,
        Some("FpShot"),
        "succeeded",
        None,
    ),
    (
        "job-iproduction-fail.guess.json",
        "39f8e0bc005e4f309379701645f40000",
        Some("IProduction"),
        "failed",
        Some(NOT_FOUND),
    ),
    (
        "job-mediacensor-success-flat.guess.json",
        A,
        Some("MediaCensor"),
        "succeeded",
        None,
    ),
    (
        "job-mediacensor-success-nested.guess.json",
        A,
        Some("MediaCensor"),
        "succeeded",
        None,
    ),
    (
        "job-smarttag-processing.guess.json",
        A,
        Some("smarttag"),
        "running",
        None,
    ),
    (
        "job-smarttag-success.guess.json",
        A,
        Some("smarttag"),
        "succeeded",
        None,
    ),
    (
        "messages/job-submitted.guess.json",
        "ffff3333ffff3333ffff3333ffff3333",
        Some("Transcode"),
        "submitted",
        None,
    ),
    (
        "messages/job-snapshot-asynchronous-success.guess.json",
        "ffff5555ffff5555ffff5555ffff5555",
        Some("Snapshot"),
        "succeeded",
        None,
    ),
    (
        "messages/job-library-delete-success.guess.json",
        "ffff4444ffff4444ffff4444ffff4444",
        Some("DeleteLibrary"),
        "succeeded",
        None,
    ),
    (
        "messages/job-text-to-speech-success.guess.json",
        "ffff1111ffff1111ffff1111ffff1111",
        None,
        "succeeded",
        None,
    ),
    (
        "messages/job-text-to-speech-fail.guess.json",
        "ffff2222ffff2222ffff2222ffff2222",
        None,
        "failed",
        Some(NOT_FOUND),
    ),
    (
        "messages/bus-eventbridge-job-fail.guess.json",
        B,
        Some("Transcode"),
        "failed",
        Some(BAD),
    ),
];

/// Lets `accounts` in beside the owner of the other tests.
fn letting_in(accounts: impl Iterator<Item = String>) -> TestApp {
    let mut owners = vec![format!("\"{OWNER}\"")];
    owners.extend(accounts.map(|account| format!("\"{account}\"")));
    TestApp::start_with(&format!("[[source]]\nowners = [{}]\n", owners.join(", ")))
}

fn push_of(app: &TestApp, owner: &str, format: Format, message: &[u8]) {
    let mut content = app.content(format, message);
    owner.clone_into(&mut content.topic_owner);
    let response = app.send(&app.signed(&content));
    assert_eq!(response.status, 204, "{format:?}: {}", response.text());
}

/// Gives a push another body, with the checksum and signature of that.
fn with_body(app: &TestApp, mut push: Capture, body: &[u8]) -> Capture {
    push.headers.set("content-md5", md5(body));
    push.body = Some(body.to_vec());
    app.sign(&mut push);
    push
}

fn md5(bytes: &[u8]) -> String {
    format!("{:X}", Md5::digest(bytes))
}

fn latest_delivery(app: &TestApp) -> Value {
    let id = &app.items("/deliveries.json")[0]["id"];
    app.json(&format!("/deliveries/{id}.json"))
}

#[test]
fn every_job_sample_gives_its_job_in_every_format() {
    // An account for each, since samples share ids.
    let cases: Vec<_> = FORMATS
        .iter()
        .flat_map(|format| JOBS.iter().map(move |sample| (*format, sample)))
        .enumerate()
        .map(|(number, (format, sample))| (format!("77{number:04}"), format, sample))
        .collect();
    let app = letting_in(cases.iter().map(|(owner, _, _)| owner.clone()));
    for (owner, format, (file, ..)) in &cases {
        push_of(&app, owner, *format, &data(file));
    }
    for (owner, format, (file, id, job_type, state, code)) in cases {
        let name = format!("{file} as {format:?}");
        let job = app.json(&format!("/jobs/{id}.json?owner={owner}"));
        assert_eq!(job["owner"], json!(owner), "{name}");
        assert_eq!(job["type"], json!(job_type), "{name}");
        assert_eq!(job["state"], json!(state), "{name}");
        assert_eq!(job["code"], json!(code), "{name}");
        assert_eq!(job["group"], json!(code.map(|_| "input")), "{name}");
        assert_eq!(job["message"].is_string(), *state == "failed", "{name}");
        let ended = matches!(*state, "succeeded" | "failed");
        assert_eq!(job["finished_at"].is_string(), ended, "{name}");
        assert_eq!(job["events"], json!(1), "{name}");
        let delivery = &job["delivery_records"][0];
        assert_eq!(delivery["format"], json!(format.word()), "{name}");
        assert_eq!(delivery["unrecognized"], Value::Null, "{name}");
        assert_eq!(delivery["md5_mismatch"], json!(false), "{name}");
    }
    let listed = app.items("/jobs.json?limit=1000");
    assert_eq!(listed.len(), FORMATS.len() * JOBS.len());
    assert!(app.items("/events.json?kind=unrecognized").is_empty());
}

#[test]
fn no_sample_of_a_job_is_left_out() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for folder in ["", "messages/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let file = format!("{folder}{file}");
            let is_job = file.contains("job-") && !file.contains("envelope-");
            let is_tested = JOBS.iter().any(|(name, ..)| *name == file);
            assert!(!is_job || is_tested, "{file}");
        }
    }
}

#[test]
fn a_success_with_a_code_and_a_text_has_no_error() {
    let texts = [
        ("Success", "The job is completed successfully"),
        ("", " "),
        ("null", "null"),
        ("200", "3 covers"),
        ("InternalError", "left from the try before"),
    ];
    for format in FORMATS {
        let app = TestApp::start();
        for (number, (code, text)) in texts.iter().enumerate() {
            let message = json!({
                "Code": code, "Details": [], "FunctionName": "Cover", "JobId": format!("j{number}"),
                "Message": text, "State": "Success", "Type": "IProduction",
            });
            assert_eq!(app.push(format, message.to_string().as_bytes()).status, 204);
            let job = app.json(&format!("/jobs/j{number}.json"));
            assert_eq!(job["state"], json!("succeeded"));
            for name in ["code", "group", "message"] {
                assert_eq!(job[name], Value::Null, "{code}: {name}");
            }
        }
        for code in ["Success", "200", "InternalError"] {
            assert!(app.items(&format!("/jobs.json?code={code}")).is_empty());
        }
    }
}

#[test]
fn an_event_of_another_product_is_kept_whole_and_said_to_be_one() {
    for format in FORMATS {
        for file in ["ims", "vod"] {
            let app = TestApp::start();
            let message = data(&format!("messages/other-product-{file}.guess.json"));
            assert_eq!(app.push(format, &message).status, 204);
            let delivery = latest_delivery(&app);
            let reason = delivery["unrecognized"].as_str().unwrap();
            assert!(reason.contains("another product"), "{reason}");
            assert_eq!(delivery["message"].as_str().unwrap().as_bytes(), message);
            assert!(app.items("/jobs.json").is_empty());
        }
    }
}

#[test]
fn a_run_of_forty_activities_has_them_all_in_every_format() {
    let message = data("messages/workflow-report-forty-activities.guess.json");
    for format in FORMATS {
        let app = TestApp::start();
        assert_eq!(app.push(format, &message).status, 204);
        let run = app.json("/runs/333344445555666677778888999900ab.json");
        assert_eq!(run["activities"].as_array().unwrap().len(), 40);
        assert_eq!(run["outcome"], json!("succeeded"));
        assert_eq!(app.items("/activities.json").len(), 40);
        // The Report alone has no job.
        assert_eq!(app.items("/jobs.json").len(), 39);
    }
}

#[test]
fn captured_envelopes_are_read_as_they_came() {
    let cases = [
        (
            Format::Xml,
            "envelope-xml-job.xml",
            "/jobs/aaaa0000bbbb1111cccc2222dddd3333.json",
            "state",
            "succeeded",
        ),
        (
            Format::Json,
            "envelope-json-start.json",
            "/runs/11112222333344445555666677778888.json",
            "outcome",
            "running",
        ),
        (
            Format::Json,
            "envelope-json-report.json",
            "/runs/11112222333344445555666677778888.json",
            "outcome",
            "succeeded",
        ),
    ];
    for (format, file, path, field, word) in cases {
        let app = TestApp::start();
        let push = app.signed(&app.content(format, b"{}"));
        let push = with_body(&app, push, &data(file));
        assert_eq!(app.send(&push).status, 204, "{file}");
        assert_eq!(app.json(path)[field], json!(word), "{file}");
        let delivery = latest_delivery(&app);
        assert_eq!(delivery["format"], json!(format.word()), "{file}");
        assert_eq!(delivery["owner"], json!(OWNER), "{file}");
        assert_eq!(delivery["md5_mismatch"], json!(false), "{file}");
        assert!(delivery["published_at"].is_string(), "{file}");
    }
}

#[test]
fn chinese_names_and_object_keys_come_through_every_format_unharmed() {
    let object = "输入/二〇二四年 五月/片段 #1+100%&<b>\"'.mp4";
    let user_data = "商品编号：一〇〇一 🎬 <&>";
    let job = json!({
        "JobId": "j", "Type": "Transcode", "State": "Success", "UserData": user_data,
        "Input": {"Bucket": "b", "Location": "oss-cn-shanghai", "Object": object},
    });
    let job = job.to_string();
    let run = data("messages/workflow-report-chinese.guess.json");
    for format in FORMATS {
        let app = TestApp::start();
        assert_eq!(app.push(format, job.as_bytes()).status, 204);
        let delivery = latest_delivery(&app);
        assert_eq!(delivery["message"], json!(job), "{format:?}");
        assert_eq!(delivery["md5_mismatch"], json!(false), "{format:?}");
        let read = app.json("/jobs/j.json");
        assert_eq!(read["input"]["object"], json!(object), "{format:?}");
        assert_eq!(read["user_data"], json!(user_data), "{format:?}");

        assert_eq!(app.push(format, &run).status, 204);
        let delivery = latest_delivery(&app);
        assert_eq!(delivery["message"].as_str().unwrap().as_bytes(), run);
        let run = app.json("/runs/44445555666677778888999900001abc.json");
        assert_eq!(run["workflow"]["name"], json!("视频转码工作流"));
        let object = "输入/二〇二四年 五月/片段 #1+100%.mp4";
        assert_eq!(run["input"]["object"], json!(object));
        assert_eq!(run["user_data"], json!("商品编号：一〇〇一 🎬"));
        let names: Vec<_> = run["activities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|activity| activity["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["开始", "封面（截图）", "高清 转码", "发布"]);
    }
}

#[test]
fn a_message_md5_over_other_bytes_than_the_messages_utf_8_is_flagged() {
    let message = r#"{"JobId":"j","Type":"Transcode","State":"Success","UserData":"示例"}"#;
    let right = md5(message.as_bytes());
    let utf_16: Vec<u8> = message.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let escaped = message.replace("示例", "\\u793a\\u4f8b");
    let cases = [
        (right.clone(), false),
        (right.to_lowercase(), false),
        (md5(&utf_16), true),
        (md5(escaped.as_bytes()), true),
        (md5(b""), true),
        ("示".to_owned(), true),
    ];
    for format in [Format::Xml, Format::Json] {
        for (claimed, is_flagged) in &cases {
            let app = TestApp::start();
            let push = app.signed(&app.content(format, message.as_bytes()));
            let body = String::from_utf8(push.body.clone().unwrap()).unwrap();
            assert!(body.contains(&right), "{body}");
            let push = with_body(&app, push, body.replace(&right, claimed).as_bytes());
            assert_eq!(app.send(&push).status, 204);
            let delivery = latest_delivery(&app);
            assert_eq!(delivery["md5_mismatch"], json!(is_flagged), "{claimed}");
            // It is noted; what the message says is believed all the same.
            assert_eq!(app.json("/jobs/j.json")["state"], json!("succeeded"));
        }
    }
}

#[test]
fn two_owners_with_the_same_job_id_are_two_jobs() {
    let app = letting_in(["2002".to_owned()].into_iter());
    for format in FORMATS {
        push_of(&app, OWNER, format, &data("job-transcode-fail.guess.json"));
        let other = data("job-transcode-success-userdata.guess.json");
        push_of(&app, "2002", format, &other);
    }
    assert_eq!(app.items("/jobs.json").len(), 2);
    let job = |owner: &str| app.json(&format!("/jobs/{B}.json?owner={owner}"));
    assert_eq!(job(OWNER)["state"], json!("failed"));
    assert_eq!(job("2002")["state"], json!("succeeded"));
    for owner in [OWNER, "2002"] {
        assert_eq!(job(owner)["events"], json!(3));
        assert_eq!(job(owner)["conflict"], json!(false));
    }
    let without = app.get(&format!("/jobs/{B}.json"));
    assert!((300..500).contains(&without.status), "{}", without.status);
    assert!(without.text().contains("2002"), "{}", without.text());
}
