//! What one transaction of the writer owes before it may commit: the folding of what its messages
//! are about, and what the folded rows add elsewhere.
//!
//! The messages of a transaction are written first, and each job and run they are about is folded
//! once behind them, however many of them name it. What the rows add to roll-ups, words and queues
//! is gathered and written last, each row or bucket once, and so are the sums of what came and the last push's clock;
//! the words behind everything else, since SQLite has the index of words write out what it has
//! gathered whenever another statement begins that could fail half-way.
//!
//! **Architecture invariant:** nothing is committed with a debt, and no command but the writing of
//! messages sees one: `inbox.rs` has the debt settled before any other command runs, `writer.rs`
//! before the commit. An error here fails the transaction, and its members are then tried in
//! smaller ones, each with a debt of its own.

use std::collections::BTreeMap;
use std::mem;

use rusqlite::{Transaction, params};

use crate::clock::Timestamp;
use crate::metrics::tally::Tally;
use crate::notification::delivery::Delivery;
use crate::store::arrivals::Hours;
use crate::store::event_rows::EventRow;
use crate::store::inbox::Context;
use crate::store::jobs::{self, Told};
use crate::store::lanes::Queues;
use crate::store::numbers::{About, Numbers};
use crate::store::records::RowId;
use crate::store::rollups::Deltas;
use crate::store::words::WordChanges;
use crate::store::{retention, runs};

const ADD_DELIVERIES: &str = "UPDATE total SET value = value + ?1 WHERE name = 'deliveries'";

const SET_LAST_PUSH: &str = "
    INSERT INTO last_push (id, sent_at, received_at) VALUES (1, ?1, ?2)
    ON CONFLICT (id) DO UPDATE SET
      sent_at = excluded.sent_at, received_at = excluded.received_at";

/// The jobs and runs that are not folded yet, by the numbers of their rows.
#[derive(Default)]
pub(super) struct Batch {
    /// Of what its events are about.
    pub(super) numbers: Numbers,
    jobs: BTreeMap<RowId, News>,
    runs: BTreeMap<RowId, News>,
    /// What is brought in now is the history of another sink, and nothing that happens.
    pub(super) is_import: bool,
    /// What is counted once this is committed.
    pub(super) tally: Tally,
    /// What came.
    pub(super) arrivals: Hours,
    /// How many deliveries are new.
    deliveries: i64,
    /// When the oldest of them was received.
    oldest_message: Option<Timestamp>,
    /// When the last push was sent and received.
    last_push: Option<(Timestamp, Timestamp)>,
}

/// What has come for a job or run since its row was written.
#[derive(Default)]
pub(super) struct News {
    pub(super) events: u64,
    /// Pushes, duplicates among them.
    pub(super) deliveries: u64,
    /// The event, if there is one: a job that has no row yet need not ask for it.
    pub(super) only: Option<Told>,
    /// Some of it is no import, so that an end is one that happens now.
    is_live: bool,
    last_delivery: Option<RowId>,
}

/// What folded rows add elsewhere, gathered so that each bucket and each queue is written once.
#[derive(Default)]
pub(super) struct Shares {
    pub(super) roll_ups: Deltas,
    pub(super) queues: Queues,
    pub(super) words: WordChanges,
    /// The jobs and runs that have ended, as far as that is to be counted.
    pub(super) ends: Tally,
    /// What ends now does so; false where rows are folded again or imported.
    pub(super) counts_ends: bool,
}

impl Batch {
    /// Adds a new delivery's event, which is written.
    pub(super) fn add_event(&mut self, delivery: RowId, region: &str, row: EventRow) {
        let About { job, run } = row.about;
        if let Some(run) = run {
            let news = self.runs.entry(run).or_default();
            news.add_event(delivery, !self.is_import);
        }
        if let Some(job) = job {
            let news = self.jobs.entry(job).or_default();
            news.add_event(delivery, !self.is_import);
            let is_first = news.events == 1;
            news.only = is_first.then(|| Told::of(row, region));
        }
    }

    /// Adds a push that brought the events of a job or run once more.
    pub(super) fn repeat(&mut self, about: About) {
        if let Some(job) = about.job {
            self.jobs.entry(job).or_default().deliveries += 1;
        }
        if let Some(run) = about.run {
            self.runs.entry(run).or_default().deliveries += 1;
        }
    }

    /// Notes that a delivery is new, with its message.
    pub(super) fn note_message(&mut self, received_at: Timestamp) {
        self.deliveries += 1;
        let oldest = self.oldest_message.get_or_insert(received_at);
        *oldest = received_at.min(*oldest);
    }

    /// Notes by which clocks a push came that was taken.
    pub(super) fn note_push(&mut self, push: &Delivery) {
        if let Some(sent_at) = push.headers.sent_at() {
            self.last_push = Some((sent_at, push.received_at));
        }
    }

