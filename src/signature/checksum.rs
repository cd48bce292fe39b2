//! `Content-MD5` against the body.
//!
//! The signature covers this header and not the body, so the body is only as good as this
//! comparison. SMQ has been seen to write it in two ways, and a third is documented for its other
//! calls; all are accepted, each compared exactly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// How a `Content-MD5` header writes the 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Md5Encoding {
    /// Base64 of the hex *text*, seen in XML pushes with lower-case digits.
    Base64OfHex,
    /// Hex, seen in SIMPLIFIED pushes of 2023 and 2024 with upper-case digits.
    Hex,
    /// Base64 of the 16 bytes (RFC 1864): never seen in a push.
    Base64OfBytes,
}

impl Md5Encoding {
    /// Returns how to call it in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Md5Encoding::Base64OfHex => "base64 of the hex text",
            Md5Encoding::Hex => "hex",
            Md5Encoding::Base64OfBytes => "base64 of the 16 bytes",
        }
    }
}

/// Returns the header's value for `body` as XML pushes carry it: base64 of the lower-case hex text.
pub fn content_md5(body: &[u8]) -> String {
    STANDARD.encode(format!("{:x}", Md5::digest(body)))
}

/// Returns in which encoding `header` is the MD5 of `bytes`; `None` if in none.
pub(super) fn matching_encoding(header: &[u8], bytes: &[u8]) -> Option<Md5Encoding> {
    let digest = Md5::digest(bytes);
    let hex = format!("{digest:x}");
    if header.eq_ignore_ascii_case(hex.as_bytes()) {
        return Some(Md5Encoding::Hex);
    }
    let decoded = STANDARD.decode(header).ok()?;
    if decoded.eq_ignore_ascii_case(hex.as_bytes()) {
        Some(Md5Encoding::Base64OfHex)
    } else if decoded == digest.as_slice() {
        Some(Md5Encoding::Base64OfBytes)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"Hello World!";

    #[test]
    fn every_encoding_of_the_checksum_is_accepted() {
        let cases = [
            (
                "ZWQwNzYyODc1MzJlODYzNjVlODQxZTkyYmZjNTBkOGM=",
                Md5Encoding::Base64OfHex,
            ),
            (
                "RUQwNzYyODc1MzJFODYzNjVFODQxRTkyQkZDNTBEOEM=",
                Md5Encoding::Base64OfHex,
            ),
            ("ED076287532E86365E841E92BFC50D8C", Md5Encoding::Hex),
            ("ed076287532e86365e841e92bfc50d8c", Md5Encoding::Hex),
            ("7Qdih1MuhjZehB6Sv8UNjA==", Md5Encoding::Base64OfBytes),
        ];
        for (header, expected) in cases {
            assert_eq!(
                matching_encoding(header.as_bytes(), BODY),
                Some(expected),
                "{header}"
            );
            assert_eq!(
                matching_encoding(header.as_bytes(), b"Hello World?"),
                None,
                "{header}"
            );
        }
        assert_eq!(content_md5(BODY), cases[0].0);
    }

    #[test]
    fn nothing_else_is_taken_for_the_checksum() {
        for header in [
            "",
            " ",
            "ED076287532E86365E841E92BFC50D8",
            "ED076287532E86365E841E92BFC50D8C ",
            "7Qdih1MuhjZehB6Sv8UNjA",
            "7qdih1muhjzehb6sv8unja==",
            "7Qdih1MuhjZehB6Sv8UNjB==",
        ] {
            assert_eq!(matching_encoding(header.as_bytes(), BODY), None, "{header}");
        }
    }

    #[test]
    fn no_bit_of_the_header_or_the_body_may_differ() {
        let header = content_md5(BODY).into_bytes();
        for at in 0..header.len() {
            for bit in 0..8 {
                let mut changed = header.clone();
                changed[at] ^= 1 << bit;
                // Only the case of the hex digits inside may differ: the bytes meant are the same.
                let decoded = STANDARD.decode(&changed).unwrap_or_default();
                let same = decoded.eq_ignore_ascii_case(b"ed076287532e86365e841e92bfc50d8c");
                assert_eq!(
                    matching_encoding(&changed, BODY).is_some(),
                    same,
                    "{at}, {bit}"
                );
            }
        }
        for at in 0..BODY.len() {
            for bit in 0..8 {
                let mut changed = BODY.to_vec();
                changed[at] ^= 1 << bit;
                assert_eq!(matching_encoding(&header, &changed), None, "{at}, {bit}");
            }
        }
    }
}
