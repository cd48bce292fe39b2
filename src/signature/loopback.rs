//! Test helpers: a certificate host on loopback, and pushes signed with the keys in `tests/data`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;

use crate::clock::Timestamp;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::source::SourceId;
use crate::signature::urls::{self, CertificateUrl, UrlPattern};
use crate::signature::{checksum, string_to_sign};

pub(super) const CERTIFICATE_512: &[u8] =
    include_bytes!("../../tests/data/keys/certificate-512.pem");
pub(super) const CERTIFICATE_1024: &[u8] =
    include_bytes!("../../tests/data/keys/certificate-1024.pem");

/// The moment at which the tests' clocks stand at first.
pub(super) const NOON: Timestamp = Timestamp(1_714_996_800_000);

/// A host that answers on loopback, and notes which paths were asked for.
pub(super) struct Host {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Host {
    /// Starts a host that answers a request for a path with what `answer` gives for it, and never
    /// where that is `None`. `answer` may block: every connection has a thread of its own.
    pub(super) fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = Host {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        // Connections that get no answer: kept, since closing one would be an answer.
        let hanging = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&host.asked);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (asked, hanging) = (Arc::clone(&asked), Arc::clone(&hanging));
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    let path = read_target(&mut stream);
                    asked.lock().unwrap().push(path.clone());
                    match answer(&path) {
                        // The reader may have gone away in the middle of a long answer.
                        Some(bytes) => drop(stream.write_all(&bytes)),
                        None => hanging.lock().unwrap().push(stream),
                    }
                });
            }
        });
        host
    }

    /// Starts a host that serves the same for every path.
    pub(super) fn serving(body: &[u8]) -> Host {
        let answer = ok(body);
        Host::start(move |_| Some(answer.clone()))
    }

    /// Starts a host whose answer can be changed.
    pub(super) fn serving_what_is_in(body: &Arc<Mutex<Vec<u8>>>) -> Host {
        let body = Arc::clone(body);
        Host::start(move |_| Some(ok(&body.lock().unwrap())))
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn pattern(&self) -> UrlPattern {
        UrlPattern::parse(&self.base()).unwrap()
    }

    pub(super) fn url(&self, path: &str) -> CertificateUrl {
        urls::allow(&format!("{}{path}", self.base()), &[self.pattern()]).unwrap()
    }

    /// Returns the paths that were asked for, so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Returns a whole answer with status 200.
pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Reads a request's head and returns its target.
fn read_target(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

pub(super) fn key_512() -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_pem(include_str!("../../tests/data/keys/key-512.pem")).unwrap()
}

pub(super) fn key_1024() -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_pem(include_str!("../../tests/data/keys/key-1024.pem")).unwrap()
}

/// Returns a push of `body` at [`NOON`], signed by `key` for `/notifications/secret`, that names
/// the certificate at `url`.
pub(super) fn push(key: &RsaPrivateKey, url: &str, body: &[u8]) -> Delivery {
    let mut headers = Headers::default();
    headers.add("Content-md5", checksum::content_md5(body));
    headers.add("Content-Type", "text/xml;charset=utf-8");
    headers.add("Date", NOON.to_http_date());
    headers.add("Host", "sink.example");
    headers.add("x-mns-request-id", "66388C8000112233445566CC");
    headers.add("x-mns-signing-cert-url", STANDARD.encode(url));
    headers.add("x-mns-version", "2015-06-06");
    let mut delivery = Delivery {
        source: SourceId(1),
        target: "/notifications/secret".to_owned(),
        headers,
        body: body.to_vec(),
        received_at: NOON,
    };
    sign(key, &mut delivery);
    delivery
}

/// Signs a push as it is now.
pub(super) fn sign(key: &RsaPrivateKey, delivery: &mut Delivery) {
    let signature = string_to_sign::sign(key, &delivery.target, &delivery.headers).unwrap();
    delivery.headers.set("authorization", signature);
}

/// Runs `future` with timers, on this thread.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(future)
}
