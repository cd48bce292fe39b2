//! The rows of jobs, written with each event.
//!
//! A job's row is folded from its events every time one comes (`fold.rs`), in the order that this
//! file's query gives them. Its two counts are sums, so they are added to: how many events it has,
//! and how many pushes brought them, duplicates too. What depends on the row (its roll-up, its
//! words, its queue) is kept with it, by what the row was before and what it is now.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clock::Timestamp;
use crate::notification::event::{Event, JobState};
use crate::store::batch::{News, Shares};
use crate::store::cells::{self, Cells};
use crate::store::event_rows::EventRow;
use crate::store::fold::{self, FoldedJob, JobPart};
use crate::store::numbers::Subject;
use crate::store::records::{JobRecord, RowId};
use crate::store::rollups;
use crate::store::values::{as_read_back, count, json, parse_json, read_count, read_time};
use crate::store::window::{Place, Window};
use crate::store::words::{self, Words};

/// The most events a job is folded from; see `window.rs`. A job has one to five.
pub(super) const FOLDED_EVENTS_MAX: usize = 256;

/// The most bytes of events a job is folded from. A job's events have some hundred bytes each.
pub(super) const FOLDED_BYTES_MAX: usize = 512 * 1024;

/// The most events that are looked at for those: most of what is beyond repeats what is not.
pub(super) const READ_EVENTS_MAX: i64 = 4_096;

// The order of the fold, backwards, so that the bound keeps the events that decide. `+?1` and not
// `?1`, here and in other joins of the writer: where the planner has looked at a parameter, SQLite
// prepares the statement again each time it is bound, a fifth of the writer's time in a profile.
const SELECT_PARTS: &str = "
    SELECT event.event, event.at, event.queue, event.queue_rule, delivery.region
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.job = +?1
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT +?2";

pub(super) const SELECT_COUNTS: &str = "
    SELECT
      (SELECT COUNT(*) FROM event JOIN delivery ON delivery.id = event.delivery
        WHERE event.job = +?1) AS events,
      (SELECT COALESCE(SUM(1 + duplicates), 0) FROM delivery WHERE id IN (
        SELECT delivery FROM event WHERE job = +?1
      )) AS deliveries";

const SELECT_ROW: &str = "
    SELECT job, owner, region, queue, run, workflow, names, type, state, raw_state, code,
      error_group, message, user_data, input, submitted_at, started_at, finished_at, duration_ms,
      events, deliveries, conflict, last_event_at, extra
    FROM job WHERE id = +?1";

const INSERT_JOB: &str = "
    INSERT INTO job (
      id, job, owner, region, queue, run, workflow, names, type, state, raw_state, code, error_group,
      message, user_data, input, submitted_at, started_at, finished_at, duration_ms, events,
      deliveries, conflict, last_event_at, extra
    ) VALUES (
      ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
      ?21, ?22, ?23, ?24, ?25
    )";

// Not the id and its owner: they stay, and SQLite would write their entry in the index anew.
const UPDATE_JOB: &str = "
    UPDATE job SET
      region = ?4, queue = ?5, run = ?6, workflow = ?7, names = ?8, type = ?9, state = ?10,
      raw_state = ?11, code = ?12, error_group = ?13, message = ?14, user_data = ?15, input = ?16,
      submitted_at = ?17, started_at = ?18, finished_at = ?19, duration_ms = ?20, events = ?21,
      deliveries = ?22, conflict = ?23, last_event_at = ?24, extra = ?25
    WHERE id = ?1";

const UPDATE_COUNTS: &str = "UPDATE job SET events = ?2, deliveries = ?3 WHERE id = ?1";

const DELETE_JOB: &str = "DELETE FROM job WHERE id = ?1";

const ADD_DELIVERIES: &str = "UPDATE job SET deliveries = deliveries + ?2 WHERE id = ?1";

/// What became of a row that was folded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is what it was, or there was and is none.
    Same,
    Added,
    Changed,
    /// None of its events is there any more.
    Removed,
}

/// Where a row's counts come from.
#[derive(Clone, Copy)]
pub(super) enum Counts<'a> {
    /// So much has come.
    Add(&'a News),
    /// Events may have come or gone in any number.
    Again,
}

/// One event that tells of a job, as its row and its delivery have it.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) event: String,
    at: Timestamp,
    region: String,
    queue: Option<String>,
    queue_rule: i64,
}

