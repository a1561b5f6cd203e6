//! A Redis of the test's own, to be killed, frozen and started again.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, Cmd, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A `redis-server` on a free port. It is killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    program: &'static str,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
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

    /// One that only knows where others are.
    pub fn sentinel() -> Self {
        Self::of("redis-sentinel", &[])
    }

    /// One with these settings.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of("redis-server", arguments)
    }

    fn of(program: &'static str, arguments: &[&str]) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut redis = Self {
            program,
            port,
            folder: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
        };
        redis.begin();
        redis
    }

    /// Starts it, again, with what it has on disk, and waits until it answers.
    pub fn begin(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let mut command = Command::new("redis-server");
        if self.program == "redis-sentinel" {
            let file = self.folder.path().join("sentinel.conf");
            std::fs::write(&file, "").unwrap();
            command.arg(file).arg("--sentinel");
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(self.folder.path()).args(&self.arguments);
        let process = command.stdout(Stdio::null()).spawn();
        self.process = Some(process.expect("redis-server is installed"));
        let began = Instant::now();
        while !self.answers() {
            assert!(began.elapsed() < Duration::from_secs(30), "Redis does not start");
            thread::sleep(Duration::from_millis(5));
        }
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

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
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
        let mut connection = Client::open(self.url()).unwrap().get_connection().unwrap();
        call.query(&mut connection).unwrap()
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
