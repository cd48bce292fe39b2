//! The machine does not let a server start: what it says, and that it ends.

use std::fs::OpenOptions;
use std::io::Write;

use crate::faults::Faulty;

/// More than a server begins before its writer.
const THREADS_BEFORE_WRITER_MAX: i64 = 64;

/// Tries to start while something is wrong, and returns what was said.
fn refusal(faulty: &Faulty) -> String {
    let (status, said) = faulty.fail_to_start();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_file_system_without_shared_memory_is_refused_and_told_what_to_do() {
    let mut faulty = Faulty::start();
    faulty.server.terminate();
    faulty.begin("map");
    let said = refusal(&faulty);
    let says = "mpsink-try.db cannot have a log beside it; put it on a local disk";
    assert!(said.contains(says), "{said}");
    faulty.end("map");
    faulty.start_again();
    assert_eq!(faulty.push("after").status, 204);
}

#[test]
fn a_limit_on_threads_that_leaves_none_for_the_writer_is_named() {
    let mut faulty = Faulty::start();
    faulty.server.terminate();
    let says = "cannot start the store's writer; check the limits on threads";
    let found = (0..THREADS_BEFORE_WRITER_MAX).find(|threads| {
        faulty.set("threads", *threads);
        refusal(&faulty).contains(says)
    });
    assert!(found.is_some());
    faulty.end("threads");
    faulty.start_again();
    assert_eq!(faulty.push("after").status, 204);
}

#[test]
fn a_disk_that_takes_no_new_source_is_named_and_the_source_comes_with_the_next_start() {
    let mut faulty = Faulty::start();
    faulty.server.terminate();
    let config = faulty.folder.path().join("mpsink.toml");
    let mut config = OpenOptions::new().append(true).open(config).unwrap();
    writeln!(
        config,
        "name = \"new\"\npaths = [\"/new/0123456789abcdef\"]"
    )
    .unwrap();
    for (fault, cause) in [("full", "the disk is full"), ("write", "disk I/O error")] {
        faulty.begin(fault);
        let said = refusal(&faulty);
        let says = "cannot write the sources to the database";
        assert!(said.contains(says) && said.contains(cause), "{said}");
        faulty.end(fault);
    }
    faulty.start_again();
    assert_eq!(faulty.push("after").status, 204);
}
