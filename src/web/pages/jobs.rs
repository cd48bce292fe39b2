//! `/jobs`, the table with its filters, and `/jobs/{id}`, one job with what it was folded from.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::mps::failure;
use crate::store::records::{DeliveryRecord, EventRecord, JobDetail, JobRecord};
use crate::web::error::{PageError, What};
use crate::web::json::OWNED_KNOWN;
use crate::web::lists::{Given, JobsQuery, List, encode_cursor, encoded};
use crate::web::pages::filters::{self, Chip};
use crate::web::pages::{Frame, Pager, Section, message, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// Events or deliveries of one thing that its page lists: a message may give thousands of events.
/// The JSON beside has all of them.
pub const LISTED_MAX: usize = 200;

/// The table of jobs.
#[derive(Template)]
#[template(path = "jobs.html")]
pub struct JobsPage {
    pub frame: Frame,
    pub jobs: Vec<JobRecord>,
    pub given: Given,
    pub pager: Pager,
}

impl JobsPage {
    fn states(&self) -> Vec<Chip> {
        filters::states("/jobs", &self.given)
    }

    fn since(&self) -> Vec<Chip> {
        filters::since("/jobs", &self.given)
    }

    /// Tells whether the table has a column for runs: where no workflow is in use it would be empty.
    fn has_runs(&self) -> bool {
        self.jobs.iter().any(|job| job.run.is_some())
    }

    fn is_filtered(&self) -> bool {
        filters::is_filtered(&self.given, JobsQuery::KNOWN)
    }
}

/// Answers `/jobs`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = JobsQuery::parse(request.query_string(), state.clock.now())?;
    let (filter, page) = (query.filter, query.page);
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_jobs(&filter, page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Jobs, key));
    let frame = Frame::new(&state, Section::Jobs, "Jobs", attention);
    respond(&JobsPage {
        frame: frame.with_json(query.given.link("/jobs.json")),
        jobs: listing.items,
        pager: Pager::new("/jobs", &query.given, next),
        given: query.given,
    })
}

/// The jobs of one id.
#[derive(Template)]
#[template(path = "job.html")]
pub struct JobPage {
    pub frame: Frame,
    /// At least one; several if several accounts have a job with this id.
    pub jobs: Vec<JobView>,
}

impl JobPage {
    fn id(&self) -> &str {
        self.jobs.first().map_or("", |view| view.job.id.as_str())
    }
}

/// One owner's job.
pub struct JobView {
    pub job: JobRecord,
    pub events: Vec<EventRecord>,
    pub deliveries: Vec<DeliveryRecord>,
}

impl JobView {
    /// Takes apart what the store gave.
    pub fn of(detail: JobDetail) -> JobView {
        JobView {
            job: detail.job,
            events: detail.events,
            deliveries: detail.deliveries,
        }
    }

    fn json_link(&self) -> String {
        let owner = encoded(&self.job.owner);
        format!("/jobs/{}.json?owner={owner}", encoded(&self.job.id))
    }

    fn has_failure(&self) -> bool {
        self.job.code.is_some() || self.job.message.is_some()
    }

    fn hint(&self) -> Option<&'static str> {
        self.job.code.as_deref().and_then(failure::hint)
    }

    fn listed_events(&self) -> &[EventRecord] {
        self.events.get(..LISTED_MAX).unwrap_or(&self.events)
    }

    fn listed_deliveries(&self) -> &[DeliveryRecord] {
        self.deliveries
            .get(..LISTED_MAX)
            .unwrap_or(&self.deliveries)
    }

    /// Returns what of its messages is known under no name of ours, as JSON; `None` if nothing is.
    fn extra_text(&self) -> Option<String> {
        let json = serde_json::to_vec(&self.job.extra).ok()?;
        let is_there = !self.job.extra.is_empty();
        is_there.then(|| message::shown(&json).text)
    }
}

/// Answers `/jobs/{id}`: each owner's job of that id, or the one that `owner` names.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), OWNED_KNOWN)?;
    let id = id.into_inner();
    let asked = id.clone();
    let (mut found, attention) = read(&state, move |store| {
        Ok((store.find_jobs(&asked)?, store.attention()?))
    })
    .await?;
    if let Some(owner) = given.find("owner") {
        found.retain(|detail| detail.job.owner == owner);
    }
    if found.is_empty() {
        let what = What::Job;
        return Err(PageError::NotFound { what, id });
    }
    let title = format!("Job {id}");
    respond(&JobPage {
        frame: Frame::new(&state, Section::Jobs, &title, attention),
        jobs: found.into_iter().map(JobView::of).collect(),
    })
}
