//! The floor: little more than the work of the kernel. One thread writes a finished frame to each connection, with one
//! `write` for each.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use memchr::memmem;
use sse_bench::announce;

use crate::epoll::Epoll;

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const KEEP_ALIVE: &[u8] = b"2\r\n:\n\r\n";
const LISTENER: usize = usize::MAX;

struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    reads: bool,
    /// The bytes that the socket has not taken yet.
    unsent: Vec<u8>,
}

pub(crate) fn serve(keep_alive: Duration) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER)?;
    announce(listener.local_addr()?);
    let mut clients: Vec<Client> = Vec::new();
    let mut buf = vec![0; 64 * 1024];
    let mut beat = Instant::now() + keep_alive;
    loop {
        let ready = epoll.wait(Some(beat.saturating_duration_since(Instant::now())))?;
        for key in ready {
            if key == LISTENER {
                accept(&listener, &epoll, &mut clients)?;
                continue;
            }
            let Some(client) = clients.get_mut(key) else {
                continue;
            };
            client.flush();
            let mut frames = Vec::new();
            client.receive(&mut buf, &mut frames);
            for frame in frames {
                for client in &mut clients {
                    client.deliver(&frame);
                }
            }
        }
        if Instant::now() >= beat {
            beat += keep_alive;
            for client in &mut clients {
                client.deliver(KEEP_ALIVE);
            }
        }
    }
}

fn accept(listener: &TcpListener, epoll: &Epoll, clients: &mut Vec<Client>) -> io::Result<()> {
    while let Ok((socket, _)) = listener.accept() {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        epoll.add_both(&socket, clients.len())?;
        clients.push(Client {
            socket,
            request: Vec::new(),
            reads: false,
            unsent: Vec::new(),
        });
    }
    Ok(())
}

impl Client {
    /// Takes in what it asks for, and what it publishes as frames.
    fn receive(&mut self, buf: &mut [u8], frames: &mut Vec<Vec<u8>>) {
        while let Ok(read @ 1..) = self.socket.read(buf) {
            self.request
                .extend_from_slice(buf.get(..read).unwrap_or_default());
        }
        while let Some(end) = memmem::find(&self.request, b"\r\n\r\n").map(|end| end + 4) {
            let head = String::from_utf8_lossy(self.request.get(..end).unwrap_or_default()).to_lowercase();
            let body = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
                .unwrap_or(0);
            let Some(data) = self.request.get(end..end + body) else {
                return;
            };
            if head.starts_with("post") {
                let event = [b"data: ", data, b"\n\n"].concat();
                frames.push([format!("{:x}\r\n", event.len()).as_bytes(), &event, b"\r\n"].concat());
                self.send(ANSWER);
            } else {
                self.reads = true;
                self.send(HEAD);
            }
            self.request.drain(..end + body);
        }
    }

    fn deliver(&mut self, frame: &[u8]) {
        if self.reads {
            self.send(frame);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let sent = if self.unsent.is_empty() {
            self.socket.write(bytes).unwrap_or(0)
        } else {
            0
        };
        self.unsent
            .extend_from_slice(bytes.get(sent..).unwrap_or_default());
    }

    fn flush(&mut self) {
        if !self.unsent.is_empty() {
            let sent = self.socket.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..sent);
        }
    }
}
