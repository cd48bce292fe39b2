//! Databases of every released schema: the program of today opens them, and they say what they said.
//!
//! `tests/data/schemas/README.md` says how one is made at a release.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::binary::{Server, run, stderr};
use crate::http::download;

/// What is compared, and where the server gives it.
const LISTS: [&str; 2] = ["jobs", "runs"];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas")
}

/// Returns the numbers of the schemas that `folder` has databases of, as their names have them.
fn schemas(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut schemas: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".db.gz").map(str::to_owned))
        .collect();
    schemas.sort();
    schemas
}

/// Does what the README says, with the program of today.
fn make(folder: &Path, schema: &str) {
    let database = format!("{schema}.db");
    let succeed = |arguments: &[&str]| {
        let output = run(folder, arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
    };
    let size = ["--jobs", "60", "--seed", "1"];
    let made = ["--ends-at", "2024-05-06T08:00:00Z", "--into", &database];
    succeed(&[&["demo", "--no-serve"], &size[..], &made].concat());
    for list in LISTS {
        let file = format!("{schema}.{list}.ndjson");
        let out = ["--format", "ndjson", "--output", &file];
        succeed(&[&["export", list, "--database", &database], &out[..]].concat());
    }
    let whole = fs::read(folder.join(&database)).unwrap();
    let packed = File::create(folder.join(format!("{database}.gz"))).unwrap();
    let mut packed = GzEncoder::new(packed, Compression::best());
    packed.write_all(&whole).unwrap();
    packed.finish().unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Requires that `now` has every field of `then`, and that each says what it said.
fn assert_says_what_it_said(then: &Value, now: &Value) {
    for (field, said) in then.as_object().unwrap() {
        assert_eq!(now.get(field), Some(said), "{field} of {then}");
    }
}

/// Serves the database of one schema, and compares its lists.
fn check(folder: &Path, schema: &str) {
    let workplace = tempfile::tempdir().unwrap();
    let packed = File::open(folder.join(format!("{schema}.db.gz"))).unwrap();
    let mut whole = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut whole).unwrap();
    fs::write(workplace.path().join("mpsink-try.db"), whole).unwrap();
    let server = Server::start(workplace.path());
    for list in LISTS {
        let then = fs::read_to_string(folder.join(format!("{schema}.{list}.ndjson")));
        let then = lines(&then.unwrap());
        assert!(!then.is_empty(), "{schema} has no {list}");
        let now = lines(&download(server.dashboard, &format!("/{list}.ndjson")));
        assert_eq!(now.len(), then.len(), "{list} of schema {schema}");
        for then in &then {
            let same = |now: &&Value| now["id"] == then["id"] && now["owner"] == then["owner"];
            let now = now.iter().find(same);
            assert_says_what_it_said(then, now.unwrap_or_else(|| panic!("no {then}")));
        }
    }
}

#[test]
fn a_database_of_every_released_schema_is_opened_and_says_what_it_said() {
    for schema in schemas(&kept()) {
        check(&kept(), &schema);
    }
}

#[test]
fn a_database_made_as_the_readme_says_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "0000");
    assert_eq!(schemas(folder.path()), ["0000"]);
    check(folder.path(), "0000");
}
