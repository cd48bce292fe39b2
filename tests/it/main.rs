//! The tests of the whole program, through its doors. One binary, so that it links once.
//!
//! `cfg(test)` is always true here; it tells the lints that a test may panic.

#![expect(
    clippy::string_slice,
    reason = "a test that cuts wrongly fails, as it should"
)]

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod access;
#[cfg(test)]
mod activation;
#[cfg(test)]
mod announcing;
#[cfg(test)]
mod app;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod base_path;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod broken_downloads;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod certificate_host;
#[cfg(test)]
mod completeness;
#[cfg(test)]
mod config_commands;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod details;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod downloads;
#[cfg(test)]
mod export;
#[cfg(test)]
mod faults;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the fuzz targets' crate as well")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod health;
#[cfg(test)]
mod holding;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod import;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod live;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod manager;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod metrics_under_way;
#[cfg(test)]
mod mixed_load;
#[cfg(test)]
mod model;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod odd_messages;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pipes;
#[cfg(test)]
mod probing;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod refold;
#[cfg(test)]
mod reliability;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod supply_chain;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod upgrade;
