//! `/deliveries/{id}`: one delivery with its message and its request.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::Store;
use crate::store::records::{DeliveryDetail, DeliveryRecord, EventRecord};
use crate::store::retention::kept::Kept;
use crate::web::error::{PageError, What};
use crate::web::lists::Given;
use crate::web::pages::detail::listed;
use crate::web::pages::message::{Shown, shown};
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, RequestView, Section, respond, words};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;
use crate::web::texts::details::DeliveryTexts;

/// One delivery.
#[derive(Template)]
#[template(path = "delivery.html")]
pub struct DeliveryPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    pub delivery: DeliveryRecord,
    pub events: Vec<EventRecord>,
    /// `None` once age has emptied it.
    pub push: Option<PushView>,
    /// How long messages are kept.
    pub messages: Kept,
}

/// A push with its message.
pub struct PushView {
    pub request: RequestView,
    pub message: Shown,
}

impl DeliveryPage {
    /// Makes the page of `detail`.
    pub fn of(
        frame: Frame,
        notice: Option<Notice>,
        detail: DeliveryDetail,
        messages: Kept,
    ) -> DeliveryPage {
        DeliveryPage {
            frame,
            notice,
            push: detail.push.map(|push| PushView {
                request: RequestView::of(&push.capture),
                message: shown(&push.message),
            }),
            messages,
            delivery: detail.delivery,
            events: detail.events,
        }
    }

    /// Says that the message is gone, and by what setting if that is so now.
    fn emptied(&self) -> String {
        let kept_for = self.messages.ms().map(|ms| self.frame.duration(&ms));
        (self.texts().emptied)(kept_for.as_deref())
    }

    fn listed_events(&self) -> &[EventRecord] {
        listed(&self.events)
    }

    fn after_published(&self) -> Option<String> {
        let text = self.texts().after_published;
        let lag = self.delivery.lag_ms?;
        Some(text(&self.frame.duration(&lag)))
    }

    fn format_and_size(&self) -> String {
        let size = words::bytes_text(&self.delivery.body_bytes);
        (self.texts().format_and_size)(self.delivery.format.word(), &size)
    }

    fn texts(&self) -> &'static DeliveryTexts {
        &self.frame.texts.details.delivery
    }
}

/// Answers `/deliveries/{id}`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), &[Notice::PARAMETER])?;
    let notice = given.find(Notice::PARAMETER).and_then(Notice::parse);
    let detail = read_one(&state, What::Delivery, &id, Store::find_delivery).await?;
    let attention = read(&state, Store::attention).await?;
    let mut frame = Frame::new(&request, &state, Section::Deliveries, "", attention);
    frame.title = format!(
        "{} {}",
        frame.texts.words.heads.delivery, detail.delivery.id
    );
    let json = format!("/deliveries/{}.json", detail.delivery.id);
    let messages = state.retention.messages;
    let page = DeliveryPage::of(frame.with_json(json), notice, detail, messages);
    respond(&page)
}
