//! The tests of the whole program, through its doors. One binary, so that it links once.

mod tidy;
