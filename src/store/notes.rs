//! Refusals, strays and failures in memory, until the writer has time for them.
//!
//! Anybody can make us refuse a push, as fast as the line goes. So noting one is a few moves under
//! a mutex, counts are sums, and details have bounds in number and bytes: of each source and
//! reason the first few and the latest few that wait. Nothing here waits or fails.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::reason::RefusalReason;
use crate::notification::source::SourceId;
use crate::store::arrivals::{HourSums, Hours, NO_SOURCE};
use crate::store::{NewRefusal, NewStray, REFUSED_BODY_BYTES_MAX, unpoisoned};

/// How many of each source and reason are kept from the beginning, and how many from the end.
pub(super) const KEPT_FIRST: usize = 20;
/// See [`KEPT_FIRST`].
pub(super) const KEPT_LATEST: usize = 20;
/// How many strays are kept.
pub(super) const STRAYS_KEPT: usize = 20;

/// How often refusals are written while some wait.
const REFUSALS_EVERY: Duration = Duration::from_millis(200);
/// The same if only strays wait: anybody who finds the port can make them, and they can wait.
const STRAYS_EVERY: Duration = Duration::from_secs(1);

/// The most hours of sources that wait to be counted: years of hours without a disk to write on, or
/// a clock gone mad.
const HOURS_MAX: usize = 100_000;

/// The most details that wait. One source and reason has at most 40 of them.
const WAITING_MAX: usize = 1_024;
/// The most bytes of details that wait.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most bytes of headers that are kept of a refused push; real ones have about 1 KiB. Further
/// headers are left off.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The same of a stray: nobody explains it, it only has to be recognised.
const STRAY_HEAD_BYTES_MAX: usize = 2 * 1024;
/// The most bytes of a stray's target that are kept.
const TARGET_BYTES_MAX: usize = 1_024;
/// The longest explanation that is kept; a longer one is replaced by `null`.
const EXPLANATION_BYTES_MAX: usize = 64 * 1024;

/// What is noted and not yet on disk.
#[derive(Default)]
pub(super) struct Notes {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    counts: BTreeMap<(SourceId, RefusalReason), Tally>,
    hours: Hours,
    refusals: VecDeque<NewRefusal>,
    refusal_bytes: usize,
    strays: u64,
    latest_strays: VecDeque<NewStray>,
}

/// How many, from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
}

/// Notes to write: all counts, and some details.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) counts: BTreeMap<(SourceId, RefusalReason), Tally>,
    pub(super) hours: Hours,
    pub(super) refusals: Vec<NewRefusal>,
    pub(super) strays: u64,
    pub(super) latest_strays: VecDeque<NewStray>,
}

impl Notes {
    /// Counts a refusal, and keeps its details if there is room. Returns whether it is the first
    /// note that waits, so that the writer should be woken.
    pub(super) fn add_refusal(
        &self,
        source: SourceId,
        reason: RefusalReason,
        at: Timestamp,
        details: Option<NewRefusal>,
    ) -> bool {
        let details = details.map(|mut details| {
            details.delivery.source = source;
            details.reason = reason;
            bounded_refusal(details)
        });
        let mut waiting = unpoisoned(&self.waiting);
        let was_empty = waiting.is_empty();
        let tally = Tally {
            count: 1,
            first_at: at,
            last_at: at,
        };
        waiting.add_count((source, reason), tally);
        waiting.add_hour(source, at, HourSums::add_refused);
        if let Some(details) = details {
            waiting.add_details(details);
        }
        was_empty
    }

    /// Counts a stray and keeps it among the latest. Returns as [`Notes::add_refusal`].
    pub(super) fn add_stray(&self, stray: NewStray) -> bool {
        let stray = bounded_stray(stray);
        let mut waiting = unpoisoned(&self.waiting);
        let was_empty = waiting.is_empty();
        waiting.strays = waiting.strays.saturating_add(1);
        waiting.add_hour(NO_SOURCE, stray.received_at, HourSums::add_stray);
        if waiting.latest_strays.len() >= STRAYS_KEPT {
            waiting.latest_strays.pop_front();
        }
        waiting.latest_strays.push_back(stray);
        was_empty
    }

    /// Counts a push that was answered with a fault of ours. Returns as [`Notes::add_refusal`].
    pub(super) fn add_failure(&self, source: SourceId, at: Timestamp) -> bool {
        let mut waiting = unpoisoned(&self.waiting);
        let was_empty = waiting.is_empty();
        waiting.add_hour(source, at, HourSums::add_failed);
        was_empty
    }

    pub(super) fn is_waiting(&self) -> bool {
        !unpoisoned(&self.waiting).is_empty()
    }

