//! A workflow run's message, read into an event of the run and one of each activity it lists.
//!
//! The message is sent when an activity ends, its *sender*: Start, Report, or (in a shape that is
//! undocumented) one in between. Its top level describes the sender; `MediaWorkflowExecution`
//! describes the run, and lists the activities, the sender among them.
//!
//! Decided here, since the vendor is silent:
//! - The run's id is the execution's; the top level's only if that has none. An id that differs,
//!   there or in an activity, stays in that event's `extra`.
//! - The sender is found in the list by its type if it is Start or Report, else by name and type,
//!   never by name alone. Its own entry is the truth; what only the top level says is added to it,
//!   and what disagrees stays in the run's `extra`. If it is not listed, the top level is its entry.
//! - Activities come by start time, those without one last, then by name and type.
//! - An entry of the list that is none (no object, neither name nor type) stays in the run's
//!   `extra` under `ActivityList`.
//!
//! Deliberately not here: the outcome. `Report`, `Success` and `Completed` together only say that
//! the graph has ended; the store computes the outcome from the activities.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::mps::failure;
use crate::mps::fields::Fields;
use crate::mps::input;
use crate::mps::json::Json;
use crate::mps::keys::{self, Keys};
use crate::mps::reason::Unreadable;
use crate::mps::state;
use crate::notification::event::{ActivityEvent, Event, JobState, RunEvent, RunPart};

/// The most activities read from one message. A message of 64 KiB, the most that SMQ takes, has
/// room for 290 of the known size; more are counted in the run's `extra` under [`OMITTED`] and are
/// still in the message, which is kept whole with its delivery.
pub(super) const ACTIVITIES_MAX: usize = 1_000;

/// The key in the run's `extra` that counts the entries beyond [`ACTIVITIES_MAX`].
pub(super) const OMITTED: &str = "_activities_omitted";

/// Reads the object of a run's message: the run first, then its activities.
pub(super) fn read(mut top: Fields) -> Result<Vec<Event>, Unreadable> {
    let (execution_name, mut execution) = top.take_object(keys::EXECUTION).unwrap_or_default();
    let run = Run {
        id: take_run_id(&mut top, &mut execution)?,
        workflow_id: take_either(&mut execution, &mut top, Fields::take_id, keys::WORKFLOW_ID),
        workflow_name: execution.take_name(keys::NAME),
    };
    top.drop_text(keys::RUN_ID, |id| id == run.id);
    let list = take_either(&mut execution, &mut top, take_list, keys::ACTIVITY_LIST);
    let mut activities = read_list(list.unwrap_or_default(), &run, &mut top);

    // Without a type the top level describes no activity.
    let sender = if top.has(keys::TYPE) {
        read_activity(&mut top, &run)
    } else {
        None
    };
    let part = sender.as_ref().map_or(RunPart::Progress, part_of);
    let failure = sender.as_ref().and_then(|sender| sender.failure.clone());
    let happened_at =
        sender.and_then(|sender| place_sender(sender, part, &mut activities, &mut top));
    activities.sort_by(|a, b| order(a).cmp(&order(b)));

    let raw_state = execution.take_name(keys::STATE);
    let mut user_data = None;
    let input = input::take(&mut execution, &mut user_data)
        .or_else(|| input::take(&mut top, &mut user_data));
    let mut event = RunEvent {
        part,
        media_id: take_either(&mut execution, &mut top, Fields::take_id, keys::MEDIA_ID),
        input,
        user_data: user_data
            .or_else(|| take_either(&mut execution, &mut top, Fields::take_text, keys::USER_DATA)),
        state: raw_state.as_deref().map_or(JobState::Unknown, state::parse),
        raw_state,
        failure,
        request_id: take_either(&mut execution, &mut top, Fields::take_id, keys::REQUEST_ID),
        created_at: take_either(
            &mut execution,
            &mut top,
            Fields::take_time,
            keys::CREATED_AT,
        ),
        happened_at,
        run_id: run.id,
        workflow_id: run.workflow_id,
        workflow_name: run.workflow_name,
        ..RunEvent::default()
    };
    top.keep_rest(execution_name, execution);
    event.extra = top.into_extra();
    let activities = activities.into_iter().map(Event::Activity);
    Ok([Event::Run(event)].into_iter().chain(activities).collect())
}

