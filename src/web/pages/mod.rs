//! The dashboard's pages: whole without JavaScript, one file and one struct a page.
//!
//! A page's struct holds records as the store gave them and has the small methods that its template
//! calls; what several pages show alike is in `words.rs` and in `templates/parts.html`. What a page
//! says to people is in `web/texts/`, and a template reads it as `frame.texts`. Everything
//! that came from a message is text: askama escapes it, no template says `safe` (a test looks), and
//! it never becomes a link's target without being encoded.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::clock::Timestamp;
use crate::mps::failure;
use crate::notification::capture::Capture;
use crate::notification::event::JobState;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::notification::source;
use crate::store::filters::EventFilter;
use crate::store::records::{ActivityRecord, Attention};
use crate::web::cursors::Cursors;
use crate::web::error::PageError;
use crate::web::lists::{Given, ListFilter};
use crate::web::live::live_id;
use crate::web::pages::explanation::Check;
use crate::web::pages::message::Note;
use crate::web::pages::notice::Notice;
use crate::web::state::AppState;
use crate::web::texts::words::grouped;
use crate::web::texts::{Language, Texts, hints};
use crate::web::viewer::Viewer;

pub mod activities;
pub mod completeness;
pub mod connect;
pub mod deliveries;
pub mod delivery;
pub mod detail;
pub mod drawing;
pub mod events;
pub mod explanation;
pub mod filters;
pub mod gantt;
pub mod held;
pub mod job;
pub mod jobs;
pub mod lanes;
pub mod listing;
pub mod message;
pub mod notice;
pub mod operations;
pub mod overview;
pub mod refusals;
pub mod run;
pub mod runs;
pub mod settings;
pub mod trouble;
pub mod words;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod samples_of_operations;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_details;
#[cfg(test)]
mod tests_of_lists;
#[cfg(test)]
mod tests_of_runs;

const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// What is around the content of every page, and how the content says things.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The browser's title and the page's first heading.
    pub title: String,
    /// Which entry of the navigation this is.
    pub section: Section,
    pub is_test: bool,
    /// For the numbers in the navigation; `None` where nothing was read.
    pub attention: Option<Attention>,
    /// The same as JSON, if there is such.
    pub json: Option<String>,
    /// Who looks at it.
    pub viewer: Viewer,
    /// What the viewer's language says.
    pub texts: &'static Texts,
    /// When the page was made.
    pub now: Timestamp,
    /// What the page was made from, if it is one that is kept up to date.
    pub live_at: Option<String>,
    /// After how many milliseconds such a page is read again in any case.
    pub live_every_ms: u128,
    /// This page's own address, to come back to from the settings.
    pub here: String,
}

impl Frame {
    /// Makes the frame of a page that has no JSON.
    pub fn new(
        request: &HttpRequest,
        state: &AppState,
        section: Section,
        title: impl Into<String>,
        attention: Attention,
    ) -> Frame {
        let viewer = Viewer::of(request, state.zone);
        Frame {
            title: title.into(),
            section,
            is_test: state.is_test,
            attention: Some(attention),
            json: None,
            viewer,
            texts: viewer.texts(),
            now: state.clock.now(),
            live_at: live_id(request, state.clock.now()).filter(|_| section != Section::Settings),
            live_every_ms: state.live.page_every().as_millis(),
            here: request.uri().to_string(),
        }
    }

    /// Says where the same is as JSON.
    #[must_use]
    pub fn with_json(self, link: String) -> Frame {
        Frame {
            json: Some(link),
            ..self
        }
    }

    fn held(&self) -> u64 {
        self.attention.map_or(0, |attention| attention.held)
    }

    /// Returns the number beside *Refusals*: strays stand on the same page.
    fn refused(&self) -> u64 {
        let attention = self.attention.unwrap_or_default();
        attention.refused.saturating_add(attention.strays)
    }

    fn is_in(&self, section: &str) -> bool {
        self.section.word() == section
    }

    // Templates hand over references: hence `&` before what is small.

    /// Returns a time to the second in the viewer's zone.
    pub fn time(&self, at: &Timestamp) -> String {
        self.viewer.time_text(*at)
    }

