//! The tables in double brackets: sources, queues and workflows.

use serde::Deserialize;
use toml::Table;

use crate::config::ConfigError;
use crate::config::check::{parse_duration_ms, wrong};
use crate::notification::source::masked;
use crate::store::options::{QueueRule, STALE_AFTER_MS, SourceRule, WorkflowRule};

/// A `[[source]]` table as written.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawSource {
    name: String,
    paths: Vec<String>,
    owners: Vec<String>,
    topics: Vec<String>,
    region: String,
    queue: String,
}

/// A `[[queue]]` table as written.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawQueue {
    name: String,
    topics: Vec<String>,
    region: String,
    pipeline_id: String,
}

/// A `[[workflow]]` table as written.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawWorkflow {
    id: String,
    name: String,
    stale_after: String,
}

pub(super) fn sources(table: &Table) -> Result<Vec<SourceRule>, ConfigError> {
    let raw: Vec<RawSource> = list(table, "source")?;
    let mut rules: Vec<SourceRule> = Vec::new();
    let is_only = raw.len() == 1;
    for source in raw {
        let name = match source.name {
            name if !name.is_empty() => name,
            _ if is_only => "default".to_owned(),
            _ => {
                let expected = "given as soon as there are two sources: owners are pinned under it";
                return Err(wrong("source.name", "", expected));
            }
        };
        if rules.iter().any(|other| other.name == name) {
            return Err(wrong("source.name", name, "another one for each source"));
        }
        if source.paths.is_empty() && !is_only {
            let expected = "at least one path for each source, such as /notifications/ and a \
                            random word";
            return Err(wrong("source.paths", "[]", expected));
        }
        let taken = rules.iter().flat_map(|other| &other.paths);
        check_paths(&source.paths, taken)?;
        let is_account = |owner: &String| owner.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(owner) = source.owners.iter().find(|owner| !is_account(owner)) {
            let expected = "an account id, which is digits, such as 1234567890123456";
            return Err(wrong("source.owners", owner, expected));
        }
        rules.push(SourceRule {
            name,
            paths: source.paths,
            owners: source.owners,
            topics: source.topics,
            region: source.region,
            queue: source.queue,
        });
    }
    if rules.is_empty() {
        rules.push(SourceRule {
            name: "default".to_owned(),
            ..SourceRule::default()
        });
    }
    Ok(rules)
}

/// Checks the paths of one source against each other and those of the sources before. An error
/// shows them masked, since they are secrets.
fn check_paths<'a>(
    paths: &'a [String],
    taken: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let key = "source.paths";
    let mut taken: Vec<&String> = taken.collect();
    for path in paths {
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
    }
    Ok(())
}

pub(super) fn queues(table: &Table) -> Result<Vec<QueueRule>, ConfigError> {
    let raw: Vec<RawQueue> = list(table, "queue")?;
    raw.into_iter()
        .map(|queue| {
            if queue.name.is_empty() {
                return Err(wrong("queue.name", "", "the name to show for the queue"));
            }
            if queue.topics.is_empty() && queue.pipeline_id.is_empty() {
                let expected = "the topics whose jobs belong to it, unless pipeline_id is given";
                return Err(wrong("queue.topics", "[]", expected));
            }
            Ok(QueueRule {
                name: queue.name,
                topics: queue.topics,
                region: queue.region,
                pipeline_id: queue.pipeline_id,
            })
        })
        .collect()
}

pub(super) fn workflows(table: &Table) -> Result<Vec<WorkflowRule>, ConfigError> {
    let raw: Vec<RawWorkflow> = list(table, "workflow")?;
    let mut rules: Vec<WorkflowRule> = Vec::new();
    for workflow in raw {
        if workflow.id.is_empty() {
            let expected = "MPS's id of the workflow, which its messages carry";
            return Err(wrong("workflow.id", "", expected));
        }
        if rules.iter().any(|other| other.id == workflow.id) {
            let expected = "another one for each workflow";
            return Err(wrong("workflow.id", workflow.id, expected));
        }
        let stale_after_ms = match workflow.stale_after.as_str() {
            "" => STALE_AFTER_MS,
            text => parse_duration_ms(text)
                .filter(|ms| *ms > 0)
                .ok_or_else(|| {
                    let expected =
                        "a time such as 90m, 24h or 7d, after which a run counts as stuck";
                    wrong("workflow.stale_after", text, expected)
                })?,
        };
        rules.push(WorkflowRule {
            id: workflow.id,
            name: workflow.name,
            stale_after_ms,
        });
    }
    Ok(rules)
}

fn list<'de, T: Deserialize<'de>>(table: &Table, key: &str) -> Result<Vec<T>, ConfigError> {
    let table_error = |source| ConfigError::Table {
        key: key.to_owned(),
        source,
    };
    match table.get(key) {
        None => Ok(Vec::new()),
        Some(value) => value.clone().try_into().map_err(table_error),
    }
}
