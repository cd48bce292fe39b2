//! The events of a push as the model reads them: what each is about, when it happened, and where it
//! stands among the others.

use mpsink::clock::Timestamp;
use mpsink::notification::event::JobState;

use crate::model::pushes::{Activity, Job, Push, Run, Said};

/// One event, with what its delivery adds.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub(super) push: &'a Push,
    /// The delivery's row, and the event's place in it.
    pub(super) row: i64,
    pub(super) region: &'static str,
    /// The source's own queue.
    pub(super) source_queue: &'static str,
    /// How often the delivery came again.
    pub(super) duplicates: u64,
    pub(super) what: What<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum What<'a> {
    Job(&'a Job),
    Run(&'a Run),
    Activity(&'a Run, &'a Activity),
    Odd,
}

/// The events of a message, in their order.
pub(super) fn events(push: &Push) -> Vec<What<'_>> {
    match &push.fresh.said {
        Said::Odd(_) => vec![What::Odd],
        Said::Job(job) => vec![What::Job(job)],
        Said::Run(run) => {
            let mut activities: Vec<&Activity> = run.activities.iter().collect();
            activities.sort_by_key(|it| {
                let start = it.times.started;
                (start.is_none(), start, it.name, it.kind)
            });
            let activities = activities.into_iter().map(|it| What::Activity(run, it));
            [What::Run(run)].into_iter().chain(activities).collect()
        }
    }
}

impl Told<'_> {
    pub(super) fn owner(&self) -> &'static str {
        self.push.fresh.owner
    }

    pub(super) fn job(&self) -> Option<&'static str> {
        match &self.what {
            What::Job(job) => Some(job.id),
            What::Activity(_, activity) => activity.job,
            What::Run(_) | What::Odd => None,
        }
    }

    pub(super) fn run(&self) -> Option<&'static str> {
        match &self.what {
            What::Run(run) | What::Activity(run, _) => Some(run.id),
            What::Job(_) | What::Odd => None,
        }
    }

    pub(super) fn state(&self) -> JobState {
        match &self.what {
            What::Job(job) => job.state,
            What::Run(run) => run.state,
            What::Activity(_, activity) => activity.state,
            What::Odd => JobState::Unknown,
        }
    }

    /// Its own end, else when it was published.
    pub(super) fn at(&self) -> Timestamp {
        let own = match &self.what {
            What::Job(job) => job.times.finished,
            What::Run(run) => run.activities[0].times.finished,
            What::Activity(_, activity) => activity.times.finished,
            What::Odd => None,
        };
        own.unwrap_or_else(|| self.push.published_at())
    }

    /// Where it stands; of one delivery's events the sort keeps the order.
    pub(super) fn order(&self) -> (bool, Timestamp, Timestamp) {
        let is_end = self.state().is_terminal();
        (is_end, self.at(), self.push.published_at())
    }

    /// The queue by the highest rule, and which one that is.
    pub(super) fn queue(&self) -> (u8, Option<&'static str>) {
        let What::Job(job) = &self.what else {
            return (0, None);
        };
        match (job.pipeline, self.source_queue, self.push.fresh.topic) {
            (Some("p1"), _, _) => (4, Some("hd")),
            (Some(pipeline), _, _) => (4, Some(pipeline)),
            (None, "", "t1") => (2, Some("hd")),
            (None, "", topic) => (1, Some(topic)),
            (None, queue, _) => (3, Some(queue)),
        }
    }
}
