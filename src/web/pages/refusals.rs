//! `/refusals`, what was not believed and how often, with pushes to addresses that are not ours;
//! and `/refusals/{id}`, one of them with why.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::store::Store;
use crate::store::filters::RefusalFilter;
use crate::store::records::{RefusalCount, RefusalDetail, RefusalRecord, StrayRecord};
use crate::web::error::{PageError, What};
use crate::web::lists::{Given, ListFilter};
use crate::web::pages::explanation::Explanation;
use crate::web::pages::filters::Filters;
use crate::web::pages::listing::{self, Empty, ListView};
use crate::web::pages::{Frame, RequestView, Section, respond, words};
use crate::web::reads::{read, read_one};
use crate::web::state::AppState;
use crate::web::viewer::Viewer;

/// Counts, the kept refusals and the strays.
#[derive(Template)]
#[template(path = "refusals.html")]
pub struct RefusalsPage {
    pub frame: Frame,
    pub counts: Vec<RefusalCount>,
    pub filters: Filters,
    pub list: ListView<RefusalRecord>,
    pub strays: Vec<StrayRecord>,
    pub strays_total: u64,
    /// The URL that is registered rightly, to compare strays with.
    pub endpoint: String,
}

impl RefusalsPage {
    fn strays_text(&self) -> String {
        (self.frame.texts.arrivals.strays_lead)(self.strays_total)
    }
}

/// Answers `/refusals`.
pub async fn list(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), RefusalFilter::KNOWN)?;
    if let Some(response) = listing::tidied::<RefusalFilter>(&request, &state, &given) {
        return Ok(response);
    }
    let (counts, (strays, strays_total)) = read(&state, |store| {
        Ok((store.refusal_counts()?, store.strays()?))
    })
    .await?;
    let title = Viewer::of(&request, state.zone)
        .texts()
        .lists
        .refusals
        .title;
    listing::answer::<RefusalFilter, _>(&state, given, |loaded| {
        let frame = Frame::new(&request, &state, Section::Refusals, title, loaded.attention);
        RefusalsPage {
            filters: Filters::of::<RefusalFilter>(&loaded.view.given, &frame),
            frame: frame.with_json(loaded.json),
            counts: counts.clone(),
            list: loaded.view,
            strays: strays.clone(),
            strays_total,
            endpoint: state.endpoint.clone(),
        }
    })
    .await
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

    fn size_text(&self) -> String {
        let size = words::bytes_text(&self.refusal.body_bytes);
        (self.frame.texts.arrivals.body_read)(&size)
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
    let texts = Viewer::of(&request, state.zone).texts();
    let title = (texts.arrivals.refusal_title)(detail.refusal.id);
    let frame = Frame::new(&request, &state, Section::Refusals, title, attention);
    let json = format!("/refusals/{}.json", detail.refusal.id);
    respond(&RefusalPage::of(frame.with_json(json), detail))
}
