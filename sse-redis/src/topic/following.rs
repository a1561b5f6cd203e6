use std::collections::VecDeque;

use super::Topic;
use crate::entry::Stored;

/// The most bytes that are kept of entries that arrived before their predecessors.
const MAX_EARLY: usize = 256 * 1024;

/// Which session receives a topic's notices, and the notices that arrived early.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// The session that is subscribed to it, or is about to be; 0 if there is none.
    pub(super) session: u64,
    pub(super) is_subscribed: bool,
    /// Notices of entries after a hole, or before the head is known.
    pub(super) early: VecDeque<Stored>,
    early_bytes: usize,
}

impl Topic {
    /// Notes that this session is about to subscribe to the topic. Returns false if it already was.
    pub(crate) fn begins_following(&self, session: u64) -> bool {
        let mut state = self.state();
        let begins = state.following.session != session;
        if begins {
            state.following.session = session;
            state.following.is_subscribed = false;
            // Notices from now on may not follow the earlier ones.
            state.following.early.clear();
            state.following.early_bytes = 0;
            if let Some(live) = &mut state.live {
                live.without_events_since = None;
            }
        }
        begins
    }

    /// Notes that the subscription is confirmed. From now on, notices bring new entries, so the newest entry before
    /// them has to be looked up.
    pub(crate) fn is_followed(&self, session: u64) {
        let mut state = self.state();
        if state.following.session == session {
            state.following.is_subscribed = true;
            state.wants.newest_requests.request();
        }
    }

    /// Whether this session follows it.
    pub(crate) fn is_followed_in(&self, session: u64) -> bool {
        self.state().following.session == session
    }
}

impl Following {
    /// Keeps an entry that came early, if there is room.
    pub(super) fn hold(&mut self, stored: Stored) {
        let is_next = self.early.back().is_none_or(|newest| newest.id < stored.id);
        if is_next && self.early_bytes + stored.bytes <= MAX_EARLY {
            self.early_bytes += stored.bytes;
            self.early.push_back(stored);
        }
    }

    pub(super) fn recount(&mut self) {
        if self.early.is_empty() {
            self.early_bytes = 0;
        }
    }
}
