//! Power cuts: everything that the log writes and syncs is recorded, and its files are rebuilt as a cut could have left
//! them, with writes that were not synced missing, torn, or in another order. Each opens with everything acknowledged, or,
//! where that was not promised, gives other ids.

use std::{
    collections::HashMap,
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use sse_actix::{Epoch, Limit, Start, TopicName};
use sse_actix_sqlite::SqliteLog;

use super::{
    kill::{Acknowledged, DURABLE},
    read,
    shim::Shim,
    try_read_all,
};

const FILES: [&str; 3] = ["", "-wal", "-reserve"];

const TOPICS: [&str; 3] = ["t0", "t1", "t2"];

/// A disk writes so many bytes or none of them.
const SECTOR: usize = 512;

enum Step {
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    Acknowledged(Vec<Acknowledged>),
}

/// What was recorded, in its order.
fn recorded(bytes: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_at_checked(18) {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) as usize;
        let (file, offset) = (usize::from(head[1]), number(2));
        let Some((bytes, after)) = after.split_at_checked(number(10)) else {
            break;
        };
        steps.push(match head[0] {
            b'w' => Step::Write {
                file,
                offset,
                bytes: bytes.to_vec(),
            },
            b't' => Step::Truncate { file, length: offset },
            b's' => Step::Sync { file },
            b'a' => {
                let text = String::from_utf8_lossy(bytes);
                Step::Acknowledged(
                    text.split_inclusive('\n')
                        .filter_map(Acknowledged::parse)
                        .collect(),
                )
            }
            other => panic!("{other}"),
        });
        rest = after;
    }
    steps
}

