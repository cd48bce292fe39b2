//! Builds everything from a [`Config`], runs it, and stops it in order.
//!
//! The program and its tests start the same way: [`App::build`] binds the ports and opens the
//! store, [`App::run`] serves until it is told to stop. Stopping goes step by step: those
//! who listen are let go, no new connections, the requests under way are answered, the writer commits
//! what is in its inbox, the log is checkpointed. A second Ctrl-C leaves at once; what was acknowledged is on disk anyway.
//!
//! `demo.rs`, `rebuild.rs` and `import.rs` work on a database without any server; `living.rs` serves a made-up
//! platform.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App as ActixApp, HttpServer, rt, web};
use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::gather::SyncLook;
use crate::doctor::{ConfiguredSource, Setup};
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::notification::source::masked;
use crate::push::{Signer, test_key_path};
use crate::signature::certificates::KnownCertificate;
use crate::signature::{TEST_CERTIFICATE_URL, Verifier, VerifierOptions};
use crate::store::Store;
use crate::store::disk;
use crate::store::lock::Running;
use crate::store::options::{FreeDisk, Opened, Purpose, StoreOptions};
use crate::web::dashboard;
use crate::web::downloads::Downloads;
use crate::web::health::LastLook;
use crate::web::live::{Live, LiveOptions};
use crate::web::peer::Peer;
use crate::web::receiver::{self, InFlight, Paths};
use crate::web::requests::RequestIds;
use crate::web::state::AppState;

pub mod demo;
pub mod import;
pub mod living;
pub mod rebuild;
pub mod scratch;

/// What a server holds at most, in number and bytes; tests make it small.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Commands waiting for the writer: some seconds of work at the worst disk seen (300 commits a
    /// second of one each).
    pub inbox_commands: usize,
    /// Bytes waiting for the writer.
    pub inbox_bytes: usize,
    /// What held pushes may take on disk.
    pub held_bytes: u64,
    /// What all bodies being read may take: 64 of the longest.
    pub in_flight_bytes: usize,
    /// Pages that are kept up to date, and requests that wait for an end.
    pub live: LiveOptions,
    /// Lists being downloaded at once: as many as there are readers, which each uses only now and
    /// then, so that pages still find one.
    pub downloads: usize,
    /// How long a download waits for a reader that takes nothing. The kernel buffers megabytes and
    /// asks for more when much of it is gone, so this waits for lines of some ten kilobytes a second.
    pub download_stall: Duration,
    /// How the disk is asked for its room.
    pub free_disk: FreeDisk,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            inbox_commands: 1_024,
            inbox_bytes: 64 * 1024 * 1024,
            held_bytes: 64 * 1024 * 1024,
            in_flight_bytes: 64 * 1024 * 1024,
            live: LiveOptions {
                viewers_max: VIEWERS_MAX,
                waiters_max: WAITERS_MAX,
                event_every: EVENT_EVERY,
            },
            downloads: 4,
            download_stall: Duration::from_secs(120),
            free_disk: disk::free,
        }
    }
}

/// Threads that serve each listener. One writer thread is behind them all, so more would only wait.
const WORKERS: usize = 2;

/// How long a push waits for its commit: SMQ hangs up after 5 s, and what came before the wait and
/// the answer need the rest.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Connections to each listener at once; beyond it new ones wait in the kernel's queue. SMQ opens
/// few. With both listeners it stays below 1,024, the usual bound on open files, and a stranger who
/// fills them all with heads of 128 KiB takes 64 MiB. One of the dashboard is kept twice (`peer.rs`), so
/// there are half as many if it has a listener for itself.
const CONNECTIONS_MAX: usize = 480;

/// Open pages that are told of what is written. Each takes a connection, and of these some have to be
/// left for those who only look.
const VIEWERS_MAX: usize = 200;

/// Requests that wait for the end of a job or run; each takes a connection as well.
const WAITERS_MAX: usize = 16;

