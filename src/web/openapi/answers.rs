//! What an address of `/openapi.json` may answer: statuses, forms and headers.
//!
//! A test walks every address of the document on a running server and holds its answers against this
//! (`tests/it/openapi.rs`).

use serde_json::{Map, Value, json};

use crate::web::openapi::reference;

/// What an address answers.
pub(super) struct Answers<'a> {
    /// What was asked for, in each form by its media type.
    pub content: Value,
    pub is: Whole,
    /// Where the answer's own fields lead, by name: `OpenAPI`'s `links`.
    pub links: Value,
    /// Statuses beside those that every address of its kind has.
    pub more: &'a [&'a str],
}

/// In how many pieces an answer comes, and so what stands in its head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// At once, with a tag.
    Record,
    /// At once, with a tag and where the pages beside it are.
    Page,
    /// At once, with a tag, as a file.
    File,
    /// Piece by piece, as a file. Nobody has it already.
    Stream,
    /// At once, with a tag, and whoever asks: never who, and nothing that could be asked wrongly.
    Open,
}

impl Whole {
    fn headers(self) -> &'static [&'static str] {
        match self {
            Whole::Record | Whole::Open => &["ETag"],
            Whole::Page => &["ETag", "Link"],
            Whole::File => &["ETag", "Content-Disposition"],
            Whole::Stream => &["Content-Disposition"],
        }
    }

    /// What every such address may answer beside 200: it may be asked wrongly, by somebody unknown,
    /// from elsewhere, too often at once, or in a bad moment.
    fn statuses(self) -> &'static [&'static str] {
        match self {
            Whole::Record | Whole::Page | Whole::File => {
                &["304", "400", "401", "405", "421", "429", "503"]
            }
            Whole::Stream => &["400", "401", "405", "421", "429", "503"],
            Whole::Open => &["304", "405"],
        }
    }
}

impl Answers<'_> {
    /// Describes them, by status.
    pub(super) fn describe(self) -> Value {
        let headers = self.is.headers().iter();
        let headers: Map<String, Value> = headers
            .map(|name| ((*name).to_owned(), header(name)))
            .collect();
        let mut given = json!({
            "description": "What was asked for", "headers": headers, "content": self.content,
        });
        if let (Some(given), false) = (given.as_object_mut(), self.links.is_null()) {
            given.insert("links".to_owned(), self.links);
        }
        let mut responses = Map::new();
        responses.insert("200".to_owned(), given);
        for status in self.is.statuses().iter().chain(self.more) {
            let name = format!("#/components/responses/{status}");
            responses.insert((*status).to_owned(), json!({"$ref": name}));
        }
        Value::Object(responses)
    }
}

/// Describes all that is not 200, by status. Errors are all of one form.
pub(super) fn shared() -> Value {
    let all = [
        (
            400,
            "The address has a parameter that is not right",
            "The parameter is named.",
        ),
        (
            401,
            "Who is asking?",
            "Log in with your name and password, or send a token.",
        ),
        (404, "Not found", "Nothing has this id."),
        (405, "Wrong method", "This address answers only GET, HEAD."),
        (
            409,
            "Several accounts have this id",
            "Add ?owner= with one of: 1, 2.",
        ),
        (410, "Gone", "Age has emptied this delivery."),
        (421, "Only from this machine", "No login is configured."),
        (
            429,
            "Too many downloads or logins at once",
            "Try again when one has ended.",
        ),
        (503, "Busy", "Try again in some seconds."),
    ];
    let errors = all.into_iter().map(|(status, title, detail)| {
        let example = json!({
            "type": "about:blank", "title": title, "status": status, "detail": detail,
        });
        let content = json!({"schema": reference("Problem"), "example": example});
        let names: &[&str] = match status {
            401 => &["WWW-Authenticate"],
            405 => &["Allow"],
            429 | 503 => &["Retry-After"],
            _ => &[],
        };
        let headers = names.iter().map(|name| ((*name).to_owned(), header(name)));
        let mut headers: Map<String, Value> = headers.collect();
        // Only where we know when it will be better.
        if let (503, Some(header)) = (status, headers.get_mut("Retry-After")) {
            *header = json!({"schema": {"type": "integer"}, "description": SECONDS});
        }
        let response = json!({
            "description": title,
            "headers": headers,
            "content": {"application/problem+json": content},
        });
        (status.to_string(), response)
    });
    let mut responses: Map<String, Value> = errors.collect();
    let known = json!({
        "description": "You have it already",
        "headers": {"ETag": header("ETag"), "Link": header("Link")},
    });
    responses.insert("304".to_owned(), known);
    Value::Object(responses)
}

const SECONDS: &str = "Seconds after which to try again";

/// Describes a header. All but `Link` are always there.
fn header(name: &str) -> Value {
    let (description, kind) = match name {
        "ETag" => ("To be sent back as If-None-Match", "string"),
        "Link" => (
            "The pages beside this one: rel=\"next\", rel=\"prev\"",
            "string",
        ),
        "Content-Disposition" => ("What the file is to be called", "string"),
        "WWW-Authenticate" => ("How to log in", "string"),
        "Allow" => ("The methods that there are", "string"),
        _ => (SECONDS, "integer"),
    };
    json!({
        "description": description, "schema": {"type": kind}, "required": name != "Link",
    })
}
