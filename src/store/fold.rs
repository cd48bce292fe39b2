//! How the events of a job become its row. Pure.
//!
//! The events come in the order they are folded in, which has nothing of their arrival: terminal
//! ones last, then by their own end time or else the publish time, then publish time, topic and
//! key. The last decides the state; each other field is the last one present. The queue is by the
//! highest rule any event reached, with its region, ties by the same order.
//!
//! A failure's code and text belong to the state: they are the last ones present among the events
//! that say the same state, so that a job that succeeded shows no code of a message that says
//! otherwise; the conflict flag says that there is one.
//!
//! Deliberately not here: the counts of events and deliveries, which are sums and not a fold
//! (`jobs.rs` keeps them), and runs and activities.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::notification::event::{Failure, JobEvent, JobState, MediaObject};

/// One event of a job, with what its delivery adds.
#[derive(Clone, Debug)]
pub(super) struct JobPart {
    pub(super) event: JobEvent,
    /// When it happened: its own end time, else the publish time, else the arrival.
    pub(super) at: Timestamp,
    pub(super) region: String,
    pub(super) queue: Option<String>,
    /// See `queues::Rank`.
    pub(super) queue_rule: i64,
}

/// What a job's row says, as far as its events decide it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FoldedJob {
    pub(super) region: String,
    pub(super) queue: Option<String>,
    pub(super) job_type: Option<String>,
    pub(super) state: JobState,
    pub(super) raw_state: Option<String>,
    pub(super) failure: Failure,
    pub(super) user_data: Option<String>,
    pub(super) input: Option<MediaObject>,
    pub(super) submitted_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) duration_ms: Option<i64>,
    pub(super) conflict: bool,
    pub(super) last_event_at: Option<Timestamp>,
    pub(super) extra: Map<String, Value>,
}

/// Folds the events of one job, given in their order; `None` without any.
pub(super) fn fold_job(parts: &[JobPart]) -> Option<FoldedJob> {
    let last = parts.last()?;
    let state = last.event.state;
    let mut job = FoldedJob {
        state,
        raw_state: last.event.raw_state.clone(),
        ..FoldedJob::default()
    };
    let mut queue_rule = None;
    let mut endings = BTreeSet::new();
    for part in parts {
        let event = &part.event;
        replace(&mut job.job_type, event.job_type.as_ref());
        replace(&mut job.user_data, event.user_data.as_ref());
        replace(&mut job.input, event.input.as_ref());
        replace(&mut job.submitted_at, event.submitted_at.as_ref());
        replace(&mut job.started_at, event.started_at.as_ref());
        replace(&mut job.finished_at, event.finished_at.as_ref());
        if let Some(failure) = event.failure.as_ref().filter(|_| event.state == state) {
            job.failure = failure.clone();
        }
        if event.state.is_terminal() {
            endings.insert(event.state.word());
        }
        if queue_rule <= Some(part.queue_rule) {
            queue_rule = Some(part.queue_rule);
            job.queue.clone_from(&part.queue);
            job.region.clone_from(&part.region);
        }
        job.last_event_at = job.last_event_at.max(Some(part.at));
        for (key, value) in &event.extra {
            job.extra.insert(key.clone(), value.clone());
        }
    }
    if state.is_terminal() {
        // Without a time of its own a message comes when the job has ended.
        job.finished_at = job.finished_at.or(Some(last.at));
    }
    job.duration_ms = duration_ms(job.started_at, job.finished_at);
    job.conflict = endings.len() > 1;
    Some(job)
}

fn replace<T: Clone>(field: &mut Option<T>, by: Option<&T>) {
    if let Some(value) = by {
        *field = Some(value.clone());
    }
}

/// From start to finish; `None` if either is not known, or they are the wrong way round.
fn duration_ms(started_at: Option<Timestamp>, finished_at: Option<Timestamp>) -> Option<i64> {
    let duration = finished_at?.since_ms(started_at?);
    (duration >= 0).then_some(duration)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(state: JobState, at: i64, event: JobEvent) -> JobPart {
        JobPart {
            event: JobEvent { state, ..event },
            at: Timestamp(at),
            region: String::new(),
            queue: Some("topic".to_owned()),
            queue_rule: 1,
        }
    }

    #[test]
    fn no_events_are_no_job() {
        assert_eq!(fold_job(&[]), None);
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
        let job = fold_job(&parts).unwrap();
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.raw_state.as_deref(), Some("Success"));
        assert_eq!(job.job_type.as_deref(), Some("Transcode"));
        assert_eq!(job.user_data.as_deref(), Some("second"));
        assert_eq!(job.finished_at, Some(Timestamp(50)));
        assert_eq!(job.duration_ms, Some(40));
        assert_eq!(job.last_event_at, Some(Timestamp(900)));
        assert_eq!(Value::Object(job.extra), json!({"a": 1, "b": 2}));
        assert!(!job.conflict);
    }

    #[test]
    fn a_job_that_has_not_ended_has_no_finish_and_a_finish_before_the_start_no_duration() {
        let running = fold_job(&[part(JobState::Running, 5, JobEvent::default())]).unwrap();
        assert_eq!(running.finished_at, None);
        let backwards = JobEvent {
            started_at: Some(Timestamp(10)),
            finished_at: Some(Timestamp(9)),
            ..JobEvent::default()
        };
        let job = fold_job(&[part(JobState::Failed, 9, backwards)]).unwrap();
        assert_eq!(job.finished_at, Some(Timestamp(9)));
        assert_eq!(job.duration_ms, None);
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
        let job = fold_job(&[part(JobState::Failed, 1, failed.clone()), succeeded]).unwrap();
        assert!(job.conflict);
        assert_eq!(job.failure, Failure::default());

        let again = part(JobState::Failed, 2, JobEvent::default());
        let job = fold_job(&[part(JobState::Failed, 1, failed), again]).unwrap();
        assert!(!job.conflict);
        assert_eq!(job.failure.code.as_deref(), Some("InternalError"));
    }

    #[test]
    fn the_queue_is_by_the_highest_rule_and_then_by_the_last() {
        let place = |queue: &str, region: &str, queue_rule| JobPart {
            queue: Some(queue.to_owned()),
            region: region.to_owned(),
            queue_rule,
            ..part(JobState::Succeeded, 1, JobEvent::default())
        };
        let job = fold_job(&[
            place("a", "r1", 4),
            place("b", "r2", 4),
            place("c", "r3", 1),
        ]);
        let job = job.unwrap();
        assert_eq!(
            (job.queue.as_deref(), job.region.as_str()),
            (Some("b"), "r2")
        );
    }
}
