//! The bytes that SMQ signs, made again from a push, and the signature over them.
//!
//! ```text
//! POST\n
//! <Content-MD5>\n
//! <Content-Type>\n
//! <Date>\n
//! <each x-mns-* header: lower-case name ":" value "\n", sorted by name>
//! <request target, raw, with its query>            (no newline at the end)
//! ```
//!
//! RSASSA-PKCS1-v1_5 with SHA-1 over bytes: header values verbatim, UTF-8 or not; a missing header
//! is an empty line. Every `x-mns-*` header that came is in it, also those that nobody knows yet.
//! (Seen to hold in captures of 2015 to 2024; host, port, scheme and body are not signed.)
//!
//! No header value can hold a line feed, since HTTP has no way to send one, so two different pushes
//! never have the same string.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::notification::delivery::Headers;

/// What every signed header but the usual four begins with.
pub(super) const MNS_PREFIX: &str = "x-mns-";

/// The key cannot make such a signature: it is shorter than 496 bits, or no RSA key at all.
#[derive(Debug, Error)]
#[error("cannot sign with this key")]
pub struct SignError(#[source] rsa::Error);

/// Tells whether the signature covers the header with this lower-case name, or is it.
pub fn is_signed(name: &str) -> bool {
    matches!(
        name,
        "authorization" | "content-md5" | "content-type" | "date"
    ) || name.starts_with(MNS_PREFIX)
}

/// Returns the string to sign of a POST to `target`. Where a header came twice, its first value
/// counts for the first lines; `head.rs` refuses such pushes.
pub fn string_to_sign(target: &str, headers: &Headers) -> Vec<u8> {
    let mut text = b"POST\n".to_vec();
    for value in [
        headers.first("content-md5"),
        headers.first("content-type"),
        signed_date(headers),
    ] {
        text.extend_from_slice(value.unwrap_or_default());
        text.push(b'\n');
    }
    let mut mns: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name.starts_with(MNS_PREFIX))
        .collect();
    mns.sort_by_key(|(name, _)| *name);
    for (name, value) in mns {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text.extend_from_slice(target.as_bytes());
    text
}

/// Returns the date that is signed: `x-mns-date` stands in for `Date` if it came (documented for
/// SMQ's other requests; never seen in a push).
pub(super) fn signed_date(headers: &Headers) -> Option<&[u8]> {
    headers
        .first("x-mns-date")
        .or_else(|| headers.first("date"))
}

/// Returns the value of the `Authorization` header for a POST to `target` with these headers.
pub fn sign(key: &RsaPrivateKey, target: &str, headers: &Headers) -> Result<String, SignError> {
    let hash = Sha1::digest(string_to_sign(target, headers));
    let signature = key
        .sign(Pkcs1v15Sign::new::<Sha1>(), &hash)
        .map_err(SignError)?;
    Ok(STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use rsa::pkcs8::DecodePrivateKey;

    use super::*;
    use crate::notification::capture;
    use crate::signature::certificate::Certificate;

    const REAL_PUSH: &[u8] = include_bytes!("../../tests/data/real-push-2015.http");
    const KNOWN: &[u8] = include_bytes!("smq-known-certificate.pem");

    fn real_push() -> (String, Headers, Vec<u8>) {
        let push = capture::parse(REAL_PUSH).unwrap();
        let signature = STANDARD
            .decode(push.headers.first("authorization").unwrap())
            .unwrap();
        (push.target, push.headers, signature)
    }

    /// The only proof that all this is SMQ's signature and not merely ours. It fails with an `rsa`
    /// that refuses keys of 512 bits, as 0.10 does.
    #[test]
    fn the_real_push_is_signed_by_the_known_certificate() {
        let (target, headers, signature) = real_push();
        let key = Certificate::parse(KNOWN).unwrap().key;
        let text = string_to_sign(&target, &headers);
        assert_eq!(
            String::from_utf8(text.clone()).unwrap(),
            "POST\n\
             NjJhMzY0MGM2Y2YxY2RkOTdhZDdlMjUwMjc4MzBiOTY=\n\
             text/xml;charset=utf-8\n\
             Tue, 22 Sep 2015 03:25:32 GMT\n\
             x-mns-request-id:5600CA2B3728290806000010\n\
             x-mns-version:2015-06-06\n\
             /notifications"
        );
        assert!(key.holds(&text, &signature));
    }

    #[test]
    fn no_bit_of_what_was_signed_or_of_the_signature_may_differ() {
        let (target, headers, signature) = real_push();
        let key = Certificate::parse(KNOWN).unwrap().key;
        let text = string_to_sign(&target, &headers);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                assert!(!key.holds(&changed, &signature), "byte {at}, bit {bit}");
            }
        }
        for at in 0..signature.len() {
            for bit in 0..8 {
                let mut changed = signature.clone();
                changed[at] ^= 1 << bit;
                assert!(!key.holds(&text, &changed), "byte {at}, bit {bit}");
            }
        }
        for longer in [
            [&[0][..], &signature].concat(),
            [&signature, &[0][..]].concat(),
        ] {
            assert!(!key.holds(&text, &longer));
        }
    }

    #[test]
    fn every_byte_of_a_signed_header_and_of_the_target_is_in_the_string() {
        let (target, headers, signature) = real_push();
        let key = Certificate::parse(KNOWN).unwrap().key;
        let values: Vec<_> = headers
            .iter()
            .filter(|(name, _)| is_signed(name) && *name != "authorization")
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        assert_eq!(values.len(), 5);
        for (name, value) in &values {
            for at in 0..value.len() {
                let mut changed = value.clone();
                changed[at] ^= 1;
                let mut other = headers.clone();
                other.set(name, changed);
                let text = string_to_sign(&target, &other);
                assert!(!key.holds(&text, &signature), "{name}, byte {at}");
            }
            let mut other = headers.clone();
            other.remove(name);
            assert!(
                !key.holds(&string_to_sign(&target, &other), &signature),
                "{name}"
            );
        }
        for at in 0..target.len() {
            let mut changed = target.clone().into_bytes();
            changed[at] ^= 1;
            let other = String::from_utf8(changed).unwrap();
            assert!(
                !key.holds(&string_to_sign(&other, &headers), &signature),
                "{other}"
            );
        }
        let mut added = headers.clone();
        added.add("x-mns-anything", "");
        assert!(!key.holds(&string_to_sign(&target, &added), &signature));
    }

    #[test]
    fn a_missing_header_is_an_empty_line_and_bytes_are_kept_as_they_are() {
        let mut headers = Headers::default();
        headers.add("X-MNS-B", "2");
        headers.add("x-mns-a-b", &b"\xff\x00 "[..]);
        headers.add("x-mns-a", "1");
        headers.add("x-mnsother", "not signed");
        headers.add("host", "not signed");
        assert_eq!(
            string_to_sign("/p?q=%61", &headers),
            b"POST\n\n\n\nx-mns-a:1\nx-mns-a-b:\xff\x00 \nx-mns-b:2\n/p?q=%61"
        );
    }

    #[test]
    fn x_mns_date_stands_in_for_the_date_and_is_a_header_of_its_own_too() {
        let mut headers = Headers::default();
        headers.add("date", "Date");
        headers.add("x-mns-date", "Other");
        assert_eq!(
            string_to_sign("/", &headers),
            b"POST\n\n\nOther\nx-mns-date:Other\n/"
        );
    }

    #[test]
    fn keys_of_every_usual_length_sign_and_verify() {
        let (target, headers, _) = real_push();
        for (bits, key, certificate) in [
            (
                512,
                include_str!("../../tests/data/keys/key-512.pem"),
                include_str!("../../tests/data/keys/certificate-512.pem"),
            ),
            (
                1024,
                include_str!("../../tests/data/keys/key-1024.pem"),
                include_str!("../../tests/data/keys/certificate-1024.pem"),
            ),
            (
                2048,
                include_str!("../../tests/data/keys/key-2048.pem"),
                include_str!("../../tests/data/keys/certificate-2048.pem"),
            ),
            (
                4096,
                include_str!("../../tests/data/keys/key-4096.pem"),
                include_str!("../../tests/data/keys/certificate-4096.pem"),
            ),
        ] {
            let key = RsaPrivateKey::from_pkcs8_pem(key).unwrap();
            let certificate = Certificate::parse(certificate.as_bytes()).unwrap();
            assert_eq!(certificate.key_bits, bits);
            let signature = sign(&key, &target, &headers).unwrap();
            let signature = STANDARD.decode(signature).unwrap();
            assert_eq!(signature.len(), bits / 8);
            let text = string_to_sign(&target, &headers);
            assert!(certificate.key.holds(&text, &signature), "{bits} bits");
            assert!(!certificate.key.holds(b"other", &signature), "{bits} bits");
        }
    }
}