/// How often an open page is told: people do not read faster, and each time it reads its page again.
const EVENT_EVERY: Duration = Duration::from_secs(1);

/// How long a request's head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long requests under way may take to end when the server stops. With what the writer needs
/// after it, below the 5 s that SMQ and process managers wait.
const STOP_TIMEOUT_S: u64 = 3;

/// Everything, built and bound but not yet serving.
pub struct App {
    pub facts: Facts,
    store: Store,
    live: Arc<Live>,
    state: web::Data<AppState>,
    servers: Vec<Server>,
}

/// What a person or a test wants to know of a server that starts.
#[derive(Clone, Debug)]
pub struct Facts {
    pub receiver: SocketAddr,
    pub dashboard: SocketAddr,
    /// The URL to register, with the secret path.
    pub endpoint: String,
    /// The same with the secret hidden.
    pub masked_endpoint: String,
    /// The dashboard's URL, without a slash at its end.
    pub dashboard_url: String,
    /// Absolute.
    pub database: PathBuf,
    pub database_is_new: bool,
}

impl App {
    /// Binds the ports, opens the database and makes everything ready to serve.
    pub fn build(config: &Config, clock: &Clock, bounds: Bounds) -> anyhow::Result<App> {
        let receiver_listener = bind(config.receiver_listen, "receiver.listen")?;
        let is_one_server =
            config.dashboard_listen == config.receiver_listen && config.receiver_listen.port() != 0;
        let dashboard_listener = if is_one_server {
            None
        } else {
            Some(bind(config.dashboard_listen, "dashboard.listen")?)
        };
        let receiver = receiver_listener.local_addr()?;
        let dashboard = match &dashboard_listener {
            Some(listener) => listener.local_addr()?,
            None => receiver,
        };

        let metrics = Metrics::new();
        let (store, opened) = open_store(config, clock, bounds, &metrics)?;
        let sources = store
            .register_sources(config.sources.clone())
            .context("cannot write the sources to the database")?;
        let Some(first_path) = sources.first().and_then(|source| source.paths.first()) else {
            bail!("there is no source; give one a path under [[source]]");
        };
        let facts = Facts {
            receiver,
            dashboard,
            endpoint: endpoint(config, receiver, first_path),
            masked_endpoint: endpoint(config, receiver, &masked(first_path)),
            dashboard_url: format!("http://{dashboard}"),
            database: std::path::absolute(&config.database)?,
            database_is_new: opened.is_new,
        };
        let control_key = random_hex()?;
        store
            .announce(&Running {
                pid: std::process::id(),
                endpoint: format!("http://{}{first_path}", reachable(receiver)),
                dashboard: facts.dashboard_url.clone(),
                key: control_key.clone(),
            })
            .context("cannot write the lock file beside the database")?;

        let verifier = Verifier::new(verifier_options(config, clock, &store, &metrics)?)?;
        let ingest = Ingest::new(store.clone(), verifier, &sources, clock.clone())?;
        let ingest = Arc::new(ingest);
        let live = Arc::new(Live::new(store.changes(), random_hex()?, bounds.live));
        let state = web::Data::new(AppState {
            store: store.clone(),
            ingest,
            paths: Paths::of(&sources),
            sources,
            in_flight: InFlight::new(bounds.in_flight_bytes),
            live: Arc::clone(&live),
            downloads: Downloads::new(bounds.downloads, bounds.download_stall),
            metrics,
            requests: RequestIds::default(),
            last_look: LastLook::default(),
            setup: setup(config, receiver, dashboard),
            syncs: SyncLook::default(),
            clock: clock.clone(),
            endpoint: facts.endpoint.clone(),
            has_public_url: config.public_url.is_some(),
            control_key,
            zone: config.timezone,
            is_test: config.is_try,
        });
        Ok(App {
            servers: servers(&state, receiver_listener, dashboard_listener)?,
            facts,
            store,
            live,
            state,
        })
    }

