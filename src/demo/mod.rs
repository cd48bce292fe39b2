//! A made-up platform: what its queues and workflows would have published, to measure with and to
//! look at.
//!
//! [`Scenario::pushes`] gives the pushes in the order of their arrival, however many: in memory is only
//! what is under way. [`Scenario::living`] goes on after the scenario's end and mixes in what is not
//! let in (`living.rs`, `odd.rs`). The same scenario gives the same bytes, on every machine and with
//! every version of every crate (`dice.rs`); a change of the mix changes them, and with them every
//! measurement made before.
//!
//! It says only what real messages say. So there is no start, queue or object in a single job's
//! message, but for one queue whose submitter publishes `Submitted` messages (`jobs.rs`), and each
//! queue is known by its topic. Failures cluster (`trouble.rs`), days have a rhythm (`rhythm.rs`),
//! some runs never report, some pushes come twice, late, or in the wrong order, and now and then
//! somebody presses *publish a test message* in the console.
//!
//! Deliberately not here: anything that sends or stores. A made-up push goes into a database that is
//! marked as a test for ever, or nowhere: without a signature as `app::demo` does it, or signed with
//! the test key, which no other server trusts.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::demo::dice::Dice;
use crate::demo::jobs::Queue;
use crate::demo::living::Living;
use crate::demo::rhythm::{DAY_MS, MINUTE_MS, Rhythm};
use crate::demo::trouble::Troubles;
use crate::notification::Format;
use crate::push::PushContent;

pub mod living;
pub mod odd;

mod dice;
mod jobs;
mod rhythm;
mod runs;
mod shape;
mod trouble;
mod words;

/// The owner of all made-up topics: an account id that nobody has.
pub const OWNER: &str = "1234567890123456";

/// What somebody publishes from the console to see whether it works; no message of MPS.
pub const TEST_MESSAGE: &str = "Hello! 这是一条测试消息。";

/// The part of all single jobs and runs that are runs, in hundredths; they bring several jobs each.
const RUNS_PERCENT: u64 = 6;

/// The last minute, in which nothing new begins, so that what has been published has arrived.
const SETTLING_MINUTES: i64 = 1;

/// How much more finely than by job moments are dealt out.
const MOMENTS_A_JOB: u64 = 1_000;

/// Returns the ids of the made-up workflows. None of their runs takes two hours, if it ends at all.
pub fn workflow_ids() -> impl Iterator<Item = &'static str> {
    runs::workflow_ids()
}

/// What to make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// How many jobs the messages name, each counted once: single jobs, and activities of runs that
    /// have a job id, Start's own among them.
    pub jobs: u64,
    /// Over how many days; none counts as one.
    pub days: u32,
    pub seed: u64,
    /// When it ends; nothing is published or received later.
    pub ends_at: Timestamp,
}

/// One made-up push.
#[derive(Clone, Debug)]
pub struct MadeUp {
    pub content: PushContent,
    pub received_at: Timestamp,
}

impl Scenario {
    /// When it begins; nothing is published earlier.
    pub fn begins_at(&self) -> Timestamp {
        self.ends_at.plus_ms(-self.minutes() * MINUTE_MS)
    }

    fn minutes(&self) -> i64 {
        i64::from(self.days.max(1)) * (DAY_MS / MINUTE_MS)
    }

    /// Returns all pushes, in the order of their arrival.
    pub fn pushes(&self) -> Pushes {
        self.pushes_until(self.ends_at, None)
    }

    /// Returns the pushes of a platform that goes on after the scenario's end, without an end: what
    /// is under way by then is reported later, and about `jobs_a_minute` jobs and runs begin in each
    /// minute. Some pushes are not to be let in.
    pub fn living(&self, jobs_a_minute: u32) -> Living {
        let every_ms = MINUTE_MS / i64::from(jobs_a_minute.max(1));
        let pushes = self.pushes_until(Timestamp(i64::MAX), Some(every_ms.max(1)));
        Living::new(self.seed, pushes)
    }

    fn pushes_until(&self, ends_at: Timestamp, then_every_ms: Option<i64>) -> Pushes {
        let minutes = self.minutes();
        let begins_at = self.begins_at();
        Pushes {
            scenario: *self,
            dice: Dice::of(self.seed, 0),
            rhythm: Rhythm::new(begins_at, minutes - SETTLING_MINUTES),
            troubles: Troubles::new(self.seed, begins_at, self.ends_at),
            ends_at,
            then_every_ms,
            jobs_made: 0,
            made_until: begins_at,
            waiting: BTreeMap::new(),
            number: 0,
        }
    }
}

