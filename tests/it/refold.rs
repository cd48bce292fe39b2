//! Folding again gives the same again: random messages of every kind, in any order, with repeats,
//! before and after a rebuild, after messages were emptied by age, and after rows were spoiled.

use std::ops::ControlFlow;
use std::path::Path;

use mpsink::clock::{Clock, Timestamp};
use mpsink::ingest::rebuild::Rebuild;
use mpsink::ingest::rebuild::report::RebuildReport;
use mpsink::ingest::{Ingest, Outcome};
use mpsink::metrics::Metrics;
use mpsink::notification::Format;
use mpsink::notification::source::Source;
use mpsink::push::{PushContent, build_unsigned};
use mpsink::signature::{Verifier, VerifierOptions};
use mpsink::store::Store;
use mpsink::store::disk;
use mpsink::store::filters::{ActivityFilter, EventFilter, JobFilter, RunFilter};
use mpsink::store::options::{Purpose, QueueRule, SourceRule, StoreOptions};
use mpsink::store::records::{
    ActivityRecord, EventRecord, JobRecord, Page, RollUpRecord, RollUpSpan, RunRecord,
};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::select;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::app::NOW;

/// What is searched for: ids, words of every column, the beginning of one, and what is nowhere.
const SEARCHES: [&str; 9] = [
    "j1",
    "r1",
    "clip",
    "商品",
    "高清",
    "发布",
    "sku",
    "sku-1001 cl",
    "nowhere",
];

const ALL: Page = Page::first(1_000);

struct Test {
    store: Store,
    sources: Vec<Source>,
    ingest: Ingest,
    database: Connection,
    runtime: Runtime,
}

impl Test {
    fn start(folder: &Path) -> Test {
        let path = folder.join("refold.db");
        let options = StoreOptions {
            path: path.clone(),
            purpose: Purpose::Try,
            inbox_commands_max: 64,
            inbox_bytes_max: 1024 * 1024,
            held_bytes_max: 1024 * 1024,
            workflows: Vec::new(),
            answer_within: std::time::Duration::from_secs(60),
            queues: vec![QueueRule {
                name: "hd".to_owned(),
                topics: vec!["topic-1".to_owned()],
                region: String::new(),
                pipeline_id: "p1".to_owned(),
            }],
            clock: Clock::standing_at(NOW),
            metrics: Metrics::new(),
            free_disk: disk::free,
        };
        let store = Store::open(options).unwrap().0;
        let rule = SourceRule {
            name: "default".to_owned(),
            region: "cn-shanghai".to_owned(),
            ..SourceRule::default()
        };
        let sources = store.register_sources(vec![rule]).unwrap();
        let clock = Clock::standing_at(NOW);
        let verifier = Verifier::new(VerifierOptions::new(clock.clone())).unwrap();
        Test {
            ingest: Ingest::new(store.clone(), verifier, &sources, clock).unwrap(),
            database: Connection::open(path).unwrap(),
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            store,
            sources,
        }
    }

    fn take(&self, message: &Message) -> Outcome {
        let content = PushContent {
            format: message.format,
            topic_owner: message.owner.to_owned(),
            topic: message.topic.to_owned(),
            message_id: format!("m{}", message.number),
            tag: None,
            published_at: NOW.plus_ms(message.published_ms),
            message: message.text.clone().into_bytes(),
        };
        let push = build_unsigned(&content, &self.sources[0].paths[0], NOW).unwrap();
        let delivery = push.into_delivery(self.sources[0].id, NOW);
        self.runtime
            .block_on(self.ingest.take_made_up(delivery))
            .unwrap()
    }

    fn rebuild(&self, dry_run: bool) -> RebuildReport {
        let rebuild = Rebuild::alone(self.store.clone(), self.sources.clone());
        let run = rebuild.run(dry_run, |_| ControlFlow::Continue(()));
        self.runtime.block_on(run).unwrap()
    }

