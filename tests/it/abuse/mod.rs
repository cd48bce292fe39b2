//! What anybody on the internet can send, and what somebody with a captured push, an account of his own
//! or a signing key can. `docs/reliability.md` has what each of them gets.
//!
//! What is one row of the receiver's contract is in `receiver.rs`, who is held in `holding.rs`, and what
//! goes through a proxy in `nginx.rs`.

use std::fs;

use crate::faults::Faulty;

#[cfg(test)]
mod connections;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod secret;

/// Returns the most memory that a server has ever had, in MiB.
fn highest_memory_mib(faulty: &Faulty) -> u64 {
    let path = format!("/proc/{}/status", faulty.server.child.id());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}
