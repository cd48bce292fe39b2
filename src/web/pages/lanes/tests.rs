//! What the overview and the pages of lanes show. `pages` are also among those of the tests of all
//! pages.

use askama::Template;
use chrono_tz::Tz;
use scraper::{Html, Selector};

use crate::clock::Timestamp;
use crate::notification::event::JobState;
use crate::store::lane_records::{
    Counted, Durations, Ended, FailureGroup, FailureGroups, Lag, LaneItem, LaneKey, LaneRecord,
    Overview, Slot,
};
use crate::store::records::{ActivityRecord, Attention, RunOutcome, RunRecord};
use crate::store::rollups::HISTOGRAM_BOUNDS_MS;
use crate::web::lists::{Given, encoded};
use crate::web::pages::lanes::depth::DepthRecord;
use crate::web::pages::lanes::queue::QueuePage;
use crate::web::pages::lanes::workflow::WorkflowPage;
use crate::web::pages::overview::{OverviewPage, OverviewQuery};
use crate::web::pages::samples::{self, NASTY};
use crate::web::pages::{Frame, Section};
use crate::web::texts::Language;
use crate::web::viewer::Viewer;
use crate::web::windows::{WINDOW_KNOWN, WindowQuery};

pub(super) const NOW: Timestamp = Timestamp(1_714_982_400_000);

const MINUTE: i64 = 60_000;

pub(super) fn frame(language: Language) -> Frame {
    Frame {
        title: NASTY.to_owned(),
        section: Section::Overview,
        is_test: true,
        attention: Some(Attention {
            held: 4,
            refused: 5,
            strays: 6,
        }),
        json: None,
        viewer: Viewer {
            language,
            zone: Tz::UTC,
        },
        texts: language.texts(),
        now: NOW,
        live_at: None,
        live_every_ms: 0,
        here: "/x".to_owned(),
    }
}

fn ended(succeeded: u64, failed: u64) -> Ended {
    Ended {
        succeeded,
        failed,
        ..Ended::default()
    }
}

pub(super) fn queue(name: &str, region: &str) -> LaneRecord {
    let mut histogram = vec![0; HISTOGRAM_BOUNDS_MS.len() + 1];
    histogram[8] = 120;
    LaneRecord {
        key: LaneKey::Queue {
            region: region.to_owned(),
            name: name.to_owned(),
        },
        name: None,
        last_event_at: NOW.plus_ms(-5 * MINUTE),
        ended: ended(4_000, 31),
        durations: Durations {
            known: 120,
            of: 4_031,
            sum_ms: 120 * 90_000,
            histogram,
        },
        open: 0,
        stale: 0,
        last_hour: ended(7, 3),
        slot_ms: 12 * MINUTE,
        slots: (0..120)
            .map(|at| Slot {
                at: Timestamp(NOW.0 - (NOW.0 % (12 * MINUTE)) - at * 12 * MINUTE),
                ended: ended(33, u64::from(at == 7)),
            })
            .collect(),
        items: None,
    }
}

pub(super) fn workflow(name: Option<&str>, id: &str) -> LaneRecord {
    let item = |state, started_at: Option<i64>, finished_at: Option<i64>| LaneItem {
        id: NASTY.to_owned(),
        state,
        started_at: started_at.map(|ms| NOW.plus_ms(ms)),
        finished_at: finished_at.map(|ms| NOW.plus_ms(ms)),
        last_event_at: NOW.plus_ms(-MINUTE),
    };
    LaneRecord {
        key: LaneKey::Workflow {
            owner: NASTY.to_owned(),
            region: NASTY.to_owned(),
            id: id.to_owned(),
        },
        name: name.map(str::to_owned),
        ended: Ended {
            partial: 1,
            ..ended(2, 0)
        },
        open: 3,
        stale: 2,
        last_hour: ended(1, 0),
        slots: vec![],
        items: Some(vec![
            item("succeeded", Some(-90 * MINUTE), Some(-60 * MINUTE)),
            item("partial", None, Some(-40 * MINUTE)),
            item("succeeded", Some(-20 * MINUTE), Some(-21 * MINUTE)),
            item("running", Some(-5 * MINUTE), None),
            item("stale", Some(-900 * MINUTE), None),
        ]),
        ..queue("", "")
    }
}

