//! The certificates that are known, and the rules for getting to know another one.
//!
//! How it is used: `known` answers from memory; `fetch` goes to the network, or waits for one who
//! already does, or says at once why not; `note_verified` is told which certificate a signature
//! held with. The state is behind a lock that is never held while anything is waited for.
//!
//! What must hold:
//! - At most [`CERTIFICATES_MAX`] URLs are kept. One that has verified a push is never evicted for
//!   one that has not: a stranger can name new files for ever, but cannot have them sign.
//! - A certificate that was fetched again and differs waits beside the old one until a signature
//!   holds with it, and then replaces it: the file had been replaced.
//! - One fetch in flight per URL, at most [`FETCHES_PER_MINUTE_MAX`] begun in any minute, a URL that
//!   gave a certificate asked again after a minute at the earliest, one that failed after
//!   [`FAILURE_REMEMBERED_MS`]. So a flood of bad pushes costs the certificate's host nothing, and
//!   nobody waits longer than one fetch may take.
//!
//! Deliberately not here: what a signature is, and which URLs are allowed.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::{task, time};

use crate::causes::chain;
use crate::clock::{Clock, Timestamp};
use crate::metrics::Metrics;
use crate::signature::certificate::Certificate;
use crate::signature::fetch::{FetchError, Fetcher};
use crate::signature::urls::CertificateUrl;

/// The most certificate URLs kept in memory. SMQ has used one for a decade.
pub const CERTIFICATES_MAX: usize = 16;

/// The most fetches begun in any minute, over all URLs. Each URL has two or three at most in a
/// healthy minute, at start and when the file was replaced.
pub const FETCHES_PER_MINUTE_MAX: usize = 4;

/// How long a URL that gave a certificate is not asked again, in milliseconds.
pub const REFETCH_AFTER_MS: i64 = MINUTE_MS;

/// How long a failed fetch is remembered, in milliseconds: as long as SMQ waits before it tries
/// again, and so that one URL that keeps failing stays within the fetches of a minute.
pub const FAILURE_REMEMBERED_MS: i64 = 15_000;

/// The most failed URLs remembered. More than can fail within the time they are remembered.
const FAILURES_MAX: usize = 2 * FETCHES_PER_MINUTE_MAX;

/// The most URLs being fetched at once: a fetch ends within seconds, so only a clock that was set
/// back lets more than a minute's fetches overlap.
const IN_FLIGHT_MAX: usize = FETCHES_PER_MINUTE_MAX;

const MINUTE_MS: i64 = 60_000;

/// A certificate as it is kept in the database, so that a restart needs no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCertificate {
    /// As fetched: https, unless the operator's pattern says otherwise.
    pub url: String,
    /// What the URL gave, PEM or DER. At most 64 KiB.
    pub bytes: Vec<u8>,
    pub fetched_at: Timestamp,
}

/// A certificate in memory, with what is kept of it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) certificate: Certificate,
    pub(super) kept: KnownCertificate,
}

