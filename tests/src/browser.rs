//! A real browser, driven as its driver allows.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

mod driver;
mod engine;

pub use engine::Engine;

use std::{env, io, time::Duration};

use driver::{Driver, Profile};
use fantoccini::{
    Client, ClientBuilder,
    wd::{WebDriverCompatibleCommand, WindowHandle},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::{ParseError, Url};

use crate::patience::within;

const POLL: Duration = Duration::from_millis(25);

/// What differs from a browser as it comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Which browser.
    pub engine: Engine,
    /// Certificates of unknown issuers are taken.
    pub any_certificate: bool,
    /// Cookies of other sites than the page's are not sent, but for partitioned ones.
    pub no_third_party_cookies: bool,
}

/// A browser of its own, with one window and a new profile. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    engine: Engine,
    client: Client,
    // The driver first: it ends its browser, and the profile what is left of it.
    _driver: Driver,
    _profile: Profile,
}

impl Browser {
    /// A Chromium. `None`, with a message, if there is none on this machine. With `CI=true` that is a failure.
    ///
    /// # Panics
    ///
    /// If a Chromium that is there does not start.
    pub async fn start() -> Option<Self> {
        Self::start_with(Settings::default()).await
    }

    /// One of the browsers. `None`, with a message, if this machine has not got it. With `CI=true` that is a failure.
    ///
    /// # Panics
    ///
    /// If a browser that is there does not start.
    pub async fn start_engine(engine: Engine) -> Option<Self> {
        let settings = Settings {
            engine,
            ..Settings::default()
        };
        Self::start_with(settings).await
    }

    /// As [`start_engine`](Self::start_engine), with other settings.
    ///
    /// # Panics
    ///
    /// If a browser that is there does not start.
    pub async fn start_with(settings: Settings) -> Option<Self> {
        let engine = settings.engine;
        let profile = Profile::new();
        let driver = match Driver::start(engine) {
            Ok(driver) => driver,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return skip(&format!("there is no driver of {engine}"));
            }
            Err(error) => panic!("the driver of {engine} does not start: {error}"),
        };
        let capabilities = engine.capabilities(settings, profile.path());
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(serde_json::from_value(capabilities).unwrap());
        match builder.connect(&driver.url()).await {
            Ok(client) => Some(Self {
                engine,
                client,
                _driver: driver,
                _profile: profile,
            }),
            Err(error) if engine.is_missing(&error.to_string()) => skip(&format!("there is no {engine}")),
            Err(error) => panic!("{engine} does not start: {error}"),
        }
    }

    /// Which browser it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Goes back in the history of the current tab, and waits for nothing.
    ///
    /// # Panics
    ///
    /// If the page cannot run scripts.
    pub async fn back(&self) {
        self.run::<()>("setTimeout(() => history.back())").await;
    }

    /// Freezes the current tab, as Chromium does with tabs that nobody looks at.
    ///
    /// # Panics
    ///
    /// In a browser that has no command for it.
    pub async fn freeze(&self) {
        self.set_lifecycle("frozen").await;
    }

    /// Lets a frozen tab go on.
    ///
    /// # Panics
    ///
    /// In a browser that has no command for it.
    pub async fn resume(&self) {
        self.set_lifecycle("active").await;
    }

    async fn set_lifecycle(&self, state: &str) {
        assert!(self.engine.can_freeze(), "only Chromium has a command for it");
        let command = DevTools {
            command: "Page.setWebLifecycleState",
            parameters: json!({ "state": state }),
        };
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Opens a page in a new tab, in which all that follows happens.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn open_tab(&self, url: &str) -> Tab {
        let tab = Tab(self.client.new_window(true).await.unwrap().handle);
        self.switch_to(&tab).await;
        self.open(url).await;
        tab
    }

    /// What follows happens in this tab.
    ///
    /// # Panics
    ///
    /// If it was closed.
    pub async fn switch_to(&self, tab: &Tab) {
        self.client.switch_to_window(tab.0.clone()).await.unwrap();
    }

    /// Closes a tab. What follows must begin with going to another.
    ///
    /// # Panics
    ///
    /// If it was closed before.
    pub async fn close_tab(&self, tab: Tab) {
        self.switch_to(&tab).await;
        self.client.close_window().await.unwrap();
    }

    /// What a script of the page returns.
    ///
    /// # Panics
    ///
    /// If the script throws, or returns anything but a `T`.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> T {
        // Firefox runs scripts in a world that ends with them: callbacks would not be called any more.
        let value = match self.engine {
            Engine::Chromium => self.client.execute(script, Vec::new()).await,
            Engine::Firefox => {
                let in_page = "return window.Function(arguments[0])()";
                match self.client.execute(in_page, vec![script.into()]).await {
                    // The page's policy forbids that, so the script has no callbacks there.
                    Err(error) if error.to_string().contains("blocked by CSP") => {
                        self.client.execute(script, Vec::new()).await
                    }
                    run => run,
                }
            }
        };
        let value = value.unwrap_or_else(|error| panic!("{script}: {error}"));
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What a script returns, as soon as it `is_awaited`.
    ///
    /// # Panics
    ///
    /// If it is not for a minute.
    pub async fn wait<T: DeserializeOwned>(&self, script: &str, is_awaited: impl Fn(&T) -> bool) -> T {
        within(script, async {
            loop {
                let value = self.run(script).await;
                if is_awaited(&value) {
                    return value;
                }
                sleep(POLL).await;
            }
        })
        .await
    }

    /// Waits until `script` returns `true`.
    ///
    /// # Panics
    ///
    /// As [`Browser::wait`].
    pub async fn wait_until(&self, script: &str) {
        self.wait(script, |value: &bool| *value).await;
    }

    /// Clicks on the element that a CSS selector finds.
    ///
    /// # Panics
    ///
    /// If there is none, or it cannot be clicked on.
    pub async fn click(&self, selector: &str) {
        let found = self
            .client
            .find(fantoccini::Locator::Css(selector))
            .await
            .unwrap();
        found.click().await.unwrap();
    }
}

/// One of several in a window.
#[derive(Debug)]
pub struct Tab(WindowHandle);

fn skip<T>(reason: &str) -> Option<T> {
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "{reason}, and with CI=true nothing is skipped"
    );
    eprintln!("skipped: {reason}");
    None
}

/// A command of Chromium's own protocol.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (http::Method::POST, Some(body.to_string()))
    }
}
