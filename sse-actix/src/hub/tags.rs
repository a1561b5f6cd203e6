//! Which streams carry which tag, be they open or only admitted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sse_actix_core::Retry;

use crate::control::{StreamControl, WeakControl};

#[derive(Clone, Default)]
pub(super) struct Tags(Arc<Mutex<ByTag>>);

type ByTag = HashMap<Box<str>, HashMap<u64, WeakControl>>;

impl Tags {
    /// Ties a stream to a tag, until the stream and its request are gone.
    pub(super) fn admit(&self, control: &StreamControl, tag: Box<str>) {
        if control.has_tag(&tag)
            && self
                .lock()
                .get(&tag)
                .is_some_and(|of| of.contains_key(&control.id()))
        {
            return;
        }
        self.lock()
            .entry(tag.clone())
            .or_default()
            .insert(control.id(), control.downgrade());
        let admission = Admission {
            tags: self.clone(),
            tag: tag.clone(),
            stream: control.id(),
        };
        control.add_tag(tag, Some(Box::new(admission)));
    }

    pub(super) fn revoke(&self, tag: &str) -> usize {
        // Upgraded under the lock, ended without it: that wakes tasks, and the last control that goes
        // takes the lock.
        let controls: Vec<_> = {
            let tags = self.lock();
            let of_tag = tags.get(tag).into_iter().flat_map(HashMap::values);
            of_tag.filter_map(WeakControl::upgrade).collect()
        };
        for control in &controls {
            control.revoke();
        }
        controls.len()
    }

    /// Ends every stream that carries a tag so that its client comes back, and whoever looks at its credential
    /// decides.
    pub(super) fn send_all_away(&self, retry: impl Fn() -> Retry) -> usize {
        let mut controls = HashMap::new();
        for of_tag in self.lock().values() {
            let known = of_tag
                .iter()
                .filter_map(|(id, control)| Some((*id, control.upgrade()?)));
            controls.extend(known);
        }
        for control in controls.values() {
            control.send_away(retry());
        }
        controls.len()
    }

    fn lock(&self) -> MutexGuard<'_, ByTag> {
        // No code that could panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the stream's control.
struct Admission {
    tags: Tags,
    tag: Box<str>,
    stream: u64,
}

impl Drop for Admission {
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
