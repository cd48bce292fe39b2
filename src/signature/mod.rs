//! Whether a push is SMQ's: its certificate, its signature, its date and its body's checksum.
//!
//! SMQ signs the headers and the request target of each push with a key whose certificate the push
//! names by URL. The steps stand in the order of their price, and nothing is fetched for a push
//! that would not be believed anyway: [`Verifier::check_head`] before the body is read, then
//! [`Verifier::verify`]. `explain.rs` says of one push what each step saw.
//!
//! What a signature proves: that SMQ sent these headers to this path. Not the body (only through
//! `Content-MD5`), and not that the sender is a friend: any account's topic is signed with the same
//! key, and the real key has 512 bits. So `ingest` asks for the owner, and the path is a secret.
//!
//! **Architecture invariant:** only this module makes a [`Verified`] value.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsa::RsaPublicKey;

use crate::clock::{Clock, Timestamp};
use crate::metrics::Metrics;
use crate::notification::capture::Capture;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::signature::certificate::Certificate;
use crate::signature::certificates::{
    CertificateUnavailable, Certificates, Fetched, KnownCertificate,
};
use crate::signature::explain::{Evidence, Explanation};
use crate::signature::fetch::{FetchError, Fetcher, ProxyError};
use crate::signature::head::{CheckedHead, NamedCertificate};
use crate::signature::urls::{CertificateUrl, UrlPattern};

pub mod certificate;
pub mod certificates;
pub mod checksum;
pub mod explain;
pub mod fetch;
pub mod head;
mod likely;
#[cfg(test)]
mod loopback;
mod opening;
mod shown;
pub mod string_to_sign;
pub mod urls;

/// The URL that names the key of `mpsink push`. It is a name and no place: `.invalid` never
/// resolves, and it is never fetched.
pub const TEST_CERTIFICATE_URL: &str = "https://mpsink.invalid/test.pem";

/// Where SMQ's certificate has been for a decade, by the vendor's pages and in captures.
pub const DOCUMENTED_CERTIFICATE_URL: &str =
    "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem";

/// What `certificate_urls` under `[verify]` is by default: the host of the documented URL. The
/// file's name may change, the vendor says, the bucket's not.
pub const DEFAULT_CERTIFICATE_URLS: [&str; 1] = ["https://mnstest.oss-cn-hangzhou.aliyuncs.com/"];

/// How far a push's date may be from now by default, either way, in milliseconds: 15 minutes. It
/// is the time of this push, so retries need no more.
pub const DATE_WINDOW_MS: i64 = 15 * 60 * 1000;

/// How long fetching a certificate may take in all: SMQ waits 5 s for our answer.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// The certificate that signed in 2015 and in 2023: for when the network is down.
const BUNDLED_CERTIFICATE: &str = include_str!("smq-known-certificate.pem");

/// A value whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// How to check pushes. [`VerifierOptions::new`] gives the documented defaults.
#[derive(Clone)]
pub struct VerifierOptions {
    /// Which certificate URLs are allowed.
    pub certificate_urls: Vec<UrlPattern>,
    /// How far `Date` may be from now, either way, in milliseconds.
    pub date_window_ms: i64,
    /// For fetching certificates; none means directly, whatever the environment says.
    pub proxy: Option<String>,
    /// What a proxy strips from the path in front of us, such as `/sink`; empty if none does. If
    /// the target alone does not verify, this and the target are tried.
    pub public_prefix: String,
    /// The key that `push` signs with: only `serve --try` trusts it, under
    /// [`TEST_CERTIFICATE_URL`].
    pub test_key: Option<RsaPublicKey>,
    pub clock: Clock,
    /// Certificates that verified a push in an earlier process.
    pub kept: Vec<KnownCertificate>,
    /// How long fetching a certificate, or waiting for one that is being fetched, may take.
    pub fetch_timeout: Duration,
    /// Verifications and fetches are counted here.
    pub metrics: Metrics,
}

impl VerifierOptions {
    pub fn new(clock: Clock) -> VerifierOptions {
        let defaults = DEFAULT_CERTIFICATE_URLS.iter();
        VerifierOptions {
            certificate_urls: defaults.flat_map(|text| UrlPattern::parse(text)).collect(),
            date_window_ms: DATE_WINDOW_MS,
            proxy: None,
            public_prefix: String::new(),
            test_key: None,
            clock,
            kept: Vec::new(),
            fetch_timeout: FETCH_TIMEOUT,
            metrics: Metrics::new(),
        }
    }
}

/// Checks pushes, and remembers the certificates it has met.
pub struct Verifier {
    certificate_urls: Vec<UrlPattern>,
    date_window_ms: i64,
    public_prefix: String,
    test_certificate: Option<Certificate>,
    bundled_certificate: Option<Certificate>,
    documented_url: Option<CertificateUrl>,
    clock: Clock,
    certificates: Certificates,
    metrics: Metrics,
}

