//! The tables in double brackets: sources, queues and workflows.
//!
//! Each wrong value is a problem of its own; what stands in for it is never used. A source's paths are
//! not shown: they are secrets.

use toml::{Table, Value};

use crate::config::ConfigError;
use crate::config::check::{Problems, is_empty_list, parse_duration_ms, text_of, texts, wrong};
use crate::config::merged::Merged;
use crate::notification::source::{RetryPolicy, masked};
use crate::store::options::{QueueRule, STALE_AFTER_MS, SourceRule, WorkflowRule};

/// One table of a list.
#[derive(Clone, Copy)]
struct Entry<'a> {
    section: &'static str,
    table: &'a Table,
}

impl<'a> Entry<'a> {
    fn value(self, name: &str) -> Option<&'a Value> {
        self.table.get(name)
    }

    fn key(self, name: &str) -> String {
        format!("{}.{name}", self.section)
    }

    /// Returns a value that is a string, empty if it is not there.
    fn checked_text(self, name: &str) -> Result<&'a str, ConfigError> {
        text_of(self.value(name), &self.key(name))
    }

    /// The same where any string is right.
    fn text(self, name: &str, problems: &mut Problems) -> String {
        problems.or(self.checked_text(name), "").to_owned()
    }

    /// Returns the strings of a value that is a list of them, empty if it is not there.
    fn texts(self, name: &str, problems: &mut Problems) -> Vec<String> {
        let expected = "a list of strings in quotes";
        let texts = texts(self.value(name), &self.key(name), expected, problems);
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Tells whether a list is empty, or not there.
    fn is_without(self, name: &str) -> bool {
        self.value(name).is_none() || is_empty_list(self.value(name))
    }
}

fn entries<'a>(merged: &'a Merged, section: &'static str) -> Vec<Entry<'a>> {
    let list = merged.table.get(section).and_then(Value::as_array);
    let tables = list.into_iter().flatten().filter_map(Value::as_table);
    tables.map(|table| Entry { section, table }).collect()
}

/// Reads the `[[source]]` tables; without any, there is one source with what it has by itself.
pub(super) fn sources(merged: &Merged, problems: &mut Problems) -> Vec<SourceRule> {
    let entries = entries(merged, "source");
    let is_only = entries.len() == 1;
    let mut rules: Vec<SourceRule> = Vec::new();
    for entry in entries {
        let name = problems.or(source_name(entry, is_only, &rules), String::new());
        let paths = entry.texts("paths", problems);
        if entry.is_without("paths") && !is_only {
            let expected = "at least one path for each source, such as /notifications/ and a \
                            random word";
            problems.or(Err(wrong("source.paths", "[]", expected)), ());
        }
        let taken = rules.iter().flat_map(|other| &other.paths);
        problems.each(checked_paths(&paths, taken));
        let owners = entry.texts("owners", problems);
        rules.push(SourceRule {
            name,
            paths,
            owners: problems.each(owners.into_iter().map(owner)),
            topics: entry.texts("topics", problems),
            region: entry.text("region", problems),
            queue: entry.text("queue", problems),
            retry_policy: problems.or(retry_policy(entry), RetryPolicy::Unknown),
        });
    }
    if rules.is_empty() {
        rules.push(SourceRule {
            name: "default".to_owned(),
            ..SourceRule::default()
        });
    }
    rules
}

fn source_name(
    entry: Entry<'_>,
    is_only: bool,
    others: &[SourceRule],
) -> Result<String, ConfigError> {
    let key = "source.name";
    match entry.checked_text("name")? {
        "" if is_only => Ok("default".to_owned()),
        "" => {
            let expected = "given as soon as there are two sources: owners are pinned under it";
            Err(wrong(key, "", expected))
        }
        name if others.iter().any(|other| other.name == name) => {
            Err(wrong(key, name, "another one for each source"))
        }
        name => Ok(name.to_owned()),
    }
}

