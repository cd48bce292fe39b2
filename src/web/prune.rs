//! `POST /prune`: the running server takes away what is old, told line by line.
//!
//! For `mpsink prune` on this machine alone, which has the key of the lock file. How long things are
//! kept is what the server is configured with, unless the query string says otherwise.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::ingest::prune::{PruneOrder, PruneReport};
use crate::store::retention::kept::{HISTORY_MS_MIN, Kept, MESSAGES_MS_MIN, Retention};
use crate::web::error::PageError;
use crate::web::guard::{Asker, may_change};
use crate::web::lists::{Expected, Given, QueryError};
use crate::web::rebuild::{SHOWN_CHARS_MAX, is_dry_run};
use crate::web::state::AppState;
use crate::web::told::told;

/// What of the query string is known.
const KNOWN: &[&str] = &["dry_run", "messages", "history"];

/// Takes away what is old, once another prune has come to its end, and tells how it goes.
pub async fn prune(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    match may_change(&request)? {
        Asker::Command => {}
        // No page has a button for it: what is gone is gone.
        Asker::Person | Asker::Script => return Err(PageError::WrongKey),
    }
    let given = Given::parse(request.query_string(), KNOWN)?;
    let Retention { messages, history } = state.retention;
    let order = PruneOrder {
        retention: Retention {
            messages: kept(&given, "messages", messages, MESSAGES_MS_MIN)?,
            history: kept(&given, "history", history, HISTORY_MS_MIN)?,
        },
        dry_run: is_dry_run(&given)?,
        is_by_itself: false,
    };
    Ok(told("prune", PruneReport::log, move |tell| async move {
        let prune = state.ingest.begin_prune().await;
        prune.run(order, tell).await
    }))
}

fn kept(given: &Given, name: &'static str, default: Kept, ms_min: i64) -> Result<Kept, QueryError> {
    match given.find(name) {
        None => Ok(default),
        Some(text) => Kept::parse_from(text, ms_min).ok_or_else(|| QueryError::Bad {
            name,
            found: text.chars().take(SHOWN_CHARS_MAX).collect(),
            expected: Expected::Kept,
        }),
    }
}
