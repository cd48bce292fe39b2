//! What every check saw of one push, for the person who asks why it was not let in.
//!
//! Pure: the certificate, the time and the configuration are handed in, so that a page, a stored
//! refusal and `mpsink verify` say the same. It goes on after the first check that fails, and
//! looks into unverified bytes, which nothing else does; nothing here is proof of anything.
//!
//! What must hold: every text is bounded, harmless to a terminal, and without the secret in the
//! path, since an explanation is stored and shown.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::envelope;
use crate::notification::capture::Capture;
use crate::notification::source::SourceId;
use crate::notification::{Format, Notification};
use crate::signature::certificate::Certificate;
use crate::signature::checksum::{Md5Encoding, matching_encoding};
use crate::signature::head;
use crate::signature::urls::{self, UrlPattern};
use crate::signature::{TEST_CERTIFICATE_URL, is_in_window, likely, shown, string_to_sign};

/// The most bytes shown of the message.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// The most bytes shown of a header's value or of an envelope's field.
pub const VALUE_BYTES_MAX: usize = 1024;

/// The most lines shown of the string to sign. A real one has 6 to 14.
pub const LINES_MAX: usize = 64;

/// What every check saw of one push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// In the order in which they are made.
    pub checks: Vec<Check>,
    /// Line by line, as this program understands what was signed.
    pub string_to_sign: Vec<String>,
    /// What the envelope says; empty without a body.
    pub envelope: Vec<Field>,
    /// The message in the envelope; `None` without a body.
    pub message: Option<String>,
    /// If the signature does not hold: the likely changes on the way with which it would.
    pub would_hold_with: Vec<String>,
}

/// One check and what it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: CheckName,
    pub verdict: Verdict,
    pub saw: String,
    /// What it means or what to do, where that is not plain.
    pub hint: Option<String>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    Request,
    SignedHeaders,
    Authorization,
    Date,
    ContentType,
    CertificateUrl,
    Certificate,
    Signature,
    DateWindow,
    ContentMd5,
    Format,
    /// Whether the topic's owner is let in: only `ingest` knows, and adds it where it is why a push
    /// is held.
    Owner,
    /// Whether the topic is let in, likewise.
    Topic,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Fails,
    NotChecked,
}

/// A field of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// What a push is explained with.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The one to check the signature with, if one is known.
    pub certificate: Option<&'a Certificate>,
    /// The time to compare the push's date with.
    pub now: Timestamp,
    /// How far the date may be from `now`, either way; `None` takes any date.
    pub date_window_ms: Option<i64>,
    pub certificate_urls: &'a [UrlPattern],
    /// Whether pushes that name [`TEST_CERTIFICATE_URL`] are trusted.
    pub trusts_test_key: bool,
    /// What a proxy strips from the path in front of us; empty if none does.
    pub public_prefix: &'a str,
    /// More targets to try when the signature does not hold: the configured ones. The first 8 are.
    pub paths: &'a [String],
}

/// Explains a push. Costs at most a few hundred checks of a signature, and only if it does not
/// hold; a second call gives the same.
pub fn explain(capture: &Capture, evidence: &Evidence<'_>) -> Explanation {
    let notification = capture.body.is_some().then(|| {
        let delivery = capture.clone().into_delivery(SourceId(0), evidence.now);
        envelope::parse(&delivery)
    });
    let (signature, would_hold_with) = check_signature(capture, evidence);
    Explanation {
        checks: vec![
            check_request(capture),
            check_signed_headers(capture),
            check_authorization(capture),
            check_date(capture),
            check_content_type(capture),
            check_certificate_url(capture, evidence),
            check_certificate(evidence),
            signature,
            check_date_window(capture, evidence),
            check_content_md5(capture, notification.as_ref()),
            check_format(notification.as_ref()),
        ],
        string_to_sign: lines_to_sign(capture),
        envelope: notification.as_ref().map(fields_of).unwrap_or_default(),
        message: notification.map(|it| shown::text(&it.message, MESSAGE_BYTES_MAX)),
        would_hold_with,
    }
}

