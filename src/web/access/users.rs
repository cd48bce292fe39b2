//! People: a name and the argon2 hash of a password.
//!
//! New hashes are argon2id with 19 MiB, two passes and one lane, which OWASP recommends; one made
//! elsewhere with other parameters is taken within `MEMORY_KIB_MAX` and `PASSES_MAX`, so that a
//! slip in the configuration cannot make each login take the machine down.

use std::fmt;

use argon2::password_hash::{Error, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params};

/// The longest name.
pub const NAME_BYTES_MAX: usize = 64;

/// The longest password: longer than anybody types, and short enough for a header.
pub const PASSWORD_BYTES_MAX: usize = 512;

/// The shortest password that is hashed: below it no hash helps.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// The most memory of one verification, of which two may be under way.
const MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most passes over that memory.
const PASSES_MAX: u32 = 16;

/// The most lanes; more than one only makes the hash, not the verification here, faster.
const LANES_MAX: u32 = 16;

/// Bytes of salt in a new hash, as RFC 9106 recommends.
const SALT_BYTES: usize = 16;

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    /// A PHC string, known to be readable.
    hash: String,
    /// Memory times passes, which the time of a verification grows with.
    cost: u64,
}

/// Why somebody cannot be a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserError {
    Name,
    Hash,
    /// The hash is one, and takes too much to check.
    Cost,
}

/// Shows no hash.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.name).finish()
    }
}

impl User {
    /// Takes a name without colons, spaces and control characters, and a PHC string of argon2.
    pub fn new(name: &str, hash: &str) -> Result<User, UserError> {
        let is_plain = |c: char| c != ':' && !c.is_whitespace() && !c.is_control();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_plain) {
            return Err(UserError::Name);
        }
        let parsed = PasswordHash::new(hash).map_err(|_| UserError::Hash)?;
        Algorithm::try_from(parsed.algorithm).map_err(|_| UserError::Hash)?;
        let params = Params::try_from(&parsed).map_err(|_| UserError::Hash)?;
        if parsed.salt.is_none() || parsed.hash.is_none() {
            return Err(UserError::Hash);
        }
        let is_bounded = params.m_cost() <= MEMORY_KIB_MAX
            && params.t_cost() <= PASSES_MAX
            && params.p_cost() <= LANES_MAX;
        if !is_bounded {
            return Err(UserError::Cost);
        }
        Ok(User {
            name: name.to_owned(),
            hash: hash.to_owned(),
            cost: u64::from(params.m_cost()) * u64::from(params.t_cost()),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Tells whether this is the user's password. Takes some ten milliseconds and the memory that
    /// the hash names.
    pub(super) fn has_password(&self, password: &[u8]) -> bool {
        let Ok(hash) = PasswordHash::new(&self.hash) else {
            return false;
        };
        // The parameters are the hash's own, not those of a new one.
        let verified = Argon2::default().verify_password(password, &hash);
        verified.is_ok()
    }
}

/// Hashes a password with a new salt, for the configuration.
pub fn hash_password(password: &[u8]) -> Result<String, Error> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| Error::Crypto)?;
    let salt = SaltString::encode_b64(&salt)?;
    let hash = Argon2::default().hash_password(password, &salt)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With other parameters than ours; whose password it was does not matter here.
    const FOREIGN: &str =
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$5ZFwdSlPmHHgJjcPkSp4nAJKBDL7RrS6a2pYqLPW1yw";

    #[test]
    fn a_hash_holds_for_its_password_alone_and_is_new_each_time() {
        let hash = hash_password(b"correct horse").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, hash_password(b"correct horse").unwrap());
        let user = User::new("anna", &hash).unwrap();
        assert!(user.has_password(b"correct horse"));
        assert!(!user.has_password(b"correct hors"));
        assert!(!user.has_password(b""));
        assert!(!format!("{user:?}").contains("argon2"));
    }

    #[test]
    fn names_that_no_header_can_carry_and_hashes_that_are_none_are_refused() {
        assert!(User::new("anna", FOREIGN).is_ok());
        for name in ["", "a:b", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(User::new(name, FOREIGN), Err(UserError::Name), "{name}");
        }
        let without_hash = FOREIGN.rsplit_once('$').unwrap().0;
        let bcrypt = "$2y$10$abcdefghijklmnopqrstuu8xK6Fz1B9w8vG5Tq6aXW3a1b2c3d4e5";
        let scrypt = FOREIGN.replace("argon2id", "scrypt");
        for hash in ["", "secret", without_hash, bcrypt, &scrypt] {
            assert_eq!(User::new("anna", hash), Err(UserError::Hash), "{hash}");
        }
    }

    #[test]
    fn a_hash_that_takes_more_than_a_login_may_is_refused() {
        for (from, to) in [("m=64", "m=262145"), ("t=2", "t=17"), ("p=1", "p=17")] {
            let hash = FOREIGN.replace(from, to).replace("m=64", "m=262144");
            assert_eq!(User::new("anna", &hash), Err(UserError::Cost), "{hash}");
        }
        let most = FOREIGN.replace("m=64,t=2,p=1", "m=262144,t=16,p=16");
        assert!(User::new("anna", &most).is_ok());
    }
}
