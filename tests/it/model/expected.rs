//! The model: what a store says that has lost nothing and doubled nothing, kept in plain lists, and
//! worked out from nothing after each step.

use std::collections::{BTreeMap, BTreeSet};

use mpsink::clock::Timestamp;
use mpsink::store::completeness_records::ArrivalCounts;
use mpsink::store::rollups::MINUTES_KEPT_MS;

use crate::model::folded::{Folded, Lane};
use crate::model::pushes::{DAY_MS, Push, Said};
use crate::model::told::{Told, events};

pub(super) const HOUR_MS: i64 = 60 * 60 * 1_000;
const MINUTE_MS: i64 = 60 * 1_000;

/// How far back sums of what came are compared: the reading goes a day further.
const HOURS_BACK_MS: i64 = 30 * DAY_MS;

/// The sources, by their places: name, region and queue.
pub(super) const SOURCES: [(&str, &str, &str); 2] =
    [("default", "cn-shanghai", ""), ("other", "", "own")];

/// What is on disk.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) now: Timestamp,
    rows: Vec<Row>,
    held: Vec<Held>,
    /// By hour: of all sources.
    came: BTreeMap<Timestamp, ArrivalCounts>,
    minutes: Sums,
    hours: Sums,
    /// Of each source, the row that came last and the one received last, with when that was.
    newest: [Option<(i64, i64, Timestamp)>; SOURCES.len()],
}

type Sums = BTreeMap<(Timestamp, Lane), (i64, i64, i64)>;

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    push: Push,
    duplicates: u64,
    last_duplicate_at: Option<Timestamp>,
    differs: bool,
    is_kept: bool,
}

#[derive(Clone, Debug)]
struct Held {
    id: i64,
    push: Push,
    repeats: u64,
}

/// What becomes of a push that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Under a number that the store chooses.
    Stored,
    Duplicate {
        row: i64,
        differs: bool,
    },
}

/// What the store and the model are compared by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) deliveries: BTreeMap<i64, SeenDelivery>,
    pub(super) events: usize,
    pub(super) folded: Folded,
    /// By number: message id, when it was received first, repeats.
    pub(super) held: BTreeMap<i64, (String, Timestamp, u64)>,
    pub(super) minutes: BTreeMap<(Timestamp, String), (u64, u64, u64)>,
    pub(super) hours: BTreeMap<(Timestamp, String), (u64, u64, u64)>,
    pub(super) came: BTreeMap<Timestamp, ArrivalCounts>,
    /// Of each source, the number of the row that was received last.
    pub(super) latest: Vec<Option<i64>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenDelivery {
    pub(super) source: String,
    pub(super) owner: String,
    pub(super) region: String,
    pub(super) topic: String,
    pub(super) message_id: Option<String>,
    pub(super) published_at: Option<Timestamp>,
    pub(super) received_at: Timestamp,
    pub(super) duplicates: u64,
    pub(super) last_duplicate_at: Option<Timestamp>,
    pub(super) differs: bool,
    pub(super) is_understood: bool,
    /// `None` once age has emptied it.
    pub(super) message: Option<String>,
}

impl Model {
    pub(super) fn new(now: Timestamp) -> Model {
        Model {
            now,
            rows: Vec::new(),
            held: Vec::new(),
            came: BTreeMap::new(),
            minutes: Sums::new(),
            hours: Sums::new(),
            newest: [None; SOURCES.len()],
        }
    }

    /// Says what has to become of a push.
    pub(super) fn fate(&self, push: &Push) -> Fate {
        match self.rows.iter().find(|row| has_same_key(&row.push, push)) {
            None => Fate::Stored,
            Some(row) => Fate::Duplicate {
                row: row.id,
                differs: row.push.text() != push.text(),
            },
        }
    }

    /// Stores a push under the number that it was given.
    pub(super) fn store(&mut self, push: &Push, id: i64) {
        let place = push.fresh.source;
        assert!(self.rows.iter().all(|row| row.id < id), "{id} is not new");
        let (_, latest, at) = self.newest[place].unwrap_or((id, id, push.received_at));
        self.newest[place] = Some(if push.received_at >= at {
            (id, id, push.received_at)
        } else {
            (id, latest, at)
        });
        let counts = self.came_at(push.received_at);
        counts.stored += 1;
        counts.unrecognized += u64::from(matches!(push.fresh.said, Said::Odd(_)));
        self.change(|rows| {
            rows.push(Row {
                id,
                push: push.clone(),
                duplicates: 0,
                last_duplicate_at: None,
                differs: false,
                is_kept: true,
            });
        });
    }

