//! The way in for made-up deliveries, which nobody has signed: for the demo's database alone.
//!
//! Why this cannot weaken what the record promises: it asks the store first, and goes on only if
//! the database is one of test pushes. A database is marked so when it is made, for ever; one that
//! is a record cannot become one of test pushes, and `serve` without `--try` does not open one. So
//! no unsigned byte ever stands beside a real one. No request leads here: nothing in `web` calls it,
//! which a test over the source tree holds.
//!
//! From there on it is the way of every other push: envelope, owner and topic, events, one
//! transaction.

use thiserror::Error;

use crate::envelope;
use crate::ingest::{Ingest, Outcome, Trouble, trouble_of};
use crate::notification::delivery::Delivery;
use crate::notification::reason::HoldReason;
use crate::store::Appended;
use crate::store::options::Purpose;

/// Why a made-up delivery is not taken. Nothing was written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MadeUpError {
    #[error("cannot put made-up pushes into a record of real ones; name another database")]
    IsRecord,
    /// A real push would be held; there is no reason to keep a made-up one for a person to judge.
    #[error("cannot let a made-up push in ({})", reason.word())]
    NotLetIn { reason: HoldReason },
}

impl Ingest {
    /// Takes a delivery without a signature, into a database of test pushes only. Like any other,
    /// it is on disk when this returns that it is stored; the second time it is a duplicate.
    pub async fn take_made_up(&self, delivery: Delivery) -> Result<Outcome, MadeUpError> {
        match self.store.purpose() {
            Purpose::Try => {}
            Purpose::Record => return Err(MadeUpError::IsRecord),
        }
        let notification = envelope::parse(&delivery);
        let rule = self
            .judge(delivery.source, &notification)
            .map_err(|reason| MadeUpError::NotLetIn { reason })?;
        let arrival = self.arrival(delivery, notification, rule, None);
        Ok(match self.store.append(arrival).await {
            Ok(Appended::Stored { delivery }) => Outcome::Stored { delivery },
            Ok(Appended::Duplicate { delivery, differs }) => {
                Outcome::Duplicate { delivery, differs }
            }
            // Test pushes pin nobody, and this one was not held.
            Ok(
                Appended::AnotherOwnerPinned
                | Appended::NoLongerHeld
                | Appended::HeldDiffers { .. },
            ) => Outcome::Failed(Trouble::StoreUnavailable),
            Err(error) => Outcome::Failed(trouble_of(&error)),
        })
    }
}
