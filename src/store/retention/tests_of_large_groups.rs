//! Groups that no piece could forget alone, with bounds so small that many pieces are needed.

use crate::notification::event::{ActivityEvent, Event, JobState, RunEvent, RunPart};
use crate::store::Arrival;
use crate::store::filters::EventFilter;
use crate::store::fixtures::{self, arrival_of};
use crate::store::records::Page;
use crate::store::retention::tests::{
    aged, ago, count, find, find_by, horizons, job, job_ids, prune, prune_watched, roll_ups,
    wrong_sums,
};

use crate::store::filters::DeliveryFilter;
use crate::store::fixtures::TestStore;
use crate::store::rebuild::Rules;

use super::*;

const JOBS: usize = 6;

/// A message that tells of a run and all its activities, each of which is a job.
fn telling_all(id: &str, run: &str, days: i64) -> Arrival {
    let event = RunEvent {
        run_id: run.to_owned(),
        workflow_id: Some("w".to_owned()),
        state: JobState::Completed,
        part: RunPart::Report,
        ..RunEvent::default()
    };
    let activity = |name: usize| {
        Event::Activity(ActivityEvent {
            run_id: run.to_owned(),
            name: name.to_string(),
            activity_type: "Transcode".to_owned(),
            state: JobState::Succeeded,
            job_id: Some(format!("{run}-{name}")),
            finished_at: Some(ago(days)),
            ..ActivityEvent::default()
        })
    };
    let mut events = vec![Event::Run(event)];
    events.extend((0..JOBS).map(activity));
    aged(days, arrival_of("t", id, events))
}

/// Two runs with as many messages as jobs, which tell of all of them, and what is new.
fn two_large_runs() -> TestStore {
    let test = fixtures::open();
    for run in ["a", "b"] {
        for at in 0..JOBS {
            test.append(telling_all(&format!("{run}{at}"), run, 50));
        }
    }
    test.append(job("old", "old", 50));
    test.append(job("newest", "newest", 0));
    test
}

/// What is found, read and forgotten little by little.
fn small() -> Walk {
    let bounds = Bounds {
        events_at_once: 4,
        events_looked_at: 10,
        ..Bounds::default()
    };
    Walk {
        bounds,
        ..Walk::default()
    }
}

/// How many runs, jobs, activities, events and deliveries of the run a reader sees.
fn seen(test: &TestStore, run: &str) -> [usize; 5] {
    let runs = test.store.find_runs(run).unwrap();
    let jobs = test.jobs();
    let jobs = jobs.iter().filter(|job| job.run.as_deref() == Some(run));
    let page = Page::first(1_000);
    let events = test.store.page_events(&EventFilter::default(), page);
    let events = events.unwrap().items;
    let told = events
        .iter()
        .filter(|it| it.subject.as_deref() == Some(run));
    let deliveries = test.store.page_deliveries(&DeliveryFilter::default(), page);
    let deliveries = deliveries.unwrap().items;
    let brought = deliveries
        .iter()
        .filter(|it| it.message_id.as_ref().is_some_and(|id| id.starts_with(run)));
    [
        runs.len(),
        jobs.count(),
        runs.first().map_or(0, |run| run.run.activities.len()),
        told.count(),
        brought.count(),
    ]
}

const WHOLE: [usize; 5] = [1, JOBS, JOBS, JOBS * (JOBS + 1), JOBS];

/// Nothing is left of what is forgotten, seen or unseen.
fn assert_swept(test: &TestStore) {
    assert_eq!(count(test, "leftover"), 0);
    let lost = "event WHERE delivery NOT IN (SELECT id FROM delivery)";
    assert_eq!(count(test, lost), 0);
    let lost = "delivery_capture WHERE delivery NOT IN (SELECT id FROM delivery)";
    assert_eq!(count(test, lost), 0);
}

#[test]
fn a_large_run_goes_by_many_pieces_and_is_seen_whole_or_not_at_all() {
    let test = two_large_runs();
    let (sums, expected) = (roll_ups(&test), find(&test, horizons(None, Some(30))));
    assert_eq!((expected.runs, expected.jobs), (2, 13));
    assert_eq!(find_by(&test, horizons(None, Some(30)), &small()), expected);
    let (mut pieces, mut gone_before_swept) = (0, 0);
    let taken = prune_watched(&test, horizons(None, Some(30)), &small(), || {
        pieces += 1;
        for run in ["a", "b"] {
            let seen = seen(&test, run);
            assert!(seen == WHOLE || seen == [0; 5], "{run}: {seen:?}");
        }
        assert_eq!(wrong_sums(&test.store), 0);
        gone_before_swept += i64::from(count(&test, "leftover") > 0);
    });
    assert_eq!(taken, expected);
    assert!(pieces > 30, "{pieces}");
    assert!(gone_before_swept > 10, "{gone_before_swept}");
    assert_swept(&test);
    assert_eq!(
        (job_ids(&test), count(&test, "event")),
        (vec!["newest".to_owned()], 1)
    );
    assert_eq!(roll_ups(&test), sums);
}

