//! How the events of a run become its row and those of its activities. Pure.
//!
//! The events come in the same order as a job's (`fold.rs`), the run's own and those of its
//! activities together. An activity is what has one name and one type within a run; a message may
//! list two of them under the same, which are then told apart no further.
//!
//! What became of a run is computed from its activities: MPS calls a run completed whose work has
//! failed. *Work* is every activity but Start and Report. A state that is not known counts neither
//! as success nor as failure.
//!
//! Deliberately not here: *stale*, which needs the time of reading (`lanes.rs`), and the counts of
//! events and deliveries, which are sums (`runs.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use crate::clock::Timestamp;
use crate::notification::event::{
    ActivityEvent, Event, Failure, JobState, RunEvent, RunPart as MessagePart,
};
use crate::store::fold::{duration_ms, extra_of, group, replace};
use crate::store::records::{ActivityRecord, RunOutcome, RunRecord, WorkflowName};

/// One event of a run or of an activity in it, with what its delivery adds.
#[derive(Clone, Debug)]
pub(super) struct RunPart {
    /// A run's or an activity's; any other is left out.
    pub(super) event: Event,
    /// When it happened: its own end time, else the publish time, else the arrival.
    pub(super) at: Timestamp,
    pub(super) region: String,
    /// For the name of its workflow; see `lanes.rs`.
    pub(super) published_at: Option<Timestamp>,
}

/// Folds the events of one run, given in their order; `None` without any. The counts are 0, and
/// the workflow's names are those of these messages alone.
pub(super) fn fold_run(owner: &str, run: &str, parts: &[RunPart]) -> Option<RunRecord> {
    let last = parts.last()?;
    let mut record = blank(owner, run, last.at);
    let mut endings = BTreeSet::new();
    let mut own_failure = None;
    let mut reported_at = None;
    let mut has_start = false;
    let mut state = JobState::Unknown;
    let mut by_node: BTreeMap<(&str, &str), Vec<(&ActivityEvent, &RunPart)>> = BTreeMap::new();
    for part in parts {
        record.region.clone_from(&part.region);
        record.last_event_at = record.last_event_at.max(part.at);
        match &part.event {
            Event::Run(event) => {
                add(&mut record, event);
                state = event.state;
                replace(&mut own_failure, event.failure.as_ref());
                if event.part == MessagePart::Report {
                    reported_at = Some(part.at);
                }
                has_start |= event.part == MessagePart::Start;
                endings.extend(ending(event.state));
            }
            Event::Activity(event) => {
                let node = (event.name.as_str(), event.activity_type.as_str());
                by_node.entry(node).or_default().push((event, part));
            }
            Event::Job(_) | Event::Unrecognized(_) => {}
        }
    }
    let activities = by_node.into_values();
    record.activities = activities
        .filter_map(|parts| fold_activity(owner, &parts))
        .collect();
    record.activities.sort_by(|a, b| order(a).cmp(&order(b)));
    record.conflict = endings.len() > 1;
    record.start_missing = reported_at.is_some() && !has_start;
    let own_events = parts.iter().rev().filter_map(|part| match &part.event {
        Event::Run(event) => Some(&event.extra),
        Event::Job(_) | Event::Activity(_) | Event::Unrecognized(_) => None,
    });
    record.extra = extra_of(own_events);
    conclude(&mut record, state, own_failure, reported_at);
    Some(record)
}

/// The order of a run's activities: by start, those without one last.
pub(super) fn order(activity: &ActivityRecord) -> (bool, Option<Timestamp>, &str, &str) {
    (
        activity.started_at.is_none(),
        activity.started_at,
        &activity.name,
        &activity.activity_type,
    )
}

fn blank(owner: &str, run: &str, at: Timestamp) -> RunRecord {
    RunRecord {
        id: run.to_owned(),
        owner: owner.to_owned(),
        region: String::new(),
        workflow: WorkflowName::default(),
        media_id: None,
        input: None,
        user_data: None,
        outcome: RunOutcome::Running,
        nothing_done: false,
        raw_state: None,
        code: None,
        group: None,
        message: None,
        created_at: None,
        finished_at: None,
        duration_ms: None,
        events: 0,
        deliveries: 0,
        conflict: false,
        start_missing: false,
        last_event_at: at,
        extra: Map::new(),
        activities: Vec::new(),
    }
}

fn add(record: &mut RunRecord, event: &RunEvent) {
    replace(&mut record.workflow.id, event.workflow_id.as_ref());
    replace(&mut record.workflow.name, event.workflow_name.as_ref());
    replace(&mut record.media_id, event.media_id.as_ref());
    replace(&mut record.input, event.input.as_ref());
    replace(&mut record.user_data, event.user_data.as_ref());
    replace(&mut record.created_at, event.created_at.as_ref());
    record.raw_state.clone_from(&event.raw_state);
}

