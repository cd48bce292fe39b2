//! Runs of three workflows: a Start message, and later, mostly, a Report.

use crate::clock::Timestamp;
use crate::demo::dice::Dice;
use crate::demo::jobs::{Published, Queue, transcode_ms};
use crate::demo::shape::Shape;
use crate::demo::trouble::{Failure, Troubles};
use crate::demo::words;
use crate::notification::Format;

/// The topic on the workflows' Input nodes, and the format of its subscription.
pub(super) const TOPIC: &str = "mps-workflow";
pub(super) const FORMAT: Format = Format::Xml;

/// The most jobs one run brings, Start's own among them.
pub(super) const RUN_JOBS_MAX: u64 = 7;

/// The message comes this long after the activity has ended.
const PUBLISHED_AFTER_MS: i64 = 200;

struct Workflow {
    id: &'static str,
    name: &'static str,
    /// What stands between Start and Report, by level.
    steps: &'static [Step],
}

struct Step {
    name: &'static str,
    activity_type: &'static str,
    template_id: Option<&'static str>,
    /// Steps of one level start in the same second, when the level before has ended.
    level: u8,
}

const fn step(
    name: &'static str,
    activity_type: &'static str,
    template_id: Option<&'static str>,
    level: u8,
) -> Step {
    Step {
        name,
        activity_type,
        template_id,
        level,
    }
}

const LD: Option<&str> = Some("S00000001-200010");
const SD: Option<&str> = Some("S00000001-200020");
const HD: Option<&str> = Some("S00000001-200030");
const FHD: Option<&str> = Some("S00000001-200040");
const MP3: Option<&str> = Some("S00000001-300050");

const WORKFLOWS: [Workflow; 3] = [
    Workflow {
        id: "1c6e0f2a94b84d7d8a3b5e7f90d12c46",
        name: "视频转码工作流",
        steps: &[
            step("流畅", "Transcode", LD, 0),
            step("标清", "Transcode", SD, 0),
            step("高清 转码", "Transcode", HD, 0),
            step("封面（截图）", "Snapshot", None, 0),
        ],
    },
    Workflow {
        id: "7f3d5b19c2e046a8b1d4f6a80c9e2573",
        name: "课程回放-审核与发布",
        steps: &[
            step("分析", "Analysis", None, 0),
            step("审核", "Censor", None, 0),
            step("标清", "Transcode", SD, 1),
            step("高清", "Transcode", HD, 1),
            step("超清", "Transcode", FHD, 1),
            step("封面", "Snapshot", None, 1),
            step("播放列表", "GenerateMasterPlayList", None, 2),
        ],
    },
    Workflow {
        id: "e2a48c6097d34b1fa5c7091b3d5f6e82",
        name: "podcast-audio",
        steps: &[step("mp3", "Transcode", MP3, 0)],
    },
];

/// Returns the ids of the workflows.
pub(super) fn workflow_ids() -> impl Iterator<Item = &'static str> {
    WORKFLOWS.iter().map(|workflow| workflow.id)
}

/// A made-up run.
pub(super) struct Made {
    /// In the order of publishing.
    pub(super) messages: Vec<Published>,
    /// How many job ids the messages name.
    pub(super) jobs: u64,
}

/// Makes a run that starts at `at`. What is later than `ends_at` has not happened yet.
pub(super) fn make(
    at: Timestamp,
    ends_at: Timestamp,
    troubles: &mut Troubles,
    dice: &mut Dice,
) -> Made {
    let number = dice.pick(&[0, 0, 0, 1, 1, 2_usize]);
    let lane = (Queue::ALL.len() + number) as u64;
    let [first, ..] = &WORKFLOWS;
    let workflow = WORKFLOWS.get(number).unwrap_or(first);
    let is_stuck = dice.chance(1, 60);
    let run = Run::draw(workflow, at, |dice| troubles.failure(lane, at, dice), dice);
    let started = (run.start.published_at(), run.start_message().into_bytes());
    let reported_at = run.report.published_at();
    if is_stuck || reported_at > ends_at {
        return Made {
            messages: vec![started],
            jobs: run.start.jobs(),
        };
    }
    let jobs = run.all().map(Activity::jobs).sum();
    let reported = (reported_at, run.report_message().into_bytes());
    Made {
        messages: vec![started, reported],
        jobs,
    }
}

/// What the messages of one run say.
struct Run {
    id: String,
    workflow_id: &'static str,
    workflow_name: &'static str,
    media_id: String,
    bucket: &'static str,
    object: String,
    user_data: Option<String>,
    created_at: Timestamp,
    request_id: String,
    start: Activity,
    work: Vec<Activity>,
    report: Activity,
}