impl Told {
    pub(super) fn of(row: EventRow, region: &str) -> Told {
        Told {
            event: row.event,
            at: row.at,
            region: region.to_owned(),
            queue: row.queue,
            queue_rule: row.queue_rule,
        }
    }
}

/// How many events a row has, and how many pushes brought them.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) events: u64,
    pub(super) deliveries: u64,
}

impl Counts<'_> {
    /// Adds to what the row had, or counts by `sql`, which knows the row.
    pub(super) fn count(
        self,
        tx: &Transaction<'_>,
        before: Counted,
        sql: &str,
        row: RowId,
    ) -> rusqlite::Result<Counted> {
        match self {
            Counts::Add(news) => Ok(Counted {
                events: before.events.saturating_add(news.events),
                deliveries: before.deliveries.saturating_add(news.deliveries),
            }),
            Counts::Again => {
                let mut select = tx.prepare_cached(sql)?;
                select.query_row([row], |row| {
                    Ok(Counted {
                        events: read_count(row, "events")?,
                        deliveries: read_count(row, "deliveries")?,
                    })
                })
            }
        }
    }
}

/// Folds a job again from its events and counts them again, with all that is kept beside its row.
/// What it changes elsewhere goes to `shares`, which the caller writes.
pub(super) fn refold_job(
    tx: &Transaction<'_>,
    job: &Subject,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    let parts = parts(tx, job)?;
    let before = stored(tx, job.row)?;
    fold(tx, job, &parts, before, Counts::Again, shares)
}

/// Folds a job again after `news` of it were written. What it changes elsewhere goes to `shares`,
/// which the caller writes.
pub(super) fn take_in(
    tx: &Transaction<'_>,
    job: &Subject,
    is_new: bool,
    news: &News,
    shares: &mut Shares,
) -> rusqlite::Result<()> {
    let before = if is_new { None } else { stored(tx, job.row)? };
    let parts = match &news.only {
        // A new one has no other event. Most jobs come and go with one.
        Some(told) if is_new => part(parse_json(&told.event)?, told.clone(), &job.id)
            .into_iter()
            .collect(),
        _ => parts(tx, job)?,
    };
    fold(tx, job, &parts, before, Counts::Add(news), shares)?;
    Ok(())
}

/// Counts pushes that brought a job's events once more.
pub(super) fn repeat(tx: &Transaction<'_>, job: RowId, news: &News) -> rusqlite::Result<()> {
    let mut update = tx.prepare_cached(ADD_DELIVERIES)?;
    update.execute([job, count(news.deliveries)])?;
    Ok(())
}

/// Returns what a job is folded from, in order.
fn parts(tx: &Transaction<'_>, job: &Subject) -> rusqlite::Result<Vec<JobPart>> {
    let mut select = tx.prepare_cached(SELECT_PARTS)?;
    let mut rows = select.query([job.row, READ_EVENTS_MAX])?;
    let mut window = Window::new(FOLDED_EVENTS_MAX, FOLDED_BYTES_MAX);
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let told = told(row)?;
        match window.place(&told.event, &lane(&told)) {
            Place::Take => parts.extend(part(parse_json(&told.event)?, told, &job.id)),
            Place::Repeat => {}
            Place::Full => break,
        }
    }
    parts.reverse();
    Ok(parts)
}

fn fold(
    tx: &Transaction<'_>,
    job: &Subject,
    parts: &[JobPart],
    before: Option<FoldedJob>,
    counts: Counts<'_>,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    shares.queues.note(parts);
    let mut after = fold::fold_job(&job.owner, &job.id, parts);
    if let Some(after) = &mut after {
        let counted = before
            .as_ref()
            .map_or_else(Counted::default, |row| Counted {
                events: row.record.events,
                deliveries: row.record.deliveries,
            });
        let counted = counts.count(tx, counted, SELECT_COUNTS, job.row)?;
        after.record.events = counted.events;
        after.record.deliveries = counted.deliveries;
        after.record.extra = as_read_back(&after.record.extra)?;
    }
    replace(tx, job.row, before, after, shares)
}

/// Returns what a job's queue is decided by, beside the event itself.
pub(super) fn lane(told: &Told) -> String {
    let Told {
        queue_rule,
        queue,
        region,
        ..
    } = told;
    format!("{queue_rule} {queue:?} {region:?}")
}

pub(super) fn told(row: &Row<'_>) -> rusqlite::Result<Told> {
    Ok(Told {
        event: row.get("event")?,
        at: read_time(row, "at")?,
        region: row.get("region")?,
        queue: row.get("queue")?,
        queue_rule: row.get("queue_rule")?,
    })
}

