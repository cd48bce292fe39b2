//! `/deliveries`, what arrived, and `/deliveries/{id}`, one of them with its message.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::Store;
use crate::store::records::{DeliveryDetail, DeliveryRecord, EventRecord};
use crate::web::error::{PageError, What};
use crate::web::lists::{Given, List, PlainQuery, encode_cursor};
use crate::web::pages::jobs::LISTED_MAX;
use crate::web::pages::message::{Shown, shown};
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, Pager, RequestView, Section, respond, words};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;

/// The table of deliveries.
#[derive(Template)]
#[template(path = "deliveries.html")]
pub struct DeliveriesPage {
    pub frame: Frame,
    pub deliveries: Vec<DeliveryRecord>,
    pub pager: Pager,
}

/// Answers `/deliveries`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = PlainQuery::parse(List::Deliveries, request.query_string())?;
    let page = query.page;
    let (listing, attention) = read(&state, move |store| {
        Ok((store.page_deliveries(page)?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Deliveries, key));
    let frame = Frame::new(&state, Section::Deliveries, "Deliveries", attention);
    respond(&DeliveriesPage {
        frame: frame.with_json(query.given.link("/deliveries.json")),
        deliveries: listing.items,
        pager: Pager::new("/deliveries", &query.given, next),
    })
}

/// One delivery.
#[derive(Template)]
#[template(path = "delivery.html")]
pub struct DeliveryPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    pub delivery: DeliveryRecord,
    pub events: Vec<EventRecord>,
    pub request: RequestView,
    pub message: Shown,
}

impl DeliveryPage {
    /// Makes the page of `detail`.
    pub fn of(frame: Frame, notice: Option<Notice>, detail: DeliveryDetail) -> DeliveryPage {
        DeliveryPage {
            frame,
            notice,
            request: RequestView::of(&detail.capture),
            message: shown(&detail.message),
            delivery: detail.delivery,
            events: detail.events,
        }
    }

    fn listed_events(&self) -> &[EventRecord] {
        self.events.get(..LISTED_MAX).unwrap_or(&self.events)
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
    let title = format!("Delivery {}", detail.delivery.id);
    let frame = Frame::new(&state, Section::Deliveries, &title, attention);
    let json = format!("/deliveries/{}.json", detail.delivery.id);
    respond(&DeliveryPage::of(frame.with_json(json), notice, detail))
}
