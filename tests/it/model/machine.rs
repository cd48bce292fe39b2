//! The real thing: a database in a folder of its own, driven through ingest, and asked through the
//! reading verbs that pages and exports use.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mpsink::clock::{Clock, Timestamp};
use mpsink::ingest::decide::DecideError;
use mpsink::ingest::prune::{PruneOrder, PruneReport};
use mpsink::ingest::rebuild::report::RebuildReport;
use mpsink::ingest::{Ingest, Outcome};
use mpsink::metrics::Metrics;
use mpsink::notification::reason::HoldReason;
use mpsink::notification::source::Source;
use mpsink::signature::{Verifier, VerifierOptions};
use mpsink::store::filters::{DeliveryFilter, EventFilter, HeldFilter, JobFilter, RunFilter};
use mpsink::store::options::{Purpose, QueueRule, SourceRule, StoreOptions};
use mpsink::store::records::{Page, RollUpSpan};
use mpsink::store::retention::kept::Retention;
use mpsink::store::{NewHeld, Store, disk};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::model::expected::{SOURCES, Seen, SeenDelivery};
use crate::model::folded::Folded;
use crate::model::pushes::{DAY_MS, Push};

const ALL: Page = Page::first(1_000);

pub(super) struct Machine {
    store: Store,
    sources: Vec<Source>,
    ingest: Arc<Ingest>,
    clock: Clock,
    runtime: Runtime,
    folder: TempDir,
}

impl Machine {
    pub(super) fn start(now: Timestamp) -> Machine {
        Machine::open(tempfile::tempdir().unwrap(), Clock::standing_at(now))
    }

    fn open(folder: TempDir, clock: Clock) -> Machine {
        let options = StoreOptions {
            path: database(folder.path()),
            purpose: Purpose::Try,
            inbox_commands_max: 64,
            inbox_bytes_max: 1024 * 1024,
            held_bytes_max: 1024 * 1024,
            answer_within: Duration::from_secs(60),
            queues: vec![QueueRule {
                name: "hd".to_owned(),
                topics: vec!["t1".to_owned()],
                region: String::new(),
                pipeline_id: "p1".to_owned(),
            }],
            workflows: Vec::new(),
            clock: clock.clone(),
            metrics: Metrics::new(),
            free_disk: disk::free,
        };
        let store = Store::open(options).unwrap().0;
        let rules = SOURCES.map(|(name, region, queue)| SourceRule {
            name: name.to_owned(),
            region: region.to_owned(),
            queue: queue.to_owned(),
            ..SourceRule::default()
        });
        let sources = store.register_sources(rules.to_vec()).unwrap();
        let verifier = Verifier::new(VerifierOptions::new(clock.clone())).unwrap();
        let ingest = Ingest::new(store.clone(), verifier, &sources, clock.clone()).unwrap();
        Machine {
            ingest: Arc::new(ingest),
            store,
            sources,
            clock,
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            folder,
        }
    }

    pub(super) fn set_clock(&self, now: Timestamp) {
        self.clock.set(now);
    }

    /// Ends the writer in order, and opens the database again.
    pub(super) fn reopen(self) -> Machine {
        self.store.close();
        let Machine {
            store,
            ingest,
            clock,
            folder,
            sources,
            ..
        } = self;
        drop((store, ingest));
        let again = Machine::open(folder, clock);
        assert_eq!(again.sources, sources, "a source has another path");
        again
    }

