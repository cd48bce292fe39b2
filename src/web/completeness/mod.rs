//! Whether anything is missing: what `/completeness` and its JSON show.
//!
//! Read from the store and the configuration each time, and judged here, line by line. What happened
//! counts for a week, so that a line that was looked at does not stay for ever; what waits for a
//! person counts until it is gone.
//!
//! Deliberately not claimed: that nothing was lost. A push that never reached this server leaves no
//! trace; what can be known is where that may have happened.

use chrono_tz::Tz;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::notification::source::{Source, SourceId};
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::{ArrivalCounts, ArrivalHour, Completeness, Named};
use crate::store::lane_records::Counted;
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;
use crate::web::completeness::gaps::Gap;
use crate::web::completeness::rows::Row;
use crate::web::completeness::silence::Silence;

pub mod gaps;
pub mod rows;
pub mod silence;

const DAY_MS: i64 = 24 * HOUR_MS;

/// How long what happened is worth a look.
pub const LOOKED_BACK_MS: i64 = 7 * DAY_MS;

/// A push that took longer from publishing to arrival is late. One of the histogram's bounds.
const LAG_MS: i64 = 5 * 60_000;

/// Repeated pushes are usual; this many, of this many hundredths, say that answers come too late.
const DUPLICATES_MIN: u64 = 20;
const DUPLICATES_PERCENT: u64 = 10;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Fine,
    /// Worth a look.
    Warning,
    /// Something is missing.
    Wrong,
}

/// What is looked at, in the order in which it stands on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    Downtime,
    Silence,
    Failed,
    Held,
    Refused,
    Strays,
    Stale,
    StartMissing,
    Unrecognized,
    Differs,
    Conflicts,
    Late,
    Duplicates,
}

impl CheckName {
    pub const ALL: [CheckName; 13] = [
        CheckName::Downtime,
        CheckName::Silence,
        CheckName::Failed,
        CheckName::Held,
        CheckName::Refused,
        CheckName::Strays,
        CheckName::Stale,
        CheckName::StartMissing,
        CheckName::Unrecognized,
        CheckName::Differs,
        CheckName::Conflicts,
        CheckName::Late,
        CheckName::Duplicates,
    ];
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: CheckName,
    pub verdict: Verdict,
    pub count: u64,
    /// Whether that is all; else counting stopped there.
    pub is_all: bool,
    /// The list of what is counted.
    pub link: String,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    pub at: Timestamp,
    /// The worst of the checks.
    pub verdict: Verdict,
    /// How many checks are not fine.
    pub need_a_look: u64,
    /// Anything ever came, whatever became of it.
    pub has_arrivals: bool,
    pub checks: Vec<Check>,
    /// The configured sources.
    pub sources: Vec<Silence>,
    pub running_since: Option<Timestamp>,
    /// Newest first.
    pub downtimes: Vec<Gap>,
    /// The newest few runs.
    pub start_missing: Vec<Named>,
    /// The newest few jobs and runs.
    pub conflicts: Vec<Named>,
    /// Newest first, the one that is not over as well.
    pub hours: Vec<Row>,
    pub days: Vec<Row>,
}

impl Assessment {
    /// Judges; days are those of `zone`.
    pub fn of(record: Completeness, configured: &[Source], now: Timestamp, zone: Tz) -> Assessment {
        let ids: Vec<SourceId> = configured.iter().map(|source| source.id).collect();
        let known = record.sources.iter();
        let sources: Vec<Silence> = known
            .filter(|source| ids.contains(&source.id))
            .map(|source| Silence::of(source, now))
            .collect();
        let gaps = gaps::gaps(&record, now);
        let checks = checks(&record, &sources, &gaps, now);
        let has_taken = record.sources.iter().any(|it| it.last_taken_at.is_some());
        let attention = record.attention;
        let noted = attention.held + attention.refused + attention.strays;
        let first = first_at(&record);
        Assessment {
            at: now,
            verdict: checks
                .iter()
                .map(|check| check.verdict)
                .max()
                .unwrap_or(Verdict::Fine),
            need_a_look: checks
                .iter()
                .filter(|check| check.verdict != Verdict::Fine)
                .count() as u64,
            has_arrivals: has_taken || noted > 0 || !record.hours.is_empty(),
            checks,
            sources,
            running_since: record.lifetimes.first().map(|life| life.started_at),
            downtimes: gaps::shown(gaps),
            hours: rows::hours(&record.hours, first, now),
            days: rows::days(&record.hours, first, now, zone),
            start_missing: record.start_missing.newest,
            conflicts: record.conflicts.newest,
        }
    }
}

