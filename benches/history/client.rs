//! Just enough of a browser: one kept connection, whole pages, and downloads read to their end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// Longer than anything that is asked for takes.
const TIMEOUT: Duration = Duration::from_secs(600);

pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> io::Result<Client> {
        Ok(Client {
            address,
            stream: connect(address)?,
            buffer: Vec::new(),
        })
    }

    /// Returns a page and how long it took to have it whole. What a list searched by an id leads to
    /// is an answer as well; anything else but 200 is an error.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<(Vec<u8>, Duration)> {
        let began = Instant::now();
        self.stream
            .write_all(request(self.address, path, "").as_bytes())?;
        self.buffer.clear();
        let head_end = loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            self.read_more()?;
        };
        let head = str::from_utf8(self.buffer.get(..head_end).unwrap_or_default())?;
        let is_answer = ["HTTP/1.1 200", "HTTP/1.1 303"].iter();
        let is_answer = is_answer.copied().any(|status| head.starts_with(status));
        ensure!(is_answer, "{path}: {head}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.with_context(|| format!("{path} has no length"))?;
        while self.buffer.len() < head_end + length {
            self.read_more()?;
        }
        let took = began.elapsed();
        Ok((self.buffer.split_off(head_end), took))
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let read = self.stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer
            .extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(())
    }
}

/// Reads a download away; returns its bytes with HTTP's own, and how long it took.
pub(crate) fn download(address: SocketAddr, path: &str) -> anyhow::Result<(u64, Duration)> {
    let began = Instant::now();
    let mut stream = connect(address)?;
    stream.write_all(request(address, path, "Connection: close\r\n").as_bytes())?;
    let mut piece = vec![0; 256 * 1024];
    let (mut bytes, mut end) = (0, Vec::new());
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            break;
        }
        let got = piece.get(..read).unwrap_or_default();
        if bytes == 0 {
            ensure!(got.starts_with(b"HTTP/1.1 200"), "{path} is refused");
        }
        bytes += read as u64;
        end = got
            .get(read.saturating_sub(5)..)
            .unwrap_or_default()
            .to_vec();
    }
    // What ends a chunked body; without it the download was cut off.
    ensure!(end.ends_with(b"0\r\n\r\n"), "{path} was cut off");
    Ok((bytes, began.elapsed()))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn request(address: SocketAddr, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n")
}
