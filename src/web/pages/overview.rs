//! `/`: what every queue and every workflow did over a window, one lane each, and above them what
//! needs a person; or, before the first push, where it says how to connect.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::lane_records::{LaneKey, Overview};
use crate::store::records::Attention;
use crate::web::error::PageError;
use crate::web::json;
use crate::web::lists::{self, Expected, Given, QueryError, parsed};
use crate::web::pages::drawing::{self, Axis};
use crate::web::pages::lanes::headline::{Card, headline};
use crate::web::pages::lanes::view::{self, LaneView, Room};
use crate::web::pages::lanes::{Choice, Sight, WindowBar, numbers};
use crate::web::pages::{Frame, Section, respond};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::windows::WindowQuery;

/// The parameters of the overview.
const KNOWN: &[&str] = &["window", "from", "to", "order"];

/// Lanes that the headline names as failing; more are only counted.
const FAILING_NAMED_MAX: usize = 3;

/// In which order lanes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Trouble,
    Name,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Order::Trouble => "trouble",
            Order::Name => "name",
        }
    }

    fn from_word(word: &str) -> Option<Order> {
        [Order::Trouble, Order::Name]
            .into_iter()
            .find(|order| order.word() == word)
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct OverviewQuery {
    pub time: WindowQuery,
    pub order: Order,
}

impl OverviewQuery {
    /// Reads the query string of the overview.
    pub fn parse(query: &str, now: Timestamp) -> Result<OverviewQuery, QueryError> {
        let given = Given::parse(query, KNOWN)?;
        let order = parsed(
            &given,
            "order",
            Expected::OneOf(lists::Choice::Order),
            Order::from_word,
        )?;
        Ok(OverviewQuery {
            time: WindowQuery::of(given, now)?,
            order: order.unwrap_or(Order::Trouble),
        })
    }
}

/// The overview.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub frame: Frame,
    pub bar: WindowBar,
    pub axis: Axis,
    pub orders: Vec<Choice>,
    pub headline: Vec<Card>,
    pub failing: Vec<(String, String)>,
    pub groups: Vec<Group>,
    pub has_more: bool,
    pub column_hint: String,
    pub nothing: Option<Nothing>,
}

/// Lanes of one kind.
pub struct Group {
    /// For ids: `queues` or `workflows`.
    pub word: &'static str,
    pub heading: &'static str,
    pub head: &'static str,
    /// The states of its table's columns, with their words.
    pub states: Vec<(&'static str, &'static str)>,
    pub lanes: Vec<LaneView>,
    /// Names may be there in several regions.
    pub has_regions: bool,
}

/// Why there is nothing to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No push was ever let in.
    Yet,
    /// Something came, and nothing of it was a job or run.
    Recognized,
    /// There are lanes, and nothing on them in this window: what to say, and the address of the
    /// window in which the last thing before it happened, else the newest of all.
    InWindow(String, Option<String>),
}

impl OverviewPage {
    /// Makes the page; `newest_before` is when the newest event before the window happened.
    pub fn new(
        frame: Frame,
        query: &OverviewQuery,
        overview: Overview,
        newest_before: Option<Timestamp>,
    ) -> OverviewPage {
        let sight = Sight::new(frame.viewer, query.time.window, frame.now);
        let attention = frame.attention.unwrap_or_default();
        let nothing = nothing(&overview, &query.time, newest_before, &sight);
        let failing = overview
            .lanes
            .iter()
            .filter(|lane| numbers::is_failing(lane.last_hour))
            .map(|lane| {
                let link = query.time.carried_to(&view::path_of(&lane.key));
                (view::name_of(lane).to_owned(), link)
            });
        let failing: Vec<(String, String)> = failing.collect();
        let headline = headline(&overview, attention, failing.len(), &sight);
        let slot_ms = overview
            .lanes
            .first()
            .map_or(query.time.slot_ms, |lane| lane.slot_ms);
        let lanes_count = overview.lanes.len();
        let room = overview
            .lanes
            .first()
            .map(|lane| Room::of(lanes_count, &lane.key));
        let columns_max = room.map_or(view::COLUMNS_MAX, |room| room.shapes);
        let column = view::column_ms(&sight, slot_ms, columns_max);
        OverviewPage {
            bar: WindowBar::new("/", &query.time, &["order"], &sight),
            axis: sight.axis(),
            orders: orders(query, &sight),
            headline,
            failing: failing.into_iter().take(FAILING_NAMED_MAX).collect(),
            has_more: overview.has_more,
            column_hint: (sight.texts.lanes.column_hint)(&(sight.texts.lanes.about)(
                column.unsigned_abs(),
            )),
            groups: groups(overview, query, &sight),
            nothing,
            frame,
        }
    }

    fn is_new(&self) -> bool {
        self.nothing == Some(Nothing::Yet)
    }

    fn has_lanes(&self) -> bool {
        self.groups.iter().any(|group| !group.lanes.is_empty())
    }
}