    /// Returns the same with its zone.
    pub fn moment(&self, at: &Timestamp) -> String {
        self.viewer.moment_text(*at)
    }

    /// Returns the sentence that says when the page was made.
    pub fn made_at(&self) -> String {
        let (_, clock) = self.day_and_clock(&self.now);
        (self.texts.frame.made_at)(&clock)
    }

    /// Returns the sentence that says in which zone times are.
    pub fn times_are(&self) -> String {
        (self.texts.frame.times_are)(&self.viewer.zone_text(self.now))
    }

    /// Returns the sentence that says how much of something a page lists.
    pub fn first_of(&self, shown: usize, all: &usize) -> String {
        (self.texts.words.first_of)(shown as u64, *all as u64)
    }

    /// Returns what usually is behind a failure's code, if that is known.
    pub fn hint(&self, code: &str) -> Option<&'static str> {
        failure::hint(code).map(|hint| hints::sentences(hint, self.viewer.language))
    }

    /// Returns what the group of a failure's code is called.
    pub fn group<'a>(&self, group: &'a str) -> &'a str {
        hints::group(group, self.viewer.language)
    }

    /// Returns how many activities there are, and how many of them failed.
    pub fn activities(&self, activities: &[ActivityRecord]) -> String {
        let is_failed = |activity: &&ActivityRecord| activity.state == JobState::Failed;
        let failed = activities.iter().filter(is_failed).count() as u64;
        match (failed, activities.len() as u64) {
            (0, all) => grouped(all),
            (failed, all) => (self.texts.words.some_failed)(failed, all),
        }
    }

    /// Returns a time's day and its time of day, for where they stand below each other.
    pub fn day_and_clock(&self, at: &Timestamp) -> (String, String) {
        let time = self.time(at);
        match time.split_once(' ') {
            Some((day, clock)) => (day.to_owned(), clock.to_owned()),
            None => (time, String::new()),
        }
    }

    /// Returns how long something took, as it stands behind its state.
    pub fn after(&self, ms: &i64) -> String {
        (self.texts.details.after)(&self.duration(ms))
    }

    /// Returns what an event of that kind is of.
    pub fn event_kind<'a>(&self, kind: &'a str) -> &'a str {
        let kinds = &self.texts.details.kinds;
        match kind {
            "job" => kinds.job,
            "run" => kinds.run,
            "activity" => kinds.activity,
            "unrecognized" => kinds.unrecognized,
            other => other,
        }
    }

    /// Returns the sentence that says how a message is shown.
    pub fn note(&self, note: &Note) -> String {
        let texts = &self.texts.details.delivery;
        match note {
            Note::Cut { bytes } => (texts.note_cut)(&words::bytes_text(&(*bytes as u64))),
            Note::NotUtf8 => texts.note_not_utf8.to_owned(),
            Note::LinesAdded => texts.note_lines_added.to_owned(),
        }
    }

    /// Returns the languages to offer.
    pub fn other_languages(&self) -> impl Iterator<Item = Language> {
        let own = self.viewer.language;
        Language::ALL.into_iter().filter(move |other| *other != own)
    }

    pub fn number(&self, number: &u64) -> String {
        grouped(*number)
    }

    /// Returns how times may be typed on this page.
    pub fn times_hint(&self) -> String {
        (self.texts.lists.times_hint)(&self.viewer.zone_text(self.now))
    }

    /// Returns how many activities a run has and how many of them failed.
    pub fn activities_text(&self, activities: &[ActivityRecord]) -> String {
        let failed = words::failed_among(activities);
        match (failed, activities.len() as u64) {
            (0, all) => grouped(all),
            (failed, all) => (self.texts.words.some_failed)(failed, all),
        }
    }

    pub fn notice(&self, notice: &Notice) -> String {
        (self.texts.arrivals.notice)(*notice)
    }

    pub fn hold_sentence(&self, reason: &HoldReason) -> &'static str {
        (self.texts.arrivals.hold_sentence)(*reason)
    }

    pub fn refusal_sentence(&self, reason: &RefusalReason) -> &'static str {
        (self.texts.arrivals.refusal_sentence)(*reason)
    }

    /// Returns what a check is called; one of another version, as it was stored.
    pub fn check_name(&self, check: &Check) -> String {
        match check.known_name() {
            Some(name) => (self.texts.arrivals.check)(name).to_owned(),
            None => check.name.replace('_', " "),
        }
    }

    pub fn verdict(&self, check: &Check) -> &'static str {
        (self.texts.arrivals.verdict)(check.verdict)
    }

    /// Returns what a field of the envelope is called; one of another version, as it was stored.
    pub fn field_name(&self, name: &str) -> String {
        match (self.texts.arrivals.field)(name) {
            Some(text) => text.to_owned(),
            None => name.replace('_', " "),
        }
    }

    /// Returns a length of time as people say it.
    pub fn duration(&self, ms: &i64) -> String {
        let text = (self.texts.words.duration)(ms.unsigned_abs());
        if *ms < 0 { format!("−{text}") } else { text }
    }
}

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Jobs,
    Runs,
    Activities,
    Events,
    Deliveries,
    Held,
    Refusals,
    Completeness,
    Operations,
    Connect,
    Settings,
    /// None of them: an error's page.
    Nowhere,
}

