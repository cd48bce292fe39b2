//! The app as tests use it: the real servers on ports of their own, a real database file, a clock
//! that stands where it is set, and a loopback host for the certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use mpsink::app::bounds::Bounds;
use mpsink::app::{App, Facts};
use mpsink::clock::{Clock, Timestamp};
use mpsink::config::{Config, Flags};
use mpsink::notification::Format;
use mpsink::notification::capture::Capture;
use mpsink::push::{PushContent, Signer, build, message_id_of};
use mpsink::signature::string_to_sign;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use serde_json::Value;
use tempfile::TempDir;

use crate::certificate_host::{CertificateHost, Habit};
use crate::http::{self, Response};

pub(crate) const OWNER: &str = "1234567890123456";
pub(crate) const TOPIC: &str = "mps-std";

/// When tests happen unless they say otherwise.
pub(crate) const NOW: Timestamp = Timestamp(1_714_982_531_126);

/// A running mpsink.
pub(crate) struct TestApp {
    pub(crate) facts: Facts,
    /// The first source's first path.
    pub(crate) target: String,
    pub(crate) clock: Clock,
    pub(crate) certificate_host: CertificateHost,
    pub(crate) signer: Signer,
    config_text: String,
    folder: Option<TempDir>,
    running: Option<Running>,
}

struct Running {
    stop: tokio::sync::mpsc::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// A message that ends the job `id`.
pub(crate) fn job_message(id: &str, state: &str) -> Vec<u8> {
    format!(r#"{{"jobId":"{id}","type":"Transcode","state":"{state}"}}"#).into_bytes()
}

/// Returns a file of `tests/data`.
pub(crate) fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns one of our own keys, of 512, 1024, 2048 or 4096 bits.
pub(crate) fn key(bits: u32) -> RsaPrivateKey {
    let pem = String::from_utf8(data(&format!("keys/key-{bits}.pem"))).unwrap();
    RsaPrivateKey::from_pkcs8_pem(&pem).unwrap()
}

pub(crate) fn certificate(bits: u32) -> Vec<u8> {
    data(&format!("keys/certificate-{bits}.pem"))
}

impl TestApp {
    /// Starts with nothing configured but where certificates come from.
    pub(crate) fn start() -> TestApp {
        TestApp::start_with("")
    }

    /// Starts with `config`, TOML without a `[verify]` table.
    pub(crate) fn start_with(config: &str) -> TestApp {
        TestApp::start_on(config, Bounds::default())
    }

    /// Starts with bounds that a test can reach.
    pub(crate) fn start_bounded(bounds: Bounds) -> TestApp {
        TestApp::start_on("", bounds)
    }

    fn start_on(config: &str, bounds: Bounds) -> TestApp {
        let certificate_host = CertificateHost::start(Habit::Serve(certificate(512)));
        let base = certificate_host.base();
        let config_text = format!("{config}\n[verify]\ncertificate_urls = [\"{base}\"]\n");
        let signer = Signer {
            key: key(512),
            certificate_url: format!("{base}certificate.pem"),
        };
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(NOW);
        let database = folder.path().join("mpsink.db");
        let (facts, running) = run(&config_text, &database, bounds, &clock);
        TestApp {
            target: target_of(&facts),
            facts,
            clock,
            certificate_host,
            signer,
            config_text,
            folder: Some(folder),
            running: Some(running),
        }
    }

    /// Stops in order and starts again on the same database, on other ports.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let (facts, running) = run(
            &self.config_text,
            &self.database(),
            Bounds::default(),
            &self.clock,
        );
        self.target = target_of(&facts);
        self.facts = facts;
        self.running = Some(running);
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.stop);
            running.thread.join().unwrap().unwrap();
        }
    }

    /// Returns how the app ends by itself.
    pub(crate) fn wait_for_end(&mut self) -> anyhow::Result<()> {
        self.running.take().unwrap().thread.join().unwrap()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("mpsink.db")
    }

    /// Returns what a push of `message` is about, with a message id made from it.
    pub(crate) fn content(&self, format: Format, message: &[u8]) -> PushContent {
        PushContent {
            format,
            topic_owner: OWNER.to_owned(),
            topic: TOPIC.to_owned(),
            message_id: message_id_of(format, OWNER, TOPIC, message, 0),
            tag: None,
            published_at: self.clock.now(),
            message: message.to_vec(),
        }
    }

    /// Returns the signed push of `content` to the first source.
    pub(crate) fn signed(&self, content: &PushContent) -> Capture {
        build(content, &self.target, &self.signer, self.clock.now()).unwrap()
    }

    /// Signs a push again, over what it has become.
    pub(crate) fn sign(&self, push: &mut Capture) {
        let signature = string_to_sign::sign(&self.signer.key, &push.target, &push.headers);
        push.headers.set("authorization", signature.unwrap());
    }

    /// Builds, signs and sends a push.
    pub(crate) fn push(&self, format: Format, message: &[u8]) -> Response {
        self.send(&self.signed(&self.content(format, message)))
    }

    /// Sends a push as it is.
    pub(crate) fn send(&self, push: &Capture) -> Response {
        http::send(self.facts.receiver, &http::wire(push))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(self.facts.dashboard, path)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// Returns the items of a list, newest first.
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let list = self.json(path);
        list["items"].as_array().unwrap().clone()
    }

    /// Reads `path` until `is_there`: what is noted aside is written shortly after the answer.
    pub(crate) fn json_when(&self, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let json = self.json(path);
            if is_there(&json) {
                return json;
            }
            assert!(std::time::Instant::now() < deadline, "{path}: {json}");
        }
    }

    /// Like [`TestApp::json_when`], for the items of a list.
    pub(crate) fn items_when(&self, path: &str, is_there: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let json = self.json_when(path, |json| is_there(json["items"].as_array().unwrap()));
        json["items"].as_array().unwrap().clone()
    }

    /// Presses a button of a page.
    pub(crate) fn post(&self, path: &str) -> Response {
        let headers = [("Sec-Fetch-Site", "same-origin")];
        http::request(self.facts.dashboard, "POST", path, &headers)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.stop);
            let _ = running.thread.join();
        }
    }
}

fn run(config_text: &str, database: &Path, bounds: Bounds, clock: &Clock) -> (Facts, Running) {
    let flags = Flags {
        database: Some(database.to_owned()),
        receiver_listen: Some("127.0.0.1:0".to_owned()),
        dashboard_listen: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    };
    let table = config_text.parse().unwrap();
    let config = Config::from_parts(table, std::iter::empty(), flags).unwrap();
    let clock = clock.clone();
    let (stop, stopped) = tokio::sync::mpsc::channel(1);
    let (tell, told) = channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let app = App::build(&config, &clock, bounds)?;
            tell.send(app.facts.clone())?;
            app.run(stopped).await
        })
    });
    let Ok(facts) = told.recv() else {
        panic!("not started: {:?}", thread.join());
    };
    (facts, Running { stop, thread })
}

fn target_of(facts: &Facts) -> String {
    let (_, rest) = facts.endpoint.split_once("://").unwrap();
    let at = rest.find('/').unwrap();
    rest[at..].to_owned()
}
