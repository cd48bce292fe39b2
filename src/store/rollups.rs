//! Roll-ups: what ended, summed by the minute and by the hour, so that no page counts rows.
//!
//! What a row adds is a pure function of the row: its lane, type and state, in the bucket of the
//! time it ended. Whenever a row changes, what it added before is taken out and what it adds now is
//! put in, in the same transaction. Only sums are kept, and a bucket that is down to nothing goes,
//! so that the same rows give the same roll-ups, bit for bit, whatever the order they came in.
//!
//! Jobs without a run are counted by queue, runs and activities by workflow, and nothing is counted
//! in two of these. Only what has ended is counted.
//!
//! Minutes older than 8 days are not written, not read, and deleted as new ones are added: one old
//! minute for each new row, so that no transaction has much to delete.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use crate::clock::Timestamp;
use crate::store::records::{
    ActivityRecord, JobRecord, RollUpRecord, RollUpSpan, RunOutcome, RunRecord,
};
use crate::store::rollup_sums::{BUCKETS, Sums};
use crate::store::values::{count, read_count, read_time, unreadable};

/// The histogram's buckets: each holds the durations up to and including its bound, above the one
/// before; one more holds those beyond the last. From a snapshot's second to a job that waited for
/// days; about a factor of two apart, which is as near as a median needs to be.
pub const HISTOGRAM_BOUNDS_MS: [i64; 19] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    60_000,
    2 * 60_000,
    3 * 60_000,
    5 * 60_000,
    10 * 60_000,
    20 * 60_000,
    30 * 60_000,
    60 * 60_000,
    2 * 60 * 60_000,
    4 * 60 * 60_000,
    8 * 60 * 60_000,
    24 * 60 * 60_000,
    72 * 60 * 60_000,
];

/// The most rows one reading of roll-ups gives: a week of minutes of five busy lanes. More is said
/// to be too much, since a sum with something left out would be a lie.
pub const ROLL_UP_ROWS_MAX: usize = 50_000;

/// How long minutes are kept: a week to look at and a day to compare it with.
pub const MINUTES_KEPT_MS: i64 = 8 * 24 * 60 * 60 * 1_000;

/// The statements of one table. The same twice, since a table's name cannot be bound.
struct Sql {
    select: &'static str,
    upsert: &'static str,
    delete: &'static str,
}

macro_rules! sql {
    ($table:literal) => {
        Sql {
            select: concat!(
                "SELECT count, known, duration_sum_ms, histogram FROM ",
                $table,
                " WHERE at = ?1 AND lane_kind = ?2 AND owner = ?3 AND region = ?4 AND lane = ?5
                    AND type = ?6 AND state = ?7"
            ),
            upsert: concat!(
                "INSERT INTO ",
                $table,
                " (at, lane_kind, owner, region, lane, type, state, count, known,
                    duration_sum_ms, histogram)
                  VALUES (:at, :lane_kind, :owner, :region, :lane, :type, :state, :count, :known,
                    :duration_sum_ms, :histogram)
                  ON CONFLICT DO UPDATE SET count = excluded.count, known = excluded.known,
                    duration_sum_ms = excluded.duration_sum_ms, histogram = excluded.histogram"
            ),
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE at = ?1 AND lane_kind = ?2 AND owner = ?3 AND region = ?4 AND lane = ?5
                    AND type = ?6 AND state = ?7"
            ),
        }
    };
}

const MINUTE: Sql = sql!("rollup_minute");

const HOUR: Sql = sql!("rollup_hour");

const SELECT_MINUTES: &str = "
    SELECT at, lane_kind, owner, region, lane, type, state, count, known, duration_sum_ms,
      histogram
    FROM rollup_minute WHERE at >= ?1 AND at < ?2
    ORDER BY at, lane_kind, owner, region, lane, type, state LIMIT ?3";

const SELECT_HOURS: &str = "
    SELECT at, lane_kind, owner, region, lane, type, state, count, known, duration_sum_ms,
      histogram
    FROM rollup_hour WHERE at >= ?1 AND at < ?2
    ORDER BY at, lane_kind, owner, region, lane, type, state LIMIT ?3";

const SELECT_ALL_MINUTES: &str = "
    SELECT at, lane_kind, owner, region, lane, type, state, count, known, duration_sum_ms,
      histogram
    FROM rollup_minute WHERE at >= ?1";

const SELECT_ALL_HOURS: &str = "
    SELECT at, lane_kind, owner, region, lane, type, state, count, known, duration_sum_ms,
      histogram
    FROM rollup_hour WHERE at >= ?1";

