//! The only place where an error becomes a status: one exhaustive match for each server.
//!
//! The receiver answers a stranger: one fixed sentence for each [`ReceiverError`], no values.
//! The dashboard's handlers return a [`PageError`]; the guard asks [`present`] for the answer, since only the path
//! says whether a person or a program is asking: a page, or `application/problem+json` (RFC 9457)
//! where the path ends in `.json`. What went wrong inside goes to the log, not into the answer.

use std::error::Error;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use thiserror::Error;

use crate::ingest::decide::DecideError;
use crate::ingest::{Outcome, Trouble};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::errors::{ReadError, WriteError};
use crate::web::json;
use crate::web::lists::QueryError;
use crate::web::pages::trouble;

/// Seconds after which a caller may ask again when we were too busy.
const RETRY_AFTER_S: &str = "2";

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

/// The most characters of an id from an address that are repeated.
const ID_CHARS_MAX: usize = 80;

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
    #[error("the held push names no {what}")]
    NothingToAllow { what: &'static str },
    #[error("a rebuild is under way already")]
    RebuildUnderWay,
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
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Job => "job",
            What::Run => "run",
            What::Delivery => "delivery",
            What::Held => "held push",
            What::Refusal => "refused push",
        }
    }

    fn why_not_there(self) -> &'static str {
        match self {
            What::Job => {
                "Either the id is not complete, or no message about this job was let in: MPS tells \
                 of a job only when it ends, and only if its queue has a topic. Look also among \
                 the held pushes, and at the job's own id: a run has another one."
            }
            What::Run => {
                "Either the id is not complete, or no message about this run was let in: MPS tells \
                 of a run when its Start and its Report end, and only if the Input node of its \
                 workflow has a topic. Look also among the held pushes, and at the run's \
                 own id: its workflow, its media and each of its jobs have other ones."
            }
            What::Delivery => {
                "No push has this number. It may belong to another database, such as the one of \
                 `serve --try`."
            }
            What::Held => {
                "Somebody has admitted or dropped it, or allowed its owner or topic; what was let \
                 in is now among the deliveries."
            }
            What::Refusal => {
                "Of refused pushes only the first and the latest of each reason are kept; this one \
                 has made room for a newer one, or was never there."
            }
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

    /// Returns what the reader is told.
    pub fn answer(&self) -> Answer {
        let (status, title) = self.status_and_title();
        Answer {
            status,
            title,
            detail: self.detail(),
        }
    }

    fn status_and_title(&self) -> (StatusCode, &'static str) {
        match self {
            PageError::NoSuchPage => (StatusCode::NOT_FOUND, "No such page"),
            PageError::NotFound { .. } => (StatusCode::NOT_FOUND, "Not found"),
            PageError::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "Wrong method"),
            PageError::BadQuery(_) => (
                StatusCode::BAD_REQUEST,
                "The address has a parameter that is not right",
            ),
            PageError::Ambiguous { .. } => (StatusCode::CONFLICT, "Several accounts have this id"),
            PageError::NotLocal => (StatusCode::MISDIRECTED_REQUEST, "Only from this machine"),
            PageError::CrossSite => (StatusCode::FORBIDDEN, "Not from this page"),
            PageError::WrongKey => (StatusCode::UNAUTHORIZED, "Wrong key"),
            PageError::NothingToAllow { .. } => (StatusCode::CONFLICT, "Nothing to allow"),
            PageError::RebuildUnderWay => (StatusCode::CONFLICT, "Under way already"),
            PageError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            PageError::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "The disk is full"),
            PageError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Not available"),
        }
    }

    fn detail(&self) -> String {
        let sentence = match self {
            PageError::NotFound { what, id } => {
                let (word, why) = (what.word(), what.why_not_there());
                return format!("There is no {word} `{}`. {why}", shortened(id));
            }
            PageError::MethodNotAllowed { allow } => {
                return format!("This address answers only {allow}.");
            }
            PageError::BadQuery(error) => return query_detail(error),
            PageError::Ambiguous { owners, .. } => {
                let owners = owners.join(", ");
                return format!(
                    "Ids are unique only within an account. Add ?owner= with one of: {owners}."
                );
            }
            PageError::NothingToAllow { what } => {
                return format!(
                    "This held push names no {what} that could be allowed; admit it alone."
                );
            }
            PageError::NoSuchPage => {
                "There is nothing at this address. The pages are listed at the top; a detail's \
                 address ends in its id."
            }
            PageError::NotLocal => {
                "The dashboard has no login, so it answers only requests made directly to \
                 localhost, 127.0.0.1 or [::1], and none that a proxy passed on. From another \
                 machine, use a tunnel: ssh -L 8081:127.0.0.1:8081 and the server's name, then \
                 open http://127.0.0.1:8081/."
            }
            PageError::CrossSite => {
                "Changes are taken only from the buttons of these pages. Open the page again and \
                 use its button; a browser from before 2023 may not say where it comes from."
            }
            PageError::WrongKey => {
                "The key is not that of this server. Each start makes a new one, which the lock \
                 file beside the database holds."
            }
            PageError::RebuildUnderWay => {
                "A rebuild is under way, and there is only one at a time. Wait for its end, then \
                 ask again if you still need to."
            }
            PageError::Busy => {
                "The store has more to do than it can at the moment. Try again in some seconds."
            }
            PageError::DiskFull => {
                "Nothing was changed. Make room on the disk of the database and try again."
            }
            PageError::Unavailable { .. } => {
                "The store cannot answer at the moment. The server's log says why."
            }
        };
        sentence.to_owned()
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
        self.answer().status
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.answer();
        HttpResponse::build(answer.status)
            .content_type("text/plain; charset=utf-8")
            .body(answer.detail)
    }
}

