//! A delivery: what one push brought, as it came.
//!
//! Header names are lower case here, since HTTP compares them so and frameworks re-case them;
//! header values and the target are kept byte for byte, since the signature covers them.

use crate::clock::Timestamp;
use crate::notification::source::SourceId;

/// One push: its raw request target, headers and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub source: SourceId,
    /// The request target as on the request line, with its query, not decoded.
    pub target: String,
    pub headers: Headers,
    /// At most 1 MiB, by the receiver's bound.
    pub body: Vec<u8>,
    pub received_at: Timestamp,
}

/// The headers of a push. Names are lower case; a name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Adds a header; `name` is made lower case, `value` is kept as it is.
    pub fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Returns the first value under `name`, which must be lower case.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let mut found = self.iter().filter(|(other, _)| *other == name);
        found.next().map(|(_, value)| value)
    }

    /// Returns the first value under `name` if it is UTF-8.
    pub fn first_text(&self, name: &str) -> Option<&str> {
        self.first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns when the push was sent by the sender's clock. SMQ dates it by either header; the first
    /// one wins that the signature takes.
    pub fn sent_at(&self) -> Option<Timestamp> {
        let date = self.first("x-mns-date").or_else(|| self.first("date"))?;
        Timestamp::parse_http_date(std::str::from_utf8(date).ok()?)
    }

    /// Returns every value under `name`, which must be lower case, in the order they came.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Replaces every value under `name` by one.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    pub fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
    }

    /// Puts the headers in the order of their names, values under one name in the order they came.
    pub fn sort(&mut self) {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
    }

    /// Returns the bytes of all names and values together.
    pub fn bytes(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }
}