const DELETE_OLDEST_MINUTE: &str = "
    DELETE FROM rollup_minute
    WHERE at = (SELECT MIN(at) FROM rollup_minute) AND at < ?1";

/// What a row adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contribution {
    lane: Lane,
    ended_at: Timestamp,
    duration_ms: Option<i64>,
}

/// What is summed together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    kind: Cow<'static, str>,
    owner: String,
    region: String,
    name: String,
    kind_type: String,
    state: Cow<'static, str>,
}

/// What a job's row adds: nothing inside a run, whose activity is counted.
pub(super) fn of_job(job: &JobRecord) -> Option<Contribution> {
    if job.run.is_some() || !job.state.is_terminal() {
        return None;
    }
    Some(Contribution {
        lane: Lane {
            kind: "queue".into(),
            owner: job.owner.clone(),
            region: job.region.clone(),
            name: job.queue.clone().unwrap_or_default(),
            kind_type: job.job_type.clone().unwrap_or_default(),
            state: job.state.word().into(),
        },
        ended_at: job.finished_at?,
        duration_ms: job.duration_ms,
    })
}

/// What a run's row adds once its Report is there.
pub(super) fn of_run(run: &RunRecord) -> Option<Contribution> {
    if matches!(run.outcome, RunOutcome::Running | RunOutcome::Stale) {
        return None;
    }
    Some(Contribution {
        lane: Lane {
            kind: "workflow".into(),
            owner: run.owner.clone(),
            region: run.region.clone(),
            name: run.workflow.id.clone().unwrap_or_default(),
            kind_type: String::new(),
            state: run.outcome.word().into(),
        },
        ended_at: run.finished_at?,
        duration_ms: run.duration_ms,
    })
}

/// What an activity's row adds. A skipped one has no end, so it counts when it was told.
pub(super) fn of_activity(activity: &ActivityRecord) -> Option<Contribution> {
    activity.state.is_terminal().then(|| Contribution {
        lane: Lane {
            kind: "activity".into(),
            owner: activity.owner.clone(),
            region: activity.region.clone(),
            name: activity.workflow.id.clone().unwrap_or_default(),
            kind_type: activity.activity_type.clone(),
            state: activity.state.word().into(),
        },
        ended_at: activity.finished_at.unwrap_or(activity.last_event_at),
        duration_ms: activity.duration_ms,
    })
}

/// What one command changes, gathered so that each bucket is written once.
#[derive(Clone, Debug)]
pub(super) struct Deltas {
    by_bucket: BTreeMap<(bool, i64, Lane), Sums>,
    /// Minutes before this one are left out.
    minutes_from: i64,
    /// And hours before this one.
    hours_from: i64,
}

impl Default for Deltas {
    fn default() -> Deltas {
        Deltas {
            by_bucket: BTreeMap::new(),
            minutes_from: i64::MIN,
            hours_from: i64::MIN,
        }
    }
}

impl Deltas {
    /// Without the minutes that are not kept any more at `now`, and without what begins before
    /// `sums_from`.
    pub(super) fn kept_at(now: Timestamp, sums_from: Timestamp) -> Deltas {
        Deltas {
            by_bucket: BTreeMap::new(),
            minutes_from: oldest_minute(now).max(sums_from.0),
            hours_from: sums_from.0,
        }
    }

    /// Takes out what is stored, of all that is not left out, so that only what is stored wrongly is
    /// left.
    pub(super) fn take_out_stored(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        for (is_hour, sql) in [(false, SELECT_ALL_MINUTES), (true, SELECT_ALL_HOURS)] {
            let mut select = tx.prepare(sql)?;
            let from = self.from(is_hour);
            let mut rows = select.query([from])?;
            while let Some(row) = rows.next()? {
                let bucket = (is_hour, row.get("at")?, read_lane(row)?);
                let sums = self.by_bucket.entry(bucket).or_default();
                sums.take_out(&read_sums(row)?);
            }
        }
        self.by_bucket.retain(|_, sums| *sums != Sums::default());
        Ok(())
    }

    /// How many buckets change.
    pub(super) fn len(&self) -> usize {
        self.by_bucket.len()
    }

    /// Takes the first `buckets` out; `None` if there are none.
    pub(super) fn take_some(&mut self, buckets: usize) -> Option<Deltas> {
        let mut taken = Deltas::default();
        while taken.len() < buckets {
            let Some((bucket, sums)) = self.by_bucket.pop_first() else {
                break;
            };
            taken.by_bucket.insert(bucket, sums);
        }
        (taken.len() > 0).then_some(taken)
    }

