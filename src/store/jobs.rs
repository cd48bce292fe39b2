//! The rows of jobs and queues, written with each event.
//!
//! A job's row is folded from its events every time one comes (`fold.rs`), in the order that this
//! file's query gives them. Its two counts are sums, so they are added to: how many events it has,
//! and how many pushes brought them, duplicates too.

use rusqlite::{Row, Transaction, named_params, params};

use crate::clock::Timestamp;
use crate::mps::failure;
use crate::notification::event::Event;
use crate::store::fold::{self, FoldedJob, JobPart};
use crate::store::records::RowId;
use crate::store::values::{json, read_json, read_time};

/// The most events a job is folded from: the last ones in their order, whatever came first. A job
/// has one to five; without a bound, a sender that repeats one id in ever new messages would have
/// the writer read them all each time.
const FOLDED_EVENTS_MAX: i64 = 256;

// The order of the fold, backwards, so that the bound keeps the events that decide.
const SELECT_PARTS: &str = "
    SELECT event.event, event.at, event.queue, event.queue_rule, delivery.region
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.owner = ?1 AND event.job = ?2 AND event.kind = 'job'
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT ?3";

const UPSERT_JOB: &str = "
    INSERT INTO job (
      job, owner, region, queue, type, state, raw_state, code, error_group, message, user_data,
      input, submitted_at, started_at, finished_at, duration_ms, events, deliveries, conflict,
      last_event_at, extra
    ) VALUES (
      :job, :owner, :region, :queue, :type, :state, :raw_state, :code, :error_group, :message,
      :user_data, :input, :submitted_at, :started_at, :finished_at, :duration_ms, :events, 1,
      :conflict, :last_event_at, :extra
    )
    ON CONFLICT (job, owner) DO UPDATE SET
      region = excluded.region, queue = excluded.queue, type = excluded.type,
      state = excluded.state, raw_state = excluded.raw_state, code = excluded.code,
      error_group = excluded.error_group, message = excluded.message,
      user_data = excluded.user_data, input = excluded.input,
      submitted_at = excluded.submitted_at, started_at = excluded.started_at,
      finished_at = excluded.finished_at, duration_ms = excluded.duration_ms,
      events = events + excluded.events, deliveries = deliveries + excluded.deliveries,
      conflict = excluded.conflict, last_event_at = excluded.last_event_at,
      extra = excluded.extra";

const COUNT_DELIVERY: &str = "
    UPDATE job SET deliveries = deliveries + 1
    WHERE id IN (
      SELECT job.id FROM event JOIN job ON job.job = event.job AND job.owner = event.owner
      WHERE event.delivery = ?1 AND event.kind = 'job'
    )";

