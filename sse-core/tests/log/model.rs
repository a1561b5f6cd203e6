//! What a log has to do, as slowly and simply as can be.

use std::time::{Duration, SystemTime};

use sse_actix_core::{Epoch, Keep, Limit, Position, Record, Resume, Retention, Ring, Start};

#[derive(Debug, Clone)]
pub(crate) struct Model {
    epoch: Epoch,
    keep: Keep,
    kept: Vec<Kept>,
    pub(crate) head: u64,
    last_deleted: u64,
    pub(crate) deletions: u64,
    /// A newer state has replaced an entry, so sequences have a hole.
    has_replaced: bool,
    newest_time: SystemTime,
}

#[derive(Debug, Clone)]
struct Kept {
    sequence: u64,
    key: Option<String>,
    frame: String,
    /// What readers are told: it never goes back.
    at: SystemTime,
    /// When it was appended, or earlier: no later than any entry after it.
    appended: SystemTime,
    weight: usize,
}

/// What a read has to return.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) resume: Resume,
    pub(crate) start: Position,
    pub(crate) frames: Vec<String>,
    pub(crate) end: Position,
    pub(crate) more: bool,
}

impl Model {
    pub(crate) fn new(epoch: Epoch, keep: Keep, last_deleted: u64) -> Self {
        Self {
            epoch,
            keep,
            kept: Vec::new(),
            head: last_deleted,
            last_deleted,
            deletions: 0,
            has_replaced: false,
            newest_time: SystemTime::UNIX_EPOCH,
        }
    }

    pub(crate) fn append(&mut self, record: &Record, at: SystemTime) {
        self.lower_later_times(at);
        self.head += 1;
        self.newest_time = self.newest_time.max(at);
        let kept = Kept {
            sequence: self.head,
            key: record.key_str().map(ToOwned::to_owned),
            frame: format!(
                "id: {}-{}\n{}",
                self.epoch,
                self.head,
                str::from_utf8(record.body()).unwrap()
            ),
            at: self.newest_time,
            appended: at,
            weight: self.weight(record, at),
        };
        self.kept.push(kept);
        self.forget_replaced();
    }

    /// Whatever is kept was appended by now. If its time is later, the clock was set back.
    fn lower_later_times(&mut self, now: SystemTime) {
        for kept in &mut self.kept {
            kept.appended = kept.appended.min(now);
        }
    }

    /// What one entry takes: as a ring says that has nothing else.
    fn weight(&self, record: &Record, at: SystemTime) -> usize {
        let mut alone = Ring::new(self.epoch, Keep::Every, self.head - 1, true);
        let entry = alone.append(record.clone(), at);
        assert!(alone.bytes() >= entry.frame().len() + record.key_str().map_or(0, str::len));
        alone.bytes()
    }

    fn forget_replaced(&mut self) {
        if self.keep == Keep::LatestPerKey {
            let all = self.kept.clone();
            let before = all.len();
            self.kept.retain(|one| {
                one.key.is_none()
                    || !all
                        .iter()
                        .any(|later| later.sequence > one.sequence && later.key == one.key)
            });
            self.has_replaced |= self.kept.len() < before;
        }
    }

    pub(crate) fn keep(&mut self, keep: Keep) {
        self.keep = keep;
        self.forget_replaced();
    }

    pub(crate) fn delete_oldest(&mut self) -> Option<usize> {
        let oldest = (!self.kept.is_empty()).then(|| self.kept.remove(0))?;
        self.last_deleted = oldest.sequence;
        self.deletions += 1;
        Some(oldest.weight)
    }

    pub(crate) fn trim(&mut self, retention: &Retention, now: SystemTime) {
        self.lower_later_times(now);
        while self.kept.len() > retention.events()
            || self.bytes() > retention.bytes()
            || self
                .kept
                .first()
                .is_some_and(|oldest| age(oldest.appended, now) > retention.age())
        {
            self.delete_oldest();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.weight).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn times(&self) -> Vec<SystemTime> {
        self.kept.iter().map(|kept| kept.at).collect()
    }

    /// How many events a reader is behind that has read up to there.
    pub(crate) fn behind(&self, sequence: u64) -> u64 {
        if self.has_replaced {
            self.kept.iter().filter(|kept| kept.sequence > sequence).count() as u64
        } else {
            self.head - sequence
        }
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.kept.first().map(|oldest| oldest.sequence)
    }

    pub(crate) fn read(&self, start: Start, limit: Limit) -> Answer {
        let (resume, after) = match start {
            Start::Head => (Resume::Live, self.head),
            Start::Oldest => (Resume::Live, self.last_deleted),
            Start::Last(events) => {
                let skipped = self.kept.len().saturating_sub(events);
                let before = skipped.checked_sub(1).and_then(|last| self.kept.get(last));
                (
                    Resume::Live,
                    before.map_or(self.last_deleted, |before| before.sequence),
                )
            }
            Start::Unknown => (Resume::Unknown, self.last_deleted),
            Start::After(position) if position.epoch != self.epoch || position.sequence > self.head => {
                (Resume::Unknown, self.last_deleted)
            }
            Start::After(position) if position.sequence < self.last_deleted => {
                let missed = (!self.has_replaced).then(|| self.last_deleted - position.sequence);
                (Resume::Gap { missed }, self.last_deleted)
            }
            Start::After(position) => (Resume::Complete, position.sequence),
        };
        let due: Vec<_> = self.kept.iter().filter(|kept| kept.sequence > after).collect();
        let mut frames = Vec::new();
        let mut bytes = 0;
        for kept in &due {
            bytes += kept.frame.len();
            if !frames.is_empty() && (frames.len() == limit.events.get() || bytes > limit.bytes) {
                break;
            }
            frames.push(kept.frame.clone());
        }
        let more = frames.len() < due.len();
        let end = if more {
            due[frames.len() - 1].sequence
        } else {
            self.head
        };
        let position = |sequence| Position {
            epoch: self.epoch,
            sequence,
        };
        Answer {
            resume,
            start: position(after),
            frames,
            end: position(end),
            more,
        }
    }
}

fn age(at: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(at).unwrap_or_default()
}
