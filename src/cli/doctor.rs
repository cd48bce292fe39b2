//! `mpsink doctor`: everything that keeps a server going, line by line, with what to do.
//!
//! A running server is asked, found by the lock file, since only it knows what it has fetched and
//! whether its writer gets on. If none runs, or it does not answer, this process reads the database
//! beside. Whether the database is whole it looks at itself in either case. Ends with 1 if something
//! is wrong.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::app::options::setup;
use crate::cli::{Common, http_agent, say};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::doctor::gather::{SyncLook, gather};
use crate::doctor::judge::{findings, judge_integrity};
use crate::doctor::{Line, Server, Verdict};
use crate::store::Store;
use crate::store::integrity::{QUICK_MAX, examine};
use crate::store::lock::{self, Running};
use crate::store::restore::require_there;
use crate::web::pages::operations::{FindingRecord, OperationsReport};
use crate::web::texts::operations::OperationsTexts;

/// As wide as the longest word before what was seen.
const VERDICT_WIDTH: usize = 9;
const LINE_WIDTH: usize = 14;

#[derive(Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    common: Common,
    /// Read the whole database and its indexes, for as long as that takes
    #[arg(long)]
    deep: bool,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
    /// Look at the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
}

pub(super) fn run(command: &Doctor) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    require_there(&config.database)?;
    let integrity = examine(&config.database, command.deep, QUICK_MAX)?;
    let integrity = FindingRecord::of(&judge_integrity(Some(integrity)));
    let asked = lock::running(&config.database).map(|running| (running.pid, ask(&running)));
    let report = match asked {
        Some((_, Ok(report))) => Ok(report),
        Some((pid, Err(_))) => look(&config, Server::Silent { pid }),
        None => look(&config, Server::None),
    };
    let report = match report {
        Ok(report) => with_integrity(report, &integrity),
        // What is damaged may not be readable, and this is then the news.
        Err(_) if integrity.verdict == Verdict::Wrong => only(integrity),
        Err(error) => return Err(error),
    };
    if command.json {
        say(&serde_json::to_string_pretty(&report)?);
    } else {
        report
            .findings
            .iter()
            .flat_map(lines)
            .for_each(|line| say(&line));
    }
    Ok(if report.verdict == Verdict::Wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn ask(running: &Running) -> anyhow::Result<OperationsReport> {
    let mut response = http_agent()
        .get(format!("{}/operations.json", running.dashboard))
        .header("authorization", format!("Bearer {}", running.key))
        .header("accept", "application/json")
        .call()?;
    let text = response.body_mut().read_to_string()?;
    serde_json::from_str(&text).context("the server speaks another version's words")
}

fn look(config: &Config, server: Server) -> anyhow::Result<OperationsReport> {
    let clock = Clock::system();
    let store = Store::open_reading(&config.database, config.workflows.clone(), clock.clone())?;
    let setup = setup(config, config.receiver_listen, config.dashboard_listen);
    let syncs = SyncLook::default();
    let facts = gather(&store, &setup, server, None, &syncs, clock.now())
        .with_context(|| format!("cannot read {}", config.database.display()))?;
    Ok(OperationsReport::of(&findings(&facts), facts.now))
}

fn only(finding: FindingRecord) -> OperationsReport {
    OperationsReport {
        at: Clock::system().now(),
        verdict: finding.verdict,
        findings: vec![finding],
    }
}

/// Puts what this process has found in the place of what the server has not looked at.
fn with_integrity(report: OperationsReport, integrity: &FindingRecord) -> OperationsReport {
    let findings = report.findings.into_iter();
    let findings: Vec<FindingRecord> = findings
        .map(|finding| match finding.line {
            Line::Integrity => integrity.clone(),
            _ => finding,
        })
        .collect();
    let verdicts = findings.iter().map(|finding| finding.verdict);
    OperationsReport {
        at: report.at,
        verdict: verdicts.max().unwrap_or(Verdict::Fine),
        findings,
    }
}

fn lines(finding: &FindingRecord) -> Vec<String> {
    let texts = OperationsTexts::ENGLISH;
    let (verdict, line) = ((texts.verdict)(finding.verdict), (texts.line)(finding.line));
    let seen = &finding.seen;
    let mut lines = vec![format!(
        "{verdict:VERDICT_WIDTH$}  {line:LINE_WIDTH$}  {seen}"
    )];
    if let Some(to_do) = &finding.to_do {
        lines.push(format!(
            "{:VERDICT_WIDTH$}  {:LINE_WIDTH$}  → {to_do}",
            "", ""
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::store::integrity::Integrity;

    use super::*;

    #[test]
    fn what_to_do_stands_below_what_was_seen() {
        let finding = FindingRecord::of(&judge_integrity(Some(Integrity::Unfinished)));
        let shown = lines(&finding);
        assert_eq!(shown.len(), 2);
        assert!(
            shown[0].starts_with("not known  integrity       Nothing"),
            "{shown:?}"
        );
        assert!(shown[1].contains("→ mpsink doctor --deep"), "{shown:?}");
    }

    #[test]
    fn a_damaged_database_makes_all_of_it_wrong() {
        let not_looked = FindingRecord::of(&judge_integrity(None));
        let report = OperationsReport {
            at: Timestamp(0),
            verdict: Verdict::Unknown,
            findings: vec![not_looked],
        };
        let found = "row missing".to_owned();
        let damaged = FindingRecord::of(&judge_integrity(Some(Integrity::Damaged { found })));
        let report = with_integrity(report, &damaged);
        assert_eq!(report.verdict, Verdict::Wrong);
        assert_eq!(report.findings, [damaged]);
    }
}
