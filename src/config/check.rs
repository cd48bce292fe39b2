//! Every single value, checked as it is read.
//!
//! An error names the key, the value as it stands, and what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, mem};

use chrono_tz::Tz;
use toml::Value;

use crate::config::keys;
use crate::config::log::log;
use crate::config::login::{tokens, users};
use crate::config::merged::Merged;
use crate::config::retention::retention;
use crate::config::tables::{queues, sources, workflows};
use crate::config::{Config, ConfigError, ConfigErrors};
use crate::signature::urls::UrlPattern;
use crate::web::access::AccessOptions;
use crate::web::base_path::BasePath;
use crate::web::proxies::{NetworkError, TrustedProxies};

/// The longest date window that makes sense: SMQ repeats a push for a day at most.
const DATE_WINDOW_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// Reads every value, and returns all that is wrong if anything is.
pub(super) fn check(mut merged: Merged) -> Result<Config, ConfigErrors> {
    let mut problems = Problems(mem::take(&mut merged.problems));
    let (merged, p) = (&merged, &mut problems);
    // What stands in for a wrong value is never used.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        database: p.or(database(merged), PathBuf::new()),
        trusted_proxies: trusted_proxies(merged, p),
        receiver_listen: p.or(address(merged, "receiver.listen"), nowhere),
        public_url: p.or(public_url(merged), None),
        sources: sources(merged, p),
        queues: queues(merged, p),
        workflows: workflows(merged, p),
        certificate_urls: certificate_urls(merged, p),
        date_window_ms: p.or(date_window(merged), 0),
        proxy: p.or(proxy(merged), None),
        dashboard_listen: p.or(address(merged, "dashboard.listen"), nowhere),
        base_path: p.or(base_path(merged), BasePath::default()),
        access: AccessOptions {
            users: users(merged, p),
            tokens: tokens(merged, p),
        },
        timezone: p.or(timezone(merged), Tz::UTC),
        log: log(merged, p),
        retention: retention(merged, p),
        is_try: merged.is_try,
    };
    // What goes together is looked at when each for itself is right.
    if problems.0.is_empty() {
        problems.or(check_addresses(&config), ());
    }
    if problems.0.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors(problems.0))
    }
}

/// What was found wrong.
#[derive(Default)]
pub(super) struct Problems(Vec<ConfigError>);

impl Problems {
    /// Returns a value that is right, or notes what is wrong and returns what stands in for it.
    pub(super) fn or<T>(&mut self, checked: Result<T, ConfigError>, stand_in: T) -> T {
        checked.unwrap_or_else(|problem| {
            self.0.push(problem);
            stand_in
        })
    }

    /// Returns those that are right, and notes what is wrong with each other one.
    pub(super) fn each<T>(
        &mut self,
        checked: impl IntoIterator<Item = Result<T, ConfigError>>,
    ) -> Vec<T> {
        let checked = checked.into_iter();
        checked
            .filter_map(|one| self.or(one.map(Some), None))
            .collect()
    }
}

/// Where each listener may listen, by what there is to keep strangers out; sockets that are handed
/// over may change it.
pub(super) fn check_addresses(config: &Config) -> Result<(), ConfigError> {
    let dashboard = config.dashboard_listen;
    let has_login = config.access.has_login();
    if !has_login && !dashboard.ip().is_loopback() {
        return Err(wrong(
            "dashboard.listen",
            dashboard,
            "a loopback address such as 127.0.0.1:8081 while nobody can log in; for another one \
             give dashboard.users (`mpsink config hash-password`) or dashboard.tokens (`mpsink \
             config new-token`)",
        ));
    }
    let is_shared = dashboard == config.receiver_listen && dashboard.port() != 0;
    if is_shared && !has_login && !config.is_try {
        return Err(wrong(
            "dashboard.listen",
            dashboard,
            "another address than the receiver's while nobody can log in, since whatever passes \
             pushes on to it would show the pages; or give dashboard.users (`mpsink config \
             hash-password`) or dashboard.tokens (`mpsink config new-token`)",
        ));
    }
    if config.is_try && !config.receiver_listen.ip().is_loopback() {
        return Err(wrong(
            "receiver.listen",
            config.receiver_listen,
            "a loopback address with --try, since anybody who has the test key gets in",
        ));
    }
    Ok(())
}

pub(super) fn wrong(key: &str, value: impl fmt::Display, expected: &'static str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: format!("`{value}`"),
        expected,
    }
}

/// Returns a value that is a string. What is another one is not shown if the key is secret.
pub(super) fn text<'a>(merged: &'a Merged, key: &str) -> Result<&'a str, ConfigError> {
    text_of(merged.find(key), key)
}

/// Returns the string that `value` is; nothing is an empty one.
pub(super) fn text_of<'a>(value: Option<&'a Value>, key: &str) -> Result<&'a str, ConfigError> {
    match value {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(key, shown(key, other), "a string in quotes")),
    }
}

/// Returns the strings of the list that `value` is; nothing is an empty one. What is no string in it is
/// a problem of its own.
pub(super) fn texts<'a>(
    value: Option<&'a Value>,
    key: &str,
    expected: &'static str,
    problems: &mut Problems,
) -> Vec<&'a str> {
    match value {
        None => Vec::new(),
        Some(Value::Array(list)) => problems.each(list.iter().map(|value| {
            let not_text = || wrong(key, shown(key, value), expected);
            value.as_str().ok_or_else(not_text)
        })),
        Some(other) => problems.or(Err(wrong(key, shown(key, other), expected)), Vec::new()),
    }
}

