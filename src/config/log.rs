//! `[log]`: how much is logged, and in which form.

use tracing_subscriber::filter::LevelFilter;

use crate::config::ConfigError;
use crate::config::check::{Problems, text, wrong};
use crate::config::merged::Merged;

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

pub(super) fn log(merged: &Merged, problems: &mut Problems) -> LogOptions {
    LogOptions {
        format: problems.or(format(merged), LogFormat::default()),
        level: problems.or(level(merged), LogLevel::default()),
    }
}

fn format(merged: &Merged) -> Result<LogFormat, ConfigError> {
    match text(merged, "log.format")? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(wrong("log.format", other, "text or json")),
    }
}

fn level(merged: &Merged) -> Result<LogLevel, ConfigError> {
    match text(merged, "log.level")? {
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        other => {
            let expected = "error, warn, info, debug or trace";
            Err(wrong("log.level", other, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigErrors, Flags};

    fn read(toml: &str) -> Result<LogOptions, ConfigErrors> {
        let table = toml.parse().unwrap();
        let config = Config::from_parts(table, std::iter::empty(), Flags::default());
        config.map(|config| config.log)
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
