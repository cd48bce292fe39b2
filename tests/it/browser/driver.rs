//! Chromium under `WebDriver`: a chromedriver of one's own, and its commands as JSON over HTTP.
//!
//! Everything that is started here ends with the [`Driver`], and also if the tests are killed: the
//! shell around chromedriver waits for the end of a pipe that only this process holds, and then ends
//! its whole process group, Chromium included. chromedriver alone would leave Chromium running.
//!
//! Deliberately without a crate: the crates for `WebDriver` bring thirty others and an async runtime
//! into tests that have none, for what is a request and an answer on loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// Ends with its standard input. What it starts in the background has none, so only `read` waits.
const SHELL: &str = "chromedriver --port=0 & exec >&-; read _; kill 0";

/// Longer than anything may take, the start of Chromium on a busy machine among it.
const DEADLINE: Duration = Duration::from_secs(60);

/// It takes a port that is free for one family of addresses, and gives up if a test's server has it
/// in the other by then.
const STARTS_MAX: u32 = 5;

/// How long chromedriver waits for a page to load or an element to be there, in milliseconds; below
/// [`DEADLINE`], so that it is chromedriver that says what is missing.
const PAGE_LOAD_MS: u64 = 30_000;
const ELEMENT_MS: u64 = 10_000;

/// Enough for a screenshot, which comes in base64.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What keeps Chromium on this machine and quiet. `Host` rules rather than trust in the switches
/// below it: with them nothing but loopback has an address.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    // Containers have 64 MiB of it, and pages crash beyond.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--lang=en-US",
];

/// A Chromium of its own, with an empty profile.
pub(super) struct Driver {
    shell: Child,
    agent: Agent,
    address: SocketAddr,
    /// The path of the session's commands.
    session: String,
    #[expect(dead_code, reason = "removed with the rest")]
    profile: TempDir,
}

/// Why chromedriver did not do what it was told.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The standard's word for it, such as `stale element reference`.
    pub(super) error: String,
    #[expect(dead_code, reason = "read by whoever sees the test fail")]
    message: String,
}

impl Driver {
    pub(super) fn start() -> Driver {
        let (shell, port) = (0..STARTS_MAX).find_map(|_| started()).expect(
            "chromedriver does not start: `tests/run` installs it on Debian, and \
             `cargo test -- --skip browser::` leaves out what needs it",
        );
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(profile.path());
        let mut driver = Driver {
            shell,
            agent: agent(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            session: "/session".to_owned(),
            profile,
        };
        let session = driver.post("", &capabilities).unwrap();
        driver.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        driver
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.command("GET", path, "")
    }

    pub(super) fn post(&self, path: &str, parameters: &Value) -> Result<Value, Refusal> {
        self.command("POST", path, &parameters.to_string())
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, Refusal> {
        self.command("DELETE", path, "")
    }

    /// Tells Chromium itself, in the words of its developer tools, what the standard has none for.
    pub(super) fn devtools(&self, command: &str, parameters: &Value) {
        let parameters = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", &parameters).unwrap();
    }

    fn command(&self, method: &str, path: &str, body: &str) -> Result<Value, Refusal> {
        let answer = self.exchange(method, path, body);
        let answer = answer.map_err(|error| Refusal {
            error: "no answer".to_owned(),
            message: format!("{method} {path}: {error}"),
        })?;
        match answer["value"]["error"].as_str() {
            None => Ok(answer["value"].clone()),
            Some(error) => Err(Refusal {
                error: error.to_owned(),
                message: format!("{method} {path}: {}", answer["value"]["message"]),
            }),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Value, ureq::Error> {
        let url = format!("http://{}{}{path}", self.address, self.session);
        let mut answer = match method {
            "GET" => self.agent.get(url).call()?,
            "DELETE" => self.agent.delete(url).call()?,
            _ => self.agent.post(url).send(body)?,
        };
        let answer = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let answer = answer.read_to_string()?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // In order first, so that nobody writes to the profile any more when it is removed.
        let _ = self.command("DELETE", "", "");
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Starts chromedriver; `None` if it ends before it has a port.
fn started() -> Option<(Child, u16)> {
    let mut command = Command::new("sh");
    command.args(["-c", SHELL]).env("TZ", "UTC");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.process_group(0).spawn().unwrap();
    let port = announced_port(&mut shell);
    if port.is_none() {
        let _ = shell.wait();
    }
    Some((shell, port?))
}

/// Returns the port that chromedriver says it listens on, or `None` if it ends without.
fn announced_port(shell: &mut Child) -> Option<u16> {
    let lines = BufReader::new(shell.stdout.take()?).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    })
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .http_status_as_error(false)
        .proxy(None);
    config.build().into()
}

fn capabilities(profile: &Path) -> Value {
    let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    // Chromium refuses to run as root inside its sandbox, as containers do.
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        arguments.push("--no-sandbox".to_owned());
    }
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "timeouts": {"pageLoad": PAGE_LOAD_MS, "script": ELEMENT_MS, "implicit": ELEMENT_MS},
        "unhandledPromptBehavior": "ignore",
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": {"intl.accept_languages": "en-US,en"},
        },
    }}})
}
