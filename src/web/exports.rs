//! What an export is asked for, read from the query string of its list.
//!
//! The same parameters as the list itself, by the same functions: so an address gives the same rows in
//! every representation, and a mistake is the same error on a page, in a script and in
//! `mpsink export`.

use crate::clock::Timestamp;
use crate::export::Selection;
use crate::store::scan_records::Table;
use crate::web::error::PageError;
use crate::web::list_filters::{
    ActivitiesQuery, DeliveriesQuery, EventsQuery, HeldQuery, JobsQuery, RefusalsQuery, RunsQuery,
};
use crate::web::lists::QueryError;
use crate::web::texts::trouble::TroubleTexts;

/// Reads which rows of `table` a query string chooses; `now` is what `24h` counts back from. The page
/// that it may name does not matter: an export has them all.
pub fn selection(table: Table, query: &str, now: Timestamp) -> Result<Selection, QueryError> {
    Ok(match table {
        Table::Jobs => Selection::Jobs(JobsQuery::parse(query, now)?.filter),
        Table::Runs => Selection::Runs(RunsQuery::parse(query, now)?.filter),
        Table::Activities => Selection::Activities(ActivitiesQuery::parse(query, now)?.filter),
        Table::Events => Selection::Events(EventsQuery::parse(query, now)?.filter),
        Table::Deliveries => Selection::Deliveries(DeliveriesQuery::parse(query, now)?.filter),
        Table::Held => Selection::Held(HeldQuery::parse(query, now)?.filter),
        Table::Refusals => Selection::Refusals(RefusalsQuery::parse(query, now)?.filter),
    })
}

/// Returns what is wrong with a query string, in the sentence that programs are told.
pub fn what_is_wrong(error: &QueryError) -> String {
    (TroubleTexts::ENGLISH.detail)(&PageError::BadQuery(error.clone()))
}

#[cfg(test)]
mod tests {
    use crate::notification::event::JobState;
    use crate::store::filters::JobFilter;

    use super::*;

    #[test]
    fn each_table_takes_the_parameters_of_its_own_list() {
        let now = Timestamp(0);
        for table in Table::ALL {
            let selection = selection(table, "from=1h&to=1m", now).unwrap();
            assert_eq!(selection.table(), table);
        }
        let jobs = selection(Table::Jobs, "state=failed", now).unwrap();
        let expected = JobFilter {
            state: Some(JobState::Failed),
            ..JobFilter::default()
        };
        assert_eq!(jobs, Selection::Jobs(expected));
        let error = selection(Table::Events, "queue=hd", now).unwrap_err();
        assert!(matches!(error, QueryError::Unknown { .. }), "{error:?}");
    }
}
