//! The fields of one JSON object, looked up ignoring case and taken one by one.
//!
//! Messages carry `jobId` and `JobId` side by side, and nothing keeps the two from disagreeing.
//! What is taken is gone from the object, so that what is left in the end is exactly what nothing
//! was read from: the event's `extra`.
//!
//! What holds:
//! - `null` is absent, and so is a blank text where something must be named.
//! - A value that does not fit (an id that is a list, a name of 60 KB) is not taken: it stays.
//! - Of two values under one key that both fit, the one under a capital spelling wins; of two
//!   spelt alike the last, as JSON readers do. A loser that says something else is noted under
//!   [`CONFLICTS`].
//! - Nothing is lost between taking and leaving, but `null`s and losers that agree.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::mps::json::Json;
use crate::mps::keys::Keys;
use crate::mps::reason::Unreadable;
use crate::mps::time;
use crate::notification::event::ID_BYTES_MAX;

/// The key in `extra` under which values that lost against another spelling of their key are kept,
/// as a list of `{"key": …, "value": …}`.
pub(super) const CONFLICTS: &str = "_conflicts";

/// The most bytes of a name, a type, a state word or an error code; longer ones stay in `extra`.
/// They become keys and labels, and a run's name is repeated with each of its activities. MPS
/// allows 128 characters, which is 384 bytes in Chinese.
pub(super) const NAME_BYTES_MAX: usize = 1_024;

/// One object, less what was taken from it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What was taken is `Null`, as is what was absent.
    entries: Vec<(String, Json)>,
    /// What is left of objects that were taken, under the spelling they came with, and notes.
    kept: Vec<(String, Value)>,
    /// Losers, each a `{"key": …, "value": …}`.
    conflicts: Vec<Value>,
}

impl Fields {
    pub(super) fn new(entries: Vec<(String, Json)>) -> Fields {
        Fields {
            entries,
            ..Fields::default()
        }
    }

    /// Tells whether there is anything, fitting or not, under one of `keys`; a blank text is none.
    pub(super) fn has(&self, keys: Keys) -> bool {
        self.under(keys).next().is_some()
    }

    /// Takes a text that is not empty; a number is the text of its digits.
    pub(super) fn take_text(&mut self, keys: Keys) -> Option<String> {
        let fits = |json: &Json| match json {
            Json::Text(text) => !text.is_empty(),
            Json::Number(_) => true,
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => false,
        };
        self.take(keys, fits)?.1.into_text()
    }

    /// Takes a text that is not blank and at most [`NAME_BYTES_MAX`] bytes; numbers as in
    /// [`Fields::take_text`].
    pub(super) fn take_name(&mut self, keys: Keys) -> Option<String> {
        let fits = |json: &Json| match json {
            Json::Text(text) => text.len() <= NAME_BYTES_MAX && !text.trim().is_empty(),
            Json::Number(_) => true,
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => false,
        };
        self.take(keys, fits)?.1.into_text()
    }

    /// Takes an id: not blank, at most [`ID_BYTES_MAX`] bytes. A whole number is the text of its
    /// digits; another number is none, since two ids may have become the same float.
    pub(super) fn take_id(&mut self, keys: Keys) -> Option<String> {
        let fits = |json: &Json| match json {
            Json::Text(text) => text.len() <= ID_BYTES_MAX && !text.trim().is_empty(),
            Json::Number(number) => !number.is_f64(),
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => false,
        };
        self.take(keys, fits)?.1.into_text()
    }

    /// Takes the id of what the whole message is about; `None` if there is none under `keys`, or a
    /// blank one.
    ///
    /// Unlike elsewhere a misfit is an error, and one that is too long also if another spelling
    /// would fit: an event must not be filed under half of what its message says.
    pub(super) fn take_subject(&mut self, keys: Keys) -> Result<Option<String>, Unreadable> {
        let key = keys.first().copied().unwrap_or_default();
        for (_, json) in self.under(keys) {
            if let Json::Text(text) = json
                && text.len() > ID_BYTES_MAX
            {
                let bytes = text.len();
                return Err(Unreadable::IdTooLong { key, bytes });
            }
        }
        if let Some(id) = self.take_id(keys) {
            return Ok(Some(id));
        }
        match self.under(keys).next() {
            None => Ok(None),
            Some((_, json)) => {
                let found = json.kind();
                Err(Unreadable::IdIsNone { key, found })
            }
        }
    }

    pub(super) fn take_time(&mut self, keys: Keys) -> Option<Timestamp> {
        let (_, json) = self.take(keys, |json| time::parse(json).is_some())?;
        time::parse(&json)
    }

