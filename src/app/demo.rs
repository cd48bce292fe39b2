//! Makes a database of made-up pushes, without any server.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::app::bounds::Bounds;
use crate::clock::Clock;
use crate::demo::Scenario;
use crate::ingest::{Ingest, Outcome};
use crate::metrics::Metrics;
use crate::notification::source::Source;
use crate::push::build_unsigned;
use crate::signature::{Verifier, VerifierOptions};
use crate::store::Store;
use crate::store::disk;
use crate::store::options::{Purpose, SourceRule, StoreOptions};

/// Made-up pushes on their way into the store at once: while the writer commits one batch, the next
/// ones are made and wait for it.
const DEMO_IN_FLIGHT_MAX: usize = 3_072;

/// How long a made-up push may wait for its commit: nobody gives up waiting for it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(600);

/// What [`make`] has put into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoMade {
    pub jobs: u64,
    /// With the duplicates.
    pub pushes: u64,
    pub duplicates: u64,
    /// The size of the database file.
    pub file_bytes: u64,
}

/// Makes a new database of test pushes at `into` and puts a scenario into it, through everything
/// that real pushes go through but HTTP and the signature; `progress` is told now and then how many
/// jobs have been made up. Fails if the file is there already.
///
/// No queues are configured, since whoever opens the database later would have to configure the
/// same ones: the made-up queues are known by their topics, as they are without configuration.
pub fn make(
    into: &Path,
    scenario: &Scenario,
    progress: impl FnMut(u64),
) -> anyhow::Result<DemoMade> {
    if fs::exists(into)? {
        bail!(
            "{} is there already; name a file that is not",
            into.display()
        );
    }
    let clock = Clock::standing_at(scenario.ends_at);
    let bounds = Bounds {
        // Room for all, so that it is never found full.
        inbox_commands: DEMO_IN_FLIGHT_MAX,
        ..Bounds::default()
    };
    let (store, _) = Store::open(StoreOptions {
        path: into.to_owned(),
        purpose: Purpose::Try,
        inbox_commands_max: bounds.inbox_commands,
        inbox_bytes_max: bounds.inbox_bytes,
        held_bytes_max: bounds.held_bytes,
        answer_within: WRITTEN_WITHIN,
        queues: Vec::new(),
        workflows: Vec::new(),
        clock: clock.clone(),
        metrics: Metrics::new(),
        free_disk: disk::free,
    })?;
    // The source that `serve --try` has without configuration, so that it finds its own.
    let rule = SourceRule {
        name: "default".to_owned(),
        ..SourceRule::default()
    };
    let sources = store.register_sources(vec![rule])?;
    let verifier = Verifier::new(VerifierOptions::new(clock.clone()))?;
    let ingest = Ingest::new(store.clone(), verifier, &sources, clock)?;
    let Some(source) = sources.first() else {
        bail!("the store gave the source no number");
    };
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let made = runtime.block_on(take_all(Arc::new(ingest), source, scenario, progress));
    store.close();
    Ok(DemoMade {
        file_bytes: fs::metadata(into)?.len(),
        ..made?
    })
}

impl DemoMade {
    /// Counts a push that was taken; anything but on disk is our trouble, and ends the demo.
    fn count(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Stored { .. } => {}
            Outcome::Duplicate { .. } => self.duplicates += 1,
            Outcome::Held { .. } | Outcome::Refused { .. } | Outcome::Failed(_) => {
                bail!("cannot store a made-up push ({outcome:?}); is the disk full?");
            }
        }
        self.pushes += 1;
        Ok(())
    }
}

/// Takes a scenario's pushes, many at once, so that the writer commits them in batches.
async fn take_all(
    ingest: Arc<Ingest>,
    source: &Source,
    scenario: &Scenario,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<DemoMade> {
    let target = source.paths.first().map_or("/", String::as_str);
    let mut pushes = scenario.pushes();
    let mut made = DemoMade {
        jobs: 0,
        pushes: 0,
        duplicates: 0,
        file_bytes: 0,
    };
    let mut in_flight = JoinSet::new();
    while let Some(push) = pushes.next() {
        let capture = build_unsigned(&push.content, target, push.received_at)?;
        let delivery = capture.into_delivery(source.id, push.received_at);
        if in_flight.len() >= DEMO_IN_FLIGHT_MAX
            && let Some(taken) = in_flight.join_next().await
        {
            made.count(taken??)?;
            progress(pushes.jobs_made());
        }
        let ingest = Arc::clone(&ingest);
        in_flight.spawn(async move { ingest.take_made_up(delivery).await });
    }
    while let Some(taken) = in_flight.join_next().await {
        made.count(taken??)?;
        progress(pushes.jobs_made());
    }
    made.jobs = pushes.jobs_made();
    Ok(made)
}
