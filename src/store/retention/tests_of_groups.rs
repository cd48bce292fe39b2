//! Retention with a real store: what hangs together, what stays whatever its age, and how many are left.

use crate::notification::event::{ActivityEvent, Event};
use crate::store::Arrival;
use crate::store::fixtures::{self, arrival_of};
use crate::store::retention::tests::{
    aged, ago, count, find, horizons, hundred_days_of_all_kinds, job, job_ids, prune,
};

use super::*;

/// A run with one event, an activity that names the job `hub`.
fn spoke(run: &str, days: i64) -> Arrival {
    let activity = ActivityEvent {
        run_id: run.to_owned(),
        name: "a".to_owned(),
        job_id: Some("hub".to_owned()),
        ..ActivityEvent::default()
    };
    aged(days, arrival_of("t", run, vec![Event::Activity(activity)]))
}

#[test]
fn what_stays_is_gathered_once_in_a_walk_and_not_for_each_of_its_rows() {
    let test = fixtures::open();
    for run in ["a", "b", "c", "d"] {
        test.append(spoke(run, 50));
    }
    let mut late = spoke("e", 50);
    late.delivery.received_at = ago(1);
    test.append(late);
    test.append(job("newest", "newest", 0));
    let (known, horizons) = (Walk::default(), horizons(None, Some(30)));
    let find = |known| {
        let piece = test.store.find_to_prune(Step::Runs, horizons, None, known);
        piece.unwrap().taken.runs
    };
    assert_eq!(find(&known), 0);
    let older = format!("UPDATE delivery SET received_at = {}", ago(50).0);
    let done = test.put(older, |tx, _, sql| {
        tx.execute(&format!("{sql} WHERE message_id = 'e'"), [])?;
        Ok(Ok(()))
    });
    done.recv().unwrap().unwrap();
    assert_eq!(find(&known), 0, "the walk remembers");
    assert_eq!(find(&Walk::default()), 5, "the next one looks again");
}

#[test]
fn the_number_of_deliveries_is_that_of_their_rows_whatever_goes() {
    let test = hundred_days_of_all_kinds();
    test.append(job("newest", "newest", 0));
    test.append(job("newest", "newest", 0));
    let deliveries = || test.store.upkeep().unwrap().deliveries;
    assert_eq!(deliveries(), count(&test, "delivery").unsigned_abs());
    let before = deliveries();
    find(&test, horizons(None, Some(30)));
    assert_eq!(deliveries(), before);
    let taken = prune(&test, horizons(None, Some(30)));
    assert_eq!(deliveries(), before - taken.deliveries);
    assert_eq!(deliveries(), count(&test, "delivery").unsigned_abs());
    assert!(taken.deliveries > 0);
}

#[test]
fn the_delivery_that_was_received_last_stays_though_older_ones_came_in_behind_it() {
    let test = fixtures::open();
    test.append(job("last", "last", 50));
    for id in ["imported", "newest"] {
        test.append(job(id, id, 60));
    }
    prune(&test, horizons(Some(30), Some(30)));
    assert_eq!(job_ids(&test), ["last", "newest"]);
    let source = test.store.sources().unwrap().remove(0);
    assert_eq!(source.newest.unwrap().received_at, ago(50));
}
