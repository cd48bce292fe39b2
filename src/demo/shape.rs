//! JSON as MPS writes it: keys in its order, the same key in two spellings, no blanks.
//!
//! `serde_json`'s own object sorts its keys, and a struct would need each key twice; so a message is
//! put together here as the samples show it, and read in the code as one reads them.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// A value of a message.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Text(String),
    Number(i64),
    List(Vec<Shape>),
    Object(Vec<(&'static str, Shape)>),
}

impl Shape {
    /// Returns the message's bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.into_text().into_bytes()
    }

    /// Returns the JSON as text, to put into another message's text.
    pub(super) fn into_text(self) -> String {
        // Writing plain data to memory cannot fail; if it did, an empty message would be shown.
        serde_json::to_string(&self).unwrap_or_default()
    }
}

impl From<&str> for Shape {
    fn from(text: &str) -> Shape {
        Shape::Text(text.to_owned())
    }
}

impl From<&String> for Shape {
    fn from(text: &String) -> Shape {
        Shape::Text(text.clone())
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Shape::Text(text) => serializer.serialize_str(text),
            Shape::Number(number) => serializer.serialize_i64(*number),
            Shape::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Shape::Object(entries) => {
                let mut object = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    object.serialize_entry(key, value)?;
                }
                object.end()
            }
        }
    }
}
