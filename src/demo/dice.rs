//! The demo's chance: a generator of random numbers with a named algorithm and a seed.
//!
//! `ChaCha` with 8 rounds is specified to the bit, so a seed makes the same demo with every version
//! of every crate and on every machine. Only whole numbers are drawn, for the same reason.
//!
//! Deliberately not here: anything secret. Tokens and keys are from the system.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws numbers, words and ids; the same ones for the same seed and stream.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Returns the dice of one of many independent streams of a seed.
    pub(super) fn of(seed: u64, stream: u64) -> Dice {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Dice(random)
    }

    /// Returns a number below `bound`; 0 if that is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        // The upper half: even to one in 2^64 / bound, which no demo is long enough to show.
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Returns a number from `least` to `most`, both included.
    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        let span = u64::try_from(most - least + 1).unwrap_or(1);
        least + i64::try_from(self.below(span)).unwrap_or(0)
    }

    /// Tells yes `times` in `of` times.
    pub(super) fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// Returns one of `list`; the default of an empty one.
    pub(super) fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64);
        let at = usize::try_from(at).unwrap_or(0);
        list.get(at).copied().unwrap_or_default()
    }

    /// Returns 32 lower-case hex digits, as jobs, runs and media have them for an id.
    pub(super) fn id(&mut self) -> String {
        format!("{:032x}", self.bits())
    }

    /// Returns 32 upper-case hex digits, as SMQ gives messages today.
    pub(super) fn message_id(&mut self) -> String {
        format!("{:032X}", self.bits())
    }

    /// Returns a request id as the API of single jobs has it: 8-4-4-4-12 upper-case hex digits.
    pub(super) fn request_id(&mut self) -> String {
        let mut id = self.message_id();
        for at in [8, 13, 18, 23] {
            id.insert(at, '-');
        }
        id.truncate(36);
        // The version of an id that is random.
        id.replace_range(14..15, "4");
        id
    }

    /// Returns a request id as workflows have it: unix seconds and 16 more hex digits.
    pub(super) fn short_request_id(&mut self, unix_seconds: i64) -> String {
        format!("{unix_seconds:08X}{:016X}", self.0.next_u64())
    }

    fn bits(&mut self) -> u128 {
        u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_has_not_changed() {
        // A change here makes other demos of all seeds: measurements can no longer be compared.
        let mut dice = Dice::of(1, 0);
        assert_eq!(dice.id(), "67094cea8ca40db1149406d8fc0e8e6b");
        assert_eq!(dice.request_id(), "98B82B03-3607-4665-3825-A7DC63080D42");
        assert_eq!(Dice::of(1, 1).id(), "da16ea55e3f5ade70d08a889e871fc06");
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_both() {
        let mut dice = Dice::of(7, 0);
        let drawn: Vec<i64> = (0..500).map(|_| dice.between(-2, 3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<&str>(&[]), "");
    }
}
