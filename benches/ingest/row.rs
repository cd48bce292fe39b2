//! One line of the tables: a server under one load.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use crate::load::drive::{self, Load, Supply};
use crate::load::latencies::{Summary, count};
use crate::load::readers::{Crowd, Got, Readers};
use crate::load::watcher::{Seen, Watcher};

#[derive(Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    #[serde(flatten)]
    pub(crate) seen: Seen,
    #[serde(flatten)]
    pub(crate) got: Got,
    /// Backups that were made meanwhile.
    pub(crate) backups: u64,
    /// The time was over before the pushes were, as it should be.
    pub(crate) had_enough: bool,
}

/// What is put under load.
pub(crate) struct Target<'a> {
    pub(crate) what: String,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// Empty if there is none.
    pub(crate) database: &'a Path,
    /// Who reads meanwhile, and where.
    pub(crate) crowd: Option<(SocketAddr, Crowd)>,
}

impl Row {
    pub(crate) fn measure(target: Target<'_>, supply: Supply, load: &Load) -> anyhow::Result<Row> {
        let supply = Rc::new(supply);
        let crowd = target.crowd;
        let readers = crowd.map(|(dashboard, crowd)| Readers::start(dashboard, crowd));
        let readers = readers.transpose()?;
        let watcher = Watcher::start(target.pid, target.database);
        let summary = drive::run(target.address, &supply, load.clone())?;
        let seen = watcher.end();
        let got = readers.map(Readers::end).transpose()?.unwrap_or_default();
        Ok(Row {
            what: target.what,
            summary,
            seen,
            got,
            backups: 0,
            had_enough: supply.left() > 0,
        })
    }

    pub(crate) fn kib_a_push(&self) -> f64 {
        count(self.seen.written / 1024) / count(self.summary.acknowledged.max(1))
    }

    pub(crate) fn print(&self) {
        let Row {
            what,
            summary,
            seen,
            got,
            backups,
            had_enough,
        } = self;
        print!(
            "{what:<30} {:>9.0} {:>6} {:>8.2} {:>8.2} {:>9.2} {:>8.1} {:>8.1} {:>8.1}",
            summary.per_second,
            summary.not_acknowledged,
            summary.p50_ms,
            summary.p99_ms,
            summary.highest_ms,
            mib(seen.resident),
            mib(seen.log),
            self.kib_a_push(),
        );
        if got.events + got.downloads_begun + got.refused > 0 {
            print!(
                "  {} events, {} pages, {:.0} MiB downloaded, {} refused",
                got.events,
                got.pages,
                mib(got.downloaded),
                got.refused
            );
        }
        if *backups > 0 {
            print!(", {backups} backups");
        }
        if !had_enough {
            print!("  all prepared pushes were sent before the time was over");
        }
        println!();
    }
}

pub(crate) fn print_head() {
    println!(
        "{:<30} {:>9} {:>6} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}  readers",
        "", "acks/s", "others", "p50 ms", "p99 ms", "highest", "RSS MiB", "WAL MiB", "KiB/push"
    );
}

pub(crate) fn mib(bytes: u64) -> f64 {
    count(bytes / 1024) / 1024.0
}
