//! Who looks at a page: the language and the time zone that times and sentences are made for.
//!
//! Both come from cookies that `/settings` sets, else the language from `Accept-Language` and the
//! zone from the configuration. Whatever the headers hold, there is a viewer: what cannot be read is
//! as if it were not there. Only pages differ by viewer; JSON and files do not.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::web::state::AppState;
use crate::web::texts::{Language, Texts};

/// The cookie that holds a [`Language::tag`].
pub const LANGUAGE_COOKIE: &str = "mpsink_language";

/// The cookie that holds the IANA name of a time zone.
pub const ZONE_COOKIE: &str = "mpsink_zone";

/// The cookie that turns single keys off, and the value by which it does.
pub const KEYS_COOKIE: &str = "mpsink_keys";
pub const KEYS_OFF: &str = "off";

/// How a page is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    pub language: Language,
    pub zone: Tz,
}

impl Viewer {
    /// Reads the viewer of a request; `zone` is what counts unless the cookie names another.
    pub fn of(request: &HttpRequest, zone: Tz) -> Viewer {
        let chosen = cookie(request, LANGUAGE_COOKIE);
        let chosen = chosen.and_then(|tag| Language::from_tag(&tag));
        let named = cookie(request, ZONE_COOKIE);
        let named = named.and_then(|name| name.parse().ok());
        Viewer {
            language: chosen.unwrap_or_else(|| accepted(request)),
            zone: named.unwrap_or(zone),
        }
    }

    pub fn texts(self) -> &'static Texts {
        self.language.texts()
    }

    /// Returns `2024-05-06 08:00:01` in the viewer's zone; the same in every language.
    pub fn time_text(self, at: Timestamp) -> String {
        match self.local(at) {
            Some(local) => local.format("%Y-%m-%d %H:%M:%S").to_string(),
            None => at.to_string(),
        }
    }

    /// Returns the same with how far the zone is from UTC then: `2024-05-06 16:00:01 UTC+8`.
    pub fn moment_text(self, at: Timestamp) -> String {
        let offset = self.local(at).map(|local| local.offset().fix());
        let offset = offset.map(|offset| offset_text(offset.local_minus_utc()));
        format!("{} {}", self.time_text(at), offset.unwrap_or_default())
    }

    /// Returns what the zone is called: `UTC`, or `Asia/Shanghai (UTC+8)` as it is at `now`.
    pub fn zone_text(self, now: Timestamp) -> String {
        let offset = self.local(now).map(|local| local.offset().fix());
        let offset =
            offset.map_or_else(String::new, |offset| offset_text(offset.local_minus_utc()));
        let name = self.zone.name();
        if name == offset {
            offset
        } else {
            format!("{name} ({offset})")
        }
    }

    fn local(self, at: Timestamp) -> Option<DateTime<Tz>> {
        self.zone.timestamp_millis_opt(at.0).single()
    }
}

impl FromRequest for Viewer {
    type Error = Infallible;
    type Future = Ready<Result<Viewer, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>();
        ready(Ok(Viewer::of(
            request,
            state.map_or(Tz::UTC, |state| state.zone),
        )))
    }
}

/// Returns `UTC`, `UTC+8` or `UTC+5:45`; seconds, which zones had long ago, are left out.
fn offset_text(seconds: i32) -> String {
    let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() % 3_600 / 60);
    let sign = if seconds < 0 { "−" } else { "+" };
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    request.cookie(name).map(|cookie| cookie.value().to_owned())
}

/// Returns the language of ours that the browser likes best (RFC 9110, 12.5.4). Chinese of any
/// script is better served by Simplified Chinese than by English.
fn accepted(request: &HttpRequest) -> Language {
    let accepted = request.headers().get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or("");
    best_language(accepted)
}

fn best_language(accepted: &str) -> Language {
    let mut best = (Language::English, 0.0);
    for range in accepted.split(',') {
        let (tag, weight) = match range.split_once(';') {
            Some((tag, weight)) => {
                let weight = weight.trim().strip_prefix("q=");
                (
                    tag,
                    weight.and_then(|weight| weight.parse().ok()).unwrap_or(0.0),
                )
            }
            None => (range, 1.0),
        };
        let tag = tag.trim().to_ascii_lowercase();
        let language = match tag.split('-').next() {
            Some("en") => Language::English,
            Some("zh") => Language::Chinese,
            _ => continue,
        };
        // Of equal weights the first counts.
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use actix_web::cookie::Cookie;
    use actix_web::test::TestRequest;

    use super::*;

    const AT: Timestamp = Timestamp(1_714_982_401_000);

    #[test]
    fn the_language_is_the_one_the_browser_likes_best() {
        let cases = [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("de, zh-Hant;q=0.7, en;q=0.3", Language::Chinese),
            ("zh;q=0, en;q=0", Language::English),
            ("zh;q=nonsense", Language::English),
            ("*", Language::English),
            ("EN;q=0.5,ZH;q=0.6", Language::Chinese),
        ];
        for (accepted, expected) in cases {
            assert_eq!(best_language(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn a_choice_wins_over_what_the_browser_and_the_configuration_say() {
        let request = TestRequest::default()
            .insert_header((header::ACCEPT_LANGUAGE, "en"))
            .cookie(Cookie::new(LANGUAGE_COOKIE, "zh-CN"))
            .cookie(Cookie::new(ZONE_COOKIE, "Asia/Shanghai"))
            .to_http_request();
        let expected = Viewer {
            language: Language::Chinese,
            zone: Tz::Asia__Shanghai,
        };
        assert_eq!(Viewer::of(&request, Tz::Europe__Berlin), expected);
    }

    #[test]
    fn a_choice_that_is_none_is_as_if_it_were_not_there() {
        let request = TestRequest::default()
            .cookie(Cookie::new(LANGUAGE_COOKIE, "tlh"))
            .cookie(Cookie::new(ZONE_COOKIE, "Mars/Olympus"))
            .to_http_request();
        let expected = Viewer {
            language: Language::English,
            zone: Tz::Europe__Berlin,
        };
        assert_eq!(Viewer::of(&request, Tz::Europe__Berlin), expected);
    }

    #[test]
    fn times_are_of_the_zone_and_say_so() {
        let check = |zone: Tz, time: &str, moment: &str, name: &str| {
            let viewer = Viewer {
                language: Language::English,
                zone,
            };
            assert_eq!(viewer.time_text(AT), time);
            assert_eq!(viewer.moment_text(AT), moment);
            assert_eq!(viewer.zone_text(AT), name);
        };
        check(
            Tz::UTC,
            "2024-05-06 08:00:01",
            "2024-05-06 08:00:01 UTC",
            "UTC",
        );
        check(
            Tz::Asia__Shanghai,
            "2024-05-06 16:00:01",
            "2024-05-06 16:00:01 UTC+8",
            "Asia/Shanghai (UTC+8)",
        );
        check(
            Tz::Asia__Kathmandu,
            "2024-05-06 13:45:01",
            "2024-05-06 13:45:01 UTC+5:45",
            "Asia/Kathmandu (UTC+5:45)",
        );
        check(
            Tz::America__New_York,
            "2024-05-06 04:00:01",
            "2024-05-06 04:00:01 UTC−4",
            "America/New_York (UTC−4)",
        );
    }

    #[test]
    fn a_time_beyond_the_calendar_is_still_shown() {
        let viewer = Viewer {
            language: Language::English,
            zone: Tz::UTC,
        };
        assert_eq!(viewer.time_text(Timestamp(i64::MAX)), i64::MAX.to_string());
    }
}
