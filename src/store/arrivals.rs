//! What came in each hour, by source: sums of pushes by what became of them, kept in the transaction
//! that stores the push, so that `/completeness` counts no rows and says the same after retention.
//!
//! A push counts in the hour (UTC) in which it came, an imported one in the hour in which the other
//! sink took it: so the stored of an hour are the deliveries of that hour, for as long as these are
//! kept. When a source was last heard of goes by what it took itself, or an import each night would
//! hide that nothing comes here any more. What is gathered for one transaction is written once for each hour it touches, which is one
//! as a rule. Lags are those of pushes that came here, and of no imported one. Refusals, strays and
//! failures come through `notes.rs`, which gathers them as well.
//!
//! Deliberately not here: reasons (`refusals.rs` counts them for ever), and a repair by `rebuild`,
//! which moves a delivery that it understands anew and cannot count what age has taken.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use crate::clock::Timestamp;
use crate::notification::source::SourceId;
use crate::store::rollup_sums::BUCKETS;
use crate::store::rollups::{HISTOGRAM_BOUNDS_MS, pack, unpack};
use crate::store::values::unreadable;

/// How long a bucket is.
pub const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Stands for the paths of no source; real ones begin with 1.
pub(super) const NO_SOURCE: SourceId = SourceId(0);

/// A longer lag counts as this one, as a publish time may be absurd.
const LAG_MS_MAX: i64 = 366 * 24 * HOUR_MS;

const SELECT: &str = "
    SELECT stored, imported, duplicates, unrecognized, differs, held, refused, strays, failed,
      last_taken_at, lag_max_ms, lags
    FROM arrival_hour WHERE source = ?1 AND at = ?2";

const UPSERT: &str = "
    INSERT INTO arrival_hour (
      source, at, stored, imported, duplicates, unrecognized, differs, held, refused, strays,
      failed, last_taken_at, lag_max_ms, lags
    ) VALUES (
      :source, :at, :stored, :imported, :duplicates, :unrecognized, :differs, :held, :refused,
      :strays, :failed, :last_taken_at, :lag_max_ms, :lags
    )
    ON CONFLICT (source, at) DO UPDATE SET
      stored = excluded.stored, imported = excluded.imported, duplicates = excluded.duplicates,
      unrecognized = excluded.unrecognized, differs = excluded.differs, held = excluded.held,
      refused = excluded.refused, strays = excluded.strays, failed = excluded.failed,
      last_taken_at = excluded.last_taken_at, lag_max_ms = excluded.lag_max_ms,
      lags = excluded.lags";

/// What is gathered of some hours.
#[derive(Debug, Default)]
pub(super) struct Hours {
    by_hour: BTreeMap<(SourceId, i64), HourSums>,
}

/// One hour of one source; while it is gathered, some of it may be negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HourSums {
    pub(super) stored: i64,
    /// Of those stored.
    pub(super) imported: i64,
    pub(super) duplicates: i64,
    pub(super) unrecognized: i64,
    pub(super) differs: i64,
    pub(super) held: i64,
    pub(super) refused: i64,
    pub(super) strays: i64,
    pub(super) failed: i64,
    pub(super) last_taken_at: Option<i64>,
    pub(super) lag_max_ms: i64,
    pub(super) lags: [i64; BUCKETS],
}

impl Hours {
    /// Returns what is gathered of the hour of `at`, to be added to.
    pub(super) fn at(&mut self, source: SourceId, at: Timestamp) -> &mut HourSums {
        self.by_hour.entry((source, hour_of(at).0)).or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_hour.is_empty()
    }

    /// Returns how many hours of sources there are.
    pub(super) fn len(&self) -> usize {
        self.by_hour.len()
    }

    /// Adds what others hold.
    pub(super) fn take_in(&mut self, others: Hours) {
        for (key, sums) in others.by_hour {
            self.by_hour.entry(key).or_default().add(&sums);
        }
    }

    /// Adds all to what is stored.
    pub(super) fn write(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        for ((source, at), gathered) in &self.by_hour {
            if *gathered == HourSums::default() {
                continue;
            }
            let mut select = tx.prepare_cached(SELECT)?;
            let stored = select.query_row(params![source.0, at], HourSums::read);
            let mut sums = stored.optional()?.unwrap_or_default();
            sums.add(gathered);
            sums.lags.iter_mut().for_each(|sum| *sum = (*sum).max(0));
            tx.prepare_cached(UPSERT)?.execute(named_params! {
                ":source": source.0,
                ":at": at,
                ":stored": sums.stored,
                ":imported": sums.imported,
                ":duplicates": sums.duplicates,
                ":unrecognized": sums.unrecognized,
                ":differs": sums.differs,
                ":held": sums.held,
                ":refused": sums.refused,
                ":strays": sums.strays,
                ":failed": sums.failed,
                ":last_taken_at": sums.last_taken_at,
                ":lag_max_ms": sums.lag_max_ms,
                ":lags": pack(&sums.lags),
            })?;
        }
        Ok(())
    }
}

