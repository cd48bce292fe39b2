//! The stored explanation of a held or refused push, read for its page.
//!
//! `signature::explain` made it when the push came, and an older version of this program may have;
//! so it is read leniently: what is missing is not shown, what has another shape is shown as JSON.

use serde_json::Value;

use crate::signature::explain::{CheckName, Verdict};
use crate::web::pages::message::{Shown, shown};

/// What was checked and seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    pub checks: Vec<Check>,
    pub string_to_sign: Vec<String>,
    /// Which changes would make the signature hold.
    pub would_hold_with: Vec<String>,
    /// What the envelope says: names, as in the JSON, and values.
    pub envelope: Vec<(String, String)>,
    pub message: Option<Shown>,
}

/// One check, in the order they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// As in the JSON; pages say it in their language.
    pub name: String,
    pub verdict: Verdict,
    pub saw: String,
    /// What to do about it; often empty.
    pub hint: String,
}

impl Explanation {
    /// Reads what of `value` has the expected shape.
    pub fn of(value: &Value) -> Explanation {
        Explanation {
            checks: list(value, "checks").iter().map(Check::of).collect(),
            string_to_sign: texts(value, "string_to_sign"),
            would_hold_with: texts(value, "would_hold_with"),
            envelope: list(value, "envelope").iter().map(field).collect(),
            message: value
                .get("message")
                .filter(|message| !message.is_null())
                .map(|message| shown(text_of(message).as_bytes())),
        }
    }
}

impl Check {
    fn of(value: &Value) -> Check {
        let text = |name| value.get(name).map(text_of).unwrap_or_default();
        Check {
            name: text("name"),
            verdict: match text("verdict").as_str() {
                "holds" => Verdict::Holds,
                "fails" => Verdict::Fails,
                _ => Verdict::NotChecked,
            },
            saw: text("saw"),
            hint: text("hint"),
        }
    }

    /// Returns which check it is, if this version has it.
    pub fn known_name(&self) -> Option<CheckName> {
        serde_json::from_value(Value::from(self.name.as_str())).ok()
    }

    /// Returns the state whose icon and colour stand for the verdict.
    pub fn state_word(&self) -> &'static str {
        match self.verdict {
            Verdict::Holds => "succeeded",
            Verdict::Fails => "failed",
            Verdict::NotChecked => "skipped",
        }
    }
}

fn field(value: &Value) -> (String, String) {
    let text = |name| value.get(name).map(text_of).unwrap_or_default();
    (text("name"), text("value"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().map(text_of).collect()
}

/// Returns a string as its text, nothing for null, and anything else as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_is_read_whole() {
        let value = json!({
            "checks": [
                {"name": "content_md5", "verdict": "fails", "saw": "abc", "hint": "look"},
                {"name": "date", "verdict": "holds", "saw": 5, "hint": null},
            ],
            "string_to_sign": ["POST", ""],
            "envelope": [{"name": "topic_owner", "value": "1"}],
            "message": "{}",
            "would_hold_with": ["the path without its last slash"],
        });
        let explanation = Explanation::of(&value);
        let expected = Check {
            name: "content_md5".to_owned(),
            verdict: Verdict::Fails,
            saw: "abc".to_owned(),
            hint: "look".to_owned(),
        };
        assert_eq!(explanation.checks[0], expected);
        assert_eq!(explanation.checks[1].saw, "5");
        assert_eq!(explanation.string_to_sign, ["POST", ""]);
        let owner = ("topic_owner".to_owned(), "1".to_owned());
        assert_eq!(explanation.envelope, [owner]);
        assert_eq!(explanation.message.unwrap().text, "{}");
        assert_eq!(explanation.would_hold_with.len(), 1);
    }

    #[test]
    fn whatever_is_stored_can_be_shown() {
        for value in [
            json!(null),
            json!([1]),
            json!({"checks": {}, "envelope": "text", "string_to_sign": 1}),
            json!({"checks": [1, null, {}]}),
        ] {
            Explanation::of(&value);
        }
    }
}
