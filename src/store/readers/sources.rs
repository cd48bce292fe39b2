//! What sources let in, the certificates, and how much there is that needs a person.

use std::collections::BTreeMap;

use rusqlite::Transaction;

use crate::notification::source::SourceId;
use crate::store::readers::deliveries;
use crate::store::records::{AllowedOwner, Attention, DeliveryRecord, RowId, SourceRecord};
use crate::store::values::{read_count, read_time};
use crate::store::{Allowance, KeptCertificate};

const SELECT_SOURCES: &str = "SELECT id FROM source ORDER BY id";

// The pinned one first, then as they were allowed.
const SELECT_OWNERS: &str =
    "SELECT source, owner FROM allowed_owner ORDER BY source, pinned DESC, allowed_at, owner";

const SELECT_BOUNDS: &str = "SELECT id, first_delivery, latest_delivery FROM source ORDER BY id";

const SELECT_OWNERS_OF: &str = "
    SELECT owner, pinned FROM allowed_owner WHERE source = ?1
    ORDER BY pinned DESC, allowed_at, owner";

const SELECT_TOPICS: &str =
    "SELECT source, topic FROM allowed_topic ORDER BY source, allowed_at, topic";

const SELECT_CERTIFICATES: &str = "SELECT url, fetched_at, bytes FROM certificate ORDER BY url";

const SELECT_ATTENTION: &str = "
    SELECT
      (SELECT value FROM total WHERE name = 'held_rows') AS held,
      (SELECT COALESCE(SUM(count), 0) FROM refusal_count) AS refused,
      (SELECT value FROM total WHERE name = 'strays') AS strays";

pub(super) fn allowances(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Allowance>> {
    let mut owners = by_source(tx, SELECT_OWNERS)?;
    let mut topics = by_source(tx, SELECT_TOPICS)?;
    let mut select = tx.prepare_cached(SELECT_SOURCES)?;
    let sources = select.query_map([], |row| row.get(0))?;
    let mut allowances = Vec::new();
    for source in sources {
        let source: i64 = source?;
        allowances.push(Allowance {
            source: SourceId(source),
            owners: owners.remove(&source).unwrap_or_default(),
            topics: topics.remove(&source).unwrap_or_default(),
        });
    }
    Ok(allowances)
}

pub(super) fn records(tx: &Transaction<'_>) -> rusqlite::Result<Vec<SourceRecord>> {
    let mut select = tx.prepare_cached(SELECT_BOUNDS)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut records = Vec::new();
    for row in rows {
        let (source, first, latest): (i64, Option<RowId>, Option<RowId>) = row?;
        let mut select = tx.prepare_cached(SELECT_OWNERS_OF)?;
        let owners = select.query_map([source], |row| {
            Ok(AllowedOwner {
                owner: row.get(0)?,
                is_pinned: row.get(1)?,
            })
        })?;
        let newest = delivery(tx, latest)?;
        records.push(SourceRecord {
            id: SourceId(source),
            first: delivery(tx, first)?.or_else(|| newest.clone()),
            newest,
            owners: owners.collect::<rusqlite::Result<_>>()?,
        });
    }
    Ok(records)
}

fn delivery(tx: &Transaction<'_>, id: Option<RowId>) -> rusqlite::Result<Option<DeliveryRecord>> {
    match id {
        Some(id) => deliveries::one(tx, id),
        None => Ok(None),
    }
}

fn by_source(tx: &Transaction<'_>, sql: &str) -> rusqlite::Result<BTreeMap<i64, Vec<String>>> {
    let mut select = tx.prepare_cached(sql)?;
    let mut by_source: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for row in rows {
        let (source, name) = row?;
        by_source.entry(source).or_default().push(name);
    }
    Ok(by_source)
}

pub(super) fn certificates(tx: &Transaction<'_>) -> rusqlite::Result<Vec<KeptCertificate>> {
    let mut select = tx.prepare_cached(SELECT_CERTIFICATES)?;
    let rows = select.query_map([], |row| {
        Ok(KeptCertificate {
            url: row.get("url")?,
            bytes: row.get("bytes")?,
            fetched_at: read_time(row, "fetched_at")?,
        })
    })?;
    rows.collect()
}

pub(super) fn attention(tx: &Transaction<'_>) -> rusqlite::Result<Attention> {
    let mut select = tx.prepare_cached(SELECT_ATTENTION)?;
    select.query_row([], |row| {
        Ok(Attention {
            held: read_count(row, "held")?,
            refused: read_count(row, "refused")?,
            strays: read_count(row, "strays")?,
        })
    })
}
