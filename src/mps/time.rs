//! The times in messages, in all the ways they have been written.
//!
//! Messages write UTC to the second (`2024-05-06T08:00:01Z`); documented samples have stray blanks
//! in it, and a user's own submitter may send seconds or milliseconds since 1970. What is no time,
//! or an absurd one, is `None`: a bad time never fails a message, it stays in `extra`.

use crate::clock::Timestamp;
use crate::mps::json::Json;

/// 2000-01-01T00:00:00Z, the earliest time believed: MPS is younger.
const EARLIEST: Timestamp = Timestamp(946_684_800_000);
/// 2100-01-01T00:00:00Z: no time from here on is believed. Between the two bounds a number is
/// either seconds or milliseconds, never both.
const LATEST: Timestamp = Timestamp(4_102_444_800_000);
/// Longer texts are no times; so a text of a megabyte costs nothing.
const TEXT_BYTES_MAX: usize = 64;

/// Reads a time from a text or a number.
pub(super) fn parse(json: &Json) -> Option<Timestamp> {
    match json {
        Json::Text(text) => parse_text(text),
        Json::Number(number) => parse_number(number.as_i64()?),
        Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
    }
}

fn parse_text(text: &str) -> Option<Timestamp> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return parse_number(number);
    }
    // As it is first: a blank may stand for the `T`.
    let without_blanks: String = text.split_whitespace().collect();
    [text, &without_blanks]
        .into_iter()
        .find_map(parse_date)
        .filter(|time| is_believable(*time))
}

/// Reads RFC 3339; without a zone it is UTC, as all times of MPS are.
fn parse_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
}

fn parse_number(number: i64) -> Option<Timestamp> {
    [number.checked_mul(1_000), Some(number)]
        .into_iter()
        .flatten()
        .map(Timestamp)
        .find(|time| is_believable(*time))
}

fn is_believable(time: Timestamp) -> bool {
    (EARLIEST..LATEST).contains(&time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mps::json;

    #[test]
    fn a_time_is_read_in_every_way_it_has_been_written() {
        let cases = [
            (r#""2024-05-06T08:00:01Z""#, "2024-05-06T08:00:01.000Z"),
            (r#""2024-05-06T08: 00: 01Z""#, "2024-05-06T08:00:01.000Z"),
            (r#"" 2024-05-06 T08:00:01 Z ""#, "2024-05-06T08:00:01.000Z"),
            (r#""2024-05-06 08:00:01Z""#, "2024-05-06T08:00:01.000Z"),
            (r#""2024-05-06T08:00:01""#, "2024-05-06T08:00:01.000Z"),
            (
                r#""2024-05-06T16:00:01.5+08:00""#,
                "2024-05-06T08:00:01.500Z",
            ),
            ("1714982401", "2024-05-06T08:00:01.000Z"),
            ("1714982401206", "2024-05-06T08:00:01.206Z"),
            (r#""1714982401""#, "2024-05-06T08:00:01.000Z"),
            (r#""1714982401206 ""#, "2024-05-06T08:00:01.206Z"),
            ("946684800", "2000-01-01T00:00:00.000Z"),
            ("4102444799999", "2099-12-31T23:59:59.999Z"),
        ];
        for (text, expected) in cases {
            let time = parse(&json::parse(text.as_bytes()).unwrap());
            assert_eq!(time.unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_an_absurd_one_is_none() {
        let long = format!("\"{}2024-05-06T08:00:01Z\"", " ".repeat(TEXT_BYTES_MAX));
        let cases = [
            "null",
            "true",
            "{}",
            r#""""#,
            r#""soon""#,
            r#""2024-05-06T08:0001Z""#,
            r#""2024-13-06T08:00:01Z""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""9999-12-31T23:59:59Z""#,
            "0",
            "-1",
            "12",
            "1714982401.5",
            "946684799",
            "4102444800000",
            "9223372036854775807",
            "18446744073709551615",
            "1e300",
            &long,
        ];
        for text in cases {
            let json = json::parse(text.as_bytes()).unwrap();
            assert_eq!(parse(&json), None, "{text}");
        }
    }
}
