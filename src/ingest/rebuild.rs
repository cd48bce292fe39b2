//! `mpsink rebuild`: what was kept is read again, and everything is folded again.
//!
//! After a better parser, messages that were not understood become jobs; after a change of
//! `[[queue]]`, history moves. It goes piece by piece through the same writer as the pushes, one
//! piece in its inbox at a time, so pushes go on and wait for one piece at most. It may be left at
//! any piece and begun again: each piece leaves rows that are what their events say.
//!
//! Deliveries that come in while it goes on are read by the same parser anyway, so both walks end at
//! what was there when they began.
//!
//! **Architecture invariant:** only what was admitted is read again, since only that is a delivery;
//! so this may vouch for it. A rebuild with the same program and configuration as before changes
//! nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::envelope;
use crate::ingest::Ingest;
use crate::mps;
use crate::notification::Admitted;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::errors::{ReadError, WriteError};
use crate::store::rebuild::{Changes, EntityChange, Extent, Fate, Fresh, KeptPush, Reread, Rules};
use crate::store::records::RowId;

/// How long a piece waits before it asks a full inbox or busy readers again: some commits' time.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often it asks. A store that has no room for a whole minute has other trouble, and the
/// rebuild can be begun again.
const TRIES_MAX: u32 = 600;

/// The most jobs that are remembered, so that one whose messages lie in several pieces is counted
/// once: about 32 MB. Beyond it such a job may be counted once a piece.
const REMEMBERED_MAX: usize = 1_000_000;

/// A rebuild that may begin: there is no other one.
pub struct Rebuild {
    store: Store,
    sources: Vec<Source>,
    /// Given back when this is dropped.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub step: Step,
    /// The number of the last row that is done.
    pub done: RowId,
    /// The number of the last row there is to do.
    pub last: RowId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Messages are read again.
    Messages,
    /// Runs are folded again, with their activities.
    Runs,
    /// Jobs are folded again.
    Jobs,
}

/// What differs from before; of a dry run, what would differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildReport {
    pub dry_run: bool,
    /// Deliveries whose message was read again.
    pub reread: u64,
    /// Deliveries whose message is not kept any more; their events stay.
    pub emptied: u64,
    /// Deliveries whose row says something else about envelope or message.
    pub deliveries_changed: u64,
    /// Messages that were not understood before and are now.
    pub recognized: u64,
    /// Messages that were understood before and are not any more.
    pub unrecognized: u64,
    pub events: Difference,
    /// Events of jobs that belong to another queue, or to the same by another rule.
    pub events_moved: u64,
    /// Runs, by themselves or by their activities.
    pub runs: Difference,
    pub jobs: Difference,
    /// Jobs, among the changed ones, that belong to another queue.
    pub jobs_moved: u64,
    /// Roll-ups, each of a minute or hour of a lane, that were not the sums of their rows.
    pub sums_corrected: u64,
    pub duration_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
}

