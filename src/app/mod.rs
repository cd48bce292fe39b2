//! Builds everything from a [`Config`], runs it, and stops it in order.
//!
//! The program and its tests start the same way: [`App::build`] binds the ports and opens the
//! store, [`App::run`] serves until it is told to stop. Stopping goes step by step: those
//! who listen are let go, no new connections, the requests under way are answered (`ending.rs`), the writer commits
//! what is in its inbox, the log is checkpointed. A second Ctrl-C leaves at once; what was acknowledged is on disk anyway.
//!
//! `sockets.rs` takes ports that are open already, `manager.rs` tells a service manager how we are;
//! `demo.rs`, `rebuild.rs`, `import.rs` and `prune.rs` work on a database without any server (`alone.rs`); `living.rs` serves a made-up
//! platform.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{rt, web};
use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::app::bounds::Bounds;
use crate::app::ending::Ending;
use crate::app::options::{
    access, endpoint, open_store, random_hex, reachable, setup, verifier_options,
};
use crate::app::prune::{PruneTimes, keep_pruning};
use crate::app::servers::{Servers, servers};
use crate::app::sockets::Sockets;
use crate::causes::chain;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::gather::SyncLook;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::notification::source::masked;
use crate::signature::Verifier;
use crate::store::Store;
use crate::store::lock::Running;
use crate::store::options::Purpose;
use crate::web::downloads::Downloads;
use crate::web::health::LastLook;
use crate::web::live::Live;
use crate::web::receiver::{InFlight, Paths};
use crate::web::requests::RequestIds;
use crate::web::state::AppState;

pub mod bounds;
pub mod demo;
pub mod import;
pub mod living;
pub mod options;
pub mod prune;
pub mod rebuild;
pub mod scratch;
pub mod sockets;

mod alone;
mod ending;
mod manager;
mod quiet;
mod servers;

/// Everything, built and bound but not yet serving.
pub struct App {
    pub facts: Facts,
    store: Store,
    live: Arc<Live>,
    state: web::Data<AppState>,
    prune: PruneTimes,
    servers: Servers,
}

/// What a person or a test wants to know of a server that starts.
#[derive(Clone, Debug)]
pub struct Facts {
    pub receiver: SocketAddr,
    /// The receiver's socket was opened by somebody else and stays open when we end.
    pub receiver_is_handed_over: bool,
    pub dashboard: SocketAddr,
    pub dashboard_is_handed_over: bool,
    /// The URL to register, with the secret path.
    pub endpoint: String,
    /// The same with the secret hidden.
    pub masked_endpoint: String,
    /// The dashboard's URL for a program on this machine, without a slash at its end.
    pub dashboard_url: String,
    /// Absolute.
    pub database: PathBuf,
    pub database_is_new: bool,
}

impl App {
    /// Binds the ports, opens the database and makes everything ready to serve.
    pub fn build(config: &Config, clock: &Clock, bounds: Bounds) -> anyhow::Result<App> {
        App::build_on(Sockets::none(), config, clock, bounds)
    }