impl Explanation {
    /// Tells whether the signature holds and nothing fails. Checks that were not made, as those of
    /// a body that is not there, do not count.
    pub fn holds(&self) -> bool {
        let nothing_fails = self
            .checks
            .iter()
            .all(|check| check.verdict != Verdict::Fails);
        let signature = self.check(CheckName::Signature);
        nothing_fails && signature.is_some_and(|check| check.verdict == Verdict::Holds)
    }

    /// Returns the form in which it is stored and given out.
    pub fn to_json(&self) -> String {
        // Strings and words alone: there is nothing in it that JSON could not carry.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn check(&self, name: CheckName) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl CheckName {
    /// Returns what a person calls it.
    pub fn words(self) -> &'static str {
        match self {
            CheckName::Request => "request",
            CheckName::SignedHeaders => "signed headers",
            CheckName::Authorization => "Authorization",
            CheckName::Date => "Date",
            CheckName::ContentType => "Content-Type",
            CheckName::CertificateUrl => "certificate URL",
            CheckName::Certificate => "certificate",
            CheckName::Signature => "signature",
            CheckName::DateWindow => "date near now",
            CheckName::ContentMd5 => "Content-MD5",
            CheckName::Format => "format",
            CheckName::Owner => "topic owner",
            CheckName::Topic => "topic",
        }
    }
}

impl Verdict {
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::NotChecked => "not checked",
        }
    }
}

impl Check {
    fn holds(name: CheckName, saw: impl Into<String>) -> Check {
        Check::new(name, Verdict::Holds, saw)
    }

    fn fails(name: CheckName, saw: impl Into<String>) -> Check {
        Check::new(name, Verdict::Fails, saw)
    }

    fn not_checked(name: CheckName, saw: impl Into<String>) -> Check {
        Check::new(name, Verdict::NotChecked, saw)
    }

