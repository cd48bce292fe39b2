//! The rows of runs and of their activities, written with each event of the run.
//!
//! As a job's row (`jobs.rs`), a run's is folded from its events every time some come, once a
//! message; of its activities only those are written that changed. Beside them stand what the rows
//! add to the roll-ups, the run's words, and its workflow.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::notification::event::JobState;
use crate::store::batch::{News, Shares};
use crate::store::cells::{self, Cells};
use crate::store::fold_run::{self, RunPart};
use crate::store::jobs::{Change, Counted, Counts};
use crate::store::lanes;
use crate::store::numbers::Subject;
use crate::store::records::{ActivityRecord, RowId, RunOutcome, RunRecord, WorkflowName};
use crate::store::rollups::{self, Deltas};
use crate::store::values::{as_read_back, count, json, read_json, read_maybe_time, read_time};
use crate::store::window::{Place, Window, event_text};
use crate::store::words::{self, Words};

/// The most events a run is folded from; see `window.rs`. The largest message MPS reads gives 1,001,
/// and a run has two such messages and some in between.
const FOLDED_EVENTS_MAX: usize = 4_096;

/// The most bytes of events a run is folded from: several Reports of the most activities.
const FOLDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most events that are looked at for those. With a message after each of its transcodes, which
/// lists them all, a run of 250 comes to about as many.
const READ_EVENTS_MAX: i64 = 65_536;

// The order of the fold, backwards, so that the bound keeps the events that decide. For `+?1` see
// `jobs.rs`.
const SELECT_PARTS: &str = "
    SELECT event.event, event.at, delivery.region, delivery.published_at
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.run = +?1
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT +?2";

const SELECT_COUNTS: &str = "
    SELECT
      (SELECT COUNT(*) FROM event JOIN delivery ON delivery.id = event.delivery
        WHERE event.run = +?1) AS events,
      (SELECT COALESCE(SUM(1 + duplicates), 0) FROM delivery WHERE id IN (
        SELECT delivery FROM event WHERE run = +?1
      )) AS deliveries";

const SELECT_RUN: &str = "
    SELECT run, owner, region, workflow, workflow_name, media_id, input, user_data, outcome,
      nothing_done, raw_state, code, error_group, message, created_at, finished_at, duration_ms,
      events, deliveries, conflict, start_missing, last_event_at, extra
    FROM run WHERE id = +?1";

const SELECT_ACTIVITIES: &str = "
    SELECT id, run, owner, name, type, region, workflow, workflow_name, job, template_id, state,
      raw_state, code, error_group, message, started_at, finished_at, duration_ms, conflict,
      last_event_at, extra
    FROM activity WHERE of_run = +?1";

const INSERT_RUN: &str = "
    INSERT INTO run (
      id, run, owner, region, workflow, workflow_name, media_id, input, user_data, outcome,
      nothing_done, raw_state, code, error_group, message, created_at, finished_at, duration_ms,
      events, deliveries, conflict, start_missing, last_event_at, extra
    ) VALUES (
      ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
      ?21, ?22, ?23, ?24
    )";

// Not the id and its owner; see `jobs.rs`.
const UPDATE_RUN: &str = "
    UPDATE run SET
      region = ?4, workflow = ?5, workflow_name = ?6, media_id = ?7, input = ?8, user_data = ?9,
      outcome = ?10, nothing_done = ?11, raw_state = ?12, code = ?13, error_group = ?14,
      message = ?15, created_at = ?16, finished_at = ?17, duration_ms = ?18, events = ?19,
      deliveries = ?20, conflict = ?21, start_missing = ?22, last_event_at = ?23, extra = ?24
    WHERE id = ?1";

const UPSERT_ACTIVITY: &str = "
    INSERT INTO activity (
      of_run, run, owner, name, type, region, workflow, workflow_name, job, template_id, state,
      raw_state, code, error_group, message, started_at, finished_at, duration_ms, conflict, last_event_at,
      extra
    ) VALUES (
      ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21
    )
    ON CONFLICT (of_run, name, type) DO UPDATE SET
      region = excluded.region, workflow = excluded.workflow,
      workflow_name = excluded.workflow_name, job = excluded.job,
      template_id = excluded.template_id, state = excluded.state,
      raw_state = excluded.raw_state, code = excluded.code, error_group = excluded.error_group,
      message = excluded.message, started_at = excluded.started_at,
      finished_at = excluded.finished_at, duration_ms = excluded.duration_ms,
      conflict = excluded.conflict, last_event_at = excluded.last_event_at,
      extra = excluded.extra";

const DELETE_RUN: &str = "DELETE FROM run WHERE id = ?1";

const DELETE_ACTIVITY: &str = "DELETE FROM activity WHERE id = ?1";

const ADD_DELIVERIES: &str = "UPDATE run SET deliveries = deliveries + ?2 WHERE id = ?1";

/// Folds a run and its activities again from their events and counts them again, with all that is
/// kept beside their rows. Any row of them that changed makes it changed. What it changes elsewhere
/// goes to `shares`, which the caller writes.
pub(super) fn refold_run(
    tx: &Transaction<'_>,
    run: &Subject,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    let before = stored(tx, run.row)?;
    fold(tx, run, before, Counts::Again, shares)
}

