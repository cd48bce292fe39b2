//! The one way in: from a delivery to what became of it.
//!
//! Verify, parse the envelope, ask for owner and topic, read the events, put it all on disk, say
//! what came of it. HTTP is above, SQL below; a second door to the same service would call the
//! same verbs. What is refused is noted aside, so that a flood of it costs good pushes nothing.
//!
//! **Architecture invariant:** only this module makes an [`Admitted`] value, and an
//! [`Outcome::Stored`] or [`Outcome::Duplicate`] exists only after the commit that holds the
//! message.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::causes::chain;
use crate::clock::{Clock, Throttle};
use crate::envelope;
use crate::ingest::account::{Account, Ledger};
use crate::ingest::doors::Doors;
use crate::ingest::rests::Rests;
use crate::mps;
use crate::notification::capture::Capture;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::notification::source::{Source, SourceId};
use crate::notification::{Admitted, Notification};
use crate::signature::certificates::KnownCertificate;
use crate::signature::explain::{Check, CheckName, Verdict};
use crate::signature::head::{CheckedHead, names_test_key};
use crate::signature::{Verification, Verified, Verifier};
use crate::store::errors::{ReadError, WriteError};
use crate::store::records::RowId;
use crate::store::{
    Appended, Arrival, KeptCertificate, NewHeld, NewRefusal, NewStray, OwnerRule,
    REFUSED_BODY_BYTES_MAX, Store,
};

pub mod account;
pub mod decide;
pub mod import;
pub mod made_up;
pub mod prune;
pub mod rebuild;
pub mod rests;

mod doors;

/// Refused pushes of one source and reason that are explained at once before the rate below holds:
/// enough that the first twenty are always there.
const EXPLANATIONS_BURST: u32 = 40;

/// Between two refused pushes of one source and reason that are explained in a flood. An
/// explanation tries up to some hundred signatures, which takes milliseconds.
const EXPLANATION_INTERVAL_MS: i64 = 500;

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On disk for the first time.
    Stored { delivery: RowId },
    /// Was on disk already; counted there.
    Duplicate { delivery: RowId, differs: bool },
    /// Believed, but not let in; on disk until a person decides.
    Held { held: RowId, reason: HoldReason },
    /// Not believed.
    Refused { reason: RefusalReason },
    /// Our trouble: the sender should try again.
    Failed(Trouble),
}

/// Why we could not take a push now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    CertificateUnavailable {
        retry_after_s: u32,
    },
    InboxFull,
    DiskFull,
    /// Held pushes have used up their room.
    HeldFull,
    StoreUnavailable,
}

/// Everything that stands between a push and the store.
pub struct Ingest {
    store: Store,
    verifier: Arc<Verifier>,
    doors: Doors,
    explanations: HashMap<(SourceId, RefusalReason), Throttle>,
    ledgers: HashMap<SourceId, Ledger>,
    /// Taken by the one rebuild or import there may be.
    rebuilding: Arc<Mutex<()>>,
    /// Taken by the one prune.
    pruning: Arc<Mutex<()>>,
    rests: Rests,
    clock: Clock,
}

