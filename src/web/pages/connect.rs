//! `/connect`: what to enter in the consoles, and whether it works yet.
//!
//! The only page that shows the secret path whole on purpose: it is there to be pasted. Its buttons
//! are the forms of `/held/{id}`; `decisions.rs` takes them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::notification::reason::HoldReason;
use crate::store::records::HeldRecord;
use crate::web::connection::{AllowedBy, Configured, Connection, EndpointTrouble, Progress};
use crate::web::error::PageError;
use crate::web::json;
use crate::web::lists::Given;
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, Section, respond, words};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::texts::connect::Value;

/// The page.
#[derive(Template)]
#[template(path = "connect.html")]
pub struct ConnectPage {
    pub frame: Frame,
    /// What a button of this page has done.
    pub notice: Option<Notice>,
    pub connection: Connection,
}

impl ConnectPage {
    /// Returns what stands in the way of the endpoint, as the page says it.
    fn trouble(&self) -> Option<&'static str> {
        let texts = &self.frame.texts.connect;
        Some(match self.connection.endpoint_trouble? {
            EndpointTrouble::NoPublicUrl => texts.no_public_url,
            EndpointTrouble::PlainHttp => texts.plain_http,
        })
    }

    fn has_sources(&self) -> bool {
        self.connection.sources.len() > 1
    }

    /// Returns the first endpoint, for the probe.
    fn endpoint(&self) -> &str {
        let first = self.connection.sources.first();
        first.map_or("", |source| source.endpoint.as_str())
    }

    // Templates hand over references: hence `&` before what is small.

    /// Returns how far a source has come, in a few words.
    pub fn progress(&self, progress: &Progress) -> &'static str {
        (self.frame.texts.connect.progress)(*progress)
    }

    /// Returns what that means, and what to do.
    pub fn progress_long(&self, progress: &Progress) -> &'static str {
        (self.frame.texts.connect.progress_long)(*progress)
    }

    /// Returns who let an owner in.
    pub fn allowed_by(&self, by: &AllowedBy) -> &'static str {
        let texts = &self.frame.texts.connect;
        match by {
            AllowedBy::Configuration => texts.by_configuration,
            AllowedBy::FirstPush => texts.pinned,
            AllowedBy::Person => texts.by_person,
        }
    }

    /// Returns how many held pushes are of a kind.
    pub fn held_count(&self, count: &u64) -> String {
        (self.frame.texts.connect.held_count)(*count)
    }

    /// Returns how many pushes were refused for a reason; when the last was stands behind it.
    pub fn refused_count(&self, count: &u64) -> String {
        (self.frame.texts.connect.refused_count)(*count)
    }

    fn strays_lead(&self) -> String {
        (self.frame.texts.connect.strays_lead)(self.connection.strays.total)
    }

    /// Returns the button that lets a held push in: where its form leads, and its text. A push whose
    /// body or owner nobody vouches for has none here, since it wants to be looked at first.
    fn button(&self, held: &HeldRecord) -> Option<(&'static str, &'static str)> {
        let texts = &self.frame.texts.arrivals;
        match held.reason {
            HoldReason::Owner => Some(("allow-owner", texts.allow_owner)),
            HoldReason::Topic => Some(("allow-topic", texts.allow_topic)),
            HoldReason::Date => Some(("admit", texts.admit)),
            HoldReason::BodyChecksum | HoldReason::OwnerMissing => None,
        }
    }
}

/// Answers `/connect`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), &[Notice::PARAMETER])?;
    let notice = given.find(Notice::PARAMETER).and_then(Notice::parse);
    let configured = configured(&state);
    let (connection, attention) = read(&state, move |store| {
        Ok((Connection::read(store, &configured)?, store.attention()?))
    })
    .await?;
    let frame = Frame::new(&request, &state, Section::Connect, "", attention);
    let frame = Frame {
        title: frame.texts.connect.title.to_owned(),
        ..frame.with_json("/connect.json".to_owned())
    };
    respond(&ConnectPage {
        frame,
        notice,
        connection,
    })
}

/// Answers `/connect.json`.
pub async fn show_json(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let configured = configured(&state);
    let connection = read(&state, move |store| Connection::read(store, &configured)).await?;
    Ok(json::respond(&connection))
}

fn configured(state: &AppState) -> Configured {
    Configured {
        sources: state.sources.clone(),
        endpoint: state.endpoint.clone(),
        has_public_url: state.has_public_url,
    }
}
