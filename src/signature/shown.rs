//! How a stranger's bytes are shown: bounded, without what could steer a terminal or a reader's
//! eye, and without the secret in the path.

use crate::notification::source::masked;

/// Returns `bytes` as text on one line: control and direction characters and bytes that are no
/// UTF-8 as escapes, and at most about `bytes_max` bytes of it.
pub(super) fn line(bytes: &[u8], bytes_max: usize) -> String {
    visible(bytes, bytes_max, |_| false)
}

/// Returns `bytes` as [`line()`] does, but with its line feeds and tabs.
pub(super) fn text(bytes: &[u8], bytes_max: usize) -> String {
    visible(bytes, bytes_max, |c| matches!(c, '\n' | '\t'))
}

/// Returns a request target with the last segment of its path and its query hidden.
pub(super) fn target(target: &str) -> String {
    line(masked(target).as_bytes(), TARGET_BYTES_MAX)
}

/// The most bytes shown of a request target.
const TARGET_BYTES_MAX: usize = 512;

fn visible(bytes: &[u8], bytes_max: usize, is_kept: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if shown.len() >= bytes_max {
                return shortened(&shown, bytes);
            }
            if is_kept(c) || !(c.is_control() || is_invisible(c)) {
                shown.push(c);
            } else {
                shown.extend(c.escape_default());
            }
        }
        for byte in chunk.invalid() {
            if shown.len() >= bytes_max {
                return shortened(&shown, bytes);
            }
            shown.push_str("\\x");
            shown.extend([byte >> 4, byte & 15].map(hex_digit));
        }
    }
    shown
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('?')
}

fn shortened(shown: &str, bytes: &[u8]) -> String {
    format!("{shown}… ({} bytes in all)", bytes.len())
}

/// Tells whether a reader would not see `c`, or would see what follows in another order.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        let cases: [(&[u8], &str); 5] = [
            (b"plain \\ \"text\"", "plain \\ \"text\""),
            ("中文 é".as_bytes(), "中文 é"),
            (b"a\x1b[2Jb\r\n\0", "a\\u{1b}[2Jb\\r\\n\\u{0}"),
            ("a\u{202e}b\u{85}".as_bytes(), "a\\u{202e}b\\u{85}"),
            (b"a\xff\xc3b\xe4\xb8", "a\\xff\\xc3b\\xe4\\xb8"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(line(bytes, 100), expected);
        }
        assert_eq!(text(b"a\n\tb\r", 100), "a\n\tb\\r");
    }

    #[test]
    fn no_more_is_shown_than_the_bound() {
        assert_eq!(line(b"12345", 5), "12345");
        assert_eq!(line(b"123456", 5), "12345… (6 bytes in all)");
        assert_eq!(line(&[0xff; 9], 5), "\\xff\\xff… (9 bytes in all)");
    }

    #[test]
    fn the_secret_in_a_target_is_never_shown() {
        let cases = [
            ("/notifications/secret", "/notifications/•••"),
            ("/notifications/secret/", "/notifications/•••/"),
            ("/notifications/secret//", "/notifications/•••/"),
            ("/notifications/secret?a=/b", "/notifications/•••?•••"),
            ("/notifications/secret/?a", "/notifications/•••/?•••"),
            ("/secret", "/•••"),
            ("/", "/"),
            ("", ""),
            ("secret", "•••"),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path), expected, "{path}");
        }
    }
}
