//! That the checks of every page see what they look for: shown on pages that are wrong on purpose.
//!
//! Without it, a change of Chromium that no longer tells of violations would pass for a dashboard
//! without any.

use crate::browser::Browser;
use crate::browser::axe::{ALL_RULES, AXE, violations};
use crate::certificate_host::{CertificateHost, Habit};

const FINE: &str = "<title>fine</title><main><h1>Fine</h1></main>";

/// Markup out of a message, had it come through.
const RUNS: &str = r#"<title>x</title><img src="data:," onerror="window.ran=1">"#;

/// Shows one page after the other at the same address.
struct Show {
    host: CertificateHost,
    browser: Browser,
}

impl Show {
    fn start() -> Show {
        let host = CertificateHost::start(Habit::Status(404));
        let browser = Browser::at(host.address);
        Show { host, browser }
    }

    fn open(&self, html: &str) {
        // By this Chromium tells that it is HTML: the host names no type.
        let html = format!("<!doctype html>{html}");
        self.host.set(Habit::Serve(html.into_bytes()));
        self.browser.open("/");
    }

    /// Opens a page under the policy of the dashboard and returns what is complained about.
    fn complaints(&self, html: &str) -> String {
        let policy = "default-src 'none'; style-src 'self'; img-src 'self'";
        self.open(&format!(
            r#"<meta http-equiv="Content-Security-Policy" content="{policy}">{html}"#
        ));
        self.browser.glance().complaints.join("\n")
    }
}

#[test]
fn a_violation_of_the_policy_is_seen_however_it_is_made() {
    let show = Show::start();
    for html in [
        "<script>window.ran = 1</script>",
        r#"<p onclick="window.ran = 1">"#,
        r#"<p style="color: red">"#,
        "<style>p { color: red }</style>",
        r#"<script src="/script.js"></script>"#,
        r#"<img src="http://192.0.2.1/image.png">"#,
    ] {
        let complaints = show.complaints(html);
        assert!(
            complaints.contains("Content Security Policy"),
            "{html}: {complaints}"
        );
        assert!(!show.browser.glance().ran, "{html}");
    }
    assert_eq!(show.complaints("<h1>Fine</h1>"), "");
}

#[test]
fn what_goes_wrong_on_a_page_is_seen_and_a_fine_page_is_fine() {
    let show = Show::start();
    for html in [
        "<script>console.error('broken')</script>",
        "<script>console.warn('broken')</script>",
        "<script>throw new Error('broken')</script>",
        "<img src='http://broken.example/image.png'>",
    ] {
        show.open(html);
        let complaints = show.browser.glance().complaints.join("\n");
        assert!(complaints.contains("broken"), "{html}: {complaints}");
    }

    show.open(FINE);
    let seen = show.browser.glance();
    assert_eq!(seen.complaints, [""; 0]);
    assert_eq!((seen.title.as_str(), seen.mains), ("fine", 1));
    assert_eq!(seen.headings, ["h1 Fine"]);
    assert_eq!((seen.overflow, seen.is_dark), (None, false));

    show.browser.set_size(390, 844);
    let wide = format!("{FINE}<p>{}</p>", "W".repeat(300));
    show.open(&wide);
    let overflow = show.browser.glance().overflow.unwrap();
    assert!(overflow.contains("<p>WWW"), "{overflow}");

    show.browser.wish_dark(true);
    let dark = "<style>@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }</style>";
    show.open(&format!("{FINE}{dark}"));
    assert!(show.browser.glance().is_dark);
}

#[test]
fn a_script_that_came_through_is_seen_once_no_policy_stops_it() {
    let show = Show::start();
    assert!(show.complaints(RUNS).contains("Content Security Policy"));
    assert!(!show.browser.glance().ran);
    show.browser.ignore_policy();
    show.complaints(RUNS);
    assert!(show.browser.glance().ran);
}

#[test]
fn a_page_that_needs_scripts_is_seen_to() {
    let show = Show::start();
    let needy = format!("{FINE}<script>document.querySelector('h1').append(' too')</script>");
    show.open(&needy);
    assert_eq!(show.browser.glance().headings, ["h1 Fine too"]);
    show.browser.allow_scripts(false);
    show.open(&needy);
    assert_eq!(show.browser.glance().headings, ["h1 Fine"]);
}

#[test]
fn what_not_everybody_can_read_or_press_is_seen() {
    let show = Show::start();
    show.browser.run_in_every_page(AXE);
    let fine = format!("<html lang=en>{FINE}");
    show.open(&fine);
    assert_eq!(violations(&show.browser, ALL_RULES), [""; 0]);
    for (rule, html) in [
        (
            "color-contrast",
            "<p style='color: #aaa; background: #fff'>Pale</p>",
        ),
        ("button-name", "<button></button>"),
        ("label", "<input>"),
        ("link-name", "<a href='/'></a>"),
        ("svg-img-alt", "<svg role=img></svg>"),
        (
            "nested-interactive",
            "<svg role=img aria-label=x><a href='/'>x</a></svg>",
        ),
        (
            "target-size",
            "<button style='all: unset; font-size: 8px'>a</button><button style='all: unset; font-size: 8px'>b</button>",
        ),
    ] {
        show.open(&format!("{fine}{html}"));
        let seen = violations(&show.browser, ALL_RULES).join("\n");
        assert!(seen.contains(&format!("{rule}:")), "{html}: {seen}");
    }
}