/// How a run's own state ends it. That it completed and that it succeeded are the same ending:
/// the first says only that its graph has ended, which the second does not deny.
fn ending(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Completed | JobState::Succeeded => Some(JobState::Completed.word()),
        state => state.is_terminal().then_some(state.word()),
    }
}

/// Says what became of the run, why, and when it ended.
fn conclude(
    record: &mut RunRecord,
    state: JobState,
    own_failure: Option<Failure>,
    reported_at: Option<Timestamp>,
) {
    let is_report = |activity: &&ActivityRecord| is_type(activity, "Report");
    let ended_reports = record
        .activities
        .iter()
        .filter(is_report)
        .filter(|activity| activity.state.is_terminal());
    let report_end = ended_reports
        .clone()
        .filter_map(|report| report.finished_at)
        .max();
    let report_seen = ended_reports.map(|report| report.last_event_at).max();
    let is_reported = reported_at.is_some() || report_seen.is_some();
    record.outcome = outcome(&record.activities, state, is_reported);
    record.finished_at = if is_reported {
        report_end.or(reported_at).or(report_seen)
    } else {
        // Nothing runs behind a Start that failed; a Report that still comes decides again.
        let starts = record.activities.iter().filter(|it| is_type(it, "Start"));
        let failed = starts.filter(|start| start.state == JobState::Failed);
        failed
            .map(|start| start.finished_at.unwrap_or(start.last_event_at))
            .max()
    };
    record.nothing_done =
        record.outcome == RunOutcome::Succeeded && is_all_skipped(&record.activities);
    record.duration_ms = duration_ms(record.created_at, record.finished_at);
    if matches!(record.outcome, RunOutcome::Failed | RunOutcome::Partial) {
        let has_reason =
            |activity: &&ActivityRecord| activity.code.is_some() || activity.message.is_some();
        if let Some(first) = record.activities.iter().find(has_reason) {
            record.code.clone_from(&first.code);
            record.message.clone_from(&first.message);
        } else if let Some(failure) = own_failure {
            record.code = failure.code;
            record.message = failure.message;
        }
        record.group = record.code.as_deref().map(group);
    }
}

/// The first rule that fits; the order is the point.
fn outcome(activities: &[ActivityRecord], state: JobState, is_reported: bool) -> RunOutcome {
    let is_failed = |activity: &ActivityRecord| {
        matches!(activity.state, JobState::Failed | JobState::Cancelled)
    };
    let has_failed_as = |wanted: &str| {
        let mut of_type = activities.iter().filter(|it| is_type(it, wanted));
        of_type.any(|activity| activity.state == JobState::Failed)
    };
    let has_succeeded = work(activities).any(|activity| activity.state == JobState::Succeeded);
    let has_failed = work(activities).any(is_failed);
    if has_failed_as("Start") {
        RunOutcome::Failed
    } else if has_succeeded && has_failed {
        RunOutcome::Partial
    } else if has_failed || state == JobState::Failed || has_failed_as("Report") {
        // A Report that failed says so of its run, also where the run's own state says nothing.
        RunOutcome::Failed
    } else if is_reported {
        RunOutcome::Succeeded
    } else {
        RunOutcome::Running
    }
}

/// Whether there was work and all of it was skipped. A run that lists none is not called so: a
/// message without its list says nothing.
fn is_all_skipped(activities: &[ActivityRecord]) -> bool {
    work(activities).next().is_some()
        && work(activities).all(|activity| activity.state == JobState::Skipped)
}

fn work(activities: &[ActivityRecord]) -> impl Iterator<Item = &ActivityRecord> {
    let is_work =
        |activity: &&ActivityRecord| !is_type(activity, "Start") && !is_type(activity, "Report");
    activities.iter().filter(is_work)
}

fn is_type(activity: &ActivityRecord, wanted: &str) -> bool {
    activity.activity_type.trim().eq_ignore_ascii_case(wanted)
}

