//! What the store's tests share: a store in a folder of its own, pushes to put in, and a way to
//! stop the writer where a test needs it.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::clock::{Clock, Timestamp, Window};
use crate::metrics::Metrics;
use crate::mps;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::event::{Event, JobEvent, JobState};
use crate::notification::source::{Source, SourceId};
use crate::notification::{Admitted, Format, Notification};
use crate::store::errors::WriteError;
use crate::store::filters::{JobFilter, RunFilter};
use crate::store::inbox::{Asked, Context, How};
use crate::store::lane_records::LaneKey;
use crate::store::options::{Purpose, QueueRule, SourceRule, StoreOptions};
use crate::store::records::{JobRecord, Listing, Page, Place, RollUpRecord, RollUpSpan, RunRecord};
use crate::store::{Appended, Arrival, NewHeld, OwnerRule, Store, disk};

pub(super) const NOON: Timestamp = Timestamp(1_714_982_400_000);

/// A queue or workflow with its name and its newest event's time.
pub(super) type Lane = (LaneKey, Option<String>, Timestamp);

pub(super) struct TestStore {
    pub(super) store: Store,
    pub(super) source: Source,
    pub(super) folder: TempDir,
    pub(super) runtime: Runtime,
}

pub(super) fn options(path: PathBuf) -> StoreOptions {
    StoreOptions {
        path,
        purpose: Purpose::Record,
        inbox_commands_max: 512,
        inbox_bytes_max: 8 * 1024 * 1024,
        held_bytes_max: 64 * 1024 * 1024,
        answer_within: Duration::from_secs(60),
        queues: Vec::new(),
        workflows: Vec::new(),
        clock: Clock::standing_at(NOON),
        metrics: Metrics::new(),
        free_disk: disk::free,
    }
}

pub(super) fn open() -> TestStore {
    open_with(|_| {})
}

pub(super) fn open_with(change: impl FnOnce(&mut StoreOptions)) -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path().join("mpsink.db"));
    change(&mut options);
    let (store, _) = Store::open(options).unwrap();
    let source = register(&store, "default");
    TestStore {
        store,
        source,
        folder,
        runtime: runtime(),
    }
}

pub(super) fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

pub(super) fn register(store: &Store, name: &str) -> Source {
    let rule = SourceRule {
        name: name.to_owned(),
        ..SourceRule::default()
    };
    store.register_sources(vec![rule]).unwrap().remove(0)
}

/// The lane of a queue in the region of the fixtures' arrivals.
pub(super) fn queue_lane(name: &str) -> LaneKey {
    LaneKey::Queue {
        region: String::new(),
        name: name.to_owned(),
    }
}

pub(super) fn queue_rule(name: &str, topics: &[&str]) -> QueueRule {
    QueueRule {
        name: name.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        region: String::new(),
        pipeline_id: String::new(),
    }
}

