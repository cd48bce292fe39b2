//! What the pages of one job and of one run show alike: what it was folded from, the messages
//! themselves, and what of them is known under no name of ours.
//!
//! All of it is bounded, so that no page is larger than a browser likes: a message may give thousands
//! of events. The JSON beside has everything.
//!
//! **A value from a message is text.** [`http_link`] is the one place where it becomes a link's
//! target, and only if it is an address of the web from its first character to its last.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::records::{DeliveryRecord, EventRecord, RowId};
use crate::web::pages::message::{Shown, shown};

/// Activities, events or deliveries of one thing that its page lists. With 100 of each, the drawing
/// and the messages, a page stays below 500 KB.
pub const LISTED_MAX: usize = 100;

/// How many messages stand on the page of one job or run: its last ones. More are of one only if it
/// was told of often, and each delivery has its own page.
pub const MESSAGES_MAX: usize = 3;

/// How many messages are read for one page, whose id several accounts may have.
const MESSAGES_READ_MAX: usize = 2 * MESSAGES_MAX;

/// What all messages of one page have together, as they are shown. One of MPS has 2 KB, and twice
/// that with its line breaks; SMQ lets 64 KiB pass.
const MESSAGES_BYTES_MAX: usize = 48 * 1024;

/// How many values of a message that have no name of ours are listed, and how many bytes they have
/// together.
const EXTRA_MAX: usize = 100;
const EXTRA_BYTES_MAX: usize = 32 * 1024;

/// The longest address that becomes a link: what browsers and servers take.
const LINK_BYTES_MAX: usize = 2_048;

/// Returns the first rows that a page lists.
pub fn listed<T>(all: &[T]) -> &[T] {
    all.get(..LISTED_MAX).unwrap_or(all)
}

/// What a job or run was folded from.
pub struct Evidence {
    /// In the order they are folded in.
    pub events: Vec<EventRecord>,
    pub deliveries: Vec<DeliveryRecord>,
    /// The one that decides the state first.
    pub messages: Vec<MessageView>,
}

impl Evidence {
    pub fn listed_events(&self) -> &[EventRecord] {
        listed(&self.events)
    }

    pub fn listed_deliveries(&self) -> &[DeliveryRecord] {
        listed(&self.deliveries)
    }
}

/// A message on the page of a job or run.
pub struct MessageView {
    /// The delivery that brought it.
    pub delivery: RowId,
    pub received_at: Timestamp,
    pub shown: Shown,
    /// The state that is shown is this one's.
    pub is_last: bool,
}

/// How much of the messages of one page is still to be read.
pub struct MessageBudget {
    messages: usize,
    bytes: usize,
}

impl Default for MessageBudget {
    fn default() -> MessageBudget {
        MessageBudget {
            messages: MESSAGES_READ_MAX,
            bytes: MESSAGES_BYTES_MAX,
        }
    }
}

impl MessageBudget {
    /// Reads the messages of the last events, at most [`MESSAGES_MAX`].
    pub fn read(
        &mut self,
        store: &Store,
        events: &[EventRecord],
    ) -> Result<Vec<MessageView>, ReadError> {
        let mut views = Vec::new();
        for id in last_deliveries(events) {
            if self.messages == 0 || self.bytes == 0 {
                break;
            }
            self.messages -= 1;
            let Some(detail) = store.find_delivery(id)? else {
                continue;
            };
            // Age may have emptied it; its own page says so.
            let Some(push) = detail.push else { continue };
            let shown = shown(&push.message).cut(self.bytes);
            self.bytes = self.bytes.saturating_sub(shown.text.len());
            views.push(MessageView {
                delivery: id,
                received_at: detail.delivery.received_at,
                shown,
                is_last: views.is_empty(),
            });
        }
        Ok(views)
    }
}

/// Returns the deliveries of the last events, each once, the last one first.
fn last_deliveries(events: &[EventRecord]) -> Vec<RowId> {
    let mut ids = Vec::new();
    for event in events.iter().rev() {
        if ids.len() == MESSAGES_MAX {
            break;
        }
        if !ids.contains(&event.delivery) {
            ids.push(event.delivery);
        }
    }
    ids
}

/// What of the messages is known under no name of ours.
pub struct Extra {
    pub values: Vec<ExtraValue>,
    /// How many there are.
    pub all: usize,
}

/// One of them.
pub struct ExtraValue {
    pub name: String,
    pub text: String,
    /// It is JSON over several lines.
    pub is_block: bool,
}

impl Extra {
    /// Reads the record's field of that name.
    pub fn of(extra: &serde_json::Map<String, Value>) -> Extra {
        let mut bytes_left = EXTRA_BYTES_MAX;
        let mut values = Vec::new();
        for (name, value) in extra.iter().take(EXTRA_MAX) {
            let is_block = matches!(value, Value::Object(_) | Value::Array(_));
            let text = match value {
                Value::String(text) => text.clone(),
                other => shown(other.to_string().as_bytes()).text,
            };
            let Some(left) = bytes_left.checked_sub(name.len() + text.len()) else {
                break;
            };
            bytes_left = left;
            values.push(ExtraValue {
                name: name.clone(),
                text,
                is_block,
            });
        }
        Extra {
            values,
            all: extra.len(),
        }
    }
}

