//! The dashboard's pages: whole without JavaScript, one file and one struct a page.
//!
//! A page's struct holds records as the store gave them and has the small methods that its template
//! calls; what several pages say alike is in `words.rs` and in `templates/parts.html`. Everything
//! that came from a message is text: askama escapes it, no template says `safe` (a test looks), and
//! it never becomes a link's target without being encoded.

use actix_web::HttpResponse;
use askama::Template;

use crate::notification::capture::Capture;
use crate::notification::source;
use crate::store::records::Attention;
use crate::web::error::PageError;
use crate::web::lists::Given;
use crate::web::state::AppState;

pub mod activities;
pub mod deliveries;
pub mod events;
pub mod explanation;
pub mod filters;
pub mod held;
pub mod jobs;
pub mod message;
pub mod notice;
pub mod overview;
pub mod refusals;
pub mod runs;
pub mod trouble;
pub mod words;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_runs;

const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// What is around the content of every page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The browser's title and the page's first heading.
    pub title: String,
    /// Which entry of the navigation this is.
    pub section: Section,
    pub is_test: bool,
    /// For the numbers in the navigation; `None` where nothing was read.
    pub attention: Option<Attention>,
    /// The same as JSON, if there is such.
    pub json: Option<String>,
}

impl Frame {
    /// Makes the frame of a page that has no JSON.
    pub fn new(state: &AppState, section: Section, title: &str, attention: Attention) -> Frame {
        Frame {
            title: title.to_owned(),
            section,
            is_test: state.is_test,
            attention: Some(attention),
            json: None,
        }
    }

    /// Says where the same is as JSON.
    #[must_use]
    pub fn with_json(self, link: String) -> Frame {
        Frame {
            json: Some(link),
            ..self
        }
    }

    fn held(&self) -> u64 {
        self.attention.map_or(0, |attention| attention.held)
    }

    /// Returns the number beside *Refusals*: strays stand on the same page.
    fn refused(&self) -> u64 {
        let attention = self.attention.unwrap_or_default();
        attention.refused.saturating_add(attention.strays)
    }

    fn is_in(&self, section: &str) -> bool {
        self.section.word() == section
    }
}

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Jobs,
    Runs,
    Activities,
    Events,
    Deliveries,
    Held,
    Refusals,
    /// None of them: an error's page.
    Nowhere,
}

impl Section {
    fn word(self) -> &'static str {
        match self {
            Section::Overview => "overview",
            Section::Jobs => "jobs",
            Section::Runs => "runs",
            Section::Activities => "activities",
            Section::Events => "events",
            Section::Deliveries => "deliveries",
            Section::Held => "held",
            Section::Refusals => "refusals",
            Section::Nowhere => "",
        }
    }
}

/// A link to the next page of a list, and whether this is the first.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    pub next: Option<String>,
    /// The same list from its start, if this is not the start.
    pub first: Option<String>,
}

impl Pager {
    /// Makes the links of a page of the list at `path`; `next` is the next page's cursor.
    fn new(path: &str, given: &Given, next: Option<String>) -> Pager {
        let is_first = given.find("cursor").is_none();
        Pager {
            next: next.map(|cursor| given.with("cursor", &cursor).link(path)),
            first: (!is_first).then(|| given.with("cursor", "").link(path)),
        }
    }
}

/// The head of a push as a page shows it.
#[derive(Clone, Debug)]
pub struct RequestView {
    pub method: String,
    /// With the secret part of the path hidden: pages are looked at over shoulders.
    pub target: String,
    /// Bytes that are no UTF-8 are replaced; the `.http` has them.
    pub headers: Vec<(String, String)>,
}

impl RequestView {
    fn of(capture: &Capture) -> RequestView {
        let headers = capture.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value).into_owned();
            (name.to_owned(), value)
        });
        RequestView {
            method: capture.method.clone(),
            target: source::masked(&capture.target),
            headers: headers.collect(),
        }
    }
}

fn respond(page: &impl Template) -> Result<HttpResponse, PageError> {
    let html = page.render().map_err(PageError::unavailable)?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(html))
}