    /// The same with ports that are open already; `config` has their addresses.
    pub fn build_on(
        sockets: Sockets,
        config: &Config,
        clock: &Clock,
        bounds: Bounds,
    ) -> anyhow::Result<App> {
        let listeners = sockets.open_others(config)?;
        let receiver = listeners.receiver.local_addr()?;
        let dashboard = match &listeners.dashboard {
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
            receiver_is_handed_over: listeners.receiver_is_handed_over,
            dashboard,
            dashboard_is_handed_over: listeners.dashboard_is_handed_over,
            endpoint: endpoint(config, receiver, first_path),
            masked_endpoint: endpoint(config, receiver, &masked(first_path)),
            dashboard_url: format!("http://{}{}", reachable(dashboard), config.base_path),
            database: std::path::absolute(&config.database)?,
            database_is_new: opened.is_new,
        };
        let control_key = random_hex()?;
        announce(&store, &facts, first_path, &control_key)?;

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
            retention: config.retention,
            endpoint: facts.endpoint.clone(),
            has_public_url: config.public_url.is_some(),
            access: access(config, clock, bounds, &control_key)?,
            trusted_proxies: config.trusted_proxies.clone(),
            base_path: config.base_path.clone(),
            zone: config.timezone,
            is_test: config.is_try,
        });
        Ok(App {
            servers: servers(&state, listeners.receiver, listeners.dashboard)?,
            facts,
            store,
            live,
            state,
            prune: bounds.prune,
        })
    }

    /// Serves until the first wish in `stop` comes, or the writer ends by a fault, which is an
    /// error: a server that cannot write must not look healthy. A second wish leaves at once.
    pub async fn run(self, mut stop: mpsc::Receiver<()>) -> anyhow::Result<()> {
        if let Err(error) = self.store.begin_lifetime(env!("CARGO_PKG_VERSION")).await {
            // It is written with the next commit; what stands in its way, stands in that of pushes.
            tracing::warn!(
                error = chain(&error),
                "cannot write that the server has started"
            );
        }
        let Servers {
            receiver,
            connections,
            dashboard,
        } = self.servers;
        let ending = Ending {
            live: self.live,
            store: self.store.clone(),
            receiver: receiver.handle(),
            receiver_stays: self.facts.receiver_is_handed_over,
            connections,
            dashboard: dashboard.as_ref().map(Server::handle),
        };
        rt::spawn(receiver);
        if let Some(dashboard) = dashboard {
            rt::spawn(dashboard);
        }
        manager::tell_ready(&self.facts);
        rt::spawn(manager::keep_alive(self.store.clone()));
        if self.store.purpose() == Purpose::Record {
            let ingest = Arc::clone(&self.state.ingest);
            rt::spawn(async move { ingest.verifier().warm_up().await });
        }

        let store = self.store.clone();
        let finishing = rt::spawn(async move { store.finish_migrations().await });
        let pruning = {
            let ingest = Arc::clone(&self.state.ingest);
            rt::spawn(keep_pruning(ingest, self.state.retention, self.prune))
        };
        let fault = tokio::select! {
            _ = stop.recv() => None,
            result = self.store.ended() => result.err(),
        };
        // First, since nobody waits for their end.
        pruning.abort();
        finishing.abort();
        self.state.downloads.stop();
        tokio::select! {
            result = ending.stop_in_order(fault.is_none()) => result?,
            Some(()) = stop.recv() => bail!("left at once; what was acknowledged is on disk"),
        }
        match fault {
            Some(fault) => bail!("the writer has ended: {fault}"),
            None => Ok(()),
        }
    }
}

/// Builds and runs on a runtime of its own; `ready` is told once the ports are open.
/// Takes the sockets that a service manager hands over.
pub fn serve(config: &Config, ready: impl FnOnce(&Facts)) -> anyhow::Result<()> {
    // Before the runtime, which has threads.
    let sockets = Sockets::handed_over()?;
    let config = config
        .listening_at(sockets.receiver_address()?, sockets.dashboard_address()?)
        .context("cannot listen on the socket that was handed over")?;
    rt::System::new().block_on(async {
        // Before anything is announced, so that whoever reads that can already stop us.
        let stop = signals()?;
        let app = App::build_on(sockets, &config, &Clock::system(), Bounds::default())?;
        ready(&app.facts);
        app.run(stop).await
    })
}

/// Says in the lock file how commands on this machine reach the server.
fn announce(store: &Store, facts: &Facts, first_path: &str, key: &str) -> anyhow::Result<()> {
    let running = Running {
        pid: std::process::id(),
        endpoint: format!("http://{}{first_path}", reachable(facts.receiver)),
        dashboard: facts.dashboard_url.clone(),
        key: key.to_owned(),
    };
    let announced = store.announce(&running);
    announced.context("cannot write the lock file beside the database")
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