pub(super) fn overview_of(lanes: Vec<LaneRecord>) -> Overview {
    Overview {
        lanes,
        has_more: true,
        lag: Lag {
            of: 500,
            median_ms: 800,
            p95_ms: 4_100,
            max_ms: 9_000,
        },
        last_received_at: Some(NOW.plus_ms(-3 * MINUTE)),
        stale: Counted {
            rows: 5,
            is_all: true,
        },
        unrecognized: 7,
    }
}

pub(super) fn depth(lane: LaneRecord) -> DepthRecord {
    DepthRecord {
        lane,
        failures: FailureGroups {
            groups: vec![FailureGroup {
                code: NASTY.to_owned(),
                count: 20,
                first_at: NOW.plus_ms(-9 * MINUTE),
                last_at: NOW,
                latest: NASTY.to_owned(),
            }],
            counted: Counted {
                rows: 31,
                is_all: false,
            },
        },
        lag: Lag {
            of: 100,
            median_ms: 300,
            p95_ms: 2_000,
            max_ms: 2_000,
        },
    }
}

pub(super) fn overview_page(language: Language, query: &str, overview: Overview) -> OverviewPage {
    let query = OverviewQuery::parse(query, NOW).unwrap();
    let before = Some(NOW.plus_ms(-9_000 * MINUTE));
    OverviewPage::new(frame(language), &query, overview, before)
}

pub(super) fn overview(query: &str, lanes: Vec<LaneRecord>) -> Html {
    let page = overview_page(Language::English, query, overview_of(lanes));
    Html::parse_document(&page.render().unwrap())
}

fn window() -> WindowQuery {
    WindowQuery::of(Given::parse("", WINDOW_KNOWN).unwrap(), NOW).unwrap()
}

pub(super) fn queue_page(language: Language, lanes: Vec<DepthRecord>) -> String {
    let lanes = lanes.into_iter().map(|lane| (vec![samples::job()], lane));
    let lanes = lanes.collect();
    let page = QueuePage::new(frame(language), NASTY.to_owned(), &window(), lanes);
    page.render().unwrap()
}

pub(super) fn workflow_page(
    language: Language,
    lanes: Vec<DepthRecord>,
    runs: &[RunRecord],
) -> String {
    let lanes = lanes
        .into_iter()
        .map(|lane| (runs.to_vec(), lane))
        .collect();
    let page = WorkflowPage::new(frame(language), NASTY.to_owned(), &window(), lanes);
    page.render().unwrap()
}

/// The pages of lanes, as full as they can be, and the empty ones, in each language.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let mut pages = Vec::new();
    for language in Language::ALL {
        let overview = |lanes| {
            let page = overview_page(language, "", overview_of(lanes));
            page.render().unwrap()
        };
        let full = vec![
            queue(NASTY, "one"),
            queue(NASTY, NASTY),
            workflow(Some(NASTY), NASTY),
        ];
        let mut quiet = queue(NASTY, "");
        quiet.ended = Ended::default();
        quiet.slots = vec![];
        let regions = vec![depth(queue(NASTY, "one")), depth(queue(NASTY, NASTY))];
        let owners = vec![
            depth(workflow(Some(NASTY), NASTY)),
            depth(workflow(None, NASTY)),
        ];
        let mut never = overview_of(vec![]);
        never.last_received_at = None;
        let never = overview_page(language, "", never);
        pages.extend([
            ("lanes overview", overview(full)),
            ("lanes overview, quiet", overview(vec![quiet])),
            ("lanes overview, new", never.render().unwrap()),
            ("queue", queue_page(language, regions)),
            (
                "workflow",
                workflow_page(language, owners, &[samples::run()]),
            ),
        ]);
    }
    pages
}

pub(super) fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found
        .map(|element| {
            let text: String = element.text().collect();
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ")
        })
        .collect()
}

pub(super) fn links(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found
        .filter_map(|element| element.value().attr("href").map(str::to_owned))
        .collect()
}