/// Why a rebuild did not come to its end. What it did until then stays, and does no harm.
#[derive(Debug, Error)]
pub enum RebuildError {
    #[error("a rebuild or an import is under way already; wait for its end")]
    UnderWay,
    #[error("nobody is waiting for the rebuild any more")]
    Left,
    #[error("cannot read what was kept")]
    Read(#[from] ReadError),
    #[error("cannot write what was read")]
    Write(#[from] WriteError),
}

impl RebuildReport {
    /// Logs each number under its name.
    pub fn log(&self) {
        tracing::info!(
            what = "rebuild",
            dry_run = self.dry_run,
            reread = self.reread,
            emptied = self.emptied,
            deliveries_changed = self.deliveries_changed,
            recognized = self.recognized,
            unrecognized = self.unrecognized,
            events_added = self.events.added,
            events_changed = self.events.changed,
            events_removed = self.events.removed,
            events_moved = self.events_moved,
            runs_added = self.runs.added,
            runs_changed = self.runs.changed,
            runs_removed = self.runs.removed,
            jobs_added = self.jobs.added,
            jobs_changed = self.jobs.changed,
            jobs_removed = self.jobs.removed,
            jobs_moved = self.jobs_moved,
            sums_corrected = self.sums_corrected,
            duration_ms = self.duration_ms,
            "everything has been read and folded again"
        );
    }

    pub fn changes_nothing(&self) -> bool {
        let counts = [
            self.deliveries_changed,
            self.events_moved,
            self.sums_corrected,
            self.events.total(),
            self.runs.total(),
            self.jobs.total(),
        ];
        counts.iter().all(|count| *count == 0)
    }

    fn add(&mut self, changes: &Changes) {
        self.deliveries_changed += changes.deliveries_changed;
        self.recognized += changes.recognized;
        self.unrecognized += changes.unrecognized;
        self.events.added += changes.events_added;
        self.events.changed += changes.events_changed;
        self.events.removed += changes.events_removed;
        self.events_moved += changes.events_moved;
    }
}

impl Difference {
    fn total(self) -> u64 {
        self.added + self.changed + self.removed
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Added => self.added += 1,
            Fate::Changed => self.changed += 1,
            Fate::Removed => self.removed += 1,
        }
    }
}

impl Ingest {
    /// Takes the turn of the one rebuild that there may be at a time.
    pub fn begin_rebuild(&self) -> Result<Rebuild, RebuildError> {
        let turn = Arc::clone(&self.rebuilding).try_lock_owned();
        Ok(Rebuild {
            store: self.store.clone(),
            sources: self.doors.sources(),
            _turn: Some(turn.map_err(|_| RebuildError::UnderWay)?),
        })
    }
}

impl Rebuild {
    /// A rebuild of a store that no server serves; `sources` as they are configured now.
    pub fn alone(store: Store, sources: Vec<Source>) -> Rebuild {
        Rebuild {
            store,
            sources,
            _turn: None,
        }
    }

