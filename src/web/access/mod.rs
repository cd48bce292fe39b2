//! Who may read the dashboard: people by name and password, scripts by token, commands on this
//! machine by the key of the lock file.
//!
//! Without users and tokens there is no login, and the guard answers this machine alone
//! (`guard.rs`). With them every request says who it is, in the one header that browsers, `curl` and
//! scrapers all know; there are no sessions and no login page.
//!
//! A password is checked by argon2, which is slow on purpose, and so the way to it is narrow:
//!
//! - [`VERIFICATIONS_MAX`] at a time, off the async threads; each takes 19 MiB and a core.
//! - [`AccessBounds::attempts_max`] that wait, are checked, or were wrong and are answered slowly, and
//!   of those [`AccessBounds::attempts_of_sender_max`] of one sender. One more is told at once to come
//!   again later, without being looked at.
//! - What was right is remembered, as long as it is used ([`remembered`]), and does not come this way.
//!   So whoever fills the way with wrong passwords, from many addresses, keeps out those who come new,
//!   not those who are in.
//! - An unknown name is checked against the costliest hash there is, and is then wrong like any
//!   other: the time of an answer does not tell which names exist.
//!
//! A wrong attempt keeps its place to its end even if its sender hangs up, or hanging up early would
//! be a way to try faster.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::rt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::clock::{Clock, Throttle};
use crate::web::access::places::Places;
use crate::web::access::remembered::Remembered;
use crate::web::access::tokens::TokenDigest;
use crate::web::access::users::User;
use crate::web::error::PageError;

pub mod remembered;
pub mod tokens;
pub mod users;

mod places;

/// Passwords that are checked at a time: two cores and 38 MiB with hashes of our own.
pub const VERIFICATIONS_MAX: usize = 2;

/// The longest header that is looked at: the longest name and password, and what base64 adds.
const HEADER_BYTES_MAX: usize = 1_024;

/// Failed logins that are logged at once, and then one in each interval: enough to see an attack,
/// too few to fill a disk.
const LOGGED_BURST: u32 = 10;
const LOGGED_EVERY_MS: i64 = 6_000;

/// Who may log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    pub users: Vec<User>,
    pub tokens: Vec<TokenDigest>,
}

impl AccessOptions {
    /// Tells whether anybody may log in; if not, the dashboard answers this machine alone.
    pub fn has_login(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }
}

/// What logging in may take; tests make it small.
#[derive(Clone, Copy, Debug)]
pub struct AccessBounds {
    /// Attempts that wait, are checked or are answered slowly, at once.
    pub attempts_max: usize,
    /// The same of one sender.
    pub attempts_of_sender_max: usize,
    /// How long a wrong attempt waits for its answer.
    pub wrong_after: Duration,
}

impl Default for AccessBounds {
    fn default() -> AccessBounds {
        AccessBounds {
            // A connection each, of which the dashboard has 240.
            attempts_max: 32,
            // Enough for a browser that comes back with its tabs.
            attempts_of_sender_max: 8,
            wrong_after: Duration::from_secs(1),
        }
    }
}

/// Ways to log in; told to whoever has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    pub is_by_password: bool,
    pub is_by_token: bool,
}

/// Who somebody turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Has a name and a password. It may be a browser, which sends them along by itself.
    Person,
    /// Has a token.
    Script,
    /// Has the key of the lock file.
    Command,
}

/// What decides who may log in.
pub struct Access {
    users: Vec<User>,
    tokens: Vec<TokenDigest>,
    control_key: TokenDigest,
    remembered: Remembered,
    attempts: Places,
    verifying: Arc<Semaphore>,
    wrong_after: Duration,
    clock: Clock,
    logged: Throttle,
}

/// What the header `Authorization` holds.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Basic {
        name: String,
        password: Vec<u8>,
    },
    Bearer(Vec<u8>),
    /// Another scheme, more than one header, or what no scheme writes.
    Malformed,
}

impl Access {
    /// Takes who may log in, the key of the lock file, and a random key for this start.
    pub fn new(
        options: AccessOptions,
        bounds: AccessBounds,
        control_key: &str,
        random_key: [u8; 32],
        clock: Clock,
    ) -> Access {
        Access {
            users: options.users,
            tokens: options.tokens,
            control_key: TokenDigest::of(control_key.as_bytes()),
            remembered: Remembered::new(random_key),
            attempts: Places::new(bounds.attempts_max, bounds.attempts_of_sender_max),
            verifying: Arc::new(Semaphore::new(VERIFICATIONS_MAX)),
            wrong_after: bounds.wrong_after,
            logged: Throttle::new(LOGGED_BURST, LOGGED_EVERY_MS, clock.clone()),
            clock,
        }
    }

