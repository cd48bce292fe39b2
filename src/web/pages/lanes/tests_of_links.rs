//! Where the pages of lanes lead: to lists of the lane's own region, and from an empty window to what
//! there is.

use askama::Template;
use scraper::Html;

use crate::store::lane_records::{Counted, Ended};
use crate::web::pages::lanes::tests::{
    NOW, depth, frame, links, overview, overview_of, overview_page, queue, queue_page, texts,
    workflow, workflow_page,
};
use crate::web::pages::overview::{OverviewPage, OverviewQuery};
use crate::web::texts::Language;

#[test]
fn a_window_before_everything_leads_to_the_newest() {
    let mut quiet = queue("hd", "");
    quiet.ended = Ended::default();
    quiet.slots = vec![];
    let query = "from=2024-05-01T00:00:00Z&to=2024-05-01T06:00:00Z";
    let query = OverviewQuery::parse(query, NOW).unwrap();
    let overview = overview_of(vec![quiet]);
    let frame = frame(Language::English);
    let page = OverviewPage::new(frame, &query, overview, None);
    let page = Html::parse_document(&page.render().unwrap());
    assert_eq!(
        texts(&page, "p.empty"),
        [
            "Nothing ended in this window, and nothing before it. The newest is 2024-05-06 07:55:00 UTC. \
             Show that time"
        ]
    );
    assert_eq!(links(&page, "p.empty a").len(), 1);
}

#[test]
fn where_stale_runs_are_not_all_counted_the_headline_says_so() {
    let mut overview = overview_of(vec![queue("hd", "")]);
    overview.stale = Counted {
        rows: 0,
        is_all: false,
    };
    let page = overview_page(Language::English, "", overview);
    let page = Html::parse_document(&page.render().unwrap());
    assert_eq!(texts(&page, ".numbers li")[1], "Stuck0+");
}

#[test]
fn the_lists_behind_a_lane_are_of_its_region() {
    let page = overview("", vec![queue("hd", "r1"), queue("hd", "r2")]);
    let counts = links(&page, "a.count");
    for region in ["r1", "r2"] {
        let list = format!("/jobs?queue=hd&region={region}&state=failed&");
        assert!(
            counts.iter().any(|link| link.starts_with(&list)),
            "{counts:?}"
        );
    }
    let own = queue_page(Language::English, vec![depth(queue("hd", "r1"))]);
    let own = Html::parse_document(&own);
    let code = links(&own, "th.object a").remove(0);
    assert!(
        code.starts_with("/jobs?queue=hd&region=r1&state=failed&code="),
        "{code}"
    );
    let own = workflow_page(Language::English, vec![depth(workflow(None, "w"))], &[]);
    let code = links(&Html::parse_document(&own), "th.object a").remove(0);
    assert!(
        code.starts_with("/activities?workflow=w&state=failed&region="),
        "{code}"
    );
}
