//! Retention against a model in memory: whatever comes in whatever order, and however a prune is cut
//! off, what is left is what the model says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, ProptestConfig, Strategy, prop};
use proptest::{prop_oneof, proptest};
use rusqlite::Connection;

use crate::notification::event::{ActivityEvent, Event, JobEvent, JobState};
use crate::store::fixtures::{self, TestStore, arrival_of};
use crate::store::rebuild::Rules;
use crate::store::records::RollUpSpan;
use crate::store::retention::tests::{
    aged, ago, count, find_by, horizons, prune_watched, roll_ups, wrong_sums,
};
use crate::store::{Appended, Arrival};

use super::*;

/// What is pushed, again and again.
#[derive(Clone, Debug)]
struct Message {
    jobs: BTreeSet<u8>,
    run: Option<u8>,
    /// How many days ago it happened, and came.
    happened: i64,
    came: i64,
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Prune {
        messages: Option<i64>,
        history: Option<i64>,
        group_rows: u64,
    },
    /// A prune that ends after so many pieces.
    CutOff {
        history: i64,
        pieces: usize,
    },
    Rebuild,
}

/// A delivery, as the model knows it.
#[derive(Clone, Debug)]
struct Kept {
    message: usize,
    number: RowId,
    pushes: u64,
    is_emptied: bool,
}

struct Model {
    messages: Vec<Message>,
    kept: Vec<Kept>,
}

impl Message {
    fn arrival(&self, at: usize) -> Arrival {
        let events = self.jobs.iter().map(|job| match self.run {
            Some(run) => Event::Activity(ActivityEvent {
                run_id: format!("r{run}"),
                name: format!("a{job}"),
                state: JobState::Succeeded,
                job_id: Some(format!("j{job}")),
                finished_at: Some(ago(self.happened)),
                ..ActivityEvent::default()
            }),
            None => Event::Job(JobEvent {
                job_id: format!("j{job}"),
                state: JobState::Succeeded,
                finished_at: Some(ago(self.happened)),
                ..JobEvent::default()
            }),
        });
        let mut arrival = aged(
            self.happened,
            arrival_of("t", &format!("m{at}"), events.collect()),
        );
        arrival.delivery.received_at = ago(self.came);
        arrival
    }

    fn names(&self) -> BTreeSet<String> {
        let jobs = self.jobs.iter().map(|job| format!("j{job}"));
        jobs.chain(self.run.map(|run| format!("r{run}"))).collect()
    }
}

impl Model {
    fn message(&self, kept: &Kept) -> &Message {
        &self.messages[kept.message]
    }

    /// What hangs together.
    fn groups(&self) -> Vec<Vec<Kept>> {
        let mut groups: Vec<(BTreeSet<String>, Vec<Kept>)> = Vec::new();
        for kept in &self.kept {
            let mut names = self.message(kept).names();
            let mut members = vec![kept.clone()];
            let (joined, apart) = groups
                .into_iter()
                .partition::<Vec<_>, _>(|(others, _)| !others.is_disjoint(&names));
            groups = apart;
            for (others, more) in joined {
                names.extend(others);
                members.extend(more);
            }
            groups.push((names, members));
        }
        groups.into_iter().map(|(_, members)| members).collect()
    }

    /// Whether a group is old enough, and small enough.
    fn goes(&self, group: &[Kept], before: Timestamp, group_rows: u64) -> bool {
        let newest = self.kept.iter().map(|it| it.number).max();
        // Of those that came at the same moment the one stored last; see the trigger in the schema.
        let last = self
            .kept
            .iter()
            .max_by_key(|it| (ago(self.message(it).came), it.number))
            .map(|it| it.number);
        let is_old = group.iter().all(|kept| {
            let message = self.message(kept);
            ago(message.happened) < before
                && ago(message.came) < before
                && Some(kept.number) != newest
                && Some(kept.number) != last
        });
        let messages = group.iter().map(|kept| self.message(kept));
        let names: BTreeSet<String> = messages.clone().flat_map(Message::names).collect();
        let activities: BTreeSet<(u8, u8)> = messages
            .filter_map(|it| it.run.map(|run| it.jobs.iter().map(move |job| (run, *job))))
            .flatten()
            .collect();
        is_old && (group.len() + names.len() + activities.len()) as u64 <= group_rows
    }

    fn forget(&mut self, before: Timestamp, group_rows: u64) {
        let groups = self.groups();
        let gone: BTreeSet<RowId> = groups
            .iter()
            .filter(|group| self.goes(group, before, group_rows))
            .flatten()
            .map(|kept| kept.number)
            .collect();
        self.kept.retain(|kept| !gone.contains(&kept.number));
    }

    /// Takes over what a prune that was cut off has done, which is a part of what it may do.
    fn follow(&mut self, test: &TestStore, before: Timestamp, group_rows: u64) {
        let numbers = numbers(&test.look(), "SELECT id FROM delivery");
        for group in self.groups() {
            let left = group.iter().filter(|kept| numbers.contains(&kept.number));
            let left = left.count();
            if left != group.len() {
                assert_eq!(left, 0, "half of {group:?} is there");
                assert!(self.goes(&group, before, group_rows), "{group:?} is young");
            }
        }
        self.kept.retain(|kept| numbers.contains(&kept.number));
    }

    /// Events and pushes of each job and run.
    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::new();
        for kept in &self.kept {
            let message = self.message(kept);
            for name in message.names() {
                let is_run = name.starts_with('r');
                let (events, pushes) = counts.entry(name).or_insert((0, 0));
                *events += if is_run { message.jobs.len() as u64 } else { 1 };
                *pushes += kept.pushes;
            }
        }
        counts
    }
}

