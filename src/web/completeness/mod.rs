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
use crate::notification::source::{RetryPolicy, Source, SourceId};
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
    /// Judges; `policy` is how SMQ repeats, days are those of `zone`.
    pub fn of(
        record: Completeness,
        configured: &[Source],
        policy: RetryPolicy,
        now: Timestamp,
        zone: Tz,
    ) -> Assessment {
        let ids: Vec<SourceId> = configured.iter().map(|source| source.id).collect();
        let known = record.sources.iter();
        let sources: Vec<Silence> = known
            .filter(|source| ids.contains(&source.id))
            .map(|source| Silence::of(source, now))
            .collect();
        let gaps = gaps::gaps(&record, policy, now);
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
    let troubled = gaps.iter().filter(|gap| gap.verdict != Verdict::Fine);
    let down = exactly(troubled.count() as u64);
    let of_gaps = gaps.iter().map(|gap| gap.verdict).max();
    let unusual = sources.iter().filter(|source| source.is_unusual).count();
    let week = sum(&record.hours, now.plus_ms(-LOOKED_BACK_MS));
    let held = exactly(record.attention.held);
    let mut checks = vec![
        Check {
            verdict: of_gaps.unwrap_or(Verdict::Fine),
            ..check(CheckName::Downtime, down, here("downtimes"))
        },
        check(CheckName::Silence, exactly(unusual as u64), here("sources")),
        check(CheckName::Failed, exactly(week.failed), here("days")),
        check(CheckName::Held, held, "/held".to_owned()),
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
    ];
    checks.extend(checks_of_messages(record, week, now));
    checks
}

/// The checks of what was let in.
fn checks_of_messages(record: &Completeness, week: ArrivalCounts, now: Timestamp) -> [Check; 6] {
    let only = |word: &str| list(&format!("/deliveries?only={word}&"));
    let day_ago = now.plus_ms(-DAY_MS);
    let of_day = record.hours.iter().filter(|hour| hour.at >= day_ago);
    let late = exactly(of_day.map(late).sum());
    let hundredfold = week.duplicates.saturating_mul(100);
    let has_many_duplicates = week.duplicates >= DUPLICATES_MIN
        && hundredfold > week.taken().saturating_mul(DUPLICATES_PERCENT);
    let (unrecognized, differs) = (exactly(week.unrecognized), exactly(week.differs));
    let start_missing = record.start_missing.counted;
    [
        check(
            CheckName::StartMissing,
            start_missing,
            here("start-missing"),
        ),
        check(CheckName::Unrecognized, unrecognized, only("unrecognized")),
        check(CheckName::Differs, differs, only("differs")).worse(Verdict::Wrong),
        check(
            CheckName::Conflicts,
            record.conflicts.counted,
            here("conflicts"),
        ),
        check(CheckName::Late, late, here("hours")),
        Check {
            verdict: if has_many_duplicates {
                Verdict::Warning
            } else {
                Verdict::Fine
            },
            ..check(
                CheckName::Duplicates,
                exactly(week.duplicates),
                only("repeated"),
            )
        },
    ]
}

fn exactly(rows: u64) -> Counted {
    Counted { rows, is_all: true }
}

/// Returns the link to a part of the page itself.
fn here(id: &str) -> String {
    format!("/completeness#{id}")
}

/// Returns the link to a list since [`LOOKED_BACK_MS`] ago.
fn list(path: &str) -> String {
    format!("{path}from=7d")
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

#[cfg(test)]
pub(crate) mod tests {
    use crate::store::completeness_records::Odd;
    use crate::store::records::Attention;

    use super::*;

    const NOW: Timestamp = Timestamp(1_714_982_400_000);

    /// Of a store to which nothing came.
    pub(crate) fn record() -> Completeness {
        let none = Counted {
            rows: 0,
            is_all: true,
        };
        let odd = || Odd {
            counted: none,
            newest: Vec::new(),
        };
        Completeness {
            sources: Vec::new(),
            hours: Vec::new(),
            lifetimes: Vec::new(),
            stale: none,
            start_missing: odd(),
            conflicts: odd(),
            attention: Attention::default(),
        }
    }

    fn hour(hours_ago: i64, counts: ArrivalCounts) -> ArrivalHour {
        ArrivalHour {
            at: NOW.plus_ms(-hours_ago * HOUR_MS),
            counts,
            lags: vec![0; HISTOGRAM_BOUNDS_MS.len() + 1],
            lag_max_ms: None,
        }
    }

    fn verdict(name: CheckName, hours: Vec<ArrivalHour>) -> (Verdict, u64) {
        let record = Completeness { hours, ..record() };
        let assessment = Assessment::of(record, &[], RetryPolicy::Unknown, NOW, Tz::UTC);
        let mut checks = assessment.checks.iter();
        let check = checks.find(|check| check.name == name).unwrap();
        (check.verdict, check.count)
    }

    #[test]
    fn every_check_has_a_line_in_its_order() {
        let assessment = Assessment::of(record(), &[], RetryPolicy::Unknown, NOW, Tz::UTC);
        let names: Vec<CheckName> = assessment.checks.iter().map(|check| check.name).collect();
        assert_eq!(names, CheckName::ALL);
        assert_eq!(
            (assessment.need_a_look, assessment.has_arrivals),
            (0, false)
        );
    }

    #[test]
    fn what_happened_counts_for_a_week() {
        let refused = || ArrivalCounts {
            refused: 3,
            ..ArrivalCounts::default()
        };
        let old = hour(7 * 24 + 1, refused());
        assert_eq!(verdict(CheckName::Refused, vec![old]), (Verdict::Fine, 0));
        let recent = hour(7 * 24, refused());
        assert_eq!(
            verdict(CheckName::Refused, vec![recent]),
            (Verdict::Warning, 3)
        );
    }

    #[test]
    fn repeated_pushes_are_fine_up_to_a_tenth() {
        let of = |stored, duplicates| {
            let counts = ArrivalCounts {
                stored,
                duplicates,
                ..ArrivalCounts::default()
            };
            verdict(CheckName::Duplicates, vec![hour(0, counts)]).0
        };
        assert_eq!(of(0, DUPLICATES_MIN - 1), Verdict::Fine);
        assert_eq!(of(180, 20), Verdict::Fine);
        assert_eq!(of(179, 20), Verdict::Warning);
    }

    #[test]
    fn a_push_is_late_beyond_five_minutes_and_for_a_day() {
        let bucket = HISTOGRAM_BOUNDS_MS
            .iter()
            .position(|bound| *bound == LAG_MS);
        let late = |bucket: usize, hours_ago| {
            let mut hour = hour(hours_ago, ArrivalCounts::default());
            hour.lags[bucket] = 2;
            verdict(CheckName::Late, vec![hour])
        };
        let bucket = bucket.unwrap();
        assert_eq!(late(bucket, 0), (Verdict::Fine, 0));
        assert_eq!(late(bucket + 1, 24), (Verdict::Warning, 2));
        assert_eq!(late(HISTOGRAM_BOUNDS_MS.len(), 0), (Verdict::Warning, 2));
        assert_eq!(late(bucket + 1, 25), (Verdict::Fine, 0));
    }
}
