//! The secret path, everywhere it could get out: what the server says, shows, exports, counts and
//! answers, and what the commands beside it say.

use std::fs;
use std::path::Path;

use mpsink::push::Signer;

use crate::app::{certificate, key};
use crate::binary::{run, stderr, stdout};
use crate::certificate_host::{CertificateHost, Habit};
use crate::faults::{Faulty, signed_by};
use crate::http::{self, Response};

/// Where it is to be read: where it is registered, and beside what came to a wrong one.
const CONNECT: [&str; 3] = ["/connect", "/connect.json", "/refusals"];

/// Returns the paths that are read, from the place where each of them stands.
fn read_paths() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/dashboard.rs");
    let source = fs::read_to_string(file).unwrap();
    let mut parts = source.split("reads(\"");
    parts.next();
    let paths = parts.map(|part| part.split('"').next().unwrap().to_owned());
    paths.collect()
}

/// Sends one push of each kind: stored, refused, astray twice, held, of another method.
fn push_one_of_each(faulty: &Faulty, signer: &Signer) -> Vec<(String, Response)> {
    let (receiver, target) = (faulty.server.receiver, &faulty.server.target);
    let text = String::from_utf8(signed_by(signer, target, "stored")).unwrap();
    let upper_case = format!("{}?x", target.to_uppercase());
    let pushes = [
        (text.clone(), 204),
        (text.replacen("x-mns-version: ", "x-mns-version: 1", 1), 403),
        (text.replacen(target, &format!("{target}/more"), 1), 404),
        (text.replacen(target, &upper_case, 1), 404),
        (text.replacen("Success", "Failure", 1), 403),
    ];
    let mut answers = Vec::new();
    for (push, status) in pushes {
        let answer = http::send(receiver, push.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
        answers.push(("the receiver".to_owned(), answer));
    }
    let other_method = http::get(receiver, target);
    assert_eq!(other_method.status, 405);
    answers.push(("the receiver".to_owned(), other_method));
    while faulty.server.items("/refusals.json").is_empty() {
        std::thread::yield_now();
    }
    answers
}

/// Reads everything there is to read.
fn read_all(faulty: &Faulty) -> Vec<(String, Response)> {
    let ids = ["deliveries", "held", "refusals"].map(|list| {
        let items = faulty.server.items(&format!("/{list}.json"));
        (list, items[0]["id"].to_string())
    });
    let mut answers = Vec::new();
    for path in read_paths() {
        let mut path = path.replace("{queue}", "mps-std");
        for (list, id) in &ids {
            if path.starts_with(&format!("/{list}/")) {
                path = path.replace("{id}", id);
            }
        }
        let path = path.replace("{id}", "stored");
        // Nobody could verify a capture without its path.
        let is_capture = Path::new(&path).extension().is_some_and(|it| it == "http");
        if path != "/live" && !CONNECT.contains(&path.as_str()) && !is_capture {
            answers.push((path.clone(), http::get(faulty.server.dashboard, &path)));
        }
    }
    answers
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
    let mut answers = push_one_of_each(&faulty, &signer);
    answers.extend(read_all(&faulty));
    assert!(answers.len() > 60, "{} answers", answers.len());
    for (path, answer) in &answers {
        let headers = answer.headers.iter().map(|(_, value)| value.as_str());
        let text = headers.collect::<Vec<_>>().join("\n") + &answer.text();
        assert!(!text.to_lowercase().contains(&secret), "{path}: {text}");
    }
    // Whoever asks by it has it; the log is not told.
    for path in [
        &target,
        &format!("/jobs?colour={secret}"),
        &format!("/jobs{target}"),
    ] {
        http::get(faulty.server.dashboard, path);
        http::request(faulty.server.dashboard, "POST", path, &[]);
    }

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
        let output = run(faulty.folder.path(), command);
        let told = stdout(&output) + &stderr(&output);
        assert!(
            !told.to_lowercase().contains(&secret),
            "{command:?}: {told}"
        );
    }

    // What is printed goes to a journal here.
    assert_eq!(faulty.server.terminate(), 0);
    let said = faulty.said() + &faulty.server.printed.join("\n");
    assert!(said.contains("push"), "it was logged: {said}");
    faulty.start_again();
    let said = said + &faulty.server.printed.join("\n") + &faulty.said();
    for line in said.lines() {
        assert!(!line.to_lowercase().contains(&secret), "{line}");
    }
}
