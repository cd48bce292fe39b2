//! The receiver: what SMQ pushes to, and nothing else.
//!
//! Every request comes here through the default service and never through a route, since a route
//! decodes and normalises the path, and both the comparison with the sources' paths and the
//! signature are over the target as it came.
//!
//! A stranger learns nothing here: one fixed sentence a reason, 404 for every path that is no
//! source's. Everything it can make us hold is bounded: the head by actix (96 headers, 128 KiB), their
//! number with that of the connections (`app`), the body by [`BODY_BYTES_MAX`] and [`BODY_TIMEOUT`], all bodies together by [`InFlight`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, ResponseError, Scope, guard, web};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::ingest::Outcome;
use crate::ingest::account::Account;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::reason::RefusalReason;
use crate::notification::source::{Source, SourceId};
use crate::signature::head::names_test_key;
use crate::store::REFUSED_BODY_BYTES_MAX;
use crate::web::error::{ReceiverError, answer};
use crate::web::requests;
use crate::web::state::AppState;

/// The longest body taken. A message has at most 64 KiB, but escaping can make its envelope 390 KiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a body may take to come. SMQ gives up after 5 s, so an answer after that is wasted.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(4);

/// Tells that the process lives; needs no secret and says nothing else.
const HEALTH_PATH: &str = "/healthz";

/// Every push has it, and nothing else does: a POST with it to another path is SMQ on a wrong way.
const MNS_VERSION: &str = "x-mns-version";

/// Which source a request target belongs to.
///
/// Compared by SHA-256 digest, so that the time it takes tells nothing about how much of a guessed
/// path is right.
pub struct Paths {
    by_digest: Vec<([u8; 32], SourceId)>,
    /// The last segment of each path in lower case: what [`Paths::shown`] hides.
    secrets: Vec<String>,
}

impl Paths {
    pub fn of(sources: &[Source]) -> Paths {
        let digests = sources.iter().flat_map(|source| {
            let digest = |path: &String| (Sha256::digest(path.as_bytes()).into(), source.id);
            source.paths.iter().map(digest)
        });
        let paths = sources.iter().flat_map(|source| &source.paths);
        let secrets = paths.filter_map(|path| path.rsplit('/').find(|part| !part.is_empty()));
        Paths {
            by_digest: digests.collect(),
            secrets: secrets.map(str::to_lowercase).collect(),
        }
    }

    /// Returns a target of no source as it may be shown: a wrong path is mostly the right one with
    /// something added, and then holds the secret.
    pub fn shown(&self, target: &str) -> String {
        if !self.is_secret_in(target) {
            return target.to_owned();
        }
        let (path, query) = match target.split_once('?') {
            Some((path, _)) => (path, "?•••"),
            None => (target, ""),
        };
        // What was added may be a segment of its own, before or behind the secret.
        let segments = path.split('/').map(|segment| {
            let is_secret = self.is_secret_in(segment);
            if is_secret { "•••" } else { segment }
        });
        let segments: Vec<&str> = segments.collect();
        format!("{}{query}", segments.join("/"))
    }

    fn is_secret_in(&self, text: &str) -> bool {
        let plain = percent_decode_str(text).decode_utf8_lossy().to_lowercase();
        self.secrets.iter().any(|secret| plain.contains(secret))
    }

    /// Returns the source one of whose paths is exactly `target`.
    pub fn find(&self, target: &str) -> Option<SourceId> {
        let digest: [u8; 32] = Sha256::digest(target.as_bytes()).into();
        let found = self.by_digest.iter().find(|(other, _)| *other == digest);
        found.map(|(_, source)| *source)
    }
}

/// The bytes of all bodies being read, and how many there may be.
#[derive(Clone)]
pub struct InFlight {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// A body's share of [`InFlight`]; given back when it is dropped.
struct Share {
    in_flight: InFlight,
    bytes: usize,
}

impl InFlight {
    pub fn new(bytes_max: usize) -> InFlight {
        InFlight {
            bytes: Arc::default(),
            bytes_max,
        }
    }

