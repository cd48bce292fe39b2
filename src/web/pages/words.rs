//! How the pages say things that are the same in every language: sizes, addresses, names.
//!
//! Templates call these. Everything here returns text that is still to be escaped. What differs by
//! language is in `web/texts/`; times and lengths of time are the frame's.

use std::borrow::Cow;

use crate::notification::event::{JobState, MediaObject};
use crate::notification::reason::RefusalReason;
use crate::store::records::{ActivityRecord, EventRecord, JobRecord, RunRecord, WorkflowName};
use crate::web::asked;
use crate::web::lists::encoded;

/// Returns a size such as `512 B`, `1.5 KiB`.
pub fn bytes_text(bytes: &u64) -> String {
    const KIB: u64 = 1_024;
    const MIB: u64 = KIB * KIB;
    let in_units = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match *bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", in_units(KIB)),
        _ => format!("{} MiB", in_units(MIB)),
    }
}

/// Splits a sentence at its backticks, and says of each part whether it stands between two.
pub fn coded(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| (at % 2 == 1, part))
}

/// Returns a number with its noun, in the plural where it is not one.
pub fn count_text(count: &u64, noun: &str) -> String {
    let ending = if noun.ends_with("sh") { "es" } else { "s" };
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}{ending}"),
    }
}

/// Returns how many of the activities failed.
pub fn failed_among(activities: &[ActivityRecord]) -> u64 {
    let is_failed = |activity: &&ActivityRecord| activity.state == JobState::Failed;
    activities.iter().filter(is_failed).count() as u64
}

/// Tells whether an activity's type says more than its name.
pub fn says_more(activity: &ActivityRecord) -> bool {
    !activity.activity_type.is_empty() && activity.activity_type != activity.name
}

/// Tells whether another owner has a job of the same id among these.
pub fn shares_id(jobs: &[JobRecord], job: &JobRecord) -> bool {
    let mut others = jobs.iter();
    others.any(|other| other.id == job.id && other.owner != job.owner)
}

/// Tells whether another owner has a run of the same id among these.
pub fn shares_run_id(runs: &[RunRecord], run: &RunRecord) -> bool {
    let mut others = runs.iter();
    others.any(|other| other.id == run.id && other.owner != run.owner)
}

/// Returns what the workflow of a job is called: its name, else its id.
pub fn job_workflow_text(job: &JobRecord) -> &str {
    let name = job.workflow_name.as_deref().filter(|name| !name.is_empty());
    name.or(job.workflow.as_deref()).unwrap_or_default()
}

/// Returns what a workflow is called: its name, else its id.
pub fn workflow_text(workflow: &WorkflowName) -> Option<&str> {
    let name = workflow.name.as_deref().filter(|name| !name.is_empty());
    name.or(workflow.id.as_deref())
}

/// Returns what else there is to say of an event in a list: which activity it is of, or why it was
/// not understood. Read leniently, since an older version of this program may have stored it.
pub fn event_text(event: &EventRecord) -> Option<String> {
    let fields = event.event.value();
    let text = |name: &str| fields.get(name)?.as_str().filter(|it| !it.is_empty());
    let texts: &[&str] = match event.kind.as_str() {
        "job" => &["job_type"],
        "run" => &["part"],
        "activity" => &["name", "activity_type"],
        _ => &["reason"],
    };
    let texts: Vec<&str> = texts.iter().filter_map(|name| text(name)).collect();
    let texts = texts
        .into_iter()
        .map(|text| match (event.kind.as_str(), text) {
            // What MPS calls them, in every language.
            ("run", "start") => "Start",
            ("run", "report") => "Report",
            _ => text,
        });
    let text = texts.collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

/// Returns the address of a job's page.
pub fn job_link(id: &str) -> String {
    asked::job_link(id)
}

/// Returns the address of a queue's page, or of the list of its jobs where a path cannot say its name:
/// `.` and `..` are taken off by browsers, and `x.json` asks for the JSON of `x`.
pub fn queue_link(name: &str) -> String {
    match segment(name) {
        Some(segment) => format!("/queues/{segment}"),
        None => format!("/jobs?queue={}", encoded(name)),
    }
}

/// Returns the address of a run's page.
pub fn run_link(id: &str) -> String {
    asked::run_link(id)
}

/// Returns the address of a workflow's page, or of the list of its runs; see [`queue_link`].
pub fn workflow_link(id: &str) -> String {
    match segment(id) {
        Some(segment) => format!("/workflows/{segment}"),
        None => format!("/runs?workflow={}", encoded(id)),
    }
}

fn segment(name: &str) -> Option<String> {
    let is_lost = matches!(name, "" | "." | "..") || name.strip_suffix(".json").is_some();
    (!is_lost).then(|| encoded(name))
}

/// Returns the address of the list of activities that failed with `code`.
pub fn activity_code_link(code: &str) -> String {
    format!("/activities?code={}", encoded(code))
}

/// The most characters that a table shows of one value: some lines of a column.
pub const SHORT_CHARS_MAX: usize = 120;

/// Tells whether a table shows only a part of a value.
pub fn is_long(text: &str) -> bool {
    text.chars().nth(SHORT_CHARS_MAX).is_some()
}

/// Returns as much of a value as a table shows, with an ellipsis where that is not all.
pub fn short(text: &str) -> Cow<'_, str> {
    if !is_long(text) {
        return Cow::Borrowed(text);
    }
    let start: String = text.chars().take(SHORT_CHARS_MAX).collect();
    Cow::Owned(format!("{start}…"))
}

