//! The pages of a database, brought over into a copy while a server writes it.
//!
//! Whoever reads all of a database in one moment keeps the server from beginning its log anew for as
//! long as that takes, and gigabytes that go to a disk at once keep every push waiting for its own
//! sync. So pages come over in passes. A pass goes from the first page to the last in small pieces:
//! each is a reading of its own, is synced, and is followed by a rest [`REST_FACTOR`] times as long as
//! it took, so that a slow or busy disk is asked for less. What changed meanwhile is left to the next
//! pass, which writes only the pages that differ. The last pass is one reading without rests and finds
//! little left to write: what that one moment shows is what the copy has, to the byte.
//!
//! The log grows only by what arrives during the last pass, which reads every page of the database and
//! of the copy once.
//!
//! Pages are read through SQLite (its table `sqlite_dbpage`), which knows what of the log belongs to a
//! page. Deliberately not here: what a page holds, and whether that is sound (`copy.rs` checks it).
//!
//! Source of the format: <https://sqlite.org/fileformat2.html>, <https://sqlite.org/dbpage.html>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement, params};

const _: () = assert!(
    option_env!("LIBSQLITE3_FLAGS").is_some(),
    "SQLite is built without what a backup needs: build in the project's folder, where \
     .cargo/config.toml says it"
);

const SELECT_PAGE: &str = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1";

/// Pages of a piece: one mebibyte of the pages that mpsink's databases have.
const PIECE_PAGES: u32 = 256;

/// How many times as long as a piece took the rest behind it is.
const REST_FACTOR: u32 = 3;

/// The longest rest, so that a copy goes on whatever else the disk has to do.
const REST_MAX: Duration = Duration::from_secs(5);

/// A pass that wrote no more pages than this is followed by the last one.
const FEW_PAGES: u32 = 4_096;

/// Passes before the last one, however much the server writes meanwhile.
const PASSES_MAX: u32 = 4;

/// Where the header says whether a log belongs to the file: 2 and 2 if so, and else 1 and 1.
const LOG_MARKS_AT: u64 = 18;

/// How far a pass is.
pub(super) enum PagesStep {
    /// The first one has brought over so many bytes.
    First { done: u64 },
    /// A later one, with little to write.
    Again,
}

/// Which side a failure is on.
pub(super) enum PagesError {
    Original(rusqlite::Error),
    Copy(io::Error),
}

impl From<rusqlite::Error> for PagesError {
    fn from(source: rusqlite::Error) -> PagesError {
        PagesError::Original(source)
    }
}

impl From<io::Error> for PagesError {
    fn from(source: io::Error) -> PagesError {
        PagesError::Copy(source)
    }
}

/// Makes `copy`, an empty file, the database that `original` reads, as it is at one moment before this
/// returns. `is_written` tells that a server may write it meanwhile; without one the last pass is the
/// only one. The copy is not synced as a whole.
pub(super) fn bring_over(
    original: &Connection,
    copy: &File,
    is_written: bool,
    progress: &mut dyn FnMut(PagesStep),
) -> Result<(), PagesError> {
    let mut pages = Pages::new(original, copy)?;
    let passes = if is_written { PASSES_MAX } else { 0 };
    for number in 0..passes {
        if pages.pass_with_rests(number == 0, progress)? <= FEW_PAGES {
            break;
        }
    }
    pages.pass_at_once(!is_written, progress)
}

struct Pages<'a> {
    original: &'a Connection,
    copy: &'a File,
    select: Statement<'a>,
    page_bytes: usize,
    /// What the copy has where a piece goes.
    before: Vec<u8>,
}

