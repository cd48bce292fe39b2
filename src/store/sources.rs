//! What the store knows of sources: their numbers, the paths it made, whom they let in; and the
//! certificates that have verified a push.
//!
//! **Architecture invariant:** an owner is pinned in the transaction that stores its first message,
//! so that of two owners' first pushes one is let in, however close they come.

use std::fmt::Write;

use rusqlite::{Transaction, params};

use crate::notification::source::{Source, SourceId};
use crate::store::KeptCertificate;
use crate::store::errors::WriteError;
use crate::store::inbox::Context;
use crate::store::options::SourceRule;

/// The most certificates kept. There has been one in a decade; this leaves room for one a region.
pub(super) const CERTIFICATES_MAX: i64 = 16;

/// Random bytes in a generated path: 128 bits cannot be guessed.
const TOKEN_BYTES: usize = 16;

const INSERT_SOURCE: &str = "INSERT INTO source (name) VALUES (?1) ON CONFLICT (name) DO NOTHING";

const KEEP_PATH: &str = "
    UPDATE source SET generated_path = ?2 WHERE name = ?1 AND generated_path IS NULL";

const SELECT_SOURCE: &str = "SELECT id, generated_path FROM source WHERE name = ?1";

const SELECT_HAS_OWNER: &str = "
    SELECT COUNT(*), COALESCE(MAX(owner = ?2), 0) FROM allowed_owner WHERE source = ?1";

