//! Every page of the dashboard with data behind it, and what must hold for its markup.
//!
//! A page that some other page links to is found by itself; one that nothing links to, or that
//! looks different with a parameter, goes into [`STARTS`]. A route without a page fails here. What
//! needs a browser to be seen is in `browser/every_page.rs`, over the same pages.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use mpsink::notification::Format;
use mpsink::push::SAMPLES;
use scraper::node::Element;
use scraper::{Html, Selector};

use crate::app::{TestApp, job_message};

/// Where the search for pages begins; each is a page of its own, whatever its parameters.
const STARTS: [&str; 16] = [
    "/",
    "/jobs",
    "/jobs?limit=250",
    "/jobs?state=failed&queue=mps-std&from=24h",
    "/jobs?q=nothing-is-called-this",
    "/runs?limit=250",
    "/runs?state=partial",
    "/activities?limit=250",
    "/activities?state=failed",
    "/events?limit=250",
    "/deliveries?limit=250",
    "/deliveries?limit=1",
    "/held?limit=250",
    "/held?notice=dropped",
    "/refusals?limit=250",
    "/refusals",
];

/// What is asked for in vain, and the status it is answered with.
const TROUBLE: [(&str, u16); 9] = [
    ("/jobs?colour=red", 400),
    ("/jobs/none", 404),
    ("/job?id=no.ne", 404),
    ("/runs/none", 404),
    ("/run?id=no.ne", 404),
    ("/deliveries/77777", 404),
    ("/held/77777", 404),
    ("/refusals/77777", 404),
    ("/no/such/page", 404),
];

/// Endings of what is linked and is no page.
const FILES: [&str; 5] = [".json", ".http", ".csv", ".ndjson", ".cloudevents"];

/// More pages than any test has: a search that does not end fails instead.
const PAGES_MAX: usize = 1_000;

/// An app and its pages.
pub(crate) struct Site {
    pub(crate) app: TestApp,
    pub(crate) pages: Vec<Page>,
}

pub(crate) struct Page {
    /// With its parameters.
    pub(crate) path: String,
    pub(crate) html: String,
}

/// A site of everything: jobs and runs in each state, held and refused pushes, a stray, a message
/// that is not understood, a duplicate, and what is asked for in vain.
pub(crate) fn full() -> Site {
    let app = TestApp::start();
    fill(&app);
    Site::of(app)
}

/// Pushes something of everything.
pub(crate) fn fill(app: &TestApp) {
    for sample in SAMPLES {
        let mut content = app.content(Format::Json, sample.message);
        content.topic = sample.topic.to_owned();
        assert_eq!(app.send(&app.signed(&content)).status, 204);
    }
    let last = app.signed(&app.content(Format::Xml, b"a test message"));
    for _ in 0..2 {
        assert_eq!(app.send(&last).status, 204);
    }

    let mut content = app.content(Format::Xml, &job_message("held", "Success"));
    content.topic_owner = "999".to_owned();
    assert_eq!(app.send(&app.signed(&content)).status, 403);
    let mut refused = app.signed(&content);
    refused
        .headers
        .set("x-mns-version", "changed after signing");
    assert_eq!(app.send(&refused).status, 403);
    let mut stray = app.signed(&content);
    stray.target = "/notifications/elsewhere".to_owned();
    assert_eq!(app.send(&stray).status, 404);
}

/// A site where nothing has ever arrived.
pub(crate) fn empty() -> Site {
    let app = TestApp::start();
    let starts = STARTS.iter().copied();
    let pages = search(&app, starts);
    Site { app, pages }
}

impl Site {
    /// Finds the pages of an app to which a push was refused.
    pub(crate) fn of(app: TestApp) -> Site {
        app.items_when("/refusals.json", |items| !items.is_empty());
        let mut pages = search(&app, STARTS.iter().copied());
        for (path, status) in TROUBLE {
            let response = app.get(path);
            assert_eq!(response.status, status, "{path}");
            pages.push(Page {
                path: path.to_owned(),
                html: response.text(),
            });
        }
        Site { app, pages }
    }
}

/// Returns the pages at `starts` and all that they lead to. Those that differ in their parameters
/// alone count as one: following filters would not end.
fn search<'a>(app: &TestApp, starts: impl Iterator<Item = &'a str>) -> Vec<Page> {
    let mut ahead: VecDeque<String> = starts.map(str::to_owned).collect();
    let mut known: BTreeSet<String> = ahead.iter().map(|path| page_of(path).to_owned()).collect();
    let mut pages = Vec::new();
    while let Some(path) = ahead.pop_front() {
        let response = app.get(&path);
        assert_eq!(response.status, 200, "{path}");
        let html = response.text();
        for link in links(&html) {
            let is_file = FILES.iter().any(|ending| bare(&link).ends_with(ending));
            if !is_file && !link.starts_with("/static/") && known.insert(page_of(&link).to_owned())
            {
                ahead.push_back(link);
            }
        }
        pages.push(Page { path, html });
        assert!(pages.len() < PAGES_MAX);
    }
    pages
}

