//! What has to be true of any bytes that mpsink reads from strangers.
//!
//! One function for each fuzz target: it panics where its sentence is not true. `fuzz/targets` throws
//! made-up bytes at them, and `tests/it/fuzzed.rs` the seeds, among them all that was ever found,
//! with each run of the tests.
//!
//! Deliberately not here: what the bytes mean. The tests beside each parser say that.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use mpsink::clock::{Clock, Timestamp};
use mpsink::envelope::WriteError;
use mpsink::metrics::Metrics;
use mpsink::notification::capture::{self, Capture};
use mpsink::notification::delivery::{Delivery, Headers};
use mpsink::notification::event::Event;
use mpsink::notification::reason::HoldReason;
use mpsink::notification::source::SourceId;
use mpsink::notification::{Admitted, Format, Notification};
use mpsink::signature::certificate::Certificate;
use mpsink::signature::explain::{CheckName, Evidence, Explanation, Verdict, explain};
use mpsink::signature::string_to_sign::string_to_sign;
use mpsink::signature::urls::UrlPattern;
use mpsink::signature::{DEFAULT_CERTIFICATE_URLS, Verifier, VerifierOptions};
use mpsink::store::disk;
use mpsink::store::errors::ReadError;
use mpsink::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use mpsink::store::options::{Purpose, SourceRule, StoreOptions};
use mpsink::store::records::{Listing, PageKey, Place};
use mpsink::store::{Arrival, NewHeld, OwnerRule, Store};
use mpsink::web::cursors::Cursors;
use mpsink::web::lists::{ListFilter, ListQuery, range_of};
use mpsink::{envelope, mps};

const NOW: Timestamp = Timestamp(1_714_982_531_126);

const REAL_PUSH: &[u8] = include_bytes!("../../tests/data/real-push-2015.http");
const KNOWN_CERTIFICATE: &[u8] = include_bytes!("../../tests/data/smq-known-certificate.pem");

/// One message of each kind that the lists have.
const MESSAGES: [&str; 5] = [
    include_str!("../../tests/data/job-transcode-fail.guess.json"),
    include_str!("../../tests/data/job-transcode-success-userdata.guess.json"),
    include_str!("../../tests/data/workflow-report-partial-fail.guess.json"),
    include_str!("../../tests/data/workflow-start.json"),
    "hello",
];

/// What a body says as an XML envelope, it says again when it is written and read back; else it is a
/// message byte for byte.
pub fn xml(body: &[u8]) {
    envelope(Format::Xml, body);
}

/// The same for JSON.
pub fn json(body: &[u8]) {
    envelope(Format::Json, body);
}

fn envelope(format: Format, body: &[u8]) {
    let read = envelope::parse(&delivery(Headers::default(), body));
    if read.format == Format::Simplified {
        assert_eq!(read.message, body);
        return;
    }
    envelope::md5_mismatch(&read);
    // Either reader may be given the other's bodies; only its own are to be written back here.
    if read.format == format {
        assert_comes_back(&read);
    }
}

fn assert_comes_back(read: &Notification) {
    let written = match envelope::write(read) {
        Ok(written) => written,
        // A control character that XML cannot carry is read past where a sender puts it there all
        // the same: the push is worth more than the rule. It is only never written.
        Err(WriteError::NotCarried {
            format: Format::Xml,
            ..
        }) => return,
        Err(error) => panic!("what was read cannot be written: {error}"),
    };
    let mut headers = Headers::default();
    for (name, value) in &written.headers {
        headers.add(name, value.as_bytes());
    }
    let back = envelope::parse(&delivery(headers, &written.body));
    let md5 = read.message_md5.clone();
    let expected = Notification {
        message_md5: md5.or_else(|| Some(envelope::message_md5(&read.message))),
        ..read.clone()
    };
    assert_eq!(back, expected);
}

/// Of a request with headers and a body, whatever it is taken for: what the signed headers say of
/// owner, topic and id is what the notification says, and without an envelope the body is the
/// message byte for byte.
pub fn simplified(request: &[u8]) {
    let request = [b"POST / HTTP/1.1\r\n", request].concat();
    let Ok(capture) = capture::parse(&request) else {
        return;
    };
    let push = capture.into_delivery(SourceId(1), NOW);
    let read = envelope::parse(&push);
    if read.format == Format::Simplified {
        assert_eq!(read.message, push.body);
    }
    let names = [
        ("x-mns-topic-owner", &read.topic_owner),
        ("x-mns-topic-name", &read.topic),
        ("x-mns-message-id", &read.message_id),
    ];
    let is_signed = [names[0], names[2]]
        .iter()
        .any(|(name, _)| push.headers.first(name).is_some());
    for (name, field) in names {
        let mut values = push.headers.all(name);
        let came = values.next();
        if is_signed && let Some(came) = came {
            let usable = std::str::from_utf8(came).ok().filter(|it| !it.is_empty());
            let said = usable.filter(|_| values.next().is_none());
            assert_eq!(field.as_deref(), said, "{name}");
        }
    }
    let notification = Admitted::vouch_for(read);
    assert!(!mps::events(&notification).is_empty());
}

