//! The real nginx in front, with the file of `packaging/nginx` as it stands there but for addresses
//! and certificates.
//!
//! `tests/run` installs nginx where it can; `WITHOUT_NGINX=1` leaves these out.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpsink::notification::Format;
use mpsink::notification::capture::Capture;
use serde_json::json;
use tempfile::TempDir;
use ureq::tls::TlsConfig;

use crate::activation::restart_under_load;
use crate::app::{TestApp, job_message};
use crate::http::Connection;

/// A path as no proxy likes it: whoever decodes, merges or resolves changes what was signed.
const ODD_PATH: &str = "/notifications/a%2Fb//%7Ec%20d/./e;f=1";

/// Longer than nginx may take to start.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often nginx may find its port taken.
const TRIES: usize = 5;

/// What nginx stands in front of.
#[derive(Clone, Copy)]
struct Behind {
    receiver: SocketAddr,
    dashboard: SocketAddr,
    /// Without it, clients that speak no TLS can be used.
    with_tls: bool,
}

/// A running nginx; stopped when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    agent: ureq::Agent,
    folder: TempDir,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn file(path: &str) -> String {
    repository(path).to_str().unwrap().to_owned()
}

/// Returns the packaged file with `address` to listen on, what is behind it, and certificates of the
/// tests.
fn packaged(address: SocketAddr, behind: Behind) -> String {
    let text = fs::read_to_string(repository("packaging/nginx/mpsink.conf")).unwrap();
    let mut replaced = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim().trim_end_matches(';').split(' ').collect();
        let line = match words[..] {
            ["listen", "443", "ssl"] if behind.with_tls => format!("listen {address} ssl;"),
            ["listen", "443", "ssl"] => format!("listen {address};"),
            ["server", "127.0.0.1:8080"] => format!("server {};", behind.receiver),
            ["server", "127.0.0.1:8081"] => format!("server {};", behind.dashboard),
            ["error_log", _, level] => format!("error_log error.log {level};"),
            ["ssl_certificate", _] => {
                let path = file("tests/data/keys/certificate-2048.pem");
                format!("ssl_certificate {path};")
            }
            ["ssl_certificate_key", _] => {
                let path = file("tests/data/keys/key-2048.pem");
                format!("ssl_certificate_key {path};")
            }
            _ => line.to_owned(),
        };
        replaced += &line;
        replaced.push('\n');
    }
    // With what stands around them, since a free port may have any digits.
    for left in ["listen 443", "]:443", ":8080;", ":8081;", "letsencrypt"] {
        assert!(!replaced.contains(left), "{left} in {replaced}");
    }
    replaced
}

impl Nginx {
    fn in_front_of(behind: Behind) -> Nginx {
        // Somebody may take the port between the looking for a free one and nginx.
        let started = (0..TRIES).find_map(|_| Nginx::try_in_front_of(behind));
        started.expect("nginx runs")
    }

    /// Returns nothing if nginx ends at once.
    fn try_in_front_of(behind: Behind) -> Option<Nginx> {
        let folder = tempfile::tempdir().unwrap();
        // nginx opens its port itself, so a free one has to be known before.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let path = folder.path();
        fs::write(path.join("mpsink.conf"), packaged(address, behind)).unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", path.display()))
            .concat();
        let main = format!(
            "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}include {folder}/mpsink.conf;\n}}\n",
            folder = path.display()
        );
        fs::write(path.join("nginx.conf"), main).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(path)
            .arg("-e")
            .arg(path.join("error.log"))
            .arg("-c")
            .arg(path.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx on the PATH, or WITHOUT_NGINX=1 tests/run");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(DEADLINE))
            // It is nobody's certificate.
            .tls_config(TlsConfig::builder().disable_verification(true).build())
            .build();
        let pid = path.join("pid");
        let mut nginx = Nginx {
            child,
            address,
            agent: agent.into(),
            folder,
        };
        nginx.has_written(&pid).then_some(nginx)
    }

    /// Waits for the file that nginx writes once its ports are open; `false` if it ends.
    fn has_written(&mut self, pid: &Path) -> bool {
        let began = Instant::now();
        while fs::read(pid).is_ok_and(|bytes| bytes.is_empty()) || !pid.exists() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(began.elapsed() < DEADLINE, "nginx does not come up");
            std::thread::yield_now();
        }
        true
    }

