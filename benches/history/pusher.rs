//! Pushes that come in at a rate while something else is measured.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use mpsink::clock::Clock;
use serde::Serialize;

use crate::load::drive::{self, Load, Supply};
use crate::load::latencies::Summary;
use crate::load::pushes::{self, Addressee};
use crate::load::server::Server;

/// For so long pushes are prepared; what is measured has to be done by then.
const LASTS_MAX: Duration = Duration::from_secs(180);

/// Pushes are due one by one on so many connections, like SMQ's.
const CONNECTIONS: usize = 64;

/// What came in while something was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pushed {
    pub(crate) rate: u32,
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

/// Does `work` while pushes come in, if there are to be some.
pub(crate) fn meanwhile<T>(
    server: &Server,
    rate: Option<u32>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Option<Pushed>)> {
    let Some(rate) = rate else {
        return Ok((work()?, None));
    };
    let now = Clock::system().now();
    let to = Addressee {
        target: &server.target,
        signer: &server.signer,
    };
    let number = u64::from(rate) * LASTS_MAX.as_secs();
    let seed = now.0.unsigned_abs();
    let requests = pushes::prepare(&to, usize::try_from(number)?, seed, now)?;
    let stop = Arc::new(AtomicBool::new(false));
    let load = Load {
        connections: CONNECTIONS,
        rate: Some(rate),
        lasts: LASTS_MAX,
        stop: Arc::clone(&stop),
    };
    let address = server.receiver;
    let pusher = thread::spawn(move || {
        let supply = Rc::new(Supply::new(Rc::new(requests)));
        drive::run(address, &supply, load)
    });
    let done = work();
    let was_in_time = !pusher.is_finished();
    stop.store(true, Ordering::Relaxed);
    let summary = pusher
        .join()
        .map_err(|_| anyhow!("the pusher has panicked"))??;
    ensure!(was_in_time, "the pushes ended before the work did");
    Ok((done?, Some(Pushed { rate, summary })))
}