fn retry_policy(entry: Entry<'_>) -> Result<RetryPolicy, ConfigError> {
    let policies = [RetryPolicy::ExponentialDecay, RetryPolicy::Backoff];
    match entry.checked_text("retry_policy")? {
        "" => Ok(RetryPolicy::Unknown),
        word => {
            let policy = policies.into_iter().find(|it| it.word() == Some(word));
            policy.ok_or_else(|| {
                let expected =
                    "EXPONENTIAL_DECAY_RETRY or BACKOFF_RETRY, as the subscription is set";
                wrong("source.retry_policy", word, expected)
            })
        }
    }
}

fn owner(owner: String) -> Result<String, ConfigError> {
    if !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(owner);
    }
    let expected = "an account id, which is digits, such as 1234567890123456";
    Err(wrong("source.owners", owner, expected))
}

/// Checks the paths of one source against each other and those of the sources before. An error
/// shows them masked.
fn checked_paths<'a>(
    paths: &'a [String],
    taken: impl Iterator<Item = &'a String>,
) -> Vec<Result<(), ConfigError>> {
    let key = "source.paths";
    let mut taken: Vec<&String> = taken.collect();
    let check = |path: &'a String| {
        let is_path = path.starts_with('/')
            && path.len() > 1
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && !path.contains('#');
        if !is_path || path == "/healthz" {
            let expected = "a path as SMQ sends it, such as /notifications/ and a random word";
            return Err(wrong(key, masked(path), expected));
        }
        if taken.contains(&path) {
            return Err(wrong(key, masked(path), "a path of one source only, once"));
        }
        taken.push(path);
        Ok(())
    };
    paths.iter().map(check).collect()
}

/// Reads the `[[queue]]` tables.
pub(super) fn queues(merged: &Merged, problems: &mut Problems) -> Vec<QueueRule> {
    let entries = entries(merged, "queue").into_iter();
    let rules = entries.map(|entry| {
        let expected = "the name to show for the queue";
        let name = problems.or(required(entry, "name", expected), "");
        let pipeline_id = problems.or(entry.checked_text("pipeline_id"), "");
        let has_no_id = entry.value("pipeline_id").is_none_or(is_empty_text);
        if entry.is_without("topics") && has_no_id {
            let expected = "the topics whose jobs belong to it, unless pipeline_id is given";
            problems.or(Err(wrong("queue.topics", "[]", expected)), ());
        }
        QueueRule {
            name: name.to_owned(),
            topics: entry.texts("topics", problems),
            region: entry.text("region", problems),
            pipeline_id: pipeline_id.to_owned(),
        }
    });
    rules.collect()
}

fn is_empty_text(value: &Value) -> bool {
    value.as_str() == Some("")
}

/// Returns a value that is a string with something in it.
fn required<'a>(
    entry: Entry<'a>,
    name: &str,
    expected: &'static str,
) -> Result<&'a str, ConfigError> {
    match entry.checked_text(name)? {
        "" => Err(wrong(&entry.key(name), "", expected)),
        text => Ok(text),
    }
}

/// Reads the `[[workflow]]` tables.
pub(super) fn workflows(merged: &Merged, problems: &mut Problems) -> Vec<WorkflowRule> {
    let mut rules: Vec<WorkflowRule> = Vec::new();
    for entry in entries(merged, "workflow") {
        let id = problems.or(workflow_id(entry, &rules), String::new());
        rules.push(WorkflowRule {
            id,
            name: entry.text("name", problems),
            stale_after_ms: problems.or(stale_after_ms(entry), STALE_AFTER_MS),
        });
    }
    rules
}

fn workflow_id(entry: Entry<'_>, others: &[WorkflowRule]) -> Result<String, ConfigError> {
    let expected = "MPS's id of the workflow, which its messages carry";
    let id = required(entry, "id", expected)?;
    if others.iter().any(|other| other.id == id) {
        return Err(wrong("workflow.id", id, "another one for each workflow"));
    }
    Ok(id.to_owned())
}

fn stale_after_ms(entry: Entry<'_>) -> Result<i64, ConfigError> {
    match entry.checked_text("stale_after")? {
        "" => Ok(STALE_AFTER_MS),
        text => parse_duration_ms(text).filter(|ms| *ms > 0).ok_or_else(|| {
            let expected = "a time such as 90m, 24h or 7d, after which a run counts as stuck";
            wrong("workflow.stale_after", text, expected)
        }),
    }
}
