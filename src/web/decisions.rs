//! What a person decides about a held push: admit it, allow its owner or topic, drop it.
//!
//! Each is a POST that passes [`may_change`]. A person is sent to a page that says what happened,
//! and back to *Connect* from there (`?back=connect`, one of a fixed set: no address is taken from a
//! request); a command on this machine (`mpsink admit`) is told as JSON. Each leaves a line in the log:
//! what was decided about which push, and by whom.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::ingest::Outcome;
use crate::store::records::{HeldRecord, RowId};
use crate::web::error::{PageError, What};
use crate::web::guard::{Asker, Who, may_change, who};
use crate::web::lists::Given;
use crate::web::pages::notice::Notice;
use crate::web::reads::{read, row_id};
use crate::web::state::AppState;

/// The parameter that names the page to go back to.
const BACK: &str = "back";

/// What a command is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Decided {
    /// `stored`, `duplicate`, `held`, `allowed` or `dropped`.
    outcome: &'static str,
    /// The delivery that it is now or was already.
    delivery: Option<RowId>,
    /// How many held pushes came in by it.
    admitted: Option<u64>,
}

/// What is logged of a decision. Nothing of what the push says is in it.
struct Entry {
    who: Who,
    /// Read before the decision, which may take it away.
    held: Option<HeldRecord>,
}

impl Entry {
    async fn begin(request: &HttpRequest, state: &AppState, id: RowId) -> Entry {
        // Who decides about a push that is not there, or cannot be read, is told so by the decision.
        let found = read(state, move |store| store.find_held(id)).await;
        Entry {
            who: who(request),
            held: found.ok().flatten().map(|detail| detail.held),
        }
    }

    fn write(&self, decision: &str, id: RowId, admitted: Option<u64>) {
        let held = self.held.as_ref();
        tracing::info!(
            decision,
            held = %id,
            owner = held.and_then(|held| held.owner.as_deref()),
            topic = held.and_then(|held| held.topic.as_deref()),
            admitted,
            by = self.who.by,
            address = self.who.address.map(|address| address.to_string()),
            "a decision about a held push"
        );
    }
}

/// Lets one held push in, whatever it is held for.
pub async fn admit(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let asker = may_change(&request)?;
    let id = row_id(What::Held, &id)?;
    let entry = Entry::begin(&request, &state, id).await;
    let outcome = state.ingest.admit(id).await;
    let outcome = outcome.map_err(|error| PageError::of_decision(error, id))?;
    let (notice, outcome, delivery) = match outcome {
        Outcome::Stored { delivery } => (Notice::Admitted, "stored", Some(delivery)),
        Outcome::Duplicate { delivery, .. } => (Notice::Duplicate, "duplicate", Some(delivery)),
        // Neither is expected of a push that a person vouches for; it stays where it is.
        Outcome::Held { .. } | Outcome::Refused { .. } => (Notice::StillHeld, "held", None),
        Outcome::Failed(trouble) => return Err(trouble.into()),
    };
    let decision = match outcome {
        "held" => "not admitted",
        _ => "admitted",
    };
    entry.write(decision, id, None);
    let path = match (back_of(&request), delivery) {
        (Some(back), _) => back.to_owned(),
        (None, Some(delivery)) => format!("/deliveries/{delivery}"),
        (None, None) => format!("/held/{id}"),
    };
    let decided = Decided {
        outcome,
        delivery,
        admitted: None,
    };
    Ok(respond(asker, &notice.link(&path), &decided))
}

/// Lets the owner of a held push in from now on, with what of it is held.
pub async fn allow_owner(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let asker = may_change(&request)?;
    let id = row_id(What::Held, &id)?;
    let entry = Entry::begin(&request, &state, id).await;
    let admitted = state.ingest.allow_owner(id).await;
    let admitted = admitted.map_err(|error| PageError::of_decision(error, id))?;
    entry.write("owner allowed", id, Some(admitted));
    let back = back_of(&request);
    let notice = Notice::OwnerAllowed { admitted };
    Ok(allowed(asker, back, notice, admitted))
}

/// Lets the topic of a held push in from now on, with what of it is held.
pub async fn allow_topic(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let asker = may_change(&request)?;
    let id = row_id(What::Held, &id)?;
    let entry = Entry::begin(&request, &state, id).await;
    let admitted = state.ingest.allow_topic(id).await;
    let admitted = admitted.map_err(|error| PageError::of_decision(error, id))?;
    entry.write("topic allowed", id, Some(admitted));
    let back = back_of(&request);
    let notice = Notice::TopicAllowed { admitted };
    Ok(allowed(asker, back, notice, admitted))
}

/// Forgets a held push for good.
pub async fn drop_held(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let asker = may_change(&request)?;
    let id = row_id(What::Held, &id)?;
    let entry = Entry::begin(&request, &state, id).await;
    let dropped = state.ingest.drop_held(id).await;
    dropped.map_err(|error| PageError::of_decision(error, id))?;
    entry.write("dropped", id, None);
    let decided = Decided {
        outcome: "dropped",
        delivery: None,
        admitted: None,
    };
    Ok(respond(asker, &Notice::Dropped.link("/held"), &decided))
}

/// Returns the page to go back to that the button's form names; none for one that is not of the set.
fn back_of(request: &HttpRequest) -> Option<&'static str> {
    let given = Given::parse(request.query_string(), &[BACK]).ok()?;
    (given.text(BACK) == "connect").then_some("/connect")
}

fn allowed(asker: Asker, back: Option<&str>, notice: Notice, admitted: u64) -> HttpResponse {
    let decided = Decided {
        outcome: "allowed",
        delivery: None,
        admitted: Some(admitted),
    };
    respond(asker, &notice.link(back.unwrap_or("/held")), &decided)
}

/// 303, so that the browser fetches the next page with GET and reloading it decides nothing again.
fn respond(asker: Asker, next: &str, decided: &Decided) -> HttpResponse {
    match asker {
        Asker::Person => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, next))
            .finish(),
        Asker::Command | Asker::Script => HttpResponse::Ok().json(decided),
    }
}
