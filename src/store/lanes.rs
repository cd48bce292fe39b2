//! The queues and workflows that messages named, and what the configuration says of workflows.
//!
//! A lane's row holds only what may be merged in any order: the newest time of an event, and for a
//! workflow the newest name by publish time, of names published together the greatest. So it is
//! the same whatever came first, and saying the same thing twice changes nothing.
//!
//! A name and an age from the configuration are not stored: they are looked up when a run is read,
//! so that changing them needs no rebuild.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Transaction, params};

use crate::clock::{Clock, Timestamp};
use crate::notification::event::Event;
use crate::store::fold::JobPart;
use crate::store::fold_run::RunPart;
use crate::store::options::{STALE_AFTER_MS, WorkflowRule};

const UPSERT_QUEUE: &str = "
    INSERT INTO queue (name, region, last_event_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (name, region) DO UPDATE SET last_event_at = excluded.last_event_at
    WHERE excluded.last_event_at > last_event_at";

const UPSERT_WORKFLOW: &str = "
    INSERT INTO workflow (owner, region, id, name, named_at, last_event_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (owner, region, id) DO UPDATE SET
      name = CASE WHEN (excluded.named_at, excluded.name) > (named_at, COALESCE(name, ''))
        THEN excluded.name ELSE name END,
      named_at = MAX(named_at, excluded.named_at),
      last_event_at = MAX(last_event_at, excluded.last_event_at)
    WHERE excluded.last_event_at > last_event_at
      OR (excluded.named_at, excluded.name) > (named_at, COALESCE(name, ''))";

const IS_QUEUE_KNOWN: &str = "
    SELECT EXISTS (SELECT 1 FROM queue WHERE name = ?1 AND region = ?2 AND last_event_at >= ?3)";

// What the upsert would leave as it is.
const IS_WORKFLOW_KNOWN: &str = "
    SELECT EXISTS (
      SELECT 1 FROM workflow
      WHERE owner = ?1 AND region = ?2 AND id = ?3 AND last_event_at >= ?6
        AND (?5, ?4) > (named_at, COALESCE(name, '')) IS NOT TRUE
    )";

/// A workflow's newest event, and its newest name with when that was published.
type Newest<'a> = (Timestamp, Option<(i64, &'a str)>);

/// When a name was published that came without a publish time: before every other.
const NAMED_AT_UNKNOWN: i64 = i64::MIN;

/// Queues that jobs' events named, with their newest times.
#[derive(Default)]
pub(super) struct Queues {
    /// By region, then name.
    newest: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

impl Queues {
    pub(super) fn note(&mut self, parts: &[JobPart]) {
        for part in parts {
            let Some(queue) = &part.queue else {
                continue;
            };
            // There are few queues and many events: no key is made to look one up.
            let known = self.newest.get_mut(&part.region);
            if let Some(at) = known.and_then(|of_region| of_region.get_mut(queue)) {
                *at = part.at.max(*at);
            } else {
                let of_region = self.newest.entry(part.region.clone()).or_default();
                of_region.insert(queue.clone(), part.at);
            }
        }
    }

    /// Tells whether [`Queues::write`] would change nothing.
    pub(super) fn are_known(&self, tx: &Transaction<'_>) -> rusqlite::Result<bool> {
        for (region, queues) in &self.newest {
            for (queue, at) in queues {
                let mut select = tx.prepare_cached(IS_QUEUE_KNOWN)?;
                let lane = params![queue, region, at.0];
                if !select.query_row(lane, |row| row.get::<_, bool>(0))? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Makes them known.
    pub(super) fn write(self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        for (region, queues) in self.newest {
            for (queue, at) in queues {
                let mut upsert = tx.prepare_cached(UPSERT_QUEUE)?;
                upsert.execute(params![queue, region, at.0])?;
            }
        }
        Ok(())
    }
}

/// Makes the workflows of a run's events known.
pub(super) fn note_workflows(
    tx: &Transaction<'_>,
    owner: &str,
    parts: &[RunPart],
) -> rusqlite::Result<()> {
    for ((region, workflow), (at, name)) in workflows(parts) {
        let named_at = name.map_or(NAMED_AT_UNKNOWN, |(named_at, _)| named_at);
        let name = name.map(|(_, name)| name);
        let mut upsert = tx.prepare_cached(UPSERT_WORKFLOW)?;
        upsert.execute(params![owner, region, workflow, name, named_at, at.0])?;
    }
    Ok(())
}

/// Tells whether [`note_workflows`] would change nothing.
pub(super) fn knows_workflows(
    tx: &Transaction<'_>,
    owner: &str,
    parts: &[RunPart],
) -> rusqlite::Result<bool> {
    for ((region, workflow), (at, name)) in workflows(parts) {
        let named_at = name.map_or(NAMED_AT_UNKNOWN, |(named_at, _)| named_at);
        let name = name.map(|(_, name)| name);
        let mut select = tx.prepare_cached(IS_WORKFLOW_KNOWN)?;
        let lane = params![owner, region, workflow, name, named_at, at.0];
        if !select.query_row(lane, |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the workflows of a run's events, by region and id.
fn workflows(parts: &[RunPart]) -> BTreeMap<(&str, &str), Newest<'_>> {
    let mut newest: BTreeMap<(&str, &str), Newest<'_>> = BTreeMap::new();
    for part in parts {
        let Event::Run(run) = &part.event else {
            continue;
        };
        let Some(workflow) = &run.workflow_id else {
            continue;
        };
        let named_at = part.published_at.map_or(NAMED_AT_UNKNOWN, |at| at.0);
        let name = run.workflow_name.as_deref().map(|name| (named_at, name));
        let lane = newest
            .entry((&part.region, workflow))
            .or_insert((part.at, None));
        *lane = (lane.0.max(part.at), lane.1.max(name));
    }
    newest
}

/// What the configuration says of workflows, with the clock that their runs age by.
pub(super) struct Workflows {
    rules: HashMap<String, WorkflowRule>,
    clock: Clock,
}

impl Workflows {
    /// Of several rules for one id the first counts.
    pub(super) fn new(rules: Vec<WorkflowRule>, clock: Clock) -> Workflows {
        let mut by_id = HashMap::new();
        for rule in rules {
            by_id.entry(rule.id.clone()).or_insert(rule);
        }
        Workflows {
            rules: by_id,
            clock,
        }
    }

    /// Returns the name that wins over every other.
    pub(super) fn name(&self, id: &str) -> Option<&str> {
        let name = self.rules.get(id).map(|rule| rule.name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// Returns when a run must have begun at the latest to be stale now.
    pub(super) fn ages(&self) -> Ages {
        let now = self.clock.now();
        let before = |after_ms: i64| now.plus_ms(after_ms.saturating_neg());
        Ages {
            others: before(STALE_AFTER_MS),
            by_workflow: self
                .rules
                .values()
                .map(|rule| (rule.id.clone(), before(rule.stale_after_ms)))
                .collect(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A run that goes on and began before these times is stale; see [`Workflows::ages`].
pub(super) struct Ages {
    /// Workflows with a time of their own.
    pub(super) by_workflow: BTreeMap<String, Timestamp>,
    /// All others, and runs without a workflow.
    pub(super) others: Timestamp,
}

impl Ages {
    /// Tells whether a run that has not ended and began then is stale.
    pub(super) fn is_stale(&self, workflow: Option<&str>, began_at: Timestamp) -> bool {
        let own = workflow.and_then(|id| self.by_workflow.get(id));
        began_at < *own.unwrap_or(&self.others)
    }
}
