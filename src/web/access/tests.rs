//! Each way to log in, and each way not to.

use std::time::Instant;

use actix_web::http::header::HeaderValue;
use tokio::time::timeout;

use super::*;
use crate::clock::Timestamp;
use crate::web::access::remembered::{IN_ALL_MS, REMEMBERED_MS};
use crate::web::access::tokens::NewToken;

const CONTROL_KEY: &str = "0123456789abcdef0123456789abcdef";

/// How long a wrong attempt takes at least here; the real second would only make the tests slow.
const WRONG_AFTER: Duration = Duration::from_millis(20);

/// Hashes a password cheaply.
fn user(name: &str, password: &str) -> User {
    use argon2::password_hash::{PasswordHasher, SaltString};
    use argon2::{Algorithm, Argon2, Params, Version};
    let params = Params::new(8, 1, 1, None).unwrap();
    let salt = SaltString::encode_b64(b"some salt").unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes(), &salt).unwrap();
    User::new(name, &hash.to_string()).unwrap()
}

struct Door {
    access: Access,
    clock: Clock,
    token: String,
}

fn door_with(bounds: AccessBounds) -> Door {
    let clock = Clock::standing_at(Timestamp(1_000_000));
    let new = NewToken::make().unwrap();
    let options = AccessOptions {
        users: vec![user("anna", "sesame open"), user("bò", "pass:wörd")],
        tokens: vec![TokenDigest::parse(&new.digest).unwrap()],
    };
    Door {
        access: Access::new(options, bounds, CONTROL_KEY, [7; 32], clock.clone()),
        clock,
        token: new.token,
    }
}

fn door() -> Door {
    door_with(AccessBounds {
        wrong_after: WRONG_AFTER,
        ..AccessBounds::default()
    })
}

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn basic(plain: &str) -> String {
    format!("Basic {}", STANDARD.encode(plain))
}

impl Door {
    async fn ask(&self, values: &[&str]) -> Result<Login, PageError> {
        self.access.ask(&headers(values), None).await
    }
}

#[actix_web::test]
async fn a_right_password_a_token_and_the_key_of_the_lock_file_open_the_door() {
    let door = door();
    let cases = [
        (basic("anna:sesame open"), Login::Person),
        // Only the first colon parts name and password, and both may be any text.
        (basic("bò:pass:wörd"), Login::Person),
        (
            basic("anna:sesame open").replace("Basic", "bAsIc"),
            Login::Person,
        ),
        (format!("Bearer {}", door.token), Login::Script),
        (format!("bearer  {} ", door.token), Login::Script),
        (format!("Bearer {CONTROL_KEY}"), Login::Command),
    ];
    for (value, expected) in cases {
        assert_eq!(door.ask(&[&value]).await.unwrap(), expected, "{value}");
    }
}

#[actix_web::test]
async fn what_is_wrong_in_whatever_way_is_told_apart_from_nothing_alone() {
    let door = door();
    assert!(matches!(
        door.ask(&[]).await,
        Err(PageError::LoginNeeded { .. })
    ));
    let right = basic("anna:sesame open");
    let token = format!("Bearer {}", door.token);
    let short = token.get(..token.len() - 1).unwrap();
    let long = format!("Basic {}", "A".repeat(HEADER_BYTES_MAX));
    let cases: [&[&str]; 17] = [
        &[&basic("anna:sesame")],
        &[&basic("anna:")],
        &[&basic("anna")],
        &[&basic("otto:sesame open")],
        &[&basic("bò:sesame open")],
        &[&basic(":sesame open")],
        &[&basic("")],
        &["Basic"],
        &["Basic "],
        &["Basic !!!!"],
        &[&right.replace("Basic", "Digest")],
        &[short],
        &["Bearer "],
        &["Bearer 0123456789abcdef0123456789abcdee"],
        // Two headers, and nobody can tell which of them counts.
        &[&right, &right],
        &[&right, &token],
        &[&long],
    ];
    for values in cases {
        let wrong = door.ask(values).await;
        assert!(
            matches!(wrong, Err(PageError::WrongLogin { .. })),
            "{values:?}"
        );
    }
    let stored = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(door.ask(&[&format!("Bearer {stored}")]).await.is_err());
}

#[actix_web::test]
async fn whoever_has_no_login_is_told_which_ways_there_are() {
    let door = door();
    let Err(PageError::LoginNeeded { ways }) = door.ask(&[]).await else {
        panic!("nobody is somebody");
    };
    assert!(ways.is_by_password && ways.is_by_token);
    let options = AccessOptions {
        tokens: vec![TokenDigest::of(b"x")],
        users: Vec::new(),
    };
    let access = Access::new(
        options,
        AccessBounds::default(),
        CONTROL_KEY,
        [7; 32],
        Clock::system(),
    );
    let Err(PageError::WrongLogin { ways }) = access.ask(&headers(&[&basic("anna:x")]), None).await
    else {
        panic!("there are no users");
    };
    assert!(!ways.is_by_password && ways.is_by_token);
}

