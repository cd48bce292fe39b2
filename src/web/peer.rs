//! Who is at the other end of a connection: whether they are still there, and how to hang up on them.
//!
//! The server tells a handler neither. A long answer that has nothing to write for a while would not
//! learn that its reader has left, and one whose reader has stopped reading would wait for ever, since
//! nothing of it is asked for any more. So each connection is kept here a second time, which takes a second
//! descriptor: the bound on connections counts it.

use std::any::Any;
use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net;

/// The other end of a request's connection, if it is known.
#[derive(Clone, Debug, Default)]
pub struct Peer(Option<Arc<TcpStream>>);

impl Peer {
    /// Keeps the connection beside its requests; for `HttpServer::on_connect`.
    pub fn keep(connection: &dyn Any, data: &mut Extensions) {
        let stream = connection.downcast_ref::<net::TcpStream>();
        let copy = stream.and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
        data.insert(Peer(copy.map(|copy| Arc::new(TcpStream::from(copy)))));
    }

    pub fn of(request: &HttpRequest) -> Peer {
        request.conn_data::<Peer>().cloned().unwrap_or_default()
    }

    /// Tells whether the other end has closed, or closed its half: as a browser or curl that was
    /// stopped. Nobody who still wants an answer does that.
    pub fn has_left(&self) -> bool {
        let Some(stream) = &self.0 else {
            return false;
        };
        // The connection does not block, so neither does this.
        match stream.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Ends the connection, in the middle of whatever is being sent.
    pub fn hang_up(&self) {
        if let Some(stream) = &self.0 {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[actix_web::test]
    async fn one_who_has_left_is_told_from_one_who_waits_and_hanging_up_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pair = || {
            let client = TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            server.set_nonblocking(true).unwrap();
            let server = net::TcpStream::from_std(server).unwrap();
            let mut data = Extensions::new();
            Peer::keep(&server, &mut data);
            (client, server, data.get::<Peer>().unwrap().clone())
        };
        let (mut client, server, peer) = pair();
        assert!(!peer.has_left());
        client.write_all(b"GET").unwrap();
        assert!(!peer.has_left());
        peer.hang_up();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop(server);

        let (client, server, peer) = pair();
        drop(client);
        server.readable().await.unwrap();
        assert!(peer.has_left());
        assert!(!Peer::default().has_left());
    }
}
