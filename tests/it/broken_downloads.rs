//! Downloads that end before they are whole, by whichever side.

use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use rusqlite::Connection as Database;

use crate::app::{TestApp, job_message};
use crate::binary::Server;
use crate::downloads::{app_with_much, ask, gunzipped, rest, wait_until};

pub(crate) const GZIP: &str = "Accept-Encoding: gzip\r\n";

#[test]
fn a_server_that_is_killed_leaves_downloads_that_can_be_told_from_whole_ones() {
    let mut app = app_with_much(Bounds::default());
    app.stop();
    let database = app.database();
    let mut server = Server::start_record(database.parent().unwrap());
    let [mut plain, mut packed] = ["", GZIP].map(|headers| {
        let mut connection = ask(server.dashboard, "/jobs.ndjson", headers);
        assert_eq!(connection.read_head().unwrap().status, 200);
        connection.wait_for_more();
        connection
    });
    // More than fits on the way is still to come, since nobody has read.
    server.kill();
    let (bytes, is_whole) = rest(&mut plain);
    assert!(!is_whole && !bytes.is_empty());
    let (bytes, is_whole) = rest(&mut packed);
    assert!(!is_whole && gunzipped(&bytes).is_err());
}

#[test]
fn a_reader_who_leaves_while_a_download_still_searches_makes_room() {
    let app = TestApp::start_bounded(Bounds {
        downloads: 1,
        ..Bounds::default()
    });
    let message = job_message("far", "Success");
    assert_eq!(app.push(Format::Json, &message).status, 204);
    // All numbers before it are searched, ten thousand at a time, which would take days.
    let database = Database::open(app.database()).unwrap();
    database
        .execute("UPDATE job SET id = 1000000000000000", [])
        .unwrap();
    let mut searching = ask(app.facts.dashboard, "/jobs.csv?code=none", "");
    assert_eq!(searching.read_head().unwrap().status, 200);
    assert_eq!(app.get("/runs.csv").status, 429);
    drop(searching);
    wait_until(|| app.get("/runs.csv").status == 200);
}
