//! What holds for every page: nothing from a message becomes markup, and the marks of a good page.

use std::fs;
use std::path::Path;

use askama::Template;
use chrono_tz::Tz;
use scraper::{Html, Selector};

use crate::clock::Timestamp;
use crate::notification::reason::HoldReason;
use crate::store::filters::{
    ActivityFilter, DeliveryFilter, EventFilter, HeldFilter, JobFilter, RefusalFilter, RunFilter,
};
use crate::store::lane_records::{Counted, Overview};
use crate::store::records::{
    Attention, DeliveryDetail, HeldRecord, RefusalCount, RunDetail, StrayRecord,
};
use crate::store::retention::kept::Kept;
use crate::web::connection::{
    AllowedBy, Connection, EndpointTrouble, HeldKind, OwnerState, Progress, SourceState, Strays,
};
use crate::web::lists::{Given, ListFilter, encoded};
use crate::web::pages::activities::ActivitiesPage;
use crate::web::pages::completeness::CompletenessPage;
use crate::web::pages::connect::ConnectPage;
use crate::web::pages::deliveries::DeliveriesPage;
use crate::web::pages::delivery::DeliveryPage;
use crate::web::pages::events::EventsPage;
use crate::web::pages::filters::Filters;
use crate::web::pages::held::{Found, HeldListPage, HeldPage};
use crate::web::pages::job::JobPage;
use crate::web::pages::jobs::JobsPage;
use crate::web::pages::lanes;
use crate::web::pages::listing::{Empty, ListView, Without};
use crate::web::pages::notice::Notice;
use crate::web::pages::operations::OperationsPage;
use crate::web::pages::overview::{OverviewPage, OverviewQuery};
use crate::web::pages::refusals::{RefusalPage, RefusalsPage};
use crate::web::pages::run::RunPage;
use crate::web::pages::runs::RunsPage;
use crate::web::pages::samples::{self, NASTY};
use crate::web::pages::samples_of_operations;
use crate::web::pages::trouble::TroublePage;
use crate::web::pages::{Downloads, Frame, Pager, Section};
use crate::web::texts::Language;
use crate::web::viewer::Viewer;

const ATTENTION: Attention = Attention {
    held: 1,
    refused: 2,
    strays: 3,
};

pub(super) fn frame() -> Frame {
    frame_in(Language::English, Tz::UTC)
}

pub(super) fn frame_in(language: Language, zone: Tz) -> Frame {
    Frame {
        title: NASTY.to_owned(),
        section: Section::Jobs,
        is_test: true,
        attention: Some(ATTENTION),
        json: Some(format!("/x?{NASTY}")),
        viewer: Viewer { language, zone },
        texts: language.texts(),
        now: Timestamp(0),
        live_at: Some(NASTY.to_owned()),
        live_every_ms: 60_000,
        here: "/x".to_owned(),
    }
}

/// Makes a page of a list that has rows, or none for the reason given.
pub(super) fn list_of<F: ListFilter>(
    query: &str,
    rows: Vec<F::Row>,
    empty: Option<Empty>,
) -> ListView<F::Row> {
    ListView {
        list: F::LIST,
        counted: Counted {
            rows: 10_000,
            is_all: false,
        },
        rows,
        pager: pager(),
        given: Given::parse(query, F::KNOWN).unwrap(),
        empty,
    }
}

fn pager() -> Pager {
    Pager {
        next: Some(format!("/x?{NASTY}")),
        previous: Some(format!("/x?{NASTY}")),
        first: Some(format!("/x?{NASTY}")),
        downloads: Some(Downloads {
            excel_csv: format!("/x.csv?{NASTY}"),
            csv: format!("/x.csv?{NASTY}"),
            json_lines: format!("/x.ndjson?{NASTY}"),
            cloud_events: Some(format!("/x.cloudevents?{NASTY}")),
        }),
    }
}

/// The overview before the first push.
fn overview(is_test: bool) -> String {
    let mut frame = frame();
    frame.is_test = is_test;
    let query = OverviewQuery::parse("", Timestamp(0)).unwrap();
    let page = OverviewPage::new(frame, &query, Overview::default(), None);
    page.render().unwrap()
}

