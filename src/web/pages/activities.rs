//! `/activities`: the nodes of all runs, as a table with its filters.
//!
//! An activity has no page of its own: its run's shows it among the others, and its job's shows
//! what only the job says.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::filters::ActivityFilter;
use crate::store::records::ActivityRecord;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, Section, words};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The table of activities.
#[derive(Template)]
#[template(path = "activities.html")]
pub struct ActivitiesPage {
    pub frame: Frame,
    pub filters: Filters,
    pub list: ListView<ActivityRecord>,
}

impl ActivitiesPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, list: ListView<ActivityRecord>) -> ActivitiesPage {
        // Where a workflow is chosen, it is that of every row.
        let name = list
            .rows
            .first()
            .and_then(|activity| activity.workflow.name.as_deref());
        let filters = Filters::of::<ActivityFilter>(&list.given, &frame);
        ActivitiesPage {
            filters: filters.with_workflow_name(name, &frame),
            frame,
            list,
        }
    }
}

/// Answers `/activities`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), ActivityFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<ActivityFilter>(&request, &state, &given) {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone)
        .texts()
        .lists
        .activities
        .title;
    listing::answer::<ActivityFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(
            &request,
            &state,
            Section::Activities,
            title,
            loaded.attention,
        );
        ActivitiesPage::of(frame.with_json(loaded.json), loaded.view)
    })
    .await
}
