//! Whole lists over HTTP: what is in them, and that what is not whole can be told from what is.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use mpsink::app::bounds::Bounds;
use mpsink::notification::Format;
use rusqlite::Connection as Database;
use serde_json::{Value, json};

use crate::app::{TestApp, job_message};
use crate::http::{self, Connection, Response, dechunked};

const TABLES: [&str; 7] = [
    "jobs",
    "runs",
    "activities",
    "events",
    "deliveries",
    "held",
    "refusals",
];

/// Longer than what the kernel holds of a connection that nobody reads.
const MUCH_MESSAGES: u32 = 170;

fn app_with_jobs(bounds: Bounds) -> TestApp {
    let app = TestApp::start_bounded(bounds);
    for (id, state) in [("a", "Success"), ("b", "Fail"), ("=c", "Success")] {
        assert_eq!(app.push(Format::Json, &job_message(id, state)).status, 204);
    }
    app
}

/// More jobs than fit on the way, and which gzip does not make fit.
pub(crate) fn app_with_much(bounds: Bounds) -> TestApp {
    let app = TestApp::start_bounded(bounds);
    let mut seed: u32 = 1;
    for number in 0..MUCH_MESSAGES {
        let text: String = (0..58_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'0' + u8::try_from(seed >> 26).unwrap())
            })
            .collect();
        let message = json!({
            "jobId": format!("job-{number}"), "state": "Success", "type": "Transcode",
            "userData": text.replace('\\', "_"),
        });
        let message = message.to_string().into_bytes();
        assert_eq!(app.push(Format::Json, &message).status, 204);
    }
    app
}

/// Asks on a connection of its own that is kept.
pub(crate) fn ask(address: SocketAddr, path: &str, headers: &str) -> Connection {
    let mut connection = Connection::to(address);
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    connection.write(head.as_bytes());
    connection
}

/// Reads the answer to its end, whatever that is, and returns what it gave and whether it was whole.
pub(crate) fn rest(connection: &mut Connection) -> (Vec<u8>, bool) {
    let mut wire = Vec::new();
    connection.read_on(&mut wire);
    dechunked(&wire)
}

fn whole(app: &TestApp, path: &str, headers: &str) -> (Response, Vec<u8>) {
    let mut connection = ask(app.facts.dashboard, path, headers);
    let head = connection.read_head().unwrap();
    assert_eq!(head.status, 200, "{path}");
    let (bytes, is_whole) = rest(&mut connection);
    assert!(is_whole, "{path}");
    (head, bytes)
}

fn text(app: &TestApp, path: &str) -> String {
    String::from_utf8(whole(app, path, "").1).unwrap()
}

