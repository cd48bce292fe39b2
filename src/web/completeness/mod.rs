//! Whether anything is missing: what `/completeness` and its JSON show.
//!
//! Read from the store and the configuration each time, and judged here, line by line. What happened
//! counts for a week, so that a line that was looked at does not stay for ever; what waits for a
//! person counts until it is gone.
//!
//! Deliberately not claimed: that nothing was lost. A push that never reached this server leaves no
//! trace; what can be known is where that may have happened.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::notification::source::{Source, SourceId};
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::{ArrivalCounts, ArrivalHour, Completeness, Named};
use crate::store::lane_records::{Counted, Durations};
use crate::store::lifetimes::{Ending, downtimes};
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;
use crate::web::completeness::silence::Silence;
use crate::web::pages::lanes::numbers::quantile_ms;
use crate::web::texts::Language;
use crate::web::viewer::Viewer;

pub mod silence;

const DAY_MS: i64 = 24 * HOUR_MS;

/// How long what happened is worth a look.
pub const LOOKED_BACK_MS: i64 = 7 * DAY_MS;

/// Days in the table.
const DAYS_SHOWN: usize = 30;

/// Hours in the table.
const HOURS_SHOWN: usize = 24;

/// The most downtimes that are listed.
const DOWNTIMES_SHOWN: usize = 20;

/// For so long SMQ repeats a push at the least: Backoff Retry, three times, ten seconds apart.
pub const REPEATED_MIN_MS: i64 = 30_000;

/// For so long Exponential Decay Retry repeats it: 1, 2, 4 … 512 s, then 166 times more.
pub const REPEATED_MAX_MS: i64 = 86_000_000;

/// A push that comes so late after a downtime was not repeated by Backoff Retry, which has given up by
/// then.
const LATE_MS: u64 = 3 * 60_000;

/// How long after a downtime late pushes are looked for.
const LATE_WITHIN_MS: i64 = 3 * HOUR_MS;

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

/// When no server was there, and what became of the pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub ending: Ending,
    /// At most: after a crash it may be less.
    pub length_ms: i64,
    /// Some may be lost if the subscription repeats by Backoff Retry, as it does unless told otherwise.
    pub backoff_may_lose: bool,
    /// Some may be lost even if it repeats by Exponential Decay Retry.
    pub decay_may_lose: bool,
    /// How late pushes came soon after it, if so late that Backoff Retry had given up: then it seems to
    /// be Exponential Decay Retry.
    pub repeated_after_ms: Option<u64>,
    pub verdict: Verdict,
}

/// What came in an hour or a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub from: Timestamp,
    pub to: Timestamp,
    #[serde(flatten)]
    pub counts: ArrivalCounts,
    pub lag_median_ms: Option<u64>,
    pub lag_p95_ms: Option<u64>,
    pub lag_max_ms: Option<u64>,
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
        let gaps = gaps(&record, now);
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
            downtimes: gaps,
            hours: rows(&record.hours, first, now, HOURS_SHOWN, |at| at.0),
            days: days(&record.hours, first, now, zone),
            start_missing: record.start_missing.newest,
            conflicts: record.conflicts.newest,
        }
    }
}

