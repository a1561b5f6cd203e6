//! A subscriber: the state of a subscription that its topics and its worker need.

use std::{
    cell::{Cell, OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    task::{Context, Waker},
};

use smallvec::SmallVec;
use sse_actix_core::{EventId, Position, Positions};
use tokio::time::Instant;

use crate::{
    hub::{admission::limits::StreamPermit, presence::PresenceGuard},
    lifecycle::control::StreamControl,
    server::{ConnectionState, DirectConnection, HandoverOwner},
};

/// A subscription that reads.
pub(in crate::hub) struct Subscriber {
    pub(super) poll_state: PollState,
    pub(in crate::hub) control: Option<StreamControl>,
    pub(in crate::hub) permit: Cell<Option<StreamPermit>>,
    pub(in crate::hub) presence: Cell<Vec<PresenceGuard>>,
    /// The connection, if it was handed over.
    handed_over: OnceCell<Weak<dyn DirectConnection>>,
    /// The state of its connection, while that is not handed over.
    connection: Cell<Option<Weak<ConnectionState>>>,
    pub(super) keep_alive: KeepAliveState,
    pub(in crate::hub) known_position: KnownPosition,
    /// True for clients other than `EventSource`: a gap aborts the stream.
    pub(in crate::hub) plain: Cell<bool>,
    pub(in crate::hub) cursors: SmallVec<[TopicCursor; 1]>,
}

/// The state of a subscription's polling: whether it waits, and the task that polls it.
#[derive(Default)]
pub(super) struct PollState {
    waker: RefCell<Option<Waker>>,
    /// True if it has read everything, and was not woken since.
    pub(super) is_waiting: Cell<bool>,
    /// The tick at which it was last woken or polled.
    pub(super) last_active: Cell<u32>,
    /// Bytes that the client has taken since the stall clock was last reset.
    pub(super) accepted_bytes: Cell<usize>,
    /// The handler has returned this subscription. If it is not polled, its client does not read.
    pub(super) was_returned: Cell<bool>,
    pub(super) over: Cell<bool>,
    /// The key of its deadline in the worker's schedule.
    pub(super) deadline: Cell<Option<(Instant, u64)>>,
}

/// The keep-alive times of a subscription.
#[derive(Default)]
pub(super) struct KeepAliveState {
    /// The time of its last write, in milliseconds of the worker's clock.
    pub(super) last_write: Cell<u64>,
    /// The silence after which a keep-alive is due, in milliseconds; 0 until the body first asks.
    pub(super) silence: Cell<u32>,
    pub(super) is_due: Cell<bool>,
    /// The place of the next keep-alive in the worker's schedule: its time, and its index at that time.
    pub(super) scheduled: Cell<Option<(u64, usize)>>,
}

/// What a client knows about its reader's position, from the ids that it has received.
pub(in crate::hub) struct KnownPosition {
    pub(in crate::hub) last_sent_id: Cell<LastSentId>,
    /// How many topics, of a client that sent an unknown id, wait for their first read. Until it is 0, no id is sent,
    /// because an id that lacks a topic's position makes the client look new to that topic at its next reconnect.
    pub(in crate::hub) unknown_topics: Cell<u8>,
    /// True if position events are sent.
    pub(in crate::hub) sends_position_events: Cell<bool>,
}

/// How the last id that was sent to a client relates to its reader's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum LastSentId {
    /// It equals the position.
    Current,
    /// The reader has advanced since, past events that are hidden from this client. The next keep-alive carries the
    /// position.
    Behind,
    /// It lacks a topic that the reader has begun since. The position is sent at once.
    LacksTopic,
}

/// A subscriber's position in one topic.
pub(in crate::hub) struct TopicCursor {
    /// The slot of the topic in the worker's list.
    pub(super) topic_slot: Cell<usize>,
    /// The slot of the subscriber in the topic's list; `None` while it is not registered.
    pub(super) subscriber_slot: Cell<Option<usize>>,
    /// It counts among the topic's subscribers.
    pub(in crate::hub) is_counted: Cell<bool>,
    pub(in crate::hub) position: Cell<Option<Position>>,
    /// Ids leave this position out: the topic is not replayed, or a snapshot is still owed.
    pub(in crate::hub) omitted_from_ids: Cell<bool>,
}

impl Subscriber {
    pub(in crate::hub) fn new(control: Option<StreamControl>, topics: usize) -> Self {
        let cursor = || TopicCursor {
            topic_slot: Cell::new(0),
            subscriber_slot: Cell::new(None),
            is_counted: Cell::new(false),
            position: Cell::new(None),
            omitted_from_ids: Cell::new(false),
        };
        Self {
            poll_state: PollState::default(),
            control,
            permit: Cell::default(),
            presence: Cell::default(),
            handed_over: OnceCell::new(),
            connection: Cell::default(),
            keep_alive: KeepAliveState::default(),
            known_position: KnownPosition {
                last_sent_id: Cell::new(LastSentId::Current),
                unknown_topics: Cell::new(0),
                sends_position_events: Cell::new(true),
            },
            plain: Cell::new(false),
            cursors: (0..topics).map(|_| cursor()).collect(),
        }
    }

    pub(in crate::hub) fn set_connection(&self, connection: Option<Weak<ConnectionState>>) {
        self.connection.set(connection);
    }

    /// Notes that the handler returned this subscription. So if it is not polled, the only cause is that its client
    /// does not read (used to detect stalled clients).
    pub(in crate::hub) fn set_returned(&self) {
        self.poll_state.was_returned.set(true);
    }

