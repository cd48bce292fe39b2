//! The id of a request: answered as `x-request-id`, and in every line that the log has of it.
//!
//! It tells nothing, not even how many requests there were before it: strangers get one too. It is ours
//! alone: what a sender calls his request is never taken over, so that nobody can write into the log
//! by it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::web::state::AppState;

/// Where the id is answered.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives ids.
#[derive(Default)]
pub struct RequestIds {
    /// Has a key of its own at each start.
    mixer: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    /// Returns an id that no other request has, as far as 64 bits go.
    pub fn next(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}", self.mixer.hash_one(number))
    }
}

/// Writes the id into an answer.
pub fn name(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The middleware that names each request to the dashboard and logs it at `debug`, or at `warn` if it
/// failed by our fault. The query is left out: words that somebody looks for may be anybody's.
pub async fn named(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<web::Data<AppState>>();
    let id = state.map_or_else(String::new, |state| state.requests.next());
    let method = request.method().clone();
    // A push on a wrong way names the secret path here as well.
    let path = match state {
        Some(state) => state.paths.shown(request.path()),
        None => request.path().to_owned(),
    };
    let began = Instant::now();
    let mut response = next.call(request).await?.map_into_boxed_body();
    name(response.headers_mut(), &id);
    let (method, path) = (method.as_str(), path.as_str());
    let (status, ms) = (response.status(), began.elapsed().as_secs_f64() * 1_000.0);
    let code = status.as_u16();
    if status.is_server_error() {
        tracing::warn!(method, path, status = code, ms, request = id, "request");
    } else {
        tracing::debug!(method, path, status = code, ms, request = id, "request");
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_short_and_each_is_another_one_at_each_start() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let ids = [one.next(), one.next(), other.next(), other.next()];
        assert!(ids.iter().all(|id| id.len() == 16));
        let different: HashSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
