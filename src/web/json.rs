//! Records as JSON: the `.json` of every list and detail.
//!
//! A list is one page of it, `{"items": […], "next": "<cursor>" | null}`; a detail is its record
//! with what belongs to it beside. Records serialize themselves, so that the names are the same in
//! a page's JSON and in an export; only what is no record (headers, messages) gets its form here.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::notification::capture::Capture;
use crate::notification::source;
use crate::store::Store;
use crate::store::records::{
    DeliveryDetail, DeliveryRecord, EventRecord, HeldDetail, HeldRecord, JobDetail, JobRecord,
    Listing, RefusalCount, RefusalDetail, RefusalRecord, StrayRecord,
};
use crate::web::error::{Answer, PageError, What};
use crate::web::lists::{Given, JobsQuery, List, PlainQuery, encode_cursor};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;

/// The parameters of one job: `owner`, for an id that several accounts have.
pub const JOB_KNOWN: &[&str] = &["owner"];

/// One page of the jobs that the filters let through.
pub async fn jobs(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = JobsQuery::parse(request.query_string(), state.clock.now())?;
    let listing = read(&state, move |store| {
        store.page_jobs(&query.filter, query.page)
    })
    .await?;
    Ok(respond(&ListJson::of(List::Jobs, listing)))
}

/// One job: with several owners, the one that `owner` names.
pub async fn job(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), JOB_KNOWN)?;
    let id = id.into_inner();
    let asked = id.clone();
    let mut found = read(&state, move |store| store.find_jobs(&asked)).await?;
    if let Some(owner) = given.find("owner") {
        found.retain(|detail| detail.job.owner == owner);
    }
    if found.len() > 1 {
        let owners = found.into_iter().map(|detail| detail.job.owner).collect();
        return Err(PageError::Ambiguous { id, owners });
    }
    match found.pop() {
        Some(detail) => Ok(respond(&JobJson::of(detail))),
        None => Err(PageError::NotFound {
            what: What::Job,
            id,
        }),
    }
}

/// One page of the deliveries.
pub async fn deliveries(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = PlainQuery::parse(List::Deliveries, request.query_string())?;
    let listing = read(&state, move |store| store.page_deliveries(query.page)).await?;
    Ok(respond(&ListJson::of(List::Deliveries, listing)))
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

/// One page of the held pushes.
pub async fn held_list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = PlainQuery::parse(List::Held, request.query_string())?;
    let listing = read(&state, move |store| store.page_held(query.page)).await?;
    Ok(respond(&ListJson::of(List::Held, listing)))
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
    let query = PlainQuery::parse(List::Refusals, request.query_string())?;
    let (listing, counts, (latest, total)) = read(&state, move |store| {
        let listing = store.page_refusals(query.page)?;
        Ok((listing, store.refusal_counts()?, store.strays()?))
    })
    .await?;
    Ok(respond(&RefusalsJson {
        list: ListJson::of(List::Refusals, listing),
        counts,
        strays: StraysJson { total, latest },
    }))
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

fn respond(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::json())
        .body(text_of(value))
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
    next: Option<String>,
}

impl<T> ListJson<T> {
    fn of(list: List, listing: Listing<T>) -> ListJson<T> {
        ListJson {
            items: listing.items,
            next: listing.next.map(|key| encode_cursor(list, key)),
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

#[derive(Serialize)]
struct DeliveryJson {
    #[serde(flatten)]
    delivery: DeliveryRecord,
    request: RequestJson,
    /// The message if it is UTF-8.
    message: Option<String>,
    /// The message if it is not.
    message_base64: Option<String>,
    event_records: Vec<EventRecord>,
}

impl DeliveryJson {
    fn of(detail: DeliveryDetail) -> DeliveryJson {
        let (message, message_base64) = text_or_base64(detail.message);
        DeliveryJson {
            delivery: detail.delivery,
            request: RequestJson::of(&detail.capture),
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
