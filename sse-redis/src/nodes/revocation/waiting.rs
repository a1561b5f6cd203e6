//! Revocations that Redis does not have yet.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::Instant,
};

use tokio::sync::oneshot;

/// How many tags one message holds at most, and how many bytes of them.
const TAGS: usize = 1_000;
const BYTES: usize = 64 * 1024;

/// Revocations of this node, the oldest first: each tag once, however often it was revoked.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    order: VecDeque<String>,
    of: HashMap<String, Revoked>,
}

#[derive(Debug)]
pub(super) struct Revoked {
    /// The time of the latest revocation of this tag, which includes the earlier ones.
    pub(super) since: Instant,
    /// The callers that wait until Redis has it.
    pub(super) replies: Vec<oneshot::Sender<()>>,
}

impl Waiting {
    pub(super) fn push(&mut self, tag: String, revoked: Revoked) {
        match self.of.entry(tag) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.since = known.since.max(revoked.since);
                // Callers that do not wait any more are removed, so that they do not pile up.
                known.replies.retain(|reply| !reply.is_closed());
                known.replies.extend(revoked.replies);
            }
            Entry::Vacant(new) => {
                self.order.push_back(new.key().clone());
                new.insert(revoked);
            }
        }
    }

    /// Takes as many as one message holds.
    pub(super) fn take(&mut self) -> Vec<(String, Revoked)> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(tag) = self.order.front()
            && taken.len() < TAGS
            && (taken.is_empty() || bytes + tag.len() <= BYTES)
        {
            bytes += tag.len();
            taken.extend(self.order.pop_front().and_then(|tag| self.of.remove_entry(&tag)));
        }
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revoked() -> Revoked {
        Revoked {
            since: Instant::now(),
            replies: Vec::new(),
        }
    }

    #[test]
    fn a_tag_waits_once_however_often_it_is_revoked() {
        let mut waiting = Waiting::default();
        for tag in ["a", "b", "a"] {
            waiting.push(tag.to_owned(), revoked());
        }
        let [first, second] = <[_; 2]>::try_from(waiting.take()).unwrap();
        assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "b"));
        assert!(first.1.since > second.1.since, "the last time counts");
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_message_holds_so_much_at_most_and_one_at_least() {
        let mut waiting = Waiting::default();
        waiting.push("x".repeat(BYTES + 1), revoked());
        for n in 0..=TAGS {
            waiting.push(n.to_string(), revoked());
        }
        assert_eq!(waiting.take().len(), 1);
        assert_eq!(waiting.take().len(), TAGS);
        assert_eq!(waiting.take().len(), 1);
        assert!(waiting.take().is_empty());
    }
}
