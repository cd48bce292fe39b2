//! What the database's folder stands on: the kind of its file system, and how long a sync takes.
//!
//! SQLite's log is shared between processes through memory, and its locks are the kernel's; both work on
//! local file systems alone. Linux says in `/proc/self/mountinfo` what is mounted where; elsewhere,
//! and where that cannot be read, nothing is known.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::store::copy::{beside, remove_if_there};

/// Network and other foreign file systems, by the names that Linux has for them.
const NETWORK: [&str; 18] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.ossfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];

/// How many syncs are measured: enough for the middle one to mean something, and over in a moment.
const SYNCS: usize = 5;

/// One page of the log, as a small commit writes it.
const SYNCED_BYTES: usize = 4096;

/// What a file system is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Local,
    /// Other machines write there too, or its locks are not the kernel's.
    Network,
    /// Gone with the power.
    Memory,
    /// A container's own, gone with the container.
    Layered,
}

/// Returns the name that Linux has for the file system of `path`, such as `ext4`.
pub fn file_system(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    kind_of(&mounts, path.to_str()?)
}

/// Returns what a file system of this name is good for.
pub fn nature(kind: &str) -> Nature {
    match kind {
        "tmpfs" | "ramfs" => Nature::Memory,
        "overlay" | "aufs" => Nature::Layered,
        _ if NETWORK.contains(&kind) => Nature::Network,
        _ => Nature::Local,
    }
}

/// Reads the lines of `mountinfo(5)`: the mount point is the fifth field, the kind the first behind the
/// lone hyphen. Of those that hold the path, the longest is its own; of the same, the later.
fn kind_of(mounts: &str, path: &str) -> Option<String> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let (mount, kind) = line.split_once(" - ")?;
        let point = unescaped(mount.split(' ').nth(4)?);
        let is_above = point == "/"
            || path == point
            || path
                .strip_prefix(&point)
                .is_some_and(|rest| rest.starts_with('/'));
        if is_above && found.is_none_or(|(length, _)| length <= point.len()) {
            found = Some((point.len(), kind.split(' ').next()?));
        }
    }
    found.map(|(_, kind)| kind.to_owned())
}

/// Blanks, tabs, line ends and backslashes stand as octal numbers in a mount point.
fn unescaped(point: &str) -> String {
    let replaced = point.replace("\\040", " ").replace("\\011", "\t");
    replaced.replace("\\012", "\n").replace("\\134", "\\")
}

/// Writes and syncs a small file beside `database` a few times, and returns what the middle one took.
pub fn sync_time(database: &Path) -> io::Result<Duration> {
    let path = beside(database, &format!(".sync-{}", std::process::id()));
    let measured = measure(&path);
    remove_if_there(&path)?;
    measured
}

fn measure(path: &Path) -> io::Result<Duration> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0; SYNCED_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let middle = times.get(SYNCS / 2).copied();
    Ok(middle.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /var rw - xfs /dev/sdb rw
31 30 0:27 / /var/lib/my\\040data rw - nfs4 server:/export rw
32 30 0:28 / /var/lib rw - btrfs /dev/sdc rw
33 22 0:29 / /tmp rw - tmpfs tmpfs rw
34 33 0:30 / /tmp rw - ext4 /dev/sdd rw
";

    #[test]
    fn the_innermost_mount_that_holds_the_path_counts_and_of_two_the_later() {
        for (path, kind) in [
            ("/home/mpsink.db", "ext4"),
            ("/variable/mpsink.db", "ext4"),
            ("/var/mpsink.db", "xfs"),
            ("/var/lib/mpsink/mpsink.db", "btrfs"),
            ("/var/lib/my data/mpsink.db", "nfs4"),
            ("/tmp/mpsink.db", "ext4"),
        ] {
            assert_eq!(kind_of(MOUNTS, path).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(kind_of("", "/"), None);
        assert_eq!(kind_of("what is this", "/"), None);
    }

    #[test]
    fn what_a_file_system_is_good_for_is_known_by_its_name() {
        for (kind, expected) in [
            ("ext4", Nature::Local),
            ("nfs4", Nature::Network),
            ("cifs", Nature::Network),
            ("fuse.sshfs", Nature::Network),
            ("tmpfs", Nature::Memory),
            ("overlay", Nature::Layered),
        ] {
            assert_eq!(nature(kind), expected, "{kind}");
        }
    }

    #[test]
    fn a_sync_is_measured_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mpsink.db");
        assert!(sync_time(&database).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(sync_time(&folder.path().join("missing/mpsink.db")).is_err());
        fs::write(&database, "").unwrap();
        assert!(file_system(&database).is_some_and(|kind| !kind.is_empty()));
    }
}
