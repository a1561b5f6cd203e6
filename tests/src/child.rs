//! A server as a process of its own, to be signalled and restarted.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    net::SocketAddr,
    os::fd::AsFd,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child as Process, ChildStdout, Command},
};

use crate::patience::within;

/// A program that prints the address it serves. It is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    addr: SocketAddr,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts `program` and waits until it serves.
    ///
    /// # Panics
    ///
    /// If it ends instead.
    pub async fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        Self::run(command).await
    }

    /// Starts `program` with a listening socket, passed on as systemd does: as descriptor 3, and named
    /// in the environment.
    ///
    /// # Panics
    ///
    /// If it ends instead.
    pub async fn start_with_socket(program: &str, arguments: &[&str], socket: &impl AsFd) -> Self {
        let mut command = Command::new("sh");
        // Only the shell knows which process id the program will have.
        let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
        command.args(["-c", script, program]).args(arguments);
        command.stdin(socket.as_fd().try_clone_to_owned().unwrap());
        Self::run(command).await
    }

    /// Starts `program`, whose errors go there, and waits until it serves.
    ///
    /// # Panics
    ///
    /// If it ends instead.
    pub async fn start_silent(program: &str, arguments: &[&str], errors: Stdio) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(errors);
        Self::run(command).await
    }

    async fn run(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = within("a server", output.next_line()).await.unwrap();
        let addr = line
            .and_then(|line| line.parse().ok())
            .expect("the program prints its address");
        Self {
            process,
            addr,
            output,
        }
    }

    /// Where it serves; port 0 if that is no address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("it is an id"), signal).unwrap();
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// If the system does not know.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits until it prints this line.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub async fn prints(&mut self, wanted: &str) {
        within(wanted, async {
            while self
                .output
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("it ended before {wanted:?}"))
                != wanted
            {}
        })
        .await;
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn ended(mut self) -> ExitStatus {
        within("the server to end", self.process.wait()).await.unwrap()
    }
}
