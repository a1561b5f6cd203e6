//! The threads that read entries from the file that are not in memory: one at a time for each topic, for all waiting
//! readers.

use std::{sync::Arc, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, params};
use sse_actix_core::{Batch, Entry, Keep, KeptRange, Limit, LogError, Position, Start};

use crate::{
    blocks::{self, Block, BlockKey},
    cause::Cause,
    deleted, file,
    queue::Command,
    rows::{self, Range, millis},
    shared::Shared,
    topic::{Loaded, Older, ReadAnswer, Topic, WaitingRead},
    topic_row::TopicRow,
};

/// How many threads read.
pub(crate) const THREADS: usize = 2;

/// A topic that is read is noted as used, at most once in this time.
pub(crate) const USED: Duration = Duration::from_secs(3_600);

pub(crate) struct FileReader {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// Bytes that were loaded since the memory limits were last checked.
    loaded: usize,
}

impl FileReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connection: None,
            loaded: 0,
        }
    }

    /// Reads until the log is closed.
    pub(crate) fn run(mut self) {
        while let Some(topic) = self.shared.to_read.take() {
            let shared = Arc::clone(&self.shared);
            let served = shared.catch_panic(&topic, || self.serve_all(&topic));
            if served.is_none() {
                self.connection = None;
            }
            if self.loaded > self.shared.settings.memory.all / 8 {
                self.loaded = 0;
                drop(topic);
                self.shared.maintain_memory(self.shared.clock.now());
            }
        }
    }

    /// Serves all reads of a topic that wait.
    fn serve_all(&mut self, topic: &Arc<Topic>) {
        loop {
            let reads = topic.take_waiting();
            if reads.is_empty() {
                return;
            }
            self.serve(topic, reads);
        }
    }

    /// Serves these reads.
    fn serve(&mut self, topic: &Arc<Topic>, reads: Vec<WaitingRead>) {
        let mut reads = reads.into_iter();
        while let Some(read) = reads.next() {
            match self.answer(topic, &read) {
                Ok(answer) => {
                    // A reader that has stopped waiting does not need it.
                    let _ = read.reply.send(Ok(answer));
                }
                Err(cause) => {
                    // A new connection may work.
                    self.connection = None;
                    tracing::warn!(
                        target: "sse_actix", topic = topic.name.as_str(), error = cause.with_source(),
                        "the log cannot be read"
                    );
                    for read in [read].into_iter().chain(reads) {
                        let _ = read.reply.send(Err(LogError::new(cause.clone())));
                    }
                    return;
                }
            }
        }
    }

    /// The answer to a read.
    fn answer(&mut self, topic: &Arc<Topic>, read: &WaitingRead) -> Result<ReadAnswer, Cause> {
        let mut with_entries = !matches!(read.start, Start::Head);
        loop {
            let start = self.shared.start(topic, read.start, read.now);
            let here = topic.with_live(|live| (live.holds(start), live.has_recent_entries()));
            match here {
                Some((true, _)) => return Ok(ReadAnswer::InMemory),
                Some((false, true)) => break,
                Some((false, false)) => with_entries = true,
                None => {}
            }
            self.load(topic, with_entries, read)?;
        }
        let start = self.shared.start(topic, read.start, read.now);
        let older = topic.with_live(|live| Some((live.older(read.now)?, live.missing(start))));
        let Some((older, missing)) = older.flatten() else {
            return Ok(ReadAnswer::InMemory);
        };
        let Some(answer) = self.page(topic, (start, read.limit), older, missing)? else {
            // Another topic has this number by now.
            topic.forget();
            return self.answer(topic, read);
        };
        Ok(answer)
    }

    /// Loads the topic's newest entries.
    fn load(&mut self, topic: &Arc<Topic>, with_entries: bool, read: &WaitingRead) -> Result<(), Cause> {
        let memory = self.shared.settings.memory.topic;
        topic.begin_loading();
        self.shared.state.has_read();
        let loaded = self.connection().and_then(|connection| {
            // The transaction sees one state of the file.
            let snapshot = connection.unchecked_transaction()?;
            let renewed = deleted::epoch(&snapshot, &topic.name)?;
            let loaded = TopicRow::load(&snapshot, &topic.name)?.map(|topic_row| {
                let loaded = load(&snapshot, topic, &topic_row, with_entries, memory)?;
                let was_deleted = renewed.is_some();
                Ok::<_, Cause>((
                    Loaded {
                        was_deleted,
                        ..loaded
                    },
                    topic_row,
                ))
            });
            Ok((loaded.transpose()?, renewed))
        });
        match loaded {
            Ok((Some((loaded, topic_row)), _)) => {
                self.loaded += loaded
                    .entries
                    .iter()
                    .map(|entry| entry.frame().len())
                    .sum::<usize>();
                topic.install(Some(loaded), read.now);
                let unused = millis(self.shared.clock.now()).saturating_sub(topic_row.times.used);
                if u128::from(unused) > USED.as_millis() {
                    let _ = self.shared.queue.push(Command::Touch(Arc::clone(topic)));
                }
                Ok(())
            }
            Ok((None, renewed)) => {
                let epoch = renewed.unwrap_or_else(|| self.shared.unpublished.epoch(&topic.name));
                topic.install_absent((epoch, renewed.is_some()), memory);
                Ok(())
            }
            Err(cause) => {
                topic.install(None, read.now);
                Err(cause)
            }
        }
    }

    /// Reads entries that are older than those in memory; `None` if the topic in the file has changed.
    fn page(
        &mut self,
        topic: &Topic,
        (start, limit): (Start, Limit),
        mut older: Older,
        missing: usize,
    ) -> Result<Option<ReadAnswer>, Cause> {
        // The transaction sees one state of the file. So events that retention deletes meanwhile leave no hole.
        let shared = Arc::clone(&self.shared);
        let snapshot = self.connection()?.unchecked_transaction()?;
        let Some(last_deleted) = last_deleted(&snapshot, &older)? else {
            return Ok(None);
        };
        if last_deleted > older.kept_range.last_deleted {
            older.kept_range.last_deleted = last_deleted;
            topic.with_live(|live| live.deleted_in_file(last_deleted));
        }
        let after = match start {
            Start::Last(_) => before_last(&snapshot, &older, missing)?,
            _ => older.kept_range.after(start),
        };
        if after >= older.begin {
            return Ok(Some(ReadAnswer::InMemory));
        }
        let begin = Position {
            epoch: older.kept_range.epoch,
            sequence: after,
        };
        let mut batch = Batch {
            resume: older.kept_range.resume(start),
            start: begin,
            entries: Vec::new(),
            end: begin,
            // The entries in memory come after it.
            more: true,
        };
        while batch.entries.is_empty() && batch.end.sequence < older.begin {
            let index = batch.end.sequence / blocks::LENGTH;
            let block = block(&snapshot, &shared, &older, index)?;
            let end = older.begin.min((index + 1) * blocks::LENGTH);
            fill(&mut batch, &block, end, limit);
        }
        Ok(Some(ReadAnswer::Batch(batch)))
    }

    fn connection(&mut self) -> Result<&Connection, Cause> {
        let connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            self.shared.check_in_place()?;
            file::open_for_reading(&self.shared.settings.path)?
        };
        Ok(self.connection.insert(connection))
    }
}