    /// Serves until the first wish in `stop` comes, or the writer ends by a fault, which is an
    /// error: a server that cannot write must not look healthy. A second wish leaves at once.
    pub async fn run(self, mut stop: mpsc::Receiver<()>) -> anyhow::Result<()> {
        if let Err(error) = self.store.begin_lifetime(env!("CARGO_PKG_VERSION")).await {
            // It is written with the next commit; what stands in its way, stands in that of pushes.
            tracing::warn!(%error, "cannot write that the server has started");
        }
        let handles: Vec<ServerHandle> = self.servers.iter().map(Server::handle).collect();
        for server in self.servers {
            rt::spawn(server);
        }
        if self.store.purpose() == Purpose::Record {
            let ingest = Arc::clone(&self.state.ingest);
            rt::spawn(async move { ingest.verifier().warm_up().await });
        }

        let fault = tokio::select! {
            _ = stop.recv() => None,
            result = self.store.ended() => result.err(),
        };
        // First, since nobody waits for their end.
        self.state.downloads.stop();
        tokio::select! {
            result = stop_in_order(&self.live, &handles, self.store, fault.is_none()) => result?,
            Some(()) = stop.recv() => bail!("left at once; what was acknowledged is on disk"),
        }
        match fault {
            Some(fault) => bail!("the writer has ended: {fault}"),
            None => Ok(()),
        }
    }
}

/// Ends what would not end by itself, stops the servers, then the writer. The dashboard first: nothing
/// waits for it.
async fn stop_in_order(
    live: &Live,
    handles: &[ServerHandle],
    store: Store,
    is_graceful: bool,
) -> anyhow::Result<()> {
    tracing::info!("stopping: the requests under way are answered first");
    live.end();
    for handle in handles.iter().rev() {
        handle.stop(is_graceful).await;
    }
    let closed = tokio::task::spawn_blocking(move || store.close()).await;
    closed.context("the writer did not end as it should")
}

/// Builds and runs on a runtime of its own; `ready` is told once the ports are open.
pub fn serve(config: &Config, ready: impl FnOnce(&Facts)) -> anyhow::Result<()> {
    rt::System::new().block_on(async {
        // Before anything is announced, so that whoever reads that can already stop us.
        let stop = signals()?;
        let app = App::build(config, &Clock::system(), Bounds::default())?;
        ready(&app.facts);
        app.run(stop).await
    })
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; give `{key}` an address that is free")
    })
}

fn open_store(
    config: &Config,
    clock: &Clock,
    bounds: Bounds,
    metrics: &Metrics,
) -> anyhow::Result<(Store, Opened)> {
    let options = StoreOptions {
        metrics: metrics.clone(),
        ..store_options(config, clock, bounds)
    };
    let database = config.database.display();
    Store::open(options).with_context(|| format!("cannot open the database {database}"))
}

fn store_options(config: &Config, clock: &Clock, bounds: Bounds) -> StoreOptions {
    StoreOptions {
        path: config.database.clone(),
        purpose: if config.is_try {
            Purpose::Try
        } else {
            Purpose::Record
        },
        inbox_commands_max: bounds.inbox_commands,
        inbox_bytes_max: bounds.inbox_bytes,
        held_bytes_max: bounds.held_bytes,
        answer_within: ANSWER_WITHIN,
        queues: config.queues.clone(),
        workflows: config.workflows.clone(),
        clock: clock.clone(),
        metrics: Metrics::new(),
        free_disk: bounds.free_disk,
    }
}

/// Returns what the configuration says, as far as it is judged by `doctor`, with the addresses that
/// are listened on.
pub fn setup(config: &Config, receiver: SocketAddr, dashboard: SocketAddr) -> Setup {
    let sources = config.sources.iter().map(|source| ConfiguredSource {
        name: source.name.clone(),
        paths: source.paths.clone(),
        owners: source.owners.clone(),
        topics: source.topics.clone(),
    });
    Setup {
        database: config.database.clone(),
        receiver,
        dashboard,
        // Nobody can log in yet.
        has_login: false,
        public_url: config.public_url.clone(),
        sources: sources.collect(),
        date_window_ms: config.date_window_ms,
        is_try: config.is_try,
    }
}

