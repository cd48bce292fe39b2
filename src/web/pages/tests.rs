//! What holds for every page: nothing from a message becomes markup, and the marks of a good page.

use std::fs;
use std::path::Path;

use askama::Template;
use scraper::{Html, Selector};

use crate::clock::Timestamp;
use crate::store::records::{
    Attention, QueueRecord, RefusalCount, RunDetail, StrayRecord, WorkflowRecord,
};
use crate::web::lists::{ActivitiesQuery, EventsQuery, Given, JobsQuery, RunsQuery, encoded};
use crate::web::pages::activities::ActivitiesPage;
use crate::web::pages::deliveries::{DeliveriesPage, DeliveryPage};
use crate::web::pages::events::EventsPage;
use crate::web::pages::held::{Found, HeldListPage, HeldPage};
use crate::web::pages::jobs::{JobPage, JobView, JobsPage};
use crate::web::pages::notice::Notice;
use crate::web::pages::overview::OverviewPage;
use crate::web::pages::refusals::{RefusalPage, RefusalsPage};
use crate::web::pages::runs::{RunPage, RunView, RunsPage};
use crate::web::pages::samples::{self, NASTY};
use crate::web::pages::trouble::TroublePage;
use crate::web::pages::{Frame, Pager, Section};

const ATTENTION: Attention = Attention {
    held: 1,
    refused: 2,
    strays: 3,
};

pub(super) fn frame() -> Frame {
    Frame {
        title: NASTY.to_owned(),
        section: Section::Jobs,
        is_test: true,
        attention: Some(ATTENTION),
        json: Some(format!("/x?{NASTY}")),
    }
}

fn pager() -> Pager {
    Pager {
        next: Some(format!("/x?{NASTY}")),
        first: Some(format!("/x?{NASTY}")),
    }
}

fn overview(queues: Vec<QueueRecord>, workflows: Vec<WorkflowRecord>, is_test: bool) -> String {
    let page = OverviewPage {
        frame: Frame { is_test, ..frame() },
        attention: ATTENTION,
        queues,
        workflows,
        has_deliveries: false,
        endpoint: NASTY.to_owned(),
    };
    page.render().unwrap()
}

/// Every page, as full as it can be.
fn pages() -> Vec<(&'static str, String)> {
    let notice = Some(Notice::Admitted);
    let queue = QueueRecord {
        name: NASTY.to_owned(),
        region: NASTY.to_owned(),
        last_event_at: Timestamp(0),
        latest: vec![samples::job()],
    };
    let job = JobPage {
        frame: frame(),
        jobs: vec![
            JobView::of(samples::job_detail()),
            JobView::of(samples::job_detail()),
        ],
    };
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
    };
    let delivery = DeliveryPage::of(frame(), notice, samples::delivery_detail());
    let held = HeldPage::of(frame(), notice, found);
    let refusal = RefusalPage::of(frame(), samples::refusal_detail());
    let run = run_page(vec![samples::run_detail(), samples::run_detail()]);
    let workflows = vec![samples::workflow()];
    let mut pages = lists();
    pages.extend(lists_of_runs());
    pages.extend([
        ("overview", overview(vec![queue], workflows, true)),
        ("overview, empty", overview(vec![], vec![], false)),
        ("overview, empty and test", overview(vec![], vec![], true)),
        ("job", job.render().unwrap()),
        ("run", run),
        ("delivery", delivery.render().unwrap()),
        ("held", held.render().unwrap()),
        ("refusal", refusal.render().unwrap()),
        ("trouble", trouble.render().unwrap()),
    ]);
    pages
}

fn lists() -> Vec<(&'static str, String)> {
    let given = format!(
        "queue={0}&workflow={0}&type={0}&code={0}&q={0}",
        encoded(NASTY)
    );
    let jobs = JobsPage {
        frame: frame(),
        jobs: vec![samples::job(), samples::job_of_run()],
        given: Given::parse(&given, JobsQuery::KNOWN).unwrap(),
        pager: pager(),
    };
    let deliveries = DeliveriesPage {
        frame: frame(),
        deliveries: vec![samples::delivery()],
        pager: pager(),
    };
    let held_list = HeldListPage {
        frame: frame(),
        notice: Some(Notice::Admitted),
        held: vec![samples::held()],
        pager: pager(),
    };
    let refusals = RefusalsPage {
        frame: frame(),
        counts: vec![RefusalCount {
            source: NASTY.to_owned(),
            reason: samples::refusal().reason,
            count: 1,
            first_at: Timestamp(0),
            last_at: Timestamp(0),
        }],
        refusals: vec![samples::refusal()],
        pager: pager(),
        strays: vec![StrayRecord {
            id: 1,
            target: NASTY.to_owned(),
            received_at: Timestamp(0),
        }],
        strays_total: 1,
        endpoint: NASTY.to_owned(),
    };
    vec![
        ("jobs", jobs.render().unwrap()),
        ("deliveries", deliveries.render().unwrap()),
        ("held list", held_list.render().unwrap()),
        ("refusals", refusals.render().unwrap()),
    ]
}

fn lists_of_runs() -> Vec<(&'static str, String)> {
    let given = format!("workflow={0}&q={0}", encoded(NASTY));
    let runs = RunsPage {
        frame: frame(),
        runs: vec![samples::run()],
        given: Given::parse(&given, RunsQuery::KNOWN).unwrap(),
        pager: pager(),
    };
    let given = format!("run={0}&workflow={0}&type={0}&code={0}", encoded(NASTY));
    let activities = ActivitiesPage {
        frame: frame(),
        activities: vec![samples::activity()],
        given: Given::parse(&given, ActivitiesQuery::KNOWN).unwrap(),
        pager: pager(),
    };
    let given = format!("from={}", encoded(NASTY));
    let events = EventsPage {
        frame: frame(),
        events: samples::events(),
        given: Given::parse(&given, EventsQuery::KNOWN).unwrap(),
        pager: pager(),
    };
    vec![
        ("runs", runs.render().unwrap()),
        ("activities", activities.render().unwrap()),
        ("events", events.render().unwrap()),
    ]
}

pub(super) fn run_page(details: Vec<RunDetail>) -> String {
    let page = RunPage {
        frame: frame(),
        runs: details.into_iter().map(RunView::of).collect(),
    };
    page.render().unwrap()
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
            count(&page, "script, img, style, iframe, base"),
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
                    !is_address || is_ours || value == "#content",
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
            .any(|mark| mark.text().collect::<String>().contains("TEST"))
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
        let fields = Selector::parse("input:not([type=hidden])").unwrap();
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
        for mark in [
            "|safe",
            "| safe",
            "|escape",
            "autoescape",
            "<script",
            "style=",
        ] {
            assert!(!text.contains(mark), "{mark} in {}", path.display());
        }
        let is_unquoted = text.contains("={{") || text.contains("={%");
        assert!(!is_unquoted, "an attribute in {}", path.display());
        seen += 1;
    }
    assert!(seen > 10);
}
