//! What stands before and behind every request to the dashboard.
//!
//! Before: who asks. With users or tokens that is [`Access`]'s to say. Without a login the dashboard
//! answers only what was asked of this machine directly. A page on the web that the operator visits
//! can make a browser send requests to loopback, under a name of its own that resolves there (DNS
//! rebinding), and a proxy on the same host would open the dashboard to everybody. The first shows in
//! `Host`; the second shows in what proxies add, and in HTTP/1.0, which nginx speaks unless told
//! otherwise. A proxy that hides all of it cannot be told from a person, so none must be pointed
//! here without a login, and `trusted_proxies` makes no difference to that. Behind: the headers that
//! keep a browser from running, framing, guessing or keeping what is not ours, and errors in the form
//! of their reader.
//!
//! [`may_change`] is the rule for everything that changes something. Reading is not its matter.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::records::Attention;
use crate::store::retention::kept::Kept;
use crate::web::access::{self, Access, Login};
use crate::web::base_path::Outside;
use crate::web::error::{self, Asked, PageError};
use crate::web::lists;
use crate::web::proxies::Client;
use crate::web::reads::read;
use crate::web::representation;
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// On every answer that comes from a database of `serve --try`.
pub const TEST_HEADER: HeaderName = HeaderName::from_static("x-mpsink-test");

/// Nothing but our own style sheets, scripts and images is loaded, nothing inline is run, forms and
/// connections go to us alone, and nobody frames us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; \
                                       frame-ancestors 'none'; style-src 'self'; script-src 'self'; \
                                       img-src 'self'; connect-src 'self'";

/// Set on every answer. `same-origin` and not `no-referrer`: with the latter a browser sends
/// `Origin: null` with our own forms, and [`may_change`] could not tell them from another site's.
/// Other sites are told nothing either way.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    ),
];

/// What proxies add beside `X-Forwarded-…`.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "via", "x-real-ip", "cf-connecting-ip"];

/// Stands in the extensions of a request whose sender may know everything. Without it only what
/// anybody may read is answered, such as the status of `/readyz`.
#[derive(Clone, Copy, Debug)]
pub struct Known;

/// What answers anybody, whoever asks: process managers and load balancers have no secret. Who asks
/// there is found out only as far as it takes no time, or wrong passwords would make them wait.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Stands in the extensions beside [`Known`]: by what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownBy {
    /// There is no login, and the request was made on this machine.
    BeingHere,
    Login(Login),
}

/// Who asks for a change, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A button of one of our pages.
    Person,
    /// A program that has a token.
    Script,
    /// A command on this machine that knows the key.
    Command,
}

/// By whose wish something was done, for the log.
#[derive(Clone, Debug)]
pub struct Who {
    /// The name of a login, or what stands in for one.
    pub by: String,
    /// Where the request came from, as far as proxies are trusted.
    pub address: Option<IpAddr>,
}

/// The middleware around all routes of the dashboard.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_for_program = has_token(request.headers())
        || representation::is_for_program(request.path(), request.headers());
    let state = request.app_data::<web::Data<AppState>>();
    let is_test = state.is_some_and(|state| state.is_test);
    let zone = state.map_or(Tz::UTC, |state| state.zone);
    let mut asked = Asked {
        here: request.uri().to_string(),
        is_for_program,
        is_test,
        viewer: Viewer::of(request.request(), zone),
        now: state.map_or(Timestamp(0), |state| state.clock.now()),
        attention: None,
        history: state.map_or(Kept::Forever, |state| state.retention.history),
    };

    // Before anything is read, so that a page is never taken for newer than it is.
    let live_id = state.map(|state| state.live.id());
    if let Some(live_id) = live_id {
        request.extensions_mut().insert(live_id);
    }
    let refresh = lists::refresh_of(request.query_string());

    let known_by = known_by(&request).await;
    let is_known = known_by.is_ok();
    let refused = match known_by {
        Ok(known_by) => {
            request.extensions_mut().insert(Known);
            request.extensions_mut().insert(known_by);
            outside_base_path(&request)
        }
        Err(_) if is_open(&request) => None,
        Err(error) => Some(error),
    };
    let mut response = match refused {
        None => next.call(request).await?.map_into_boxed_body(),
        // Keeps the error for what follows, which `into_response` would drop.
        Some(error) => request.error_response(error),
    };
    let trouble = response.response().error();
    if let Some(page_error) = trouble.and_then(|error| error.as_error::<PageError>()) {
        let state = response.request().app_data::<web::Data<AppState>>();
        if let Some(state) = state.filter(|_| is_known && page_error.is_of_the_address()) {
            asked.attention = attention(state, &asked).await;
        }
        let presented = error::present(page_error, &asked);
        response = response.into_response(presented);
    }

    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        // What must not be kept at all says so itself.
        if name != header::CACHE_CONTROL || !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if let Some(seconds) = refresh.filter(|_| response.status().is_success()) {
        let value = HeaderValue::from(seconds);
        response.headers_mut().insert(header::REFRESH, value);
    }
    if is_test {
        let value = HeaderValue::from_static("1");
        response.headers_mut().insert(TEST_HEADER, value);
    }
    Ok(response)
}

