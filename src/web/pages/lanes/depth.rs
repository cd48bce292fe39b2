//! What a queue's page and a workflow's page say alike of one lane: its numbers, what ended by time,
//! what is known of durations, and its failures by code.

use serde::Serialize;

use crate::clock::{Timestamp, Window};
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::lane_records::{FailureGroups, Lag, LaneKey, LaneRecord};
use crate::web::lists::encoded;
use crate::web::pages::lanes::charts::TimeChart;
use crate::web::pages::lanes::headline::Card;
use crate::web::pages::lanes::numbers::{self, per_hour};
use crate::web::pages::lanes::view::{self, Count, LaneView, Room};
use crate::web::pages::lanes::{Sight, over};
use crate::web::pages::{Frame, words};
use crate::web::texts::words::grouped;

/// What a queue's and a workflow's page say alike of a lane.
pub struct Depth {
    pub region: String,
    pub cards: Vec<Card>,
    pub counts: Vec<Count>,
    pub chart: TimeChart,
    /// What is known of durations, in a sentence.
    pub durations: String,
    pub failures: Vec<Failure>,
    /// Sentences on what is not among the failures.
    pub failure_notes: Vec<String>,
    pub is_failing: bool,
}

/// Failures of one code.
pub struct Failure {
    pub code: String,
    pub link: String,
    pub count: String,
    pub hint: Option<&'static str>,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub latest: String,
    pub latest_link: String,
}

/// What was read of one lane.
#[derive(Serialize)]
pub struct DepthRecord {
    #[serde(flatten)]
    pub lane: LaneRecord,
    pub failures: FailureGroups,
    pub lag: Lag,
}

/// The lanes of a page as JSON.
#[derive(Serialize)]
pub struct DepthsJson {
    pub from: Timestamp,
    pub to: Timestamp,
    pub lanes: Vec<DepthRecord>,
}

impl Depth {
    pub fn new(record: DepthRecord, frame: &Frame, sight: &Sight) -> Depth {
        let DepthRecord {
            lane,
            failures,
            lag,
        } = record;
        let chart = TimeChart::new(&lane, sight);
        let cards = cards(&lane, lag, sight);
        let durations = durations(&lane, sight);
        let failure_notes = failure_notes(&failures, sight);
        let failures = failures_of(failures, &lane.key, frame, sight);
        let view = LaneView::new(lane, sight, Room::NONE, String::new());
        Depth {
            region: view.region().to_owned(),
            is_failing: view.is_failing,
            counts: view.counts,
            cards,
            chart,
            durations,
            failures,
            failure_notes,
        }
    }
}

/// Reads what else there is to know of lanes.
pub fn read_depths(
    store: &Store,
    lanes: Vec<LaneRecord>,
    window: Window,
) -> Result<Vec<DepthRecord>, ReadError> {
    let mut records = Vec::with_capacity(lanes.len());
    for lane in lanes {
        records.push(DepthRecord {
            failures: store.failures(&lane.key, window)?,
            lag: store.lane_lag(&lane.key)?,
            lane,
        });
    }
    Ok(records)
}

fn cards(lane: &LaneRecord, lag: Lag, sight: &Sight) -> Vec<Card> {
    let texts = &sight.texts.lanes;
    let (from, to) = (sight.window.from(), sight.window.to());
    let list = view::list_of(&lane.key);
    let total = lane.ended.total();
    let is_failing = view::is_failing_now(lane);
    let failed = over(&format!("{list}&state=failed"), from, to);
    let failed_word = sight.texts.words.states.failed;
    let share = numbers::success_share(lane.ended);
    vec![
        Card::counting(texts.ended, total, &over(&list, from, to), texts.ended_hint),
        Card {
            aside: if is_failing { texts.failing } else { "" }.to_owned(),
            ..Card::counting(failed_word, lane.ended.failed, &failed, texts.failed_hint)
        }
        .troubling(is_failing),
        Card {
            name: texts.success_share,
            number: share.unwrap_or_else(|| "–".to_owned()),
            hint: texts.share_hint,
            ..Card::default()
        },
        Card {
            name: texts.finished_per_hour,
            number: per_hour(total, sight.window, sight.now),
            hint: texts.per_hour_hint,
            ..Card::default()
        },
        Card::of_lag(lag, sight),
        Card {
            name: texts.last_seen,
            number: sight.ago(lane.last_event_at),
            aside: sight.viewer.time_text(lane.last_event_at),
            hint: texts.last_seen_hint,
            ..Card::default()
        },
    ]
}

fn durations(lane: &LaneRecord, sight: &Sight) -> String {
    let texts = &sight.texts.lanes;
    let durations = &lane.durations;
    let quantile = |percent| numbers::quantile_ms(durations, percent).map(texts.about);
    let mean = numbers::mean_ms(durations).map(sight.texts.words.duration);
    match (quantile(50), quantile(95), mean) {
        (Some(median), Some(p95), Some(mean)) => {
            let words = &sight.texts.words;
            [
                (texts.durations_are)(&median, &p95, &mean),
                (words.known_for)(durations.known, durations.of),
            ]
            .join(words.comma)
        }
        _ => texts.durations_unknown.to_owned(),
    }
}

fn failure_notes(failures: &FailureGroups, sight: &Sight) -> Vec<String> {
    let texts = &sight.texts.lanes;
    let grouped: u64 = failures.groups.iter().map(|group| group.count).sum();
    let rest = failures.counted.rows.saturating_sub(grouped);
    let without = (rest > 0).then(|| (texts.failures_without_code)(rest));
    let cut = (!failures.counted.is_all).then(|| (texts.failures_first_of)(failures.counted.rows));
    [without, cut].into_iter().flatten().collect()
}

fn failures_of(
    failures: FailureGroups,
    key: &LaneKey,
    frame: &Frame,
    sight: &Sight,
) -> Vec<Failure> {
    // A workflow's failures are its activities', as its runs' have the code of one of them.
    let list = match key {
        LaneKey::Queue { .. } => format!("{}&state=failed", view::list_of(key)),
        LaneKey::Workflow { id, .. } => {
            let list = format!("/activities?workflow={}&state=failed", encoded(id));
            view::in_region(list, key)
        }
    };
    let groups = failures.groups.into_iter().map(|group| {
        let code = encoded(&group.code);
        let list = format!("{list}&code={code}");
        Failure {
            link: over(&list, sight.window.from(), sight.window.to()),
            count: grouped(group.count),
            hint: frame.hint(&group.code),
            first_at: group.first_at,
            last_at: group.last_at,
            latest_link: match key {
                LaneKey::Queue { .. } => words::job_link(&group.latest),
                LaneKey::Workflow { .. } => words::run_link(&group.latest),
            },
            latest: group.latest,
            code: group.code,
        }
    });
    groups.collect()
}