/// Why a certificate is not to be had.
#[derive(Clone, Debug, Error)]
pub enum CertificateUnavailable {
    /// The fetch failed, just now or moments ago.
    #[error("cannot get the certificate")]
    Fetch(#[source] FetchError),
    /// Certificates were fetched too often in the last minute.
    #[error("cannot fetch another certificate within this minute")]
    TooManyFetches,
    /// Whoever was fetching it has taken too long or has broken off.
    #[error("cannot wait any longer for the certificate")]
    WaitedTooLong,
}

/// The certificates in memory; clones share them.
#[derive(Clone)]
pub(super) struct Certificates {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    fetcher: Fetcher,
    timeout: Duration,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    in_flight: HashMap<String, Waiting>,
    failures: Vec<(String, Timestamp, FetchError)>,
    /// When the latest fetches began, at most [`FETCHES_PER_MINUTE_MAX`].
    begun: Vec<Timestamp>,
}

/// What is known of one URL.
struct Entry {
    current: Arc<Fetched>,
    has_verified: bool,
    /// What the URL gave later, until a signature holds with it. Only where `has_verified`.
    successor: Option<Arc<Fetched>>,
    /// When the URL last gave a certificate to this process; `None` for one from the database.
    asked_at: Option<Timestamp>,
    used_at: Timestamp,
}

type FetchResult = Result<Arc<Fetched>, CertificateUnavailable>;
type Waiting = watch::Receiver<Option<FetchResult>>;

/// What [`Certificates::fetch`] does, decided under the lock.
enum Step {
    Answer(FetchResult),
    WaitFor(Waiting),
    Fetch(Waiting, InFlight),
}

/// The duty to report a fetch to those who wait for it, also if it panics.
struct InFlight {
    certificates: Certificates,
    url: CertificateUrl,
    sender: watch::Sender<Option<FetchResult>>,
}

impl Certificates {
    /// `kept` are those that have verified a push before; of more than [`CERTIFICATES_MAX`] the
    /// latest are taken, and what is no certificate is left out.
    pub(super) fn new(
        clock: Clock,
        fetcher: Fetcher,
        timeout: Duration,
        mut kept: Vec<KnownCertificate>,
        metrics: Metrics,
    ) -> Certificates {
        let mut state = State::default();
        kept.sort_by_key(|known| known.fetched_at);
        for known in kept.into_iter().rev().take(CERTIFICATES_MAX) {
            state.preload(known);
        }
        Certificates {
            shared: Arc::new(Shared {
                clock,
                fetcher,
                timeout,
                metrics,
                state: Mutex::new(state),
            }),
        }
    }

    /// Returns what is in memory for `url`, at most two: the current certificate, then its
    /// successor.
    pub(super) fn known(&self, url: &CertificateUrl) -> Vec<Arc<Fetched>> {
        let state = self.lock();
        let entry = state.entries.get(url.as_str());
        entry.map(Entry::certificates).unwrap_or_default()
    }

    /// Returns the certificate at `url` as it is there now, or was at most a minute ago.
    pub(super) async fn fetch(&self, url: &CertificateUrl) -> FetchResult {
        let mut waiting = match self.next_step(url) {
            Step::Answer(result) => return result,
            Step::WaitFor(waiting) => waiting,
            Step::Fetch(waiting, in_flight) => {
                // Not awaited: whoever asked may go away, the others still get their answer.
                drop(task::spawn_blocking(move || in_flight.fetch()));
                waiting
            }
        };
        let wait = waiting.wait_for(Option::is_some);
        let waited = time::timeout(self.shared.timeout, wait).await;
        let given_up = Err(CertificateUnavailable::WaitedTooLong);
        match waited {
            Ok(Ok(result)) => (*result).clone().unwrap_or(given_up),
            Ok(Err(_)) | Err(_) => given_up,
        }
    }

    /// Notes that a signature held with `fetched`. Returns it on the first such signature, also
    /// after the file was replaced: then it is to be kept in the database.
    pub(super) fn note_verified(&self, fetched: &Arc<Fetched>) -> Option<KnownCertificate> {
        let now = self.shared.clock.now();
        let mut state = self.lock();
        let Some(entry) = state.entries.get_mut(&fetched.kept.url) else {
            state.insert(fetched, true, now);
            return Some(fetched.kept.clone());
        };
        let is_successor = entry
            .successor
            .as_ref()
            .is_some_and(|one| one.is_same_as(fetched));
        if is_successor {
            entry.successor = None;
            entry.current = Arc::clone(fetched);
            entry.has_verified = false;
        } else if !entry.current.is_same_as(fetched) {
            // Replaced while this push was being checked: the newer one stays.
            return None;
        }
        entry.used_at = now;
        let had_verified = mem::replace(&mut entry.has_verified, true);
        (!had_verified).then(|| fetched.kept.clone())
    }

    /// Returns each certificate in memory and whether a signature has held with it, by URL.
    pub(super) fn all(&self) -> Vec<(Arc<Fetched>, bool)> {
        let state = self.lock();
        let entries = state.entries.values();
        let mut all: Vec<_> = entries
            .flat_map(|entry| {
                let successor = entry.successor.iter().cloned().map(|one| (one, false));
                [(Arc::clone(&entry.current), entry.has_verified)]
                    .into_iter()
                    .chain(successor)
            })
            .collect();
        all.sort_by(|(one, _), (other, _)| one.kept.url.cmp(&other.kept.url));
        all
    }

