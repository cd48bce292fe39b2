//! mpsink: the record of what ApsaraVideo Media Processing did, as it says so through SMQ.
//!
//! The modules in reading order, lowest floor first. A module names itself and modules on lower
//! floors; `ARCHITECTURE.md` has the picture, and `tests/it/tidy.rs` holds it.

pub mod causes;
pub mod clock;
pub mod notification;

pub mod envelope;
pub mod metrics;
pub mod mps;
pub mod timeline;

pub mod signature;
pub mod store;

pub mod export;
pub mod ingest;
pub mod push;

pub mod demo;
pub mod health;

pub mod doctor;

pub mod web;

pub mod config;

pub mod app;

pub mod cli;
