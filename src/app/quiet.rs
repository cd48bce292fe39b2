//! Connections on which nothing is answered for long: they are hung up on.
//!
//! The HTTP server bounds how long the first head of a connection may take, and how long one may be
//! idle between two requests. It bounds none of these: the head of a second request that has begun to
//! come; answers that nobody takes, which also keeps it from reading on; and what is left of a chunked
//! body that nobody wants, which it reads to its end. Whoever knows the address alone could hold every
//! connection there is with them, for ever, and shut the sender out. So each connection remembers since
//! when nothing has been answered on it, and somebody looks.
//!
//! While a request is being answered, which ends with the last byte of its answer being handed to the
//! server, this waits: those who answer have bounds of their own.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{self, Poll};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt;
use actix_web::web::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::web::peer::Peer;

/// How a connection is getting on. Dropped with it.
pub(super) struct Pace {
    peer: Peer,
    /// Requests that are being answered: one, as they are taken in their order.
    answering: Cell<u32>,
    /// Nothing is being answered since then.
    quiet_since: Cell<Instant>,
    watch: Cell<Option<JoinHandle<()>>>,
}

impl Pace {
    /// Begins to watch a connection whose [`Peer`] is kept; for `HttpServer::on_connect`.
    pub(super) fn watch(data: &mut Extensions, quiet_max: Duration) {
        let pace = Rc::new(Pace {
            peer: data.get::<Peer>().cloned().unwrap_or_default(),
            answering: Cell::new(0),
            quiet_since: Cell::new(Instant::now()),
            watch: Cell::new(None),
        });
        let watch = rt::spawn(hang_up_when_quiet(Rc::downgrade(&pace), quiet_max));
        pace.watch.set(Some(watch));
        data.insert(pace);
    }

    /// Returns how long it may go on like this, from now.
    fn left(&self, quiet_max: Duration) -> Duration {
        if self.answering.get() > 0 {
            quiet_max
        } else {
            quiet_max.saturating_sub(self.quiet_since.get().elapsed())
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

/// Only the connection itself keeps its [`Pace`], and the descriptor that is in it.
async fn hang_up_when_quiet(pace: Weak<Pace>, quiet_max: Duration) {
    loop {
        let Some(pace) = pace.upgrade() else { return };
        let left = pace.left(quiet_max);
        if left.is_zero() {
            tracing::debug!("hung up on a connection on which nothing was answered for long");
            pace.peer.hang_up();
            return;
        }
        drop(pace);
        sleep(left).await;
    }
}

/// A request that is being answered.
struct Answering(Rc<Pace>);

impl Answering {
    fn begin(pace: &Rc<Pace>) -> Answering {
        pace.answering.set(pace.answering.get() + 1);
        Answering(Rc::clone(pace))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let Answering(pace) = self;
        pace.answering.set(pace.answering.get().saturating_sub(1));
        pace.quiet_since.set(Instant::now());
    }
}

/// The body of an answer, which is being given until it is dropped.
pub(super) struct Given {
    body: BoxBody,
    _answering: Option<Answering>,
}

impl MessageBody for Given {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        ctx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(ctx)
    }
}

/// Notes for each connection when it is answered.
pub(super) async fn note_answers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Given>, Error> {
    let answering = request.conn_data::<Rc<Pace>>().map(Answering::begin);
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Given {
        body: body.boxed(),
        _answering: answering,
    }))
}