    /// Takes out what a row added before, and puts in what it adds now.
    pub(super) fn replace(&mut self, before: Option<Contribution>, after: Option<Contribution>) {
        if before == after {
            return;
        }
        self.add(before, -1);
        self.add(after, 1);
    }

    fn add(&mut self, contribution: Option<Contribution>, sign: i64) {
        let Some(contribution) = contribution else {
            return;
        };
        for span in [RollUpSpan::Minute, RollUpSpan::Hour] {
            let at = bucket(span, contribution.ended_at);
            let is_hour = span == RollUpSpan::Hour;
            if at < self.from(is_hour) {
                continue;
            }
            let key = (is_hour, at, contribution.lane.clone());
            let sums = self.by_bucket.entry(key).or_default();
            sums.add_one(contribution.duration_ms, sign);
        }
    }

    fn from(&self, is_hour: bool) -> i64 {
        if is_hour {
            self.hours_from
        } else {
            self.minutes_from
        }
    }

    /// Writes them all. `now` says which minutes are too old.
    pub(super) fn write(self, tx: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
        let oldest = oldest_minute(now);
        for ((is_hour, at, lane), delta) in self.by_bucket {
            if delta == Sums::default() || (!is_hour && at < oldest) {
                continue;
            }
            let is_new = write_one(tx, if is_hour { &HOUR } else { &MINUTE }, at, &lane, &delta)?;
            if is_new && !is_hour {
                tx.prepare_cached(DELETE_OLDEST_MINUTE)?.execute([oldest])?;
            }
        }
        Ok(())
    }
}

/// Returns whether the bucket had no row before.
fn write_one(
    tx: &Transaction<'_>,
    sql: &Sql,
    at: i64,
    lane: &Lane,
    delta: &Sums,
) -> rusqlite::Result<bool> {
    let key = params![
        at,
        lane.kind,
        lane.owner,
        lane.region,
        lane.name,
        lane.kind_type,
        lane.state
    ];
    let before = tx
        .prepare_cached(sql.select)?
        .query_row(key, read_sums)
        .optional()?;
    let is_new = before.is_none();
    let mut sums = before.unwrap_or_default();
    sums.add(delta);
    if sums.count <= 0 {
        tx.prepare_cached(sql.delete)?.execute(key)?;
        return Ok(false);
    }
    tx.prepare_cached(sql.upsert)?.execute(named_params! {
        ":at": at,
        ":lane_kind": lane.kind,
        ":owner": lane.owner,
        ":region": lane.region,
        ":lane": lane.name,
        ":type": lane.kind_type,
        ":state": lane.state,
        ":count": sums.count,
        ":known": sums.known,
        ":duration_sum_ms": sums.duration_sum_ms,
        ":histogram": pack(&sums.histogram),
    })?;
    Ok(is_new)
}