    /// Folds what is not folded yet. The second call finds nothing to do.
    pub(super) fn settle(&mut self, tx: &Transaction<'_>, ctx: &Context) -> rusqlite::Result<()> {
        let (mut jobs, mut runs) = (mem::take(&mut self.jobs), mem::take(&mut self.runs));
        let mut shares = Shares::default();
        for (run, is_new) in self.numbers.take_runs() {
            let news = runs.remove(&run.row).unwrap_or_default();
            shares.counts_ends = news.is_live;
            runs::take_in(tx, &run, is_new, &news, &mut shares)?;
        }
        for (job, is_new) in self.numbers.take_jobs() {
            let news = jobs.remove(&job.row).unwrap_or_default();
            shares.counts_ends = news.is_live;
            jobs::take_in(tx, &job, is_new, &news, &mut shares)?;
        }
        // What is left was only repeated.
        for (run, news) in runs {
            runs::repeat(tx, run, &news)?;
        }
        for (job, news) in jobs {
            jobs::repeat(tx, job, &news)?;
        }
        self.tally.add(mem::take(&mut shares.ends));
        mem::take(&mut self.arrivals).write(tx)?;
        add_deliveries(tx, mem::take(&mut self.deliveries))?;
        if let Some(oldest) = self.oldest_message.take() {
            retention::note_message(tx, oldest)?;
        }
        if let Some((sent_at, received_at)) = self.last_push.take() {
            let mut set = tx.prepare_cached(SET_LAST_PUSH)?;
            set.execute(params![sent_at.0, received_at.0])?;
        }
        shares.write(tx, ctx)
    }
}

/// Moves the number of deliveries that are here.
pub(super) fn add_deliveries(tx: &Transaction<'_>, more: i64) -> rusqlite::Result<()> {
    if more != 0 {
        tx.prepare_cached(ADD_DELIVERIES)?.execute([more])?;
    }
    Ok(())
}

impl News {
    fn add_event(&mut self, delivery: RowId, is_live: bool) {
        self.events += 1;
        self.is_live |= is_live;
        if self.last_delivery != Some(delivery) {
            self.last_delivery = Some(delivery);
            self.deliveries += 1;
        }
    }
}

impl Shares {
    /// Of rows whose words are written whatever they were before.
    pub(super) fn rewriting_words() -> Shares {
        Shares {
            words: WordChanges::rewriting(),
            ..Shares::default()
        }
    }