pub(crate) fn gunzipped(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn a_download_has_the_rows_of_its_list_in_every_format() {
    let app = app_with_jobs(Bounds::default());
    for table in TABLES {
        let mut items = app.items(&format!("/{table}.json"));
        let lines = text(&app, &format!("/{table}.ndjson"));
        let mut lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let key = |row: &Value| row["id"].to_string();
        items.sort_by_key(key);
        lines.sort_by_key(key);
        assert_eq!(lines, items, "{table}");
        let csv = text(&app, &format!("/{table}.csv"));
        assert_eq!(csv.matches("\r\n").count(), 1 + items.len(), "{table}");
    }
    let batch: Value = serde_json::from_str(&text(&app, "/events.cloudevents")).unwrap();
    let lines = text(&app, "/events.cloudevents.ndjson");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(batch.as_array().unwrap(), &lines);
    assert_eq!(lines.len(), 3);
    assert_eq!(text(&app, "/jobs.csv?state=failed").lines().count(), 2);
    let excel = text(&app, "/jobs.csv?excel=1");
    assert!(
        excel.starts_with('\u{feff}') && excel.contains("\n'=c,"),
        "{excel}"
    );
    assert!(text(&app, "/jobs.csv").contains("\n=c,"));
    let end = text(&app, "/jobs.ndjson?end=1");
    let end: Value = serde_json::from_str(end.lines().last().unwrap()).unwrap();
    assert_eq!(end["_end"]["rows"], 3);
    let next = &end["_end"]["next"];
    assert_eq!(text(&app, &format!("/jobs.ndjson?after={next}")), "");
}

#[test]
fn a_download_says_what_it_is_and_head_says_the_same_without_it() {
    let app = app_with_jobs(Bounds {
        downloads: 0,
        ..Bounds::default()
    });
    for (path, content_type, name) in [
        (
            "/jobs.csv?state=failed&from=24h",
            "text/csv; charset=utf-8; header=present",
            "mpsink-jobs-failed-from-2024-05-05-to-2024-05-06.csv",
        ),
        (
            "/runs.ndjson",
            "application/x-ndjson",
            "mpsink-runs-to-2024-05-06.ndjson",
        ),
        (
            "/events.cloudevents",
            "application/cloudevents-batch+json",
            "mpsink-events-to-2024-05-06.cloudevents",
        ),
    ] {
        let mut connection = Connection::to(app.facts.dashboard);
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write(head.as_bytes());
        let head = connection.read_head().unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some(content_type));
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(
            head.header("content-disposition"),
            Some(disposition.as_str())
        );
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("vary"), Some("Accept-Encoding"));
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        let mut body = Vec::new();
        connection.read_on(&mut body);
        assert!(body.is_empty(), "{path}");
        // It took no place: there is none.
        assert_eq!(app.get(path).status, 429, "{path}");
    }
}

#[test]
fn a_compressed_download_is_the_same_and_begins_before_it_ends() {
    let app = app_with_much(Bounds::default());
    let mut connection = ask(
        app.facts.dashboard,
        "/jobs.ndjson",
        "Accept-Encoding: gzip\r\n",
    );
    let head = connection.read_head().unwrap();
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    // The server cannot have written all of it: nobody has read.
    assert_eq!(app.items("/jobs.json?limit=1").len(), 1);
    let (bytes, is_whole) = rest(&mut connection);
    assert!(is_whole);
    assert_eq!(
        gunzipped(&bytes).unwrap(),
        text(&app, "/jobs.ndjson").into_bytes()
    );
}

#[test]
fn there_are_only_so_many_downloads_at_once_and_one_who_leaves_makes_room() {
    let app = app_with_much(Bounds {
        downloads: 1,
        ..Bounds::default()
    });
    let mut slow = ask(app.facts.dashboard, "/jobs.ndjson", "");
    assert_eq!(slow.read_head().unwrap().status, 200);
    let refused = app.get("/runs.csv");
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            > 0
    );
    let browser = [("Accept", "text/html,*/*;q=0.8")];
    let page = http::get_with(app.facts.dashboard, "/runs.csv", &browser);
    assert_eq!(page.status, 429);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    // Neither pages nor pushes wait for it.
    assert_eq!(app.get("/jobs").status, 200);
    assert_eq!(
        app.push(Format::Json, &job_message("more", "Success"))
            .status,
        204
    );
    drop(slow);
    wait_until(|| app.get("/runs.csv").status == 200);
}

pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_reader_that_takes_nothing_is_cut_off_and_can_tell() {
    let app = app_with_much(Bounds {
        downloads: 1,
        download_stall: Duration::from_millis(200),
        ..Bounds::default()
    });
    let mut stalled = ask(app.facts.dashboard, "/jobs.ndjson", "");
    assert_eq!(stalled.read_head().unwrap().status, 200);
    wait_until(|| app.get("/runs.csv").status == 200);
    let (_, is_whole) = rest(&mut stalled);
    assert!(!is_whole);
}

