//! `?wait=30` on the JSON of a job or run: the answer comes when it has ended, or after so many
//! seconds as it is then.
//!
//! What is not there yet is waited for as well, since whoever submitted a job knows its id before the
//! first push about it comes; it is 404 only after the wait. Nothing of the store is held while
//! waiting: each look is a read of its own, behind a commit, and at most four times a second.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::store::Store;
use crate::store::errors::ReadError;
use crate::web::error::PageError;
use crate::web::reads::read;
use crate::web::state::AppState;

/// The most seconds that one may ask for: proxies and clients give up after a minute.
pub const WAIT_MAX_S: u64 = 60;

/// The shortest time between two looks: with many who wait and many pushes, pages need the readers
/// as well.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Reads with `find` until `has_ended` holds of what it found, or `wait` is over, or the server
/// stops; without `wait` once. Beyond the bound on those who wait it is an error, unless there is
/// nothing to wait for.
pub async fn read_when<T, F>(
    state: &AppState,
    wait: Option<Duration>,
    find: F,
    has_ended: impl Fn(&T) -> bool,
) -> Result<T, PageError>
where
    T: Send + 'static,
    F: Fn(&Store) -> Result<T, ReadError> + Clone + Send + 'static,
{
    let mut changes = state.live.changes();
    let mut seen = changes.latest();
    let found = read(state, find.clone()).await?;
    let Some(wait) = wait.filter(|_| !has_ended(&found)) else {
        return Ok(found);
    };
    let deadline = Instant::now() + wait;
    let mut place = state.live.waiter()?;
    let mut found = found;
    let mut next_look = Instant::now();
    loop {
        let change = async {
            sleep_until(next_look).await;
            changes.other_than(seen).await
        };
        let change = tokio::select! {
            () = place.ended() => return Ok(found),
            change = timeout_at(deadline, change) => change,
        };
        match change {
            Ok(Some(commit)) => seen = commit,
            // The writer has ended: nothing comes any more.
            Ok(None) => return Ok(found),
            // Something may have come just before.
            Err(_) if changes.latest() == seen => return Ok(found),
            Err(_) => return read(state, find).await,
        }
        found = read(state, find.clone()).await?;
        if has_ended(&found) {
            return Ok(found);
        }
        next_look = Instant::now() + LOOK_EVERY;
    }
}