/// A file: what is on disk for certain, and what was done since.
#[derive(Default)]
struct Disk {
    synced: Vec<u8>,
    since: Vec<(usize, Option<Vec<u8>>)>,
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: Option<&[u8]>) {
    match bytes {
        None => file.resize(offset, 0),
        Some(bytes) => {
            file.resize(file.len().max(offset + bytes.len()), 0);
            file[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }
}

impl Disk {
    fn sync(&mut self) {
        for (offset, bytes) in self.since.drain(..) {
            apply(&mut self.synced, offset, bytes.as_deref());
        }
    }

    /// As a cut could leave it.
    fn cut(&self, random: &mut Rng) -> Vec<u8> {
        let mut file = self.synced.clone();
        let mut since: Vec<_> = self.since.iter().collect();
        // All, none, or any of them.
        match random.u32(..4) {
            0 => since.clear(),
            1 => {}
            _ => since.retain(|_| random.bool()),
        }
        if random.bool() {
            random.shuffle(&mut since);
        }
        for (offset, bytes) in since {
            let bytes = bytes.as_deref().map(|bytes| match random.u32(..4) {
                0 => &bytes[..random.usize(..=bytes.len() / SECTOR) * SECTOR],
                _ => bytes,
            });
            apply(&mut file, *offset, bytes);
        }
        file
    }
}

/// What a process has written.
struct Record {
    /// The files before it began.
    before: Vec<Vec<u8>>,
    steps: Vec<Step>,
    epochs: Vec<Epoch>,
}

/// Records a log that takes events for a while.
async fn record(folder: &Path, synchronous: &str) -> Record {
    let path = folder.join("events.db");
    // So that the record begins with files, and topics, that are on disk.
    let log = SqliteLog::builder(&path).reserve_bytes(0).open().unwrap();
    let mut epochs = Vec::new();
    for topic in TOPICS {
        epochs.push(epoch(&log, topic).await.unwrap());
    }
    log.close();
    let before = FILES.map(|suffix| fs::read(folder.join(format!("events.db{suffix}"))).unwrap_or_default());
    let record = folder.join("record");
    let shim = Shim::new(folder, &path);
    let mut command = Command::new(DURABLE);
    command.arg("publish").arg(&path).args(["8", synchronous, "3"]);
    command.envs(shim.environment()).env("SSE_SHIM_RECORD", &record);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while fs::metadata(&record).map_or(0, |record| record.len()) < 12_000_000 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Record {
        before: before.into(),
        steps: recorded(&fs::read(&record).unwrap()),
        epochs,
    }
}

/// The epoch of a topic; `None` if it cannot be read.
async fn epoch(log: &SqliteLog, topic: &'static str) -> Option<Epoch> {
    let topic = TopicName::from_static(topic);
    let batch = read(log, &topic, Start::Head, Limit::DEFAULT, SystemTime::now()).await;
    batch.ok().map(|batch| batch.end.epoch)
}

/// Opens images of random moments, and says of how many something acknowledged was missing. Those give other ids.
async fn lost(folder: &Path, synchronous: &str, images: usize, random: &mut Rng) -> usize {
    let Record {
        before,
        steps,
        epochs,
    } = record(folder, synchronous).await;
    let mut moments: Vec<_> = (0..images).map(|_| random.usize(..steps.len())).collect();
    moments.sort_unstable();
    let mut disks: Vec<_> = before
        .into_iter()
        .map(|synced| Disk {
            synced,
            ..Disk::default()
        })
        .collect();
    let mut acknowledged = Vec::new();
    let mut lost = 0;
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write { file, offset, bytes } => disks[file].since.push((offset, Some(bytes))),
            Step::Truncate { file, length } => disks[file].since.push((length, None)),
            Step::Sync { file } => disks[file].sync(),
            Step::Acknowledged(events) => acknowledged.extend(events),
        }
        for _ in moments.extract_if(.., |moment| *moment == at) {
            let image = tempfile::tempdir().unwrap();
            let path = image.path().join("events.db");
            for (disk, suffix) in disks.iter().zip(FILES) {
                let file = disk.cut(random);
                if !file.is_empty() {
                    fs::write(image.path().join(format!("events.db{suffix}")), file).unwrap();
                }
            }
            if is_whole(&path, &acknowledged).await {
                continue;
            }
            lost += 1;
            let Ok(log) = SqliteLog::builder(&path).reserve_bytes(0).open() else {
                continue;
            };
            for (topic, before) in TOPICS.into_iter().zip(&epochs) {
                assert_ne!(
                    epoch(&log, topic).await.as_ref(),
                    Some(before),
                    "{synchronous}, step {at}: an id is given twice"
                );
            }
            log.close();
        }
    }
    println!(
        "measured: {synchronous}: {images} images, {} acknowledged, {lost} images with losses",
        acknowledged.len()
    );
    lost
}

/// Whether everything acknowledged is there, in order.
async fn is_whole(path: &Path, acknowledged: &[Acknowledged]) -> bool {
    let Ok(log) = SqliteLog::builder(path).reserve_bytes(0).open() else {
        return false;
    };
    let mut found = HashMap::new();
    for topic in TOPICS {
        let name = TopicName::from_static(topic);
        let Ok(data) = try_read_all(&log, &name, Start::Oldest).await else {
            return false;
        };
        found.extend(
            (1..)
                .zip(data)
                .map(|(sequence, data): (u64, String)| ((topic, sequence), data)),
        );
    }
    log.close();
    acknowledged
        .iter()
        .all(|event| found.get(&(event.topic.as_str(), event.sequence)) == Some(&event.data))
}

fn seed() -> Rng {
    let seed = env::var("SSE_SQLITE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SSE_SQLITE_SEED={seed}");
    Rng::with_seed(seed)
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let images = env::var("SSE_SQLITE_IMAGES").map_or(100, |images| images.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(lost(folder.path(), "full", images, &mut seed()).await, 0);
}

/// Else the test above would show nothing. No id is given twice all the same.
#[tokio::test]
async fn without_syncs_a_power_cut_loses_events() {
    let folder = tempfile::tempdir().unwrap();
    assert!(lost(folder.path(), "off", 40, &mut seed()).await > 0);
}

#[tokio::test]
async fn with_few_syncs_a_power_cut_loses_events() {
    let folder = tempfile::tempdir().unwrap();
    assert!(lost(folder.path(), "normal", 40, &mut seed()).await > 0);
}
