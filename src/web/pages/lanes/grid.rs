//! The last runs of a workflow over their activities: which activity fails, and since when.
//!
//! Pure: made from run records. One column a run, the newest last, and one row an activity, in the
//! order of the newest run that has it. At most [`ROWS_MAX`] rows are shown and the rest is counted.

use crate::clock::Timestamp;
use crate::notification::event::JobState;
use crate::store::records::{ActivityRecord, RunOutcome, RunRecord};
use crate::web::pages::lanes::{Sight, numbers};
use crate::web::pages::words;

/// The most activities of a grid: two screens.
pub const ROWS_MAX: usize = 40;

/// The height of the bars, in pixels.
const BARS_HEIGHT: u32 = 64;

/// The least height of a bar, so that it can be seen and pointed at.
const BAR_HEIGHT_MIN: u32 = 4;

/// Room below the bars for the outcomes' icons.
const ICONS_HEIGHT: u32 = 18;

/// A run with a longer id, which MPS never gives, has a link at its bar only and not in each cell, so
/// that no message can make a page of megabytes.
const CELL_ID_BYTES_MAX: usize = 64;

/// The grid of one workflow.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The oldest first.
    pub runs: Vec<Bar>,
    pub rows: Vec<Row>,
    /// Activities that are not shown.
    pub more: usize,
    /// What each failing activity is called, and since when it fails.
    pub failing: Vec<(String, String)>,
    /// The longest duration of an ended run, which is as high as the bars can be.
    pub longest: Option<String>,
}

/// A run as a bar.
#[derive(Clone, Debug)]
pub struct Bar {
    pub link: String,
    pub title: String,
    pub state: &'static str,
    /// In pixels, from the top.
    pub y: u32,
    pub height: u32,
    /// It goes on: as high as it is long until now, or as there is room.
    pub is_open: bool,
}

/// An activity over the runs.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub activity_type: String,
    /// One for each run; `None` where the run has no such activity.
    pub cells: Vec<Option<Cell>>,
    pub median: Option<String>,
    pub longest: Option<String>,
    /// For how many of how many the length is known.
    pub known: String,
}

/// What became of an activity in one run.
#[derive(Clone, Debug)]
pub struct Cell {
    pub state: &'static str,
    pub title: String,
    pub link: Option<String>,
}

impl Grid {
    /// Makes the grid of runs that are given newest first.
    pub fn new(runs: &[RunRecord], sight: &Sight) -> Grid {
        let longest = runs.iter().filter_map(ended_length).max();
        let keys = activity_keys(runs);
        let more = keys.len().saturating_sub(ROWS_MAX);
        let mut failing = Vec::new();
        let mut rows = Vec::new();
        for key in keys {
            let found: Vec<Option<&ActivityRecord>> =
                runs.iter().map(|run| find(run, key)).collect();
            // Also of those that are not shown.
            if let Some(sentence) = streak(&found, sight) {
                failing.push((key.0.to_owned(), sentence));
            }
            if rows.len() < ROWS_MAX {
                rows.push(row(key, runs, &found, sight));
            }
        }
        Grid {
            runs: runs
                .iter()
                .rev()
                .map(|run| bar(run, longest, sight))
                .collect(),
            rows,
            more,
            failing: failing.into_iter().take(ROWS_MAX).collect(),
            longest: longest.map(|ms| sight.length(ms)),
        }
    }

    pub fn bars_height(&self) -> u32 {
        BARS_HEIGHT + ICONS_HEIGHT
    }

    pub fn icons_y(&self) -> u32 {
        BARS_HEIGHT + 4
    }
}

/// An activity's name and type.
type Key<'a> = (&'a str, &'a str);

fn key(activity: &ActivityRecord) -> Key<'_> {
    (&activity.name, &activity.activity_type)
}

fn find<'a>(run: &'a RunRecord, wanted: Key<'_>) -> Option<&'a ActivityRecord> {
    run.activities
        .iter()
        .find(|activity| key(activity) == wanted)
}

fn activity_keys(runs: &[RunRecord]) -> Vec<Key<'_>> {
    let mut seen = std::collections::HashSet::new();
    let activities = runs.iter().flat_map(|run| &run.activities);
    activities
        .map(key)
        .filter(|key| seen.insert(*key))
        .collect()
}

fn ended_length(run: &RunRecord) -> Option<i64> {
    let is_open = matches!(run.outcome, RunOutcome::Running | RunOutcome::Stale);
    run.duration_ms.filter(|_| !is_open)
}