/// The pushes of a [`Scenario`].
pub struct Pushes {
    scenario: Scenario,
    dice: Dice,
    rhythm: Rhythm,
    troubles: Troubles,
    /// Nothing is published or received later.
    ends_at: Timestamp,
    /// The time between two jobs or runs after the scenario's own; `None` if there are none.
    then_every_ms: Option<i64>,
    jobs_made: u64,
    /// What is made from now on arrives later than this.
    made_until: Timestamp,
    /// Made and not yet arrived: by arrival, and by number among those of one moment.
    waiting: BTreeMap<(Timestamp, u64), PushContent>,
    number: u64,
}

impl Iterator for Pushes {
    type Item = MadeUp;

    fn next(&mut self) -> Option<MadeUp> {
        while self.has_more() {
            let first = self.waiting.first_key_value();
            if first.is_some_and(|((received_at, _), _)| *received_at <= self.made_until) {
                break;
            }
            self.make_next();
        }
        let ((received_at, _), content) = self.waiting.pop_first()?;
        Some(MadeUp {
            content,
            received_at,
        })
    }
}

impl Pushes {
    /// How many of the scenario's jobs have been made up so far.
    pub fn jobs_made(&self) -> u64 {
        self.jobs_made
    }

    /// How many jobs of the scenario are not made yet.
    fn jobs_left(&self) -> u64 {
        self.scenario.jobs.saturating_sub(self.jobs_made)
    }

    fn has_more(&self) -> bool {
        self.jobs_left() > 0 || self.then_every_ms.is_some()
    }

    /// Returns when the next job ends or run begins.
    fn next_moment(&mut self) -> Timestamp {
        match self.then_every_ms {
            Some(every_ms) if self.jobs_left() == 0 => {
                let last_at = self.made_until.max(self.scenario.ends_at);
                last_at.plus_ms(self.dice.between(every_ms / 2, every_ms + every_ms / 2))
            }
            _ => {
                let finely = |jobs: u64| u128::from(jobs) * u128::from(MOMENTS_A_JOB);
                let part = finely(self.jobs_made) + u128::from(self.dice.below(MOMENTS_A_JOB));
                self.rhythm.moment(part, finely(self.scenario.jobs))
            }
        }
    }

    /// Makes one job or run with all its pushes.
    fn make_next(&mut self) {
        let at = self.next_moment();
        self.made_until = at;
        if self.dice.chance(1, 600) {
            let test_message = vec![(at, TEST_MESSAGE.as_bytes().to_vec())];
            self.publish(runs::TOPIC, runs::FORMAT, test_message);
        }
        let left = self.jobs_left();
        // Beyond the scenario nobody counts.
        let has_room = left == 0 || left >= runs::RUN_JOBS_MAX;
        if has_room && self.dice.chance(RUNS_PERCENT, 100) {
            // What is reported up to then has also arrived by the end.
            let settled_at = self.ends_at.plus_ms(-SETTLING_MINUTES * MINUTE_MS);
            let run = runs::make(at, settled_at, &mut self.troubles, &mut self.dice);
            self.jobs_made += run.jobs;
            self.publish(runs::TOPIC, runs::FORMAT, run.messages);
        } else {
            let queue = Queue::draw(&mut self.dice);
            let failure = self.troubles.failure(queue.lane(), at, &mut self.dice);
            let messages = jobs::make(queue, at, failure, &mut self.dice);
            self.jobs_made += 1;
            self.publish(queue.topic(), queue.format(), messages);
        }
    }

