//! `/events`: what the messages said, one row an event, also what nobody understood.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::filters::EventFilter;
use crate::store::records::EventRecord;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, Section, words};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The table of events.
#[derive(Template)]
#[template(path = "events.html")]
pub struct EventsPage {
    pub frame: Frame,
    pub filters: Filters,
    pub list: ListView<EventRecord>,
}

impl EventsPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, list: ListView<EventRecord>) -> EventsPage {
        EventsPage {
            filters: Filters::of::<EventFilter>(&list.given, &frame),
            frame,
            list,
        }
    }
}

/// Answers `/events`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), EventFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<EventFilter>(&request, &state, &given) {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone).texts().lists.events.title;
    listing::answer::<EventFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(&request, &state, Section::Events, title, loaded.attention);
        EventsPage::of(frame.with_json(loaded.json), loaded.view)
    })
    .await
}
