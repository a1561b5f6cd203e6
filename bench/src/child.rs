//! A server in a process of its own: this program again, told by its arguments to serve.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::report::number;

/// The first argument of a program that is to serve; the second says who.
const SERVE: &str = "serve";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Starts this program as the server `who`, on the first processor where `taskset` can pin it,
    /// and waits for it to [`announce`] its address.
    ///
    /// # Errors
    ///
    /// If it cannot be started or announces nothing.
    pub fn start(who: &str) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let pinned = Command::new("taskset")
            .args(["-c", "0"])
            .arg(&program)
            .args([SERVE, who])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = pinned.or_else(|_| {
            Command::new(&program)
                .args([SERVE, who])
                .stdout(Stdio::piped())
                .spawn()
        })?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let addr = line.trim().parse();
        // Made before the address is looked at, so that the child is ended in any case.
        let mut server = Self {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        server.addr = addr.map_err(|_| io::Error::other(format!("server `{who}` announced {line:?}")))?;
        Ok(server)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The seconds of processor time it has used.
    ///
    /// # Errors
    ///
    /// If the system does not say (Linux does).
    pub fn cpu(&self) -> io::Result<f64> {
        cpu(self.child.id())
    }

    /// The bytes of memory it occupies.
    ///
    /// # Errors
    ///
    /// If the system does not say (Linux does).
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

/// The seconds of processor time that a process has used.
///
/// # Errors
///
/// If the system does not say (Linux does).
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

/// Tells the process that started this one where it listens.
pub fn announce(addr: SocketAddr) {
    println!("{addr}");
}

/// Who this process is to be, if it is a server.
pub fn role() -> Option<String> {
    let mut args = std::env::args().skip(1);
    (args.next()? == SERVE).then(|| args.next())?
}

/// Keeps this process, the client, off the servers' processor, if it can.
pub fn leave_the_servers_alone() {
    let _ = Command::new("taskset")
        .args(["-cp", "1", &std::process::id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
