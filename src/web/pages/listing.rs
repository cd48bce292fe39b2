//! One page of a list: its rows, how many there are in all, the pages beside it, and, where there
//! is no row, why.
//!
//! A page is for people, and sends no more than they can load: at most so many rows, and fewer where
//! these are long. What was left out is on the next page. JSON has bounds of its own.
//!
//! Why a list is empty is found by asking again with less: without its window, then without each of
//! its filters. Each of these asks for one row, and an answer that does not come in time is none.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::Found;
use crate::store::lane_records::Counted;
use crate::store::records::{Attention, Page};
use crate::web::cursors::{Cursors, List};
use crate::web::error::PageError;
use crate::web::lists::{Expected, Given, ListFilter, ListQuery, bad, has_empty};
use crate::web::pages::{Frame, Pager, sent, words, written};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The most rows that a page may be asked for: one is some 1,100 bytes.
pub const PAGE_ROWS_SHOWN_MAX: u32 = 250;

/// The most bytes that a page of a list sends, unless a single row is longer.
pub const PAGE_BYTES_MAX: usize = 500_000;

/// One page of a list.
#[derive(Clone, Debug)]
pub struct ListView<R> {
    pub list: List,
    pub rows: Vec<R>,
    pub counted: Counted,
    pub pager: Pager,
    pub given: Given,
    /// Why there is no row; `None` where there is one.
    pub empty: Option<Empty>,
}

impl<R> ListView<R> {
    /// Returns how many rows there are in all.
    pub fn count(&self, frame: &Frame) -> String {
        (frame.texts.lists.counted)(self.list, self.counted)
    }
}

/// Why a page of a list has no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Empty {
    /// Nothing of its kind ever came.
    Never,
    /// Nothing in the window, but before or after it.
    NotThen {
        newest_at: Timestamp,
        /// The list that begins with it.
        link: String,
    },
    /// There are rows, and none passes all the filters.
    NoMatch { without: Vec<Without> },
    /// None was found so far, and where to look on.
    NotYet { link: String },
    /// The place that the cursor names has no rows beside it any more.
    NotHere,
}

/// A list without one of its filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Without {
    /// The parameter's name.
    pub name: String,
    pub link: String,
    pub has_rows: bool,
}

/// A list's page as far as it was read.
pub struct Loaded<F: ListFilter> {
    pub view: ListView<F::Row>,
    pub attention: Attention,
    pub json: String,
}

/// Answers with the page of a list that `given` asks for, as `make` makes it of its rows.
pub async fn answer<F: ListFilter, P: Template>(
    state: &AppState,
    given: Given,
    make: impl Fn(Loaded<F>) -> P,
) -> Result<HttpResponse, PageError> {
    let mut rows_max = PAGE_ROWS_SHOWN_MAX;
    loop {
        let loaded = load::<F>(state, given.clone(), rows_max).await?;
        let rows = loaded.view.rows.len();
        let html = written(&make(loaded))?;
        if html.len() <= PAGE_BYTES_MAX || rows <= 1 {
            return Ok(sent(html));
        }
        // As many as had fitted if all were as long as these, and always fewer than before.
        let fitting = rows.saturating_mul(PAGE_BYTES_MAX) / html.len();
        rows_max = u32::try_from(fitting.clamp(1, rows - 1)).unwrap_or(1);
    }
}

