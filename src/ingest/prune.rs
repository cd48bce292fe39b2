//! `mpsink prune`, and what the server does by itself each hour: age takes things away, piece by piece,
//! through the same writer as the pushes.
//!
//! One piece is in the inbox at a time, so a push waits for one piece at most, and behind each there is
//! a rest while pushes wait (`rests.rs`). It goes by the time from asking for the piece to its end, with
//! all that was written before it: what a piece takes away lies on pages of its own everywhere in the
//! database, and moving them from the log, which nobody is told the time of, makes the next one late.
//! While nobody pushes, and without a server, there is no rest.
//!
//! It may be left at any piece and begun again: what is gone is gone, and the next run goes on behind
//! it. Only one goes on at a time; a rebuild or an import may go on beside it, since each piece leaves
//! rows that are what their events say.
//!
//! **Architecture invariant:** by itself the server counts ages from no later than a week after the
//! newest delivery, so that a clock that has jumped ahead takes little: a push is let in only while the
//! clock agrees with the sender's. A person is believed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, Timestamp};
use crate::ingest::Ingest;
use crate::ingest::rebuild::{patiently, read_patiently};
use crate::ingest::rests::Rests;
use crate::store::Store;
use crate::store::errors::{ReadError, WriteError};
use crate::store::retention::kept::Retention;
use crate::store::retention::{Horizons, Piece, Reached, Step, Taken, Walk};

/// How far beyond the newest delivery the server believes its clock: a week of silence is not rare, and
/// a week more or less of months of history is no loss.
const SILENCE_BELIEVED_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// A prune that may begin: there is no other one.
pub struct Prune {
    store: Store,
    clock: Clock,
    rests: Rests,
    /// Given back when this is dropped; `None` where no server is that pushes come to.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// What a prune is to do.
#[derive(Clone, Copy, Debug)]
pub struct PruneOrder {
    pub retention: Retention,
    /// Nothing is written; only what would go is reported.
    pub dry_run: bool,
    /// Nobody looks: the clock is believed only so far.
    pub is_by_itself: bool,
}

/// How far a prune has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneProgress {
    pub taken: Taken,
}

/// What went, or of a dry run would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneReport {
    pub dry_run: bool,
    /// Before when messages go; `None` if they stay for ever.
    pub messages_before: Option<Timestamp>,
    /// Before when history goes; `None` if it stays for ever.
    pub history_before: Option<Timestamp>,
    pub taken: Taken,
    /// When the oldest delivery was received that is here at the end.
    pub oldest_at: Option<Timestamp>,
    pub duration_ms: u64,
}

impl PruneReport {
    /// Logs each number under its name.
    pub fn log(&self) {
        let told = |at: Option<Timestamp>| at.map(|at| at.to_string());
        tracing::info!(
            what = "prune",
            dry_run = self.dry_run,
            messages_before = told(self.messages_before),
            history_before = told(self.history_before),
            emptied = self.taken.emptied,
            deliveries = self.taken.deliveries,
            events = self.taken.events,
            jobs = self.taken.jobs,
            runs = self.taken.runs,
            activities = self.taken.activities,
            too_large = self.taken.too_large,
            bytes = self.taken.bytes,
            oldest_at = told(self.oldest_at),
            duration_ms = self.duration_ms,
            "what was too old has been looked for"
        );
    }
}