fn verifier_options(
    config: &Config,
    clock: &Clock,
    store: &Store,
    metrics: &Metrics,
) -> anyhow::Result<VerifierOptions> {
    let test_key = if config.is_try {
        let path = test_key_path(&config.database);
        let signer = Signer::from_test_key(&path, TEST_CERTIFICATE_URL)?;
        Some(signer.key.to_public_key())
    } else {
        None
    };
    let kept = store
        .certificates()?
        .into_iter()
        .map(|kept| KnownCertificate {
            url: kept.url,
            bytes: kept.bytes,
            fetched_at: kept.fetched_at,
        });
    Ok(VerifierOptions {
        certificate_urls: config.certificate_urls.clone(),
        date_window_ms: config.date_window_ms,
        proxy: config.proxy.clone(),
        public_prefix: public_prefix(config),
        test_key,
        kept: kept.collect(),
        metrics: metrics.clone(),
        ..VerifierOptions::new(clock.clone())
    })
}

/// Returns the path of the public URL, which a proxy in front may strip.
pub fn public_prefix(config: &Config) -> String {
    let url = config.public_url.as_deref().unwrap_or_default();
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    match rest.find('/') {
        Some(at) => rest.get(at..).unwrap_or_default().to_owned(),
        None => String::new(),
    }
}

fn endpoint(config: &Config, receiver: SocketAddr, path: &str) -> String {
    match &config.public_url {
        Some(url) => format!("{url}{path}"),
        None => format!("http://{}{path}", reachable(receiver)),
    }
}

/// Returns the address under which a program on this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What one listener serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Receiver,
    Dashboard,
    /// Both were given the same address.
    Both,
}

fn servers(
    state: &web::Data<AppState>,
    receiver_listener: TcpListener,
    dashboard_listener: Option<TcpListener>,
) -> io::Result<Vec<Server>> {
    match dashboard_listener {
        None => Ok(vec![server(state, receiver_listener, Role::Both)?]),
        Some(dashboard_listener) => Ok(vec![
            server(state, receiver_listener, Role::Receiver)?,
            server(state, dashboard_listener, Role::Dashboard)?,
        ]),
    }
}

fn server(state: &web::Data<AppState>, listener: TcpListener, role: Role) -> io::Result<Server> {
    let state = state.clone();
    let connections_max = match role {
        Role::Receiver | Role::Both => CONNECTIONS_MAX,
        Role::Dashboard => CONNECTIONS_MAX / 2,
    };
    let server = HttpServer::new(move || {
        let app = ActixApp::new().app_data(state.clone());
        match role {
            Role::Receiver => app.default_service(web::to(receiver::receive)),
            Role::Dashboard => app.service(dashboard::scope()),
            // The receiver first, so that no page can stand where a source's path is.
            Role::Both => app
                .service(receiver::scope(state.clone()))
                .service(dashboard::scope()),
        }
    });
    let server = if role == Role::Receiver {
        server
    } else {
        server.on_connect(Peer::keep)
    };
    let server = server
        .disable_signals()
        .workers(WORKERS)
        .max_connections(connections_max / WORKERS)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(STOP_TIMEOUT_S)
        // A viewer who leaves is noticed at once. A sender may say that nothing more comes.
        .h1_allow_half_closed(role != Role::Dashboard);
    Ok(server.listen(listener)?.run())
}

fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Returns a wish to stop for each SIGINT and SIGTERM from now on.
fn signals() -> anyhow::Result<mpsc::Receiver<()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let (wish, stop) = mpsc::channel(2);
    rt::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if wish.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(stop)
}
