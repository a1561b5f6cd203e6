//! The streams of each tag, open or only admitted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sse_actix_core::Retry;
use tokio::time::Instant;

use crate::lifecycle::control::{StreamControl, WeakControl};

#[derive(Clone, Default)]
pub(in crate::hub) struct TagIndex(Arc<Mutex<ByTag>>);

/// A tag's streams are ended in the order in which they came.
type ByTag = HashMap<Box<str>, BTreeMap<u64, TaggedStream>>;

struct TaggedStream {
    control: WeakControl,
    at: Instant,
}

impl TagIndex {
    /// Ties a stream to a tag, until the stream and its request are gone.
    pub(in crate::hub) fn admit(&self, control: &StreamControl, tag: Box<str>) {
        let is_known = |of: &BTreeMap<_, _>| of.contains_key(&control.id());
        if self.lock().get(&tag).is_some_and(is_known) {
            return;
        }
        let admitted = TaggedStream {
            control: control.downgrade(),
            at: Instant::now(),
        };
        self.lock()
            .entry(tag.clone())
            .or_default()
            .insert(control.id(), admitted);
        let admission = TagGuard {
            tags: self.clone(),
            tag: tag.clone(),
            stream: control.id(),
        };
        control.add_tag(tag, Some(Box::new(admission)));
    }

    /// Permanently ends every stream with this tag.
    pub(in crate::hub) fn revoke(&self, tag: &str) -> usize {
        let streams = self.of_tag(tag);
        for (control, _) in &streams {
            control.revoke();
        }
        streams.len()
    }

    /// Ends every stream with this tag. Streams that were admitted longer ago than `within` end permanently. The others
    /// may belong to a later log-in, so their clients reconnect. A node that does not know
    /// whether a revocation has arrived sends it again, so this returns the number of streams that had not been ended
    /// before.
    pub(in crate::hub) fn revoke_older(&self, tag: &str, within: Duration) -> usize {
        let streams = self.of_tag(tag);
        let newly_ended = streams
            .iter()
            .filter(|(control, _)| !control.has_lost_access())
            .count();
        for (control, at) in &streams {
            if at.elapsed() > within {
                control.revoke();
            } else {
                control.reauthenticate(random_retry());
            }
        }
        newly_ended
    }

    /// Ends every stream that carries a tag. The clients reconnect and must authenticate again. Returns the number of
    /// streams that had not been ended before.
    pub(in crate::hub) fn reauthenticate_all(&self) -> usize {
        let mut controls = BTreeMap::new();
        for of_tag in self.lock().values() {
            let known = of_tag
                .iter()
                .filter_map(|(id, admitted)| Some((*id, admitted.control.upgrade()?)));
            controls.extend(known);
        }
        let newly_ended = controls
            .values()
            .filter(|control| !control.has_lost_access())
            .count();
        for control in controls.values() {
            control.reauthenticate(random_retry());
        }
        newly_ended
    }

    /// The controls are upgraded under the lock, but ended without it: ending wakes tasks, and dropping the last
    /// control takes the lock.
    fn of_tag(&self, tag: &str) -> Vec<(StreamControl, Instant)> {
        let tags = self.lock();
        let of_tag = tags.get(tag).into_iter().flat_map(BTreeMap::values);
        of_tag
            .filter_map(|admitted| Some((admitted.control.upgrade()?, admitted.at)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByTag> {
        // No code that could panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random time, so that not all clients reconnect at once.
fn random_retry() -> Retry {
    Retry::from(Duration::from_millis(fastrand::u64(1_000..=5_000)))
}

/// Held by the stream's control.
struct TagGuard {
    tags: TagIndex,
    tag: Box<str>,
    stream: u64,
}

impl Drop for TagGuard {
    fn drop(&mut self) {
        let mut tags = self.tags.lock();
        if let Some(of_tag) = tags.get_mut(&self.tag) {
            of_tag.remove(&self.stream);
            if of_tag.is_empty() {
                tags.remove(&self.tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_twice_counts_once() {
        let tags = TagIndex::default();
        let (first, second) = (StreamControl::new(), StreamControl::new());
        for control in [&first, &second] {
            tags.admit(control, "user:7".into());
        }
        assert_eq!(tags.revoke_older("user:7", Duration::ZERO), 2);
        assert_eq!(tags.revoke_older("user:7", Duration::from_secs(60)), 0);
        assert_eq!(tags.reauthenticate_all(), 0);
        let third = StreamControl::new();
        tags.admit(&third, "user:7".into());
        assert_eq!(tags.reauthenticate_all(), 1);
        assert_eq!(tags.revoke_older("user:7", Duration::ZERO), 0);
    }
}
