//! What every handler is given: one value, built by `app` before the servers start.

use std::sync::Arc;

use chrono_tz::Tz;

use crate::clock::Clock;
use crate::ingest::Ingest;
use crate::notification::source::Source;
use crate::store::Store;
use crate::store::retention::kept::Retention;
use crate::web::downloads::Downloads;
use crate::web::live::Live;
use crate::web::receiver::{InFlight, Paths};

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
    pub clock: Clock,
    /// How long things are kept.
    pub retention: Retention,
    /// The URL to register in the SMQ console, with the secret path.
    pub endpoint: String,
    /// The host in it is configured, and not only what this machine calls itself.
    pub has_public_url: bool,
    /// What commands on this machine send as `Authorization: Bearer …`; new at each start.
    pub control_key: String,
    /// The zone of times on pages, for viewers who have chosen none.
    pub zone: Tz,
    /// The database holds test pushes, and every page says so.
    pub is_test: bool,
}