    fn new(name: CheckName, verdict: Verdict, saw: impl Into<String>) -> Check {
        Check {
            name,
            verdict,
            saw: saw.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Check {
        Check {
            hint: Some(hint.into()),
            ..self
        }
    }
}

fn check_request(capture: &Capture) -> Check {
    let method = shown::line(capture.method.as_bytes(), VALUE_BYTES_MAX);
    let saw = format!("{method} {}", shown::target(&capture.target));
    if capture.method == "POST" {
        Check::holds(CheckName::Request, saw)
    } else {
        Check::fails(CheckName::Request, saw).hint("SMQ pushes with POST")
    }
}

fn check_signed_headers(capture: &Capture) -> Check {
    let name = CheckName::SignedHeaders;
    let bytes = head::signed_bytes(&capture.headers);
    if let Some(repeated) = head::repeated_header(&capture.headers) {
        let repeated = shown::line(repeated.as_bytes(), VALUE_BYTES_MAX);
        return Check::fails(name, format!("{repeated} came more than once"))
            .hint("nobody can tell which of the two was signed");
    }
    if bytes > head::SIGNED_HEADERS_BYTES_MAX {
        let bytes_max = head::SIGNED_HEADERS_BYTES_MAX;
        return Check::fails(name, format!("{bytes} bytes"))
            .hint(format!("at most {bytes_max} are accepted"));
    }
    Check::holds(name, format!("each came once, {bytes} bytes together"))
}

fn check_authorization(capture: &Capture) -> Check {
    let name = CheckName::Authorization;
    let Some(value) = capture.headers.first("authorization") else {
        return Check::fails(name, "missing")
            .hint("SMQ signs every push: a proxy may have taken the header away");
    };
    match head::decode_signature(value) {
        Some(signature) => Check::holds(name, format!("a signature of {} bytes", signature.len())),
        // Not shown: it may be somebody's password for a proxy.
        None => Check::fails(name, format!("{} bytes that are no signature", value.len())).hint(
            format!(
                "expected the bare base64 of {} to {} bytes, without a word before it",
                head::SIGNATURE_BYTES_MIN,
                head::SIGNATURE_BYTES_MAX
            ),
        ),
    }
}

fn check_date(capture: &Capture) -> Check {
    let name = CheckName::Date;
    match string_to_sign::signed_date(&capture.headers) {
        None => Check::fails(name, "missing"),
        Some(value) => {
            let saw = shown::line(value, VALUE_BYTES_MAX);
            match head::parse_date(value) {
                Some(date) => Check::holds(name, format!("{saw}, which is {date}")),
                None => Check::fails(name, saw)
                    .hint("expected a date such as `Tue, 22 Sep 2015 03:25:32 GMT`"),
            }
        }
    }
}

fn check_content_type(capture: &Capture) -> Check {
    let name = CheckName::ContentType;
    match capture.headers.first("content-type") {
        Some(value) => Check::holds(name, shown::line(value, VALUE_BYTES_MAX)),
        None => Check::not_checked(name, "missing, so an empty line is in the string to sign"),
    }
}

fn check_certificate_url(capture: &Capture, evidence: &Evidence<'_>) -> Check {
    let name = CheckName::CertificateUrl;
    let Some(value) = capture.headers.first(head::CERTIFICATE_URL_HEADER) else {
        // Pushes before 2016 do not name it.
        return match evidence.certificate {
            Some(_) => Check::not_checked(name, "missing; the given certificate is used"),
            None => Check::fails(name, "missing"),
        };
    };
    let Some(text) = head::decode_url(value) else {
        return Check::fails(name, shown::line(value, VALUE_BYTES_MAX))
            .hint("expected the base64 of a URL");
    };
    let saw = shown::line(text.as_bytes(), VALUE_BYTES_MAX);
    if text == TEST_CERTIFICATE_URL {
        return if evidence.trusts_test_key {
            Check::holds(name, format!("{saw}, the key of `mpsink push`"))
        } else {
            Check::fails(name, saw)
                .hint("a push of `mpsink push`: only `serve --try` trusts its key")
        };
    }
    match urls::allow(&text, evidence.certificate_urls) {
        Ok(url) if url.as_str() == text => Check::holds(name, format!("{saw}, which is allowed")),
        Ok(url) => Check::holds(
            name,
            format!("{saw}, which is allowed and fetched as {url}"),
        ),
        Err(error) => {
            let hint = urls::hint(&text).map_or_else(|| error.to_string(), str::to_owned);
            Check::fails(name, format!("{saw}, which is not allowed")).hint(hint)
        }
    }
}

fn check_certificate(evidence: &Evidence<'_>) -> Check {
    let name = CheckName::Certificate;
    let Some(certificate) = evidence.certificate else {
        return Check::not_checked(name, "not known here")
            .hint("`mpsink verify --certificate FILE` checks with the one in a file");
    };
    let subject = shown::line(certificate.subject.as_bytes(), VALUE_BYTES_MAX);
    let mut saw = format!("RSA key of {} bits, {subject}", certificate.key_bits);
    if let (Some(from), Some(to)) = (certificate.not_before, certificate.not_after) {
        saw = format!("{saw}, valid from {from} to {to}");
        if !(from..=to).contains(&evidence.now) {
            return Check::holds(name, saw)
                .hint("its dates are not checked: SMQ's expired in 2016 and still signs");
        }
    }
    Check::holds(name, saw)
}

/// Checks the signature, and if it does not hold, finds with what it would.
fn check_signature(capture: &Capture, evidence: &Evidence<'_>) -> (Check, Vec<String>) {
    let name = CheckName::Signature;
    let authorization = capture.headers.first("authorization");
    let Some(signature) = authorization.and_then(head::decode_signature) else {
        return (
            Check::not_checked(name, "there is none to check"),
            Vec::new(),
        );
    };
    let Some(certificate) = evidence.certificate else {
        return (
            Check::not_checked(name, "no certificate to check it with"),
            Vec::new(),
        );
    };
    let (bits, key_bits) = (signature.len() * 8, certificate.key_bits);
    if signature.len() != key_bits.div_ceil(8) {
        let saw = format!("a signature of {bits} bits, and a key of {key_bits}");
        let hint = "it was signed with another key than this certificate's";
        return (Check::fails(name, saw).hint(hint), Vec::new());
    }
    let holds = |text: &[u8]| certificate.key.holds(text, &signature);
    let (target, headers) = (&capture.target, &capture.headers);
    if holds(&string_to_sign::string_to_sign(target, headers)) {
        return (Check::holds(name, "it is the one of this push"), Vec::new());
    }
    let prefix = evidence.public_prefix;
    let public_target = format!("{prefix}{target}");
    if !prefix.is_empty() && holds(&string_to_sign::string_to_sign(&public_target, headers)) {
        let prefix = shown::line(prefix.as_bytes(), VALUE_BYTES_MAX);
        let saw = format!("it is the one of this push with {prefix} before its path");
        return (Check::holds(name, saw), Vec::new());
    }
    let would_hold_with = likely::changes_that_help(target, headers, prefix, evidence.paths, holds);
    let hint = match would_hold_with.as_slice() {
        [] => "something that is signed was changed on the way, or another key signed".to_owned(),
        helpful => format!("it would hold with {}", helpful.join("; or with ")),
    };
    let check = Check::fails(name, "it is not the one of this push").hint(hint);
    (check, would_hold_with)
}

fn check_date_window(capture: &Capture, evidence: &Evidence<'_>) -> Check {
    let name = CheckName::DateWindow;
    let date = string_to_sign::signed_date(&capture.headers).and_then(head::parse_date);
    let Some(date) = date else {
        return Check::not_checked(name, "there is no date");
    };
    let since = evidence.now.since_ms(date);
    let side = if since < 0 { "after" } else { "before" };
    let saw = format!("{} {side} {}", span(since), evidence.now);
    match evidence.date_window_ms {
        None => Check::not_checked(name, format!("{saw}; any date is taken")),
        Some(window_ms) if is_in_window(date, evidence.now, window_ms) => Check::holds(name, saw),
        Some(window_ms) => Check::fails(name, saw).hint(format!(
            "at most {} are accepted; is this machine's clock right?",
            span(window_ms)
        )),
    }
}

fn check_content_md5(capture: &Capture, notification: Option<&Notification>) -> Check {
    let name = CheckName::ContentMd5;
    let header = capture.headers.first("content-md5");
    let (Some(body), Some(notification)) = (&capture.body, notification) else {
        let saw = header.map_or_else(
            || "missing".to_owned(),
            |value| shown::line(value, VALUE_BYTES_MAX),
        );
        return Check::not_checked(name, format!("{saw}; there is no body to compare it with"));
    };
    let Some(header) = header else {
        return Check::fails(name, "missing").hint("nothing says that this body was sent by SMQ");
    };
    let saw = shown::line(header, VALUE_BYTES_MAX);
    if let Some(encoding) = matching_encoding(header, body) {
        let encoding = encoding.words();
        return Check::holds(name, format!("{saw}, the MD5 of the body as {encoding}"));
    }
    let hint = match matching_encoding(header, &notification.message).map(Md5Encoding::words) {
        Some(encoding) => format!(
            "it is the MD5 of the message alone, as {encoding}, and not of the {} bytes of the body",
            body.len()
        ),
        None => format!(
            "it is the MD5 neither of the {} bytes of the body nor of the message alone: \
             the body was changed on the way",
            body.len()
        ),
    };
    Check::fails(name, saw).hint(hint)
}

fn check_format(notification: Option<&Notification>) -> Check {
    let name = CheckName::Format;
    match notification.map(|notification| notification.format) {
        None => Check::not_checked(name, "there is no body"),
        Some(format @ (Format::Xml | Format::Json)) => Check::holds(name, format.word()),
        Some(format @ Format::Simplified) => {
            Check::holds(name, format!("{}: the body is the message", format.word()))
        }
    }
}

/// Returns the string to sign as shown; the target's secret is hidden.
fn lines_to_sign(capture: &Capture) -> Vec<String> {
    let target = shown::target(&capture.target);
    let text = string_to_sign::string_to_sign(&target, &capture.headers);
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let mut shown: Vec<_> = lines
        .iter()
        .take(LINES_MAX)
        .map(|line| shown::line(line, VALUE_BYTES_MAX))
        .collect();
    if lines.len() > LINES_MAX {
        shown.push(format!("… ({} lines in all)", lines.len()));
    }
    shown
}

fn fields_of(notification: &Notification) -> Vec<Field> {
    let published_at = notification.published_at.map(|at| at.to_string());
    let fields = [
        ("topic_owner", &notification.topic_owner),
        ("topic", &notification.topic),
        ("subscriber", &notification.subscriber),
        ("subscription", &notification.subscription),
        ("message_id", &notification.message_id),
        ("message_md5", &notification.message_md5),
        ("published_at", &published_at),
        ("tag", &notification.tag),
    ];
    let present = fields.into_iter().filter_map(|(name, value)| {
        let value = shown::line(value.as_ref()?.as_bytes(), VALUE_BYTES_MAX);
        let name = name.to_owned();
        Some(Field { name, value })
    });
    present.collect()
}

/// Returns a length of time in its largest unit, without a sign.
fn span(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::capture;
    use crate::notification::delivery::Delivery;
    use crate::signature::loopback::{
        CERTIFICATE_512, CERTIFICATE_1024, NOON, key_512, push, sign,
    };
    use crate::signature::{DATE_WINDOW_MS, DOCUMENTED_CERTIFICATE_URL};

    const REAL_PUSH: &[u8] = include_bytes!("../../tests/data/real-push-2015.http");
    const KNOWN: &[u8] = include_bytes!("smq-known-certificate.pem");
    const URL: &str = "https://h/a.pem";
    const BODY: &[u8] = include_bytes!("../../tests/data/envelope-xml-job.xml");

    struct Known {
        certificate: Certificate,
        patterns: Vec<UrlPattern>,
        paths: Vec<String>,
    }

    impl Known {
        fn with(certificate: &[u8]) -> Known {
            Known {
                certificate: Certificate::parse(certificate).unwrap(),
                patterns: vec![UrlPattern::parse("https://h/").unwrap()],
                paths: Vec::new(),
            }
        }

        fn evidence(&self) -> Evidence<'_> {
            Evidence {
                certificate: Some(&self.certificate),
                now: NOON,
                date_window_ms: Some(DATE_WINDOW_MS),
                certificate_urls: &self.patterns,
                trusts_test_key: false,
                public_prefix: "",
                paths: &self.paths,
            }
        }
    }

    fn good_push() -> Delivery {
        push(&key_512(), URL, BODY)
    }

    fn explain_with(delivery: &Delivery, evidence: &Evidence<'_>) -> Explanation {
        explain(&Capture::of(delivery), evidence)
    }

    fn explained(delivery: &Delivery) -> Explanation {
        explain_with(delivery, &Known::with(CERTIFICATE_512).evidence())
    }

    /// Asserts that exactly `name` fails and returns that check.
    fn only_failure(explanation: &Explanation, name: CheckName) -> &Check {
        let failures: Vec<_> = explanation
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Fails)
            .map(|check| check.name)
            .collect();
        assert_eq!(failures, [name], "{explanation:#?}");
        assert!(!explanation.holds());
        explanation.check(name).unwrap()
    }

