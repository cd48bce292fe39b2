//! What a person decides about held pushes: admit one, let an owner or a topic in, drop one.
//!
//! A held push comes in through the same verbs as any other, once: the store takes it from the held
//! ones in the transaction that keeps its message.

use thiserror::Error;

use crate::envelope;
use crate::ingest::{Ingest, Outcome};
use crate::notification::reason::HoldReason;
use crate::notification::source::SourceId;
use crate::store::errors::{ReadError, WriteError};
use crate::store::records::{HeldDetail, RowId};
use crate::store::{Appended, OwnerRule};

/// What of a held push can be let in from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowable {
    Owner,
    Topic,
}

impl Allowable {
    pub fn word(self) -> &'static str {
        match self {
            Allowable::Owner => "owner",
            Allowable::Topic => "topic",
        }
    }
}

/// Why a held push was not brought in or dropped.
#[derive(Debug, Error)]
pub enum DecideError {
    #[error("there is no held push with this number")]
    NoSuchHeld,
    #[error("the held push names no {} that could be allowed", .what.word())]
    NothingToAllow { what: Allowable },
    #[error("cannot read the held push")]
    Read(#[from] ReadError),
    #[error("cannot write the decision")]
    Write(#[from] WriteError),
}

impl Ingest {
    /// Brings a held push in, whatever it was held for: a person has looked at it.
    pub async fn admit(&self, held: RowId) -> Result<Outcome, DecideError> {
        let detail = self.find_held(held).await?;
        self.bring_in(detail).await
    }

    /// Lets the owner of a held push in from now on, and brings in what of it was held for that.
    /// Returns how many messages are new by it.
    pub async fn allow_owner(&self, held: RowId) -> Result<u64, DecideError> {
        let detail = self.find_held(held).await?;
        let owner = detail.held.owner.clone();
        let owner = owner.ok_or(DecideError::NothingToAllow {
            what: Allowable::Owner,
        })?;
        let source = detail.source;
        self.store.allow_owner(source, owner.clone()).await?;
        self.doors.let_owner_in(source, &owner);
        self.bring_in_all(source, Some(owner), None).await
    }

    /// Lets the topic of a held push in from now on, and brings in what of it was held for that.
    /// Returns how many messages are new by it.
    pub async fn allow_topic(&self, held: RowId) -> Result<u64, DecideError> {
        let detail = self.find_held(held).await?;
        let topic = detail.held.topic.clone();
        let topic = topic.ok_or(DecideError::NothingToAllow {
            what: Allowable::Topic,
        })?;
        let source = detail.source;
        self.store.allow_topic(source, topic.clone()).await?;
        self.doors.let_topic_in(source, &topic);
        self.bring_in_all(source, None, Some(topic)).await
    }

    /// Forgets a held push for good.
    pub async fn drop_held(&self, held: RowId) -> Result<(), DecideError> {
        let was_there = self.store.drop_held(held).await?;
        was_there.then_some(()).ok_or(DecideError::NoSuchHeld)
    }

    async fn find_held(&self, held: RowId) -> Result<HeldDetail, DecideError> {
        let store = self.store.clone();
        let found = tokio::task::spawn_blocking(move || store.find_held(held)).await;
        match found {
            Ok(found) => found?.ok_or(DecideError::NoSuchHeld),
            Err(_) => Err(DecideError::Read(ReadError::Busy)),
        }
    }

    async fn bring_in(&self, detail: HeldDetail) -> Result<Outcome, DecideError> {
        let (id, reason) = (detail.held.id, detail.held.reason);
        let delivery = detail
            .capture
            .into_delivery(detail.source, detail.held.received_at);
        let notification = envelope::parse(&delivery);
        // A person has decided about this push alone. It pins nobody: its date or body may be
        // wrong, and so may be the owner it names.
        let arrival = self.arrival(delivery, notification, OwnerRule::Checked, Some(id));
        match self.store.append(arrival).await? {
            Appended::Stored { delivery } => Ok(Outcome::Stored { delivery }),
            Appended::Duplicate { delivery, differs } => {
                Ok(Outcome::Duplicate { delivery, differs })
            }
            // What is kept under its key says something else, so the held push stays as the only
            // copy of what it says.
            Appended::HeldDiffers { .. } => Ok(Outcome::Held { held: id, reason }),
            // The second cannot be: nobody asked to pin.
            Appended::NoLongerHeld | Appended::AnotherOwnerPinned => Err(DecideError::NoSuchHeld),
        }
    }

    /// Brings in every held push of this owner or topic that would be let in now.
    async fn bring_in_all(
        &self,
        source: SourceId,
        owner: Option<String>,
        topic: Option<String>,
    ) -> Result<u64, DecideError> {
        let store = self.store.clone();
        let found = tokio::task::spawn_blocking(move || {
            store.held_of(source, owner.as_deref(), topic.as_deref())
        });
        let ids = match found.await {
            Ok(ids) => ids?,
            Err(_) => return Err(DecideError::Read(ReadError::Busy)),
        };
        let mut came_in = 0;
        for id in ids {
            let detail = match self.find_held(id).await {
                Ok(detail) => detail,
                Err(DecideError::NoSuchHeld) => continue,
                Err(error) => return Err(error),
            };
            let was_only_that = matches!(detail.held.reason, HoldReason::Owner | HoldReason::Topic);
            let delivery = detail
                .capture
                .clone()
                .into_delivery(source, detail.held.received_at);
            if was_only_that && self.judge(source, &envelope::parse(&delivery)).is_ok() {
                let outcome = self.bring_in(detail).await?;
                came_in += u64::from(matches!(outcome, Outcome::Stored { .. }));
            }
        }
        Ok(came_in)
    }
}
