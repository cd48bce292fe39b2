//! The dashboard in a real Chromium, as whoever sits in front of it has it.
//!
//! These tests need `chromium` and `chromedriver` and fail without them; `tests/run` installs both.
//! A [`Browser`] takes a second to start, so a test opens many pages in one. What holds for every
//! page is in `every_page.rs`, over the list in `pages.rs` beside this folder; `looks.rs` is
//! about styles; `sight.rs` shows that these checks see what they look for.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::driver::Driver;

mod axe;
mod coming_back;
mod connect;
mod driver;
mod every_page;
mod hostile;
mod keyboard;
mod live;
mod looks;
mod sight;

/// The key under which chromedriver hands out an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Longer than the next page may take to replace this one.
const DEADLINE: Duration = Duration::from_secs(30);

/// What [`Browser::glance`] asks a page.
const GLANCE: &str = include_str!("glance.js");

/// A window with one page of one server. Starts 1280 wide, light, in English, with scripts.
pub(crate) struct Browser {
    driver: Driver,
    address: SocketAddr,
}

/// A page as it stands in the window.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) title: String,
    /// The `main` landmarks.
    pub(crate) mains: u64,
    /// Each heading in order, such as `h1 Jobs`.
    pub(crate) headings: Vec<String>,
    pub(crate) is_dark: bool,
    /// What sticks out to the right, if the page can be scrolled that way.
    pub(crate) overflow: Option<String>,
    /// Whether something has set `window.ran`.
    pub(crate) ran: bool,
    /// Errors and warnings of scripts, of the network, and of the Content-Security-Policy. That the
    /// page itself is a 404 is none.
    pub(crate) complaints: Vec<String>,
}

impl Browser {
    pub(crate) fn at(address: SocketAddr) -> Browser {
        let browser = Browser {
            driver: Driver::start(),
            address,
        };
        browser.set_size(1280, 800);
        browser
    }

    /// Opens a page and waits until it has loaded.
    pub(crate) fn open(&self, path: &str) {
        let url = format!("http://{}{path}", self.address);
        let opened = self.driver.post("/url", &json!({"url": url}));
        opened.unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
    }

    pub(crate) fn back(&self) {
        self.driver.post("/back", &json!({})).unwrap();
    }

    pub(crate) fn reload(&self) {
        self.driver.post("/refresh", &json!({})).unwrap();
    }

    /// Returns the name of the tab that commands go to.
    pub(crate) fn window(&self) -> String {
        let name = self.driver.get("/window").unwrap();
        name.as_str().unwrap().to_owned()
    }

    /// Opens a tab before this one, which is then hidden, and returns its name. Commands go to it.
    pub(crate) fn open_tab(&self) -> String {
        let tab = self.driver.post("/window/new", &json!({"type": "tab"}));
        let tab = tab.unwrap()["handle"].as_str().unwrap().to_owned();
        self.switch_to(&tab);
        tab
    }

    /// Closes a tab that commands go to; they go to `other` then.
    pub(crate) fn close_tab(&self, other: &str) {
        self.driver.delete("/window").unwrap();
        self.switch_to(other);
    }

    fn switch_to(&self, tab: &str) {
        let switched = self.driver.post("/window", &json!({"handle": tab}));
        switched.unwrap();
    }

    /// Clicks what `selector` finds first, and waits for the page that comes by it.
    pub(crate) fn follow(&self, selector: &str) {
        self.leave(selector, || {
            let element = self.find(selector);
            let clicked = self.driver.post(&format!("{element}/click"), &json!({}));
            clicked.unwrap_or_else(|refusal| panic!("{selector}: {refusal:?}"));
        });
    }

    /// Presses a key, and waits for the page that comes by it.
    pub(crate) fn press_to_leave(&self, key: &str) {
        self.leave(key, || self.press(key));
    }

