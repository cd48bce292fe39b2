//! What would have to differ for a signature to hold: the changes that proxies and frameworks are
//! known to make, undone one at a time, then two together.
//!
//! The list is fixed and short, so that explaining a push has a bounded price; it is for a person
//! who looks for the one thing to fix, and decides nothing.

use percent_encoding::percent_decode_str;

use crate::notification::delivery::Headers;
use crate::signature::{shown, string_to_sign};

/// The most signatures checked to explain one push. Undoing one change takes about 20 checks, two
/// about 200.
const CHECKS_MAX: usize = 256;

/// The most configured paths that are tried.
const PATHS_MAX: usize = 8;

/// The most segments that are taken off the front of a path: what a proxy may have put there.
const SEGMENTS_MAX: usize = 3;

/// The most bytes shown of a header's value.
const VALUE_BYTES_MAX: usize = 200;

/// The two content types that have been seen in pushes.
const SEEN_CONTENT_TYPES: [&str; 2] = ["text/xml;charset=utf-8", "text/plain;charset=utf-8"];

/// A change that may have been made on the way, undone.
struct Change<T> {
    /// What it is, in words that complete "the signature would hold with …"; empty for none.
    words: String,
    value: T,
}

/// Returns in words with which changes `holds` is true of the string to sign; those of one change
/// alone, or if there are none, of a path and a header together.
pub(super) fn changes_that_help(
    target: &str,
    headers: &Headers,
    prefix: &str,
    paths: &[String],
    holds: impl Fn(&[u8]) -> bool,
) -> Vec<String> {
    let targets = target_changes(target, prefix, paths);
    let headers_changed = header_changes(headers);
    let mut checks_left = CHECKS_MAX;
    let mut helps = |target: &str, headers: &Headers| {
        let may = checks_left > 0;
        checks_left = checks_left.saturating_sub(1);
        may && holds(&string_to_sign::string_to_sign(target, headers))
    };

    let mut helpful = Vec::new();
    for change in &targets {
        if helps(&change.value, headers) {
            helpful.push(change.words.clone());
        }
    }
    for change in &headers_changed {
        if helps(target, &change.value) {
            helpful.push(change.words.clone());
        }
    }
    if !helpful.is_empty() {
        return helpful;
    }
    for target in &targets {
        for headers in &headers_changed {
            if helps(&target.value, &headers.value) {
                helpful.push(format!("{}, and {}", target.words, headers.words));
            }
        }
    }
    helpful
}

/// Returns other targets that the push may have been signed for, each once.
fn target_changes(target: &str, prefix: &str, paths: &[String]) -> Vec<Change<String>> {
    let mut starts = vec![(String::new(), target.to_owned())];
    if !prefix.is_empty() {
        let words = format!(
            "{} before the path",
            shown::line(prefix.as_bytes(), VALUE_BYTES_MAX)
        );
        starts.push((words, format!("{prefix}{target}")));
    }
    for path in paths.iter().take(PATHS_MAX) {
        starts.push((
            format!("the configured path {}", shown::target(path)),
            path.clone(),
        ));
    }
    for (words, rest) in without_first_segments(target) {
        starts.push((words.to_owned(), rest));
    }

    let mut changes: Vec<Change<String>> = Vec::new();
    for (start_words, start) in starts {
        for (form_words, value) in forms_of(&start) {
            let is_new = value != target && changes.iter().all(|change| change.value != value);
            if is_new {
                let words = [start_words.as_str(), form_words];
                let words = words.into_iter().filter(|words| !words.is_empty());
                let words = words.collect::<Vec<_>>().join(", ");
                changes.push(Change { words, value });
            }
        }
    }
    changes
}

