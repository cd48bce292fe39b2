//! `POST /import?path=…`: another sink's deliveries into the running server, told line by line.
//!
//! For `mpsink import` on this machine alone, which has the key of the lock file: whoever can read
//! that can read and write what this server can.

use std::path::PathBuf;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::ingest::import::ImportReport;
use crate::web::error::PageError;
use crate::web::guard::{Asker, may_change};
use crate::web::lists::Given;
use crate::web::state::AppState;
use crate::web::told::told;

/// What of the query string is known.
const KNOWN: &[&str] = &["path"];

/// Starts an import and tells how it goes.
pub async fn import(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    match may_change(&request)? {
        Asker::Command => {}
        // No page has a button for it: it names a file on this machine.
        Asker::Person | Asker::Script => return Err(PageError::WrongKey),
    }
    let given = Given::parse(request.query_string(), KNOWN)?;
    let path = PathBuf::from(given.text("path"));
    let import = state.ingest.begin_import();
    let import = import.map_err(|_| PageError::RebuildUnderWay)?;
    Ok(told("import", ImportReport::log, |tell| {
        import.run(path, tell)
    }))
}
