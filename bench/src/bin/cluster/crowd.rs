//! Publishers and readers of several nodes, on one thread.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use memchr::memchr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::{self, Runtime},
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Instant, sleep_until, timeout},
};

/// An event's data is this mark, its publisher, its number, the time when it was published, and dots.
const MARK: u8 = b'@';
const PUBLISHER_DIGITS: usize = 4;
const NUMBER_DIGITS: usize = 10;
const TIME_DIGITS: usize = 16;
const MARKED: usize = 1 + PUBLISHER_DIGITS + NUMBER_DIGITS + TIME_DIGITS;
const SIZE: usize = 100;

const PATIENCE: Duration = Duration::from_secs(30);

/// The readers. Each checks that it gets every event of each publisher once and in order.
pub(crate) struct Crowd {
    tasks: LocalSet,
    runtime: Runtime,
    readers: u64,
    seen: Rc<Seen>,
}

struct Seen {
    began: Instant,
    events: Cell<u64>,
    latencies: RefCell<Vec<u64>>,
    failure: RefCell<Option<String>>,
    /// The number of publishers so far.
    publishers: Cell<u64>,
}

/// The result of publishing for a while.
pub(crate) struct Outcome {
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) seconds: f64,
    /// The times from publishing to receiving, in nanoseconds.
    pub(crate) latencies: Vec<u64>,
}

impl Crowd {
    /// Connects one reader to each of these addresses.
    pub(crate) fn connect(at: &[SocketAddr]) -> io::Result<Self> {
        let mut crowd = Self {
            tasks: LocalSet::new(),
            runtime: runtime::Builder::new_current_thread().enable_all().build()?,
            readers: at.len() as u64,
            seen: Rc::new(Seen {
                began: Instant::now(),
                events: Cell::new(0),
                latencies: RefCell::default(),
                failure: RefCell::default(),
                publishers: Cell::new(0),
            }),
        };
        let seen = Rc::clone(&crowd.seen);
        crowd.tasks.block_on(&crowd.runtime, async {
            for &addr in at {
                let stream = ask(addr, "").await?;
                let seen = Rc::clone(&seen);
                spawn_local(async move {
                    let failure = read(stream, &seen).await.err();
                    let failure = failure.map_or_else(
                        || "a reader is sent away".to_owned(),
                        |failure| failure.to_string(),
                    );
                    seen.failure.replace(Some(failure));
                });
            }
            Ok::<_, io::Error>(())
        })?;
        // A node knows from its first event on where its readers are.
        crowd.greet(at)?;
        Ok(crowd)
    }

    /// Publishes until every reader receives the events.
    fn greet(&mut self, at: &[SocketAddr]) -> io::Result<()> {
        let first = at.get(..1).unwrap_or_default();
        for _ in 0..200 {
            let before = self.seen.events.get();
            let once = Duration::ZERO;
            let outcome = self.publish(first, once, Some(Duration::from_millis(10)))?;
            let wait = async { tokio::time::sleep(Duration::from_millis(20)).await };
            self.tasks.block_on(&self.runtime, wait);
            if self.seen.events.get() - before == outcome * self.readers {
                self.seen.latencies.take();
                return Ok(());
            }
        }
        Err(io::Error::other("the readers receive nothing"))
    }

