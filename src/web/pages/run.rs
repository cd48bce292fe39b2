//! `/runs/{id}`: one run with its activities over time, and with what it was folded from.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::notification::event::JobState;
use crate::store::records::{ActivityRecord, RunDetail, RunOutcome, RunRecord};
use crate::web::asked::{self, Asked};
use crate::web::error::{PageError, What};
use crate::web::pages::detail::{Evidence, Extra, LISTED_MAX, MessageBudget, MessageView};
use crate::web::pages::gantt::Gantt;
use crate::web::pages::{Frame, Section, detail, drawing, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// The runs of one id.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage {
    pub frame: Frame,
    /// At least one; several if several accounts have a run with this id.
    pub runs: Vec<RunView>,
}

/// One owner's run.
pub struct RunView {
    pub run: RunRecord,
    /// The activities that are listed, each with the anchor of its row.
    pub listed: Vec<(String, ActivityRecord)>,
    pub gantt: Option<Gantt>,
    pub extra: Extra,
    pub evidence: Evidence,
}

impl RunPage {
    /// Makes the page of all owners' runs of one id, each with its messages.
    pub fn of(frame: Frame, found: Vec<(RunDetail, Vec<MessageView>)>) -> RunPage {
        let runs = found.into_iter().enumerate();
        let runs = runs.map(|(at, (detail, messages))| {
            let anchor = format!("activity-{}", at + 1);
            let listed = listed(&detail.run.activities, &anchor);
            RunView {
                gantt: Gantt::of_run(&frame, &detail.run, &listed),
                listed,
                extra: Extra::of(&detail.run.extra),
                run: detail.run,
                evidence: Evidence {
                    events: detail.events,
                    deliveries: detail.deliveries,
                    messages,
                },
            }
        });
        RunPage {
            runs: runs.collect(),
            frame,
        }
    }

    fn id(&self) -> &str {
        self.runs.first().map_or("", |view| view.run.id.as_str())
    }

    fn several(&self) -> Option<String> {
        let count = self.runs.len() as u64;
        (count > 1).then(|| (self.frame.texts.details.several_runs)(count))
    }

    fn label(&self, view: &RunView) -> String {
        (self.frame.texts.details.run_of_owner)(&view.run.owner)
    }

    fn activities_text(&self, view: &RunView) -> String {
        self.frame.activities(&view.run.activities)
    }

    fn events_text(&self, view: &RunView) -> String {
        let events = (self.frame.texts.words.events)(view.run.events);
        (self.frame.texts.details.events_of_run)(&events)
    }

    fn deliveries_text(&self, view: &RunView) -> String {
        let pushes = (self.frame.texts.words.pushes)(view.run.deliveries);
        (self.frame.texts.details.repeats_counted)(&pushes)
    }
}

impl RunView {
    fn json_link(&self) -> String {
        asked::run_json_link(&self.run.id, &self.run.owner)
    }

    fn has_failure(&self) -> bool {
        self.run.code.is_some() || self.run.message.is_some()
    }

    fn is_partial(&self) -> bool {
        self.run.outcome == RunOutcome::Partial
    }

    fn is_stale(&self) -> bool {
        self.run.outcome == RunOutcome::Stale
    }
}

/// Returns the activities that a page lists: all, or as many as it can, the failed ones before the
/// others, in the order in which they started.
fn listed(all: &[ActivityRecord], anchor: &str) -> Vec<(String, ActivityRecord)> {
    let mut chosen: Vec<usize> = (0..all.len()).collect();
    let has_failed = |at: &usize| {
        let activity = all.get(*at);
        activity.is_some_and(|it| it.code.is_some() || it.state == JobState::Failed)
    };
    chosen.sort_by_key(|at| !has_failed(at));
    chosen.truncate(LISTED_MAX);
    chosen.sort_unstable();
    let chosen = chosen.into_iter().filter_map(|at| Some((at, all.get(at)?)));
    chosen
        .map(|(at, activity)| (format!("{anchor}-{}", at + 1), activity.clone()))
        .collect()
}

/// Answers `/runs/{id}`, and `/run?id=`, which any id fits into: each owner's run of that id, or the
/// one that `owner` names.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    path: Option<web::Path<String>>,
) -> Result<HttpResponse, PageError> {
    let asked = Asked::parse(request.query_string(), path)?;
    let id = asked.id.clone();
    let (found, attention) = read(&state, move |store| {
        let mut budget = MessageBudget::default();
        let mut found = Vec::new();
        for detail in store.find_runs(&asked.id)? {
            if asked.is_of(&detail.run.owner) {
                let messages = budget.read(store, &detail.events)?;
                found.push((detail, messages));
            }
        }
        Ok((found, store.attention()?))
    })
    .await?;
    if found.is_empty() {
        let what = What::Run;
        return Err(PageError::NotFound { what, id });
    }
    let mut frame = Frame::new(&request, &state, Section::Runs, "", attention);
    frame.title = format!("{} {}", frame.texts.words.heads.run, id);
    respond(&RunPage::of(frame, found))
}
