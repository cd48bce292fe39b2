//! `/jobs/{id}`: one job, why it failed, and what it was folded from.
//!
//! A job of a workflow run is an activity as well, which knows more of it: the workflow's name, and
//! when it started. What the activity says stands beside what the job's own messages say.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::ActivityFilter;
use crate::store::records::{ActivityRecord, JobDetail, JobRecord, PAGE_ROWS_MAX, Page};
use crate::web::asked::{self, Asked};
use crate::web::error::{PageError, What};
use crate::web::pages::detail::{Evidence, Extra, MessageBudget, MessageView};
use crate::web::pages::gantt::Gantt;
use crate::web::pages::{Frame, Section, detail, drawing, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;

/// The jobs of one id.
#[derive(Template)]
#[template(path = "job.html")]
pub struct JobPage {
    pub frame: Frame,
    /// At least one; several if several accounts have a job with this id.
    pub jobs: Vec<JobView>,
}

/// What is read of one owner's job.
pub struct Found {
    pub detail: JobDetail,
    /// What it is in its run, if it has one.
    pub activity: Option<ActivityRecord>,
    pub messages: Vec<MessageView>,
}

/// One owner's job.
pub struct JobView {
    pub job: JobRecord,
    pub activity: Option<ActivityRecord>,
    pub gantt: Option<Gantt>,
    pub extra: Extra,
    pub evidence: Evidence,
}

impl JobPage {
    /// Makes the page of all owners' jobs of one id.
    pub fn of(frame: Frame, found: Vec<Found>) -> JobPage {
        let jobs = found.into_iter().map(|found| JobView {
            gantt: Gantt::of_job(&frame, &found.detail.job),
            extra: Extra::of(&found.detail.job.extra),
            job: found.detail.job,
            activity: found.activity,
            evidence: Evidence {
                events: found.detail.events,
                deliveries: found.detail.deliveries,
                messages: found.messages,
            },
        });
        JobPage {
            jobs: jobs.collect(),
            frame,
        }
    }

    fn id(&self) -> &str {
        self.jobs.first().map_or("", |view| view.job.id.as_str())
    }

    fn several(&self) -> Option<String> {
        let count = self.jobs.len() as u64;
        (count > 1).then(|| (self.frame.texts.details.several_jobs)(count))
    }

    fn label(&self, view: &JobView) -> String {
        (self.frame.texts.details.job_of_owner)(&view.job.owner)
    }

    fn events_text(&self, view: &JobView) -> String {
        let events = (self.frame.texts.words.events)(view.job.events);
        (self.frame.texts.details.events_of_job)(&events)
    }

    fn deliveries_text(&self, view: &JobView) -> String {
        let pushes = (self.frame.texts.words.pushes)(view.job.deliveries);
        (self.frame.texts.details.repeats_counted)(&pushes)
    }
}

impl JobView {
    fn json_link(&self) -> String {
        asked::job_json_link(&self.job.id, &self.job.owner)
    }

    fn has_failure(&self) -> bool {
        self.job.code.is_some() || self.job.message.is_some()
    }

    /// Returns what the job's workflow is called, as far as its activity knows.
    fn workflow_name(&self) -> Option<&str> {
        let activity = self.activity.as_ref()?;
        words::workflow_text(&activity.workflow)
    }
}

/// Answers `/jobs/{id}`, and `/job?id=`, which any id fits into: each owner's job of that id, or the
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
        for detail in store.find_jobs(&asked.id)? {
            if asked.is_of(&detail.job.owner) {
                found.push(Found {
                    activity: find_activity(store, &detail.job)?,
                    messages: budget.read(store, &detail.events)?,
                    detail,
                });
            }
        }
        Ok((found, store.attention()?))
    })
    .await?;
    if found.is_empty() {
        let what = What::Job;
        return Err(PageError::NotFound { what, id });
    }
    let mut frame = Frame::new(&request, &state, Section::Jobs, "", attention);
    frame.title = format!("{} {id}", frame.texts.words.heads.job);
    respond(&JobPage::of(frame, found))
}

/// Finds the activity that `job` is, among the newest of its run.
fn find_activity(store: &Store, job: &JobRecord) -> Result<Option<ActivityRecord>, ReadError> {
    let Some(run) = &job.run else {
        return Ok(None);
    };
    let filter = ActivityFilter {
        run: Some(run.clone()),
        ..ActivityFilter::default()
    };
    let page = Page::first(PAGE_ROWS_MAX);
    let activities = store.page_activities(&filter, page)?.items;
    let is_it = |activity: &ActivityRecord| {
        activity.owner == job.owner && activity.job.as_ref() == Some(&job.id)
    };
    Ok(activities.into_iter().find(is_it))
}
