//! Why a message was not understood, as a sentence for the person who set the topic up.
//!
//! Each says what was found and what was expected. They are shown on pages and not answered to the
//! sender, so they may quote the message: a little, and with control characters escaped.

use crate::mps::json::DEPTH_MAX;
use crate::mps::layers::LAYERS_MAX;
use crate::notification::event::ID_BYTES_MAX;

/// How much of a text is quoted.
const QUOTE_CHARS_MAX: usize = 40;
/// How many of an object's keys are named.
const KEYS_NAMED_MAX: usize = 8;

/// Why a message gave no event of a job or a run; shown as the sentence to store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("The message is empty; expected the JSON object that MPS publishes.")]
    Empty,
    #[error(
        "The message is not JSON ({error}); it begins with “{beginning}”. Expected the JSON object \
         that MPS publishes; a test message from the SMQ console may be any text."
    )]
    NotJson {
        beginning: String,
        error: serde_json::Error,
    },
    #[error("The message is nested more than {DEPTH_MAX} levels deep; those of MPS have six.")]
    TooDeep,
    #[error("The message is JSON, but {found}; expected the object that MPS publishes.")]
    NotAnObject { found: &'static str },
    #[error(
        "The message is wrapped {LAYERS_MAX} times; expected that of MPS, wrapped once at most."
    )]
    TooManyLayers,
    #[error(
        "The message has the key EventType (“{event_type}”): an event of another product, such as \
         IMS or VOD. Expected one of MPS, which has JobId or RunId."
    )]
    OtherProduct { event_type: String },
    #[error(
        "The message is an object with {keys}, but it names no JobId (a job), and no RunId or \
         MediaWorkflowExecution (a workflow run)."
    )]
    NoSubject { keys: String },
    #[error("The message has {has} but no {key}, so nobody can tell what it is about.")]
    NoId {
        key: &'static str,
        has: &'static str,
    },
    #[error(
        "The message's {key} has {bytes} bytes; expected {ID_BYTES_MAX} at most (MPS's have 32)."
    )]
    IdTooLong { key: &'static str, bytes: usize },
    #[error("The message's {key} is {found}; expected a text such as 32 hex digits.")]
    IdIsNone {
        key: &'static str,
        found: &'static str,
    },
    #[error(
        "The message has a JobId, but neither Type, State, Status nor Result, so it says nothing \
         about the job."
    )]
    SaysNothing,
}

/// Returns the beginning of `bytes` for a sentence, with control characters escaped.
pub(super) fn quote(bytes: &[u8]) -> String {
    // No character has more than four bytes.
    let beginning = bytes.get(..QUOTE_CHARS_MAX * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(beginning);
    let quoted: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    let is_whole = quoted.len() == bytes.len();
    let dots = if is_whole { "" } else { "…" };
    format!("{}{dots}", quoted.escape_debug())
}

/// Returns the first of `names` for a sentence, and how many more there are.
pub(super) fn keys_named<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names
        .by_ref()
        .take(KEYS_NAMED_MAX)
        .map(|name| quote(name.as_bytes()))
        .collect();
    let more = names.count();
    match (quoted.is_empty(), more) {
        (true, _) => "no keys".to_owned(),
        (false, 0) => format!("the keys {}", quoted.join(", ")),
        (false, _) => format!("the keys {} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_has_no_control_characters() {
        assert_eq!(quote(b"Hello\n\0"), "Hello\\n\\0");
        assert_eq!(quote("工作流".as_bytes()), "工作流");
        assert_eq!(quote("😀".repeat(99).as_bytes()), "😀".repeat(40) + "…");
        assert_eq!(
            quote(&vec![0xff; 60_000]).chars().count(),
            QUOTE_CHARS_MAX + 1
        );
    }

    #[test]
    fn at_most_eight_keys_are_named() {
        assert_eq!(keys_named([].into_iter()), "no keys");
        assert_eq!(keys_named(["a", "b"].into_iter()), "the keys a, b");
        let many = ["k"; 10];
        let sentence = keys_named(many.into_iter());
        assert_eq!(sentence, "the keys k, k, k, k, k, k, k, k and 2 more");
    }
}