/// Folds a run again after `news` of it were written. What it changes elsewhere goes to `shares`,
/// which the caller writes.
pub(super) fn take_in(
    tx: &Transaction<'_>,
    run: &Subject,
    is_new: bool,
    news: &News,
    shares: &mut Shares,
) -> rusqlite::Result<()> {
    let before = if is_new { None } else { stored(tx, run.row)? };
    fold(tx, run, before, Counts::Add(news), shares)?;
    Ok(())
}

/// Counts pushes that brought a run's events once more.
pub(super) fn repeat(tx: &Transaction<'_>, run: RowId, news: &News) -> rusqlite::Result<()> {
    let mut update = tx.prepare_cached(ADD_DELIVERIES)?;
    update.execute([run, count(news.deliveries)])?;
    Ok(())
}

/// Returns a run's words as they are to be indexed, if folding it again would change nothing else.
pub(super) fn words_if_as_told(
    tx: &Transaction<'_>,
    run: &Subject,
) -> rusqlite::Result<Option<String>> {
    let Some(before) = stored(tx, run.row)? else {
        return Ok(None);
    };
    let parts = parts(tx, run)?;
    if !lanes::knows_workflows(tx, &run.owner, &parts)? {
        return Ok(None);
    }
    let after = folded(tx, run, &parts, Counted::default(), Counts::Again)?;
    let is_same = after.is_some_and(|after| after == before.record);
    Ok(is_same.then(|| words::of_run(&before.record)))
}

fn fold(
    tx: &Transaction<'_>,
    run: &Subject,
    before: Option<Stored>,
    counts: Counts<'_>,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    let parts = parts(tx, run)?;
    lanes::note_workflows(tx, &run.owner, &parts)?;
    let counted = before
        .as_ref()
        .map_or_else(Counted::default, |row| Counted {
            events: row.record.events,
            deliveries: row.record.deliveries,
        });
    let after = folded(tx, run, &parts, counted, counts)?;
    replace(tx, run.row, before, after, shares)
}

/// Returns what a run is folded from, in order.
fn parts(tx: &Transaction<'_>, run: &Subject) -> rusqlite::Result<Vec<RunPart>> {
    let mut select = tx.prepare_cached(SELECT_PARTS)?;
    let mut rows = select.query([run.row, READ_EVENTS_MAX])?;
    let mut window = Window::new(FOLDED_EVENTS_MAX, FOLDED_BYTES_MAX);
    let mut parts: Vec<RunPart> = Vec::new();
    while let Some(row) = rows.next()? {
        match window.place(event_text(row)?, "") {
            Place::Take => parts.push(part(row)?),
            Place::Repeat => {}
            Place::Full => break,
        }
    }
    parts.reverse();
    Ok(parts)
}

/// Returns a run as its events tell it; `None` without any.
fn folded(
    tx: &Transaction<'_>,
    run: &Subject,
    parts: &[RunPart],
    before: Counted,
    counts: Counts<'_>,
) -> rusqlite::Result<Option<RunRecord>> {
    let Some(mut folded) = fold_run::fold_run(&run.owner, &run.id, parts) else {
        return Ok(None);
    };
    let counted = counts.count(tx, before, SELECT_COUNTS, run.row)?;
    folded.events = counted.events;
    folded.deliveries = counted.deliveries;
    folded.extra = as_read_back(&folded.extra)?;
    for activity in &mut folded.activities {
        activity.extra = as_read_back(&activity.extra)?;
    }
    Ok(Some(folded))
}

fn part(row: &Row<'_>) -> rusqlite::Result<RunPart> {
    Ok(RunPart {
        event: read_json(row, "event")?,
        at: read_time(row, "at")?,
        region: row.get("region")?,
        published_at: read_maybe_time(row, "published_at")?,
    })
}

/// A run's row as it is, with the numbers of its activities' rows in the same order.
struct Stored {
    record: RunRecord,
    activity_ids: Vec<RowId>,
}

fn stored(tx: &Transaction<'_>, run: RowId) -> rusqlite::Result<Option<Stored>> {
    let mut select = tx.prepare_cached(SELECT_RUN)?;
    let row = select.query_row([run], |row| cells::read(row, record));
    let Some(mut record) = row.optional()? else {
        return Ok(None);
    };
    let mut select = tx.prepare_cached(SELECT_ACTIVITIES)?;
    let rows = select.query_map([run], |row| {
        Ok((row.get("id")?, cells::read(row, activity_record)?))
    })?;
    let mut rows: Vec<(RowId, ActivityRecord)> = rows.collect::<rusqlite::Result<_>>()?;
    rows.sort_by(|(_, a), (_, b)| fold_run::order(a).cmp(&fold_run::order(b)));
    let activity_ids;
    (activity_ids, record.activities) = rows.into_iter().unzip();
    Ok(Some(Stored {
        record,
        activity_ids,
    }))
}