    fn verdict(explanation: &Explanation, name: CheckName) -> Verdict {
        explanation.check(name).unwrap().verdict
    }

    #[test]
    fn the_real_push_holds_with_the_known_certificate_on_any_date() {
        let capture = capture::parse(REAL_PUSH).unwrap();
        let known = Known::with(KNOWN);
        let any_date = Evidence {
            date_window_ms: None,
            ..known.evidence()
        };
        let explanation = explain(&capture, &any_date);
        assert!(explanation.holds(), "{explanation:#?}");
        for name in [
            CheckName::CertificateUrl,
            CheckName::ContentMd5,
            CheckName::Format,
            CheckName::DateWindow,
        ] {
            assert_eq!(verdict(&explanation, name), Verdict::NotChecked, "{name:?}");
        }
        assert_eq!(explanation.message, None);
        assert_eq!(explanation.string_to_sign.len(), 7);

        let today = explain(&capture, &known.evidence());
        only_failure(&today, CheckName::DateWindow);
        let nothing_known = explain(
            &capture,
            &Evidence {
                certificate: None,
                ..any_date
            },
        );
        only_failure(&nothing_known, CheckName::CertificateUrl);
        assert_eq!(
            verdict(&nothing_known, CheckName::Signature),
            Verdict::NotChecked
        );
    }