#[test]
fn a_large_run_goes_to_its_end_though_the_server_stops_behind_each_piece() {
    let mut test = two_large_runs();
    let mut pieces = 0;
    let mut after = None;
    // Stopped once it is gone, what the walk knew and had to do is lost.
    while count(&test, "event") > 1 {
        let horizons = match count(&test, "leftover") {
            0 => horizons(None, Some(30)),
            // Even if history is to stay for ever by then.
            _ => Horizons::default(),
        };
        let walk = Walk {
            bounds: Bounds {
                events_looked_at: 1_000,
                ..small().bounds
            },
            ..Walk::default()
        };
        let prune = test.store.prune(Step::Runs, horizons, after, &walk);
        let piece = test.runtime.block_on(prune).unwrap();
        if piece.next.is_none() {
            let prune = test.store.prune(Step::Jobs, horizons, None, &walk);
            test.runtime.block_on(prune).unwrap();
        }
        after = None;
        pieces += 1;
        test.store.close();
        (test.store, _) = Store::open(fixtures::options(test.path())).unwrap();
        let [runs, ..] = seen(&test, "a");
        assert!(runs == 0 || seen(&test, "a") == WHOLE);
    }
    assert!(pieces > 20, "{pieces}");
    assert_swept(&test);
}

#[test]
fn a_job_that_comes_anew_while_its_old_events_are_swept_up_knows_nothing_of_them() {
    let test = two_large_runs();
    let mut is_told = false;
    prune_watched(&test, horizons(None, Some(30)), &small(), || {
        if !is_told && count(&test, "leftover").unsigned_abs() == JOBS as u64 {
            is_told = true;
            let event = ActivityEvent {
                run_id: "a".to_owned(),
                name: "late".to_owned(),
                state: JobState::Failed,
                job_id: Some("a-0".to_owned()),
                ..ActivityEvent::default()
            };
            let late = arrival_of("t", "late", vec![Event::Activity(event)]);
            test.append(aged(1, late));
            let rules = Rules::new(std::slice::from_ref(&test.source), false);
            let refold = test.store.refold_jobs(0, i64::MAX, rules.clone());
            let jobs = test.runtime.block_on(refold).unwrap().jobs;
            let refold = test.store.refold_runs(0, i64::MAX, rules);
            let runs = test.runtime.block_on(refold).unwrap().runs;
            assert_eq!((jobs, runs), (vec![], vec![]));
        }
    });
    assert!(is_told);
    let run = test.store.find_runs("a").unwrap().remove(0).run;
    assert_eq!(
        (run.events, run.deliveries, run.activities.len()),
        (1, 1, 1)
    );
    let job = test.store.find_jobs("a-0").unwrap().remove(0).job;
    assert_eq!((job.events, job.deliveries), (1, 1));
    assert_swept(&test);
}

#[test]
fn what_is_told_of_a_large_run_while_it_is_gathered_keeps_it() {
    let test = two_large_runs();
    let mut pieces = 0;
    let taken = prune_watched(&test, horizons(None, Some(30)), &small(), || {
        pieces += 1;
        // Behind the first pieces of the step that gathers the first run.
        if pieces == 5 {
            test.append(aged(1, telling_all("a-late", "a", 50)));
        }
    });
    assert_eq!((taken.runs, taken.too_large), (1, 0));
    let [runs, jobs, activities, events, deliveries] = WHOLE;
    let more = [runs, jobs, activities, events + JOBS + 1, deliveries + 1];
    assert_eq!(seen(&test, "a"), more);
    assert_eq!(seen(&test, "b"), [0; 5]);
    assert_swept(&test);
}

#[test]
fn what_is_read_again_while_a_large_run_is_gathered_has_it_gathered_anew() {
    let test = two_large_runs();
    let known = small();
    let piece = |after| {
        let prune = test
            .store
            .prune(Step::Runs, horizons(None, Some(30)), after, &known);
        test.runtime.block_on(prune).unwrap()
    };
    let gathered = || {
        let known = known.known.lock().unwrap();
        known.gathered()
    };
    // Until more than one piece has gathered.
    let mut after = None;
    let mut by_the_first = None;
    for _ in 0..10 {
        after = piece(after).next;
        by_the_first = by_the_first.or(gathered());
        if gathered() > by_the_first {
            break;
        }
    }
    let before = gathered();
    assert!(before > by_the_first, "{before:?}");
    test.runtime
        .block_on(test.store.reread(
            Arc::new(Vec::new()),
            Rules::new(std::slice::from_ref(&test.source), true),
        ))
        .unwrap();
    piece(after);
    assert!(gathered() < before, "{before:?}");
}

#[test]
fn what_has_too_many_rows_stays_whole_and_is_told_of_once() {
    // Its jobs, its activities, its messages and itself.
    let rows = (3 * JOBS + 1) as u64;
    for (group_rows, expected) in [(rows, (2, 0)), (rows - 1, (0, 2))] {
        let test = two_large_runs();
        let known = || Walk {
            bounds: Bounds {
                group_rows,
                ..small().bounds
            },
            ..Walk::default()
        };
        let horizons = horizons(None, Some(30));
        let found = find_by(&test, horizons, &known());
        assert_eq!((found.runs, found.too_large), expected);
        let taken = prune_watched(&test, horizons, &known(), || {});
        assert_eq!(taken, found);
        let left = if expected.0 == 0 { WHOLE } else { [0; 5] };
        assert_eq!(seen(&test, "a"), left);
        assert_swept(&test);
    }
}

#[test]
fn messages_are_emptied_by_the_same_prune_that_sweeps_up_what_another_one_left() {
    let test = two_large_runs();
    test.append(job("young", "young", 20));
    test.append(job("newer", "newer", 0));
    let known = small();
    let mut after = None;
    while count(&test, "leftover") == 0 {
        let prune = test
            .store
            .prune(Step::Runs, horizons(None, Some(30)), after, &known);
        after = test.runtime.block_on(prune).unwrap().next;
    }
    assert_eq!(
        prune(&test, horizons(Some(10), None)).emptied,
        1 + JOBS as u64 + 1
    );
    assert_swept(&test);
}
