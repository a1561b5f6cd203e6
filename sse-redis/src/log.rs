mod builder;

use std::{fmt, sync::Arc, task::Waker, time::SystemTime};

use sse_actix_core::{
    AppendError, Appended, Batch, ClusterChannel, Completion, DeleteError, Keep, Limit, Log, LogError,
    LogHealth, LogStats, Position, Record, Retention, Start, TopicName, Watch,
};
use tokio::sync::{mpsc, oneshot};

pub use self::builder::RedisLogBuilder;
use crate::{
    error::ConnectError,
    settings::millis,
    shared::{Append, Command, Delete, Read, Shared},
};

/// A log on Redis Streams: an event that any node publishes reaches the subscribers on all nodes, and a client that
/// comes back to another node continues where it was.
///
/// A topic is a stream, `<prefix>:topic:{<tag>}:<name>`, with a tag made from the name. Redis keeps events
/// approximately according to the topic's [`Retention`]. A node whose streams read the topic also keeps events in its
/// own memory, exactly according to the retention.
///
/// Cloning gives another handle on the same log: give one to the hub, and use another to check whether Redis is
/// reachable ([`Log::health`]). The log has its own thread, which ends with the last handle.
///
/// - **Publishing** is done when Redis has answered. If the connection is cut before, or Redis has not answered in
///   [time](RedisLogBuilder::response_timeout), it fails with [`AppendError::OutcomeUnknown`]; the log never retries.
///   If there is no connection, it fails with [`AppendError::Refused`] at once, or after
///   [`publish_wait`](RedisLogBuilder::publish_wait). If the caller stops waiting, the publish continues.
/// - **[Idempotency keys](sse_actix_core::IdempotencyKey)** are stored in Redis, by the call that appends. So a
///   repetition is found on any node, and even if the first answer was lost. [`Log::stats`] has the values from the
///   last time that this node appended a key. The keys are in the memory of Redis, so these statistics say that they
///   take 0 bytes.
/// - **When Redis is away**, streams stay open and send keep-alives. A client that comes back gets the events that this
///   node still has, or waits. Once Redis is back, reading continues where it was.
/// - **When Redis has lost data**, all of it or only the newest events (a replica that lagged was made primary),
///   clients get a gap event.
///
/// ```no_run
/// use std::time::SystemTime;
/// use sse_actix_core::{Event, Log, Record, Retention, TopicName};
/// use sse_actix_redis::RedisLog;
///
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let log = RedisLog::connect("redis://127.0.0.1/").await?;
/// assert!(log.health().reachable);
///
/// let (topic, record) = (TopicName::from_static("news"), Record::event(&Event::data("hello"), None)?);
/// let appended = log.append(&topic, record, &Retention::new(), SystemTime::now()).await?;
/// assert!(!appended.repeated);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisLog(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

impl RedisLog {
    /// A log on this Redis, with the defaults.
    ///
    /// The address is `redis://`, or `rediss://` for TLS, then `user:password@` if there are any, host, port
    /// and database: `rediss://app:secret@redis.internal:6380/3`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], if the address is not valid, or Redis does not answer or cannot be used.
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        Self::builder(address).connect().await
    }

    /// Builds a log with other settings. See [`RedisLogBuilder`]'s example.
    pub fn builder(address: &str) -> RedisLogBuilder {
        RedisLogBuilder::new(address)
    }

    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::UnboundedSender<Command>) -> Self {
        Self(Arc::new(Handle { shared, commands }))
    }

    fn send<T, E>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
        gone: impl FnOnce() -> E + Send + 'static,
    ) -> Completion<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // The log's thread ends only after the last handle. If it ended earlier, the answer would be an error.
        let _ = self.0.commands.send(command(reply));
        Completion::later(async move { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}

impl Log for RedisLog {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        _now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let bytes = record.body().len();
        if bytes > retention.bytes() {
            let limit = retention.bytes();
            return Completion::ready(Err(AppendError::TooLarge { bytes, limit }));
        }
        if retention.keeps() == Keep::LatestPerKey && record.key_str().is_none() {
            return Completion::ready(Err(AppendError::NoKey));
        }
        let permit = match self.0.shared.reserve(bytes) {
            Ok(permit) => permit,
            Err(busy) => return Completion::ready(Err(AppendError::Refused(busy.into()))),
        };
        let (topic, retention) = (topic.clone(), retention.clone());
        self.send(
            |reply| {
                Command::Append(Append {
                    topic,
                    record,
                    retention,
                    permit,
                    reply,
                })
            },
            || AppendError::OutcomeUnknown("the log was closed".into()),
        )
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let topic = self.0.shared.topics.topic(topic);
        let ttl = millis(topic.keys_ttl(self.0.shared.settings.topic_ttl));
        if let Some(batch) = topic.read(start, limit, now, ttl, &mut None) {
            return Completion::ready(Ok(batch));
        }
        self.send(
            |reply| {
                Command::Read(Read {
                    topic,
                    start,
                    limit,
                    now,
                    reply,
                })
            },
            || LogError::new("the log was closed"),
        )
    }

    fn delete(&self, topic: &TopicName, _now: SystemTime) -> Completion<Result<(), DeleteError>> {
        let topic = topic.clone();
        self.send(
            |reply| Command::Delete(Delete { topic, reply }),
            || DeleteError::OutcomeUnknown("the log was closed".into()),
        )
    }

    fn watch(&self, topic: &TopicName, waker: Waker, _now: SystemTime) -> Watch {
        self.0.shared.topics.topic(topic).watchers.add(waker)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.0.shared.topics.known(topic.as_str())?.stats()
    }

    fn prepare(&self, topic: &TopicName, retention: &Retention) {
        self.0.shared.topics.topic(topic).keep(retention);
    }

    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        let topic = self.0.shared.topics.known(topic.as_str());
        topic.map_or(0, |topic| topic.behind(position))
    }

    fn fault(&self, topic: &TopicName) -> Option<String> {
        self.0.shared.topics.known(topic.as_str())?.fault()
    }

    fn health(&self) -> LogHealth {
        self.0.shared.health()
    }

    fn cluster(&self) -> Option<Arc<dyn ClusterChannel>> {
        Some(Arc::clone(&self.0.shared.nodes) as Arc<dyn ClusterChannel>)
    }
}

impl fmt::Debug for RedisLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLog")
            .field("address", &self.0.shared.settings.address)
            .field("prefix", &self.0.shared.settings.prefix)
            .finish_non_exhaustive()
    }
}
