//! Sums of roll-ups by lane: what ended on each lane over a window, by time, and how long it took.
//!
//! A day has tens of thousands of minutes and lanes, so this reads each row once, by column number,
//! without keeping anything of it, and histograms only where they are not empty and by the hour
//! where whole hours are asked for.

use std::cmp::Ordering;

use rusqlite::types::ValueRef;
use rusqlite::{Row, Transaction, params};

use crate::clock::{Timestamp, Window};
use crate::store::lane_records::{Durations, Ended, LaneKey, Slot};
use crate::store::rollup_sums::BUCKETS;
use crate::store::rollups::{oldest_minute, unpack};
use crate::store::values::unreadable;

pub(super) const MINUTE_MS: i64 = 60_000;

pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

const SELECT_MINUTES: &str = "
    SELECT lane_kind, owner, region, lane, at, state, count
    FROM rollup_minute
    WHERE at >= ?1 AND at < ?2 AND lane_kind <> 'activity' AND (?3 IS NULL OR lane = ?3)
    ORDER BY at";

const SELECT_HOURS: &str = "
    SELECT lane_kind, owner, region, lane, at, state, count, known, duration_sum_ms, histogram
    FROM rollup_hour
    WHERE at >= ?1 AND at < ?2 AND lane_kind <> 'activity' AND (?3 IS NULL OR lane = ?3)
    ORDER BY at";

const SELECT_MINUTE_DURATIONS: &str = "
    SELECT lane_kind, owner, region, lane, at, state, count, known, duration_sum_ms, histogram
    FROM rollup_minute
    WHERE at >= ?1 AND at < ?2 AND lane_kind <> 'activity' AND (?3 IS NULL OR lane = ?3)
      AND known > 0";

const SELECT_HOUR_DURATIONS: &str = "
    SELECT lane_kind, owner, region, lane, at, state, count, known, duration_sum_ms, histogram
    FROM rollup_hour
    WHERE at >= ?1 AND at < ?2 AND lane_kind <> 'activity' AND (?3 IS NULL OR lane = ?3)
      AND known > 0";

/// Which lanes are summed.
pub(super) struct Lanes<'a> {
    /// In their order, so that a row's is found quickly.
    keys: Vec<&'a LaneKey>,
    /// The name or id that all of them have, if rows of others need not be looked at.
    only: Option<&'a str>,
}

impl<'a> Lanes<'a> {
    /// Takes lanes that are [sorted](LaneKey).
    pub(super) fn new(keys: impl Iterator<Item = &'a LaneKey>) -> Lanes<'a> {
        let keys: Vec<&LaneKey> = keys.collect();
        let first = keys.first().map(|key| name_of(key));
        let only = first.filter(|name| keys.iter().all(|key| name_of(key) == *name));
        Lanes { keys, only }
    }

    /// Finds the lane of a row, which begins with the columns of one.
    fn place(&self, row: &Row<'_>) -> rusqlite::Result<Option<usize>> {
        let kind = text(row, 0)?;
        let (owner, region, name) = (text(row, 1)?, text(row, 2)?, text(row, 3)?);
        let found = self.keys.binary_search_by(|key| match key {
            LaneKey::Queue {
                region: of,
                name: n,
            } if kind == b"queue" => (of.as_bytes(), n.as_bytes()).cmp(&(region, name)),
            LaneKey::Workflow {
                owner: of,
                region: r,
                id,
            } if kind == b"workflow" => {
                (of.as_bytes(), r.as_bytes(), id.as_bytes()).cmp(&(owner, region, name))
            }
            LaneKey::Queue { .. } => Ordering::Less,
            LaneKey::Workflow { .. } => Ordering::Greater,
        });
        Ok(found.ok())
    }
}

/// What ended on one lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) ended: Ended,
    pub(super) slots: Vec<Slot>,
    pub(super) durations: Durations,
}

/// Returns how long slots are that were asked to be `slot_ms` long.
pub(super) fn slot_length(window: Window, slot_ms: i64, now: Timestamp) -> i64 {
    if window.from().0 < oldest_minute(now) {
        slot_ms.max(HOUR_MS)
    } else {
        slot_ms.max(MINUTE_MS)
    }
}

