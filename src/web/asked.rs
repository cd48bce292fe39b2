//! Which job or run an address asks for, and the addresses that ask for one.
//!
//! An id is the last segment of `/jobs/{id}` and `/runs/{id}`. MPS's ids are 32 hex digits, but a
//! message may have any text there. One with a dot in it does not always arrive: `.` and `..` are
//! taken off by browsers, and `x.json` asks for the JSON of `x`. So those have the address
//! `/job?id=` and `/run?id=`, which every id fits into.

use std::time::Duration;

use actix_web::web;

use crate::web::lists::{Expected, Given, QueryError, encoded, parsed};
use crate::web::waiting::WAIT_MAX_S;

/// What an address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub id: String,
    /// For an id that several accounts have.
    pub owner: Option<String>,
}

impl Asked {
    /// Reads the id from the path, or else from the query; with none the id is empty, which nothing
    /// has.
    pub fn parse(query: &str, path: Option<web::Path<String>>) -> Result<Asked, QueryError> {
        let known: &[&str] = match path {
            Some(_) => &["owner"],
            None => &["id", "owner"],
        };
        Ok(Asked::of(&Given::parse(query, known)?, path))
    }

    /// Reads the same with `wait`: how long the answer may take to come.
    pub fn parse_waiting(
        query: &str,
        path: Option<web::Path<String>>,
    ) -> Result<(Asked, Option<Duration>), QueryError> {
        let known: &[&str] = match path {
            Some(_) => &["owner", "wait"],
            None => &["id", "owner", "wait"],
        };
        let given = Given::parse(query, known)?;
        let wait = parsed(&given, "wait", Expected::Wait, |text| {
            let seconds = text.parse().ok()?;
            (1..=WAIT_MAX_S).contains(&seconds).then_some(seconds)
        })?;
        Ok((Asked::of(&given, path), wait.map(Duration::from_secs)))
    }

    fn of(given: &Given, path: Option<web::Path<String>>) -> Asked {
        let owner = given.find("owner").map(str::to_owned);
        let id = path.map(web::Path::into_inner);
        let id = id.unwrap_or_else(|| given.text("id").to_owned());
        Asked { id, owner }
    }

    /// Tells whether it is the one of `owner` that is asked for, or any owner's.
    pub fn is_of(&self, owner: &str) -> bool {
        self.owner.as_deref().is_none_or(|asked| asked == owner)
    }
}

/// Returns the address of a job's page.
pub fn job_link(id: &str) -> String {
    link(id, "job", "")
}

/// Returns the address of a run's page.
pub fn run_link(id: &str) -> String {
    link(id, "run", "")
}

/// Returns the address of the JSON of one owner's job.
pub fn job_json_link(id: &str, owner: &str) -> String {
    json_link(id, "job", owner)
}

/// Returns the address of the JSON of one owner's run.
pub fn run_json_link(id: &str, owner: &str) -> String {
    json_link(id, "run", owner)
}

fn json_link(id: &str, word: &str, owner: &str) -> String {
    let link = link(id, word, ".json");
    let separator = if link.contains('?') { '&' } else { '?' };
    format!("{link}{separator}owner={}", encoded(owner))
}

fn link(id: &str, word: &str, ending: &str) -> String {
    let id_encoded = encoded(id);
    if id.contains('.') {
        format!("/{word}{ending}?id={id_encoded}")
    } else {
        format!("/{word}s/{id_encoded}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_or_one_value_of_its_address() {
        let cases = [
            ("a1", "/jobs/a1"),
            ("a/b?c#\"é", "/jobs/a%2Fb%3Fc%23%22%C3%A9"),
            (".", "/job?id=."),
            ("..", "/job?id=.."),
            ("a.json", "/job?id=a.json"),
            ("a&b.c", "/job?id=a%26b.c"),
        ];
        for (id, expected) in cases {
            assert_eq!(job_link(id), expected);
            assert_eq!(run_link(id), expected.replace("job", "run"));
        }
        assert_eq!(job_json_link("a", "1&2"), "/jobs/a.json?owner=1%262");
        assert_eq!(run_json_link("a.b", "1"), "/run.json?id=a.b&owner=1");
    }

    #[test]
    fn the_id_is_in_the_path_or_in_the_query_and_never_in_both() {
        let path = |id: &str| Some(web::Path::from(id.to_owned()));
        let asked = |id: &str, owner: Option<&str>| Asked {
            id: id.to_owned(),
            owner: owner.map(str::to_owned),
        };
        let parse = |query, path| Asked::parse(query, path).unwrap();
        assert_eq!(parse("", path("a")), asked("a", None));
        assert_eq!(parse("owner=1", path("a")), asked("a", Some("1")));
        assert_eq!(parse("id=..&owner=1", None), asked("..", Some("1")));
        assert_eq!(parse("", None), asked("", None));
        assert!(Asked::parse("id=b", path("a")).is_err());
        assert!(Asked::parse("state=failed", None).is_err());
    }

    #[test]
    fn an_asked_owner_is_the_only_one() {
        let parse = |query| Asked::parse(query, None).unwrap();
        assert!(parse("id=a").is_of("1"));
        assert!(parse("id=a&owner=1").is_of("1"));
        assert!(!parse("id=a&owner=1").is_of("2"));
    }
}
