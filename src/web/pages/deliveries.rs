//! `/deliveries`: what arrived, as a table.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::filters::DeliveryFilter;
use crate::store::records::DeliveryRecord;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, Section, words};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The table of deliveries.
#[derive(Template)]
#[template(path = "deliveries.html")]
pub struct DeliveriesPage {
    pub frame: Frame,
    pub filters: Filters,
    pub list: ListView<DeliveryRecord>,
}

impl DeliveriesPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, list: ListView<DeliveryRecord>) -> DeliveriesPage {
        DeliveriesPage {
            filters: Filters::of::<DeliveryFilter>(&list.given, &frame),
            frame,
            list,
        }
    }
}

/// Answers `/deliveries`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), DeliveryFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<DeliveryFilter>(&request, &state, &given) {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone)
        .texts()
        .lists
        .deliveries
        .title;
    listing::answer::<DeliveryFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(
            &request,
            &state,
            Section::Deliveries,
            title,
            loaded.attention,
        );
        DeliveriesPage::of(frame.with_json(loaded.json), loaded.view)
    })
    .await
}
