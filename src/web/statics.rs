//! The style sheets, the scripts and the icon, which are part of the program.
//!
//! They are checked for changes on each use by their `ETag` rather than kept for long under a
//! changing name: they are small, and a new version shows at once.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("../../static/style.css");
const CHARTS: &str = include_str!("../../static/charts.css");
const SCRIPT: &str = include_str!("../../static/page.js");
const LIVE: &str = include_str!("../../static/live.js");
const KEYS: &str = include_str!("../../static/keys.js");
const ICON: &str = include_str!("../../static/icon.svg");

/// Answers `/static/style.css`.
pub async fn style(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/css; charset=utf-8", STYLE)
}

/// Answers `/static/charts.css`.
pub async fn charts(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/css; charset=utf-8", CHARTS)
}

/// Answers `/static/page.js`.
pub async fn script(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/javascript; charset=utf-8", SCRIPT)
}

/// Answers `/static/live.js`.
pub async fn live(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/javascript; charset=utf-8", LIVE)
}

/// Answers `/static/keys.js`.
pub async fn keys(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/javascript; charset=utf-8", KEYS)
}

/// Answers `/static/icon.svg`.
pub async fn icon(request: HttpRequest) -> HttpResponse {
    respond(&request, "image/svg+xml", ICON)
}

fn respond(request: &HttpRequest, content_type: &'static str, text: &'static str) -> HttpResponse {
    let digest = Sha256::digest(text);
    let tag = format!("\"{digest:x}\"");
    let known = request.headers().get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return HttpResponse::NotModified()
            .insert_header((header::ETAG, tag))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header((header::ETAG, tag))
        .content_type(content_type)
        .body(text)
}