/// Returns `text` if it is the address of something on the web, which a link may lead to.
///
/// Nothing is taken off or added, so that a link leads where it says. No other scheme is let pass,
/// and no character that browsers drop or that turns the direction of what is read.
pub fn http_link(text: &str) -> Option<&str> {
    if text.len() > LINK_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let has_host = rest.starts_with(|c: char| c.is_alphanumeric() || c == '[');
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !turns_direction(c);
    (is_web && has_host && text.chars().all(|c| is_plain(c) && c != '\\')).then_some(text)
}

/// Tells whether a character changes the direction of the text around it, or is not seen.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns what MPS calls the preset template of that id, if it is one.
pub fn template_name(id: &str) -> Option<&'static str> {
    match id {
        "S00000001-200010" => Some("MP4-LD"),
        "S00000001-200020" => Some("MP4-SD"),
        "S00000001-200030" => Some("MP4-HD"),
        "S00000001-200040" => Some("MP4-FHD"),
        "S00000001-100030" => Some("M3U8-HD"),
        "S00000001-300050" => Some("MP3-320"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};
    use serde_json::json;

    use super::*;
    use crate::web::pages::samples;

    #[test]
    fn only_an_address_of_the_web_becomes_a_link() {
        let links = [
            "https://example.com/",
            "HTTP://example.com",
            "http://[::1]:8080/a?b=c#d",
            "https://example.com/视频.mp4",
        ];
        for text in links {
            assert_eq!(http_link(text), Some(text));
        }
        let texts = [
            "",
            "http://",
            "https:///etc",
            "http:example.com",
            "//example.com",
            "javascript:alert(1)",
            "javascript://example.com/%0aalert(1)",
            "java\nscript://x",
            "data:text/html,http://example.com",
            " https://example.com",
            "https://example.com ",
            "https://example.com/a b",
            "https://example.com/\u{202e}gpj.exe",
            "https://exam\u{200b}ple.com/",
            "https://example.com\t",
            "http://\\\\example.com",
            "https://example.com\\@evil.example",
            "oss://bucket/object",
            "see https://example.com",
        ];
        for text in texts {
            assert_eq!(http_link(text), None, "{text:?}");
        }
        let long = format!("https://example.com/{}", "a".repeat(LINK_BYTES_MAX));
        assert_eq!(http_link(&long), None);
        assert!(http_link(long.get(..LINK_BYTES_MAX).unwrap()).is_some());
    }

    #[test]
    fn the_messages_are_those_of_the_last_events_and_the_last_comes_first() {
        let of = |delivery| EventRecord {
            delivery,
            ..samples::event_of_job()
        };
        let check = |deliveries: &[RowId], expected: &[RowId]| {
            let events: Vec<_> = deliveries.iter().copied().map(of).collect();
            assert_eq!(last_deliveries(&events), expected);
        };
        check(&[], &[]);
        check(&[7], &[7]);
        check(&[1, 2, 2, 2], &[2, 1]);
        check(&[9, 1, 8, 2, 8, 3, 3], &[3, 8, 2]);
    }

    #[test]
    fn extra_values_are_text_or_json_and_bounded() {
        let extra = json!({ "a": "x", "b": 1.50, "c": { "d": [] }, "e": null });
        let Value::Object(extra) = extra else {
            panic!("no object");
        };
        let read = Extra::of(&extra);
        let values: Vec<_> = read
            .values
            .iter()
            .map(|value| (value.text.as_str(), value.is_block))
            .collect();
        assert_eq!(
            values,
            [
                ("x", false),
                ("1.5", false),
                ("{\n  \"d\": []\n}", true),
                ("null", false)
            ]
        );

        let many = (0..=EXTRA_MAX).map(|number| (number.to_string(), Value::Null));
        let read = Extra::of(&many.collect());
        assert_eq!((read.values.len(), read.all), (EXTRA_MAX, EXTRA_MAX + 1));

        let long = Value::String("x".repeat(EXTRA_BYTES_MAX / 2));
        let long = ["a", "b", "c"].map(|name| (name.to_owned(), long.clone()));
        let read = Extra::of(&long.into_iter().collect());
        assert_eq!((read.values.len(), read.all), (1, 3));
    }

    proptest! {
        #[test]
        fn what_becomes_a_link_begins_as_an_address_of_the_web(text in "(?s).{0,12}(https?://)?.{0,12}") {
            if let Some(link) = http_link(&text) {
                let begin = link.to_ascii_lowercase();
                prop_assert!(begin.starts_with("http://") || begin.starts_with("https://"));
            }
        }
    }
}
