//! How the pages say things: times, lengths of time, sizes, addresses, reasons.
//!
//! Templates call these. Everything here returns text that is still to be escaped; times are in UTC
//! and each page says so.

use crate::clock::Timestamp;
use crate::mps::failure;
use crate::notification::event::{JobState, MediaObject};
use crate::store::records::{
    ActivityRecord, EventRecord, TimeSource, WorkflowName, WorkflowRecord,
};
use crate::web::lists::encoded;

/// Returns `2024-05-06 08:00:01`, for people; the `datetime` attribute beside has the milliseconds.
pub fn clock_text(at: &Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => seconds.replace('T', " "),
        None => text,
    }
}

/// Returns a length of time to about two digits, such as `0.4 s`, `2 min 10 s`, `3 h 5 min`.
pub fn duration_text(ms: &i64) -> String {
    let sign = if *ms < 0 { "−" } else { "" };
    let ms = ms.unsigned_abs();
    let seconds = ms / 1_000;
    let text = match seconds {
        0..10 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    };
    format!("{sign}{text}")
}

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

/// Returns a number with its noun, in the plural where it is not one.
pub fn count_text(count: &u64, noun: &str) -> String {
    let ending = if noun.ends_with("sh") { "es" } else { "s" };
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}{ending}"),
    }
}

/// Returns the caption of a queue's table.
pub fn latest_text(queue: &str) -> String {
    format!("Latest jobs of queue {queue}")
}

/// Returns the caption of a workflow's table.
pub fn latest_runs_text(workflow: &str) -> String {
    format!("Latest runs of workflow {workflow}")
}

/// Returns how many activities there are and how many of them failed.
pub fn activities_text(activities: &[ActivityRecord]) -> String {
    let is_failed = |activity: &&ActivityRecord| activity.state == JobState::Failed;
    let failed = activities.iter().filter(is_failed).count();
    match (failed, activities.len()) {
        (0, all) => format!("{all}"),
        (failed, all) => format!("{failed} of {all} failed"),
    }
}

/// Returns what a workflow is called: its name, else its id.
pub fn workflow_text(workflow: &WorkflowName) -> Option<&str> {
    let name = workflow.name.as_deref().filter(|name| !name.is_empty());
    name.or(workflow.id.as_deref())
}

/// Returns what a workflow of the overview is called.
pub fn known_workflow_text(workflow: &WorkflowRecord) -> &str {
    let name = workflow.name.as_deref().filter(|name| !name.is_empty());
    name.unwrap_or(&workflow.id)
}

/// Returns what else there is to say of an event in a list: which activity it is of, or why it was
/// not understood. Read leniently, since an older version of this program may have stored it.
pub fn event_text(event: &EventRecord) -> Option<String> {
    let text = |name: &str| event.event.get(name)?.as_str().filter(|it| !it.is_empty());
    let texts: &[&str] = match event.kind.as_str() {
        "job" => &["job_type"],
        "run" => &["part"],
        "activity" => &["name", "activity_type"],
        _ => &["reason"],
    };
    let texts: Vec<&str> = texts.iter().filter_map(|name| text(name)).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Returns where an event's time came from, for behind the time.
pub fn time_source_text(from: &TimeSource) -> &'static str {
    match from {
        TimeSource::Message => "from the message",
        TimeSource::Envelope => "publish time of the envelope",
        TimeSource::Arrival => "when it arrived; nothing else said",
    }
}

/// Returns the address of a job's page.
pub fn job_link(id: &str) -> String {
    format!("/jobs/{}", encoded(id))
}

/// Returns the address of the list of a queue's jobs.
pub fn queue_link(name: &str) -> String {
    format!("/jobs?queue={}", encoded(name))
}

/// Returns the address of a run's page.
pub fn run_link(id: &str) -> String {
    format!("/runs/{}", encoded(id))
}

/// Returns the address of the list of a workflow's runs.
pub fn workflow_link(id: &str) -> String {
    format!("/runs?workflow={}", encoded(id))
}

/// Returns the address of the list of activities that failed with `code`.
pub fn activity_code_link(code: &str) -> String {
    format!("/activities?code={}", encoded(code))
}

/// Returns what usually is behind `code`, if that is known.
pub fn hint(code: &str) -> Option<&'static str> {
    failure::hint(code)
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
    fn lengths_of_time_are_short_and_true() {
        let cases = [
            (0, "0.0 s"),
            (449, "0.4 s"),
            (-1_200, "−1.2 s"),
            (9_999, "9.9 s"),
            (59_999, "59 s"),
            (130_000, "2 min 10 s"),
            (11_100_000, "3 h 5 min"),
            (187_200_000, "2 d 4 h"),
            (i64::MIN, "−106751991167 d 7 h"),
        ];
        for (ms, expected) in cases {
            assert_eq!(duration_text(&ms), expected, "{ms}");
        }
    }

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
    fn times_are_cut_to_the_second_and_odd_ones_are_still_shown() {
        assert_eq!(
            clock_text(&Timestamp(1_714_982_531_126)),
            "2024-05-06 08:02:11"
        );
        assert_eq!(clock_text(&Timestamp(i64::MAX)), i64::MAX.to_string());
    }

    #[test]
    fn the_failed_among_the_activities_are_counted() {
        let with = |state| ActivityRecord {
            state,
            ..samples::activity()
        };
        let cases = [
            (vec![], "0"),
            (vec![JobState::Succeeded, JobState::Cancelled], "2"),
            (vec![JobState::Succeeded, JobState::Failed], "1 of 2 failed"),
        ];
        for (states, expected) in cases {
            let activities: Vec<_> = states.into_iter().map(with).collect();
            assert_eq!(activities_text(&activities), expected);
        }
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
                event,
                ..samples::event_of_job()
            };
            assert_eq!(event_text(&event).as_deref(), expected);
        };
        let activity = json!({"name": "HD", "activity_type": "Transcode"});
        check("activity", activity, Some("HD, Transcode"));
        let nameless = json!({"name": "", "activity_type": "Transcode"});
        check("activity", nameless, Some("Transcode"));
        check("run", json!({"part": "report"}), Some("report"));
        check("job", json!({"job_type": null}), None);
        check(
            "unrecognized",
            json!({"reason": "no JSON"}),
            Some("no JSON"),
        );
        check("unrecognized", json!(7), None);
    }

    #[test]
    fn an_id_stays_one_segment_of_its_link() {
        assert_eq!(job_link("a/b?c#\"é"), "/jobs/a%2Fb%3Fc%23%22%C3%A9");
        assert_eq!(run_link("a/b?c#\"é"), "/runs/a%2Fb%3Fc%23%22%C3%A9");
        assert_eq!(workflow_link("a&b=c"), "/runs?workflow=a%26b%3Dc");
        assert_eq!(activity_code_link("a&b=c"), "/activities?code=a%26b%3Dc");
    }
}
