//! Many readers and one publisher, on one thread: each reader has to get every event, once and in order.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use memchr::{memchr, memmem};

use crate::epoll::Epoll;

const PUBLISHER: usize = usize::MAX;

/// An event's data begins with this mark, the event's number, and the time when it was published.
const MARK: u8 = b'@';
const DIGITS: usize = 15;
const MARKED: usize = 1 + 2 * DIGITS;
const SIZE: usize = 100;

/// The largest number of events that are on their way at once.
pub(crate) const UNDER_WAY: usize = 64;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Load {
    epoll: Epoll,
    readers: Vec<Reader>,
    addr: SocketAddr,
    /// Connected at the first publish, because servers close a connection on which no request arrives.
    publisher: Option<TcpStream>,
    answers: Vec<u8>,
    buf: Vec<u8>,
    began: Instant,
    /// The number of POSTs that have no answer yet.
    pub(crate) unanswered: usize,
    pub(crate) published: u64,
    /// The number of events that every reader has.
    pub(crate) complete: u64,
    /// For each event, by its number: how many readers have it.
    arrived: [usize; UNDER_WAY],
    pub(crate) tally: Tally,
}

/// What the readers have received.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    /// The number of reads that returned bytes.
    pub(crate) reads: u64,
    /// The times from publishing to receiving, in nanoseconds.
    pub(crate) latencies: Vec<u64>,
}

struct Reader {
    socket: TcpStream,
    last: u64,
    /// The beginning of an event whose end has not arrived yet.
    rest: Vec<u8>,
}

impl Load {
    /// Connects this many readers, and waits until each has its response's head.
    pub(crate) fn connect(addr: SocketAddr, readers: usize) -> io::Result<Self> {
        let mut load = Self {
            epoll: Epoll::new()?,
            readers: Vec::with_capacity(readers),
            addr,
            publisher: None,
            answers: Vec::new(),
            buf: vec![0; 256 * 1024],
            began: Instant::now(),
            unanswered: 0,
            published: 0,
            complete: 0,
            arrived: [0; UNDER_WAY],
            tally: Tally::default(),
        };
        for key in 0..readers {
            let mut socket = connect(addr)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.write_all(b"GET /events HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n")?;
            let read = socket.read(&mut load.buf)?;
            if !load
                .buf
                .get(..read)
                .unwrap_or_default()
                .starts_with(b"HTTP/1.1 200")
            {
                return Err(io::Error::other("a reader is not let in"));
            }
            socket.set_nonblocking(true)?;
            load.epoll.add(&socket, key)?;
            load.readers.push(Reader {
                socket,
                last: 0,
                rest: Vec::new(),
            });
        }
        Ok(load)
    }

    /// Publishes this many events, without waiting for an answer in between.
    pub(crate) fn publish(&mut self, events: usize) -> io::Result<()> {
        let mut posts = Vec::new();
        for _ in 0..events {
            self.published += 1;
            let mut data = format!("@{:0DIGITS$}{:0DIGITS$}", self.published, self.nanos());
            data.extend(std::iter::repeat_n('.', SIZE - data.len()));
            let head = "POST /publish HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain\r\ncontent-length";
            posts.extend_from_slice(format!("{head}: {SIZE}\r\n\r\n{data}").as_bytes());
        }
        self.unanswered += events;
        if self.publisher.is_none() {
            let publisher = connect(self.addr)?;
            publisher.set_nonblocking(true)?;
            self.epoll.add(&publisher, PUBLISHER)?;
            self.publisher = Some(publisher);
        }
        match &mut self.publisher {
            // A few KB on an empty connection: taken in one go.
            Some(publisher) => publisher.write_all(&posts),
            None => Ok(()),
        }
    }

    /// Receives what has arrived. If nothing has arrived, waits for at most `wait`.
    pub(crate) fn turn(&mut self, wait: Duration) -> io::Result<()> {
        for key in self.epoll.wait(Some(wait))? {
            if key == PUBLISHER {
                self.answers()?;
                continue;
            }
            let now = self.nanos();
            let Some(reader) = self.readers.get_mut(key) else {
                continue;
            };
            let read = match reader.socket.read(&mut self.buf) {
                Ok(0) => return Err(io::Error::other("a reader is sent away")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            self.tally.reads += 1;
            let bytes = self.buf.get(..read).unwrap_or_default();
            if reader.rest.is_empty() {
                let rest = reader.receive(bytes, now, &mut self.tally, &mut self.arrived)?;
                reader.rest.extend_from_slice(rest);
            } else {
                let mut all = std::mem::take(&mut reader.rest);
                all.extend_from_slice(bytes);
                let rest = reader.receive(&all, now, &mut self.tally, &mut self.arrived)?;
                reader.rest.extend_from_slice(rest);
            }
        }
        while let Some(arrived) = self.arrived.get_mut(slot(self.complete + 1))
            && *arrived == self.readers.len()
            && *arrived > 0
        {
            *arrived = 0;
            self.complete += 1;
        }
        Ok(())
    }

    /// Receives until every reader has every event.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.complete < self.published {
            if Instant::now() > until {
                return Err(io::Error::other("not everyone received everything"));
            }
            self.turn(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Counts the answers to the POSTs.
    fn answers(&mut self) -> io::Result<()> {
        let Some(publisher) = &mut self.publisher else {
            return Ok(());
        };
        let read = publisher.read(&mut self.buf)?;
        if read == 0 {
            return Err(io::Error::other("the publisher is sent away"));
        }
        self.answers
            .extend_from_slice(self.buf.get(..read).unwrap_or_default());
        while let Some(end) = memmem::find(&self.answers, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(self.answers.get(..end).unwrap_or_default()).to_lowercase();
            if !head.starts_with("http/1.1 2") {
                return Err(io::Error::other(format!("it does not publish: {head}")));
            }
            let body = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
                .unwrap_or(0_usize);
            let all = end + 4 + body;
            if self.answers.len() < all {
                break;
            }
            self.answers.drain(..all);
            self.unanswered -= 1;
        }
        Ok(())
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn slot(event: u64) -> usize {
    usize::try_from(event).unwrap_or_default() % UNDER_WAY
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpStream::connect(addr) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            // It has announced its address and not begun yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
}

impl Reader {
    /// Checks each complete event in these bytes. The rest is the beginning of the next event.
    fn receive<'a>(
        &mut self,
        mut bytes: &'a [u8],
        now: u64,
        tally: &mut Tally,
        arrived: &mut [usize; UNDER_WAY],
    ) -> io::Result<&'a [u8]> {
        while let Some(at) = memchr(MARK, bytes) {
            let from = bytes.get(at..).unwrap_or_default();
            let Some((event, after)) = from.split_at_checked(MARKED) else {
                return Ok(from);
            };
            let (number, published) = numbers(event);
            if number != self.last + 1 {
                let last = self.last;
                return Err(io::Error::other(format!("event {number} after event {last}")));
            }
            self.last = number;
            if let Some(readers) = arrived.get_mut(slot(number)) {
                *readers += 1;
            }
            tally.events += 1;
            tally.latencies.push(now.saturating_sub(published));
            bytes = after;
        }
        Ok(&[])
    }
}

fn numbers(event: &[u8]) -> (u64, u64) {
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    };
    let digits = event.get(1..).unwrap_or_default();
    let (first, second) = digits.split_at(DIGITS.min(digits.len()));
    (number(first), number(second))
}
