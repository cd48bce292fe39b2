//! The messages of single jobs, by queue.
//!
//! No message of a single job says when it started, which queue it ran in or which object it was
//! about (`MediaCensor` is documented with an `Input`; it is left out so that this holds without
//! exception). Only the queue [`Queue::Upload`] has a submitter that publishes `Submitted` messages
//! to the queue's topic, with all of these.

use crate::clock::Timestamp;
use crate::demo::dice::Dice;
use crate::demo::shape::Shape;
use crate::demo::trouble::Failure;
use crate::demo::words;
use crate::notification::Format;

/// What MPS calls the queue whose submitter says so.
const UPLOAD_PIPELINE_ID: &str = "5b1f0c9e7d3a4c68a2f4e6d80b9c1375";

/// The made-up MPS queues, each bound to a topic of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Transcodes.
    Transcode,
    /// Snapshots, media info and analysis.
    Snapshot,
    /// Smart tagging, moderation, fingerprints, intelligent production, speech.
    Ai,
    /// Transcodes whose submitter publishes, too.
    Upload,
}

impl Queue {
    pub(super) const ALL: [Queue; 4] =
        [Queue::Transcode, Queue::Snapshot, Queue::Ai, Queue::Upload];

    /// Draws the queue of a single job, by their shares.
    pub(super) fn draw(dice: &mut Dice) -> Queue {
        let mut drawn = dice.below(100);
        for queue in Queue::ALL {
            match drawn.checked_sub(queue.share()) {
                Some(rest) => drawn = rest,
                None => return queue,
            }
        }
        Queue::Transcode
    }

    pub(super) fn topic(self) -> &'static str {
        match self {
            Queue::Transcode => "mps-transcode",
            Queue::Snapshot => "mps-snapshot",
            Queue::Ai => "mps-ai",
            Queue::Upload => "mps-upload",
        }
    }

    /// The format that the topic's subscription chose.
    pub(super) fn format(self) -> Format {
        match self {
            Queue::Transcode => Format::Xml,
            Queue::Snapshot | Queue::Upload => Format::Json,
            Queue::Ai => Format::Simplified,
        }
    }

    /// How many of all single jobs are of this queue, in hundredths.
    fn share(self) -> u64 {
        match self {
            Queue::Transcode => 40,
            Queue::Snapshot => 25,
            Queue::Ai => 15,
            Queue::Upload => 20,
        }
    }

    pub(super) fn lane(self) -> u64 {
        self as u64
    }
}

/// A message and when it is published.
pub(super) type Published = (Timestamp, Vec<u8>);

/// Makes one job's messages, in the order of publishing. `at` is when the job ends, or is submitted
/// if a message says so.
pub(super) fn make(
    queue: Queue,
    at: Timestamp,
    failure: Option<Failure>,
    dice: &mut Dice,
) -> Vec<Published> {
    let job_id = dice.id();
    match queue {
        Queue::Transcode => {
            let job_type = dice.pick(&["Transcode", "Transcode", "Transcode", "Analysis"]);
            vec![(at, ended(&job_id, job_type, failure, dice).into_bytes())]
        }
        Queue::Snapshot => vec![(at, snapshot_queue(&job_id, failure, dice).into_bytes())],
        Queue::Ai => ai(&job_id, at, failure, dice),
        Queue::Upload => upload(&job_id, at, failure, dice),
    }
}

/// What a base type's message says.
struct Base<'a> {
    job_id: &'a str,
    request_id: &'a str,
    job_type: &'a str,
    failure: Option<Failure>,
    user_data: Option<&'a str>,
}

impl Base<'_> {
    /// Both spellings in one message, as captured.
    fn entries(&self) -> Vec<(&'static str, Shape)> {
        let state = state_of(self.failure);
        let mut entries = vec![
            ("jobId", self.job_id.into()),
            ("requestId", self.request_id.into()),
            ("Type", self.job_type.into()),
            ("state", state.into()),
            ("type", self.job_type.into()),
            ("State", state.into()),
            ("JobId", self.job_id.into()),
            ("RequestId", self.request_id.into()),
        ];
        if let Some((code, text)) = self.failure {
            entries.extend([
                ("code", code.into()),
                ("Code", code.into()),
                ("msg", text.into()),
                ("Msg", text.into()),
            ]);
        }
        if let Some(user_data) = self.user_data {
            entries.extend([
                ("userData", user_data.into()),
                ("UserData", user_data.into()),
            ]);
        }
        entries
    }
}

