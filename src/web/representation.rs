//! In which form an address is given: by its ending or by `Accept`, compressed or not, and not at all
//! where the reader has it already.
//!
//! The ending is the plain way and wins; a list's own address gives what `Accept` likes best, a page if
//! it does not matter. That is done by taking the request for one to the address with the
//! ending, so that there is one meaning for both.
//!
//! Answers that are whole when they begin (pages, records, the static files) get an `ETag` from
//! their bytes, a 304 and gzip here. Downloads are streams: they are never kept and compress
//! themselves (`downloads.rs`).

use std::io::Write;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::store::scan_records::Table;
use crate::web::exports::ENDINGS;

/// Below it, what gzip saves is less than what a packet holds anyway.
const GZIP_BYTES_MIN: usize = 1_024;

/// What tells machines how we are, and has no ending to say so.
const FOR_MACHINES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What a list's own address can give, by the ending that gives it; the first where it does not matter.
const FORMS: [(&str, &str); 5] = [
    ("text/html", ""),
    ("application/json", ".json"),
    ("application/x-ndjson", ".ndjson"),
    ("text/csv", ".csv"),
    ("application/cloudevents-batch+json", ".cloudevents"),
];

/// The middleware around everything that the dashboard answers.
pub async fn represent(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let table = list_at(request.path());
    if let Some(table) = table {
        negotiate(&mut request, table);
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let is_gzip = accepts_gzip(request.headers());

    let response = next.call(request).await?.map_into_boxed_body();
    let (request, mut response) = response.into_parts();
    let vary = vary(table.is_some(), response.headers());
    response.headers_mut().insert(header::VARY, vary);
    let (response, body) = response.into_parts();
    let mut response = response.set_body(());
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(body) => return Ok(ServiceResponse::new(request, response.set_body(body))),
    };
    if is_read && response.status() == StatusCode::OK {
        let tag = tag_of(&mut response, &bytes);
        if known.is_some_and(|known| names(&known, &tag)) {
            return Ok(ServiceResponse::new(request, not_modified(&response)));
        }
    }
    let bytes = if is_gzip && bytes.len() >= GZIP_BYTES_MIN && is_text(response.headers()) {
        let gzip = HeaderValue::from_static("gzip");
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, gzip);
        compressed(&bytes)?
    } else {
        bytes
    };
    Ok(ServiceResponse::new(
        request,
        response.set_body(BoxBody::new(bytes)),
    ))
}

/// Tells whether whoever asks for `path` is a program, and so how it is told of an error. A person
/// who follows the link to a download, looks at what is made for machines, or tries a list in a
/// format that there is not, gets a page.
pub fn is_for_program(path: &str, headers: &HeaderMap) -> bool {
    let (folder, last) = path.rsplit_once('/').unwrap_or_default();
    let (name, _) = last.split_once('.').unwrap_or_default();
    let is_list = folder.is_empty() && Table::from_word(name).is_some();
    // By the end: an id may have dots of its own.
    let has_ending = |ending: &&str| {
        last.strip_suffix(*ending)
            .is_some_and(|it| it.ends_with('.'))
    };
    if has_ending(&"json") {
        return true;
    }
    let is_file = is_list || ENDINGS.iter().chain(&["http"]).any(has_ending);
    let is_no_page = is_file || FOR_MACHINES.contains(&path);
    is_no_page && !text_of(headers, header::ACCEPT).contains("text/html")
}

/// Tells whether an answer may be compressed.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = text_of(headers, header::ACCEPT_ENCODING);
    let weight = |coding: &str| {
        let mut named = ranges(&accepted).filter(|(name, _)| name.eq_ignore_ascii_case(coding));
        named.next().map(|(_, weight)| weight)
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(0) > 0
}

fn list_at(path: &str) -> Option<Table> {
    Table::from_word(path.strip_prefix('/')?)
}

/// Takes the request for one to the address with the ending that `Accept` asks for.
fn negotiate(request: &mut ServiceRequest, table: Table) {
    let ending = ending_for(&text_of(request.headers(), header::ACCEPT), table);
    if ending.is_empty() {
        return;
    }
    let query = request.uri().query().map(|query| format!("?{query}"));
    let address = format!("/{}{ending}{}", table.word(), query.unwrap_or_default());
    // What was a URI is one with an ending in its path.
    if let Ok(uri) = address.parse::<Uri>() {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// Returns the ending that the header `Accept` likes best: nothing for the page.
fn ending_for(accept: &str, table: Table) -> &'static str {
    let mut best = ("", 0);
    for (media_type, ending) in FORMS {
        let is_there = table == Table::Events || ending != ".cloudevents";
        let weight = weight_of(accept, media_type);
        if is_there && weight > best.1 {
            best = (ending, weight);
        }
    }
    best.0
}

/// Returns the weight in thousandths that the most particular range gives to a media type.
fn weight_of(accept: &str, media_type: &str) -> u16 {
    let kind = media_type.split('/').next().unwrap_or_default();
    let whole_kind = format!("{kind}/*");
    for wanted in [media_type, &whole_kind, "*/*"] {
        let mut named = ranges(accept).filter(|(range, _)| range.eq_ignore_ascii_case(wanted));
        if let Some((_, weight)) = named.next() {
            return weight;
        }
    }
    0
}

/// Reads a header of names with weights, which are in thousandths.
fn ranges(text: &str) -> impl Iterator<Item = (&str, u16)> {
    text.split(',').map(|part| {
        let mut parts = part.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        (name, weight.map_or(1_000, thousandths))
    })
}

/// Reads a weight such as `0.8`; what is none weighs nothing.
fn thousandths(text: &str) -> u16 {
    let weight = text.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0) * 1_000.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped just before"
    )]
    let weight = weight.round() as u16;
    weight
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> String {
    let all = headers.get_all(name);
    let texts: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
    texts.join(",")
}