#[test]
fn a_download_that_the_server_does_not_finish_can_be_told_from_a_whole_one() {
    let mut app = app_with_much(Bounds::default());
    let open = |app: &TestApp, headers: &str| {
        let mut connection = ask(app.facts.dashboard, "/jobs.ndjson", headers);
        assert_eq!(connection.read_head().unwrap().status, 200);
        connection
    };
    let gzip = "Accept-Encoding: gzip\r\n";
    let (mut plain, mut packed) = (open(&app, ""), open(&app, gzip));
    let (mut plain_at_stop, mut packed_at_stop) = (open(&app, ""), open(&app, gzip));
    let database = Database::open(app.database()).unwrap();
    database.busy_timeout(Duration::from_secs(20)).unwrap();
    database
        .execute_batch("ALTER TABLE job RENAME TO gone")
        .unwrap();
    let (bytes, is_whole) = rest(&mut plain);
    assert!(!is_whole && !bytes.is_empty());
    let (bytes, is_whole) = rest(&mut packed);
    assert!(!is_whole && gunzipped(&bytes).is_err());

    database
        .execute_batch("ALTER TABLE gone RENAME TO job")
        .unwrap();
    app.stop();
    assert!(!rest(&mut plain_at_stop).1);
    let (bytes, is_whole) = rest(&mut packed_at_stop);
    assert!(!is_whole && gunzipped(&bytes).is_err());
}

