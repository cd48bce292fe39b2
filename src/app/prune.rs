//! Age takes things away: each hour beside the server, and in a database that no server has open.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use crate::app::alone;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::Ingest;
use crate::ingest::prune::{Prune, PruneOrder, PruneProgress, PruneReport};
use crate::store::retention::kept::Retention;

/// When the server takes away what is old.
#[derive(Clone, Copy, Debug)]
pub struct PruneTimes {
    /// How long after its start: first come the pushes that were waiting for it.
    pub first_after: Duration,
    pub every: Duration,
}

impl Default for PruneTimes {
    fn default() -> PruneTimes {
        PruneTimes {
            first_after: Duration::from_secs(5 * 60),
            every: Duration::from_secs(60 * 60),
        }
    }
}

/// Takes away what is old, again and again, until it is dropped. What fails is tried again the next
/// time: a full disk may have room by then, and until then nothing is made worse, since what cannot
/// be committed is rolled back.
pub(super) async fn keep_pruning(ingest: Arc<Ingest>, retention: Retention, times: PruneTimes) {
    sleep(times.first_after).await;
    loop {
        let order = PruneOrder {
            retention,
            dry_run: false,
            is_by_itself: true,
        };
        let prune = ingest.begin_prune().await;
        match prune.run(order, |_| ControlFlow::Continue(())).await {
            Ok(PruneReport { taken, .. }) if taken.emptied == 0 && taken.deliveries == 0 => {}
            Ok(report) => report.log(),
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!("what is too old could not be taken away: {error:#}");
            }
        }
        sleep(times.every).await;
    }
}

/// Prunes a database that no server has open, on a runtime of its own. Does not make one.
pub fn run(
    config: &Config,
    order: PruneOrder,
    mut progress: impl FnMut(&PruneProgress),
) -> anyhow::Result<PruneReport> {
    let clock = Clock::system();
    let store = alone::open(config, &clock)?;
    let prune = Prune::alone(store.clone(), clock).run(order, |done| {
        progress(done);
        ControlFlow::Continue(())
    });
    let report = alone::finish(&store, prune)?;
    let database = config.database.display();
    report.with_context(|| format!("cannot prune {database} to the end; run it again"))
}