    /// Runs to the end. `progress` is told of each piece, and may break off behind it.
    pub async fn run(
        self,
        dry_run: bool,
        mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<RebuildReport, RebuildError> {
        let began = Instant::now();
        let extent = read_patiently(&self.store, Store::rebuild_extent).await?;
        let rules = Rules::new(&self.sources, dry_run);
        let mut report = RebuildReport {
            dry_run,
            ..RebuildReport::default()
        };
        let mut tallies = Tallies::default();
        self.read_messages(extent, &rules, &mut report, &mut tallies, &mut progress)
            .await?;
        self.fold_runs(extent, &rules, &mut tallies, &mut progress)
            .await?;
        self.fold_jobs(extent, &rules, &mut report, &mut tallies, &mut progress)
            .await?;
        report.sums_corrected = self.correct_sums(dry_run).await?;
        (report.runs, _) = tallies.runs.sums();
        (report.jobs, report.jobs_moved) = tallies.jobs.sums();
        report.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    async fn read_messages(
        &self,
        extent: Extent,
        rules: &Rules,
        report: &mut RebuildReport,
        tallies: &mut Tallies,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), RebuildError> {
        let mut done = 0;
        loop {
            let read = move |store: &Store| {
                let pushes = store.page_kept_pushes(done, extent.delivery)?;
                Ok(pushes.into_iter().map(read_again).collect::<Vec<_>>())
            };
            let piece = Arc::new(read_patiently(&self.store, read).await?);
            if piece.is_empty() {
                return Ok(());
            }
            let changes = patiently(async || {
                let (piece, rules) = (Arc::clone(&piece), rules.clone());
                self.store.reread(piece, rules).await
            });
            let changes = changes.await?;
            let Some(last) = changes.next else {
                return Ok(());
            };
            done = last;
            for reread in piece.iter().filter(|reread| reread.delivery <= last) {
                match reread.fresh {
                    Some(_) => report.reread += 1,
                    None => report.emptied += 1,
                }
            }
            report.add(&changes);
            for change in changes.runs {
                tallies.runs.remember(change);
            }
            for change in changes.jobs {
                tallies.jobs.remember(change);
            }
            tell(progress, Step::Messages, done, extent.delivery)?;
        }
    }

    async fn fold_runs(
        &self,
        extent: Extent,
        rules: &Rules,
        tallies: &mut Tallies,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), RebuildError> {
        let mut done = 0;
        loop {
            let changes = patiently(async || {
                let rules = rules.clone();
                self.store.refold_runs(done, extent.run, rules).await
            });
            let changes = changes.await?;
            for change in changes.runs {
                tallies.runs.count(change);
            }
            let Some(next) = changes.next else {
                return Ok(());
            };
            done = next;
            tell(progress, Step::Runs, done, extent.run)?;
        }
    }

    async fn fold_jobs(
        &self,
        extent: Extent,
        rules: &Rules,
        report: &mut RebuildReport,
        tallies: &mut Tallies,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), RebuildError> {
        let mut done = 0;
        loop {
            let changes = patiently(async || {
                let rules = rules.clone();
                self.store.refold_jobs(done, extent.job, rules).await
            });
            let changes = changes.await?;
            report.add(&changes);
            for change in changes.jobs {
                tallies.jobs.count(change);
            }
            let Some(next) = changes.next else {
                return Ok(());
            };
            done = next;
            tell(progress, Step::Jobs, done, extent.job)?;
        }
    }

    /// Sets right the roll-ups that are not the sums of their rows; returns how many were not.
    async fn correct_sums(&self, dry_run: bool) -> Result<u64, RebuildError> {
        let mut wrong = read_patiently(&self.store, Store::find_wrong_sums).await?;
        let buckets = wrong.buckets();
        while !dry_run && let Some(piece) = wrong.take_piece() {
            patiently(async || self.store.correct_sums(piece.clone()).await).await?;
        }
        Ok(buckets)
    }
}

/// Reads off the async threads, and waits while all readers are busy.
pub(super) async fn read_patiently<R: Send + 'static>(
    store: &Store,
    read: impl Fn(&Store) -> Result<R, ReadError> + Clone + Send + 'static,
) -> Result<R, ReadError> {
    let mut tries = 1;
    loop {
        let (store, read) = (store.clone(), read.clone());
        // The thread can only fail by a panic or at the server's end.
        match spawn_blocking(move || read(&store)).await {
            Ok(Err(ReadError::Busy)) if tries < TRIES_MAX => tries += 1,
            Ok(result) => return result,
            Err(_) => return Err(ReadError::Busy),
        }
        sleep(RETRY_AFTER).await;
    }
}

/// Writes a piece, and waits while pushes have filled the inbox: they go first.
pub(super) async fn patiently<R>(
    write: impl AsyncFn() -> Result<R, WriteError>,
) -> Result<R, WriteError> {
    let mut tries = 1;
    loop {
        match write().await {
            Err(WriteError::Busy) if tries < TRIES_MAX => tries += 1,
            result => return result,
        }
        sleep(RETRY_AFTER).await;
    }
}

fn tell(
    progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    step: Step,
    done: RowId,
    last: RowId,
) -> Result<(), RebuildError> {
    match progress(&Progress { step, done, last }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(RebuildError::Left),
    }
}

/// Reads a stored push as if it had just been let in.
fn read_again(push: KeptPush) -> Reread {
    let fresh = push.delivery.map(|delivery| {
        let notification = envelope::parse(&delivery);
        let md5_mismatch = envelope::md5_mismatch(&notification);
        let notification = Admitted::vouch_for(notification);
        Fresh {
            events: mps::events(&notification),
            notification,
            md5_mismatch,
        }
    });
    Reread {
        delivery: push.id,
        fresh,
    }
}

/// What became of all of them.
#[derive(Default)]
struct Tallies {
    runs: Tally,
    jobs: Tally,
}

/// Counts what became of each run or each job, over all pieces.
#[derive(Default)]
struct Tally {
    /// What the first walk changed: the second may come to the same jobs.
    remembered: HashMap<u64, Remembered>,
    others: Difference,
    others_moved: u64,
}

struct Remembered {
    fate: Option<Fate>,
    is_moved: bool,
}

impl Tally {
    /// Counts a change to a job that may come again.
    fn remember(&mut self, change: EntityChange) {
        let is_full = self.remembered.len() >= REMEMBERED_MAX;
        if !is_full && !self.remembered.contains_key(&change.entity) {
            let first = Remembered {
                fate: Some(change.fate),
                is_moved: change.is_moved,
            };
            self.remembered.insert(change.entity, first);
        } else {
            self.count(change);
        }
    }

