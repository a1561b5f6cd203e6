use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use redis::{Value, aio::MultiplexedConnection};
use tokio::{sync::Notify, time::timeout};

use crate::fault::Fault;

/// The connections to one primary, as long as this node receives what is published there.
pub(crate) struct Session {
    pub(crate) number: u64,
    /// For appends, heartbeats, revocations and presence.
    pub(crate) publishing: MultiplexedConnection,
    /// The connection on which notices arrive.
    pub(crate) subscribed: MultiplexedConnection,
    /// The primary's identity, as far as it is known.
    pub(crate) primary: RefCell<String>,
    is_over: Cell<bool>,
    why: RefCell<Option<Fault>>,
    ending: Notify,
}

impl Session {
    pub(crate) fn new(
        number: u64,
        publishing: MultiplexedConnection,
        subscribed: MultiplexedConnection,
        primary: String,
    ) -> Rc<Self> {
        Rc::new(Self {
            number,
            publishing,
            subscribed,
            primary: RefCell::new(primary),
            is_over: Cell::new(false),
            why: RefCell::new(None),
            ending: Notify::new(),
        })
    }

    /// Ends the session, because its connections are lost.
    pub(crate) fn end(&self, fault: Fault) {
        if !self.is_over.replace(true) {
            self.why.replace(Some(fault));
        }
        self.ending.notify_waiters();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Waits until it has ended, and says why.
    pub(crate) async fn over(&self) -> Fault {
        self.ended().await;
        self.why.take().unwrap_or(Fault::Unexpected)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let ending = self.ending.notified();
            if self.is_over.get() {
                return;
            }
            ending.await;
        }
    }

    /// Waits until every notice that was published before this call was received, because an answer from another
    /// connection must not overtake a revocation. Returns false if the session ends before.
    pub(crate) async fn fence(&self) -> bool {
        let mut connection = self.subscribed.clone();
        let ping = redis::cmd("PING");
        tokio::select! {
            answer = ping.query_async::<Value>(&mut connection) => answer.is_ok() && !self.is_over(),
            () = self.ended() => false,
        }
    }
}

/// The current session.
#[derive(Default)]
pub(crate) struct Sessions {
    current: RefCell<Option<Rc<Session>>>,
    count: Cell<u64>,
    changed: Notify,
}

impl Sessions {
    /// The number of the next session.
    pub(crate) fn next(&self) -> u64 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    pub(crate) fn begin(&self, session: &Rc<Session>) {
        self.current.replace(Some(Rc::clone(session)));
        self.changed.notify_waiters();
    }

    pub(crate) fn clear(&self) {
        self.current.replace(None);
    }

    /// The session, if there is one.
    pub(crate) fn get(&self) -> Option<Rc<Session>> {
        self.current.borrow().clone().filter(|session| !session.is_over())
    }

    /// The session, as soon as there is one.
    pub(crate) async fn wait(&self) -> Rc<Session> {
        loop {
            let changed = self.changed.notified();
            if let Some(session) = self.get() {
                return session;
            }
            changed.await;
        }
    }

    /// The session, if there is one within a time.
    pub(crate) async fn wait_for(&self, limit: Duration) -> Option<Rc<Session>> {
        match self.get() {
            Some(session) => Some(session),
            None if limit.is_zero() => None,
            None => timeout(limit, self.wait()).await.ok(),
        }
    }
}