    /// Counts a push on the row that has its key.
    pub(super) fn count(&mut self, push: &Push, id: i64, differs: bool) {
        let counts = self.came_at(push.received_at);
        counts.duplicates += 1;
        counts.differs += u64::from(differs);
        let row = self.rows.iter_mut().find(|row| row.id == id).unwrap();
        row.duplicates += 1;
        row.last_duplicate_at = row.last_duplicate_at.max(Some(push.received_at));
        row.differs |= differs;
    }

    /// Says which row holds the same already.
    pub(super) fn held_row(&self, push: &Push) -> Option<i64> {
        self.held
            .iter()
            .find(|held| is_same_held(&held.push, push))
            .map(|held| held.id)
    }

    pub(super) fn hold(&mut self, push: &Push, id: i64) {
        self.came_at(push.received_at).held += 1;
        match self.held.iter_mut().find(|held| held.id == id) {
            Some(held) => held.repeats += 1,
            None => self.held.push(Held {
                id,
                push: push.clone(),
                repeats: 0,
            }),
        }
    }

    /// Returns a held push, chosen by any number.
    pub(super) fn choose_held(&self, which: usize) -> Option<(i64, Push)> {
        let held = self.held.get(which.checked_rem(self.held.len())?)?;
        Some((held.id, held.push.clone()))
    }

    pub(super) fn let_go(&mut self, held: i64) {
        self.held.retain(|other| other.id != held);
    }

    /// Takes away what was received before: its message, and with `history` what hangs together
    /// with nothing younger. Sums stay what they are.
    pub(super) fn prune(&mut self, messages: Timestamp, history: Option<Timestamp>) {
        for row in &mut self.rows {
            row.is_kept &= row.push.received_at >= messages;
        }
        let Some(before) = history else {
            return;
        };
        let mut stay: BTreeSet<i64> = BTreeSet::new();
        for row in &self.rows {
            let newest = self.newest[row.push.fresh.source];
            let is_newest =
                newest.is_some_and(|(last, latest, _)| [last, latest].contains(&row.id));
            let told = told_by(row);
            let is_young = told.iter().any(|one| one.at() >= before);
            if is_newest || is_young || row.push.received_at >= before {
                stay.insert(row.id);
            }
        }
        // What tells of the same job or run as something that stays, stays.
        loop {
            let told = self.told();
            let staying = || told.iter().filter(|one| stay.contains(&one.row));
            let hangs = |one: &Told<'_>, other: &Told<'_>| {
                one.owner() == other.owner()
                    && (one.job().is_some_and(|job| other.job() == Some(job))
                        || one.run().is_some_and(|run| other.run() == Some(run)))
            };
            let more = told
                .iter()
                .find(|one| !stay.contains(&one.row) && staying().any(|other| hangs(one, other)));
            match more.map(|one| one.row) {
                Some(row) => stay.insert(row),
                None => break,
            };
        }
        self.rows.retain(|row| stay.contains(&row.id));
    }

    /// Says what the store has to say.
    pub(super) fn seen(&self) -> Seen {
        let told = self.told();
        let oldest = bucket(self.now.plus_ms(-MINUTES_KEPT_MS), MINUTE_MS);
        let minutes = self.minutes.iter().filter(|((at, _), _)| *at >= oldest);
        let from = self.now.plus_ms(-HOURS_BACK_MS);
        let came = self.came.iter().filter(|(at, _)| **at >= from);
        Seen {
            deliveries: self.rows.iter().map(|row| (row.id, row.seen())).collect(),
            events: told.len(),
            folded: Folded::of(&told, self.now),
            held: self
                .held
                .iter()
                .map(|held| {
                    let push = &held.push;
                    (held.id, (push.message_id(), push.received_at, held.repeats))
                })
                .collect(),
            minutes: minutes.map(shown).collect(),
            hours: self.hours.iter().map(shown).collect(),
            came: came.map(|(at, counts)| (*at, *counts)).collect(),
            latest: self
                .newest
                .iter()
                .map(|newest| newest.map(|(_, latest, _)| latest))
                .collect(),
        }
    }

