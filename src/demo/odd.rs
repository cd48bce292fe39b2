//! Pushes that are not to be let in, or that say something odd: one of each kind in turn.
//!
//! Each is what an operator meets sooner or later, so that a newcomer sees how it looks and what it
//! is explained by. The messages of those that are held are of jobs that nothing else tells of:
//! whoever admits one sees a job appear.

use crate::clock::Timestamp;
use crate::demo::OWNER;
use crate::demo::dice::Dice;
use crate::demo::jobs::{self, Queue};
use crate::notification::capture::Capture;
use crate::push::{BuildError, PushContent, Signer, build};

/// An account that is not let in.
const FOREIGN_OWNER: &str = "1999000011112222";

/// A host that somebody else can own, and that looks like SMQ's.
const FOREIGN_CERTIFICATE_URL: &str =
    "https://mnstest.oss-cn-hangzhou.aliyuncs.com.example.net/x509_public_certificate.pem";

/// How long ago a stale push says that it was made: beyond the window of 15 minutes.
const STALE_MS: i64 = 40 * 60_000;

/// Where SMQ posts to if an endpoint names no path.
const ASTRAY_TARGET: &str = "/notifications";

/// What somebody publishes under an id that is taken.
const OTHER_MESSAGE: &str = "Hello again! 这是另一条测试消息。";

/// What an event of another product looks like.
const OTHER_PRODUCT: &str = r#"{"EventType":"MediaBaseChangeComplete","EventTime":"2024-05-06T08:00:01Z","UserId":1234567890123456}"#;

/// What is odd about a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Held: it is about a topic of another account.
    ForeignOwner,
    /// Refused: it has no `Authorization`.
    Unsigned,
    /// The id of a message that is there already, with another message.
    OtherMessage,
    /// Held: its `Date` is long ago.
    Stale,
    /// Refused: its certificate is on another host.
    ForeignCertificate,
    /// To a path of no source.
    Astray,
    /// Held: something has changed the body on its way.
    BodyChanged,
    /// Refused: it was signed for another path.
    OtherPath,
    /// Taken, but no message of MPS.
    OtherProduct,
}

impl Odd {
    pub const ALL: [Odd; 9] = [
        Odd::ForeignOwner,
        Odd::Unsigned,
        Odd::OtherMessage,
        Odd::Stale,
        Odd::ForeignCertificate,
        Odd::Astray,
        Odd::BodyChanged,
        Odd::OtherPath,
        Odd::OtherProduct,
    ];

    /// Returns what a person is told of such a push.
    pub fn words(self) -> &'static str {
        match self {
            Odd::ForeignOwner => "of an account that is not let in",
            Odd::Unsigned => "without a signature",
            Odd::OtherMessage => "with an id that another message has",
            Odd::Stale => "with an old date",
            Odd::ForeignCertificate => "with a certificate from elsewhere",
            Odd::Astray => "to a path of no source",
            Odd::BodyChanged => "whose body was changed on its way",
            Odd::OtherPath => "signed for another path",
            Odd::OtherProduct => "of another product",
        }
    }

    /// Returns what such a push is about, if it comes with `latest`.
    pub(super) fn content(
        self,
        latest: &PushContent,
        at: Timestamp,
        dice: &mut Dice,
    ) -> PushContent {
        if self == Odd::OtherMessage {
            return PushContent {
                message: OTHER_MESSAGE.as_bytes().to_vec(),
                ..latest.clone()
            };
        }
        let queue = Queue::draw(dice);
        let published_at = at.plus_ms(-dice.between(60, 400));
        let mut messages = jobs::make(queue, published_at, None, dice);
        let message = messages.pop().map(|(_, message)| message);
        let owner = match self {
            Odd::ForeignOwner => FOREIGN_OWNER,
            _ => OWNER,
        };
        PushContent {
            format: queue.format(),
            topic_owner: owner.to_owned(),
            topic: queue.topic().to_owned(),
            message_id: dice.message_id(),
            tag: None,
            published_at,
            message: match self {
                Odd::OtherProduct => OTHER_PRODUCT.as_bytes().to_vec(),
                _ => message.unwrap_or_default(),
            },
        }
    }

    /// Builds the push to `target`, as at `now`.
    pub(super) fn build(
        self,
        content: &PushContent,
        target: &str,
        signer: &Signer,
        now: Timestamp,
    ) -> Result<Capture, BuildError> {
        match self {
            Odd::ForeignOwner | Odd::OtherMessage | Odd::OtherProduct => {
                build(content, target, signer, now)
            }
            Odd::Stale => build(content, target, signer, now.plus_ms(-STALE_MS)),
            Odd::Astray => build(content, ASTRAY_TARGET, signer, now),
            Odd::Unsigned => {
                let mut push = build(content, target, signer, now)?;
                push.headers.remove("authorization");
                Ok(push)
            }
            Odd::ForeignCertificate => {
                let foreign = Signer {
                    key: signer.key.clone(),
                    certificate_url: FOREIGN_CERTIFICATE_URL.to_owned(),
                };
                build(content, target, &foreign, now)
            }
            Odd::BodyChanged => {
                let mut push = build(content, target, signer, now)?;
                // As a gateway does that ends every text with a line break.
                push.body.get_or_insert_default().push(b'\n');
                Ok(push)
            }
            Odd::OtherPath => {
                // Registered with a slash at its end, which a proxy took away.
                let mut push = build(content, &format!("{target}/"), signer, now)?;
                target.clone_into(&mut push.target);
                Ok(push)
            }
        }
    }
}
