//! Every single value, checked as it is read.
//!
//! An error names the key, the value as it stands, and what would be right.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use chrono_tz::Tz;
use toml::{Table, Value};

use crate::config::retention::retention;
use crate::config::tables::{queues, sources, workflows};
use crate::config::{Config, ConfigError, DEFAULT_DATABASE, TRY_DATABASE};
use crate::signature::DEFAULT_CERTIFICATE_URLS;
use crate::signature::urls::UrlPattern;

/// The longest date window that makes sense: SMQ repeats a push for a day at most.
const DATE_WINDOW_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// Reads every value of `table`, whose keys are known to be right.
pub(super) fn check(table: &Table, is_try: bool) -> Result<Config, ConfigError> {
    let default_database = if is_try {
        TRY_DATABASE
    } else {
        DEFAULT_DATABASE
    };
    let receiver_default = if is_try {
        "127.0.0.1:8080"
    } else {
        "0.0.0.0:8080"
    };
    let config = Config {
        database: PathBuf::from(text(table, "database", default_database)?),
        receiver_listen: address(table, "receiver.listen", receiver_default)?,
        public_url: public_url(table)?,
        sources: sources(table)?,
        queues: queues(table)?,
        workflows: workflows(table)?,
        certificate_urls: certificate_urls(table)?,
        date_window_ms: date_window(table)?,
        proxy: proxy(table)?,
        dashboard_listen: address(table, "dashboard.listen", "127.0.0.1:8081")?,
        timezone: timezone(table)?,
        retention: retention(table)?,
        is_try,
    };
    if config.database.as_os_str().is_empty() {
        return Err(wrong("database", "empty", "the path of a file"));
    }
    let dashboard = config.dashboard_listen;
    if !dashboard.ip().is_loopback() {
        return Err(wrong(
            "dashboard.listen",
            dashboard,
            "a loopback address such as 127.0.0.1:8081, since the dashboard has no login yet; \
             reach it through an SSH tunnel",
        ));
    }
    if !is_try && dashboard == config.receiver_listen && dashboard.port() != 0 {
        return Err(wrong(
            "dashboard.listen",
            dashboard,
            "another address than the receiver's, since whatever passes pushes on to it would show \
             the pages, which have no login yet",
        ));
    }
    if is_try && !config.receiver_listen.ip().is_loopback() {
        return Err(wrong(
            "receiver.listen",
            config.receiver_listen,
            "a loopback address with --try, since anybody who has the test key gets in",
        ));
    }
    Ok(config)
}

pub(super) fn wrong(key: &str, value: impl fmt::Display, expected: &'static str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: format!("`{value}`"),
        expected,
    }
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, key)) => table.get(section)?.as_table()?.get(key),
    }
}

pub(super) fn text(table: &Table, key: &str, default: &str) -> Result<String, ConfigError> {
    match find(table, key) {
        None => Ok(default.to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong(key, other, "a string in quotes")),
    }
}

fn address(table: &Table, key: &str, default: &str) -> Result<SocketAddr, ConfigError> {
    let text = text(table, key, default)?;
    let expected = "an IP address and a port, such as 127.0.0.1:8081 or [::1]:8081";
    text.parse().map_err(|_| wrong(key, text, expected))
}

fn public_url(table: &Table) -> Result<Option<String>, ConfigError> {
    let key = "receiver.public_url";
    let url = text(table, key, "")?;
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

fn certificate_urls(table: &Table) -> Result<Vec<UrlPattern>, ConfigError> {
    let key = "verify.certificate_urls";
    let expected = "a list of URLs of scheme, host, and optional port and path, such as \
                    https://mnstest.oss-cn-hangzhou.aliyuncs.com/";
    let urls = match find(table, key) {
        None => DEFAULT_CERTIFICATE_URLS.map(str::to_owned).to_vec(),
        Some(value) => value
            .clone()
            .try_into::<Vec<String>>()
            .map_err(|_| wrong(key, value, expected))?,
    };
    if urls.is_empty() {
        return Err(wrong(key, "[]", expected));
    }
    urls.into_iter()
        .map(|url| UrlPattern::parse(&url).map_err(|_| wrong(key, url, expected)))
        .collect()
}

fn date_window(table: &Table) -> Result<i64, ConfigError> {
    let key = "verify.date_window";
    let text = text(table, key, "15m")?;
    let ms = parse_duration_ms(&text).filter(|ms| (1..=DATE_WINDOW_MS_MAX).contains(ms));
    ms.ok_or_else(|| wrong(key, text, "a time up to 24h, such as 90s, 15m or 1h"))
}

fn timezone(table: &Table) -> Result<Tz, ConfigError> {
    let key = "dashboard.timezone";
    let text = text(table, key, "UTC")?;
    let expected = "a name of the IANA time zone database, such as UTC or Asia/Shanghai";
    text.parse().map_err(|_| wrong(key, text, expected))
}

fn proxy(table: &Table) -> Result<Option<String>, ConfigError> {
    let key = "verify.proxy";
    let url = text(table, key, "")?;
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    match url.is_empty() {
        true => Ok(None),
        false if is_url => Ok(Some(url)),
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
