//! Watches a server from outside: its memory, what it has written, and how long its log gets.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

/// How often is looked. The log grows by a few megabytes in that time at most.
const EVERY: Duration = Duration::from_millis(20);

/// Looks at a server until it is asked what it saw.
pub(crate) struct Watcher {
    stop: Sender<()>,
    thread: JoinHandle<Seen>,
    pid: u32,
    written_before: u64,
}

/// What was seen while a load ran. In bytes; all are the highest but `written`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Seen {
    pub(crate) resident: u64,
    pub(crate) log: u64,
    /// What the server had the disk write.
    pub(crate) written: u64,
}

impl Watcher {
    pub(crate) fn start(pid: u32, database: &Path) -> Watcher {
        let log = log_of(database);
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            loop {
                seen.resident = seen.resident.max(resident(pid));
                let bytes = fs::metadata(&log).map_or(0, |log| log.len());
                seen.log = seen.log.max(bytes);
                if stopped.recv_timeout(EVERY) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return seen;
                }
            }
        });
        Watcher {
            stop,
            thread,
            pid,
            written_before: written(pid),
        }
    }

    pub(crate) fn end(self) -> Seen {
        drop(self.stop);
        let mut seen = self.thread.join().unwrap_or_default();
        seen.written = written(self.pid).saturating_sub(self.written_before);
        seen
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Returns the memory that a process has now, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/status"), "VmRSS:") * 1024
}

fn written(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/io"), "write_bytes:")
}

/// Returns the number behind `label`, 0 where the system does not tell.
fn field(path: &str, label: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
