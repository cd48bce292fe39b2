//! `docs/reliability.md` says of every fault and attack which tests hold it: they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Adds the text of all sources below `folder`.
fn read_sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, text);
        } else if path.extension().is_some_and(|it| it == "rs") {
            *text += &fs::read_to_string(path).unwrap();
        }
    }
}

/// Returns what stands behind `#[test]`, in whatever form.
fn tests_of(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for part in text.split("test]\n").skip(1) {
        let signature = part.lines().find(|line| line.contains("fn "));
        let name = signature.and_then(|line| line.split("fn ").nth(1)?.split('(').next());
        names.extend(name);
    }
    names
}

/// Returns what a row names in its last cell.
fn named(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
    last.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_of_the_table_names_tests_that_there_are() {
    let document = fs::read_to_string(file("docs/reliability.md")).unwrap();
    let mut text = String::new();
    read_sources(&file("src"), &mut text);
    read_sources(&file("tests"), &mut text);
    let tests = tests_of(&text);
    let is_row = |line: &&str| line.starts_with("| ") && !line.ends_with("| Held by |");
    let rows: Vec<&str> = document.lines().filter(is_row).collect();
    assert!(rows.len() > 60, "{} rows", rows.len());
    for row in rows {
        let names = named(row);
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(tests.contains(name), "no such test: {name}");
        }
    }
}
