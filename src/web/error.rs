//! The only place where an error becomes a status: one exhaustive match for each server.
//!
//! The receiver answers a stranger: one fixed sentence for each [`ReceiverError`], no values.
//! The dashboard's handlers return a [`PageError`]; the guard asks [`present`] for the answer, since only the path
//! says whether a person or a program is asking: a page, or `application/problem+json` (RFC 9457)
//! where the path ends as data does (`representation.rs`). What went wrong inside goes to the log, not into the answer.

use std::error::Error;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use thiserror::Error;

use crate::causes::chain;
use crate::clock::Timestamp;
use crate::ingest::decide::{Allowable, DecideError};
use crate::ingest::{Outcome, Trouble};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::errors::{ReadError, WriteError};
use crate::store::records::Attention;
use crate::store::retention::kept::Kept;
use crate::web::access::Ways;
use crate::web::json;
use crate::web::lists::QueryError;
use crate::web::pages::trouble;
use crate::web::texts::Language;
use crate::web::texts::trouble::TroubleTexts;
use crate::web::viewer::Viewer;

/// Seconds after which a caller may ask again when we were too busy.
const RETRY_AFTER_S: &str = "2";

/// Seconds after which an export may be tried again: most take less.
const EXPORT_RETRY_AFTER_S: &str = "10";

/// What makes a browser ask for a name and a password (RFC 7617).
const BASIC_CHALLENGE: &str = r#"Basic realm="mpsink", charset="UTF-8""#;

/// What tells a program that a token would do (RFC 6750). A browser passes over it.
const BEARER_CHALLENGE: &str = r#"Bearer realm="mpsink""#;

/// Why the receiver does not answer 204.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReceiverError {
    #[error("There is nothing here.")]
    NoSuchPath,
    #[error("Pushes come by POST.")]
    MethodNotAllowed,
    #[error("The body is too long.")]
    BodyTooLong,
    #[error("The body took too long.")]
    BodyTooSlow,
    #[error("The body ended early.")]
    BodyBroken,
    #[error("Too much is being received at once.")]
    TooManyBytesInFlight,
    #[error("{}", .0.sentence())]
    Refused(RefusalReason),
    #[error("{}", .0.sentence())]
    Held(HoldReason),
    #[error("The push cannot be taken just now.")]
    Trouble(Trouble),
}

/// How long a sender is asked to wait when the trouble is ours and likely short.
const SENDER_RETRY_AFTER_S: u32 = 5;

/// Returns what the sender of a push is answered: 204 only for what is on disk.
pub fn answer(outcome: Outcome) -> Result<HttpResponse, ReceiverError> {
    match outcome {
        Outcome::Stored { .. } | Outcome::Duplicate { .. } => {
            Ok(HttpResponse::NoContent().finish())
        }
        Outcome::Held { reason, .. } => Err(ReceiverError::Held(reason)),
        Outcome::Refused { reason } => Err(ReceiverError::Refused(reason)),
        Outcome::Failed(trouble) => Err(ReceiverError::Trouble(trouble)),
    }
}