/// What an activity's event repeats of its run.
struct Run {
    id: String,
    workflow_id: Option<String>,
    workflow_name: Option<String>,
}

fn take_run_id(top: &mut Fields, execution: &mut Fields) -> Result<String, Unreadable> {
    if let Some(id) = execution.take_subject(keys::RUN_ID)? {
        return Ok(id);
    }
    top.take_subject(keys::RUN_ID)?.ok_or(Unreadable::NoId {
        key: "RunId",
        has: "MediaWorkflowExecution",
    })
}

fn take_either<T>(
    first: &mut Fields,
    second: &mut Fields,
    take: impl Fn(&mut Fields, Keys) -> Option<T>,
    keys: Keys,
) -> Option<T> {
    take(first, keys).or_else(|| take(second, keys))
}

/// Takes a list of activities: a list, an object with the list under `Activity`, or one activity.
fn take_list(fields: &mut Fields, keys: Keys) -> Option<Vec<Json>> {
    let is_list = |json: &Json| matches!(json, Json::List(_) | Json::Object(_));
    let (name, entries) = match fields.take(keys, is_list)? {
        (name, Json::Object(entries)) if has_activity(&entries) => (name, entries),
        (_, Json::List(items)) => return Some(items),
        (_, one) => return Some(vec![one]),
    };
    let mut object = Fields::new(entries);
    let list = match object.take(keys::ACTIVITY, is_list) {
        Some((_, Json::List(items))) => items,
        Some((_, one)) => vec![one],
        None => Vec::new(),
    };
    fields.keep_rest(name, object);
    Some(list)
}

fn has_activity(entries: &[(String, Json)]) -> bool {
    let is_activity = |name: &str| {
        keys::ACTIVITY
            .iter()
            .any(|key| key.eq_ignore_ascii_case(name))
    };
    entries.iter().any(|(name, _)| is_activity(name))
}

fn read_list(list: Vec<Json>, run: &Run, top: &mut Fields) -> Vec<ActivityEvent> {
    let omitted = list.len().saturating_sub(ACTIVITIES_MAX);
    if omitted > 0 {
        top.keep(OMITTED, omitted);
    }
    let mut activities = Vec::with_capacity(list.len().min(ACTIVITIES_MAX));
    let mut unread = Vec::new();
    for json in list.into_iter().take(ACTIVITIES_MAX) {
        let Json::Object(entries) = json else {
            unread.push(json.into_value());
            continue;
        };
        let mut fields = Fields::new(entries);
        match read_activity(&mut fields, run) {
            Some(mut activity) => {
                activity.extra = fields.into_extra();
                activities.push(activity);
            }
            None => unread.push(Value::Object(fields.into_extra())),
        }
    }
    if !unread.is_empty() {
        top.keep("ActivityList", unread);
    }
    activities
}

/// Takes what describes an activity; takes nothing if there is neither name nor type.
fn read_activity(fields: &mut Fields, run: &Run) -> Option<ActivityEvent> {
    let name = fields.take_name(keys::NAME);
    let activity_type = fields.take_name(keys::TYPE);
    if name.is_none() && activity_type.is_none() {
        return None;
    }
    fields.drop_text(keys::RUN_ID, |id| id == run.id);
    let raw_state = fields.take_name(keys::STATE);
    let state = raw_state.as_deref().map_or(JobState::Unknown, state::parse);
    Some(ActivityEvent {
        run_id: run.id.clone(),
        workflow_id: run.workflow_id.clone(),
        workflow_name: run.workflow_name.clone(),
        name: name.unwrap_or_default(),
        activity_type: activity_type.unwrap_or_default(),
        job_id: fields.take_id(keys::JOB_ID),
        template_id: fields.take_id(keys::TEMPLATE_ID),
        state,
        raw_state,
        failure: failure::take(fields, state),
        started_at: fields.take_time(keys::STARTED_AT),
        finished_at: fields.take_time(keys::FINISHED_AT),
        extra: Map::new(),
    })
}

