//! The pushes that are sent: distinct and signed before anything is measured.
//!
//! 70 % end a single job, 15 % start a run, 15 % report such a run with seven activities; the three
//! formats take turns. One in fifty is sent once more a little later, as SMQ does when an answer
//! was lost.

use std::thread;

use anyhow::{Context, anyhow};
use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use mpsink::notification::capture;
use mpsink::push::{PushContent, SAMPLES, Signer, build};

/// The owner of the demo's topics, so that its database can be pushed to as well.
pub(crate) const OWNER: &str = "1234567890123456";

/// What stands in `Host`, which the receiver does not look at.
const HOST: &str = "localhost";

/// Of this many messages 14 are of single jobs, 3 start runs and 3 report them.
const BLOCK: u64 = 20;
const BLOCK_JOBS: u64 = 14;
const BLOCK_RUNS: u64 = 3;

/// One in so many is a duplicate of the one as many before it.
const DUPLICATE_EVERY: usize = 50;

/// Threads that sign: RSA is most of the preparation.
const SIGNERS: usize = 2;

const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// The samples that single jobs are made of, and how many of ten are of each.
const JOB_SAMPLES: [&str; 10] = [
    "transcode-success",
    "transcode-success",
    "transcode-success",
    "transcode-success",
    "transcode-success",
    "transcode-fail",
    "analysis-success",
    "mediainfo-success",
    "mediacensor-success",
    "smarttag-success",
];

/// Between Start and Report.
const WORK: [(&str, &str); 5] = [
    ("流畅", "Transcode"),
    ("标清", "Transcode"),
    ("高清", "Transcode"),
    ("封面", "Snapshot"),
    ("分析", "Analysis"),
];

/// Where pushes go and who signs them.
pub(crate) struct Addressee<'a> {
    pub(crate) target: &'a str,
    pub(crate) signer: &'a Signer,
}

/// Prepares `number` whole requests. Those of another `seed` have nothing in common with them.
pub(crate) fn prepare(
    to: &Addressee<'_>,
    number: usize,
    seed: u64,
    now: Timestamp,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let distinct = number.div_ceil(SIGNERS) as u64;
    let parts: Vec<anyhow::Result<Vec<Vec<u8>>>> = thread::scope(|scope| {
        let signers: Vec<_> = (0..SIGNERS as u64)
            .map(|part| {
                let numbers = part * distinct..(part + 1) * distinct;
                scope.spawn(move || numbers.map(|at| request(to, at, seed, now)).collect())
            })
            .collect();
        let ended = signers.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|part| part.unwrap_or_else(|_| Err(anyhow!("a signer has panicked"))))
            .collect()
    });
    let mut requests = Vec::with_capacity(number);
    for part in parts {
        for request in part? {
            requests.push(request);
            if requests.len() % DUPLICATE_EVERY == DUPLICATE_EVERY - 1 {
                let before = requests.len().checked_sub(DUPLICATE_EVERY);
                let again = before.and_then(|at| requests.get(at)).cloned();
                requests.extend(again);
            }
        }
    }
    requests.truncate(number);
    Ok(requests)
}

fn request(to: &Addressee<'_>, at: u64, seed: u64, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let (block, place) = (at / BLOCK, at % BLOCK);
    let (topic, message) = if place < BLOCK_JOBS {
        ("mps-std", job(at, seed)?)
    } else {
        let is_start = place < BLOCK_JOBS + BLOCK_RUNS;
        let run = id(
            seed,
            1,
            block * BLOCK_RUNS + (place - BLOCK_JOBS) % BLOCK_RUNS,
        );
        ("mps-workflow", run_message(&run, is_start, now))
    };
    let format = FORMATS.into_iter().cycle().nth((at % 3) as usize);
    let content = PushContent {
        format: format.unwrap_or(Format::Xml),
        topic_owner: OWNER.to_owned(),
        topic: topic.to_owned(),
        message_id: id(seed, 2, at).to_uppercase(),
        tag: None,
        published_at: now,
        message: message.into_bytes(),
    };
    let mut push = build(&content, to.target, to.signer, now)?;
    let length = push.body.as_ref().map_or(0, Vec::len);
    push.headers.add("host", HOST);
    push.headers.add("content-length", length.to_string());
    Ok(capture::write(&push))
}

fn job(at: u64, seed: u64) -> anyhow::Result<String> {
    let name = JOB_SAMPLES.into_iter().cycle().nth((at % 10) as usize);
    let sample = SAMPLES.iter().find(|sample| Some(sample.name) == name);
    let sample = sample.context("a sample is missing")?;
    let text = str::from_utf8(sample.message)?.trim();
    let old = [
        "\"jobId\":\"",
        "\"JobId\":\"",
        "\"jobId\": \"",
        "\"JobId\": \"",
    ]
    .into_iter()
    .find_map(|key| Some(text.split_once(key)?.1.split_once('"')?.0))
    .with_context(|| format!("{} names no job", sample.name))?;
    Ok(text.replace(old, &id(seed, 3, at)))
}

fn run_message(run: &str, is_start: bool, now: Timestamp) -> String {
    let began = now.plus_ms(-60_000).to_string();
    let ended = now.plus_ms(-1_000).to_string();
    let activity = |name: &str, kind: &str, number: usize| {
        let job = run.get(..28).unwrap_or_default();
        format!(
            r#"{{"RunId":"{run}","Name":"{name}","Type":"{kind}","JobId":"{job}{number:04x}","State":"Success","StartTime":"{began}","EndTime":"{ended}"}}"#
        )
    };
    let mut activities = vec![activity("Act-Start", "Start", 0)];
    let (name, state) = if is_start {
        ("Start", "Running")
    } else {
        let work = WORK.iter().enumerate();
        activities.extend(work.map(|(at, (name, kind))| activity(name, kind, at + 1)));
        activities.push(format!(
            r#"{{"RunId":"{run}","Name":"Act-Report","Type":"Report","State":"Success","StartTime":"{ended}","EndTime":"{ended}"}}"#
        ));
        ("Report", "Completed")
    };
    let list = activities.join(",");
    format!(
        r#"{{"RunId":"{run}","Name":"Act-{name}","Type":"{name}","State":"Success","MediaWorkflowExecution":{{"MediaWorkflowId":"1c6e0f2a94b84d7d8a3b5e7f90d12c46","Name":"视频转码工作流","RunId":"{run}","MediaId":"{run}","Input":{{"InputFile":{{"Bucket":"example-input","Location":"oss-cn-shanghai","Object":"in/{run}.mp4"}},"UserData":"sku-1001"}},"State":"{state}","ActivityList":[{list}],"CreationTime":"{began}","RequestId":"66388C8000112233445566CC"}}}}"#
    )
}

/// Returns an id of 32 hex digits that looks like chance and is the same for the same arguments.
fn id(seed: u64, kind: u64, number: u64) -> String {
    let first = mixed(seed ^ mixed(kind ^ mixed(number)));
    format!("{first:016x}{:016x}", mixed(first))
}

/// The finalizer of `SplitMix64`, by Steele, Lea and Flood.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
