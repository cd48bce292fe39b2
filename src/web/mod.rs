//! The two servers: the receiver that SMQ pushes to, and the dashboard that people read.
//!
//! Nothing above knows HTTP, and nothing here knows SQL or what a message means. `receiver.rs` is
//! the one, `dashboard.rs` with its one list of routes the other; `guard.rs` stands before and
//! behind each page, asks `access/` who is asking and `proxies.rs` where from, and has `base_path.rs` and
//! `representation.rs` around it; `downloads.rs` gives whole lists, `lists.rs` reads query strings for pages and JSON alike (`list_filters.rs` says
//! which parameters each list has, `cursors.rs` which page), `viewer.rs` knows in which language and
//! zone a page is to be written and `texts/` what it says then, `error.rs` is the only place where an
//! error becomes a status. `live.rs` tells open pages that something was written, and `waiting.rs` answers
//! when a job or run has ended.

pub mod access;
pub mod asked;
pub mod base_path;
pub mod captures;
pub mod completeness;
pub mod connection;
pub mod cursors;
pub mod dashboard;
pub mod decisions;
pub mod downloads;
pub mod error;
pub mod exports;
pub mod guard;
pub mod health;
pub mod import;
pub mod json;
pub mod list_filters;
pub mod lists;
pub mod live;
pub mod openapi;
pub mod pages;
pub mod peer;
pub mod proxies;
pub mod prune;
pub mod reads;
pub mod rebuild;
pub mod receiver;
pub mod representation;
pub mod requests;
pub mod schemas;
pub mod settings;
pub mod state;
pub mod statics;
pub mod texts;
pub mod told;
pub mod viewer;
pub mod waiting;
pub mod windows;
