//! What a configuration says, where its values come from, and what must hold of them together.

use toml::Value;

use super::*;
use crate::config::keys::KEYS;
use crate::web::access::users::User;

pub(super) fn config(text: &str) -> Result<Config, ConfigErrors> {
    let table = parse_table(text, Path::new("mpsink.toml"))?;
    Config::from_parts(table, std::iter::empty(), Flags::default())
}

pub(super) fn error(text: &str) -> String {
    config(text).unwrap_err().to_string()
}

#[test]
fn nothing_needs_to_be_configured() {
    let config = config("").unwrap();
    assert_eq!(config.receiver_listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.dashboard_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.database, PathBuf::from("mpsink.db"));
    assert_eq!(config.sources.len(), 1);
    assert_eq!(config.date_window_ms, 900_000);
}

#[test]
fn the_example_lists_every_key_with_its_default() {
    let text = include_str!("../../config.example.toml");
    // Tables that would change something are shown behind `#`; a key is a line `key = value`.
    let lines = text.lines().map(|line| {
        let uncommented = line.strip_prefix("# ");
        uncommented
            .filter(|rest| is_key_or_table(rest))
            .unwrap_or(line)
    });
    let uncommented = lines.collect::<Vec<_>>().join("\n");
    let whole = parse_table(&uncommented, Path::new("config.example.toml")).unwrap();
    // All of it can stand together, and all of it is right but for the hash that nobody has.
    assert_eq!(
        error(&uncommented),
        "`dashboard.users.anna` is `•••`, but must be an argon2 hash, as `mpsink config \
         hash-password` prints it"
    );
    for key in KEYS {
        let (section, name) = key.parts();
        let found = match (section, whole.get(section)) {
            ("", _) => whole.contains_key(name),
            (_, Some(Value::Table(inner))) => inner.contains_key(name),
            (_, Some(Value::Array(list))) => list
                .iter()
                .any(|inner| inner.as_table().unwrap().contains_key(name)),
            _ => false,
        };
        assert!(found, "config.example.toml does not list `{}`", key.name);
    }
    assert_eq!(config(text).unwrap(), config("").unwrap());
}

fn is_key_or_table(line: &str) -> bool {
    let key = line.split(" = ").next().unwrap_or_default();
    let is_key = line.contains(" = ")
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_key || line.starts_with('[')
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let table = parse_table(
        "database = \"file\"\n[verify]\nproxy = \"http://file\"",
        Path::new("x"),
    );
    let environment = [
        ("MPSINK_DATABASE".to_owned(), "environment".to_owned()),
        (
            "MPSINK_VERIFY_PROXY".to_owned(),
            "http://environment".to_owned(),
        ),
        ("HOME".to_owned(), "/".to_owned()),
    ];
    let flags = Flags {
        database: Some(PathBuf::from("flag")),
        ..Flags::default()
    };
    let config = Config::from_parts(table.unwrap(), environment.into_iter(), flags).unwrap();
    assert_eq!(config.database, PathBuf::from("flag"));
    assert_eq!(config.proxy.as_deref(), Some("http://environment"));
}

