//! `/runs`, the table with its filters, and `/runs/{id}`, one run with its activities.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::mps::failure;
use crate::store::records::{
    ActivityRecord, DeliveryRecord, EventRecord, RunDetail, RunOutcome, RunRecord,
};
use crate::web::error::{PageError, What};
use crate::web::json::OWNED_KNOWN;
use crate::web::lists::{Given, List, RunsQuery, encode_cursor, encoded};
use crate::web::pages::filters::{self, Chip};
use crate::web::pages::jobs::LISTED_MAX;
use crate::web::pages::{Frame, Pager, Section, message, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// The table of runs.
#[derive(Template)]
#[template(path = "runs.html")]
pub struct RunsPage {
    pub frame: Frame,
    pub runs: Vec<RunRecord>,
    pub given: Given,
    pub pager: Pager,
}

impl RunsPage {
    fn outcomes(&self) -> Vec<Chip> {
        let all = RunOutcome::ALL.map(RunOutcome::word);
        filters::words("/runs", &self.given, "state", "any outcome", &all)
    }

    fn since(&self) -> Vec<Chip> {
        filters::since("/runs", &self.given)
    }

    fn is_filtered(&self) -> bool {
        filters::is_filtered(&self.given, RunsQuery::KNOWN)
    }
}

/// Answers `/runs`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = RunsQuery::parse(request.query_string(), state.clock.now())?;
    let (filter, page) = (query.filter, query.page);
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_runs(&filter, page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Runs, key));
    let frame = Frame::new(&state, Section::Runs, "Runs", attention);
    respond(&RunsPage {
        frame: frame.with_json(query.given.link("/runs.json")),
        runs: listing.items,
        pager: Pager::new("/runs", &query.given, next),
        given: query.given,
    })
}

/// The runs of one id.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage {
    pub frame: Frame,
    /// At least one; several if several accounts have a run with this id.
    pub runs: Vec<RunView>,
}

impl RunPage {
    fn id(&self) -> &str {
        self.runs.first().map_or("", |view| view.run.id.as_str())
    }
}

/// One owner's run.
pub struct RunView {
    pub run: RunRecord,
    pub events: Vec<EventRecord>,
    pub deliveries: Vec<DeliveryRecord>,
}

impl RunView {
    /// Takes apart what the store gave.
    pub fn of(detail: RunDetail) -> RunView {
        RunView {
            run: detail.run,
            events: detail.events,
            deliveries: detail.deliveries,
        }
    }

    fn json_link(&self) -> String {
        let owner = encoded(&self.run.owner);
        format!("/runs/{}.json?owner={owner}", encoded(&self.run.id))
    }

    fn has_failure(&self) -> bool {
        self.run.code.is_some() || self.run.message.is_some()
    }

    fn hint(&self) -> Option<&'static str> {
        self.run.code.as_deref().and_then(failure::hint)
    }

    fn is_partial(&self) -> bool {
        self.run.outcome == RunOutcome::Partial
    }

    fn is_stale(&self) -> bool {
        self.run.outcome == RunOutcome::Stale
    }

    fn listed_activities(&self) -> &[ActivityRecord] {
        let all = &self.run.activities;
        all.get(..LISTED_MAX).unwrap_or(all)
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
        let json = serde_json::to_vec(&self.run.extra).ok()?;
        let is_there = !self.run.extra.is_empty();
        is_there.then(|| message::shown(&json).text)
    }
}

/// Answers `/runs/{id}`: each owner's run of that id, or the one that `owner` names.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), OWNED_KNOWN)?;
    let id = id.into_inner();
    let asked = id.clone();
    let (mut found, attention) = read(&state, move |store| {
        Ok((store.find_runs(&asked)?, store.attention()?))
    })
    .await?;
    if let Some(owner) = given.find("owner") {
        found.retain(|detail| detail.run.owner == owner);
    }
    if found.is_empty() {
        let what = What::Run;
        return Err(PageError::NotFound { what, id });
    }
    let title = format!("Run {id}");
    respond(&RunPage {
        frame: Frame::new(&state, Section::Runs, &title, attention),
        runs: found.into_iter().map(RunView::of).collect(),
    })
}
