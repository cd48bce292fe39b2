//! An error with its causes, in one line: for logs and answers, whose readers see no chain.

use std::error::Error;

/// Returns what an error says, and behind it what each of its causes says.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn every_cause_is_told_outermost_first() {
        let lowest = Layer("the cable is out", None);
        let middle = Layer("no connection", Some(Box::new(lowest)));
        assert_eq!(
            chain(&Layer("no certificate", Some(Box::new(middle)))),
            "no certificate: no connection: the cable is out"
        );
    }
}
