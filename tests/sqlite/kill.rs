//! Killed at any moment, under load: what was acknowledged is there, once, in order, and readers resume.

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use sse_actix::{Limit, Position, Resume, Start, TopicName};
use sse_actix_sqlite::SqliteLog;

use super::read;

pub(crate) const DURABLE: &str = env!("CARGO_BIN_EXE_durable");

/// An event that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) topic: String,
    pub(crate) sequence: u64,
    pub(crate) data: String,
}

impl Acknowledged {
    /// As the program prints it; `None` if it is not a whole line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        Some(Self {
            topic: words.next()?.to_owned(),
            sequence: words.next()?.parse().ok()?,
            data: words.next()?.to_owned(),
        })
    }
}

/// What readers have so far.
#[derive(Debug, Default)]
struct Readers {
    positions: HashMap<String, Position>,
    events: usize,
}

impl Readers {
    /// Reads on where each topic was, and checks that everything acknowledged since is there, once and in order.
    async fn read_on(&mut self, path: &Path, acknowledged: &[Acknowledged]) {
        let log = SqliteLog::builder(path).reserve_bytes(0).open().unwrap();
        for topic in ["t0", "t1", "t2"] {
            let name = TopicName::try_from(topic).unwrap();
            let known = self.positions.get(topic).copied();
            let mut next = known.map_or(Start::Oldest, Start::After);
            let mut found = HashMap::new();
            loop {
                let batch = read(&log, &name, next, Limit::DEFAULT, SystemTime::now())
                    .await
                    .unwrap();
                let is_new = matches!(next, Start::Oldest);
                assert_eq!(
                    batch.resume,
                    if is_new { Resume::Live } else { Resume::Complete },
                    "{topic}"
                );
                let mut before = batch.start.sequence;
                for entry in &batch.entries {
                    assert_eq!(entry.sequence(), before + 1, "{topic} has a hole");
                    before = entry.sequence();
                    assert_eq!(
                        found.insert(entry.data(), entry.sequence()),
                        None,
                        "{topic}: twice"
                    );
                }
                self.events += batch.entries.len();
                self.positions.insert(topic.to_owned(), batch.end);
                if !batch.more {
                    break;
                }
                next = Start::After(batch.end);
            }
            for event in acknowledged.iter().filter(|event| event.topic == topic) {
                assert_eq!(found.get(&event.data), Some(&event.sequence), "{event:?} is lost");
            }
        }
        log.close();
    }
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(DURABLE);
    command.arg("publish").arg(path).args(["8", "full", "3"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let kills: u32 = env::var("SSE_SQLITE_KILLS").map_or(200, |kills| kills.parse().unwrap());
    let seed = env::var("SSE_SQLITE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SSE_SQLITE_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut readers = Readers::default();
    let mut total = 0;
    for _ in 0..kills {
        let mut child = start(&path);
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = thread::spawn(move || {
            let mut output = output;
            let (mut acknowledged, mut line) = (Vec::new(), String::new());
            while output.read_line(&mut line).unwrap() > 0 {
                acknowledged.extend(Acknowledged::parse(&line));
                line.clear();
            }
            acknowledged
        });
        // While it opens, or while it publishes.
        thread::sleep(Duration::from_micros(random.u64(..80_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = lines.join().unwrap();
        total += acknowledged.len();
        readers.read_on(&path, &acknowledged).await;
    }
    println!(
        "measured: {kills} kills, {total} acknowledged, {} read, none lost or repeated",
        readers.events
    );
    assert!(total > 0);
}