    /// How long to wait between writing notes: `None` while there are none.
    pub(super) fn interval(&self) -> Option<Duration> {
        let waiting = unpoisoned(&self.waiting);
        if waiting.is_empty() {
            None
        } else if waiting.counts.is_empty() && waiting.refusals.is_empty() {
            Some(STRAYS_EVERY)
        } else {
            Some(REFUSALS_EVERY)
        }
    }

    /// Takes all counts and strays, and at most `details_max` details, oldest first.
    pub(super) fn take(&self, details_max: usize) -> Taken {
        let mut waiting = unpoisoned(&self.waiting);
        let details = waiting.refusals.len().min(details_max);
        let refusals: Vec<NewRefusal> = waiting.refusals.drain(..details).collect();
        let bytes: usize = refusals.iter().map(refusal_bytes).sum();
        waiting.refusal_bytes = waiting.refusal_bytes.saturating_sub(bytes);
        Taken {
            counts: mem::take(&mut waiting.counts),
            hours: mem::take(&mut waiting.hours),
            refusals,
            strays: mem::take(&mut waiting.strays),
            latest_strays: mem::take(&mut waiting.latest_strays),
        }
    }

    /// Takes back the counts of notes that could not be written.
    pub(super) fn give_back_counts(&self, taken: Taken) {
        let mut waiting = unpoisoned(&self.waiting);
        for (key, tally) in taken.counts {
            waiting.add_count(key, tally);
        }
        waiting.strays = waiting.strays.saturating_add(taken.strays);
        waiting.hours.take_in(taken.hours);
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.counts.is_empty()
            && self.refusals.is_empty()
            && self.strays == 0
            && self.hours.is_empty()
            && self.latest_strays.is_empty()
    }

    fn add_hour(&mut self, source: SourceId, at: Timestamp, add: fn(&mut HourSums)) {
        if self.hours.len() < HOURS_MAX {
            add(self.hours.at(source, at));
        }
    }

    fn add_count(&mut self, key: (SourceId, RefusalReason), tally: Tally) {
        let kept = self
            .counts
            .entry(key)
            .or_insert(Tally { count: 0, ..tally });
        kept.count = kept.count.saturating_add(tally.count);
        kept.first_at = kept.first_at.min(tally.first_at);
        kept.last_at = kept.last_at.max(tally.last_at);
    }

    fn add_details(&mut self, details: NewRefusal) {
        self.make_room(details.delivery.source, details.reason);
        let bytes = self.refusal_bytes.saturating_add(refusal_bytes(&details));
        if self.refusals.len() < WAITING_MAX && bytes <= WAITING_BYTES_MAX {
            self.refusal_bytes = bytes;
            self.refusals.push_back(details);
        }
    }

    /// If as many of a kind wait as will ever be kept of it, drops the first behind those that may
    /// be among its first.
    fn make_room(&mut self, source: SourceId, reason: RefusalReason) {
        let is_same =
            |other: &NewRefusal| other.delivery.source == source && other.reason == reason;
        let mut same = self
            .refusals
            .iter()
            .enumerate()
            .filter(|(_, other)| is_same(other))
            .map(|(at, _)| at);
        let Some(first_latest) = same.nth(KEPT_FIRST) else {
            return;
        };
        if same.count() + 1 >= KEPT_LATEST
            && let Some(dropped) = self.refusals.remove(first_latest)
        {
            self.refusal_bytes = self.refusal_bytes.saturating_sub(refusal_bytes(&dropped));
        }
    }
}

/// What a refusal counts against the bounds, here and on disk.
pub(super) fn refusal_bytes(refusal: &NewRefusal) -> usize {
    let Delivery {
        target,
        headers,
        body,
        ..
    } = &refusal.delivery;
    refusal.explanation.len() + target.len() + headers.bytes() + body.len()
}

fn bounded_refusal(mut refusal: NewRefusal) -> NewRefusal {
    refusal.delivery.body.truncate(REFUSED_BODY_BYTES_MAX);
    refusal.delivery.body.shrink_to_fit();
    refusal.delivery.headers = bounded_headers(&refusal.delivery.headers, HEAD_BYTES_MAX);
    if refusal.explanation.len() > EXPLANATION_BYTES_MAX {
        "null".clone_into(&mut refusal.explanation);
    }
    refusal
}

fn bounded_stray(mut stray: NewStray) -> NewStray {
    stray.headers = bounded_headers(&stray.headers, STRAY_HEAD_BYTES_MAX);
    truncate(&mut stray.target, TARGET_BYTES_MAX);
    stray
}

