//! The HTTP servers: one for each listener, or one for both.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::app::ending::{Connections, last_answer};
use crate::app::quiet::{Pace, note_answers};
use crate::web::dashboard;
use crate::web::peer::Peer;
use crate::web::receiver;
use crate::web::state::AppState;

/// Threads that serve each listener. One writer thread is behind them all, so more would only wait.
const WORKERS: usize = 2;

/// Connections at once, over all listeners; beyond it new ones wait in the kernel's queue. SMQ opens
/// few. Each is kept twice (`peer.rs`), and so they stay below 1,024 files, which is the usual bound.
/// A stranger who fills them all with heads of 128 KiB takes 64 MiB.
const CONNECTIONS_MAX: usize = 480;

/// Of these to the receiver, if it has a listener for itself. The rest is enough for all viewers that
/// there may be, and some who look.
const RECEIVER_CONNECTIONS_MAX: usize = 256;

/// How long nothing may be answered on a connection to the receiver: twice [`HEAD_TIMEOUT`], so that
/// the HTTP server's own ways to end one, which tell the sender, come first.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// The same for the dashboard, where the answers are long, and some lines slow.
const QUIET_MAX_OF_PAGES: Duration = Duration::from_secs(120);

/// How long a request's head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long requests under way may take to end when the server stops. With the second before it
/// (`ending.rs`) and what the writer needs after it, below the 5 s that SMQ and process managers wait,
/// also on a busy machine.
const STOP_TIMEOUT_S: u64 = 2;

/// What serves, and whom.
pub(super) struct Servers {
    pub(super) receiver: Server,
    /// The receiver's.
    pub(super) connections: Arc<Connections>,
    /// `None` if both have one address.
    pub(super) dashboard: Option<Server>,
}

/// What one listener serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Receiver,
    Dashboard,
    /// Both were given the same address.
    Both,
}

/// Makes them, bound and not yet serving.
pub(super) fn servers(
    state: &web::Data<AppState>,
    receiver_listener: TcpListener,
    dashboard_listener: Option<TcpListener>,
) -> io::Result<Servers> {
    let role = match dashboard_listener {
        None => Role::Both,
        Some(_) => Role::Receiver,
    };
    let connections = Connections::none();
    let dashboard = dashboard_listener
        .map(|listener| server(state, listener, Role::Dashboard, &Connections::none()))
        .transpose()?;
    Ok(Servers {
        receiver: server(state, receiver_listener, role, &connections)?,
        connections,
        dashboard,
    })
}

fn server(
    state: &web::Data<AppState>,
    listener: TcpListener,
    role: Role,
    connections: &Arc<Connections>,
) -> io::Result<Server> {
    let state = state.clone();
    let (counted, ended) = (Arc::clone(connections), Arc::clone(connections));
    let connections_max = match role {
        Role::Both => CONNECTIONS_MAX,
        Role::Receiver => RECEIVER_CONNECTIONS_MAX,
        Role::Dashboard => CONNECTIONS_MAX - RECEIVER_CONNECTIONS_MAX,
    };
    let quiet_max = match role {
        Role::Receiver => QUIET_MAX,
        Role::Both | Role::Dashboard => QUIET_MAX_OF_PAGES,
    };
    let server = HttpServer::new(move || {
        let app = App::new()
            .app_data(state.clone())
            .app_data(web::Data::from(Arc::clone(&ended)))
            .wrap(from_fn(last_answer))
            .wrap(from_fn(note_answers));
        match role {
            Role::Receiver => app.default_service(web::to(receiver::receive)),
            Role::Dashboard => app.service(dashboard::scope()),
            // The receiver first, so that no page can stand where a source's path is.
            Role::Both => app
                .service(receiver::scope(state.clone()))
                .service(dashboard::scope()),
        }
    });
    let server = server
        .on_connect(move |connection, data| {
            data.insert(counted.count());
            Peer::keep(connection, data);
            Pace::watch(data, quiet_max);
        })
        .disable_signals()
        .workers(WORKERS)
        .max_connections(connections_max / WORKERS)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(STOP_TIMEOUT_S)
        // A viewer who leaves is noticed at once. A sender may say that nothing more comes.
        .h1_allow_half_closed(role != Role::Dashboard);
    Ok(server.listen(listener)?.run())
}
