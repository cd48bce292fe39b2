//! How long things are kept, as people write it: `90d`, `1y`, `forever`.

use std::fmt;

use crate::clock::Timestamp;
use crate::store::retention::Horizons;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

const YEAR_MS: i64 = 365 * DAY_MS;

/// The least time that messages are kept: what nobody could read needs a day to be looked at.
pub const MESSAGES_MS_MIN: i64 = DAY_MS;

/// The least time that history is kept. SMQ repeats a message for a day, and its key must be there
/// to tell it from a new one; a week leaves room for a clock that is wrong.
pub const HISTORY_MS_MIN: i64 = 7 * DAY_MS;

/// How long one kind of thing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Forever,
    /// For so many milliseconds.
    For(i64),
}

/// How long each kind is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Heads and bodies of deliveries.
    pub messages: Kept,
    /// Everything else but roll-ups, and with it messages.
    pub history: Kept,
}

impl Default for Retention {
    /// What holds without configuration.
    fn default() -> Retention {
        Retention {
            messages: Kept::For(90 * DAY_MS),
            history: Kept::Forever,
        }
    }
}

impl Kept {
    /// Reads `36h`, `90d`, `2y` or `forever`; a year has 365 days.
    pub fn parse(text: &str) -> Option<Kept> {
        if text == "forever" {
            return Some(Kept::Forever);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_ms = match text.strip_prefix(digits)? {
            "h" => 60 * 60 * 1_000,
            "d" => DAY_MS,
            "y" => YEAR_MS,
            _ => return None,
        };
        let number: u32 = digits.parse().ok()?;
        i64::from(number).checked_mul(unit_ms).map(Kept::For)
    }

    /// The same, if it is no shorter than `ms_min`.
    pub fn parse_from(text: &str, ms_min: i64) -> Option<Kept> {
        Kept::parse(text).filter(|kept| match kept {
            Kept::Forever => true,
            Kept::For(ms) => *ms >= ms_min,
        })
    }

    /// Returns the milliseconds; `None` for ever.
    pub fn ms(self) -> Option<i64> {
        match self {
            Kept::Forever => None,
            Kept::For(ms) => Some(ms),
        }
    }
}

/// In the largest unit that says it whole.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Forever => f.write_str("forever"),
            Kept::For(ms) if ms % YEAR_MS == 0 => write!(f, "{}y", ms / YEAR_MS),
            Kept::For(ms) if ms % DAY_MS == 0 => write!(f, "{}d", ms / DAY_MS),
            Kept::For(ms) => write!(f, "{}h", ms / (60 * 60 * 1_000)),
        }
    }
}

impl Retention {
    /// Returns before when things go at `now`.
    pub fn horizons(self, now: Timestamp) -> Horizons {
        let before = |kept: Kept| Some(now.plus_ms(kept.ms()?.saturating_neg()));
        Horizons {
            messages: before(self.messages),
            history: before(self.history),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_keep_reads_back_as_it_is_shown_and_nothing_else_is_one() {
        for text in ["forever", "36h", "1d", "90d", "2y"] {
            assert_eq!(Kept::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Kept::parse("365d"), Kept::parse("1y"));
        for text in [
            "",
            "90",
            "d",
            "-1d",
            "90 d",
            "90D",
            "1.5y",
            "never",
            "9999999999d",
            "5m",
        ] {
            assert_eq!(Kept::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_short_is_none_and_the_least_time_is_one() {
        assert_eq!(Kept::parse_from("6d", HISTORY_MS_MIN), None);
        assert_eq!(Kept::parse_from("167h", HISTORY_MS_MIN), None);
        let week = Some(Kept::For(HISTORY_MS_MIN));
        assert_eq!(Kept::parse_from("168h", HISTORY_MS_MIN), week);
        assert_eq!(
            Kept::parse_from("forever", HISTORY_MS_MIN),
            Some(Kept::Forever)
        );
    }

    #[test]
    fn horizons_lie_so_far_back_and_what_is_for_ever_has_none() {
        let retention = Retention {
            messages: Kept::For(5),
            history: Kept::Forever,
        };
        let horizons = retention.horizons(Timestamp(105));
        assert_eq!(horizons.messages, Some(Timestamp(100)));
        assert_eq!(horizons.history, None);
    }
}
