//! `/queues/{queue}`: one queue over a window, in each region it is in.

use crate::clock::Window;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::JobFilter;
use crate::store::lane_records::LaneKey;
use crate::store::records::{JobRecord, Page};
use crate::web::error::{PageError, What};
use crate::web::json;
use crate::web::pages::lanes::depth::{Depth, DepthRecord, DepthsJson, read_depths};
use crate::web::pages::lanes::{Sight, WindowBar, over, parse_query, view};
use crate::web::pages::{Frame, Section, drawing, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::windows::WindowQuery;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Jobs that are listed of a queue: a screen.
const JOBS_LISTED: u32 = 12;

/// One queue.
#[derive(Template)]
#[template(path = "queue.html")]
pub struct QueuePage {
    pub frame: Frame,
    pub name: String,
    pub bar: WindowBar,
    /// One for each region; at least one.
    pub sections: Vec<QueueSection>,
}

/// The queue in one region.
pub struct QueueSection {
    pub depth: Depth,
    pub jobs: Vec<JobRecord>,
    pub jobs_link: String,
}

/// Answers `/queues/{queue}`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let query = parse_query(&request, state.clock.now())?;
    let name = name.into_inner();
    let asked = name.clone();
    let (window, slot_ms) = (query.window, query.slot_ms);
    let (lanes, attention) = read(&state, move |store| {
        let lanes = store.lanes_of_queue(&asked, window, slot_ms)?;
        let lanes = read_depths(store, lanes, window)?.into_iter();
        let lanes = lanes.map(|depth| Ok((latest_jobs(store, &depth, window)?, depth)));
        let lanes = lanes.collect::<Result<Vec<_>, ReadError>>()?;
        Ok((lanes, store.attention()?))
    })
    .await?;
    if lanes.is_empty() {
        let what = What::Queue;
        return Err(PageError::NotFound { what, id: name });
    }
    let frame = Frame::new(&request, &state, Section::Overview, "", attention);
    let json = query
        .given
        .link(&format!("{}.json", words::queue_link(&name)));
    let frame = frame.with_json(json);
    respond(&QueuePage::new(frame, name, &query, lanes))
}

/// Reads the newest jobs of the queue in one region: another one may be much busier.
fn latest_jobs(
    store: &Store,
    depth: &DepthRecord,
    window: Window,
) -> Result<Vec<JobRecord>, ReadError> {
    let LaneKey::Queue { region, name } = &depth.lane.key else {
        return Ok(Vec::new());
    };
    let filter = JobFilter {
        queue: Some(name.clone()),
        region: Some(region.clone()),
        to: Some(window.to()),
        ..JobFilter::default()
    };
    Ok(store.page_jobs(&filter, Page::first(JOBS_LISTED))?.items)
}

/// Answers `/queues/{queue}.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let query = parse_query(&request, state.clock.now())?;
    let name = name.into_inner();
    let asked = name.clone();
    let (window, slot_ms) = (query.window, query.slot_ms);
    let lanes = read(&state, move |store| {
        let lanes = store.lanes_of_queue(&asked, window, slot_ms)?;
        read_depths(store, lanes, window)
    })
    .await?;
    if lanes.is_empty() {
        let what = What::Queue;
        return Err(PageError::NotFound { what, id: name });
    }
    Ok(json::respond(&DepthsJson {
        from: window.from(),
        to: window.to(),
        lanes,
    }))
}

impl QueuePage {
    /// Makes the page; `lanes` are the queue's in each region, with its newest jobs there.
    pub fn new(
        frame: Frame,
        name: String,
        query: &WindowQuery,
        lanes: Vec<(Vec<JobRecord>, DepthRecord)>,
    ) -> QueuePage {
        let sight = Sight::new(frame.viewer, query.window, frame.now);
        let sections = lanes.into_iter().map(|(jobs, record)| {
            let list = view::list_of(&record.lane.key);
            let depth = Depth::new(record, &frame, &sight);
            QueueSection {
                jobs,
                jobs_link: over(&list, sight.window.from(), sight.window.to()),
                depth,
            }
        });
        let sections = sections.collect();
        let heading = frame.texts.words.queue;
        QueuePage {
            bar: WindowBar::new(&words::queue_link(&name), query, &[], &sight),
            frame: Frame {
                title: format!("{heading} {name}"),
                ..frame
            },
            name,
            sections,
        }
    }

    fn has_regions(&self) -> bool {
        self.sections.len() > 1
    }

    fn region(&self, section: &QueueSection) -> String {
        (self.frame.texts.lanes.region)(&section.depth.region)
    }
}