fn part_of(sender: &ActivityEvent) -> RunPart {
    if sender.activity_type.trim().eq_ignore_ascii_case("Start") {
        RunPart::Start
    } else if sender.activity_type.trim().eq_ignore_ascii_case("Report") {
        RunPart::Report
    } else {
        RunPart::Progress
    }
}

/// Merges what the top level says of the sender into its entry, or adds it as one. Returns when it
/// ended.
fn place_sender(
    sender: ActivityEvent,
    part: RunPart,
    activities: &mut Vec<ActivityEvent>,
    top: &mut Fields,
) -> Option<Timestamp> {
    let is_one_of_its_kind = part != RunPart::Progress;
    let has_its_type = |activity: &ActivityEvent| {
        activity
            .activity_type
            .trim()
            .eq_ignore_ascii_case(sender.activity_type.trim())
    };
    let found = activities
        .iter()
        .position(|activity| has_its_type(activity) && activity.name == sender.name)
        .or_else(|| {
            let mut by_type = activities.iter();
            is_one_of_its_kind
                .then(|| by_type.position(has_its_type))
                .flatten()
        });
    let Some(entry) = found.and_then(|place| activities.get_mut(place)) else {
        let finished_at = sender.finished_at;
        activities.push(sender);
        return finished_at;
    };
    if !sender.name.is_empty() && sender.name != entry.name {
        top.keep("Name", sender.name);
    }
    complete(&mut entry.raw_state, sender.raw_state, "State", top);
    entry.state = entry
        .raw_state
        .as_deref()
        .map_or(JobState::Unknown, state::parse);
    let is_failed = matches!(entry.state, JobState::Failed | JobState::Cancelled);
    if entry.failure.is_none() && is_failed {
        entry.failure = sender.failure;
    }
    complete(&mut entry.job_id, sender.job_id, "JobId", top);
    complete(
        &mut entry.template_id,
        sender.template_id,
        "TemplateId",
        top,
    );
    complete(&mut entry.started_at, sender.started_at, "StartTime", top);
    complete(&mut entry.finished_at, sender.finished_at, "EndTime", top);
    entry.finished_at
}

/// Fills `entry` from the top level; keeps what disagrees under `key`.
fn complete<T: PartialEq + ToString>(
    entry: &mut Option<T>,
    sender: Option<T>,
    key: &str,
    top: &mut Fields,
) {
    match (entry.as_ref(), sender) {
        (None, sender) => *entry = sender,
        (Some(listed), Some(said)) if *listed != said => top.keep(key, said.to_string()),
        (Some(_), _) => {}
    }
}