    /// Sends a push as SMQ would, over TLS, and returns the status and the answer.
    fn push(&self, push: &Capture) -> (u16, String) {
        let url = format!("https://{}{}", self.address, push.target);
        let mut request = self.agent.post(url).header("host", "mps.example.com");
        for (name, value) in push.headers.iter() {
            request = request.header(name, value);
        }
        let body = push.body.clone().unwrap_or_default();
        let mut response = request.send(&body).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), text)
    }

    fn get(&self, host: &str, path: &str) -> (u16, String) {
        let url = format!("https://{}{path}", self.address);
        let mut response = self.agent.get(url).header("host", host).call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), text)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start() -> (TestApp, Nginx) {
    let app = TestApp::start_with(&format!("[[source]]\npaths = [\"{ODD_PATH}\"]\n"));
    let nginx = Nginx::in_front_of(Behind {
        receiver: app.facts.receiver,
        dashboard: app.facts.dashboard,
        with_tls: true,
    });
    (app, nginx)
}

#[test]
fn signed_pushes_come_through_with_the_target_that_was_signed() {
    let (app, nginx) = start();
    for (number, format) in [Format::Xml, Format::Json, Format::Simplified]
        .into_iter()
        .enumerate()
    {
        let message = job_message(&format!("{number:032x}"), "Success");
        let push = app.signed(&app.content(format, &message));
        assert_eq!(push.target, ODD_PATH);
        assert_eq!(nginx.push(&push), (204, String::new()));
    }
    assert_eq!(app.items("/jobs.json").len(), 3);
    // A second time is a second time here as well: each push has come on, and once.
    let deliveries = app.items("/deliveries.json");
    assert!(deliveries.iter().all(|it| it["duplicates"] == json!(0)));
}

#[test]
fn what_mpsink_refuses_stays_refused() {
    let (app, nginx) = start();
    let push = app.signed(&app.content(Format::Json, &job_message("1", "Success")));

    let mut changed = push.clone();
    changed.headers.set("x-mns-request-id", "another");
    let (status, text) = nginx.push(&changed);
    assert_eq!(status, 403, "{text}");
    let direct = app.send(&changed);
    assert_eq!((direct.status, direct.text()), (status, text));

    // The same path for whoever decodes it, and another one for us.
    let mut decoded = push.clone();
    decoded.target = decoded.target.replace("%7E", "~");
    app.sign(&mut decoded);
    assert_eq!(nginx.push(&decoded).0, 404);

    let mut long = push;
    long.body = Some(vec![b'x'; 1024 * 1024 + 1]);
    let (status, text) = nginx.push(&long);
    assert_eq!(status, 413);
    assert!(!text.contains("nginx"), "mpsink refuses it: {text}");
    assert!(app.items("/deliveries.json").is_empty());
}

#[test]
fn the_secret_path_is_in_no_log_when_a_push_cannot_be_passed_on() {
    let (mut app, nginx) = start();
    let push = app.signed(&app.content(Format::Json, &job_message("1", "Success")));
    // More than nginx lets through, and then nobody is behind it.
    let mut long = push.clone();
    long.body = Some(vec![b'x'; 2 * 1024 * 1024 + 1]);
    assert_eq!(nginx.push(&long).0, 413);
    app.stop();
    assert_eq!(nginx.push(&push).0, 502);
    let errors = fs::read_to_string(nginx.folder.path().join("error.log")).unwrap();
    assert!(!errors.contains("/notifications/"), "{errors}");
}

#[test]
fn a_long_body_comes_through() {
    let (app, nginx) = start();
    // Spaces around JSON change nothing.
    let mut message = job_message(&"1".repeat(32), "Success");
    message.extend(vec![b' '; 60_000]);
    let push = app.signed(&app.content(Format::Xml, &message));
    assert_eq!(nginx.push(&push).0, 204);
    assert_eq!(app.items("/jobs.json").len(), 1);
}

