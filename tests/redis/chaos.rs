//! Three nodes, three hundred readers that move between them, and everything that can die dying.

use std::{
    collections::HashSet,
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::future::join_all;
use redis::cmd;
use sse_actix::{Decoded, Decoder, Position};
use sse_tests::{
    child::Child,
    patience::within,
    redis::{Redis, free_port},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LAST: &str = "the last";

/// One request, whose answer ends with the connection.
async fn ask(addr: SocketAddr, request: String) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// Publishes through a node; the id, if it says that it was.
async fn publish(addr: SocketAddr, data: &str) -> Option<String> {
    let length = data.len();
    let request = format!("POST /publish HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{data}");
    let mut answer = String::new();
    let asked = async {
        let mut stream = ask(addr, request).await?;
        stream.read_to_string(&mut answer).await
    };
    timeout(Duration::from_secs(20), asked).await.ok()?.ok()?;
    let (head, id) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.0 200").then(|| id.to_owned())
}

/// What one reader has received: of events their data, of gaps their names.
async fn read(nodes: [SocketAddr; 3], mut rng: Rng, connects: Arc<AtomicUsize>) -> Vec<String> {
    let (mut record, mut last) = (Vec::new(), String::new());
    loop {
        let addr = nodes[rng.usize(..3)];
        let header = if last.is_empty() {
            String::new()
        } else {
            format!("Last-Event-ID: {last}\r\n")
        };
        let Ok(mut stream) = ask(addr, format!("GET /events HTTP/1.0\r\n{header}\r\n")).await else {
            sleep(Duration::from_millis(rng.u64(20..100))).await;
            continue;
        };
        connects.fetch_add(1, Ordering::Relaxed);
        let until = Instant::now() + Duration::from_millis(rng.u64(100..3_000));
        let mut decoder = Decoder::new();
        let mut head = Some(Vec::new());
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let mut chunk = vec![0; 16 * 1024];
            let Ok(Ok(length @ 1..)) = timeout(left, stream.read(&mut chunk)).await else {
                break;
            };
            chunk.truncate(length);
            if let Some(so_far) = &mut head {
                so_far.extend_from_slice(&chunk);
                let Some(end) = so_far.windows(4).position(|window| window == b"\r\n\r\n") else {
                    continue;
                };
                assert!(
                    so_far.starts_with(b"HTTP/1.0 200"),
                    "{}",
                    String::from_utf8_lossy(so_far)
                );
                chunk = so_far.split_off(end + 4);
                head = None;
            }
            decoder.feed(Bytes::from(chunk));
            for item in decoder.by_ref() {
                let Decoded::Message(message) = item.unwrap() else {
                    continue;
                };
                last = message.last_event_id.to_string();
                if message.event == "sse-position" {
                    continue;
                }
                record.push(match &*message.event {
                    "message" => message.data.to_string(),
                    other => format!("<{other}>"),
                });
                if *message.data == *LAST {
                    return record;
                }
            }
            if rng.u8(..16) == 0 {
                sleep(Duration::from_millis(rng.u64(..20))).await;
            }
        }
    }
}

async fn start(redis: &str, addr: SocketAddr) -> Child {
    Child::start_silent(NODE, &[redis, &addr.port().to_string()], Stdio::null()).await
}

#[actix_web::test]
async fn every_acknowledged_event_once_and_in_order() {
    let seed = std::env::var("CHAOS_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CHAOS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut redis = Redis::durable();
    let url = redis.url();
    let nodes: [SocketAddr; 3] = std::array::from_fn(|_| ([127, 0, 0, 1], free_port()).into());
    let mut running = Vec::new();
    for addr in nodes {
        running.push(Some(start(&url, addr).await));
    }

    let connects = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..300)
        .map(|_| actix_web::rt::spawn(read(nodes, rng.fork(), Arc::clone(&connects))))
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let publishers: Vec<_> = (0..6)
        .map(|publisher| {
            let (over, acknowledged, mut rng) = (Arc::clone(&over), Arc::clone(&acknowledged), rng.fork());
            actix_web::rt::spawn(async move {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return n;
                    }
                    let data = format!("{publisher}/{n}");
                    if let Some(id) = publish(nodes[rng.usize(..3)], &data).await {
                        acknowledged.lock().unwrap().push((id, data));
                    }
                    sleep(Duration::from_millis(rng.u64(1..10))).await;
                }
                0
            })
        })
        .collect();

    let mut done = [0; 4];
    for _ in 0..14 {
        sleep(Duration::from_millis(rng.u64(200..900))).await;
        let what = rng.usize(..4);
        done[what] += 1;
        match what {
            0 => {
                let victim = rng.usize(..3);
                let node = running[victim].take().unwrap();
                node.signal(rustix::process::Signal::KILL);
                node.ended().await;
                sleep(Duration::from_millis(rng.u64(..500))).await;
                running[victim] = Some(start(&url, nodes[victim]).await);
            }
            1 => {
                redis.kill();
                sleep(Duration::from_millis(rng.u64(..1_000))).await;
                redis.begin();
            }
            2 => {
                redis.freeze();
                // Longer than any of the nodes' time-outs.
                sleep(Duration::from_millis(rng.u64(1_700..2_500))).await;
                redis.thaw();
            }
            _ => redis.cut(),
        }
    }
    over.store(true, Ordering::Relaxed);
    let published: usize = join_all(publishers).await.into_iter().map(Result::unwrap).sum();
    within("the last event to be taken", async {
        while publish(nodes[rng.usize(..3)], LAST).await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let records: Vec<_> = within("all readers to have read the last event", join_all(readers))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    let entries: Vec<(String, Vec<String>)> =
        redis.ask(cmd("XRANGE").arg("sse:topic:{269}:events").arg("-").arg("+"));
    let truth: Vec<_> = entries
        .iter()
        .flat_map(|(_, fields)| {
            let at = fields.iter().position(|field| field == "b").unwrap();
            // One event after the other, each with its length before it.
            let lines = fields[at + 1].lines();
            lines.filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()))
        })
        .collect();
    let first_last = truth.iter().position(|data| data == LAST).unwrap();
    let truth = &truth[..=first_last];
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    println!(
        "{published} published, {} acknowledged, {} in Redis, {} connects of 300 readers; nodes killed, Redis killed, frozen, cut: {done:?}",
        acknowledged.len(),
        truth.len(),
        connects.load(Ordering::Relaxed),
    );
    let known: HashSet<_> = truth.iter().collect();
    assert_eq!(known.len(), truth.len(), "nothing is published twice");
    for (id, data) in &acknowledged {
        assert!(known.contains(data), "{data} was acknowledged, and is gone");
        assert!(Position::parse(id).is_some(), "{id}");
    }
    for (reader, record) in records.iter().enumerate() {
        if record != truth {
            let differs = record.iter().zip(truth).position(|(a, b)| a != b);
            let differs = differs.unwrap_or(record.len().min(truth.len()));
            let around = differs.saturating_sub(2)..differs + 3;
            panic!(
                "reader {reader}: {} events, {} in Redis; at {differs}: {:?}, not {:?}",
                record.len(),
                truth.len(),
                record.get(around.clone()),
                truth.get(around),
            );
        }
    }
}
