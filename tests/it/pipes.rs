//! Standard output on the real binary: nobody reads it, it is full, or it is to be right to the byte.

use std::fs::{self, OpenOptions};
use std::io;
use std::process::Stdio;

use crate::binary::{Server, mpsink, run, stderr, stdout};

/// The end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn whoever_stops_reading_ends_no_command_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let commands: [(&[&str], i32); 6] = [
        (&["config", "print"], 0),
        (&["config", "new-token"], 0),
        (&["push", "--sample", "help"], 0),
        (&["push", "--print"], 1),
        (
            &[
                "rebuild",
                "--dry-run",
                "--try",
                "--database",
                "mpsink-try.db",
            ],
            0,
        ),
        (&["backup", "copy.db", "--database", "mpsink-try.db"], 0),
    ];
    for (arguments, code) in commands {
        let mut command = mpsink(folder.path());
        let output = command.args(arguments).stdout(closed_pipe()).output();
        let output = output.unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
    drop(server);
    let mut command = mpsink(folder.path());
    let command = command.args(["doctor", "--try"]).stdout(closed_pipe());
    let told = stderr(&command.output().unwrap());
    assert_eq!(told, "");
    // Nor does whoever does not want to hear of errors.
    let mut command = mpsink(folder.path());
    let command = command.args(["verify", "missing"]).stderr(closed_pipe());
    assert_eq!(command.output().unwrap().status.code(), Some(1));
}

#[test]
fn what_cannot_be_printed_for_another_reason_is_said_once_and_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full");
    let mut command = mpsink(folder.path());
    let command = command.args(["push", "--sample", "help"]);
    let output = command.stdout(full.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("cannot write to standard output"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_push_that_was_printed_into_a_file_holds_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["xml", "json", "simplified"] {
        let printed = run(folder.path(), &["push", "--print", "--format", format]);
        assert!(printed.status.success(), "{}", stderr(&printed));
        fs::write(folder.path().join("push.http"), &printed.stdout).unwrap();
        let verified = run(
            folder.path(),
            &["verify", "--database", "mpsink-try.db", "push.http"],
        );
        let told = stdout(&verified);
        assert_eq!(
            verified.status.code(),
            Some(0),
            "{told}{}",
            stderr(&verified)
        );
    }
}
