//! Clients that read all there is, and come back when they were away.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use sse_actix::{Decoded, Decoder};
use tokio::time::{Instant, sleep};

use crate::{
    site::{Server, Site},
    stream::Stream,
};

/// How far everything is.
#[derive(Default)]
pub(crate) struct Progress {
    connected: AtomicU64,
    /// One more than the last number; 0 until that is known.
    published: AtomicU64,
}

impl Progress {
    pub(crate) fn connected(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// So many numbers there are, the last of which is about to be published: whoever waits for it gets to know.
    pub(crate) fn finish(&self, published: u64) {
        self.published.store(published, Ordering::SeqCst);
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Whether a client that waits for this number has got all.
    fn is_last(&self, next: u64) -> bool {
        next > 0 && next == self.published()
    }
}

/// A number, and when it was published, in microseconds.
#[derive(serde::Deserialize)]
struct Number {
    number: u64,
    at: u64,
}

/// Reads the numbers from 0 on, over many connections.
pub(crate) async fn read_all(
    site: Arc<Site>,
    mut rng: Rng,
    nth: u64,
    progress: Arc<Progress>,
    latencies: Arc<Latencies>,
) {
    let (server, http2, path) = match nth % 10 {
        0 => (Server::Actix, false, "/stream?topics=numbers"),
        1 => (Server::OverTls, false, "/stream?topics=numbers"),
        2 => (Server::OverTls, true, "/stream?topics=numbers"),
        3 => (Server::Direct, true, "/stream?topics=numbers"),
        4 => (Server::Direct, false, "/forwarded"),
        5 => (
            Server::Direct,
            false,
            "/stream?topics=numbers&options=tag%3Dhonest",
        ),
        6 => (Server::Direct, false, "/stream?topics=large%20numbers"),
        _ => (
            Server::Direct,
            false,
            "/stream?topics=numbers&options=max_age%3D5000",
        ),
    };
    // One tag has no more streams than it may.
    let path = path.replace("honest", &format!("honest-{nth}"));
    let from = [127, 1, 0, u8::try_from(nth + 1).unwrap()];
    let mut decoder = Decoder::new();
    let mut next = 0;
    let mut is_first = true;
    while !progress.is_last(next) {
        let last = decoder.last_event_id().to_owned();
        decoder.reconnect();
        let opened = Stream::open(&site, server, from, http2, &path, &last).await;
        // A server that is too busy for a while takes a client for one that has left. It comes back, as any would.
        let Ok(mut stream) = opened else { continue };
        let leaves_at = Instant::now() + Duration::from_millis(rng.u64(1_000..8_000));
        while !progress.is_last(next) {
            // A client that has no position yet must not leave: it would begin anew.
            if Instant::now() >= leaves_at && !decoder.last_event_id().is_empty() {
                break;
            }
            let Ok(Some(chunk)) = stream.next().await else {
                break;
            };
            decoder.feed(chunk);
            for decoded in decoder.by_ref() {
                let Decoded::Message(message) = decoded.unwrap() else {
                    continue;
                };
                if &*message.event == "sse-position" || message.data.starts_with('x') {
                    continue;
                }
                assert_eq!(
                    &*message.event, "message",
                    "{nth}, which waits for {next}: {message:?}"
                );
                let number: Number = serde_json::from_str(&message.data).unwrap();
                assert_eq!(number.number, next, "{nth} over {server:?}, {path}");
                next += 1;
                latencies.add(number.at);
            }
            if is_first && !decoder.last_event_id().is_empty() {
                is_first = false;
                progress.connected.fetch_add(1, Ordering::SeqCst);
            }
        }
        drop(stream);
        sleep(Duration::from_millis(rng.u64(0..300))).await;
    }
}

/// How long events took from their publishing, in microseconds: without hostile clients, and with them.
#[derive(Default)]
pub(crate) struct Latencies {
    took: [Mutex<HashMap<u64, u64>>; 2],
    hostile: AtomicBool,
}

impl Latencies {
    pub(crate) fn hostile_clients_come(&self) {
        self.hostile.store(true, Ordering::SeqCst);
    }

    fn add(&self, at: u64) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let took = u64::try_from(now.as_micros()).unwrap().saturating_sub(at);
        let took_in = &self.took[usize::from(self.hostile.load(Ordering::SeqCst))];
        // Counted by tenths of a millisecond: a long run has millions.
        *took_in.lock().unwrap().entry(took / 100).or_default() += 1;
    }

    /// Of a hundred events, 99 took no longer.
    fn percentile_99(&self, hostile: bool) -> Duration {
        let counts = self.took[usize::from(hostile)].lock().unwrap();
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_unstable();
        let all: u64 = counts.iter().map(|(_, count)| **count).sum();
        let mut below = 0;
        for (took, count) in counts {
            below += count;
            if below * 100 >= all * 99 {
                return Duration::from_micros((took + 1) * 100);
            }
        }
        panic!("nothing was received")
    }

    pub(crate) fn check(&self, strict: bool) {
        let [quiet, hostile] = [false, true].map(|hostile| self.percentile_99(hostile));
        let ratio = hostile.as_secs_f64() / quiet.as_secs_f64();
        println!(
            "99 % of the events took {quiet:.1?}, beside hostile clients {hostile:.1?}: {ratio:.2} times as long"
        );
        assert!(!strict || ratio <= 2.0, "{ratio:.2} times as long");
    }
}
