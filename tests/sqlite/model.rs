//! The same calls, on a log in a file and on one in memory, have the same answers, whatever is restarted in between.

use std::{
    env,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use sse_actix::{
    Batch, Epoch, Keep, Limit, MemoryLog, Position, Record, Resume, Retention, Start, TopicName,
};
use sse_actix_sqlite::{SqliteLog, Synchronous};

use super::{append, read, record};

/// Both logs, and the positions that they have given for the same events.
struct Pair {
    path: PathBuf,
    memory: MemoryLog,
    sqlite: SqliteLog,
    topics: Vec<Modelled>,
    now: SystemTime,
    random: Rng,
    kind: Kind,
    was_set_back: bool,
}

struct Modelled {
    name: TopicName,
    retention: Retention,
    /// The epochs in memory and in the file.
    epochs: Option<(Epoch, Epoch)>,
    head: u64,
    /// Whether it ever kept the newest of each key. Whether an event was too old before it was replaced depends on when it
    /// is looked at, and so does what is called missing.
    was_latest: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Everything that is kept is in memory.
    InMemory,
    /// Most of it is in the file alone.
    InFile,
    /// Everything that is kept is in memory, and the clock is set back once. The file remembers the last time that it was.
    SetBack,
}

fn open(path: &Path, kind: Kind) -> SqliteLog {
    let builder = SqliteLog::builder(path)
        .reserve_bytes(0)
        .synchronous(Synchronous::Off);
    let builder = match kind {
        Kind::InFile => builder.topic_memory(600),
        _ => builder,
    };
    builder.open().unwrap()
}

impl Pair {
    fn new(path: &Path, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let kind = [Kind::InMemory, Kind::InFile, Kind::SetBack][random.usize(..3)];
        let topics = ["bytes", "b", "c"].map(|name| Modelled {
            name: TopicName::from_static(name),
            retention: retention(&mut random, kind, name == "bytes"),
            epochs: None,
            head: 0,
            was_latest: false,
        });
        Self {
            path: path.to_owned(),
            memory: MemoryLog::new(),
            sqlite: open(path, kind),
            topics: topics.into(),
            now: SystemTime::now(),
            random,
            kind,
            was_set_back: false,
        }
    }

    async fn step(&mut self) {
        let at = self.random.usize(..self.topics.len());
        match self.random.u32(..100) {
            0..50 => self.append(at).await,
            50..88 => self.read(at).await,
            88..95 => self.now += Duration::from_millis(self.random.u64(..30_000)),
            95..97 if self.kind == Kind::SetBack && !self.was_set_back => {
                self.was_set_back = true;
                self.now -= Duration::from_millis(self.random.u64(..60_000));
            }
            97 => {
                // An event that was too old once, or too much, and is not any more, may come back from the file.
                let before = self.topics[at].retention.clone();
                self.topics[at].retention = retention(&mut self.random, self.kind, at == 0)
                    .max_age(before.age())
                    .max_bytes(before.bytes());
            }
            98.. if self.kind != Kind::SetBack => {
                self.sqlite.close();
                self.sqlite = open(&self.path, self.kind);
            }
            _ => {}
        }
    }

    fn record(&mut self) -> Record {
        let text = "x".repeat(self.random.usize(..60));
        let record = record(&text);
        if self.random.bool() {
            record.key(format!("k{}", self.random.u32(..8)))
        } else {
            record
        }
    }

    async fn append(&mut self, at: usize) {
        let record = self.record();
        let topic = &mut self.topics[at];
        topic.was_latest |= topic.retention.keeps() == Keep::LatestPerKey;
        let (name, retention, now) = (&topic.name, &topic.retention, self.now);
        let expected = append(&self.memory, name, record.clone(), retention, now).await;
        let found = append(&self.sqlite, name, record, retention, now).await;
        match (expected, found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(expected.sequence, found.sequence);
                let epochs = (expected.epoch, found.epoch);
                assert_eq!(*topic.epochs.get_or_insert(epochs), epochs);
                topic.head = found.sequence;
            }
            (Err(expected), Err(found)) => assert_eq!(expected.to_string(), found.to_string()),
            different => panic!("{different:?}"),
        }
    }

    async fn read(&mut self, at: usize) {
        let topic = &self.topics[at];
        let sequence = self.random.u64(..topic.head + 3);
        let positions = topic.epochs.map(|(memory, sqlite)| {
            let own = |epoch| Position { epoch, sequence };
            (own(memory), own(sqlite))
        });
        let foreign = Position {
            epoch: Epoch::new(&topic.name, 1),
            sequence,
        };
        let one = |start| (start, start);
        let (expected, found) = match self.random.u32(..10) {
            0 => one(Start::Head),
            1..3 => one(Start::Last(self.random.usize(..40))),
            3 => one(Start::Oldest),
            4 => one(Start::Unknown),
            5 => one(Start::After(foreign)),
            _ => positions.map_or(one(Start::Oldest), |(memory, sqlite)| {
                (Start::After(memory), Start::After(sqlite))
            }),
        };
        let limit = Limit {
            events: NonZeroUsize::new(self.random.usize(1..50)).unwrap(),
            bytes: self.random.usize(1..5_000),
        };
        let expected = read(&self.memory, &topic.name, expected, limit, self.now).await;
        let found = read(&self.sqlite, &topic.name, found, limit, self.now).await;
        let (expected, mut found) = (expected.unwrap(), found.unwrap());
        // A page from the file may be shorter: what comes after it is read with the next.
        while self.kind == Kind::InFile && found.more && found.entries.len() < expected.entries.len() {
            let left = expected.entries.len() - found.entries.len();
            let limit = Limit {
                events: NonZeroUsize::new(left).unwrap(),
                bytes: limit.bytes
                    - found
                        .entries
                        .iter()
                        .map(|entry| entry.frame().len())
                        .sum::<usize>(),
            };
            let after = Start::After(found.end);
            let more = read(&self.sqlite, &topic.name, after, limit, self.now)
                .await
                .unwrap();
            assert_eq!(more.resume, Resume::Complete);
            found.entries.extend(more.entries);
            (found.end, found.more) = (more.end, more.more);
        }
        let topic = &mut self.topics[at];
        let epochs = (expected.end.epoch, found.end.epoch);
        assert_eq!(*topic.epochs.get_or_insert(epochs), epochs);
        if topic.was_latest {
            (found.resume, found.start) = (expected.resume, expected.start);
        }
        assert_eq!(told(&found), told(&expected));
        if expected.entries.is_empty() || !expected.more {
            assert_eq!(found.end.sequence, expected.end.sequence);
        }
    }
}

