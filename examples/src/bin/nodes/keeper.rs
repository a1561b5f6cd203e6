//! The keeper: a process between the leader and Redis. It ends Redis when the leader is gone, because Redis would not
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

/// The line on standard input that makes the keeper kill Redis.
pub(crate) const KILL: &str = "kill\n";

enum Told {
    Kill,
    /// The leader is gone and does not need the data any more.
    CleanUp,
}

/// Runs `redis-server` and prints its process id. Kills it after the line [`KILL`], or when standard input ends.
pub(crate) fn keep(settings: &Settings) -> io::Result<()> {
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

    let (send, told) = mpsc::channel();
    thread::spawn(move || listen(&send));
    let told = loop {
        match told.recv_timeout(Duration::from_millis(50)) {
            Ok(told) => break told,
            Err(RecvTimeoutError::Disconnected) => break Told::CleanUp,
            Err(RecvTimeoutError::Timeout) if server.try_wait()?.is_some() => break Told::Kill,
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    server.kill()?;
    server.wait()?;
    match told {
        Told::Kill => Ok(()),
        Told::CleanUp => fs::remove_dir_all(&settings.folder),
    }
}

fn listen(told: &Sender<Told>) {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let killed = read.is_ok() && line == KILL;
    let _ = told.send(if killed { Told::Kill } else { Told::CleanUp });
}
