//! How a handler reads from the store: off the async threads, by one function.

use actix_web::web;

use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::records::RowId;
use crate::web::error::{PageError, What};
use crate::web::state::AppState;

/// Runs `read` on a thread where waiting is allowed.
pub async fn read<T, F>(state: &AppState, read: F) -> Result<T, PageError>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
{
    let store = state.store.clone();
    match web::block(move || read(&store)).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(PageError::unavailable(error)),
    }
}

/// Reads one thing by the number in its address.
pub async fn read_one<T, F>(state: &AppState, what: What, id: &str, find: F) -> Result<T, PageError>
where
    T: Send + 'static,
    F: FnOnce(&Store, RowId) -> Result<Option<T>, ReadError> + Send + 'static,
{
    let number = row_id(what, id)?;
    let found = read(state, move |store| find(store, number)).await?;
    found.ok_or_else(|| not_found(what, id))
}

/// Reads the number of a row from an address. What is no number is a row that does not exist.
pub fn row_id(what: What, id: &str) -> Result<RowId, PageError> {
    id.parse().map_err(|_| not_found(what, id))
}

fn not_found(what: What, id: &str) -> PageError {
    PageError::NotFound {
        what,
        id: id.to_owned(),
    }
}