const INSERT_OWNER: &str = "
    INSERT INTO allowed_owner (source, owner, pinned, allowed_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (source, owner) DO NOTHING";

const INSERT_TOPIC: &str = "
    INSERT INTO allowed_topic (source, topic, allowed_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (source, topic) DO NOTHING";

const UPSERT_CERTIFICATE: &str = "
    INSERT INTO certificate (url, fetched_at, bytes) VALUES (?1, ?2, ?3)
    ON CONFLICT (url) DO UPDATE SET fetched_at = excluded.fetched_at, bytes = excluded.bytes";

const DELETE_OLDEST_CERTIFICATES: &str = "
    DELETE FROM certificate
    WHERE url <> ?1 AND url NOT IN (
      SELECT url FROM certificate WHERE url <> ?1 ORDER BY fetched_at DESC, url LIMIT ?2
    )";

/// A rule with the path it gets if it has none and none was made for it before.
pub(super) struct RuleWithToken {
    rule: SourceRule,
    path: String,
}

/// Makes a path for each rule that may need one.
pub(super) fn with_tokens(rules: Vec<SourceRule>) -> Result<Vec<RuleWithToken>, WriteError> {
    let mut with_tokens = Vec::with_capacity(rules.len());
    for rule in rules {
        let path = generate_path()?;
        with_tokens.push(RuleWithToken { rule, path });
    }
    Ok(with_tokens)
}

fn generate_path() -> Result<String, WriteError> {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token).map_err(|error| WriteError::Failed {
        source: std::sync::Arc::new(error),
    })?;
    let mut path = "/notifications/".to_owned();
    for byte in token {
        // Writing to a string cannot fail.
        let _ = write!(path, "{byte:02x}");
    }
    Ok(path)
}

pub(super) fn register(
    tx: &Transaction<'_>,
    _: &Context,
    rules: &Vec<RuleWithToken>,
) -> rusqlite::Result<Result<Vec<Source>, WriteError>> {
    let mut sources = Vec::with_capacity(rules.len());
    for RuleWithToken { rule, path } in rules {
        tx.prepare_cached(INSERT_SOURCE)?.execute([&rule.name])?;
        if rule.paths.is_empty() {
            tx.prepare_cached(KEEP_PATH)?.execute([&rule.name, path])?;
        }
        let mut select = tx.prepare_cached(SELECT_SOURCE)?;
        let (id, generated): (i64, Option<String>) =
            select.query_row([&rule.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let paths = if rule.paths.is_empty() {
            generated.into_iter().collect()
        } else {
            rule.paths.clone()
        };
        sources.push(Source {
            id: SourceId(id),
            name: rule.name.clone(),
            paths,
            owners: rule.owners.clone(),
            topics: rule.topics.clone(),
            region: rule.region.clone(),
            queue: rule.queue.clone(),
        });
    }
    Ok(Ok(sources))
}

/// Pins `owner` if the source has none yet; returns whether it is let in now. No owner is nobody
/// to pin, and is not let in.
pub(super) fn pin(
    tx: &Transaction<'_>,
    ctx: &Context,
    source: SourceId,
    owner: &str,
) -> rusqlite::Result<bool> {
    if owner.is_empty() {
        return Ok(false);
    }
    let mut select = tx.prepare_cached(SELECT_HAS_OWNER)?;
    let (owners, is_let_in): (i64, bool) = select.query_row(params![source.0, owner], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    if owners == 0 {
        insert_owner(tx, ctx, source, owner, true)?;
    }
    Ok(owners == 0 || is_let_in)
}

pub(super) fn allow_owner(
    tx: &Transaction<'_>,
    ctx: &Context,
    (source, owner): &(SourceId, String),
) -> rusqlite::Result<Result<(), WriteError>> {
    insert_owner(tx, ctx, *source, owner, false).map(Ok)
}

fn insert_owner(
    tx: &Transaction<'_>,
    ctx: &Context,
    source: SourceId,
    owner: &str,
    is_pinned: bool,
) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(INSERT_OWNER)?;
    insert.execute(params![source.0, owner, is_pinned, ctx.clock.now().0])?;
    Ok(())
}

pub(super) fn allow_topic(
    tx: &Transaction<'_>,
    ctx: &Context,
    (source, topic): &(SourceId, String),
) -> rusqlite::Result<Result<(), WriteError>> {
    let mut insert = tx.prepare_cached(INSERT_TOPIC)?;
    insert.execute(params![source.0, topic, ctx.clock.now().0])?;
    Ok(Ok(()))
}

pub(super) fn keep_certificate(
    tx: &Transaction<'_>,
    _: &Context,
    certificate: &KeptCertificate,
) -> rusqlite::Result<Result<(), WriteError>> {
    let KeptCertificate {
        url,
        bytes,
        fetched_at,
    } = certificate;
    let mut upsert = tx.prepare_cached(UPSERT_CERTIFICATE)?;
    upsert.execute(params![url, fetched_at.0, bytes])?;
    let mut delete = tx.prepare_cached(DELETE_OLDEST_CERTIFICATES)?;
    delete.execute(params![url, CERTIFICATES_MAX - 1])?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::store::Store;
    use crate::store::fixtures::{self, TestStore};
    use crate::store::options::SourceRule;

    use super::*;

    fn rule(name: &str, paths: &[&str]) -> SourceRule {
        SourceRule {
            name: name.to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            region: "cn-shanghai".to_owned(),
            ..SourceRule::default()
        }
    }

    fn keep(test: &TestStore, url: &str, fetched_at: i64, bytes: &[u8]) {
        let certificate = KeptCertificate {
            url: url.to_owned(),
            bytes: bytes.to_vec(),
            fetched_at: Timestamp(fetched_at),
        };
        let keep = test.store.keep_certificate(certificate);
        test.runtime.block_on(keep).unwrap();
    }

    #[test]
    fn a_source_without_paths_gets_a_random_one_and_keeps_it() {
        let test = fixtures::open();
        let path = test.source.paths[0].clone();
        let token = path.strip_prefix("/notifications/").unwrap();
        assert_eq!(token.len(), 32);
        assert!(
            token
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        let other = fixtures::register(&test.store, "other");
        assert_ne!(other.paths, test.source.paths);

        test.store.close();
        let (store, _) = Store::open(fixtures::options(test.path())).unwrap();
        let again = fixtures::register(&store, "default");
        assert_eq!(again, test.source);
    }

    #[test]
    fn a_source_keeps_its_number_wherever_it_stands_and_its_own_paths() {
        let test = fixtures::open();
        let rules = vec![rule("b", &["/x", "/y"]), rule("default", &["/z"])];
        let sources = test.store.register_sources(rules).unwrap();
        assert_eq!(sources[0].paths, ["/x", "/y"]);
        assert_eq!(sources[0].region, "cn-shanghai");
        assert_eq!(sources[1].paths, ["/z"]);
        assert_eq!(sources[1].id, test.source.id);
        assert_ne!(sources[0].id, sources[1].id);
        let again = test
            .store
            .register_sources(vec![rule("default", &[])])
            .unwrap();
        assert_eq!(again[0].paths, test.source.paths);
    }

    #[test]
    fn what_a_person_allowed_is_kept_for_that_source() {
        let test = fixtures::open();
        let other = fixtures::register(&test.store, "other");
        let allow = test.store.allow_topic(test.source.id, "t1".to_owned());
        test.runtime.block_on(allow).unwrap();
        let allow = test.store.allow_owner(other.id, "2002".to_owned());
        test.runtime.block_on(allow).unwrap();
        test.store.close();

        let (store, _) = Store::open(fixtures::options(test.path())).unwrap();
        let allowances = store.allowances().unwrap();
        assert_eq!(allowances.len(), 2);
        assert_eq!(allowances[0].topics, ["t1"]);
        assert!(allowances[0].owners.is_empty());
        assert_eq!(allowances[1].owners, ["2002"]);
        assert_eq!(allowances[1].source, other.id);
    }

    #[test]
    fn an_allowance_for_a_source_that_is_not_there_is_an_error() {
        let test = fixtures::open();
        let allow = test.store.allow_owner(SourceId(99), "2002".to_owned());
        assert!(test.runtime.block_on(allow).is_err());
    }

    #[test]
    fn certificates_are_replaced_by_url_and_the_oldest_go_beyond_sixteen() {
        let test = fixtures::open();
        keep(&test, "https://a/0", 100, b"old");
        keep(&test, "https://a/0", 1, b"new");
        assert_eq!(test.store.certificates().unwrap()[0].bytes, b"new");
        for at in 1..16 {
            keep(&test, &format!("https://a/{at}"), 100 + at, b"x");
        }
        assert_eq!(test.store.certificates().unwrap().len(), 16);
        keep(&test, "https://a/late", 0, b"x");
        let urls: Vec<_> = test
            .store
            .certificates()
            .unwrap()
            .into_iter()
            .map(|certificate| certificate.url)
            .collect();
        assert_eq!(urls.len(), 16);
        assert!(urls.contains(&"https://a/late".to_owned()));
        assert!(!urls.contains(&"https://a/0".to_owned()));
    }
}
