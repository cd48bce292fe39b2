//! The head of a push, checked before its body is read: is there enough of it, once, to check a
//! signature with, and is the certificate it names an allowed one?
//!
//! The cheap checks come first, and nothing is fetched here. What passes is a [`CheckedHead`],
//! which proves that nothing signed came twice, so that no two readers can disagree about which
//! value was signed.
//!
//! Missing `Content-MD5` and `Content-Type` are let through: they are empty lines in the string to
//! sign, and a push without a checksum is held later, not refused.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::clock::Timestamp;
use crate::notification::delivery::Headers;
use crate::notification::reason::RefusalReason;
use crate::signature::string_to_sign::{is_signed, signed_date};
use crate::signature::urls::{self, CertificateUrl, UrlError, UrlPattern};
use crate::signature::{TEST_CERTIFICATE_URL, certificate};

/// The most bytes in the names and values of the signed headers together. Real ones have 500 to
/// 900.
pub const SIGNED_HEADERS_BYTES_MAX: usize = 8 * 1024;

/// The fewest bytes in a signature: that of the shortest key.
pub const SIGNATURE_BYTES_MIN: usize = certificate::KEY_BITS_MIN / 8;

/// The most bytes in a signature: that of the longest key.
pub const SIGNATURE_BYTES_MAX: usize = certificate::KEY_BITS_MAX / 8;

/// The header that names the certificate: base64 of its URL, seen since 2016.
pub(super) const CERTIFICATE_URL_HEADER: &str = "x-mns-signing-cert-url";

/// With or without padding the same URL is meant; what is signed is the header as it came.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Proof that a push's head can be checked: each signed header came at most once, the signature
/// and the date can be read, and the certificate's URL is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedHead {
    signature: Vec<u8>,
    date: Timestamp,
    certificate: NamedCertificate,
}

/// Which certificate a push names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedCertificate {
    /// The key that `push` signs with: trusted only by `serve --try`, and never fetched.
    TestKey,
    /// The one at an allowed URL.
    At(CertificateUrl),
}

impl CheckedHead {
    /// Returns the signature: 64 to 512 bytes.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Returns the time of this push, which is the sender's once the signature holds.
    pub fn date(&self) -> Timestamp {
        self.date
    }

    pub fn certificate(&self) -> &NamedCertificate {
        &self.certificate
    }

    /// Tells whether this is a push of `mpsink push` to `serve --try`, which pins no owner.
    pub fn is_test(&self) -> bool {
        self.certificate == NamedCertificate::TestKey
    }
}

/// Checks the head of a push. `test_key` tells whether pushes signed with the test key are trusted.
pub(super) fn check(
    headers: &Headers,
    patterns: &[UrlPattern],
    test_key: bool,
) -> Result<CheckedHead, RefusalReason> {
    if signed_bytes(headers) > SIGNED_HEADERS_BYTES_MAX {
        return Err(RefusalReason::HeadersTooLong);
    }
    if repeated_header(headers).is_some() {
        return Err(RefusalReason::HeaderRepeated);
    }
    let authorization = headers.first("authorization");
    let date = signed_date(headers);
    let url = headers.first(CERTIFICATE_URL_HEADER);
    let (Some(authorization), Some(date), Some(url)) = (authorization, date, url) else {
        return Err(RefusalReason::HeaderMissing);
    };
    Ok(CheckedHead {
        signature: decode_signature(authorization).ok_or(RefusalReason::AuthorizationMalformed)?,
        date: parse_date(date).ok_or(RefusalReason::DateMalformed)?,
        certificate: named_certificate(url, patterns, test_key)?,
    })
}

/// Returns the bytes of the names and values of the signed headers.
pub(super) fn signed_bytes(headers: &Headers) -> usize {
    signed(headers)
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

/// Returns the name of a signed header that came more than once.
pub(super) fn repeated_header(headers: &Headers) -> Option<&str> {
    let mut names: Vec<_> = signed(headers).map(|(name, _)| name).collect();
    names.sort_unstable();
    let mut neighbours = names.iter().zip(names.iter().skip(1));
    neighbours
        .find(|(name, next)| name == next)
        .map(|(name, _)| *name)
}

fn signed(headers: &Headers) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().filter(|(name, _)| is_signed(name))
}

