//! What is counted and measured, for Prometheus: every name, help, unit and bucket stands here.
//!
//! [`Metrics`] is cheap to clone; `app` makes one and hands it down in the options of each part. A
//! part observes by a verb and knows no name. Observing never fails and never waits for anybody who
//! reads: a counter or gauge is one atomic number, a histogram has a lock that is held for some
//! nanoseconds. What a push counts on is looked up once for each source ([`SourceMetrics`]), and the
//! writer counts once for each transaction ([`tally::Tally`]).
//!
//! Counters begin at 0 with each start, as Prometheus expects. What an alarm looks at as a *state*
//! (open runs, held pushes, the last event) does not: it is read from the database at each scrape
//! ([`Snapshot`]), by few and bounded statements. So it is true from the first scrape after a restart,
//! and a run becomes stale by time alone, which no writer would notice.
//!
//! **Architecture invariant:** no label has a value that a stranger chooses without bound: queues and
//! workflows have [`labels::NAMES_MAX`] each, then `other`; no id of a job, run or message is one.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::book::Book;
use crate::metrics::labels::{
    BuildLabels, EventLabels, FetchLabels, JobLabels, Names, PushLabels, RefusalLabels, RunLabels,
    SourceLabels,
};
use crate::metrics::tally::Tally;
use crate::notification::Format;

mod book;
mod labels;
pub mod tally;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of an acknowledgement: SMQ waits 5 s, we 4 s, and a usual one takes a commit of some ms.
const ACKNOWLEDGEMENT_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Of a verification: a signature takes some 50 µs, a certificate that has to be fetched up to 3 s.
const VERIFICATION_BUCKETS: [f64; 10] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 3.0,
];

/// Of a transaction, from its beginning to its sync.
const COMMIT_BUCKETS: [f64; 11] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0,
];

/// Of the commands of one transaction; the writer takes 1,024 at most.
const BATCH_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// Of the time from publishing to arrival: SMQ's retries come after 10 to 20 s, then for a day.
const LAG_BUCKETS: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 14_400.0, 86_400.0,
];

/// What became of a push, as a label says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    Stored,
    Duplicate,
    Held,
    Refused,
    /// Our trouble: the sender was asked to come again.
    Failed,
    /// Its body did not come whole: too long, too slow, or broken off.
    Unread,
}

impl PushOutcome {
    pub const ALL: [PushOutcome; 6] = [
        PushOutcome::Stored,
        PushOutcome::Duplicate,
        PushOutcome::Held,
        PushOutcome::Refused,
        PushOutcome::Failed,
        PushOutcome::Unread,
    ];

    pub fn word(self) -> &'static str {
        match self {
            PushOutcome::Stored => "stored",
            PushOutcome::Duplicate => "duplicate",
            PushOutcome::Held => "held",
            PushOutcome::Refused => "refused",
            PushOutcome::Failed => "failed",
            PushOutcome::Unread => "unread",
        }
    }
}

/// The `format` of a push whose envelope was not read.
const NO_FORMAT: &str = "none";

/// A metric that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// As a query names it: with prefix, unit and `_total`; a histogram without its endings.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
}

/// All instruments; clones share them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Instruments>,
}

struct Instruments {
    book: Book,
    pushes: Family<PushLabels, Counter>,
    acknowledgement: Histogram,
    verification: Histogram,
    delivery_lag: Histogram,
    commit: Histogram,
    batch: Histogram,
    inbox: Gauge,
    inbox_max: Gauge,
    last_commit: Gauge,
    events: Family<EventLabels, Counter>,
    jobs_finished: Family<JobLabels, Counter>,
    runs_finished: Family<RunLabels, Counter>,
    queues: Names,
    workflows: Names,
    open_runs: Gauge,
    stale_runs: Gauge,
    last_event: Family<SourceLabels, Gauge>,
    held: Gauge,
    held_bytes: Gauge,
    refusals: Family<RefusalLabels, Counter>,
    strays: Counter,
    database_bytes: Gauge,
    log_bytes: Gauge,
    free_bytes: Gauge,
    exports: Counter,
    exports_running: Gauge,
    viewers: Gauge,
    certificate_fetches: Family<FetchLabels, Counter>,
    ready: Gauge,
}

