//! The keys that messages are read from, in the capital spelling.
//!
//! `fields.rs` looks them up ignoring case, so that `jobId` and `JobId` are one. Where a list has
//! several, they are different keys for one thing, the most usual first. All are from the official
//! documentation or captured messages unless it says otherwise.

/// The names that one thing goes by, the most usual first.
pub(super) type Keys = &'static [&'static str];

pub(super) const JOB_ID: Keys = &["JobId"];
pub(super) const RUN_ID: Keys = &["RunId"];
pub(super) const REQUEST_ID: Keys = &["RequestId"];
pub(super) const NAME: Keys = &["Name"];
pub(super) const TYPE: Keys = &["Type"];
/// `Status` is a guess for library and video quality jobs, whose messages are undocumented.
pub(super) const STATE: Keys = &["State", "Status"];
pub(super) const CODE: Keys = &["Code"];
pub(super) const MESSAGE: Keys = &["Message", "Msg"];
pub(super) const USER_DATA: Keys = &["UserData"];
pub(super) const PIPELINE_ID: Keys = &["PipelineId"];
/// Text to speech: a JSON text with `Code` and `Message`.
pub(super) const RESULT: Keys = &["Result"];

pub(super) const INPUT: Keys = &["Input"];
pub(super) const INPUT_FILE: Keys = &["InputFile"];
pub(super) const BUCKET: Keys = &["Bucket"];
pub(super) const LOCATION: Keys = &["Location"];
pub(super) const OBJECT: Keys = &["Object"];

/// `CreationTime` is what the query API calls it; the others are what a user's own submitter may.
pub(super) const SUBMITTED_AT: Keys = &["CreationTime", "SubmitTime", "CreateTime"];
pub(super) const STARTED_AT: Keys = &["StartTime"];
/// `FinishTime` is the query API's word for a job, `EndTime` the messages' for an activity.
pub(super) const FINISHED_AT: Keys = &["FinishTime", "EndTime"];

pub(super) const EXECUTION: Keys = &["MediaWorkflowExecution"];
pub(super) const WORKFLOW_ID: Keys = &["MediaWorkflowId"];
pub(super) const MEDIA_ID: Keys = &["MediaId"];
pub(super) const ACTIVITY_LIST: Keys = &["ActivityList"];
/// What the query API wraps its list in.
pub(super) const ACTIVITY: Keys = &["Activity"];
pub(super) const TEMPLATE_ID: Keys = &["TemplateId"];
pub(super) const CREATED_AT: Keys = &["CreationTime"];

/// Marks an event of another product (IMS, VOD).
pub(super) const EVENT_TYPE: Keys = &["EventType"];
/// What an event bus wraps a message in; `data_base64` is that of `CloudEvents` for bytes.
pub(super) const DATA: Keys = &["Data", "data_base64"];
/// How the key ends under which content moderation and fingerprints nest their fields:
/// `MediaCensorJobNotify`, `FpShotJobNotify`.
pub(super) const JOB_NOTIFY_ENDING: &str = "JobNotify";