    /// Has the messages of one job or run arrive, as far as there is time: mostly soon and in
    /// order, some again, and the first of some after the last.
    fn publish(&mut self, topic: &str, format: Format, messages: Vec<jobs::Published>) {
        let last_at = messages.last().map_or(Timestamp(0), |(at, _)| *at);
        let overtaken = messages.len() > 1 && self.dice.chance(1, 100);
        // Too late to be repeated: then nothing has been overtaken.
        let overtaken = overtaken && last_at.plus_ms(30_000) <= self.ends_at;
        for (at, (published_at, message)) in messages.into_iter().enumerate() {
            let content = PushContent {
                format,
                topic_owner: OWNER.to_owned(),
                topic: topic.to_owned(),
                message_id: self.dice.message_id(),
                tag: None,
                published_at,
                message,
            };
            let received_at = if overtaken && at == 0 {
                // Its first try failed, and SMQ came again.
                last_at.plus_ms(self.dice.between(1_000, 20_000))
            } else {
                published_at.plus_ms(self.dice.between(60, 400))
            };
            if self.dice.chance(1, 50) {
                let again_at = received_at.plus_ms(self.dice.between(10_000, 20_000));
                self.receive(again_at, content.clone());
            }
            self.receive(received_at, content);
        }
    }

    fn receive(&mut self, received_at: Timestamp, content: PushContent) {
        if received_at <= self.ends_at {
            self.number += 1;
            self.waiting.insert((received_at, self.number), content);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::demo::rhythm::HOUR_MS;
    use crate::envelope;
    use crate::mps;
    use crate::notification::event::{Event, JobEvent, RunPart};
    use crate::notification::{Admitted, Notification};

    const DAY: Scenario = Scenario {
        jobs: 4_000,
        days: 1,
        seed: 1,
        ends_at: Timestamp(1_714_982_400_000),
    };

    fn made() -> Vec<MadeUp> {
        DAY.pushes().collect()
    }

    fn events(push: &MadeUp) -> Vec<Event> {
        mps::events(&Admitted::vouch_for(Notification {
            format: push.content.format,
            topic_owner: None,
            topic: None,
            subscriber: None,
            subscription: None,
            message_id: None,
            message_md5: None,
            published_at: None,
            tag: None,
            message: push.content.message.clone(),
        }))
    }

    fn all_bytes(scenario: Scenario) -> Vec<(Timestamp, String, Timestamp, Vec<u8>)> {
        let pushes = scenario.pushes().map(|push| {
            let content = push.content;
            (
                push.received_at,
                content.message_id,
                content.published_at,
                content.message,
            )
        });
        pushes.collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_another_seed_others() {
        let first = all_bytes(DAY);
        assert!(first == all_bytes(DAY));
        let other = all_bytes(Scenario { seed: 2, ..DAY });
        let messages: HashSet<_> = first.iter().map(|(_, id, ..)| id).collect();
        assert!(other.iter().all(|(_, id, ..)| !messages.contains(id)));
    }

    #[test]
    fn the_demo_of_a_seed_has_not_changed() {
        // Whoever changes the mix on purpose takes the new digest; measurements before it are then
        // of another demo.
        let mut all = Vec::new();
        for (received_at, id, published_at, message) in all_bytes(DAY) {
            let line = format!("{received_at} {id} {published_at} ");
            all.extend(line.into_bytes());
            all.extend(message);
        }
        assert_eq!(
            envelope::message_md5(&all),
            "2C5B017ECDC568D55777A523D7B25A7C"
        );
    }

    #[test]
    fn the_messages_name_as_many_jobs_as_asked_for() {
        for jobs in [0, 1, 7, 8, 500, 4_000] {
            for seed in [1, 2] {
                let scenario = Scenario { jobs, seed, ..DAY };
                let mut pushes = scenario.pushes();
                let mut ids = HashSet::new();
                for event in pushes.by_ref().flat_map(|push| events(&push)) {
                    match event {
                        Event::Job(job) => drop(ids.insert(job.job_id)),
                        Event::Activity(activity) => ids.extend(activity.job_id),
                        Event::Run(_) | Event::Unrecognized(_) => {}
                    }
                }
                assert_eq!(ids.len() as u64, jobs);
                assert_eq!(pushes.jobs_made(), jobs);
            }
        }
    }

    #[test]
    fn pushes_come_in_order_within_the_time_and_after_they_are_published() {
        for days in [1, 9] {
            let scenario = Scenario { days, ..DAY };
            let begins_at = scenario.ends_at.plus_ms(-i64::from(days) * DAY_MS);
            let pushes: Vec<MadeUp> = scenario.pushes().collect();
            assert!(pushes.is_sorted_by_key(|push| push.received_at));
            for push in &pushes {
                assert!(push.content.published_at >= begins_at);
                assert!(push.received_at > push.content.published_at);
                assert!(push.received_at <= scenario.ends_at);
            }
        }
    }

    #[test]
    fn every_message_is_understood_but_those_published_from_the_console() {
        let mut tests = 0;
        for push in made() {
            let is_test = push.content.message == TEST_MESSAGE.as_bytes();
            let unrecognized = |event: &Event| matches!(event, Event::Unrecognized(_));
            assert_eq!(events(&push).iter().any(unrecognized), is_test);
            tests += u64::from(is_test);
        }
        assert!(tests > 0);
    }

    #[test]
    fn only_the_queue_whose_submitter_tells_has_starts_queues_and_objects() {
        let mut starts = 0;
        for push in made() {
            for event in events(&push) {
                let Event::Job(job) = event else { continue };
                if push.content.topic == Queue::Upload.topic()
                    && job.raw_state.as_deref() == Some("Submitted")
                {
                    assert!(job.pipeline_id.is_some() && job.submitted_at.is_some());
                    assert!(job.input.is_some_and(|input| input.object.is_some()));
                    starts += 1;
                } else {
                    let silent = JobEvent {
                        pipeline_id: None,
                        input: None,
                        submitted_at: None,
                        started_at: None,
                        finished_at: None,
                        ..job.clone()
                    };
                    assert_eq!(job, silent);
                }
            }
        }
        assert!(starts > 100);
    }

    #[test]
    fn the_mix_has_everything_that_is_promised() {
        let pushes = made();
        let distinct: HashSet<&str> = pushes
            .iter()
            .map(|push| push.content.message_id.as_str())
            .collect();
        let duplicates = pushes.len() - distinct.len();
        assert!(
            (30..80).contains(&(pushes.len() / duplicates)),
            "{duplicates}"
        );
        let topics: HashSet<&str> = pushes.iter().map(|p| p.content.topic.as_str()).collect();
        assert_eq!(topics.len(), 5);
        let formats: HashSet<Format> = pushes.iter().map(|p| p.content.format).collect();
        assert_eq!(formats.len(), 3);

        let all: Vec<Event> = pushes.iter().flat_map(events).collect();
        let mut types = HashSet::new();
        let mut states = HashSet::new();
        let mut workflows = HashSet::new();
        let (mut started, mut reported) = (Vec::new(), Vec::new());
        for event in &all {
            match event {
                Event::Job(job) => {
                    types.insert(job.job_type.clone().unwrap_or_default());
                    states.extend(job.raw_state.clone());
                }
                Event::Run(run) => {
                    workflows.extend(run.workflow_name.clone());
                    match run.part {
                        RunPart::Start => started.push(run),
                        RunPart::Progress | RunPart::Report => reported.push(&run.run_id),
                    }
                }
                Event::Activity(_) | Event::Unrecognized(_) => {}
            }
        }
        let expected = [
            "",
            "Analysis",
            "FpShot",
            "IProduction",
            "MediaCensor",
            "MediaInfo",
            "Snapshot",
            "Transcode",
            "smarttag",
        ];
        assert!(expected.iter().all(|one| types.contains(*one)), "{types:?}");
        assert!(states.contains("Processing") && states.contains("Fail"));
        assert_eq!(workflows.len(), 3);
        let long_ago = DAY.ends_at.plus_ms(-2 * HOUR_MS);
        let stuck = started.iter().filter(|run| {
            run.created_at.is_some_and(|at| at < long_ago) && !reported.contains(&&run.run_id)
        });
        assert!(stuck.count() > 0);
    }

    #[test]
    fn some_reports_arrive_before_their_start() {
        let ten_days = Scenario {
            jobs: 20_000,
            days: 10,
            ..DAY
        };
        let mut reported = HashSet::new();
        let mut seen = HashSet::new();
        let overtaken = ten_days.pushes().filter(|push| {
            // A Start that comes again after the Report was not overtaken.
            let is_new = seen.insert(push.content.message_id.clone());
            let Ok(message) = serde_json::from_slice::<Value>(&push.content.message) else {
                return false;
            };
            let run = message["RunId"].to_string();
            if message["Type"] == "Report" {
                reported.insert(run.clone());
            }
            is_new && message["Type"] == "Start" && reported.contains(&run)
        });
        assert!(overtaken.count() > 0);
    }
}
