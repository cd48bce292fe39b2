//! Retention with a real store: what goes, what stays, and that nothing is wrong afterwards.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::notification::event::{
    ActivityEvent, Event, JobEvent, JobState, RunEvent, RunPart, Unrecognized,
};
use crate::store::filters::DeliveryFilter;
use crate::store::fixtures::{
    self, NOON, TestStore, arrival, arrival_of, assert_by_index, renotify,
};
use crate::store::records::{DeliveryRecord, Page, RollUpRecord, RollUpSpan, SourceRecord};
use crate::store::{Appended, Arrival, Store};

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Days before noon.
pub(super) fn ago(days: i64) -> Timestamp {
    NOON.plus_ms(-days * DAY_MS)
}

/// An arrival that was published and received so many days ago.
pub(super) fn aged(days: i64, arrival: Arrival) -> Arrival {
    let mut arrival = renotify(arrival, |notification| {
        notification.published_at = Some(ago(days));
    });
    arrival.delivery.received_at = ago(days);
    arrival
}

pub(super) fn job(id: &str, job: &str, days: i64) -> Arrival {
    aged(days, arrival(id, job))
}

/// The Report of a run with one transcode, which is the job `job`.
fn report(id: &str, run: &str, job: &str, days: i64) -> Arrival {
    let event = RunEvent {
        run_id: run.to_owned(),
        workflow_id: Some("w".to_owned()),
        workflow_name: Some(format!("workflow of {run}")),
        state: JobState::Completed,
        part: RunPart::Report,
        ..RunEvent::default()
    };
    let activity = |name: &str, job: Option<&str>| ActivityEvent {
        run_id: run.to_owned(),
        workflow_id: Some("w".to_owned()),
        name: name.to_owned(),
        activity_type: name.to_owned(),
        state: JobState::Succeeded,
        job_id: job.map(str::to_owned),
        started_at: Some(ago(days).plus_ms(-5_000)),
        finished_at: Some(ago(days)),
        ..ActivityEvent::default()
    };
    let events = vec![
        Event::Run(event),
        Event::Activity(activity("Transcode", Some(job))),
        Event::Activity(activity("Report", None)),
    ];
    aged(days, arrival_of("t", id, events))
}

fn odd(id: &str, days: i64) -> Arrival {
    let event = Unrecognized {
        reason: "odd".to_owned(),
    };
    aged(days, arrival_of("t", id, vec![Event::Unrecognized(event)]))
}

pub(super) fn horizons(messages: Option<i64>, history: Option<i64>) -> Horizons {
    Horizons {
        messages: messages.map(ago),
        history: history.map(ago),
    }
}

/// Takes all that is to go.
pub(super) fn prune(test: &TestStore, horizons: Horizons) -> Taken {
    prune_watched(test, horizons, &Walk::default(), || {})
}

/// The same, and is called behind each piece.
pub(super) fn prune_watched(
    test: &TestStore,
    horizons: Horizons,
    known: &Walk,
    mut behind_each: impl FnMut(),
) -> Taken {
    walk(|step, after| {
        let prune = test.store.prune(step, horizons, after, known);
        let piece = test.runtime.block_on(prune).unwrap();
        behind_each();
        piece
    })
}

pub(super) fn find(test: &TestStore, horizons: Horizons) -> Taken {
    find_by(test, horizons, &Walk::default())
}

pub(super) fn find_by(test: &TestStore, horizons: Horizons, known: &Walk) -> Taken {
    walk(|step, after| {
        let piece = test.store.find_to_prune(step, horizons, after, known);
        piece.unwrap()
    })
}

fn walk(mut piece: impl FnMut(Step, Option<Reached>) -> Piece) -> Taken {
    let mut taken = Taken::default();
    for step in Step::ALL {
        let mut after = None;
        loop {
            let piece = piece(step, after);
            taken.add(piece.taken);
            after = piece.next;
            if after.is_none() {
                break;
            }
        }
    }
    taken
}

pub(super) fn count(test: &TestStore, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    test.look().query_row(&sql, [], |row| row.get(0)).unwrap()
}

pub(super) fn job_ids(test: &TestStore) -> Vec<String> {
    let mut ids: Vec<_> = test.jobs().into_iter().map(|job| job.id).collect();
    ids.sort();
    ids
}

pub(super) fn roll_ups(test: &TestStore) -> Vec<RollUpRecord> {
    test.roll_ups(RollUpSpan::Hour)
}

/// What a rebuild would find wrong with the sums.
pub(super) fn wrong_sums(store: &Store) -> u64 {
    store.find_wrong_sums().unwrap().buckets()
}