    /// Takes an object, with the spelling of its key, to put back under it what is left.
    pub(super) fn take_object(&mut self, keys: Keys) -> Option<(String, Fields)> {
        match self.take(keys, |json| matches!(json, Json::Object(_)))? {
            (name, Json::Object(entries)) => Some((name, Fields::new(entries))),
            _ => None,
        }
    }

    /// Takes the value under the first of `keys` that has one that `fits`, with its spelling.
    /// Under the other `keys` the same value is dropped, and another one stays.
    pub(super) fn take(
        &mut self,
        keys: Keys,
        fits: impl Fn(&Json) -> bool,
    ) -> Option<(String, Json)> {
        let mut taken: Option<(String, Json)> = None;
        for key in keys {
            match &taken {
                None => taken = self.take_one(key, &fits),
                Some((_, winner)) => self.drop_where(&[key], |json| json == winner),
            }
        }
        taken
    }

    /// Tells whether there is a text under `keys`, not blank, for which `holds`; a number is none.
    pub(super) fn has_text(&self, keys: Keys, holds: impl Fn(&str) -> bool) -> bool {
        self.under(keys)
            .any(|(_, json)| matches!(json, Json::Text(text) if holds(text)))
    }

    /// Drops each value under `keys` that is a text, or the digits of a number, for which
    /// `says_nothing` holds.
    pub(super) fn drop_text(&mut self, keys: Keys, says_nothing: impl Fn(&str) -> bool) {
        self.drop_where(keys, |json| {
            json.text().is_some_and(|text| says_nothing(&text))
        });
    }

    /// Puts `value` with what is left.
    pub(super) fn keep(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.kept.push((name.into(), value.into()));
    }

    /// Puts back what is left of an object that was taken, if anything is.
    pub(super) fn keep_rest(&mut self, name: impl Into<String>, rest: Fields) {
        let extra = rest.into_extra();
        if !extra.is_empty() {
            self.keep(name, extra);
        }
    }

    /// Moves the fields of each object whose key ends in `ending` up into this one, behind its own.
    pub(super) fn lift_objects(&mut self, ending: &str) {
        let mut lifted = Vec::new();
        for (name, json) in &mut self.entries {
            if ends_with_ignoring_case(name, ending)
                && let Json::Object(entries) = json
            {
                lifted.append(entries);
                *json = Json::Null;
            }
        }
        self.entries.append(&mut lifted);
    }

    /// Tells whether there is an object under a key that ends in `ending`.
    pub(super) fn has_object_ending(&self, ending: &str) -> bool {
        self.entries.iter().any(|(name, json)| {
            ends_with_ignoring_case(name, ending) && matches!(json, Json::Object(_))
        })
    }

    /// Returns the names of what is left, as spelt, in the message's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|(_, json)| !json.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// Returns what was not taken, as it came, and [`CONFLICTS`] if there were any.
    pub(super) fn into_extra(self) -> Map<String, Value> {
        let mut extra = Map::new();
        let mut conflicts = self.conflicts;
        let left = self
            .entries
            .into_iter()
            .filter(|(_, json)| !json.is_null())
            .map(|(name, json)| (name, json.into_value()));
        for (name, value) in left.chain(self.kept) {
            if let Some(earlier) = extra.get(&name)
                && *earlier != value
            {
                conflicts.push(conflict(&name, earlier.clone()));
            }
            extra.insert(name, value);
        }
        if !conflicts.is_empty() {
            // A message may have such a key of its own.
            if let Some(own) = extra.remove(CONFLICTS) {
                conflicts.push(conflict(CONFLICTS, own));
            }
            extra.insert(CONFLICTS.to_owned(), Value::Array(conflicts));
        }
        extra
    }

    fn under(&self, keys: Keys) -> impl Iterator<Item = &(String, Json)> {
        let says_something = |json: &Json| match json {
            Json::Null => false,
            Json::Text(text) => !text.trim().is_empty(),
            Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => true,
        };
        self.entries.iter().filter(move |(name, json)| {
            says_something(json) && keys.iter().any(|key| key.eq_ignore_ascii_case(name))
        })
    }

    fn take_one(&mut self, key: &str, fits: impl Fn(&Json) -> bool) -> Option<(String, Json)> {
        let mut winner: Option<(String, Json)> = None;
        for (name, json) in &mut self.entries {
            if !key.eq_ignore_ascii_case(name) || !fits(json) {
                continue;
            }
            let found = (std::mem::take(name), std::mem::take(json));
            let loser = match &mut winner {
                None => {
                    winner = Some(found);
                    continue;
                }
                Some(best) if is_capital(&best.0) && !is_capital(&found.0) => found,
                Some(best) => std::mem::replace(best, found),
            };
            if winner.as_ref().is_some_and(|(_, best)| *best != loser.1) {
                self.conflicts
                    .push(conflict(&loser.0, loser.1.into_value()));
            }
        }
        winner
    }

