//! What messages that want to be more than text do in a browser: nothing, and not even harm to the
//! layout of a telephone. The policy is ignored here, since it would hide markup that came through.

use crate::browser::Browser;
use crate::hostile::hostile;

#[test]
fn nothing_that_a_message_says_runs_or_breaks_a_page() {
    let site = hostile();
    let browser = Browser::at(site.app.facts.dashboard);
    browser.ignore_policy();
    browser.set_size(390, 844);
    let mut faults = Vec::new();
    for page in &site.pages {
        browser.open(&page.path);
        let seen = browser.glance();
        assert!(!seen.ran, "{}", page.path);
        let overflow = seen.overflow.into_iter();
        let named = overflow.chain(seen.complaints);
        faults.extend(named.map(|fault| format!("{} {fault}", page.path)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
