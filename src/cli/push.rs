//! `mpsink push`: builds, signs and sends test pushes.
//!
//! Sent to a `serve --try` they are recorded there, marked as tests. Sent to a real server they are
//! a probe: it has to refuse them, and by how it does one sees whether path, proxy and TLS are
//! right.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::cli::output::Output;
use crate::cli::{Common, http_agent, say};
use crate::clock::Clock;
use crate::config::{Config, TRY_DATABASE};
use crate::notification::Format;
use crate::notification::capture::{self, Capture};
use crate::notification::reason::RefusalReason;
use crate::push::{PushContent, SAMPLES, Sample, Signer, build, message_id_of, test_key_path};
use crate::signature::TEST_CERTIFICATE_URL;
use crate::store::foresee::foresee;
use crate::store::lock;
use crate::store::options::Purpose;

/// The owner of test pushes: an account id that nobody has.
const TEST_OWNER: &str = "1234567890123456";

#[derive(Args)]
pub(super) struct Push {
    #[command(flatten)]
    common: Common,
    /// The format of the push
    #[arg(long, value_enum, default_value = "xml")]
    format: FormatName,
    /// A message that comes with the program; `help` lists them
    #[arg(long, value_name = "NAME", default_value = "transcode-success")]
    sample: String,
    /// The message from a file, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    file: Option<PathBuf>,
    /// The topic [default: the sample's, else mps-std]
    #[arg(long)]
    topic: Option<String>,
    /// The account id of the topic's owner
    #[arg(long, default_value = TEST_OWNER)]
    owner: String,
    /// The message id [default: made from the message, so that pushing it again is a duplicate]
    #[arg(long)]
    message_id: Option<String>,
    /// The message's tag
    #[arg(long)]
    tag: Option<String>,
    /// How many pushes, each with a message id of its own and, with a sample, a job of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The endpoint [default: that of the running `mpsink serve --try`]
    #[arg(long)]
    url: Option<String>,
    /// Print the requests instead of sending them
    #[arg(long)]
    print: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    Xml,
    Json,
    Simplified,
}

/// Where a push goes.
struct Endpoint {
    /// The URL without its path.
    origin: String,
    /// The path with its query, as it goes on the request line and into the signature.
    target: String,
    /// It is the `serve --try` of this folder, which is expected to take the push.
    is_ours: bool,
}