    pub(in crate::hub) fn is_over(&self) -> bool {
        self.poll_state.over.get()
    }

    /// It has read everything, and was not woken since.
    pub(in crate::hub) fn is_waiting(&self) -> bool {
        self.poll_state.is_waiting.get()
    }

    /// The id with its positions in all its topics; `None` if it has no position yet.
    pub(in crate::hub) fn id(&self) -> Option<EventId> {
        Positions::id(self.positions()).to_event_id()
    }

    /// The positions that are sent to its client.
    pub(in crate::hub) fn positions(&self) -> impl Iterator<Item = Position> {
        let included = self
            .cursors
            .iter()
            .filter(|cursor| !cursor.omitted_from_ids.get());
        included
            .filter(|_| self.known_position.unknown_topics.get() == 0)
            .filter_map(|cursor| cursor.position.get())
    }

    /// Moves the cursor to a position without sending an event with that id.
    pub(in crate::hub) fn move_to(&self, cursor: &TopicCursor, to: Position) {
        let before = cursor.position.replace(Some(to));
        if before == Some(to) || cursor.omitted_from_ids.get() {
            return;
        }
        if before.is_none() {
            self.known_position.last_sent_id.set(LastSentId::LacksTopic);
        } else if self.known_position.last_sent_id.get() == LastSentId::Current {
            self.known_position.last_sent_id.set(LastSentId::Behind);
        }
    }

    /// True if a keep-alive has to carry its position.
    pub(in crate::hub) fn has_position_to_send(&self) -> bool {
        self.known_position.last_sent_id.get() != LastSentId::Current
            && self.known_position.sends_position_events.get()
    }

    /// Notes that it is polled now.
    pub(in crate::hub) fn mark_polled(&self, tick: u32) {
        self.poll_state.is_waiting.set(false);
        self.poll_state.last_active.set(tick);
    }

    /// It has read everything, and waits.
    pub(in crate::hub) fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.poll_state.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.poll_state.is_waiting.set(true);
    }

    /// Rounds times down to a quarter of the silence, a second at most. Many keep-alives are then sent together, which
    /// makes them cheap, and an earlier keep-alive works as well.
    pub(super) fn rounded(&self, at: u64) -> u64 {
        let grain = (u64::from(self.keep_alive.silence.get()) / 4).clamp(1, 1_000);
        at - at % grain
    }

    pub(super) fn waits_for_entries_up_to(&self, cursor: &TopicCursor, head: Position) -> bool {
        self.poll_state.is_waiting.get()
            && cursor
                .position
                .get()
                .is_some_and(|position| position.epoch != head.epoch || position.sequence < head.sequence)
    }

    /// True if its connection was handed over.
    pub(in crate::hub) fn is_handed_over(&self) -> bool {
        self.handed_over.get().is_some()
    }

    /// Lets it send its pending events. If its connection was handed over, this happens now: `StreamConnection` polls
    /// the response's outermost body, which polls `StreamBody`, which polls the `SubscriptionReader`. Otherwise this
    /// wakes its task. Call it when nothing of the worker is borrowed, since middleware's code runs in between.
    pub(super) fn drive_or_wake(&self, connection: Option<&dyn DirectConnection>, tick: u32) {
        self.poll_state.is_waiting.set(false);
        // A panic of a middleware body ends only this stream.
        let drive = |connection: &dyn DirectConnection| catch_unwind(AssertUnwindSafe(|| connection.drive()));
        let driven = connection.is_some_and(|connection| drive(connection).unwrap_or(false));
        // A middleware body may poll the stream in another task.
        if !driven || !self.poll_state.is_waiting.get() {
            self.wake(tick);
        }
    }

    /// If its connection was handed over, and bytes wait there for the client: drops them, and ends the connection. If
    /// actix's dispatcher has the connection, its socket fails at the next write, which the dispatcher tries as soon as
    /// its task is woken.
    pub(super) fn give_up(&self) {
        let in_dispatcher = self.connection.take().and_then(|state| state.upgrade());
        if let Some(connection) = self.direct_connection() {
            connection.give_up();
        } else if let Some(state) = in_dispatcher {
            state.give_up();
        }
    }

    /// Its connection, if that was handed over.
    pub(super) fn direct_connection(&self) -> Option<Rc<dyn DirectConnection>> {
        self.handed_over.get().and_then(Weak::upgrade)
    }

    pub(super) fn wake(&self, tick: u32) {
        self.poll_state.is_waiting.set(false);
        self.poll_state.last_active.set(tick);
        // Not while the waker is borrowed: it may poll at once, and the poll stores another waker.
        let waker = self.poll_state.waker.take();
        if let Some(waker) = waker {
            waker.wake_by_ref();
            self.poll_state.waker.borrow_mut().get_or_insert(waker);
        }
    }
}

impl HandoverOwner for Subscriber {
    fn take_over(&self, connection: Weak<dyn DirectConnection>) {
        // A stream stays on its connection.
        if self.handed_over.set(connection).is_ok()
            && let Some(mut permit) = self.permit.take()
        {
            permit.hand_over();
            self.permit.set(Some(permit));
        }
    }

    fn note_accepted(&self, bytes: usize) {
        let accepted = &self.poll_state.accepted_bytes;
        accepted.set(accepted.get().saturating_add(bytes));
    }

    fn panicked(&self) {
        if let Some(control) = &self.control {
            control.panicked();
        }
    }
}
