//! Changing the settings: which cookies make a [`Viewer`].
//!
//! It changes nothing of ours but is a POST that passes [`may_change`] all the same: another site
//! has no business with how our pages look.
//!
//! [`Viewer`]: crate::web::viewer::Viewer

use std::time;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::error::ErrorRequestTimeout;
use actix_web::http::header;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use serde::Deserialize;
use tokio::time::timeout;

use crate::web::guard::{client, may_change};
use crate::web::texts::Language;
use crate::web::viewer::{KEYS_COOKIE, KEYS_OFF, LANGUAGE_COOKIE, ZONE_COOKIE};

/// How long a browser keeps a setting.
const KEPT: Duration = Duration::days(365);

/// What the forms send; a field that is absent changes nothing, and neither does a value that is
/// none.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// A [`Language::tag`].
    language: Option<String>,
    /// An IANA name; empty for the zone of the configuration.
    zone: Option<String>,
    /// `on` or `off`: whether single keys do something.
    keys: Option<String>,
    /// Where to go on.
    back: Option<String>,
}

/// How long the form may take to come.
const FORM_TIMEOUT: time::Duration = time::Duration::from_secs(4);

/// Answers POST `/settings`.
pub async fn change(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
    may_change(&request)?;
    let mut payload = payload.into_inner();
    let form = web::Form::<Settings>::from_request(&request, &mut payload);
    let settings = timeout(FORM_TIMEOUT, form)
        .await
        .map_err(|_| ErrorRequestTimeout("The form took too long.\n"))??;
    // A browser then sends them over https alone.
    let is_https = client(&request).is_some_and(|client| client.is_https);
    let kept = |name, value| kept(name, value, is_https);
    let mut response = HttpResponse::SeeOther();
    let language = settings.language.as_deref().and_then(Language::from_tag);
    if let Some(language) = language {
        response.cookie(kept(LANGUAGE_COOKIE, language.tag()));
    }
    match settings.zone.as_deref() {
        Some("") => {
            response.cookie(gone(ZONE_COOKIE));
        }
        Some(name) => {
            if let Ok(zone) = name.parse::<Tz>() {
                response.cookie(kept(ZONE_COOKIE, zone.name()));
            }
        }
        None => {}
    }
    match settings.keys.as_deref() {
        Some("on") => {
            response.cookie(gone(KEYS_COOKIE));
        }
        Some(KEYS_OFF) => {
            let mut off = kept(KEYS_COOKIE, KEYS_OFF);
            // `keys.js` acts on it.
            off.set_http_only(false);
            response.cookie(off);
        }
        _ => {}
    }
    let back = settings.back.as_deref().filter(|back| is_ours(back));
    Ok(response
        .insert_header((header::LOCATION, back.unwrap_or("/")))
        .finish())
}

fn gone(name: &'static str) -> Cookie<'static> {
    let mut gone = Cookie::build(name, "").path("/").finish();
    gone.make_removal();
    gone
}

/// Lax, so that a link from elsewhere opens a page in the chosen language. No script reads it.
fn kept(name: &'static str, value: &'static str, is_https: bool) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .max_age(KEPT)
        .same_site(SameSite::Lax)
        .http_only(true)
        .secure(is_https)
        .finish()
}

/// Tells whether an address is a path of this server: `//host` and `/\host` are other ones, and
/// browsers drop tabs and line breaks before they look.
fn is_ours(back: &str) -> bool {
    let mut bytes = back.bytes();
    let is_path = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    is_path && back.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_ours_is_gone_back_to() {
        let cases = [
            ("/", true),
            ("/jobs?state=failed", true),
            ("", false),
            ("jobs", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("/\t/evil.example", false),
            ("https://evil.example", false),
        ];
        for (back, expected) in cases {
            assert_eq!(is_ours(back), expected, "{back:?}");
        }
    }
}