/// A message gives at least one event and the same ones each time, and each is read back from how
/// the database keeps it.
pub fn message(message: &[u8]) {
    let notification = Admitted::vouch_for(notification("m1", message));
    let events = mps::events(&notification);
    assert!(!events.is_empty());
    assert_eq!(events, mps::events(&notification));
    for event in &events {
        let kept = serde_json::to_string(event).expect("an event can be written");
        let back: Event = serde_json::from_str(&kept).expect("an event can be read back");
        assert_eq!(serde_json::to_string(&back).expect("again"), kept);
    }
}

/// A request file is read back as it is written; it is explained, as `verify` and the pages of held
/// and refused pushes do, without a fault; and its signature holds only over what was really signed.
pub fn request(file: &[u8]) {
    let Ok(read) = capture::parse(file) else {
        return;
    };
    assert_eq!(capture::parse(&capture::write(&read)).as_ref(), Ok(&read));

    let certificate = Certificate::parse(KNOWN_CERTIFICATE).expect("a certificate");
    let urls = DEFAULT_CERTIFICATE_URLS.map(|url| UrlPattern::parse(url).expect("a URL"));
    let explained = explain(
        &read,
        &Evidence {
            certificate: Some(&certificate),
            now: NOW,
            date_window_ms: None,
            certificate_urls: &urls,
            trusts_test_key: true,
            public_prefix: "/base",
            paths: &["/notifications/0123456789abcdef".to_owned()],
        },
    );
    let text = explained.to_json();
    let back: Explanation = serde_json::from_str(&text).expect("an explanation can be read back");
    assert_eq!(back, explained);
    let signature = explained.check(CheckName::Signature);
    if signature.is_some_and(|check| check.verdict == Verdict::Holds) {
        assert_eq!(signed(&read), signed(&real_push()));
    }
    let options = VerifierOptions::new(Clock::standing_at(NOW));
    let verifier = Verifier::new(options).expect("a verifier");
    let _ = verifier.check_head(&read.headers);
}

/// What the real push's signature is over.
fn signed(capture: &Capture) -> Vec<u8> {
    string_to_sign(&capture.target, &capture.headers)
}

fn real_push() -> Capture {
    capture::parse(REAL_PUSH).expect("the captured push")
}

/// A database with a row or more in each list but the refusals, to be asked by query strings.
pub struct Lists {
    store: Store,
}

impl Lists {
    /// Makes the database in a folder that has none.
    pub fn open(folder: &Path) -> Lists {
        let options = StoreOptions {
            path: folder.join("mpsink.db"),
            purpose: Purpose::Try,
            inbox_commands_max: 64,
            inbox_bytes_max: 1024 * 1024,
            held_bytes_max: 1024 * 1024,
            answer_within: Duration::from_secs(60),
            queues: Vec::new(),
            workflows: Vec::new(),
            clock: Clock::standing_at(NOW),
            metrics: Metrics::new(),
            free_disk: disk::free,
        };
        let (store, _) = Store::open(options).expect("a database");
        let rule = SourceRule {
            name: "default".to_owned(),
            ..SourceRule::default()
        };
        let sources = store.register_sources(vec![rule]).expect("a source");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().expect("a runtime");
        for (at, message) in MESSAGES.iter().enumerate() {
            let arrival = arrival(&format!("m{at}"), message.as_bytes());
            let appended = store.append(arrival);
            runtime.block_on(appended).expect("a message is stored");
        }
        let held = NewHeld {
            delivery: delivery(Headers::default(), b"held"),
            signature: vec![1],
            reason: HoldReason::Owner,
            owner: Some("2002".to_owned()),
            topic: None,
            message_id: None,
            explanation: "{}".to_owned(),
        };
        runtime.block_on(store.hold(held)).expect("a push is held");
        assert_eq!(sources.len(), 1);
        Lists { store }
    }