/// Reads the numbers in the navigation of an error's page, so that it has them like every other. A
/// page without them is better than none.
async fn attention(state: &AppState, asked: &Asked) -> Option<Attention> {
    if asked.is_for_program {
        return None;
    }
    read(state, Store::attention).await.ok()
}

/// Finds out who asks.
async fn known_by(request: &ServiceRequest) -> Result<KnownBy, PageError> {
    let state = request.app_data::<web::Data<AppState>>();
    let headers = request.headers();
    match state.map(|state| &state.access) {
        Some(access) if access.has_login() && is_open(request) => {
            let login = access.ask_at_once(headers).map(KnownBy::Login);
            login.ok_or_else(|| access.login_needed())
        }
        Some(access) if access.has_login() => {
            let sender = client(request.request()).and_then(|client| client.address);
            access.ask(headers, sender).await.map(KnownBy::Login)
        }
        without_login => {
            if request.version() < Version::HTTP_11 || !is_local(headers) {
                return Err(PageError::NotLocal);
            }
            let is_command =
                without_login.is_some_and(|access: &Access| access.is_command(headers));
            Ok(if is_command {
                KnownBy::Login(Login::Command)
            } else {
                KnownBy::BeingHere
            })
        }
    }
}

fn is_open(request: &ServiceRequest) -> bool {
    OPEN_PATHS.contains(&request.path())
}

/// Asked of who is known alone, so that others get the answer that every path gives them. It is no
/// secret where the pages are: that answer names the base in its links.
fn outside_base_path(request: &ServiceRequest) -> Option<PageError> {
    let extensions = request.extensions();
    let outside = extensions.get::<Outside>()?;
    Some(PageError::OutsideBasePath {
        base: outside.base.to_string(),
    })
}

fn has_token(headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION);
    let scheme = given.and_then(|given| given.as_bytes().get(.."bearer ".len()));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

/// Returns who sent a request, as far as our proxies can be believed. `None` where there is no
/// state, as in tests of this file.
pub fn client(request: &HttpRequest) -> Option<Client> {
    let state = request.app_data::<web::Data<AppState>>()?;
    let proxies = &state.trusted_proxies;
    Some(proxies.client(request.peer_addr(), request.headers()))
}

/// Tells whether a request was made to this machine under one of its own names, by nobody in
/// between.
fn is_local(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_loopback = host.is_some_and(is_loopback_host) && hosts.next().is_none();
    let was_passed_on = headers.keys().any(|name| {
        PROXY_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-")
    });
    is_loopback && !was_passed_on
}

/// Tells whether a `Host` header names loopback, with any port or none.
fn is_loopback_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        host.strip_prefix(name)
            .is_some_and(|rest| match rest.strip_prefix(':') {
                Some(port) => {
                    (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
                }
                None => rest.is_empty(),
            })
    })
}

/// Lets a change pass that one of our own pages asks for, a script, or a command on this machine.
///
/// A browser says with `Sec-Fetch-Site` or `Origin` which site a form stood on, and no page can
/// change what it says. With neither, nothing is known, and nothing is changed. That holds with a
/// login as well, since browsers send a name and a password along by themselves, whichever site a
/// form stood on. Nobody sends a token by itself: whoever has one may change things without saying
/// where it comes from.
pub fn may_change(request: &HttpRequest) -> Result<Asker, PageError> {
    let known_by = request.extensions().get::<KnownBy>().copied();
    let host = client(request).and_then(|client| client.host);
    changer(known_by, request.headers(), host.as_deref())
}

