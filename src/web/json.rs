//! Records as JSON: the `.json` of every list and detail.
//!
//! A list is one page of it, `{"items": […], "next": "<cursor>" | null, "previous": …}`; a detail
//! is its record with what belongs to it beside. Records serialize themselves, so that the names are the same in
//! a page's JSON and in an export; only what is no record (headers, messages) gets its form here.

use actix_web::http::header::{self, ContentType};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::notification::capture::Capture;
use crate::notification::source;
use crate::store::Store;
use crate::store::filters::RefusalFilter;
use crate::store::records::{
    DeliveryDetail, DeliveryRecord, EventRecord, HeldDetail, HeldRecord, JobDetail, JobRecord,
    Listing, RefusalCount, RefusalDetail, RefusalRecord, RunDetail, RunRecord, StrayRecord,
};
use crate::web::asked::Asked;
use crate::web::cursors::{Cursors, List};
use crate::web::error::{Answer, PageError, What};
use crate::web::list_filters::RefusalsQuery;
use crate::web::lists::{Given, ListFilter, ListQuery};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;
use crate::web::waiting::read_when;

/// One page of a list, of the rows that the filters let through.
pub async fn list<F: ListFilter>(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = ListQuery::<F>::parse(request.query_string(), state.clock.now())?;
    let given = query.given;
    let listing = read(&state, move |store| query.filter.page(store, query.page)).await?;
    let list = ListJson::of(F::LIST, listing);
    Ok(with_links(respond(&list), F::PATH, &given, &list))
}

/// One job: with several owners, the one that `owner` names. With `wait`, once it has
/// ended.
pub async fn job(
    request: HttpRequest,
    state: web::Data<AppState>,
    path: Option<web::Path<String>>,
) -> Result<HttpResponse, PageError> {
    let (asked, wait) = Asked::parse_waiting(request.query_string(), path)?;
    let wanted = asked.clone();
    let find = move |store: &Store| {
        let mut found = store.find_jobs(&wanted.id)?;
        found.retain(|detail| wanted.is_of(&detail.job.owner));
        Ok(found)
    };
    let has_ended = |found: &Vec<JobDetail>| match found.as_slice() {
        [detail] => detail.job.state.is_terminal(),
        several => !several.is_empty(),
    };
    let mut found = read_when(&state, wait, find, has_ended).await?;
    let id = asked.id;
    if found.len() > 1 {
        let owners = found.into_iter().map(|detail| detail.job.owner).collect();
        let what = What::Job;
        return Err(PageError::Ambiguous { what, id, owners });
    }
    match found.pop() {
        Some(detail) => Ok(respond(&JobJson::of(detail))),
        None => Err(PageError::NotFound {
            what: What::Job,
            id,
        }),
    }
}

/// One run with its activities: with several owners, the one that `owner` names. With `wait`, once it has
/// ended.
pub async fn run(
    request: HttpRequest,
    state: web::Data<AppState>,
    path: Option<web::Path<String>>,
) -> Result<HttpResponse, PageError> {
    let (asked, wait) = Asked::parse_waiting(request.query_string(), path)?;
    let wanted = asked.clone();
    let find = move |store: &Store| {
        let mut found = store.find_runs(&wanted.id)?;
        found.retain(|detail| wanted.is_of(&detail.run.owner));
        Ok(found)
    };
    let has_ended = |found: &Vec<RunDetail>| match found.as_slice() {
        [detail] => detail.run.outcome.is_end(),
        several => !several.is_empty(),
    };
    let mut found = read_when(&state, wait, find, has_ended).await?;
    let id = asked.id;
    if found.len() > 1 {
        let owners = found.into_iter().map(|detail| detail.run.owner).collect();
        let what = What::Run;
        return Err(PageError::Ambiguous { what, id, owners });
    }
    match found.pop() {
        Some(detail) => Ok(respond(&RunJson::of(detail))),
        None => Err(PageError::NotFound {
            what: What::Run,
            id,
        }),
    }
}

/// One delivery with its message and events.
pub async fn delivery(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Delivery, &id, Store::find_delivery).await?;
    Ok(respond(&DeliveryJson::of(found)))
}

