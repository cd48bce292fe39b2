//! Records in which every text is one that would break out of a page that does not escape.
//!
//! For the tests of all pages, so that a new field is tried on each of them by being added here.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::notification::Format;
use crate::notification::capture::Capture;
use crate::notification::delivery::Headers;
use crate::notification::event::{JobState, MediaObject};
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::notification::source::SourceId;
use crate::store::completeness_records::{ArrivalCounts, Named, NamedKind};
use crate::store::lifetimes::Ending;
use crate::store::records::{
    ActivityRecord, DeliveryDetail, DeliveryRecord, EventRecord, HeldDetail, HeldRecord, JobDetail,
    JobRecord, KeptMessage, RefusalDetail, RefusalRecord, RunDetail, RunOutcome, RunRecord,
    TimeSource, WorkflowName,
};
use crate::web::completeness::gaps::Gap;
use crate::web::completeness::rows::Row;
use crate::web::completeness::silence::{Silence, Usual};
use crate::web::completeness::{Assessment, Check, CheckName, Verdict};
use crate::web::pages::detail::MessageView;
use crate::web::pages::job::Found;
use crate::web::pages::message::shown;

/// Ends attributes, elements and comments, opens a script, and is an address that runs.
pub(crate) const NASTY: &str = "javascript:alert(1)//\"'></td></pre><!--<script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}&amp;\u{202e}";

pub(crate) const AT: Timestamp = Timestamp(1_714_982_531_126);

#[expect(clippy::unnecessary_wraps, reason = "the fields it fills are optional")]
fn nasty() -> Option<String> {
    Some(NASTY.to_owned())
}

fn extra() -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert(NASTY.to_owned(), Value::String(NASTY.to_owned()));
    extra
}

fn input() -> MediaObject {
    MediaObject {
        bucket: nasty(),
        location: nasty(),
        object: nasty(),
    }
}

pub(crate) fn job() -> JobRecord {
    JobRecord {
        id: NASTY.to_owned(),
        owner: NASTY.to_owned(),
        region: NASTY.to_owned(),
        queue: nasty(),
        run: nasty(),
        workflow: nasty(),
        workflow_name: nasty(),
        job_type: nasty(),
        state: JobState::Failed,
        raw_state: nasty(),
        code: nasty(),
        group: nasty(),
        message: nasty(),
        user_data: nasty(),
        input: Some(input()),
        submitted_at: Some(AT),
        started_at: Some(AT),
        finished_at: Some(AT),
        duration_ms: Some(1),
        events: 1,
        deliveries: 1,
        conflict: true,
        last_event_at: AT,
        extra: extra(),
    }
}

/// A job that is an activity's: it has a run and a workflow, and no queue.
pub(crate) fn job_of_run() -> JobRecord {
    JobRecord {
        queue: None,
        ..job()
    }
}

fn workflow_name() -> WorkflowName {
    WorkflowName {
        id: nasty(),
        name: nasty(),
    }
}

pub(crate) fn run() -> RunRecord {
    RunRecord {
        id: NASTY.to_owned(),
        owner: NASTY.to_owned(),
        region: NASTY.to_owned(),
        workflow: workflow_name(),
        media_id: nasty(),
        input: Some(input()),
        user_data: nasty(),
        outcome: RunOutcome::Stale,
        nothing_done: true,
        raw_state: nasty(),
        code: nasty(),
        group: nasty(),
        message: nasty(),
        created_at: Some(AT),
        finished_at: Some(AT),
        duration_ms: Some(1),
        events: 1,
        deliveries: 1,
        conflict: true,
        start_missing: true,
        last_event_at: AT,
        extra: extra(),
        activities: vec![activity(), activity()],
    }
}

pub(crate) fn activity() -> ActivityRecord {
    ActivityRecord {
        run: NASTY.to_owned(),
        owner: NASTY.to_owned(),
        region: NASTY.to_owned(),
        workflow: workflow_name(),
        name: NASTY.to_owned(),
        activity_type: NASTY.to_owned(),
        job: nasty(),
        template_id: nasty(),
        state: JobState::Failed,
        raw_state: nasty(),
        code: nasty(),
        group: nasty(),
        message: nasty(),
        started_at: Some(AT),
        finished_at: Some(AT),
        duration_ms: Some(1),
        conflict: true,
        last_event_at: AT,
        extra: extra(),
    }
}

pub(crate) fn run_detail() -> RunDetail {
    RunDetail {
        run: run(),
        events: events(),
        deliveries: vec![delivery()],
    }
}

pub(crate) fn delivery() -> DeliveryRecord {
    DeliveryRecord {
        id: 7,
        source: NASTY.to_owned(),
        owner: NASTY.to_owned(),
        region: NASTY.to_owned(),
        topic: NASTY.to_owned(),
        subscription: nasty(),
        subscriber: nasty(),
        message_id: nasty(),
        tag: nasty(),
        format: Format::Simplified,
        published_at: Some(AT),
        received_at: AT,
        lag_ms: Some(0),
        duplicates: 1,
        last_duplicate_at: Some(AT),
        differs: true,
        md5_mismatch: true,
        body_bytes: 1,
        unrecognized: nasty(),
    }
}

pub(crate) fn event_of_job() -> EventRecord {
    EventRecord {
        id: 1,
        kind: "job".to_owned(),
        delivery: 7,
        owner: NASTY.to_owned(),
        topic: NASTY.to_owned(),
        subject: nasty(),
        state: Some(JobState::Failed),
        at: AT,
        at_from: TimeSource::Arrival,
        received_at: AT,
        event: json!({ "kind": NASTY, "job_type": NASTY }).into(),
    }
}