/// Returns who asks, once [`may_change`] has let it pass.
pub fn who(request: &HttpRequest) -> Who {
    let known_by = request.extensions().get::<KnownBy>().copied();
    let by = match known_by {
        Some(KnownBy::Login(Login::Person)) => access::name_in(request.headers()),
        Some(KnownBy::Login(Login::Script)) => Some("a token".to_owned()),
        Some(KnownBy::Login(Login::Command)) => Some("a command on this machine".to_owned()),
        Some(KnownBy::BeingHere) => Some("somebody on this machine".to_owned()),
        None => None,
    };
    Who {
        by: by.unwrap_or_default(),
        address: client(request).and_then(|client| client.address),
    }
}

fn changer(
    known_by: Option<KnownBy>,
    headers: &HeaderMap,
    host: Option<&str>,
) -> Result<Asker, PageError> {
    match known_by {
        // No guard has let it in.
        None => return Err(PageError::CrossSite),
        Some(KnownBy::Login(Login::Command)) => return Ok(Asker::Command),
        Some(KnownBy::Login(Login::Script)) => return Ok(Asker::Script),
        // A wrong key is not made good by a right origin.
        Some(KnownBy::BeingHere) if headers.contains_key(header::AUTHORIZATION) => {
            return Err(PageError::WrongKey);
        }
        Some(KnownBy::BeingHere | KnownBy::Login(Login::Person)) => {}
    }
    let comes_from_us = match headers.get("sec-fetch-site") {
        Some(site) => site.as_bytes() == b"same-origin",
        None => is_own_origin(headers, host),
    };
    comes_from_us
        .then_some(Asker::Person)
        .ok_or(PageError::CrossSite)
}