fn checks(record: &Completeness, sources: &[Silence], gaps: &[Gap], now: Timestamp) -> Vec<Check> {
    let week = sum(&record.hours, now.plus_ms(-LOOKED_BACK_MS));
    let day = record
        .hours
        .iter()
        .filter(|hour| hour.at >= now.plus_ms(-DAY_MS));
    let late: u64 = day.map(late).sum();
    let troubled = gaps
        .iter()
        .filter(|gap| gap.verdict != Verdict::Fine)
        .count();
    let unusual = sources.iter().filter(|source| source.is_unusual).count();
    let of_gaps = gaps.iter().map(|gap| gap.verdict).max();
    let has_many_duplicates = week.duplicates >= DUPLICATES_MIN
        && week.duplicates.saturating_mul(100) > week.taken().saturating_mul(DUPLICATES_PERCENT);
    let list = |path: &str| format!("{path}from=7d");
    let exactly = |rows| Counted { rows, is_all: true };
    let here = |id: &str| format!("/completeness#{id}");
    vec![
        Check {
            verdict: of_gaps.unwrap_or(Verdict::Fine),
            ..check(
                CheckName::Downtime,
                exactly(troubled as u64),
                here("downtimes"),
            )
        },
        check(CheckName::Silence, exactly(unusual as u64), here("sources")),
        check(CheckName::Failed, exactly(week.failed), here("days")),
        check(
            CheckName::Held,
            exactly(record.attention.held),
            "/held".to_owned(),
        ),
        check(
            CheckName::Refused,
            exactly(week.refused),
            list("/refusals?"),
        ),
        check(
            CheckName::Strays,
            exactly(week.strays),
            "/refusals#strays".to_owned(),
        ),
        check(
            CheckName::Stale,
            record.stale,
            "/runs?state=stale".to_owned(),
        ),
        check(
            CheckName::StartMissing,
            record.start_missing.counted,
            here("start-missing"),
        ),
        check(
            CheckName::Unrecognized,
            exactly(week.unrecognized),
            list("/deliveries?only=unrecognized&"),
        ),
        check(
            CheckName::Differs,
            exactly(week.differs),
            list("/deliveries?only=differs&"),
        )
        .worse(Verdict::Wrong),
        check(
            CheckName::Conflicts,
            record.conflicts.counted,
            here("conflicts"),
        ),
        check(CheckName::Late, exactly(late), here("hours")),
        Check {
            verdict: if has_many_duplicates {
                Verdict::Warning
            } else {
                Verdict::Fine
            },
            ..check(
                CheckName::Duplicates,
                exactly(week.duplicates),
                list("/deliveries?only=repeated&"),
            )
        },
    ]
}

/// A line that is fine if there is none.
fn check(name: CheckName, counted: Counted, link: String) -> Check {
    Check {
        name,
        verdict: if counted.rows == 0 {
            Verdict::Fine
        } else {
            Verdict::Warning
        },
        count: counted.rows,
        is_all: counted.is_all,
        link,
    }
}

impl Check {
    /// The same with another verdict unless it is fine.
    fn worse(self, verdict: Verdict) -> Check {
        match self.verdict {
            Verdict::Fine => self,
            _ => Check { verdict, ..self },
        }
    }
}

fn sum(hours: &[ArrivalHour], since: Timestamp) -> ArrivalCounts {
    let mut sum = ArrivalCounts::default();
    for hour in hours.iter().filter(|hour| hour.at >= since) {
        sum.add(hour.counts);
    }
    sum
}

/// Returns how many of an hour's pushes came late.
fn late(hour: &ArrivalHour) -> u64 {
    let bounds = HISTOGRAM_BOUNDS_MS.iter().map(Some).chain([None]);
    let buckets = hour.lags.iter().zip(bounds);
    buckets
        .filter(|(_, bound)| bound.is_none_or(|bound| *bound > LAG_MS))
        .map(|(count, _)| *count)
        .sum()
}

/// Returns when all this began: the first start, or the first hour in which anything came.
fn first_at(record: &Completeness) -> Option<Timestamp> {
    let starts = record.lifetimes.iter().map(|life| life.started_at);
    let hours = record.hours.iter().map(|hour| hour.at);
    let taken = record.sources.iter().filter_map(|source| source.first_hour);
    starts.chain(hours).chain(taken).min()
}