    /// Counts a change to a job that does not come again in this walk.
    fn count(&mut self, change: EntityChange) {
        if let Some(known) = self.remembered.get_mut(&change.entity) {
            known.fate = both(known.fate, change.fate);
            known.is_moved |= change.is_moved;
        } else {
            self.others.count(change.fate);
            self.others_moved += u64::from(change.is_moved);
        }
    }

    fn sums(&self) -> (Difference, u64) {
        let (mut difference, mut moved) = (self.others, self.others_moved);
        for known in self.remembered.values() {
            if let Some(fate) = known.fate {
                difference.count(fate);
                moved += u64::from(known.is_moved && fate == Fate::Changed);
            }
        }
        (difference, moved)
    }
}

/// What two changes after each other are together; `None` if nothing.
fn both(first: Option<Fate>, second: Fate) -> Option<Fate> {
    match (first, second) {
        (None, fate) => Some(fate),
        (Some(Fate::Added), Fate::Added | Fate::Changed) => Some(Fate::Added),
        (Some(Fate::Added), Fate::Removed) => None,
        (Some(_), Fate::Removed) => Some(Fate::Removed),
        (Some(Fate::Changed | Fate::Removed), Fate::Added | Fate::Changed) => Some(Fate::Changed),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;
    use tokio::runtime::{Builder, Runtime};

    use crate::clock::{Clock, Timestamp};
    use crate::metrics::Metrics;
    use crate::notification::delivery::{Delivery, Headers};
    use crate::notification::event::{Event, JobEvent, JobState, Unrecognized};
    use crate::signature::{Verifier, VerifierOptions};
    use crate::store::disk;
    use crate::store::filters::JobFilter;
    use crate::store::options::{Purpose, QueueRule, SourceRule, StoreOptions};
    use crate::store::records::{JobRecord, Page};
    use crate::store::{Arrival, OwnerRule};

    use super::*;

    const NOON: Timestamp = Timestamp(1_714_982_400_000);

    struct Test {
        store: Store,
        sources: Vec<Source>,
        folder: TempDir,
        runtime: Runtime,
    }

    fn open(path: PathBuf, queues: Vec<QueueRule>) -> (Store, Vec<Source>) {
        let options = StoreOptions {
            path,
            purpose: Purpose::Record,
            inbox_commands_max: 512,
            inbox_bytes_max: 8 * 1024 * 1024,
            held_bytes_max: 1024 * 1024,
            answer_within: Duration::from_secs(60),
            queues,
            workflows: Vec::new(),
            clock: Clock::standing_at(NOON),
            metrics: Metrics::new(),
            free_disk: disk::free,
        };
        let (store, _) = Store::open(options).unwrap();
        let rule = SourceRule {
            name: "default".to_owned(),
            ..SourceRule::default()
        };
        let sources = store.register_sources(vec![rule]).unwrap();
        (store, sources)
    }

    fn queue(name: &str, topic: &str) -> QueueRule {
        QueueRule {
            name: name.to_owned(),
            topics: vec![topic.to_owned()],
            region: String::new(),
            pipeline_id: String::new(),
        }
    }

    impl Test {
        fn start() -> Test {
            let folder = tempfile::tempdir().unwrap();
            let (store, sources) = open(folder.path().join("mpsink.db"), Vec::new());
            Test {
                store,
                sources,
                folder,
                runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            }
        }

        /// Closes and opens again with another `[[queue]]` table.
        fn reopen(&mut self, queues: Vec<QueueRule>) {
            self.store.close();
            (self.store, self.sources) = open(self.folder.path().join("mpsink.db"), queues);
        }

        /// A push of the job's end, with what a parser read from it.
        fn arrival(&self, job: &str, read: impl FnOnce(Vec<Event>) -> Vec<Event>) -> Arrival {
            let message = format!(r#"{{"jobId":"{job}","type":"Transcode","state":"Success"}}"#);
            self.arrival_of(job, message, read)
        }

        fn arrival_of(
            &self,
            id: &str,
            message: String,
            read: impl FnOnce(Vec<Event>) -> Vec<Event>,
        ) -> Arrival {
            let mut headers = Headers::default();
            headers.add("x-mns-topic-owner", "1001");
            headers.add("x-mns-topic-name", "t");
            headers.add("x-mns-message-id", format!("m-{id}"));
            let delivery = Delivery {
                source: self.sources[0].id,
                target: "/n".to_owned(),
                headers,
                body: message.into_bytes(),
                received_at: NOON,
            };
            let notification = Admitted::vouch_for(envelope::parse(&delivery));
            assert_eq!(notification.topic.as_deref(), Some("t"));
            Arrival {
                events: read(mps::events(&notification)),
                delivery,
                notification,
                region: String::new(),
                queue: String::new(),
                md5_mismatch: false,
                owner: OwnerRule::Checked,
                from_held: None,
            }
        }

        fn append(&self, arrival: Arrival) {
            self.runtime.block_on(self.store.append(arrival)).unwrap();
        }

        fn begin(&self) -> Rebuild {
            Rebuild::alone(self.store.clone(), self.sources.clone())
        }

        fn rebuild(&self, dry_run: bool) -> RebuildReport {
            let run = self.begin().run(dry_run, |_| ControlFlow::Continue(()));
            let report = self.runtime.block_on(run).unwrap();
            RebuildReport {
                duration_ms: 0,
                ..report
            }
        }

        /// How many were not understood, of each hour in which something came.
        fn unrecognized_by_hour(&self) -> Vec<u64> {
            let now = NOON.plus_ms(3_600_000);
            let hours = self.store.completeness(now, NOON).unwrap().hours;
            hours.iter().map(|hour| hour.counts.unrecognized).collect()
        }

        fn jobs(&self) -> Vec<JobRecord> {
            let page = Page::first(1_000);
            let listing = self.store.page_jobs(&JobFilter::default(), page).unwrap();
            assert_eq!(listing.next, None);
            listing.items
        }
    }

    fn understood(events: Vec<Event>) -> Vec<Event> {
        events
    }

    /// What an old parser made of it.
    fn not_understood(_: Vec<Event>) -> Vec<Event> {
        vec![Event::Unrecognized(Unrecognized {
            reason: "never heard of it".to_owned(),
        })]
    }

    fn as_another_job(_: Vec<Event>) -> Vec<Event> {
        let job = JobEvent {
            job_id: "misread".to_owned(),
            state: JobState::Failed,
            ..JobEvent::default()
        };
        vec![Event::Job(job.clone()), Event::Job(job)]
    }

    #[test]
    fn what_the_same_program_has_stored_does_not_change() {
        let test = Test::start();
        for at in 0..250 {
            test.append(test.arrival(&format!("j{at}"), understood));
        }
        test.append(test.arrival("j0", understood));
        let before = test.jobs();
        for dry_run in [true, false] {
            let report = test.rebuild(dry_run);
            assert!(report.changes_nothing(), "{report:?}");
            assert_eq!((report.reread, report.emptied), (250, 0));
            assert_eq!(test.jobs(), before);
        }
    }

    #[test]
    fn a_message_that_was_not_understood_becomes_a_job_once() {
        let test = Test::start();
        test.append(test.arrival("a", understood));
        test.append(test.arrival("b", not_understood));
        let expected = RebuildReport {
            dry_run: true,
            reread: 2,
            deliveries_changed: 1,
            recognized: 1,
            events: Difference {
                changed: 1,
                ..Difference::default()
            },
            jobs: Difference {
                added: 1,
                ..Difference::default()
            },
            ..RebuildReport::default()
        };
        assert_eq!(test.unrecognized_by_hour(), [1]);
        assert_eq!(test.rebuild(true), expected);
        assert_eq!(test.jobs().len(), 1, "a dry run writes nothing");
        assert_eq!(test.unrecognized_by_hour(), [1]);
        assert_eq!(test.rebuild(true), expected);

        let done = RebuildReport {
            dry_run: false,
            ..expected
        };
        assert_eq!(test.rebuild(false), done);
        let job = test.jobs().into_iter().find(|job| job.id == "b").unwrap();
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!((job.events, job.deliveries), (1, 1));
        let delivery = test.store.find_delivery(2).unwrap().unwrap();
        assert_eq!(delivery.delivery.unrecognized, None);
        assert_eq!(delivery.events.len(), 1);
        assert_eq!(
            test.unrecognized_by_hour(),
            [0],
            "was counted as what it is now"
        );

        assert!(test.rebuild(false).changes_nothing());
    }

    #[test]
    fn a_run_that_was_not_understood_comes_with_its_activities_and_their_jobs() {
        let test = Test::start();
        let message = r#"{"RunId":"r1","Name":"act-report","Type":"Report","State":"Success",
            "MediaWorkflowExecution":{"RunId":"r1","MediaWorkflowId":"w1","Name":"wf",
            "State":"Completed","ActivityList":[
            {"Name":"a","Type":"Transcode","JobId":"j1","State":"Success"},
            {"Name":"b","Type":"Transcode","JobId":"j2","State":"Fail"}]}}"#;
        test.append(test.arrival_of("m", message.to_owned(), not_understood));
        let dry = test.rebuild(true);
        let report = test.rebuild(false);
        assert_eq!((report.runs.added, report.jobs.added), (1, 2), "{report:?}");
        assert_eq!(
            (dry.runs, dry.jobs, dry.events),
            (report.runs, report.jobs, report.events)
        );
        let mut ids: Vec<_> = test.jobs().into_iter().map(|job| job.id).collect();
        ids.sort();
        assert_eq!(ids, ["j1", "j2"]);
        assert!(test.rebuild(false).changes_nothing());
    }

    #[test]
    fn a_job_that_was_only_misread_goes_and_its_events_with_it() {
        let test = Test::start();
        test.append(test.arrival("a", as_another_job));
        let report = test.rebuild(false);
        let one_each = Difference {
            added: 1,
            changed: 0,
            removed: 1,
        };
        assert_eq!(report.jobs, one_each);
        assert_eq!((report.events.changed, report.events.removed), (1, 1));
        let jobs = test.jobs();
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].id, "a");
        assert!(test.rebuild(true).changes_nothing());
    }

