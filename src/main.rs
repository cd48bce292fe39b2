//! The program's entry: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpsink::cli::run()
}
