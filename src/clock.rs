//! The one place that asks what time it is.
//!
//! `app` makes a [`Clock`] and passes it to everything that needs the time, so that a test can set
//! it and nothing has to wait for it. Every time in the program is a [`Timestamp`]: milliseconds
//! since 1970, UTC, which is also what the store keeps. Time zones are for the pages alone. A
//! [`Throttle`] bounds how often something is done, by the same clock.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Any value of the inner number is allowed; one that no calendar date stands for (beyond the year
/// 262,000) is shown as the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339, such as `2024-05-06T08:00:01Z` or `2024-05-06T16:00:01.5+08:00`.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let date = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp(date.timestamp_millis()))
    }

    /// Reads an HTTP date (RFC 1123, as SMQ sends it), such as `Tue, 22 Sep 2015 03:25:32 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        Some(Timestamp(date.timestamp_millis()))
    }

    /// Returns the form of an HTTP `Date` header.
    pub fn to_http_date(self) -> String {
        match self.to_date() {
            Some(date) => date.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            None => self.0.to_string(),
        }
    }

    /// Returns the milliseconds from `earlier` to `self`, negative if `self` is the earlier one.
    pub fn since_ms(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    fn to_date(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }
}

/// RFC 3339 in UTC with milliseconds: `2024-05-06T08:00:01.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_date() {
            Some(date) => f.write_str(&date.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text)
            .or_else(|| text.parse().ok().map(Timestamp))
            .ok_or_else(|| de::Error::custom("expected a time as RFC 3339"))
    }
}

/// A stretch of time: `from` is in it, `to` is not. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
}

impl Window {
    /// `None` if `to` is not after `from`.
    pub fn new(from: Timestamp, to: Timestamp) -> Option<Window> {
        (from < to).then_some(Window { from, to })
    }

    pub fn from(self) -> Timestamp {
        self.from
    }

    pub fn to(self) -> Timestamp {
        self.to
    }

    /// Returns its length, at least 1 ms.
    pub fn length_ms(self) -> i64 {
        self.to.since_ms(self.from)
    }

    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// Says what time it is: the system's time, or one that a test or the demo has set.
///
/// Clones of a set clock show the same time: setting one sets all.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    set_to: Option<Arc<AtomicI64>>,
}

/// What a set clock holds from [`Clock::follow_system`] on; no moment that anybody sets.
const FOLLOWS_SYSTEM: i64 = i64::MIN;

impl Clock {
    /// Returns the clock of the machine.
    pub fn system() -> Clock {
        Clock { set_to: None }
    }

    /// Returns a clock that stands at `start` until [`Clock::set`].
    pub fn standing_at(start: Timestamp) -> Clock {
        Clock {
            set_to: Some(Arc::new(AtomicI64::new(start.0))),
        }
    }

    /// Sets a standing clock; the system's clock is not touched by it.
    pub fn set(&self, to: Timestamp) {
        if let Some(time) = &self.set_to {
            time.store(to.0, Ordering::SeqCst);
        }
    }

    /// Lets a standing clock show the system's time from now on, or until it is set again.
    pub fn follow_system(&self) {
        self.set(Timestamp(FOLLOWS_SYSTEM));
    }

    pub fn now(&self) -> Timestamp {
        let set_to = self.set_to.as_ref().map(|time| time.load(Ordering::SeqCst));
        match set_to {
            None | Some(FOLLOWS_SYSTEM) => system_time(),
            Some(time) => Timestamp(time),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the machine for the time"
)]
fn system_time() -> Timestamp {
    Timestamp(Utc::now().timestamp_millis())
}

/// Bounds how often something is done: a burst at once, then a steady rate (a token bucket).
///
/// A clock that jumps back stops the refill until it has caught up, and never takes tokens away.
#[derive(Debug)]
pub struct Throttle {
    burst: u32,
    /// Milliseconds until one more is let through.
    interval_ms: i64,
    clock: Clock,
    state: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// Up to when refilling has been reckoned.
    refilled_at: Timestamp,
}

impl Throttle {
    /// Returns a throttle that lets `burst` through at once and then one in each `interval_ms`.
    pub fn new(burst: u32, interval_ms: i64, clock: Clock) -> Throttle {
        let state = Mutex::new(Bucket {
            tokens: burst,
            refilled_at: clock.now(),
        });
        Throttle {
            burst,
            interval_ms: interval_ms.max(1),
            clock,
            state,
        }
    }

    /// Tells whether one more may be done now, and counts it if so.
    pub fn admits(&self) -> bool {
        let now = self.clock.now();
        let mut bucket = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.since_ms(bucket.refilled_at).max(0) / self.interval_ms;
        bucket.refilled_at = bucket.refilled_at.plus_ms(due * self.interval_ms);
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        bucket.tokens = bucket.tokens.saturating_add(due).min(self.burst);
        let admits = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_back_as_it_was_shown() {
        for ms in [0, 1, 1_714_982_531_126, -1, 253_402_300_799_999, i64::MAX] {
            let json = serde_json::to_string(&Timestamp(ms)).unwrap();
            let back: Timestamp = serde_json::from_str(&json).unwrap();
            assert_eq!(back, Timestamp(ms), "{json}");
        }
    }

    #[test]
    fn the_date_of_the_captured_push_is_read_and_written() {
        let date = "Tue, 22 Sep 2015 03:25:32 GMT";
        let time = Timestamp::parse_http_date(date).unwrap();
        assert_eq!(time.to_string(), "2015-09-22T03:25:32.000Z");
        assert_eq!(time.to_http_date(), date);
    }

    #[test]
    fn a_standing_clock_moves_only_when_set() {
        let clock = Clock::standing_at(Timestamp(5));
        let copy = clock.clone();
        assert_eq!(copy.now(), Timestamp(5));
        clock.set(Timestamp(9));
        assert_eq!(copy.now(), Timestamp(9));
    }

    #[test]
    fn a_standing_clock_can_follow_the_system_and_be_set_again() {
        let clock = Clock::standing_at(Timestamp(5));
        let copy = clock.clone();
        let before = Clock::system().now();
        clock.follow_system();
        assert!(copy.now() >= before);
        copy.set(Timestamp(9));
        assert_eq!(clock.now(), Timestamp(9));
    }

    #[test]
    fn a_throttle_lets_its_burst_through_and_then_one_in_each_interval() {
        let clock = Clock::standing_at(Timestamp(0));
        let throttle = Throttle::new(3, 100, clock.clone());
        let admitted = |throttle: &Throttle| (0..10).filter(|_| throttle.admits()).count();
        assert_eq!(admitted(&throttle), 3);
        clock.set(Timestamp(99));
        assert_eq!(admitted(&throttle), 0);
        clock.set(Timestamp(250));
        assert_eq!(admitted(&throttle), 2);
        clock.set(Timestamp(0));
        assert_eq!(admitted(&throttle), 0);
        clock.set(Timestamp(1_000_000));
        assert_eq!(admitted(&throttle), 3);
    }
}