/// Why a prune did not come to its end. What is gone by then is gone, and it can be begun again.
#[derive(Debug, Error)]
pub enum PruneError {
    #[error("nobody is waiting for the prune any more")]
    Left,
    #[error("cannot read what is kept")]
    Read(#[from] ReadError),
    #[error("cannot take away what is old")]
    Write(#[from] WriteError),
}

impl Ingest {
    /// Waits for the turn of the one prune that there may be at a time.
    pub async fn begin_prune(&self) -> Prune {
        let turn = Arc::clone(&self.pruning).lock_owned().await;
        Prune {
            store: self.store.clone(),
            clock: self.clock.clone(),
            rests: self.rests.clone(),
            _turn: Some(turn),
        }
    }
}

impl Prune {
    /// A prune of a store that no server serves.
    pub fn alone(store: Store, clock: Clock) -> Prune {
        Prune {
            store,
            clock,
            rests: Rests::default(),
            _turn: None,
        }
    }

    /// Runs to the end. `progress` is told of each piece, and may break off behind it.
    pub async fn run(
        self,
        order: PruneOrder,
        mut progress: impl FnMut(&PruneProgress) -> ControlFlow<()>,
    ) -> Result<PruneReport, PruneError> {
        let began = Instant::now();
        let horizons = order.retention.horizons(self.now(order).await?);
        let mut taken = Taken::default();
        let walk = Walk::default();
        for step in Step::ALL {
            let mut after = None;
            loop {
                let piece = if order.dry_run {
                    let walk = walk.clone();
                    let find =
                        move |store: &Store| store.find_to_prune(step, horizons, after, &walk);
                    read_patiently(&self.store, find).await?
                } else {
                    self.take(step, horizons, after, &walk).await?
                };
                taken.add(piece.taken);
                after = piece.next;
                if after.is_none() {
                    break;
                }
                if progress(&PruneProgress { taken }).is_break() {
                    return Err(PruneError::Left);
                }
            }
        }
        let bounds = read_patiently(&self.store, Store::received_bounds).await?;
        let Horizons { messages, history } = horizons;
        Ok(PruneReport {
            dry_run: order.dry_run,
            messages_before: messages,
            history_before: history,
            taken,
            oldest_at: bounds.map(|(oldest, _)| oldest),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn take(
        &self,
        step: Step,
        horizons: Horizons,
        after: Option<Reached>,
        walk: &Walk,
    ) -> Result<Piece, WriteError> {
        let begun = self.rests.begin();
        let piece = patiently(async || self.store.prune(step, horizons, after, walk).await).await?;
        if piece.next.is_some() {
            begun.rest().await;
        }
        Ok(piece)
    }

    /// Returns from when ages are counted.
    async fn now(&self, order: PruneOrder) -> Result<Timestamp, PruneError> {
        let now = self.clock.now();
        if !order.is_by_itself {
            return Ok(now);
        }
        let bounds = read_patiently(&self.store, Store::received_bounds).await?;
        let believed = bounds.map(|(_, newest)| newest.plus_ms(SILENCE_BELIEVED_MS));
        Ok(believed.map_or(now, |believed| now.min(believed)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use tokio::runtime::Builder;

    use crate::metrics::{Metrics, Snapshot};
    use crate::notification::delivery::{Delivery, Headers};
    use crate::signature::{Verifier, VerifierOptions};
    use crate::store::disk;
    use crate::store::options::{Purpose, SourceRule, StoreOptions};
    use crate::store::retention::kept::Kept;

    use super::*;

    const NOON: Timestamp = Timestamp(1_714_982_400_000);
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn begin(folder: &Path, metrics: &Metrics) -> (Ingest, Delivery) {
        let clock = Clock::standing_at(NOON.plus_ms(100 * DAY_MS));
        let options = StoreOptions {
            path: folder.join("mpsink.db"),
            purpose: Purpose::Try,
            inbox_commands_max: 64,
            inbox_bytes_max: 1024 * 1024,
            held_bytes_max: 1024 * 1024,
            answer_within: Duration::from_secs(60),
            queues: Vec::new(),
            workflows: Vec::new(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            free_disk: disk::free,
        };
        let (store, _) = Store::open(options).unwrap();
        let rule = SourceRule {
            name: "default".to_owned(),
            ..SourceRule::default()
        };
        let sources = store.register_sources(vec![rule]).unwrap();
        let mut headers = Headers::default();
        headers.add("x-mns-topic-owner", "1001");
        headers.add("x-mns-topic-name", "t");
        let delivery = Delivery {
            source: sources[0].id,
            target: "/n".to_owned(),
            headers,
            body: Vec::new(),
            received_at: NOON,
        };
        let options = VerifierOptions {
            metrics: metrics.clone(),
            ..VerifierOptions::new(clock.clone())
        };
        let verifier = Verifier::new(options).unwrap();
        let ingest = Ingest::new(store, verifier, &sources, clock).unwrap();
        (ingest, delivery)
    }

    async fn prune(ingest: &Ingest, messages_ms: i64) -> u64 {
        let order = PruneOrder {
            retention: Retention {
                messages: Kept::For(messages_ms),
                history: Kept::Forever,
            },
            dry_run: false,
            is_by_itself: false,
        };
        let prune = ingest.begin_prune().await;
        let report = prune.run(order, |_| ControlFlow::Continue(())).await;
        report.unwrap().taken.emptied
    }

    #[test]
    fn each_piece_is_followed_by_a_rest_while_a_push_waits_and_by_none_else() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new();
        let (ingest, delivery) = begin(folder.path(), &metrics);
        let rested = || {
            let scrape = metrics.encode(&Snapshot::default());
            let found = scrape.lines().find_map(|line| {
                let seconds = line.strip_prefix("mpsink_rested_seconds_total ")?;
                seconds.parse::<f64>().ok()
            });
            found.unwrap()
        };
        let run = async {
            for day in 0..2 {
                let mut delivery = delivery.clone();
                delivery.body = format!(r#"{{"jobId":"{day}","state":"Success"}}"#).into();
                delivery.received_at = NOON.plus_ms(day * DAY_MS);
                ingest.take_made_up(delivery).await.unwrap();
            }
            assert_eq!(prune(&ingest, 100 * DAY_MS - 1).await, 1);
            assert!(rested() <= 0.0);
            let waits = ingest.rests.push_waits();
            assert_eq!(prune(&ingest, 99 * DAY_MS - 1).await, 1);
            assert!(rested() > 0.0);
            drop(waits);
        };
        let runtime = Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(run);
    }
}
