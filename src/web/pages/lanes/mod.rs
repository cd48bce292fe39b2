//! The pages of lanes: what the overview, a queue's page and a workflow's page share.
//!
//! A [`WindowBar`] chooses the window, a [`Sight`] is who looks at which window, and `view.rs` makes a
//! lane's record what a page shows of it. Every number comes from the record that the `.json` gives
//! out, and every link to a list carries the window, so that the list has what the number counts.

use actix_web::HttpRequest;

use crate::clock::{Timestamp, Window};
use crate::web::error::PageError;
use crate::web::lists::{Given, encoded};
use crate::web::pages::drawing::Axis;
use crate::web::texts::Texts;
use crate::web::viewer::Viewer;
use crate::web::windows::{Span, WINDOW_KNOWN, WindowQuery, time_word};

pub mod charts;
pub mod depth;
pub mod grid;
pub mod headline;
pub mod numbers;
pub mod queue;
pub mod view;
pub mod workflow;

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod tests_of_links;

/// Who looks at which window, and when.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    pub viewer: Viewer,
    pub texts: &'static Texts,
    pub window: Window,
    pub now: Timestamp,
}

impl Sight {
    pub fn new(viewer: Viewer, window: Window, now: Timestamp) -> Sight {
        Sight {
            viewer,
            texts: viewer.texts(),
            window,
            now,
        }
    }

    pub fn axis(&self) -> Axis {
        Axis::new(self.window, self.viewer.zone, self.now)
    }

    /// Returns a time without seconds where they are 0, as the begin and end of columns.
    pub fn minute(&self, at: Timestamp) -> String {
        let text = self.viewer.time_text(at);
        text.strip_suffix(":00").unwrap_or(&text).to_owned()
    }

    /// Returns the same of a moment that stands behind another: its time alone on the same day.
    pub fn minute_after(&self, first: Timestamp, at: Timestamp) -> String {
        let (first, text) = (self.minute(first), self.minute(at));
        let same_day = first.split(' ').next() == text.split(' ').next();
        match text.split_once(' ') {
            Some((_, time)) if same_day => time.to_owned(),
            _ => text,
        }
    }

    /// Returns about how long ago a moment is; what is still to come is now.
    pub fn ago(&self, at: Timestamp) -> String {
        let ms = self.now.since_ms(at).max(0).unsigned_abs();
        (self.texts.lanes.ago)(&(self.texts.lanes.about)(ms))
    }

    pub fn length(&self, ms: i64) -> String {
        (self.texts.words.duration)(ms.max(0).unsigned_abs())
    }
}

/// Returns the address of a list over a stretch of time: `/jobs?queue=…` with times behind it.
pub fn over(list: &str, from: Timestamp, to: Timestamp) -> String {
    let (from, to) = (encoded(&time_word(from)), encoded(&time_word(to)));
    format!("{list}&from={from}&to={to}")
}

/// A window as a link.
#[derive(Clone, Debug)]
pub struct Choice {
    pub text: &'static str,
    pub link: String,
    pub is_on: bool,
}

/// What chooses the window.
#[derive(Clone, Debug)]
pub struct WindowBar {
    /// The page's own address without its query.
    pub path: String,
    pub spans: Vec<Choice>,
    pub earlier: String,
    pub now: Option<String>,
    pub later: Option<String>,
    /// From when to when, in words.
    pub text: String,
    /// As the fields of the form have them.
    pub from: String,
    pub to: String,
    /// What else was given, for the form to keep.
    pub kept: Vec<(&'static str, String)>,
}

impl WindowBar {
    /// Makes the bar of the page at `path`; `kept` names the parameters that are no window's.
    pub fn new(path: &str, query: &WindowQuery, kept: &[&'static str], sight: &Sight) -> WindowBar {
        let names = sight.texts.lanes.spans;
        let spans = Span::ALL.into_iter().zip(names).map(|(span, text)| Choice {
            text,
            link: query.span_link(path, span),
            is_on: query.span == Some(span),
        });
        let (from, to) = (query.window.from(), query.window.to());
        let zone = sight.viewer.moment_text(to);
        let zone = zone.rsplit(' ').next().unwrap_or_default();
        let until = format!("{} {zone}", sight.minute_after(from, to));
        let kept = kept.iter().filter_map(|name| {
            let value = query.given.find(name)?;
            Some((*name, value.to_owned()))
        });
        WindowBar {
            path: path.to_owned(),
            spans: spans.collect(),
            earlier: query.earlier_link(path),
            now: query.now_link(path, sight.now),
            later: query.later_link(path, sight.now),
            text: (sight.texts.lanes.from_to)(&sight.minute(from), &until),
            from: time_word(from),
            to: time_word(to),
            kept: kept.collect(),
        }
    }
}

/// Reads the query string of a lane's own page.
fn parse_query(request: &HttpRequest, now: Timestamp) -> Result<WindowQuery, PageError> {
    let given = Given::parse(request.query_string(), WINDOW_KNOWN)?;
    Ok(WindowQuery::of(given, now)?)
}
