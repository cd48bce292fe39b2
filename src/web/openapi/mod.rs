//! `/openapi.json`: what programs may ask the dashboard for, as `OpenAPI` 3.1.
//!
//! Parameters and their words are taken from where they are read, so they cannot be out of date; the
//! addresses, the answers and the fields of records are listed here and held against the code by
//! tests. Not in it: what changes something, which is for our own pages and for commands on this
//! machine; and `/live`, which never ends.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::store::scan_records::Table;
use crate::web::error::PageError;
use crate::web::exports::{filters_of, own_parameters};
use crate::web::json::respond;
use crate::web::lists::Given;
use crate::web::openapi::answers::{Answers, Whole};
use crate::web::openapi::parameters::{filter, parameter, path_parameter, wait_parameter};
use crate::web::schemas;
use crate::web::state::AppState;

mod answers;
mod parameters;

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
                            A list's own address, such as /jobs, gives the same by Accept. HEAD is \
                            GET without the body. A parameter without a value is \
                            the same as none. An address of more than 64 KiB is a 400 without a \
                            body.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths(),
        "components": {
            "schemas": schemas::schemas(),
            "responses": answers::shared(),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    add_lists(&mut paths);
    add_details(&mut paths);
    add_lanes(&mut paths);
    let itself = record("This document", &[], &json!({"type": "object"}), &[]);
    paths.insert("/openapi.json".to_owned(), itself);
    let summary = "What to register, and how far each source has come";
    let connection = record(summary, &[], &json!({"type": "object"}), &[]);
    paths.insert("/connect.json".to_owned(), connection);
    let summary = "Whether anything may be missing, and where";
    let completeness = record(summary, &[], &reference("Completeness"), &[]);
    paths.insert("/completeness.json".to_owned(), completeness);
    let summary = "What keeps the server going, and what to do where something is wrong";
    let operations = record(summary, &[], &reference("Operations"), &[]);
    paths.insert("/operations.json".to_owned(), operations);
    add_health(&mut paths);
    for (path, item) in &mut paths {
        if let Some(operation) = item.get_mut("get").and_then(Value::as_object_mut) {
            operation.insert("operationId".to_owned(), json!(operation_id(path)));
        }
    }
    Value::Object(paths)
}

fn add_lists(paths: &mut Map<String, Value>) {
    for table in Table::ALL {
        let word = table.word();
        paths.insert(format!("/{word}.json"), list_page(table));
        let csv = download(table, "csv", "text/csv", &json!("id,owner\r\n"));
        paths.insert(format!("/{word}.csv"), csv);
        let lines = "application/x-ndjson";
        let lines = download(table, "ndjson", lines, &json!("{\"id\":1}\n"));
        paths.insert(format!("/{word}.ndjson"), lines);
    }
    let batch = "application/cloudevents-batch+json";
    let events = download(Table::Events, "cloudevents", batch, &json!([]));
    paths.insert("/events.cloudevents".to_owned(), events);
    let lines = "application/x-ndjson";
    let events = download(Table::Events, "cloudevents.ndjson", lines, &json!(""));
    paths.insert("/events.cloudevents.ndjson".to_owned(), events);
}

fn add_details(paths: &mut Map<String, Value>) {
    for (word, schema) in [("job", "JobDetail"), ("run", "RunDetail")] {
        let (owner, wait) = (parameter("owner"), wait_parameter());
        let in_path = [path_parameter("id"), owner.clone(), wait.clone()];
        let in_query = [parameter("id"), owner, wait];
        let summary = format!("One {word}");
        for (path, parameters) in [
            (format!("/{word}s/{{id}}.json"), in_path),
            (format!("/{word}.json"), in_query),
        ] {
            let detail = record(&summary, &parameters, &reference(schema), &["404", "409"]);
            paths.insert(path, detail);
        }
    }
    for (path, what, schema) in [
        ("deliveries", "delivery", "DeliveryDetail"),
        ("held", "held push", "HeldDetail"),
        ("refusals", "refused push", "RefusalDetail"),
    ] {
        let id = [path_parameter("id")];
        let detail = record(&format!("One {what}"), &id, &reference(schema), &["404"]);
        paths.insert(format!("/{path}/{{id}}.json"), detail);
        let summary = format!("The push of a {what} as it came, with the secret path");
        let answers = Answers {
            content: json!({"message/http": {"schema": {"type": "string"}}}),
            is: Whole::File,
            links: Value::Null,
            // Only deliveries age.
            more: match what {
                "delivery" => &["404", "410"],
                _ => &["404"],
            },
        };
        paths.insert(format!("/{path}/{{id}}.http"), get(&summary, &id, answers));
    }
}

