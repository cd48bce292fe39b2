//! The words that jobs and runs are found by, and what a person types turned into a question for
//! them.
//!
//! Words are what letters and digits make; everything else separates them, so that a file name
//! falls apart at `/`, `.`, `_` and `-`. Chinese and Japanese have no blanks between words, so each
//! of their characters is indexed as a word of its own, and several in a row are asked for as a
//! phrase: any two that stand together are found.
//!
//! Messages carry object keys raw, and API calls carry them URL-encoded: what a person types is
//! looked for as it stands, and decoded.
//!
//! Nothing that is typed can be a syntax error: each word is quoted, and there are only so many.

use std::hash::{DefaultHasher, Hash, Hasher};

use percent_encoding::percent_decode_str;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::store::records::{JobRecord, RowId, RunRecord};

/// The most of one field that is indexed. User data may be 60 KB of something encoded, which nobody
/// types.
const FIELD_BYTES_MAX: usize = 4 * 1024;

/// The most of one row that is indexed: a run has up to 1,001 activities, with a name each.
const ROW_BYTES_MAX: usize = 64 * 1024;

/// The most words, and the most characters, of what a person types that are looked for.
const QUERY_WORDS_MAX: usize = 16;
const QUERY_CHARS_MAX: usize = 256;

const INSERT_JOB_WORDS: &str = "INSERT INTO job_words (rowid, words) VALUES (?1, ?2)";

const DELETE_JOB_WORDS: &str = "DELETE FROM job_words WHERE rowid = ?1";

const INSERT_RUN_WORDS: &str = "INSERT INTO run_words (rowid, words) VALUES (?1, ?2)";

const DELETE_RUN_WORDS: &str = "DELETE FROM run_words WHERE rowid = ?1";

// From the first term on that a longer word than this one could be.
const SELECT_JOB_TERM: &str =
    "SELECT term FROM job_term WHERE term >= ?1 || '0' ORDER BY term LIMIT 1";

const SELECT_RUN_TERM: &str =
    "SELECT term FROM run_term WHERE term >= ?1 || '0' ORDER BY term LIMIT 1";

/// Whose words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Words {
    OfJobs,
    OfRuns,
}

/// Returns a job's words as they are indexed; `names` are its activity's and workflow's.
pub(super) fn of_job(job: &JobRecord, names: &str) -> String {
    let object = job.input.as_ref().and_then(|input| input.object.as_deref());
    index([object, job.user_data.as_deref(), Some(names)])
}

/// Returns a run's words as they are indexed, its activities' names among them.
pub(super) fn of_run(run: &RunRecord) -> String {
    let object = run.input.as_ref().and_then(|input| input.object.as_deref());
    let fields = [
        object,
        run.user_data.as_deref(),
        run.workflow.name.as_deref(),
    ];
    let names = run.activities.iter().map(|activity| Some(&*activity.name));
    index(fields.into_iter().chain(names))
}

/// Returns the sum of [`digest_of`] over the words of `indexed`, as FTS5's tokenizer finds them in
/// ASCII, Han and kana; of words in other scripts it may be another, which nobody takes for theirs.
pub(super) fn digest(indexed: &str) -> u64 {
    let words = indexed.split(|c: char| !c.is_alphanumeric());
    let mut folded = String::new();
    let mut sum = 0_u64;
    for (place, word) in (0_i64..).zip(words.filter(|word| !word.is_empty())) {
        let is_folded = !word.bytes().any(|byte| byte.is_ascii_uppercase());
        let term = if is_folded && word.is_ascii() {
            word
        } else {
            folded.clear();
            folded.extend(word.chars().flat_map(char::to_lowercase));
            &folded
        };
        sum = sum.wrapping_add(digest_of(term, place));
    }
    sum
}

/// Returns what stands for a word at its place in an entry of the index, from 0.
pub(super) fn digest_of(term: &str, place: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (term, place).hash(&mut hasher);
    hasher.finish()
}

/// Rows whose words change, and what they change to.
#[derive(Default)]
pub(super) struct WordChanges {
    changes: Vec<Change>,
    /// Also those that do not change: what the index holds cannot be read back and compared.
    rewrites: bool,
}

struct Change {
    whose: Words,
    id: RowId,
    had_words: bool,
    after: String,
}

impl WordChanges {
    /// Writes the words of every row it is given.
    pub(super) fn rewriting() -> WordChanges {
        WordChanges {
            rewrites: true,
            ..WordChanges::default()
        }
    }

    /// Replaces the words of a row; a row without words has no entry.
    pub(super) fn replace(&mut self, whose: Words, id: RowId, before: &str, after: String) {
        if before != after || self.rewrites {
            self.changes.push(Change {
                whose,
                id,
                had_words: !before.is_empty() || self.rewrites,
                after,
            });
        }
    }