/// Reads the `Authorization` header: the bare base64 of a signature, without a scheme word (seen).
pub(super) fn decode_signature(value: &[u8]) -> Option<Vec<u8>> {
    let signature = STANDARD.decode(value).ok()?;
    (SIGNATURE_BYTES_MIN..=SIGNATURE_BYTES_MAX)
        .contains(&signature.len())
        .then_some(signature)
}

pub(super) fn parse_date(value: &[u8]) -> Option<Timestamp> {
    Timestamp::parse_http_date(std::str::from_utf8(value).ok()?)
}

/// Returns the URL that the certificate header is the base64 of.
pub(super) fn decode_url(value: &[u8]) -> Option<String> {
    String::from_utf8(LENIENT_BASE64.decode(value).ok()?).ok()
}

/// Tells whether the headers name the test key, as those of `mpsink push` do.
pub fn names_test_key(headers: &Headers) -> bool {
    let value = headers.first(CERTIFICATE_URL_HEADER);
    value.and_then(decode_url).as_deref() == Some(TEST_CERTIFICATE_URL)
}

/// Returns the certificate that the headers name, if that is an allowed one.
pub(super) fn named_in(
    headers: &Headers,
    patterns: &[UrlPattern],
    test_key: bool,
) -> Option<NamedCertificate> {
    let value = headers.first(CERTIFICATE_URL_HEADER)?;
    named_certificate(value, patterns, test_key).ok()
}

