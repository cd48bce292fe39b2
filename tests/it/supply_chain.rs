//! What the program is built from, held against `deny.toml` as far as that needs no network: where
//! each crate comes from, under which licence, and that none of the banned ones is there.
//!
//! Advisories change without us, so they are for `cargo deny check advisories` and not for a test.

use std::process::Command;

use serde_json::Value;
use toml::Table;

#[test]
fn every_crate_comes_from_where_deny_toml_allows() {
    let rules = rules();
    let registries = texts(&rules["sources"]["allow-registry"]);
    for krate in crates() {
        let is_allowed = match krate["source"].as_str() {
            None => krate["name"] == "mpsink",
            Some(source) => registries
                .iter()
                .any(|registry| source == format!("registry+{registry}")),
        };
        assert!(is_allowed, "{} from {}", krate["name"], krate["source"]);
    }
}

#[test]
fn every_crate_has_a_licence_that_deny_toml_allows() {
    let rules = rules();
    let allowed = texts(&rules["licenses"]["allow"]);
    for krate in crates() {
        let licence = krate["license"].as_str().unwrap_or_default();
        assert!(holds(licence, &allowed), "{}: `{licence}`", krate["name"]);
    }
}

#[test]
fn no_banned_crate_is_there() {
    let rules = rules();
    let banned = rules["bans"]["deny"].as_array().unwrap();
    for ban in banned {
        let ban = ban["crate"].as_str().unwrap();
        let (name, version) = ban.split_once('@').unwrap_or((ban, ""));
        let found = crates().into_iter().find(|krate| {
            let is_version = krate["version"].as_str().unwrap().starts_with(version);
            krate["name"] == name && is_version
        });
        assert_eq!(found.map(|krate| krate["version"].clone()), None, "{ban}");
    }
}

/// The fuzz targets have a lock file of their own, whose crates a fresh clone has not fetched: so it is
/// held against the file, and not against what cargo resolves.
#[test]
fn the_fuzz_targets_add_nothing_but_libfuzzer() {
    let ours = locked(include_str!("../../Cargo.lock"));
    let added = ["arbitrary", "jobserver", "libfuzzer-sys", "mpsink-fuzz"];
    let registries = texts(&rules()["sources"]["allow-registry"]);
    for (name, source) in locked(include_str!("../../fuzz/Cargo.lock")) {
        let is_ours = ours.iter().any(|(other, _)| *other == name);
        assert!(is_ours || added.contains(&name.as_str()), "{name}");
        let is_from_there = |registry: &String| source == format!("registry+{registry}");
        let is_here = source.is_empty() && name.starts_with("mpsink");
        assert!(
            is_here || registries.iter().any(is_from_there),
            "{name} {source}"
        );
    }
}

#[test]
fn the_fuzz_targets_have_the_same_rules_and_the_licence_of_libfuzzer() {
    let ours = rules();
    let theirs: Table = include_str!("../../fuzz/deny.toml").parse().unwrap();
    let mut licences = texts(&ours["licenses"]["allow"]);
    licences.push("NCSA".to_owned());
    licences.sort();
    assert_eq!(texts(&theirs["licenses"]["allow"]), licences);
    assert_eq!(theirs["bans"]["deny"], ours["bans"]["deny"]);
    assert_eq!(theirs["sources"], ours["sources"]);
}

#[test]
fn a_licence_is_read_as_its_words_say() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    let cases = [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only / MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(GPL-3.0-only OR MIT) AND ISC", true),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", false),
        ("MIT WITH LLVM-exception", false),
        ("", false),
    ];
    for (licence, expected) in cases {
        assert_eq!(holds(licence, &allowed), expected, "{licence}");
    }
}

/// Tells whether `allowed` is enough for an SPDX expression: every part of an `AND`, one of an `OR`
/// (once written `/`). Brackets are one deep, as in every crate there is.
fn holds(expression: &str, allowed: &[String]) -> bool {
    let parts = split_outside_brackets(expression, " AND ");
    parts.iter().all(|part| {
        let part = part
            .strip_prefix('(')
            .and_then(|part| part.strip_suffix(')'))
            .unwrap_or(part)
            .replace('/', " OR ");
        let mut choices = part.split(" OR ").map(str::trim);
        choices.any(|choice| allowed.iter().any(|allowed| allowed == choice))
    })
}

fn split_outside_brackets<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut begin, mut depth) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && at >= begin && text[at..].starts_with(separator) {
            parts.push(&text[begin..at]);
            begin = at + separator.len();
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn rules() -> Table {
    include_str!("../../deny.toml").parse().unwrap()
}

fn texts(list: &toml::Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Returns the crates of a lock file with where they come from, empty for those of this repository.
fn locked(lock: &str) -> Vec<(String, String)> {
    let lock: Table = lock.parse().unwrap();
    let crates = lock["package"].as_array().unwrap().iter();
    let text = |krate: &toml::Value, key| {
        let value = krate.get(key).and_then(toml::Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    crates
        .map(|krate| (text(krate, "name"), text(krate, "source")))
        .collect()
}

/// Returns every crate that a build or a test of this program takes in on Linux.
fn crates() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let crates = metadata["packages"].as_array().unwrap().clone();
    assert!(crates.len() > 100, "{} crates", crates.len());
    crates
}