impl<'a> Pages<'a> {
    fn new(original: &'a Connection, copy: &'a File) -> Result<Pages<'a>, PagesError> {
        let page_bytes: u32 = original.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Pages {
            original,
            copy,
            select: original.prepare(SELECT_PAGE)?,
            page_bytes: page_bytes as usize,
            before: Vec::new(),
        })
    }

    /// Goes to where the database ends as it begins, since one that grows might not be caught up with.
    /// Returns how many pages it wrote.
    fn pass_with_rests(
        &mut self,
        is_first: bool,
        progress: &mut dyn FnMut(PagesStep),
    ) -> Result<u32, PagesError> {
        let mut written = 0;
        for first in (0..self.count()?).step_by(PIECE_PAGES as usize) {
            let begun_at = Instant::now();
            let reading = self.original.unchecked_transaction()?;
            let more = self.bring_piece(first)?;
            drop(reading);
            if more > 0 {
                self.copy.sync_data()?;
            }
            progress(self.step(is_first, first));
            // Nobody wakes it; a rest that were shorter would do no harm.
            thread::park_timeout((begun_at.elapsed() * REST_FACTOR).min(REST_MAX));
            written += more;
        }
        Ok(written)
    }

    /// Makes the copy what one moment shows.
    fn pass_at_once(
        &mut self,
        is_first: bool,
        progress: &mut dyn FnMut(PagesStep),
    ) -> Result<(), PagesError> {
        let _reading = self.original.unchecked_transaction()?;
        let count = self.count()?;
        for first in (0..count).step_by(PIECE_PAGES as usize) {
            self.bring_piece(first)?;
            progress(self.step(is_first, first));
        }
        self.copy.set_len(self.offset(count))?;
        // It is one file without a log from now on.
        self.copy.write_all_at(&[1, 1], LOG_MARKS_AT)?;
        Ok(())
    }

    fn step(&self, is_first: bool, first: u32) -> PagesStep {
        if is_first {
            let done = self.offset(first + PIECE_PAGES);
            PagesStep::First { done }
        } else {
            PagesStep::Again
        }
    }

    /// Writes what differs in the pages behind the `first`, in the reading that goes on. Returns how
    /// many they are.
    fn bring_piece(&mut self, first: u32) -> Result<u32, PagesError> {
        let end = self.count()?.min(first + PIECE_PAGES);
        self.read_before(first)?;
        let mut written = 0;
        for page in first..end {
            // Pages are counted from one.
            let mut rows = self.select.query(params![page + 1])?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let bytes = row.get_ref("data")?.as_blob();
            let bytes = bytes.map_err(rusqlite::Error::from)?;
            let at = (page - first) as usize * self.page_bytes;
            if self.before.get(at..at + self.page_bytes) != Some(bytes) {
                let offset = u64::from(page) * self.page_bytes as u64;
                self.copy.write_all_at(bytes, offset)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// Reads what the copy has of a piece: less than a piece at its end.
    fn read_before(&mut self, first: u32) -> io::Result<()> {
        let offset = self.offset(first);
        self.before
            .resize(PIECE_PAGES as usize * self.page_bytes, 0);
        let mut had = 0;
        while let Some(rest) = self.before.get_mut(had..).filter(|rest| !rest.is_empty()) {
            match self.copy.read_at(rest, offset + had as u64) {
                Ok(0) => break,
                Ok(more) => had += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.before.truncate(had);
        Ok(())
    }

    /// Returns how many pages there are in this reading.
    fn count(&self) -> rusqlite::Result<u32> {
        self.original
            .pragma_query_value(None, "page_count", |row| row.get(0))
    }

    fn offset(&self, pages: u32) -> u64 {
        u64::from(pages) * self.page_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::{fs, mem};

    use tempfile::TempDir;

    use super::*;

    /// A database of three pieces with a log, and an empty file for its copy.
    struct Fixture {
        folder: TempDir,
        writer: Connection,
        original: Connection,
        copy: File,
    }

    impl Fixture {
        fn new() -> Fixture {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("original.db");
            let writer = Connection::open(&path).unwrap();
            let mode: String = writer
                .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
                .unwrap();
            assert_eq!(mode, "wal");
            writer.pragma_update(None, "synchronous", "OFF").unwrap();
            // Its log is cut at once or not at all.
            writer.busy_timeout(Duration::ZERO).unwrap();
            writer
                .execute_batch("CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB NOT NULL)")
                .unwrap();
            let mut options = File::options();
            options.read(true).write(true).create_new(true);
            let fixture = Fixture {
                original: Connection::open(&path).unwrap(),
                copy: options.open(folder.path().join("copy.db")).unwrap(),
                writer,
                folder,
            };
            // Each takes a page of its own.
            (0..3 * PIECE_PAGES).for_each(|_| fixture.add("first"));
            fixture
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("copy.db")
        }

        fn add(&self, text: &str) {
            let text = format!("{text:<4000}");
            let mut insert = self
                .writer
                .prepare_cached("INSERT INTO note (text) VALUES (?1)")
                .unwrap();
            insert.execute(params![text]).unwrap();
        }

        fn change(&self, id: u32) {
            let text = format!("{:<4000}", "changed");
            let changed = self
                .writer
                .execute("UPDATE note SET text = ?2 WHERE id = ?1", params![id, text]);
            assert_eq!(changed.unwrap(), 1);
        }

        /// Tells whether the log could be moved into the database and cut.
        fn cut_log(&self) -> bool {
            let busy: u32 = self
                .writer
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
            busy == 0
        }

        fn bring_over(&self, is_written: bool, progress: &mut dyn FnMut(PagesStep)) {
            let brought = bring_over(&self.original, &self.copy, is_written, progress);
            assert!(brought.is_ok());
        }
    }

    fn rows(path: &Path) -> Vec<(u32, String)> {
        let conn = Connection::open(path).unwrap();
        let checked: String = conn
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(checked, "ok");
        let mut select = conn
            .prepare("SELECT id, trim(text) FROM note ORDER BY id")
            .unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_written_meanwhile_is_in_the_copy_until_its_last_pass_and_the_log_is_cut_between() {
        let it = Fixture::new();
        let (mut first, mut again) = (0, 0);
        it.bring_over(true, &mut |step| match step {
            PagesStep::First { done } => {
                first += 1;
                assert_eq!(done, u64::from(first * PIECE_PAGES) * 4096);
                // In a piece that is there already, and behind the end.
                it.change(first);
                it.add("meanwhile");
                assert!(it.cut_log(), "held by piece {first}");
            }
            PagesStep::Again => {
                again += 1;
                it.add("too late");
                assert!(!it.cut_log(), "the last pass is one reading");
            }
        });
        assert_eq!((first, again), (4, 4), "pieces");
        let rows = rows(&it.path());
        let of = |text: &str| rows.iter().filter(|row| row.1 == text).count();
        let number = |count: u32| count as usize;
        assert_eq!(of("changed"), number(first));
        assert_eq!(of("meanwhile"), number(first));
        assert_eq!(of("first"), number(3 * PIECE_PAGES - first));
        assert_eq!(of("too late"), 0);
    }

    #[test]
    fn a_later_pass_writes_only_pages_that_differ() {
        let it = Fixture::new();
        let mut pages = Pages::new(&it.original, &it.copy).ok().unwrap();
        let mut pass = || pages.pass_with_rests(true, &mut |_| {}).ok().unwrap();
        assert!(pass() > 3 * PIECE_PAGES);
        assert_eq!(pass(), 0);
        it.change(300);
        // Its page, and the first one's count of changes if SQLite has touched it.
        assert!((1..=2).contains(&pass()));
    }

    #[test]
    fn where_nobody_writes_one_pass_makes_one_file_without_a_log() {
        let it = Fixture::new();
        let mut is_again = false;
        it.bring_over(false, &mut |step| {
            is_again |= matches!(step, PagesStep::Again);
        });
        assert!(!is_again);
        assert_eq!(rows(&it.path()).len(), 3 * PIECE_PAGES as usize);
        let mode: String = Connection::open(it.path())
            .unwrap()
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "delete");
    }

    #[test]
    fn a_database_that_becomes_smaller_has_a_smaller_copy() {
        let it = Fixture::new();
        let mut is_first = true;
        it.bring_over(true, &mut |_| {
            if mem::take(&mut is_first) {
                it.writer
                    .execute_batch("DELETE FROM note WHERE id > 5; VACUUM")
                    .unwrap();
            }
        });
        assert_eq!(rows(&it.path()).len(), 5);
        let pages: u64 = it
            .original
            .pragma_query_value(None, "page_count", |row| row.get::<_, u32>(0))
            .unwrap()
            .into();
        assert_eq!(fs::metadata(it.path()).unwrap().len(), pages * 4096);
    }
}
