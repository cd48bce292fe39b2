//! Each refusal to start, on the real binary: what it says, and that `mpsink config check` says it before
//! and touches no file.
//!
//! Wrong values of the configuration have their table in `config::tests`, sockets that are handed over
//! theirs in `activation.rs`, files of another user theirs in `backup.rs`, machines that refuse a thread or
//! a byte theirs in `faults/starting.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::binary::{Server, run, stderr};

const FREE: &str = "[verify]\ncertificate_urls = [\"http://127.0.0.1/\"]\n\
                    [receiver]\nlisten = \"127.0.0.1:0\"\n[dashboard]\nlisten = \"127.0.0.1:0\"\n";

/// What stands in a folder when the server is started there, by file.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn content(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// Starts a server in `folder` and returns what it says in its refusal.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, &[&["serve"], arguments].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    told
}

/// Lets `config check` look, which must find something wrong, and returns what it says.
fn foreseen(folder: &Path, arguments: &[&str]) -> String {
    let before = content(folder);
    let output = run(folder, &[&["config", "check"], arguments].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    assert_eq!(content(folder), before, "{arguments:?}");
    told
}

/// A folder with the databases of a server for real pushes and of one for test pushes.
fn folder_with_databases() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Server::start_record(folder.path()).terminate(), 0);
    assert_eq!(Server::start(folder.path()).terminate(), 0);
    fs::write(folder.path().join("mpsink.toml"), FREE).unwrap();
    folder
}

#[test]
fn a_database_that_cannot_be_served_is_refused_and_the_check_says_so_before() {
    let folder = folder_with_databases();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("letter"), "Dear database, ".repeat(100)).unwrap();
    fs::copy(at("mpsink.db"), at("newer")).unwrap();
    let newer = Connection::open(at("newer")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    // Behind the header is the list of tables.
    let mut damaged = fs::read(at("mpsink.db")).unwrap();
    damaged[100..4_096].fill(7);
    fs::write(at("damaged"), damaged).unwrap();
    fs::write(at("broken.restore"), "broken.before-x").unwrap();
    fs::copy(at("mpsink.db"), at("broken.before-x")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::create_dir(at("locked.db.lock")).unwrap();
    fs::write(at("spoiled.key"), "no key").unwrap();
    fs::copy(at("mpsink-try.db"), at("spoiled.db")).unwrap();

    for (arguments, says, check_says) in [
        (
            &["--database", "letter"][..],
            "is not an mpsink database",
            "",
        ),
        (
            &["--database", "newer"],
            "has schema 99, and this mpsink knows",
            "",
        ),
        (&["--database", "damaged"], "is damaged", ""),
        (&["--database", "broken"], "was broken off", ""),
        (&["--database", "mpsink-try.db"], "start with --try", ""),
        (
            &["--try", "--database", "mpsink.db"],
            "start without --try",
            "",
        ),
        (
            &["--try", "--database", "spoiled.db"],
            "spoiled.key is no private key",
            "",
        ),
        (
            &["--database", "folder"],
            "cannot open the database",
            "folder is no file",
        ),
        (
            &["--database", "locked.db"],
            "locked.db.lock; check its folder",
            "",
        ),
        (
            &["--database", "missing/mpsink.db"],
            "cannot open the lock file",
            "cannot find the folder",
        ),
    ] {
        let check_says = if check_says.is_empty() {
            says
        } else {
            check_says
        };
        let told = foreseen(folder.path(), arguments);
        assert!(told.contains(check_says), "{arguments:?}: {told}");
        let told = refusal(folder.path(), arguments);
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.toml"), "Dear server,\n").unwrap();
    fs::create_dir(folder.path().join("folder.toml")).unwrap();
    for (file, says) in [
        ("missing.toml", "cannot read missing.toml"),
        ("folder.toml", "cannot read folder.toml"),
        ("letter.toml", "letter.toml is no TOML: line 1"),
    ] {
        let arguments = ["--config", file];
        let told = foreseen(folder.path(), &arguments);
        assert!(told.contains(says), "{told}");
        assert_eq!(refusal(folder.path(), &arguments), told);
    }
    assert_eq!(content(folder.path()).len(), 1);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mpsink.toml"), FREE).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, key) in [
        ("--receiver-listen", "receiver.listen"),
        ("--dashboard-listen", "dashboard.listen"),
    ] {
        let arguments = [flag, &address];
        let says = format!("cannot listen on {address}; give `{key}` an address that is free");
        for told in [
            foreseen(folder.path(), &arguments),
            refusal(folder.path(), &arguments),
        ] {
            assert!(told.contains(&says), "{told}");
        }
    }
    assert_eq!(content(folder.path()).len(), 1);
}

#[test]
fn a_command_with_the_wrong_purpose_is_refused_also_beside_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    let _try = Server::start(folder.path());
    let backup = run(folder.path(), &["backup", "--try", copy]);
    assert!(backup.status.success(), "{}", stderr(&backup));
    for command in [&["rebuild"][..], &["prune"], &["import", copy]] {
        let arguments = [command, &["--database", "mpsink-try.db"]].concat();
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let told = stderr(&output);
        assert!(told.contains("start with --try"), "{command:?}: {told}");
        let right = run(folder.path(), &[&arguments[..], &["--try"]].concat());
        assert!(right.status.success(), "{command:?}: {}", stderr(&right));
    }
    let _real = Server::start_record(folder.path());
    for command in ["rebuild", "prune"] {
        let output = run(
            folder.path(),
            &[command, "--try", "--database", "mpsink.db"],
        );
        assert_eq!(output.status.code(), Some(1), "{command}");
        let told = stderr(&output);
        assert!(told.contains("start without --try"), "{command}: {told}");
    }
}
