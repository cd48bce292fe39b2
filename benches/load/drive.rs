//! Sends prepared pushes over kept connections, from one thread.
//!
//! Closed loop: each connection sends its next push when it has its answer, so the server sets the
//! pace. Open loop: pushes are due at a given rate whatever the server does, and a push's latency
//! counts from when it was due, so that a server that stands still cannot hide what would have come
//! meanwhile. The timer wakes up to a millisecond late, which is part of every figure of the open
//! loop.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use crate::load::latencies::{Noted, Summary};
use crate::load::wire::Connection;

/// Pushes in the order in which they are sent.
pub(crate) struct Supply {
    requests: Rc<Vec<Vec<u8>>>,
    next: Cell<usize>,
    /// Begins again at its end, for those who do not look at what they are sent.
    is_endless: bool,
}

/// How pushes are sent.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Pushes a second; `None` is the closed loop.
    pub(crate) rate: Option<u32>,
    pub(crate) lasts: Duration,
    /// Set, it ends earlier.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Supply {
    /// Each once.
    pub(crate) fn new(requests: Rc<Vec<Vec<u8>>>) -> Supply {
        Supply {
            requests,
            next: Cell::new(0),
            is_endless: false,
        }
    }

    /// Over and over.
    pub(crate) fn endless(requests: Rc<Vec<Vec<u8>>>) -> Supply {
        Supply {
            is_endless: true,
            ..Supply::new(requests)
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.requests.len() - self.next.get()
    }

    fn take(&self) -> Option<&[u8]> {
        let mut at = self.next.get();
        if self.is_endless && at == self.requests.len() {
            at = 0;
        }
        let request = self.requests.get(at)?;
        self.next.set(at + 1);
        Some(request)
    }
}

/// Sends until the time is over or no push is left.
pub(crate) fn run(address: SocketAddr, supply: &Rc<Supply>, load: Load) -> io::Result<Summary> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, send_all(address, supply, load))
}

async fn send_all(address: SocketAddr, supply: &Rc<Supply>, load: Load) -> io::Result<Summary> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(Connection::to(address).await?);
    }
    let noted = Rc::new(RefCell::new(Noted::default()));
    let began = Instant::now();
    let sent = Rc::new(Cell::new(0));
    let senders: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            tokio::task::spawn_local(send(
                connection,
                Sender {
                    address,
                    supply: Rc::clone(supply),
                    noted: Rc::clone(&noted),
                    sent: Rc::clone(&sent),
                    began,
                    load: load.clone(),
                },
            ))
        })
        .collect();
    for sender in senders {
        sender.await.map_err(io::Error::other)??;
    }
    let took = began.elapsed();
    Ok(noted.take().summary(took))
}

/// What the connections of one load share.
struct Sender {
    address: SocketAddr,
    supply: Rc<Supply>,
    noted: Rc<RefCell<Noted>>,
    /// How many were due so far.
    sent: Rc<Cell<u32>>,
    began: Instant,
    load: Load,
}

async fn send(mut connection: Connection, sender: Sender) -> io::Result<()> {
    let ends = sender.began + sender.load.lasts;
    loop {
        let due = match sender.load.rate {
            None => Instant::now(),
            Some(rate) => {
                let number = sender.sent.get();
                sender.sent.set(number + 1);
                sender.began + Duration::from_secs(1) * number / rate
            }
        };
        if due >= ends || sender.load.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if sender.load.rate.is_some() {
            sleep_until(due).await;
        }
        let Some(request) = sender.supply.take() else {
            return Ok(());
        };
        let answer = connection.exchange(request).await;
        if let Ok(status) = answer {
            sender.noted.borrow_mut().answer(status, due.elapsed());
        } else {
            sender.noted.borrow_mut().unanswered += 1;
            connection = Connection::to(sender.address).await?;
        }
    }
}