impl HourSums {
    pub(super) fn add_stored(&mut self, received_at: Timestamp, published_at: Option<Timestamp>) {
        self.stored += 1;
        self.note_taken(received_at);
        self.add_lag(received_at, published_at, 1);
    }

    /// Counts what another sink took. How late it was there says nothing of this one.
    pub(super) fn add_imported(&mut self) {
        self.stored += 1;
        self.imported += 1;
    }

    pub(super) fn add_duplicate(&mut self, received_at: Timestamp, differs: bool) {
        self.duplicates += 1;
        self.differs += i64::from(differs);
        self.note_taken(received_at);
    }

    pub(super) fn add_unrecognized(&mut self, more: i64) {
        self.unrecognized += more;
    }

    pub(super) fn add_held(&mut self) {
        self.held += 1;
    }

    pub(super) fn add_refused(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    pub(super) fn add_stray(&mut self) {
        self.strays = self.strays.saturating_add(1);
    }

    pub(super) fn add_failed(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// Counts a stored push under another publish time. The longest lag stays what it was.
    pub(super) fn move_lag(
        &mut self,
        received_at: Timestamp,
        before: Option<Timestamp>,
        now: Option<Timestamp>,
    ) {
        if before != now {
            self.add_lag(received_at, before, -1);
            self.add_lag(received_at, now, 1);
        }
    }

    fn note_taken(&mut self, at: Timestamp) {
        self.last_taken_at = self.last_taken_at.max(Some(at.0));
    }

    fn add_lag(&mut self, received_at: Timestamp, published_at: Option<Timestamp>, sign: i64) {
        let Some(published_at) = published_at else {
            return;
        };
        // Clocks differ: what came before it was published came at once.
        let lag_ms = received_at.since_ms(published_at).clamp(0, LAG_MS_MAX);
        let bucket = HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound < lag_ms);
        if let Some(sum) = self.lags.get_mut(bucket) {
            *sum += sign;
        }
        if sign > 0 {
            self.lag_max_ms = self.lag_max_ms.max(lag_ms);
        }
    }

    /// Adds another hour, or more of the same.
    pub(super) fn add(&mut self, other: &HourSums) {
        let sums = [
            (&mut self.stored, other.stored),
            (&mut self.imported, other.imported),
            (&mut self.duplicates, other.duplicates),
            (&mut self.unrecognized, other.unrecognized),
            (&mut self.differs, other.differs),
            (&mut self.held, other.held),
            (&mut self.refused, other.refused),
            (&mut self.strays, other.strays),
            (&mut self.failed, other.failed),
        ];
        for (sum, other) in sums {
            *sum = sum.saturating_add(other);
        }
        for (sum, other) in self.lags.iter_mut().zip(other.lags) {
            *sum = sum.saturating_add(other);
        }
        self.lag_max_ms = self.lag_max_ms.max(other.lag_max_ms);
        self.last_taken_at = self.last_taken_at.max(other.last_taken_at);
    }

    /// Reads the columns of [`SELECT`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<HourSums> {
        let lags = unpack(row.get_ref("lags")?.as_blob()?);
        Ok(HourSums {
            stored: row.get("stored")?,
            imported: row.get("imported")?,
            duplicates: row.get("duplicates")?,
            unrecognized: row.get("unrecognized")?,
            differs: row.get("differs")?,
            held: row.get("held")?,
            refused: row.get("refused")?,
            strays: row.get("strays")?,
            failed: row.get("failed")?,
            last_taken_at: row.get("last_taken_at")?,
            lag_max_ms: row.get("lag_max_ms")?,
            lags: lags
                .ok_or_else(|| unreadable("a histogram has too many buckets or bits".into()))?,
        })
    }
}

/// Returns when the hour of `at` begins.
pub(super) fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_sub(at.0.rem_euclid(HOUR_MS)))
}

