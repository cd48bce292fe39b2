//! `/jobs`: the table with its filters.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::filters::JobFilter;
use crate::store::records::JobRecord;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, Section, words};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The table of jobs.
#[derive(Template)]
#[template(path = "jobs.html")]
pub struct JobsPage {
    pub frame: Frame,
    pub filters: Filters,
    pub list: ListView<JobRecord>,
}

impl JobsPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, list: ListView<JobRecord>) -> JobsPage {
        // Where a workflow is chosen, it is that of every row.
        let name = list
            .rows
            .first()
            .and_then(|job| job.workflow_name.as_deref());
        let filters = Filters::of::<JobFilter>(&list.given, &frame);
        JobsPage {
            filters: filters.with_workflow_name(name, &frame),
            frame,
            list,
        }
    }

    /// Tells whether the table has a column for runs: where no workflow is in use it would be empty.
    fn has_runs(&self) -> bool {
        self.list.rows.iter().any(|job| job.run.is_some())
    }
}

/// Answers `/jobs`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), JobFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<JobFilter>(&request, &state, &given) {
        return Ok(response);
    }
    if let Some(response) = listing::found_by_id(&state, &given).await? {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone).texts().lists.jobs.title;
    listing::answer::<JobFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(&request, &state, Section::Jobs, title, loaded.attention);
        JobsPage::of(frame.with_json(loaded.json), loaded.view)
    })
    .await
}
