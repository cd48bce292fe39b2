//! The JSON envelope.
//!
//! Keys count by exact name and in any order, unknown ones are skipped, `null` is absent. A known
//! key that comes twice makes the body no envelope: which of the two counts is for no parser to
//! guess. Depth needs no bound of ours: nested values occur only under keys that are skipped, and
//! those are read past without recursion.

use serde_json::{Map, Value};

use crate::envelope::fields::{Fields, require, to_write};
use crate::envelope::{WriteError, Written};
use crate::notification::{Format, Notification};

/// Reads an envelope from `text`, which begins with `{`; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Notification> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    fields.message.as_ref()?;
    let notification = fields.into_notification(Format::Json)?;
    notification.topic.is_some().then_some(notification)
}

/// Writes an envelope on one line, the publish time as a string, as seen.
pub(super) fn write(notification: &Notification) -> Result<Written, WriteError> {
    let fields = to_write(notification)?;
    require(&fields, "TopicName")?;
    let object: Map<String, Value> = fields
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::String(text.into_owned())))
        .collect();
    Ok(Written {
        content_type: "application/json;charset=utf-8",
        headers: Vec::new(),
        body: Value::Object(object).to_string().into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    /// Returns an envelope with `more` in it, which begins with a comma.
    fn with(more: &str) -> Option<Notification> {
        let text = format!(r#"{{"MessageId":"m","Message":"x","TopicName":"t"{more}}}"#);
        parse(&text)
    }

    #[test]
    fn id_message_and_topic_make_an_object_an_envelope() {
        let notification = with("").unwrap();
        assert_eq!(notification.message_id.as_deref(), Some("m"));
        assert_eq!(notification.topic.as_deref(), Some("t"));
        assert_eq!(notification.message, b"x");

        let whole = r#"{"MessageId":"m","Message":"x","TopicName":"t"}"#;
        assert!(
            parse(&whole.replace("\"x\"", "\"\"")).is_some(),
            "an empty message"
        );
        for value in ["\"m\"", "\"x\"", "\"t\""] {
            for other in ["null", "1", "true", "[]", "{}", "[\"a\"]"] {
                let text = whole.replace(value, other);
                assert_eq!(parse(&text), None, "{text}");
            }
        }
        for text in [
            "{}",
            r#"{"Message":"x","TopicName":"t"}"#,
            r#"{"MessageId":"m","TopicName":"t"}"#,
            r#"{"MessageId":"m","Message":"x"}"#,
            r#"{"MessageId":"","Message":"x","TopicName":"t"}"#,
            r#"{"MessageId":"m","Message":"x","TopicName":""}"#,
            r#"{"messageId":"m","message":"x","topicName":"t"}"#,
            r#"{"MessageId":"m","Message":"x","TopicName":"t"} x"#,
            r#"{"MessageId":"m","Message":"x","TopicName":"t","#,
            r#"{"MessageId":"m","Message":"\ud800","TopicName":"t"}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_known_key_that_comes_twice_makes_the_object_no_envelope() {
        let keys = [
            "MessageId",
            "Message",
            "TopicName",
            "TopicOwner",
            "Subscriber",
            "SubscriptionName",
            "MessageMD5",
            "MessageTag",
            "PublishTime",
            "MessagePublishTime",
        ];
        for key in keys {
            let twice = format!(r#","{key}":null,"{key}":"a""#);
            assert_eq!(with(&twice), None, "{key}");
        }
        assert!(with(r#","Other":1,"Other":2"#).is_some());
    }

    #[test]
    fn the_publish_time_is_read_from_a_string_or_a_number() {
        let cases = [
            (r#""PublishTime":"1714982531126""#, Some(1_714_982_531_126)),
            (r#""PublishTime":1714982531126"#, Some(1_714_982_531_126)),
            (r#""PublishTime":-1"#, Some(-1)),
            (r#""MessagePublishTime":"5""#, Some(5)),
            (r#""MessagePublishTime":"5","PublishTime":"6""#, Some(6)),
            (r#""MessagePublishTime":"5","PublishTime":"""#, Some(5)),
            (r#""PublishTime":"2024-05-06""#, None),
            (r#""PublishTime":1.5"#, None),
            (r#""PublishTime":99999999999999999999"#, None),
            (r#""PublishTime":true"#, None),
            (r#""PublishTime":null"#, None),
        ];
        for (time, expected) in cases {
            let notification = with(&format!(",{time}")).unwrap();
            assert_eq!(notification.published_at, expected.map(Timestamp), "{time}");
        }
    }

    #[test]
    fn other_fields_take_text_and_integers_and_are_absent_otherwise() {
        let cases = [
            (r#""1234567890123456""#, Some("1234567890123456")),
            ("1234567890123456", Some("1234567890123456")),
            ("-1", Some("-1")),
            (r#""""#, None),
            ("1.5", None),
            ("false", None),
            ("null", None),
            (r#"[["a"],{"b":[]}]"#, None),
            (r#"{"a":{"b":null}}"#, None),
        ];
        for (value, expected) in cases {
            let notification = with(&format!(r#","TopicOwner":{value}"#)).unwrap();
            assert_eq!(notification.topic_owner.as_deref(), expected, "{value}");
            assert_eq!(notification.message, b"x");
        }
    }

    #[test]
    fn values_nested_without_end_are_read_past() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for key in ["Other", "TopicOwner"] {
                let nest = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
                let notification = with(&format!(r#","{key}":{nest}"#)).unwrap();
                assert_eq!(notification.topic_owner, None);
            }
        }
    }
}
