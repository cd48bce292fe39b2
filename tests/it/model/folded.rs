//! What the model makes of events: jobs, runs and activities, and what has ended. Written from the
//! rules in `ARCHITECTURE.md` (*Folding*), from nothing each time, and knowing nothing of arrival.

use std::collections::{BTreeMap, BTreeSet};

use mpsink::clock::Timestamp;
use mpsink::notification::event::{JobState, RunPart};
use mpsink::store::options::STALE_AFTER_MS;
use mpsink::store::records::{ActivityRecord, JobRecord, RunOutcome, RunRecord};

use crate::model::pushes::{Activity, Run};
use crate::model::told::{Told, What};

/// What is compared of a job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoldedJob {
    region: String,
    queue: Option<String>,
    run: Option<String>,
    workflow: Option<String>,
    state: JobState,
    code: Option<String>,
    user_data: Option<String>,
    times: [Option<Timestamp>; 3],
    duration_ms: Option<i64>,
    events: u64,
    deliveries: u64,
    conflict: bool,
    last_event_at: Timestamp,
}

/// What is compared of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoldedRun {
    region: String,
    workflow: Option<String>,
    outcome: RunOutcome,
    times: [Option<Timestamp>; 2],
    duration_ms: Option<i64>,
    events: u64,
    deliveries: u64,
    conflict: bool,
    last_event_at: Timestamp,
    /// By name and type.
    activities: BTreeMap<(String, String), FoldedActivity>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoldedActivity {
    region: String,
    workflow: Option<String>,
    job: Option<String>,
    state: JobState,
    code: Option<String>,
    times: [Option<Timestamp>; 2],
    duration_ms: Option<i64>,
    conflict: bool,
    last_event_at: Timestamp,
}

/// Owner and id.
pub(super) type Name = (String, String);

/// Everything that the events say, by owner and id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) jobs: BTreeMap<Name, FoldedJob>,
    pub(super) runs: BTreeMap<Name, FoldedRun>,
}

fn ordered<'told, 'push>(mut told: Vec<&'told Told<'push>>) -> Vec<&'told Told<'push>> {
    told.sort_by_key(|one| one.order());
    told
}

/// What has ended, on its lane: kind, owner, region, name, type, state.
pub(super) type Lane = (&'static str, String, String, String, String, &'static str);

