//! The XML envelope.
//!
//! Elements count by local name and in any order; namespaces and attributes are never looked at
//! (a documented sample misspells `xmlns`), and unknown elements are skipped. Texts are taken
//! between their tags byte for byte: neither trimmed, nor with the line ends that XML 1.0 would
//! have us normalise, since SMQ's `MessageMD5` is over what was published.
//!
//! Deliberately not here: DTDs, entities but the five of XML, encodings but UTF-8 whatever the
//! declaration says, and checks of what changes nothing (names, control characters, comments).
//! Attributes are read past in one scan and never split, so their number needs no bound.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::envelope::fields::{Fields, to_write};
use crate::envelope::{WriteError, Written};
use crate::notification::{Format, Notification};

/// Most elements in an envelope, its root included. Eleven have been seen; the rest is room for
/// what the vendor may add. It keeps a body of nothing but tags from costing us more than a scan.
const ELEMENTS_MAX: usize = 256;

/// Most elements inside each other, the root included. Two have been seen. Names of open elements
/// are kept in memory, so they must not be as many as a body has room for.
const DEPTH_MAX: usize = 16;

/// Reads an envelope from `text`; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Notification> {
    let mut events = Events::of(text);
    match events.step()? {
        Step::Into(root) if root.local_name().into_inner() == "Notification" => {}
        _ => return None,
    }
    let mut fields = Fields::default();
    while let Step::Into(tag) = events.step()? {
        match fields.by_name(tag.local_name().into_inner()) {
            None => events.skip_element()?,
            Some(field) if field.is_none() => *field = Some(events.read_text()?),
            // Twice the same field: another reader might take the other one.
            Some(_) => return None,
        }
    }
    // The root has ended, and only the end of the text may follow.
    match events.step()? {
        Step::Into(_) => None,
        Step::End => fields.into_notification(Format::Xml),
    }
}

/// Writes an envelope in the shape of captured pushes. `"` is left raw, as SMQ does. A carriage
/// return is written as a reference: SMQ's way is not known, and so any parser reads it unchanged.
pub(super) fn write(notification: &Notification) -> Result<Written, WriteError> {
    let mut body = String::with_capacity(notification.message.len() + 1024);
    body.push_str(r#"<?xml version="1.0" encoding="UTF-8"?> "#);
    body.push_str(r#"<Notification xmlns="http://mns.aliyuncs.com/doc/v1/"> "#);
    for (name, text) in to_write(notification)? {
        if !text.chars().all(is_xml_char) {
            return Err(WriteError::NotCarried {
                format: Format::Xml,
                field: name,
            });
        }
        body.extend(["<", name, ">"]);
        push_escaped(&mut body, &text);
        body.extend(["</", name, "> "]);
    }
    body.push_str("</Notification>");
    Ok(Written {
        content_type: "text/xml;charset=utf-8",
        headers: Vec::new(),
        body: body.into_bytes(),
    })
}

fn push_escaped(body: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => body.push_str("&lt;"),
            '>' => body.push_str("&gt;"),
            '&' => body.push_str("&amp;"),
            '\r' => body.push_str("&#13;"),
            _ => body.push(c),
        }
    }
}

/// Tells whether XML 1.0 can carry the character at all (its production 2, `Char`).
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// What stands between elements.
enum Step<'a> {
    /// An element begins.
    Into(BytesStart<'a>),
    /// The element around ends, or outside of any, the text.
    End,
}

/// The events of a text, within the bounds. Each verb returns `None` where the text turns out to
/// be no envelope.
struct Events<'a> {
    reader: Reader<&'a [u8]>,
    elements: usize,
    depth: usize,
}

impl<'a> Events<'a> {
    fn of(text: &'a str) -> Events<'a> {
        let mut reader = Reader::from_str(text);
        // `<a/>` as `<a></a>`, so that nothing here needs to know both.
        reader.config_mut().expand_empty_elements = true;
        Events {
            reader,
            elements: 0,
            depth: 0,
        }
    }

    fn read(&mut self) -> Option<Event<'a>> {
        let event = self.reader.read_event().ok()?;
        match &event {
            Event::Start(_) => {
                self.elements += 1;
                self.depth += 1;
            }
            Event::End(_) => self.depth = self.depth.checked_sub(1)?,
            Event::DocType(_) => return None,
            Event::Eof if self.depth > 0 => return None,
            _ => {}
        }
        let is_within = self.elements <= ELEMENTS_MAX && self.depth <= DEPTH_MAX;
        is_within.then_some(event)
    }

