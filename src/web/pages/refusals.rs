//! `/refusals`, what was not believed and how often, with pushes to addresses that are not ours;
//! and `/refusals/{id}`, one of them with why.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::Store;
use crate::store::records::{RefusalCount, RefusalDetail, RefusalRecord, StrayRecord};
use crate::web::error::{PageError, What};
use crate::web::lists::{Given, List, PlainQuery, encode_cursor};
use crate::web::pages::explanation::Explanation;
use crate::web::pages::{Frame, Pager, RequestView, Section, respond, words};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;

/// Counts, the kept refusals and the strays.
#[derive(Template)]
#[template(path = "refusals.html")]
pub struct RefusalsPage {
    pub frame: Frame,
    pub counts: Vec<RefusalCount>,
    pub refusals: Vec<RefusalRecord>,
    pub pager: Pager,
    pub strays: Vec<StrayRecord>,
    pub strays_total: u64,
    /// The URL that is registered rightly, to compare strays with.
    pub endpoint: String,
}

/// Answers `/refusals`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let query = PlainQuery::parse(List::Refusals, request.query_string())?;
    let page = query.page;
    let (listing, counts, strays, attention) = read(&state, move |store| {
        let listing = store.page_refusals(page)?;
        let counts = store.refusal_counts()?;
        Ok((listing, counts, store.strays()?, store.attention()?))
    })
    .await?;
    let next = listing.next.map(|key| encode_cursor(List::Refusals, key));
    let frame = Frame::new(&state, Section::Refusals, "Refusals", attention);
    respond(&RefusalsPage {
        frame: frame.with_json(query.given.link("/refusals.json")),
        counts,
        refusals: listing.items,
        pager: Pager::new("/refusals", &query.given, next),
        strays: strays.0,
        strays_total: strays.1,
        endpoint: state.endpoint.clone(),
    })
}

/// One refused push.
#[derive(Template)]
#[template(path = "refusal.html")]
pub struct RefusalPage {
    pub frame: Frame,
    pub refusal: RefusalRecord,
    pub request: RequestView,
    pub explanation: Explanation,
}

impl RefusalPage {
    /// Makes the page of `detail`.
    pub fn of(frame: Frame, detail: RefusalDetail) -> RefusalPage {
        RefusalPage {
            frame,
            request: RequestView::of(&detail.capture),
            explanation: Explanation::of(&detail.explanation),
            refusal: detail.refusal,
        }
    }
}

/// Answers `/refusals/{id}`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    Given::parse(request.query_string(), &[])?;
    let detail = read_one(&state, What::Refusal, &id, Store::find_refusal).await?;
    let attention = read(&state, Store::attention).await?;
    let title = format!("Refused push {}", detail.refusal.id);
    let frame = Frame::new(&state, Section::Refusals, &title, attention);
    let json = format!("/refusals/{}.json", detail.refusal.id);
    respond(&RefusalPage::of(frame.with_json(json), detail))
}
