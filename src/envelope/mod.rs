//! The envelope around a message: which of the three formats a push has, and what it says.
//!
//! SMQ wraps each message as XML, as JSON, or not at all (SIMPLIFIED: the body is the message and
//! the metadata is in the headers). Nothing in the push names the format, and a stranger's
//! SIMPLIFIED message may be dressed as an envelope, so the order in [`parse`] is a security rule.
//!
//! A body that is not wholly an envelope is none at all: nothing is mended, skipped or guessed, the
//! body is kept byte for byte as a SIMPLIFIED message, and a person can see what came. So a field
//! that comes twice, markup inside a field, an unknown entity, a DOCTYPE, invalid UTF-8, text after
//! the end or a body cut short make it SIMPLIFIED. Only what cannot change the meaning is let pass:
//! order, namespaces, attributes, unknown fields, a byte order mark, blanks around the whole.
//!
//! Deliberately not here: whether the push may be believed (`signature`), whether its owner may
//! send here (`ingest`), and what the message says (`mps`). The `MessageMD5` is only compared, and
//! a `SigningCertURL` element (it came until about 2018) is never used. The size of a body is
//! bounded by the receiver; the time and memory spent here are linear in it.
//!
//! **Architecture invariant:** no I/O, no clock, no panic, whatever the bytes.

use md5::{Digest, Md5};
use thiserror::Error;

use crate::envelope::simplified::Claims;
use crate::notification::delivery::Delivery;
use crate::notification::{Format, Notification};

mod fields;
mod json;
mod simplified;
mod xml;