    fn execute(&self, sql: &str) -> usize {
        self.database.execute(sql, []).unwrap()
    }

    fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let mut select = self.database.prepare(&sql).unwrap();
        let count = select.query_one([], |row| row.get::<_, i64>(0)).unwrap();
        u64::try_from(count).unwrap()
    }

    /// Empties the messages whose number in the order of arrival is in `chosen`, as age does.
    fn empty(&self, chosen: &[bool]) {
        for (at, _) in chosen
            .iter()
            .enumerate()
            .filter(|(_, is_chosen)| **is_chosen)
        {
            self.execute(&format!(
                "DELETE FROM delivery_capture WHERE delivery = {}",
                at + 1
            ));
        }
    }

    /// What all reading verbs say.
    fn read(&self) -> Read {
        let jobs = |filter: &JobFilter| {
            let mut jobs = self.store.page_jobs(filter, ALL).unwrap().items;
            jobs.sort_by(|a, b| (&a.id, &a.owner).cmp(&(&b.id, &b.owner)));
            jobs
        };
        let runs = |filter: &RunFilter| {
            let mut runs = self.store.page_runs(filter, ALL).unwrap().items;
            runs.sort_by(|a, b| (&a.id, &a.owner).cmp(&(&b.id, &b.owner)));
            runs
        };
        let found = SEARCHES.map(|q| {
            let q = Some(q.to_owned());
            let in_jobs = jobs(&JobFilter {
                q: q.clone(),
                ..JobFilter::default()
            });
            let in_runs = runs(&RunFilter {
                q,
                ..RunFilter::default()
            });
            let jobs = in_jobs.into_iter().map(|job| (job.id, job.owner));
            let runs = in_runs.into_iter().map(|run| (run.id, run.owner));
            jobs.chain(runs).collect()
        });
        let activities = ActivityFilter::default();
        let mut activities = self.store.page_activities(&activities, ALL).unwrap().items;
        activities.sort_by_key(|activity| {
            let node = (activity.name.clone(), activity.activity_type.clone());
            (activity.run.clone(), activity.owner.clone(), node)
        });
        let events = self.store.page_events(&EventFilter::default(), ALL);
        let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        Read {
            jobs: jobs(&JobFilter::default()),
            runs: runs(&RunFilter::default()),
            activities,
            events: events.unwrap().items,
            roll_ups: [RollUpSpan::Minute, RollUpSpan::Hour]
                .map(|span| self.store.roll_ups(span, from, to).unwrap()),
            found,
        }
    }
}

#[derive(Debug, PartialEq)]
struct Read {
    jobs: Vec<JobRecord>,
    runs: Vec<RunRecord>,
    activities: Vec<ActivityRecord>,
    events: Vec<EventRecord>,
    /// By the minute and by the hour.
    roll_ups: [Vec<RollUpRecord>; 2],
    /// What each of [`SEARCHES`] finds.
    found: [Vec<(String, String)>; SEARCHES.len()],
}

impl Read {
    /// Owners and ids of the jobs among what `search`, one of [`SEARCHES`], finds.
    fn found_jobs(&self, search: &str) -> Vec<(String, String)> {
        let at = SEARCHES.iter().position(|q| *q == search).unwrap();
        let is_job = |found: &&(String, String)| found.0.starts_with('j');
        self.found[at].iter().filter(is_job).cloned().collect()
    }

    fn jobs_where(&self, is_wanted: impl Fn(&JobRecord) -> bool) -> Vec<(String, String)> {
        let jobs = self.jobs.iter().filter(|job| is_wanted(job));
        jobs.map(|job| (job.id.clone(), job.owner.clone()))
            .collect()
    }
}

#[derive(Clone, Debug)]
struct Message {
    number: usize,
    format: Format,
    owner: &'static str,
    topic: &'static str,
    published_ms: i64,
    text: String,
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(words)
}