/// Returns the target without its first segment, its first two, and so on. The words do not show
/// the segments, since one of them may be the secret.
fn without_first_segments(target: &str) -> Vec<(&'static str, String)> {
    let words = [
        "the path without its first segment",
        "the path without its first two segments",
        "the path without its first three segments",
    ];
    let slashes = target.match_indices('/').skip(1).take(SEGMENTS_MAX);
    let rests = slashes.filter_map(|(at, _)| target.get(at..));
    words.into_iter().zip(rests.map(str::to_owned)).collect()
}

/// Returns a target and its neighbours.
fn forms_of(target: &str) -> Vec<(&'static str, String)> {
    let mut forms = vec![("", target.to_owned())];
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let (slash_words, slashed) = match path.strip_suffix('/') {
        Some(stem) => ("the path without the slash at its end", stem.to_owned()),
        None => ("the path with a slash at its end", format!("{path}/")),
    };
    if let Some(query) = query {
        forms.push(("the path without the query", path.to_owned()));
        forms.push((slash_words, format!("{slashed}?{query}")));
    } else {
        forms.push((slash_words, slashed));
    }
    if let Ok(decoded) = percent_decode_str(path).decode_utf8() {
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        forms.push(("the path percent-decoded", format!("{decoded}{query}")));
    }
    forms
}

/// Returns the headers in the forms in which they may have been signed.
fn header_changes(headers: &Headers) -> Vec<Change<Headers>> {
    let mut changes = Vec::new();
    let mut trimmed = Headers::default();
    for (name, value) in headers.iter() {
        trimmed.add(name, value.trim_ascii());
    }
    if trimmed != *headers {
        changes.push(Change {
            words: "the header values without the spaces around them".to_owned(),
            value: trimmed,
        });
    }
    for value in content_types_like(headers.first_text("content-type")) {
        let words = match value.as_str() {
            "" => "no Content-Type".to_owned(),
            value => format!(
                "Content-Type `{}`",
                shown::line(value.as_bytes(), VALUE_BYTES_MAX)
            ),
        };
        changes.push(changed(headers, words, "content-type", value));
    }
    if let Some(md5) = headers.first_text("content-md5") {
        for (words, value) in [
            ("Content-MD5 in upper case", md5.to_ascii_uppercase()),
            ("Content-MD5 in lower case", md5.to_ascii_lowercase()),
        ] {
            if value != md5 {
                changes.push(changed(headers, words.to_owned(), "content-md5", value));
            }
        }
    }
    changes
}

fn changed(headers: &Headers, words: String, name: &str, value: String) -> Change<Headers> {
    let mut headers = headers.clone();
    headers.set(name, value);
    Change {
        words,
        value: headers,
    }
}

