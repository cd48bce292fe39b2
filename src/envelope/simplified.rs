//! SIMPLIFIED, which is no envelope: the body is the message and the headers carry the rest.
//!
//! The same headers decide whether a body that reads as an envelope may be taken for one. The
//! signature covers each `x-mns-*` header, so what they say about owner and id is SMQ's word,
//! while a body is the publisher's.

use crate::envelope::fields::parse_publish_time;
use crate::envelope::{WriteError, Written};
use crate::notification::delivery::Headers;
use crate::notification::{Format, Notification};

// As seen in captured SIMPLIFIED pushes, but for the tag, which is documented only.
const TOPIC_OWNER: &str = "x-mns-topic-owner";
const TOPIC_NAME: &str = "x-mns-topic-name";
const SUBSCRIBER: &str = "x-mns-subscriber";
const SUBSCRIPTION_NAME: &str = "x-mns-subscription-name";
const MESSAGE_ID: &str = "x-mns-message-id";
const PUBLISH_TIME: &str = "x-mns-publish-time";
const MESSAGE_TAG: &str = "x-mns-message-tag";

/// What a push's headers say about its message.
pub(super) struct Claims<'a> {
    topic_owner: Claim<'a>,
    topic: Claim<'a>,
    message_id: Claim<'a>,
    headers: &'a Headers,
}

/// What the headers say under one name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim<'a> {
    Absent,
    /// It came, but more than once, empty, or not in UTF-8: nobody can tell what it says, so it
    /// equals nothing and gives no field.
    Unusable,
    Text(&'a str),
}

impl<'a> Claims<'a> {
    pub(super) fn of(headers: &'a Headers) -> Claims<'a> {
        Claims {
            topic_owner: Claim::of(headers, TOPIC_OWNER),
            topic: Claim::of(headers, TOPIC_NAME),
            message_id: Claim::of(headers, MESSAGE_ID),
            headers,
        }
    }

    /// Tells whether a body that reads as `envelope` may be taken for one: yes if the headers name
    /// neither owner nor message id, else only if what they name is the same.
    ///
    /// A header that did not come is not compared. That opens no door: whoever dresses a message up
    /// cannot know the id it will be given, and must name himself where the owner came.
    pub(super) fn allow(&self, envelope: &Notification) -> bool {
        if self.topic_owner == Claim::Absent && self.message_id == Claim::Absent {
            return true;
        }
        self.topic_owner.admits(envelope.topic_owner.as_deref())
            && self.message_id.admits(envelope.message_id.as_deref())
            && self.topic.admits(envelope.topic.as_deref())
    }

    /// Returns the SIMPLIFIED notification of a push with these headers and this body.
    pub(super) fn into_notification(self, body: Vec<u8>) -> Notification {
        let other = |name| Claim::of(self.headers, name);
        Notification {
            format: Format::Simplified,
            topic_owner: self.topic_owner.to_field(),
            topic: self.topic.to_field(),
            subscriber: other(SUBSCRIBER).to_field(),
            subscription: other(SUBSCRIPTION_NAME).to_field(),
            message_id: self.message_id.to_field(),
            message_md5: None,
            published_at: other(PUBLISH_TIME).text().and_then(parse_publish_time),
            tag: other(MESSAGE_TAG).to_field(),
            message: body,
        }
    }
}

impl<'a> Claim<'a> {
    fn of(headers: &'a Headers, name: &'static str) -> Claim<'a> {
        let mut values = headers.all(name);
        let Some(value) = values.next() else {
            return Claim::Absent;
        };
        if value.is_empty() || values.next().is_some() {
            return Claim::Unusable;
        }
        match std::str::from_utf8(value) {
            Ok(text) => Claim::Text(text),
            Err(_) => Claim::Unusable,
        }
    }

    fn admits(self, field: Option<&str>) -> bool {
        match self {
            Claim::Absent => true,
            Claim::Unusable => false,
            Claim::Text(text) => field == Some(text),
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            Claim::Absent | Claim::Unusable => None,
            Claim::Text(text) => Some(text),
        }
    }

    fn to_field(self) -> Option<String> {
        self.text().map(str::to_owned)
    }
}

