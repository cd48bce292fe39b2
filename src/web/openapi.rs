//! `/openapi.json`: what programs may ask the dashboard for, as `OpenAPI` 3.1.
//!
//! Parameters and their words are taken from where they are read, so they cannot be out of date; the
//! addresses and the fields of records are listed here and held against the code by tests. What changes
//! something is not in it: that is for our own pages and for commands on this machine.

use std::slice;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::store::scan_records::Table;
use crate::web::error::PageError;
use crate::web::exports::{filters_of, own_parameters};
use crate::web::json::respond;
use crate::web::lists::{Choice, Given};
use crate::web::schemas;
use crate::web::state::AppState;
use crate::web::waiting::WAIT_MAX_S;
use crate::web::windows::Span;

/// Answers `/openapi.json`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let mut document = document();
    if let Some(document) = document.as_object_mut() {
        if !state.base_path.is_root() {
            let servers = json!([{"url": state.base_path.to_string()}]);
            document.insert("servers".to_owned(), servers);
        }
        if state.access.has_login() {
            document.insert(
                "security".to_owned(),
                json!([{"password": []}, {"token": []}]),
            );
        }
    }
    Ok(respond(&document))
}

/// Makes the document, without what depends on the configuration.
fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mpsink",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What was heard of the jobs of ApsaraVideo Media Processing. Reads only; \
                            without a login only requests made to this machine itself are answered. \
                            A list's own address, such as /jobs, gives the same by Accept.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths(),
        "components": {
            "schemas": schemas::schemas(),
            "responses": responses(),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for table in Table::ALL {
        let word = table.word();
        let page = list_page(table);
        paths.insert(format!("/{word}.json"), page);
        let csv = download(table, "csv", "text/csv", &json!("id,owner\r\n"));
        paths.insert(format!("/{word}.csv"), csv);
        let lines = download(
            table,
            "ndjson",
            "application/x-ndjson",
            &json!("{\"id\":1}\n"),
        );
        paths.insert(format!("/{word}.ndjson"), lines);
    }
    let batch = "application/cloudevents-batch+json";
    let events = download(Table::Events, "cloudevents", batch, &json!([]));
    paths.insert("/events.cloudevents".to_owned(), events);
    let lines = "application/x-ndjson";
    let events = download(Table::Events, "cloudevents.ndjson", lines, &json!(""));
    paths.insert("/events.cloudevents.ndjson".to_owned(), events);

    add_details(&mut paths);
    add_lanes(&mut paths);
    let content = json!({"application/json": {"schema": {"type": "object"}}});
    let itself = get("This document", &[], &content, &[]);
    paths.insert("/openapi.json".to_owned(), itself);
    let summary = "What to register, and how far each source has come";
    let connection = get(summary, &[], &content, &[]);
    paths.insert("/connect.json".to_owned(), connection);
    let content = json!({"application/json": {"schema": reference("Completeness")}});
    let summary = "Whether anything may be missing, and where";
    let completeness = get(summary, &[], &content, &[]);
    paths.insert("/completeness.json".to_owned(), completeness);
    let content = json!({"application/json": {"schema": reference("Operations")}});
    let summary = "What keeps the server going, and what to do where something is wrong";
    let operations = get(summary, &[], &content, &[]);
    paths.insert("/operations.json".to_owned(), operations);
    Value::Object(paths)
}

fn add_details(paths: &mut Map<String, Value>) {
    for (path, schema) in [("job", "JobDetail"), ("run", "RunDetail")] {
        let owner = parameter("owner");
        let wait = wait_parameter();
        let in_path = [path_parameter("id"), owner.clone(), wait.clone()];
        let in_path = detail(path, schema, &in_path, true);
        paths.insert(format!("/{path}s/{{id}}.json"), in_path);
        let in_query = detail(path, schema, &[parameter("id"), owner, wait], true);
        paths.insert(format!("/{path}.json"), in_query);
    }
    for (path, what, schema) in [
        ("deliveries", "delivery", "DeliveryDetail"),
        ("held", "held push", "HeldDetail"),
        ("refusals", "refused push", "RefusalDetail"),
    ] {
        let id = path_parameter("id");
        let json = detail(what, schema, slice::from_ref(&id), false);
        paths.insert(format!("/{path}/{{id}}.json"), json);
        paths.insert(format!("/{path}/{{id}}.http"), capture(what, &id));
    }
}

