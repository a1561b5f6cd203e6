mod builder;

use std::{fmt, path::Path, sync::Arc, task::Waker, thread, time::SystemTime};

use sse_actix_core::{
    AppendError, Appended, Batch, Completion, DeleteError, Entry, Keep, Limit, Log, LogError, LogHealth,
    LogStats, Position, Record, Retention, Start, TopicName, Watch,
};
use tokio::sync::oneshot;

pub use self::builder::SqliteLogBuilder;
use crate::{
    cause::Cause,
    error::OpenError,
    file_lock::FileLock,
    file_readers::{self, FileReader},
    queue::{Admission, Append, Command, Delete, Permit},
    settings::Settings,
    shared::Shared,
    topic::{ReadAnswer, WaitingRead},
    writer::Writer,
};

/// A log in an SQLite file. Published events are kept when the process restarts, and clients resume without a gap.
///
/// Cloning gives another handle on the same log. Only one process has the file; the file is released when the process
/// ends, at [`close`](Self::close), or with the last handle.
///
/// - **Publishing** is done when the event is on disk: all waiting events are written and synced together. If the file
///   cannot be written, it fails with [`AppendError::Refused`]; if the outcome is unknown, with
///   [`AppendError::OutcomeUnknown`]. Both have the cause. If the caller stops waiting, the publish continues, unless
///   it still waits for room ([`publish_wait`](SqliteLogBuilder::publish_wait)).
/// - **Reading** is from memory, for readers that follow. Older events are read from the file, once for all readers
///   that wait for them.
/// - **When the disk is full**, or fails, streams stay open, and [`Log::health`] says that the log accepts no events;
///   if the disk fails, also that the log cannot be reached. It recovers by itself.
/// - **Retention** is exact for events in memory. The file may hold more: up to 1/16 of the limit, and at most 64
///   events.
///
/// ```
/// use sse_actix::Hub;
/// use sse_actix_sqlite::SqliteLog;
///
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("events.db");
/// let log = SqliteLog::open(&path)?;
/// let hub = Hub::builder().log(log.clone()).build()?;
/// let first = hub.topic("news").publish("one").await?;
/// log.close();
///
/// // After a restart:
/// let hub = Hub::builder().log(SqliteLog::open(&path)?).build()?;
/// let second = hub.topic("news").publish("two").await?;
/// assert_eq!(second.as_str(), first.as_str().replace("-1", "-2"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqliteLog(Arc<Handle>);

struct Handle(Arc<Shared>);

impl SqliteLog {
    /// Opens the log in this file with the defaults, or creates the file. If another process has the file, this thread
    /// waits for up to 60 s. See [`SqliteLog`]'s example.
    ///
    /// # Errors
    ///
    /// [`OpenError`], if the file cannot be opened, is in use, damaged, or not a log. The file is then unchanged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// Builds a log with other settings. See [`SqliteLogBuilder`]'s example.
    pub fn builder(path: impl AsRef<Path>) -> SqliteLogBuilder {
        SqliteLogBuilder::new(path.as_ref())
    }

    /// Releases the file, and waits until that is done: waiting events are written first. Later publishes and reads
    /// from the file are refused, also through other handles and hubs.
    ///
    /// A server calls it after its last request, so that the next process can continue. The end of the process does the
    /// same.
    ///
    /// ```
    /// use sse_actix::{Hub, PublishError};
    /// # use sse_actix_sqlite::SqliteLog;
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("events.db");
    /// let log = SqliteLog::open(&path)?;
    /// let hub = Hub::builder().log(log.clone()).build()?;
    /// log.close();
    /// assert!(matches!(hub.topic("news").publish("late").await, Err(PublishError::Append(_))));
    /// assert!(!hub.is_ready());
    /// # Ok(()) }
    /// ```
    pub fn close(&self) {
        self.0.0.queue.close();
        self.0.0.state.wait_until_closed();
    }

    pub(crate) fn start(mut settings: Settings) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        settings.path = std::path::absolute(&settings.path).map_err(failed)?;
        if let Ok(target) = settings.path.canonicalize() {
            settings.path = target;
        }
        let lock = FileLock::acquire(&settings.path, settings.open_wait)?;
        let shared = Arc::new(Shared::new(settings));
        let mut writer = Writer::open(Arc::clone(&shared), lock)?;
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(run)
        };
        // If a thread cannot be started, the writer is dropped, and the other threads end.
        for _ in 0..file_readers::THREADS {
            let file_reader = FileReader::new(Arc::clone(&shared));
            let thread = spawn("sse-sqlite-read", Box::new(|| file_reader.run()));
            writer.file_readers.push(thread.map_err(failed)?);
        }
        if !shared.settings.pending.wait.is_zero() {
            let queue = Arc::clone(&shared.queue);
            spawn("sse-sqlite-wait", Box::new(move || queue.refuse_late())).map_err(failed)?;
        }
        spawn("sse-sqlite-write", Box::new(|| writer.run())).map_err(failed)?;
        Ok(Self(Arc::new(Handle(shared))))
    }
}

