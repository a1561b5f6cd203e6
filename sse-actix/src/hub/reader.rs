//! A subscription that reads: its reader in each topic, and one poll of it.

mod advance;
mod deliver;
mod topic;

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use smallvec::SmallVec;
use sse_actix_core::{Entry, Event, EventId, EventName, Frame, position_frame};
use tokio::time::{Sleep, sleep};

use self::{
    advance::ReadFailure,
    deliver::{MAX_HIDDEN_PER_TURN, ReadStep},
    topic::ReplayState,
};
pub(super) use self::{
    deliver::{FrameTarget, IdLine},
    topic::{ResumePoint, TopicReader},
};
use super::{
    shared::HubShared,
    stats::Eviction,
    worker::{LastSentId, Subscriber, Worker},
};
use crate::{
    server::HandoverOwner,
    stream::{
        buffer::EventBuffer,
        source::{Source, SourceResult},
    },
};

/// How many bytes a reader takes at once if actix's dispatcher has its connection. With one more small event, and the
/// framing of HTTP/1.1, they fit into the 8 KiB of actix's buffer. With more bytes that buffer would grow, and
/// never shrink again, not even when the reader has caught up. With ten thousand readers that is much memory.
const DISPATCHER_LIMIT: usize = 7 * 1024 + 512;

/// The same if the connection was handed over: such a connection keeps no buffer.
const HANDED_OVER_LIMIT: usize = 32 * 1024;

/// During a drain: how long it waits for one answer of the log. A client that is not served resumes where it was.
/// Less than [`Server`](crate::Server) waits for streams whose clients take nothing, so that they end regularly.
const DRAIN_PATIENCE: Duration = Duration::from_millis(400);

pub(super) struct SubscriptionReader {
    worker: Rc<Worker>,
    subscriber: Rc<Subscriber>,
    topics: SmallVec<[TopicReader; 1]>,
    /// The tags that become present once it reads all its topics.
    tags_to_announce: Vec<Box<str>>,
    /// True if its last poll was pending only to give other tasks a turn.
    has_yielded: bool,
    /// During a drain: until when it waits for an answer of the log.
    drain_wait: Option<Pin<Box<Sleep>>>,
}

impl SubscriptionReader {
    pub(super) fn new(
        worker: Rc<Worker>,
        subscriber: Rc<Subscriber>,
        topics: SmallVec<[TopicReader; 1]>,
        resume_points: &[ResumePoint],
        tags: Vec<Box<str>>,
    ) -> Self {
        // Made before it registers with its topics: if the log panics, dropping it deregisters the subscriber.
        let mut this = Self {
            worker,
            subscriber,
            topics,
            tags_to_announce: tags,
            has_yielded: false,
            drain_wait: None,
        };
        for (topic_index, (reader, resume_point)) in this.topics.iter_mut().zip(resume_points).enumerate() {
            if let Some(cursor) = this.subscriber.cursors.get(topic_index) {
                reader.begin(&this.worker, &this.subscriber, cursor, topic_index, *resume_point);
            }
        }
        this
    }

