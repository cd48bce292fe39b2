//! What a service manager is told (systemd's notify protocol): ready, alive, stopping.
//!
//! Nothing happens where there is none: whether there is, and how often it wants to hear that we
//! live, it says in the environment, which the crate of this protocol reads itself.
//!
//! **Architecture invariant:** the sign of life is given only after the writer has answered since the
//! last one. A server whose pages work and whose writer hangs would be healthy for ever, and lose
//! every push.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{interval, sleep, timeout};

use crate::app::Facts;
use crate::store::Store;
use crate::store::errors::WriteError;

/// What is asked for may be nothing, and a tick of nothing would be a fault.
const SHORTEST: Duration = Duration::from_millis(1);

/// How soon a writer whose inbox is full is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Says that the ports are open and the store takes messages.
pub(super) fn tell_ready(facts: &Facts) {
    let status = format!(
        "receiver on {}, dashboard on {}, database {}",
        facts.receiver,
        facts.dashboard,
        facts.database.display()
    );
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Says that the end has begun, so that nobody takes it for a fault.
pub(super) fn tell_stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping: answering what has come, then closing the database"),
    ]);
}

/// Gives signs of life, three times as often as is asked for, while the writer answers: one may be
/// missing before anybody calls it dead. Ends only if nobody wants them.
pub(super) async fn keep_alive(store: Store) {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return;
    };
    let third = within / 3;
    let mut ticks = interval(third.max(SHORTEST));
    loop {
        ticks.tick().await;
        match timeout(third, writer_answers(&store)).await {
            Ok(true) => tell(&[NotifyState::Watchdog]),
            Ok(false) => tracing::error!("the writer has ended: no sign of life is given"),
            Err(_) => tracing::error!(
                "the writer has not answered for {} s: no sign of life is given",
                third.as_secs_f32()
            ),
        }
    }
}

/// Waits until the writer has done something; `false` if it never will.
async fn writer_answers(store: &Store) -> bool {
    let changes = store.changes();
    let before = changes.latest();
    loop {
        match store.ask_for_life().await {
            Ok(()) => return true,
            // A writer that commits what fills its inbox lives.
            Err(WriteError::Busy) if changes.latest() != before => return true,
            Err(WriteError::Busy) => sleep(ASK_AGAIN_AFTER).await,
            Err(_) => return false,
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how we are");
    }
}
