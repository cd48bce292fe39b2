//! `mpsink import`: the deliveries of another sink, so that two receivers on two subscriptions of one
//! topic make one history.
//!
//! Each is read again from its capture and appended by its key, with the time at which the other one
//! received it. What is here already stays as it is, so importing twice is importing once, and two
//! sinks may import each other. A delivery goes to the source of the same name here, else to the only
//! one there is, and has that source's region and queue: a key with another region would make two of
//! one message.
//!
//! What is older than what age has taken here stays out (`store/retention/`).
//!
//! Not taken over: what the other one held or refused, whom it lets in, and its configuration.
//!
//! **Architecture invariant:** only what the other one admitted is read, since only that is a delivery
//! there; so this may vouch for it. Whoever can give us another database can write to ours.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::envelope;
use crate::ingest::Ingest;
use crate::ingest::rebuild::patiently;
use crate::mps;
use crate::notification::Admitted;
use crate::notification::delivery::Delivery;
use crate::notification::source::{Source, SourceId};
use crate::store::errors::{OpenError, ReadError, WriteError};
use crate::store::options::Purpose;
use crate::store::rebuild::KeptPush;
use crate::store::records::RowId;
use crate::store::scan_records::Table;
use crate::store::{Arrival, OwnerRule, Store};

/// An import that may begin: there is no other one and no rebuild.
pub struct Import {
    store: Store,
    sources: Vec<Source>,
    /// Given back when this is dropped.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// How far an import has come: the number of the other one's last delivery that was looked at, and of
/// the last there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProgress {
    pub done: RowId,
    pub last: RowId,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Messages that were not here.
    pub stored: u64,
    /// Messages that were here.
    pub known: u64,
    /// Messages that were not taken, since another one has their key here.
    pub different: u64,
    /// Messages that were not taken, since they are older than what age has taken here.
    #[serde(default)]
    pub forgotten: u64,
    /// Deliveries whose message the other one does not keep any more.
    pub emptied: u64,
}

impl ImportReport {
    /// Logs each number under its name.
    pub fn log(&self) {
        tracing::info!(
            what = "import",
            stored = self.stored,
            known = self.known,
            different = self.different,
            forgotten = self.forgotten,
            emptied = self.emptied,
            "another sink's deliveries have been imported"
        );
    }
}

