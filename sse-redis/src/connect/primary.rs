use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{Connector, Session};

/// A primary, and the current session with it.
pub(crate) struct Primary {
    /// Its address.
    pub(crate) node: String,
    pub(crate) connector: Connector,
    /// The groups of topics that it holds.
    groups: RefCell<Vec<u16>>,
    current: RefCell<Option<Rc<Session>>>,
    changed: Notify,
    renewal: Notify,
    shared: Rc<Signals>,
}

/// What all primaries share.
#[derive(Default)]
pub(super) struct Signals {
    /// How many sessions there have been.
    sessions: Cell<u64>,
    /// Notified when the owners may have changed.
    pub(super) owners_requests: Notify,
}

impl Primary {
    pub(super) fn new(node: String, connector: Connector, groups: Vec<u16>, shared: Rc<Signals>) -> Rc<Self> {
        Rc::new(Self {
            node,
            connector,
            groups: RefCell::new(groups),
            current: RefCell::new(None),
            changed: Notify::new(),
            renewal: Notify::new(),
            shared,
        })
    }

    pub(crate) fn groups(&self) -> Vec<u16> {
        self.groups.borrow().clone()
    }

    /// Sets the groups that it holds from now on. If its session is for other groups, or was cut, requests another
    /// session.
    pub(super) fn set_groups(&self, groups: Vec<u16>) {
        let is_changed = *self.groups.borrow() != groups;
        self.groups.replace(groups);
        if is_changed || self.get().is_some_and(|session| session.hearing.is_cut()) {
            self.renewal.notify_one();
        }
    }

    /// Waits until another session is needed.
    pub(crate) async fn renewal(&self) {
        loop {
            self.renewal.notified().await;
            // A session that has begun since then may be for the right groups.
            let session = self.get();
            if session
                .is_none_or(|session| session.groups != *self.groups.borrow() || session.hearing.is_cut())
            {
                return;
            }
        }
    }

    /// Requests the owners again, because they may have changed.
    pub(crate) fn request_owners(&self) {
        self.shared.owners_requests.notify_one();
    }

    /// The number of the next session.
    pub(crate) fn next_session_number(&self) -> u64 {
        self.shared.sessions.set(self.shared.sessions.get() + 1);
        self.shared.sessions.get()
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

    /// The session, if there is one within `limit`.
    pub(crate) async fn wait_for(&self, limit: Duration) -> Option<Rc<Session>> {
        match self.get() {
            Some(session) => Some(session),
            None if limit.is_zero() => None,
            None => timeout(limit, self.wait()).await.ok(),
        }
    }
}
