//! The looks of a walk, some of them at once: all are short readings, beside the writer, and rest while
//! pushes wait (`rests.rs`).

use std::collections::VecDeque;
use std::iter;

use tokio::task::JoinHandle;

use crate::ingest::rebuild::read_patiently;
use crate::ingest::rests::Rests;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::rebuild::entries::ENTRIES_MAX;
use crate::store::rebuild::{Look, Stretch};
use crate::store::records::RowId;

/// The looks of a walk, in their order: while one is dealt with, the next are under way.
pub(super) struct Looks<L> {
    store: Store,
    look: L,
    /// The most rows of one.
    rows: RowId,
    /// What nobody has begun to look at.
    left: Stretch,
    under_way: VecDeque<(Stretch, JoinHandle<Result<Look, ReadError>>)>,
    at_once: usize,
    rests: Rests,
}

impl<L> Looks<L>
where
    L: Fn(&Store, Stretch) -> Result<Look, ReadError> + Clone + Send + 'static,
{
    /// Of all rows of a walk, `rows` in each look and so many looks at once.
    pub(super) fn new(
        store: Store,
        all: Stretch,
        rows: RowId,
        at_once: usize,
        rests: Rests,
        look: L,
    ) -> Looks<L> {
        Looks {
            store,
            look,
            rows,
            left: all,
            under_way: VecDeque::new(),
            at_once,
            rests,
        }
    }

    /// Returns the next one; `None` when all were looked at.
    pub(super) async fn next(&mut self) -> Result<Option<(Stretch, Look)>, ReadError> {
        while self.under_way.len() < self.at_once && self.left.after < self.left.last {
            let after = self.left.after;
            let last = after.saturating_add(self.rows).min(self.left.last);
            self.left.after = last;
            let stretch = Stretch { after, last };
            let (store, look) = (self.store.clone(), self.look.clone());
            let rests = self.rests.clone();
            let look = async move {
                let look = move |store: &Store| look(store, stretch);
                let begun = rests.begin();
                let look = read_patiently(&store, look).await;
                begun.rest().await;
                look
            };
            self.under_way.push_back((stretch, tokio::spawn(look)));
        }
        let Some((stretch, look)) = self.under_way.pop_front() else {
            return Ok(None);
        };
        // As with the thread it reads on.
        let look = look.await.unwrap_or(Err(ReadError::Busy))?;
        Ok(Some((stretch, look)))
    }
}

/// Returns the rows up to `last` in parts of which the entries can be read at once.
pub(super) fn parts(last: RowId) -> impl Iterator<Item = Stretch> {
    let part = move |after: RowId| {
        let last = after.saturating_add(ENTRIES_MAX).min(last);
        (after < last).then_some(Stretch { after, last })
    };
    iter::successors(part(0), move |before| part(before.last))
}