pub(super) fn hundred_days_of_all_kinds() -> TestStore {
    let test = fixtures::open();
    for days in (0..100).rev() {
        test.append(job(&format!("j{days}"), &format!("job-{days}"), days));
        if days % 5 == 0 {
            let run = format!("run-{days}");
            test.append(report(
                &format!("r{days}"),
                &run,
                &format!("{run}-job"),
                days,
            ));
            test.append(odd(&format!("o{days}"), days));
        }
    }
    test
}

#[test]
fn messages_go_by_when_they_were_received_and_rows_keys_and_events_stay() {
    let test = hundred_days_of_all_kinds();
    let before = (test.jobs(), test.runs(), roll_ups(&test));
    let taken = prune(&test, horizons(Some(30), None));
    // Received 31 to 99 days ago: a job a day, and a run and an odd message each fifth.
    assert_eq!(taken.emptied, 69 + 2 * 13);
    assert_eq!((taken.deliveries, taken.events, taken.jobs), (0, 0, 0));
    assert_eq!(count(&test, "delivery"), 140);
    assert_eq!(count(&test, "delivery_capture"), 140 - 95);
    assert_eq!((test.jobs(), test.runs(), roll_ups(&test)), before);
    let again = test.append(job("j99", "job-99", 99));
    assert!(matches!(again, Appended::Duplicate { differs: false, .. }));
    let detail = test.store.find_delivery(1).unwrap().unwrap();
    assert!(detail.push.is_none());
    assert_eq!(detail.events.len(), 1);
}

#[test]
fn history_goes_whole_and_roll_ups_and_lanes_stay_what_they_were() {
    let test = hundred_days_of_all_kinds();
    let lanes = |test: &TestStore| (count(test, "queue"), count(test, "workflow"));
    let before = (
        roll_ups(&test),
        test.roll_ups(RollUpSpan::Minute),
        lanes(&test),
    );
    let taken = prune(&test, horizons(None, Some(30)));
    let expected = Taken {
        emptied: 0,
        deliveries: 95,
        events: 69 + 13 * 4,
        jobs: 69 + 13,
        runs: 13,
        activities: 26,
        too_large: 0,
        bytes: taken.bytes,
    };
    assert_eq!(taken, expected);
    assert!(taken.bytes > 95 * 20, "{taken:?}");
    let after = (
        roll_ups(&test),
        test.roll_ups(RollUpSpan::Minute),
        lanes(&test),
    );
    assert_eq!(after, before);
    for (table, rows) in [
        ("delivery", 45),
        ("delivery_capture", 45),
        ("event", 31 + 7 * 4),
        ("job", 31 + 7),
        ("run", 7),
        ("activity", 14),
        ("job_words_docsize", 7),
        ("run_words_docsize", 7),
    ] {
        assert_eq!(count(&test, table), rows, "{table}");
    }
    assert_eq!(prune(&test, horizons(None, Some(30))), Taken::default());
}

#[test]
fn a_dry_run_finds_what_then_goes_and_writes_nothing() {
    for horizons in [
        horizons(Some(30), None),
        horizons(None, Some(30)),
        horizons(Some(20), Some(60)),
        horizons(Some(60), Some(20)),
    ] {
        let test = hundred_days_of_all_kinds();
        // Two runs that share a job, two jobs in one message, and what is gone already.
        test.append(report("s1", "run-s1", "shared", 70));
        test.append(report("s2", "run-s2", "shared", 65));
        let both = ["both-1", "both-2"].map(|id| {
            Event::Job(JobEvent {
                job_id: id.to_owned(),
                state: JobState::Succeeded,
                ..JobEvent::default()
            })
        });
        test.append(aged(66, arrival_of("t", "both", both.into())));
        let messages_before = self::horizons(Some(90), None);
        prune(&test, messages_before);
        let captures = count(&test, "delivery_capture");
        let found = find(&test, horizons);
        assert_eq!(count(&test, "delivery_capture"), captures);
        assert_eq!(count(&test, "delivery"), 143);
        assert_eq!(prune(&test, horizons), found, "{horizons:?}");
        assert_eq!(find(&test, horizons), Taken::default());
    }
}

#[test]
fn what_hangs_together_stays_as_long_as_any_of_it_is_new() {
    let test = fixtures::open();
    // A job of an old run that was told of by itself ten days ago.
    test.append(report("r1", "run", "shared", 50));
    test.append(job("own", "shared", 10));
    test.append(job("old", "old", 50));
    test.append(job("newest", "newest", 0));
    let jobs = test.jobs();
    let taken = prune(&test, horizons(None, Some(30)));
    assert_eq!((taken.jobs, taken.runs), (1, 0));
    let left: Vec<_> = jobs.into_iter().filter(|job| job.id != "old").collect();
    assert_eq!(test.jobs(), left);
    assert_eq!(test.run().activities.len(), 2);
    let taken = prune(&test, horizons(None, Some(5)));
    assert_eq!((taken.jobs, taken.runs, taken.activities), (1, 1, 2));
    assert_eq!(job_ids(&test), ["newest"]);
}

