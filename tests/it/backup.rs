//! `mpsink backup` and `mpsink restore`: beside a server that is being pushed to, killed in the
//! middle, on a disk that takes no more.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mpsink::notification::Format;

use crate::app::{TestApp, data, job_message};
use crate::binary::{run, stderr, stdout};
use crate::http::download;

/// Everything a history is, in the form that leaves nothing out.
const DOWNLOADS: [&str; 9] = [
    "/jobs.ndjson",
    "/runs.ndjson",
    "/activities.ndjson",
    "/events.ndjson",
    "/events.cloudevents",
    "/deliveries.ndjson",
    "/held.ndjson",
    "/refusals.ndjson",
    "/jobs.csv",
];

/// The first pages, as scripts and as people read them.
const PAGES: [&str; 6] = [
    "/jobs.json?limit=1000",
    "/runs.json?limit=1000",
    "/activities.json?limit=1000",
    "/deliveries.json?limit=1000",
    "/held.json",
    "/refusals.json",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn printed(output: &Output) -> String {
    stdout(output) + &stderr(output)
}

fn backup(database: &Path, file: &Path) -> Output {
    let folder = file.parent().unwrap();
    run(
        folder,
        &["backup", "--database", text(database), text(file)],
    )
}

fn restore(database: &Path, file: &Path) -> Output {
    let folder = file.parent().unwrap();
    run(
        folder,
        &["restore", "--database", text(database), text(file)],
    )
}

/// Pushes of every kind, so that no list is empty.
fn push_some_of_all(app: &TestApp) {
    for (number, state) in ["Submitted", "Success", "Fail"].into_iter().enumerate() {
        let message = job_message(&format!("job-{number}"), state);
        assert_eq!(app.push(Format::Xml, &message).status, 204);
    }
    for name in ["workflow-start.json", "workflow-report-completed.json"] {
        assert_eq!(app.push(Format::Json, &data(name)).status, 204);
    }
    assert_eq!(app.push(Format::Json, b"not JSON").status, 204);
    // A duplicate, another owner's, and one that nobody signed.
    assert_eq!(
        app.push(Format::Xml, &job_message("job-1", "Success"))
            .status,
        204
    );
    let mut strange = app.content(Format::Xml, &job_message("strange", "Success"));
    strange.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&strange)).status, 403);
    let mut forged = app.signed(&app.content(Format::Xml, &job_message("forged", "Success")));
    forged.headers.set("authorization", "AAAA".repeat(22));
    assert_eq!(app.send(&forged).status, 403);
    app.items_when("/refusals.json", |items| !items.is_empty());
}

fn answers(app: &TestApp) -> Vec<(&'static str, String)> {
    let page = |path| {
        let page = app.get(path);
        assert_eq!(page.status, 200, "{path}");
        (path, page.text())
    };
    let downloaded = |path| (path, download(app.facts.dashboard, path));
    let downloads = DOWNLOADS.into_iter().map(downloaded);
    downloads.chain(PAGES.into_iter().map(page)).collect()
}

#[test]
fn a_restored_backup_answers_as_the_server_it_was_made_of() {
    let first = TestApp::start();
    push_some_of_all(&first);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let made = backup(&first.database(), &file);
    assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
    let said = stdout(&made);
    assert!(said.contains("checked, in"), "{said}");
    assert!(said.contains("the secret path"), "{said}");

    let mut second = TestApp::start();
    let own = second.target.clone();
    assert_eq!(
        second
            .push(Format::Xml, &job_message("lost", "Success"))
            .status,
        204
    );
    let refused = restore(&second.database(), &file);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        printed(&refused).contains("is in use by process"),
        "{}",
        printed(&refused)
    );
    second.stop();
    let restored = restore(&second.database(), &file);
    assert_eq!(restored.status.code(), Some(0), "{}", printed(&restored));
    second.restart();

    // The secret path came along, and what is pushed to it is let in.
    assert_eq!(second.target, first.target);
    assert_ne!(second.target, own);
    assert_eq!(answers(&second), answers(&first));
    let again = second.push(Format::Xml, &job_message("job-2", "Fail"));
    assert_eq!(again.status, 204);
    assert_eq!(second.items("/deliveries.json")[0]["duplicates"], 0);

    // What the old one had alone comes in again from where it was set aside.
    let said = stdout(&restored);
    let (_, old) = said.split_once("mpsink import ").unwrap();
    let (old, _) = old.split_once('`').unwrap();
    let hint: Vec<&str> = ["import"].into_iter().chain(old.split(' ')).collect();
    let imported = run(Path::new("/"), &hint);
    assert!(
        printed(&imported).contains("1 messages imported"),
        "{}",
        printed(&imported)
    );
    assert_eq!(second.json("/jobs/lost.json")["state"], "succeeded");
}

