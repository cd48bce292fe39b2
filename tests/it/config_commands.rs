//! `mpsink config …` and logging in, on the real binary.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::binary::{Server, mpsink, run, stderr, stdout};
use crate::http;

const PASSWORD: &str = "correct horse";

/// Addresses that are free, so that checking them fails for nothing else.
const FREE: &str = "[receiver]\nlisten = \"127.0.0.1:0\"\n[dashboard]\nlisten = \"127.0.0.1:0\"\n";

fn configure(folder: &Path, config: &str) {
    fs::write(folder.join("mpsink.toml"), config).unwrap();
}

/// Runs a command with `input` piped in.
fn piped(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = mpsink(folder);
    let command = command.args(arguments).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn line_after(text: &str, beginning: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(beginning));
    lines.nth(1).unwrap().to_owned()
}

#[test]
fn what_the_commands_make_lets_people_and_scripts_in() {
    let folder = tempfile::tempdir().unwrap();
    let hashed = piped(
        folder.path(),
        &["config", "hash-password", "anna"],
        &format!("{PASSWORD}\n"),
    );
    assert!(hashed.status.success(), "{}", stderr(&hashed));
    let made = stdout(&run(folder.path(), &["config", "new-token"]));
    let token = line_after(&made, "For the script");
    let tokens = line_after(&made, "For dashboard.tokens");
    configure(
        folder.path(),
        &format!(
            "[dashboard]\nbase_path = \"/mpsink\"\n{tokens}\n[dashboard.users]\n{}",
            stdout(&hashed)
        ),
    );
    let server = Server::start_with(folder.path(), &["--try"]);
    let status = |value: &str| {
        let headers = [("Authorization", value)];
        http::get_with(server.dashboard, "/mpsink/jobs", &headers).status
    };
    let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
    assert_eq!(status(&basic(&format!("anna:{PASSWORD}"))), 200);
    assert_eq!(status(&format!("Bearer {token}")), 200);
    assert_eq!(status(&basic("anna:wrong")), 401);
    assert_eq!(status(&format!("Bearer {}", "0".repeat(64))), 401);

    // A command on this machine needs neither, and finds its way below the base path.
    let database = ["--database", "mpsink-try.db"];
    let admitted = run(folder.path(), &[&["admit"], &database[..], &["7"]].concat());
    let told = stdout(&admitted);
    assert!(
        told.contains("There is no held push `7`"),
        "{told}{}",
        stderr(&admitted)
    );
    for command in ["check", "print"] {
        let output = run(folder.path(), &["config", command, "--try"]);
        assert!(!stdout(&output).contains("argon2"));
        assert!(!stdout(&output).contains(&token));
    }
}

#[test]
fn a_password_is_hashed_from_standard_input_and_never_from_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    let hashed = piped(folder.path(), &["config", "hash-password"], PASSWORD);
    let hash = stdout(&hashed);
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert_eq!(hash.lines().count(), 1);
    let named = piped(folder.path(), &["config", "hash-password", "bò"], PASSWORD);
    assert!(stdout(&named).starts_with("\"bò\" = \"$argon2id$"));

    let long = "x".repeat(513);
    for (arguments, input, expected) in [
        (&["config", "hash-password"][..], "short", "at least 8"),
        (&["config", "hash-password"], "", "at least 8"),
        (&["config", "hash-password"], &long, "at most 512"),
        (
            &["config", "hash-password"],
            "two words\nand lines",
            "more than one line",
        ),
        (&["config", "hash-password", "a b"], PASSWORD, "is no name"),
    ] {
        let output = piped(folder.path(), arguments, input);
        assert_eq!(output.status.code(), Some(1), "{expected}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    let output = run(
        folder.path(),
        &["config", "hash-password", "anna", PASSWORD],
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn checking_says_what_would_listen_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), FREE);
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.starts_with("fine\n"), "{told}");
    assert!(
        told.contains("without a login, for this machine alone"),
        "{told}"
    );
    assert!(told.contains(folder.path().to_str().unwrap()), "{told}");
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "only the configuration itself");
}

#[test]
fn checking_names_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    configure(
        folder.path(),
        "databse = \"x\"\n[dashboard]\nlisten = \"8081\"\ntimezone = \"x\"\n",
    );
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("`databse` is no key"));
    // What is no key hides no wrong value.
    assert_eq!(stderr(&output).lines().count(), 3, "{}", stderr(&output));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    configure(
        folder.path(),
        &format!(
            "database = \"missing/mpsink.db\"\n[receiver]\nlisten = \"{address}\"\n\
             [dashboard]\nlisten = \"127.0.0.1:0\"\n"
        ),
    );
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("cannot find the folder"), "{told}");
    assert!(
        told.contains(&format!("cannot listen on {address}")),
        "{told}"
    );
}

#[test]
fn checking_beside_a_running_server_does_not_take_its_ports_for_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let listen = server.dashboard.to_string();
    let arguments = ["config", "check", "--try", "--dashboard-listen", &listen];
    let output = run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("A server runs on this database"));
}

#[test]
fn a_dashboard_for_others_without_a_login_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--dashboard-listen", "0.0.0.0:0"];
    let output = run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("`dashboard.listen` is `0.0.0.0:0`"), "{told}");
    assert!(told.contains("mpsink config hash-password"), "{told}");
    assert!(told.contains("mpsink config new-token"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
