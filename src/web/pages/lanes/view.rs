//! A lane's record, made what the overview and the lane's own page show of it.

use crate::clock::Timestamp;
use crate::notification::event::JobState;
use crate::store::lane_records::{Ended, LaneItem, LaneKey, LaneRecord};
use crate::store::records::RunOutcome;
use crate::timeline::chunks::{Chunk, chunks};
use crate::timeline::shapes::{Interval, lay_out};
use crate::web::lists::encoded;
use crate::web::pages::drawing::{Lane, Seen};
use crate::web::pages::lanes::{Sight, numbers, over};
use crate::web::pages::words;
use crate::web::texts::words::grouped;

/// The height of a lane's columns on the overview, in pixels: two lines of text.
const COLUMNS_HEIGHT: u32 = 44;

/// The most rows of single things on a lane: with more of them at once, columns say it better.
const ROWS_MAX: usize = 5;

/// The most columns of a lane: wide enough to be pointed at.
pub const COLUMNS_MAX: usize = 96;

/// With fewer columns than this that are links, more without links say more.
const LINKS_MIN: usize = 24;

/// What the lanes of a page may send together, in bytes, of the 500 KB of a page.
const LANES_BYTES: usize = 440_000;

/// What a lane sends beside its columns: its name, numbers, ticks and its row of the table.
const LANE_BYTES: usize = 2_600;

/// What a column or shape sends beside its link: its title and rectangles.
const SHAPE_BYTES: usize = 330;

/// What a lane may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The most columns or shapes.
    pub shapes: usize,
    /// Columns lead to what they stand for.
    pub has_links: bool,
}

impl Room {
    /// For what is not drawn.
    pub const NONE: Room = Room {
        shapes: 1,
        has_links: false,
    };

    /// Returns the room of a lane on a page with so many, so that the page stays below 500 KB.
    pub fn of(lanes: usize, key: &LaneKey) -> Room {
        let link = list_of(key).len();
        // The name stands in all of a lane's links, and beside them.
        let fixed = LANE_BYTES + 8 * link;
        let each = (LANES_BYTES / lanes.max(1)).saturating_sub(fixed);
        // A list's link has a window of 70 bytes behind it.
        let linked = each / (SHAPE_BYTES + link + 70);
        let has_links = linked >= LINKS_MIN;
        let shapes = if has_links {
            linked
        } else {
            each / SHAPE_BYTES
        };
        Room {
            shapes: shapes.clamp(1, COLUMNS_MAX),
            has_links,
        }
    }
}

/// One lane as a page shows it.
#[derive(Clone, Debug)]
pub struct LaneView {
    pub key: LaneKey,
    /// What it is called.
    pub name: String,
    /// Its own page.
    pub link: String,
    pub drawing: Lane,
    /// What is there of each state, without what is not there.
    pub counts: Vec<Count>,
    pub ended: Ended,
    pub open: u64,
    pub stale: u64,
    pub share: Option<String>,
    /// In words, where any is known.
    pub durations: Option<String>,
    pub last_event_at: Timestamp,
    pub last_seen: String,
    pub is_failing: bool,
}

/// How much there is of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub state: &'static str,
    /// The number and the state's word.
    pub text: String,
    pub link: String,
}

impl LaneView {
    /// Makes it with its drawing, for which there is `room`; `link` is its own page's.
    pub fn new(lane: LaneRecord, sight: &Sight, room: Room, link: String) -> LaneView {
        let name = name_of(&lane).to_owned();
        LaneView {
            link,
            drawing: drawing(&lane, &name, sight, room),
            counts: counts(&lane, sight),
            ended: lane.ended,
            open: lane.open,
            stale: lane.stale,
            share: numbers::success_share(lane.ended),
            durations: durations(&lane, sight),
            last_event_at: lane.last_event_at,
            last_seen: sight.ago(lane.last_event_at),
            is_failing: numbers::is_failing(lane.last_hour),
            name,
            key: lane.key,
        }
    }

    pub fn region(&self) -> &str {
        match &self.key {
            LaneKey::Queue { region, .. } | LaneKey::Workflow { region, .. } => region,
        }
    }

    /// Returns how much there is of a state, for tables.
    pub fn number_text(&self, state: &str) -> String {
        grouped(match state {
            "running" => self.open.saturating_sub(self.stale),
            "stale" => self.stale,
            _ => number(self.ended, state),
        })
    }