    /// Reads on to the next tag, or to the end of the text. Only blanks may stand in between.
    fn step(&mut self) -> Option<Step<'a>> {
        loop {
            match self.read()? {
                Event::Start(tag) => return Some(Step::Into(tag)),
                Event::End(_) | Event::Eof => return Some(Step::End),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                _ => return None,
            }
        }
    }

    /// Reads the rest of the element that has just begun, which must hold text alone.
    fn read_text(&mut self) -> Option<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.read()? {
                Event::Text(part) => text += part.into_inner(),
                Event::CData(part) => text += part.into_inner(),
                Event::GeneralRef(reference) => text.to_mut().push(resolve(&reference)?),
                Event::Comment(_) | Event::PI(_) => {}
                Event::End(_) => return Some(text),
                _ => return None,
            }
        }
    }

    /// Reads past the rest of the element that has just begun.
    fn skip_element(&mut self) -> Option<()> {
        let depth = self.depth;
        while self.depth >= depth {
            self.read()?;
        }
        Some(())
    }
}

/// Returns what `&#…;` or one of the five entities of XML stands for.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    match reference.resolve_char_ref().ok()? {
        Some(c) => Some(c),
        None => resolve_xml_entity(reference)?.chars().next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn message_of(text: &str) -> Option<String> {
        parse(text).map(|notification| String::from_utf8(notification.message).unwrap())
    }

    fn around(message: &str) -> String {
        format!("<Notification><MessageId>m</MessageId><Message>{message}</Message></Notification>")
    }

    #[test]
    fn the_text_between_the_message_tags_is_the_message() {
        let cases = [
            ("", ""),
            ("  a \r\n\tb\r\n ", "  a \r\n\tb\r\n "),
            ("{\"a\":\"b\"} > ]]>", "{\"a\":\"b\"} > ]]>"),
            (
                "&lt;&gt;&amp;&quot;&apos;&#65;&#x4E2D;&#13;&amp;lt;",
                "<>&\"'A中\r&lt;",
            ),
            ("a<![CDATA[<b>&amp;\r\n]]>c", "a<b>&amp;\r\nc"),
            ("a<!-- b -->c<?d e?>f", "acf"),
            ("示例 \u{1F4FC} \0\u{1}", "示例 \u{1F4FC} \0\u{1}"),
        ];
        for (written, expected) in cases {
            let message = message_of(&around(written));
            assert_eq!(message.as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_plain_text_makes_the_body_no_envelope() {
        let cases = [
            "<b>c</b>",
            "<b/>",
            "a & b",
            "a &b",
            "&nbsp;",
            "&unknown;",
            "&#0;",
            "&#xD800;",
            "&#x110000;",
            "&#+65;",
            "&#;",
            "&;",
            "<",
            "<![CDATA[",
            "<!-- ",
            "</Message><Message>",
            "</Message></Notification><Notification><Message>",
            "<!DOCTYPE a>",
            "<!ENTITY a 'b'>",
        ];
        for written in cases {
            assert_eq!(message_of(&around(written)), None, "{written}");
        }
    }

    #[test]
    fn a_body_that_is_not_wholly_an_envelope_is_none() {
        let whole = around("x");
        let cases = [
            String::new(),
            "<Notification/>".to_owned(),
            "<Notification></Notification>".to_owned(),
            whole.replace("<MessageId>m</MessageId>", ""),
            whole.replace(">m<", "><"),
            whole.replace("Notification", "Notifications"),
            whole.replace("Notification", "notification"),
            whole.replace("</Notification>", "</Other>"),
            whole.replace("</MessageId>", "</MessageID>"),
            whole.replace("</Notification>", ""),
            format!("{whole}x"),
            format!("x{whole}"),
            format!("{whole}{whole}"),
            format!("{whole}<![CDATA[]]>"),
            format!("<a>{whole}</a>"),
            format!("<!DOCTYPE Notification>{whole}"),
            format!("<!doctype Notification [<!ENTITY a \"b\">]>{whole}"),
            whole.replace("<Message>", "text<Message>"),
            whole.replace("<Message>", "&lt;<Message>"),
            whole.replace("<Message>", "<MessageId>m</MessageId><Message>"),
            whole.replace(
                "<Message>",
                "<MessageTag/><MessageTag>t</MessageTag><Message>",
            ),
        ];
        for text in cases {
            assert_eq!(parse(&text), None, "{text}");
        }
        for (end, _) in whole.char_indices() {
            let (cut, _) = whole.split_at(end);
            assert_eq!(parse(cut), None, "{cut}");
        }
        assert!(parse(&whole).is_some());
    }

    #[test]
    fn order_names_of_spaces_and_unknown_elements_do_not_matter() {
        let text = "\n<?xml version='1.0' encoding='utf-8'?>\n<!-- c -->\
            <n:Notification xmlns:n=\"x\" xmls='y' odd=\">\">\r\n\
            <MessagePublishTime> 7 </MessagePublishTime>\
            <SigningCertURL>https://example.com/a.pem</SigningCertURL>\
            <Later><Message>not this</Message>&nbsp;text</Later>\
            <n:Message a='b' >this</n:Message ><Subscriber/><TopicName></TopicName>\
            <o:MessageId>m</o:MessageId></n:Notification> \n";
        let notification = parse(text).unwrap();
        assert_eq!(notification.message, b"this");
        assert_eq!(notification.message_id.as_deref(), Some("m"));
        assert_eq!(notification.published_at, Some(Timestamp(7)));
        assert_eq!(notification.subscriber, None);
        assert_eq!(notification.topic, None);
    }

    #[test]
    fn as_many_elements_as_the_bound_are_read_and_no_more() {
        let with =
            |elements| around("x").replace("<Message>", &("<a/>".repeat(elements) + "<Message>"));
        // Beside those there are the root, the id and the message.
        assert!(parse(&with(ELEMENTS_MAX - 3)).is_some());
        assert!(parse(&with(ELEMENTS_MAX - 2)).is_none());
        assert!(parse(&with(100_000)).is_none());
    }

    #[test]
    fn elements_as_deep_as_the_bound_are_read_and_no_deeper() {
        let with = |depth| {
            let nest = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
            around("x").replace("<Message>", &(nest + "<Message>"))
        };
        // Around those there is the root.
        assert!(parse(&with(DEPTH_MAX - 1)).is_some());
        assert!(parse(&with(DEPTH_MAX)).is_none());
        assert!(parse(&with(100_000)).is_none());
    }

    #[test]
    fn a_hundred_thousand_attributes_change_nothing() {
        let tag = format!("<Notification{}>", " a=\"&lol;<\"".repeat(100_000));
        assert_eq!(
            message_of(&around("x").replace("<Notification>", &tag)).as_deref(),
            Some("x")
        );
    }

    #[test]
    fn entities_are_never_expanded() {
        let dtd = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\"><!ENTITY c \"&b;&b;\">]>";
        assert_eq!(parse(&format!("{dtd}{}", around("&c;"))), None);
        assert_eq!(parse(&around(&format!("{dtd}&c;"))), None);
        let skipped = format!("<Other>{dtd}</Other><Message>");
        assert_eq!(parse(&around("x").replace("<Message>", &skipped)), None);
        assert_eq!(parse(&around("&c;")), None);
    }

    #[test]
    fn what_is_written_is_well_formed_for_a_stricter_parser() {
        let written = write(&parse(&around("&lt;]]>&amp;\r\n\"'")).unwrap()).unwrap();
        let body = String::from_utf8(written.body).unwrap();
        assert!(
            body.contains("<Message>&lt;]]&gt;&amp;&#13;\n\"'</Message>"),
            "{body}"
        );
    }

    #[test]
    fn a_character_that_xml_cannot_carry_is_named_with_its_field() {
        let mut notification = parse(&around("x")).unwrap();
        for c in ['\0', '\u{1}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let error = |field| {
                Err(WriteError::NotCarried {
                    format: Format::Xml,
                    field,
                })
            };
            notification.message = c.to_string().into_bytes();
            assert_eq!(write(&notification), error("Message"));
            notification.message = Vec::new();
            notification.tag = Some(c.to_string());
            assert_eq!(write(&notification), error("MessageTag"));
            notification.tag = None;
        }
        assert!(write(&notification).is_ok());
    }
}
