//! What each part is given: its own options, made of the configuration.
//!
//! Nothing below `app` reads the configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;

use crate::app::bounds::Bounds;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{ConfiguredSource, Setup};
use crate::metrics::Metrics;
use crate::push::{Signer, test_key_path};
use crate::signature::certificates::KnownCertificate;
use crate::signature::{TEST_CERTIFICATE_URL, VerifierOptions};
use crate::store::Store;
use crate::store::options::{Opened, Purpose, StoreOptions};
use crate::web::access::Access;

/// How long a push waits for its commit: SMQ hangs up after 5 s, and what came before the wait and
/// the answer need the rest.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Opens the database as a server does.
pub(super) fn open_store(
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

/// Returns what the database is opened with, by a server or by a command in its place.
pub(super) fn store_options(config: &Config, clock: &Clock, bounds: Bounds) -> StoreOptions {
    StoreOptions {
        path: config.database.clone(),
        purpose: purpose(config),
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

/// Returns what the database is for.
pub fn purpose(config: &Config) -> Purpose {
    if config.is_try {
        Purpose::Try
    } else {
        Purpose::Record
    }
}

/// Returns who may log in. The key for what is remembered is new at each start.
pub(super) fn access(
    config: &Config,
    clock: &Clock,
    bounds: Bounds,
    control_key: &str,
) -> anyhow::Result<Access> {
    Ok(Access::new(
        config.access.clone(),
        bounds.access,
        control_key,
        random_bytes()?,
        clock.clone(),
    ))
}

/// Returns what the configuration says, as far as it is judged by `doctor`, with the addresses that
/// are listened on.
pub fn setup(config: &Config, receiver: SocketAddr, dashboard: SocketAddr) -> Setup {
    let sources = config.sources.iter().map(|source| ConfiguredSource {
        name: source.name.clone(),
        paths: source.paths.clone(),
        owners: source.owners.clone(),
        topics: source.topics.clone(),
        retry_policy: source.retry_policy,
    });
    Setup {
        database: config.database.clone(),
        receiver,
        dashboard,
        has_login: config.access.has_login(),
        public_url: config.public_url.clone(),
        sources: sources.collect(),
        date_window_ms: config.date_window_ms,
        is_try: config.is_try,
    }
}

/// Returns what pushes are believed by.
pub(super) fn verifier_options(
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

/// Returns the URL to register for a path.
pub(super) fn endpoint(config: &Config, receiver: SocketAddr, path: &str) -> String {
    match &config.public_url {
        Some(url) => format!("{url}{path}"),
        None => format!("http://{}{path}", reachable(receiver)),
    }
}

/// Returns the address under which a program on this machine reaches a listener.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns 128 random bits.
pub(super) fn random_hex() -> anyhow::Result<String> {
    Ok(format!("{:032x}", u128::from_be_bytes(random_bytes()?)))
}

pub(super) fn random_bytes<const LENGTH: usize>() -> anyhow::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}
