//! The readers of HTTP/2: many on each connection.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use h2::{RecvStream, client};
use http::Request;
use memchr::memmem;
use sse_bench::number;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{self, Runtime},
    task::LocalSet,
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// An event's data is an `@`, a number of `DIGITS` digits, and dots up to `SIZE` bytes.
const DIGITS: usize = 10;
const SIZE: usize = 100;

/// All readers. Each has a task that checks that the reader gets every event once and in order.
pub(crate) struct Crowd {
    tasks: LocalSet,
    runtime: Runtime,
    addr: SocketAddr,
    seen: Rc<Seen>,
    published: u64,
}

#[derive(Default)]
struct Seen {
    streams: Cell<u64>,
    events: Cell<u64>,
    /// The number of keep-alives that have arrived.
    beats: Cell<u64>,
    began: Cell<Option<Instant>>,
    /// The times from publishing to receiving, in milliseconds.
    latencies: RefCell<Vec<f64>>,
    failure: RefCell<Option<String>>,
}

impl Crowd {
    pub(crate) fn connect(addr: SocketAddr, connections: usize, streams: usize) -> io::Result<Self> {
        let mut crowd = Self {
            tasks: LocalSet::new(),
            runtime: runtime::Builder::new_current_thread().enable_all().build()?,
            addr,
            seen: Rc::default(),
            published: 0,
        };
        crowd.join(connections, streams)?;
        Ok(crowd)
    }

    /// Connects more readers.
    pub(crate) fn join(&mut self, connections: usize, streams: usize) -> io::Result<()> {
        let (addr, seen) = (self.addr, Rc::clone(&self.seen));
        let join = async move {
            for _ in 0..connections {
                connect(addr, streams, &seen).await?;
            }
            Ok(())
        };
        let joined = async { timeout(PATIENCE, join).await.map_err(io::Error::other)? };
        self.tasks.block_on(&self.runtime, joined)
    }

    /// Receives for this time, and returns the number of keep-alives.
    pub(crate) fn rest(&mut self, time: Duration) -> io::Result<f64> {
        let before = self.seen.beats.get();
        self.tasks.block_on(&self.runtime, async { sleep(time).await });
        self.check()?;
        Ok(number(self.seen.beats.get() - before))
    }

    /// Publishes one event, and waits until every reader has it.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        self.published += 1;
        let mut data = format!("@{:0DIGITS$}", self.published);
        data.extend(std::iter::repeat_n('.', SIZE - data.len()));
        let post = format!(
            "POST /publish HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-type: text/plain\r\n\
             content-length: {SIZE}\r\n\r\n{data}"
        );
        let (addr, seen) = (self.addr, Rc::clone(&self.seen));
        let due = seen.events.get() + seen.streams.get();
        seen.began.set(Some(Instant::now()));
        let publish = async move {
            let mut socket = TcpStream::connect(addr).await?;
            socket.write_all(post.as_bytes()).await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            if !answer.starts_with("HTTP/1.1 2") {
                return Err(io::Error::other(format!("it does not publish: {answer}")));
            }
            while seen.events.get() < due && seen.failure.borrow().is_none() {
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        let published = async { timeout(PATIENCE, publish).await.map_err(io::Error::other)? };
        self.tasks.block_on(&self.runtime, published)?;
        self.check()
    }

    /// The latencies of all readers since the last call.
    pub(crate) fn latencies(&self) -> Vec<f64> {
        let mut latencies = self.seen.latencies.take();
        latencies.sort_by(f64::total_cmp);
        latencies
    }

    fn check(&self) -> io::Result<()> {
        self.seen
            .failure
            .take()
            .map_or(Ok(()), |failure| Err(io::Error::other(failure)))
    }
}

async fn connect(addr: SocketAddr, streams: usize, seen: &Rc<Seen>) -> io::Result<()> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let (mut requests, connection) = client::Builder::new()
        // Everything is read at once.
        .data_frame_budget(usize::MAX)
        .handshake::<_, bytes::Bytes>(socket)
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(connection);
    let mut answers = Vec::new();
    for _ in 0..streams {
        requests = requests.ready().await.map_err(io::Error::other)?;
        let request = Request::get(format!("http://{addr}/events"))
            .body(())
            .map_err(io::Error::other)?;
        let (answer, _) = requests.send_request(request, true).map_err(io::Error::other)?;
        answers.push(answer);
    }
    for answer in answers {
        let answer = answer.await.map_err(io::Error::other)?;
        if answer.status() != 200 {
            return Err(io::Error::other("a reader is not let in"));
        }
        seen.streams.set(seen.streams.get() + 1);
        let (seen, requests) = (Rc::clone(seen), requests.clone());
        tokio::task::spawn_local(async move {
            let failure = match read(answer.into_body(), &seen).await {
                Ok(()) => "a reader is sent away".to_owned(),
                Err(error) => error.to_string(),
            };
            seen.failure.replace(Some(failure));
            drop(requests);
        });
    }
    Ok(())
}

async fn read(mut body: RecvStream, seen: &Seen) -> io::Result<()> {
    let mut last = None;
    while let Some(bytes) = body.data().await {
        let bytes = bytes.map_err(io::Error::other)?;
        body.flow_control()
            .release_capacity(bytes.len())
            .map_err(io::Error::other)?;
        if &bytes[..] == b":\n" {
            seen.beats.set(seen.beats.get() + 1);
        }
        for at in memmem::find_iter(&bytes, b"data: @") {
            let digits = bytes.get(at + 7..at + 7 + DIGITS).unwrap_or_default();
            let number: u64 = String::from_utf8_lossy(digits)
                .parse()
                .map_err(io::Error::other)?;
            if last.is_some_and(|last| number != last + 1) {
                return Err(io::Error::other(format!("{number} comes after {last:?}")));
            }
            last = Some(number);
            seen.events.set(seen.events.get() + 1);
            if let Some(began) = seen.began.get() {
                seen.latencies
                    .borrow_mut()
                    .push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(())
}
