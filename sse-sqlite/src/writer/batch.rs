//! The events of one transaction.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use rusqlite::Connection;
use sse_actix_core::{AppendError, Appended, DeleteError, Entry, Keep, Position, Retention};
use tokio::sync::oneshot;

use super::{Failure, delete, retention};
use crate::{
    cause::Cause,
    deleted,
    queue::{Append, Command, Delete, Permit},
    rows::{self, MAX_NUMBER, MAX_SEQUENCE},
    shared::Shared,
    topic::{Committed, Topic},
    topic_row::{self, TopicRow, TopicRowState},
};

#[derive(Debug, Default)]
pub(super) struct Batch {
    commands: Vec<Command>,
    /// The topics that it has changed.
    changed: Vec<Changed>,
    by_topic: HashMap<*const Topic, usize>,
    answers: Vec<Answer>,
    deleted: Vec<Delete>,
}

#[derive(Debug)]
struct Changed {
    topic: Arc<Topic>,
    /// True if the topic was deleted in this transaction. The other fields are then of its new epoch.
    is_deleted: bool,
    entries: Vec<Arc<Entry>>,
    /// `None` until something was written.
    row: Option<TopicRowState>,
    now: SystemTime,
}

/// The answer to a publisher once the transaction has ended.
#[derive(Debug)]
struct Answer {
    /// The position, or the reason why the event is not in the transaction.
    outcome: Result<Appended, Cause>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
    permit: Permit,
}

impl Batch {
    pub(super) fn new(commands: Vec<Command>) -> Self {
        Self {
            commands,
            ..Self::default()
        }
    }