impl Ingest {
    pub fn new(
        store: Store,
        verifier: Verifier,
        sources: &[Source],
        clock: Clock,
    ) -> Result<Ingest, ReadError> {
        let doors = Doors::of(sources, store.purpose());
        doors.add(store.allowances()?);
        let kinds = sources.iter().flat_map(|source| {
            let reasons = RefusalReason::ALL.into_iter();
            reasons.map(|reason| (source.id, reason))
        });
        let metrics = verifier.metrics().clone();
        let ledger = |source: &Source| Ledger::of(source, metrics.source(&source.name));
        let ledgers = sources.iter().map(|source| (source.id, ledger(source)));
        let throttle = || Throttle::new(EXPLANATIONS_BURST, EXPLANATION_INTERVAL_MS, clock.clone());
        Ok(Ingest {
            doors,
            ledgers: ledgers.collect(),
            explanations: kinds.map(|kind| (kind, throttle())).collect(),
            store,
            verifier: Arc::new(verifier),
            rebuilding: Arc::default(),
            pruning: Arc::default(),
            rests: Rests::new(metrics),
            clock,
        })
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns what others rest by while pushes wait.
    pub fn rests(&self) -> &Rests {
        &self.rests
    }

    /// Checks what can be checked before the body is read. On an error the caller reads a little of
    /// the body and calls [`Ingest::refuse`].
    pub fn check_head(&self, headers: &Headers) -> Result<CheckedHead, RefusalReason> {
        self.verifier.check_head(headers)
    }

    /// Takes a push to one of the sources, and notes in `account` what is read of it.
    pub async fn receive(
        &self,
        head: CheckedHead,
        delivery: Delivery,
        account: &mut Account,
    ) -> Outcome {
        let _waits = self.rests.push_waits();
        account.note_body(delivery.body.len());
        let worth_fetching = match delivery.headers.first_text("x-mns-topic-owner") {
            Some(owner) => self
                .doors
                .find(delivery.source)
                .lets_owner_in(owner)
                .is_some(),
            None => true,
        };
        let signature = head.signature().to_vec();
        match self.verifier.verify(head, delivery, worth_fetching).await {
            Verification::Good {
                delivery,
                first_use,
            } => {
                let outcome = self.let_in(delivery, signature, account).await;
                self.keep_certificate(first_use).await;
                outcome
            }
            Verification::Unfit {
                delivery,
                reason,
                first_use,
            } => {
                let notification = envelope::parse(&delivery);
                account.note_envelope(&notification, delivery.received_at);
                let outcome = self.hold(delivery, signature, &notification, reason).await;
                self.keep_certificate(first_use).await;
                outcome
            }
            Verification::Refused { delivery, reason } => {
                let body_bytes = delivery.body.len() as u64;
                self.refuse(delivery, body_bytes, reason)
            }
            Verification::CertificateUnavailable { retry_after_s, why } => {
                tracing::warn!(%why, "no certificate to check a push with");
                Outcome::Failed(Trouble::CertificateUnavailable { retry_after_s })
            }
        }
    }

    /// Notes a push that is not believed, aside and only if there is room, unless it is a probe of
    /// `mpsink push`. `body_bytes` is how long its body was, as far as it was read.
    pub fn refuse(
        &self,
        mut delivery: Delivery,
        body_bytes: u64,
        reason: RefusalReason,
    ) -> Outcome {
        let (source, at) = (delivery.source, delivery.received_at);
        if reason == RefusalReason::CertificateUrlNotAllowed && names_test_key(&delivery.headers) {
            // `mpsink push --url` asks whether the way is open. That it gets nobody in says nothing
            // of SMQ's pushes, and must not look as if one had been refused.
            return Outcome::Refused { reason };
        }
        let throttle = self.explanations.get(&(source, reason));
        if !throttle.is_some_and(Throttle::admits) {
            self.store.note_refusal(source, reason, at, None);
            return Outcome::Refused { reason };
        }
        let (store, verifier) = (self.store.clone(), Arc::clone(&self.verifier));
        // Beside, since it takes milliseconds and neither the sender nor other pushes need it.
        drop(tokio::task::spawn_blocking(move || {
            let explanation = verifier.explain(&Capture::of(&delivery), at).to_json();
            delivery.body.truncate(REFUSED_BODY_BYTES_MAX);
            let details = NewRefusal {
                delivery,
                body_bytes,
                reason,
                explanation,
            };
            store.note_refusal(source, reason, at, Some(details));
        }));
        Outcome::Refused { reason }
    }

    /// Notes a push of SMQ's kind to a path of no source. `target` as it may be shown.
    pub fn note_stray(&self, target: String, headers: Headers) {
        let received_at = self.clock.now();
        self.store.note_stray(NewStray {
            target,
            headers,
            received_at,
        });
    }

    /// Takes a push whose signature, date and body are right: owner and topic decide.
    async fn let_in(
        &self,
        delivery: Verified<Delivery>,
        signature: Vec<u8>,
        account: &mut Account,
    ) -> Outcome {
        let notification = envelope::parse(&delivery);
        account.note_envelope(&notification, delivery.received_at);
        let rule = match self.judge(delivery.source, &notification) {
            Ok(rule) => rule,
            Err(reason) => return self.hold(delivery, signature, &notification, reason).await,
        };
        // Kept for the rare case that another owner is pinned between the question and the commit.
        let kept = (rule == OwnerRule::Pin).then(|| (delivery.clone(), notification.clone()));
        let arrival = self.arrival(delivery.into_inner(), notification, rule, None);
        match self.store.append(arrival).await {
            Ok(Appended::Stored { delivery }) => {
                if let Some((pinned, notification)) = kept {
                    let owner = notification.topic_owner.as_deref().unwrap_or_default();
                    self.doors.let_owner_in(pinned.source, owner);
                }
                Outcome::Stored { delivery }
            }
            Ok(Appended::Duplicate { delivery, differs }) => {
                Outcome::Duplicate { delivery, differs }
            }
            // Only the first is possible of a push that was not held.
            Ok(
                Appended::AnotherOwnerPinned
                | Appended::NoLongerHeld
                | Appended::HeldDiffers { .. },
            ) => {
                self.reload_doors().await;
                match kept {
                    Some((delivery, notification)) => {
                        let reason = HoldReason::Owner;
                        self.hold(delivery, signature, &notification, reason).await
                    }
                    None => Outcome::Failed(Trouble::StoreUnavailable),
                }
            }
            Err(error) => Outcome::Failed(trouble_of(&error)),
        }
    }

    /// Tells whether owner and topic may come in through this source, and what the writer has to
    /// do about the owner.
    fn judge(
        &self,
        source: SourceId,
        notification: &Notification,
    ) -> Result<OwnerRule, HoldReason> {
        let door = self.doors.find(source);
        let owner = notification.topic_owner.as_deref();
        let owner = owner.ok_or(HoldReason::OwnerMissing)?;
        let rule = door.lets_owner_in(owner).ok_or(HoldReason::Owner)?;
        let topic = notification.topic.as_deref().unwrap_or_default();
        door.lets_topic_in(topic)
            .then_some(rule)
            .ok_or(HoldReason::Topic)
    }

    async fn hold(
        &self,
        delivery: Verified<Delivery>,
        signature: Vec<u8>,
        notification: &Notification,
        reason: HoldReason,
    ) -> Outcome {
        let mut explanation = self
            .verifier
            .explain(&Capture::of(&delivery), delivery.received_at);
        if let Some(check) = self.owner_or_topic_check(delivery.source, notification, reason) {
            explanation.checks.push(check);
        }
        let held = NewHeld {
            signature,
            reason,
            owner: notification.topic_owner.clone(),
            topic: notification.topic.clone(),
            message_id: notification.message_id.clone(),
            explanation: explanation.to_json(),
            delivery: delivery.into_inner(),
        };
        match self.store.hold(held).await {
            Ok(held) => Outcome::Held { held, reason },
            Err(error) => Outcome::Failed(trouble_of(&error)),
        }
    }

    /// Returns the line that the explanation gets if owner or topic are why a push is held.
    fn owner_or_topic_check(
        &self,
        source: SourceId,
        notification: &Notification,
        reason: HoldReason,
    ) -> Option<Check> {
        let door = self.doors.find(source);
        let (name, saw, allowed): (_, _, Vec<&str>) = match reason {
            HoldReason::Owner | HoldReason::OwnerMissing => {
                let owner = &notification.topic_owner;
                (CheckName::Owner, owner, door.owners().collect())
            }
            HoldReason::Topic => {
                let topic = &notification.topic;
                (CheckName::Topic, topic, door.topics().collect())
            }
            HoldReason::Date | HoldReason::BodyChecksum => return None,
        };
        let allowed = if allowed.is_empty() {
            "nobody yet".to_owned()
        } else {
            allowed.join(", ")
        };
        Some(Check {
            name,
            verdict: Verdict::Fails,
            saw: saw.clone().unwrap_or_else(|| "none".to_owned()),
            hint: Some(format!("let in through this source: {allowed}")),
        })
    }

    fn arrival(
        &self,
        delivery: Delivery,
        notification: Notification,
        owner: OwnerRule,
        from_held: Option<RowId>,
    ) -> Arrival {
        let door = self.doors.find(delivery.source);
        let md5_mismatch = envelope::md5_mismatch(&notification);
        let notification = Admitted::vouch_for(notification);
        Arrival {
            events: mps::events(&notification),
            delivery,
            notification,
            region: door.source.region.clone(),
            queue: door.source.queue.clone(),
            md5_mismatch,
            owner,
            from_held,
        }
    }

    async fn keep_certificate(&self, first_use: Option<KnownCertificate>) {
        let Some(known) = first_use else { return };
        let certificate = KeptCertificate {
            url: known.url,
            bytes: known.bytes,
            fetched_at: known.fetched_at,
        };
        // The push is on disk by now, and does not depend on it: without the copy the next start
        // fetches the certificate again.
        if let Err(error) = self.store.keep_certificate(certificate).await {
            tracing::warn!(
                error = chain(&error),
                "cannot keep the certificate in the database"
            );
        }
    }

    /// Asks the database who was pinned. The store stays the judge: with an old list here, the
    /// writer still refuses a second pin.
    async fn reload_doors(&self) {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.allowances()).await {
            Ok(Ok(allowances)) => self.doors.add(allowances),
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "cannot read who is let in");
            }
            Err(error) => tracing::warn!(%error, "cannot read who is let in"),
        }
    }
}

fn trouble_of(error: &WriteError) -> Trouble {
    match error {
        WriteError::Busy => Trouble::InboxFull,
        WriteError::DiskFull => Trouble::DiskFull,
        WriteError::HeldFull => Trouble::HeldFull,
        other => {
            tracing::error!(error = chain(other), "cannot write a push");
            Trouble::StoreUnavailable
        }
    }
}
