//! `POST /rebuild`: a rebuild in the running server, told line by line.
//!
//! For `mpsink rebuild` on this machine alone, which has the key of the lock file. The answer is 200
//! as soon as the rebuild has its turn, then a line of JSON for each piece and a last one with the
//! report or the error. When nobody reads any more, the rebuild stops behind its piece.

use std::convert::Infallible;
use std::error::Error;
use std::ops::ControlFlow;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::ingest::rebuild::{Progress, RebuildReport};
use crate::web::error::PageError;
use crate::web::guard::{Asker, may_change};
use crate::web::lists::{Choice, Expected, Given, QueryError};
use crate::web::state::AppState;

/// What of the query string is known.
const KNOWN: &[&str] = &["dry_run"];

/// Lines waiting for a reader that is slow: beyond it progress is left out, never the end.
pub(super) const LINES_MAX: usize = 16;

/// The most characters of a wrong value that are repeated.
const SHOWN_CHARS_MAX: usize = 40;

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Progress(Progress),
    /// The last line of a rebuild that came to its end.
    Report(RebuildReport),
    /// The last line of one that did not, and why.
    Error(String),
}

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
    let dry_run = is_dry_run(request.query_string())?;
    let rebuild = state.ingest.begin_rebuild();
    let rebuild = rebuild.map_err(|_| PageError::RebuildUnderWay)?;
    let (lines, reader) = mpsc::channel::<Line>(LINES_MAX);
    rt::spawn(async move {
        let to_reader = lines.clone();
        let result = rebuild.run(dry_run, move |progress| {
            match to_reader.try_send(Line::Progress(*progress)) {
                Ok(()) | Err(TrySendError::Full(_)) => ControlFlow::Continue(()),
                Err(TrySendError::Closed(_)) => ControlFlow::Break(()),
            }
        });
        let last = match result.await {
            Ok(report) => {
                tracing::info!(?report, "a rebuild has come to its end");
                Line::Report(report)
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "a rebuild did not come to its end");
                Line::Error(error)
            }
        };
        let _ = lines.send(last).await;
    });
    Ok(told(reader))
}

fn is_dry_run(query: &str) -> Result<bool, QueryError> {
    let given = Given::parse(query, KNOWN)?;
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

/// Answers with the lines as they come, until their sender ends.
pub(super) fn told<T: Serialize + 'static>(reader: mpsc::Receiver<T>) -> HttpResponse {
    let body = stream::unfold(reader, async |mut reader| {
        // A line has nothing in it that cannot be JSON.
        let mut bytes = serde_json::to_vec(&reader.recv().await?).unwrap_or_default();
        bytes.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), reader))
    });
    HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .streaming(body)
}

/// Returns an error with all of its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