fn refusal_count() -> RefusalCount {
    RefusalCount {
        source: NASTY.to_owned(),
        reason: samples::refusal().reason,
        count: 1,
        first_at: Timestamp(0),
        last_at: Timestamp(0),
    }
}

fn stray() -> StrayRecord {
    StrayRecord {
        id: 1,
        target: NASTY.to_owned(),
        received_at: Timestamp(0),
    }
}

/// The page with every state that a source can be in, and every reason to be held.
fn connect(language: Language) -> String {
    let kind = |reason: &HoldReason| HeldKind {
        newest: HeldRecord {
            reason: *reason,
            ..samples::held()
        },
        count: 2,
    };
    let owner = |by| OwnerState {
        owner: NASTY.to_owned(),
        by,
    };
    let source = |progress| SourceState {
        name: NASTY.to_owned(),
        endpoint: NASTY.to_owned(),
        progress,
        first: Some(samples::delivery()),
        newest: Some(samples::delivery()),
        owners: vec![
            owner(AllowedBy::Configuration),
            owner(AllowedBy::FirstPush),
            owner(AllowedBy::Person),
        ],
        held: HoldReason::ALL.iter().map(kind).collect(),
        refused: vec![refusal_count()],
    };
    let connection = Connection {
        endpoint_trouble: Some(EndpointTrouble::PlainHttp),
        sources: vec![source(Progress::Waiting), source(Progress::Connected)],
        strays: Strays {
            total: 1,
            latest: vec![stray()],
        },
    };
    let frame = frame_in(language, Tz::UTC);
    let page = ConnectPage {
        frame,
        notice: Some(Notice::Admitted),
        connection,
    };
    page.render().unwrap()
}

fn completeness(language: Language) -> String {
    let page = CompletenessPage {
        frame: frame_in(language, Tz::UTC),
        assessment: samples::completeness(),
    };
    text(&page)
}

fn operations(language: Language) -> String {
    let page = OperationsPage {
        frame: frame_in(language, Tz::UTC),
        findings: samples_of_operations::findings(),
    };
    text(&page)
}

/// Every page, as full as it can be.
fn pages() -> Vec<(&'static str, String)> {
    let notice = Some(Notice::Admitted);
    let job = JobPage::of(frame(), vec![samples::found_job(), samples::found_job()]);
    let found = Found {
        detail: samples::held_detail(),
        same_owner: 1,
        same_topic: 2,
        topic_is_not_configured: false,
    };
    let trouble = TroublePage {
        frame: frame(),
        status: 404,
        detail: NASTY.to_owned(),
        list: Some("/x".to_owned()),
    };
    let delivery = DeliveryPage::of(frame(), notice, samples::delivery_detail(), Kept::Forever);
    let gone = DeliveryDetail {
        push: None,
        ..samples::delivery_detail()
    };
    let emptied = DeliveryPage::of(frame(), None, gone, Kept::For(90 * 86_400_000));
    let held = HeldPage::of(frame(), notice, found);
    let refusal = RefusalPage::of(frame(), samples::refusal_detail());
    let run = run_page(vec![samples::run_detail(), samples::run_detail()]);
    let mut pages = Vec::new();
    for language in Language::ALL {
        pages.extend(lists(language));
        pages.extend(empty_lists(language));
        pages.push(("connect", connect(language)));
        pages.push(("completeness", completeness(language)));
        pages.push(("operations", operations(language)));
    }
    pages.extend(lanes::tests::pages());
    pages.extend([
        ("overview, empty", overview(false)),
        ("overview, empty and test", overview(true)),
        ("job", job.render().unwrap()),
        ("run", run),
        ("delivery", delivery.render().unwrap()),
        ("delivery, emptied", emptied.render().unwrap()),
        ("held", held.render().unwrap()),
        ("refusal", refusal.render().unwrap()),
        ("trouble", trouble.render().unwrap()),
    ]);
    pages
}

