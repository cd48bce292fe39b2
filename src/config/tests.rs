//! What is right and what is wrong in a configuration, key by key.

use toml::Value;

use super::*;
use crate::config::keys::KEYS;
use crate::web::access::users::User;

fn config(text: &str) -> Result<Config, ConfigErrors> {
    let table = parse_table(text, Path::new("mpsink.toml"))?;
    Config::from_parts(table, std::iter::empty(), Flags::default())
}

fn error(text: &str) -> String {
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
fn an_unknown_key_names_the_nearest_one_or_where_it_belongs_and_else_none() {
    for (text, key, hint) in [
        (
            "[receiver]\nlisten_on = \"x\"",
            "receiver.listen_on",
            "; the nearest is `receiver.listen`",
        ),
        ("databse = \"x\"", "databse", "; the nearest is `database`"),
        (
            "[dashbord]\na = 1",
            "dashbord",
            "; the nearest is `dashboard`",
        ),
        ("[[sources]]\na = 1", "sources", "; the nearest is `source`"),
        (
            "timezone = \"UTC\"",
            "timezone",
            "; it belongs to `[dashboard]`",
        ),
        (
            "listen = \"x\"",
            "listen",
            "; it belongs to `[receiver]` or `[dashboard]`",
        ),
        (
            "[dashboard]\ndatabase = \"x\"",
            "dashboard.database",
            "; it belongs to the lines above all tables",
        ),
        (
            "[dashboard]\npipeline_id = \"x\"",
            "dashboard.pipeline_id",
            "; it belongs to `[[queue]]`",
        ),
        ("[verify]\nsecret = \"x\"", "verify.secret", ""),
        ("colour = \"x\"", "colour", ""),
        ("x = 1", "x", ""),
    ] {
        let expected = format!("`{key}` is no key of the configuration{hint}");
        assert_eq!(error(text), expected);
    }
    for (variable, hint) in [
        ("MPSINK_DATABSE", "; the nearest is `MPSINK_DATABASE`"),
        ("MPSINK_DATABSE_FILE", "; the nearest is `MPSINK_DATABASE`"),
        (
            "MPSINK_LISTEN",
            "; write `MPSINK_RECEIVER_LISTEN` or `MPSINK_DASHBOARD_LISTEN`",
        ),
        (
            "MPSINK_SOURCE_PATHS",
            "; it belongs to `[[source]]` in the file",
        ),
        ("MPSINK_COLOUR", ""),
    ] {
        let expected = format!("`{variable}` is no key of the configuration{hint}");
        let error = environment(&[(variable, "x")]).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

/// A configuration, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    ("database = 3", "`database` is `3`, but must be a string"),
    (
        "[receiver]\nlisten = \"8080\"",
        "`receiver.listen` is `8080`",
    ),
    (
        "[receiver]\npublic_url = \"mps.example.com\"",
        "such as https://mps.example.com",
    ),
    (
        "[dashboard]\nlisten = \"0.0.0.0:8081\"",
        "give dashboard.users (`mpsink config hash-password`) or dashboard.tokens",
    ),
    (
        "database = \"\"",
        "`database` is ``, but must be the path of a file",
    ),
    ("database = \"data/\"", "not of a folder"),
    ("trusted_proxies = \"10.0.0.1\"", "a list of IP addresses"),
    (
        "trusted_proxies = [\"proxy\"]",
        "`trusted_proxies` is `proxy`",
    ),
    ("trusted_proxies = [\"10.0.0.0/33\"]", "`10.0.0.0/33`"),
    (
        "trusted_proxies = [\"::ffff:10.0.0.0/104\"]",
        "but must be written as IPv4, such as 10.0.0.0/8",
    ),
    ("trusted_proxies = [10]", "`trusted_proxies` is `10`"),
    (
        "[receiver]\nlisten = 8080",
        "`8080`, but must be a string in quotes",
    ),
    (
        "[dashboard]\nlisten = \"localhost:8081\"",
        "an IP address and a port",
    ),
    (
        "[dashboard]\nbase_path = \"mpsink\"",
        "`dashboard.base_path` is `mpsink`",
    ),
    ("[dashboard]\nbase_path = \"/a b\"", "such as /mpsink"),
    ("[dashboard]\ntimezone = \"CET+1\"", "IANA"),
    ("[dashboard]\nusers = []", "a table of names and hashes"),
    (
        "[dashboard.users]\n\"a b\" = \"x\"",
        "`dashboard.users` is `a b`",
    ),
    (
        "[dashboard.users]\nanna = \"x\"",
        "`dashboard.users.anna` is `•••`",
    ),
    (
        "[dashboard.users]\nanna = 7",
        "an argon2 hash, as `mpsink config hash-password`",
    ),
    ("[dashboard]\ntokens = \"x\"", "`dashboard.tokens` is `•••`"),
    (
        "[dashboard]\ntokens = [\"x\"]",
        "SHA-256 digests of 64 hex digits",
    ),
    ("[verify]\ndate_window = \"15\"", "such as 90s, 15m or 1h"),
    ("[verify]\ndate_window = \"25h\"", "a time up to 24h"),
    ("[verify]\ncertificate_urls = []", "a list of URLs"),
    ("[verify]\ncertificate_urls = [\"ftp://x/\"]", "`ftp://x/`"),
    (
        "[verify]\nproxy = \"proxy\"",
        "such as http://proxy.example.com",
    ),
    (
        "[[source]]\npaths = [\"no slash\"]",
        "a path as SMQ sends it",
    ),
    (
        "[[source]]\npaths = [\"/a\"]\n[[source]]\nname = \"b\"\npaths = [\"/b\"]",
        "two sources",
    ),
    (
        "[[source]]\nname = \"a\"\npaths = [\"/a\"]\n[[source]]\nname = \"b\"\npaths = [\"/a\"]",
        "a path of one source only",
    ),
    ("[[receiver]]\nlisten = \"127.0.0.1:0\"", "single brackets"),
    ("[source]\npaths = [\"/a\"]", "double brackets"),
    ("receiver = 3", "single brackets"),
    (
        "[[source]]\nowners = [123]",
        "`source.owners` is `123`, but must be a list of strings",
    ),
    (
        "[[source]]\ntopics = \"t\"",
        "`source.topics` is `\"t\"`, but must be a list of strings",
    ),
    (
        "[[source]]\nregion = 1",
        "`source.region` is `1`, but must be a string",
    ),
    ("[[source]]\nqueue = []", "`source.queue` is `[]`"),
    ("[[source]]\nname = 1", "`source.name` is `1`"),
    (
        "[[source]]\npaths = \"/a\"",
        "`source.paths` is `•••`, but must be a list of strings",
    ),
    (
        "[[source]]\npaths = [\"/healthz\"]",
        "a path as SMQ sends it",
    ),
    (
        "[[source]]\nname = \"a\"\npaths = [\"/a\"]\n[[source]]\nname = \"a\"\npaths = [\"/b\"]",
        "`source.name` is `a`, but must be another one for each source",
    ),
    (
        "[[source]]\nname = \"a\"\npaths = [\"/a\"]\n[[source]]\nname = \"b\"",
        "`source.paths` is `[]`, but must be at least one path",
    ),
    ("[[source]]\nowners = [\"\"]", "an account id"),
    ("[[source]]\nowners = [\"123 \"]", "an account id"),
    (
        "[[source]]\npaths = [\"/a\", \"/a\"]",
        "a path of one source only",
    ),
    ("[[queue]]\ntopics = [\"t\"]", "`queue.name`"),
    (
        "[[queue]]\nname = \"q\"\ntopics = [1]",
        "`queue.topics` is `1`",
    ),
    (
        "[[queue]]\nname = \"q\"\npipeline_id = 1",
        "`queue.pipeline_id` is `1`",
    ),
    (
        "[[queue]]\nname = \"q\"\ntopics = [\"t\"]\nregion = 1",
        "`queue.region` is `1`",
    ),
    (
        "[[workflow]]\nid = \"w\"\nname = 1",
        "`workflow.name` is `1`",
    ),
    (
        "[[workflow]]\nid = \"w\"\nstale_after = \"0s\"",
        "`workflow.stale_after` is `0s`",
    ),
    ("[log]\nformat = \"xml\"", "`log.format` is `xml`"),
    ("[log]\nlevel = \"loud\"", "`log.level` is `loud`"),
    ("[log]\nlevel = 3", "`log.level` is `3`"),
    (
        "[retention]\nmessages = \"23h\"",
        "`retention.messages` is `23h`",
    ),
    (
        "[retention]\nhistory = \"6d\"",
        "`retention.history` is `6d`",
    ),
    ("[verify]\ndate_window = 15", "`verify.date_window` is `15`"),
    (
        "[verify]\ncertificate_urls = \"https://x/\"",
        "a list of URLs",
    ),
    (
        "[verify]\ncertificate_urls = [1]",
        "`verify.certificate_urls` is `1`",
    ),
    ("[verify]\nproxy = 1", "`verify.proxy` is `•••`"),
    ("[dashboard]\ntokens = [1]", "`dashboard.tokens` is `•••`"),
    ("[dashboard]\ntimezone = 1", "`dashboard.timezone` is `1`"),
    ("[dashboard]\nbase_path = 1", "`dashboard.base_path` is `1`"),
    ("[receiver]\npublic_url = 1", "`receiver.public_url` is `1`"),
    (
        "[receiver]\npublic_url = \"https://x/?a=b\"",
        "`receiver.public_url` is `https://x/?a=b`",
    ),
    ("[[queue]]\nname = \"q\"", "`queue.topics`"),
    ("[[workflow]]\nname = \"w\"", "`workflow.id`"),
    (
        "[[workflow]]\nid = \"w\"\n[[workflow]]\nid = \"w\"",
        "another one for each workflow",
    ),
    (
        "[[workflow]]\nid = \"w\"\nstale_after = \"soon\"",
        "`workflow.stale_after` is `soon`",
    ),
];

#[test]
fn a_wrong_value_names_key_value_and_what_would_be_right() {
    for (text, expected) in WRONG {
        let error = error(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
    }
}

#[test]
fn each_key_has_a_wrong_value_that_is_named() {
    for key in KEYS {
        let named = format!("`{}` is ", key.name);
        let mut errors = WRONG.iter().map(|(text, _)| error(text));
        assert!(errors.any(|error| error.contains(&named)), "{named}");
    }
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
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IGhlcmU$\
                    mSkPbmmbJpdyMFcs7Qj2PEpBxrvPNBA7Bsm0ho7rD5g";
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn environment(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_parts(Table::new(), pairs, Flags::default())
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "databse = \"x\"\n[receiver]\nlisten_on = \"x\"\n[verify]\nsecret = \"x\"";
    assert_eq!(config(text).unwrap_err().0.len(), 3);
    // What is no key hides no wrong value, and one wrong value of a table not the next.
    let text = "databse = \"x\"\nreceiver = 3\n[verify]\nsecret = \"x\"\ndate_window = \"x\"\n\
                [log]\nformat = \"x\"\nlevel = \"x\"\n\
                [retention]\nmessages = \"x\"\nhistory = \"x\"\n\
                [[source]]\nname = \"a\"\npaths = [\"x\", \"y\"]\nowners = [\"x\", \"y\"]\nregion = 1\n\
                [[source]]\nqueue = 1\n\
                [[queue]]\nregion = 1\n\
                [[workflow]]\nname = 1\nstale_after = \"x\"";
    let error = config(text).unwrap_err();
    let shown = error.to_string();
    for (key, count) in [
        ("databse", 1),
        ("receiver", 1),
        ("verify.secret", 1),
        ("verify.date_window", 1),
        ("log.format", 1),
        ("log.level", 1),
        ("retention.messages", 1),
        ("retention.history", 1),
        ("source.name", 1),
        ("source.paths", 3),
        ("source.owners", 2),
        ("source.region", 1),
        ("source.queue", 1),
        ("queue.name", 1),
        ("queue.topics", 1),
        ("queue.region", 1),
        ("workflow.id", 1),
        ("workflow.name", 1),
        ("workflow.stale_after", 1),
    ] {
        let named = shown.matches(&format!("`{key}` is")).count();
        assert_eq!(named, count, "{key}\n{shown}");
    }
    assert_eq!(error.0.len(), 22, "{shown}");
    let text = format!(
        "database = 1\n[receiver]\nlisten = \"x\"\npublic_url = \"x\"\n\
         [dashboard]\ntimezone = \"x\"\ntokens = [\"x\", \"{DIGEST}\", \"y\"]\n\
         [dashboard.users]\nanna = \"x\"\notto = \"x\"\nbob = \"{HASH}\""
    );
    let error = config(&text).unwrap_err();
    assert_eq!(error.0.len(), 8, "{error}");
    assert_eq!(error.to_string().lines().count(), 8);
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

#[test]
fn a_syntax_error_names_its_line_and_does_not_show_it() {
    let error = error("database = \"x\"\n[dashboard]\ntokens = [\"secret\n");
    assert!(error.contains("line 3"), "{error}");
}
