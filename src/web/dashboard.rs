//! The dashboard's routes: all of them, on one screen, behind one guard.
//!
//! A list has its page, its `.json` and its downloads, a detail also its capture as `.http`. Where two patterns
//! fit, the first wins, so the one with the ending stands first. `/job` and `/run` are for ids that do
//! not fit into a path, see `asked.rs`.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{Error, FromRequest, Handler, Resource, Responder, Scope, guard, web};

use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RunFilter,
};
use crate::web::base_path::{enter, leave};
use crate::web::error::PageError;
use crate::web::guard::guard as dashboard_guard;
use crate::web::pages::lanes;
use crate::web::representation::represent;
use crate::web::{
    captures, decisions, downloads, health, import, json, live, openapi, pages, prune, rebuild,
    requests, settings, statics,
};

/// Returns everything that the dashboard answers. Needs `web::Data<AppState>` in the app around it,
/// and takes every path, so a receiver at the same address has to be asked before it.
pub fn scope() -> Scope<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    web::scope("")
        .wrap(from_fn(dashboard_guard))
        .wrap(from_fn(leave))
        .wrap(from_fn(represent))
        .wrap(from_fn(enter))
        .wrap(from_fn(requests::named))
        .configure(whole_lists)
        .service(reads("/", pages::overview::show))
        .service(reads("/overview.json", pages::overview::show_json))
        .service(reads("/operations", pages::operations::show))
        .service(reads("/operations.json", pages::operations::show_json))
        .service(reads("/completeness", pages::completeness::show))
        .service(reads("/completeness.json", pages::completeness::show_json))
        .service(reads("/connect", pages::connect::show))
        .service(reads("/connect.json", pages::connect::show_json))
        .service(reads("/queues/{queue}.json", lanes::queue::show_json))
        .service(reads("/queues/{queue}", lanes::queue::show))
        .service(reads("/workflows/{id}.json", lanes::workflow::show_json))
        .service(reads("/workflows/{id}", lanes::workflow::show))
        .service(reads("/jobs", pages::jobs::list))
        .service(reads("/jobs.json", json::list::<JobFilter>))
        .service(reads("/jobs/{id}.json", json::job))
        .service(reads("/jobs/{id}", pages::job::show))
        .service(reads("/job.json", json::job))
        .service(reads("/job", pages::job::show))
        .service(reads("/runs", pages::runs::list))
        .service(reads("/runs.json", json::list::<RunFilter>))
        .service(reads("/runs/{id}.json", json::run))
        .service(reads("/runs/{id}", pages::run::show))
        .service(reads("/run.json", json::run))
        .service(reads("/run", pages::run::show))
        .service(reads("/activities", pages::activities::list))
        .service(reads("/activities.json", json::list::<ActivityFilter>))
        .service(reads("/events", pages::events::list))
        .service(reads("/events.json", json::list::<EventFilter>))
        .service(reads("/deliveries", pages::deliveries::list))
        .service(reads("/deliveries.json", json::list::<DeliveryFilter>))
        .service(reads("/deliveries/{id}.json", json::delivery))
        .service(reads("/deliveries/{id}.http", captures::delivery))
        .service(reads("/deliveries/{id}", pages::delivery::show))
        .service(reads("/held", pages::held::list))
        .service(reads("/held.json", json::list::<HeldFilter>))
        .service(changes("/held/{id}/admit", decisions::admit))
        .service(changes("/held/{id}/allow-owner", decisions::allow_owner))
        .service(changes("/held/{id}/allow-topic", decisions::allow_topic))
        .service(changes("/held/{id}/drop", decisions::drop_held))
        .service(reads("/held/{id}.json", json::held))
        .service(reads("/held/{id}.http", captures::held))
        .service(reads("/held/{id}", pages::held::show))
        .service(reads("/refusals", pages::refusals::list))
        .service(reads("/refusals.json", json::refusals))
        .service(reads("/refusals/{id}.json", json::refusal))
        .service(reads("/refusals/{id}.http", captures::refusal))
        .service(reads("/refusals/{id}", pages::refusals::show))
        .service(reads("/live", live::stream))
        .service(changes("/rebuild", rebuild::rebuild))
        .service(changes("/import", import::import))
        .service(changes("/prune", prune::prune))
        .service(both("/settings", pages::settings::show, settings::change))
        .service(reads("/healthz", health::live))
        .service(reads("/readyz", health::ready))
        .service(reads("/metrics", health::metrics))
        .service(reads("/openapi.json", openapi::show))
        .service(reads("/static/style.css", statics::style))
        .service(reads("/static/charts.css", statics::charts))
        .service(reads("/static/page.js", statics::script))
        .service(reads("/static/live.js", statics::live))
        .service(reads("/static/keys.js", statics::keys))
        .service(reads("/static/icon.svg", statics::icon))
        .default_service(web::to(no_such_page))
}

/// The lists as downloads, whole.
fn whole_lists(config: &mut web::ServiceConfig) {
    config
        .service(reads("/jobs.csv", downloads::give))
        .service(reads("/jobs.ndjson", downloads::give))
        .service(reads("/runs.csv", downloads::give))
        .service(reads("/runs.ndjson", downloads::give))
        .service(reads("/activities.csv", downloads::give))
        .service(reads("/activities.ndjson", downloads::give))
        .service(reads("/events.csv", downloads::give))
        .service(reads("/events.ndjson", downloads::give))
        .service(reads("/events.cloudevents", downloads::give))
        .service(reads("/events.cloudevents.ndjson", downloads::give))
        .service(reads("/deliveries.csv", downloads::give))
        .service(reads("/deliveries.ndjson", downloads::give))
        .service(reads("/held.csv", downloads::give))
        .service(reads("/held.ndjson", downloads::give))
        .service(reads("/refusals.csv", downloads::give))
        .service(reads("/refusals.ndjson", downloads::give));
}

/// A path that is only read. HEAD is GET without the body, which the server leaves out.
fn reads<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder<Body: MessageBody> + 'static,
{
    let is_read = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(is_read).to(handler))
        .default_service(web::to(only_get))
}

/// A path that changes something.
fn changes<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder<Body: MessageBody> + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(only_post))
}

/// A path that shows a form and takes it.
fn both<S, T, F, Args>(path: &str, show: S, take: F) -> Resource
where
    S: Handler<T>,
    T: FromRequest + 'static,
    S::Output: Responder<Body: MessageBody> + 'static,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder<Body: MessageBody> + 'static,
{
    reads(path, show).route(web::post().to(take))
}

async fn no_such_page() -> Result<&'static str, PageError> {
    Err(PageError::NoSuchPage)
}

async fn only_get() -> Result<&'static str, PageError> {
    Err(PageError::MethodNotAllowed { allow: "GET, HEAD" })
}

async fn only_post() -> Result<&'static str, PageError> {
    Err(PageError::MethodNotAllowed { allow: "POST" })
}
