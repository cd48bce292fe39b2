//! The pages that are asked for: each page, each list with each of its filters.

use anyhow::Context;
use serde_json::Value;

use crate::client::Client;
use crate::database::Database;

const HOUR_MS: i64 = 60 * 60 * 1000;

const DAY_MS: i64 = 24 * HOUR_MS;

/// An address and what it is called in the table.
pub(crate) struct Address {
    pub(crate) path: String,
    pub(crate) what: String,
}

/// Returns all of them, with ids, codes and words that are there.
pub(crate) fn of(client: &mut Client, database: &Database) -> anyhow::Result<Vec<Address>> {
    let back = |ms: i64| database.ends_at.plus_ms(-ms).to_string();
    let end = database.ends_at.plus_ms(1).to_string();
    let window = |ms: i64| format!("from={}&to={end}", back(ms));
    let middle = format!("from={}&to={}", back(16 * DAY_MS), back(15 * DAY_MS));
    let (hour, day, week) = (window(HOUR_MS), window(DAY_MS), window(7 * DAY_MS));
    let month = window(30 * DAY_MS);

    let job = first(client, "/jobs.json?limit=1000&state=failed", "/queue")?;
    let run = first(client, "/runs.json?limit=1&state=succeeded", "/id")?;
    let event = first(client, "/events.json?limit=1", "/delivery")?;
    let old = format!("/jobs.json?limit=1&to={}", back(20 * DAY_MS));
    let old = first(client, &old, "/id")?;
    let activity = first(client, "/activities.json?limit=100&state=failed", "/code")?;
    let (queue, code) = (text(&job, "/queue")?, text(&job, "/code")?);
    let workflow = text(&run, "/workflow/id")?;
    let run = text(&run, "/id")?;
    let (job, old) = (text(&job, "/id")?, text(&old, "/id")?);
    let delivery = event.pointer("/delivery").map(Value::to_string);
    let delivery = delivery.context("an event without a delivery")?;
    let activity_code = text(&activity, "/code")?;

    let mut all = Vec::new();
    for window in [&hour, &day, &week, &month] {
        all.push(format!("/?{window}"));
    }
    for window in [&day, &week, &month] {
        all.push(format!("/queues/{queue}?{window}"));
        all.push(format!("/workflows/{workflow}?{window}"));
    }
    all.extend(list(
        "/jobs",
        &[
            String::new(),
            format!("queue={queue}"),
            format!("workflow={workflow}"),
            "type=Transcode".to_owned(),
            "type=SmartTag".to_owned(),
            "state=succeeded".to_owned(),
            "state=failed".to_owned(),
            "state=cancelled".to_owned(),
            format!("code={code}"),
            day.clone(),
            month.clone(),
            middle.clone(),
            format!("queue={queue}&state=failed"),
            format!("queue={queue}&state=failed&{middle}"),
            format!("queue={queue}&type=Transcode&code={code}&{month}"),
            "type=Transcode&state=failed".to_owned(),
            format!("q={old}"),
            "q=mp4".to_owned(),
            "q=mp4&state=failed".to_owned(),
            "q=nothing-is-called-this".to_owned(),
            "limit=250".to_owned(),
        ],
    ));
    all.extend(list(
        "/runs",
        &[
            String::new(),
            format!("workflow={workflow}"),
            "state=succeeded".to_owned(),
            "state=partial".to_owned(),
            "state=stale".to_owned(),
            "state=running".to_owned(),
            format!("workflow={workflow}&state=failed&{month}"),
            middle.clone(),
            format!("q={run}"),
            "q=mp4".to_owned(),
            "limit=250".to_owned(),
        ],
    ));
    all.extend(list(
        "/activities",
        &[
            String::new(),
            format!("run={run}"),
            format!("workflow={workflow}"),
            "type=Transcode".to_owned(),
            "state=succeeded".to_owned(),
            "state=failed".to_owned(),
            format!("code={activity_code}"),
            format!("workflow={workflow}&type=Snapshot&state=failed"),
            middle.clone(),
        ],
    ));
    all.extend(list(
        "/events",
        &[
            String::new(),
            "kind=run".to_owned(),
            "kind=unrecognized".to_owned(),
            middle.clone(),
            format!("kind=activity&{middle}"),
        ],
    ));
    all.extend(list(
        "/deliveries",
        &[
            String::new(),
            "format=simplified".to_owned(),
            "topic=nothing-is-called-this".to_owned(),
            "only=unrecognized".to_owned(),
            "only=repeated".to_owned(),
            middle.clone(),
        ],
    ));
    all.extend([
        format!("/jobs/{job}"),
        format!("/jobs/{old}"),
        format!("/jobs/{old}.json"),
        format!("/runs/{run}"),
        format!("/deliveries/{delivery}"),
        format!("/deliveries/{delivery}.http"),
        "/jobs.json?limit=1000".to_owned(),
        "/overview.json".to_owned(),
        "/held".to_owned(),
        "/refusals".to_owned(),
        "/completeness".to_owned(),
        "/connect".to_owned(),
        "/operations".to_owned(),
        "/metrics".to_owned(),
        "/readyz".to_owned(),
    ]);
    let names = [
        (hour, "an hour"),
        (day, "a day"),
        (week, "7 days"),
        (month, "30 days"),
        (middle, "a day before"),
        (format!("/deliveries/{delivery}"), "/deliveries/…"),
        (format!("={queue}"), "=…"),
        (format!("/{queue}"), "/…"),
        (workflow, "…"),
        (activity_code, "…"),
        (code, "…"),
        (run, "…"),
        (job, "…"),
        (old, "… (old)"),
    ];
    let named = |path: &String| {
        let names = names.iter();
        names.fold(path.clone(), |what, (value, name)| {
            what.replace(value, name)
        })
    };
    let addresses = all.iter().map(|path| Address {
        path: path.clone(),
        what: named(path),
    });
    Ok(addresses.collect())
}

fn list(path: &str, filters: &[String]) -> impl Iterator<Item = String> {
    filters.iter().map(move |filter| match filter.as_str() {
        "" => path.to_owned(),
        filter => format!("{path}?{filter}"),
    })
}

/// Returns a list's first item that has something at `pointer`.
fn first(client: &mut Client, path: &str, pointer: &str) -> anyhow::Result<Value> {
    let (page, _) = client.get(path)?;
    let page: Value = serde_json::from_slice(&page)?;
    let items = page.pointer("/items").and_then(Value::as_array);
    let has_it = |item: &&Value| item.pointer(pointer).is_some_and(|value| !value.is_null());
    let item = items.into_iter().flatten().find(has_it).cloned();
    item.with_context(|| format!("{path} has no item with {pointer}"))
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {pointer}"))?.to_owned())
}
