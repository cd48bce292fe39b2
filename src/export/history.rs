//! The columns of what is folded from events: jobs, runs, activities.
//!
//! They are the fields of the records, with what is nested taken apart. Whoever reads an export may
//! count columns: new ones go to the end, and none is renamed, moved or given another meaning.
//! `docs/export.md` lists the same, which a test holds.

use crate::export::columns::{Cell, Column, Kind, MILLISECONDS, NUMBER, OWNER, REGION, column};
use crate::notification::event::MediaObject;
use crate::store::records::{ActivityRecord, JobRecord, RunRecord};

const RAW_STATE: &str = "The state in MPS's own word";

const CODE: &str = "MPS's error code, of what failed";

const GROUP: &str = "The kind of failure that `code` belongs to";

const MESSAGE: &str = "MPS's error text";

const USER_DATA: &str = "What was given with the job when it was submitted, never parsed";

const INPUT_BUCKET: &str = "The bucket of the input object";

const INPUT_LOCATION: &str = "The location of that bucket, such as `oss-cn-shanghai`";

const INPUT_OBJECT: &str = "The key of the input object, not encoded";

const EVENT_COUNT: &str = "How many distinct events it was folded from";

const DELIVERY_COUNT: &str = "How many pushes brought them, duplicates counted";

const CONFLICT: &str = "Two of its events end it differently";

const WORKFLOW_ID: &str = "The workflow's id";

const WORKFLOW_NAME: &str = "The workflow's name by configuration, else the newest in a message";

const LAST_EVENT_AT: &str = "When its newest event happened; what `from` and `to` compare";

const EXTRA: &str = "What else its messages say, as an object; empty if nothing";

pub(super) const JOBS: &[Column<JobRecord>] = &[
    column(
        "id",
        Kind::Text,
        "MPS's id of the job; unique only together with `owner`",
        |job, cell| job.id.put(cell),
    ),
    column("owner", Kind::Text, OWNER, |job, cell| job.owner.put(cell)),
    column("region", Kind::Text, REGION, |job, cell| {
        job.region.put(cell);
    }),
    column(
        "queue",
        Kind::Text,
        "The MPS queue; empty for a job inside a workflow",
        |job, cell| job.queue.put(cell),
    ),
    column(
        "run",
        Kind::Text,
        "The id of the run that it is an activity of",
        |job, cell| job.run.put(cell),
    ),
    column(
        "workflow",
        Kind::Text,
        "The id of that run's workflow",
        |job, cell| job.workflow.put(cell),
    ),
    column("workflow_name", Kind::Text, WORKFLOW_NAME, |job, cell| {
        job.workflow_name.put(cell);
    }),
    column(
        "type",
        Kind::Text,
        "The kind of job as MPS spells it, such as `Transcode`",
        |job, cell| job.job_type.put(cell),
    ),
    column(
        "state",
        Kind::Word,
        "`submitted`, `running`, `succeeded`, `failed`, `cancelled`, `skipped`, `completed` or `unknown`",
        |job, cell| job.state.put(cell),
    ),
    column("raw_state", Kind::Text, RAW_STATE, |job, cell| {
        job.raw_state.put(cell);
    }),
    column("code", Kind::Text, CODE, |job, cell| job.code.put(cell)),
    column("group", Kind::Text, GROUP, |job, cell| job.group.put(cell)),
    column("message", Kind::Text, MESSAGE, |job, cell| {
        job.message.put(cell);
    }),
    column("user_data", Kind::Text, USER_DATA, |job, cell| {
        job.user_data.put(cell);
    }),
    column("input_bucket", Kind::Text, INPUT_BUCKET, |job, cell| {
        input(job.input.as_ref(), |input| &input.bucket, cell);
    }),
    column("input_location", Kind::Text, INPUT_LOCATION, |job, cell| {
        input(job.input.as_ref(), |input| &input.location, cell);
    }),
    column("input_object", Kind::Text, INPUT_OBJECT, |job, cell| {
        input(job.input.as_ref(), |input| &input.object, cell);
    }),
    column(
        "submitted_at",
        Kind::Time,
        "When it was submitted, if a message says so",
        |job, cell| job.submitted_at.put(cell),
    ),
    column(
        "started_at",
        Kind::Time,
        "When it began, if a message says so",
        |job, cell| job.started_at.put(cell),
    ),
    column(
        "finished_at",
        Kind::Time,
        "When it ended, by its message, else when that message was published",
        |job, cell| job.finished_at.put(cell),
    ),
    column(
        "duration_ms",
        MILLISECONDS,
        "From its start, else its submission, to its end",
        |job, cell| job.duration_ms.put(cell),
    ),
    column("events", NUMBER, EVENT_COUNT, |job, cell| {
        job.events.put(cell);
    }),
    column("deliveries", NUMBER, DELIVERY_COUNT, |job, cell| {
        job.deliveries.put(cell);
    }),
    column("conflict", Kind::Flag, CONFLICT, |job, cell| {
        job.conflict.put(cell);
    }),
    column("last_event_at", Kind::Time, LAST_EVENT_AT, |job, cell| {
        job.last_event_at.put(cell);
    }),
    column("extra", Kind::Json, EXTRA, |job, cell| job.extra.put(cell)),
];

