//! Which jobs are not what their events and today's rules say; see `check.rs`.
//!
//! A job's events are read once, for its row, its counts and their queues alike.

use std::collections::HashSet;

use rusqlite::Transaction;

use crate::notification::event::Event;
use crate::notification::source::SourceId;
use crate::store::cells::{Cells, Order};
use crate::store::fold::{self, FoldedJob};
use crate::store::jobs::{
    Counted, Counts, FOLDED_BYTES_MAX, FOLDED_EVENTS_MAX, READ_EVENTS_MAX, SELECT_COUNTS, lane,
    part, record, told,
};
use crate::store::lanes::Queues;
use crate::store::options::QueueRule;
use crate::store::rebuild::entries::Entries;
use crate::store::rebuild::refold::{self, Placed};
use crate::store::rebuild::{Look, Rules, Stretch};
use crate::store::records::RowId;
use crate::store::values::{as_read_back, count};
use crate::store::window::{Place, Window};
use crate::store::words;

const SELECT_ROWS: &str = "
    SELECT id, job, owner, region, queue, run, workflow, names, type, state, raw_state, code,
      error_group, message, user_data, input, submitted_at, started_at, finished_at, duration_ms,
      events, deliveries, conflict, last_event_at, extra
    FROM job WHERE id > +?1 AND id <= +?2 ORDER BY id";

// As in `jobs.rs`, with what else is compared.
const SELECT_EVENTS: &str = "
    SELECT event.event, event.at, event.queue, event.queue_rule, delivery.region, delivery.topic,
      delivery.source, event.delivery, delivery.duplicates
    FROM event JOIN delivery ON delivery.id = event.delivery
    WHERE event.job = +?1
    ORDER BY event.terminal DESC, event.ordered_at DESC, delivery.published_at DESC,
      delivery.topic DESC, delivery.key DESC, event.position DESC
    LIMIT +?2";

/// Compares jobs, their queues and words with their events.
pub(super) fn jobs(
    tx: &Transaction<'_>,
    stretch: Stretch,
    queue_rules: &[QueueRule],
    rules: &Rules,
    entries: Option<&Entries>,
) -> rusqlite::Result<Look> {
    let mut look = Look::default();
    let mut queues = Queues::default();
    let orders = Orders::default();
    each_stored(tx, (stretch.after, stretch.last), &orders, |job| {
        let is_placed = |event: &Placed<'_>| refold::is_placed(queue_rules, rules, event);
        if job.is_as_told(tx, &orders, is_placed, &mut queues)? {
            look.ask(entries, job.row, &job.words());
        } else {
            look.is_wrong(job.row);
        }
        Ok(())
    })?;
    if !queues.are_known(tx)? {
        look.wrong = Some(stretch);
    }
    Ok(look)
}

/// A job's row as it stands.
struct StoredJob {
    row: RowId,
    folded: FoldedJob,
}

/// Which columns are read, from one row to the next.
#[derive(Default)]
struct Orders {
    rows: Order,
    events: Order,
}

/// Gives `take` each job's row behind `after` up to `last`, in their order.
fn each_stored(
    tx: &Transaction<'_>,
    (after, last): (RowId, RowId),
    orders: &Orders,
    mut take: impl FnMut(StoredJob) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut select = tx.prepare_cached(SELECT_ROWS)?;
    let mut rows = select.query([after, last])?;
    while let Some(row) = rows.next()? {
        let cells = Cells::of(row, &orders.rows);
        take(StoredJob {
            row: cells.get("id")?,
            folded: FoldedJob {
                record: record(&cells)?,
                names: cells.get("names")?,
            },
        })?;
    }
    Ok(())
}

impl StoredJob {
    /// Returns its words as they are to be indexed.
    fn words(&self) -> String {
        words::of_job(&self.folded.record, &self.folded.names)
    }

    /// Tells whether folding it again would change nothing: by its events, of which `is_placed` says
    /// whether they stand in their queues. The queues they name go to `queues`.
    fn is_as_told(
        &self,
        tx: &Transaction<'_>,
        orders: &Orders,
        is_placed: impl Fn(&Placed<'_>) -> bool,
        queues: &mut Queues,
    ) -> rusqlite::Result<bool> {
        let stored = &self.folded.record;
        let mut select = tx.prepare_cached(SELECT_EVENTS)?;
        let mut rows = select.query([self.row, READ_EVENTS_MAX])?;
        let mut window = Window::new(FOLDED_EVENTS_MAX, FOLDED_BYTES_MAX);
        let mut parts = Vec::new();
        let mut is_full = false;
        let mut counted = Counted::default();
        let mut deliveries = HashSet::new();
        while let Some(row) = rows.next()? {
            let cells = Cells::of(row, &orders.events);
            let event: Event = cells.json("event")?;
            let placed = Placed {
                event: &event,
                queue: cells.text("queue")?,
                queue_rule: cells.get("queue_rule")?,
                region: cells.text("region")?.unwrap_or_default(),
                topic: cells.text("topic")?.unwrap_or_default(),
                source: SourceId(cells.get("source")?),
            };
            if !is_placed(&placed) {
                return Ok(false);
            }
            counted.events += 1;
            if deliveries.insert(cells.get::<RowId>("delivery")?) {
                counted.deliveries += 1 + cells.count("duplicates")?;
            }
            if is_full {
                continue;
            }
            let told = told(row)?;
            match window.place(&told.event, &lane(&told)) {
                Place::Take => parts.extend(part(event, told, &stored.id)),
                Place::Repeat => {}
                Place::Full => is_full = true,
            }
        }
        drop(rows);
        parts.reverse();
        queues.note(&parts);
        let Some(mut folded) = fold::fold_job(&stored.owner, &stored.id, &parts) else {
            return Ok(false);
        };
        if count(counted.events) == READ_EVENTS_MAX {
            let again = Counts::Again;
            counted = again.count(tx, Counted::default(), SELECT_COUNTS, self.row)?;
        }
        folded.record.events = counted.events;
        folded.record.deliveries = counted.deliveries;
        folded.record.extra = as_read_back(&folded.record.extra)?;
        Ok(folded == self.folded)
    }
}