fn state_of(failure: Option<Failure>) -> &'static str {
    if failure.is_some() { "Fail" } else { "Success" }
}

fn ended(job_id: &str, job_type: &str, failure: Option<Failure>, dice: &mut Dice) -> Shape {
    let user_data = words::user_data(dice);
    ended_with(job_id, job_type, failure, user_data.as_deref(), dice)
}

fn ended_with(
    job_id: &str,
    job_type: &str,
    failure: Option<Failure>,
    user_data: Option<&str>,
    dice: &mut Dice,
) -> Shape {
    let base = Base {
        job_id,
        request_id: &dice.request_id(),
        job_type,
        failure,
        user_data,
    };
    Shape::Object(base.entries())
}

fn snapshot_queue(job_id: &str, failure: Option<Failure>, dice: &mut Dice) -> Shape {
    if dice.chance(3, 10) {
        let job_type = dice.pick(&["MediaInfo", "MediaInfo", "Analysis"]);
        return ended(job_id, job_type, failure, dice);
    }
    let base = Base {
        job_id,
        request_id: &dice.request_id(),
        job_type: "Snapshot",
        failure,
        user_data: None,
    };
    let mut entries = base.entries();
    if failure.is_none() {
        let count = dice.between(1, 10);
        let folder = format!("http://demo-output.oss-cn-shanghai.aliyuncs.com/shots/{job_id}");
        entries.extend([
            ("UrlPattern", Shape::Text(format!("{folder}/{{Count}}.jpg"))),
            ("LastUrl", Shape::Text(format!("{folder}/{count:05}.jpg"))),
            ("Count", Shape::Number(count)),
            (
                "TimeArray",
                Shape::List((0..count).map(|n| Shape::Number(n * 1_000)).collect()),
            ),
        ]);
    }
    Shape::Object(entries)
}

fn ai(job_id: &str, at: Timestamp, failure: Option<Failure>, dice: &mut Dice) -> Vec<Published> {
    let user_data = words::user_data(dice).unwrap_or_default();
    let message = match dice.below(10) {
        0..4 => return smart_tagging(job_id, at, failure, &user_data, dice),
        4 | 5 => production(job_id, failure, &user_data, dice),
        6 | 7 => {
            let result = dice.pick(&["Pass", "Pass", "Pass", "Review", "Block"]);
            let result = ("Result", result.into());
            nested(
                "MediaCensor",
                "MediaCensorJobNotify",
                result,
                job_id,
                failure,
                &user_data,
            )
        }
        8 => {
            let similar = Shape::Object(vec![
                ("PrimaryKey", Shape::Text(dice.below(100_000).to_string())),
                (
                    "Similarity",
                    Shape::Text(format!("0.{:02}", dice.below(100))),
                ),
            ]);
            let shots = ("FpShots", Shape::List(vec![similar]));
            nested(
                "FpShot",
                "FpShotJobNotify",
                shots,
                job_id,
                failure,
                &user_data,
            )
        }
        _ => speech(job_id, failure, dice),
    };
    vec![(at, message.into_bytes())]
}

/// The one kind that tells of every change of its state.
fn smart_tagging(
    job_id: &str,
    at: Timestamp,
    failure: Option<Failure>,
    user_data: &str,
    dice: &mut Dice,
) -> Vec<Published> {
    let message = |state: &str| {
        let shape = Shape::Object(vec![
            ("Type", "smarttag".into()),
            ("JobId", job_id.into()),
            ("State", state.into()),
            ("UserData", user_data.into()),
        ]);
        shape.into_bytes()
    };
    let processing_at = at.plus_ms(dice.between(500, 30_000));
    let ended_at = processing_at.plus_ms(dice.between(20_000, 400_000));
    vec![
        (at, message("Submitted")),
        (processing_at, message("Processing")),
        (ended_at, message(state_of(failure))),
    ]
}

fn production(job_id: &str, failure: Option<Failure>, user_data: &str, dice: &mut Dice) -> Shape {
    let (code, text) = failure.unwrap_or(("Success", ""));
    let function = dice.pick(&["CaptionExtraction", "Cover", "VideoDelogo", "VideoSummary"]);
    Shape::Object(vec![
        ("Code", code.into()),
        ("Details", Shape::List(Vec::new())),
        ("FunctionName", function.into()),
        ("JobId", job_id.into()),
        ("Message", text.into()),
        ("State", state_of(failure).into()),
        ("Type", "IProduction".into()),
        ("UserData", user_data.into()),
    ])
}

