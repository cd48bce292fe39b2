//! How it ends: those who wait are let go, the servers stop, the writer commits and closes.
//!
//! The HTTP server's own way to stop is too short for a push that must not fail. It closes a
//! connection that has not sent its request yet, and drops those that it has taken from the kernel and
//! not looked at. So the receiver takes no more connections first ([`ServerHandle::pause`]); then what
//! is open is waited for a while, with each answer being the last of its connection, and only what is
//! silent all that time is closed without one. The dashboard stops meanwhile as the HTTP server likes:
//! nobody loses anything when a page is asked for again.
//!
//! What was sent and is not answered by the end is either committed or not there at all, and SMQ sends
//! it again: the writer commits what it was given, whoever still listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web::Data;
use anyhow::Context;
use futures_util::future::join;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::app::manager;
use crate::store::Store;
use crate::web::live::Live;

/// How long a connection may be silent until it is closed without an answer. A push that is sent is
/// here in milliseconds, from a proxy that stands beside; one that waits is waited for no longer, as
/// all of the stopping has 5 s.
const SILENT_MAX: Duration = Duration::from_secs(1);

/// How long it may take from the kernel to a worker: it cannot be seen whether there is still a
/// connection on that way.
const ON_THE_WAY: Duration = Duration::from_millis(200);

/// What has to end.
pub(super) struct Ending {
    pub(super) live: Arc<Live>,
    pub(super) store: Store,
    pub(super) receiver: ServerHandle,
    /// Its socket is open without us.
    pub(super) receiver_stays: bool,
    /// The receiver's.
    pub(super) connections: Arc<Connections>,
    /// `None` if the receiver serves the pages as well.
    pub(super) dashboard: Option<ServerHandle>,
}

impl Ending {
    /// Ends everything. If it is not graceful, nobody is answered any more.
    pub(super) async fn stop_in_order(self, is_graceful: bool) -> anyhow::Result<()> {
        tracing::info!("stopping: the requests under way are answered first");
        manager::tell_stopping();
        self.live.end();
        let receiver = async {
            if is_graceful {
                let all = &self.connections;
                all.end(&self.receiver, self.receiver_stays).await;
            }
            self.receiver.stop(is_graceful).await;
        };
        let dashboard = async {
            if let Some(dashboard) = &self.dashboard {
                dashboard.stop(is_graceful).await;
            }
        };
        // Beside each other, since either may take all the time that there is.
        join(receiver, dashboard).await;
        let closed = tokio::task::spawn_blocking(move || self.store.close()).await;
        closed.context("the writer did not end as it should")
    }
}

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Connections {
    open: watch::Sender<usize>,
    is_ending: AtomicBool,
}

/// One of them, while it is open.
pub(super) struct Open {
    all: Arc<Connections>,
}

impl Connections {
    pub(super) fn none() -> Arc<Connections> {
        Arc::new(Connections {
            open: watch::Sender::new(0),
            is_ending: AtomicBool::new(false),
        })
    }

    /// Counts one more, until what is returned is dropped.
    pub(super) fn count(self: &Arc<Connections>) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open {
            all: Arc::clone(self),
        }
    }

    /// Takes no more connections, and waits until those there are have ended or are silent. If the
    /// socket stays open without us, nobody who has connected may be lost, which takes a moment more.
    pub(super) async fn end(&self, server: &ServerHandle, socket_stays: bool) {
        server.pause().await;
        self.is_ending.store(true, Ordering::Relaxed);
        if socket_stays {
            sleep(ON_THE_WAY).await;
        }
        let mut open = self.open.subscribe();
        // Only if all of them have gone is there no reason to wait on.
        let _ = timeout(SILENT_MAX, open.wait_for(|open| *open == 0)).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.open.send_modify(|open| *open -= 1);
    }
}

/// Makes each answer the last of its connection once the end has begun.
pub(super) async fn last_answer<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let connections = request.app_data::<Data<Connections>>().cloned();
    let mut response = next.call(request).await?;
    if connections.is_some_and(|all| all.is_ending.load(Ordering::Relaxed)) {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
