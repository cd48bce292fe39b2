//! `/workflows/{workflow}`: one workflow over a window: its last runs over a grid of their activities,
//! and its numbers. A section for each owner and region that has a workflow with this id.

use crate::clock::Window;
use crate::store::Store;
use crate::store::errors::ReadError;
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
    let (lanes, attention) = read(&state, move |store| {
        let lanes = store.lanes_of_workflow(&asked, window, slot_ms)?;
        let lanes = read_depths(store, lanes, window)?.into_iter();
        let lanes = lanes.map(|depth| Ok((latest_runs(store, &depth, window)?, depth)));
        let lanes = lanes.collect::<Result<Vec<_>, ReadError>>()?;
        Ok((lanes, store.attention()?))
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
    respond(&WorkflowPage::new(frame, id, &query, lanes))
}

/// Reads the newest runs of the workflow of one owner in one region: another one may be much busier.
fn latest_runs(
    store: &Store,
    depth: &DepthRecord,
    window: Window,
) -> Result<Vec<RunRecord>, ReadError> {
    let LaneKey::Workflow { owner, region, id } = &depth.lane.key else {
        return Ok(Vec::new());
    };
    let filter = RunFilter {
        workflow: Some(id.clone()),
        owner: Some(owner.clone()),
        region: Some(region.clone()),
        to: Some(window.to()),
        ..RunFilter::default()
    };
    Ok(store.page_runs(&filter, Page::first(RUNS_SHOWN))?.items)
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
    /// Makes the page; `lanes` are the workflow's of each owner and region, with its newest runs there.
    pub fn new(
        frame: Frame,
        id: String,
        query: &WindowQuery,
        lanes: Vec<(Vec<RunRecord>, DepthRecord)>,
    ) -> WorkflowPage {
        let sight = Sight::new(frame.viewer, query.window, frame.now);
        let first = lanes.first();
        let name = first
            .map_or(id.as_str(), |(_, record)| view::name_of(&record.lane))
            .to_owned();
        let sections = lanes.into_iter().map(|(runs, record)| {
            let list = view::list_of(&record.lane.key);
            let owner = match &record.lane.key {
                LaneKey::Workflow { owner, .. } => owner.clone(),
                LaneKey::Queue { .. } => String::new(),
            };
            let depth = Depth::new(record, &frame, &sight);
            WorkflowSection {
                grid: Grid::new(&runs, &sight),
                runs: runs.into_iter().take(RUNS_LISTED).collect(),
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
