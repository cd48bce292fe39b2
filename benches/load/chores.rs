//! What else goes on in a server's life, each by the command that a person would use: backups, and
//! old history being taken away.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

/// How often is looked whether a command has ended.
const EVERY: Duration = Duration::from_millis(50);

/// What is taken away: of a month of made-up history more than there is time for.
const HISTORY_KEPT: &str = "7d";

/// Backups one after the other, and retention, until they are ended.
pub(crate) struct Chores {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Chores {
    /// `demo` is the absolute path of a running server's database, `program` its build.
    pub(crate) fn start(program: &Path, demo: &Path) -> anyhow::Result<Chores> {
        let prune = on_demo(program, demo, &["prune", "--history", HISTORY_KEPT]).spawn()?;
        let (program, demo) = (program.to_owned(), demo.to_owned());
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let mut prune = Some(prune);
            // On the same disk; removed at the end, with what a broken off backup leaves.
            let folder = tempfile::tempdir_in(demo.parent().context("a folder")?)?;
            let copy = folder.path().join("copy.db");
            let mut backup = back_up(&program, &demo, &copy)?;
            let mut backups = 0;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Some(status) = backup.try_wait()? {
                    ensure!(status.success(), "`mpsink backup` failed");
                    backups += 1;
                    backup = back_up(&program, &demo, &copy)?;
                }
                if let Some(child) = &mut prune
                    && let Some(status) = child.try_wait()?
                {
                    ensure!(status.success(), "`mpsink prune` failed");
                    prune = None;
                }
            }
            for mut child in prune.into_iter().chain([backup]) {
                // What has ended by itself cannot be killed, and need not be.
                let _ = child.kill();
                child.wait()?;
            }
            Ok(backups)
        });
        Ok(Chores { stop, thread })
    }

    /// Returns how many backups were made.
    pub(crate) fn end(self) -> anyhow::Result<u64> {
        drop(self.stop);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the chores have panicked"))?
    }
}

fn back_up(program: &Path, demo: &Path, copy: &Path) -> io::Result<Child> {
    let mut command = on_demo(program, demo, &["backup", "--force"]);
    command.arg(copy).spawn()
}

fn on_demo(program: &Path, demo: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["--try", "--database"]);
    command.arg(demo);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
