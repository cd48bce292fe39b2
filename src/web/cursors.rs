//! Cursors: the places in a list where its next page and its previous one are, opaque to clients.
//!
//! A cursor carries the list it belongs to, its direction and a check sum, so that one of another
//! list, cut or made up by hand is refused. It is no secret and gives no right: whoever can read the
//! list can read all of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::store::records::{Listing, PageKey, Place};

/// The lists that have cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Jobs,
    Deliveries,
    Held,
    Refusals,
    Runs,
    Activities,
    Events,
}

impl List {
    /// Returns the byte that stands for this list in a cursor; never used for another list again.
    fn tag(self) -> u8 {
        match self {
            List::Jobs => 1,
            List::Deliveries => 2,
            List::Held => 3,
            List::Refusals => 4,
            List::Runs => 5,
            List::Activities => 6,
            List::Events => 7,
        }
    }
}

const AFTER: u8 = 0;

const BEFORE: u8 = 1;

/// The cursors of the pages beside one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// Older rows; `None` on the last page.
    pub next: Option<String>,
    /// Newer rows; `None` on the first page.
    pub previous: Option<String>,
}

impl Cursors {
    /// Returns the cursors of a page of `list`.
    pub fn of<T>(list: List, listing: &Listing<T>) -> Cursors {
        Cursors {
            next: listing.next.map(|key| encode(list, AFTER, key)),
            previous: listing.previous.map(|key| encode(list, BEFORE, key)),
        }
    }
}

fn encode(list: List, direction: u8, key: PageKey) -> String {
    let mut bytes = vec![list.tag(), direction];
    bytes.extend_from_slice(&key.at.0.to_be_bytes());
    bytes.extend_from_slice(&key.id.to_be_bytes());
    bytes.extend_from_slice(&check_sum(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor of this list; `None` for anything else.
pub fn decode_cursor(list: List, text: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let ([tag, direction], rest) = bytes.split_first_chunk::<2>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (id, sum) = rest.split_first_chunk::<8>()?;
    let signed = bytes.get(..bytes.len().checked_sub(sum.len())?)?;
    if *tag != list.tag() || sum != check_sum(signed) {
        return None;
    }
    let key = PageKey {
        at: Timestamp(i64::from_be_bytes(*at)),
        id: i64::from_be_bytes(*id),
    };
    match *direction {
        AFTER => Some(Place::After(key)),
        BEFORE => Some(Place::Before(key)),
        _ => None,
    }
}

/// Four bytes: they are against mistakes, not against attacks.
fn check_sum(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(b"mpsink cursor 2\n")
        .chain_update(bytes)
        .finalize();
    let mut sum = [0; 4];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const ALL_LISTS: [List; 7] = [
        List::Jobs,
        List::Deliveries,
        List::Held,
        List::Refusals,
        List::Runs,
        List::Activities,
        List::Events,
    ];

    const KEY: PageKey = PageKey {
        at: Timestamp(1_714_982_531_126),
        id: 42,
    };

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        for list in ALL_LISTS {
            let cursor = encode(list, BEFORE, KEY);
            for other in ALL_LISTS {
                let expected = (other == list).then_some(Place::Before(KEY));
                let found = decode_cursor(other, &cursor);
                assert_eq!(found, expected, "{list:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_is_refused() {
        let cursor = encode(List::Jobs, AFTER, KEY);
        for at in 0..cursor.len() {
            for other in ['A', '7', '_', '=', 'é'] {
                let mut changed: Vec<char> = cursor.chars().collect();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                assert_eq!(decode_cursor(List::Jobs, &changed), None, "{changed}");
            }
        }
        let cut: String = cursor.chars().take(cursor.len() - 4).collect();
        assert_eq!(decode_cursor(List::Jobs, &cut), None);
        assert_eq!(decode_cursor(List::Jobs, &format!("{cursor}AAAA")), None);
        assert_eq!(decode_cursor(List::Jobs, ""), None);
        assert_eq!(decode_cursor(List::Jobs, &encode(List::Jobs, 2, KEY)), None);
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back(at in any::<i64>(), id in any::<i64>()) {
            let key = PageKey { at: Timestamp(at), id };
            let listing = Listing::<()> {
                items: Vec::new(),
                next: Some(key),
                previous: Some(key),
            };
            for list in ALL_LISTS {
                let Cursors { next, previous } = Cursors::of(list, &listing);
                let read = |cursor: Option<String>| decode_cursor(list, &cursor.unwrap());
                prop_assert_eq!(read(next), Some(Place::After(key)));
                prop_assert_eq!(read(previous), Some(Place::Before(key)));
            }
        }
    }
}