/// Answers a request for `path` with the error, in the form that its readers can use.
pub fn present(error: &PageError, path: &str, is_for_program: bool, is_test: bool) -> HttpResponse {
    if let PageError::Unavailable { source } = error {
        let cause = source.as_deref().map(chain).unwrap_or_default();
        tracing::error!(path, cause, "cannot answer a request to the dashboard");
    }
    let answer = error.answer();
    let mut response = HttpResponse::build(answer.status);
    match error {
        PageError::Busy => {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        PageError::MethodNotAllowed { allow } => {
            response.insert_header((header::ALLOW, *allow));
        }
        PageError::WrongKey => {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        PageError::NoSuchPage
        | PageError::NotFound { .. }
        | PageError::BadQuery(_)
        | PageError::Ambiguous { .. }
        | PageError::NotLocal
        | PageError::CrossSite
        | PageError::NothingToAllow { .. }
        | PageError::RebuildUnderWay
        | PageError::DiskFull
        | PageError::Unavailable { .. } => {}
    }
    if is_for_program {
        json::problem(response, &answer)
    } else {
        trouble::respond(response, answer, is_test)
    }
}

fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn query_detail(error: &QueryError) -> String {
    match error {
        QueryError::Unreadable => "The part behind the ? cannot be read.".to_owned(),
        QueryError::Unknown { name, known: [] } => {
            format!("There is no parameter `{name}`; this address takes none.")
        }
        QueryError::Unknown { name, known } => format!(
            "There is no parameter `{name}` here. Known are: {}.",
            known.join(", ")
        ),
        QueryError::Repeated { name } => format!("The parameter `{name}` may come only once."),
        QueryError::Bad {
            name,
            found,
            expected,
        } => format!("`{found}` is no value for `{name}`. Expected is {expected}."),
    }
}

fn shortened(id: &str) -> String {
    id.chars().take(ID_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::Value;

    use super::*;
    use crate::web::lists::JobsQuery;

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
        vec![
            (PageError::NoSuchPage, 404),
            (not_found(What::Job), 404),
            (not_found(What::Run), 404),
            (not_found(What::Delivery), 404),
            (not_found(What::Held), 404),
            (not_found(What::Refusal), 404),
            (PageError::MethodNotAllowed { allow: "GET, HEAD" }, 405),
            (unknown.into(), 400),
            (QueryError::Unreadable.into(), 400),
            (ambiguous, 409),
            (PageError::NotLocal, 421),
            (PageError::CrossSite, 403),
            (PageError::WrongKey, 401),
            (PageError::NothingToAllow { what: "owner" }, 409),
            (PageError::RebuildUnderWay, 409),
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
            let response = present(&error, "/x.json", true, false);
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
    async fn every_error_is_told_to_people_on_a_page() {
        for (error, status) in errors() {
            let detail = error.answer().detail;
            let response = present(&error, "/x", false, false);
            assert_eq!(response.status().as_u16(), status, "{error}");
            let body = to_bytes(response.into_body()).await.unwrap();
            let html = scraper::Html::parse_document(std::str::from_utf8(&body).unwrap());
            let text: String = html.root_element().text().collect();
            assert!(text.contains(&detail), "{error}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_with_the_known_ones() {
        let error = JobsQuery::parse("stat=failed", crate::clock::Timestamp(0)).unwrap_err();
        let detail = PageError::from(error).answer().detail;
        let expected = "There is no parameter `stat` here. Known are: queue, workflow, type, \
                        state, code, q, from, to, limit, cursor.";
        assert_eq!(detail, expected);
    }

    #[test]
    fn the_cause_of_our_trouble_is_not_told_to_the_reader() {
        let error = PageError::unavailable(std::io::Error::other("/srv/secret.db"));
        assert!(!error.answer().detail.contains("secret"));
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
