//! The programs that drive browsers, and what browsers leave on the disk.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Engine, POLL};

/// Where `./ci.sh` puts what it builds for the tests.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/bin");

/// A driver on a port of its own.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Now and then chromedriver finds the port that it was given for IPv4 taken for IPv6, and ends.
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        for _ in 0..5 {
            if let Some(driver) = Self::try_start(engine)? {
                return Ok(driver);
            }
        }
        Err(io::Error::other("it names no port"))
    }

    fn try_start(engine: Engine) -> io::Result<Option<Self>> {
        let mut child = command(engine).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| port(engine, &line));
        let Some(port) = port else {
            child.wait()?;
            return Ok(None);
        };
        // What else it prints must not fill the pipe, which would stop it.
        thread::spawn(move || output.for_each(drop));
        Ok(Some(Self { child, port }))
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn command(engine: Engine) -> Command {
    match engine {
        Engine::Chromium => {
            let mut command = Command::new("chromedriver");
            command.arg("--port=0");
            command
        }
        Engine::Firefox => {
            let built = Path::new(TOOLS).join("geckodriver");
            let mut command = if built.exists() {
                Command::new(built)
            } else {
                Command::new("geckodriver")
            };
            // The second port has a default, which only one Firefox could have.
            command.args(["--port", "0", "--websocket-port", "0"]);
            command
        }
    }
}

/// The port that a line of the driver's output names.
fn port(engine: Engine, line: &str) -> Option<u16> {
    let (_, port) = line.rsplit_once(match engine {
        Engine::Chromium => "successfully on port ",
        Engine::Firefox => "Listening on 127.0.0.1:",
    })?;
    port.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SIGTERM has chromedriver end its Chromium too; after SIGKILL that would live on.
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

/// What only this browser uses, and so what tells it from others.
#[derive(Debug)]
pub(super) struct Profile(TempDir);

impl Profile {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Those that were started with this profile.
    fn processes(&self) -> Vec<Pid> {
        let path = self.0.path().display().to_string();
        let arguments = [path.clone(), format!("--user-data-dir={path}")];
        let is_ours = |line: Vec<u8>| {
            line.split(|byte| *byte == 0)
                .any(|argument| arguments.iter().any(|ours| ours.as_bytes() == argument))
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(is_ours))
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }
}

impl Drop for Profile {
    /// geckodriver leaves its Firefox behind, and on a machine too busy chromedriver its Chromium. They would keep
    /// the machine busy.
    fn drop(&mut self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for process in processes {
                let _ = kill_process(process, Signal::KILL);
            }
            thread::sleep(POLL);
        }
    }
}