fn bar(run: &RunRecord, longest: Option<i64>, sight: &Sight) -> Bar {
    let is_open = matches!(run.outcome, RunOutcome::Running | RunOutcome::Stale);
    let until_now = run.created_at.map(|at| sight.now.since_ms(at));
    let length = ended_length(run).or(until_now.filter(|_| is_open));
    let height = length.map_or(BAR_HEIGHT_MIN, |ms| height_of(ms, longest));
    let texts = &sight.texts.lanes;
    let outcome = sight.texts.words.outcome(&run.outcome);
    let times = match (run.created_at, length) {
        (Some(at), Some(ms)) => format!("{} · {}", sight.viewer.time_text(at), sight.length(ms)),
        (Some(at), None) => sight.viewer.time_text(at),
        (None, _) => (texts.heard_of_at)(&sight.viewer.time_text(run.last_event_at)),
    };
    Bar {
        link: words::run_link(&run.id),
        title: (texts.item)(&run.id, outcome, &times),
        state: run.outcome.word(),
        y: BARS_HEIGHT - height,
        height,
        is_open,
    }
}

fn height_of(ms: i64, longest: Option<i64>) -> u32 {
    let longest = i128::from(longest.unwrap_or(ms).max(1));
    let height = i128::from(ms.max(0)) * i128::from(BARS_HEIGHT) / longest;
    u32::try_from(height)
        .unwrap_or(BARS_HEIGHT)
        .clamp(BAR_HEIGHT_MIN, BARS_HEIGHT)
}

fn row(
    (name, activity_type): Key<'_>,
    runs: &[RunRecord],
    found: &[Option<&ActivityRecord>],
    sight: &Sight,
) -> Row {
    let cells = runs.iter().zip(found).map(|(run, activity)| {
        let activity = (*activity)?;
        let word = sight.texts.words.job_state(&activity.state);
        let length = activity.duration_ms.map(|ms| sight.length(ms));
        let is_short = run.id.len() <= CELL_ID_BYTES_MAX;
        Some(Cell {
            state: activity.state.word(),
            title: match length {
                Some(length) => format!("{word} · {length}"),
                None => word.to_owned(),
            },
            link: is_short.then(|| words::run_link(&run.id)),
        })
    });
    let there = found.iter().flatten();
    let lengths: Vec<i64> = there
        .clone()
        .filter_map(|activity| activity.duration_ms)
        .collect();
    let known = (sight.texts.words.known_for)(lengths.len() as u64, there.count() as u64);
    Row {
        name: name.to_owned(),
        activity_type: activity_type.to_owned(),
        cells: cells.rev().collect(),
        longest: lengths.iter().max().map(|ms| sight.length(*ms)),
        median: numbers::median(lengths).map(|ms| sight.length(ms)),
        known,
    }
}

