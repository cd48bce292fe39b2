//! What holds for every page of the list in `pages.rs`, as a browser shows it.

use std::fmt;

use crate::browser::{Browser, Glance};
use crate::pages::{Site, empty, full};

/// How somebody looks at a page.
#[derive(Clone, Copy)]
struct Look {
    width: u32,
    is_dark: bool,
    language: &'static str,
    runs_scripts: bool,
}

/// The first two show the same texts, with scripts and without.
const LOOKS: [Look; 3] = [
    Look {
        width: 1280,
        is_dark: false,
        language: "en",
        runs_scripts: true,
    },
    Look {
        width: 390,
        is_dark: true,
        language: "en",
        runs_scripts: false,
    },
    Look {
        width: 390,
        is_dark: false,
        language: "zh-CN",
        runs_scripts: true,
    },
];

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ground = if self.is_dark { "dark" } else { "light" };
        let scripts = if self.runs_scripts { "with" } else { "without" };
        let Look {
            width, language, ..
        } = self;
        write!(f, "{width} px, {ground}, {language}, {scripts} scripts")
    }
}

/// Returns what is wrong with a page; nothing, if all is well.
fn faults(seen: Glance, look: Look) -> Vec<String> {
    let mut faults = seen.complaints;
    if seen.title.trim().is_empty() {
        faults.push("has no title".to_owned());
    }
    if seen.mains != 1 {
        faults.push(format!("has {} main landmarks", seen.mains));
    }
    let first = seen.headings.iter().filter(|text| text.starts_with("h1 "));
    if first.count() != 1 {
        faults.push(format!("has not one h1: {:?}", seen.headings));
    }
    if seen.is_dark != look.is_dark {
        faults.push("is not as dark or light as wished".to_owned());
    }
    if let Some(overflow) = seen.overflow {
        faults.push(format!("scrolls sideways: {overflow}"));
    }
    faults
}

/// Looks at every page of a site in every way. All faults at once: a page is seldom wrong alone.
fn check(site: &Site) {
    let browser = Browser::at(site.app.facts.dashboard);
    let mut found = Vec::new();
    let mut headings = Vec::new();
    for look in LOOKS {
        browser.set_size(look.width, 844);
        browser.wish_dark(look.is_dark);
        browser.wish_language(look.language);
        browser.allow_scripts(look.runs_scripts);
        let mut same = Vec::new();
        for page in &site.pages {
            browser.open(&page.path);
            let seen = browser.glance();
            same.push(seen.headings.clone());
            let faults = faults(seen, look).into_iter();
            found.extend(faults.map(|fault| format!("{} ({look}) {fault}", page.path)));
        }
        headings.push(same);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (at, page) in site.pages.iter().enumerate() {
        assert_eq!(headings[0][at], headings[1][at], "{}", page.path);
    }
}

#[test]
fn every_page_is_sound_and_needs_no_scripts() {
    check(&full());
}

#[test]
fn every_page_of_an_empty_dashboard_is_sound_and_needs_no_scripts() {
    check(&empty());
}