#[test]
fn a_message_that_names_an_old_time_stays_until_it_is_old_itself() {
    let test = fixtures::open();
    let mut absurd = job("m", "j", 400);
    absurd.delivery.received_at = ago(1);
    test.append(absurd);
    test.append(job("newest", "newest", 0));
    assert_eq!(
        prune(&test, horizons(Some(300), Some(300))),
        Taken::default()
    );
    let again = test.append(job("m", "j", 400));
    assert!(matches!(again, Appended::Duplicate { .. }));
    let future = job("future", "future", -400);
    test.append(future);
    assert_eq!(prune(&test, horizons(None, Some(0))).jobs, 1);
    assert_eq!(job_ids(&test), ["future", "newest"]);
}

#[test]
fn the_newest_delivery_of_each_source_stays_so_that_its_number_never_comes_again() {
    let test = fixtures::open();
    let other = fixtures::register(&test.store, "other");
    for (at, source) in [test.source.id, other.id].into_iter().enumerate() {
        for id in ["a", "b"] {
            let mut arrival = job(&format!("{id}{at}"), &format!("{id}{at}"), 500);
            arrival.delivery.source = source;
            test.append(arrival);
        }
    }
    assert_eq!(prune(&test, horizons(Some(400), Some(400))).jobs, 2);
    assert_eq!(job_ids(&test), ["b0", "b1"]);
    let sources = test.store.sources().unwrap();
    let ids = |source: &SourceRecord| {
        let id = |delivery: &Option<DeliveryRecord>| {
            delivery.as_ref().unwrap().message_id.clone().unwrap()
        };
        (id(&source.first), id(&source.newest))
    };
    assert_eq!(ids(&sources[0]), ("b0".to_owned(), "b0".to_owned()));
    assert_eq!(ids(&sources[1]), ("b1".to_owned(), "b1".to_owned()));
    let Appended::Stored { delivery } = test.append(job("next", "next", 0)) else {
        panic!("not stored");
    };
    assert_eq!(delivery, 5);
}

#[test]
fn roll_ups_of_what_is_gone_are_not_set_right_and_faults_after_it_are() {
    let test = hundred_days_of_all_kinds();
    prune(&test, horizons(Some(10), Some(30)));
    assert_eq!(wrong_sums(&test.store), 0);
    let spoil = |sql: &'static str| {
        let done = test.put(sql, |tx, _, sql| {
            tx.execute_batch(sql)?;
            Ok(Ok(()))
        });
        done.recv().unwrap().unwrap();
    };
    spoil("UPDATE rollup_hour SET count = 9 WHERE at = (SELECT MIN(at) FROM rollup_hour)");
    assert_eq!(wrong_sums(&test.store), 0);
    spoil("UPDATE rollup_hour SET count = 9 WHERE at = (SELECT MAX(at) FROM rollup_hour)");
    assert!(wrong_sums(&test.store) > 0);
    let sums_from = test.store.retained().unwrap().sums_from;
    // The hour behind noon, 31 days ago.
    assert_eq!(sums_from, ago(31).plus_ms(3_600_000));
}

#[test]
fn a_message_that_comes_in_behind_the_walk_is_emptied_by_the_next() {
    let test = fixtures::open();
    test.append(job("a", "a", 50));
    test.append(job("newest", "newest", 0));
    assert_eq!(prune(&test, horizons(Some(30), None)).emptied, 1);
    assert_eq!(test.store.retained().unwrap().messages_from, ago(30));
    test.append(job("imported", "b", 60));
    assert_eq!(test.store.retained().unwrap().messages_from, ago(60));
    assert_eq!(prune(&test, horizons(Some(30), None)).emptied, 1);
    // A clock that was wrong, or a longer time that was configured.
    assert_eq!(prune(&test, horizons(Some(-10), None)).emptied, 1);
    test.append(job("later", "c", 1));
    assert_eq!(prune(&test, horizons(Some(0), None)).emptied, 1);
    assert_eq!(test.store.retained().unwrap().messages_from, ago(0));
}