/// What [`Verifier::verify`] found.
#[derive(Debug)]
pub enum Verification {
    /// Signature, date and checksum hold.
    Good {
        delivery: Verified<Delivery>,
        /// The certificate to keep in the database: given once, with the first push whose
        /// signature holds with it.
        first_use: Option<KnownCertificate>,
    },
    /// The signature holds, the push is not fit: [`HoldReason::Date`] or
    /// [`HoldReason::BodyChecksum`].
    Unfit {
        delivery: Verified<Delivery>,
        reason: HoldReason,
        /// As in [`Verification::Good`].
        first_use: Option<KnownCertificate>,
    },
    /// The push is not believed.
    Refused {
        delivery: Delivery,
        reason: RefusalReason,
    },
    /// Nobody can tell just now; the sender should try again after this many seconds.
    CertificateUnavailable {
        retry_after_s: u32,
        why: CertificateUnavailable,
    },
}

/// What is known of a certificate, for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// `None` for the bundled one.
    pub url: Option<String>,
    pub key_bits: usize,
    /// As [`Certificate::subject`], with what could steer a terminal as escapes.
    pub subject: String,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// SHA-256 of the DER bytes in lower-case hex.
    pub fingerprint: String,
    /// `None` for the bundled one.
    pub fetched_at: Option<Timestamp>,
    /// Whether a push's signature has held with it, now or in an earlier process. `false` for the
    /// bundled one.
    pub has_verified: bool,
}

impl Verifier {
    /// Starts with the kept certificates whose URLs are still allowed. Fails only on an unusable
    /// `proxy`.
    pub fn new(options: VerifierOptions) -> Result<Verifier, ProxyError> {
        let fetcher = Fetcher::new(options.proxy.as_deref(), options.fetch_timeout)?;
        let mut kept = options.kept;
        kept.retain(|known| {
            let allowed = urls::allow(&known.url, &options.certificate_urls);
            allowed.is_ok_and(|url| url.as_str() == known.url)
        });
        let (clock, metrics) = (options.clock.clone(), options.metrics.clone());
        let certificates = Certificates::new(clock, fetcher, options.fetch_timeout, kept, metrics);
        Ok(Verifier {
            certificate_urls: options.certificate_urls,
            date_window_ms: options.date_window_ms,
            public_prefix: options.public_prefix,
            test_certificate: options.test_key.as_ref().and_then(Certificate::of_test_key),
            bundled_certificate: Certificate::parse(BUNDLED_CERTIFICATE.as_bytes()).ok(),
            documented_url: CertificateUrl::known(DOCUMENTED_CERTIFICATE_URL),
            clock: options.clock,
            certificates,
            metrics: options.metrics,
        })
    }

    /// Returns where verifications are counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Checks the headers and the certificate's URL, before the body is read. Nothing is fetched.
    pub fn check_head(&self, headers: &Headers) -> Result<CheckedHead, RefusalReason> {
        let trusts_test_key = self.test_certificate.is_some();
        head::check(headers, &self.certificate_urls, trusts_test_key)
    }

    /// Checks the signature, then the date, then the body's checksum. `head` must be what
    /// [`Verifier::check_head`] gave for this delivery's headers.
    ///
    /// If `worth_fetching` is false, or the date is outside the window, no certificate is fetched:
    /// the push is checked with what is in memory, or refused. Waits for no longer than one fetch
    /// may take, and only when there is one to wait for.
    pub async fn verify(
        &self,
        head: CheckedHead,
        delivery: Delivery,
        worth_fetching: bool,
    ) -> Verification {
        let began = Instant::now();
        let push = SignedPush {
            signature: head.signature(),
            texts: self.signed_texts(&delivery),
        };
        let is_on_time = is_in_window(head.date(), self.clock.now(), self.date_window_ms);
        let found = match head.certificate() {
            NamedCertificate::TestKey => self.check_with_test_key(&push),
            NamedCertificate::At(url) => {
                let may_fetch = worth_fetching && is_on_time;
                self.find_signer(url, &push, may_fetch).await
            }
        };
        self.metrics.verified(began.elapsed());
        match found {
            Signer::Found { first_use } => judge(delivery, is_on_time, first_use),
            Signer::None(reason) => Verification::Refused { delivery, reason },
            Signer::Unknown(why) => Verification::CertificateUnavailable {
                retry_after_s: why.retry_after_s(),
                why,
            },
        }
    }

    /// Fetches the certificate from the documented URL, if that is allowed and not known yet, so
    /// that the first push need not wait for it. A failure is logged and changes nothing.
    pub async fn warm_up(&self) {
        let allowed = urls::allow(DOCUMENTED_CERTIFICATE_URL, &self.certificate_urls);
        if let Ok(url) = allowed
            && self.certificates.known(&url).is_empty()
        {
            // Whether it went well is in the log, and a push that needs it asks again.
            let _ = self.certificates.fetch(&url).await;
        }
    }

