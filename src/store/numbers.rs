//! The numbers of jobs and runs, by which events name what they are about.
//!
//! Ids are random: an index of events by id would touch a page of its own for nearly each event, and
//! hold each id once more. Numbers grow, so the events of new jobs come to stand side by side.
//!
//! A number is given with the first event, before the row is folded; the row is written under it at
//! the end of the same transaction (`batch.rs`). A number that any event still has is never given to
//! another job, also where a fault has taken the row away.
//!
//! Deliberately without a table of its own: it would be one more index of random ids.

use std::collections::BTreeMap;
use std::mem;

use rusqlite::{OptionalExtension, Transaction};

use crate::notification::event::Event;
use crate::store::records::RowId;

const JOBS: Kind = Kind {
    find: "SELECT id FROM job WHERE job = ?1 AND owner = ?2",
    is_there: "SELECT EXISTS (SELECT 1 FROM job WHERE id = ?1)",
    last: "SELECT MAX(
        COALESCE((SELECT MAX(id) FROM job), 0),
        COALESCE((SELECT MAX(job) FROM event WHERE job IS NOT NULL), 0)
      )",
};

const RUNS: Kind = Kind {
    find: "SELECT id FROM run WHERE run = ?1 AND owner = ?2",
    is_there: "SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1)",
    last: "SELECT MAX(
        COALESCE((SELECT MAX(id) FROM run), 0),
        COALESCE((SELECT MAX(run) FROM event WHERE run IS NOT NULL), 0)
      )",
};

/// Statements on jobs or on runs.
struct Kind {
    find: &'static str,
    is_there: &'static str,
    last: &'static str,
}

/// The rows that an event is about, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) job: Option<RowId>,
    pub(super) run: Option<RowId>,
}

impl About {
    /// Returns the ids of the job and of the run that an event is about.
    pub(super) fn names(event: &Event) -> [Option<&str>; 2] {
        match event {
            Event::Job(job) => [Some(&job.job_id), None],
            Event::Run(run) => [None, Some(&run.run_id)],
            Event::Activity(activity) => [activity.job_id.as_deref(), Some(&activity.run_id)],
            Event::Unrecognized(_) => [None, None],
        }
    }
}

/// A job or a run: its row and its name.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) row: RowId,
    pub(super) owner: String,
    pub(super) id: String,
}

/// What was asked for in this transaction.
#[derive(Default)]
pub(super) struct Numbers {
    jobs: Numbered,
    runs: Numbered,
}

/// Of one kind, by owner and id.
#[derive(Default)]
struct Numbered {
    by_name: BTreeMap<(String, String), Number>,
    /// The last one that is in use; `None` before one is needed.
    last: Option<RowId>,
}

#[derive(Clone, Copy)]
struct Number {
    row: RowId,
    is_new: bool,
}

impl Numbers {
    /// Returns what an event of a topic owner's message is about, with new numbers for what is new.
    pub(super) fn about(
        &mut self,
        tx: &Transaction<'_>,
        owner: &str,
        event: &Event,
    ) -> rusqlite::Result<About> {
        self.about_as(tx, owner, event, About::default())
    }

    /// The same, but what is new takes the number that its event has `kept`, if that has no row: the
    /// other events of what has lost its row have it too.
    pub(super) fn about_as(
        &mut self,
        tx: &Transaction<'_>,
        owner: &str,
        event: &Event,
        kept: About,
    ) -> rusqlite::Result<About> {
        let [job, run] = About::names(event);
        let of_job = |id| self.jobs.number(tx, &JOBS, owner, id, kept.job);
        let job = job.map(of_job).transpose()?;
        let of_run = |id| self.runs.number(tx, &RUNS, owner, id, kept.run);
        let run = run.map(of_run).transpose()?;
        Ok(About { job, run })
    }

    /// Takes out the jobs that were asked for, each with whether it is new.
    pub(super) fn take_jobs(&mut self) -> Vec<(Subject, bool)> {
        mem::take(&mut self.jobs).subjects()
    }

    /// Takes out the runs that were asked for, each with whether it is new.
    pub(super) fn take_runs(&mut self) -> Vec<(Subject, bool)> {
        mem::take(&mut self.runs).subjects()
    }
}

