//! Whether anything is missing: kept sums, lifetimes, and what few rows are odd.
//!
//! Nothing here counts rows of a big table: hours are read by their key, odd rows by indexes that
//! hold no others, up to a bound.

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction, params};

use crate::clock::Timestamp;
use crate::notification::source::SourceId;
use crate::store::Store;
use crate::store::arrivals::{HOUR_MS, HourSums, NO_SOURCE, hour_of};
use crate::store::completeness_records::{
    ArrivalCounts, ArrivalHour, Completeness, HOURS_BACK, Named, NamedKind, ODD_COUNTED_MAX,
    ODD_NAMED_MAX, Odd, SourceArrivals, USUAL_HOURS_BACK,
};
use crate::store::errors::ReadError;
use crate::store::filters::RunFilter;
use crate::store::lane_records::Counted;
use crate::store::lanes::Workflows;
use crate::store::lifetimes::{LIFETIMES_KEPT, Lifetime};
use crate::store::readers::{runs, sources};
use crate::store::records::RunOutcome;
use crate::store::values::{count, read_maybe_time, read_time};

const SELECT_SOURCES: &str = "SELECT id, name FROM source ORDER BY id";

// One row, the newest hour in which any was taken: an hour of refusals alone has none.
const SELECT_LAST_TAKEN: &str = "
    SELECT last_taken_at FROM arrival_hour
    WHERE source = ?1 AND last_taken_at IS NOT NULL
    ORDER BY at DESC LIMIT 1";

const SELECT_FIRST_TAKEN: &str = "
    SELECT at FROM arrival_hour
    WHERE source = ?1 AND last_taken_at IS NOT NULL
    ORDER BY at LIMIT 1";

const SELECT_TAKEN: &str = "
    SELECT at, stored - imported + duplicates AS taken FROM arrival_hour
    WHERE source = ?1 AND at >= ?2 AND last_taken_at IS NOT NULL
    ORDER BY at";

const SELECT_HOURS: &str = "
    SELECT at, stored, imported, duplicates, unrecognized, differs, held, refused, strays,
      failed, last_taken_at, lag_max_ms, lags
    FROM arrival_hour WHERE source = ?1 AND at >= ?2 AND at <= ?3";

const SELECT_LIFETIMES: &str = "
    SELECT started_at, alive_at, ended_at, late_ms, version FROM lifetime ORDER BY id DESC LIMIT ?1";

const SELECT_FIRST_RECEIVED: &str = "SELECT MIN(received_at) AS at FROM delivery";

const SELECT_START_MISSING: &str = "
    SELECT run AS name, owner, last_event_at FROM run INDEXED BY run_start_missing
    WHERE start_missing = 1 AND last_event_at >= ?1
      AND COALESCE(created_at, last_event_at) >= ?2
    ORDER BY last_event_at DESC LIMIT ?3";

const SELECT_RUNS_IN_CONFLICT: &str = "
    SELECT run AS name, owner, last_event_at FROM run INDEXED BY run_in_conflict
    WHERE conflict = 1 AND last_event_at >= ?1
    ORDER BY last_event_at DESC LIMIT ?2";

const SELECT_JOBS_IN_CONFLICT: &str = "
    SELECT job AS name, owner, last_event_at FROM job INDEXED BY job_in_conflict
    WHERE conflict = 1 AND last_event_at >= ?1
    ORDER BY last_event_at DESC LIMIT ?2";

/// Reading of what may be missing.
impl Store {
    /// Returns what there is to judge by; odd jobs and runs are those last heard of since `odd_since`.
    pub fn completeness(
        &self,
        now: Timestamp,
        odd_since: Timestamp,
    ) -> Result<Completeness, ReadError> {
        let known = &self.inner.workflows;
        self.inner
            .readers
            .read(|tx| completeness(tx, known, now, odd_since))
    }

    /// Returns when a server was there, newest first.
    pub fn lifetimes(&self) -> Result<Vec<Lifetime>, ReadError> {
        self.inner.readers.read(lifetimes)
    }
}

