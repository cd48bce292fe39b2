//! Pages at the root, and a proxy that shows them under a path of its own.
//!
//! Everything else is written as if the dashboard stood at the root. Here `dashboard.base_path` is
//! taken off a request's target before it is routed ([`enter`]), and put in front of the addresses in
//! the answer ([`leave`]): the headers `Location` and `Link`, the path of cookies, and in pages each
//! attribute `href`, `src` and `action` that begins with a single `/`. Scripts take addresses from
//! their own (`static/live.js`), and `/openapi.json` names the base as its server.
//!
//! Putting it into a finished page is safe, since no text of a message can look like an attribute
//! there: askama writes `"` as `&#34;`, so ` href="` was written by a template. `value="/…"` is left
//! as it is: what a form brings back here is an address of ours, as from the root.
//!
//! [`leave`] stands inside `representation.rs`, which makes the tag of what is sent, and outside the
//! guard, whose pages of errors have links too.
//!
//! A target that does not begin with the base is told so by the guard, with 404, if who asks may come
//! in; others are told what they are told everywhere, with the base in its links. What process
//! managers and scrapers ask for is answered without the base as well ([`AT_THE_ROOT`]): they do not
//! come through the proxy.

use std::fmt;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};

use crate::web::state::AppState;

/// What is also answered without the base.
pub const AT_THE_ROOT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The longest base: it is in each address of a page.
const BASE_BYTES_MAX: usize = 200;

/// The attributes that hold addresses of ours.
const ATTRIBUTES: [&str; 3] = [" href", " src", " action"];

/// What stands in front of every path: nothing, or a path without a slash at its end, of characters
/// that mean themselves in addresses, headers and HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

/// The text is no base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBasePath;

/// Stands in the extensions of a request whose path does not begin with the base.
#[derive(Clone, Debug)]
pub struct Outside {
    pub base: BasePath,
}

impl BasePath {
    /// Reads `/`, or a path with or without a slash at its end.
    pub fn parse(text: &str) -> Result<BasePath, NoBasePath> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_plain = |segment: &str| {
            let mut bytes = segment.bytes();
            let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            // Browsers drop `.` and `..`, and two slashes in a row begin a host.
            !segment.is_empty() && bytes.all(is_safe) && !matches!(segment, "." | "..")
        };
        let is_path = match path.strip_prefix('/') {
            None => text == "/",
            Some(segments) => segments.split('/').all(is_plain),
        };
        if !is_path || path.len() > BASE_BYTES_MAX {
            return Err(NoBasePath);
        }
        Ok(BasePath(path.into()))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what of a target stands behind the base; nothing for the base alone.
    fn strip<'a>(&self, target: &'a str) -> Option<&'a str> {
        let rest = target.strip_prefix(&*self.0)?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    }

    /// Puts the base in front of each address of ours in a page.
    fn put_into_html(&self, html: &str) -> String {
        let mut put = String::with_capacity(html.len() + html.len() / 16);
        let mut rest = html;
        while let Some(at) = rest.find("=\"/") {
            let (before, from) = rest.split_at(at);
            let (opening, path) = from.split_at("=\"".len());
            put.push_str(before);
            put.push_str(opening);
            let is_address = ATTRIBUTES.iter().any(|name| ends_with_word(before, name));
            if is_address && !path.starts_with("//") {
                put.push_str(&self.0);
            }
            rest = path;
        }
        put.push_str(rest);
        put
    }

    fn put_into_headers(&self, headers: &mut HeaderMap) {
        self.put_into(
            headers,
            &header::LOCATION,
            |value| value.starts_with('/'),
            0,
        );
        self.put_into(headers, &header::LINK, |value| value.starts_with("</"), 1);
        let path = "; Path=/";
        for value in taken(headers, &header::SET_COOKIE) {
            let value = value.replace(path, &format!("; Path={}", self.0));
            append(headers, &header::SET_COOKIE, &value);
        }
    }

    /// Puts the base into the values of a header that hold an address of ours, behind `at` bytes.
    fn put_into(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        is_ours: impl Fn(&str) -> bool,
        at: usize,
    ) {
        for mut value in taken(headers, name) {
            let is_host = value.get(at..).is_some_and(|value| value.starts_with("//"));
            if is_ours(&value) && !is_host {
                value.insert_str(at, &self.0);
            }
            append(headers, name, &value);
        }
    }
}

