//! `/operations`: what keeps the server going. What it judges by is in `doctor/`.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::doctor::gather::gather;
use crate::doctor::judge::{findings, worst};
use crate::doctor::{Facts, Finding, Line, Server, Verdict};
use crate::store::Store;
use crate::web::error::PageError;
use crate::web::json;
use crate::web::lists::Given;
use crate::web::pages::{Frame, Section, respond};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::texts::operations::OperationsTexts;

/// The page.
#[derive(Template)]
#[template(path = "operations.html")]
pub struct OperationsPage {
    pub frame: Frame,
    pub findings: Vec<Finding>,
}

impl OperationsPage {
    fn headline(&self) -> String {
        let texts = &self.frame.texts.operations;
        match self.count_to_look_at() {
            0 => texts.all_fine.to_owned(),
            count => (texts.need_a_look)(count),
        }
    }

    fn count_to_look_at(&self) -> usize {
        let bad = self.findings.iter();
        bad.filter(|finding| finding.verdict > Verdict::Unknown)
            .count()
    }

    fn is_wrong(&self) -> bool {
        worst(&self.findings) == Verdict::Wrong
    }

    /// Returns the icon and the word of a verdict.
    pub fn verdict(&self, finding: &Finding) -> (&'static str, &'static str) {
        let icon = match finding.verdict {
            Verdict::Fine => "succeeded",
            Verdict::Unknown => "unknown",
            Verdict::Warning => "partial",
            Verdict::Wrong => "failed",
        };
        (icon, (self.frame.texts.operations.verdict)(finding.verdict))
    }

    pub fn line(&self, finding: &Finding) -> &'static str {
        (self.frame.texts.operations.line)(finding.seen.line())
    }

    pub fn seen(&self, finding: &Finding) -> String {
        let moment = |at: Timestamp| self.frame.moment(&at);
        (self.frame.texts.operations.seen)(&finding.seen, &moment)
    }

    pub fn to_do(&self, finding: &Finding) -> Option<&'static str> {
        (self.frame.texts.operations.to_do)(finding)
    }
}

/// All of it, for programs and for `mpsink doctor`, in English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationsReport {
    pub at: Timestamp,
    /// The worst of all.
    pub verdict: Verdict,
    pub findings: Vec<FindingRecord>,
}

/// One line, said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    pub line: Line,
    pub verdict: Verdict,
    /// A sentence.
    pub seen: String,
    /// `None` if there is nothing to do.
    pub to_do: Option<String>,
}

impl FindingRecord {
    pub fn of(finding: &Finding) -> FindingRecord {
        let texts = OperationsTexts::ENGLISH;
        FindingRecord {
            line: finding.seen.line(),
            verdict: finding.verdict,
            seen: (texts.seen)(&finding.seen, &|at| at.to_string()),
            to_do: (texts.to_do)(finding).map(str::to_owned),
        }
    }
}

impl OperationsReport {
    pub fn of(findings: &[Finding], at: Timestamp) -> OperationsReport {
        OperationsReport {
            at,
            verdict: worst(findings),
            findings: findings.iter().map(FindingRecord::of).collect(),
        }
    }
}

/// Answers `/operations`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let facts = load(&state).await?;
    let attention = read(&state, Store::attention).await?;
    let frame = Frame::new(&request, &state, Section::Operations, "", attention);
    let frame = Frame {
        title: frame.texts.operations.title.to_owned(),
        ..frame.with_json("/operations.json".to_owned())
    };
    let findings = findings(&facts);
    respond(&OperationsPage { frame, findings })
}

/// Answers `/operations.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let facts = load(&state).await?;
    let report = OperationsReport::of(&findings(&facts), facts.now);
    Ok(json::respond(&report))
}

async fn load(state: &web::Data<AppState>) -> Result<Facts, PageError> {
    let now = state.clock.now();
    let shared = state.clone();
    read(state, move |store| {
        let server = Server::Here {
            writer: store.writer_state(),
        };
        let certificates = Some(shared.ingest.verifier().status());
        gather(
            store,
            &shared.setup,
            server,
            certificates,
            &shared.syncs,
            now,
        )
    })
    .await
}