    /// Publishes for this time, with one publisher at each of these addresses. A publisher waits for the answer, and then
    /// for `pace`, before its next event. At the end, waits until every reader has every event.
    pub(crate) fn run(
        &mut self,
        at: &[SocketAddr],
        time: Duration,
        pace: Option<Duration>,
    ) -> io::Result<Outcome> {
        let (before, began) = (self.seen.events.get(), Instant::now());
        self.seen.latencies.take();
        let published = self.publish(at, time, pace)?;
        let due = before + published * self.readers;
        let seen = Rc::clone(&self.seen);
        let all = async {
            while seen.events.get() < due && seen.failure.borrow().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let all = async { timeout(PATIENCE, all).await };
        let waited = self.tasks.block_on(&self.runtime, all);
        let seconds = began.elapsed().as_secs_f64();
        if let Some(failure) = self.seen.failure.take() {
            return Err(io::Error::other(failure));
        }
        waited.map_err(|_| io::Error::other("not everyone received everything"))?;
        let delivered = self.seen.events.get() - before;
        if delivered != published * self.readers {
            return Err(io::Error::other("more was received than was published"));
        }
        Ok(Outcome {
            published,
            delivered,
            seconds,
            latencies: self.seen.latencies.take(),
        })
    }

    fn publish(&mut self, at: &[SocketAddr], time: Duration, pace: Option<Duration>) -> io::Result<u64> {
        let until = Instant::now() + time;
        let seen = &self.seen;
        self.tasks.block_on(&self.runtime, async {
            let publishers: Vec<JoinHandle<io::Result<u64>>> = at
                .iter()
                .map(|&addr| {
                    let publisher = seen.publishers.get() + 1;
                    seen.publishers.set(publisher);
                    let seen = Rc::clone(seen);
                    spawn_local(async move {
                        let mut line = Line::connect(addr).await?;
                        let mut next = Instant::now();
                        for number in 1.. {
                            let time = nanos(seen.began);
                            let mut data = format!(
                                "@{publisher:0PUBLISHER_DIGITS$}{number:0NUMBER_DIGITS$}{time:0TIME_DIGITS$}"
                            );
                            data.extend(std::iter::repeat_n('.', SIZE - data.len()));
                            line.publish(&data).await?;
                            if let Some(pace) = pace {
                                next += pace;
                                sleep_until(next).await;
                            }
                            if Instant::now() >= until {
                                return Ok(number);
                            }
                        }
                        Ok(0)
                    })
                })
                .collect();
            let mut published = 0;
            for publisher in publishers {
                published += publisher.await.map_err(io::Error::other)??;
            }
            Ok(published)
        })
    }
}

/// A publisher's connection.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Publishes an event, and returns its id.
    async fn publish(&mut self, data: &str) -> io::Result<String> {
        let size = data.len();
        let post = format!(
            "POST /publish HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n{data}"
        );
        self.0.get_mut().write_all(post.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
            .unwrap_or(0_usize);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        if !head.starts_with("http/1.1 200") {
            return Err(io::Error::other(format!("it does not publish: {head}")));
        }
        String::from_utf8(body).map_err(io::Error::other)
    }
}

/// Publishes this many events, one after another, and returns the id of the first.
pub(crate) fn publish_all(addr: SocketAddr, events: u64) -> io::Result<String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut line = Line::connect(addr).await?;
        let first = line.publish("@").await?;
        for _ in 1..events {
            line.publish("@").await?;
        }
        Ok(first)
    })
}

/// Reconnects this many clients at once, all with this id. Returns the seconds until every client has all events after
/// this id.
pub(crate) fn come_back(addr: SocketAddr, clients: usize, id: &str, events: u64) -> io::Result<f64> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let began = Instant::now();
        let clients: Vec<JoinHandle<io::Result<u64>>> = (0..clients)
            .map(|_| {
                let header = format!("last-event-id: {id}\r\n");
                spawn_local(async move {
                    let mut stream = ask(addr, &header).await?;
                    let (mut got, mut buf) = (0, vec![0; 64 * 1024]);
                    while got < events - 1 {
                        let read = timeout(PATIENCE, stream.read(&mut buf)).await??;
                        if read == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        got += memchr::memchr_iter(MARK, buf.get(..read).unwrap_or_default()).count() as u64;
                    }
                    Ok(got)
                })
            })
            .collect();
        for client in clients {
            let got = client.await.map_err(io::Error::other)??;
            if got != events - 1 {
                return Err(io::Error::other(format!(
                    "{got} events instead of {}",
                    events - 1
                )));
            }
        }
        Ok(began.elapsed().as_secs_f64())
    })
}

/// Requests the stream, and reads its head and its first event.
async fn ask(addr: SocketAddr, headers: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let get = format!("GET /events HTTP/1.0\r\nhost: bench\r\n{headers}\r\n");
    stream.write_all(get.as_bytes()).await?;
    let mut head = Vec::new();
    // The event that tells the position is the first of the body.
    while !head.ends_with(b"\n\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await??);
    }
    if head.starts_with(b"HTTP/1.0 200") {
        Ok(stream)
    } else {
        Err(io::Error::other("a reader is not let in"))
    }
}

async fn read(mut stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut last: HashMap<u64, u64> = HashMap::new();
    let (mut rest, mut buf) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = stream.read(&mut buf).await?;
        if read == 0 {
            return Ok(());
        }
        let now = nanos(seen.began);
        rest.extend_from_slice(buf.get(..read).unwrap_or_default());
        let mut bytes = rest.as_slice();
        while let Some(at) = memchr(MARK, bytes) {
            bytes = bytes.get(at..).unwrap_or_default();
            let Some((mark, after)) = bytes.split_at_checked(MARKED) else {
                break;
            };
            let digits = mark.get(1..).unwrap_or_default();
            let (publisher, digits) = digits.split_at(PUBLISHER_DIGITS);
            let (number, time) = digits.split_at(NUMBER_DIGITS);
            let (publisher, number) = (value(publisher), value(number));
            let before = last.insert(publisher, number);
            // A reader that has just begun may not have the first of them.
            if before.is_some_and(|before| number != before + 1) {
                return Err(io::Error::other(format!("{number} comes after {before:?}")));
            }
            seen.events.set(seen.events.get() + 1);
            seen.latencies.borrow_mut().push(now.saturating_sub(value(time)));
            bytes = after;
        }
        let kept = if memchr(MARK, bytes).is_some() {
            bytes.len()
        } else {
            0
        };
        rest.drain(..rest.len() - kept);
    }
}

fn value(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
