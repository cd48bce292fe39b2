//! What the pages of lists, held and refused pushes show beyond what holds for every page.

use askama::Template;
use chrono_tz::Tz;
use scraper::{Html, Selector};

use crate::notification::reason::{HoldReason, RefusalReason};
use crate::store::filters::{JobFilter, RunFilter};
use crate::store::records::{
    HeldDetail, HeldRecord, JobRecord, RefusalRecord, RunOutcome, RunRecord, WorkflowName,
};
use crate::web::lists::encoded;
use crate::web::pages::held::{Found, HeldPage};
use crate::web::pages::jobs::JobsPage;
use crate::web::pages::listing::{Empty, Without};
use crate::web::pages::refusals::RefusalPage;
use crate::web::pages::runs::RunsPage;
use crate::web::pages::samples::{self, NASTY};
use crate::web::pages::tests::{count, frame_in, list_of, page_called};
use crate::web::pages::tests_of_runs::texts;
use crate::web::texts::Language;

fn parsed(page: &impl Template) -> Html {
    Html::parse_document(&page.render().unwrap())
}

fn jobs_page(query: &str, jobs: Vec<JobRecord>, language: Language) -> Html {
    let list = list_of::<JobFilter>(query, jobs, None);
    parsed(&JobsPage::of(frame_in(language, Tz::UTC), list))
}

fn runs_page(query: &str, runs: Vec<RunRecord>, language: Language) -> Html {
    let list = list_of::<RunFilter>(query, runs, None);
    parsed(&RunsPage::of(frame_in(language, Tz::UTC), list))
}

#[test]
fn a_workflow_that_is_chosen_is_called_by_its_name_where_that_is_known() {
    let run = |name: Option<&str>| RunRecord {
        workflow: WorkflowName {
            id: Some("w1".to_owned()),
            name: name.map(str::to_owned),
        },
        ..samples::run()
    };
    for (name, language, expected) in [
        (Some("课程"), Language::English, ["Workflow", "课程"]),
        (Some("课程"), Language::Chinese, ["工作流", "课程"]),
        (Some(""), Language::English, ["Workflow id", "w1"]),
        (None, Language::English, ["Workflow id", "w1"]),
    ] {
        let page = runs_page("workflow=w1", vec![run(name)], language);
        let chip = [".chips .name", ".chips strong"].map(|part| texts(&page, part).concat());
        assert_eq!(chip, expected);
    }
}

fn empty_page(query: &str, empty: Empty, language: Language) -> Html {
    let list = list_of::<JobFilter>(query, vec![], Some(empty));
    parsed(&JobsPage::of(frame_in(language, Tz::UTC), list))
}

fn held_page(reason: HoldReason, language: Language) -> Html {
    let held = HeldRecord {
        reason,
        ..samples::held()
    };
    let found = Found {
        detail: HeldDetail {
            held,
            ..samples::held_detail()
        },
        same_owner: 1,
        same_topic: 2,
        topic_is_not_configured: false,
    };
    parsed(&HeldPage::of(frame_in(language, Tz::UTC), None, found))
}

fn links(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let links = page.select(&selector);
    links
        .map(|link| link.value().attr("href").unwrap().to_owned())
        .collect()
}

#[test]
fn a_job_of_a_run_shows_its_workflow_where_others_have_their_queue() {
    let page = page_called("jobs");
    let workflow = format!(
        "td[data-label=Workflow] a[href='/workflows/{}']",
        encoded(NASTY)
    );
    assert_eq!(count(&page, "td[data-label=Queue] a"), 1);
    assert_eq!(count(&page, &workflow), 1);
    assert_eq!(count(&page, "td[data-label=Run] a"), 2);
}

#[test]
fn a_list_without_runs_has_no_column_for_them() {
    let mut job = samples::job();
    job.run = None;
    let page = jobs_page("", vec![job], Language::English);
    assert_eq!(count(&page, "td[data-label=Run]"), 0);
    assert_eq!(count(&page, "thead th"), count(&page, "tbody td"));
}

#[test]
fn a_jobs_workflow_is_called_by_its_name() {
    let job = |name: Option<&str>| JobRecord {
        workflow: Some("w1".to_owned()),
        workflow_name: name.map(str::to_owned),
        ..samples::job_of_run()
    };
    let page = jobs_page("", vec![job(Some("标清")), job(None)], Language::Chinese);
    assert_eq!(texts(&page, "td[data-label=工作流]"), ["标清", "w1"]);
}

