//! How a reader that has replayed everything follows its worker's window.

use std::sync::Arc;

use sse_actix_core::{Position, Start, WindowRead};

use super::{
    advance::ReadStep,
    sink::FrameTarget,
    topic::{ReadPurpose, TopicReader},
};
use crate::hub::worker::TopicCursor;

impl<S: FrameTarget> ReadStep<'_, S> {
    /// Reads from the window. Returns whether it moved.
    pub(super) fn follow(&mut self, reader: &mut TopicReader, cursor: &TopicCursor) -> bool {
        let Some(mut position) = cursor.position.get() else {
            return false;
        };
        let worker = self.worker;
        // While draining, the window may not know yet of what was published before. So the log is asked.
        let draining = reader.stop_at.is_some();
        if reader.options.is_some() {
            // Its filters may do anything, so they do not run while the window is borrowed.
            let mut next = None;
            let behind = worker.with_topic(cursor, |topic| match topic.window.next_after(position) {
                WindowRead::Next(entry) => {
                    next = Some(Arc::clone(entry));
                    false
                }
                WindowRead::UpToDate => draining,
                WindowRead::NotCovered => true,
            });
            return match next {
                Some(entry) => self.deliver(reader, cursor, &mut vec![entry].into_iter(), position),
                None => behind == Some(true) && self.fall_behind(reader, position),
            };
        }
        let mut moved = false;
        let behind = worker.with_topic(cursor, |topic| {
            let mut given = 0;
            let behind = loop {
                match topic.window.next_after(position) {
                    WindowRead::UpToDate => break draining,
                    WindowRead::NotCovered => break true,
                    WindowRead::Next(entry) => {
                        let may_deliver = reader.stop_at.is_none_or(|stop_at| entry.sequence() <= stop_at);
                        if !may_deliver || self.out.is_full() {
                            break false;
                        }
                        position.sequence = entry.sequence();
                        cursor.position.set(Some(position));
                        self.write_entry(entry, !cursor.omitted_from_ids.get());
                        given += 1;
                    }
                }
            };
            moved = given > 0;
            topic.delivered.set(topic.delivered.get() + given);
            behind
        });
        if behind == Some(true) {
            return self.fall_behind(reader, position);
        }
        moved
    }

    /// Asks the log for what the window does not have. Returns whether there may be any.
    fn fall_behind(&self, reader: &mut TopicReader, position: Position) -> bool {
        if reader.stop_at.is_some_and(|stop_at| position.sequence >= stop_at) {
            return false;
        }
        self.read(reader, Start::After(position), ReadPurpose::CatchUp);
        true
    }
}