/// The newest sequence that retention has deleted from the file, or is about to; `None` if the topic is not there.
fn last_deleted(connection: &Connection, older: &Older) -> Result<Option<u64>, Cause> {
    let sql = "SELECT floor FROM topics WHERE id = ?1 AND epoch = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let topic = params![older.number, older.kept_range.epoch.as_str()];
    let Some(last_deleted) = statement.query_row(topic, |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let range = Range {
        number: older.number,
        epoch: older.kept_range.epoch,
        after: rows::unsigned(last_deleted).max(older.kept_range.last_deleted),
        through: older.begin,
    };
    Ok(Some(range.last_before(connection, millis(older.cutoff))?))
}

/// A block of a topic's entries, without the entries that are in memory.
fn block(connection: &Connection, shared: &Shared, older: &Older, index: u64) -> Result<Block, Cause> {
    let KeptRange {
        epoch, contiguous, ..
    } = older.kept_range;
    let key = BlockKey { epoch, index };
    // If the sequences have holes, an entry of a cached block may have been replaced since.
    if contiguous && let Some(block) = shared.blocks.get(key) {
        return Ok(block);
    }
    let end = (index + 1) * blocks::LENGTH;
    let range = Range {
        number: older.number,
        epoch,
        after: index * blocks::LENGTH,
        through: end.min(older.begin),
    };
    shared.state.has_read();
    let entries = range.forward(connection)?;
    let block: Block = entries.into_iter().map(Arc::new).collect();
    // A block that reaches up to the entries in memory is not cached, because it will contain more entries later.
    if contiguous && end <= older.begin {
        shared.blocks.insert(key, Arc::clone(&block));
    }
    Ok(block)
}

/// The sequence before the last `n` entries that are older than those in memory.
fn before_last(connection: &Connection, older: &Older, missing: usize) -> Result<u64, Cause> {
    let last_deleted = older.kept_range.last_deleted;
    if older.kept_range.contiguous {
        return Ok(older.begin.saturating_sub(missing as u64).max(last_deleted));
    }
    let sql = "SELECT id FROM events WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        rows::id(older.number, last_deleted),
        rows::id(older.number, older.begin),
        rows::signed(missing as u64)
    ])?;
    let before = rows.next()?.map(|row| row.get(0)).transpose()?;
    Ok(before.map_or(last_deleted, rows::sequence))
}

