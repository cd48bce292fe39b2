//! How things stand, in numbers that an alarm looks at: read, not kept, so that they are right from
//! the first moment after a start, and a run becomes stale without anything being written.
//!
//! Each statement is bounded or by an index: this is read at every scrape.

use rusqlite::Transaction;

use crate::notification::source::SourceId;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::lanes::{Ages, Workflows};
use crate::store::open;
use crate::store::readers::query::ROWS_COUNTED_MAX;
use crate::store::readers::{refusals, sources};
use crate::store::standing::{Schema, Standing};
use crate::store::values::{read_count, read_time};

const SELECT_HELD_BYTES: &str = "SELECT value FROM total WHERE name = 'held_bytes'";

const SELECT_NEWEST: &str = "
    SELECT source.id, arrival_hour.last_taken_at
    FROM source CROSS JOIN arrival_hour ON arrival_hour.source = source.id
      AND arrival_hour.at = (
        SELECT at FROM arrival_hour
        WHERE source = source.id AND last_taken_at IS NOT NULL ORDER BY at DESC LIMIT 1
      )";

const SELECT_OPEN_RUNS: &str = "
    SELECT workflow, COALESCE(created_at, last_event_at) AS began_at
    FROM run INDEXED BY run_open WHERE outcome = 'running'
    LIMIT ?1";

impl Store {
    /// Reads how things stand.
    pub fn standing(&self) -> Result<Standing, ReadError> {
        let known = &self.inner.workflows;
        self.inner.readers.read(|tx| standing(tx, known))
    }

    /// Reads which schema the database has now.
    pub fn schema(&self) -> Result<Schema, ReadError> {
        let read = |tx: &Transaction<'_>| {
            let sql = "SELECT user_version AS version FROM pragma_user_version";
            tx.query_row(sql, [], |row| read_count(row, "version"))
        };
        let found = self.inner.readers.read(read)?;
        Ok(Schema {
            found,
            known: open::schema_known(),
        })
    }
}

fn standing(tx: &Transaction<'_>, known: &Workflows) -> rusqlite::Result<Standing> {
    let (open_runs, stale_runs) = open_runs(tx, &known.ages())?;
    let attention = sources::attention(tx)?;
    let mut select = tx.prepare_cached(SELECT_HELD_BYTES)?;
    let held_bytes = select.query_row([], |row| read_count(row, "value"))?;
    let mut select = tx.prepare_cached(SELECT_NEWEST)?;
    let newest = select.query_map([], |row| {
        Ok((SourceId(row.get("id")?), read_time(row, "last_taken_at")?))
    })?;
    Ok(Standing {
        open_runs,
        stale_runs,
        held: attention.held,
        held_bytes,
        strays: attention.strays,
        refusals: refusals::counts(tx)?,
        newest: newest.collect::<rusqlite::Result<_>>()?,
    })
}

/// Returns how many runs go on, and how many of these are stale.
fn open_runs(tx: &Transaction<'_>, ages: &Ages) -> rusqlite::Result<(u64, u64)> {
    let mut select = tx.prepare_cached(SELECT_OPEN_RUNS)?;
    let mut rows = select.query([ROWS_COUNTED_MAX])?;
    let (mut open, mut stale) = (0, 0);
    while let Some(row) = rows.next()? {
        let workflow = row.get_ref("workflow")?.as_str_or_null()?;
        open += 1;
        stale += u64::from(ages.is_stale(workflow, read_time(row, "began_at")?));
    }
    Ok((open, stale))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::clock::Timestamp;
    use crate::notification::event::{Event, RunEvent};
    use crate::store::fixtures::{self, NOON, arrival, arrival_of};
    use crate::store::options::STALE_AFTER_MS;

    use super::*;

    #[test]
    fn a_run_becomes_stale_by_time_alone_and_nothing_is_written() {
        let test = fixtures::open_with(|options| {
            options.clock = crate::clock::Clock::standing_at(NOON.plus_ms(STALE_AFTER_MS));
        });
        let runs = [
            ("old", Some("w"), STALE_AFTER_MS + 1),
            ("new", Some("w"), 1),
            ("of no workflow", None, STALE_AFTER_MS + 1),
        ];
        for (id, workflow, age_ms) in runs {
            let run = RunEvent {
                run_id: id.to_owned(),
                workflow_id: workflow.map(str::to_owned),
                created_at: Some(NOON.plus_ms(STALE_AFTER_MS - age_ms)),
                ..RunEvent::default()
            };
            test.append(arrival_of("t", id, vec![Event::Run(run)]));
        }
        let standing = test.store.standing().unwrap();
        assert_eq!((standing.open_runs, standing.stale_runs), (3, 2));
    }

    #[test]
    fn the_newest_message_of_a_source_is_told_once_there_is_one() {
        let test = fixtures::open();
        assert_eq!(test.store.standing().unwrap().newest, []);
        let first = arrival("m1", "j1");
        let (source, at) = (first.delivery.source, first.delivery.received_at);
        test.append(first);
        assert_eq!(test.store.standing().unwrap().newest, [(source, at)]);
    }

    #[test]
    fn the_last_push_is_by_time_so_that_an_import_of_older_ones_does_not_take_it_back() {
        let test = fixtures::open();
        test.append(arrival("m1", "j1"));
        let source = test.source.id;
        let received = |id: &str, at: Timestamp| {
            let mut arrival = arrival(id, id);
            arrival.delivery.received_at = at;
            arrival
        };
        let older = Arc::new(vec![received("old", NOON.plus_ms(-7 * 86_400_000))]);
        test.runtime.block_on(test.store.import(older)).unwrap();
        assert_eq!(test.store.standing().unwrap().newest, [(source, NOON)]);
        let connected = test.store.sources().unwrap().remove(0);
        assert_eq!(connected.newest.unwrap().received_at, NOON);

        let later = NOON.plus_ms(5 * 86_400_000);
        test.append(received("m1", later));
        assert_eq!(test.store.standing().unwrap().newest, [(source, later)]);
    }

    #[test]
    fn a_scrape_scans_no_table_that_grows() {
        let test = fixtures::open();
        fixtures::assert_by_index(&test.look(), SELECT_HELD_BYTES);
        let plan = fixtures::plan(&test.look(), SELECT_NEWEST);
        assert!(!plan.contains("SCAN arrival_hour"), "{plan}");
        // The index has those that go on and no others.
        let plan = fixtures::plan(&test.look(), SELECT_OPEN_RUNS);
        assert_eq!(plan.trim(), "SCAN run USING INDEX run_open");
    }

    #[test]
    fn the_schema_is_the_one_that_was_made() {
        let test = fixtures::open();
        let schema = test.store.schema().unwrap();
        assert_eq!(schema.found, schema.known);
        test.look().pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(test.store.schema().unwrap().found, 99);
    }
}