impl Numbered {
    fn number(
        &mut self,
        tx: &Transaction<'_>,
        kind: &Kind,
        owner: &str,
        id: &str,
        kept: Option<RowId>,
    ) -> rusqlite::Result<RowId> {
        let name = (owner.to_owned(), id.to_owned());
        if let Some(number) = self.by_name.get(&name) {
            return Ok(number.row);
        }
        let mut find = tx.prepare_cached(kind.find)?;
        let found = find.query_row([id, owner], |row| row.get(0)).optional()?;
        let row = match (found, kept) {
            (Some(row), _) => row,
            (None, Some(kept)) if self.is_free(tx, kind, kept)? => kept,
            (None, _) => self.next(tx, kind)?,
        };
        let is_new = found.is_none();
        self.by_name.insert(name, Number { row, is_new });
        Ok(row)
    }

    fn is_free(&self, tx: &Transaction<'_>, kind: &Kind, row: RowId) -> rusqlite::Result<bool> {
        let mut select = tx.prepare_cached(kind.is_there)?;
        let is_there: bool = select.query_row([row], |found| found.get(0))?;
        let is_given = self.by_name.values().any(|given| given.row == row);
        Ok(!is_there && !is_given)
    }

    fn next(&mut self, tx: &Transaction<'_>, kind: &Kind) -> rusqlite::Result<RowId> {
        let last: RowId = match self.last {
            Some(last) => last,
            None => tx
                .prepare_cached(kind.last)?
                .query_row([], |row| row.get(0))?,
        };
        let next = last + 1;
        self.last = Some(next);
        Ok(next)
    }

    /// By number, since rows that are written in their order leave no room between them.
    fn subjects(self) -> Vec<(Subject, bool)> {
        let each = self.by_name.into_iter();
        let mut all: Vec<_> = each
            .map(|((owner, id), Number { row, is_new })| (Subject { row, owner, id }, is_new))
            .collect();
        all.sort_unstable_by_key(|(subject, _)| subject.row);
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::notification::event::JobEvent;
    use crate::store::fixtures::{self, TestStore, arrival};

    use super::*;

    fn about_job(
        numbers: &mut Numbers,
        tx: &Transaction<'_>,
        id: &str,
        kept: Option<RowId>,
    ) -> RowId {
        let event = Event::Job(JobEvent {
            job_id: id.to_owned(),
            ..JobEvent::default()
        });
        let kept = About {
            job: kept,
            run: None,
        };
        let about = numbers.about_as(tx, "1001", &event, kept).unwrap();
        about.job.unwrap()
    }

    fn check(test: &TestStore, check: fn(&Transaction<'_>)) {
        let done = test.put(check, |tx, _, check| {
            check(tx);
            Ok(Ok(()))
        });
        done.recv().unwrap().unwrap();
    }

    #[test]
    fn a_name_has_one_number_and_a_new_one_the_next() {
        let test = fixtures::open();
        for id in ["a", "b"] {
            test.append(arrival(id, id));
        }
        check(&test, |tx| {
            let mut numbers = Numbers::default();
            let asked = ["b", "c", "a", "d", "c"].map(|id| about_job(&mut numbers, tx, id, None));
            assert_eq!(asked, [2, 3, 1, 4, 3]);
            let taken = numbers.take_jobs();
            let taken: Vec<_> = taken.iter().map(|(it, is_new)| (it.row, *is_new)).collect();
            assert_eq!(taken, [(1, false), (2, false), (3, true), (4, true)]);
        });
    }

    #[test]
    fn a_number_that_an_event_still_has_is_given_to_no_other_job() {
        let test = fixtures::open();
        for id in ["a", "b"] {
            test.append(arrival(id, id));
        }
        check(&test, |tx| {
            tx.execute("DELETE FROM job WHERE job = 'b'", []).unwrap();
            assert_eq!(about_job(&mut Numbers::default(), tx, "c", None), 3);
            let mut numbers = Numbers::default();
            assert_eq!(
                about_job(&mut numbers, tx, "b", Some(2)),
                2,
                "it kept its own"
            );
            assert_eq!(about_job(&mut numbers, tx, "d", Some(2)), 3, "2 is given");
            assert_eq!(about_job(&mut numbers, tx, "e", Some(1)), 4, "1 has a row");
        });
    }

    #[test]
    fn no_number_is_looked_for_by_reading_a_table() {
        let test = fixtures::open();
        for kind in [JOBS, RUNS] {
            for sql in [kind.find, kind.is_there, kind.last] {
                fixtures::assert_by_index(&test.look(), sql);
            }
        }
    }
}
