//! `mpsink verify`: checks a captured push, and says what would have to differ.
//!
//! The same explanation as on the page of a held or refused push, for a request in a file: the
//! certificate, the time and the window can be chosen, so that old captures can be checked too.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::app::options::public_prefix;
use crate::causes::chain;
use crate::cli::{Common, note, say};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, TRY_DATABASE};
use crate::notification::capture::{self, Capture};
use crate::push::{Signer, test_key_path};
use crate::signature::certificate::Certificate;
use crate::signature::explain::{CheckName, Evidence, Explanation, Verdict, explain};
use crate::signature::{TEST_CERTIFICATE_URL, Verifier, VerifierOptions};
use crate::store::lock;

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    common: Common,
    /// The request: request line, headers, blank line, body; `-` for standard input
    file: PathBuf,
    /// Use this certificate instead of the one that the push names
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The time to compare the push's date with, as RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Take any date, for old captures
    #[arg(long)]
    any_date: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Verify) -> anyhow::Result<ExitCode> {
    let config = command.common.load()?;
    let capture = read_capture(&command.file)?;
    let (certificate, trusts_test_key) = match &command.certificate {
        Some(file) => (Some(read_certificate(file)?), false),
        None => find_certificate(&config, &capture)?,
    };
    let public_prefix = public_prefix(&config);
    let explanation = explain(
        &capture,
        &Evidence {
            certificate: certificate.as_ref(),
            now: command.at.unwrap_or_else(|| Clock::system().now()),
            date_window_ms: (!command.any_date).then_some(config.date_window_ms),
            certificate_urls: &config.certificate_urls,
            trusts_test_key,
            public_prefix: &public_prefix,
            paths: &known_paths(&config),
        },
    );
    if command.json {
        say(&serde_json::to_string_pretty(&explanation)?);
    } else {
        print(&explanation);
    }
    Ok(if explanation.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse_rfc3339(text).ok_or("a time such as 2024-05-06T08:00:01Z is expected")
}

fn read_capture(file: &Path) -> anyhow::Result<Capture> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        bytes
    } else {
        fs::read(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    capture::parse(&bytes).with_context(|| format!("{} is no captured request", file.display()))
}

fn read_certificate(file: &Path) -> anyhow::Result<Certificate> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Certificate::parse(&bytes)
        .with_context(|| format!("{} is no certificate that can be used", file.display()))
}

/// Returns the paths that a push may have been signed for: the configured ones, and that of the
/// server running here, which may have made its own.
fn known_paths(config: &Config) -> Vec<String> {
    let configured = config
        .sources
        .iter()
        .flat_map(|source| source.paths.clone());
    let databases = [config.database.as_path(), Path::new(TRY_DATABASE)];
    let running = databases.into_iter().filter_map(lock::running);
    let served = running.filter_map(|running| {
        let (_, rest) = running.endpoint.split_once("://")?;
        rest.find('/')
            .and_then(|at| rest.get(at..))
            .map(str::to_owned)
    });
    configured.chain(served).collect()
}

/// Returns the certificate that the push names: the test key of this folder, else what its URL
/// gives if that is allowed, else the known one that comes with the program. With it, whether the
/// test key is trusted.
fn find_certificate(
    config: &Config,
    capture: &Capture,
) -> anyhow::Result<(Option<Certificate>, bool)> {
    let key_file = test_key_path(Path::new(TRY_DATABASE));
    let test_key = if key_file.exists() {
        Some(Signer::from_test_key(&key_file, TEST_CERTIFICATE_URL)?)
    } else {
        None
    };
    let trusts_test_key = test_key.is_some();
    let verifier = Verifier::new(VerifierOptions {
        certificate_urls: config.certificate_urls.clone(),
        proxy: config.proxy.clone(),
        test_key: test_key.map(|signer| signer.key.to_public_key()),
        ..VerifierOptions::new(Clock::system())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    if let Err(error) = runtime.block_on(verifier.learn(&capture.headers)) {
        note(&format!(
            "mpsink: {}; name a proxy in verify.proxy, or give the certificate with --certificate FILE",
            chain(&error)
        ));
    }
    let certificate = verifier.certificate_for(&capture.headers);
    Ok((certificate, trusts_test_key))
}

fn print(explanation: &Explanation) {
    for check in &explanation.checks {
        let mark = match check.verdict {
            Verdict::Holds => "ok ",
            Verdict::Fails => "NO ",
            Verdict::NotChecked => " - ",
        };
        let name = check.name.words();
        say(&format!("{mark} {name:15} {}", check.saw));
        if let Some(hint) = &check.hint {
            say(&format!("                    {hint}"));
        }
    }
    say("");
    say("the string to sign, line by line:");
    for line in &explanation.string_to_sign {
        say(&format!("  | {line}"));
    }
    if !explanation.envelope.is_empty() {
        say("");
        say("the envelope:");
        for field in &explanation.envelope {
            say(&format!("  {:15} {}", field.name, field.value));
        }
    }
    if let Some(message) = &explanation.message {
        say("");
        say("the message:");
        say(message);
    }
    if !explanation.would_hold_with.is_empty() {
        say("");
        say("the signature would hold with:");
        for change in &explanation.would_hold_with {
            say(&format!("  {change}"));
        }
    }
    say("");
    say(conclusion(explanation));
}

/// Returns what follows from it all, and no more than that.
fn conclusion(explanation: &Explanation) -> &'static str {
    let is_test = explanation
        .check(CheckName::CertificateUrl)
        .is_some_and(|check| check.saw.starts_with(TEST_CERTIFICATE_URL));
    match (explanation.holds(), is_test) {
        (false, _) => "it does not hold: see the lines marked NO",
        (true, true) => "everything that could be checked holds, for a test push of `mpsink push`",
        (true, false) => {
            "everything that could be checked holds: whoever has the certificate's key has signed it"
        }
    }
}