fn fold_activity(owner: &str, parts: &[(&ActivityEvent, &RunPart)]) -> Option<ActivityRecord> {
    let (last, last_part) = *parts.last()?;
    let state = last.state;
    let mut record = ActivityRecord {
        run: last.run_id.clone(),
        owner: owner.to_owned(),
        region: last_part.region.clone(),
        workflow: WorkflowName::default(),
        name: last.name.clone(),
        activity_type: last.activity_type.clone(),
        job: None,
        template_id: None,
        state,
        raw_state: last.raw_state.clone(),
        code: None,
        group: None,
        message: None,
        started_at: None,
        finished_at: None,
        duration_ms: None,
        conflict: false,
        last_event_at: last_part.at,
        extra: Map::new(),
    };
    let mut endings = BTreeSet::new();
    for (event, part) in parts {
        replace(&mut record.workflow.id, event.workflow_id.as_ref());
        replace(&mut record.workflow.name, event.workflow_name.as_ref());
        replace(&mut record.job, event.job_id.as_ref());
        replace(&mut record.template_id, event.template_id.as_ref());
        replace(&mut record.started_at, event.started_at.as_ref());
        replace(&mut record.finished_at, event.finished_at.as_ref());
        if let Some(failure) = event.failure.as_ref().filter(|_| event.state == state) {
            record.code.clone_from(&failure.code);
            record.message.clone_from(&failure.message);
        }
        if event.state.is_terminal() {
            endings.insert(event.state.word());
        }
        record.last_event_at = record.last_event_at.max(part.at);
    }
    record.extra = extra_of(parts.iter().rev().map(|(event, _)| &event.extra));
    record.group = record.code.as_deref().map(group);
    record.duration_ms = duration_ms(record.started_at, record.finished_at);
    record.conflict = endings.len() > 1;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(letter: char) -> JobState {
        match letter {
            's' => JobState::Succeeded,
            'f' => JobState::Failed,
            'c' => JobState::Cancelled,
            '-' => JobState::Skipped,
            'r' => JobState::Running,
            'q' => JobState::Submitted,
            'C' => JobState::Completed,
            _ => JobState::Unknown,
        }
    }

    fn part(event: Event) -> RunPart {
        RunPart {
            event,
            at: Timestamp(7),
            region: String::new(),
            published_at: None,
        }
    }

    fn activity(name: &str, activity_type: &str, state: JobState) -> RunPart {
        part(Event::Activity(ActivityEvent {
            name: name.to_owned(),
            activity_type: activity_type.to_owned(),
            state,
            ..ActivityEvent::default()
        }))
    }

    /// A run whose work has these states, and what became of it.
    fn check(work: &str, start: char, own: char, is_reported: bool, expected: &str) {
        let mut parts = vec![activity("a", " start", state(start))];
        for (at, letter) in work.char_indices() {
            parts.push(activity(&at.to_string(), "Transcode", state(letter)));
        }
        let mut message = RunEvent {
            state: state(own),
            part: MessagePart::Progress,
            ..RunEvent::default()
        };
        if is_reported {
            parts.push(activity("z", "REPORT", JobState::Succeeded));
            message.part = MessagePart::Report;
        }
        parts.push(part(Event::Run(message)));
        let run = fold_run("1001", "r", &parts).unwrap();
        let nothing = if run.nothing_done {
            ", nothing done"
        } else {
            ""
        };
        let became = format!("{}{nothing}", run.outcome.word());
        assert_eq!(became, expected, "{work:?} {start} {own} {is_reported}");
        let has_ended = is_reported || start == 'f';
        assert_eq!(run.finished_at.is_some(), has_ended, "{work:?} {start}");
    }

    #[test]
    fn the_first_rule_that_fits_decides_the_outcome() {
        check("sf", 'f', 'C', true, "failed");
        check("", 'f', 'r', false, "failed");
        check("sf", 's', 'C', true, "partial");
        check("sc", 's', 'f', true, "partial");
        check("sf", 's', 'r', false, "partial");
        check("f-", 's', 'C', true, "failed");
        check("c", 's', 'C', true, "failed");
        check("s", 's', 'f', true, "failed");
        check("f", 's', 'r', false, "failed");
        check("s-", 's', 'C', true, "succeeded");
        check("--", 's', 'C', true, "succeeded, nothing done");
        check("", 's', 'C', true, "succeeded");
        check("?", 's', 'C', true, "succeeded");
        check("-?", 's', 'C', true, "succeeded");
        check("?f", 's', 'r', true, "failed");
        check("r", 's', 'r', true, "succeeded");
        check("sq", 's', 'r', false, "running");
        check("-", 's', 'C', false, "running");
        check("", '?', '?', false, "running");
    }

    #[test]
    fn a_report_is_there_by_its_message_or_by_its_activity_that_ended() {
        let of = |parts: &[RunPart]| fold_run("1001", "r", parts).unwrap().outcome;
        let by_message = part(Event::Run(RunEvent {
            part: MessagePart::Report,
            ..RunEvent::default()
        }));
        assert_eq!(of(&[by_message]), RunOutcome::Succeeded);
        let ended = activity("e", "Report", JobState::Succeeded);
        assert_eq!(of(&[ended]), RunOutcome::Succeeded);
        let waiting = activity("e", "Report", JobState::Submitted);
        assert_eq!(of(&[waiting]), RunOutcome::Running);
        assert_eq!(fold_run("1001", "r", &[]), None);
    }

    #[test]
    fn an_activity_named_like_start_is_work_whatever_it_is_called() {
        let parts = [
            activity("Act-Start", "Transcode", JobState::Failed),
            activity("Start", "Snapshot", JobState::Succeeded),
        ];
        let run = fold_run("1001", "r", &parts).unwrap();
        assert_eq!(run.outcome, RunOutcome::Partial);
    }
}