pub(super) const RUNS: &[Column<RunRecord>] = &[
    column(
        "id",
        Kind::Text,
        "MPS's id of the run; unique only together with `owner`",
        |run, cell| run.id.put(cell),
    ),
    column("owner", Kind::Text, OWNER, |run, cell| run.owner.put(cell)),
    column("region", Kind::Text, REGION, |run, cell| {
        run.region.put(cell);
    }),
    column("workflow_id", Kind::Text, WORKFLOW_ID, |run, cell| {
        run.workflow.id.put(cell);
    }),
    column("workflow_name", Kind::Text, WORKFLOW_NAME, |run, cell| {
        run.workflow.name.put(cell);
    }),
    column(
        "media_id",
        Kind::Text,
        "MPS's id of the media; the same when an object is uploaded again",
        |run, cell| run.media_id.put(cell),
    ),
    column("input_bucket", Kind::Text, INPUT_BUCKET, |run, cell| {
        input(run.input.as_ref(), |input| &input.bucket, cell);
    }),
    column("input_location", Kind::Text, INPUT_LOCATION, |run, cell| {
        input(run.input.as_ref(), |input| &input.location, cell);
    }),
    column("input_object", Kind::Text, INPUT_OBJECT, |run, cell| {
        input(run.input.as_ref(), |input| &input.object, cell);
    }),
    column("user_data", Kind::Text, USER_DATA, |run, cell| {
        run.user_data.put(cell);
    }),
    column(
        "outcome",
        Kind::Word,
        "`running`, `succeeded`, `partial`, `failed` or `stale`, from its activities",
        |run, cell| run.outcome.put(cell),
    ),
    column(
        "nothing_done",
        Kind::Flag,
        "It has ended well, but all of its work was skipped",
        |run, cell| run.nothing_done.put(cell),
    ),
    column("raw_state", Kind::Text, RAW_STATE, |run, cell| {
        run.raw_state.put(cell);
    }),
    column("code", Kind::Text, CODE, |run, cell| run.code.put(cell)),
    column("group", Kind::Text, GROUP, |run, cell| run.group.put(cell)),
    column("message", Kind::Text, MESSAGE, |run, cell| {
        run.message.put(cell);
    }),
    column("created_at", Kind::Time, "When it began", |run, cell| {
        run.created_at.put(cell);
    }),
    column(
        "finished_at",
        Kind::Time,
        "When its last activity (Report) ended",
        |run, cell| run.finished_at.put(cell),
    ),
    column(
        "duration_ms",
        MILLISECONDS,
        "From its beginning to its end",
        |run, cell| run.duration_ms.put(cell),
    ),
    column("events", NUMBER, EVENT_COUNT, |run, cell| {
        run.events.put(cell);
    }),
    column("deliveries", NUMBER, DELIVERY_COUNT, |run, cell| {
        run.deliveries.put(cell);
    }),
    column("conflict", Kind::Flag, CONFLICT, |run, cell| {
        run.conflict.put(cell);
    }),
    column("last_event_at", Kind::Time, LAST_EVENT_AT, |run, cell| {
        run.last_event_at.put(cell);
    }),
    column("extra", Kind::Json, EXTRA, |run, cell| run.extra.put(cell)),
    column(
        "activities",
        Kind::Json,
        "Its activities as an array, each as in the JSON of activities; empty if none is known",
        |run, cell| run.activities.put(cell),
    ),
];