/// A push's body, and those of its headers that the notification determines. Date, checksum and
/// signature are for whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// For XML and SIMPLIFIED as in captured pushes; for JSON nobody has shown it, and this is our
    /// guess. Nothing may choose the format by it.
    pub content_type: &'static str,
    /// The `x-mns-*` headers that carry a SIMPLIFIED push's metadata; none in other formats.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Why a notification cannot be written in its format.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// Without this field the push would not be read back as what it is.
    #[error("cannot write a push without {field}")]
    FieldMissing { field: &'static str },
    /// The field holds bytes or characters that the format has no way to carry: invalid UTF-8 in
    /// XML and JSON, control characters in XML and in headers, blanks at the ends of a header.
    #[error("cannot write {field} as {}, which cannot carry its characters", format.word())]
    NotCarried { format: Format, field: &'static str },
}

/// Reads what a push says. Total: whatever the bytes, there is a notification.
///
/// The format is found in this order (a security rule: SMQ signs a stranger's SIMPLIFIED message
/// too, and that may be the text of an envelope that names another owner):
///
/// 1. If `x-mns-topic-owner` or `x-mns-message-id` came, the headers are the truth: the body is an
///    envelope only if it reads as one and its message id, owner and topic equal those of the
///    three that the headers carry. A header that came twice, empty or not in UTF-8 equals nothing.
///    Otherwise it is SIMPLIFIED, and every field but the message is from the headers.
/// 2. If neither came: an XML root whose local name is `Notification` with a `MessageId`, or a JSON
///    object with string `MessageId`, `Message` and `TopicName`, none of them empty but `Message`.
///    Otherwise it is SIMPLIFIED, without owner and id, and with what other headers came.
pub fn parse(delivery: &Delivery) -> Notification {
    let claims = Claims::of(&delivery.headers);
    parse_envelope(&delivery.body)
        .filter(|envelope| claims.allow(envelope))
        .unwrap_or_else(|| claims.into_notification(delivery.body.clone()))
}

/// Writes the body, and the headers that belong to it, as SMQ does in the notification's format.
///
/// [`parse`] reads it back as the same notification, with these exceptions: `MessageMD5` is
/// computed if it is absent (a wrong one is written as it is); SIMPLIFIED has no place for it; an
/// empty field is written like an absent one; and a SIMPLIFIED message that is itself the envelope
/// of this very id, owner and topic is read as that envelope.
///
/// Fails if the message id is missing, or for JSON the topic, and if the format cannot carry what a
/// field holds: see [`WriteError::NotCarried`].
pub fn write(notification: &Notification) -> Result<Written, WriteError> {
    match notification.format {
        Format::Xml => xml::write(notification),
        Format::Json => json::write(notification),
        Format::Simplified => simplified::write(notification),
    }
}

/// Returns the MD5 of a message as `MessageMD5` spells it: 32 upper-case hex digits.
pub fn message_md5(message: &[u8]) -> String {
    format!("{:X}", Md5::digest(message))
}

/// Tells whether the envelope claims a `MessageMD5` that its message does not have. The case of the
/// digits does not matter; without a claim there is no mismatch.
///
/// The MD5 is that of the message as carried, after unescaping and before any base64 decoding
/// (checked on six captured messages).
pub fn md5_mismatch(notification: &Notification) -> bool {
    match &notification.message_md5 {
        Some(claimed) => !claimed.eq_ignore_ascii_case(&message_md5(&notification.message)),
        None => false,
    }
}

/// Reads an XML or JSON envelope, or returns `None` if the body is not wholly one.
fn parse_envelope(body: &[u8]) -> Option<Notification> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let body = body.trim_ascii_start();
    match body.first()? {
        b'<' => xml::parse(std::str::from_utf8(body).ok()?),
        b'{' => json::parse(std::str::from_utf8(body).ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::clock::Timestamp;
    use crate::notification::delivery::Headers;
    use crate::notification::source::SourceId;

    const XML_JOB: &str = include_str!("../../tests/data/envelope-xml-job.xml");
    const JSON_START: &str = include_str!("../../tests/data/envelope-json-start.json");
    const JSON_REPORT: &str = include_str!("../../tests/data/envelope-json-report.json");

    fn delivery(headers: &[(&str, &[u8])], body: &[u8]) -> Delivery {
        let mut all = Headers::default();
        all.add("x-mns-request-id", "5600CA2B3728290806000010");
        for (name, value) in headers {
            all.add(name, *value);
        }
        Delivery {
            source: SourceId(1),
            target: "/notifications".to_owned(),
            headers: all,
            body: body.to_vec(),
            received_at: Timestamp(0),
        }
    }

    fn parse_body(body: impl AsRef<[u8]>) -> Notification {
        parse(&delivery(&[], body.as_ref()))
    }

    fn read_back(written: &Written) -> Notification {
        let headers: Vec<_> = written
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        parse(&delivery(&headers, &written.body))
    }

    /// An envelope of the account 1 with the topic `t` and the id `m`.
    fn envelopes() -> [String; 2] {
        let xml = "<Notification><TopicOwner>1</TopicOwner><TopicName>t</TopicName>\
            <MessageId>m</MessageId><Message>inner</Message><MessageTag>inner</MessageTag>\
            <PublishTime>7</PublishTime></Notification>";
        let json = r#"{"TopicOwner":"1","TopicName":"t","MessageId":"m","Message":"inner","MessageTag":"inner","PublishTime":"7"}"#;
        [xml.to_owned(), json.to_owned()]
    }

    #[test]
    fn the_xml_sample_gives_every_field() {
        let expected = Notification {
            format: Format::Xml,
            topic_owner: Some("1234567890123456".to_owned()),
            topic: Some("mps-std".to_owned()),
            subscriber: Some("1234567890123456".to_owned()),
            subscription: Some("sink".to_owned()),
            message_id: Some("0123456789ABCDEF-1-0123456789A-200000001".to_owned()),
            message_md5: Some("5343498EA33B9BEAD93FAB60DE6BA5C8".to_owned()),
            published_at: Some(Timestamp(1_714_982_531_123)),
            tag: None,
            message: include_bytes!("../../tests/data/job-transcode-success.json").to_vec(),
        };
        let notification = parse_body(XML_JOB);
        assert_eq!(notification, expected);
        assert!(!md5_mismatch(&notification));
    }

    #[test]
    fn the_json_samples_give_every_field() {
        let expected = Notification {
            format: Format::Json,
            topic_owner: Some("1234567890123456".to_owned()),
            topic: Some("mps-wf".to_owned()),
            subscriber: Some("1234567890123456".to_owned()),
            subscription: Some("sink".to_owned()),
            message_id: Some("0123456789ABCDEF0123456789ABCD01".to_owned()),
            message_md5: Some("939AAF0C2F4A8AFCDB8A26A63F77EC2F".to_owned()),
            published_at: Some(Timestamp(1_714_982_401_206)),
            tag: None,
            message: include_bytes!("../../tests/data/workflow-start.json").to_vec(),
        };
        let notification = parse_body(JSON_START);
        assert_eq!(notification, expected);
        assert!(!md5_mismatch(&notification));

        let expected = Notification {
            message_id: Some("0123456789ABCDEF0123456789ABCD02".to_owned()),
            message_md5: Some("D274A6CA697DD9A47E91C8D746A6BE3F".to_owned()),
            published_at: Some(Timestamp(1_714_982_531_126)),
            message: include_bytes!("../../tests/data/workflow-report-completed.json").to_vec(),
            ..expected
        };
        let notification = parse_body(JSON_REPORT);
        assert_eq!(notification, expected);
        assert!(!md5_mismatch(&notification));
    }

    #[test]
    fn the_samples_are_written_as_they_came() {
        let written = write(&parse_body(XML_JOB)).unwrap();
        assert_eq!(String::from_utf8(written.body).unwrap(), XML_JOB);
        assert_eq!(written.content_type, "text/xml;charset=utf-8");
        assert_eq!(written.headers, []);

        for sample in [JSON_START, JSON_REPORT] {
            let written = write(&parse_body(sample)).unwrap();
            let value = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            assert_eq!(value(&written.body), value(sample.as_bytes()));
            assert!(!written.body.contains(&b'\n'));
            assert_eq!(written.headers, []);
        }
    }

    #[test]
    fn blanks_and_a_byte_order_mark_before_the_body_are_read_past() {
        for sample in [XML_JOB, JSON_START] {
            let whole = parse_body(sample);
            assert_eq!(parse_body(format!("\u{feff}{sample}\r\n")), whole);
            assert_eq!(parse_body(format!(" \r\n\t{sample} ")), whole);
            assert_eq!(parse_body(format!("\u{feff}\n{sample}")), whole);
        }
    }

    #[test]
    fn a_message_dressed_as_an_envelope_stays_simplified_with_the_headers_owner() {
        let cases: [&[(&str, &[u8])]; 10] = [
            // Another owner, topic or id; the body's own values of the other two.
            &[
                ("x-mns-topic-owner", b"2"),
                ("x-mns-topic-name", b"t"),
                ("x-mns-message-id", b"m"),
            ],
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-topic-name", b"u"),
                ("x-mns-message-id", b"m"),
            ],
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-topic-name", b"t"),
                ("x-mns-message-id", b"n"),
            ],
            // One of the two headers alone is the truth as well.
            &[("x-mns-topic-owner", b"2")],
            &[("x-mns-message-id", b"n")],
            // Headers that cannot be read are there all the same.
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-topic-owner", b"1"),
                ("x-mns-message-id", b"m"),
            ],
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-message-id", b"m"),
                ("x-mns-message-id", b"n"),
            ],
            &[("x-mns-topic-owner", b"1\xff"), ("x-mns-message-id", b"m")],
            &[("x-mns-topic-owner", b""), ("x-mns-message-id", b"m")],
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-topic-name", b"t"),
                ("x-mns-topic-name", b"t"),
            ],
        ];
        for body in envelopes() {
            for headers in cases {
                let push = delivery(headers, body.as_bytes());
                let notification = parse(&push);
                assert_eq!(notification.format, Format::Simplified, "{headers:?}");
                assert_eq!(notification.message, body.as_bytes());
                assert_eq!(notification.tag, None);
                assert_eq!(notification.published_at, None);
                let only = |name| {
                    let mut values = push.headers.all(name);
                    let first = values.next().filter(|value| !value.is_empty())?;
                    let first = std::str::from_utf8(first).ok()?.to_owned();
                    values.next().is_none().then_some(first)
                };
                assert_eq!(notification.topic_owner, only("x-mns-topic-owner"));
                assert_eq!(notification.topic, only("x-mns-topic-name"));
                assert_eq!(notification.message_id, only("x-mns-message-id"));
            }
        }
    }

    #[test]
    fn an_envelope_without_an_owner_does_not_pass_for_one_of_the_headers_owner() {
        for body in [
            r#"{"TopicName":"t","MessageId":"m","Message":"inner"}"#,
            "<Notification><MessageId>m</MessageId><TopicOwner/></Notification>",
        ] {
            let push = delivery(&[("x-mns-topic-owner", b"1")], body.as_bytes());
            let notification = parse(&push);
            assert_eq!(notification.format, Format::Simplified);
            assert_eq!(notification.topic_owner, Some("1".to_owned()));
            assert_eq!(notification.message_id, None);
        }
    }

    #[test]
    fn an_envelope_whose_owner_topic_and_id_equal_the_headers_is_one() {
        let cases: [&[(&str, &[u8])]; 3] = [
            &[
                ("x-mns-topic-owner", b"1"),
                ("x-mns-topic-name", b"t"),
                ("x-mns-message-id", b"m"),
            ],
            &[("x-mns-topic-owner", b"1")],
            &[("x-mns-message-id", b"m")],
        ];
        for body in envelopes() {
            for headers in cases {
                let notification = parse(&delivery(headers, body.as_bytes()));
                assert_ne!(notification.format, Format::Simplified, "{headers:?}");
                assert_eq!(notification.topic_owner, Some("1".to_owned()));
                assert_eq!(notification.message, b"inner");
            }
        }
    }

    #[test]
    fn what_is_no_envelope_is_a_message_byte_for_byte() {
        let dressed = XML_JOB.replace("<Message>", "<!DOCTYPE a><Message>");
        let mut broken = XML_JOB.as_bytes().to_vec();
        broken[400] = 0xff;
        let mut broken_json = JSON_START.as_bytes().to_vec();
        broken_json[60] = 0xff;
        let deep = "[".repeat(60_000);
        let objects = "{\"a\":".repeat(60_000);
        let tags = "<a>".repeat(60_000);
        let array = format!("[{JSON_START}]");
        let bodies: [&[u8]; 15] = [
            b"",
            b" \n",
            b"\xef\xbb\xbf",
            b"Hello World!",
            b"{\"jobId\":\"a\",\"Type\":\"Transcode\"}",
            b"<Message>x</Message>",
            b"\0\0\0",
            b"eyJhIjoxfQ==",
            array.as_bytes(),
            dressed.as_bytes(),
            &broken,
            &broken_json,
            deep.as_bytes(),
            objects.as_bytes(),
            tags.as_bytes(),
        ];
        for body in bodies {
            let headers: [(&str, &[u8]); 2] =
                [("x-mns-topic-name", b"t"), ("x-mns-publish-time", b"9")];
            let notification = parse(&delivery(&headers, body));
            assert_eq!(notification.format, Format::Simplified);
            assert_eq!(notification.message, body);
            assert_eq!(notification.topic_owner, None);
            assert_eq!(notification.message_id, None);
            assert_eq!(notification.topic, Some("t".to_owned()));
            assert_eq!(notification.published_at, Some(Timestamp(9)));
        }
    }

    #[test]
    fn a_message_id_of_two_kilobytes_comes_through_every_format() {
        for format in [Format::Xml, Format::Json, Format::Simplified] {
            let mut notification = notification_of(format);
            notification.message_id = Some("A-1".repeat(700));
            let written = write(&notification).unwrap();
            assert_eq!(read_back(&written), notification);
        }
    }

    #[test]
    fn a_message_of_64_kilobytes_that_is_all_escapes_comes_through_every_format() {
        for format in [Format::Xml, Format::Json, Format::Simplified] {
            for message in ["\"", "&", "<", "\\", "\n", "\r\n", "中"] {
                let mut notification = notification_of(format);
                notification.message = message.repeat(64 * 1024 / message.len()).into_bytes();
                notification.message_md5 = None;
                let back = read_back(&write(&notification).unwrap());
                assert_eq!(back.message, notification.message, "{message}");
                assert!(!md5_mismatch(&back));
            }
        }
    }

    #[test]
    fn what_a_format_cannot_do_without_is_asked_for() {
        let without_id = |format| Notification {
            message_id: Some(String::new()),
            ..notification_of(format)
        };
        let missing = |field| Err(WriteError::FieldMissing { field });
        assert_eq!(write(&without_id(Format::Xml)), missing("MessageId"));
        assert_eq!(write(&without_id(Format::Json)), missing("MessageId"));
        assert_eq!(
            write(&without_id(Format::Simplified)),
            missing("x-mns-message-id")
        );
        let without_topic = |format| Notification {
            topic: None,
            ..notification_of(format)
        };
        assert_eq!(write(&without_topic(Format::Json)), missing("TopicName"));
        assert!(write(&without_topic(Format::Xml)).is_ok());
        assert!(write(&without_topic(Format::Simplified)).is_ok());
    }

    #[test]
    fn invalid_utf8_is_written_only_as_it_is() {
        for format in [Format::Xml, Format::Json] {
            let notification = Notification {
                message: vec![b'a', 0xff],
                ..notification_of(format)
            };
            let error = write(&notification).unwrap_err();
            let field = "Message";
            assert_eq!(error, WriteError::NotCarried { format, field });
            let said = format!(
                "cannot write Message as {}, which cannot carry its characters",
                format.word()
            );
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn a_claimed_md5_is_compared_without_case_and_an_absent_one_is_not() {
        let mut notification = notification_of(Format::Json);
        notification.message = "示例".as_bytes().to_vec();
        // `printf 示例 | md5sum`
        let md5 = "1A63AC23010E0573F7C0A8CD3314B8C6";
        assert_eq!(message_md5(&notification.message), md5);
        for (claimed, mismatch) in [
            (None, false),
            (Some(md5.to_owned()), false),
            (Some(md5.to_lowercase()), false),
            (Some("00000000000000000000000000000000".to_owned()), true),
            (Some("x".to_owned()), true),
        ] {
            notification.message_md5 = claimed;
            assert_eq!(md5_mismatch(&notification), mismatch);
        }
        notification.message_md5 = None;
        let back = read_back(&write(&notification).unwrap());
        assert_eq!(back.message_md5, Some(md5.to_owned()));
    }

    #[test]
    fn an_envelope_in_an_envelope_is_a_message() {
        for inner in [Format::Xml, Format::Json] {
            for outer in [Format::Xml, Format::Json, Format::Simplified] {
                let mut notification = notification_of(outer);
                notification.message = write(&notification_of(inner)).unwrap().body;
                notification.message_id = Some("outer".to_owned());
                let back = read_back(&write(&notification).unwrap());
                assert_eq!(back.format, outer);
                assert_eq!(back.message, notification.message);
                assert_eq!(back.message_id, Some("outer".to_owned()));
            }
        }
    }

    fn notification_of(format: Format) -> Notification {
        Notification {
            format,
            topic_owner: Some("1234567890123456".to_owned()),
            topic: Some("mps-hd".to_owned()),
            subscriber: None,
            subscription: Some("sink".to_owned()),
            message_id: Some("0123456789ABCDEF0123456789ABCD02".to_owned()),
            message_md5: (format != Format::Simplified).then(|| message_md5(b"x")),
            published_at: Some(Timestamp(1_714_982_531_126)),
            tag: None,
            message: b"x".to_vec(),
        }
    }

    /// A notification whose fields are of the pattern `field`.
    fn any_notification(
        format: Format,
        field: &'static str,
        message: impl Strategy<Value = Vec<u8>>,
    ) -> impl Strategy<Value = Notification> {
        let metadata = (
            prop::option::of(field),
            field,
            prop::option::of(field),
            prop::option::of(field),
            field,
            prop::option::of(field),
        );
        (metadata, any::<Option<i64>>(), message).prop_map(move |(metadata, time, message)| {
            let (topic_owner, topic, subscriber, subscription, message_id, tag) = metadata;
            Notification {
                format,
                topic_owner,
                topic: Some(topic),
                subscriber,
                subscription,
                message_id: Some(message_id),
                message_md5: (format != Format::Simplified).then(|| message_md5(&message)),
                published_at: time.map(Timestamp),
                tag,
                message,
            }
        })
    }

    /// Any characters that XML 1.0 allows, those that need escaping more often.
    const XML_TEXT: &str =
        "([<>&\"'\r\n\t \\]]|[\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]){0,60}";
    const XML_FIELD: &str =
        "([<>&\"'\r\n\t \\]]|[\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]){1,20}";

    /// Pieces that lead a parser deep into its branches.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "<Notification>",
            "</Notification>",
            "<MessageId>",
            "</MessageId>",
            "<Message>",
            "</Message>",
            "<",
            ">",
            "/>",
            "&",
            ";",
            "&#",
            "&#x",
            "amp;",
            "<!",
            "<!D",
            "<!DOCTYPE",
            "<!--",
            "-->",
            "-",
            "<![CDATA[",
            "]]>",
            "]",
            "<?",
            "?>",
            "<?xml",
            "\"",
            "'",
            "=",
            ":",
            "{",
            "}",
            "[",
            ",",
            "\"MessageId\"",
            "\"Message\"",
            "\"TopicName\":\"t\"",
            "\\u",
            "\\ud800",
            "null",
            "1e999",
            "-",
            "a",
            " ",
            "\n",
            "\0",
            "中",
            "\u{feff}",
        ]);
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn any_xml_notification_is_read_back_as_it_was_written(
            notification in any_notification(Format::Xml, XML_FIELD, XML_TEXT.prop_map(String::into_bytes)),
        ) {
            prop_assert_eq!(read_back(&write(&notification).unwrap()), notification);
        }

        #[test]
        fn any_json_notification_is_read_back_as_it_was_written(
            notification in any_notification(
                Format::Json,
                "(?s:.){1,20}",
                any::<String>().prop_map(String::into_bytes),
            ),
        ) {
            prop_assert_eq!(read_back(&write(&notification).unwrap()), notification);
        }

        #[test]
        fn any_simplified_notification_is_read_back_as_it_was_written(
            notification in any_notification(
                Format::Simplified,
                "[!-~\u{80}-\u{10ffff}]( *[!-~\u{80}-\u{10ffff}]){0,20}",
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..100),
                    prop::sample::select(envelopes().to_vec()).prop_map(String::into_bytes),
                ],
            ),
        ) {
            prop_assert_eq!(read_back(&write(&notification).unwrap()), notification);
        }

        #[test]
        fn no_bytes_panic_and_none_are_lost(
            body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), pieces()],
        ) {
            let notification = parse_body(&body);
            if notification.format == Format::Simplified {
                prop_assert_eq!(notification.message, body);
            }
        }

        #[test]
        fn a_flipped_byte_does_not_panic_nor_change_the_owner_that_the_headers_name(
            sample in prop::sample::select(vec![XML_JOB, JSON_START]),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = sample.as_bytes().to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = parse_body(&body);
            let owner = "1234567890123456";
            let headers = [("x-mns-topic-owner", owner.as_bytes())];
            let notification = parse(&delivery(&headers, &body));
            prop_assert_eq!(notification.topic_owner.as_deref(), Some(owner));
        }
    }
}
