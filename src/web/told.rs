//! Long work for a command on this machine, told line by line: rebuild, import, prune.
//!
//! The answer is 200 as soon as the work has its turn, then a line of JSON for each piece and a last
//! one with the report or the error. A slow reader misses progress, never the end; when nobody reads
//! any more, the work stops behind its piece.

use std::convert::Infallible;
use std::error::Error;
use std::ops::ControlFlow;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, rt};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::causes::chain;

/// Lines waiting for a reader that is slow.
const LINES_MAX: usize = 16;

/// One line of the answer: of work that tells progress as `P` and ends with `R`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<P, R> {
    Progress(P),
    /// The last line of work that came to its end.
    Report(R),
    /// The last line of work that did not, and why.
    Error(String),
}

/// What the work is to call behind each piece.
pub(super) type Tell<P> = Box<dyn FnMut(&P) -> ControlFlow<()>>;

/// Starts the work, and answers with its lines as they come. `what` names it in the log if it does not
/// come to its end, and `log` writes down what came of it.
pub(super) fn told<P, R, E, F>(
    what: &'static str,
    log: fn(&R),
    begin: impl FnOnce(Tell<P>) -> F,
) -> HttpResponse
where
    P: Copy + Serialize + 'static,
    R: Serialize + 'static,
    E: Error + 'static,
    F: Future<Output = Result<R, E>> + 'static,
{
    let (lines, reader) = mpsc::channel::<Line<P, R>>(LINES_MAX);
    let to_reader = lines.clone();
    let work = begin(Box::new(move |progress| {
        match to_reader.try_send(Line::Progress(*progress)) {
            Ok(()) | Err(TrySendError::Full(_)) => ControlFlow::Continue(()),
            Err(TrySendError::Closed(_)) => ControlFlow::Break(()),
        }
    }));
    rt::spawn(async move {
        let last = match work.await {
            Ok(report) => {
                log(&report);
                Line::Report(report)
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(what, error, "work for a command did not come to its end");
                Line::Error(error)
            }
        };
        let _ = lines.send(last).await;
    });
    respond(reader)
}

fn respond<T: Serialize + 'static>(reader: mpsc::Receiver<T>) -> HttpResponse {
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
