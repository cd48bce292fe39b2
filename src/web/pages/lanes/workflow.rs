//! `/workflows/{workflow}`: one workflow over a window: its last runs over a grid of their activities,
//! and its numbers. A section for each owner and region that has a workflow with this id.

use crate::store::filters::RunFilter;
use crate::store::lane_records::LaneKey;
use crate::store::records::{Page, RunRecord};
use crate::web::error::{PageError, What};
use crate::web::json;
use crate::web::pages::lanes::depth::{Depth, DepthRecord, DepthsJson, read_depths};
use crate::web::pages::lanes::grid::Grid;
use crate::web::pages::lanes::{Sight, WindowBar, over, parse_query, view};
use crate::web::pages::{Frame, Section, drawing, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::windows::WindowQuery;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Runs of the grid: as many as can be told apart beside the names of activities.
pub const RUNS_SHOWN: u32 = 25;

/// Runs that are listed below.
const RUNS_LISTED: usize = 10;

/// One workflow.
#[derive(Template)]
#[template(path = "workflow.html")]
pub struct WorkflowPage {
    pub frame: Frame,
    pub id: String,
    pub name: String,
    pub bar: WindowBar,
    /// One for each owner and region; at least one.
    pub sections: Vec<WorkflowSection>,
}

/// The workflow of one owner in one region.
pub struct WorkflowSection {
    pub owner: String,
    pub depth: Depth,
    pub grid: Grid,
    /// The newest first.
    pub runs: Vec<RunRecord>,
    pub runs_link: String,
}

/// Answers `/workflows/{workflow}`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let query = parse_query(&request, state.clock.now())?;
    let id = id.into_inner();
    let asked = id.clone();
    let (window, slot_ms) = (query.window, query.slot_ms);
    let filter = RunFilter {
        workflow: Some(id.clone()),
        to: Some(window.to()),
        ..RunFilter::default()
    };
    let page = Page::first(RUNS_SHOWN);
    let (lanes, runs, attention) = read(&state, move |store| {
        let lanes = store.lanes_of_workflow(&asked, window, slot_ms)?;
        let lanes = read_depths(store, lanes, window)?;
        let runs = store.page_runs(&filter, page)?.items;
        Ok((lanes, runs, store.attention()?))
    })
    .await?;
    if lanes.is_empty() {
        let what = What::Workflow;
        return Err(PageError::NotFound { what, id });
    }
    let frame = Frame::new(&request, &state, Section::Overview, "", attention);
    let json = query
        .given
        .link(&format!("{}.json", words::workflow_link(&id)));
    let frame = frame.with_json(json);
    respond(&WorkflowPage::new(frame, id, &query, lanes, &runs))
}

/// Answers `/workflows/{workflow}.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let query = parse_query(&request, state.clock.now())?;
    let id = id.into_inner();
    let asked = id.clone();
    let (window, slot_ms) = (query.window, query.slot_ms);
    let lanes = read(&state, move |store| {
        let lanes = store.lanes_of_workflow(&asked, window, slot_ms)?;
        read_depths(store, lanes, window)
    })
    .await?;
    if lanes.is_empty() {
        let what = What::Workflow;
        return Err(PageError::NotFound { what, id });
    }
    Ok(json::respond(&DepthsJson {
        from: window.from(),
        to: window.to(),
        lanes,
    }))
}

impl WorkflowPage {
    /// Makes the page; `lanes` are the workflow's of each owner and region, `runs` its newest.
    pub fn new(
        frame: Frame,
        id: String,
        query: &WindowQuery,
        lanes: Vec<DepthRecord>,
        runs: &[RunRecord],
    ) -> WorkflowPage {
        let sight = Sight::new(frame.viewer, query.window, frame.now);
        let first = lanes.first();
        let name = first
            .map_or(id.as_str(), |record| view::name_of(&record.lane))
            .to_owned();
        let sections = lanes.into_iter().map(|record| {
            let list = view::list_of(&record.lane.key);
            let owner = match &record.lane.key {
                LaneKey::Workflow { owner, .. } => owner.clone(),
                LaneKey::Queue { .. } => String::new(),
            };
            let depth = Depth::new(record, &frame, &sight);
            let is_here = |run: &&RunRecord| run.region == depth.region && run.owner == owner;
            let own: Vec<RunRecord> = runs.iter().filter(is_here).cloned().collect();
            WorkflowSection {
                grid: Grid::new(&own, &sight),
                runs: own.into_iter().take(RUNS_LISTED).collect(),
                runs_link: over(&list, sight.window.from(), sight.window.to()),
                owner,
                depth,
            }
        });
        let sections = sections.collect();
        let heading = frame.texts.words.workflow;
        WorkflowPage {
            bar: WindowBar::new(&words::workflow_link(&id), query, &[], &sight),
            frame: Frame {
                title: format!("{heading} {name}"),
                ..frame
            },
            id,
            name,
            sections,
        }
    }

    fn has_several(&self) -> bool {
        self.sections.len() > 1
    }

    fn more(&self, section: &WorkflowSection) -> String {
        (self.frame.texts.lanes.grid_more)(section.grid.more as u64)
    }

    fn owner_and_region(&self, section: &WorkflowSection) -> String {
        let texts = &self.frame.texts.lanes;
        let owner = (texts.owner)(&section.owner);
        format!("{owner} · {}", (texts.region)(&section.depth.region))
    }
}
