//! The fields that XML and JSON envelopes share, under the names that both give them.
//!
//! A field that came empty counts as absent from here on. The text of a field is not trimmed or
//! otherwise changed: an id must not have two spellings, and the message's MD5 must hold.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clock::Timestamp;
use crate::envelope::{WriteError, message_md5};
use crate::notification::{Format, Notification};

/// The text of each field that came. Deserializes from a JSON object: a key that comes twice is an
/// error, as are values other than strings and `null` for the three fields that make the object an
/// envelope; of the others, an integer stands for its digits, and anything else counts as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Fields<'a> {
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) topic_owner: Option<Cow<'a, str>>,
    pub(super) topic_name: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) subscriber: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) subscription_name: Option<Cow<'a, str>>,
    pub(super) message_id: Option<Cow<'a, str>>,
    #[serde(rename = "MessageMD5", deserialize_with = "deserialize_leniently")]
    pub(super) message_md5: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) message_tag: Option<Cow<'a, str>>,
    pub(super) message: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) publish_time: Option<Cow<'a, str>>,
    /// What one documented sample calls the publish time.
    #[serde(deserialize_with = "deserialize_leniently")]
    pub(super) message_publish_time: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Returns the field that `name` names, or `None` if we know no such field.
    pub(super) fn by_name(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "TopicOwner" => &mut self.topic_owner,
            "TopicName" => &mut self.topic_name,
            "Subscriber" => &mut self.subscriber,
            "SubscriptionName" => &mut self.subscription_name,
            "MessageId" => &mut self.message_id,
            "MessageMD5" => &mut self.message_md5,
            "MessageTag" => &mut self.message_tag,
            "Message" => &mut self.message,
            "PublishTime" => &mut self.publish_time,
            "MessagePublishTime" => &mut self.message_publish_time,
            _ => return None,
        })
    }

    /// Returns the notification, or `None` if there is no message id: then it was no envelope.
    pub(super) fn into_notification(self, format: Format) -> Option<Notification> {
        let message_id = Some(unless_empty(self.message_id)?);
        let publish_time = [self.publish_time, self.message_publish_time];
        Some(Notification {
            format,
            topic_owner: unless_empty(self.topic_owner),
            topic: unless_empty(self.topic_name),
            subscriber: unless_empty(self.subscriber),
            subscription: unless_empty(self.subscription_name),
            message_id,
            message_md5: unless_empty(self.message_md5),
            published_at: publish_time
                .iter()
                .flatten()
                .find_map(|text| parse_publish_time(text)),
            tag: unless_empty(self.message_tag),
            message: self
                .message
                .map(|text| text.into_owned().into_bytes())
                .unwrap_or_default(),
        })
    }
}

/// Reads milliseconds since 1970 in decimal digits. A time that cannot be read is no time, and
/// never spoils the rest.
pub(super) fn parse_publish_time(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().map(Timestamp)
}

/// Returns the fields of an envelope to write, in the order of captured XML pushes.
pub(super) fn to_write(
    notification: &Notification,
) -> Result<Vec<(&'static str, Cow<'_, str>)>, WriteError> {
    let message =
        std::str::from_utf8(&notification.message).map_err(|_| WriteError::NotCarried {
            format: notification.format,
            field: "Message",
        })?;
    let md5 = match present(notification.message_md5.as_deref()) {
        Some(claimed) => claimed,
        None => Cow::Owned(message_md5(&notification.message)),
    };
    let publish_time = notification
        .published_at
        .map(|time| Cow::Owned(time.0.to_string()));
    let fields = [
        ("TopicOwner", present(notification.topic_owner.as_deref())),
        ("TopicName", present(notification.topic.as_deref())),
        ("Subscriber", present(notification.subscriber.as_deref())),
        (
            "SubscriptionName",
            present(notification.subscription.as_deref()),
        ),
        ("MessageId", present(notification.message_id.as_deref())),
        ("MessageMD5", Some(md5)),
        ("MessageTag", present(notification.tag.as_deref())),
        ("Message", Some(Cow::Borrowed(message))),
        ("PublishTime", publish_time),
    ];
    let fields: Vec<_> = fields
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect();
    require(&fields, "MessageId")?;
    Ok(fields)
}

/// Fails if `fields` has none of this name.
pub(super) fn require(
    fields: &[(&'static str, Cow<'_, str>)],
    field: &'static str,
) -> Result<(), WriteError> {
    if fields.iter().any(|(name, _)| *name == field) {
        Ok(())
    } else {
        Err(WriteError::FieldMissing { field })
    }
}

fn present(field: Option<&str>) -> Option<Cow<'_, str>> {
    field.filter(|text| !text.is_empty()).map(Cow::Borrowed)
}

fn unless_empty(field: Option<Cow<'_, str>>) -> Option<String> {
    field.filter(|text| !text.is_empty()).map(Cow::into_owned)
}

fn deserialize_leniently<'de, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    let text = deserializer.deserialize_any(LenientText)?;
    Ok(text.map(Cow::Owned))
}

/// Takes any JSON value. What is neither text nor integer is read past without being kept, so that
/// a huge array costs no memory.
struct LenientText;

impl<'de> Visitor<'de> for LenientText {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
