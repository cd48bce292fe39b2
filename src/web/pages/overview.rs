//! `/`: what needs a person, and the latest jobs of each queue; or, before the first push, how to
//! connect.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::records::{Attention, Page, QueueRecord};
use crate::web::error::PageError;
use crate::web::lists::Given;
use crate::web::pages::{Frame, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// Queues shown, the ones with the newest jobs first.
const QUEUES_MAX: u32 = 50;

/// Jobs shown of each: enough to see a run of failures, few enough for several queues a screen.
const JOBS_EACH: u32 = 8;

/// The overview.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub frame: Frame,
    pub attention: Attention,
    pub queues: Vec<QueueRecord>,
    /// Something was let in, if no job.
    pub has_deliveries: bool,
    /// The URL to register with SMQ.
    pub endpoint: String,
}

impl OverviewPage {
    fn needs_attention(&self) -> bool {
        self.attention != Attention::default()
    }
}

/// Answers `/`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let (attention, queues, has_deliveries) = read(&state, |store| {
        let queues = store.latest_by_queue(QUEUES_MAX, JOBS_EACH)?;
        let newest = store.page_deliveries(Page {
            limit: 1,
            after: None,
        })?;
        Ok((store.attention()?, queues, !newest.items.is_empty()))
    })
    .await?;
    respond(&OverviewPage {
        frame: Frame::new(&state, Section::Overview, "Overview", attention),
        attention,
        queues,
        has_deliveries,
        endpoint: state.endpoint.clone(),
    })
}
