//! This program again, in other roles: a node, or what keeps Redis.

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

use crate::{keeper, node};

/// What a process of this program is for.
pub(crate) enum Role {
    /// Starts the others; the one that a person starts.
    Leader,
    Node(node::Settings),
    Keeper(keeper::Settings),
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
            [role, folder, port] if role == KEEPER => Self::Keeper(keeper::Settings {
                folder: PathBuf::from(folder),
                port: port.clone(),
            }),
            _ => Self::Leader,
        }
    }
}

pub(crate) const NODE: &str = "node";
pub(crate) const KEEPER: &str = "keeper";

/// Starts this program in a role. What it is told and says goes through pipes; when its standard input ends,
/// its leader has, in whatever way, and it is to end too.
pub(crate) fn start(arguments: &[&str]) -> io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Ctrl-C is the leader's alone, which then ends the others.
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
