//! The page of an error: what is wrong and what would be right.
//!
//! It reads nothing from the store, so that it can be shown when the store is the trouble, and to a
//! request that may not see anything. The numbers in its navigation are read by the guard, where
//! neither is the case.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::web::error::{Answer, Asked};
use crate::web::pages::{CONTENT_TYPE, Frame, Section, words};

/// An error.
#[derive(Template)]
#[template(path = "trouble.html")]
pub struct TroublePage {
    pub frame: Frame,
    pub status: u16,
    pub detail: String,
    /// The same address without its parameters, if they are what is wrong.
    pub list: Option<String>,
}

impl TroublePage {
    fn status_text(&self) -> String {
        (self.frame.texts.trouble.status)(self.status)
    }
}

/// Finishes `response` with the page of `answer`.
pub fn respond(mut response: HttpResponseBuilder, answer: Answer, asked: &Asked) -> HttpResponse {
    let page = TroublePage {
        frame: Frame {
            title: answer.title.to_owned(),
            section: Section::Nowhere,
            is_test: asked.is_test,
            attention: asked.attention,
            json: None,
            viewer: asked.viewer,
            texts: asked.viewer.texts(),
            now: asked.now,
            live_at: None,
            live_every_ms: 0,
            here: asked.here.clone(),
        },
        status: answer.status.as_u16(),
        detail: answer.detail,
        list: (answer.status == StatusCode::BAD_REQUEST)
            .then(|| asked.here.split_once('?'))
            .flatten()
            .map(|(path, _)| path.to_owned()),
    };
    match page.render() {
        Ok(html) => response.content_type(CONTENT_TYPE).body(html),
        Err(_) => response
            .content_type("text/plain; charset=utf-8")
            .body(page.detail),
    }
}
