#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mpsink_fuzz::xml(bytes));