/// Says what of a request an answer depends on.
fn vary(is_list: bool, headers: &HeaderMap) -> HeaderValue {
    let content_type = headers.get(header::CONTENT_TYPE);
    let is_page = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    HeaderValue::from_static(match (is_list, is_page) {
        (true, true) => "Accept, Accept-Language, Cookie, Accept-Encoding",
        (true, false) => "Accept, Accept-Encoding",
        (false, true) => "Accept-Language, Cookie, Accept-Encoding",
        (false, false) => "Accept-Encoding",
    })
}

/// Returns the tag of an answer, which it sets if the answer has none. It is weak: the same for both
/// encodings.
fn tag_of(response: &mut HttpResponse<()>, bytes: &Bytes) -> String {
    if let Some(tag) = response.headers().get(header::ETAG) {
        return String::from_utf8_lossy(tag.as_bytes()).into_owned();
    }
    let digest = format!("{:x}", Sha256::digest(bytes));
    let tag = format!("W/\"{}\"", digest.get(..32).unwrap_or(&digest));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    tag
}

/// Tells whether `If-None-Match` names a tag (RFC 9110, section 13.1.2: weakly compared).
fn names(known: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = known.to_str().unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|other| strong(other) == strong(tag))
}

/// Makes the answer to one who has it already: the same headers without those of a body.
fn not_modified(response: &HttpResponse<()>) -> HttpResponse {
    let mut bare = HttpResponse::NotModified().finish();
    for (name, value) in response.headers() {
        if !name.as_str().starts_with("content-") || *name == header::CONTENT_SECURITY_POLICY {
            bare.headers_mut().append(name.clone(), value.clone());
        }
    }
    bare
}

fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| {
        text.starts_with("text/") || text.contains("json") || text.contains("svg")
    })
}

/// Compresses a whole answer. The longest, a thousand rows, takes some milliseconds.
fn compressed(bytes: &Bytes) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(name, HeaderValue::from_str(value).unwrap());
        map
    }

    #[test]
    fn a_lists_own_address_gives_what_accept_likes_best() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let cases = [
            ("", ""),
            ("*/*", ""),
            (browser, ""),
            ("application/json", ".json"),
            ("APPLICATION/JSON", ".json"),
            ("text/csv", ".csv"),
            ("text/csv; charset=utf-8", ".csv"),
            ("application/x-ndjson, text/html;q=0.5", ".ndjson"),
            ("text/html;q=0.5, text/csv;q=0.4", ""),
            ("text/*", ""),
            ("text/html;q=0, */*", ".json"),
            ("application/json;q=0.001, text/html;q=0", ".json"),
            // Nothing of what there is: a page is better than nothing.
            ("image/png", ""),
            ("application/cloudevents-batch+json", ""),
            ("application/json;q=x", ""),
        ];
        for (accept, expected) in cases {
            assert_eq!(ending_for(accept, Table::Jobs), expected, "{accept}");
        }
        let batch = "application/cloudevents-batch+json";
        assert_eq!(ending_for(batch, Table::Events), ".cloudevents");
    }

    #[test]
    fn gzip_is_for_those_who_say_so() {
        for (accepted, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = headers(header::ACCEPT_ENCODING, accepted);
            assert_eq!(accepts_gzip(&headers), expected, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn errors_of_data_are_for_programs_unless_a_browser_follows_the_link() {
        let any = headers(header::ACCEPT, "*/*");
        let browser = headers(header::ACCEPT, "text/html,*/*;q=0.8");
        for (path, by_program, by_browser) in [
            ("/jobs.json", true, true),
            ("/jobs.csv", true, false),
            ("/events.cloudevents.ndjson", true, false),
            ("/held/7.http", true, false),
            ("/held/a.b.http", true, false),
            ("/metrics", true, false),
            ("/readyz", true, false),
            ("/jobs", false, false),
            ("/jobs.x", true, false),
            ("/jobs/a.x", false, false),
        ] {
            assert_eq!(is_for_program(path, &any), by_program, "{path}");
            assert_eq!(is_for_program(path, &browser), by_browser, "{path}");
        }
    }

    #[test]
    fn a_known_tag_is_recognized_among_others_and_weakly() {
        for (known, expected) in [
            ("W/\"a\"", true),
            ("\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
        ] {
            let known = HeaderValue::from_static(known);
            assert_eq!(names(&known, "W/\"a\""), expected, "{known:?}");
        }
    }
}