impl Section {
    fn word(self) -> &'static str {
        match self {
            Section::Overview => "overview",
            Section::Jobs => "jobs",
            Section::Runs => "runs",
            Section::Activities => "activities",
            Section::Events => "events",
            Section::Deliveries => "deliveries",
            Section::Held => "held",
            Section::Refusals => "refusals",
            Section::Completeness => "completeness",
            Section::Operations => "operations",
            Section::Connect => "connect",
            Section::Settings => "settings",
            Section::Nowhere => "",
        }
    }
}

/// Links to the pages beside one page of a list, and to its first.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    pub next: Option<String>,
    pub previous: Option<String>,
    /// The same list from its start, if this is not the start.
    pub first: Option<String>,
    /// The whole list as files; none where it has no row.
    pub downloads: Option<Downloads>,
}

/// Links to all rows that the filters let through, on whatever page.
#[derive(Clone, Debug)]
pub struct Downloads {
    pub excel_csv: String,
    pub csv: String,
    pub json_lines: String,
    pub cloud_events: Option<String>,
}

impl Downloads {
    fn of(path: &str, given: &Given) -> Downloads {
        let filters = given.with("limit", "").with("cursor", "");
        let link = |ending: &str| filters.link(&format!("{path}.{ending}"));
        Downloads {
            excel_csv: filters.with("excel", "1").link(&format!("{path}.csv")),
            csv: link("csv"),
            json_lines: link("ndjson"),
            cloud_events: (path == EventFilter::PATH).then(|| link("cloudevents")),
        }
    }
}

impl Pager {
    /// Makes the links of a page of the list at `path`.
    fn new(path: &str, given: &Given, cursors: Cursors, has_rows: bool) -> Pager {
        let is_first = given.find("cursor").is_none();
        let link = |cursor: String| given.with("cursor", &cursor).link(path);
        Pager {
            next: cursors.next.map(link),
            previous: cursors.previous.map(link),
            first: (!is_first).then(|| given.with("cursor", "").link(path)),
            downloads: has_rows.then(|| Downloads::of(path, given)),
        }
    }
}

/// The head of a push as a page shows it.
#[derive(Clone, Debug)]
pub struct RequestView {
    pub method: String,
    /// With the secret part of the path hidden: pages are looked at over shoulders.
    pub target: String,
    /// Bytes that are no UTF-8 are replaced; the `.http` has them.
    pub headers: Vec<(String, String)>,
}

impl RequestView {
    fn of(capture: &Capture) -> RequestView {
        let headers = capture.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value).into_owned();
            (name.to_owned(), value)
        });
        RequestView {
            method: capture.method.clone(),
            target: source::masked(&capture.target),
            headers: headers.collect(),
        }
    }
}

fn respond(page: &impl Template) -> Result<HttpResponse, PageError> {
    Ok(sent(written(page)?))
}

fn written(page: &impl Template) -> Result<String, PageError> {
    page.render().map_err(PageError::unavailable)
}

fn sent(html: String) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(html)
}