    pub(super) fn write(self, tx: &Transaction<'_>, ctx: &Context) -> rusqlite::Result<()> {
        self.queues.write(tx)?;
        self.roll_ups.write(tx, ctx.clock.now())?;
        self.words.write(tx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::metrics::{Metrics, Snapshot};
    use crate::notification::event::{ActivityEvent, Event, JobEvent, JobState, RunEvent};
    use crate::store::filters::DeliveryFilter;
    use crate::store::fixtures::{self, TestStore, arrival, arrival_of};
    use crate::store::records::{Page, Place, RollUpSpan};
    use crate::store::{Appended, Arrival};

    /// Appends all of them in one transaction.
    fn append_together(test: &TestStore, arrivals: Vec<Arrival>) -> Vec<Option<Appended>> {
        let stopped = test.stop_writer();
        let tasks: Vec<_> = arrivals.into_iter().map(|it| test.send(it)).collect();
        stopped.go_on();
        let answers = tasks.into_iter().map(|task| test.runtime.block_on(task));
        answers.map(|answer| answer.unwrap().ok()).collect()
    }

    fn run_with_job(id: &str, job: &str) -> Arrival {
        let run = RunEvent {
            run_id: "r".to_owned(),
            ..RunEvent::default()
        };
        let activity = |name: &str| ActivityEvent {
            run_id: "r".to_owned(),
            name: name.to_owned(),
            activity_type: "Transcode".to_owned(),
            job_id: Some(job.to_owned()),
            ..ActivityEvent::default()
        };
        let activities = ["a", "b"].map(|name| Event::Activity(activity(name)));
        let events = [Event::Run(run)].into_iter().chain(activities).collect();
        arrival_of("t", id, events)
    }

    #[test]
    fn messages_and_their_duplicates_count_the_same_in_one_transaction_as_in_many() {
        let arrivals = || {
            vec![
                arrival("m1", "j1"),
                arrival("m1", "j1"),
                arrival("m2", "j1"),
                arrival("m3", "j2"),
                run_with_job("m4", "j3"),
                run_with_job("m4", "j3"),
                run_with_job("m5", "j3"),
            ]
        };
        let (together, apart) = (fixtures::open(), fixtures::open());
        append_together(&together, arrivals());
        for arrival in arrivals() {
            apart.append(arrival);
        }
        let all = |test: &TestStore| {
            let mut jobs = test.jobs();
            jobs.sort_by(|a, b| a.id.cmp(&b.id));
            (
                jobs,
                test.runs(),
                test.roll_ups(RollUpSpan::Hour),
                test.lanes(),
            )
        };
        assert_eq!(all(&together), all(&apart));
        let (jobs, runs, ..) = all(&together);
        let counts: Vec<_> = jobs.iter().map(|it| (it.events, it.deliveries)).collect();
        assert_eq!(counts, [(2, 3), (1, 1), (4, 3)]);
        assert_eq!((runs[0].events, runs[0].deliveries), (6, 3));
    }

    #[test]
    fn a_row_that_cannot_be_folded_fails_its_message_and_no_other() {
        let test = fixtures::open();
        let done = test.put((), |tx, _, ()| {
            let sql = "CREATE TRIGGER bad BEFORE INSERT ON job WHEN NEW.job = 'bad'
                BEGIN SELECT RAISE(ABORT, 'no'); END";
            tx.execute_batch(sql)?;
            Ok(Ok(()))
        });
        done.recv().unwrap().unwrap();
        let ids = ["j1", "j2", "bad", "j3", "j4"];
        let arrivals = ids.map(|id| arrival(id, id)).into();
        let answers = append_together(&test, arrivals);
        let stored: Vec<bool> = answers.iter().map(Option::is_some).collect();
        assert_eq!(stored, [true, true, false, true, true]);
        let page = Page {
            limit: 10,
            place: Place::First,
        };
        assert_eq!(
            test.store
                .page_deliveries(&DeliveryFilter::default(), page)
                .unwrap()
                .items
                .len(),
            4
        );
        assert_eq!(test.jobs().len(), 4);
    }

    #[test]
    fn a_command_among_messages_finds_their_rows() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let before = test.send(arrival("m1", "j1"));
        let found = test.put((), |tx, _, ()| {
            let sql = "SELECT COUNT(*) FROM job WHERE job = 'j1'";
            let jobs: i64 = tx.query_row(sql, [], |row| row.get(0))?;
            assert_eq!(jobs, 1);
            Ok(Ok(()))
        });
        let after = test.send(arrival("m2", "j1"));
        stopped.go_on();
        found.recv().unwrap().unwrap();
        test.runtime.block_on(before).unwrap().unwrap();
        test.runtime.block_on(after).unwrap().unwrap();
        assert_eq!(test.job().events, 2);
    }

    fn sample(metrics: &Metrics, name: &str) -> u64 {
        let text = metrics.encode(&Snapshot::default());
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.rsplit_once(' ').unwrap().1);
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    fn counted() -> (TestStore, Metrics) {
        let metrics = Metrics::new();
        let test = fixtures::open_with(|options| options.metrics = metrics.clone());
        (test, metrics)
    }

    fn ended(id: &str, job: &str) -> Arrival {
        let job = JobEvent {
            job_id: job.to_owned(),
            state: JobState::Succeeded,
            ..JobEvent::default()
        };
        arrival_of("t", id, vec![Event::Job(job)])
    }

    #[test]
    fn a_job_ends_once_and_an_import_is_no_end() {
        let (test, metrics) = counted();
        test.append(ended("m1", "j1"));
        test.append(ended("m1", "j1"));
        test.append(ended("m2", "j1"));
        assert_eq!(sample(&metrics, "mpsink_jobs_finished_total"), 1);
        assert_eq!(sample(&metrics, "mpsink_events_total"), 2);
        let imported = Arc::new(vec![ended("m3", "j2")]);
        test.runtime.block_on(test.store.import(imported)).unwrap();
        assert_eq!(sample(&metrics, "mpsink_jobs_finished_total"), 1);
        assert_eq!(sample(&metrics, "mpsink_events_total"), 2);
    }

    #[test]
    fn what_was_rolled_back_is_counted_once_when_it_is_written() {
        let (test, metrics) = counted();
        let done = test.put((), |tx, _, ()| {
            let sql = "CREATE TRIGGER bad BEFORE INSERT ON job WHEN NEW.job = 'bad'
                BEGIN SELECT RAISE(ABORT, 'no'); END";
            tx.execute_batch(sql)?;
            Ok(Ok(()))
        });
        done.recv().unwrap().unwrap();
        let arrivals = ["j1", "j2", "bad", "j3"].map(|id| ended(id, id));
        append_together(&test, arrivals.into());
        assert_eq!(sample(&metrics, "mpsink_jobs_finished_total"), 3);
        assert_eq!(sample(&metrics, "mpsink_events_total"), 3);
    }

    #[test]
    fn what_waits_for_the_writer_is_the_depth_of_the_inbox() {
        let (test, metrics) = counted();
        let stopped = test.stop_writer();
        let tasks = ["m1", "m2"].map(|id| test.send(arrival(id, id)));
        assert_eq!(sample(&metrics, "mpsink_inbox_commands "), 2);
        stopped.go_on();
        for task in tasks {
            test.runtime.block_on(task).unwrap().unwrap();
        }
        assert_eq!(sample(&metrics, "mpsink_inbox_commands "), 0);
    }
}
