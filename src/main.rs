//! The program's entry: parse, run, exit code.

fn main() {}