    /// Fetches the certificate that a push names, if that is allowed and not known yet. A failure
    /// changes nothing.
    pub async fn learn(&self, headers: &Headers) -> Result<(), CertificateUnavailable> {
        let trusts_test_key = self.test_certificate.is_some();
        let named = head::named_in(headers, &self.certificate_urls, trusts_test_key);
        if let Some(NamedCertificate::At(url)) = named
            && self.certificates.known(&url).is_empty()
        {
            self.certificates.fetch(&url).await?;
        }
        Ok(())
    }

    /// Returns the certificate to check a push with: the one at the URL it names, as far as it is
    /// in memory, else the bundled one if it stands for that URL. Nothing is fetched.
    pub fn certificate_for(&self, headers: &Headers) -> Option<Certificate> {
        let trusts_test_key = self.test_certificate.is_some();
        match head::named_in(headers, &self.certificate_urls, trusts_test_key)? {
            NamedCertificate::TestKey => self.test_certificate.clone(),
            NamedCertificate::At(url) => {
                let known = self.certificates.known(&url);
                let known = known.first().map(|fetched| fetched.certificate.clone());
                known.or_else(|| self.bundled_for(&url).cloned())
            }
        }
    }

    /// Explains a push as it looks with what is in memory, as of `at`. Nothing is fetched.
    pub fn explain(&self, capture: &Capture, at: Timestamp) -> Explanation {
        let certificate = self.certificate_for(&capture.headers);
        let evidence = Evidence {
            certificate: certificate.as_ref(),
            now: at,
            date_window_ms: Some(self.date_window_ms),
            certificate_urls: &self.certificate_urls,
            trusts_test_key: self.test_certificate.is_some(),
            public_prefix: &self.public_prefix,
            paths: &[],
        };
        explain::explain(capture, &evidence)
    }

    /// Returns what is known now, by URL, the bundled certificate last.
    pub fn status(&self) -> Vec<CertificateStatus> {
        let fetched = self.certificates.all();
        let fetched = fetched.iter().map(|(fetched, has_verified)| {
            let kept = &fetched.kept;
            let origin = Some((kept.url.clone(), kept.fetched_at));
            CertificateStatus::of(&fetched.certificate, origin, *has_verified)
        });
        let bundled = self.bundled_certificate.iter();
        let bundled = bundled.map(|bundled| CertificateStatus::of(bundled, None, false));
        fetched.chain(bundled).collect()
    }

    /// Returns what may have been signed: the push as it came, and as it was before a proxy
    /// stripped the configured prefix from its path.
    fn signed_texts(&self, delivery: &Delivery) -> Vec<Vec<u8>> {
        let text_of = |target: &str| string_to_sign::string_to_sign(target, &delivery.headers);
        let mut texts = vec![text_of(&delivery.target)];
        if !self.public_prefix.is_empty() {
            texts.push(text_of(&format!(
                "{}{}",
                self.public_prefix, delivery.target
            )));
        }
        texts
    }

    fn check_with_test_key(&self, push: &SignedPush<'_>) -> Signer {
        match &self.test_certificate {
            Some(certificate) if push.is_signed_by(certificate) => {
                Signer::Found { first_use: None }
            }
            Some(_) | None => Signer::None(RefusalReason::SignatureWrong),
        }
    }

    /// Finds the certificate at `url` that the push is signed with: the known one, else, if
    /// `may_fetch`, the one that is there now, else the bundled one.
    async fn find_signer(
        &self,
        url: &CertificateUrl,
        push: &SignedPush<'_>,
        may_fetch: bool,
    ) -> Signer {
        let known = self.certificates.known(url);
        if let Some(signer) = known
            .iter()
            .find(|known| push.is_signed_by(&known.certificate))
        {
            return self.found(signer);
        }
        let fetched = if may_fetch {
            Some(self.certificates.fetch(url).await)
        } else {
            None
        };
        match fetched {
            Some(Ok(fetched)) if push.is_signed_by(&fetched.certificate) => self.found(&fetched),
            Some(Ok(_)) => Signer::None(RefusalReason::SignatureWrong),
            // What is known of the URL outranks the bundled certificate and a failed fetch.
            Some(Err(_)) | None if !known.is_empty() => Signer::None(RefusalReason::SignatureWrong),
            Some(Err(_)) | None if self.is_signed_by_bundled(url, push) => {
                Signer::Found { first_use: None }
            }
            Some(Err(CertificateUnavailable::Fetch(FetchError::Malformed(_)))) => {
                Signer::None(RefusalReason::CertificateMalformed)
            }
            Some(Err(why)) => Signer::Unknown(why),
            None => Signer::None(RefusalReason::CertificateNotFetched),
        }
    }

    fn found(&self, signer: &Arc<Fetched>) -> Signer {
        Signer::Found {
            first_use: self.certificates.note_verified(signer),
        }
    }

    fn is_signed_by_bundled(&self, url: &CertificateUrl, push: &SignedPush<'_>) -> bool {
        let bundled = self.bundled_for(url);
        bundled.is_some_and(|bundled| push.is_signed_by(bundled))
    }

