//! Events read again and rows folded again, piece by piece, while pushes go on.
//!
//! Two walks by key, each bounded by what was there when it began. Both look first, by reading alone
//! ([`Store::look_at_deliveries`] and its like; `check.rs`, `check_jobs.rs`), and go to the writer only
//! with stretches in which something is wrong.
//!
//! The first goes over the deliveries: of a wrong stretch the caller takes the kept pushes of a piece
//! ([`Store::page_kept_pushes`]), reads them again, and hands back what they say now
//! ([`Store::reread`]); the writer replaces what differs and folds the runs and jobs it is about
//! (`reread.rs`). The second goes over the runs and then the jobs ([`Store::refold_runs`],
//! [`Store::refold_jobs`]): each job is put into the queue that today's rules give its events, and
//! each is folded again (`refold.rs`). It needs no message, so it reaches what age has emptied.
//!
//! A dry piece does all that and takes it back, so what it reports is what would be done to what is
//! there. Only what an earlier piece would have changed is not in it: of a job whose messages lie in
//! two pieces, each is judged with the other as it is stored.
//!
//! What else is kept beside the rows may be wrong while they are right. So every row's words are
//! compared with the index of words (`entries.rs`), and the roll-ups with their rows (`sums.rs`). A dry
//! run compares only the roll-ups, since no report says anything of words.
//!
//! What a delivery's key is made of (owner, region, topic, message id) stays as it was stored, even
//! if its envelope reads differently now: it says which message this is, and duplicates of it may
//! still come.
//!
//! **Architecture invariant:** a piece is one command in the inbox among others, bounded in
//! deliveries, bytes and events, so that a push never waits behind more than one of them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Row, Transaction, params};

use crate::notification::capture;
use crate::notification::delivery::Delivery;
use crate::notification::event::Event;
use crate::notification::source::{Source, SourceId};
use crate::notification::{Admitted, Notification};
use crate::store::Store;
use crate::store::errors::{ReadError, WriteError};
use crate::store::inbox::How;
use crate::store::numbers::Subject;
use crate::store::packed::{self, Unpacked};
use crate::store::rebuild::entries::Entries;
use crate::store::records::RowId;
use crate::store::rollups::Deltas;
use crate::store::values::{count, read_time, unreadable};
use crate::store::words::Words;

pub mod entries;

mod check;
mod check_jobs;
mod refold;
mod reread;
mod sums;

/// The most deliveries in a piece: some milliseconds of the writer's time.
pub const PIECE_DELIVERIES_MAX: usize = 100;

/// Bytes of heads and bodies after which a piece takes no further delivery.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;

const SELECT_EXTENT: &str = "
    SELECT COALESCE((SELECT MAX(id) FROM delivery), 0), COALESCE((SELECT MAX(id) FROM run), 0),
      COALESCE((SELECT MAX(id) FROM job), 0)";

const SELECT_PUSHES: &str = "
    SELECT delivery.id, delivery.source, delivery.received_at, delivery_capture.push,
      delivery_capture.delivery IS NULL AS is_emptied
    FROM delivery LEFT JOIN delivery_capture ON delivery_capture.delivery = delivery.id
    WHERE delivery.id > ?1 AND delivery.id <= ?2
    ORDER BY delivery.id
    LIMIT ?3";

/// How far the walks go: the last numbers when they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub delivery: RowId,
    pub run: RowId,
    pub job: RowId,
}

/// Rows by their numbers: those behind `after` up to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub after: RowId,
    pub last: RowId,
}

/// What a look at a stretch found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Deliveries whose message is kept, and was read again.
    pub kept: u64,
    /// Deliveries whose message is not kept any more.
    pub emptied: u64,
    /// From the first row that is wrong to the last.
    pub wrong: Option<Stretch>,
    /// Of some of them the words are.
    pub has_wrong_words: bool,
}

impl Look {
    /// Notes a row, each behind the one before.
    fn is_wrong(&mut self, row: RowId) {
        let after = self.wrong.map_or(row - 1, |wrong| wrong.after);
        self.wrong = Some(Stretch { after, last: row });
    }

    /// Notes a row if its words are others than these.
    fn ask(&mut self, entries: Option<&Entries>, row: RowId, words: &str) {
        if entries.is_some_and(|entries| !entries.has(row, words)) {
            self.is_wrong(row);
            self.has_wrong_words = true;
        }
    }
}

