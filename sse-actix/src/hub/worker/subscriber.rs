//! A subscription, as its topics and its worker know it.

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
    server::{DirectConnection, HandoverOwner},
};

/// A subscription, as its topics know it.
pub(in crate::hub) struct Subscriber {
    pub(super) poll_state: PollState,
    pub(in crate::hub) control: Option<StreamControl>,
    pub(in crate::hub) permit: Cell<Option<StreamPermit>>,
    pub(in crate::hub) presence: Cell<Vec<PresenceGuard>>,
    /// The connection that was handed over, if it was.
    handed_over: OnceCell<Weak<dyn DirectConnection>>,
    pub(super) keep_alive: KeepAliveState,
    pub(in crate::hub) known_position: KnownPosition,
    /// Its stream is for clients other than `EventSource`: a gap aborts it.
    pub(in crate::hub) plain: Cell<bool>,
    pub(in crate::hub) cursors: SmallVec<[TopicCursor; 1]>,
}

/// Whether a subscription waits, and which task polls it.
#[derive(Default)]
pub(super) struct PollState {
    waker: RefCell<Option<Waker>>,
    /// It has read everything, and was not woken since.
    pub(super) is_waiting: Cell<bool>,
    /// The tick at which it was last woken or polled.
    pub(super) last_active: Cell<u32>,
    /// How many bytes of chunks its client has taken since that counted as reading the last time.
    pub(super) accepted_bytes: Cell<usize>,
    /// The handler has returned this subscription. If it is not polled, its client does not read.
    pub(super) is_response: Cell<bool>,
    pub(super) over: Cell<bool>,
    /// Where its deadline is in the worker's schedule.
    pub(super) deadline: Cell<Option<(Instant, u64)>>,
}

/// When a subscription is kept alive.
#[derive(Default)]
pub(super) struct KeepAliveState {
    /// When it last wrote, in milliseconds of the worker's clock.
    pub(super) last_write: Cell<u64>,
    /// After how many milliseconds of silence a keep-alive is due; 0 until the first question.
    pub(super) silence: Cell<u32>,
    pub(super) is_due: Cell<bool>,
    /// Where the next one is in the worker's schedule: at which time, and which of those at that time.
    pub(super) scheduled: Cell<Option<(u64, usize)>>,
}

/// What a client knows of its reader's position, by the ids that it was sent.
pub(in crate::hub) struct KnownPosition {
    pub(in crate::hub) client: Cell<ClientPosition>,
    /// How many topics have not begun and got an id that could not be understood. Until each has sent its gap, no id
    /// is sent: an id without a topic would make that topic new at the next reconnect.
    pub(in crate::hub) unknown_topics: Cell<u8>,
    /// Whether the position is told by events of its own.
    pub(in crate::hub) sends_position_events: Cell<bool>,
}

/// Whether a client knows where its reader is: what the last id that was sent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum ClientPosition {
    /// The client knows the position.
    UpToDate,
    /// The reader has moved since, past events that this client is not shown. The next keep-alive tells the position.
    Behind,
    /// The reader has begun a topic, and no id has told where. The position is told at once.
    Unsent,
}

/// A subscription's place in one topic.
pub(in crate::hub) struct TopicCursor {
    pub(super) topic_slot: Cell<usize>,
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
            keep_alive: KeepAliveState::default(),
            known_position: KnownPosition {
                client: Cell::new(ClientPosition::UpToDate),
                unknown_topics: Cell::new(0),
                sends_position_events: Cell::new(true),
            },
            plain: Cell::new(false),
            cursors: (0..topics).map(|_| cursor()).collect(),
        }
    }

    /// It answers a request itself: nothing but its client's not reading keeps it from being polled.
    pub(in crate::hub) fn set_returned(&self) {
        self.poll_state.is_response.set(true);
    }

    pub(in crate::hub) fn is_over(&self) -> bool {
        self.poll_state.over.get()
    }

    /// It has read everything, and was not woken since.
    pub(in crate::hub) fn is_waiting(&self) -> bool {
        self.poll_state.is_waiting.get()
    }

    /// The id that says where it is in all its topics; `None` if it is nowhere yet.
    pub(in crate::hub) fn id(&self) -> Option<EventId> {
        Positions::id(self.positions()).to_event_id()
    }

    /// Where it is, as its client is told.
    pub(in crate::hub) fn positions(&self) -> impl Iterator<Item = Position> {
        let told = self
            .cursors
            .iter()
            .filter(|cursor| !cursor.omitted_from_ids.get());
        told.filter(|_| self.known_position.unknown_topics.get() == 0)
            .filter_map(|cursor| cursor.position.get())
    }

    /// Moves the cursor to a position, without an event whose id tells it.
    pub(in crate::hub) fn move_to(&self, cursor: &TopicCursor, to: Position) {
        let before = cursor.position.replace(Some(to));
        if before == Some(to) || cursor.omitted_from_ids.get() {
            return;
        }
        if before.is_none() {
            self.known_position.client.set(ClientPosition::Unsent);
        } else if self.known_position.client.get() == ClientPosition::UpToDate {
            self.known_position.client.set(ClientPosition::Behind);
        }
    }

    /// Whether a keep-alive has to tell its position.
    pub(in crate::hub) fn has_position_to_send(&self) -> bool {
        self.known_position.client.get() != ClientPosition::UpToDate
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

    /// Times are rounded down to a quarter of the silence, a second at most. Many keep-alives then leave together, which
    /// makes them cheap, and one that comes earlier keeps alive as well.
    pub(super) fn rounded(&self, at: u64) -> u64 {
        let grain = (u64::from(self.keep_alive.silence.get()) / 4).clamp(1, 1_000);
        at - at % grain
    }

    pub(super) fn waits_before(&self, cursor: &TopicCursor, head: Position) -> bool {
        self.poll_state.is_waiting.get()
            && cursor
                .position
                .get()
                .is_some_and(|position| position.epoch != head.epoch || position.sequence < head.sequence)
    }

    /// Whether its connection was handed over.
    pub(in crate::hub) fn is_handed_over(&self) -> bool {
        self.handed_over.get().is_some()
    }

    /// Lets it send what it has. If its connection was handed over, this happens now: `StreamConnection` polls the response's
    /// outermost body, which polls `StreamBody`, which polls the `SubscriptionReader`. Otherwise this wakes its task. Call it
    /// when nothing of the worker is borrowed, since middleware's code runs in between.
    pub(super) fn drive_or_wake(&self, connection: Option<&dyn DirectConnection>, tick: u32) {
        self.poll_state.is_waiting.set(false);
        // A panic of what is around its body ends this stream alone.
        let drive = |connection: &dyn DirectConnection| catch_unwind(AssertUnwindSafe(|| connection.drive()));
        let driven = connection.is_some_and(|connection| drive(connection).unwrap_or(false));
        // What is around its body may poll that in another task.
        if !driven || !self.poll_state.is_waiting.get() {
            self.wake(tick);
        }
    }

    /// Its connection, if that was handed over.
    pub(super) fn direct_connection(&self) -> Option<Rc<dyn DirectConnection>> {
        self.handed_over.get().and_then(Weak::upgrade)
    }

    pub(super) fn wake(&self, tick: u32) {
        self.poll_state.is_waiting.set(false);
        self.poll_state.last_active.set(tick);
        // Not while it is borrowed: a waker may poll at once, and the poll leaves another waker.
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
