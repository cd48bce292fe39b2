//! The pages that are asked for: each page, each list with each of its filters.

use anyhow::Context;
use mpsink::clock::Timestamp;
use serde_json::Value;

use crate::client::Client;
use crate::database::Database;

const HOUR_MS: i64 = 60 * 60 * 1000;

const DAY_MS: i64 = 24 * HOUR_MS;

/// How long ago what is old happened.
const OLD_MS: i64 = 20 * DAY_MS;

/// An address and what it is called in the table, where what differs from database to database is
/// left out.
pub(crate) struct Address {
    pub(crate) path: String,
    pub(crate) what: String,
}

/// Returns all of them, with ids, codes and words that are there.
pub(crate) fn of(client: &mut Client, database: &Database) -> anyhow::Result<Vec<Address>> {
    let known = Known::find(client, database)?;
    let windows = Windows::before(database.ends_at);
    let mut paths = lanes(&known, &windows);
    paths.extend(list("/jobs", jobs(&known, &windows)));
    paths.extend(list("/runs", runs(&known, &windows)));
    paths.extend(list("/activities", activities(&known, &windows)));
    paths.extend(list("/events", events(&windows)));
    paths.extend(list("/deliveries", deliveries(&windows)));
    paths.extend(others(&known));
    let names = names(known, windows);
    let address = |path: String| {
        let what = names.iter().fold(path.clone(), |what, (value, name)| {
            what.replace(value.as_str(), name)
        });
        Address { path, what }
    };
    Ok(paths.into_iter().map(address).collect())
}

/// What is there to be asked for.
struct Known {
    queue: String,
    /// Of a job that failed there.
    code: String,
    job: String,
    old_job: String,
    workflow: String,
    run: String,
    activity_code: String,
    delivery: String,
}

impl Known {
    fn find(client: &mut Client, database: &Database) -> anyhow::Result<Known> {
        let before = database.ends_at.plus_ms(-OLD_MS);
        let old = format!("/jobs.json?limit=1&to={before}");
        let job = first(client, "/jobs.json?limit=1000&state=failed", "/queue")?;
        let old_job = first(client, &old, "/id")?;
        let run = first(client, "/runs.json?limit=1&state=succeeded", "/id")?;
        let activity = first(client, "/activities.json?limit=100&state=failed", "/code")?;
        let event = first(client, "/events.json?limit=1", "/delivery")?;
        let delivery = event.pointer("/delivery").map(Value::to_string);
        Ok(Known {
            queue: text(&job, "/queue")?,
            code: text(&job, "/code")?,
            job: text(&job, "/id")?,
            old_job: text(&old_job, "/id")?,
            workflow: text(&run, "/workflow/id")?,
            run: text(&run, "/id")?,
            activity_code: text(&activity, "/code")?,
            delivery: delivery.context("an event without a delivery")?,
        })
    }
}

/// Windows as they stand in addresses.
struct Windows {
    hour: String,
    day: String,
    week: String,
    month: String,
    /// A day in the middle of the month.
    earlier: String,
}

impl Windows {
    fn before(end: Timestamp) -> Windows {
        let window = |from: i64, to: i64| {
            let (from, to) = (end.plus_ms(-from), end.plus_ms(1 - to));
            format!("from={from}&to={to}")
        };
        Windows {
            hour: window(HOUR_MS, 0),
            day: window(DAY_MS, 0),
            week: window(7 * DAY_MS, 0),
            month: window(30 * DAY_MS, 0),
            earlier: window(16 * DAY_MS, 15 * DAY_MS),
        }
    }
}

/// Returns what stands for a value in the table; the first that fits is taken.
fn names(known: Known, windows: Windows) -> Vec<(String, &'static str)> {
    vec![
        (windows.hour, "an hour"),
        (windows.day, "a day"),
        (windows.week, "7 days"),
        (windows.month, "30 days"),
        (windows.earlier, "a day before"),
        (format!("/deliveries/{}", known.delivery), "/deliveries/…"),
        (format!("={}", known.queue), "=…"),
        (format!("/{}", known.queue), "/…"),
        (known.workflow, "…"),
        (known.activity_code, "…"),
        (known.code, "…"),
        (known.run, "…"),
        (known.job, "…"),
        (known.old_job, "… (old)"),
    ]
}

fn lanes(known: &Known, windows: &Windows) -> Vec<String> {
    let Known {
        queue, workflow, ..
    } = known;
    let mut paths = vec![format!("/?{}", windows.hour)];
    for window in [&windows.day, &windows.week, &windows.month] {
        paths.push(format!("/?{window}"));
        paths.push(format!("/queues/{queue}?{window}"));
        paths.push(format!("/workflows/{workflow}?{window}"));
    }
    paths
}

fn jobs(known: &Known, windows: &Windows) -> Vec<String> {
    let Known {
        queue,
        code,
        workflow,
        old_job,
        ..
    } = known;
    let Windows {
        day,
        month,
        earlier,
        ..
    } = windows;
    vec![
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
        earlier.clone(),
        format!("queue={queue}&state=failed"),
        format!("queue={queue}&state=failed&{earlier}"),
        format!("queue={queue}&type=Transcode&code={code}&{month}"),
        "type=Transcode&state=failed".to_owned(),
        format!("q={old_job}"),
        "q=mp4".to_owned(),
        "q=mp4&state=failed".to_owned(),
        "q=nothing-is-called-this".to_owned(),
        "limit=250".to_owned(),
    ]
}

fn runs(known: &Known, windows: &Windows) -> Vec<String> {
    let Known { workflow, run, .. } = known;
    vec![
        String::new(),
        format!("workflow={workflow}"),
        "state=succeeded".to_owned(),
        "state=partial".to_owned(),
        "state=stale".to_owned(),
        "state=running".to_owned(),
        format!("workflow={workflow}&state=failed&{}", windows.month),
        windows.earlier.clone(),
        format!("q={run}"),
        "q=mp4".to_owned(),
        "limit=250".to_owned(),
    ]
}

fn activities(known: &Known, windows: &Windows) -> Vec<String> {
    let Known { workflow, run, .. } = known;
    vec![
        String::new(),
        format!("run={run}"),
        format!("workflow={workflow}"),
        "type=Transcode".to_owned(),
        "state=succeeded".to_owned(),
        "state=failed".to_owned(),
        format!("code={}", known.activity_code),
        format!("workflow={workflow}&type=Snapshot&state=failed"),
        windows.earlier.clone(),
    ]
}

fn events(windows: &Windows) -> Vec<String> {
    vec![
        String::new(),
        "kind=run".to_owned(),
        "kind=unrecognized".to_owned(),
        windows.earlier.clone(),
        format!("kind=activity&{}", windows.earlier),
    ]
}

fn deliveries(windows: &Windows) -> Vec<String> {
    vec![
        String::new(),
        "format=simplified".to_owned(),
        "topic=nothing-is-called-this".to_owned(),
        "only=unrecognized".to_owned(),
        "only=repeated".to_owned(),
        windows.earlier.clone(),
    ]
}

fn others(known: &Known) -> Vec<String> {
    let Known {
        job,
        old_job,
        run,
        delivery,
        ..
    } = known;
    vec![
        format!("/jobs/{job}"),
        format!("/jobs/{old_job}"),
        format!("/jobs/{old_job}.json"),
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
    ]
}

fn list(path: &str, filters: Vec<String>) -> impl Iterator<Item = String> {
    filters
        .into_iter()
        .map(move |filter| match filter.as_str() {
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
