//! What every handler is given: one value, built by `app` before the servers start.

use std::sync::Arc;

use chrono_tz::Tz;

use crate::clock::Clock;
use crate::doctor::Setup;
use crate::doctor::gather::SyncLook;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::retention::kept::Retention;
use crate::web::access::Access;
use crate::web::base_path::BasePath;
use crate::web::downloads::Downloads;
use crate::web::health::LastLook;
use crate::web::live::Live;
use crate::web::proxies::TrustedProxies;
use crate::web::receiver::{InFlight, Paths};
use crate::web::requests::RequestIds;

/// The one state of both servers.
pub struct AppState {
    pub store: Store,
    pub ingest: Arc<Ingest>,
    pub sources: Vec<Source>,
    pub paths: Paths,
    pub in_flight: InFlight,
    /// Who is told of what is written.
    pub live: Arc<Live>,
    pub downloads: Downloads,
    pub metrics: Metrics,
    pub requests: RequestIds,
    pub last_look: LastLook,
    /// What `/operations` judges the configuration by.
    pub setup: Setup,
    pub syncs: SyncLook,
    pub clock: Clock,
    /// How long things are kept.
    pub retention: Retention,
    /// The URL to register in the SMQ console, with the secret path.
    pub endpoint: String,
    /// The host in it is configured, and not only what this machine calls itself.
    pub has_public_url: bool,
    /// Who may read and change what is here.
    pub access: Access,
    /// Whose word about a request's sender counts.
    pub trusted_proxies: TrustedProxies,
    /// What the dashboard's addresses begin with for whoever asks.
    pub base_path: BasePath,
    /// The zone of times on pages, for viewers who have chosen none.
    pub zone: Tz,
    /// The database holds test pushes, and every page says so.
    pub is_test: bool,
}