#[test]
fn what_is_secret_is_in_no_error() {
    let cases = [
        "[[source]]\npaths = [\"/notifications/secret word\"]",
        "[[source]]\npaths = [\"/notifications/secret\"]\nowners = [1]",
        "[[source]]\nname = \"a\"\npaths = [\"/x/secret\"]\n\
         [[source]]\nname = \"b\"\npaths = [\"/x/secret\"]",
        "[verify]\nproxy = \"user:secret@proxy\"",
        "[verify]\nproxy = [\"user:secret@proxy\"]",
        "[dashboard.users]\nanna = \"secret\"",
        "[dashboard]\nusers = \"secret\"",
        "[dashboard]\ntokens = [\"secret\"]",
        "[dashboard]\ntokens = \"secret\"",
        "[dashboard]\ntokens = [\"secret]",
    ];
    for text in cases {
        let error = config(text).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        let cause = error.source().map(ToString::to_string);
        let shown = format!("{error} {}", cause.unwrap_or_default());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn the_dashboard_and_the_receiver_share_an_address_only_when_trying() {
    let flags = |is_try| Flags {
        is_try,
        receiver_listen: Some("127.0.0.1:8080".to_owned()),
        dashboard_listen: Some("127.0.0.1:8080".to_owned()),
        ..Flags::default()
    };
    let load = |is_try| Config::from_parts(Table::new(), std::iter::empty(), flags(is_try));
    assert!(load(true).is_ok());
    let error = load(false).unwrap_err().to_string();
    assert!(
        error.contains("another address than the receiver"),
        "{error}"
    );
}

#[test]
fn trying_binds_to_loopback_only() {
    let flags = Flags {
        is_try: true,
        receiver_listen: Some("0.0.0.0:0".to_owned()),
        ..Flags::default()
    };
    let result = Config::from_parts(Table::new(), std::iter::empty(), flags);
    assert!(result.unwrap_err().to_string().contains("with --try"));
}

/// A hash and a digest as `mpsink config` makes them.
pub(super) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IGhlcmU$\
                    mSkPbmmbJpdyMFcs7Qj2PEpBxrvPNBA7Bsm0ho7rD5g";
pub(super) const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn environment(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_parts(Table::new(), pairs, Flags::default())
}

#[test]
fn with_a_login_the_dashboard_may_listen_anywhere_and_share_the_receivers_address() {
    let logins = [
        format!("[dashboard.users]\nanna = \"{HASH}\""),
        format!("[dashboard]\ntokens = [\"{DIGEST}\"]"),
    ];
    for login in logins {
        for address in ["0.0.0.0:8081", "0.0.0.0:8080", "[::]:8081"] {
            let flags = Flags {
                dashboard_listen: Some(address.to_owned()),
                ..Flags::default()
            };
            let load = |text: &str| {
                Config::from_parts(text.parse().unwrap(), std::iter::empty(), flags.clone())
            };
            let config = load(&login).unwrap();
            assert_eq!(config.dashboard_listen.to_string(), address);
            let error = load("").unwrap_err().to_string();
            assert!(error.contains("mpsink config hash-password"), "{error}");
        }
    }
}

#[test]
fn lists_and_users_come_from_the_environment_too() {
    let users = format!("anna={HASH}\nbò={HASH}\n");
    let config = environment(&[
        ("MPSINK_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
        ("MPSINK_DASHBOARD_TOKENS", &format!("{DIGEST},{DIGEST}\n")),
        ("MPSINK_DASHBOARD_USERS", &users),
        ("MPSINK_DASHBOARD_BASE_PATH", "/mpsink/"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.trusted_proxies.0.len(), 2);
    assert_eq!(config.access.tokens.len(), 2);
    let names: Vec<&str> = config.access.users.iter().map(User::name).collect();
    assert_eq!(names, ["anna", "bò"]);
    assert_eq!(config.base_path.to_string(), "/mpsink");

    for wrong in [HASH, "anna", "=x"] {
        let error = environment(&[("MPSINK_DASHBOARD_USERS", wrong)]).unwrap_err();
        assert!(
            error.to_string().contains("`•••`") || wrong == "=x",
            "{error}"
        );
    }
}

#[test]
fn a_variable_may_name_a_file_that_holds_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    fs::write(&file, format!("anna={HASH}\n")).unwrap();
    let named = file.to_str().unwrap();
    let config = environment(&[("MPSINK_DASHBOARD_USERS_FILE", named)]).unwrap();
    assert_eq!(config.access.users.len(), 1);
    // As `mpsink config hash-password` prints them, and as NAME=HASH.
    let lines = format!("anna = \"{HASH}\"\n\"bò\" = \"{HASH}\"\n\notto={HASH}\n");
    fs::write(&file, lines).unwrap();
    let config = environment(&[("MPSINK_DASHBOARD_USERS_FILE", named)]).unwrap();
    let users: Vec<&str> = config.access.users.iter().map(User::name).collect();
    assert_eq!(users, ["anna", "bò", "otto"]);
    fs::write(&file, "http://proxy.example.com:3128\n").unwrap();
    let config = environment(&[("MPSINK_VERIFY_PROXY_FILE", named)]).unwrap();
    assert_eq!(
        config.proxy.as_deref(),
        Some("http://proxy.example.com:3128")
    );

    let both = [
        ("MPSINK_VERIFY_PROXY_FILE", named),
        ("MPSINK_VERIFY_PROXY", ""),
    ];
    let error = environment(&both).unwrap_err().to_string();
    assert!(error.contains("set the same key"), "{error}");
    let missing = folder.path().join("missing");
    let missing = [("MPSINK_DASHBOARD_TOKENS_FILE", missing.to_str().unwrap())];
    let error = environment(&missing).unwrap_err().to_string();
    assert!(error.contains("cannot read"), "{error}");
    fs::write(&file, vec![b'a'; 1024 * 1024 + 1]).unwrap();
    let error = environment(&[("MPSINK_DASHBOARD_TOKENS_FILE", named)]).unwrap_err();
    assert!(format!("{:?}", error.source()).contains("1 MiB"));
}

#[test]
fn what_is_printed_says_where_each_value_came_from_and_no_secret() {
    let file = format!(
        "trusted_proxies = [\"10.0.0.0/8\"]\n[dashboard]\ntokens = [\"{DIGEST}\"]\n\
         [dashboard.users]\nanna = \"{HASH}\"\n\
         [[source]]\npaths = [\"/notifications/secret\"]\nregion = \"cn-shanghai\"\n\
         [verify]\nproxy = \"http://u:secret@proxy\""
    );
    let pairs = [
        ("MPSINK_DASHBOARD_TIMEZONE", "Asia/Shanghai"),
        ("HOME", "/"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let flags = Flags {
        database: Some(PathBuf::from("flag.db")),
        ..Flags::default()
    };
    let table = parse_table(&file, Path::new(DEFAULT_FILE)).unwrap();
    let merged = Merged::new(table, pairs.into_iter(), flags);
    let printed = print::text(&merged);
    for line in [
        "database = \"flag.db\"  # flag --database",
        "trusted_proxies = [\"10.0.0.0/8\"]  # file mpsink.toml",
        "listen = \"0.0.0.0:8080\"  # default",
        "public_url = \"\"  # default",
        "proxy = \"•••\"  # file mpsink.toml",
        "users = { anna = \"•••\" }  # file mpsink.toml",
        "tokens = [\"•••\"]  # file mpsink.toml",
        "timezone = \"Asia/Shanghai\"  # environment MPSINK_DASHBOARD_TIMEZONE",
        "[[source]]",
        "paths = [\"•••\"]  # file mpsink.toml",
        "region = \"cn-shanghai\"  # file mpsink.toml",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line}\n{printed}"
        );
    }
    for secret in ["secret", "argon2", DIGEST] {
        assert!(!printed.contains(secret), "{printed}");
    }
    // It is TOML, and says the same again.
    let again: Table = printed.parse().unwrap();
    assert_eq!(
        again["dashboard"]["timezone"].as_str(),
        Some("Asia/Shanghai")
    );
    // Every key that has a value is in it.
    for key in KEYS.iter().filter(|key| !key.is_in_list()) {
        let (section, name) = key.parts();
        let table = if section.is_empty() {
            &again
        } else {
            again[section].as_table().unwrap()
        };
        assert!(table.contains_key(name), "{}", key.name);
    }
}