fn gaps(record: &Completeness, now: Timestamp) -> Vec<Gap> {
    let since = now.plus_ms(-LOOKED_BACK_MS);
    let recent = downtimes(&record.lifetimes).into_iter();
    recent
        .filter(|downtime| downtime.to >= since)
        .map(|downtime| {
            let length_ms = downtime.length_ms();
            let backoff_may_lose = length_ms > REPEATED_MIN_MS;
            let decay_may_lose = length_ms > REPEATED_MAX_MS;
            let until = downtime.to.plus_ms(LATE_WITHIN_MS);
            let repeated_after_ms = record
                .hours
                .iter()
                .filter(|hour| hour.at.plus_ms(HOUR_MS) > downtime.to && hour.at <= until)
                .filter_map(|hour| hour.lag_max_ms)
                .max()
                .filter(|late_ms| backoff_may_lose && *late_ms >= LATE_MS);
            let verdict = if decay_may_lose {
                Verdict::Wrong
            } else if backoff_may_lose && repeated_after_ms.is_none() {
                Verdict::Warning
            } else {
                Verdict::Fine
            };
            Gap {
                from: downtime.from,
                to: downtime.to,
                ending: downtime.ending,
                length_ms,
                backoff_may_lose,
                decay_may_lose,
                repeated_after_ms,
                verdict,
            }
        })
        .take(DOWNTIMES_SHOWN)
        .collect()
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

fn days(hours: &[ArrivalHour], first: Option<Timestamp>, now: Timestamp, zone: Tz) -> Vec<Row> {
    let viewer = Viewer {
        language: Language::English,
        zone,
    };
    let day_of = |at: Timestamp| {
        let text = viewer.time_text(at);
        text.split_once(' ')
            .map_or(text.clone(), |(day, _)| day.to_owned())
    };
    rows(hours, first, now, DAYS_SHOWN, day_of)
}

/// Groups the hours up to now, those in which nothing came as well, and returns the newest groups,
/// newest first; none from before `first`.
fn rows<K: PartialEq>(
    hours: &[ArrivalHour],
    first: Option<Timestamp>,
    now: Timestamp,
    rows_max: usize,
    key_of: impl Fn(Timestamp) -> K,
) -> Vec<Row> {
    let Some(first) = first else {
        return Vec::new();
    };
    let known: BTreeMap<Timestamp, &ArrivalHour> =
        hours.iter().map(|hour| (hour.at, hour)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut newest: Option<(K, Group)> = None;
    let mut at = Timestamp(now.0 - now.0.rem_euclid(HOUR_MS));
    let first = Timestamp(first.0 - first.0.rem_euclid(HOUR_MS));
    while at >= first {
        let key = key_of(at);
        let is_other = newest.as_ref().is_some_and(|(known, _)| *known != key);
        if is_other && let Some((_, group)) = newest.take() {
            rows.push(group.row());
            if rows.len() == rows_max {
                return rows;
            }
        }
        let (_, group) = newest.get_or_insert_with(|| (key, Group::until(at.plus_ms(HOUR_MS))));
        group.from = at;
        if let Some(hour) = known.get(&at) {
            group.add(hour);
        }
        at = at.plus_ms(-HOUR_MS);
    }
    rows.extend(newest.map(|(_, group)| group.row()));
    rows
}

/// Hours that make a row.
struct Group {
    from: Timestamp,
    to: Timestamp,
    counts: ArrivalCounts,
    lags: Durations,
    lag_max_ms: Option<u64>,
}

impl Group {
    fn until(to: Timestamp) -> Group {
        Group {
            from: to,
            to,
            counts: ArrivalCounts::default(),
            lags: Durations {
                known: 0,
                of: 0,
                sum_ms: 0,
                histogram: vec![0; HISTOGRAM_BOUNDS_MS.len() + 1],
            },
            lag_max_ms: None,
        }
    }

    fn add(&mut self, hour: &ArrivalHour) {
        self.counts.add(hour.counts);
        self.lag_max_ms = self.lag_max_ms.max(hour.lag_max_ms);
        for (sum, count) in self.lags.histogram.iter_mut().zip(&hour.lags) {
            *sum = sum.saturating_add(*count);
        }
    }

    fn row(self) -> Row {
        // A histogram says about; what was the longest is known.
        let quantile = |percent| quantile_ms(&self.lags, percent).min(self.lag_max_ms);
        Row {
            from: self.from,
            to: self.to,
            counts: self.counts,
            lag_median_ms: quantile(50),
            lag_p95_ms: quantile(95),
            lag_max_ms: self.lag_max_ms,
        }
    }
}