pub(super) fn run(command: &Push) -> anyhow::Result<ExitCode> {
    if command.sample == "help" {
        for sample in SAMPLES {
            say(&format!("{:22} to topic {}", sample.name, sample.topic));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut common = command.common.flags();
    common.is_try = true;
    let config = Config::load(common)?;
    let (message, sample) = read_message(command)?;
    let key_path = test_key_path(&config.database);
    let signer = Signer::from_test_key(&key_path, TEST_CERTIFICATE_URL)?;
    let endpoint = find_endpoint(command, &config)?;
    let agent = http_agent();
    let clock = Clock::system();
    let mut all_taken = true;
    for number in 0..command.count {
        let now = clock.now();
        let message = match (number, sample) {
            (1.., Some(_)) => with_own_ids(&message, number),
            _ => message.clone(),
        };
        let topic = command
            .topic
            .as_deref()
            .or(sample.map(|sample| sample.topic))
            .unwrap_or("mps-std");
        let format = command.format.format();
        let message_id = match &command.message_id {
            Some(id) if number == 0 => id.clone(),
            Some(id) => format!("{id}-{number}"),
            None => message_id_of(format, &command.owner, topic, &message, number),
        };
        let content = PushContent {
            format,
            topic_owner: command.owner.clone(),
            topic: topic.to_owned(),
            message_id: message_id.clone(),
            tag: command.tag.clone(),
            published_at: now,
            message,
        };
        let push = build(&content, &endpoint.target, &signer, now)
            .context("cannot put the message into this format; try --format simplified")?;
        if command.print {
            print(&push, number > 0)?;
            continue;
        }
        let answer = send(&agent, &endpoint, &push)?;
        let (is_as_expected, meaning) = judge(endpoint.is_ours, &answer);
        all_taken &= is_as_expected;
        if command.count <= 10 || !is_as_expected {
            say(&format!("{} {message_id} {meaning}", answer.status));
        }
        if !is_as_expected && command.count > 1 {
            bail!("stopped after {} of {} pushes", number + 1, command.count);
        }
    }
    if command.count > 10 && !command.print {
        say(&format!(
            "{} pushes answered as they should be",
            command.count
        ));
    }
    Ok(if all_taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            FormatName::Xml => Format::Xml,
            FormatName::Json => Format::Json,
            FormatName::Simplified => Format::Simplified,
        }
    }
}

fn read_message(command: &Push) -> anyhow::Result<(Vec<u8>, Option<&'static Sample>)> {
    if let Some(file) = &command.file {
        if file.as_os_str() == "-" {
            let mut message = Vec::new();
            io::stdin()
                .read_to_end(&mut message)
                .context("cannot read standard input")?;
            return Ok((message, None));
        }
        let message = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        return Ok((message, None));
    }
    let sample = SAMPLES.iter().find(|sample| sample.name == command.sample);
    if let Some(sample) = sample {
        Ok((sample.message.to_vec(), Some(sample)))
    } else {
        let names: Vec<&str> = SAMPLES.iter().map(|sample| sample.name).collect();
        bail!(
            "there is no sample `{}`; there are {}",
            command.sample,
            names.join(", ")
        )
    }
}

fn find_endpoint(command: &Push, config: &Config) -> anyhow::Result<Endpoint> {
    let running = lock::running(&config.database);
    let url = match (&command.url, &running) {
        (Some(url), _) => url.clone(),
        (None, Some(running)) => running.endpoint.clone(),
        (None, None) if command.print => "http://127.0.0.1:8080/notifications".to_owned(),
        (None, None) => bail!(
            "no `mpsink serve --try` is running on {} (its database is {TRY_DATABASE} unless \
             --database names another); start it in this folder, or name an endpoint with --url",
            config.database.display()
        ),
    };
    // A server for real pushes is probed from beside its database like any other.
    let is_ours = running.is_some_and(|running| running.endpoint == url)
        && foresee(&config.database, Purpose::Try).is_ok();
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("`{url}` is no URL: take the endpoint in full from the dashboard, not with `•••`");
    }
    let after_scheme = url.find("://").map(|at| at + 3);
    let Some(host_at) = after_scheme else {
        bail!("`{url}` is no URL, such as https://mps.example.com/notifications/…");
    };
    let path_at = url
        .get(host_at..)
        .and_then(|rest| rest.find('/'))
        .map(|at| host_at + at);
    // SMQ posts to /notifications if the endpoint names no path.
    let (origin, target) = match path_at {
        Some(at) => url.split_at(at),
        None => (url.as_str(), "/notifications"),
    };
    Ok(Endpoint {
        origin: origin.to_owned(),
        target: target.to_owned(),
        is_ours,
    })
}

/// Returns the message with each id of 32 hex digits replaced by another one, the same for the same
/// id, so that `number` pushes are as many jobs.
fn with_own_ids(message: &[u8], number: u64) -> Vec<u8> {
    let mut changed = message.to_vec();
    for id in changed.chunk_by_mut(|a, b| a.is_ascii_hexdigit() == b.is_ascii_hexdigit()) {
        let is_id = id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit);
        if is_id {
            let digits = format!("{number:016x}");
            let (_, tail) = id.split_at_mut(16);
            tail.copy_from_slice(digits.as_bytes());
        }
    }
    changed
}

/// Prints a request as it is, to the byte: a line break behind it would be one of its body. Between
/// two of them there is one.
fn print(push: &Capture, is_behind_another: bool) -> anyhow::Result<()> {
    let mut output = Output::open(None)?;
    if is_behind_another {
        output.write(b"\n")?;
    }
    output.write(&capture::write(push))?;
    output.finish()
}

/// What came back.
struct Answer {
    status: u16,
    /// It is HTML or JSON: the receiver has neither.
    is_page: bool,
    text: String,
}

fn send(agent: &ureq::Agent, endpoint: &Endpoint, push: &Capture) -> anyhow::Result<Answer> {
    let url = format!("{}{}", endpoint.origin, endpoint.target);
    let mut request = agent.post(&url);
    for (name, value) in push.headers.iter() {
        request = request.header(name, value);
    }
    let body = push.body.as_deref().unwrap_or_default();
    let mut response = request.send(body).map_err(|error| {
        let cannot = match way(&error.to_string()) {
            Some(what_to_do) => format!("cannot reach {url}: {what_to_do}"),
            None => format!("cannot reach {url}"),
        };
        anyhow::Error::new(error).context(cannot)
    })?;
    let kind = response.headers().get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_page = kind.starts_with("text/html") || kind.contains("json");
    Ok(Answer {
        status: response.status().as_u16(),
        is_page,
        text: response.body_mut().read_to_string().unwrap_or_default(),
    })
}

