//! `/held`, the pushes that wait for a person, and `/held/{id}`, one of them with what can be done.
//!
//! The buttons are forms that POST; `decisions.rs` takes them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::notification::reason::HoldReason;
use crate::store::records::{HeldDetail, HeldRecord};
use crate::web::error::{PageError, What};
use crate::web::lists::{Given, List, PlainQuery, encode_cursor};
use crate::web::pages::explanation::Explanation;
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, Pager, RequestView, Section, respond, words};
use crate::web::reads::{read, row_id};
use crate::web::state::AppState;

/// The parameters of the list's page; its JSON has no notices.
const LIST_KNOWN: &[&str] = &["limit", "cursor", Notice::PARAMETER];

/// The table of held pushes.
#[derive(Template)]
#[template(path = "held_list.html")]
pub struct HeldListPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    pub held: Vec<HeldRecord>,
    pub pager: Pager,
}

/// Answers `/held`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), LIST_KNOWN)?;
    let notice = given.find(Notice::PARAMETER).and_then(Notice::parse);
    let query = PlainQuery::of(List::Held, given.with(Notice::PARAMETER, ""))?;
    let page = query.page;
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_held(page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Held, key));
    let frame = Frame::new(&state, Section::Held, "Held pushes", attention);
    respond(&HeldListPage {
        frame: frame.with_json(query.given.link("/held.json")),
        notice,
        held: listing.items,
        pager: Pager::new("/held", &query.given, next),
    })
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
        match self.held.reason {
            HoldReason::Date => {
                "Look at the clocks first: if this machine's clock is wrong, every push will be \
                 held. If it is right, somebody may be repeating an old push; admitting it twice \
                 changes nothing, since the same message is kept once."
            }
            HoldReason::BodyChecksum => {
                "The signature covers the headers, and the body only through its checksum. So \
                 nobody vouches for this body: admit it only if its message is what you expect."
            }
            HoldReason::Owner => {
                "Any account can have its pushes signed by SMQ and sent here. Let an owner in only \
                 if you know the account id."
            }
            HoldReason::OwnerMissing => {
                "Without an owner it cannot be told whose jobs these are. Admit it only if its \
                 message is what you expect."
            }
            HoldReason::Topic => {
                "The owner is allowed here, the topic is not: the source is configured for certain \
                 topics."
            }
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
    let title = format!("Held push {number}");
    let frame = Frame::new(&state, Section::Held, &title, attention);
    let frame = frame.with_json(format!("/held/{number}.json"));
    respond(&HeldPage::of(frame, notice, found))
}
