//! `/held`, the pushes that wait for a person, and `/held/{id}`, one of them with what can be done.
//!
//! The buttons are forms that POST; `decisions.rs` takes them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::ingest::decide::Allowable;
use crate::notification::reason::HoldReason;
use crate::store::filters::HeldFilter;
use crate::store::records::{HeldDetail, HeldRecord};
use crate::web::error::{PageError, What};
use crate::web::lists::Given;
use crate::web::pages::explanation::Explanation;
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, RequestView, Section, respond, words};
use crate::web::reads::{read, row_id};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// The parameters of the list's page; its JSON has no notices.
const LIST_KNOWN: &[&str] = &[
    "reason",
    "source",
    "from",
    "to",
    "limit",
    "cursor",
    Notice::PARAMETER,
];

/// The table of held pushes.
#[derive(Template)]
#[template(path = "held_list.html")]
pub struct HeldListPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    pub filters: Filters,
    pub list: ListView<HeldRecord>,
}

impl HeldListPage {
    /// Makes the page of `list`.
    pub fn of(frame: Frame, notice: Option<Notice>, list: ListView<HeldRecord>) -> HeldListPage {
        HeldListPage {
            filters: Filters::of::<HeldFilter>(&list.given, &frame),
            frame,
            notice,
            list,
        }
    }
}

/// Answers `/held`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), LIST_KNOWN)?;
    let notice = given.find(Notice::PARAMETER).and_then(Notice::parse);
    let given = given.with(Notice::PARAMETER, "");
    if let Some(response) = listing::tidied::<HeldFilter>(&request, &state, &given) {
        return Ok(response);
    }
    let title = Viewer::of(&request, state.zone).texts().lists.held.title;
    listing::answer::<HeldFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(&request, &state, Section::Held, title, loaded.attention);
        let frame = frame.with_json(loaded.json);
        HeldListPage::of(frame, notice, loaded.view)
    })
    .await
}

/// One held push.
#[derive(Template)]
#[template(path = "held.html")]
pub struct HeldPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    pub held: HeldRecord,
    pub request: RequestView,
    pub explanation: Explanation,
    /// How many held pushes of this source have the same owner, and the same topic.
    pub same_owner: u64,
    pub same_topic: u64,
    /// The source is configured for certain topics, and this is none of them.
    pub topic_is_not_configured: bool,
}

impl HeldPage {
    /// Makes the page of `found`.
    pub fn of(frame: Frame, notice: Option<Notice>, found: Found) -> HeldPage {
        HeldPage {
            frame,
            notice,
            request: RequestView::of(&found.detail.capture),
            explanation: Explanation::of(&found.detail.explanation),
            held: found.detail.held,
            same_owner: found.same_owner,
            same_topic: found.same_topic,
            topic_is_not_configured: found.topic_is_not_configured,
        }
    }

    /// Returns the owner to offer for allowing: only where it is what the push is held for.
    fn owner_to_allow(&self) -> Option<&str> {
        match self.held.reason {
            HoldReason::Owner => self.held.owner.as_deref(),
            HoldReason::Date
            | HoldReason::BodyChecksum
            | HoldReason::OwnerMissing
            | HoldReason::Topic => None,
        }
    }

    /// Returns the topic to offer for allowing: where it is what the push is held for, or will be
    /// once its owner is let in.
    fn topic_to_allow(&self) -> Option<&str> {
        match self.held.reason {
            HoldReason::Topic => self.held.topic.as_deref(),
            HoldReason::Owner if self.topic_is_not_configured => self.held.topic.as_deref(),
            HoldReason::Date
            | HoldReason::BodyChecksum
            | HoldReason::OwnerMissing
            | HoldReason::Owner => None,
        }
    }

    /// Returns what to think about before admitting it.
    fn advice(&self) -> &'static str {
        (self.frame.texts.arrivals.advice)(self.held.reason)
    }

    /// Tells whether admitting it alone is the button to press first: it changes the least. Where
    /// nobody vouches for the body or the owner, none is.
    fn is_admitting_advised(&self) -> bool {
        match self.held.reason {
            HoldReason::Date | HoldReason::Owner | HoldReason::Topic => true,
            HoldReason::BodyChecksum | HoldReason::OwnerMissing => false,
        }
    }

    fn owner_effect(&self) -> String {
        (self.frame.texts.arrivals.allow_effect)(Allowable::Owner, self.same_owner)
    }

    fn topic_effect(&self) -> String {
        (self.frame.texts.arrivals.allow_effect)(Allowable::Topic, self.same_topic)
    }

    fn size_text(&self) -> String {
        let size = words::bytes_text(&self.held.body_bytes);
        (self.frame.texts.arrivals.body_of)(&size)
    }

    fn repeats_text(&self) -> String {
        let texts = &self.frame.texts.arrivals;
        match self.held.repeats {
            0 => texts.none.to_owned(),
            repeats => (texts.same_push)(repeats),
        }
    }
}

/// A held push and how many are like it.
pub struct Found {
    pub detail: HeldDetail,
    pub same_owner: u64,
    pub same_topic: u64,
    pub topic_is_not_configured: bool,
}

/// Answers `/held/{id}`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), &[Notice::PARAMETER])?;
    let notice = given.find(Notice::PARAMETER).and_then(Notice::parse);
    let number = row_id(What::Held, &id)?;
    let sources = state.sources.clone();
    let found = read(&state, move |store| {
        let Some(detail) = store.find_held(number)? else {
            return Ok(None);
        };
        let (owner, topic) = (detail.held.owner.as_deref(), detail.held.topic.as_deref());
        let like_it = |owner, topic| store.held_of(detail.source, owner, topic);
        let source = sources.iter().find(|source| source.id == detail.source);
        let topics = source.map_or(&[][..], |source| &source.topics);
        let is_among = topics.iter().any(|listed| Some(listed.as_str()) == topic);
        let found = Found {
            same_owner: like_it(owner, None)?.len() as u64,
            same_topic: like_it(None, topic)?.len() as u64,
            topic_is_not_configured: !topics.is_empty() && !is_among,
            detail,
        };
        Ok(Some((found, store.attention()?)))
    })
    .await?;
    let Some((found, attention)) = found else {
        let (what, id) = (What::Held, id.into_inner());
        return Err(PageError::NotFound { what, id });
    };
    let texts = Viewer::of(&request, state.zone).texts();
    let title = (texts.arrivals.held_title)(number);
    let frame = Frame::new(&request, &state, Section::Held, title, attention);
    let frame = frame.with_json(format!("/held/{number}.json"));
    respond(&HeldPage::of(frame, notice, found))
}
