//! `/activities`: the nodes of all runs, as a table with its filters.
//!
//! An activity has no page of its own: its run's shows it among the others, and its job's shows
//! what only the job says.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::records::ActivityRecord;
use crate::web::error::PageError;
use crate::web::lists::{ActivitiesQuery, Given, List, encode_cursor};
use crate::web::pages::filters::{self, Chip};
use crate::web::pages::{Frame, Pager, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// The table of activities.
#[derive(Template)]
#[template(path = "activities.html")]
pub struct ActivitiesPage {
    pub frame: Frame,
    pub activities: Vec<ActivityRecord>,
    pub given: Given,
    pub pager: Pager,
}

impl ActivitiesPage {
    fn states(&self) -> Vec<Chip> {
        filters::states("/activities", &self.given)
    }

    fn since(&self) -> Vec<Chip> {
        filters::since("/activities", &self.given)
    }

    fn is_filtered(&self) -> bool {
        filters::is_filtered(&self.given, ActivitiesQuery::KNOWN)
    }
}

/// Answers `/activities`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = ActivitiesQuery::parse(request.query_string(), state.clock.now())?;
    let (filter, page) = (query.filter, query.page);
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_activities(&filter, page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Activities, key));
    let frame = Frame::new(&state, Section::Activities, "Activities", attention);
    respond(&ActivitiesPage {
        frame: frame.with_json(query.given.link("/activities.json")),
        activities: listing.items,
        pager: Pager::new("/activities", &query.given, next),
        given: query.given,
    })
}