/// The fields under `…JobNotify`, as the documentation has it.
fn nested(
    job_type: &'static str,
    key: &'static str,
    found: (&'static str, Shape),
    job_id: &str,
    failure: Option<Failure>,
    user_data: &str,
) -> Shape {
    let mut notify = vec![
        ("Type", job_type.into()),
        ("UserData", user_data.into()),
        ("JobId", job_id.into()),
        ("State", state_of(failure).into()),
    ];
    match failure {
        Some((code, text)) => notify.extend([("Code", code.into()), ("Message", text.into())]),
        None => notify.push(found),
    }
    Shape::Object(vec![
        ("Type", job_type.into()),
        (key, Shape::Object(notify)),
        ("UserData", user_data.into()),
    ])
}

/// Text to speech: no type, no state, and a result that is JSON in a text.
fn speech(job_id: &str, failure: Option<Failure>, dice: &mut Dice) -> Shape {
    let (code, text) = failure.unwrap_or(("Success", ""));
    let mut result = vec![("Code", code.into()), ("Message", text.into())];
    if failure.is_none() {
        result.push(("OutputDuration", Shape::Number(dice.between(2, 300))));
    }
    Shape::Object(vec![
        ("jobId", job_id.into()),
        ("requestId", Shape::Text(dice.request_id())),
        ("result", Shape::Text(Shape::Object(result).into_text())),
    ])
}

fn upload(
    job_id: &str,
    at: Timestamp,
    failure: Option<Failure>,
    dice: &mut Dice,
) -> Vec<Published> {
    let user_data = words::user_data(dice);
    let input = Shape::Object(vec![
        ("Bucket", "demo-input".into()),
        ("Location", "oss-cn-shanghai".into()),
        ("Object", Shape::Text(words::object(dice))),
    ]);
    let mut submitted = vec![
        ("JobId", job_id.into()),
        ("Type", "Transcode".into()),
        ("State", "Submitted".into()),
        ("PipelineId", UPLOAD_PIPELINE_ID.into()),
        ("CreationTime", Shape::Text(words::seconds(at))),
        ("Input", Shape::Text(input.into_text())),
    ];
    if let Some(user_data) = &user_data {
        submitted.push(("UserData", user_data.into()));
    }
    let ended_at = at.plus_ms(transcode_ms(failure, dice));
    let ended = ended_with(job_id, "Transcode", failure, user_data.as_deref(), dice);
    vec![
        (at, Shape::Object(submitted).into_bytes()),
        (ended_at, ended.into_bytes()),
    ]
}

/// Returns how long a transcode waits and runs: mostly a minute or three, now and then ten times
/// that. What fails, fails soon.
pub(super) fn transcode_ms(failure: Option<Failure>, dice: &mut Dice) -> i64 {
    match failure {
        Some(_) => dice.between(1_500, 9_000),
        None if dice.chance(1, 12) => dice.between(180_000, 1_500_000),
        None => dice.between(15_000, 180_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trouble::CONTENT_BAD;

    #[test]
    fn a_made_up_success_is_the_captured_one_byte_for_byte() {
        let base = Base {
            job_id: "aaaa0000bbbb1111cccc2222dddd3333",
            request_id: "00000000-1111-4222-8333-444444444444",
            job_type: "Transcode",
            failure: None,
            user_data: None,
        };
        let captured = include_str!("../../tests/data/job-transcode-success.json");
        assert_eq!(Shape::Object(base.entries()).into_text(), captured);
    }

    #[test]
    fn a_made_up_failure_has_the_keys_of_the_sample_in_its_order() {
        let base = Base {
            job_id: "31fa3c9ca8134f9cec2b4b0b0f787830",
            request_id: "25818875-5F78-4A13-BEF6-D7393642CA58",
            job_type: "Transcode",
            failure: Some(CONTENT_BAD),
            user_data: Some("testid-001"),
        };
        let sample = include_str!("../../tests/data/job-transcode-fail.guess.json");
        let compact = sample.lines().map(str::trim).collect::<String>();
        let made = Shape::Object(base.entries()).into_text();
        assert_eq!(made, compact.replace("\": ", "\":"));
    }

    #[test]
    fn the_queues_share_all_single_jobs() {
        assert_eq!(Queue::ALL.map(Queue::share).iter().sum::<u64>(), 100);
    }
}
