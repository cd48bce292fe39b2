//! Works on a database that no server has open, in a server's place: what `mpsink rebuild`, `import`
//! and `prune` have in common.
//!
//! Deliberately not here: making a database, since there would be nothing to work on.

use anyhow::Context;
use tokio::runtime::Builder;

use crate::app::bounds::Bounds;
use crate::app::options::store_options;
use crate::clock::Clock;
use crate::config::Config;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::restore::require_there;

/// Opens the database that is there.
pub(super) fn open(config: &Config, clock: &Clock) -> anyhow::Result<Store> {
    let database = config.database.display();
    require_there(&config.database)?;
    let (store, _) = Store::open(store_options(config, clock, Bounds::default()))
        .with_context(|| format!("cannot open the database {database}"))?;
    Ok(store)
}

/// The same, and returns its sources as they are configured now.
pub(super) fn open_with_sources(config: &Config) -> anyhow::Result<(Store, Vec<Source>)> {
    let store = open(config, &Clock::system())?;
    let sources = store
        .register_sources(config.sources.clone())
        .context("cannot write the sources to the database")?;
    Ok((store, sources))
}

/// Waits for `work` on a runtime of its own, and closes the store behind it.
pub(super) fn finish<T>(store: &Store, work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let done = runtime.block_on(work);
    store.close();
    Ok(done)
}
