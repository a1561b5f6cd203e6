//! The roles of this program's processes: the leader starts the same program again as a node, or as the guard of
//! Redis.

use std::{
    env,
    io::{self, Read as _},
    path::PathBuf,
    process::{self, Stdio},
    thread,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{node, redis_guard};

/// The role of a process of this program.
pub(crate) enum Role {
    /// The process that a person starts. It starts the others.
    Leader,
    Node(node::Settings),
    RedisGuard(redis_guard::Settings),
}

impl Role {
    pub(crate) fn of_this_process() -> Self {
        let arguments: Vec<_> = env::args().skip(1).collect();
        match arguments.as_slice() {
            [role, number, prefix, redis] if role == NODE => Self::Node(node::Settings {
                number: number.parse().unwrap_or(0),
                prefix: prefix.clone(),
                redis: redis.clone(),
            }),
            [role, folder, port] if role == REDIS_GUARD => Self::RedisGuard(redis_guard::Settings {
                folder: PathBuf::from(folder),
                port: port.clone(),
            }),
            _ => Self::Leader,
        }
    }
}

pub(crate) const NODE: &str = "node";
pub(crate) const REDIS_GUARD: &str = "redis-guard";

/// Starts this program in a role, with pipes to its standard input and from its standard output. When its standard
/// input ends, the leader has ended in some way, and the new process has to end, too.
pub(crate) fn start(arguments: &[&str]) -> io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Only the leader gets Ctrl-C. It then ends the others.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((child, BufReader::new(stdout).lines()))
}

/// Ends this process when its leader is gone.
pub(crate) fn end_with_the_leader() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
}
