//! The disk takes no more, or takes it and loses it, or gives nothing back.

use std::thread;

use rusqlite::Connection as Database;

use crate::binary::{run, stderr, stdout};
use crate::faults::Faulty;
use crate::http::{self, Connection};

/// More than it may take until commits that fail are told.
const LONG_S: i64 = 30;

/// Sends what is no push and is noted all the same, which makes the writer look at the disk.
fn knock(faulty: &Faulty) {
    let headers = [("x-mns-version", "2015-06-06")];
    let path = "/notifications/elsewhere";
    let answer = http::request(faulty.server.receiver, "POST", path, &headers);
    assert_eq!(answer.status, 404);
}

fn wait_until_ready(faulty: &Faulty, expected: bool) -> String {
    loop {
        let (is_ready, text) = faulty.ready();
        if is_ready == expected {
            return text;
        }
        thread::yield_now();
    }
}

/// Pushes into `fault`, and finds nothing acknowledged, pages as before, and a server that goes on by
/// itself when the fault is over, before and after a crash.
fn nothing_is_taken_during(fault: &str, said: &str) {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    assert!(faulty.ready().0);

    faulty.begin(fault);
    for _ in 0..3 {
        let answer = faulty.push("during");
        assert_eq!(answer.status, 503, "{}", answer.text());
        let seconds = answer.header("retry-after").unwrap();
        assert!(seconds.parse::<u32>().unwrap() > 0);
    }
    assert_eq!(faulty.jobs(), ["before"]);
    let page = http::get(faulty.server.dashboard, "/jobs");
    assert!(page.text().contains("before"), "pages can be read");
    faulty.set("timer", LONG_S);
    let text = wait_until_ready(&faulty, false);
    assert!(text.contains("no commit has succeeded"), "{text}");
    assert!(text.contains(said), "{text}");

    faulty.end(fault);
    knock(&faulty);
    wait_until_ready(&faulty, true);
    assert_eq!(faulty.push("during").status, 204);
    assert_eq!(faulty.push("after").status, 204);
    faulty.server.kill();
    faulty.start_again();
    assert_eq!(faulty.jobs(), ["after", "before", "during"]);
    let database = Database::open(faulty.database()).unwrap();
    let integrity: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
}

#[test]
fn a_full_disk_takes_no_push_and_takes_them_again_by_itself_when_there_is_room() {
    nothing_is_taken_during("full", "full");
}

#[test]
fn on_a_full_disk_a_command_that_has_to_write_says_so_and_lists_go_out() {
    let faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    // So that a rebuild has something to set right.
    let database = Database::open(faulty.database()).unwrap();
    let spoil = "UPDATE job SET user_data = 'spoiled'";
    assert_eq!(database.execute(spoil, []).unwrap(), 1);
    drop(database);
    let command = |arguments: &[&str]| {
        let output = run(faulty.folder.path(), arguments);
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let rebuild = ["rebuild", "--try"];
    let prune = ["prune", "--try", "--messages", "1d"];
    faulty.begin("full");
    for arguments in [&rebuild[..], &prune[..]] {
        let (code, printed) = command(arguments);
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.contains("the disk is full"), "{printed}");
    }
    let (code, printed) = command(&["export", "jobs", "--try"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("before"), "{printed}");
    let download = http::get(faulty.server.dashboard, "/jobs.csv");
    assert!(download.text().contains("before"), "{}", download.text());
    faulty.end("full");
    for arguments in [&rebuild[..], &prune[..]] {
        let (code, printed) = command(arguments);
        assert_eq!(code, Some(0), "{printed}");
    }
    assert_eq!(faulty.jobs(), ["before"]);
}

#[test]
fn a_disk_that_cannot_be_written_to_takes_no_push_until_it_can() {
    nothing_is_taken_during("write", "I/O error");
}

/// The kernel gives up on such pages after it has said so once: only what was written again is there.
#[test]
fn what_could_not_be_brought_to_the_disk_is_not_acknowledged() {
    nothing_is_taken_during("sync", "I/O error");
}

#[test]
fn a_disk_that_cannot_be_read_ends_no_server_and_acknowledges_nothing_that_is_not_there() {
    let mut faulty = Faulty::start();
    assert_eq!(faulty.push("before").status, 204);
    faulty.begin("read");
    // What is in memory goes on; what has to be read fails, and says so.
    let during = faulty.push("during").status;
    assert!([204, 503].contains(&during), "{during}");
    let page = http::get(faulty.server.dashboard, "/deliveries.json");
    assert!([200, 503].contains(&page.status), "{}", page.status);
    faulty.end("read");
    assert_eq!(faulty.push("during").status, 204);
    assert_eq!(faulty.push("after").status, 204);
    faulty.server.kill();
    faulty.start_again();
    assert_eq!(faulty.jobs(), ["after", "before", "during"]);
}

#[test]
fn acknowledged_pushes_of_many_at_once_are_there_though_the_disk_fills_up_again_and_again() {
    let mut faulty = Faulty::start();
    let pushes: Vec<Vec<u8>> = (0..40)
        .map(|number| faulty.signed(&format!("job-{number:02}")))
        .collect();
    let receiver = faulty.server.receiver;
    let acknowledged: Vec<usize> = thread::scope(|scope| {
        let (pushes, faulty) = (&pushes, &faulty);
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                scope.spawn(move || {
                    let mut connection = Connection::to(receiver);
                    let mut taken = Vec::new();
                    for number in (sender..pushes.len()).step_by(4) {
                        let status = connection.send(&pushes[number]).status;
                        assert!([204, 503].contains(&status), "{status}");
                        if status == 204 {
                            taken.push(number);
                        }
                    }
                    taken
                })
            })
            .collect();
        while !senders.iter().all(thread::ScopedJoinHandle::is_finished) {
            faulty.begin("full");
            thread::yield_now();
            faulty.end("full");
            thread::yield_now();
        }
        let taken = senders.into_iter().map(|sender| sender.join().unwrap());
        taken.flatten().collect()
    });
    faulty.server.kill();
    faulty.start_again();
    let jobs = faulty.jobs();
    for number in acknowledged {
        let job = format!("job-{number:02}");
        assert!(jobs.contains(&job), "{job} was acknowledged");
    }
}