/// Returns what an event tells of a job, if it does. `event` is what was read from its text, also
/// where it was at hand, so that it is the same whenever it is folded again.
pub(super) fn part(event: Event, told: Told, job: &str) -> Option<JobPart> {
    let (event, of_run) = match event {
        Event::Job(event) => (event, None),
        Event::Activity(activity) => {
            let (event, of_run) = fold::job_of(activity, job);
            (event, Some(of_run))
        }
        Event::Run(_) | Event::Unrecognized(_) => return None,
    };
    Some(JobPart {
        event,
        of_run,
        at: told.at,
        region: told.region,
        queue: told.queue,
        queue_rule: told.queue_rule,
    })
}

fn stored(tx: &Transaction<'_>, job: RowId) -> rusqlite::Result<Option<FoldedJob>> {
    let mut select = tx.prepare_cached(SELECT_ROW)?;
    let row = select.query_row([job], |row| {
        Ok(FoldedJob {
            record: cells::read(row, record)?,
            names: row.get("names")?,
        })
    });
    row.optional()
}

/// Reads a job's row.
pub(super) fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<JobRecord> {
    Ok(JobRecord {
        id: cells.get("job")?,
        owner: cells.get("owner")?,
        region: cells.get("region")?,
        queue: cells.get("queue")?,
        run: cells.get("run")?,
        workflow: cells.get("workflow")?,
        // Names change; readers look them up.
        workflow_name: None,
        job_type: cells.get("type")?,
        state: cells.word("state", JobState::from_word)?,
        raw_state: cells.get("raw_state")?,
        code: cells.get("code")?,
        group: cells.get("error_group")?,
        message: cells.get("message")?,
        user_data: cells.get("user_data")?,
        input: cells.maybe_json("input")?,
        submitted_at: cells.maybe_time("submitted_at")?,
        started_at: cells.maybe_time("started_at")?,
        finished_at: cells.maybe_time("finished_at")?,
        duration_ms: cells.get("duration_ms")?,
        events: cells.count("events")?,
        deliveries: cells.count("deliveries")?,
        conflict: cells.get("conflict")?,
        last_event_at: cells.time("last_event_at")?,
        extra: cells.json("extra")?,
    })
}

/// Counts a job of a queue that had not ended before. One whose end is corrected is not counted again.
fn note_end(before: Option<&FoldedJob>, after: Option<&FoldedJob>, shares: &mut Shares) {
    let has_ended = |row: &FoldedJob| row.record.state.is_terminal();
    let Some(after) = after.filter(|after| has_ended(after)) else {
        return;
    };
    let is_new = before.is_none_or(|before| !has_ended(before));
    if shares.counts_ends && is_new && after.record.run.is_none() {
        let queue = after.record.queue.as_deref();
        shares.ends.add_job(queue, after.record.state.word());
    }
}

/// Makes the row what it is to be, and with it what it adds elsewhere.
fn replace(
    tx: &Transaction<'_>,
    id: RowId,
    before: Option<FoldedJob>,
    after: Option<FoldedJob>,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    let contribution = |row: &FoldedJob| rollups::of_job(&row.record);
    let words_of = |row: &FoldedJob| words::of_job(&row.record, &row.names);
    let had = before.as_ref();
    shares.roll_ups.replace(
        had.and_then(contribution),
        after.as_ref().and_then(contribution),
    );
    note_end(had, after.as_ref(), shares);
    let words_before = had.map(words_of).unwrap_or_default();
    let words_after = after.as_ref().map(words_of).unwrap_or_default();
    let change = match (before, after) {
        (None, None) => return Ok(Change::Same),
        (Some(_), None) => {
            tx.prepare_cached(DELETE_JOB)?.execute([id])?;
            Change::Removed
        }
        (None, Some(after)) => {
            write(tx, INSERT_JOB, id, &after)?;
            Change::Added
        }
        (Some(before), Some(after)) if before == after => Change::Same,
        (Some(mut before), Some(after)) => {
            before.record.events = after.record.events;
            before.record.deliveries = after.record.deliveries;
            if before == after {
                let counts = params![
                    id,
                    count(after.record.events),
                    count(after.record.deliveries)
                ];
                tx.prepare_cached(UPDATE_COUNTS)?.execute(counts)?;
            } else {
                write(tx, UPDATE_JOB, id, &after)?;
            }
            Change::Changed
        }
    };
    let words = &mut shares.words;
    words.replace(Words::OfJobs, id, &words_before, words_after);
    Ok(change)
}