    fn drop_where(&mut self, keys: &[&str], says_nothing: impl Fn(&Json) -> bool) {
        for (name, json) in &mut self.entries {
            if keys.iter().any(|key| key.eq_ignore_ascii_case(name)) && says_nothing(json) {
                *json = Json::Null;
            }
        }
    }
}

fn conflict(name: &str, value: Value) -> Value {
    let entries = [("key", Value::from(name)), ("value", value)];
    let named = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Object(named.into_iter().collect())
}

fn is_capital(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

fn ends_with_ignoring_case(name: &str, ending: &str) -> bool {
    let start = name.len().saturating_sub(ending.len());
    name.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mps::{json, keys};

    fn fields(message: &str) -> Fields {
        match json::parse(message.as_bytes()) {
            Ok(Json::Object(entries)) => Fields::new(entries),
            other => panic!("no object: {other:?}"),
        }
    }

    #[test]
    fn of_two_spellings_the_capital_one_wins_and_a_difference_is_noted() {
        let cases = [
            (r#"{"State":"a","state":"a"}"#, "a", json!({})),
            (
                r#"{"State":"a","state":"b"}"#,
                "a",
                json!({"_conflicts": [{"key": "state", "value": "b"}]}),
            ),
            (
                r#"{"state":"b","State":"a"}"#,
                "a",
                json!({"_conflicts": [{"key": "state", "value": "b"}]}),
            ),
            (r#"{"state":"b","State":null}"#, "b", json!({})),
            // Spelt alike: the last, as JSON readers do.
            (
                r#"{"State":"a","State":"b"}"#,
                "b",
                json!({"_conflicts": [{"key": "State", "value": "a"}]}),
            ),
            (r#"{"state":"b","State":{}}"#, "b", json!({"State": {}})),
            // Not two spellings, but two keys.
            (r#"{"Status":"a","State":"a"}"#, "a", json!({})),
            (r#"{"Status":"b","State":"a"}"#, "a", json!({"Status": "b"})),
        ];
        for (message, expected, extra) in cases {
            let mut fields = fields(message);
            assert_eq!(
                fields.take_name(keys::STATE).unwrap(),
                expected,
                "{message}"
            );
            assert_eq!(Value::from(fields.into_extra()), extra, "{message}");
        }
    }

    #[test]
    fn what_is_not_taken_is_left_as_it_came() {
        let message = r#"{"a":1,"A":"示例","b":null,"a":2,"_conflicts":true}"#;
        let conflicts = json!([{"key": "a", "value": 1}, {"key": "_conflicts", "value": true}]);
        let extra = json!({"a": 2, "A": "示例", "_conflicts": conflicts});
        assert_eq!(Value::from(fields(message).into_extra()), extra);
    }

    #[test]
    fn numbers_are_texts_but_only_whole_ones_are_ids() {
        let cases = [
            ("12", Some("12"), Some("12")),
            ("-1", Some("-1"), Some("-1")),
            ("1.5", Some("1.5"), None),
            (r#"" ""#, Some(" "), None),
            (r#""""#, None, None),
            ("true", None, None),
            ("[1]", None, None),
        ];
        for (value, text, id) in cases {
            let message = format!(r#"{{"jobid":{value}}}"#);
            assert_eq!(fields(&message).take_text(keys::JOB_ID).as_deref(), text);
            assert_eq!(fields(&message).take_id(keys::JOB_ID).as_deref(), id);
        }
    }

    #[test]
    fn a_name_at_the_bound_is_taken_and_a_longer_one_is_left() {
        let message = |bytes| format!(r#"{{"Name":"{}"}}"#, "n".repeat(bytes));
        let mut at_bound = fields(&message(NAME_BYTES_MAX));
        assert!(at_bound.take_name(keys::NAME).is_some());
        let mut longer = fields(&message(NAME_BYTES_MAX + 1));
        assert_eq!(longer.take_name(keys::NAME), None);
        assert!(longer.into_extra().contains_key("Name"));
    }

    #[test]
    fn a_subject_that_is_too_long_in_one_spelling_is_an_error() {
        let message = format!(r#"{{"JobId":"a","jobId":"{}"}}"#, "b".repeat(257));
        let refused = fields(&message).take_subject(keys::JOB_ID);
        assert!(matches!(
            refused,
            Err(Unreadable::IdTooLong { bytes: 257, .. })
        ));
        assert!(matches!(fields("{}").take_subject(keys::JOB_ID), Ok(None)));
    }
}
