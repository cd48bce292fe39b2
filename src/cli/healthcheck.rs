//! `mpsink healthcheck`: asks the running server whether it is ready, for containers and scripts.
//!
//! One line and an exit code: 0 if pushes can be taken, also if a person should look; 1 if not, or if
//! nobody answers. The server of this machine is found through the lock file beside its database.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use crate::cli::{Common, http_agent_with, say};
use crate::store::lock;

/// How long an answer may take: a look waits for a reader, and then for the reading.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

#[derive(Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    common: Common,
    /// The dashboard to ask, such as <http://127.0.0.1:8081> [default: that of the server which runs
    /// on the database]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(super) fn run(command: &Healthcheck) -> anyhow::Result<ExitCode> {
    let (url, key) = if let Some(url) = &command.url {
        (url.trim_end_matches('/').to_owned(), None)
    } else {
        let config = command.common.load()?;
        let database = config.database.display();
        let Some(running) = lock::running(&config.database) else {
            bail!("no server is running on {database}");
        };
        (running.dashboard, Some(running.key))
    };
    let agent = http_agent_with(|config| config.timeout_global(Some(ANSWER_WITHIN)));
    let mut request = agent.get(format!("{url}/readyz"));
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut response = request
        .call()
        .with_context(|| format!("cannot ask {url}/readyz"))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap_or_default();
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if answer.get("ready").is_none() {
        bail!("{url}/readyz answers with status {status}, and not as mpsink does");
    }
    say(&line(status, &answer));
    Ok(match status {
        200 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Returns the answer as a line, with the reasons for what is not fine, if the server gives any.
fn line(status: u16, answer: &Value) -> String {
    let word = if status == 200 { "ready" } else { "not ready" };
    let checks = answer.get("checks").and_then(Value::as_array);
    let text = |check: &Value, key: &str| {
        let text = check.get(key).and_then(Value::as_str);
        // Whatever answers, it is one line.
        text.unwrap_or_default().replace(char::is_control, " ")
    };
    let reasons: Vec<String> = checks
        .into_iter()
        .flatten()
        .filter(|check| text(check, "state") != "fine")
        .map(|check| format!("{}: {}", text(check, "name"), text(check, "reason")))
        .collect();
    if reasons.is_empty() {
        word.to_owned()
    } else {
        format!("{word}; {}", reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_names_what_is_not_fine_and_is_one_line() {
        let cases = [
            (200, json!({"ready": true}), "ready"),
            (503, json!({"ready": false}), "not ready"),
            (
                200,
                json!({"ready": true, "checks": [
                    {"name": "disk", "state": "warning", "reason": "a\nb"},
                    {"name": "writer", "state": "fine", "reason": "it runs"},
                ]}),
                "ready; disk: a b",
            ),
        ];
        for (status, answer, expected) in cases {
            assert_eq!(line(status, &answer), expected);
        }
    }
}