/// One event of each kind.
pub(crate) fn events() -> Vec<EventRecord> {
    let of = |kind: &str, subject, event: Value| EventRecord {
        kind: kind.to_owned(),
        subject,
        event: event.into(),
        ..event_of_job()
    };
    let activity = json!({ "name": NASTY, "activity_type": NASTY });
    vec![
        event_of_job(),
        of("run", nasty(), json!({ "part": NASTY })),
        of("activity", nasty(), activity),
        of("unrecognized", None, json!({ "reason": NASTY })),
    ]
}

pub(crate) fn job_detail() -> JobDetail {
    JobDetail {
        job: job(),
        events: events(),
        deliveries: vec![delivery()],
    }
}

/// Two messages on the page of a job or run.
pub(crate) fn messages() -> Vec<MessageView> {
    let of = |is_last| MessageView {
        delivery: 7,
        received_at: AT,
        shown: shown(NASTY.as_bytes()),
        is_last,
    };
    vec![of(true), of(false)]
}

pub(crate) fn found_job() -> Found {
    Found {
        detail: job_detail(),
        activity: Some(activity()),
        messages: messages(),
    }
}

pub(crate) fn delivery_detail() -> DeliveryDetail {
    DeliveryDetail {
        delivery: delivery(),
        push: Some(KeptMessage {
            capture: capture(),
            message: NASTY.as_bytes().to_vec(),
        }),
        events: events(),
    }
}

pub(crate) fn held() -> HeldRecord {
    HeldRecord {
        id: 3,
        source: NASTY.to_owned(),
        reason: HoldReason::Owner,
        received_at: AT,
        owner: nasty(),
        topic: nasty(),
        message_id: nasty(),
        body_bytes: 1,
        repeats: 1,
    }
}

pub(crate) fn held_detail() -> HeldDetail {
    HeldDetail {
        source: SourceId(1),
        held: held(),
        capture: capture(),
        explanation: explanation(),
    }
}

pub(crate) fn refusal() -> RefusalRecord {
    RefusalRecord {
        id: 5,
        source: NASTY.to_owned(),
        reason: RefusalReason::SignatureWrong,
        received_at: AT,
        body_bytes: 1,
    }
}

pub(crate) fn refusal_detail() -> RefusalDetail {
    RefusalDetail {
        refusal: refusal(),
        capture: capture(),
        explanation: explanation(),
    }
}

fn capture() -> Capture {
    let mut headers = Headers::default();
    headers.add(NASTY, NASTY);
    Capture {
        method: NASTY.to_owned(),
        target: format!("/{NASTY}/token"),
        headers,
        body: Some(NASTY.as_bytes().to_vec()),
    }
}

fn explanation() -> Value {
    json!({
        "checks": [{ "name": NASTY, "verdict": NASTY, "saw": NASTY, "hint": NASTY }],
        "string_to_sign": [NASTY],
        "envelope": [{ "name": NASTY, "value": NASTY }],
        "message": NASTY,
        "would_hold_with": [NASTY],
    })
}

fn arrivals() -> Row {
    Row {
        from: AT,
        to: AT.plus_ms(3_600_000),
        counts: ArrivalCounts {
            stored: 1_001,
            duplicates: 2,
            unrecognized: 3,
            differs: 4,
            held: 5,
            refused: 6,
            strays: 7,
            failed: 8,
        },
        lag_median_ms: Some(900),
        lag_p95_ms: Some(2_000),
        lag_max_ms: Some(9_000),
    }
}

/// Every check in every verdict's way, every downtime, a source that is silent.
pub(crate) fn completeness() -> Assessment {
    let gap = |ending, backoff_may_lose, repeated_after_ms| Gap {
        retry_policy: None,
        from: AT,
        to: AT.plus_ms(60_000),
        ending,
        length_ms: 60_000,
        backoff_may_lose,
        decay_may_lose: false,
        repeated_after_ms,
        verdict: Verdict::Warning,
    };
    let named = |kind| Named {
        kind,
        id: NASTY.to_owned(),
        owner: NASTY.to_owned(),
        last_event_at: AT,
    };
    let check = |name, verdict| Check {
        name,
        verdict,
        count: 1_000,
        is_all: false,
        link: "/held".to_owned(),
    };
    let checks = CheckName::ALL.iter().flat_map(|name| {
        let verdicts = [Verdict::Fine, Verdict::Warning, Verdict::Wrong];
        verdicts.map(|verdict| check(*name, verdict))
    });
    Assessment {
        at: AT,
        verdict: Verdict::Wrong,
        need_a_look: 26,
        has_arrivals: true,
        checks: checks.collect(),
        sources: vec![Silence {
            source: NASTY.to_owned(),
            last_taken_at: Some(AT),
            silent_ms: Some(5 * 3_600_000),
            usual: Some(Usual {
                taken: 200,
                hours: 5,
            }),
            is_unusual: true,
        }],
        running_since: Some(AT),
        downtimes: vec![
            gap(Ending::Stopped, false, None),
            gap(Ending::Crashed, true, None),
            gap(Ending::Crashed, true, Some(600_000)),
            Gap {
                retry_policy: Some("EXPONENTIAL_DECAY_RETRY"),
                ..gap(Ending::Stopped, true, None)
            },
            Gap {
                retry_policy: Some("BACKOFF_RETRY"),
                verdict: Verdict::Warning,
                ..gap(Ending::Stopped, true, None)
            },
            Gap {
                decay_may_lose: true,
                ..gap(Ending::Stopped, true, None)
            },
        ],
        start_missing: vec![named(NamedKind::Run)],
        conflicts: vec![named(NamedKind::Job), named(NamedKind::Run)],
        hours: vec![arrivals()],
        days: vec![arrivals()],
    }
}