/// Reads a run's row, without its activities.
pub(super) fn record(cells: &Cells<'_, '_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: cells.get("run")?,
        owner: cells.get("owner")?,
        region: cells.get("region")?,
        workflow: WorkflowName {
            id: cells.get("workflow")?,
            name: cells.get("workflow_name")?,
        },
        media_id: cells.get("media_id")?,
        input: cells.maybe_json("input")?,
        user_data: cells.get("user_data")?,
        outcome: cells.word("outcome", RunOutcome::from_word)?,
        nothing_done: cells.get("nothing_done")?,
        raw_state: cells.get("raw_state")?,
        code: cells.get("code")?,
        group: cells.get("error_group")?,
        message: cells.get("message")?,
        created_at: cells.maybe_time("created_at")?,
        finished_at: cells.maybe_time("finished_at")?,
        duration_ms: cells.get("duration_ms")?,
        events: cells.count("events")?,
        deliveries: cells.count("deliveries")?,
        conflict: cells.get("conflict")?,
        start_missing: cells.get("start_missing")?,
        last_event_at: cells.time("last_event_at")?,
        extra: cells.json("extra")?,
        activities: Vec::new(),
    })
}

/// Reads an activity's row.
pub(super) fn activity_record(cells: &Cells<'_, '_>) -> rusqlite::Result<ActivityRecord> {
    Ok(ActivityRecord {
        run: cells.get("run")?,
        owner: cells.get("owner")?,
        region: cells.get("region")?,
        workflow: WorkflowName {
            id: cells.get("workflow")?,
            name: cells.get("workflow_name")?,
        },
        name: cells.get("name")?,
        activity_type: cells.get("type")?,
        job: cells.get("job")?,
        template_id: cells.get("template_id")?,
        state: cells.word("state", JobState::from_word)?,
        raw_state: cells.get("raw_state")?,
        code: cells.get("code")?,
        group: cells.get("error_group")?,
        message: cells.get("message")?,
        started_at: cells.maybe_time("started_at")?,
        finished_at: cells.maybe_time("finished_at")?,
        duration_ms: cells.get("duration_ms")?,
        conflict: cells.get("conflict")?,
        last_event_at: cells.time("last_event_at")?,
        extra: cells.json("extra")?,
    })
}

/// Counts a run that had not ended before. One whose outcome is corrected is not counted again.
fn note_end(before: Option<&RunRecord>, after: Option<&RunRecord>, shares: &mut Shares) {
    let has_ended = |run: &RunRecord| run.outcome.is_end();
    let Some(after) = after.filter(|after| has_ended(after)) else {
        return;
    };
    if shares.counts_ends && before.is_none_or(|before| !has_ended(before)) {
        let workflow = after.workflow.id.as_deref();
        shares.ends.add_run(workflow, after.outcome.word());
    }
}

/// Makes the rows what they are to be, and with them what they add elsewhere.
fn replace(
    tx: &Transaction<'_>,
    id: RowId,
    before: Option<Stored>,
    after: Option<RunRecord>,
    shares: &mut Shares,
) -> rusqlite::Result<Change> {
    let had = before.as_ref().map(|row| &row.record);
    shares.roll_ups.replace(
        had.and_then(rollups::of_run),
        after.as_ref().and_then(rollups::of_run),
    );
    note_end(had, after.as_ref(), shares);
    let words_before = had.map(words::of_run).unwrap_or_default();
    let words_after = after.as_ref().map(words::of_run).unwrap_or_default();
    let activities = after.as_ref().map_or(&[][..], |after| &after.activities);
    let mut has_changed =
        replace_activities(tx, id, before.as_ref(), activities, &mut shares.roll_ups)?;
    let change = match (before, after) {
        (None, None) => return Ok(Change::Same),
        (Some(_), None) => {
            tx.prepare_cached(DELETE_RUN)?.execute([id])?;
            Change::Removed
        }
        (None, Some(after)) => {
            write(tx, INSERT_RUN, id, &after)?;
            Change::Added
        }
        (Some(mut before), Some(mut after)) => {
            before.record.activities = Vec::new();
            after.activities = Vec::new();
            if before.record != after {
                write(tx, UPDATE_RUN, id, &after)?;
                has_changed = true;
            }
            if has_changed {
                Change::Changed
            } else {
                Change::Same
            }
        }
    };
    let words = &mut shares.words;
    words.replace(Words::OfRuns, id, &words_before, words_after);
    Ok(change)
}

/// Writes the activities that changed and deletes those that are gone; returns whether there were
/// any.
fn replace_activities(
    tx: &Transaction<'_>,
    run: RowId,
    before: Option<&Stored>,
    after: &[ActivityRecord],
    deltas: &mut Deltas,
) -> rusqlite::Result<bool> {
    let mut before_by_node = BTreeMap::new();
    if let Some(before) = before {
        for (id, activity) in before.activity_ids.iter().zip(&before.record.activities) {
            before_by_node.insert((&activity.name, &activity.activity_type), (*id, activity));
        }
    }
    let mut has_changed = false;
    for activity in after {
        let had = before_by_node.remove(&(&activity.name, &activity.activity_type));
        let had = had.map(|(_, activity)| activity);
        if had == Some(activity) {
            continue;
        }
        has_changed = true;
        deltas.replace(
            had.and_then(rollups::of_activity),
            rollups::of_activity(activity),
        );
        upsert_activity(tx, run, activity)?;
    }
    for (id, gone) in before_by_node.into_values() {
        has_changed = true;
        deltas.replace(rollups::of_activity(gone), None);
        tx.prepare_cached(DELETE_ACTIVITY)?.execute([id])?;
    }
    Ok(has_changed)
}