    #[test]
    fn a_changed_table_of_queues_moves_history() {
        let mut test = Test::start();
        test.append(test.arrival("a", understood));
        test.append(test.arrival("b", understood));
        test.reopen(vec![queue("hd", "t")]);
        let queues = |test: &Test| {
            let jobs = test.jobs();
            let queues = jobs.into_iter().map(|job| job.queue.unwrap());
            queues.collect::<Vec<_>>()
        };

        let dry = test.rebuild(true);
        assert_eq!((dry.jobs.changed, dry.jobs_moved), (2, 2));
        assert_eq!(queues(&test), ["t", "t"]);

        let done = test.rebuild(false);
        assert_eq!((done.jobs_moved, done.events_moved), (2, 2));
        assert_eq!(done.events, Difference::default());
        assert_eq!(queues(&test), ["hd", "hd"]);
        assert!(test.rebuild(true).changes_nothing());
    }

    #[test]
    fn a_queue_given_to_the_source_moves_its_history_and_a_source_that_is_gone_keeps_it() {
        let mut test = Test::start();
        test.append(test.arrival("a", understood));
        test.append(test.arrival("b", not_understood));
        test.sources[0].queue = "of-source".to_owned();
        test.rebuild(false);
        let in_it = |test: &Test| {
            let jobs = test.jobs();
            jobs.iter()
                .filter(|job| job.queue.as_deref() == Some("of-source"))
                .count()
        };
        assert_eq!(in_it(&test), 2);
        test.sources.clear();
        assert!(test.rebuild(false).changes_nothing());
        assert_eq!(in_it(&test), 2);
    }

