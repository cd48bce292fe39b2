//! Histories out over HTTP: `/jobs.csv`, `/jobs.ndjson` and so on, whole and in constant memory.
//!
//! A download is pulled by its connection: when there is room for more, one step of the
//! [`Export`] is made on a thread that may wait, and its bytes are passed on in small pieces. Between
//! the steps it holds no connection to the store. So a slow reader costs a place among
//! [`Downloads`] and the rows of one step, and one who stops reading loses both after a while.
//!
//! **Architecture invariant:** the chunked body gets its end only after [`Step::End`]. On a fault,
//! when the server stops or when the reader is too slow, the connection is cut, so that the
//! reader sees a download that failed (curl: exit code 18) and never a short file that looks whole.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::BlockingError;
use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, rt, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use crate::causes::chain;
use crate::export::{Export, ExportError, Format, Step};
use crate::ingest::rests::Rests;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::web::error::PageError;
use crate::web::exports::Ask;
use crate::web::peer::Peer;
use crate::web::representation::accepts_gzip;
use crate::web::state::AppState;

/// Bytes passed on at once. Each piece that a reader takes proves that it still reads, so it must not
/// be long: at 64 KiB the slowest reader that is waited for is much slower than any line.
const PIECE_BYTES: usize = 64 * 1024;

/// How often a step is tried while others keep the readers busy. Each try waits for two seconds.
const BUSY_TRIES: u32 = 15;

/// The downloads under way, of which there may be only so many.
pub struct Downloads {
    places: Arc<Semaphore>,
    at_once: usize,
    stall_max: Duration,
    stopping: watch::Sender<bool>,
}

impl Downloads {
    /// Makes room for so many at once; a reader that takes nothing for `stall_max` is cut off.
    pub fn new(at_once: usize, stall_max: Duration) -> Downloads {
        Downloads {
            places: Arc::new(Semaphore::new(at_once)),
            at_once,
            stall_max,
            stopping: watch::Sender::new(false),
        }
    }

    /// Cuts all off, and each that would still begin.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns how many are under way.
    pub fn running(&self) -> u64 {
        let free = self.places.available_permits();
        self.at_once.saturating_sub(free) as u64
    }

    fn take_place(&self) -> Result<OwnedSemaphorePermit, PageError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| PageError::TooManyExports)
    }
}

/// Why a download was cut off.
#[derive(Debug, Error)]
enum Broken {
    #[error("the reader has left")]
    ReaderLeft,
    #[error("the server stops")]
    Stopping,
    #[error("cannot go on with an export")]
    Export(#[from] ExportError),
    #[error("cannot compress an export")]
    Compress(#[from] io::Error),
    #[error("the threads are gone")]
    NoThread(#[from] BlockingError),
}

/// Answers the address of an export.
pub async fn give(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let now = state.clock.now();
    let ask = Ask::parse(request.path(), request.query_string(), now, state.is_test)?;
    let Some(ask) = ask else {
        return Err(PageError::NoSuchPage);
    };
    let is_gzip = accepts_gzip(request.headers());
    let mut response = head(&ask, is_gzip);
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Broken>>()));
    }
    let place = state.downloads.take_place()?;
    let store = state.store.clone();
    let export = web::block(move || Export::begin(&store, ask.selection, ask.options)).await;
    let export = match export {
        Ok(Ok(export)) => export,
        Ok(Err(ExportError::NoEvents { .. })) => return Err(PageError::NoSuchPage),
        Ok(Err(ExportError::Read(error))) => return Err(error.into()),
        Ok(Err(error @ ExportError::Write(_))) => return Err(PageError::unavailable(error)),
        Err(error) => return Err(PageError::unavailable(error)),
    };
    state.metrics.export_begun();
    let peer = Peer::of(&request);
    let (taken, watched) = watch::channel(());
    let stopping = state.downloads.stopping.subscribe();
    rt::spawn(watch_over(
        peer.clone(),
        watched,
        stopping.clone(),
        state.downloads.stall_max,
    ));
    let flow = Flow {
        export,
        store: state.store.clone(),
        packer: if is_gzip {
            Packer::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))
        } else {
            Packer::Plain
        },
        rest: Bytes::new(),
        is_over: false,
        peer,
        rests: state.ingest.rests().clone(),
        taken,
        stopping,
        _place: place,
    };
    Ok(response.streaming(stream::try_unfold(flow, next)))
}

