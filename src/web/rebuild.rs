//! `POST /rebuild`: a rebuild in the running server, told line by line.
//!
//! For `mpsink rebuild` on this machine alone, which has the key of the lock file.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::ingest::rebuild::report::RebuildReport;
use crate::web::error::PageError;
use crate::web::guard::{Asker, may_change};
use crate::web::lists::{Choice, Expected, Given, QueryError};
use crate::web::state::AppState;
use crate::web::told::told;

/// What of the query string is known.
const KNOWN: &[&str] = &["dry_run"];

/// The most characters of a wrong value that are repeated.
pub(super) const SHOWN_CHARS_MAX: usize = 40;

/// Starts a rebuild and tells how it goes.
pub async fn rebuild(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    match may_change(&request)? {
        Asker::Command => {}
        // No page has a button for it: it needs a terminal that shows how it goes.
        Asker::Person | Asker::Script => return Err(PageError::WrongKey),
    }
    let given = Given::parse(request.query_string(), KNOWN)?;
    let dry_run = is_dry_run(&given)?;
    let rebuild = state.ingest.begin_rebuild();
    let rebuild = rebuild.map_err(|_| PageError::RebuildUnderWay)?;
    Ok(told("rebuild", RebuildReport::log, |tell| {
        rebuild.run(dry_run, tell)
    }))
}

/// Reads `dry_run`, which is not when it is left out.
pub(super) fn is_dry_run(given: &Given) -> Result<bool, QueryError> {
    match given.find("dry_run") {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(QueryError::Bad {
            name: "dry_run",
            found: other.chars().take(SHOWN_CHARS_MAX).collect(),
            expected: Expected::OneOf(Choice::ZeroOrOne),
        }),
    }
}
