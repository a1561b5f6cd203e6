//! The writer's maintenance: retention of unused topics, shrinking the file, and recovery.

use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, params};
use sse_actix_core::TopicName;

use super::{Failure, Writer, retention, transaction};
use crate::{
    cause::Cause,
    deleted,
    file_readers::USED,
    keys, rows,
    shared::Shared,
    topic_row::{self, Kept, TopicRow},
};

/// How many topics are looked at in one slice.
const SLICE: usize = 128;

/// How many chunks of events are deleted together: a commit then takes a few milliseconds.
const CHUNKS: usize = 8;

/// How long the writer rests between two slices, so that publishers wait for one slice at most.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the writer rests once it has looked at all topics.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Maintenance {
    /// The number of the topic that was looked at last; `None` before the first.
    looked_at: Option<i64>,
    /// The time of the next slice.
    next: Instant,
    /// The time at which rows of deleted topics are swept; `None` if there are none.
    pub(super) sweep: Option<Instant>,
}

/// A topic with work to do.
#[derive(Debug)]
struct Due {
    number: i64,
    name: TopicName,
}

impl Maintenance {
    pub(super) fn new() -> Self {
        Self {
            looked_at: None,
            next: Instant::now() + REST,
            sweep: None,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.rest().is_zero()
    }

    /// How long it rests.
    pub(super) fn rest(&self) -> Duration {
        let next = self.sweep.map_or(self.next, |sweep| sweep.min(self.next));
        next.saturating_duration_since(Instant::now())
    }

    /// Sweeps rows of deleted topics after this time.
    pub(super) fn sweep_after(&mut self, rest: Duration) {
        self.sweep = Some(Instant::now() + rest);
    }

    /// Whether it is time to sweep. That is noted as done.
    pub(super) fn take_sweep(&mut self) -> bool {
        let is_due = self.sweep.is_some_and(|sweep| sweep <= Instant::now());
        if is_due {
            self.sweep = None;
        }
        is_due
    }

    /// Makes the next slice due at once.
    pub(super) fn hurry(&mut self) {
        self.next = Instant::now();
    }
}

impl Writer {
    /// Does one slice of the maintenance.
    pub(super) fn maintain(&mut self) {
        if self.maintenance.take_sweep() {
            self.sweep();
        }
        if self.maintenance.next <= Instant::now() {
            self.maintain_topics();
        }
    }

    pub(super) fn maintain_topics(&mut self) {
        self.maintenance.next = Instant::now() + PAUSE;
        self.shared.state.measure(&self.shared.settings.path);
        if self.maintenance.looked_at.is_none() {
            self.shared.maintain_memory(self.shared.clock.now());
            self.shared.bound_keys();
        }
        if let Err(cause) = self.shared.check_in_place() {
            self.maintenance.looked_at = None;
            self.maintenance.next = Instant::now() + REST;
            return self.shared.state.failed(&cause);
        }
        if self.is_disk_full() {
            self.reserve.release();
        }
        if self.connection.is_none() {
            self.reopen();
        }
        let done = self.slice().and_then(|()| self.give_space_back());
        match done {
            Err(failure) => self.fail_maintenance(failure),
            // More is freed first.
            Ok(true) if self.is_disk_full() => self.maintenance.next = Instant::now() + PAUSE,
            // Only after a whole round, everything that can be deleted was deleted.
            Ok(_) if self.maintenance.looked_at.is_none() && self.shared.state.fault().is_some() => {
                self.recover();
            }
            Ok(_) => {}
        }
    }

    pub(super) fn fail_maintenance(&mut self, failure: Failure) {
        let (Failure::Refused(cause) | Failure::Unknown(cause)) = failure;
        let is_broken = !matches!(cause, Cause::DiskFull);
        self.shared.state.failed(&self.explain(cause));
        if !is_broken {
            self.reuse_wal();
        }
        self.maintenance.looked_at = None;
        self.maintenance.next = Instant::now() + REST;
        if is_broken {
            self.connection = None;
        }
    }

