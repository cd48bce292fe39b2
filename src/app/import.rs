//! Imports into a database that no server has open.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;

use crate::app::alone;
use crate::config::Config;
use crate::ingest::import::{Import, ImportProgress, ImportReport};

/// Imports `other` into a database that no server has open, on a runtime of its own. Does not make
/// one.
pub fn run(
    config: &Config,
    other: PathBuf,
    mut progress: impl FnMut(&ImportProgress),
) -> anyhow::Result<ImportReport> {
    let (store, sources) = alone::open_with_sources(config)?;
    let import = Import::alone(store.clone(), sources).run(other, |done| {
        progress(done);
        ControlFlow::Continue(())
    });
    let report = alone::finish(&store, import)?;
    report.context("not imported; what was done stays, and it can be begun again")
}
