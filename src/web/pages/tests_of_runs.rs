//! What the pages of runs, activities and events show beyond what holds for every page.

use scraper::{Html, Selector};

use crate::notification::event::JobState;
use crate::store::records::{ActivityRecord, RunOutcome, RunRecord};
use crate::web::pages::samples::{self, NASTY};
use crate::web::pages::tests::{count, page_called, run_page};

pub(super) fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

#[test]
fn nasty_ids_and_names_are_one_part_of_each_link_on_the_pages_of_runs() {
    for name in ["jobs", "job", "runs", "run", "activities", "events"] {
        let page = page_called(name);
        let links = Selector::parse("td a, dd a").unwrap();
        let mut seen = 0;
        for link in page.select(&links) {
            let address = link.value().attr("href").unwrap();
            let (_, given) = address
                .split_once("/runs/")
                .or_else(|| address.split_once("/jobs/"))
                .or_else(|| address.split_once("/workflows/"))
                .or_else(|| address.split_once("/queues/"))
                .or_else(|| address.split_once("?code="))
                .or_else(|| address.split_once("/deliveries/"))
                .unwrap_or_else(|| panic!("{name}: {address}"));
            assert!(!given.contains(['/', '?', '#', '&', '"', '<']), "{address}");
            seen += 1;
        }
        assert!(seen > 0, "{name}");
    }
}

#[test]
fn a_runs_page_shows_its_activities_in_their_order_with_job_length_and_hint() {
    let activity = |name: &str, job: Option<&str>, code: Option<&str>| ActivityRecord {
        name: name.to_owned(),
        job: job.map(str::to_owned),
        code: code.map(str::to_owned),
        message: None,
        state: code.map_or(JobState::Succeeded, |_| JobState::Failed),
        duration_ms: Some(129_000),
        conflict: false,
        ..samples::activity()
    };
    let mut detail = samples::run_detail();
    detail.run.outcome = RunOutcome::Partial;
    detail.run.activities = vec![
        activity("first", None, None),
        activity(
            "second",
            Some("j/2"),
            Some("InvalidParameter.ResourceContentBad"),
        ),
    ];
    let page = Html::parse_document(&run_page(vec![detail]));
    let names = texts(&page, "td[data-label=Activity] > span");
    assert_eq!(names, ["first", "second"]);
    assert_eq!(count(&page, "td[data-label=Job] a[href='/jobs/j%2F2']"), 1);
    let lengths = texts(&page, "td[data-label='Wait + run']");
    assert_eq!(lengths, ["2 min 9 s", "2 min 9 s"]);
    let failures = texts(&page, "td[data-label=Failure]");
    assert_eq!(failures[0], "–");
    assert!(failures[1].contains("ffprobe"), "{}", failures[1]);
    assert!(texts(&page, "h2").contains(&"Activities 1 of 2 failed".to_owned()));
}

#[test]
fn a_run_says_why_it_is_not_plainly_what_its_outcome_says() {
    let notices = |change: fn(&mut RunRecord)| {
        let mut detail = samples::run_detail();
        detail.run.conflict = false;
        detail.run.nothing_done = false;
        detail.run.outcome = RunOutcome::Succeeded;
        change(&mut detail.run);
        texts(
            &Html::parse_document(&run_page(vec![detail])),
            "article .notice",
        )
    };
    assert!(notices(|_| ()).is_empty());
    assert!(notices(|run| run.nothing_done = true)[0].contains("nothing was done"));
    assert!(notices(|run| run.outcome = RunOutcome::Stale)[0].contains("no Report"));
    assert!(notices(|run| run.conflict = true)[0].contains("end it differently"));
}

#[test]
fn each_owners_run_of_one_id_is_shown() {
    let mut other = samples::run_detail();
    other.run.owner = "second".to_owned();
    let page = Html::parse_document(&run_page(vec![samples::run_detail(), other]));
    let article = Selector::parse("article").unwrap();
    let labels: Vec<_> = page
        .select(&article)
        .map(|it| it.value().attr("aria-label").unwrap().to_owned())
        .collect();
    assert_eq!(
        labels,
        [
            format!("Run of owner {NASTY}"),
            "Run of owner second".to_owned()
        ]
    );
}