#[cfg(test)]
mod tests {
    use crate::notification::delivery::Headers;
    use crate::notification::event::{Event, Unrecognized};
    use crate::notification::reason::{HoldReason, RefusalReason};
    use crate::store::completeness_records::{ArrivalCounts, ArrivalHour};
    use crate::store::fixtures::{self, NOON, TestStore, arrival, arrival_of, renotify};
    use crate::store::{Arrival, NewHeld, NewStray};

    use super::*;

    fn hours(test: &TestStore) -> Vec<ArrivalHour> {
        let now = NOON.plus_ms(48 * HOUR_MS);
        test.store.completeness(now, NOON).unwrap().hours
    }

    /// All numbers of the only hour, in the order of the schema.
    fn numbers(test: &TestStore) -> [u64; 8] {
        let hours = hours(test);
        assert_eq!(hours.len(), 1, "{hours:?}");
        let it = hours[0].counts;
        [
            it.stored,
            it.duplicates,
            it.unrecognized,
            it.differs,
            it.held,
            it.refused,
            it.strays,
            it.failed,
        ]
    }

    fn at(arrival: Arrival, received_ms: i64) -> Arrival {
        let mut arrival = arrival;
        arrival.delivery.received_at = NOON.plus_ms(received_ms);
        arrival
    }

    fn not_understood(id: &str) -> Arrival {
        let reason = "not JSON".to_owned();
        arrival_of(
            "topic",
            id,
            vec![Event::Unrecognized(Unrecognized { reason })],
        )
    }

    fn held(test: &TestStore) -> NewHeld {
        NewHeld {
            delivery: fixtures::delivery(test.source.id, "topic", "m1", "body"),
            signature: b"s".to_vec(),
            reason: HoldReason::Owner,
            owner: None,
            topic: None,
            message_id: None,
            explanation: "{}".to_owned(),
        }
    }

