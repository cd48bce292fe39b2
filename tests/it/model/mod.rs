//! The store against a small model: random pushes, new ones, duplicates and others under the same
//! key, held and admitted ones, retention, rebuilds, restarts and losses of power, in any order.
//! After each step the store says what the model says, and nothing else. What fails shrinks to a few
//! steps.
//!
//! The model (`expected.rs`) is a list of what came and a few sums; `told.rs` and `folded.rs` fold it
//! from nothing each time, by the rules of `ARCHITECTURE.md` and not by the code's. `machine.rs` is the real
//! database, driven through ingest; `pushes.rs` makes up what comes.
//!
//! Deliberately not here: that any order of the same messages folds to the same rows (the tests
//! beside `store/jobs.rs` and `store/runs.rs`), spoiled rows that a rebuild mends and what words
//! find (`refold.rs`), and `kill -9` of a server under load (`crashes.rs`).
//!
//! `PROPTEST_CASES=10000 cargo test --release --test it model::` runs it for long.

use mpsink::clock::Timestamp;
use mpsink::ingest::Outcome;
use mpsink::store::retention::kept::{Kept, Retention};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::select;

use crate::app::NOW;
use crate::model::expected::{Fate, HOUR_MS, Model};
use crate::model::machine::Machine;
use crate::model::pushes::{DAY_MS, Fresh, Push, Said, fresh, said};

mod expected;
mod folded;
mod machine;
mod pushes;
mod told;

/// Each step asks for all that there is: 12 of them take some seconds without optimization.
const CASES: u32 = 12;

const STEPS_MAX: usize = 16;

/// What happens to a store. Numbers choose among what is there when it happens.
#[derive(Clone, Debug)]
enum Step {
    /// These come, one straight after the other.
    Come(Vec<Coming>),
    Hold(Coming),
    Admit(usize),
    Drop(usize),
    /// Messages and history go that are older than so many days.
    Prune {
        messages: i64,
        history: Option<i64>,
    },
    Rebuild,
    Reopen,
    /// The power fails, between two commits.
    Crash,
    /// The power fails while a push is written: so much of what was to be written is not on disk,
    /// in 256ths.
    CrashWithin {
        coming: Coming,
        missing: u8,
    },
    /// So many hours pass.
    Wait(i64),
}

#[derive(Clone, Debug)]
enum Coming {
    New(Fresh),
    /// One that came before, whatever became of it.
    Again(usize),
    /// Its key, and another message.
    Other(usize, Said),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_store_says_what_the_model_says_after_each_step(
        steps in prop::collection::vec(step(), 1..STEPS_MAX)
    ) {
        let mut test = Test::start();
        for step in steps {
            let told = format!("{step:?}");
            test = test.go(step);
            assert_eq!(test.machine.seen(), test.model.seen(), "after {told}");
        }
    }
}

/// As many as are asked for, which `with_cases` would not look at.
fn cases() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the long run is chosen by whoever runs it"
    )]
    let chosen = std::env::var("PROPTEST_CASES").ok();
    chosen.map_or(CASES, |cases| cases.parse().unwrap())
}

struct Test {
    machine: Machine,
    model: Model,
    /// All that came, as it came first.
    pushes: Vec<Push>,
    signatures: usize,
}

impl Test {
    fn start() -> Test {
        Test {
            machine: Machine::start(NOW),
            model: Model::new(NOW),
            pushes: Vec::new(),
            signatures: 0,
        }
    }

    fn go(mut self, step: Step) -> Test {
        match step {
            Step::Come(coming) => {
                let pushes: Vec<Push> = coming
                    .into_iter()
                    .filter_map(|coming| self.push(coming))
                    .collect();
                let outcomes = self.machine.take(&pushes);
                for (push, outcome) in pushes.iter().zip(outcomes) {
                    self.note(push, outcome);
                }
            }
            Step::Hold(coming) => {
                if let Some(push) = self.push(coming) {
                    self.hold(&push);
                }
            }
            Step::Admit(which) => self.admit(which),
            Step::Drop(which) => {
                if let Some((id, _)) = self.model.choose_held(which) {
                    self.machine.drop_held(id).unwrap();
                    assert!(self.machine.drop_held(id).is_err());
                    self.model.let_go(id);
                }
            }
            Step::Prune { messages, history } => self.prune(messages, history),
            Step::Rebuild => {
                for dry_run in [true, false] {
                    let report = self.machine.rebuild(dry_run);
                    assert!(report.changes_nothing(), "{report:?}");
                }
            }
            Step::Reopen => self.machine = self.machine.reopen(),
            Step::Crash => self.machine = self.machine.crash(0),
            Step::CrashWithin { coming, missing } => return self.crash_within(coming, missing),
            Step::Wait(hours) => {
                self.model.now = self.model.now.plus_ms(hours * HOUR_MS);
                self.machine.set_clock(self.model.now);
            }
        }
        self
    }