/// One held push with its explanation.
pub async fn held(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Held, &id, Store::find_held).await?;
    Ok(respond(&HeldJson::of(found)))
}

/// One page of the refused pushes that were kept, with the counts of all, and the strays.
pub async fn refusals(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = RefusalsQuery::parse(request.query_string(), state.clock.now())?;
    let given = query.given.clone();
    let (listing, counts, (latest, total)) = read(&state, move |store| {
        let listing = store.page_refusals(&query.filter, query.page)?;
        Ok((listing, store.refusal_counts()?, store.strays()?))
    })
    .await?;
    let json = RefusalsJson {
        list: ListJson::of(List::Refusals, listing),
        counts,
        strays: StraysJson { total, latest },
    };
    Ok(with_links(
        respond(&json),
        RefusalFilter::PATH,
        &given,
        &json.list,
    ))
}

/// One refused push with its explanation.
pub async fn refusal(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Refusal, &id, Store::find_refusal).await?;
    Ok(respond(&RefusalJson::of(found)))
}

/// Writes an error in the form of RFC 9457.
pub fn problem(mut response: HttpResponseBuilder, answer: &Answer) -> HttpResponse {
    let problem = ProblemJson {
        kind: "about:blank",
        title: answer.title,
        status: answer.status.as_u16(),
        detail: &answer.detail,
    };
    response
        .content_type("application/problem+json")
        .body(text_of(&problem))
}

/// Answers with a value as JSON.
pub(crate) fn respond(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::json())
        .body(text_of(value))
}

/// Says in the header `Link` (RFC 8288) where the pages beside this one are.
fn with_links<T>(
    mut response: HttpResponse,
    path: &str,
    given: &Given,
    list: &ListJson<T>,
) -> HttpResponse {
    let path = format!("{path}.json");
    for (cursor, relation) in [(&list.next, "next"), (&list.previous, "prev")] {
        let Some(cursor) = cursor else { continue };
        let link = given.with("cursor", cursor).link(&path);
        // An address is percent-encoded, so it is a header's value too.
        if let Ok(value) = format!("<{link}>; rel=\"{relation}\"").parse() {
            response.headers_mut().append(header::LINK, value);
        }
    }
    response
}

