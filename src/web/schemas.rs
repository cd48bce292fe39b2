//! The fields of the records that programs are given, as JSON Schema for `/openapi.json`.
//!
//! Each record is a list of `name:type`; a `?` behind a type says that the value may be null, which is
//! how all that is not known is written. A test holds the names and types against the records.

use serde_json::{Map, Value, json};

use crate::store::scan_records::Table;
use crate::web::lists::Choice;

const MEDIA_OBJECT: &str = "bucket:text? location:text? object:text?";
const WORKFLOW: &str = "id:text? name:text?";
const JOB: &str = "id:text owner:text region:text queue:text? run:text? workflow:text? \
    workflow_name:text? type:text? state:state raw_state:text? code:text? group:text? \
    message:text? user_data:text? input:MediaObject? submitted_at:time? started_at:time? \
    finished_at:time? duration_ms:number? events:number deliveries:number conflict:bool \
    last_event_at:time extra:object";
const RUN: &str = "id:text owner:text region:text workflow:Workflow media_id:text? \
    input:MediaObject? user_data:text? outcome:outcome nothing_done:bool raw_state:text? \
    code:text? group:text? message:text? created_at:time? finished_at:time? \
    duration_ms:number? events:number deliveries:number conflict:bool last_event_at:time \
    extra:object activities:Activity*";
const ACTIVITY: &str = "run:text owner:text region:text workflow:Workflow name:text type:text \
    job:text? template_id:text? state:state raw_state:text? code:text? group:text? \
    message:text? started_at:time? finished_at:time? duration_ms:number? conflict:bool \
    last_event_at:time extra:object";
const EVENT: &str = "id:number kind:kind delivery:number owner:text topic:text subject:text? \
    state:state? at:time at_from:text received_at:time event:object";
const DELIVERY: &str = "id:number source:text owner:text region:text topic:text \
    subscription:text? subscriber:text? message_id:text? tag:text? format:format \
    published_at:time? received_at:time lag_ms:number? duplicates:number \
    last_duplicate_at:time? differs:bool md5_mismatch:bool body_bytes:number \
    unrecognized:text?";
const HELD: &str = "id:number source:text reason:hold_reason received_at:time owner:text? \
    topic:text? message_id:text? body_bytes:number repeats:number";
const REFUSAL: &str = "id:number source:text reason:refusal_reason received_at:time \
    body_bytes:number";

const COMPLETENESS: &str = "at:time verdict:verdict need_a_look:number has_arrivals:bool \
    checks:Check* sources:Silence* running_since:time? downtimes:Downtime* \
    start_missing:Named* conflicts:Named* hours:Arrivals* days:Arrivals*";
const CHECK: &str = "name:text verdict:verdict count:number is_all:bool link:text";
const SILENCE: &str = "source:text last_taken_at:time? silent_ms:number? usual:Usual? \
    is_unusual:bool";
const DOWNTIME: &str = "from:time to:time ending:text length_ms:number retry_policy:text? \
    backoff_may_lose:bool decay_may_lose:bool repeated_after_ms:number? verdict:verdict";
const ARRIVALS: &str = "from:time to:time stored:number duplicates:number unrecognized:number \
    differs:number held:number refused:number strays:number failed:number \
    lag_median_ms:number? lag_p95_ms:number? lag_max_ms:number?";
const NAMED: &str = "kind:text id:text owner:text last_event_at:time";

const OPERATIONS: &str = "at:time verdict:finding_verdict findings:Finding*";
const FINDING: &str = "line:text verdict:finding_verdict seen:text to_do:text?";

const HEALTH_CHECK: &str = "name:text state:health reason:text";

/// Returns the name of the schema of a table's records.
pub fn record_of(table: Table) -> &'static str {
    match table {
        Table::Jobs => "Job",
        Table::Runs => "Run",
        Table::Activities => "Activity",
        Table::Events => "Event",
        Table::Deliveries => "Delivery",
        Table::Held => "Held",
        Table::Refusals => "Refusal",
    }
}

/// Makes all schemas, by name.
pub fn schemas() -> Value {
    let mut all = Map::new();
    let mut add = |name: &str, fields: &str| all.insert(name.to_owned(), object(fields));
    for table in Table::ALL {
        add(record_of(table), fields_of(table));
        let page = format!("items:{}* next:text? previous:text?", record_of(table));
        let more = match table {
            Table::Refusals => " counts:RefusalCount* strays:Strays",
            _ => "",
        };
        add(
            &format!("{}Page", record_of(table)),
            &format!("{page}{more}"),
        );
    }
    add("MediaObject", MEDIA_OBJECT);
    add("Workflow", WORKFLOW);
    add(
        "RefusalCount",
        "source:text reason:refusal_reason count:number first_at:time last_at:time",
    );
    add("Strays", "total:number latest:Stray*");
    add("Stray", "id:number target:text received_at:time");
    add("Request", "method:text target:text headers:Header*");
    add("Header", "name:text value:text");
    let records = "event_records:Event* delivery_records:Delivery*";
    add("JobDetail", &format!("{JOB} {records}"));
    add("RunDetail", &format!("{RUN} {records}"));
    let parts = "request:Request? message:text? message_base64:text? event_records:Event*";
    add("DeliveryDetail", &format!("{DELIVERY} {parts}"));
    add(
        "HeldDetail",
        &format!("{HELD} request:Request explanation:any"),
    );
    add(
        "RefusalDetail",
        &format!("{REFUSAL} request:Request explanation:any"),
    );
    add(
        "Overview",
        "from:time to:time attention:object lanes:object* has_more:bool \
        lag:object last_received_at:time? unrecognized:number",
    );
    add("Lanes", "from:time to:time lanes:object*");
    add("Completeness", COMPLETENESS);
    add("Check", CHECK);
    add("Silence", SILENCE);
    add("Usual", "taken:number hours:number");
    add("Downtime", DOWNTIME);
    add("Arrivals", ARRIVALS);
    add("Named", NAMED);
    add("Operations", OPERATIONS);
    add("Finding", FINDING);
    add("HealthCheck", HEALTH_CHECK);
    add("Problem", "type:text title:text status:number detail:text");
    all.insert("CloudEvent".to_owned(), cloud_event());
    all.insert("Ready".to_owned(), ready());
    Value::Object(all)
}