impl ResponseError for ReceiverError {
    fn status_code(&self) -> StatusCode {
        match self {
            ReceiverError::NoSuchPath => StatusCode::NOT_FOUND,
            ReceiverError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ReceiverError::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            ReceiverError::BodyTooSlow | ReceiverError::BodyBroken => StatusCode::REQUEST_TIMEOUT,
            ReceiverError::Refused(_) | ReceiverError::Held(_) => StatusCode::FORBIDDEN,
            ReceiverError::TooManyBytesInFlight | ReceiverError::Trouble(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if *self == ReceiverError::MethodNotAllowed {
            response.insert_header((header::ALLOW, "POST"));
        }
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = match self {
                ReceiverError::Trouble(Trouble::CertificateUnavailable { retry_after_s }) => {
                    *retry_after_s
                }
                _ => SENDER_RETRY_AFTER_S,
            };
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response
            .content_type("text/plain; charset=utf-8")
            .body(format!("{self}\n"))
    }
}

/// Why the dashboard does not give what was asked for. Variants are what the reader does about it.
#[derive(Debug, Error)]
pub enum PageError {
    /// A path that is none of the dashboard's.
    #[error("there is no page at this address")]
    NoSuchPage,
    /// A path that is a page's, with an id that nothing has.
    #[error("there is no {} `{id}`", .what.word())]
    NotFound { what: What, id: String },
    #[error("the method is not one of {allow}")]
    MethodNotAllowed { allow: &'static str },
    #[error(transparent)]
    BadQuery(#[from] QueryError),
    /// Several accounts have a job or run with this id, and JSON can give only one.
    #[error("several owners have the {} `{id}`", .what.word())]
    Ambiguous {
        what: What,
        id: String,
        owners: Vec<String>,
    },
    /// The guard's rule for `Host` and for proxies.
    #[error("the request was not made to this machine directly")]
    NotLocal,
    /// A change that was not asked for by a page of ours.
    #[error("the request does not come from a page of this server")]
    CrossSite,
    #[error("the key is not that of the running server")]
    WrongKey,
    /// Nothing says who is asking, and this server wants to know.
    #[error("the request does not say who is asking")]
    LoginNeeded { ways: Ways },
    /// What says who is asking is not right, or cannot be read.
    #[error("the login is not right")]
    WrongLogin { ways: Ways },
    /// As many logins are being checked, or answered slowly, as there may be at once.
    #[error("too many logins at once")]
    TooManyLogins,
    /// A path that does not begin with `dashboard.base_path`.
    #[error("the address is not below {base}/")]
    OutsideBasePath { base: String },
    #[error("the held push names no {}", .what.word())]
    NothingToAllow { what: Allowable },
    /// A delivery whose message age has emptied.
    #[error("the message is not kept any more")]
    MessageEmptied,
    #[error("a rebuild is under way already")]
    RebuildUnderWay,
    /// So many pages are open, or so many requests wait for the end of a job, as are allowed.
    #[error("too many are listening")]
    TooManyListeners,
    /// As many exports as there may be at once; the caller may try again.
    #[error("too many exports are under way")]
    TooManyExports,
    /// Reading or writing has to wait for others; the caller may try again.
    #[error("the store is busy")]
    Busy,
    #[error("the disk is full")]
    DiskFull,
    /// Our trouble; the cause is for the log.
    #[error("the store is not available")]
    Unavailable {
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Job,
    Run,
    Delivery,
    Held,
    Refusal,
    Queue,
    Workflow,
}

impl What {
    /// Returns its English name.
    pub fn word(self) -> &'static str {
        match self {
            What::Job => "job",
            What::Run => "run",
            What::Delivery => "delivery",
            What::Held => "held push",
            What::Refusal => "refused push",
            What::Queue => "queue",
            What::Workflow => "workflow",
        }
    }
}

impl From<ReadError> for PageError {
    fn from(error: ReadError) -> PageError {
        if matches!(error, ReadError::Busy) {
            return PageError::Busy;
        }
        PageError::unavailable(error)
    }
}

impl From<WriteError> for PageError {
    fn from(error: WriteError) -> PageError {
        match error {
            WriteError::Busy | WriteError::TooSlow => PageError::Busy,
            WriteError::DiskFull => PageError::DiskFull,
            other => PageError::unavailable(other),
        }
    }
}

impl From<Trouble> for PageError {
    fn from(trouble: Trouble) -> PageError {
        match trouble {
            Trouble::InboxFull => PageError::Busy,
            Trouble::DiskFull => PageError::DiskFull,
            Trouble::CertificateUnavailable { .. }
            | Trouble::HeldFull
            | Trouble::StoreUnavailable => PageError::Unavailable { source: None },
        }
    }
}

impl PageError {
    /// Wraps a cause that only the log is told.
    pub fn unavailable(cause: impl Error + Send + Sync + 'static) -> PageError {
        PageError::Unavailable {
            source: Some(Box::new(cause)),
        }
    }

    /// Turns the refusal to decide about the held push `id` into what its reader is told.
    pub fn of_decision(error: DecideError, id: i64) -> PageError {
        match error {
            DecideError::NoSuchHeld => PageError::NotFound {
                what: What::Held,
                id: id.to_string(),
            },
            DecideError::NothingToAllow { what } => PageError::NothingToAllow { what },
            DecideError::Read(error) => error.into(),
            DecideError::Write(error) => error.into(),
        }
    }

    /// Returns what the reader is told, in the language of `texts`.
    pub fn answer(&self, texts: &TroubleTexts) -> Answer {
        Answer {
            status: self.status(),
            title: (texts.title)(self),
            detail: (texts.detail)(self),
        }
    }

    /// Tells whether all is well but for what was asked for.
    pub fn is_of_the_address(&self) -> bool {
        matches!(
            self.status(),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST
        )
    }

    /// Tells whether something is not there that age may have taken.
    fn is_about_history(&self) -> bool {
        let PageError::NotFound { what, .. } = self else {
            return false;
        };
        matches!(what, What::Job | What::Run | What::Delivery)
    }

    fn status(&self) -> StatusCode {
        match self {
            PageError::NoSuchPage
            | PageError::NotFound { .. }
            | PageError::OutsideBasePath { .. } => StatusCode::NOT_FOUND,
            PageError::MessageEmptied => StatusCode::GONE,
            PageError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            PageError::BadQuery(_) => StatusCode::BAD_REQUEST,
            PageError::Ambiguous { .. }
            | PageError::NothingToAllow { .. }
            | PageError::RebuildUnderWay => StatusCode::CONFLICT,
            PageError::NotLocal => StatusCode::MISDIRECTED_REQUEST,
            PageError::CrossSite => StatusCode::FORBIDDEN,
            PageError::WrongKey | PageError::LoginNeeded { .. } | PageError::WrongLogin { .. } => {
                StatusCode::UNAUTHORIZED
            }
            PageError::TooManyExports | PageError::TooManyLogins => StatusCode::TOO_MANY_REQUESTS,
            PageError::TooManyListeners | PageError::Busy | PageError::Unavailable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            PageError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

/// What a reader is told about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// Without values.
    pub title: &'static str,
    /// One or more whole sentences.
    pub detail: String,
}

/// The answer without a page around it, for the case that the guard is not there to present it.
impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.answer(&TroubleTexts::ENGLISH);
        HttpResponse::build(answer.status)
            .content_type("text/plain; charset=utf-8")
            .body(answer.detail)
    }
}

/// The request that an error answers.
pub struct Asked {
    /// Its address.
    pub here: String,
    pub is_for_program: bool,
    pub is_test: bool,
    pub viewer: Viewer,
    pub now: Timestamp,
    /// For the numbers in the page's navigation; `None` where nothing may or can be read.
    pub attention: Option<Attention>,
    /// How long history is kept.
    pub history: Kept,
}

/// Answers a request with the error, in the form that its readers can use.
pub fn present(error: &PageError, asked: &Asked) -> HttpResponse {
    if let PageError::Unavailable { source } = error {
        let cause = source
            .as_deref()
            .map(|error| chain(error))
            .unwrap_or_default();
        tracing::error!(
            path = asked.here.split('?').next().unwrap_or_default(),
            cause,
            "cannot answer a request to the dashboard"
        );
    }
    let mut response = HttpResponse::build(error.status());
    match error {
        PageError::TooManyListeners | PageError::Busy | PageError::TooManyLogins => {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        PageError::TooManyExports => {
            response.insert_header((header::RETRY_AFTER, EXPORT_RETRY_AFTER_S));
        }
        PageError::MethodNotAllowed { allow } => {
            response.insert_header((header::ALLOW, *allow));
        }
        PageError::WrongKey => {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        PageError::LoginNeeded { ways } | PageError::WrongLogin { ways } => {
            if ways.is_by_password {
                response.append_header((header::WWW_AUTHENTICATE, BASIC_CHALLENGE));
            }
            if ways.is_by_token {
                response.append_header((header::WWW_AUTHENTICATE, BEARER_CHALLENGE));
            }
        }
        PageError::NoSuchPage
        | PageError::NotFound { .. }
        | PageError::MessageEmptied
        | PageError::BadQuery(_)
        | PageError::Ambiguous { .. }
        | PageError::NotLocal
        | PageError::CrossSite
        | PageError::OutsideBasePath { .. }
        | PageError::NothingToAllow { .. }
        | PageError::RebuildUnderWay
        | PageError::DiskFull
        | PageError::Unavailable { .. } => {}
    }
    let texts = if asked.is_for_program {
        Language::English.texts()
    } else {
        asked.viewer.texts()
    };
    let mut answer = error.answer(&texts.trouble);
    if let Some(kept_ms) = asked.history.ms()
        && error.is_about_history()
    {
        let kept_for = (texts.words.duration)(kept_ms.unsigned_abs());
        answer
            .detail
            .push_str(&(texts.trouble.forgotten)(&kept_for));
    }
    if asked.is_for_program {
        json::problem(response, &answer)
    } else {
        trouble::respond(response, answer, asked)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use chrono_tz::Tz;
    use serde_json::Value;

    use super::*;
    use crate::web::list_filters::JobsQuery;

    const BOTH_WAYS: Ways = Ways {
        is_by_password: true,
        is_by_token: true,
    };

    fn asked(is_for_program: bool) -> Asked {
        Asked {
            here: "/x".to_owned(),
            is_for_program,
            is_test: false,
            viewer: Viewer {
                language: Language::English,
                zone: Tz::UTC,
            },
            now: Timestamp(0),
            attention: None,
            history: Kept::Forever,
        }
    }

    fn errors() -> Vec<(PageError, u16)> {
        let not_found = |what| PageError::NotFound {
            what,
            id: "7".to_owned(),
        };
        let unknown = QueryError::Unknown {
            name: "stat".to_owned(),
            known: JobsQuery::KNOWN,
        };
        let ambiguous = PageError::Ambiguous {
            what: What::Run,
            id: "7".to_owned(),
            owners: vec!["1".to_owned(), "2".to_owned()],
        };
        let outside = PageError::OutsideBasePath {
            base: "/mpsink".to_owned(),
        };
        vec![
            (PageError::NoSuchPage, 404),
            (not_found(What::Job), 404),
            (not_found(What::Run), 404),
            (not_found(What::Delivery), 404),
            (not_found(What::Held), 404),
            (not_found(What::Refusal), 404),
            (not_found(What::Queue), 404),
            (not_found(What::Workflow), 404),
            (PageError::MessageEmptied, 410),
            (PageError::MethodNotAllowed { allow: "GET, HEAD" }, 405),
            (unknown.into(), 400),
            (QueryError::Unreadable.into(), 400),
            (ambiguous, 409),
            (PageError::NotLocal, 421),
            (PageError::CrossSite, 403),
            (PageError::WrongKey, 401),
            (PageError::LoginNeeded { ways: BOTH_WAYS }, 401),
            (PageError::WrongLogin { ways: BOTH_WAYS }, 401),
            (PageError::TooManyLogins, 429),
            (outside, 404),
            (
                PageError::NothingToAllow {
                    what: Allowable::Owner,
                },
                409,
            ),
            (PageError::RebuildUnderWay, 409),
            (PageError::TooManyListeners, 503),
            (PageError::TooManyExports, 429),
            (ReadError::Busy.into(), 503),
            (WriteError::Busy.into(), 503),
            (WriteError::TooSlow.into(), 503),
            (Trouble::InboxFull.into(), 503),
            (Trouble::StoreUnavailable.into(), 503),
            (WriteError::Closed.into(), 503),
            (WriteError::DiskFull.into(), 507),
        ]
    }

    #[actix_web::test]
    async fn every_error_is_told_to_programs_with_its_status_and_a_sentence() {
        for (error, status) in errors() {
            let response = present(&error, &asked(true));
            assert_eq!(response.status().as_u16(), status, "{error}");
            let content_type = response.headers().get(header::CONTENT_TYPE).unwrap();
            assert_eq!(content_type, "application/problem+json", "{error}");
            let body = to_bytes(response.into_body()).await.unwrap();
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["status"], status, "{error}");
            assert!(
                problem["detail"].as_str().unwrap().ends_with('.'),
                "{error}"
            );
        }
    }

    #[actix_web::test]
    async fn every_error_is_told_to_people_on_a_page_of_their_language() {
        for language in Language::ALL {
            for (error, status) in errors() {
                let answer = error.answer(&language.texts().trouble);
                let mut asked = asked(false);
                asked.viewer.language = language;
                let response = present(&error, &asked);
                assert_eq!(response.status().as_u16(), status, "{error}");
                let body = to_bytes(response.into_body()).await.unwrap();
                let html = scraper::Html::parse_document(std::str::from_utf8(&body).unwrap());
                let text: String = html.root_element().text().collect();
                assert!(text.contains(answer.title), "{error}");
                // On a page code stands out by itself.
                assert!(text.contains(&answer.detail.replace('`', "")), "{error}");
            }
        }
    }

    #[test]
    fn whoever_has_not_logged_in_is_told_how_and_only_by_what_there_is() {
        let basic = r#"Basic realm="mpsink", charset="UTF-8""#;
        let bearer = r#"Bearer realm="mpsink""#;
        for (is_by_password, is_by_token, expected) in [
            (true, true, vec![basic, bearer]),
            (true, false, vec![basic]),
            (false, true, vec![bearer]),
        ] {
            let ways = Ways {
                is_by_password,
                is_by_token,
            };
            for error in [
                PageError::LoginNeeded { ways },
                PageError::WrongLogin { ways },
            ] {
                let response = present(&error, &asked(false));
                let told = response.headers().get_all(header::WWW_AUTHENTICATE);
                let told: Vec<&str> = told.map(|value| value.to_str().unwrap()).collect();
                assert_eq!(told, expected, "{error}");
            }
        }
        let response = present(&PageError::TooManyLogins, &asked(true));
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn chinese_pages_of_errors_are_chinese_and_programs_are_told_in_english() {
        let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for (error, _) in errors() {
            let chinese = error.answer(&TroubleTexts::CHINESE);
            assert!(is_chinese(chinese.title), "{error}");
            assert!(is_chinese(&chinese.detail), "{error}");
            let english = error.answer(&TroubleTexts::ENGLISH);
            assert!(!is_chinese(english.title), "{error}");
            assert!(!is_chinese(&english.detail), "{error}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_with_the_known_ones() {
        let error = JobsQuery::parse("stat=failed", Timestamp(0)).unwrap_err();
        let detail = PageError::from(error).answer(&TroubleTexts::ENGLISH).detail;
        let expected = "There is no parameter `stat` here. Known are: queue, region, workflow, \
                        type, state, code, q, from, to, limit, cursor.";
        assert_eq!(detail, expected);
    }

    #[test]
    fn the_cause_of_our_trouble_is_not_told_to_the_reader() {
        let error = PageError::unavailable(std::io::Error::other("/srv/secret.db"));
        assert!(
            !error
                .answer(&TroubleTexts::ENGLISH)
                .detail
                .contains("secret")
        );
    }

    #[test]
    fn only_what_is_on_disk_is_204_and_our_own_trouble_is_503_with_a_time() {
        let taken = [
            Outcome::Stored { delivery: 1 },
            Outcome::Duplicate {
                delivery: 1,
                differs: true,
            },
        ];
        for outcome in taken {
            assert_eq!(answer(outcome).unwrap().status(), StatusCode::NO_CONTENT);
        }
        let others = RefusalReason::ALL
            .map(|reason| Outcome::Refused { reason })
            .into_iter()
            .chain(HoldReason::ALL.map(|reason| Outcome::Held { held: 1, reason }));
        for outcome in others {
            let response = answer(outcome).unwrap_err().error_response();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{outcome:?}");
        }
        let troubles = [
            (Trouble::CertificateUnavailable { retry_after_s: 7 }, "7"),
            (Trouble::InboxFull, "5"),
            (Trouble::DiskFull, "5"),
            (Trouble::HeldFull, "5"),
            (Trouble::StoreUnavailable, "5"),
        ];
        for (trouble, seconds) in troubles {
            let response = answer(Outcome::Failed(trouble))
                .unwrap_err()
                .error_response();
            assert_eq!(
                response.status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{trouble:?}"
            );
            assert_eq!(
                response.headers().get(header::RETRY_AFTER).unwrap(),
                seconds
            );
        }
        let in_flight = ReceiverError::TooManyBytesInFlight.error_response();
        assert_eq!(in_flight.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(in_flight.headers().contains_key(header::RETRY_AFTER));
    }
}
