//! The pushes that the machine is driven with: what each says, as a value that the model reads, and
//! as the message that mpsink reads.

use mpsink::clock::Timestamp;
use mpsink::notification::Format;
use mpsink::notification::delivery::Delivery;
use mpsink::notification::event::{JobState, RunPart};
use mpsink::notification::source::Source;
use mpsink::push::{PushContent, build_unsigned};
use proptest::prelude::{Just, Strategy, prop, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::app::NOW;

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Ages in days: of now, of minutes that are kept and are not, and around each horizon.
const AGES: [i64; 6] = [0, 1, 6, 9, 40, 100];

/// One push, whole. Of two with the same number the second is a duplicate, or under the same key
/// another message.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) number: i64,
    pub(super) received_at: Timestamp,
    pub(super) fresh: Fresh,
}

/// A push before it has a number.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) format: Format,
    /// Its place among the sources.
    pub(super) source: usize,
    pub(super) owner: &'static str,
    pub(super) topic: &'static str,
    pub(super) published_days: i64,
    pub(super) received_days: i64,
    pub(super) said: Said,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Job(Job),
    Run(Run),
    /// Nothing that anybody understands.
    Odd(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: &'static str,
    pub(super) state: JobState,
    /// Only a failure has one.
    pub(super) code: &'static str,
    pub(super) user_data: Option<&'static str>,
    pub(super) pipeline: Option<&'static str>,
    pub(super) times: Times,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: &'static str,
    pub(super) workflow: &'static str,
    pub(super) part: RunPart,
    pub(super) state: JobState,
    pub(super) created_at: Option<Timestamp>,
    /// The activity whose end sent the message, then others.
    pub(super) activities: Vec<Activity>,
}

#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) job: Option<&'static str>,
    pub(super) state: JobState,
    pub(super) code: &'static str,
    pub(super) times: Times,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) submitted: Option<Timestamp>,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
}

impl Push {
    /// No two messages are published in the same millisecond, so that the order of events does not
    /// come down to hashes.
    pub(super) fn published_at(&self) -> Timestamp {
        NOW.plus_ms(self.number - self.fresh.published_days * DAY_MS)
    }

    pub(super) fn message_id(&self) -> String {
        format!("m{}", self.number)
    }

    pub(super) fn text(&self) -> String {
        self.fresh.said.text()
    }

    pub(super) fn delivery(&self, sources: &[Source]) -> Delivery {
        let source = &sources[self.fresh.source];
        let content = PushContent {
            format: self.fresh.format,
            topic_owner: self.fresh.owner.to_owned(),
            topic: self.fresh.topic.to_owned(),
            message_id: self.message_id(),
            tag: None,
            published_at: self.published_at(),
            message: self.text().into_bytes(),
        };
        let push = build_unsigned(&content, &source.paths[0], self.received_at).unwrap();
        push.into_delivery(source.id, self.received_at)
    }
}

impl Said {
    fn text(&self) -> String {
        match self {
            Said::Job(job) => job.json().to_string(),
            Said::Run(run) => run.json().to_string(),
            Said::Odd(text) => (*text).to_owned(),
        }
    }
}

impl Job {
    fn json(&self) -> Value {
        let mut json = json!({
            "JobId": self.id, "jobId": self.id, "Type": "Transcode", "State": word(self.state),
            "UserData": self.user_data, "PipelineId": self.pipeline,
            "CreationTime": self.times.submitted, "StartTime": self.times.started,
            "FinishTime": self.times.finished,
        });
        if self.state == JobState::Failed {
            json["Code"] = json!(self.code);
        }
        json
    }
}

impl Run {
    fn json(&self) -> Value {
        let sender = &self.activities[0];
        json!({
            "RunId": self.id, "Name": sender.name, "Type": sender.kind,
            "State": word(sender.state),
            "MediaWorkflowExecution": {
                "RunId": self.id, "MediaWorkflowId": self.workflow, "State": word(self.state),
                "CreationTime": self.created_at,
                "ActivityList": self.activities.iter().map(Activity::json).collect::<Vec<_>>(),
            },
        })
    }
}

impl Activity {
    fn json(&self) -> Value {
        let mut json = json!({
            "Name": self.name, "Type": self.kind, "JobId": self.job, "State": word(self.state),
            "StartTime": self.times.started, "EndTime": self.times.finished,
        });
        if self.state == JobState::Failed {
            json["Code"] = json!(self.code);
        }
        json
    }
}

