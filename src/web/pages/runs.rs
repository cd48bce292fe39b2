//! `/runs`: the table with its filters.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::filters::RunFilter;
use crate::store::records::RunRecord;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, Section, words};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The table of runs.
#[derive(Template)]
#[template(path = "runs.html")]
pub struct RunsPage {
    pub frame: Frame,
    pub filters: Filters,
    pub list: ListView<RunRecord>,
}

impl RunsPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, list: ListView<RunRecord>) -> RunsPage {
        // Where a workflow is chosen, it is that of every row.
        let name = list
            .rows
            .first()
            .and_then(|run| run.workflow.name.as_deref());
        let filters = Filters::of::<RunFilter>(&list.given, &frame);
        RunsPage {
            filters: filters.with_workflow_name(name, &frame),
            frame,
            list,
        }
    }
}

/// Answers `/runs`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), RunFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<RunFilter>(&request, &state, &given) {
        return Ok(response);
    }
    if let Some(response) = listing::found_by_id(&state, &given).await? {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone).texts().lists.runs.title;
    listing::answer::<RunFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(&request, &state, Section::Runs, title, loaded.attention);
        RunsPage::of(frame.with_json(loaded.json), loaded.view)
    })
    .await
}
