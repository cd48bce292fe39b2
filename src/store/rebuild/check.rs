//! Which rows are not what their messages and events say, by reading alone.
//!
//! Nearly always all are, so a rebuild looks first, beside the writer and on several processors, and
//! gives the writer only the stretches in which something is wrong (`reread.rs`, `refold.rs`). Each
//! look is one snapshot. What is right in it stays right, since a push folds what it touches; what is
//! wrong in it the writer looks at again, by what is there then.
//!
//! **Architecture invariant:** what is called right here is what `reread.rs` and `refold.rs` would
//! leave as it is: both are by the same `EventRow::of`, `fold_job` and `fold_run`.
//!
//! Jobs stand in `check_jobs.rs`.

use rusqlite::{Row, Transaction};
use sha2::{Digest, Sha256};

use crate::notification::event::Event;
use crate::store::append::why_unrecognized;
use crate::store::cells::{Cells, Order};
use crate::store::event_rows::{EventRow, Filing, Lane};
use crate::store::numbers::{About, Subject};
use crate::store::rebuild::entries::Entries;
use crate::store::rebuild::reread::says_the_same;
use crate::store::rebuild::{Fresh, KeptPush, Look, Stretch, kept_push};
use crate::store::records::RowId;
use crate::store::runs;
use crate::store::values::read_time;

const SELECT_DELIVERIES: &str = "
    SELECT delivery.id, delivery_capture.delivery IS NULL AS is_emptied, delivery_capture.push,
      delivery.source, delivery.received_at, delivery.owner, delivery.published_at,
      delivery.subscriber, delivery.subscription, delivery.tag, delivery.format,
      delivery.md5_mismatch, delivery.message_sha256, delivery.unrecognized
    FROM delivery LEFT JOIN delivery_capture ON delivery_capture.delivery = delivery.id
    WHERE delivery.id > +?1 AND delivery.id <= +?2
    ORDER BY delivery.id";

const SELECT_EVENTS: &str = "
    SELECT event.position, event.kind, event.job, event.run, event.state, event.terminal,
      event.ordered_at, event.at, event.at_from, event.queue, event.queue_rule, event.event,
      job.job AS job_id, job.owner AS job_owner, run.run AS run_id, run.owner AS run_owner
    FROM event LEFT JOIN job ON job.id = event.job LEFT JOIN run ON run.id = event.run
    WHERE event.delivery = +?1
    ORDER BY event.position";

const SELECT_RUNS: &str = "
    SELECT id, owner, run FROM run WHERE id > +?1 AND id <= +?2 ORDER BY id";

/// An event's row, and what the rows that it names are called.
struct Stored {
    position: i64,
    row: EventRow,
    /// Owner and id; `None` where it names none, or one that has no row.
    job: Option<(String, String)>,
    run: Option<(String, String)>,
}

/// Compares deliveries and their events with what `read` reads in their messages.
pub(super) fn deliveries(
    tx: &Transaction<'_>,
    stretch: Stretch,
    read: impl Fn(KeptPush) -> Option<Fresh>,
) -> rusqlite::Result<Look> {
    let mut look = Look::default();
    let order = Order::default();
    let mut select = tx.prepare_cached(SELECT_DELIVERIES)?;
    let mut rows = select.query([stretch.after, stretch.last])?;
    while let Some(row) = rows.next()? {
        let push = kept_push(row)?;
        let id = push.id;
        let owner: String = row.get("owner")?;
        let stored = stored_events(tx, id, &order)?;
        let is_right = if let Some(fresh) = read(push) {
            look.kept += 1;
            says(row, &fresh)? && are(&stored, row, &owner, &fresh)?
        } else {
            look.emptied += 1;
            true
        };
        if !is_right || !stored.iter().all(Stored::has_its_rows) {
            look.is_wrong(id);
        }
    }
    Ok(look)
}

/// Tells whether a delivery's row says of envelope and message what is read now.
fn says(row: &Row<'_>, fresh: &Fresh) -> rusqlite::Result<bool> {
    let notification = &fresh.notification;
    let text =
        |name: &str| -> rusqlite::Result<Option<&str>> { Ok(row.get_ref(name)?.as_str_or_null()?) };
    let published_at: Option<i64> = row.get("published_at")?;
    let sha256: [u8; 32] = Sha256::digest(&notification.message).into();
    Ok(text("subscriber")? == notification.subscriber.as_deref()
        && text("subscription")? == notification.subscription.as_deref()
        && text("tag")? == notification.tag.as_deref()
        && text("format")? == Some(notification.format.word())
        && published_at == notification.published_at.map(|at| at.0)
        && row.get::<_, bool>("md5_mismatch")? == fresh.md5_mismatch
        && row.get_ref("message_sha256")?.as_blob()? == sha256
        && text("unrecognized")? == why_unrecognized(&fresh.events))
}

