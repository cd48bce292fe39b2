//! Which parameters each list has, and how its rows are read.
//!
//! A page and its JSON read the same ones, so that an address means the same in both. Filters of
//! different lists that mean the same have the same name: what became of a run is called `state` as
//! well, so that one word filters every list.

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::event::JobState;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, DeliveryOnly, EventFilter, HeldFilter, JobFilter,
    RefusalFilter, RunFilter,
};
use crate::store::lane_records::Counted;
use crate::store::records::{
    ActivityRecord, DeliveryRecord, EventRecord, HeldRecord, JobRecord, Listing, Page,
    RefusalRecord, RunOutcome, RunRecord,
};
use crate::web::cursors::List;
use crate::web::lists::{
    Choice, EVENT_KINDS, Expected, FORMATS, Given, ListFilter, ListQuery, QueryError, parsed,
    range_of, text_of,
};

pub type JobsQuery = ListQuery<JobFilter>;
pub type RunsQuery = ListQuery<RunFilter>;
pub type ActivitiesQuery = ListQuery<ActivityFilter>;
pub type EventsQuery = ListQuery<EventFilter>;
pub type DeliveriesQuery = ListQuery<DeliveryFilter>;
pub type HeldQuery = ListQuery<HeldFilter>;
pub type RefusalsQuery = ListQuery<RefusalFilter>;

impl ListFilter for JobFilter {
    type Row = JobRecord;

    const LIST: List = List::Jobs;

    const PATH: &'static str = "/jobs";

    const KNOWN: &'static [&'static str] = &[
        "queue", "region", "workflow", "type", "state", "code", "q", "from", "to", "limit",
        "cursor",
    ];

    fn of(given: &Given, now: Timestamp) -> Result<JobFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(JobFilter {
            queue: text_of(given, "queue"),
            region: text_of(given, "region"),
            job_type: text_of(given, "type"),
            state: parsed(
                given,
                "state",
                Expected::OneOf(Choice::State),
                JobState::from_word,
            )?,
            code: text_of(given, "code"),
            workflow: text_of(given, "workflow"),
            q: text_of(given, "q"),
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<JobRecord>, ReadError> {
        store.page_jobs(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_jobs(self)
    }

    fn at(row: &JobRecord) -> Timestamp {
        row.last_event_at
    }
}

impl ListFilter for RunFilter {
    type Row = RunRecord;

    const LIST: List = List::Runs;

    const PATH: &'static str = "/runs";

    const KNOWN: &'static [&'static str] = &[
        "workflow", "region", "state", "q", "from", "to", "limit", "cursor",
    ];

    fn of(given: &Given, now: Timestamp) -> Result<RunFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(RunFilter {
            workflow: text_of(given, "workflow"),
            owner: None,
            region: text_of(given, "region"),
            outcome: parsed(
                given,
                "state",
                Expected::OneOf(Choice::Outcome),
                RunOutcome::from_word,
            )?,
            q: text_of(given, "q"),
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<RunRecord>, ReadError> {
        store.page_runs(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_runs(self)
    }

    fn at(row: &RunRecord) -> Timestamp {
        row.last_event_at
    }
}

impl ListFilter for ActivityFilter {
    type Row = ActivityRecord;

    const LIST: List = List::Activities;

    const PATH: &'static str = "/activities";

    const KNOWN: &'static [&'static str] = &[
        "run", "workflow", "region", "type", "state", "code", "from", "to", "limit", "cursor",
    ];

    fn of(given: &Given, now: Timestamp) -> Result<ActivityFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(ActivityFilter {
            run: text_of(given, "run"),
            workflow: text_of(given, "workflow"),
            region: text_of(given, "region"),
            activity_type: text_of(given, "type"),
            state: parsed(
                given,
                "state",
                Expected::OneOf(Choice::State),
                JobState::from_word,
            )?,
            code: text_of(given, "code"),
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<ActivityRecord>, ReadError> {
        store.page_activities(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_activities(self)
    }

    fn at(row: &ActivityRecord) -> Timestamp {
        row.last_event_at
    }
}

impl ListFilter for EventFilter {
    type Row = EventRecord;

    const LIST: List = List::Events;

    const PATH: &'static str = "/events";

    const KNOWN: &'static [&'static str] = &["kind", "from", "to", "limit", "cursor"];

    fn of(given: &Given, now: Timestamp) -> Result<EventFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(EventFilter {
            kind: parsed(given, "kind", Expected::OneOf(Choice::Kind), event_kind)?,
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<EventRecord>, ReadError> {
        store.page_events(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_events(self)
    }

    fn at(row: &EventRecord) -> Timestamp {
        row.at
    }
}

impl ListFilter for DeliveryFilter {
    type Row = DeliveryRecord;

    const LIST: List = List::Deliveries;

    const PATH: &'static str = "/deliveries";

    const KNOWN: &'static [&'static str] = &[
        "source", "topic", "format", "only", "from", "to", "limit", "cursor",
    ];

    fn of(given: &Given, now: Timestamp) -> Result<DeliveryFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(DeliveryFilter {
            source: text_of(given, "source"),
            topic: text_of(given, "topic"),
            format: parsed(given, "format", Expected::OneOf(Choice::Format), format_of)?,
            only: parsed(
                given,
                "only",
                Expected::OneOf(Choice::Only),
                DeliveryOnly::from_word,
            )?,
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<DeliveryRecord>, ReadError> {
        store.page_deliveries(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_deliveries(self)
    }

    fn at(row: &DeliveryRecord) -> Timestamp {
        row.received_at
    }
}

impl ListFilter for HeldFilter {
    type Row = HeldRecord;

    const LIST: List = List::Held;

    const PATH: &'static str = "/held";

    const KNOWN: &'static [&'static str] = &["reason", "source", "from", "to", "limit", "cursor"];

    fn of(given: &Given, now: Timestamp) -> Result<HeldFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(HeldFilter {
            reason: parsed(
                given,
                "reason",
                Expected::OneOf(Choice::HoldReason),
                HoldReason::from_word,
            )?,
            source: text_of(given, "source"),
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<HeldRecord>, ReadError> {
        store.page_held(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_held(self)
    }

    fn at(row: &HeldRecord) -> Timestamp {
        row.received_at
    }
}

impl ListFilter for RefusalFilter {
    type Row = RefusalRecord;

    const LIST: List = List::Refusals;

    const PATH: &'static str = "/refusals";

    const KNOWN: &'static [&'static str] = &["reason", "source", "from", "to", "limit", "cursor"];

    fn of(given: &Given, now: Timestamp) -> Result<RefusalFilter, QueryError> {
        let (from, to) = range_of(given, now)?;
        Ok(RefusalFilter {
            reason: parsed(
                given,
                "reason",
                Expected::OneOf(Choice::RefusalReason),
                RefusalReason::from_word,
            )?,
            source: text_of(given, "source"),
            from,
            to,
        })
    }

    fn page(&self, store: &Store, page: Page) -> Result<Listing<RefusalRecord>, ReadError> {
        store.page_refusals(self, page)
    }

    fn count(&self, store: &Store) -> Result<Counted, ReadError> {
        store.count_refusals(self)
    }

    fn at(row: &RefusalRecord) -> Timestamp {
        row.received_at
    }
}

fn event_kind(word: &str) -> Option<String> {
    EVENT_KINDS.contains(&word).then(|| word.to_owned())
}

fn format_of(word: &str) -> Option<Format> {
    FORMATS.into_iter().find(|format| format.word() == word)
}