fn lists(language: Language) -> Vec<(&'static str, String)> {
    let frame = || frame_in(language, Tz::UTC);
    let given = |names: &[&str]| {
        let pairs = names
            .iter()
            .map(|name| format!("{name}={}", encoded(NASTY)));
        pairs.collect::<Vec<_>>().join("&")
    };
    let query = given(&["queue", "workflow", "type", "code", "q"]);
    let jobs = vec![samples::job(), samples::job_of_run()];
    let jobs = JobsPage::of(frame(), list_of::<JobFilter>(&query, jobs, None));
    let query = given(&["source", "topic"]);
    let deliveries = list_of::<DeliveryFilter>(&query, vec![samples::delivery()], None);
    let held = list_of::<HeldFilter>(&given(&["source"]), vec![samples::held()], None);
    let notice = Some(Notice::Admitted);
    let query = given(&["workflow", "q"]);
    let runs = list_of::<RunFilter>(&query, vec![samples::run()], None);
    let query = given(&["run", "workflow", "type", "code"]);
    let activities = list_of::<ActivityFilter>(&query, vec![samples::activity()], None);
    let events = list_of::<EventFilter>(&given(&["from"]), samples::events(), None);
    vec![
        ("jobs", jobs.render().unwrap()),
        ("deliveries", text(&DeliveriesPage::of(frame(), deliveries))),
        ("held list", text(&HeldListPage::of(frame(), notice, held))),
        ("refusals", text(&refusals(frame()))),
        ("runs", text(&RunsPage::of(frame(), runs))),
        ("activities", text(&ActivitiesPage::of(frame(), activities))),
        ("events", text(&EventsPage::of(frame(), events))),
    ]
}

fn text(page: &impl Template) -> String {
    page.render().unwrap()
}

fn refusals(frame: Frame) -> RefusalsPage {
    let query = format!("source={}", encoded(NASTY));
    let list = list_of::<RefusalFilter>(&query, vec![samples::refusal()], None);
    RefusalsPage {
        filters: Filters::of::<RefusalFilter>(&list.given, &frame),
        frame,
        counts: vec![refusal_count()],
        list,
        strays: vec![stray()],
        strays_total: 1,
        endpoint: NASTY.to_owned(),
    }
}

/// The lists without rows, for every reason there is.
fn empty_lists(language: Language) -> Vec<(&'static str, String)> {
    let link = || format!("/jobs?q={}", encoded(NASTY));
    let newest_at = Timestamp(0);
    let link_of_newest = Empty::NotThen {
        newest_at,
        link: link(),
    };
    let without = Without {
        name: "q".to_owned(),
        link: link(),
        has_rows: true,
    };
    let reasons = [
        ("never", Empty::Never),
        ("not then", link_of_newest),
        (
            "no match",
            Empty::NoMatch {
                without: vec![without],
            },
        ),
        ("not yet", Empty::NotYet { link: link() }),
        ("not here", Empty::NotHere),
    ];
    let query = format!("q={}", encoded(NASTY));
    let pages = reasons.into_iter().map(|(name, reason)| {
        let list = list_of::<JobFilter>(&query, vec![], Some(reason));
        let page = JobsPage::of(frame_in(language, Tz::UTC), list);
        (name, text(&page))
    });
    pages.collect()
}

pub(super) fn run_page(details: Vec<RunDetail>) -> String {
    let found = details.into_iter().map(|it| (it, samples::messages()));
    RunPage::of(frame(), found.collect()).render().unwrap()
}

pub(super) fn page_called(wanted: &str) -> Html {
    let mut pages = pages().into_iter().filter(|(name, _)| *name == wanted);
    Html::parse_document(&pages.next().unwrap().1)
}

pub(super) fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).unwrap()).count()
}