#[test]
fn an_id_is_on_the_page_whole_and_the_owner_where_two_share_it() {
    let job = |id: &str, owner: &str| JobRecord {
        id: id.to_owned(),
        owner: owner.to_owned(),
        ..samples::job()
    };
    let page = jobs_page(
        "",
        vec![job("a", "1"), job("b", "1"), job("a", "2")],
        Language::English,
    );
    let cells = texts(&page, "td[data-label=Job]");
    assert_eq!(cells, ["aOwner 1", "b", "aOwner 2"]);
    assert_eq!(count(&page, "td[data-label=Job] a[title=b]"), 1);
}

#[test]
fn every_outcome_has_an_icon_and_a_colour_of_its_own_and_its_word() {
    let mut icons = Vec::new();
    for outcome in RunOutcome::ALL {
        let run = RunRecord {
            outcome,
            ..samples::run()
        };
        let page = runs_page("", vec![run], Language::English);
        let badge = format!("td .state-{}", outcome.word());
        assert_eq!(texts(&page, &badge), [outcome.word()]);
        let svg = Selector::parse("td .state svg").unwrap();
        icons.push(page.select(&svg).next().unwrap().inner_html());
    }
    icons.sort();
    icons.dedup();
    assert_eq!(icons.len(), RunOutcome::ALL.len());
    let style = include_str!("../../../static/style.css");
    for outcome in RunOutcome::ALL {
        assert!(style.contains(&format!(".state-{}", outcome.word())));
    }
}

#[test]
fn a_workflow_without_an_id_is_named_and_leads_nowhere() {
    let run = RunRecord {
        workflow: WorkflowName {
            id: None,
            name: Some("示例".to_owned()),
        },
        ..samples::run()
    };
    let page = runs_page("", vec![run], Language::English);
    assert_eq!(texts(&page, "td[data-label=Workflow]"), ["示例"]);
    assert_eq!(count(&page, "td[data-label=Workflow] a"), 0);
}

#[test]
fn an_event_that_was_not_understood_shows_its_reason_and_leads_to_its_delivery() {
    let page = page_called("events");
    let rows = Selector::parse("tbody tr").unwrap();
    let row = page.select(&rows).next_back().unwrap();
    let row = Html::parse_fragment(&format!("<table>{}</table>", row.html()));
    assert_eq!(texts(&row, "td[data-label=Event]"), ["unrecognized"]);
    assert_eq!(texts(&row, "td[data-label=About]"), [NASTY]);
    assert_eq!(
        count(&row, "td[data-label=Delivery] a[href='/deliveries/7']"),
        1
    );
}

#[test]
fn a_list_says_in_the_viewers_language_how_many_rows_it_has_and_which_filters_are_set() {
    let query = "state=failed&queue=hd";
    for (language, count, chips) in [
        (
            Language::English,
            "10,000+ jobs",
            ["Statefailed", "Queuehd"],
        ),
        (Language::Chinese, "10,000+ 个作业", ["状态失败", "管道hd"]),
    ] {
        let page = jobs_page(query, vec![samples::job()], language);
        assert_eq!(texts(&page, ".count"), [count]);
        let set = texts(&page, ".chips li:not(.clear) a");
        for (chip, expected) in set.iter().zip(chips) {
            let chip: String = chip.split_whitespace().collect();
            assert!(chip.starts_with(expected), "{chip}");
        }
        let drops = links(&page, ".chips a");
        assert_eq!(drops, ["/jobs?queue=hd", "/jobs?state=failed", "/jobs"]);
        let on = links(&page, ".groups nav:first-child a[aria-current]");
        assert_eq!(
            on,
            ["/jobs?state=failed&queue=hd"
                .replace("state=failed&queue=hd", "queue=hd&state=failed")]
        );
    }
}

#[test]
fn the_form_has_the_values_that_are_set_and_is_folded() {
    let page = jobs_page("queue=hd&from=7d", vec![samples::job()], Language::English);
    assert_eq!(count(&page, "details:not([open]) input#queue[value=hd]"), 1);
    assert_eq!(count(&page, "input#from[value='7d']"), 1);
}