    /// Writes them, in the order in which they were given.
    pub(super) fn write(self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        for change in self.changes {
            let (insert, delete) = match change.whose {
                Words::OfJobs => (INSERT_JOB_WORDS, DELETE_JOB_WORDS),
                Words::OfRuns => (INSERT_RUN_WORDS, DELETE_RUN_WORDS),
            };
            if change.had_words {
                tx.prepare_cached(delete)?.execute([change.id])?;
            }
            if !change.after.is_empty() {
                let entry = params![change.id, change.after];
                tx.prepare_cached(insert)?.execute(entry)?;
            }
        }
        Ok(())
    }
}

/// Returns the fields with their words apart; empty if there is no word in them.
fn index<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut text = String::new();
    for field in fields.into_iter().flatten() {
        if text.len() >= ROW_BYTES_MAX {
            break;
        }
        let mut taken = 0;
        for c in field.chars() {
            taken += c.len_utf8();
            if taken > FIELD_BYTES_MAX {
                break;
            }
            push(&mut text, c);
        }
        text.push(' ');
    }
    if text.contains(char::is_alphanumeric) {
        text
    } else {
        String::new()
    }
}

/// Adds a character, apart from its neighbours if it is a word by itself.
fn push(text: &mut String, c: char) {
    if is_word_by_itself(c) {
        text.extend([' ', c, ' ']);
    } else {
        text.push(c);
    }
}

