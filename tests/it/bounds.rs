//! What happens when something is full: 503 at once, nothing stored, and it goes on afterwards.

use std::thread;

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use rusqlite::{Connection as Database, TransactionBehavior};

use crate::app::{TestApp, job_message};
use crate::http::{self, Connection, Response};

fn assert_try_again(response: &Response) {
    assert_eq!(response.status, 503, "{}", response.text());
    let seconds = response.header("retry-after").unwrap();
    assert!(seconds.parse::<u32>().unwrap() > 0);
}

#[test]
fn a_full_inbox_is_503_at_once_and_what_was_in_it_is_stored() {
    let app = TestApp::start_bounded(Bounds {
        inbox_commands: 1,
        ..Bounds::default()
    });
    // So that the certificate and the owner are known, and nothing else is written meanwhile.
    assert_eq!(
        app.push(Format::Json, &job_message("first", "Success"))
            .status,
        204
    );

    // Another program holds the write lock: the writer waits with one push or two, one more is in
    // the inbox, and there is no room for the others.
    let mut database = Database::open(app.database()).unwrap();
    let lock = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let mut connections = Vec::new();
    for number in 0..6 {
        let message = job_message(&format!("job-{number}"), "Success");
        let push = app.signed(&app.content(Format::Json, &message));
        let mut connection = Connection::to(app.facts.receiver);
        connection.write(&http::wire(&push));
        connections.push(connection);
    }
    let (tell, told) = std::sync::mpsc::channel();
    let readers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let tell = tell.clone();
            thread::spawn(move || tell.send(connection.read().unwrap()).unwrap())
        })
        .collect();
    // Those that found no room are answered while the lock is still held.
    for _ in 0..3 {
        assert_try_again(&told.recv().unwrap());
    }
    drop(lock);
    let others: Vec<Response> = (0..3).map(|_| told.recv().unwrap()).collect();
    for reader in readers {
        reader.join().unwrap();
    }
    let (taken, not_taken): (Vec<_>, Vec<_>) =
        others.iter().partition(|response| response.status == 204);
    assert!(!taken.is_empty(), "what was in the inbox is taken");
    not_taken.into_iter().for_each(assert_try_again);
    assert_eq!(app.items("/deliveries.json").len(), 1 + taken.len());
}

#[test]
fn a_push_that_finds_no_room_for_its_body_is_503() {
    let app = TestApp::start_bounded(Bounds {
        in_flight_bytes: 2_000,
        ..Bounds::default()
    });
    assert_try_again(&app.push(Format::Simplified, &[b'x'; 2_001]));
    assert!(app.items("/deliveries.json").is_empty());
    assert_eq!(app.push(Format::Simplified, &[b'x'; 2_000]).status, 204);
}

#[test]
fn when_the_room_for_held_pushes_is_full_the_next_is_503() {
    let app = TestApp::start_bounded(Bounds {
        held_bytes: 14 * 1024,
        ..Bounds::default()
    });
    assert_eq!(
        app.push(Format::Json, &job_message("first", "Success"))
            .status,
        204
    );
    let hold = |number: u8| {
        let mut content = app.content(Format::Simplified, &[number; 3_000]);
        content.topic_owner = "999".to_owned();
        app.send(&app.signed(&content))
    };
    assert_eq!(hold(b'a').status, 403);
    assert_try_again(&hold(b'b'));
    assert_eq!(app.items("/held.json").len(), 1);
    assert_eq!(hold(b'a').status, 403, "what is kept already needs no room");
    assert_eq!(
        app.push(Format::Json, &job_message("second", "Success"))
            .status,
        204
    );
}