/// Returns a failure code in the parts between which it may break over lines.
pub fn code_parts(code: &str) -> impl Iterator<Item = &str> {
    code.split_inclusive('.')
}

/// Returns the address of the kept pushes that were refused for `reason`.
pub fn refusals_link(reason: &RefusalReason) -> String {
    format!("/refusals?reason={}#kept", reason.word())
}

/// Returns the address of the list of jobs that failed with `code`.
pub fn code_link(code: &str) -> String {
    format!("/jobs?code={}", encoded(code))
}

/// Returns an object of OSS in one line, as far as it is known.
pub fn media_text(input: &MediaObject) -> String {
    let bucket = input.bucket.as_deref().unwrap_or("?");
    let object = input.object.as_deref().unwrap_or("?");
    let location = input.location.as_deref();
    let location = location.map(|location| format!(" ({location})"));
    format!("{bucket} / {object}{}", location.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::web::pages::samples;

    #[test]
    fn sizes_are_short_and_true() {
        let cases = [
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_600, "1.5 KiB"),
            (1_572_864, "1.5 MiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(bytes_text(&bytes), expected, "{bytes}");
        }
        assert!(bytes_text(&u64::MAX).ends_with("MiB"));
    }

    #[test]
    fn a_table_shows_the_start_of_what_is_long_and_all_of_what_is_not() {
        let fits = "长".repeat(SHORT_CHARS_MAX);
        assert!(!is_long(&fits));
        assert_eq!(short(&fits), fits);
        let longer = format!("{fits}!");
        assert!(is_long(&longer));
        assert_eq!(short(&longer), format!("{fits}…"));
    }

    #[test]
    fn a_workflow_without_a_name_is_called_by_its_id() {
        let check = |id: Option<&str>, name: Option<&str>, expected: Option<&str>| {
            let workflow = WorkflowName {
                id: id.map(str::to_owned),
                name: name.map(str::to_owned),
            };
            assert_eq!(workflow_text(&workflow), expected);
        };
        check(Some("w1"), Some("示例"), Some("示例"));
        check(Some("w1"), Some(""), Some("w1"));
        check(Some("w1"), None, Some("w1"));
        check(None, Some("示例"), Some("示例"));
        check(None, None, None);
    }

    #[test]
    fn an_event_says_which_activity_it_is_of_or_why_it_was_not_understood() {
        let check = |kind: &str, event: Value, expected: Option<&str>| {
            let event = EventRecord {
                kind: kind.to_owned(),
                event: event.into(),
                ..samples::event_of_job()
            };
            assert_eq!(event_text(&event).as_deref(), expected);
        };
        let activity = json!({"name": "HD", "activity_type": "Transcode"});
        check("activity", activity, Some("HD, Transcode"));
        let nameless = json!({"name": "", "activity_type": "Transcode"});
        check("activity", nameless, Some("Transcode"));
        check("run", json!({"part": "report"}), Some("Report"));
        check("job", json!({"job_type": null}), None);
        check(
            "unrecognized",
            json!({"reason": "no JSON"}),
            Some("no JSON"),
        );
        check("unrecognized", json!(7), None);
    }

    #[test]
    fn a_name_that_no_path_can_say_leads_to_the_list() {
        for name in ["", ".", "..", "x.json"] {
            assert_eq!(queue_link(name), format!("/jobs?queue={name}"));
            assert_eq!(workflow_link(name), format!("/runs?workflow={name}"));
        }
    }

    #[test]
    fn an_id_stays_one_segment_of_its_link() {
        assert_eq!(job_link("a/b?c#\"é"), "/jobs/a%2Fb%3Fc%23%22%C3%A9");
        assert_eq!(run_link("a/b?c#\"é"), "/runs/a%2Fb%3Fc%23%22%C3%A9");
        assert_eq!(workflow_link("a&b/c"), "/workflows/a%26b%2Fc");
        assert_eq!(queue_link("a?b#c"), "/queues/a%3Fb%23c");
        assert_eq!(activity_code_link("a&b=c"), "/activities?code=a%26b%3Dc");
    }
}