/// Tells whether the events are those of the message, each at its place and about the row of its name.
fn are(stored: &[Stored], row: &Row<'_>, owner: &str, fresh: &Fresh) -> rusqlite::Result<bool> {
    if stored.len() != fresh.events.len() {
        return Ok(false);
    }
    let filing = Filing {
        // Of queues nothing is asked here.
        lane: Lane {
            region: "",
            topic: "",
            source_queue: "",
        },
        published_at: fresh.notification.published_at,
        received_at: read_time(row, "received_at")?,
    };
    for (position, (stored, event)) in (0..).zip(stored.iter().zip(&fresh.events)) {
        let now = EventRow::of(event, &[], &filing, stored.row.about)?;
        let is_same = stored.position == position && says_the_same(&stored.row, &now);
        if !is_same || !stored.is_about(owner, event) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stored_events(
    tx: &Transaction<'_>,
    delivery: RowId,
    order: &Order,
) -> rusqlite::Result<Vec<Stored>> {
    let mut select = tx.prepare_cached(SELECT_EVENTS)?;
    let rows = select.query_map([delivery], |row| {
        let cells = Cells::of(row, order);
        let position = cells.get("position")?;
        let row = EventRow {
            kind: cells.get("kind")?,
            about: About {
                job: cells.get("job")?,
                run: cells.get("run")?,
            },
            state: cells.get("state")?,
            terminal: cells.get("terminal")?,
            ordered_at: cells.get("ordered_at")?,
            at: cells.time("at")?,
            at_from: cells.get("at_from")?,
            queue: cells.get("queue")?,
            queue_rule: cells.get("queue_rule")?,
            event: cells.get("event")?,
        };
        let named = |owner: Option<String>, id: Option<String>| Some((owner?, id?));
        Ok(Stored {
            position,
            row,
            job: named(cells.get("job_owner")?, cells.get("job_id")?),
            run: named(cells.get("run_owner")?, cells.get("run_id")?),
        })
    })?;
    rows.collect()
}

impl Stored {
    fn has_its_rows(&self) -> bool {
        let About { job, run } = self.row.about;
        job.is_some() == self.job.is_some() && run.is_some() == self.run.is_some()
    }

    /// Tells whether its numbers are those of the rows that the event names. No two rows have one name.
    fn is_about(&self, owner: &str, event: &Event) -> bool {
        let named = |id| (owner, id);
        let stored = [&self.job, &self.run].map(|name| {
            let name = name.as_ref();
            name.map(|(owner, id)| (owner.as_str(), id.as_str()))
        });
        stored == About::names(event).map(|id| id.map(named))
    }
}

/// Compares runs, their activities and words with their events.
pub(super) fn runs(
    tx: &Transaction<'_>,
    stretch: Stretch,
    entries: Option<&Entries>,
) -> rusqlite::Result<Look> {
    let mut look = Look::default();
    let mut select = tx.prepare_cached(SELECT_RUNS)?;
    let mut rows = select.query([stretch.after, stretch.last])?;
    while let Some(row) = rows.next()? {
        let run = Subject {
            row: row.get(0)?,
            owner: row.get(1)?,
            id: row.get(2)?,
        };
        match runs::words_if_as_told(tx, &run)? {
            None => look.is_wrong(run.row),
            Some(words) => look.ask(entries, run.row, &words),
        }
    }
    Ok(look)
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{JobEvent, JobState};
    use crate::store::Arrival;
    use crate::store::fixtures::{
        self, NOON, TestStore, arrival_of, arrival_saying, queue_rule, renotify,
    };
    use crate::store::rebuild::Rules;

    use super::*;

    const START: &str = include_str!("../../../tests/data/workflow-start.json");
    const REPORT: &str = include_str!("../../../tests/data/workflow-report-completed.json");

    const ALL: Stretch = Stretch {
        after: 0,
        last: RowId::MAX,
    };

    const DELIVERIES: usize = 0;
    const RUNS: usize = 1;
    const JOBS: usize = 2;

    /// Each with the walk that sets it right.
    const FAULTS: &[(usize, &str)] = &[
        (
            DELIVERIES,
            "UPDATE delivery SET subscriber = 'x' WHERE id = 3",
        ),
        (
            DELIVERIES,
            "UPDATE delivery SET subscription = 'x' WHERE id = 3",
        ),
        (DELIVERIES, "UPDATE delivery SET tag = 'x' WHERE id = 3"),
        (DELIVERIES, "UPDATE delivery SET format = 'x' WHERE id = 3"),
        (
            DELIVERIES,
            "UPDATE delivery SET published_at = NULL WHERE id = 3",
        ),
        (
            DELIVERIES,
            "UPDATE delivery SET md5_mismatch = 1 WHERE id = 3",
        ),
        (
            DELIVERIES,
            "UPDATE delivery SET message_sha256 = x'00' WHERE id = 3",
        ),
        (
            DELIVERIES,
            "UPDATE delivery SET unrecognized = 'x' WHERE id = 3",
        ),
        (DELIVERIES, "UPDATE event SET kind = 'x' WHERE delivery = 3"),
        (
            DELIVERIES,
            "UPDATE event SET position = 1 WHERE delivery = 3",
        ),
        (
            DELIVERIES,
            "UPDATE event SET state = 'x' WHERE delivery = 3",
        ),
        (
            DELIVERIES,
            "UPDATE event SET terminal = 0 WHERE delivery = 3",
        ),
        (
            DELIVERIES,
            "UPDATE event SET ordered_at = 0 WHERE delivery = 3",
        ),
        (DELIVERIES, "UPDATE event SET at = 0 WHERE delivery = 3"),
        (
            DELIVERIES,
            "UPDATE event SET at_from = 'x' WHERE delivery = 3",
        ),
        (
            DELIVERIES,
            "UPDATE event SET event = event || ' ' WHERE delivery = 3",
        ),
        (DELIVERIES, "UPDATE event SET job = 1 WHERE delivery = 3"),
        (DELIVERIES, "UPDATE event SET job = 99 WHERE delivery = 3"),
        (DELIVERIES, "UPDATE event SET job = NULL WHERE delivery = 3"),
        (DELIVERIES, "UPDATE event SET run = 1 WHERE delivery = 3"),
        (DELIVERIES, "DELETE FROM event WHERE delivery = 3"),
        (DELIVERIES, "DELETE FROM job WHERE job = 'b'"),
        (DELIVERIES, "DELETE FROM run"),
        (
            DELIVERIES,
            "DELETE FROM delivery_capture; DELETE FROM job WHERE job = 'b'",
        ),
        (RUNS, "UPDATE run SET media_id = 'x'"),
        (RUNS, "UPDATE run SET events = events + 1"),
        (RUNS, "UPDATE run SET deliveries = deliveries + 1"),
        (
            RUNS,
            "UPDATE activity SET state = 'x' WHERE id = 1; UPDATE activity SET state = 'failed'",
        ),
        (RUNS, "DELETE FROM activity WHERE id = 2"),
        (
            RUNS,
            "INSERT INTO activity (of_run, run, owner, name, type, region, state, conflict,
                last_event_at, extra) SELECT of_run, run, owner, 'x', type, region, state, conflict,
                last_event_at, extra FROM activity WHERE id = 1",
        ),
        (RUNS, "DELETE FROM workflow"),
        (RUNS, "UPDATE workflow SET last_event_at = 0"),
        (RUNS, "UPDATE workflow SET named_at = 0"),
        (RUNS, "DELETE FROM run_words WHERE rowid = 1"),
        (
            RUNS,
            "DELETE FROM run_words WHERE rowid = 1;
                INSERT INTO run_words (rowid, words) VALUES (1, 'wrong')",
        ),
        (JOBS, "UPDATE job SET user_data = 'x' WHERE job = 'a'"),
        (JOBS, "UPDATE job SET names = 'x' WHERE job = 'a'"),
        (JOBS, "UPDATE job SET events = 1 WHERE job = 'a'"),
        (JOBS, "UPDATE job SET deliveries = 2 WHERE job = 'a'"),
        (JOBS, "UPDATE event SET queue = 'x' WHERE delivery = 1"),
        (JOBS, "UPDATE event SET queue_rule = 0 WHERE delivery = 1"),
        (JOBS, "DELETE FROM event WHERE job = 1"),
        (JOBS, "DELETE FROM queue"),
        (JOBS, "UPDATE queue SET last_event_at = 0"),
        (JOBS, "DELETE FROM job_words WHERE rowid = 1"),
        (
            JOBS,
            "DELETE FROM job_words WHERE rowid = 1;
                INSERT INTO job_words (rowid, words) VALUES (1, 'word-a word-a')",
        ),
        (
            JOBS,
            "DELETE FROM job_words WHERE rowid = 1;
                INSERT INTO job_words (rowid, words) VALUES (1, 'a-word')",
        ),
    ];

    fn job(id: &str, state: JobState) -> Event {
        Event::Job(JobEvent {
            job_id: id.to_owned(),
            state,
            user_data: Some(format!("word-{id}")),
            ..JobEvent::default()
        })
    }

    /// Their numbers are their places from 1.
    fn messages() -> Vec<Arrival> {
        vec![
            arrival_of("t", "m1", vec![job("a", JobState::Submitted)]),
            arrival_of("t", "m2", vec![job("a", JobState::Succeeded)]),
            arrival_of("t", "m3", vec![job("b", JobState::Failed)]),
            arrival_saying("m4", NOON, START),
            arrival_saying("m5", NOON.plus_ms(1), REPORT),
        ]
    }

    fn filled() -> TestStore {
        let test = fixtures::open();
        for message in messages() {
            test.append(message);
        }
        // A duplicate.
        test.append(messages().remove(0));
        test
    }

    /// What is wrong with deliveries, runs and jobs.
    fn looks(test: &TestStore, rules: &Rules) -> [Look; 3] {
        let read = |push: KeptPush| {
            let message = messages().remove(usize::try_from(push.id).unwrap() - 1);
            push.delivery.map(|_| Fresh {
                notification: message.notification,
                events: message.events,
                md5_mismatch: false,
            })
        };
        let store = &test.store;
        let part = Stretch {
            after: 0,
            last: 100,
        };
        let of_runs = store.read_entries_of_runs(part).unwrap();
        let of_jobs = store.read_entries_of_jobs(part).unwrap();
        [
            store.look_at_deliveries(ALL, read).unwrap(),
            store.look_at_runs(ALL, Some(&of_runs)).unwrap(),
            store.look_at_jobs(ALL, rules, Some(&of_jobs)).unwrap(),
        ]
    }

    fn rules(test: &TestStore) -> Rules {
        Rules::new(std::slice::from_ref(&test.source), false)
    }

    fn wrong(test: &TestStore) -> [bool; 3] {
        looks(test, &rules(test)).map(|look| look.wrong.is_some())
    }

    #[test]
    fn of_what_was_appended_nothing_is_wrong() {
        let test = filled();
        let looks = looks(&test, &rules(&test));
        assert_eq!((looks[0].kept, looks[0].emptied), (5, 0));
        assert!(looks.iter().all(|look| look.wrong.is_none()), "{looks:?}");
        assert!(!test.jobs().is_empty() && !test.runs().is_empty());
    }

    #[test]
    fn each_fault_is_seen_by_the_walk_that_sets_it_right() {
        for (walk, fault) in FAULTS {
            let test = filled();
            test.look().execute_batch(fault).unwrap();
            assert!(wrong(&test)[*walk], "{fault}");
        }
    }

    #[test]
    fn a_stretch_is_wrong_from_its_first_wrong_row_to_its_last_and_no_further() {
        let test = fixtures::open();
        for at in 0..9 {
            let id = format!("m{at}");
            test.append(arrival_of("t", &id, vec![job(&id, JobState::Succeeded)]));
        }
        let sql = "UPDATE job SET code = 'x' WHERE id IN (3, 5, 8)";
        test.look().execute(sql, []).unwrap();
        let look = |after, last| {
            let stretch = Stretch { after, last };
            let look = test
                .store
                .look_at_jobs(stretch, &rules(&test), None)
                .unwrap();
            look.wrong.map(|wrong| (wrong.after, wrong.last))
        };
        assert_eq!(look(0, 9), Some((2, 8)));
        assert_eq!(look(0, 7), Some((2, 5)));
        assert_eq!(look(3, 4), None);
        assert_eq!(look(8, 9), None);
    }

    #[test]
    fn another_table_of_queues_or_source_s_queue_makes_jobs_wrong() {
        let mut test = filled();
        let mut of_source = test.source.clone();
        of_source.queue = "of-source".to_owned();
        let rules_now = Rules::new(&[of_source], false);
        let [deliveries, runs, jobs] = looks(&test, &rules_now);
        assert_eq!((deliveries.wrong, runs.wrong), (None, None));
        assert!(jobs.wrong.is_some());
        test.store.close();
        let mut options = fixtures::options(test.path());
        options.queues = vec![queue_rule("hd", &["t"])];
        (test.store, _) = crate::store::Store::open(options).unwrap();
        assert_eq!(wrong(&test), [false, false, true]);
    }

    #[test]
    fn a_job_of_more_events_than_are_read_is_compared_by_its_counts_too() {
        let test = fixtures::open();
        let many = || (0..4_100).map(|_| job("a", JobState::Running)).collect();
        test.append(renotify(arrival_of("t", "m1", many()), |_| {}));
        assert_eq!(test.job().events, 4_100);
        let look = |test: &TestStore| test.store.look_at_jobs(ALL, &rules(test), None).unwrap();
        assert_eq!(look(&test).wrong, None);
        let sql = "UPDATE job SET events = 4096";
        test.look().execute(sql, []).unwrap();
        assert!(look(&test).wrong.is_some());
    }
}