#[actix_web::test]
async fn whoever_is_in_stays_in_for_hours_while_the_way_is_full_of_others() {
    let door = door_with(AccessBounds {
        attempts_max: 1,
        wrong_after: WRONG_AFTER,
        ..AccessBounds::default()
    });
    let right = basic("anna:sesame open");
    assert!(door.ask(&[&right]).await.is_ok());
    // The way to argon2 is taken, so only what is remembered comes in.
    let taken = door.access.attempts.take(None).unwrap();
    for _ in 0..IN_ALL_MS / REMEMBERED_MS {
        assert_eq!(door.ask(&[&right]).await.unwrap(), Login::Person);
        door.clock.set(door.clock.now().plus_ms(REMEMBERED_MS - 1));
    }
    assert_eq!(door.ask(&[&right]).await.unwrap(), Login::Person);
    assert!(matches!(
        door.ask(&[&basic("anna:sesame opem")]).await,
        Err(PageError::TooManyLogins)
    ));
    door.clock.set(door.clock.now().plus_ms(REMEMBERED_MS));
    assert!(matches!(
        door.ask(&[&right]).await,
        Err(PageError::TooManyLogins)
    ));
    drop(taken);
    assert_eq!(door.ask(&[&right]).await.unwrap(), Login::Person);
}

#[actix_web::test]
async fn a_wrong_login_is_not_remembered_and_is_answered_late() {
    let door = door();
    for name in ["anna", "otto"] {
        for _ in 0..2 {
            let began = Instant::now();
            assert!(door.ask(&[&basic(&format!("{name}:x"))]).await.is_err());
            assert!(began.elapsed() >= WRONG_AFTER, "{name}");
        }
    }
}

#[actix_web::test]
async fn beyond_the_bound_a_login_is_sent_away_and_a_token_still_comes_in() {
    let door = door_with(AccessBounds {
        attempts_max: 2,
        // Longer than the test: only those who are dropped end before.
        wrong_after: Duration::from_secs(600),
        ..AccessBounds::default()
    });
    let wrong = [basic("anna:wrong"), basic("otto:wrong")];
    for value in &wrong {
        // Hangs up as soon as it has begun; the attempt keeps its place.
        let values = [value.as_str()];
        let ask = door.ask(&values);
        assert!(timeout(Duration::ZERO, ask).await.is_err());
    }
    assert_eq!(door.access.attempts.taken(), 2);
    assert!(matches!(
        door.ask(&[&basic("anna:sesame open")]).await,
        Err(PageError::TooManyLogins)
    ));
    let token = format!("Bearer {}", door.token);
    assert_eq!(door.ask(&[&token]).await.unwrap(), Login::Script);
}

#[actix_web::test]
async fn a_sender_of_wrong_passwords_shuts_the_door_for_nobody_else() {
    let door = door_with(AccessBounds {
        attempts_of_sender_max: 2,
        wrong_after: Duration::from_secs(600),
        ..AccessBounds::default()
    });
    let from = |address: &str| Some(address.parse().unwrap());
    let (wrong, right) = (basic("anna:wrong"), basic("anna:sesame open"));
    let (wrong, right) = (headers(&[&wrong]), headers(&[&right]));
    for _ in 0..2 {
        let ask = door.access.ask(&wrong, from("192.0.2.1"));
        assert!(timeout(Duration::ZERO, ask).await.is_err());
    }
    assert!(matches!(
        door.access.ask(&right, from("192.0.2.1")).await,
        Err(PageError::TooManyLogins)
    ));
    let login = door.access.ask(&right, from("192.0.2.2")).await;
    assert_eq!(login.unwrap(), Login::Person);
}

#[actix_web::test]
async fn at_once_nobody_is_known_by_a_password_not_even_by_one_that_is_remembered() {
    let door = door();
    let right = basic("anna:sesame open");
    assert!(door.ask(&[&right]).await.is_ok());
    let token = format!("Bearer {}", door.token);
    let key = format!("Bearer {CONTROL_KEY}");
    for (value, expected) in [
        (&right, None),
        (&basic("anna:wrong"), None),
        (&"Bearer x".to_owned(), None),
        (&token, Some(Login::Script)),
        (&key, Some(Login::Command)),
    ] {
        assert_eq!(door.access.ask_at_once(&headers(&[value])), expected);
    }
    assert_eq!(door.access.attempts.taken(), 0);
}

#[test]
fn no_more_passwords_are_checked_at_a_time_than_there_are_turns() {
    assert_eq!(
        door().access.verifying.available_permits(),
        VERIFICATIONS_MAX
    );
}
