//! What hangs together by events, gathered a piece at a time.
//!
//! Events of one message may tell of several jobs and runs, and events of several messages of one of
//! them. What is connected like this goes together or stays together ([`Group`]).
//!
//! Reading it may take longer than a push should wait: a run whose messages each tell of all its
//! transcodes has as many events as their square. So a piece reads some, and leaves the rest to the
//! next ([`Gathering`]). What was found in earlier pieces is only believed if nothing has come to it
//! since ([`Group::is_as_found`]).
//!
//! What stays is remembered for the walk ([`Stays`]), so that a group is not gathered again for each
//! of its rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction};

use crate::clock::Timestamp;
use crate::store::records::RowId;
use crate::store::retention::{Bounds, Pace, Reached, Taken};
use crate::store::values::{read_count, read_time};

/// The most rows that are remembered to stay, at some 16 bytes each. Beyond, groups are gathered again
/// for each of their rows.
const STAYS_MAX: usize = 100_000;

const FIND_RUN: &str = "SELECT id, last_event_at AS at, events FROM run WHERE id = ?1";

const FIND_JOB: &str = "SELECT id, last_event_at AS at, events FROM job WHERE id = ?1";

// From the index alone.
const SELECT_DELIVERIES_OF_RUN: &str = "
    SELECT delivery FROM event INDEXED BY event_by_run WHERE run = ?1";

const SELECT_DELIVERIES_OF_JOB: &str = "
    SELECT delivery FROM event INDEXED BY event_by_job WHERE job = ?1";

const SELECT_DELIVERY: &str = "
    SELECT received_at,
      EXISTS (
        SELECT 1 FROM source WHERE delivery.id IN (newest_delivery, latest_delivery)
      ) AS is_newest,
      (SELECT length(push) FROM delivery_capture
        WHERE delivery_capture.delivery = delivery.id) AS bytes
    FROM delivery WHERE id = ?1";

const SELECT_EVENTS: &str = "SELECT job, run, at FROM event WHERE delivery = ?1";

const COUNT_ACTIVITIES: &str = "
    SELECT COUNT(*) AS activities FROM activity WHERE of_run = ?1";

/// What is old enough to go.
#[derive(Clone, Copy)]
pub(super) struct Age {
    pub(super) before: Timestamp,
    /// A message from before is counted by the step that empties it.
    pub(super) emptied_before: Option<Timestamp>,
    pub(super) bounds: Bounds,
}

/// A job or a run, by the number that its events name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entity {
    pub(super) kind: Kind,
    pub(super) id: RowId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Run,
    Job,
}

/// The row of a job or run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) row: Reached,
    /// How many events tell of it: more of them are more.
    events: u64,
}

/// Jobs, runs and deliveries that hang together by events.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Their rows, which may be missing after a fault.
    pub(super) entities: BTreeMap<Entity, Option<Found>>,
    pub(super) deliveries: BTreeSet<RowId>,
    pub(super) events: u64,
    activities: u64,
    pub(super) bytes: u64,
}

/// A group that is being gathered.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) group: Group,
    /// The row it was begun for.
    begun_for: Reached,
    /// How often messages had been read again when it was begun: what they say now may hang together
    /// in another way.
    rereads: u64,
    /// It was begun by an earlier piece.
    is_continued: bool,
    /// Of the group, those whose deliveries are not known yet.
    open_entities: Vec<Entity>,
    /// Of the group, those whose events are not known yet.
    open_deliveries: Vec<RowId>,
}

/// How far a group has been gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// There is more, for the next piece.
    More,
    All,
    /// Enough to know that it stays.
    Stays(Why),
}

/// Why a group stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Some of it is not old enough, or a source's newest.
    Young,
    /// It has more rows than may go in one transaction.
    Large,
    /// A dry walk has counted it.
    Counted,
}

/// The rows of groups that were gathered and stay, and why. What hangs together with one of them stays
/// as well.
#[derive(Debug, Default)]
pub(super) struct Stays {
    rows: BTreeMap<(Kind, RowId), Why>,
}

