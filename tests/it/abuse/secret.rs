//! The secret path, everywhere it could get out: what the server says, shows, exports, counts and
//! answers, and what the commands beside it say.

use std::fs;
use std::path::Path;

use mpsink::push::Signer;

use crate::app::{certificate, key};
use crate::binary::{run, stderr, stdout};
use crate::certificate_host::{CertificateHost, Habit};
use crate::faults::{Faulty, signed_by};
use crate::http;

/// The one place where it is to be read.
const CONNECT: [&str; 2] = ["/connect", "/connect.json"];

/// Returns the paths that are read, from the place where each of them stands.
fn read_paths() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/dashboard.rs");
    let source = fs::read_to_string(file).unwrap();
    let mut parts = source.split("reads(\"");
    parts.next();
    let paths = parts.map(|part| part.split('"').next().unwrap().to_owned());
    paths.collect()
}

#[test]
fn the_secret_path_is_in_no_log_page_export_metric_error_or_command_but_where_it_is_registered() {
    let host = CertificateHost::start(Habit::Serve(certificate(512)));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[verify]\ncertificate_urls = [\"{}\"]\n[log]\nlevel = \"trace\"\n",
        host.base()
    );
    fs::write(folder.path().join("mpsink.toml"), config).unwrap();
    let mut faulty = Faulty::start_with(folder, &[]);
    let target = faulty.server.target.clone();
    let secret = target.rsplit('/').next().unwrap().to_owned();
    assert_eq!(secret.len(), 32);
    let signer = Signer {
        key: key(512),
        certificate_url: format!("{}a.pem", host.base()),
    };

    // One of each kind: stored, held, refused, astray, broken off, of another method.
    let receiver = faulty.server.receiver;
    let stored = signed_by(&signer, &target, "stored");
    let text = String::from_utf8(stored.clone()).unwrap();
    let pushes = [
        (stored, 204),
        (
            text.replacen("x-mns-version: ", "x-mns-version: 1", 1)
                .into_bytes(),
            403,
        ),
        (
            text.replacen(&target, &format!("{target}/more"), 1)
                .into_bytes(),
            404,
        ),
        (
            text.replacen(&target, &format!("{}?x", target.to_uppercase()), 1)
                .into_bytes(),
            404,
        ),
        (text.replacen("Success", "Failure", 1).into_bytes(), 403),
    ];
    let mut answers = Vec::new();
    for (push, status) in pushes {
        let answer = http::send(receiver, &push);
        assert_eq!(answer.status, status, "{}", answer.text());
        answers.push(("the receiver".to_owned(), answer));
    }
    let other_method = http::get(receiver, &target);
    assert_eq!(other_method.status, 405);
    answers.push((target.clone(), other_method));
    while faulty.server.items("/refusals.json").is_empty() {
        std::thread::yield_now();
    }

    // Everything there is to read, also in the wrong way.
    let dashboard = faulty.server.dashboard;
    let ids = ["deliveries", "held", "refusals"].map(|list| {
        let items = faulty.server.items(&format!("/{list}.json"));
        (list, items[0]["id"].to_string())
    });
    for path in read_paths() {
        let mut path = path.replace("{queue}", "mps-std").replace("{id}", "{}");
        for (list, id) in &ids {
            if path.starts_with(&format!("/{list}/")) {
                path = path.replace("{}", id);
            }
        }
        let path = path.replace("{}", "stored");
        if path == "/live" || CONNECT.contains(&path.as_str()) {
            continue;
        }
        answers.push((path.clone(), http::get(dashboard, &path)));
    }
    assert!(answers.len() > 60, "{} answers", answers.len());
    for path in [
        &target,
        &format!("/jobs?colour={secret}x"),
        &format!("/jobs{target}"),
    ] {
        // Whoever asks by it has it; nobody else is told.
        http::get(dashboard, path);
    }
    http::request(dashboard, "POST", &target, &[]);
    for (path, answer) in &answers {
        let mut text = answer.text();
        for (name, value) in &answer.headers {
            text += &format!("{name}: {value}\n");
        }
        assert!(!text.to_lowercase().contains(&secret), "{path}: {text}");
    }

    let folder = faulty.folder.path().to_owned();
    let commands: [&[&str]; 9] = [
        &["doctor"],
        &["healthcheck"],
        &["config", "print"],
        &["config", "check"],
        &["export", "jobs"],
        &["export", "deliveries", "--format", "ndjson"],
        &["export", "refusals", "--format", "ndjson"],
        &["rebuild", "--dry-run"],
        &["prune", "--dry-run"],
    ];
    for command in commands {
        let output = run(&folder, command);
        let told = stdout(&output) + &stderr(&output);
        assert!(
            !told.to_lowercase().contains(&secret),
            "{command:?}: {told}"
        );
    }

    // A second start, whose output goes to a journal; the first has announced it to a person.
    assert_eq!(faulty.server.terminate(), 0);
    let said = faulty.said();
    assert!(said.contains("push"), "it was logged: {said}");
    faulty.start_again();
    let said = said + &faulty.server.printed.join("\n") + &faulty.said();
    for line in said.lines() {
        assert!(!line.to_lowercase().contains(&secret), "{line}");
    }
}
