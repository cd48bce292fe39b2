//! Rebuilds a database that no server has open.

use std::ops::ControlFlow;

use anyhow::Context;
use tokio::runtime::Builder;

use crate::app::bounds::Bounds;
use crate::app::options::store_options;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::rebuild::{Progress, Rebuild, RebuildReport};
use crate::store::Store;
use crate::store::restore::require_there;

/// Rebuilds a database that no server has open, on a runtime of its own. Does not make one.
pub fn run(
    config: &Config,
    dry_run: bool,
    mut progress: impl FnMut(&Progress),
) -> anyhow::Result<RebuildReport> {
    let database = config.database.display();
    require_there(&config.database)?;
    let (store, _) = Store::open(store_options(config, &Clock::system(), Bounds::default()))
        .with_context(|| format!("cannot open the database {database}"))?;
    let sources = store
        .register_sources(config.sources.clone())
        .context("cannot write the sources to the database")?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let rebuild = Rebuild::alone(store.clone(), sources).run(dry_run, |done| {
        progress(done);
        ControlFlow::Continue(())
    });
    let report = runtime.block_on(rebuild);
    store.close();
    report.with_context(|| format!("cannot rebuild {database}; what was done stays, run it again"))
}