/// Tells whether `value` is a list of nothing.
pub(super) fn is_empty_list(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Array(list)) if list.is_empty())
}

fn shown(key: &str, value: &Value) -> String {
    if keys::find(key).is_some_and(|key| key.is_secret) {
        "•••".to_owned()
    } else {
        value.to_string()
    }
}

fn database(merged: &Merged) -> Result<PathBuf, ConfigError> {
    let key = "database";
    match text(merged, key)? {
        "" => Err(wrong(key, "", "the path of a file")),
        path if path.ends_with('/') => Err(wrong(key, path, "the path of a file, not of a folder")),
        // SQLite reads it as a URI, which may be another file than the one that is locked.
        path if path.starts_with("file:") => {
            let expected = "a path and no URI; a name that begins like one is written with its \
                            folder, such as ./file:name.db";
            Err(wrong(key, path, expected))
        }
        path => Ok(PathBuf::from(path)),
    }
}

fn address(merged: &Merged, key: &str) -> Result<SocketAddr, ConfigError> {
    let text = text(merged, key)?;
    let expected = "an IP address and a port, such as 127.0.0.1:8081 or [::1]:8081";
    text.parse().map_err(|_| wrong(key, text, expected))
}

fn trusted_proxies(merged: &Merged, problems: &mut Problems) -> TrustedProxies {
    let key = "trusted_proxies";
    let expected = "a list of IP addresses or ranges of them, such as \"127.0.0.1\", \"10.0.0.0/8\" \
                    or \"fd00::/8\"";
    let networks = texts(merged.find(key), key, expected, problems);
    let networks = networks.into_iter().map(|text| {
        text.parse().map_err(|error| match error {
            NetworkError::NoNetwork => wrong(key, text, expected),
            NetworkError::Mapped => {
                let expected = "written as IPv4, such as 10.0.0.0/8 for ::ffff:10.0.0.0/104";
                wrong(key, text, expected)
            }
        })
    });
    TrustedProxies(problems.each(networks))
}

fn base_path(merged: &Merged) -> Result<BasePath, ConfigError> {
    let key = "dashboard.base_path";
    let text = text(merged, key)?;
    let expected = "a path of letters, digits, `-`, `.`, `_`, `~` and single slashes that begins \
                    with one, such as /mpsink";
    BasePath::parse(text).map_err(|_| wrong(key, text, expected))
}

fn public_url(merged: &Merged) -> Result<Option<String>, ConfigError> {
    let key = "receiver.public_url";
    let url = text(merged, key)?;
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['?', '#']);
    match rest {
        _ if url.is_empty() => Ok(None),
        Some(rest) if is_plain && !rest.is_empty() && !rest.starts_with('/') => {
            Ok(Some(url.trim_end_matches('/').to_owned()))
        }
        _ => Err(wrong(
            key,
            url,
            "the receiver's address as SMQ sees it, such as https://mps.example.com, without \
             query or fragment; the source's path is added to it",
        )),
    }
}

fn certificate_urls(merged: &Merged, problems: &mut Problems) -> Vec<UrlPattern> {
    let key = "verify.certificate_urls";
    let expected = "a list of URLs of scheme, host, and optional port and path, such as \
                    https://mnstest.oss-cn-hangzhou.aliyuncs.com/";
    if is_empty_list(merged.find(key)) {
        return problems.or(Err(wrong(key, "[]", expected)), Vec::new());
    }
    let urls = texts(merged.find(key), key, expected, problems);
    let patterns = urls
        .into_iter()
        .map(|url| UrlPattern::parse(url).map_err(|_| wrong(key, url, expected)));
    problems.each(patterns)
}

fn date_window(merged: &Merged) -> Result<i64, ConfigError> {
    let key = "verify.date_window";
    let text = text(merged, key)?;
    let ms = parse_duration_ms(text).filter(|ms| (1..=DATE_WINDOW_MS_MAX).contains(ms));
    ms.ok_or_else(|| wrong(key, text, "a time up to 24h, such as 90s, 15m or 1h"))
}

fn timezone(merged: &Merged) -> Result<Tz, ConfigError> {
    let key = "dashboard.timezone";
    let text = text(merged, key)?;
    let expected = "a name of the IANA time zone database, such as UTC or Asia/Shanghai";
    text.parse().map_err(|_| wrong(key, text, expected))
}

fn proxy(merged: &Merged) -> Result<Option<String>, ConfigError> {
    let key = "verify.proxy";
    let url = text(merged, key)?;
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    match url.is_empty() {
        true => Ok(None),
        false if is_url => Ok(Some(url.to_owned())),
        // Not shown: it may hold a password.
        false => Err(wrong(
            key,
            "•••",
            "a URL such as http://proxy.example.com:3128",
        )),
    }
}

/// Reads `90s`, `15m`, `24h`, `7d` as milliseconds.
pub(super) fn parse_duration_ms(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match text.strip_prefix(digits)? {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits
        .parse::<u32>()
        .ok()
        .map(i64::from)?
        .checked_mul(unit_ms)
}
