//! Example programs as processes that can be killed and started again.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::patience::within;

/// An example program that serves. It is killed when this is dropped.
#[derive(Debug)]
pub struct Example {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
    /// Where it keeps its events, unless the test has named a file.
    _data: TempDir,
}

/// The examples that keep their events in a file.
const DURABLE: [&str; 2] = ["chat", "llm"];

impl Example {
    /// Builds the examples, starts one at `port` (0 is any), and waits until it serves.
    ///
    /// # Panics
    ///
    /// If it ends instead.
    pub fn start(name: &str, port: u16, arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(program(name));
        command.arg("--port").arg(port.to_string()).args(arguments);
        let data = tempfile::tempdir().unwrap();
        if DURABLE.contains(&name) && !arguments.iter().any(|argument| *argument == "--data") {
            command.arg("--data").arg(data.path().join("events.db"));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());

        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                kept.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let mut address = String::new();
        stdout.read_line(&mut address).unwrap();
        let port = address
            .trim()
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            let status = child.wait().unwrap();
            panic!(
                "{name} ended with {status} before it served: {}",
                log.lock().unwrap()
            );
        };
        let printed = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&printed);
        thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|length| length > 0) {
                kept.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self {
            child,
            port,
            log,
            printed,
            _data: data,
        }
    }

    /// Starts one that has to end by itself, and returns what it says of its errors.
    ///
    /// # Panics
    ///
    /// If it serves instead, or ends as if nothing were wrong.
    pub fn refused(name: &str, arguments: &[&OsStr]) -> String {
        let mut command = Command::new(program(name));
        let output = command.arg("--port").arg("0").args(arguments).output().unwrap();
        assert!(!output.status.success(), "{name} {arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// What it prints behind `word`, in one of the lines after its address.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn printed(&self, word: &str) -> String {
        let find = || {
            let printed = self.printed.lock().unwrap();
            let value = printed.lines().find_map(|line| line.strip_prefix(word))?;
            Some(value.trim().to_owned())
        };
        within(word, async {
            loop {
                if let Some(value) = find() {
                    return value;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// The port it serves at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of one of its resources.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Ends it at once, as a crash would, and frees its port.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A line with this text, as soon as it is in the log.
    ///
    /// # Panics
    ///
    /// If there is none for a minute.
    pub async fn logged(&self, text: &str) -> String {
        within(text, async {
            loop {
                let log = self.log.lock().unwrap().clone();
                if let Some(line) = log.lines().find(|line| line.contains(text)) {
                    return line.to_owned();
                }
                sleep(Duration::from_millis(25)).await;
            }
        })
        .await
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the program of this name is. All are built at the first call, so that none is missing or stale
/// however the tests were started.
fn program(name: &str) -> PathBuf {
    static PROGRAMS: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(build);
    programs
        .get(name)
        .unwrap_or_else(|| panic!("there is no example {name}"))
        .clone()
}

fn build() -> HashMap<String, PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--package=sse-examples",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the examples do not build");
    let messages = String::from_utf8(output.stdout).unwrap();
    messages.lines().filter_map(executable).collect()
}

fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let executable = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), executable.into()))
}