/// Why an import does not begin or did not come to its end. What it did until then stays, and it can be
/// begun again.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("a rebuild or an import is under way already; wait for its end")]
    UnderWay,
    #[error("nobody is waiting for the import any more")]
    Left,
    #[error("cannot read what is to be imported")]
    Open(#[from] OpenError),
    #[error("{} is this very database; name another one", path.display())]
    Itself { path: PathBuf },
    #[error("{} holds test pushes, which never go into a record", path.display())]
    TestIntoRecord { path: PathBuf },
    #[error("{} is a record, which never goes into a database of test pushes", path.display())]
    RecordIntoTest { path: PathBuf },
    #[error("there is no source `{name}` here, and several others; name one so under [[source]]")]
    NoSource { name: String },
    #[error("cannot read the database")]
    Read(#[from] ReadError),
    #[error("cannot write what was read")]
    Write(#[from] WriteError),
}

impl Ingest {
    /// Takes the turn of the one import or rebuild that there may be at a time.
    pub fn begin_import(&self) -> Result<Import, ImportError> {
        let turn = Arc::clone(&self.rebuilding).try_lock_owned();
        Ok(Import {
            store: self.store.clone(),
            sources: self.doors.sources(),
            _turn: Some(turn.map_err(|_| ImportError::UnderWay)?),
        })
    }
}

impl Import {
    /// An import into a store that no server serves; `sources` as they are configured now.
    pub fn alone(store: Store, sources: Vec<Source>) -> Import {
        Import {
            store,
            sources,
            _turn: None,
        }
    }

    /// Runs to the end of what the other database has now. `progress` is told of each piece, and may
    /// break off behind it.
    pub async fn run(
        self,
        path: PathBuf,
        mut progress: impl FnMut(&ImportProgress) -> ControlFlow<()>,
    ) -> Result<ImportReport, ImportError> {
        let store = self.store.clone();
        let other = blocking(move || open(&store, path)).await?;
        let places = blocking({
            let other = other.clone();
            let sources = self.sources.clone();
            move || places(&other, &sources)
        });
        let places = Arc::new(places.await?);
        let asked = other.clone();
        let last = blocking(move || Ok(asked.last_row(Table::Deliveries)?)).await?;
        let mut report = ImportReport::default();
        let mut done = 0;
        while done < last {
            let (asked, places) = (other.clone(), Arc::clone(&places));
            let piece = blocking(move || read(&asked, &places, done, last)).await?;
            let Some(reached) = piece.reached else { break };
            let arrivals = Arc::new(piece.arrivals);
            let imported = patiently(async || self.store.import(Arc::clone(&arrivals)).await);
            let imported = imported.await?;
            report.stored += imported.stored;
            report.known += imported.known;
            report.different += imported.different;
            report.forgotten += imported.forgotten;
            report.emptied += piece.emptied;
            done = reached;
            if progress(&ImportProgress { done, last }).is_break() {
                return Err(ImportError::Left);
            }
        }
        Ok(report)
    }
}

/// Opens the other database, if it is one to import from.
fn open(store: &Store, path: PathBuf) -> Result<Store, ImportError> {
    let other = Store::open_reading(&path, Vec::new(), Clock::system())?;
    if store.is_same_file(&other)? {
        return Err(ImportError::Itself { path });
    }
    match (other.purpose(), store.purpose()) {
        (Purpose::Try, Purpose::Record) => Err(ImportError::TestIntoRecord { path }),
        (Purpose::Record, Purpose::Try) => Err(ImportError::RecordIntoTest { path }),
        (Purpose::Record, Purpose::Record) | (Purpose::Try, Purpose::Try) => Ok(other),
    }
}

/// Finds for each source of the other database the one here.
fn places(other: &Store, sources: &[Source]) -> Result<HashMap<SourceId, Source>, ImportError> {
    let mut places = HashMap::new();
    for (id, name) in other.source_names()? {
        let place = match (sources.iter().find(|source| source.name == name), sources) {
            (Some(same), _) => same,
            (None, [only]) => only,
            (None, _) => return Err(ImportError::NoSource { name }),
        };
        places.insert(id, place.clone());
    }
    Ok(places)
}

/// A page of the other database's deliveries, ready to be stored here.
struct Piece {
    arrivals: Vec<Arrival>,
    emptied: u64,
    /// The number of its last delivery; `None` if there is none.
    reached: Option<RowId>,
}

fn read(
    other: &Store,
    places: &HashMap<SourceId, Source>,
    after: RowId,
    last: RowId,
) -> Result<Piece, ImportError> {
    let pushes = other.page_kept_pushes(after, last)?;
    let mut piece = Piece {
        arrivals: Vec::with_capacity(pushes.len()),
        emptied: 0,
        reached: pushes.last().map(|push| push.id),
    };
    for KeptPush { delivery, .. } in pushes {
        let place = delivery
            .as_ref()
            .and_then(|delivery| places.get(&delivery.source));
        match (delivery, place) {
            (Some(delivery), Some(source)) => piece.arrivals.push(arrival(source, delivery)),
            _ => piece.emptied += 1,
        }
    }
    Ok(piece)
}

/// Reads a push of the other sink as if it had just been let in here, when it came there.
fn arrival(source: &Source, delivery: Delivery) -> Arrival {
    let delivery = Delivery {
        source: source.id,
        ..delivery
    };
    let notification = envelope::parse(&delivery);
    let md5_mismatch = envelope::md5_mismatch(&notification);
    let notification = Admitted::vouch_for(notification);
    Arrival {
        events: mps::events(&notification),
        delivery,
        notification,
        region: source.region.clone(),
        queue: source.queue.clone(),
        md5_mismatch,
        owner: OwnerRule::Checked,
        from_held: None,
    }
}

/// Reads off the async threads.
async fn blocking<R: Send + 'static>(
    read: impl FnOnce() -> Result<R, ImportError> + Send + 'static,
) -> Result<R, ImportError> {
    // The thread can only fail by a panic or at the server's end.
    let result = spawn_blocking(read).await;
    result.unwrap_or(Err(ImportError::Read(ReadError::Busy)))
}
