//! What is between a node and Redis: a line that can be cut, freeze, be slow or long, and lead elsewhere.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc as threads},
    thread,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use sse_tests::redis::Redis;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime,
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::line::{Direction, Line};

/// What passes at once, so that connections take turns.
const CHUNK: usize = 4 * 1024;

/// What a connection may have on its way, so that Redis notices a line that is slow.
const WINDOW: usize = 64 * 1024;

/// Passes on what nodes and Redis send each other. It has a thread of its own, which ends when this is dropped.
pub(crate) struct Proxy {
    addr: SocketAddr,
    state: watch::Sender<State>,
    line: Arc<Line>,
}

#[derive(Clone, Copy)]
struct State {
    /// Where new connections lead; nowhere if they are refused.
    upstream: Option<SocketAddr>,
    /// Connections of an earlier one are cut.
    generation: u64,
    is_frozen: bool,
    /// How long bytes are on their way, in each direction.
    delay: Duration,
}

impl Proxy {
    /// A line to this Redis, which is fast.
    pub(crate) fn to(redis: &Redis) -> Self {
        let (state, watched) = watch::channel(State {
            upstream: Some(addr_of(redis)),
            generation: 0,
            is_frozen: false,
            delay: Duration::ZERO,
        });
        let line = Arc::new(Line::new());
        let (bound, addr) = threads::channel();
        let shared = Arc::clone(&line);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, watched, shared).await;
            });
        });
        Self {
            addr: addr.recv().unwrap(),
            state,
            line,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.addr)
    }

    /// New connections lead there, as those to a name that moves do. The others stay where they are.
    pub(crate) fn lead_to(&self, redis: &Redis) {
        self.state
            .send_modify(|state| state.upstream = Some(addr_of(redis)));
    }

    /// New connections are refused.
    pub(crate) fn refuse(&self) {
        self.state.send_modify(|state| state.upstream = None);
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Nothing passes, and nobody is told.
    pub(crate) fn freeze(&self) {
        self.state.send_modify(|state| state.is_frozen = true);
    }

    pub(crate) fn thaw(&self) {
        self.state.send_modify(|state| state.is_frozen = false);
    }

    /// How many bytes a second pass in each direction, all connections together; 0 is no limit.
    pub(crate) fn rate(&self, bytes_a_second: u64) {
        self.line.set_rate(bytes_a_second);
    }

    /// How long a question and its answer are on their way.
    pub(crate) fn round_trip(&self, took: Duration) {
        self.state.send_modify(|state| state.delay = took / 2);
    }

    /// How many bytes of Redis have passed so far.
    pub(crate) fn received(&self) -> u64 {
        self.line.passed(Direction::FromRedis)
    }
}

pub(crate) fn addr_of(redis: &Redis) -> SocketAddr {
    ([127, 0, 0, 1], redis.port()).into()
}

async fn serve(listener: TcpListener, mut watched: watch::Receiver<State>, line: Arc<Line>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                tokio::spawn(connect(client, watched.clone(), Arc::clone(&line)));
            }
            changed = watched.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(client: TcpStream, mut watched: watch::Receiver<State>, line: Arc<Line>) {
    let State {
        upstream, generation, ..
    } = *watched.borrow_and_update();
    let Some(upstream) = upstream else {
        // A reset, as by a machine that serves nothing there.
        let _ = client.set_zero_linger();
        return;
    };
    let passing = pass(client, upstream, watched.clone(), line);
    let is_cut = watched.wait_for(|state| state.generation != generation);
    tokio::select! {
        _ = passing => {}
        _ = is_cut => {}
    }
}

async fn pass(
    client: TcpStream,
    upstream: SocketAddr,
    watched: watch::Receiver<State>,
    line: Arc<Line>,
) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(u32::try_from(WINDOW).unwrap_or(u32::MAX))?;
    let server = socket.connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pump(from_client, to_server, Direction::ToRedis, watched.clone(), &line),
        pump(from_server, to_client, Direction::FromRedis, watched, &line),
    )?;
    Ok(())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    watched: watch::Receiver<State>,
    line: &Line,
) -> io::Result<()> {
    let (send, mut receive) = mpsc::channel::<(Instant, Bytes)>(WINDOW / CHUNK);
    let delays = watched.clone();
    let read = async move {
        let mut chunk = BytesMut::new();
        loop {
            chunk.reserve(CHUNK);
            let length = (&mut from).take(CHUNK as u64).read_buf(&mut chunk).await?;
            let due = Instant::now() + delays.borrow().delay;
            if length == 0 || send.send((due, chunk.split().freeze())).await.is_err() {
                return Ok::<_, io::Error>(());
            }
        }
    };
    let mut frozen = watched;
    let write = async move {
        while let Some((due, chunk)) = receive.recv().await {
            sleep_until(due).await;
            line.pass(direction, chunk.len()).await;
            let _ = frozen.wait_for(|state| !state.is_frozen).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}
