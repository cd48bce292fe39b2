//! Every metric: its name, what it says, its unit and its buckets.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::book::Book;
use crate::metrics::labels::{
    BuildLabels, EventLabels, FetchLabels, JobLabels, Names, PushLabels, RefusalLabels, RunLabels,
    SourceLabels,
};
use crate::notification::event::Event;

/// Of an acknowledgement: SMQ waits 5 s, we 4 s, and a usual one takes a commit of some ms.
const ACKNOWLEDGEMENT_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Of a verification: a signature takes some 50 µs, a certificate that has to be fetched up to 3 s.
const VERIFICATION_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 3.0,
];

/// Of a transaction, from its beginning to its sync.
const COMMIT_BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0,
];

/// Of the commands of one transaction; the writer takes 1,024 at most.
const BATCH_BUCKETS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// Of the time from publishing to arrival: SMQ's retries come after 10 to 20 s, or for a day.
const LAG_BUCKETS: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 14_400.0, 86_400.0,
];

/// What a push moves.
pub(super) struct Arrivals {
    pub(super) pushes: Family<PushLabels, Counter>,
    pub(super) acknowledgement: Histogram,
    pub(super) verification: Histogram,
    pub(super) delivery_lag: Histogram,
    pub(super) certificate_fetches: Family<FetchLabels, Counter>,
    pub(super) exports: Counter,
    pub(super) rested: Counter<f64, AtomicU64>,
}

/// What the writer moves.
pub(super) struct Writing {
    pub(super) commit: Histogram,
    pub(super) batch: Histogram,
    pub(super) last_commit: Gauge,
    pub(super) inbox: Gauge,
    pub(super) inbox_max: Gauge,
    pub(super) events: Family<EventLabels, Counter>,
    pub(super) jobs_finished: Family<JobLabels, Counter>,
    pub(super) runs_finished: Family<RunLabels, Counter>,
    pub(super) queues: Names,
    pub(super) workflows: Names,
}

/// What is read at each scrape.
pub(super) struct States {
    pub(super) ready: Gauge,
    pub(super) open_runs: Gauge,
    pub(super) stale_runs: Gauge,
    pub(super) last_event: Family<SourceLabels, Gauge>,
    pub(super) held: Gauge,
    pub(super) held_bytes: Gauge,
    pub(super) refusals: Family<RefusalLabels, Counter>,
    pub(super) strays: Counter,
    pub(super) database_bytes: Gauge,
    pub(super) log_bytes: Gauge,
    pub(super) free_bytes: Gauge,
    pub(super) exports_running: Gauge,
    pub(super) viewers: Gauge,
}

impl Arrivals {
    pub(super) fn new(book: &mut Book) -> Arrivals {
        let help = "From a push's head to the 204 that says it is on disk.";
        let acknowledgement =
            book.durations("acknowledgement_duration", help, ACKNOWLEDGEMENT_BUCKETS);
        let help = "Checking a push's signature, with fetching its certificate.";
        let verification = book.durations("verification_duration", help, VERIFICATION_BUCKETS);
        let help = "From publishing to arrival, of messages that are new.";
        let delivery_lag = book.durations("delivery_lag", help, LAG_BUCKETS);
        let fetches: Family<FetchLabels, Counter> = book.counter(
            "certificate_fetches",
            "Fetches of a certificate, by result.",
        );
        for labels in [true, false].map(FetchLabels::of) {
            drop(fetches.get_or_create(&labels));
        }
        let help = "How long downloads and retention rested because pushes were waiting.";
        let rested = book.seconds_in_all("rested", help);
        Arrivals {
            pushes: book.counter("pushes", "Pushes to a source, by what became of them."),
            acknowledgement,
            verification,
            delivery_lag,
            certificate_fetches: fetches,
            exports: book.counter("exports", "Downloads of whole lists that began."),
            rested,
        }
    }
}

impl Writing {
    pub(super) fn new(book: &mut Book) -> Writing {
        let help = "One transaction of the writer, with its sync.";
        let commit = book.durations("commit_duration", help, COMMIT_BUCKETS);
        let help = "Commands in one transaction of the writer.";
        let batch = book.sizes("batch_commands", help, BATCH_BUCKETS);
        let help = "When the writer last committed, as seconds since 1970.";
        let last_commit = book.seconds("last_commit_timestamp", help);
        let help = "Commands that may wait for the writer; one more is answered 503.";
        let inbox_max = book.gauge("inbox_commands_max", help);
        let help = "Events of messages that are new, by kind and state.";
        let events: Family<EventLabels, Counter> = book.counter("events", help);
        // There from the beginning, so that the first is seen as an increase.
        for (kind, state) in Event::kinds_and_states() {
            let state = state.word();
            drop(events.get_or_create(&EventLabels { kind, state }));
        }
        let help = "Jobs without a run that ended, by queue and state.";
        let jobs_finished = book.counter("jobs_finished", help);
        let help = "Runs that ended, by workflow and outcome.";
        let runs_finished = book.counter("runs_finished", help);
        Writing {
            commit,
            batch,
            last_commit,
            inbox: book.gauge("inbox_commands", "Commands that wait for the writer."),
            inbox_max,
            events,
            jobs_finished,
            runs_finished,
            queues: Names::default(),
            workflows: Names::default(),
        }
    }
}

impl States {
    pub(super) fn new(book: &mut Book) -> States {
        let build: Family<BuildLabels, Gauge> =
            book.gauge("build_info", "Which mpsink this is; always 1.");
        build.get_or_create(&BuildLabels::of_this()).set(1);
        let help = "Whether /readyz says that pushes can be taken: 1 or 0.";
        let ready = book.gauge("ready", help);
        let help = "Runs that have not ended, the stale ones among them.";
        let open_runs = book.gauge("open_runs", help);
        let help = "Runs that have not ended and are older than their stale_after.";
        let stale_runs = book.gauge("stale_runs", help);
        let help =
            "When a source's newest push came that was taken, as seconds since 1970; 0 before it.";
        let last_event = book.seconds("last_event_timestamp", help);
        let help = "Refused pushes since the database was made, by source and reason.";
        let refusals = book.counter("refusals", help);
        let help = "Pushes to a path of no source since the database was made.";
        let strays = book.counter("strays", help);
        States {
            ready,
            open_runs,
            stale_runs,
            last_event,
            held: book.gauge("held_pushes", "Held pushes that wait for a person."),
            held_bytes: book.bytes("held", "What held pushes take of their room."),
            refusals,
            strays,
            database_bytes: book.bytes("database", "The database file."),
            log_bytes: book.bytes("log", "The database's write-ahead log."),
            free_bytes: book.bytes("disk_free", "What is free for us where the database is."),
            exports_running: book.gauge("exports_running", "Downloads of lists under way."),
            viewers: book.gauge("viewers", "Open pages that are kept up to date."),
        }
    }
}
