//! A source: one configured way in.
//!
//! Its *name* is what the store keeps its pins and counts under, so that its paths can be rotated
//! and its place in the file can change without losing them.

/// The store's number of a source; stable for one name in one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub i64);

/// One way in, as configured and known to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    /// Shown on pages and used as a label; `default` for the one that made itself.
    pub name: String,
    /// The request targets it answers to, each exactly. The first is the one to register.
    pub paths: Vec<String>,
    /// Topic owners let in by configuration. With none configured, the first admitted owner is
    /// pinned in the store; a person may allow more there.
    pub owners: Vec<String>,
    /// Topics let in by configuration; none means any topic of those owners.
    pub topics: Vec<String>,
    /// The region its topics are in, such as `cn-shanghai`; empty if not configured.
    pub region: String,
    /// The MPS queue its jobs belong to; empty if not configured.
    pub queue: String,
}

/// How SMQ repeats a push that was not taken. It is set on the subscription, and no push says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryPolicy {
    /// Nobody has said it.
    #[default]
    Unknown,
    /// Three times, 10 to 20 s apart; what a subscription has unless told otherwise.
    Backoff,
    /// After 1, 2, 4 … 512 s, then 166 times more: for a day.
    ExponentialDecay,
}

impl RetryPolicy {
    /// SMQ's word for it.
    pub fn word(self) -> Option<&'static str> {
        match self {
            RetryPolicy::Unknown => None,
            RetryPolicy::Backoff => Some("BACKOFF_RETRY"),
            RetryPolicy::ExponentialDecay => Some("EXPONENTIAL_DECAY_RETRY"),
        }
    }
}

/// Returns a request target with the last segment of its path and its query hidden, for logs and
/// everything else a stranger may read: the segment is the secret that keeps other accounts' pushes
/// out. However many slashes a proxy has added behind it, it stays hidden.
pub fn masked(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, _)) => (path, "?•••"),
        None => (target, ""),
    };
    let stem = path.trim_end_matches('/');
    let slash = if stem.len() < path.len() { "/" } else { "" };
    let stem = match stem.rsplit_once('/') {
        _ if stem.is_empty() => String::new(),
        Some((head, _)) => format!("{head}/•••"),
        None => "•••".to_owned(),
    };
    format!("{stem}{slash}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_never_shown() {
        let cases = [
            ("/notifications/0123abcd", "/notifications/•••"),
            ("/a/b/c?d=e", "/a/b/•••?•••"),
            ("/n/0123abcd?a=/b", "/n/•••?•••"),
            ("/n/0123abcd//", "/n/•••/"),
            ("/notifications/0123abcd/", "/notifications/•••/"),
            ("/", "/"),
            ("nothing", "•••"),
        ];
        for (path, expected) in cases {
            assert_eq!(masked(path), expected, "{path}");
        }
    }
}
