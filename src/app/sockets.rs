//! Sockets that a service manager has opened and hands over (systemd's socket activation).
//!
//! The manager keeps them open while one server ends and the next one starts, and the kernel keeps who
//! connects meanwhile waiting: a restart costs no push. Each has a name that says what it is for, and
//! either or both may come; the address that is configured for it is not used then.
//!
//! What comes is checked here, since nothing after it would: a socket that does not listen, or is for
//! something else, would make a server that looks healthy and hears nothing.
//!
//! The names come from the environment, which the crates of this protocol read themselves; with
//! `manager.rs` this is the only place besides `config` where that happens.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, bail, ensure};
use listenfd::ListenFd;
use socket2::SockRef;

use crate::config::Config;

/// The name of the receiver's socket.
const RECEIVER: &str = "receiver";

/// The name of the dashboard's.
const DASHBOARD: &str = "dashboard";

/// What was handed over.
#[derive(Debug, Default)]
pub struct Sockets {
    receiver: Option<TcpListener>,
    dashboard: Option<TcpListener>,
}

impl Sockets {
    /// None: everything is opened at its configured address.
    pub fn none() -> Sockets {
        Sockets::default()
    }

    /// Takes what was handed to this process, if anything was. The second call finds nothing. To be
    /// called while there is one thread, since it removes from the environment what it has read.
    pub fn handed_over() -> anyhow::Result<Sockets> {
        let count = sd_notify::listen_fds().context("cannot read LISTEN_FDS")?;
        // What is for another process is left alone; its names may be here all the same.
        if count.len() == 0 {
            return Ok(Sockets::none());
        }
        let names = sd_notify::listen_fds_with_names()
            .context("LISTEN_FDNAMES does not name as many sockets as LISTEN_FDS counts")?;
        let mut passed = ListenFd::from_env();
        let mut sockets = Sockets::none();
        for (at, (_, name)) in names.enumerate() {
            let place = sockets.place(&name)?;
            ensure!(
                place.is_none(),
                "two sockets are called `{name}`; hand over one (`ListenStream=8080` takes IPv4 and \
                 IPv6)"
            );
            let listener = passed.take_tcp_listener(at);
            let listener = listener
                .with_context(|| format!("cannot use the socket `{name}`; hand over one of TCP"))?;
            let Some(listener) = listener else {
                bail!("the socket `{name}` was not handed over");
            };
            let listens = SockRef::from(&listener).is_listener();
            ensure!(
                listens.context("cannot look at a socket")?,
                "the socket `{name}` does not listen; hand over the listening one (systemd: \
                 `Accept=no`)"
            );
            *place = Some(listener);
        }
        Ok(sockets)
    }

    fn place(&mut self, name: &str) -> anyhow::Result<&mut Option<TcpListener>> {
        match name {
            RECEIVER => Ok(&mut self.receiver),
            DASHBOARD => Ok(&mut self.dashboard),
            _ => bail!(
                "a socket is called `{name}`; call it `{RECEIVER}` or `{DASHBOARD}` (systemd: \
                 `FileDescriptorName=`)"
            ),
        }
    }

    /// Returns the receiver's address, if its socket was handed over.
    pub fn receiver_address(&self) -> anyhow::Result<Option<SocketAddr>> {
        address(self.receiver.as_ref())
    }

    /// Returns the dashboard's address, if its socket was handed over.
    pub fn dashboard_address(&self) -> anyhow::Result<Option<SocketAddr>> {
        address(self.dashboard.as_ref())
    }

    /// Opens what was not handed over at its configured address.
    pub(super) fn open_others(self, config: &Config) -> anyhow::Result<Listeners> {
        let receiver_is_handed_over = self.receiver.is_some();
        let dashboard_is_handed_over = self.dashboard.is_some();
        let receiver = match self.receiver {
            Some(listener) => listener,
            None => bind(config.receiver_listen, "receiver.listen")?,
        };
        let is_one_server =
            config.dashboard_listen == config.receiver_listen && config.receiver_listen.port() != 0;
        let dashboard = match self.dashboard {
            None if is_one_server => None,
            None => Some(bind(config.dashboard_listen, "dashboard.listen")?),
            handed_over => handed_over,
        };
        Ok(Listeners {
            receiver,
            receiver_is_handed_over,
            dashboard,
            dashboard_is_handed_over,
        })
    }
}

/// What to serve on.
pub(super) struct Listeners {
    pub(super) receiver: TcpListener,
    pub(super) receiver_is_handed_over: bool,
    /// `None` if both have one address.
    pub(super) dashboard: Option<TcpListener>,
    pub(super) dashboard_is_handed_over: bool,
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; give `{key}` an address that is free")
    })
}

fn address(listener: Option<&TcpListener>) -> anyhow::Result<Option<SocketAddr>> {
    let address = listener.map(TcpListener::local_addr).transpose();
    address.context("cannot tell where a socket listens")
}