/// The order of a run's activities: by start, those without one last.
fn order(activity: &ActivityEvent) -> (bool, Option<Timestamp>, &str, &str) {
    (
        activity.started_at.is_none(),
        activity.started_at,
        &activity.name,
        &activity.activity_type,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mps::json;
    use crate::notification::event::{Failure, MediaObject};

    fn events(message: &Value) -> (RunEvent, Vec<ActivityEvent>) {
        let Ok(Json::Object(entries)) = json::parse(message.to_string().as_bytes()) else {
            panic!("no object: {message}");
        };
        let mut events = read(Fields::new(entries)).unwrap().into_iter();
        let Some(Event::Run(run)) = events.next() else {
            panic!("no run first");
        };
        let activities = events.map(|event| match event {
            Event::Activity(activity) => activity,
            other => panic!("no activity: {other:?}"),
        });
        (run, activities.collect())
    }

    fn sample(text: &str) -> (RunEvent, Vec<ActivityEvent>) {
        events(&serde_json::from_str(text).unwrap())
    }

    fn time(text: &str) -> Option<Timestamp> {
        let time = Timestamp::parse_rfc3339(text);
        assert!(time.is_some(), "{text}");
        time
    }

    fn names(activities: &[ActivityEvent]) -> Vec<&str> {
        activities
            .iter()
            .map(|activity| activity.name.as_str())
            .collect()
    }

    /// A Report's message with `list` as its activities.
    fn report(list: impl Into<Value>) -> Value {
        let list = list.into();
        json!({
            "RunId": "r", "Name": "End", "Type": "Report", "State": "Success",
            "MediaWorkflowExecution": {
                "RunId": "r", "MediaWorkflowId": "w", "Name": "flow", "State": "Completed",
                "ActivityList": list,
            },
        })
    }

    fn end() -> Value {
        json!({"Name": "End", "Type": "Report", "State": "Success", "EndTime": "2024-05-06T08:02:11Z"})
    }

    #[test]
    fn the_captured_start_is_read_whole() {
        let (run, activities) = sample(include_str!("../../tests/data/workflow-start.json"));
        let run_id = "11112222333344445555666677778888".to_owned();
        let workflow_id = Some("99990000999900009999000099990000".to_owned());
        let workflow_name = Some("示例-workflow".to_owned());
        let expected = RunEvent {
            run_id: run_id.clone(),
            part: RunPart::Start,
            workflow_id: workflow_id.clone(),
            workflow_name: workflow_name.clone(),
            media_id: Some("abcdabcdabcdabcdabcdabcdabcdabcd".to_owned()),
            input: Some(MediaObject {
                bucket: Some("example-input".to_owned()),
                location: Some("oss-cn-shanghai".to_owned()),
                object: Some("in/clip.mp4".to_owned()),
            }),
            user_data: Some("sku-1001".to_owned()),
            state: JobState::Running,
            raw_state: Some("Running".to_owned()),
            failure: None,
            request_id: Some("66388C8000112233445566CC".to_owned()),
            created_at: time("2024-05-06T08:00:00Z"),
            happened_at: time("2024-05-06T08:00:01Z"),
            extra: Map::new(),
        };
        assert_eq!(run, expected);
        let expected = ActivityEvent {
            run_id,
            workflow_id,
            workflow_name,
            name: "Act-Start".to_owned(),
            activity_type: "Start".to_owned(),
            job_id: Some("aaaa1111aaaa1111aaaa1111aaaa1111".to_owned()),
            state: JobState::Succeeded,
            raw_state: Some("Success".to_owned()),
            started_at: time("2024-05-06T08:00:00Z"),
            finished_at: time("2024-05-06T08:00:01Z"),
            ..ActivityEvent::default()
        };
        assert_eq!(activities, [expected]);
    }

    #[test]
    fn a_message_is_dated_by_the_end_of_the_activity_that_sent_it() {
        let samples = [
            (
                include_str!("../../tests/data/workflow-report-completed.json"),
                RunPart::Report,
                "2024-05-06T08:02:11Z",
            ),
            (
                include_str!("../../tests/data/workflow-transcode-completed.guess.json"),
                RunPart::Progress,
                "2024-05-06T08:01:30Z",
            ),
            (
                include_str!("../../tests/data/workflow-start-fail.guess.json"),
                RunPart::Start,
                "2024-05-06T07:08:11Z",
            ),
        ];
        for (message, part, ended) in samples {
            let (run, _) = sample(message);
            assert_eq!((run.part, run.happened_at), (part, time(ended)));
        }
    }

    #[test]
    fn the_reason_of_a_failed_sender_is_the_runs_and_its_own() {
        let message = include_str!("../../tests/data/workflow-report-all-skipped.guess.json");
        let (run, activities) = sample(message);
        let code = |failure: &Option<Failure>| failure.clone()?.code;
        let expected = Some("InvalidParameter.ResourceContentBad".to_owned());
        assert_eq!(code(&run.failure), expected);
        let codes = activities.iter().map(|activity| code(&activity.failure));
        // Only the top level says why the Report failed.
        let expected = [expected.clone(), expected, None, None];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
        let skipped = activities.last().unwrap();
        assert_eq!((skipped.started_at, skipped.finished_at), (None, None));
    }

    #[test]
    fn the_sender_is_found_by_its_type_whatever_it_is_called() {
        let list = json!([
            {"Name": "flow", "Type": "report", "EndTime": "2024-05-06T08:02:11Z"},
            {"Name": "End", "Type": "Transcode", "EndTime": "2024-05-06T08:00:11Z"},
        ]);
        let (run, activities) = events(&report(list));
        assert_eq!(run.happened_at, time("2024-05-06T08:02:11Z"));
        assert_eq!(names(&activities), ["End", "flow"]);
        assert_eq!(activities[1].state, JobState::Succeeded);
        // The other name is not lost.
        assert_eq!(Value::from(run.extra), json!({"Name": "End"}));
    }

    #[test]
    fn a_sender_in_the_middle_is_found_by_name_and_type_and_else_added() {
        let mut message = report(json!([
            {"Name": "HD", "Type": "Snapshot", "State": "Running"},
            {"Name": "SD", "Type": "Transcode", "State": "Running"},
        ]));
        for (key, value) in [("Name", "HD"), ("Type", "Transcode"), ("JobId", "j")] {
            message[key] = json!(value);
        }
        message["EndTime"] = json!("2024-05-06T08:00:11Z");
        let (run, activities) = events(&message);
        assert_eq!(run.part, RunPart::Progress);
        assert_eq!(run.happened_at, time("2024-05-06T08:00:11Z"));
        assert_eq!(names(&activities), ["HD", "HD", "SD"]);
        let added = &activities[1];
        assert_eq!(added.activity_type, "Transcode");
        assert_eq!(added.job_id.as_deref(), Some("j"));
        assert_eq!(added.state, JobState::Succeeded);
        assert_eq!(added.workflow_name.as_deref(), Some("flow"));
    }

    #[test]
    fn the_entry_of_the_list_is_the_truth_and_what_disagrees_is_kept() {
        let mut message = report(json!([
            {"Name": "End", "Type": "Report", "State": "Fail", "JobId": "a"},
        ]));
        message["JobId"] = json!("b");
        message["EndTime"] = json!("2024-05-06T08:00:11Z");
        let (run, activities) = events(&message);
        assert_eq!(activities[0].state, JobState::Failed);
        assert_eq!(activities[0].job_id.as_deref(), Some("a"));
        assert_eq!(activities[0].finished_at, time("2024-05-06T08:00:11Z"));
        assert_eq!(
            Value::from(run.extra),
            json!({"State": "Success", "JobId": "b"})
        );
    }

    #[test]
    fn the_list_is_read_in_every_shape() {
        let one = end();
        for (list, rest) in [
            (json!([one]), json!({})),
            (json!({"Activity": [one]}), json!({})),
            (
                json!({"activity": one, "Total": 1}),
                json!({"ActivityList": {"Total": 1}}),
            ),
            (one.clone(), json!({})),
        ] {
            let (run, activities) = events(&report(list.clone()));
            assert_eq!(names(&activities), ["End"], "{list}");
            assert_eq!(run.happened_at, time("2024-05-06T08:02:11Z"), "{list}");
            let rest_of_execution = run.extra.get("MediaWorkflowExecution");
            let rest_of_execution = rest_of_execution.cloned().unwrap_or(json!({}));
            assert_eq!(rest_of_execution, rest, "{list}");
        }
        for list in [json!(null), json!([]), json!("none"), json!(7)] {
            let (_, activities) = events(&report(list.clone()));
            assert_eq!(names(&activities), ["End"], "the sender, with {list}");
        }
    }

    #[test]
    fn entries_that_are_none_are_kept_with_the_run() {
        let list = json!([1, "a", null, [], {"JobId": "j"}, {"Name": {}}, end()]);
        let (run, activities) = events(&report(list));
        assert_eq!(names(&activities), ["End"]);
        let unread = json!([1, "a", null, [], {"JobId": "j"}, {"Name": {}}]);
        assert_eq!(run.extra.get("ActivityList"), Some(&unread));
    }

    #[test]
    fn activities_come_by_start_then_name_and_those_without_start_last() {
        let at = |name: &str, start: &str| json!({"Name": name, "Type": "T", "StartTime": start});
        let list = json!([
            {"Name": "b", "Type": "T"}, at("z", "2024-05-06T08:00:00Z"),
            at("d", "2024-05-06T08:00:01Z"), {"Name": "a", "Type": "T"},
            at("c", "2024-05-06T08:00:01Z"), at("y", "never"),
        ]);
        let mut message = report(list);
        message["Type"] = Value::Null;
        let (run, activities) = events(&message);
        assert_eq!(names(&activities), ["z", "c", "d", "a", "b", "y"]);
        assert_eq!(
            Value::from(activities[5].extra.clone()),
            json!({"StartTime": "never"})
        );
        // Without a type the top level is no sender: not by its name.
        assert_eq!((run.part, run.happened_at), (RunPart::Progress, None));
        assert_eq!(
            Value::from(run.extra),
            json!({"Name": "End", "State": "Success"})
        );
    }

    #[test]
    fn a_run_id_that_changes_inside_stays_with_the_event_that_says_so() {
        let mut other = end();
        other["RunId"] = json!("x");
        let mut message = report(json!([other]));
        message["RunId"] = json!("y");
        let (run, activities) = events(&message);
        assert_eq!(run.run_id, "r");
        assert_eq!(Value::from(run.extra), json!({"RunId": "y"}));
        assert_eq!(activities[0].run_id, "r");
        assert_eq!(
            Value::from(activities[0].extra.clone()),
            json!({"RunId": "x"})
        );

        message["MediaWorkflowExecution"]["RunId"] = Value::Null;
        assert_eq!(events(&message).0.run_id, "y");
    }

    #[test]
    fn without_the_execution_the_top_level_is_all_there_is() {
        let message = json!({
            "runId": "r", "name": "HD", "type": "Transcode", "jobId": "j", "state": "Fail",
            "code": "InternalError", "MediaWorkflowId": "w", "UserData": "u",
            "CreationTime": "2024-05-06T08:00:00Z", "InputFile": {"Object": "示例"},
        });
        let (run, activities) = events(&message);
        assert_eq!((run.state, run.raw_state), (JobState::Unknown, None));
        assert_eq!(run.workflow_id.as_deref(), Some("w"));
        assert_eq!(run.user_data.as_deref(), Some("u"));
        assert_eq!(run.created_at, time("2024-05-06T08:00:00Z"));
        assert_eq!(run.input.unwrap().object.as_deref(), Some("示例"));
        assert!(run.failure.is_some() && run.extra.is_empty());
        assert_eq!(names(&activities), ["HD"]);
        assert_eq!(activities[0].state, JobState::Failed);
    }

    #[test]
    fn what_is_not_used_is_kept_where_it_was() {
        let mut message = report(json!([{"Name": "End", "Type": "Report", "New": 1}]));
        message["New"] = json!(2);
        message["MediaWorkflowExecution"]["New"] = json!(3);
        message["MediaWorkflowExecution"]["MediaId"] = json!("m".repeat(257));
        message["MediaWorkflowExecution"]["Input"] =
            json!({"InputFile": {"Object": "o", "New": 4}});
        let (run, activities) = events(&message);
        assert_eq!(Value::from(activities[0].extra.clone()), json!({"New": 1}));
        let execution = json!({
            "New": 3, "MediaId": "m".repeat(257), "Input": {"InputFile": {"New": 4}},
        });
        let expected = json!({"New": 2, "MediaWorkflowExecution": execution});
        assert_eq!(Value::from(run.extra), expected);
    }

    #[test]
    fn of_ten_thousand_activities_the_first_thousand_are_read_and_the_rest_counted() {
        let list = (0..10_000).map(|n| json!({"Name": n, "Type": "Transcode", "State": "Success"}));
        let (run, activities) = events(&report(list.collect::<Value>()));
        // The sender is told of by the top level.
        assert_eq!(activities.len(), ACTIVITIES_MAX + 1);
        assert!(names(&activities).contains(&"End"));
        assert_eq!(
            Value::from(run.extra),
            json!({"_activities_omitted": 9_000})
        );

        let list = (0..ACTIVITIES_MAX).map(|n| json!({"Name": n, "Type": "Report"}));
        let (run, activities) = events(&report(list.collect::<Value>()));
        assert_eq!(activities.len(), ACTIVITIES_MAX);
        assert!(!run.extra.contains_key(OMITTED));
    }
}