/// Says in how many of the last runs that had an activity it failed one after the other, if it did
/// in the newest. What was skipped, cancelled or goes on says nothing of whether it works.
fn streak(newest_first: &[Option<&ActivityRecord>], sight: &Sight) -> Option<String> {
    let mut failed: u64 = 0;
    let mut since: Option<Timestamp> = None;
    let mut has_worked = false;
    for activity in newest_first.iter().flatten() {
        match activity.state {
            JobState::Failed => {
                failed += 1;
                since = Some(activity.finished_at.unwrap_or(activity.last_event_at));
            }
            JobState::Succeeded | JobState::Completed => {
                has_worked = true;
                break;
            }
            _ => {}
        }
    }
    let since = sight.viewer.moment_text(since?);
    let texts = &sight.texts.lanes;
    Some(match failed {
        1 => (texts.failed_in_newest)(&since),
        _ if has_worked => (texts.failed_in_last)(failed, &since),
        _ => (texts.failed_in_all)(failed, &since),
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::clock::Window;
    use crate::web::pages::samples;
    use crate::web::texts::Language;
    use crate::web::viewer::Viewer;

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    fn sight() -> Sight {
        let viewer = Viewer {
            language: Language::English,
            zone: Tz::UTC,
        };
        Sight::new(viewer, Window::new(Timestamp(0), NOW).unwrap(), NOW)
    }

    fn activity(name: &str, state: JobState, ended_ms: i64) -> ActivityRecord {
        ActivityRecord {
            name: name.to_owned(),
            activity_type: "Transcode".to_owned(),
            state,
            finished_at: Some(NOW.plus_ms(ended_ms)),
            duration_ms: Some(-ended_ms),
            ..samples::activity()
        }
    }

    fn run(id: &str, outcome: RunOutcome, activities: Vec<ActivityRecord>) -> RunRecord {
        RunRecord {
            id: id.to_owned(),
            outcome,
            activities,
            created_at: Some(NOW.plus_ms(-10_000)),
            duration_ms: Some(5_000),
            ..samples::run()
        }
    }

    /// Runs, newest first, in which `HD` ended like this, a second apart.
    fn runs(states: &[Option<JobState>]) -> Vec<RunRecord> {
        let runs = states.iter().zip(1..).map(|(state, at)| {
            let activities = state.map(|state| activity("HD", state, -1_000 * at));
            run(
                &at.to_string(),
                RunOutcome::Succeeded,
                activities.into_iter().collect(),
            )
        });
        runs.collect()
    }

    fn said(states: &[Option<JobState>]) -> Option<String> {
        let grid = Grid::new(&runs(states), &sight());
        grid.failing.into_iter().next().map(|(name, sentence)| {
            assert_eq!(name, "HD");
            sentence
        })
    }

    #[test]
    fn it_is_said_in_how_many_of_the_last_runs_an_activity_failed_and_since_when() {
        let (bad, good) = (Some(JobState::Failed), Some(JobState::Succeeded));
        let skipped = Some(JobState::Skipped);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[good, bad, bad]), None);
        assert_eq!(
            said(&[bad, skipped, None, bad, good, bad]).unwrap(),
            "has failed in the last 2 runs that had it, since 2024-05-06 07:59:56 UTC."
        );
        assert_eq!(
            said(&[bad, bad, bad]).unwrap(),
            "has failed in each of these 3 runs that had it, since 2024-05-06 07:59:57 UTC or longer."
        );
        assert_eq!(
            said(&[None, bad, good]).unwrap(),
            "has failed in the newest run that had it, at 2024-05-06 07:59:58 UTC."
        );
    }

    #[test]
    fn runs_stand_in_the_order_of_time_above_the_cells_of_their_activities() {
        let newest = run(
            "new",
            RunOutcome::Failed,
            vec![
                activity("b", JobState::Failed, -3_000),
                activity("a", JobState::Succeeded, -1_000),
            ],
        );
        let oldest = run(
            "old",
            RunOutcome::Succeeded,
            vec![
                activity("a", JobState::Succeeded, -2_000),
                activity("c", JobState::Skipped, -2_000),
            ],
        );
        let grid = Grid::new(&[newest, oldest], &sight());
        let links: Vec<&str> = grid.runs.iter().map(|bar| bar.link.as_str()).collect();
        assert_eq!(links, ["/runs/old", "/runs/new"]);
        let rows: Vec<(&str, Vec<Option<&str>>)> = grid
            .rows
            .iter()
            .map(|row| {
                let cells = row.cells.iter();
                let states = cells.map(|cell| cell.as_ref().map(|cell| cell.state));
                (row.name.as_str(), states.collect())
            })
            .collect();
        let expected = [
            ("b", vec![None, Some("failed")]),
            ("a", vec![Some("succeeded"), Some("succeeded")]),
            ("c", vec![Some("skipped"), None]),
        ];
        assert_eq!(rows, expected);
        assert_eq!(grid.rows[1].median.as_deref(), Some("1.0 s"));
        assert_eq!(grid.rows[1].longest.as_deref(), Some("2.0 s"));
        assert_eq!(grid.rows[1].known, "known for 2 of 2");
    }

    #[test]
    fn a_bar_is_as_high_as_its_run_is_long_and_an_open_one_has_no_say_in_it() {
        let with = |outcome, duration_ms, began_ms| RunRecord {
            duration_ms,
            created_at: Some(NOW.plus_ms(began_ms)),
            ..run("r", outcome, vec![])
        };
        let runs = [
            with(RunOutcome::Stale, None, -900_000_000),
            with(RunOutcome::Running, None, -5_000),
            with(RunOutcome::Failed, Some(10_000), -20_000),
            with(RunOutcome::Succeeded, Some(1), -20_000),
            with(RunOutcome::Succeeded, None, -20_000),
        ];
        let grid = Grid::new(&runs, &sight());
        let heights: Vec<(u32, bool)> = grid
            .runs
            .iter()
            .rev()
            .map(|bar| (bar.height, bar.is_open))
            .collect();
        let expected = [(64, true), (32, true), (64, false), (4, false), (4, false)];
        assert_eq!(heights, expected);
        assert!(grid.runs.iter().all(|bar| bar.y + bar.height == 64));
    }

    #[test]
    fn a_grid_is_bounded_and_says_what_it_leaves_out() {
        let names = (0..ROWS_MAX + 3).map(|at| activity(&at.to_string(), JobState::Succeeded, -1));
        let long = "x".repeat(CELL_ID_BYTES_MAX + 1);
        let grid = Grid::new(
            &[run(&long, RunOutcome::Succeeded, names.collect())],
            &sight(),
        );
        assert_eq!((grid.rows.len(), grid.more), (ROWS_MAX, 3));
        assert!(grid.rows[0].cells[0].as_ref().unwrap().link.is_none());
        let grid = Grid::new(&runs(&[Some(JobState::Failed)]), &sight());
        assert_eq!(grid.more, 0);
        assert!(grid.rows[0].cells[0].as_ref().unwrap().link.is_some());
    }
}