/// The base without a slash at its end: nothing for the root.
impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Templates break lines between attributes as well.
fn ends_with_word(text: &str, word: &str) -> bool {
    let name = word.trim_start();
    let before = text.strip_suffix(name);
    before.is_some_and(|before| before.ends_with(|c: char| c.is_ascii_whitespace()))
}

/// Takes all values of a header out.
fn taken(headers: &mut HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.remove(name);
    let texts = values.filter_map(|value| value.to_str().ok().map(str::to_owned));
    texts.collect()
}

fn append(headers: &mut HeaderMap, name: &HeaderName, value: &str) {
    // What was a value is one with a path of plain characters in it.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name.clone(), value);
    }
}

fn base_of(request: &ServiceRequest) -> Option<BasePath> {
    let state = request.app_data::<web::Data<AppState>>()?;
    let base = state.base_path.clone();
    (!base.is_root()).then_some(base)
}

/// The outermost middleware: takes the base off the target.
pub async fn enter(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(base) = base_of(&request) {
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str()).to_owned();
        match base.strip(&target) {
            Some(rest) if rest.starts_with('/') => aim(&mut request, rest),
            // 307 keeps the method, and is not remembered when the base changes.
            Some(query) => {
                let whole = format!("{base}/{query}");
                let response = HttpResponse::TemporaryRedirect()
                    .insert_header((header::LOCATION, whole))
                    .finish();
                return Ok(request.into_response(response));
            }
            None if AT_THE_ROOT.contains(&request.path()) => {}
            None => {
                request.extensions_mut().insert(Outside { base });
            }
        }
    }
    let response = next.call(request).await?;
    Ok(response.map_into_boxed_body())
}