impl Folded {
    /// Folds all events; of runs that go on, `now` says which are stale.
    pub(super) fn of(told: &[Told<'_>], now: Timestamp) -> Folded {
        let mut jobs: BTreeMap<Name, Vec<&Told<'_>>> = BTreeMap::new();
        let mut runs: BTreeMap<Name, Vec<&Told<'_>>> = BTreeMap::new();
        for one in told {
            let name = |id: &str| (one.owner().to_owned(), id.to_owned());
            if let Some(job) = one.job() {
                jobs.entry(name(job)).or_default().push(one);
            }
            if let Some(run) = one.run() {
                runs.entry(name(run)).or_default().push(one);
            }
        }
        let (jobs, runs) = (jobs.into_iter(), runs.into_iter());
        Folded {
            jobs: jobs
                .map(|(name, told)| (name, job(&ordered(told))))
                .collect(),
            runs: runs
                .map(|(name, told)| (name, run(&ordered(told), now)))
                .collect(),
        }
    }

    /// What has ended, when, and how long it took.
    pub(super) fn ended(&self) -> Vec<(Lane, Timestamp, Option<i64>)> {
        let mut ended = Vec::new();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        for ((owner, _), job) in &self.jobs {
            if job.run.is_none() && job.state.is_terminal() {
                let (region, queue) = (job.region.clone(), text(&job.queue));
                let kind = "Transcode".to_owned();
                let lane = (
                    "queue",
                    owner.clone(),
                    region,
                    queue,
                    kind,
                    job.state.word(),
                );
                ended.push((lane, job.times[2].unwrap(), job.duration_ms));
            }
        }
        for ((owner, _), run) in &self.runs {
            let (region, workflow) = (run.region.clone(), text(&run.workflow));
            if run.outcome.is_end()
                && let Some(at) = run.times[1]
            {
                let none = String::new();
                let state = run.outcome.word();
                let lane = ("workflow", owner.clone(), region, workflow, none, state);
                ended.push((lane, at, run.duration_ms));
            }
            for ((_, kind), it) in &run.activities {
                if it.state.is_terminal() {
                    let (region, workflow) = (it.region.clone(), text(&it.workflow));
                    let state = it.state.word();
                    let lane = (
                        "activity",
                        owner.clone(),
                        region,
                        workflow,
                        kind.clone(),
                        state,
                    );
                    let at = it.times[1].unwrap_or(it.last_event_at);
                    ended.push((lane, at, it.duration_ms));
                }
            }
        }
        ended
    }
}

fn job(told: &[&Told<'_>]) -> FoldedJob {
    let last = told.last().unwrap();
    let state = last.state();
    let by_rule = told.iter().max_by_key(|one| one.queue().0).unwrap();
    let of_run = told.iter().rev().find(|one| one.run().is_some());
    let times = |one: &Told<'_>| match &one.what {
        What::Job(job) => [job.times.submitted, job.times.started, job.times.finished],
        What::Activity(_, it) => [None, it.times.started, it.times.finished],
        What::Run(_) | What::Odd => [None; 3],
    };
    let newest = |at: usize| told.iter().rev().find_map(|one| times(one)[at]);
    let end = newest(2).or_else(|| state.is_terminal().then(|| last.at()));
    let times = [newest(0), newest(1), end];
    let user_data = told.iter().rev().find_map(|one| match &one.what {
        What::Job(job) => job.user_data,
        _ => None,
    });
    FoldedJob {
        region: by_rule.region.to_owned(),
        queue: match of_run {
            Some(_) => None,
            None => by_rule.queue().1.map(str::to_owned),
        },
        run: of_run.and_then(|one| one.run()).map(str::to_owned),
        workflow: of_run.and_then(|one| workflow(one)),
        state,
        code: code(told, state),
        user_data: user_data.map(str::to_owned),
        times,
        duration_ms: duration(times[1].or(times[0]), end),
        events: told.len() as u64,
        deliveries: deliveries(told),
        conflict: endings(told, |state| state) > 1,
        last_event_at: last_event_at(told),
    }
}

type Nodes = BTreeMap<(String, String), FoldedActivity>;

fn run(told: &[&Told<'_>], now: Timestamp) -> FoldedRun {
    let mut by_node: BTreeMap<(String, String), Vec<&Told<'_>>> = BTreeMap::new();
    let mut own = Vec::new();
    for one in told {
        if let What::Activity(_, it) = &one.what {
            let node = (it.name.to_owned(), it.kind.to_owned());
            by_node.entry(node).or_default().push(*one);
        } else {
            own.push(*one);
        }
    }
    let activities = by_node.into_iter();
    let activities = activities.map(|(node, told)| (node, activity(&told)));
    let activities: Nodes = activities.collect();
    let newest = |find: fn(&Told<'_>, &Run) -> Option<Timestamp>| {
        own.iter().rev().find_map(|one| match &one.what {
            What::Run(run) => find(one, run),
            _ => None,
        })
    };
    let reported_at = newest(|one, run| (run.part == RunPart::Report).then(|| one.at()));
    let created_at = newest(|_, run| run.created_at);
    let own_state = own.last().map_or(JobState::Unknown, |one| one.state());
    let (mut outcome, end) = conclude(&activities, own_state, reported_at);
    let last_event_at = last_event_at(told);
    let began_at = created_at.unwrap_or(last_event_at);
    if outcome == RunOutcome::Running && began_at < now.plus_ms(-STALE_AFTER_MS) {
        outcome = RunOutcome::Stale;
    }
    FoldedRun {
        region: told.last().unwrap().region.to_owned(),
        workflow: own.last().and_then(|one| workflow(one)),
        outcome,
        times: [created_at, end],
        duration_ms: duration(created_at, end),
        events: told.len() as u64,
        deliveries: deliveries(told),
        conflict: endings(&own, |state| match state {
            JobState::Succeeded => JobState::Completed,
            state => state,
        }) > 1,
        last_event_at,
        activities,
    }
}

/// What became of a run, and when it ended.
fn conclude(
    activities: &Nodes,
    own_state: JobState,
    reported_at: Option<Timestamp>,
) -> (RunOutcome, Option<Timestamp>) {
    let of_kind = |kind: &'static str| {
        let all = activities.iter();
        all.filter(move |((_, of), _)| of == kind).map(|(_, it)| it)
    };
    let has_work = |state| {
        let is_work = |kind: &str| kind != "Start" && kind != "Report";
        let mut all = activities.iter();
        all.any(|((_, kind), it)| is_work(kind) && it.state == state)
    };
    let has_failed = |kind| of_kind(kind).any(|it| it.state == JobState::Failed);
    let reports = || of_kind("Report").filter(|it| it.state.is_terminal());
    let is_reported = reported_at.is_some() || reports().next().is_some();
    let failed = has_work(JobState::Failed) || has_work(JobState::Cancelled);
    let outcome = if has_failed("Start") {
        RunOutcome::Failed
    } else if failed && has_work(JobState::Succeeded) {
        RunOutcome::Partial
    } else if failed || own_state == JobState::Failed || has_failed("Report") {
        RunOutcome::Failed
    } else if is_reported {
        RunOutcome::Succeeded
    } else {
        RunOutcome::Running
    };
    let end = if is_reported {
        let by_its_own = reports().filter_map(|it| it.times[1]).max();
        let by_its_row = reports().map(|it| it.last_event_at).max();
        by_its_own.or(reported_at).or(by_its_row)
    } else {
        let failed = of_kind("Start").filter(|it| it.state == JobState::Failed);
        failed
            .map(|it| it.times[1].unwrap_or(it.last_event_at))
            .max()
    };
    (outcome, end)
}

fn activity(told: &[&Told<'_>]) -> FoldedActivity {
    let last = told.last().unwrap();
    let of = |one: &Told<'_>| match &one.what {
        What::Activity(_, it) => (*it).clone(),
        _ => panic!("no activity"),
    };
    let newest =
        |find: fn(&Activity) -> Option<Timestamp>| told.iter().rev().find_map(|one| find(&of(one)));
    let times = [
        newest(|it| it.times.started),
        newest(|it| it.times.finished),
    ];
    let job = told.iter().rev().find_map(|one| of(one).job);
    FoldedActivity {
        region: last.region.to_owned(),
        workflow: workflow(last),
        job: job.map(str::to_owned),
        state: last.state(),
        code: code(told, last.state()),
        times,
        duration_ms: duration(times[0], times[1]),
        conflict: endings(told, |state| state) > 1,
        last_event_at: last_event_at(told),
    }
}

fn workflow(one: &Told<'_>) -> Option<String> {
    match &one.what {
        What::Run(run) | What::Activity(run, _) => Some(run.workflow.to_owned()),
        What::Job(_) | What::Odd => None,
    }
}

/// The newest code among the events of the state that is shown.
fn code(told: &[&Told<'_>], state: JobState) -> Option<String> {
    let of_state = told.iter().rev().find(|one| one.state() == state)?;
    let code = match &of_state.what {
        What::Job(job) => job.code,
        What::Activity(_, it) => it.code,
        What::Run(_) | What::Odd => return None,
    };
    (state == JobState::Failed).then(|| code.to_owned())
}

/// Pushes, duplicates among them, that brought these events.
fn deliveries(told: &[&Told<'_>]) -> u64 {
    let by_row: BTreeMap<i64, u64> = told.iter().map(|one| (one.row, one.duplicates)).collect();
    by_row.into_values().map(|duplicates| 1 + duplicates).sum()
}

/// In how many ways it ended.
fn endings(told: &[&Told<'_>], same: fn(JobState) -> JobState) -> usize {
    let states = told.iter().map(|one| one.state());
    let ends = states.filter(|state| state.is_terminal());
    let ways: BTreeSet<_> = ends.map(|state| same(state).word()).collect();
    ways.len()
}

fn last_event_at(told: &[&Told<'_>]) -> Timestamp {
    told.iter().map(|one| one.at()).max().unwrap()
}

fn duration(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<i64> {
    let ms = to?.since_ms(from?);
    (ms >= 0).then_some(ms)
}

impl From<&JobRecord> for FoldedJob {
    fn from(job: &JobRecord) -> FoldedJob {
        FoldedJob {
            region: job.region.clone(),
            queue: job.queue.clone(),
            run: job.run.clone(),
            workflow: job.workflow.clone(),
            state: job.state,
            code: job.code.clone(),
            user_data: job.user_data.clone(),
            times: [job.submitted_at, job.started_at, job.finished_at],
            duration_ms: job.duration_ms,
            events: job.events,
            deliveries: job.deliveries,
            conflict: job.conflict,
            last_event_at: job.last_event_at,
        }
    }
}

impl From<&RunRecord> for FoldedRun {
    fn from(run: &RunRecord) -> FoldedRun {
        let activities = run.activities.iter().map(|it| {
            let node = (it.name.clone(), it.activity_type.clone());
            (node, FoldedActivity::from(it))
        });
        FoldedRun {
            region: run.region.clone(),
            workflow: run.workflow.id.clone(),
            outcome: run.outcome,
            times: [run.created_at, run.finished_at],
            duration_ms: run.duration_ms,
            events: run.events,
            deliveries: run.deliveries,
            conflict: run.conflict,
            last_event_at: run.last_event_at,
            activities: activities.collect(),
        }
    }
}

impl From<&ActivityRecord> for FoldedActivity {
    fn from(it: &ActivityRecord) -> FoldedActivity {
        FoldedActivity {
            region: it.region.clone(),
            workflow: it.workflow.id.clone(),
            job: it.job.clone(),
            state: it.state,
            code: it.code.clone(),
            times: [it.started_at, it.finished_at],
            duration_ms: it.duration_ms,
            conflict: it.conflict,
            last_event_at: it.last_event_at,
        }
    }
}