/// Answers `/`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = OverviewQuery::parse(request.query_string(), state.clock.now())?;
    let (window, slot_ms) = (query.time.window, query.time.slot_ms);
    let (overview, before, attention) = read(&state, move |store| {
        let before = store.newest_before(window.from())?;
        let overview = store.overview(window, slot_ms)?;
        Ok((overview, before, store.attention()?))
    })
    .await?;
    let frame = Frame::new(&request, &state, Section::Overview, "", attention);
    let frame = Frame {
        title: frame.texts.overview.title.to_owned(),
        ..frame.with_json(query.time.given.with("order", "").link("/overview.json"))
    };
    respond(&OverviewPage::new(frame, &query, overview, before))
}

/// Answers `/overview.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = OverviewQuery::parse(request.query_string(), state.clock.now())?;
    let (window, slot_ms) = (query.time.window, query.time.slot_ms);
    let (overview, attention) = read(&state, move |store| {
        Ok((store.overview(window, slot_ms)?, store.attention()?))
    })
    .await?;
    Ok(json::respond(&OverviewJson {
        from: window.from(),
        to: window.to(),
        attention,
        overview,
    }))
}

/// The overview as JSON.
#[derive(Serialize)]
struct OverviewJson {
    from: Timestamp,
    to: Timestamp,
    attention: Attention,
    #[serde(flatten)]
    overview: Overview,
}

fn nothing(
    overview: &Overview,
    time: &WindowQuery,
    newest_before: Option<Timestamp>,
    sight: &Sight,
) -> Option<Nothing> {
    let texts = &sight.texts.overview;
    if overview.lanes.is_empty() {
        return Some(match overview.last_received_at {
            None => Nothing::Yet,
            Some(_) => Nothing::Recognized,
        });
    }
    let is_quiet = overview.lanes.iter().all(|lane| {
        let has_items = lane.items.as_ref().is_some_and(|items| !items.is_empty());
        lane.ended.total() == 0 && !has_items
    });
    is_quiet.then(|| match newest_before {
        None => {
            let newest = overview.lanes.iter().map(|lane| lane.last_event_at).max();
            let newest = newest.filter(|at| !time.window.contains(*at));
            let text = match newest {
                Some(at) => (texts.nothing_before)(&sight.viewer.moment_text(at)),
                None => sight.texts.lanes.nothing_in_window.to_owned(),
            };
            Nothing::InWindow(text, newest.map(|at| time.link_around("/", at)))
        }
        Some(last) => {
            let link = time.link_around("/", last);
            let last = sight.viewer.moment_text(last);
            Nothing::InWindow((texts.nothing_in_window)(&last), Some(link))
        }
    })
}

fn orders(query: &OverviewQuery, sight: &Sight) -> Vec<Choice> {
    let texts = &sight.texts.overview;
    let orders = [
        (Order::Trouble, "", texts.by_trouble),
        (Order::Name, Order::Name.word(), texts.by_name),
    ];
    let choices = orders.map(|(order, word, text)| Choice {
        text,
        link: query.time.given.with("order", word).link("/"),
        is_on: query.order == order,
    });
    choices.into_iter().collect()
}

fn groups(overview: Overview, query: &OverviewQuery, sight: &Sight) -> Vec<Group> {
    let lanes_count = overview.lanes.len();
    let mut lanes: Vec<LaneView> = Vec::with_capacity(lanes_count);
    for lane in overview.lanes {
        let link = query.time.carried_to(&view::path_of(&lane.key));
        let room = Room::of(lanes_count, &lane.key);
        lanes.push(LaneView::new(lane, sight, room, link));
    }
    if query.order == Order::Trouble {
        // Stable: what is equally troubled stays in the order of its name.
        lanes.sort_by_key(|lane| {
            let failed = numbers::failures(lane.ended);
            std::cmp::Reverse((lane.is_failing, lane.stale > 0, failed))
        });
    }
    let is_queue = |lane: &LaneView| matches!(lane.key, LaneKey::Queue { .. });
    let (queues, workflows) = lanes.into_iter().partition(is_queue);
    let texts = &sight.texts.overview;
    let groups = [
        ("queues", texts.queues, texts.lane_of_queue, queues),
        (
            "workflows",
            texts.workflows,
            texts.lane_of_workflow,
            workflows,
        ),
    ];
    groups
        .into_iter()
        .filter_map(|(word, heading, head, lanes)| group(word, heading, head, lanes, sight))
        .collect()
}

fn group(
    word: &'static str,
    heading: &'static str,
    head: &'static str,
    lanes: Vec<LaneView>,
    sight: &Sight,
) -> Option<Group> {
    let first = lanes.first()?;
    let states = view::states_of(&first.key).iter();
    let states = states.map(|state| (*state, view::state_text(&first.key, state, sight)));
    let has_regions = lanes.iter().any(|lane| lane.region() != first.region());
    Some(Group {
        word,
        heading,
        head,
        states: states.collect(),
        has_regions,
        lanes,
    })
}