/// Reads the newest entries of a topic. If `with_entries` is false, it reads only the topic's range of sequences.
fn load(
    connection: &Connection,
    topic: &Topic,
    topic_row: &TopicRow,
    with_entries: bool,
    memory: usize,
) -> Result<Loaded, Cause> {
    let range = Range {
        number: topic_row.number,
        epoch: topic_row.epoch,
        after: topic_row.last_deleted,
        through: topic_row.last,
    };
    let retention = topic.retention().unwrap_or_else(|| topic_row.retention.clone());
    // Sequences do not show which keys were replaced, so all entries of such a topic are loaded.
    let is_whole = retention.keeps() == Keep::LatestPerKey;
    let (entries, begin) = match (is_whole, with_entries) {
        (true, _) => (range.forward(connection)?, topic_row.last_deleted),
        (false, true) => range.newest(connection, memory)?,
        (false, false) => (Vec::new(), topic_row.last),
    };
    Ok(Loaded {
        number: Some(topic_row.number),
        kept_range: KeptRange {
            epoch: topic_row.epoch,
            last_deleted: topic_row.last_deleted,
            head: topic_row.last,
            contiguous: topic_row.is_dense,
        },
        retention,
        entries,
        begin,
        set_back: (rows::time(topic_row.times.set_back.0), topic_row.times.set_back.1),
        memory,
        has_recent_entries: is_whole || with_entries,
        was_deleted: false,
    })
}

/// Fills a batch with entries of a block, which ends after this sequence.
fn fill(batch: &mut Batch, block: &[Arc<Entry>], end: u64, limit: Limit) {
    let mut bytes = 0;
    let from = block.partition_point(|entry| entry.sequence() <= batch.end.sequence);
    for entry in block
        .iter()
        .skip(from)
        .take_while(|entry| entry.sequence() <= end)
    {
        bytes += entry.frame().len();
        let is_full = batch.entries.len() >= limit.events.get() || bytes > limit.bytes;
        if is_full && !batch.entries.is_empty() {
            return;
        }
        batch.end.sequence = entry.sequence();
        batch.entries.push(Arc::clone(entry));
    }
    batch.end.sequence = end;
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::SystemTime};

    use sse_actix_core::TopicName;
    use tokio::sync::oneshot;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn a_panic_of_a_reader_fails_its_reads_and_those_to_come_are_served() {
        let shared = Shared::new(Settings::new(PathBuf::from("events.db")));
        let topic = shared.topic(&TopicName::from_static("news"));
        let wait = || {
            let (reply, answer) = oneshot::channel();
            let read = WaitingRead {
                start: Start::Oldest,
                limit: Limit::DEFAULT,
                now: SystemTime::now(),
                reply,
            };
            (topic.wait(read), answer)
        };
        let (is_first, mut answer) = wait();
        assert!(is_first);
        let served = shared.catch_panic(&topic, || {
            topic.begin_loading();
            panic!("a reader panics");
        });
        assert_eq!(served, None);
        assert_eq!(
            answer.try_recv().unwrap_err(),
            oneshot::error::TryRecvError::Closed
        );
        assert_eq!(shared.health().interruptions, 1);
        assert_eq!(
            shared.why_unanswered().to_string(),
            "the log has panicked while it read; its panic message says why"
        );
        // The topic is given to a thread again.
        assert!(wait().0);
    }
}