/// Cuts `text` to at most `bytes_max`, at a character.
fn truncate(text: &mut String, bytes_max: usize) {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn bounded_headers(headers: &Headers, bytes_max: usize) -> Headers {
    let mut bounded = Headers::default();
    let mut bytes = 0_usize;
    for (name, value) in headers.iter() {
        bytes = bytes.saturating_add(name.len() + value.len());
        if bytes > bytes_max {
            break;
        }
        bounded.add(name, value);
    }
    bounded
}

#[cfg(test)]
mod tests {
    use crate::store::fixtures::{self, NOON};

    use super::*;

    fn refusal(reason: RefusalReason, body_bytes: usize) -> NewRefusal {
        let body = "x".repeat(body_bytes);
        NewRefusal {
            delivery: fixtures::delivery(SourceId(1), "topic", "m1", &body),
            body_bytes: 0,
            reason,
            explanation: "{}".to_owned(),
        }
    }

    #[test]
    fn one_kind_in_flood_leaves_room_for_the_others() {
        let notes = Notes::default();
        let flood = RefusalReason::SignatureWrong;
        for _ in 0..5_000 {
            notes.add_refusal(SourceId(1), flood, NOON, Some(refusal(flood, 10)));
        }
        let rare = RefusalReason::DateMalformed;
        notes.add_refusal(SourceId(1), rare, NOON, Some(refusal(rare, 10)));
        let taken = notes.take(usize::MAX);
        assert_eq!(taken.refusals.len(), KEPT_FIRST + KEPT_LATEST + 1);
        assert_eq!(taken.counts[&(SourceId(1), flood)].count, 5_000);
        assert!(!notes.is_waiting());
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_bytes_and_the_bytes_come_back() {
        for (body_bytes, details_max) in [(0, WAITING_MAX), (4_096, WAITING_BYTES_MAX / 4_096)] {
            let notes = Notes::default();
            for source in 0..200 {
                for reason in RefusalReason::ALL {
                    let source = SourceId(source);
                    for _ in 0..3 {
                        let details = Some(refusal(reason, body_bytes));
                        notes.add_refusal(source, reason, NOON, details);
                    }
                }
            }
            let waiting = unpoisoned(&notes.waiting).refusals.len();
            assert!(
                waiting <= details_max && waiting > details_max / 2,
                "{waiting}"
            );
            notes.take(usize::MAX);
            assert_eq!(unpoisoned(&notes.waiting).refusal_bytes, 0);
        }
    }

    #[test]
    fn a_head_an_explanation_and_a_target_have_their_bounds() {
        let mut long = refusal(RefusalReason::HeadersTooLong, 0);
        for at in 0..100 {
            long.delivery
                .headers
                .add(&format!("x-{at}"), vec![b'x'; 1_000]);
        }
        long.explanation = "x".repeat(EXPLANATION_BYTES_MAX + 1);
        let long = bounded_refusal(long);
        assert!(long.delivery.headers.bytes() <= HEAD_BYTES_MAX);
        assert!(long.delivery.headers.bytes() > HEAD_BYTES_MAX - 2_000);
        assert_eq!(long.explanation, "null");

        let stray = bounded_stray(NewStray {
            target: "/".to_owned() + &"é".repeat(TARGET_BYTES_MAX),
            headers: long.delivery.headers.clone(),
            received_at: NOON,
        });
        assert_eq!(stray.target.len(), TARGET_BYTES_MAX - 1);
        assert!(stray.headers.bytes() <= STRAY_HEAD_BYTES_MAX);
        assert!(stray.headers.bytes() > STRAY_HEAD_BYTES_MAX - 1_100);
    }

    #[test]
    fn strays_alone_are_written_less_often_than_refusals() {
        let stray = || NewStray {
            target: "/".to_owned(),
            headers: Headers::default(),
            received_at: NOON,
        };
        let notes = Notes::default();
        assert_eq!(notes.interval(), None);
        notes.add_stray(stray());
        assert_eq!(notes.interval(), Some(STRAYS_EVERY));
        notes.add_refusal(SourceId(1), RefusalReason::SignatureWrong, NOON, None);
        assert_eq!(notes.interval(), Some(REFUSALS_EVERY));
        let taken = notes.take(16);
        assert_eq!(notes.interval(), None);
        notes.give_back_counts(taken);
        assert_eq!(notes.interval(), Some(REFUSALS_EVERY));
    }

    #[test]
    fn counts_that_were_given_back_are_added_to_those_that_came_meanwhile() {
        let notes = Notes::default();
        let reason = RefusalReason::SignatureWrong;
        assert!(notes.add_refusal(SourceId(1), reason, NOON, None));
        assert!(!notes.add_refusal(SourceId(1), reason, NOON, None));
        let taken = notes.take(16);
        assert!(notes.add_refusal(SourceId(1), reason, NOON.plus_ms(9), None));
        notes.give_back_counts(taken);
        let tally = notes.take(16).counts[&(SourceId(1), reason)];
        let expected = Tally {
            count: 3,
            first_at: NOON,
            last_at: NOON.plus_ms(9),
        };
        assert_eq!(tally, expected);
    }
}