#[test]
fn text_from_a_message_stays_text_on_every_page() {
    for (name, html) in pages() {
        let page = Html::parse_document(&html);
        assert_eq!(
            count(
                &page,
                "script:not([src^='/static/']), img, style, iframe, base"
            ),
            0,
            "{name}"
        );
        assert!(
            page.root_element().text().any(|text| text.contains(NASTY)),
            "{name}"
        );
        for element in page.select(&Selector::parse("*").unwrap()) {
            for (attribute, value) in element.value().attrs() {
                assert!(!attribute.starts_with("on"), "{name}: {attribute}");
                assert_ne!(attribute, "style", "{name}");
                let is_address = matches!(attribute, "href" | "src" | "action" | "formaction");
                let is_ours = value.starts_with('/') && !value.starts_with("//");
                assert!(
                    !is_address || is_ours || value.starts_with('#'),
                    "{name}: {value}"
                );
            }
        }
    }
}

#[test]
fn a_nasty_id_is_one_segment_of_its_link() {
    let page = page_called("jobs");
    let link = Selector::parse("td a.id").unwrap();
    let link = page.select(&link).next().unwrap();
    assert_eq!(link.text().collect::<String>(), NASTY);
    let address = link.value().attr("href").unwrap();
    let segment = address.strip_prefix("/jobs/").unwrap();
    assert!(!segment.contains(['/', '?', '#', '"', '<']), "{segment}");
}

#[test]
fn every_page_says_that_it_is_a_test_and_none_does_otherwise() {
    let is_marked = |html: &str| {
        let page = Html::parse_document(html);
        let mark = Selector::parse("header .test").unwrap();
        page.select(&mark)
            .map(|mark| mark.text().collect::<String>())
            .any(|text| text.contains("TEST") || text.contains("测试"))
    };
    for (name, html) in pages() {
        assert_eq!(is_marked(&html), name != "overview, empty", "{name}");
    }
}

#[test]
fn every_page_has_its_landmarks_and_its_headings_in_order() {
    for (name, html) in pages() {
        let page = Html::parse_document(&html);
        for landmark in ["header", "main#content", "footer", "nav[aria-label]", "h1"] {
            assert!(count(&page, landmark) >= 1, "{name}: {landmark}");
        }
        assert_eq!(count(&page, "h1"), 1, "{name}");
        let headings = Selector::parse("h1, h2, h3, h4").unwrap();
        let mut level = 0;
        for heading in page.select(&headings) {
            let next: i32 = heading.value().name().replace('h', "").parse().unwrap();
            assert!(next <= level + 1, "{name}: h{next} after h{level}");
            level = next;
        }
    }
}

#[test]
fn every_control_has_a_label_and_every_id_is_there_once() {
    for (name, html) in pages() {
        let page = Html::parse_document(&html);
        let fields = Selector::parse("input:not([type=hidden]), select").unwrap();
        for field in page.select(&fields) {
            let id = field.value().attr("id").unwrap();
            assert_eq!(count(&page, &format!("label[for={id}]")), 1, "{name}: {id}");
        }
        let mut ids = Vec::new();
        for element in page.select(&Selector::parse("[id]").unwrap()) {
            ids.push(element.value().attr("id").unwrap().to_owned());
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: {ids:?}");
    }
}

#[test]
fn a_push_held_for_its_owner_offers_the_owner_and_not_the_topic() {
    let page = page_called("held");
    let to = |verb: &str| {
        count(
            &page,
            &format!("form[method=post][action='/held/3/{verb}']"),
        )
    };
    assert_eq!((to("allow-owner"), to("allow-topic")), (1, 0));
    assert_eq!((to("admit"), to("drop")), (1, 1));
}

#[test]
fn no_secret_part_of_a_path_is_on_a_page() {
    for (name, html) in pages() {
        assert!(!html.contains("/token"), "{name}");
    }
}

#[test]
fn templates_trust_no_text_and_quote_their_attributes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for mark in ["|safe", "| safe", "|escape", "autoescape", "style="] {
            assert!(!text.contains(mark), "{mark} in {}", path.display());
        }
        let is_unquoted = text.contains("={{") || text.contains("={%");
        assert!(!is_unquoted, "an attribute in {}", path.display());
        seen += 1;
    }
    assert!(seen > 10);
}