/// What is read at each scrape, since it is a state and not something that happened here.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub open_runs: u64,
    pub stale_runs: u64,
    /// The name of each configured source, and when its newest message arrived in milliseconds since
    /// 1970; 0 if none ever did.
    pub last_events: Vec<(String, i64)>,
    pub held: u64,
    pub held_bytes: u64,
    /// Source, reason, and how many in all the time that the database has been there.
    pub refusals: Vec<(String, &'static str, u64)>,
    pub strays: u64,
    pub database_bytes: u64,
    pub log_bytes: u64,
    /// `None` if the system does not say.
    pub free_bytes: Option<u64>,
    pub exports_running: u64,
    pub viewers: u64,
    pub is_ready: bool,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut book = Book::new();
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels::of_this()).set(1);
        book.gauge("build_info", "Which mpsink this is; always 1.", &build);
        let instruments = registered(book);
        for result in [true, false].map(FetchLabels::of) {
            drop(instruments.certificate_fetches.get_or_create(&result));
        }
        Metrics {
            inner: Arc::new(instruments),
        }
    }

    /// Returns every metric there is, in the order of the scrape.
    pub fn registered(&self) -> &[Registered] {
        self.inner.book.registered()
    }

    /// Returns what the pushes to the source of this name count on, each number there from the
    /// beginning, so that the first push of a kind is seen as an increase.
    pub fn source(&self, name: &str) -> SourceMetrics {
        let formats = [
            None,
            Some(Format::Xml),
            Some(Format::Json),
            Some(Format::Simplified),
        ];
        let mut pushes = Vec::new();
        for format in formats {
            for outcome in PushOutcome::ALL {
                let labels = PushLabels {
                    source: name.to_owned(),
                    format: format.map_or(NO_FORMAT, Format::word),
                    outcome: outcome.word(),
                };
                let counter = self.inner.pushes.get_or_create_owned(&labels);
                pushes.push((format, outcome, counter));
            }
        }
        SourceMetrics {
            pushes,
            acknowledgement: self.inner.acknowledgement.clone(),
            delivery_lag: self.inner.delivery_lag.clone(),
        }
    }

    /// Notes how long one push took to verify, with the fetching of its certificate.
    pub fn verified(&self, took: Duration) {
        self.inner.verification.observe(took.as_secs_f64());
    }

    /// Notes the end of a certificate's fetch.
    pub fn certificate_fetched(&self, is_good: bool) {
        let labels = FetchLabels::of(is_good);
        self.inner.certificate_fetches.get_or_create(&labels).inc();
    }

    /// Notes a commit of the writer: how many commands, how long, and when by the clock in
    /// milliseconds since 1970.
    pub fn committed(&self, commands: usize, took: Duration, at_ms: i64) {
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.inner.batch.observe(f64::from(commands));
        self.inner.commit.observe(took.as_secs_f64());
        self.inner.last_commit.set(at_ms.div_euclid(1_000));
    }

    /// Counts what one transaction has brought. Only after its commit.
    pub fn count(&self, tally: &Tally) {
        let inner = &self.inner;
        for ((kind, state), count) in &tally.events {
            let labels = EventLabels { kind, state };
            inner.events.get_or_create(&labels).inc_by(*count);
        }
        for ((queue, state), count) in &tally.jobs {
            let queue = inner.queues.label(queue);
            let labels = JobLabels { queue, state };
            inner.jobs_finished.get_or_create(&labels).inc_by(*count);
        }
        for ((workflow, outcome), count) in &tally.runs {
            let workflow = inner.workflows.label(workflow);
            let labels = RunLabels { workflow, outcome };
            inner.runs_finished.get_or_create(&labels).inc_by(*count);
        }
    }

    /// Returns the number of commands in the inbox, which the inbox keeps.
    pub fn inbox(&self, commands_max: usize) -> InboxDepth {
        self.inner.inbox_max.set(signed(commands_max as u64));
        InboxDepth {
            commands: self.inner.inbox.clone(),
        }
    }

    /// Counts a download that begins.
    pub fn export_begun(&self) {
        self.inner.exports.inc();
    }

    /// Returns the scrape: all metrics as OpenMetrics text.
    pub fn encode(&self, snapshot: &Snapshot) -> String {
        self.take(snapshot);
        let mut text = String::new();
        if text::encode(&mut text, self.inner.book.registry()).is_err() {
            // Writing into memory does not fail; if it did, the end that is missing tells.
            let _ = text.write_str("\n");
        }
        text
    }

    fn take(&self, snapshot: &Snapshot) {
        let inner = &self.inner;
        inner.open_runs.set(signed(snapshot.open_runs));
        inner.stale_runs.set(signed(snapshot.stale_runs));
        for (source, at_ms) in &snapshot.last_events {
            let source = source.clone();
            let gauge = inner.last_event.get_or_create(&SourceLabels { source });
            gauge.set(at_ms.div_euclid(1_000));
        }
        inner.held.set(signed(snapshot.held));
        inner.held_bytes.set(signed(snapshot.held_bytes));
        for (source, reason, count) in &snapshot.refusals {
            let labels = RefusalLabels {
                source: source.clone(),
                reason,
            };
            let counter = inner.refusals.get_or_create(&labels);
            // At most up: a scrape that read earlier and ends later takes nothing back.
            counter.inner().fetch_max(*count, Ordering::Relaxed);
        }
        inner
            .strays
            .inner()
            .fetch_max(snapshot.strays, Ordering::Relaxed);
        inner.database_bytes.set(signed(snapshot.database_bytes));
        inner.log_bytes.set(signed(snapshot.log_bytes));
        if let Some(free) = snapshot.free_bytes {
            inner.free_bytes.set(signed(free));
        }
        inner.exports_running.set(signed(snapshot.exports_running));
        inner.viewers.set(signed(snapshot.viewers));
        inner.ready.set(i64::from(snapshot.is_ready));
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What the pushes to one source count on.
#[derive(Clone)]
pub struct SourceMetrics {
    pushes: Vec<(Option<Format>, PushOutcome, Counter)>,
    acknowledgement: Histogram,
    delivery_lag: Histogram,
}

impl SourceMetrics {
    /// Counts a push. `took` is from its head to our answer; `lag_ms` from its publishing to its
    /// arrival, where both are known.
    pub fn pushed(
        &self,
        format: Option<Format>,
        outcome: PushOutcome,
        took: Duration,
        lag_ms: Option<i64>,
    ) {
        let wanted = |(of, what, _): &&(_, _, _)| *of == format && *what == outcome;
        if let Some((_, _, counter)) = self.pushes.iter().find(wanted) {
            counter.inc();
        }
        if matches!(outcome, PushOutcome::Stored | PushOutcome::Duplicate) {
            self.acknowledgement.observe(took.as_secs_f64());
        }
        if outcome == PushOutcome::Stored
            && let Some(lag_ms) = lag_ms
        {
            // Clocks differ by more than a push takes: below 0 is at once.
            let lag_ms = u64::try_from(lag_ms).unwrap_or(0);
            let lag = Duration::from_millis(lag_ms);
            self.delivery_lag.observe(lag.as_secs_f64());
        }
    }
}

/// How many commands wait for the writer.
#[derive(Clone, Debug, Default)]
pub struct InboxDepth {
    commands: Gauge,
}

impl InboxDepth {
    /// Notes one more.
    pub fn add(&self) {
        self.commands.inc();
    }

    /// Notes that one was taken, or did not fit.
    pub fn remove(&self) {
        self.commands.dec();
    }
}

/// Makes and registers every instrument.
fn registered(mut book: Book) -> Instruments {
    let pushes = Family::default();
    book.counter(
        "pushes",
        "Pushes to a source's path, by what became of them.",
        &pushes,
    );
    let acknowledgement = Histogram::new(ACKNOWLEDGEMENT_BUCKETS);
    book.seconds_of(
        "acknowledgement_duration",
        "From a push's head to the 204 that says it is on disk.",
        &acknowledgement,
    );
    let verification = Histogram::new(VERIFICATION_BUCKETS);
    book.seconds_of(
        "verification_duration",
        "Checking a push's signature, with fetching its certificate.",
        &verification,
    );
    let delivery_lag = Histogram::new(LAG_BUCKETS);
    book.seconds_of(
        "delivery_lag",
        "From publishing to arrival, of messages that are new.",
        &delivery_lag,
    );
    let commit = Histogram::new(COMMIT_BUCKETS);
    book.seconds_of(
        "commit_duration",
        "One transaction of the writer, with its sync.",
        &commit,
    );
    let batch = Histogram::new(BATCH_BUCKETS);
    book.histogram(
        "batch_commands",
        "Commands in one transaction of the writer.",
        &batch,
    );
    let inbox = Gauge::default();
    book.gauge(
        "inbox_commands",
        "Commands that wait for the writer.",
        &inbox,
    );
    let inbox_max = Gauge::default();
    book.gauge(
        "inbox_commands_max",
        "Commands that may wait; one more is answered 503.",
        &inbox_max,
    );
    let last_commit = Gauge::default();
    book.seconds(
        "last_commit_timestamp",
        "When the writer last committed, as seconds since 1970.",
        &last_commit,
    );
    let events = Family::default();
    book.counter(
        "events",
        "Events of messages that are new, by kind and state.",
        &events,
    );
    let jobs_finished = Family::default();
    book.counter(
        "jobs_finished",
        "Jobs without a run that ended, by queue and state.",
        &jobs_finished,
    );
    let runs_finished = Family::default();
    book.counter(
        "runs_finished",
        "Runs that ended, by workflow and outcome.",
        &runs_finished,
    );
    let open_runs = Gauge::default();
    book.gauge(
        "open_runs",
        "Runs that have not ended, the stale ones among them.",
        &open_runs,
    );
    let stale_runs = Gauge::default();
    book.gauge(
        "stale_runs",
        "Runs that have not ended and are older than their stale_after.",
        &stale_runs,
    );
    let last_event = Family::default();
    book.seconds(
        "last_event_timestamp",
        "When a source's newest message arrived, as seconds since 1970; 0 before the first.",
        &last_event,
    );
    let held = Gauge::default();
    book.gauge("held_pushes", "Held pushes that wait for a person.", &held);
    let held_bytes = Gauge::default();
    book.bytes("held", "What held pushes take of their room.", &held_bytes);
    let refusals = Family::default();
    book.counter(
        "refusals",
        "Refused pushes since the database was made, by source and reason.",
        &refusals,
    );
    let strays = Counter::default();
    book.counter(
        "strays",
        "Pushes to a path of no source since the database was made.",
        &strays,
    );
    let database_bytes = Gauge::default();
    book.bytes("database", "The database file.", &database_bytes);
    let log_bytes = Gauge::default();
    book.bytes("log", "The database's write-ahead log.", &log_bytes);
    let free_bytes = Gauge::default();
    book.bytes(
        "disk_free",
        "What is free for us where the database is.",
        &free_bytes,
    );
    let exports = Counter::default();
    book.counter("exports", "Downloads of whole lists that began.", &exports);
    let exports_running = Gauge::default();
    book.gauge(
        "exports_running",
        "Downloads of whole lists under way.",
        &exports_running,
    );
    let viewers = Gauge::default();
    book.gauge("viewers", "Open pages that are kept up to date.", &viewers);
    let certificate_fetches = Family::default();
    book.counter(
        "certificate_fetches",
        "Fetches of a certificate, by result.",
        &certificate_fetches,
    );
    let ready = Gauge::default();
    book.gauge(
        "ready",
        "Whether /readyz says that pushes can be taken: 1 or 0.",
        &ready,
    );
    Instruments {
        book,
        pushes,
        acknowledgement,
        verification,
        delivery_lag,
        commit,
        batch,
        inbox,
        inbox_max,
        last_commit,
        events,
        jobs_finished,
        runs_finished,
        queues: Names::default(),
        workflows: Names::default(),
        open_runs,
        stale_runs,
        last_event,
        held,
        held_bytes,
        refusals,
        strays,
        database_bytes,
        log_bytes,
        free_bytes,
        exports,
        exports_running,
        viewers,
        certificate_fetches,
        ready,
    }
}
