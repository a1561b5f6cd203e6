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

use crate::{keeper, role};

pub(crate) struct Redis {
    url: String,
    own: Option<Own>,
}

struct Own {
    port: u16,
    folder: TempDir,
    kept: Mutex<Option<Kept>>,
}

/// A `redis-server` that runs or is frozen, and its keeper.
struct Kept {
    keeper: Child,
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
    Theirs,
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
        let own = Own {
            port,
            folder: tempfile::tempdir()?,
            kept: Mutex::new(None),
        };
        own.start().await?;
        Ok(Self {
            url: format!("redis://127.0.0.1:{port}/"),
            own: Some(own),
        })
    }

    pub(crate) fn of_somebody_else(url: String) -> Self {
        Self { url, own: None }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn state(&self) -> (State, Option<u32>) {
        let Some(own) = &self.own else {
            return (State::Theirs, None);
        };
        let mut kept = own.kept.lock().await;
        let lives = kept.as_mut().is_some_and(Kept::lives);
        match &*kept {
            Some(kept) if lives && kept.is_frozen => (State::Frozen, Some(kept.pid)),
            Some(kept) if lives => (State::Runs, Some(kept.pid)),
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
        let Some(mut kept) = own.kept.lock().await.take() else {
            return Ok(());
        };
        if let Some(stdin) = &mut kept.keeper.stdin {
            stdin.write_all(keeper::KILL.as_bytes()).await?;
        }
        kept.keeper.wait().await.map(drop)
    }

    /// Freezes Redis with SIGSTOP, so that it accepts connections but does not answer, or lets it continue with
    /// SIGCONT.
    pub(crate) async fn freeze(&self, is_frozen: bool) -> io::Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        if let Some(kept) = &mut *own.kept.lock().await {
            stop_or_continue(kept.pid, is_frozen)?;
            kept.is_frozen = is_frozen;
        }
        Ok(())
    }

    /// Ends Redis permanently, and its keeper.
    pub(crate) async fn end(&self) {
        let Some(own) = &self.own else { return };
        if let Some(mut kept) = own.kept.lock().await.take() {
            drop(kept.keeper.stdin.take());
            let _ = timeout(Duration::from_secs(5), kept.keeper.wait()).await;
        }
    }
}

impl Own {
    async fn start(&self) -> io::Result<()> {
        let mut kept = self.kept.lock().await;
        if kept.as_mut().is_some_and(Kept::lives) {
            return Ok(());
        }
        let (folder, port) = (self.folder.path().display().to_string(), self.port.to_string());
        let (keeper, mut said) = role::start(&[role::KEEPER, &folder, &port])?;
        let pid = said.next_line().await?.and_then(|line| line.parse().ok());
        *kept = Some(Kept {
            keeper,
            pid: pid.ok_or_else(|| io::Error::other("redis-server does not start"))?,
            is_frozen: false,
        });
        Ok(())
    }
}

impl Kept {
    fn lives(&mut self) -> bool {
        matches!(self.keeper.try_wait(), Ok(None))
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