    /// Writes everything that is ready to `out`.
    pub(super) fn poll(&mut self, out: &mut impl FrameTarget, cx: &mut Context<'_>) -> Poll<SourceResult> {
        self.subscriber.mark_polled(self.worker.tick_count());
        self.has_yielded = false;
        if self.subscriber.is_over() {
            self.subscriber.wait(cx);
            return Poll::Pending;
        }
        let mut hidden = 0;
        loop {
            if hidden >= MAX_HIDDEN_PER_TURN {
                // It has hidden many entries and has written nothing, so the full buffer does not end its turn.
                self.has_yielded = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut moved = false;
            let has_several_topics = self.topics.len() > 1;
            let (awaits_answers, must_hold_back) = (self.awaits_answers(), self.must_hold_back());
            if self.topics.iter().all(|reader| reader.first_read_succeeded) {
                self.announce_presence();
            }
            for (topic_index, reader) in self.topics.iter_mut().enumerate() {
                if out.is_full() {
                    return Poll::Pending;
                }
                let mut step = ReadStep {
                    worker: &self.worker,
                    subscriber: &self.subscriber,
                    has_several_topics,
                    awaits_answers,
                    must_hold_back,
                    out,
                    hidden: &mut hidden,
                };
                let Some(cursor) = self.subscriber.cursors.get(topic_index) else {
                    continue;
                };
                match step.advance(reader, cursor, cx) {
                    Ok(true) => moved = true,
                    Ok(false) => {}
                    Err(ReadFailure::Failed(error)) => return Poll::Ready(Err(error)),
                    Err(ReadFailure::Overtaken) => {
                        self.worker.evict(&self.subscriber, Eviction::Overtaken);
                        return Poll::Pending;
                    }
                }
            }
            if moved {
                self.drain_wait = None;
            } else {
                if !must_hold_back
                    && !out.is_full()
                    && self.subscriber.known_position.last_sent_id.get() == LastSentId::LacksTopic
                    && let Some(frame) = self.position_frame()
                {
                    out.position(&frame);
                }
                self.subscriber.wait(cx);
                return Poll::Pending;
            }
        }
    }

    /// Makes its tags present. From now on it receives events that are published in reply to its join.
    fn announce_presence(&mut self) {
        if self.tags_to_announce.is_empty() {
            return;
        }
        let tags: Vec<Arc<str>> = self.tags_to_announce.drain(..).map(Arc::from).collect();
        let presence = self.topics.iter().map(|reader| reader.topic.present.enter(&tags));
        self.subscriber.presence.set(presence.collect());
    }

    pub(super) fn subscriber(&self) -> &Rc<Subscriber> {
        &self.subscriber
    }

    /// True if one of its topics sends position events; [`position_frame`](Self::position_frame) contains the positions
    /// of all topics.
    pub(super) fn sends_position_events(&self) -> bool {
        self.position_event().is_some()
    }

    fn position_event(&self) -> Option<&EventName> {
        let options = self.topics.iter().map(|reader| &reader.topic.options);
        let mut sending = options.filter(|options| options.replays && options.positions);
        sending.next().map(|options| &options.position_event)
    }

    /// True until the log has answered once for each topic. Until then an id would lack a topic, and the client would
    /// look new to that topic at its next reconnect: the topic's missed events would be lost.
    fn awaits_answers(&self) -> bool {
        self.topics.iter().any(|reader| !reader.first_read_answered)
    }

    /// True while no event may be delivered. Gap events that have waited for the answers come first.
    fn must_hold_back(&self) -> bool {
        let holds_gap =
            |reader: &TopicReader| matches!(reader.replay.as_deref(), Some(ReplayState::AwaitOtherTopics(_)));
        self.awaits_answers() || self.topics.iter().any(holds_gap)
    }

    /// Returns the position event, and notes that the client knows the position. `None` if the client knows it already,
    /// or while nothing may be delivered.
    fn position_frame(&self) -> Option<Frame> {
        self.take_position(|id| Some(position_frame(self.position_event()?, id)))
    }

    fn take_position(&self, frame: impl FnOnce(&EventId) -> Option<Frame>) -> Option<Frame> {
        let may_send = self.subscriber.has_position_to_send() && !self.must_hold_back();
        let id = may_send.then(|| self.subscriber.id()).flatten()?;
        self.subscriber
            .known_position
            .last_sent_id
            .set(LastSentId::Current);
        frame(&id)
    }

    /// The position event that is due after this silence, for a stream that sends its own keep-alives.
    pub(super) fn due_position(&self, after: Duration) -> Option<Frame> {
        if self.subscriber.has_position_to_send()
            && self.worker.keep_alive_due(&self.subscriber, after, false)
        {
            return self.position_frame();
        }
        None
    }
}

impl Drop for SubscriptionReader {
    fn drop(&mut self) {
        self.worker.deregister(&self.subscriber);
    }
}

impl Source for SubscriptionReader {
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult> {
        let limit = self.fill_limit();
        self.poll(&mut LimitedBuffer { buffer, limit }, cx)
    }

    fn keep_alive_due(&mut self, after: Duration, wrote: bool) -> Option<bool> {
        Some(self.worker.keep_alive_due(&self.subscriber, after, wrote))
    }

    fn keep_alive_with_position(&mut self, name: Option<&EventName>) -> Option<Bytes> {
        let frame = match name {
            Some(name) => self.take_position(|id| Some(Event::data("").event(name).id(id).into())),
            None => self.position_frame(),
        };
        frame.map(Frame::into_bytes)
    }

    fn may_finish(&self) -> bool {
        false
    }

    fn fill_limit(&self) -> usize {
        if self.subscriber.is_handed_over() {
            HANDED_OVER_LIMIT
        } else {
            DISPATCHER_LIMIT
        }
    }

