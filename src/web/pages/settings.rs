//! `/settings`: the language and the time zone of the pages, and whether single keys do something.
//!
//! The form POSTs; `web/settings.rs` takes it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::store::Store;
use crate::web::error::PageError;
use crate::web::lists::Given;
use crate::web::pages::notice::Notice;
use crate::web::pages::{Frame, Section, respond};
use crate::web::reads::read;
use crate::web::state::AppState;
use crate::web::texts::Language;
use crate::web::viewer::{KEYS_COOKIE, KEYS_OFF, Viewer, ZONE_COOKIE};

/// The settings.
#[derive(Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
    /// The zone of the configuration.
    pub server_zone: Tz,
    /// The viewer has chosen another.
    pub has_own_zone: bool,
    pub has_keys: bool,
}

impl SettingsPage {
    /// Returns every language and whether it is the one of this page.
    fn languages(&self) -> [(Language, bool); 2] {
        Language::ALL.map(|language| (language, language == self.frame.viewer.language))
    }

    /// Returns every zone's name and whether it is the chosen one.
    fn zones(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let chosen = self.has_own_zone.then_some(self.frame.viewer.zone);
        TZ_VARIANTS
            .iter()
            .map(move |zone| (zone.name(), Some(*zone) == chosen))
    }

    fn server_zone_text(&self) -> String {
        let viewer = Viewer {
            zone: self.server_zone,
            ..self.frame.viewer
        };
        (self.frame.texts.frame.zone_of_server)(&viewer.zone_text(self.frame.now))
    }
}

/// Answers GET `/settings`.
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, PageError> {
    let given = Given::parse(request.query_string(), &[Notice::PARAMETER])?;
    let attention = read(&state, Store::attention).await?;
    let title = Viewer::of(&request, state.zone).texts().frame.settings;
    let named = request.cookie(ZONE_COOKIE);
    let named = named.and_then(|cookie| cookie.value().parse::<Tz>().ok());
    let keys = request.cookie(KEYS_COOKIE);
    respond(&SettingsPage {
        frame: Frame::new(&request, &state, Section::Settings, title, attention),
        notice: given.find(Notice::PARAMETER).and_then(Notice::parse),
        server_zone: state.zone,
        has_own_zone: named.is_some(),
        has_keys: keys.is_none_or(|keys| keys.value() != KEYS_OFF),
    })
}
