//! Who really asks, behind the proxies that the operator trusts.
//!
//! What a proxy says of its client is believed only if the connection comes from an address in
//! `trusted_proxies`: anybody else could write the same headers. Of `X-Forwarded-For` the rightmost
//! hop that is no trusted proxy counts, since everything left of it was written by strangers.
//! `Forwarded` (RFC 7239) is not read: nginx, Caddy and Traefik write the older headers.
//!
//! There is no name of a scheme or a host to build addresses from here: pages name everything from
//! the root (`base_path.rs`), and what is registered is configured.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actix_web::http::header::{self, HeaderMap};

/// The most hops of `X-Forwarded-For` that are looked at: more than any chain of proxies has.
const HOPS_MAX: usize = 32;

/// A range of addresses, such as `10.0.0.0/8`; one alone is a range of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The proxies whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<Network>);

/// The sender of a request, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `None` only where there is no connection, as in tests of handlers.
    pub address: Option<IpAddr>,
    /// It speaks https with the outermost proxy.
    pub is_https: bool,
    /// The host that it asked for.
    pub host: Option<String>,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// It is no address and no range of addresses.
    NoNetwork,
    /// It is an IPv4 address written as IPv6. Senders are compared in their own form, so it would
    /// match nobody.
    Mapped,
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads an address, or an address, `/` and how many of its bits count.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NoNetwork)?;
        if address != address.to_canonical() {
            return Err(NetworkError::Mapped);
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits,
            // `+8` and ` 8` are numbers for `parse` and wrong here.
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| NetworkError::NoNetwork)?
            }
            Some(_) => return Err(NetworkError::NoNetwork),
        };
        if prefix_bits > bits {
            return Err(NetworkError::NoNetwork);
        }
        Ok(Network {
            address,
            prefix_bits,
        })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl TrustedProxies {
    /// Finds out who sent a request that came over a connection from `peer`.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Client {
        // A socket for both families names an IPv4 address as `::ffff:…`.
        let peer = peer.map(|peer| peer.ip().to_canonical());
        let host = only(headers, header::HOST.as_str());
        let Some(peer) = peer.filter(|peer| self.contains(*peer)) else {
            return Client {
                address: peer,
                is_https: false,
                host,
            };
        };
        let proto = only(headers, "x-forwarded-proto");
        Client {
            address: Some(self.sender(peer, headers)),
            is_https: proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
            host: only(headers, "x-forwarded-host").or(host),
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Walks from the proxy that speaks with us towards the sender, as far as trusted proxies vouch
    /// for it. What is no address ends the walk at the last one that is.
    fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for");
        let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("")).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut sender = peer;
        for hop in hops.take(HOPS_MAX) {
            let Some(address) = address_of(hop.trim()) else {
                break;
            };
            sender = address;
            if !self.contains(address) {
                break;
            }
        }
        sender
    }
}

/// Reads a hop, which some proxies write with its port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| {
        let with_port: Option<SocketAddr> = hop.parse().ok();
        with_port.map(|address| address.ip())
    });
    address.map(|address: IpAddr| address.to_canonical())
}

/// Returns a header that is there once and says one thing.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    let is_alone = values.next().is_none() && !value.is_empty() && !value.contains(',');
    is_alone.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn trusting(networks: &[&str]) -> TrustedProxies {
        TrustedProxies(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn sender(peer: &str, pairs: &[(&str, &str)]) -> String {
        let proxies = trusting(&["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
        let peer = Some(SocketAddr::new(peer.parse().unwrap(), 4711));
        let client = proxies.client(peer, &headers(pairs));
        client.address.unwrap().to_string()
    }

    #[test]
    fn a_range_holds_the_addresses_that_begin_like_it() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ];
        for (network, address, expected) in cases {
            let network: Network = network.parse().unwrap();
            let contains = network.contains(address.parse().unwrap());
            assert_eq!(contains, expected, "{network:?} {address}");
        }
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "10.0.0/8",
        ] {
            let error = Err(NetworkError::NoNetwork);
            assert_eq!(text.parse::<Network>(), error, "{text}");
        }
        for text in [
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.0/8",
        ] {
            let error = Err(NetworkError::Mapped);
            assert_eq!(text.parse::<Network>(), error, "{text}");
        }
    }

    #[test]
    fn the_sender_is_the_rightmost_hop_that_is_no_trusted_proxy() {
        let name = "x-forwarded-for";
        let cases: [(&[(&str, &str)], &str); 9] = [
            (&[], "127.0.0.1"),
            (&[(name, "192.0.2.1")], "192.0.2.1"),
            (&[(name, "192.0.2.1, 10.1.1.1")], "192.0.2.1"),
            // What a stranger wrote himself stands left of what our proxy added.
            (&[(name, "127.0.0.1, 192.0.2.1")], "192.0.2.1"),
            (&[(name, "203.0.113.9"), (name, "192.0.2.1")], "192.0.2.1"),
            (&[(name, "192.0.2.1:5678")], "192.0.2.1"),
            (&[(name, "[2001:db8::1]:5678")], "2001:db8::1"),
            (&[(name, "192.0.2.1, nonsense")], "127.0.0.1"),
            (&[(name, "10.2.2.2, 10.1.1.1")], "10.2.2.2"),
        ];
        for (pairs, expected) in cases {
            assert_eq!(sender("127.0.0.1", pairs), expected, "{pairs:?}");
        }
        let endless = "10.0.0.1,".repeat(10_000);
        assert_eq!(sender("127.0.0.1", &[(name, &endless)]), "127.0.0.1");
    }

    #[test]
    fn what_a_stranger_says_of_itself_does_not_count() {
        let said = [
            ("host", "mps.example.com"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        assert_eq!(sender("192.0.2.1", &said), "192.0.2.1");
        let proxies = trusting(&["127.0.0.1"]);
        let peer = Some("192.0.2.1:1".parse().unwrap());
        let client = proxies.client(peer, &headers(&said));
        assert!(!client.is_https);
        assert_eq!(client.host.as_deref(), Some("mps.example.com"));

        let peer = Some("[::ffff:127.0.0.1]:1".parse().unwrap());
        let client = proxies.client(peer, &headers(&said));
        assert!(client.is_https);
        assert_eq!(client.host.as_deref(), Some("evil.example"));
    }
}
