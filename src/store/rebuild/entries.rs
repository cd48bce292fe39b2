//! What the index of words holds, as one number for each row.
//!
//! The index keeps no text that could be compared with a row, but each word with the rows and places
//! it stands at. Read once from its first word to its last, they are summed up for each row, in
//! whatever order they come; a row's own words give the same sum if its entry is right
//! (`words::digest`). Asking the index for one row after the other would look up each of
//! its words once more for every row.
//!
//! It is read in many snapshots. A row that was written meanwhile may differ, and is then written once
//! more: needless, and no harm. What was written since its words were read is right.
//!
//! The table that shows a words' index word by word is SQLite's own (`job_term`, `run_term`).

use rusqlite::Transaction;

use crate::store::rebuild::Stretch;
use crate::store::records::RowId;
use crate::store::words::{self, Words};

/// The most rows whose entries are summed up at once, for the memory: 32 MB. Of more rows the index
/// is read once for each so many.
pub const ENTRIES_MAX: RowId = 4_000_000;

/// How many places of words are read in one snapshot at least, some 25 ms, so that the log is not kept
/// from being emptied; those of one word are not divided.
const PIECE_ENTRIES_MIN: usize = 100_000;

// The tables give their words in this order by themselves.
const SELECT_JOB_ENTRIES: &str =
    "SELECT doc, term, offset FROM job_term WHERE term > +?1 ORDER BY term";

const SELECT_RUN_ENTRIES: &str =
    "SELECT doc, term, offset FROM run_term WHERE term > +?1 ORDER BY term";

/// The entries of the rows behind one row.
#[derive(Debug)]
pub struct Entries {
    after: RowId,
    digests: Vec<u64>,
}

impl Entries {
    /// Nothing is read of them yet.
    pub(super) fn of(rows: Stretch) -> Entries {
        let count = rows.last.saturating_sub(rows.after).clamp(0, ENTRIES_MAX);
        Entries {
            after: rows.after,
            digests: vec![0; usize::try_from(count).unwrap_or(0)],
        }
    }

    /// Reads on behind a word, in one snapshot; returns the last word that was read, `None` at the end.
    pub(super) fn read_on(
        &mut self,
        tx: &Transaction<'_>,
        whose: Words,
        behind: &str,
    ) -> rusqlite::Result<Option<String>> {
        let mut select = tx.prepare_cached(match whose {
            Words::OfJobs => SELECT_JOB_ENTRIES,
            Words::OfRuns => SELECT_RUN_ENTRIES,
        })?;
        let mut entries = select.query([behind])?;
        let mut last = String::new();
        let mut read = 0;
        while let Some(entry) = entries.next()? {
            let term = entry.get_ref(1)?.as_str()?;
            if term != last {
                if read >= PIECE_ENTRIES_MIN {
                    return Ok(Some(last));
                }
                term.clone_into(&mut last);
            }
            read += 1;
            let digest = place(entry.get(0)?, self.after);
            if let Some(digest) = digest.and_then(|place| self.digests.get_mut(place)) {
                *digest = digest.wrapping_add(words::digest_of(term, entry.get(2)?));
            }
        }
        Ok(None)
    }

    /// Tells whether the entry of a row holds these words and no other.
    pub(super) fn has(&self, row: RowId, indexed: &str) -> bool {
        place(row, self.after).and_then(|place| self.digests.get(place))
            == Some(&words::digest(indexed))
    }
}

fn place(row: RowId, after: RowId) -> Option<usize> {
    usize::try_from(row.checked_sub(after)?.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use crate::notification::event::{Event, JobEvent};
    use crate::store::fixtures::{self, TestStore, arrival_of};

    use super::*;

    fn put(test: &TestStore, id: &str, job: &str, user_data: &str) {
        let event = Event::Job(JobEvent {
            job_id: job.to_owned(),
            user_data: Some(user_data.to_owned()),
            ..JobEvent::default()
        });
        test.append(arrival_of("t", id, vec![event]));
    }

    fn entries(test: &TestStore) -> Entries {
        let stretch = Stretch { after: 0, last: 9 };
        test.store.read_entries_of_jobs(stretch).unwrap()
    }

    fn indexed(test: &TestStore, job: &str) -> String {
        let jobs = test.jobs();
        let job = jobs.iter().find(|it| it.id == job).unwrap();
        words::of_job(job, "")
    }

    #[test]
    fn an_entry_is_that_of_its_row_also_when_it_was_written_anew_and_others_are_gone() {
        let test = fixtures::open();
        put(&test, "m1", "a", "in/2024/Holiday_clip-01.mp4");
        put(&test, "m2", "b", "输入/假期视频 最终版.mp4 テスト");
        put(&test, "m3", "c", "{}");
        put(&test, "m4", "b", "another");
        let words = ["a", "b", "c"].map(|job| indexed(&test, job));
        let now = entries(&test);
        for (row, indexed) in (1..).zip(&words) {
            assert!(now.has(row, indexed), "{indexed}");
        }
        assert!(!now.has(1, &words[1]) && !now.has(1, "") && !now.has(3, &words[0]));
        assert!(!now.has(1, "in/2024/Holiday_clip-01.mp4 mp4"));
        assert!(!now.has(1, "2024/in/Holiday_clip-01.mp4"));
        assert!(
            !now.has(0, "") && !now.has(10, ""),
            "nothing was read of them"
        );
        let sql = "INSERT INTO job_words (job_words) VALUES ('optimize')";
        test.look().execute(sql, []).unwrap();
        assert!(entries(&test).has(2, &words[1]));
    }

    #[test]
    fn what_is_read_in_pieces_is_the_same() {
        let test = fixtures::open();
        // More places than a piece has: most of them of one word, and others before and behind it.
        for row in 0..60 {
            let data = "b ".repeat(2_000) + &format!("a{row} c{row}");
            put(&test, &format!("m{row}"), &row.to_string(), &data);
        }
        let all = Stretch { after: 0, last: 60 };
        let mut whole = Entries::of(all);
        let readers = &test.store.inner.readers;
        let first = readers
            .read(|tx| whole.read_on(tx, Words::OfJobs, ""))
            .unwrap();
        assert_eq!(first.as_deref(), Some("b"));
        let now = test.store.read_entries_of_jobs(all).unwrap();
        for row in 1..=60 {
            assert!(
                now.has(row, &indexed(&test, &(row - 1).to_string())),
                "{row}"
            );
        }
    }

    proptest! {
        // A case opens a database.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn words_of_ascii_and_han_have_the_digest_of_their_entry(
            text in "[a-zA-Z0-9_/. %,中文视频あ-]{0,40}"
        ) {
            let test = fixtures::open();
            put(&test, "m1", "a", &text);
            prop_assert!(entries(&test).has(1, &indexed(&test, "a")), "{text}");
        }

        #[test]
        fn whatever_the_script_another_s_words_are_not_taken_for_a_row_s(text in any::<String>()) {
            let test = fixtures::open();
            put(&test, "m1", "a", &text);
            let other = format!("{} more", indexed(&test, "a"));
            prop_assert_eq!(entries(&test).has(1, &other), false);
        }
    }
}