/// A stored delivery to read again.
#[derive(Clone, Debug)]
pub struct KeptPush {
    pub id: RowId,
    /// The push as it came; `None` once age has emptied it.
    pub delivery: Option<Delivery>,
}

/// A stored delivery, read again.
#[derive(Debug)]
pub struct Reread {
    pub delivery: RowId,
    /// `None` if its message is not kept any more: its events stay as they are.
    pub fresh: Option<Fresh>,
}

/// What a delivery says now.
#[derive(Debug)]
pub struct Fresh {
    pub notification: Admitted<Notification>,
    pub events: Vec<Event>,
    pub md5_mismatch: bool,
}

/// The most buckets of roll-ups that are set right in a piece.
const PIECE_BUCKETS_MAX: usize = 500;

/// How long comparing the roll-ups with their rows may take: seconds for a million jobs. The log
/// cannot be emptied meanwhile.
const COMPARE_MAX: Duration = Duration::from_secs(600);

/// What the roll-ups lack to be the sums of their rows; nothing but after a fault.
#[derive(Clone, Debug)]
pub struct WrongSums {
    lacking: Deltas,
}

impl WrongSums {
    /// How many minutes and hours of a lane are wrong.
    pub fn buckets(&self) -> u64 {
        self.lacking.len() as u64
    }

    /// Takes out as many as one piece may have; `None` if there are none left.
    pub fn take_piece(&mut self) -> Option<WrongSums> {
        let lacking = self.lacking.take_some(PIECE_BUCKETS_MAX)?;
        Some(WrongSums { lacking })
    }
}

/// What a piece of a rebuild goes by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The queue of each configured source, empty if it has none. A source that is not configured
    /// any more keeps the queue that its jobs were given.
    pub source_queues: Arc<BTreeMap<SourceId, String>>,
    /// Everything is taken back; only the changes are reported.
    pub dry_run: bool,
    /// Also the words that do not change are written again.
    pub rewrites_words: bool,
}

/// What a piece changed, or would change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub events_added: u64,
    pub events_changed: u64,
    pub events_removed: u64,
    /// Events of jobs that belong to another queue now, or to the same by another rule.
    pub events_moved: u64,
    /// Deliveries whose row says something else about envelope or message.
    pub deliveries_changed: u64,
    /// Messages that were not understood and are now.
    pub recognized: u64,
    /// Messages that were understood and are not any more.
    pub unrecognized: u64,
    /// Each run that differs, itself or by its activities, once.
    pub runs: Vec<EntityChange>,
    /// Each job that differs, once.
    pub jobs: Vec<EntityChange>,
    /// The last row of the walk that is done, behind which it goes on; `None` at its end.
    pub next: Option<RowId>,
}

/// What became of one run or job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityChange {
    /// Stands for owner and id, to tell whether two changes are about the same one.
    pub entity: u64,
    pub fate: Fate,
    /// It is a job, and its queue is another one.
    pub is_moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Added,
    Changed,
    /// None of its events is left.
    Removed,
}

impl Rules {
    pub fn new(sources: &[Source], dry_run: bool) -> Rules {
        let queues = sources
            .iter()
            .map(|source| (source.id, source.queue.clone()));
        Rules {
            source_queues: Arc::new(queues.collect()),
            dry_run,
            rewrites_words: false,
        }
    }

    /// The same, for rows of which some have wrong words.
    #[must_use]
    pub fn rewriting_words(&self, rewrites_words: bool) -> Rules {
        Rules {
            rewrites_words,
            ..self.clone()
        }
    }
}

impl EntityChange {
    fn of(subject: &Subject, fate: Fate, is_moved: bool) -> EntityChange {
        let mut hasher = DefaultHasher::new();
        (&subject.owner, &subject.id).hash(&mut hasher);
        EntityChange {
            entity: hasher.finish(),
            fate,
            is_moved,
        }
    }
}

/// Rebuilding; `ingest::rebuild` is the one caller.
impl Store {
    pub fn rebuild_extent(&self) -> Result<Extent, ReadError> {
        self.inner.readers.read(|tx| {
            tx.query_row(SELECT_EXTENT, [], |row| {
                Ok(Extent {
                    delivery: row.get(0)?,
                    run: row.get(1)?,
                    job: row.get(2)?,
                })
            })
        })
    }