fn text_of(value: &impl Serialize) -> String {
    // Records are maps with string keys, the only thing that could fail; an empty object would
    // show the mistake at once.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

#[derive(Serialize)]
struct ListJson<T> {
    items: Vec<T>,
    /// The cursor of the next page, of older rows.
    next: Option<String>,
    /// The cursor of the page of newer rows.
    previous: Option<String>,
}

impl<T> ListJson<T> {
    fn of(list: List, listing: Listing<T>) -> ListJson<T> {
        let Cursors { next, previous } = Cursors::of(list, &listing);
        ListJson {
            items: listing.items,
            next,
            previous,
        }
    }
}

#[derive(Serialize)]
struct RefusalsJson {
    #[serde(flatten)]
    list: ListJson<RefusalRecord>,
    counts: Vec<RefusalCount>,
    strays: StraysJson,
}

#[derive(Serialize)]
struct StraysJson {
    /// How many there were, kept or not.
    total: u64,
    latest: Vec<StrayRecord>,
}

/// The record, whose `events` and `deliveries` are numbers, with the things they count.
#[derive(Serialize)]
struct JobJson {
    #[serde(flatten)]
    job: JobRecord,
    event_records: Vec<EventRecord>,
    delivery_records: Vec<DeliveryRecord>,
}

impl JobJson {
    fn of(detail: JobDetail) -> JobJson {
        JobJson {
            job: detail.job,
            event_records: detail.events,
            delivery_records: detail.deliveries,
        }
    }
}

/// Like [`JobJson`]; the activities are in the record itself.
#[derive(Serialize)]
struct RunJson {
    #[serde(flatten)]
    run: RunRecord,
    event_records: Vec<EventRecord>,
    delivery_records: Vec<DeliveryRecord>,
}

impl RunJson {
    fn of(detail: RunDetail) -> RunJson {
        RunJson {
            run: detail.run,
            event_records: detail.events,
            delivery_records: detail.deliveries,
        }
    }
}

#[derive(Serialize)]
struct DeliveryJson {
    #[serde(flatten)]
    delivery: DeliveryRecord,
    /// Absent, like the message, once age has emptied the delivery.
    request: Option<RequestJson>,
    /// The message if it is UTF-8.
    message: Option<String>,
    /// The message if it is not.
    message_base64: Option<String>,
    event_records: Vec<EventRecord>,
}

impl DeliveryJson {
    fn of(detail: DeliveryDetail) -> DeliveryJson {
        let request = detail.push.as_ref();
        let request = request.map(|push| RequestJson::of(&push.capture));
        let (message, message_base64) = match detail.push {
            Some(push) => text_or_base64(push.message),
            None => (None, None),
        };
        DeliveryJson {
            delivery: detail.delivery,
            request,
            message,
            message_base64,
            event_records: detail.events,
        }
    }
}

#[derive(Serialize)]
struct HeldJson {
    #[serde(flatten)]
    held: HeldRecord,
    request: RequestJson,
    explanation: Value,
}

impl HeldJson {
    fn of(detail: HeldDetail) -> HeldJson {
        HeldJson {
            held: detail.held,
            request: RequestJson::of(&detail.capture),
            explanation: detail.explanation,
        }
    }
}

#[derive(Serialize)]
struct RefusalJson {
    #[serde(flatten)]
    refusal: RefusalRecord,
    request: RequestJson,
    explanation: Value,
}

impl RefusalJson {
    fn of(detail: RefusalDetail) -> RefusalJson {
        RefusalJson {
            refusal: detail.refusal,
            request: RequestJson::of(&detail.capture),
            explanation: detail.explanation,
        }
    }
}

/// The head of a push, to read; the `.http` beside has every byte.
#[derive(Serialize)]
struct RequestJson {
    method: String,
    /// With the secret part of the path hidden.
    target: String,
    headers: Vec<HeaderJson>,
}

#[derive(Serialize)]
struct HeaderJson {
    name: String,
    /// Bytes that are no UTF-8 are replaced.
    value: String,
}

impl RequestJson {
    fn of(capture: &Capture) -> RequestJson {
        let headers = capture.headers.iter().map(|(name, value)| HeaderJson {
            name: name.to_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
        });
        RequestJson {
            method: capture.method.clone(),
            target: source::masked(&capture.target),
            headers: headers.collect(),
        }
    }
}

fn text_or_base64(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::web::pages::samples;

    #[test]
    fn a_runs_json_has_the_documented_names_and_what_the_run_was_folded_from() {
        let json = serde_json::to_value(RunJson::of(samples::run_detail())).unwrap();
        let documented = [
            "id",
            "owner",
            "region",
            "workflow",
            "media_id",
            "input",
            "user_data",
            "outcome",
            "raw_state",
            "created_at",
            "finished_at",
            "duration_ms",
            "activities",
        ];
        for name in documented {
            assert!(!json[name].is_null(), "{name}");
        }
        assert_eq!(json["outcome"], json!("stale"));
        assert_eq!(json["created_at"], json!("2024-05-06T08:02:11.126Z"));
        let nasty = samples::NASTY;
        assert_eq!(json["workflow"], json!({"id": nasty, "name": nasty}));
        let events = json["event_records"].as_array().unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event["kind"].clone()).collect();
        assert_eq!(kinds, ["job", "run", "activity", "unrecognized"]);
        assert_eq!(json["delivery_records"][0]["duplicates"], json!(1));
        assert_eq!(json["activities"][0]["type"], json!(nasty));
        assert_eq!(
            (&json["events"], &json["deliveries"]),
            (&json!(1), &json!(1))
        );
    }

    #[test]
    fn what_is_not_known_of_a_run_is_null_and_not_left_out() {
        let mut detail = samples::run_detail();
        detail.run.created_at = None;
        detail.run.media_id = None;
        detail.run.workflow.name = None;
        let json = serde_json::to_value(RunJson::of(detail)).unwrap();
        for value in [json.get("created_at"), json.get("media_id")] {
            assert_eq!(value, Some(&Value::Null));
        }
        assert_eq!(json["workflow"].get("name"), Some(&Value::Null));
    }
}
