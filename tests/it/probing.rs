//! `mpsink push --url`: asks whether the way to a real server is open, and leaves no trace there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::thread;

use mpsink::clock::Clock;
use mpsink::notification::Format;
use mpsink::notification::capture;
use mpsink::push::{PushContent, Signer, build};

use crate::app::{OWNER, TOPIC, job_message};
use crate::binary::{Server, run, stderr, stdout};
use crate::http;

fn probe(folder: &Path, url: &str) -> (Option<i32>, String) {
    let output = run(folder, &["push", "--url", url]);
    let told = format!("{}{}", stdout(&output), stderr(&output));
    (output.status.code(), told)
}

#[test]
fn a_probe_says_whether_the_way_is_open_and_counts_as_no_push() {
    let folder = tempfile::tempdir().unwrap();
    let mut real = Server::start_record(folder.path());
    let url = Server::endpoint(folder.path());
    let (code, told) = probe(folder.path(), &url);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("path, proxy and TLS are right"), "{told}");
    // As in a container, where the environment names the database.
    let beside = ["push", "--url", &url, "--database", "mpsink.db"];
    let output = run(folder.path(), &beside);
    assert!(output.status.success(), "{}", stdout(&output));
    let (code, told) = probe(folder.path(), &format!("{url}/"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no source at this path"), "{told}");

    // What is refused is written aside: behind the end of the server it is there if it ever is.
    assert_eq!(real.terminate(), 0);
    let again = Server::start_record(folder.path());
    let connect = http::get(again.dashboard, "/connect.json").json();
    let source = &connect["sources"][0];
    assert_eq!(source["progress"], "waiting", "{connect}");
    assert_eq!(source["refused"].as_array().unwrap().len(), 0, "{connect}");
    assert_eq!(connect["strays"]["total"], 0, "{connect}");
    assert!(again.items("/refusals.json").is_empty());
    assert!(again.items("/deliveries.json").is_empty());
}

#[test]
fn a_probe_that_does_not_come_through_says_what_stands_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_record(folder.path());
    let path = "/notifications/x";
    for (url, says) in [
        (
            format!("http://{}{path}", server.dashboard),
            "the dashboard's address",
        ),
        (
            format!("https://{}{path}", server.receiver),
            "no TLS is spoken there",
        ),
        (format!("http://127.0.0.1:1{path}"), "nothing listens there"),
    ] {
        let (code, told) = probe(folder.path(), &url);
        assert_eq!(code, Some(1), "{url}: {told}");
        assert!(told.contains(says), "{url}: {told}");
        assert!(told.lines().count() <= 2, "{url}: {told}");
    }
}

#[test]
fn a_proxy_that_does_not_reach_the_server_is_told_from_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 16 * 1024];
        assert!(stream.read(&mut head).unwrap() > 0);
        let page = "<html>502 Bad Gateway</html>";
        let answer = format!(
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{page}",
            page.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
        // What is closed with bytes unread takes its answer back.
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (code, told) = probe(folder.path(), &format!("http://{address}/notifications/x"));
    proxy.join().unwrap();
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("a proxy answers and does not reach mpsink"),
        "{told}"
    );
    assert!(!told.contains("<html>"), "{told}");
}

#[test]
fn verify_says_why_a_certificate_did_not_come() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens at port 1, and nothing leaves this machine.
    let config = "[verify]\ncertificate_urls = [\"http://127.0.0.1:1/\"]\n";
    std::fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let url = "http://127.0.0.1:1/certificate.pem";
    let signer = Signer::from_test_key(&folder.path().join("some.key"), url).unwrap();
    let now = Clock::system().now();
    let content = PushContent {
        format: Format::Json,
        topic_owner: OWNER.to_owned(),
        topic: TOPIC.to_owned(),
        message_id: "1".to_owned(),
        tag: None,
        published_at: now,
        message: job_message("j", "Success"),
    };
    let push = build(&content, "/notifications/x", &signer, now).unwrap();
    std::fs::write(folder.path().join("push.http"), capture::write(&push)).unwrap();
    let output = run(folder.path(), &["verify", "push.http"]);
    let told = stderr(&output);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("cannot get the certificate: "), "{told}");
    assert!(told.to_lowercase().contains("refused"), "{told}");
    assert!(told.contains("--certificate FILE"), "{told}");
}
