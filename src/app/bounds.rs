//! What a server holds at most, and what it takes its time for.

use std::time::Duration;

use crate::app::prune::PruneTimes;
use crate::store::disk;
use crate::store::options::FreeDisk;
use crate::web::access::AccessBounds;
use crate::web::live::LiveOptions;

/// What a server holds at most, in number and bytes; tests make it small.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Commands waiting for the writer: some seconds of work at the worst disk seen (300 commits a
    /// second of one each).
    pub inbox_commands: usize,
    /// Bytes waiting for the writer.
    pub inbox_bytes: usize,
    /// What held pushes may take on disk.
    pub held_bytes: u64,
    /// What all bodies being read may take: 64 of the longest.
    pub in_flight_bytes: usize,
    /// Pages that are kept up to date, and requests that wait for an end.
    pub live: LiveOptions,
    /// Lists being downloaded at once: as many as there are readers, which each uses only now and
    /// then, so that pages still find one.
    pub downloads: usize,
    /// What logging in to the dashboard may take.
    pub access: AccessBounds,
    /// How long a download waits for a reader that takes nothing. The kernel buffers megabytes and
    /// asks for more when much of it is gone, so this waits for lines of some ten kilobytes a second.
    pub download_stall: Duration,
    /// How the disk is asked for its room.
    pub free_disk: FreeDisk,
    pub prune: PruneTimes,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            inbox_commands: 1_024,
            inbox_bytes: 64 * 1024 * 1024,
            held_bytes: 64 * 1024 * 1024,
            in_flight_bytes: 64 * 1024 * 1024,
            live: LiveOptions {
                viewers_max: VIEWERS_MAX,
                waiters_max: WAITERS_MAX,
                event_every: EVENT_EVERY,
                page_every: PAGE_EVERY,
            },
            downloads: 4,
            access: AccessBounds::default(),
            download_stall: Duration::from_secs(120),
            free_disk: disk::free,
            prune: PruneTimes::default(),
        }
    }
}

/// Open pages that are told of what is written. Each takes a connection, and of these some have to be
/// left for those who only look.
const VIEWERS_MAX: usize = 200;

/// Requests that wait for the end of a job or run; each takes a connection as well.
const WAITERS_MAX: usize = 16;

/// How often an open page is told: people do not read faster, and each time it reads its page again.
const EVENT_EVERY: Duration = Duration::from_secs(1);

/// How often an open page is read again when nothing is written: the minute is the smallest unit in
/// which people follow how long ago something was.
const PAGE_EVERY: Duration = Duration::from_secs(60);
