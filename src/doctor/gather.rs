//! Reading the facts: from the store, the disk and the configuration.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::doctor::{ConfiguredSource, Facts, Server, Setup, SourceFacts};
use crate::signature::CertificateStatus;
use crate::signature::certificates::KnownCertificate;
use crate::store::Store;
use crate::store::arrivals::HOUR_MS;
use crate::store::completeness_records::ArrivalHour;
use crate::store::errors::ReadError;
use crate::store::file_system::{file_system, sync_time};
use crate::store::records::SourceRecord;

/// A path's last segment shorter than this can be found by trying; those that are made have 32.
const SECRET_CHARS_MIN: usize = 16;

const DAY_MS: i64 = 24 * HOUR_MS;

/// How long a measured sync is told of: an open page asks every second, and each sync is one less for
/// pushes.
const SYNC_KEPT: Duration = Duration::from_secs(60);

/// How long a sync took when it was last measured.
#[derive(Debug, Default)]
pub struct SyncLook {
    last: Mutex<Option<(Instant, Option<Duration>)>>,
}

impl SyncLook {
    fn time(&self, database: &Path) -> Option<Duration> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, took)) if at.elapsed() < SYNC_KEPT => took,
            _ => {
                let took = sync_time(database).ok();
                *last = Some((Instant::now(), took));
                took
            }
        }
    }
}

/// Reads everything but the integrity, which nobody waits for on a page. `certificates` is what the
/// verifier of this process knows; without one, what the database keeps. Blocks for some readings.
pub fn gather(
    store: &Store,
    setup: &Setup,
    server: Server,
    certificates: Option<Vec<CertificateStatus>>,
    syncs: &SyncLook,
    now: Timestamp,
) -> Result<Facts, ReadError> {
    let completeness = store.completeness(now, now)?;
    let certificates = match certificates {
        Some(certificates) => certificates,
        None => kept_certificates(store)?,
    };
    let names: Vec<_> = completeness
        .sources
        .iter()
        .map(|source| (source.id, source.name.clone()))
        .collect();
    let records = store.sources()?;
    let record_of = |name: &str| {
        let (id, _) = names.iter().find(|(_, other)| other == name)?;
        records.iter().find(|record| record.id == *id)
    };
    let sources = setup.sources.iter();
    let sources = sources.map(|source| source_facts(source, record_of(&source.name)));
    let (stored_last_day, lags) = last_day(&completeness.hours, now);
    Ok(Facts {
        now,
        server,
        sources: sources.collect(),
        certificates,
        upkeep: store.upkeep()?,
        lifetimes: completeness.lifetimes,
        stored_last_day,
        lags,
        sizes: store.sizes(),
        file_system: file_system(folder_of(&setup.database)),
        sync: syncs.time(&setup.database),
        setup: setup.clone(),
    })
}

fn kept_certificates(store: &Store) -> Result<Vec<CertificateStatus>, ReadError> {
    let kept = store.certificates()?.into_iter().map(|kept| {
        CertificateStatus::of_kept(&KnownCertificate {
            url: kept.url,
            bytes: kept.bytes,
            fetched_at: kept.fetched_at,
        })
    });
    Ok(kept.flatten().collect())
}

fn source_facts(source: &ConfiguredSource, record: Option<&SourceRecord>) -> SourceFacts {
    let is_guessable = source.paths.iter().any(|path| {
        let path = path.split('?').next().unwrap_or(path).trim_end_matches('/');
        path.rsplit('/').next().unwrap_or("").chars().count() < SECRET_CHARS_MIN
    });
    let owners = record.map(|record| record.owners.as_slice());
    let owners = owners.unwrap_or_default().iter();
    let (pinned, allowed): (Vec<_>, Vec<_>) = owners.partition(|owner| owner.is_pinned);
    SourceFacts {
        name: source.name.clone(),
        is_guessable,
        owners: source.owners.clone(),
        pinned: pinned.first().map(|owner| owner.owner.clone()),
        allowed: allowed.iter().map(|owner| owner.owner.clone()).collect(),
        topics: source.topics.clone(),
    }
}

fn last_day(hours: &[ArrivalHour], now: Timestamp) -> (u64, Vec<u64>) {
    let mut stored: u64 = 0;
    let mut lags: Vec<u64> = Vec::new();
    for hour in hours.iter().filter(|hour| hour.at > now.plus_ms(-DAY_MS)) {
        stored = stored.saturating_add(hour.counts.stored);
        lags.resize(lags.len().max(hour.lags.len()), 0);
        for (sum, count) in lags.iter_mut().zip(&hour.lags) {
            *sum = sum.saturating_add(*count);
        }
    }
    (stored, lags)
}

fn folder_of(database: &Path) -> &Path {
    let folder = database.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use crate::store::completeness_records::ArrivalCounts;
    use crate::store::records::AllowedOwner;

    use super::*;

    fn source(paths: &[&str]) -> ConfiguredSource {
        ConfiguredSource {
            name: "default".to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..ConfiguredSource::default()
        }
    }

    #[test]
    fn a_short_last_segment_can_be_guessed_and_a_made_one_cannot() {
        let secret = "/notifications/0123456789abcdef";
        for (paths, is_guessable) in [
            (&[][..], false),
            (&[secret], false),
            (&["/notifications"], true),
            (&["/0123456789abcdef/x/"], true),
            (&["/n?key=0123456789abcdef0123"], true),
            (&[secret, "/mns"], true),
        ] {
            let facts = source_facts(&source(paths), None);
            assert_eq!(facts.is_guessable, is_guessable, "{paths:?}");
        }
    }

    #[test]
    fn who_was_pinned_and_who_was_allowed_are_told_apart() {
        let owner = |owner: &str, is_pinned| AllowedOwner {
            owner: owner.to_owned(),
            is_pinned,
        };
        let record = SourceRecord {
            id: crate::notification::source::SourceId(1),
            first: None,
            newest: None,
            owners: vec![owner("1", true), owner("2", false)],
        };
        let facts = source_facts(&source(&[]), Some(&record));
        assert_eq!(facts.pinned.as_deref(), Some("1"));
        assert_eq!(facts.allowed, ["2"]);
    }

    #[test]
    fn a_day_is_summed_and_what_is_older_is_not() {
        let now = Timestamp(100 * DAY_MS);
        let hour = |hours_ago: i64, stored, lags: &[u64]| ArrivalHour {
            at: now.plus_ms(-hours_ago * HOUR_MS),
            counts: ArrivalCounts {
                stored,
                ..ArrivalCounts::default()
            },
            lags: lags.to_vec(),
            lag_max_ms: None,
        };
        let hours = [
            hour(24, 100, &[100]),
            hour(23, 3, &[1]),
            hour(0, 4, &[1, 2]),
        ];
        assert_eq!(last_day(&hours, now), (7, vec![2, 2]));
    }
}
