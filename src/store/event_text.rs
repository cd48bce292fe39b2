//! An event as its row keeps it: JSON that is handed on and hardly ever taken apart.
//!
//! A page shows an event or two, but a download has them all, and most of its time went into giving
//! each key and each value a piece of memory of its own. Here the text is kept whole, and what
//! is read of it for a moment borrows from it.
//!
//! **Architecture invariant:** it goes out as the [`Value`] of the same text would, whatever that is:
//! keys in their order, of equal keys the last, numbers and escapes in one form. The row itself has
//! them as the message was written down, with the kind first.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// The text of an event: JSON in the form in which it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText(String);

impl EventText {
    /// Takes a row's text, and gives with it what `of` finds in it.
    pub(super) fn parse<T>(
        text: &str,
        of: impl Fn(&Members<'_>) -> T,
    ) -> Result<(EventText, T), serde_json::Error> {
        let event = Members(serde_json::from_str(text)?);
        Ok((EventText(serde_json::to_string(&event.0)?), of(&event)))
    }

    /// Returns it as it stands in a cell, and in a line of JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a text that stands in the event itself; `None` if it has no such key, or no text there.
    pub fn text(&self, key: &str) -> Option<String> {
        let event = Members(serde_json::from_str(&self.0).ok()?);
        event.text(key).map(str::to_owned)
    }
}

impl From<Value> for EventText {
    fn from(event: Value) -> EventText {
        EventText(event.to_string())
    }
}

impl Serialize for EventText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event: Json<'_> = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        event.serialize(serializer)
    }
}

/// What stands in an event, for as long as its text is at hand.
pub(super) struct Members<'a>(Json<'a>);

impl Members<'_> {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let Json::Object(members) = &self.0 else {
            return None;
        };
        match members.iter().find(|(Text(name), _)| name == key) {
            Some((_, Json::Text(Text(text)))) => Some(text),
            _ => None,
        }
    }
}

/// A [`Value`] that borrows what needs no rewriting.
enum Json<'a> {
    Null,
    Flag(bool),
    Number(Number),
    Text(Text<'a>),
    List(Vec<Json<'a>>),
    /// Ordered by key, each once.
    Object(Vec<(Text<'a>, Json<'a>)>),
}

/// A text without escapes is where it is; one with some is written anew.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members: Vec<(Text<'de>, Json<'de>)> = Vec::with_capacity(MEMBERS_USUAL);
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        // Backwards before a sort that keeps the order of equals, so that the last of them stays.
        members.reverse();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.dedup_by(|(a, _), (b, _)| a == b);
        Ok(Json::Object(members))
    }
}

/// As many keys as most events have, so that their list need not grow.
const MEMBERS_USUAL: usize = 16;

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Flag(flag) => serializer.serialize_bool(*flag),
            Json::Number(number) => number.serialize(serializer),
            Json::Text(Text(text)) => serializer.serialize_str(text),
            Json::List(values) => serializer.collect_seq(values),
            Json::Object(members) => serializer.collect_map(
                members
                    .iter()
                    .map(|(Text(name), value)| (name.as_ref(), value)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn text_of(text: &str) -> EventText {
        EventText::parse(text, |_| ()).unwrap().0
    }

    fn check(text: &str) {
        let value: Value = serde_json::from_str(text).unwrap();
        let written = serde_json::to_string(&text_of(text)).unwrap();
        assert_eq!(written, value.to_string(), "{text}");
        assert_eq!(text_of(text).as_str(), written);
    }

    #[test]
    fn it_goes_out_as_the_value_of_the_same_text_would() {
        for text in [
            r#"{"kind":"job","job_id":"j","state":"failed","extra":{"z":[{"b":1,"a":{}}],"a":null}}"#,
            r#"{"b":1,"a":2,"b":3,"b":{"d":4,"c":5,"d":6}}"#,
            r#"{"\u0062":1,"a\n":2,"b":"\/\u4e2d\ud83d\ude00\"\\\u0001"}"#,
            r"[1,-1,0,-0,18446744073709551615,18446744073709551616,1.0,1e2,0.1,1e-7,true,[],{}]",
            " { \"a\" : [ 1 , 2 ] } ",
            "\"text\"",
            "null",
        ] {
            check(text);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let one = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        one.prop_recursive(3, 20, 5, |inner| {
            let members = prop::collection::vec((any::<String>(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                members.prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_stands_in_it_goes_out_as_a_value_would(value in value()) {
            let text = value.to_string();
            let again: Value = serde_json::from_str(&text).unwrap();
            let written = serde_json::to_string(&EventText::from(value)).unwrap();
            prop_assert_eq!(written, again.to_string());
        }
    }

    #[test]
    fn a_text_is_found_by_its_key_and_nothing_else_is_a_text() {
        let event = text_of(r#"{"a":"x","b":1,"a":"y","c":{"d":"z"}}"#);
        assert_eq!(event.text("a").as_deref(), Some("y"));
        for key in ["b", "c", "d"] {
            assert_eq!(event.text(key), None);
        }
        assert_eq!(text_of("[\"a\"]").text("a"), None);
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "{\"a\":}", "{} {}", "nul"] {
            assert!(EventText::parse(text, |_| ()).is_err(), "{text}");
        }
    }
}
