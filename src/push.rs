//! Builds and signs pushes as SMQ would, for `mpsink push`, the demo and the tests.
//!
//! No official push simulator exists any more, so this is also the reference of what a push looks
//! like: the headers and their spelling follow captures of real ones. The key is the test key of
//! `serve --try`, or one that a test made; nothing here can sign for a real server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use sha2::Sha256;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::envelope;
use crate::notification::capture::Capture;
use crate::notification::delivery::Headers;
use crate::notification::{Format, Notification};
use crate::signature::string_to_sign;

/// The bits of a new test key. SMQ's own has 512; this one is quick to make and to sign with, and
/// is trusted on loopback alone.
const TEST_KEY_BITS: usize = 1024;

/// What signs a push, and where its certificate is said to be.
pub struct Signer {
    pub key: RsaPrivateKey,
    pub certificate_url: String,
}

/// What a push is about; everything else is made from it.
#[derive(Clone, Debug)]
pub struct PushContent {
    pub format: Format,
    pub topic_owner: String,
    pub topic: String,
    pub message_id: String,
    pub tag: Option<String>,
    pub published_at: Timestamp,
    pub message: Vec<u8>,
}

/// Why there is no test key.
#[derive(Debug, Error)]
pub enum TestKeyError {
    #[error("cannot read the test key {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the test key {path}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} is no private key; remove it, and a new one is made", path = path.display())]
    Malformed {
        path: PathBuf,
        source: rsa::pkcs8::Error,
    },
    #[error("cannot make a test key")]
    Generate(#[from] rsa::Error),
}

/// Why there is no push.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error("the message cannot stand in this format")]
    Write(#[from] envelope::WriteError),
    #[error("cannot sign")]
    Sign(#[from] string_to_sign::SignError),
}

/// A message that comes with the program, to push.
pub struct Sample {
    pub name: &'static str,
    /// The topic it is pushed to unless another is named.
    pub topic: &'static str,
    pub message: &'static [u8],
}

macro_rules! sample {
    ($name:literal, $topic:literal, $file:literal) => {
        Sample {
            name: $name,
            topic: $topic,
            message: include_bytes!(concat!("../tests/data/", $file)),
        }
    };
}

/// Every bundled message. The first is what `mpsink push` sends by itself.
pub const SAMPLES: &[Sample] = &[
    sample!("transcode-success", "mps-std", "job-transcode-success.json"),
    sample!("transcode-fail", "mps-std", "job-transcode-fail.guess.json"),
    sample!("analysis-success", "mps-std", "job-analysis-success.json"),
    sample!("mediainfo-success", "mps-std", "job-mediainfo-success.json"),
    sample!(
        "iproduction-fail",
        "mps-ai",
        "job-iproduction-fail.guess.json"
    ),
    sample!(
        "mediacensor-success",
        "mps-ai",
        "job-mediacensor-success-nested.guess.json"
    ),
    sample!(
        "fpshot-success",
        "mps-ai",
        "job-fpshot-success-nested.guess.json"
    ),
    sample!(
        "smarttag-processing",
        "mps-ai",
        "job-smarttag-processing.guess.json"
    ),
    sample!(
        "smarttag-success",
        "mps-ai",
        "job-smarttag-success.guess.json"
    ),
    sample!("workflow-start", "mps-wf", "workflow-start.json"),
    sample!(
        "workflow-report",
        "mps-wf",
        "workflow-report-completed.json"
    ),
    sample!(
        "workflow-partial-fail",
        "mps-wf",
        "workflow-report-partial-fail.guess.json"
    ),
    sample!(
        "workflow-start-fail",
        "mps-wf",
        "workflow-start-fail.guess.json"
    ),
];

impl Signer {
    /// Returns the signer of `serve --try`: the key in `path`, made there if there is none.
    ///
    /// Whoever comes second reads what the first has made, also when both start at once.
    pub fn from_test_key(path: &Path, certificate_url: &str) -> Result<Signer, TestKeyError> {
        let pem = match fs::read_to_string(path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_test_key(path)?,
            Err(source) => {
                let path = path.to_owned();
                return Err(TestKeyError::Read { path, source });
            }
        };
        let key =
            RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|source| TestKeyError::Malformed {
                path: path.to_owned(),
                source,
            })?;
        Ok(Signer {
            key,
            certificate_url: certificate_url.to_owned(),
        })
    }
}

/// Returns the file of the test key that goes with a database.
pub fn test_key_path(database: &Path) -> PathBuf {
    database.with_extension("key")
}

/// Builds the push of `content` to `target`, signed as at `now`.
///
/// `Content-MD5` is in the encoding seen for the format: base64 of the hex text for envelopes,
/// upper-case hex for SIMPLIFIED. Fails if the message cannot stand in the envelope.
pub fn build(
    content: &PushContent,
    target: &str,
    signer: &Signer,
    now: Timestamp,
) -> Result<Capture, BuildError> {
    let mut push = build_unsigned(content, target, now)?;
    push.headers.add(
        "x-mns-signing-cert-url",
        STANDARD.encode(&signer.certificate_url),
    );
    let signature = string_to_sign::sign(&signer.key, target, &push.headers)?;
    push.headers.add("authorization", signature);
    push.headers.sort();
    Ok(push)
}

/// Builds the push of `content` without what proves it: nobody believes it, and it names no
/// certificate. For what never goes over the wire.
pub fn build_unsigned(
    content: &PushContent,
    target: &str,
    now: Timestamp,
) -> Result<Capture, envelope::WriteError> {
    let notification = notification_of(content);
    let written = envelope::write(&notification)?;
    let hex = envelope::message_md5(&written.body);
    let content_md5 = match content.format {
        Format::Simplified => hex,
        Format::Xml | Format::Json => STANDARD.encode(hex.to_ascii_lowercase()),
    };
    let mut headers = Headers::default();
    headers.add("content-md5", content_md5);
    headers.add("content-type", written.content_type);
    headers.add("date", now.to_http_date());
    headers.add("user-agent", "Aliyun Notification Service Agent");
    headers.add("x-mns-request-id", request_id(content, now));
    headers.add("x-mns-version", "2015-06-06");
    for (name, value) in written.headers {
        headers.add(name, value);
    }
    headers.sort();
    Ok(Capture {
        method: "POST".to_owned(),
        target: target.to_owned(),
        headers,
        body: Some(written.body),
    })
}

/// Returns a message id that is the same whenever the same is pushed again, in the new style of 32
/// hex digits. `number` tells apart what is meant to be several messages.
pub fn message_id_of(
    format: Format,
    owner: &str,
    topic: &str,
    message: &[u8],
    number: u64,
) -> String {
    let mut hash = Sha256::new();
    for part in [
        format.word().as_bytes(),
        owner.as_bytes(),
        topic.as_bytes(),
        message,
    ] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.update(number.to_be_bytes());
    hex_upper(&hash.finalize(), 32)
}

fn notification_of(content: &PushContent) -> Notification {
    Notification {
        format: content.format,
        topic_owner: Some(content.topic_owner.clone()),
        topic: Some(content.topic.clone()),
        subscriber: Some(content.topic_owner.clone()),
        subscription: Some("mpsink".to_owned()),
        message_id: Some(content.message_id.clone()),
        message_md5: None,
        published_at: Some(content.published_at),
        tag: content.tag.clone(),
        message: content.message.clone(),
    }
}

/// Returns what SMQ calls a push: its unix seconds as 8 hex digits, then 16 more.
fn request_id(content: &PushContent, now: Timestamp) -> String {
    let mut hash = Md5::new();
    hash.update(content.message_id.as_bytes());
    hash.update(now.0.to_be_bytes());
    format!("{:08X}{}", now.0 / 1000, hex_upper(&hash.finalize(), 16))
}

fn hex_upper(bytes: &[u8], digits: usize) -> String {
    let hex = bytes.iter().map(|byte| format!("{byte:02X}"));
    hex.collect::<String>().chars().take(digits).collect()
}

fn make_test_key(path: &Path) -> Result<String, TestKeyError> {
    let write_error = |source| TestKeyError::Write {
        path: path.to_owned(),
        source,
    };
    let key = RsaPrivateKey::new(&mut OsRng, TEST_KEY_BITS)?;
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|source| TestKeyError::Malformed {
            path: path.to_owned(),
            source,
        })?;
    // Written beside and linked into place, which fails if another has been quicker: so nobody ever
    // reads half a key, and all use the same one.
    let beside = path.with_extension(format!("key.{}", std::process::id()));
    write_private(&beside, pem.as_bytes()).map_err(write_error)?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside).map_err(write_error)?;
    match linked {
        Ok(()) => Ok(pem.to_string()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path)
            .map_err(|source| TestKeyError::Read {
                path: path.to_owned(),
                source,
            }),
        Err(error) => Err(write_error(error)),
    }
}

/// Writes a new file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