fn completeness(
    tx: &Transaction<'_>,
    known: &Workflows,
    now: Timestamp,
    odd_since: Timestamp,
) -> rusqlite::Result<Completeness> {
    let mut select = tx.prepare_cached(SELECT_SOURCES)?;
    let named = select.query_map([], |row| Ok((SourceId(row.get("id")?), row.get("name")?)))?;
    let named: Vec<(SourceId, String)> = named.collect::<rusqlite::Result<_>>()?;
    let ids = named.iter().map(|(id, _)| *id).chain([NO_SOURCE]);
    let hours = hours(tx, ids, now)?;
    let sources = named.into_iter().map(|(id, name)| source(tx, id, name));
    let stale = RunFilter {
        outcome: Some(RunOutcome::Stale),
        ..RunFilter::default()
    };
    let mut select = tx.prepare_cached(SELECT_FIRST_RECEIVED)?;
    let first_at = select.query_row([], |row| read_maybe_time(row, "at"))?;
    let mut conflicts = odd(tx, SELECT_RUNS_IN_CONFLICT, NamedKind::Run, &[odd_since.0])?;
    let of_jobs = odd(tx, SELECT_JOBS_IN_CONFLICT, NamedKind::Job, &[odd_since.0])?;
    conflicts.take_in(of_jobs);
    Ok(Completeness {
        sources: sources.collect::<rusqlite::Result<_>>()?,
        hours,
        lifetimes: lifetimes(tx)?,
        stale: runs::count(tx, known, &stale)?,
        start_missing: odd(
            tx,
            SELECT_START_MISSING,
            NamedKind::Run,
            &[odd_since.0, first_at.map_or(i64::MIN, |at| at.0)],
        )?,
        conflicts,
        attention: sources::attention(tx)?,
    })
}

fn source(tx: &Transaction<'_>, id: SourceId, name: String) -> rusqlite::Result<SourceArrivals> {
    let one = |sql: &str, column: &str| -> rusqlite::Result<Option<Timestamp>> {
        let mut select = tx.prepare_cached(sql)?;
        let mut rows = select.query([id.0])?;
        rows.next()?.map(|row| read_time(row, column)).transpose()
    };
    let last_taken_at = one(SELECT_LAST_TAKEN, "last_taken_at")?;
    let from = last_taken_at.map(|at| hour_of(at).plus_ms(-USUAL_HOURS_BACK * HOUR_MS));
    let mut select = tx.prepare_cached(SELECT_TAKEN)?;
    let taken = select.query_map(params![id.0, from.map(|at| at.0)], |row| {
        let taken: i64 = row.get("taken")?;
        Ok((read_time(row, "at")?, u64::try_from(taken).unwrap_or(0)))
    })?;
    Ok(SourceArrivals {
        id,
        name,
        last_taken_at,
        taken: taken.collect::<rusqlite::Result<_>>()?,
        first_hour: one(SELECT_FIRST_TAKEN, "at")?,
    })
}

fn hours(
    tx: &Transaction<'_>,
    sources: impl Iterator<Item = SourceId>,
    now: Timestamp,
) -> rusqlite::Result<Vec<ArrivalHour>> {
    let to = hour_of(now);
    let from = to.plus_ms(-HOURS_BACK * HOUR_MS);
    let mut by_hour: BTreeMap<Timestamp, HourSums> = BTreeMap::new();
    for source in sources {
        let mut select = tx.prepare_cached(SELECT_HOURS)?;
        let mut rows = select.query(params![source.0, from.0, to.0])?;
        while let Some(row) = rows.next()? {
            let hour = by_hour.entry(read_time(row, "at")?).or_default();
            hour.add(&HourSums::read(row)?);
        }
    }
    Ok(by_hour
        .into_iter()
        .map(|(at, sums)| hour(at, &sums))
        .collect())
}

fn hour(at: Timestamp, sums: &HourSums) -> ArrivalHour {
    let number = |sum: i64| u64::try_from(sum).unwrap_or(0);
    let lags: Vec<u64> = sums.lags.iter().map(|sum| number(*sum)).collect();
    ArrivalHour {
        at,
        counts: ArrivalCounts {
            stored: number(sums.stored),
            duplicates: number(sums.duplicates),
            unrecognized: number(sums.unrecognized),
            differs: number(sums.differs),
            held: number(sums.held),
            refused: number(sums.refused),
            strays: number(sums.strays),
            failed: number(sums.failed),
        },
        lag_max_ms: lags
            .iter()
            .any(|count| *count > 0)
            .then(|| number(sums.lag_max_ms)),
        lags,
    }
}

fn lifetimes(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Lifetime>> {
    let mut select = tx.prepare_cached(SELECT_LIFETIMES)?;
    let rows = select.query_map([count(LIFETIMES_KEPT)], |row| {
        Ok(Lifetime {
            started_at: read_time(row, "started_at")?,
            alive_at: read_time(row, "alive_at")?,
            ended_at: read_maybe_time(row, "ended_at")?,
            late_ms: row.get("late_ms")?,
            version: row.get("version")?,
        })
    })?;
    rows.collect()
}

/// Reads the newest of a kind, and how many there are; the bound is the statement's last parameter.
fn odd(
    tx: &Transaction<'_>,
    sql: &str,
    kind: NamedKind,
    parameters: &[i64],
) -> rusqlite::Result<Odd> {
    let max = [count(ODD_COUNTED_MAX) + 1];
    let mut select = tx.prepare_cached(sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(parameters.iter().chain(&max)))?;
    let (mut newest, mut counted) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        counted += 1;
        if newest.len() < ODD_NAMED_MAX {
            newest.push(named(row, kind)?);
        }
    }
    Ok(Odd::of(newest, counted))
}

