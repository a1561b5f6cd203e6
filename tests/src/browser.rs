//! A real Chromium, driven as `chromedriver` allows.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, wd::WindowHandle};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::patience::within;

const POLL: Duration = Duration::from_millis(25);

/// No sandbox, since tests may run as root; no look at anything beyond loopback.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
];

/// What differs from Chromium as it comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Certificates of unknown issuers are taken.
    pub any_certificate: bool,
    /// Cookies of other sites than the page's are not sent, but for partitioned ones.
    pub no_third_party_cookies: bool,
}

/// A Chromium of its own, with one window and a new profile. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _driver: Driver,
    _profile: Profile,
}

impl Browser {
    /// `None`, with a message, if there is no Chromium on this machine. With `CI=true` that is a failure.
    ///
    /// # Panics
    ///
    /// If a Chromium that is there does not start.
    pub async fn start() -> Option<Self> {
        Self::start_with(Settings::default()).await
    }

    /// As [`start`](Self::start), with other settings.
    ///
    /// # Panics
    ///
    /// If a Chromium that is there does not start.
    pub async fn start_with(settings: Settings) -> Option<Self> {
        // Before the driver, and so dropped after it.
        let profile = Profile(tempfile::tempdir().unwrap());
        let driver = match Driver::start() {
            Ok(driver) => driver,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return skip("there is no chromedriver"),
            Err(error) => panic!("chromedriver does not start: {error}"),
        };
        let mut flags: Vec<_> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", profile.0.path().display()));
        let cookie_controls = u8::from(settings.no_third_party_cookies);
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": settings.any_certificate,
            "goog:chromeOptions": {
                "args": flags,
                "prefs": {
                    "profile.cookie_controls_mode": cookie_controls,
                    "profile.block_third_party_cookies": settings.no_third_party_cookies,
                },
            },
        });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(serde_json::from_value(capabilities).unwrap());
        match builder
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
        {
            Ok(client) => Some(Self {
                client,
                _driver: driver,
                _profile: profile,
            }),
            Err(error) if error.to_string().contains("cannot find Chrome binary") => {
                skip("there is no Chromium")
            }
            Err(error) => panic!("Chromium does not start: {error}"),
        }
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
        let value = self.client.execute(script, Vec::new()).await;
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

/// A chromedriver on a port of its own.
#[derive(Debug)]
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> io::Result<Self> {
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut driver = Self { child, port: 0 };
        let mut output = BufReader::new(driver.child.stdout.take().unwrap()).lines();
        let port = output.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.rsplit_once("successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        driver.port = port.ok_or_else(|| io::Error::other("it names no port"))?;
        // What else it prints must not fill the pipe, which would stop it.
        thread::spawn(move || output.for_each(drop));
        Ok(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SIGTERM has it end its Chromium too; after SIGKILL that would live on.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What only this Chromium uses, and so what tells it from others.
#[derive(Debug)]
struct Profile(TempDir);

impl Drop for Profile {
    /// On a machine too busy for the driver to end its Chromium in time, that would live on, and keep the
    /// machine busy.
    fn drop(&mut self) {
        let ours = format!("--user-data-dir={}", self.0.path().display());
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let of_ours = fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                line.split(|byte| *byte == 0)
                    .any(|argument| argument == ours.as_bytes())
            });
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid.filter(|_| of_ours).and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
