//! What the real server is measured against: the least that does a part of its work.
//!
//! `http.rs` reads a push's body and answers 204. `record.rs` and `replay.rs` write a push's rows and
//! do nothing else; `writer.rs` is the store without a server in front of it.

pub(crate) mod arrivals;
pub(crate) mod http;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod writer;