const UPSERT_QUEUE: &str = "
    INSERT INTO queue (name, region, last_event_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (name, region) DO UPDATE SET last_event_at = excluded.last_event_at
    WHERE excluded.last_event_at > last_event_at";

/// Folds a job again after `new_events` of its events were written from one delivery.
pub(super) fn fold(
    tx: &Transaction<'_>,
    owner: &str,
    job: &str,
    new_events: u32,
) -> rusqlite::Result<()> {
    let mut select = tx.prepare_cached(SELECT_PARTS)?;
    let rows = select.query_and_then(params![owner, job, FOLDED_EVENTS_MAX], part)?;
    let mut parts = Vec::new();
    for part in rows {
        parts.extend(part?);
    }
    parts.reverse();
    match fold::fold_job(&parts) {
        Some(folded) => upsert(tx, owner, job, &folded, new_events),
        None => Ok(()),
    }
}

/// Counts a duplicate of `delivery` on the jobs its events are about.
pub(super) fn count_delivery(tx: &Transaction<'_>, delivery: RowId) -> rusqlite::Result<()> {
    tx.prepare_cached(COUNT_DELIVERY)?.execute([delivery])?;
    Ok(())
}

/// Makes the queue known, with an event at `at`.
pub(super) fn note_queue(
    tx: &Transaction<'_>,
    region: &str,
    queue: &str,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(UPSERT_QUEUE)?;
    upsert.execute(params![queue, region, at.0])?;
    Ok(())
}

fn part(row: &Row<'_>) -> rusqlite::Result<Option<JobPart>> {
    let Event::Job(event) = read_json(row, "event")? else {
        return Ok(None);
    };
    Ok(Some(JobPart {
        event,
        at: read_time(row, "at")?,
        region: row.get("region")?,
        queue: row.get("queue")?,
        queue_rule: row.get("queue_rule")?,
    }))
}

fn upsert(
    tx: &Transaction<'_>,
    owner: &str,
    job: &str,
    folded: &FoldedJob,
    new_events: u32,
) -> rusqlite::Result<()> {
    let code = folded.failure.code.as_deref();
    let error_group = code.map(|code| failure::group(code).to_string());
    let input = folded.input.as_ref().map(json).transpose()?;
    let mut upsert = tx.prepare_cached(UPSERT_JOB)?;
    upsert.execute(named_params! {
        ":job": job,
        ":owner": owner,
        ":region": folded.region,
        ":queue": folded.queue,
        ":type": folded.job_type,
        ":state": folded.state.word(),
        ":raw_state": folded.raw_state,
        ":code": code,
        ":error_group": error_group,
        ":message": folded.failure.message,
        ":user_data": folded.user_data,
        ":input": input,
        ":submitted_at": folded.submitted_at.map(|at| at.0),
        ":started_at": folded.started_at.map(|at| at.0),
        ":finished_at": folded.finished_at.map(|at| at.0),
        ":duration_ms": folded.duration_ms,
        ":events": new_events,
        ":conflict": folded.conflict,
        ":last_event_at": folded.last_event_at.map(|at| at.0),
        ":extra": json(&folded.extra)?,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

    use crate::clock::Timestamp;
    use crate::notification::event::{Failure, JobEvent, JobState, MediaObject};
    use crate::store::Arrival;
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, queue_rule, renotify};
    use crate::store::records::JobRecord;

    use super::*;

    /// A message of `topic` with one job event, published `published_ms` after noon.
    fn message(topic: &str, id: &str, published_ms: Option<i64>, event: JobEvent) -> Arrival {
        let arrival = arrival_of(topic, id, vec![Event::Job(event)]);
        renotify(arrival, |notification| {
            notification.published_at = published_ms.map(|ms| NOON.plus_ms(ms));
        })
    }

    fn event(state: JobState) -> JobEvent {
        JobEvent {
            job_id: "j".to_owned(),
            state,
            ..JobEvent::default()
        }
    }

    #[test]
    fn a_submission_that_comes_after_the_end_does_not_undo_it() {
        let test = fixtures::open();
        test.append(message("t", "m2", Some(10), event(JobState::Succeeded)));
        let submitted = JobEvent {
            pipeline_id: Some("p1".to_owned()),
            user_data: Some("sku".to_owned()),
            ..event(JobState::Submitted)
        };
        test.append(message("t", "m1", Some(20), submitted));
        let job = test.job();
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.finished_at, Some(NOON.plus_ms(10)));
        assert_eq!(job.queue.as_deref(), Some("p1"));
        assert_eq!(job.user_data.as_deref(), Some("sku"));
        assert_eq!(job.last_event_at, NOON.plus_ms(20));
        assert_eq!((job.events, job.deliveries), (2, 2));
    }

    #[test]
    fn a_failure_has_its_code_and_group() {
        let test = fixtures::open();
        let failed = JobEvent {
            failure: Some(Failure {
                code: Some("Throttling.User".to_owned()),
                message: Some("too many".to_owned()),
            }),
            input: Some(MediaObject {
                object: Some("入/clip.mp4".to_owned()),
                ..MediaObject::default()
            }),
            ..event(JobState::Failed)
        };
        test.append(message("t", "m1", Some(0), failed));
        let job = test.job();
        assert_eq!(job.code.as_deref(), Some("Throttling.User"));
        let group = failure::group("Throttling.User").to_string();
        assert_eq!(job.group, Some(group));
        assert_eq!(job.message.as_deref(), Some("too many"));
        let object = job.input.and_then(|input| input.object);
        assert_eq!(object.as_deref(), Some("入/clip.mp4"));
    }

    #[test]
    fn two_owners_with_the_same_job_id_are_two_jobs() {
        let test = fixtures::open();
        test.append(message("t", "m1", Some(0), event(JobState::Succeeded)));
        let other = message("t", "m2", Some(0), event(JobState::Failed));
        test.append(renotify(other, |notification| {
            notification.topic_owner = Some("2002".to_owned());
        }));
        let details = test.store.find_jobs("j").unwrap();
        let owners: Vec<_> = details.iter().map(|detail| &detail.job.owner).collect();
        assert_eq!(owners, ["1001", "2002"]);
        assert!(details.iter().all(|detail| detail.events.len() == 1));
        assert!(!details[0].job.conflict);
    }

    #[test]
    fn without_any_time_a_job_ends_when_its_message_arrives() {
        let test = fixtures::open();
        test.append(message("t", "m1", None, event(JobState::Succeeded)));
        assert_eq!(test.job().finished_at, Some(NOON));
    }

    #[test]
    fn a_queue_is_known_with_its_newest_event_and_its_newest_jobs() {
        let test = fixtures::open_with(|options| {
            options.queues = vec![queue_rule("hd", &["t1", "t2"])];
        });
        for (topic, job, ms) in [
            ("t1", "a", 30),
            ("t2", "b", 20),
            ("t3", "c", 40),
            ("t1", "d", 10),
        ] {
            let event = JobEvent {
                job_id: job.to_owned(),
                ..event(JobState::Succeeded)
            };
            test.append(message(topic, job, Some(ms), event));
        }
        let queues = test.store.latest_by_queue(10, 2).unwrap();
        let shown: Vec<_> = queues
            .iter()
            .map(|queue| {
                let jobs: Vec<_> = queue.latest.iter().map(|job| job.id.as_str()).collect();
                (queue.name.as_str(), queue.last_event_at, jobs)
            })
            .collect();
        let expected = [
            ("t3", NOON.plus_ms(40), vec!["c"]),
            ("hd", NOON.plus_ms(30), vec!["a", "b"]),
        ];
        assert_eq!(shown, expected);
        assert_eq!(test.store.latest_by_queue(1, 2).unwrap().len(), 1);
    }

    #[test]
    fn a_queue_that_lost_its_jobs_to_a_higher_rule_is_not_shown() {
        let test = fixtures::open();
        test.append(message("t", "m1", Some(0), event(JobState::Succeeded)));
        let submitted = JobEvent {
            pipeline_id: Some("p1".to_owned()),
            ..event(JobState::Submitted)
        };
        test.append(message("t", "m2", Some(0), submitted));
        let queues = test.store.latest_by_queue(10, 10).unwrap();
        let names: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(names, ["p1"]);
    }

    #[test]
    fn a_detail_shows_events_in_the_order_they_are_folded_in() {
        let test = fixtures::open();
        for (id, ms, state) in [
            ("m1", 1, JobState::Failed),
            ("m2", 9, JobState::Submitted),
            ("m3", 5, JobState::Running),
            ("m4", 0, JobState::Succeeded),
        ] {
            test.append(message("t", id, Some(ms), event(state)));
        }
        let detail = test.store.find_jobs("j").unwrap().remove(0);
        let states: Vec<_> = detail
            .events
            .iter()
            .filter_map(|event| event.state)
            .collect();
        let expected = [
            JobState::Running,
            JobState::Submitted,
            JobState::Succeeded,
            JobState::Failed,
        ];
        assert_eq!(states, expected);
        assert_eq!(detail.job.state, JobState::Failed);
        assert!(detail.job.conflict);
        assert_eq!(detail.deliveries.len(), 4);
    }

    #[test]
    fn a_job_with_more_events_than_are_folded_is_by_the_last_of_them() {
        let test = fixtures::open();
        test.append(message("t", "end", Some(0), event(JobState::Succeeded)));
        for at in 0..FOLDED_EVENTS_MAX + 10 {
            let running = event(JobState::Running);
            test.append(message("t", &format!("m{at}"), Some(at + 1), running));
        }
        let job = test.job();
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.events, u64::try_from(FOLDED_EVENTS_MAX).unwrap() + 11);
    }

    /// Whether it goes to the other topic, when it was published, what it says.
    type Drawn = (bool, Option<i64>, JobEvent);

    fn any_message() -> impl Strategy<Value = Drawn> {
        let state = prop::sample::select(JobState::ALL.to_vec());
        let time = || prop::option::of((0..4_i64).prop_map(|ms| NOON.plus_ms(ms)));
        let word = || prop::option::of("[ab]");
        let code = prop::option::of("[cd]");
        let published = prop::option::of(0..3_i64);
        let job = prop::sample::select(vec!["j1", "j2"]);
        (
            any::<bool>(),
            published,
            job,
            state,
            (time(), time(), time()),
            (word(), word(), word()),
            code,
        )
            .prop_map(|(other_topic, published, job, state, times, words, code)| {
                let event = JobEvent {
                    job_id: job.to_owned(),
                    job_type: words.0,
                    state,
                    raw_state: Some(state.word().to_uppercase()),
                    failure: code.map(|code| Failure {
                        code: Some(code),
                        message: None,
                    }),
                    user_data: words.1,
                    pipeline_id: words.2,
                    submitted_at: times.0,
                    started_at: times.1,
                    finished_at: times.2,
                    ..JobEvent::default()
                };
                (other_topic, published, event)
            })
    }

    /// What the jobs and queues say, without how often pushes came.
    fn folded(
        test: &TestStore,
        messages: &[Arrival],
    ) -> (Vec<JobRecord>, Vec<(String, Timestamp)>) {
        for message in messages {
            test.append(again(message));
        }
        let mut jobs = test.jobs();
        jobs.sort_by(|a, b| a.id.cmp(&b.id));
        for job in &mut jobs {
            job.deliveries = 0;
        }
        let queues = test.store.latest_by_queue(100, 1).unwrap();
        let queues = queues
            .into_iter()
            .map(|queue| (queue.name, queue.last_event_at));
        (jobs, queues.collect())
    }

    fn again(message: &Arrival) -> Arrival {
        let topic = message.notification.topic.clone().unwrap();
        let id = message.notification.message_id.clone().unwrap();
        let arrival = arrival_of(&topic, &id, message.events.clone());
        renotify(arrival, |notification| {
            notification.published_at = message.notification.published_at;
        })
    }

    proptest! {
        // A case opens two databases; 48 of them take a few seconds.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_order_and_any_repetition_of_the_same_messages_fold_to_the_same_jobs(
            (messages, shuffled) in prop::collection::vec(any_message(), 1..9).prop_flat_map(|messages| {
                let messages: Vec<_> = messages.into_iter().enumerate().collect();
                let twice = [messages.clone(), messages.clone()].concat();
                (Just(messages), Just(twice).prop_shuffle())
            })
        ) {
            let arrivals = |messages: Vec<(usize, Drawn)>| -> Vec<Arrival> {
                let arrival = |(at, (other_topic, published, event)): (usize, Drawn)| {
                    let topic = if other_topic { "t2" } else { "t1" };
                    message(topic, &format!("m{at}"), published, event)
                };
                messages.into_iter().map(arrival).collect()
            };
            let rules = |options: &mut crate::store::StoreOptions| {
                options.queues = vec![queue_rule("one", &["t1", "t2"])];
            };
            let once = folded(&fixtures::open_with(rules), &arrivals(messages));
            let again = folded(&fixtures::open_with(rules), &arrivals(shuffled));
            prop_assert_eq!(once, again);
        }
    }
}