/// Seconds of a time in a message, an hour and two days apart among them.
fn time() -> impl Strategy<Value = Value> {
    let ms = select(vec![
        None,
        Some(0),
        Some(-1_000),
        Some(-3_600_000),
        Some(-172_800_000),
    ]);
    ms.prop_map(|ms| json!(ms.map(|ms| NOW.plus_ms(ms))))
}

fn job() -> impl Strategy<Value = Value> {
    let id = word(&["j1", "j2", "j3"]);
    let kind = word(&["Transcode", "Snapshot", "Analysis", "MediaCensor"]);
    let user_data = word(&["", "sku-1001", "商品 编号"]);
    let ended = (id, kind, word(&["Success", "Fail"]), user_data, time());
    ended.prop_map(|(id, kind, state, user_data, end)| {
        json!({
            "jobId": id, "JobId": id, "Type": kind, "State": state, "UserData": user_data,
            "Code": "InvalidParameter.ResourceContentBad", "Message": "bad", "FinishTime": end,
        })
    })
}

fn submitted() -> impl Strategy<Value = Value> {
    let pipeline = word(&["p1", "p2"]);
    (word(&["j1", "j2"]), pipeline, time()).prop_map(|(id, pipeline, at)| {
        json!({
            "JobId": id, "Type": "Transcode", "State": "Submitted", "PipelineId": pipeline,
            "CreationTime": at, "StartTime": at, "Input": {"Bucket": "b", "Object": "in/clip 片段.mp4"},
        })
    })
}

fn smart_tag() -> impl Strategy<Value = Value> {
    let state = word(&["Submitted", "Processing", "Success", "Fail"]);
    (word(&["j1", "j4"]), state).prop_map(
        |(id, state)| json!({"Type": "smarttag", "JobId": id, "State": state, "UserData": "sku"}),
    )
}

fn text_to_speech() -> impl Strategy<Value = Value> {
    word(&["Success", "InternalError"])
        .prop_map(|code| json!({"jobId": "j5", "result": json!({"Code": code}).to_string()}))
}

fn activity() -> impl Strategy<Value = Value> {
    let kind = word(&["Start", "Transcode", "Snapshot", "Report"]);
    let job = select(vec![None, Some("j1"), Some("j6"), Some("j7")]);
    let state = word(&["Success", "Fail", "Skipped", "Running"]);
    let name = word(&["A", "高清 转码"]);
    (name, kind, job, state, (time(), time())).prop_map(|(name, kind, job, state, (start, end))| {
        json!({
            "Name": name, "Type": kind, "JobId": job, "State": state, "Code": "InternalError",
            "StartTime": start, "EndTime": end,
        })
    })
}