/// Returns what a person can do about a connection that did not come about, by what the TLS library and
/// the system say: SMQ meets the same.
fn way(error: &str) -> Option<&'static str> {
    let ways = [
        (
            "InvalidContentType",
            "no TLS is spoken there; the proxy does that, so name the proxy's address, or http:// for \
             mpsink's own",
        ),
        (
            "UnknownIssuer",
            "the server's certificate is from no authority that is known here; SMQ may not take it \
             either, so let the proxy have one from a public authority, with its chain",
        ),
        (
            "certificate expired",
            "the server's certificate has expired; let the proxy renew it",
        ),
        (
            "certificate not valid for name",
            "the server's certificate is for another name; look at the proxy's configuration for this \
             one",
        ),
        (
            "invalid peer certificate",
            "the server's certificate is not as public authorities make them; SMQ may not take it \
             either",
        ),
        ("Connection refused", "nothing listens there"),
        (
            "lookup address",
            "the name leads to no address; look at its DNS entry",
        ),
        (
            "timeout",
            "nothing answers there; look whether a firewall is in between",
        ),
    ];
    let found = ways.iter().find(|(sign, _)| error.contains(sign));
    found.map(|(_, way)| *way)
}

/// Returns whether the answer is what it should be, and what it means.
fn judge(is_ours: bool, answer: &Answer) -> (bool, String) {
    let text = answer.text.trim();
    let not_allowed = RefusalReason::CertificateUrlNotAllowed.sentence();
    let (is_as_expected, meaning) = match answer.status {
        204 if is_ours => (true, "taken"),
        204 => (true, "taken: a server in test mode answers at this address"),
        403 if text == not_allowed && !is_ours => (
            true,
            "path, proxy and TLS are right: mpsink answers there; the test key is not trusted, \
             as it should be",
        ),
        300..=399 => (
            false,
            "something in front redirects; SMQ may count that as taken, and the message is lost",
        ),
        // A page of the proxy's own.
        502..=504 if answer.is_page => (
            false,
            "a proxy answers and does not reach mpsink; look whether it runs, and where the proxy \
             sends this path",
        ),
        _ if answer.is_page => (
            false,
            "a page, so it is not mpsink's receiver that answers: this is the dashboard's address, or \
             something else's; take the endpoint from the dashboard's page Connect",
        ),
        404 => (
            false,
            "there is no source at this path; compare it with the endpoint on the dashboard: every \
             byte counts, also a slash at the end",
        ),
        _ => return (false, format!("not as expected: {text}")),
    };
    (is_as_expected, meaning.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_told_by_what_it_means_for_smq() {
        let not_allowed = RefusalReason::CertificateUrlNotAllowed.sentence();
        let page = "<!doctype html><title>Log in</title>";
        for (is_ours, status, is_page, text, is_right, says) in [
            (true, 204, false, "", true, "taken"),
            (false, 204, false, "", true, "in test mode"),
            (false, 403, false, not_allowed, true, "TLS are right"),
            (true, 403, false, not_allowed, false, not_allowed),
            (false, 404, false, "No.", false, "no source at this path"),
            (false, 307, true, page, false, "redirects"),
            (false, 502, true, page, false, "a proxy answers"),
            (false, 401, true, page, false, "the dashboard's address"),
            (false, 404, true, page, false, "the dashboard's address"),
            (false, 503, false, "Full.", false, "not as expected: Full."),
        ] {
            let answer = Answer {
                status,
                is_page,
                text: text.to_owned(),
            };
            let (found, meaning) = judge(is_ours, &answer);
            assert_eq!(found, is_right, "{status} {text}");
            assert!(meaning.contains(says), "{status} {text}: {meaning}");
            assert!(!meaning.contains("doctype"), "{meaning}");
        }
    }

    #[test]
    fn each_of_several_pushes_of_a_sample_is_a_job_of_its_own() {
        let message =
            br#"{"JobId":"aaaa0000bbbb1111cccc2222dddd3333","requestId":"00000000-1111"}"#;
        let first = with_own_ids(message, 1);
        let text = String::from_utf8(first.clone()).unwrap();
        assert!(text.contains("aaaa0000bbbb11110000000000000001"), "{text}");
        assert!(text.contains("00000000-1111"), "{text}");
        assert_ne!(first, with_own_ids(message, 2));
    }
}