/// MPS's word for a state.
fn word(state: JobState) -> &'static str {
    match state {
        JobState::Submitted => "Submitted",
        JobState::Running => "Processing",
        JobState::Succeeded => "Success",
        JobState::Failed => "Fail",
        JobState::Cancelled => "Cancelled",
        JobState::Skipped => "Skipped",
        JobState::Completed => "Completed",
        JobState::Unknown => "Whatever",
    }
}

pub(super) fn fresh() -> impl Strategy<Value = Fresh> {
    let format = select(vec![Format::Simplified, Format::Json, Format::Xml]);
    let place = (
        format,
        select(vec![0, 1]),
        select(vec!["1001", "2002"]),
        select(vec!["t1", "t2"]),
    );
    // Most are received when they are published; what was held for long is not.
    let days = prop_oneof![
        3 => age().prop_map(|days| (days, days)),
        1 => (age(), age()),
    ];
    (place, days, said()).prop_map(
        |((format, source, owner, topic), (published_days, received_days), said)| Fresh {
            format,
            source,
            owner,
            topic,
            published_days,
            received_days,
            said,
        },
    )
}

pub(super) fn said() -> impl Strategy<Value = Said> {
    let odd = select(vec![
        "hello",
        "[1]",
        r#"{"EventType":"FileUploadComplete"}"#,
    ]);
    prop_oneof![
        5 => job().prop_map(Said::Job),
        4 => run().prop_map(Said::Run),
        1 => odd.prop_map(Said::Odd),
    ]
}

fn age() -> impl Strategy<Value = i64> {
    select(AGES.to_vec())
}

fn job() -> impl Strategy<Value = Job> {
    let states = vec![
        JobState::Succeeded,
        JobState::Failed,
        JobState::Submitted,
        JobState::Running,
        JobState::Cancelled,
        JobState::Unknown,
    ];
    let told = (
        select(vec![None, Some("sku-1"), Some("sku-2")]),
        select(vec![None, None, Some("p1"), Some("p2")]),
    );
    (
        select(vec!["j1", "j2", "j3"]),
        select(states),
        code(),
        told,
        times(),
    )
        .prop_map(|(id, state, code, (user_data, pipeline), times)| Job {
            id,
            state,
            code,
            user_data,
            pipeline,
            times,
        })
}

fn run() -> impl Strategy<Value = Run> {
    let states = vec![JobState::Running, JobState::Completed, JobState::Failed];
    let sender = prop_oneof![
        Just((RunPart::Start, "Start", "Start")),
        Just((RunPart::Report, "Report", "Report")),
        Just((RunPart::Progress, "a", "Transcode")),
    ];
    let names = (select(vec!["r1", "r2"]), select(vec!["w1", "w2"]));
    let others = prop::collection::vec(activity(), 0..3);
    (names, sender, select(states), time(), (activity(), others)).prop_map(
        |((id, workflow), (part, name, kind), state, created_at, (sender, others))| {
            let sender = Activity {
                name,
                kind,
                ..sender
            };
            let activities = [vec![sender], others].concat();
            Run {
                id,
                workflow,
                part,
                state,
                created_at,
                activities,
            }
        },
    )
}

fn activity() -> impl Strategy<Value = Activity> {
    let states = vec![
        JobState::Succeeded,
        JobState::Failed,
        JobState::Skipped,
        JobState::Running,
    ];
    // One of the jobs has messages of its own, too.
    let job = select(vec![None, Some("j3"), Some("j4")]);
    (
        select(vec!["a", "b"]),
        select(vec!["Transcode", "Snapshot"]),
        job,
        (select(states), code()),
        times(),
    )
        .prop_map(|(name, kind, job, (state, code), times)| Activity {
            name,
            kind,
            job,
            state,
            code,
            times,
        })
}

fn code() -> impl Strategy<Value = &'static str> {
    select(vec!["InternalError", "InvalidParameter.ResourceNotFound"])
}

fn times() -> impl Strategy<Value = Times> {
    (time(), time(), time()).prop_map(|(submitted, started, finished)| Times {
        submitted,
        started,
        finished,
    })
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let back = |days: i64, ms: i64| Some(NOW.plus_ms(-days * DAY_MS - ms));
    select(vec![
        None,
        None,
        back(0, 1_000),
        back(0, 61_000),
        back(1, 0),
        back(9, 0),
        back(40, 5_000),
        back(100, 0),
    ])
}