fn add_lanes(paths: &mut Map<String, Value>) {
    let window = ["window", "from", "to"].map(parameter);
    let overview = ["window", "from", "to", "order"].map(parameter);
    let overview = record(
        "The overview's lanes",
        &overview,
        &reference("Overview"),
        &[],
    );
    paths.insert("/overview.json".to_owned(), overview);
    for (path, summary, own) in [
        ("/queues/{queue}.json", "One queue", "queue"),
        ("/workflows/{id}.json", "One workflow", "id"),
    ] {
        let parameters: Vec<Value> = [path_parameter(own)]
            .into_iter()
            .chain(window.clone())
            .collect();
        let lanes = record(summary, &parameters, &reference("Lanes"), &["404"]);
        paths.insert(path.to_owned(), lanes);
    }
}

/// What machines ask to know how we are. Their parameters are nobody's matter, and the first two
/// answer anybody.
fn add_health(paths: &mut Map<String, Value>) {
    let open = |content: Value| Answers {
        content,
        is: Whole::Open,
        links: Value::Null,
        more: &[],
    };
    let text = json!({"schema": {"type": "string"}});
    let lives = get(
        "Whether the server lives",
        &[],
        open(json!({"text/plain": text})),
    );
    let ready = json!({"application/json": {"schema": reference("Ready")}});
    let mut is_ready = get("Whether pushes can be taken", &[], open(ready.clone()));
    let mut not_ready = ready;
    let problem = json!({"schema": reference("Problem")});
    if let Some(forms) = not_ready.as_object_mut() {
        forms.insert("application/problem+json".to_owned(), problem);
    }
    if let Some(responses) = is_ready
        .pointer_mut("/get/responses")
        .and_then(Value::as_object_mut)
    {
        let not_ready = json!({"description": "They cannot", "content": not_ready});
        responses.insert("503".to_owned(), not_ready);
    }
    for (path, mut item) in [("/healthz", lives), ("/readyz", is_ready)] {
        if let Some(operation) = item.get_mut("get").and_then(Value::as_object_mut) {
            operation.insert("security".to_owned(), json!([]));
        }
        paths.insert(path.to_owned(), item);
    }
    let metrics = Answers {
        content: json!({"application/openmetrics-text": text}),
        is: Whole::Open,
        links: Value::Null,
        more: &["401", "421", "429", "503"],
    };
    let metrics = get("What is counted, for Prometheus", &[], metrics);
    paths.insert("/metrics".to_owned(), metrics);
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
    let answers = Answers {
        content: json!({"application/json": {"schema": schema, "example": example}}),
        is: Whole::Page,
        links: links_of(table),
        more: &[],
    };
    let summary = format!("One page of {}, the newest first", table.word());
    get(&summary, &parameters, answers)
}

/// Where the rows of a list lead: the first of them stands for each.
fn links_of(table: Table) -> Value {
    let id = "$response.body#/items/0/id";
    let owner = "$response.body#/items/0/owner";
    let word = table.word();
    let paths: &[&str] = match table {
        Table::Jobs => &["/jobs/{id}.json", "/job.json"],
        Table::Runs => &["/runs/{id}.json", "/run.json"],
        Table::Activities | Table::Events => return Value::Null,
        Table::Deliveries => &["/deliveries/{id}.json", "/deliveries/{id}.http"],
        Table::Held => &["/held/{id}.json", "/held/{id}.http"],
        Table::Refusals => &["/refusals/{id}.json", "/refusals/{id}.http"],
    };
    let parameters = match table {
        Table::Jobs | Table::Runs => json!({"id": id, "owner": owner}),
        _ => json!({"id": id}),
    };
    let links = paths.iter().map(|path| {
        let operation = operation_id(path);
        let description = format!("A row of {word}");
        let link = json!({
            "operationId": operation, "parameters": parameters, "description": description,
        });
        (operation, link)
    });
    Value::Object(links.collect())
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
    let answers = Answers {
        content: json!({media_type: {"schema": schema, "example": example}}),
        is: Whole::Stream,
        links: Value::Null,
        more: &[],
    };
    let summary = format!("All {} that the filters let through", table.word());
    get(&summary, &parameters, answers)
}

