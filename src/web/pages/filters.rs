//! The filters above a list: choices as links, and whether any is set.
//!
//! A link keeps what else was given but the cursor, since that was a place among other rows.

use crate::notification::event::JobState;
use crate::web::lists::Given;

/// The lengths of time that lists offer as links.
const SINCE: [(&str, &str); 4] = [
    ("", "any time"),
    ("1h", "last hour"),
    ("24h", "last 24 h"),
    ("7d", "last 7 days"),
];

/// A filter as a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    pub text: &'static str,
    pub link: String,
    pub is_on: bool,
}

/// Returns a link for each value of the parameter `name` and one, called `any`, for none of them.
pub fn words(
    path: &str,
    given: &Given,
    name: &str,
    any: &'static str,
    words: &[&'static str],
) -> Vec<Chip> {
    let choices = words.iter().map(|word| (*word, *word));
    let choices = [("", any)].into_iter().chain(choices);
    choices
        .map(|(value, text)| chip(path, given, name, value, text))
        .collect()
}

/// Returns a link for each state that a job or an activity may have.
pub fn states(path: &str, given: &Given) -> Vec<Chip> {
    let all = JobState::ALL.map(JobState::word);
    words(path, given, "state", "any state", &all)
}

/// Returns a link for each length of time back from now.
pub fn since(path: &str, given: &Given) -> Vec<Chip> {
    let chips = SINCE.map(|(value, text)| chip(path, given, "from", value, text));
    chips.into_iter().collect()
}

/// Tells whether one of the `known` parameters is given that chooses rows.
pub fn is_filtered(given: &Given, known: &[&str]) -> bool {
    let is_filter = |name: &&&str| !matches!(**name, "limit" | "cursor");
    let mut filters = known.iter().filter(is_filter);
    filters.any(|name| given.find(name).is_some())
}

fn chip(path: &str, given: &Given, name: &str, value: &str, text: &'static str) -> Chip {
    Chip {
        text,
        link: given.with("cursor", "").with(name, value).link(path),
        is_on: given.text(name) == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["workflow", "state", "limit", "cursor"];

    #[test]
    fn a_choice_keeps_the_other_filters_and_starts_at_the_newest() {
        let given = Given::parse("workflow=w&state=failed&limit=5&cursor=c", KNOWN).unwrap();
        let chips = words("/runs", &given, "state", "any", &["failed", "stale"]);
        let links: Vec<_> = chips.iter().map(|chip| chip.link.as_str()).collect();
        let expected = [
            "/runs?workflow=w&limit=5",
            "/runs?workflow=w&limit=5&state=failed",
            "/runs?workflow=w&limit=5&state=stale",
        ];
        assert_eq!(links, expected);
        let on: Vec<_> = chips.iter().map(|chip| chip.is_on).collect();
        assert_eq!(on, [false, true, false]);
    }

    #[test]
    fn where_a_page_starts_and_how_long_it_is_chooses_no_rows() {
        for (query, expected) in [("", false), ("limit=5&cursor=c", false), ("state=x", true)] {
            let given = Given::parse(query, KNOWN).unwrap();
            assert_eq!(is_filtered(&given, KNOWN), expected, "{query}");
        }
    }
}
