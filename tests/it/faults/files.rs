//! The files of the database go, change or are in use while the server runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection as Database;

use crate::binary::{Server, run, stderr};
use crate::faults::Faulty;
use crate::http::{self, Connection};

/// Lets `happen` do something to the files of a running server, and returns what it said at its end,
/// which has to come with an error and without a push acknowledged.
fn ends_by(happen: impl FnOnce(&Faulty, PathBuf)) -> (Faulty, String) {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    // Sent before it is known what happened, and answered afterwards.
    let push = faulty.signed("after");
    let mut connection = Connection::to(faulty.server.receiver);
    happen(&faulty, faulty.database());
    connection.write(&push);
    if let Some(answer) = connection.read() {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    let (status, said) = faulty.wait();
    assert_eq!(status.code(), Some(1), "{said}");
    (faulty, said)
}

#[test]
fn a_server_whose_database_is_deleted_ends_with_an_error_and_acknowledges_nothing_more() {
    let (_, said) = ends_by(|_, database| fs::remove_file(database).unwrap());
    assert!(said.contains("is not there any more"), "{said}");
}

#[test]
fn a_server_whose_log_is_deleted_ends_with_an_error_and_keeps_what_it_acknowledged() {
    let (mut faulty, said) = ends_by(|_, database| {
        fs::remove_file(database.with_extension("db-wal")).unwrap();
    });
    assert!(said.contains("the database's log"), "{said}");
    faulty.start_again();
    assert!(faulty.jobs().contains(&"before".to_owned()));
}

#[test]
fn a_server_whose_database_is_replaced_ends_with_an_error_and_leaves_the_other_alone() {
    let other = tempfile::tempdir().unwrap();
    drop(Server::start(other.path()));
    let other = other.path().join("mpsink-try.db");
    let before = fs::read(&other).unwrap();
    let (faulty, said) = ends_by(|_, database| fs::rename(&other, database).unwrap());
    assert!(said.contains("is another file now"), "{said}");
    assert!(fs::read(faulty.database()).unwrap() == before);
}

#[test]
fn a_server_whose_folder_is_moved_ends_with_an_error() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (_, said) = ends_by(|_, database| {
        let folder = database.parent().unwrap();
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = file.file_name();
            if name.to_str().unwrap().starts_with("mpsink-try.db") {
                fs::rename(file.path(), elsewhere.path().join(name)).unwrap();
            }
        }
    });
    assert!(said.contains("is not there any more"), "{said}");
}

#[test]
fn a_server_whose_disk_became_read_only_takes_no_push_and_does_not_start_again_on_it() {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    faulty.begin("readonly");
    let answer = faulty.push("during");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(faulty.jobs(), ["before"]);
    faulty.server.terminate();
    let (status, said) = faulty.fail_to_start();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("mpsink-try.db"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    faulty.end("readonly");
    faulty.start_again();
    assert_eq!(faulty.push("during").status, 204);
    assert_eq!(faulty.jobs(), ["before", "during"]);
}

#[test]
fn a_reader_that_stays_for_long_keeps_no_push_from_being_taken() {
    let faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    let reader = Database::open(faulty.database()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = |reader: &Database| -> i64 {
        let sql = "SELECT COUNT(*) FROM delivery";
        reader.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(seen(&reader), 1);
    for number in 0..20 {
        assert_eq!(faulty.push(&format!("job-{number}")).status, 204);
    }
    assert_eq!(seen(&reader), 1, "it still reads what was there");
    assert_eq!(faulty.jobs().len(), 21);
    assert!(faulty.ready().0);
}

#[test]
fn one_who_holds_the_write_lock_makes_pushes_503_until_he_is_gone() {
    let faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    let other = Database::open(faulty.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = faulty.push("during");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(http::get(faulty.server.dashboard, "/jobs").status, 200);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(faulty.push("during").status, 204);
    assert_eq!(faulty.jobs(), ["before", "during"]);
}

#[test]
fn a_second_server_changes_nothing_for_the_first() {
    let faulty = Faulty::start();
    let ports = ["--receiver-listen", "127.0.0.1:0"];
    let pages = ["--dashboard-listen", "127.0.0.1:0"];
    for _ in 0..3 {
        let arguments = [&["serve", "--try"], &ports[..], &pages[..]].concat();
        let second = run(faulty.folder.path(), &arguments);
        assert_eq!(second.status.code(), Some(1));
        assert!(stderr(&second).contains("in use"), "{}", stderr(&second));
        assert_eq!(faulty.push("job").status, 204);
    }
    // Commands find the first one still.
    let healthcheck = run(
        faulty.folder.path(),
        &["healthcheck", "--database", "mpsink-try.db"],
    );
    assert_eq!(healthcheck.status.code(), Some(0));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_in_a_sentence() {
    // Root may write everywhere but where there is no writing at all.
    let output = Command::new(env!("CARGO_BIN_EXE_mpsink"))
        .args(["serve", "--try", "--database", "/proc/mpsink.db"])
        .args(["--receiver-listen", "127.0.0.1:0"])
        .args(["--dashboard-listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("/proc/mpsink.db"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
