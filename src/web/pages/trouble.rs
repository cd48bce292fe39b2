//! The page of an error: what is wrong and what would be right.
//!
//! It reads nothing from the store, so that it can be shown when the store is the trouble, and to a
//! request that may not see anything.

use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::web::error::Answer;
use crate::web::pages::{CONTENT_TYPE, Frame, Section};

/// An error.
#[derive(Template)]
#[template(path = "trouble.html")]
pub struct TroublePage {
    pub frame: Frame,
    pub status: u16,
    pub detail: String,
}

/// Finishes `response` with the page of `answer`.
pub fn respond(mut response: HttpResponseBuilder, answer: Answer, is_test: bool) -> HttpResponse {
    let page = TroublePage {
        frame: Frame {
            title: answer.title.to_owned(),
            section: Section::Nowhere,
            is_test,
            attention: None,
            json: None,
        },
        status: answer.status.as_u16(),
        detail: answer.detail,
    };
    match page.render() {
        Ok(html) => response.content_type(CONTENT_TYPE).body(html),
        Err(_) => response
            .content_type("text/plain; charset=utf-8")
            .body(page.detail),
    }
}