    #[test]
    fn no_byte_of_the_real_pushs_signed_headers_or_path_may_differ() {
        let known = Known::with(KNOWN);
        let any_date = Evidence {
            date_window_ms: None,
            ..known.evidence()
        };
        let mut signed = 0;
        for at in "POST ".len()..REAL_PUSH.len() {
            let line = REAL_PUSH[..at]
                .rsplit(|byte| *byte == b'\n')
                .next()
                .unwrap();
            let is_target = REAL_PUSH[..at].iter().all(|byte| *byte != b'\n')
                && !REAL_PUSH[..at].ends_with(b" HTTP/1.1")
                && line.split(|byte| *byte == b' ').count() == 2
                && REAL_PUSH[at] != b' ';
            let name = line
                .split(|byte| *byte == b':')
                .next()
                .unwrap()
                .to_ascii_lowercase();
            let is_value = line.windows(2).any(|pair| pair == b": ")
                && string_to_sign::is_signed(std::str::from_utf8(&name).unwrap())
                && !matches!(REAL_PUSH[at], b'\r' | b'\n');
            if !is_target && !is_value {
                continue;
            }
            signed += 1;
            let mut changed = REAL_PUSH.to_vec();
            changed[at] ^= 1;
            let holds =
                capture::parse(&changed).is_ok_and(|push| explain(&push, &any_date).holds());
            assert!(!holds, "byte {at}");
        }
        let signature_to_version = 88 + 44 + 22 + 29 + 24 + 10;
        assert_eq!(signed, "/notifications".len() + signature_to_version);
    }