/// Returns the roll-ups of the buckets that begin in `from` (included) to `to` (not), by time, then
/// lane; one more than [`ROLL_UP_ROWS_MAX`] if there are that many.
pub(super) fn read(
    tx: &Transaction<'_>,
    span: RollUpSpan,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Vec<RollUpRecord>> {
    let (sql, from) = match span {
        RollUpSpan::Minute => (SELECT_MINUTES, from.0.max(oldest_minute(now))),
        RollUpSpan::Hour => (SELECT_HOURS, from.0),
    };
    let mut select = tx.prepare_cached(sql)?;
    let rows = select.query_map(params![from, to.0, count(ROLL_UP_ROWS_MAX) + 1], |row| {
        Ok(RollUpRecord {
            at: read_time(row, "at")?,
            lane_kind: row.get("lane_kind")?,
            owner: row.get("owner")?,
            region: row.get("region")?,
            lane: row.get("lane")?,
            kind_type: row.get("type")?,
            state: row.get("state")?,
            count: read_count(row, "count")?,
            known: read_count(row, "known")?,
            duration_sum_ms: read_count(row, "duration_sum_ms")?,
            histogram: read_sums(row)?.histogram.map(i64::unsigned_abs).to_vec(),
        })
    })?;
    rows.collect()
}

fn bucket(span: RollUpSpan, at: Timestamp) -> i64 {
    let length = match span {
        RollUpSpan::Minute => 60_000,
        RollUpSpan::Hour => 60 * 60_000,
    };
    at.0.saturating_sub(at.0.rem_euclid(length))
}

/// Returns the first minute that is not too old.
pub(super) fn oldest_minute(now: Timestamp) -> i64 {
    bucket(RollUpSpan::Minute, now.plus_ms(-MINUTES_KEPT_MS))
}

fn read_lane(row: &Row<'_>) -> rusqlite::Result<Lane> {
    Ok(Lane {
        kind: Cow::Owned(row.get("lane_kind")?),
        owner: row.get("owner")?,
        region: row.get("region")?,
        name: row.get("lane")?,
        kind_type: row.get("type")?,
        state: Cow::Owned(row.get("state")?),
    })
}

fn read_sums(row: &Row<'_>) -> rusqlite::Result<Sums> {
    let histogram: Vec<u8> = row.get("histogram")?;
    Ok(Sums {
        count: row.get("count")?,
        known: row.get("known")?,
        duration_sum_ms: row.get("duration_sum_ms")?,
        histogram: unpack(&histogram)
            .ok_or_else(|| unreadable("a histogram has too many buckets or bits".into()))?,
    })
}

/// Writes counts as LEB128, seven bits a byte, without the zeros at the end: most histograms have a
/// few small counts, and there are many of them.
pub(super) fn pack(histogram: &[i64; BUCKETS]) -> Vec<u8> {
    let used = histogram.iter().rposition(|sum| *sum != 0);
    let mut bytes = Vec::with_capacity(BUCKETS);
    for sum in histogram.iter().take(used.map_or(0, |last| last + 1)) {
        let mut rest = sum.unsigned_abs();
        loop {
            let low = u8::try_from(rest & 0x7f).unwrap_or(0);
            rest >>= 7;
            if rest == 0 {
                bytes.push(low);
                break;
            }
            bytes.push(low | 0x80);
        }
    }
    bytes
}

/// Reads [`pack`] back.
pub(super) fn unpack(bytes: &[u8]) -> Option<[i64; BUCKETS]> {
    let mut histogram = [0; BUCKETS];
    let mut sums = histogram.iter_mut();
    let mut sum: i64 = 0;
    let mut shift = 0;
    for byte in bytes {
        sum |= i64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            *sums.next()? = sum;
            (sum, shift) = (0, 0);
        } else {
            shift += 7;
        }
    }
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use crate::clock::Clock;
    use crate::notification::event::{Event, JobEvent, JobState};
    use crate::store::errors::ReadError;
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};
    use crate::store::rollup_sums::DURATION_MS_MAX;

    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    /// A job of topic `topic` that ended `ms` after noon, having taken `took_ms`.
    fn put(test: &TestStore, id: &str, topic: &str, state: JobState, ms: i64, took_ms: i64) {
        let event = JobEvent {
            job_id: "j".to_owned(),
            state,
            started_at: Some(NOON.plus_ms(ms - took_ms)),
            finished_at: Some(NOON.plus_ms(ms)),
            ..JobEvent::default()
        };
        let arrival = arrival_of(topic, id, vec![Event::Job(event)]);
        test.append(renotify(arrival, |notification| {
            notification.published_at = Some(NOON.plus_ms(ms));
        }));
    }

    fn shown(test: &TestStore, span: RollUpSpan) -> Vec<(i64, String, String, u64, u64)> {
        let rows = test.roll_ups(span).into_iter();
        rows.map(|row| {
            assert_eq!(row.histogram.len(), BUCKETS);
            assert_eq!(row.histogram.iter().sum::<u64>(), row.known);
            let sum = row.duration_sum_ms;
            (row.at.since_ms(NOON), row.lane, row.state, row.count, sum)
        })
        .collect()
    }

    fn row(
        at: i64,
        lane: &str,
        state: &str,
        count: u64,
        sum: u64,
    ) -> (i64, String, String, u64, u64) {
        (at, lane.to_owned(), state.to_owned(), count, sum)
    }

    #[test]
    fn an_overtaken_event_and_a_moved_queue_take_out_what_was_counted() {
        let test = fixtures::open();
        put(&test, "m1", "t1", JobState::Failed, 61_000, 1_000);
        assert_eq!(
            shown(&test, RollUpSpan::Minute),
            [row(60_000, "t1", "failed", 1, 1_000)]
        );
        put(&test, "m2", "t2", JobState::Succeeded, 3_600_000, 5_000);
        let expected = [row(3_600_000, "t2", "succeeded", 1, 5_000)];
        assert_eq!(shown(&test, RollUpSpan::Minute), expected);
        assert_eq!(shown(&test, RollUpSpan::Hour), expected);
        // Overtaken: it ended before, so it changes nothing.
        put(&test, "m3", "t3", JobState::Cancelled, 2, 1);
        assert_eq!(shown(&test, RollUpSpan::Hour), expected);
        let row = test.roll_ups(RollUpSpan::Hour).remove(0);
        assert_eq!((row.known, &*row.lane_kind), (1, "queue"));
        assert_eq!(row.histogram[2], 1);
    }

    #[test]
    fn what_has_not_ended_is_not_counted() {
        let test = fixtures::open();
        put(&test, "m1", "t1", JobState::Running, 0, 1);
        put(&test, "m2", "t1", JobState::Unknown, 0, 1);
        assert!(shown(&test, RollUpSpan::Hour).is_empty());
    }

    #[test]
    fn minutes_older_than_eight_days_are_not_written_not_read_and_go_one_by_one() {
        let clock = Clock::standing_at(NOON);
        let test = fixtures::open_with(|options| options.clock = clock.clone());
        let ended = |id: &str, ms: i64| {
            let event = JobEvent {
                job_id: id.to_owned(),
                state: JobState::Succeeded,
                finished_at: Some(NOON.plus_ms(ms)),
                ..JobEvent::default()
            };
            test.append(arrival_of("t", id, vec![Event::Job(event)]));
        };
        let kept = |test: &TestStore| {
            let look = test.look();
            let sql = "SELECT COUNT(*) FROM rollup_minute";
            look.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        ended("a", -8 * DAY_MS - 1);
        assert_eq!((kept(&test), shown(&test, RollUpSpan::Hour).len()), (0, 1));
        ended("b", -8 * DAY_MS);
        ended("c", -8 * DAY_MS + 60_000);
        assert_eq!(shown(&test, RollUpSpan::Minute).len(), 2);
        clock.set(NOON.plus_ms(60_000));
        assert_eq!(shown(&test, RollUpSpan::Minute).len(), 1);
        assert_eq!(kept(&test), 2);
        ended("d", 60_000);
        assert_eq!(kept(&test), 2);
        assert_eq!(shown(&test, RollUpSpan::Minute).len(), 2);
        clock.set(NOON.plus_ms(9 * DAY_MS));
        ended("e", 9 * DAY_MS);
        assert_eq!(kept(&test), 2);
        // Of these five two ended in the same hour.
        assert_eq!(shown(&test, RollUpSpan::Hour).len(), 4);
    }

    #[test]
    fn a_reading_has_its_first_bucket_and_not_its_last_and_too_many_rows_are_said_to_be() {
        let test = fixtures::open();
        put(&test, "m1", "t1", JobState::Failed, 0, 1);
        let read = |from: i64, to: i64| {
            let (from, to) = (NOON.plus_ms(from), NOON.plus_ms(to));
            test.store
                .roll_ups(RollUpSpan::Hour, from, to)
                .unwrap()
                .len()
        };
        assert_eq!((read(0, 1), read(1, 2), read(-1, 0)), (1, 0, 0));
        let fill = |rows: usize| {
            let filled = test.put(rows, |tx, _, rows| {
                tx.execute("DELETE FROM rollup_hour", [])?;
                tx.execute(
                    "WITH RECURSIVE number (value) AS (
                       SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1
                     )
                     INSERT INTO rollup_hour
                     SELECT value, '', '', '', '', '', '', 1, 0, 0, x'' FROM number",
                    [count(*rows)],
                )?;
                Ok(Ok(()))
            });
            filled.recv().unwrap().unwrap();
            let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            test.store.roll_ups(RollUpSpan::Hour, from, to)
        };
        assert_eq!(fill(ROLL_UP_ROWS_MAX).unwrap().len(), ROLL_UP_ROWS_MAX);
        let beyond = fill(ROLL_UP_ROWS_MAX + 1);
        assert!(matches!(beyond, Err(ReadError::TooSlow)), "{beyond:?}");
    }

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let bucket_of = |duration_ms: i64| {
            let mut sums = Sums::default();
            sums.add_one(Some(duration_ms), 1);
            assert_eq!(sums.duration_sum_ms, duration_ms.min(DURATION_MS_MAX));
            sums.histogram.iter().position(|sum| *sum == 1).unwrap()
        };
        for (at, bound) in HISTOGRAM_BOUNDS_MS.into_iter().enumerate() {
            assert_eq!((bucket_of(bound), bucket_of(bound + 1)), (at, at + 1));
        }
        assert_eq!((bucket_of(0), bucket_of(i64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn no_reading_scans_or_sorts() {
        let test = fixtures::open();
        for sql in [SELECT_MINUTES, SELECT_HOURS, DELETE_OLDEST_MINUTE] {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }

    proptest! {
        #[test]
        fn a_histogram_is_read_back_as_it_was_packed(sums in any::<[u32; BUCKETS]>(), used in 0..=BUCKETS) {
            let mut histogram = sums.map(i64::from);
            histogram[used..].fill(0);
            prop_assert_eq!(unpack(&pack(&histogram)), Some(histogram));
        }
    }
}