    fn came_at(&mut self, at: Timestamp) -> &mut ArrivalCounts {
        self.came.entry(bucket(at, HOUR_MS)).or_default()
    }

    /// Changes the rows, and moves the sums by what has ended before and after.
    fn change(&mut self, change: impl FnOnce(&mut Vec<Row>)) {
        let before = Folded::of(&self.told(), self.now).ended();
        change(&mut self.rows);
        let after = Folded::of(&self.told(), self.now).ended();
        let oldest = bucket(self.now.plus_ms(-MINUTES_KEPT_MS), MINUTE_MS);
        for (ended, sign) in [(before, -1), (after, 1)] {
            for (lane, at, duration_ms) in ended {
                add(
                    &mut self.hours,
                    bucket(at, HOUR_MS),
                    &lane,
                    duration_ms,
                    sign,
                );
                let minute = bucket(at, MINUTE_MS);
                if minute >= oldest {
                    add(&mut self.minutes, minute, &lane, duration_ms, sign);
                }
            }
        }
        for sums in [&mut self.minutes, &mut self.hours] {
            sums.retain(|_, (count, ..)| *count > 0);
        }
    }

    fn told(&self) -> Vec<Told<'_>> {
        self.rows.iter().flat_map(told_by).collect()
    }
}

/// The events of a row, with what it adds.
fn told_by(row: &Row) -> Vec<Told<'_>> {
    let (_, region, source_queue) = SOURCES[row.push.fresh.source];
    let told = |what| Told {
        push: &row.push,
        row: row.id,
        region,
        source_queue,
        duplicates: row.duplicates,
        what,
    };
    events(&row.push).into_iter().map(told).collect()
}

impl Row {
    fn seen(&self) -> SeenDelivery {
        let fresh = &self.push.fresh;
        let (source, region, _) = SOURCES[fresh.source];
        SeenDelivery {
            source: source.to_owned(),
            owner: fresh.owner.to_owned(),
            region: region.to_owned(),
            topic: fresh.topic.to_owned(),
            message_id: Some(self.push.message_id()),
            published_at: Some(self.push.published_at()),
            received_at: self.push.received_at,
            duplicates: self.duplicates,
            last_duplicate_at: self.last_duplicate_at,
            differs: self.differs,
            is_understood: !matches!(fresh.said, Said::Odd(_)),
            message: self.is_kept.then(|| self.push.text()),
        }
    }
}

/// The key of a message: owner, region, topic and id.
fn has_same_key(one: &Push, other: &Push) -> bool {
    let key = |push: &Push| {
        let (_, region, _) = SOURCES[push.fresh.source];
        (push.number, push.fresh.owner, push.fresh.topic, region)
    };
    key(one) == key(other)
}

/// What a person would see twice: the same source, key and body.
fn is_same_held(one: &Push, other: &Push) -> bool {
    let body = |push: &Push| (push.fresh.format, push.text());
    has_same_key(one, other) && body(one) == body(other)
}

fn add(sums: &mut Sums, at: Timestamp, lane: &Lane, duration_ms: Option<i64>, sign: i64) {
    let (count, known, sum) = sums.entry((at, lane.clone())).or_default();
    *count += sign;
    if let Some(duration_ms) = duration_ms {
        *known += sign;
        *sum += sign * duration_ms;
    }
}

fn shown(
    ((at, lane), (count, known, sum)): (&(Timestamp, Lane), &(i64, i64, i64)),
) -> ((Timestamp, String), (u64, u64, u64)) {
    let (kind, owner, region, name, kind_type, state) = lane;
    let lane = [*kind, owner, region, name, kind_type, *state].join("|");
    let sums = [count, known, sum].map(|sum| u64::try_from(*sum).unwrap());
    ((*at, lane), (sums[0], sums[1], sums[2]))
}

fn bucket(at: Timestamp, length_ms: i64) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(length_ms))
}