    /// Goes on with what is on disk now, as after a loss of power; the last `cut` bytes of the log
    /// have not got there.
    pub(super) fn crash(self, cut: u64) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (database(self.folder.path()), database(folder.path()));
        fs::copy(&from, &to).unwrap();
        let log = log_of(&to);
        fs::copy(log_of(&from), &log).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
        file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        let again = Machine::open(folder, self.clock.clone());
        assert_eq!(again.sources, self.sources, "a source has another path");
        let conn = Connection::open(&to).unwrap();
        let check: String = conn
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        again
    }

    /// Returns how long the log is.
    pub(super) fn log_bytes(&self) -> u64 {
        let log = log_of(&database(self.folder.path()));
        fs::metadata(log).map_or(0, |found| found.len())
    }

    /// Puts all of them into the inbox, and waits for what became of each.
    pub(super) fn take(&self, pushes: &[Push]) -> Vec<Outcome> {
        self.runtime.block_on(async {
            let tasks: Vec<_> = pushes
                .iter()
                .map(|push| {
                    let delivery = push.delivery(&self.sources);
                    let ingest = Arc::clone(&self.ingest);
                    tokio::spawn(async move { ingest.take_made_up(delivery).await })
                })
                .collect();
            let mut outcomes = Vec::new();
            for task in tasks {
                outcomes.push(task.await.unwrap().unwrap());
            }
            outcomes
        })
    }

    /// Holds a push; each time under a signature that no other has.
    pub(super) fn hold(&self, push: &Push, signature: usize) -> i64 {
        let held = NewHeld {
            delivery: push.delivery(&self.sources),
            signature: signature.to_be_bytes().to_vec(),
            reason: HoldReason::Owner,
            owner: Some(push.fresh.owner.to_owned()),
            topic: Some(push.fresh.topic.to_owned()),
            message_id: Some(push.message_id()),
            explanation: "{}".to_owned(),
        };
        self.runtime.block_on(self.store.hold(held)).unwrap()
    }

    pub(super) fn admit(&self, held: i64) -> Result<Outcome, DecideError> {
        self.runtime.block_on(self.ingest.admit(held))
    }

    pub(super) fn drop_held(&self, held: i64) -> Result<(), DecideError> {
        self.runtime.block_on(self.ingest.drop_held(held))
    }

    pub(super) fn prune(&self, retention: Retention, dry_run: bool) -> PruneReport {
        let order = PruneOrder {
            retention,
            dry_run,
            is_by_itself: false,
        };
        let run = async {
            let prune = self.ingest.begin_prune().await;
            prune.run(order, |_| ControlFlow::Continue(())).await
        };
        self.runtime.block_on(run).unwrap()
    }

    pub(super) fn rebuild(&self, dry_run: bool) -> RebuildReport {
        let rebuild = self.ingest.begin_rebuild().unwrap();
        let run = rebuild.run(dry_run, |_| ControlFlow::Continue(()));
        self.runtime.block_on(run).unwrap()
    }

    /// Returns what the store says.
    pub(super) fn seen(&self) -> Seen {
        let store = &self.store;
        let now = self.clock.now();
        let deliveries = store.page_deliveries(&DeliveryFilter::default(), ALL);
        let events = store.page_events(&EventFilter::default(), ALL);
        let jobs = store.page_jobs(&JobFilter::default(), ALL).unwrap().items;
        let runs = store.page_runs(&RunFilter::default(), ALL).unwrap().items;
        let held = store.page_held(&HeldFilter::default(), ALL).unwrap().items;
        let attention = store.attention().unwrap();
        assert_eq!(attention.held, held.len() as u64);
        let completeness = store.completeness(now, now).unwrap();
        let hours = completeness.hours.into_iter();
        let from = now.plus_ms(-30 * DAY_MS);
        let jobs = jobs.iter().map(|job| {
            let name = (job.owner.clone(), job.id.clone());
            (name, job.into())
        });
        let runs = runs.iter().map(|run| {
            let name = (run.owner.clone(), run.id.clone());
            (name, run.into())
        });
        Seen {
            deliveries: deliveries
                .unwrap()
                .items
                .into_iter()
                .map(|row| self.delivery(row.id))
                .collect(),
            events: events.unwrap().items.len(),
            folded: Folded {
                jobs: jobs.collect(),
                runs: runs.collect(),
            },
            held: held
                .into_iter()
                .map(|held| {
                    let id = held.message_id.unwrap();
                    (held.id, (id, held.received_at, held.repeats))
                })
                .collect(),
            minutes: self.sums(RollUpSpan::Minute),
            hours: self.sums(RollUpSpan::Hour),
            came: hours
                .map(|hour| (hour.at, hour.counts))
                .filter(|(at, _)| *at >= from)
                .collect(),
            latest: store
                .sources()
                .unwrap()
                .into_iter()
                .map(|source| source.newest.map(|newest| newest.id))
                .collect(),
        }
    }

    fn delivery(&self, id: i64) -> (i64, SeenDelivery) {
        let detail = self.store.find_delivery(id).unwrap().unwrap();
        let row = detail.delivery;
        let message = detail.push.map(|push| push.message);
        let seen = SeenDelivery {
            source: row.source,
            owner: row.owner,
            region: row.region,
            topic: row.topic,
            message_id: row.message_id,
            published_at: row.published_at,
            received_at: row.received_at,
            duplicates: row.duplicates,
            last_duplicate_at: row.last_duplicate_at,
            differs: row.differs,
            is_understood: row.unrecognized.is_none(),
            message: message.map(|message| String::from_utf8(message).unwrap()),
        };
        (row.id, seen)
    }

    fn sums(
        &self,
        span: RollUpSpan,
    ) -> std::collections::BTreeMap<(Timestamp, String), (u64, u64, u64)> {
        let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        let rows = self.store.roll_ups(span, from, to).unwrap().into_iter();
        rows.map(|row| {
            assert_eq!(row.histogram.iter().sum::<u64>(), row.known);
            let lane = [
                row.lane_kind,
                row.owner,
                row.region,
                row.lane,
                row.kind_type,
                row.state,
            ];
            let sums = (row.count, row.known, row.duration_sum_ms);
            ((row.at, lane.join("|")), sums)
        })
        .collect()
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("model.db")
}

fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}
