//! Places on the way to argon2: few in all, and of those few for one sender.
//!
//! A sender who fills his share with wrong passwords leaves places for the others. Who is behind a
//! proxy that is not in `trusted_proxies` shares the proxy's share.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The bits of an IPv6 address that one network has; it may choose the others as it likes.
const IPV6_NETWORK: u128 = !(u64::MAX as u128);

/// Who is counted together; `None` if nobody can tell who asks.
type Sender = Option<IpAddr>;

/// The places, and who has them.
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<Sender, usize>>>,
    all_max: usize,
    of_sender_max: usize,
}

/// One place, given back when it is dropped.
pub(super) struct Place {
    taken: Arc<Mutex<HashMap<Sender, usize>>>,
    sender: Sender,
}

impl Places {
    pub(super) fn new(all_max: usize, of_sender_max: usize) -> Places {
        Places {
            taken: Arc::default(),
            all_max,
            of_sender_max,
        }
    }

    /// Gives a sender a place, if there is one left for him.
    pub(super) fn take(&self, sender: Option<IpAddr>) -> Option<Place> {
        let sender = sender.map(network_of);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&sender).copied().unwrap_or_default();
        if all >= self.all_max || own >= self.of_sender_max {
            return None;
        }
        taken.insert(sender, own + 1);
        Some(Place {
            taken: Arc::clone(&self.taken),
            sender,
        })
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().unwrap().values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.sender) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.sender);
            }
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & IPV6_NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_sender_has_his_share_and_leaves_the_others_theirs() {
        let places = Places::new(3, 2);
        let _first = places.take(Some(from("192.0.2.1"))).unwrap();
        let second = places.take(Some(from("::ffff:192.0.2.1")));
        assert!(second.is_some());
        assert!(places.take(Some(from("192.0.2.1"))).is_none());
        let other = places.take(Some(from("192.0.2.2")));
        assert!(other.is_some());
        assert!(places.take(Some(from("192.0.2.3"))).is_none());
        drop(second);
        assert!(places.take(Some(from("192.0.2.1"))).is_some());
        drop(other);
        assert_eq!(places.taken(), 1);
    }

    #[test]
    fn one_network_of_ipv6_is_one_sender_however_it_calls_itself() {
        let places = Places::new(9, 1);
        let _place = places.take(Some(from("2001:db8::1"))).unwrap();
        assert!(places.take(Some(from("2001:db8::ffff:1"))).is_none());
        assert!(places.take(Some(from("2001:db8:0:1::1"))).is_some());
    }
}