fn add_lanes(paths: &mut Map<String, Value>) {
    let window = ["window", "from", "to"].map(parameter);
    let overview = ["window", "from", "to", "order"];
    for (path, summary, own, parameters) in [
        (
            "/overview.json",
            "The overview's lanes",
            None,
            overview.map(parameter).to_vec(),
        ),
        (
            "/queues/{queue}.json",
            "One queue",
            Some("queue"),
            window.to_vec(),
        ),
        (
            "/workflows/{id}.json",
            "One workflow",
            Some("id"),
            window.to_vec(),
        ),
    ] {
        let schema = if own.is_some() { "Lanes" } else { "Overview" };
        let own = own.map(path_parameter);
        let parameters: Vec<Value> = own.clone().into_iter().chain(parameters).collect();
        let errors: &[&str] = if own.is_some() { &["404"] } else { &[] };
        let content = json!({"application/json": {"schema": reference(schema)}});
        paths.insert(path.to_owned(), get(summary, &parameters, &content, errors));
    }
}

fn list_page(table: Table) -> Value {
    let filters = filters_of(table).iter().map(|name| filter(table, name));
    let page = ["limit", "cursor"].map(parameter);
    let parameters: Vec<Value> = filters.chain(page).collect();
    let example = match table {
        Table::Refusals => json!({
            "items": [], "next": null, "previous": null,
            "counts": [], "strays": {"total": 0, "latest": []},
        }),
        _ => json!({"items": [], "next": null, "previous": null}),
    };
    let schema = reference(&format!("{}Page", schemas::record_of(table)));
    let content = json!({"application/json": {"schema": schema, "example": example}});
    let summary = format!("One page of {}, the newest first", table.word());
    get(&summary, &parameters, &content, &[])
}

fn download(table: Table, ending: &str, media_type: &str, example: &Value) -> Value {
    let filters = filters_of(table).iter().map(|name| filter(table, name));
    let own = own_parameters(ending).iter().map(|name| parameter(name));
    let parameters: Vec<Value> = filters.chain(own).collect();
    let schema = if media_type == "application/cloudevents-batch+json" {
        json!({"type": "array", "items": reference("CloudEvent")})
    } else {
        json!({"type": "string"})
    };
    let content = json!({media_type: {"schema": schema, "example": example}});
    let summary = format!("All {} that the filters let through", table.word());
    get(&summary, &parameters, &content, &["429"])
}

fn detail(what: &str, schema: &str, parameters: &[Value], has_owners: bool) -> Value {
    let content = json!({"application/json": {"schema": reference(schema)}});
    let errors: &[&str] = if has_owners {
        &["404", "409"]
    } else {
        &["404"]
    };
    get(&format!("One {what}"), parameters, &content, errors)
}

fn capture(what: &str, id: &Value) -> Value {
    let content = json!({"message/http": {"schema": {"type": "string"}}});
    let summary = format!("The push of a {what} as it came, with the secret path");
    get(&summary, slice::from_ref(id), &content, &["404"])
}

/// Describes one address. Each may also be wrongly asked, from elsewhere, or in a bad moment.
fn get(summary: &str, parameters: &[Value], content: &Value, errors: &[&str]) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({"description": "What was asked for", "content": content}),
    );
    responses.insert(
        "304".to_owned(),
        json!({"description": "You have it already"}),
    );
    for status in ["400", "401", "405", "421", "503"].iter().chain(errors) {
        let name = format!("#/components/responses/{status}");
        responses.insert((*status).to_owned(), json!({"$ref": name}));
    }
    json!({"get": {"summary": summary, "parameters": parameters, "responses": responses}})
}

