//! Which certificate URLs are allowed, and how such a URL may be spelt.
//!
//! Anyone can own a bucket beside SMQ's, so a host is compared whole and never by its end, and a
//! URL with anything that two readers could read differently (user info, a stray port, a query,
//! percent-encoded dots, a backslash) is refused and not repaired. What passes is rebuilt from its
//! parts: the text that was checked is the text that is fetched.
//!
//! Deliberately without a URL library: those accept and normalise what must be refused here.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The most bytes in a certificate URL. The known ones have 77.
pub const URL_BYTES_MAX: usize = 1024;

/// What to say of a push that names a host like `mns-cert.oss-cn-hangzhou.aliyuncs.com`.
pub const MNS_CERT_HINT: &str = "one vendor page of 2026 names hosts like this one, and another \
    of the same year says to refuse them; if your pushes really come with it and you trust it, \
    add it to `certificate_urls` under `[verify]`";

/// Which certificate URLs the operator allows: a scheme, a whole host, perhaps a port, and a path
/// that theirs must begin with, segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPattern(Parts);

/// Why a text is no pattern of certificate URLs.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a pattern such as `https://host/` or `https://host:8443/folder/`: {0}")]
pub struct UrlPatternError(OddSpelling);

/// A certificate URL that a pattern allows, in the spelling in which it is fetched and remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateUrl {
    text: String,
    host: String,
}

/// Why a certificate URL is not allowed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// No reader would call it a URL.
    #[error("it is no http or https URL")]
    NotAUrl,
    /// It is a URL, but spelt as none that SMQ has ever named.
    #[error("{0}")]
    Odd(OddSpelling),
    /// No pattern matches it.
    #[error("no pattern of `certificate_urls` matches it")]
    NoPattern,
}

/// What is odd about a URL.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OddSpelling {
    #[error("it is no http or https URL")]
    Scheme,
    #[error("it is too long")]
    Length,
    #[error("its host is not plain letters, digits, hyphens and dots")]
    Host,
    #[error("its port is not a plain number from 1 to 65535")]
    Port,
    #[error("its path has characters or segments that can be read in two ways")]
    Path,
}

/// The parts of a URL in the one spelling that is accepted; scheme and host in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    is_https: bool,
    host: String,
    port: Option<u16>,
    /// Begins with a slash.
    path: String,
}

impl UrlPattern {
    /// Reads `https://host/`, with a port or a path if the pattern is to have them. The path `/` is
    /// meant where there is none, and allows every path; `/certs/` allows what is in that folder;
    /// `/a.pem` allows that file alone (and what would be below it).
    pub fn parse(text: &str) -> Result<UrlPattern, UrlPatternError> {
        Parts::parse(text).map(UrlPattern).map_err(UrlPatternError)
    }

    /// Returns the URL to fetch if this pattern allows the one in `parts`.
    fn allowed(&self, parts: &Parts) -> Option<Parts> {
        let pattern = &self.0;
        // Pushes of 2015 and 2016 name the known host with `http://`; a key that came over plain
        // http would be worth nothing, and the same file is there under https.
        let is_upgraded = pattern.is_https && !parts.is_https && parts.port.is_none();
        let same_scheme = pattern.is_https == parts.is_https || is_upgraded;
        let matches = same_scheme
            && pattern.host == parts.host
            && pattern.port == parts.port
            && pattern.has_folder_of(&parts.path);
        matches.then(|| Parts {
            is_https: pattern.is_https,
            ..parts.clone()
        })
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UrlPattern {
    type Err = UrlPatternError;

    fn from_str(text: &str) -> Result<UrlPattern, UrlPatternError> {
        UrlPattern::parse(text)
    }
}

impl CertificateUrl {
    /// Vouches for a URL that is written in this program.
    pub(super) fn known(text: &str) -> Option<CertificateUrl> {
        Parts::parse(text).ok().map(CertificateUrl::from_parts)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host in lower case, without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn from_parts(parts: Parts) -> CertificateUrl {
        CertificateUrl {
            text: parts.to_string(),
            host: parts.host,
        }
    }
}

impl fmt::Display for CertificateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns the certificate's URL as it is to be fetched, if one of `patterns` allows `text`. An
/// https pattern goes before an http one of the same host.
pub fn allow(text: &str, patterns: &[UrlPattern]) -> Result<CertificateUrl, UrlError> {
    let parts = Parts::parse(text).map_err(|odd| match odd {
        OddSpelling::Scheme => UrlError::NotAUrl,
        other => UrlError::Odd(other),
    })?;
    let (https, http): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.0.is_https);
    https
        .into_iter()
        .chain(http)
        .find_map(|pattern| pattern.allowed(&parts))
        .map(CertificateUrl::from_parts)
        .ok_or(UrlError::NoPattern)
}

/// Returns what a person may want to know about a URL that was not allowed.
pub(super) fn hint(text: &str) -> Option<&'static str> {
    let host = Parts::parse(text).ok()?.host;
    let is_like_the_page = host.starts_with("mns-cert.oss-") && host.ends_with(".aliyuncs.com");
    is_like_the_page.then_some(MNS_CERT_HINT)
}

impl Parts {
    fn parse(text: &str) -> Result<Parts, OddSpelling> {
        let (scheme, rest) = text.split_once("://").ok_or(OddSpelling::Scheme)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(OddSpelling::Scheme);
        }
        if text.len() > URL_BYTES_MAX {
            return Err(OddSpelling::Length);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port).ok_or(OddSpelling::Port)?)),
            None => (authority, None),
        };
        if !is_plain_host(host) {
            return Err(OddSpelling::Host);
        }
        if !is_plain_path(path) {
            return Err(OddSpelling::Path);
        }
        Ok(Parts {
            is_https,
            host: host.to_ascii_lowercase(),
            port,
            path: path.to_owned(),
        })
    }

    /// Tells whether `path` is this one or below it, by whole segments.
    fn has_folder_of(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.as_str()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'),
            None => false,
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

/// Reads a port as a person writes it: no sign, no leading zero.
fn parse_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Tells whether `host` is a DNS name or an IPv4 address as written in configuration: no user
/// info, brackets, percent signs, letters beyond ASCII, or empty label, so no dot at its end.
fn is_plain_host(host: &str) -> bool {
    let is_plain_label = |label: &str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_plain_label)
}