#[test]
fn no_page_is_shown_through_it_while_nobody_may_log_in() {
    let (_app, nginx) = start();
    let (status, text) = nginx.get("mpsink.example.com", "/jobs.json");
    assert_eq!(status, 421, "{text}");
    // The receiver's name shows no page in any case.
    assert_eq!(nginx.get("mps.example.com", "/jobs.json").0, 404);
}

#[test]
fn restarts_behind_it_cost_no_push() {
    let mut nginx = None;
    restart_under_load(|receiver| {
        let behind = Behind {
            receiver,
            dashboard: receiver,
            with_tls: false,
        };
        nginx.insert(Nginx::in_front_of(behind)).address
    });
}

/// A request that could be taken for two, or two that could be taken for one: `{INNER}` is a request of
/// its own in the eyes of some. Each has what SMQ's pushes have, so that mpsink notes it.
const AMBIGUOUS: [&str; 16] = [
    "Content-Length: {LENGTH}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{INNER}",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{HEX}\r\n{INNER}\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: {LENGTH}\r\n\r\n{INNER}",
    "Content-Length: {LENGTH}\r\nContent-Length: 0\r\n\r\n{INNER}",
    "Content-Length: 0, {LENGTH}\r\n\r\n{INNER}",
    "Content-Length: +0\r\n\r\n{INNER}",
    "Content-Length: 0x0\r\n\r\n{INNER}",
    "Content-Length : {LENGTH}\r\n\r\n{INNER}",
    "Content-Length\t: {LENGTH}\r\n\r\n{INNER}",
    " Content-Length: {LENGTH}\r\n\r\n{INNER}",
    "X: 1\r\n Content-Length: {LENGTH}\r\n\r\n{INNER}",
    "X: 1\nContent-Length: {LENGTH}\r\n\r\n{INNER}",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{INNER}",
    "Transfer-Encoding: xchunked\r\nContent-Length: {LENGTH}\r\n\r\n0\r\n\r\n{INNER}",
    "Transfer-Encoding: chunked, identity\r\nContent-Length: {LENGTH}\r\n\r\n0\r\n\r\n{INNER}",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{INNER}",
];

/// Sends it with a last request behind it, and returns the statuses of all answers.
fn answers_to(address: SocketAddr, request: &str) -> Vec<u16> {
    let mut connection = Connection::to(address);
    let last = "GET /healthz HTTP/1.1\r\nHost: mps.example.com\r\nConnection: close\r\n\r\n";
    connection.write(format!("{request}{last}").as_bytes());
    let mut statuses = Vec::new();
    while let Some(answer) = connection.read() {
        statuses.push(answer.status);
    }
    statuses
}

#[test]
fn nothing_comes_in_that_nginx_has_not_seen_as_a_request_of_its_own() {
    let app = TestApp::start();
    let nginx = Nginx::in_front_of(Behind {
        receiver: app.facts.receiver,
        dashboard: app.facts.dashboard,
        with_tls: false,
    });
    let post = |path: &str, rest: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: mps.example.com\r\nx-mns-version: 1\r\n{rest}")
    };
    let inner = post("/inner", "Content-Length: 0\r\n\r\n");
    let mut answered = 0;
    for shape in AMBIGUOUS {
        let rest = shape
            .replace("{LENGTH}", &inner.len().to_string())
            .replace("{HEX}", &format!("{:x}", inner.len()))
            .replace("{INNER}", &inner);
        let request = post("/outer", &rest);
        let statuses = answers_to(nginx.address, &request);
        assert!(!statuses.is_empty(), "{shape}");
        // 404 is mpsink's, and everything else nginx says by itself.
        answered += found_nothing(&statuses);
        // Behind a proxy that passes it on as it is, it is one request and the end of its connection, or
        // two for everybody.
        let direct = answers_to(app.facts.receiver, &request);
        let allowed: [&[u16]; 4] = [&[400], &[404, 400], &[404, 200], &[404, 404, 200]];
        assert!(allowed.contains(&&direct[..]), "{shape}: {direct:?}");
        answered += found_nothing(&direct);
    }
    assert!(answered > 0, "some come through");
    // Whoever has sent them has as many answers as there were requests.
    let noted = json!(answered);
    app.json_when("/refusals.json", |json| json["strays"]["total"] == noted);
}

fn found_nothing(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status == 404).count()
}
