//! `/completeness`: whether anything was missed. What it judges by is in `web/completeness/`.

use std::cmp::Reverse;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::doctor::retries::weakest;
use crate::store::completeness_records::{Completeness, Named, NamedKind};
use crate::store::lifetimes::Ending;
use crate::store::records::Attention;
use crate::web::completeness::gaps::Gap;
use crate::web::completeness::rows::Row;
use crate::web::completeness::silence::{Silence, Usual};
use crate::web::completeness::{Assessment, Check, LOOKED_BACK_MS, Verdict};
use crate::web::error::PageError;
use crate::web::json;
use crate::web::lists::{Given, encoded};
use crate::web::pages::{Frame, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::texts::completeness::CheckText;
use crate::web::texts::words::grouped;

/// The page.
#[derive(Template)]
#[template(path = "completeness.html")]
pub struct CompletenessPage {
    pub frame: Frame,
    pub assessment: Assessment,
}

impl CompletenessPage {
    /// Returns the sentence above all others.
    fn headline(&self) -> String {
        let texts = &self.frame.texts.completeness;
        match self.assessment.need_a_look {
            _ if !self.assessment.has_arrivals => texts.nothing_yet.to_owned(),
            0 => texts.nothing_missing.to_owned(),
            count => (texts.need_a_look)(count),
        }
    }

    /// Returns the checks, the worst first.
    fn checks(&self) -> Vec<&Check> {
        let mut checks: Vec<&Check> = self.assessment.checks.iter().collect();
        checks.sort_by_key(|check| Reverse(check.verdict));
        checks
    }

    fn running_since(&self) -> Option<String> {
        let since = self.assessment.running_since?;
        let since = self.frame.moment(&since);
        Some((self.frame.texts.completeness.running_since)(&since))
    }

    // Templates hand over references: hence `&` before what is small.

    /// Returns the icon and the word of a verdict.
    pub fn verdict(&self, verdict: &Verdict) -> (&'static str, &'static str) {
        let icon = match verdict {
            Verdict::Fine => "succeeded",
            Verdict::Warning => "partial",
            Verdict::Wrong => "failed",
        };
        (icon, (self.frame.texts.completeness.verdict)(*verdict))
    }

    pub fn texts_of(&self, check: &Check) -> CheckText {
        self.frame.texts.completeness.check.of(check.name)
    }

    pub fn is_fine(&self, check: &Check) -> bool {
        check.verdict == Verdict::Fine
    }

    /// Returns how many there are, at least.
    pub fn count(&self, check: &Check) -> String {
        let more = if check.is_all { "" } else { "+" };
        format!("{}{more}", grouped(check.count))
    }

    pub fn usual(&self, usual: &Usual) -> String {
        (self.frame.texts.completeness.usual)(usual.taken, usual.hours)
    }

    pub fn source_link(&self, source: &Silence) -> String {
        format!("/deliveries?source={}", encoded(&source.source))
    }

    pub fn length(&self, gap: &Gap) -> String {
        let length = self.frame.duration(&gap.length_ms);
        match gap.ending {
            Ending::Stopped => length,
            Ending::Crashed => (self.frame.texts.completeness.at_most)(&length),
        }
    }

    pub fn ending(&self, gap: &Gap) -> &'static str {
        (self.frame.texts.completeness.ending)(gap.ending)
    }

    /// Returns what a downtime means for the pushes of that time.
    pub fn meaning(&self, gap: &Gap) -> String {
        let texts = &self.frame.texts.completeness;
        match (gap.retry_policy, gap.repeated_after_ms) {
            _ if gap.decay_may_lose => texts.gap_long.to_owned(),
            _ if !gap.backoff_may_lose => texts.gap_short.to_owned(),
            (Some(policy), _) if gap.verdict == Verdict::Fine => (texts.gap_decay)(policy),
            (Some(policy), _) => (texts.gap_given_up)(policy),
            (None, Some(late_ms)) => (texts.gap_repeated)(&self.frame.duration(&late_ms)),
            (None, None) => texts.gap_backoff.to_owned(),
        }
    }

    /// Returns the lists of a row: each number with its link and what it is called.
    pub fn cells(&self, row: &Row) -> Vec<(&'static str, u64, Option<String>)> {
        let texts = &self.frame.texts.completeness;
        let list = |path: &str| Some(format!("{path}from={}&to={}", row.from, row.to));
        let counts = row.counts;
        vec![
            (texts.stored, counts.stored, list("/deliveries?")),
            (
                texts.duplicates,
                counts.duplicates,
                list("/deliveries?only=repeated&"),
            ),
            (
                texts.unrecognized,
                counts.unrecognized,
                list("/deliveries?only=unrecognized&"),
            ),
            (
                texts.differs,
                counts.differs,
                list("/deliveries?only=differs&"),
            ),
            (texts.held, counts.held, list("/held?")),
            (texts.refused, counts.refused, list("/refusals?")),
            (
                texts.strays,
                counts.strays,
                Some("/refusals#strays".to_owned()),
            ),
            (texts.failed, counts.failed, None),
        ]
    }

    /// Returns the lag of a row, if any push said when it was published.
    pub fn lag(&self, row: &Row) -> Option<String> {
        let text = |ms: Option<u64>| {
            let ms = ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
            ms.map(|ms| self.frame.duration(&ms))
        };
        let (median, p95, max) = (
            text(row.lag_median_ms)?,
            text(row.lag_p95_ms)?,
            text(row.lag_max_ms)?,
        );
        Some((self.frame.texts.completeness.lag_is)(&median, &p95, &max))
    }

    pub fn day(&self, row: &Row) -> String {
        let (day, _) = self.frame.day_and_clock(&row.from);
        day
    }

    /// Returns when an hour begins, to the minute.
    pub fn hour(&self, row: &Row) -> String {
        let time = self.frame.time(&row.from);
        match time.rsplit_once(':') {
            Some((minute, _)) => minute.to_owned(),
            None => time,
        }
    }

    pub fn link_of(&self, named: &Named) -> String {
        match named.kind {
            NamedKind::Job => words::job_link(&named.id),
            NamedKind::Run => words::run_link(&named.id),
        }
    }

    /// Returns whether a job or run is the one that its link leads to, and its word.
    pub fn kind_of(&self, named: &Named) -> &'static str {
        let heads = &self.frame.texts.words.heads;
        match named.kind {
            NamedKind::Job => heads.job,
            NamedKind::Run => heads.run,
        }
    }
}

/// Answers `/completeness`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let now = state.clock.now();
    let (record, attention) = load(&state, now).await?;
    let frame = Frame::new(&request, &state, Section::Completeness, "", attention);
    let frame = Frame {
        title: frame.texts.completeness.title.to_owned(),
        ..frame.with_json("/completeness.json".to_owned())
    };
    let policy = weakest(&state.setup.sources);
    let assessment = Assessment::of(record, &state.sources, policy, now, frame.viewer.zone);
    respond(&CompletenessPage { frame, assessment })
}

/// Answers `/completeness.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let now = state.clock.now();
    let (record, _) = load(&state, now).await?;
    let policy = weakest(&state.setup.sources);
    let assessment = Assessment::of(record, &state.sources, policy, now, Tz::UTC);
    Ok(json::respond(&assessment))
}

async fn load(state: &AppState, now: Timestamp) -> Result<(Completeness, Attention), PageError> {
    let record = read(state, move |store| {
        store.completeness(now, now.plus_ms(-LOOKED_BACK_MS))
    })
    .await?;
    let attention = record.attention;
    Ok((record, attention))
}