    /// Returns how much ended.
    pub fn total(&self) -> String {
        grouped(self.ended.total())
    }
}

/// Returns what a lane is called.
pub fn name_of(lane: &LaneRecord) -> &str {
    match &lane.key {
        LaneKey::Queue { name, .. } => name,
        LaneKey::Workflow { id, .. } => {
            let name = lane.name.as_deref().filter(|name| !name.is_empty());
            name.unwrap_or(id)
        }
    }
}

/// Returns the path of a lane's own page, without its window.
pub fn path_of(key: &LaneKey) -> String {
    match key {
        LaneKey::Queue { name, .. } => words::queue_link(name),
        LaneKey::Workflow { id, .. } => words::workflow_link(id),
    }
}

/// Tells whether a lane fails now.
pub fn is_failing_now(lane: &LaneRecord) -> bool {
    numbers::is_failing(lane.last_hour)
}

/// Returns the address of the list of what a lane counts.
pub fn list_of(key: &LaneKey) -> String {
    let list = match key {
        LaneKey::Queue { name, .. } => format!("/jobs?queue={}", encoded(name)),
        LaneKey::Workflow { id, .. } => format!("/runs?workflow={}", encoded(id)),
    };
    in_region(list, key)
}

/// Adds a lane's region to the address of a list; a query string cannot ask for none.
pub fn in_region(list: String, key: &LaneKey) -> String {
    match key {
        LaneKey::Queue { region, .. } | LaneKey::Workflow { region, .. } if region.is_empty() => {
            list
        }
        LaneKey::Queue { region, .. } | LaneKey::Workflow { region, .. } => {
            format!("{list}&region={}", encoded(region))
        }
    }
}

/// Returns the word of a state in the viewer's language.
pub fn state_text(key: &LaneKey, word: &str, sight: &Sight) -> &'static str {
    let words = &sight.texts.words;
    match key {
        LaneKey::Queue { .. } => {
            words.job_state(&JobState::from_word(word).unwrap_or(JobState::Unknown))
        }
        LaneKey::Workflow { .. } => match RunOutcome::from_word(word) {
            Some(outcome) => words.outcome(&outcome),
            None => words.states.unknown,
        },
    }
}

/// Returns the states that a lane may count, the troubles first.
pub fn states_of(key: &LaneKey) -> &'static [&'static str] {
    match key {
        LaneKey::Queue { .. } => &["failed", "succeeded", "cancelled", "skipped", "completed"],
        LaneKey::Workflow { .. } => &["failed", "partial", "stale", "running", "succeeded"],
    }
}

/// Returns how much ended in a state.
pub fn number(ended: Ended, state: &str) -> u64 {
    match state {
        "succeeded" => ended.succeeded,
        "partial" => ended.partial,
        "failed" => ended.failed,
        "cancelled" => ended.cancelled,
        "skipped" => ended.skipped,
        "completed" => ended.completed,
        _ => 0,
    }
}

fn counts(lane: &LaneRecord, sight: &Sight) -> Vec<Count> {
    let list = list_of(&lane.key);
    let count = |state: &'static str| {
        let running = lane.open.saturating_sub(lane.stale);
        let (number, link) = match state {
            // What goes on does so now, whatever the window.
            "running" => (running, format!("{list}&state=running")),
            "stale" => (lane.stale, format!("{list}&state=stale")),
            _ => {
                let list = format!("{list}&state={state}");
                let link = over(&list, sight.window.from(), sight.window.to());
                (number(lane.ended, state), link)
            }
        };
        let word = state_text(&lane.key, state, sight);
        let number_text = grouped(number);
        (number > 0).then(|| Count {
            state,
            text: format!("{number_text} {word}"),
            link,
        })
    };
    states_of(&lane.key)
        .iter()
        .filter_map(|state| count(state))
        .collect()
}

fn durations(lane: &LaneRecord, sight: &Sight) -> Option<String> {
    let texts = &sight.texts.lanes;
    let median = numbers::quantile_ms(&lane.durations, 50)?;
    let (known, of) = (lane.durations.known, lane.durations.of);
    Some((texts.median_known)(&(texts.about)(median), known, of))
}