    fn leave(&self, how: &str, act: impl FnOnce()) {
        let body = self.find("body");
        act();
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.driver.get(&format!("{body}/name")) {
                Err(refusal) if refusal.error == "stale element reference" => break,
                Err(refusal) if refusal.error == "no such element" => break,
                other => assert!(Instant::now() < deadline, "{how}: {other:?}"),
            }
        }
    }

    /// Presses a key and lets it go; a character, or one of `WebDriver`'s for the keys without.
    pub(crate) fn press(&self, key: &str) {
        self.keys(&[("keyDown", key), ("keyUp", key)]);
    }

    /// Presses a key while Control is held down.
    pub(crate) fn press_with_control(&self, key: &str) {
        const CONTROL: &str = "\u{E009}";
        self.keys(&[
            ("keyDown", CONTROL),
            ("keyDown", key),
            ("keyUp", key),
            ("keyUp", CONTROL),
        ]);
    }

    fn keys(&self, steps: &[(&str, &str)]) {
        let steps = steps.iter();
        let steps: Vec<Value> = steps
            .map(|(kind, key)| json!({"type": kind, "value": key}))
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keys", "actions": steps}]});
        self.driver.post("/actions", &actions).unwrap();
    }

    /// Waits until a script returns true.
    pub(crate) fn wait_for(&self, script: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.evaluate(script) != Value::Bool(true) {
            assert!(Instant::now() < deadline, "{script}");
        }
    }

    /// Returns the path and the query of the page.
    pub(crate) fn place(&self) -> String {
        let place = self.evaluate("return location.pathname + location.search");
        place.as_str().unwrap().to_owned()
    }

    /// Returns the visible text of what `selector` finds first.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.find(selector);
        let text = self.driver.get(&format!("{element}/text")).unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// Returns the text of everything that `selector` finds now.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)";
        let parameters = json!({"script": script, "args": [selector]});
        let texts = self.driver.post("/execute/sync", &parameters).unwrap();
        strings(&texts)
    }

    /// Runs a script as a function's body, also where the page itself may run none.
    pub(crate) fn evaluate(&self, script: &str) -> Value {
        let parameters = json!({"script": script, "args": []});
        self.driver.post("/execute/sync", &parameters).unwrap()
    }

    /// Looks at the page, and takes what has been complained about since the last look.
    pub(crate) fn glance(&self) -> Glance {
        // The page first: its answer comes behind everything that it has complained about.
        let seen = self.evaluate(GLANCE);
        Glance {
            title: seen["title"].as_str().unwrap().to_owned(),
            mains: seen["mains"].as_u64().unwrap(),
            headings: strings(&seen["headings"]),
            is_dark: seen["is_dark"].as_bool().unwrap(),
            overflow: seen["overflow"].as_str().map(str::to_owned),
            ran: seen["ran"].as_bool().unwrap(),
            complaints: self.complaints(seen["url"].as_str().unwrap()),
        }
    }

    fn complaints(&self, url: &str) -> Vec<String> {
        let parameters = json!({"type": "browser"});
        let log = self.driver.post("/se/log", &parameters).unwrap();
        let itself =
            format!("{url} - Failed to load resource: the server responded with a status of 4");
        let entries = log.as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        let messages = entries.map(|entry| entry["message"].as_str().unwrap().to_owned());
        messages
            .filter(|message| !message.starts_with(&itself))
            .collect()
    }

    pub(crate) fn set_size(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.driver
            .devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn wish_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.driver
            .devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Asks for pages in this language from now on.
    pub(crate) fn wish_language(&self, tag: &str) {
        let headers = json!({"headers": {"Accept-Language": tag}});
        self.driver.devtools("Network.enable", &json!({}));
        self.driver
            .devtools("Network.setExtraHTTPHeaders", &headers);
    }

    /// Lets pages that are opened from now on run scripts, or not.
    pub(crate) fn allow_scripts(&self, may: bool) {
        self.driver.devtools(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": !may}),
        );
    }

    /// Runs a script first thing in every page that is opened from now on, whatever its policy.
    pub(crate) fn run_in_every_page(&self, script: &str) {
        self.driver.devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({"source": script}),
        );
    }

    /// Ignores the Content-Security-Policy of pages from now on, so that only their markup stands
    /// between what they show and what would run.
    pub(crate) fn ignore_policy(&self) {
        self.driver
            .devtools("Page.setBypassCSP", &json!({"enabled": true}));
    }

    /// Writes what the window shows as a PNG file.
    pub(crate) fn screenshot(&self, path: &Path) {
        if let Ok(Value::String(image)) = self.driver.get("/screenshot")
            && let Ok(image) = STANDARD.decode(image)
        {
            let _ = fs::write(path, image);
        }
    }

    /// Returns the path of the commands to what `selector` finds first, waiting for it.
    fn find(&self, selector: &str) -> String {
        let parameters = json!({"using": "css selector", "value": selector});
        let found = self.driver.post("/element", &parameters);
        let found = found.unwrap_or_else(|refusal| panic!("{selector}: {refusal:?}"));
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }
}

/// Of a test that fails there is a picture, beside what else tests leave behind.
impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            let name = thread::current().name().unwrap_or("test").replace(':', "_");
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
            self.screenshot(&path);
            eprintln!("what the window showed: {}", path.display());
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().unwrap().iter();
    values
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}
