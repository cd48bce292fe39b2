//! `/live`: tells open pages that something was written, as server-sent events.
//!
//! An event says no more than a number; `static/live.js` then reads its page again, so that there is
//! one way to make a page. A viewer is told at most once in [`LiveOptions::event_every`], of
//! everything since, and waits for the writer in between at no cost to it. The number in an event's
//! id is behind a word that is new with each start: an id of an earlier start is always one of
//! somebody who has missed something.
//!
//! Viewers and those who wait (`waiting.rs`) are bounded each, by [`LiveOptions`]: one more is 503.
//! [`Live::end`] ends them all, which has to come first when the server stops, since it waits for
//! answers under way and these would not end by themselves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Timestamp;
use crate::store::changes::Changes;
use crate::web::error::PageError;
use crate::web::lists::{Given, QueryError};
use crate::web::state::AppState;

/// How long a stream may be silent. Proxies cut connections that are silent for a minute, and a
/// client that is gone without a word is noticed by what cannot be sent to it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a browser waits before it connects again, in milliseconds: longer than a restart takes.
const RECONNECT_MS: u32 = 2_000;

/// The longest id that is looked at; ours have 30 characters at most.
const ID_BYTES_MAX: usize = 64;

/// The parameter that says what is known, for whoever cannot send `Last-Event-ID`.
const AFTER: &str = "after";

/// How many may listen, and how often they are told.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions {
    /// Streams of `/live` at once.
    pub viewers_max: usize,
    /// Requests with `?wait=` at once that do wait.
    pub waiters_max: usize,
    /// The shortest time between two events of one stream.
    pub event_every: Duration,
}

/// Everyone who listens.
pub struct Live {
    changes: Changes,
    /// What ids of this start of the server begin with.
    start: String,
    viewers: Arc<Semaphore>,
    viewers_max: usize,
    waiters: Arc<Semaphore>,
    event_every: Duration,
    ending: watch::Sender<bool>,
}

/// A place among those who listen, given back when it is dropped.
pub struct Place {
    ending: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    /// `start` is a word that no other start of the server has.
    pub fn new(changes: Changes, start: String, options: LiveOptions) -> Live {
        Live {
            changes,
            start,
            viewers: Arc::new(Semaphore::new(options.viewers_max)),
            viewers_max: options.viewers_max,
            waiters: Arc::new(Semaphore::new(options.waiters_max)),
            event_every: options.event_every,
            ending: watch::Sender::new(false),
        }
    }

    /// Ends all streams and all waiting, and lets nobody in any more.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Returns how many pages are kept up to date now.
    pub fn viewers(&self) -> u64 {
        let free = self.viewers.available_permits();
        self.viewers_max.saturating_sub(free) as u64
    }

    /// Returns a place among those who wait for a job or run.
    pub fn waiter(&self) -> Result<Place, PageError> {
        self.place(&self.waiters)
    }

    /// Returns the id of the state of things: what is read after this call is at least as new.
    pub fn id(&self) -> LiveId {
        LiveId(self.id_of(self.changes.latest()))
    }

    fn id_of(&self, commit: u64) -> String {
        format!("{}-{commit}", self.start)
    }

    /// Returns the commit that an id of this start is of.
    fn commit_of(&self, id: &str) -> Option<u64> {
        let rest = id.strip_prefix(&self.start)?;
        rest.strip_prefix('-')?.parse().ok()
    }

    fn place(&self, places: &Arc<Semaphore>) -> Result<Place, PageError> {
        let ending = self.ending.subscribe();
        let permit = Arc::clone(places).try_acquire_owned();
        match permit {
            Ok(permit) if !*ending.borrow() => Ok(Place {
                ending,
                _permit: permit,
            }),
            _ => Err(PageError::TooManyListeners),
        }
    }
}

impl Place {
    /// Returns when it has to be left.
    pub async fn ended(&mut self) {
        // An error says that the sender is gone, and so is the server.
        let _ = self.ending.wait_for(|is_ending| *is_ending).await;
    }
}

/// The id of what a page was made from, put on its request by the guard.
#[derive(Clone, Debug)]
pub struct LiveId(pub String);

/// Returns what the page of `request` was made from, if the page is one that changes: not one over a
/// stretch of the past, and no later page of a list.
pub fn live_id(request: &HttpRequest, now: Timestamp) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    let is_live = pairs.iter().all(|(name, value)| match name.as_str() {
        "cursor" => value.is_empty(),
        "to" => value.is_empty() || Timestamp::parse_rfc3339(value).is_some_and(|to| to > now),
        _ => true,
    });
    let extensions = request.extensions();
    let id = extensions.get::<LiveId>().filter(|_| is_live)?;
    Some(id.0.clone())
}

/// Answers `/live`. With an id, in `Last-Event-ID` or else in `?after=`, an event comes at once if
/// anything was written since; without, from now on.
pub async fn stream(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), &[AFTER])?;
    let last = request.headers().get("last-event-id");
    let last = last.and_then(|id| id.to_str().ok());
    let last = last.filter(|id| !id.is_empty()).or(given.find(AFTER));
    if last.is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(QueryError::Unreadable.into());
    }
    // The server would read the body of an answer to HEAD to its end, which never comes.
    if request.method() == Method::HEAD {
        return Ok(head().finish());
    }
    let live = Arc::clone(&state.live);
    let place = live.place(&live.viewers)?;
    let latest = live.changes.latest();
    let viewer = Viewer {
        changes: live.changes(),
        seen: match last {
            None => Some(latest),
            Some(id) => live.commit_of(id),
        },
        due: None,
        place,
        live,
    };
    let greeting = format!("retry: {RECONNECT_MS}\n\n");
    let texts = unfold((Some(greeting), viewer), |(greeting, mut viewer)| async {
        let text = match greeting {
            Some(greeting) => Some(greeting),
            None => viewer.next_text().await,
        };
        let bytes = web::Bytes::from(text?);
        Some((Ok::<_, Infallible>(bytes), (None, viewer)))
    });
    Ok(head().streaming(texts))
}

fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // A compressor would keep events back until it has enough of them.
        .insert_header((header::CONTENT_ENCODING, "identity"));
    response
}

/// One open stream.
struct Viewer {
    live: Arc<Live>,
    changes: Changes,
    /// The commit that it knows of; `None` if it knows of another start of the server.
    seen: Option<u64>,
    /// The next event comes no earlier.
    due: Option<Instant>,
    place: Place,
}

impl Viewer {
    /// Returns what is sent next; `None` at the end.
    async fn next_text(&mut self) -> Option<String> {
        let Viewer {
            live,
            changes,
            seen,
            due,
            place,
        } = self;
        let commit = async {
            if let Some(due) = *due {
                sleep_until(due).await;
            }
            match *seen {
                Some(seen) => changes.other_than(seen).await,
                None => Some(changes.latest()),
            }
        };
        let commit = tokio::select! {
            () = place.ended() => return None,
            commit = timeout(KEEP_ALIVE, commit) => commit,
        };
        let Ok(commit) = commit else {
            return Some(":\n\n".to_owned());
        };
        let commit = commit?;
        *seen = Some(commit);
        *due = Some(Instant::now() + live.event_every);
        Some(format!("id: {}\ndata: {commit}\n\n", live.id_of(commit)))
    }
}