/// Reads the page of a list that `given` asks for, with at most so many rows.
async fn load<F: ListFilter>(
    state: &AppState,
    given: Given,
    rows_max: u32,
) -> Result<Loaded<F>, PageError> {
    let now = state.clock.now();
    let query = ListQuery::<F>::of(given.clone(), now)?;
    if query.page.limit > PAGE_ROWS_SHOWN_MAX {
        return Err(bad(&given, "limit", Expected::LimitOfPage).into());
    }
    let (filter, asked) = (query.filter, given.clone());
    let page = Page {
        limit: query.page.limit.min(rows_max),
        ..query.page
    };
    let (listing, counted, attention, empty) = read(state, move |store| {
        let listing = filter.page(store, page)?;
        let counted = filter.count(store)?;
        let next = Cursors::of(F::LIST, &listing).next;
        let empty = if listing.items.is_empty() {
            Some(why_empty::<F>(store, &asked, next, now)?)
        } else {
            None
        };
        Ok((listing, counted, store.attention()?, empty))
    })
    .await?;
    let cursors = Cursors::of(F::LIST, &listing);
    Ok(Loaded {
        view: ListView {
            list: F::LIST,
            rows: listing.items,
            counted,
            pager: Pager::new(F::PATH, &given, cursors, empty.is_none()),
            empty,
            given: given.clone(),
        },
        attention,
        json: given.link(&format!("{}.json", F::PATH)),
    })
}

fn why_empty<F: ListFilter>(
    store: &Store,
    given: &Given,
    next: Option<String>,
    now: Timestamp,
) -> Result<Empty, ReadError> {
    if let Some(cursor) = next {
        let link = given.with("cursor", &cursor).link(F::PATH);
        return Ok(Empty::NotYet { link });
    }
    if given.find("cursor").is_some() {
        return Ok(Empty::NotHere);
    }
    if newest::<F>(store, &Given::default(), now)?.is_none() {
        return Ok(Empty::Never);
    }
    let timeless = given.with("from", "").with("to", "");
    for given in [given.with("from", ""), timeless.clone()] {
        if let Ok(Some(newest_at)) = newest::<F>(store, &given, now) {
            let link = given.link(F::PATH);
            return Ok(Empty::NotThen { newest_at, link });
        }
    }
    let without = given.filters().map(|(name, _)| {
        let less = given.with(name, "");
        Without {
            name: name.to_owned(),
            link: less.link(F::PATH),
            has_rows: matches!(newest::<F>(store, &less, now), Ok(Some(_))),
        }
    });
    let mut without: Vec<Without> = without.collect();
    without.sort_by_key(|less| !less.has_rows);
    Ok(Empty::NoMatch { without })
}

/// Returns when the newest row is that these parameters let through.
fn newest<F: ListFilter>(
    store: &Store,
    given: &Given,
    now: Timestamp,
) -> Result<Option<Timestamp>, ReadError> {
    // They were read once with more of them.
    let Ok(filter) = F::of(given, now) else {
        return Ok(None);
    };
    let listing = filter.page(store, Page::first(1))?;
    Ok(listing.items.first().map(F::at))
}

/// Returns the redirect to the same list at its plain address: without the empty fields of a form,
/// and with times that mean the same to everybody.
pub fn tidied<F: ListFilter>(
    request: &HttpRequest,
    state: &web::Data<AppState>,
    given: &Given,
) -> Option<HttpResponse> {
    let zone = Viewer::of(request, state.zone).zone;
    match given.with_zone(zone) {
        Some(given) => Some(see_other(&given.link(F::PATH))),
        None if has_empty(request.query_string()) => Some(see_other(&given.link(F::PATH))),
        None => None,
    }
}

/// Returns the redirect to what alone is asked for, if that is the id of something with a page.
pub async fn found_by_id(
    state: &web::Data<AppState>,
    given: &Given,
) -> Result<Option<HttpResponse>, PageError> {
    let mut filters = given.filters();
    let (Some(("q", typed)), None) = (filters.next(), filters.next()) else {
        return Ok(None);
    };
    if given.find("cursor").is_some() {
        return Ok(None);
    }
    let typed = typed.to_owned();
    let found = read(state, move |store| store.find_id(&typed)).await?;
    Ok(found.map(|found| match found {
        Found::Job(id) => see_other(&words::job_link(&id)),
        Found::Run(id) => see_other(&words::run_link(&id)),
    }))
}

fn see_other(link: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, link))
        .finish()
}
