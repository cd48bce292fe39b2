//! What a start says, and to whom: the secret path is for a person at a terminal, once.

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::binary::{Server, run, stderr, stdout};

/// Runs the program at a terminal of its own, which util-linux's `script` makes.
fn at_a_terminal(folder: &Path, arguments: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_mpsink");
    let mut command = Command::new("script");
    command
        .current_dir(folder)
        .args(["-qec", &format!("{program} {arguments}"), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

fn is_secret(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn a_new_database_is_announced_with_its_path_and_a_pipe_is_told_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    for is_new in [true, false] {
        let mut server = Server::start_record(folder.path());
        let printed = server.printed.join("\n");
        assert_eq!(printed.contains("NEW DATABASE"), is_new, "{printed}");
        let path = folder.path().join("mpsink.db").canonicalize().unwrap();
        assert!(printed.contains(path.to_str().unwrap()), "{printed}");
        assert!(printed.contains("/notifications/•••"), "{printed}");
        assert!(printed.contains("`mpsink config endpoint`"), "{printed}");

        let endpoint = Server::endpoint(folder.path());
        let secret = last_segment(&endpoint);
        assert!(is_secret(secret), "{endpoint}");
        assert!(!printed.contains(secret), "{printed}");
        let receiver = format!("http://{}/notifications/", server.receiver);
        assert!(endpoint.starts_with(&receiver), "{endpoint}");
        assert_eq!(server.terminate(), 0);
    }
}

#[test]
fn a_terminal_is_shown_the_secret_at_the_start_that_makes_it_and_never_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[verify]\ncertificate_urls = [\"http://127.0.0.1/\"]\n\
                  [receiver]\nlisten = \"127.0.0.1:0\"\n[dashboard]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    for is_new in [true, false] {
        let server = Server::spawn(at_a_terminal(folder.path(), "serve"));
        let endpoint = Server::endpoint(folder.path());
        let secret = last_segment(&endpoint);
        let printed = server.printed.join("\n");
        assert_eq!(printed.contains(secret), is_new, "{printed}");
        assert_eq!(printed.contains("•••"), !is_new, "{printed}");
        // The terminal goes with the process that made it, and the server with its terminal; the next
        // one finds the lock free.
        drop(server);
        let lock = folder.path().join("mpsink.db.lock");
        std::fs::File::open(lock).unwrap().lock().unwrap();
    }
}

#[test]
fn the_endpoint_is_told_as_smq_reaches_it_and_only_while_a_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["config", "endpoint"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("no server is running on mpsink.db"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let _server = Server::start_record(folder.path());
    let url = "https://mps.example.com/mps";
    let output = run(folder.path(), &["config", "endpoint", "--public-url", url]);
    let endpoint = stdout(&output);
    let path = endpoint.trim().strip_prefix(url).unwrap();
    assert!(is_secret(path.strip_prefix("/notifications/").unwrap()));
}

#[test]
fn a_password_is_asked_for_twice_at_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    for (again, code, says) in [
        ("correct horse", 0, "\"anna\" = \"$argon2id$"),
        ("correct house", 1, "the two are not the same"),
    ] {
        let mut command = at_a_terminal(folder.path(), "config hash-password anna");
        let mut child = command.spawn().unwrap();
        let mut keys = child.stdin.take().unwrap();
        let mut screen = BufReader::new(child.stdout.take().unwrap());
        let mut shown = Vec::new();
        for (prompt, typed) in [("Password: ", "correct horse"), ("Once more: ", again)] {
            while !String::from_utf8_lossy(&shown).contains(prompt) {
                let mut byte = [0];
                screen.read_exact(&mut byte).unwrap();
                shown.extend(byte);
            }
            writeln!(keys, "{typed}").unwrap();
        }
        screen.read_to_end(&mut shown).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{shown}");
        assert!(shown.contains(says), "{shown}");
    }
}
