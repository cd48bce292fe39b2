#![no_main]

use std::sync::LazyLock;
use std::{env, fs, process};

use mpsink_fuzz::Lists;

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let folder = env::temp_dir().join(format!("mpsink-fuzz-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder for the database");
    Lists::open(&folder)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| LISTS.ask(bytes));