/// Takes the request for one to another target.
fn aim(request: &mut ServiceRequest, target: &str) {
    // What was a URI is one without the beginning of its path.
    if let Ok(uri) = target.parse::<Uri>() {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The middleware around the guard: puts the base in front of what is answered.
pub async fn leave(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let base = base_of(&request);
    let mut response = next.call(request).await?.map_into_boxed_body();
    let Some(base) = base else {
        return Ok(response);
    };
    base.put_into_headers(response.headers_mut());
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
        return Ok(response);
    }
    Ok(response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(html) => BoxBody::new(base.put_into_html(html)),
            Err(_) => BoxBody::new(bytes),
        },
        // A page is whole when it is answered; nothing else is HTML.
        Err(body) => body,
    }))
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;

    fn base() -> BasePath {
        BasePath::parse("/mpsink").unwrap()
    }

    #[test]
    fn a_base_is_a_plain_path_with_or_without_its_last_slash() {
        for (text, expected) in [
            ("/", ""),
            ("/mpsink", "/mpsink"),
            ("/mpsink/", "/mpsink"),
            ("/tools/mps-1.0_x~", "/tools/mps-1.0_x~"),
        ] {
            assert_eq!(BasePath::parse(text).unwrap().to_string(), expected);
        }
        let long = format!("/{}", "a".repeat(BASE_BYTES_MAX));
        for text in [
            "",
            "mpsink",
            "//",
            "//mpsink",
            "/mpsink//",
            "/a//b",
            "/./a",
            "/a/..",
            "/a b",
            "/%61",
            "/a?b",
            "/a#b",
            "/a\"b",
            "/a'b",
            "/ä",
            "/a;b",
            "https://x/",
            &long,
        ] {
            assert_eq!(BasePath::parse(text), Err(NoBasePath), "{text}");
        }
    }

    #[test]
    fn a_target_is_below_the_base_or_outside_of_it() {
        for (target, expected) in [
            ("/mpsink/", Some("/")),
            ("/mpsink/jobs?q=1", Some("/jobs?q=1")),
            ("/mpsink/mpsink/jobs", Some("/mpsink/jobs")),
            ("/mpsink", Some("")),
            ("/mpsink?q=1", Some("?q=1")),
            ("/mpsinks", None),
            ("/MPSINK/", None),
            ("/%6dpsink/", None),
            ("/", None),
            ("//mpsink/", None),
        ] {
            assert_eq!(base().strip(target), expected, "{target}");
        }
    }

    #[test]
    fn addresses_of_ours_in_a_page_get_the_base_and_nothing_else_does() {
        for (html, expected) in [
            (r#"<a href="/">"#, r#"<a href="/mpsink/">"#),
            (
                r#"<a class="x" href="/a"><a href="/b">"#,
                r#"<a class="x" href="/mpsink/a"><a href="/mpsink/b">"#,
            ),
            ("<script\nsrc=\"/x.js\">", "<script\nsrc=\"/mpsink/x.js\">"),
            (
                r#"<form action="/held/1/drop">"#,
                r#"<form action="/mpsink/held/1/drop">"#,
            ),
            (
                r#"<a href="//evil.example">"#,
                r#"<a href="//evil.example">"#,
            ),
            (r#"<a href="https://x/">"#, r#"<a href="https://x/">"#),
            (r#"<a href="?cursor=1">"#, r#"<a href="?cursor=1">"#),
            (r##"<a href="#main">"##, r##"<a href="#main">"##),
            (
                r#"<input value="/settings">"#,
                r#"<input value="/settings">"#,
            ),
            (r#"<td data-href="/x">"#, r#"<td data-href="/x">"#),
            (r#"="/"#, r#"="/"#),
            ("", ""),
        ] {
            assert_eq!(base().put_into_html(html), expected);
        }
    }

    /// What a page does with the text of a message.
    #[derive(Template)]
    #[template(source = r#"<p title="{{ text }}">{{ text }}</p>"#, ext = "html")]
    struct Hostile {
        text: &'static str,
    }

    #[test]
    fn no_text_of_a_message_is_taken_for_an_address() {
        for text in [
            r#"<a href="/x">"#,
            r#"" href="/x"#,
            r#" href="/x" src="/y" action="/z""#,
            "' href='/x'",
            "href=&quot;/x",
        ] {
            let html = Hostile { text }.render().unwrap();
            assert_eq!(base().put_into_html(&html), html);
        }
    }

    #[test]
    fn headers_with_addresses_of_ours_get_the_base() {
        let mut headers = HeaderMap::new();
        let pairs = [
            (header::LOCATION, "/jobs?q=/x", "/mpsink/jobs?q=/x"),
            (
                header::LINK,
                "</jobs.json?cursor=1>; rel=\"next\"",
                "</mpsink/jobs.json?cursor=1>; rel=\"next\"",
            ),
            (
                header::LINK,
                "</jobs.json>; rel=\"prev\"",
                "</mpsink/jobs.json>; rel=\"prev\"",
            ),
            (
                header::SET_COOKIE,
                "a=b; HttpOnly; Path=/; Max-Age=1",
                "a=b; HttpOnly; Path=/mpsink; Max-Age=1",
            ),
            (header::SET_COOKIE, "c=d; Path=/", "c=d; Path=/mpsink"),
            (header::ETAG, "\"/x\"", "\"/x\""),
        ];
        for (name, value, _) in &pairs {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        base().put_into_headers(&mut headers);
        for (name, _, expected) in pairs {
            let mut values = headers.get_all(&name);
            assert!(values.any(|value| value == expected), "{name}: {expected}");
        }
        for foreign in ["//evil.example/", "https://evil.example/"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(foreign));
            base().put_into_headers(&mut headers);
            assert_eq!(headers.get(header::LOCATION).unwrap(), foreign);
        }
    }
}
