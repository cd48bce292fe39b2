//! The drawing of one run or one job over time: a row each, from start to end.
//!
//! It says what is known and nothing more: what goes on reaches to now and looks open; what has no
//! start, no end, or was skipped is a mark at the time there is; what ended before it started is
//! marked as clock skew. Every row has its name, its length and a title with its times in words, and
//! the same stands in the table below or the facts above.
//!
//! Which row is where on the line of time is `timeline`'s, and how it is drawn `drawing.rs`'s.

use crate::clock::{Timestamp, Window};
use crate::notification::event::JobState;
use crate::store::records::{ActivityRecord, JobRecord, RunOutcome, RunRecord};
use crate::timeline::shapes::{Interval, Layout, place};
use crate::web::pages::drawing::{Axis, Lane, Seen};
use crate::web::pages::{Frame, words};

/// The shortest window, so that what took no time at all has an axis.
const WINDOW_MS_MIN: i64 = 1_000;

/// Rows over one window.
pub struct Gantt {
    /// What it shows, in words.
    pub label: &'static str,
    pub rows: Vec<Row>,
    pub axis: Axis,
}

/// One activity, or one part of a job.
pub struct Row {
    pub name: String,
    /// Its type, if that is not its name.
    pub kind: String,
    pub length: Option<String>,
    /// Something is remarkable about its times; the word and what it means.
    pub remark: Option<(&'static str, &'static str)>,
    pub lane: Lane,
}

/// One thing to draw.
struct Drawn<'a> {
    name: &'a str,
    kind: &'a str,
    state: JobState,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    known_at: Timestamp,
    link: Option<String>,
    /// Without an end it goes on.
    may_go_on: bool,
}

impl Gantt {
    /// Draws the activities of `run` that `listed` has, each with the place on the page that its row
    /// leads to unless it has a job. `None` if there is nothing to draw.
    pub fn of_run(
        frame: &Frame,
        run: &RunRecord,
        listed: &[(String, ActivityRecord)],
    ) -> Option<Gantt> {
        let is_open = matches!(run.outcome, RunOutcome::Running | RunOutcome::Stale);
        let drawn = listed.iter().map(|(anchor, activity)| Drawn {
            name: &activity.name,
            kind: &activity.activity_type,
            state: activity.state,
            started_at: activity.started_at,
            finished_at: activity.finished_at,
            known_at: activity.last_event_at,
            link: Some(match &activity.job {
                Some(job) => words::job_link(job),
                None => format!("#{anchor}"),
            }),
            may_go_on: is_open && !activity.state.is_terminal(),
        });
        let label = frame.texts.details.drawing.of_run;
        let mut times = Vec::from_iter(run.created_at);
        // So that it can be seen for how long nothing was heard of it.
        times.extend(is_open.then_some(frame.now));
        Gantt::of(frame, label, times, &drawn.collect::<Vec<_>>())
    }

    /// Draws how long `job` waited and worked, as far as both ends of either are known.
    pub fn of_job(frame: &Frame, job: &JobRecord) -> Option<Gantt> {
        let texts = &frame.texts.details.drawing;
        let finished_at = job.finished_at?;
        let part = |name, state, from, to| Drawn {
            name,
            kind: "",
            state,
            started_at: Some(from),
            finished_at: Some(to),
            known_at: to,
            link: None,
            may_go_on: false,
        };
        let wait_and_run = frame.texts.words.heads.wait_and_run;
        let parts = match (job.submitted_at, job.started_at) {
            (Some(submitted), Some(started)) if job.run.is_none() => vec![
                part(texts.waited, JobState::Submitted, submitted, started),
                part(texts.ran, job.state, started, finished_at),
            ],
            // The start of an activity's job is that of its activity, which then waits in the queue.
            (None, Some(started)) if job.run.is_none() => {
                vec![part(texts.ran, job.state, started, finished_at)]
            }
            (Some(from), _) | (None, Some(from)) => {
                vec![part(wait_and_run, job.state, from, finished_at)]
            }
            (None, None) => return None,
        };
        Gantt::of(frame, texts.of_job, Vec::new(), &parts)
    }

    fn of(
        frame: &Frame,
        label: &'static str,
        times: Vec<Timestamp>,
        drawn: &[Drawn<'_>],
    ) -> Option<Gantt> {
        if drawn.is_empty() {
            return None;
        }
        let window = window(frame.now, times, drawn)?;
        let rows = drawn.iter().map(|it| row(frame, window, it));
        Some(Gantt {
            label,
            rows: rows.collect(),
            axis: Axis::new(window, frame.viewer.zone, frame.now),
        })
    }
}

impl Drawn<'_> {
    /// Returns from when to when it is drawn: a stretch only between two times that are known, or
    /// from one to now; else it is a mark.
    fn interval<T>(&self, what: T) -> Interval<T> {
        let goes_on = self.may_go_on && self.finished_at.is_none();
        let has_stretch =
            self.state != JobState::Skipped && (self.finished_at.is_some() || goes_on);
        Interval {
            start: self.started_at.filter(|_| has_stretch),
            end: self.finished_at,
            known_at: self.started_at.unwrap_or(self.known_at),
            what,
        }
    }
}

