//! What the steps are given: signed pushes of each format, and a database of made-up history.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use mpsink::app::demo;
use mpsink::clock::Clock;
use mpsink::demo::Scenario;
use mpsink::notification::Format;
use mpsink::notification::delivery::Delivery;
use mpsink::notification::source::SourceId;
use mpsink::push::{PushContent, SAMPLES, Signer, build};
use mpsink::signature::DOCUMENTED_CERTIFICATE_URL;
use tempfile::TempDir;

use crate::load::pushes::OWNER;
use crate::load::server::KEY;

pub(crate) const FORMATS: [Format; 3] = [Format::Xml, Format::Json, Format::Simplified];

/// Jobs of the made-up history.
const JOBS: u64 = 10_000;

/// Returns who signs with a key of 512 bits, as SMQ does.
pub(crate) fn signer() -> anyhow::Result<Signer> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("signer.key");
    fs::write(&key, KEY)?;
    Ok(Signer::from_test_key(&key, DOCUMENTED_CERTIFICATE_URL)?)
}

/// Returns a signed push of a bundled message, as the server receives it.
pub(crate) fn delivery(format: Format, sample: &str) -> anyhow::Result<Delivery> {
    let now = Clock::system().now();
    let message = SAMPLES.iter().find(|other| other.name == sample);
    let content = PushContent {
        format,
        topic_owner: OWNER.to_owned(),
        topic: "mps-std".to_owned(),
        message_id: "0123456789ABCDEF0123456789ABCDEF".to_owned(),
        tag: None,
        published_at: now,
        message: message.context("a sample")?.message.to_vec(),
    };
    let mut push = build(&content, "/notifications/0123456789abcdef", &signer()?, now)?;
    let length = push.body.as_ref().map_or(0, Vec::len);
    push.headers.add("host", "localhost");
    push.headers.add("content-length", length.to_string());
    Ok(push.into_delivery(SourceId(1), now))
}

/// A database of made-up history.
pub(crate) struct History {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl History {
    pub(crate) fn make() -> anyhow::Result<History> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("demo.db");
        let scenario = Scenario {
            jobs: JOBS,
            days: 1,
            seed: 1,
            ends_at: Clock::system().now(),
        };
        demo::make(&path, &scenario, |_| {})?;
        Ok(History {
            path,
            _folder: folder,
        })
    }
}
