//! What is counted and measured, for Prometheus: every name, unit and bucket stands in
//! `instruments.rs`.
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
//! workflows have `labels::NAMES_MAX` each, then `other`; no id of a job, run or message is one.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::book::Book;
use crate::metrics::instruments::{Arrivals, States, Writing};
use crate::metrics::labels::{
    EventLabels, FetchLabels, JobLabels, PushLabels, RefusalLabels, RunLabels, SourceLabels,
};
use crate::metrics::tally::Tally;
use crate::notification::Format;

mod book;
mod instruments;
mod labels;
pub mod tally;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    arrivals: Arrivals,
    writing: Writing,
    states: States,
}

/// What is read at each scrape, since it is a state and not something that happened here.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub open_runs: u64,
    pub stale_runs: u64,
    /// The name of each configured source, and when its newest push came that was taken, in
    /// milliseconds since 1970; 0 if none ever did.
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
        let instruments = Instruments {
            arrivals: Arrivals::new(&mut book),
            writing: Writing::new(&mut book),
            states: States::new(&mut book),
            book,
        };
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
                let counter = self.inner.arrivals.pushes.get_or_create_owned(&labels);
                pushes.push((format, outcome, counter));
            }
        }
        SourceMetrics {
            pushes,
            acknowledgement: self.inner.arrivals.acknowledgement.clone(),
            delivery_lag: self.inner.arrivals.delivery_lag.clone(),
        }
    }

    /// Notes how long one push took to verify, with the fetching of its certificate.
    pub fn verified(&self, took: Duration) {
        self.inner.arrivals.verification.observe(took.as_secs_f64());
    }

    /// Notes the end of a certificate's fetch.
    pub fn certificate_fetched(&self, is_good: bool) {
        let labels = FetchLabels::of(is_good);
        self.inner
            .arrivals
            .certificate_fetches
            .get_or_create(&labels)
            .inc();
    }

    /// Notes a commit of the writer: how many commands, how long, and when by the clock in
    /// milliseconds since 1970.
    pub fn committed(&self, commands: usize, took: Duration, at_ms: i64) {
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.inner.writing.batch.observe(f64::from(commands));
        self.inner.writing.commit.observe(took.as_secs_f64());
        self.inner.writing.last_commit.set(at_ms.div_euclid(1_000));
    }

    /// Counts what one transaction has brought. Only after its commit.
    pub fn count(&self, tally: &Tally) {
        let writing = &self.inner.writing;
        for ((kind, state), count) in &tally.events {
            let labels = EventLabels { kind, state };
            writing.events.get_or_create(&labels).inc_by(*count);
        }
        for ((queue, state), count) in &tally.jobs {
            let queue = writing.queues.label(queue);
            let labels = JobLabels { queue, state };
            writing.jobs_finished.get_or_create(&labels).inc_by(*count);
        }
        for ((workflow, outcome), count) in &tally.runs {
            let workflow = writing.workflows.label(workflow);
            let labels = RunLabels { workflow, outcome };
            writing.runs_finished.get_or_create(&labels).inc_by(*count);
        }
    }

    /// Returns the number of commands in the inbox, which the inbox keeps.
    pub fn inbox(&self, commands_max: usize) -> InboxDepth {
        self.inner
            .writing
            .inbox_max
            .set(signed(commands_max as u64));
        InboxDepth {
            commands: self.inner.writing.inbox.clone(),
        }
    }

    /// Counts a download that begins.
    pub fn export_begun(&self) {
        self.inner.arrivals.exports.inc();
    }

    /// Notes that something rested for so long because pushes were waiting.
    pub fn rested(&self, rest: Duration) {
        self.inner.arrivals.rested.inc_by(rest.as_secs_f64());
    }

    /// Returns the scrape: all metrics as `OpenMetrics` text.
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
        let states = &self.inner.states;
        states.open_runs.set(signed(snapshot.open_runs));
        states.stale_runs.set(signed(snapshot.stale_runs));
        for (source, at_ms) in &snapshot.last_events {
            let source = source.clone();
            let gauge = states.last_event.get_or_create(&SourceLabels { source });
            gauge.set(at_ms.div_euclid(1_000));
        }
        states.held.set(signed(snapshot.held));
        states.held_bytes.set(signed(snapshot.held_bytes));
        for (source, reason, count) in &snapshot.refusals {
            let labels = RefusalLabels {
                source: source.clone(),
                reason,
            };
            let counter = states.refusals.get_or_create(&labels);
            // At most up: a scrape that read earlier and ends later takes nothing back.
            counter.inner().fetch_max(*count, Ordering::Relaxed);
        }
        states
            .strays
            .inner()
            .fetch_max(snapshot.strays, Ordering::Relaxed);
        states.database_bytes.set(signed(snapshot.database_bytes));
        states.log_bytes.set(signed(snapshot.log_bytes));
        if let Some(free) = snapshot.free_bytes {
            states.free_bytes.set(signed(free));
        }
        states.exports_running.set(signed(snapshot.exports_running));
        states.viewers.set(signed(snapshot.viewers));
        states.ready.set(i64::from(snapshot.is_ready));
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
