//! A server in a separate process: the benchmark starts itself again, with arguments that make it serve.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::report::number;

/// The first argument of a server process. The second is the server's name.
const SERVE: &str = "serve";

/// A server process. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Starts this program as the server `name`, and waits until it has [`announce`]d its address. If there is a
    /// `taskset`, the server runs on the first processor only.
    ///
    /// # Errors
    ///
    /// If the server cannot be started, or announces no address.
    pub fn start(name: &str) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let pinned = Command::new("taskset")
            .args(["-c", "0"])
            .arg(&program)
            .args([SERVE, name])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = pinned.or_else(|_| {
            Command::new(&program)
                .args([SERVE, name])
                .stdout(Stdio::piped())
                .spawn()
        })?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let addr = line.trim().parse();
        // `server` exists before the address is checked, so its `Drop` kills the child even if the address is invalid.
        let mut server = Self {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        server.addr = addr.map_err(|_| io::Error::other(format!("server `{name}` announced {line:?}")))?;
        Ok(server)
    }

    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The processor time that it has used, in seconds.
    ///
    /// # Errors
    ///
    /// If the system has no such file in `/proc`, which only Linux has.
    pub fn cpu(&self) -> io::Result<f64> {
        cpu(self.child.id())
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    ///
    /// If the system has no such file in `/proc`, which only Linux has.
    pub fn resident(&self) -> io::Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let kib = rollup.lines().find_map(|line| {
            line.strip_prefix("Rss:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        });
        kib.map(|kib: u64| number(kib * 1024))
            .ok_or_else(|| io::Error::other("no Rss"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used, in seconds.
///
/// # Errors
///
/// If the system has no such file in `/proc`, which only Linux has.
pub fn cpu(process: u32) -> io::Result<f64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += stat
            .split(' ')
            .next()
            .and_then(|nanos| nanos.parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(number(nanos) / 1e9)
}

/// Prints this server's address for the process that has started it.
pub fn announce(addr: SocketAddr) {
    println!("{addr}");
}

/// The name of the server that this process has to run. `None` if it is the client.
pub fn role() -> Option<String> {
    let mut args = std::env::args().skip(1);
    (args.next()? == SERVE).then(|| args.next())?
}

/// Moves this process, the client, to the second processor, away from the servers. Does nothing without `taskset`.
pub fn leave_the_servers_alone() {
    let _ = Command::new("taskset")
        .args(["-cp", "1", &std::process::id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