fn head(ask: &Ask, is_gzip: bool) -> HttpResponseBuilder {
    let content_type = match ask.options.format {
        Format::Csv | Format::ExcelCsv => "text/csv; charset=utf-8; header=present",
        Format::JsonLines | Format::CloudEventLines => "application/x-ndjson",
        Format::Json => "application/json",
        Format::CloudEvents => "application/cloudevents-batch+json",
    };
    let disposition = format!("attachment; filename=\"{}\"", ask.file_name);
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    if is_gzip {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    response
}

/// Hangs up when the server stops or when nothing was taken for so long; ends with the download.
async fn watch_over(
    peer: Peer,
    mut watched: watch::Receiver<()>,
    mut stopping: watch::Receiver<bool>,
    stall_max: Duration,
) {
    loop {
        tokio::select! {
            taken = watched.changed() => if taken.is_err() {
                return;
            },
            _ = stopping.wait_for(|is_stopping| *is_stopping) => break,
            () = sleep(stall_max) => {
                tracing::warn!("a download was cut off: its reader takes nothing any more");
                break;
            }
        }
    }
    peer.hang_up();
}

/// A download between two pieces.
struct Flow {
    export: Export,
    store: Store,
    packer: Packer,
    /// What the last step gave and was not passed on yet.
    rest: Bytes,
    is_over: bool,
    peer: Peer,
    rests: Rests,
    /// Is told of each piece; its end is the end of the download.
    taken: watch::Sender<()>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// Gives the next piece. Dropping it in the middle of a step loses the step, which nobody wants then.
async fn next(mut flow: Flow) -> Result<Option<(Bytes, Flow)>, Broken> {
    flow.taken.send_replace(());
    while flow.rest.is_empty() {
        if flow.is_over {
            return Ok(None);
        }
        if *flow.stopping.borrow() {
            return Err(Broken::Stopping);
        }
        if flow.peer.has_left() {
            return Err(Broken::ReaderLeft);
        }
        let begun = flow.rests.begin();
        flow = web::block(move || flow.step()).await??;
        begun.rest().await;
        // Searching is work, resting is due, and neither is the reader's fault.
        flow.taken.send_replace(());
    }
    let bytes = flow.rest.len().min(PIECE_BYTES);
    let piece = flow.rest.split_to(bytes);
    Ok(Some((piece, flow)))
}

impl Flow {
    fn step(mut self) -> Result<Flow, Broken> {
        let step = self.export_step().inspect_err(|error| {
            tracing::warn!(error = chain(error), "a download was cut off");
        })?;
        match step {
            Step::Chunk(bytes) => self.rest = self.packer.pack(bytes)?.into(),
            Step::Searching => {}
            Step::End => {
                self.rest = self.packer.end()?.into();
                self.is_over = true;
            }
        }
        Ok(self)
    }

    fn export_step(&mut self) -> Result<Step, ExportError> {
        let mut tries = 1;
        loop {
            match self.export.step(&self.store) {
                Err(ExportError::Read(ReadError::Busy)) if tries < BUSY_TRIES => tries += 1,
                result => return result,
            }
        }
    }
}

/// Compresses what goes out, if that was agreed.
enum Packer {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
}

impl Packer {
    /// Gives all that can be read of `bytes` at once: a reader waits for no later step.
    fn pack(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Packer::Plain => Ok(bytes),
            Packer::Gzip(encoder) => {
                encoder.write_all(&bytes)?;
                encoder.flush()?;
                Ok(mem::take(encoder.get_mut()))
            }
        }
    }

    fn end(&mut self) -> io::Result<Vec<u8>> {
        match mem::replace(self, Packer::Plain) {
            Packer::Plain => Ok(Vec::new()),
            Packer::Gzip(encoder) => encoder.finish(),
        }
    }
}
