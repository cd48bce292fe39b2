//! A web server on loopback that certificates are fetched from, with every bad habit one can have.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// How slowly a host drips.
const DRIP_EVERY: Duration = Duration::from_millis(100);

/// What the host answers to every request.
#[derive(Clone)]
pub(crate) enum Habit {
    Serve(Vec<u8>),
    Status(u16),
    RedirectTo(String),
    /// Takes the request and never answers.
    Hang,
    /// Sends this many bytes of nothing in particular.
    Flood(usize),
    /// Sends this byte by byte, each within any patience, and altogether beyond it.
    Drip(Vec<u8>),
    /// Breaks the connection off.
    Reset,
}

/// Serves until the test's process ends; the port is whichever was free.
#[derive(Clone)]
pub(crate) struct CertificateHost {
    pub(crate) address: SocketAddr,
    habit: Arc<Mutex<Habit>>,
    /// The path of each request so far.
    requests: Arc<Mutex<Vec<String>>>,
    /// Connections that hang, kept open.
    hanging: Arc<Mutex<Vec<TcpStream>>>,
}

impl CertificateHost {
    pub(crate) fn start(habit: Habit) -> CertificateHost {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = CertificateHost {
            address: listener.local_addr().unwrap(),
            habit: Arc::new(Mutex::new(habit)),
            requests: Arc::default(),
            hanging: Arc::default(),
        };
        let server = host.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.answer(stream));
            }
        });
        host
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn set(&self, habit: Habit) {
        *self.habit.lock().unwrap() = habit;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.lock().unwrap().push(path);
        loop {
            let mut header = String::new();
            match reader.read_line(&mut header) {
                Ok(read) if read > 2 => {}
                _ => break,
            }
        }
        let habit = self.habit.lock().unwrap().clone();
        let head = |status: &str, length: usize| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n")
        };
        let answer = match habit {
            Habit::Serve(bytes) => {
                let mut answer = format!("{}\r\n", head("200 OK", bytes.len())).into_bytes();
                answer.extend(bytes);
                answer
            }
            Habit::Status(status) => format!("{}\r\n", head(&status.to_string(), 0)).into_bytes(),
            Habit::RedirectTo(url) => {
                format!("{}Location: {url}\r\n\r\n", head("302 Found", 0)).into_bytes()
            }
            Habit::Flood(bytes) => {
                let _ = stream.write_all(format!("{}\r\n", head("200 OK", bytes)).as_bytes());
                // Block by block: to make all of it first takes longer than a fetch may.
                let block = [b'x'; 8 * 1024];
                let mut left = bytes;
                while left > 0 && stream.write_all(&block[..left.min(block.len())]).is_ok() {
                    left -= left.min(block.len());
                }
                return;
            }
            Habit::Drip(bytes) => {
                let _ = stream.write_all(format!("{}\r\n", head("200 OK", bytes.len())).as_bytes());
                stream.set_read_timeout(Some(DRIP_EVERY)).unwrap();
                for byte in bytes {
                    // Nothing else is to come, so this waits until it is time for the next byte.
                    let _ = reader.read_line(&mut String::new());
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                }
                return;
            }
            Habit::Reset => {
                SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                return;
            }
            Habit::Hang => {
                self.hanging.lock().unwrap().push(stream);
                return;
            }
        };
        let _ = stream.write_all(&answer);
    }
}