/// Runs a statement whose parameters are these, by their places: by their names SQLite would look
/// through all of them for each.
fn write(tx: &Transaction<'_>, sql: &str, id: RowId, folded: &FoldedJob) -> rusqlite::Result<()> {
    let record = &folded.record;
    tx.prepare_cached(sql)?.execute(params![
        id,
        record.id,
        record.owner,
        record.region,
        record.queue,
        record.run,
        record.workflow,
        folded.names,
        record.job_type,
        record.state.word(),
        record.raw_state,
        record.code,
        record.group,
        record.message,
        record.user_data,
        record.input.as_ref().map(json).transpose()?,
        record.submitted_at.map(|at| at.0),
        record.started_at.map(|at| at.0),
        record.finished_at.map(|at| at.0),
        record.duration_ms,
        count(record.events),
        count(record.deliveries),
        record.conflict,
        record.last_event_at.0,
        json(&record.extra)?,
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

    use crate::mps::failure;
    use crate::notification::event::{Failure, JobEvent, JobState, MediaObject};
    use crate::store::Arrival;
    use crate::store::fixtures::{
        self, Lane, NOON, TestStore, arrival_of, queue_lane, queue_rule, renotify,
    };
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
    fn a_queue_is_known_with_its_newest_event() {
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
        let expected = [
            (queue_lane("hd"), None, NOON.plus_ms(30)),
            (queue_lane("t3"), None, NOON.plus_ms(40)),
        ];
        assert_eq!(test.lanes(), expected);
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
        assert_eq!(test.lanes(), [(queue_lane("p1"), None, NOON)]);
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
    fn a_job_is_folded_from_its_last_events_as_far_as_there_is_room() {
        let test = fixtures::open();
        let ended = JobEvent {
            state: JobState::Succeeded,
            ..JobEvent::default()
        };
        let running = |at: i64| JobEvent {
            state: JobState::Running,
            request_id: Some(at.to_string()),
            user_data: (at == 1).then(|| "of the second".to_owned()),
            job_type: (at == 0).then(|| "of the first".to_owned()),
            ..JobEvent::default()
        };
        // With the ended one, all but the very first have room.
        for at in 0..i64::try_from(FOLDED_EVENTS_MAX).unwrap() {
            test.append(message(
                "t",
                &format!("m{at}"),
                Some(at),
                named(running(at)),
            ));
        }
        test.append(message("t", "end", Some(0), named(ended)));
        let job = test.job();
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(job.user_data.as_deref(), Some("of the second"));
        assert_eq!(job.job_type, None, "it found no room");
        assert_eq!(job.events, u64::try_from(FOLDED_EVENTS_MAX).unwrap() + 1);
    }

    fn named(event_of_job: JobEvent) -> JobEvent {
        JobEvent {
            job_id: event(JobState::Running).job_id,
            ..event_of_job
        }
    }

    #[test]
    fn events_that_only_repeat_leave_room_for_the_first() {
        let test = fixtures::open();
        let first = JobEvent {
            job_type: Some("of the first".to_owned()),
            ..event(JobState::Submitted)
        };
        test.append(message("t", "first", Some(0), first));
        for at in 0..i64::try_from(FOLDED_EVENTS_MAX).unwrap() + 5 {
            let again = event(JobState::Running);
            test.append(message("t", &format!("m{at}"), Some(at + 1), again));
        }
        let job = test.job();
        assert_eq!(job.state, JobState::Running);
        assert_eq!(job.job_type.as_deref(), Some("of the first"));
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
    fn folded(test: &TestStore, messages: &[Arrival]) -> (Vec<JobRecord>, Vec<Lane>) {
        for message in messages {
            test.append(again(message));
        }
        let mut jobs = test.jobs();
        jobs.sort_by(|a, b| a.id.cmp(&b.id));
        for job in &mut jobs {
            job.deliveries = 0;
        }
        (jobs, test.lanes())
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
            let rules = |options: &mut crate::store::options::StoreOptions| {
                options.queues = vec![queue_rule("one", &["t1", "t2"])];
            };
            let once = folded(&fixtures::open_with(rules), &arrivals(messages));
            let again = folded(&fixtures::open_with(rules), &arrivals(shuffled));
            prop_assert_eq!(once, again);
        }
    }
}
