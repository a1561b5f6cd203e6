use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

use super::Hearing;
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
    /// The groups of topics that it is for.
    pub(crate) groups: Vec<u16>,
    pub(crate) hearing: Arc<Hearing>,
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
        groups: Vec<u16>,
        hearing: Arc<Hearing>,
    ) -> Rc<Self> {
        Rc::new(Self {
            number,
            publishing,
            subscribed,
            primary: RefCell::new(primary),
            groups,
            hearing,
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
        self.why.take().unwrap_or(Fault::Lost)
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
        let asked = fastrand::u64(..).to_string();
        let mut ping = redis::cmd("PING");
        ping.arg(&asked);
        tokio::select! {
            answer = ping.query_async::<String>(&mut connection) => {
                let fault = match answer {
                    Ok(answer) if answer == asked => None,
                    Ok(_) => Some(Fault::UnknownForm("PING")),
                    Err(error) => Some(Fault::Redis(error)),
                };
                let is_answered = fault.is_none();
                if let Some(fault) = fault.filter(|_| !self.hearing.is_cut()) {
                    self.end(fault);
                }
                is_answered && !self.is_over() && !self.hearing.is_cut()
            }
            () = self.ended() => false,
        }
    }
}
