//! The guard: a process between the leader and Redis. It ends Redis when the leader is gone, because Redis would not
//! notice that.

use std::{
    fs,
    io::{self, BufRead as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

pub(crate) struct Settings {
    /// The folder of Redis' data.
    pub(crate) folder: PathBuf,
    pub(crate) port: String,
}

/// The line on standard input that makes the guard kill Redis.
pub(crate) const KILL: &str = "kill\n";

/// What happens to Redis' data when Redis has ended.
enum AtEnd {
    /// Redis may be started again.
    KeepData,
    /// The leader is gone and does not need the data any more.
    DeleteData,
}

/// Runs `redis-server` and prints its process id. Kills it after the line [`KILL`], or when standard input ends.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let mut server = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &settings.port])
        // With these settings all acknowledged writes are on disk, so a SIGKILL loses none of them.
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .arg("--dir")
        .arg(&settings.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    println!("{}", server.id());

    let (send, orders) = mpsc::channel();
    thread::spawn(move || listen(&send));
    let at_end = loop {
        match orders.recv_timeout(Duration::from_millis(50)) {
            Ok(at_end) => break at_end,
            Err(RecvTimeoutError::Disconnected) => break AtEnd::DeleteData,
            Err(RecvTimeoutError::Timeout) if server.try_wait()?.is_some() => break AtEnd::KeepData,
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    server.kill()?;
    server.wait()?;
    match at_end {
        AtEnd::KeepData => Ok(()),
        AtEnd::DeleteData => fs::remove_dir_all(&settings.folder),
    }
}

fn listen(orders: &Sender<AtEnd>) {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let killed = read.is_ok() && line == KILL;
    let _ = orders.send(if killed {
        AtEnd::KeepData
    } else {
        AtEnd::DeleteData
    });
}
