//! `/`: what needs a person, the latest jobs of each queue and the latest runs of each workflow; or,
//! before the first push, how to connect.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::records::{Attention, Page, QueueRecord, WorkflowRecord};
use crate::web::error::PageError;
use crate::web::lists::Given;
use crate::web::pages::{Frame, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// Queues shown, the ones with the newest jobs first.
const QUEUES_MAX: u32 = 50;

/// Jobs shown of each: enough to see a run of failures, few enough for several queues a screen.
const JOBS_EACH: u32 = 8;

/// Workflows shown, the ones with the newest runs first.
const WORKFLOWS_MAX: u32 = 50;

/// Runs shown of each: fewer than jobs, since one stands for several jobs.
const RUNS_EACH: u32 = 5;

/// The overview.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub frame: Frame,
    pub attention: Attention,
    pub queues: Vec<QueueRecord>,
    pub workflows: Vec<WorkflowRecord>,
    /// Something was let in, if no job and no run.
    pub has_deliveries: bool,
    /// The URL to register with SMQ.
    pub endpoint: String,
}

impl OverviewPage {
    fn needs_attention(&self) -> bool {
        self.attention != Attention::default()
    }

    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.workflows.is_empty()
    }
}

/// Answers `/`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let (attention, queues, workflows, has_deliveries) = read(&state, |store| {
        let queues = store.latest_by_queue(QUEUES_MAX, JOBS_EACH)?;
        let workflows = store.latest_by_workflow(WORKFLOWS_MAX, RUNS_EACH)?;
        let newest = store.page_deliveries(Page {
            limit: 1,
            after: None,
        })?;
        let has_deliveries = !newest.items.is_empty();
        Ok((store.attention()?, queues, workflows, has_deliveries))
    })
    .await?;
    respond(&OverviewPage {
        frame: Frame::new(&state, Section::Overview, "Overview", attention),
        attention,
        queues,
        workflows,
        has_deliveries,
        endpoint: state.endpoint.clone(),
    })
}