/// Runs a statement whose parameters are these, by their places: by their names SQLite would look
/// through all of them for each.
fn write(tx: &Transaction<'_>, sql: &str, id: RowId, record: &RunRecord) -> rusqlite::Result<()> {
    tx.prepare_cached(sql)?.execute(params![
        id,
        record.id,
        record.owner,
        record.region,
        record.workflow.id,
        record.workflow.name,
        record.media_id,
        record.input.as_ref().map(json).transpose()?,
        record.user_data,
        record.outcome.word(),
        record.nothing_done,
        record.raw_state,
        record.code,
        record.group,
        record.message,
        record.created_at.map(|at| at.0),
        record.finished_at.map(|at| at.0),
        record.duration_ms,
        count(record.events),
        count(record.deliveries),
        record.conflict,
        record.start_missing,
        record.last_event_at.0,
        json(&record.extra)?,
    ])?;
    Ok(())
}

fn upsert_activity(
    tx: &Transaction<'_>,
    run: RowId,
    record: &ActivityRecord,
) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(UPSERT_ACTIVITY)?;
    upsert.execute(params![
        run,
        record.run,
        record.owner,
        record.name,
        record.activity_type,
        record.region,
        record.workflow.id,
        record.workflow.name,
        record.job,
        record.template_id,
        record.state.word(),
        record.raw_state,
        record.code,
        record.group,
        record.message,
        record.started_at.map(|at| at.0),
        record.finished_at.map(|at| at.0),
        record.duration_ms,
        record.conflict,
        record.last_event_at.0,
        json(&record.extra)?,
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{
        Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
    };

    use crate::clock::{Clock, Timestamp};
    use crate::notification::event::{ActivityEvent, Event, Failure, JobEvent, RunEvent, RunPart};
    use crate::store::Arrival;
    use crate::store::filters::{ActivityFilter, RunFilter};
    use crate::store::fixtures::{
        self, NOON, TestStore, arrival_of, arrival_saying, queue_rule, renotify,
    };
    use crate::store::jobs;
    use crate::store::lane_records::LaneKey;
    use crate::store::options::{STALE_AFTER_MS, WorkflowRule};
    use crate::store::records::{JobRecord, Page, RollUpRecord, RollUpSpan};

    use super::*;

    const START: &str = include_str!("../../tests/data/workflow-start.json");
    const REPORT: &str = include_str!("../../tests/data/workflow-report-completed.json");
    const RUN: &str = "11112222333344445555666677778888";

    const ALL: Page = Page::first(1_000);

    /// A message of run `run` in workflow `w`, published at its place after noon.
    fn message(at: i64, part: RunPart, state: JobState, activities: &[ActivityEvent]) -> Arrival {
        let run = RunEvent {
            run_id: "r".to_owned(),
            part,
            state,
            workflow_id: Some("w".to_owned()),
            ..RunEvent::default()
        };
        let activities = activities.iter().cloned().map(Event::Activity);
        let events = [Event::Run(run)].into_iter().chain(activities).collect();
        renotify(arrival_of("t", &format!("m{at}"), events), |notification| {
            notification.published_at = Some(NOON.plus_ms(at));
        })
    }

    fn activity(name: &str, activity_type: &str, state: JobState) -> ActivityEvent {
        ActivityEvent {
            run_id: "r".to_owned(),
            workflow_id: Some("w".to_owned()),
            name: name.to_owned(),
            activity_type: activity_type.to_owned(),
            state,
            ..ActivityEvent::default()
        }
    }

    #[test]
    fn each_sample_has_the_outcome_that_its_readme_says() {
        use RunOutcome::{Failed, Partial, Running, Succeeded};
        let code = Some("InvalidParameter.ResourceContentBad");
        let cases = [
            (START, Running, None),
            (REPORT, Succeeded, None),
            (
                include_str!("../../tests/data/workflow-report-partial-fail.guess.json"),
                Partial,
                code,
            ),
            (
                include_str!("../../tests/data/workflow-start-fail.guess.json"),
                Failed,
                code,
            ),
            (
                include_str!("../../tests/data/workflow-report-all-skipped.guess.json"),
                Failed,
                code,
            ),
            (
                include_str!("../../tests/data/workflow-transcode-completed.guess.json"),
                Running,
                None,
            ),
        ];
        for (message, outcome, code) in cases {
            let test = fixtures::open();
            test.append(arrival_saying("m", NOON, message));
            let run = test.run();
            assert_eq!(run.outcome, outcome, "{message}");
            assert_eq!(run.code.as_deref(), code, "{message}");
            assert!(!run.conflict && !run.nothing_done, "{message}");
        }
    }

    #[test]
    fn a_run_whose_report_comes_before_its_start_is_the_same_run() {
        let (start, report) = (NOON.plus_ms(1_200), NOON.plus_ms(131_200));
        let put = |messages: [(&str, Timestamp, &str); 2]| {
            let test = fixtures::open();
            for (id, at, message) in messages {
                test.append(arrival_saying(id, at, message));
            }
            test
        };
        let test = put([("2", report, REPORT), ("1", start, START)]);
        let in_order = put([("1", start, START), ("2", report, REPORT)]);
        let run = test.run();
        assert_eq!(run, in_order.run());
        assert_eq!(run.outcome, RunOutcome::Succeeded);
        assert_eq!(run.raw_state.as_deref(), Some("Completed"));
        assert_eq!(run.created_at, Some(NOON));
        assert_eq!(run.finished_at, Some(NOON.plus_ms(131_000)));
        assert_eq!(run.duration_ms, Some(131_000));
        assert_eq!((run.events, run.deliveries), (7, 2));
        assert_eq!(run.workflow.name.as_deref(), Some("示例-workflow"));
        let names = run.activities.iter().map(|activity| &*activity.name);
        let expected = ["Act-Start", "HD", "cover", "Act-Report"];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        let detail = test.store.find_runs(RUN).unwrap().remove(0);
        assert_eq!(detail.run, run);
        assert_eq!((detail.events.len(), detail.deliveries.len()), (7, 2));
    }

    #[test]
    fn a_run_ends_with_its_report_and_else_when_the_report_was_published() {
        let test = fixtures::open();
        let report = activity("e", "Report", JobState::Succeeded);
        test.append(message(
            5_000,
            RunPart::Report,
            JobState::Completed,
            &[report],
        ));
        assert_eq!(test.run().finished_at, Some(NOON.plus_ms(5_000)));
        let report = ActivityEvent {
            finished_at: Some(NOON.plus_ms(4_000)),
            ..activity("e", "Report", JobState::Succeeded)
        };
        test.append(message(
            6_000,
            RunPart::Report,
            JobState::Completed,
            &[report],
        ));
        assert_eq!(test.run().finished_at, Some(NOON.plus_ms(4_000)));
    }

    #[test]
    fn the_reason_of_a_run_is_its_first_failed_activitys_and_goes_when_it_did_not_fail() {
        let failed = |name: &str, started: i64, code: &str| ActivityEvent {
            started_at: Some(NOON.plus_ms(started)),
            failure: Some(Failure {
                code: Some(code.to_owned()),
                message: None,
            }),
            ..activity(name, "Transcode", JobState::Failed)
        };
        let test = fixtures::open();
        let activities = [
            failed("a", 2, "Throttling.User"),
            failed("b", 1, "InternalError"),
        ];
        test.append(message(
            0,
            RunPart::Progress,
            JobState::Running,
            &activities,
        ));
        let run = test.run();
        assert_eq!(run.code.as_deref(), Some("InternalError"));
        assert_eq!(run.group.as_deref(), Some("internal"));
        let good = ["a", "b"].map(|name| activity(name, "Transcode", JobState::Succeeded));
        test.append(message(9, RunPart::Report, JobState::Completed, &good));
        let run = test.run();
        assert_eq!((run.outcome, run.code), (RunOutcome::Succeeded, None));
        assert!(run.activities.iter().all(|activity| activity.conflict));
        assert!(!run.conflict);
    }

    #[test]
    fn a_report_that_disagrees_with_another_is_a_conflict_and_one_that_says_the_same_is_none() {
        let test = fixtures::open();
        for (at, state, is_conflict) in [
            (0, JobState::Completed, false),
            (1, JobState::Succeeded, false),
            (2, JobState::Failed, true),
        ] {
            test.append(message(at, RunPart::Report, state, &[]));
            assert_eq!(test.run().conflict, is_conflict, "{state:?}");
        }
    }

    #[test]
    fn two_activities_of_one_name_and_type_are_one_and_any_other_two_are_two() {
        let test = fixtures::open();
        let activities = [
            activity("a", "Transcode", JobState::Failed),
            activity("a", "Transcode", JobState::Succeeded),
            activity("a", "Snapshot", JobState::Succeeded),
        ];
        test.append(message(
            0,
            RunPart::Progress,
            JobState::Running,
            &activities,
        ));
        let run = test.run();
        let shown: Vec<_> = run
            .activities
            .iter()
            .map(|activity| (&*activity.activity_type, activity.state, activity.conflict))
            .collect();
        let expected = [
            ("Snapshot", JobState::Succeeded, false),
            ("Transcode", JobState::Succeeded, true),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn two_owners_with_the_same_run_id_are_two_runs() {
        let test = fixtures::open();
        test.append(message(0, RunPart::Start, JobState::Running, &[]));
        let report = message(1, RunPart::Report, JobState::Completed, &[]);
        test.append(renotify(report, |notification| {
            notification.topic_owner = Some("2002".to_owned());
        }));
        let runs = test.store.find_runs("r").unwrap();
        let shown: Vec<_> = runs
            .iter()
            .map(|detail| (&*detail.run.owner, detail.run.outcome, detail.events.len()))
            .collect();
        let expected = [
            ("1001", RunOutcome::Running, 1),
            ("2002", RunOutcome::Succeeded, 1),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_job_of_an_activity_is_listed_once_with_its_run_and_no_queue() {
        let test = fixtures::open();
        let own = JobEvent {
            job_id: "j".to_owned(),
            state: JobState::Submitted,
            user_data: Some("sku".to_owned()),
            pipeline_id: Some("p".to_owned()),
            ..JobEvent::default()
        };
        test.append(arrival_of("t", "m", vec![Event::Job(own)]));
        assert_eq!(test.job().queue.as_deref(), Some("p"));
        let ended = ActivityEvent {
            job_id: Some("j".to_owned()),
            ..activity("HD", "Transcode", JobState::Succeeded)
        };
        test.append(message(7, RunPart::Report, JobState::Completed, &[ended]));
        let job = test.job();
        assert_eq!(
            (job.run.as_deref(), job.workflow.as_deref()),
            (Some("r"), Some("w"))
        );
        assert_eq!((job.queue, job.state), (None, JobState::Succeeded));
        assert_eq!(job.job_type.as_deref(), Some("Transcode"));
        assert_eq!(job.user_data.as_deref(), Some("sku"));
        assert_eq!((job.events, job.deliveries), (2, 2));
        assert!(
            test.lanes()
                .iter()
                .all(|(key, ..)| matches!(key, LaneKey::Workflow { .. }))
        );
        assert_eq!(test.store.find_jobs("j").unwrap()[0].events.len(), 2);
        let kinds = test.roll_ups(RollUpSpan::Hour).into_iter();
        let kinds: Vec<_> = kinds.map(|row| row.lane_kind).collect();
        assert_eq!(kinds, ["activity", "workflow"]);
    }

    #[test]
    fn a_duplicate_counts_on_its_run_and_jobs() {
        let test = fixtures::open();
        for _ in 0..3 {
            test.append(arrival_saying("m", NOON, START));
        }
        assert_eq!((test.run().events, test.run().deliveries), (2, 3));
        assert_eq!((test.job().events, test.job().deliveries), (1, 3));
    }

    #[test]
    fn a_run_is_stale_by_the_clock_and_the_age_of_its_workflow() {
        let clock = Clock::standing_at(NOON);
        let test = fixtures::open_with(|options| {
            options.clock = clock.clone();
            options.workflows = vec![WorkflowRule {
                id: "w".to_owned(),
                name: String::new(),
                stale_after_ms: 1_000,
            }];
        });
        test.append(message(0, RunPart::Start, JobState::Running, &[]));
        test.append(arrival_saying("m", NOON, START));
        let ids = |outcome| {
            let filter = RunFilter {
                outcome: Some(outcome),
                ..RunFilter::default()
            };
            let runs = test.store.page_runs(&filter, ALL).unwrap().items;
            assert!(runs.iter().all(|run| run.outcome == outcome));
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        };
        let cases: [(i64, &[&str], &[&str]); 4] = [
            (1_000, &[RUN, "r"], &[]),
            (1_001, &[RUN], &["r"]),
            (STALE_AFTER_MS, &[RUN], &["r"]),
            (STALE_AFTER_MS + 1, &[], &[RUN, "r"]),
        ];
        for (age, running, stale) in cases {
            clock.set(NOON.plus_ms(age));
            assert_eq!(ids(RunOutcome::Running), running, "{age}");
            assert_eq!(ids(RunOutcome::Stale), stale, "{age}");
        }
        test.append(message(9, RunPart::Report, JobState::Completed, &[]));
        assert_eq!(ids(RunOutcome::Stale), [RUN]);
        assert_eq!(ids(RunOutcome::Succeeded), ["r"]);
    }

    #[test]
    fn a_workflow_is_called_by_the_configuration_and_else_by_what_was_published_last() {
        let named = |at: i64, id: &str, name: &str| {
            let run = RunEvent {
                run_id: format!("r{at}"),
                workflow_id: Some(id.to_owned()),
                workflow_name: Some(name.to_owned()),
                ..RunEvent::default()
            };
            let arrival = arrival_of("t", &format!("{id}{at}"), vec![Event::Run(run)]);
            renotify(arrival, |notification| {
                notification.published_at = Some(NOON.plus_ms(at));
            })
        };
        let test = fixtures::open_with(|options| {
            options.workflows = vec![WorkflowRule {
                id: "v".to_owned(),
                name: "ours".to_owned(),
                stale_after_ms: STALE_AFTER_MS,
            }];
        });
        for (at, id, name) in [
            (1, "w", "old"),
            (3, "w", "new"),
            (2, "w", "z"),
            (0, "v", "v"),
        ] {
            test.append(named(at, id, name));
        }
        let lane = |id: &str| LaneKey::Workflow {
            owner: "1001".to_owned(),
            region: String::new(),
            id: id.to_owned(),
        };
        let expected = [
            (lane("w"), Some("new".to_owned()), NOON.plus_ms(3)),
            (lane("v"), Some("ours".to_owned()), NOON),
        ];
        assert_eq!(test.lanes(), expected);
        let mut called: Vec<_> = test
            .runs()
            .into_iter()
            .map(|run| run.workflow.name)
            .collect();
        called.sort_unstable();
        let expected = ["new", "new", "new", "ours"].map(|name| Some(name.to_owned()));
        assert_eq!(called, expected);
    }

    #[test]
    fn folding_again_changes_nothing_until_the_events_do() {
        let test = fixtures::open();
        test.append(arrival_saying("m1", NOON, START));
        test.append(arrival_saying("m2", NOON, REPORT));
        test.append(arrival_saying("m2", NOON, REPORT));
        let subject = |sql: &str, id: &str| Subject {
            row: test
                .look()
                .query_row(sql, [id], |row| row.get(0))
                .unwrap_or(77),
            owner: "1001".to_owned(),
            id: id.to_owned(),
        };
        let of_run = "SELECT id FROM run WHERE run = ?1";
        let of_job = "SELECT id FROM job WHERE job = ?1";
        let run = subject(of_run, RUN);
        let job = subject(of_job, "aaaa3333aaaa3333aaaa3333aaaa3333");
        let none = [subject(of_run, "none"), subject(of_job, "none")];
        let all = Arc::new((run, job, none));
        let refold = |sql: &'static str, expected: Change| {
            let asked = (sql, expected, Arc::clone(&all));
            let refolded = test.put(asked, |tx, ctx, (sql, expected, all)| {
                tx.execute_batch(sql)?;
                let (run, job, [no_run, no_job]) = &**all;
                let of_run = |run| -> rusqlite::Result<Change> {
                    let mut shares = Shares::default();
                    let change = refold_run(tx, run, &mut shares)?;
                    shares.write(tx, ctx)?;
                    Ok(change)
                };
                let of_job = |job| -> rusqlite::Result<Change> {
                    let mut shares = Shares::default();
                    let change = jobs::refold_job(tx, job, &mut shares)?;
                    shares.write(tx, ctx)?;
                    Ok(change)
                };
                assert_eq!(
                    (of_run(run)?, of_job(job)?),
                    (*expected, *expected),
                    "{sql}"
                );
                let again = [of_run(run)?, of_job(job)?, of_run(no_run)?, of_job(no_job)?];
                assert_eq!(again, [Change::Same; 4], "{sql}");
                Ok(Ok(()))
            });
            refolded.recv().unwrap().unwrap();
        };
        refold("SELECT 1", Change::Same);
        refold(
            "UPDATE event SET event = replace(event, 'succeeded', 'failed')",
            Change::Changed,
        );
        assert_eq!(test.run().outcome, RunOutcome::Failed);
        let states = test.roll_ups(RollUpSpan::Hour).into_iter();
        assert!(states.map(|row| row.state).all(|state| state == "failed"));
        refold("DELETE FROM event", Change::Removed);
        assert!(test.runs().is_empty());
        let activities = test.store.page_activities(&ActivityFilter::default(), ALL);
        assert!(activities.unwrap().items.is_empty());
        assert!(test.roll_ups(RollUpSpan::Hour).is_empty());
    }

    type Drawn = (bool, bool, Option<i64>, Vec<Event>);

    fn any_state() -> impl Strategy<Value = JobState> {
        prop::sample::select(&JobState::ALL[..])
    }

    fn any_time() -> impl Strategy<Value = Option<Timestamp>> {
        let ms = prop::sample::select(vec![-90_000_i64, 0, 7, 4_000_000]);
        prop::option::of(ms.prop_map(|ms| NOON.plus_ms(ms)))
    }

    fn any_word(words: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
        prop::option::of(prop::sample::select(words).prop_map(str::to_owned))
    }

    fn any_job() -> impl Strategy<Value = Vec<Event>> {
        let ids = any_word(&["j1", "j2"]);
        let words = (
            any_word(&["Transcode", "Snapshot"]),
            any_word(&["p1", "p2"]),
        );
        let times = (any_time(), any_time(), any_time());
        (ids, any_state(), words, times).prop_map(|(id, state, words, times)| {
            vec![Event::Job(JobEvent {
                job_id: id.unwrap_or_else(|| "j3".to_owned()),
                state,
                job_type: words.0.clone(),
                user_data: words.0,
                pipeline_id: words.1,
                submitted_at: times.0,
                started_at: times.1,
                finished_at: times.2,
                ..JobEvent::default()
            })]
        })
    }

    fn any_activity() -> impl Strategy<Value = ActivityEvent> {
        let words = (
            any_word(&["A", "B"]),
            any_word(&["Start", "Transcode", "Report"]),
            any_word(&["j1", "j2"]),
            any_word(&["InternalError", "Throttling.User"]),
        );
        (words, any_state(), any_time(), any_time()).prop_map(
            |((name, kind, job, code), state, started_at, finished_at)| ActivityEvent {
                name: name.unwrap_or_default(),
                activity_type: kind.unwrap_or_default(),
                job_id: job,
                state,
                failure: code.map(|code| Failure {
                    code: Some(code),
                    message: None,
                }),
                started_at,
                finished_at,
                ..ActivityEvent::default()
            },
        )
    }

    fn any_run() -> impl Strategy<Value = Vec<Event>> {
        let part = prop::sample::select(vec![RunPart::Start, RunPart::Progress, RunPart::Report]);
        let words = (
            prop::sample::select(vec!["r1", "r2"]),
            any_word(&["w1", "w2"]),
            any_word(&["name", "名字"]),
        );
        let activities = prop::collection::vec(any_activity(), 0..4);
        (
            part,
            words,
            any_state(),
            (any_time(), any_time()),
            activities,
        )
            .prop_map(
                |(part, (run_id, workflow_id, name), state, times, activities)| {
                    let run = RunEvent {
                        run_id: run_id.to_owned(),
                        part,
                        workflow_id: workflow_id.clone(),
                        workflow_name: name.clone(),
                        state,
                        created_at: times.0,
                        happened_at: times.1,
                        ..RunEvent::default()
                    };
                    let activities = activities.into_iter().map(|activity| {
                        Event::Activity(ActivityEvent {
                            run_id: run_id.to_owned(),
                            workflow_id: workflow_id.clone(),
                            workflow_name: name.clone(),
                            ..activity
                        })
                    });
                    [Event::Run(run)].into_iter().chain(activities).collect()
                },
            )
    }

    fn any_message() -> impl Strategy<Value = Drawn> {
        let published = prop::option::of(prop::sample::select(vec![0_i64, 3, 60_000]));
        let events = prop_oneof![any_job(), any_run()];
        (any::<bool>(), any::<bool>(), published, events)
    }

    type Folded = (
        Vec<JobRecord>,
        Vec<RunRecord>,
        Vec<ActivityRecord>,
        [Vec<RollUpRecord>; 2],
        Vec<fixtures::Lane>,
    );

    /// What all reading verbs say after these messages, but how often pushes came.
    fn folded(messages: &[(usize, Drawn)]) -> Folded {
        let test = fixtures::open_with(|options| {
            options.queues = vec![queue_rule("one", &["t1", "t2"])];
        });
        for (id, (other_owner, other_topic, published, events)) in messages {
            let topic = if *other_topic { "t2" } else { "t1" };
            let arrival = arrival_of(topic, &format!("m{id}"), events.clone());
            test.append(renotify(arrival, |notification| {
                notification.published_at = published.map(|ms| NOON.plus_ms(ms));
                if *other_owner {
                    notification.topic_owner = Some("2002".to_owned());
                }
            }));
        }
        read(&test)
    }

    fn read(test: &TestStore) -> Folded {
        let mut jobs = test.jobs();
        jobs.sort_by(|a, b| (&a.id, &a.owner).cmp(&(&b.id, &b.owner)));
        for job in &mut jobs {
            job.deliveries = 0;
        }
        let mut runs = test.runs();
        runs.sort_by(|a, b| (&a.id, &a.owner).cmp(&(&b.id, &b.owner)));
        for run in &mut runs {
            run.deliveries = 0;
        }
        let activities = test.store.page_activities(&ActivityFilter::default(), ALL);
        let mut activities = activities.unwrap().items;
        let node = |activity: &ActivityRecord| {
            let name = (activity.name.clone(), activity.activity_type.clone());
            (activity.run.clone(), activity.owner.clone(), name)
        };
        activities.sort_by_key(node);
        (
            jobs,
            runs,
            activities,
            [RollUpSpan::Minute, RollUpSpan::Hour].map(|span| test.roll_ups(span)),
            test.lanes(),
        )
    }

    proptest! {
        // A case opens two databases; 48 of them take a few seconds.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_order_and_any_repetition_of_the_same_messages_fold_to_the_same_rows(
            (messages, shuffled) in prop::collection::vec(any_message(), 1..10).prop_flat_map(|messages| {
                let messages: Vec<_> = messages.into_iter().enumerate().collect();
                let twice = [messages.clone(), messages.clone()].concat();
                (Just(messages), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(folded(&messages), folded(&shuffled));
        }

        #[test]
        fn any_split_over_two_topics_of_one_queue_folds_to_the_same_rows(
            (messages, topics) in prop::collection::vec(any_message(), 1..10).prop_flat_map(|messages| {
                let topics = prop::collection::vec(any::<bool>(), messages.len());
                // Published one after the other: of messages published in the same moment the
                // topic decides, so that it would make a difference.
                let messages = messages.into_iter().enumerate().map(|(at, mut message)| {
                    message.2 = i64::try_from(at).ok();
                    (at, message)
                });
                (Just(messages.collect::<Vec<_>>()), topics)
            })
        ) {
            let mut split = messages.clone();
            for ((_, message), other_topic) in split.iter_mut().zip(topics) {
                message.1 = other_topic;
            }
            split.reverse();
            prop_assert_eq!(folded(&messages), folded(&split));
        }
    }
}