    #[test]
    fn pushes_that_come_meanwhile_are_there_once() {
        let test = Test::start();
        for at in 0..150 {
            test.append(test.arrival(&format!("old{at}"), not_understood));
        }
        let mut pieces = 0;
        let rebuild = test.begin().run(false, |_| {
            pieces += 1;
            ControlFlow::Continue(())
        });
        let pushes = async {
            for at in 0..100 {
                let arrival = test.arrival(&format!("new{at}"), understood);
                test.store.append(arrival).await.unwrap();
                let again = test.arrival("old7", understood);
                test.store.append(again).await.unwrap();
            }
        };
        let (report, ()) = test
            .runtime
            .block_on(async { tokio::join!(rebuild, pushes) });
        assert_eq!(report.unwrap().recognized, 150);
        assert!(pieces >= 2, "{pieces}");
        let jobs = test.jobs();
        assert_eq!(jobs.len(), 250);
        assert!(jobs.iter().all(|job| job.events == 1));
        let repeated = jobs.iter().find(|job| job.id == "old7").unwrap();
        assert_eq!(repeated.deliveries, 101);
        assert!(test.rebuild(false).changes_nothing());
    }

    #[test]
    fn a_rebuild_that_nobody_waits_for_stops_behind_its_piece() {
        let test = Test::start();
        for at in 0..150 {
            test.append(test.arrival(&format!("j{at}"), not_understood));
        }
        let run = test.begin().run(false, |_| ControlFlow::Break(()));
        let error = test.runtime.block_on(run).unwrap_err();
        assert!(matches!(error, RebuildError::Left), "{error:?}");
        assert_eq!(test.jobs().len(), 100);
        assert_eq!(test.rebuild(false).recognized, 50);
    }