    /// Makes a push of what comes; `None` where it would repeat and nothing has come.
    fn push(&mut self, coming: Coming) -> Option<Push> {
        let now = self.model.now;
        let earlier = |which: usize| {
            let which = which.checked_rem(self.pushes.len())?;
            Some(Push {
                received_at: now,
                ..self.pushes[which].clone()
            })
        };
        match coming {
            Coming::New(fresh) => {
                let number = i64::try_from(self.pushes.len()).unwrap();
                let received_at = now.plus_ms(-fresh.received_days * DAY_MS);
                let push = Push {
                    number,
                    received_at,
                    fresh,
                };
                self.pushes.push(push.clone());
                Some(push)
            }
            Coming::Again(which) => earlier(which),
            Coming::Other(which, said) => {
                let mut push = earlier(which)?;
                push.fresh.said = said;
                Some(push)
            }
        }
    }

    /// Holds what became of a push against the model, and puts it there.
    fn note(&mut self, push: &Push, outcome: Outcome) {
        match (self.model.fate(push), outcome) {
            (Fate::Stored, Outcome::Stored { delivery }) => self.model.store(push, delivery),
            (
                fate @ Fate::Duplicate { row, differs },
                Outcome::Duplicate {
                    delivery,
                    differs: is,
                },
            ) => {
                assert_eq!((row, differs), (delivery, is), "{fate:?}");
                self.model.count(push, row, differs);
            }
            (fate, outcome) => panic!("{outcome:?}, and not {fate:?}: {push:?}"),
        }
    }

    fn hold(&mut self, push: &Push) {
        self.signatures += 1;
        let id = self.machine.hold(push, self.signatures);
        if let Some(row) = self.model.held_row(push) {
            assert_eq!(id, row);
        }
        self.model.hold(push, id);
    }

    fn admit(&mut self, which: usize) {
        let Some((id, push)) = self.model.choose_held(which) else {
            return;
        };
        let outcome = self.machine.admit(id).unwrap();
        match self.model.fate(&push) {
            // The held one is the only copy of what it says.
            Fate::Duplicate { differs: true, .. } => {
                assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
            }
            Fate::Stored | Fate::Duplicate { differs: false, .. } => {
                self.note(&push, outcome);
                self.model.let_go(id);
                assert!(self.machine.admit(id).is_err());
            }
        }
    }

    fn prune(&mut self, messages: i64, history: Option<i64>) {
        let retention = Retention {
            messages: Kept::For(messages * DAY_MS),
            history: history.map_or(Kept::Forever, |days| Kept::For(days * DAY_MS)),
        };
        let found = self.machine.prune(retention, true).taken;
        let taken = self.machine.prune(retention, false).taken;
        assert_eq!(found, taken);
        let before = |days: i64| self.model.now.plus_ms(-days * DAY_MS);
        let (messages, history): (Timestamp, _) = (before(messages), history.map(before));
        self.model.prune(messages, history);
    }

    /// The push was answered here, and is not on disk there: nobody has been told so but by this.
    fn crash_within(mut self, coming: Coming, missing: u8) -> Test {
        let Some(push) = self.push(coming) else {
            return self;
        };
        let before = self.machine.log_bytes();
        let outcome = self.machine.take(std::slice::from_ref(&push)).remove(0);
        let written = self.machine.log_bytes().saturating_sub(before);
        if written == 0 {
            // The log began anew, over what had been moved out of it.
            self.note(&push, outcome);
        }
        let cut = (written * u64::from(missing) / 256).max(1).min(written);
        self.machine = self.machine.crash(cut);
        self
    }
}

fn step() -> impl Strategy<Value = Step> {
    let days = || select(vec![1_i64, 7, 30, 90]);
    let pruning = (days(), prop::option::of(select(vec![7_i64, 30, 90])));
    prop_oneof![
        10 => prop::collection::vec(coming(), 1..4).prop_map(Step::Come),
        3 => coming().prop_map(Step::Hold),
        3 => any::<usize>().prop_map(Step::Admit),
        1 => any::<usize>().prop_map(Step::Drop),
        4 => pruning.prop_map(|(messages, history)| Step::Prune { messages, history }),
        2 => Just(Step::Rebuild),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        2 => (coming(), any::<u8>()).prop_map(|(coming, missing)| Step::CrashWithin { coming, missing }),
        1 => select(vec![1_i64, 30, 9 * 24]).prop_map(Step::Wait),
    ]
}

fn coming() -> impl Strategy<Value = Coming> {
    prop_oneof![
        5 => fresh().prop_map(Coming::New),
        2 => any::<usize>().prop_map(Coming::Again),
        1 => (any::<usize>(), said()).prop_map(|(which, said)| Coming::Other(which, said)),
    ]
}