    /// Returns the deliveries behind `after` up to `last`, as many as one piece may have: at least
    /// one if there is one, however long its body.
    pub fn page_kept_pushes(&self, after: RowId, last: RowId) -> Result<Vec<KeptPush>, ReadError> {
        self.inner.readers.read(|tx| kept_pushes(tx, after, last))
    }

    /// Looks which deliveries of a stretch are not what `read` reads in them, or have events whose
    /// job or run has no row. It holds one message at a time.
    pub fn look_at_deliveries(
        &self,
        stretch: Stretch,
        read: impl Fn(KeptPush) -> Option<Fresh>,
    ) -> Result<Look, ReadError> {
        let look = |tx: &Transaction<'_>| check::deliveries(tx, stretch, read);
        self.inner.readers.read_within(COMPARE_MAX, look)
    }

    /// Looks which runs of a stretch are not what their events say, or, with `entries`, are not
    /// found by their words.
    pub fn look_at_runs(
        &self,
        stretch: Stretch,
        entries: Option<&Entries>,
    ) -> Result<Look, ReadError> {
        let look = |tx: &Transaction<'_>| check::runs(tx, stretch, entries);
        self.inner.readers.read_within(COMPARE_MAX, look)
    }

    /// Looks which jobs of a stretch are not what their events and today's rules say, or, with
    /// `entries`, are not found by their words.
    pub fn look_at_jobs(
        &self,
        stretch: Stretch,
        rules: &Rules,
        entries: Option<&Entries>,
    ) -> Result<Look, ReadError> {
        let queues = &self.inner.queues;
        let look = |tx: &Transaction<'_>| check_jobs::jobs(tx, stretch, queues, rules, entries);
        self.inner.readers.read_within(COMPARE_MAX, look)
    }

    /// Reads what runs are found by, of a stretch of at most [`entries::ENTRIES_MAX`] rows.
    pub fn read_entries_of_runs(&self, stretch: Stretch) -> Result<Entries, ReadError> {
        self.read_entries(Words::OfRuns, stretch)
    }

    /// Reads what jobs are found by, of a stretch of at most [`entries::ENTRIES_MAX`] rows.
    pub fn read_entries_of_jobs(&self, stretch: Stretch) -> Result<Entries, ReadError> {
        self.read_entries(Words::OfJobs, stretch)
    }

    fn read_entries(&self, whose: Words, stretch: Stretch) -> Result<Entries, ReadError> {
        let mut entries = Entries::of(stretch);
        let mut read_to = Some(String::new());
        while let Some(word) = read_to {
            let read = |tx: &Transaction<'_>| entries.read_on(tx, whose, &word);
            read_to = self.inner.readers.read_within(COMPARE_MAX, read)?;
        }
        Ok(entries)
    }

    /// Replaces the events of deliveries by what was read now, where they differ, and folds the jobs
    /// they are about. Deliveries that are gone meanwhile are passed over. It may stop within the
    /// piece, where there is much to fold.
    ///
    /// Shared, since the caller tries again when the inbox is full.
    pub async fn reread(
        &self,
        piece: Arc<Vec<Reread>>,
        rules: Rules,
    ) -> Result<Changes, WriteError> {
        let messages = piece.iter().filter_map(|reread| reread.fresh.as_ref());
        let bytes = messages.map(|fresh| fresh.notification.message.len()).sum();
        self.ask_and_wait(bytes, (piece, rules), How::Settled(reread::reread))
            .await
    }

    /// Compares the roll-ups with their rows, all of them.
    pub fn find_wrong_sums(&self) -> Result<WrongSums, ReadError> {
        let now = self.inner.workflows.now();
        let readers = &self.inner.readers;
        let lacking = readers.read_within(COMPARE_MAX, |tx| sums::lacking(tx, now))?;
        Ok(WrongSums { lacking })
    }

    /// Adds what was lacking. Once for each piece: a second time would make it wrong again.
    pub async fn correct_sums(&self, piece: WrongSums) -> Result<(), WriteError> {
        let correct = How::Settled(|tx, ctx, piece: &WrongSums| {
            piece.lacking.clone().write(tx, ctx.clock.now())?;
            Ok(Ok(()))
        });
        self.ask_and_wait(0, piece, correct).await
    }