/// Returns other content types that may have been signed, each once.
fn content_types_like(content_type: Option<&str>) -> Vec<String> {
    let came = content_type.unwrap_or_default();
    let compact = came.replace(' ', "");
    let lower = compact.to_ascii_lowercase();
    let mut likely = vec![
        came.to_ascii_lowercase(),
        compact.clone(),
        compact.replace(';', "; "),
        lower.clone(),
        lower.replace(';', "; "),
        lower.replace("utf-8", "UTF-8"),
        lower.replace("utf-8", "UTF-8").replace(';', "; "),
        String::new(),
    ];
    likely.extend(SEEN_CONTENT_TYPES.map(str::to_owned));
    let mut distinct: Vec<String> = Vec::new();
    for value in likely {
        if value != came && !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str, md5: &str) -> Headers {
        let mut headers = Headers::default();
        headers.add("content-type", content_type);
        headers.add("content-md5", md5);
        headers.add("x-mns-version", "2015-06-06");
        headers
    }

    /// Explains a push that came as `target` with `came` and was signed as `signed`.
    fn check(target: &str, came: &Headers, signed: (&str, &Headers), expected: &[&str]) {
        let text = string_to_sign::string_to_sign(signed.0, signed.1);
        let paths = ["/notifications/0123".to_owned()];
        let helpful = changes_that_help(target, came, "/sink", &paths, |other| other == text);
        assert_eq!(helpful, expected, "{target} and {signed:?}");
    }

    #[test]
    fn a_changed_path_is_found() {
        let same = headers("text/xml;charset=utf-8", "ABC");
        let cases = [
            ("/n", "/n/", "the path with a slash at its end"),
            ("/n/", "/n", "the path without the slash at its end"),
            ("/n?a=b", "/n", "the path without the query"),
            ("/n?a=b", "/n/?a=b", "the path with a slash at its end"),
            ("/n%61", "/na", "the path percent-decoded"),
            ("/n", "/sink/n", "/sink before the path"),
            ("/hooks/n", "/n", "the path without its first segment"),
            (
                "/a/b/n?c=/d",
                "/n?c=/d",
                "the path without its first two segments",
            ),
            (
                "/n",
                "/sink/n/",
                "/sink before the path, the path with a slash at its end",
            ),
            (
                "/n",
                "/notifications/0123",
                "the configured path /notifications/•••",
            ),
        ];
        for (came, signed, expected) in cases {
            check(came, &same, (signed, &same), &[expected]);
        }
        check("/n", &same, ("/other", &same), &[]);
    }

    #[test]
    fn a_changed_header_is_found() {
        let signed = headers("text/xml;charset=utf-8", "ABC");
        let cases = [
            (
                headers("text/xml; charset=utf-8", "ABC"),
                "Content-Type `text/xml;charset=utf-8`",
            ),
            (
                headers("Text/XML;charset=UTF-8", "ABC"),
                "Content-Type `text/xml;charset=utf-8`",
            ),
            (
                headers("application/json", "ABC"),
                "Content-Type `text/xml;charset=utf-8`",
            ),
            (headers("", "ABC"), "Content-Type `text/xml;charset=utf-8`"),
            (
                headers("text/xml;charset=utf-8", "abc"),
                "Content-MD5 in upper case",
            ),
            (
                headers("text/xml;charset=utf-8 ", " ABC"),
                "the header values without the spaces around them",
            ),
        ];
        for (came, expected) in cases {
            check("/n", &came, ("/n", &signed), &[expected]);
        }
        let spaced = headers("text/xml; charset=utf-8", "ABC");
        check(
            "/n",
            &signed,
            ("/n", &spaced),
            &["Content-Type `text/xml; charset=utf-8`"],
        );
        let none = headers("", "ABC");
        check("/n", &signed, ("/n", &none), &["no Content-Type"]);
    }

    #[test]
    fn a_changed_path_and_a_changed_header_are_found_together() {
        let came = headers("text/xml; charset=utf-8", "ABC");
        let signed = headers("text/xml;charset=utf-8", "ABC");
        let expected =
            "the path with a slash at its end, and Content-Type `text/xml;charset=utf-8`";
        check("/n", &came, ("/n/", &signed), &[expected]);
    }

    #[test]
    fn only_the_first_configured_paths_are_tried() {
        let headers = headers("text/xml;charset=utf-8", "ABC");
        let paths: Vec<_> = (1..=PATHS_MAX + 1).map(|n| format!("/{n}")).collect();
        for (path, is_tried) in paths.iter().zip((1..).map(|n| n <= PATHS_MAX)) {
            let text = string_to_sign::string_to_sign(path, &headers);
            let helpful = changes_that_help("/n", &headers, "", &paths, |other| other == text);
            assert_eq!(!helpful.is_empty(), is_tried, "{path}");
        }
    }

    #[test]
    fn no_push_costs_more_checks_than_the_bound() {
        let paths: Vec<_> = (0..100).map(|n| format!("/path%61/{n}?a")).collect();
        let checks = std::cell::Cell::new(0);
        let helpful = changes_that_help("/n%61/?a", &headers("A; B", " aB"), "/s", &paths, |_| {
            checks.set(checks.get() + 1);
            false
        });
        assert_eq!(helpful, Vec::<String>::new());
        assert_eq!(checks.get(), CHECKS_MAX);
    }
}
