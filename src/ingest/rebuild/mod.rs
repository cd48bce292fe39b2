//! `mpsink rebuild`: what was kept is read again, and everything is folded again.
//!
//! After a better parser, messages that were not understood become jobs; after a change of
//! `[[queue]]`, history moves. Nearly all rows are what they are to be, which reading alone shows: a
//! walk looks at one stretch of rows after the other, and only where something is wrong in a stretch
//! the writer has to do with it. So what changes nothing writes nothing.
//!
//! What is wrong goes piece by piece through the same writer as the pushes, one piece in its inbox at
//! a time, so pushes go on and wait for one piece at most. It may be left at any piece and begun
//! again: each piece leaves rows that are what their events say.
//!
//! Where no server runs, several stretches are looked at side by side (`looks.rs`); beside a server it
//! is one, which rests while pushes wait (`rests.rs`). All readings are short but the last, which compares
//! the roll-ups (`Store::find_wrong_sums`), so that the log can be emptied meanwhile.
//!
//! Deliveries that come in while it goes on are read by the same parser anyway, so both walks end at
//! what was there when they began.
//!
//! **Architecture invariant:** only what was admitted is read again, since only that is a delivery;
//! so this may vouch for it. A rebuild with the same program and configuration as before changes
//! nothing.

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
use crate::ingest::rebuild::looks::{Looks, parts};
use crate::ingest::rebuild::report::{RebuildReport, Tallies};
use crate::ingest::rests::Rests;
use crate::mps;
use crate::notification::Admitted;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::errors::{ReadError, WriteError};
use crate::store::rebuild::entries::Entries;
use crate::store::rebuild::{Extent, Fresh, KeptPush, Look, Reread, Rules, Stretch};
use crate::store::records::RowId;

pub mod report;

mod looks;

/// How long a piece waits before it asks a full inbox or busy readers again: some commits' time.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often it asks. A store that has no room for a whole minute has other trouble, and the
/// rebuild can be begun again.
const TRIES_MAX: u32 = 600;

/// Stretches that are looked at side by side where no server runs. On two processors a third gave a
/// quarter more: they are taken in their order, and two alone wait for each other.
const LOOKS_ALONE: usize = 3;

/// The same beside a server: pushes want the other processors, and pages the other readers.
const LOOKS_BESIDE_SERVER: usize = 1;

/// Rows that are looked at in one snapshot: some ten milliseconds of reading.
const LOOK_DELIVERIES: RowId = 400;
const LOOK_RUNS: RowId = 100;
const LOOK_JOBS: RowId = 500;

