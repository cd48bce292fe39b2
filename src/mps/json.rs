//! A JSON value that keeps every key as it came.
//!
//! `serde_json::Value` keeps one value for each key, so that of two that disagree the first would
//! vanish unseen, and with it the choice between `State` and a second `State`. This tree keeps them
//! all, in the order of the message; `fields.rs` chooses.
//!
//! What holds: no value nests deeper than [`DEPTH_MAX`], so that walking or dropping one cannot
//! exhaust the stack, and what is kept of it can be written into a few more levels and read back.
//!
//! Deliberately not here: exact numbers. An integer beyond 64 bits becomes a float as in
//! `serde_json`; the message itself is kept with its delivery.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most levels of lists and objects a message may have. Known messages have six. The stored
/// event adds a few around it, and `serde_json` reads back at most 128.
pub(super) const DEPTH_MAX: usize = 64;

/// One JSON value. The default is `Null`, which everywhere here means *absent*.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    /// Every key with its value as they came, a repeated key as often as it came.
    Object(Vec<(String, Json)>),
}

/// Why some bytes are no JSON that is read here.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    #[error("cannot read the bytes as JSON")]
    Syntax(#[from] serde_json::Error),
    /// Only between [`DEPTH_MAX`] and 128 levels; beyond that it is a `Syntax` error.
    #[error("cannot read JSON of more than {DEPTH_MAX} levels")]
    TooDeep,
}

/// Reads the whole of `bytes` as one JSON value in UTF-8.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let json: Json = serde_json::from_slice(bytes)?;
    if json.depth() > DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    Ok(json)
}

impl Json {
    pub(super) fn is_null(&self) -> bool {
        *self == Json::Null
    }

    /// Says what this is, with its article, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "true or false",
            Json::Number(_) => "a number",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    /// Returns the text, or the digits of a number: senders differ in what they quote.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Json::Text(text) => Some(Cow::Borrowed(text)),
            Json::Number(number) => Some(Cow::Owned(number.to_string())),
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
        }
    }

    /// Returns [`Json::text`] without copying it.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Json::Text(text) => Some(text),
            Json::Number(number) => Some(number.to_string()),
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
        }
    }

    /// Returns the same value for storing. Of a key that came twice in one object the last stays.
    pub(super) fn into_value(self) -> Value {
        match self {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(truth),
            Json::Number(number) => Value::Number(number),
            Json::Text(text) => Value::String(text),
            Json::List(items) => Value::Array(items.into_iter().map(Json::into_value).collect()),
            Json::Object(entries) => {
                let values = entries
                    .into_iter()
                    .map(|(name, value)| (name, value.into_value()));
                Value::Object(values.collect::<Map<_, _>>())
            }
        }
    }

    fn depth(&self) -> usize {
        let deepest = match self {
            Json::List(items) => items.iter().map(Json::depth).max(),
            Json::Object(entries) => entries.iter().map(|(_, value)| value.depth()).max(),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => return 0,
        };
        deepest.unwrap_or(0).saturating_add(1)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = object.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_stored_as_serde_json_would_read_it() {
        let text = r#"{"a":[1,-2,3.5,true,null,"示例"],"b":{"c":{}},"d":18446744073709551615}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap().into_value(), value);
    }

    #[test]
    fn a_key_that_came_twice_is_there_twice() {
        let json = parse(br#"{"a":1,"a":2}"#).unwrap();
        let expected = ["1", "2"].map(|number| ("a".to_owned(), parse(number.as_bytes()).unwrap()));
        assert_eq!(json, Json::Object(expected.to_vec()));
        assert_eq!(json.into_value(), json!({"a": 2}));
    }

    #[test]
    fn the_deepest_value_allowed_is_read_and_one_level_more_is_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        for levels in [DEPTH_MAX + 1, 127] {
            let refused = parse(nested(levels).as_bytes());
            assert!(matches!(refused, Err(JsonError::TooDeep)), "{levels}");
        }
        let refused = parse(nested(30_000).as_bytes());
        assert!(matches!(refused, Err(JsonError::Syntax(_))));
    }
}
