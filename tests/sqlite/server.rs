//! A server with a log in a file, as a process of its own, and requests to it.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use std::io::{BufRead as _, BufReader};

use sse_tests::wire::Wire;
use tokio::io::AsyncReadExt as _;

use super::{kill::DURABLE, shim::Shim};

/// The process. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts it on a disk that can fail.
    pub(crate) fn start(path: &Path, shim: &Shim) -> Self {
        let mut command = Command::new(DURABLE);
        command.arg("serve").arg(path).arg("0").envs(shim.environment());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            addr: line.trim().parse().unwrap(),
        }
    }

    /// Publishes, and returns the status and the body of the answer.
    pub(crate) async fn publish(&self, data: &str) -> (u16, String) {
        request(self.addr, "POST /publish", data).await.unwrap()
    }

    pub(crate) async fn is_ready(&self) -> bool {
        request(self.addr, "GET /ready", "").await.unwrap().0 == 200
    }

    /// A stream of all events.
    pub(crate) async fn reader(&self) -> Wire {
        let mut wire = Wire::get(self.addr, "/events").await;
        wire.head().await;
        wire
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a connection of its own; `None` if that was cut.
pub(crate) async fn request(addr: SocketAddr, line: &str, body: &str) -> Option<(u16, String)> {
    use tokio::io::AsyncWriteExt as _;
    let mut socket = tokio::net::TcpStream::connect(addr)
        .await
        .expect("nobody is refused");
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// Reads until this comes.
pub(crate) async fn until_received(wire: &mut Wire, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        text.push_str(&String::from_utf8_lossy(
            &wire.chunk().await.expect("the stream goes on"),
        ));
    }
    text
}
