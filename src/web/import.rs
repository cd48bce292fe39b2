//! `POST /import?path=…`: another sink's deliveries into the running server, told line by line.
//!
//! For `mpsink import` on this machine alone, which has the key of the lock file: whoever can read
//! that can read and write what this server can. Like a rebuild, the answer is 200 as soon as it has
//! its turn, then a line of JSON for each piece and a last one with the report or the error; when
//! nobody reads any more, it stops behind its piece.

use std::ops::ControlFlow;
use std::path::PathBuf;

use actix_web::{HttpRequest, HttpResponse, rt, web};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::ingest::import::{ImportProgress, ImportReport};
use crate::web::error::PageError;
use crate::web::guard::{Asker, may_change};
use crate::web::lists::Given;
use crate::web::rebuild::{LINES_MAX, chain, told};
use crate::web::state::AppState;

/// What of the query string is known.
const KNOWN: &[&str] = &["path"];

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportLine {
    Progress(ImportProgress),
    /// The last line of an import that came to its end.
    Report(ImportReport),
    /// The last line of one that did not, and why.
    Error(String),
}

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
    let (lines, reader) = mpsc::channel::<ImportLine>(LINES_MAX);
    rt::spawn(async move {
        let to_reader = lines.clone();
        let result = import.run(path, move |progress| {
            match to_reader.try_send(ImportLine::Progress(*progress)) {
                Ok(()) | Err(TrySendError::Full(_)) => ControlFlow::Continue(()),
                Err(TrySendError::Closed(_)) => ControlFlow::Break(()),
            }
        });
        let last = match result.await {
            Ok(report) => {
                tracing::info!(?report, "an import has come to its end");
                ImportLine::Report(report)
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "an import did not come to its end");
                ImportLine::Error(error)
            }
        };
        let _ = lines.send(last).await;
    });
    Ok(told(reader))
}