/// Describes an address that gives one thing as JSON.
fn record(summary: &str, parameters: &[Value], schema: &Value, more: &[&str]) -> Value {
    let answers = Answers {
        content: json!({"application/json": {"schema": schema}}),
        is: Whole::Record,
        links: Value::Null,
        more,
    };
    get(summary, parameters, answers)
}

fn get(summary: &str, parameters: &[Value], answers: Answers<'_>) -> Value {
    let responses = answers.describe();
    json!({"get": {"summary": summary, "parameters": parameters, "responses": responses}})
}

/// Names what an address does, for links and for what is generated from this document: `jobs_id_json`.
fn operation_id(path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// Refers to a schema.
fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use actix_web::http::header::HeaderMap;

    use super::*;
    use crate::clock::Timestamp;
    use crate::web::exports::{Ask, selection};
    use crate::web::list_filters::JobsQuery;
    use crate::web::lists::encoded;
    use crate::web::representation::is_for_program;
    use crate::web::windows::WindowQuery;

    const ROUTES: &str = include_str!("../dashboard.rs");

    const NOW: Timestamp = Timestamp(1_714_982_531_126);

    /// All examples of an address at once.
    fn examples_of(item: &Value) -> String {
        let parameters = item["get"]["parameters"].as_array().unwrap();
        let given = parameters.iter().filter_map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            let example = parameter.get("example")?.to_string().replace('"', "");
            Some(format!("{name}={}", encoded(&example)))
        });
        given.collect::<Vec<_>>().join("&")
    }

    fn documented() -> Map<String, Value> {
        paths().as_object().unwrap().clone()
    }

    #[test]
    fn every_address_for_programs_is_in_it_and_no_other() {
        let routes = ROUTES.lines().filter_map(|line| {
            let (_, rest) = line.trim().split_once(".service(reads(\"")?;
            Some(rest.split('"').next().unwrap().to_owned())
        });
        let nothing = HeaderMap::new();
        let routes = routes.filter(|path| is_for_program(path, &nothing));
        let routes: BTreeSet<String> = routes.collect();
        let documented: BTreeSet<String> = documented().keys().cloned().collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn every_download_is_one_and_takes_all_examples_at_once() {
        let mut downloads = 0;
        for (path, item) in documented() {
            let is_list = Table::ALL.iter().any(|table| {
                let rest = path
                    .strip_prefix('/')
                    .and_then(|path| path.strip_prefix(table.word()));
                rest.is_some_and(|rest| rest.starts_with('.') && rest != ".json")
            });
            if !is_list {
                continue;
            }
            downloads += 1;
            let query = examples_of(&item);
            let ask = Ask::parse(&path, &query, NOW, false);
            assert!(ask.unwrap().is_some(), "{path}?{query}");
            assert!(item["get"]["responses"].get("304").is_none(), "{path}");
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
                    let found = selection(table, &query, Timestamp(0));
                    assert!(found.is_ok(), "{table:?}?{query}");
                }
            }
        }
        assert!(JobsQuery::parse("state=partial", Timestamp(0)).is_err());
    }

    #[test]
    fn every_page_and_lane_takes_all_examples_at_once() {
        let document = documented();
        for table in Table::ALL {
            let query = examples_of(&document[&format!("/{}.json", table.word())]);
            let filters = query.replace("&limit=50", "");
            assert_ne!(filters, query);
            let found = selection(table, &filters, NOW);
            assert!(found.is_ok(), "{table:?}?{query}");
        }
        let query = examples_of(&document["/overview.json"]);
        let given = Given::parse(&query, &["window", "from", "to", "order"]).unwrap();
        assert!(WindowQuery::of(given, NOW).is_ok(), "{query}");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_every_link_leads_to_one_with_its_parameters() {
        let document = documented();
        let operations: BTreeMap<&str, &Value> = document
            .values()
            .map(|item| (item["get"]["operationId"].as_str().unwrap(), &item["get"]))
            .collect();
        assert_eq!(operations.len(), document.len());
        let mut links = 0;
        for operation in operations.values() {
            let found = operation["responses"]["200"].get("links");
            for link in found
                .into_iter()
                .flat_map(|links| links.as_object().unwrap().values())
            {
                links += 1;
                let target = operations[link["operationId"].as_str().unwrap()];
                let parameters = target["parameters"].as_array().unwrap();
                for name in link["parameters"].as_object().unwrap().keys() {
                    assert!(parameters.iter().any(|it| it["name"] == **name), "{link}");
                }
            }
        }
        assert_eq!(links, 10);
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