/// The errors, all of one form.
fn responses() -> Value {
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
        (421, "Only from this machine", "No login is configured."),
        (
            429,
            "Too many downloads at once",
            "Try again when one has ended.",
        ),
        (503, "Busy", "Try again in some seconds."),
    ];
    let responses = all.into_iter().map(|(status, title, detail)| {
        let example = json!({
            "type": "about:blank", "title": title, "status": status, "detail": detail,
        });
        let content = json!({"schema": reference("Problem"), "example": example});
        let mut response = json!({
            "description": title,
            "content": {"application/problem+json": content},
        });
        if let (429 | 503, Some(response)) = (status, response.as_object_mut()) {
            let header = json!({"schema": {"type": "integer"}, "description": "Seconds"});
            response.insert("headers".to_owned(), json!({"Retry-After": header}));
        }
        (status.to_string(), response)
    });
    Value::Object(responses.collect())
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn path_parameter(name: &str) -> Value {
    // What else a path may hold is a number or an id; an empty one is another address.
    let schema = json!({"type": "string", "minLength": 1});
    json!({"name": name, "in": "path", "required": true, "schema": schema, "example": "7"})
}

/// Describes a filter of a table's list.
fn filter(table: Table, name: &str) -> Value {
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
fn parameter(name: &str) -> Value {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0});
    let switch = json!({"type": "string", "enum": Choice::ZeroOrOne.words()});
    let (description, schema, example) = match name {
        "from" => (
            "At this time or later: RFC 3339, or 30m, 24h, 7d, 2w back from now",
            text,
            json!("24h"),
        ),
        "to" => (
            "Before this time, which is after `from`",
            text,
            json!("2024-05-06T08:00:00Z"),
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
                json!("24h"),
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

fn wait_parameter() -> Value {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::Timestamp;
    use crate::web::exports::Ask;
    use crate::web::list_filters::JobsQuery;

    const ROUTES: &str = include_str!("dashboard.rs");

    fn documented() -> Map<String, Value> {
        paths().as_object().unwrap().clone()
    }

    #[test]
    fn every_address_for_programs_is_in_it_and_no_other() {
        let routes = ROUTES.lines().filter_map(|line| {
            let (_, rest) = line.trim().split_once(".service(reads(\"")?;
            Some(rest.split('"').next().unwrap().to_owned())
        });
        let is_for_program = |path: &String| path.contains('.') && !path.starts_with("/static/");
        let routes: BTreeSet<String> = routes.filter(is_for_program).collect();
        let documented: BTreeSet<String> = documented().keys().cloned().collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn every_download_is_one_and_takes_every_example() {
        let mut downloads = 0;
        for (path, item) in documented() {
            if item["get"]["responses"].get("429").is_none() {
                continue;
            }
            downloads += 1;
            for parameter in item["get"]["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let example = parameter["example"].to_string().replace('"', "");
                let example = crate::web::lists::encoded(&example);
                let query = format!("{name}={example}");
                let ask = Ask::parse(&path, &query, Timestamp(1_714_982_531_126), false);
                assert!(ask.unwrap().is_some(), "{path}?{query}");
            }
        }
        assert_eq!(downloads, 16);
    }

    #[test]
    fn every_parameter_of_a_list_is_described_and_its_words_are_those_that_are_read() {
        let document = documented();
        for table in Table::ALL {
            let item = &document[&format!("/{}.json", table.word())]["get"];
            let parameters = item["parameters"].as_array().unwrap();
            let names = parameters
                .iter()
                .map(|parameter| parameter["name"].as_str().unwrap());
            let expected = filters_of(table).iter().copied().chain(["limit", "cursor"]);
            assert!(names.eq(expected), "{table:?}");
            for parameter in parameters {
                let name = parameter["name"].as_str().unwrap();
                let is_choice = matches!(name, "state" | "kind" | "format" | "only" | "reason");
                assert_eq!(
                    parameter["schema"].get("enum").is_some(),
                    is_choice,
                    "{name}"
                );
                for word in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                    let query = format!("{name}={}", word.as_str().unwrap());
                    let found = crate::web::exports::selection(table, &query, Timestamp(0));
                    assert!(found.is_ok(), "{table:?}?{query}");
                }
            }
        }
        assert!(JobsQuery::parse("state=partial", Timestamp(0)).is_err());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = document().to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document().pointer(pointer).is_some(), "{pointer}");
        }
    }
}