#[test]
fn an_empty_list_says_which_of_three_it_is_in_both_languages() {
    for language in Language::ALL {
        let says = &language.texts().lists;
        let page = empty_page("", Empty::Never, language);
        assert!(texts(&page, ".empty")[0].contains(says.jobs.never));
        assert_eq!(links(&page, ".empty a"), ["/connect"]);

        let newest_at = samples::job().last_event_at;
        let link = "/jobs?queue=hd".to_owned();
        let not_then = Empty::NotThen { newest_at, link };
        let page = empty_page("queue=hd&from=1h", not_then, language);
        let text = &texts(&page, ".empty")[0];
        assert!(text.contains(says.nothing_then) && text.contains("2024-05-06"));
        assert_eq!(links(&page, ".empty a"), ["/jobs?queue=hd"]);

        let without = |name: &str, link: &str, has_rows| Without {
            name: name.to_owned(),
            link: link.to_owned(),
            has_rows,
        };
        let without = vec![
            without("code", "/jobs?queue=hd", true),
            without("queue", "/jobs?code=X", false),
        ];
        let page = empty_page("queue=hd&code=X", Empty::NoMatch { without }, language);
        let expected = ["/jobs?queue=hd", "/jobs?code=X", "/jobs"];
        assert_eq!(links(&page, ".empty a"), expected);
        let text = &texts(&page, ".empty")[0];
        assert!(text.contains(says.has_rows) && text.contains(says.has_none));
    }
}

#[test]
fn each_reason_is_told_in_the_viewers_language() {
    for reason in HoldReason::ALL {
        let english = texts(&held_page(reason, Language::English), ".lead strong");
        assert_eq!(english, [reason.sentence()]);
        let chinese = texts(&held_page(reason, Language::Chinese), ".lead strong");
        assert_ne!(chinese, english);
    }
    for reason in RefusalReason::ALL {
        let told = |language| {
            let mut detail = samples::refusal_detail();
            detail.refusal = RefusalRecord {
                reason,
                ..samples::refusal()
            };
            let page = RefusalPage::of(frame_in(language, Tz::UTC), detail);
            texts(&parsed(&page), ".lead strong")
        };
        assert_eq!(told(Language::English), [reason.sentence()]);
        assert_ne!(told(Language::Chinese), told(Language::English));
    }
}

#[test]
fn the_first_button_for_a_held_push_is_never_the_one_that_lets_in_more_than_it() {
    for reason in HoldReason::ALL {
        let page = held_page(reason, Language::English);
        let main = Selector::parse("main form:has(button.main)").unwrap();
        let actions: Vec<_> = page
            .select(&main)
            .map(|form| form.value().attr("action").unwrap())
            .collect();
        let nobody_vouches = matches!(reason, HoldReason::BodyChecksum | HoldReason::OwnerMissing);
        let expected: &[&str] = if nobody_vouches {
            &[]
        } else {
            &["/held/3/admit"]
        };
        assert_eq!(actions, expected, "{reason:?}");
    }
}

#[test]
fn checks_are_named_in_the_viewers_language_and_what_they_saw_is_marked_as_english() {
    let mut detail = samples::refusal_detail();
    detail.explanation = serde_json::json!({
        "checks": [
            {"name": "content_md5", "verdict": "fails", "saw": "none", "hint": "look"},
            {"name": "of_a_later_version", "verdict": "holds", "saw": "", "hint": null},
        ],
        "envelope": [{"name": "topic_owner", "value": "1"}],
    });
    let page = RefusalPage::of(frame_in(Language::Chinese, Tz::UTC), detail);
    let page = parsed(&page);
    let names = texts(&page, "#checks + div tbody th");
    assert_eq!(names, ["正文校验（Content-MD5）", "of a later version"]);
    let verdicts = texts(&page, "#checks + div .state");
    assert_eq!(verdicts, ["未通过", "通过"]);
    assert_eq!(count(&page, ".saw[lang=en]"), 2);
    assert_eq!(texts(&page, "#envelope + dl dt"), ["主题所有者"]);
}

/// Words that only our own English sentences have.
#[test]
fn a_chinese_page_has_no_english_sentence() {
    let pages = [
        jobs_page("state=failed", vec![samples::job()], Language::Chinese),
        runs_page("state=failed", vec![samples::run()], Language::Chinese),
        held_page(HoldReason::Owner, Language::Chinese),
        empty_page("", Empty::Never, Language::Chinese),
    ];
    for page in pages {
        for text in page.root_element().text() {
            for word in [" the ", "The ", " of ", "Push", "Held", "held", "Show"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }
}
