//! `/events`: what the messages said, one row an event, also what nobody understood.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::records::EventRecord;
use crate::web::error::PageError;
use crate::web::lists::{EVENT_KINDS, EventsQuery, Given, List, encode_cursor};
use crate::web::pages::filters::{self, Chip};
use crate::web::pages::{Frame, Pager, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// The table of events.
#[derive(Template)]
#[template(path = "events.html")]
pub struct EventsPage {
    pub frame: Frame,
    pub events: Vec<EventRecord>,
    pub given: Given,
    pub pager: Pager,
}

impl EventsPage {
    fn kinds(&self) -> Vec<Chip> {
        filters::words("/events", &self.given, "kind", "any kind", &EVENT_KINDS)
    }

    fn since(&self) -> Vec<Chip> {
        filters::since("/events", &self.given)
    }

    fn is_filtered(&self) -> bool {
        filters::is_filtered(&self.given, EventsQuery::KNOWN)
    }
}

/// Answers `/events`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = EventsQuery::parse(request.query_string(), state.clock.now())?;
    let (filter, page) = (query.filter, query.page);
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_events(&filter, page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Events, key));
    let frame = Frame::new(&state, Section::Events, "Events", attention);
    respond(&EventsPage {
        frame: frame.with_json(query.given.link("/events.json")),
        events: listing.items,
        pager: Pager::new("/events", &query.given, next),
        given: query.given,
    })
}