fn drawing(lane: &LaneRecord, name: &str, sight: &Sight, room: Room) -> Lane {
    let failed = numbers::failures(lane.ended);
    let label = (sight.texts.lanes.lane_label)(name, lane.ended.total(), failed);
    let few = lane
        .items
        .as_ref()
        .filter(|items| items.len() <= room.shapes);
    if let Some(items) = few {
        let intervals = items
            .iter()
            .map(|item| interval(lane, item, sight))
            .collect();
        let layout = lay_out(sight.window, sight.now, intervals, ROWS_MAX);
        if layout.hidden == 0 {
            return Lane::of_layout(label, layout);
        }
    }
    let chunks = merged(lane, sight, room.shapes);
    let top = chunks.iter().map(|chunk| chunk.what.total()).max();
    let top = top.unwrap_or(1);
    let drawn = columns(lane, sight, label, COLUMNS_HEIGHT, top, chunks);
    if room.has_links {
        drawn
    } else {
        drawn.without_links()
    }
}

/// Draws chunks of a lane as columns.
pub fn columns(
    lane: &LaneRecord,
    sight: &Sight,
    label: String,
    height: u32,
    top: u64,
    chunks: Vec<Chunk<Ended>>,
) -> Lane {
    let list = list_of(&lane.key);
    let link = |chunk: &Chunk<Ended>| Some(over(&list, chunk.from, chunk.to));
    let title = |chunk: &Chunk<Ended>| chunk_title(chunk, sight);
    Lane::of_chunks(label, height, top, chunks, link, title)
}

/// Returns from when to when a chunk is, and what is in it.
pub fn chunk_title(chunk: &Chunk<Ended>, sight: &Sight) -> String {
    let to = sight.minute_after(chunk.from, chunk.to);
    (sight.texts.lanes.chunk)(&sight.minute(chunk.from), &to, chunk.what)
}

/// Returns what ended by time, in at most so many chunks.
pub fn merged(lane: &LaneRecord, sight: &Sight, columns_max: usize) -> Vec<Chunk<Ended>> {
    let slots = lane.slots.iter().map(|slot| (slot.at, slot.ended));
    let length = column_ms(sight, lane.slot_ms, columns_max);
    chunks(sight.window, length, slots, |sum, ended| {
        *sum = together(*sum, ended);
    })
}

/// Returns how long a column stands for: as many slots as need be, a number that clocks know.
pub fn column_ms(sight: &Sight, slot_ms: i64, columns_max: usize) -> i64 {
    let slots = sight.window.length_ms() / slot_ms.max(1);
    let columns_max = i64::try_from(columns_max).unwrap_or(i64::MAX);
    let times = [1, 2, 5, 10, 20, 40, 80, 160];
    let fits = |times: &i64| slots / times <= columns_max;
    let times = times.into_iter().find(fits).unwrap_or(320);
    slot_ms.saturating_mul(times)
}

/// Adds up what ended.
pub fn together(a: Ended, b: Ended) -> Ended {
    Ended {
        succeeded: a.succeeded.saturating_add(b.succeeded),
        partial: a.partial.saturating_add(b.partial),
        failed: a.failed.saturating_add(b.failed),
        cancelled: a.cancelled.saturating_add(b.cancelled),
        skipped: a.skipped.saturating_add(b.skipped),
        completed: a.completed.saturating_add(b.completed),
    }
}

fn interval(lane: &LaneRecord, item: &LaneItem, sight: &Sight) -> Interval<Seen> {
    let link = match &lane.key {
        LaneKey::Queue { .. } => words::job_link(&item.id),
        LaneKey::Workflow { .. } => words::run_link(&item.id),
    };
    let texts = &sight.texts.lanes;
    let minute = |at: Timestamp| sight.viewer.time_text(at);
    let times = match (item.started_at, item.finished_at) {
        (Some(began), Some(ended)) if ended < began => texts.clock_skew.to_owned(),
        (Some(began), Some(ended)) => (texts.began_ended)(&minute(began), &minute(ended)),
        (Some(began), None) => (texts.goes_on_since)(&minute(began)),
        (None, Some(ended)) => (texts.ended_at)(&minute(ended)),
        (None, None) => (texts.heard_of_at)(&minute(item.last_event_at)),
    };
    let state = state_text(&lane.key, item.state, sight);
    Interval {
        start: item.started_at,
        end: item.finished_at,
        known_at: item.last_event_at,
        what: Seen {
            state: item.state,
            link: Some(link),
            title: (texts.item)(&item.id, state, &times),
        },
    }
}
