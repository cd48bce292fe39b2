//! What ended on a lane by time: columns with a scale, and the table that says the same.

use crate::store::lane_records::{Ended, LaneRecord};
use crate::web::pages::drawing::{Axis, Lane, Scale};
use crate::web::pages::lanes::{Sight, numbers, over, view};
use crate::web::texts::words::grouped;

/// The height of the chart, in pixels.
const HEIGHT: u32 = 150;

/// The chart of one lane.
#[derive(Clone, Debug)]
pub struct TimeChart {
    pub lane: Lane,
    pub scale: Scale,
    pub axis: Axis,
    /// The states of the table's columns, with their words.
    pub states: Vec<(&'static str, &'static str)>,
    pub rows: Vec<Row>,
}

/// A row of the table: a column of the chart.
#[derive(Clone, Debug)]
pub struct Row {
    pub time: String,
    pub link: String,
    pub ended: Ended,
}

impl TimeChart {
    pub fn new(lane: &LaneRecord, sight: &Sight) -> TimeChart {
        let chunks = view::merged(lane, sight, view::COLUMNS_MAX);
        let most = chunks.iter().map(|chunk| chunk.what.total()).max();
        let scale = Scale::new(most.unwrap_or(0), HEIGHT);
        let failed = numbers::failures(lane.ended);
        let label = (sight.texts.lanes.lane_label)(view::name_of(lane), lane.ended.total(), failed);
        let list = view::list_of(&lane.key);
        let rows = chunks.iter().map(|chunk| Row {
            time: (sight.texts.lanes.from_to)(
                &sight.minute(chunk.from),
                &sight.minute_after(chunk.from, chunk.to),
            ),
            link: over(&list, chunk.from, chunk.to),
            ended: chunk.what,
        });
        let rows = rows.collect();
        let drawn = view::columns(lane, sight, label, HEIGHT, scale.top, chunks);
        let states = view::states_of(&lane.key)
            .iter()
            .filter(|state| is_ended(state));
        let states = states.map(|state| (*state, view::state_text(&lane.key, state, sight)));
        TimeChart {
            lane: drawn.with_levels(&scale),
            scale,
            axis: sight.axis(),
            states: states.collect(),
            rows,
        }
    }

    /// Returns the numbers of a row with their words.
    pub fn cells(&self, row: &Row) -> Vec<(&'static str, String)> {
        let cells = self.states.iter();
        cells
            .map(|(state, word)| (*word, grouped(view::number(row.ended, state))))
            .collect()
    }
}

fn is_ended(state: &str) -> bool {
    !matches!(state, "running" | "stale")
}
