//! A delivery written as an HTTP request, and read back.
//!
//! This is what `.http` addresses give out, what `mpsink verify` reads, and how the store keeps a
//! push's head. Written with CRLF; read with CRLF or LF, so that a capture copied from an editor
//! works. The body may be missing, in which case there is no blank line's worth of it to check.

use thiserror::Error;

use crate::clock::Timestamp;
use crate::notification::delivery::{Delivery, Headers};
use crate::notification::source::SourceId;

/// A captured request: a delivery whose body may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub method: String,
    /// The request target as on the request line.
    pub target: String,
    pub headers: Headers,
    /// `None` if nothing followed the blank line.
    pub body: Option<Vec<u8>>,
}

/// Why bytes are not a captured request. Lines are counted from 1.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CaptureError {
    #[error("line 1 is no request line, such as `POST /notifications HTTP/1.1`")]
    RequestLine,
    #[error("line {line} is no header, such as `Content-Type: text/xml`")]
    Header { line: usize },
}

impl Capture {
    pub fn of(delivery: &Delivery) -> Capture {
        Capture {
            method: "POST".to_owned(),
            target: delivery.target.clone(),
            headers: delivery.headers.clone(),
            body: Some(delivery.body.clone()),
        }
    }

    /// Returns the delivery this was, as if `source` had received it at `received_at`; a missing
    /// body becomes an empty one.
    pub fn into_delivery(self, source: SourceId, received_at: Timestamp) -> Delivery {
        Delivery {
            source,
            target: self.target,
            headers: self.headers,
            body: self.body.unwrap_or_default(),
            received_at,
        }
    }
}

/// Reads request line, headers, blank line and body. Spaces and tabs around a header's value are
/// dropped, as HTTP has it; everything else is kept byte for byte.
pub fn parse(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let mut rest = bytes;
    let line = take_line(&mut rest);
    let (method, target) = parse_request_line(line).ok_or(CaptureError::RequestLine)?;

    let mut headers = Headers::default();
    let mut number = 1;
    let mut ended = false;
    while !rest.is_empty() {
        number += 1;
        let line = take_line(&mut rest);
        if line.is_empty() {
            ended = true;
            break;
        }
        let (name, value) = parse_header(line).ok_or(CaptureError::Header { line: number })?;
        headers.add(name, value);
    }
    let body = (ended && !rest.is_empty()).then(|| rest.to_vec());
    Ok(Capture {
        method,
        target,
        headers,
        body,
    })
}

/// Writes the request line and headers, each ended by CRLF, without the blank line.
pub fn write_head(method: &str, target: &str, headers: &Headers) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers.iter() {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head
}

/// Writes the whole request.
pub fn write(capture: &Capture) -> Vec<u8> {
    let mut request = write_head(&capture.method, &capture.target, &capture.headers);
    request.extend_from_slice(b"\r\n");
    if let Some(body) = &capture.body {
        request.extend_from_slice(body);
    }
    request
}

/// Takes the bytes before the next line feed, without a carriage return at their end.
fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (line, after) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => {
            let (line, after) = rest.split_at(at);
            (line, after.get(1..).unwrap_or_default())
        }
        None => (*rest, &[][..]),
    };
    *rest = after;
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn parse_request_line(line: &[u8]) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    let is_request = is_method && !target.is_empty() && version.starts_with("HTTP/");
    is_request.then(|| (method.to_owned(), target.to_owned()))
}

fn parse_header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let name = std::str::from_utf8(name).ok()?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    let value = value.get(1..)?.trim_ascii();
    is_name.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_capture_with_bare_line_feeds_and_no_body_is_read() {
        let text =
            b"POST /notifications HTTP/1.1\nContent-md5: abc=\nx-mns-version:2015-06-06 \n\n";
        let capture = parse(text).unwrap();
        assert_eq!(capture.target, "/notifications");
        assert_eq!(capture.headers.first("content-md5"), Some(&b"abc="[..]));
        assert_eq!(
            capture.headers.first("x-mns-version"),
            Some(&b"2015-06-06"[..])
        );
        assert_eq!(capture.body, None);
    }

    #[test]
    fn what_is_no_request_says_which_line() {
        assert_eq!(parse(b""), Err(CaptureError::RequestLine));
        assert_eq!(parse(b"<html>\n"), Err(CaptureError::RequestLine));
        let broken = b"POST / HTTP/1.1\r\nDate: x\r\nno colon here\r\n\r\n";
        assert_eq!(parse(broken), Err(CaptureError::Header { line: 3 }));
    }

    proptest! {
        #[test]
        fn a_written_capture_is_read_back(
            values in prop::collection::vec("[!-~\u{80}-\u{ff}]{1,20}", 0..5),
            body in prop::collection::vec(any::<u8>(), 1..50),
        ) {
            let mut headers = Headers::default();
            for (at, value) in values.iter().enumerate() {
                headers.add(&format!("x-mns-{at}"), value.as_bytes());
            }
            let capture = Capture {
                method: "POST".to_owned(),
                target: "/a?b=%61".to_owned(),
                headers,
                body: Some(body),
            };
            prop_assert_eq!(parse(&write(&capture)).unwrap(), capture);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
