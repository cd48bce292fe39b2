//! `/healthz`, `/readyz` and `/metrics`: what machines ask to know how we are.
//!
//! The first two answer anybody, since process managers and load balancers have no secret. A stranger
//! learns of `/readyz` only whether it is so, and from a look that may be a second old: nobody can
//! keep the disk or the readers busy by asking. Who may know everything gets a fresh look, with the
//! reasons.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::health::{self, Report};
use crate::metrics::{CONTENT_TYPE, Snapshot};
use crate::notification::reason::RefusalReason;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::web::error::PageError;
use crate::web::guard::Known;
use crate::web::state::AppState;

/// How old a look may be that a stranger is answered from.
const LOOK_KEPT: Duration = Duration::from_secs(1);

/// The last look, for strangers.
#[derive(Default)]
pub struct LastLook {
    is_ready: Mutex<Option<(Instant, bool)>>,
}

impl LastLook {
    fn recent(&self) -> Option<bool> {
        let last = *self.is_ready.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, is_ready) = last?;
        (at.elapsed() < LOOK_KEPT).then_some(is_ready)
    }

    fn keep(&self, is_ready: bool) {
        let mut last = self.is_ready.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), is_ready));
    }
}

/// Answers `/healthz`: whoever answers lives.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body("ok\n")
}

/// Answers `/readyz`: 200 if pushes can be taken, else 503.
pub async fn ready(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let is_known = request.extensions().get::<Known>().is_some();
    if !is_known && let Some(is_ready) = state.last_look.recent() {
        return Ok(answer(is_ready, None));
    }
    let report = look(&state).await?;
    state.last_look.keep(report.is_ready());
    Ok(answer(report.is_ready(), is_known.then_some(&report)))
}

fn answer(is_ready: bool, report: Option<&Report>) -> HttpResponse {
    let mut response = if is_ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    match report {
        None => response.json(json!({ "ready": is_ready })),
        Some(report) => response.json(json!({
            "ready": is_ready,
            "state": report.state,
            "checks": report.checks,
        })),
    }
}

async fn look(state: &web::Data<AppState>) -> Result<Report, PageError> {
    let state = state.clone();
    let looked = web::block(move || {
        let certificates = state.ingest.verifier().status();
        health::gather(&state.store, &certificates, state.clock.now())
    });
    looked.await.map_err(PageError::unavailable)
}

/// Answers `/metrics`. If the database cannot be read in time there is no scrape, rather than one with
/// old numbers: its alarm is that of a scrape that fails.
pub async fn metrics(state: web::Data<AppState>) -> Result<HttpResponse, PageError> {
    let report = look(&state).await?;
    let shared = state.clone();
    let snapshot = web::block(move || snapshot(&shared.store, &shared.sources)).await;
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot?,
        Err(error) => return Err(PageError::unavailable(error)),
    };
    let snapshot = Snapshot {
        exports_running: state.downloads.running(),
        viewers: state.live.viewers(),
        is_ready: report.is_ready(),
        ..snapshot
    };
    Ok(HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.metrics.encode(&snapshot)))
}

/// Reads what the store knows; blocks.
fn snapshot(store: &Store, sources: &[Source]) -> Result<Snapshot, ReadError> {
    let standing = store.standing()?;
    let sizes = store.sizes();
    let last_event = |source: &Source| {
        let newest = standing.newest.iter().find(|(id, _)| *id == source.id);
        (source.name.clone(), newest.map_or(0, |(_, at)| at.0))
    };
    // A source that is not configured any more gets no pushes, and would never be quiet again. Each
    // reason is there from the first scrape, so that its first refusal is seen as an increase.
    let refusals = sources.iter().flat_map(|source| {
        RefusalReason::ALL.map(|reason| {
            let counts = standing.refusals.iter();
            let mut counts = counts.filter(|it| it.source == source.name && it.reason == reason);
            let count = counts.next().map_or(0, |it| it.count);
            (source.name.clone(), reason.word(), count)
        })
    });
    Ok(Snapshot {
        open_runs: standing.open_runs,
        stale_runs: standing.stale_runs,
        last_events: sources.iter().map(last_event).collect(),
        held: standing.held,
        held_bytes: standing.held_bytes,
        refusals: refusals.collect(),
        strays: standing.strays,
        database_bytes: sizes.database,
        log_bytes: sizes.log,
        free_bytes: sizes.free,
        ..Snapshot::default()
    })
}