impl Gathering {
    pub(super) fn begin(begun_for: Reached, rereads: u64) -> Gathering {
        Gathering {
            group: Group::default(),
            begun_for,
            rereads,
            is_continued: false,
            open_entities: Vec::new(),
            open_deliveries: Vec::new(),
        }
    }

    /// Whether this goes on for the row, though pushes have come in between.
    pub(super) fn may_go_on_for(&self, row: Reached, rereads: u64) -> bool {
        (self.begun_for, self.rereads) == (row, rereads)
    }

    /// Leaves the rest to the next piece.
    pub(super) fn pause(mut self) -> Gathering {
        self.is_continued = true;
        self
    }

    /// Whether what was found is all that there is now. False if it has to be gathered again.
    pub(super) fn is_true(&self, tx: &Transaction<'_>) -> rusqlite::Result<bool> {
        Ok(!self.is_continued || self.group.is_as_found(tx)?)
    }

    /// Goes on until all is there, or something says that it stays, or the piece has taken long
    /// enough; but by one delivery or one job or run at least.
    pub(super) fn go_on(
        &mut self,
        tx: &Transaction<'_>,
        age: &Age,
        stays: &Stays,
        pace: &mut Pace,
    ) -> rusqlite::Result<Gathered> {
        loop {
            let why = if let Some(delivery) = self.open_deliveries.pop() {
                self.read(tx, age, stays, pace, delivery)?
            } else if let Some(entity) = self.open_entities.pop() {
                self.find_deliveries(tx, age, pace, entity)?
            } else {
                return Ok(Gathered::All);
            };
            if let Some(why) = why {
                return Ok(Gathered::Stays(why));
            }
            if pace.is_over() {
                return Ok(Gathered::More);
            }
        }
    }

    /// Adds a job or run; returns why it stays, if it does.
    pub(super) fn add_entity(
        &mut self,
        tx: &Transaction<'_>,
        age: &Age,
        stays: &Stays,
        entity: Entity,
    ) -> rusqlite::Result<Option<Why>> {
        if self.group.entities.contains_key(&entity) {
            return Ok(None);
        }
        let found = entity.find(tx)?;
        if entity.kind == Kind::Run {
            self.group.activities += entity.count_activities(tx)?;
        }
        let known = found.and_then(|found| stays.why(entity.kind, found.row.id));
        let is_young = found.is_some_and(|found| found.row.at >= age.before);
        self.group.entities.insert(entity, found);
        self.open_entities.push(entity);
        Ok(is_young
            .then_some(Why::Young)
            .or(known)
            .or(self.group.is_large(age)))
    }

    /// Adds a delivery, whose events are read later.
    pub(super) fn add_delivery(&mut self, id: RowId) {
        if self.group.deliveries.insert(id) {
            self.open_deliveries.push(id);
        }
    }