fn named(row: &Row<'_>, kind: NamedKind) -> rusqlite::Result<Named> {
    Ok(Named {
        kind,
        id: row.get("name")?,
        owner: row.get("owner")?,
        last_event_at: read_time(row, "last_event_at")?,
    })
}

impl Odd {
    fn of(newest: Vec<Named>, counted: u64) -> Odd {
        let max = ODD_COUNTED_MAX as u64;
        Odd {
            counted: Counted {
                rows: counted.min(max),
                is_all: counted <= max,
            },
            newest,
        }
    }

    /// Adds others of another kind.
    fn take_in(&mut self, others: Odd) {
        self.newest.extend(others.newest);
        self.newest
            .sort_by_key(|named| std::cmp::Reverse(named.last_event_at));
        self.newest.truncate(ODD_NAMED_MAX);
        self.counted = Counted {
            rows: self.counted.rows.saturating_add(others.counted.rows),
            is_all: self.counted.is_all && others.counted.is_all,
        };
    }
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{Event, JobEvent, JobState, RunEvent, RunPart};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of};

    use super::*;

    fn put_job(test: &TestStore, message: &str, job: &str, state: JobState) {
        let job = JobEvent {
            job_id: job.to_owned(),
            state,
            ..JobEvent::default()
        };
        test.append(arrival_of("topic", message, vec![Event::Job(job)]));
    }

    fn put_report(test: &TestStore, run: &str, created_at: Timestamp) {
        let run = RunEvent {
            run_id: run.to_owned(),
            part: RunPart::Report,
            state: JobState::Completed,
            created_at: Some(created_at),
            ..RunEvent::default()
        };
        let id = run.run_id.clone();
        test.append(arrival_of("topic", &id, vec![Event::Run(run)]));
    }

    #[test]
    fn nothing_is_read_but_by_an_index_made_for_it() {
        let test = fixtures::open();
        let look = test.look();
        for sql in [
            SELECT_LAST_TAKEN,
            SELECT_FIRST_TAKEN,
            SELECT_TAKEN,
            SELECT_HOURS,
            SELECT_START_MISSING,
            SELECT_RUNS_IN_CONFLICT,
            SELECT_JOBS_IN_CONFLICT,
        ] {
            fixtures::assert_by_index(&look, sql);
        }
        let plan = fixtures::plan(&look, SELECT_FIRST_RECEIVED);
        assert!(plan.contains("delivery_by_time"), "{plan}");
    }

    #[test]
    fn jobs_and_runs_with_two_endings_are_counted_up_to_a_bound_and_the_newest_named() {
        let test = fixtures::open();
        for id in 0..=ODD_NAMED_MAX {
            put_job(
                &test,
                &format!("s{id}"),
                &format!("j{id}"),
                JobState::Succeeded,
            );
            put_job(
                &test,
                &format!("f{id}"),
                &format!("j{id}"),
                JobState::Failed,
            );
        }
        put_job(&test, "other", "other", JobState::Succeeded);
        let conflicts = |since| test.store.completeness(NOON, since).unwrap().conflicts;
        let found = conflicts(NOON);
        let rows = ODD_NAMED_MAX as u64 + 1;
        assert_eq!(found.counted, Counted { rows, is_all: true });
        assert_eq!(found.newest.len(), ODD_NAMED_MAX);
        assert_eq!(conflicts(NOON.plus_ms(1)).counted.rows, 0);

        let copy = "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1000)
            INSERT INTO job (job, owner, region, names, state, events, deliveries, conflict,
              last_event_at, extra)
            SELECT 'n' || v, owner, region, names, state, events, deliveries, conflict,
              last_event_at, extra
            FROM n, job WHERE job = 'j0'";
        test.look().execute_batch(copy).unwrap();
        let counted = conflicts(NOON).counted;
        let rows = ODD_COUNTED_MAX as u64;
        assert_eq!(
            counted,
            Counted {
                rows,
                is_all: false
            }
        );
    }

    #[test]
    fn a_run_that_began_before_the_first_push_had_nobody_to_tell_that_to() {
        let test = fixtures::open();
        put_report(&test, "before", NOON.plus_ms(-1));
        put_report(&test, "after", NOON);
        let missing = test.store.completeness(NOON, NOON).unwrap().start_missing;
        let ids: Vec<_> = missing.newest.iter().map(|named| &*named.id).collect();
        assert_eq!(ids, ["after"]);
        assert_eq!(missing.counted.rows, 1);
    }
}