/// Tells whether `path` can be read in one way only: the characters that RFC 3986 never encodes,
/// and no empty or dot segment. Without `%` there is nothing that a server could decode to a
/// slash or a dot after the prefix was compared; without `?` and `#`, no query and no fragment.
fn is_plain_path(path: &str) -> bool {
    let is_plain_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let is_plain_segment =
        |segment: &str| segment.bytes().all(is_plain_byte) && !matches!(segment, "." | "..");
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_plain_segment))
        && !path.contains("//")
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    const KNOWN: &str = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem";

    fn patterns(texts: &[&str]) -> Vec<UrlPattern> {
        let parse = |text: &&str| UrlPattern::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    fn known_host() -> Vec<UrlPattern> {
        patterns(&["https://mnstest.oss-cn-hangzhou.aliyuncs.com/"])
    }

    #[test]
    fn the_known_url_is_allowed_in_its_few_spellings_and_fetched_by_https() {
        for text in [
            KNOWN,
            "http://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem",
            "HTTPS://MNSTEST.oss-cn-hangzhou.ALIYUNCS.com/x509_public_certificate.pem",
        ] {
            assert_eq!(allow(text, &known_host()).unwrap().as_str(), KNOWN);
        }
        let other = KNOWN.replace("x509_public_certificate", "new-2027/key");
        assert_eq!(allow(&other, &known_host()).unwrap().as_str(), other);
        assert_eq!(
            allow(KNOWN, &known_host()).unwrap().host(),
            "mnstest.oss-cn-hangzhou.aliyuncs.com"
        );
    }

    /// What an attacker may write to have a certificate of their own fetched.
    const ATTACKS: &[&str] = &[
        // Other hosts that look alike at one end or the other.
        "https://evil.example/",
        "https://evil.example/mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com.evil.example/a.pem",
        "https://evilmnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://evil.mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.co/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.comx/a.pem",
        "https://mnstest2.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-shanghai.aliyuncs.com/a.pem",
        "https://mnstest-oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://oss-cn-hangzhou.aliyuncs.com/mnstest/a.pem",
        "https://mns-cert.oss-cn-hangzhou.aliyuncs.com/a.pem",
        // User info, and what other readers take for it.
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com@evil.example/a.pem",
        "https://user@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://user:pass@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:pass@evil.example/a.pem",
        "https://@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://evil.example\\@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com\\@evil.example/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com\\.evil.example/a.pem",
        "https://evil.example#@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://evil.example?@mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        // Ports.
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:443/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:22/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:0443/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:+443/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com:65536/a.pem",
        "http://mnstest.oss-cn-hangzhou.aliyuncs.com:80/a.pem",
        // Queries and fragments.
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem?x=y",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem?",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem#x",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com?x=y",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com#x",
        // Spellings of the host.
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com./a.pem",
        "https://.mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest..oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest%2eoss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com%2eevil.example/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com%00.evil.example/a.pem",
        "https://mnst\u{435}st.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest\u{3002}oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.\u{ff43}om/a.pem",
        "https://mn\u{17f}test.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://xn--mnstest-9ya.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://[::1]/a.pem",
        "https://[mnstest.oss-cn-hangzhou.aliyuncs.com]/a.pem",
        "https://[::ffff:127.0.0.1%25mnstest.oss-cn-hangzhou.aliyuncs.com]/a.pem",
        "https://127.0.0.1/a.pem",
        "https://2130706433/a.pem",
        // White space and control characters.
        " https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem ",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem\n",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com\t/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a\0.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com\r\n.evil.example/a.pem",
        "ht\ntps://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        // Paths that can be read in two ways.
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/../a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/./a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/b/..",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/%2e%2e/a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com//a.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a\\b.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/a;b.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/\u{e9}.pem",
        // Other schemes, and none.
        "",
        "://",
        "https://",
        "https:///a.pem",
        "https:mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https:/mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "//mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "ftp://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "file:///etc/passwd",
        "file://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "httpss://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "x-https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "javascript://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
        "https://https://mnstest.oss-cn-hangzhou.aliyuncs.com/a.pem",
    ];

    #[test]
    fn no_other_spelling_of_the_known_url_is_allowed() {
        for text in ATTACKS {
            assert!(allow(text, &known_host()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_url_may_be_as_long_as_the_bound_and_not_longer() {
        let start = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/";
        let fits = format!("{start}{}", "a".repeat(URL_BYTES_MAX - start.len()));
        assert!(allow(&fits, &known_host()).is_ok());
        let too_long = Err(UrlError::Odd(OddSpelling::Length));
        assert_eq!(allow(&format!("{fits}a"), &known_host()), too_long);
    }

    #[test]
    fn a_pattern_allows_its_scheme_port_and_folder_only() {
        let cases = [
            (
                "http://127.0.0.1:8000/",
                "http://127.0.0.1:8000/a.pem",
                true,
            ),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/a.pem", true),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", true),
            (
                "http://127.0.0.1:8000",
                "https://127.0.0.1:8000/a.pem",
                false,
            ),
            (
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8001/a.pem",
                false,
            ),
            ("http://127.0.0.1:8000", "http://127.0.0.1/a.pem", false),
            ("https://h:8443/", "http://h:8443/a.pem", false),
            ("https://h/certs/", "https://h/certs/a.pem", true),
            ("https://h/certs/", "https://h/certs", false),
            ("https://h/certs/", "https://h/certsx/a.pem", false),
            ("https://h/certs/", "https://h/Certs/a.pem", false),
            ("https://h/certs", "https://h/certs/a.pem", true),
            ("https://h/certs", "https://h/certs", true),
            ("https://h/certs", "https://h/certsx/a.pem", false),
        ];
        for (pattern, text, expected) in cases {
            let is_allowed = allow(text, &patterns(&[pattern])).is_ok();
            assert_eq!(is_allowed, expected, "{pattern} and {text}");
        }
        assert!(allow(KNOWN, &[]).is_err());
    }

    #[test]
    fn an_https_pattern_goes_before_an_http_one_of_the_same_host() {
        let both = patterns(&["http://h/", "https://h/"]);
        assert_eq!(allow("http://h/a", &both).unwrap().as_str(), "https://h/a");
        let http = patterns(&["http://h/"]);
        assert_eq!(allow("http://h/a", &http).unwrap().as_str(), "http://h/a");
    }

    #[test]
    fn what_is_no_pattern_says_so() {
        for text in [
            "",
            "mnstest.oss-cn-hangzhou.aliyuncs.com",
            "https://*.aliyuncs.com/",
            "https://.aliyuncs.com/",
            "https://user@h/",
            "https://h/?a",
            "ftp://h/",
        ] {
            assert!(UrlPattern::parse(text).is_err(), "{text}");
        }
        let pattern: UrlPattern = "HTTPS://Host:8443/A".parse().unwrap();
        assert_eq!(pattern.to_string(), "https://host:8443/A");
    }

    #[test]
    fn the_host_of_the_newer_page_comes_with_a_hint() {
        for region in ["hangzhou", "shanghai", "beijing-internal"] {
            let text = format!("https://mns-cert.oss-cn-{region}.aliyuncs.com/a.pem");
            assert_eq!(allow(&text, &known_host()), Err(UrlError::NoPattern));
            assert_eq!(hint(&text), Some(MNS_CERT_HINT));
        }
        assert_eq!(
            hint("https://mns-cert.oss-cn-hangzhou.aliyuncs.com.evil/"),
            None
        );
        assert_eq!(hint(KNOWN), None);
    }

    proptest! {
        #[test]
        fn whatever_is_allowed_is_on_the_host_by_https(text in "(https?://)?[ -~\u{80}-\u{ff}]{0,60}") {
            if let Ok(url) = allow(&text, &known_host()) {
                prop_assert!(url.as_str().starts_with("https://mnstest.oss-cn-hangzhou.aliyuncs.com/"));
            }
        }

        #[test]
        fn one_more_byte_anywhere_in_the_host_is_another_host(at in 8..45_usize, byte in 0x20..0x7f_u8) {
            let mut text = KNOWN.to_owned();
            text.insert(at, char::from(byte));
            // A slash at the end of the host only begins an empty segment.
            prop_assert!(allow(&text, &known_host()).is_err(), "{}", text);
        }
    }
}
