//! Records with everything in them that a text may hold, for the tests of exports.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::event::{JobState, MediaObject};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::records::{
    ActivityRecord, DeliveryRecord, EventRecord, HeldRecord, JobRecord, RefusalRecord, RunOutcome,
    RunRecord, TimeSource, WorkflowName,
};

/// Anything that a text may hold, and what is most likely to go wrong.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\"",
        "\"\"",
        "'",
        ",",
        ";",
        "\r\n",
        "\n",
        "\r",
        "\t",
        "\0",
        "a\0b",
        "\u{feff}",
        "=1+1",
        "+1",
        "-1",
        "@a",
        "=HYPERLINK(\"x\")",
        "中文，示例",
        "שלום",
        "\u{202e}abc",
        "🎬",
        "null",
        "true",
        "{}",
        "\\",
        "\\n",
        "a,b\"c\r\nd",
        "\u{85}",
        "\u{2028}",
        "#",
        "0012",
    ];
    prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        ("[,\"\r\n='\t\0]{0,4}", any::<String>()).prop_map(|(odd, text)| odd + &text),
    ]
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(odd_text())
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-62_000_000_000_000_i64..253_000_000_000_000).prop_map(Timestamp)
}

fn state() -> impl Strategy<Value = JobState> {
    prop::sample::select(JobState::ALL.to_vec())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        odd_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(odd_text(), inner, 0..3)
                .prop_map(|map: BTreeMap<_, _>| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn extra() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(odd_text(), json_value(), 0..3)
        .prop_map(|map| map.into_iter().collect())
}

fn input() -> impl Strategy<Value = Option<MediaObject>> {
    let object = [maybe_text(), maybe_text(), maybe_text()];
    prop::option::of(object.prop_map(|[bucket, location, object]| MediaObject {
        bucket,
        location,
        object,
    }))
}

fn texts<const N: usize>() -> impl Strategy<Value = [Option<String>; N]> {
    prop::collection::vec(maybe_text(), N).prop_map(|texts| texts.try_into().unwrap())
}

fn times<const N: usize>() -> impl Strategy<Value = [Option<Timestamp>; N]> {
    prop::collection::vec(prop::option::of(time()), N).prop_map(|all| all.try_into().unwrap())
}

pub(super) fn job() -> impl Strategy<Value = JobRecord> {
    let texts = (texts::<10>(), [odd_text(), odd_text(), odd_text()]);
    let numbers = (any::<i32>(), any::<u32>(), any::<bool>());
    (
        texts,
        times::<3>(),
        time(),
        numbers,
        state(),
        (extra(), input()),
    )
        .prop_map(
            |((texts, [id, owner, region]), times, at, numbers, state, (extra, input))| {
                let [
                    queue,
                    run,
                    workflow,
                    workflow_name,
                    job_type,
                    raw_state,
                    code,
                    group,
                    message,
                    user_data,
                ] = texts;
                let [submitted_at, started_at, finished_at] = times;
                JobRecord {
                    id,
                    owner,
                    region,
                    queue,
                    run,
                    workflow,
                    workflow_name,
                    job_type,
                    state,
                    raw_state,
                    code,
                    group,
                    message,
                    user_data,
                    input,
                    submitted_at,
                    started_at,
                    finished_at,
                    duration_ms: Some(i64::from(numbers.0)).filter(|ms| ms % 3 != 0),
                    events: u64::from(numbers.1),
                    deliveries: u64::from(numbers.1) + 1,
                    conflict: numbers.2,
                    last_event_at: at,
                    extra,
                }
            },
        )
}

pub(super) fn activity() -> impl Strategy<Value = ActivityRecord> {
    let texts = (texts::<8>(), prop::collection::vec(odd_text(), 5));
    (texts, times::<2>(), time(), any::<bool>(), state(), extra()).prop_map(
        |((texts, given), [started_at, finished_at], at, conflict, state, extra)| {
            let [
                id,
                workflow_name,
                job,
                template_id,
                raw_state,
                code,
                group,
                message,
            ] = texts;
            let [run, owner, region, name, activity_type] = given.try_into().unwrap();
            ActivityRecord {
                run,
                owner,
                region,
                workflow: WorkflowName {
                    id,
                    name: workflow_name,
                },
                name,
                activity_type,
                job,
                template_id,
                state,
                raw_state,
                code,
                group,
                message,
                started_at,
                finished_at,
                duration_ms: started_at.map(|at| at.0),
                conflict,
                last_event_at: at,
                extra,
            }
        },
    )
}

pub(super) fn run() -> impl Strategy<Value = RunRecord> {
    let nested = (
        extra(),
        input(),
        prop::collection::vec(activity(), 0..3),
        prop::sample::select(RunOutcome::ALL.to_vec()),
    );
    (
        texts::<8>(),
        odd_text(),
        times::<2>(),
        time(),
        any::<bool>(),
        nested,
    )
        .prop_map(
            |(
                texts,
                id,
                [created_at, finished_at],
                at,
                flag,
                (extra, input, activities, outcome),
            )| {
                let [
                    workflow,
                    name,
                    media_id,
                    user_data,
                    raw_state,
                    code,
                    group,
                    message,
                ] = texts;
                RunRecord {
                    id: id.clone(),
                    owner: id.clone(),
                    region: id,
                    workflow: WorkflowName { id: workflow, name },
                    media_id,
                    input,
                    user_data,
                    outcome,
                    nothing_done: flag,
                    raw_state,
                    code,
                    group,
                    message,
                    created_at,
                    finished_at,
                    duration_ms: None,
                    events: 3,
                    deliveries: 4,
                    conflict: !flag,
                    start_missing: flag,
                    last_event_at: at,
                    extra,
                    activities,
                }
            },
        )
}

pub(super) fn event() -> impl Strategy<Value = EventRecord> {
    let kinds = ["job", "run", "activity", "unrecognized"];
    let given = (odd_text(), odd_text(), maybe_text());
    let event = (extra(), prop::sample::select(kinds.to_vec()));
    (
        given,
        event,
        prop::option::of(state()),
        time(),
        any::<u32>(),
    )
        .prop_map(
            |((owner, topic, subject), (event, kind), state, at, number)| EventRecord {
                id: i64::from(number),
                kind: kind.to_owned(),
                delivery: 7,
                owner,
                topic,
                subject,
                state,
                at,
                at_from: TimeSource::Envelope,
                received_at: at,
                event: Value::Object(event).into(),
            },
        )
}

pub(super) fn delivery() -> impl Strategy<Value = DeliveryRecord> {
    let given = (
        texts::<5>(),
        [odd_text(), odd_text(), odd_text(), odd_text()],
    );
    (given, times::<2>(), time(), any::<i32>(), any::<bool>()).prop_map(
        |((texts, [source, owner, region, topic]), times, received_at, number, flag)| {
            let [subscription, subscriber, message_id, tag, unrecognized] = texts;
            let [published_at, last_duplicate_at] = times;
            DeliveryRecord {
                id: i64::from(number),
                source,
                owner,
                region,
                topic,
                subscription,
                subscriber,
                message_id,
                tag,
                format: Format::Simplified,
                published_at,
                received_at,
                lag_ms: Some(-i64::from(number)),
                duplicates: 1,
                last_duplicate_at,
                differs: flag,
                md5_mismatch: !flag,
                body_bytes: 12,
                unrecognized,
            }
        },
    )
}

pub(super) fn held() -> impl Strategy<Value = HeldRecord> {
    let reason = prop::sample::select(HoldReason::ALL.to_vec());
    (texts::<3>(), odd_text(), time(), reason).prop_map(
        |([owner, topic, message_id], source, received_at, reason)| HeldRecord {
            id: 1,
            source,
            reason,
            received_at,
            owner,
            topic,
            message_id,
            body_bytes: 2,
            repeats: 3,
        },
    )
}

pub(super) fn refusal() -> impl Strategy<Value = RefusalRecord> {
    let reason = prop::sample::select(RefusalReason::ALL.to_vec());
    (odd_text(), time(), reason).prop_map(|(source, received_at, reason)| RefusalRecord {
        id: 1,
        source,
        reason,
        received_at,
        body_bytes: 2,
    })
}