    /// Writes everything. Fails if nothing more can be written. If something is wrong with one event, only that event
    /// is left out.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        shared: &Shared,
        free_from: &mut i64,
    ) -> Result<(), Cause> {
        let mut commands = std::mem::take(&mut self.commands).into_iter();
        while let Some(command) = commands.next() {
            let written = match command {
                Command::Append(append) => self.append(connection, (shared, free_from), append),
                Command::Touch(topic) => touch(connection, &topic, shared.clock.now()),
                Command::Delete(delete) => self.delete(connection, delete),
            };
            if let Err(cause) = written {
                self.commands = commands.collect();
                return Err(cause);
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        connection: &Connection,
        (shared, free_from): (&Shared, &mut i64),
        append: Append,
    ) -> Result<(), Cause> {
        let Append {
            topic,
            record,
            retention,
            now,
            reply,
            permit,
        } = append;
        let mut guard = topic.row();
        let outcome = with_row(
            connection,
            (shared, free_from),
            &topic,
            &mut guard,
            &retention,
            now,
        )
        .and_then(|topic_row| {
            if topic_row.last >= MAX_SEQUENCE {
                return Err(Cause::OutOfSequences);
            }
            if topic_row.retention != retention {
                retention::change(connection, topic_row, &retention)?;
            }
            let window = retention.once_window();
            let key = record.idempotency_key().cloned();
            if let Some(key) = &key
                && let Some(sequence) = topic_row.keys(connection)?.find(key, window, now)
            {
                let position = Position {
                    epoch: topic_row.epoch,
                    sequence,
                };
                return Ok((repeated(position), None, topic_row.state()));
            }
            topic_row.lower_later_times(now);
            let position = Position {
                epoch: topic_row.epoch,
                sequence: topic_row.last + 1,
            };
            // The times of a topic never go back.
            let at = rows::time(rows::millis(now).max(topic_row.times.newest));
            let entry = Arc::new(Entry::new(position, record, at));
            if let Some(key) = entry.key()
                && retention.keeps() == Keep::LatestPerKey
            {
                retention::replace(connection, topic_row, key)?;
            }
            rows::insert(connection, topic_row.number, &entry)?;
            topic_row.appended(connection, &entry, now)?;
            if let Some(key) = key {
                let id = rows::id(topic_row.number, entry.sequence());
                let keys = topic_row.keys(connection)?;
                keys.insert(connection, id, key, window, now)?;
            }
            retention::trim(connection, topic_row, now)?;
            Ok((first(position), Some(entry), topic_row.state()))
        });
        drop(guard);
        let (outcome, cause) = match outcome {
            Ok((appended, entry, row)) => {
                self.note(&topic, entry, row, now);
                (Ok(appended), None)
            }
            Err(cause) => {
                let ends = matches!(cause, Cause::Sqlite(_) | Cause::DiskFull);
                // The topic is noted, so that its row is forgotten if the transaction fails.
                self.changed_entry(&topic, now);
                (Err(cause.clone()), ends.then_some(cause))
            }
        };
        self.answers.push(Answer {
            outcome,
            reply,
            permit,
        });
        cause.map_or(Ok(()), Err)
    }

    /// Deletes a topic. Events that were appended to it in this transaction are deleted, too.
    fn delete(&mut self, connection: &Connection, delete: Delete) -> Result<(), Cause> {
        let (topic, now) = (Arc::clone(&delete.topic), delete.now);
        self.deleted.push(delete);
        let is_deleted = delete::topic(connection, &topic.name, &mut topic.row(), rows::millis(now))?;
        if !is_deleted {
            return Ok(());
        }
        // The topic's memory is of the epoch that ends here, even if that epoch began in this transaction.
        topic.forget();
        if let Some(changed) = self.changed_entry(&topic, now) {
            changed.is_deleted = true;
            changed.entries.clear();
            changed.row = None;
        }
        Ok(())
    }

    fn changed_entry(&mut self, topic: &Arc<Topic>, now: SystemTime) -> Option<&mut Changed> {
        let slot = *self.by_topic.entry(Arc::as_ptr(topic)).or_insert_with(|| {
            self.changed.push(Changed {
                topic: Arc::clone(topic),
                is_deleted: false,
                entries: Vec::new(),
                row: None,
                now,
            });
            self.changed.len() - 1
        });
        self.changed.get_mut(slot)
    }

    fn note(&mut self, topic: &Arc<Topic>, entry: Option<Arc<Entry>>, row: TopicRowState, now: SystemTime) {
        if let Some(changed) = self.changed_entry(topic, now) {
            changed.entries.extend(entry);
            changed.row = Some(row);
            changed.now = now;
        }
    }

    /// Whether a topic was deleted, or was not there.
    pub(super) fn has_deleted(&self) -> bool {
        !self.deleted.is_empty()
    }

    /// Takes out the topics that are to be deleted.
    pub(super) fn take_deletes(&mut self) -> Vec<Command> {
        let is_delete = |command: &mut Command| matches!(command, Command::Delete(_));
        let written = self.deleted.drain(..).map(Command::Delete);
        written.chain(self.commands.extract_if(.., is_delete)).collect()
    }

    /// The topics that it has changed.
    pub(super) fn topics(&self) -> impl Iterator<Item = Arc<Topic>> {
        self.changed.iter().map(|changed| Arc::clone(&changed.topic))
    }

    /// Forgets the rows in memory, because their changes are not in the file.
    pub(super) fn forget_heads(&self) {
        for topic in self.topics() {
            *topic.row() = None;
        }
    }

    /// The batch is on disk: shows it to readers, and then answers the publishers.
    pub(super) fn succeeded(self) {
        for changed in self.changed {
            if changed.is_deleted {
                changed.topic.forget();
                changed.topic.watchers.wake();
            }
            let Some(row) = changed.row.filter(|_| !changed.entries.is_empty()) else {
                continue;
            };
            changed.topic.committed(Committed {
                entries: changed.entries,
                row,
                now: changed.now,
            });
            changed.topic.watchers.wake();
        }
        for answer in self.answers {
            let outcome = answer.outcome.map_err(|cause| AppendError::Refused(cause.into()));
            drop(answer.permit);
            // A publisher that has stopped waiting does not need it.
            let _ = answer.reply.send(outcome);
        }
        for delete in self.deleted {
            let _ = delete.reply.send(Ok(()));
        }
    }

    /// The batch is not on disk, or this is unknown: answers the publishers with the failure.
    pub(super) fn failed(self, failure: &Failure) {
        let error = || match failure {
            Failure::Refused(cause) => AppendError::Refused(cause.clone().into()),
            Failure::Unknown(cause) => AppendError::OutcomeUnknown(cause.clone().into()),
        };
        for answer in self.answers {
            drop(answer.permit);
            let _ = answer.reply.send(Err(match answer.outcome {
                Ok(_) => error(),
                Err(cause) => AppendError::Refused(cause.into()),
            }));
        }
        let mut deleted = self.deleted;
        for command in self.commands {
            match command {
                Command::Append(append) => _ = append.reply.send(Err(error())),
                Command::Touch(_) => {}
                Command::Delete(delete) => deleted.push(delete),
            }
        }
        for delete in deleted {
            let _ = delete.reply.send(Err(match failure {
                Failure::Refused(cause) => DeleteError::Refused(cause.clone().into()),
                Failure::Unknown(cause) => DeleteError::OutcomeUnknown(cause.clone().into()),
            }));
        }
    }
}

fn first(position: Position) -> Appended {
    Appended {
        position,
        repeated: false,
    }
}

fn repeated(position: Position) -> Appended {
    Appended {
        position,
        repeated: true,
    }
}

/// The row of a topic, which is created if it is new.
fn with_row<'a>(
    connection: &Connection,
    (shared, free_from): (&Shared, &mut i64),
    topic: &Topic,
    guard: &'a mut Option<TopicRow>,
    retention: &Retention,
    now: SystemTime,
) -> Result<&'a mut TopicRow, Cause> {
    if guard.is_none() {
        *guard = TopicRow::load(connection, &topic.name)?;
    }
    if let Some(topic_row) = guard {
        return Ok(topic_row);
    }
    let number = topic_row::free_number(connection, *free_from)?;
    // If no number is free, this is remembered until one is freed.
    *free_from = number;
    if number > MAX_NUMBER {
        return Err(Cause::OutOfTopics);
    }
    // If the topic was not deleted, its readers may already know its earlier epoch; then it gets that one.
    let epoch = match deleted::epoch(connection, &topic.name)? {
        Some(renewed) => renewed,
        None => topic
            .absent_epoch()
            .unwrap_or_else(|| shared.unpublished.epoch(&topic.name)),
    };
    let topic_row = TopicRow::create(connection, &topic.name, (number, epoch), retention, now)?;
    *free_from = number + 1;
    Ok(guard.insert(topic_row))
}

/// Notes that a topic is read.
fn touch(connection: &Connection, topic: &Topic, now: SystemTime) -> Result<(), Cause> {
    let mut guard = topic.row();
    if guard.is_none() {
        *guard = TopicRow::load(connection, &topic.name)?;
    }
    if let Some(topic_row) = &mut *guard {
        topic_row.save(connection, now)?;
    }
    Ok(())
}
