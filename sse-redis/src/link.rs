//! The connection for everything but waiting: appends and looks, many on their way at once.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::driver::{Shared, Side};

/// How long after a failure it is tried again: doubled each time, up to the longest, and less at random.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

pub(crate) struct Link {
    shared: Arc<Shared>,
    client: Client,
    connection: RefCell<Option<MultiplexedConnection>>,
    /// Counts connections, so that who reports a broken one does not break the next.
    generation: Cell<u64>,
    changed: Notify,
}

/// A connection, and which.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) generation: u64,
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>, client: Client, first: MultiplexedConnection) -> Rc<Self> {
        Rc::new(Self {
            shared,
            client,
            connection: RefCell::new(Some(first)),
            generation: Cell::new(0),
            changed: Notify::new(),
        })
    }

    /// The connection, if there is one.
    pub(crate) fn get(&self) -> Option<Linked> {
        let connection = self.connection.borrow().clone()?;
        Some(Linked {
            connection,
            generation: self.generation.get(),
        })
    }

    /// The connection, as soon as there is one.
    pub(crate) async fn wait(&self) -> Linked {
        loop {
            let changed = self.changed.notified();
            if let Some(linked) = self.get() {
                return linked;
            }
            changed.await;
        }
    }

    /// The connection, if there is one within a time.
    pub(crate) async fn wait_for(&self, limit: Duration) -> Option<Linked> {
        match self.get() {
            Some(linked) => Some(linked),
            None if limit.is_zero() => None,
            None => timeout(limit, self.wait()).await.ok(),
        }
    }

    /// A call has failed: if that says that the connection is of no use any more, there will be another.
    pub(crate) fn failed(&self, generation: u64, error: &RedisError) {
        if is_of_connection(error) || is_of_replica(error) {
            self.broken(generation, error);
        }
    }

    pub(crate) fn broken(&self, generation: u64, why: &dyn std::fmt::Display) {
        if generation == self.generation.get() && self.connection.take().is_some() {
            self.shared.lost(Side::Link, why);
            self.changed.notify_waiters();
        }
    }

    /// A connection of one's own.
    pub(crate) async fn connect(
        &self,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        connect(
            &self.client,
            self.shared.settings.connect_timeout,
            response_timeout,
        )
        .await
    }

    /// Connects again whenever it is necessary. Does not end.
    pub(crate) async fn keep(self: Rc<Self>) {
        let mut pause = SHORTEST;
        loop {
            let changed = self.changed.notified();
            if self.connection.borrow().is_some() {
                changed.await;
                pause = SHORTEST;
                continue;
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST);
            match self.connect(self.shared.settings.response_timeout).await {
                Ok(connection) => {
                    self.generation.set(self.generation.get() + 1);
                    self.connection.replace(Some(connection));
                    self.shared.found(Side::Link);
                    self.changed.notify_waiters();
                }
                Err(error) => tracing::debug!(target: "sse_actix", %error, "Redis does not answer"),
            }
        }
    }
}

/// A pause between attempts of who has a connection of its own.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(SHORTEST)
    }

    pub(crate) fn reset(&mut self) {
        self.0 = SHORTEST;
    }

    pub(crate) async fn pause(&mut self) {
        sleep(self.0.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}

/// Whether an error says that the connection is of no use, rather than that Redis did not like what it was asked.
pub(crate) fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// Whether an error says that at the other end is a replica, as after a change of primaries: the address may lead to
/// another one by now.
fn is_of_replica(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "MASTERDOWN"))
}

pub(crate) async fn connect(
    client: &Client,
    connect_timeout: Duration,
    response_timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(Some(response_timeout));
    client.get_multiplexed_async_connection_with_config(&config).await
}
