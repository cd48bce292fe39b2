//! How a message's bytes are shown: JSON with line breaks, everything else as it is.
//!
//! Only space between tokens is changed. Reading the JSON and writing it again would be shorter,
//! and would drop repeated keys, sort them and rewrite numbers: the page would show what we made of
//! the message and not the message.

use serde::de::IgnoredAny;

/// The most of a message that a page shows; SMQ's own bound is 64 KiB. The `.http` has all of it.
pub const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// The most that line breaks and indentation may make of it: beyond this the message is built to
/// be large when indented, and is shown as it came.
const INDENTED_BYTES_MAX: usize = 4 * SHOWN_BYTES_MAX;

/// A message as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// What the reader should know about how it is shown.
    pub notes: Vec<Note>,
}

/// What a reader should know about how a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Only so many of its first bytes are shown.
    Cut { bytes: usize },
    /// Bytes that are no text are replaced.
    NotUtf8,
    /// JSON, with line breaks added.
    LinesAdded,
}

impl Shown {
    /// Leaves at most `bytes_max` of the text, and says so if there was more.
    #[must_use]
    pub fn cut(mut self, bytes_max: usize) -> Shown {
        if self.text.len() <= bytes_max {
            return self;
        }
        let mut end = bytes_max;
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.truncate(end);
        self.notes.retain(|note| !matches!(note, Note::Cut { .. }));
        self.notes.insert(0, Note::Cut { bytes: bytes_max });
        self
    }
}

/// Returns the text to show for `message`.
pub fn shown(message: &[u8]) -> Shown {
    let mut notes = Vec::new();
    let is_whole = message.len() <= SHOWN_BYTES_MAX;
    let part = message.get(..SHOWN_BYTES_MAX).unwrap_or(message);
    if !is_whole {
        notes.push(Note::Cut {
            bytes: SHOWN_BYTES_MAX,
        });
    }
    let text = String::from_utf8_lossy(part).into_owned();
    if std::str::from_utf8(message).is_err() {
        notes.push(Note::NotUtf8);
    }
    let is_json = is_whole && serde_json::from_slice::<IgnoredAny>(message).is_ok();
    match is_json.then(|| indented(&text)).flatten() {
        Some(indented) => {
            notes.push(Note::LinesAdded);
            Shown {
                text: indented,
                notes,
            }
        }
        None => Shown { text, notes },
    }
}

/// Breaks JSON into lines, changing nothing but the space between tokens; `None` if that would be
/// too long. Anything may be given; only for JSON is the result sensible.
fn indented(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut is_in_string = false;
    let mut is_escaped = false;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if is_in_string {
            out.push(c);
            is_in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    break_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                is_in_string = c == '"';
                out.push(c);
            }
        }
        if out.len() > INDENTED_BYTES_MAX {
            return None;
        }
    }
    Some(out)
}

/// Deeper than 32 levels the indentation stays, so that depth alone cannot fill the page.
fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(32) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::*;

    #[test]
    fn tokens_stay_as_they_came() {
        let message = br#"{"b":1.0e5, "b":[],"a":{ },"s":"\"{,:}\\","l":[1,{"x":null}]}"#;
        let expected = r#"{
  "b": 1.0e5,
  "b": [],
  "a": {},
  "s": "\"{,:}\\",
  "l": [
    1,
    {
      "x": null
    }
  ]
}"#;
        assert_eq!(shown(message).text, expected);
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        for message in ["Hello World!", "{\"a\":1", "<a>", ""] {
            assert_eq!(shown(message.as_bytes()).text, message);
            assert_eq!(shown(message.as_bytes()).notes.len(), 0);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_that_is_said() {
        let shown = shown(b"a\xffb");
        assert_eq!(shown.text, "a\u{fffd}b");
        assert_eq!(shown.notes, [Note::NotUtf8]);
    }

    #[test]
    fn a_message_built_to_be_large_when_indented_stays_small() {
        let deep = 100;
        let message = format!(
            "{}{}0{}",
            "[".repeat(deep),
            "1,".repeat(60_000),
            "]".repeat(deep)
        );
        assert_eq!(shown(message.as_bytes()).text, message);
    }

    #[test]
    fn a_message_of_many_brackets_is_shown() {
        let message = "[".repeat(60_000);
        assert_eq!(shown(message.as_bytes()).text, message);
    }

    #[test]
    fn a_message_over_the_bound_is_cut_and_that_is_said() {
        let at_bound = shown(&vec![b'a'; SHOWN_BYTES_MAX]);
        assert_eq!(
            (at_bound.text.len(), at_bound.notes.len()),
            (SHOWN_BYTES_MAX, 0)
        );
        let beyond = shown(&vec![b'a'; SHOWN_BYTES_MAX + 1]);
        assert_eq!(
            (beyond.text.len(), beyond.notes.len()),
            (SHOWN_BYTES_MAX, 1)
        );
    }

    #[test]
    fn a_text_is_cut_between_characters_and_that_is_said_once() {
        let whole = shown("工作流".as_bytes());
        assert_eq!(whole.clone().cut(9), whole);
        let cut = whole.cut(8);
        assert_eq!(
            (cut.text.as_str(), cut.notes.as_slice()),
            ("工作", [Note::Cut { bytes: 8 }].as_slice())
        );
        assert_eq!(cut.cut(3).notes, [Note::Cut { bytes: 3 }]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(message in prop::collection::vec(any::<u8>(), 0..200)) {
            shown(&message);
        }

        #[test]
        fn what_is_shown_means_the_same(text in "[\\[\\]{},:\"\\\\a1 ]{0,30}") {
            let message = serde_json::json!({ "k": [text, {}, [1.5]] }).to_string();
            let shown = shown(message.as_bytes()).text;
            let back: Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(back, serde_json::from_str::<Value>(&message).unwrap());
        }
    }
}