/// Returns where a page leads to on the dashboard itself.
fn links(html: &str) -> BTreeSet<String> {
    let document = Html::parse_document(html);
    let all = Selector::parse("a[href]").unwrap();
    let links = document.select(&all).filter_map(|link| link.attr("href"));
    links
        .filter(|link| is_own(link) && !link.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Returns what tells a page from others: its path, and where the id does not stand in it, all.
fn page_of(link: &str) -> &str {
    match bare(link) {
        "/job" | "/run" => link,
        path => path,
    }
}

fn bare(link: &str) -> &str {
    link.split(['?', '#']).next().unwrap()
}

/// Tells whether a browser stays on the dashboard with this target. `//host` and `/\host` leave it.
fn is_own(target: &str) -> bool {
    let is_path = target.starts_with('/') && !target.starts_with("//") && !target.contains('\\');
    is_path || target.starts_with('#')
}

/// Returns what is on a page that must not be, whatever the messages on it say.
pub(crate) fn markup_faults(html: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let elements = document.tree.values().filter_map(|node| node.as_element());
    elements
        .flat_map(|element| element_faults(element).into_iter())
        .collect()
}

fn element_faults(element: &Element) -> Vec<String> {
    const NEVER: [&str; 6] = ["base", "embed", "iframe", "object", "style", "template"];
    let mut faults = Vec::new();
    let name = element.name();
    if NEVER.contains(&name) {
        faults.push(format!("<{name}>"));
    }
    let source = element.attr("src");
    if name == "script" && !source.is_some_and(|source| source.starts_with("/static/")) {
        faults.push(format!("<script> from {source:?}"));
    }
    let rel: Vec<&str> = element.attr("rel").unwrap_or_default().split(' ').collect();
    let is_guarded = name == "a" && rel.contains(&"noopener") && rel.contains(&"noreferrer");
    for (attribute, value) in element.attrs() {
        let is_target = [
            "href",
            "src",
            "action",
            "formaction",
            "data",
            "poster",
            "srcset",
        ]
        .contains(&attribute);
        let is_web = value.starts_with("http://") || value.starts_with("https://");
        let is_sound = match attribute {
            "style" | "srcdoc" | "http-equiv" => false,
            _ if attribute.starts_with("on") => false,
            _ if is_target => is_own(value) || (is_web && is_guarded),
            _ => true,
        };
        if !is_sound {
            faults.push(format!("<{name} {attribute}={value:?}>"));
        }
    }
    faults
}

/// Routes that no person opens.
const FOR_MACHINES: [&str; 4] = ["/live", "/healthz", "/readyz", "/metrics"];

#[test]
fn every_route_has_a_page_on_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/dashboard.rs");
    let routes = fs::read_to_string(path).unwrap();
    let routes = routes.split("reads(\"").skip(1);
    let routes = routes.map(|rest| rest.split('"').next().unwrap());
    let is_page = |route: &&str| {
        !FILES.iter().any(|ending| route.ends_with(ending))
            && !route.starts_with("/static/")
            && !FOR_MACHINES.contains(route)
    };
    let routes: Vec<&str> = routes.filter(is_page).collect();
    assert!(routes.contains(&"/jobs/{id}"), "{routes:?}");
    let site = full();
    for route in routes {
        let is_at = |page: &Page| {
            let mut segments = bare(&page.path).split('/');
            let fits = route.split('/').all(|part| {
                let segment = segments.next();
                segment == Some(part) || (part.starts_with('{') && segment.is_some())
            });
            fits && segments.next().is_none()
        };
        assert!(site.pages.iter().any(is_at), "no page leads to {route}");
    }
}

#[test]
fn no_page_has_markup_that_it_must_not_have_and_every_link_leads_somewhere() {
    let mut followed = BTreeSet::new();
    for site in [full(), empty()] {
        for page in &site.pages {
            let faults = markup_faults(&page.html);
            assert!(faults.is_empty(), "{}: {faults:?}", page.path);
            for link in links(&page.html) {
                if followed.insert(link.clone()) {
                    let status = site.app.get(&link).status;
                    assert_eq!(status, 200, "{} links to {link}", page.path);
                }
            }
        }
        followed.clear();
    }
}

#[test]
fn what_a_page_must_not_have_is_found() {
    for html in [
        "<script>1</script>",
        "<script src='https://example.com/x.js'></script>",
        "<script src='/elsewhere/x.js'></script>",
        "<img src=x onerror=1>",
        "<svg><a href='javascript:1'>x</a></svg>",
        "<svg><a xlink:href='javascript:1'>x</a></svg>",
        "<a href='javascript:1'>x</a>",
        "<a href='//example.com/'>x</a>",
        r"<a href='/\example.com/'>x</a>",
        "<a href='https://example.com/'>x</a>",
        "<a href='https://example.com/' rel='noopener'>x</a>",
        "<a href='data:text/html,x' rel='noopener noreferrer'>x</a>",
        "<form action='https://example.com/'></form>",
        "<button formaction='https://example.com/'></button>",
        "<p style='color: red'></p>",
        "<style>p { color: red }</style>",
        "<iframe src='/'></iframe>",
        "<base href='/'>",
        "<meta http-equiv=refresh content='0; url=https://example.com/'>",
    ] {
        assert!(!markup_faults(html).is_empty(), "{html}");
    }
    let fine = "<a href='/jobs?x=1'>x</a><a href='#x'>x</a><script src='/static/x.js'></script>\
                <a href='https://example.com/' rel='noopener noreferrer'>x</a>";
    assert_eq!(markup_faults(fine), [""; 0]);
}