    /// Returns the bundled certificate if `url` is on its host: SMQ's key speaks for no other.
    fn bundled_for(&self, url: &CertificateUrl) -> Option<&Certificate> {
        let documented = self.documented_url.as_ref()?;
        let bundled = self.bundled_certificate.as_ref()?;
        (documented.host() == url.host()).then_some(bundled)
    }
}

/// A push's signature and what it may be the signature of.
struct SignedPush<'a> {
    signature: &'a [u8],
    texts: Vec<Vec<u8>>,
}

impl SignedPush<'_> {
    fn is_signed_by(&self, certificate: &Certificate) -> bool {
        let mut texts = self.texts.iter();
        texts.any(|text| certificate.key.holds(text, self.signature))
    }
}

/// Whose signature a push carries.
enum Signer {
    /// One whose certificate the push names.
    Found {
        first_use: Option<KnownCertificate>,
    },
    None(RefusalReason),
    Unknown(CertificateUnavailable),
}

/// Judges a push whose signature holds.
fn judge(
    delivery: Delivery,
    is_on_time: bool,
    first_use: Option<KnownCertificate>,
) -> Verification {
    let has_checksum = delivery
        .headers
        .first("content-md5")
        .is_some_and(|header| checksum::matching_encoding(header, &delivery.body).is_some());
    let reason = if !is_on_time {
        Some(HoldReason::Date)
    } else if !has_checksum {
        Some(HoldReason::BodyChecksum)
    } else {
        None
    };
    let delivery = Verified(delivery);
    match reason {
        Some(reason) => Verification::Unfit {
            delivery,
            reason,
            first_use,
        },
        None => Verification::Good {
            delivery,
            first_use,
        },
    }
}

/// Tells whether `date` is at most `window_ms` from `now`, either way.
fn is_in_window(date: Timestamp, now: Timestamp, window_ms: i64) -> bool {
    (-window_ms..=window_ms).contains(&date.since_ms(now))
}

impl CertificateStatus {
    /// Reads what was kept of a certificate that has verified a push; `None` if it is none.
    pub fn of_kept(known: &KnownCertificate) -> Option<CertificateStatus> {
        let certificate = Certificate::parse(&known.bytes).ok()?;
        let origin = Some((known.url.clone(), known.fetched_at));
        Some(CertificateStatus::of(&certificate, origin, true))
    }