/// Sums the minutes that begin in the window, or the hours if slots are that long; one for each
/// lane. `slot_ms` is by [`slot_length`].
pub(super) fn sum(
    tx: &Transaction<'_>,
    lanes: &Lanes<'_>,
    window: Window,
    slot_ms: i64,
) -> rusqlite::Result<Vec<Sums>> {
    let mut sums = Sums::default();
    sums.durations.histogram = vec![0; BUCKETS];
    let mut sums = vec![sums; lanes.keys.len()];
    let (from, to) = (window.from().0, window.to().0);
    let by_hour = slot_ms >= HOUR_MS;
    let sql = if by_hour {
        SELECT_HOURS
    } else {
        SELECT_MINUTES
    };
    let mut select = tx.prepare_cached(sql)?;
    let mut rows = select.query(params![from, to, lanes.only])?;
    while let Some(row) = rows.next()? {
        let place = lanes.place(row)?;
        let Some(sums) = place.and_then(|place| sums.get_mut(place)) else {
            continue;
        };
        let at: i64 = row.get(4)?;
        let at = Timestamp(at.saturating_sub(at.rem_euclid(slot_ms)));
        if sums.slots.last().is_none_or(|slot| slot.at != at) {
            let ended = Ended::default();
            sums.slots.push(Slot { at, ended });
        }
        let (state, count) = (text(row, 5)?, number(row, 6)?);
        add(&mut sums.ended, state, count);
        if let Some(slot) = sums.slots.last_mut() {
            add(&mut slot.ended, state, count);
        }
        if by_hour {
            add_durations(row, &mut sums.durations)?;
        }
    }
    for sums in &mut sums {
        sums.durations.of = sums.ended.total();
    }
    if by_hour {
        return Ok(sums);
    }
    let last_hour = to.saturating_sub(to.rem_euclid(HOUR_MS));
    let first_hour = from
        .saturating_add(from.saturating_neg().rem_euclid(HOUR_MS))
        .min(to);
    let last_hour = last_hour.max(first_hour);
    let minutes = SELECT_MINUTE_DURATIONS;
    sum_durations(tx, minutes, lanes, (from, first_hour), &mut sums)?;
    let whole = (first_hour, last_hour);
    sum_durations(tx, SELECT_HOUR_DURATIONS, lanes, whole, &mut sums)?;
    sum_durations(tx, minutes, lanes, (last_hour, to), &mut sums)?;
    Ok(sums)
}

/// Returns what ended on each lane in the hour before `now`: in the minute that goes on and the 59
/// before it.
pub(super) fn last_hour(
    tx: &Transaction<'_>,
    lanes: &Lanes<'_>,
    now: Timestamp,
) -> rusqlite::Result<Vec<Ended>> {
    let mut ended = vec![Ended::default(); lanes.keys.len()];
    let minute = now.0.saturating_sub(now.0.rem_euclid(MINUTE_MS));
    let to = minute.saturating_add(MINUTE_MS);
    let mut select = tx.prepare_cached(SELECT_MINUTES)?;
    let mut rows = select.query(params![to.saturating_sub(HOUR_MS), to, lanes.only])?;
    while let Some(row) = rows.next()? {
        let place = lanes.place(row)?;
        if let Some(ended) = place.and_then(|place| ended.get_mut(place)) {
            add(ended, text(row, 5)?, number(row, 6)?);
        }
    }
    Ok(ended)
}

fn sum_durations(
    tx: &Transaction<'_>,
    sql: &str,
    lanes: &Lanes<'_>,
    (from, to): (i64, i64),
    sums: &mut [Sums],
) -> rusqlite::Result<()> {
    if from >= to {
        return Ok(());
    }
    let mut select = tx.prepare_cached(sql)?;
    let mut rows = select.query(params![from, to, lanes.only])?;
    while let Some(row) = rows.next()? {
        let place = lanes.place(row)?;
        if let Some(sums) = place.and_then(|place| sums.get_mut(place)) {
            add_durations(row, &mut sums.durations)?;
        }
    }
    Ok(())
}

fn add_durations(row: &Row<'_>, durations: &mut Durations) -> rusqlite::Result<()> {
    let known = number(row, 7)?;
    if known == 0 {
        return Ok(());
    }
    durations.known = durations.known.saturating_add(known);
    durations.sum_ms = durations.sum_ms.saturating_add(number(row, 8)?);
    let histogram = unpack(row.get_ref(9)?.as_blob()?)
        .ok_or_else(|| unreadable("a histogram has too many buckets or bits".into()))?;
    for (sum, count) in durations.histogram.iter_mut().zip(histogram) {
        *sum = sum.saturating_add(count.unsigned_abs());
    }
    Ok(())
}

fn name_of(key: &LaneKey) -> &str {
    match key {
        LaneKey::Queue { name, .. } => name,
        LaneKey::Workflow { id, .. } => id,
    }
}

/// Adds to what the word of a state or outcome counts.
fn add(ended: &mut Ended, state: &[u8], count: u64) {
    let sum = match state {
        b"succeeded" => &mut ended.succeeded,
        b"partial" => &mut ended.partial,
        b"failed" => &mut ended.failed,
        b"cancelled" => &mut ended.cancelled,
        b"skipped" => &mut ended.skipped,
        _ => &mut ended.completed,
    };
    *sum = sum.saturating_add(count);
}

/// A text as its bytes: nothing of it is shown, so nobody has to look whether it is UTF-8.
fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    match row.get_ref(column)? {
        ValueRef::Text(text) => Ok(text),
        _ => Err(unreadable("a roll-up's lane is no text".into())),
    }
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures;

    use super::*;

    #[test]
    fn no_reading_of_roll_ups_scans_or_sorts() {
        let test = fixtures::open();
        let statements = [
            SELECT_MINUTES,
            SELECT_HOURS,
            SELECT_MINUTE_DURATIONS,
            SELECT_HOUR_DURATIONS,
        ];
        for sql in statements {
            let plan = fixtures::plan(&test.look(), sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