#[test]
fn a_lane_shows_its_numbers_and_each_leads_to_the_list_of_what_it_counts() {
    let page = overview("", vec![queue("hd", ""), workflow(Some("示例"), "w1")]);
    assert_eq!(texts(&page, ".lane h3"), ["hd", "示例"]);
    let pages = links(&page, ".lane h3 a");
    assert_eq!(pages, ["/queues/hd", "/workflows/w1"]);
    let counts = [
        "31 failed",
        "4,000 succeeded",
        "1 partial",
        "2 stale",
        "1 running",
        "2 succeeded",
    ];
    assert_eq!(texts(&page, ".count"), counts);
    let range = "from=2024-05-05T08%3A01%3A00Z&to=2024-05-06T08%3A01%3A00Z";
    let runs = format!("/runs?workflow=w1&region={}", encoded(NASTY));
    let expected = [
        format!("/jobs?queue=hd&state=failed&{range}"),
        format!("/jobs?queue=hd&state=succeeded&{range}"),
        format!("{runs}&state=partial&{range}"),
        format!("{runs}&state=stale"),
        format!("{runs}&state=running"),
        format!("{runs}&state=succeeded&{range}"),
    ];
    assert_eq!(links(&page, "a.count"), expected);
    assert_eq!(texts(&page, ".lane-numbers strong"), ["99.2 %", "66.6 %"]);
    let durations = &texts(&page, ".lane-numbers p.aside")[0];
    assert!(durations.starts_with("median about "), "{durations}");
    assert!(durations.ends_with("known for 120 of 4,031"), "{durations}");
}

#[test]
fn the_table_has_the_same_numbers_as_the_lanes() {
    let page = overview("", vec![queue("hd", ""), workflow(Some("示例"), "w1")]);
    let cell = |label: &str| texts(&page, &format!("td[data-label='{label}']"));
    assert_eq!(cell("Ended"), ["4,031", "3"]);
    assert_eq!(cell("failed"), ["31", "0"]);
    assert_eq!(cell("succeeded"), ["4,000", "2"]);
    assert_eq!(cell("partial"), ["1"]);
    assert_eq!(cell("stale"), ["2"]);
    assert_eq!(cell("running"), ["1"]);
    assert_eq!(cell("Success share"), ["99.2 %", "66.6 %"]);
    assert_eq!(
        texts(&page, "thead th").len(),
        texts(&page, "tbody tr:first-child > *").len()
    );
}

#[test]
fn the_headline_counts_what_needs_a_person() {
    let page = overview("", vec![queue("hd", ""), workflow(None, "w1")]);
    let cards = texts(&page, ".numbers li");
    let expected = [
        "Failing now1",
        "Stuck5",
        "Silent for3 min2024-05-06 07:57:00",
        "Held4",
        "Refused11",
        "Unrecognized7",
        "Delivery lag0.8 s95 % within 4.1 s",
    ];
    assert_eq!(cards, expected);
    let expected = [
        "/runs?state=stale",
        "/deliveries",
        "/held",
        "/refusals",
        "/events?kind=unrecognized&from=2024-05-05T08%3A01%3A00Z&to=2024-05-06T08%3A01%3A00Z",
    ];
    assert_eq!(links(&page, ".numbers a"), expected);
    assert_eq!(texts(&page, ".failing-now a"), ["hd"]);
    assert_eq!(texts(&page, ".lane.is-failing h3"), ["hd"]);
}

#[test]
fn lanes_in_trouble_stand_first_unless_the_order_is_by_name() {
    let calm = |name: &str, failed: u64| LaneRecord {
        ended: ended(9, failed),
        last_hour: Ended::default(),
        ..queue(name, "")
    };
    let lanes = || vec![calm("a", 0), calm("b", 5), queue("c", ""), calm("d", 0)];
    let names = |query: &str| texts(&overview(query, lanes()), ".lane h3");
    assert_eq!(names(""), ["c", "b", "a", "d"]);
    assert_eq!(names("order=trouble"), ["c", "b", "a", "d"]);
    assert_eq!(names("order=name"), ["a", "b", "c", "d"]);
    assert!(OverviewQuery::parse("order=size", NOW).is_err());
}

#[test]
fn few_are_drawn_one_by_one_and_many_as_columns_that_lead_to_their_jobs() {
    let page = overview("", vec![queue("hd", ""), workflow(None, "w1")]);
    let shapes = links(&page, ".lane a.shape");
    assert_eq!(shapes.len(), 5);
    assert_eq!(texts(&page, ".lane rect.skew").len(), 1);
    let columns = links(&page, ".lane a.column");
    assert_eq!(columns.len(), 60);
    assert_eq!(
        columns[1],
        "/jobs?queue=hd&from=2024-05-05T08%3A24%3A00Z&to=2024-05-05T08%3A48%3A00Z"
    );
    let titles = texts(&page, ".lane .column title");
    assert_eq!(titles[1], "2024-05-05 08:24 to 08:48: 66 succeeded");
    assert_eq!(
        titles
            .iter()
            .filter(|title| title.contains("1 failed"))
            .count(),
        1
    );
    assert_eq!(texts(&page, ".lane .column rect.s-failed").len(), 1);
}

