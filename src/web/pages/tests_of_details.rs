//! What the pages of one job, run and delivery show beyond what holds for every page.

use askama::Template;
use scraper::{Html, Selector};

use crate::notification::event::JobState;
use crate::store::records::{
    ActivityRecord, DeliveryDetail, DeliveryRecord, EventRecord, RunDetail,
};
use crate::store::retention::kept::Kept;
use crate::web::pages::Frame;
use crate::web::pages::delivery::DeliveryPage;
use crate::web::pages::detail::{LISTED_MAX, MessageView};
use crate::web::pages::job::{Found, JobPage};
use crate::web::pages::message::shown;
use crate::web::pages::run::RunPage;
use crate::web::pages::samples;
use crate::web::pages::tests::{count, frame, page_called};
use crate::web::texts::Language;
use crate::web::viewer::Viewer;

/// What no page may send more of.
const PAGE_BYTES_MAX: usize = 500_000;

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

fn job_page(frame: Frame, found: Found) -> Html {
    let page = JobPage::of(frame, vec![found]);
    Html::parse_document(&page.render().unwrap())
}

fn chinese() -> Frame {
    let viewer = Viewer {
        language: Language::Chinese,
        ..frame().viewer
    };
    Frame {
        viewer,
        texts: viewer.texts(),
        ..frame()
    }
}

