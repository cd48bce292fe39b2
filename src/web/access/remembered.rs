//! Logins that were right a short while ago, so that not every request waits for argon2.
//!
//! Whoever goes on using one stays in without waiting, up to [`IN_ALL_MS`]: the way to argon2 may be
//! full of others' wrong passwords just when a login would have to be looked at again.
//!
//! What is kept of one is a digest under a key that is new at each start and never leaves the
//! process: whoever reads this memory from a dump still has to guess the password against the key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// How long a login is taken for right after it was used last.
pub const REMEMBERED_MS: i64 = 10 * 60 * 1000;

/// How long in all, however often it is used: a working day.
pub const IN_ALL_MS: i64 = 12 * 60 * 60 * 1000;

/// How many are kept. Only right ones come in, so there are no more than users; this is for the
/// configuration that has thousands.
pub const REMEMBERED_MAX: usize = 256;

pub(super) struct Remembered {
    key: [u8; 32],
    logins: Mutex<HashMap<[u8; 32], Times>>,
}

#[derive(Clone, Copy)]
struct Times {
    /// When it was found right.
    checked: Timestamp,
    used: Timestamp,
}

impl Remembered {
    pub(super) fn new(key: [u8; 32]) -> Remembered {
        Remembered {
            key,
            logins: Mutex::default(),
        }
    }

    /// Tells whether a login was right, and used within [`REMEMBERED_MS`] before `now`, which is a use
    /// of it. A clock that was set back makes it as if it were not.
    pub(super) fn knows(&self, name: &str, password: &[u8], now: Timestamp) -> bool {
        let digest = self.digest(name, password);
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let known = logins.get_mut(&digest);
        let known = known.filter(|times| times.are_fresh(now));
        known.map(|times| times.used = now).is_some()
    }

    /// Keeps a login that was right `now`, in place of the least used if there are too many.
    pub(super) fn keep(&self, name: &str, password: &[u8], now: Timestamp) {
        let digest = self.digest(name, password);
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, times| times.are_fresh(now));
        if logins.len() >= REMEMBERED_MAX {
            let oldest = logins.iter().min_by_key(|(_, times)| times.used);
            if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                logins.remove(&oldest);
            }
        }
        let times = Times {
            checked: now,
            used: now,
        };
        logins.insert(digest, times);
    }

    /// The key has a fixed length and a name has no colon, so no two logins are the same bytes.
    fn digest(&self, name: &str, password: &[u8]) -> [u8; 32] {
        let digest = Sha256::new_with_prefix(self.key);
        let digest = digest.chain_update(name).chain_update(":");
        digest.chain_update(password).finalize().into()
    }
}

impl Times {
    fn are_fresh(self, now: Timestamp) -> bool {
        (0..REMEMBERED_MS).contains(&now.since_ms(self.used))
            && (0..IN_ALL_MS).contains(&now.since_ms(self.checked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_known_for_ten_minutes_after_its_use_and_no_other_with_it() {
        let remembered = Remembered::new([7; 32]);
        let at = Timestamp(1_000_000);
        remembered.keep("anna", b"secret", at);
        assert!(!remembered.knows("anna", b"secret", at.plus_ms(-1)));
        assert!(!remembered.knows("anna", b"secret", at.plus_ms(REMEMBERED_MS)));
        assert!(remembered.knows("anna", b"secret", at));
        let used = at.plus_ms(REMEMBERED_MS - 1);
        assert!(remembered.knows("anna", b"secret", used));
        assert!(remembered.knows("anna", b"secret", used.plus_ms(REMEMBERED_MS - 1)));
        for (name, password) in [
            ("anna", "secre"),
            ("ann", "asecret"),
            ("anna", ""),
            ("", ""),
        ] {
            assert!(!remembered.knows(name, password.as_bytes(), at), "{name}");
        }
    }

    #[test]
    fn a_login_that_is_used_all_the_time_is_looked_at_again_after_half_a_day() {
        let remembered = Remembered::new([7; 32]);
        let at = Timestamp(1_000_000);
        remembered.keep("anna", b"secret", at);
        let minute_ms = 60 * 1_000;
        for minute in 0..IN_ALL_MS / minute_ms {
            let now = at.plus_ms(minute * minute_ms);
            assert!(remembered.knows("anna", b"secret", now), "{minute}");
        }
        assert!(!remembered.knows("anna", b"secret", at.plus_ms(IN_ALL_MS)));
    }

    #[test]
    fn no_more_than_the_bound_are_kept_and_the_oldest_makes_room() {
        let remembered = Remembered::new([7; 32]);
        let at = |number: usize| Timestamp(i64::try_from(number).unwrap());
        for number in 0..=REMEMBERED_MAX {
            remembered.keep(&number.to_string(), b"secret", at(number));
        }
        assert_eq!(remembered.logins.lock().unwrap().len(), REMEMBERED_MAX);
        let now = at(REMEMBERED_MAX);
        assert!(!remembered.knows("0", b"secret", now));
        assert!(remembered.knows("1", b"secret", now));
        assert!(remembered.knows(&REMEMBERED_MAX.to_string(), b"secret", now));
    }
}