struct Activity {
    name: &'static str,
    /// What MPS calls its type.
    kind: &'static str,
    job_id: Option<String>,
    template_id: Option<&'static str>,
    state: &'static str,
    failure: Option<Failure>,
    /// Absent of what was skipped.
    times: Option<(Timestamp, Timestamp)>,
}

impl Run {
    fn draw(
        workflow: &Workflow,
        at: Timestamp,
        mut failure: impl FnMut(&mut Dice) -> Option<Failure>,
        dice: &mut Dice,
    ) -> Run {
        // The source itself is bad: then nothing else is tried.
        let start_failure = failure(dice).filter(|_| dice.chance(1, 2));
        let start_ended_at = at.plus_ms(dice.between(300, 1_500));
        let start = Activity {
            name: "Act-Start",
            kind: "Start",
            job_id: Some(dice.id()),
            template_id: None,
            state: state_of(start_failure),
            failure: start_failure,
            times: Some((at, start_ended_at)),
        };
        let (work, work_ended_at) = match start_failure {
            Some(_) => (
                workflow.steps.iter().map(Activity::skipped).collect(),
                start_ended_at,
            ),
            None => draw_work(workflow, start_ended_at, failure, dice),
        };
        let reported_at = work_ended_at.plus_ms(1_000);
        let report = Activity {
            name: "Act-Report",
            kind: "Report",
            job_id: None,
            template_id: None,
            state: state_of(start_failure),
            failure: None,
            times: Some((reported_at, reported_at)),
        };
        Run {
            id: dice.id(),
            workflow_id: workflow.id,
            workflow_name: workflow.name,
            media_id: dice.id(),
            bucket: "demo-input",
            object: words::object(dice),
            user_data: words::user_data(dice),
            created_at: at,
            request_id: dice.short_request_id(at.0.div_euclid(1_000)),
            start,
            work,
            report,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Activity> {
        // The list has no order in real messages; the captured one begins with the Report.
        [&self.report, &self.start].into_iter().chain(&self.work)
    }

    fn start_message(&self) -> Shape {
        self.message(
            &self.start,
            self.start.failure,
            "Running",
            vec![&self.start],
        )
    }

    fn report_message(&self) -> Shape {
        let state = if self.start.failure.is_some() {
            "Fail"
        } else {
            // Whatever the work did: the graph has ended.
            "Completed"
        };
        self.message(
            &self.report,
            self.start.failure,
            state,
            self.all().collect(),
        )
    }

    fn message(
        &self,
        about: &Activity,
        failure: Option<Failure>,
        state: &str,
        activities: Vec<&Activity>,
    ) -> Shape {
        let mut message = vec![
            ("RunId", (&self.id).into()),
            ("Name", about.name.into()),
            ("Type", about.kind.into()),
        ];
        message.extend(about.job_id.iter().map(|id| ("JobId", id.into())));
        message.push(("State", about.state.into()));
        message.extend(failure_entries(failure));
        let input_file = Shape::Object(vec![
            ("Bucket", self.bucket.into()),
            ("Location", "oss-cn-shanghai".into()),
            ("Object", (&self.object).into()),
        ]);
        let mut input = vec![("InputFile", input_file)];
        input.extend(self.user_data.iter().map(|data| ("UserData", data.into())));
        let activities = activities
            .into_iter()
            .map(|activity| activity.shape(&self.id));
        let execution = Shape::Object(vec![
            ("MediaWorkflowId", self.workflow_id.into()),
            ("Name", self.workflow_name.into()),
            ("RunId", (&self.id).into()),
            ("MediaId", (&self.media_id).into()),
            ("Input", Shape::Object(input)),
            ("State", state.into()),
            ("ActivityList", Shape::List(activities.collect())),
            ("CreationTime", Shape::Text(words::seconds(self.created_at))),
            ("RequestId", (&self.request_id).into()),
        ]);
        message.push(("MediaWorkflowExecution", execution));
        Shape::Object(message)
    }
}

/// Draws what each step did, level by level, and when the last of them ended.
fn draw_work(
    workflow: &Workflow,
    from: Timestamp,
    mut failure: impl FnMut(&mut Dice) -> Option<Failure>,
    dice: &mut Dice,
) -> (Vec<Activity>, Timestamp) {
    let (mut level, mut level_begins_at, mut ended_at) = (0, from, from);
    let mut work = Vec::new();
    for step in workflow.steps {
        if step.level != level {
            (level, level_begins_at) = (step.level, ended_at);
        }
        let failure = failure(dice).filter(|_| step.has_job());
        let took_ms = match step.activity_type {
            "Transcode" => transcode_ms(failure, dice),
            "GenerateMasterPlayList" => dice.between(300, 1_200),
            _ => dice.between(1_500, 25_000),
        };
        let step_ended_at = level_begins_at.plus_ms(took_ms);
        ended_at = ended_at.max(step_ended_at);
        work.push(Activity {
            name: step.name,
            kind: step.activity_type,
            job_id: step.has_job().then(|| dice.id()),
            template_id: step.template_id,
            state: state_of(failure),
            failure,
            times: Some((level_begins_at, step_ended_at)),
        });
    }
    (work, ended_at)
}

impl Step {
    fn has_job(&self) -> bool {
        self.activity_type != "GenerateMasterPlayList"
    }
}

impl Activity {
    fn skipped(step: &Step) -> Activity {
        Activity {
            name: step.name,
            kind: step.activity_type,
            job_id: None,
            template_id: step.template_id,
            state: "Skipped",
            failure: None,
            times: None,
        }
    }

    fn jobs(&self) -> u64 {
        u64::from(self.job_id.is_some())
    }

    /// Returns when MPS tells of it, if it tells.
    fn published_at(&self) -> Timestamp {
        let ended_at = self.times.map_or(Timestamp(0), |(_, ended_at)| ended_at);
        ended_at.plus_ms(PUBLISHED_AFTER_MS)
    }

    fn shape(&self, run_id: &String) -> Shape {
        let mut entries = vec![
            ("RunId", run_id.into()),
            ("Name", self.name.into()),
            ("Type", self.kind.into()),
        ];
        entries.extend(self.job_id.iter().map(|id| ("JobId", id.into())));
        entries.extend(self.template_id.map(|id| ("TemplateId", id.into())));
        entries.push(("State", self.state.into()));
        entries.extend(failure_entries(self.failure));
        if let Some((started_at, ended_at)) = self.times {
            entries.extend([
                ("StartTime", Shape::Text(words::seconds(started_at))),
                ("EndTime", Shape::Text(words::seconds(ended_at))),
            ]);
        }
        Shape::Object(entries)
    }
}

fn state_of(failure: Option<Failure>) -> &'static str {
    if failure.is_some() { "Fail" } else { "Success" }
}

fn failure_entries(failure: Option<Failure>) -> impl Iterator<Item = (&'static str, Shape)> {
    let entries = failure.map(|(code, text)| [("Code", code.into()), ("Message", text.into())]);
    entries.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn activity(
        name: &'static str,
        kind: &'static str,
        job_id: Option<&str>,
        times: (&str, &str),
    ) -> Activity {
        Activity {
            name,
            kind,
            job_id: job_id.map(str::to_owned),
            template_id: None,
            state: "Success",
            failure: None,
            times: Some((time(times.0), time(times.1))),
        }
    }

    #[test]
    fn a_made_up_run_has_the_messages_of_the_sample_byte_for_byte() {
        let (zero, one) = ("2024-05-06T08:00:00Z", "2024-05-06T08:00:01Z");
        let (ended, reported) = ("2024-05-06T08:02:10Z", "2024-05-06T08:02:11Z");
        let mut hd = activity(
            "HD",
            "Transcode",
            Some("aaaa3333aaaa3333aaaa3333aaaa3333"),
            (one, ended),
        );
        hd.template_id = HD;
        let cover = activity(
            "cover",
            "Snapshot",
            Some("aaaa2222aaaa2222aaaa2222aaaa2222"),
            (one, "2024-05-06T08:00:03Z"),
        );
        let start_id = Some("aaaa1111aaaa1111aaaa1111aaaa1111");
        let run = Run {
            id: "11112222333344445555666677778888".to_owned(),
            workflow_id: "99990000999900009999000099990000",
            workflow_name: "示例-workflow",
            media_id: "abcdabcdabcdabcdabcdabcdabcdabcd".to_owned(),
            bucket: "example-input",
            object: "in/clip.mp4".to_owned(),
            user_data: Some("sku-1001".to_owned()),
            created_at: time(zero),
            request_id: "66388C8000112233445566CC".to_owned(),
            start: activity("Act-Start", "Start", start_id, (zero, one)),
            work: vec![cover, hd],
            report: activity("Act-Report", "Report", None, (reported, reported)),
        };
        let start = include_str!("../../tests/data/workflow-start.json");
        assert_eq!(run.start_message().into_text(), start);
        let report = include_str!("../../tests/data/workflow-report-completed.json");
        assert_eq!(run.report_message().into_text(), report);
    }

    #[test]
    fn no_run_brings_more_jobs_than_the_bound_and_one_brings_as_many() {
        let most = WORKFLOWS.iter().map(|workflow| {
            let jobs = workflow.steps.iter().filter(|step| step.has_job());
            jobs.count() as u64 + 1
        });
        assert_eq!(most.max(), Some(RUN_JOBS_MAX));
    }
}