impl Log for SqliteLog {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let (bytes, limit) = (Entry::weight_of(&record), retention.bytes());
        if bytes > limit {
            return Completion::ready(Err(AppendError::TooLarge { bytes, limit }));
        }
        if retention.keeps() == Keep::LatestPerKey && record.key_str().is_none() {
            return Completion::ready(Err(AppendError::NoKey));
        }
        let shared = &self.0.0;
        shared.clock.set(now);
        let once = record.idempotency_key().map_or(0, |key| key.as_str().len());
        let admission = shared.queue.enter(bytes + once);
        if let Admission::Refused(cause) = admission {
            return Completion::ready(Err(refused(cause)));
        }
        let topic = shared.topic(topic);
        topic.keep(retention);
        let (reply, answer) = oneshot::channel();
        let retention = retention.clone();
        let append = move |permit: Permit| {
            Command::Append(Append {
                topic,
                record,
                retention,
                now,
                reply,
                permit,
            })
        };
        let answered = async move { answer.await.unwrap_or_else(|_| Err(unknown())) };
        match admission {
            Admission::Open(permit) => match shared.queue.push(append(permit)) {
                Ok(()) => Completion::later(answered),
                Err(cause) => Completion::ready(Err(refused(cause))),
            },
            Admission::Waiting(admitted) => {
                let queue = Arc::clone(&shared.queue);
                Completion::later(async move {
                    let permit = admitted.await.unwrap_or(Err(Cause::Closed)).map_err(refused)?;
                    queue.push(append(permit)).map_err(refused)?;
                    answered.await
                })
            }
            Admission::Refused(cause) => Completion::ready(Err(refused(cause))),
        }
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let shared = &self.0.0;
        shared.clock.set(now);
        let topic = shared.topic(topic);
        if let Some(batch) = topic.read(shared.start(&topic, start, now), limit, now) {
            return Completion::ready(Ok(batch));
        }
        let shared = Arc::clone(shared);
        Completion::later(async move {
            loop {
                let (reply, answer) = oneshot::channel();
                let read = WaitingRead {
                    start,
                    limit,
                    now,
                    reply,
                };
                if topic.wait(read) {
                    shared.to_read.push(Arc::clone(&topic));
                }
                match answer.await {
                    Ok(Ok(ReadAnswer::Batch(batch))) => return Ok(batch),
                    Ok(Ok(ReadAnswer::InMemory)) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(LogError::new(shared.why_unanswered())),
                }
                if let Some(batch) = topic.read(shared.start(&topic, start, now), limit, now) {
                    return Ok(batch);
                }
            }
        })
    }

    fn delete(&self, topic: &TopicName, now: SystemTime) -> Completion<Result<(), DeleteError>> {
        let shared = &self.0.0;
        shared.clock.set(now);
        let (reply, answer) = oneshot::channel();
        let topic = shared.topic(topic);
        match shared.queue.push(Command::Delete(Delete { topic, now, reply })) {
            Ok(()) => Completion::later(async move {
                let closed = || DeleteError::OutcomeUnknown("the log was closed while it deleted".into());
                answer.await.unwrap_or_else(|_| Err(closed()))
            }),
            Err(cause) => Completion::ready(Err(DeleteError::Refused(cause.into()))),
        }
    }

    fn watch(&self, topic: &TopicName, waker: Waker, _: SystemTime) -> Watch {
        self.0.0.topic(topic).watchers.add(waker)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.0.0.known(topic)?.stats()
    }

    fn prepare(&self, topic: &TopicName, retention: &Retention) {
        self.0.0.topic(topic).keep(retention);
    }

    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        let topic = self.0.0.known(topic);
        topic.map_or(0, |topic| topic.behind(position))
    }

    fn health(&self) -> LogHealth {
        self.0.0.health()
    }

    fn maintain(&self, now: SystemTime) {
        self.0.0.clock.set(now);
    }
}

fn refused(cause: Cause) -> AppendError {
    AppendError::Refused(cause.into())
}

fn unknown() -> AppendError {
    AppendError::OutcomeUnknown("the log was closed while it wrote".into())
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

impl fmt::Debug for SqliteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLog")
            .field("path", &self.0.0.settings.path)
            .finish_non_exhaustive()
    }
}