impl TestStore {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("mpsink.db")
    }

    /// Returns the queues and workflows there are.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let hour = Window::new(NOON, NOON.plus_ms(3_600_000)).unwrap();
        let lanes = self.store.overview(hour, 60_000).unwrap().lanes;
        let lanes = lanes.into_iter();
        lanes
            .map(|lane| (lane.key, lane.name, lane.last_event_at))
            .collect()
    }

    /// Another connection to look at what is on disk.
    pub(super) fn look(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    pub(super) fn append(&self, arrival: Arrival) -> Appended {
        self.try_append(arrival).unwrap()
    }

    pub(super) fn try_append(&self, arrival: Arrival) -> Result<Appended, WriteError> {
        self.runtime.block_on(self.store.append(arrival))
    }

    pub(super) fn hold(&self, held: NewHeld) -> Result<i64, WriteError> {
        self.runtime.block_on(self.store.hold(held))
    }

    /// Puts an arrival into the inbox and goes on.
    pub(super) fn send(&self, arrival: Arrival) -> JoinHandle<Result<Appended, WriteError>> {
        let store = self.store.clone();
        let task = self
            .runtime
            .spawn(async move { store.append(arrival).await });
        // The task runs up to where it waits for its answer.
        self.runtime.block_on(tokio::task::yield_now());
        task
    }

    pub(super) fn jobs(&self) -> Vec<JobRecord> {
        let all = Page::first(1_000);
        let listing = self.store.page_jobs(&JobFilter::default(), all).unwrap();
        assert_eq!(listing.next, None);
        listing.items
    }

    pub(super) fn job(&self) -> JobRecord {
        let mut jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub(super) fn runs(&self) -> Vec<RunRecord> {
        let all = Page::first(1_000);
        let listing = self.store.page_runs(&RunFilter::default(), all).unwrap();
        assert_eq!(listing.next, None);
        listing.items
    }

    pub(super) fn run(&self) -> RunRecord {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    pub(super) fn roll_ups(&self, span: RollUpSpan) -> Vec<RollUpRecord> {
        let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        self.store.roll_ups(span, from, to).unwrap()
    }

    /// Returns when the writer has taken a command that does not end before [`Stopped::go_on`].
    pub(super) fn stop_writer(&self) -> Stopped {
        let (started, has_started) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let what = Mutex::new((started, may_go_on));
        self.put(what, |_, _, what| {
            let what = what.lock().unwrap();
            what.0.send(()).unwrap();
            what.1.recv().unwrap();
            Ok(Ok(()))
        });
        has_started.recv().unwrap();
        Stopped { go_on }
    }

    /// Puts a command of the test's own into the inbox; returns where its answer comes.
    pub(super) fn put<T: Send + 'static>(
        &self,
        what: T,
        run: fn(&Transaction<'_>, &Context, &T) -> rusqlite::Result<Result<(), WriteError>>,
    ) -> Receiver<Result<(), WriteError>> {
        let (reply, answer) = mpsc::channel();
        let reply = Box::new(move |answer| drop(reply.send(answer)));
        let work = Asked::new(what, How::Settled(run), reply);
        self.store.inner.inbox.send(0, work).unwrap();
        answer
    }
}

/// The writer waits inside a command.
pub(super) struct Stopped {
    go_on: Sender<()>,
}

impl Stopped {
    pub(super) fn go_on(self) {
        self.go_on.send(()).unwrap();
    }
}

/// A push of `message` to `topic` with this message id, published at noon.
pub(super) fn delivery(source: SourceId, topic: &str, id: &str, message: &str) -> Delivery {
    let mut headers = Headers::default();
    headers.add("x-mns-topic-owner", "1001");
    headers.add("x-mns-topic-name", topic);
    headers.add("x-mns-message-id", id);
    Delivery {
        source,
        target: "/notifications/0123".to_owned(),
        headers,
        body: message.as_bytes().to_vec(),
        received_at: NOON,
    }
}

/// An arrival of the first source with one event: `job` has ended well.
pub(super) fn arrival(id: &str, job: &str) -> Arrival {
    let event = JobEvent {
        job_id: job.to_owned(),
        state: JobState::Succeeded,
        ..JobEvent::default()
    };
    arrival_of("topic", id, vec![Event::Job(event)])
}

pub(super) fn arrival_of(topic: &str, id: &str, events: Vec<Event>) -> Arrival {
    let message = format!("message {id}");
    let notification = Notification {
        format: Format::Simplified,
        topic_owner: Some("1001".to_owned()),
        topic: Some(topic.to_owned()),
        subscriber: None,
        subscription: Some("sink".to_owned()),
        message_id: Some(id.to_owned()),
        message_md5: None,
        published_at: Some(NOON),
        tag: None,
        message: message.as_bytes().to_vec(),
    };
    Arrival {
        delivery: delivery(SourceId(1), topic, id, &message),
        notification: Admitted::vouch_for(notification),
        events,
        region: String::new(),
        queue: String::new(),
        md5_mismatch: false,
        owner: OwnerRule::Checked,
        from_held: None,
    }
}

/// An arrival of `message` as MPS would publish it, with what it says.
pub(super) fn arrival_saying(id: &str, published_at: Timestamp, message: &str) -> Arrival {
    let arrival = renotify(arrival_of("topic", id, Vec::new()), |notification| {
        notification.message = message.as_bytes().to_vec();
        notification.published_at = Some(published_at);
    });
    let events = mps::events(&arrival.notification);
    Arrival { events, ..arrival }
}

/// How SQLite goes about a query, a step a line.
pub(super) fn plan(conn: &Connection, sql: &str) -> String {
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = explain
        .raw_query()
        .mapped(|row| row.get::<_, String>("detail"));
    steps.map(|step| step.unwrap() + "\n").collect()
}

/// Fails unless SQLite goes about a query by indexes alone, and sorts nothing.
pub(super) fn assert_by_index(conn: &Connection, sql: &str) {
    let plan = plan(conn, sql);
    // The index of words is "scanned" by what is asked of it, and so is what a count counts; a
    // question by EXISTS has one constant row.
    let is_harmless = |line: &&str| {
        let kinds = ["VIRTUAL TABLE", "CONSTANT ROW", "SCAN (subquery"];
        kinds.iter().any(|kind| line.contains(kind))
    };
    let mut scans = plan.lines().filter(|line| line.starts_with("SCAN"));
    assert!(scans.all(|line| is_harmless(&line)), "{sql}\n{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
}

/// Returns bytes that cannot be packed, the same each time.
pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32) as u64).flat_map(|at| Sha256::digest(at.to_le_bytes()));
    blocks.take(bytes).collect()
}

/// Returns a whole list read page by page to its end, newest first. Then it goes back the same way,
/// and fails unless that gives the same.
pub(super) fn walked<T: Clone + Debug + PartialEq>(
    limit: u32,
    read: impl Fn(Page) -> Listing<T>,
) -> Vec<T> {
    let mut forth = Vec::new();
    let mut back = Vec::new();
    let mut listing = read(Page::first(limit));
    assert_eq!(listing.previous, None);
    loop {
        assert!(listing.items.len() <= usize::try_from(limit).unwrap());
        forth.extend(listing.items.clone());
        let Some(next) = listing.next else { break };
        let place = Place::After(next);
        listing = read(Page { limit, place });
    }
    loop {
        back.extend(listing.items.into_iter().rev());
        let Some(previous) = listing.previous else {
            break;
        };
        let place = Place::Before(previous);
        listing = read(Page { limit, place });
        assert!(listing.items.len() <= usize::try_from(limit).unwrap());
        assert!(listing.next.is_some());
    }
    back.reverse();
    assert_eq!(back, forth);
    forth
}

/// Changes the notification inside an arrival.
pub(super) fn renotify(arrival: Arrival, change: impl FnOnce(&mut Notification)) -> Arrival {
    let mut notification = arrival.notification.into_inner();
    change(&mut notification);
    Arrival {
        notification: Admitted::vouch_for(notification),
        ..arrival
    }
}