#[test]
fn two_hundred_at_once_are_served_or_told_to_wait_and_pushes_go_on() {
    let app = app_with_jobs(Bounds::default());
    let address = app.facts.dashboard;
    let askers: Vec<_> = (0..200)
        .map(|_| {
            thread::spawn(move || {
                let mut connection = ask(address, "/jobs.csv", "");
                let head = connection.read_head().unwrap();
                match head.status {
                    200 => assert!(rest(&mut connection).1),
                    status => assert_eq!(status, 429),
                }
                head.status
            })
        })
        .collect();
    for number in 0..20 {
        let message = job_message(&format!("more-{number}"), "Success");
        assert_eq!(app.push(Format::Json, &message).status, 204);
    }
    let statuses: Vec<u16> = askers
        .into_iter()
        .map(|asker| asker.join().unwrap())
        .collect();
    assert!(statuses.contains(&200));
    wait_until(|| app.get("/jobs.csv").status == 200);
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let app = app_with_jobs(Bounds::default());
    let cursor = app.json("/jobs.json?limit=1")["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let forged = format!("{}A", &cursor[..cursor.len() - 1]);
    for (path, named) in [
        ("/jobs.json?limit=0".to_owned(), "limit"),
        ("/jobs.json?limit=-1".to_owned(), "limit"),
        (format!("/runs.json?cursor={cursor}"), "cursor"),
        (format!("/jobs.json?cursor={forged}"), "cursor"),
        ("/jobs.csv?limit=5".to_owned(), "limit"),
        (
            "/jobs.csv?from=2024-05-06T00:00:00Z&to=2024-05-05T00:00:00Z".to_owned(),
            "to",
        ),
        ("/jobs.ndjson?from=10000-01-01T00:00:00Z".to_owned(), "from"),
        ("/jobs.csv?stat=failed".to_owned(), "stat"),
        ("/events.cloudevents?excel=1".to_owned(), "excel"),
    ] {
        let response = app.get(&path);
        assert_eq!(response.status, 400, "{path}");
        let problem = response.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{named}`")), "{path}: {detail}");
    }
    for path in [
        "/jobs.xml",
        "/jobs.csv.gz",
        "/jobs.cloudevents",
        "/nothing.csv",
    ] {
        assert_eq!(app.get(path).status, 404, "{path}");
    }
    let long = format!("/jobs.csv?q={}", "x".repeat(100 * 1024));
    let status = app.get(&long).status;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(
        app.push(Format::Json, &job_message("z", "Success")).status,
        204
    );
}

#[test]
fn a_lists_own_address_gives_what_accept_asks_for() {
    let app = app_with_jobs(Bounds::default());
    let get =
        |path: &str, accept: &str| http::get_with(app.facts.dashboard, path, &[("Accept", accept)]);
    for (path, accept, content_type) in [
        ("/jobs", "*/*", "text/html; charset=utf-8"),
        ("/jobs?state=failed", "application/json", "application/json"),
        (
            "/jobs",
            "text/csv",
            "text/csv; charset=utf-8; header=present",
        ),
        ("/events", "application/x-ndjson", "application/x-ndjson"),
        ("/jobs.json", "text/csv", "application/json"),
        ("/jobs?stat=x", "text/csv", "application/problem+json"),
    ] {
        let response = get(path, accept);
        assert_eq!(
            response.header("content-type"),
            Some(content_type),
            "{path} {accept}"
        );
    }
    assert_eq!(
        get("/jobs?state=failed", "application/json").json()["items"][0]["id"],
        "b"
    );
    let vary = "Accept, Accept-Language, Cookie, Accept-Encoding";
    assert_eq!(get("/jobs", "").header("vary"), Some(vary));
    assert_eq!(
        get("/jobs", "text/csv").header("vary"),
        Some("Accept, Accept-Encoding")
    );
}

#[test]
fn what_a_reader_has_already_is_not_sent_again() {
    let app = app_with_jobs(Bounds::default());
    let with_gzip = [("Accept-Encoding", "gzip")];
    for path in [
        "/jobs",
        "/jobs.json",
        "/jobs/a",
        "/jobs/a.json",
        "/openapi.json",
    ] {
        let plain = app.get(path);
        let tag = plain.header("etag").unwrap();
        let packed = http::get_with(app.facts.dashboard, path, &with_gzip);
        assert_eq!(packed.header("etag"), Some(tag), "{path}");
        if plain.body.len() >= 1_024 {
            assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
            assert_eq!(gunzipped(&packed.body).unwrap(), plain.body, "{path}");
        }
        let known = [("If-None-Match", tag)];
        let same = http::get_with(app.facts.dashboard, path, &known);
        assert_eq!((same.status, same.body.len()), (304, 0), "{path}");
        for name in ["etag", "vary", "cache-control", "content-security-policy"] {
            assert_eq!(same.header(name), plain.header(name), "{path} {name}");
        }
        assert!(same.header("content-type").is_none());
    }
    let tag = app.get("/jobs.json").header("etag").unwrap().to_owned();
    assert_eq!(
        app.push(Format::Json, &job_message("d", "Success")).status,
        204
    );
    let known = [("If-None-Match", tag.as_str())];
    assert_eq!(
        http::get_with(app.facts.dashboard, "/jobs.json", &known).status,
        200
    );
}

#[test]
fn a_page_of_json_says_in_its_head_where_the_next_is() {
    let app = app_with_jobs(Bounds::default());
    let response = app.get("/jobs.json?limit=1&type=Transcode");
    let next = response.json()["next"].as_str().unwrap().to_owned();
    let link = format!("</jobs.json?limit=1&type=Transcode&cursor={next}>; rel=\"next\"");
    assert_eq!(response.header("link"), Some(link.as_str()));
    let response = app.get(&format!("/jobs.json?limit=1&cursor={next}"));
    let links = response.headers.iter().filter(|(name, _)| name == "link");
    let relations: Vec<&str> = links
        .map(|(_, link)| link.rsplit("rel=").next().unwrap())
        .collect();
    assert_eq!(relations, ["\"next\"", "\"prev\""]);
}

#[test]
fn a_list_links_to_its_files_with_its_filters() {
    let app = app_with_jobs(Bounds::default());
    let links = |path: &str| {
        let page = scraper::Html::parse_document(&app.get(path).text());
        let selector = scraper::Selector::parse(".downloads a").unwrap();
        let links = page.select(&selector);
        let links = links.map(|link| link.attr("href").unwrap().to_owned());
        links.collect::<Vec<_>>()
    };
    let found = links("/jobs?type=Transcode&limit=1");
    let expected = [
        "/jobs.csv?type=Transcode&excel=1",
        "/jobs.csv?type=Transcode",
        "/jobs.ndjson?type=Transcode",
    ];
    assert_eq!(found, expected);
    assert_eq!(links("/events").last().unwrap(), "/events.cloudevents");
    assert!(links("/jobs?code=none").is_empty());
    for link in found
        .into_iter()
        .chain(links("/events"))
        .chain(links("/deliveries"))
    {
        assert_eq!(app.get(&link).status, 200, "{link}");
    }
}