    /// Folds the next runs behind `after` up to `last` again.
    pub async fn refold_runs(
        &self,
        after: RowId,
        last: RowId,
        rules: Rules,
    ) -> Result<Changes, WriteError> {
        self.ask_and_wait(0, (after, last, rules), How::Settled(refold::refold_runs))
            .await
    }

    /// Puts the next jobs behind `after` up to `last` into their queues and folds them again.
    pub async fn refold_jobs(
        &self,
        after: RowId,
        last: RowId,
        rules: Rules,
    ) -> Result<Changes, WriteError> {
        self.ask_and_wait(0, (after, last, rules), How::Settled(refold::refold_jobs))
            .await
    }
}

fn kept_pushes(tx: &Transaction<'_>, after: RowId, last: RowId) -> rusqlite::Result<Vec<KeptPush>> {
    let mut select = tx.prepare_cached(SELECT_PUSHES)?;
    let mut rows = select.query(params![after, last, count(PIECE_DELIVERIES_MAX)])?;
    let mut pushes = Vec::new();
    let mut bytes = 0;
    while bytes < PIECE_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let push = kept_push(row)?;
        bytes += push
            .delivery
            .as_ref()
            .map_or(0, |delivery| delivery.body.len() + delivery.headers.bytes());
        pushes.push(push);
    }
    Ok(pushes)
}