#[test]
fn a_backup_under_load_has_what_was_acknowledged_before_it_and_no_push_is_refused() {
    let first = TestApp::start();
    push_some_of_all(&first);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let database = first.database();
    let is_done = AtomicBool::new(false);
    let (made, before, pushed) = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut number = 0;
            while !is_done.load(Ordering::Relaxed) {
                let message = job_message(&format!("load-{number}"), "Success");
                assert_eq!(first.push(Format::Simplified, &message).status, 204);
                number += 1;
            }
            number
        });
        let loaded = first.json_when("/jobs.json?q=load-20", |json| {
            json["items"]
                .as_array()
                .is_some_and(|items| !items.is_empty())
        });
        drop(loaded);
        let before = download(first.facts.dashboard, "/deliveries.ndjson");
        let made = backup(&database, &file);
        is_done.store(true, Ordering::Relaxed);
        (made, before, load.join().unwrap())
    });
    assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
    assert!(pushed > 20);

    let mut second = TestApp::start();
    second.stop();
    let restored = restore(&second.database(), &file);
    assert_eq!(restored.status.code(), Some(0), "{}", printed(&restored));
    second.restart();
    for path in [
        "/deliveries.ndjson",
        "/jobs.ndjson",
        "/events.ndjson",
        "/runs.ndjson",
    ] {
        let now = download(first.facts.dashboard, path);
        let now: HashSet<&str> = now.lines().collect();
        let then = download(second.facts.dashboard, path);
        for line in then.lines() {
            assert!(now.contains(line), "{path}: {line}");
        }
    }
    let then = download(second.facts.dashboard, "/deliveries.ndjson");
    let then: HashSet<&str> = then.lines().collect();
    for line in before.lines() {
        assert!(then.contains(line), "not in the backup: {line}");
    }
}

/// Makes a database of some megabytes.
fn make_database(folder: &Path) -> PathBuf {
    let database = folder.join("demo.db");
    let made = ["demo", "--no-serve", "--jobs", "1500", "--into", "demo.db"];
    let made = run(folder, &made);
    assert!(made.status.success(), "{}", printed(&made));
    database
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_under_its_name_and_the_next_one_goes_well() {
    let folder = tempfile::tempdir().unwrap();
    let database = make_database(folder.path());
    let file = folder.path().join("backup.db");
    let part = folder.path().join("backup.db.part");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpsink"))
        .args(["backup", "--database", text(&database), text(&file)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !fs::metadata(&part).is_ok_and(|part| part.len() > 0) && !file.exists() {
        assert!(Instant::now() < deadline, "nothing was begun");
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let is_there = file.exists();
    let made = run(
        folder.path(),
        &[
            "backup",
            "--force",
            "--database",
            text(&database),
            text(&file),
        ],
    );
    assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
    let half = fs::metadata(&database).unwrap().len() / 2;
    assert!(fs::metadata(&file).unwrap().len() > half);
    assert!(!part.exists());
    assert!(!is_there, "it was killed too late to show anything");
}

#[test]
fn a_disk_that_takes_no_more_is_said_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let database = make_database(folder.path());
    let before = names(folder.path());
    // The system refuses to let any file grow beyond a megabyte, which is less than the copy has.
    let limited = |command: &str, target: &Path, from: &Path| {
        let line = format!(
            "trap '' XFSZ; ulimit -f 1000; exec \"$0\" {command} --try --database \"$1\" \"$2\""
        );
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).arg(env!("CARGO_BIN_EXE_mpsink"));
        shell.args([target, from]).output().unwrap()
    };
    let file = folder.path().join("backup.db");
    let output = limited("backup", &database, &file);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(
        stderr(&output).contains("cannot write"),
        "{}",
        printed(&output)
    );
    let here = |name: &String| !name.ends_with("-wal") && !name.ends_with("-shm");
    let left: Vec<String> = names(folder.path()).into_iter().filter(here).collect();
    let before: Vec<String> = before.into_iter().filter(here).collect();
    assert_eq!(left.iter().collect::<HashSet<_>>(), before.iter().collect());

    let other = folder.path().join("other.db");
    let output = limited("restore --new", &other, &database);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(!other.exists());
    assert!(
        !names(folder.path())
            .iter()
            .any(|name| name.contains("restor"))
    );
}

#[test]
fn a_backup_of_nothing_and_one_over_another_file_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.db");
    let file = folder.path().join("backup.db");
    let output = backup(&missing, &file);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there is no database"),
        "{}",
        stderr(&output)
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());

    let app = TestApp::start();
    fs::write(&file, "mine").unwrap();
    let output = backup(&app.database(), &file);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_name_that_sqlite_takes_for_a_uri_is_a_file_s_name_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = make_database(folder.path());
    let name = "file:backup.db?mode=memory";
    for command in [&["backup"][..], &["restore", "--try"]] {
        let arguments = [command, &["--database", text(&database), name]].concat();
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        assert!(folder.path().join(name).is_file());
    }
}

