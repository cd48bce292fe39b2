//! Imports into a database that no server has open.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use tokio::runtime::Builder;

use crate::app::bounds::Bounds;
use crate::app::options::store_options;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::import::{Import, ImportProgress, ImportReport};
use crate::store::Store;
use crate::store::restore::require_there;

/// Imports `other` into a database that no server has open, on a runtime of its own. Does not make
/// one.
pub fn run(
    config: &Config,
    other: PathBuf,
    mut progress: impl FnMut(&ImportProgress),
) -> anyhow::Result<ImportReport> {
    let database = config.database.display();
    require_there(&config.database)?;
    let (store, _) = Store::open(store_options(config, &Clock::system(), Bounds::default()))
        .with_context(|| format!("cannot open the database {database}"))?;
    let sources = store
        .register_sources(config.sources.clone())
        .context("cannot write the sources to the database")?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let import = Import::alone(store.clone(), sources).run(other, |done| {
        progress(done);
        ControlFlow::Continue(())
    });
    let report = runtime.block_on(import);
    store.close();
    report.context("not imported; what was done stays, and it can be begun again")
}