    fn next_step(&self, url: &CertificateUrl) -> Step {
        let now = self.shared.clock.now();
        let mut state = self.lock();
        if let Some(entry) = state.entries.get(url.as_str())
            && entry
                .asked_at
                .is_some_and(|at| is_within(REFETCH_AFTER_MS, at, now))
        {
            let newest = entry.successor.as_ref().unwrap_or(&entry.current);
            return Step::Answer(Ok(Arc::clone(newest)));
        }
        if let Some(error) = state.recent_failure(url, now) {
            return Step::Answer(Err(CertificateUnavailable::Fetch(error)));
        }
        if let Some(waiting) = state.in_flight.get(url.as_str()) {
            return Step::WaitFor(waiting.clone());
        }
        if state.in_flight.len() >= IN_FLIGHT_MAX || !state.may_begin(now) {
            return Step::Answer(Err(CertificateUnavailable::TooManyFetches));
        }
        let (sender, waiting) = watch::channel(None);
        state
            .in_flight
            .insert(url.as_str().to_owned(), waiting.clone());
        let in_flight = InFlight {
            certificates: self.clone(),
            url: url.clone(),
            sender,
        };
        Step::Fetch(waiting, in_flight)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half changed, so a panic there harms nobody else.
        let lock = self.shared.state.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

impl CertificateUnavailable {
    /// Returns the seconds after which it is worth asking again.
    pub(super) fn retry_after_s(&self) -> u32 {
        match self {
            // When the failure is forgotten.
            CertificateUnavailable::Fetch(_) => 15,
            // When every fetch of now is a minute old.
            CertificateUnavailable::TooManyFetches => 60,
            // The fetch has ended by then, one way or the other.
            CertificateUnavailable::WaitedTooLong => 5,
        }
    }
}

impl State {
    fn preload(&mut self, known: KnownCertificate) {
        match Certificate::parse(&known.bytes) {
            Ok(certificate) => {
                let used_at = known.fetched_at;
                let fetched = Arc::new(Fetched {
                    certificate,
                    kept: known,
                });
                // The later of two under one URL came first.
                if !self.entries.contains_key(&fetched.kept.url) {
                    self.insert(&fetched, true, used_at);
                }
            }
            Err(error) => tracing::warn!(
                url = known.url,
                error = chain(&error),
                "a certificate in the database cannot be read, so it is fetched again when needed"
            ),
        }
    }

    /// Takes up what a URL gave just now.
    fn take_fetched(&mut self, fetched: &Arc<Fetched>, now: Timestamp) {
        match self.entries.get_mut(&fetched.kept.url) {
            Some(entry) => {
                if entry.current.is_same_as(fetched) {
                    entry.successor = None;
                } else if entry.has_verified {
                    entry.successor = Some(Arc::clone(fetched));
                } else {
                    entry.current = Arc::clone(fetched);
                }
            }
            None => self.insert(fetched, false, now),
        }
        if let Some(entry) = self.entries.get_mut(&fetched.kept.url) {
            entry.asked_at = Some(now);
        }
    }

    /// Puts a certificate in under a URL of which none is known. For one that has not verified a
    /// push there may be no room.
    fn insert(&mut self, fetched: &Arc<Fetched>, has_verified: bool, now: Timestamp) {
        if self.entries.len() >= CERTIFICATES_MAX {
            let evictable = self
                .entries
                .iter()
                .filter(|(_, entry)| has_verified || !entry.has_verified);
            let oldest = evictable
                .min_by_key(|(_, entry)| (entry.has_verified, entry.used_at))
                .map(|(url, _)| url.clone());
            let Some(oldest) = oldest else { return };
            self.entries.remove(&oldest);
        }
        let entry = Entry {
            current: Arc::clone(fetched),
            has_verified,
            successor: None,
            asked_at: None,
            used_at: now,
        };
        self.entries.insert(fetched.kept.url.clone(), entry);
    }

    fn recent_failure(&self, url: &CertificateUrl, now: Timestamp) -> Option<FetchError> {
        let recent = self.failures.iter().find(|(failed, at, _)| {
            failed == url.as_str() && is_within(FAILURE_REMEMBERED_MS, *at, now)
        });
        recent.map(|(_, _, error)| error.clone())
    }

    fn note_failure(&mut self, url: &CertificateUrl, now: Timestamp, error: FetchError) {
        self.failures.retain(|(failed, at, _)| {
            failed != url.as_str() && is_within(FAILURE_REMEMBERED_MS, *at, now)
        });
        self.failures.truncate(FAILURES_MAX - 1);
        self.failures.push((url.as_str().to_owned(), now, error));
    }

    /// Tells whether a fetch may begin now, and counts it if so.
    fn may_begin(&mut self, now: Timestamp) -> bool {
        self.begun.retain(|at| is_within(MINUTE_MS, *at, now));
        let may = self.begun.len() < FETCHES_PER_MINUTE_MAX;
        if may {
            self.begun.push(now);
        }
        may
    }
}

impl Entry {
    fn certificates(&self) -> Vec<Arc<Fetched>> {
        let successor = self.successor.iter();
        [&self.current]
            .into_iter()
            .chain(successor)
            .cloned()
            .collect()
    }
}

impl Fetched {
    pub(super) fn is_same_as(&self, other: &Fetched) -> bool {
        self.certificate.fingerprint == other.certificate.fingerprint
    }
}

impl InFlight {
    fn fetch(self) {
        let shared = &self.certificates.shared;
        let result = shared.fetcher.fetch(&self.url);
        let now = shared.clock.now();
        shared.metrics.certificate_fetched(result.is_ok());
        let mut state = self.certificates.lock();
        let result = match result {
            Ok((certificate, bytes)) => {
                tracing::info!(
                    url = self.url.as_str(),
                    key_bits = certificate.key_bits,
                    fingerprint = certificate.fingerprint,
                    "fetched a certificate"
                );
                let kept = KnownCertificate {
                    url: self.url.as_str().to_owned(),
                    bytes,
                    fetched_at: now,
                };
                let fetched = Arc::new(Fetched { certificate, kept });
                state.take_fetched(&fetched, now);
                Ok(fetched)
            }
            Err(error) => {
                tracing::warn!(
                    url = self.url.as_str(),
                    error = chain(&error),
                    "cannot get a certificate"
                );
                state.note_failure(&self.url, now, error.clone());
                Err(CertificateUnavailable::Fetch(error))
            }
        };
        // In the same breath as the result is taken up, so that nobody begins a second fetch.
        state.in_flight.remove(self.url.as_str());
        drop(state);
        self.sender.send_replace(Some(result));
    }
}

/// A fetch that did not come to its end must not leave its URL in flight for ever.
impl Drop for InFlight {
    fn drop(&mut self) {
        if self.sender.borrow().is_none() {
            self.certificates.lock().in_flight.remove(self.url.as_str());
        }
    }
}

/// Tells whether `at` is less than `ms` before `now`. What lies in the future is not: the clock was
/// set back, and a rule must not last until the old time comes again.
fn is_within(ms: i64, at: Timestamp, now: Timestamp) -> bool {
    (0..ms).contains(&now.since_ms(at))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::signature::loopback::{CERTIFICATE_512, CERTIFICATE_1024, Host, NOON, ok, run};

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn certificates(clock: &Clock, timeout: Duration) -> Certificates {
        let fetcher = Fetcher::new(None, timeout).unwrap();
        Certificates::new(clock.clone(), fetcher, timeout, Vec::new(), Metrics::new())
    }

    fn noon() -> (Clock, Certificates) {
        let clock = Clock::standing_at(NOON);
        let certificates = certificates(&clock, TIMEOUT);
        (clock, certificates)
    }

    fn fetch_error(result: FetchResult) -> FetchError {
        match result.unwrap_err() {
            CertificateUnavailable::Fetch(error) => error,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_fetched_certificate_is_known_and_not_fetched_again_within_a_minute() {
        let host = Host::serving(CERTIFICATE_512);
        let (clock, certificates) = noon();
        let url = host.url("/a.pem");
        assert!(certificates.known(&url).is_empty());

        for ms in [0, 1, REFETCH_AFTER_MS - 1] {
            clock.set(NOON.plus_ms(ms));
            let fetched = run(certificates.fetch(&url)).unwrap();
            assert_eq!(fetched.certificate.key_bits, 512);
            assert_eq!(fetched.kept.bytes, CERTIFICATE_512);
            assert_eq!(fetched.kept.fetched_at, NOON);
        }
        assert_eq!(host.asked(), ["/a.pem"]);
        assert_eq!(certificates.known(&url).len(), 1);

        clock.set(NOON.plus_ms(REFETCH_AFTER_MS));
        run(certificates.fetch(&url)).unwrap();
        assert_eq!(host.asked().len(), 2);
    }

    #[test]
    fn what_a_host_gives_instead_of_a_certificate_is_malformed() {
        let huge = vec![b'a'; 10 * 1024 * 1024];
        for body in [b"<html>no</html>".as_slice(), b"", &huge] {
            let host = Host::serving(body);
            let (_, certificates) = noon();
            let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
            assert!(matches!(error, FetchError::Malformed(_)), "{error}");
            assert!(certificates.all().is_empty());
        }
    }

    #[test]
    fn a_certificate_of_64_kib_is_taken_and_one_byte_more_is_not() {
        let mut padded = CERTIFICATE_512.to_vec();
        padded.resize(64 * 1024, b'\n');
        for (extra, is_taken) in [(&b""[..], true), (&b"\n"[..], false)] {
            let host = Host::serving(&[&padded, extra].concat());
            let (_, certificates) = noon();
            assert_eq!(
                run(certificates.fetch(&host.url("/a.pem"))).is_ok(),
                is_taken
            );
        }
    }

    #[test]
    fn no_more_of_an_answer_is_read_than_can_be_a_certificate() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n".to_vec();
        let host = Host::start(move |_| Some([head.as_slice(), &vec![b'a'; 100_000]].concat()));
        let (_, certificates) = noon();
        let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
        // Had it been read on, the answer would have broken off.
        assert!(matches!(error, FetchError::Malformed(_)), "{error}");
    }

    #[test]
    fn a_redirect_is_a_failure_and_is_not_followed() {
        let target = Host::serving(CERTIFICATE_512);
        let location = format!("{}/b.pem", target.base());
        for status in [301, 302, 303, 307, 308] {
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            );
            let host = Host::start(move |_| Some(answer.clone().into_bytes()));
            let (_, certificates) = noon();
            let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
            assert!(
                matches!(error, FetchError::Status(other) if other == status),
                "{error}"
            );
        }
        assert_eq!(target.asked(), Vec::<String>::new());
    }

    #[test]
    fn any_status_but_200_is_a_failure_even_with_a_certificate_in_the_answer() {
        for status in [201, 206, 404, 500] {
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                CERTIFICATE_512.len()
            );
            let answer = [head.as_bytes(), CERTIFICATE_512].concat();
            let host = Host::start(move |_| Some(answer.clone()));
            let (_, certificates) = noon();
            let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
            assert!(
                matches!(error, FetchError::Status(other) if other == status),
                "{error}"
            );
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_a_failure() {
        let mut answer = ok(CERTIFICATE_512);
        answer.truncate(answer.len() - 1);
        let host = Host::start(move |_| Some(answer.clone()));
        let (_, certificates) = noon();
        let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
        assert!(matches!(error, FetchError::Body(_)), "{error}");
    }

    #[test]
    fn a_host_that_hangs_is_given_up_after_the_timeout() {
        let host = Host::start(|_| None);
        let certificates = certificates(&Clock::standing_at(NOON), Duration::from_millis(50));
        assert!(run(certificates.fetch(&host.url("/a.pem"))).is_err());
        // The runtime's end has waited for the fetch, so that it has reported its failure.
        let error = fetch_error(run(certificates.fetch(&host.url("/a.pem"))));
        assert!(matches!(error, FetchError::Network(_)), "{error}");
        assert!(host.asked().len() <= 1);
    }

    #[test]
    fn fifty_new_file_names_cost_four_fetches_a_minute() {
        let host =
            Host::start(|_| Some(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()));
        let (clock, certificates) = noon();
        let fetch_fifty = |minute: i64| {
            for name in 0..50 {
                let url = host.url(&format!("/{minute}-{name}.pem"));
                let error = run(certificates.fetch(&url)).unwrap_err();
                let is_asked = matches!(error, CertificateUnavailable::Fetch(_));
                assert_eq!(is_asked, name < 4, "{error}");
            }
        };
        fetch_fifty(0);
        assert_eq!(host.asked().len(), 4);
        clock.set(NOON.plus_ms(MINUTE_MS - 1));
        let url = host.url("/another.pem");
        let error = run(certificates.fetch(&url)).unwrap_err();
        assert!(
            matches!(error, CertificateUnavailable::TooManyFetches),
            "{error}"
        );
        clock.set(NOON.plus_ms(MINUTE_MS));
        fetch_fifty(1);
        assert_eq!(host.asked().len(), 8);
        assert!(certificates.lock().failures.len() <= FAILURES_MAX);
    }

    #[test]
    fn a_failure_is_remembered_for_its_time_and_then_the_url_is_asked_again() {
        let host = Host::serving(b"");
        let (clock, certificates) = noon();
        let url = host.url("/a.pem");
        for (ms, requests) in [
            (0, 1),
            (0, 1),
            (FAILURE_REMEMBERED_MS - 1, 1),
            (FAILURE_REMEMBERED_MS, 2),
        ] {
            clock.set(NOON.plus_ms(ms));
            assert!(run(certificates.fetch(&url)).is_err());
            assert_eq!(host.asked().len(), requests, "after {ms} ms");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_fetching() {
        let host = Host::serving(b"");
        let (clock, certificates) = noon();
        for name in 0..FETCHES_PER_MINUTE_MAX {
            assert!(run(certificates.fetch(&host.url(&format!("/{name}")))).is_err());
        }
        clock.set(NOON.plus_ms(-1));
        assert!(run(certificates.fetch(&host.url("/0"))).is_err());
        assert_eq!(host.asked().len(), FETCHES_PER_MINUTE_MAX + 1);
    }

    /// A host that answers only when told to, once for each message sent.
    fn gated_host() -> (Host, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let host = Host::start(move |_| {
            gate.lock().unwrap().recv().ok()?;
            Some(ok(CERTIFICATE_512))
        });
        (host, open)
    }

    fn spawn_fetch(
        certificates: &Certificates,
        url: &CertificateUrl,
    ) -> task::JoinHandle<FetchResult> {
        let (certificates, url) = (certificates.clone(), url.clone());
        tokio::spawn(async move { certificates.fetch(&url).await })
    }

    #[test]
    fn those_who_want_the_same_certificate_wait_for_one_fetch() {
        let (host, open) = gated_host();
        let (_, certificates) = noon();
        let url = host.url("/a.pem");
        run(async {
            let waiting: Vec<_> = (0..10).map(|_| spawn_fetch(&certificates, &url)).collect();
            // Lets each of them run until it waits.
            task::yield_now().await;
            assert_eq!(certificates.lock().in_flight.len(), 1);
            open.send(()).unwrap();
            for one in waiting {
                assert!(one.await.unwrap().is_ok());
            }
        });
        assert_eq!(host.asked().len(), 1);
        assert!(certificates.lock().in_flight.is_empty());
    }

    #[test]
    fn only_so_many_certificates_are_waited_for_at_once() {
        let (host, open) = gated_host();
        let (clock, certificates) = noon();
        run(async {
            let names = 0..IN_FLIGHT_MAX;
            let urls: Vec<_> = names.map(|name| host.url(&format!("/{name}"))).collect();
            let waiting: Vec<_> = urls
                .iter()
                .map(|url| spawn_fetch(&certificates, url))
                .collect();
            task::yield_now().await;
            // A minute later, by a clock that was set, other fetches might begin.
            clock.set(NOON.plus_ms(MINUTE_MS));
            let error = certificates.fetch(&host.url("/another")).await.unwrap_err();
            assert!(
                matches!(error, CertificateUnavailable::TooManyFetches),
                "{error}"
            );
            (0..=IN_FLIGHT_MAX).for_each(|_| open.send(()).unwrap());
            for one in waiting {
                assert!(one.await.unwrap().is_ok());
            }
            assert!(certificates.fetch(&host.url("/another")).await.is_ok());
        });
    }

    #[test]
    fn only_so_many_failures_are_remembered() {
        let (_, certificates) = noon();
        let mut state = certificates.lock();
        for name in 0..100 {
            let url = CertificateUrl::known(&format!("https://h/{name}")).unwrap();
            state.note_failure(&url, NOON, FetchError::Status(404));
            assert!(state.recent_failure(&url, NOON).is_some());
        }
        assert_eq!(state.failures.len(), FAILURES_MAX);
    }

    #[test]
    fn one_who_goes_away_takes_the_fetch_from_nobody() {
        let (host, open) = gated_host();
        let (_, certificates) = noon();
        let url = host.url("/a.pem");
        run(async {
            let first = spawn_fetch(&certificates, &url);
            let second = spawn_fetch(&certificates, &url);
            task::yield_now().await;
            first.abort();
            assert!(first.await.is_err());
            open.send(()).unwrap();
            assert!(second.await.unwrap().is_ok());
        });
        assert_eq!(host.asked().len(), 1);
    }

    #[test]
    fn a_fetch_that_never_came_to_run_does_not_block_its_url() {
        let host = Host::serving(CERTIFICATE_512);
        let (_, certificates) = noon();
        let url = host.url("/a.pem");
        match certificates.next_step(&url) {
            Step::Fetch(waiting, in_flight) => {
                drop(in_flight);
                assert!(waiting.has_changed().is_err());
            }
            Step::Answer(_) | Step::WaitFor(_) => panic!("nothing was known"),
        }
        assert!(run(certificates.fetch(&url)).is_ok());
    }

    #[test]
    fn a_certificate_is_to_be_kept_at_its_first_use_only() {
        let host = Host::serving(CERTIFICATE_512);
        let (_, certificates) = noon();
        let fetched = run(certificates.fetch(&host.url("/a.pem"))).unwrap();
        assert_eq!(
            certificates.note_verified(&fetched),
            Some(fetched.kept.clone())
        );
        assert_eq!(certificates.note_verified(&fetched), None);
    }

    #[test]
    fn a_replaced_file_waits_beside_the_old_one_until_a_signature_holds_with_it() {
        let body = Arc::new(Mutex::new(CERTIFICATE_512.to_vec()));
        let host = Host::serving_what_is_in(&body);
        let (clock, certificates) = noon();
        let url = host.url("/a.pem");
        let bits = || -> Vec<_> {
            let known = certificates.known(&url);
            known.iter().map(|one| one.certificate.key_bits).collect()
        };
        let old = run(certificates.fetch(&url)).unwrap();
        certificates.note_verified(&old);

        *body.lock().unwrap() = CERTIFICATE_1024.to_vec();
        clock.set(NOON.plus_ms(REFETCH_AFTER_MS));
        let new = run(certificates.fetch(&url)).unwrap();
        assert_eq!(bits(), [512, 1024]);
        // Asked again at once, the file is still the new one.
        assert_eq!(
            run(certificates.fetch(&url)).unwrap().certificate.key_bits,
            1024
        );

        assert_eq!(certificates.note_verified(&old), None);
        assert_eq!(bits(), [512, 1024]);
        assert_eq!(certificates.note_verified(&new), Some(new.kept.clone()));
        assert_eq!(bits(), [1024]);
        // A push that was being checked with the old one meanwhile does not bring it back.
        assert_eq!(certificates.note_verified(&old), None);
        assert_eq!(bits(), [1024]);
    }

    #[test]
    fn a_file_that_was_never_used_is_simply_replaced() {
        let body = Arc::new(Mutex::new(CERTIFICATE_512.to_vec()));
        let host = Host::serving_what_is_in(&body);
        let (clock, certificates) = noon();
        let url = host.url("/a.pem");
        let old = run(certificates.fetch(&url)).unwrap();
        *body.lock().unwrap() = CERTIFICATE_1024.to_vec();
        clock.set(NOON.plus_ms(REFETCH_AFTER_MS));
        run(certificates.fetch(&url)).unwrap();
        // A push that was being checked with the old one says nothing for the new one.
        assert_eq!(certificates.note_verified(&old), None);
        assert!(!certificates.all()[0].1);
        assert_eq!(certificates.known(&url).len(), 1);
        assert_eq!(certificates.known(&url)[0].certificate.key_bits, 1024);
    }

    fn known(name: usize, fetched_at: Timestamp) -> KnownCertificate {
        KnownCertificate {
            url: format!("https://h/{name}"),
            bytes: CERTIFICATE_512.to_vec(),
            fetched_at,
        }
    }

    fn fetched(name: usize) -> Arc<Fetched> {
        Arc::new(Fetched {
            certificate: Certificate::parse(CERTIFICATE_512).unwrap(),
            kept: known(name, NOON),
        })
    }

    fn has(certificates: &Certificates, name: usize) -> bool {
        let url = CertificateUrl::known(&format!("https://h/{name}")).unwrap();
        !certificates.known(&url).is_empty()
    }

    #[test]
    fn an_unproven_certificate_evicts_only_an_unproven_one() {
        let (_, certificates) = noon();
        for name in 1..CERTIFICATES_MAX {
            certificates.note_verified(&fetched(name));
        }
        for name in 100..150 {
            let now = NOON.plus_ms(i64::try_from(name).unwrap());
            certificates.lock().take_fetched(&fetched(name), now);
            assert!(has(&certificates, name));
            assert!(!has(&certificates, name - 1));
        }
        assert_eq!(certificates.all().len(), CERTIFICATES_MAX);
        assert!((1..CERTIFICATES_MAX).all(|name| has(&certificates, name)));

        certificates.note_verified(&fetched(200));
        assert!(!has(&certificates, 149));
        certificates.lock().take_fetched(&fetched(201), NOON);
        assert!(!has(&certificates, 201));
        assert_eq!(certificates.all().len(), CERTIFICATES_MAX);
    }

    #[test]
    fn a_proven_certificate_evicts_the_proven_one_that_was_not_used_for_longest() {
        let (clock, certificates) = noon();
        for name in 0..CERTIFICATES_MAX {
            clock.set(NOON.plus_ms(i64::try_from(name).unwrap()));
            certificates.note_verified(&fetched(name));
        }
        clock.set(NOON.plus_ms(1000));
        certificates.note_verified(&fetched(0));
        assert_eq!(
            certificates.note_verified(&fetched(99)),
            Some(known(99, NOON))
        );
        assert!(has(&certificates, 99) && has(&certificates, 0) && !has(&certificates, 1));
        assert_eq!(certificates.all().len(), CERTIFICATES_MAX);
    }

    #[test]
    fn the_latest_kept_certificates_are_known_from_the_start_as_proven() {
        let mut kept: Vec<_> = (0..CERTIFICATES_MAX + 4)
            .map(|name| known(name, NOON.plus_ms(i64::try_from(name).unwrap())))
            .collect();
        let html = b"<html>".to_vec();
        kept.push(KnownCertificate {
            bytes: html,
            ..known(99, NOON.plus_ms(99))
        });
        let mut older = known(19, NOON.plus_ms(-1));
        older.bytes = CERTIFICATE_1024.to_vec();
        kept.push(older);
        let fetcher = Fetcher::new(None, TIMEOUT).unwrap();
        let clock = Clock::standing_at(NOON);
        let certificates = Certificates::new(clock, fetcher, TIMEOUT, kept, Metrics::new());

        assert!(!has(&certificates, 99) && !has(&certificates, 3));
        assert!(has(&certificates, 5) && has(&certificates, 19));
        let all = certificates.all();
        assert!(
            all.iter()
                .all(|(one, has_verified)| { *has_verified && one.certificate.key_bits == 512 })
        );
        assert_eq!(certificates.note_verified(&fetched(19)), None);
    }
}
