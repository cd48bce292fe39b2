//! The table `[retention]`: how long messages and history are kept.

use crate::config::ConfigError;
use crate::config::check::{Problems, text, wrong};
use crate::config::merged::Merged;
use crate::store::retention::kept::{HISTORY_MS_MIN, Kept, MESSAGES_MS_MIN, Retention};

/// Messages for longer than history are no error: they go with it.
pub(super) fn retention(merged: &Merged, problems: &mut Problems) -> Retention {
    let messages = "a time of at least 1d such as 90d or 1y, or forever";
    let history = "a time of at least 7d such as 90d or 2y, or forever: for a day SMQ may repeat a \
                   message, and what is forgotten would come in as new";
    let messages = kept(merged, "retention.messages", MESSAGES_MS_MIN, messages);
    let history = kept(merged, "retention.history", HISTORY_MS_MIN, history);
    Retention {
        messages: problems.or(messages, Kept::Forever),
        history: problems.or(history, Kept::Forever),
    }
}

fn kept(
    merged: &Merged,
    key: &str,
    ms_min: i64,
    expected: &'static str,
) -> Result<Kept, ConfigError> {
    let text = text(merged, key)?;
    Kept::parse_from(text, ms_min).ok_or_else(|| wrong(key, text, expected))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Flags};

    use super::*;

    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let table = text.parse().unwrap();
        let config = Config::from_parts(table, std::iter::empty(), Flags::default());
        match (config, expected) {
            (Ok(config), Ok((messages, history))) => {
                let Retention {
                    messages: m,
                    history: h,
                } = config.retention;
                assert_eq!(
                    (&*m.to_string(), &*h.to_string()),
                    (messages, history),
                    "{text}"
                );
            }
            (Err(error), Err(named)) => {
                assert!(error.to_string().contains(named), "{text}: {error}");
            }
            (config, _) => panic!("{text}: {config:?}"),
        }
    }

    #[test]
    fn each_time_may_be_left_out_and_each_wrong_one_is_named() {
        check("", Ok(("90d", "forever")));
        check("[retention]\nmessages = \"30d\"", Ok(("30d", "forever")));
        check("[retention]\nhistory = \"30d\"", Ok(("90d", "30d")));
        check(
            "[retention]\nmessages = \"forever\"\nhistory = \"2y\"",
            Ok(("forever", "2y")),
        );
        check(
            "[retention]\nmessages = \"23h\"",
            Err("`retention.messages` is `23h`"),
        );
        check(
            "[retention]\nmessages = \"never\"",
            Err("`retention.messages` is `never`"),
        );
        check(
            "[retention]\nhistory = \"6d\"",
            Err("`retention.history` is `6d`"),
        );
        check(
            "[retention]\nhistory = 90",
            Err("`retention.history` is `90`"),
        );
        check("[retention]\nkeep = \"90d\"", Err("retention"));
    }
}
