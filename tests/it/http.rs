//! A small HTTP client that sends exactly the bytes it is given, right or wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use mpsink::notification::capture::{self, Capture};

/// Longer than anything may take: a test that hangs fails instead.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text()))
    }
}

/// A connection that can be used for several requests.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // The server may have answered and closed before it read everything; the answer tells.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Returns the next response, or `None` if the connection ended without one.
    pub(crate) fn read(&mut self) -> Option<Response> {
        let mut response = self.read_head()?;
        let length = response.header("content-length").map(str::to_owned);
        match length {
            Some(length) => {
                response.body = vec![0; length.parse().ok()?];
                self.stream.read_exact(&mut response.body).ok()?;
            }
            None if response.status == 204 || response.status == 304 => {}
            None => {
                self.stream.read_to_end(&mut response.body).ok()?;
            }
        }
        Some(response)
    }

    /// Returns the next response without its body, as one to HEAD is.
    pub(crate) fn read_head(&mut self) -> Option<Response> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Response {
            status,
            headers,
            body: Vec::new(),
        })
    }

    /// Returns the next chunk of a body that comes bit by bit, or `None` at its end. A body that is
    /// cut off fails the test.
    pub(crate) fn read_chunk(&mut self) -> Option<String> {
        let size = self.read_line();
        let size = usize::from_str_radix(&size, 16).expect("an orderly end");
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).unwrap();
        self.read_line();
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// Returns once something more has come, which is still to be read.
    pub(crate) fn wait_for_more(&mut self) {
        assert!(!self.stream.fill_buf().unwrap().is_empty(), "an end");
    }

    /// Returns the next line without its end, empty at the end of the connection.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads what still comes until the connection ends, in whatever way.
    pub(crate) fn read_on(&mut self, bytes: &mut Vec<u8>) {
        let _ = self.stream.read_to_end(bytes);
    }

    /// Tells the server that nothing more comes, and goes on reading.
    pub(crate) fn end_writing(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Response {
        self.write(bytes);
        self.read().expect("an answer")
    }
}

/// Sends `bytes` on a connection of their own.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Response {
    Connection::to(address).send(bytes)
}

/// Returns a capture as bytes for the wire, with the `Host` and `Content-Length` it needs.
pub(crate) fn wire(push: &Capture) -> Vec<u8> {
    let mut push = push.clone();
    let length = push.body.as_ref().map_or(0, Vec::len);
    push.headers.add("host", "mpsink.test");
    push.headers.add("content-length", length.to_string());
    capture::write(&push)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
    get_with(address, path, &[])
}

pub(crate) fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response {
    request(address, "GET", path, headers)
}

/// Sends a request without a body. `Host` is the address unless it is given.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text += "Host: ";
        text += &address.to_string();
        text += "\r\n";
    }
    if method == "POST" {
        text.push_str("Content-Length: 0\r\n");
    }
    for (name, value) in headers {
        text += &[name, ": ", value, "\r\n"].concat();
    }
    text.push_str("\r\n");
    send(address, text.as_bytes())
}

/// Returns a download, which must be whole.
pub(crate) fn download(address: SocketAddr, path: &str) -> String {
    let mut connection = Connection::to(address);
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write(head.as_bytes());
    assert_eq!(connection.read_head().unwrap().status, 200, "{path}");
    let mut wire = Vec::new();
    connection.read_on(&mut wire);
    let (bytes, is_whole) = dechunked(&wire);
    assert!(is_whole, "{path}");
    String::from_utf8(bytes).unwrap()
}

/// Returns what a chunked body gives, and whether it has its end.
pub(crate) fn dechunked(mut wire: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        let Some(at) = wire.windows(2).position(|pair| pair == b"\r\n") else {
            return (bytes, false);
        };
        let length = std::str::from_utf8(&wire[..at]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        wire = &wire[at + 2..];
        if length == 0 {
            return (bytes, wire == b"\r\n");
        }
        if wire.len() < length + 2 {
            return (bytes, false);
        }
        bytes.extend(&wire[..length]);
        wire = &wire[length + 2..];
    }
}