/// Returns the stretch of time in which all of `drawn` is, and all of `times`.
fn window(now: Timestamp, mut times: Vec<Timestamp>, drawn: &[Drawn<'_>]) -> Option<Window> {
    for it in drawn {
        let interval = it.interval(());
        times.extend(interval.start);
        times.push(match (interval.start, interval.end) {
            (_, Some(end)) => end,
            (Some(_), None) => now,
            (None, None) => interval.known_at,
        });
    }
    let (first, last) = (*times.iter().min()?, *times.iter().max()?);
    // The end of a window is not in it.
    Window::new(first, last.max(first.plus_ms(WINDOW_MS_MIN)).plus_ms(1))
}

fn row(frame: &Frame, window: Window, drawn: &Drawn<'_>) -> Row {
    let texts = &frame.texts.details.drawing;
    let Interval { start, end, .. } = drawn.interval(());
    let stretch = start.zip(end.or(start.map(|_| frame.now)));
    let stretch = stretch.map(|(start, end)| end.since_ms(start));
    let length = stretch.filter(|ms| *ms >= 0).map(|ms| frame.duration(&ms));
    let is_skewed = stretch.is_some_and(|ms| ms < 0);
    let remark = if is_skewed {
        Some((texts.clock_skew, texts.clock_skew_hint))
    } else if start.is_some() && end.is_none() {
        Some((texts.goes_on, ""))
    } else {
        None
    };

    let state = frame.texts.words.job_state(&drawn.state);
    let mut title = format!("{}: {state}, {}", drawn.name, times_text(frame, drawn));
    for more in length
        .iter()
        .map(String::as_str)
        .chain(remark.map(|(word, _)| word))
    {
        title.push_str(", ");
        title.push_str(more);
    }
    let seen = Seen {
        state: drawn.state.word(),
        link: drawn.link.clone(),
        title: title.clone(),
    };
    let placed = place(window, frame.now, drawn.interval(seen));
    let layout = Layout {
        placed: Vec::from_iter(placed),
        rows: 1,
        hidden: 0,
    };
    let kind = Some(drawn.kind).filter(|kind| *kind != drawn.name);
    Row {
        name: drawn.name.to_owned(),
        kind: kind.unwrap_or_default().to_owned(),
        length,
        remark,
        lane: Lane::of_layout(title, layout),
    }
}

fn times_text(frame: &Frame, drawn: &Drawn<'_>) -> String {
    let texts = &frame.texts.details.drawing;
    match (drawn.started_at, drawn.finished_at) {
        (Some(start), Some(end)) => (texts.from_to)(&frame.time(&start), &frame.time(&end)),
        (Some(start), None) if drawn.may_go_on => (texts.since)(&frame.time(&start)),
        (Some(start), None) => (texts.started_and_no_end)(&frame.time(&start)),
        (None, Some(end)) => (texts.ended_and_no_start)(&frame.time(&end)),
        (None, None) => texts.no_times.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::shapes::Form;
    use crate::web::pages::samples;
    use crate::web::pages::tests::frame;

    #[expect(clippy::unnecessary_wraps, reason = "times that it fills are optional")]
    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp(seconds * 1_000))
    }

    /// Draws activities (state, start, end) of a run from second 0, at second 100.
    fn draw(
        outcome: RunOutcome,
        activities: &[(JobState, Option<Timestamp>, Option<Timestamp>)],
    ) -> Gantt {
        let run = RunRecord {
            outcome,
            created_at: at(0),
            ..samples::run()
        };
        let listed = activities.iter().map(|(state, started_at, finished_at)| {
            let activity = ActivityRecord {
                state: *state,
                started_at: *started_at,
                finished_at: *finished_at,
                last_event_at: Timestamp(50_000),
                job: None,
                ..samples::activity()
            };
            ("here".to_owned(), activity)
        });
        let frame = Frame {
            now: Timestamp(100_000),
            ..frame()
        };
        Gantt::of_run(&frame, &run, &listed.collect::<Vec<_>>()).unwrap()
    }

    /// Returns form, left edge and right edge of each row's shape, in whole per cent.
    fn shapes(gantt: &Gantt) -> Vec<(Form, f64, f64)> {
        let placed = gantt.rows.iter().map(|row| &row.lane.shapes[0].placed);
        placed
            .map(|it| (it.form, it.x.round(), (it.x + it.width).round()))
            .collect()
    }

    #[test]
    fn a_bar_is_between_known_times_and_what_lacks_one_is_a_mark() {
        use JobState::{Failed, Skipped, Succeeded};
        let gantt = draw(
            RunOutcome::Failed,
            &[
                (Succeeded, at(10), at(100)),
                (Failed, None, at(20)),
                (Skipped, at(30), at(30)),
                (Succeeded, at(40), None),
                (Skipped, None, None),
            ],
        );
        let mark = |at| (Form::Mark, at, at);
        assert_eq!(
            shapes(&gantt),
            [
                (Form::Bar, 10.0, 100.0),
                mark(20.0),
                mark(30.0),
                mark(40.0),
                mark(50.0)
            ]
        );
        let lengths: Vec<_> = gantt.rows.iter().map(|row| row.length.as_deref()).collect();
        assert_eq!(lengths, [Some("1 min 30 s"), None, None, None, None]);
    }

    #[test]
    fn what_goes_on_reaches_to_now_only_while_its_run_goes_on() {
        let running = [(JobState::Running, at(20), None)];
        let open = draw(RunOutcome::Stale, &running);
        assert_eq!(shapes(&open), [(Form::Open, 20.0, 100.0)]);
        assert_eq!(open.rows[0].remark.unwrap().0, "goes on");
        assert_eq!(open.rows[0].length.as_deref(), Some("1 min 20 s"));
        let ended = draw(RunOutcome::Succeeded, &running);
        assert_eq!(shapes(&ended)[0].0, Form::Mark);
        assert_eq!(ended.rows[0].remark, None);
    }

    #[test]
    fn the_silence_of_an_open_run_can_be_seen() {
        let gantt = draw(RunOutcome::Running, &[(JobState::Succeeded, at(0), at(10))]);
        assert_eq!(shapes(&gantt), [(Form::Bar, 0.0, 10.0)]);
    }

    #[test]
    fn what_ended_before_it_started_is_marked_and_has_no_length() {
        let gantt = draw(
            RunOutcome::Failed,
            &[
                (JobState::Failed, at(60), at(40)),
                (JobState::Succeeded, at(0), at(80)),
            ],
        );
        assert_eq!(shapes(&gantt)[0], (Form::ClockSkew, 50.0, 50.0));
        let row = &gantt.rows[0];
        assert_eq!(
            (row.length.as_deref(), row.remark.unwrap().0),
            (None, "clock skew")
        );
        assert!(row.lane.label.contains("clock skew"), "{}", row.lane.label);
    }

    #[test]
    fn a_row_leads_to_its_job_or_else_to_its_row_in_the_table() {
        let links = |job: Option<&str>| {
            let activity = ActivityRecord {
                job: job.map(str::to_owned),
                ..samples::activity()
            };
            let listed = [("here".to_owned(), activity)];
            let gantt = Gantt::of_run(&frame(), &samples::run(), &listed).unwrap();
            gantt.rows[0].lane.shapes[0].placed.what.link.clone()
        };
        assert_eq!(links(Some("j1")).as_deref(), Some("/jobs/j1"));
        assert_eq!(links(None).as_deref(), Some("#here"));
    }

    #[test]
    fn a_job_is_drawn_only_between_times_that_are_known() {
        let rows = |run: Option<&str>, submitted, started, finished| {
            let job = JobRecord {
                run: run.map(str::to_owned),
                submitted_at: submitted,
                started_at: started,
                finished_at: finished,
                ..samples::job()
            };
            let gantt = Gantt::of_job(&frame(), &job);
            let rows = gantt.map(|gantt| gantt.rows).unwrap_or_default();
            rows.into_iter()
                .map(|row| (row.name, row.length.unwrap()))
                .collect::<Vec<_>>()
        };
        let row = |name: &str, length: &str| (name.to_owned(), length.to_owned());
        assert_eq!(
            rows(None, at(0), at(10), at(30)),
            [row("waited", "10 s"), row("ran", "20 s")]
        );
        assert_eq!(rows(None, None, at(10), at(30)), [row("ran", "20 s")]);
        let both = [row("Wait + run", "20 s")];
        assert_eq!(rows(None, at(10), None, at(30)), both);
        assert_eq!(rows(Some("r"), None, at(10), at(30)), both);
        assert_eq!(rows(None, None, None, at(30)), []);
        assert_eq!(rows(None, at(0), at(10), None), []);
    }
}