    /// Deletes old events of some topics, and topics that are too old.
    fn slice(&mut self) -> Result<(), Failure> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let now = self.shared.clock.now();
        let unpublished = &self.shared.unpublished;
        if unpublished.is_due(rows::millis(now)) {
            transaction(connection, |connection| {
                Ok(unpublished.renew(connection, rows::millis(now))?)
            })?;
        }
        let ttl = self.shared.settings.topic_ttl;
        let forgotten = rows::millis(now).saturating_sub(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        if deleted::has_older(connection, forgotten).map_err(|error| Failure::Refused(error.into()))? {
            transaction(connection, |connection| {
                Ok(deleted::forget_older(connection, forgotten)?)
            })?;
        }
        let after = self.maintenance.looked_at.unwrap_or(-1);
        let (due, mut looked_at) =
            due(connection, &self.shared, after, now, ttl).map_err(|error| Failure::Refused(error.into()))?;
        let mut chunks = CHUNKS;
        let mut freed = Vec::new();
        if !due.is_empty() {
            let (shared, looked_at) = (&self.shared, &mut looked_at);
            let done = transaction(connection, |connection| {
                for topic in &due {
                    if work(connection, shared, topic, (now, ttl), &mut chunks)? {
                        freed.push(topic);
                    }
                    if chunks == 0 {
                        // The next slice continues with this topic.
                        *looked_at = Some(topic.number - 1);
                        break;
                    }
                }
                Ok(())
            });
            if done.is_err() {
                // The rows in memory have changes that are not in the file.
                for topic in due.iter().filter_map(|due| shared.known(&due.name)) {
                    *topic.row() = None;
                }
            }
            done?;
        }
        for deleted in freed {
            self.free_from = self.free_from.min(deleted.number);
            // A reader has come back to it meanwhile, and has read entries that do not exist any more.
            if let Some(topic) = self.shared.known(&deleted.name) {
                topic.forget();
                topic.watchers.wake();
            }
        }
        self.maintenance.looked_at = looked_at;
        if looked_at.is_none() {
            self.maintenance.next = Instant::now() + REST;
        }
        Ok(())
    }
}

/// Looks at the topics after a number. Returns those that have work, and the number of the last topic that was looked
/// at; `None` instead of this number once all topics were looked at.
fn due(
    connection: &Connection,
    shared: &Shared,
    after: i64,
    now: SystemTime,
    ttl: Duration,
) -> rusqlite::Result<(Vec<Due>, Option<i64>)> {
    let sql = "SELECT id, name, max_age, max(used_at, newest_at), set_back_to,
        (SELECT at FROM events WHERE events.id > topics.id << 40 AND events.id < (topics.id + 1) << 40
            ORDER BY events.id LIMIT 1),
        once_age,
        (SELECT at FROM once WHERE once.id > topics.id << 40 AND once.id < (topics.id + 1) << 40
            ORDER BY once.id LIMIT 1),
        keeps_latest, max_events, max_bytes, max_age, once_age, once_keys, events, bytes
        FROM topics WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, rows::signed(SLICE as u64)])?;
    let now = rows::millis(now);
    let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let used = u64::try_from(USED.as_millis()).unwrap_or(u64::MAX);
    let (mut due, mut looked_at, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        looked_at += 1;
        last = Some(number);
        let name: String = row.get(1)?;
        let (max_age, used_at) = (rows::unsigned(row.get(2)?), rows::unsigned(row.get(3)?));
        let set_back_to = Some(rows::unsigned(row.get(4)?)).filter(|to| *to > 0);
        let oldest = row.get::<_, Option<i64>>(5)?.map(rows::unsigned);
        let Ok(name) = TopicName::try_from(name) else {
            continue;
        };
        let once_age = rows::unsigned(row.get(6)?);
        let oldest_key = row.get::<_, Option<i64>>(7)?.map(rows::unsigned);
        let is_forgotten = oldest_key.is_some_and(|at| at < now.saturating_sub(once_age));
        let is_old = |at: u64| at.min(set_back_to.unwrap_or(at)) < now.saturating_sub(max_age);
        let is_unused = used_at < now.saturating_sub(ttl.max(max_age)) && oldest_key.is_none();
        let is_noted = used_at >= now.saturating_sub(used);
        let has_work = oldest.is_some_and(is_old) || is_forgotten || oldest.is_none() && is_unused;
        let known = shared.known(&name);
        // A hub may have given it another retention, and perhaps nobody publishes to it.
        let stored = topic_row::retention_of(row, 8)?;
        let kept = Kept {
            events: rows::unsigned(row.get(14)?),
            bytes: rows::unsigned(row.get(15)?),
            oldest_at: None,
        };
        let is_beyond = retention::is_beyond(&kept, &stored);
        let wanted = known.as_ref().and_then(|topic| topic.retention());
        let is_changed = wanted.is_some_and(|wanted| !topic_row::is_stored_as(&wanted, &stored));
        if has_work || is_beyond || is_changed || !is_noted && known.is_some() {
            due.push(Due { number, name });
        }
    }
    Ok((due, last.filter(|_| looked_at == SLICE)))
}

/// Does the work of a topic; `true` if the topic was deleted.
fn work(
    connection: &Connection,
    shared: &Shared,
    due: &Due,
    (now, ttl): (SystemTime, Duration),
    chunks: &mut usize,
) -> Result<bool, Cause> {
    let topic = shared.known(&due.name);
    let mut guard = topic.as_ref().map(|topic| topic.row());
    let mut loaded = None;
    let slot = guard.as_deref_mut().unwrap_or(&mut loaded);
    if slot.is_none() {
        *slot = TopicRow::load(connection, &due.name)?;
    }
    let Some(topic_row) = slot else { return Ok(false) };
    let retention = topic.as_ref().and_then(|topic| topic.retention());
    if let Some(retention) = retention.filter(|retention| *retention != topic_row.retention) {
        retention::change(connection, topic_row, &retention)?;
    }
    while *chunks > 0 && retention::trim(connection, topic_row, now)? {
        *chunks -= 1;
    }
    let window = topic_row.retention.once_window();
    let number = topic_row.number;
    if let Some(keys) = &mut topic_row.keys {
        keys.forget_old(window, now);
        keys.delete_forgotten(connection, rows::id(number, 0))?;
    } else {
        while *chunks > 0 && keys::delete_old(connection, number, window.age(), now)? {
            *chunks -= 1;
        }
    }
    if let Some(topic) = &topic {
        if topic.is_read() {
            topic_row.save(connection, now)?;
        }
        return Ok(false);
    }
    let unused = rows::millis(now).saturating_sub(topic_row.times.used.max(topic_row.times.newest));
    let is_unused = u128::from(unused) > ttl.max(topic_row.retention.age()).as_millis();
    if topic_row.kept.events > 0 || !is_unused {
        return Ok(false);
    }
    if topic_row.epoch == shared.unpublished.epoch(&due.name) {
        // Otherwise the topic would begin again in the same epoch.
        shared.unpublished.renew(connection, rows::millis(now))?;
    }
    deleted::forget(connection, &due.name)?;
    let sql = "DELETE FROM topics WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.execute([topic_row.number])? > 0)
}