fn kept_push(row: &Row<'_>) -> rusqlite::Result<KeptPush> {
    let is_emptied: bool = row.get("is_emptied")?;
    let delivery = if is_emptied {
        None
    } else {
        Some(delivery(row)?)
    };
    Ok(KeptPush {
        id: row.get("id")?,
        delivery,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let Unpacked { head, body } = packed::read(row)?;
    let capture = capture::parse(&head).map_err(|error| unreadable(error.into()))?;
    let source = SourceId(row.get("source")?);
    Ok(Delivery {
        body,
        ..capture.into_delivery(source, read_time(row, "received_at")?)
    })
}

/// Runs `piece`, and takes everything back if it is only to report.
fn in_savepoint<R>(
    tx: &Transaction<'_>,
    dry_run: bool,
    piece: impl FnOnce() -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    if !dry_run {
        return piece();
    }
    // By hand, since a command does not have its transaction alone. After an error the whole of it
    // is rolled back by the writer.
    tx.execute_batch("SAVEPOINT rebuild")?;
    let done = piece()?;
    tx.execute_batch("ROLLBACK TO rebuild; RELEASE rebuild")?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use crate::notification::event::{JobEvent, JobState, RunEvent};
    use crate::store::filters::JobFilter;
    use crate::store::fixtures::{self, TestStore, arrival, arrival_of, queue_rule};
    use crate::store::records::{Page, Place, RollUpSpan};

    use super::*;

    const LAST: RowId = RowId::MAX;

    fn rules(test: &TestStore) -> Rules {
        Rules::new(std::slice::from_ref(&test.source), false).rewriting_words(true)
    }

    fn run_sql(test: &TestStore, sql: &'static str) {
        let done = test.put(sql, |tx, _, sql| {
            tx.execute_batch(sql)?;
            Ok(Ok(()))
        });
        done.recv().unwrap().unwrap();
    }

    fn refold(test: &TestStore) -> Changes {
        let refold = test.store.refold_jobs(0, LAST, rules(test));
        test.runtime.block_on(refold).unwrap()
    }

    #[test]
    fn a_piece_is_bounded_in_deliveries_and_in_bytes() {
        let test = fixtures::open();
        for at in 0..=PIECE_DELIVERIES_MAX {
            test.append(arrival(&format!("m{at}"), "j"));
        }
        let first = test.store.page_kept_pushes(0, LAST).unwrap();
        assert_eq!(first.len(), PIECE_DELIVERIES_MAX);
        let rest = test.store.page_kept_pushes(first[99].id, LAST).unwrap();
        assert_eq!(rest.len(), 1);
        assert!(test.store.page_kept_pushes(0, 0).unwrap().is_empty());

        let test = fixtures::open();
        for at in 0..3 {
            let mut big = arrival(&format!("m{at}"), "j");
            big.delivery.body = vec![b'x'; PIECE_BYTES_MAX];
            test.append(big);
        }
        let piece = test.store.page_kept_pushes(1, LAST).unwrap();
        let ids: Vec<_> = piece.iter().map(|push| push.id).collect();
        assert_eq!(ids, [2]);
    }

    #[test]
    fn what_age_has_emptied_keeps_its_events_and_moves_with_the_table() {
        let mut test = fixtures::open();
        for (id, job) in [("m1", "a"), ("m2", "b"), ("m3", "c")] {
            test.append(arrival(id, job));
        }
        run_sql(
            &test,
            "DELETE FROM delivery_capture WHERE delivery = 1;
             DELETE FROM delivery_capture WHERE delivery = 2;",
        );
        test.store.close();
        let mut options = fixtures::options(test.path());
        options.queues = vec![queue_rule("hd", &["topic"])];
        (test.store, _) = Store::open(options).unwrap();

        let pushes = test.store.page_kept_pushes(0, LAST).unwrap();
        let kept: Vec<bool> = pushes.iter().map(|push| push.delivery.is_some()).collect();
        assert_eq!(kept, [false, false, true]);
        let emptied = |id| Reread {
            delivery: id,
            fresh: None,
        };
        let piece = Arc::new(vec![emptied(1), emptied(2), emptied(999)]);
        let reread = test.store.reread(piece, rules(&test));
        let changes = test.runtime.block_on(reread).unwrap();
        let nothing = Changes {
            next: Some(999),
            ..Changes::default()
        };
        assert_eq!(changes, nothing);

        let changes = refold(&test);
        assert_eq!((changes.events_moved, changes.jobs.len()), (3, 3));
        let jobs = test.jobs();
        assert_eq!(jobs.len(), 3);
        assert!(jobs.iter().all(|job| job.queue.as_deref() == Some("hd")));
        assert_eq!(test.lanes().len(), 1);
    }

    #[test]
    fn rows_that_a_fault_has_changed_lost_or_left_behind_are_set_right() {
        let test = fixtures::open();
        for (id, job) in [("m1", "a"), ("m1", "a"), ("m2", "b"), ("m3", "c")] {
            test.append(arrival(id, job));
        }
        let mut before = test.jobs();
        run_sql(
            &test,
            "UPDATE job SET state = 'failed', deliveries = 9 WHERE job = 'a';
             DELETE FROM job WHERE job = 'b';
             INSERT INTO job (
                 id, job, owner, region, queue, names, state, events, deliveries, conflict,
                 last_event_at, extra
               )
               SELECT 77, 'ghost', owner, region, queue, names, state, events, deliveries, conflict,
                 last_event_at, extra
               FROM job WHERE job = 'c';",
        );
        let piece = (1..=3).map(|delivery| Reread {
            delivery,
            fresh: None,
        });
        let reread = test.store.reread(Arc::new(piece.collect()), rules(&test));
        let changes = test.runtime.block_on(reread).unwrap();
        let fates = |changes: &Changes| -> Vec<Fate> {
            changes.jobs.iter().map(|change| change.fate).collect()
        };
        assert_eq!(fates(&changes), [Fate::Added]);
        let changes = refold(&test);
        assert_eq!(fates(&changes), [Fate::Changed, Fate::Removed]);
        let mut after = test.jobs();
        before.sort_by(|a, b| a.id.cmp(&b.id));
        after.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(after, before);
    }

    #[test]
    fn wrong_sums_and_words_are_set_right_while_pushes_go_on() {
        let named = |id: &str, job: &str| {
            let event = JobEvent {
                job_id: job.to_owned(),
                state: JobState::Succeeded,
                user_data: Some(format!("word-{job}")),
                ..JobEvent::default()
            };
            arrival_of("t", id, vec![Event::Job(event)])
        };
        let (test, fresh) = (fixtures::open(), fixtures::open());
        for (id, job) in [("m1", "a"), ("m2", "b"), ("m3", "c")] {
            test.append(named(id, job));
            fresh.append(named(id, job));
        }
        assert_eq!(test.store.find_wrong_sums().unwrap().buckets(), 0);
        run_sql(
            &test,
            "UPDATE rollup_hour SET count = 99, duration_sum_ms = 7;
             DELETE FROM rollup_minute;
             INSERT INTO rollup_hour SELECT at, 'none', owner, region, lane, type, state, count,
               known, duration_sum_ms, histogram FROM rollup_hour;
             DELETE FROM job_words WHERE rowid IN (1, 2);
             INSERT INTO job_words (rowid, words) VALUES (2, 'wrong');",
        );
        let mut wrong = test.store.find_wrong_sums().unwrap();
        assert_eq!(wrong.buckets(), 3);
        test.append(named("m4", "d"));
        fresh.append(named("m4", "d"));
        let piece = wrong.take_piece().unwrap();
        assert!(wrong.take_piece().is_none());
        let correct = test.store.correct_sums(piece);
        test.runtime.block_on(correct).unwrap();
        for span in [RollUpSpan::Minute, RollUpSpan::Hour] {
            assert_eq!(test.roll_ups(span), fresh.roll_ups(span));
        }
        assert_eq!(test.store.find_wrong_sums().unwrap().buckets(), 0);

        let found = |test: &TestStore, q: &str| {
            let filter = JobFilter {
                q: Some(q.to_owned()),
                ..JobFilter::default()
            };
            let page = Page {
                limit: 10,
                place: Place::First,
            };
            let jobs = test.store.page_jobs(&filter, page).unwrap().items;
            jobs.into_iter().map(|job| job.id).collect::<String>()
        };
        assert_eq!(
            (found(&test, "word"), found(&test, "wrong")),
            ("dc".into(), "b".into())
        );
        assert!(refold(&test).jobs.is_empty());
        for q in ["word", "word-a", "word-b", "wrong"] {
            assert_eq!(found(&test, q), found(&fresh, q), "{q}");
        }
        assert_eq!(found(&test, "word"), "dcba");
        let check = "INSERT INTO job_words (job_words) VALUES ('integrity-check')";
        run_sql(&test, check);
    }

    #[test]
    fn a_piece_of_messages_and_one_of_runs_end_behind_many_events() {
        let test = fixtures::open();
        for at in 0..1_200 {
            let run = RunEvent {
                run_id: format!("r{}", at % 6),
                user_data: Some(at.to_string()),
                ..RunEvent::default()
            };
            test.append(arrival_of("t", &format!("m{at}"), vec![Event::Run(run)]));
        }
        let refold = test.store.refold_runs(0, LAST, rules(&test));
        assert_eq!(test.runtime.block_on(refold).unwrap().next, Some(5));

        run_sql(&test, "DELETE FROM run");
        let piece = (1..=100).map(|delivery| Reread {
            delivery,
            fresh: None,
        });
        let reread = test.store.reread(Arc::new(piece.collect()), rules(&test));
        let changes = test.runtime.block_on(reread).unwrap();
        assert_eq!((changes.next, changes.runs.len()), (Some(5), 5));
    }

    #[test]
    fn a_piece_of_jobs_ends_behind_many_events_and_the_next_goes_on_there() {
        let test = fixtures::open();
        for at in 0..1_200 {
            test.append(arrival(&format!("m{at}"), &format!("j{}", at % 6)));
        }
        let first = refold(&test);
        assert_eq!(first.next, Some(5));
        let rest = test.store.refold_jobs(5, LAST, rules(&test));
        let rest = test.runtime.block_on(rest).unwrap();
        assert_eq!(rest.next, Some(6));
        let end = test.store.refold_jobs(6, LAST, rules(&test));
        assert_eq!(test.runtime.block_on(end).unwrap(), Changes::default());
    }

    #[test]
    fn a_dry_piece_leaves_a_push_in_the_same_batch_alone() {
        let test = fixtures::open();
        test.append(arrival("m1", "a"));
        run_sql(&test, "UPDATE job SET state = 'failed'");
        let stopped = test.stop_writer();
        let dry = Rules {
            dry_run: true,
            ..rules(&test)
        };
        let push = test.send(arrival("m2", "b"));
        let store = test.store.clone();
        let refold = test
            .runtime
            .spawn(async move { store.refold_jobs(0, LAST, dry).await });
        test.runtime.block_on(tokio::task::yield_now());
        stopped.go_on();
        test.runtime.block_on(push).unwrap().unwrap();
        let changes = test.runtime.block_on(refold).unwrap().unwrap();
        assert_eq!(changes.jobs.len(), 1);
        let jobs = test.jobs();
        assert_eq!(jobs.len(), 2);
        let words: Vec<_> = jobs.iter().map(|job| job.state.word()).collect();
        assert!(
            words.contains(&"failed") && words.contains(&"succeeded"),
            "{words:?}"
        );
    }
}