/// Compares by host and port. The scheme is left out, since a proxy that speaks https need not say
/// so.
fn is_own_origin(headers: &HeaderMap, host: Option<&str>) -> bool {
    let origin = headers.get(header::ORIGIN);
    let (Some(origin), Some(host)) = (origin.and_then(|origin| origin.to_str().ok()), host) else {
        return false;
    };
    let (named, port) = match origin.split_once("://") {
        Some(("http", named)) => (named, ":80"),
        Some(("https", named)) => (named, ":443"),
        _ => return false,
    };
    // A browser leaves its scheme's own port out; a proxy may write it.
    let host = host.strip_suffix(port).unwrap_or(host);
    named.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn headers(pairs: Pairs<'_>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let cases = [
            ("localhost", true),
            ("localhost:8081", true),
            ("LocalHost:8081", true),
            ("127.0.0.1", true),
            ("127.0.0.1:1", true),
            ("[::1]", true),
            ("[::1]:65535", true),
            ("", false),
            ("localhost:", false),
            ("localhost:80a", false),
            ("localhost:808080", false),
            ("localhost.", false),
            ("localhost.evil.example", false),
            ("localhost@evil.example", false),
            ("evil.example", false),
            ("evil.example:8081", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.10", false),
            ("127.1", false),
            ("::1", false),
            ("[::1]evil", false),
            ("[::2]", false),
            ("0.0.0.0:8081", false),
            ("192.168.0.7:8081", false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_local(&headers(&[("host", host)])), expected, "{host}");
        }
    }

    #[test]
    fn a_request_without_a_host_or_with_two_or_through_a_proxy_is_not_local() {
        assert!(!is_local(&headers(&[])));
        let two = [("host", "localhost"), ("host", "localhost")];
        assert!(!is_local(&headers(&two)));
        for name in [
            "forwarded",
            "X-Forwarded-For",
            "x-forwarded-proto",
            "x-forwarded-",
        ] {
            let passed_on = headers(&[("host", "localhost"), (name, "")]);
            assert!(!is_local(&passed_on), "{name}");
        }
    }

    #[test]
    fn only_our_own_pages_and_the_key_may_change_something() {
        let host = ("host", "localhost:8081");
        let cases: [(Pairs<'_>, Option<Asker>); 13] = [
            (
                &[host, ("sec-fetch-site", "same-origin")],
                Some(Asker::Person),
            ),
            (&[host, ("sec-fetch-site", "same-site")], None),
            (&[host, ("sec-fetch-site", "cross-site")], None),
            (&[host, ("sec-fetch-site", "none")], None),
            (
                &[host, ("origin", "http://localhost:8081")],
                Some(Asker::Person),
            ),
            (
                &[host, ("origin", "https://LOCALHOST:8081")],
                Some(Asker::Person),
            ),
            (&[host, ("origin", "http://localhost")], None),
            (&[host, ("origin", "http://evil.example")], None),
            (&[host, ("origin", "null")], None),
            // What the newer header says counts.
            (
                &[
                    host,
                    ("origin", "http://localhost:8081"),
                    ("sec-fetch-site", "cross-site"),
                ],
                None,
            ),
            (&[host], None),
            (&[host, ("authorization", "Bearer k3Y")], None),
            // A wrong key is not made good by a right origin.
            (
                &[
                    ("authorization", "Basic k3y"),
                    ("sec-fetch-site", "same-origin"),
                ],
                None,
            ),
        ];
        for (pairs, expected) in cases {
            let headers = headers(pairs);
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok());
            let given = changer(Some(KnownBy::BeingHere), &headers, host).ok();
            assert_eq!(given, expected, "{pairs:?}");
            // A password, which a browser sends by itself, is not enough either.
            if !headers.contains_key(header::AUTHORIZATION) {
                let given = changer(Some(KnownBy::Login(Login::Person)), &headers, host).ok();
                assert_eq!(given, expected, "{pairs:?}");
            }
            assert!(changer(None, &headers, host).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn a_token_or_the_key_may_change_something_wherever_the_request_comes_from() {
        let foreign = headers(&[("sec-fetch-site", "cross-site")]);
        for (login, asker) in [
            (Login::Script, Asker::Script),
            (Login::Command, Asker::Command),
        ] {
            let given = changer(Some(KnownBy::Login(login)), &foreign, None);
            assert_eq!(given.unwrap(), asker);
        }
    }

    #[test]
    fn an_origin_is_ours_if_host_and_port_are() {
        let cases = [
            ("https://mps.example.com", "mps.example.com", true),
            ("https://mps.example.com", "mps.example.com:443", true),
            ("http://mps.example.com", "mps.example.com:80", true),
            ("https://mps.example.com:8443", "mps.example.com:8443", true),
            ("https://mps.example.com:8443", "mps.example.com", false),
            ("https://mps.example.com", "mps.example.com:8443", false),
            ("http://mps.example.com", "mps.example.com:443", false),
            ("https://evil.example", "mps.example.com", false),
            ("ftp://mps.example.com", "mps.example.com", false),
            ("null", "null", false),
        ];
        for (origin, host, expected) in cases {
            let headers = headers(&[("origin", origin)]);
            assert_eq!(
                is_own_origin(&headers, Some(host)),
                expected,
                "{origin} {host}"
            );
        }
    }

    async fn asked(path: &str, host: &str) -> ServiceResponse {
        let fails = || async { Err::<&str, PageError>(PageError::Busy) };
        let guarded = web::scope("")
            .wrap(from_fn(guard))
            .route("/good", web::to(|| async { "good" }))
            .route("/fails", web::to(fails))
            .route("/fails.json", web::to(fails));
        let app = init_service(App::new().service(guarded)).await;
        let request = TestRequest::get().uri(path);
        let request = request.insert_header((header::HOST, host)).to_request();
        call_service(&app, request).await.map_into_boxed_body()
    }

    #[actix_web::test]
    async fn a_foreign_host_gets_a_sentence_and_nothing_else() {
        let response = asked("/good", "evil.example").await;
        assert_eq!(response.status().as_u16(), 421);
        let body = read_body(response).await;
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains("ssh -L"));
        // Its own address is on the page, and nothing of what stands there.
        assert!(!text.replace("/good", "").contains("good"));
        assert_eq!(asked("/good", "localhost").await.status().as_u16(), 200);
    }

    #[actix_web::test]
    async fn every_answer_carries_the_headers_that_protect_it() {
        let asked = [
            asked("/good", "localhost").await,
            asked("/fails", "localhost").await,
            asked("/good", "evil.example").await,
        ];
        for response in asked {
            for (name, value) in HEADERS {
                assert_eq!(response.headers().get(&name), Some(&value), "{name}");
            }
        }
    }

    #[actix_web::test]
    async fn an_error_comes_in_the_form_of_its_reader() {
        let cases = [
            ("/fails", "text/html; charset=utf-8"),
            ("/fails.json", "application/problem+json"),
        ];
        for (path, expected) in cases {
            let response = asked(path, "localhost").await;
            assert_eq!(response.status().as_u16(), 503);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            assert_eq!(
                response.headers().get(header::CONTENT_TYPE).unwrap(),
                expected
            );
        }
    }
}
