//! Those who read while pushes come: open pages that follow `/live`, and downloads.
//!
//! They have a thread of their own, so that what they read does not delay the pushes' answers in
//! the load generator.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use serde::Serialize;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::load::wire::{Connection, get};

/// Who reads.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    pub(crate) viewers: usize,
    /// Each viewer reads the overview again after an event, as the script of the page does.
    pub(crate) is_reading_again: bool,
    pub(crate) downloads: usize,
    /// What is downloaded, over and over.
    pub(crate) download: String,
}

/// What they got.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Got {
    pub(crate) events: u64,
    pub(crate) pages: u64,
    pub(crate) downloads_begun: u64,
    pub(crate) downloaded: u64,
    /// Anything else than what was asked for.
    pub(crate) refused: u64,
}

/// Readers that read until they are ended.
pub(crate) struct Readers {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Got>>,
}

impl Readers {
    /// Returns when all are connected.
    pub(crate) fn start(address: SocketAddr, crowd: Crowd) -> anyhow::Result<Readers> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = channel();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            LocalSet::new().block_on(&runtime, async {
                let got = Rc::new(Cell::new(Got::default()));
                for _ in 0..crowd.viewers {
                    let stream = Connection::to(address).await?;
                    spawn_local(view(
                        address,
                        stream,
                        crowd.is_reading_again,
                        Rc::clone(&got),
                    ));
                }
                for _ in 0..crowd.downloads {
                    spawn_local(download(address, crowd.download.clone(), Rc::clone(&got)));
                }
                tell.send(())?;
                let _ = stopped.await;
                anyhow::Ok(got.get())
            })
        });
        told.recv().context("the readers could not connect")?;
        Ok(Readers { stop, thread })
    }

    pub(crate) fn end(self) -> anyhow::Result<Got> {
        drop(self.stop);
        self.thread
            .join()
            .map_err(|_| anyhow!("the readers have panicked"))?
    }
}

fn note(got: &Cell<Got>, change: impl FnOnce(&mut Got)) {
    let mut now = got.get();
    change(&mut now);
    got.set(now);
}

async fn view(
    address: SocketAddr,
    mut stream: Connection,
    is_reading_again: bool,
    got: Rc<Cell<Got>>,
) -> io::Result<()> {
    let status = stream
        .open(&get(address, "/live", "Accept: text/event-stream\r\n"))
        .await?;
    if status != 200 {
        note(&got, |got| got.refused += 1);
        return Ok(());
    }
    let overview = get(
        address,
        "/",
        "Accept: text/html\r\nAccept-Encoding: gzip\r\n",
    );
    // Browsers keep connections for a page's later requests.
    let mut page = None;
    let mut piece = [0; 4096];
    loop {
        let read = stream.read_some(&mut piece).await?;
        if read == 0 {
            note(&got, |got| got.refused += 1);
            return Ok(());
        }
        let text = piece.get(..read).unwrap_or_default();
        let is_event = text.windows(5).any(|five| five == b"data:");
        if !is_event {
            continue;
        }
        note(&got, |got| got.events += 1);
        if is_reading_again {
            let mut connection = match page.take() {
                Some(connection) => connection,
                None => Connection::to(address).await?,
            };
            match connection.exchange(&overview).await {
                Ok(200) => {
                    note(&got, |got| got.pages += 1);
                    page = Some(connection);
                }
                _ => note(&got, |got| got.refused += 1),
            }
        }
    }
}

async fn download(address: SocketAddr, path: String, got: Rc<Cell<Got>>) -> io::Result<()> {
    let mut piece = vec![0; 256 * 1024];
    loop {
        let mut connection = Connection::to(address).await?;
        let request = get(address, &path, "Connection: close\r\n");
        let status = connection.open(&request).await?;
        if status != 200 {
            note(&got, |got| got.refused += 1);
            return Ok(());
        }
        note(&got, |got| got.downloads_begun += 1);
        loop {
            let read = connection.read_some(&mut piece).await?;
            if read == 0 {
                break;
            }
            note(&got, |got| got.downloaded += read as u64);
        }
    }
}