/// The user and group of nobody's.
const SERVICE: u32 = 65534;

#[test]
fn what_root_makes_beside_a_service_s_database_is_the_service_s() {
    let folder = tempfile::tempdir().unwrap();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        eprintln!("NOT TESTED, since this is not root: whose a restored database is");
        return;
    }
    let backup_folder = tempfile::tempdir().unwrap();
    let made = make_database(backup_folder.path());
    let file = backup_folder.path().join("backup.db");
    let args = ["backup", "--try", "--database", text(&made), text(&file)];
    assert!(run(backup_folder.path(), &args).status.success());
    let owned_by = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.uid(), found.gid())
    };
    // A backup is of who made it.
    assert_eq!(owned_by(&file), (0, 0));

    chown(folder.path(), Some(SERVICE), Some(SERVICE)).unwrap();
    let database = folder.path().join("mpsink.db");
    let lock = folder.path().join("mpsink.db.lock");
    let args = ["--try", "--database", text(&database)];
    let new = [&["restore", "--new"], &args[..], &[text(&file)]].concat();
    let output = run(folder.path(), &new);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(owned_by(&database), (SERVICE, SERVICE));
    assert_eq!(owned_by(&lock), (SERVICE, SERVICE));

    // What is there says it, not the folder.
    chown(folder.path(), Some(0), Some(0)).unwrap();
    fs::remove_file(&lock).unwrap();
    let prune = [&["prune", "--dry-run"], &args[..]].concat();
    assert!(run(folder.path(), &prune).status.success());
    assert_eq!(owned_by(&lock), (SERVICE, SERVICE));
    let restore = [&["restore"], &args[..], &[text(&file)]].concat();
    assert!(run(folder.path(), &restore).status.success());
    assert_eq!(owned_by(&database), (SERVICE, SERVICE));
}

#[test]
fn a_file_of_another_user_is_said_with_its_owner_and_who_this_is() {
    let folder = tempfile::tempdir().unwrap();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        eprintln!("NOT TESTED, since this is not root: what another user's database says");
        return;
    }
    // Where the build is, another user may not look.
    let program = folder.path().join("mpsink");
    fs::copy(env!("CARGO_BIN_EXE_mpsink"), &program).unwrap();
    chown(folder.path(), Some(SERVICE), Some(SERVICE)).unwrap();
    let database = make_database(folder.path());
    for suffix in ["", ".lock"] {
        let path = PathBuf::from(format!("{}{suffix}", text(&database)));
        chown(&path, Some(0), Some(0)).unwrap();
        let mut command = Command::new(&program);
        command.args(["prune", "--try", "--database", text(&database)]);
        command.current_dir(folder.path()).uid(SERVICE).gid(SERVICE);
        let output = command.output().unwrap();
        let said = stderr(&output);
        let owner = format!("{} belongs to user 0 and group 0 (mode 600)", text(&path));
        assert!(said.contains(&owner), "{said}");
        assert!(said.contains("and this is user 65534"), "{said}");
        chown(&path, Some(SERVICE), Some(SERVICE)).unwrap();
    }
}

#[test]
fn a_restore_where_no_database_is_asks_for_new_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = make_database(folder.path());
    let wrong = tempfile::tempdir().unwrap();
    let args = ["restore", "--try", text(&database)];
    let output = run(wrong.path(), &args);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    let said = stderr(&output);
    let place = wrong.path().canonicalize().unwrap();
    let place = format!(
        "there is no database {}",
        text(&place.join("mpsink-try.db"))
    );
    for part in [&place, "--config", "--database", "--new"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(names(wrong.path()), Vec::<String>::new());

    let args = ["restore", "--try", "--new", text(&database)];
    let output = run(wrong.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(stdout(&output).contains("there was no database"));
}

#[test]
fn every_command_says_of_a_broken_off_restore_what_serve_says() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("mpsink.db");
    let old = folder.path().join("mpsink.db.before-then");
    fs::write(&old, "the old one").unwrap();
    fs::write(
        folder.path().join("mpsink.db.restore"),
        "mpsink.db.before-then",
    )
    .unwrap();
    for command in [
        "serve",
        "backup",
        "doctor",
        "config check",
        "prune",
        "export",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["--database", text(&database)]);
        match command {
            "backup" => args.push("backup.db"),
            "export" => args.push("jobs"),
            "serve" => args.extend([
                "--receiver-listen=127.0.0.1:0",
                "--dashboard-listen=127.0.0.1:0",
            ]),
            _ => {}
        }
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = stderr(&output);
        assert!(
            said.contains("was broken off; run `mpsink restore` again"),
            "{command}: {said}"
        );
        assert!(!database.exists(), "{command}");
    }
}
