//! Folding and storing: pushes of the load generator's mix in one transaction, on disk at its end.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use mpsink::clock::Clock;
use mpsink::notification::source::Source;
use mpsink::push::Signer;
use mpsink::store::Arrival;

use crate::bare::arrivals;
use crate::bare::writer::{self, runtime};
use crate::fixtures;
use crate::load::pushes::{self, Addressee};

const BATCHES: [usize; 4] = [1, 16, 256, 1024];

pub(crate) fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (store, source) = writer::open(&folder.path().join("mpsink.db"))?;
    let (runtime, signer) = (runtime()?, fixtures::signer()?);
    let seed = Cell::new(0);
    let mut group = criterion.benchmark_group("fold and append");
    group
        .sample_size(20)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(5));
    for pushes in BATCHES {
        group.throughput(Throughput::Elements(pushes as u64));
        group.bench_function(BenchmarkId::from_parameter(pushes), |bencher| {
            bencher.iter_batched(
                || {
                    seed.set(seed.get() + 1);
                    prepare(pushes, seed.get(), &source, &signer)
                },
                // `None` would be a benchmark of nothing, which its figure tells.
                |batch| batch.map(|batch| runtime.block_on(store.import(batch))),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    store.close();
    Ok(())
}

fn prepare(
    number: usize,
    seed: u64,
    source: &Source,
    signer: &Signer,
) -> Option<Arc<Vec<Arrival>>> {
    let now = Clock::system().now();
    let to = Addressee {
        target: "/",
        signer,
    };
    let requests = pushes::prepare(&to, number, seed, now).ok()?;
    Some(Arc::new(arrivals::read(&requests, source, now).ok()?))
}