#[test]
fn a_value_is_a_link_only_if_it_is_an_address_of_the_web() {
    let links = |value: &str| {
        let mut found = samples::found_job();
        found.detail.job.user_data = Some(value.to_owned());
        let page = job_page(frame(), found);
        let link = Selector::parse("dd a[rel='noopener noreferrer']").unwrap();
        let links = page.select(&link);
        links
            .map(|link| link.value().attr("href").unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let address = "https://example.com/?a=1&b=\"2\"";
    assert_eq!(links(address), [address]);
    assert!(links("javascript:alert(1)").is_empty());
    assert!(links("sku-1").is_empty());
}

#[test]
fn a_job_shows_its_messages_and_the_one_that_decides_is_open() {
    for name in ["job", "run"] {
        let page = page_called(name);
        assert_eq!(
            count(&page, "article:first-of-type details > summary > time"),
            2
        );
        assert_eq!(count(&page, "article:first-of-type details[open] pre"), 1);
    }
}

#[test]
fn what_copies_has_a_name_and_is_hidden_until_a_script_shows_it() {
    for (name, least) in [("job", 3), ("run", 5), ("delivery", 3)] {
        let page = page_called(name);
        let button = Selector::parse("button.copy").unwrap();
        let mut seen = 0;
        for button in page.select(&button) {
            let attribute = |name| button.value().attr(name);
            assert!(attribute("hidden").is_some());
            assert!(attribute("aria-label").unwrap().starts_with("Copy: "));
            assert_eq!(attribute("data-copied"), Some("Copied"));
            assert!(button.prev_siblings().any(|node| node.value().is_element()));
            seen += 1;
        }
        assert!(seen >= least, "{name}: {seen}");
    }
}

#[test]
fn a_job_of_a_run_names_its_workflow_and_says_what_its_activity_says() {
    let mut found = samples::found_job();
    found.detail.job.workflow = Some("w1".to_owned());
    let activity = found.activity.as_mut().unwrap();
    activity.workflow.name = Some("nightly".to_owned());
    activity.template_id = Some("S00000001-200030".to_owned());
    let page = job_page(frame(), found);
    assert_eq!(texts(&page, "dd a[href='/workflows/w1']"), ["nightly"]);
    assert!(texts(&page, "dd").contains(&"S00000001-200030 MP4-HD".to_owned()));
    assert!(texts(&page, "h2").contains(&"As an activity of its run".to_owned()));

    let mut alone = samples::found_job();
    alone.activity = None;
    alone.detail.job.workflow = Some("w1".to_owned());
    let page = job_page(frame(), alone);
    assert_eq!(texts(&page, "dd a[href='/workflows/w1']"), ["w1"]);
    assert!(!texts(&page, "h2").contains(&"As an activity of its run".to_owned()));
}

#[test]
fn every_shape_of_a_run_leads_to_a_job_or_to_a_row_that_is_there() {
    let mut detail = samples::run_detail();
    detail.run.activities[1].job = None;
    let page = RunPage::of(frame(), vec![(detail, Vec::new())]);
    let page = Html::parse_document(&page.render().unwrap());
    let shape = Selector::parse(".gantt a.shape").unwrap();
    let links: Vec<_> = page
        .select(&shape)
        .map(|shape| shape.value().attr("href").unwrap())
        .collect();
    assert_eq!(links.len(), 2);
    assert!(links[0].starts_with("/jobs/"));
    assert_eq!(links[1], "#activity-1-2");
    assert_eq!(count(&page, "tr#activity-1-2"), 1);
    assert_eq!(count(&page, ".gantt title"), 2);
}

#[test]
fn details_are_chinese_for_those_who_read_chinese() {
    let job = JobPage::of(chinese(), vec![samples::found_job()]);
    let run = RunPage::of(
        chinese(),
        vec![(samples::run_detail(), samples::messages())],
    );
    let delivery = DeliveryPage::of(chinese(), None, samples::delivery_detail(), Kept::Forever);
    let pages = [
        job.render().unwrap(),
        run.render().unwrap(),
        delivery.render().unwrap(),
    ];
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for page in pages {
        let page = Html::parse_document(&page);
        assert_eq!(count(&page, "html[lang=zh-CN]"), 1);
        let said = "h1, h2, caption, thead th, main dl:not(.extra) dt, summary, main > article > p, \
                    .notice, .hint";
        for text in texts(&page, said) {
            assert!(is_chinese(&text), "{text}");
        }
        let labelled = Selector::parse("main [aria-label]:not(svg)").unwrap();
        for element in page.select(&labelled) {
            let label = element.value().attr("aria-label").unwrap();
            assert!(is_chinese(label), "{label}");
        }
    }
}

#[test]
fn what_is_chinese_has_the_marks_of_chinese_sentences() {
    let detail = DeliveryDetail {
        delivery: DeliveryRecord {
            differs: true,
            ..samples::delivery()
        },
        ..samples::delivery_detail()
    };
    let delivery = DeliveryPage::of(chinese(), None, detail, Kept::Forever);
    let job = JobPage::of(chinese(), vec![samples::found_job()]);
    let pages = [delivery.render().unwrap(), job.render().unwrap()];
    let said = pages.map(|page| texts(&Html::parse_document(&page), ".notice, summary"));
    let text = said.concat().join("\n");
    assert!(text.contains("内容不同："), "{text}");
    assert!(text.contains("投递 7，"), "{text}");
}

#[test]
fn a_job_whose_messages_are_gone_says_where_the_reason_stands() {
    let said = |found| count(&job_page(frame(), found), "article > p.aside");
    let kept = said(samples::found_job());
    let gone = said(Found {
        messages: vec![],
        ..samples::found_job()
    });
    assert_eq!(gone, kept + 1);
}

#[test]
fn a_failure_code_is_whole_and_breaks_behind_its_dots() {
    let mut found = samples::found_job();
    found.detail.job.code = Some("InvalidParameter.ResourceNotFound".to_owned());
    let page = job_page(frame(), found);
    assert_eq!(count(&page, ".failure dd code wbr"), 2);
    assert_eq!(
        texts(&page, ".failure dd code"),
        ["InvalidParameter.ResourceNotFound"]
    );
}

#[test]
fn a_hint_is_in_the_viewers_language() {
    let hint = |frame| {
        let mut found = samples::found_job();
        found.detail.job.code = Some("InternalError".to_owned());
        texts(&job_page(frame, found), ".failure .hint")
    };
    assert!(hint(frame())[0].contains("ticket"));
    assert!(hint(chinese())[0].contains("工单"));
}

/// A run of a thousand activities, of which the last failed, with as many events, many deliveries
/// and messages as long as they may be.
fn huge_run() -> (RunDetail, Vec<MessageView>) {
    let id = "0123456789abcdef0123456789abcdef";
    let activity = |at: usize| ActivityRecord {
        run: id.to_owned(),
        name: format!("transcode to high definition {at}"),
        activity_type: "Transcode".to_owned(),
        job: Some(id.to_owned()),
        state: if at == 999 {
            JobState::Failed
        } else {
            JobState::Succeeded
        },
        code: (at == 999).then(|| "InternalError".to_owned()),
        message: None,
        conflict: false,
        ..samples::activity()
    };
    let mut detail = samples::run_detail();
    detail.run.activities = (0..1_000).map(activity).collect();
    detail.events = vec![
        EventRecord {
            subject: Some(id.to_owned()),
            event: serde_json::json!({ "name": "transcode to HD", "activity_type": "Transcode" })
                .into(),
            ..samples::event_of_job()
        };
        1_000
    ];
    let delivery = DeliveryRecord {
        owner: "1234567890123456".to_owned(),
        topic: "mps-workflow".to_owned(),
        unrecognized: None,
        ..samples::delivery()
    };
    detail.deliveries = vec![delivery; 1_000];
    // Every fourth character is a quote, which takes five bytes on a page.
    let message = MessageView {
        shown: shown("\"abc".repeat(100_000).as_bytes()).cut(48 * 1024),
        ..samples::messages().remove(0)
    };
    (detail, vec![message])
}

#[test]
fn a_huge_run_has_a_bounded_page_with_what_failed_on_it() {
    let html = RunPage::of(frame(), vec![huge_run()]).render().unwrap();
    assert!(html.len() < PAGE_BYTES_MAX, "{}", html.len());
    let page = Html::parse_document(&html);
    assert_eq!(count(&page, "tr[id^=activity-]"), LISTED_MAX);
    assert_eq!(count(&page, ".gantt a.shape"), LISTED_MAX);
    assert_eq!(count(&page, "tr#activity-1-1000 .state-failed"), 1);
    let rest = texts(&page, "section > p.aside");
    assert!(rest.contains(&"The first 100 of 1,000; the JSON has all.".to_owned()));
}
