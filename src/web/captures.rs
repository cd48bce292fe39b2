//! What arrived, as a file that `mpsink verify` reads: the `.http` of a delivery, a held push and a
//! refused push.
//!
//! A delivery that age has emptied has none any more: 410.
//!
//! Byte for byte as it came, so with the path that is the source's secret. Given as a download: the
//! bytes are a stranger's, and no browser should try to show them.

use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::notification::capture::{self, Capture};
use crate::store::Store;
use crate::web::error::{PageError, What};
use crate::web::lists::Given;
use crate::web::reads::read_one;
use crate::web::state::AppState;

/// RFC 9112, section 10.1.
const CONTENT_TYPE: &str = "message/http";

/// Gives the push of a delivery.
pub async fn delivery(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Delivery, &id, Store::find_delivery).await?;
    let push = found.push.ok_or(PageError::MessageEmptied)?;
    Ok(respond("delivery", found.delivery.id, &push.capture))
}

/// Gives a held push.
pub async fn held(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Held, &id, Store::find_held).await?;
    Ok(respond("held", found.held.id, &found.capture))
}

/// Gives what was kept of a refused push.
pub async fn refusal(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let found = read_one(&state, What::Refusal, &id, Store::find_refusal).await?;
    Ok(respond("refusal", found.refusal.id, &found.capture))
}

fn respond(kind: &str, id: i64, capture: &Capture) -> HttpResponse {
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("{kind}-{id}.http"))],
    };
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .insert_header(disposition)
        .body(capture::write(capture))
}