    /// Tells whether anybody can log in; if not, only this machine is answered.
    pub fn has_login(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// Tells whether a request has the key of the lock file.
    pub fn is_command(&self, headers: &HeaderMap) -> bool {
        match Given::read(headers) {
            Given::Bearer(key) => self.control_key.is(&TokenDigest::of(&key)),
            Given::Nothing | Given::Basic { .. } | Given::Malformed => false,
        }
    }

    /// Finds out without waiting who asks, by a token or the key of the lock file. Nobody is known by
    /// a password: what answers strangers without a wait would tell which one is remembered, as often
    /// as somebody guesses.
    pub fn ask_at_once(&self, headers: &HeaderMap) -> Option<Login> {
        match Given::read(headers) {
            Given::Bearer(token) => self.by_token(&token),
            Given::Nothing | Given::Basic { .. } | Given::Malformed => None,
        }
    }

    /// Finds out who asks, by the header `Authorization` alone; `sender` is who has to wait if he was
    /// wrong too often.
    pub async fn ask(
        &self,
        headers: &HeaderMap,
        sender: Option<IpAddr>,
    ) -> Result<Login, PageError> {
        match Given::read(headers) {
            Given::Nothing => Err(self.login_needed()),
            Given::Malformed => Err(self.wrong("malformed", sender)),
            Given::Bearer(token) => {
                let known = self.by_token(&token);
                known.ok_or_else(|| self.wrong("token", sender))
            }
            Given::Basic { name, password } => self.ask_person(&name, password, sender).await,
        }
    }

    fn by_token(&self, token: &[u8]) -> Option<Login> {
        let digest = TokenDigest::of(token);
        // All are looked at, so that the time does not tell which one came close.
        let known = self.tokens.iter().filter(|token| token.is(&digest)).count();
        if self.control_key.is(&digest) {
            return Some(Login::Command);
        }
        (known > 0).then_some(Login::Script)
    }

    async fn ask_person(
        &self,
        name: &str,
        password: Vec<u8>,
        sender: Option<IpAddr>,
    ) -> Result<Login, PageError> {
        if self.remembered.knows(name, &password, self.clock.now()) {
            return Ok(Login::Person);
        }
        let known = self.users.iter().find(|user| user.name() == name);
        let stand_in = || self.users.iter().max_by_key(|user| user.cost());
        let Some(user) = known.or_else(stand_in).cloned() else {
            return Err(self.wrong("password", sender));
        };
        let place = self.attempts.take(sender).ok_or(PageError::TooManyLogins)?;
        let turn = Arc::clone(&self.verifying).acquire_owned().await;
        let turn = turn.map_err(PageError::unavailable)?;
        // A page asks for several things at once; the first of them has done the work meanwhile.
        if self.remembered.knows(name, &password, self.clock.now()) {
            return Ok(Login::Person);
        }
        let (is_known, given) = (known.is_some(), password.clone());
        let wrong_after = self.wrong_after;
        // A task of its own, which goes on when the request is dropped.
        let attempt = rt::spawn(async move {
            let verified = spawn_blocking(move || {
                let _turn = turn;
                user.has_password(&given) && is_known
            });
            let is_right = verified.await.unwrap_or(false);
            if !is_right {
                sleep(wrong_after).await;
            }
            drop(place);
            is_right
        });
        if attempt.await.unwrap_or(false) {
            self.remembered.keep(name, &password, self.clock.now());
            return Ok(Login::Person);
        }
        Err(self.wrong(known.map_or("unknown name", User::name), sender))
    }

    /// Notes a failed login. A name that is not configured is not logged: people type their
    /// password there.
    fn wrong(&self, who: &str, sender: Option<IpAddr>) -> PageError {
        if self.logged.admits() {
            let sender = sender.map_or_else(|| "unknown".to_owned(), |sender| sender.to_string());
            tracing::warn!(who, sender, "a login failed");
        }
        PageError::WrongLogin { ways: self.ways() }
    }

    /// What whoever has not logged in is told.
    pub fn login_needed(&self) -> PageError {
        PageError::LoginNeeded { ways: self.ways() }
    }

    fn ways(&self) -> Ways {
        Ways {
            is_by_password: !self.users.is_empty(),
            is_by_token: !self.tokens.is_empty(),
        }
    }
}

/// Returns the name that is given beside a password. It is somebody's only where the guard has found
/// the password right.
pub fn name_in(headers: &HeaderMap) -> Option<String> {
    match Given::read(headers) {
        Given::Basic { name, .. } => Some(name),
        Given::Nothing | Given::Bearer(_) | Given::Malformed => None,
    }
}

impl Given {
    fn read(headers: &HeaderMap) -> Given {
        let mut values = headers.get_all(header::AUTHORIZATION);
        let Some(value) = values.next().map(header::HeaderValue::as_bytes) else {
            return Given::Nothing;
        };
        if values.next().is_some() || value.len() > HEADER_BYTES_MAX {
            return Given::Malformed;
        }
        Given::parse(value).unwrap_or(Given::Malformed)
    }

    /// Reads a scheme, in whatever case, and what stands behind it (RFC 7617, RFC 6750).
    fn parse(value: &[u8]) -> Option<Given> {
        let at = value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = value.split_at(at);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Some(Given::Bearer(rest.to_vec()));
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let plain = STANDARD.decode(rest).ok()?;
        let colon = plain.iter().position(|byte| *byte == b':')?;
        let (name, password) = plain.split_at(colon);
        Some(Given::Basic {
            name: String::from_utf8(name.to_vec()).ok()?,
            password: password.get(1..).unwrap_or_default().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests;