#[test]
fn a_piece_is_bounded_in_rows_bytes_and_events() {
    let test = fixtures::open();
    let big = |id: &str| {
        let mut big = job(id, id, 50);
        big.delivery.body = fixtures::noise(100 * 1024);
        big
    };
    for at in 0..5 {
        test.append(big(&format!("m{at}")));
    }
    test.append(job("newest", "newest", 0));
    let horizons = horizons(Some(30), Some(30));
    let piece = |step, after| {
        let piece = test
            .store
            .find_to_prune(step, horizons, after, &Walk::default());
        piece.unwrap()
    };
    let first = piece(Step::Messages, None);
    assert_eq!((first.taken.emptied, first.next.unwrap().id), (3, 3));
    let second = piece(Step::Messages, first.next);
    assert_eq!((second.taken.emptied, second.next.unwrap().id), (2, 5));
    assert_eq!(piece(Step::Messages, second.next), Piece::END);

    let test = fixtures::open();
    for at in 0..450 {
        test.append(job(&format!("m{at}"), &format!("j{at}"), 50));
    }
    test.append(job("newest", "newest", 0));
    let prune = |step, after| {
        let known = Walk::default();
        let prune = test.store.prune(step, horizons, after, &known);
        test.runtime.block_on(prune).unwrap()
    };
    for step in [Step::Messages, Step::Jobs] {
        let piece = prune(step, None);
        let rows = PIECE_ROWS_MAX.unsigned_abs();
        assert!(piece.taken.emptied.max(piece.taken.jobs) <= rows);
        assert!(piece.next.is_some());
    }
    let run = |at: i64| {
        let activity = |name: i64| {
            Event::Activity(ActivityEvent {
                run_id: format!("run-{at}"),
                name: name.to_string(),
                ..ActivityEvent::default()
            })
        };
        aged(
            50,
            arrival_of("t", &format!("r{at}"), (0..150).map(activity).collect()),
        )
    };
    let test = fixtures::open();
    for at in 0..5 {
        test.append(run(at));
    }
    test.append(job("newest", "newest", 0));
    let piece = test
        .store
        .find_to_prune(Step::Runs, horizons, None, &Walk::default())
        .unwrap();
    assert_eq!((piece.taken.runs, piece.taken.events), (1, 150));
}

#[test]
fn the_walks_go_by_index_and_sort_nothing() {
    let test = fixtures::open();
    let conn = test.look();
    let statements = [
        emptying::STATEMENTS,
        forgetting::STATEMENTS,
        groups::STATEMENTS,
        sweeping::STATEMENTS,
    ];
    for sql in statements.concat() {
        assert_by_index(&conn, sql);
    }
}

#[test]
fn what_is_forgotten_does_not_come_back_by_import_and_a_new_event_of_it_makes_a_new_row() {
    let test = fixtures::open();
    test.append(job("a", "a", 50));
    test.append(job("newest", "newest", 0));
    prune(&test, horizons(None, Some(30)));
    assert_eq!(test.store.retained().unwrap().history_from, ago(30));
    let before = roll_ups(&test);
    let import = |arrival| {
        let import = test.store.import(Arc::new(vec![arrival]));
        test.runtime.block_on(import).unwrap()
    };
    assert_eq!(import(job("a", "a", 50)).forgotten, 1);
    assert_eq!(import(job("newest", "newest", 0)).known, 1);
    assert_eq!(import(job("b", "b", 29)).stored, 1);
    assert_eq!(job_ids(&test), ["b", "newest"]);
    assert_eq!(roll_ups(&test).len(), before.len() + 1);
    test.append(job("late", "a", 2));
    let job = test.store.find_jobs("a").unwrap().remove(0).job;
    assert_eq!((job.events, job.deliveries), (1, 1));
    assert_eq!(wrong_sums(&test.store), 0);
}

#[test]
fn a_prune_that_was_cut_off_goes_on_where_it_was() {
    let test = hundred_days_of_all_kinds();
    let whole = find(&test, horizons(Some(40), Some(60)));
    let mut test = hundred_days_of_all_kinds();
    let mut taken = Taken::default();
    // One piece of each step at a time, and the store opened again behind each.
    let mut steps = Step::ALL.into_iter();
    let mut step = steps.next();
    let horizons = horizons(Some(40), Some(60));
    while let Some(now) = step {
        let known = Walk::default();
        let prune = test.store.prune(now, horizons, None, &known);
        let piece = test.runtime.block_on(prune).unwrap();
        taken.add(piece.taken);
        test.store.close();
        (test.store, _) = Store::open(fixtures::options(test.path())).unwrap();
        if piece.taken == Taken::default() {
            step = steps.next();
        }
    }
    assert_eq!(taken, whole);
    assert_eq!(wrong_sums(&test.store), 0);
    let page = Page::first(1_000);
    let all = DeliveryFilter::default();
    let left = test.store.page_deliveries(&all, page).unwrap().items;
    assert!(left.iter().all(|row| row.received_at >= ago(60)));
}