    #[test]
    fn there_is_one_rebuild_at_a_time() {
        let test = Test::start();
        let clock = Clock::standing_at(NOON);
        let verifier = Verifier::new(VerifierOptions::new(clock.clone())).unwrap();
        let ingest = Ingest::new(test.store.clone(), verifier, &test.sources, clock).unwrap();
        let first = ingest.begin_rebuild().unwrap();
        assert_eq!(first.sources, test.sources);
        assert!(matches!(
            ingest.begin_rebuild(),
            Err(RebuildError::UnderWay)
        ));
        drop(first);
        assert!(ingest.begin_rebuild().is_ok());
    }

    #[test]
    fn a_job_of_several_pieces_is_counted_once() {
        let change = |fate, is_moved| EntityChange {
            entity: 7,
            fate,
            is_moved,
        };
        let cases = [
            (Fate::Added, Fate::Changed, (1, 0, 0)),
            (Fate::Added, Fate::Removed, (0, 0, 0)),
            (Fate::Changed, Fate::Changed, (0, 1, 0)),
            (Fate::Changed, Fate::Removed, (0, 0, 1)),
            (Fate::Removed, Fate::Added, (0, 1, 0)),
        ];
        for (first, second, (added, changed, removed)) in cases {
            let mut tally = Tally::default();
            tally.remember(change(first, false));
            tally.count(change(second, true));
            let (difference, moved) = tally.sums();
            let expected = Difference {
                added,
                changed,
                removed,
            };
            assert_eq!(difference, expected, "{first:?} {second:?}");
            assert_eq!(moved, changed, "{first:?} {second:?}");
        }
    }
}