    fn of(
        certificate: &Certificate,
        origin: Option<(String, Timestamp)>,
        has_verified: bool,
    ) -> CertificateStatus {
        let (url, fetched_at) = origin.unzip();
        CertificateStatus {
            url,
            key_bits: certificate.key_bits,
            subject: shown::line(certificate.subject.as_bytes(), explain::VALUE_BYTES_MAX),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            fingerprint: certificate.fingerprint.clone(),
            fetched_at,
            has_verified,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rsa::RsaPrivateKey;

    use super::*;
    use crate::notification::capture;
    use crate::signature::certificates::REFETCH_AFTER_MS;
    use crate::signature::loopback::{
        CERTIFICATE_512, CERTIFICATE_1024, Host, NOON, key_512, key_1024, ok, push, run, sign,
    };

    const BODY: &[u8] = b"<Notification>a body</Notification>";
    const REAL_PUSH: &[u8] = include_bytes!("../../tests/data/real-push-2015.http");

    fn options(patterns: Vec<UrlPattern>) -> (Clock, VerifierOptions) {
        let clock = Clock::standing_at(NOON);
        let mut options = VerifierOptions::new(clock.clone());
        options.certificate_urls = patterns;
        (clock, options)
    }

    fn verifier_for(host: &Host) -> (Clock, Verifier) {
        let (clock, options) = options(vec![host.pattern()]);
        (clock, Verifier::new(options).unwrap())
    }

    /// Returns a verifier that knows the 512-bit certificate of the tests under `URL`.
    fn verifier_that_knows() -> (Clock, Verifier) {
        let (clock, mut options) = options(vec![UrlPattern::parse("https://h/").unwrap()]);
        options.kept = vec![kept(URL, CERTIFICATE_512)];
        (clock, Verifier::new(options).unwrap())
    }

    const URL: &str = "https://h/a.pem";

    fn kept(url: &str, bytes: &[u8]) -> KnownCertificate {
        KnownCertificate {
            url: url.to_owned(),
            bytes: bytes.to_vec(),
            fetched_at: NOON,
        }
    }

    fn verify_if(verifier: &Verifier, delivery: Delivery, worth_fetching: bool) -> Verification {
        match verifier.check_head(&delivery.headers) {
            Ok(head) => run(verifier.verify(head, delivery, worth_fetching)),
            Err(reason) => Verification::Refused { delivery, reason },
        }
    }

    fn verify(verifier: &Verifier, delivery: Delivery) -> Verification {
        verify_if(verifier, delivery, true)
    }

    /// Returns what came of a push in a word, and which certificate is to be kept.
    fn words(verification: Verification) -> (String, Option<KnownCertificate>) {
        match verification {
            Verification::Good { first_use, .. } => ("good".to_owned(), first_use),
            Verification::Unfit {
                reason, first_use, ..
            } => (reason.word().to_owned(), first_use),
            Verification::Refused { reason, .. } => (reason.word().to_owned(), None),
            Verification::CertificateUnavailable { retry_after_s, .. } => {
                assert!(retry_after_s > 0);
                ("unavailable".to_owned(), None)
            }
        }
    }

    fn word(verification: Verification) -> String {
        words(verification).0
    }

    #[test]
    fn a_good_push_is_verified_and_its_certificate_is_to_be_kept_once() {
        let host = Host::serving(CERTIFICATE_512);
        let (_, verifier) = verifier_for(&host);
        let url = format!("{}/a.pem", host.base());
        let delivery = push(&key_512(), &url, BODY);

        let Verification::Good {
            delivery: proof,
            first_use,
        } = verify(&verifier, delivery.clone())
        else {
            panic!("not good");
        };
        assert_eq!(*proof, delivery);
        assert_eq!(proof.into_inner(), delivery);
        assert_eq!(first_use, Some(kept(&url, CERTIFICATE_512)));
        assert_eq!(
            words(verify(&verifier, delivery)),
            ("good".to_owned(), None)
        );
        assert_eq!(host.asked(), ["/a.pem"]);
    }

    #[test]
    fn a_kept_certificate_needs_no_network() {
        let (_, verifier) = verifier_that_knows();
        let found = words(verify(&verifier, push(&key_512(), URL, BODY)));
        assert_eq!(found, ("good".to_owned(), None));
    }

    #[test]
    fn a_kept_certificate_from_a_place_no_longer_allowed_is_not_used() {
        let (_, mut options) = options(vec![UrlPattern::parse("https://other/").unwrap()]);
        options.kept = vec![kept(URL, CERTIFICATE_512)];
        let verifier = Verifier::new(options).unwrap();
        assert_eq!(verifier.status().len(), 1);
        let found = word(verify(&verifier, push(&key_512(), URL, BODY)));
        assert_eq!(found, "certificate_url_not_allowed");
    }

    #[test]
    fn no_bit_of_a_signed_header_of_the_target_or_of_the_body_may_differ() {
        let (_, verifier) = verifier_that_knows();
        let good = push(&key_512(), URL, BODY);
        let changed = |change: &mut dyn FnMut(&mut Delivery)| {
            let mut delivery = good.clone();
            change(&mut delivery);
            word(verify_if(&verifier, delivery, false))
        };
        assert_eq!(changed(&mut |_| ()), "good");
        for (name, value) in good
            .headers
            .iter()
            .filter(|(name, _)| string_to_sign::is_signed(name))
        {
            for place in 0..value.len() * 8 {
                let mut value = value.to_vec();
                value[place / 8] ^= 1 << (place % 8);
                let found = changed(&mut |delivery| delivery.headers.set(name, value.clone()));
                assert_ne!(found, "good", "{name}, bit {place}");
                assert!(
                    HoldReason::from_word(&found).is_none(),
                    "{name}, bit {place}: {found}"
                );
            }
            assert_ne!(
                changed(&mut |delivery| delivery.headers.remove(name)),
                "good",
                "{name}"
            );
        }
        for place in 0..good.target.len() * 7 {
            let mut target = good.target.clone().into_bytes();
            target[place / 7] ^= 1 << (place % 7);
            let target = String::from_utf8(target).unwrap();
            let found = changed(&mut |delivery| delivery.target.clone_from(&target));
            assert_eq!(found, "signature_wrong", "{target}");
        }
        for place in 0..BODY.len() * 8 {
            let found = changed(&mut |delivery| delivery.body[place / 8] ^= 1 << (place % 8));
            assert_eq!(found, "body_checksum", "bit {place}");
        }
        let unsigned = changed(&mut |delivery| delivery.headers.set("host", "other"));
        assert_eq!(unsigned, "good");
    }

    #[test]
    fn header_bytes_that_are_no_utf_8_are_signed_as_they_are() {
        let (_, verifier) = verifier_that_knows();
        let mut delivery = push(&key_512(), URL, BODY);
        delivery.headers.add("x-mns-message-tag", &b"\xff\xfe"[..]);
        sign(&key_512(), &mut delivery);
        assert_eq!(word(verify(&verifier, delivery)), "good");
    }

    #[test]
    fn every_way_to_write_the_checksum_is_accepted_and_a_missing_one_is_held() {
        let (_, verifier) = verifier_that_knows();
        let cases = [
            (Some("ED076287532E86365E841E92BFC50D8C"), "good"),
            (Some("7Qdih1MuhjZehB6Sv8UNjA=="), "good"),
            (Some("RUQwNzYyODc1MzJFODYzNjVFODQxRTkyQkZDNTBEOEM="), "good"),
            (Some("ED076287532E86365E841E92BFC50D8D"), "body_checksum"),
            (None, "body_checksum"),
        ];
        for (md5, expected) in cases {
            let mut delivery = push(&key_512(), URL, b"Hello World!");
            delivery.headers.remove("content-md5");
            if let Some(md5) = md5 {
                delivery.headers.add("content-md5", md5);
            }
            sign(&key_512(), &mut delivery);
            assert_eq!(word(verify(&verifier, delivery)), expected, "{md5:?}");
        }
    }

    #[test]
    fn a_date_at_the_edge_of_the_window_passes_and_beyond_it_is_held() {
        let (clock, verifier) = verifier_that_knows();
        for (ms, expected) in [
            (-DATE_WINDOW_MS - 1, "date"),
            (-DATE_WINDOW_MS, "good"),
            (DATE_WINDOW_MS, "good"),
            (DATE_WINDOW_MS + 1, "date"),
        ] {
            clock.set(NOON.plus_ms(ms));
            let found = word(verify(&verifier, push(&key_512(), URL, BODY)));
            assert_eq!(found, expected, "{ms} ms");
        }
    }

    #[test]
    fn nothing_is_fetched_for_a_push_that_would_not_pass_anyway() {
        let host = Host::serving(CERTIFICATE_512);
        let (clock, verifier) = verifier_for(&host);
        let delivery = push(&key_512(), &format!("{}/a.pem", host.base()), BODY);
        let found = word(verify_if(&verifier, delivery.clone(), false));
        assert_eq!(found, "certificate_not_fetched");
        clock.set(NOON.plus_ms(DATE_WINDOW_MS + 1));
        assert_eq!(
            word(verify(&verifier, delivery.clone())),
            "certificate_not_fetched"
        );
        assert_eq!(host.asked(), Vec::<String>::new());

        clock.set(NOON);
        assert_eq!(word(verify(&verifier, delivery.clone())), "good");
        // With the certificate known, both are judged.
        assert_eq!(word(verify_if(&verifier, delivery.clone(), false)), "good");
        clock.set(NOON.plus_ms(2 * DATE_WINDOW_MS));
        assert_eq!(word(verify(&verifier, delivery)), "date");
        let forged = push(&key_1024(), &format!("{}/a.pem", host.base()), BODY);
        assert_eq!(word(verify(&verifier, forged)), "signature_wrong");
        assert_eq!(host.asked().len(), 1);
    }

    #[test]
    fn a_certificate_url_on_another_host_is_refused_without_fetching_it() {
        let host = Host::serving(CERTIFICATE_512);
        let other = Host::serving(CERTIFICATE_512);
        let (_, verifier) = verifier_for(&host);
        let delivery = push(&key_512(), &format!("{}/a.pem", other.base()), BODY);
        assert_eq!(
            word(verify(&verifier, delivery)),
            "certificate_url_not_allowed"
        );
        assert_eq!(other.asked(), Vec::<String>::new());
        assert_eq!(host.asked(), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_certificate_refuses_the_push_and_what_is_not_there_does_not() {
        let not_found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        let cases = [
            (ok(b"<html>no</html>"), "certificate_malformed"),
            (ok(&vec![b'a'; 10 * 1024 * 1024]), "certificate_malformed"),
            (not_found, "unavailable"),
            (
                b"HTTP/1.1 302 Found\r\nLocation: /b.pem\r\nContent-Length: 0\r\n\r\n".to_vec(),
                "unavailable",
            ),
            (Vec::new(), "unavailable"),
        ];
        for (answer, expected) in cases {
            let host = Host::start(move |_| Some(answer.clone()));
            let (_, verifier) = verifier_for(&host);
            let delivery = push(&key_512(), &format!("{}/a.pem", host.base()), BODY);
            assert_eq!(word(verify(&verifier, delivery.clone())), expected);
            assert_eq!(word(verify(&verifier, delivery)), expected);
            assert_eq!(host.asked().len(), 1);
        }
    }

    #[test]
    fn bad_signatures_have_the_certificate_fetched_again_once_a_minute_at_most() {
        let host = Host::serving(CERTIFICATE_512);
        let (clock, verifier) = verifier_for(&host);
        let url = format!("{}/a.pem", host.base());
        assert_eq!(
            word(verify(&verifier, push(&key_512(), &url, BODY))),
            "good"
        );
        for (minute, requests) in [(0, 1), (1, 2), (2, 3)] {
            clock.set(NOON.plus_ms(minute * REFETCH_AFTER_MS));
            for key in [key_1024(), other_key_512()] {
                let found = word(verify(&verifier, push(&key, &url, BODY)));
                assert_eq!(found, "signature_wrong");
                assert_eq!(host.asked().len(), requests);
            }
        }
    }

    /// Returns a key of the same length as the one that the certificate is of.
    fn other_key_512() -> RsaPrivateKey {
        RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 512).unwrap()
    }

    #[test]
    fn a_replaced_certificate_is_found_kept_and_outranks_the_old_one() {
        let body = Arc::new(Mutex::new(CERTIFICATE_512.to_vec()));
        let host = Host::serving_what_is_in(&body);
        let (clock, verifier) = verifier_for(&host);
        let url = format!("{}/a.pem", host.base());
        let old_push = push(&key_512(), &url, BODY);
        let new_push = push(&key_1024(), &url, BODY);
        assert_eq!(word(verify(&verifier, old_push.clone())), "good");

        clock.set(NOON.plus_ms(REFETCH_AFTER_MS));
        *body.lock().unwrap() = CERTIFICATE_1024.to_vec();
        // A forged push finds the new file first; the old certificate goes on for now.
        let forged = push(&other_key_512(), &url, BODY);
        assert_eq!(word(verify(&verifier, forged)), "signature_wrong");
        assert_eq!(
            words(verify(&verifier, old_push.clone())),
            ("good".to_owned(), None)
        );
        let expected = KnownCertificate {
            fetched_at: clock.now(),
            ..kept(&url, CERTIFICATE_1024)
        };
        let found = words(verify(&verifier, new_push));
        assert_eq!(found, ("good".to_owned(), Some(expected)));
        assert_eq!(host.asked().len(), 2);
        assert_eq!(word(verify(&verifier, old_push)), "signature_wrong");
    }

    #[test]
    fn a_kept_certificate_outlives_a_host_that_is_down() {
        let host = Host::serving(b"<html>maintenance</html>");
        let (_, mut options) = options(vec![host.pattern()]);
        let url = format!("{}/a.pem", host.base());
        options.kept = vec![kept(&url, CERTIFICATE_512)];
        let verifier = Verifier::new(options).unwrap();
        assert_eq!(
            word(verify(&verifier, push(&key_1024(), &url, BODY))),
            "signature_wrong"
        );
        assert_eq!(
            word(verify(&verifier, push(&key_512(), &url, BODY))),
            "good"
        );
        assert_eq!(host.asked().len(), 1);
    }

    #[test]
    fn the_path_before_a_rewriting_proxy_is_tried_if_it_is_configured() {
        for (prefix, expected) in [
            ("/sink", "good"),
            ("/other", "signature_wrong"),
            ("", "signature_wrong"),
        ] {
            let (_, mut options) = options(vec![UrlPattern::parse("https://h/").unwrap()]);
            options.kept = vec![kept(URL, CERTIFICATE_512)];
            options.public_prefix = prefix.to_owned();
            let verifier = Verifier::new(options).unwrap();
            let mut delivery = push(&key_512(), URL, BODY);
            delivery.target = "/sink/notifications/secret".to_owned();
            sign(&key_512(), &mut delivery);
            delivery.target = "/notifications/secret".to_owned();
            assert_eq!(word(verify_if(&verifier, delivery, false)), expected);
            let direct = push(&key_512(), URL, BODY);
            assert_eq!(word(verify(&verifier, direct)), "good");
        }
    }

    #[test]
    fn the_test_key_is_trusted_only_where_it_is_given_and_is_never_fetched() {
        let delivery = push(&key_512(), TEST_CERTIFICATE_URL, BODY);
        let everything = vec![UrlPattern::parse("https://mpsink.invalid/").unwrap()];
        let (_, without) = options(
            DEFAULT_CERTIFICATE_URLS
                .map(|it| it.parse().unwrap())
                .to_vec(),
        );
        let without = Verifier::new(without).unwrap();
        assert_eq!(
            word(verify(&without, delivery.clone())),
            "certificate_url_not_allowed"
        );

        let (_, mut with) = options(everything);
        with.test_key = Some(key_512().to_public_key());
        let with = Verifier::new(with).unwrap();
        assert_eq!(
            words(verify(&with, delivery.clone())),
            ("good".to_owned(), None)
        );
        let forged = push(&key_1024(), TEST_CERTIFICATE_URL, BODY);
        assert_eq!(word(verify(&with, forged)), "signature_wrong");
        assert!(with.explain(&Capture::of(&delivery), NOON).holds());
    }

    /// Returns a verifier with the documented patterns whose every fetch goes to a proxy that
    /// refuses it, and the proxy.
    fn verifier_behind_a_closed_proxy() -> (Host, Verifier) {
        let proxy =
            Host::start(|_| Some(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()));
        let mut options = VerifierOptions::new(Clock::standing_at(NOON));
        options.proxy = Some(proxy.base());
        let verifier = Verifier::new(options).unwrap();
        (proxy, verifier)
    }

    fn real_push(change: impl FnOnce(&mut Headers)) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut push = capture::parse(REAL_PUSH).unwrap();
        change(&mut push.headers);
        let signature =
            head::decode_signature(push.headers.first("authorization").unwrap()).unwrap();
        let text = string_to_sign::string_to_sign(&push.target, &push.headers);
        (signature, vec![text])
    }

    /// The captured push names no certificate URL, so it is handed in behind the head's check.
    fn find_signer(verifier: &Verifier, url: &str, may_fetch: bool, is_changed: bool) -> String {
        let (signature, texts) = real_push(|headers| {
            if is_changed {
                headers.set("x-mns-version", "2015-06-07");
            }
        });
        let push = SignedPush {
            signature: &signature,
            texts,
        };
        let url = CertificateUrl::known(url).unwrap();
        match run(verifier.find_signer(&url, &push, may_fetch)) {
            Signer::Found { first_use } => {
                assert_eq!(first_use, None);
                "found".to_owned()
            }
            Signer::None(reason) => reason.word().to_owned(),
            Signer::Unknown(_) => "unavailable".to_owned(),
        }
    }

    #[test]
    fn the_bundled_certificate_stands_in_when_the_network_is_down() {
        let (proxy, verifier) = verifier_behind_a_closed_proxy();
        let url = DOCUMENTED_CERTIFICATE_URL;
        assert_eq!(find_signer(&verifier, url, false, false), "found");
        assert_eq!(
            find_signer(&verifier, url, false, true),
            "certificate_not_fetched"
        );
        assert_eq!(proxy.asked(), Vec::<String>::new());
        assert_eq!(find_signer(&verifier, url, true, false), "found");
        assert_eq!(find_signer(&verifier, url, true, true), "unavailable");
        assert_eq!(proxy.asked(), ["mnstest.oss-cn-hangzhou.aliyuncs.com:443"]);
    }

    #[test]
    fn the_bundled_certificate_speaks_for_no_other_host() {
        let (_, verifier) = verifier_behind_a_closed_proxy();
        assert_eq!(
            find_signer(&verifier, URL, false, false),
            "certificate_not_fetched"
        );
        assert_eq!(find_signer(&verifier, URL, true, false), "unavailable");
    }

    #[test]
    fn the_bundled_certificate_never_outranks_a_fetched_one() {
        let mut options = VerifierOptions::new(Clock::standing_at(NOON));
        options.kept = vec![kept(DOCUMENTED_CERTIFICATE_URL, CERTIFICATE_512)];
        let verifier = Verifier::new(options).unwrap();
        let found = find_signer(&verifier, DOCUMENTED_CERTIFICATE_URL, false, false);
        assert_eq!(found, "signature_wrong");
    }

    #[test]
    fn warming_up_asks_for_the_documented_url_unless_it_is_known_or_not_allowed() {
        let (proxy, verifier) = verifier_behind_a_closed_proxy();
        run(verifier.warm_up());
        assert_eq!(proxy.asked(), ["mnstest.oss-cn-hangzhou.aliyuncs.com:443"]);

        for change in [
            |options: &mut VerifierOptions| {
                options.kept = vec![kept(DOCUMENTED_CERTIFICATE_URL, CERTIFICATE_512)];
            },
            |options: &mut VerifierOptions| options.certificate_urls.clear(),
        ] {
            let quiet = Host::serving(b"");
            let mut options = VerifierOptions::new(Clock::standing_at(NOON));
            options.proxy = Some(quiet.base());
            change(&mut options);
            run(Verifier::new(options).unwrap().warm_up());
            assert_eq!(quiet.asked(), Vec::<String>::new());
        }
    }

    #[test]
    fn an_unusable_proxy_is_said_at_the_start() {
        let (_, mut options) = options(Vec::new());
        options.proxy = Some("no proxy".to_owned());
        assert!(Verifier::new(options).is_err());
    }

    #[test]
    fn the_status_names_each_certificate_and_the_bundled_one() {
        let host = Host::serving(CERTIFICATE_1024);
        let (_, mut options) = options(vec![
            host.pattern(),
            UrlPattern::parse("https://h/").unwrap(),
        ]);
        options.kept = vec![kept(URL, CERTIFICATE_512)];
        let verifier = Verifier::new(options).unwrap();
        let other = format!("{}/b.pem", host.base());
        assert_eq!(
            word(verify(&verifier, push(&key_512(), &other, BODY))),
            "signature_wrong"
        );
        let status: Vec<_> = verifier
            .status()
            .into_iter()
            .map(|one| (one.url, one.key_bits, one.has_verified, one.fetched_at))
            .collect();
        let expected = [
            (Some(other), 1024, false, Some(NOON)),
            (Some(URL.to_owned()), 512, true, Some(NOON)),
            (None, 512, false, None),
        ];
        assert_eq!(status, expected);
    }

    #[test]
    fn a_known_certificate_answers_without_a_runtime_for_fetching() {
        let (_, verifier) = verifier_that_knows();
        let delivery = push(&key_512(), URL, BODY);
        let head = verifier.check_head(&delivery.headers).unwrap();
        // Polled by hand: it may neither spawn nor wait.
        let future = std::pin::pin!(verifier.verify(head, delivery, true));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(found) = future.poll(&mut context) else {
            panic!("waited");
        };
        assert_eq!(word(found), "good");
    }
}
