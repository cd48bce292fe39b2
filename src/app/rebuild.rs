//! Rebuilds a database that no server has open.

use std::ops::ControlFlow;

use anyhow::Context;

use crate::app::alone;
use crate::config::Config;
use crate::ingest::rebuild::report::RebuildReport;
use crate::ingest::rebuild::{Progress, Rebuild};

/// Rebuilds a database that no server has open, on a runtime of its own. Does not make one.
pub fn run(
    config: &Config,
    dry_run: bool,
    mut progress: impl FnMut(&Progress),
) -> anyhow::Result<RebuildReport> {
    let (store, sources) = alone::open_with_sources(config)?;
    let rebuild = Rebuild::alone(store.clone(), sources).run(dry_run, |done| {
        progress(done);
        ControlFlow::Continue(())
    });
    let report = alone::finish(&store, rebuild)?;
    let database = config.database.display();
    report.with_context(|| format!("cannot rebuild {database}; what was done stays, run it again"))
}