    #[test]
    fn each_kind_of_push_moves_its_number_once() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        assert_eq!(numbers(&test), [1, 0, 0, 0, 0, 0, 0, 0]);
        test.append(arrival("m1", "j1"));
        assert_eq!(numbers(&test), [1, 1, 0, 0, 0, 0, 0, 0]);
        test.append(not_understood("m2"));
        assert_eq!(numbers(&test), [2, 1, 1, 0, 0, 0, 0, 0]);
        test.append(renotify(arrival("m1", "j1"), |notification| {
            notification.message = b"another".to_vec();
        }));
        assert_eq!(numbers(&test), [2, 2, 1, 1, 0, 0, 0, 0]);
        for _ in 0..2 {
            test.hold(held(&test)).unwrap();
        }
        assert_eq!(numbers(&test), [2, 2, 1, 1, 2, 0, 0, 0]);
        let flush = || test.runtime.block_on(test.store.flush_notes()).unwrap();
        let reason = RefusalReason::SignatureWrong;
        test.store.note_refusal(test.source.id, reason, NOON, None);
        flush();
        assert_eq!(numbers(&test), [2, 2, 1, 1, 2, 1, 0, 0]);
        test.store.note_stray(NewStray {
            target: "/".to_owned(),
            headers: Headers::default(),
            received_at: NOON,
        });
        flush();
        assert_eq!(numbers(&test), [2, 2, 1, 1, 2, 1, 1, 0]);
        test.store.note_failure(test.source.id, NOON);
        flush();
        assert_eq!(numbers(&test), [2, 2, 1, 1, 2, 1, 1, 1]);
    }

    #[test]
    fn a_push_counts_in_the_hour_in_which_it_came() {
        let test = fixtures::open();
        test.append(at(arrival("m1", "j1"), HOUR_MS - 1));
        test.append(at(arrival("m1", "j1"), HOUR_MS));
        test.append(at(arrival("m2", "j1"), -1));
        let stored_and_repeated: Vec<_> = hours(&test)
            .iter()
            .map(|hour| (hour.at, hour.counts.stored, hour.counts.duplicates))
            .collect();
        let expected = [
            (NOON.plus_ms(-HOUR_MS), 1, 0),
            (NOON, 1, 0),
            (NOON.plus_ms(HOUR_MS), 0, 1),
        ];
        assert_eq!(stored_and_repeated, expected);
        let completeness = test.store.completeness(NOON, NOON).unwrap();
        assert_eq!(
            completeness.sources[0].last_taken_at,
            Some(NOON.plus_ms(HOUR_MS))
        );
        let first = completeness.sources[0].first_hour;
        assert_eq!(first, Some(NOON.plus_ms(-HOUR_MS)));
    }

    #[test]
    fn a_lag_is_in_its_bucket_and_an_absurd_one_in_the_last() {
        let test = fixtures::open();
        let published = |id: &str, at: Option<i64>| {
            renotify(arrival(id, "j"), |notification| {
                notification.published_at = at.map(Timestamp);
            })
        };
        test.append(published("m1", Some(NOON.0 - 1_500)));
        test.append(published("m2", None));
        test.append(published("m3", Some(i64::MAX)));
        let hour = hours(&test).remove(0);
        assert_eq!(
            (hour.lags[0], hour.lags[1], hour.lag_max_ms),
            (1, 1, Some(1_500))
        );
        test.append(published("m4", Some(i64::MIN)));
        let hour = hours(&test).remove(0);
        assert_eq!(hour.lags.last(), Some(&1));
        assert_eq!(hour.lag_max_ms, Some(LAG_MS_MAX.unsigned_abs()));
    }

    #[test]
    fn an_imported_push_counts_when_the_other_sink_took_it_and_only_if_it_is_new() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let others = || {
            let arrivals = vec![arrival("m1", "j1"), at(not_understood("m2"), -5 * HOUR_MS)];
            std::sync::Arc::new(arrivals)
        };
        for _ in 0..2 {
            test.runtime.block_on(test.store.import(others())).unwrap();
            let hours = hours(&test);
            let counts: Vec<_> = hours.iter().map(|hour| (hour.at, hour.counts)).collect();
            let one = |unrecognized| ArrivalCounts {
                stored: 1,
                unrecognized,
                ..ArrivalCounts::default()
            };
            let earlier = NOON.plus_ms(-5 * HOUR_MS);
            assert_eq!(counts, [(earlier, one(1)), (NOON, one(0))]);
        }
        let completeness = test.store.completeness(NOON, NOON).unwrap();
        assert_eq!(completeness.sources[0].last_taken_at, Some(NOON));
        // How late it was there says nothing of whether pushes come late here.
        let lags: Vec<_> = hours(&test).iter().map(|it| it.lag_max_ms).collect();
        assert_eq!((lags[0], lags[1].is_some()), (None, true));
    }

    #[test]
    fn what_is_imported_does_not_hide_that_a_source_is_silent() {
        let test = fixtures::open();
        test.append(at(arrival("m1", "j1"), -30 * HOUR_MS));
        let source = |test: &TestStore| {
            let completeness = test.store.completeness(NOON, NOON).unwrap();
            completeness.sources.into_iter().next().unwrap()
        };
        let before = source(&test);
        let others = ["m1", "m2", "m3"].map(|id| at(arrival(id, "j1"), -HOUR_MS));
        let import = test.store.import(std::sync::Arc::new(others.into()));
        assert_eq!(test.runtime.block_on(import).unwrap().stored, 2);
        assert_eq!(source(&test), before);
        let newest = test.store.standing().unwrap().newest;
        assert_eq!(newest, [(test.source.id, NOON.plus_ms(-30 * HOUR_MS))]);
        // What came here in the same hour counts, and the imported beside it do not.
        test.append(at(arrival("m4", "j1"), -HOUR_MS));
        let taken = source(&test).taken;
        assert_eq!(taken.last(), Some(&(NOON.plus_ms(-HOUR_MS), 1)));
    }

    #[test]
    fn what_one_transaction_brings_counts_as_if_it_came_in_many() {
        let test = fixtures::open();
        let stopped = test.stop_writer();
        let arrivals = ["m1", "m1", "m2", "m3"].map(|id| test.send(arrival(id, "j1")));
        stopped.go_on();
        for task in arrivals {
            test.runtime.block_on(task).unwrap().unwrap();
        }
        assert_eq!(numbers(&test)[..2], [3, 1]);
    }

    #[test]
    fn a_push_that_could_not_be_written_is_not_counted_and_its_neighbours_once() {
        let test = fixtures::open();
        let bad = "CREATE TRIGGER bad BEFORE INSERT ON job WHEN NEW.job = 'bad'
            BEGIN SELECT RAISE(ABORT, 'no'); END";
        test.look().execute_batch(bad).unwrap();
        let stopped = test.stop_writer();
        let tasks = ["j1", "bad", "j2"].map(|id| test.send(arrival(id, id)));
        stopped.go_on();
        let done = tasks.map(|task| test.runtime.block_on(task).unwrap().is_ok());
        assert_eq!(done, [true, false, true]);
        assert_eq!(numbers(&test)[0], 2);
    }

    #[test]
    fn the_sums_of_the_hours_are_read_by_their_key() {
        let test = fixtures::open();
        let look = test.look();
        fixtures::assert_by_index(&look, SELECT);
    }
}