/// A rebuild that may begin: there is no other one.
pub struct Rebuild {
    store: Store,
    sources: Vec<Source>,
    /// How many stretches are looked at side by side.
    looks_at_once: usize,
    rests: Rests,
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

impl Ingest {
    /// Takes the turn of the one rebuild that there may be at a time.
    pub fn begin_rebuild(&self) -> Result<Rebuild, RebuildError> {
        let turn = Arc::clone(&self.rebuilding).try_lock_owned();
        Ok(Rebuild {
            store: self.store.clone(),
            sources: self.doors.sources(),
            looks_at_once: LOOKS_BESIDE_SERVER,
            rests: self.rests.clone(),
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
            looks_at_once: LOOKS_ALONE,
            rests: Rests::default(),
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
        let all = Stretch {
            after: 0,
            last: extent.delivery,
        };
        let read = |push: KeptPush| read_again(push).fresh;
        let mut looks = self.looks(all, LOOK_DELIVERIES, move |store: &Store, stretch| {
            store.look_at_deliveries(stretch, read)
        });
        while let Some((stretch, look)) = looks.next().await? {
            report.reread += look.kept;
            report.emptied += look.emptied;
            let mut wrong = look.wrong;
            while let Some(Stretch { after, last }) = wrong {
                let read = move |store: &Store| {
                    let pushes = store.page_kept_pushes(after, last)?;
                    Ok(pushes.into_iter().map(read_again).collect::<Vec<_>>())
                };
                let piece = Arc::new(read_patiently(&self.store, read).await?);
                let changes = patiently(async || {
                    let (piece, rules) = (Arc::clone(&piece), rules.clone());
                    self.store.reread(piece, rules).await
                });
                let changes = changes.await?;
                report.add(&changes);
                for change in changes.runs {
                    tallies.runs.remember(change);
                }
                for change in changes.jobs {
                    tallies.jobs.remember(change);
                }
                wrong = changes.next.map(|after| Stretch { after, last });
                tell_of(progress, Step::Messages, changes.next, extent.delivery)?;
            }
            tell(progress, Step::Messages, stretch.last, extent.delivery)?;
        }
        Ok(())
    }

    async fn fold_runs(
        &self,
        extent: Extent,
        rules: &Rules,
        tallies: &mut Tallies,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), RebuildError> {
        for part in parts(extent.run) {
            let read = move |store: &Store| store.read_entries_of_runs(part);
            let entries = self.entries(rules, read).await?;
            let mut looks = self.looks(part, LOOK_RUNS, move |store: &Store, stretch| {
                store.look_at_runs(stretch, entries.as_deref())
            });
            while let Some((stretch, look)) = looks.next().await? {
                let mut wrong = look.wrong;
                while let Some(Stretch { after, last }) = wrong {
                    let changes = patiently(async || {
                        let rules = rules.rewriting_words(look.has_wrong_words);
                        self.store.refold_runs(after, last, rules).await
                    });
                    let changes = changes.await?;
                    for change in changes.runs {
                        tallies.runs.count(change);
                    }
                    wrong = changes.next.map(|after| Stretch { after, last });
                    tell_of(progress, Step::Runs, changes.next, extent.run)?;
                }
                tell(progress, Step::Runs, stretch.last, extent.run)?;
            }
        }
        Ok(())
    }

    async fn fold_jobs(
        &self,
        extent: Extent,
        rules: &Rules,
        report: &mut RebuildReport,
        tallies: &mut Tallies,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), RebuildError> {
        for part in parts(extent.job) {
            let read = move |store: &Store| store.read_entries_of_jobs(part);
            let entries = self.entries(rules, read).await?;
            let known = rules.clone();
            let mut looks = self.looks(part, LOOK_JOBS, move |store: &Store, stretch| {
                store.look_at_jobs(stretch, &known, entries.as_deref())
            });
            while let Some((stretch, look)) = looks.next().await? {
                let mut wrong = look.wrong;
                while let Some(Stretch { after, last }) = wrong {
                    let changes = patiently(async || {
                        let rules = rules.rewriting_words(look.has_wrong_words);
                        self.store.refold_jobs(after, last, rules).await
                    });
                    let changes = changes.await?;
                    report.add(&changes);
                    for change in changes.jobs {
                        tallies.jobs.count(change);
                    }
                    wrong = changes.next.map(|after| Stretch { after, last });
                    tell_of(progress, Step::Jobs, changes.next, extent.job)?;
                }
                tell(progress, Step::Jobs, stretch.last, extent.job)?;
            }
        }
        Ok(())
    }

    /// Reads what rows are found by, but for a dry run.
    async fn entries(
        &self,
        rules: &Rules,
        read: impl Fn(&Store) -> Result<Entries, ReadError> + Clone + Send + 'static,
    ) -> Result<Option<Arc<Entries>>, ReadError> {
        if rules.dry_run {
            return Ok(None);
        }
        let entries = read_patiently(&self.store, read).await?;
        Ok(Some(Arc::new(entries)))
    }

    fn looks<L>(&self, all: Stretch, rows: RowId, look: L) -> Looks<L>
    where
        L: Fn(&Store, Stretch) -> Result<Look, ReadError> + Clone + Send + 'static,
    {
        let (store, rests) = (self.store.clone(), self.rests.clone());
        Looks::new(store, all, rows, self.looks_at_once, rests, look)
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

/// Tells how far a piece got that the writer did; nothing if there was nothing left of it.
fn tell_of(
    progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    step: Step,
    done: Option<RowId>,
    last: RowId,
) -> Result<(), RebuildError> {
    done.map_or(Ok(()), |done| tell(progress, step, done, last))
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

    use crate::ingest::rebuild::report::Difference;

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
}