fn named_certificate(
    value: &[u8],
    patterns: &[UrlPattern],
    test_key: bool,
) -> Result<NamedCertificate, RefusalReason> {
    let text = decode_url(value).ok_or(RefusalReason::CertificateUrlMalformed)?;
    if test_key && text == TEST_CERTIFICATE_URL {
        return Ok(NamedCertificate::TestKey);
    }
    match urls::allow(&text, patterns) {
        Ok(url) => Ok(NamedCertificate::At(url)),
        Err(UrlError::NotAUrl) => Err(RefusalReason::CertificateUrlMalformed),
        Err(UrlError::Odd(_) | UrlError::NoPattern) => Err(RefusalReason::CertificateUrlNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem";

    fn patterns() -> Vec<UrlPattern> {
        vec![UrlPattern::parse("https://mnstest.oss-cn-hangzhou.aliyuncs.com/").unwrap()]
    }

    fn good_headers() -> Headers {
        let mut headers = Headers::default();
        headers.add("Authorization", STANDARD.encode([7; 64]));
        headers.add("Date", "Tue, 22 Sep 2015 03:25:32 GMT");
        headers.add("x-mns-signing-cert-url", STANDARD.encode(URL));
        headers
    }

    fn reason(headers: &Headers) -> Option<RefusalReason> {
        check(headers, &patterns(), false).err()
    }

    #[test]
    fn a_head_with_the_three_needed_headers_passes() {
        let head = check(&good_headers(), &patterns(), false).unwrap();
        assert_eq!(head.signature(), [7; 64]);
        assert_eq!(head.date().to_string(), "2015-09-22T03:25:32.000Z");
        let url = CertificateUrl::known(URL).unwrap();
        assert_eq!(head.certificate(), &NamedCertificate::At(url));
        assert!(!head.is_test());
    }

    #[test]
    fn each_needed_header_is_missed() {
        for name in ["authorization", "date", "x-mns-signing-cert-url"] {
            let mut headers = good_headers();
            headers.remove(name);
            assert_eq!(
                reason(&headers),
                Some(RefusalReason::HeaderMissing),
                "{name}"
            );
        }
        let mut headers = good_headers();
        headers.remove("date");
        headers.add("x-mns-date", "Tue, 22 Sep 2015 03:25:33 GMT");
        let head = check(&headers, &patterns(), false).unwrap();
        assert_eq!(head.date().to_string(), "2015-09-22T03:25:33.000Z");
    }

    #[test]
    fn a_signed_header_that_came_twice_is_refused_even_with_the_same_value() {
        for name in [
            "Authorization",
            "Content-MD5",
            "content-type",
            "Date",
            "x-mns-signing-cert-url",
            "X-Mns-Anything",
        ] {
            let mut headers = good_headers();
            let lower = name.to_ascii_lowercase();
            let value = headers.first(&lower).unwrap_or(b"x").to_vec();
            headers.set(&lower, value.clone());
            assert_eq!(reason(&headers), None, "{name}");
            headers.add(name, value);
            assert_eq!(
                reason(&headers),
                Some(RefusalReason::HeaderRepeated),
                "{name}"
            );
        }
        let mut headers = good_headers();
        headers.add("via", "one");
        headers.add("via", "two");
        assert_eq!(reason(&headers), None);
    }

    #[test]
    fn signed_headers_may_be_as_long_as_the_bound_and_not_longer() {
        let mut headers = good_headers();
        headers.add("cookie", vec![b'a'; SIGNED_HEADERS_BYTES_MAX]);
        let room = SIGNED_HEADERS_BYTES_MAX - signed_bytes(&headers) - "x-mns-a".len();
        headers.set("x-mns-a", vec![b'a'; room]);
        assert_eq!(reason(&headers), None);
        headers.set("x-mns-a", vec![b'a'; room + 1]);
        assert_eq!(reason(&headers), Some(RefusalReason::HeadersTooLong));
    }

    #[test]
    fn authorization_is_base64_of_64_to_512_bytes() {
        let signature_of = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        let cases = [
            (signature_of(64), true),
            (signature_of(512), true),
            (signature_of(63), false),
            (signature_of(513), false),
            (String::new(), false),
            ("MNS key:signature".to_owned(), false),
            (format!(" {}", signature_of(64)), false),
            (signature_of(64).replace('=', ""), false),
        ];
        for (value, passes) in cases {
            let mut headers = good_headers();
            headers.set("authorization", value.clone());
            let expected = (!passes).then_some(RefusalReason::AuthorizationMalformed);
            assert_eq!(reason(&headers), expected, "{value}");
        }
    }

    #[test]
    fn a_date_that_is_none_is_refused() {
        for value in [
            &b""[..],
            b"now",
            b"\xff",
            b"2015-09-22",
            b"Tue, 32 Sep 2015 03:25:32 GMT",
        ] {
            let mut headers = good_headers();
            headers.set("date", value);
            assert_eq!(
                reason(&headers),
                Some(RefusalReason::DateMalformed),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_certificate_url_is_malformed_or_not_allowed_or_passes() {
        let malformed = Some(RefusalReason::CertificateUrlMalformed);
        let not_allowed = Some(RefusalReason::CertificateUrlNotAllowed);
        let cases = [
            (STANDARD.encode(URL).into_bytes(), None),
            (STANDARD.encode(URL).replace('=', "").into_bytes(), None),
            (
                STANDARD.encode(URL.replace("https", "http")).into_bytes(),
                None,
            ),
            (URL.as_bytes().to_vec(), malformed),
            (b"\xff\xfe".to_vec(), malformed),
            (STANDARD.encode(b"\xff\xfe").into_bytes(), malformed),
            (STANDARD.encode("hello").into_bytes(), malformed),
            (
                STANDARD.encode("https://evil.example/a.pem").into_bytes(),
                not_allowed,
            ),
            (
                STANDARD.encode(format!("{URL}?a")).into_bytes(),
                not_allowed,
            ),
            (
                STANDARD.encode(TEST_CERTIFICATE_URL).into_bytes(),
                not_allowed,
            ),
        ];
        for (value, expected) in cases {
            let mut headers = good_headers();
            headers.set("x-mns-signing-cert-url", value.clone());
            assert_eq!(reason(&headers), expected, "{value:?}");
        }
    }

    #[test]
    fn the_test_url_passes_only_where_the_test_key_is_trusted() {
        let mut headers = good_headers();
        headers.set(
            "x-mns-signing-cert-url",
            STANDARD.encode(TEST_CERTIFICATE_URL),
        );
        assert!(check(&headers, &patterns(), true).unwrap().is_test());
        // In no other spelling, and not by a pattern: it is a name and no place.
        headers.set(
            "x-mns-signing-cert-url",
            STANDARD.encode("http://mpsink.invalid/test.pem"),
        );
        assert_eq!(
            check(&headers, &patterns(), true),
            Err(RefusalReason::CertificateUrlNotAllowed)
        );
    }
}