#[test]
fn a_window_without_anything_says_when_the_last_was_and_leads_there() {
    let mut quiet = queue("hd", "");
    quiet.ended = Ended::default();
    quiet.slots = vec![];
    let page = overview("window=1h", vec![quiet]);
    assert_eq!(
        texts(&page, "p.empty"),
        [
            "Nothing ended in this window. The last before it was 2024-04-30 02:00:00 UTC. Show that time"
        ]
    );
    assert_eq!(
        links(&page, "p.empty a"),
        ["/?from=2024-04-30T01%3A01%3A00Z&to=2024-04-30T02%3A01%3A00Z"]
    );
}

#[test]
fn before_anything_came_the_page_leads_to_connect() {
    let mut never = overview_of(vec![]);
    never.last_received_at = None;
    let page = overview_page(Language::English, "", never);
    let page = Html::parse_document(&page.render().unwrap());
    assert_eq!(texts(&page, "#connect"), ["Nothing has been let in yet"]);
    assert_eq!(links(&page, "main section > p > a"), ["/connect"]);
    let page = overview("", vec![]);
    assert!(texts(&page, "#connect").is_empty());
    assert_eq!(links(&page, "p.empty a"), ["/events"]);
}

#[test]
fn a_page_stays_below_500_kb_however_many_lanes_there_are() {
    let bytes = |lanes: usize, name_bytes: usize| {
        let lanes = (0..lanes)
            .map(|at| queue(&format!("{at:0name_bytes$}"), ""))
            .collect();
        let page = overview_page(Language::English, "", overview_of(lanes));
        page.render().unwrap().len()
    };
    // A pipeline's id has 32 digits, a topic's name up to 255.
    for (lanes, name_bytes) in [(1, 255), (10, 32), (25, 255), (100, 32)] {
        let bytes = bytes(lanes, name_bytes);
        assert!(bytes < 500_000, "{lanes} lanes of {name_bytes}: {bytes}");
    }
}

#[test]
fn a_queue_in_two_regions_has_a_section_for_each() {
    let regions = vec![
        depth(queue("hd", "cn-hangzhou")),
        depth(queue("hd", "cn-beijing")),
    ];
    let page = Html::parse_document(&queue_page(Language::English, regions));
    let headings = texts(&page, "article > h2:first-child");
    assert_eq!(headings, ["Region cn-hangzhou", "Region cn-beijing"]);
    let page = queue_page(Language::English, vec![depth(queue("hd", "cn-hangzhou"))]);
    let page = Html::parse_document(&page);
    assert_eq!(texts(&page, "article > h2:first-child").len(), 0);
}

#[test]
fn a_queues_failures_are_shown_with_what_is_not_among_them() {
    let page = Html::parse_document(&queue_page(Language::English, vec![depth(queue("hd", ""))]));
    assert_eq!(texts(&page, "td[data-label=Count]"), ["20"]);
    let notes = texts(&page, "article > p.aside");
    assert!(
        notes.contains(&"11 more failed without a code.".to_owned()),
        "{notes:?}"
    );
    assert!(
        notes.contains(&"Only the newest 31 were looked at.".to_owned()),
        "{notes:?}"
    );
}

#[test]
fn a_workflow_says_which_activity_fails_above_the_grid() {
    let activity = |name: &str, state| ActivityRecord {
        name: name.to_owned(),
        state,
        ..samples::activity()
    };
    let lane = workflow(Some("示例"), "w1");
    let run = RunRecord {
        id: "r1".to_owned(),
        outcome: RunOutcome::Partial,
        activities: vec![
            activity("HD transcode", JobState::Failed),
            activity("snapshot", JobState::Succeeded),
        ],
        ..samples::run()
    };
    let page = workflow_page(Language::English, vec![depth(lane)], &[run]);
    let page = Html::parse_document(&page);
    let sentences = texts(&page, ".verdicts li");
    assert_eq!(sentences.len(), 1);
    assert!(
        sentences[0].starts_with("HD transcode has failed in the newest run"),
        "{sentences:?}"
    );
    assert_eq!(links(&page, ".grid td a.s-failed"), ["/runs/r1"]);
    assert_eq!(links(&page, ".grid thead a"), ["/runs/r1"]);
    assert_eq!(
        texts(&page, ".grid tbody th > span"),
        ["HD transcode", "snapshot"]
    );
}