pub(super) const ACTIVITIES: &[Column<ActivityRecord>] = &[
    column("run", Kind::Text, "The id of its run", |activity, cell| {
        activity.run.put(cell);
    }),
    column("owner", Kind::Text, OWNER, |activity, cell| {
        activity.owner.put(cell);
    }),
    column("region", Kind::Text, REGION, |activity, cell| {
        activity.region.put(cell);
    }),
    column("workflow_id", Kind::Text, WORKFLOW_ID, |activity, cell| {
        activity.workflow.id.put(cell);
    }),
    column(
        "workflow_name",
        Kind::Text,
        WORKFLOW_NAME,
        |activity, cell| activity.workflow.name.put(cell),
    ),
    column(
        "name",
        Kind::Text,
        "Its name in the workflow",
        |activity, cell| activity.name.put(cell),
    ),
    column(
        "type",
        Kind::Text,
        "Its kind as MPS spells it, such as `Snapshot`",
        |activity, cell| activity.activity_type.put(cell),
    ),
    column(
        "job",
        Kind::Text,
        "The id of the job behind it",
        |activity, cell| activity.job.put(cell),
    ),
    column(
        "template_id",
        Kind::Text,
        "The id of the transcoding template",
        |activity, cell| activity.template_id.put(cell),
    ),
    column("state", Kind::Word, "As of jobs", |activity, cell| {
        activity.state.put(cell);
    }),
    column("raw_state", Kind::Text, RAW_STATE, |activity, cell| {
        activity.raw_state.put(cell);
    }),
    column("code", Kind::Text, CODE, |activity, cell| {
        activity.code.put(cell);
    }),
    column("group", Kind::Text, GROUP, |activity, cell| {
        activity.group.put(cell);
    }),
    column("message", Kind::Text, MESSAGE, |activity, cell| {
        activity.message.put(cell);
    }),
    column(
        "started_at",
        Kind::Time,
        "When it began; all activities of a level begin together",
        |activity, cell| activity.started_at.put(cell),
    ),
    column(
        "finished_at",
        Kind::Time,
        "When it ended",
        |activity, cell| activity.finished_at.put(cell),
    ),
    column(
        "duration_ms",
        MILLISECONDS,
        "Its wait in the queue and its work",
        |activity, cell| activity.duration_ms.put(cell),
    ),
    column("conflict", Kind::Flag, CONFLICT, |activity, cell| {
        activity.conflict.put(cell);
    }),
    column(
        "last_event_at",
        Kind::Time,
        LAST_EVENT_AT,
        |activity, cell| activity.last_event_at.put(cell),
    ),
    column("extra", Kind::Json, EXTRA, |activity, cell| {
        activity.extra.put(cell);
    }),
];

/// Writes a part of a job's or run's input.
fn input(
    input: Option<&MediaObject>,
    part: fn(&MediaObject) -> &Option<String>,
    cell: &mut String,
) {
    if let Some(input) = input {
        part(input).put(cell);
    }
}