fn run() -> impl Strategy<Value = Value> {
    let part = word(&["Start", "Transcode", "Report"]);
    let state = word(&["Running", "Completed", "Fail"]);
    let name = word(&["flow", "发布"]);
    let activities = prop::collection::vec(activity(), 0..4);
    let rest = (time(), activities);
    (word(&["r1", "r2"]), part, state, name, rest).prop_map(
        |(id, part, state, name, (at, activities))| {
            json!({
                "RunId": id, "Name": "sender", "Type": part, "State": "Success",
                "MediaWorkflowExecution": {
                    "RunId": id, "MediaWorkflowId": "w", "Name": name, "State": state,
                    "MediaId": "media", "CreationTime": at, "ActivityList": activities,
                    "Input": {"InputFile": {"Object": "in/clip.mp4"}, "UserData": "sku-1001"},
                },
            })
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    let unrecognized = word(&["hello", "[1]", r#"{"EventType":"FileUploadComplete"}"#]);
    prop_oneof![
        3 => job().prop_map(|message| message.to_string()),
        2 => submitted().prop_map(|message| message.to_string()),
        2 => smart_tag().prop_map(|message| message.to_string()),
        1 => text_to_speech().prop_map(|message| message.to_string()),
        5 => run().prop_map(|message| message.to_string()),
        1 => unrecognized.prop_map(str::to_owned),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let format = select(vec![Format::Xml, Format::Json, Format::Simplified]);
    let place = (
        format,
        word(&["1001", "1001", "2002"]),
        word(&["topic-1", "topic-2"]),
    );
    let published = select(vec![0, -3, -60_000, -86_400_000]);
    let message =
        (place, published, text()).prop_map(|((format, owner, topic), ms, text)| Message {
            number: 0,
            format,
            owner,
            topic,
            published_ms: ms,
            text,
        });
    prop::collection::vec(message, 1..14).prop_map(|mut messages| {
        for (number, message) in messages.iter_mut().enumerate() {
            message.number = number;
        }
        messages
    })
}

/// The same messages, the first few twice, in another order.
fn arrivals() -> impl Strategy<Value = Vec<Message>> {
    (messages(), 0..5_usize).prop_flat_map(|(messages, repeated)| {
        let repeats: Vec<_> = messages.iter().take(repeated).cloned().collect();
        Just([messages, repeats].concat()).prop_shuffle()
    })
}

proptest! {
    // Each case opens a database and rebuilds it a dozen times; 16 of them take a few seconds.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_rebuild_gives_the_same_again_also_after_messages_were_emptied(
        messages in arrivals(),
        chosen in prop::collection::vec(any::<bool>(), 14),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let test = Test::start(folder.path());
        for message in &messages {
            let outcome = test.take(message);
            let is_taken = matches!(
                outcome,
                Outcome::Stored { .. } | Outcome::Duplicate { differs: false, .. }
            );
            prop_assert!(is_taken, "{outcome:?}");
        }
        let before = test.read();
        let stored = test.count("delivery");
        prop_assert!(before.events.len() as u64 >= stored);

        prop_assert_eq!(before.found_jobs("商品"), before.jobs_where(|job| {
            job.user_data.as_deref() == Some("商品 编号")
        }));
        prop_assert_eq!(before.found_jobs("clip"), before.jobs_where(|job| job.input.is_some()));

        let changes_nothing = |emptied: u64| {
            for dry_run in [true, false] {
                let report = test.rebuild(dry_run);
                prop_assert!(report.changes_nothing(), "{report:?}");
                prop_assert_eq!((report.reread, report.emptied), (stored - emptied, emptied));
                prop_assert_eq!(&test.read(), &before);
            }
            Ok(())
        };
        changes_nothing(0)?;
        test.empty(&chosen);
        let emptied = stored - test.count("delivery_capture");
        changes_nothing(emptied)?;
        changes_nothing(emptied)?;

        // What a parser of old did not understand and is still kept, and rows that say something
        // else than their events, come right: the events of emptied messages give the rest.
        test.execute(
            r#"UPDATE event SET kind = 'unrecognized', job = NULL, run = NULL, state = NULL,
                 terminal = 0, queue = NULL, queue_rule = 0,
                 event = '{"kind":"unrecognized","reason":"never heard of it"}'
               WHERE delivery IN (SELECT delivery FROM delivery_capture)"#,
        );
        let jobs = test.execute("UPDATE job SET user_data = 'spoiled'");
        let runs = test.execute("UPDATE run SET user_data = 'spoiled', media_id = 'spoiled'");
        let report = test.rebuild(false);
        prop_assert_eq!((report.jobs.changed, report.jobs.added), (jobs as u64, 0));
        prop_assert_eq!((report.runs.changed, report.runs.added), (runs as u64, 0));
        prop_assert_eq!(&test.read(), &before);
        changes_nothing(emptied)?;

        // Everything that is folded comes from the events alone.
        for table in [
            "job", "run", "activity", "rollup_minute", "rollup_hour", "job_words", "run_words",
        ] {
            test.execute(&format!("DELETE FROM {table}"));
        }
        let report = test.rebuild(false);
        prop_assert_eq!((report.jobs.added, report.runs.added), (jobs as u64, runs as u64));
        prop_assert_eq!(&test.read(), &before);
        changes_nothing(emptied)?;
    }
}