fn fields_of(table: Table) -> &'static str {
    match table {
        Table::Jobs => JOB,
        Table::Runs => RUN,
        Table::Activities => ACTIVITY,
        Table::Events => EVENT,
        Table::Deliveries => DELIVERY,
        Table::Held => HELD,
        Table::Refusals => REFUSAL,
    }
}

/// An object that has all of these fields, and in later versions perhaps more.
fn object(fields: &str) -> Value {
    let pairs = fields
        .split_whitespace()
        .filter_map(|field| field.split_once(':'));
    let properties: Map<String, Value> = pairs
        .map(|(name, kind)| (name.to_owned(), property(kind)))
        .collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn property(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('*') {
        return json!({"type": "array", "items": property(kind)});
    }
    if let Some(kind) = kind.strip_suffix('?') {
        return json!({"anyOf": [property(kind), {"type": "null"}]});
    }
    let words = |choice: Choice| json!({"type": "string", "enum": choice.words()});
    match kind {
        "text" => json!({"type": "string"}),
        // RFC 3339 in UTC with milliseconds. No `format`: what a message claims may be a year of five
        // digits.
        "time" => json!({"type": "string", "examples": ["2024-05-06T08:00:01.000Z"]}),
        "number" => json!({"type": "integer"}),
        "bool" => json!({"type": "boolean"}),
        "object" => json!({"type": "object"}),
        "any" => json!({}),
        "finding_verdict" => {
            json!({"type": "string", "enum": ["fine", "unknown", "warning", "wrong"]})
        }
        "verdict" => json!({"type": "string", "enum": ["fine", "warning", "wrong"]}),
        "health" => json!({"type": "string", "enum": ["fine", "warning", "failing"]}),
        "state" => words(Choice::State),
        "outcome" => words(Choice::Outcome),
        "kind" => words(Choice::Kind),
        "format" => words(Choice::Format),
        "hold_reason" => words(Choice::HoldReason),
        "refusal_reason" => words(Choice::RefusalReason),
        schema => json!({"$ref": format!("#/components/schemas/{schema}")}),
    }
}

/// What `/readyz` says. A stranger is told the first alone.
fn ready() -> Value {
    let mut schema = object("ready:bool state:health checks:HealthCheck*");
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("required".to_owned(), json!(["ready"]));
    }
    schema
}

/// `CloudEvents` 1.0; `subject` and `time` may be left out.
fn cloud_event() -> Value {
    let fields = "specversion:text id:text source:text type:text datacontenttype:text data:Event";
    let mut schema = object(fields);
    let properties = schema.get_mut("properties");
    if let Some(properties) = properties.and_then(Value::as_object_mut) {
        properties.insert("subject".to_owned(), property("text"));
        properties.insert("time".to_owned(), property("time"));
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::health::{HealthCheck, HealthState};
    use crate::web::pages::operations::OperationsReport;
    use crate::web::pages::{samples, samples_of_operations};

    /// Every field of a record is in its schema with a type that its value has.
    fn check(fields: &str, record: &impl Serialize) {
        let record = serde_json::to_value(record).unwrap();
        let record = record.as_object().unwrap();
        let described: Vec<(&str, &str)> = fields
            .split_whitespace()
            .map(|field| field.split_once(':').unwrap())
            .collect();
        let mut names: Vec<&str> = described.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let mut found: Vec<&str> = record.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(names, found);
        for (name, kind) in described {
            let value = &record[name];
            let fits = match kind.trim_end_matches('?') {
                _ if value.is_null() => kind.ends_with('?'),
                "number" => value.is_i64(),
                "bool" => value.is_boolean(),
                "any" => true,
                kind if kind.ends_with('*') => value.is_array(),
                kind if kind == "object" || kind.starts_with(char::is_uppercase) => {
                    value.is_object()
                }
                _ => value.is_string(),
            };
            assert!(fits, "{name}: {kind} is not {value}");
        }
    }

    #[test]
    fn schemas_have_the_fields_of_the_records() {
        check(JOB, &samples::job());
        check(RUN, &samples::run());
        check(ACTIVITY, &samples::activity());
        check(DELIVERY, &samples::delivery());
        check(HELD, &samples::held());
        check(REFUSAL, &samples::refusal());
        for event in samples::events() {
            check(EVENT, &event);
        }
        let completeness = samples::completeness();
        check(COMPLETENESS, &completeness);
        check(CHECK, &completeness.checks[0]);
        check(SILENCE, &completeness.sources[0]);
        check("taken:number hours:number", &completeness.sources[0].usual);
        check(DOWNTIME, &completeness.downtimes[0]);
        check(ARRIVALS, &completeness.days[0]);
        check(NAMED, &completeness.conflicts[0]);
        let operations = OperationsReport::of(&samples_of_operations::findings(), samples::AT);
        check(OPERATIONS, &operations);
        check(FINDING, &operations.findings[0]);
        let check_of_health = HealthCheck {
            name: "writer",
            state: HealthState::Fine,
            reason: String::new(),
        };
        check(HEALTH_CHECK, &check_of_health);
        let run = serde_json::to_value(samples::run()).unwrap();
        check(WORKFLOW, &run["workflow"]);
        check(MEDIA_OBJECT, &run["input"]);
    }
}