    #[test]
    fn a_good_push_holds_in_every_check() {
        let explanation = explained(&good_push());
        assert!(explanation.holds(), "{explanation:#?}");
        assert!(
            explanation
                .checks
                .iter()
                .all(|check| check.verdict == Verdict::Holds)
        );
        assert_eq!(explanation.would_hold_with, Vec::<String>::new());
        assert_eq!(verdict(&explanation, CheckName::Format), Verdict::Holds);
        assert!(explanation.message.unwrap().contains("jobId"));
        assert!(
            explanation
                .envelope
                .iter()
                .any(|field| field.name == "message_id")
        );
    }

    #[test]
    fn an_explanation_is_read_back_as_it_was_stored() {
        let explanation = explained(&good_push());
        let json = serde_json::to_string(&explanation).unwrap();
        assert_eq!(
            serde_json::from_str::<Explanation>(&json).unwrap(),
            explanation
        );
        assert!(
            json.contains(r#""name":"signed_headers","verdict":"holds""#),
            "{json}"
        );
    }

    #[test]
    fn the_secret_in_the_path_is_nowhere_in_an_explanation() {
        let mut known = Known::with(CERTIFICATE_512);
        known.paths = vec!["/notifications/secret".to_owned()];
        let mut rewritten = good_push();
        for target in [
            "/notifications/secret",
            "/n/secret/",
            "/n/secret//",
            "/n/secret?a=/b",
        ] {
            rewritten.target = target.to_owned();
            let explanation = explain_with(&rewritten, &known.evidence());
            let json = serde_json::to_string(&explanation).unwrap();
            assert!(!json.contains("secret"), "{target}: {json}");
            assert!(explanation.string_to_sign.last().unwrap().contains("•••"));
        }
    }

    #[test]
    fn a_rewritten_path_is_named() {
        let mut known = Known::with(CERTIFICATE_512);
        known.paths = vec!["/notifications/secret".to_owned()];
        let mut delivery = good_push();
        delivery.target = "/notifications/secret/".to_owned();
        let explanation = explain_with(&delivery, &known.evidence());
        only_failure(&explanation, CheckName::Signature);
        assert_eq!(
            explanation.would_hold_with,
            ["the path without the slash at its end"]
        );

        delivery.target = "/other".to_owned();
        let explanation = explain_with(&delivery, &known.evidence());
        assert_eq!(
            explanation.would_hold_with,
            ["the configured path /notifications/•••"]
        );
        assert_eq!(explained(&delivery).would_hold_with, Vec::<String>::new());
    }

    #[test]
    fn the_configured_public_path_holds_and_says_so() {
        let known = Known::with(CERTIFICATE_512);
        let mut delivery = good_push();
        delivery.target = "/sink/notifications/secret".to_owned();
        sign(&key_512(), &mut delivery);
        delivery.target = "/notifications/secret".to_owned();
        let with_prefix = Evidence {
            public_prefix: "/sink",
            ..known.evidence()
        };
        let explanation = explain_with(&delivery, &with_prefix);
        assert!(explanation.holds());
        assert!(
            explanation
                .check(CheckName::Signature)
                .unwrap()
                .saw
                .contains("/sink")
        );
        only_failure(&explained(&delivery), CheckName::Signature);
    }

    #[test]
    fn a_changed_body_is_told_from_a_checksum_of_the_message_alone() {
        let mut changed = good_push();
        changed.body.push(b' ');
        let explanation = explained(&changed);
        let hint = only_failure(&explanation, CheckName::ContentMd5)
            .hint
            .as_ref()
            .unwrap();
        assert!(hint.contains("changed on the way"), "{hint}");

        let mut of_message = good_push();
        let message = envelope::parse(&of_message).message;
        assert_ne!(message, BODY);
        of_message.headers.set(
            "content-md5",
            crate::signature::checksum::content_md5(&message),
        );
        sign(&key_512(), &mut of_message);
        let explanation = explained(&of_message);
        let hint = only_failure(&explanation, CheckName::ContentMd5)
            .hint
            .as_ref()
            .unwrap();
        assert!(
            hint.contains("message alone, as base64 of the hex text"),
            "{hint}"
        );

        let mut missing = good_push();
        missing.headers.remove("content-md5");
        sign(&key_512(), &mut missing);
        only_failure(&explained(&missing), CheckName::ContentMd5);
    }

    #[test]
    fn each_header_that_cannot_be_used_is_named() {
        let with = |name: &str, value: Option<&str>| {
            let mut delivery = good_push();
            match value {
                Some(value) => delivery.headers.set(name, value),
                None => delivery.headers.remove(name),
            }
            explained(&delivery)
        };
        for value in [None, Some("Basic cGFzc3dvcmQ=")] {
            let explanation = with("authorization", value);
            let check = only_failure(&explanation, CheckName::Authorization);
            assert!(!check.saw.contains("cGFz"), "{}", check.saw);
            assert_eq!(
                verdict(&explanation, CheckName::Signature),
                Verdict::NotChecked
            );
        }
        for value in [None, Some("yesterday")] {
            let explanation = with("date", value);
            assert_eq!(verdict(&explanation, CheckName::Date), Verdict::Fails);
            assert_eq!(
                verdict(&explanation, CheckName::DateWindow),
                Verdict::NotChecked
            );
        }
        let no_base64 = with("x-mns-signing-cert-url", Some("https://h/a.pem"));
        assert_eq!(
            verdict(&no_base64, CheckName::CertificateUrl),
            Verdict::Fails
        );
        let missing = with("content-type", None);
        assert_eq!(
            verdict(&missing, CheckName::ContentType),
            Verdict::NotChecked
        );

        let mut repeated = good_push();
        repeated.headers.add("x-mns-version", "2015-06-06");
        assert_eq!(
            verdict(&explained(&repeated), CheckName::SignedHeaders),
            Verdict::Fails
        );
        let long = with("x-mns-version", Some(&"a".repeat(9000)));
        assert_eq!(verdict(&long, CheckName::SignedHeaders), Verdict::Fails);

        let mut get = Capture::of(&good_push());
        get.method = "GET".to_owned();
        let explanation = explain(&get, &Known::with(CERTIFICATE_512).evidence());
        only_failure(&explanation, CheckName::Request);
    }

    #[test]
    fn a_certificate_url_that_is_not_allowed_says_why() {
        let cases = [
            (
                "https://mns-cert.oss-cn-hangzhou.aliyuncs.com/a.pem",
                urls::MNS_CERT_HINT,
            ),
            (DOCUMENTED_CERTIFICATE_URL, "no pattern"),
            ("https://h:443/a.pem", "no pattern"),
            ("https://user@h/a.pem", "its host is not plain"),
            ("https://h/../a.pem", "its path has"),
            (TEST_CERTIFICATE_URL, "only `serve --try`"),
        ];
        for (url, expected) in cases {
            let explanation = explained(&push(&key_512(), url, BODY));
            let check = only_failure(&explanation, CheckName::CertificateUrl);
            assert!(check.saw.contains(url), "{}", check.saw);
            assert!(check.hint.as_ref().unwrap().contains(expected), "{check:?}");
        }
        let upgraded = explained(&push(&key_512(), "http://h/a.pem", BODY));
        let saw = &upgraded.check(CheckName::CertificateUrl).unwrap().saw;
        assert!(
            upgraded.holds() && saw.contains("fetched as https://h/a.pem"),
            "{saw}"
        );
    }

    #[test]
    fn another_key_is_told_by_its_length() {
        let known = Known::with(CERTIFICATE_1024);
        let explanation = explain_with(&good_push(), &known.evidence());
        let check = only_failure(&explanation, CheckName::Signature);
        assert_eq!(check.saw, "a signature of 512 bits, and a key of 1024");
    }

    #[test]
    fn an_explanation_of_a_huge_push_is_small() {
        let mut delivery = good_push();
        delivery.body = vec![0x1b; 1024 * 1024];
        delivery.target = format!("/{}", "a/".repeat(50_000));
        for name in 0..500 {
            delivery
                .headers
                .add(&format!("x-mns-{name}"), vec![0xff; 5000]);
        }
        delivery.headers.set("date", vec![b'('; 5000]);
        let json = serde_json::to_string(&explained(&delivery)).unwrap();
        assert!(json.len() < 200_000, "{}", json.len());
    }

    #[test]
    fn lengths_of_time_are_told_in_their_largest_unit() {
        let cases = [
            (0, "0 s"),
            (-119_999, "119 s"),
            (900_000, "15 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 days"),
            (i64::MIN, "106751991167 days"),
        ];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }
}