    fn share(&self) -> Share {
        Share {
            in_flight: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes more bytes, or tells that there is no room.
    fn grow(&mut self, bytes: usize) -> Result<(), ReceiverError> {
        let before = self.in_flight.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.in_flight.bytes_max {
            Err(ReceiverError::TooManyBytesInFlight)
        } else {
            Ok(())
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let in_flight = &self.in_flight.bytes;
        in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Returns the receiver for an address where the dashboard listens as well: it takes what is for a
/// source, what SMQ sent elsewhere, and the health check, and leaves the rest to the pages.
pub fn scope(state: web::Data<AppState>) -> Scope {
    let is_ours = guard::fn_guard(move |context| {
        let head = context.head();
        let target = head
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        let is_push = head.method == Method::POST && head.headers().contains_key(MNS_VERSION);
        is_push || target == HEALTH_PATH || state.paths.find(target).is_some()
    });
    web::scope("")
        .guard(is_ours)
        .default_service(web::to(receive))
}

/// Answers every request to the receiver, with the id under which the log has it.
pub async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> HttpResponse {
    let id = state.requests.next();
    let answered = receive_under(&id, &request, payload, &state).await;
    let mut response = answered.unwrap_or_else(|error| error.error_response());
    requests::name(response.headers_mut(), &id);
    response
}

async fn receive_under(
    id: &str,
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<HttpResponse, ReceiverError> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("", |target| target.as_str());
    let Some(source) = state.paths.find(target) else {
        return answer_off_the_path(request, target, state);
    };
    if request.method() != Method::POST {
        return Err(ReceiverError::MethodNotAllowed);
    }
    let delivery = Delivery {
        source,
        target: target.to_owned(),
        headers: headers_of(request),
        body: Vec::new(),
        received_at: state.clock.now(),
    };
    let received_at = delivery.received_at;
    let mut account = state.ingest.account(source, id.to_owned());
    let answered = match take(request, payload, delivery, state, &mut account).await {
        Ok(outcome) => {
            account.close(&outcome);
            answer(outcome)
        }
        Err(error) => {
            close_unjudged(account, error);
            Err(error)
        }
    };
    if let Err(ReceiverError::TooManyBytesInFlight | ReceiverError::Trouble(_)) = answered {
        state.store.note_failure(source, received_at);
    }
    answered
}

/// Reads the rest of a push and hands it over.
async fn take(
    request: &HttpRequest,
    payload: web::Payload,
    mut delivery: Delivery,
    state: &AppState,
    account: &mut Account,
) -> Result<Outcome, ReceiverError> {
    let head = match state.ingest.check_head(&delivery.headers) {
        Ok(head) => head,
        Err(reason) => return refuse_by_head(payload, delivery, reason, state).await,
    };
    let mut share = state.in_flight.share();
    if declared_length(request).is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(ReceiverError::BodyTooLong);
    }
    delivery.body = read_body(payload, BODY_BYTES_MAX, &mut share)
        .await?
        .whole()?;
    Ok(state.ingest.receive(head, delivery, account).await)
}

/// Counts a push that was not judged, since not all of it was read.
fn close_unjudged(account: Account, error: ReceiverError) {
    match error {
        ReceiverError::BodyTooLong => account.close_unread("body_too_long"),
        ReceiverError::BodyTooSlow => account.close_unread("body_too_slow"),
        ReceiverError::BodyBroken => account.close_unread("body_broken"),
        ReceiverError::TooManyBytesInFlight => account.close_failed("too_many_bytes"),
        // Not of a push that is being read.
        ReceiverError::NoSuchPath
        | ReceiverError::MethodNotAllowed
        | ReceiverError::Refused(_)
        | ReceiverError::Held(_)
        | ReceiverError::Trouble(_) => account.close_failed("not_read"),
    }
}

/// Answers what is for no source: the health of the process, or nothing.
fn answer_off_the_path(
    request: &HttpRequest,
    target: &str,
    state: &AppState,
) -> Result<HttpResponse, ReceiverError> {
    let method = request.method();
    if target == HEALTH_PATH && (method == Method::GET || method == Method::HEAD) {
        return Ok(HttpResponse::Ok().content_type("text/plain").body("ok\n"));
    }
    if method == Method::POST && request.headers().contains_key(MNS_VERSION) {
        let (target, headers) = (state.paths.shown(target), headers_of(request));
        // A probe of a server for real pushes says what it met to whoever sent it.
        if state.is_test || !names_test_key(&headers) {
            state.ingest.note_stray(target, headers);
        }
    }
    Err(ReceiverError::NoSuchPath)
}

/// Reads just enough of the body to see what it was, and notes the push as refused.
async fn refuse_by_head(
    payload: web::Payload,
    mut delivery: Delivery,
    reason: RefusalReason,
    state: &AppState,
) -> Result<Outcome, ReceiverError> {
    let mut share = state.in_flight.share();
    let body = read_body(payload, REFUSED_BODY_BYTES_MAX, &mut share).await?;
    let body_bytes = body.bytes_seen as u64;
    delivery.body = body.bytes;
    Ok(state.ingest.refuse(delivery, body_bytes, reason))
}

fn headers_of(request: &HttpRequest) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in request.headers() {
        headers.add(name.as_str(), value.as_bytes());
    }
    headers.sort();
    headers
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// What was read of a body.
struct Body {
    bytes: Vec<u8>,
    /// How many bytes came until reading stopped; more than `bytes` if it was cut.
    bytes_seen: usize,
}

impl Body {
    /// Returns the bytes if none were cut off.
    fn whole(self) -> Result<Vec<u8>, ReceiverError> {
        if self.bytes_seen > self.bytes.len() {
            Err(ReceiverError::BodyTooLong)
        } else {
            Ok(self.bytes)
        }
    }
}

/// Reads at most `bytes_max` of the body, and stops reading with the first byte beyond.
async fn read_body(
    mut payload: web::Payload,
    bytes_max: usize,
    share: &mut Share,
) -> Result<Body, ReceiverError> {
    let deadline = Instant::now() + BODY_TIMEOUT;
    let mut body = Body {
        bytes: Vec::new(),
        bytes_seen: 0,
    };
    loop {
        let chunk = match timeout_at(deadline, payload.next()).await {
            Err(_) => return Err(ReceiverError::BodyTooSlow),
            Ok(None) => return Ok(body),
            Ok(Some(Err(_))) => return Err(ReceiverError::BodyBroken),
            Ok(Some(Ok(chunk))) => chunk,
        };
        body.bytes_seen += chunk.len();
        let room = bytes_max - body.bytes.len();
        let taken = chunk.get(..room).unwrap_or(&chunk);
        share.grow(taken.len())?;
        body.bytes.extend_from_slice(taken);
        if body.bytes_seen > body.bytes.len() {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: i64, paths: &[&str]) -> Source {
        Source {
            id: SourceId(id),
            name: format!("source {id}"),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            owners: Vec::new(),
            topics: Vec::new(),
            region: String::new(),
            queue: String::new(),
        }
    }

    #[test]
    fn a_target_belongs_to_a_source_only_if_every_byte_is_the_same() {
        let paths = Paths::of(&[source(1, &["/n/a", "/n/old"]), source(2, &["/n/b?x=1"])]);
        let cases = [
            ("/n/a", Some(1)),
            ("/n/old", Some(1)),
            ("/n/b?x=1", Some(2)),
            ("/n/a/", None),
            ("/n/A", None),
            ("/n/%61", None),
            ("//n/a", None),
            ("/n/./a", None),
            ("/n/a?", None),
            ("/n/b", None),
            ("", None),
        ];
        for (target, expected) in cases {
            assert_eq!(paths.find(target), expected.map(SourceId), "{target}");
        }
    }

    #[test]
    fn a_wrong_target_is_shown_without_the_secret_in_it() {
        let paths = Paths::of(&[source(1, &["/n/0123abcd"])]);
        let cases = [
            ("/", "/"),
            ("/notifications", "/notifications"),
            ("/n/0123abcd/", "/n/•••/"),
            ("/n/0123ABCD", "/n/•••"),
            ("/n/%30123abcd", "/n/•••"),
            ("/n/0123abcd?x=1", "/n/•••?•••"),
            ("/n/0123abcd/more/of/it", "/n/•••/more/of/it"),
            ("/n%2f0123abcd/x", "/•••/x"),
            ("/jobs?q=0123abcd", "/jobs?•••"),
        ];
        for (target, expected) in cases {
            assert_eq!(paths.shown(target), expected, "{target}");
        }
    }

    #[test]
    fn bytes_in_flight_are_bounded_and_given_back() {
        let in_flight = InFlight::new(100);
        let mut first = in_flight.share();
        assert!(first.grow(100).is_ok());
        let mut second = in_flight.share();
        assert!(second.grow(1).is_err());
        drop(first);
        drop(second);
        assert!(in_flight.share().grow(100).is_ok());
    }
}