/// Returns the message as the body, and the other fields as headers.
pub(super) fn write(notification: &Notification) -> Result<Written, WriteError> {
    let publish_time = notification.published_at.map(|time| time.0.to_string());
    let fields = [
        (TOPIC_OWNER, &notification.topic_owner),
        (TOPIC_NAME, &notification.topic),
        (SUBSCRIBER, &notification.subscriber),
        (SUBSCRIPTION_NAME, &notification.subscription),
        (MESSAGE_ID, &notification.message_id),
        (PUBLISH_TIME, &publish_time),
        (MESSAGE_TAG, &notification.tag),
    ];
    let mut headers = Vec::new();
    for (name, field) in fields {
        let Some(value) = field.as_ref().filter(|value| !value.is_empty()) else {
            continue;
        };
        if !is_header_value(value) {
            return Err(WriteError::NotCarried {
                format: Format::Simplified,
                field: name,
            });
        }
        headers.push((name, value.clone()));
    }
    if !headers.iter().any(|(name, _)| *name == MESSAGE_ID) {
        return Err(WriteError::FieldMissing { field: MESSAGE_ID });
    }
    Ok(Written {
        content_type: "text/plain;charset=utf-8",
        headers,
        body: notification.message.clone(),
    })
}

/// Tells whether HTTP carries `value` unchanged: it forbids control characters and drops blanks at
/// the ends.
fn is_header_value(value: &str) -> bool {
    value.trim_matches(' ').len() == value.len() && !value.chars().any(|c| c.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn headers(pairs: &[(&str, &[u8])]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.add(name, *value);
        }
        headers
    }

    #[test]
    fn each_header_gives_its_field() {
        let headers = headers(&[
            ("X-Mns-Message-Id", b"m"),
            ("x-mns-publish-time", b"1497335254533"),
            ("x-mns-topic-name", b"t"),
            ("x-mns-topic-owner", b"1"),
            ("x-mns-subscriber", b"2"),
            ("x-mns-subscription-name", b"s"),
            ("x-mns-message-tag", b"tag"),
            ("x-mns-request-id", b"5600CA2B3728290806000010"),
            ("x-mns-version", b"2015-06-06"),
        ]);
        let text = |text: &str| Some(text.to_owned());
        let expected = Notification {
            format: Format::Simplified,
            topic_owner: text("1"),
            topic: text("t"),
            subscriber: text("2"),
            subscription: text("s"),
            message_id: text("m"),
            message_md5: None,
            published_at: Some(Timestamp(1_497_335_254_533)),
            tag: text("tag"),
            message: b"body".to_vec(),
        };
        let notification = Claims::of(&headers).into_notification(b"body".to_vec());
        assert_eq!(notification, expected);
    }

    #[test]
    fn a_header_that_nobody_can_read_gives_no_field() {
        let headers = headers(&[
            ("x-mns-message-id", b"m"),
            ("x-mns-message-id", b"m"),
            ("x-mns-topic-owner", b"\xff"),
            ("x-mns-topic-name", b""),
            ("x-mns-publish-time", b"soon"),
            ("x-mns-message-tag", "示例".as_bytes()),
        ]);
        let notification = Claims::of(&headers).into_notification(Vec::new());
        assert_eq!(notification.message_id, None);
        assert_eq!(notification.topic_owner, None);
        assert_eq!(notification.topic, None);
        assert_eq!(notification.published_at, None);
        assert_eq!(notification.tag.as_deref(), Some("示例"));
    }

    #[test]
    fn a_field_that_no_header_can_carry_is_named() {
        let headers = headers(&[("x-mns-message-id", b"m")]);
        let mut notification = Claims::of(&headers).into_notification(vec![0, 0xff]);
        assert!(write(&notification).is_ok());
        for tag in ["a\r\nAuthorization: b", "a\0", "a\tb", " a", "a ", " "] {
            notification.tag = Some(tag.to_owned());
            let expected = WriteError::NotCarried {
                format: Format::Simplified,
                field: "x-mns-message-tag",
            };
            assert_eq!(write(&notification), Err(expected), "{tag:?}");
        }
    }
}
