//! A load generator of the project's own: signed pushes prepared beforehand, the real server as a
//! process of its own, and readers beside them.
//!
//! Everything is on loopback and shares the machine with the server, so figures of two runs are
//! compared as ratios within one run and never as such.

pub(crate) mod chores;
pub(crate) mod drive;
pub(crate) mod latencies;
pub(crate) mod pushes;
pub(crate) mod readers;
pub(crate) mod server;
pub(crate) mod watcher;
pub(crate) mod wire;
