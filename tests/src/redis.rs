//! A Redis of the test's own, to be killed, frozen and started again.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, Cmd, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A `redis-server` on a free port. It is killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
}

/// A port that nobody has at present.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Redis {
    /// One that keeps nothing on disk.
    pub fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// One that has everything on disk before it answers.
    pub fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One that follows another, which may begin to copy at once.
    pub fn replica_of(primary: &Self, arguments: &[&str]) -> Self {
        let primary = format!("127.0.0.1 {}", primary.port);
        Self::with(&[&["--save", "", "--replicaof", &primary], arguments].concat())
    }

    /// One whose clock is by so many seconds behind (negative) or ahead of the machine's.
    pub fn skewed(seconds: f64, arguments: &[&str]) -> Self {
        let libraries = libfaketime().expect("libfaketime is installed; ./ci.sh installs it");
        // Redis' own allocator asks for the time before libfaketime is ready, so the C library's is used.
        let preload = format!("{}:libc.so.6", libraries.display());
        let environment = vec![
            ("LD_PRELOAD", preload),
            ("FAKETIME", format!("{seconds:+}s")),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Self::of("redis-server", arguments, String::new(), environment)
    }

    /// One that only knows where others are, with this configuration.
    pub fn sentinel(configuration: &str) -> Self {
        Self::of("redis-sentinel", &[], configuration.to_owned(), Vec::new())
    }

    /// One with these settings.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of("redis-server", arguments, String::new(), Vec::new())
    }

    fn of(
        program: &'static str,
        arguments: &[&str],
        configuration: String,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        if program == "redis-sentinel" {
            // It writes there what it finds out.
            let file = folder.path().join("sentinel.conf");
            std::fs::write(&file, configuration).unwrap();
            arguments.splice(0..0, [file.to_str().unwrap().to_owned(), "--sentinel".to_owned()]);
        }
        let mut redis = Self {
            port: free_port(),
            folder,
            arguments,
            environment,
            process: None,
        };
        for _ in 0..5 {
            if redis.begins() {
                return redis;
            }
            // Somebody else may have taken its port, or that of its cluster bus, meanwhile.
            redis.port = free_port();
            let arguments = &mut redis.arguments;
            if let Some(at) = arguments.iter().position(|word| word == "--cluster-port") {
                arguments[at + 1] = free_port().to_string();
            }
        }
        redis.begin();
        redis
    }

    /// Starts it, again, with what it has on disk, and waits until it answers.
    pub fn begin(&mut self) {
        assert!(self.begins(), "Redis ends at once");
    }

    /// Starts it, and waits until it answers; `false` if it ends instead.
    fn begins(&mut self) -> bool {
        assert!(self.process.is_none(), "it runs already");
        let mut command = Command::new("redis-server");
        // A Sentinel's file has to be the first.
        command.args(&self.arguments);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = command.stdout(Stdio::null()).spawn();
        self.process = Some(process.expect("redis-server is installed"));
        let began = Instant::now();
        while !self.answers() {
            let process = self.process.as_mut().expect("it was started");
            if process.try_wait().unwrap().is_some() {
                self.process = None;
                return false;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "Redis does not start");
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Whether it answers, be it that it wants a password.
    fn answers(&self) -> bool {
        let answers = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            stream.write_all(b"PING\r\n").ok()?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).ok()?;
            Some(answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAU"))
        };
        answers().unwrap_or(false)
    }

    /// The folder it keeps things in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Whether it was started, and not killed.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops it where it is: it accepts connections, and says nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().expect("it runs").id();
        let id = i32::try_from(id).ok().and_then(Pid::from_raw);
        kill_process(id.expect("it has an id"), signal).unwrap();
    }

    /// Asks it something.
    pub fn ask<T: FromRedisValue>(&self, call: &Cmd) -> T {
        self.try_ask(call).unwrap()
    }

    /// Asks it something that it may refuse.
    ///
    /// # Errors
    ///
    /// What it says, or what the connection does.
    pub fn try_ask<T: FromRedisValue>(&self, call: &Cmd) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        call.query(&mut connection)
    }

    /// A field of what it says about itself.
    pub fn info(&self, section: &str, field: &str) -> String {
        let info: String = self.ask(redis::cmd("INFO").arg(section));
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let value = lines.find_map(|(name, value)| (name == field).then(|| value.trim().to_owned()));
        value.unwrap_or_default()
    }

    /// Changes one of its settings.
    pub fn set(&self, setting: &str, value: &str) {
        self.ask::<()>(redis::cmd("CONFIG").arg("SET").arg(setting).arg(value));
    }

    /// How often it was asked each command, by others and by [`ask`](Self::ask).
    pub fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(redis::cmd("INFO").arg("commandstats"));
        let name = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&name));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }

    /// Cuts the connections of all clients but the one that asks.
    pub fn cut(&self) {
        let _: i64 = self.ask(
            redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg("normal")
                .arg("SKIPME")
                .arg("yes"),
        );
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A frozen one could not be waited for.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Where the library is, whose folder is named after the machine.
fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|library| library.exists())
}
