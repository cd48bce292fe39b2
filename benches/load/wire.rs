//! Just enough HTTP/1.1 to send prepared bytes and to tell where an answer ends.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a whole request and returns the status of its answer, whose body is read away.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        let (status, length) = self.read_head().await?;
        let mut left = length;
        let kept = self.buffer.len().min(left);
        self.buffer.drain(..kept);
        left -= kept;
        while left > 0 {
            self.buffer.clear();
            let bytes = left as u64;
            match (&mut self.stream)
                .take(bytes)
                .read_buf(&mut self.buffer)
                .await?
            {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read,
            }
            self.buffer.clear();
        }
        Ok(status)
    }

    /// Sends a request whose answer has no announced length, and reads its head.
    pub(crate) async fn open(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        Ok(self.read_head().await?.0)
    }

    /// Returns how many bytes came next; 0 at the end.
    pub(crate) async fn read_some(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let kept = self.buffer.len().min(piece.len());
        if kept == 0 {
            return self.stream.read(piece).await;
        }
        for (to, from) in piece.iter_mut().zip(self.buffer.drain(..kept)) {
            *to = from;
        }
        Ok(kept)
    }

    /// Returns the status and the announced length, 0 if there is none.
    async fn read_head(&mut self) -> io::Result<(u16, usize)> {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return read_head(&head).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let head = str::from_utf8(head).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    Some((status, length.unwrap_or_default()))
}

/// Returns the bytes of a request without a body.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes()
}
