//! The machine fails under the real binary: its disk, its files, its clock, what it may open.
//!
//! The faults are those of `inject.c`, which is loaded into the server and told by the test what is
//! wrong at this moment. So nothing of the program is made for these tests, and nothing is waited for:
//! clocks are set. `docs/reliability.md` has what each of them shows.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::push::{PushContent, Signer, build};
use mpsink::signature::TEST_CERTIFICATE_URL;
use tempfile::TempDir;

use crate::app::{OWNER, TOPIC, job_message};
use crate::binary::{Server, mpsink};
use crate::http::{self, Response};

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod clocks;
#[cfg(test)]
pub(crate) mod descriptors;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod files;
#[cfg(test)]
mod starting;

/// A server whose machine can fail.
pub(crate) struct Faulty {
    pub(crate) server: Server,
    /// Of the database.
    pub(crate) folder: TempDir,
    faults: TempDir,
    arguments: Vec<String>,
}

impl Faulty {
    /// Starts a server that trusts the test key, and lets in one owner.
    pub(crate) fn start() -> Faulty {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[[source]]\nowners = [\"{OWNER}\"]\n");
        fs::write(folder.path().join("mpsink.toml"), config).unwrap();
        Faulty::start_with(folder, &["--try"])
    }

    pub(crate) fn start_with(folder: TempDir, arguments: &[&str]) -> Faulty {
        let faults = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let mut server = Server::spawn(serve(folder.path(), faults.path(), &arguments));
        if arguments.is_empty() {
            // A pipe is not told.
            let endpoint = Server::endpoint(folder.path());
            let path_at = endpoint.match_indices('/').nth(2).unwrap().0;
            server.target = endpoint[path_at..].to_owned();
        }
        Faulty {
            server,
            folder,
            faults,
            arguments,
        }
    }

    /// Starts another one on the same database, once the one before has ended.
    pub(crate) fn start_again(&mut self) {
        let command = serve(self.folder.path(), self.faults.path(), &self.arguments);
        self.server = Server::spawn(command);
    }

    /// Tries it, and returns how that ended and what was said.
    pub(crate) fn fail_to_start(&self) -> (ExitStatus, String) {
        let mut command = serve(self.folder.path(), self.faults.path(), &self.arguments);
        let status = command.stdout(Stdio::null()).status().unwrap();
        (status, self.said())
    }

    /// Begins one of the faults of `inject.c`.
    pub(crate) fn begin(&self, fault: &str) {
        File::create(self.faults.path().join(fault)).unwrap();
    }

    /// Ends a fault or a wrong clock.
    pub(crate) fn end(&self, fault: &str) {
        fs::remove_file(self.faults.path().join(fault)).unwrap();
    }

    /// Makes one of the clocks wrong by so many seconds, or bounds what has a number.
    pub(crate) fn set(&self, fault: &str, number: i64) {
        let new = self.faults.path().join("new");
        symlink(number.to_string(), &new).unwrap();
        fs::rename(&new, self.faults.path().join(fault)).unwrap();
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("mpsink-try.db")
    }

    /// Returns the bytes of a push that ends the job `id`, signed with the test key.
    pub(crate) fn signed(&self, id: &str) -> Vec<u8> {
        let key = self.folder.path().join("mpsink-try.key");
        let signer = Signer::from_test_key(&key, TEST_CERTIFICATE_URL).unwrap();
        signed_by(&signer, &self.server.target, id)
    }

    /// Returns the bytes of a push of another owner, whose message is so long.
    pub(crate) fn signed_of(&self, owner: &str, id: &str, bytes: usize) -> Vec<u8> {
        let key = self.folder.path().join("mpsink-try.key");
        let signer = Signer::from_test_key(&key, TEST_CERTIFICATE_URL).unwrap();
        let mut content = content(id);
        content.format = Format::Simplified;
        owner.clone_into(&mut content.topic_owner);
        content.message = vec![b'x'; bytes];
        wire(&signer, &self.server.target, &content)
    }

    /// Pushes the end of the job `id`.
    pub(crate) fn push(&self, id: &str) -> Response {
        http::send(self.server.receiver, &self.signed(id))
    }

    /// Returns whether `/readyz` says that pushes can be taken, and all that it says.
    pub(crate) fn ready(&self) -> (bool, String) {
        let answer = http::get(self.server.dashboard, "/readyz");
        (answer.status == 200, answer.text())
    }

    /// Returns the ids of the jobs that are there, in their order.
    pub(crate) fn jobs(&self) -> Vec<String> {
        let items = self.server.all_items("/jobs.json");
        let ids = items.iter().map(|job| job["id"].as_str().unwrap());
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// Waits for the end of the server, and returns how it ended and what it said.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.server.child.wait().unwrap();
        (status, self.said())
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }
}

/// Returns a push that ends the job `id`, as it goes over the line.
pub(crate) fn signed_by(signer: &Signer, target: &str, id: &str) -> Vec<u8> {
    wire(signer, target, &content(id))
}

fn content(id: &str) -> PushContent {
    PushContent {
        format: Format::Json,
        topic_owner: OWNER.to_owned(),
        topic: TOPIC.to_owned(),
        message_id: format!("message of {id}"),
        tag: None,
        published_at: Clock::system().now(),
        message: job_message(id, "Success"),
    }
}

fn wire(signer: &Signer, target: &str, content: &PushContent) -> Vec<u8> {
    let push = build(content, target, signer, content.published_at);
    http::wire(&push.unwrap())
}

/// Returns the command that serves in `folder` on a machine with the faults that `faults` has.
fn serve(folder: &Path, faults: &Path, arguments: &[String]) -> Command {
    let mut command = mpsink(folder);
    command
        .arg("serve")
        .args(arguments)
        .args(["--receiver-listen", "127.0.0.1:0"])
        .args(["--dashboard-listen", "127.0.0.1:0"])
        .env("LD_PRELOAD", library())
        .env("FAULTS", faults)
        .stderr(File::create(folder.join("said")).unwrap());
    command
}

/// Returns `inject.c`, compiled with the compiler that the program needs as well.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/inject.c");
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("inject.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let status = compiler.args([&library, &source]).status();
        assert!(status.expect("a C compiler").success());
        (folder, library)
    });
    library
}
