//! The words of the domain: what arrives, what it says, and what became of it.
//!
//! Plain data on the lowest floor, without I/O and without a clock. A *delivery* is one push as it
//! came (`delivery.rs`, and written as a file in `capture.rs`); a *notification* is the content of
//! its envelope; an *event* is what the message inside says (`event.rs`); `reason.rs` names why a
//! push was not let in; `source.rs` the configured ways in.
//!
//! **Architecture invariant:** only `ingest` makes an [`Admitted`] value (a test over the source
//! tree holds it), and `mps` and the store's `append` take nothing else.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub mod capture;
pub mod delivery;
pub mod event;
pub mod reason;
pub mod source;

/// What the envelope says: the message and who published it where and when.
///
/// Fields that the envelope did not carry are `None`; an empty element counts as not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub format: Format,
    /// The account id of the topic's owner, digits.
    pub topic_owner: Option<String>,
    pub topic: Option<String>,
    /// The account id of the subscriber.
    pub subscriber: Option<String>,
    pub subscription: Option<String>,
    /// Opaque: `CB1A8E7EFFA19158-1-15CA022CE05-200000008` or 32 hex digits have been seen.
    pub message_id: Option<String>,
    /// Upper-case hex MD5 of the message as carried, as the envelope claims it.
    pub message_md5: Option<String>,
    /// When the message was published to the topic.
    pub published_at: Option<Timestamp>,
    pub tag: Option<String>,
    /// The message byte for byte, after XML or JSON unescaping. At most 64 KiB by the vendor's
    /// word; nothing here relies on it.
    pub message: Vec<u8>,
}

/// The three forms a push's body can have; the subscription chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Xml,
    Json,
    Simplified,
}

impl Format {
    pub fn word(self) -> &'static str {
        match self {
            Format::Xml => "xml",
            Format::Json => "json",
            Format::Simplified => "simplified",
        }
    }
}

/// Proof that `ingest` has let this in: its signature holds, and its date, body, owner and topic
/// pass, or a person admitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted<T>(T);

impl<T> Admitted<T> {
    /// Vouches for `value`. For `ingest` alone; `tests/it/tidy.rs` fails on any other caller.
    pub fn vouch_for(value: T) -> Admitted<T> {
        Admitted(value)
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Admitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
