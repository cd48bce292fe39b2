//! The store in this process, with nothing in front of it: what its one writer thread can do.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpsink::clock::{Clock, Timestamp};
use mpsink::metrics::Metrics;
use mpsink::notification::source::Source;
use mpsink::store::options::{Purpose, SourceRule, StoreOptions};
use mpsink::store::{Arrival, Store, disk};
use tokio::runtime::{Builder, Runtime};

use anyhow::Context;

use crate::bare::arrivals;

/// Pushes in one transaction.
pub(crate) const BATCH: usize = 256;

/// Opens or makes a database of one source, as a server does.
pub(crate) fn open(path: &Path) -> anyhow::Result<(Store, Source)> {
    let (store, _) = Store::open(StoreOptions {
        path: path.to_owned(),
        purpose: Purpose::Record,
        inbox_commands_max: 1_024,
        inbox_bytes_max: 64 * 1024 * 1024,
        held_bytes_max: 64 * 1024 * 1024,
        answer_within: Duration::from_secs(60),
        queues: Vec::new(),
        workflows: Vec::new(),
        clock: Clock::system(),
        metrics: Metrics::new(),
        free_disk: disk::free,
    })?;
    let rule = SourceRule {
        name: "default".to_owned(),
        ..SourceRule::default()
    };
    let source = store.register_sources(vec![rule])?.pop();
    Ok((store, source.context("a source")?))
}

pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_time().build()?)
}

/// Stores prepared requests in batches, each a transaction of its own, and returns how many a second.
/// Parsing is not in it; folding, hashing and statements are.
pub(crate) fn measure(requests: &[Vec<u8>], now: Timestamp) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let (store, source) = open(&folder.path().join("mpsink.db"))?;
    let mut arrivals = arrivals::read(requests, &source, now)?;
    let mut batches = Vec::new();
    while !arrivals.is_empty() {
        let rest = arrivals.split_off(arrivals.len().min(BATCH));
        batches.push(Arc::new(arrivals));
        arrivals = rest;
    }
    let runtime = runtime()?;
    let began = Instant::now();
    for batch in &batches {
        runtime.block_on(store.import(Arc::clone(batch)))?;
    }
    let took = began.elapsed();
    store.close();
    Ok(f64::from(u32::try_from(requests.len())?) / took.as_secs_f64())
}

/// Returns how many bytes on disk a push of a single job takes with all its rows and indexes.
pub(crate) fn bytes_a_job(requests: &[Vec<u8>], now: Timestamp) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mpsink.db");
    let (store, source) = open(&path)?;
    store.close();
    let before = path.metadata()?.len();
    let mut arrivals = arrivals::read(requests, &source, now)?;
    arrivals.retain(is_of_a_job);
    let (store, _) = open(&path)?;
    let stored = runtime()?
        .block_on(store.import(Arc::new(arrivals)))?
        .stored;
    store.close();
    let bytes = path.metadata()?.len() - before;
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(u32::try_from(stored)?))
}

fn is_of_a_job(arrival: &Arrival) -> bool {
    arrival.notification.topic.as_deref() == Some("mps-std")
}
