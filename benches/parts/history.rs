//! Pages and downloads of 10,000 jobs.

use anyhow::ensure;
use criterion::{Criterion, SamplingMode, Throughput};
use mpsink::clock::Clock;
use mpsink::export::{Export, Format, Options, Selection, Step};
use mpsink::store::Store;
use mpsink::store::filters::{EventFilter, JobFilter};
use tokio::runtime;

use crate::fixtures::History;
use crate::load::server::{CertificateHost, Server};
use crate::load::wire::{Connection, get};

const PAGES: [&str; 5] = ["/", "/jobs", "/jobs.json", "/runs", "/connect"];

const FORMATS: [(&str, Format); 2] = [("csv", Format::Csv), ("ndjson", Format::JsonLines)];

pub(crate) fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let history = History::make()?;
    measure_rows(criterion, &history)?;
    measure_pages(criterion, &history)
}

/// Pages from the real server over a kept connection: asked for, read, rendered, sent.
fn measure_pages(criterion: &mut Criterion, history: &History) -> anyhow::Result<()> {
    let certificates = CertificateHost::start()?;
    let server = Server::start(None, Some(&history.path), &certificates)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut connection = runtime.block_on(Connection::to(server.dashboard))?;
    let mut group = criterion.benchmark_group("page");
    group.sampling_mode(SamplingMode::Flat);
    for page in PAGES {
        let request = get(server.dashboard, page, "");
        let status = runtime.block_on(connection.exchange(&request))?;
        ensure!(status == 200, "{page}: {status}");
        group.bench_function(page, |bencher| {
            bencher.iter(|| runtime.block_on(connection.exchange(&request)));
        });
    }
    group.finish();
    Ok(())
}

/// Rows of downloads, read and written, without HTTP.
fn measure_rows(criterion: &mut Criterion, history: &History) -> anyhow::Result<()> {
    let store = Store::open_reading(&history.path, Vec::new(), Clock::system())?;
    let lists = [
        ("jobs", Selection::Jobs(JobFilter::default())),
        ("events", Selection::Events(EventFilter::default())),
    ];
    let mut group = criterion.benchmark_group("rows");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (list, selection) in &lists {
        for (ending, format) in FORMATS {
            let rows = export(&store, selection, format)?;
            group.throughput(Throughput::Elements(rows));
            group.bench_function(format!("{list}.{ending}"), |bencher| {
                bencher.iter(|| export(&store, selection, format).is_ok());
            });
        }
    }
    group.finish();
    Ok(())
}

fn export(store: &Store, selection: &Selection, format: Format) -> anyhow::Result<u64> {
    let mut export = Export::begin(store, selection.clone(), Options::of(format))?;
    while export.step(store)? != Step::End {}
    Ok(export.rows())
}
