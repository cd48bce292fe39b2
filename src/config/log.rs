//! `[log]`: how much is logged, and in which form.

use toml::Table;
use tracing_subscriber::filter::LevelFilter;

use crate::config::ConfigError;
use crate::config::check::{text, wrong};

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

/// The least grave lines that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    /// With a line for each push.
    #[default]
    Info,
    /// With a line for each request to the dashboard.
    Debug,
    Trace,
}

/// Everything under `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub format: LogFormat,
    pub level: LogLevel,
}

impl LogLevel {
    pub fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

pub(super) fn log(table: &Table) -> Result<LogOptions, ConfigError> {
    let format = text(table, "log.format", "text")?;
    let format = match format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(wrong("log.format", format, "text or json")),
    };
    let level = text(table, "log.level", "info")?;
    let level = match level.as_str() {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => {
            let expected = "error, warn, info, debug or trace";
            return Err(wrong("log.level", level, expected));
        }
    };
    Ok(LogOptions { format, level })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<LogOptions, ConfigError> {
        log(&toml.parse().unwrap())
    }

    #[test]
    fn each_word_is_its_form_or_level_and_no_other_word_is_one() {
        assert_eq!(read("").unwrap(), LogOptions::default());
        let options = read("[log]\nformat = \"json\"\nlevel = \"debug\"").unwrap();
        let expected = LogOptions {
            format: LogFormat::Json,
            level: LogLevel::Debug,
        };
        assert_eq!(options, expected);
        for word in ["error", "warn", "info", "debug", "trace"] {
            let options = read(&format!("[log]\nlevel = \"{word}\"")).unwrap();
            assert_eq!(options.level.filter().to_string(), word);
        }
        let error = read("[log]\nformat = \"xml\"").unwrap_err().to_string();
        assert_eq!(error, "`log.format` is `xml`, but must be text or json");
        let error = read("[log]\nlevel = \"loud\"").unwrap_err().to_string();
        assert!(error.starts_with("`log.level` is `loud`, but must be error, warn"));
    }
}
