//! The Redis that the nodes share. It is this program's own, which can be killed, or one that already runs.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    process::{Command, Stdio},
    time::Duration,
};

use serde::Serialize;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Child, sync::Mutex, time::timeout};

use crate::{redis_guard, role};

pub(crate) struct Redis {
    url: String,
    own: Option<OwnRedis>,
}

struct OwnRedis {
    port: u16,
    folder: TempDir,
    running: Mutex<Option<RunningRedis>>,
}

/// A `redis-server` that runs or is frozen, and its guard.
struct RunningRedis {
    guard: Child,
    /// The process id of the `redis-server`.
    pid: u32,
    is_frozen: bool,
}

/// The state of Redis.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Runs,
    Frozen,
    Dead,
    /// Redis is not this program's own, so its state is not known.
    External,
}

impl Redis {
    /// Starts this program's own Redis, on a free port. Its data is in a folder that is deleted at the end.
    pub(crate) async fn start() -> io::Result<Self> {
        let found = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if found.is_err() {
            return Err(io::Error::other(
                "there is no `redis-server` on the path: install the package `redis-server` (Debian, Ubuntu), `redis` \
                 (Fedora, Homebrew), or name a Redis that runs with `--redis URL`",
            ));
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let own = OwnRedis {
            port,
            folder: tempfile::tempdir()?,
            running: Mutex::new(None),
        };
        own.start().await?;
        Ok(Self {
            url: format!("redis://127.0.0.1:{port}/"),
            own: Some(own),
        })
    }

    pub(crate) fn external(url: String) -> Self {
        Self { url, own: None }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn state(&self) -> (State, Option<u32>) {
        let Some(own) = &self.own else {
            return (State::External, None);
        };
        let mut running = own.running.lock().await;
        let lives = running.as_mut().is_some_and(RunningRedis::lives);
        match &*running {
            Some(running) if lives && running.is_frozen => (State::Frozen, Some(running.pid)),
            Some(running) if lives => (State::Runs, Some(running.pid)),
            _ => (State::Dead, None),
        }
    }

    /// Starts Redis again, with all its data.
    pub(crate) async fn start_again(&self) -> io::Result<()> {
        match &self.own {
            Some(own) => own.start().await,
            None => Ok(()),
        }
    }

    /// Kills Redis with SIGKILL.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let Some(mut running) = own.running.lock().await.take() else {
            return Ok(());
        };
        if let Some(stdin) = &mut running.guard.stdin {
            stdin.write_all(redis_guard::KILL.as_bytes()).await?;
        }
        running.guard.wait().await.map(drop)
    }

    /// Freezes Redis with SIGSTOP, so that it accepts connections but does not answer, or lets it continue with
    /// SIGCONT.
    pub(crate) async fn freeze(&self, is_frozen: bool) -> io::Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        if let Some(running) = &mut *own.running.lock().await {
            stop_or_continue(running.pid, is_frozen)?;
            running.is_frozen = is_frozen;
        }
        Ok(())
    }

    /// Ends Redis permanently, and its guard.
    pub(crate) async fn end(&self) {
        let Some(own) = &self.own else { return };
        if let Some(mut running) = own.running.lock().await.take() {
            drop(running.guard.stdin.take());
            let _ = timeout(Duration::from_secs(5), running.guard.wait()).await;
        }
    }
}

impl OwnRedis {
    async fn start(&self) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if running.as_mut().is_some_and(RunningRedis::lives) {
            return Ok(());
        }
        let (folder, port) = (self.folder.path().display().to_string(), self.port.to_string());
        let (guard, mut said) = role::start(&[role::REDIS_GUARD, &folder, &port])?;
        let pid = said.next_line().await?.and_then(|line| line.parse().ok());
        *running = Some(RunningRedis {
            guard,
            pid: pid.ok_or_else(|| io::Error::other("redis-server does not start"))?,
            is_frozen: false,
        });
        Ok(())
    }
}

impl RunningRedis {
    fn lives(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(None))
    }
}

#[cfg(unix)]
fn stop_or_continue(pid: u32, is_frozen: bool) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};

    let signal = if is_frozen { Signal::STOP } else { Signal::CONT };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal)?)
}

#[cfg(not(unix))]
fn stop_or_continue(_: u32, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
