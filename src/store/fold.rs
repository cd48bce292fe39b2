//! How the events of a job become its row. Pure.
//!
//! The events come in the order they are folded in, which has nothing of their arrival: terminal
//! ones last, then by their own end time or else the publish time, then publish time, topic, key
//! and place in the message. The last decides the state; each other field is the last one present.
//! The queue is by the highest rule any event reached, with its region, ties by the same order.
//!
//! A run's activity with a job id is an event of that job too, told in the same words. A job that
//! any event puts into a run has no queue: the queue's binding is ignored inside workflows, and
//! nothing is counted in both.
//!
//! A failure's code and text belong to the state: they are the last ones present among the events
//! that say the same state, so that a job that succeeded shows no code of a message that says
//! otherwise; the conflict flag says that there is one.
//!
//! Deliberately not here: the counts of events and deliveries, which are sums and not a fold
//! (`jobs.rs` keeps them), and runs (`fold_run.rs`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::mps::failure;
use crate::notification::event::{ActivityEvent, JobEvent};
use crate::store::records::JobRecord;

/// The most bytes of unused keys in a job's, run's or activity's row. What finds no room stands in its events, and the
/// message whole with its delivery.
const EXTRA_BYTES_MAX: usize = 32 * 1024;

/// One event of a job, with what its delivery adds.
#[derive(Clone, Debug)]
pub(super) struct JobPart {
    pub(super) event: JobEvent,
    /// Where the event is an activity's.
    pub(super) of_run: Option<OfRun>,
    /// When it happened: its own end time, else the publish time, else the arrival.
    pub(super) at: Timestamp,
    pub(super) region: String,
    pub(super) queue: Option<String>,
    /// See `queues::Rank`.
    pub(super) queue_rule: i64,
}

/// The run that a job is an activity of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfRun {
    pub(super) run: String,
    pub(super) workflow: Option<String>,
    /// What its activity and its workflow are called.
    pub(super) names: String,
}

/// A job's row: the record, and what else it can be found by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoldedJob {
    /// Its counts are 0.
    pub(super) record: JobRecord,
    pub(super) names: String,
}

/// Tells an activity that has a job as the job's event.
pub(super) fn job_of(activity: ActivityEvent, job: &str) -> (JobEvent, OfRun) {
    let names = [activity.name, activity.workflow_name.unwrap_or_default()];
    let of_run = OfRun {
        run: activity.run_id,
        workflow: activity.workflow_id,
        names: names.join(" "),
    };
    let event = JobEvent {
        job_id: job.to_owned(),
        job_type: Some(activity.activity_type).filter(|job_type| !job_type.is_empty()),
        state: activity.state,
        raw_state: activity.raw_state,
        failure: activity.failure,
        started_at: activity.started_at,
        finished_at: activity.finished_at,
        extra: activity.extra,
        ..JobEvent::default()
    };
    (event, of_run)
}

/// Folds the events of one job, given in their order; `None` without any.
pub(super) fn fold_job(owner: &str, job: &str, parts: &[JobPart]) -> Option<FoldedJob> {
    let last = parts.last()?;
    let state = last.event.state;
    let mut folded = FoldedJob {
        record: blank(owner, job, last),
        names: String::new(),
    };
    let record = &mut folded.record;
    let mut queue_rule = None;
    let mut endings = BTreeSet::new();
    for part in parts {
        let event = &part.event;
        replace(&mut record.job_type, event.job_type.as_ref());
        replace(&mut record.user_data, event.user_data.as_ref());
        replace(&mut record.input, event.input.as_ref());
        replace(&mut record.submitted_at, event.submitted_at.as_ref());
        replace(&mut record.started_at, event.started_at.as_ref());
        replace(&mut record.finished_at, event.finished_at.as_ref());
        if let Some(failure) = event.failure.as_ref().filter(|_| event.state == state) {
            record.code.clone_from(&failure.code);
            record.message.clone_from(&failure.message);
        }
        if event.state.is_terminal() {
            endings.insert(event.state.word());
        }
        if queue_rule <= Some(part.queue_rule) {
            queue_rule = Some(part.queue_rule);
            record.queue.clone_from(&part.queue);
            record.region.clone_from(&part.region);
        }
        if let Some(of_run) = &part.of_run {
            record.run = Some(of_run.run.clone());
            replace(&mut record.workflow, of_run.workflow.as_ref());
            folded.names.clone_from(&of_run.names);
        }
        record.last_event_at = record.last_event_at.max(part.at);
    }
    record.extra = extra_of(parts.iter().rev().map(|part| &part.event.extra));
    if record.run.is_some() {
        record.queue = None;
    }
    if state.is_terminal() {
        // Without a time of its own a message comes when the job has ended.
        record.finished_at = record.finished_at.or(Some(last.at));
    }
    record.group = record.code.as_deref().map(group);
    let began_at = record.started_at.or(record.submitted_at);
    record.duration_ms = duration_ms(began_at, record.finished_at);
    record.conflict = endings.len() > 1;
    Some(folded)
}

/// Returns the unused keys of events that come newest first, the newest of each, as far as there is
/// room.
pub(super) fn extra_of<'a>(
    newest_first: impl Iterator<Item = &'a Map<String, Value>>,
) -> Map<String, Value> {
    let mut extra = Map::new();
    let mut bytes = 0;
    for (key, value) in newest_first.flatten() {
        if extra.contains_key(key) {
            continue;
        }
        bytes += key.len() + value.to_string().len();
        if bytes > EXTRA_BYTES_MAX {
            return extra;
        }
        extra.insert(key.clone(), value.clone());
    }
    extra
}

