//! A Redis for one round.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, InfoDict};
use sse_bench::cpu;

/// A `redis-server` that keeps nothing on disk. If there is a `taskset`, it runs on the first processor only. It is
/// killed when this value is dropped.
pub(crate) struct Redis {
    process: Child,
    client: Client,
    port: u16,
}

impl Redis {
    pub(crate) fn start() -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let settings = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
        ];
        let start = |program: &str, before: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(before)
                .args(settings)
                .args(["--port", &port.to_string()]);
            command.arg("--dir").arg(env::temp_dir()).stdout(Stdio::null());
            command.spawn()
        };
        let process =
            start("taskset", &["-c", "0", "redis-server"]).or_else(|_| start("redis-server", &[]))?;
        let client = Client::open(format!("redis://127.0.0.1:{port}/")).map_err(io::Error::other)?;
        let redis = Self {
            process,
            client,
            port,
        };
        let began = Instant::now();
        while redis.client.get_connection().is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other(
                    "Redis does not start; is `redis-server` installed?",
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> io::Result<f64> {
        cpu(self.process.id())
    }

    /// How often this command was called.
    pub(crate) fn calls(&self, command: &str) -> io::Result<u64> {
        let mut connection = self.client.get_connection().map_err(io::Error::other)?;
        let stats: InfoDict = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut connection)
            .map_err(io::Error::other)?;
        let calls: Option<String> = stats.get(&format!("cmdstat_{command}"));
        let calls = calls.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next()?.parse().ok());
        Ok(calls.unwrap_or(0))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