/// Han and kana.
fn is_word_by_itself(c: char) -> bool {
    matches!(
        c,
        '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

/// Turns what a person typed into a question for the index: all of its words, the last by prefix
/// from its second character on; or all words of what it says URL-decoded. `None` if there is no word
/// in it, which finds nothing.
pub(super) fn question(
    tx: &Transaction<'_>,
    whose: Words,
    typed: &str,
) -> rusqlite::Result<Option<String>> {
    question_by(typed, |word| begins_longer(tx, whose, word))
}

fn question_by(
    typed: &str,
    begins_longer: impl Fn(&str) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Option<String>> {
    let typed: String = typed.chars().take(QUERY_CHARS_MAX).collect();
    let as_typed = phrases(&typed, &begins_longer)?;
    let decoded = percent_decode_str(&typed).decode_utf8().ok();
    let decoded = decoded.filter(|decoded| *decoded != typed);
    let decoded = decoded.map(|decoded| phrases(&decoded, &begins_longer));
    Ok(match (as_typed, decoded.transpose()?.flatten()) {
        (Some(typed), Some(decoded)) => Some(format!("({typed}) OR ({decoded})")),
        (typed, decoded) => typed.or(decoded),
    })
}

fn phrases(
    text: &str,
    begins_longer: impl Fn(&str) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Option<String>> {
    let mut phrases = Vec::new();
    let words = text
        .split_whitespace()
        .filter(|word| word.contains(char::is_alphanumeric));
    for word in words.take(QUERY_WORDS_MAX) {
        let mut phrase = String::from("\"");
        for c in word.chars() {
            // Neither a quote nor a NUL may end the phrase; both separate words anyway.
            push(
                &mut phrase,
                if c == '"' || c.is_control() { ' ' } else { c },
            );
        }
        phrase.push('"');
        phrases.push(phrase);
    }
    let all = phrases.join(" ");
    let end = all.trim_end_matches(|c: char| !c.is_alphanumeric());
    let last = end.rsplit(|c: char| !c.is_alphanumeric()).next();
    let last = last.unwrap_or_default();
    // What begins with one letter is a good part of everything, and takes long to put together.
    let by_prefix = last.chars().count() > 1 && begins_longer(last)?;
    let by_prefix = if by_prefix { " *" } else { "" };
    Ok((!all.is_empty()).then(|| all + by_prefix))
}

/// Tells whether any indexed word may begin with this one and be longer. By prefix the index puts
/// together the rows of all such words before it gives the first, which takes the longer the more
/// there are.
fn begins_longer(tx: &Transaction<'_>, whose: Words, word: &str) -> rusqlite::Result<bool> {
    if !word.is_ascii() {
        // What its letters are folded to is the tokenizer's.
        return Ok(true);
    }
    let word = word.to_ascii_lowercase();
    let mut select = tx.prepare_cached(match whose {
        Words::OfJobs => SELECT_JOB_TERM,
        Words::OfRuns => SELECT_RUN_TERM,
    })?;
    let next: Option<String> = select.query_row([&word], |row| row.get(0)).optional()?;
    Ok(next.is_some_and(|next| next.starts_with(&word)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use crate::clock::Timestamp;
    use crate::notification::event::{ActivityEvent, Event, JobEvent, MediaObject, RunEvent};
    use crate::store::filters::{JobFilter, RunFilter};
    use crate::store::fixtures::{self, NOON, TestStore, arrival_of, renotify};
    use crate::store::records::Page;

    use super::*;

    const ALL: Page = Page::first(1_000);

    fn put(test: &TestStore, id: &str, ms: i64, event: Event) {
        let arrival = arrival_of("t", id, vec![event]);
        test.append(renotify(arrival, |notification| {
            notification.published_at = Some(Timestamp(NOON.0 + ms));
        }));
    }

    fn job(id: &str, object: Option<&str>, user_data: &str) -> JobEvent {
        JobEvent {
            job_id: id.to_owned(),
            input: object.map(|object| MediaObject {
                object: Some(object.to_owned()),
                ..MediaObject::default()
            }),
            user_data: Some(user_data.to_owned()),
            ..JobEvent::default()
        }
    }

    fn jobs(test: &TestStore, q: &str) -> String {
        let filter = JobFilter {
            q: Some(q.to_owned()),
            ..JobFilter::default()
        };
        let jobs = test.store.page_jobs(&filter, ALL).unwrap().items;
        jobs.into_iter().map(|job| job.id).collect()
    }

    fn runs(test: &TestStore, q: &str) -> String {
        let filter = RunFilter {
            q: Some(q.to_owned()),
            ..RunFilter::default()
        };
        let runs = test.store.page_runs(&filter, ALL).unwrap().items;
        runs.into_iter().map(|run| run.id).collect()
    }

    fn some_jobs() -> TestStore {
        let test = fixtures::open();
        let all = [
            job("a", Some("in/2024/holiday_clip-01.mp4"), "sku-1001"),
            job("b", Some("输入/假期视频 最终版.mp4"), "sku-2002"),
            job("c", Some("in/100%25.mp4"), "{}"),
            job("d", None, "{}"),
            job("e", Some("in/a b.mp4"), "テスト用データ"),
        ];
        for (at, event) in all.into_iter().enumerate() {
            put(&test, &format!("m{at}"), 0, Event::Job(event));
        }
        test
    }

    #[test]
    fn a_job_is_found_by_its_words_the_last_of_them_by_its_beginning() {
        let test = some_jobs();
        for (q, expected) in [
            ("holiday", "a"),
            ("HOLIDAY clip", "a"),
            ("hol", "a"),
            ("ho", "a"),
            ("h", ""),
            ("1001 s", ""),
            ("a b", "e"),
            ("hol clip", ""),
            ("clip hol", "a"),
            ("sku", "ba"),
            ("sku mp4", "ba"),
            ("sku-1001", "a"),
            ("sku-10", "a"),
            ("1001 2002", ""),
            ("in/2024/holiday_clip-01.mp4", "a"),
            ("oliday", ""),
            ("假期", "b"),
            ("期视", "b"),
            ("视频 输入", "b"),
            ("期频", ""),
            ("版最", ""),
            ("期假", ""),
            ("最终版.mp", "b"),
            ("データ", "e"),
            (" d ", "d"),
            ("   ", "edcba"),
        ] {
            assert_eq!(jobs(&test, q), expected, "{q}");
        }
    }

    #[test]
    fn an_object_is_found_raw_and_as_it_is_encoded_for_the_api() {
        let test = some_jobs();
        for (q, expected) in [
            ("in%2F2024%2Fholiday_clip-01.mp4", "a"),
            ("%E8%BE%93%E5%85%A5/%E5%81%87%E6%9C%9F", "b"),
            ("in/100%25.mp4", "c"),
            ("in%2F100%2525.mp4", "c"),
            ("in/a%20b.mp4", "e"),
            ("in/a+b.mp4", "e"),
            ("%FF%FE", ""),
        ] {
            assert_eq!(jobs(&test, q), expected, "{q}");
        }
    }

    #[test]
    fn a_word_is_asked_for_by_prefix_if_a_longer_one_begins_so() {
        let test = fixtures::open();
        put(&test, "m1", 0, Event::Job(job("a", None, "clip Clips été")));
        let mut look = test.look();
        let tx = look.transaction().unwrap();
        for (typed, expected) in [
            ("clip", "\"clip\" *"),
            ("CLI", "\"CLI\" *"),
            ("CLIPS", "\"CLIPS\""),
            ("clips clipz", "\"clips\" \"clipz\""),
            ("ete", "\"ete\""),
            ("été", "\"été\" *"),
            ("zz", "\"zz\""),
        ] {
            let question = question(&tx, Words::OfJobs, typed).unwrap();
            assert_eq!(question.as_deref(), Some(expected));
        }
        let of_runs = question(&tx, Words::OfRuns, "clip").unwrap();
        assert_eq!(of_runs.as_deref(), Some("\"clip\""));
    }

    #[test]
    fn nothing_that_is_typed_is_an_error() {
        let test = some_jobs();
        for q in [
            "\"* OR (",
            "\"",
            "*",
            "NOT",
            "AND OR NOT",
            "words:x",
            "sku NEAR",
            "^sku",
            "{a b}",
            "\0",
            "a\0b",
            "sku\" OR \"x",
            "(",
            "-",
            "%",
            "%2",
            "%22",
            "'",
            "; DROP TABLE job",
            "\u{301}",
        ] {
            jobs(&test, q);
            runs(&test, q);
        }
        assert_eq!(jobs(&test, "sku\"1001"), "a");
        assert_eq!(jobs(&test, "sku \"* ( 1001"), "a");
        let long = "sku ".repeat(100_000);
        assert_eq!(jobs(&test, &long), "ba");
    }

    #[test]
    fn what_a_job_is_found_by_changes_with_it_and_goes_with_it() {
        let test = fixtures::open();
        put(&test, "m1", 0, Event::Job(job("a", None, "first")));
        assert_eq!(jobs(&test, "first"), "a");
        put(&test, "m2", 1, Event::Job(job("a", None, "second")));
        assert_eq!(
            (jobs(&test, "first"), jobs(&test, "second")),
            (String::new(), "a".to_owned())
        );
        put(&test, "m3", 2, Event::Job(job("a", None, "{}")));
        assert_eq!(jobs(&test, "second"), "");
        let look = test.look();
        let sql = "SELECT COUNT(*) FROM job_words_docsize";
        let rows: i64 = look.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn of_a_long_field_the_beginning_is_indexed() {
        let test = fixtures::open();
        let long = format!("first {} last", "x ".repeat(FIELD_BYTES_MAX));
        put(&test, "m1", 0, Event::Job(job("a", None, &long)));
        assert_eq!(
            (jobs(&test, "first"), jobs(&test, "last")),
            ("a".to_owned(), String::new())
        );
    }

    #[test]
    fn of_many_long_fields_the_first_are_indexed() {
        let field = "x".repeat(FIELD_BYTES_MAX + 1);
        let text = index(std::iter::repeat_n(Some(&*field), 1_000));
        assert!(text.len() >= ROW_BYTES_MAX && text.len() <= ROW_BYTES_MAX + FIELD_BYTES_MAX + 1);
    }

    #[test]
    fn a_run_is_found_by_its_ids_and_words_and_its_jobs_by_the_run() {
        let test = fixtures::open();
        let run = RunEvent {
            run_id: "r1".to_owned(),
            media_id: Some("media1".to_owned()),
            workflow_id: Some("w".to_owned()),
            workflow_name: Some("示例-workflow".to_owned()),
            ..RunEvent::default()
        };
        let activity = ActivityEvent {
            run_id: "r1".to_owned(),
            workflow_name: Some("示例-workflow".to_owned()),
            name: "高清".to_owned(),
            activity_type: "Transcode".to_owned(),
            job_id: Some("j1".to_owned()),
            ..ActivityEvent::default()
        };
        let other = RunEvent {
            run_id: "r2".to_owned(),
            user_data: Some("media1 r1".to_owned()),
            ..RunEvent::default()
        };
        put(&test, "m0", 0, Event::Run(other));
        let events = vec![Event::Run(run), Event::Activity(activity)];
        test.append(arrival_of("t", "m1", events));
        for q in ["r1", "media1", "j1", "示例", "workflow", "高清"] {
            assert_eq!(runs(&test, q), "r1", "{q}");
        }
        assert_eq!(runs(&test, "media1 r1"), "r2");
        for q in ["r1", "j1", "示例", "高清 workflow"] {
            assert_eq!(jobs(&test, q), "j1", "{q}");
        }
        assert_eq!(jobs(&test, "media1"), "");
    }

    #[test]
    fn by_words_too_a_list_is_paged_whole_and_filtered() {
        let test = fixtures::open();
        for at in 0..7 {
            let event = job(&at.to_string(), None, "word");
            put(&test, &format!("m{at}"), -at, Event::Job(event));
        }
        let filter = JobFilter {
            q: Some("wor".to_owned()),
            from: Some(NOON.plus_ms(-5)),
            ..JobFilter::default()
        };
        let read = |page| test.store.page_jobs(&filter, page).unwrap();
        let seen = fixtures::walked(2, read).into_iter();
        let seen: String = seen.map(|job| job.id).collect();
        assert_eq!(seen, "543210");
    }

    proptest! {
        #[test]
        fn a_question_has_no_quote_or_nul_of_its_own(typed in any::<String>()) {
            if let Some(question) = question_by(&typed, |_| Ok(true)).unwrap() {
                prop_assert!(!question.contains('\0'));
                let quotes = question.matches('"').count();
                prop_assert!(quotes % 2 == 0 && quotes <= 4 * QUERY_WORDS_MAX);
            }
        }
    }
}