    fn find_deliveries(
        &mut self,
        tx: &Transaction<'_>,
        age: &Age,
        pace: &mut Pace,
        entity: Entity,
    ) -> rusqlite::Result<Option<Why>> {
        let mut select = tx.prepare_cached(match entity.kind {
            Kind::Run => SELECT_DELIVERIES_OF_RUN,
            Kind::Job => SELECT_DELIVERIES_OF_JOB,
        })?;
        let mut rows = select.query([entity.id])?;
        while let Some(row) = rows.next()? {
            pace.look_at_event();
            self.add_delivery(row.get("delivery")?);
            if let Some(why) = self.group.is_large(age) {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// Reads a delivery with its events; returns why it stays, if it does.
    fn read(
        &mut self,
        tx: &Transaction<'_>,
        age: &Age,
        stays: &Stays,
        pace: &mut Pace,
        id: RowId,
    ) -> rusqlite::Result<Option<Why>> {
        let mut select = tx.prepare_cached(SELECT_DELIVERY)?;
        let found = select.query_row([id], |row| {
            let bytes: Option<i64> = row.get("bytes")?;
            Ok((
                read_time(row, "received_at")?,
                row.get::<_, bool>("is_newest")?,
                bytes.unwrap_or_default().unsigned_abs(),
            ))
        });
        let Some((received_at, is_newest, bytes)) = found.optional()? else {
            // It is forgotten, and its events are swept up by and by.
            self.group.deliveries.remove(&id);
            return Ok(None);
        };
        if received_at >= age.before || is_newest {
            return Ok(Some(Why::Young));
        }
        if age
            .emptied_before
            .is_none_or(|before| received_at >= before)
        {
            self.group.bytes += bytes;
        }
        let mut select = tx.prepare_cached(SELECT_EVENTS)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            pace.look_at_event();
            self.group.events += 1;
            if read_time(row, "at")? >= age.before {
                return Ok(Some(Why::Young));
            }
            for (kind, column) in [(Kind::Run, "run"), (Kind::Job, "job")] {
                let Some(id) = row.get(column)? else { continue };
                let entity = Entity { kind, id };
                if let Some(why) = self.add_entity(tx, age, stays, entity)? {
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }
}

impl Group {
    /// The row of a kind that its walk comes to first.
    pub(super) fn first(&self, kind: Kind) -> Option<Reached> {
        let of_kind = self.entities.iter().filter(|(it, _)| it.kind == kind);
        let rows = of_kind.filter_map(|(_, found)| found.as_ref());
        rows.map(|found| found.row)
            .min_by_key(|row| (row.at, row.id))
    }

    /// The end of any of its rows is not later than this.
    pub(super) fn last_event_at(&self) -> Option<Timestamp> {
        let rows = self.entities.values().flatten();
        rows.map(|found| found.row.at).max()
    }

    pub(super) fn weigh(&self) -> Taken {
        let rows = |kind: Kind| {
            let of_kind = self.entities.iter().filter(|(it, _)| it.kind == kind);
            of_kind.filter(|(_, found)| found.is_some()).count() as u64
        };
        Taken {
            deliveries: self.deliveries.len() as u64,
            events: self.events,
            jobs: rows(Kind::Job),
            runs: rows(Kind::Run),
            activities: self.activities,
            bytes: self.bytes,
            ..Taken::default()
        }
    }

    /// Whether no event has come to any of its jobs and runs since they were found, and none has gone.
    /// A delivery never gets more events, but where it is read again.
    fn is_as_found(&self, tx: &Transaction<'_>) -> rusqlite::Result<bool> {
        for (entity, found) in &self.entities {
            if entity.find(tx)? != *found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_large(&self, age: &Age) -> Option<Why> {
        let rows = (self.deliveries.len() + self.entities.len()) as u64 + self.activities;
        (rows > age.bounds.group_rows).then_some(Why::Large)
    }
}

impl Entity {
    pub(super) fn find(self, tx: &Transaction<'_>) -> rusqlite::Result<Option<Found>> {
        let mut select = tx.prepare_cached(match self.kind {
            Kind::Run => FIND_RUN,
            Kind::Job => FIND_JOB,
        })?;
        let found = select.query_row([self.id], |row| {
            Ok(Found {
                row: Reached::read(row)?,
                events: read_count(row, "events")?,
            })
        });
        found.optional()
    }

    fn count_activities(self, tx: &Transaction<'_>) -> rusqlite::Result<u64> {
        let mut select = tx.prepare_cached(COUNT_ACTIVITIES)?;
        select.query_row([self.id], |row| read_count(row, "activities"))
    }
}

impl Stays {
    pub(super) fn remember(&mut self, group: &Group, why: Why) {
        if self.rows.len() >= STAYS_MAX {
            return;
        }
        for (entity, found) in &group.entities {
            if let Some(found) = found {
                self.rows.insert((entity.kind, found.row.id), why);
            }
        }
    }

    fn why(&self, kind: Kind, id: RowId) -> Option<Why> {
        self.rows.get(&(kind, id)).copied()
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SELECT_DELIVERIES_OF_RUN,
    SELECT_DELIVERIES_OF_JOB,
    SELECT_EVENTS,
    COUNT_ACTIVITIES,
];