fn numbers(conn: &Connection, sql: &str) -> BTreeSet<RowId> {
    let mut select = conn.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn small(group_rows: u64) -> Walk {
    Walk {
        bounds: Bounds {
            group_rows,
            events_at_once: 2,
            events_looked_at: 3,
        },
        ..Walk::default()
    }
}

fn push(test: &TestStore, model: &mut Model, at: usize) {
    let at = at % model.messages.len();
    let appended = test.append(model.messages[at].arrival(at));
    match (appended, model.kept.iter_mut().find(|it| it.message == at)) {
        (Appended::Duplicate { .. }, Some(kept)) => kept.pushes += 1,
        (Appended::Stored { delivery }, None) => model.kept.push(Kept {
            message: at,
            number: delivery,
            pushes: 1,
            is_emptied: false,
        }),
        (appended, known) => panic!("{appended:?} of what the model knows as {known:?}"),
    }
}

fn prune(test: &TestStore, model: &mut Model, horizons: Horizons, group_rows: u64) {
    let sums = (roll_ups(test), test.roll_ups(RollUpSpan::Minute));
    let found = find_by(test, horizons, &small(group_rows));
    let taken = prune_watched(test, horizons, &small(group_rows), || {});
    assert_eq!(taken, found);
    assert_eq!((roll_ups(test), test.roll_ups(RollUpSpan::Minute)), sums);
    let before_it = model.kept.len();
    if let Some(before) = horizons.messages {
        for kept in &mut model.kept {
            kept.is_emptied |= ago(model.messages[kept.message].came) < before;
        }
    }
    if let Some(before) = horizons.history {
        model.forget(before, group_rows);
    }
    assert_eq!(taken.deliveries, (before_it - model.kept.len()) as u64);
    assert_eq!(count(test, "leftover"), 0);
}

fn cut_off(test: &TestStore, before: Timestamp, mut pieces: usize) {
    let horizons = Horizons {
        messages: None,
        history: Some(before),
    };
    let walk = small(4_000);
    for step in [super::Step::Runs, super::Step::Jobs] {
        let mut after = None;
        while pieces > 0 {
            pieces -= 1;
            let prune = test.store.prune(step, horizons, after, &walk);
            after = test.runtime.block_on(prune).unwrap().next;
            if after.is_none() {
                break;
            }
        }
    }
}

fn rebuild(test: &TestStore) {
    let rules = || Rules::new(std::slice::from_ref(&test.source), false);
    let refold = test.store.refold_runs(0, RowId::MAX, rules());
    assert_eq!(test.runtime.block_on(refold).unwrap().runs, []);
    let refold = test.store.refold_jobs(0, RowId::MAX, rules());
    assert_eq!(test.runtime.block_on(refold).unwrap().jobs, []);
}

fn assert_is(test: &TestStore, model: &Model) {
    let conn = test.look();
    let known: BTreeSet<RowId> = model.kept.iter().map(|it| it.number).collect();
    assert_eq!(numbers(&conn, "SELECT id FROM delivery"), known);
    let with_message = model.kept.iter().filter(|it| !it.is_emptied);
    let with_message: BTreeSet<RowId> = with_message.map(|it| it.number).collect();
    let sql = "SELECT delivery FROM delivery_capture
        WHERE delivery NOT IN (SELECT delivery FROM leftover)";
    assert_eq!(numbers(&conn, sql), with_message);
    let jobs = test.jobs().into_iter();
    let jobs = jobs.map(|job| (job.id, (job.events, job.deliveries)));
    let runs = test.runs().into_iter();
    let runs = runs.map(|run| (run.id, (run.events, run.deliveries)));
    assert_eq!(jobs.chain(runs).collect::<BTreeMap<_, _>>(), model.counts());
    assert_eq!(test.store.upkeep().unwrap().deliveries, known.len() as u64);
    assert_eq!(wrong_sums(&test.store), 0);
    let lost = "event WHERE delivery NOT IN (SELECT id FROM delivery)
        AND delivery NOT IN (SELECT delivery FROM leftover)";
    assert_eq!(count(test, lost), 0);
}

fn any_message() -> impl Strategy<Value = Message> {
    (
        prop::collection::btree_set(0u8..6, 1..4),
        prop::option::of(0u8..3),
        0i64..60,
        0i64..60,
    )
        .prop_map(|(jobs, run, happened, came)| Message {
            jobs,
            run,
            happened,
            came,
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    let days = || prop::option::of(0i64..60);
    prop_oneof![
        8 => (0usize..20).prop_map(Step::Push),
        2 => (days(), days(), prop_oneof![Just(6u64), Just(4_000)]).prop_map(
            |(messages, history, group_rows)| Step::Prune { messages, history, group_rows }
        ),
        1 => (0i64..60, 1usize..12)
            .prop_map(|(history, pieces)| Step::CutOff { history, pieces }),
        1 => Just(Step::Rebuild),
    ]
}

proptest! {
    // A case opens a database and commits some dozens of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_left_is_what_the_model_says(
        messages in prop::collection::vec(any_message(), 1..12),
        steps in prop::collection::vec(any_step(), 1..30),
    ) {
        let test = fixtures::open();
        let mut model = Model { messages, kept: Vec::new() };
        for step in steps {
            match step {
                Step::Push(at) => push(&test, &mut model, at),
                Step::Prune { messages, history, group_rows } => {
                    prune(&test, &mut model, horizons(messages, history), group_rows);
                }
                Step::CutOff { history, pieces } => {
                    cut_off(&test, ago(history), pieces);
                    model.follow(&test, ago(history), 4_000);
                }
                Step::Rebuild => rebuild(&test),
            }
            assert_is(&test, &model);
        }
    }
}