/// What a batch says, without its epoch.
fn told(batch: &Batch) -> (String, u64, Vec<String>) {
    let entries = batch.entries.iter().map(|entry| {
        let body = String::from_utf8_lossy(entry.body());
        format!("{} {:?} {:?} {body}", entry.sequence(), entry.at(), entry.key())
    });
    (
        format!("{:?}", batch.resume),
        batch.start.sequence,
        entries.collect(),
    )
}

/// Bounds that the file keeps to the event. Of bytes it keeps a little more, which may stay if an event is replaced.
fn retention(random: &mut Rng, kind: Kind, by_bytes: bool) -> Retention {
    let retention = Retention::new()
        .max_events(random.usize(1..32))
        .max_age(Duration::from_millis(random.u64(1_000..200_000)));
    match random.u32(..3) {
        _ if by_bytes && kind == Kind::InFile => retention,
        _ if by_bytes => retention.max_bytes(random.usize(300..8_000)),
        0 => retention.keep(Keep::LatestPerKey),
        _ => retention,
    }
}

#[tokio::test]
async fn a_log_in_a_file_answers_as_one_in_memory() {
    let seeds = env::var("SSE_SQLITE_SEEDS").map_or(30, |seeds| seeds.parse().unwrap());
    let first =
        env::var("SSE_SQLITE_SEED").map_or_else(|_| fastrand::u64(..1 << 32), |seed| seed.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for seed in first..first + seeds {
        let mut pair = Pair::new(&folder.path().join(format!("{seed}.db")), seed);
        println!("SSE_SQLITE_SEED={seed}: {:?}", pair.kind);
        for topic in 0..pair.topics.len() {
            // In memory, events are as old as they are, to the millisecond; in the file, where the clock was set back, only
            // about.
            pair.read(topic).await;
        }
        for _ in 0..400 {
            pair.step().await;
        }
        pair.sqlite.close();
    }
}
