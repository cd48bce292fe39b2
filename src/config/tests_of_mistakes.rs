//! What is said of a configuration that is wrong.

use crate::config::keys::KEYS;
use crate::config::tests::{DIGEST, HASH, config, environment, error};

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
    ("database = \"file:mpsink.db\"", "a path and no URI"),
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
    (
        "[[source]]\nretry_policy = \"DECAY_RETRY\"",
        "`source.retry_policy` is `DECAY_RETRY`, but must be EXPONENTIAL_DECAY_RETRY or",
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
fn a_syntax_error_names_its_line_and_does_not_show_it() {
    let error = error("database = \"x\"\n[dashboard]\ntokens = [\"secret\n");
    assert!(error.contains("line 3"), "{error}");
}