    fn chunk_limit(&self) -> Option<usize> {
        // A connection that was handed over keeps no buffer.
        (!self.subscriber.is_handed_over()).then_some(DISPATCHER_LIMIT)
    }

    fn is_handed_over(&self) -> bool {
        self.subscriber.is_handed_over()
    }

    fn note_accepted(&self, bytes: usize) {
        self.subscriber.note_accepted(bytes);
    }

    fn handover_owner(&self) -> Option<Rc<dyn HandoverOwner>> {
        Some(Rc::clone(&self.subscriber) as _)
    }

    /// True if new entries can come only from its worker, which then wakes it.
    fn is_idle(&self) -> bool {
        self.subscriber.is_waiting() && self.topics.iter().all(TopicReader::is_live)
    }

    fn has_yielded(&self) -> bool {
        self.has_yielded
    }

    fn stop_at_newest(&mut self) -> bool {
        for reader in &mut self.topics {
            if reader.stop_at.is_none() {
                let log = &self.worker.hub.log;
                // A user's log may panic. Then this stream ends where it is, and its client resumes there.
                let known = catch_unwind(AssertUnwindSafe(|| log.stats(&reader.topic.name)))
                    .inspect_err(|panic| HubShared::report_log_panic("stats", &**panic));
                reader.stop_at = Some(match known {
                    Ok(Some(stats)) => stats.head,
                    // Its first answer tells.
                    Ok(None) => u64::MAX,
                    Err(_) => 0,
                });
            }
        }
        true
    }

    fn awaits_more(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.topics.iter().any(TopicReader::awaits_log) {
            return false;
        }
        let wait = self
            .drain_wait
            .get_or_insert_with(|| Box::pin(sleep(DRAIN_PATIENCE)));
        wait.as_mut().poll(cx).is_pending()
    }
}

/// A stream's buffer, to be filled up to a limit.
struct LimitedBuffer<'a> {
    buffer: &'a EventBuffer,
    limit: usize,
}

impl FrameTarget for LimitedBuffer<'_> {
    fn is_full(&self) -> bool {
        self.buffer.has_at_least(self.limit)
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        match id {
            IdLine::Own => self.buffer.push_shared(entry.frame()),
            IdLine::None => self.buffer.push_with_id(b"", entry.body(), entry.frame()),
            IdLine::Positions(line) => self
                .buffer
                .push_with_id(line.as_bytes(), entry.body(), entry.frame()),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        // Frames made for one reader (gap, position) are small, so they are copied.
        self.buffer.push_with_id(frame, b"", &Bytes::new());
    }

    fn position(&mut self, frame: &Frame) {
        self.buffer.push_uncounted(frame);
    }
}

#[cfg(test)]
mod tests {
    use std::{iter, time::SystemTime};

    use sse_actix_core::{Epoch, Event, Position, PositionsLine, Record, TopicName};

    use super::*;

    fn entry(data: &str) -> Entry {
        let position = Position {
            epoch: Epoch::new(&TopicName::from_static("t"), 1),
            sequence: 7,
        };
        let record = Record::event(&Event::data(data), None).unwrap();
        Entry::new(position, record, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_large_entry_is_shared_with_any_id() {
        let (small, large) = (entry("small"), entry(&"x".repeat(20_000)));
        let mut of_several = PositionsLine::default();
        let epoch = |topic| Epoch::new(&TopicName::from_static(topic), 1);
        let positions = ["a", "b"].map(|topic| Position {
            epoch: epoch(topic),
            sequence: 7,
        });
        of_several.set(positions);
        let line = of_several.as_bytes();
        for (id, line) in [
            (IdLine::None, b"".as_slice()),
            (IdLine::Positions(&of_several), line),
        ] {
            let buffer = EventBuffer::new(None);
            buffer.borrow_thread_pieces();
            let mut sink = LimitedBuffer {
                buffer: &buffer,
                limit: 1,
            };
            sink.entry(&small, IdLine::None);
            sink.entry(&large, id);
            sink.frame(&small.to_frame());
            assert_eq!(buffer.emitted(), 3);
            let pieces: Vec<_> = iter::from_fn(|| buffer.take()).collect();
            assert!(pieces.concat() == [small.body(), line, large.body(), small.frame()].concat());
            let shared = pieces
                .iter()
                .filter(|piece| piece.as_ptr() == large.body().as_ptr());
            assert_eq!(shared.count(), 1);
        }
    }
}