    /// Asks for a page as `jobs?q=clip` says, or as `jobs?q=clip#` and sixteen bytes: the place where
    /// the page begins, of which nobody could guess the cursor. A query string that is taken is
    /// answered, and its link means the same.
    pub fn ask(&self, bytes: &[u8]) {
        let mut parts = bytes.splitn(2, |byte| *byte == b'#');
        let asked = parts.next().and_then(|text| std::str::from_utf8(text).ok());
        let Some((list, query)) = asked.and_then(|asked| asked.split_once('?')) else {
            return;
        };
        let place = parts.next();
        match list {
            "jobs" => self.page::<JobFilter>(query, place),
            "runs" => self.page::<RunFilter>(query, place),
            "activities" => self.page::<ActivityFilter>(query, place),
            "events" => self.page::<EventFilter>(query, place),
            "deliveries" => self.page::<DeliveryFilter>(query, place),
            "held" => self.page::<HeldFilter>(query, place),
            "refusals" => self.page::<RefusalFilter>(query, place),
            _ => {}
        }
    }

    fn page<F: ListFilter + Debug + PartialEq>(&self, query: &str, place: Option<&[u8]>) {
        let query = match place.and_then(key_of) {
            None => query.to_owned(),
            Some(place) => format!("{query}&cursor={}", cursor::<F>(place)),
        };
        let Ok(asked) = ListQuery::<F>::parse(&query, NOW) else {
            return;
        };
        let link = asked.given.link("");
        let again = ListQuery::<F>::parse(link.trim_start_matches('?'), NOW);
        assert_eq!(again.as_ref(), Ok(&asked), "{link}");

        let (from, to) = range_of(&asked.given, NOW).expect("it was read already");
        let mut page = asked.page;
        // A page that ends after so many rows looked at gives a next one that goes on behind them.
        for _ in 0..3 {
            let Some(listing) = answered(asked.filter.page(&self.store, page)) else {
                return;
            };
            assert!(listing.items.len() <= page.limit as usize);
            let times: Vec<Timestamp> = listing.items.iter().map(F::at).collect();
            // What words find comes by when it was first heard of.
            let is_by_time = asked.given.find("q").is_none();
            assert!(!is_by_time || times.is_sorted_by(|newer, older| newer >= older));
            assert!(times.iter().all(|at| from.is_none_or(|from| from <= *at)));
            assert!(times.iter().all(|at| to.is_none_or(|to| *at < to)));
            let Some(next) = listing.next else { break };
            page.place = Place::After(next);
        }
        answered(asked.filter.count(&self.store));
    }
}

/// A reader may be too slow on a busy machine; it may not fail.
fn answered<T>(read: Result<T, ReadError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(ReadError::Busy | ReadError::TooSlow) => None,
        Err(error @ ReadError::Failed { .. }) => panic!("{error:?}"),
    }
}

fn key_of(bytes: &[u8]) -> Option<Place> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let key = PageKey {
        at: Timestamp(i64::from_be_bytes(*at)),
        id: i64::from_be_bytes(*id),
    };
    let is_after = rest.is_empty();
    Some(if is_after {
        Place::After(key)
    } else {
        Place::Before(key)
    })
}

fn cursor<F: ListFilter>(place: Place) -> String {
    let (next, previous) = match place {
        Place::First => (None, None),
        Place::After(key) => (Some(key), None),
        Place::Before(key) => (None, Some(key)),
    };
    let listing = Listing::<()> {
        items: Vec::new(),
        next,
        previous,
    };
    let cursors = Cursors::of(F::LIST, &listing);
    cursors.next.or(cursors.previous).unwrap_or_default()
}

fn arrival(id: &str, message: &[u8]) -> Arrival {
    let notification = Admitted::vouch_for(notification(id, message));
    Arrival {
        delivery: delivery(Headers::default(), message),
        events: mps::events(&notification),
        notification,
        region: "cn-shanghai".to_owned(),
        queue: String::new(),
        md5_mismatch: false,
        owner: OwnerRule::Checked,
        from_held: None,
    }
}

fn notification(id: &str, message: &[u8]) -> Notification {
    Notification {
        format: Format::Simplified,
        topic_owner: Some("1001".to_owned()),
        topic: Some("topic".to_owned()),
        subscriber: None,
        subscription: Some("sink".to_owned()),
        message_id: Some(id.to_owned()),
        message_md5: None,
        published_at: Some(NOW),
        tag: None,
        message: message.to_vec(),
    }
}

fn delivery(headers: Headers, body: &[u8]) -> Delivery {
    Delivery {
        source: SourceId(1),
        target: "/notifications/0123".to_owned(),
        headers,
        body: body.to_vec(),
        received_at: NOW,
    }
}