fn blank(owner: &str, job: &str, last: &JobPart) -> JobRecord {
    JobRecord {
        id: job.to_owned(),
        owner: owner.to_owned(),
        region: String::new(),
        queue: None,
        run: None,
        workflow: None,
        workflow_name: None,
        job_type: None,
        state: last.event.state,
        raw_state: last.event.raw_state.clone(),
        code: None,
        group: None,
        message: None,
        user_data: None,
        input: None,
        submitted_at: None,
        started_at: None,
        finished_at: None,
        duration_ms: None,
        events: 0,
        deliveries: 0,
        conflict: false,
        last_event_at: last.at,
        extra: Map::new(),
    }
}

/// The group of a code, as it is kept.
pub(super) fn group(code: &str) -> String {
    failure::group(code).to_owned()
}

pub(super) fn replace<T: Clone>(field: &mut Option<T>, by: Option<&T>) {
    if let Some(value) = by {
        *field = Some(value.clone());
    }
}

/// From start to finish; `None` if either is not known, or they are the wrong way round.
pub(super) fn duration_ms(
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
) -> Option<i64> {
    let duration = finished_at?.since_ms(started_at?);
    (duration >= 0).then_some(duration)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::notification::event::{Failure, JobState};

    use super::*;

    fn fold(parts: &[JobPart]) -> JobRecord {
        fold_job("1001", "j", parts).unwrap().record
    }

    fn part(state: JobState, at: i64, event: JobEvent) -> JobPart {
        JobPart {
            event: JobEvent { state, ..event },
            of_run: None,
            at: Timestamp(at),
            region: String::new(),
            queue: Some("topic".to_owned()),
            queue_rule: 1,
        }
    }

    #[test]
    fn no_events_are_no_job() {
        assert_eq!(fold_job("1001", "j", &[]), None);
    }

    #[test]
    fn the_last_decides_the_state_and_each_other_field_is_the_last_present() {
        let submitted = JobEvent {
            job_type: Some("Transcode".to_owned()),
            user_data: Some("first".to_owned()),
            started_at: Some(Timestamp(10)),
            extra: json!({"a": 1, "b": 1}).as_object().unwrap().clone(),
            ..JobEvent::default()
        };
        let ended = JobEvent {
            raw_state: Some("Success".to_owned()),
            user_data: Some("second".to_owned()),
            extra: json!({"b": 2}).as_object().unwrap().clone(),
            ..JobEvent::default()
        };
        let parts = [
            part(JobState::Submitted, 900, submitted),
            part(JobState::Succeeded, 50, ended),
        ];
        let job = fold(&parts);
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.raw_state.as_deref(), Some("Success"));
        assert_eq!(job.job_type.as_deref(), Some("Transcode"));
        assert_eq!(job.user_data.as_deref(), Some("second"));
        assert_eq!(job.finished_at, Some(Timestamp(50)));
        assert_eq!(job.duration_ms, Some(40));
        assert_eq!(job.last_event_at, Timestamp(900));
        assert_eq!(Value::Object(job.extra), json!({"a": 1, "b": 2}));
        assert!(!job.conflict);
    }

    #[test]
    fn a_job_that_has_not_ended_has_no_finish_and_a_finish_before_the_start_no_duration() {
        let running = fold(&[part(JobState::Running, 5, JobEvent::default())]);
        assert_eq!(running.finished_at, None);
        let backwards = JobEvent {
            started_at: Some(Timestamp(10)),
            finished_at: Some(Timestamp(9)),
            ..JobEvent::default()
        };
        let job = fold(&[part(JobState::Failed, 9, backwards)]);
        assert_eq!(job.finished_at, Some(Timestamp(9)));
        assert_eq!(job.duration_ms, None);
    }

    #[test]
    fn unused_keys_are_kept_as_far_as_there_is_room_the_newest_first() {
        let with = |key: &str, bytes: usize| JobEvent {
            extra: json!({key: "x".repeat(bytes)}).as_object().unwrap().clone(),
            ..JobEvent::default()
        };
        let parts = [
            part(JobState::Submitted, 1, with("old", 100)),
            part(JobState::Running, 2, with("large", EXTRA_BYTES_MAX - 90)),
            part(JobState::Succeeded, 3, with("new", 50)),
        ];
        let job = fold(&parts);
        assert_eq!(job.extra.keys().collect::<Vec<_>>(), ["large", "new"]);
    }

    #[test]
    fn two_different_endings_are_a_conflict_and_the_code_is_of_the_state_shown() {
        let failed = JobEvent {
            failure: Some(Failure {
                code: Some("InternalError".to_owned()),
                message: None,
            }),
            ..JobEvent::default()
        };
        let succeeded = part(JobState::Succeeded, 2, JobEvent::default());
        let job = fold(&[part(JobState::Failed, 1, failed.clone()), succeeded]);
        assert!(job.conflict);
        assert_eq!((job.code, job.message, job.group), (None, None, None));

        let again = part(JobState::Failed, 2, JobEvent::default());
        let job = fold(&[part(JobState::Failed, 1, failed), again]);
        assert!(!job.conflict);
        assert_eq!(job.code.as_deref(), Some("InternalError"));
    }

    #[test]
    fn the_queue_is_by_the_highest_rule_and_then_by_the_last() {
        let place = |queue: &str, region: &str, queue_rule| JobPart {
            queue: Some(queue.to_owned()),
            region: region.to_owned(),
            queue_rule,
            ..part(JobState::Succeeded, 1, JobEvent::default())
        };
        let job = fold(&[
            place("a", "r1", 4),
            place("b", "r2", 4),
            place("c", "r3", 1),
        ]);
        assert_eq!(
            (job.queue.as_deref(), job.region.as_str()),
            (Some("b"), "r2")
        );
    }
}
