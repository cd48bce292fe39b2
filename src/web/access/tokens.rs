//! Tokens of scripts: 32 random bytes, of which the configuration holds only the SHA-256.
//!
//! A plain digest is enough where a password needs argon2: nobody guesses 256 random bits, so there
//! is nothing to slow down. For the same reason a wrong token is answered at once.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

/// The bytes of a token before they are written as hex digits.
const TOKEN_BYTES: usize = 32;

/// What is kept of a token. It opens nothing, and is shown nowhere all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

/// A new token: what its script sends, and what the configuration keeps of it.
pub struct NewToken {
    pub token: String,
    /// The hex digits that [`TokenDigest::parse`] reads.
    pub digest: String,
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(•••)")
    }
}

impl TokenDigest {
    /// Reads 64 hex digits.
    pub fn parse(text: &str) -> Option<TokenDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(TokenDigest(bytes))
    }

    pub(super) fn of(token: &[u8]) -> TokenDigest {
        TokenDigest(Sha256::digest(token).into())
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(super) fn is(&self, other: &TokenDigest) -> bool {
        let pairs = self.0.iter().zip(other.0);
        pairs.fold(0, |differing, (own, other)| differing | (own ^ other)) == 0
    }
}

impl NewToken {
    /// Makes one; fails only if the system gives no random bytes.
    pub fn make() -> Result<NewToken, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        let token = hex(&bytes);
        let digest = hex(&TokenDigest::of(token.as_bytes()).0);
        Ok(NewToken { token, digest })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_what_the_configuration_keeps_of_it() {
        let [one, other] = [NewToken::make().unwrap(), NewToken::make().unwrap()];
        assert_ne!(one.token, other.token);
        assert_eq!(one.token.len(), 2 * TOKEN_BYTES);
        let kept = TokenDigest::parse(&one.digest).unwrap();
        assert!(kept.is(&TokenDigest::of(one.token.as_bytes())));
        assert!(!kept.is(&TokenDigest::of(other.token.as_bytes())));
        assert!(!kept.is(&TokenDigest::of(one.digest.as_bytes())));
    }

    #[test]
    fn only_64_hex_digits_are_a_digest() {
        let right = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert!(TokenDigest::parse(&right).is_some());
        for wrong in [
            "",
            "abc",
            right.strip_prefix('0').unwrap(),
            &format!("{right}0"),
            &right.replace('0', "g"),
        ] {
            assert!(TokenDigest::parse(wrong).is_none(), "{wrong}");
        }
        // As many bytes, and no digits.
        assert!(TokenDigest::parse(&"é".repeat(32)).is_none());
    }
}
