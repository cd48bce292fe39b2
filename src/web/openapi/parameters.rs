//! What may be asked of an address of `/openapi.json`: its parameters.
//!
//! Words come from where they are read. The examples of one address go together, so that all of
//! them at once are a right question.

use serde_json::{Map, Value, json};

use crate::store::scan_records::Table;
use crate::web::lists::Choice;
use crate::web::waiting::WAIT_MAX_S;
use crate::web::windows::Span;

/// Describes a part of the path.
pub(super) fn path_parameter(name: &str) -> Value {
    // What else a path may hold is a number or an id; an empty one is another address.
    let schema = json!({"type": "string", "minLength": 1});
    json!({"name": name, "in": "path", "required": true, "schema": schema, "example": "7"})
}

/// Describes a filter of a table's list.
pub(super) fn filter(table: Table, name: &str) -> Value {
    let choice = match (table, name) {
        (Table::Runs, "state") => Some(Choice::Outcome),
        (_, "state") => Some(Choice::State),
        (_, "kind") => Some(Choice::Kind),
        (_, "format") => Some(Choice::Format),
        (_, "only") => Some(Choice::Only),
        (Table::Held, "reason") => Some(Choice::HoldReason),
        (_, "reason") => Some(Choice::RefusalReason),
        _ => None,
    };
    match choice {
        Some(choice) => {
            let words = choice.words();
            let example = words.first().copied();
            let schema = json!({"type": "string", "enum": words});
            query(name, "One of these words", &schema, &json!(example))
        }
        None => parameter(name),
    }
}

/// Describes a parameter that is the same everywhere.
pub(super) fn parameter(name: &str) -> Value {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    let switch = json!({"type": "string", "enum": Choice::ZeroOrOne.words()});
    let (description, schema, example) = match name {
        "from" => (
            "At this time or later: RFC 3339, or 30m, 24h, 7d, 2w back from now",
            text,
            json!("7d"),
        ),
        "to" => (
            "Before this time, which is after `from`; read like it",
            text,
            json!("24h"),
        ),
        "limit" => {
            let schema = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 50});
            ("Rows of the page", schema, json!(50))
        }
        "cursor" => (
            "`next` or `previous` of another page of this list",
            text,
            Value::Null,
        ),
        "after" => (
            "Only rows after this number: `next` of an earlier export's last line",
            number,
            json!(0),
        ),
        "end" => (
            "1 for a last line {\"_end\":{\"rows\":…,\"next\":…}}",
            switch,
            json!("1"),
        ),
        "excel" => (
            "1 for spreadsheets: byte order mark, no formulas",
            switch,
            json!("1"),
        ),
        "window" => {
            let schema = json!({"type": "string", "enum": Span::ALL.map(Span::word)});
            (
                "This long up to now; not beside `from` and `to`",
                schema,
                Value::Null,
            )
        }
        "order" => {
            let schema = json!({"type": "string", "enum": Choice::Order.words()});
            ("What lanes stand first by", schema, json!("name"))
        }
        "q" => ("Words to find, or an id", text, json!("summer mp4")),
        "owner" => (
            "The account, if several have this id",
            text,
            json!("1234567890123456"),
        ),
        "id" => ("The id", text, json!("88c6ca184c0e47098a5b665e2a126797")),
        "code" => (
            "The failure code",
            text,
            json!("InvalidParameter.ResourceNotFound"),
        ),
        "type" => ("The kind as MPS spells it", text, json!("Transcode")),
        _ => ("Exactly this text", text, json!("mps-std")),
    };
    query(name, description, &schema, &example)
}

/// Describes `wait`.
pub(super) fn wait_parameter() -> Value {
    let schema = json!({"type": "integer", "minimum": 1, "maximum": WAIT_MAX_S});
    let description = "Answers when it has ended, or after so many seconds as it is then";
    query("wait", description, &schema, &json!(1))
}

fn query(name: &str, description: &str, schema: &Value, example: &Value) -> Value {
    let mut parameter = Map::new();
    parameter.insert("name".to_owned(), json!(name));
    parameter.insert("in".to_owned(), json!("query"));
    parameter.insert("description".to_owned(), json!(description));
    parameter.insert("schema".to_owned(), schema.clone());
    if !example.is_null() {
        parameter.insert("example".to_owned(), example.clone());
    }
    Value::Object(parameter)
}
