//! WCAG 2.2 A and AA, as far as a machine can tell: axe-core over the pages of the list in
//! `pages.rs`, in both themes, both languages, wide and as on a telephone.
//!
//! axe-core is vendored (`tests/data/axe-core`, MPL-2.0, unchanged from npm), so that no check needs
//! a registry. It is put into each document by the browser and is no part of a page, whose policy
//! would not let it in.
//!
//! Deliberately not asked: rules that axe-core calls best practices or experimental. What no machine
//! sees (sense of names, order of focus) has tests of its own in `keyboard.rs`, or needs people.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::browser::Browser;
use crate::pages::{Page, Site, empty, full};

pub(super) const AXE: &str = include_str!("../../data/axe-core/axe.min.js");

/// Colours are all that the theme changes, so that the second theme asks for nothing else.
pub(super) const ALL_RULES: &str =
    "{type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}";
const COLOURS: &str = "{type: 'rule', values: ['color-contrast', 'link-in-text-block']}";

/// Pages that are looked at in all ways. Of the others the first of each kind is in two, in both
/// themes, and each further one in one, which differs from page to page: it stays under a minute so.
const MAIN_PAGES: [&str; 6] = [
    "/",
    "/jobs",
    "/runs?limit=1000",
    "/held?limit=1000",
    "/connect",
    "/settings",
];

/// Returns each violation of the page in the window: the rule, and the first elements it is about.
pub(super) fn violations(browser: &Browser, rules: &str) -> Vec<String> {
    let script = format!(
        "return axe.run(document, {{runOnly: {rules}, resultTypes: ['violations'], selectors: false}})
           .then(found => found.violations.map(rule => rule.id + ': ' + rule.nodes.length + ' × ' +
             rule.nodes.slice(0, 2).map(node => node.html.slice(0, 300) + ' ' + node.failureSummary).join(' | ')))"
    );
    let found = browser.evaluate(&script);
    let Value::Array(found) = found else {
        panic!("axe-core did not run: {found}");
    };
    found
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

/// The language, the width, and whether it is dark.
type Look = (&'static str, u32, bool);

/// Looks at a page in one language, width and theme; and at its colours in the other theme, if asked.
fn check_page(browser: &Browser, page: &Page, look: Look, is_whole: bool, found: &mut Vec<String>) {
    let (language, width, is_dark) = look;
    browser.wish_language(language);
    browser.set_size(width, 844);
    browser.wish_dark(is_dark);
    browser.open(&page.path);
    let mut note = |rules: &str, is_dark: bool| {
        let theme = if is_dark { "dark" } else { "light" };
        let place = format!("{} ({language}, {width} px, {theme})", page.path);
        let violations = violations(browser, rules).into_iter();
        found.extend(violations.map(|violation| format!("{place} {violation}")));
    };
    note(ALL_RULES, is_dark);
    if is_whole {
        browser.wish_dark(!is_dark);
        note(COLOURS, !is_dark);
    }
}

/// Every language and width, each in one theme.
const LOOKS: [Look; 4] = [
    ("en", 1280, false),
    ("zh-CN", 390, true),
    ("en", 390, false),
    ("zh-CN", 1280, true),
];

/// Returns what tells the kind of a page: its path without what stands for an id.
fn kind_of(page: &Page) -> String {
    let path = page.path.split('?').next().unwrap();
    let mut segments = path.splitn(3, '/').skip(1);
    let list = segments.next().unwrap().to_owned();
    match segments.next() {
        Some(_) => format!("{list}/{{id}}"),
        None => list,
    }
}

fn check(site: &Site) {
    let browser = Browser::at(site.app.facts.dashboard);
    browser.run_in_every_page(AXE);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for page in &site.pages {
        let before = seen.entry(kind_of(page)).or_default();
        let is_main = MAIN_PAGES.contains(&page.path.as_str());
        let looks = match *before {
            _ if is_main => LOOKS.to_vec(),
            0 => LOOKS[..2].to_vec(),
            // From where the first of its kind ended, round and round.
            before => vec![LOOKS[(before + 1) % LOOKS.len()]],
        };
        let is_whole = is_main || *before == 0;
        *before += 1;
        for look in looks {
            check_page(&browser, page, look, is_whole, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_page_violates_wcag_a_or_aa() {
    check(&full());
}

#[test]
fn no_page_of_an_empty_dashboard_violates_wcag_a_or_aa() {
    check(&empty());
}
